"""Global real money: funds and firms of six regions that hold a market because it is their habitat."""

from dataclasses import dataclass
from typing import Any, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import Opening, par, pareto_sizes
from abm.agents.beliefs import BeliefParams, Believer
from abm.world.instruments import (
    AUD,
    EUR,
    FX,
    GBP,
    INDEX,
    IS_BOND,
    IS_FX,
    JGBS,
    JPY,
    MARKETS,
    N_CCY,
    N_MARKETS,
    QUOTE_CCY,
    TENOR_YR,
    USD,
)
from abm.world.orders import LEGS, ORDER, REASON, write_order
from abm.world.streams import Streams
from abm.world.view import View

REGIONS: Final = ("US", "EU", "UK", "AU", "JP", "EM")
HOME_CCY: Final = np.array([USD, EUR, GBP, AUD, JPY, USD])  # emerging-market funds and reserves count in dollars
BOND_FUND, SHARE_FUND, FIRM = range(3)
KINDS: Final = (BOND_FUND, SHARE_FUND, FIRM, BOND_FUND, SHARE_FUND, BOND_FUND, SHARE_FUND)  # of members in turn

# Who owns what of real money's total, a construction from official external-position data [L].
JGB_OWNERS: Final = {"JP": 0.65, "EU": 0.20, "US": 0.15}
OWNERS: Final = {
    **{MARKETS[i].id: JGB_OWNERS for i in JGBS},
    "UST2": {"US": 0.85, "EM": 0.15},
    "UST10": {"US": 0.75, "EU": 0.10, "EM": 0.10, "UK": 0.05},
    "UST30": {"US": 0.90, "EU": 0.10},
    "BUND10": {"EU": 1.0},
    "OAT10": {"EU": 1.0},
    "EGB30": {"EU": 1.0},
    "GILT10": {"UK": 1.0},
    "ACGB10": {"AU": 1.0},
    "EMBOND": {"EM": 0.8, "US": 0.2},
    "NIKKEI": {"JP": 0.60, "US": 0.20, "EU": 0.15, "UK": 0.05},
    "NASDAQ": {"US": 0.90, "EU": 0.05, "JP": 0.05},
    "SPX": {"US": 0.82, "EU": 0.07, "UK": 0.03, "AU": 0.02, "JP": 0.03, "EM": 0.03},
}
FIRM_PAIR: Final = {"US": "EURUSD", "EU": "EURUSD", "UK": "GBPUSD", "AU": "AUDUSD", "JP": "USDJPY", "EM": "USDMXN"}


def _ownership() -> np.ndarray:
    """Share of each market that a region owns, (regions, markets), columns add to one; unlisted ones are American."""
    out = np.zeros((len(REGIONS), N_MARKETS))
    for i, market in enumerate(MARKETS):
        for region, share in OWNERS.get(market.id, {"US": 1.0}).items():
            out[REGIONS.index(region), i] = share
    return out


def _legs() -> tuple[np.ndarray, np.ndarray]:
    """Currency legs of a purchase by home currency: pairs and signs, (2, currencies, markets); forwards have none."""
    pair, sign = (np.stack([LEGS[home][k] for home in range(N_CCY)], axis=1) for k in range(2))
    return np.where(IS_FX, -1, pair), np.where(IS_FX, 0.0, sign)


OWNERSHIP: Final = _ownership()
HOME_REGION: Final = OWNERSHIP.argmax(axis=0)  # region whose savers' money flows in and out of a market
LEG_PAIR, LEG_SIGN = _legs()
SLOT: Final = np.array(  # number of a market among those a member has flows in
    [sum((n.currency, n.kind) == (m.currency, m.kind) for n in MARKETS[:i]) for i, m in enumerate(MARKETS)]
)
SLOTS: Final = int(SLOT.max()) + 1
CONCERN, CLIENTS, VALUATION = (REASON[name] for name in ("fiscal_concern", "client_flows", "valuation"))


class RealMoneyParams(BeliefParams):
    """Global real money."""

    members: int = par(600, "institutions", "SOURCES.md 8", "institutions in six regions", 18, 200_000)
    size_tail: float = par(1.2, "Pareto exponent", "[mem] fund sizes near Zipf", "inequality of sizes", 1.01, 10)
    elasticity_short_debt: float = par(28.0, "1", "Koijen and Yogo, SOURCES.md 2", "debt to 3 years", 0, 200)
    elasticity_long_debt: float = par(3.2, "1", "Koijen and Yogo, SOURCES.md 2", "longer debt", 0, 50)
    elasticity_equity: float = par(
        2.9,
        "1",
        "0.5 for the market, between Gabaix and Koijen's 0.2 and Koijen and Yogo's 1.2 (SOURCES.md 2), over the part "
        "of shares held here, 17 %",
        "equities",
        0,
        50,
    )
    half_life_days: float = par(
        37.0,
        "trading days",
        "share of a sale left to arbitrageurs, from 2-3 bp abroad per 10 bp of JGB30 (SOURCES.md 2), [L]",
        "half-life of the way to the wanted stock",
        1,
        1000,
    )
    fx_half_life_days: float = par(
        40.0,
        "trading days",
        "SOURCES.md 2: 0.2-0.3 % of JPY 1 tn left after 20 days, [L]",
        "the same for currency positions",
        1,
        1000,
    )
    fx_haste_gap_pct: float = par(
        5.0,
        "% of price",
        "Taylor, Peel and Sarno (2001): larger misalignments revert faster; size [L]",
        "misalignment of a currency at which its demand comes twice as fast, and beyond which it comes at once",
        0.1,
        1000,
    )
    anchor_drift_pct: float = par(0.5, "% of the gap a day", "SOURCES.md 8", "drift of anchors to the market", 0, 50)
    usdjpy_capacity_per_pct_usd_bn: float = par(
        20.0, "USD bn per 1 %", "SOURCES.md 2: 0.2-0.3 % per JPY tn", "lasting demand for the dollar", 0, 1e4
    )
    eurusd_capacity_per_pct_usd_bn: float = par(60.0, "USD bn per 1 %", "[L]", "lasting demand for the euro", 0, 1e4)
    gbpusd_capacity_per_pct_usd_bn: float = par(30.0, "USD bn per 1 %", "[L]", "lasting demand for the pound", 0, 1e4)
    audusd_capacity_per_pct_usd_bn: float = par(
        20.0, "USD bn per 1 %", "[L]", "lasting demand for the Australian dollar", 0, 1e4
    )
    usdmxn_capacity_per_pct_usd_bn: float = par(
        10.0, "USD bn per 1 %", "[L]", "lasting demand for the dollar against the peso", 0, 1e4
    )
    flow_to_depth: float = par(
        0.5,
        "fraction",
        "SOURCES.md 8: flows a fifth to a third of calm variance",
        "daily client flows that move a market by this share of its calm volatility, related markets counted",
        0,
        5,
    )
    flow_common_share: float = par(0.5, "fraction", "[L]", "part of a market's flow variance common to members", 0, 1)
    usual_depth_half_life_days: float = par(
        120.0, "trading days", "[L]", "half-life with which clients' business follows market depth", 1, 5000
    )
    equity_hedge: float = par(0.5, "fraction", "[L]", "share of foreign equities whose currency is sold forward", 0, 1)
    cash_share: float = par(0.03, "fraction of securities", "[mem]", "cash held on day 0", 0, 1)

    @property
    def capacity_usd_bn(self) -> np.ndarray:
        """Lasting demand for each pair's base currency, USD bn per unit of log price, (pairs,)."""
        names = [f"{MARKETS[i].id.lower()}_capacity_per_pct_usd_bn" for i in FX]
        return 100.0 * np.array([getattr(self, name, 0.0) for name in names])


def stock_elasticity(p: RealMoneyParams) -> np.ndarray:
    """Elasticity of the wanted stock to price, (markets,), after Koijen and Yogo (2020)."""
    bond = np.where(TENOR_YR <= 3.0, p.elasticity_short_debt, p.elasticity_long_debt)
    return np.where(IS_FX, 0.0, np.where(IS_BOND, bond, p.elasticity_equity))


@njit(cache=True)
def wanted_change(gap, stock, usual, response, pace):  # type: ignore
    """Units bought today: pace x (usual stock + response x (p* - p) - stock)."""
    return pace * (usual + response * gap - stock)


@njit(cache=True)
def fiscal_stock(response, premium_log, priced):  # type: ignore
    """Units added for the fiscal premium: bonds sold, dollars bought. priced: % of GDP acted on."""
    return response * premium_log * priced


@njit(cache=True)
def hasty_pace(pace, gap, is_currency, haste_gap_pct):  # type: ignore
    """Share of the way to the wanted stock gone today: 1 - (1 - pace)^haste.

    haste: 1; of currencies 1 + (gap / haste gap)^2, since large misalignments are acted on faster.
    """
    haste = 1.0 + (100.0 * gap / haste_gap_pct) ** 2 if is_currency else 1.0
    return 1.0 - (1.0 - pace) ** haste


@njit(cache=True)
def client_flow(flow_sd, share, spread, common, own, common_share):  # type: ignore
    """Client flow, USD bn, whose sum over a market's members has standard deviation ``flow_sd``.

    sd (sqrt(c) s_i Z + sqrt(1 - c) s_i / |s| e_i). share, spread: s_i and s_i / |s|. common, own: standard normal Z of
    the market and e_i of the member.
    """
    return flow_sd * (np.sqrt(common_share) * share * common + np.sqrt(1.0 - common_share) * spread * own)


@dataclass(frozen=True)
class Cells:
    """Pairs of member and market that matter, and what does not change about them; arrays have shape (cells,).

    habitat: the (members, markets) mask they come from. flat, member, market: positions in an array of that shape,
    flat and by axis. currency: whether the market is an exchange rate. pair, sign: (2, cells) currency legs of a
    purchase. hedge, response, drift, share, spread: the sector's tables of these names.
    """

    habitat: np.ndarray
    member: np.ndarray
    market: np.ndarray
    currency: np.ndarray
    pair: np.ndarray
    sign: np.ndarray
    hedge: np.ndarray
    response: np.ndarray
    drift: np.ndarray
    share: np.ndarray
    spread: np.ndarray


@njit(cache=True)
def _post(out, n, cell, reason, quantity, slope, lo, hi, member, market, currency, pair, sign, hedge):  # type: ignore
    """Row ``n``: a cell's order, paid from the home currency, if it has quantity or slope. Returns the next row."""
    if quantity == 0.0 and slope == 0.0:
        return n
    row = out[n]
    write_order(row, member[cell], market[cell], reason, quantity, slope, lo, hi, currency[cell])
    row.fx1, row.fx2, row.sign1, row.sign2 = pair[0, cell], pair[1, cell], sign[0, cell], sign[1, cell]
    row.hedge = hedge[cell]
    return n + 1


@njit(cache=True)
def _stock(units, contracts, member, market, currency):  # type: ignore
    """Units owned; of exchange rates, firms' forwards, (cells,)."""
    stock = np.empty(member.size)
    for i in range(member.size):
        table = contracts if currency[i] else units
        stock[i] = table[member[i], market[i]]
    return stock


@njit(cache=True)
def _for_sale(stock, value, market, currency):  # type: ignore
    """What may be sold, USD bn, (cells,): what is owned; of currencies any amount."""
    left = np.empty(stock.size)
    for i in range(stock.size):
        left[i] = np.inf if currency[i] else stock[i] * value[market[i]]
    return left


@njit(cache=True)
def _act_on_concern(  # type: ignore
    out, left, value, premium_log, newly, response, member, market, currency, pair, sign, hedge
):  # fmt: skip
    """Orders for the part of the fiscal premium newly acted on, as far as may still be sold. Returns how many."""
    n = 0
    for i in range(left.size):
        quantity = fiscal_stock(response[i], premium_log[market[i]], newly[member[i]]) * value[market[i]]
        quantity = max(quantity, -left[i])
        n = _post(out, n, i, CONCERN, quantity, 0.0, -left[i], np.inf, member, market, currency, pair, sign, hedge)
        left[i] += min(quantity, 0.0)
    return n


@njit(cache=True)
def _flows(sd, share, spread, common, own, common_share, ids, member, market):  # type: ignore
    """`client_flow` of every cell. sd, common: (markets,). own: (identities, slots). ids: (members,)."""
    flow = np.empty(member.size)
    for i in range(flow.size):
        m = market[i]
        flow[i] = client_flow(sd[m], share[i], spread[i], common[m], own[ids[member[i]], SLOT[m]], common_share)
    return flow


@njit(cache=True)
def _serve_clients(out, n, left, flow, member, market, currency, pair, sign, hedge):  # type: ignore
    """Orders for clients from row ``n`` on, either way as far as may still be sold. Returns the next row."""
    for i in range(left.size):
        quantity = min(max(flow[i], -left[i]), left[i])
        n = _post(out, n, i, CLIENTS, quantity, 0.0, -left[i], np.inf, member, market, currency, pair, sign, hedge)
        left[i] += min(quantity, 0.0)
    return n


@njit(cache=True)
def _trade_on_value(  # type: ignore
    out, n, left, value, stock, right, anchor, usual, premium_log, acted_on, day_pace, haste_gap_pct, response,
    member, market, currency, pair, sign, hedge,
):  # fmt: skip
    """Orders on the way to the wanted stock, then bargains in currencies, from row ``n`` on. Returns the next row.

    right: (markets,) what is thought right, less the anchor and less the quote. acted_on: (members,) concern acted on
    before today, % of GDP: what it has sold does not count as missing.

    A bargain is a limit order at the haste gap on either side of what is thought right: what the day's pace would leave
    for later is done at once at such a price, (1 - pace) x (wanted change beyond the gap). Firms that sit out a usual
    day do not sit out a crash.
    """
    gap, held, pace = np.empty((3, left.size))
    for i in range(left.size):
        who, m = member[i], market[i]
        gap[i] = anchor[who, m] + right[m]
        held[i] = stock[i] - fiscal_stock(response[i], premium_log[m], acted_on[who])
        pace[i] = hasty_pace(day_pace[m], gap[i], currency[i], haste_gap_pct)
        quantity = max(wanted_change(gap[i], held[i], usual[who, m], response[i], pace[i]) * value[m], -left[i])
        slope = pace[i] * response[i] * value[m]
        n = _post(out, n, i, VALUATION, quantity, slope, -left[i], np.inf, member, market, currency, pair, sign, hedge)
    for off, lo, hi in ((-haste_gap_pct / 100.0, 0.0, np.inf), (haste_gap_pct / 100.0, -np.inf, 0.0)):
        for i in range(left.size):
            if currency[i]:
                m, later = market[i], 1.0 - pace[i]
                quantity = wanted_change(gap[i] + off, held[i], usual[member[i], m], response[i], later) * value[m]
                slope = later * response[i] * value[m]
                n = _post(out, n, i, VALUATION, quantity, slope, lo, hi, member, market, currency, pair, sign, hedge)
    return n


@njit(cache=True)
def _settle_down(anchor, usual, price, stock, premium_log, priced, response, drift, member, market):  # type: ignore
    """Anchors and usual stocks give way to what is, both premium apart, by ``drift`` of the difference.

    price: (markets,) log price less revaluation.
    """
    for i in range(member.size):
        who, m = member[i], market[i]
        gap = price[m] - anchor[who, m] - premium_log[m] * priced[who]
        missing = stock[i] - fiscal_stock(response[i], premium_log[m], priced[who]) - usual[who, m]
        anchor[who, m] += drift[i] * gap
        usual[who, m] += drift[i] * missing


class RealMoney(Believer):
    """Institutions with a preferred habitat.

    ids: (members,) which row of a day's draws is whose. region, kind: (members,) numbers in REGIONS and BOND_FUND,
    SHARE_FUND, FIRM (exporters and importers, who hold currency forwards only). home_ccy: (members,). owns: (members,
    markets) part of the sector's opening stock. habitat: (members, markets) markets it looks at. hedge: (members,
    markets) share of currency sold forward. share, spread: (members, markets) weights of common and own client flows,
    for home markets.
    anchor: (members, markets) log price thought right, fiscal premium and revaluation left out. usual: (members,
    markets) stock held at the anchor, units. response: (members, markets) units wanted more per unit of log price.
    drift: (members, markets) share of the gap by which anchor and usual stock give way in a day.
    """

    id = "real_money"
    Params = RealMoneyParams
    params: RealMoneyParams
    _cells: Cells | None = None
    rules = ("habitat_demand", "client_flows", "fiscal_concern")

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p, rng = self.params, streams.on(self.id, "members")
        self.ids = np.arange(self.n)
        self.region = self.ids % len(REGIONS)
        self.kind = np.array(KINDS)[self.ids // len(REGIONS) % len(KINDS)]
        self.home_ccy = HOME_CCY[self.region]
        self.size = rng.permutation(pareto_sizes(self.n, rng, p.size_tail))
        self.drift = p.anchor_drift_pct / 100.0 * rng.uniform(0.5, 1.5, (self.n, N_MARKETS))
        self.owns = self._owners()
        self.hedge = self._hedges()
        self.pace = np.where(IS_FX, 1.0 - 0.5 ** (1.0 / p.fx_half_life_days), 1.0 - 0.5 ** (1.0 / p.half_life_days))

    def _owners(self) -> np.ndarray:
        """Each member's part of the sector's stock, (members, markets), columns add up to one; firms' of pairs."""
        mandate = np.where(IS_FX, FIRM, np.where(IS_BOND, BOND_FUND, SHARE_FUND))
        weight = self.size[:, None] * (self.kind[:, None] == mandate)
        pair = np.array([INDEX[FIRM_PAIR[region]] for region in REGIONS])
        regional = np.where(IS_FX, pair[:, None] == np.arange(N_MARKETS), OWNERSHIP)
        total = np.zeros((len(REGIONS), N_MARKETS))
        np.add.at(total, self.region, weight)
        part = weight / np.maximum(total, 1e-300)[self.region] * regional[self.region]
        return part / part.sum(axis=0)

    def _hedges(self) -> np.ndarray:
        """Share of currency sold forward, (members, markets): foreign bonds all, emerging ones none, equities in part.

        Japanese savers hold foreign shares unhedged.
        """
        hedged = np.where(IS_BOND, 1.0, self.params.equity_hedge) * ~IS_FX
        hedged[INDEX["EMBOND"]] = 0.0
        open_shares = (self.home_ccy == JPY)[:, None] & ~IS_BOND
        return hedged * (self.home_ccy[:, None] != QUOTE_CCY) * ~open_shares

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Securities by region and size, cash at home, forwards that hedge foreign securities."""
        book, rows = Opening.empty(self.n), np.arange(self.n)
        book.units_usd_bn[:] = self.owns * holdings_usd_bn
        book.cash_usd_bn[rows, self.home_ccy] = self.params.cash_share * book.units_usd_bn.sum(axis=1)
        hedged = book.units_usd_bn * self.hedge
        for k in range(2):
            pair, sign = LEG_PAIR[k][self.home_ccy], LEG_SIGN[k][self.home_ccy]
            member, market = np.nonzero((pair >= 0) & (hedged > 0.0))
            sold = sign[member, market] * hedged[member, market]
            np.subtract.at(book.contracts_usd_bn, (member, pair[member, market]), sold)
        return book

    def start(self, view: View) -> None:
        """Anchors are the opening prices, usual stocks the opening ones, so that day 0 clears without a trade."""
        super().start(view)
        self.anchor = np.tile(view.log_price, (self.n, 1))
        owned, forwards = self.book.units[: self.n], self.book.contracts[: self.n]
        self.usual = np.where(IS_FX, (self.kind == FIRM)[:, None] * forwards, owned)
        self.response = self.usual * stock_elasticity(self.params)
        self.response[:, FX] = self.owns[:, FX] * self.params.capacity_usd_bn / view.unit_value_usd[FX]
        self.habitat = self.response > 0.0
        self._weigh_flows(view)

    def _weigh_flows(self, view: View) -> None:
        """Who has client flows in which market, and how many other markets' flows move it (squared correlations)."""
        at_home = np.where(IS_FX, True, self.region[:, None] == HOME_REGION) & self.habitat
        flows = self.owns * at_home
        self.share = flows / np.maximum(flows.sum(axis=0), 1e-300)
        self.spread = flows / np.sqrt(np.maximum((flows**2).sum(axis=0), 1e-300))
        sd = np.sqrt(np.diag(view.covariance))
        self.related = np.sqrt((view.covariance / np.outer(sd, sd)) ** 2 @ at_home.any(axis=0))
        self.usual_depth = np.zeros(N_MARKETS)

    def hear(self, view: View) -> bool:
        """Public news moves every anchor one for one, so that news alone makes nobody trade."""
        if not super().hear(view):
            return False
        self.anchor += view.news
        if not self.usual_depth.any():
            self.usual_depth = view.depth.copy()
        return True

    @property
    def cells(self) -> Cells:
        """Cells of the habitat."""
        if self._cells is None or self._cells.habitat is not self.habitat:
            flat = np.flatnonzero(self.habitat)
            member, market = np.divmod(flat, N_MARKETS)
            home = self.home_ccy[member]
            tables = (t.take(flat) for t in (self.hedge, self.response, self.drift, self.share, self.spread))
            pair, sign = LEG_PAIR[:, home, market], LEG_SIGN[:, home, market]
            self._cells = Cells(self.habitat, member, market, IS_FX[market], pair, sign, *tables)
        return self._cells

    def stock(self, cells: Cells) -> np.ndarray:
        """Units owned; of exchange rates, firms' forwards, (cells,)."""
        return np.asarray(_stock(self.book.units, self.book.contracts, cells.member, cells.market, cells.currency))

    def decide(self, view: View) -> np.ndarray:
        """Concern and clients first, then the way to the wanted stock with what may still be sold."""
        self.hear(view)
        cells = self.cells
        where = (cells.member, cells.market, cells.currency, cells.pair, cells.sign, cells.hedge)
        value, stock = view.unit_value_usd, self.stock(cells)
        left = _for_sale(stock, value, cells.market, cells.currency)
        out, n = np.empty(5 * left.size, dtype=ORDER), 0
        if view.on("fiscal_concern") and self.newly_priced.any():
            n = _act_on_concern(out, left, value, self.premium_log, self.newly_priced, cells.response, *where)
        if view.on("client_flows"):
            n = _serve_clients(out, n, left, self.client_flows(view, cells), *where)
        if view.on("habitat_demand"):
            right = self.revaluation(view) - view.log_price
            acted_on = self.priced_deficit - self.newly_priced
            n = _trade_on_value(
                out, n, left, value, stock, right, self.anchor, self.usual, self.premium_log, acted_on, self.pace,
                self.params.fx_haste_gap_pct, cells.response, *where,
            )  # fmt: skip
        return out[:n]

    def client_flows(self, view: View, cells: Cells) -> np.ndarray:
        """Subscriptions and redemptions in home markets and firms' currency business, (cells,), USD bn.

        Their size follows the geometric mean of a market's usual depth and yesterday's: clients trade less in a thin
        market, but do not wait for it to fill. Purchases are cut like sales, at what is owned, so that flows balance.
        """
        rng, p = view.streams.on(self.id, "client_flows", view.day), self.params
        common = rng.standard_normal(N_MARKETS)
        own = rng.standard_normal((self.n, SLOTS))
        depth = np.sqrt(self.usual_depth * np.minimum(view.depth, self.usual_depth))
        sd = p.flow_to_depth * depth * view.calm_vol / np.maximum(self.related, 1.0)
        return np.asarray(
            _flows(
                sd, cells.share, cells.spread, common, own, p.flow_common_share, self.ids, cells.member, cells.market
            )
        )

    def end_of_day(self, view: View) -> None:
        """A level that holds becomes the new normal, and so does the stock held at it."""
        cells = self.cells
        _settle_down(
            self.anchor, self.usual, view.log_price - self.revaluation(view), self.stock(cells), self.premium_log,
            self.priced_deficit, cells.response, cells.drift, cells.member, cells.market,
        )  # fmt: skip
        keep = 0.5 ** (1.0 / self.params.usual_depth_half_life_days)
        self.usual_depth = keep * self.usual_depth + (1.0 - keep) * view.depth

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Region, kind and concern of every member, and how far its anchors for JGBs lie from the market, per cent."""
        gap = 100.0 * (self.anchor[:, JGBS] - log_price[JGBS]).mean(axis=1)
        return {"region": self.region, "kind": self.kind, "concern": self.concern, "jgb_gap_pct": gap}
