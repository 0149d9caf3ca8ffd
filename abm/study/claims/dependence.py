"""What a verdict depends on: parameters moved one at a time over their ranges, and choices of the modeller.

All claims are moved by the same list, so that claims which share arms share these runs too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from abm.study.claims.arms import Arm
from abm.study.claims.claim import Claim, Effects, Verdict
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
    backwards: bool = False


ROBUSTNESS: Final = (
    Variation("sectors in reverse order within the day", backwards=True),
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

    def variations(self) -> list[Variation]:
        """All of them."""
        return [*(end for free in self.parameters for end in ends(free)), *self.choices]


def is_tried(claim: Claim, seeds: int) -> bool:
    """Whether so many seeds are enough to run a claim with other parameters and choices: at least one in ``few``."""
    return claim.few * seeds >= 1.0


def changed(claim: Claim, variation: Variation) -> dict[str, Arm]:
    """Core arms of a claim under a variation, on fewer seeds."""
    return {
        name: replace(claim.arms[name].changed(variation.settings, variation.backwards), share=claim.few)
        for name in claim.core
    }


def plain(claim: Claim) -> dict[str, Arm]:
    """Core arms as they are, on the same few seeds."""
    return {name: replace(claim.arms[name], share=claim.few) for name in claim.core}


# -- what came out ---------------------------------------------------------------------------------------------------


def headline(effects: Effects) -> Estimate:
    """The first of the effects."""
    return next(iter(effects.values()))


def parameters(claim: Claim, store: Store, seeds: int, moves: Moves) -> list[dict[str, Any]]:
    """The headline effect with each parameter at both ends of its range, most influential first.

    elasticity: change of the effect over its size, per change of the parameter over its default. Empty with too few
    seeds.
    """
    if not is_tried(claim, seeds):
        return []
    base = headline(claim.effects(Runs(store, plain(claim), seeds)))
    rows = []
    for free in moves.parameters:
        low, high = (headline(_effects(claim, end, store, seeds)) for end in ends(free))
        moved = high.value - low.value
        default = _default(claim, free)
        step = (free.high - free.low) / default if default else math.nan
        rows.append(
            {
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
                "seeds": base.seeds,
            }
        )
    return sorted(rows, key=lambda row: -abs(row["moved"]) if math.isfinite(row["moved"]) else 0.0)


def robustness(claim: Claim, store: Store, seeds: int, moves: Moves) -> list[dict[str, Any]]:
    """Verdict and headline effect under each choice of the modeller, beside those of the plain model on these seeds.

    Empty with too few seeds.
    """
    if not is_tried(claim, seeds):
        return []
    effects = claim.effects(Runs(store, plain(claim), seeds))
    rows = [_row("as it is, on these seeds", effects, claim.verdict(effects))]
    for variation in moves.choices:
        effects = _effects(claim, variation, store, seeds)
        rows.append(_row(variation.text, effects, claim.verdict(effects)))
    return [{**row, "moves": row["verdict"] != rows[0]["verdict"]} for row in rows]


def _row(text: str, effects: Effects, verdict: Verdict) -> dict[str, Any]:
    return {"choice": text, "verdict": verdict.label, "effect": headline(effects).document()}


def _effects(claim: Claim, variation: Variation, store: Store, seeds: int) -> Effects:
    return claim.effects(Runs(store, changed(claim, variation), seeds))


def _default(claim: Claim, free: Free) -> float:
    sector, name = free.name.split(".", 1)
    scenario = claim.arms[claim.core[0]].scenario
    return float(getattr(scenario.news if sector == "news" else scenario.params[sector], name))
