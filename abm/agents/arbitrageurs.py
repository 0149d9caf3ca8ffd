"""Global arbitrageurs: funds that trade every market against every other and carry a shock from one to the next."""

from typing import Any, Final

import mesa
import numpy as np

from abm.agents.base import par, pareto_sizes
from abm.agents.intermediary import Intermediary, IntermediaryParams, var_cut
from abm.world.instruments import FX, INDEX, N_MARKETS
from abm.world.streams import Streams
from abm.world.view import View

REFERENCE: Final = INDEX["UST10"]


def _access() -> np.ndarray:
    """Share of standard risk taken in each market, (markets,); lower where custody, gaps or controls cost capital."""
    out = np.ones(N_MARKETS)
    out[FX] = 0.8
    out[[INDEX["BTC"], INDEX["EMBOND"], INDEX["USDMXN"]]] = 0.3, 0.6, 0.6
    return out


ACCESS: Final = _access()  # [L]


class ArbitrageursParams(IntermediaryParams):
    """Global arbitrageurs."""

    members: int = par(100, "funds", "SOURCES.md 8", "number of arbitrageurs", 1, 100_000)
    capital_usd_bn: float = par(300.0, "USD bn", "SOURCES.md 6", "risk capital of all funds", 0.001, 1e5)
    ust10_depth_per_pct_usd_bn: float = par(
        30.0,
        "USD bn per 1 % of price",
        "SOURCES.md 2: with dealers' depth, 10 bp per USD 100 bn in a month, [L]",
        "flow that moves the US 10-year by one per cent if they alone stand ready; sets gamma",
        0,
        10_000,
    )


class Arbitrageurs(Intermediary):
    """Mean-variance traders of all markets at once: M = A Sigma^-1 A / gamma, gamma = gamma_0 W_0 / W.

    size: (members,) share of capital. gamma: absolute risk aversion at opening wealth, 1 per USD bn.
    Cross terms of M carry pressure in one market into all that move with it; that is how a sale in Tokyo is felt in
    London where no Japanese holder sold (Greenwood, Hanson, Stein and Sunderam 2023; Vayanos and Vila 2021).
    """

    id = "arbitrageurs"
    Params = ArbitrageursParams
    params: ArbitrageursParams

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.size = pareto_sizes(self.n, streams.on(self.id, "size"))
        self.capital = self.params.capital_usd_bn * self.size

    def start(self, view: View) -> None:
        """Risk aversion follows from the depth wanted in the US 10-year: 1 / gamma = depth x variance."""
        super().start(view)
        depth = 100.0 * self.params.ust10_depth_per_pct_usd_bn
        self.risk_tolerance_usd_bn = depth * self.perceived_covariance(view)[REFERENCE, REFERENCE]

    def capacity(self, view: View, wealth: np.ndarray) -> np.ndarray:
        """M = A Sigma^-1 A / gamma, USD bn per unit of log price, (markets, markets)."""
        inverse = np.linalg.inv(self.perceived_covariance(view))
        tolerance = self.risk_tolerance_usd_bn * wealth.sum() / self.params.capital_usd_bn
        return tolerance * ACCESS[:, None] * (0.5 * (inverse + inverse.T)) * ACCESS

    def shares(self, wealth: np.ndarray) -> np.ndarray:
        """In proportion to wealth, the same in every market."""
        return np.repeat((wealth / wealth.sum())[:, None], N_MARKETS, axis=1)

    def limit_cut(self, view: View, inventory: np.ndarray, wealth: np.ndarray) -> np.ndarray:
        """One limit on the whole portfolio."""
        limit = self.params.var_limit_pct / 100.0 * wealth.sum(keepdims=True)
        return np.repeat(var_cut(inventory[None, :], view.covariance, limit, self.params.var_floor), N_MARKETS)
