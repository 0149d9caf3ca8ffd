"""One run of a sweep, wherever it happens: in this process, in another one, on another machine."""

import os
import pickle
import resource
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from abm.output.tables import CONVERGED
from abm.scenarios.schema import Scenario
from abm.scenarios.vary import varied
from abm.study.ensemble import Build, Job, Result, forget_runs, simulate
from abm.study.run import code_hash
from abm.study.sweep.store import FAILED, OK, UNCONVERGED, Row
from abm.world.errors import InputError

MAXRSS_PER_MB: Final = 1024.0 if sys.platform == "linux" else 1024.0**2


class OtherCode(RuntimeError):
    """A worker has another version of the package than the sweep."""


@dataclass(frozen=True)
class Work:
    """What every run of a sweep needs to know."""

    base: Scenario
    measures: tuple[str, ...]
    build: Build
    code_hash: str


@dataclass(frozen=True)
class Task:
    """One run: its number, seed, and what differs from the base scenario."""

    run: int
    seed: int
    settings: dict[str, Any]


def packed(work: Work) -> bytes:
    """The work as it travels to workers."""
    return pickle.dumps(work)


@lru_cache(maxsize=2)
def _unpacked(content: bytes) -> Work:
    work: Work = pickle.loads(content)
    if work.code_hash != code_hash():
        raise OtherCode("a worker has another version of abm than this process; install the same one everywhere")
    return work


def run_task(content: bytes, task: Task) -> Row:
    """The outcome of one run. What goes wrong in the model is a row with its reason."""
    work, begun = _unpacked(content), time.perf_counter()
    try:
        scenario = varied(work.base, task.settings)
        result = simulate(scenario, Job(0, task.seed), work.build, lambda: False)
        assert result is not None
        forget_runs()
        status, reason = _outcome(result)
    except InputError as error:
        result, status, reason = None, FAILED, str(error)
    found = result.measures if result is not None else {}
    return {
        "run": task.run,
        "status": status,
        "reason": reason,
        "values": [float(found.get(name, np.nan)) for name in work.measures],
        "seconds": round(time.perf_counter() - begun, 4),
        "worker": os.getpid(),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MB, 1),
    }


def lost(task: Task, measures: int, reason: str) -> Row:
    """The outcome of a run that took its process with it, again and again."""
    nothing = {"seconds": 0.0, "worker": 0, "memory_mb": 0.0}
    return {"run": task.run, "status": FAILED, "reason": reason, "values": [np.nan] * measures, **nothing}


def _outcome(result: Result) -> tuple[str, str]:
    """Status and reason: failed, not converged on some day, or well."""
    if result.failure is not None:
        return FAILED, f"day {result.failure.day}: {result.failure.error}"
    daily = result.tables["daily"]
    missed = pc.not_equal(daily.column("status"), CONVERGED)
    days = daily.column("day").filter(missed).to_pylist()
    if not days:
        return OK, ""
    return UNCONVERGED, f"the auction did not clear on {len(days)} days, first on day {days[0]}"
