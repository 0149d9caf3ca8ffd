"""Unleveraged bitcoin holders: still at the opening, deeper bids the further the price falls, never in debt."""

import mesa
import numpy as np
import pytest

from abm.agents.bitcoin_holders import BitcoinHolders, HolderParams, resting_bids
from abm.world.instruments import BTC, USD
from abm.world.orders import REASON
from tests.agents.screen import by_market, make_view, open_book, permute_members

HOLDINGS = by_market({"BTC": 1850.0})
NO_CLIENTS = {"client_flows": False}


def opened(holdings=HOLDINGS, **params):
    """A sector with open books."""
    view = make_view()
    sector = BitcoinHolders(mesa.Model(), HolderParams(**params), view.streams)
    sector.book = open_book(sector.opening(holdings, view), view)
    sector.start(view)
    return sector


def demand(orders, x=0.0):
    """What a block of orders buys at a log change x from the quote, USD bn."""
    return np.clip(orders["quantity"] - orders["slope"] * x, orders["lo"], orders["hi"]).sum()


def at(move, **options):
    """The screen after a move of bitcoin in per cent (log)."""
    return make_view(move={"BTC": move}, **options)


def test_opening_holds_the_state_and_no_debt():
    view = make_view()
    sector = opened()
    assert sector.book.holdings_usd(view.log_price)[:, BTC].sum() == pytest.approx(1850.0)
    assert sector.book.cash[:, USD].sum() == pytest.approx(sector.params.cash_usd_bn)
    assert not sector.book.loans.any() and not sector.book.contracts.any()


def test_net_zero_at_the_opening():
    sector = opened()
    assert demand(sector.decide(make_view(switches=NO_CLIENTS))) == pytest.approx(0.0, abs=1e-12)


def test_client_flows_are_small_and_random():
    sector = opened()
    flows = []
    for day in range(1, 200):
        orders = sector.decide(make_view(day=day, switches={"dip_buying": False}))
        assert (orders["reason"] == REASON["client_flows"]).all()
        flows.append(orders["quantity"].sum())
    assert np.std(flows) == pytest.approx(sector.params.client_flow_usd_bn, rel=0.15)
    assert abs(np.mean(flows)) < 3.0 * sector.params.client_flow_usd_bn / np.sqrt(len(flows))


def test_depth_near_the_quote_is_that_of_active_holders():
    sector = opened()
    orders = sector.decide(make_view(switches=NO_CLIENTS))
    per_pct = demand(orders, -0.005) - demand(orders, 0.005)
    assert per_pct == pytest.approx(sector.params.active_slope_usd_bn_per_pct, rel=0.02)


def test_depth_grows_as_the_price_falls():
    orders = opened().decide(make_view(switches=NO_CLIENTS))
    steps = [demand(orders, x - 0.05) - demand(orders, x) for x in (0.0, -0.05, -0.10, -0.15)]
    assert steps[0] > 0.0
    assert steps[0] < steps[1] < steps[2] < steps[3]


def test_bids_wait_at_their_discount():
    quantity, slope = resting_bids(np.array([0.08]), np.array([2.0]), 0.1)
    bought = [float(np.clip(quantity - slope * x, 0.0, 2.0)[0]) for x in (0.0, -0.08, -0.13, -0.18, -0.30)]
    assert bought == pytest.approx([0.0, 0.0, 1.0, 2.0, 2.0])


def test_patient_holders_buy_only_beyond_their_discount():
    sector = opened()
    for move in (-5.0, -20.0, -40.0):
        orders = sector.decide(at(move, switches=NO_CLIENTS))
        bids = orders[orders["reason"] == REASON["dip_buying"]]
        buying = np.clip(bids["quantity"], bids["lo"], bids["hi"]) > 0.0
        np.testing.assert_array_equal(buying, sector.discount[bids["member"]] < -move / 100.0)
    assert not (sector.active[bids["member"]]).any()
    discount = 1.0 - np.exp(-sector.discount)
    p = sector.params
    assert p.discount_low <= discount.min() < discount.max() <= p.discount_high


def test_old_holders_sell_into_strength():
    sector = opened()
    orders = sector.decide(at(60.0, switches=NO_CLIENTS))
    offers = orders[orders["reason"] == REASON["profit_taking"]]
    selling = np.clip(offers["quantity"], offers["lo"], offers["hi"]) < 0.0
    np.testing.assert_array_equal(selling, sector.premium[offers["member"]] < 0.60)
    assert selling.any() and sector.old[offers["member"]].all()
    assert demand(orders) < -0.5


def test_budgets_bind():
    sector = opened()
    view = at(-60.0, switches=NO_CLIENTS)
    orders = sector.decide(view)
    spent = np.bincount(orders["member"], np.clip(orders["quantity"], orders["lo"], orders["hi"]), minlength=sector.n)
    assert (spent <= 0.1001 * sector.book.cash[:, USD]).all()
    sector.book.cash[:, USD] = 0.0
    assert demand(sector.decide(view)) == 0.0


def test_nobody_sells_more_than_is_owned():
    sector = opened(client_flow_usd_bn=5.0)
    view = at(80.0)
    orders = sector.decide(view)
    held = sector.book.holdings_usd(view.log_price)[:, BTC]
    sold = np.bincount(
        orders["member"], np.clip(orders["quantity"] - 9.0 * orders["slope"], orders["lo"], orders["hi"])
    )
    assert (sold >= -held[: sold.size]).all()


def test_anchor_follows_slowly():
    sector = opened()
    fallen = at(-30.0)
    first = demand(sector.decide(at(-30.0, switches=NO_CLIENTS)))
    for _ in range(200):
        sector.end_of_day(fallen)
    gap = sector.anchor_log - fallen.log_price[BTC]
    np.testing.assert_allclose(gap, 0.30 * (1.0 - 1.0 / sector.anchor_days) ** 200)
    assert 0.08 < gap.mean() < 0.14
    assert demand(sector.decide(at(-30.0, switches=NO_CLIENTS))) < 0.5 * first


def test_rules_switched_off_post_nothing():
    assert len(opened().decide(at(-40.0, switches={"dip_buying": False, "client_flows": False}))) == 0


def test_members_may_be_permuted():
    sector = opened()
    order = np.random.default_rng(3).permutation(sector.n)
    other = opened()
    permute_members(other, order)
    a, b = sector.decide(at(-22.0)), other.decide(at(-22.0))
    b["member"] = order[b["member"]]
    key = ["member", "reason"]
    a, b = np.sort(a, order=key), np.sort(b, order=key)
    for column in ("member", "reason"):
        np.testing.assert_array_equal(a[column], b[column])
    for column in ("quantity", "slope", "lo", "hi"):
        np.testing.assert_allclose(a[column], b[column], rtol=1e-12)


def test_doubling_everything_doubles_orders():
    sizes = {n: 2.0 * getattr(HolderParams(), n) for n in HolderParams.model_fields if "_usd_bn" in n}
    a, b = opened().decide(at(-25.0)), opened(2.0 * HOLDINGS, **sizes).decide(at(-25.0))
    for column in ("quantity", "slope", "lo", "hi"):
        np.testing.assert_allclose(2.0 * a[column], b[column], rtol=1e-12)
