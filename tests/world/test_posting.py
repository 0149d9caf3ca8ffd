"""The compiled loops, as `Ledger` calls them: cases by hand that books of ordinary size do not bring about."""

import numpy as np
import pytest

from abm.world.book import Opening
from abm.world.instruments import INDEX, JPY, USD, USDJPY
from abm.world.ledger import Ledger
from abm.world.orders import post
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
