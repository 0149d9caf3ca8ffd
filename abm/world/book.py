"""A sector's rows of the ledger, read-only; its books on day 0; the terms of its margined accounts."""

from dataclasses import dataclass

import numpy as np

from abm.world.instruments import N_CCY, N_MARKETS, unit_value_usd, usd_per_currency


@dataclass(frozen=True)
class Book:
    """Views into the ledger for one sector; row i is member i (rows after the members are house accounts).

    units: (rows, markets) bonds in bn of face, index units, bitcoins in bn; cash, loans: (rows, currencies) bn of the
    currency, loans positive when owed; contracts: (rows, markets) forwards, futures and perpetuals in units of the
    market (an exchange rate's base currency), positive long, settled to market in cash, hence without value.
    """

    units: np.ndarray
    cash: np.ndarray
    loans: np.ndarray
    contracts: np.ndarray

    def holdings_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Value of what is owned outright, USD bn, (rows, markets)."""
        return self.units * unit_value_usd(log_price)

    def contracts_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Notional of open contracts, USD bn, (rows, markets), signed."""
        return self.contracts * unit_value_usd(log_price)

    def net_cash_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Cash less loans per currency, USD bn, (rows, currencies)."""
        return (self.cash - self.loans) * usd_per_currency(log_price)

    def assets_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Holdings plus positive cash, USD bn, (rows,)."""
        cash = np.maximum(self.cash, 0.0) @ usd_per_currency(log_price)
        return self.units @ unit_value_usd(log_price) + cash

    def equity_usd(self, log_price: np.ndarray) -> np.ndarray:
        """Holdings plus cash less loans, USD bn, (rows,)."""
        return self.units @ unit_value_usd(log_price) + (self.cash - self.loans) @ usd_per_currency(log_price)


@dataclass(frozen=True)
class Opening:
    """A sector's books on day 0, USD bn at opening prices; rows are members, then house accounts."""

    units_usd_bn: np.ndarray
    cash_usd_bn: np.ndarray
    loans_usd_bn: np.ndarray
    contracts_usd_bn: np.ndarray

    @classmethod
    def empty(cls, rows: int) -> "Opening":
        """Nothing owned and nothing owed."""
        shape_m, shape_c = (rows, N_MARKETS), (rows, N_CCY)
        return cls(np.zeros(shape_m), np.zeros(shape_c), np.zeros(shape_c), np.zeros(shape_m))


@dataclass(frozen=True)
class MarginTerms:
    """Terms of margined accounts: rate of market m = max(floor, z * vol * sqrt(horizon)), maintenance a share of it.

    floor: (markets,) fraction of notional. z: normal quantile. horizon_days: close-out period.
    maintenance_share: maintenance margin as a share of the initial one. isolated: the sector has a rule of its own
    for each position and no requirement on the whole account.
    """

    floor: np.ndarray
    z: float = 2.33
    horizon_days: float = 10.0
    maintenance_share: float = 0.75
    isolated: bool = False
