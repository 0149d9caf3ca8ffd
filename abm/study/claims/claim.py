"""What a claim on trial consists of."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from abm.study.claims.arms import Arm
from abm.study.claims.estimates import Estimate
from abm.study.claims.runs import Runs

SUPPORTED: Final = "supported"
CONDITIONAL: Final = "supported under conditions"
NOT_SUPPORTED: Final = "not supported"
UNDECIDED: Final = "cannot be decided here"
VERDICTS: Final = (SUPPORTED, CONDITIONAL, NOT_SUPPORTED, UNDECIDED)

type Effects = dict[str, Estimate]


@dataclass(frozen=True)
class Verdict:
    """One of `VERDICTS`, and the reason in a sentence or two; for a conditional one, the conditions."""

    label: str
    because: str

    def __post_init__(self) -> None:
        if self.label not in VERDICTS:
            raise ValueError(f"verdict {self.label!r}, expected one of {VERDICTS}")


@dataclass(frozen=True)
class Compared:
    """What the public record shows beside what the model gives. model figures None: the model has no counterpart."""

    text: str
    unit: str
    observed: float
    source: str
    median: float | None = None
    p5: float | None = None
    p95: float | None = None

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def compared(text: str, unit: str, observed: float, source: str, model: np.ndarray | None = None) -> Compared:
    """An observed figure and the model's distribution of it over seeds, (seeds,), if it has one."""
    if model is None:
        return Compared(text, unit, observed, source)
    p5, median, p95 = (float(q) for q in np.quantile(model, (0.05, 0.5, 0.95)))
    return Compared(text, unit, observed, source, median, p5, p95)


@dataclass(frozen=True)
class Claim:
    """A claim on trial.

    id: C1 ... C16. claim: what is said. question: what is asked of the model. design: what varies, what is held, which
    random numbers are shared. rule: how the verdict follows from the effects, written before results.
    arms: every world that is run, by name. core: those `effects` needs; they alone are run again with other choices.
    effects: numbers the verdict rests on, the first of which is the headline; from core arms alone.
    headline, leading: the first of the effects from the arms that it alone needs, for other parameters; left out, the
    first of all effects from all core arms.
    horizon: last day that `effects` read, at which runs for other parameters and choices break off; None: the last.
    verdict: from effects. more: further numbers, from all arms. draw: the figure, to the path given.
    record: what happened until 13 February 2026. reality: the same in a sentence or two.
    refine: further arms that depend on what the earlier ones gave, asked for until there are none. searched: as many
    arms of that length as it asks for at most.
    few: part of the seeds used for dependence on parameters and for robustness.
    """

    id: str
    claim: str
    question: str
    design: str
    rule: str
    arms: Mapping[str, Arm]
    core: tuple[str, ...]
    effects: Callable[[Runs], Effects]
    verdict: Callable[[Effects], Verdict]
    draw: Callable[[Path, Runs, Effects], Any]
    more: Callable[[Runs], Effects] = field(default=lambda runs: {})
    record: Callable[[Runs], list[Compared]] = field(default=lambda runs: [])
    reality: str = ""
    headline: Callable[[Runs], Estimate] | None = None
    leading: tuple[str, ...] = ()
    horizon: int | None = None
    refine: Callable[[Runs], Mapping[str, Arm]] | None = None
    searched: tuple[Arm, ...] = ()
    few: float = 0.04

    def __post_init__(self) -> None:
        if missing := [name for name in (*self.core, *self.leading) if name not in self.arms]:
            raise ValueError(f"{self.id}: core arms {missing} are not among the arms {list(self.arms)}")

    @property
    def core_arms(self) -> dict[str, Arm]:
        """Those `effects` needs, by name."""
        return {name: self.arms[name] for name in self.core}
