"""Bands from many seeds, computed by worker processes while the page goes on."""

import os
import threading
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from abm.output.tables import series_column
from abm.scenarios import Scenario
from abm.study.ensemble import Failure, Job, Result, run_jobs
from abm.world.errors import InputError, wrong_value

LEAST_SEEDS, MOST_SEEDS = 4, 500
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
SERIES: Final = ("JGB10", "JGB30", "JGB40", "UST10", "UST30", "BUND10", "USDJPY", "NIKKEI", "NASDAQ", "BTC")
COLUMNS: Final = {**{name: series_column(name) for name in SERIES}, "stress": "stress_index"}
_one_at_a_time = threading.Lock()  # workers use all cores; a second ensemble would only slow down both


@dataclass
class Ensemble:
    """An ensemble of one session. paths: series to one row a seed, (seeds, days)."""

    wanted: int = 0
    days: int = 0
    done_days: int = 0
    failures: list[Failure] = field(default_factory=list)
    running: bool = False
    said: str = ""
    scenario: str = ""
    hash: str = ""
    dates: tuple[Any, ...] = ()
    paths: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self, scenario: Scenario, seeds: Any) -> None:
        """Begin in the background. InputError if the number is wrong or another ensemble is running."""
        if isinstance(seeds, bool) or not isinstance(seeds, int | float) or not LEAST_SEEDS <= seeds <= MOST_SEEDS:
            raise wrong_value("page", "seeds", seeds, f"a whole number from {LEAST_SEEDS} to {MOST_SEEDS}")
        if not _one_at_a_time.acquire(blocking=False):
            raise InputError("an ensemble is running already; wait for it, or cancel it where it was started")
        self._stop = threading.Event()
        self.wanted, self.days, self.done_days, self.failures = int(seeds), scenario.days, 0, []
        self.paths, self.dates, self.scenario, self.hash = {}, scenario.dates, scenario.title, scenario.hash
        self.running, self.said = True, "Workers are starting."
        threading.Thread(target=self._work, args=(scenario, self._stop), daemon=True).start()

    def cancel(self) -> None:
        """Stop after the days that are being computed; finished seeds are kept."""
        self._stop.set()

    def of(self, plan: Scenario) -> bool:
        """Whether a run of a plan is one of those that the bands are of, but for its seed."""
        return self.hash == plan.hash

    @property
    def failed(self) -> str:
        """How many seeds failed, and how the first did; nothing if none did."""
        if not self.failures:
            return ""
        first = self.failures[0]
        how = f"seed {first.seed}, on day {first.day}: {first.error}"
        return f"{len(self.failures)} of {self.wanted} seeds failed, the first of them {how}"

    @property
    def seeds(self) -> int:
        """Seeds that are finished."""
        return len(self.paths.get("stress", ()))

    @property
    def progress(self) -> float:
        """Share of the days that are computed, 0 to 1."""
        return min(self.done_days / max(self.wanted * self.days, 1), 1.0)

    def bands(self, series: str) -> np.ndarray:
        """Quantiles over the finished seeds, (`QUANTILES`, days)."""
        return np.quantile(np.array(self.paths[series]), QUANTILES, axis=0)

    def _work(self, scenario: Scenario, stop: threading.Event) -> None:
        try:
            jobs = [Job(0, seed) for seed in range(1, self.wanted + 1)]
            workers = max(os.cpu_count() or 2, 2)
            for result in run_jobs([scenario], jobs, workers=workers, progress=False, stop=stop, advance=self._advance):
                self._add(result)
        except KeyboardInterrupt:
            self.said = "Cancelled; the bands are of the seeds that were finished."
        except Exception as error:
            self.said = f"The ensemble broke off: {type(error).__name__}: {error}"
        finally:
            self.running = False
            _one_at_a_time.release()

    def _advance(self, days: int) -> None:
        self.done_days += days

    def _add(self, result: Result) -> None:
        self.said = ""
        if result.failure is not None:
            self.failures.append(result.failure)
            return
        daily: pa.Table = result.tables["daily"]
        for name, column in COLUMNS.items():
            self.paths.setdefault(name, []).append(daily.column(column).to_numpy())
