"""The Ministry of Finance: a ladder of words, rate checks and operations for the yen, and the management of the debt.

Disorder of USDJPY (level above a line, 20-day speed, volatility) makes the next step likelier, never certain: an
ordered choice with friction (Ito and Yabu). Words and checks move nothing but beliefs. Operations sell dollars out of
deposits abroad, which are refilled by selling Treasuries, short ones first. The yen bought stay as cash: they retire
financing bills. After stress in super-long bonds the ministry cuts their issuance, up to buying back.
"""

import datetime as dt
import math
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import mesa
import numpy as np

from abm.agents.base import Opening, Params, Sector, par
from abm.world import economy
from abm.world.events import (
    Event,
    FxIntervention,
    IssuanceChange,
    RateCheck,
    TreasurySale,
    VerbalIntervention,
)
from abm.world.instruments import INDEX, JPY, MARKETS, SUPER_LONG, USD, USDJPY, indices
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View

DECISIVE_WORDS: Final = 4
CHECK: Final = 5
OPERATION: Final = 6
FOLLOW_UP_DAYS: Final = 10
FRIDAY: Final = 4
TREASURIES: Final = indices("UST2", "UST10", "UST30")
THIN_SEASONS: Final = (((4, 27), (5, 6)), ((8, 10), (8, 16)), ((12, 22), (12, 31)), ((1, 1), (1, 5)))
THIN_SHARE: Final = 0.25  # of trading days: Fridays, days after a closure, holiday seasons


class MinistryOfFinanceParams(Params):
    """Parameters of the Ministry of Finance."""

    deposits_usd_bn: float = par(160.0, "USD bn", "MoF (SOURCES.md 6)", "deposits abroad on day 0", 0, 2000)
    opening_ladder: int = par(3, "step", "words of 22-23 December 2025 (SOURCES.md 3)",
                              "last step on day 0: 0 silence, 1-4 words, 5 check, 6 operation", 0, 6)  # fmt: skip
    line_above_opening_pct: float = par(
        -0.15, "%", "158.7, median of the six levels of its steps 2022-2024 (145.9 to 161.76), over the opening 158.95",
        "level of USDJPY from which it counts as too weak, above the opening", -30, 50,
    )  # fmt: skip
    line_half_life_days: float = par(
        120.0, "trading days", "from 146 to 152 to 160 to 162 in 22 months (SOURCES.md 3) [L]",
        "time in which the line gives half-way to a level above it that holds", 1, 5000,
    )  # fmt: skip
    odds_per_level_pct: float = par(
        0.4, "1/%", "daily USDJPY 2022-2026 against 3 checks and 4 campaigns [calc]",
        "rise of the log-odds of a step per per cent above the line", 0, 10,
    )  # fmt: skip
    odds_per_speed_pct: float = par(
        0.8, "1/%", "6-8 % a month before September 2022; as above [calc]",
        "rise of the log-odds per per cent of 20-day rise beyond the usual", 0, 10,
    )  # fmt: skip
    usual_speed_pct: float = par(2.5, "%", "calm standard deviation over 20 days 2.2 % [calc]",
                                 "20-day rise of USDJPY that is not yet one-sided", 0, 50)  # fmt: skip
    odds_per_vol: float = par(2.0, "1", "as above [calc]", "rise of the log-odds per calm volatility in excess of it",
                              0, 20)  # fmt: skip
    words_odds: float = par(-3.5, "log-odds", "a few escalations a year 2022-2026 [L]",
                            "of words on a day, at the line, without speed", -20, 5)  # fmt: skip
    check_odds: float = par(-6.0, "log-odds", "3 checks 2022-2026; as above [calc]",
                            "of a rate check on a day, once words are decisive", -20, 5)  # fmt: skip
    operation_odds: float = par(-7.0, "log-odds", "3 campaigns without a check 2022-2026; as above [calc]",
                                "of an operation on a day without a check before", -20, 5)  # fmt: skip
    days_between_words: int = par(4, "trading days", "L2 to L4 took weeks, 2022, 2025-26 (SOURCES.md 3)",
                                  "least time between steps of words, and to a check", 1, 100)  # fmt: skip
    quiet_days_per_step: int = par(20, "trading days", "the public's memory (economy.SILENCE_DAYS) [L]",
                                   "silence after which the ladder is one step lower", 1, 500)  # fmt: skip
    pause_days: int = par(20, "trading days", "September to October 2022: 20 trading days [calc]",
                          "least time from a campaign or a lapsed check to the next", 0, 250)  # fmt: skip
    follow_up_chance: float = par(
        2 / 3, "probability", "SOURCES.md 3: two of three checks",
        "of an operation within ten days after a check while the yen stays weak", 0, 0.99,
    )  # fmt: skip
    retreat_slack_pct: float = par(1.0, "%", "noise of ten days: two daily volatilities [calc]",
                                   "fall of USDJPY from its ten-day high that still counts as weak", 0, 20)  # fmt: skip
    retreat_halving_pct: float = par(
        0.75, "%", "January 2026: -4 % after the check and no operation (SOURCES.md 3)",
        "further fall that halves the chance of an operation", 0.05, 20,
    )  # fmt: skip
    ticket_least_jpy_tn: float = par(0.7, "JPY tn", "SOURCES.md 3", "smallest operation of a day", 0, 30)
    ticket_most_jpy_tn: float = par(6.0, "JPY tn", "5.9 on 29 April 2024, MoF", "largest operation of a day", 0, 30)
    campaign_least_jpy_tn: float = par(5.5, "JPY tn", "July 2024, MoF", "smallest campaign", 0, 100)
    campaign_most_jpy_tn: float = par(10.0, "JPY tn", "April-May 2024: 9.8, MoF", "largest campaign", 0, 200)
    next_ticket_chance: float = par(
        0.35, "probability a day", "second tickets after 1 to 2 trading days in 2022 and 2024, MoF [calc]",
        "of the next operation of a campaign, while the yen stays weak", 0, 1,
    )  # fmt: skip
    thin_day_multiple: float = par(2.0, "multiple", "thin holidays preferred (SOURCES.md 3) [L]",
                                   "chance of an operation on a thin day over that on another", 0.1, 20)  # fmt: skip
    deposit_share: float = par(0.1, "fraction", "0-20 % from deposits (SOURCES.md 3)",
                               "part of an operation that deposits bear for good", 0, 1)  # fmt: skip
    funding_days: int = par(5, "trading days", "settlement and orderly sale [mem]",
                            "time over which Treasuries are sold for an operation", 1, 60)  # fmt: skip
    short_runs_low_share: float = par(
        0.5, "fraction", "SOURCES.md 3: shifting to long ones as short ones run low [L]",
        "of the opening UST2 holding, below which UST10 and UST30 are sold too", 0.01, 1,
    )  # fmt: skip
    stress_bp: float = par(40.0, "bp", "45 bp on 20 January 2026; four calm standard deviations (MoF yields) [calc]",
                           "20-day rise of JGB30 or JGB40 that counts as stress", 1, 500)  # fmt: skip
    stress_weak_auction_sd: float = par(
        3.0, "standard deviations", "a very weak auction, or two weak ones in a week [L]",
        "memory of weak auctions that counts as stress", 0.1, 50,
    )  # fmt: skip
    review_chance: float = par(0.1, "probability a day", "expected within days in May 2025 (SOURCES.md 2)",
                               "of deciding on a cut on a day of stress", 0, 1)  # fmt: skip
    review_least_days: int = par(10, "trading days", "cut of June 2025, stress in May (SOURCES.md 1)",
                                 "shortest way from decision to announcement (dealers' meetings)", 1, 250)  # fmt: skip
    review_most_days: int = par(30, "trading days", "as above", "longest way", 1, 250)
    cut_share: float = par(0.2, "fraction of planned issuance", "FY2025: -3.2 of 24.6 tn in nine months; FY2026: -7.2",
                           "cut of super-long issuance at stress just reached", 0, 2)  # fmt: skip
    largest_cut_share: float = par(1.5, "fraction of planned issuance", "buy-backs discussed in 2025 [L]",
                                   "largest cut in all; above one is a net buy-back", 0, 5)  # fmt: skip
    days_between_cuts: int = par(60, "trading days", "quarterly meetings with dealers and investors, MoF",
                                 "least time between cuts", 1, 500)  # fmt: skip


class Chances(NamedTuple):
    """Probabilities of today's step: an operation, a rate check, words."""

    operation: float
    check: float
    words: float


@dataclass(frozen=True)
class Flow:
    """Something under way: amount a day and trading days left; market and whether the dollars become yen."""

    per_day: float
    days_left: int
    market: int = USDJPY
    repatriate: bool = False


def disorder_index(level_pct: float, speed_20d_pct: float, vol_ratio: float, p: MinistryOfFinanceParams) -> float:
    """Disorder of USDJPY in log-odds: level above the line, 20-day rise beyond the usual, volatility in excess of calm.

    The latent variable of an ordered choice with friction (Ito and Yabu, NBER w10456 and w26644).
    """
    return (
        p.odds_per_level_pct * level_pct
        + p.odds_per_speed_pct * max(speed_20d_pct - p.usual_speed_pct, 0.0)
        + p.odds_per_vol * max(vol_ratio - 1.0, 0.0)
    )


def staying_weak(retreat_pct: float, p: MinistryOfFinanceParams) -> float:
    """Factor on the chance of an operation, halved for every retreat_halving_pct by which the yen has moved away."""
    return float(0.5 ** (max(retreat_pct - p.retreat_slack_pct, 0.0) / p.retreat_halving_pct))


def daily_chance(chance_within: float, days: int) -> float:
    """Daily probability that adds up to the given one within so many days: 1 - (1 - P)^(1/days)."""
    return float(1.0 - (1.0 - chance_within) ** (1.0 / days))


def is_thin(date: dt.date, previous: dt.date | None) -> bool:
    """A day of thin trading: a Friday, the first day after a closure, or in a holiday season."""
    after_closure = previous is not None and np.busday_count(previous, date) > 1
    season = any(start <= (date.month, date.day) <= end for start, end in THIN_SEASONS)
    return bool(date.weekday() == FRIDAY or after_closure or season)


def funding_split(need_usd_bn: float, owned: np.ndarray, opening: np.ndarray, low_share: float) -> np.ndarray:
    """Treasuries sold for a need: UST2 alone while plenty, then UST10 and UST30 in proportion, USD bn (3,).

    The short share is min(1, (owned / opening) / low_share) of UST2; nothing is sold that is not owned.
    """
    short = min(1.0, owned[0] / max(opening[0] * low_share, 1e-12))
    long_owned = owned[1:] / max(owned[1:].sum(), 1e-12)
    wanted = need_usd_bn * np.concatenate([[short], (1.0 - short) * long_owned])
    sold = np.minimum(wanted, owned)
    missing = need_usd_bn - sold.sum()
    left = owned - sold
    return np.asarray(sold + left * min(max(missing, 0.0) / max(left.sum(), 1e-12), 1.0))


class MinistryOfFinance(Sector):
    """One ministry. Sees USDJPY, JGB yields and auctions; the state of its ladder, campaign and funding is private.

    ladder: last step taken. days_quiet: trading days since. days_since_action: since the last operation or check.
    line: log USDJPY from which it counts as too weak. campaign_left_jpy_tn: what the running campaign may still spend.
    operations, sales: under way, JPY tn and USD bn a day. funding_due_usd_bn, funding_pace_usd_bn: Treasuries still to
    be sold for operations, and how many a day. review: days until a cut of issuance is announced, and its share.
    """

    id = "ministry_of_finance"
    Params = MinistryOfFinanceParams
    rules = ("mof_ladder", "mof_operations", "treasury_funding", "debt_management")
    home = USD
    params: MinistryOfFinanceParams

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.loan_spread_pct = 0.0
        self.ladder: int = params.opening_ladder
        self.days_quiet = 0
        self.days_since_action = economy.NEVER
        self.campaign_left_jpy_tn = 0.0
        self.operations: tuple[Flow, ...] = ()
        self.sales: tuple[Flow, ...] = ()
        self.funding_due_usd_bn = 0.0
        self.funding_pace_usd_bn = 0.0
        self.spent_usd_bn = 0.0
        self.funded_usd_bn = 0.0
        self.line = 0.0
        self.opening_treasuries_usd_bn = np.zeros(TREASURIES.size)
        self.last_date: dt.date | None = None
        self.days_since_cut = economy.NEVER
        self.review: tuple[int, float] | None = None

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Securities of the reserves, and deposits abroad."""
        book = super().opening(holdings_usd_bn, view)
        book.cash_usd_bn[0, USD] = self.params.deposits_usd_bn
        return book

    def start(self, view: View) -> None:
        """The line stands above the opening level; short Treasuries are counted."""
        self.line = float(view.log_price[USDJPY]) + math.log1p(self.params.line_above_opening_pct / 100.0)
        self.opening_treasuries_usd_bn = self._treasuries_usd_bn(view)

    # -- the ladder --------------------------------------------------------------------------------------------------

    def announce(self, view: View) -> list[Event]:
        """Today's step on the ladder and changes of the issuance plan, if any."""
        events: list[Event] = []
        if view.on("mof_ladder"):
            events += self._take_step(view)
        if view.on("debt_management"):
            events += self._manage_debt(view)
        return events

    def disorder(self, view: View) -> float:
        """Today's disorder index, from yesterday's closes."""
        close = float(view.close[USDJPY])
        level = 100.0 * (close - self.line)
        speed = 100.0 * (close - float(view.history[-21, USDJPY]))
        return disorder_index(level, speed, float(view.vol[USDJPY] / view.calm_vol[USDJPY]), self.params)

    def chances(self, view: View) -> Chances:
        """Probabilities of today's steps, given the last one."""
        p = self.params
        index = self.disorder(view)
        rested = self.days_since_action >= p.pause_days
        escalates = self.ladder == DECISIVE_WORDS and self.days_quiet >= p.days_between_words
        check = economy.logistic(p.check_odds + index) if escalates and rested else 0.0
        may_speak = self.ladder <= DECISIVE_WORDS and self.days_quiet >= p.days_between_words
        words = economy.logistic(p.words_odds + index) if may_speak else 0.0
        if not view.on("mof_operations") or self._affordable_jpy_tn(view) < p.ticket_least_jpy_tn:
            return Chances(0.0, check, words)
        return Chances(self._operation_chance(view, index, rested), check, words)

    def _operation_chance(self, view: View, index: float, rested: bool) -> float:
        """Probability of an operation today: after a check, within a campaign, or out of the blue."""
        p = self.params
        direct = economy.logistic(p.operation_odds + index) if rested else 0.0
        retreat = 100.0 * float(view.history[-FOLLOW_UP_DAYS:, USDJPY].max() - view.close[USDJPY])
        if self.ladder == CHECK:
            direct = max(direct, daily_chance(p.follow_up_chance, FOLLOW_UP_DAYS) * staying_weak(retreat, p))
        elif self.ladder == OPERATION and self.campaign_left_jpy_tn >= p.ticket_least_jpy_tn:
            direct = p.next_ticket_chance * staying_weak(retreat, p)
        thin = p.thin_day_multiple if is_thin(view.date, self.last_date) else 1.0
        return min(direct * thin / (1.0 + THIN_SHARE * (p.thin_day_multiple - 1.0)), 1.0)

    def _take_step(self, view: View) -> list[Event]:
        """At most one step a day, drawn with today's chances."""
        chances = self.chances(view)
        u = float(self.uniform(view, "ladder")[0])
        if u < chances.operation:
            return [self._operate(view)]
        if u < chances.operation + chances.check:
            return [RateCheck(note="rate check", cause=self.id)]
        if u < sum(chances):
            return [VerbalIntervention(level=min(self.ladder + 1, DECISIVE_WORDS), cause=self.id)]
        return []

    def _operate(self, view: View) -> Event:
        """A ticket of the running campaign, or the first of a new one."""
        p = self.params
        campaign, ticket = view.streams.on(self.id, "size of operation", view.day).random(2)
        if self.ladder != OPERATION or self.campaign_left_jpy_tn < p.ticket_least_jpy_tn:
            spread = p.campaign_most_jpy_tn - p.campaign_least_jpy_tn
            self.campaign_left_jpy_tn = p.campaign_least_jpy_tn + campaign * spread
        amount = p.ticket_least_jpy_tn + ticket * (p.ticket_most_jpy_tn - p.ticket_least_jpy_tn)
        amount = min(amount, self.campaign_left_jpy_tn, self._affordable_jpy_tn(view))
        return FxIntervention(amount_jpy_tn=amount, cause=self.id)

    def _affordable_jpy_tn(self, view: View) -> float:
        """Yen that deposits, and Treasuries if they may be sold, can buy, yen trillion."""
        return self._war_chest_usd_bn(view) / (1000.0 * float(view.usd_per_currency[JPY]))

    def _war_chest_usd_bn(self, view: View) -> float:
        deposits = max(float(self.book.cash[0, USD] - self.book.loans[0, USD]), 0.0)
        return deposits + (float(self._treasuries_usd_bn(view).sum()) if view.on("treasury_funding") else 0.0)

    def _treasuries_usd_bn(self, view: View) -> np.ndarray:
        return np.asarray(np.maximum(self.book.holdings_usd(view.log_price)[0, TREASURIES], 0.0))

    def receive(self, event: Event) -> None:
        """Its own steps and a scenario's are booked the same way; a scenario's operation is a campaign in itself."""
        if isinstance(event, VerbalIntervention):
            self.ladder, self.days_quiet = event.level, 0
        elif isinstance(event, RateCheck):
            self.ladder, self.days_quiet, self.days_since_action = CHECK, 0, 0
        elif isinstance(event, FxIntervention):
            mine = event.cause == self.id
            self.campaign_left_jpy_tn = max(self.campaign_left_jpy_tn - event.amount_jpy_tn, 0.0) if mine else 0.0
            self.ladder = OPERATION if event.amount_jpy_tn > 0.0 else 0
            self.days_quiet = self.days_since_action = 0
            self.operations = (*self.operations, Flow(event.amount_jpy_tn / event.days, event.days))
        elif isinstance(event, TreasurySale):
            flow = Flow(event.amount_usd_bn / event.days, event.days, INDEX[event.market], event.repatriate)
            self.sales = (*self.sales, flow)

    # -- debt management -------------------------------------------------------------------------------------------

    def super_long_stress(self, view: View) -> float:
        """Stress of super-long bonds, one where a cut is considered: 20-day rise of JGB30 or JGB40, weak auctions."""
        rise = max(view.yield_change_bp("JGB30", 20), view.yield_change_bp("JGB40", 20), 0.0)
        weak = max(view.public.weak_auction_sd, 0.0)
        return rise / self.params.stress_bp + weak / self.params.stress_weak_auction_sd

    def _manage_debt(self, view: View) -> list[Event]:
        """Under stress a cut is decided, by chance; after talks with dealers and investors it is announced."""
        p = self.params
        if self.review is not None:
            days, share = self.review
            return self._cut(view, share) if days <= 0 else []
        stress = self.super_long_stress(view)
        if stress < 1.0 or self.days_since_cut < p.days_between_cuts:
            return []
        decides, delay = view.streams.on(self.id, "issuance review", view.day).random(2)
        if decides < p.review_chance * stress:
            days = round(p.review_least_days + delay * max(p.review_most_days - p.review_least_days, 0))
            self.review = (days, p.cut_share * stress)
        return []

    def _cut(self, view: View, share: float) -> list[Event]:
        """Super-long issuance is cut by a share of the plan, in all by no more than the largest cut."""
        self.review, self.days_since_cut = None, 0
        public = view.public
        planned = public.planned_issuance_jpy_tn_per_month[SUPER_LONG]
        least = (1.0 - self.params.largest_cut_share) * planned
        now = public.issuance_jpy_tn_per_month[SUPER_LONG]
        changes = np.maximum(np.minimum(least - now, 0.0), -share * planned)
        return [
            IssuanceChange(
                market=MARKETS[i].id,
                change_jpy_tn_per_month=max(float(change), -10.0),
                note="super-long issuance cut",
                cause=self.id,
            )
            for i, change in zip(SUPER_LONG, changes, strict=True)
            if change < 0.0
        ]

    # -- orders ----------------------------------------------------------------------------------------------------

    def decide(self, view: View) -> np.ndarray:
        """Dollars sold for yen, Treasuries sold to refill deposits, Treasuries sold by decree."""
        self.spent_usd_bn = self.funded_usd_bn = 0.0
        if not self.operations and not self.sales and self.funding_due_usd_bn == 0.0:
            return no_orders()
        blocks = [no_orders()]
        if view.on("mof_operations"):
            self.spent_usd_bn = self._dollars_to_sell(view)
            blocks.append(post(USDJPY, np.array([-self.spent_usd_bn]), "intervention"))
        if view.on("treasury_funding"):
            sold = self._refill(view)
            self.funded_usd_bn = float(sold.sum())
            blocks.append(post(TREASURIES, -sold[None, :], "intervention_funding"))
            blocks += self._sell_by_decree(view, self._treasuries_usd_bn(view) - sold)
        return join(blocks)

    def _dollars_to_sell(self, view: View) -> float:
        """Today's operations, USD bn, within what deposits and Treasuries can pay."""
        wanted = sum(flow.per_day for flow in self.operations) * 1000.0 * float(view.usd_per_currency[JPY])
        return min(wanted, self._war_chest_usd_bn(view))

    def _refill(self, view: View) -> np.ndarray:
        """Treasuries sold today to refill deposits, USD bn (3,): an even part of what is due, or what deposits lack."""
        p = self.params
        borne = (1.0 - p.deposit_share) * max(self.spent_usd_bn, 0.0)
        due = self.funding_due_usd_bn + borne
        deposits = float(self.book.cash[0, USD] - self.book.loans[0, USD])
        lacking = max(self.spent_usd_bn - max(deposits, 0.0), 0.0)
        need = max(min(self.funding_pace_usd_bn + borne / p.funding_days, due), lacking)
        if need <= 0.0:
            return np.zeros(TREASURIES.size)
        owned = self._treasuries_usd_bn(view)
        return funding_split(need, owned, self.opening_treasuries_usd_bn, p.short_runs_low_share)

    def _sell_by_decree(self, view: View, owned_usd_bn: np.ndarray) -> list[np.ndarray]:
        """Scheduled sales of Treasuries, as far as owned, and of the dollars if they are to come home."""
        blocks = []
        left = dict(zip(TREASURIES.tolist(), owned_usd_bn.tolist(), strict=True))
        for flow in self.sales:
            sold = min(flow.per_day, left[flow.market])
            left[flow.market] -= sold
            blocks.append(post(flow.market, np.array([-sold]), "intervention_funding"))
            if flow.repatriate and view.on("mof_operations"):
                blocks.append(post(USDJPY, np.array([-sold]), "intervention"))
        return blocks

    def end_of_day(self, view: View) -> None:
        """Operations, sales and funding run down; silence lowers the ladder; the line gives way to what holds."""
        self._book_funding()
        self._shift_line(view)
        self.operations = _one_day_on(self.operations)
        self.sales = _one_day_on(self.sales)
        self.days_quiet += 1
        self.days_since_action += 1
        self.days_since_cut += 1
        if self.review is not None:
            self.review = (self.review[0] - 1, self.review[1])
        if self.ladder > DECISIVE_WORDS and self.days_quiet > FOLLOW_UP_DAYS:
            self.ladder, self.campaign_left_jpy_tn = DECISIVE_WORDS, 0.0
        elif self.days_quiet % self.params.quiet_days_per_step == 0:
            self.ladder = max(self.ladder - 1, 0)
        self.last_date = view.date

    def _shift_line(self, view: View) -> None:
        """The line moves up to a level once defended, and gives way to one that holds; it does not come down again."""
        if self.spent_usd_bn > 0.0:
            self.line = max(self.line, float(view.close[USDJPY]))
        keep = 0.5 ** (1.0 / self.params.line_half_life_days)
        self.line += (1.0 - keep) * max(float(view.log_price[USDJPY]) - self.line, 0.0)

    def _book_funding(self) -> None:
        """What today's operations added to the funding still due, and what was sold for it; both are told."""
        p = self.params
        borne = (1.0 - p.deposit_share) * max(self.spent_usd_bn, 0.0)
        self.funding_pace_usd_bn += borne / p.funding_days
        self.funding_due_usd_bn = max(self.funding_due_usd_bn + borne - self.funded_usd_bn, 0.0)
        if self.funding_due_usd_bn <= 1e-9:
            self.funding_due_usd_bn = self.funding_pace_usd_bn = 0.0
        if self.spent_usd_bn > 0.0:
            self._words.append(f"The ministry pays USD {self.spent_usd_bn:.1f} bn out of deposits for yen")
        if self.funded_usd_bn > 0.0:
            sold = f"Treasuries for USD {self.funded_usd_bn:.1f} bn"
            self._words.append(f"The ministry sells {sold} to refill its deposits")

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Ladder, deposits (USD bn) and Treasuries still to be sold for operations (USD bn)."""
        return {
            "ladder": np.array([float(self.ladder)]),
            "deposits_usd_bn": np.array([float(self.book.cash[0, USD] - self.book.loans[0, USD])]),
            "funding_due_usd_bn": np.array([self.funding_due_usd_bn]),
        }


def _one_day_on(flows: tuple[Flow, ...]) -> tuple[Flow, ...]:
    return tuple(replace(flow, days_left=flow.days_left - 1) for flow in flows if flow.days_left > 1)
