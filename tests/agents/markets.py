"""A calm world for testing market makers: one factor for bonds, one for shares, the yen between them."""

from dataclasses import replace
from typing import Any

import mesa
import numpy as np

from abm.agents.intermediary import Intermediary
from abm.world.book import Book
from abm.world.instruments import EQUITIES, INDEX, IS_BOND, JGBS, N_MARKETS, QUOTE_CCY, USDJPY
from abm.world.orders import MatrixSchedule
from abm.world.view import View
from tests.agents.screen import make_view, open_book


def correlation() -> np.ndarray:
    """Bonds 0.3 among each other, JGBs 0.8, shares 0.6, the yen -0.3 with bond prices; independent otherwise."""
    out = np.eye(N_MARKETS)
    for group, rho in ((np.flatnonzero(IS_BOND), 0.3), (JGBS, 0.8), (EQUITIES, 0.6)):
        out[np.ix_(group, group)] = rho
    out[USDJPY, IS_BOND] = out[IS_BOND, USDJPY] = -0.3
    np.fill_diagonal(out, 1.0)
    return out


def market_view(**changes: Any) -> View:
    """A screen with correlated markets; arguments as for `make_view`."""
    view = make_view(**changes)
    return replace(view, covariance=correlation() * np.outer(view.vol, view.vol))


def opened[T: Intermediary](kind: type[T], **params: Any) -> T:
    """A sector of market makers with empty books on day 0."""
    view = market_view(day=0)
    sector = kind(mesa.Model(rng=1), kind.Params(**params), view.streams)
    book = open_book(sector.opening(np.zeros(N_MARKETS), view), view)
    sector.book = Book(book.units.copy(), book.cash.copy(), book.loans.copy(), book.contracts.copy())
    sector.start(view)
    return sector


def schedule(sector: Intermediary, view: View) -> MatrixSchedule:
    """The sector's joint schedule, which must exist."""
    out = sector.matrix_schedule(view)
    assert out is not None
    return out


def deliver(sector: Intermediary, market: str, amount_usd_bn: float, view: View) -> None:
    """Members buy an amount of a market in equal parts, paid by a loan in its currency."""
    m = INDEX[market]
    units = amount_usd_bn / view.unit_value_usd[m] / sector.n
    sector.book.units[:, m] += units
    sector.book.loans[:, QUOTE_CCY[m]] += units * np.exp(view.log_price[m])


def prices(sector: Intermediary, view: View, flow: dict[str, float]) -> np.ndarray:
    """Log price changes (markets,) at which the sector alone takes the other side of a flow, USD bn."""
    s = schedule(sector, view)
    net = s.intercept.copy()
    for name, amount in flow.items():
        net[INDEX[name]] += amount
    return np.linalg.solve(s.matrix, net)
