"""Public news: what moves every quote before anybody trades.

News has the calm covariance of the markets, scaled by the part of calm variance that is not due to flows. Its
intensity clusters in time (stochastic volatility) and single days can be large (Student t).
"""

from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from abm.world.instruments import INDEX, IS_FX, N_MARKETS
from abm.world.parameters import par
from abm.world.streams import Streams


class NewsParams(BaseModel):
    """Parameters of public news."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    variance_share: float = par(
        0.75, "fraction", "SOURCES.md 8: calm flow share a fifth to a third",
        "part of calm variance that is news; the rest comes from flows", 0, 1,
    )  # fmt: skip
    scale: float = par(1.0, "multiple", "1 by definition", "multiple of calm news volatility", 0, 50)
    tail_df_rates: float = par(
        30.0, "degrees of freedom", "excess kurtosis of calm days, 1 to 4 [calc]",
        "degrees of freedom of a day's news about bonds, shares and bitcoin", hi=200, above=2.5,
    )  # fmt: skip
    tail_df_currencies: float = par(
        6.0, "degrees of freedom", "excess kurtosis of calm days, 1 to 4 [calc]",
        "the same of exchange rates", hi=200, above=2.5,
    )  # fmt: skip
    intensity_sd_rates: float = par(
        0.34, "log", "autocorrelation of absolute calm changes, 0.1 to 0.2 [calc]",
        "standard deviation of log news intensity, bonds, US shares and bitcoin", 0, 1.5,
    )  # fmt: skip
    intensity_sd_currencies: float = par(
        0.25, "log", "autocorrelation of absolute calm changes, 0.05 to 0.1 [calc]",
        "the same of exchange rates and the Nikkei", 0, 1.5,
    )  # fmt: skip
    intensity_half_life_rates_days: float = par(
        60.0, "trading days", "autocorrelation at 20 days is 0.6 of that at one [calc]",
        "half-life of news intensity, bonds, US shares and bitcoin", hi=500, above=0,
    )  # fmt: skip
    intensity_half_life_currencies_days: float = par(
        15.0, "trading days", "autocorrelation at 20 days is near zero [calc]",
        "the same of exchange rates and the Nikkei", hi=500, above=0,
    )  # fmt: skip


def _currencies() -> np.ndarray:
    """Markets whose news clusters as that of currencies does, (markets,): exchange rates and the Nikkei."""
    return IS_FX | (np.arange(N_MARKETS) == INDEX["NIKKEI"])


CURRENCIES: Final = _currencies()


class News:
    """Daily draws of public news, log price, tied to (seed, day).

    Intensity clusters, longer and more strongly in rates (bonds, US shares, bitcoin) than in currencies (exchange
    rates, the Nikkei), as absolute daily changes of 2021-2026 do. The shocks to it are common.
    """

    def __init__(self, params: NewsParams, calm_covariance: np.ndarray, streams: Streams) -> None:
        """calm_covariance: (markets, markets) of daily log changes in calm times."""
        self.params = params
        self.root = np.linalg.cholesky(calm_covariance) * np.sqrt(params.variance_share) * params.scale
        self.streams = streams
        self.tail_df = np.where(IS_FX, params.tail_df_currencies, params.tail_df_rates)
        self.intensity_sd = np.array([params.intensity_sd_rates, params.intensity_sd_currencies])
        half_life = np.array([params.intensity_half_life_rates_days, params.intensity_half_life_currencies_days])
        self.keep = 0.5 ** (1.0 / half_life)
        self.log_intensity = self.intensity_sd * streams.on("news", "intensity on day 0").standard_normal()

    def draw(self, day: int) -> np.ndarray:
        """News of the day, log price, shape (markets,); days must be drawn in order."""
        rng = self.streams.on("news", "public", day)
        shock = np.sqrt(1.0 - self.keep**2) * self.intensity_sd * rng.standard_normal()
        self.log_intensity = self.keep * self.log_intensity + shock
        normal = rng.standard_normal(N_MARKETS)
        own = np.sqrt((self.tail_df - 2.0) / rng.chisquare(self.tail_df))
        intensity = np.exp(self.log_intensity - self.intensity_sd**2)
        return self.root @ (normal * own) * intensity[CURRENCIES.astype(int)]
