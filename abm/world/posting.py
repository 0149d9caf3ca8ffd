"""Compiled loops over the rows of the ledger. `Ledger` is their only caller and says what they mean.

Shared arguments: units, contracts (rows, markets); cash, loans (rows, currencies); issued, price, base, quote
(markets,) with base -1 outside exchange rates; start (sectors + 1,) first row of each sector and the total.
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
def _buy(
    row: int, market: int, amount: float, issues: bool,
    price: Array, base: Array, quote: Array, units: Array, cash: Array, issued: Array,
) -> None:  # fmt: skip
    """Cash purchase of ``amount`` units of a market by one row; an issuer's purchase takes them out of existence."""
    cash[row, quote[market]] -= amount * price[market]
    if base[market] >= 0:
        cash[row, base[market]] += amount
    elif issues:
        issued[market] -= amount
    else:
        units[row, market] += amount


@njit(cache=True)
def post_orders(
    orders: Array, filled: Array, start: Array, issuer: Array, worth_usd: Array, price: Array, cost: Array,
    base: Array, quote: Array, units: Array, cash: Array, contracts: Array, issued: Array, traded: Array,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Post the orders' side of a settlement.

    filled: USD bn at the quote. issuer: (markets,) sector whose sale is issuance, -1 for none. worth_usd: USD per unit
    at the quote. cost: share of value. traded: (sectors, markets), set where a sector now may have contracts.
    Returns per market the units bought for cash, the units bought by contract, the costs paid (bn of the quote
    currency) and the gross units traded.
    """
    spot, forward = np.zeros(price.size), np.zeros(price.size)
    paid, turnover = np.zeros(price.size), np.zeros(price.size)
    for k in range(filled.size):
        if filled[k] == 0.0:
            continue
        order = orders[k]
        sector, market = order["sector"], order["market"]
        row = start[sector] + order["member"]
        for leg in range(3):
            bought = filled[k]
            if leg > 0:
                market = order["fx1"] if leg == 1 else order["fx2"]
                if market < 0:
                    continue
                bought *= order["sign1"] if leg == 1 else order["sign2"]
            amount = bought / worth_usd[market]
            by_contract = amount if leg == 0 and order["contract"] else 0.0
            by_cash = amount - by_contract
            if leg > 0:
                by_contract = -order["hedge"] * amount
            if by_cash != 0.0:
                issues = issuer[market] == sector
                _buy(row, market, by_cash, issues, price, base, quote, units, cash, issued)
            if by_contract != 0.0:
                contracts[row, market] += by_contract
                traded[sector, market] = True
            fee = cost[market] * abs(amount) * price[market]
            cash[row, quote[market]] -= fee
            spot[market] += by_cash
            forward[market] += by_contract
            paid[market] += fee
            turnover[market] += abs(amount)
    return spot, forward, paid, turnover


@njit(cache=True)
def post_market_makers(
    first: int, weights: Array, spot: Array, forward: Array, earned: Array, price: Array,
    base: Array, quote: Array, units: Array, cash: Array, contracts: Array, issued: Array,
) -> None:  # fmt: skip
    """Post one market-making sector's side: units for cash, by contract, and costs earned, split by weights."""
    for i in range(weights.shape[0]):
        row = first + i
        for market in range(price.size):
            w = weights[i, market]
            _buy(row, market, w * spot[market], False, price, base, quote, units, cash, issued)
            contracts[row, market] += w * forward[market]
            cash[row, quote[market]] += w * earned[market]


@njit(cache=True)
def post_variation(start: Array, traded: Array, change: Array, quote: Array, contracts: Array, cash: Array) -> None:
    """Pay every contract's change of price (bn of the quote currency per unit), in the markets a sector has traded."""
    active = np.empty(change.size, np.int64)
    for s in range(start.size - 1):
        n = 0
        for market in range(change.size):
            if traded[s, market] and change[market] != 0.0:
                active[n] = market
                n += 1
        if n == 0:
            continue
        for row in range(start[s], start[s + 1]):
            for k in range(n):
                market = active[k]
                cash[row, quote[market]] += contracts[row, market] * change[market]


@njit(cache=True)
def post_funding(
    borrowers: Array, lenders: Array, start: Array, exempt: Array, share: Array, cash: Array, loans: Array
) -> None:
    """Turn overdrafts into loans and let spare cash repay loans, sector by sector in the order of ``borrowers``.

    lenders: sector that lends to each of ``borrowers``. exempt: (sectors, currencies) may be overdrawn. share: (rows,)
    part of its sector's lending that each row takes.
    """
    for k in range(borrowers.size):
        s, lender = borrowers[k], lenders[k]
        lent = np.zeros(cash.shape[1])
        for row in range(start[s], start[s + 1]):
            for c in range(cash.shape[1]):
                x = cash[row, c]
                if (x < 0.0 or (x > 0.0 and loans[row, c] > 0.0)) and not exempt[s, c]:
                    drawn = -x if x < 0.0 else -min(x, loans[row, c])
                    loans[row, c] += drawn
                    cash[row, c] += drawn
                    lent[c] += drawn
        for row in range(start[lender], start[lender + 1]):
            for c in range(cash.shape[1]):
                loans[row, c] -= share[row] * lent[c]
                cash[row, c] -= share[row] * lent[c]


@njit(cache=True)
def post_interest(rate: Array, spread: Array, cash: Array, loans: Array) -> None:
    """Interest on cash and loans, and the borrowers' spread to who lends that currency, pro rata to lending.

    rate: (currencies,), spread: (rows,), both as a fraction for the period.
    """
    pool, lending = np.zeros(rate.size), np.zeros(rate.size)
    for row in range(cash.shape[0]):
        for c in range(rate.size):
            loan = loans[row, c]
            cash[row, c] += (cash[row, c] - loan) * rate[c]
            if loan > 0.0:
                cash[row, c] -= loan * spread[row]
                pool[c] += loan * spread[row]
            else:
                lending[c] -= loan
    for c in range(rate.size):
        pool[c] /= lending[c] if lending[c] > 0.0 else 1.0
    for row in range(cash.shape[0]):
        for c in range(rate.size):
            if loans[row, c] < 0.0:
                cash[row, c] -= loans[row, c] * pool[c]


@njit(cache=True)
def post_income(income: Array, carry: Array, quote: Array, units: Array, contracts: Array, cash: Array) -> None:
    """Coupons and dividends per unit owned and carry per contract held, bn of the quote currency, (markets,)."""
    for row in range(units.shape[0]):
        for market in range(income.size):
            u, k = units[row, market], contracts[row, market]
            if u != 0.0 or k != 0.0:
                cash[row, quote[market]] += u * income[market] + k * carry[market]


@njit(cache=True)
def column_sums(table: Array) -> tuple[Array, Array]:
    """Sum and gross sum of each column of a table."""
    net, gross = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    for row in range(table.shape[0]):
        for j in range(table.shape[1]):
            net[j] += table[row, j]
            gross[j] += abs(table[row, j])
    return net, gross


@njit(cache=True)
def gross_by_sector(start: Array, units: Array, contracts: Array, worth: Array) -> Array:
    """Sum of |units| and |contracts| times what one is worth, over the rows of each sector, (sectors,)."""
    out = np.zeros(start.size - 1)
    for s in range(start.size - 1):
        for row in range(start[s], start[s + 1]):
            for m in range(worth.size):
                out[s] += (abs(units[row, m]) + abs(contracts[row, m])) * worth[m]
    return out
