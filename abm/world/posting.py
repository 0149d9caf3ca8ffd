"""Compiled loops over the rows of the ledger. `Ledger` is their only caller and says what they mean.

Shared arguments: units, contracts (rows, markets); cash, loans (rows, currencies), columns contiguous; issued, price
(markets,); start (sectors + 1,) first row of each sector and the total. owns, open_in (sectors, markets), money
(sectors, currencies): where a sector may have units, contracts, cash or loans; everything else is zero and never
touched. Who has units or contracts in a market may have money in its currencies. most_units, most_contracts
(markets,), most_cash, most_loans (currencies,): largest gross sums so far, which rounding is measured against.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from abm.world.instruments import BASE_CCY, COST_BP, QUOTE_CCY

Array = np.ndarray[Any, Any]

COST: Final = COST_BP / 1e4  # half the spread, share of value
BLOCK: Final = 64  # accounts looked at together


@njit(cache=True)
def first_bad_row(orders: Array, filled: Array, start: Array) -> int:
    """Position of the first order that belongs to no account or has no finite fill, -1 if there is none."""
    for k in range(filled.size):
        s = orders[k]["sector"]
        if s < 0 or s >= start.size - 1 or not np.isfinite(filled[k]):
            return k
        member = orders[k]["member"]
        if member < 0 or member >= start[s + 1] - start[s]:
            return k
    return -1


@njit(cache=True)
def post_trades(
    orders: Array, filled: Array, taken_usd: Array, slopes: Array, start: Array, issuer: Array, worth_usd: Array,
    price: Array, units: Array, cash: Array, contracts: Array, issued: Array, owns: Array, open_in: Array,
    money: Array, most_units: Array, most_contracts: Array, most_cash: Array, most_loans: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Post the orders' side of a settlement and share out the other side among its takers.

    filled: USD bn at the quote. taken_usd: (takers, markets) what they bought by their schedules, USD bn at the quote;
    no rows if there is one taker without a schedule. slopes: (takers, markets) by which they share the rest. issuer:
    (markets,) sector whose sale is issuance, -1 for none. worth_usd: USD per unit at the quote. Returns (takers, 3,
    markets) units bought for cash, units bought by contract and costs earned (bn of the quote currency), and (markets,)
    the units that all together had to take beyond ``taken_usd``.
    """
    spot, forward, paid, turnover = _post_orders(
        orders, filled, start, issuer, worth_usd, price, units, cash, contracts, issued, owns, open_in, money
    )
    _remember_size(turnover, price, most_units, most_contracts, most_cash, most_loans)
    takers = slopes.shape[0]
    traded, beyond = np.zeros((takers, 3, price.size)), np.zeros(price.size)
    for m in range(price.size):
        taken, slope = 0.0, 0.0
        for k in range(taken_usd.shape[0]):
            taken += taken_usd[k, m] / worth_usd[m]
        for k in range(takers):
            slope += slopes[k, m]
        if taken_usd.shape[0] > 0:
            beyond[m] = -(spot[m] + forward[m]) - taken
        for k in range(takers):
            capacity = slopes[k, m] / slope if slope > 0.0 else 1.0 / takers
            own = taken_usd[k, m] / worth_usd[m] if taken_usd.shape[0] > 0 else -(spot[m] + forward[m])
            by_contract = -capacity * forward[m]
            traded[k, 0, m] = own + capacity * beyond[m] - by_contract
            traded[k, 1, m] = by_contract
            traded[k, 2, m] = capacity * paid[m]
    return traded, beyond


@njit(cache=True)
def _post_orders(
    orders: Array, filled: Array, start: Array, issuer: Array, worth_usd: Array, price: Array,
    units: Array, cash: Array, contracts: Array, issued: Array, owns: Array, open_in: Array, money: Array,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Post the orders: per market the units bought for cash, the units bought by contract, the costs paid (bn of the
    quote currency) and the gross units traded."""
    spot, forward = np.zeros(price.size), np.zeros(price.size)
    paid, turnover = np.zeros(price.size), np.zeros(price.size)
    per_usd = 1.0 / worth_usd
    for k in range(filled.size):
        if filled[k] == 0.0:
            continue
        order = orders[k]
        sector = order.sector
        row = start[sector] + order.member
        for leg in range(3):
            pair = order.market if leg == 0 else order.fx1 if leg == 1 else order.fx2
            if pair < 0:
                continue
            m = np.uintp(pair)
            amount = filled[k] * per_usd[m]
            if leg == 0:
                by_contract = amount if order.contract else 0.0
                by_cash = amount - by_contract
            else:
                amount *= order.sign1 if leg == 1 else order.sign2
                by_contract, by_cash = -order.hedge * amount, amount
            fee = COST[m] * abs(amount) * price[m]
            cash[row, QUOTE_CCY[m]] -= by_cash * price[m] + fee
            money[sector, QUOTE_CCY[m]] = True
            if by_contract != 0.0:
                contracts[row, m] += by_contract
                open_in[sector, m] = True
            if BASE_CCY[m] >= 0:
                cash[row, BASE_CCY[m]] += by_cash
                money[sector, BASE_CCY[m]] = True
            elif issuer[m] == sector:
                issued[m] -= by_cash
            elif by_cash != 0.0:
                units[row, m] += by_cash
                owns[sector, m] = True
            spot[m] += by_cash
            forward[m] += by_contract
            paid[m] += fee
            turnover[m] += abs(amount)
    return spot, forward, paid, turnover


@njit(cache=True)
def _remember_size(
    turnover: Array, price: Array, most_units: Array, most_contracts: Array, most_cash: Array, most_loans: Array
) -> None:
    """What was traded, in units, counts towards the gross sums that rounding is measured against."""
    value = np.zeros(most_cash.size)
    for m in range(price.size):
        value[QUOTE_CCY[m]] += turnover[m] * price[m]
        most_units[m] = max(most_units[m], turnover[m])
        most_contracts[m] = max(most_contracts[m], turnover[m])
    for c in range(value.size):
        most_cash[c] = max(most_cash[c], value[c])
        most_loans[c] = max(most_loans[c], value[c])


@njit(cache=True)
def post_taker(
    s: int, weights: Array, traded: Array, start: Array, price: Array,
    units: Array, cash: Array, contracts: Array, owns: Array, open_in: Array, money: Array,
) -> None:  # fmt: skip
    """Post one sector's part of the other side, split by its members' weights (members, markets).

    traded: (3, markets) units bought for cash, units bought by contract, costs earned.
    """
    spot, forward, earned = traded
    for m in range(price.size):
        money[s, QUOTE_CCY[m]] = True
        if forward[m] != 0.0:
            open_in[s, m] = True
        if BASE_CCY[m] >= 0:
            money[s, BASE_CCY[m]] = True
        elif spot[m] != 0.0:
            owns[s, m] = True
        for i in range(weights.shape[0]):
            row, bought = start[s] + i, weights[i, m] * spot[m]
            cash[row, QUOTE_CCY[m]] += weights[i, m] * earned[m] - bought * price[m]
            contracts[row, m] += weights[i, m] * forward[m]
            if BASE_CCY[m] >= 0:
                cash[row, BASE_CCY[m]] += bought
            else:
                units[row, m] += bought


@njit(cache=True)
def post_variation(start: Array, open_in: Array, change: Array, contracts: Array, cash: Array) -> None:
    """Pay every contract's change of price, bn of the quote currency per unit."""
    for s in range(start.size - 1):
        for m in range(change.size):
            if open_in[s, m] and change[m] != 0.0:
                held, money_of = contracts[start[s] : start[s + 1], m], cash[start[s] : start[s + 1], QUOTE_CCY[m]]
                for i in range(held.size):
                    money_of[i] += held[i] * change[m]


@njit(cache=True)
def post_funding(
    borrowers: Array, lenders: Array, start: Array, exempt: Array, share: Array, money: Array, cash: Array, loans: Array
) -> None:
    """Turn overdrafts into loans and let spare cash repay loans, sector by sector in the order of ``borrowers``.

    lenders: sector that lends to each of ``borrowers``. exempt: (sectors, currencies) may be overdrawn. share: (rows,)
    part of its sector's lending that each row takes.
    """
    for k in range(borrowers.size):
        s, lender = borrowers[k], lenders[k]
        for c in range(cash.shape[1]):
            if exempt[s, c] or not money[s, c]:
                continue
            owned, owed = cash[start[s] : start[s + 1], c], loans[start[s] : start[s + 1], c]
            lent = 0.0
            for first in range(0, owned.size, BLOCK):
                end = min(first + BLOCK, owned.size)
                if not _to_fund(owned[first:end], owed[first:end]):
                    continue
                for i in range(first, end):
                    x = owned[i]
                    if x < 0.0 or (x > 0.0 and owed[i] > 0.0):
                        drawn = -x if x < 0.0 else -min(x, owed[i])
                        owed[i] += drawn
                        owned[i] += drawn
                        lent += drawn
            if lent != 0.0:
                money[lender, c] = True
                for row in range(start[lender], start[lender + 1]):
                    loans[row, c] -= share[row] * lent
                    cash[row, c] -= share[row] * lent


@njit(cache=True)
def _to_fund(owned: Array, owed: Array) -> bool:
    """Whether any account is overdrawn or can repay; most cannot, and without a branch the processor looks at several
    at once."""
    found = False
    for i in range(owned.size):
        found |= (owned[i] < 0.0) | ((owned[i] > 0.0) & (owed[i] > 0.0))
    return found


@njit(cache=True)
def post_interest(start: Array, money: Array, rate: Array, spread: Array, cash: Array, loans: Array) -> None:
    """Interest on cash and loans, and the borrowers' spread to who lends that currency, pro rata to lending.

    rate: (currencies,), spread: (sectors,), both as a fraction for the period.
    """
    for c in range(rate.size):
        pool, lending = 0.0, 0.0
        for s in range(start.size - 1):
            if not money[s, c]:
                continue
            owned, owed = cash[start[s] : start[s + 1], c], loans[start[s] : start[s + 1], c]
            for i in range(owned.size):
                loan = owed[i]
                owned[i] += (owned[i] - loan) * rate[c] - max(loan, 0.0) * spread[s]
                pool += max(loan, 0.0) * spread[s]
                lending -= min(loan, 0.0)
        if pool == 0.0 or lending <= 0.0:
            continue
        for s in range(start.size - 1):
            if money[s, c]:
                owned, owed = cash[start[s] : start[s + 1], c], loans[start[s] : start[s + 1], c]
                for i in range(owned.size):
                    owned[i] -= min(owed[i], 0.0) * (pool / lending)


@njit(cache=True)
def post_income(
    start: Array, owns: Array, open_in: Array, income: Array, carry: Array,
    units: Array, contracts: Array, cash: Array,
) -> None:  # fmt: skip
    """Coupons and dividends per unit owned and carry per contract held, bn of the quote currency, (markets,)."""
    for s in range(start.size - 1):
        for m in range(income.size):
            money_of = cash[start[s] : start[s + 1], QUOTE_CCY[m]]
            if owns[s, m] and income[m] != 0.0:
                owned = units[start[s] : start[s + 1], m]
                for i in range(owned.size):
                    money_of[i] += owned[i] * income[m]
            if open_in[s, m]:
                held = contracts[start[s] : start[s + 1], m]
                for i in range(held.size):
                    money_of[i] += held[i] * carry[m]


@njit(cache=True)
def out_of_balance(table: Array, start: Array, used: Array, target: Array, most: Array, tolerance: float) -> int:
    """Number of the first column that does not add up to its target within the tolerance, -1 if all do.

    used: (sectors, columns) where rows may differ from zero. tolerance: share of ``most``, which is raised to the
    column's gross sum.
    """
    found = -1
    for j in range(table.shape[1]):
        net, size = 0.0, abs(target[j])
        for s in range(start.size - 1):
            if used[s, j]:
                part, gross = net_and_gross(table[start[s] : start[s + 1], j])
                net += part
                size += gross
        if not size <= most[j]:
            most[j] = size
        if found < 0 and not abs(net - target[j]) <= tolerance * most[j]:
            found = j
    return found


@njit(cache=True, fastmath={"reassoc"})
def net_and_gross(column: Array) -> tuple[float, float]:
    """Sum and gross sum, in any order of addition; for checks, not for results."""
    total, size = 0.0, 0.0
    for i in range(column.size):
        total += column[i]
        size += abs(column[i])
    return total, size


@njit(cache=True)
def gross_by_sector(start: Array, owns: Array, open_in: Array, units: Array, contracts: Array, worth: Array) -> Array:
    """Sum of |units| and |contracts| times what one is worth, over the rows of each sector, (sectors,)."""
    out = np.zeros(start.size - 1)
    for s in range(start.size - 1):
        for m in range(worth.size):
            if owns[s, m]:
                out[s] += _size(units[start[s] : start[s + 1], m]) * worth[m]
            if open_in[s, m]:
                out[s] += _size(contracts[start[s] : start[s + 1], m]) * worth[m]
    return out


@njit(cache=True)
def _size(column: Array) -> float:
    """Sum of absolute values; four partial sums, so that no addition waits for the one before."""
    a = b = c = d = 0.0
    whole = column.size - column.size % 4
    for i in range(0, whole, 4):
        a += abs(column[i])
        b += abs(column[i + 1])
        c += abs(column[i + 2])
        d += abs(column[i + 3])
    for i in range(whole, column.size):
        a += abs(column[i])
    return a + b + c + d
