"""One sector alone against given prices: a small ledger without counterparties, for tests of rules over many days."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from abm.agents.base import Sector
from abm.world.book import Book
from abm.world.instruments import BASE_CCY, INDEX, IS_FX, N_MARKETS, QUOTE_CCY, unit_value_usd
from abm.world.orders import REASONS
from abm.world.risk import RiskEstimate
from abm.world.view import View
from tests.agents.screen import make_view, open_book

ROUNDS = 6


class Desk:
    """Settles one sector's orders at the prices of a path, marks contracts, funds overdrafts and calls margin.

    Every schedule fills what it wants at the given price. No trading costs, coupons or interest. `flows` adds up
    filled amounts by (market, reason), USD bn.
    """

    def __init__(self, sector: Sector, view: View) -> None:
        self.sector = sector
        book = open_book(sector.opening(np.zeros(N_MARKETS), view), view)
        self.book = Book(*(np.array(a) for a in (book.units, book.cash, book.loans, book.contracts)))
        sector.book = self.book
        self.mark_log = view.log_price
        sector.start(view)
        self.flows: dict[tuple[str, str], float] = {}
        self.orders = 0

    def day(self, view: View, close: np.ndarray) -> View:
        """One day: income, schedules, fills at ``close``, margin rounds, end of day. Returns the view at the close."""
        paid = self.sector.income(view)
        if paid is not None:
            self.book.cash[...] += paid
        self.flows = {}
        orders = self.sector.decide(view)
        self.orders = len(orders)
        self.settle(orders, view.log_price, close)
        now = replace(view, log_price=close)
        for _ in range(ROUNDS):
            forced = self._called(now)
            if not len(forced):
                break
            self.settle(forced, close, close)
        self.sector.end_of_day(now)
        return now

    def _called(self, now: View) -> np.ndarray:
        sector, n = self.sector, self.sector.n
        if sector.margin is None:
            return np.empty(0)
        need = sector.maintenance_shortfall(now, sector.initial_margin(now), self.book.equity_usd(now.log_price)[:n])
        return sector.raise_cash(now, need) if need.any() else np.empty(0)

    def settle(self, orders: np.ndarray, quote: np.ndarray, price: np.ndarray) -> None:
        change = np.exp(price) - np.exp(self.mark_log)
        np.add.at(self.book.cash, (slice(None), QUOTE_CCY), self.book.contracts * change)
        self.mark_log = price
        worth, paid = unit_value_usd(quote), np.exp(price)
        for order in orders:
            change_log = price[order["market"]] - quote[order["market"]]
            filled = np.clip(order["quantity"] - order["slope"] * change_log, order["lo"], order["hi"])
            trades = [(order["market"], filled, order["contract"])]
            for leg, sign in (("fx1", "sign1"), ("fx2", "sign2")):
                if order[leg] >= 0:
                    trades.append((order[leg], order[sign] * filled, False))
            for market, usd_bn, contract in trades:
                self._deliver(order["member"], int(market), usd_bn / worth[market], paid[market], bool(contract))
                key = (list(INDEX)[market], REASONS[order["reason"]])
                self.flows[key] = self.flows.get(key, 0.0) + float(usd_bn)
        self._fund()

    def _deliver(self, row: int, market: int, amount: float, price: float, contract: bool) -> None:
        if contract:
            self.book.contracts[row, market] += amount
            return
        self.book.cash[row, QUOTE_CCY[market]] -= amount * price
        if IS_FX[market]:
            self.book.cash[row, BASE_CCY[market]] += amount
        else:
            self.book.units[row, market] += amount

    def _fund(self) -> None:
        """Overdrafts become loans; spare cash repays them."""
        cash, loans = self.book.cash, self.book.loans
        net = cash - loans
        loans[...] = np.where(loans > 0.0, np.maximum(-net, 0.0), np.maximum(-cash, 0.0))
        cash[...] = net + loans

    def net_flow(self, market: str) -> float:
        """Net purchases of a market today, USD bn at the quote."""
        return sum(value for (name, _), value in self.flows.items() if name == market)


def market_days(
    path: np.ndarray, public: Callable[[int], dict] | None = None, depth_scale: float = 1.0, **options: object
) -> list[tuple[View, np.ndarray]]:
    """(screen, close) of every day of a path of log prices (days + 1, markets); row 0 is the opening.

    Volatilities and covariances are the model's own running estimates. public: day -> fields of Public to replace.
    """
    base = make_view(depth_scale=depth_scale, **options)  # type: ignore[arg-type]
    risk = RiskEstimate(base.covariance)
    history = np.tile(path[0], (80, 1))
    days = []
    for day in range(1, len(path)):
        risk_now = {"vol": risk.vol, "covariance": risk.covariance}
        state = replace(base.public, **(public(day) if public else {}))
        quote = path[day - 1]
        days.append(
            (replace(base, day=day, log_price=quote, close=quote, history=history, public=state, **risk_now), path[day])
        )
        risk.update(path[day] - path[day - 1])
        history = np.vstack([history[1:], path[day]])
    return days
