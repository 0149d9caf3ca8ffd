"""A line of the scorecard: one target, what came out, and whether it is met."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One target and what came out.

    id: section, then what is measured. section: "A", "B", "C" or "S". low, high: the range that passes, inclusive;
    infinite where open. result: of the model. responsible: rule, parameter or figure that a miss points at.
    observed: the figure itself where the range is around one. part_of: id of the line of which this one is a member;
    a member does not count by itself. In lines of kind "band" low and high are the model's 5 and 95 %, result its
    median, and the observed move passes or misses. note: what a reader should know.
    """

    id: str
    section: str
    text: str
    unit: str
    low: float
    high: float
    result: float
    passed: bool
    responsible: str
    observed: float | None = None
    part_of: str = ""
    note: str = ""

    @property
    def kind(self) -> str:
        """Last word of the id."""
        return self.id.rsplit(".", 1)[-1]

    @property
    def counts(self) -> bool:
        """Whether it counts by itself."""
        return not self.part_of


def line(
    id_: str,
    text: str,
    unit: str,
    limits: tuple[float, float],
    result: float,
    responsible: str,
    observed: float | None = None,
    part_of: str = "",
    note: str = "",
) -> Line:
    """A line that passes if the result is within the limits; one that is not a number misses."""
    low, high = min(limits), max(limits)
    passed = bool(low <= result <= high)
    return Line(id_, id_[0], text, unit, low, high, result, passed, responsible, observed, part_of, note)


def share_line(id_: str, text: str, members: Sequence[Line], least_pct: float, responsible: str = "") -> Line:
    """A line that passes if at least so many per cent of its members pass; its misses are named."""
    missed = [m for m in members if not m.passed]
    result = share_pct(members)
    blame = responsible or "; ".join(dict.fromkeys(m.responsible for m in missed if m.responsible))
    names = ", ".join(m.id.split(".")[2] if m.id.count(".") > 1 else m.id for m in missed)
    note = f"{len(members) - len(missed)} of {len(members)}" + (f"; missed {names}" if missed else "")
    return Line(id_, id_[0], text, "%", least_pct, 100.0, result, result >= least_pct, blame, note=note)


def all_of(id_: str, text: str, members: Sequence[Line]) -> Line:
    """A line that passes if all of its members do."""
    return share_line(id_, text, members, 100.0)


def share_pct(lines: Iterable[Line]) -> float:
    """Per cent of lines that pass, NaN without lines."""
    passed = [entry.passed for entry in lines]
    return 100.0 * sum(passed) / len(passed) if passed else math.nan


def ratio(part: float, whole: float) -> float:
    """The quotient, NaN where there is nothing to divide by."""
    return part / whole if whole else math.nan
