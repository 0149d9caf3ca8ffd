"""Rest of the world: scheduled flows and planned absorption."""

from typing import Any

import mesa
import numpy as np
import pytest

from abm.agents.rest_of_world import RestOfWorld
from abm.world.events import Flow
from abm.world.instruments import INDEX, JGBS, JPY, N_MARKETS
from abm.world.orders import REASON
from tests.agents.screen import by_market, make_view, net_by_market, open_book

QUIET = {"planned_absorption": False}


def opened(holdings: dict[str, float] | None = None, **params: Any) -> RestOfWorld:
    view = make_view(day=0)
    sector = RestOfWorld(mesa.Model(rng=1), RestOfWorld.Params(**params), view.streams)
    sector.book = open_book(sector.opening(by_market(holdings or {"UST10": 1000.0, "JGB30": 100.0}), view), view)
    sector.start(view)
    return sector


def test_a_flow_is_spread_evenly_and_ends() -> None:
    sector, view = opened(), make_view(switches=QUIET)
    sector.receive(Flow(market="UST10", amount_usd_bn=-100.0, days=20, day=1))
    sold = 0.0
    for _ in range(25):
        orders = sector.decide(view)
        assert set(orders["reason"]) <= {REASON["outside_flow"]}
        sold += net_by_market(orders)["UST10"]
        sector.end_of_day(view)
    assert sold == pytest.approx(-100.0)
    assert sector.decide(view).size == 0


@pytest.mark.parametrize("hedged", [True, False])
def test_only_unhedged_flows_touch_the_currency(hedged: bool) -> None:
    sector = opened()
    sector.receive(Flow(market="JGB30", amount_usd_bn=-10.0, hedged=hedged, day=1))
    net = net_by_market(sector.decide(make_view(switches=QUIET)))
    assert net["JGB30"] == pytest.approx(-10.0)
    assert net["USDJPY"] == pytest.approx(0.0 if hedged else 10.0)


def test_currencies_are_sold_freely_and_securities_only_if_owned() -> None:
    sector = opened()
    for market in ("USDJPY", "JGB30", "NASDAQ"):
        sector.receive(Flow(market=market, amount_usd_bn=-300.0, day=1))
    net = net_by_market(sector.decide(make_view(switches=QUIET)))
    assert net["USDJPY"] == pytest.approx(-300.0)
    assert net["JGB30"] == pytest.approx(-100.0)
    assert net["NASDAQ"] == 0.0


def test_planned_issuance_finds_its_buyers() -> None:
    view = make_view()
    net = net_by_market(opened().decide(view))
    planned = view.public.planned_issuance_jpy_tn_per_month * 1000.0 * view.usd_per_currency[JPY] / 21.0
    for name, share in (("JGB2", 1.0), ("JGB10", 1.0), ("JGB20", 0.70), ("JGB30", 0.70), ("JGB40", 0.70)):
        assert net[name] == pytest.approx(share * planned[INDEX[name]])
    surprise = np.zeros(N_MARKETS)
    surprise[JGBS] = 5.0
    same = net_by_market(opened().decide(make_view(public={"issuance_jpy_tn_per_month": surprise})))
    assert same == net


def test_rules_off_means_no_orders_and_nothing_is_absorbed_when_nothing_is_sold() -> None:
    sector = opened()
    sector.receive(Flow(market="UST10", amount_usd_bn=-100.0, day=1))
    assert sector.decide(make_view(switches=dict.fromkeys(RestOfWorld.rules, False))).size == 0
    assert opened().decide(make_view(switches={"government_issuance": False})).size == 0
