"""Public news: what moves every quote before anybody trades.

News has the calm covariance of the markets, scaled by the part of calm variance that is not due to flows. Its
intensity clusters in time (a stochastic volatility common to all markets) and single days can be large (Student t).
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from abm.world.instruments import N_MARKETS
from abm.world.streams import Streams


class NewsParams(BaseModel):
    """Parameters of public news."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    variance_share: float = Field(
        0.75,
        ge=0,
        le=1,
        description="part of calm variance that is news; the rest comes from flows",
        json_schema_extra={"unit": "fraction", "source": "SOURCES.md 8: calm flow share a fifth to a third"},
    )
    scale: float = Field(
        1.0,
        ge=0,
        le=50,
        description="multiple of calm news volatility",
        json_schema_extra={"unit": "multiple", "source": "1 by definition"},
    )
    tail_df: float = Field(
        7.0,
        gt=2.5,
        le=200,
        description="degrees of freedom of a day's news",
        json_schema_extra={"unit": "degrees of freedom", "source": "excess kurtosis of calm daily changes, 1 to 4"},
    )
    intensity_sd: float = Field(
        0.2,
        ge=0,
        le=1.5,
        description="standard deviation of log news intensity",
        json_schema_extra={"unit": "log", "source": "autocorrelation of absolute calm changes, 0.05 to 0.2"},
    )
    intensity_half_life_days: float = Field(
        15.0,
        gt=0,
        le=500,
        description="half-life of news intensity",
        json_schema_extra={"unit": "trading days", "source": "decay of autocorrelation of absolute changes, lags 1-20"},
    )


class News:
    """Daily draws of public news, log price, tied to (seed, day)."""

    def __init__(self, params: NewsParams, calm_covariance: np.ndarray, streams: Streams) -> None:
        """calm_covariance: (markets, markets) covariance of daily log changes in calm times."""
        self.params = params
        self.root = np.linalg.cholesky(calm_covariance) * np.sqrt(params.variance_share) * params.scale
        self.streams = streams
        self.log_intensity = 0.0

    def draw(self, day: int) -> np.ndarray:
        """News of the day, log price, shape (markets,); days must be drawn in order."""
        p = self.params
        rng = self.streams.on("news", "public", day)
        keep = 0.5 ** (1.0 / p.intensity_half_life_days)
        shock = rng.standard_normal()
        self.log_intensity = keep * self.log_intensity + np.sqrt(1.0 - keep**2) * p.intensity_sd * shock
        normal = rng.standard_normal(N_MARKETS)
        own = np.sqrt((p.tail_df - 2.0) / rng.chisquare(p.tail_df, N_MARKETS))
        intensity = np.exp(self.log_intensity - p.intensity_sd**2)
        return self.root @ (normal * own) * intensity
