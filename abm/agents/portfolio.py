"""What long-term yen investors have in common: splitting a total among members, hedge costs, running income."""

from typing import Final

import numpy as np
from numba import njit

from abm.agents.base import Opening
from abm.world.book import Book
from abm.world.economy import DAYS_PER_YEAR, SWAP_BASIS_PCT, Public
from abm.world.instruments import (
    BASE_CCY,
    BONDS,
    DURATION_YR,
    EQUITIES,
    INCOME_PCT,
    IS_BOND,
    IS_FX,
    JPY,
    MXN,
    N_CCY,
    N_MARKETS,
    QUOTE_CCY,
    USDJPY,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.orders import LEGS, post
from abm.world.view import View

MEAN_DAYS_PER_MONTH: Final = DAYS_PER_YEAR / 12.0
FOREIGN_BONDS: Final = BONDS[QUOTE_CCY[BONDS] != JPY]
FOREIGN_EQUITIES: Final = EQUITIES[QUOTE_CCY[EQUITIES] != JPY]
FOREIGN_BOND_CCY: Final = QUOTE_CCY[FOREIGN_BONDS]
HEDGEABLE: Final = (QUOTE_CCY[FOREIGN_BONDS] != MXN).astype(float)  # emerging-market currencies are left open
IN_CURRENCY: Final = np.eye(N_CCY)[QUOTE_CCY]  # (markets, currencies)


def _leg_signs() -> np.ndarray:
    """(markets, markets): exchange-rate trades that turn yen into the currency of the row's market."""
    pair, sign = LEGS[JPY]
    signs = sign[:, :, None] * (pair[:, :, None] == np.arange(N_MARKETS))
    return np.where(IS_FX[:, None], 0.0, signs.sum(axis=0))


LEG_SIGNS: Final = _leg_signs()
HEDGE_PAIRS: Final = np.flatnonzero(np.any(LEG_SIGNS[FOREIGN_BONDS[HEDGEABLE > 0]] != 0.0, axis=0))
HEDGE_SIGNS: Final = LEG_SIGNS[FOREIGN_BONDS][:, HEDGE_PAIRS]  # (foreign bonds, pairs)


def heterogeneous_split(total: np.ndarray, size: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """Holdings (members, markets) in proportion to size x tilt that add up to ``total`` in every market."""
    weight = size[:, None] * tilt
    return weight / weight.sum(axis=0) * total


def group_tilts(rng: np.random.Generator, members: int, groups: list[np.ndarray], sigma: float) -> np.ndarray:
    """Lognormal preferences (members, markets), one draw per member and group of markets."""
    tilt = np.ones((members, N_MARKETS))
    for group in groups:
        tilt[:, group] = np.exp(sigma * rng.standard_normal((members, 1)))
    return tilt


def within_range_at_mean(value: np.ndarray, weight: np.ndarray, mean: float, low: float, high: float) -> np.ndarray:
    """Values shifted so that their weighted mean is ``mean``, as far as the range allows."""
    value = np.clip(value, low, high)
    for _ in range(3):
        value = np.clip(value + mean - np.average(value, weights=weight), low, high)
    return value


def hedge_forwards(hedged_usd: np.ndarray) -> np.ndarray:
    """Forwards (members, markets), USD bn, that sell the currencies of hedged assets (members, markets) for yen."""
    return -hedged_usd @ LEG_SIGNS


def hedge_ratio(book: Book, foreign_bonds_usd: np.ndarray) -> np.ndarray:
    """Share of hedgeable foreign bonds (members, foreign bonds) whose currency is sold forward for yen, 0 to 1."""
    hedgeable = foreign_bonds_usd @ HEDGEABLE
    sold = -book.contracts[: foreign_bonds_usd.shape[0], USDJPY]
    return np.clip(sold / np.maximum(hedgeable, 1e-300), 0.0, 1.0)


def hedge_cost_pct(public: Public, basis_pp: float) -> np.ndarray:
    """Cost of selling each currency forward for yen, per cent a year: r_f - r_JPY + basis, (currencies,)."""
    cost = public.policy_rate_pct - public.policy_rate_pct[JPY] + basis_pp
    cost[JPY] = 0.0
    return cost


def weighted_yield_pct(holdings: np.ndarray, yield_pct: np.ndarray) -> np.ndarray:
    """Average of ``yield_pct`` over each member's holdings, (members,)."""
    return (holdings @ yield_pct) / np.maximum(holdings.sum(axis=1), 1e-300)


def pace(pressure: np.ndarray, tolerance: np.ndarray | float, width: float, floor: float, span: float) -> np.ndarray:
    """floor + span / (1 + exp((tolerance - pressure) / width)): how fast a position is given up."""
    return floor + span / (1.0 + np.exp(np.clip((tolerance - pressure) / width, -50.0, 50.0)))


def running_income(book: Book, view: View, spread_pct: float) -> np.ndarray:
    """Income earned on yesterday's close, (rows, currencies), bn of the currency.

    Coupons and dividends, interest on cash, less interest on loans, less the cost of rolled currency forwards
    (rate differential plus, on dollars sold for yen, the basis).
    """
    if view.day <= 1:
        return np.zeros(book.cash.shape)
    rate, close = view.public.policy_rate_pct, view.close
    by_market = np.zeros(book.units.shape, order="F")
    _earn_on_markets(book.units, book.contracts, book.owns, book.open_in, close, unit_value_usd(close), rate, by_market)
    income = by_market @ IN_CURRENCY
    _earn_on_cash(book.cash, book.loans, usd_per_currency(close), rate, spread_pct, income)
    return income


@njit(cache=True)
def _earn_on_markets(units, contracts, owns, open_in, close, value, rate, out):  # type: ignore
    """Units x value x yield + contracts x value x carry, USD bn x % a year, (rows, markets), into ``out``.

    Yield: a bond's at its price, a share's dividends. Carry of an exchange rate: r_base - r_quote, and the basis.
    """
    for m in range(N_MARKETS):
        if not (owns[m] or open_in[m]):
            continue
        earned = value[m] * (-100.0 * close[m] / DURATION_YR[m] if IS_BOND[m] else INCOME_PCT[m])
        carry = rate[BASE_CCY[m]] - rate[QUOTE_CCY[m]] if IS_FX[m] else 0.0
        carry = value[m] * (carry + SWAP_BASIS_PCT if m == USDJPY else carry)
        for row in range(out.shape[0]):
            out[row, m] = units[row, m] * earned + contracts[row, m] * carry


@njit(cache=True)
def _earn_on_cash(cash, loans, per_currency, rate, spread, income):  # type: ignore
    """Turn USD bn x % a year in ``income`` (rows, currencies) into bn of the currency a day, interest added."""
    for row in range(income.shape[0]):
        for c in range(N_CCY):
            interest = (cash[row, c] - loans[row, c]) * rate[c] - loans[row, c] * spread
            income[row, c] = (income[row, c] * (1.0 / per_currency[c]) + interest) / (100.0 * DAYS_PER_YEAR)


def with_yen_cash(units_usd_bn: np.ndarray, share: float, rows: int) -> Opening:
    """Opening books that own ``units_usd_bn`` (members, markets) and yen cash worth a share of it."""
    book = Opening.empty(rows)
    n = units_usd_bn.shape[0]
    book.units_usd_bn[:n] = units_usd_bn
    book.cash_usd_bn[:n, JPY] = share * units_usd_bn.sum(axis=1)
    return book


def sell(
    markets: np.ndarray,
    amount: np.ndarray,
    held: np.ndarray,
    reason: str,
    *,
    limit_pct: float = 0.0,
    hedge: np.ndarray | float = 0.0,
    members: np.ndarray | None = None,
) -> np.ndarray:
    """Sales of ``amount`` (members, markets), USD bn >= 0, out of ``held``, brought home to yen.

    With a limit the seller holds back as the price falls and sells nothing at ``limit_pct`` per cent below the quote;
    without one it sells at any price. At most a fifth of what is held goes out for one reason on one day, so that
    all reasons together never sell more than is owned.
    """
    most = 0.2 * held
    amount = np.minimum(amount, most)
    slope = amount / (limit_pct / 100.0) if limit_pct > 0.0 else 0.0
    return post(markets, -amount, reason, slope=slope, lo=-most, hi=0.0, funding=JPY, hedge=hedge, members=members)
