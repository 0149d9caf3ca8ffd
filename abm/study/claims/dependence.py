"""What a verdict depends on: parameters moved one at a time over their ranges, and choices of the modeller.

Every parameter is tried on a few seeds; the three that move the headline most then get more. All claims are moved by
the same list, so that claims which share arms share these runs too.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from abm.study.claims.arms import Arm, World
from abm.study.claims.claim import Claim, Effects
from abm.study.claims.estimates import Estimate
from abm.study.claims.runs import Runs, Store
from abm.study.free import Free, free_parameters

# Liquidity where shocks arrive, what holders of bonds fear and read into it, and how speculators are levered.
CANDIDATES: Final = (
    "dealers.jgb30_depth_per_pct_usd_bn",
    "arbitrageurs.ust10_depth_per_pct_usd_bn",
    "real_money.usdjpy_capacity_per_pct_usd_bn",
    "dealers.fiscal_premium_30y_bp",
    "arbitrageurs.global_reading",
    "carry_traders.leverage_median",
    "crypto_longs.leverage_median",
)
SHOWN: Final = 3
SCREENED_ON: Final = 3  # seeds on which every parameter is tried
FULL: Final = 200  # seeds of which `few` are counted at least,
ENOUGH: Final = 100  # where as many are allowed
POPULATIONS: Final = {"carry_traders": 5000, "crypto_longs": 10_000, "jgb_fast_money": 200, "real_money": 600}
GAUSSIAN: Final = {
    "news.tail_df_rates": 200.0,
    "news.tail_df_currencies": 200.0,
    "news.intensity_sd_rates": 0.0,
    "news.intensity_sd_currencies": 0.0,
}
HEAVY: Final = {"news.tail_df_rates": 4.0, "news.tail_df_currencies": 4.0}


@dataclass(frozen=True)
class Variation:
    """One change of all arms of a claim."""

    text: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    world: World = ""


AS_IS: Final = Variation("as it is, on these seeds")
ROBUSTNESS: Final = (
    Variation("sectors in reverse order within the day", world="backwards"),
    Variation("steps of half a day", world="half days"),
    Variation("half as many members", {f"{s}.members": n // 2 for s, n in POPULATIONS.items()}),
    Variation("Gaussian news without clusters", GAUSSIAN),
    Variation("news with heavier tails (t, 4 degrees of freedom)", HEAVY),
)


def ends(free: Free) -> tuple[Variation, Variation]:
    """A parameter at both ends of its range, what moves with it included."""
    low, high = (
        Variation(f"{free.name} = {value:g}", dict.fromkeys((free.name, *free.also), value))
        for value in (free.low, free.high)
    )
    return low, high


@dataclass(frozen=True)
class Moves:
    """What every claim is moved by: parameters, each to both ends of its range, and choices of the modeller."""

    parameters: tuple[Free, ...] = field(default_factory=lambda: free_parameters(CANDIDATES))
    choices: tuple[Variation, ...] = ROBUSTNESS


def is_tried(claim: Claim, seeds: int) -> bool:
    """Whether so many seeds are enough to run a claim with other parameters and choices: two in ``few`` of them."""
    return claim.few * seeds >= 2.0


def few(claim: Claim, seeds: int) -> int:
    """Seeds on which a claim is run with its most influential parameters and with other choices.

    With half of the full number they are as many as with all of it: fewer would tell nothing.
    """
    return math.ceil(claim.few * (max(seeds, FULL) if seeds >= ENOUGH else seeds))


def screening(claim: Claim, seeds: int) -> int:
    """Seeds on which every parameter is tried."""
    return min(SCREENED_ON, few(claim, seeds))


def changed(claim: Claim, names: Iterable[str], variation: Variation = AS_IS) -> dict[str, Arm]:
    """Arms of a claim under a variation, broken off where effects read no further.

    Those of the headline are compared with each other, so that no more days count than the shortest has.
    """
    chosen = {name: claim.arms[name] for name in names}
    last = max(arm.days for arm in chosen.values()) if claim.horizon is None else claim.horizon
    if tuple(chosen) == claim.leading:
        last = min(last, *(arm.days for arm in chosen.values()))
    return {name: _under(arm, variation, last) for name, arm in chosen.items()}


def _under(arm: Arm, variation: Variation, last: int) -> Arm:
    """Kept, since it takes a hundredth of a second to check the settings and they are asked for again and again."""
    key = (arm.hash, repr(variation), last)
    if key not in _made:
        _made[key] = replace(arm.changed(variation.settings, variation.world), share=1.0).shortened(last)
    return _made[key]


_made: Final[dict[tuple[str, str, int], Arm]] = {}


def leading(claim: Claim) -> tuple[str, ...]:
    """Arms of the headline."""
    return claim.leading or claim.core


# -- what is run -----------------------------------------------------------------------------------------------------

type Wanted = list[tuple[Arm, range]]


def wanted(arms: Mapping[str, Arm], seeds: int) -> Wanted:
    """Arms with the seeds they are run on."""
    return [(arm, arm.seeds(seeds)) for arm in arms.values()]


def to_screen(claim: Claim, seeds: int, moves: Moves) -> Wanted:
    """Every parameter at both ends on a few seeds: the arms of the headline."""
    if not is_tried(claim, seeds):
        return []
    variations = (AS_IS, *(end for free in moves.parameters for end in ends(free)))
    return [row for v in variations for row in wanted(changed(claim, leading(claim), v), screening(claim, seeds))]


def to_vary(claim: Claim, seeds: int, moves: Moves, chosen: Iterable[Free]) -> Wanted:
    """Chosen parameters as they are and at both ends, on more seeds, and all core arms under other choices."""
    if not is_tried(claim, seeds):
        return []
    n = few(claim, seeds)
    settings = (AS_IS, *(end for free in chosen for end in ends(free)))
    parameters = [row for v in settings for row in wanted(changed(claim, leading(claim), v), n)]
    choices = [row for v in (AS_IS, *moves.choices) for row in wanted(changed(claim, claim.core, v), n)]
    return parameters + choices


# -- what came out ---------------------------------------------------------------------------------------------------


def headline(effects: Effects) -> Estimate:
    """The first of the effects."""
    return next(iter(effects.values()))


def screened(claim: Claim, store: Store, seeds: int, moves: Moves) -> list[Free]:
    """Parameters by how far they move the headline on the screening seeds, furthest first.

    Where they move it equally far, as shares of a few seeds often are, the next effect decides. Empty with too few
    seeds.
    """

    def moved(free: Free) -> list[float]:
        low, high = (_effects(claim, leading(claim), end, store, screening(claim, seeds)) for end in ends(free))
        return [-_size(high[name].value - low[name].value) for name in low]

    return sorted(moves.parameters, key=moved) if is_tried(claim, seeds) else []


def parameters(claim: Claim, store: Store, seeds: int, order: Sequence[Free]) -> list[dict[str, Any]]:
    """The headline effect with each parameter at both ends of its range.

    order: as screened. The first three are told from more seeds, in the order found there, then the others.
    elasticity: change of the effect over its size, per change of the parameter over its default.
    """
    first = [_row_of(claim, free, store, few(claim, seeds)) for free in order[:SHOWN]]
    rest = [_row_of(claim, free, store, screening(claim, seeds)) for free in order[SHOWN:]]
    return [*sorted(first, key=lambda row: -_size(row["moved"])), *rest]


def _row_of(claim: Claim, free: Free, store: Store, seeds: int) -> dict[str, Any]:
    low, base, high = (
        headline(_effects(claim, leading(claim), v, store, seeds)) for v in (ends(free)[0], AS_IS, ends(free)[1])
    )
    moved = high.value - low.value
    default = _default(claim, free)
    step = (free.high - free.low) / default if default else math.nan
    return {
        "parameter": free.name,
        "unit": free.unit,
        "default": default,
        "low": free.low,
        "high": free.high,
        "effect_at_low": low.value,
        "effect_at_default": base.value,
        "effect_at_high": high.value,
        "moved": moved,
        "elasticity": moved / abs(base.value) / step if base.value else math.nan,
        "seeds": seeds,
    }


def _size(moved: float) -> float:
    return 0.0 if math.isnan(moved) else abs(moved)


def robustness(claim: Claim, store: Store, seeds: int, moves: Moves) -> list[dict[str, Any]]:
    """Verdict and headline effect under each choice of the modeller, beside those of the plain model on these seeds.

    Empty with too few seeds.
    """
    if not is_tried(claim, seeds):
        return []
    rows = []
    for variation in (AS_IS, *moves.choices):
        effects = _effects(claim, claim.core, variation, store, few(claim, seeds))
        verdict = claim.verdict(effects).label
        rows.append({"choice": variation.text, "verdict": verdict, "effect": headline(effects).document()})
    return [{**row, "moves": row["verdict"] != rows[0]["verdict"]} for row in rows]


def _effects(claim: Claim, names: Iterable[str], variation: Variation, store: Store, seeds: int) -> Effects:
    runs = Runs(store, changed(claim, names, variation), seeds)
    if claim.headline is not None and tuple(names) == claim.leading:
        return {"headline": claim.headline(runs)}
    return claim.effects(runs)


def _default(claim: Claim, free: Free) -> float:
    sector, name = free.name.split(".", 1)
    scenario = claim.arms[claim.core[0]].scenario
    return float(getattr(scenario.news if sector == "news" else scenario.params[sector], name))
