"""Compiled rules of the mass sectors: one pass over the members each.

Public functions are plain wrappers; the private loops are compiled. The tests compare every loop with the same rule
written in NumPy.
"""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def write_order(
    row: Any, member: int, market: int, reason: int, quantity: float, slope: float, lo: float, hi: float, contract: bool
) -> None:
    """Fill in a row of `orders.ORDER` without currency legs; quantity, slope, lo and hi in USD bn, lo <= 0 <= hi."""
    row.sector, row.member, row.market, row.reason = -1, member, market, reason
    row.quantity, row.slope, row.lo, row.hi = quantity, slope, lo, hi
    row.fx1, row.fx2, row.sign1, row.sign2 = -1, -1, 0.0, 0.0
    row.hedge, row.contract = 0.0, contract


@njit(cache=True)
def depth_factor(total_usd_bn: float, share: float, depth: float, vol: float, calm_vol: float) -> float:
    """What orders of choice are multiplied with so that their sum moves the market by at most ``share`` of a day.

    1, or share x min(1, calm_vol / vol) x depth x vol over the sum where that is less: `Sector.respect_depth`, a usual
    day being a calm one at most.
    """
    limit = share * min(1.0, calm_vol / vol) * depth * vol
    return limit / max(abs(total_usd_bn), limit, 1e-300)


def plan_positions(
    position: np.ndarray,
    budget: np.ndarray,
    margin_gain: np.ndarray,
    entry_rate: np.ndarray,
    exit_rate: np.ndarray,
    profit_taking: float,
    most_gain: float,
    cap: float,
    luck: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Who opens and who closes a position: two flag arrays (members,), enter and leave.

    A flat member enters with probability 1 - exp(-entry_rate); one in position leaves with probability
    1 - exp(-exit_rate (1 + profit_taking clip(margin_gain, 0, most_gain))). The larger of the two flows is thinned
    until the expected net flow is at most ``cap``. position, budget, cap: USD bn; margin_gain: account equity over a
    fresh account's, less one; rates per day; luck: uniform draws in [0, 1).
    """
    flags = _plan_positions(position, budget, margin_gain, entry_rate, exit_rate, profit_taking, most_gain, cap, luck)
    return np.asarray(flags[0]), np.asarray(flags[1])


@njit(cache=True)
def _plan_positions(position, budget, margin_gain, entry_rate, exit_rate, profit_taking, most_gain, cap, luck):  # type: ignore
    n = position.size
    chance = np.empty(n)
    entering, leaving = 0.0, 0.0
    for i in range(n):
        if position[i] > 0.0:
            gain = min(max(margin_gain[i], 0.0), most_gain)
            chance[i] = -np.expm1(-exit_rate[i] * (1.0 + profit_taking * gain))
            leaving += chance[i] * position[i]
        else:
            chance[i] = -np.expm1(-entry_rate[i])
            entering += chance[i] * budget[i]
    keep_in = min(1.0, (leaving + cap) / max(entering, 1e-300))
    keep_out = min(1.0, (entering + cap) / max(leaving, 1e-300))
    enter, leave = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    for i in range(n):
        if position[i] > 0.0:
            leave[i] = luck[i] < keep_out * chance[i]
        else:
            enter[i] = luck[i] < keep_in * chance[i]
    return enter, leave


def margin_called(
    held: np.ndarray, dust: np.ndarray, maintenance: np.ndarray, equity: np.ndarray, closing: np.ndarray
) -> np.ndarray:
    """What members lack to twice their maintenance margin, USD bn, (members,); 0 where none is called.

    Called: a position above ``dust``, not yet offered for sale, whose equity is below maintenance x held. held, dust,
    equity: USD bn; maintenance: share of notional; closing: flags; all (members,).
    """
    return np.asarray(_margin_called(held, dust, maintenance, equity, closing))


@njit(cache=True)
def _margin_called(held, dust, maintenance, equity, closing):  # type: ignore
    need = np.zeros(held.size)
    for i in range(held.size):
        margin = maintenance[i] * held[i]
        if held[i] > dust[i] and equity[i] < margin and not closing[i]:
            need[i] = 2.0 * margin - equity[i]
    return need
