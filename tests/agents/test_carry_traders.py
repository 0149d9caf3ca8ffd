"""Carry funds and retail accounts: quiet at the opening, forced and unforced unwinding, and the plain version."""

from dataclasses import replace

import mesa
import numpy as np
import pytest

from abm.agents import carry_traders as ct
from abm.agents.carry_traders import ASSETS, CarryParams, CarryTraders
from abm.world.instruments import AUD, BTC, INDEX, JPY, N_MARKETS, USD, USDJPY
from abm.world.orders import REASON
from tests.agents.desk import Desk, market_days
from tests.agents.plain import plain_carry_world, plain_prices, plain_screen
from tests.agents.screen import make_view, net_by_market, permute_members

MEMBERS = 400
CHECK = {"intervention_risk": 0.65}


def opened(view=None, **params):
    """A sector with open books, and its desk."""
    view = view or make_view()
    sector = CarryTraders(mesa.Model(), CarryParams(**{"members": MEMBERS, **params}), view.streams)
    return sector, Desk(sector, view)


def path_of(moves, days=30, noise=0.0, seed=3):
    """Log prices of ``days`` days: straight to each move (log price) over its days, plus white noise of daily size."""
    base = make_view()
    path = np.tile(base.opening, (days + 1, 1))
    for market, (first, last, move) in moves.items():
        path[:, INDEX[market]] += np.interp(np.arange(days + 1), [first, last], [0.0, move])
    shocks = np.random.default_rng(seed).standard_normal((days, N_MARKETS)) * base.calm_vol * noise
    path[1:] += np.cumsum(shocks, axis=0)
    return path


def funds_equity(sector, view):
    return sector.book.equity_usd(view.log_price)[: sector.n][sector.is_fund]


def test_opening_totals_are_those_asked_for():
    view = make_view()
    sector, desk = opened(members=5000)
    held = sector.assets_usd(view.log_price, np.flatnonzero(sector.is_fund))
    assert sector.is_fund.sum() == 500
    np.testing.assert_allclose(held.sum(axis=0), 150.0 * sector.params.weights, rtol=1e-12)
    leverage = held.sum(axis=1) / funds_equity(sector, view)
    np.testing.assert_allclose(leverage, sector.leverage_open, rtol=1e-12)
    assert np.median(leverage) == pytest.approx(5.0, abs=0.25)
    assert 28.0 < funds_equity(sector, view).sum() < 34.0
    retail = desk.book.contracts_usd(view.log_price)[:, USDJPY]
    assert retail[retail > 0].sum() == pytest.approx(30.0)
    assert retail[retail < 0].sum() == pytest.approx(-30.0)


def test_median_leverage_sets_equity_for_a_given_position():
    view = make_view()
    thick, _ = opened(leverage_median=4.0)
    thin, _ = opened(leverage_median=6.0)
    assert thick.gross_usd_bn(view.log_price) == pytest.approx(thin.gross_usd_bn(view.log_price))
    assert funds_equity(thick, view).sum() > 1.2 * funds_equity(thin, view).sum()


def test_no_orders_at_unchanged_prices():
    sector, _ = opened(members=5000)
    for day in (1, 2, 20):
        assert len(sector.decide(make_view(day=day))) == 0


def test_each_limit_binds_for_some_funds_on_day_0():
    view = make_view()
    sector, _ = opened()
    wanted, _ = sector.desired_leverage(view)
    np.testing.assert_allclose(wanted, sector.leverage_open, rtol=1e-12)
    slack = [sector.leverage_limit / sector.leverage_open, sector.appetite_slack, sector.var_slack]
    binding = np.argmin(np.array(slack), axis=0)
    assert (np.bincount(binding, minlength=3) > 5).all()


def test_carry_is_what_the_screen_says():
    view = make_view()
    params = CarryParams()
    rate = {}
    for name, c in (("USD", USD), ("JPY", JPY), ("AUD", AUD)):
        r, end, k = view.public.policy_rate_pct[c], view.public.terminal_rate_pct[c], view.public.speed_per_yr[c]
        rate[name] = end + (r - end) * (1.0 - np.exp(-k)) / k
    expected = np.array([3.53, rate["USD"] + 4.0, 9.0, rate["AUD"], rate["USD"] + 8.0]) - 0.5
    np.testing.assert_allclose(ct.carry_pct(view, params, JPY), expected - rate["JPY"], rtol=1e-12)
    np.testing.assert_allclose(ct.carry_pct(view, params, USD), expected - rate["USD"], rtol=1e-12)


def test_volatility_of_a_treasury_basket_in_yen_and_in_dollars():
    view = make_view()
    only_ust2 = np.eye(5)[:1]
    bond, yen = view.calm_vol[INDEX["UST2"]], view.calm_vol[USDJPY]
    assert ct.basket_volatility(only_ust2, view, JPY)[0] == pytest.approx(np.sqrt(250.0 * (bond**2 + yen**2)))
    assert ct.basket_volatility(only_ust2, view, USD)[0] == pytest.approx(np.sqrt(250.0) * bond)


def test_rising_volatility_lowers_leverage_in_proportion():
    sector, _ = opened()
    wanted, at_var = sector.desired_leverage(make_view(vol_ratio=2.0))
    slack = (sector.appetite_slack / 2.0, sector.var_slack / 2.0, sector.leverage_limit / sector.leverage_open)
    expected = sector.leverage_open * np.min(slack, axis=0)
    np.testing.assert_allclose(wanted, expected, rtol=1e-12)
    assert 0 < at_var.sum() < sector.funds.size


def test_lower_carry_lowers_leverage_of_those_whose_appetite_binds():
    sector, _ = opened()
    view = make_view(policy_move_pct={"JPY": 1.0})
    wanted, _ = sector.desired_leverage(view)
    over_hurdle = sector.weights @ ct.carry_pct(view, sector.params, JPY) - sector.hurdle_pct
    kept = over_hurdle / (sector.carry_open - sector.hurdle_pct)
    assert (kept < 0.8).all()
    slack = (sector.leverage_limit / sector.leverage_open, sector.var_slack)
    expected = np.minimum(np.min(slack, axis=0), kept * sector.appetite_slack)
    np.testing.assert_allclose(wanted, sector.leverage_open * expected, rtol=1e-9)
    cut = wanted / sector.leverage_open
    assert (cut < 0.8).any() and (cut > 0.999).any()


def test_trend_factor_is_one_without_loss_and_bounded():
    assert ct.trend_factor(np.array([0.0]), 2.0, 0.6, 0.5)[0] == pytest.approx(1.0)
    half = ct.trend_factor(np.array([2.0]), 2.0, 0.6, 0.5)[0]
    assert half == pytest.approx(1.0 - 0.5 + 0.5 * (1.0 + np.exp(-2.0 / 0.6)) / 2.0)
    assert ct.trend_factor(np.array([50.0]), 2.0, 0.6, 0.5)[0] == pytest.approx(0.5)


def test_a_rate_check_moves_debt_out_of_yen_and_no_assets():
    sector, _ = opened()
    net = net_by_market(sector.decide(make_view(public=CHECK)))
    assert net["USDJPY"] < -5.0
    assert all(net[name] == 0.0 for name in ("UST2", "NASDAQ", "EMBOND", "AUDUSD", "BTC", "USDMXN"))


def test_a_rate_check_bites_more_when_crowded():
    view = make_view(public=CHECK, depth_scale=100.0)
    flows = [net_by_market(opened(crowding=c)[0].decide(view))["USDJPY"] for c in (0.0, 0.25, 1.0)]
    assert flows[0] > flows[1] > flows[2]


@pytest.mark.parametrize("move", [{"USDJPY": -4.0}, {}])
def test_a_crowd_that_has_left_no_longer_frightens_those_who_stayed(move):
    view = make_view(move=move, public=CHECK, depth_scale=100.0)
    crowded, thinned = opened(crowding=1.0)[0], opened(crowding=1.0)[0]
    assert thinned.crowd() == pytest.approx(1.0)
    thinned.yen_open /= 0.4  # they owe 0.4 of what was owed on day 0
    assert thinned.crowd() == pytest.approx(0.4)
    bought = [net_by_market(sector.decide(view))["USDJPY"] for sector in (crowded, thinned)]
    assert bought[0] < bought[1] < 0.0
    assert crowded.stopped.sum() >= thinned.stopped.sum()
    if move:
        assert crowded.stopped.sum() > thinned.stopped.sum()


def test_there_is_no_crowd_without_yen_shorts():
    assert opened(crowding=1.0, gross_usd_bn=0.0)[0].crowd() == 0.0


def test_flows_of_choice_respect_depth():
    for public in ({}, CHECK):
        view = make_view(vol_ratio=3.0, depth_scale=0.2, public=public)
        sector, _ = opened(stop_low=0.9, stop_high=0.9)
        fear = public.get("intervention_risk", 0.0)
        share = sector.params.depth_share * (1.0 + sector.params.urgency * fear)
        net = net_by_market(sector.decide(view))
        for name in ("UST2", "NASDAQ", "EMBOND", "AUDUSD", "BTC", "USDMXN"):
            assert abs(net[name]) <= share * view.depth[INDEX[name]] * view.vol[INDEX[name]] * (1.0 + 1e-9)
        sold = sum(net[name] for name in ("UST2", "NASDAQ", "EMBOND", "AUDUSD", "BTC"))
        chosen = net["USDJPY"] - sold  # yen debt follows the assets at once; moving it into dollars waits
        assert abs(chosen) <= share * view.depth[USDJPY] * view.vol[USDJPY] + 0.05 * abs(sold)
        assert net["USDJPY"] < 0.0


def test_stops_ignore_depth_close_their_share_and_cost_confidence():
    sector, _ = opened()
    crash = make_view(move={"USDJPY": -7.0}, depth_scale=1e-6)
    held = sector.assets_usd(crash.log_price, np.arange(sector.n))
    orders = sector.decide(crash)
    stops = orders[orders["reason"] == REASON["stop_loss"]]
    who = np.unique(stops["member"])
    assert who.size > 5
    for k, market in enumerate(ASSETS):
        sold = stops[stops["market"] == market]
        np.testing.assert_allclose(sold["quantity"], -sector.params.stop_cut * held[sold["member"], k], rtol=1e-12)
    yen = stops[stops["market"] == USDJPY]["quantity"]
    assert yen.sum() == pytest.approx(-sector.params.stop_cut * held[who].sum(), rel=0.05)
    sector.end_of_day(crash)
    hit = np.isin(sector.funds, who)
    np.testing.assert_allclose(sector.confidence[hit], 1.0 - sector.params.stop_cut)
    assert (sector.confidence[~hit] == 1.0).all()
    assert not np.isin(who, sector.decide(crash)["member"][sector.decide(crash)["reason"] == REASON["stop_loss"]]).any()


def test_funds_come_back_when_the_storm_is_over():
    path = path_of({"USDJPY": (2, 6, -0.08)}, days=200, noise=0.7)
    sector, desk = opened()
    gross = []
    for view, close in market_days(path):
        desk.day(view, close)
        gross.append(sector.gross_usd_bn(close) / max(funds_equity(sector, replace(view, log_price=close)).sum(), 1e-9))
    assert min(gross[6:40]) < 0.75 * gross[0]
    assert gross[-1] > 1.25 * min(gross[6:40])


def test_unwinding_falls_with_the_size_of_the_shock():
    left = []
    for move in (0.0, -0.03, -0.06, -0.10):
        sector, desk = opened()
        for view, close in market_days(path_of({"USDJPY": (0, 4, move)}, days=15)):
            desk.day(view, close)
        left.append(sector.gross_usd_bn(close))
    assert left[0] > left[1] > left[2] > left[3]
    assert left[0] == pytest.approx(150.0, rel=0.05)
    assert left[3] < 90.0


def test_margin_calls_sell_the_most_liquid_first_and_are_met():
    sector, desk = opened()
    crash = make_view(move={"USDJPY": -11.0, "NASDAQ": -10.0, "AUDUSD": -5.0}, vol_ratio=2.0)
    desk.mark_log = crash.log_price
    need = desk_need(desk, crash)
    called = np.flatnonzero((need > 0.0) & sector.is_fund)
    orders = sector.raise_cash(crash, need)
    mine = orders[np.isin(orders["member"], called)]
    assert called.size > 3
    assert (mine["reason"] == REASON["margin_call"]).all()
    assert (mine["quantity"] <= 0.0).all()
    held = sector.assets_usd(crash.log_price, np.arange(sector.n))
    for row in mine[mine["market"] == BTC]:
        others = mine[(mine["member"] == row["member"]) & (mine["market"] == INDEX["UST2"])]
        assert others["quantity"][0] == pytest.approx(-held[row["member"], 0])
    before = need[called]
    desk.settle(orders, crash.log_price, crash.log_price)
    after = desk_need(desk, crash)[called]
    solvent = sector.book.equity_usd(crash.log_price)[called] > 0.0
    assert solvent.any()
    assert (after[solvent] <= 0.02 * before[solvent]).all()


def desk_need(desk, view):
    """Margin needs as the model computes them."""
    sector = desk.sector
    equity = desk.book.equity_usd(view.log_price)[: sector.n]
    return sector.maintenance_shortfall(view, sector.initial_margin(view), equity)


def test_retail_losers_are_cut_at_the_legal_margin():
    sector, desk = opened()
    crash = make_view(move={"USDJPY": -8.0})
    desk.settle(np.empty(0), crash.log_price, crash.log_price)
    need = desk_need(desk, crash)
    called = (need > 0.0) & ~sector.is_fund
    notional = np.abs(desk.book.contracts_usd(crash.log_price)[:, USDJPY])
    equity = desk.book.equity_usd(crash.log_price)
    np.testing.assert_array_equal(called, ~sector.is_fund & (equity < 0.03 * notional))
    assert called.any()
    cut = sector.raise_cash(crash, np.where(called, need, 0.0))
    assert (cut["reason"] == REASON["liquidation"]).all() and cut["contract"].all()
    desk.settle(cut, crash.log_price, crash.log_price)
    np.testing.assert_allclose(desk.book.contracts[called, USDJPY], 0.0, atol=1e-15)


def test_retail_leans_against_the_dollar():
    off = {"carry_positions": False}
    for move, sign in ((-5.0, 1.0), (5.0, -1.0)):
        sector, _ = opened(members=5000)
        orders = sector.decide(make_view(move={"USDJPY": move}, switches=off, depth_scale=100.0))
        assert orders["contract"].all()
        assert 5.0 < sign * orders["quantity"].sum() < 15.0


def test_rules_switched_off_post_nothing():
    sector, _ = opened()
    storm = {"move": {"USDJPY": -8.0, "NASDAQ": -8.0}, "vol_ratio": 2.0, "public": CHECK}
    off = {"carry_positions": False, "retail_fx": False, "yen_carry_funding": False}
    assert len(sector.decide(make_view(**storm))) > 0
    assert len(sector.decide(make_view(**storm, switches=off))) == 0


def test_without_yen_funding_no_yen_moves():
    switches = {"yen_carry_funding": False, "retail_fx": False}
    view = make_view(switches=switches)
    sector, desk = opened(view)
    assert np.abs(desk.book.loans[:, JPY]).sum() == 0.0
    assert desk.book.loans[:, USD].sum() > 100.0
    assert len(sector.decide(view)) == 0
    storm = make_view(move={"NASDAQ": -15.0}, vol_ratio=2.0, public=CHECK, switches=switches)
    net = net_by_market(sector.decide(storm))
    assert net["NASDAQ"] < 0.0
    assert net["USDJPY"] == 0.0


def test_sales_never_exceed_what_is_owned():
    sector, _ = opened()
    for move in (-5.0, -15.0):
        view = make_view(move={"USDJPY": move, "BTC": 2 * move}, vol_ratio=3.0, depth_scale=1e3)
        orders = sector.decide(view)
        held = sector.assets_usd(view.log_price, np.arange(sector.n))
        for k, market in enumerate(ASSETS):
            mine = orders[(orders["market"] == market) & ~orders["contract"]]
            sold = np.bincount(mine["member"], np.minimum(mine["quantity"], 0.0), minlength=sector.n)
            assert (sold >= -held[:, k] - 1e-12).all()
            assert (mine["lo"] >= -held[mine["member"], k] - 1e-12).all()


def test_members_may_be_permuted():
    sector, _ = opened()
    order = np.random.default_rng(1).permutation(sector.n)
    other, _ = opened()
    permute_members(other, order)
    view = make_view(move={"USDJPY": -6.0, "NASDAQ": -4.0}, vol_ratio=1.5, public=CHECK)
    a, b = sector.decide(view), other.decide(view)
    b["member"] = order[b["member"]]
    key = ["member", "market", "contract"]
    a, b = np.sort(a, order=key), np.sort(b, order=key)
    np.testing.assert_array_equal(a[key], b[key])
    np.testing.assert_allclose(a["quantity"], b["quantity"], rtol=1e-9)


def test_doubling_everything_doubles_orders():
    sizes = {n: 2.0 * getattr(CarryParams(), n) for n in CarryParams.model_fields if "_usd_bn" in n}
    storm = {"move": {"USDJPY": -6.0}, "vol_ratio": 1.5, "public": CHECK}
    one, two = opened()[0], opened(**sizes)[0]
    a, b = one.decide(make_view(**storm)), two.decide(make_view(**storm, depth_scale=2.0))
    np.testing.assert_array_equal(a["member"], b["member"])
    np.testing.assert_allclose(2.0 * a["quantity"], b["quantity"], rtol=1e-9)


def test_retail_trades_against_numpy():
    rng = np.random.default_rng(5)
    n = 1000
    core, dollars, equity = (rng.standard_normal(n) for _ in range(3))
    response, band, leverage = rng.random(n), 0.5 * rng.random(n), 20.0 * rng.random(n)
    is_fund, lookback = rng.random(n) < 0.3, rng.integers(20, 61, n)
    closes = rng.standard_normal(64)
    average = np.array([closes[-days:].mean() for days in lookback])
    most = np.minimum(2.0 * leverage, 25.0) * np.maximum(equity, 0.0)
    gap = np.clip(core - response * (0.2 - average), -most, most) - 1.5 * dollars
    expected = np.where(~is_fund & (np.abs(gap) > band), gap, 0.0)
    columns = (is_fund, core, response, band, leverage, lookback, dollars, equity)
    got = ct.retail_trades(*columns, 0.2, closes, 1.5)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert 100 < (got != 0.0).sum() < 900


def test_margin_calls_against_numpy():
    rng = np.random.default_rng(6)
    n = 1000
    is_fund, initial, dollars, equity = rng.random(n) < 0.3, rng.random(n), rng.standard_normal(n), rng.random(n)
    dollars[:100] = 0.0
    margin = np.where(is_fund, initial, 0.04 * np.abs(2.0 * dollars))
    expected = np.where((margin > 0.0) & (equity < 0.75 * margin), margin - equity, 0.0)
    got = ct.margin_calls(is_fund, initial, dollars, 2.0, 0.04, equity, 0.75)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert 50 < (got > 0.0).sum() < 500


def test_stops_and_confidence_against_numpy():
    rng = np.random.default_rng(7)
    n = 1000
    equity, peak, confidence, stop = rng.random(n), 1.2 * rng.random(n), rng.random(n), 1.2 * rng.random(n)
    stopped = ct.stops_hit(equity, peak, stop)
    np.testing.assert_array_equal(stopped, equity < (1.0 - np.minimum(stop, 0.9)) * peak)
    peaks, sure = ct.after_the_close(equity, peak, confidence, stopped, 0.98, 0.96, 0.6)
    kept = np.where(stopped, equity, np.maximum(equity, equity + 0.98 * (peak - equity)))
    dared = np.where(stopped, 0.6 * confidence, 1.0 - 0.96 * (1.0 - confidence))
    np.testing.assert_allclose(peaks, kept, rtol=1e-12)
    np.testing.assert_allclose(sure, dared, rtol=1e-12)
    assert 50 < stopped.sum() < n - 50


def test_a_lookback_beyond_the_history_is_refused():
    sector, _ = opened()
    sector.lookback_days[0] = 200
    with pytest.raises(IndexError, match="looks back further"):
        sector.decide(make_view())


def test_all_weights_zero_is_refused():
    with pytest.raises(ValueError, match="set at least one"):
        CarryParams(weight_ust2=0, weight_nasdaq=0, weight_embond=0, weight_aud=0, weight_btc=0)


# -- the plain version ---------------------------------------------------------------------------------------------


def test_plain_version_walks_the_same_path():
    crash = {"USDJPY": (12, 15, -0.20), "AUDUSD": (12, 15, -0.05), "NASDAQ": (12, 16, -0.12), "BTC": (12, 15, -0.25)}
    path = path_of(crash, noise=1.0)

    def public(day):
        risk = 0.65 * 0.5 ** ((day - 6) / 6.0) if day >= 6 else 0.0
        return {"intervention_risk": risk, "hike_risk": 0.1 + 0.01 * day, "risk_aversion_sd": 1.0 if day > 12 else 0.0}

    days = market_days(path, public)
    opening = replace(days[0][0], public=replace(days[0][0].public, hike_risk=0.1))
    sector = CarryTraders(mesa.Model(), CarryParams(members=200, fund_share=0.25), opening.streams)
    desk = Desk(sector, opening)
    world = plain_carry_world(sector, opening)
    reasons = set()
    for view, close in days:
        desk.day(view, close)
        reasons |= {reason for _, reason in desk.flows}
        world.day(plain_screen(view), plain_prices(close))
    assert reasons >= {"carry", "carry_unwind", "stop_loss", "margin_call", "liquidation", "client_flows"}
    book = desk.book
    for i, fund in zip(np.flatnonzero(sector.is_fund), world.funds, strict=True):
        net = book.cash[i] - book.loans[i]
        got = [*(book.units[i, m] for m in ASSETS if m != INDEX["AUDUSD"]), net[AUD], net[USD], net[JPY] / 158.95]
        expected = [fund.units[a] for a in ("UST2", "NASDAQ", "EMBOND", "BTC", "AUDUSD")]
        np.testing.assert_allclose(got, [*expected, fund.usd, fund.jpy / 158.95], rtol=1e-9, atol=1e-11)
        assert sector.confidence[i] == pytest.approx(fund.confidence, abs=1e-12)
    for i, account in zip(np.flatnonzero(~sector.is_fund), world.retail, strict=True):
        assert book.contracts[i, USDJPY] == pytest.approx(account.dollars, abs=1e-11)
        assert book.cash[i, JPY] - book.loans[i, JPY] == pytest.approx(account.jpy, abs=1e-9)


def test_an_insolvent_account_with_nothing_left_posts_nothing():
    sector, desk = opened()
    ruin = make_view(move={"USDJPY": -60.0})
    for _ in range(2):
        need = desk_need(desk, ruin)
        desk.settle(sector.raise_cash(ruin, need), ruin.log_price, ruin.log_price)
    need = desk_need(desk, ruin)
    assert (need[sector.is_fund] > 0.0).all()
    assert len(sector.raise_cash(ruin, need)) == 0
