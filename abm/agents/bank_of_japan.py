"""The Bank of Japan: the policy rate at its meetings, purchases by an announced plan, exceptional purchases.

A weak yen makes it raise its rate, disorder in super-long bonds keeps it from doing so: the credibility trap. Most of
what a meeting decides is known beforehand from speeches and reports, which are part of the news about rates. What it
buys is paid with yen it creates, so its yen cash may go as far below zero as it likes. The purchases planned on day 0
are in the opening prices and their sellers are counted on: only deviations from that plan reach the market, so that
a bank that keeps to its plan posts nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import mesa
import numpy as np

from abm.agents.base import Params, Sector, par
from abm.world import economy
from abm.world.economy import DAYS_PER_MONTH, PERCEIVED_HIKE_RULE, HikeRule
from abm.world.events import OFFER_YIELDS_PCT, AssetPurchase, Event
from abm.world.instruments import (
    DURATION_YR,
    INDEX,
    JGBS,
    JPY,
    MARKETS,
    N_MARKETS,
    SUPER_LONG,
    USDJPY,
    move_in_quoted_units,
)
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View

JGB2, JGB10 = INDEX["JGB2"], INDEX["JGB10"]
MOST_PER_EVENT_JPY_TN = 100.0


class BankOfJapanParams(Params):
    """Parameters of the Bank of Japan. The rate rule's defaults are what the public believes it to be."""

    hike_step_bp: float = par(25.0, "bp", "moves of July 2024 to December 2025 (SOURCES.md 3)",
                              "size of a rise", 5, 100)  # fmt: skip
    hike_odds: float = par(
        PERCEIVED_HIKE_RULE.intercept, "log-odds", "4 rises in 16 meetings, March 2024 to December 2025 [calc]",
        "log-odds of a rise at a meeting, long after the last one and without any gap", -20, 20,
    )  # fmt: skip
    odds_per_rate_gap_pp: float = par(
        PERCEIVED_HIKE_RULE.per_rate_gap_pp, "1/pp", "SOURCES.md 3, inertia and gap [L]",
        "rise of the log-odds per point the policy rate is below the perceived terminal rate", 0, 20,
    )  # fmt: skip
    odds_per_inflation_pp: float = par(
        PERCEIVED_HIKE_RULE.per_inflation_pp, "1/pp", "SOURCES.md 3, inflation gap [L]",
        "rise of the log-odds per point of inflation above 2 %", 0, 20,
    )  # fmt: skip
    inertia_odds: float = par(
        PERCEIVED_HIKE_RULE.inertia, "log-odds", "SOURCES.md 3 (inertia 0.9); no back-to-back rises [L]",
        "fall of the log-odds right after a change", 0, 20,
    )  # fmt: skip
    inertia_half_life_days: float = par(
        PERCEIVED_HIKE_RULE.inertia_half_life_days, "trading days", "rises 4 to 11 months apart, 2024-2025 [calc]",
        "half-life of the inertia", 1, 500,
    )  # fmt: skip
    odds_per_yen_fall_pct: float = par(
        PERCEIVED_HIKE_RULE.per_yen_fall_pct, "1/%", "SOURCES.md 3: 4-6 pp per 1 % (L, sweep)",
        "rise of the log-odds per per cent of 20-day yen fall; 0.25 is 5 pp at p = 0.28", 0, 5,
    )  # fmt: skip
    odds_per_disorder_bp: float = par(
        PERCEIVED_HIKE_RULE.per_disorder_bp, "1/bp", "SOURCES.md 3: -8 pp per 10 bp (L, sweep)",
        "change of the log-odds per basis point of five-day JGB30 rise; -0.04 is -8 pp per 10 bp at p = 0.28", -1, 0,
    )  # fmt: skip
    known_share: float = par(
        0.98,
        "of variance",
        "JGB2 moved 2.9 bp (rms) on the 16 meeting days of March 2024 to January 2026 and 2.05 on others (Japan MoF): "
        "10 % of the decision's variance is left (3-17 %); swap rates of 2024 left rather more [mem]",
        "part of what it is inclined to decide that rate news of the days before a meeting gives away",
        0,
        0.999,
    )
    guidance_days: int = par(
        10,
        "trading days",
        "speeches and reports 7 to 14 days before the rises of 2024-2025 [mem]; in ten days JGB2 rose 4.4 bp before "
        "these rises and 0.9 before holds (Japan MoF)",
        "days before a meeting whose rate news does so",
        1,
        60,
    )
    exceptional_odds: float = par(
        -6.0, "log-odds", "SOURCES.md 3; none on 20 January 2026",
        "log-odds of an exceptional purchase on a day", -20, 5,
    )  # fmt: skip
    exceptional_odds_per_bp: float = par(
        0.08, "1/bp", "SOURCES.md 3", "rise of these log-odds per basis point of five-day JGB30 rise", 0, 1
    )
    exceptional_odds_weak_auction: float = par(
        1.5, "log-odds", "SOURCES.md 3",
        "rise of these log-odds while an auction one standard deviation or more below average is remembered", 0, 10,
    )  # fmt: skip
    exceptional_from_bp: float = par(
        10.0, "bp", "governor, 23 January 2026: in exceptional conditions unlike normal ones; two calm standard "
        "deviations over five days", "five-day JGB30 rise below which no exceptional purchase is considered", 0, 200,
    )  # fmt: skip
    exceptional_least_jpy_tn: float = par(
        0.3, "JPY tn", "operations of 2022-2023 (SOURCES.md 3)", "smallest exceptional purchase", 0, 50
    )
    exceptional_most_jpy_tn: float = par(1.0, "JPY tn", "SOURCES.md 3", "largest exceptional purchase", 0, 100)
    fixed_rate_trigger_bp: float = par(
        50.0, "bp", "SOURCES.md 3",
        "ten-day JGB10 rise above which it offers to buy at a fixed yield", 1, 500,
    )  # fmt: skip
    fixed_rate_days: int = par(5, "trading days", "offers of 2022 stood for days on end [mem]",
                               "how long an offer stands", 1, 250)  # fmt: skip
    fixed_rate_most_jpy_tn: float = par(
        10.0, "JPY tn a day", "9.5 in two days of January 2023 (SOURCES.md 3)",
        "most it buys in a day at the fixed yield", 0, 100,
    )  # fmt: skip
    fixed_rate_width_bp: float = par(
        2.0, "bp", "fixed-rate operations held the yield within a basis point or two [mem]",
        "rise of the yield over which the whole amount is bought", 0.1, 50,
    )  # fmt: skip

    @property
    def hike_rule(self) -> HikeRule:
        """The rate rule these parameters make."""
        return HikeRule(
            intercept=self.hike_odds,
            per_rate_gap_pp=self.odds_per_rate_gap_pp,
            per_inflation_pp=self.odds_per_inflation_pp,
            inertia=self.inertia_odds,
            inertia_half_life_days=self.inertia_half_life_days,
            per_yen_fall_pct=self.odds_per_yen_fall_pct,
            per_disorder_bp=self.odds_per_disorder_bp,
        )


@dataclass(frozen=True)
class Program:
    """A purchase under way: market, yen trillion a day, trading days left, and the yield it is offered at, if any."""

    market: int
    jpy_tn_per_day: float
    days_left: int
    fixed_yield_pct: float | None = None


def exceptional_purchase_probability(jgb30_5d_bp: float, weak_auction_sd: float, p: BankOfJapanParams) -> float:
    """Probability of an exceptional purchase today: logistic(-6 + 0.08 five-day JGB30 rise + 1.5 weak auction).

    weak_auction_sd: public memory of auction results, standard deviations, positive weak; counts fully from one on.
    None is considered before the yield has risen by exceptional_from_bp.
    """
    if jgb30_5d_bp < p.exceptional_from_bp:
        return 0.0
    weak = min(max(weak_auction_sd, 0.0), 1.0)
    odds = p.exceptional_odds + p.exceptional_odds_per_bp * jgb30_5d_bp + p.exceptional_odds_weak_auction * weak
    return economy.logistic(odds)


def direction_of(news: Sequence[float]) -> float:
    """Sum of daily news over the root of its summed squares: variance one whatever the size of the days, 0 for none."""
    size = math.sqrt(math.fsum(x * x for x in news))
    return math.fsum(news) / size if size > 0.0 else 0.0


def deviation_from_plan_usd_bn(view: View) -> np.ndarray:
    """Purchases of today beyond those planned on day 0, USD bn per market: a month's difference over 21 days."""
    public = view.public
    monthly = public.purchases_jpy_tn_per_month - public.planned_purchases_jpy_tn_per_month
    return np.asarray(monthly / DAYS_PER_MONTH * 1000.0 * view.usd_per_currency[JPY])


def fixed_rate_schedule(
    quote: float, market: int, yield_pct: float, most_usd_bn: float, width_bp: float
) -> tuple[float, float]:
    """Quantity at the quote (log price) and slope of an offer to buy at a fixed yield, USD bn.

    q(x) = slope (log p_fixed - quote - x), slope such that the whole amount is bought once the yield is width_bp
    above the fixed one; what is bought stays between 0 and the amount.
    """
    slope = most_usd_bn / (DURATION_YR[market] * width_bp / 1e4)
    fixed = -DURATION_YR[market] * yield_pct / 100.0
    return float(slope * (fixed - quote)), float(slope)


class BankOfJapan(Sector):
    """One bank. Sees inflation, the yen, the JGB curve and auction results; its own programs are private.

    programs: exceptional purchases and fixed-rate offers under way. rate_news: last days' public news about JGB2, log
    price turned to a rise of the yield; day_heard: the last of them.
    """

    id = "bank_of_japan"
    Params = BankOfJapanParams
    rules = ("boj_policy_rule", "boj_purchases", "exceptional_purchases")
    home = JPY
    params: BankOfJapanParams

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.loan_spread_pct = 0.0
        self.programs: tuple[Program, ...] = ()
        self.rate_news: tuple[float, ...] = ()
        self.day_heard = 0

    # -- decisions that become public before the market opens ----------------------------------------------------

    def announce(self, view: View) -> list[Event]:
        """The rate decision on the day of a meeting; exceptional purchases and fixed-rate offers under disorder."""
        events: list[Event] = []
        if self._meets_today(view):
            events.append(self._decide_rate(view))
        if view.on("exceptional_purchases") and view.on("boj_purchases"):
            events += self._consider_exceptional_purchase(view)
            events += self._consider_fixed_rate_offer(view)
        self._hear_rates(view)
        return events

    def _hear_rates(self, view: View) -> None:
        """Today's public news about the two-year yield joins that of the days before, once."""
        if view.day > self.day_heard:
            self.day_heard = view.day
            self.rate_news = (*self.rate_news, -float(view.news[JGB2]))[-self.params.guidance_days :]

    def _meets_today(self, view: View) -> bool:
        public = view.public
        return view.on("boj_policy_rule") and public.meetings.get("BOJ") == 0 and "BOJ" not in public.decided

    def hike_probabilities(self, view: View) -> tuple[float, float]:
        """Probability of a rise by its own rule, and as the public perceives it, from yesterday's closes and news.

        The daily news about short yields contains what speeches and reports say of the next decision: it is no
        further news, but tells which decision it was about, so that little is left for the day of the meeting.
        """
        yen = 100.0 * float(view.close[USDJPY] - view.history[-21, USDJPY])
        jgb30 = float(move_in_quoted_units(view.close - view.history[-6])[INDEX["JGB30"]])
        own = economy.perceived_hike_risk(view.public, yen, jgb30, self.params.hike_rule)
        perceived = economy.perceived_hike_risk(view.public, yen, jgb30)
        if not any(self.rate_news):
            return own, perceived
        heard, known = direction_of(self.rate_news), self.params.known_share
        return economy.after_news(own, heard, known), economy.after_news(perceived, heard, known)

    def _decide_rate(self, view: View) -> Event:
        """Raise or hold; what the public had priced of it is no news."""
        own, perceived = self.hike_probabilities(view)
        moved = bool(self.uniform(view, "rate decision")[0] < own)
        return economy.decision("BOJ", self.params.hike_step_bp, perceived, moved, cause=self.id)

    def _consider_exceptional_purchase(self, view: View) -> list[Event]:
        """Under disorder, with the probability above, a purchase of the super-long bond whose yield rose most."""
        p = self.params
        rise = view.yield_change_bp("JGB30", 5)
        probability = exceptional_purchase_probability(rise, view.public.weak_auction_sd, p)
        if probability == 0.0:
            return []
        occurs, size = view.streams.on(self.id, "exceptional purchase", view.day).random(2)
        if occurs >= probability:
            return []
        rises = move_in_quoted_units(view.change(5))[SUPER_LONG]
        worst = MARKETS[SUPER_LONG[int(np.argmax(rises))]].id
        amount = p.exceptional_least_jpy_tn + size * (p.exceptional_most_jpy_tn - p.exceptional_least_jpy_tn)
        return [AssetPurchase(market=worst, amount_jpy_tn=amount, note="exceptional purchase", cause=self.id)]

    def _consider_fixed_rate_offer(self, view: View) -> list[Event]:
        """After a rise of JGB10 beyond the trigger within ten days, an offer to buy at about yesterday's yield."""
        p = self.params
        offered = any(program.fixed_yield_pct is not None for program in self.programs)
        if offered or view.yield_change_bp("JGB10", 10) <= p.fixed_rate_trigger_bp:
            return []
        yesterday = view.yield_pct("JGB10") - 0.01 * float(move_in_quoted_units(view.log_price - view.close)[JGB10])
        total = min(p.fixed_rate_most_jpy_tn * p.fixed_rate_days, MOST_PER_EVENT_JPY_TN)
        return [
            AssetPurchase(
                market="JGB10",
                amount_jpy_tn=total,
                days=p.fixed_rate_days,
                fixed_yield_pct=float(np.clip(yesterday, *OFFER_YIELDS_PCT)),
                note="fixed-rate offer",
                cause=self.id,
            )
        ]

    def receive(self, event: Event) -> None:
        """A purchase, its own or a scenario's, is booked as a program."""
        if isinstance(event, AssetPurchase):
            daily = event.amount_jpy_tn / event.days
            program = Program(INDEX[event.market], daily, event.days, event.fixed_yield_pct)
            self.programs = (*self.programs, program)

    # -- orders ----------------------------------------------------------------------------------------------------

    def decide(self, view: View) -> np.ndarray:
        """Deviation from the plan, programs of the day, fixed-rate offers."""
        if not view.on("boj_purchases"):
            return no_orders()
        amounts = deviation_from_plan_usd_bn(view) + self._programs_usd_bn(view)
        if not self.programs and not amounts.any():
            return no_orders()
        owned = np.maximum(self.book.holdings_usd(view.log_price)[0], 0.0)
        bought = np.maximum(amounts, -owned)[JGBS]
        blocks = [post(JGBS, bought[None, :], "asset_purchase")]
        blocks += [self._offer(program, view) for program in self.programs if program.fixed_yield_pct is not None]
        return join(blocks)

    def _programs_usd_bn(self, view: View) -> np.ndarray:
        """Fixed quantities that programs buy today, USD bn per market."""
        out = np.zeros(N_MARKETS)
        for program in self.programs:
            if program.fixed_yield_pct is None:
                out[program.market] += program.jpy_tn_per_day
        return np.asarray(out * 1000.0 * view.usd_per_currency[JPY])

    def _offer(self, program: Program, view: View) -> np.ndarray:
        """The schedule of a fixed-rate offer."""
        assert program.fixed_yield_pct is not None
        most = program.jpy_tn_per_day * 1000.0 * view.usd_per_currency[JPY]
        quote = float(view.log_price[program.market])
        width = self.params.fixed_rate_width_bp
        quantity, slope = fixed_rate_schedule(quote, program.market, program.fixed_yield_pct, most, width)
        return post(program.market, np.array([quantity]), "asset_purchase", slope=slope, lo=0.0, hi=most)

    def end_of_day(self, view: View) -> None:
        """Programs run down."""
        self.programs = tuple(
            replace(program, days_left=program.days_left - 1) for program in self.programs if program.days_left > 1
        )

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Purchases still to come under programs, yen trillion."""
        left = sum(p.jpy_tn_per_day * p.days_left for p in self.programs if p.fixed_yield_pct is None)
        return {"programs_jpy_tn": np.array([left])}
