"""Compiled loops over the rows of the ledger. `Ledger` is their only caller and says what they mean.

Shared arguments: units, contracts (rows, markets); cash, loans (rows, currencies), columns contiguous; issued, price,
base, quote (markets,) with base -1 outside exchange rates; start (sectors + 1,) first row of each sector and the
total. owns, open_in (sectors, markets), money (sectors, currencies): where a sector may have units, contracts, cash or
loans; everything else is zero and never touched. Who has units or contracts in a market may have money in its
currencies.
"""

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]


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
def post_orders(
    orders: Array, filled: Array, start: Array, issuer: Array, worth_usd: Array, price: Array, cost: Array,
    base: Array, quote: Array, units: Array, cash: Array, contracts: Array, issued: Array,
    owns: Array, open_in: Array, money: Array,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Post the orders' side of a settlement.

    filled: USD bn at the quote. issuer: (markets,) sector whose sale is issuance, -1 for none. worth_usd: USD per unit
    at the quote. cost: share of value. Returns per market the units bought for cash, the units bought by contract, the
    costs paid (bn of the quote currency) and the gross units traded.
    """
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
            fee = cost[m] * abs(amount) * price[m]
            cash[row, quote[m]] -= by_cash * price[m] + fee
            money[sector, quote[m]] = True
            if by_contract != 0.0:
                contracts[row, m] += by_contract
                open_in[sector, m] = True
            if base[m] >= 0:
                cash[row, base[m]] += by_cash
                money[sector, base[m]] = True
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
def post_market_makers(
    s: int, start: Array, weights: Array, spot: Array, forward: Array, earned: Array, price: Array,
    base: Array, quote: Array, units: Array, cash: Array, contracts: Array,
    owns: Array, open_in: Array, money: Array,
) -> None:  # fmt: skip
    """Post one market-making sector's side: units for cash, by contract, and costs earned, split by weights."""
    for m in range(price.size):
        money[s, quote[m]] = True
        if forward[m] != 0.0:
            open_in[s, m] = True
        if base[m] >= 0:
            money[s, base[m]] = True
        elif spot[m] != 0.0:
            owns[s, m] = True
        for i in range(weights.shape[0]):
            row, bought = start[s] + i, weights[i, m] * spot[m]
            cash[row, quote[m]] += weights[i, m] * earned[m] - bought * price[m]
            contracts[row, m] += weights[i, m] * forward[m]
            if base[m] >= 0:
                cash[row, base[m]] += bought
            else:
                units[row, m] += bought


@njit(cache=True)
def post_variation(start: Array, open_in: Array, change: Array, quote: Array, contracts: Array, cash: Array) -> None:
    """Pay every contract's change of price, bn of the quote currency per unit."""
    for s in range(start.size - 1):
        for m in range(change.size):
            if open_in[s, m] and change[m] != 0.0:
                held, money_of = contracts[start[s] : start[s + 1], m], cash[start[s] : start[s + 1], quote[m]]
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
            for i in range(owned.size):
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
    start: Array, owns: Array, open_in: Array, income: Array, carry: Array, quote: Array,
    units: Array, contracts: Array, cash: Array,
) -> None:  # fmt: skip
    """Coupons and dividends per unit owned and carry per contract held, bn of the quote currency, (markets,)."""
    for s in range(start.size - 1):
        for m in range(income.size):
            money_of = cash[start[s] : start[s + 1], quote[m]]
            if owns[s, m] and income[m] != 0.0:
                owned = units[start[s] : start[s + 1], m]
                for i in range(owned.size):
                    money_of[i] += owned[i] * income[m]
            if open_in[s, m]:
                held = contracts[start[s] : start[s + 1], m]
                for i in range(held.size):
                    money_of[i] += held[i] * carry[m]


@njit(cache=True, fastmath={"reassoc"})
def column_sums(table: Array) -> tuple[Array, Array]:
    """Sum and gross sum of each column of a table, in any order of addition; for checks, not for results."""
    net, gross = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    for j in range(table.shape[1]):
        total, size = 0.0, 0.0
        for row in range(table.shape[0]):
            total += table[row, j]
            size += abs(table[row, j])
        net[j], gross[j] = total, size
    return net, gross


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
