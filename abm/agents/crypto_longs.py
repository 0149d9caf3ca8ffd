"""Crypto leveraged longs: bitcoin perpetuals bought on margin, closed by the exchange when the margin is gone."""

from dataclasses import replace
from statistics import NormalDist
from typing import Any, ClassVar, Final

import mesa
import numpy as np

from abm.agents.base import Opening, Params, Sector, par
from abm.agents.kernels import margin_called, plan_positions
from abm.world.instruments import BTC, JPY, N_CCY, USD, USDJPY
from abm.world.margin import BROKER, maintenance_rate_by_notional
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View

LOOKBACKS: Final = np.arange(10, 21)  # days over which members look at the trend (SOURCES.md 3)
DAYS_OF_YEN_TREND: Final = 20
MOST_LOG_RATE: Final = 1.5  # entries rise at most 4.5-fold [L]
DUST: Final = 1e-9  # share of a member's budget
TICK_LOG: Final = 0.002  # width over which a liquidation offer fades out, log price


class CryptoParams(Params):
    """Parameters of leveraged bitcoin traders."""

    members: int = par(10_000, "accounts", "SOURCES.md 8", "groups of like accounts", 1, 200_000)
    open_interest_usd_bn: float = par(35, "USD bn", "SOURCES.md 6 (61 with hedged)", "longs on day 0", 0, 1000)
    leverage_median: float = par(8, "x equity", "SOURCES.md 3 (8-10) [mem]", "of fresh positions", 1, 100)
    leverage_above_40: float = par(
        0.05, "share", "SOURCES.md 3 [mem]", "of members with a leverage above 40", 0.001, 0.4
    )
    leverage_cap: float = par(100, "x equity", "SOURCES.md 3", "highest leverage any exchange grants", 1, 125)
    account_median_usd: float = par(5e5, "USD", "[L]", "median notional of one account; sets its margin tier", 1e2, 1e9)
    size_sigma: float = par(1.2, "log", "[L]", "dispersion of account sizes", 0, 2.5)
    size_leverage_correlation: float = par(
        -0.9,
        "correlation",
        "fitted to open interest wiped on 20 Jan 2026 and 10 Oct 2025",
        "log size and leverage",
        -1,
        1,
    )
    in_position: float = par(0.6, "share", "[L]", "of members in position on day 0", 0.01, 0.99)
    holding_days: float = par(60, "days", "[L]", "mean time in position without a gain or a liquidation", 1, 1000)
    profit_taking: float = par(1.0, "per unit", "[L]", "rise of the exit rate as margin doubles", 0, 20)
    most_gain: float = par(3.0, "x margin", "[L]", "gain beyond which the exit rate rises no more", 0, 50)
    top_up_chance: float = par(0.2, "per day", "[L]", "chance that a member refills a margin down by half", 0, 1)
    entry_per_trend: float = par(0.15, "log per sd", "[L]", "rise of the entry rate with the 10-20 day return", 0, 3)
    entry_per_funding: float = par(0.02, "log per pp", "[L]", "fall of the entry rate with the funding rate", 0, 1)
    entry_per_volatility: float = par(0.5, "log", "[L]", "fall of the entry rate as volatility doubles", 0, 5)
    yen_share: float = par(0.10, "share", "SOURCES.md 6 (5-15 %) [mem]", "of members who borrow yen", 0, 1)
    yen_loan_to_equity: float = par(1.0, "x equity", "[L]", "yen debt that adds to the collateral", 0, 20)
    yen_response: float = par(0.7, "log per sd", "[L]", "effect of a strong yen on yen borrowers' entry and exit", 0, 5)
    funding_pct: float = par(5.5, "% a year", "Binance, January 2026 (0.005 % per 8 h)", "funding on day 0", -100, 100)
    funding_per_crowding: float = par(40, "pp per log", "[L]", "rise with open interest in bitcoins", 0, 1000)
    funding_per_trend: float = par(3.0, "pp per sd", "Binance 2024-26: 41 pp per log return", "rise with trend", 0, 100)
    depth_share: float = par(0.5, "of a usual day's move", "SOURCES.md 8", "most net entry moves bitcoin", 0, 5)
    insurance_fund_usd_bn: float = par(1.5, "USD bn", "exchanges' funds [mem]", "the exchanges' own reserve", 0, 100)


# -- rules ---------------------------------------------------------------------------------------------------------


def chance_of_liquidation(buffer: np.ndarray, exit_rate: np.ndarray, refill_rate: float, vol: float) -> np.ndarray:
    """Probability that a position is liquidated before it is closed, with margins refilled below one half.

    exp(-b/2 sqrt(2 m) / vol) exp(-b/2 sqrt(2 (m + c)) / vol): the log price falls by half the buffer b before the
    position is closed (rate m), and by the other half before it is closed or refilled (rate m + c). Laplace transforms
    of first passage times of Brownian motion (Borodin and Salminen 2002, part II, 1.2.0.1).
    """
    speed = np.sqrt(2.0 * exit_rate) + np.sqrt(2.0 * (exit_rate + refill_rate))
    return np.asarray(np.exp(-0.5 * buffer * speed / vol))


def buffers_in_the_long_run(fresh: np.ndarray, exit_rate: np.ndarray, vol: float, luck: np.ndarray) -> np.ndarray:
    """Distances to liquidation among the open positions of members whose fresh positions have distance ``fresh``.

    Positions start at ``fresh``, diffuse with ``vol`` a day, end at rate ``exit_rate`` or at zero. Their stationary
    density is that process's Green function, sinh(k y) exp(-k fresh) below and sinh(k fresh) exp(-k y) above it, drawn
    from by inversion. So few positions are near liquidation on a calm day, as those that came near have gone.
    """
    k = np.sqrt(2.0 * exit_rate) / vol
    gone = np.exp(-k * fresh)
    below, above = 0.5 * (1.0 - gone) ** 2, 0.5 * (1.0 - gone**2)
    u = luck * (below + above)
    inside = np.arccosh(1.0 + np.minimum(u, below) / gone) / k
    outside = fresh - np.log(np.maximum(1.0 - (u - below) / above, 1e-12)) / k
    return np.asarray(np.where(u < below, inside, outside))


def funding_rate_pct(params: CryptoParams, crowding_log: float, trend_sd: float) -> float:
    """What longs pay shorts, % a year: base + a log(open interest / day 0) + b trend; negative when longs have gone."""
    return params.funding_pct + params.funding_per_crowding * crowding_log + params.funding_per_trend * trend_sd


def trend_sd(view: View) -> np.ndarray:
    """Return of bitcoin over 10 to 20 days in standard deviations, one per lookback."""
    ago = view.history[-1 - LOOKBACKS, BTC]
    return np.asarray((view.log_price[BTC] - ago) / (view.vol[BTC] * np.sqrt(LOOKBACKS)))


# -- the sector ----------------------------------------------------------------------------------------------------


class CryptoLongs(Sector):
    """Accounts that hold long perpetuals or stand aside, and the exchanges' insurance fund as a house account.

    Columns: leverage: of a fresh position; maintenance: equity over notional at which the exchange closes the account;
    budget_usd_bn: notional of a position; lookback_days: of the trend; yen_funded: borrows yen for its collateral;
    open_at_start, luck: in position on day 0 and how far it has come; exit_rate, entry_rate: per day;
    pending, leaving, refilling: decided yesterday to open, to close, to refill the margin of a position today.
    """

    id = "crypto_longs"
    Params: ClassVar[type[Params]] = CryptoParams
    rules = ("crypto_entry", "crypto_leverage", "yen_carry_funding")
    home = USD
    house_rows = 1
    margin = replace(BROKER, isolated=True)

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p = params
        z = streams.on(self.id, "accounts").standard_normal((self.n, 2))
        u = streams.on(self.id, "habits").random((self.n, 4))
        account_usd = p.account_median_usd * np.exp(p.size_sigma * z[:, 0])
        self.maintenance = maintenance_rate_by_notional(account_usd)
        rho = p.size_leverage_correlation
        tail = np.log(40.0 / p.leverage_median) / NormalDist().inv_cdf(1.0 - p.leverage_above_40)
        drawn = p.leverage_median * np.exp(tail * (rho * z[:, 0] + np.sqrt(1.0 - rho**2) * z[:, 1]))
        self.leverage = np.clip(drawn, 1.0, np.minimum(p.leverage_cap, 0.5 / self.maintenance))
        self.open_at_start = u[:, 0] <= max(p.in_position, u[:, 0].min())
        self.luck = u[:, 1]
        self.lookback_days = LOOKBACKS[0] + (u[:, 2] * LOOKBACKS.size).astype(np.int64)
        self.yen_funded = u[:, 3] < p.yen_share
        self.budget_usd_bn = p.open_interest_usd_bn * account_usd / max(account_usd[self.open_at_start].sum(), 1e-300)
        self.exit_rate = np.full(self.n, 1.0 / p.holding_days)
        self.entry_rate = np.zeros(self.n)
        self.pending, self.leaving, self.refilling = (np.zeros(self.n, dtype=bool) for _ in range(3))
        self.closing = np.zeros(self.n, dtype=bool)
        self.funding_rate_pct_per_yr = float(p.funding_pct)

    # -- day 0 -------------------------------------------------------------------------------------------------------

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Members in position hold perpetuals against dollar collateral, part of it borrowed in yen."""
        book = Opening.empty(self.n + 1)
        notional = np.where(self.open_at_start, self.budget_usd_bn, 0.0)
        fresh = 1.0 / self.leverage - self.maintenance
        buffer = buffers_in_the_long_run(fresh, self.exit_rate, float(view.calm_vol[BTC]), self.luck)
        equity = notional * (self.maintenance + buffer if view.on("crypto_leverage") else 1.0)
        loan = self._yen_loan(view, notional)
        book.contracts_usd_bn[: self.n, BTC] = notional
        book.cash_usd_bn[: self.n, USD] = equity + loan
        book.loans_usd_bn[: self.n, JPY] = loan
        book.cash_usd_bn[self.n, USD] = self.params.insurance_fund_usd_bn
        return book

    def start(self, view: View) -> None:
        """Entry rates are those at which, by class of member and in sum, entries replace exits and liquidations."""
        self.coins_open = float(self.book.contracts[: self.n, BTC].sum())
        p = self.params
        hit = np.zeros(self.n)
        if view.on("crypto_leverage"):
            fresh = 1.0 / self.leverage - self.maintenance
            hit = chance_of_liquidation(fresh, self.exit_rate, p.top_up_chance, float(view.calm_vol[BTC]))
        odds = p.in_position / (1.0 - p.in_position)
        rate = odds * self.exit_rate / (1.0 - hit)
        held, gain = self._positions(view)
        leaving = -np.expm1(-self.exit_rate * (1.0 + p.profit_taking * np.clip(gain, 0.0, p.most_gain)))
        replaced = (held * (leaving + self.exit_rate * hit / (1.0 - hit))).sum()
        entering = -(np.where(held > 0.0, 0.0, self.budget_usd_bn) * np.expm1(-rate)).sum()
        self.entry_rate = rate * (replaced / entering if entering > 0.0 else 1.0)
        self._plan(view)

    def _yen_loan(self, view: View, notional_usd_bn: np.ndarray) -> np.ndarray:
        """Yen debt of fresh positions, USD bn."""
        if not (view.on("yen_carry_funding") and view.on("crypto_leverage")):
            return np.zeros(self.n)
        loan = self.params.yen_loan_to_equity * notional_usd_bn / self.leverage
        return np.where(self.yen_funded, loan, 0.0)

    # -- the day -------------------------------------------------------------------------------------------------------

    def _held(self, view: View, rows: Any = slice(None)) -> np.ndarray:
        """Notional of open positions, USD bn, (rows,); what rounding leaves of a closed one does not count."""
        held = self.book.contracts[: self.n, BTC][rows] * view.unit_value_usd[BTC]
        return np.asarray(np.where(held > DUST * self.budget_usd_bn[rows], held, 0.0))

    def _positions(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Notional held, USD bn, and margin gained since a fresh position, as a share of it, both (members,)."""
        held = self._held(view)
        fresh = held / self.leverage if view.on("crypto_leverage") else held
        equity = self._account_equity(view)
        return held, np.divide(equity, fresh, out=np.ones(self.n), where=held > 0.0) - 1.0

    def _account_equity(self, view: View, rows: Any = slice(None)) -> np.ndarray:
        """Isolated margin: dollars and yen in the account less its loans, USD bn, (rows,)."""
        cash, loans = self.book.cash[: self.n], self.book.loans[: self.n]
        dollars, yen = (cash[:, c][rows] - loans[:, c][rows] for c in (USD, JPY))
        return np.asarray(dollars + yen * view.usd_per_currency[JPY])

    def _plan(self, view: View) -> None:
        """At the close members decide who opens and who closes a position tomorrow."""
        p = self.params
        held, gain = self._positions(view)
        trend = trend_sd(view)
        log_rate = p.entry_per_trend * trend - p.entry_per_funding * (self.funding_rate_pct_per_yr - p.funding_pct)
        log_rate -= p.entry_per_volatility * np.log2(max(view.vol[BTC] / view.calm_vol[BTC], 1.0))
        entry = self.entry_rate * np.exp(np.minimum(log_rate, MOST_LOG_RATE))[self.lookback_days - LOOKBACKS[0]]
        yen = np.where(self.yen_funded, np.exp(self._strong_yen(view)), 1.0)
        cap = p.depth_share * float(view.depth[BTC] * min(view.vol[BTC], view.calm_vol[BTC]))  # of a calm day's move
        luck = self.uniform(view, "plans")
        self.refilling = (gain < -0.5) & (luck > 1.0 - p.top_up_chance) & view.on("crypto_leverage")
        self.pending, self.leaving = plan_positions(
            held, self.budget_usd_bn, gain, entry / yen, self.exit_rate * yen, p.profit_taking, p.most_gain, cap, luck
        )

    def _strong_yen(self, view: View) -> float:
        """Log effect on yen borrowers of the yen's 20-day rise, in standard deviations; 0 when it falls."""
        if not view.on("yen_carry_funding"):
            return 0.0
        fall = -(view.log_price[USDJPY] - view.history[-1 - DAYS_OF_YEN_TREND, USDJPY])
        return float(self.params.yen_response * max(fall, 0.0) / (view.vol[USDJPY] * np.sqrt(DAYS_OF_YEN_TREND)))

    def income(self, view: View) -> np.ndarray | None:
        """Fresh collateral for positions about to be opened (the excess goes out), refills of shrunk margins."""
        rows = np.flatnonzero(self.pending | self.refilling)
        if not (view.on("crypto_entry") and rows.size):
            return None
        opening = self.pending[rows]
        position = np.where(opening, self.budget_usd_bn[rows], self._held(view, rows))
        wanted = position / (self.leverage[rows] if view.on("crypto_leverage") else 1.0)
        lacking = wanted - self._account_equity(view, rows)
        paid = np.zeros((self.n + 1, N_CCY), order="F")
        paid[rows, USD] = np.where(opening, lacking, np.maximum(lacking, 0.0))
        return paid

    def decide(self, view: View) -> np.ndarray:
        """Yesterday's plans are carried out."""
        self.closing[:] = False
        if not view.on("crypto_entry"):
            return no_orders()
        enter, leave = np.flatnonzero(self.pending), np.flatnonzero(self.leaving)
        return join(
            [
                post(BTC, self.budget_usd_bn[enter], "momentum", contract=True, members=enter),
                post(USDJPY, self._yen_loan(view, self.budget_usd_bn)[enter], "carry", members=enter),
                self._close(view, leave, "profit_taking"),
            ]
        )

    def _close(self, view: View, rows: np.ndarray, reason: str) -> np.ndarray:
        """Close whole positions and buy back the yen owed."""
        held = self.book.contracts[rows, BTC] * view.unit_value_usd[BTC]
        return join(
            [
                post(BTC, -held, reason, contract=True, members=rows),
                post(USDJPY, -self._yen_payable(view, rows), reason, members=rows),
            ]
        )

    def _yen_payable(self, view: View, rows: np.ndarray) -> np.ndarray:
        """Yen owed, as far as the dollars in the account go, USD bn, (rows,)."""
        owed = (self.book.loans[rows, JPY] - self.book.cash[rows, JPY]) * view.usd_per_currency[JPY]
        return np.asarray(np.minimum(owed, np.maximum(self.book.cash[rows, USD], 0.0)))

    # -- liquidation ---------------------------------------------------------------------------------------------------

    def maintenance_shortfall(self, view: View, initial: np.ndarray, equity: np.ndarray) -> np.ndarray:
        """Called below maintenance, for what lacks to the initial margin (twice maintenance), USD bn, (members,)."""
        if not view.on("crypto_leverage"):
            return np.zeros(self.n)
        return margin_called(
            self.book.contracts[: self.n, BTC] * view.unit_value_usd[BTC],
            DUST * self.budget_usd_bn,
            self.maintenance * view.public.margin_factor.get(self.id, 1.0),
            equity,
            self.closing,
        )

    def raise_cash(self, view: View, need_usd_bn: np.ndarray) -> np.ndarray:
        """The exchange offers every called position at its bankruptcy price or better, once a day.

        With equity e and notional H the price at which nothing is left is log(1 - e / H) from the mark. The offer is
        whole above it and gone TICK_LOG below, so nobody is sold out under water: what finds no buyer there passes to
        the insurance fund and, by auto-deleveraging, to the shorts (exchanges' liquidation rules; Binance, Bybit).
        """
        rows = np.flatnonzero(need_usd_bn > 0.0)
        self.closing[rows] = True
        held = self._held(view, rows)
        left = np.clip(self._account_equity(view, rows) / np.maximum(held, 1e-300), 0.0, 0.95)
        slope = held / TICK_LOG
        offer = slope * (np.log1p(-left) - TICK_LOG)
        return join(
            [
                post(BTC, offer, "liquidation", slope=slope, lo=-held, hi=0.0, contract=True, members=rows),
                post(USDJPY, -self._yen_payable(view, rows), "liquidation", members=rows),
            ]
        )

    # -- what others see ----------------------------------------------------------------------------------------------

    def end_of_day(self, view: View) -> None:
        """Funding follows crowding and trend; plans for tomorrow are made."""
        coins = float(self.book.contracts[: self.n, BTC].sum())
        crowding = float(np.log(max(coins, 1e-12) / max(self.coins_open, 1e-12)))
        self.funding_rate_pct_per_yr = funding_rate_pct(self.params, max(crowding, -3.0), float(trend_sd(view).mean()))
        self._plan(view)

    def open_interest_usd_bn(self, view: View) -> float:
        """Notional of all open positions, USD bn."""
        return float(self._held(view).sum())

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Notional, leverage now, maintenance rate and yen funding per member."""
        held = self.book.contracts_usd(log_price)[: self.n, BTC]
        equity = self.equity_usd(log_price)[: self.n]
        return {
            "notional_usd_bn": held,
            "leverage": np.divide(held, equity, out=np.zeros(self.n), where=equity > 0.0),
            "maintenance_rate": self.maintenance,
            "yen_funded": self.yen_funded,
        }
