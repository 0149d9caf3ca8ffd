"""Banks: opening funding, demand on yield, the interest-rate limit, Post Bank's foreign bonds, yen lending."""

from dataclasses import replace

import numpy as np
import pytest

from abm.agents.banks import MEGA, POSTAL, REGIONAL, Banks, loan_spread_pct, wanted_growth
from abm.agents.portfolio import FOREIGN_BONDS, MEAN_DAYS_PER_MONTH
from abm.world.instruments import DURATION_YR, INDEX, JGBS, JPY, USD
from abm.world.orders import REASON
from tests.agents.screen import HOLDINGS_USD_BN, make_view, net_by_market, opened, permute_members

YIELD_RISE = {"JGB2": 60.0, "JGB10": 60.0, "JGB20": 60.0, "JGB30": 60.0, "JGB40": 60.0}
LIMIT_OFF = {"interest_rate_limit": False, "repatriation": False}
LIMIT_ONLY = {"bank_demand": False, "repatriation": False}
POSTAL_ONLY = {"bank_demand": False, "interest_rate_limit": False}


def with_less_capital(sector: Banks, share: float) -> None:
    """Members owe more yen, so that only ``share`` of their capital is left."""
    view = make_view(day=0)
    loans = sector.book.loans.copy()
    equity = sector.book.equity_usd(view.log_price)[: sector.n]
    loans[: sector.n, JPY] += (1.0 - share) * equity / view.usd_per_currency[JPY]
    sector.book = replace(sector.book, loans=loans)


def test_members_add_up_to_the_sector_and_own_their_capital() -> None:
    sector, view = opened(Banks), make_view(day=0)
    held = sector.book.units * view.unit_value_usd
    np.testing.assert_allclose(held.sum(axis=0), HOLDINGS_USD_BN["banks"], rtol=1e-12)
    capital_jpy_tn = sector.equity_usd(view.log_price)[: sector.n].sum() / view.usd_per_currency[JPY] / 1000.0
    assert capital_jpy_tn == pytest.approx(60.0)
    assert [int((sector.kind == k).sum()) for k in (MEGA, POSTAL, REGIONAL)] == [3, 1, 100]
    assert not sector.book.units[sector.n].any() and sector.book.cash[sector.n, JPY] == pytest.approx(10_000.0)


def test_foreign_bonds_are_funded_abroad_or_hedged_by_post_bank() -> None:
    sector, view = opened(Banks), make_view(day=0)
    held = sector.book.units[: sector.n] * view.unit_value_usd
    dollars = held[:, [INDEX[m] for m in ("UST2", "UST10", "UST30")]].sum(axis=1)
    postal = sector.kind == POSTAL
    np.testing.assert_allclose(sector.book.loans[: sector.n, USD], np.where(postal, 0.0, 0.9 * dollars))
    forwards = sector.book.contracts_usd(view.log_price)[: sector.n]
    assert not forwards[~postal].any()
    hedgeable = held[postal][:, FOREIGN_BONDS[:-1]].sum()
    assert forwards[postal, INDEX["USDJPY"]][0] == pytest.approx(-0.8 * hedgeable)


@pytest.mark.parametrize("change", [{}, {"move": {"JGB30": 50.0}}, {"vol_ratio": 2.0}, {"move": {"USDJPY": -5.0}}])
def test_the_calm_screen_draws_next_to_nothing(change: dict) -> None:
    net = net_by_market(opened(Banks).decide(make_view(**change)))
    assert max(abs(v) for v in net.values()) < 0.01
    assert all(net[m] == 0.0 for m in ("JGB2", "JGB10", "JGB20", "JGB30", "JGB40"))


def test_demand_is_a_slope_beyond_the_hurdle() -> None:
    growth = wanted_growth(np.array([0.5, -0.5]), np.array([0.0, 0.2, 0.9]), 0.3)
    np.testing.assert_allclose(growth, [[0.15, 0.0], [0.09, 0.0], [0.0, 0.0]])


def test_banks_buy_short_and_ten_year_bonds_as_yields_rise_over_funding() -> None:
    sector = opened(Banks)
    bought = [net_by_market(sector.decide(make_view(move={"JGB10": bp}))) for bp in (20.0, 60.0, 100.0)]
    ten_year = [b["JGB10"] for b in bought]
    assert 0.0 < ten_year[0] < ten_year[1] < ten_year[2]
    assert all(b["JGB30"] == 0.0 for b in bought)
    hike = make_view(move={"JGB10": 60.0}, policy_move_pct={"JPY": 0.5})
    assert net_by_market(sector.decide(hike))["JGB10"] < 0.3 * ten_year[1]
    orders = sector.decide(make_view(move={"JGB10": 60.0}, switches=LIMIT_OFF))
    assert (orders["slope"] > 0).all() and (orders["reason"] == REASON["valuation"]).all()


def test_what_was_bought_is_sold_again_when_yields_come_back() -> None:
    sector = opened(Banks)
    units = sector.book.units.copy()
    units[:, INDEX["JGB10"]] *= 1.1
    sector.book = replace(sector.book, units=units)
    assert net_by_market(sector.decide(make_view(switches=LIMIT_OFF)))["JGB10"] < 0


def test_the_opening_use_of_the_limit_is_inside_it() -> None:
    sector, view = opened(Banks), make_view(day=0)
    use = sector.table(view.log_price)["eve_limit_use_pct"]
    np.testing.assert_allclose(use, 100.0 * sector.eve_use0)
    assert use.min() > 50.0 and use.max() < 85.0


def test_purchases_taper_off_as_the_limit_comes_near_and_turn_into_sales_beyond_it() -> None:
    sector, view = opened(Banks), make_view(move=YIELD_RISE)
    free = sector.decide(view)
    with_less_capital(sector, 0.9)
    near = sector.decide(view)
    with_less_capital(sector, 0.4)
    beyond = sector.decide(view)
    ten_year = [net_by_market(o)["JGB10"] for o in (free, near, beyond)]
    assert ten_year[0] > ten_year[1] > 0 > ten_year[2]
    sold = beyond[beyond["reason"] == REASON["risk_limit"]]
    assert set(sold["market"]) <= set(JGBS[1:]) and (sold["quantity"] < 0).all()
    bought = beyond[beyond["reason"] == REASON["valuation"]]
    assert not set(sold["member"]) & set(bought["member"])


def test_the_excess_over_the_limit_is_sold_over_ten_days() -> None:
    sector, view = opened(Banks), make_view(switches=LIMIT_ONLY)
    with_less_capital(sector, 0.7)
    excess = np.maximum(sector.eve_loss_jpy_bn(view.log_price) - sector.eve_limit_jpy_bn(view), 0.0)
    orders = sector.decide(view)
    freed = -(orders["quantity"] * DURATION_YR[orders["market"]]).sum() / 100.0 / view.usd_per_currency[JPY]
    assert freed == pytest.approx(excess.sum() / 10.0, rel=1e-6)
    sector.end_of_day(view)
    assert any("interest-rate limit" in words for words in sector.happenings())


def test_post_bank_sells_foreign_bonds_slowly_and_faster_as_hedges_get_dear() -> None:
    sector = opened(Banks)
    calm = sector.decide(make_view(switches=POSTAL_ONLY))
    dear = sector.decide(
        make_view(switches=POSTAL_ONLY, policy_move_pct={"USD": 1.5, "EUR": 1.5, "GBP": 1.5, "AUD": 1.5})
    )
    view = make_view()
    held = (sector.book.units * view.unit_value_usd)[:, FOREIGN_BONDS][:104][sector.kind == POSTAL].sum()
    pace = [-o["quantity"].sum() * MEAN_DAYS_PER_MONTH / held for o in (calm, dear)]
    assert 0.0005 < pace[0] < 0.001
    assert 0.004 < pace[1] < 0.0066
    assert set(calm["member"]) == set(np.flatnonzero(sector.kind == POSTAL))
    assert abs(net_by_market(calm)["USDJPY"]) == pytest.approx(
        0.2 * -calm["quantity"][calm["market"] != INDEX["EMBOND"]].sum()
        + -calm["quantity"][calm["market"] == INDEX["EMBOND"]].sum(),
        rel=1e-6,
    )


def test_the_loan_spread_rises_with_use() -> None:
    assert loan_spread_pct(0.0, 60.0, 0.3, 0.5) == 0.3
    assert loan_spread_pct(30.0, 60.0, 0.3, 0.5) == pytest.approx(0.55)
    sector = opened(Banks)
    assert sector.quoted_loan_spread_pct() == pytest.approx(0.3)
    loans = sector.book.loans.copy()
    loans[sector.n, JPY] -= 24_000.0 * sector.desk_share
    sector.book = replace(sector.book, loans=loans)
    assert sector.lent_jpy_tn() == pytest.approx(24.0)
    assert sector.quoted_loan_spread_pct() == pytest.approx(0.5)


def test_net_interest_is_paid_out() -> None:
    sector = opened(Banks)
    view = make_view(day=2)
    paid = -sector.income(view)
    rate = view.public.policy_rate_pct[JPY]
    assert paid[sector.n, JPY] == pytest.approx(10_000.0 * rate / 100.0 / 250.0)
    value = sector.book.units * np.exp(view.log_price)
    yen = value[: sector.n][:, JGBS] @ view.level[JGBS] + value[: sector.n, INDEX["NIKKEI"]] * 1.7
    interest = sector.book.loans[: sector.n, JPY] * rate
    regional = sector.kind == REGIONAL
    np.testing.assert_allclose(paid[: sector.n, JPY][regional], (yen - interest)[regional] / 100.0 / 250.0)


def test_with_all_rules_off_nothing_is_posted() -> None:
    sector = opened(Banks)
    with_less_capital(sector, 0.3)
    assert sector.decide(make_view(move=YIELD_RISE, switches=dict.fromkeys(Banks.rules, False))).size == 0


def test_the_order_of_members_does_not_matter() -> None:
    straight, shuffled = opened(Banks), opened(Banks)
    order = np.random.default_rng(3).permutation(straight.n)
    for sector in (straight, shuffled):
        with_less_capital(sector, 0.7)
    permute_members(shuffled, order)
    view = make_view(move=YIELD_RISE)
    a, b = straight.decide(view), shuffled.decide(view)
    by_member = [np.bincount(o["member"], o["quantity"], straight.n) for o in (a, b)]
    np.testing.assert_allclose(by_member[0][order], by_member[1], rtol=1e-9)


def test_twice_the_books_in_twice_the_depth_orders_twice_as_much() -> None:
    small = opened(Banks)
    large = opened(Banks, 2.0 * HOLDINGS_USD_BN["banks"], capital_jpy_tn=120.0)
    one = net_by_market(small.decide(make_view(move=YIELD_RISE)))
    two = net_by_market(large.decide(make_view(move=YIELD_RISE, depth_scale=2.0)))
    np.testing.assert_allclose(list(two.values()), 2.0 * np.array(list(one.values())), rtol=1e-9)
