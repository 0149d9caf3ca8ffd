"""Demand schedules: what every participant wants at the quote, and how fast it changes its mind.

One row is one schedule ``q(x) = clip(quantity - slope * x, lo, hi)`` in USD bn valued at the day's quote, with
``x`` the log change of the market's price from the quote; positive buys. A row in a bond, equity or crypto
market may carry currency legs: an unhedged cross-border purchase also buys the foreign currency; a hedged one
buys the currency spot and sells it forward (an exchange-rate swap), so that only ``1 - hedge`` of it weighs on
the exchange rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from abm.world.instruments import N_CCY, N_MARKETS, QUOTE_CCY, fx_legs

REASONS: Final = (
    "news",  # public news in the quote (attribution only)
    "policy_news",  # change of the public expectations curve in the quote (attribution only)
    "valuation",  # price against one's own anchor
    "fiscal_concern",  # re-pricing of the government's promise
    "client_flows",  # subscriptions, redemptions, corporate and household business
    "rebalancing",  # back to policy weights
    "repatriation",  # foreign assets brought home
    "reinvestment",  # premiums, maturing money, coupons
    "hedging",  # change of a currency hedge ratio
    "lapse",  # policyholders leave
    "impairment",  # accounting or solvency limit
    "risk_limit",  # VaR, interest-rate-risk or drawdown limit
    "momentum",  # trend following
    "stop_loss",  # own loss limit
    "profit_taking",
    "carry",  # entering or scaling a carry position
    "carry_unwind",  # closing one
    "margin_call",  # sold to meet a call
    "liquidation",  # sold by the broker or the exchange
    "market_making",  # dealers' and arbitrageurs' inventory and mean reversion
    "dip_buying",  # unleveraged purchases at a deep discount
    "asset_purchase",  # central-bank purchases
    "intervention",  # foreign-exchange operations
    "intervention_funding",  # securities sold to pay for them
    "issuance",  # government supply and buy-backs
    "outside_flow",  # an outside holder's scheduled flow (impact experiments)
)
REASON: Final = {name: i for i, name in enumerate(REASONS)}

ORDER: Final = np.dtype(
    [
        ("sector", np.int16),  # position in the registry, filled in by the model
        ("market", np.int8),
        ("reason", np.int8),
        ("member", np.int32),  # row within the sector
        ("quantity", np.float64),  # USD bn at the quote, positive buys
        ("slope", np.float64),  # USD bn per unit of log price, >= 0
        ("lo", np.float64),  # USD bn, most it may sell (negative)
        ("hi", np.float64),  # USD bn, most it may buy
        ("hedge", np.float64),  # share of the currency legs sold forward, 0 to 1
        ("fx1", np.int8),  # first currency leg's market, -1 for none
        ("fx2", np.int8),
        ("sign1", np.int8),  # +1 buys the pair's base currency when the order buys
        ("sign2", np.int8),
        ("contract", np.bool_),  # settled as forward, future or perpetual instead of cash
    ],
    align=True,
)
"""A row, 56 bytes: auction and ledger go through some thousand rows dozens of times a day."""


_BYTES: Final = np.dtype((np.void, ORDER.itemsize))


def no_orders() -> np.ndarray:
    """An empty block of orders."""
    return np.empty(0, dtype=ORDER)


def join(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """One block of orders from several, in their order."""
    filled = [block.view(_BYTES) for block in blocks if block.size]
    return np.concatenate(filled).view(ORDER) if filled else no_orders()


def post(
    market: int | np.ndarray,
    quantity: np.ndarray | float,
    reason: str,
    *,
    slope: np.ndarray | float = 0.0,
    lo: np.ndarray | float = -np.inf,
    hi: np.ndarray | float = np.inf,
    funding: int | None = None,
    hedge: np.ndarray | float = 0.0,
    contract: bool = False,
    members: np.ndarray | None = None,
) -> np.ndarray:
    """Rows for one market (quantity of shape (members,)) or several (shape (members, markets)).

    market: position, or positions in the order of quantity's second axis. quantity, slope, lo, hi: USD bn at the
    quote (slope per unit of log price); a one-dimensional slope or limit is per member. reason: one of REASONS.
    funding: currency that pays; a different currency of the market adds the currency legs, of which the share
    ``hedge`` is sold forward. contract: a forward, future or perpetual (no currency leg, no funding). members: rows of
    the sector, default 0, 1, 2 ... Rows with neither quantity nor slope are dropped. Limits must satisfy
    lo <= 0 <= hi.
    """
    quantity = np.ascontiguousarray(quantity, dtype=float)
    if quantity.ndim <= 1:
        quantity = quantity.reshape(-1, 1)
    rows, columns = quantity.shape
    markets = _one(market) if isinstance(market, int) else np.atleast_1d(np.asarray(market, dtype=np.int64))
    if columns != markets.size:
        raise ValueError(f"quantity has {columns} columns for {markets.size} markets")
    who = np.arange(rows) if members is None else np.ascontiguousarray(members, dtype=np.int64)
    if who.shape != (rows,):
        raise ValueError(f"{who.size} members for {rows} rows of quantity")
    terms = [_table(value, rows, columns) for value in (slope, lo, hi, hedge)]
    fx, sign = LEGS[None if contract else funding]
    out = np.zeros(rows * columns, dtype=ORDER)
    return out[: _compiled_write()(out, who, markets, REASON[reason], quantity, *terms, contract, fx, sign)]


@lru_cache(N_MARKETS)
def _one(market: int) -> np.ndarray:
    return np.array([market], dtype=np.int64)


def _table(value: np.ndarray | float, rows: int, columns: int) -> np.ndarray:
    """A value for all rows and columns, per row (one-dimensional), per column or for each, as a table."""
    if isinstance(value, float):
        return _table_of(value)
    table = np.ascontiguousarray(value, dtype=float)
    if table.ndim != 2:
        table = table.reshape(-1, 1)
    if table.shape[0] not in (1, rows) or table.shape[1] not in (1, columns):
        raise ValueError(f"a term of shape {np.shape(value)} does not fit quantities of shape {(rows, columns)}")
    return table


@lru_cache(1024)
def _table_of(value: float) -> np.ndarray:
    table = np.full((1, 1), value)
    table.setflags(write=False)
    return table


@njit(cache=True)
def write_order(
    row: Any, member: int, market: int, reason: int, quantity: float, slope: float, lo: float, hi: float, contract: bool
) -> None:
    """Fill in a row of `ORDER` without currency legs; quantity, slope, lo and hi in USD bn, lo <= 0 <= hi."""
    row.sector, row.member, row.market, row.reason = -1, member, market, reason
    row.quantity, row.slope, row.lo, row.hi = quantity, slope, lo, hi
    row.fx1, row.fx2, row.sign1, row.sign2 = -1, -1, 0, 0
    row.hedge, row.contract = 0.0, contract


@njit(cache=True)
def _at(table, i, j):  # type: ignore
    """Entry of a table of which one row or one column may stand for all."""
    return table[i if table.shape[0] > 1 else 0, j if table.shape[1] > 1 else 0]


def _write(out, who, markets, reason, quantity, slope, lo, hi, hedge, contract, fx, sign):  # type: ignore
    """Write rows that have a quantity or a slope into ``out``, row by row of the tables; returns how many."""
    n = 0
    for i in range(who.size):
        for j in range(markets.size):
            q, b = quantity[i, j], _at(slope, i, j)
            if q == 0.0 and b == 0.0:
                continue
            row, m = out[n], markets[j]
            write_order(row, who[i], m, reason, q, b, min(_at(lo, i, j), 0.0), max(_at(hi, i, j), 0.0), contract)
            row.fx1, row.fx2, row.sign1, row.sign2 = fx[0, m], fx[1, m], sign[0, m], sign[1, m]
            if fx[0, m] >= 0:
                row.hedge = _at(hedge, i, j)
            n += 1
    return n


@cache
def _compiled_write() -> Any:
    """`_write` for tables that may be read-only or not, one version for both; made when first needed."""
    integers, table = (types.Array(kind, n, "C", readonly=True) for kind, n in ((types.int64, 1), (types.float64, 2)))
    codes = types.Array(types.int32, 2, "C", readonly=True)
    out = types.Array(from_dtype(ORDER), 1, "C")
    signature = types.int64(
        out, integers, integers, types.int64, table, table, table, table, table, types.boolean, codes, table
    )
    return njit(signature, cache=True)(_write)


def scale(orders: np.ndarray, factor: np.ndarray) -> None:
    """Multiply the amounts of every row, limits and slope included, by its factor, (rows,), > 0; in place."""
    for column in ("quantity", "slope", "lo", "hi"):
        orders[column] *= factor


def add_up(orders: np.ndarray, filled: np.ndarray, sectors: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was bought by sector, reason and market, USD bn, (sectors, reasons, markets) each.

    Net and gross of what was traded outright, and net with what the currency legs brought.
    """
    net, gross, with_legs = np.zeros((3, sectors, len(REASONS), N_MARKETS))
    _add_up(orders, filled, net, gross, with_legs)
    with_legs += net
    return net, gross, with_legs


@njit(cache=True)
def _add_up(orders, filled, net, gross, legs):  # type: ignore
    for i in range(orders.size):
        row, bought = orders[i], filled[i]
        net[row.sector, row.reason, row.market] += bought
        gross[row.sector, row.reason, row.market] += abs(bought)
        for pair, sign in ((row.fx1, row.sign1), (row.fx2, row.sign2)):
            if pair >= 0:
                legs[row.sector, row.reason, pair] += bought * sign * (1.0 - row.hedge)


def _leg_tables(funding: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and signs of the currency legs of every market, (2, markets), for one funding currency or for none."""
    fx = np.full((2, N_MARKETS), -1, dtype=np.int32)
    sign = np.zeros((2, N_MARKETS))
    for market in range(N_MARKETS):
        legs = [] if funding is None else fx_legs(funding, int(QUOTE_CCY[market]))
        for k, (pair, direction) in enumerate(legs):
            fx[k, market], sign[k, market] = pair, direction
    return fx, sign


LEGS: Final = {funding: _leg_tables(funding) for funding in (None, *range(N_CCY))}


@dataclass(frozen=True)
class MatrixSchedule:
    """Joint schedule of dealers or arbitrageurs, ``q(x) = sum(intercepts) - matrix @ x``, USD bn at the quote.

    intercepts: reason -> (markets,) USD bn. matrix: (markets, markets), symmetric positive semidefinite, USD bn per
    unit of log price. weights: (members, markets), columns sum to one: each member's part of the sector's trade.
    """

    sector: int
    intercepts: dict[str, np.ndarray]
    matrix: np.ndarray
    weights: np.ndarray

    @cached_property
    def intercept(self) -> np.ndarray:
        """All intercepts together, USD bn, shape (markets,)."""
        return np.sum(list(self.intercepts.values()), axis=0)

    @cached_property
    def slope(self) -> np.ndarray:
        """Own-market slopes, USD bn per unit of log price, shape (markets,)."""
        return self.matrix.diagonal()

    @cached_property
    def shares(self) -> np.ndarray:
        """Weights, their rounding taken out: shape (members, markets), rows contiguous."""
        return np.ascontiguousarray(self.weights / self.weights.sum(axis=0))

    @cached_property
    def uneven_market(self) -> int | None:
        """A market in which the weights do not add up to one, None if there is none."""
        off = np.abs(self.weights.sum(axis=0) - 1.0)
        return None if (off < 1e-6).all() else int(np.argmax(off))
