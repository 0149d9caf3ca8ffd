"""Japanese life insurers: they sell or hedge foreign bonds and buy super-long ones until volatility scares them."""

from typing import ClassVar, Final

import mesa
import numpy as np

from abm.agents.base import Opening, Params, Sector, par
from abm.agents.portfolio import (
    FOREIGN_BOND_CCY,
    FOREIGN_BONDS,
    FOREIGN_EQUITIES,
    HEDGE_PAIRS,
    HEDGE_SIGNS,
    HEDGEABLE,
    MEAN_DAYS_PER_MONTH,
    group_tilts,
    hedge_cost_pct,
    hedge_forwards,
    hedge_ratio,
    heterogeneous_split,
    pace,
    running_income,
    sell,
    weighted_yield_pct,
    with_yen_cash,
    within_range_at_mean,
)
from abm.world.economy import DAYS_PER_YEAR, SWAP_BASIS_PCT, Public
from abm.world.instruments import (
    DURATION_YR,
    EQUITIES,
    HOLDABLE,
    INDEX,
    JGBS,
    JPY,
    N_MARKETS,
    SUPER_LONG,
    USDJPY,
    indices,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View

JGB10, JGB30, NIKKEI = INDEX["JGB10"], INDEX["JGB30"], INDEX["NIKKEI"]
OFF_THE_RUN: Final = indices("JGB30", "JGB40")
IMPAIRED_SALES: Final = indices("JGB30", "JGB40", "NIKKEI")
RISKY: Final = np.concatenate([EQUITIES, FOREIGN_BONDS])
GROUPS: Final = [
    indices("JGB2", "JGB10"),
    SUPER_LONG,
    indices("UST2", "UST10", "UST30"),
    indices("BUND10", "OAT10", "EGB30"),
    indices("GILT10", "ACGB10", "EMBOND"),
    indices("NIKKEI"),
    FOREIGN_EQUITIES,
]
TOP_NINE_PCT: Final = (31.1, 19.7, 18.8, 14.2, 3.1, 3.4, 3.4, 3.2, 3.1)  # Reuters table, SOURCES.md 1
LISTED_NINE, POSTAL, OTHERS = 0.62, 0.15, 0.23  # ten largest 300 of 388 tn, Kampo about 60 tn of it [calc]
LEAST_POLICIES: Final = 0.1  # of assets; below, an insurer would hardly be one
MOST_NEW_POLICIES: Final = 0.1  # of those in force, a day; binds only where bonds have become all but worthless

SOURCE_1: Final = "SOURCES.md 1"
SOURCE_3: Final = "SOURCES.md 3, insurers"


class LifeInsurerParams(Params):
    """Parameters of the life insurers."""

    members: int = par(41, "institutions", SOURCE_1, "number of companies", 6, 1000)
    mix_sigma: float = par(0.3, "log", "[L]", "dispersion of asset mixes between members", 0, 1)
    cash_share: float = par(0.02, "of assets", "[mem]", "yen cash held against margins and benefits", 0, 0.2)
    basis_pp: float = par(SWAP_BASIS_PCT, "pp", "economy.py", "swap basis inside the hedge cost", -0.5, 2)

    hedge_ratio_mean: float = par(0.44, "share", SOURCE_1, "opening hedge ratio, weighted mean", 0, 1)
    hedge_ratio_sigma: float = par(0.08, "share", SOURCE_3, "its dispersion between members", 0, 0.3)
    hedge_ratio_low: float = par(0.30, "share", SOURCE_3, "lowest opening hedge ratio", 0, 1)
    hedge_ratio_high: float = par(0.60, "share", SOURCE_3, "highest opening hedge ratio", 0, 1)
    hedge_per_vol: float = par(0.04, "per ratio", "[L]", "target per unit of USDJPY volatility over its opening", 0, 1)
    hedge_per_cost: float = par(
        0.03, "per pp", SOURCE_1 + ": 63 to 47 % while costs rose 5 pp", "fall of the target per hedge cost", 0, 0.2
    )
    hedge_per_intervention: float = par(0.12, "per probability", "[L]", "target per intervention risk", 0, 1)
    hedge_per_hike: float = par(0.10, "per probability", "[L]", "target per risk of a hike by the BoJ", 0, 1)
    hedge_band: float = par(0.02, "share", "[L]", "gap to the target that is left alone", 0, 0.2)
    hedge_speed_per_month: float = par(0.05, "share a month", "SOURCES.md 3, life insurers", "fastest change", 0, 0.5)

    pace_floor_pct: float = par(0.1, "% a month", SOURCE_3, "foreign bonds sold in any case", 0, 2)
    pace_span_pct: float = par(1.1, "% a month", SOURCE_3 + ": FY2022 1.2 %", "more of them sold at most", 0, 5)
    pace_width_pp: float = par(0.3, "pp", "[L]", "pickup over which the pace turns from slow to fast", 0.05, 3)
    tolerance_pp: float = par(0.8, "pp", "[L]", "further loss of pickup that turns a member, mean", 0, 5)
    tolerance_sigma_pp: float = par(0.3, "pp", "[L]", "its dispersion between members", 0, 2)
    risk_charge: float = par(
        0.35,
        "pp per pp",
        "residents bought JPY 0.12 tn a month less abroad per pp by which 20-day volatility had risen in three months "
        "(MoF, 2006-2026, t = -2.4, own estimate), insurers about 0.03 of it; this charge makes 0.03 to 0.06 [calc]",
        "charge on unhedged yield per annual USDJPY volatility",
        0,
        2,
    )
    reinvested_share: float = par(0.5, "share", "[L]", "proceeds put into super-longs at attractive yields", 0, 1)
    attractive_pp: float = par(0.5, "pp", "[L]", "rise of the 30-year yield that makes it fully attractive", 0.05, 5)
    limit_pct: float = par(2.0, "%", "[L]", "price fall at which unforced sellers hold back", 0.1, 50)
    depth_share: float = par(0.25, "share", "SOURCES.md 8", "of a usual day that unforced orders may take", 0, 5)

    super_long_share: float = par(0.30, "of plan", SOURCE_1 + " [L]", "planned issuance bought at the opening", 0, 1)
    strike_kappa: float = par(
        1.5, "per ratio", "SOURCES.md 3, life insurers", "damping by excess volatility, median", 0, 10
    )
    strike_sigma: float = par(0.3, "log", "[L]", "its dispersion between members", 0, 1)
    purchases_per_pp: float = par(1.0, "per pp", SOURCE_3, "relative rise of purchases with the yield", 0, 10)
    dip_per_pp: float = par(10.0, "per pp", "[L]", "relative rise of a day's purchases with the day's yield", 0, 100)
    catch_up_days: float = par(40.0, "days", "[L]", "over which missed purchases are made up", 1, 500)
    open_gap_weight: float = par(
        5.0, "per share", "SOURCES.md 3, life insurers", "purchases per open duration gap", 0, 50
    )

    liability_share: float = par(0.92, "of assets", "SOURCES.md 6", "policy liabilities, weighted mean", 0.5, 1)
    solvency_sigma: float = par(0.12, "log", "[L]", "dispersion of solvency ratios between members", 0, 0.5)
    gap_sigma: float = par(
        0.05, "share", SOURCE_1 + ": Dai-ichi 6 pp per 50 bp", "duration gaps of the matched", 0, 0.5
    )
    mismatched: int = par(3, "members", SOURCE_3, "smallest members with concentrated mismatch", 0, 10)
    mismatch: float = par(0.25, "share", "[L]", "by which their liabilities are shorter than their bonds", 0, 1)
    participation: float = par(0.4, "share", "[L]", "gains and losses on risky assets borne by policyholders", 0, 1)
    stress_equity: float = par(0.35, "share", "Solvency II type 1, round", "one-in-200 fall of equities", 0, 1)
    stress_currency: float = par(0.20, "share", "[L]", "one-in-200 fall of foreign currencies", 0, 1)
    stress_yen_yield_pp: float = par(1.0, "pp", "[L]", "one-in-200 parallel move of yen yields", 0, 5)
    stress_foreign_yield_pp: float = par(0.8, "pp", "[L]", "one-in-200 rise of foreign yields, diversified", 0, 5)
    stress_insurance: float = par(0.015, "of liabilities", "[L]", "one-in-200 insurance and lapse loss", 0, 0.2)
    esr_target_low: float = par(0.65, "of opening ESR", SOURCE_1 + " [L]", "lowest member's target", 0, 1)
    esr_target_high: float = par(0.80, "of opening ESR", SOURCE_1 + " [L]", "highest member's target", 0, 1)
    cut_days: float = par(60.0, "days", "[L]", "over which a gap to the target is closed", 1, 500)
    forced_days: float = par(10.0, "days", "[L]", "the same below 100 %", 1, 500)

    lapse_per_pp: float = par(3.0, "% a year per pp", SOURCE_1 + ": 4-6 base, 8-12 stress", "extra lapses", 0, 50)
    lapse_tolerance_pp: float = par(
        0.75, "pp", "[L]", "rise of the 10-year yield that policyholders ignore, mean", 0, 5
    )
    lapse_cap_pct: float = par(6.0, "% a year", SOURCE_1 + ": 8-12 in stress", "most extra lapses", 0, 100)
    lapsable_share: float = par(0.6, "of liabilities", "[L]", "policies with a surrender value", 0, 1)

    book_gap_pp: float = par(
        0.76, "pp", SOURCE_1 + ": 13.2 tn at the big four [calc]", "yield now over the average yield at purchase", 0, 5
    )
    off_the_run_share: float = par(0.10, "share", "[L]", "old low-coupon part of the 30- and 40-year bonds", 0, 1)
    off_the_run_gap_low_pp: float = par(2.0, "pp", "[L]", "its smallest yield rise since purchase", 0, 10)
    off_the_run_gap_high_pp: float = par(
        3.3, "pp", SOURCE_1 + ": some 40-years below half, ln 2 / 21.5 years = 3.2 pp [calc]", "its largest", 0, 10
    )
    impairment_ratio: float = par(0.5, "of book", SOURCE_1, "price at which a bond is impaired", 0, 1)
    impaired_sold_share: float = par(0.5, "share", "[L]", "of impaired bonds that is sold", 0, 1)
    impairment_days: float = par(20.0, "days", "[L]", "over which impaired bonds and gains are realised", 1, 500)
    equity_gain_share: float = par(0.6, "of value", SOURCE_1 + ": Nippon 9.5 tn", "unrealised gain in equities", 0, 1)
    harvest_share: float = par(0.5, "of gains", "[L]", "equity gains that may be harvested in a fiscal year", 0, 1)


def company_sizes(members: int) -> np.ndarray:
    """Shares of sector assets: the nine of the table, Kampo, and a Pareto tail with exponent 1.5, largest first."""
    named = np.append(LISTED_NINE * np.array(TOP_NINE_PCT) / sum(TOP_NINE_PCT), POSTAL)
    if members <= named.size:
        return named[:members] / named[:members].sum()
    tail = (np.arange(members - named.size) + 0.5) ** (-1.0 / 1.5)
    return np.append(named, OTHERS * tail / tail.sum())


def strike_factor(vol: np.ndarray, calm_vol: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    """exp(-kappa max(0, sigma20/sigma_calm - 1)): purchases dry up when yields are volatile, (members, markets)."""
    excess = np.maximum(vol / calm_vol - 1.0, 0.0)
    return np.exp(-kappa[:, None] * excess)


def extra_lapse_pct(rise_pp: float, tolerance_pp: np.ndarray, per_pp: float, cap_pct: float) -> np.ndarray:
    """Lapses beyond the usual, % a year: per_pp for every pp the market offers beyond the tolerance, up to a cap."""
    return np.clip(per_pp * (rise_pp - tolerance_pp), 0.0, cap_pct)


def stress_losses(p: LifeInsurerParams) -> np.ndarray:
    """One-in-200 loss per USD held, (markets, 4): equities, currencies, yen yields, foreign yields."""
    loss, duration = np.zeros((N_MARKETS, 4)), DURATION_YR / 100.0
    loss[EQUITIES, 0] = p.stress_equity
    loss[FOREIGN_BONDS, 1] = loss[FOREIGN_EQUITIES, 1] = p.stress_currency
    loss[JGBS, 2] = p.stress_yen_yield_pp * duration[JGBS]
    loss[FOREIGN_BONDS, 3] = p.stress_foreign_yield_pp * duration[FOREIGN_BONDS]
    return loss


class LifeInsurers(Sector):
    """Life insurers, one row each. Arrays by member unless said otherwise.

    hedge0, pickup0, unhedged0, cost0: hedge ratio, hedged and unhedged pickup (pp) and hedge cost (pp) at the opening.
    level0 (markets,): quoted levels at the opening. stress (markets, 4): one-in-200 losses per USD held.
    tolerance_pp: further loss of pickup that makes the member sell fast. nervousness: multiple of hedge adjustment.
    relative_solvency: solvency ratio relative to other members at the opening.
    kappa: strength of its buyers' strike. missed_usd_bn (members, super-longs): purchases put off so far.
    policy_units (members, markets), policy_flat_jpy_bn: portfolio that replicates its liabilities; in_force scales it.
    gap: liabilities' yen duration over that of its bonds, less one. lapse_tolerance_pp: rise of the 10-year yield that
    its policyholders ignore. last_esr, esr_target: solvency ratio at the last close; the one below which it cuts risk.
    log_book (members, JGBs), old_log_book (members, off the run): book prices. nikkei_book_jpy: yen per index unit.
    impaired (members, off the run). pending_units (members, 30, 40, Nikkei): impaired bonds and gains yet to be sold.
    realised_jpy_bn: losses realised on yen bonds this fiscal year.
    """

    id: ClassVar[str] = "life_insurers"
    Params: ClassVar[type[Params]] = LifeInsurerParams
    rules: ClassVar[tuple[str, ...]] = (
        "repatriation",
        "hedging",
        "super_long_purchases",
        "buyers_strike",
        "solvency",
        "lapses",
        "impairment",
    )
    home: ClassVar[int] = JPY
    params: LifeInsurerParams

    def __init__(self, model: mesa.Model, params: LifeInsurerParams, streams: Streams) -> None:
        super().__init__(model, params, streams)
        n, p = self.n, params

        def normal(purpose: str) -> np.ndarray:
            return streams.on(self.id, purpose).standard_normal(n)

        self.stress = stress_losses(p)
        self.size = company_sizes(n)
        self.tilt = group_tilts(streams.on(self.id, "mix"), n, GROUPS, p.mix_sigma)
        self.hedge0 = p.hedge_ratio_mean + p.hedge_ratio_sigma * normal("hedge_ratio")
        self.nervousness = np.exp(0.3 * normal("nervousness"))
        self.tolerance_pp = p.tolerance_pp + p.tolerance_sigma_pp * normal("tolerance")
        self.kappa = p.strike_kappa * np.exp(p.strike_sigma * normal("strike"))
        self.lapse_tolerance_pp = p.lapse_tolerance_pp * streams.on(self.id, "lapses").uniform(0.5, 1.5, n)
        self.relative_solvency = np.exp(p.solvency_sigma * np.clip(normal("solvency"), -2.0, 2.0))
        self.gap = p.gap_sigma * normal("duration_gap")
        self.gap[np.argsort(self.size, kind="stable")[: min(p.mismatched, n // 3)]] = -p.mismatch
        low, high = sorted((p.esr_target_low, p.esr_target_high))
        self.esr_target_share = streams.on(self.id, "esr").uniform(low, high, n)
        self._draw_book_values(streams)
        self._reset()

    def _draw_book_values(self, streams: Streams) -> None:
        """Yield rises since purchase and equity gains, which become book values when the books open."""
        n, p, rng = self.n, self.params, streams.on(self.id, "book_values")
        self.book_gap_pp = p.book_gap_pp * np.exp(0.25 * rng.standard_normal((n, JGBS.size)))
        low, high = p.off_the_run_gap_low_pp, max(p.off_the_run_gap_high_pp, p.off_the_run_gap_low_pp)
        self.old_gap_pp = rng.uniform(low, high, (n, OFF_THE_RUN.size))
        self.old_share = p.off_the_run_share * rng.uniform(0.5, 1.5, (n, OFF_THE_RUN.size))
        self.equity_gain = np.clip(p.equity_gain_share + 0.1 * rng.standard_normal(n), 0.05, 0.95)

    def _reset(self) -> None:
        """Counters and flags before the first day."""
        n = self.n
        self.policy_units = np.zeros((n, N_MARKETS))
        self.policy_flat_jpy_bn = np.zeros(n)
        self.in_force = np.ones(n)
        self.net_premium_jpy_bn = np.zeros(n)
        self.missed_usd_bn = np.zeros((n, SUPER_LONG.size))
        self.wanted_usd_bn = np.zeros((n, SUPER_LONG.size))
        self.posted_usd_bn = np.zeros((n, SUPER_LONG.size))
        self.impaired = np.zeros((n, OFF_THE_RUN.size), dtype=bool)
        self.pending_units = np.zeros((n, IMPAIRED_SALES.size))
        self.realised_jpy_bn, self.todays_loss_jpy_bn = np.zeros(n), np.zeros(n)
        self.below_target, self.below_full = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.on_strike = self.lapsing = False

    # -- day 0 -------------------------------------------------------------------------------------------------

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Holdings by size and taste, hedged foreign bonds sold forward, some yen cash."""
        p = self.params
        units = heterogeneous_split(holdings_usd_bn, self.size, self.tilt)
        book = with_yen_cash(units, p.cash_share, self.n)
        hedgeable = np.zeros_like(units)
        hedgeable[:, FOREIGN_BONDS] = units[:, FOREIGN_BONDS] * HEDGEABLE
        weight = np.maximum(hedgeable.sum(axis=1), 1e-300)
        self.hedge0 = within_range_at_mean(
            self.hedge0, weight, p.hedge_ratio_mean, p.hedge_ratio_low, p.hedge_ratio_high
        )
        book.contracts_usd_bn[:] = hedge_forwards(self.hedge0[:, None] * hedgeable)
        return book

    def start(self, view: View) -> None:
        """Levels of day 0 from which pickups, costs and yields are measured; liabilities; book values."""
        held = self._foreign_bonds_usd(view)
        self.hedge0 = hedge_ratio(self.book, held)
        self.pickup0, self.unhedged0 = self.pickups_pp(view, held)
        self.cost0 = weighted_yield_pct(held, self._hedge_cost(view.public))
        self.intervention0, self.hike0 = view.public.intervention_risk, view.public.hike_risk
        self.vol_ratio0 = view.vol[USDJPY] / view.calm_vol[USDJPY]
        self.level0, self.quote = view.level, view.log_price
        self.cash0 = self.book.cash[: self.n, JPY] - self.book.loans[: self.n, JPY]
        self._write_policies(view)
        self._set_book_values(view)
        self.last_esr = self.esr(view.log_price)
        self.esr_target = np.minimum(np.maximum(self.esr_target_share * self.last_esr, 1.1), 0.95 * self.last_esr)

    def _write_policies(self, view: View) -> None:
        """Liabilities as a replicating portfolio: matched yen bonds, a share of risky assets, and a fixed part.

        Own funds are spread over members in proportion to their solvency requirement, give or take; policies are worth
        at least a tenth of the assets of each.
        """
        p, units = self.params, self.book.units[: self.n]
        assets = self.book.assets_usd(view.log_price)[: self.n]
        policy = np.zeros_like(units)
        policy[:, JGBS] = units[:, JGBS] * (1.0 + self.gap[:, None])
        policy[:, EQUITIES] = p.participation * units[:, EQUITIES]
        policy[:, FOREIGN_BONDS] = p.participation * units[:, FOREIGN_BONDS] * (1.0 - self._hedged_share(self.hedge0))
        self.policy_units = policy
        self._owe(view, p.liability_share * assets)
        need = self.relative_solvency * self.solvency_requirement_usd(view.log_price)
        own_funds = (1.0 - p.liability_share) * assets.sum() * need / need.sum()
        self._owe(view, np.maximum(assets - own_funds, LEAST_POLICIES * assets))
        weight = assets * (1.0 + p.open_gap_weight * np.maximum(self.gap, 0.0))
        self.purchase_weight = weight / weight.sum()

    def _owe(self, view: View, liabilities_usd: np.ndarray) -> None:
        """Set the fixed part so that liabilities are worth as much today."""
        fixed_usd = liabilities_usd - self.policy_units @ view.unit_value_usd
        self.policy_flat_jpy_bn = fixed_usd / view.usd_per_currency[JPY]

    def _set_book_values(self, view: View) -> None:
        """Book prices from the yield rise since purchase: log book = log price + duration x rise.

        What is below the impairment ratio on day 0 has been written down to its price.
        """
        log_price, limit = view.log_price, -np.log(max(self.params.impairment_ratio, 1e-300))
        self.log_book = log_price[JGBS] + DURATION_YR[JGBS] * self.book_gap_pp / 100.0
        above = DURATION_YR[OFF_THE_RUN] * self.old_gap_pp / 100.0
        self.old_log_book = log_price[OFF_THE_RUN] + np.where(above > limit, 0.0, above)
        self.nikkei_book_jpy = (1.0 - self.equity_gain) * np.exp(log_price[NIKKEI])

    # -- what a member knows of itself -------------------------------------------------------------------------

    def _foreign_bonds_usd(self, view: View) -> np.ndarray:
        """Foreign bonds (members, foreign bonds) at the quote, USD bn."""
        return self.book.units[: self.n][:, FOREIGN_BONDS] * view.unit_value_usd[FOREIGN_BONDS]

    def _hedge_cost(self, public: Public) -> np.ndarray:
        """Hedge cost of every foreign bond's currency, % a year."""
        return hedge_cost_pct(public, self.params.basis_pp)[FOREIGN_BOND_CCY]

    def _hedged_share(self, ratio: np.ndarray) -> np.ndarray:
        """Hedged part of each foreign bond (members, foreign bonds): the ratio where the currency can be hedged."""
        return np.multiply.outer(ratio, HEDGEABLE)

    def pickups_pp(self, view: View, held_usd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hedged and unhedged yield pickup of own foreign bonds over the 30-year JGB, pp.

        hedged: sum of w_f (y_f - c_f) - y_JGB30; unhedged: sum of w_f y_f - lambda sigma_USDJPY - y_JGB30.
        """
        foreign, home = view.level[FOREIGN_BONDS], view.level[JGB30]
        sigma_pct = 100.0 * np.sqrt(DAYS_PER_YEAR) * view.vol[USDJPY]
        hedged = weighted_yield_pct(held_usd, foreign - self._hedge_cost(view.public)) - home
        unhedged = weighted_yield_pct(held_usd, foreign) - self.params.risk_charge * sigma_pct - home
        return hedged, unhedged

    def liabilities_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Value of policies in force, USD bn, never below zero."""
        fixed = self.policy_flat_jpy_bn * usd_per_currency(log_price)[JPY]
        return np.asarray(self.in_force * np.maximum(self.policy_units @ unit_value_usd(log_price) + fixed, 0.0))

    def equity_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Ledger equity less policy liabilities, USD bn."""
        return self.book.equity_usd(log_price) - self.liabilities_usd(log_price)

    def solvency_requirement_usd(self, log_price: np.ndarray) -> np.ndarray:
        """SCR, USD bn: root of summed squares of one-in-200 losses on what policyholders do not bear.

        Losses: equities, currencies (net of forwards), yen yields, foreign yields, insurance.
        """
        p, liabilities = self.params, self.liabilities_usd(log_price)
        net = (self.book.units[: self.n] - self.in_force[:, None] * self.policy_units) * unit_value_usd(log_price)
        losses = net @ self.stress
        losses[:, 1] += p.stress_currency * self.book.contracts[: self.n, USDJPY]
        return np.sqrt((losses**2).sum(axis=1) + (p.stress_insurance * liabilities) ** 2)

    def esr(self, log_price: np.ndarray) -> np.ndarray:
        """Economic solvency ratio: own funds over the requirement."""
        return self.equity_usd(log_price) / np.maximum(self.solvency_requirement_usd(log_price), 1e-300)

    # -- money in and out --------------------------------------------------------------------------------------

    def planned_purchases_jpy_bn(self, public: Public) -> np.ndarray:
        """Super-long purchases of an ordinary day (members, super-longs), JPY bn: a share of planned issuance."""
        monthly = 1000.0 * self.params.super_long_share * public.planned_issuance_jpy_tn_per_month[SUPER_LONG]
        return np.multiply.outer(self.purchase_weight, monthly / MEAN_DAYS_PER_MONTH)

    def extra_lapses_jpy_bn(self, view: View) -> np.ndarray:
        """Surrender payments beyond the usual today, JPY bn."""
        p, rise_pp = self.params, view.level[JGB10] - self.level0[JGB10]
        rate = extra_lapse_pct(rise_pp, self.lapse_tolerance_pp, p.lapse_per_pp, p.lapse_cap_pct)
        if not (view.on("lapses") and rate.any()):
            return np.zeros(self.n)
        lapsable = p.lapsable_share * self.liabilities_usd(view.log_price) / view.usd_per_currency[JPY]
        return lapsable * rate / (100.0 * DAYS_PER_YEAR)

    def income(self, view: View) -> np.ndarray:
        """Net premiums, which pay for planned purchases, less benefits equal to investment income, less lapses."""
        paid = -running_income(self.book, view, self.loan_spread_pct)
        planned = self.planned_purchases_jpy_bn(view.public).sum(axis=1)
        self.net_premium_jpy_bn = planned - self.extra_lapses_jpy_bn(view)
        paid[: self.n, JPY] += self.net_premium_jpy_bn
        return paid

    # -- the day -----------------------------------------------------------------------------------------------

    def decide(self, view: View) -> np.ndarray:
        """All schedules of today."""
        held = self._foreign_bonds_usd(view)
        ratio = hedge_ratio(self.book, held)
        sold, hedged = self._foreign_sales(view, held, ratio)
        blocks = []
        if view.on("repatriation"):
            limit = self.params.limit_pct
            blocks.append(sell(FOREIGN_BONDS, sold, held, "repatriation", limit_pct=limit, hedge=hedged))
        if view.on("hedging"):
            blocks.append(self._adjust_hedges(view, held, ratio))
        blocks.append(self._buy_super_longs(view, sold.sum(axis=1)))
        if view.on("solvency"):
            blocks.append(self._restore_solvency(view, held, ratio))
        if view.on("lapses"):
            blocks.append(self._pay_lapses(view, ratio))
        if view.on("impairment"):
            blocks.append(self._realise_impairments(view))
        return join(blocks)

    def _foreign_sales(self, view: View, held: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Foreign bonds to sell today, USD bn, and the hedged share of each sale (members, foreign bonds).

        Monthly share = floor + span logistic((-g - theta_i)/s), theta_i = opening -g plus the member's tolerance:
        a pickup that is negative on day 0 sets the pace, a further fall quickens it (SOURCES.md 2).
        """
        p = self.params
        if not view.on("repatriation"):
            return np.zeros_like(held), np.zeros_like(held)
        hedged, unhedged = self.pickups_pp(view, held)
        lost_hedged, lost_unhedged = self.pickup0 - hedged, self.unhedged0 - unhedged
        floor, span = p.pace_floor_pct / 100.0, p.pace_span_pct / 100.0
        share = self._hedged_share(ratio)
        from_hedged = pace(lost_hedged, self.tolerance_pp, p.pace_width_pp, floor, span)[:, None] * share
        from_open = pace(lost_unhedged, self.tolerance_pp, p.pace_width_pp, floor, span)[:, None] * (1.0 - share)
        monthly = from_hedged + from_open
        amount = self.respect_depth(view, FOREIGN_BONDS, monthly / MEAN_DAYS_PER_MONTH * held, p.depth_share)
        return amount, from_hedged / np.maximum(monthly, 1e-300)

    def hedge_target(self, view: View, held: np.ndarray) -> np.ndarray:
        """Wanted hedge ratio: the opening one, plus yen volatility, signals and hike risk, less hedge cost."""
        p, public = self.params, view.public
        vol_ratio = view.vol[USDJPY] / view.calm_vol[USDJPY]
        drift = (
            p.hedge_per_vol * (vol_ratio - self.vol_ratio0)
            + p.hedge_per_intervention * (public.intervention_risk - self.intervention0)
            + p.hedge_per_hike * (public.hike_risk - self.hike0)
            - p.hedge_per_cost * (weighted_yield_pct(held, self._hedge_cost(public)) - self.cost0)
        )
        return np.clip(self.hedge0 + self.nervousness * drift, 0.1, 0.9)

    def _adjust_hedges(self, view: View, held: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        """Forwards that move the hedge ratio to the edge of the band around its target, at a limited speed."""
        p = self.params
        gap = self.hedge_target(view, held) - ratio
        beyond = np.sign(gap) * np.maximum(np.abs(gap) - p.hedge_band, 0.0)
        most = p.hedge_speed_per_month / MEAN_DAYS_PER_MONTH
        step = np.clip(beyond, -most, most)
        if not step.any():
            return no_orders()
        currencies = (held * HEDGEABLE) @ HEDGE_SIGNS
        amount = self.respect_depth(view, HEDGE_PAIRS, -step[:, None] * currencies, p.depth_share)
        return post(HEDGE_PAIRS, amount, "hedging", contract=True)

    def _buy_super_longs(self, view: View, proceeds_usd_bn: np.ndarray) -> np.ndarray:
        """Premiums and part of the proceeds go into super-longs, less in high volatility, more at higher yields.

        wanted = plan (1 + eta rise) + reinvested proceeds; posted = (wanted + missed / catch-up) x strike x cash.
        """
        p, self.quote = self.params, view.log_price
        if not (view.on("super_long_purchases") and view.on("government_issuance")):
            self.wanted_usd_bn = self.posted_usd_bn = np.zeros_like(self.missed_usd_bn)
            return no_orders()
        plan = self.planned_purchases_jpy_bn(view.public) * view.usd_per_currency[JPY]
        rise_pp = view.level[SUPER_LONG] - self.level0[SUPER_LONG]
        attraction = np.clip(rise_pp / p.attractive_pp, 0.0, 1.0)
        reinvested = p.reinvested_share * attraction * proceeds_usd_bn[:, None] / SUPER_LONG.size
        self.wanted_usd_bn = plan * np.clip(1.0 + p.purchases_per_pp * rise_pp, 0.0, 3.0) + reinvested
        amount = (self.wanted_usd_bn + self.missed_usd_bn / p.catch_up_days) * self._cash_factor()[:, None]
        if view.on("buyers_strike"):
            amount *= strike_factor(view.vol[SUPER_LONG], view.calm_vol[SUPER_LONG], self.kappa)
        bid = self.posted_usd_bn = self.respect_depth(view, SUPER_LONG, np.maximum(amount, 0.0), p.depth_share)
        slope = bid * (100.0 * p.dip_per_pp / DURATION_YR[SUPER_LONG])
        return post(SUPER_LONG, bid, "reinvestment", slope=slope, lo=0.0, hi=3.0 * bid)

    def _cash_factor(self) -> np.ndarray:
        """One while at least half of the opening cash is there, falling to zero as it runs out (hedge losses)."""
        cash = self.book.cash[: self.n, JPY] - self.book.loans[: self.n, JPY]
        return np.where(self.cash0 > 0.0, np.clip(2.0 * cash / np.maximum(self.cash0, 1e-300), 0.0, 1.0), 1.0)

    def _restore_solvency(self, view: View, held: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        """Below its target at the last close a member cuts equities and unhedged foreign bonds; below 100 % at once."""
        p, esr = self.params, self.last_esr
        short = np.clip(1.0 - esr / np.maximum(self.esr_target, 1e-300), 0.0, 1.0)
        if not short.any():
            return no_orders()
        forced = esr < 1.0
        daily = short / np.where(forced, p.forced_days, p.cut_days)
        owned = self.book.units[: self.n][:, RISKY] * view.unit_value_usd[RISKY]
        amount = daily[:, None] * owned
        amount[:, EQUITIES.size :] *= 1.0 - self._hedged_share(ratio)
        patient = self.respect_depth(view, RISKY, np.where(forced[:, None], 0.0, amount), p.depth_share)
        return sell(RISKY, np.where(forced[:, None], amount, patient), owned, "impairment")

    def harvestable_jpy_bn(self, view: View) -> np.ndarray:
        """Equity gains that may still offset losses on yen bonds this fiscal year, JPY bn."""
        gain = np.maximum(np.exp(view.log_price[NIKKEI]) - self.nikkei_book_jpy, 0.0)
        budget = self.params.harvest_share * gain * self.book.units[: self.n, NIKKEI]
        return np.maximum(budget - self.realised_jpy_bn, 0.0)

    def lapse_sales_usd(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Sales (members, holdable) that pay extra lapses pro rata, and the yen-bond losses they realise, JPY bn.

        Where those losses exceed the harvestable gains, yen bonds are kept and the rest of the book sold instead.
        """
        owned = self.book.units[: self.n][:, HOLDABLE] * view.unit_value_usd[HOLDABLE]
        payment = self.extra_lapses_jpy_bn(view) * view.usd_per_currency[JPY]
        pro_rata = payment[:, None] * owned / np.maximum(owned.sum(axis=1, keepdims=True), 1e-300)
        bonds = np.isin(HOLDABLE, JGBS)
        over_book = np.maximum(np.exp(self.log_book - view.log_price[JGBS]) - 1.0, 0.0)
        loss = (pro_rata[:, bonds] * over_book).sum(axis=1) / view.usd_per_currency[JPY]
        allowed = np.minimum(1.0, self.harvestable_jpy_bn(view) / np.maximum(loss, 1e-300))
        kept = (1.0 - allowed) * pro_rata[:, bonds].sum(axis=1)
        others = np.maximum(pro_rata[:, ~bonds].sum(axis=1), 1e-300)
        sales = pro_rata * np.where(bonds, allowed[:, None], (1.0 + kept / others)[:, None])
        return sales, loss * allowed

    def _pay_lapses(self, view: View, ratio: np.ndarray) -> np.ndarray:
        """Policyholders who leave are paid by selling at any price; foreign bonds go with their hedges."""
        self.todays_loss_jpy_bn = np.zeros(self.n)
        if not self.extra_lapses_jpy_bn(view).any():
            return no_orders()
        sales, self.todays_loss_jpy_bn = self.lapse_sales_usd(view)
        hedge = np.zeros((self.n, N_MARKETS))
        hedge[:, FOREIGN_BONDS] = self._hedged_share(ratio)
        owned = self.book.units[: self.n][:, HOLDABLE] * view.unit_value_usd[HOLDABLE]
        return sell(HOLDABLE, sales, owned, "lapse", hedge=hedge[:, HOLDABLE])

    def _realise_impairments(self, view: View) -> np.ndarray:
        """Impaired bonds, and the equities whose gains cover the loss, are sold over some weeks."""
        if not self.pending_units.any():
            return no_orders()
        value = view.unit_value_usd[IMPAIRED_SALES]
        amount = self.pending_units / self.params.impairment_days * value
        return sell(IMPAIRED_SALES, amount, self.book.units[: self.n][:, IMPAIRED_SALES] * value, "impairment")

    # -- the close ---------------------------------------------------------------------------------------------

    def end_of_day(self, view: View) -> None:
        """Purchases missed, policies in force, accounting at the turn of a quarter, and what is worth telling."""
        self._count_missed_purchases(view)
        self._roll_policies(view)
        self._keep_accounts(view)
        self.last_esr = self.esr(view.log_price)
        self._tell(view)

    def _count_missed_purchases(self, view: View) -> None:
        """What was wanted and not bought at the close is remembered, up to three months of plan."""
        move = (view.log_price - self.quote)[SUPER_LONG]
        per_price = 100.0 * self.params.dip_per_pp / DURATION_YR[SUPER_LONG]
        bought = self.posted_usd_bn * np.clip(1.0 - per_price * move, 0.0, 3.0)
        plan = self.planned_purchases_jpy_bn(view.public) * view.usd_per_currency[JPY]
        most = 3.0 * MEAN_DAYS_PER_MONTH * plan
        self.missed_usd_bn = np.clip(self.missed_usd_bn + self.wanted_usd_bn - bought, -most, most)

    def _roll_policies(self, view: View) -> None:
        """Premiums add to the policies in force, surrenders end them."""
        in_force = self.liabilities_usd(view.log_price) / view.usd_per_currency[JPY]
        added = np.clip(self.net_premium_jpy_bn / np.maximum(in_force, 1e-300), -1.0, MOST_NEW_POLICIES)
        self.in_force = self.in_force * (1.0 + added)
        self.net_premium_jpy_bn = np.zeros(self.n)

    def _keep_accounts(self, view: View) -> None:
        """Losses realised count until the fiscal year ends; bonds are tested against book as a quarter ends."""
        self.realised_jpy_bn = self.realised_jpy_bn + self.todays_loss_jpy_bn
        if view.on("impairment"):
            self.pending_units = self.pending_units * (1.0 - 1.0 / self.params.impairment_days)
            if view.month_first and view.date.month in (1, 4, 7, 10):
                self._test_book_values(view)
        if view.month_first and view.date.month == 4:
            self.realised_jpy_bn = np.zeros(self.n)

    def _test_book_values(self, view: View) -> None:
        """A bond below half of its book value is written down; gains are harvested to cover the loss.

        Bond to be sold = old part x sold share; equities to be sold = loss / gain share, at most a third of them.
        """
        p, units = self.params, self.book.units[: self.n]
        ratio = np.exp(view.log_price[OFF_THE_RUN] - self.old_log_book)
        hit = (ratio < p.impairment_ratio) & ~self.impaired & (units[:, OFF_THE_RUN] > 0.0)
        old_units = np.where(hit, self.old_share * units[:, OFF_THE_RUN], 0.0)
        loss_jpy = (old_units * np.exp(self.old_log_book) * (1.0 - ratio)).sum(axis=1)
        price = np.exp(view.log_price[NIKKEI])
        gain_jpy = np.maximum(price - self.nikkei_book_jpy, 0.05 * price)
        harvested = np.minimum(loss_jpy / gain_jpy, units[:, NIKKEI] / 3.0)
        self.pending_units = self.pending_units + np.column_stack([p.impaired_sold_share * old_units, harvested])
        self.impaired = self.impaired | hit
        self._say(hit.any(axis=1), "hits its impairment limit: super-longs below half of book")

    def _say(self, who: np.ndarray, what: str) -> None:
        self._words += [f"Insurer {i + 1} {what}" for i in np.flatnonzero(who)]

    def _tell(self, view: View) -> None:
        """Members that cross a solvency threshold; beginning lapses and strikes. Told again only after a recovery."""
        for limit, below, words in (
            (1.0, self.below_full, "falls below a solvency ratio of 100 % and must sell"),
            (self.esr_target, self.below_target, "falls below its solvency target and cuts risk"),
        ):
            self._say((self.last_esr < limit) & ~below, words)
            below[:] = self.last_esr < np.where(below, 1.1 * limit, limit)
        rise_pp = view.level[JGB10] - self.level0[JGB10]
        first = self.lapse_tolerance_pp.min() - (0.1 if self.lapsing else 0.0)
        lapsing = view.on("lapses") and bool(rise_pp > first)
        if lapsing and not self.lapsing:
            self._words.append(f"Policyholders begin to leave life insurers: JGB10 {100.0 * rise_pp:+.0f} bp")
        self.lapsing = lapsing
        self._tell_of_strikes(view)

    def _tell_of_strikes(self, view: View) -> None:
        """A buyers' strike begins when the median member buys less than half of its plan, ends above 70 %."""
        excess = max(0.0, float((view.vol[SUPER_LONG] / view.calm_vol[SUPER_LONG]).mean()) - 1.0)
        share = np.exp(-self.params.strike_kappa * excess) if view.on("buyers_strike") else 1.0
        if share < 0.5 and not self.on_strike:
            self._words.append(f"Life insurers strike: super-long purchases at {100.0 * share:.0f} % of plan")
        self.on_strike = bool(share < (0.7 if self.on_strike else 0.5))

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Solvency, hedging and accounting columns."""
        units, value = self.book.units[: self.n], unit_value_usd(log_price)
        bonds = units[:, JGBS] * value[JGBS]
        return {
            "solvency_ratio_pct": 100.0 * self.esr(log_price),
            "solvency_target_pct": 100.0 * self.esr_target,
            "hedge_ratio_pct": 100.0 * hedge_ratio(self.book, units[:, FOREIGN_BONDS] * value[FOREIGN_BONDS]),
            "liabilities_usd_bn": self.liabilities_usd(log_price),
            "unrealised_jgb_gain_usd_bn": (bonds * (1.0 - np.exp(self.log_book - log_price[JGBS]))).sum(axis=1),
            "missed_purchases_usd_bn": self.missed_usd_bn.sum(axis=1),
        }
