"""A screen built by hand, for testing one sector alone: levels, volatilities and policy of 13 January 2026.

view = make_view(move={"JGB30": 50.0, "USDJPY": -5.0}, vol_ratio={"JGB30": 2.0})
sector = opened(LifeInsurers)
net_by_market(sector.decide(view))["JGB30"]
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import mesa
import numpy as np

from abm.agents.base import Opening, Sector
from abm.scenarios.sectors import switches as all_switches
from abm.world.book import Book
from abm.world.economy import Public
from abm.world.instruments import (
    CCY,
    DURATION_YR,
    INDEX,
    IS_BOND,
    N_MARKETS,
    QUOTE_CCY,
    log_price_of_level,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.streams import Streams
from abm.world.view import View

LEVELS = {
    "JGB2": 1.164, "JGB10": 2.163, "JGB20": 3.081, "JGB30": 3.462, "JGB40": 3.629,
    "UST2": 3.53, "UST10": 4.18, "UST30": 4.83, "BUND10": 2.85, "OAT10": 3.52, "EGB30": 3.45,
    "GILT10": 4.40, "ACGB10": 4.70, "EMBOND": 9.00,
    "NIKKEI": 53_549.0, "NASDAQ": 23_710.0, "SPX": 6_963.7, "BTC": 95_322.0,
    "USDJPY": 158.95, "EURUSD": 1.1654, "GBPUSD": 1.344, "AUDUSD": 0.670, "USDMXN": 17.90,
}  # fmt: skip

CALM_DAILY = {
    "JGB2": 1.5, "JGB10": 2.3, "JGB20": 2.35, "JGB30": 2.35, "JGB40": 2.8,
    "UST2": 4.8, "UST10": 4.4, "UST30": 4.2, "BUND10": 4.0, "OAT10": 4.2, "EGB30": 4.0,
    "GILT10": 5.0, "ACGB10": 5.0, "EMBOND": 6.0,
    "NIKKEI": 1.16, "NASDAQ": 1.10, "SPX": 0.77, "BTC": 2.37,
    "USDJPY": 0.48, "EURUSD": 0.44, "GBPUSD": 0.45, "AUDUSD": 0.55, "USDMXN": 0.55,
}  # fmt: skip  # bp for bonds, per cent otherwise

IMPACT_PER_USD_BN = {
    "JGB2": 0.01, "JGB10": 0.05, "JGB20": 0.12, "JGB30": 0.16, "JGB40": 0.20,
    "UST2": 0.03, "UST10": 0.10, "UST30": 0.15, "BUND10": 0.20, "OAT10": 0.20, "EGB30": 0.25,
    "GILT10": 0.30, "ACGB10": 0.80, "EMBOND": 1.00,
    "NIKKEI": 0.07, "NASDAQ": 0.012, "SPX": 0.008, "BTC": 2.00,
    "USDJPY": 0.045, "EURUSD": 0.04, "GBPUSD": 0.06, "AUDUSD": 0.10, "USDMXN": 0.15,
}  # fmt: skip  # bp of yield for bonds, per cent otherwise

HOLDINGS = {
    "bank_of_japan": {"JGB2": 1070, "JGB10": 1573, "JGB20": 535, "JGB30": 189, "JGB40": 63, "NIKKEI": 472},
    "life_insurers": {
        "JGB2": 31, "JGB10": 126, "JGB20": 377, "JGB30": 346, "JGB40": 126, "UST2": 30, "UST10": 170, "UST30": 40,
        "BUND10": 25, "OAT10": 60, "EGB30": 30, "GILT10": 27, "ACGB10": 43, "EMBOND": 15,
        "NIKKEI": 176, "NASDAQ": 15, "SPX": 45,
    },
    "pension_funds": {
        "JGB2": 63, "JGB10": 283, "JGB20": 101, "JGB30": 75, "JGB40": 25, "UST2": 60, "UST10": 190, "UST30": 60,
        "BUND10": 55, "OAT10": 70, "EGB30": 40, "GILT10": 35, "ACGB10": 20, "EMBOND": 30,
        "NIKKEI": 598, "NASDAQ": 150, "SPX": 330,
    },
    "banks": {
        "JGB2": 346, "JGB10": 252, "JGB20": 50, "JGB30": 16, "JGB40": 3, "UST2": 220, "UST10": 230, "UST30": 15,
        "BUND10": 30, "OAT10": 55, "GILT10": 15, "ACGB10": 20, "EMBOND": 10, "NIKKEI": 157,
    },
    "jgb_fast_money": {"JGB2": 13, "JGB10": 25, "JGB20": 6, "JGB30": 13, "JGB40": 6},
    "ministry_of_finance": {"UST2": 620, "UST10": 200, "UST30": 20, "BUND10": 35, "OAT10": 45},
    "others": {
        "JGB2": 554, "JGB10": 195, "JGB20": 189, "JGB30": 85, "JGB40": 28, "UST2": 11570, "UST10": 11210,
        "UST30": 4665, "BUND10": 1755, "OAT10": 2070, "EGB30": 1830, "GILT10": 2523, "ACGB10": 537, "EMBOND": 745,
        "NIKKEI": 5832, "NASDAQ": 35835, "SPX": 59625, "BTC": 1904,
    },
}  # fmt: skip  # USD bn, SOURCES.md 6


def by_market(values: Mapping[str, float], default: float = 0.0) -> np.ndarray:
    """An array over markets from a mapping of names; KeyError for a name that is no market."""
    out = np.full(N_MARKETS, default)
    for name, value in values.items():
        out[INDEX[name]] = value
    return out


HOLDINGS_USD_BN = {sector: by_market(row) for sector, row in HOLDINGS.items()}
POLICY_RATE_PCT = {"JPY": 0.75, "USD": 3.64, "EUR": 2.00, "GBP": 3.75, "AUD": 3.60, "MXN": 7.00}
TERMINAL_RATE_PCT = {"JPY": 1.50, "USD": 3.25, "EUR": 2.25, "GBP": 3.25, "AUD": 3.60, "MXN": 6.50}


def to_log_price(quoted: np.ndarray) -> np.ndarray:
    """Log-price size of changes quoted in basis points of yield (bonds) or per cent (log); sign not turned."""
    return np.where(IS_BOND, DURATION_YR * quoted / 1e4, quoted / 100.0)


def make_public(**changes: Any) -> Public:
    """Public state of 13 January 2026; keyword arguments replace fields."""
    rates = [np.array([table[c] for c in CCY]) for table in (POLICY_RATE_PCT, TERMINAL_RATE_PCT)]
    issuance = by_market({"JGB2": 5.5, "JGB10": 7.1, "JGB20": 0.7, "JGB30": 0.55, "JGB40": 0.2})
    purchases = by_market({"JGB2": 1.1, "JGB10": 1.4, "JGB20": 0.3, "JGB30": 0.08, "JGB40": 0.02})
    public = Public(
        policy_rate_pct=rates[0],
        terminal_rate_pct=rates[1],
        near_term_pct=np.zeros(len(CCY)),
        speed_per_yr=np.full(len(CCY), 0.5),
        issuance_jpy_tn_per_month=issuance,
        planned_issuance_jpy_tn_per_month=issuance,
        purchases_jpy_tn_per_month=purchases,
        planned_purchases_jpy_tn_per_month=purchases,
    )
    return replace(public, **changes)


def make_view(
    *,
    move: Mapping[str, float] | None = None,
    vol_ratio: Mapping[str, float] | float = 1.0,
    depth_scale: float = 1.0,
    public: Mapping[str, Any] | None = None,
    policy_move_pct: Mapping[str, float] | None = None,
    switches: Mapping[str, bool] | None = None,
    history: np.ndarray | None = None,
    news: Mapping[str, float] | None = None,
    day: int = 1,
    seed: int = 7,
    month_first: bool = False,
) -> View:
    """A screen at the opening levels, changed as asked.

    move: quote and close against the opening, bp for bonds, per cent (log) otherwise; history stays at the opening
    except its last row. vol_ratio: running over calm volatility, one number or by market. depth_scale: multiple of
    plausible depth. public: fields of Public to replace. policy_move_pct: policy rates' change by currency.
    switches: rules to turn off, {"repatriation": False}; all others are on. history: (>= 64, markets) log prices, if
    given its last row is the close. news: today's public news, in the units of move.
    """
    opening = log_price_of_level(by_market(LEVELS))
    sign = np.where(IS_BOND, -1.0, 1.0)
    close = opening + sign * to_log_price(by_market(move or {}))
    if history is None:
        history = np.vstack([np.tile(opening, (79, 1)), close])
    close = history[-1]
    today = sign * to_log_price(by_market(news or {}))
    calm = to_log_price(by_market(CALM_DAILY))
    ratio = by_market(vol_ratio, 1.0) if isinstance(vol_ratio, Mapping) else np.full(N_MARKETS, float(vol_ratio))
    state = make_public(**(public or {}))
    if policy_move_pct:
        change = np.array([policy_move_pct.get(c, 0.0) for c in CCY])
        state = replace(state, policy_rate_pct=state.policy_rate_pct + change)
    return View(
        day=day,
        date=dt.date(2026, 1, 13) + dt.timedelta(days=day),
        log_price=close + today,
        close=close,
        history=history,
        vol=calm * ratio,
        calm_vol=calm,
        covariance=np.diag((calm * ratio) ** 2),
        depth=depth_scale / to_log_price(by_market(IMPACT_PER_USD_BN)),
        news=today,
        policy_news=np.zeros(N_MARKETS),
        opening=opening,
        public=state,
        streams=Streams(seed),
        switches={**dict.fromkeys(all_switches(), True), **(switches or {})},
        month_first=month_first,
    )


def open_book(opening: Opening, view: View) -> Book:
    """The ledger rows that an opening in USD bn becomes at day-0 prices."""
    per_unit, per_ccy = unit_value_usd(view.opening), usd_per_currency(view.opening)
    return Book(
        units=opening.units_usd_bn / per_unit,
        cash=opening.cash_usd_bn / per_ccy,
        loans=opening.loans_usd_bn / per_ccy,
        contracts=opening.contracts_usd_bn / per_unit,
    )


def opened[S: Sector](cls: type[S], holdings_usd_bn: np.ndarray | None = None, seed: int = 7, **params: Any) -> S:
    """A sector alone in the world on day 0, its books open; keyword arguments are its parameters."""
    view = make_view(day=0, seed=seed)
    sector = cls(mesa.Model(), cls.Params(**params), view.streams)
    holdings = HOLDINGS_USD_BN[cls.id] if holdings_usd_bn is None else holdings_usd_bn
    sector.book = open_book(sector.opening(holdings, view), view)
    sector.start(view)
    return sector


def permuted(value: Any, order: np.ndarray) -> Any:
    """Every array with one row per member in the given order; containers are searched."""
    if isinstance(value, np.ndarray) and value.ndim and value.shape[0] == order.size:
        return value[order].copy()
    if isinstance(value, dict):
        return {k: permuted(v, order) for k, v in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(permuted(v, order) for v in value)
    return value


def permute_members(sector: Sector, order: np.ndarray) -> None:
    """Put the members of a sector into another order: what there is per member, books and draws; house rows stay."""
    for name, value in list(vars(sector).items()):
        if name == "funds":  # which members are, in the order of the funds' own columns
            sector.funds = np.argsort(order)[permuted(value, order)]
        elif name not in {"model", "book", "params"}:
            setattr(sector, name, permuted(value, order))
    rows = np.concatenate([order, np.arange(sector.n, sector.n + sector.house_rows)])
    sector.book = Book(*(getattr(sector.book, f)[rows].copy() for f in ("units", "cash", "loans", "contracts")))
    for how in ("draw", "uniform"):
        setattr(sector, how, _in_order(getattr(sector, how), order))


def _in_order(drawn: Callable[[View, str], np.ndarray], order: np.ndarray) -> Callable[[View, str], np.ndarray]:
    return lambda view, purpose: drawn(view, purpose)[order]


def scale_books(sector: Sector, factor: float) -> None:
    """Multiply everything a sector owns and owes."""
    book = sector.book
    sector.book = Book(factor * book.units, factor * book.cash, factor * book.loans, factor * book.contracts)


def net_by_market(orders: np.ndarray) -> dict[str, float]:
    """Net quantity per market at the quote, USD bn, currency legs of cross-border trades included."""
    total = np.bincount(orders["market"], orders["quantity"], minlength=N_MARKETS)
    for leg, sign in (("fx1", "sign1"), ("fx2", "sign2")):
        has = orders[orders[leg] >= 0]
        total += np.bincount(has[leg], has[sign] * (1.0 - has["hedge"]) * has["quantity"], minlength=N_MARKETS)
    return {name: float(total[i]) for name, i in INDEX.items()}


def after_move(book: Book, view: View) -> Book:
    """The same rows with variation margin on contracts paid from day 0 to the quote of ``view``."""
    change = np.exp(view.log_price) - np.exp(view.opening)
    in_currency = np.eye(len(CCY))[QUOTE_CCY]
    return replace(book, cash=book.cash + (book.contracts * change) @ in_currency)
