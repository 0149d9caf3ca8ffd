"""What every sector is: one Mesa agent that owns arrays, one row per institution (of a kind, if only it has them).

A sector sees the public screen (`View`) and its own rows of the ledger (`self.book`), and answers with schedules.
It never sees another sector, the ledger or the future.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import mesa
import numpy as np
from numba import njit
from pydantic import BaseModel, ConfigDict

from abm.world.book import Book, MarginTerms, Opening
from abm.world.events import Event
from abm.world.instruments import REST, USD
from abm.world.margin import initial_rates, initial_requirement
from abm.world.orders import MatrixSchedule, no_orders
from abm.world.parameters import par
from abm.world.streams import Streams
from abm.world.view import View

__all__ = [
    "MarginTerms",
    "Member",
    "Opening",
    "Params",
    "Sector",
    "depth_factor",
    "depth_limit_usd_bn",
    "par",
    "pareto_sizes",
]


class Params(BaseModel):
    """Parameters of a sector: frozen, validated, every one with unit, range and source."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    members: int = par(1, "institutions", "SOURCES.md 8", "number of institutions", 1, 200_000)


@njit(cache=True)
def depth_factor(total_usd_bn: Any, limit_usd_bn: Any) -> Any:
    """What orders of choice are multiplied with so that their sum is within the limit: 1, or limit / |sum| if less."""
    return limit_usd_bn / np.maximum(np.maximum(np.abs(total_usd_bn), limit_usd_bn), 1e-300)


def depth_limit_usd_bn(view: View, market: Any, share: float) -> Any:
    """What orders of choice may add up to: ``share`` of the market's depth times a usual day's move, USD bn."""
    return share * view.depth[market] * view.vol[market]


class Sector(mesa.Agent):
    """A sector of institutions. Subclasses set `id`, `Params`, `rules` and override what they do.

    id: name in files. rules: behaviour rules that can be switched off by name. home: currency books are kept in.
    lender: sector that covers overdrafts. margin: terms if its members keep margined accounts, else None.
    house_rows: accounts after the members' rows (an insurance fund, for instance).
    """

    id: ClassVar[str]
    Params: ClassVar[type[Params]] = Params
    rules: ClassVar[tuple[str, ...]] = ()
    home: ClassVar[int] = USD
    lender: ClassVar[str] = REST
    house_rows: ClassVar[int] = 0
    margin: MarginTerms | None = None

    book: Book

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model)
        self.params = params
        self.n: int = params.members
        self.size = np.broadcast_to(1.0 / self.n, self.n)  # replaced by sectors of unequal members, not written to
        self.loan_spread_pct = 0.5
        self._words: list[str] = []

    # -- what subclasses override ------------------------------------------------------------------------------

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Books on day 0 from the state's total holdings (markets,), USD bn; by default split by size."""
        book = Opening.empty(self.n + self.house_rows)
        book.units_usd_bn[: self.n] = np.outer(self.size, holdings_usd_bn)
        return book

    def start(self, view: View) -> None:
        """Called once when the books are open: anchors and reference levels are set from day 0."""

    def announce(self, view: View) -> list[Event]:
        """Authorities speak before the market opens: decisions and words that become public today."""
        return []

    def receive(self, event: Event) -> None:
        """An event addressed to this sector (its `addressee`) happens today."""

    def decide(self, view: View) -> np.ndarray:
        """Schedules for today, rows of `orders.ORDER`, USD bn at the quote."""
        return no_orders()

    def matrix_schedule(self, view: View) -> MatrixSchedule | None:
        """A joint schedule over all markets, for dealers and arbitrageurs."""
        return None

    def initial_margin(self, view: View) -> np.ndarray:
        """Margin at which accounts may open positions, at view.log_price, USD bn, (members,)."""
        return initial_requirement(self.book, view.log_price, self.margin_rates(view), self.home)[: self.n]

    def maintenance_shortfall(self, view: View, initial: np.ndarray, equity: np.ndarray) -> np.ndarray:
        """Margin to be freed per member, USD bn, 0 where none is called.

        initial: initial requirement at current prices, USD bn; equity: account equity, USD bn, both (members,).
        By default an account below maintenance must return to its initial margin.
        """
        assert self.margin is not None
        called = (initial > 0.0) & (equity < self.margin.maintenance_share * initial)
        return np.where(called, initial - equity, 0.0)

    def raise_cash(self, view: View, need_usd_bn: np.ndarray) -> np.ndarray:
        """Orders that free the called margin (members,), USD bn; view.log_price is the price after the last round."""
        return no_orders()

    def end_of_day(self, view: View) -> None:
        """Beliefs and counters are updated at the close; view.log_price is the close."""

    def income(self, view: View) -> np.ndarray | None:
        """Payments from outside today (premiums, benefits, distributions), (rows, currencies) bn of the currency.

        Positive is paid by the rest of the world to the row, negative by the row; posted before `decide`. Must not
        depend on whether `decide` has been called.
        """
        return None

    def equity_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Equity of every row, USD bn: the ledger's, less obligations kept outside it."""
        return self.book.equity_usd(log_price)

    def quoted_loan_spread_pct(self) -> float | None:
        """Asked for loans over the policy rate, per cent a year; None if it does not lend at a quote."""
        return None

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Per-member columns that describe this sector beyond the ledger (for tables and charts)."""
        return {}

    # -- what subclasses use -----------------------------------------------------------------------------------

    def margin_rates(self, view: View) -> np.ndarray:
        """Initial margin by market today, fraction of notional, (markets,)."""
        assert self.margin is not None
        return initial_rates(self.margin, view.vol, view.public.margin_factor.get(self.id, 1.0))

    def draw(self, view: View, purpose: str) -> np.ndarray:
        """Standard normal draws for today's purpose, one per member."""
        return view.streams.on(self.id, purpose, view.day).standard_normal(self.n)

    def uniform(self, view: View, purpose: str) -> np.ndarray:
        """Uniform draws in [0, 1) for today's purpose, one per member."""
        return view.streams.on(self.id, purpose, view.day).random(self.n)

    def respect_depth(
        self, view: View, market: int | np.ndarray, quantity: np.ndarray, share: float = 0.5
    ) -> np.ndarray:
        """Scale discretionary orders so that the sector moves a market by at most ``share`` of a usual day.

        quantity: USD bn, (members,) for one market or (members, markets). The cap is share x depth x volatility per
        market; what is left is for later days. Forced orders do not use this.
        """
        return quantity * depth_factor.py_func(quantity.sum(axis=0), depth_limit_usd_bn(view, market, share))

    def happenings(self) -> list[str]:
        """What was notable since the last call, in words, for the event log; sectors add to `_words`."""
        words, self._words = self._words, []
        return words

    def __len__(self) -> int:
        return self.n

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, i: int) -> "Member":
        if not -self.n <= i < self.n:
            raise IndexError(f"{self.id} has {self.n} members, no number {i}")
        return Member(self, i % self.n)

    def __iter__(self) -> "Iterator[Member]":
        return (Member(self, i) for i in range(self.n))


class Member:
    """Read-only view of one institution of a sector."""

    __slots__ = ("index", "sector")

    def __init__(self, sector: Sector, index: int) -> None:
        self.sector, self.index = sector, index

    @property
    def equity(self) -> float:
        """Equity at the last close, USD bn."""
        log_price = self.sector.model.log_price
        return float(self.sector.equity_usd(log_price)[self.index])

    def __repr__(self) -> str:
        return f"<{self.sector.id}[{self.index}]>"


def pareto_sizes(n: int, rng: np.random.Generator, shape: float = 1.2) -> np.ndarray:
    """Sizes of n institutions that sum to one, largest first, Pareto with the given tail (Zipf-like above 1)."""
    size = np.sort(rng.pareto(shape, n) + 1.0)[::-1]
    return size / size.sum()
