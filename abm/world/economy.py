"""The macro block: what everybody publicly knows about policy, budgets, prices and the authorities' words.

`Public` is a record that nobody writes into: events and the passing of days make a new one.

Policy expectations. Every currency has one expected path, r_inf + (s - r_inf) exp(-k t), that starts at s = policy
rate + near-term part. A move that was priced with probability p changes the start by the surprise only: +(1 - p) x
step when it comes, -p x step when it does not, the priced part being taken out of the near-term part. Decisions drawn
with the probability that was priced therefore have no mean effect on any yield or exchange rate.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, singledispatch
from statistics import NormalDist
from typing import Final

import numpy as np

from abm.world import events as ev
from abm.world.instruments import (
    BANK_CCY,
    BASE_CCY,
    BONDS,
    CCY,
    COUNTRY_CCY,
    DURATION_YR,
    FX,
    IDS,
    INCOME_PCT,
    INDEX,
    IS_BOND,
    IS_FX,
    JGBS,
    JPY,
    N_CCY,
    N_MARKETS,
    QUOTE_CCY,
    USDJPY,
)
from abm.world.record import changed

DAYS_PER_YEAR: Final = 250  # of trading
DAYS_PER_MONTH: Final = 21.0  # over which issuance and purchases of a month are spread
FX_PER_TWO_YEAR_PCT: Final = 2.0  # per cent of exchange rate per point of two-year and of ten-year differential: own
FX_PER_TEN_YEAR_PCT: Final = 4.5  # estimate, 5-day changes of USDJPY on both, 2015-2026 (Fed H.15, Japan MoF)
RATE_BETA: Final = np.array([{"USDJPY": 1.0, "USDMXN": 0.0}.get(IDS[i], 0.35) for i in FX])  # response of each pair to
# those differentials over the yen's: own estimate, same days, EURUSD 0.24-0.37, AUDUSD 0.1-0.35, USDMXN about 0
FX_PER_RATE_PCT: Final = np.array([FX_PER_TWO_YEAR_PCT, FX_PER_TEN_YEAR_PCT])
YEN_PER_TWO_YEAR_PCT: Final = 12.0  # the same for news about the Bank of Japan's path: own estimate, its decisions of
# 2022-2026 but July 2024, -0.12 (0.06) % of USDJPY per bp of the two-year yield by 17:00, no more of the ten-year
FX_PER_SIGNAL_PCT: Final = np.array(
    [(YEN_PER_TWO_YEAR_PCT, 0.0) if c == JPY else FX_PER_RATE_PCT for c in range(N_CCY)]
)
# Part of a country's policy news that is read as news about rates elsewhere (King and Wadhwani 1990) [L]. US: on first
# Fridays of months, 2021-2026, JGB10 follows UST10 by 0.22 (0.04) a day later and the Bund by 0.63 (0.07); cov/var of
# the packaged states is 0.06-0.20 and 0.63-0.96.
READ_ABROAD: Final = {"JGB10": 0.5, "UST10": 1.0, "BUND10": 0.5, "GILT10": 0.5}
READ_OPERATION: Final = 0.5  # of an expected operation's news read in other exchange rates: EURUSD took 0.1-0.4 of the
# yen's gain in two days around the operations of May and July 2024 and the check of January 2026 (ECB) [L]
EASING_PER_PCT: Final = 0.03  # points of easing expected per per cent of an unusual fall of shares; Cieslak and
# Vissing-Jorgensen (2021), size from memory
EASING_TERMINAL_SHARE: Final = 0.5  # part of it thought to last [L]
UNUSUAL_FALL_SD: Final = 2.0  # 20-day standard deviations of the share index that count as usual [L]
SHARES_OF: Final = {
    "USD": ("SPX", 1.0),
    "JPY": ("NIKKEI", 1.0),
    "EUR": ("SPX", 0.5),
    "GBP": ("SPX", 0.5),
    "AUD": ("SPX", 0.5),
}
SWAP_BASIS_PCT: Final = 0.15  # dollar-yen basis paid by who sells dollars forward (0.15-0.60 by regime) [L]
NEAR_TERM_HALF_LIFE_DAYS: Final = 500.0  # over which the priced path catches up with the policy rate itself [L]
EARNINGS_PCT_PER_SD: Final = 0.6  # per cent of equity value per standard deviation of activity news [L]
INFLATION_TARGET_PCT: Final = 2.0
INFLATION_PER_PURCHASE: Final = 0.05  # points of expected inflation per per cent of GDP bought exceptionally; 0.03-0.08
# in 2009-10 (Krishnamurthy and Vissing-Jorgensen 2011), 0.04 in Japan in 2013-14, sizes from memory
YEN_PER_INFLATION: Final = 5.0  # per cent of USDJPY per point of expected inflation: parity over five years [L]
YEN_PER_OPERATION: Final = 2.0  # per cent of USDJPY that a campaign of 5.5-10 tn takes off, at 0.3 per tn
PASS_THROUGH: Final = 0.03  # per cent of CPI per per cent of yen depreciation in the first year (Sasaki; 0.02-0.04)
PASS_THROUGH_LAG_DAYS: Final = 180.0  # mean lag (6-12 months)
REPRICING_SHARE: Final = 0.15  # of the debt per year (MoF: 165.3 of 1,088 tn refunded or new in FY2026)
REFUNDING_MIX: Final = (0.530, 0.367, 0.050, 0.043, 0.010)  # JGB2 ... JGB40 in FY2026 market issuance, see Government
WORDS_RISK: Final = (0.0, 0.03, 0.06, 0.10, 0.18)  # perceived risk added by words of levels 0 to 4 [L]
CHECK_RISK: Final = 0.65  # P(operation within ten days | check) about 2/3, n = 3 (SOURCES.md 3)
OPERATION_RISK_PER_TN: Final = 0.04  # risk of the next ticket added by one, per JPY tn, and the most that it adds:
OPERATION_RISK_MOST: Final = 0.15  # daily operations moved USDJPY -0.28 % per tn [L]
CHECK_LAPSES_DAYS: Final = 10
RISK_HALF_LIFE_DAYS: Final = 4.0
FATIGUE: Final = 0.75  # credibility kept when words are repeated, or a check lapses, without an operation [L]
REPETITION_DAYS: Final = 60  # words count as a repetition within so many trading days [L]
CREDIBILITY_RECOVERY: Final = 0.01  # of lost credibility regained a day [L]
SILENCE_DAYS: Final = 20  # of silence after which the ladder is one step lower [L]
WEAK_AUCTION_HALF_LIFE_DAYS: Final = 5.0
NEVER: Final = 10_000  # trading days since something that has not happened
HORIZONS_YR: Final = np.array([*DURATION_YR[BONDS], 1.0, 2.0, 10.0])  # bonds' durations, then the round ones
ONE_YEAR, TWO_YEARS, TEN_YEARS = range(BONDS.size, BONDS.size + 3)  # positions in it
ROUND: Final = slice(TWO_YEARS, TEN_YEARS + 1)  # of the two that exchange rates respond to
OF_BONDS: Final = (QUOTE_CCY[BONDS], np.arange(BONDS.size))  # of each bond's own currency and duration
SHAPE_OF_DATA: Final = 2.0  # near-term over terminal change after US payrolls: own estimate, 2-, 10- and 30-year yields


@dataclass(frozen=True)
class Programme:
    """A fiscal programme that is running: yen trillion a year, trading days left, and whether it forgoes revenue."""

    jpy_tn_per_yr: float
    days_left: int
    forgoes_revenue: bool = False


@dataclass(frozen=True)
class HikeRule:
    """How the public believes the Bank of Japan decides; the bank's own default parameters are the same.

    Log-odds of a rise at a meeting. At the odds where the logistic has slope 1/5 (p = 0.28), per_yen_fall_pct and
    per_disorder_bp are 5 percentage points per 1 % of yen fall and -8 per 10 bp (SOURCES.md 3).
    """

    intercept: float = -1.3  # 4 rises in the 16 meetings from March 2024 to December 2025, long after the last one
    per_rate_gap_pp: float = 0.8  # per point the policy rate is below the perceived terminal rate [L]
    per_inflation_pp: float = 1.0  # per point of inflation, actual and expected averaged, above 2 % [L]
    inertia: float = 3.2  # taken off on the day after a change [L]
    inertia_half_life_days: float = 40.0
    per_yen_fall_pct: float = 0.25
    per_disorder_bp: float = -0.04


PERCEIVED_HIKE_RULE: Final = HikeRule()


def _no_markets() -> np.ndarray:
    return np.zeros(N_MARKETS)


def _last_changes() -> dict[str, int]:
    """Trading days from the last changes, of 19 December, 10 December and 5 June 2025, to 13 January 2026."""
    return {"BOJ": 13, "FED": 20, "ECB": 148}


@dataclass(frozen=True)
class Public:
    """Public state of policy and the economy. Rates in per cent, amounts in yen trillion, by currency or market."""

    policy_rate_pct: np.ndarray  # (currencies,)
    terminal_rate_pct: np.ndarray  # (currencies,) where people expect the policy rate to end
    near_term_pct: np.ndarray  # (currencies,) start of the expected path less the policy rate
    speed_per_yr: np.ndarray  # (currencies,) of the expected path towards the terminal rate
    growth_pct: np.ndarray = field(default_factory=lambda: np.zeros(N_CCY))  # (currencies,) nominal growth expected
    # over ten years, changes since day 0 that data explain, points
    easing_pct: np.ndarray = field(default_factory=lambda: np.zeros(N_CCY))  # (currencies,) easing that a fall of
    # shares makes people expect, points
    inflation_pct: float = 2.0  # Japan, year on year
    inflation_expected_pct: float = 2.0  # Japan, next years
    import_pressure_pct: float = 0.0  # depreciation not yet passed on, per cent of CPI
    import_prices_pct: float = 0.0  # passed on since day 0, per cent of the CPI level
    import_inflation_pct: float = 0.0  # part of year-on-year inflation that this is
    gdp_jpy_tn: float = 640.0
    debt_jpy_tn: float = 1088.0
    revenue_jpy_tn: float = 80.0
    interest_jpy_tn: float = 13.0  # a year
    maturing_coupon_pct: float | None = None  # of the debt there was on day 0; None: its average rate
    legacy_share: float = 1.0  # of the day-0 debt not yet matured
    unfunded_pct_gdp: float = 0.0  # announced unfunded deficit, per cent of GDP, programme total
    deficit_jpy_tn_per_yr: float = 0.0  # extra spending and forgone revenue now running
    programmes: tuple[Programme, ...] = ()
    mandate: str = "open"
    issuance_jpy_tn_per_month: np.ndarray = field(default_factory=_no_markets)
    planned_issuance_jpy_tn_per_month: np.ndarray = field(default_factory=_no_markets)
    purchases_jpy_tn_per_month: np.ndarray = field(default_factory=_no_markets)
    planned_purchases_jpy_tn_per_month: np.ndarray = field(default_factory=_no_markets)
    exceptional_purchases_jpy_tn: float = 0.0  # so far
    weak_auction_sd: float = 0.0  # memory of auction results, positive weak
    signalling: bool = True  # whether words and checks act on beliefs
    ladder: int = 0  # the ministry's last step: 0 silence, 1-4 words, 5 rate check, 6 operation
    days_since_words: int = NEVER  # trading days since words of any level, a check or an operation
    days_since_signal: int = NEVER  # trading days since words of level 4, a check or an operation
    days_since_check: int = NEVER
    days_since_operation: int = NEVER
    intervention_risk: float = 0.0  # perceived probability of an operation within ten days, 0 to 1
    signal_credibility: float = 1.0
    hike_risk: float = 0.1  # perceived probability of a rate rise at the next meeting of the Bank of Japan
    risk_aversion_sd: float = 0.0
    risk_half_life_days: float = 10.0
    margin_factor: Mapping[str, float] = field(default_factory=dict)
    meetings: Mapping[str, int] = field(default_factory=dict)  # trading days until
    days_since_rate_change: Mapping[str, int] = field(default_factory=_last_changes)  # by bank
    decided: frozenset[str] = frozenset()  # banks whose decision of today is already known

    @cached_property
    def average_rate_pct(self) -> np.ndarray:
        """`path_average_pct` of this state over HORIZONS_YR, (currencies, horizons)."""
        return path_average_pct(self, HORIZONS_YR)

    @cached_property
    def signalled_rate_pct(self) -> np.ndarray:
        """The same without the easing that a fall of shares makes people expect."""
        if not self.easing_pct.any():
            return self.average_rate_pct
        return path_average_pct(changed(self, easing_pct=np.zeros(N_CCY)), HORIZONS_YR)

    @cached_property
    def expected_log_price(self) -> np.ndarray:
        """`expected_log_price` of this state, (markets,)."""
        return expected_log_price(self)

    @property
    def interest_to_revenue_pct(self) -> float:
        """Interest bill over tax revenue, per cent."""
        return 100.0 * self.interest_jpy_tn / self.revenue_jpy_tn

    @property
    def debt_to_gdp_pct(self) -> float:
        """General government bonds over GDP, per cent."""
        return 100.0 * self.debt_jpy_tn / self.gdp_jpy_tn

    @property
    def average_coupon_pct(self) -> float:
        """Interest bill over the debt, per cent."""
        return 100.0 * self.interest_jpy_tn / self.debt_jpy_tn


# -- expectations --------------------------------------------------------------------------------------------------


def path_average_pct(public: Public, years: np.ndarray | float) -> np.ndarray:
    """Average policy rate expected over the next ``years``, per cent, shape (currencies, len(years)).

    r_inf + (s - r_inf) (1 - exp(-k t)) / (k t), with s = r + near-term part (Nelson-Siegel slope factor; Diebold
    and Li 2006). Easing that a fall of shares makes people expect is taken off the start, and half of it off r_inf.
    """
    t = np.atleast_1d(np.asarray(years, dtype=float))
    kt = np.maximum(public.speed_per_yr[:, None] * t, 1e-12)
    slope = -np.expm1(-kt) / kt
    start = public.policy_rate_pct + public.near_term_pct - public.easing_pct
    terminal = public.terminal_rate_pct - EASING_TERMINAL_SHARE * public.easing_pct
    return np.asarray(terminal[:, None] + (start - terminal)[:, None] * slope)


def easing_expected_pct(log_price: np.ndarray, highest_20d: np.ndarray, calm_vol: np.ndarray) -> np.ndarray:
    """Easing that central banks are expected to answer a fall of shares with, points, (currencies,).

    k [100 (highest close of 20 days - close) - 2 sd of 20 days]^+, of each currency's share index; log prices and
    daily calm volatilities, (markets,). What falls less is usual and answered by nobody, what recovers is taken back.
    """
    out = np.zeros(N_CCY)
    for currency, (index, weight) in SHARES_OF.items():
        i = INDEX[index]
        fall_pct = 100.0 * float(highest_20d[i] - log_price[i])
        usual_pct = UNUSUAL_FALL_SD * 100.0 * float(calm_vol[i]) * math.sqrt(20.0)
        out[CCY[currency]] = weight * EASING_PER_PCT * max(fall_pct - usual_pct, 0.0)
    return out


def bond_log_price(average_rate_pct: np.ndarray) -> np.ndarray:
    """-duration x average policy rate over the duration, log price, (bonds,), of rates (currencies, horizons)."""
    return -DURATION_YR[BONDS] * average_rate_pct[OF_BONDS] / 100.0


def expected_log_price(public: Public) -> np.ndarray:
    """Part of every log price that public expectations account for, shape (markets,).

    Bonds: `bond_log_price` of the average expected policy rates. Exchange rates: the differentials of expected
    rates over two and ten years, times the observed response to each, which is another for news about the Bank of
    Japan's path; the yen also falls with expected inflation (purchasing-power parity over five years) and rises with
    the operation people expect of the ministry.
    """
    out = np.zeros(N_MARKETS)
    average = public.average_rate_pct
    out[BONDS] = bond_log_price(average)
    signalled, eased = public.signalled_rate_pct[:, ROUND], (average - public.signalled_rate_pct)[:, ROUND]
    priced = (signalled * FX_PER_SIGNAL_PCT).sum(axis=1) + eased @ FX_PER_RATE_PCT
    out[FX] = RATE_BETA * (priced[BASE_CCY[FX]] - priced[QUOTE_CCY[FX]]) / 100.0
    out[USDJPY] += operation_expected(public)
    out[USDJPY] += YEN_PER_INFLATION / 100.0 * (public.inflation_expected_pct - INFLATION_TARGET_PCT)
    return out


def operation_expected(public: Public) -> float:
    """Part of the log price of USDJPY that the operation expected of the ministry accounts for, at most zero."""
    return -YEN_PER_OPERATION / 100.0 * public.intervention_risk


def expected_gain(public: Public) -> np.ndarray:
    """What a day of news is expected to add to shares and bitcoin, log price, (markets,).

    (policy rate - dividend yield) / 250: priced to earn the short rate; bonds and exchange rates pay in carry.
    """
    rate_pct = public.policy_rate_pct[QUOTE_CCY] - INCOME_PCT
    return np.where(IS_BOND | IS_FX, 0.0, rate_pct / 100.0 / DAYS_PER_YEAR)


def read_abroad(before: Public, after: Public, covariance: np.ndarray) -> np.ndarray:
    """What news about one country's policy path or the yen says elsewhere, log price, (markets,).

    rho x cov(m, b) / var(b) x news of b. Rates: b the bonds of READ_ABROAD in turn, rho its share, m every bond of
    another currency, whose yield moves by no more than b's: where a yield was held, the slope is no news. Easing that a
    fall of shares makes people expect is not read again: it is expected of every central bank as it is. An expected
    operation: b USDJPY, rho READ_OPERATION, m every other exchange rate. covariance: of calm daily changes.
    """
    out, news = np.zeros(N_MARKETS), np.zeros(N_MARKETS)
    news[BONDS] = bond_log_price(after.signalled_rate_pct - before.signalled_rate_pct)
    for name, share in READ_ABROAD.items():
        bond = INDEX[name]
        abroad, most = IS_BOND & (QUOTE_CCY[bond] != QUOTE_CCY), DURATION_YR / DURATION_YR[bond]
        slope = np.clip(covariance[:, bond] / covariance[bond, bond], -most, most)
        out += abroad * share * slope * news[bond]
    others = IS_FX & (np.arange(N_MARKETS) != USDJPY)
    operation = operation_expected(after) - operation_expected(before)
    out += others * READ_OPERATION * covariance[:, USDJPY] / covariance[USDJPY, USDJPY] * operation
    return out


def perceived_hike_risk(
    public: Public, yen_change_20d_pct: float, jgb30_5d_bp: float, rule: HikeRule = PERCEIVED_HIKE_RULE
) -> float:
    """Probability, 0 to 1, of a 25 bp rise at the next meeting of the Bank of Japan (SOURCES.md 3).

    Logistic in the rate gap, the inflation gap, the time since the last change (inertia), the 20-day rise of USDJPY
    (per cent, the yen's fall) and JGB disorder: the five-day rise of the 30-year yield (basis points), if positive.
    The yen raises it and disorder lowers it: this pair of signs is the credibility trap.
    """
    gap = float(public.terminal_rate_pct[JPY] - public.policy_rate_pct[JPY])
    inflation = 0.5 * (public.inflation_pct + public.inflation_expected_pct) - INFLATION_TARGET_PCT
    since = public.days_since_rate_change.get("BOJ", NEVER)
    odds = (
        rule.intercept
        + rule.per_rate_gap_pp * gap
        + rule.per_inflation_pp * inflation
        - rule.inertia * 0.5 ** (since / rule.inertia_half_life_days)
        + rule.per_yen_fall_pct * yen_change_20d_pct
        + rule.per_disorder_bp * max(jgb30_5d_bp, 0.0)
    )
    return logistic(odds)


def after_news(probability: float, news_sd: float, known_share: float) -> float:
    """Probability of a rise once people have heard rate news of so many standard deviations towards it, 0 to 1.

    The bank is inclined to move if z > -Phi^-1(P), z standard normal, and ``known_share`` of the variance of z is in
    the news beforehand: Phi((Phi^-1(P) + sqrt(k) S) / sqrt(1 - k)). Its mean over standard normal S is P.
    """
    normal = NormalDist()
    inclined = normal.inv_cdf(min(max(probability, 1e-12), 1.0 - 1e-12))
    return normal.cdf((inclined + math.sqrt(known_share) * news_sd) / math.sqrt(1.0 - known_share))


def logistic(odds: float) -> float:
    """Probability from log-odds."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -50.0), 50.0)))


def decision(bank: ev.MeetingBankId, step_bp: float, probability: float, moved: bool, cause: str) -> ev.Event:
    """The event a policy meeting becomes: a move of step_bp that had been priced with the probability, or a hold.

    A hold takes the priced part, probability x step, out of the expected path, with the terminal rate following as
    far as it follows a move; so the two outcomes, weighted with the probability, cancel.
    """
    if moved:
        return ev.PolicyRate(bank=bank, change_bp=step_bp, expected_share=probability, cause=cause)
    share = ev.PolicyRate.model_fields["terminal_share"].default
    return ev.PolicyGuidance(
        bank=bank,
        terminal_change_bp=-share * probability * step_bp,
        near_term_change_bp=-probability * step_bp,
        note="policy rate unchanged",
        cause=cause,
    )


def earnings_news(event: ev.Event) -> np.ndarray:
    """Public news about earnings in an event, log price, shape (markets,)."""
    out = np.zeros(N_MARKETS)
    if isinstance(event, ev.DataSurprise):
        abroad = 0.5 if event.country in ("US", "JP", "EU") else 0.0
        for name, home in (("NIKKEI", "JP"), ("NASDAQ", "US"), ("SPX", "US")):
            share = 1.0 if event.country == home else abroad
            out[INDEX[name]] = share * EARNINGS_PCT_PER_SD / 100.0 * event.growth_sd
    return out


# -- what the public hears -----------------------------------------------------------------------------------------


@singledispatch
def hear(event: ev.Event, public: Public) -> Public:
    """The public state after an event became known; events that change nothing public leave it as it is."""
    return public


def _plus(values: np.ndarray, i: int, change: float) -> np.ndarray:
    out = values.copy()
    out[i] += change
    return out


@hear.register
def _(event: ev.PolicyMeeting, public: Public) -> Public:
    return changed(public, meetings={**public.meetings, event.bank: 0})


@hear.register
def _(event: ev.PolicyRate, public: Public) -> Public:
    c = BANK_CCY[event.bank]
    change_pct = event.change_bp / 100.0
    priced_pct = event.expected_share * change_pct
    since = dict(public.days_since_rate_change)
    if event.change_bp != 0.0:
        since[event.bank] = 0
    return changed(
        public,
        policy_rate_pct=_plus(public.policy_rate_pct, c, change_pct),
        near_term_pct=_plus(public.near_term_pct, c, -priced_pct),
        terminal_rate_pct=_plus(public.terminal_rate_pct, c, event.terminal_share * (change_pct - priced_pct)),
        days_since_rate_change=since,
        decided=public.decided | {event.bank},
    )


@hear.register
def _(event: ev.PolicyGuidance, public: Public) -> Public:
    c = BANK_CCY[event.bank]
    return changed(
        public,
        terminal_rate_pct=_plus(public.terminal_rate_pct, c, event.terminal_change_bp / 100.0),
        near_term_pct=_plus(public.near_term_pct, c, event.near_term_change_bp / 100.0),
    )


@hear.register
def _(event: ev.DataSurprise, public: Public) -> Public:
    c = COUNTRY_CCY[event.country]
    near_bp = event.near_term_change_bp
    if near_bp is None:
        near_bp = SHAPE_OF_DATA * event.terminal_change_bp
    heard = changed(
        public,
        terminal_rate_pct=_plus(public.terminal_rate_pct, c, event.terminal_change_bp / 100.0),
        near_term_pct=_plus(public.near_term_pct, c, near_bp / 100.0),
    )
    learned = float((heard.average_rate_pct - public.average_rate_pct)[c, TEN_YEARS])
    return changed(heard, growth_pct=_plus(public.growth_pct, c, learned))


def _launch(public: Public, total_jpy_tn: float, years: float, forgoes_revenue: bool) -> Public:
    """A programme of this size starts to run: deficit up, revenue down if taxes are cut, until its years are over."""
    per_year = total_jpy_tn / years
    programme = Programme(per_year, max(round(years * DAYS_PER_YEAR), 1), forgoes_revenue)
    return changed(
        public,
        unfunded_pct_gdp=public.unfunded_pct_gdp + 100.0 * total_jpy_tn / public.gdp_jpy_tn,
        deficit_jpy_tn_per_yr=public.deficit_jpy_tn_per_yr + per_year,
        revenue_jpy_tn=public.revenue_jpy_tn - per_year * forgoes_revenue,
        programmes=(*public.programmes, programme),
    )


@hear.register
def _(event: ev.FiscalAnnouncement, public: Public) -> Public:
    return _launch(public, event.amount_jpy_tn, event.years, forgoes_revenue=False)


@hear.register
def _(event: ev.TaxCut, public: Public) -> Public:
    return _launch(public, event.amount_jpy_tn_per_year * event.years, event.years, forgoes_revenue=True)


@hear.register
def _(event: ev.Election, public: Public) -> Public:
    return changed(public, mandate=event.mandate)


@hear.register
def _(event: ev.AuctionResult, public: Public) -> Public:
    return changed(public, weak_auction_sd=public.weak_auction_sd - event.strength_sd)


@hear.register
def _(event: ev.IssuanceChange, public: Public) -> Public:
    i = INDEX[event.market]
    issuance = _plus(public.issuance_jpy_tn_per_month, i, event.change_jpy_tn_per_month)
    return changed(public, issuance_jpy_tn_per_month=issuance)


@hear.register
def _(event: ev.PurchaseTaper, public: Public) -> Public:
    purchases = public.purchases_jpy_tn_per_month
    total = purchases.sum()
    share = purchases / total if total > 0 else np.isin(np.arange(N_MARKETS), JGBS) / JGBS.size
    after = np.maximum(purchases + share * event.change_jpy_tn_per_month, 0.0)
    priced = event.expected_share * (after - purchases)
    more = 100.0 * 12.0 * float((after - purchases - priced).sum()) / public.gdp_jpy_tn
    return changed(
        public,
        purchases_jpy_tn_per_month=after,
        planned_purchases_jpy_tn_per_month=np.maximum(public.planned_purchases_jpy_tn_per_month + priced, 0.0),
        inflation_expected_pct=public.inflation_expected_pct + INFLATION_PER_PURCHASE * max(more, 0.0),
    )


@hear.register
def _(event: ev.AssetPurchase, public: Public) -> Public:
    if event.fixed_yield_pct is not None:  # an offer; what is bought is known only afterwards
        return public
    share = 100.0 * event.amount_jpy_tn / public.gdp_jpy_tn
    return changed(
        public,
        exceptional_purchases_jpy_tn=public.exceptional_purchases_jpy_tn + event.amount_jpy_tn,
        inflation_expected_pct=public.inflation_expected_pct + INFLATION_PER_PURCHASE * share,
    )


def _repeats(public: Public, level: int) -> bool:
    """Whether words of this level only repeat what was said, with no operation since."""
    recent = public.days_since_words < REPETITION_DAYS
    return recent and level <= public.ladder and public.days_since_operation > public.days_since_words


def _perceive(public: Public, risk: float, level: int) -> Public:
    """A signal about the yen raises perceived intervention risk by what credibility is left.

    risk' = risk + credibility x signal x (1 - risk); a repetition without action costs credibility first.
    """
    credibility = public.signal_credibility * (FATIGUE if _repeats(public, level) else 1.0)
    heard = credibility * risk * (1.0 - public.intervention_risk) if public.signalling else 0.0
    return changed(
        public,
        intervention_risk=public.intervention_risk + heard,
        signal_credibility=credibility,
        ladder=level,
        days_since_words=0,
        days_since_signal=0 if level >= 4 else public.days_since_signal,
    )


@hear.register
def _(event: ev.VerbalIntervention, public: Public) -> Public:
    return _perceive(public, WORDS_RISK[event.level], event.level)


@hear.register
def _(event: ev.RateCheck, public: Public) -> Public:
    return changed(_perceive(public, CHECK_RISK, 5), days_since_check=0)


@hear.register
def _(event: ev.FxIntervention, public: Public) -> Public:
    if event.amount_jpy_tn <= 0.0:  # yen sold: no threat to who is short of yen
        return changed(public, ladder=0, intervention_risk=0.0)
    acted = changed(public, signal_credibility=1.0, days_since_operation=0, days_since_words=0)
    return _perceive(acted, min(OPERATION_RISK_PER_TN * event.amount_jpy_tn / event.days, OPERATION_RISK_MOST), 6)


@hear.register
def _(event: ev.RiskAversion, public: Public) -> Public:
    return changed(
        public,
        risk_aversion_sd=public.risk_aversion_sd + event.change_sd,
        risk_half_life_days=event.half_life_days,
    )


@hear.register
def _(event: ev.MarginChange, public: Public) -> Public:
    factor = public.margin_factor.get(event.sector, 1.0) * event.factor
    return changed(public, margin_factor={**public.margin_factor, event.sector: factor})


# -- the passing of days -------------------------------------------------------------------------------------------


def next_day(public: Public, yen_depreciation_pct: float, average_jgb_yield_pct: float, signalling: bool) -> Public:
    """The public state one trading day later: memories fade, prices pass through, debt reprices.

    yen_depreciation_pct: yesterday's rise of USDJPY, per cent. average_jgb_yield_pct: yield at which debt is
    refunded (`refunding_yield_pct`). signalling: whether words and checks act on beliefs at all (behaviour rule
    "signalling").
    """
    public = _count_days(public)
    public = _pass_through(public, yen_depreciation_pct)
    public = _reprice_debt(public, average_jgb_yield_pct)
    public = _run_programmes(public)
    return _fade_signals(public, signalling)


def refunding_yield_pct(jgb_yields_pct: np.ndarray) -> float:
    """Yield at which maturing debt is refunded, per cent: yields of JGB2 to JGB40 weighted with market issuance."""
    return float(np.dot(REFUNDING_MIX, jgb_yields_pct))


def _fade(half_life_days: float) -> float:
    return float(0.5 ** (1.0 / half_life_days))


def _count_days(public: Public) -> Public:
    """Counters run and moods fade; yesterday's decisions are history."""
    since = {bank: days + 1 for bank, days in public.days_since_rate_change.items()}
    return changed(
        public,
        near_term_pct=public.near_term_pct * _fade(NEAR_TERM_HALF_LIFE_DAYS),
        weak_auction_sd=public.weak_auction_sd * _fade(WEAK_AUCTION_HALF_LIFE_DAYS),
        risk_aversion_sd=public.risk_aversion_sd * _fade(public.risk_half_life_days),
        days_since_words=public.days_since_words + 1,
        days_since_signal=public.days_since_signal + 1,
        days_since_check=public.days_since_check + 1,
        days_since_operation=public.days_since_operation + 1,
        days_since_rate_change=since,
        decided=frozenset(),
    )


def _pass_through(public: Public, yen_depreciation_pct: float) -> Public:
    """Import prices reach consumers with an exponential lag, 0.03 % of the CPI per 1 % within the first year.

    Year-on-year inflation carries them for about a year (Cabinet Office model; Sasaki; BoJ WP 22-J-16).
    """
    lag = 1.0 / PASS_THROUGH_LAG_DAYS
    total = PASS_THROUGH / -math.expm1(-DAYS_PER_YEAR * lag)
    passed = lag * public.import_pressure_pct
    change = passed - public.import_inflation_pct / DAYS_PER_YEAR
    return changed(
        public,
        import_pressure_pct=public.import_pressure_pct - passed + total * yen_depreciation_pct,
        import_prices_pct=public.import_prices_pct + passed,
        import_inflation_pct=public.import_inflation_pct + change,
        inflation_pct=public.inflation_pct + change,
    )


def _reprice_debt(public: Public, refunding_yield_pct: float) -> Public:
    """Interest bill: 15 % of the debt a year swaps its old coupon for today's yield, and new deficits borrow at it.

    Debt of day 0 matures first, at its average coupon, so that +100 bp adds 0.15 x 1,088 tn x 1 % = 1.63 tn within a
    year (SOURCES.md 3: about 1.65). Planned deficits and the growth of GDP offset each other.
    """
    average = public.average_coupon_pct
    legacy = average if public.maturing_coupon_pct is None else public.maturing_coupon_pct
    coupon = legacy if public.legacy_share > 0.0 else average
    refunded = REPRICING_SHARE / DAYS_PER_YEAR * public.debt_jpy_tn
    borrowed = public.deficit_jpy_tn_per_yr / DAYS_PER_YEAR
    change = (refunded * (refunding_yield_pct - coupon) + borrowed * refunding_yield_pct) / 100.0
    return changed(
        public,
        interest_jpy_tn=public.interest_jpy_tn + change,
        debt_jpy_tn=public.debt_jpy_tn + borrowed,
        maturing_coupon_pct=legacy,
        legacy_share=max(public.legacy_share - REPRICING_SHARE / DAYS_PER_YEAR, 0.0),
    )


def _run_programmes(public: Public) -> Public:
    """Fiscal programmes run down; one that ends leaves the deficit and gives forgone revenue back."""
    if not public.programmes:
        return public
    ended = [p for p in public.programmes if p.days_left <= 1]
    running = tuple(changed(p, days_left=p.days_left - 1) for p in public.programmes if p.days_left > 1)
    return changed(
        public,
        programmes=running,
        deficit_jpy_tn_per_yr=public.deficit_jpy_tn_per_yr - sum(p.jpy_tn_per_yr for p in ended),
        revenue_jpy_tn=public.revenue_jpy_tn + sum(p.jpy_tn_per_yr for p in ended if p.forgoes_revenue),
    )


def _fade_signals(public: Public, signalling: bool) -> Public:
    """Perceived intervention risk fades within days; a check that lapses without action costs credibility.

    Lost credibility comes back slowly; after every SILENCE_DAYS of silence the ladder is one step lower.
    """
    lapsed = public.days_since_check == CHECK_LAPSES_DAYS < public.days_since_operation
    silent = public.days_since_words % SILENCE_DAYS == 0
    trust = public.signal_credibility
    return changed(
        public,
        signalling=signalling,
        intervention_risk=public.intervention_risk * _fade(RISK_HALF_LIFE_DAYS) if signalling else 0.0,
        signal_credibility=trust * FATIGUE if lapsed else trust + CREDIBILITY_RECOVERY * (1.0 - trust),
        ladder=max(public.ladder - 1, 0) if silent else public.ladder,
    )
