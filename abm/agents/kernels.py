"""What the compiled rules of several sectors share."""

from typing import Any

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
