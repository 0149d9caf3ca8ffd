"""The government: a mandate, fiscal programmes, and the bonds that pay for them.

A programme becomes bonds with a lag of weeks: the issuance plan is raised, maturity by maturity, and what is planned
is sold evenly over the trading days. The plan of day 0 has its regular buyers (insurers, the rest of the world), so a
government that keeps to it does not move prices. Auctions are where weak demand shows: on an auction's day the
concession that the market asked for is measured, and published the next day.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

import mesa
import numpy as np

from abm.agents.base import Params, Sector, par
from abm.world.economy import DAYS_PER_MONTH, DAYS_PER_YEAR
from abm.world.events import AuctionResult, Election, Event, FiscalAnnouncement, IssuanceChange, TaxCut
from abm.world.instruments import INDEX, JGB_IDS, JGBS, JPY, MARKETS, SUPER_LONG
from abm.world.orders import no_orders, post
from abm.world.record import changed
from abm.world.streams import Streams
from abm.world.view import View

MOST_PER_EVENT_JPY_TN: Final = 10.0  # of monthly issuance, per maturity
MOST_PROGRAMME_PER_EVENT_JPY_TN: Final = 200.0
MOST_TAX_PER_EVENT_JPY_TN: Final = 50.0  # a year
LARGEST_STRENGTH_SD: Final = 5.0
TUESDAY, WEDNESDAY, THURSDAY = 1, 2, 3
Mandate = Literal["strong", "weak", "hung"]
MANDATES: Final[tuple[Mandate, ...]] = ("strong", "weak", "hung")


class GovernmentParams(Params):
    """Parameters of the government."""

    issuance_lag_days: int = par(
        30, "trading days", "SOURCES.md 3: weeks; supplementary budgets change the issuance plan after 4-8 weeks [mem]",
        "from the announcement of a programme to the first extra bonds", 1, 250,
    )  # fmt: skip
    share_jgb2: float = par(0.530, "fraction", "FY2026 plan: bills and 2-year, rest of 168.5 tn [calc]",
                            "share of extra issuance in JGB2", 0, 1)  # fmt: skip
    share_jgb10: float = par(0.367, "fraction", "FY2026 plan: 5- and 10-year, about 62 of 168.5 tn [mem]",
                             "share of extra issuance in JGB10", 0, 1)  # fmt: skip
    share_jgb20: float = par(0.050, "fraction", "FY2026 plan: about 8.4 of 168.5 tn (17.4 super-long) [calc]",
                             "share of extra issuance in JGB20", 0, 1)  # fmt: skip
    share_jgb30: float = par(0.043, "fraction", "FY2026 plan: about 7.2 of 168.5 tn (17.4 super-long) [calc]",
                             "share of extra issuance in JGB30", 0, 1)  # fmt: skip
    share_jgb40: float = par(0.010, "fraction", "FY2026 plan: about 1.8 of 168.5 tn (17.4 super-long) [calc]",
                             "share of extra issuance in JGB40", 0, 1)  # fmt: skip
    strong_factor: float = par(1.15, "multiple", "a mandate confirms the programme and adds to it [L]",
                               "what stands of programmes not yet enacted after a strong mandate", 0, 3)  # fmt: skip
    weak_factor: float = par(0.8, "multiple", "coalition partners are paid in concessions [L]",
                             "what stands after a weak mandate", 0, 3)  # fmt: skip
    hung_factor: float = par(0.4, "multiple", "no majority passes more than the consensus part [L]",
                             "what stands when no one has a majority", 0, 3)  # fmt: skip
    strong_chance: float = par(0.45, "probability", "polls before 8 February 2026 [mem]",
                               "chance of a strong mandate in an open election", 0, 1)  # fmt: skip
    hung_chance: float = par(0.15, "probability", "polls before 8 February 2026 [mem]",
                             "chance of no majority in an open election; a weak mandate is the rest", 0, 1)  # fmt: skip
    concession_sd: float = par(
        0.5, "daily volatilities", "flow share of calm variance 0.2-0.3 (SOURCES.md 8): square root",
        "move from the quote to the close of an average auction day: one standard deviation of strength", 0.05, 5,
    )  # fmt: skip

    @property
    def mix(self) -> np.ndarray:
        """Shares of extra issuance by maturity, JGB2 to JGB40, made to sum to one."""
        shares = np.array([self.share_jgb2, self.share_jgb10, self.share_jgb20, self.share_jgb30, self.share_jgb40])
        return np.asarray(shares / max(shares.sum(), 1e-300))


@dataclass(frozen=True)
class Budget:
    """A programme on its way: yen trillion a year and years; days_until its first bonds, days_left of selling them."""

    jpy_tn_per_yr: float
    years: float
    is_tax_cut: bool
    days_until: int
    days_left: int

    @property
    def enacted(self) -> bool:
        """Whether its bonds are already being sold."""
        return self.days_until <= 0


def nth_weekday(year: int, month: int, weekday: int, n: int) -> dt.date:
    """The n-th such weekday of a month, Monday 0."""
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


@lru_cache(1000)
def auctions_of(year: int, month: int) -> Mapping[str, dt.date]:
    """Auction dates of a month: 10-year first Tuesday, 30-year first Thursday, 20-year third Tuesday, 40-year fourth
    Wednesday of odd months (the ministry's usual calendar; 20 and 28 January 2026 fit)."""
    dates = {
        "JGB10": nth_weekday(year, month, TUESDAY, 1),
        "JGB30": nth_weekday(year, month, THURSDAY, 1),
        "JGB20": nth_weekday(year, month, TUESDAY, 3),
    }
    if month % 2 == 1:
        dates["JGB40"] = nth_weekday(year, month, WEDNESDAY, 4)
    return MappingProxyType(dates)


def auctions_on(date: dt.date, previous: dt.date) -> list[str]:
    """Bonds auctioned on a trading day; an auction that fell on a holiday since the previous one is held today."""
    months = {(previous.year, previous.month), (date.year, date.month)}
    return [name for ym in sorted(months) for name, day in auctions_of(*ym).items() if previous < day <= date]


def issuance_changes(jpy_tn_per_month: np.ndarray, note: str, cause: str) -> list[Event]:
    """Changes of the issuance plan by maturity, JGB2 to JGB40; large ones are told in several parts."""
    events: list[Event] = []
    for name, change in zip(JGB_IDS, jpy_tn_per_month, strict=True):
        parts = math.ceil(abs(change) / MOST_PER_EVENT_JPY_TN)
        part = change / max(parts, 1)
        events += [
            IssuanceChange(market=name, change_jpy_tn_per_month=part, note=note, cause=cause) for _ in range(parts)
        ]
    return events


def auction_strength_sd(move_sd: float, neighbours_sd: float, concession_sd: float) -> float:
    """Strength of an auction: move / sqrt(c^2 + n^2), move and n in daily volatilities, from the quote to the close.

    c: move of an average auction day. n: move of the other super-longs. Bids are judged against the market they are
    made in: a bond that falls with its neighbours on a day of bad news was not refused by its buyers.
    """
    strength = move_sd / math.hypot(concession_sd, neighbours_sd)
    return min(max(strength, -LARGEST_STRENGTH_SD), LARGEST_STRENGTH_SD)


class Government(Sector):
    """One government. Sees elections, its own programmes, the issuance plan and its auctions.

    budgets: programmes on their way. results: auctions whose outcome is to be published.
    """

    id = "government"
    Params = GovernmentParams
    rules = ("government_issuance",)
    home = JPY
    params: GovernmentParams

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.loan_spread_pct = 0.0
        self.budgets: tuple[Budget, ...] = ()
        self.election: Election | None = None
        self.results: list[Event] = []
        self.last_date: dt.date | None = None
        self.quote = np.zeros(len(MARKETS))

    # -- what it hears -----------------------------------------------------------------------------------------------

    def receive(self, event: Event) -> None:
        """A programme enters the budget; an election awaits its outcome. Its own events are booked when decided."""
        if event.cause == self.id:
            return
        if isinstance(event, Election):
            self.election = event
        elif isinstance(event, FiscalAnnouncement):
            self._plan(event.amount_jpy_tn / event.years, event.years, is_tax_cut=False)
        elif isinstance(event, TaxCut):
            self._plan(event.amount_jpy_tn_per_year, event.years, is_tax_cut=True)

    def _plan(self, jpy_tn_per_yr: float, years: float, is_tax_cut: bool) -> None:
        lag = self.params.issuance_lag_days
        days = max(round(years * DAYS_PER_YEAR), 1)
        self.budgets = (*self.budgets, Budget(jpy_tn_per_yr, years, is_tax_cut, lag, days))

    # -- what it announces -------------------------------------------------------------------------------------------

    def announce(self, view: View) -> list[Event]:
        """Yesterday's auction, the outcome of an election, and changes of the issuance plan that are now due."""
        if not view.on("government_issuance"):
            self.results, self.election = [], None
            return []
        events, self.results = self.results, []
        if self.election is not None:
            events = events + self._form(self._mandate(self.election, view), self.election.mandate == "open")
            self.election = None
        return events + self._change_plan()

    def _mandate(self, election: Election, view: View) -> Mandate:
        """The election's outcome: as given, or drawn."""
        if election.mandate != "open":
            return election.mandate
        p = self.params
        hung = min(p.hung_chance, 1.0 - p.strong_chance)
        chances = (p.strong_chance, 1.0 - p.strong_chance - hung, hung)
        return MANDATES[int(view.streams.on(self.id, "election", view.day).choice(len(MANDATES), p=chances))]

    def _form(self, mandate: Mandate, drawn: bool) -> list[Event]:
        """A new government: what is not yet enacted is scaled by the mandate, and the difference announced."""
        p = self.params
        factor = {"strong": p.strong_factor, "weak": p.weak_factor, "hung": p.hung_factor}[mandate]
        waiting = [b for b in self.budgets if not b.enacted]
        events: list[Event] = [Election(mandate=mandate, cause=self.id)] if drawn else []
        for budget in waiting:
            events += self._revision(budget, factor - 1.0, f"{mandate} mandate")
        self.budgets = tuple(
            b if b.enacted else changed(b, jpy_tn_per_yr=factor * b.jpy_tn_per_yr) for b in self.budgets
        )
        return events

    def _revision(self, budget: Budget, share: float, note: str) -> list[Event]:
        """The announcement that a programme grows or shrinks by a share of itself; large ones are told in parts."""
        change = share * budget.jpy_tn_per_yr
        largest = MOST_TAX_PER_EVENT_JPY_TN if budget.is_tax_cut else MOST_PROGRAMME_PER_EVENT_JPY_TN / budget.years
        parts = int(np.ceil(abs(change) / largest))
        part, years = change / max(parts, 1), budget.years
        told: Event
        if budget.is_tax_cut:
            told = TaxCut(amount_jpy_tn_per_year=part, years=years, note=note, cause=self.id)
        else:
            told = FiscalAnnouncement(amount_jpy_tn=part * years, years=years, note=note, cause=self.id)
        return [told] * parts

    def _change_plan(self) -> list[Event]:
        """Programmes whose lag is over raise the issuance plan; those that are paid for lower it again."""
        starting = sum(b.jpy_tn_per_yr for b in self.budgets if b.days_until == 0)
        ending = sum(b.jpy_tn_per_yr for b in self.budgets if b.days_left == 0)
        per_month = (starting - ending) / 12.0 * self.params.mix
        return issuance_changes(per_month, "bonds for fiscal programmes", self.id)

    # -- what it sells -----------------------------------------------------------------------------------------------

    def decide(self, view: View) -> np.ndarray:
        """Today's part of the issuance plan is sold at whatever price the market pays; a negative plan buys back."""
        self.quote = view.log_price
        if not view.on("government_issuance"):
            return no_orders()
        sold = view.public.issuance_jpy_tn_per_month[JGBS] / DAYS_PER_MONTH * 1000.0 * view.usd_per_currency[JPY]
        return post(JGBS, -sold[None, :], "issuance")

    def end_of_day(self, view: View) -> None:
        """Auctions held today are measured; programmes come a day closer or run down."""
        previous = self.last_date or view.date - dt.timedelta(days=1)
        for name in auctions_on(view.date, previous):
            move_sd = (view.log_price - self.quote) / view.vol
            neighbours = float(np.mean([move_sd[i] for i in SUPER_LONG if i != INDEX[name]]))
            strength = auction_strength_sd(float(move_sd[INDEX[name]]), neighbours, self.params.concession_sd)
            self.results.append(AuctionResult(market=name, strength_sd=strength, cause=self.id))
        self.last_date = view.date
        self.budgets = tuple(_one_day_on(b) for b in self.budgets if b.days_left > 0)

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Programmes not yet enacted, yen trillion a year."""
        return {"waiting_jpy_tn_per_yr": np.array([sum(b.jpy_tn_per_yr for b in self.budgets if not b.enacted)])}


def _one_day_on(budget: Budget) -> Budget:
    """Closer to its first bonds, or closer to its last."""
    if budget.days_until > 0:
        return changed(budget, days_until=budget.days_until - 1)
    return changed(budget, days_until=-1, days_left=budget.days_left - 1)
