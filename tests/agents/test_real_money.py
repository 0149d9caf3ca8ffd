"""Global real money: habitat demand, concern, client flows, hedged foreign holdings."""

from dataclasses import replace
from typing import Any

import mesa
import numpy as np
import pytest

from abm.agents.real_money import RealMoney
from abm.world.book import Book
from abm.world.economy import expected_log_price
from abm.world.instruments import DURATION_YR, FX, IDS, INDEX, IS_FX, N_MARKETS, USDJPY
from abm.world.orders import REASON
from abm.world.view import View
from tests.agents.screen import HOLDINGS_USD_BN, make_view, net_by_market, open_book

HOLDINGS = np.where(IS_FX, 0.0, HOLDINGS_USD_BN["others"]) * 0.5
QUIET = {"client_flows": False}
PACE = 1.0 - 0.5 ** (1.0 / 37.0)
FX_PACE = 1.0 - 0.5 ** (1.0 / 40.0)


def opened(holdings: np.ndarray = HOLDINGS, members: int = 120, **params: Any) -> RealMoney:
    view = make_view(day=0)
    sector = RealMoney(mesa.Model(rng=1), RealMoney.Params(members=members, **params), view.streams)
    sector.book = open_book(sector.opening(holdings, view), view)
    sector.start(view)
    return sector


def bought(sector: RealMoney, view: View, reason: str) -> dict[str, float]:
    """Outright purchases by market for one reason, USD bn."""
    orders = sector.decide(view)
    rows = orders[orders["reason"] == REASON[reason]]
    return dict(zip(IDS, np.bincount(rows["market"], rows["quantity"], N_MARKETS), strict=True))


def moved_by_trades(**move: float) -> View:
    return make_view(move=move, switches=QUIET)


def test_members_hold_the_state_s_total() -> None:
    sector = opened()
    assert sector.book.units.sum(axis=0) * make_view().unit_value_usd == pytest.approx(HOLDINGS)
    assert (sector.book.units >= 0).all()


def test_day_one_is_quiet_and_elastic() -> None:
    view = make_view(switches=QUIET)
    orders = opened().decide(view)
    assert np.abs(np.clip(orders["quantity"], orders["lo"], orders["hi"])).max() == 0.0
    resting = (orders["lo"] == 0.0) | (orders["hi"] == 0.0)  # limit orders far from the price
    slope = np.bincount(orders["market"][~resting], orders["slope"][~resting], N_MARKETS)
    for name, elasticity in (("JGB2", 28.0), ("UST30", 3.2), ("SPX", 2.9)):
        assert slope[INDEX[name]] == pytest.approx(PACE * elasticity * HOLDINGS[INDEX[name]])
    assert slope[USDJPY] == pytest.approx(FX_PACE * 100.0 * opened().params.usdjpy_capacity_per_pct_usd_bn)


def test_public_news_makes_nobody_trade_but_flows_do() -> None:
    fall = {"JGB30": 20.0, "USDJPY": 1.0}
    assert max(map(abs, bought(opened(), make_view(news=fall, switches=QUIET), "valuation").values())) < 1e-9
    after_trades = bought(opened(exporter_gain=0.0), moved_by_trades(**fall), "valuation")
    value = HOLDINGS[INDEX["JGB30"]] * np.exp(-18.7 * 0.002 - 0.01)
    assert after_trades["JGB30"] == pytest.approx(PACE * 3.2 * 18.7 * 0.002 * value)
    assert after_trades["USDJPY"] < 0.0


def test_holdings_settle_where_the_elasticity_says() -> None:
    """Koijen-Yogo: one per cent off the price raises the stock of long bonds by 3.2 per cent in the end."""
    sector = opened(anchor_drift_pct=0.0)
    units = sector.book.units.copy()
    sector.book = replace(sector.book, units=units)
    bund = INDEX["BUND10"]
    for day in range(1, 370):
        view = make_view(move={"BUND10": 100.0 / 8.7}, switches=QUIET, day=day)
        orders = sector.decide(view)
        rows = orders[orders["market"] == bund]
        np.add.at(units[:, bund], rows["member"], rows["quantity"] / view.unit_value_usd[bund])
        sector.end_of_day(view)
    stock = units[:, bund].sum() * make_view().unit_value_usd[bund]
    assert stock / HOLDINGS[bund] - 1.0 == pytest.approx(3.2 * 0.01, rel=2e-3)


def test_a_level_that_holds_becomes_the_new_normal() -> None:
    sector = opened()
    first = bought(sector, moved_by_trades(UST10=50.0), "valuation")["UST10"]
    for day in range(1, 1000):
        sector.end_of_day(make_view(move={"UST10": 50.0}, day=day))
    later = bought(sector, make_view(move={"UST10": 50.0}, switches=QUIET, day=1001), "valuation")["UST10"]
    assert first > 0.0
    assert 0.0 <= later < 0.05 * first


def test_nobody_sells_more_than_it_owns() -> None:
    sector = opened(half_life_days=1.0)
    view = make_view(move={"JGB2": -300.0, "SPX": 200.0}, public={"unfunded_pct_gdp": 200.0})
    orders = sector.decide(view)
    sold = np.zeros((sector.n, N_MARKETS))
    outright = orders[~orders["contract"]]
    np.add.at(sold, (outright["member"], outright["market"]), -np.minimum(outright["quantity"], 0.0))
    assert (sold <= sector.book.holdings_usd(view.log_price) + 1e-9).all()
    assert sold[:, INDEX["SPX"]].sum() == pytest.approx(sector.book.holdings_usd(view.log_price)[:, INDEX["SPX"]].sum())


# -- concern ---------------------------------------------------------------------------------------------------------


def test_an_unfunded_deficit_withdraws_bids_for_jgbs_most_per_yen_for_long_ones_and_buys_dollars() -> None:
    sales = bought(opened(), make_view(public={"unfunded_pct_gdp": 4.0}), "fiscal_concern")
    share = {name: sales[name] / HOLDINGS[INDEX[name]] for name in ("JGB10", "JGB20", "JGB30", "JGB40")}
    assert share["JGB40"] < share["JGB30"] < share["JGB20"] < share["JGB10"] < 0.0
    assert sales["USDJPY"] > 0.0
    assert all(sales[name] == 0.0 for name in IDS if not name.startswith("JGB") and name != "USDJPY")
    twice = bought(opened(alarm_of_deficit=0.0), make_view(public={"unfunded_pct_gdp": 8.0}), "fiscal_concern")
    once = bought(opened(alarm_of_deficit=0.0), make_view(public={"unfunded_pct_gdp": 4.0}), "fiscal_concern")
    assert twice["JGB30"] == pytest.approx(2.0 * once["JGB30"])


def test_what_concern_has_sold_is_not_bought_back_for_value() -> None:
    sector = opened()
    public = {"unfunded_pct_gdp": 4.0}
    day1 = make_view(public=public, switches=QUIET)
    orders = sector.decide(day1)
    units = sector.book.units.copy()
    rows = orders[(orders["reason"] == REASON["fiscal_concern"])]
    np.add.at(units, (rows["member"], rows["market"]), rows["quantity"] / day1.unit_value_usd[rows["market"]])
    sector.book = replace(sector.book, units=units)
    assert abs(bought(sector, make_view(public=public, switches=QUIET, day=2), "valuation")["JGB30"]) < 1e-9


def concern_after(**public: Any) -> float:
    sector = opened()
    sector.hear(make_view(public=public))
    return float(sector.concern.mean())


def test_concern_rises_with_bad_news_and_falls_with_answers_and_time() -> None:
    calm = float(opened().concern.mean())
    planned = make_view().public.issuance_jpy_tn_per_month
    cut = np.where(np.arange(N_MARKETS) == INDEX["JGB30"], planned - 0.3, planned)
    assert concern_after(unfunded_pct_gdp=3.0) > concern_after(unfunded_pct_gdp=1.0) > calm
    assert concern_after(weak_auction_sd=2.0) > calm
    assert concern_after(issuance_jpy_tn_per_month=cut) < calm
    assert concern_after(exceptional_purchases_jpy_tn=3.0) < calm
    sector = opened()
    sector.hear(make_view(move={"JGB20": 25.0, "JGB30": 25.0, "JGB40": 25.0}))
    alarmed = float(sector.concern.mean())
    assert alarmed > calm
    for day in range(2, 40):
        sector.hear(make_view(day=day))
    assert calm <= float(sector.concern.mean()) < calm + 0.05 * (alarmed - calm) + 0.01


# -- what shares and the yen are worth -------------------------------------------------------------------------------


def test_higher_yields_weigh_on_long_duration_shares_unless_they_are_daily_news() -> None:
    rise = moved_by_trades(UST10=20.0)
    values = opened().revaluation(rise)
    assert values[INDEX["NASDAQ"]] == pytest.approx(-20.0 * 0.002)
    assert values[INDEX["SPX"]] == pytest.approx(-14.0 * 0.002)
    assert values[INDEX["NIKKEI"]] == 0.0
    sector = opened()
    news = make_view(news={"UST10": 20.0})
    sector.hear(news)
    assert np.abs(sector.revaluation(news)).max() < 1e-12
    assert bought(opened(), rise, "valuation")["NASDAQ"] < 0.0


def test_policy_expectations_count_as_discount_rate_though_they_are_news() -> None:
    sector, before = opened(), make_view(day=0).public
    dearer = replace(before, terminal_rate_pct=before.terminal_rate_pct + 0.5)
    news = expected_log_price(dearer) - expected_log_price(before)
    view = make_view(public={"terminal_rate_pct": dearer.terminal_rate_pct})
    news[INDEX["JGB10"]] = -0.002  # what people in Tokyo read into it
    view = replace(view, log_price=view.close + news, news=news, policy_news=news)
    sector.hear(view)
    rise = -news[INDEX["UST10"]] / 8.1
    assert sector.revaluation(view)[INDEX["SPX"]] == pytest.approx(-14.0 * rise)
    weaker = 0.4 * news[USDJPY]
    years = DURATION_YR[INDEX["JGB10"]]
    assert sector.revaluation(view)[INDEX["NIKKEI"]] == pytest.approx(-10.0 * 0.002 / years + weaker)


def test_weak_yen_helps_exporters_and_monetisation_is_left_to_the_public_quote() -> None:
    weak = opened().revaluation(moved_by_trades(USDJPY=1.0))
    assert weak[INDEX["NIKKEI"]] == pytest.approx(0.004)
    assert weak[INDEX["SPX"]] == 0.0
    printing = opened().revaluation(make_view(public={"inflation_expected_pct": 3.0}))
    assert printing[USDJPY] == 0.0


def test_volatility_and_risk_aversion_lower_shares() -> None:
    stressed = opened().revaluation(make_view(vol_ratio=2.0, public={"risk_aversion_sd": 1.0}))
    assert stressed[INDEX["SPX"]] == pytest.approx(-0.04)


# -- client flows and hedges -----------------------------------------------------------------------------------------


def test_client_flows_have_the_size_asked_for_and_shrink_with_the_root_of_depth() -> None:
    sector, view = opened(), make_view()
    sector.hear(view)
    cells = sector.cells
    ust10, total = INDEX["UST10"], []
    for day in range(1, 400):
        flow = sector.client_flows(make_view(day=day, depth_scale=0.1), cells)
        total.append(np.bincount(cells.market, flow, N_MARKETS))
    asked = sector.params.flow_to_depth * np.sqrt(0.1) * view.depth * view.calm_vol / np.maximum(sector.related, 1.0)
    assert np.std(total, axis=0)[ust10] == pytest.approx(asked[ust10], rel=0.1)
    assert np.std(total, axis=0)[USDJPY] == pytest.approx(asked[USDJPY], rel=0.1)
    assert abs(np.mean(total, axis=0)[ust10]) < 0.2 * asked[ust10]


def test_foreign_bonds_are_hedged_so_they_leave_the_currency_alone() -> None:
    sector = opened()
    view = moved_by_trades(JGB30=30.0)
    rows = sector.decide(view)
    spot = net_by_market(rows[rows["market"] == INDEX["JGB30"]])
    assert spot["JGB30"] > 0.0
    assert spot["USDJPY"] == pytest.approx(0.0, abs=1e-12)
    foreign_jgbs = 0.35 * sum(HOLDINGS[INDEX[f"JGB{t}"]] for t in (2, 10, 20, 30, 40))
    assert sector.book.contracts_usd(view.opening)[:, USDJPY].sum() > foreign_jgbs
    unhedged = sector.decide(moved_by_trades(NIKKEI=-5.0))
    assert net_by_market(unhedged[unhedged["market"] == INDEX["NIKKEI"]])["USDJPY"] < 0.0


def test_order_of_members_and_scale() -> None:
    sector, view = opened(), make_view(move={"JGB30": 10.0}, public={"unfunded_pct_gdp": 2.0})
    straight = net_by_market(opened().decide(view))
    order = np.random.default_rng(3).permutation(sector.n)
    for name, value in vars(sector).items():
        if isinstance(value, np.ndarray) and value.shape[:1] == (sector.n,):
            setattr(sector, name, value[order])
    book = sector.book
    sector.book = Book(book.units[order], book.cash[order], book.loans[order], book.contracts[order])
    assert net_by_market(sector.decide(view)) == pytest.approx(straight, rel=1e-9, abs=1e-9)
    wide = {
        f"{IDS[i].lower()}_capacity_per_pct_usd_bn": 2.0
        * getattr(sector.params, f"{IDS[i].lower()}_capacity_per_pct_usd_bn")
        for i in FX
    }
    double = opened(2.0 * HOLDINGS, **wide)
    assert net_by_market(double.decide(replace(view, depth=2.0 * view.depth))) == pytest.approx(
        {k: 2.0 * v for k, v in straight.items()}, rel=1e-9, abs=1e-9
    )


def test_rules_off_means_no_orders() -> None:
    off = dict.fromkeys(RealMoney.rules, False)
    view = make_view(move={"JGB30": 50.0}, public={"unfunded_pct_gdp": 4.0}, switches=off)
    assert opened().decide(view).size == 0


def test_a_currency_far_from_what_is_thought_right_is_bought_faster() -> None:
    sector = opened()
    per_pct = []
    for fall_pct in (0.5, 10.0):
        rows = sector.decide(moved_by_trades(USDJPY=-fall_pct))
        outright = rows[(rows["market"] == USDJPY) & (rows["slope"] > 0.0) & (rows["lo"] != 0.0) & (rows["hi"] != 0.0)]
        per_pct.append(outright["quantity"].sum() / fall_pct)
    assert 3.5 * per_pct[0] < per_pct[1] < 5.0 * per_pct[0]  # 1 + (10 / 5)^2 = 5 times the haste


def test_beyond_the_gap_the_whole_wanted_change_is_done_at_once() -> None:
    sector = opened()
    capacity = sector.params.usdjpy_capacity_per_pct_usd_bn
    for fall_pct in (4.0, 6.0):
        rows = sector.decide(moved_by_trades(USDJPY=-fall_pct))
        rows = rows[(rows["market"] == USDJPY) & (rows["slope"] > 0.0)]
        bought = np.clip(rows["quantity"], rows["lo"], rows["hi"]).sum()
        patient = np.clip(rows["quantity"], rows["lo"], rows["hi"])[(rows["lo"] != 0.0) & (rows["hi"] != 0.0)].sum()
        at_once = bought - patient
        if fall_pct < 5.0:
            assert at_once == 0.0
        else:
            pace = patient / (fall_pct * capacity)
            assert at_once == pytest.approx((1.0 - pace) * (fall_pct - 5.0) * capacity, rel=0.1)
