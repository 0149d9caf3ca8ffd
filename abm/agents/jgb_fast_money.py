"""JGB fast money: foreign funds that follow the trend in Japanese government bonds and run from losses."""

from typing import Any, Final

import mesa
import numpy as np
from numba import njit

from abm.agents.base import MarginTerms, Opening, Params, Sector, depth_factor, par, pareto_sizes
from abm.world.instruments import IS_BOND, JGBS, JPY, MARKETS, N_MARKETS, TENOR_YR
from abm.world.orders import ORDER, REASON, join, no_orders, post, write_order
from abm.world.streams import Streams
from abm.world.view import View

FUTURES: Final = JGBS[TENOR_YR[JGBS] >= 10]  # maturities traded
WEIGHTS: Final = {"JGB10": 0.35, "JGB20": 0.20, "JGB30": 0.30, "JGB40": 0.15}  # of the position limit [L]
WEIGHT: Final = np.array([WEIGHTS.get(MARKETS[i].id, 0.0) for i in FUTURES])
LARGEST_RISK_RATIO: Final = 1.5  # positions grow no further when markets calm down
FLAT: Final = 1e-3  # of the position limit
REASONS: Final = np.array([REASON[name] for name in ("momentum", "profit_taking", "stop_loss")])
FOLLOWING, TAKING, STOPPED = range(REASONS.size)


class JgbFastMoneyParams(Params):
    """JGB fast money."""

    members: int = par(200, "funds", "SOURCES.md 8", "number of funds", 1, 200_000)
    position_limit_usd_bn: float = par(
        63.0, "USD bn", "SOURCES.md 6: JPY 10 tn", "futures held by all funds at full conviction in calm", 0, 1e4
    )
    repo_share: float = par(0.5, "fraction", "[L]", "part of the cash bonds financed by yen repo on day 0", 0, 0.95)
    horizon_low_days: int = par(3, "trading days", "SOURCES.md 3", "shortest trend followed", 1, 60)
    horizon_high_days: int = par(20, "trading days", "SOURCES.md 3", "longest trend followed", 1, 60)
    threshold_low_sd: float = par(0.8, "standard deviations", "[L]", "weakest trend that counts, lowest", 0, 10)
    threshold_high_sd: float = par(2.0, "standard deviations", "[L]", "weakest trend that counts, highest", 0, 10)
    auction_weight: float = par(0.5, "sd of trend per sd", "SOURCES.md 3, [L]", "median weight of weak auctions", 0, 5)
    adjustment: float = par(0.35, "per day", "[L]", "mean share of the way to the wanted position", 0.01, 1)
    depth_share: float = par(0.3, "fraction", "SOURCES.md 8", "cap on the sector's part of a usual day", 0, 5)
    stop_loss_pct: float = par(1.5, "% of position limit", "[L]", "median loss at which a fund closes", 0.01, 100)
    profit_taking_pct: float = par(3.0, "% of position limit", "[L]", "median gain at which a fund closes", 0.01, 100)
    cool_off_low_days: int = par(3, "trading days", "[L]", "shortest pause after closing", 1, 250)
    cool_off_high_days: int = par(15, "trading days", "[L]", "longest pause after closing", 1, 250)
    margin_floor: float = par(0.0125, "fraction of notional", "SOURCES.md 1: 1-1.5 % [mem]", "least margin", 0, 1)
    margin_horizon_days: float = par(2.0, "trading days", "[mem] clearing-house practice", "close-out period", 0.1, 30)


@njit(cache=True)
def trend_sd(log_price: np.ndarray, history: np.ndarray, vol: np.ndarray, horizon: np.ndarray) -> np.ndarray:
    """Log price change over each member's horizon in standard deviations, (members, futures); 0 without a trend."""
    out = np.empty((horizon.size, FUTURES.size))
    for i in range(horizon.size):
        past = history[history.shape[0] - 1 - horizon[i]]
        for k, m in enumerate(FUTURES):
            out[i, k] = (log_price[m] - past[m]) / (vol[m] * np.sqrt(horizon[i]))
    return out


@njit(cache=True)
def beyond_threshold(signal_sd: np.ndarray, threshold_sd: np.ndarray) -> np.ndarray:
    """What of a signal, (members, futures), exceeds the member's threshold, (members, 1), keeping the sign."""
    out = np.empty(signal_sd.shape)
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = np.sign(signal_sd[i, k]) * max(abs(signal_sd[i, k]) - threshold_sd[i, 0], 0.0)
    return out


def conviction(signal_sd: np.ndarray, threshold_sd: np.ndarray) -> np.ndarray:
    """tanh of what exceeds the threshold, keeping the sign, between -1 and 1."""
    return np.tanh(beyond_threshold(signal_sd, threshold_sd))


def wanted_position(limit: np.ndarray, conviction_: np.ndarray, risk_ratio: np.ndarray) -> np.ndarray:
    """limit x weight x conviction x calm over running volatility, USD bn, (members, futures)."""
    return limit[:, None] * WEIGHT * conviction_ * np.minimum(risk_ratio, LARGEST_RISK_RATIO)


@njit(cache=True)
def write_trades(
    out: np.ndarray, contracts: np.ndarray, value_usd: np.ndarray, wanted: np.ndarray, adjustment: np.ndarray,
    resting: np.ndarray, stopped: np.ndarray, share: float, depth: np.ndarray, vol: np.ndarray,
) -> int:  # fmt: skip
    """Write orders in futures: of who follows the trend, who takes profits, who was stopped out; returns how many.

    adjustment x (wanted - position); -adjustment x position for a fund at rest; -position, whole and at once, if a loss
    sent it there. The first two respect depth: each kind moves a market by at most ``share`` of a usual day; what is
    left is for later days. wanted: USD bn, (members, futures).
    """
    members, futures = wanted.shape
    kind, trade, total = np.empty(members, dtype=np.int64), np.empty((members, futures)), np.zeros((3, futures))
    for i in range(members):
        kind[i] = FOLLOWING if resting[i] == 0 else STOPPED if stopped[i] else TAKING
        for k, m in enumerate(FUTURES):
            position = contracts[i, m] * value_usd[m]
            if kind[i] == FOLLOWING:
                trade[i, k] = adjustment[i, 0] * (wanted[i, k] - position)
            else:
                trade[i, k] = -position if kind[i] == STOPPED else -adjustment[i, 0] * position
            total[kind[i], k] += trade[i, k]
    n = 0
    for reason in range(REASONS.size):
        for member in np.flatnonzero(kind == reason):
            for k, m in enumerate(FUTURES):
                quantity = trade[member, k]
                if reason != STOPPED:
                    quantity *= depth_factor(total[reason, k], share * depth[m] * vol[m])
                if quantity != 0.0:
                    write_order(out[n], member, m, REASONS[reason], quantity, 0.0, -np.inf, np.inf, True)
                    n += 1
    return n


@njit(cache=True)
def after_the_close(
    gain: np.ndarray, held: np.ndarray, value_usd: np.ndarray, resting: np.ndarray, stopped: np.ndarray,
    stop: np.ndarray, target: np.ndarray, pause: np.ndarray, limit: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Gain since entry, days of rest left and whether a loss began it, (members,) each, after a day.

    Who lost more than its stop or gained more than its target rests for its pause; it, and who is flat, starts anew.
    held: contracts, value_usd: of one, both by future.
    """
    gain, resting, stopped = gain.copy(), np.maximum(resting - 1, 0), stopped.copy()
    for i in range(gain.size):
        gross = 0.0
        for k in range(held.shape[1]):
            gross += abs(held[i, k] * value_usd[k])
        out = gain[i] < -stop[i] or gain[i] > target[i]
        if out:
            stopped[i], resting[i] = gain[i] < 0.0, pause[i]
        if out or gross < FLAT * limit[i]:
            gain[i] = 0.0
    return gain, resting, stopped


class JgbFastMoney(Sector):
    """Trend followers in JGB futures, with a stop-loss and a profit target each.

    size: (members,) share of the limit. limit: (members,) USD bn. horizon: (members,) days. threshold: (members, 1)
    sd. auction_weight: (members, 1). adjustment: (members, 1) per day. stop, target: (members,) USD bn of loss and
    gain since entry that close the position. pause: (members,) days of cool-off. resting: (members,) days of it
    left. stopped: (members,) closed by the stop. gain: (members,) USD bn since entry. held: (members, futures)
    contracts at the last close.
    """

    id = "jgb_fast_money"
    Params = JgbFastMoneyParams
    params: JgbFastMoneyParams
    rules = ("fast_money_momentum",)
    home = JPY

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        p, rng, n = self.params, streams.on(self.id, "members"), self.n
        self.size = rng.permutation(pareto_sizes(n, rng))
        self.limit = p.position_limit_usd_bn * self.size
        shortest, longest = sorted((p.horizon_low_days, p.horizon_high_days))
        self.horizon = rng.integers(shortest, longest + 1, n)
        low, high = sorted((p.threshold_low_sd, p.threshold_high_sd))
        self.threshold = rng.uniform(low, high, (n, 1))
        self.auction_weight = p.auction_weight * np.exp(0.5 * rng.standard_normal((n, 1)))
        self.adjustment = np.clip(p.adjustment * rng.uniform(0.5, 1.5, (n, 1)), 0.0, 1.0)
        self.stop = p.stop_loss_pct / 100.0 * np.exp(0.4 * rng.standard_normal(n)) * self.limit
        self.target = p.profit_taking_pct / 100.0 * np.exp(0.4 * rng.standard_normal(n)) * self.limit
        first, last = sorted((p.cool_off_low_days, p.cool_off_high_days))
        self.pause = rng.integers(first, last + 1, n)
        self.resting, self.stopped = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
        self.gain, self.held = np.zeros(n), np.zeros((n, FUTURES.size))
        floor = np.where(IS_BOND, p.margin_floor, 0.0)
        self.margin = MarginTerms(floor=floor, horizon_days=p.margin_horizon_days)

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Cash bonds, part of them financed by repo; no futures."""
        book = super().opening(holdings_usd_bn, view)
        book.loans_usd_bn[:, JPY] = self.params.repo_share * book.units_usd_bn.sum(axis=1)
        return book

    def start(self, view: View) -> None:
        """Gains are counted from the first close."""
        self.last_close = view.log_price

    def decide(self, view: View) -> np.ndarray:
        """Funds at rest close what they have; the others follow the trend."""
        if not view.on("fast_money_momentum"):
            return no_orders()
        out = np.empty(self.n * FUTURES.size, dtype=ORDER)
        n = write_trades(
            out, self.book.contracts, view.unit_value_usd, self.wanted(view), self.adjustment, self.resting,
            self.stopped, self.params.depth_share, view.depth, view.vol,
        )  # fmt: skip
        return out[:n]

    def wanted(self, view: View) -> np.ndarray:
        """Wanted futures, USD bn, (members, futures): trend less the memory of weak auctions."""
        trend = trend_sd(view.log_price, view.history, view.vol, self.horizon)
        signal = trend - self.auction_weight * view.public.weak_auction_sd
        ratio = view.calm_vol[FUTURES] / view.vol[FUTURES]
        return wanted_position(self.limit, conviction(signal, self.threshold), ratio)

    def raise_cash(self, view: View, need_usd_bn: np.ndarray) -> np.ndarray:
        """Called funds close the same share of every position, just enough to free the margin."""
        rate = self.margin_rates(view)
        owned = self.book.holdings_usd(view.log_price)[: self.n]
        futures = self.book.contracts_usd(view.log_price)[: self.n]
        margin = (np.abs(owned) + np.abs(futures)) @ (rate * IS_BOND)
        share = np.clip(need_usd_bn / np.maximum(margin, 1e-300), 0.0, 1.0)[:, None]
        every = np.arange(N_MARKETS)[IS_BOND]
        return join(
            [
                post(every, -share * futures[:, every], "margin_call", contract=True),
                post(every, -share * owned[:, every], "margin_call", lo=-owned[:, every], funding=JPY),
            ]
        )

    def end_of_day(self, view: View) -> None:
        """Gains since entry are marked; who hits stop or target closes and rests; who is flat starts anew."""
        change = 1.0 - np.exp(self.last_close[FUTURES] - view.log_price[FUTURES])
        value = view.unit_value_usd[FUTURES]
        self.gain = self.gain + (self.held * value) @ change
        self.held = self.book.contracts[: self.n].take(FUTURES, axis=1)
        self.last_close = view.log_price
        self.gain, self.resting, self.stopped = after_the_close(
            self.gain, self.held, value, self.resting, self.stopped, self.stop, self.target, self.pause, self.limit
        )

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Net futures, gain since entry and days of rest left of every fund."""
        futures = self.book.contracts_usd(log_price)[: self.n][:, FUTURES].sum(axis=1)
        return {"futures_usd_bn": futures, "gain_usd_bn": self.gain, "resting_days": self.resting}
