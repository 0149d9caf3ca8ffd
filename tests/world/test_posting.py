"""The compiled loops: as `Ledger` calls them, cases by hand that books of ordinary size do not bring about; and by
themselves, compiled and as plain Python (which looks after bounds), against the same sums account by account."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from abm.world import posting
from abm.world.book import Opening
from abm.world.instruments import BASE_CCY, CURRENCIES, INDEX, JPY, N_MARKETS, QUOTE_CCY, USD, USDJPY
from abm.world.ledger import Ledger
from abm.world.orders import join, post
from tests.world.books import (
    LENDERS,
    LOG_PRICE,
    OUTSTANDING,
    WORTH,
    as_orders,
    empty_ledger,
    imbalances,
    schedule,
)

UST10 = INDEX["UST10"]


@pytest.mark.parametrize("cash", [0.25, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("owed", [0.25, 0.5, 2.0])
def test_spare_cash_repays_what_is_owed_and_no_more(cash, owed):
    ledger = empty_ledger()
    carry, rest = ledger.rows["carry_traders"].start, ledger.rows["rest_of_world"].start
    ledger.transfer(carry, rest, JPY, owed)
    ledger.fund(LENDERS)
    ledger.transfer(rest, carry, JPY, cash)
    ledger.fund(LENDERS)
    assert ledger.loans[carry, JPY] == pytest.approx(max(owed - cash, 0.0), abs=1e-15)
    assert ledger.cash[carry, JPY] == pytest.approx(max(cash - owed, 0.0), abs=1e-15)
    assert max(imbalances(ledger).values()) < 1e-12


def test_cash_without_a_loan_is_kept():
    ledger = empty_ledger()
    carry, rest = ledger.rows["carry_traders"].start, ledger.rows["rest_of_world"].start
    ledger.transfer(rest, [carry, carry + 1], USD, [0.5, 2.0])
    ledger.transfer(carry + 2, rest, USD, 0.125)
    ledger.fund(LENDERS)
    np.testing.assert_array_equal(ledger.cash[ledger.rows["carry_traders"], USD], [0.5, 2.0, 0.0, 0.0])
    np.testing.assert_array_equal(ledger.loans[ledger.rows["carry_traders"], USD], [0.0, 0.0, 0.125, 0.0])


def test_who_lends_and_has_no_cash_left_keeps_its_loans():
    ledger = empty_ledger()
    carry, banks, rest = (ledger.rows[name].start for name in ("carry_traders", "banks", "rest_of_world"))
    ledger.transfer(rest, [banks, banks + 1], JPY, 15.0)
    ledger.transfer(carry, rest, JPY, 30.0)
    for _ in range(2):
        ledger.fund(LENDERS)
        np.testing.assert_array_equal(ledger.book("banks").cash[:, JPY], 0.0)
        np.testing.assert_array_equal(ledger.book("banks").loans[:, JPY], -15.0)


def test_every_member_is_paid_its_own_contracts_and_nobody_else():
    ledger = empty_ledger()
    orders = [
        as_orders(name, post(USDJPY, size, "hedging", contract=True))
        for name, size in (("banks", [0.5, 0.25]), ("carry_traders", [1.0, -2.0, 4.0, 0.125]))
    ]
    filled = np.concatenate(orders)
    other = [np.zeros(LOG_PRICE.size)]
    other[0][USDJPY] = -filled["quantity"].sum()
    ledger.settle(filled, filled["quantity"], [schedule("dealers")], other, LOG_PRICE, LOG_PRICE, 1)
    before, held = ledger.cash[:, JPY].copy(), ledger.contracts[:, USDJPY].copy()
    moved = LOG_PRICE.copy()
    moved[USDJPY] = np.log(np.exp(LOG_PRICE[USDJPY]) + 10.0)
    ledger.mark(moved)
    np.testing.assert_allclose(ledger.cash[:, JPY] - before, 10.0 * held, atol=1e-12)
    assert max(imbalances(ledger).values()) < 1e-12


@pytest.mark.parametrize("members", range(1, 10))
def test_gross_size_counts_every_member_once(members):
    ledger = Ledger({"banks": members, "dealers": 2, "rest_of_world": 1})
    opening = Opening.empty(members)
    opening.units_usd_bn[:, UST10] = 2.0 ** np.arange(members)
    opening.contracts_usd_bn[:, USDJPY] = 2.0 ** -np.arange(1.0, members + 1) * (-1.0) ** np.arange(members)
    ledger.open({"banks": opening}, OUTSTANDING, LOG_PRICE)
    gross = ledger.gross_usd_bn(LOG_PRICE)
    assert gross[:2] == pytest.approx([2.0**members - 0.5**members, 0.0])
    rest = ledger.book("rest_of_world")
    assert gross[2] == pytest.approx((np.abs(rest.units) + np.abs(rest.contracts))[0] @ WORTH)


# -- loops by themselves -------------------------------------------------------------------------------------------


START = np.array([0, 2, 2, 5, 6, 8])  # five sectors, the second without members
SECTORS, ROWS, N_CCY = START.size - 1, int(START[-1]), len(CURRENCIES)
SEEDS = range(5)


@pytest.fixture(params=["compiled", "plain"])
def run(request: pytest.FixtureRequest) -> Callable[[Dispatcher], Callable]:
    """How to run a loop."""
    return lambda loop: loop if request.param == "compiled" else loop.py_func


class Tables:
    """Random books in quarters, which add up exactly in any order; amounts also where columns are not in use."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        sizes = (N_MARKETS, N_MARKETS, N_CCY, N_CCY)
        self.units, self.contracts, self.cash, self.loans = (np.asfortranarray(self.amounts(ROWS, n)) for n in sizes)
        self.owns, self.open_in = self.flags(SECTORS, N_MARKETS), self.flags(SECTORS, N_MARKETS)
        self.money = self.flags(SECTORS, N_CCY)

    def amounts(self, *shape: int) -> np.ndarray:
        """Also nothing and one, which some loops treat, or might by mistake, in a way of their own."""
        return self.rng.choice([-2.0, -1.0, -0.25, 0.0, 0.0, 0.25, 1.0, 3.0], shape)

    def flags(self, *shape: int) -> np.ndarray:
        return self.rng.random(shape) < 0.5

    def accounts(self) -> Iterator[tuple[int, int]]:
        """Sector and row."""
        for s in range(SECTORS):
            for row in range(START[s], START[s + 1]):
                yield s, row


def assert_same(tables: Tables, expected: Tables) -> None:
    """The same books and the same columns in use; cash but for rounding, since costs are no quarters."""
    np.testing.assert_allclose(tables.cash, expected.cash, atol=1e-12)
    for name in ("units", "contracts", "owns", "open_in", "money"):
        np.testing.assert_array_equal(getattr(tables, name), getattr(expected, name), err_msg=name)


@pytest.mark.parametrize("seed", SEEDS)
def test_variation_is_paid_where_contracts_are_open(run, seed):
    t = Tables(seed)
    change, expected = t.amounts(N_MARKETS), t.cash.copy()
    for s, row in t.accounts():
        for m in range(N_MARKETS):
            expected[row, QUOTE_CCY[m]] += t.contracts[row, m] * change[m] if t.open_in[s, m] else 0.0
    run(posting.post_variation)(START, t.open_in, change, t.contracts, t.cash)
    np.testing.assert_array_equal(t.cash, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_income_is_paid_where_something_is_held(run, seed):
    t = Tables(seed)
    income, carry, expected = t.amounts(N_MARKETS), t.amounts(N_MARKETS), t.cash.copy()
    for s, row in t.accounts():
        for m in range(N_MARKETS):
            expected[row, QUOTE_CCY[m]] += t.units[row, m] * income[m] if t.owns[s, m] else 0.0
            expected[row, QUOTE_CCY[m]] += t.contracts[row, m] * carry[m] if t.open_in[s, m] else 0.0
    run(posting.post_income)(START, t.owns, t.open_in, income, carry, t.units, t.contracts, t.cash)
    np.testing.assert_array_equal(t.cash, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_interest_is_paid_on_cash_and_loans_and_its_spread_by_those_who_owe_to_those_who_lend(run, seed):
    t = Tables(seed)
    rate, spread, expected = t.amounts(N_CCY), np.abs(t.amounts(SECTORS)), t.cash.copy()
    for c in range(N_CCY):
        accounts = [(s, row) for s, row in t.accounts() if t.money[s, c]]
        paid = {row: max(t.loans[row, c], 0.0) * spread[s] for s, row in accounts}
        lent = {row: max(-t.loans[row, c], 0.0) for _, row in accounts}
        for _, row in accounts:
            expected[row, c] += (t.cash[row, c] - t.loans[row, c]) * rate[c] - paid[row]
            if sum(lent.values()):
                expected[row, c] += sum(paid.values()) * lent[row] / sum(lent.values())
    run(posting.post_interest)(START, t.money, rate, spread, t.cash, t.loans)
    np.testing.assert_allclose(t.cash, expected, atol=1e-12)


def test_spread_nobody_is_owed_is_paid_to_nobody(run):
    (cash, loans), money = np.zeros((2, N_CCY, ROWS)).transpose(0, 2, 1), np.ones((SECTORS, N_CCY), dtype=bool)
    loans[0, JPY] = 2.0
    run(posting.post_interest)(START, money, np.zeros(N_CCY), np.full(SECTORS, 0.25), cash, loans)
    assert cash[0, JPY] == -0.5 and np.count_nonzero(cash) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_overdrafts_are_lent_and_loans_repaid_sector_by_sector(run, seed):
    t = Tables(seed)
    borrowers, lenders = np.array([4, 2, 1, 0]), np.array([2, 0, 3, 3])
    exempt, share = t.flags(SECTORS, N_CCY), np.array([0.25, 0.75, 0.5, 0.25, 0.25, 1.0, 0.5, 0.5])
    cash, loans, money = t.cash.copy(), t.loans.copy(), t.money.copy()
    for s, lender in zip(borrowers, lenders, strict=True):
        for c in range(N_CCY):
            if exempt[s, c] or not money[s, c]:
                continue
            lent = 0.0
            for row in range(START[s], START[s + 1]):
                drawn = -cash[row, c] if cash[row, c] < 0.0 else -min(cash[row, c], max(loans[row, c], 0.0))
                cash[row, c] += drawn
                loans[row, c] += drawn
                lent += drawn
            for row in range(START[lender], START[lender + 1]):
                cash[row, c] -= share[row] * lent
                loans[row, c] -= share[row] * lent
            money[lender, c] |= lent != 0.0
    run(posting.post_funding)(borrowers, lenders, START, exempt, share, t.money, t.cash, t.loans)
    np.testing.assert_array_equal(t.cash, cash)
    np.testing.assert_array_equal(t.loans, loans)
    np.testing.assert_array_equal(t.money, money)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_is_posted_with_its_legs_and_columns_are_in_use_from_then_on(run, seed):
    t = Tables(seed)
    blocks = [
        post(INDEX["UST10"], t.amounts(3), "carry", funding=JPY, hedge=0.25),
        post(INDEX["BUND10"], t.amounts(3), "carry", funding=JPY),
        post(INDEX["JGB10"], t.amounts(3), "issuance"),
        post(INDEX["JGB10"], t.amounts(3), "momentum", contract=True),
        post(USDJPY, t.amounts(3), "hedging", contract=True),
        post(USDJPY, t.amounts(3), "client_flows"),
    ]
    orders = join(blocks)
    orders["sector"], orders["member"] = np.where(orders["member"] == 2, 3, 2 * (orders["member"] + 1)), 0
    filled, issuer = orders["quantity"] * t.rng.choice([0.0, 1.0, 0.5], orders.size), np.full(N_MARKETS, -1)
    issuer[INDEX["JGB10"]] = 3
    worth, price, issued = t.rng.choice([0.5, 1.0], N_MARKETS), 1.0 + np.abs(t.amounts(N_MARKETS)), t.amounts(N_MARKETS)
    expected, bonds = deepcopy(t), issued.copy()
    spot, forward, paid, gross = np.zeros((4, N_MARKETS))
    for order, fill in zip(orders, filled, strict=True):
        s, trades = order["sector"], [(order["market"], fill, float(order["contract"]))]
        trades += [(order["fx1"], order["sign1"] * fill, None), (order["fx2"], order["sign2"] * fill, None)]
        for m, usd_bn, by_contract in trades:
            if m < 0 or fill == 0.0:
                continue
            amount = usd_bn / worth[m]
            outright = amount * (1.0 if by_contract is None else 1.0 - by_contract)
            deferred = amount * (-order["hedge"] if by_contract is None else by_contract)
            fee = posting.COST[m] * abs(amount) * price[m]
            expected.cash[START[s], QUOTE_CCY[m]] -= outright * price[m] + fee
            expected.contracts[START[s], m] += deferred
            expected.money[s, QUOTE_CCY[m]] = True
            expected.open_in[s, m] |= deferred != 0.0
            if BASE_CCY[m] != -1:
                expected.cash[START[s], BASE_CCY[m]] += outright
                expected.money[s, BASE_CCY[m]] = True
            elif m == INDEX["JGB10"] and s == 3:
                bonds[m] -= outright
            else:
                expected.units[START[s], m] += outright
                expected.owns[s, m] |= outright != 0.0
            for total, part in zip((spot, forward, paid, gross), (outright, deferred, fee, abs(amount)), strict=True):
                total[m] += part
    rows = orders if run(posting._post_orders) is posting._post_orders else orders.view(np.recarray)
    totals = run(posting._post_orders)(
        rows, filled, START, issuer, worth, price, t.units, t.cash, t.contracts, issued, t.owns, t.open_in, t.money
    )
    np.testing.assert_allclose(totals, [spot, forward, paid, gross], atol=1e-12)
    np.testing.assert_array_equal(issued, bonds)
    assert_same(t, expected)


def test_the_largest_sizes_there_have_been_are_remembered(run):
    price, turnover = np.full(N_MARKETS, 2.0), np.arange(1.0, N_MARKETS + 1)
    value = np.bincount(QUOTE_CCY, 2.0 * turnover)
    for share in (0.5, 2.0):
        most = [share * turnover, share * turnover, share * value, share * value]
        run(posting._remember_size)(turnover, price, *most)
        for got, size in zip(most, (turnover, turnover, value, value), strict=True):
            np.testing.assert_array_equal(got, max(share, 1.0) * size)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("s", [0, 2, 4])
def test_a_taker_has_what_its_members_take_and_columns_are_in_use_from_then_on(run, s, seed):
    t = Tables(seed)
    members = START[s + 1] - START[s]
    weights, traded, price = (
        np.abs(t.amounts(members, N_MARKETS)),
        t.amounts(3, N_MARKETS),
        0.5 + t.rng.random(N_MARKETS),
    )
    expected = deepcopy(t)
    for m in range(N_MARKETS):
        expected.money[s, QUOTE_CCY[m]] = True
        expected.open_in[s, m] |= traded[1, m] != 0.0
        if is_pair := BASE_CCY[m] != -1:
            expected.money[s, BASE_CCY[m]] = True
        else:
            expected.owns[s, m] |= traded[0, m] != 0.0
        for i in range(members):
            spot, forward, earned = weights[i, m] * traded[:, m]
            expected.cash[START[s] + i, QUOTE_CCY[m]] += earned - spot * price[m]
            expected.contracts[START[s] + i, m] += forward
            if is_pair:
                expected.cash[START[s] + i, BASE_CCY[m]] += spot
            else:
                expected.units[START[s] + i, m] += spot
    run(posting.post_taker)(s, weights, traded, START, price, t.units, t.cash, t.contracts, t.owns, t.open_in, t.money)
    assert_same(t, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_gross_size_counts_columns_in_use(run, seed):
    t = Tables(seed)
    worth, expected = np.abs(t.amounts(N_MARKETS)), np.zeros(SECTORS)
    for s, row in t.accounts():
        expected[s] += np.abs(t.units[row]) @ (worth * t.owns[s]) + np.abs(t.contracts[row]) @ (worth * t.open_in[s])
    gross = run(posting.gross_by_sector)(START, t.owns, t.open_in, t.units, t.contracts, worth)
    np.testing.assert_array_equal(gross, expected)


def test_the_first_of_several_columns_out_of_balance_is_named_and_all_sizes_are_remembered(run):
    table = np.asfortranarray([[1.0, 2.0, 1.0, 4.0], [-1.0, 2.0, 3.0, -4.0]])
    for wrong, found in (([0.0, 4.0, 4.0, 0.0], -1), ([0.0, 4.0, 5.0, 0.0], 2), ([1.0, 4.0, 5.0, 0.0], 0)):
        most, start, used = np.zeros(4), np.array([0, 1, 2]), np.ones((2, 4), dtype=bool)
        assert run(posting.out_of_balance)(table, start, used, np.array(wrong), most, 1e-9) == found
        np.testing.assert_array_equal(most, np.array([2.0, 4.0, 4.0, 8.0]) + np.abs(wrong))


def test_what_lies_in_a_column_that_its_sector_does_not_use_is_out_of_balance(run):
    table, start, most = np.asfortranarray([[1.0], [-1.0]]), np.array([0, 1, 2]), np.zeros(1)
    assert run(posting.out_of_balance)(table, start, np.array([[True], [False]]), np.zeros(1), most, 1e-9) == 0
