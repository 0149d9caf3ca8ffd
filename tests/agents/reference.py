"""The mass sectors written again, one object per institution and plain arithmetic, from their equations.

Slow and literal on purpose: nothing is shared with `abm.agents.carry_traders`, `abm.agents.crypto_longs` or their
kernels except the numbers drawn for each institution. Prices are given; there are no trading costs and no interest.
"""

from dataclasses import dataclass, field
from math import exp, expm1, log, log2, sqrt
from typing import Any

ASSETS = ("UST2", "NASDAQ", "EMBOND", "AUDUSD", "BTC")
EXPOSURE = {  # what one dollar of each asset, bought with borrowed yen, depends on
    "UST2": {"UST2": 1.0, "USDJPY": 1.0},
    "NASDAQ": {"NASDAQ": 1.0, "USDJPY": 1.0},
    "EMBOND": {"EMBOND": 1.0, "USDMXN": -1.0, "USDJPY": 1.0},
    "AUDUSD": {"AUDUSD": 1.0, "USDJPY": 1.0},
    "BTC": {"BTC": 1.0, "USDJPY": 1.0},
}
LIQUID_FIRST = ("UST2", "NASDAQ", "AUDUSD", "EMBOND", "BTC")  # half spreads 0.5, 1, 1, 5, 5 bp
DURATION = {"UST2": 1.9, "EMBOND": 6.4}


@dataclass
class Screen:
    """One day's public information, all in plain numbers. Log prices by market; covariance by pair of markets."""

    day: int
    price: dict[str, float]
    past: list[dict[str, float]]  # closes, oldest first, last is yesterday's
    vol: dict[str, float]
    calm_vol: dict[str, float]
    covariance: dict[tuple[str, str], float]
    depth: dict[str, float]
    rate: dict[str, float]  # policy rates
    terminal: dict[str, float]
    near: dict[str, float]
    speed: dict[str, float]
    intervention_risk: float = 0.0
    hike_risk: float = 0.0
    risk_aversion: float = 0.0
    margin_factor: float = 1.0

    def one_year_rate(self, currency: str) -> float:
        """Average policy rate expected over a year."""
        k = self.speed[currency]
        slope = (1.0 - exp(-k)) / k
        now = self.rate[currency] + self.near[currency]
        return self.terminal[currency] + (now - self.terminal[currency]) * slope

    def margin_rate(self, market: str, floor: dict[str, float]) -> float:
        """Prime brokers' initial margin."""
        return min(max(floor[market], 2.33 * sqrt(10.0) * self.vol[market]) * self.margin_factor, 1.0)


def value_usd(asset: str, price: dict[str, float]) -> float:
    """Dollars per unit of an asset (of an Australian dollar for AUDUSD)."""
    value = exp(price[asset])
    return value / exp(price["USDMXN"]) if asset == "EMBOND" else value


# -- carry funds and retail accounts ---------------------------------------------------------------------------------


@dataclass
class Fund:
    """One carry fund: units of five assets and net balances in dollars, yen and pesos."""

    p: Any
    weights: dict[str, float]
    leverage_open: float
    limit: float
    appetite_slack: float
    var_slack: float
    response: float
    horizon: float
    band: float
    stop: float
    units: dict[str, float]
    usd: float
    jpy: float
    mxn: float = 0.0
    confidence: float = 1.0
    stopped: bool = False
    peak: float = 0.0
    risk_open: float = 0.0
    scale: float = 0.0
    hurdle: float = 0.0
    calm: Screen | None = None
    plan: dict[str, float] = field(default_factory=dict)
    yen_plan: float = 0.0
    yen_with_assets: float = 0.0

    def start(self, screen: Screen) -> None:
        self.calm = screen
        self.peak = self.equity(screen.price)
        self.risk_open = self.risk(screen)
        carry = self.carry(screen)
        self.hurdle = min(carry - 1.0, self.p.hurdle_pct)
        self.scale = self.leverage_open * self.appetite_slack * self.risk_open / (carry - self.hurdle)

    def held(self, price: dict[str, float]) -> dict[str, float]:
        return {a: self.units[a] * value_usd(a, price) for a in ASSETS}

    def gross(self, price: dict[str, float]) -> float:
        return sum(max(v, 0.0) for v in self.held(price).values())

    def yen_debt(self, price: dict[str, float]) -> float:
        return -self.jpy / exp(price["USDJPY"])

    def equity(self, price: dict[str, float]) -> float:
        pesos = self.mxn / exp(price["USDMXN"])
        return sum(self.held(price).values()) + self.usd + pesos - self.yen_debt(price)

    def carry(self, screen: Screen) -> float:
        dollar = screen.one_year_rate("USD")
        earned = {
            "UST2": -100.0 * screen.price["UST2"] / DURATION["UST2"],
            "NASDAQ": dollar + self.p.equity_premium_pct,
            "EMBOND": -100.0 * screen.price["EMBOND"] / DURATION["EMBOND"],
            "AUDUSD": screen.one_year_rate("AUD"),
            "BTC": dollar + self.p.btc_premium_pct,
        }
        cost = screen.one_year_rate("JPY") + self.p.loan_spread_pct
        return sum(self.weights[a] * (earned[a] - cost) for a in ASSETS)

    def basket(self) -> dict[str, float]:
        out: dict[str, float] = {}
        for asset in ASSETS:
            for market, sign in EXPOSURE[asset].items():
                out[market] = out.get(market, 0.0) + self.weights[asset] * sign
        return out

    def risk(self, screen: Screen) -> float:
        variance = 0.0
        basket = self.basket()
        for m, x in basket.items():
            for n, y in basket.items():
                correlation = screen.covariance[m, n] / sqrt(screen.covariance[m, m] * screen.covariance[n, n])
                variance += x * y * correlation * screen.vol[m] * screen.vol[n]
        return sqrt(250.0 * variance)

    def wanted_leverage(self, screen: Screen) -> float:
        risk = self.risk(screen)
        appetite = self.scale * max(self.carry(screen) - self.hurdle, 0.0) / risk
        var = self.leverage_open * self.var_slack * self.risk_open / risk
        least = min(self.limit, appetite, var)
        days = round(self.horizon)
        loss = -sum(x * (screen.price[m] - screen.past[-1 - days][m]) for m, x in self.basket().items())
        sd = loss / (risk * sqrt(days / 250.0))
        p = self.p
        fade = (1.0 + exp(-p.trend_turn / p.trend_width)) / (1.0 + exp((sd - p.trend_turn) / p.trend_width))
        kept = (1.0 - p.trend_cut + p.trend_cut * fade) * self.confidence
        kept *= exp(-p.vix_response * max(screen.risk_aversion, 0.0))
        return min(least * kept, self.limit)

    def fear(self, screen: Screen) -> float:
        return max(screen.intervention_risk - self.calm.intervention_risk, 0.0)

    def pace(self, screen: Screen) -> float:
        return 1.0 - exp(-(1.0 + self.p.urgency * self.fear(screen)) / self.horizon)

    def plan_assets(self, screen: Screen, crowd: float) -> None:
        """What it would trade in every asset if markets were infinitely deep."""
        equity = max(self.equity(screen.price), 0.0)
        held, gross = self.held(screen.price), self.gross(screen.price)
        stop = self.stop / (1.0 + self.p.tightening_per_crowding * crowd)
        self.stopped = equity < (1.0 - min(stop, 0.9)) * self.peak
        self.plan = dict.fromkeys(ASSETS, 0.0)
        if self.stopped:
            return
        gap = self.wanted_leverage(screen) * equity - gross
        if abs(gap) <= self.band * max(gross, gross + gap):
            return
        for a in ASSETS:
            mix = self.weights[a] if gap > 0.0 else max(held[a], 0.0) / gross
            self.plan[a] = self.pace(screen) * gap * mix

    def plan_yen(self, screen: Screen, crowd: float) -> None:
        """Dollars bought for yen, given what it trades in assets."""
        equity, gross = max(self.equity(screen.price), 0.0), self.gross(screen.price)
        owed, debt = self.yen_debt(screen.price), gross - equity
        fear = self.fear(screen) + self.p.hike_weight * max(screen.hike_risk - self.calm.hike_risk, 0.0)
        wished = exp(-self.response * (1.0 + self.p.crowding_weight * crowd) * fear)
        share = min(max(owed / debt, 0.0), 1.5) if debt > 0.05 * gross else wished
        off = abs(wished - share) > self.p.yen_band
        if off:
            share += self.pace(screen) * (wished - share)
        traded = sum(self.plan.values())
        idle = not off and all(q == 0.0 for q in self.plan.values())
        self.yen_plan = 0.0 if idle else share * max(debt + traded, 0.0) - owed
        self.yen_with_assets = self.yen_plan if self.stopped else share * traded

    def trade(self, quote: dict[str, float], price: dict[str, float], plan: dict[str, float], yen: float) -> None:
        """Quantities are dollars at the quote; payment is at the price."""
        for a, q in plan.items():
            amount = q / value_usd(a, quote)
            self.units[a] += amount
            if a == "EMBOND":
                self.mxn -= amount * exp(price["EMBOND"])
                bought_with = q  # dollars sold for pesos at the quote
                self.usd -= bought_with
                self.mxn += bought_with * exp(price["USDMXN"])
            else:
                self.usd -= amount * exp(price[a])
        self.usd += yen
        self.jpy -= yen * exp(price["USDJPY"])

    def requirement(self, screen: Screen, price: dict[str, float], floor: dict[str, float]) -> float:
        total = 0.0
        for a, v in self.held(price).items():
            total += abs(v) * screen.margin_rate(a, floor)
        total += abs(self.jpy) / exp(price["USDJPY"]) * screen.margin_rate("USDJPY", floor)
        total += abs(self.mxn) / exp(price["USDMXN"]) * screen.margin_rate("USDMXN", floor)
        return total

    def meet_call(self, screen: Screen, price: dict[str, float], floor: dict[str, float]) -> bool:
        """One round: sell until the margin freed covers the call. Returns whether it was called."""
        initial, equity = self.requirement(screen, price, floor), self.equity(price)
        if not (initial > 0.0 and equity < 0.75 * initial):
            return False
        need, gross, owed = initial - equity, self.gross(price), self.yen_debt(price)
        debt = gross - max(equity, 0.0)
        share = min(max(owed / debt, 0.0), 1.0) if debt > 0.05 * gross else 1.0
        plan = dict.fromkeys(ASSETS, 0.0)
        for a in LIQUID_FIRST:
            freed = screen.margin_rate(a, floor) + share * screen.margin_rate("USDJPY", floor)
            plan[a] = -min(max(self.held(price)[a], 0.0), need / freed)
            need = max(need + plan[a] * freed, 0.0)
        yen = -min(share * -sum(plan.values()), max(owed, 0.0))
        self.trade(price, price, plan, yen)
        return True

    def close_day(self, price: dict[str, float]) -> None:
        equity = self.equity(price)
        if self.stopped:
            self.peak = equity
            self.confidence *= 1.0 - self.p.stop_cut
        else:
            self.peak = max(equity, equity + (self.peak - equity) * 0.5 ** (1.0 / self.p.peak_half_life_days))
            self.confidence = 1.0 - (1.0 - self.confidence) * 0.5 ** (1.0 / self.p.return_half_life_days)
        self.stopped = False


@dataclass
class RetailAccount:
    """One retail account: yen collateral and a dollar position by contract."""

    core: float
    response: float
    lookback: int
    leverage: float
    band: float
    dollars: float
    jpy: float
    plan: float = 0.0

    def equity(self, price: dict[str, float]) -> float:
        return self.jpy / exp(price["USDJPY"])

    def plan_trade(self, screen: Screen) -> None:
        closes = [day["USDJPY"] for day in screen.past[-self.lookback :]]
        gap = screen.price["USDJPY"] - sum(closes) / len(closes)
        most = min(2.0 * self.leverage, 25.0) * max(self.equity(screen.price), 0.0)
        target = min(max(self.core - self.response * gap, -most), most)
        self.plan = target - self.dollars if abs(target - self.dollars) > self.band else 0.0

    def mark(self, old: dict[str, float], new: dict[str, float]) -> None:
        self.jpy += self.dollars * (exp(new["USDJPY"]) - exp(old["USDJPY"]))

    def meet_call(self, screen: Screen, price: dict[str, float]) -> bool:
        legal = 0.04 * screen.margin_factor * abs(self.dollars)
        if not (legal > 0.0 and self.equity(price) < 0.75 * legal):
            return False
        self.dollars = 0.0
        return True


def thinned(plans: list[dict[str, float]], screen: Screen, share: float) -> None:
    """Scale everybody's plans in a market so that their sum moves it by at most ``share`` of a usual day."""
    for a in ASSETS:
        for market in (a, "USDMXN") if a == "EMBOND" else (a,):
            total = abs(sum(plan[a] for plan in plans))
            cap = share * screen.depth[market] * min(screen.vol[market], screen.calm_vol[market])
            for plan in plans:
                plan[a] *= min(1.0, cap / total) if total > 0.0 else 1.0


@dataclass
class CarryWorld:
    """All funds and retail accounts, day by day against given closes."""

    funds: list[Fund]
    retail: list[RetailAccount]
    floor: dict[str, float]
    p: Any
    owed_open: float

    def day(self, screen: Screen, close: dict[str, float]) -> None:
        self._trade_funds(screen, close)
        self._trade_retail(screen, close)
        for _ in range(6):
            called = [f.meet_call(screen, close, self.floor) for f in self.funds]
            called += [r.meet_call(screen, close) for r in self.retail]
            if not any(called):
                break
        for fund in self.funds:
            fund.close_day(close)

    def _trade_funds(self, screen: Screen, close: dict[str, float]) -> None:
        share = self.p.depth_share * (1.0 + self.p.urgency * self.funds[0].fear(screen))
        crowd = self.p.crowding * max(-sum(f.jpy for f in self.funds) / self.owed_open, 0.0)
        for fund in self.funds:
            fund.plan_assets(screen, crowd)
        thinned([f.plan for f in self.funds if not f.stopped], screen, share)
        for fund in self.funds:
            if fund.stopped:
                held = fund.held(screen.price)
                fund.plan = {a: -self.p.stop_cut * max(held[a], 0.0) for a in ASSETS}
            fund.plan_yen(screen, crowd)
        total = abs(sum(f.yen_plan - f.yen_with_assets for f in self.funds))
        cap = share * screen.depth["USDJPY"] * min(screen.vol["USDJPY"], screen.calm_vol["USDJPY"])
        kept = min(1.0, cap / total) if total > 0.0 else 1.0
        for fund in self.funds:
            yen = fund.yen_with_assets + kept * (fund.yen_plan - fund.yen_with_assets)
            fund.trade(screen.price, close, fund.plan, yen)

    def _trade_retail(self, screen: Screen, close: dict[str, float]) -> None:
        for account in self.retail:
            account.plan_trade(screen)
        total = abs(sum(r.plan for r in self.retail))
        cap = self.p.depth_share * screen.depth["USDJPY"] * min(screen.vol["USDJPY"], screen.calm_vol["USDJPY"])
        for account in self.retail:
            account.mark(screen.price, close)
            account.dollars += account.plan * (min(1.0, cap / total) if total > 0.0 else 1.0)


# -- crypto longs ----------------------------------------------------------------------------------------------------


@dataclass
class CryptoAccount:
    """One account on a derivatives exchange: dollars, yen debt and bitcoins by perpetual contract."""

    p: Any
    leverage: float
    maintenance: float
    budget: float
    lookback: int
    yen_funded: bool
    exit_rate: float
    entry_rate: float
    coins: float
    usd: float
    jpy: float
    entering: bool = False
    leaving: bool = False
    refilling: bool = False

    def equity(self, price: dict[str, float]) -> float:
        return self.usd + self.jpy / exp(price["USDJPY"])

    def notional(self, price: dict[str, float]) -> float:
        return self.coins * exp(price["BTC"])

    def gain(self, price: dict[str, float]) -> float:
        return self.equity(price) / (self.notional(price) / self.leverage) - 1.0

    def receive_collateral(self, price: dict[str, float]) -> None:
        if self.entering:
            self.usd += self.budget / self.leverage - self.equity(price)
        elif self.refilling:
            self.usd += max(self.notional(price) / self.leverage - self.equity(price), 0.0)

    def trade(self, quote: dict[str, float], close: dict[str, float]) -> None:
        """The perpetual is marked to the close first; then the planned trade is done there."""
        leaving = self.coins if self.leaving else 0.0
        back = min(-self.jpy / exp(quote["USDJPY"]), max(self.usd, 0.0)) if self.leaving else 0.0
        self.usd += self.coins * (exp(close["BTC"]) - exp(quote["BTC"]))
        self.coins -= leaving
        borrowed = 0.0
        if self.entering:
            self.coins += self.budget / exp(quote["BTC"])
            borrowed = self.p.yen_loan_to_equity * self.budget / self.leverage if self.yen_funded else 0.0
        self.usd += borrowed - back
        self.jpy -= (borrowed - back) * exp(close["USDJPY"])

    def liquidated(self, price: dict[str, float]) -> bool:
        if not (self.coins > 0.0 and self.equity(price) < self.maintenance * self.notional(price)):
            return False
        back = min(-self.jpy / exp(price["USDJPY"]), max(self.usd, 0.0))
        self.coins = 0.0
        self.usd -= back
        self.jpy += back * exp(price["USDJPY"])
        return True


@dataclass
class CryptoWorld:
    """All accounts, day by day against given closes; ``luck`` gives the draw of each account and day."""

    accounts: list[CryptoAccount]
    p: Any
    funding: float
    coins_open: float

    def day(self, screen: Screen, close: dict[str, float], luck: list[float]) -> None:
        for account in self.accounts:
            account.receive_collateral(screen.price)
        for account in self.accounts:
            account.trade(screen.price, close)
        for _ in range(6):
            if not any([a.liquidated(close) for a in self.accounts]):
                break
        trends = [self.trend(screen, close, days) for days in range(10, 21)]
        crowding = max(log(sum(a.coins for a in self.accounts) / self.coins_open), -3.0)
        self.funding = self.p.funding_pct + self.p.funding_per_crowding * crowding
        self.funding += self.p.funding_per_trend * sum(trends) / len(trends)
        self.plan(screen, close, luck)

    @staticmethod
    def trend(screen: Screen, price: dict[str, float], days: int) -> float:
        return (price["BTC"] - screen.past[-1 - days]["BTC"]) / (screen.vol["BTC"] * sqrt(days))

    def strong_yen(self, screen: Screen, price: dict[str, float]) -> float:
        rise = screen.past[-21]["USDJPY"] - price["USDJPY"]
        return self.p.yen_response * max(rise, 0.0) / (screen.vol["USDJPY"] * sqrt(20.0))

    def chance(self, account: CryptoAccount, screen: Screen, price: dict[str, float]) -> float:
        """Of closing the position tomorrow, or of opening one."""
        yen = exp(self.strong_yen(screen, price)) if account.yen_funded else 1.0
        if account.coins > 0.0:
            gain = min(max(account.gain(price), 0.0), self.p.most_gain)
            return -expm1(-account.exit_rate * yen * (1.0 + self.p.profit_taking * gain))
        rate = self.p.entry_per_trend * self.trend(screen, price, account.lookback)
        rate -= self.p.entry_per_funding * (self.funding - self.p.funding_pct)
        rate -= self.p.entry_per_volatility * log2(max(screen.vol["BTC"] / screen.calm_vol["BTC"], 1.0))
        return -expm1(-account.entry_rate / yen * exp(min(rate, 1.5)))

    def plan(self, screen: Screen, price: dict[str, float], luck: list[float]) -> None:
        chances = [self.chance(a, screen, price) for a in self.accounts]
        cap = self.p.depth_share * screen.depth["BTC"] * screen.vol["BTC"]
        flow_in = sum(c * a.budget for a, c in zip(self.accounts, chances, strict=True) if a.coins <= 0.0)
        flow_out = sum(c * a.notional(price) for a, c in zip(self.accounts, chances, strict=True) if a.coins > 0.0)
        keep_in = min(1.0, (flow_out + cap) / flow_in) if flow_in > 0.0 else 1.0
        keep_out = min(1.0, (flow_in + cap) / flow_out) if flow_out > 0.0 else 1.0
        for account, chance, draw in zip(self.accounts, chances, luck, strict=True):
            held = account.coins > 0.0
            account.entering = not held and draw < keep_in * chance
            account.leaving = held and draw < keep_out * chance
            account.refilling = held and account.gain(price) < -0.5 and draw > 1.0 - self.p.top_up_chance
