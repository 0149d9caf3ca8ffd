"""A resolved scenario in words: rows of text for every value it holds and every field an event may have."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from abm.scenarios.checks import allowed_values, unit_and_source
from abm.scenarios.figures import CONFIDENCES, Figure
from abm.scenarios.schema import Scenario
from abm.scenarios.sectors import NEWS, switches
from abm.scenarios.state import State
from abm.world.events import EVENT_KINDS


class Table(NamedTuple):
    """A titled table of text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def scenario_tables(scenario: Scenario) -> Iterator[Table]:
    """Everything that defines the scenario except its opening state."""
    yield _header(scenario)
    yield _events(scenario)
    for sector, params in [*scenario.params.items(), (NEWS, scenario.news)]:
        yield _parameters(scenario, sector, params)
    yield _switches(scenario)


def state_tables(state: State) -> Iterator[Table]:
    """Every figure of an opening state, by section."""
    sections = list(dict.fromkeys(path[0] for path in state.figures))
    for section in sections:
        figures = {path[1:]: figure for path, figure in state.figures.items() if path[0] == section}
        columns = ("figure", "value", "unit", "date", "source", "confidence")
        yield Table(f"opening state {state.name}: {section}", columns, [_figure(*item) for item in figures.items()])
    rows = list(CONFIDENCES.items())
    yield Table("confidence", ("mark", "meaning"), rows)


def event_field_tables() -> Iterator[Table]:
    """Every kind of event with its fields."""
    for kind, model in EVENT_KINDS.items():
        doc = " ".join((model.__doc__ or "").split())
        rows = [
            (name, _default(field), allowed_values(field), field.description or "")
            for name, field in model.model_fields.items()
            if name not in ("kind", "cause")
        ]
        yield Table(f"event {kind}: {doc}", ("field", "default", "allowed", "meaning"), rows)


def _header(scenario: Scenario) -> Table:
    meetings = (f"{bank}: {', '.join(map(str, dates))}" for bank, dates in scenario.meetings.items())
    rows = [
        ("title", scenario.title),
        ("description", scenario.description),
        ("opening state", f"{scenario.state.name}, {scenario.state.title}"),
        ("day 0, first day, last day", ", ".join(str(scenario.dates[i]) for i in (0, 1, -1))),
        ("days", f"{scenario.days} trading days (Japanese business days)"),
        ("meetings decided by rule", "; ".join(meetings)),
        ("hash", scenario.hash),
    ]
    return Table(f"scenario {scenario.name}", ("key", "value"), rows)


def _events(scenario: Scenario) -> Table:
    rows = []
    for event in scenario.events:
        fields = event.model_dump(exclude={"kind", "date", "day", "cause", "note"})
        words = ", ".join(f"{name} = {value}" for name, value in fields.items())
        rows.append((str(event.day), str(event.date), event.kind, words, event.note))
    return Table("scheduled events", ("day", "date", "kind", "fields", "note"), rows)


def _parameters(scenario: Scenario, sector: str, params: Any) -> Table:
    rows = []
    for name, field in type(params).model_fields.items():
        unit, source = unit_and_source(field)
        source = _origin(scenario, sector, name) or source
        rows.append((f"{sector}.{name}", _shown(getattr(params, name)), unit, source, field.description or ""))
    return Table(f"parameters of {sector}", ("parameter", "value", "unit", "source", "meaning"), rows)


def _origin(scenario: Scenario, sector: str, name: str) -> str:
    """Who set a parameter that is not at its default."""
    where = scenario.origins.get(f"{sector}.{name}", "")
    figure = scenario.state.figures.get(("parameters", sector, name))
    if figure is not None and where == f"state {scenario.state.name}":
        return f"{where}: {figure.source} [{figure.conf}]"
    return where


def _switches(scenario: Scenario) -> Table:
    rows = []
    for name, meaning in switches().items():
        on = "on" if scenario.switches[name] else "off"
        rows.append((f"switches.{name}", on, scenario.origins.get(f"switches.{name}", "on unless set"), meaning))
    return Table("behaviour rules", ("switch", "value", "source", "meaning"), rows)


def _figure(path: tuple[str, ...], figure: Figure) -> tuple[str, ...]:
    return ".".join(path), _shown(figure.value), figure.unit, str(figure.date), figure.source, figure.conf


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _default(field: Any) -> str:
    if field.is_required():
        return "needed"
    return "" if field.default is None else _shown(field.default)
