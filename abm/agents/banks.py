"""Japanese banks: they buy government bonds on yield until their interest-rate limit binds, and lend yen to carry."""

from typing import ClassVar, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import Opening, Params, Sector, depth_factor, depth_limit_usd_bn, par, pareto_sizes
from abm.agents.portfolio import (
    FOREIGN_BOND_CCY,
    FOREIGN_BONDS,
    HEDGEABLE,
    MEAN_DAYS_PER_MONTH,
    group_tilts,
    hedge_cost_pct,
    hedge_forwards,
    heterogeneous_split,
    pace,
    running_income,
    sell,
    weighted_yield_pct,
)
from abm.world.economy import SWAP_BASIS_PCT
from abm.world.instruments import DURATION_YR, INDEX, JGBS, JPY, N_CCY, QUOTE_CCY, USDJPY, indices
from abm.world.orders import ORDER, REASON, join, no_orders, write_order
from abm.world.streams import Streams
from abm.world.view import View

JGB10, NIKKEI = INDEX["JGB10"], INDEX["NIKKEI"]
BOUGHT: Final = indices("JGB2", "JGB10")
LOSS_PER_100_BP: Final = DURATION_YR[JGBS] / 100.0  # of a bond's value
VALUATION: Final = REASON["valuation"]
MEGA, POSTAL, REGIONAL = range(3)
# Parts of mega, postal and regional banks in the sector's holdings and capital [mem]; Post Bank: SOURCES.md 1.
JGB_PARTS: Final = (0.33, 0.42, 0.25)
FOREIGN_PARTS: Final = (0.38, 0.55, 0.07)
EQUITY_PARTS: Final = (0.75, 0.03, 0.22)
CAPITAL_PARTS: Final = (0.55, 0.15, 0.30)
MEGA_SHAPE: Final = (0.41, 0.31, 0.28)
SOURCE: Final = "SOURCES.md 3, banks"


class BankParams(Params):
    """Parameters of the banks."""

    members: int = par(104, "institutions", "SOURCES.md 8", "3 mega, 1 postal and regional banks", 5, 2000)
    mix_sigma: float = par(0.2, "log", "[L]", "dispersion of asset mixes between members", 0, 1)
    capital_jpy_tn: float = par(60.0, "JPY tn", "[mem]", "equity of the members", 1, 1000)
    fx_funded_share: float = par(
        0.9, "share", "[mem]", "unhedged foreign bonds funded by loans in their currency", 0, 1
    )
    postal_hedge_ratio: float = par(0.8, "share", "[mem]", "Post Bank's foreign bonds hedged by forwards", 0, 1)
    funding_spread_pct: float = par(0.0, "pp", "[L]", "deposit rate over the policy rate", -2, 3)

    eve_limit: float = par(0.15, "of capital", SOURCE, "loss of economic value allowed for +100 bp", 0.01, 1)
    eve_use_low: float = par(0.50, "of limit", "[L]", "lowest use of the limit at the opening", 0, 1)
    eve_use_high: float = par(0.85, "of limit", "[L]", "highest use of the limit at the opening", 0, 0.99)
    headroom: float = par(0.10, "of limit", "[L]", "distance to the limit within which purchases taper off", 0.01, 1)
    cut_days: float = par(10.0, "days", "[L]", "over which an excess over the limit is sold", 1, 250)
    demand_per_pp: float = par(0.30, "of holdings per pp", "[L]", "bonds wanted per pp of yield over funding", 0, 5)
    hurdle_sigma_pp: float = par(0.3, "pp", "[L]", "dispersion of the extra yield members wait for", 0, 3)
    patience_days: float = par(40.0, "days", "[L]", "over which a gap to the wanted holding is closed", 1, 500)
    depth_share: float = par(0.25, "share", "SOURCES.md 8", "of a usual day that unforced orders may take", 0, 5)
    limit_pct: float = par(2.0, "%", "[L]", "price fall at which unforced sellers hold back", 0.1, 50)

    pace_floor_pct: float = par(0.05, "% a month", "[L]", "Post Bank's foreign bonds sold in any case", 0, 2)
    pace_span_pct: float = par(0.60, "% a month", "[L] half of the insurers'", "more of them sold at most", 0, 5)
    pace_width_pp: float = par(0.3, "pp", "[L]", "pickup over which the pace turns from slow to fast", 0.05, 3)
    tolerance_pp: float = par(1.0, "pp", "[L]", "further loss of pickup that turns it", 0, 5)
    basis_pp: float = par(SWAP_BASIS_PCT, "pp", "economy.py", "swap basis inside the hedge cost", -0.5, 2)

    desk_cash_jpy_tn: float = par(10.0, "JPY tn", "[mem]", "reserves with which the lending desk opens", 0.1, 1000)
    lending_capacity_jpy_tn: float = par(60.0, "JPY tn", "SOURCES.md 1 [L]", "yen lent at full use", 1, 1000)
    spread_base_pct: float = par(0.3, "pp", "[L]", "loan spread when nothing is lent", 0, 10)
    spread_slope_pct: float = par(0.5, "pp", "[L]", "rise of the loan spread up to full use", 0, 10)


def kinds_and_shapes(members: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Kind of each bank (three mega banks, one postal, the rest regional) and its part of its kind."""
    kind = np.full(members, REGIONAL)
    kind[:3], kind[3] = MEGA, POSTAL
    return kind, np.concatenate([MEGA_SHAPE, [1.0], pareto_sizes(members - 4, rng)])


def wanted_growth(rise_pp: np.ndarray, hurdle_pp: np.ndarray, per_pp: float) -> np.ndarray:
    """Wanted bonds over opening ones, less one (members, bonds): slope x (rise of yield less funding - hurdle)."""
    return per_pp * np.maximum(rise_pp - hurdle_pp[:, None], 0.0)


def loan_spread_pct(lent_jpy_tn: float, capacity_jpy_tn: float, base_pct: float, slope_pct: float) -> float:
    """Spread on yen lent to carry accounts: base + slope x use of capacity."""
    return base_pct + slope_pct * max(lent_jpy_tn, 0.0) / capacity_jpy_tn


@njit(cache=True)
def write_on_yield(
    out: np.ndarray, units: np.ndarray, units0: np.ndarray, growth: np.ndarray, value_usd: np.ndarray,
    limit: np.ndarray, loss: np.ndarray, headroom: float, patience_days: float, per_pp: float, most_usd_bn: np.ndarray,
) -> int:  # fmt: skip
    """Write orders towards opening bonds x (1 + growth wanted); returns how many.

    A day's part of the gap, purchases times the room left under the interest-rate limit: (limit - loss) / (headroom x
    limit), within 0 and 1. All of them together buy or sell at most ``most_usd_bn``. The slope says how much more would
    be wanted at a lower price: gap speed x holdings x demand / duration. units: table of the book. units0, growth:
    (members, bought bonds). limit, loss: (members,) JPY bn. value_usd: of a unit, (markets,). most_usd_bn: (bought
    bonds,).
    """
    gap, room, total = np.zeros(growth.shape), np.empty(limit.size), np.zeros(BOUGHT.size)
    for i in range(limit.size):
        room[i] = min(max((limit[i] - loss[i]) / max(headroom * limit[i], 1e-300), 0.0), 1.0)
        for k, m in enumerate(BOUGHT):
            missing = (units0[i, k] * (1.0 + growth[i, k]) - units[i, m]) * value_usd[m] / patience_days
            if abs(missing) > 1e-9 * units0[i, k] * value_usd[m]:
                gap[i, k] = missing * room[i] if missing > 0.0 else missing
            total[k] += gap[i, k]
    for k in range(BOUGHT.size):
        gap[:, k] *= depth_factor(total[k], most_usd_bn[k])
    n = 0
    for i in range(limit.size):
        for k, m in enumerate(BOUGHT):
            amount, slope = gap[i, k], 0.0
            if amount > 0.0:
                slope = units0[i, k] * value_usd[m] * (per_pp * 100.0 / DURATION_YR[m] / patience_days) * room[i]
            if amount != 0.0:
                least = max(min(amount, 0.0), -0.4 * units[i, m] * value_usd[m])
                write_order(out[n], i, m, VALUATION, amount, slope, least, 3.0 * max(amount, 0.0), False)
                n += 1
    return n


class Banks(Sector):
    """Banks, one row each, and as a house account the desk that lends yen.

    kind: mega, postal or regional. shape: part of its kind. units0 (members, bought bonds): bonds at the opening.
    hurdle_pp: extra yield it waits for. eve_use0: use of its interest-rate limit at the opening. other_eve_jpy_bn: what
    loans and core deposits add to the loss from +100 bp (negative: offset), set so that the opening use is as drawn.
    spread0 (bought bonds,): yield over the policy rate at the opening. at_limit: its limit binds.
    desk_share: part of the sector's yen lending that the ledger books on the desk, by equity at the opening.
    """

    id: ClassVar[str] = "banks"
    Params: ClassVar[type[Params]] = BankParams
    rules: ClassVar[tuple[str, ...]] = ("bank_demand", "repatriation", "interest_rate_limit")
    home: ClassVar[int] = JPY
    house_rows: ClassVar[int] = 1
    params: BankParams

    def __init__(self, model: mesa.Model, params: BankParams, streams: Streams) -> None:
        super().__init__(model, params, streams)
        n, p = self.n, params
        self.kind, self.shape = kinds_and_shapes(n, streams.on(self.id, "sizes"))
        groups = [JGBS, FOREIGN_BONDS, indices("NIKKEI")]
        self.tilt = group_tilts(streams.on(self.id, "mix"), n, groups, p.mix_sigma)
        for group, parts in zip(groups, (JGB_PARTS, FOREIGN_PARTS, EQUITY_PARTS), strict=True):
            self.tilt[:, group] *= np.array(parts)[self.kind][:, None]
        self.capital_part = np.array(CAPITAL_PARTS)[self.kind] * self.shape
        self.size = self.capital_part
        self.hurdle_pp = p.hurdle_sigma_pp * np.abs(streams.on(self.id, "hurdles").standard_normal(n))
        low, high = p.eve_use_low, max(p.eve_use_high, p.eve_use_low)
        self.eve_use0 = streams.on(self.id, "limits").uniform(low, high, n)
        self.at_limit = np.zeros(n, dtype=bool)
        self.loan_spread_pct = p.funding_spread_pct

    # -- day 0 -------------------------------------------------------------------------------------------------

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Post Bank's foreign bonds are hedged by forwards, others' funded in their currency; deposits the rest."""
        p, n, usd_per_tn = self.params, self.n, 1000.0 * view.usd_per_currency[JPY]
        book = Opening.empty(n + 1)
        units = book.units_usd_bn[:n] = heterogeneous_split(holdings_usd_bn, self.shape, self.tilt)
        foreign = np.zeros_like(units)
        foreign[:, FOREIGN_BONDS] = units[:, FOREIGN_BONDS]
        postal = (self.kind == POSTAL)[:, None]
        hedged = np.where(postal, p.postal_hedge_ratio * foreign, 0.0)
        hedged[:, FOREIGN_BONDS] *= HEDGEABLE
        book.contracts_usd_bn[:n] = hedge_forwards(hedged)
        for c in range(N_CCY):
            in_currency = foreign[:, c == QUOTE_CCY].sum(axis=1)
            book.loans_usd_bn[:n, c] = np.where(postal[:, 0], 0.0, p.fx_funded_share * in_currency)
        capital = p.capital_jpy_tn * usd_per_tn * self.capital_part / self.capital_part.sum()
        deposits = units.sum(axis=1) - book.loans_usd_bn[:n].sum(axis=1) - capital
        book.loans_usd_bn[:n, JPY] = np.maximum(deposits, 0.0)
        book.cash_usd_bn[:n, JPY] = np.maximum(-deposits, 0.0)
        book.cash_usd_bn[n, JPY] = p.desk_cash_jpy_tn * usd_per_tn
        return book

    def start(self, view: View) -> None:
        """Opening bonds, spreads and pickup; the interest-rate risk each bank has besides bonds."""
        self.units0 = self.book.units[: self.n][:, BOUGHT].copy()
        self.spread0 = view.level[BOUGHT] - view.public.policy_rate_pct[JPY]
        self.other_eve_jpy_bn = np.zeros(self.n)
        self.other_eve_jpy_bn = self.eve_use0 * self.eve_limit_jpy_bn(view) - self.eve_loss_jpy_bn(view.log_price)
        foreign = self.book.units[: self.n][:, FOREIGN_BONDS] * view.unit_value_usd[FOREIGN_BONDS]
        self.pickup0 = self.pickup_pp(view, foreign)
        equity = np.maximum(self.book.equity_usd(view.log_price), 0.0)
        self.desk_share = float(equity[self.n] / max(equity.sum(), 1e-300))

    # -- what a bank knows of itself ---------------------------------------------------------------------------

    def eve_loss_jpy_bn(self, log_price: np.ndarray) -> np.ndarray:
        """Loss of economic value if yen yields rise by 100 bp, JPY bn."""
        bonds = self.book.units[: self.n][:, JGBS] * np.exp(log_price[JGBS])
        return bonds @ LOSS_PER_100_BP + self.other_eve_jpy_bn

    def eve_limit_jpy_bn(self, view: View) -> np.ndarray:
        """Loss allowed: a share of capital at current prices, JPY bn."""
        capital = self.book.equity_usd(view.log_price)[: self.n] / view.usd_per_currency[JPY]
        return self.params.eve_limit * np.maximum(capital, 0.0)

    def pickup_pp(self, view: View, held: np.ndarray) -> np.ndarray:
        """Hedged yield of foreign bonds held (rows, foreign bonds) over JGB10, pp."""
        cost = hedge_cost_pct(view.public, self.params.basis_pp)[FOREIGN_BOND_CCY]
        return weighted_yield_pct(held, view.level[FOREIGN_BONDS] - cost) - view.level[JGB10]

    def lent_jpy_tn(self) -> float:
        """Yen lent by the sector to those it funds: the desk's lending over its share, JPY tn."""
        lent = max(-float(self.book.loans[self.n, JPY]), 0.0)
        return lent / (1000.0 * max(self.desk_share, 1e-12))

    def quoted_loan_spread_pct(self) -> float:
        """Spread over the policy rate at which banks lend yen today, percentage points."""
        p = self.params
        return loan_spread_pct(self.lent_jpy_tn(), p.lending_capacity_jpy_tn, p.spread_base_pct, p.spread_slope_pct)

    # -- the day -----------------------------------------------------------------------------------------------

    def income(self, view: View) -> np.ndarray:
        """Net interest is what depositors, costs and owners get, so that capital moves with prices only."""
        return -running_income(self.book, view, self.loan_spread_pct)

    def decide(self, view: View) -> np.ndarray:
        """Bonds on yield within the limit, sales beyond it, and Post Bank's slow return from abroad."""
        limit, loss = self.eve_limit_jpy_bn(view), self.eve_loss_jpy_bn(view.log_price)
        blocks = []
        if view.on("bank_demand"):
            blocks.append(self._buy_on_yield(view, limit, loss))
        if view.on("interest_rate_limit"):
            blocks.append(self._return_to_limit(view, limit, loss))
        if view.on("repatriation"):
            blocks.append(self._repatriate(view))
        return join(blocks)

    def _buy_on_yield(self, view: View, limit: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Towards opening bonds x (1 + growth wanted), purchases tapering off as the limit comes near."""
        p = self.params
        rise_pp = view.level[BOUGHT] - view.public.policy_rate_pct[JPY] - self.spread0
        growth = wanted_growth(rise_pp, self.hurdle_pp, p.demand_per_pp)
        out = np.empty(growth.size, dtype=ORDER)
        n = write_on_yield(
            out, self.book.units, self.units0, growth, view.unit_value_usd, limit, loss, p.headroom, p.patience_days,
            p.demand_per_pp, depth_limit_usd_bn(view, BOUGHT, p.depth_share),
        )  # fmt: skip
        return out[:n]

    def _return_to_limit(self, view: View, limit: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """A bank over its limit sells ten-year and longer bonds at any price, pro rata, until it is back inside."""
        excess = np.maximum(loss - limit, 0.0)
        if not excess.any():
            return no_orders()
        longer = JGBS[DURATION_YR[JGBS] >= DURATION_YR[JGB10]]
        owned = self.book.units[: self.n][:, longer] * view.unit_value_usd[longer]
        freed = owned @ (DURATION_YR[longer] / 100.0) / view.usd_per_currency[JPY]
        share = np.minimum(excess / np.maximum(freed, 1e-300), 1.0) / self.params.cut_days
        return sell(longer, share[:, None] * owned, owned, "risk_limit")

    def _repatriate(self, view: View) -> np.ndarray:
        """Post Bank sells foreign bonds at a pace set by its hedged pickup over JGB10, with their hedges."""
        p, who = self.params, np.flatnonzero(self.kind == POSTAL)
        held = self.book.units[who][:, FOREIGN_BONDS] * view.unit_value_usd[FOREIGN_BONDS]
        lost = self.pickup0[who] - self.pickup_pp(view, held)
        monthly = pace(lost, p.tolerance_pp, p.pace_width_pp, p.pace_floor_pct / 100.0, p.pace_span_pct / 100.0)
        amount = (monthly / MEAN_DAYS_PER_MONTH)[:, None] * held
        amount = self.respect_depth(view, FOREIGN_BONDS, amount, p.depth_share)
        sold_forward = -self.book.contracts[who, USDJPY] / np.maximum(held @ HEDGEABLE, 1e-300)
        hedge = np.multiply.outer(np.clip(sold_forward, 0.0, 1.0), HEDGEABLE)
        return sell(FOREIGN_BONDS, amount, held, "repatriation", limit_pct=p.limit_pct, hedge=hedge, members=who)

    # -- the close ---------------------------------------------------------------------------------------------

    def end_of_day(self, view: View) -> None:
        """Whose limit binds."""
        at_limit = (self.eve_loss_jpy_bn(view.log_price) > self.eve_limit_jpy_bn(view)) & view.on("interest_rate_limit")
        names = ("Mega bank", "Post Bank", "Regional bank")
        for i in np.flatnonzero(at_limit & ~self.at_limit):
            self._words.append(f"{names[self.kind[i]]} {i + 1} reaches its interest-rate limit and sells bonds")
        self.at_limit = at_limit

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Kind of bank, capital, and use of the interest-rate limit."""
        capital = self.book.equity_usd(log_price)[: self.n]
        limit_jpy_bn = self.params.eve_limit * np.maximum(capital, 1e-300) * np.exp(log_price[USDJPY])
        return {
            "kind": self.kind,
            "capital_usd_bn": capital,
            "eve_limit_use_pct": 100.0 * self.eve_loss_jpy_bn(log_price) / limit_jpy_bn,
        }
