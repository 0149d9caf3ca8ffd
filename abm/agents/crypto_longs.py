"""Crypto leveraged longs: bitcoin perpetuals bought on margin, closed by the exchange when the margin is gone."""

from statistics import NormalDist
from typing import Any, ClassVar, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import Opening, Params, Sector, par
from abm.world.instruments import BTC, JPY, N_CCY, USD, USDJPY
from abm.world.margin import BROKER, maintenance_rate_by_notional
from abm.world.orders import ORDER, REASON, no_orders, write_order
from abm.world.streams import Streams
from abm.world.view import View

LOOKBACKS: Final = np.arange(10, 21)  # days over which members look at the trend (SOURCES.md 3)
DAYS_OF_YEN_TREND: Final = 20
MOST_LOG_RATE: Final = 1.5  # entries rise at most 4.5-fold [L]
DUST: Final = 1e-9  # share of a member's budget
TICK_LOG: Final = 0.002  # width over which a liquidation offer fades out, log price
MOMENTUM, CARRY, PROFIT_TAKING, LIQUIDATION = (
    REASON[name] for name in ("momentum", "carry", "profit_taking", "liquidation")
)


class CryptoParams(Params):
    """Parameters of leveraged bitcoin traders."""

    members: int = par(10_000, "accounts", "SOURCES.md 8", "groups of like accounts", 1, 200_000)
    open_interest_usd_bn: float = par(35, "USD bn", "SOURCES.md 6 (61 with hedged)", "longs on day 0", 0, 1000)
    leverage_median: float = par(
        8, "x equity", "SOURCES.md 3 (8-10) [mem]", "of fresh positions, a member each; large ones less", 1, 100
    )
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
    yen_share: float = par(
        0.10, "share", "SOURCES.md 6 (5-15 %) [mem]", "of members who borrow yen, up to their equity", 0, 1
    )
    yen_loan_to_equity: float = par(1.0, "x equity", "[L]", "yen debt that adds to the collateral", 0, 20)
    yen_response: float = par(0.7, "log per sd", "[L]", "effect of a strong yen on yen borrowers' entry and exit", 0, 5)
    funding_pct: float = par(5.5, "% a year", "Binance, January 2026 (0.005 % per 8 h)", "funding on day 0", -100, 100)
    funding_per_crowding: float = par(40, "pp per log", "[L]", "rise with open interest in bitcoins", 0, 1000)
    funding_per_trend: float = par(3.0, "pp per sd", "Binance 2024-26: 41 pp per log return", "rise with trend", 0, 100)
    depth_share: float = par(0.5, "of a usual day's move", "SOURCES.md 8", "most net entry moves bitcoin", 0, 5)
    insurance_fund_usd_bn: float = par(1.5, "USD bn", "exchanges' funds [mem]", "the exchanges' own reserve", 0, 100)


# -- rules ---------------------------------------------------------------------------------------------------------


def chance_of_liquidation(buffer: np.ndarray, exit_rate: float, refill_rate: float, vol: float) -> np.ndarray:
    """Probability that a position is liquidated before it is closed, with margins refilled below one half.

    exp(-b/2 sqrt(2 m) / vol) exp(-b/2 sqrt(2 (m + c)) / vol): the log price falls by half the buffer b before the
    position is closed (rate m), and by the other half before it is closed or refilled (rate m + c). Laplace transforms
    of first passage times of Brownian motion (Borodin and Salminen 2002, part II, 1.2.0.1).
    """
    speed = np.sqrt(2.0 * exit_rate) + np.sqrt(2.0 * (exit_rate + refill_rate))
    return np.asarray(np.exp(-0.5 * buffer * speed / vol))


def buffers_in_the_long_run(fresh: np.ndarray, exit_rate: float, vol: float, luck: np.ndarray) -> np.ndarray:
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


# -- rules, one pass over the members each --------------------------------------------------------------------------
#
# contracts, cash, loans: the tables of the sector's book. value_usd: of a bitcoin. budget, leverage and the like:
# columns of the sector.


@njit(cache=True)
def position(contracts: np.ndarray, i: int, budget: np.ndarray, value_usd: float) -> float:
    """Notional of a member's open position, USD bn; what rounding leaves of a closed one does not count."""
    held = contracts[i, BTC] * value_usd
    return held if held > DUST * budget[i] else 0.0


@njit(cache=True)
def account_equity(cash: np.ndarray, loans: np.ndarray, i: int, usd_per_yen: float) -> float:
    """Isolated margin: dollars and yen in a member's account less its loans, USD bn."""
    return (cash[i, USD] - loans[i, USD]) + (cash[i, JPY] - loans[i, JPY]) * usd_per_yen


@njit(cache=True)
def yen_payable(cash: np.ndarray, loans: np.ndarray, i: int, usd_per_yen: float) -> float:
    """Yen that a member owes, as far as the dollars in its account go, USD bn."""
    return min((loans[i, JPY] - cash[i, JPY]) * usd_per_yen, max(cash[i, USD], 0.0))


@njit(cache=True)
def gain_on_margin(
    held: float, cash: np.ndarray, loans: np.ndarray, i: int, leverage: np.ndarray, leveraged: bool, usd_per_yen: float
) -> float:
    """Margin of a member gained since a fresh position: equity / (held / leverage) - 1, 0 without a position.

    A fresh margin is the whole notional unless ``leveraged``.
    """
    if held <= 0.0:
        return 0.0
    return account_equity(cash, loans, i, usd_per_yen) / (held / leverage[i] if leveraged else held) - 1.0


@njit(cache=True)
def positions_and_gains(
    contracts: np.ndarray, cash: np.ndarray, loans: np.ndarray, budget: np.ndarray, leverage: np.ndarray,
    leveraged: bool, value_usd: float, usd_per_yen: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """`position` and `gain_on_margin` of all members, (members,) each."""
    held, gain = np.empty(budget.size), np.empty(budget.size)
    for i in range(budget.size):
        held[i] = position(contracts, i, budget, value_usd)
        gain[i] = gain_on_margin(held[i], cash, loans, i, leverage, leveraged, usd_per_yen)
    return held, gain


@njit(cache=True)
def plan_positions(
    contracts: np.ndarray, cash: np.ndarray, loans: np.ndarray, budget: np.ndarray, leverage: np.ndarray,
    leveraged: bool, value_usd: float, usd_per_yen: float, entry_rate: np.ndarray, appetite: np.ndarray,
    lookback: np.ndarray, exit_rate: float, yen_funded: np.ndarray, yen_haste: float, profit_taking: float,
    most_gain: float, top_up_chance: float, cap: float, luck: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Who opens, who closes and who refills a position tomorrow: three flag arrays (members,).

    A flat member enters with probability 1 - exp(-entry rate x appetite / h), h being ``yen_haste`` for who borrows yen
    and else 1; one in position leaves with probability 1 - exp(-exit rate x h (1 + profit_taking clip(gain, 0,
    most_gain))). The larger of the two flows is thinned until the expected net flow is at most ``cap``. Who has lost
    half the margin refills it with ``top_up_chance``. gain: of `gain_on_margin`; cap: USD bn; rates per day; appetite:
    by days of lookback beyond the shortest; luck: uniform draws in [0, 1), low ones act, high ones refill.
    """
    chance = np.empty(budget.size)  # of entering; of leaving, with a minus
    enters, leaves, refill = np.zeros((3, budget.size), dtype=np.bool_)
    entering, leaving = 0.0, 0.0
    for i in range(budget.size):
        haste = yen_haste if yen_funded[i] else 1.0
        held = position(contracts, i, budget, value_usd)
        if held > 0.0:
            gain = gain_on_margin(held, cash, loans, i, leverage, leveraged, usd_per_yen)
            chance[i] = np.expm1(-(exit_rate * haste) * (1.0 + profit_taking * min(max(gain, 0.0), most_gain)))
            leaving += -chance[i] * held
            refill[i] = gain < -0.5 and luck[i] > 1.0 - top_up_chance
        else:
            chance[i] = -np.expm1(-(entry_rate[i] * appetite[lookback[i] - LOOKBACKS[0]] / haste))
            entering += chance[i] * budget[i]
    keep_in = min(1.0, (leaving + cap) / max(entering, 1e-300))
    keep_out = min(1.0, (entering + cap) / max(leaving, 1e-300))
    for i in range(budget.size):
        enters[i], leaves[i] = luck[i] < keep_in * chance[i], luck[i] < -keep_out * chance[i]
    return enters, leaves, refill


@njit(cache=True)
def fresh_collateral(
    contracts: np.ndarray, cash: np.ndarray, loans: np.ndarray, budget: np.ndarray, leverage: np.ndarray,
    leveraged: bool, value_usd: float, usd_per_yen: float, opening: np.ndarray, refilling: np.ndarray, paid: np.ndarray,
) -> bool:  # fmt: skip
    """Write into ``paid`` what lacks to a fresh margin, USD bn, (members,); whether anybody opens or refills.

    Who opens a position pays in what its budget takes, or takes out what is too much; who refills only pays in; all
    others get 0.
    """
    anybody = False
    for i in range(budget.size):
        if not (opening[i] or refilling[i]):
            paid[i] = 0.0
            continue
        anybody = True
        wanted = budget[i] if opening[i] else position(contracts, i, budget, value_usd)
        lacking = (wanted / leverage[i] if leveraged else wanted) - account_equity(cash, loans, i, usd_per_yen)
        paid[i] = lacking if opening[i] else max(lacking, 0.0)
    return anybody


@njit(cache=True)
def write_planned(
    out: np.ndarray, entering: np.ndarray, leaving: np.ndarray, contracts: np.ndarray, cash: np.ndarray,
    loans: np.ndarray, budget: np.ndarray, leverage: np.ndarray, yen_funded: np.ndarray, yen_loan_to_equity: float,
    value_usd: float, usd_per_yen: float,
) -> int:  # fmt: skip
    """Write orders: positions opened, yen borrowed for them, ``yen_loan_to_equity`` times their margin; positions
    closed, yen paid back. entering, leaving: members.
    """
    n = 0
    for i in entering:
        write_order(out[n], i, BTC, MOMENTUM, budget[i], 0.0, -np.inf, np.inf, True)
        n += 1
    for i in entering:
        yen_loan = yen_loan_to_equity * budget[i] / leverage[i] if yen_funded[i] else 0.0
        if yen_loan != 0.0:
            write_order(out[n], i, USDJPY, CARRY, yen_loan, 0.0, -np.inf, np.inf, False)
            n += 1
    for i in leaving:
        held = contracts[i, BTC] * value_usd
        if held != 0.0:
            write_order(out[n], i, BTC, PROFIT_TAKING, -held, 0.0, -np.inf, np.inf, True)
            n += 1
    return n + write_repayments(out[n:], leaving, cash, loans, usd_per_yen, PROFIT_TAKING)


@njit(cache=True)
def write_repayments(
    out: np.ndarray, members: np.ndarray, cash: np.ndarray, loans: np.ndarray, usd_per_yen: float, reason: int
) -> int:
    """Write orders with which some members buy back the yen they owe."""
    n = 0
    for i in members:
        yen = yen_payable(cash, loans, i, usd_per_yen)
        if yen != 0.0:
            write_order(out[n], i, USDJPY, reason, -yen, 0.0, -np.inf, np.inf, False)
            n += 1
    return n


@njit(cache=True)
def margin_called(
    contracts: np.ndarray, budget: np.ndarray, maintenance: np.ndarray, factor: float, equity: np.ndarray,
    closing: np.ndarray, value_usd: float,
) -> np.ndarray:  # fmt: skip
    """What members lack to twice their maintenance margin, USD bn, (members,); 0 where none is called.

    Called: a position above dust, not yet offered for sale (``closing``), whose equity is below maintenance x factor x
    notional. factor: what exchanges have made of their usual rates; equity: USD bn.
    """
    need = np.zeros(budget.size)
    for i in range(budget.size):
        held = contracts[i, BTC] * value_usd
        margin = maintenance[i] * factor * held
        if equity[i] < margin and held > DUST * budget[i] and not closing[i]:
            need[i] = 2.0 * margin - equity[i]
    return need


@njit(cache=True)
def write_liquidations(
    out: np.ndarray, members: np.ndarray, contracts: np.ndarray, cash: np.ndarray, loans: np.ndarray,
    budget: np.ndarray, value_usd: float, usd_per_yen: float,
) -> int:  # fmt: skip
    """Write orders with which the exchange closes accounts at their bankruptcy price or better.

    With equity e and notional H the price at which nothing is left is log(1 - e / H) from the mark. The offer is whole
    above it and gone TICK_LOG below. The yen owed is bought back.
    """
    n = 0
    for i in members:
        held = position(contracts, i, budget, value_usd)
        if held > 0.0:
            left = min(max(account_equity(cash, loans, i, usd_per_yen) / held, 0.0), 0.95)
            slope = held / TICK_LOG
            offer = slope * (np.log1p(-left) - TICK_LOG)
            write_order(out[n], i, BTC, LIQUIDATION, offer, slope, -held, 0.0, True)
            n += 1
    return n + write_repayments(out[n:], members, cash, loans, usd_per_yen, LIQUIDATION)


# -- the sector ----------------------------------------------------------------------------------------------------


class CryptoLongs(Sector):
    """Accounts that hold long perpetuals or stand aside, and the exchanges' insurance fund as a house account.

    Columns: leverage: of a fresh position; maintenance: equity over notional at which the exchange closes the account;
    budget_usd_bn: notional of a position; lookback_days: of the trend; yen_funded: borrows part of its collateral in
    yen; open_at_start: in position on day 0; entry_rate: per day when flat; pending, leaving, refilling: decided
    yesterday to open, to close, to refill the margin of a position today; closing: offered for sale by the exchange
    today. collateral: (rows, currencies) paid in today. All members leave at exit_rate a day.
    """

    id = "crypto_longs"
    Params: ClassVar[type[Params]] = CryptoParams
    rules = ("crypto_entry", "crypto_leverage", "yen_carry_funding")
    home = USD
    house_rows = 1
    margin = BROKER

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p = params
        z = streams.on(self.id, "accounts").standard_normal((self.n, 2))
        u = self._habits(streams)
        account_usd = p.account_median_usd * np.exp(p.size_sigma * z[:, 0])
        self.maintenance = maintenance_rate_by_notional(account_usd)
        rho = p.size_leverage_correlation
        tail = np.log(40.0 / p.leverage_median) / NormalDist().inv_cdf(1.0 - p.leverage_above_40)
        drawn = p.leverage_median * np.exp(tail * (rho * z[:, 0] + np.sqrt(1.0 - rho**2) * z[:, 1]))
        self.leverage = np.clip(drawn, 1.0, np.minimum(p.leverage_cap, 0.5 / self.maintenance))
        self.open_at_start = u[:, 0] <= max(p.in_position, u[:, 0].min())
        self.lookback_days = LOOKBACKS[0].astype(np.int8) + (u[:, 2] * LOOKBACKS.size).astype(np.int8)
        self.yen_funded = u[:, 3] < p.yen_share
        self.budget_usd_bn = p.open_interest_usd_bn * account_usd / max(account_usd[self.open_at_start].sum(), 1e-300)
        self.exit_rate = 1.0 / p.holding_days
        self.entry_rate = np.zeros(self.n)
        self.pending, self.leaving, self.refilling = (np.zeros(self.n, dtype=bool) for _ in range(3))
        self.closing = np.zeros(self.n, dtype=bool)
        self.collateral = np.zeros((self.n + 1, N_CCY), order="F")
        self.funding_rate_pct_per_yr = float(p.funding_pct)

    # -- day 0 -------------------------------------------------------------------------------------------------------

    def _habits(self, streams: Streams) -> np.ndarray:
        """Uniform draws in [0, 1) on day 0, (members, 4): in position, how far it has come, lookback, yen-funded."""
        return streams.on(self.id, "habits").random((self.n, 4))

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Members in position hold perpetuals against dollar collateral, part of it borrowed in yen."""
        book = Opening.empty(self.n + 1)
        notional = np.where(self.open_at_start, self.budget_usd_bn, 0.0)
        fresh, luck = 1.0 / self.leverage - self.maintenance, self._habits(view.streams)[:, 1]
        buffer = buffers_in_the_long_run(fresh, self.exit_rate, float(view.calm_vol[BTC]), luck)
        equity = notional * (self.maintenance + buffer if view.on("crypto_leverage") else 1.0)
        fresh_loan = self._yen_loan_to_equity(view) * self.budget_usd_bn / self.leverage
        loan = np.where(self.open_at_start & self.yen_funded, fresh_loan, 0.0)
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
        self._plan(view, trend_sd(view))

    def _yen_loan_to_equity(self, view: View) -> float:
        """Yen debt of a fresh position over its margin, of members funded in yen; 0 where that is off."""
        on = view.on("yen_carry_funding") and view.on("crypto_leverage")
        return float(self.params.yen_loan_to_equity) if on else 0.0

    # -- the day -------------------------------------------------------------------------------------------------------

    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the rules read of the book: contracts, cash and loans."""
        return self.book.contracts, self.book.cash, self.book.loans

    def _accounts(self, view: View) -> tuple[Any, ...]:
        """What the rules that value whole accounts read first: the book, columns of the members and prices."""
        leveraged = view.on("crypto_leverage")
        prices = view.unit_value_usd[BTC], view.usd_per_currency[JPY]
        return *self._tables(), self.budget_usd_bn, self.leverage, leveraged, *prices

    def _positions(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Notional held, USD bn, and margin gained since a fresh position, as a share of it, both (members,)."""
        return positions_and_gains(*self._accounts(view))

    def _plan(self, view: View, trend: np.ndarray) -> None:
        """At the close members decide who opens and who closes a position tomorrow. trend: `trend_sd`."""
        p = self.params
        log_rate = p.entry_per_trend * trend - p.entry_per_funding * (self.funding_rate_pct_per_yr - p.funding_pct)
        log_rate -= p.entry_per_volatility * np.log2(max(view.vol[BTC] / view.calm_vol[BTC], 1.0))
        cap = p.depth_share * float(view.depth[BTC] * min(view.vol[BTC], view.calm_vol[BTC]))  # of a calm day's move
        self.pending, self.leaving, self.refilling = plan_positions(
            *self._accounts(view), self.entry_rate, np.exp(np.minimum(log_rate, MOST_LOG_RATE)), self.lookback_days,
            self.exit_rate, self.yen_funded, np.exp(self._strong_yen(view)), p.profit_taking, p.most_gain,
            p.top_up_chance if view.on("crypto_leverage") else 0.0, cap, self.uniform(view, "plans"),
        )  # fmt: skip

    def _strong_yen(self, view: View) -> float:
        """Log effect on yen borrowers of the yen's 20-day rise, in standard deviations; 0 when it falls."""
        if not view.on("yen_carry_funding"):
            return 0.0
        fall = -(view.log_price[USDJPY] - view.history[-1 - DAYS_OF_YEN_TREND, USDJPY])
        return float(self.params.yen_response * max(fall, 0.0) / (view.vol[USDJPY] * np.sqrt(DAYS_OF_YEN_TREND)))

    def income(self, view: View) -> np.ndarray | None:
        """Fresh collateral for positions about to be opened (the excess goes out), refills of shrunk margins."""
        if not view.on("crypto_entry"):
            return None
        paid = fresh_collateral(*self._accounts(view), self.pending, self.refilling, self.collateral[: self.n, USD])
        return self.collateral if paid else None

    def decide(self, view: View) -> np.ndarray:
        """Yesterday's plans are carried out."""
        self.closing[:] = False
        if not view.on("crypto_entry"):
            return no_orders()
        entering, leaving = np.flatnonzero(self.pending), np.flatnonzero(self.leaving)
        out = np.empty(2 * (entering.size + leaving.size), dtype=ORDER)
        n = write_planned(
            out, entering, leaving, *self._tables(), self.budget_usd_bn, self.leverage,
            self.yen_funded, self._yen_loan_to_equity(view), view.unit_value_usd[BTC], view.usd_per_currency[JPY],
        )  # fmt: skip
        return out[:n]

    # -- liquidation ---------------------------------------------------------------------------------------------------

    def initial_margin(self, view: View) -> np.ndarray:
        """None on the whole account: margin is isolated, each position judged in `maintenance_shortfall`."""
        return np.zeros(self.n)

    def maintenance_shortfall(self, view: View, initial: np.ndarray, equity: np.ndarray) -> np.ndarray:
        """Called below maintenance, for what lacks to the initial margin (twice maintenance), USD bn, (members,)."""
        if not view.on("crypto_leverage"):
            return np.zeros(self.n)
        return margin_called(
            self.book.contracts, self.budget_usd_bn, self.maintenance, view.public.margin_factor.get(self.id, 1.0),
            equity, self.closing, view.unit_value_usd[BTC],
        )  # fmt: skip

    def raise_cash(self, view: View, need_usd_bn: np.ndarray) -> np.ndarray:
        """The exchange offers every called position at its bankruptcy price or better, once a day.

        So nobody is sold out under water: what finds no buyer there passes to the insurance fund and, by
        auto-deleveraging, to the shorts (exchanges' liquidation rules; Binance, Bybit).
        """
        members = np.flatnonzero(need_usd_bn > 0.0)
        self.closing[members] = True
        out = np.empty(2 * members.size, dtype=ORDER)
        n = write_liquidations(
            out, members, *self._tables(), self.budget_usd_bn, view.unit_value_usd[BTC], view.usd_per_currency[JPY]
        )
        return out[:n]

    # -- what others see ----------------------------------------------------------------------------------------------

    def end_of_day(self, view: View) -> None:
        """Funding follows crowding and trend; plans for tomorrow are made."""
        coins = float(self.book.contracts[: self.n, BTC].sum())
        crowding = float(np.log(max(coins, 1e-12) / max(self.coins_open, 1e-12)))
        trend = trend_sd(view)
        self.funding_rate_pct_per_yr = funding_rate_pct(self.params, max(crowding, -3.0), float(trend.mean()))
        self._plan(view, trend)

    def open_interest_usd_bn(self, view: View) -> float:
        """Notional of all open positions, USD bn."""
        return float(self._positions(view)[0].sum())

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
