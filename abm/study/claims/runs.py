"""Runs of arms: each (arm, seed) is run once, kept in a file of its own, and read by every claim that has the arm."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from abm import agents
from abm.model import MarketModel
from abm.output.files import write_aside
from abm.output.measures import MEASURES, measure
from abm.output.tables import NEWS, series_column
from abm.study.claims.arms import Arm, World
from abm.study.claims.half_days import HalfDays
from abm.study.ensemble import Job, run_jobs
from abm.study.run import PACKAGE, package_versions
from abm.world.instruments import IDS, IS_BOND
from abm.world.orders import REASONS

RUNS: Final = "runs"
WEEK: Final = 5  # trading days over which flows and parts of moves are added up
DECIDES: Final = ("world", "agents", "scenarios", "model.py", "output/recorder.py", "output/measures.py",
                  "output/tables.py", "study/claims/half_days.py", "study/claims/runs.py")  # fmt: skip
SECTORS: Final = (*agents.REGISTRY, NEWS)
BECAUSE: Final = REASONS
MEASURE_NAMES: Final = tuple(MEASURES)
NOT_KEPT: Final = ("seed", "day", "date", "status")
FAILURE: Final = "failure"

type Arrays = dict[str, np.ndarray]
type Belongs = Callable[[str, str], bool]  # whether a (sector, reason) does


class ObservedModel(MarketModel):
    """The market model, summed up by what claims are judged on."""

    def sum_up(self) -> Arrays:
        """Measures, daily table, and weekly flows and parts of moves."""
        return observed(self.recorder.tables(self.seed_number))


class BackwardsModel(ObservedModel):
    """The same with its sectors in reverse order."""

    def order(self) -> Sequence[str]:
        """Last sector first."""
        return tuple(reversed(super().order()))


class HalfDaysModel(HalfDays, ObservedModel):
    """The same with steps of half a day."""


MODELS: Final[Mapping[World, type[ObservedModel]]] = {
    "": ObservedModel,
    "backwards": BackwardsModel,
    "half days": HalfDaysModel,
}


def observed_model(arm: Arm, seed: int) -> ObservedModel:
    """The model of an arm."""
    return MODELS[arm.world](arm.scenario, rng=seed)


# -- what is kept of a run -------------------------------------------------------------------------------------------


def observed(tables: Mapping[str, pa.Table]) -> Arrays:
    """What is kept of one run.

    measures: (measures,) in the order of `MEASURES`. daily: (days + 1, columns) of the daily table; columns: their
    names. flows, parts: (weeks, cells) net purchases, USD bn, and parts of moves, bp or per cent; flow_cells,
    part_cells: (cells, 3) numbers of sector, reason and market.
    """
    daily = tables["daily"]
    columns = [name for name in daily.column_names if name not in NOT_KEPT]
    weeks = -(-int(daily.column("day")[-1].as_py()) // WEEK)
    values = np.column_stack([daily.column(name).to_numpy() for name in columns])
    flow_cells, flows = _weekly(tables["flows"], "usd_bn", weeks)
    moves = tables["attribution"]
    moved = np.nan_to_num(moves.column("bp").to_numpy()) + np.nan_to_num(moves.column("pct").to_numpy())
    part_cells, parts = _weekly(moves.append_column("part", pa.array(moved)), "part", weeks)
    return {
        "measures": np.array(list(measure(dict(tables)).values())),
        "daily": values.astype(np.float32),
        "columns": np.array(columns),
        "flow_cells": flow_cells,
        "flows": flows,
        "part_cells": part_cells,
        "parts": parts,
    }


def _weekly(table: pa.Table, value: str, weeks: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums by week of every (sector, reason, market) that occurs."""
    names = {"sector": SECTORS, "reason": BECAUSE, "market": IDS}
    numbers = [_numbers(table.column(key), known) for key, known in names.items()]
    sizes = tuple(map(len, names.values()))
    cell = np.ravel_multi_index(numbers, sizes) if table.num_rows else np.empty(0, int)
    present, place = np.unique(cell, return_inverse=True)
    week = np.maximum(table.column("day").to_numpy().astype(int) - 1, 0) // WEEK
    sums = np.bincount(week * present.size + place, table.column(value).to_numpy(), weeks * present.size)
    cells = np.column_stack(np.unravel_index(present, sizes)).astype(np.int16)
    return cells, sums.reshape(weeks, present.size).astype(np.float32)


def _numbers(column: pa.ChunkedArray, known: Sequence[str]) -> np.ndarray:
    """Entries of a dictionary column as positions in a list of names."""
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    order = np.array([known.index(name) for name in array.dictionary.to_pylist()], dtype=int)
    return np.asarray(order[array.indices.to_numpy()] if len(array) else np.empty(0, int))


# -- the store -------------------------------------------------------------------------------------------------------


@lru_cache
def model_hash() -> str:
    """SHA-256 of what decides a run besides its arm: code of the model and of what is kept, and package versions."""
    digest = hashlib.sha256(json.dumps(package_versions(), sort_keys=True).encode())
    for name in DECIDES:
        path = PACKAGE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class Store:
    """Finished runs in a directory: runs/MODEL/ARM/SEED.npz, each written aside and renamed.

    The store of sweeps holds the measures of one table of points on a fixed number of seeds; here arms come one by one,
    seeds are added later, and paths, flows and parts of moves are wanted too.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / RUNS / model_hash()[:16]

    def file(self, arm: Arm, seed: int) -> Path:
        """Where a run is kept."""
        return self.root / hashlib.sha256(arm.hash.encode()).hexdigest()[:24] / f"{seed}.npz"

    def missing(self, wanted: Iterable[tuple[Arm, range]]) -> list[tuple[Arm, list[int]]]:
        """Every arm once, with the seeds, from 1 to the most that is asked for, of which no run is kept."""
        most: dict[str, tuple[Arm, int]] = {}
        for arm, seeds in wanted:
            most[arm.hash] = (arm, max(len(seeds), most.get(arm.hash, (arm, 0))[1]))
        return [
            (arm, [seed for seed in range(1, count + 1) if not self.file(arm, seed).exists()])
            for arm, count in most.values()
        ]

    def fill(self, wanted: Iterable[tuple[Arm, range]], workers: int | None, progress: bool) -> None:
        """Run what is missing. KeyboardInterrupt, in words, keeps what is done."""
        missing = self.missing(wanted)
        listed = [arm for arm, _ in missing]
        jobs = [Job(number, seed) for number, (_, seeds) in enumerate(missing) for seed in seeds]
        done = 0
        try:
            for result in run_jobs(listed, jobs, workers=workers, build=observed_model, progress=progress):
                kept = result.summary if result.failure is None else {FAILURE: np.array(_said(result.failure))}
                self._keep(self.file(listed[result.job.scenario], result.job.seed), kept)
                done += 1
        except KeyboardInterrupt:
            told = f"interrupted: {done} of {len(jobs)} runs are done and kept in {self.root.parents[1]}"
            raise KeyboardInterrupt(f"{told}; the same command goes on") from None

    def _keep(self, file: Path, arrays: Arrays) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_aside(file, lambda opened: opened.write(buffer.getvalue()))

    def ensemble(self, arm: Arm, seeds: range) -> "Ensemble":
        """What was kept of an arm."""
        return Ensemble(arm, seeds, [self.file(arm, seed) for seed in seeds])


def _said(failure: Any) -> str:
    return f"seed {failure.seed}, day {failure.day}: {failure.error}"


# -- reading ---------------------------------------------------------------------------------------------------------


class Ensemble:
    """Runs of one arm. seeds: those that did not fail. failures: what the others said."""

    def __init__(self, arm: Arm, seeds: Iterable[int], files: Sequence[Path]) -> None:
        self.arm = arm
        read = {seed: dict(_read(file)) for seed, file in zip(seeds, files, strict=True)}
        self.failures = tuple(str(run[FAILURE]) for run in read.values() if FAILURE in run)
        self._runs = {seed: run for seed, run in read.items() if FAILURE not in run}
        if not self._runs:
            raise RuntimeError(f"{arm.name}: every seed failed, first {self.failures[0]}")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds in order."""
        return tuple(self._runs)

    @property
    def days(self) -> int:
        """Trading days after day 0."""
        return self.arm.days

    @cached_property
    def dates(self) -> np.ndarray:
        """Date of every day, (days + 1,)."""
        return np.array(self.arm.scenario.dates, dtype="datetime64[D]")

    @cached_property
    def _daily(self) -> np.ndarray:
        return np.array([run["daily"] for run in self._runs.values()])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the daily columns."""
        return tuple(next(iter(self._runs.values()))["columns"].tolist())

    @cached_property
    def _measures(self) -> np.ndarray:
        return np.array([run["measures"] for run in self._runs.values()])

    def measure(self, name: str) -> np.ndarray:
        """One of `abm.output.measures`, (seeds,)."""
        return self._measures[:, MEASURE_NAMES.index(name)]

    def column(self, name: str) -> np.ndarray:
        """A column of the daily table, (seeds, days + 1)."""
        return np.asarray(self._daily[:, :, self.columns.index(name)], dtype=float)

    def level(self, series: str) -> np.ndarray:
        """Yield in per cent, price, or exchange rate, (seeds, days + 1)."""
        return self.column(series_column(series))

    def series(self, name: str) -> np.ndarray:
        """Change since day 0, (seeds, days + 1): bp for bonds, per cent (log) otherwise."""
        x = self.level(name)
        bond = name in IDS and bool(IS_BOND[IDS.index(name)])
        return 100.0 * (x - x[:, :1]) if bond else 100.0 * np.log(x / x[:, :1])

    def moves(self, name: str) -> np.ndarray:
        """Daily changes, (seeds, days): bp for bonds, per cent (log) otherwise."""
        return np.diff(self.series(name), axis=1)

    def flows(
        self, sectors: Iterable[str] = (), markets: Iterable[str] = (), reasons: Iterable[str] = ()
    ) -> np.ndarray:
        """Net purchases by week, USD bn, (seeds, weeks); all where none is named."""
        wanted = [_positions(*pair) for pair in ((sectors, SECTORS), (reasons, BECAUSE), (markets, IDS))]
        rows = []
        for run in self._runs.values():
            cells = run["flow_cells"]
            keep = np.ones(len(cells), dtype=bool)
            for column, numbers in enumerate(wanted):
                if numbers:
                    keep &= np.isin(cells[:, column], numbers)
            rows.append(run["flows"][:, keep].sum(axis=1, dtype=float))
        return np.array(rows)

    def parts(self, market: str) -> dict[tuple[str, str], np.ndarray]:
        """Parts of a market's move by (sector, reason), each (seeds, weeks): bp for bonds, per cent otherwise."""
        found: dict[tuple[str, str], np.ndarray] = {}
        shape = (len(self._runs), next(iter(self._runs.values()))["parts"].shape[0])
        for row, run in enumerate(self._runs.values()):
            for cell in np.flatnonzero(run["part_cells"][:, 2] == IDS.index(market)):
                sector, reason, _ = run["part_cells"][cell]
                name = (SECTORS[sector], BECAUSE[reason])
                found.setdefault(name, np.zeros(shape))[row] = run["parts"][:, cell]
        return found

    def part(self, market: str, belongs: Belongs, weeks: int = 1) -> np.ndarray:
        """Part of a market's move in the first weeks by the sectors and reasons that belong, (seeds,)."""
        chosen = (x[:, :weeks].sum(axis=1) for key, x in self.parts(market).items() if belongs(*key))
        return np.asarray(sum(chosen, np.zeros(len(self._runs))))

    def at(self, seeds: Iterable[int], values: np.ndarray) -> np.ndarray:
        """Rows of values, (seeds, ...), that belong to some of the seeds."""
        place = {seed: i for i, seed in enumerate(self._runs)}
        return values[[place[seed] for seed in seeds]]


def difference(a: Ensemble, b: Ensemble, of: Callable[[Ensemble], np.ndarray]) -> np.ndarray:
    """What an ensemble gives, (seeds, ...), of `a` less that of `b`, on the seeds that both have."""
    common = [seed for seed in a.seeds if seed in set(b.seeds)]
    return np.asarray(a.at(common, of(a)) - b.at(common, of(b)))


def parts_of_effect(
    a: Ensemble, b: Ensemble, market: str, groups: Mapping[str, Belongs], weeks: int = 1, rest: str = "everybody else"
) -> dict[str, np.ndarray]:
    """The effect of `a` against `b` on a market in the first weeks, split by who made it, (seeds,) each.

    groups: name to which (sector, reason) belong to it; what is in none is the rest, so that all add up. Basis points
    for bonds, per cent (log) otherwise.
    """
    left = difference(a, b, lambda r: r.series(market)[:, min(weeks * WEEK, a.days)])
    found = {}
    for name, belongs in groups.items():
        found[name] = difference(a, b, partial(Ensemble.part, market=market, belongs=belongs, weeks=weeks))
        left = left - found[name]
    return {**found, rest: left}


def _positions(names: Iterable[str], known: Sequence[str]) -> list[int]:
    return [known.index(name) for name in names]


def _read(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    with np.load(file) as arrays:
        yield from ((name, arrays[name]) for name in arrays.files)


class Runs(Mapping[str, Ensemble]):
    """Arms of a claim by name, read when asked for."""

    def __init__(self, store: Store, arms: Mapping[str, Arm], seeds: int) -> None:
        self._store, self._arms, self._seeds = store, arms, seeds
        self._read: dict[str, Ensemble] = {}

    def __getitem__(self, name: str) -> Ensemble:
        if name not in self._read:
            arm = self._arms[name]
            self._read[name] = self._store.ensemble(arm, arm.seeds(self._seeds))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arms)

    def __len__(self) -> int:
        return len(self._arms)
