"""A small world of accounts for ledger and margin tests; sums, postings, excess demand computed the slow, plain way."""

import math
from collections.abc import Sequence

import numpy as np

from abm.world.book import Opening
from abm.world.instruments import (
    BASE_CCY,
    BTC,
    COST_BP,
    HOLDABLE,
    IDS,
    INDEX,
    IS_FX,
    JGBS,
    JPY,
    N_MARKETS,
    QUOTE_CCY,
    USD,
    USDJPY,
    log_price_of_level,
    unit_value_usd,
)
from abm.world.ledger import Ledger
from abm.world.orders import MatrixSchedule

LEVELS = {
    "JGB2": 1.0, "JGB10": 2.0, "JGB20": 3.0, "JGB30": 3.5, "JGB40": 3.6, "UST2": 3.5, "UST10": 4.0, "UST30": 4.8,
    "BUND10": 2.8, "OAT10": 3.5, "EGB30": 3.4, "GILT10": 4.4, "ACGB10": 4.7, "EMBOND": 9.0, "NIKKEI": 50_000.0,
    "NASDAQ": 23_000.0, "SPX": 7_000.0, "BTC": 100_000.0, "USDJPY": 160.0, "EURUSD": 1.25, "GBPUSD": 1.3,
    "AUDUSD": 0.7, "USDMXN": 18.0,
}  # fmt: skip
LOG_PRICE = log_price_of_level(np.array([LEVELS[i] for i in IDS]))
WORTH = unit_value_usd(LOG_PRICE)
PRICE = np.exp(LOG_PRICE)
OUTSTANDING = np.where(IS_FX, 0.0, 1000.0)
ROWS = {
    "life_insurers": 3, "banks": 2, "jgb_fast_money": 2, "carry_traders": 4, "crypto_longs": 4, "dealers": 2,
    "arbitrageurs": 3, "bank_of_japan": 1, "government": 1, "federal_reserve": 1, "european_central_bank": 1,
    "rest_of_world": 1,
}  # fmt: skip
NUMBER = {name: i for i, name in enumerate(ROWS)}
LENDERS = {"carry_traders": "banks", "banks": "rest_of_world"}
INSURANCE = 3  # last row of crypto_longs


def openings(seed: int = 1) -> dict[str, Opening]:
    """Positions of every kind: hedged insurers, lending banks, yen-funded carry, perpetuals, a central bank."""
    rng = np.random.default_rng(seed)
    books = {name: Opening.empty(n) for name, n in ROWS.items()}
    for name in ("life_insurers", "banks"):
        books[name].units_usd_bn[:, HOLDABLE] = 10.0 * rng.random((ROWS[name], HOLDABLE.size))
        books[name].cash_usd_bn[:, JPY] = 5.0
    books["life_insurers"].contracts_usd_bn[:, USDJPY] = -4.0 * rng.random(3)
    books["jgb_fast_money"].contracts_usd_bn[:, JGBS] = rng.normal(size=(2, 5))
    books["jgb_fast_money"].cash_usd_bn[:, USD] = 1.0
    books["carry_traders"].units_usd_bn[:, INDEX["UST10"]] = 2.0 * rng.random(4)
    books["carry_traders"].loans_usd_bn[:, JPY] = 1.0
    books["crypto_longs"].contracts_usd_bn[:INSURANCE, BTC] = 0.5
    books["crypto_longs"].cash_usd_bn[:, USD] = 0.05
    books["bank_of_japan"].cash_usd_bn[:, JPY] = -100.0
    books["bank_of_japan"].units_usd_bn[:, JGBS] = 50.0
    return books


def open_ledger(seed: int = 1) -> Ledger:
    """The small world on day 0."""
    ledger = Ledger(ROWS)
    ledger.open(openings(seed), OUTSTANDING, LOG_PRICE, LENDERS)
    return ledger


def empty_ledger() -> Ledger:
    """Nobody but the rest of the world owns anything."""
    ledger = Ledger(ROWS)
    ledger.open({}, OUTSTANDING, LOG_PRICE)
    return ledger


def schedule(name: str, seed: int = 1, slope: float = 1.0) -> MatrixSchedule:
    """A market maker's schedule with uneven member weights."""
    weights = np.random.default_rng(seed).random((ROWS[name], N_MARKETS)) + 0.1
    zero = {"market_making": np.zeros(N_MARKETS)}
    return MatrixSchedule(NUMBER[name], zero, slope * np.eye(N_MARKETS), weights / weights.sum(axis=0))


def as_orders(sector: str, block: np.ndarray) -> np.ndarray:
    """Rows with their sector filled in, as the model does."""
    block = block.copy()
    block["sector"] = NUMBER[sector]
    return block


def net_usd_bn(orders: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Net purchases per market, currency legs at their unhedged share, row by row."""
    net = np.zeros(N_MARKETS)
    for o, f in zip(orders, filled, strict=True):
        net[o["market"]] += f
        for leg, sign in ((o["fx1"], o["sign1"]), (o["fx2"], o["sign2"])):
            if leg >= 0:
                net[leg] += sign * f * (1.0 - o["hedge"])
    return net


def imbalances(ledger: Ledger) -> dict[str, float]:
    """Largest violation of each identity over its gross sum, from exactly rounded sums."""
    out = {}
    for name in ("units", "cash", "loans", "contracts"):
        table = getattr(ledger, name)
        worst = 0.0
        for j in range(table.shape[1]):
            target = ledger.issued[j] if name == "units" else 0.0
            gross = math.fsum(abs(x) for x in table[:, j]) + abs(target)
            off = math.fsum(table[:, j]) - target
            worst = max(worst, abs(off) / gross if gross > 1e-9 else abs(off))
        out[name] = worst
    return out


class PlainBooks:
    """Double entry with dictionaries: every posting names an account, an asset and an amount."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.units, self.cash = ledger.units.copy(), ledger.cash.copy()
        self.contracts, self.issued = ledger.contracts.copy(), ledger.issued.copy()

    def buy(self, row: int, market: int, amount: float, price: float, issues: bool = False) -> None:
        self.cash[row, QUOTE_CCY[market]] -= amount * price
        if IS_FX[market]:
            self.cash[row, BASE_CCY[market]] += amount
        elif issues:
            self.issued[market] -= amount
        else:
            self.units[row, market] += amount

    def settle(self, orders, filled, schedules, matrix_filled, quote_log, price_log) -> None:
        worth, price = unit_value_usd(quote_log), np.exp(price_log)
        spot, forward, fees = np.zeros(N_MARKETS), np.zeros(N_MARKETS), np.zeros(N_MARKETS)
        for o, f in zip(orders, filled, strict=True):
            name = list(ROWS)[o["sector"]]
            row = self.ledger.rows[name].start + int(o["member"])
            trades = [(int(o["market"]), f, 0.0 if o["contract"] else 1.0, 1.0 if o["contract"] else 0.0)]
            for leg, sign in ((o["fx1"], o["sign1"]), (o["fx2"], o["sign2"])):
                if leg >= 0:
                    trades.append((int(leg), sign * f, 1.0, -o["hedge"]))
            for m, usd_bn, cash_part, contract_part in trades:
                amount = usd_bn / worth[m]
                if cash_part:
                    self.buy(row, m, amount, price[m], name == "government" and m in JGBS)
                self.contracts[row, m] += contract_part * amount
                fee = COST_BP[m] / 1e4 * abs(amount) * price[m]
                self.cash[row, QUOTE_CCY[m]] -= fee
                spot[m] += cash_part * amount
                forward[m] += contract_part * amount
                fees[m] += fee
        slopes = np.array([np.diag(s.matrix) for s in schedules])
        for s, taken in zip(schedules, matrix_filled, strict=True):
            part = np.diag(s.matrix) / slopes.sum(axis=0)
            first = self.ledger.rows[list(ROWS)[s.sector]].start
            for i, w in enumerate(s.weights):
                for m in range(N_MARKETS):
                    self.contracts[first + i, m] -= w[m] * part[m] * forward[m]
                    self.buy(first + i, m, w[m] * (taken[m] / worth[m] + part[m] * forward[m]), price[m])
                    self.cash[first + i, QUOTE_CCY[m]] += w[m] * part[m] * fees[m]


def excess_demand(orders: np.ndarray, schedules: Sequence[MatrixSchedule], x: np.ndarray) -> np.ndarray:
    """Excess demand Z(x) in USD bn at the quote, (markets,), at log price changes x: the equation, term by term."""
    bought = np.clip(orders["quantity"] - orders["slope"] * x[orders["market"]], orders["lo"], orders["hi"])
    total = np.zeros(N_MARKETS)
    np.add.at(total, orders["market"], bought)
    for leg, sign in (("fx1", "sign1"), ("fx2", "sign2")):
        has_leg = orders[leg] >= 0
        weight = orders[sign] * (1.0 - orders["hedge"])
        np.add.at(total, orders[leg][has_leg], (weight * bought)[has_leg])
    for schedule in schedules:
        total += schedule.intercept - schedule.matrix @ x
    return total
