"""The screen everybody looks at: prices, volatilities, depth and public news of the day. Read-only."""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from abm.world.economy import Public
from abm.world.instruments import INDEX, SUPER_LONG, level_of_log_price, unit_value_usd, usd_per_currency, yield_pct
from abm.world.streams import Streams


@dataclass(frozen=True)
class View:
    """What is publicly known when schedules are posted.

    All arrays have shape (markets,) unless said otherwise and are read-only.

    day: trading day, 1 is the first. date: calendar date.
    log_price: the quote, yesterday's close plus today's public news. close: yesterday's close, log price.
    history: (>= 64, markets) closes up to and including yesterday, oldest first, log prices; before day 0 the opening.
    vol: exponentially weighted volatility with a 20-day half-life, log price per day. calm_vol: its calm value.
    covariance: (markets, markets) running covariance of daily log changes, shrunk towards the calm correlation.
    depth: net flow that moves a market by one unit of log price, all others adjusting, as of yesterday, USD bn.
    news: today's public news, log price; policy_news: the part of it about policy, what is read abroad included.
    public: policy, fiscal and signal state. switches: behaviour rules on or off.
    opening: log prices of day 0. month_first: first trading day of its month.
    """

    day: int
    date: dt.date
    log_price: np.ndarray
    close: np.ndarray
    history: np.ndarray
    vol: np.ndarray
    calm_vol: np.ndarray
    covariance: np.ndarray
    depth: np.ndarray
    news: np.ndarray
    policy_news: np.ndarray
    opening: np.ndarray
    public: Public
    streams: Streams
    switches: Mapping[str, bool]
    month_first: bool = False

    @cached_property
    def level(self) -> np.ndarray:
        """Quoted levels: yield in per cent for bonds, price otherwise."""
        return level_of_log_price(self.log_price)

    @cached_property
    def usd_per_currency(self) -> np.ndarray:
        """US dollars per unit of each currency, (currencies,)."""
        return usd_per_currency(self.log_price)

    @cached_property
    def unit_value_usd(self) -> np.ndarray:
        """US dollars per unit of each market at the quote."""
        return unit_value_usd(self.log_price)

    @cached_property
    def sell_off_sd(self) -> float:
        """Fall of super-long prices over five days up to the quote, standard deviations, average over maturities."""
        falls = (self.history[-6, SUPER_LONG] - self.log_price[SUPER_LONG]) / self.vol[SUPER_LONG]
        return float(falls.mean()) / math.sqrt(5.0)

    def yield_pct(self, market: str) -> float:
        """Yield of the named bond at the quote, per cent."""
        return float(self.level[INDEX[market]])

    def change(self, days: int) -> np.ndarray:
        """Log price change from the close ``days`` trading days before yesterday to the quote, public news included."""
        return self.log_price - self.history[-1 - days]

    def yield_change_bp(self, market: str, days: int) -> float:
        """Change of the named bond's yield over so many days up to the quote, basis points."""
        i = INDEX[market]
        return float(self.level[i] - yield_pct(self.history[-1 - days], i)) * 100.0

    def on(self, rule: str) -> bool:
        """Whether the named behaviour rule is switched on."""
        return self.switches[rule]
