"""From files to a resolved scenario: read, inherit, override, check everything, and only then hand it out."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from abm.scenarios.calendar import day_of, trading_dates
from abm.scenarios.checks import checked
from abm.scenarios.figures import read_figures
from abm.scenarios.files import (
    PACKAGED_SCENARIOS,
    PACKAGED_STATES,
    Document,
    locate,
    packaged_names,
    read,
    with_ancestors,
)
from abm.scenarios.fitted import ORIGIN, fitted_values
from abm.scenarios.schema import MOST_DAYS, Scenario, ScenarioHeader, StateHeader
from abm.scenarios.sectors import NEWS, parameter_models, switches
from abm.scenarios.state import State, check_complete, check_consistent, in_market_order, same_units, state_rules
from abm.world.errors import InputError, shown, unknown_name, wrong_value
from abm.world.events import EVENT_KINDS, Event

OVERRIDES = "--set"
SWITCHES = "switches"
OBSERVED = "observed"  # rows that only the validation reads
STATE_MAY_BE_OLD_DAYS = 31  # calendar days between the opening state and the first trading day


class Setting(NamedTuple):
    """A value given to a parameter or a switch, and the file that gives it."""

    value: Any
    where: str


@dataclass
class Plan:
    """What the files of one scenario say together, before it is checked as a whole.

    header: keys of [scenario]. where: file that set each of them. state: the file that names or holds the opening
    state. settings: key of [set] to value and file. events: file, number and table of each.
    """

    header: dict[str, Any] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    state: Document | None = None
    settings: dict[str, Setting] = field(default_factory=dict)
    events: list[tuple[str, int, Any]] = field(default_factory=list)


def scenario_names() -> tuple[str, ...]:
    """Names of the packaged scenarios."""
    return packaged_names(PACKAGED_SCENARIOS)


def state_names() -> tuple[str, ...]:
    """Names of the packaged opening states."""
    return packaged_names(PACKAGED_STATES)


def load_scenario(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    days: int | None = None,
    state: str | None = None,
) -> Scenario:
    """A packaged scenario by name, or a user's by its path, checked and resolved.

    overrides: "sector.parameter", "switches.rule" or "scenario.days" to value. days: length instead of the file's;
    events after a shortened run are left out. state: another opening state, which also moves the start to its date.
    Raises InputError, one sentence, about the first thing that is wrong.
    """
    return scenario_of(read(locate(str(name_or_path), PACKAGED_SCENARIOS, "scenario")), overrides, days, state)


def scenario_of(
    document: Document, overrides: Mapping[str, Any] | None = None, days: int | None = None, state: str | None = None
) -> Scenario:
    """The scenario of a file that was read already; arguments and errors as in `load_scenario`."""
    chain = with_ancestors(document, lambda child: _parent(child, "scenario", PACKAGED_SCENARIOS))
    plan = Plan()
    for link in chain:
        _add_file(plan, link)
    chosen = dict(overrides or {})
    length = chosen.pop("scenario.days", None)
    _add_settings(plan, chosen, OVERRIDES)
    return _resolve(plan, length if days is None else days, state)


def scenario_from_resolved(resolved: Mapping[str, Any]) -> Scenario:
    """The scenario that `Scenario.resolved` (or `document`) describes, for instance one kept in a manifest."""
    plan = Plan()
    _add_file(plan, Document("resolved scenario", Path(), dict(resolved)))
    return _resolve(plan, None, None)


def load_state(name_or_path: str | Path) -> State:
    """A packaged opening state by name, or a user's by its path, checked."""
    return _state_at(locate(str(name_or_path), PACKAGED_STATES, "state"))


# -- reading files ---------------------------------------------------------------------------------------------------


def _parent(child: Document, table: str, folder: Path) -> Path | None:
    header = child.table.get(table, {})
    reference = header.get("extends", "") if isinstance(header, dict) else ""
    if not isinstance(reference, str):
        raise wrong_value(child.where, f"{table}.extends", reference, f"the name of another {table}")
    return locate(reference, folder, table, child, f"{table}.extends") if reference else None


def _add_file(plan: Plan, document: Document) -> None:
    """Lay one file over what the files before it said."""
    known = {"scenario": dict, "set": dict, "event": list, "state": dict, OBSERVED: list}
    for key, value in document.table.items():
        if key not in known:
            raise unknown_name(document.where, "top-level key", key, known)
        if not isinstance(value, known[key]):
            kind = f"tables, each headed [[{key}]]" if known[key] is list else f"a table headed [{key}]"
            raise wrong_value(document.where, key, value, kind)
    if "scenario" not in document.table:
        raise InputError(f"{document.where}: has no table [scenario], but every scenario needs one")
    header = document.table["scenario"]
    if not isinstance(header.get("replace_events", False), bool):
        raise wrong_value(document.where, "scenario.replace_events", header["replace_events"], "true or false")
    _choose_state(plan, document)
    for own in ("name", "description", "extends", "replace_events"):
        plan.header.pop(own, None)
        plan.where.pop(own, None)
    for key, value in header.items():
        plan.header[key], plan.where[key] = value, document.where
    plan.where[""] = document.where
    _add_settings(plan, document.table.get("set", {}), document.where)
    if header.get("replace_events"):
        plan.events.clear()
    for number, table in enumerate(document.table.get("event", ()), start=1):
        plan.events.append((document.where, number, table))


def _choose_state(plan: Plan, document: Document) -> None:
    """A file that names or holds an opening state replaces the inherited one, and the start that went with it."""
    named, held = "state" in document.table["scenario"], "state" in document.table
    if named and held:
        raise InputError(f"{document.where}: scenario.state and the table [state] are both given, but only one may be")
    if named or held:
        plan.state = document
        plan.header.pop("state", None)
        plan.header.pop("start", None)


def _add_settings(plan: Plan, settings: Mapping[str, Any], where: str) -> None:
    """Keys are "sector.parameter", quoted, or unquoted and so a table of the sector's parameters."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and "." not in key:
            for name, inner in value.items():
                plan.settings[f"{key}.{name}"] = Setting(inner, where)
        else:
            plan.settings[key] = Setting(value, where)


def _state_at(path: Path) -> State:
    chain = with_ancestors(read(path), lambda child: _parent(child, "state", PACKAGED_STATES))
    state = None
    for link in chain:
        if not isinstance(link.table.get("state"), dict):
            raise InputError(f"{link.where}: has no table [state], but every opening state needs one")
        tables = {key: value for key, value in link.table.items() if key != "state"}
        state = _state_from(link.table["state"], tables, link.where, state)
    assert state is not None
    return state


def _state_from(header: Mapping[str, Any], tables: Mapping[str, Any], where: str, parent: State | None) -> State:
    """The state of one file, laid over the state that it extends."""
    about = checked(StateHeader, header, lambda _: where, _key_in("state"))
    rules = state_rules()
    own = in_market_order(read_figures(tables, rules, where, {"date": about.date}), where)
    figures = {**same_units(parent, own, about.date), **own} if parent else own
    check_complete(figures, rules, where)
    state = State(about.name, about.title, about.date, figures)
    check_consistent(state, where)
    return state


# -- resolving -------------------------------------------------------------------------------------------------------


def _resolve(plan: Plan, days: Any, other_state: str | None) -> Scenario:
    header = checked(ScenarioHeader, plan.header, lambda key: plan.where.get(key, plan.where[""]), _key_in("scenario"))
    length = header.days if days is None else _length(days)
    state = load_state(other_state) if other_state is not None else _opening_state(plan, header)
    start = state.date if other_state is not None or header.start is None else header.start
    _check_start(start, state, plan)
    dates = trading_dates(state.date, start, max(length, header.days))
    settings = _fitted_settings() | _state_settings(state) | plan.settings
    parameters, on = _split(settings)
    models: dict[str, Any] = {
        name: _params(name, model, parameters.get(name, {}), settings) for name, model in parameter_models().items()
    }
    return Scenario(
        name=header.name,
        title=header.title,
        description=header.description,
        state=state,
        start=start,
        days=length,
        events=tuple(event for event in _events(plan.events, dates) if (event.day or 0) <= length),
        params={name: model for name, model in models.items() if name != NEWS},
        news=models[NEWS],
        switches={name: on.get(name, True) for name in switches()},
        dates=dates[: length + 1],
        origins={key: where for key, (_, where) in settings.items()},
    )


def _key_in(table: str) -> Callable[[str], str]:
    return lambda name: f"{table}.{name}" if name else f"[{table}]"


def _length(days: Any) -> int:
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
        raise wrong_value("override", "scenario.days", days, f"a whole number from 1 to {MOST_DAYS} (trading days)")
    return days


def _opening_state(plan: Plan, header: ScenarioHeader) -> State:
    if plan.state is None:
        raise InputError(f"{plan.where['']}: scenario.state is missing; packaged are {', '.join(state_names())}")
    if header.state:
        return _state_at(locate(header.state, PACKAGED_STATES, "state", plan.state, "scenario.state"))
    table = plan.state.table["state"]
    about = {key: value for key, value in table.items() if key in StateHeader.model_fields}
    figures = {key: value for key, value in table.items() if key not in about}
    parent = _parent(replace(plan.state, table={"state": about}), "state", PACKAGED_STATES)
    return _state_from(about, figures, plan.state.where, _state_at(parent) if parent else None)


def _check_start(start: dt.date, state: State, plan: Plan) -> None:
    latest = state.date + dt.timedelta(days=STATE_MAY_BE_OLD_DAYS)
    if not state.date <= start <= latest:
        allowed = f"from {state.date} (the date of state {state.name}) to {latest}"
        raise wrong_value(plan.where["start"], "scenario.start", start, allowed)


# -- parameters and switches -----------------------------------------------------------------------------------------


def _fitted_settings() -> dict[str, Setting]:
    return {key: Setting(value, ORIGIN) for key, value in fitted_values().items()}


def _state_settings(state: State) -> dict[str, Setting]:
    where = f"state {state.name}"
    return {
        f"{sector}.{name}": Setting(value, where)
        for sector, values in state.parameters.items()
        for name, value in values.items()
    }


def _split(settings: Mapping[str, Setting]) -> tuple[dict[str, dict[str, Any]], dict[str, bool]]:
    """Settings by sector, and the switches."""
    parameters: dict[str, dict[str, Any]] = defaultdict(dict)
    on: dict[str, bool] = {}
    for key, (value, where) in settings.items():
        table, dot, name = key.partition(".")
        if table not in (*parameter_models(), SWITCHES):
            raise unknown_name(where, "sector in the key", table, (*parameter_models(), SWITCHES), shown(key))
        if not dot or not name:
            raise InputError(f"{where}: key {shown(key)} names no parameter, but it must read sector.parameter")
        if table != SWITCHES:
            parameters[table][name] = value
        elif name not in switches():
            raise unknown_name(where, "switch", name, switches(), f"{key} = {shown(value)}")
        elif not isinstance(value, bool):
            raise wrong_value(where, key, value, "true or false")
        else:
            on[name] = value
    return parameters, on


def _params(
    sector: str, model: type[BaseModel], values: Mapping[str, Any], settings: Mapping[str, Setting]
) -> BaseModel:
    where = {name: settings[f"{sector}.{name}"].where for name in values}
    last = next(reversed(where.values()), sector)
    params = checked(model, values, lambda name: where.get(name, last), _key_in(sector))
    return model.model_validate(params.model_dump())  # defaults written as 5 become 5.0, as in a file read back


# -- events ----------------------------------------------------------------------------------------------------------


def _events(tables: Iterable[tuple[str, int, Any]], dates: Sequence[dt.date]) -> list[Event]:
    """The scheduled events with their trading days and dates, in order of day; a repeated one is refused."""
    found: dict[Event, str] = {}
    events = []
    for where, number, table in tables:
        event = _event(table, where, f"event {number}", dates)
        same = event.model_copy(update={"note": ""})
        if same in found:
            raise InputError(f"{where}: event {number} ({event.kind} on {event.date}) repeats {found[same]}")
        found[same] = f"event {number} of {where}"
        events.append(event)
    return sorted(events, key=lambda event: event.day or 0)


def _event(table: Any, where: str, label: str, dates: Sequence[dt.date]) -> Event:
    if not isinstance(table, Mapping):
        raise wrong_value(where, label, table, "a table headed [[event]]")
    kind = table.get("kind")
    if kind is None:
        raise InputError(f"{where}: {label} has no kind; allowed are {', '.join(EVENT_KINDS)}")
    if not isinstance(kind, str) or kind not in EVENT_KINDS:
        raise unknown_name(where, "event kind", str(kind), EVENT_KINDS, f"{label}.kind = {shown(kind)}")
    model = EVENT_KINDS[kind]
    allowed = set(model.model_fields) - {"cause"}  # which the program sets
    for key in table:
        if key not in allowed:
            raise unknown_name(where, "key", key, allowed, f"{label}.{key} = {shown(table[key])}")
    when = [key for key in ("date", "day") if key in table]
    if len(when) != 1:
        raise InputError(f"{where}: {label} ({kind}) has {' and '.join(when) or 'neither date nor day'}; give one")
    event = checked(model, table, lambda _: where, _key_in(label))
    return _on_trading_day(event, where, f"{label}.{when[0]}", dates)


def _on_trading_day(event: Event, where: str, key: str, dates: Sequence[dt.date]) -> Event:
    day = day_of(event.date, dates) if event.date is not None else event.day
    if day is None or day >= len(dates):
        last = len(dates) - 1
        raise wrong_value(
            where, key, event.day or event.date, f"within the run, {dates[1]} to {dates[-1]} (days 1 to {last})"
        )
    return event.model_copy(update={"day": day, "date": dates[day]})
