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
def depth_factor(total_usd_bn: float, limit_usd_bn: float) -> float:
    """What orders of choice are multiplied with so that their sum is within the limit: 1, or limit / |sum| if less.

    `Sector.respect_depth`, for one market.
    """
    return limit_usd_bn / max(abs(total_usd_bn), limit_usd_bn, 1e-300)
