"""Margin and defaults: requirements by hand, liquidations that close accounts, losses that land on their bearers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.world.book import Book, MarginTerms, Opening
from abm.world.defaults import INSURANCE_FUND, settle_defaults
from abm.world.instruments import (
    AUD,
    BTC,
    EQUITIES,
    EUR,
    FX,
    HOLDABLE,
    INDEX,
    JPY,
    MXN,
    N_CCY,
    N_MARKETS,
    USD,
    USDJPY,
)
from abm.world.ledger import Ledger
from abm.world.margin import (
    BROKER,
    RETAIL_FX_RATE,
    TIER_MAINTENANCE,
    TIER_UP_TO_USD,
    add_forced,
    initial_rates,
    initial_requirement,
    liquidation_orders,
    maintenance_rate_by_notional,
)
from abm.world.orders import REASON, post
from tests.world.books import (
    INSURANCE,
    LENDERS,
    LOG_PRICE,
    NUMBER,
    OUTSTANDING,
    ROWS,
    WORTH,
    as_orders,
    imbalances,
    net_usd_bn,
    open_ledger,
    openings,
    schedule,
)

UST10, EURUSD, AUDUSD = INDEX["UST10"], INDEX["EURUSD"], INDEX["AUDUSD"]
RATES = 0.01 * (1.0 + np.arange(N_MARKETS))  # every market its own rate
ALL = np.arange(N_MARKETS)


def book_of(*, units=None, cash=None, loans=None, contracts=None) -> Book:
    """One account; amounts by market or currency in units and currency."""
    tables = [np.zeros((1, n)) for n in (N_MARKETS, N_CCY, N_CCY, N_MARKETS)]
    for table, given_amounts in zip(tables, (units, cash, loans, contracts), strict=True):
        for column, amount in (given_amounts or {}).items():
            table[0, column] = amount
    return Book(*tables)


# -- rates and requirements --------------------------------------------------------------------------------------------


def test_rate_is_the_floor_in_calm_and_value_at_risk_in_a_storm():
    terms = MarginTerms(floor=np.full(N_MARKETS, 0.05))
    vol = np.where(ALL == BTC, 0.03, 0.001)
    rates = initial_rates(terms, vol, 1.0)
    assert rates[UST10] == 0.05
    assert rates[BTC] == pytest.approx(2.33 * 0.03 * 10**0.5)
    np.testing.assert_allclose(initial_rates(terms, vol, 2.0)[UST10], 0.10)
    assert initial_rates(terms, vol, 20.0)[BTC] == 1.0


def test_broker_floors_are_the_documented_ones():
    assert BROKER.floor[INDEX["JGB10"]] == 0.0125
    assert BROKER.floor[INDEX["JGB40"]] == pytest.approx(0.0125 * 21.5 / 8.9)
    assert (BROKER.floor[EQUITIES] == 0.06).all()
    assert (BROKER.floor[FX] == 0.035).all()
    assert BROKER.floor[BTC] == 0.20
    assert (BROKER.floor > 0.0).all()
    assert RETAIL_FX_RATE == 0.04
    with pytest.raises(ValueError, match="read-only"):
        BROKER.floor[BTC] = 0.0


def test_broker_covers_the_loss_of_ten_days_that_one_in_a_hundred_exceeds():
    rates = initial_rates(BROKER, np.full(N_MARKETS, 0.02))
    assert rates[UST10] == pytest.approx(2.33 * 0.02 * 10**0.5)


def test_yen_funded_treasury_is_charged_for_the_bond_and_once_for_the_debt():
    book = book_of(units={UST10: 100.0 / WORTH[UST10]}, loans={JPY: 90.0 * 160.0})
    need = initial_requirement(book, LOG_PRICE, RATES)
    assert need[0] == pytest.approx(100.0 * RATES[UST10] + 90.0 * RATES[USDJPY])
    two_assets = book_of(units={UST10: 50.0 / WORTH[UST10], BTC: 50.0 / WORTH[BTC]}, loans={JPY: 90.0 * 160.0})
    need = initial_requirement(two_assets, LOG_PRICE, RATES)
    assert need[0] == pytest.approx(50.0 * (RATES[UST10] + RATES[BTC]) + 90.0 * RATES[USDJPY])


def test_cash_counts_net_of_loans_and_home_cash_not_at_all():
    book = book_of(cash={JPY: 1600.0, USD: 50.0, AUD: 10.0}, loans={JPY: 3200.0})
    assert initial_requirement(book, LOG_PRICE, RATES)[0] == pytest.approx(10.0 * RATES[USDJPY] + 7.0 * RATES[AUDUSD])


def test_yen_account_pays_for_euros_through_both_pairs():
    book = book_of(cash={EUR: 8.0, USD: 3.0, JPY: 1e4})
    need = initial_requirement(book, LOG_PRICE, RATES, JPY)
    assert need[0] == pytest.approx(10.0 * (RATES[USDJPY] + RATES[EURUSD]) + 3.0 * RATES[USDJPY])


def test_contracts_are_charged_on_notional_whatever_their_sign():
    short = book_of(contracts={BTC: -2.0 / WORTH[BTC], USDJPY: 5.0})
    assert initial_requirement(short, LOG_PRICE, RATES)[0] == pytest.approx(2.0 * RATES[BTC] + 5.0 * RATES[USDJPY])


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_compiled_requirement_equals_the_formula(seed):
    book = open_ledger(seed).book("life_insurers")
    positions = (np.abs(book.holdings_usd(LOG_PRICE)) + np.abs(book.contracts_usd(LOG_PRICE))) @ RATES
    pair = {EUR: RATES[EURUSD], JPY: RATES[USDJPY], AUD: RATES[AUDUSD]}
    money = np.abs(book.net_cash_usd(LOG_PRICE)) @ np.array([pair.get(c, 0.0) for c in range(N_CCY)])
    np.testing.assert_allclose(initial_requirement(book, LOG_PRICE, RATES), positions + money, rtol=1e-12)


# -- perpetual tiers ---------------------------------------------------------------------------------------------------


def test_maintenance_of_small_positions_is_the_first_tier():
    np.testing.assert_array_equal(maintenance_rate_by_notional(np.array([0.0, 1e3, 5e4])), 0.004)


def test_maintenance_margin_is_taxed_by_bracket():
    margin = 5e4 * 0.004 + 2e5 * 0.005 + 7.5e5 * 0.01 + 9e6 * 0.025
    assert maintenance_rate_by_notional(1e7) * 1e7 == pytest.approx(margin)
    margin += 1e7 * 0.05 + 3e7 * 0.10
    assert maintenance_rate_by_notional(5e7) * 5e7 == pytest.approx(margin)
    for up_to, width, rate in ((1e8, 5e7, 0.125), (2e8, 1e8, 0.15), (3e8, 1e8, 0.25), (1e9, 7e8, 0.50)):
        margin += width * rate
        assert maintenance_rate_by_notional(up_to) * up_to == pytest.approx(margin)


def test_every_bracket_counts_up_to_the_last():
    edges, rates = np.concatenate([[0.0], TIER_UP_TO_USD[:-1], [1e9]]), TIER_MAINTENANCE
    assert rates[-1] == 0.50
    assert maintenance_rate_by_notional(1e9) * 1e9 == pytest.approx(np.diff(edges) @ rates)


def test_maintenance_margin_is_continuous_and_its_rate_rises():
    edge = TIER_UP_TO_USD[:-1]
    below, above = edge * (1 - 1e-9), edge * (1 + 1e-9)
    np.testing.assert_allclose(
        below * maintenance_rate_by_notional(below), above * maintenance_rate_by_notional(above), rtol=1e-7
    )
    rates = maintenance_rate_by_notional(np.geomspace(1e4, 1e9, 200))
    assert (np.diff(rates) >= 0.0).all()
    assert rates[-1] < TIER_MAINTENANCE[-1]


# -- liquidation -------------------------------------------------------------------------------------------------------


def account_of_everything() -> Ledger:
    """Two carry accounts with bonds in three currencies, contracts, foreign cash and yen debt."""
    books = openings()
    carry = books["carry_traders"]
    for market in ("BUND10", "EMBOND", "NIKKEI", "BTC"):
        carry.units_usd_bn[:2, INDEX[market]] = 1.0
    carry.contracts_usd_bn[:2, USDJPY] = 1.5
    carry.contracts_usd_bn[:2, BTC] = -0.5
    carry.cash_usd_bn[:2, AUD] = 0.7
    carry.cash_usd_bn[:2, EUR] = -0.3
    ledger = Ledger(ROWS)
    ledger.open(books, OUTSTANDING, LOG_PRICE, LENDERS)
    return ledger


@pytest.mark.parametrize("home", [USD, JPY, EUR])
def test_liquidation_closes_the_account(home):
    ledger = account_of_everything()
    book = ledger.book("carry_traders")
    members = np.array([True, False, False, False])
    equity, bystander = book.equity_usd(LOG_PRICE)[0], book.units[1].copy()
    orders = liquidation_orders(NUMBER["carry_traders"], book, members, LOG_PRICE, home)
    assert set(orders["member"]) == {0}
    assert set(orders["sector"]) == {NUMBER["carry_traders"]}
    assert set(orders["reason"]) == {REASON["liquidation"]}
    assert not orders["slope"].any()
    ledger.settle(orders, orders["quantity"], [], [], LOG_PRICE, LOG_PRICE, 1)
    np.testing.assert_allclose(book.units[0], 0.0, atol=1e-12)
    np.testing.assert_allclose(book.contracts[0], 0.0, atol=1e-12)
    net = book.net_cash_usd(LOG_PRICE)[0]
    cost = equity - net[home]
    assert 0.0 < cost < 0.01  # dollars of half-spreads on some eight billion
    np.testing.assert_allclose(np.delete(net, home), 0.0, atol=0.006)
    np.testing.assert_array_equal(book.units[1], bystander)


def test_nothing_is_sold_that_is_not_there():
    book = account_of_everything().book("carry_traders")
    orders = liquidation_orders(4, book, np.ones(4, bool), LOG_PRICE)
    cash_sales = orders[np.isin(orders["market"], HOLDABLE) & ~orders["contract"]]
    held = book.holdings_usd(LOG_PRICE)[cash_sales["member"], cash_sales["market"]]
    np.testing.assert_allclose(cash_sales["lo"], -held)
    assert (cash_sales["hi"] == 0.0).all()


def test_bonds_that_are_owed_are_bought_back():
    orders = liquidation_orders(4, book_of(units={UST10: -2.0 / WORTH[UST10]}), np.ones(1, bool), LOG_PRICE)
    assert np.clip(orders["quantity"], orders["lo"], orders["hi"]) == pytest.approx([2.0])


def test_an_em_bond_is_sold_with_its_currency():
    book = account_of_everything().book("carry_traders")
    orders = liquidation_orders(4, book, np.array([True, False, False, False]), LOG_PRICE)
    sale = orders[orders["market"] == INDEX["EMBOND"]]
    assert sale.size == 1
    assert (sale["fx1"][0], sale["sign1"][0]) == (INDEX["USDMXN"], -1.0)
    net = net_usd_bn(orders, orders["quantity"])
    assert net[INDEX["USDMXN"]] == pytest.approx(1.0)  # selling a billion of pesos buys dollars
    assert book.cash[0, MXN] == 0.0


def test_nobody_called_nobody_sold():
    book = account_of_everything().book("carry_traders")
    assert liquidation_orders(4, book, np.zeros(4, bool), LOG_PRICE).size == 0


# -- forced orders among those of the day ------------------------------------------------------------------------------


def carry_order(market, quantity, member=0, **terms):
    return as_orders("carry_traders", post(market, quantity, "carry", members=np.array([member]), **terms))


def test_a_sale_that_was_cut_stays_cut_once_the_account_is_called():
    """Of 10 owned, 6 were offered and 2 sold; the call sells the 8 left, so the first sale may not grow again."""
    earlier, converted = carry_order(UST10, -6.0, lo=-10.0, hi=10.0), carry_order(USDJPY, 8.0)
    both = add_forced(earlier, np.array([-2.0]), np.concatenate([carry_order(UST10, -8.0, lo=-8.0), converted]))
    assert both["lo"].tolist() == [-2.0, -8.0, -np.inf]
    assert both["hi"].tolist() == [0.0, np.inf, np.inf]
    assert both["quantity"].tolist() == [-6.0, -8.0, 8.0]
    assert (earlier["lo"][0], earlier["hi"][0]) == (-10.0, 10.0)


@pytest.mark.parametrize("unit", [1.0, 0.01])
@pytest.mark.parametrize(("forced", "bought", "sold"), [(-13.0, 0.0, -10.0), (-1.0, 2.0, 0.0), (-3.0, 0.0, 0.0)])
def test_what_was_bought_today_is_bought_no_longer_before_anything_is_sold(forced, bought, sold, unit):
    """3 of 5 wanted were bought, so 13 are owned."""
    earlier, now = carry_order(UST10, 5.0 * unit, lo=-10.0), carry_order(UST10, forced * unit, lo=-13.0)
    both = add_forced(earlier, np.array([3.0 * unit]), now)
    assert np.clip(both["quantity"], both["lo"], both["hi"]) == pytest.approx([bought * unit, sold * unit])
    assert both["lo"][0] == 0.0


def test_orders_of_others_in_other_markets_and_in_contracts_are_left_alone():
    earlier = np.concatenate(
        [
            carry_order(UST10, -6.0, member=1),
            carry_order(BTC, -6.0),
            carry_order(USDJPY, 6.0),
            carry_order(UST10, -6.0, contract=True),
        ]
    )
    forced = np.concatenate([carry_order(UST10, -8.0), carry_order(USDJPY, -8.0)])
    both = add_forced(earlier, 0.5 * earlier["quantity"], forced)
    np.testing.assert_array_equal(both, np.concatenate([earlier, forced]))


def test_only_the_position_that_is_sold_is_limited():
    members = np.arange(60)
    offers = post(HOLDABLE, np.full((60, HOLDABLE.size), -6.0), "carry", members=members)
    earlier = np.concatenate([as_orders(sector, offers) for sector in ("banks", "carry_traders", "dealers")])
    for member in range(N_MARKETS):
        both = add_forced(earlier, np.full(earlier.size, -2.0), carry_order(UST10, -4.0, member))
        limited = both[:-1][both[:-1] != earlier]
        assert limited[["sector", "member", "market", "lo"]].tolist() == [
            (NUMBER["carry_traders"], member, UST10, -2.0)
        ]


def test_a_purchase_stands_where_the_account_is_only_forced_out_of_a_contract():
    earlier = carry_order(UST10, 5.0, lo=-10.0)
    forced = np.concatenate([carry_order(UST10, -8.0, contract=True), carry_order(BTC, -1.0)])
    both = add_forced(earlier, np.array([3.0]), forced)
    np.testing.assert_array_equal(both, np.concatenate([earlier, forced]))


# -- defaults ----------------------------------------------------------------------------------------------------------


def test_solvent_accounts_do_not_default():
    ledger = account_of_everything()
    ledger.transfer(ledger.rows["rest_of_world"].start, np.arange(4) + ledger.rows["carry_traders"].start, USD, 50.0)
    before = ledger.cash.copy()
    booked = settle_defaults(ledger, "carry_traders", "banks", LOG_PRICE)
    assert booked.members.size == 0
    assert booked.loss_usd_bn == {}
    np.testing.assert_array_equal(ledger.cash, before)


def test_default_lands_on_the_lender():
    ledger = open_ledger()
    row, abroad = ledger.rows["carry_traders"].start, ledger.rows["rest_of_world"].start
    ledger.transfer(row + 1, abroad, USD, 10.0)
    ledger.transfer(abroad, row + np.array([0, 2, 3]), USD, 50.0)
    ledger.fund(LENDERS)
    book, banks = ledger.book("carry_traders"), ledger.book("banks")
    equity, lender, others = book.equity_usd(LOG_PRICE), banks.equity_usd(LOG_PRICE), _equity(ledger)
    assert equity[1] < -1.0
    booked = settle_defaults(ledger, "carry_traders", "banks", LOG_PRICE)
    assert booked.members.tolist() == [1]
    assert booked.loss_usd_bn == {"banks": pytest.approx(-equity[1])}
    np.testing.assert_allclose(banks.equity_usd(LOG_PRICE), lender + equity[1] * ledger.share[ledger.rows["banks"]])
    assert book.equity_usd(LOG_PRICE)[1] == 0.0
    unchanged = [n for n in ROWS if n not in ("carry_traders", "banks")]
    for name in unchanged:
        np.testing.assert_allclose(_equity(ledger)[name], others[name], atol=1e-9)
    assert max(imbalances(ledger).values()) < 1e-12


def _equity(ledger):
    return {name: ledger.book(name).equity_usd(LOG_PRICE).copy() for name in ROWS}


def crashed(price_ratio: float) -> tuple[Ledger, np.ndarray]:
    """Perpetual longs after bitcoin fell to a fraction of its price, contracts still open, accounts funded."""
    ledger = open_ledger()
    moved = LOG_PRICE.copy()
    moved[BTC] += np.log(price_ratio)
    ledger.mark(moved)
    ledger.fund(LENDERS)
    return ledger, moved


def test_insurance_fund_pays_first():
    ledger, price = crashed(0.89)  # each long lost 0.055 of its 0.05 bn
    fund = ledger.book("crypto_longs")
    booked = settle_defaults(ledger, "crypto_longs", "rest_of_world", price, insurance_member=INSURANCE)
    assert booked.members.tolist() == [0, 1, 2]
    assert booked.loss_usd_bn == {INSURANCE_FUND: pytest.approx(0.015)}
    assert fund.cash[INSURANCE, USD] == pytest.approx(0.035)
    np.testing.assert_allclose(fund.equity_usd(price)[:INSURANCE], 0.0, atol=1e-12)
    ledger.check(1)


def test_then_the_shorts_are_deleveraged_and_pay():
    ledger, price = crashed(0.70)  # each long lost 0.15 of its 0.05 bn: 0.3 missing, 0.05 in the fund
    arbitrageurs, rest = ledger.book("arbitrageurs"), ledger.book("rest_of_world")
    short, before = arbitrageurs.contracts[:, BTC].copy(), arbitrageurs.equity_usd(price)
    elsewhere = rest.equity_usd(price)[0]
    booked = settle_defaults(ledger, "crypto_longs", "rest_of_world", price, insurance_member=INSURANCE)
    assert booked.loss_usd_bn == {INSURANCE_FUND: pytest.approx(0.05), "arbitrageurs": pytest.approx(0.25)}
    np.testing.assert_allclose(arbitrageurs.equity_usd(price) - before, -0.25 * short / short.sum())
    np.testing.assert_allclose(arbitrageurs.contracts[:, BTC], 0.0, atol=1e-15)
    assert not ledger.book("crypto_longs").contracts[:, BTC].any()
    assert rest.equity_usd(price)[0] == pytest.approx(elsewhere)
    ledger.fund(LENDERS)
    assert max(imbalances(ledger).values()) < 1e-12


def test_without_shorts_the_lender_is_left_with_the_loss():
    ledger = Ledger({"crypto_longs": 2, "rest_of_world": 1})
    books = Opening.empty(2)
    books.cash_usd_bn[:, USD] = (-3.0, 1.0)
    ledger.open({"crypto_longs": books}, OUTSTANDING, LOG_PRICE)
    booked = settle_defaults(ledger, "crypto_longs", "rest_of_world", LOG_PRICE, insurance_member=1)
    assert booked.loss_usd_bn == {INSURANCE_FUND: pytest.approx(1.0), "rest_of_world": pytest.approx(2.0)}
    ledger.check(1)


@given(ratio=st.floats(0.2, 0.95), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_losses_borne_add_up_to_losses_made(ratio, seed):
    ledger = open_ledger(seed)
    price = LOG_PRICE.copy()
    price[BTC] += np.log(ratio)
    ledger.mark(price)
    orders = liquidation_orders(NUMBER["crypto_longs"], ledger.book("crypto_longs"), np.arange(3) < 2, price)
    ledger.settle(
        orders, orders["quantity"], [schedule("dealers")], [-net_usd_bn(orders, orders["quantity"])], price, price, 1
    )
    ledger.fund(LENDERS)
    missing = np.maximum(-ledger.book("crypto_longs").equity_usd(price)[:INSURANCE], 0.0).sum()
    wealth = sum(ledger.book(name).equity_usd(price).sum() for name in ROWS)
    booked = settle_defaults(ledger, "crypto_longs", "rest_of_world", price, insurance_member=INSURANCE)
    assert sum(booked.loss_usd_bn.values()) == pytest.approx(missing)
    assert sum(ledger.book(name).equity_usd(price).sum() for name in ROWS) == pytest.approx(wealth)
    assert (ledger.book("crypto_longs").equity_usd(price) > -1e-9).all()
    ledger.check(1)
