"""What somebody at a terminal waits for: whole processes, and an ensemble that is stored."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from abm.scenarios import Scenario, load_scenario
from abm.study.bench.effort import Effort
from abm.study.bench.rows import Measured
from abm.study.bench.timing import Process, program, timed, timed_command
from abm.study.run import run

MAIN: Final = "sanaenomics"
MAIN_DAYS: Final = 60
WORKERS: Final = 2
ALONE: Final = "import mesa, numba, pandas"
WITH_ABM: Final = f"{ALONE}; from abm import MarketModel, compare, load_scenario, run"


def measure_processes(effort: Effort) -> list[Measured]:
    """All rows about whole processes."""
    return [_help(effort), _import(effort), _cold(effort), _warm(effort), _ensemble(effort)]


def _repeated(words: Sequence[str], effort: Effort) -> list[Process]:
    """The counted runs of a command, after those that are not counted."""
    return [timed_command(words) for _ in range(effort.uncounted + effort.commands)][effort.uncounted :]


def _row(id_: str, done: Sequence[Process], seconds: Callable[[Process], float], note: str = "") -> Measured:
    return Measured(id_, [seconds(run) for run in done], median(run.cpu_s for run in done), note=note)


def _help(effort: Effort) -> Measured:
    return _row("help", _repeated([*program(), "--help"], effort), lambda done: done.wall_s)


def _import(effort: Effort) -> Measured:
    """The two imports in turn, so that a change of the machine's speed meets both; differences pair by pair."""
    pairs = []
    for _ in range(effort.uncounted + effort.commands):
        alone, both = (timed_command([sys.executable, "-c", code]) for code in (ALONE, WITH_ABM))
        pairs.append((alone, both))
    counted = pairs[effort.uncounted :]
    cpu = median(both.cpu_s - alone.cpu_s for alone, both in counted)
    note = f"those alone {median(alone.wall_s for alone, _ in counted):.2f} s"
    return Measured("import", [both.wall_s - alone.wall_s for alone, both in counted], cpu, note=note)


def _cold(effort: Effort) -> Measured:
    """The whole command with an empty cache of compiled code, figures included."""
    if not effort.cold:
        return Measured("cold", note="left out of the quick look")
    done = []
    for _ in range(effort.cold):
        with tempfile.TemporaryDirectory() as cache:
            done.append(timed_command([*program(), "run", MAIN], {"NUMBA_CACHE_DIR": cache}))
    return _row("cold", done, lambda run: run.wall_s, "one seed, 60 days, figures included")


def _warm(effort: Effort) -> Measured:
    done = _repeated([*program(), "run", MAIN, *effort.shortened], effort)
    return _row("warm", done, lambda run: run.first_s, "one seed, 60 days, figures included" if effort.judged else "")


def _ensemble(effort: Effort) -> Measured:
    """Starting the workers and writing all tables included, figures not."""
    scenario = load_scenario(MAIN, days=MAIN_DAYS)
    took = [timed(partial(_store, scenario, effort.seeds))[1] for _ in range(effort.ensembles)]
    note = f"{effort.seeds} seeds, workers started and tables written"
    return Measured("ensemble", [effort.seeds / each.wall_s for each in took], note=note)


def _store(scenario: Scenario, seeds: int) -> None:
    """Run and store, then throw away. RuntimeError if a seed fails: a rate without it would be too high."""
    with tempfile.TemporaryDirectory() as folder:
        done = run(scenario, seeds, workers=WORKERS, out=Path(folder) / "run", figures=False, progress=False)
    if done.failures:
        raise RuntimeError(f"{len(done.failures)} seeds of {MAIN} failed, first {done.failures[0]}")
