"""When a claim has been run on enough seeds: looks at the results so far, and what makes a verdict plain.

Seeds are added in looks, as in a group-sequential trial. At an interim look a claim stops only if its verdict is the
same wherever the effects lie within three standard errors (Haybittle 1971, British Journal of Radiology 44; Peto et al.
1976, British Journal of Cancer 34). So strict a bound is hardly ever passed by chance, and the final 95 % intervals
need no correction: two such looks before the last raise the chance of a false finding from 5 to 5.3 %.
"""

import math
from itertools import product
from typing import Final

from scipy import stats

from abm.study.claims.claim import UNDECIDED, Claim, Effects

STANDARD_ERRORS: Final = 3.0
LEVEL: Final = float(1.0 - 2.0 * stats.norm.sf(STANDARD_ERRORS))  # 99.73 %
PARTS: Final = (0.2, 0.5)  # of the seeds allowed, at interim looks
LEAST: Final = 8  # seeds of a look, and of whatever is plain
STEP: Final = 1.5  # seeds of a look over those of the one before


def looks(allowed: int) -> tuple[int, ...]:
    """Seeds at which a claim is looked at, ascending, the last being all that are allowed (200: 40, 100, 200)."""
    found: list[int] = []
    for part in PARTS:
        seeds = max(LEAST, round(part * allowed))
        if STEP * seeds <= allowed and (not found or seeds >= STEP * found[-1]):
            found.append(seeds)
    return (*found, allowed)


def is_plain(claim: Claim, effects: Effects) -> bool:
    """Whether the verdict is the same at every corner of the box that the effects' intervals of 99.73 % span.

    Effects are moved together, not one by one: two that are each near a line can hide one another. Never if an effect
    has no such interval or is from fewer than eight seeds, of which no bootstrap has tails so thin, or if the claim
    cannot be decided.
    """
    label = claim.verdict(effects).label
    if label == UNDECIDED or any(e.seeds < LEAST for e in effects.values()):
        return False
    limits = [e.interval(LEVEL) for e in effects.values()]
    if any(math.isnan(x) for pair in limits for x in pair):
        return False
    corners = product(*({low, high} for low, high in limits))
    return all(
        claim.verdict({name: e.exactly(x) for (name, e), x in zip(effects.items(), corner, strict=True)}).label == label
        for corner in corners
    )
