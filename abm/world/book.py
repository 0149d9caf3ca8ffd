"""A sector's rows of the ledger, read-only; its books on day 0; the terms of its margined accounts."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit

from abm.world.instruments import N_CCY, N_MARKETS, unit_value_usd, usd_per_currency


@dataclass(frozen=True)
class Book:
    """Views into the ledger for one sector; row i is member i (rows after the members are house accounts).

    units: (rows, markets) bonds in bn of face, index units, bitcoins in bn; cash, loans: (rows, currencies) bn of the
    currency, loans positive when owed; contracts: (rows, markets) forwards, futures and perpetuals in units of the
    market (an exchange rate's base currency), positive long, settled to market in cash, hence without value.
    owns, open_in (markets,), money (currencies,): columns that may differ from zero: of units, of contracts, and of
    cash and loans.
    """

    units: np.ndarray
    cash: np.ndarray
    loans: np.ndarray
    contracts: np.ndarray
    owns: np.ndarray = field(default_factory=lambda: np.ones(N_MARKETS, dtype=bool))
    open_in: np.ndarray = field(default_factory=lambda: np.ones(N_MARKETS, dtype=bool))
    money: np.ndarray = field(default_factory=lambda: np.ones(N_CCY, dtype=bool))
    _of: tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[int, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """First row, number of rows and the whole tables of units, cash, loans and contracts that they are rows of.

        For compiled loops, which read the contiguous columns of the ledger several times faster than those of a view.
        """
        first, *tables = self._of or (0, self.units, self.cash, self.loans, self.contracts)
        return first, len(self.units), *tables  # type: ignore[return-value]

    def __getstate__(self) -> dict[str, Any]:
        """A copy has the rows, but not the ledger around them."""
        return vars(self) | {"_of": None}

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
        first, rows, units, cash, loans, _ = self.place
        value, currency = unit_value_usd(log_price), usd_per_currency(log_price)
        return np.asarray(_equity_usd(first, rows, units, cash, loans, self.owns, self.money, value, currency))


@njit(cache=True)
def _equity_usd(first, rows, units, cash, loans, owns, money, per_unit, per_currency):  # type: ignore
    """Sum over the columns in use: units x value + (cash - loans) x value, (rows,)."""
    equity = np.zeros(rows)
    for m in range(per_unit.size):
        if owns[m]:
            held = units[first : first + rows, m]
            for i in range(rows):
                equity[i] += held[i] * per_unit[m]
    for c in range(per_currency.size):
        if money[c]:
            owned, owed = cash[first : first + rows, c], loans[first : first + rows, c]
            for i in range(rows):
                equity[i] += (owned[i] - owed[i]) * per_currency[c]
    return equity


@dataclass(frozen=True)
class Opening:
    """A sector's books on day 0, USD bn at opening prices; rows are members, then house accounts."""

    units_usd_bn: np.ndarray
    cash_usd_bn: np.ndarray
    loans_usd_bn: np.ndarray
    contracts_usd_bn: np.ndarray

    @classmethod
    def empty(cls, rows: int) -> "Opening":
        """Nothing owned and nothing owed; columns left at zero take no memory."""
        units, cash, loans, contracts = (
            np.zeros((rows, columns), order="F") for columns in (N_MARKETS, N_CCY, N_CCY, N_MARKETS)
        )
        return cls(units, cash, loans, contracts)


@dataclass(frozen=True)
class MarginTerms:
    """Terms of margined accounts: rate of market m = max(floor, z * vol * sqrt(horizon)), maintenance a share of it.

    floor: (markets,) fraction of notional. z: normal quantile. horizon_days: close-out period.
    maintenance_share: maintenance margin as a share of the initial one.
    """

    floor: np.ndarray
    z: float = 2.33
    horizon_days: float = 10.0
    maintenance_share: float = 0.75
