"""How fast it is: opening, stepping, recording, and an ensemble on several cores."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from abm.output.measures import measure
from abm.study.ensemble import Build, Job, Scenario, market_model, run_jobs


@dataclass(frozen=True)
class Benchmark:
    """What was measured. rows: (what, value, unit)."""

    scenario: str
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def __getitem__(self, what: str) -> float:
        return next(value for name, value, _ in self.rows if name == what)

    def add(self, what: str, value: float, unit: str) -> None:
        """One more figure."""
        self.rows.append((what, value, unit))

    def table(self) -> Table:
        """For the terminal."""
        table = Table(title=f"Benchmark: {self.scenario}", title_justify="left", box=None, pad_edge=False)
        table.add_column("what")
        table.add_column("value", justify="right")
        table.add_column("unit", style="dim")
        for what, value, unit in self.rows:
            table.add_row(what, f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:,.3g}", unit)
        return table


def bench(
    scenario: Scenario | None = None,
    *,
    seeds: int = 8,
    workers: int = 2,
    build: Build = market_model,
    console: Console | None = None,
) -> Benchmark:
    """Measure and print. scenario: by default the packaged "sanaenomics"."""
    scenario = scenario or _main_scenario()
    found = Benchmark(f"{scenario.name}, {scenario.days} trading days")
    build(scenario, 1).run_for(1)  # compiled code is loaded once, outside the clock
    model = _open_and_run(scenario, build, found)
    _output(scenario, model, found)
    _ensemble(scenario, seeds, workers, build, found)
    (console or Console()).print(found.table())
    return found


def _main_scenario() -> Scenario:
    from abm.scenarios import load_scenario

    scenario: Scenario = load_scenario("sanaenomics")
    return scenario


def _timed[T](work: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def _open_and_run(scenario: Scenario, build: Build, found: Benchmark) -> Any:
    """One process: opening the books, then day by day."""
    model: Any
    model, opening = _timed(lambda: build(scenario, 1))
    found.add("opening the books", 1000.0 * opening, "ms")
    days = [_timed(lambda: model.run_for(1))[1] for _ in range(scenario.days)]
    institutions = sum(len(sector) for sector in model.sectors.values())
    speed = len(days) / sum(days)
    found.add("steps, one process", speed, "days/s")
    found.add("median step", 1000.0 * statistics.median(days), "ms")
    found.add("slowest step", 1000.0 * max(days), "ms")
    found.add("institutions", institutions, "")
    found.add("institution-days", speed * institutions, "1/s")
    for phase, seconds in getattr(model, "timings", {}).items():
        found.add(f"phase: {phase}", 1000.0 * seconds / len(days), "ms a day")
    return model


def _output(scenario: Scenario, model: Any, found: Benchmark) -> None:
    """Tables and measures of one seed."""
    model.recorder.tables(1)
    tables, seconds = _timed(lambda: model.recorder.tables(1))
    found.add("tables of a seed", 1000.0 * seconds, "ms")
    found.add("measures of a seed", 1000.0 * _timed(lambda: measure(tables))[1], "ms")
    found.add("rows recorded", sum(t.num_rows for t in tables.values()) / scenario.days, "a day")
    found.add("size in memory", sum(t.nbytes for t in tables.values()) / 1e6, "MB a seed")


def _ensemble(scenario: Scenario, seeds: int, workers: int, build: Build, found: Benchmark) -> None:
    """Many seeds on several processes, starting them included."""
    jobs = [Job(0, seed) for seed in range(1, seeds + 1)]
    results, seconds = _timed(
        lambda: sum(r.failure is None for r in run_jobs([scenario], jobs, workers=workers, build=build, progress=False))
    )
    found.add(f"ensemble, {workers} workers", results * scenario.days / seconds, "days/s")
    found.add(f"ensemble, {workers} workers", results / seconds, "runs/s")
