"""Dealers: trading desks that make markets in one segment each, with capital of their own."""

from typing import Any, Final

import mesa
import numpy as np

from abm.agents.base import par
from abm.agents.intermediary import Intermediary, IntermediaryParams, var_cut
from abm.world.instruments import INDEX, MARKETS, N_MARKETS
from abm.world.streams import Streams
from abm.world.view import View

# Segment -> markets with their capacity relative to the segment's main market (the first) at equal risk [L].
SEGMENTS: Final = {
    "jgb": {"JGB30": 1.0, "JGB2": 0.3, "JGB10": 1.0, "JGB20": 1.0, "JGB40": 1.0},
    "treasuries": {"UST10": 1.0, "UST2": 0.3, "UST30": 1.0},
    "euro_bonds": {"BUND10": 1.0, "OAT10": 0.8, "EGB30": 0.6},
    "gilts_and_australia": {"GILT10": 1.0, "ACGB10": 0.4},
    "emerging": {"EMBOND": 1.0, "USDMXN": 3.3},
    "equities": {"SPX": 1.0, "NASDAQ": 1.0, "NIKKEI": 0.37},
    "bitcoin": {"BTC": 1.0},
    "currencies": {"USDJPY": 1.0, "EURUSD": 3.5, "GBPUSD": 1.8, "AUDUSD": 1.3},
}
MAIN: Final = np.array([INDEX[next(iter(markets))] for markets in SEGMENTS.values()])
CAPITAL_SHARE: Final = np.array([0.0, 0.28, 0.12, 0.06, 0.04, 0.26, 0.04, 0.20])  # of capital outside JGBs [L]


OTHERS: Final = {"bond": "treasuries", "equity": "equities", "crypto": "bitcoin", "fx": "currencies"}  # if not listed


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Number of every market's segment and its relative capacity, both (markets,)."""
    segment, relative = np.array([list(SEGMENTS).index(OTHERS[m.kind]) for m in MARKETS]), np.ones(N_MARKETS)
    for number, markets in enumerate(SEGMENTS.values()):
        for name, weight in markets.items():
            segment[INDEX[name]], relative[INDEX[name]] = number, weight
    return segment, relative


SEGMENT, RELATIVE = _tables()
IN_SEGMENT: Final = (np.arange(len(SEGMENTS))[:, None] == SEGMENT).astype(float)  # (segments, markets)


def _depth(value: float, market: str, source: str) -> Any:
    meaning = f"flow that moves {market} by one per cent in calm times if dealers alone stand ready"
    return par(value, "USD bn per 1 % of price", source, meaning, 0, 10_000)


class DealersParams(IntermediaryParams):
    """Dealers; depths are those of the first market of each segment, the others follow from relative risk."""

    members: int = par(24, "desks", "SOURCES.md 8", "number of desks", 1, 100_000)
    capital_jgb_usd_bn: float = par(50.0, "USD bn", "SOURCES.md 6", "risk capital of Japan desks", 0.001, 1e5)
    capital_other_usd_bn: float = par(250.0, "USD bn", "[L]", "risk capital of all other desks", 0.001, 1e5)
    jgb30_depth_per_pct_usd_bn: float = _depth(1.25, "JGB30", "SOURCES.md 2: 0.6-2 bp per JPY tn, [L]")
    ust10_depth_per_pct_usd_bn: float = _depth(1.0, "UST10", "SOURCES.md 2: 10 bp per USD 100 bn, 2-3 bp abroad, [L]")
    bund10_depth_per_pct_usd_bn: float = _depth(1.0, "BUND10", "SOURCES.md 2: 2-3 bp abroad, [L]")
    gilt10_depth_per_pct_usd_bn: float = _depth(8.0, "GILT10", "[L]")
    embond_depth_per_pct_usd_bn: float = _depth(2.0, "EMBOND", "[L]")
    spx_depth_per_pct_usd_bn: float = _depth(14.0, "SPX", "[L]")
    btc_depth_per_pct_usd_bn: float = _depth(0.1, "BTC", "SOURCES.md 2: 3-5 % per USD bn, [L]")
    usdjpy_depth_per_pct_usd_bn: float = _depth(5.5, "USDJPY", "SOURCES.md 2: 0.28 % per JPY tn at the close, [L]")

    @property
    def depth_per_log_usd_bn(self) -> np.ndarray:
        """Depth of each segment's main market, USD bn per unit of log price, (segments,)."""
        names = [f"{market}_depth_per_pct_usd_bn" for market in _MAIN_NAMES]
        return 100.0 * np.array([getattr(self, name) for name in names])


_MAIN_NAMES: Final = [next(iter(markets)).lower() for markets in SEGMENTS.values()]


class Dealers(Intermediary):
    """Desks that quote the markets of their segment, each market by itself: D_m = W / W_0 x 1 / (gamma_m sigma_m^2).

    segment: (members,) number of the segment. capital: (members,) USD bn, equal within a segment.
    Capital does not move between segments, so a desk's losses thin out its own markets first.
    """

    id = "dealers"
    Params = DealersParams
    params: DealersParams

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p, kinds = self.params, len(SEGMENTS)
        self.serves = np.arange(self.n)[:, None] % kinds == np.arange(kinds) % self.n
        self.segment_capital = CAPITAL_SHARE * p.capital_other_usd_bn
        self.segment_capital[0] = p.capital_jgb_usd_bn
        self.in_segment = self.serves * (self.segment_capital / self.serves.sum(axis=0))  # (members, segments) USD bn
        self.capital = self.in_segment.sum(axis=1)

    def start(self, view: View) -> None:
        """Capacity per segment follows from the depth wanted in its main market: 1 / gamma = depth x risk."""
        super().start(view)
        self.risk_tolerance_usd_bn = self.params.depth_per_log_usd_bn * self.perceived_covariance(view).diagonal()[MAIN]

    def segment_wealth(self, wealth: np.ndarray) -> np.ndarray:
        """Risk capital per segment, USD bn, (segments,)."""
        return (wealth / self.capital) @ self.in_segment

    def capacity(self, view: View, wealth: np.ndarray) -> np.ndarray:
        """Diagonal slopes, USD bn per unit of log price, (markets, markets)."""
        tolerance = self.risk_tolerance_usd_bn * self.segment_wealth(wealth) / self.segment_capital
        return np.diag(tolerance.take(SEGMENT) * RELATIVE / self.perceived_covariance(view).diagonal())

    def required_return(self, matrix: np.ndarray, inventory: np.ndarray) -> np.ndarray:
        """Of each market by itself: inventory over slope, (markets,); 0 without capacity."""
        slope = matrix.diagonal()
        return np.divide(inventory, slope, out=np.zeros(N_MARKETS), where=slope > 0.0)

    def shares(self, wealth: np.ndarray) -> np.ndarray:
        """In proportion to wealth among the desks of a market's segment."""
        in_segment = self.in_segment * (wealth / self.capital)[:, None]
        return (in_segment / in_segment.sum(axis=0)).take(SEGMENT, axis=1)

    def limit_cut(self, view: View, inventory: np.ndarray, wealth: np.ndarray) -> np.ndarray:
        """One limit per segment."""
        limit = self.params.var_limit_pct / 100.0 * self.segment_wealth(wealth)
        return var_cut(IN_SEGMENT * inventory, view.covariance, limit, self.params.var_floor).take(SEGMENT)
