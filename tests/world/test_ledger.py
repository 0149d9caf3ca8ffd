"""The ledger: hand-computed trades, identities from independent sums, and the compiled loops against plain ones."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abm.world.book import Opening
from abm.world.errors import InputError
from abm.world.instruments import (
    AUD,
    BTC,
    COST_BP,
    EUR,
    FX,
    HOLDABLE,
    INDEX,
    JGBS,
    JPY,
    MXN,
    N_CCY,
    N_MARKETS,
    QUOTE_CCY,
    USD,
    USDJPY,
    unit_value_usd,
    usd_per_currency,
)
from abm.world.ledger import Ledger, LedgerError
from abm.world.orders import no_orders, post
from tests.world.books import (
    LENDERS,
    LOG_PRICE,
    NUMBER,
    OUTSTANDING,
    PRICE,
    ROWS,
    WORTH,
    PlainBooks,
    as_orders,
    empty_ledger,
    imbalances,
    net_usd_bn,
    open_ledger,
    openings,
    schedule,
)

UST10, BUND10, JGB10, NIKKEI, EURUSD = (INDEX[m] for m in ("UST10", "BUND10", "JGB10", "NIKKEI", "EURUSD"))
TABLES = ("units", "cash", "loans", "contracts")
YEN = 160.0  # per dollar in the test world


def settle_at_quote(ledger, orders, schedules=(), price_log=LOG_PRICE):
    """Fill every order in full; market makers share the other side equally."""
    filled = orders["quantity"]
    other = [-net_usd_bn(orders, filled) / max(len(schedules), 1)] * len(schedules)
    return ledger.settle(orders, filled, list(schedules), other, LOG_PRICE, price_log, 1)


def copies(ledger):
    return {name: getattr(ledger, name).copy() for name in TABLES}


def random_orders(rng, n=60):
    """Cash, cross-border, currency, contract and issuance orders of all sectors but the market makers."""
    blocks = []
    for _ in range(n):
        sector = ("life_insurers", "banks", "jgb_fast_money", "carry_traders", "crypto_longs")[rng.integers(5)]
        member, kind = np.array([rng.integers(ROWS[sector])]), rng.integers(4)
        q = rng.normal(size=1)
        if kind == 0:
            block = post(
                int(rng.choice(HOLDABLE)), q, "valuation", funding=int(rng.integers(N_CCY)), hedge=rng.random(),
                members=member,
            )  # fmt: skip
        elif kind == 1:
            block = post(int(rng.choice(FX)), q, "carry", members=member)
        else:
            block = post(int(rng.integers(N_MARKETS)), q, "hedging", contract=True, members=member)
        blocks.append(as_orders(sector, block))
    blocks.append(as_orders("government", post(JGB10, -abs(rng.normal(size=1)), "issuance")))
    return np.concatenate(blocks)


# -- day 0 -------------------------------------------------------------------------------------------------------------


def test_opening_books_balance_and_are_what_was_given():
    ledger = open_ledger()
    assert max(imbalances(ledger).values()) < 1e-12
    given_books = openings()
    insurers = ledger.book("life_insurers")
    np.testing.assert_allclose(insurers.holdings_usd(LOG_PRICE), given_books["life_insurers"].units_usd_bn, atol=1e-9)
    np.testing.assert_allclose(
        insurers.contracts_usd(LOG_PRICE), given_books["life_insurers"].contracts_usd_bn, atol=1e-9
    )
    ledger.check(0)


def test_rest_of_world_holds_what_nobody_else_holds():
    ledger = Ledger({"banks": 2, "rest_of_world": 1})
    bank = Opening.empty(2)
    bank.units_usd_bn[:, UST10] = (30.0, 50.0)
    bank.cash_usd_bn[0, JPY] = 4.0
    ledger.open({"banks": bank}, OUTSTANDING, LOG_PRICE)
    rest = ledger.book("rest_of_world")
    assert rest.holdings_usd(LOG_PRICE)[0, UST10] == pytest.approx(920.0)
    assert rest.cash[0, JPY] == pytest.approx(-4.0 * YEN)


def test_members_share_lending_by_their_positive_equity():
    """Equally where nobody has any, whatever the size of what there is."""
    ledger = Ledger({"banks": 3, "carry_traders": 2, "rest_of_world": 1})
    bank, carry = Opening.empty(3), Opening.empty(2)
    bank.cash_usd_bn[:, USD] = (0.125, 0.375, -1.0)
    carry.loans_usd_bn[0, EUR] = 1.0
    ledger.open({"banks": bank, "carry_traders": carry}, OUTSTANDING, LOG_PRICE)
    assert ledger.share == pytest.approx([0.25, 0.75, 0.0, 0.5, 0.5, 1.0])


def test_columns_are_in_use_where_a_single_member_has_something():
    ledger = Ledger(ROWS)
    books = {name: Opening.empty(ROWS[name]) for name in ("banks", "carry_traders", "life_insurers", "jgb_fast_money")}
    books["banks"].units_usd_bn[1, BUND10] = 1.0
    books["carry_traders"].loans_usd_bn[2, MXN] = 1.0
    books["life_insurers"].cash_usd_bn[0, AUD] = 1.0
    books["jgb_fast_money"].contracts_usd_bn[1, BTC] = 1.0
    ledger.open(books, OUTSTANDING, LOG_PRICE)
    used = {
        name: [np.flatnonzero(flags[NUMBER[name]]).tolist() for flags in (ledger.owns, ledger.open_in, ledger.money)]
        for name in books
    }
    assert used == {
        "banks": [[BUND10], [], [EUR]],
        "carry_traders": [[], [], [MXN]],
        "life_insurers": [[], [], [AUD]],
        "jgb_fast_money": [[], [BTC], [USD]],
    }


@pytest.mark.parametrize(("held", "refused"), [(1000.0, False), (1000.0 * (1.0 + 1e-8), True)])
def test_all_that_is_outstanding_may_be_held_and_no_more(held, refused):
    bank, ledger = Opening.empty(1), Ledger({"banks": 1, "rest_of_world": 1})
    bank.units_usd_bn[0, UST10] = held
    if refused:
        with pytest.raises(InputError, match="UST10"):
            ledger.open({"banks": bank}, OUTSTANDING, LOG_PRICE)
    else:
        ledger.open({"banks": bank}, OUTSTANDING, LOG_PRICE)
        assert ledger.book("rest_of_world").units[0, UST10] == pytest.approx(0.0, abs=1e-9)


def test_more_held_than_outstanding_is_refused_with_both_amounts():
    books = openings()
    books["banks"].units_usd_bn[0, UST10] = 1500.0
    with pytest.raises(ValueError, match=r"UST10: sectors hold 1,5\d\d.* of 1,000 USD bn outstanding"):
        Ledger(ROWS).open(books, OUTSTANDING, LOG_PRICE)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda b: b.update(whales=Opening.empty(1)), "whales"),
        (lambda b: b.update(banks=Opening.empty(3)), r"opening of banks: units_usd_bn .*\(2, 23\), got \(3, 23\)"),
        (lambda b: b["banks"].units_usd_bn.__setitem__((0, USDJPY), 1.0), "held as cash"),
        (
            lambda b: b["banks"].cash_usd_bn.__setitem__((0, USD), np.nan),
            "opening of banks: cash_usd_bn must be finite",
        ),
    ],
)
def test_unusable_openings_are_refused(change, text):
    books = openings()
    change(books)
    with pytest.raises(ValueError, match=text):
        Ledger(ROWS).open(books, OUTSTANDING, LOG_PRICE)


def test_arbitrageurs_take_opening_contracts_without_exposure():
    """Whatever prices do, hedged contracts earn the arbitrageurs nothing (financing apart)."""
    ledger = open_ledger()
    book = ledger.book("arbitrageurs")
    assert book.contracts[:, BTC].sum() == pytest.approx(-1.5 / WORTH[BTC])
    assert book.units[:, BTC].sum() == pytest.approx(1.5 / WORTH[BTC])
    assert book.contracts[:, USDJPY].sum() > 0.0
    np.testing.assert_allclose(book.equity_usd(LOG_PRICE), 0.0, atol=1e-12)
    moved = LOG_PRICE + np.random.default_rng(3).normal(size=N_MARKETS) * 0.1
    ledger.mark(moved)
    np.testing.assert_allclose(book.equity_usd(moved), 0.0, atol=1e-12)


def test_without_arbitrageurs_the_rest_takes_the_contracts():
    ledger = Ledger({"crypto_longs": 1, "rest_of_world": 1})
    longs = Opening.empty(1)
    longs.contracts_usd_bn[0, BTC] = 2.0
    ledger.open({"crypto_longs": longs}, OUTSTANDING, LOG_PRICE)
    assert ledger.book("rest_of_world").contracts_usd(LOG_PRICE)[0, BTC] == pytest.approx(-2.0)
    ledger.check(0)


def test_opening_loans_are_lent_by_the_lender_out_of_its_cash():
    with_lender, without = open_ledger(), Ledger(ROWS)
    without.open(openings(), OUTSTANDING, LOG_PRICE)
    banks, plain = with_lender.book("banks"), without.book("banks")
    assert banks.loans[:, JPY].sum() == pytest.approx(-4.0 * YEN)
    assert plain.loans[:, JPY].sum() == 0.0
    np.testing.assert_allclose(banks.equity_usd(LOG_PRICE), plain.equity_usd(LOG_PRICE))
    equity = plain.equity_usd(LOG_PRICE)
    np.testing.assert_allclose(banks.loans[:, JPY] / banks.loans[:, JPY].sum(), equity / equity.sum())


def test_books_cannot_be_written_and_follow_the_ledger():
    ledger = open_ledger()
    book = ledger.book("banks")
    with pytest.raises(ValueError, match="read-only"):
        book.cash[0, JPY] = 1.0
    before = book.cash[0, JPY]
    ledger.transfer(ledger.rows["rest_of_world"].start, ledger.rows["banks"].start, JPY, 7.0)
    assert book.cash[0, JPY] == before + 7.0


def test_a_ledger_needs_the_rest_of_the_world():
    with pytest.raises(ValueError, match="rest_of_world"):
        Ledger({"banks": 2})


# -- trades by hand ----------------------------------------------------------------------------------------------------


def test_unhedged_purchase_of_a_treasury_buys_the_bond_and_the_dollars():
    ledger = empty_ledger()
    order = as_orders("life_insurers", post(UST10, 2.0, "reinvestment", funding=JPY))
    settle_at_quote(ledger, order, [schedule("dealers")])
    me = ledger.book("life_insurers")
    bond_price = np.exp(-8.1 * 0.04)
    assert me.units[0, UST10] == pytest.approx(2.0 / bond_price)
    assert me.cash[0, JPY] == pytest.approx(-2.0 * YEN * (1 + 0.5e-4))
    assert me.cash[0, USD] == pytest.approx(-2.0 * 0.8e-4)  # bought for the bond, less the bond's cost
    assert not me.contracts.any()
    dealers = ledger.book("dealers")
    assert dealers.units[:, UST10].sum() == pytest.approx(-2.0 / bond_price)
    assert dealers.cash[:, JPY].sum() == pytest.approx(2.0 * YEN * (1 + 0.5e-4))
    ledger.check(1)


def test_hedged_purchase_leaves_only_the_open_part_in_the_spot_market():
    ledger = empty_ledger()
    order = as_orders("life_insurers", post(UST10, 2.0, "reinvestment", funding=JPY, hedge=0.75))
    settle_at_quote(ledger, order, [schedule("dealers")])
    me, dealers = ledger.book("life_insurers"), ledger.book("dealers")
    assert me.contracts[0, USDJPY] == pytest.approx(-1.5)
    assert dealers.contracts[:, USDJPY].sum() == pytest.approx(1.5)
    assert me.cash[0, JPY] == pytest.approx(-2.0 * YEN * (1 + 0.5e-4))
    spot_and_forward = dealers.cash[:, USD].sum() - 2.0 * (1 + 0.8e-4) + dealers.contracts[:, USDJPY].sum()
    assert spot_and_forward == pytest.approx(-0.5)  # dealers are short the unhedged half billion only
    ledger.check(1)


def test_fully_hedged_purchase_earns_the_bond_alone_when_the_yen_moves():
    ledger = empty_ledger()
    order = as_orders("life_insurers", post(UST10, 2.0, "reinvestment", funding=JPY, hedge=1.0))
    settle_at_quote(ledger, order, [schedule("dealers")])
    me = ledger.book("life_insurers")
    before_jpy = me.equity_usd(LOG_PRICE)[0] * YEN
    moved = LOG_PRICE.copy()
    moved[USDJPY] += np.log(0.9)
    ledger.mark(moved)
    fees_in_usd = -2.0 * 0.8e-4
    after_jpy = me.equity_usd(moved)[0] * YEN * 0.9
    assert after_jpy - before_jpy == pytest.approx(fees_in_usd * YEN * -0.1, abs=1e-9)


def test_bund_for_yen_goes_through_the_dollar():
    ledger = empty_ledger()
    order = as_orders("life_insurers", post(BUND10, 5.0, "reinvestment", funding=JPY))
    settle_at_quote(ledger, order, [schedule("dealers")])
    me = ledger.book("life_insurers")
    assert me.units[0, BUND10] == pytest.approx(5.0 / 1.25 / np.exp(-8.7 * 0.028))
    assert me.cash[0, JPY] == pytest.approx(-5.0 * YEN * (1 + 0.5e-4))
    assert me.cash[0, USD] == pytest.approx(-5.0 * 0.5e-4)  # dollars pass through, EURUSD's cost stays
    assert me.cash[0, EUR] == pytest.approx(-4.0 * 0.8e-4)


def test_hedged_bund_sells_both_pairs_forward():
    ledger = empty_ledger()
    order = as_orders("life_insurers", post(BUND10, 5.0, "reinvestment", funding=JPY, hedge=0.5))
    settle_at_quote(ledger, order, [schedule("dealers")])
    me = ledger.book("life_insurers")
    assert me.contracts[0, USDJPY] == pytest.approx(-2.5)
    assert me.contracts[0, EURUSD] == pytest.approx(-2.0)


def test_short_future_against_dealers_moves_no_bond():
    ledger = empty_ledger()
    order = as_orders("jgb_fast_money", post(JGB10, -3.0, "momentum", contract=True))
    settle_at_quote(ledger, order, [schedule("dealers")])
    me, dealers = ledger.book("jgb_fast_money"), ledger.book("dealers")
    amount = 3.0 * YEN / np.exp(-8.9 * 0.02)
    assert me.contracts[0, JGB10] == pytest.approx(-amount)
    assert dealers.contracts[:, JGB10].sum() == pytest.approx(amount)
    np.testing.assert_allclose(dealers.units[:, JGB10], 0.0, atol=1e-12)
    assert me.cash[0, JPY] == pytest.approx(-3.0 * YEN * 1e-4)
    moved = LOG_PRICE.copy()
    moved[JGB10] -= 8.9 * 0.001  # ten basis points
    ledger.mark(moved)
    gain = amount * np.exp(-8.9 * 0.02) * (1.0 - np.exp(-0.0089))
    assert me.cash[0, JPY] == pytest.approx(gain - 3.0 * YEN * 1e-4)
    ledger.check(1)


def test_perpetual_is_held_against_spot_bitcoin():
    """A long perpetual met by a spot seller: the market maker owns the bitcoin and is short the contract."""
    ledger = open_ledger()
    dealers, before = ledger.book("dealers"), copies(ledger)
    long = as_orders("crypto_longs", post(BTC, 1.0, "momentum", contract=True))
    seller = as_orders("rest_of_world", post(BTC, -1.0, "client_flows"))
    settle_at_quote(ledger, np.concatenate([long, seller]), [schedule("dealers")])
    amount = 1.0 / 100_000.0
    assert dealers.contracts[:, BTC].sum() == pytest.approx(-amount)
    assert dealers.units[:, BTC].sum() == pytest.approx(amount)
    me = ledger.rows["crypto_longs"].start
    assert ledger.contracts[me, BTC] - before["contracts"][me, BTC] == pytest.approx(amount)
    assert ledger.cash[me, USD] - before["cash"][me, USD] == pytest.approx(-COST_BP[BTC] / 1e4)


def test_issuance_creates_bonds_and_buybacks_retire_them():
    ledger = empty_ledger()
    issued = ledger.issued[JGB10]
    settle_at_quote(ledger, as_orders("government", post(JGB10, -2.0, "issuance")), [schedule("dealers")])
    assert (ledger.issued[JGB10] - issued) * WORTH[JGB10] == pytest.approx(2.0)
    assert not ledger.book("government").units.any()
    assert ledger.book("government").cash[0, JPY] == pytest.approx(2.0 * YEN * (1 - 1e-4))
    assert ledger.book("dealers").holdings_usd(LOG_PRICE)[:, JGB10].sum() == pytest.approx(2.0)
    ledger.check(1)
    settle_at_quote(ledger, as_orders("government", post(JGB10, 2.0, "issuance")), [schedule("dealers")])
    assert ledger.issued[JGB10] == pytest.approx(issued)


def test_execution_away_from_the_quote_pays_the_new_price():
    ledger = empty_ledger()
    moved = LOG_PRICE.copy()
    moved[UST10] += 0.01
    order = as_orders("banks", post(UST10, 2.0, "valuation", funding=USD))
    settle_at_quote(ledger, order, [schedule("dealers")], moved)
    assert ledger.book("banks").cash[0, USD] == pytest.approx(-2.0 * np.exp(0.01) * (1 + 0.8e-4))


def test_without_market_makers_the_rest_of_the_world_trades():
    ledger = empty_ledger()
    order = as_orders("life_insurers", post(UST10, 2.0, "reinvestment", funding=JPY, hedge=0.5))
    before = ledger.book("rest_of_world").units[0, UST10]
    assert not settle_at_quote(ledger, order).any(), "it takes what there is"
    rest = ledger.book("rest_of_world")
    assert rest.units[0, UST10] - before == pytest.approx(-2.0 / PRICE[UST10])
    assert rest.contracts[0, USDJPY] == pytest.approx(1.0)
    ledger.check(1)


@pytest.mark.parametrize("unit", [1.0, 0.01])
def test_intermediated_contracts_are_shared_by_capacity(unit):
    ledger = empty_ledger()
    order = as_orders("jgb_fast_money", post(JGB10, -4.0, "momentum", contract=True))
    makers = [schedule("dealers", slope=unit), schedule("arbitrageurs", slope=3.0 * unit)]
    ledger.settle(order, order["quantity"], makers, [1.0 * _in(JGB10), 3.0 * _in(JGB10)], LOG_PRICE, LOG_PRICE, 1)
    assert ledger.book("dealers").contracts_usd(LOG_PRICE)[:, JGB10].sum() == pytest.approx(1.0)
    assert ledger.book("arbitrageurs").contracts_usd(LOG_PRICE)[:, JGB10].sum() == pytest.approx(3.0)


def test_market_makers_without_capacity_share_contracts_equally():
    ledger = empty_ledger()
    order = as_orders("jgb_fast_money", post(JGB10, -4.0, "momentum", contract=True))
    settle_at_quote(ledger, order, [schedule("dealers", slope=0.0), schedule("arbitrageurs", slope=0.0)])
    for name in ("dealers", "arbitrageurs"):
        assert ledger.book(name).contracts_usd(LOG_PRICE)[:, JGB10].sum() == pytest.approx(2.0)
    ledger.check(1)


def test_the_auctions_imbalance_lands_on_the_market_makers_and_is_reported():
    ledger = empty_ledger()
    order = as_orders("banks", post(UST10, 2.0, "valuation", funding=USD))
    taken = [-1.5 * _in(UST10)]
    beyond = ledger.settle(order, order["quantity"], [schedule("dealers")], taken, LOG_PRICE, LOG_PRICE, 1)
    np.testing.assert_allclose(beyond, -0.5 * _in(UST10), atol=1e-12)
    assert ledger.book("dealers").holdings_usd(LOG_PRICE)[:, UST10].sum() == pytest.approx(-2.0)
    ledger.check(1)


def test_weights_are_taken_as_parts_of_their_sum():
    """Weights that add up to one but for their sixth digit still split the whole."""
    ledger, makers = empty_ledger(), [schedule("dealers")]
    makers[0].weights[:] *= 1.0 + 5e-7
    settle_at_quote(ledger, as_orders("banks", post(UST10, 2.0, "valuation", funding=USD)), makers)
    assert ledger.book("dealers").holdings_usd(LOG_PRICE)[:, UST10].sum() == pytest.approx(-2.0, rel=1e-12)
    assert max(imbalances(ledger).values()) < 1e-12


@pytest.mark.parametrize("names", [("government", "banks", "rest_of_world"), ("banks", "government", "rest_of_world")])
def test_the_government_pays_for_its_bonds_wherever_it_stands(names):
    ledger = Ledger(dict.fromkeys(names, 1))
    ledger.open({}, OUTSTANDING, LOG_PRICE)
    ledger.accrue(LOG_PRICE, np.full(N_MARKETS, 2.0), np.zeros(N_CCY), np.zeros(3), np.zeros(N_MARKETS), 250.0)
    jgbs = ledger.issued[JGBS] @ PRICE[JGBS]
    assert ledger.book("government").cash[0, JPY] == pytest.approx(-0.02 * jgbs)
    assert max(imbalances(ledger).values()) < 1e-12


@pytest.mark.parametrize(
    "names", [("banks", "life_insurers", "rest_of_world"), ("life_insurers", "banks", "rest_of_world")]
)
def test_without_a_government_nobody_issues(names):
    """Who sells a bond of an issuer without an account sells what it has; the rest of the world pays the coupon."""
    ledger = Ledger(dict.fromkeys(names, 1))
    ledger.open({}, OUTSTANDING, LOG_PRICE)
    issued = ledger.issued.copy()
    order = post(JGB10, -2.0, "valuation", funding=JPY)
    order["sector"] = names.index("banks")
    settle_at_quote(ledger, order)
    np.testing.assert_array_equal(ledger.issued, issued)
    assert ledger.book("banks").holdings_usd(LOG_PRICE)[0, JGB10] == pytest.approx(-2.0)
    ledger.check(1)


def _in(market):
    return np.eye(N_MARKETS)[market]


def test_two_increments_are_one_settlement():
    rng = np.random.default_rng(5)
    orders, makers = random_orders(rng), [schedule("dealers"), schedule("arbitrageurs", 2, 2.0)]
    once, twice = open_ledger(), open_ledger()
    settle_at_quote(once, orders, makers)
    net = -net_usd_bn(orders, orders["quantity"]) / 2
    for part in (0.3, 0.7):
        twice.settle(orders, part * orders["quantity"], makers, [part * net] * 2, LOG_PRICE, LOG_PRICE, 1)
    for name in TABLES:
        np.testing.assert_allclose(getattr(once, name), getattr(twice, name), atol=1e-9)


def test_new_contracts_start_at_the_new_price_whether_or_not_it_was_marked_before():
    moved = LOG_PRICE + 0.02
    orders = random_orders(np.random.default_rng(6))
    marked, unmarked = open_ledger(), open_ledger()
    marked.mark(moved)
    for ledger in (marked, unmarked):
        settle_at_quote(ledger, orders, [schedule("dealers")], moved)
        ledger.mark(moved)
    np.testing.assert_array_equal(marked.cash, unmarked.cash)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_compiled_settlement_equals_double_entry_by_hand(seed):
    rng = np.random.default_rng(seed)
    ledger = open_ledger()
    plain = PlainBooks(ledger)
    orders, makers = random_orders(rng), [schedule("dealers", 3, 1.0), schedule("arbitrageurs", 4, 2.5)]
    filled = orders["quantity"] * rng.random(orders.size)
    part = rng.random(N_MARKETS)
    other = -net_usd_bn(orders, filled)
    taken = [part * other, (1.0 - part) * other]
    price = LOG_PRICE + rng.normal(size=N_MARKETS) * 0.01
    ledger.mark(price)
    plain.cash = ledger.cash.copy()
    beyond = ledger.settle(orders, filled, makers, taken, LOG_PRICE, price, 1)
    plain.settle(orders, filled, makers, taken, LOG_PRICE, price)
    np.testing.assert_allclose(beyond, 0.0, atol=1e-9)
    for name in ("units", "cash", "contracts", "issued"):
        np.testing.assert_allclose(getattr(ledger, name), getattr(plain, name), rtol=1e-12, atol=1e-9, err_msg=name)


# -- marking, funding, income ------------------------------------------------------------------------------------------


def test_forward_is_paid_in_yen_and_worth_dollars_at_the_new_rate():
    ledger = empty_ledger()
    settle_at_quote(ledger, as_orders("banks", post(USDJPY, 2.0, "hedging", contract=True)), [schedule("dealers")])
    cash = ledger.book("banks").cash
    fee = cash[0, JPY]
    moved = LOG_PRICE.copy()
    moved[USDJPY] = np.log(200.0)
    ledger.mark(moved)
    assert cash[0, JPY] - fee == pytest.approx(2.0 * 40.0)
    assert (cash[0, JPY] - fee) * usd_per_currency(moved)[JPY] == pytest.approx(0.4)
    again = cash.copy()
    ledger.mark(moved)
    np.testing.assert_array_equal(cash, again)


def test_marking_back_and_forth_at_changing_exchange_rates_returns_the_cash():
    ledger = open_ledger()
    before = ledger.cash.copy()
    for step in np.random.default_rng(8).normal(size=(5, N_MARKETS)) * 0.05:
        ledger.mark(LOG_PRICE + step)
    ledger.mark(LOG_PRICE)
    np.testing.assert_allclose(ledger.cash, before, atol=1e-9)


def test_overdraft_becomes_a_loan_from_the_bank_and_spare_cash_repays_it():
    ledger = empty_ledger()
    carry, rest = ledger.rows["carry_traders"].start, ledger.rows["rest_of_world"].start
    ledger.transfer(rest, [ledger.rows["banks"].start, ledger.rows["banks"].start + 1], JPY, [50.0, 50.0])
    ledger.transfer(carry, rest, JPY, 30.0)
    ledger.fund(LENDERS)
    assert ledger.loans[carry, JPY] == 30.0
    assert ledger.cash[carry, JPY] == 0.0
    np.testing.assert_allclose(ledger.book("banks").loans[:, JPY], -15.0)
    np.testing.assert_allclose(ledger.book("banks").cash[:, JPY], 35.0)
    ledger.transfer(rest, carry, JPY, 45.0)
    ledger.fund(LENDERS)
    assert (ledger.loans[carry, JPY], ledger.cash[carry, JPY]) == (0.0, 15.0)
    np.testing.assert_allclose(ledger.book("banks").cash[:, JPY], 50.0)
    assert not ledger.book("banks").loans.any()


def test_a_bank_overdrawn_by_lending_borrows_from_the_rest_of_the_world():
    ledger = empty_ledger()
    carry, rest = ledger.rows["carry_traders"].start, ledger.rows["rest_of_world"].start
    ledger.transfer(carry, rest, JPY, 30.0)
    ledger.fund(LENDERS)
    assert not (ledger.cash[ledger.rows["banks"]] < 0.0).any()
    assert ledger.loans[carry, JPY] == 30.0
    assert ledger.book("banks").loans[:, JPY].sum() == pytest.approx(0.0)
    assert ledger.loans[rest, JPY] == pytest.approx(-30.0)
    ledger.check(1)


def test_a_chain_of_lenders_may_be_as_long_as_there_are_sectors():
    names = ("carry_traders", "banks", "dealers", "life_insurers")
    ledger = Ledger(dict.fromkeys((*reversed(names), "rest_of_world"), 1))
    ledger.open({}, OUTSTANDING, LOG_PRICE)
    ledger.transfer(ledger.rows["carry_traders"].start, ledger.rows["rest_of_world"].start, JPY, 30.0)
    ledger.fund(dict(pairwise(names)))
    for name in names:
        assert ledger.book(name).cash[0, JPY] == 0.0
        assert ledger.book(name).loans[0, JPY] == (30.0 if name == "carry_traders" else 0.0)
    assert ledger.book("rest_of_world").loans[0, JPY] == -30.0


def test_nobody_but_money_issuers_stays_overdrawn():
    ledger = open_ledger()
    settle_at_quote(ledger, random_orders(np.random.default_rng(9)), [schedule("dealers")])
    ledger.fund(LENDERS)
    exempt = {ledger.rows["rest_of_world"].start: set(range(N_CCY)), ledger.rows["bank_of_japan"].start: {JPY}}
    overdrawn = {(int(r), int(c)) for r, c in np.argwhere(ledger.cash < 0.0)}
    assert (ledger.rows["bank_of_japan"].start, JPY) in overdrawn
    assert all(c in exempt.get(r, set()) for r, c in overdrawn)


@pytest.mark.parametrize("lenders", [{"banks": "carry_traders", "carry_traders": "banks"}, {"banks": "monks"}])
def test_lenders_must_lead_to_the_rest_of_the_world(lenders):
    with pytest.raises(ValueError, match="lender of"):
        open_ledger().fund(lenders)


def accrue(ledger, *, yields=0.0, rates=0.0, spread=0.0, carry=0.0, days=1.0):
    ledger.accrue(
        LOG_PRICE, np.full(N_MARKETS, yields), np.full(N_CCY, rates), np.full(len(ROWS), spread),
        np.broadcast_to(carry, N_MARKETS), days,
    )  # fmt: skip


def test_coupons_come_from_the_issuer():
    ledger = open_ledger()
    banks, state = ledger.book("banks"), ledger.book("government")
    before, owned = banks.cash.copy(), banks.holdings_usd(LOG_PRICE)
    jgbs = ledger.issued[:5] @ PRICE[:5]
    accrue(ledger, yields=2.0, days=125.0)
    bonds_jpy = owned[:, :5].sum(axis=1) * YEN
    nikkei_jpy = owned[:, INDEX["NIKKEI"]] * YEN
    np.testing.assert_allclose(banks.cash[:, JPY] - before[:, JPY], 0.01 * bonds_jpy + 0.0085 * nikkei_jpy)
    assert state.cash[0, JPY] == pytest.approx(-0.01 * jgbs)
    assert max(imbalances(ledger).values()) < 1e-12


def test_interest_on_cash_and_loans_has_two_sides():
    ledger, without = open_ledger(), open_ledger()
    accrue(ledger, rates=5.0)
    accrue(without)
    earned = (ledger.cash - without.cash)[:, JPY]
    central_bank, borrower = ledger.rows["bank_of_japan"].start, ledger.rows["carry_traders"].start
    assert earned[central_bank] == pytest.approx(-100.0 * YEN * 0.05 / 250.0)
    assert earned[borrower] == pytest.approx(-1.0 * YEN * 0.05 / 250.0)
    assert max(imbalances(ledger).values()) < 1e-12


def test_spread_goes_to_who_lends_pro_rata():
    ledger = open_ledger()
    banks = ledger.book("banks")
    carry, without = ledger.rows["carry_traders"], open_ledger()
    accrue(ledger, spread=1.0, days=250.0)
    accrue(without, spread=0.0, days=250.0)
    gain = ledger.cash - without.cash
    np.testing.assert_allclose(gain[carry, JPY], -0.01 * ledger.loans[carry, JPY])
    lending = np.maximum(-ledger.loans[:, JPY], 0.0)
    pool = 0.01 * np.maximum(ledger.loans[:, JPY], 0.0).sum()
    np.testing.assert_allclose(gain[ledger.rows["banks"], JPY], pool * -banks.loans[:, JPY] / lending.sum())
    assert max(imbalances(ledger).values()) < 1e-12


def test_carry_of_contracts_is_paid_by_the_shorts():
    ledger = open_ledger()
    before = ledger.cash.copy()
    accrue(ledger, carry=np.where(np.arange(N_MARKETS) == BTC, -10.0, 0.0), days=25.0)
    gain = ledger.cash - before
    np.testing.assert_allclose(gain[ledger.rows["crypto_longs"], USD], [-0.005, -0.005, -0.005, 0.0])
    assert gain[ledger.rows["arbitrageurs"], USD].sum() == pytest.approx(0.015)


# -- payments between accounts -----------------------------------------------------------------------------------------


def test_transfers_in_all_currencies():
    ledger = open_ledger()
    before, rows = ledger.cash.copy(), ledger.rows["life_insurers"]
    amounts = np.arange(3.0 * N_CCY).reshape(3, N_CCY) - 4.0
    ledger.transfer_from(ledger.rows["rest_of_world"].start, rows, amounts)
    np.testing.assert_allclose(ledger.cash[rows] - before[rows], amounts, atol=1e-9)
    ledger.check(1)


def test_repeated_rows_in_a_transfer_all_count():
    ledger = empty_ledger()
    ledger.transfer([0, 0, 1], 5, USD, [1.0, 2.0, 4.0])
    assert (ledger.cash[0, USD], ledger.cash[1, USD], ledger.cash[5, USD]) == (-3.0, -4.0, 7.0)


def test_creditor_takes_over_everything():
    ledger = open_ledger()
    failed = ledger.rows["carry_traders"].start
    banks = ledger.rows["banks"]
    before = copies(ledger)
    ledger.absorb(failed, np.arange(banks.start, banks.stop), [0.25, 0.75])
    for name in TABLES:
        table = getattr(ledger, name)
        assert not table[failed].any()
        np.testing.assert_allclose(table[banks.start], before[name][banks.start] + 0.25 * before[name][failed])
    ledger.check(1)


@pytest.mark.parametrize("failed", [["crypto_longs"], ["crypto_longs", "carry_traders"]])
def test_contracts_taken_over_are_marked(failed):
    ledger = open_ledger()
    ledger.absorb([ledger.rows[name].start for name in failed], ledger.rows["banks"].start)
    before = ledger.book("banks").cash[0, USD]
    moved = LOG_PRICE.copy()
    moved[BTC] += np.log(0.5)
    ledger.mark(moved)
    assert ledger.book("banks").cash[0, USD] - before == pytest.approx(-0.25)


def test_novation_moves_contracts_in_one_market_only():
    ledger = open_ledger()
    settle_at_quote(ledger, as_orders("crypto_longs", post(USDJPY, [0.3], "hedging", contract=True)))
    before = ledger.contracts.copy()
    long, taker = ledger.rows["crypto_longs"].start, ledger.rows["dealers"].start
    ledger.novate([long, long + 1], taker, BTC)
    assert not ledger.contracts[[long, long + 1], BTC].any()
    assert ledger.contracts[taker, BTC] == pytest.approx(1.0 / WORTH[BTC])
    others = np.arange(N_MARKETS) != BTC
    np.testing.assert_array_equal(ledger.contracts[:, others], before[:, others])


@pytest.mark.parametrize(
    ("row", "creditors", "share"),
    [(3, [3], 1.0), (3, [4, 5], 1.0), (3, [4, 5], [0.5, 0.4]), (3, [3, 4], [0.5, 0.5])],
)
def test_takeovers_need_other_rows_and_whole_shares(row, creditors, share):
    with pytest.raises(ValueError, match="shares"):
        open_ledger().absorb(row, creditors, share)


def test_a_refused_takeover_names_its_first_rows():
    with pytest.raises(ValueError, match=r"rows \[0 1 2 3 4\] take over from \[ 6  7  8  9 10\] with shares .* to 6;"):
        open_ledger().absorb(np.arange(6, 12), np.arange(6))


def test_shares_of_a_takeover_are_parts_of_their_sum():
    ledger = open_ledger()
    ledger.absorb(ledger.rows["carry_traders"].start, [0, 1], [0.5, 0.5 + 9e-10])
    assert max(imbalances(ledger).values()) < 1e-12


# -- identities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("units", UST10, "units in UST10"),
        ("contracts", BTC, "contracts in BTC"),
        ("cash", JPY, "cash in JPY"),
        ("loans", JPY, "loans in JPY"),
    ],
)
def test_a_one_sided_posting_is_found_and_named(table, column, words):
    ledger = open_ledger()
    amounts = getattr(ledger, table)[:, column]
    size = np.abs(amounts).sum()
    amounts[np.flatnonzero(amounts)[0]] += 1e-6 * size
    with pytest.raises(LedgerError, match=f"day 17: {words} add up to") as caught:
        ledger.check(17)
    assert f"off by {1e-6 * size:.4g}"[:-1] in str(caught.value)


@pytest.mark.parametrize(("table", "column"), [("contracts", NIKKEI), ("cash", JPY), ("loans", JPY)])
def test_rounding_is_measured_by_what_was_traded_even_if_nothing_is_left_of_it(table, column):
    """One billion dollars of shares bought and sold on a day: two billion at stake."""
    ledger = empty_ledger()
    both = as_orders("banks", post(NIKKEI, np.array([1.0, -1.0]), "valuation", members=np.array([0, 0])))
    settle_at_quote(ledger, both)
    traded = 2.0 / WORTH[NIKKEI] if table == "contracts" else 2.0 * YEN
    ledger.open_in[0, NIKKEI] = ledger.money[0, JPY] = True
    getattr(ledger, table)[0, column] += 0.6e-9 * traded
    ledger.check(1)
    getattr(ledger, table)[0, column] += 0.6e-9 * traded
    with pytest.raises(LedgerError, match=table):
        ledger.check(1)


def test_rounding_is_not_an_error_and_a_nan_is():
    ledger = open_ledger()
    ledger.cash[4, JPY] += 1e-12 * np.abs(ledger.cash[:, JPY]).sum()
    ledger.check(1)
    ledger.cash[4, JPY] = np.nan
    with pytest.raises(LedgerError, match="cash in JPY"):
        ledger.check(1)


def test_a_closed_market_may_keep_the_rounding_of_what_was_open():
    ledger = empty_ledger()
    q = np.array([0.1, 0.2])
    for sign in (1.0, -1.0):
        orders = as_orders("banks", post(BTC, sign * q, "momentum", contract=True))
        settle_at_quote(ledger, orders, [schedule("dealers"), schedule("arbitrageurs", 7, 1.7)])
        ledger.check(1)
    assert np.abs(ledger.contracts[:, BTC]).sum() < 1e-18


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sector": -1}, "member 0 of sector number -1"),
        ({"sector": len(ROWS)}, f"member 0 of sector number {len(ROWS)}"),
        ({"sector": 0, "member": 3}, "member 3 of sector life_insurers"),
        ({"member": 7}, "member 7 of sector banks"),
        ({"member": -1}, "member -1 of sector banks"),
        ({"quantity": np.nan}, "order 0 in UST10 fills nan USD bn"),
    ],
)
def test_an_order_of_nobody_is_refused_before_anything_is_posted(change, words):
    ledger = open_ledger()
    before = copies(ledger)
    order = as_orders("banks", post(UST10, 2.0, "valuation"))
    for field, value in change.items():
        order[field] = value
    with pytest.raises(LedgerError, match=f"day 3: .*{words}"):
        ledger.settle(order, order["quantity"], [], [], LOG_PRICE, LOG_PRICE, 3)
    for name in TABLES:
        np.testing.assert_array_equal(getattr(ledger, name), before[name])


def test_mismatched_fills_are_refused():
    ledger = open_ledger()
    order = as_orders("banks", post(UST10, 2.0, "valuation"))
    with pytest.raises(LedgerError, match="day 3: 2 fills for 1 orders"):
        ledger.settle(order, np.ones(2), [], [], LOG_PRICE, LOG_PRICE, 3)
    with pytest.raises(LedgerError, match="day 3: matrix_filled has shape"):
        ledger.settle(order, np.ones(1), [schedule("dealers")], [_in(0)] * 2, LOG_PRICE, LOG_PRICE, 3)
    for excess in (0.1, -0.1):
        uneven = schedule("dealers")
        uneven.weights[0, UST10] += excess
        with pytest.raises(LedgerError, match=f"day 3: weights of dealers in UST10 add up to {1.0 + excess:g}, not 1"):
            ledger.settle(order, np.ones(1), [uneven], [_in(UST10)], LOG_PRICE, LOG_PRICE, 3)


def test_an_empty_day_changes_nothing():
    ledger = open_ledger()
    before = copies(ledger)
    ledger.settle(no_orders(), np.zeros(0), [schedule("dealers")], [np.zeros(N_MARKETS)], LOG_PRICE, LOG_PRICE, 1)
    for name in TABLES:
        np.testing.assert_array_equal(getattr(ledger, name), before[name])


STEPS = st.lists(st.sampled_from(["trade", "move", "fund", "accrue", "fail", "pay"]), min_size=5, max_size=40)


@given(steps=STEPS, seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_identities_hold_through_any_sequence_of_postings(steps, seed):
    rng = np.random.default_rng(seed)
    ledger, price = open_ledger(seed), LOG_PRICE
    makers = [schedule("dealers", 3, 1.0), schedule("arbitrageurs", 4, 2.5)]
    for day, step in enumerate(steps):
        if step == "trade":
            orders = random_orders(rng, 20)
            taken = [-net_usd_bn(orders, orders["quantity"]) / 2] * 2
            ledger.settle(orders, orders["quantity"], makers, taken, price, price, day)
        elif step == "move":
            price = price + rng.normal(size=N_MARKETS) * 0.05
            ledger.mark(price)
        elif step == "fund":
            ledger.fund(LENDERS)
        elif step == "accrue":
            spread, carry = rng.random(len(ROWS)), rng.normal(size=N_MARKETS)
            ledger.accrue(price, rng.normal(size=N_MARKETS) + 2, rng.random(N_CCY), spread, carry)
        elif step == "fail":
            ledger.absorb(ledger.rows["carry_traders"].start + int(rng.integers(4)), int(rng.integers(3)))
        else:
            ledger.transfer(int(rng.integers(10)), int(rng.integers(10)), int(rng.integers(N_CCY)), rng.random())
            ledger.collect(np.array([0, 1]), np.array([0.5, 0.25]), np.array([9]), np.array([0.75]), USD)
        ledger.check(day)
        assert max(imbalances(ledger).values()) < 1e-11
        for s, rows in enumerate(ledger.rows.values()):
            assert not ledger.units[rows][:, ~ledger.owns[s]].any()
            assert not ledger.contracts[rows][:, ~ledger.open_in[s]].any()
            assert not ledger.cash[rows][:, ~ledger.money[s]].any()
            assert not ledger.loans[rows][:, ~ledger.money[s]].any()


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_trading_and_marking_only_move_wealth_around(seed):
    """Equity of all accounts is the value of all units; what traders pay, market makers earn."""
    rng = np.random.default_rng(seed)
    ledger = open_ledger(seed)
    settle_at_quote(ledger, random_orders(rng), [schedule("dealers")])
    moved = LOG_PRICE + rng.normal(size=N_MARKETS) * 0.02
    ledger.mark(moved)
    total = sum(float(ledger.book(name).equity_usd(moved).sum()) for name in ROWS)
    assert total == pytest.approx(float(ledger.issued @ unit_value_usd(moved)), rel=1e-12)


def test_doubling_all_books_and_orders_doubles_the_outcome():
    one, two = open_ledger(), Ledger(ROWS)
    twice = {
        name: Opening(*(2.0 * a for a in (o.units_usd_bn, o.cash_usd_bn, o.loans_usd_bn, o.contracts_usd_bn)))
        for name, o in openings().items()
    }
    two.open(twice, 2.0 * OUTSTANDING, LOG_PRICE, LENDERS)
    orders = random_orders(np.random.default_rng(11))
    double = orders.copy()
    double["quantity"] *= 2.0
    for ledger, block in ((one, orders), (two, double)):
        settle_at_quote(ledger, block, [schedule("dealers")], LOG_PRICE + 0.01)
        ledger.fund(LENDERS)
        accrue(ledger, yields=2.0, rates=1.0, spread=0.5, carry=1.0)
    for name in TABLES:
        np.testing.assert_allclose(getattr(two, name), 2.0 * getattr(one, name), rtol=1e-9, atol=1e-9)


def test_market_numbers_are_those_of_the_registry_order():
    ledger = open_ledger()
    assert [ledger.rows[name].start for name in ROWS] == list(ledger.start[:-1])
    assert {name: ledger.index[name] for name in ROWS} == NUMBER
    assert QUOTE_CCY.size == ledger.mark_log.size
