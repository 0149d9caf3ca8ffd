"""Life insurers: opening books, repatriation, hedging, super-long purchases, solvency, lapses, impairment."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from abm.agents.life_insurers import OFF_THE_RUN, LifeInsurers, company_sizes, extra_lapse_pct, strike_factor
from abm.agents.portfolio import FOREIGN_BONDS, MEAN_DAYS_PER_MONTH
from abm.world.instruments import DURATION_YR, EQUITIES, INDEX, JGBS, JPY, QUOTE_CCY, SUPER_LONG, USD, USDJPY, indices
from abm.world.orders import REASON
from tests.agents.screen import (
    HOLDINGS_USD_BN,
    after_move,
    make_public,
    make_view,
    net_by_market,
    opened,
    permute_members,
    scale_books,
)

OTHERS_OFF = {
    "repatriation": ["hedging", "super_long_purchases", "solvency", "lapses", "impairment"],
    "hedging": ["repatriation", "super_long_purchases", "solvency", "lapses", "impairment"],
    "super_long_purchases": ["repatriation", "hedging", "solvency", "lapses", "impairment"],
    "lapses": ["repatriation", "hedging", "super_long_purchases", "solvency", "impairment"],
    "solvency": ["repatriation", "hedging", "super_long_purchases", "lapses", "impairment"],
}
RISE = {"JGB2": 100.0, "JGB10": 150.0, "JGB20": 150.0, "JGB30": 150.0, "JGB40": 150.0}


def only(rule: str) -> dict[str, bool]:
    return dict.fromkeys(OTHERS_OFF[rule], False)


def monthly_share_sold(orders: np.ndarray, sector: LifeInsurers, view) -> float:
    """Foreign bonds sold per month over what is held."""
    held = (sector.book.units * view.unit_value_usd)[:, FOREIGN_BONDS].sum()
    sold = -orders["quantity"][np.isin(orders["market"], FOREIGN_BONDS)].sum()
    return sold * MEAN_DAYS_PER_MONTH / held


# -- day 0 -------------------------------------------------------------------------------------------------------------


def test_members_add_up_to_the_sector_and_the_largest_is_nippon_life() -> None:
    sector, view = opened(LifeInsurers), make_view(day=0)
    held = (sector.book.units * view.unit_value_usd).sum(axis=0)
    np.testing.assert_allclose(held, HOLDINGS_USD_BN["life_insurers"], rtol=1e-12)
    assert company_sizes(41).sum() == pytest.approx(1.0)
    assert np.argmax(company_sizes(41)) == 0 and company_sizes(41)[10:].max() < 0.06


def test_hedges_are_forwards_in_the_currency_and_in_yen() -> None:
    sector, view = opened(LifeInsurers), make_view(day=0)
    bonds = (sector.book.units * view.unit_value_usd)[:, FOREIGN_BONDS]
    ratio = sector.table(view.log_price)["hedge_ratio_pct"] / 100.0
    forwards = sector.book.contracts_usd(view.log_price)
    euro = bonds[:, QUOTE_CCY[FOREIGN_BONDS] == 2]
    np.testing.assert_allclose(forwards[:, INDEX["EURUSD"]], -ratio * euro.sum(axis=1))
    hedgeable = bonds.sum(axis=1) - (sector.book.units * view.unit_value_usd)[:, INDEX["EMBOND"]]
    np.testing.assert_allclose(forwards[:, USDJPY], -ratio * hedgeable)
    assert not forwards[:, INDEX["USDMXN"]].any()
    assert np.average(ratio, weights=hedgeable) == pytest.approx(0.44, abs=1e-3)
    assert ratio.min() >= 0.30 - 1e-9 and ratio.max() <= 0.60 + 1e-9


def test_liabilities_are_92_per_cent_of_assets_and_members_are_solvent() -> None:
    sector, view = opened(LifeInsurers), make_view(day=0)
    assets, liabilities = sector.book.assets_usd(view.log_price), sector.liabilities_usd(view.log_price)
    assert liabilities.sum() / assets.sum() == pytest.approx(0.92, abs=1e-3)
    np.testing.assert_allclose(sector.equity_usd(view.log_price), assets - liabilities)
    esr = sector.esr(view.log_price)
    assert esr.min() > 1.0 and 1.5 < np.average(esr, weights=assets) < 2.3
    assert (sector.esr_target < esr).all()


def test_with_half_of_assets_as_own_funds_every_member_still_has_policies() -> None:
    """Own funds go by requirements: with so many, some would own more than they have."""
    sector, view = opened(LifeInsurers, liability_share=0.5, solvency_sigma=0.5), make_view(day=0)
    share = sector.liabilities_usd(view.log_price) / sector.book.assets_usd(view.log_price)
    assert share.min() == pytest.approx(0.1) and share.max() < 1.0


def test_policies_are_never_worth_less_than_nothing_and_grow_by_a_tenth_a_day_at_most() -> None:
    sector, view = opened(LifeInsurers), make_view(day=1)
    sector.policy_flat_jpy_bn[0] = -1e9
    assert sector.liabilities_usd(view.log_price)[0] == 0.0
    sector.income(view)
    sector.end_of_day(view)
    assert sector.in_force[0] == pytest.approx(1.1)
    assert (sector.in_force[1:] < 1.001).all()


def test_unrealised_losses_match_the_big_four() -> None:
    """Yen 13.2 tn at the big four in December 2025, about two thirds of the sector (SOURCES.md 1)."""
    sector, view = opened(LifeInsurers), make_view(day=0)
    loss = sector.table(view.log_price)["unrealised_jgb_gain_usd_bn"] / (1000.0 * view.usd_per_currency[JPY])
    assert -25.0 < loss.sum() < -15.0


def test_the_opening_screen_draws_only_planned_purchases_and_the_usual_slow_sale() -> None:
    sector, view = opened(LifeInsurers), make_view()
    orders = sector.decide(view)
    net = net_by_market(orders)
    plan = view.public.planned_issuance_jpy_tn_per_month[SUPER_LONG]
    expected = 0.30 * plan * 1000.0 * view.usd_per_currency[JPY] / MEAN_DAYS_PER_MONTH
    np.testing.assert_allclose([net["JGB20"], net["JGB30"], net["JGB40"]], expected, rtol=1e-9)
    assert 0.001 < monthly_share_sold(orders, sector, view) < 0.004
    assert abs(net["USDJPY"]) < 0.05
    assert not (orders["reason"] == REASON["hedging"]).any()


# -- repatriation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"move": {"JGB30": 50.0}},
        {"policy_move_pct": {"USD": 1.0, "EUR": 1.0, "GBP": 1.0, "AUD": 1.0}},
        {"policy_move_pct": {"JPY": -0.75}},
    ],
)
def test_a_worse_pickup_quickens_the_sale(change: dict) -> None:
    sector = opened(LifeInsurers)
    calm = make_view(switches=only("repatriation"))
    worse = make_view(switches=only("repatriation"), **change)
    before = monthly_share_sold(sector.decide(calm), sector, calm)
    after = monthly_share_sold(sector.decide(worse), sector, worse)
    assert after > 1.4 * before


def test_the_fastest_sale_is_that_of_fiscal_2022() -> None:
    sector = opened(LifeInsurers)
    view = make_view(move={"JGB30": 600.0}, switches=only("repatriation"))
    assert monthly_share_sold(sector.decide(view), sector, view) == pytest.approx(0.012, rel=1e-3)


def test_hedge_cost_moves_hedged_bonds_only_and_their_sale_leaves_the_yen_alone() -> None:
    sector = opened(LifeInsurers)
    calm = make_view(switches=only("repatriation"))
    dear = make_view(switches=only("repatriation"), policy_move_pct={"USD": 2.0, "EUR": 2.0, "GBP": 2.0, "AUD": 2.0})
    first, second = sector.decide(calm), sector.decide(dear)
    spot = [net_by_market(o)["USDJPY"] for o in (first, second)]
    assert spot[1] == pytest.approx(spot[0], rel=1e-6)
    assert second["quantity"].sum() < 2.0 * first["quantity"].sum()
    sold = -(second["quantity"] * second["hedge"]).sum()
    assert sold > 3.0 * -(first["quantity"] * first["hedge"]).sum()


def test_unforced_sales_respect_depth() -> None:
    sector = opened(LifeInsurers)
    thin = make_view(move={"JGB30": 300.0}, switches=only("repatriation"), depth_scale=1e-3)
    net = net_by_market(sector.decide(thin))
    market = INDEX["UST10"]
    assert -net["UST10"] == pytest.approx(0.25 * thin.depth[market] * thin.vol[market])


# -- hedging -----------------------------------------------------------------------------------------------------------


def hedge_change_pp(sector: LifeInsurers, **change) -> float:
    """Change of the sector's hedge ratio ordered today, percentage points of hedgeable bonds."""
    view = make_view(switches=only("hedging"), **change)
    orders = sector.decide(view)
    assert orders["contract"].all()
    bonds = (sector.book.units * view.unit_value_usd)[:, FOREIGN_BONDS[:-1]].sum()
    return -100.0 * orders["quantity"][orders["market"] == USDJPY].sum() / bonds


def test_hedge_ratios_rise_with_yen_volatility_signals_and_hike_risk_and_fall_with_cost() -> None:
    sector = opened(LifeInsurers)
    assert hedge_change_pp(sector) == 0.0
    assert hedge_change_pp(sector, vol_ratio={"USDJPY": 2.0}) > 0.1
    assert hedge_change_pp(sector, public={"intervention_risk": 0.65}) > 0.1
    assert hedge_change_pp(sector, public={"hike_risk": 0.9}) > 0.1
    assert hedge_change_pp(sector, policy_move_pct={"USD": 2.0, "EUR": 2.0, "GBP": 2.0, "AUD": 2.0}) < -0.1


def test_hedge_ratios_move_at_most_five_points_a_month_in_every_currency() -> None:
    sector, view = opened(LifeInsurers), make_view(vol_ratio={"USDJPY": 6.0}, switches=only("hedging"))
    orders = sector.decide(view)
    assert hedge_change_pp(sector, vol_ratio={"USDJPY": 6.0}) == pytest.approx(5.0 / MEAN_DAYS_PER_MONTH)
    euro = (sector.book.units * view.unit_value_usd)[:, indices("BUND10", "OAT10", "EGB30")].sum()
    sold = -orders["quantity"][orders["market"] == INDEX["EURUSD"]].sum()
    assert sold == pytest.approx(0.05 / MEAN_DAYS_PER_MONTH * euro)


# -- super-long purchases ----------------------------------------------------------------------------------------------


def purchases(sector: LifeInsurers, **change) -> np.ndarray:
    orders = sector.decide(make_view(**change))
    return np.array([orders["quantity"][orders["market"] == m].sum() for m in SUPER_LONG])


def test_volatility_stops_purchases_and_the_switch_keeps_them() -> None:
    sector, wild = opened(LifeInsurers), {"JGB20": 2.0, "JGB30": 2.0, "JGB40": 2.0}
    calm = purchases(sector)
    assert (purchases(sector, vol_ratio=wild) < 0.35 * calm).all()
    np.testing.assert_allclose(purchases(sector, vol_ratio=wild, switches={"buyers_strike": False}), calm)
    factor = strike_factor(np.array([0.02]), np.array([0.01]), np.array([1.5]))
    assert factor[0, 0] == pytest.approx(np.exp(-1.5))


def test_missed_purchases_are_made_up_when_volatility_falls() -> None:
    sector, calm = opened(LifeInsurers), make_view()
    plan = purchases(sector)
    wild = make_view(vol_ratio=3.0)
    for _ in range(20):
        sector.decide(wild)
        sector.end_of_day(wild)
    missed = sector.missed_usd_bn.sum(axis=0)
    np.testing.assert_allclose(missed, 20.0 * (plan - purchases(sector, vol_ratio=3.0)), rtol=0.02)
    after = purchases(sector)
    np.testing.assert_allclose(after, plan + missed / 40.0, rtol=1e-6)
    sector.decide(calm)
    sector.end_of_day(calm)
    assert (sector.missed_usd_bn.sum(axis=0) < missed).all()


def test_purchases_rise_with_the_yield_and_with_the_days_price_fall() -> None:
    sector = opened(LifeInsurers)
    assert purchases(sector, move={"JGB30": 50.0})[1] > 1.4 * purchases(sector)[1]
    orders = sector.decide(make_view(switches=only("super_long_purchases")))
    assert (orders["slope"] > 0).all() and (orders["lo"] == 0).all()


def test_a_member_out_of_cash_does_not_buy() -> None:
    sector = opened(LifeInsurers)
    cash = sector.book.cash.copy()
    cash[0, JPY] = -1.0
    sector.book = replace(sector.book, cash=cash)
    orders = sector.decide(make_view(switches=only("super_long_purchases")))
    assert 0 not in orders["member"] and 1 in orders["member"]


# -- money in and out --------------------------------------------------------------------------------------------------


def test_premiums_pay_for_planned_purchases() -> None:
    sector, view = opened(LifeInsurers), make_view(day=1)
    income = sector.income(view)
    assert income[:, JPY].sum() * view.usd_per_currency[JPY] == pytest.approx(purchases(sector).sum())
    assert not income[:, USD].any()
    before = sector.liabilities_usd(view.log_price).sum()
    sector.end_of_day(view)
    added = sector.liabilities_usd(view.log_price).sum() - before
    assert added == pytest.approx(income[:, JPY].sum() * view.usd_per_currency[JPY])


def test_investment_income_is_paid_out_in_the_currency_it_is_earned_in() -> None:
    sector, view = opened(LifeInsurers), make_view(day=2)
    paid = -sector.income(view)[:, USD].sum()
    value = sector.book.units * view.unit_value_usd
    coupons = value[:, indices("UST2", "UST10", "UST30")].sum(axis=0) @ np.array([3.53, 4.18, 4.83]) / 100.0 / 250.0
    dividends = value[:, indices("NASDAQ", "SPX")].sum(axis=0) @ np.array([0.7, 1.2]) / 100.0 / 250.0
    forwards = sector.book.contracts_usd(view.log_price)
    rate = view.public.policy_rate_pct
    carry = sum(forwards[:, INDEX[p]].sum() * (rate[c] - rate[USD]) for p, c in (("EURUSD", 2), ("GBPUSD", 3)))
    carry += forwards[:, INDEX["AUDUSD"]].sum() * (rate[4] - rate[USD])
    assert paid == pytest.approx(coupons + dividends + carry / 100.0 / 250.0)


# -- solvency ----------------------------------------------------------------------------------------------------------


def test_matched_members_hardly_mind_a_parallel_rise_and_mismatched_ones_do() -> None:
    sector = opened(LifeInsurers)
    up = make_view(move=dict.fromkeys(("JGB2", "JGB10", "JGB20", "JGB30", "JGB40"), 50.0))
    change = 100.0 * (sector.esr(up.log_price) - sector.last_esr)
    mismatched = sector.gap <= -0.25
    assert mismatched.sum() == 3
    assert change[mismatched].max() < -15.0
    assert np.median(np.abs(change[~mismatched])) < 12.0


def crash(**extra) -> dict:
    return {"move": {"NIKKEI": -40.0, "SPX": -40.0, "NASDAQ": -40.0, "USDJPY": -10.0}, **extra}


def test_below_its_target_a_member_sells_equities_and_unhedged_bonds_only() -> None:
    sector, view = opened(LifeInsurers), make_view(switches=only("solvency"), **crash())
    assert sector.decide(view).size == 0
    sector.book = after_move(sector.book, view)
    sector.end_of_day(view)
    orders = sector.decide(view)
    below = np.flatnonzero(sector.last_esr < sector.esr_target)
    assert below.size > 0 and set(orders["member"]) == set(below)
    net = net_by_market(orders)
    assert net["NIKKEI"] < 0 and net["UST10"] < 0 and net["JGB30"] == 0 and net["USDJPY"] < net["UST10"]
    assert not orders["hedge"].any()
    sold, owned = np.zeros(sector.book.units.shape), sector.book.holdings_usd(view.log_price)
    np.add.at(sold, (orders["member"], orders["market"]), -orders["quantity"])
    markets = indices("UST10", "NIKKEI")
    bond, equity = (sold[below][:, markets] / owned[below][:, markets]).T
    hedged = sector.table(view.log_price)["hedge_ratio_pct"][below] / 100.0
    np.testing.assert_allclose(bond, (1.0 - hedged) * equity)
    assert any("solvency" in words for words in sector.happenings()) and sector.happenings() == []


def test_below_100_per_cent_sales_do_not_wait_for_depth() -> None:
    sector = opened(LifeInsurers)
    view = make_view(switches=only("solvency"), depth_scale=1e-6, **crash())
    sector.book = after_move(sector.book, view)
    sector.end_of_day(view)
    orders = sector.decide(view)
    equities = orders[np.isin(orders["market"], EQUITIES)]
    forced = np.isin(equities["member"], np.flatnonzero(sector.last_esr < 1.0))
    assert forced.any() and not forced.all()
    assert -equities["quantity"][forced].sum() > 1e3 * -equities["quantity"][~forced].sum()


# -- lapses ------------------------------------------------------------------------------------------------------------


def test_lapses_begin_beyond_the_tolerance_and_are_capped() -> None:
    rate = extra_lapse_pct(1.0, np.array([0.5, 2.0, -9.0]), 3.0, 6.0)
    np.testing.assert_allclose(rate, [1.5, 0.0, 6.0])


def test_lapses_drain_cash_and_force_pro_rata_sales_with_their_hedges() -> None:
    sector, view = opened(LifeInsurers, harvest_share=1.0), make_view(move=RISE, switches=only("lapses"))
    paid = sector.extra_lapses_jpy_bn(view)
    off = make_view(move=RISE, switches={"lapses": False})
    np.testing.assert_allclose(sector.income(off)[:, JPY] - sector.income(view)[:, JPY], paid)
    orders = sector.decide(view)
    assert -orders["quantity"].sum() == pytest.approx(paid.sum() * view.usd_per_currency[JPY])
    sold = -orders["quantity"][orders["market"] == INDEX["UST10"]].sum() / HOLDINGS_USD_BN["life_insurers"][6]
    assert sold > 0
    treasuries = orders[(orders["market"] == INDEX["UST10"]) & (orders["member"] == 0)]
    assert treasuries["hedge"][0] == pytest.approx(sector.hedge0[0])


def test_losses_realised_on_yen_bonds_stay_within_harvestable_gains() -> None:
    view = make_view(move=RISE, switches=only("lapses"))
    free, bound = opened(LifeInsurers, harvest_share=1.0), opened(LifeInsurers, harvest_share=0.0)
    sold = [-o["quantity"][np.isin(o["market"], JGBS)].sum() for o in (free.decide(view), bound.decide(view))]
    assert sold[0] > 0.02 and sold[1] == 0.0
    total = [-s.decide(view)["quantity"].sum() for s in (free, bound)]
    assert total[1] == pytest.approx(total[0], rel=1e-6)
    for _ in range(3):
        free.decide(view)
        free.end_of_day(view)
    assert (free.realised_jpy_bn > 0).any()


# -- impairment --------------------------------------------------------------------------------------------------------


def test_bonds_below_half_of_book_are_sold_after_the_quarter_end_with_harvested_gains() -> None:
    sector = opened(LifeInsurers)
    view = make_view(move={"JGB40": 150.0})
    sector.end_of_day(view)
    assert not sector.impaired.any()
    quarter_end = replace(view, date=dt.date(2026, 4, 1), month_first=True)
    sector.end_of_day(quarter_end)
    assert sector.impaired[:, 1].any()
    assert any("impairment" in words for words in sector.happenings())
    orders = sector.decide(view)
    sold = orders[orders["reason"] == REASON["impairment"]]
    assert set(sold["market"]) == {INDEX["JGB40"], INDEX["NIKKEI"]} and (sold["quantity"] < 0).all()
    assert set(sold["member"]) == set(np.flatnonzero(sector.impaired.any(axis=1)))
    pending = sector.pending_units.copy()
    sector.end_of_day(view)
    np.testing.assert_allclose(sector.pending_units, 0.95 * pending)


def test_what_is_below_half_of_book_on_day_0_has_been_written_down_and_some_is_near() -> None:
    sector = opened(LifeInsurers)
    assert sector.old_gap_pp[:, 1].max() > 100.0 * np.log(2.0) / DURATION_YR[INDEX["JGB40"]]
    ratio = np.exp(make_view().log_price[OFF_THE_RUN] - sector.old_log_book)
    assert ratio.min() >= 0.5 and ratio[:, 1].min() < 0.53
    assert (ratio[:, 1] == 1.0).any()


def test_a_rise_that_leaves_bonds_above_half_of_book_impairs_nothing() -> None:
    sector = opened(LifeInsurers)
    quarter_end = replace(make_view(), date=dt.date(2026, 4, 1), month_first=True)
    sector.end_of_day(quarter_end)
    assert not sector.impaired.any() and not sector.pending_units.any()


# -- what holds for every sector ---------------------------------------------------------------------------------------


def test_with_all_rules_off_nothing_is_posted() -> None:
    sector = opened(LifeInsurers)
    view = make_view(move=RISE, vol_ratio=3.0, switches=dict.fromkeys(LifeInsurers.rules, False))
    assert sector.decide(view).size == 0


def test_the_order_of_members_does_not_matter() -> None:
    view = make_view(move=RISE, vol_ratio={"USDJPY": 2.0})
    straight, shuffled = opened(LifeInsurers), opened(LifeInsurers)
    order = np.random.default_rng(3).permutation(straight.n)
    permute_members(shuffled, order)
    a, b = straight.decide(view), shuffled.decide(view)
    by_member = [np.bincount(o["member"], o["quantity"], straight.n) for o in (a, b)]
    np.testing.assert_allclose(by_member[0][order], by_member[1], rtol=1e-9)


def test_twice_the_books_in_twice_the_depth_orders_twice_as_much() -> None:
    public = make_public()
    plan = {"planned_issuance_jpy_tn_per_month": 2.0 * public.planned_issuance_jpy_tn_per_month}
    small = opened(LifeInsurers)
    large = opened(LifeInsurers, 2.0 * HOLDINGS_USD_BN["life_insurers"])
    move, vol = {**RISE, "NIKKEI": -20.0}, {"USDJPY": 2.0}
    one = net_by_market(small.decide(make_view(move=move, vol_ratio=vol)))
    two = net_by_market(large.decide(make_view(move=move, vol_ratio=vol, depth_scale=2.0, public=plan)))
    np.testing.assert_allclose(list(two.values()), 2.0 * np.array(list(one.values())), rtol=1e-9, atol=1e-12)
    scale_books(small, 0.0)
    assert np.isfinite(small.decide(make_view(move=move))["quantity"]).all()
