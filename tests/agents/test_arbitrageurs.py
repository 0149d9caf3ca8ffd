"""Global arbitrageurs: capacity in all markets at once, inventory, fair value, wealth, limits."""

from dataclasses import replace

import numpy as np
import pytest

from abm.agents.arbitrageurs import Arbitrageurs
from abm.agents.intermediary import excess_inventory, money, trading_profit, var_cut
from abm.world.book import Book
from abm.world.instruments import INDEX, JPY, N_CCY, N_MARKETS, USD, USDJPY
from tests.agents.markets import deliver, market_view, opened, prices, schedule

JGB30, UST10, NASDAQ = INDEX["JGB30"], INDEX["UST10"], INDEX["NASDAQ"]


def test_day_one_asks_for_nothing_and_has_the_depth_asked_for() -> None:
    sector = opened(Arbitrageurs, ust10_depth_per_pct_usd_bn=30.0)
    s = schedule(sector, market_view())
    assert np.abs(s.intercept).max() == 0.0
    assert np.linalg.eigvalsh(s.matrix).min() > 0.0
    assert s.weights.sum(axis=0) == pytest.approx(np.ones(N_MARKETS))
    assert prices(sector, market_view(), {"UST10": 30.0})[UST10] == pytest.approx(0.01, rel=1e-6)


def test_a_sale_in_tokyo_is_felt_in_treasuries_and_the_yen() -> None:
    move = prices(opened(Arbitrageurs), market_view(), {"JGB30": -6.0})
    assert move[JGB30] < 0.0
    assert move[UST10] / 8.1 == pytest.approx(0.3 * move[JGB30] / 18.7 * 4.4 / 2.35, rel=0.1)
    assert move[USDJPY] > 0.0
    assert abs(move[INDEX["BTC"]]) < 1e-3 * abs(move[JGB30])


def test_capacity_shrinks_with_volatility_within_limits() -> None:
    def depth(ratio: float) -> float:
        return float(
            1.0 / np.linalg.inv(schedule(opened(Arbitrageurs), market_view(vol_ratio=ratio)).matrix)[JGB30, JGB30]
        )

    assert depth(2.0) == pytest.approx(depth(1.0) / 4.0, rel=0.05)
    assert depth(50.0) == pytest.approx(depth(4.0))
    assert depth(0.01) == pytest.approx(depth(0.7))


def test_losses_cut_capacity_only_under_the_wealth_rule_and_owners_refill() -> None:
    sector, view = opened(Arbitrageurs), market_view()
    full = schedule(sector, view).matrix
    sector.book.cash[:, USD] -= 0.5 * sector.capital
    sector.end_of_day(view)
    assert sector.wealth == pytest.approx(0.5 * sector.capital)
    assert schedule(sector, view).matrix == pytest.approx(0.5 * full)
    off = replace(view, switches={**view.switches, "dealer_wealth_effect": False})
    assert schedule(sector, off).matrix == pytest.approx(full)
    for _ in range(60):
        sector.end_of_day(view)
    assert sector.wealth == pytest.approx(0.75 * sector.capital)


def test_inventory_is_offered_and_the_skew_is_bounded() -> None:
    view = market_view()
    sector = opened(Arbitrageurs)
    deliver(sector, "JGB30", 1.0, view)
    wanted = schedule(sector, view).intercepts["market_making"]
    assert wanted[JGB30] == pytest.approx(-0.12, rel=1e-6)
    assert np.delete(wanted, JGB30) == pytest.approx(np.zeros(N_MARKETS - 1), abs=1e-6)
    deliver(sector, "JGB30", 500.0, view)
    skew = prices(sector, view, {})
    assert np.abs(skew / view.vol).max() <= 0.5 + 1e-9
    assert skew[JGB30] == pytest.approx(-0.5 * view.vol[JGB30])


def test_a_price_off_fair_value_is_worth_holding_inventory_for() -> None:
    """At inventory M mu nothing is traded: the position already earns its risk premium."""
    view = market_view(move={"UST10": 4.0})
    sector = opened(Arbitrageurs, real_duration_spx_yr=0.0, real_duration_nasdaq_yr=0.0)
    want = schedule(sector, view).intercepts["market_making"]
    assert want[UST10] > 0.0
    for name in INDEX:
        if name not in {"USDJPY", "EURUSD", "GBPUSD", "AUDUSD", "USDMXN"}:
            deliver(sector, name, want[INDEX[name]] / 0.12, view)
    assert abs(schedule(sector, view).intercepts["market_making"][UST10]) < 0.2 * want[UST10]


def test_public_news_and_covered_positions_leave_no_order() -> None:
    sector = opened(Arbitrageurs)
    news = market_view(news={"JGB30": 10.0, "USDJPY": 1.0, "SPX": -2.0})
    assert np.abs(schedule(sector, news).intercept).max() < 1e-6
    sell_off = market_view(news={"JGB20": 20.0, "JGB30": 20.0, "JGB40": 20.0})
    assert schedule(opened(Arbitrageurs), sell_off).intercept[JGB30] < -0.1  # falls this large make people wonder
    covered = opened(Arbitrageurs)
    view = market_view(day=0)
    covered.book.contracts[:, USDJPY] += 1.0
    covered.book.loans[:, USD] += 1.0
    covered.book.cash[:, JPY] += np.exp(view.log_price[USDJPY])
    covered.start(view)
    later = market_view(move={"USDJPY": 5.0})
    covered.book.cash[:, JPY] += np.exp(later.log_price[USDJPY]) - np.exp(view.log_price[USDJPY])  # variation margin
    assert np.abs(covered.changes(later.log_price)[1]).max() < 1e-9
    covered.end_of_day(later)
    assert covered.wealth == pytest.approx(covered.capital)


def test_open_currency_counts_as_inventory_and_local_funding_does_not() -> None:
    p = market_view().log_price
    bond = np.zeros(N_MARKETS)
    bond[JGB30] = 5.0
    unfunded = excess_inventory(bond, np.zeros(N_CCY), p)
    value = unfunded[JGB30]
    assert unfunded[USDJPY] == pytest.approx(-value)
    loan = np.zeros(N_CCY)
    loan[JPY] = -5.0 * np.exp(p[JGB30])
    assert excess_inventory(bond, loan, p)[USDJPY] == pytest.approx(0.0, abs=1e-12)
    assert trading_profit(bond[None], loan[None], p) == pytest.approx([0.0], abs=1e-12)
    forward = Book(*(np.zeros((1, k)) for k in (N_MARKETS, N_CCY, N_CCY, N_MARKETS)))
    forward.contracts[0, USDJPY] = 3.0
    assert excess_inventory(forward.contracts[0], money(forward, p)[0], p)[USDJPY] == pytest.approx(3.0)


def test_var_limit_cuts_capacity() -> None:
    one = np.zeros((1, N_MARKETS))
    one[0, UST10] = 10.0
    covariance = np.diag(np.full(N_MARKETS, 0.01**2))
    assert var_cut(one, covariance, np.array([0.1163]), 0.1) == pytest.approx([0.5], rel=1e-6)
    assert var_cut(one, covariance, np.array([1.0]), 0.1) == pytest.approx([1.0])
    assert var_cut(one, covariance, np.array([1e-9]), 0.1) == pytest.approx([0.1])
    sector, view = opened(Arbitrageurs, var_limit_pct=0.1), market_view()
    free = schedule(sector, view).matrix
    deliver(sector, "UST10", 200.0, view)
    assert schedule(sector, view).matrix[UST10, UST10] < 0.5 * free[UST10, UST10]


def test_risk_aversion_raises_gamma() -> None:
    calm = schedule(opened(Arbitrageurs), market_view()).matrix
    scared = schedule(opened(Arbitrageurs), market_view(public={"risk_aversion_sd": 4.0})).matrix
    assert scared == pytest.approx(np.exp(-1.0) * calm)


def test_the_fiscal_premium_is_quoted_in_jgbs_at_once_and_partly_read_into_other_bonds() -> None:
    sector, view = opened(Arbitrageurs), market_view(public={"unfunded_pct_gdp": 4.0})
    move = prices(sector, view, {})
    premium_bp = -1e4 * move[JGB30] / 18.7
    concern, alarm = 0.3, 0.075 * 4.0
    priced = concern * 4.0 + alarm * (9.0 + 4.0)  # the standing deficit of 9 % of GDP is looked at anew
    assert 0.7 * 5.0 * priced < premium_bp < 1.2 * 5.0 * priced
    read_bp = -1e4 * move[UST10] / 8.1
    assert 0.0 < read_bp < 0.5 * premium_bp
    own_only = prices(opened(Arbitrageurs, global_reading=0.0), view, {})
    assert abs(own_only[UST10]) < 1e-9 > own_only[JGB30]
    off = market_view(public={"unfunded_pct_gdp": 4.0}, switches={"fiscal_concern": False})
    assert np.abs(prices(opened(Arbitrageurs), off, {})).max() < 1e-12


def test_yield_rises_from_trades_reprice_shares() -> None:
    move = prices(opened(Arbitrageurs), market_view(move={"UST10": 10.0}), {})
    assert move[NASDAQ] < -0.5 * 20.0 * 0.001 + 0.5 * market_view().vol[NASDAQ]
    assert move[NASDAQ] < move[INDEX["SPX"]] < 0.0


def test_no_capacity_no_schedule() -> None:
    assert opened(Arbitrageurs, capacity_scale=0.0).matrix_schedule(market_view()) is None
    assert opened(Arbitrageurs).matrix_schedule(market_view(switches={"market_making": False})) is None


def test_order_of_members_does_not_matter_and_capital_scales() -> None:
    sector, view = opened(Arbitrageurs), market_view(public={"unfunded_pct_gdp": 4.0})
    straight = schedule(opened(Arbitrageurs), view)
    order = np.random.default_rng(1).permutation(sector.n)
    for name, value in vars(sector).items():
        if isinstance(value, np.ndarray) and value.shape[:1] == (sector.n,):
            setattr(sector, name, value[order])
    shuffled = schedule(sector, view)
    assert shuffled.intercept == pytest.approx(straight.intercept, rel=1e-9, abs=1e-9)
    assert shuffled.weights == pytest.approx(straight.weights[order])
    double = opened(Arbitrageurs, capital_usd_bn=600.0, ust10_depth_per_pct_usd_bn=60.0)
    assert schedule(double, view).intercept == pytest.approx(2.0 * straight.intercept, rel=1e-9, abs=1e-9)
