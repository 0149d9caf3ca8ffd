"""Margin mechanics: what a position must be backed with, and what the broker sells. Pure functions.

Equity of an account is `Book.equity_usd`; contracts are settled to market in cash and have no value of their own.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from abm.world.book import Book, MarginTerms
from abm.world.instruments import (
    BTC,
    DURATION_YR,
    EQUITIES,
    FX,
    HOLDABLE,
    INDEX,
    IS_BOND,
    IS_FX,
    N_CCY,
    N_MARKETS,
    USD,
    fx_legs,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.orders import join, post

Array = np.ndarray[Any, Any]

RETAIL_FX_RATE: Final = 1.0 / 25.0  # Japan's cap on retail leverage is 25 (SOURCES.md 1, [mem])
JGB_FUTURE_RATE: Final = 0.0125  # exchange margin, middle of 1-1.5 % (SOURCES.md 1, [mem])
YEN_FUTURE_RATE: Final = 0.035  # middle of 3-4 % (same)
EQUITY_FUTURE_RATE: Final = 0.06  # middle of 5-7 % (same)
BITCOIN_RATE: Final = 0.20  # initial margin of positions of 20-50 million dollars (Binance, 18 March 2021)
TIER_UP_TO_USD: Final = np.array([5e4, 2.5e5, 1e6, 1e7, 2e7, 5e7, 1e8, 2e8, 3e8, np.inf])
TIER_MAINTENANCE: Final = np.array([0.004, 0.005, 0.01, 0.025, 0.05, 0.10, 0.125, 0.15, 0.25, 0.50])
"""Bitcoin perpetual, maintenance margin by notional (Binance announcement of 18 March 2021). Each rate applies to
the part of the notional inside its tier, like an income tax (Binance support, "tax bracket" set-up)."""


def _broker_floor() -> Array:
    """Lowest initial margin of a large account, fraction of notional: exchange futures margins; bonds by duration."""
    floor = np.zeros(N_MARKETS)
    floor[IS_BOND] = JGB_FUTURE_RATE * DURATION_YR[IS_BOND] / DURATION_YR[INDEX["JGB10"]]
    floor[EQUITIES] = EQUITY_FUTURE_RATE
    floor[BTC] = BITCOIN_RATE
    floor[FX] = YEN_FUTURE_RATE
    floor.setflags(write=False)
    return floor


BROKER: Final = MarginTerms(floor=_broker_floor(), z=2.33, horizon_days=10.0)
"""Terms of a prime broker: 99 % loss over ten days (SOURCES.md 8), at least the exchange's futures margin."""


def _pairs_to(home: int) -> Array:
    """(currencies, markets): exchange rates that lead from each currency to the home currency."""
    pairs = np.zeros((N_CCY, N_MARKETS))
    for c in range(N_CCY):
        pairs[c, [pair for pair, _ in fx_legs(home, c)]] = 1.0
    return pairs


PAIRS_TO: Final = [_pairs_to(home) for home in range(N_CCY)]


def initial_rates(terms: MarginTerms, vol: Array, factor: float = 1.0) -> Array:
    """Initial margin, fraction of notional, (markets,): max(floor, z * vol * sqrt(horizon)) * factor, at most 1.

    vol: (markets,) log price per day. factor: what brokers and exchanges have made of their usual rates.
    """
    value_at_risk = terms.z * vol * np.sqrt(terms.horizon_days)
    return np.asarray(np.minimum(np.maximum(terms.floor, value_at_risk) * factor, 1.0))


def currency_rates(rates: Array, home: int = USD) -> Array:
    """Margin on a foreign currency balance, (currencies,): the rates of the pairs that lead to it, added up."""
    return PAIRS_TO[home] @ rates


def initial_requirement(book: Book, log_price: Array, rates: Array, home: int = USD) -> Array:
    """Initial margin of every row, USD bn, (rows,).

    sum over markets of (|units| + |contracts|) * price * rate, plus, for every currency but ``home``,
    |cash - loans| * rate of its exchange rate. A yen-funded Treasury position is thus charged for the bond and, once,
    for the yen debt, however many assets the debt pays for; positions do not offset each other.
    """
    per_market = unit_value_usd(log_price) * rates
    per_currency = usd_per_currency(log_price) * currency_rates(rates, home)
    return np.asarray(_requirement(*book.place, book.owns, book.open_in, book.money, per_market, per_currency))


@njit(cache=True)
def _requirement(first, rows, units, cash, loans, contracts, owns, open_in, money, per_market, per_currency):  # type: ignore
    out = np.zeros(rows)
    for m in range(per_market.size):
        if owns[m] or open_in[m]:
            held, signed = units[first : first + rows, m], contracts[first : first + rows, m]
            for i in range(rows):
                out[i] += (abs(held[i]) + abs(signed[i])) * per_market[m]
    for c in range(per_currency.size):
        if money[c] and per_currency[c] > 0.0:
            owned, owed = cash[first : first + rows, c], loans[first : first + rows, c]
            for i in range(rows):
                out[i] += abs(owned[i] - owed[i]) * per_currency[c]
    return out


def liquidation_orders(sector: int, book: Book, members: Array, log_price: Array, home: int = USD) -> Array:
    """ORDER rows with which the broker closes accounts: everything owned is sold for home currency, every contract is
    closed by the opposite one, every foreign balance is converted. At any price (no slope), never more than there is.

    sector: position in the registry. members: (members,) mask. Quantities in USD bn at ``log_price``.
    """
    who = np.flatnonzero(members)
    owned, open_contracts = book.units[who], book.contracts[who]
    per_unit = unit_value_usd(log_price)
    foreign = (book.cash[who] - book.loans[who]) * usd_per_currency(log_price)
    owned_usd = (owned * per_unit)[:, HOLDABLE]
    sale = post(
        HOLDABLE, -owned_usd, "liquidation", lo=np.minimum(-owned_usd, 0.0), hi=np.maximum(-owned_usd, 0.0),
        funding=home, members=who,
    )  # fmt: skip
    close = post(np.arange(N_MARKETS), -open_contracts * per_unit, "liquidation", contract=True, members=who)
    convert = [
        post(pair, -sign * foreign[:, c], "liquidation", members=who)
        for c in range(N_CCY)
        for pair, sign in fx_legs(home, c)
    ]
    orders = join([sale, close, *convert])
    orders["sector"] = sector
    return orders


def add_forced(orders: Array, filled: Array, forced: Array) -> Array:
    """The day's orders and, after them, those of accounts forced to sell, so that no asset is sold twice.

    A forced order sells what an account owns after its trades so far. In the next auction those trades may be filled
    differently, where the last one or the next one cuts them. So in what an account is now forced to sell for cash,
    its earlier sales are limited to what they have sold, and what it has bought today is not sold but bought no
    longer. The account's net trade is the same wherever nothing is cut. Forced sales for cash do not react to prices.

    orders: rows of the auctions so far. filled: (orders,) USD bn at the quote. forced: rows about to join them.
    """
    if not _is_holding(forced).any():
        return join([orders, forced])
    _, position = np.unique(np.concatenate([_position(orders), _position(forced)]), return_inverse=True)
    before, now = position[: orders.size], position[orders.size :]
    bought = np.bincount(before, np.where(_is_holding(orders), np.maximum(filled, 0.0), 0.0), position.size)
    sold = np.bincount(now, np.where(_is_holding(forced), np.maximum(-forced["quantity"], 0.0), 0.0), position.size)
    undone = np.minimum(bought, sold)
    rows = _is_holding(orders) & (sold[before] > 0.0)
    kept, left = (1.0 - undone / np.where(total > 0.0, total, 1.0) for total in (bought, sold))
    orders, forced = orders.copy(), forced.copy()
    orders["lo"][rows] = np.maximum(orders["lo"], np.minimum(filled, 0.0))[rows]
    orders["hi"][rows] = np.minimum(orders["hi"], kept[before] * np.maximum(filled, 0.0))[rows]
    forced["quantity"] *= np.where(_is_holding(forced), left[now], 1.0)
    return join([orders, forced])


def _position(orders: Array) -> Array:
    """A number for each account's position in each market, (orders,)."""
    account = orders["sector"].astype(np.int64) << 32 | orders["member"]
    return np.asarray(account * N_MARKETS + orders["market"])


def _is_holding(orders: Array) -> Array:
    """Orders for bonds, shares or bitcoins against cash, flags (orders,)."""
    return np.asarray(~orders["contract"] & ~IS_FX[orders["market"]])


def maintenance_rate_by_notional(notional_usd: Array | float) -> Array:
    """Maintenance margin of a bitcoin perpetual over its notional, by size of the position in USD (not bn).

    From 0.4 % up to 50 thousand dollars; each further tier's rate applies to what lies in it, so the margin is
    continuous and the rate rises with size: 2.3 % at 10 million, 7.5 % at 50 million.
    """
    notional = np.maximum(np.asarray(notional_usd, dtype=float), TIER_UP_TO_USD[0])
    steps = np.diff(TIER_MAINTENANCE)
    deduction = np.concatenate([[0.0], np.cumsum(steps * TIER_UP_TO_USD[:-1])])
    tier = np.searchsorted(TIER_UP_TO_USD, notional)
    return np.asarray(TIER_MAINTENANCE[tier] - deduction[tier] / notional)
