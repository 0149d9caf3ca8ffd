"""Opening an authority on a screen built by hand."""

from typing import Any

import mesa
import numpy as np

from abm.agents.base import Sector
from abm.world import economy
from abm.world.events import Event
from abm.world.instruments import N_MARKETS
from abm.world.view import View
from tests.agents.screen import HOLDINGS_USD_BN, open_book


def open_authority[S: Sector](cls: type[S], view: View, **params: Any) -> S:
    """The sector with its books open and started."""
    sector = cls(mesa.Model(), cls.Params(**params), view.streams)
    holdings = HOLDINGS_USD_BN.get(cls.id, np.zeros(N_MARKETS))
    sector.book = open_book(sector.opening(holdings, view), view)
    sector.start(view)
    return sector


def happen(sector: Sector, events: list[Event]) -> None:
    """The sector receives the events addressed to it."""
    for event in events:
        if event.addressee == sector.id:
            sector.receive(event)


def price_news(public: economy.Public, events: list[Event]) -> np.ndarray:
    """Public news, log price, that events make."""
    after = public
    for event in events:
        after = economy.hear(event, after)
    return economy.expected_log_price(after) - economy.expected_log_price(public)
