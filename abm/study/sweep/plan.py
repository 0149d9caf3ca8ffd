"""What a sweep is: scenario, points, seeds and measures, read from a TOML file and checked before anything is run."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from abm.output.measures import MEASURES
from abm.scenarios import load_scenario
from abm.scenarios.checks import checked
from abm.scenarios.files import NAME, read
from abm.scenarios.schema import MOST_DAYS, Scenario
from abm.scenarios.vary import field_of, varied
from abm.study.sweep.design import DESIGNS, MOST_POINTS, UNIT, Design, Table, read_points
from abm.study.sweep.distributions import DISTRIBUTIONS, Factor
from abm.world.errors import InputError, unknown_name, wrong_value

TABLES: Final = {"sweep": dict, "design": dict, "parameter": list, "link": list, "set": dict}
MOST_SEED: Final = 2**62


class Header(BaseModel):
    """The table [sweep] of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=f"^{NAME.pattern}$", description="name of the results")
    title: str = Field("", max_length=200, description="in words")
    scenario: str = Field(description="packaged scenario, or a file")
    days: int | None = Field(None, ge=1, le=MOST_DAYS, description="trading days instead of the scenario's")
    seeds: int = Field(1, ge=1, le=100_000, description="runs of every point")
    first_seed: int = Field(1, ge=0, le=MOST_SEED, description="the first seed, counted up from")
    pairing: Literal["common", "independent"] = Field(
        "common", description="common: every point on the same seeds; independent: every run on its own"
    )
    measures: list[str] = Field([], description="names of measures to keep; all if empty")


class Link(BaseModel):
    """A parameter that follows another one: scale x it + offset."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    name: str
    follows: str = Field(description="a varied parameter")
    scale: float | None = Field(None, description="factor; with neither scale nor offset the value itself is taken")
    offset: float | None = Field(None, description="added after scaling")

    def value(self, of: Any) -> Any:
        """Its value where the parameter it follows has this one."""
        if self.scale is None and self.offset is None:
            return of
        return (1.0 if self.scale is None else self.scale) * of + (self.offset or 0.0)


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked sweep. Runs are numbered point by point: run = point x seeds + repetition.

    base: the scenario before it is varied. factors: what varies, empty for a table of points. links: what follows.
    points: one row per point, a column per parameter and, for sampled designs, per parameter a "unit." coordinate.
    """

    name: str
    title: str
    base: Scenario
    seeds: int
    first_seed: int
    pairing: str
    measures: tuple[str, ...]
    design: Design
    factors: tuple[Factor, ...]
    links: tuple[Link, ...]
    points: pa.Table

    @property
    def runs(self) -> int:
        """Number of runs."""
        return int(self.points.num_rows * self.seeds)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of what varies by itself, in order."""
        return tuple(name for name in self.points.column_names if not name.startswith(UNIT))

    def seed(self, run: int) -> int:
        """Seed of a run: common random numbers repeat the same seeds at every point."""
        return self.first_seed + (run % self.seeds if self.pairing == "common" else run)

    def values(self, point: int) -> dict[str, Any]:
        """Values of the varied parameters at a point."""
        return {name: self.points.column(name)[point].as_py() for name in self.parameters}

    def settings(self, point: int) -> dict[str, Any]:
        """All that differs from the base scenario at a point, links included."""
        values = self.values(point)
        return values | {link.name: link.value(values[link.follows]) for link in self.links}

    def described(self) -> dict[str, Any]:
        """Everything that decides the results, as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "days": self.base.days,
            "pairing": self.pairing,
            "seeds": self.seeds,
            "first_seed": self.first_seed,
            "measures": list(self.measures),
            "design": self.design.model_dump(),
            "parameters": {f.name: f.model_dump(exclude={"name"}, exclude_none=True) for f in self.factors},
            "links": {link.name: link.model_dump(exclude={"name"}, exclude_none=True) for link in self.links},
            "points": self.points.num_rows,
            "points_sha256": _digest(self.points),
            "scenario": self.base.resolved(),
        }

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the description in canonical JSON."""
        return hashlib.sha256(json.dumps(self.described(), sort_keys=True).encode()).hexdigest()


def load_plan(file: str | Path) -> Plan:
    """The sweep that a TOML file describes. Raises InputError, one sentence, about the first thing that is wrong."""
    path = Path(file)
    document = read(path)
    return plan_from(document.table, document.where, path.parent)


def plan_from(table: Mapping[str, Any], where: str = "sweep", folder: Path = Path()) -> Plan:
    """The sweep that these tables describe, as `load_plan` reads them. folder: where files named in them are."""
    for key, value in table.items():
        if key not in TABLES:
            raise unknown_name(where, "top-level key", key, TABLES)
        if not isinstance(value, TABLES[key]):
            kind = f"tables, each headed [[{key}]]" if TABLES[key] is list else f"a table headed [{key}]"
            raise wrong_value(where, key, value, kind)
    header = checked(Header, table.get("sweep", {}), lambda _: where, lambda name: f"sweep.{name}")
    base = _base(header, table.get("set", {}), folder)
    design = _design(table.get("design", {}), where)
    factors = _factors(table.get("parameter", ()), base, design, where)
    points = _points(design, factors, where, folder)
    plan = Plan(
        name=header.name,
        title=header.title,
        base=base,
        seeds=header.seeds,
        first_seed=header.first_seed,
        pairing=header.pairing,
        measures=_measures(header.measures, where),
        design=design,
        factors=factors,
        links=_links(table.get("link", ()), base, points, where),
        points=points,
    )
    _check_points(plan, where)
    return plan


# -- parts of the file -----------------------------------------------------------------------------------------------


def _base(header: Header, settings: Mapping[str, Any], folder: Path) -> Scenario:
    name = str(folder / header.scenario) if header.scenario.endswith(".toml") else header.scenario
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and "." not in key:
            flat |= {f"{key}.{inner}": v for inner, v in value.items()}
        else:
            flat[key] = value
    return load_scenario(name, overrides=flat, days=header.days)


def _measures(names: Sequence[str], where: str) -> tuple[str, ...]:
    for name in names:
        if name not in MEASURES:
            raise unknown_name(where, "measure", name, MEASURES, f"sweep.measures: {name!r}")
    return tuple(dict.fromkeys(names)) or tuple(MEASURES)


def _design(table: Mapping[str, Any], where: str) -> Design:
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in DESIGNS:
        raise unknown_name(where, "design", str(kind), DESIGNS, f"design.kind = {kind!r}")
    return checked(DESIGNS[kind], table, lambda _: where, lambda name: f"design.{name}")


def _factors(tables: Sequence[Any], base: Scenario, design: Design, where: str) -> tuple[Factor, ...]:
    if isinstance(design, Table) == bool(tables):
        said = "are named in its file" if tables else "must be given as [[parameter]]"
        raise InputError(f"{where}: with design.kind = {design.kind!r} the parameters {said}")
    factors = tuple(_factor(table, number, base, where) for number, table in enumerate(tables, start=1))
    names = [factor.name for factor in factors]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{where}: parameter {name} is given twice, but once is allowed")
    return factors


def _factor(table: Any, number: int, base: Scenario, where: str) -> Factor:
    label = f"parameter {number}"
    if not isinstance(table, Mapping):
        raise wrong_value(where, label, table, "a table headed [[parameter]]")
    kind = table.get("distribution")
    if not isinstance(kind, str) or kind not in DISTRIBUTIONS:
        raise unknown_name(where, "distribution", str(kind), DISTRIBUTIONS, f"{label}.distribution = {kind!r}")
    factor = checked(DISTRIBUTIONS[kind], table, lambda _: where, lambda name: f"{label}.{name}")
    field_of(base, factor.name, where)
    return factor


def _links(tables: Sequence[Any], base: Scenario, points: pa.Table, where: str) -> tuple[Link, ...]:
    links: list[Link] = []
    for number, table in enumerate(tables, start=1):
        label = f"link {number}"
        if not isinstance(table, Mapping):
            raise wrong_value(where, label, table, "a table headed [[link]]")
        link = checked(Link, table, lambda _: where, lambda name, label=label: f"{label}.{name}")  # type: ignore[misc]
        field_of(base, link.name, where)
        if link.follows not in points.column_names:
            known = [name for name in points.column_names if not name.startswith(UNIT)]
            raise unknown_name(where, "parameter", link.follows, known, f"{label}.follows = {link.follows!r}")
        if link.name in points.column_names or link.name in (other.name for other in links):
            raise InputError(f"{where}: {label}: {link.name} is given twice, but once is allowed")
        numbers = not pa.types.is_boolean(kind := points.schema.field(link.follows).type) and kind != pa.string()
        if not numbers and (link.scale is not None or link.offset is not None):
            raise InputError(f"{where}: {label}: {link.follows} is no number, so that it cannot be scaled")
        links.append(link)
    return tuple(links)


def _points(design: Design, factors: tuple[Factor, ...], where: str, folder: Path) -> pa.Table:
    if isinstance(design, Table):
        return read_points(folder / design.file)
    size = design.size(factors)
    if size > MOST_POINTS:
        raise InputError(f"{where}: the design has {size} points, but at most {MOST_POINTS} are run")
    return design.table(factors)


# -- checks of the points --------------------------------------------------------------------------------------------


def _check_points(plan: Plan, where: str) -> None:
    """Every point must be a valid scenario; first its parameters one by one, so that the message names one."""
    ends = {factor.name: factor.values_at(np.array([0.0, 1.0])).tolist() for factor in plan.factors}
    for name in plan.parameters:
        field_of(plan.base, name, where)
        reached = [value for value in ends.get(name, ()) if not isinstance(value, float) or np.isfinite(value)]
        for value in (*reached, *_extremes(plan.points.column(name))):
            if isinstance(value, float) and not np.isfinite(value):
                raise InputError(f"{where}: {name} reaches {value}; give low and high, which cut its distribution off")
            linked = {link.name: link.value(value) for link in plan.links if link.follows == name}
            if not linked:
                varied(plan.base, {name: value}, where)
    for point in range(plan.points.num_rows):
        varied(plan.base, plan.settings(point), f"{where}, point {point}")


def _extremes(column: pa.ChunkedArray) -> Iterator[Any]:
    """The smallest and the largest value, or all different ones of text."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        both = pc.min_max(column).as_py()
        yield from (both["min"], both["max"])
    else:
        yield from pc.unique(column).to_pylist()


def _digest(table: pa.Table) -> str:
    """SHA-256 of names, types and values."""
    digest = hashlib.sha256(str(table.schema.remove_metadata()).encode())
    for column in table.columns:
        for value in column:
            digest.update(repr(value.as_py()).encode() + b"\0")
    return digest.hexdigest()
