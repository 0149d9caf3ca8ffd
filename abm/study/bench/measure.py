"""The benchmark: everything measured in one run, each figure beside its target.

Wall time where a target is a time, with the processor time beside it; processor time where a figure compares two
measurements of this run (exponents, the ratio to the plain version), because other work on the machine changes it
least. Everything runs once uncounted before it is counted. Medians are told with the least and the most.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from abm.study.bench import bound, scaling, worlds
from abm.study.bench.default_world import measure_default
from abm.study.bench.effort import FULL, HUGE, Effort
from abm.study.bench.history import HISTORY, append, read_history
from abm.study.bench.plain import against_plain
from abm.study.bench.processes import measure_processes
from abm.study.bench.profile import profile_day
from abm.study.bench.report import Bound, Report, now
from abm.study.bench.rows import HUGE_ROWS, TARGETS, Measured, row
from abm.study.run import git_revision

HUGE_DAYS = 5


def bench(
    effort: Effort = FULL, *, huge: bool = False, history: Path = HISTORY, console: Console | None = None
) -> Report:
    """Measure, print, and add to the history."""
    read_history(history)  # what is wrong with it is said before minutes of work
    report = measure(effort, huge)
    report.show(console or Console())
    append(history, report.document())
    return report


def measure(effort: Effort, huge: bool = False) -> Report:
    """All rows, the profile of a day and the comparison with memory."""
    begun, load, date, commit = time.perf_counter(), os.getloadavg(), now(), git_revision()
    _stage("compiling", lambda: _world(effort.members[0], effort))
    own, waited = _stage("the default world", lambda: measure_default(effort))
    phases = _stage("phases of a day", lambda: profile_day(effort))
    sizes = _stage("worlds of more members", lambda: [_world(n, effort) for n in effort.members])
    bandwidth = _stage("copying memory", lambda: bound.copy_bandwidth(effort.copied_mb))
    found = [*own, *worlds.rows_of("large", sizes[-1], sizes[0]), Measured("large_rules", sizes[-1]["rules_ns"])]
    if huge:
        found += _stage(f"a world of {HUGE} members", lambda: worlds.huge_rows(HUGE, HUGE_DAYS, sizes))
    found += _stage("how cost grows", lambda: _exponents(effort, sizes))
    found.append(_stage("the plain version", lambda: against_plain(effort)))
    found += _stage("whole processes", lambda: measure_processes(effort))
    texts = {"days": effort.days, "large": sizes[-1]["members"], "huge": HUGE}
    by_id = {measured.id: row(measured, effort.judged, **texts) for measured in found}
    return Report(
        date=date,
        commit=commit,
        quick=not effort.judged,
        rows=[by_id[id_] for id_ in TARGETS if huge or id_ not in HUGE_ROWS],
        phases=phases,
        bounds=[_bound(world, bandwidth) for world in sizes],
        waited=waited,
        load=load,
        took_s=time.perf_counter() - begun,
    )


def _world(members: int, effort: Effort) -> dict[str, Any]:
    return worlds.measure_apart(members, effort.member_days)


def _exponents(effort: Effort, sizes: list[dict[str, Any]]) -> Iterator[Measured]:
    yield scaling.cost_in_members(sizes)
    yield scaling.cost_in_days(effort)
    yield scaling.cost_in_seeds(effort)
    yield scaling.cost_in_markets()


def _bound(world: dict[str, Any], bandwidth: float) -> Bound:
    return Bound(world["members"], world["touched_bytes"], bandwidth, median(world["day_ms"]))


def _stage[T](name: str, work: Callable[[], T]) -> T:
    """Say on a terminal what is being measured; no thread draws, so that workers can be forked."""
    if sys.stderr.isatty():
        print(f"measuring: {name}", file=sys.stderr)
    return work()
