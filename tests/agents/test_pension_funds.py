"""Pension funds: policy mix, bands, slow rebalancing, and the shift to domestic bonds."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from abm.agents.pension_funds import (
    CLASSES,
    PensionFunds,
    mix_shift_pp,
    outside_band,
    rebalancing_trades,
)
from abm.world.instruments import INDEX, JGBS, JPY, N_MARKETS, USD
from abm.world.orders import REASON
from tests.agents.screen import HOLDINGS_USD_BN, make_view, net_by_market, opened, permute_members

EQUITY_RISE = {"NIKKEI": 30.0, "SPX": 20.0, "NASDAQ": 20.0}
YIELD_RISE = {"JGB2": 40.0, "JGB10": 60.0, "JGB20": 60.0, "JGB30": 60.0, "JGB40": 60.0}


def by_class(orders: np.ndarray) -> np.ndarray:
    """Net purchases per asset class, USD bn."""
    total = np.bincount(orders["market"], orders["quantity"], N_MARKETS)
    return np.array([total[c].sum() for c in CLASSES])


def reviewed(sector: PensionFunds, **change) -> None:
    """The sector after the review at the turn of a quarter."""
    view = replace(make_view(**change), date=dt.date(2026, 4, 1), month_first=True)
    sector.decide(view)
    sector.end_of_day(view)


def test_members_add_up_to_the_sector_and_gpif_holds_seven_tenths_unhedged() -> None:
    sector, view = opened(PensionFunds), make_view(day=0)
    held = sector.book.units * view.unit_value_usd
    np.testing.assert_allclose(held.sum(axis=0), HOLDINGS_USD_BN["pension_funds"], rtol=1e-12)
    assert held[0].sum() / held.sum() == pytest.approx(0.70, abs=0.02)
    assert not sector.book.contracts[0].any() and (sector.book.contracts[1:, INDEX["USDJPY"]] < 0).all()
    np.testing.assert_allclose(sector.policy[0], 0.25, atol=1e-9)
    np.testing.assert_allclose(sector.policy.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    "change",
    [{}, {"move": {"JGB30": 50.0}}, {"move": {"USDJPY": -5.0}}, {"vol_ratio": 2.0}, {"policy_move_pct": {"USD": 1.0}}],
)
def test_nobody_trades_inside_the_bands(change: dict) -> None:
    assert opened(PensionFunds).decide(make_view(**change)).size == 0


def test_bands_are_left_at_the_edge_and_trading_ends_half_way() -> None:
    band, was = np.full((1, 4), 0.06), np.zeros((1, 4), dtype=bool)
    deviation = np.array([[0.059, -0.061, 0.03, 0.0]])
    now = outside_band(deviation, band, was)
    assert now.tolist() == [[False, True, False, False]]
    assert outside_band(np.array([[0.0, -0.031, 0.0, 0.0]]), band, now)[0, 1]
    assert not outside_band(np.array([[0.0, -0.029, 0.0, 0.0]]), band, now)[0, 1]


def test_half_a_band_is_traded_over_the_horizon_and_paid_for_by_the_opposite_classes() -> None:
    deviation, band = np.array([[0.07, -0.05, -0.01, -0.01]]), np.full((1, 4), 0.06)
    trades = rebalancing_trades(deviation, band, np.abs(deviation) > band, np.array([40.0]))
    assert trades[0, 0] == pytest.approx(-0.03 / 40.0)
    assert trades.sum() == pytest.approx(0.0, abs=1e-15)
    assert trades[0, 1] == pytest.approx(0.03 / 40.0 * 5.0 / 7.0)


def test_after_a_rally_equities_are_sold_for_the_other_classes() -> None:
    sector, view = opened(PensionFunds), make_view(move=EQUITY_RISE)
    orders = sector.decide(view)
    domestic, foreign, equities, _ = by_class(orders)
    assert equities < -0.5 and domestic > 0 and foreign > 0
    assert abs(by_class(orders).sum()) < 1e-9 * np.abs(orders["quantity"]).sum()
    assert set(orders["reason"]) == {REASON["rebalancing"]}
    assert net_by_market(orders)["USDJPY"] > 0


def test_after_a_crash_equities_are_bought() -> None:
    orders = opened(PensionFunds).decide(make_view(move={"SPX": -45.0, "NASDAQ": -45.0}))
    assert by_class(orders)[3] > 0.5 and by_class(orders)[0] < 0


def test_foreign_bonds_of_other_funds_are_traded_with_their_hedge_and_gpifs_without() -> None:
    sector = opened(PensionFunds)
    orders = sector.decide(make_view(move=EQUITY_RISE))
    bonds = orders[orders["market"] == INDEX["UST10"]]
    np.testing.assert_allclose(bonds["hedge"], sector.hedge[bonds["member"]])
    assert bonds["hedge"][bonds["member"] == 0] == 0.0


def test_rebalancing_brings_a_fund_back_inside_and_then_stops() -> None:
    sector, view = opened(PensionFunds), make_view(move=EQUITY_RISE)
    first = sector.decide(view)
    for _ in range(150):
        orders = sector.decide(view)
        filled = np.zeros_like(sector.book.units)
        np.add.at(filled, (orders["member"], orders["market"]), orders["quantity"])
        sector.book = replace(sector.book, units=sector.book.units + filled / view.unit_value_usd)
        sector.end_of_day(view)
    assert first.size > 0 and sector.decide(view).size == 0
    assert (np.abs(sector.weights(view) - sector.policy) <= sector.band).all()


def test_sales_are_within_holdings_and_respect_depth() -> None:
    sector = opened(PensionFunds)
    view = make_view(move={"NIKKEI": 70.0}, depth_scale=1e-3)
    orders = sector.decide(view)
    nikkei = orders[orders["market"] == INDEX["NIKKEI"]]
    market = INDEX["NIKKEI"]
    assert -nikkei["quantity"].sum() <= 0.25 * view.depth[market] * view.vol[market] * (1 + 1e-9)
    held = sector.book.holdings_usd(view.log_price)[nikkei["member"], market]
    assert (-nikkei["lo"] <= 0.4 * held + 1e-12).all() and (nikkei["hi"] == 0).all()


def test_the_mix_shifts_by_whole_points_at_reviews_only() -> None:
    assert mix_shift_pp(np.array([24.0, 25.0, 60.0, -80.0, 900.0]), 25.0, 10.0).tolist() == [0.0, 1.0, 2.0, 0.0, 10.0]
    sector = opened(PensionFunds)
    sector.end_of_day(make_view(move=YIELD_RISE))
    assert not sector.to_shift.any()
    reviewed(sector, move=YIELD_RISE)
    np.testing.assert_allclose(sector.to_shift[0], [0.02, -0.01, -0.005, -0.005])
    assert sector.happenings() == ["GPIF moves +2 points of its policy mix to domestic bonds"]
    reviewed(sector, move={"JGB10": 30.0})
    assert sector.shifted_pp[0] == 2.0
    reviewed(sector)
    assert sector.shifted_pp[0] == 1.0
    np.testing.assert_allclose(sector.policy[0], [0.26, 0.245, 0.2475, 0.2475], atol=1e-9)


def test_a_mix_shift_brings_money_home() -> None:
    sector, view = opened(PensionFunds), make_view(move=YIELD_RISE)
    reviewed(sector, move=YIELD_RISE)
    orders = sector.decide(view)
    net = net_by_market(orders)
    assert net["JGB10"] > 0 and net["UST10"] < 0 and net["SPX"] < 0 and net["USDJPY"] < 0
    assert REASON["repatriation"] in orders["reason"]
    before = sector.to_shift.copy()
    sector.end_of_day(view)
    np.testing.assert_allclose(sector.to_shift, before * (1.0 - 1.0 / sector.horizon_days[:, None]))


def test_benefits_equal_investment_income() -> None:
    sector = opened(PensionFunds)
    assert not sector.income(make_view(day=1)).any()
    paid = sector.income(make_view(day=2))
    assert paid[:, JPY].sum() < 0 and paid[:, USD].sum() < 0


def test_with_all_rules_off_nothing_is_posted() -> None:
    sector = opened(PensionFunds)
    reviewed(sector, move=YIELD_RISE)
    off = dict.fromkeys(PensionFunds.rules, False)
    assert sector.decide(make_view(move=EQUITY_RISE, switches=off)).size == 0


def test_the_order_of_members_does_not_matter() -> None:
    straight, shuffled = opened(PensionFunds), opened(PensionFunds)
    order = np.random.default_rng(3).permutation(straight.n)
    permute_members(shuffled, order)
    for sector in (straight, shuffled):
        reviewed(sector, move=YIELD_RISE)
    view = make_view(move={**YIELD_RISE, **EQUITY_RISE})
    a, b = straight.decide(view), shuffled.decide(view)
    jgb = [
        np.bincount(o["member"][np.isin(o["market"], JGBS)], o["quantity"][np.isin(o["market"], JGBS)], 101)
        for o in (a, b)
    ]
    np.testing.assert_allclose(jgb[0][order], jgb[1], rtol=1e-9)


def test_twice_the_books_in_twice_the_depth_orders_twice_as_much() -> None:
    small, large = opened(PensionFunds), opened(PensionFunds, 2.0 * HOLDINGS_USD_BN["pension_funds"])
    one = net_by_market(small.decide(make_view(move=EQUITY_RISE)))
    two = net_by_market(large.decide(make_view(move=EQUITY_RISE, depth_scale=2.0)))
    np.testing.assert_allclose(list(two.values()), 2.0 * np.array(list(one.values())), rtol=1e-9)
