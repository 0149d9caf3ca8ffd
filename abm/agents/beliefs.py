"""What public facts are worth in the eyes of those who price assets: policy, the fiscal promise, shares, the yen.

Real money, dealers and arbitrageurs share the ideas and differ in how strongly and how fast they act on them.
"""

from dataclasses import dataclass
from typing import Any, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import Params, Sector, par
from abm.world.economy import Public
from abm.world.instruments import (
    BONDS,
    DURATION_YR,
    EQUITIES,
    IDS,
    INDEX,
    JGBS,
    JPY,
    N_MARKETS,
    QUOTE_CCY,
    SUPER_LONG,
    TENOR_YR,
    USDJPY,
)
from abm.world.streams import Streams
from abm.world.view import View

TEN_YEAR: Final = {int(QUOTE_CCY[i]): int(i) for i in BONDS[::-1] if TENOR_YR[i] == 10}
DISCOUNT_BOND: Final = np.array([TEN_YEAR[int(c)] for c in QUOTE_CCY[EQUITIES]])  # ten-year bond of each share index
AUCTION_MEMORY: Final = 0.5 ** (1.0 / 5.0)  # share of `Public.weak_auction_sd` kept overnight


def _premium_profile() -> np.ndarray:
    """Fiscal premium by maturity as a multiple of the 30-year's: 0.2, 1.5, 3, 4, 4.5 bp at 2, 10, 20, 30, 40 years."""
    out = np.zeros(N_MARKETS)
    out[JGBS] = np.interp(TENOR_YR[JGBS], [0, 2, 10, 20, 30, 40], [0, 0.05, 0.375, 0.75, 1.0, 1.125])
    return out


PREMIUM_PROFILE: Final = _premium_profile()


# Response of each market to a fall of the S&P 500 by one per cent while the VIX rises by more than six points within
# three days: own estimate, 67 windows of 2015-2026; per cent down (exchange rates, shares, bitcoin; of the pair), basis
# points of yield down (bonds). GBPUSD, ACGB10 and EMBOND: judgement.
FALL_PCT: Final = {
    "SPX": 1.0, "NASDAQ": 1.1, "NIKKEI": 0.85, "BTC": 1.6,
    "USDJPY": 0.1, "AUDUSD": 0.28, "USDMXN": -0.35, "GBPUSD": 0.15,
}  # fmt: skip
FALL_BP: Final = {
    "JGB2": 0.4, "JGB10": 0.7, "JGB20": 0.5, "JGB30": 0.25, "JGB40": 0.25,
    "UST2": 0.5, "UST10": 0.35, "UST30": 0.2, "ACGB10": 0.3, "OAT10": -0.5, "EMBOND": -1.5,
}  # fmt: skip


def _risk_beta() -> np.ndarray:
    """Log price given up when one per cent of the S&P 500 is, for general risk aversion, (markets,)."""
    out = np.zeros(N_MARKETS)
    for market, fall in FALL_PCT.items():
        out[INDEX[market]] = fall
    for market, fall in FALL_BP.items():
        out[INDEX[market]] = -fall * DURATION_YR[INDEX[market]] / 100.0
    return out


RISK_BETA: Final = _risk_beta()


class BeliefParams(Params):
    """Opinions about value, common to those who price assets."""

    fiscal_premium_30y_bp: float = par(
        4.0, "bp of 30-year yield per % of GDP", "[L]", "premium asked by a fully concerned holder", 0, 40
    )
    standing_deficit_pct_gdp: float = par(
        9.0, "% of GDP", "[mem] two years of new bonds, FY2026 budget", "unfunded deficit known on day 0", 0, 100
    )
    concern_mean: float = par(0.3, "fraction", "[L]", "members' average concern in quiet times", 0.01, 0.95)
    concern_speed_low: float = par(0.05, "per day", "[L]", "slowest member's pace of acting on concern", 0, 1)
    concern_speed_high: float = par(0.6, "per day", "[L]", "fastest member's pace of acting on concern", 0, 1)
    alarm_of_deficit: float = par(0.075, "per % of GDP", "SOURCES.md 3, [L]", "rise of concern, unfunded deficit", 0, 2)
    alarm_of_auction: float = par(
        0.1, "per sd", "SOURCES.md 3, [L]", "rise of concern, auction weaker than by one sd", 0, 2
    )
    alarm_of_sell_off: float = par(
        0.02, "per sd of 5-day yield rise beyond one", "SOURCES.md 3, [L]", "rise of concern, super-longs falling", 0, 2
    )
    relief_of_issuance_cut: float = par(
        0.8, "per % of GDP and year", "SOURCES.md 3, [L]", "fall of concern when super-long issuance is cut", 0, 5
    )
    relief_of_purchases: float = par(
        0.12, "per % of GDP", "SOURCES.md 3, [L]", "fall of concern when the central bank buys exceptionally", 0, 5
    )
    alarm_half_life_days: float = par(
        1.2, "trading days", "January 2026: half-life of days", "median half-life of alarm", 0.5, 250
    )
    real_duration_nikkei_yr: float = par(10.0, "years", "SOURCES.md 3", "real-rate duration of the Nikkei", 0, 50)
    real_duration_spx_yr: float = par(14.0, "years", "SOURCES.md 3", "real-rate duration of the S&P 500", 0, 50)
    real_duration_nasdaq_yr: float = par(20.0, "years", "SOURCES.md 3", "real-rate duration of the Nasdaq", 0, 50)
    risk_premium_pct: float = par(
        2.0, "% of share value per doubling of volatility", "SOURCES.md 3, [L]", "price of own-market volatility", 0, 20
    )
    aversion_pct: float = par(
        2.0, "% of S&P 500 per sd", "[L]", "price of general risk aversion; other markets by RISK_BETA", 0, 20
    )
    fiscal_premium_yen_pct: float = par(
        0.1, "% of USDJPY per % of GDP", "[L]", "weaker yen thought fair by a fully concerned holder", 0, 10
    )
    exporter_gain: float = par(0.4, "% per % of yen weakness", "SOURCES.md 3", "earnings of Nikkei exporters", 0, 2)


@dataclass(frozen=True)
class FiscalState:
    """What is publicly known about the government's promise on a day.

    deficit_pct: announced unfunded deficit, % of GDP. auction_sd: memory of weak auctions. issuance_pct: super-long
    issuance a year, % of GDP. purchases_pct: exceptional purchases so far, % of GDP.
    """

    deficit_pct: float
    auction_sd: float
    issuance_pct: float
    purchases_pct: float

    @classmethod
    def of(cls, public: Public) -> "FiscalState":
        """The fiscal part of the public state."""
        per_gdp = 100.0 / public.gdp_jpy_tn
        issuance = 12.0 * float(public.issuance_jpy_tn_per_month[SUPER_LONG].sum())
        purchases = public.exceptional_purchases_jpy_tn
        return cls(public.unfunded_pct_gdp, public.weak_auction_sd, issuance * per_gdp, purchases * per_gdp)


def alarming_news(now: FiscalState, before: FiscalState, sell_off_sd: float) -> np.ndarray:
    """What is new since yesterday, positive is alarming, (5,): deficit, weak auctions, sell-off, issuance, purchases.

    sell_off_sd: standardised fall of super-long prices over five days; what exceeds one counts, a fifth each day. An
    auction weaker by up to one standard deviation is no news either, nor is issuance that pays for what was announced.
    """
    auctions = max(now.auction_sd - AUCTION_MEMORY * before.auction_sd - 1.0, 0.0)
    sell_off = max(sell_off_sd - 1.0, 0.0) / 5.0
    cuts = min(now.issuance_pct - before.issuance_pct, 0.0)
    return np.array(
        [now.deficit_pct - before.deficit_pct, auctions, sell_off, cuts, before.purchases_pct - now.purchases_pct]
    )


@njit(cache=True)
def _act_on_concern(alarm, keep, felt, quiet, speed, priced, standing, unfunded):  # type: ignore
    """Alarm, deficit newly acted on and deficit acted on so far, (3, members).

    alarm = keep x alarm + felt, within -1 to 1; newly = speed x (concern (U0 + U) - quiet concern U0 - priced), with
    concern = quiet + alarm, within 0 to 1: a weak auction makes people look anew at the deficit U0 there already was.
    """
    out = np.empty((3, alarm.size))
    for i in range(alarm.size):
        now = min(max(keep[i] * alarm[i] + felt[i], -1.0), 1.0)
        concern = min(max(quiet[i] + now, 0.0), 1.0)
        newly = speed[i] * (concern * (standing + unfunded) - quiet[i] * standing - priced[i])
        out[0, i], out[1, i], out[2, i] = now, newly, priced[i] + newly
    return out


@njit(cache=True)
def share_value(yield_change, growth_change, yen_weakness, years, exporter_gain):  # type: ignore
    """Log fair value of a share index through discount rate and exports.

    -real duration x (ten-year yield - expected nominal growth) + exporter gain x yen weakness (Gordon 1959); changes
    since day 0, fractions (0.01 is one percentage point or one per cent). Growth is what data and expected inflation
    say: weak data lower the yield and the growth it discounts alike.
    """
    return -years * (yield_change - growth_change) + exporter_gain * yen_weakness


@njit(cache=True)
def _revaluation(traded, growth_pct, inflation, turbulence, years, aversion, exporter_gain, risk_premium):  # type: ignore
    """`Believer.revaluation` from its causes, changes since day 0.

    traded: (markets,) log price changes that came from trades and policy. growth_pct: (currencies,). inflation:
    fraction. turbulence: (markets,) of volatility over calm. years: (equities,) real durations. aversion: log price
    of a market with beta one. risk_premium: % per unit of turbulence.
    """
    out = aversion * RISK_BETA
    for k in range(EQUITIES.size):
        m, bond = EQUITIES[k], DISCOUNT_BOND[k]
        yen = 1.0 if QUOTE_CCY[m] == JPY else 0.0
        growth = growth_pct[QUOTE_CCY[m]] / 100.0 + yen * inflation
        yield_change = -traded[bond] / DURATION_YR[bond]
        out[m] += share_value(yield_change, growth, yen * traded[USDJPY], years[k], exporter_gain)
        out[m] -= risk_premium * turbulence[m] / 100.0
    return out


class Believer(Sector):
    """A sector that forms opinions on value from public facts.

    base_concern: (members,) concern in quiet times, 0 to 1. alarm: (members,) passing part of concern. alarm_keep:
    (members,) share of alarm kept overnight. alarm_weights: (members, 5). concern_speed: (members,) per day.
    priced_deficit: (members,) concern x unfunded deficit acted on so far, % of GDP. newly_priced: today's part.
    """

    Params = BeliefParams
    params: BeliefParams

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p, rng = self.params, streams.on(self.id, "beliefs")
        self.base_concern = rng.beta(2.0, 2.0 * (1.0 - p.concern_mean) / p.concern_mean, self.n)
        low, high = sorted((p.concern_speed_low, p.concern_speed_high))
        self.concern_speed = rng.uniform(low, high, self.n)
        half_life = p.alarm_half_life_days * np.exp(0.5 * rng.standard_normal(self.n))
        self.alarm_keep = 0.5 ** (1.0 / half_life)
        alarms = [p.alarm_of_deficit, p.alarm_of_auction, p.alarm_of_sell_off]
        sensitivity = np.array([*alarms, p.relief_of_issuance_cut, p.relief_of_purchases])
        self.alarm_weights = sensitivity * np.exp(0.5 * rng.standard_normal((self.n, 5)) - 0.125)
        self.alarm = np.zeros(self.n)
        self.priced_deficit = np.zeros(self.n)
        self.newly_priced = np.zeros(self.n)
        self.premium_log = -DURATION_YR * PREMIUM_PROFILE * p.fiscal_premium_30y_bp / 1e4  # per % of GDP priced
        self.premium_log[USDJPY] = p.fiscal_premium_yen_pct / 100.0
        durations = {"NIKKEI": p.real_duration_nikkei_yr, "NASDAQ": p.real_duration_nasdaq_yr}
        self.share_years = np.array([durations.get(IDS[i], p.real_duration_spx_yr) for i in EQUITIES])
        self.news_sum = np.zeros(N_MARKETS)
        self.policy_part = np.zeros(N_MARKETS)

    def start(self, view: View) -> None:
        """Everything is measured from day 0."""
        self.day_heard = view.day
        self.seen = FiscalState.of(view.public)
        self.opening_inflation_pct = view.public.inflation_expected_pct
        self.opening_aversion_sd = view.public.risk_aversion_sd
        self.opening_vol_ratio = view.vol / view.calm_vol

    def hear(self, view: View) -> bool:
        """Take in today's public news once; False if that was done."""
        if view.day <= self.day_heard:
            return False
        self.day_heard = view.day
        self.news_sum = self.news_sum + view.news
        self.policy_part = self.policy_part + view.policy_news
        now = FiscalState.of(view.public)
        if view.on("fiscal_concern"):
            felt = self.alarm_weights @ alarming_news(now, self.seen, view.sell_off_sd)
            self.alarm, self.newly_priced, self.priced_deficit = _act_on_concern(
                self.alarm, self.alarm_keep, felt, self.base_concern, self.concern_speed, self.priced_deficit,
                self.params.standing_deficit_pct_gdp, view.public.unfunded_pct_gdp,
            )  # fmt: skip
        self.seen = now
        return True

    @property
    def concern(self) -> np.ndarray:
        """Concern about the government's promise, (members,), 0 to 1."""
        return np.clip(self.base_concern + self.alarm, 0.0, 1.0)

    def change_without_daily_news(self, view: View) -> np.ndarray:
        """Log price change since day 0 from trades and from policy news, at home and read abroad, (markets,).

        The daily news moves bonds, shares and currencies together by a covariance that already contains how shares
        take to yields and to the yen; counting it again as a discount rate would count it twice.
        """
        return view.log_price - view.opening - self.news_sum + self.policy_part

    def revaluation(self, view: View) -> np.ndarray:
        """Change of log fair value since day 0 beyond public news, fiscal premium left out, (markets,).

        Shares: discount rate less growth, exports, volatility. All markets: risk aversion.
        """
        p, public = self.params, view.public
        inflation = (public.inflation_expected_pct - self.opening_inflation_pct) / 100.0
        turbulence = view.vol / view.calm_vol - self.opening_vol_ratio
        aversion = -p.aversion_pct / 100.0 * (public.risk_aversion_sd - self.opening_aversion_sd)
        return np.asarray(
            _revaluation(
                self.change_without_daily_news(view), public.growth_pct, inflation, turbulence, self.share_years,
                aversion, p.exporter_gain, p.risk_premium_pct,
            )
        )  # fmt: skip
