"""What dealers and arbitrageurs have in common: inventory, wealth, fair value, limits and the joint schedule.

The joint schedule is q(x) = M (s + dF - x) with the skew s = omega (mu - M^-1 X), at most part of a day's volatility:
a price away from fair value earns its reversion mu = F - quote, inventory X asks for the return M^-1 X = gamma Sigma X,
quotes are moved until the two agree, and what is newly known about value (dF) moves them at once. Within the limit
this is - omega X - M (x - omega mu) of SOURCES.md 8.
"""

import math
from abc import abstractmethod
from typing import Any, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import Opening, par
from abm.agents.beliefs import BeliefParams, Believer
from abm.agents.portfolio import IN_CURRENCY, running_income
from abm.world.book import Book
from abm.world.instruments import (
    BASE_CCY,
    BONDS,
    FX,
    FX_FOREIGN,
    FX_TO_USD,
    INDEX,
    IS_FX,
    JGBS,
    N_CCY,
    N_MARKETS,
    price_of,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.orders import MatrixSchedule
from abm.world.streams import Streams
from abm.world.view import View

JGB30: Final = INDEX["JGB30"]
Z_99: Final = 2.326  # standard normal quantile of the 99 per cent VaR
WEALTH_FLOOR: Final = 0.05  # share of initial wealth below which capacity does not fall
WEALTH_CAP: Final = 1.2  # multiple of initial wealth above which profits are paid out
SECURITIES: Final = (~IS_FX).astype(float)  # (markets,)


class IntermediaryParams(BeliefParams):
    """Behaviour common to dealers and arbitrageurs."""

    capacity_scale: float = par(1.0, "multiple", "1 by definition", "multiple of risk-bearing capacity", 0, 100)
    inventory_pace: float = par(0.12, "per day", "SOURCES.md 8", "share of excess inventory worked off a day", 0, 1)
    revaluation_pace: float = par(0.5, "per day", "[L]", "share of a change of fair value quoted the same day", 0, 1)
    fair_value_half_life_days: float = par(
        35.0, "trading days", "[L]", "half-life with which fair value follows the price", 1, 1000
    )
    largest_skew_sd: float = par(
        0.5, "daily volatilities", "SOURCES.md 8: discretionary orders respect depth", "largest quote skew", 0, 10
    )
    refill_half_life_days: float = par(
        60.0, "trading days", "SOURCES.md 8", "half-life of refilling lost wealth", 1, 1000
    )
    var_limit_pct: float = par(1.0, "% of wealth, 1 day, 99 %", "SOURCES.md 8, [L]", "value-at-risk limit", 0.01, 100)
    var_floor: float = par(0.1, "fraction", "[L]", "share of capacity kept under a binding limit", 0.01, 1)
    balance_sheet_risk_pct: float = par(
        0.1, "% a day", "[L]", "risk charged for balance sheet, even where prices hardly move", 0.001, 5
    )
    volatility_cap: float = par(
        2.7,
        "multiple of calm",
        "SOURCES.md 2: impact 5-12 times in stress, so volatility 2.2-3.5 times",
        "highest volatility charged",
        1,
        100,
    )
    volatility_floor: float = par(0.7, "multiple of calm", "[L]", "least volatility charged after quiet weeks", 0.05, 1)
    aversion_of_gamma: float = par(0.25, "log per sd", "[L]", "rise of gamma with general risk aversion", 0, 2)
    global_reading: float = par(
        0.5,
        "share",
        "contagion by inference (King and Wadhwani 1990); pass-through 0.2-0.3 of January 2026 [L]",
        "of a fiscal re-pricing of JGBs read as news about term premia elsewhere",
        0,
        1,
    )
    concern_speed_low: float = par(0.7, "per day", "[L]", "slowest member's pace of acting on concern", 0, 1)
    concern_speed_high: float = par(1.0, "per day", "[L]", "fastest member's pace of acting on concern", 0, 1)


def assets(book: Book) -> np.ndarray:
    """What each row gains and loses on: units and contracts, (rows, markets); of exchange rates the base currency."""
    return book.units + book.contracts


def money(book: Book, log_price: np.ndarray) -> np.ndarray:
    """Cash less loans less what is due on contracts, (rows, currencies), bn of the currency.

    cash - loans - contracts x price. A mark pays contracts x change of price in cash, so it leaves this unchanged.
    """
    return book.cash - book.loans - (book.contracts * price_of(log_price)) @ IN_CURRENCY


def excess_inventory(assets_change: np.ndarray, money_change: np.ndarray, log_price: np.ndarray) -> np.ndarray:
    """Exposure taken on since day 0, USD bn, (markets,); in pairs it is open currency, securities included.

    A bond paid for with a loan in its own currency leaves no currency open, a forward covered in cash none either.
    assets_change: (markets,) units. money_change: (currencies,) bn of the currency.
    """
    in_own_currency = (SECURITIES * assets_change * price_of(log_price)) @ IN_CURRENCY
    value, per_currency = unit_value_usd(log_price), usd_per_currency(log_price)
    return np.asarray(_exposure(assets_change, in_own_currency, money_change, value, per_currency))


@njit(cache=True)
def _exposure(assets_change, in_own_currency, money_change, value, per_currency):  # type: ignore
    """Securities at their value; of a pair what is open in its currency: securities, base currency bought, money."""
    bought, out = np.zeros(N_CCY), np.empty(N_MARKETS)
    for pair in FX:
        bought[BASE_CCY[pair]] += assets_change[pair]
    for m in range(N_MARKETS):
        out[m] = assets_change[m] * value[m]
    for k in range(FX.size):
        c = FX_FOREIGN[k]
        out[FX[k]] = FX_TO_USD[k] * ((in_own_currency[c] + bought[c] + money_change[c]) * per_currency[c])
    return out


def read_elsewhere(premium_log: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """What a Japanese bond re-pricing says about foreign bonds to who sees prices only, log price, (markets,).

    Regression of every foreign bond on the 30-year JGB: cov(m, JGB30) / var(JGB30) x re-pricing of JGB30.
    """
    foreign = np.setdiff1d(BONDS, JGBS)
    out = np.zeros(N_MARKETS)
    out[foreign] = covariance[foreign, JGB30] / covariance[JGB30, JGB30] * premium_log[JGB30]
    return out


def trading_profit(assets_change: np.ndarray, money_change: np.ndarray, log_price: np.ndarray) -> np.ndarray:
    """Profit on what was traded since day 0, USD bn, (rows,): the change of positions at today's prices."""
    return assets_change @ unit_value_usd(log_price) + money_change @ usd_per_currency(log_price)


def var_cut(inventory: np.ndarray, covariance: np.ndarray, limit: np.ndarray, floor: float) -> np.ndarray:
    """Share of capacity that value-at-risk limits leave, (books,): limit / VaR, between ``floor`` and one.

    VaR = 2.326 sqrt(X' Sigma X). inventory: (books, markets) USD bn. limit: (books,) USD bn.
    """
    return np.asarray(_part_allowed(((inventory @ covariance) * inventory).sum(axis=1), limit, floor))


@njit(cache=True)
def _part_allowed(variance, limit, floor):  # type: ignore
    out = np.empty(variance.size)
    for i in range(out.size):
        var = Z_99 * np.sqrt(max(variance[i], 0.0))
        out[i] = min(max(limit[i] / max(var, 1e-300), floor), 1.0)
    return out


@njit(cache=True)
def _charged_covariance(covariance, calm_vol, least, most, balance_sheet):  # type: ignore
    """Covariance with volatilities between ``least`` and ``most`` times calm ones, balance_sheet added to variances."""
    believed, out = np.empty(calm_vol.size), np.empty(covariance.shape)
    for i in range(believed.size):
        vol = np.sqrt(covariance[i, i])
        believed[i] = min(max(vol, least * calm_vol[i]), most * calm_vol[i]) / vol
    for i in range(believed.size):
        for j in range(believed.size):
            out[i, j] = covariance[i, j] * (believed[i] * believed[j])
        out[i, i] += balance_sheet
    return out


@njit(cache=True)
def _skew(expected, required, pace, vol, calm_vol, largest, cap):  # type: ignore
    """omega (mu - M^-1 X), (markets,), at most ``largest`` of a day's volatility, which counts up to cap x calm."""
    out = np.empty(expected.size)
    for m in range(out.size):
        limit = largest * min(vol[m], cap * calm_vol[m])
        out[m] = min(max(pace * (expected[m] - required[m]), -limit), limit)
    return out


@njit(cache=True)
def _next_wealth(wealth, gain, before, capital, refill):  # type: ignore
    """Wealth + today's profit (gain less ``before``) + refill x (capital - wealth), between floor and cap, (rows,)."""
    out = np.empty(wealth.size)
    for i in range(out.size):
        now = wealth[i] + gain[i] - before[i] + refill * (capital[i] - wealth[i])
        out[i] = min(max(now, WEALTH_FLOOR * capital[i]), WEALTH_CAP * capital[i])
    return out


class Intermediary(Believer):
    """A sector that posts one joint schedule for all its members.

    capital: (members,) risk capital on day 0, USD bn. wealth: (members,) risk capital now: capital plus trading
    profit, lost wealth being replaced and large profits paid out by owners outside the ledger. profit: (members,) since
    day 0, USD bn. earned: (members, currencies) interest, coupons and forward carry since day 0, bn. start_assets,
    start_money: (members, markets), (members, currencies) positions of day 0. fair: (markets,) log fair value, fiscal
    premium and revaluation left out. revalued: (markets,) part of the revaluation quoted so far; newly_revalued:
    today's part.
    """

    Params = IntermediaryParams
    params: IntermediaryParams
    rules = ("market_making", "dealer_wealth_effect", "fiscal_concern")
    capital: np.ndarray

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.loan_spread_pct = 0.0
        self.earned = np.zeros((self.n, N_CCY))
        self.revalued = np.zeros(N_MARKETS)
        self.newly_revalued = np.zeros(N_MARKETS)
        self.profit = np.zeros(self.n)

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Trading stocks, split like capacity."""
        book = Opening.empty(self.n)
        book.units_usd_bn[:] = self.shares(self.capital) * holdings_usd_bn
        return book

    def start(self, view: View) -> None:
        """Fair value is the opening price; inventory and profit count from here."""
        super().start(view)
        self.fair = view.log_price.copy()
        self.fiscal_direction = self.premium_log + self.params.global_reading * read_elsewhere(
            self.premium_log, view.covariance
        )
        self.wealth = self.capital.copy()
        self.start_assets, self.start_money = assets(self.book), money(self.book, view.log_price)

    def perceived_covariance(self, view: View) -> np.ndarray:
        """Covariance positions are charged for, per day, (markets, markets): prices' plus the balance sheet's.

        Volatility far from its calm value is not believed to last: it counts between a floor and a cap.
        """
        p = self.params
        balance_sheet = (p.balance_sheet_risk_pct / 100.0) ** 2
        return np.asarray(
            _charged_covariance(view.covariance, view.calm_vol, p.volatility_floor, p.volatility_cap, balance_sheet)
        )

    @abstractmethod
    def capacity(self, view: View, wealth: np.ndarray) -> np.ndarray:
        """Slope matrix at full limits and calm risk appetite, USD bn per unit of log price, (markets, markets)."""

    @abstractmethod
    def shares(self, wealth: np.ndarray) -> np.ndarray:
        """Each member's part of the trade, (members, markets), columns add up to one."""

    @abstractmethod
    def limit_cut(self, view: View, inventory: np.ndarray, wealth: np.ndarray) -> np.ndarray:
        """Share of capacity left by value-at-risk limits, (markets,)."""

    def changes(self, log_price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Assets (members, markets) and money (members, currencies) traded for since day 0, running income left out."""
        return assets(self.book) - self.start_assets, money(self.book, log_price) - self.start_money - self.earned

    def required_return(self, matrix: np.ndarray, inventory: np.ndarray) -> np.ndarray:
        """Return that makes the inventory worth holding, M^-1 X = gamma Sigma X, (markets,); 0 without capacity."""
        out, live = np.zeros(N_MARKETS), matrix.diagonal() > 0.0
        if live.all():
            return np.linalg.solve(matrix, inventory)
        out[live] = np.linalg.solve(matrix[np.ix_(live, live)], inventory[live])
        return out

    def hear(self, view: View) -> bool:
        """Yesterday's income is set apart; fair value moves with public news and part of its revaluation."""
        if not super().hear(view):
            return False
        self.earned = self.earned + running_income(self.book, view, self.loan_spread_pct)
        self.fair = self.fair + view.news
        self.newly_revalued = self.params.revaluation_pace * (self.revaluation(view) - self.revalued)
        self.revalued = self.revalued + self.newly_revalued
        return True

    def fiscal_part(self, priced: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Fiscal premium in log fair value, (markets,), members counted by their part of the trade."""
        return (priced @ shares) * self.fiscal_direction

    def matrix_schedule(self, view: View) -> MatrixSchedule | None:
        """Quotes skewed by fair value against inventory and moved by what is newly known; capacity M against x."""
        if not view.on("market_making") or self.params.capacity_scale == 0.0:
            return None
        self.hear(view)
        wealth = self.wealth if view.on("dealer_wealth_effect") else self.capital
        assets_change, money_change = self.changes(view.close)
        inventory = excess_inventory(assets_change.sum(axis=0), money_change.sum(axis=0), view.log_price)
        cut = self.limit_cut(view, inventory, wealth)
        half = np.sqrt(cut * math.exp(-self.params.aversion_of_gamma * view.public.risk_aversion_sd))
        matrix = self.params.capacity_scale * self.capacity(view, wealth) * half[:, None] * half
        shares = self.shares(wealth)
        fiscal = self.fiscal_part(self.newly_priced, shares)
        known = self.fair + self.revalued - self.newly_revalued + self.fiscal_part(self.priced_deficit, shares) - fiscal
        intercepts = {
            "market_making": matrix @ self.skew(view, known - view.log_price, self.required_return(matrix, inventory)),
            "valuation": matrix @ self.newly_revalued,
            "fiscal_concern": matrix @ fiscal,
        }
        return MatrixSchedule(-1, intercepts, matrix, shares)

    def skew(self, view: View, expected: np.ndarray, required: np.ndarray) -> np.ndarray:
        """Shift of quotes from the market's, log price, (markets,): omega (mu - M^-1 X), part of a day's volatility."""
        p = self.params
        skew = _skew(expected, required, p.inventory_pace, view.vol, view.calm_vol, p.largest_skew_sd, p.volatility_cap)
        return np.asarray(skew)

    def end_of_day(self, view: View) -> None:
        """Profit is counted into wealth, owners refill, fair value follows the close."""
        p = self.params
        profit = trading_profit(*self.changes(view.log_price), view.log_price)
        refill = 1.0 - 0.5 ** (1.0 / p.refill_half_life_days)
        self.wealth = np.asarray(_next_wealth(self.wealth, profit, self.profit, self.capital, refill))
        self.profit = profit
        told = self.fair + self.revalued + self.fiscal_part(self.priced_deficit, self.shares(self.wealth))
        self.fair = self.fair + (1.0 - 0.5 ** (1.0 / p.fair_value_half_life_days)) * (view.log_price - told)

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Risk capital and concern of every member."""
        return {"wealth_usd_bn": self.wealth, "capital_usd_bn": self.capital, "concern": self.concern}
