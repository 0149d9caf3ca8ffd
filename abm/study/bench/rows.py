"""The rows of the benchmark table: what is measured, in which unit, and the target."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple


class Target(NamedTuple):
    """What is measured. limit: at most so much, or at least; None where nobody set one. Text in {} is filled in."""

    text: str
    unit: str
    limit: float | None
    at_least: bool = False


TARGETS: Final = {
    "day": Target("a simulated day, default world, median", "ms", 1.0),
    "year": Target("{days} days, default world, building included", "s", 0.3),
    "build": Target("building the model", "ms", 50.0),
    "rules": Target("rules of the mass sectors, default world", "ns a member and day", 25.0),
    "large_rules": Target("rules of the mass sectors, {large:,} members", "ns a member and day", 25.0),
    "large_day": Target("a simulated day, {large:,} members", "ms", 30.0),
    "large_memory": Target("resident memory, {large:,} members", "bytes a member", 250.0),
    "huge_day": Target("a simulated day, {huge:,} members", "ms", None),
    "huge_memory": Target("resident memory, {huge:,} members", "bytes a member", 250.0),
    "cost_members": Target("cost of a day in members, exponent", "", 1.0),
    "cost_days": Target("cost of a run in days, exponent", "", 1.0),
    "cost_seeds": Target("cost of an ensemble in seeds, exponent", "", 1.0),
    "cost_markets": Target("cost in markets, exponent", "", 1.0),
    "reference": Target("mass sectors against one plain object per institution", "times as fast", 150.0, True),
    "ensemble": Target("60-day runs of sanaenomics, two workers, stored", "runs a second", 20.0, True),
    "help": Target("abm --help", "s", 0.4),
    "import": Target("import of abm beyond mesa, numba and pandas", "s", 0.3),
    "cold": Target("first abm run sanaenomics, nothing compiled yet", "s", 20.0),
    "warm": Target("abm run sanaenomics, from Enter to the first table", "s", 3.0),
}
HUGE_ROWS: Final = ("huge_day", "huge_memory")


@dataclass(frozen=True)
class Measured:
    """What came out for a row. runs: a figure per counted run. cpu: the median in processor time, same unit.

    interval: 95 %, of a fitted figure. note: what a reader should know, or why there are no runs.
    """

    id: str
    runs: Sequence[float] = ()
    cpu: float | None = None
    interval: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A row with its target. met: None where nothing was measured or no target is set."""

    id: str
    text: str
    unit: str
    target: float | None
    at_least: bool
    value: float | None
    low: float | None
    high: float | None
    cpu: float | None
    runs: int
    met: bool | None
    note: str

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return dict(vars(self))


def row(measured: Measured, judged: bool = True, **sizes: int) -> Row:
    """A measurement beside its target. sizes: what fills the text. judged: whether the target is for these sizes."""
    target = TARGETS[measured.id]
    low, value, high = _three(measured)
    known = judged and value is not None
    return Row(
        measured.id,
        target.text.format(**sizes),
        target.unit,
        target.limit,
        target.at_least,
        value,
        low,
        high,
        measured.cpu,
        len(measured.runs),
        is_met(measured.id, value, low) if known and target.limit is not None else None,
        measured.note,
    )


def is_met(id_: str, value: float | None, low: float | None) -> bool:
    """A median has to reach its target; an exponent misses it once its whole interval lies above."""
    target = TARGETS[id_]
    decides = low if id_.startswith("cost_") else value
    assert target.limit is not None and decides is not None
    return decides >= target.limit if target.at_least else decides <= target.limit


def _three(measured: Measured) -> tuple[float | None, float | None, float | None]:
    """Low, median, high: of all runs, or the interval where there is one."""
    if not measured.runs:
        return None, None, None
    three = measured.interval or (min(measured.runs), max(measured.runs))
    low, value, high = (x if math.isfinite(x) else None for x in (three[0], statistics.median(measured.runs), three[1]))
    return low, value, high
