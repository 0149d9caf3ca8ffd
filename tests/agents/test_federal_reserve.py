"""The Federal Reserve: moves towards the terminal rate, no mean effect, a backstop that is off."""

from dataclasses import replace

import numpy as np
import pytest

from abm.agents.central_bank import move_probability
from abm.agents.federal_reserve import FederalReserve
from abm.world import events as ev
from abm.world.instruments import INDEX, USD
from abm.world.streams import Streams
from abm.world.view import View
from tests.agents.authorities import open_authority, price_news
from tests.agents.screen import make_public, make_view, net_by_market

MEETING = {"meetings": {"FED": 0, "BOJ": 5}}


def terminal(pct: float) -> dict[str, np.ndarray]:
    rates = make_public().terminal_rate_pct.copy()
    rates[USD] = pct
    return {"terminal_rate_pct": rates}


def test_quiet_without_a_meeting() -> None:
    view = make_view(public={"meetings": {"FED": 4, "BOJ": 0}})
    fed = open_authority(FederalReserve, view)
    assert fed.announce(view) == []
    assert fed.decide(view).size == 0


def test_it_moves_towards_the_terminal_rate_only() -> None:
    for end, sign in ((2.0, -1.0), (5.5, 1.0)):
        view = make_view(public=MEETING | terminal(end))
        (event,) = open_authority(FederalReserve, view, odds_at_terminal=5.0).announce(view)
        assert isinstance(event, ev.PolicyRate)
        assert (event.bank, event.change_bp) == ("FED", sign * 25.0)


def test_the_further_away_the_likelier() -> None:
    p = [move_probability(gap, -3.0, 4.0) for gap in (0.0, 0.25, -0.5, 1.0)]
    assert p == sorted(p)
    assert p[0] < 0.06
    assert 0.2 < p[2] < 0.35  # about two cuts a year
    assert move_probability(0.4, -3.0, 4.0) == move_probability(-0.4, -3.0, 4.0)


def test_cuts_come_as_often_as_priced_and_decisions_have_no_mean_effect() -> None:
    view = make_view(public=MEETING)
    fed = open_authority(FederalReserve, view)
    priced = move_probability(3.25 - 3.64, -3.0, 4.0)
    outcomes: dict[str, np.ndarray] = {}
    total, cuts, n = np.zeros(len(view.opening)), 0, 1500
    for seed in range(n):
        (event,) = fed.announce(replace(view, streams=Streams(seed)))
        if event.kind not in outcomes:
            outcomes[event.kind] = price_news(view.public, [event])
        total += outcomes[event.kind]
        cuts += event.kind == "policy_rate"
    assert cuts / n == pytest.approx(priced, abs=4 * np.sqrt(priced * (1 - priced) / n))
    assert np.all(np.abs(total / n) <= 0.15 * np.abs(outcomes["policy_rate"]) + 1e-15)
    assert outcomes["policy_rate"][INDEX["UST2"]] > 0.0 > outcomes["policy_guidance"][INDEX["UST2"]]


def test_a_scheduled_decision_is_not_repeated_and_the_rule_can_be_off() -> None:
    for changes, switches in ((MEETING | {"decided": frozenset({"FED"})}, {}), (MEETING, {"fed_rule": False})):
        view = make_view(public=changes, switches=switches)
        assert open_authority(FederalReserve, view, odds_at_terminal=5.0).announce(view) == []


def collapse(fed: FederalReserve, switches: dict[str, bool] | None = None) -> View:
    """A day on which the depth of the 30-year is a tenth of what it was."""
    fed.end_of_day(make_view())
    view = make_view(switches=switches)
    depth = view.depth.copy()
    depth[INDEX["UST30"]] *= 0.1
    return replace(view, depth=depth)


def test_the_backstop_is_off_unless_sized_and_buys_where_depth_has_gone() -> None:
    plain = open_authority(FederalReserve, make_view())
    assert plain.decide(collapse(plain)).size == 0
    sizes = []
    for size in (10.0, 20.0):
        fed = open_authority(FederalReserve, make_view(), backstop_usd_bn=size)
        fed.end_of_day(make_view())
        assert fed.decide(make_view()).size == 0
        net = net_by_market(fed.decide(collapse(fed)))
        sizes.append(net["UST30"])
        assert net["UST2"] == net["UST10"] == 0.0
        assert fed.decide(collapse(fed, {"fed_backstop": False})).size == 0
    assert sizes == pytest.approx([10.0, 20.0])
