"""Institutions one by one: size, equity, leverage, distance to a margin call, and the balance sheet of one of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from abm.model import MarketModel
from abm.world.instruments import CURRENCIES, IDS

BISECTIONS: Final = 40
MARGIN_SPAN: Final = 10.0  # no margin rule asks for more than this multiple of what is held


@dataclass(frozen=True)
class Members:
    """A sector's institutions at the last close, (members,) each. Amounts in USD bn.

    size: assets, contracts and cash, without sign. leverage: size over equity, nan where equity is not positive.
    call_distance_pct: how far equity is above what triggers a margin call, nan without a margin.
    """

    sector: str
    size: np.ndarray
    equity: np.ndarray
    leverage: np.ndarray
    call_distance_pct: np.ndarray
    own: dict[str, np.ndarray]


def members(model: MarketModel, sector: str) -> Members:
    """The institutions of a sector."""
    owner, price = model.sectors[sector], model.log_price
    book, n = owner.book, owner.n
    size = np.abs(book.holdings_usd(price)).sum(axis=1) + np.abs(book.contracts_usd(price)).sum(axis=1)
    size = (size + np.maximum(book.net_cash_usd(price), 0.0).sum(axis=1))[:n]
    equity = owner.equity_usd(price)[:n]
    called_at = equity_at_call(model, sector, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        leverage = np.where(equity > 0.0, size / equity, np.nan)
        distance = np.where(called_at > 1e-12, 100.0 * (equity / called_at - 1.0), np.nan)
    return Members(sector, size, equity, leverage, distance, owner.table(price))


def equity_at_call(model: MarketModel, sector: str, size_usd_bn: np.ndarray) -> np.ndarray:
    """Equity below which each member gets a margin call, USD bn, (members,); 0 without a margin.

    Found by bisection on the sector's own rule, between nothing and `MARGIN_SPAN` times the member's size.
    """
    owner = model.sectors[sector]
    low = np.zeros(owner.n)
    if owner.margin is None:
        return low
    screen = model.screen()
    initial = owner.initial_margin(screen)
    high = MARGIN_SPAN * size_usd_bn
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        called = owner.maintenance_shortfall(screen, initial, middle) > 0.0
        low, high = np.where(called, middle, low), np.where(called, high, middle)
    return low


def balance_sheet(model: MarketModel, sector: str, member: int) -> list[tuple[str, str, float]]:
    """What one institution owns, owes and has contracted: side, item, USD bn; what is below a dollar is left out."""
    book, price = model.sectors[sector].book, model.log_price
    units, contracts = book.holdings_usd(price)[member], book.contracts_usd(price)[member]
    cash = book.net_cash_usd(price)[member]
    rows = [("owns", IDS[i], float(v)) for i, v in enumerate(units)]
    rows += [("cash" if v > 0 else "owes", CURRENCIES[i], float(v)) for i, v in enumerate(cash)]
    rows += [("contract", IDS[i], float(v)) for i, v in enumerate(contracts)]
    return [row for row in rows if abs(row[2]) > 1e-9]
