"""The European Central Bank: its own meetings, its own rate, its own bonds."""

from dataclasses import replace

import pytest

from abm.agents.european_central_bank import EuropeanCentralBank
from abm.world import events as ev
from abm.world.instruments import EUR, INDEX
from tests.agents.authorities import open_authority, price_news
from tests.agents.screen import make_view, net_by_market


def test_it_decides_at_its_own_meetings_and_moves_its_own_rate() -> None:
    assert open_authority(EuropeanCentralBank, make_view()).announce(make_view(public={"meetings": {"FED": 0}})) == []
    view = make_view(public={"meetings": {"ECB": 0}})
    (event,) = open_authority(EuropeanCentralBank, view, odds_at_terminal=5.0).announce(view)
    assert isinstance(event, ev.PolicyRate)
    assert (event.bank, event.change_bp, event.cause) == ("ECB", 25.0, "european_central_bank")  # 2.00 towards 2.25
    news = price_news(view.public, [event])
    assert news[INDEX["BUND10"]] < 0.0 < news[INDEX["EURUSD"]]
    assert news[INDEX["UST10"]] == news[INDEX["JGB10"]] == news[INDEX["USDJPY"]] == 0.0


def test_rules_off_nothing_on() -> None:
    off = dict.fromkeys(EuropeanCentralBank.rules, False)
    view = make_view(public={"meetings": {"ECB": 0}}, switches=off)
    ecb = open_authority(EuropeanCentralBank, view, odds_at_terminal=5.0, backstop_usd_bn=5.0)
    ecb.end_of_day(view)
    assert ecb.announce(view) == []
    assert ecb.decide(replace(view, depth=view.depth * 0.1)).size == 0


def test_the_backstop_buys_euro_area_bonds_with_euros() -> None:
    assert EuropeanCentralBank.home == EUR
    ecb = open_authority(EuropeanCentralBank, make_view(), backstop_usd_bn=6.0)
    ecb.end_of_day(make_view())
    collapsed = make_view()
    orders = ecb.decide(replace(collapsed, depth=collapsed.depth * 0.1))
    net = net_by_market(orders)
    assert [net[name] for name in ("BUND10", "OAT10", "EGB30")] == pytest.approx([2.0, 2.0, 2.0])
    assert net["EURUSD"] == 0.0
