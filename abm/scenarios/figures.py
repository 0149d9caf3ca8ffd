"""Figures with provenance: a value, its unit, its date, its source and how far it can be trusted.

In a file a figure is ``{value = ..., unit = ..., date = ..., source = ..., conf = ...}``, or a bare value in a table
that says the rest for all of its entries. A table's words hold for the tables inside it unless they say otherwise.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from abm.scenarios.checks import is_finite_number
from abm.world.errors import InputError, shown, unknown_name, wrong_value

PROVENANCE = ("unit", "date", "source", "conf")
CONFIDENCES = {
    "H": "official or several matching pages",
    "M": "one reputable or second-hand page",
    "L": "weak page or memory",
    "mem": "from memory, no page found",
    "calc": "own arithmetic on cited figures",
}
type Path = tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One figure. conf: one of CONFIDENCES."""

    value: Any
    unit: str
    date: dt.date
    source: str
    conf: str


class Rule(Protocol):
    """What a figure must be: its unit, and the check that returns its value or raises InputError."""

    @property
    def unit(self) -> str: ...

    def check(self, value: Any, where: str, key: str) -> Any: ...


@dataclass(frozen=True)
class Number:
    """A finite number within inclusive limits."""

    unit: str
    lo: float
    hi: float

    def check(self, value: Any, where: str, key: str) -> float:
        if not is_finite_number(value) or not self.lo <= value <= self.hi:
            raise wrong_value(where, key, value, f"a number from {self.lo:g} to {self.hi:g} ({self.unit})")
        return float(value)


@dataclass(frozen=True)
class Dates:
    """A list of dates, kept in order."""

    unit: str = "decision dates"

    def check(self, value: Any, where: str, key: str) -> tuple[dt.date, ...]:
        if not isinstance(value, list | tuple):
            raise wrong_value(where, key, value, "a list of dates (year-month-day)")
        return tuple(sorted(as_date(item, where, key) for item in value))


@dataclass(frozen=True)
class Parameter:
    """A value for a sector's parameter, which checks it and has the unit."""

    unit: str

    def check(self, value: Any, where: str, key: str) -> Any:
        return value


type Rules = Mapping[str, "Rule | Rules"]


def as_date(value: Any, where: str, key: str) -> dt.date:
    """A date from a date or its text."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise wrong_value(where, key, value, "a date (year-month-day)") from None


def read_figures(
    table: Mapping[str, Any], rules: Rules, where: str, said: Mapping[str, Any], path: Path = ()
) -> dict[Path, Figure]:
    """All figures in a table of tables, checked. said: provenance that holds unless the table says otherwise."""
    said = {**said, **{word: table[word] for word in PROVENANCE if word in table}}
    found: dict[Path, Figure] = {}
    for name, node in table.items():
        here = (*path, name)
        if name in PROVENANCE:
            continue
        if name not in rules:
            raise unknown_name(where, f"key in [{'.'.join(path) or 'state'}]", name, rules)
        rule = rules[name]
        if not isinstance(rule, Mapping):
            found[here] = _figure(node, rule, where, said, ".".join(here))
        elif isinstance(node, Mapping):
            found |= read_figures(node, rule, where, said, here)
        else:
            raise wrong_value(where, ".".join(here), node, f"a table with some of {', '.join(rules)}")
    return found


def _figure(node: Any, rule: Rule, where: str, said: Mapping[str, Any], key: str) -> Figure:
    if isinstance(node, Mapping):
        for word in node:
            if word not in (*PROVENANCE, "value"):
                raise unknown_name(where, f"key in {key}", word, (*PROVENANCE, "value"))
        said = {**said, **node}
    else:
        said = {**said, "value": node}
    said = {"unit": rule.unit, **said} if isinstance(rule, Parameter) else said
    for word in ("value", *PROVENANCE):
        if word not in said:
            raise InputError(f"{where}: {key} has no {word}; {_form(key, rule, said)}")
    value = rule.check(said["value"], where, key)
    if said["unit"] != rule.unit and not isinstance(rule, Parameter):
        raise wrong_value(where, f"{key}.unit", said["unit"], repr(rule.unit))
    if not isinstance(said["conf"], str) or said["conf"] not in CONFIDENCES:
        raise unknown_name(where, f"{key}.conf", str(said["conf"]), CONFIDENCES)
    if not isinstance(said["source"], str) or not said["source"].strip():
        raise wrong_value(where, f"{key}.source", said["source"], "text that names the publisher or the method")
    return Figure(value, rule.unit, as_date(said["date"], where, f"{key}.date"), said["source"], said["conf"])


def _form(key: str, rule: Rule, said: Mapping[str, Any]) -> str:
    """How a figure is written, by the example of one that lacks something."""
    words = f'value = {shown(said.get("value", "..."))}, unit = "{rule.unit}", source = "who says so", conf = "M"'
    name = key.rpartition(".")[2]
    return f"write {name} = {{ {words} }}, or once for its table what all its figures share"


def fold(figures: Mapping[Path, Figure]) -> dict[str, Any]:
    """Tables that `read_figures` reads back as the same figures; what a table's entries share is said once."""
    tables: dict[Path, dict[str, Figure]] = defaultdict(dict)
    for path, figure in figures.items():
        tables[path[:-1]][path[-1]] = figure
    out: dict[str, Any] = {}
    for path, entries in tables.items():
        table = out
        for name in path:
            table = table.setdefault(name, {})
        table.update(_fold_table(entries))
    return out


def _fold_table(entries: Mapping[str, Figure]) -> dict[str, Any]:
    first = next(iter(entries.values()))
    shared = [w for w in PROVENANCE if all(getattr(f, w) == getattr(first, w) for f in entries.values())]
    own = [w for w in PROVENANCE if w not in shared]
    folded: dict[str, Any] = {word: getattr(first, word) for word in shared}
    for name, figure in entries.items():
        value = list(figure.value) if isinstance(figure.value, tuple) else figure.value
        folded[name] = {"value": value, **{word: getattr(figure, word) for word in own}} if own else value
    return folded
