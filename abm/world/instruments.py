"""What is traded: one row per market. Adding an instrument is adding a row here and its figures in the states.

A bond market is a constant-maturity zero-coupon bond whose maturity is the duration of the par bond it
stands for: ``log price = -duration * yield``. The log return of a day is then exactly
``-duration * change in yield`` plus one day's yield, which the issuer pays in cash.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

CURRENCIES: Final = ("JPY", "USD", "EUR", "GBP", "AUD", "MXN")
CCY: Final = {name: i for i, name in enumerate(CURRENCIES)}
JPY, USD, EUR, GBP, AUD, MXN = range(6)
BANK_CCY: Final = {"BOJ": JPY, "FED": USD, "ECB": EUR, "BOE": GBP, "RBA": AUD, "BANXICO": MXN}
BANK_IDS: Final = tuple(BANK_CCY)
COUNTRY_CCY: Final = {"JP": JPY, "US": USD, "EU": EUR, "UK": GBP, "AU": AUD, "MX": MXN}
COUNTRY_IDS: Final = tuple(COUNTRY_CCY)
REST: Final = "rest_of_world"  # the sector that owns, issues and lends what no other does


@dataclass(frozen=True)
class Market:
    """One market.

    id: name used in files. kind: "bond", "equity", "crypto" or "fx". currency: the one prices are quoted in.
    duration_yr: modified duration of the par bond (bonds only; 0 otherwise). tenor_yr: its maturity.
    cost_bp: half bid-ask spread plus fees, basis points of value. base: currency bought (fx only).
    issuer: sector that pays its coupon. income_pct: dividend yield, per cent a year (equities only).
    """

    id: str
    kind: str
    currency: str
    cost_bp: float
    duration_yr: float = 0.0
    tenor_yr: float = 0.0
    base: str = ""
    issuer: str = REST
    income_pct: float = 0.0


# Durations: modified duration of a par bond at the yields of January 2026, rounded [calc].
# Dividend yields: index providers' round figures [mem]. Costs: round figures of dealers' quotes [mem].
MARKETS: Final = (
    Market("JGB2", "bond", "JPY", 0.5, 2.0, 2, issuer="government"),
    Market("JGB10", "bond", "JPY", 1.0, 8.9, 10, issuer="government"),
    Market("JGB20", "bond", "JPY", 3.0, 14.8, 20, issuer="government"),
    Market("JGB30", "bond", "JPY", 4.0, 18.7, 30, issuer="government"),
    Market("JGB40", "bond", "JPY", 6.0, 21.5, 40, issuer="government"),
    Market("UST2", "bond", "USD", 0.5, 1.9, 2),
    Market("UST10", "bond", "USD", 0.8, 8.1, 10),
    Market("UST30", "bond", "USD", 1.5, 15.9, 30),
    Market("BUND10", "bond", "EUR", 0.8, 8.7, 10),
    Market("OAT10", "bond", "EUR", 1.0, 8.4, 10),
    Market("EGB30", "bond", "EUR", 2.5, 18.5, 30),
    Market("GILT10", "bond", "GBP", 1.0, 8.0, 10),
    Market("ACGB10", "bond", "AUD", 1.5, 7.9, 10),
    Market("EMBOND", "bond", "MXN", 5.0, 6.4, 10),
    Market("NIKKEI", "equity", "JPY", 2.0, income_pct=1.7),
    Market("NASDAQ", "equity", "USD", 1.0, income_pct=0.7),
    Market("SPX", "equity", "USD", 1.0, income_pct=1.2),
    Market("BTC", "crypto", "USD", 5.0),
    Market("USDJPY", "fx", "JPY", 0.5, base="USD"),
    Market("EURUSD", "fx", "USD", 0.5, base="EUR"),
    Market("GBPUSD", "fx", "USD", 0.8, base="GBP"),
    Market("AUDUSD", "fx", "USD", 1.0, base="AUD"),
    Market("USDMXN", "fx", "MXN", 2.0, base="USD"),
)

N_MARKETS: Final = len(MARKETS)
N_CCY: Final = len(CURRENCIES)
IDS: Final = tuple(m.id for m in MARKETS)
INDEX: Final = {m.id: i for i, m in enumerate(MARKETS)}


def indices(*ids: str) -> np.ndarray:
    """Positions of the named markets, in the order given. KeyError for an unknown name."""
    return np.array([INDEX[i] for i in ids], dtype=np.int64)


def _frozen(values: list[Any], dtype: type) -> np.ndarray:
    array: np.ndarray = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


QUOTE_CCY: Final = _frozen([CCY[m.currency] for m in MARKETS], np.int64)
BASE_CCY: Final = _frozen([CCY[m.base] if m.base else -1 for m in MARKETS], np.int64)
DURATION_YR: Final = _frozen([m.duration_yr for m in MARKETS], float)
TENOR_YR: Final = _frozen([m.tenor_yr for m in MARKETS], float)
COST_BP: Final = _frozen([m.cost_bp for m in MARKETS], float)
INCOME_PCT: Final = _frozen([m.income_pct for m in MARKETS], float)
BONDS: Final = _frozen([i for i, m in enumerate(MARKETS) if m.kind == "bond"], np.int64)
EQUITIES: Final = _frozen([i for i, m in enumerate(MARKETS) if m.kind == "equity"], np.int64)
FX: Final = _frozen([i for i, m in enumerate(MARKETS) if m.kind == "fx"], np.int64)
JGBS: Final = _frozen([i for i, m in enumerate(MARKETS) if m.kind == "bond" and m.currency == "JPY"], np.int64)
JGB_IDS: Final = tuple(IDS[i] for i in JGBS)
SUPER_LONG: Final = _frozen([i for i in JGBS if MARKETS[i].tenor_yr > 10], np.int64)
HOLDABLE: Final = _frozen([i for i, m in enumerate(MARKETS) if m.kind != "fx"], np.int64)
BTC: Final = INDEX["BTC"]
USDJPY: Final = INDEX["USDJPY"]
IS_BOND: Final = _frozen([m.kind == "bond" for m in MARKETS], bool)
IS_FX: Final = _frozen([m.kind == "fx" for m in MARKETS], bool)


def log_price_of_level(level: np.ndarray) -> np.ndarray:
    """Log price from quoted levels: bonds in per cent of yield, everything else a price. Shape (..., markets)."""
    level = np.asarray(level, dtype=float)
    safe = np.where(IS_BOND, 1.0, level)
    return np.where(IS_BOND, -DURATION_YR * level / 100.0, np.log(safe))


def yield_pct(log_price: np.ndarray, bonds: Any) -> np.ndarray:
    """Yields of some bonds, by position, from log prices (..., markets), per cent."""
    return np.asarray(-100.0 * log_price[..., bonds] / DURATION_YR[bonds])


def level_of_log_price(log_price: np.ndarray) -> np.ndarray:
    """Quoted levels from log prices: yield in per cent for bonds, the price for everything else."""
    level = np.exp(log_price)
    level[..., BONDS] = yield_pct(log_price, BONDS)
    return level


def move_in_quoted_units(log_change: np.ndarray) -> np.ndarray:
    """A log-price change in the unit people quote: basis points of yield for bonds, per cent (log) otherwise."""
    return log_change * TO_QUOTED


TO_QUOTED: Final = _frozen([-1e4 / m.duration_yr if m.kind == "bond" else 100.0 for m in MARKETS], float)


FX_FOREIGN: Final = _frozen([BASE_CCY[i] if QUOTE_CCY[i] == USD else QUOTE_CCY[i] for i in FX], np.int64)
FX_TO_USD: Final = _frozen([1.0 if QUOTE_CCY[i] == USD else -1.0 for i in FX], float)


def usd_per_currency(log_price: np.ndarray) -> np.ndarray:
    """US dollars per unit of each currency, shape (currencies,), from the exchange rates among the log prices.

    Read-only, as are `unit_value_usd` and `price_of`.
    """
    return _worked_out(log_price)[3]


def unit_value_usd(log_price: np.ndarray) -> np.ndarray:
    """US dollars per unit of each market: of a bond, an index, a bitcoin, or of an exchange rate's base currency."""
    return _worked_out(log_price)[2]


def price_of(log_price: np.ndarray) -> np.ndarray:
    """Prices in the quote currency, (markets,)."""
    return _worked_out(log_price)[1]


def is_constant(values: np.ndarray) -> bool:
    """Whether the array owns its numbers and is read-only, so that they stay what they are."""
    return not values.flags.writeable and values.base is None


_LATEST: Final[list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]] = []  # of constant log prices, last first
_KEPT: Final = 4  # the quote, the close, the prices of two rounds


def _worked_out(log_price: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log prices, prices, US dollars per unit of each market and of each currency.

    Everybody asks for those of the same few prices a day, so they are kept for log prices that cannot change.
    """
    for known in _LATEST:
        if known[0] is log_price:
            return known
    found = (log_price, np.exp(log_price), *_values_usd(log_price))
    for values in found[1:]:
        values.setflags(write=False)
    if is_constant(log_price):
        _LATEST.insert(0, found)
        del _LATEST[_KEPT:]
    return found


@njit(cache=True)
def _values_usd(log_price):  # type: ignore
    usd, value = np.ones(N_CCY), np.empty(N_MARKETS)
    for i in range(FX.size):
        usd[FX_FOREIGN[i]] = np.exp(FX_TO_USD[i] * log_price[FX[i]])
    for m in range(N_MARKETS):
        value[m] = np.exp(log_price[m]) * usd[QUOTE_CCY[m]]
    return value, usd


def fx_legs(funding: int, asset: int) -> list[tuple[int, float]]:
    """Exchange-rate trades (market, sign) that turn one currency into another, through the dollar.

    Sign +1 buys the pair's base currency. A yen investor buying euros: [(USDJPY, +1), (EURUSD, +1)].
    """
    legs: list[tuple[int, float]] = []
    if funding == asset:
        return legs
    for currency, buys in ((funding, False), (asset, True)):
        if currency == USD:
            continue
        for i in FX:
            if currency in (BASE_CCY[i], QUOTE_CCY[i]):
                is_base = BASE_CCY[i] == currency
                legs.append((int(i), 1.0 if is_base == buys else -1.0))
    return legs
