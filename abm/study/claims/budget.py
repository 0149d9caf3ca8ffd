"""How many runs and days are ahead of a trial."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from abm.study.claims import dependence
from abm.study.claims.arms import Arm
from abm.study.claims.claim import Claim
from abm.study.claims.runs import Store


@dataclass(frozen=True)
class Budget:
    """Runs, and trading days in all of them."""

    runs: int
    days: int

    def __add__(self, other: "Budget") -> "Budget":
        return Budget(self.runs + other.runs, self.days + other.days)


def ahead(
    claims: Iterable[Claim],
    allowed: int,
    moves: dependence.Moves,
    store: Store,
    used: Mapping[str, int] | None = None,
    further: Iterable[Arm] = (),
) -> Budget:
    """Runs and days of a trial at most, those in the store not counted.

    used: seeds by claim id where fewer than allowed are needed. further: arms beside those of claims. Counted as if
    every search asked for all it may, and as if no two claims depended on the same parameters.
    """
    claims, used = list(claims), used or {}
    wanted = [(arm, arm.seeds(allowed)) for arm in further]
    total = Budget(0, 0)
    for claim in claims:
        seeds = used.get(claim.id, allowed)
        wanted += dependence.wanted(claim.arms, seeds)
        wanted += dependence.to_screen(claim, allowed, moves) + dependence.to_vary(claim, allowed, moves, ())
        total += _each((arm, len(arm.seeds(seeds))) for arm in claim.searched)
        if dependence.is_tried(claim, allowed):
            more = dependence.few(claim, allowed) - dependence.screening(claim, allowed)
            ends = 2 * min(dependence.SHOWN, len(moves.parameters))
            total += _each((arm, ends * more) for arm in dependence.changed(claim, dependence.leading(claim)).values())
    return total + _each((arm, len(seeds)) for arm, seeds in store.missing(wanted))


def _each(runs: Iterable[tuple[Arm, int]]) -> Budget:
    counted = [(seeds, seeds * arm.days) for arm, seeds in runs]
    return Budget(sum(runs for runs, _ in counted), sum(days for _, days in counted))
