"""Leveraged bitcoin longs: quiet at the opening, liquidation at the mark, entries, and the plain version."""

from dataclasses import replace

import mesa
import numpy as np
import pytest

from abm.agents.crypto_longs import (
    CryptoLongs,
    CryptoParams,
    buffers_in_the_long_run,
    chance_of_liquidation,
    funding_rate_pct,
    margin_called,
    plan_positions,
)
from abm.world.instruments import BTC, INDEX, JPY, N_CCY, N_MARKETS, USD, USDJPY
from abm.world.margin import maintenance_rate_by_notional
from abm.world.orders import REASON
from tests.agents.desk import Desk, market_days
from tests.agents.plain import plain_crypto_world, plain_prices, plain_screen
from tests.agents.screen import make_view, permute_members

MEMBERS = 2000


def opened(view=None, **params):
    """A sector with open books, and its desk."""
    view = view or make_view()
    sector = CryptoLongs(mesa.Model(), CryptoParams(**{"members": MEMBERS, **params}), view.streams)
    return sector, Desk(sector, view)


def path_of(btc, days, noise=0.0, seed=4, **others):
    """Log prices: straight moves (first day, last day, log move) in bitcoin and other markets, plus daily noise."""
    base = make_view()
    path = np.tile(base.opening, (days + 1, 1))
    for market, (first, last, move) in {"BTC": btc, **others}.items():
        path[:, INDEX[market]] += np.interp(np.arange(days + 1), [first, last], [0.0, move])
    shocks = np.random.default_rng(seed).standard_normal((days, N_MARKETS)) * base.calm_vol * noise
    path[1:] += np.cumsum(shocks, axis=0)
    return path


def liquidated(fall_pct, **params):
    """Share of the open interest liquidated in a one-day fall, USD at the price before it."""
    sector, desk = opened(members=10_000, **params)
    ((view, close),) = market_days(path_of((0, 1, np.log1p(-fall_pct / 100.0)), 1))
    before = sector.open_interest_usd_bn(view)
    desk.day(view, close)
    sold = -desk.flows.get(("BTC", "liquidation"), 0.0) * np.exp(view.log_price[BTC] - close[BTC])
    return sold / before


def test_opening_totals_and_leverage():
    view = make_view()
    sector, desk = opened(members=10_000)
    assert sector.open_interest_usd_bn(view) == pytest.approx(35.0)
    assert np.median(sector.leverage) == pytest.approx(8.0, rel=0.05)
    assert (sector.leverage > 40.0).mean() == pytest.approx(0.05, abs=0.01)
    assert sector.leverage.max() <= 100.0
    assert desk.book.cash[sector.n, USD] == pytest.approx(1.5)
    held = desk.book.contracts[: sector.n, BTC] * view.unit_value_usd[BTC]
    yen = held[sector.yen_funded].sum() / held.sum()
    assert yen == pytest.approx(0.10, abs=0.03)
    assert (desk.book.loans[: sector.n, JPY] > 0.0).sum() == ((held > 0.0) & sector.yen_funded).sum()


def test_nobody_is_called_on_day_0():
    view = make_view()
    sector, desk = opened()
    equity = desk.book.equity_usd(view.log_price)[: sector.n]
    assert not sector.maintenance_shortfall(view, equity, equity).any()


def test_the_opening_is_quiet():
    sector, desk = opened(members=10_000)
    net = []
    for view, close in market_days(path_of((0, 1, 0.0), 10)):
        desk.day(view, close)
        assert desk.orders < 800
        assert ("BTC", "liquidation") not in desk.flows
        net.append(desk.net_flow("BTC"))
    assert abs(np.mean(net)) < 0.15
    assert sector.open_interest_usd_bn(view) == pytest.approx(35.0, rel=0.06)


def test_open_interest_has_no_drift_in_calm_noise():
    change = []
    for seed in range(4):
        sector, desk = opened()
        path = path_of((0, 1, 0.0), 60, noise=1.0, seed=seed)
        for view, close in market_days(path):
            desk.day(view, close)
        change.append(np.log(desk.book.contracts[:, BTC].sum() / sector.coins_open))
    assert abs(np.mean(change)) < 0.15


def test_open_interest_wiped_matches_the_record():
    """At -5 % about 2 % of open interest (January 2026), at -12 % 5 to 9 % (October 2025), of 61 or of 35 USD bn."""
    longs = CryptoParams().open_interest_usd_bn
    small, large = liquidated(5.0), liquidated(12.0)
    assert 0.02 <= small <= 0.02 * 61.0 / longs
    assert 0.05 * 61.0 / longs <= large <= 0.09 * 61.0 / longs
    assert liquidated(20.0) > 1.5 * large


def test_no_leverage_no_liquidation():
    view = make_view(switches={"crypto_leverage": False})
    sector, desk = opened(view)
    assert sector.open_interest_usd_bn(view) == pytest.approx(35.0)
    assert np.abs(desk.book.loans).sum() == 0.0
    for day, close in market_days(path_of((0, 1, np.log(0.3)), 1), switches={"crypto_leverage": False}):
        desk.day(day, close)
        assert ("BTC", "liquidation") not in desk.flows


def test_liquidation_closes_whole_accounts_below_maintenance_and_buys_back_yen():
    sector, desk = opened()
    fallen = make_view(move={"BTC": -20.0})
    desk.settle(np.empty(0), fallen.log_price, fallen.log_price)
    equity = desk.book.equity_usd(fallen.log_price)[: sector.n]
    held = desk.book.contracts[: sector.n, BTC] * fallen.unit_value_usd[BTC]
    need = sector.maintenance_shortfall(fallen, equity, equity)
    np.testing.assert_array_equal(need > 0.0, (held > 0.0) & (equity < sector.maintenance * held))
    assert 50 < (need > 0.0).sum() < 0.9 * (held > 0.0).sum()
    orders = sector.raise_cash(fallen, need)
    assert (orders["reason"] == REASON["liquidation"]).all()
    closing = orders[orders["market"] == BTC]
    at_the_mark = np.clip(closing["quantity"], closing["lo"], closing["hi"])
    np.testing.assert_allclose(at_the_mark, -held[closing["member"]])
    yen = orders[orders["market"] == USDJPY]
    assert yen.size > 0 and (yen["quantity"] < 0.0).all()
    assert sector.yen_funded[yen["member"]].all()
    desk.settle(orders, fallen.log_price, fallen.log_price)
    gone = need > 0.0
    np.testing.assert_allclose(desk.book.contracts[: sector.n, BTC][gone], 0.0, atol=1e-18)
    solvent = gone & (desk.book.equity_usd(fallen.log_price)[: sector.n] > 1e-9)
    np.testing.assert_allclose(desk.book.loans[: sector.n, JPY][solvent], 0.0, atol=1e-9)


def test_maintenance_rises_with_account_size_and_leaves_room_at_the_start():
    sector, _ = opened()
    assert sector.maintenance.min() >= 0.004
    assert np.corrcoef(sector.budget_usd_bn, sector.maintenance)[0, 1] > 0.5
    assert (1.0 / sector.leverage >= 2.0 * sector.maintenance - 1e-12).all()
    assert maintenance_rate_by_notional(1e4) == pytest.approx(0.004)


def test_fresh_collateral_comes_from_outside_before_the_position():
    view = make_view(day=1)
    sector, desk = opened()
    enter = sector.pending.copy()
    before = desk.book.equity_usd(view.log_price)[: sector.n]
    paid = sector.income(view)
    np.testing.assert_allclose((before + paid[: sector.n, USD])[enter], (sector.budget_usd_bn / sector.leverage)[enter])
    assert paid[sector.n].sum() == 0.0 and enter.sum() > 10
    np.testing.assert_array_equal(sector.income(view), paid)
    orders = sector.decide(view)
    bought = orders[(orders["reason"] == REASON["momentum"])]
    np.testing.assert_array_equal(np.sort(bought["member"]), np.flatnonzero(enter))
    assert bought["contract"].all()
    yen = orders[(orders["market"] == USDJPY) & (orders["reason"] == REASON["carry"])]
    np.testing.assert_array_equal(np.sort(yen["member"]), np.flatnonzero(enter & sector.yen_funded))


def test_shrunk_margins_are_refilled_by_some():
    sector, desk = opened(top_up_chance=1.0)
    fallen = make_view(move={"BTC": -8.0})
    desk.settle(np.empty(0), fallen.log_price, fallen.log_price)
    sector.end_of_day(fallen)
    held, gain = sector._positions(fallen)
    np.testing.assert_array_equal(sector.refilling, (held > 0.0) & (gain < -0.5))
    desk.book.cash[...] += sector.income(fallen)
    _, after = sector._positions(fallen)
    np.testing.assert_allclose(after[sector.refilling], 0.0, atol=1e-9)
    assert sector.refilling.sum() > 10


def mean_entries(view, **params):
    """Expected entries at a close, USD bn: what the plans give over many draws."""
    sector, _ = opened(**params)
    total = 0.0
    for day in range(20):
        sector.end_of_day(replace(view, day=day))
        total += (sector.budget_usd_bn * sector.pending).sum()
    return total / 20


def test_entry_rises_with_trend_and_falls_with_volatility():
    calm = mean_entries(make_view(depth_scale=100.0))
    rising = np.tile(make_view().opening, (80, 1))
    rising[-20:, BTC] += np.linspace(0.0, 0.15, 20)
    base = make_view(depth_scale=100.0)
    up = replace(base, history=rising, log_price=rising[-1])
    down = replace(base, history=2 * base.opening - rising, log_price=2 * base.opening - rising[-1])
    nervous = make_view(vol_ratio=2.0, depth_scale=100.0)
    assert mean_entries(up) > 1.05 * calm
    assert mean_entries(down) < 0.97 * calm
    assert mean_entries(nervous) < 0.85 * calm


def test_a_strong_yen_drives_yen_borrowers_out():
    view = make_view(move={"USDJPY": -6.0}, depth_scale=100.0)
    sector, _ = opened(members=10_000, yen_share=0.5)
    sector.end_of_day(view)
    held = sector.book.contracts[: sector.n, BTC] > 0.0
    yen, dollar = sector.leaving[held & sector.yen_funded].mean(), sector.leaving[held & ~sector.yen_funded].mean()
    assert yen > 2.0 * dollar
    sector.end_of_day(replace(view, switches={**view.switches, "yen_carry_funding": False}))
    yen, dollar = sector.leaving[held & sector.yen_funded].mean(), sector.leaving[held & ~sector.yen_funded].mean()
    assert yen == pytest.approx(dollar, rel=0.5)


def accounts_of(position, gain, budget):
    """Books with such positions and gains on margin, leverage five; a bitcoin is half a dollar, a yen a hundredth."""
    n = position.size
    contracts, cash, loans = np.zeros((n, N_MARKETS)), np.zeros((n, N_CCY)), np.zeros((n, N_CCY))
    contracts[:, BTC] = 2.0 * position
    cash[:, USD] = position / 5.0 * (1.0 + gain) + 0.5
    loans[:, JPY] = 50.0
    return contracts, cash, loans, budget, np.full(n, 5.0), True, 0.5, 0.01


def test_net_entries_respect_depth():
    rng = np.random.default_rng(2)
    n = 100_000
    position = np.where(rng.random(n) < 0.5, 1e-4, 0.0)
    accounts = accounts_of(position, np.zeros(n), np.full(n, 1e-4))
    entry, leave = (np.full(n, 0.05), np.ones(1), np.full(n, 10)), 0.01
    arguments = (*accounts, *entry, leave, np.zeros(n, dtype=bool), 1.0, 1.0, 3.0, 0.0)
    free, tight = (plan_positions(*arguments, cap, rng.random(n)) for cap in (1e9, 0.02))
    assert 1e-4 * (free[0].sum() - free[1].sum()) > 0.15
    assert 1e-4 * (tight[0].sum() - tight[1].sum()) == pytest.approx(0.02, abs=0.015)


def test_funding_falls_when_longs_have_gone():
    p = CryptoParams()
    assert funding_rate_pct(p, 0.0, 0.0) == p.funding_pct
    assert funding_rate_pct(p, np.log(0.7), -2.0) < -5.0
    sector, desk = opened()
    assert sector.funding_rate_pct_per_yr == p.funding_pct
    for view, close in market_days(path_of((0, 1, np.log(0.8)), 1)):
        desk.day(view, close)
    assert sector.funding_rate_pct_per_yr < 0.0


def test_long_run_buffers_against_a_simulation():
    """Random walks that start at 0.06, end at rate 1/60 or at zero: buffers and liquidations as the formulas say."""
    rng = np.random.default_rng(8)
    vol, rate, fresh, steps = 0.0237, 1.0 / 60.0, 0.06, 16
    buffer, seen, ended = np.full(4000, fresh), [], [0, 0]
    for day in range(400):
        for _ in range(steps):
            buffer += vol / np.sqrt(steps) * rng.standard_normal(buffer.size)
            hit = buffer <= 0.0
            closed = ~hit & (rng.random(buffer.size) < rate / steps)
            if day >= 200:
                ended = [ended[0] + hit.sum(), ended[1] + closed.sum()]
            buffer[hit | closed] = fresh
        if day >= 200 and day % 20 == 0:
            seen.append(buffer.copy())
    drawn = buffers_in_the_long_run(np.full(100_000, fresh), np.full(100_000, rate), vol, rng.random(100_000))
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert np.quantile(drawn, q) == pytest.approx(np.quantile(np.concatenate(seen), q), rel=0.08, abs=0.004)
    chance = chance_of_liquidation(np.array([fresh]), np.array([rate]), 0.0, vol)[0]
    assert chance == pytest.approx(ended[0] / sum(ended), abs=0.05)


def test_rules_switched_off_post_nothing():
    off = {"crypto_entry": False, "crypto_leverage": False, "yen_carry_funding": False}
    view = make_view(move={"BTC": -15.0}, switches=off)
    sector, _ = opened()
    assert len(sector.decide(view)) == 0
    assert sector.income(view) is None


def test_members_may_be_permuted():
    sector, _ = opened(members=500)
    order = np.random.default_rng(1).permutation(sector.n)
    other, _ = opened(members=500)
    permute_members(other, order)
    later = make_view(move={"BTC": 3.0}, day=3)
    for s in (sector, other):
        s.end_of_day(later)
    a, b = sector.decide(later), other.decide(later)
    b["member"] = order[b["member"]]
    key = ["member", "market"]
    a, b = np.sort(a, order=key), np.sort(b, order=key)
    np.testing.assert_array_equal(a[key], b[key])
    np.testing.assert_allclose(a["quantity"], b["quantity"], rtol=1e-12)


def test_doubling_everything_doubles_orders():
    one, _ = opened()
    two, _ = opened(make_view(depth_scale=2.0), open_interest_usd_bn=70.0, insurance_fund_usd_bn=3.0)
    a, b = one.decide(make_view()), two.decide(make_view(depth_scale=2.0))
    np.testing.assert_array_equal(a["member"], b["member"])
    np.testing.assert_allclose(2.0 * a["quantity"], b["quantity"], rtol=1e-9)


def test_plans_against_numpy():
    rng = np.random.default_rng(6)
    n = 3000
    position = np.where(rng.random(n) < 0.6, rng.random(n), 0.0)
    budget, gain = rng.random(n), rng.standard_normal(n)
    entry, leave, luck = 0.1 * rng.random(n), 0.04, rng.random(n)
    appetite, lookback, yen = 2.0 * rng.random(11), rng.integers(10, 21, n), rng.random(n) < 0.3
    held, haste = position > 0.0, np.where(yen, 1.5, 1.0)
    leaves = leave * haste * (1.0 + 0.7 * np.clip(gain, 0.0, 2.0))
    chance = -np.expm1(-np.where(held, leaves, entry * appetite[lookback - 10] / haste))
    flow_in, flow_out = (chance * budget)[~held].sum(), (chance * position)[held].sum()
    for cap in (1e9, 1.0, 1e-3):
        keep_in, keep_out = min(1.0, (flow_out + cap) / flow_in), min(1.0, (flow_in + cap) / flow_out)
        rates = (entry, appetite, lookback, leave, yen, 1.5)
        got = plan_positions(*accounts_of(position, gain, budget), *rates, 0.7, 2.0, 0.2, cap, luck)
        np.testing.assert_array_equal(got[0], ~held & (luck < keep_in * chance))
        np.testing.assert_array_equal(got[1], held & (luck < keep_out * chance))
        np.testing.assert_array_equal(got[2], held & (gain < -0.5) & (luck > 0.8))


def test_margin_called_against_numpy():
    rng = np.random.default_rng(7)
    n = 1000
    contracts = np.zeros((n, N_MARKETS))
    contracts[:, BTC] = np.where(rng.random(n) < 0.6, rng.random(n), 0.0)
    budget = np.where(rng.random(n) < 0.9, 1.0, 1e9)
    maintenance, equity, closing = 0.1 * rng.random(n), 0.1 * rng.standard_normal(n), rng.random(n) < 0.2
    held = 2.0 * contracts[:, BTC]
    margin = 1.2 * maintenance * held
    called = (held > 1e-9 * budget) & (equity < margin) & ~closing
    assert 0 < called.sum() < n
    expected = np.where(called, 2.0 * margin - equity, 0.0)
    got = margin_called(contracts, budget, maintenance, 1.2, equity, closing, 2.0)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


# -- the plain version ---------------------------------------------------------------------------------------------


def test_plain_version_walks_the_same_path():
    path = path_of((12, 13, np.log(0.8)), 30, noise=1.0, USDJPY=(12, 14, -0.05))
    days = market_days(path)
    opening = days[0][0]
    sector, desk = opened(opening, members=600, yen_share=0.3)
    book, world = desk.book, plain_crypto_world(sector)
    reasons = set()
    for view, close in days:
        luck = view.streams.on("crypto_longs", "plans", view.day).random(sector.n)
        desk.day(view, close)
        reasons |= {key for key, amount in desk.flows.items() if amount != 0.0}
        world.day(plain_screen(view), plain_prices(close), luck.tolist())
        assert sector.funding_rate_pct_per_yr == pytest.approx(world.funding, abs=1e-9)
    assert reasons >= {("BTC", "momentum"), ("BTC", "profit_taking"), ("BTC", "liquidation"), ("USDJPY", "liquidation")}
    n, net = sector.n, book.cash - book.loans
    np.testing.assert_allclose(book.contracts[:n, BTC], [a.coins for a in world.accounts], rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(net[:n, USD], [a.usd for a in world.accounts], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net[:n, JPY], [a.jpy for a in world.accounts], rtol=1e-9, atol=1e-10)
