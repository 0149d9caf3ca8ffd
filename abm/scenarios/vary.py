"""A resolved scenario with some of its parameters, switches and event fields changed: one point of a sweep."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic.fields import FieldInfo

from abm.scenarios.checks import checked
from abm.scenarios.schema import Scenario
from abm.scenarios.sectors import NEWS, parameter_models, switches
from abm.world.errors import InputError, shown, unknown_name, wrong_value
from abm.world.events import EVENT_KINDS, Event

SWITCHES, EVENT = "switches", "event"
FIXED_FIELDS = {"kind", "cause", "note", "date"}  # of events; when one happens is varied by its day
EVENT_KEY = re.compile(r"event\.(?P<kind>[a-z_]+)(?:\[(?P<number>[1-9][0-9]*)\])?\.(?P<field>[a-z_]+)")


def varied(base: Scenario, settings: Mapping[str, Any], where: str = "sweep") -> Scenario:
    """The scenario with other values, checked like those of a file.

    settings: "sector.parameter", "switches.rule" or "event.KIND.field" ("event.KIND[2].field" for the second of its
    kind, in order of day) to value. The day of an event is varied as the field `day`. Raises InputError.
    """
    parameters: dict[str, dict[str, Any]] = defaultdict(dict)
    on: dict[str, bool] = {}
    fields: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, value in settings.items():
        table, _, name = key.partition(".")
        if table == EVENT:
            number, field = locate_event(base, key, where)
            fields[number][field] = value
        elif table == SWITCHES:
            on[_switch(key, value, where)] = value
        elif name and table in parameter_models():
            parameters[table][name] = value
        else:
            raise unknown_name(where, "parameter", key, varied_names(base))
    params = {name: _changed(name, model, parameters.get(name), where) for name, model in base.params.items()}
    return replace(
        base,
        params=params,
        news=_changed(NEWS, base.news, parameters.get(NEWS), where),
        switches={**base.switches, **on},
        events=_events(base, fields, where),
        origins={**base.origins, **dict.fromkeys(settings, where)},
    )


def varied_names(base: Scenario) -> list[str]:
    """Every name that `varied` knows for this scenario."""
    names = [f"{sector}.{name}" for sector, model in parameter_models().items() for name in model.model_fields]
    names += [f"{SWITCHES}.{name}" for name in switches()]
    for event, label in zip(base.events, _labels(base.events), strict=True):
        names += [f"{label}.{name}" for name in type(event).model_fields if name not in FIXED_FIELDS]
    return names


def field_of(base: Scenario, key: str, where: str = "sweep") -> FieldInfo | None:
    """The field behind a name, None for a switch. InputError with the nearest name if there is none."""
    if key not in varied_names(base):
        if key.startswith(f"{EVENT}."):
            locate_event(base, key, where)
        raise _no_such_parameter(base, key, where)
    table, _, name = key.partition(".")
    if table == SWITCHES:
        return None
    if table == EVENT:
        number, name = locate_event(base, key, where)
        return type(base.events[number]).model_fields[name]
    return parameter_models()[table].model_fields[name]


def locate_event(base: Scenario, key: str, where: str) -> tuple[int, str]:
    """Position among the scenario's events and field that "event.KIND.field" means."""
    match = EVENT_KEY.fullmatch(key)
    if match is None:
        raise wrong_value(where, "parameter", key, "of the form event.KIND.field or event.KIND[number].field")
    kind, field = match["kind"], match["field"]
    if kind not in EVENT_KINDS:
        raise unknown_name(where, "event kind", kind, EVENT_KINDS, shown(key))
    having = [i for i, event in enumerate(base.events) if event.kind == kind]
    if not having:
        raise InputError(
            f"{where}: {key}: scenario {base.name} has no event of kind {kind} within its {base.days} days"
        )
    if match["number"] is None and len(having) > 1:
        raise InputError(
            f"{where}: {key}: there are {len(having)} events of kind {kind}; write event.{kind}[1].{field}"
        )
    if int(match["number"] or 1) > len(having):
        raise InputError(f"{where}: {key}: there are only {len(having)} events of kind {kind}")
    allowed = set(EVENT_KINDS[kind].model_fields) - FIXED_FIELDS
    if field not in allowed:
        raise unknown_name(where, f"field of {kind}", field, allowed, shown(key))
    return having[int(match["number"] or 1) - 1], field


def _no_such_parameter(base: Scenario, key: str, where: str) -> InputError:
    table, _, name = key.partition(".")
    if table == SWITCHES:
        return unknown_name(where, "switch", name, switches(), shown(key))
    if table in parameter_models():
        return unknown_name(where, f"parameter of {table}", name, parameter_models()[table].model_fields, shown(key))
    return unknown_name(where, "sector in the parameter", table, (*parameter_models(), SWITCHES, EVENT), shown(key))


def _labels(events: Iterable[Event]) -> list[str]:
    """How each event is addressed: by its kind, numbered where there are several of it."""
    kinds = [event.kind for event in events]
    seen: dict[str, int] = defaultdict(int)
    labels = []
    for kind in kinds:
        seen[kind] += 1
        labels.append(f"{EVENT}.{kind}" + (f"[{seen[kind]}]" if kinds.count(kind) > 1 else ""))
    return labels


def _switch(key: str, value: Any, where: str) -> str:
    name = key.partition(".")[2]
    if name not in switches():
        raise unknown_name(where, "switch", name, switches(), shown(key))
    if not isinstance(value, bool):
        raise wrong_value(where, key, value, "true or false")
    return name


def _changed(sector: str, model: Any, values: Mapping[str, Any] | None, where: str) -> Any:
    if not values:
        return model
    kind = type(model)
    params = checked(kind, {**model.model_dump(), **values}, lambda _: where, lambda name: f"{sector}.{name}")
    return kind.model_validate(params.model_dump())  # 5 becomes 5.0, as in a scenario read from a file


def _events(base: Scenario, fields: Mapping[int, Mapping[str, Any]], where: str) -> tuple[Event, ...]:
    events = list(base.events)
    for number, values in fields.items():
        old = events[number]
        key = f"{EVENT}.{old.kind}"
        new = checked(type(old), {**old.model_dump(), **values}, lambda _: where, lambda name, key=key: f"{key}.{name}")  # type: ignore[misc]
        if new.day is None or new.day >= len(base.dates):
            raise wrong_value(where, f"{key}.day", new.day, f"within the run, days 1 to {len(base.dates) - 1}")
        events[number] = new.model_copy(update={"date": base.dates[new.day]})
    return tuple(sorted(events, key=lambda event: event.day or 0))
