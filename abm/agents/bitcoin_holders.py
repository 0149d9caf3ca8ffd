"""Bitcoin holders without debt: most sit still, some bid far below the market, old holders sell into strength."""

from typing import Any, ClassVar, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import Opening, Params, Sector, par, pareto_sizes
from abm.world.instruments import BTC, USD
from abm.world.orders import ORDER, REASON, write_order
from abm.world.streams import Streams
from abm.world.view import View

VALUATION, DIP_BUYING, PROFIT_TAKING, CLIENT_FLOWS = (
    REASON[name] for name in ("valuation", "dip_buying", "profit_taking", "client_flows")
)
MOST_ORDERS: Final = 2  # of one holder: active ones have a valuation and clients, others bid and, if old, offer


class HolderParams(Params):
    """Parameters of unleveraged bitcoin holders."""

    members: int = par(1000, "holders", "SOURCES.md 8", "groups of holders", 1, 200_000)
    size_tail: float = par(1.5, "Pareto exponent", "[L]", "tail of holdings", 1.01, 5)
    active_share: float = par(0.2, "share", "[L]", "of members who trade around their own valuation", 0, 1)
    old_share: float = par(0.3, "share", "[L]", "of members who hold large gains and sell into strength", 0, 1)
    active_slope_usd_bn_per_pct: float = par(
        0.12, "USD bn per %", "SOURCES.md 2: 3-5 % per $1 bn in all [L]", "active holders, per day", 0, 10
    )
    aversion_pct: float = par(
        3.2,
        "% of price per sd",
        "as for shares, response 1.6 times the S&P's [calc]",
        "price of general risk aversion",
        0,
        30,
    )
    cash_usd_bn: float = par(
        150, "USD bn", "half of the stablecoins outstanding [mem]", "dollars kept for dips", 0, 5000
    )
    daily_budget_share: float = par(0.05, "share of cash a day", "[L]", "most a patient holder spends", 0, 1)
    discount_low: float = par(0.05, "share of anchor", "[L]", "discount at which the first patient holders buy", 0, 0.9)
    discount_high: float = par(0.50, "share of anchor", "[L]", "discount at which the last do", 0.01, 0.95)
    discount_skew: float = par(1.5, "exponent", "[L]", "above 1: more of them at small discounts", 0.2, 10)
    premium_low: float = par(0.15, "share of anchor", "[L]", "premium at which the first old holders sell", 0, 5)
    premium_high: float = par(1.50, "share of anchor", "[L]", "premium at which the last do", 0.01, 20)
    daily_sale_share: float = par(
        0.001, "share of holding a day", "[L]", "sold by an old holder for every ladder's width of price", 0, 1
    )
    ladder_width: float = par(0.10, "log price", "[L]", "over which orders are spread", 0.001, 1)
    anchor_low_days: float = par(100, "days", "[L]", "fastest anchor: averaging time", 2, 2000)
    anchor_high_days: float = par(300, "days", "[L]", "slowest anchor (200-day average on the whole)", 2, 5000)
    reach: float = par(1.0, "log price", "[L]", "orders further from the quote are not shown that day", 0.01, 2)
    client_flow_usd_bn: float = par(0.05, "USD bn a day", "[L]", "standard deviation of random business", 0, 10)


@njit(cache=True)
def resting_bids(gap: Any, budget: Any, width: float) -> tuple[Any, Any]:
    """Quantity and slope of bids spread over ``width`` below a holder's own price: q = budget / width * (-gap - x).

    gap: log quote less the holder's bid, positive while the market is above it. To be limited to [0, budget].
    """
    slope = budget / width
    return -slope * gap, slope


# Rules that write the orders of one kind into ``out`` and return how many. gap: log quote, news and price of risk
# left out, less the slow anchor; held, cash: USD bn; all (members,).


@njit(cache=True)
def write_around_anchor(
    out: np.ndarray, active: np.ndarray, slope: np.ndarray, gap: np.ndarray, held: np.ndarray, cash: np.ndarray
) -> int:
    """Active holders: q = -slope (gap + x), within a tenth of cash and holding a day."""
    n = 0
    for i in np.flatnonzero(active):
        if slope[i] != 0.0:
            write_order(out[n], i, BTC, VALUATION, -slope[i] * gap[i], slope[i], -0.1 * held[i], 0.1 * cash[i], False)
            n += 1
    return n


@njit(cache=True)
def write_bids(
    out: np.ndarray, active: np.ndarray, discount: np.ndarray, gap: np.ndarray, cash: np.ndarray,
    spent: float, width: float, reach: float,
) -> int:  # fmt: skip
    """Patient holders bid at their discount and below, ``spent`` of their cash over the ladder's ``width``.

    Resting bids wait where the market may fall to: up to ``reach`` below the quote.
    """
    n = 0
    for i in range(gap.size):
        above, budget = gap[i] + discount[i], spent * cash[i]
        if not active[i] and above < reach and budget > 0.0:
            quantity, slope = resting_bids(above, budget, width)
            write_order(out[n], i, BTC, DIP_BUYING, quantity, slope, 0.0, budget, False)
            n += 1
    return n


@njit(cache=True)
def write_offers(
    out: np.ndarray, old: np.ndarray, premium: np.ndarray, gap: np.ndarray, held: np.ndarray,
    sold: float, width: float, reach: float,
) -> int:  # fmt: skip
    """Old holders offer at their premium and above, ``sold`` of their holding for every ladder's width of price."""
    n = 0
    for i in range(gap.size):
        below, most = premium[i] - gap[i], sold * held[i]
        if old[i] and below < reach and most > 0.0:
            quantity, slope = resting_bids(below, most, width)
            write_order(out[n], i, BTC, PROFIT_TAKING, -quantity, slope, -held[i], 0.0, False)
            n += 1
    return n


@njit(cache=True)
def write_on_price(
    out: np.ndarray, active: np.ndarray, old: np.ndarray, slope: np.ndarray, discount: np.ndarray, premium: np.ndarray,
    gap: np.ndarray, held: np.ndarray, cash: np.ndarray, spent: float, sold: float, width: float, reach: float,
) -> int:  # fmt: skip
    """Active holders around their anchor, patient ones below, old ones above."""
    n = write_around_anchor(out, active, slope, gap, held, cash)
    n += write_bids(out[n:], active, discount, gap, cash, spent, width, reach)
    return n + write_offers(out[n:], old, premium, gap, held, sold, width, reach)


@njit(cache=True)
def write_client_flows(out: np.ndarray, flow: np.ndarray, held: np.ndarray) -> int:
    """Random purchases, and sales of at most a tenth of the holding a day. flow: (members,) USD bn."""
    n = 0
    for i in range(flow.size):
        bought = max(flow[i], -0.1 * held[i])
        if bought != 0.0:
            write_order(out[n], i, BTC, CLIENT_FLOWS, bought, 0.0, -np.inf, np.inf, False)
            n += 1
    return n


class BitcoinHolders(Sector):
    """Holders who owe nothing.

    Columns: size; active, old: kinds; slope_usd_bn, client_sd_usd_bn: of active holders, demand per unit of log price
    and standard deviation of random business a day; discount, premium: log distance from the anchor at which a member
    buys or sells; anchor_days, anchor_log: averaging time and the slow anchor itself.
    """

    id = "bitcoin_holders"
    Params: ClassVar[type[Params]] = HolderParams
    rules = ("dip_buying", "client_flows")
    home = USD

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p = params
        self.size = pareto_sizes(self.n, streams.on(self.id, "size"), p.size_tail)
        u = streams.on(self.id, "habits").random((self.n, 5))
        self.active = u[:, 0] < p.active_share
        self.old = ~self.active & (u[:, 1] < p.old_share)
        active = np.where(self.active, self.size, 0.0)
        chosen = self.size[self.active]
        slope = 100.0 * p.active_slope_usd_bn_per_pct
        self.slope_usd_bn = slope * active / max(chosen.sum(), 1e-300)
        self.client_sd_usd_bn = p.client_flow_usd_bn * (active / max(np.sqrt((chosen**2).sum()), 1e-300))
        spread = p.discount_high - p.discount_low
        self.discount = -np.log1p(-(p.discount_low + spread * u[:, 2] ** p.discount_skew))
        self.premium = np.log1p(p.premium_low + (p.premium_high - p.premium_low) * u[:, 3])
        self.anchor_days = p.anchor_low_days + (p.anchor_high_days - p.anchor_low_days) * u[:, 4]
        self.anchor_log = np.zeros(self.n)

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """The state's bitcoins and the dollars kept for dips, by size."""
        book = super().opening(holdings_usd_bn, view)
        book.cash_usd_bn[:, USD] = self.params.cash_usd_bn * self.size
        return book

    def start(self, view: View) -> None:
        """Everybody starts from the price of day 0 as what bitcoin is worth."""
        self.anchor_log = np.full(self.n, float(view.log_price[BTC]))

    def decide(self, view: View) -> np.ndarray:
        """Active holders trade around their anchor; patient ones bid below; old ones offer above; clients come."""
        p, out, n = self.params, np.empty(MOST_ORDERS * self.n, dtype=ORDER), 0
        held = np.maximum(self.book.units[: self.n, BTC], 0.0) * view.unit_value_usd[BTC]
        if view.on("dip_buying"):
            cash = np.maximum(self.book.cash[: self.n, USD], 0.0)
            aversion = p.aversion_pct / 100.0 * view.public.risk_aversion_sd
            gap = view.log_price[BTC] - view.news[BTC] - self.anchor_log + aversion
            n = write_on_price(
                out, self.active, self.old, self.slope_usd_bn, self.discount, self.premium, gap, held, cash,
                p.daily_budget_share, p.daily_sale_share, p.ladder_width, p.reach,
            )  # fmt: skip
        if view.on("client_flows"):
            n += write_client_flows(out[n:], self.client_sd_usd_bn * self.draw(view, "clients"), held)
        return out[:n]

    def end_of_day(self, view: View) -> None:
        """Anchors take up public news at once and follow the rest slowly: what lasts becomes normal."""
        self.anchor_log += view.news[BTC] + (view.log_price[BTC] - view.news[BTC] - self.anchor_log) / self.anchor_days

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Bitcoins held, dollars left, kind and anchor per member."""
        return {
            "bitcoin_usd_bn": self.book.holdings_usd(log_price)[: self.n, BTC],
            "cash_usd_bn": self.book.cash[: self.n, USD],
            "active": self.active,
            "old": self.old,
            "anchor_usd": np.exp(self.anchor_log),
        }
