"""Running estimates of risk that everybody reads off past prices."""

import numpy as np

VOL_HALF_LIFE_DAYS = 20.0
COVARIANCE_DECAY = 0.94  # RiskMetrics (1996)
SHRINKAGE = 0.5  # of the running correlation towards the calm one
EIGENVALUE_FLOOR = 0.02  # of the correlation matrix: neighbouring maturities are nearly collinear


class RiskEstimate:
    """Exponentially weighted volatility and covariance of daily log changes.

    vol: (markets,) with a 20-day half-life, starting at the calm value. covariance: (markets, markets), decay 0.94,
    its correlation shrunk half-way to the calm one and floored in its eigenvalues, so always positive definite.
    """

    def __init__(self, calm_covariance: np.ndarray) -> None:
        self.calm_vol = np.sqrt(np.diag(calm_covariance))
        self.calm_correlation = calm_covariance / np.outer(self.calm_vol, self.calm_vol)
        self.variance = self.calm_vol**2
        self.raw = calm_covariance.copy()
        self.covariance = self._estimate()

    @property
    def vol(self) -> np.ndarray:
        """Daily volatility of log prices, (markets,)."""
        return np.sqrt(self.variance)

    def update(self, log_change: np.ndarray) -> None:
        """Add one day's log changes, (markets,)."""
        keep = 0.5 ** (1.0 / VOL_HALF_LIFE_DAYS)
        self.variance = keep * self.variance + (1.0 - keep) * log_change**2
        self.raw = COVARIANCE_DECAY * self.raw + (1.0 - COVARIANCE_DECAY) * np.outer(log_change, log_change)
        self.covariance = self._estimate()

    def _estimate(self) -> np.ndarray:
        vol = np.sqrt(np.diag(self.raw))
        correlation = self.raw / np.outer(vol, vol)
        mixed = (1.0 - SHRINKAGE) * correlation + SHRINKAGE * self.calm_correlation
        values, vectors = np.linalg.eigh(mixed)
        floored = (vectors * np.maximum(values, EIGENVALUE_FLOOR)) @ vectors.T
        scale = vol / np.sqrt(np.diag(floored))
        return floored * np.outer(scale, scale)
