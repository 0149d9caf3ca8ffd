"""Dealers: segmented capacity, own capital."""

import numpy as np
import pytest

from abm.agents.dealers import SEGMENT, SEGMENTS, Dealers
from abm.world.instruments import INDEX, N_MARKETS, USD
from tests.agents.markets import deliver, market_view, opened, prices, schedule

JGB30, JGB10, UST10 = INDEX["JGB30"], INDEX["JGB10"], INDEX["UST10"]


def test_day_one_asks_for_nothing_and_has_the_depth_asked_for() -> None:
    s = schedule(opened(Dealers, jgb30_depth_per_pct_usd_bn=3.0, ust10_depth_per_pct_usd_bn=7.0), market_view())
    assert np.abs(s.intercept).max() == 0.0
    assert np.array_equal(s.matrix, np.diag(np.diag(s.matrix)))
    assert np.diag(s.matrix)[[JGB30, UST10]] / 100.0 == pytest.approx([3.0, 7.0])
    assert np.diag(s.matrix)[JGB10] > np.diag(s.matrix)[JGB30]
    assert s.weights.sum(axis=0) == pytest.approx(np.ones(N_MARKETS))


def test_every_market_has_a_desk_at_any_number_of_desks() -> None:
    assert set(np.unique(SEGMENT)) == set(range(len(SEGMENTS)))
    for members in (1, 3, 8, 24, 50):
        sector = opened(Dealers, members=members)
        assert sector.capital.sum() == pytest.approx(300.0)
        assert schedule(sector, market_view()).weights.sum(axis=0) == pytest.approx(np.ones(N_MARKETS))
        assert np.diag(schedule(sector, market_view()).matrix).min() > 0.0


def test_a_loss_thins_out_the_loser_s_own_segment_only() -> None:
    sector, view = opened(Dealers), market_view()
    full = np.diag(schedule(sector, view).matrix).copy()
    jgb_desks = sector.in_segment[:, 0] > 0.0
    sector.book.cash[jgb_desks, USD] -= 0.6 * sector.capital[jgb_desks]
    sector.end_of_day(view)
    left = np.diag(schedule(sector, view).matrix) / full
    assert left[JGB30] == pytest.approx(0.4)
    assert left[UST10] == pytest.approx(1.0)


def test_one_desk_s_loss_shifts_the_trade_to_the_others() -> None:
    sector, view = opened(Dealers), market_view()
    desk = int(np.flatnonzero(sector.in_segment[:, 0] > 0.0)[0])
    before = schedule(sector, view).weights[desk, JGB30]
    sector.book.cash[desk, USD] -= 0.9 * sector.capital[desk]
    sector.end_of_day(view)
    assert schedule(sector, view).weights[desk, JGB30] < 0.2 * before


def test_profits_beyond_a_fifth_are_paid_out() -> None:
    sector, view = opened(Dealers), market_view()
    sector.book.cash[:, USD] += 10.0 * sector.capital
    sector.end_of_day(view)
    assert sector.wealth == pytest.approx(1.2 * sector.capital)


def test_no_spillover_from_segmented_desks() -> None:
    move = prices(opened(Dealers), market_view(), {"JGB30": -2.0})
    assert move[JGB30] < 0.0
    assert np.delete(move, JGB30) == pytest.approx(np.zeros(N_MARKETS - 1), abs=1e-15)


def test_inventory_and_limit_act_in_their_segment() -> None:
    sector, view = opened(Dealers, var_limit_pct=0.05), market_view()
    free = np.diag(schedule(sector, view).matrix).copy()
    deliver(sector, "JGB30", 10.0, view)
    s = schedule(sector, view)
    assert s.intercepts["market_making"][JGB30] < 0.0
    assert s.intercepts["market_making"][UST10] == 0.0
    assert np.diag(s.matrix)[JGB10] < 0.5 * free[JGB10]
    assert np.diag(s.matrix)[UST10] == pytest.approx(free[UST10])


def test_the_fiscal_premium_is_quoted_by_jgb_desks() -> None:
    move = prices(opened(Dealers), market_view(public={"unfunded_pct_gdp": 4.0}), {})
    assert move[JGB30] < move[JGB10] < 0.0
    assert move[JGB30] < move[UST10] < 0.0


def test_rules_off_means_no_schedule() -> None:
    assert opened(Dealers).matrix_schedule(market_view(switches=dict.fromkeys(Dealers.rules, False))) is None
