"""JGB fast money: trend, conviction, stops, targets, margin."""

from typing import Any

import mesa
import numpy as np
import pytest

from abm.agents.jgb_fast_money import FUTURES, JgbFastMoney, conviction, trend_sd, wanted_position
from abm.world.book import Book
from abm.world.instruments import DURATION_YR, INDEX, JGBS, N_MARKETS
from abm.world.orders import REASON
from abm.world.view import View
from tests.agents.screen import HOLDINGS_USD_BN, make_view, net_by_market, open_book

HELD = HOLDINGS_USD_BN["jgb_fast_money"]


def opened(**params: Any) -> JgbFastMoney:
    view = make_view(day=0)
    sector = JgbFastMoney(mesa.Model(rng=1), JgbFastMoney.Params(**params), view.streams)
    book = open_book(sector.opening(HELD, view), view)
    sector.book = Book(book.units.copy(), book.cash.copy(), book.loans.copy(), book.contracts.copy())
    sector.start(view)
    return sector


def sell_off(bp_per_day: float, days: int = 20, **changes: Any) -> View:
    """A screen after so many days of JGB yields rising evenly."""
    opening = make_view().opening
    history = np.tile(opening, (80, 1))
    history[-days:, JGBS] -= np.outer(np.arange(1, days + 1), DURATION_YR[JGBS] * bp_per_day / 1e4)
    return make_view(history=history, **changes)


def short(sector: JgbFastMoney, usd_bn: float) -> None:
    """Every fund is short its part of an amount of 30-year futures."""
    value = make_view().unit_value_usd[INDEX["JGB30"]]
    sector.book.contracts[:, INDEX["JGB30"]] = -usd_bn * sector.size / value
    sector.end_of_day(make_view())


def test_without_a_trend_nobody_trades() -> None:
    sector = opened()
    assert sector.decide(make_view()).size == 0
    assert sector.book.holdings_usd(make_view().opening).sum(axis=0) == pytest.approx(HELD)
    assert sector.book.equity_usd(make_view().opening).sum() == pytest.approx(0.5 * HELD.sum())


def test_falling_prices_are_sold_rising_ones_bought_in_futures() -> None:
    orders = opened().decide(sell_off(2.0))
    assert orders["contract"].all()
    assert set(orders["reason"]) == {REASON["momentum"]}
    assert all(net_by_market(orders)[name] < 0.0 for name in ("JGB10", "JGB20", "JGB30", "JGB40"))
    assert net_by_market(orders)["JGB2"] == 0.0
    assert net_by_market(opened().decide(sell_off(-2.0)))["JGB30"] > 0.0


def test_positions_follow_the_rule() -> None:
    view = sell_off(1.0)
    horizon = np.array([5, 20])
    rise = DURATION_YR[FUTURES] * 1e-4 * horizon[:, None]
    trend = trend_sd(view.log_price, view.history, view.vol, horizon)
    assert trend == pytest.approx(-rise / (view.vol[FUTURES] * np.sqrt(horizon)[:, None]))
    assert conviction(np.array([[0.5, -1.5]]), np.array([[1.0]])) == pytest.approx(np.array([[0.0, -np.tanh(0.5)]]))
    sure = wanted_position(np.array([10.0]), np.ones((1, 4)), np.full(4, 0.5))
    assert sure.sum() == pytest.approx(5.0)
    assert np.abs(opened().wanted(sell_off(50.0))).sum() == pytest.approx(63.0, rel=1e-3)
    assert np.abs(opened().wanted(sell_off(200.0, vol_ratio=3.0))).sum() == pytest.approx(21.0, rel=1e-3)


def test_a_weak_auction_makes_a_short_and_orders_respect_depth() -> None:
    weak = opened().decide(make_view(public={"weak_auction_sd": 4.0}))
    assert net_by_market(weak)["JGB30"] < 0.0
    view = sell_off(50.0, depth_scale=0.01)
    most = 0.3 * view.depth * view.vol
    assert abs(net_by_market(opened().decide(view))["JGB30"]) == pytest.approx(most[INDEX["JGB30"]])


def test_losses_stop_positions_out_and_funds_rest() -> None:
    sector = opened()
    short(sector, 20.0)
    rally = make_view(move={"JGB30": -120.0}, day=2)
    sector.end_of_day(rally)
    assert (sector.resting > 0).all() and sector.stopped.all()
    orders = sector.decide(make_view(move={"JGB30": -120.0}, day=3))
    assert set(orders["reason"]) == {REASON["stop_loss"]}
    position = -sector.book.contracts_usd(rally.log_price)[:, INDEX["JGB30"]].sum()
    assert net_by_market(orders)["JGB30"] == pytest.approx(position)
    sector.book.contracts[:] = 0.0
    falling = sell_off(3.0, day=4)
    assert sector.decide(falling).size == 0
    for day in range(4, 21):
        sector.end_of_day(make_view(day=day))
    assert net_by_market(sector.decide(sell_off(3.0, day=21)))["JGB30"] < 0.0


def test_gains_are_taken_gradually() -> None:
    sector = opened()
    short(sector, 20.0)
    sector.end_of_day(make_view(move={"JGB30": 300.0}, day=2))
    assert (sector.resting > 0).all() and not sector.stopped.any()
    orders = sector.decide(make_view(move={"JGB30": 300.0}, day=3, depth_scale=100.0))
    assert set(orders["reason"]) == {REASON["profit_taking"]}
    position = -sector.book.contracts_usd(make_view(move={"JGB30": 300.0}).log_price)[:, INDEX["JGB30"]].sum()
    assert 0.1 * position < net_by_market(orders)["JGB30"] < 0.9 * position


def test_margin_calls_close_just_enough() -> None:
    sector, view = opened(), make_view()
    short(sector, 40.0)
    need = np.zeros(sector.n)
    need[3] = 1e-4
    orders = sector.raise_cash(view, need)
    assert set(orders["member"]) == {3} and set(orders["reason"]) == {REASON["margin_call"]}
    rate = np.maximum(sector.margin.floor, 2.33 * view.vol * np.sqrt(2.0))
    assert (np.abs(orders["quantity"]) * rate[orders["market"]]).sum() == pytest.approx(1e-4)
    everything = sector.raise_cash(view, np.full(sector.n, 1e3))
    bonds = everything[~everything["contract"]]
    assert -np.bincount(bonds["market"], bonds["quantity"], N_MARKETS) == pytest.approx(HELD)


def test_rule_off_means_no_orders() -> None:
    assert opened().decide(sell_off(5.0, switches={"fast_money_momentum": False})).size == 0
