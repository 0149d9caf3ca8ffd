"""Bitcoin holders without debt: most sit still, some bid far below the market, old holders sell into strength."""

from typing import Any, ClassVar

import mesa
import numpy as np

from abm.agents.base import Opening, Params, Sector, par, pareto_sizes
from abm.world.instruments import BTC, USD
from abm.world.orders import join, no_orders, post
from abm.world.streams import Streams
from abm.world.view import View


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
    daily_sale_share: float = par(0.001, "share of holding a day", "[L]", "most an old holder sells", 0, 1)
    ladder_width: float = par(0.10, "log price", "[L]", "over which orders are spread", 0.001, 1)
    anchor_low_days: float = par(100, "days", "[L]", "fastest anchor: averaging time", 2, 2000)
    anchor_high_days: float = par(300, "days", "[L]", "slowest anchor (200-day average on the whole)", 2, 5000)
    reach: float = par(1.0, "log price", "[L]", "orders further from the quote are not shown that day", 0.01, 2)
    client_flow_usd_bn: float = par(0.05, "USD bn a day", "[L]", "standard deviation of random business", 0, 10)


def resting_bids(gap: np.ndarray, budget: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantity and slope of bids spread over ``width`` below a holder's own price: q = budget / width * (-gap - x).

    gap: log quote less the holder's bid, positive while the market is above it. To be limited to [0, budget].
    """
    slope = budget / width
    return -slope * gap, slope


class BitcoinHolders(Sector):
    """Holders who owe nothing.

    Columns: size; active, old: kinds; discount, premium: log distance from the anchor at which a member buys or
    sells; anchor_days, anchor_log: averaging time and the slow anchor itself.
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
        held = np.maximum(self.book.units[: self.n, BTC], 0.0) * view.unit_value_usd[BTC]
        cash = np.maximum(self.book.cash[: self.n, USD], 0.0)
        blocks = [no_orders()]
        if view.on("dip_buying"):
            aversion = self.params.aversion_pct / 100.0 * view.public.risk_aversion_sd
            gap = view.log_price[BTC] - view.news[BTC] - self.anchor_log + aversion
            blocks += [self._around_anchor(gap, held, cash), self._bids(gap, cash), self._offers(gap, held)]
        if view.on("client_flows"):
            blocks.append(self._client_flows(view, held))
        return join(blocks)

    def _around_anchor(self, gap: np.ndarray, held: np.ndarray, cash: np.ndarray) -> np.ndarray:
        """Active holders: q = -slope (gap + x), within a tenth of cash and holding a day."""
        who = np.flatnonzero(self.active)
        slope = 100.0 * self.params.active_slope_usd_bn_per_pct * self.size[who] / max(self.size[who].sum(), 1e-300)
        least, most = -0.1 * held[who], 0.1 * cash[who]
        return post(BTC, -slope * gap[who], "valuation", slope=slope, lo=least, hi=most, members=who)

    def _bids(self, gap: np.ndarray, cash: np.ndarray) -> np.ndarray:
        """Patient holders bid at their discount and below; resting bids wait where the market may fall to."""
        above = gap + self.discount
        who = np.flatnonzero(~self.active & (above < self.params.reach) & (cash > 0.0))
        budget = self.params.daily_budget_share * cash[who]
        quantity, slope = resting_bids(above[who], budget, self.params.ladder_width)
        return post(BTC, quantity, "dip_buying", slope=slope, lo=0.0, hi=budget, members=who)

    def _offers(self, gap: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Old holders offer at their premium and above, the daily share for every step of the ladder a price takes."""
        below = self.premium - gap
        who = np.flatnonzero(self.old & (below < self.params.reach) & (held > 0.0))
        most = self.params.daily_sale_share * held[who]
        quantity, slope = resting_bids(below[who], most, self.params.ladder_width)
        return post(BTC, -quantity, "profit_taking", slope=slope, lo=-held[who], hi=0.0, members=who)

    def _client_flows(self, view: View, held: np.ndarray) -> np.ndarray:
        """Random purchases and sales of active holders, of the given standard deviation in sum."""
        who = np.flatnonzero(self.active)
        scale = self.size[who] / max(np.sqrt((self.size[who] ** 2).sum()), 1e-300)
        flow = self.params.client_flow_usd_bn * scale * self.draw(view, "clients")[who]
        return post(BTC, np.maximum(flow, -0.1 * held[who]), "client_flows", members=who)

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
