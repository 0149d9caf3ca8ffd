"""The model with steps of half a day: how much of a result is owed to everybody trading once a day?"""

import copy
from collections.abc import Mapping
from typing import Final

import numpy as np

from abm.agents import Sector
from abm.agents.beliefs import Believer
from abm.model import MarketModel
from abm.world.orders import MatrixSchedule, scale
from abm.world.record import changed
from abm.world.view import View

PART: Final = 0.5  # of a day's news, and of what is done at a pace per day
AT_ONCE: Final = "crypto_longs"  # whose accounts open and close in one order, planned at the close before
MORNING, AFTERNOON = 0, 1


class HalfDays(MarketModel):
    """A day of two sessions: decide, clear, settle, mark and margin at noon, and again at the close.

    What is known at the open, decisions and words of authorities included, moves the morning's quote; half of the
    day's random news comes with it, the other half at noon. At noon everybody posts anew, at the morning's prices and
    with the morning's trades in the books. Orders are for half a day: a half of what the rules ask for in a day, at
    every price, so that what follows a plan (issuance, purchases, clients) adds up to the plan and what closes a gap
    by a share closes half of that share twice. Bitcoin accounts open and close in one order: every other one in the
    morning, the rest in the afternoon. Stock-keeping intermediaries shift their quotes by half as much but take as much
    against a move of the price, which is a stock and not a pace. Margin is called after both sessions. Everything
    counted in days (interest, beliefs, risk estimates, announcements, the record) stays daily.
    """

    session = MORNING

    def _trade(self) -> None:
        day, second_half = self.view, PART * self.random_news
        in_the_morning = self._twins()
        for sector in self.sectors.values():
            if isinstance(sector, Believer):
                sector.hear(day)
        open_ = changed(day, log_price=day.log_price - second_half, news=day.news - second_half)
        self._trade_half(MORNING, in_the_morning, open_)
        self.morning, called, rounds = super()._sum_up_trades(), self.margin_calls, self.rounds
        noon = changed(day, log_price=self.log_price + second_half, close=self.log_price)
        self._trade_half(AFTERNOON, self.sectors, noon)
        self.margin_calls, self.rounds, self.view = self.margin_calls + called, self.rounds + rounds, day

    def _twins(self) -> Mapping[str, Sector]:
        """Copies of all sectors that look at the same books: what deciding in the morning does to them is forgotten."""
        kept = {id(self): self} | {id(sector.book): sector.book for sector in self.sectors.values()}
        return copy.deepcopy(self.sectors, kept)

    def _trade_half(self, session: int, sectors: Mapping[str, Sector], screen: View) -> None:
        screen.log_price.setflags(write=False)
        self.session, self.view = session, screen
        self._clear_and_settle(*self._post_schedules(sectors))
        self._meet_margin_calls()

    def _post_schedules(self, sectors: Mapping[str, Sector]) -> tuple[np.ndarray, list[MatrixSchedule]]:
        """Half of a day's orders."""
        orders, schedules = super()._post_schedules(sectors)
        at_once = orders["sector"] == list(sectors).index(AT_ONCE)
        part = np.where(at_once, orders["member"] % 2 == self.session, PART)
        orders, part = orders[part > 0.0], part[part > 0.0]
        scale(orders, part)
        halves = ({reason: PART * wanted for reason, wanted in s.intercepts.items()} for s in schedules)
        return orders, [changed(s, intercepts=i) for s, i in zip(schedules, halves, strict=True)]

    def _sum_up_trades(self) -> tuple[np.ndarray, ...]:
        return tuple(am + pm for am, pm in zip(self.morning, super()._sum_up_trades(), strict=True))
