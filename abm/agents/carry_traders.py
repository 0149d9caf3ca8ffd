"""Carry traders: funds that borrow yen to own what pays more, and retail traders who lean against moves of USDJPY."""

from typing import Any, ClassVar, Final, NamedTuple

import mesa
import numpy as np
from numba import njit
from pydantic import model_validator

from abm.agents.base import Opening, Params, Sector, depth_factor, par
from abm.world.economy import DAYS_PER_YEAR, ONE_YEAR, Public
from abm.world.instruments import AUD, COST_BP, INDEX, JPY, N_MARKETS, QUOTE_CCY, USD, USDJPY, fx_legs, indices
from abm.world.margin import BROKER, RETAIL_FX_RATE
from abm.world.orders import ORDER, REASON, join, no_orders, post, write_order
from abm.world.streams import Streams
from abm.world.view import View

ASSETS: Final = indices("UST2", "NASDAQ", "EMBOND", "AUDUSD", "BTC")  # AUDUSD stands for Australian dollars on deposit
UST2, NASDAQ, EMBOND, AUD_CASH, BITCOIN = range(5)
USDMXN: Final = INDEX["USDMXN"]
LIQUID_FIRST: Final = np.argsort(COST_BP[ASSETS], kind="stable")
LOOKBACKS: Final = np.arange(20, 61)  # days of the retail traders' moving averages
DUST_USD_BN: Final = 1e-12  # a tenth of a cent: what rounding leaves of a closed position is not traded
CARRY, CARRY_UNWIND, RISK_LIMIT, STOP_LOSS = (REASON[r] for r in ("carry", "carry_unwind", "risk_limit", "stop_loss"))


class CarryParams(Params):
    """Parameters of carry funds and retail traders."""

    members: int = par(5000, "institutions", "SOURCES.md 8", "funds and retail accounts", 1, 200_000)
    fund_share: float = par(0.1, "share", "SOURCES.md 8: 500 of 5,000", "share of members that are funds", 0, 1)
    gross_usd_bn: float = par(150, "USD bn", "SOURCES.md 6; July 2024: 250", "assets of the funds on day 0", 0, 5000)
    leverage_median: float = par(5, "x equity", "SOURCES.md 3 (5-10) [L]", "median leverage on day 0", 1.5, 60)
    leverage_sigma: float = par(0.3, "log", "[L]", "dispersion of leverage among funds", 0, 1.5)
    leverage_most: float = par(8, "x equity", "SOURCES.md 3 (5-10) [L]", "highest leverage on day 0", 1.5, 80)
    size_sigma: float = par(1.0, "log", "[L]", "dispersion of sizes", 0, 2.5)
    weight_ust2: float = par(0.30, "share", "[L]", "of gross in two-year Treasuries", 0, 1)
    weight_nasdaq: float = par(0.20, "share", "[L]", "of gross in the Nasdaq", 0, 1)
    weight_embond: float = par(0.20, "share", "[L]", "of gross in emerging-market bonds", 0, 1)
    weight_aud: float = par(0.28, "share", "[L]", "of gross in Australian dollars", 0, 1)
    weight_btc: float = par(0.02, "share", "[L]", "of gross in bitcoin", 0, 1)
    weight_sigma: float = par(0.5, "log", "[L]", "dispersion of weights among funds", 0, 2)
    equity_premium_pct: float = par(4.0, "% a year", "[mem]", "expected return of equities above cash", 0, 15)
    btc_premium_pct: float = par(8.0, "% a year", "[L]", "expected return of bitcoin above cash", 0, 40)
    loan_spread_pct: float = par(
        0.5, "% a year", "SOURCES.md 3, banks", "charge over the policy rate that funds reckon with", 0, 5
    )
    hurdle_pct: float = par(
        2.0,
        "% a year",
        "[L]",
        "carry that pays only for costs and the yen's expected rise; at most 1 pp below day 0",
        0,
        10,
    )
    slack_sigma: float = par(0.5, "log", "[L]", "room between the limit that binds on day 0 and the other two", 0, 2)
    trend_cut: float = par(0.3, "share", "[L]", "most of its leverage that a fund gives up to a trend", 0, 1)
    trend_turn: float = par(
        2.0, "sd", "[L]", "loss of the basket over the fund's horizon at which half of that is gone", 0, 5
    )
    trend_width: float = par(0.6, "sd", "[L]", "width of that reaction", 0.05, 5)
    vix_response: float = par(
        0.15,
        "log per sd",
        "Brunnermeier, Nagel and Pedersen (2008) [L]",
        "leverage given up as risk aversion rises",
        0,
        1,
    )
    crowding: float = par(
        0.25, "share of July 2024", "SOURCES.md 1 (CFTC 45k of 184k)", "how crowded yen shorts are on day 0", 0, 3
    )
    intervention_response: float = par(
        0.3,
        "log",
        "SOURCES.md 3; set on the checks and operations of 2022-26 [L]",
        "yen debt repaid in fear",
        0,
        10,
    )
    crowding_weight: float = par(0.7, "per crowding", "[L]", "rise of that response with crowding", 0, 10)
    hike_weight: float = par(0.3, "share", "[L]", "weight of a feared rate rise against a feared operation", 0, 5)
    response_sigma: float = par(0.4, "log", "[L]", "dispersion of that response among funds", 0, 2)
    urgency: float = par(1.5, "per unit of risk", "[L]", "speed added as an operation is feared", 0, 50)
    horizon_low_days: float = par(3, "days", "SOURCES.md 3 (3-20)", "fastest adjustment", 1, 60)
    horizon_high_days: float = par(20, "days", "SOURCES.md 3 (3-20)", "slowest adjustment", 1, 60)
    band_low: float = par(0.08, "share of position", "[L]", "narrowest no-trade band", 0, 1)
    band_high: float = par(0.25, "share of position", "[L]", "widest no-trade band", 0, 1)
    yen_band: float = par(0.05, "share of debt", "[L]", "no-trade band of the yen share of the debt", 0, 1)
    depth_share: float = par(0.5, "of a usual day's move", "SOURCES.md 8", "most a discretionary flow moves", 0, 5)
    tightening_per_crowding: float = par(
        0.7,
        "per crowding",
        "Brunnermeier, Nagel and Pedersen (2008) [L]",
        "how much tighter stops are in a crowded trade",
        0,
        20,
    )
    stop_low: float = par(
        0.05, "share of position", "SOURCES.md 3: 3-5 % where crowded", "tightest stop, uncrowded", 0.005, 1
    )
    stop_high: float = par(0.09, "share of position", "SOURCES.md 3 [L]", "widest stop, uncrowded", 0.005, 1)
    stop_cut: float = par(0.4, "share of position", "[L]", "closed when the stop is hit", 0, 1)
    peak_half_life_days: float = par(
        40, "days", "[L]", "memory of the best equity that losses are counted from", 1, 500
    )
    return_half_life_days: float = par(20, "days", "[L]", "return of confidence after a stop", 1, 1000)
    retail_long_usd_bn: float = par(30, "USD bn", "SOURCES.md 1 (FFAJ)", "retail dollars bought", 0, 1000)
    retail_short_usd_bn: float = par(30, "USD bn", "SOURCES.md 1 (FFAJ)", "retail dollars sold", 0, 1000)
    retail_leverage_median: float = par(4, "x equity", "[mem]", "median leverage of retail accounts", 1, 25)
    retail_leverage_sigma: float = par(0.5, "log", "[L]", "dispersion of that leverage", 0, 1.5)
    retail_response_usd_bn_per_pct: float = par(
        2.0,
        "USD bn per % of USDJPY",
        "FFAJ monthly positions [L]",
        "retail purchases as the dollar falls short of its average",
        0,
        50,
    )
    retail_band_low_pct: float = par(1.0, "% of price", "[L]", "narrowest no-trade band", 0, 20)
    retail_band_high_pct: float = par(3.0, "% of price", "[L]", "widest no-trade band", 0, 20)

    @model_validator(mode="after")
    def _some_weight(self) -> "CarryParams":
        total = self.weight_ust2 + self.weight_nasdaq + self.weight_embond + self.weight_aud + self.weight_btc
        if total <= 0.0:
            raise ValueError(
                "all five weights of the carry funds are 0; set at least one of weight_ust2 ... weight_btc"
            )
        return self

    @property
    def weights(self) -> np.ndarray:
        """Shares of gross in the order of ASSETS, adding up to one."""
        weight = np.array([self.weight_ust2, self.weight_nasdaq, self.weight_embond, self.weight_aud, self.weight_btc])
        return np.asarray(weight / weight.sum())


def _exposures(funding: int) -> np.ndarray:
    """(assets, markets): log-price changes that a position of one, paid for in the funding currency, earns."""
    out = np.zeros((ASSETS.size, N_MARKETS))
    for k, market in enumerate(ASSETS):
        out[k, market] = 1.0
        for pair, sign in fx_legs(funding, int(QUOTE_CCY[market])):
            out[k, pair] += sign
    return out


EXPOSURES: Final = {currency: _exposures(currency) for currency in (JPY, USD)}
((_, PESOS_BOUGHT),) = fx_legs(USD, int(QUOTE_CCY[ASSETS[EMBOND]]))  # sign of the trade in USDMXN


# -- rules ---------------------------------------------------------------------------------------------------------


def carry_pct(view: View, params: CarryParams, funding: int) -> np.ndarray:
    """Expected return of every asset less the cost of its funding, % a year, (assets,), at unchanged prices.

    Bonds earn their yield; Australian dollars, equities and bitcoin the expected one-year policy rate, the last two
    a premium on top. Funding costs the expected one-year policy rate plus the broker's spread.
    """
    rate = view.public.average_rate_pct[:, ONE_YEAR]
    earned = np.array([
        view.level[ASSETS[UST2]],
        rate[USD] + params.equity_premium_pct,
        view.level[ASSETS[EMBOND]],
        rate[AUD],
        rate[USD] + params.btc_premium_pct,
    ])  # fmt: skip
    return np.asarray(earned - rate[funding] - params.loan_spread_pct)


def basket_volatility(weights: np.ndarray, view: View, funding: int) -> np.ndarray:
    """Annual volatility of every basket in its funding currency, sqrt(250 w' T S T' w), (funds,).

    S: running correlations with the volatilities sigma20 (20-day half-life) that brokers and funds quote.
    """
    exposure = EXPOSURES[funding] * (view.vol / np.sqrt(view.covariance.diagonal()))
    return _annual_sd(weights, weights @ (exposure @ view.covariance @ exposure.T))


@njit(cache=True)
def _annual_sd(weights: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """sqrt(250 sum_k w_k cov(basket, k)), (funds,); weights, covariance with the basket: (funds, assets)."""
    out = np.empty(weights.shape[0])
    for i in range(out.size):
        variance = 0.0
        for k in range(weights.shape[1]):
            variance += covariance[i, k] * weights[i, k]
        out[i] = np.sqrt(DAYS_PER_YEAR * variance)
    return out


@njit(cache=True)
def changes_by_lookback(
    log_price: np.ndarray, history: np.ndarray, exposures: np.ndarray, lookback_days: np.ndarray
) -> np.ndarray:
    """Log change of every asset in the funding currency over 0, 1 ... days, (days, assets), as far as any fund looks.

    exposures: (assets, markets). lookback_days: (funds,).
    """
    most = lookback_days.max()
    if most >= history.shape[0]:
        raise IndexError("a fund looks back further than the history of prices")
    out = np.zeros((most + 1, exposures.shape[0]))
    for days in range(most + 1):
        then = history[history.shape[0] - 1 - days]
        for k in range(exposures.shape[0]):
            for m in range(log_price.size):
                out[days, k] += exposures[k, m] * (log_price[m] - then[m])
    return out


@njit(cache=True)
def trend_factor(loss_sd: Any, turn: float, width: float, cut: float) -> Any:
    """Share of leverage kept after a loss of so many standard deviations: from one at none to 1 - cut."""
    logistic = (1.0 + np.exp(-turn / width)) / (1.0 + np.exp((loss_sd - turn) / width))
    return 1.0 - cut + cut * logistic


@njit(cache=True, error_model="numpy")
def wanted_leverage(
    risk: np.ndarray, carry_pct: np.ndarray, weights: np.ndarray, change: np.ndarray,
    scale: np.ndarray, hurdle_pct: np.ndarray, leverage_open: np.ndarray, var_slack: np.ndarray,
    risk_open: np.ndarray, own_limit: np.ndarray, lookback_days: np.ndarray, confidence: np.ndarray,
    composure: float, turn: float, width: float, cut: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """min(own limit, scale (carry - hurdle) / risk, VaR limit) x trend factor x confidence x composure, (funds,).

    VaR limit: leverage and room on day 0 x risk on day 0 / risk. Trend: loss of the basket over the fund's lookback in
    standard deviations. Second, whether the VaR limit binds. weights: (funds, assets); change: `changes_by_lookback`;
    all other arrays: (funds,).
    """
    wanted, at_var = np.empty(risk.size), np.empty(risk.size, dtype=np.bool_)
    for i in range(risk.size):
        appetite = scale[i] * max(carry_pct[i] - hurdle_pct[i], 0.0) / risk[i]
        var_limit = leverage_open[i] * var_slack[i] * risk_open[i] / risk[i]
        least = min(own_limit[i], appetite, var_limit)
        days, gain = lookback_days[i], 0.0
        for k in range(weights.shape[1]):
            gain += weights[i, k] * change[days, k]
        loss_sd = -gain / (risk[i] * np.sqrt(days / DAYS_PER_YEAR))
        kept = trend_factor(loss_sd, turn, width, cut) * confidence[i] * composure
        wanted[i], at_var[i] = min(least * kept, own_limit[i]), var_limit <= least
    return wanted, at_var


def fear_of_authorities(public: Public, calm: Public, hike_weight: float) -> float:
    """Rise since day 0 of perceived intervention risk plus ``hike_weight`` times that of perceived hike risk.

    Fear of the authorities is fear for one currency: the debt is moved into dollars, the assets stay.
    """
    operation = max(public.intervention_risk - calm.intervention_risk, 0.0)
    return float(operation + hike_weight * max(public.hike_risk - calm.hike_risk, 0.0))


def sell_most_liquid_first(held: np.ndarray, freed: np.ndarray, need: np.ndarray) -> np.ndarray:
    """Sales (members, assets), USD bn >= 0, in the order of trading costs until margin worth ``need`` is freed.

    held: (members, assets) USD bn. freed: (members, assets) margin freed per USD sold.
    """
    sold = np.zeros_like(held)
    left = need.copy()
    for k in LIQUID_FIRST:
        sold[:, k] = np.minimum(np.maximum(held[:, k], 0.0), left / freed[:, k])
        left = np.maximum(left - sold[:, k] * freed[:, k], 0.0)
    return sold


@njit(cache=True)
def asset_positions(
    rows: np.ndarray, units: np.ndarray, cash: np.ndarray, loans: np.ndarray, log_price: np.ndarray
) -> np.ndarray:
    """Positions in the order of ASSETS, USD bn, (rows, assets): units at their prices, Australian dollars less loans.

    units, cash, loans, log_price: tables of the sector's book and the prices, of which ``rows`` are looked at.
    """
    value, held = np.exp(log_price[ASSETS]), np.empty((rows.size, ASSETS.size))
    value[EMBOND] /= np.exp(log_price[USDMXN])
    for i, row in enumerate(rows):
        for k in range(ASSETS.size):
            held[i, k] = units[row, ASSETS[k]] * value[k]
        held[i, AUD_CASH] = (cash[row, AUD] - loans[row, AUD]) * value[AUD_CASH]
    return held


@njit(cache=True)
def yen_owed(rows: np.ndarray, cash: np.ndarray, loans: np.ndarray, log_price: np.ndarray) -> np.ndarray:
    """Yen owed less yen owned, USD bn, (rows,)."""
    out, usd_per_yen = np.empty(rows.size), np.exp(-log_price[USDJPY])
    for i, row in enumerate(rows):
        out[i] = (loans[row, JPY] - cash[row, JPY]) * usd_per_yen
    return out


class _Books(NamedTuple):
    """What some funds own and owe at the quote, USD bn: rows of the sector, held (funds, assets), the rest (funds,).

    equity: not below zero. yen_debt: yen owed less yen owned.
    """

    rows: np.ndarray
    held: np.ndarray
    gross: np.ndarray
    equity: np.ndarray
    yen_debt: np.ndarray


@njit(cache=True)
def _fund_books(
    rows: np.ndarray, units: np.ndarray, cash: np.ndarray, loans: np.ndarray, log_price: np.ndarray, equity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `_Books` says after the rows; what a rounded sale leaves below zero does not count."""
    held, gross, own = asset_positions(rows, units, cash, loans, log_price), np.zeros(rows.size), np.empty(rows.size)
    for i, row in enumerate(rows):
        for k in range(held.shape[1]):
            held[i, k] = max(held[i, k], 0.0)
            gross[i] += held[i, k]
        own[i] = max(equity[row], 0.0)
    return held, gross, own, yen_owed(rows, cash, loans, log_price)


@njit(cache=True)
def stops_hit(equity: np.ndarray, peak: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Whether equity is below (1 - stop) x the best equity remembered, flags (funds,); a stop is at most 0.9."""
    hit = np.empty(equity.size, dtype=np.bool_)
    for i in range(hit.size):
        hit[i] = equity[i] < (1.0 - min(stop[i], 0.9)) * peak[i]
    return hit


@njit(cache=True)
def trades_to_wanted_leverage(
    held: np.ndarray, gross: np.ndarray, equity: np.ndarray, wanted: np.ndarray,
    stopped: np.ndarray, weights: np.ndarray, band: np.ndarray, horizon_days: np.ndarray, haste: float,
) -> tuple[np.ndarray, bool]:  # fmt: skip
    """(1 - exp(-haste / horizon)) x (wanted x equity - gross), USD bn, (funds, assets), and whether anybody trades.

    Each day this part of the gap, by policy weights upwards, pro rata to holdings downwards. Funds inside their band or
    at their stop do nothing. held, weights: (funds, assets); all other arrays: (funds,).
    """
    trade, anybody = np.zeros(held.shape), False
    for i in range(gross.size):
        gap = wanted[i] * equity[i] - gross[i]
        if stopped[i] or not abs(gap) > band[i] * max(gross[i], gross[i] + gap):
            continue
        anybody = True
        gap *= -np.expm1(-haste / horizon_days[i])
        for k in range(held.shape[1]):
            trade[i, k] = gap * (weights[i, k] if gap > 0.0 else held[i, k] / max(gross[i], 1e-300))
    return trade, anybody


@njit(cache=True)
def yen_part_of_debt(debt: float, gross: float, yen_debt: float, unlevered: float) -> float:
    """Part of a fund's debt that is in yen, 0 to 1.5; ``unlevered`` where there is hardly any debt."""
    return min(max(yen_debt / debt, 0.0), 1.5) if debt > 0.05 * gross else unlevered


@njit(cache=True)
def yen_trades(
    gross: np.ndarray, equity: np.ndarray, yen_debt: np.ndarray, trade: np.ndarray,
    stopped: np.ndarray, response: np.ndarray, horizon_days: np.ndarray, fear: float, haste: float, band: float,
) -> tuple[np.ndarray, np.ndarray, bool]:  # fmt: skip
    """Dollars bought for yen, USD bn, (funds,): with the assets traded, by choice, and whether anybody chooses to.

    Yen debt goes to share x (assets after trading - equity). The share moves towards the one wished for,
    exp(-response x fear), at the fund's pace 1 - exp(-haste / horizon) once it is out of its ``band``. Debt that assets
    sold no longer need is repaid with them: nobody keeps a short without its asset. trade: (funds, assets); all other
    arrays: (funds,).
    """
    with_assets, chosen, anybody = np.zeros(gross.size), np.zeros(gross.size), False
    for i in range(gross.size):
        wished = np.exp(-response[i] * fear)
        debt = gross[i] - equity[i]
        share = yen_part_of_debt(debt, gross[i], yen_debt[i], wished)
        off = abs(wished - share) > band
        if off:
            share += -np.expm1(-haste / horizon_days[i]) * (wished - share)
        traded = trade[i].sum()
        yen = share * max(debt + traded, 0.0) - yen_debt[i] if off or trade[i].any() else 0.0
        with_assets[i] = yen if stopped[i] else share * traded
        chosen[i] = yen - with_assets[i]
        anybody |= chosen[i] != 0.0
    return with_assets, chosen, anybody


@njit(cache=True)
def reasons(trade: np.ndarray, yen: np.ndarray, at_var: np.ndarray, stopped: np.ndarray) -> np.ndarray:
    """Why a fund trades, (funds,): its stop; a larger carry position; a smaller one, under its VaR limit or not."""
    out = np.empty(yen.size, dtype=np.int32)
    for i in range(yen.size):
        sold = trade[i].sum()
        if stopped[i]:
            out[i] = STOP_LOSS
        elif sold + yen[i] > 0.0:
            out[i] = CARRY
        else:
            out[i] = RISK_LIMIT if at_var[i] and sold < 0.0 else CARRY_UNWIND
    return out


@njit(cache=True)
def flow_of_a_day(share: float, depth: float, vol: float, calm_vol: float) -> float:
    """Flow that moves a market by a share of a usual day, a calm one at most, so that flows of choice queue in a storm.

    Depth is yesterday's; measured in days of running volatility, orders would grow as depth is about to vanish.
    """
    return share * min(1.0, calm_vol / vol) * depth * vol


@njit(cache=True)
def keep_within_depth(
    trade: np.ndarray, share: float, depth: np.ndarray, vol: np.ndarray, calm_vol: np.ndarray
) -> None:
    """Scale trades (funds, assets) in place so that the funds move no market by more than a share of a calm day."""
    for k in range(trade.shape[1]):
        total, m = 0.0, ASSETS[k]
        for i in range(trade.shape[0]):
            total += trade[i, k]
        trade[:, k] *= depth_factor(total, flow_of_a_day(share, depth[m], vol[m], calm_vol[m]))


@njit(cache=True)
def write_fund_orders(
    out: np.ndarray, rows: np.ndarray, held: np.ndarray, trade: np.ndarray, yen: np.ndarray, reason: np.ndarray
) -> int:
    """Write all trades but dust: assets against dollars, at most what is held sold, then dollars against yen."""
    n = 0
    for i, member in enumerate(rows):
        for k in range(trade.shape[1]):
            if abs(trade[i, k]) > DUST_USD_BN:
                write_order(out[n], member, ASSETS[k], reason[i], trade[i, k], 0.0, -held[i, k], np.inf, False)
                if k == EMBOND:
                    out[n].fx1, out[n].sign1 = USDMXN, PESOS_BOUGHT
                n += 1
    for i, member in enumerate(rows):
        if abs(yen[i]) > DUST_USD_BN:
            write_order(out[n], member, USDJPY, reason[i], yen[i], 0.0, -np.inf, np.inf, False)
            n += 1
    return n


@njit(cache=True)
def yen_shares(gross: np.ndarray, equity: np.ndarray, yen_debt: np.ndarray) -> np.ndarray:
    """Part of the debt of called funds that is in yen, 0 to 1, (funds,)."""
    out = np.empty(gross.size)
    for i in range(out.size):
        out[i] = min(yen_part_of_debt(gross[i] - equity[i], gross[i], yen_debt[i], 1.0), 1.0)
    return out


@njit(cache=True)
def retail_trades(
    is_fund: np.ndarray, core_usd_bn: np.ndarray, response_usd_bn: np.ndarray, band_usd_bn: np.ndarray,
    leverage: np.ndarray, lookback_days: np.ndarray, dollars: np.ndarray, equity: np.ndarray,
    log_price: float, closes: np.ndarray, value_usd: float,
) -> np.ndarray:  # fmt: skip
    """Dollars that retail accounts buy by contract, USD bn, (members,); 0 for funds.

    An account leans against the gap of price and moving average: it trades to clip(core - response x gap, -most, most)
    once it is more than its band away from it. most: twice its usual leverage, at most the legal one, times equity.
    log_price, closes (days,), value_usd: of USDJPY; dollars: contracts held; equity: USD bn; all else columns.
    """
    average, total = np.empty(LOOKBACKS[-1] + 1), 0.0
    for days in range(1, average.size):
        total += closes[closes.size - days]
        average[days] = total / days
    trade = np.zeros(is_fund.size)
    for i in range(trade.size):
        if is_fund[i]:
            continue
        most = min(2.0 * leverage[i], 1.0 / RETAIL_FX_RATE) * max(equity[i], 0.0)
        target = core_usd_bn[i] - response_usd_bn[i] * (log_price - average[lookback_days[i]])
        gap = min(max(target, -most), most) - dollars[i] * value_usd
        if abs(gap) > band_usd_bn[i]:
            trade[i] = gap
    return trade


@njit(cache=True)
def margin_calls(
    is_fund: np.ndarray, initial: np.ndarray, dollars: np.ndarray, value_usd: float, legal: float,
    equity: np.ndarray, maintenance_share: float,
) -> np.ndarray:  # fmt: skip
    """What called accounts lack to their initial margin, USD bn, (members,); 0 where none is called.

    Called: equity below ``maintenance_share`` x initial margin. That is ``initial`` for a fund and ``legal`` x notional
    of the dollars held by contract for a retail account.
    """
    need = np.zeros(is_fund.size)
    for i in range(need.size):
        notional = abs(dollars[i]) * value_usd
        margin = initial[i] if is_fund[i] else legal * notional if notional > DUST_USD_BN else 0.0
        if margin > 0.0 and equity[i] < maintenance_share * margin:
            need[i] = margin - equity[i]
    return need


@njit(cache=True)
def after_the_close(
    equity: np.ndarray, peak: np.ndarray, confidence: np.ndarray, stopped: np.ndarray,
    peak_kept: float, doubt_kept: float, left_by_stop: float,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Best equity remembered, USD bn, and confidence after a day, (funds,) each.

    The gap to the best equity shrinks to ``peak_kept`` of it, what lacks to full confidence to ``doubt_kept``; a stop
    makes today's equity the one to remember and leaves ``left_by_stop`` of confidence.
    """
    peak, confidence = peak.copy(), confidence.copy()
    for i in range(equity.size):
        if stopped[i]:
            peak[i], confidence[i] = equity[i], left_by_stop * confidence[i]
        else:
            peak[i] = max(equity[i], equity[i] + (peak[i] - equity[i]) * peak_kept)
            confidence[i] = 1.0 - (1.0 - confidence[i]) * doubt_kept
    return peak, confidence


# -- the sector ----------------------------------------------------------------------------------------------------


class CarryTraders(Sector):
    """Funds and retail accounts in one sector.

    funds: who of the members is a fund. Columns of the funds, in that order: gross_open, weights (assets,),
    leverage_open, leverage_limit: the fund on day 0 and its own limit; appetite_slack, var_slack: room under the other
    two limits; response, horizon_days, band, stop: reactions of the fund; peak_usd_bn, confidence: best equity
    remembered and share of leverage dared since the last stop; scale, risk_open, carry_open, hurdle_pct: set on day 0;
    lookback_days: of its trend, as long as its horizon; stopped: hit its stop today. yen_open: what all funds owed
    on day 0. Of all members: is_fund; retail_lookback_days, core_usd_bn, response_usd_bn, retail_leverage,
    retail_band_usd_bn: the retail account.
    """

    id = "carry_traders"
    Params: ClassVar[type[Params]] = CarryParams
    rules = ("carry_positions", "retail_fx", "yen_carry_funding")
    home = USD
    lender = "banks"

    def __init__(self, model: mesa.Model, params: Any, streams: Streams) -> None:
        super().__init__(model, params, streams)
        self.margin = BROKER
        self.loan_spread_pct = params.loan_spread_pct
        self.funds = np.arange(max(1, round(params.fund_share * self.n)))
        self.is_fund = np.arange(self.n) < self.funds.size
        self._draw_funds(params, streams)
        self._draw_retail(params, streams)

    def _draw_funds(self, p: CarryParams, streams: Streams) -> None:
        def z(purpose: str, *columns: int) -> np.ndarray:
            return streams.on(self.id, purpose).standard_normal((self.funds.size, *columns))

        size = np.exp(p.size_sigma * z("size"))
        tilt = p.weights * np.exp(p.weight_sigma * z("weights", ASSETS.size))
        held = size[:, None] * tilt / tilt.sum(axis=1, keepdims=True)
        held *= p.gross_usd_bn * p.weights / np.maximum(held.sum(axis=0), 1e-300)
        self.gross_open = held.sum(axis=1)
        gross = self.gross_open[:, None]
        self.weights = tilt / tilt.sum(axis=1, keepdims=True)  # of funds that open with nothing
        np.divide(held, gross, out=self.weights, where=gross > 0.0)
        leverage = p.leverage_median * np.exp(p.leverage_sigma * z("leverage"))
        self.leverage_open = np.clip(leverage, 1.5, max(p.leverage_most, p.leverage_median))
        slack = np.exp(p.slack_sigma * np.abs(z("slack", 3)))
        own_slack, self.appetite_slack, self.var_slack = np.ascontiguousarray(slack.T) / slack.min(axis=1)
        self.leverage_limit = self.leverage_open * own_slack
        self.response = p.intervention_response * np.exp(p.response_sigma * z("response"))
        u = streams.on(self.id, "reactions").random((self.funds.size, 3))
        self.horizon_days = p.horizon_low_days * (p.horizon_high_days / p.horizon_low_days) ** u[:, 0]
        self.lookback_days = np.rint(self.horizon_days).astype(np.int64)
        self.band = p.band_low + (p.band_high - p.band_low) * u[:, 1]
        stop = p.stop_low + (p.stop_high - p.stop_low) * u[:, 2]
        self.stop = stop * self.leverage_open
        self.confidence = np.ones(self.funds.size)
        self.stopped = np.zeros(self.funds.size, dtype=bool)

    def _draw_retail(self, p: CarryParams, streams: Streams) -> None:
        u = streams.on(self.id, "retail").random((self.n, 3))
        z = streams.on(self.id, "retail_size").standard_normal((self.n, 2))
        size = np.where(self.is_fund, 0.0, np.exp(p.size_sigma * z[:, 0]))
        size /= max(size.sum(), 1e-300)
        longs, shorts = np.where(u[:, 0] < 0.5, size, 0.0), np.where(u[:, 0] < 0.5, 0.0, size)
        self.core_usd_bn = p.retail_long_usd_bn * longs / max(longs.sum(), 1e-300)
        self.core_usd_bn -= p.retail_short_usd_bn * shorts / max(shorts.sum(), 1e-300)
        leverage = p.retail_leverage_median * np.exp(p.retail_leverage_sigma * z[:, 1])
        self.retail_leverage = np.clip(leverage, 1.0, 0.8 / RETAIL_FX_RATE)
        self.response_usd_bn = 100.0 * p.retail_response_usd_bn_per_pct * size
        self.retail_lookback_days = LOOKBACKS[0].astype(np.int16) + (u[:, 1] * LOOKBACKS.size).astype(np.int16)
        band_pct = p.retail_band_low_pct + (p.retail_band_high_pct - p.retail_band_low_pct) * u[:, 2]
        self.retail_band_usd_bn = self.response_usd_bn * band_pct / 100.0

    # -- day 0 -------------------------------------------------------------------------------------------------------

    def opening(self, holdings_usd_bn: np.ndarray, view: View) -> Opening:
        """Funds own their baskets against yen (or dollar) loans of gross less equity; retail is long and short USDJPY.

        The state's holdings are not used: totals follow from gross_usd_bn and the weights.
        """
        book, funds = Opening.empty(self.n), self.funds
        held = self.gross_open[:, None] * self.weights
        for k, market in enumerate(ASSETS):
            if k != AUD_CASH:
                book.units_usd_bn[funds, market] = held[:, k]
        book.cash_usd_bn[funds, AUD] = held[:, AUD_CASH]
        book.loans_usd_bn[funds, self._funding(view)] = self.gross_open * (1.0 - 1.0 / self.leverage_open)
        book.contracts_usd_bn[:, USDJPY] = self.core_usd_bn
        book.cash_usd_bn[:, JPY] += np.abs(self.core_usd_bn) / self.retail_leverage
        return book

    def start(self, view: View) -> None:
        """The fund's appetite, VaR limit and hurdle are those at which it wants what it has."""
        funding = self._funding(view)
        self.calm_public = view.public
        self.risk_open = basket_volatility(self.weights, view, funding)
        self.carry_open = self.weights @ carry_pct(view, self.params, funding)
        self.hurdle_pct = np.minimum(self.carry_open - 1.0, self.params.hurdle_pct)
        wanted = self.leverage_open * self.appetite_slack
        self.scale = wanted * self.risk_open / (self.carry_open - self.hurdle_pct)
        self.peak_usd_bn = self.book.equity_usd(view.log_price)[self.funds]
        self.yen_open = self._yen_owed_by_all()

    # -- what a fund looks at ----------------------------------------------------------------------------------------

    def _yen_owed_by_all(self) -> float:
        """Yen owed less yen owned by all funds, in the ledger's unit of yen."""
        return float((self.book.loans[self.funds, JPY] - self.book.cash[self.funds, JPY]).sum())

    def crowd(self) -> float:
        """How crowded yen shorts are, share of July 2024: ``crowding`` x yen owed by all funds now over day 0.

        The more crowded the trade, the fewer wish to be the last to leave: fear works more and stops are tighter
        (Brunnermeier, Nagel and Pedersen 2008). 0 where nobody owed yen on day 0.
        """
        return self.params.crowding * max(self._yen_owed_by_all() / self.yen_open, 0.0) if self.yen_open > 0.0 else 0.0

    def _funding(self, view: View) -> int:
        return JPY if view.on("yen_carry_funding") else USD

    def assets_usd(self, log_price: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Positions in the order of ASSETS, USD bn, (rows, assets)."""
        return asset_positions(rows, self.book.units, self.book.cash, self.book.loans, log_price)

    def yen_debt_usd(self, log_price: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Yen owed less yen owned, USD bn, (rows,)."""
        return yen_owed(rows, self.book.cash, self.book.loans, log_price)

    def desired_leverage(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """`wanted_leverage` of the funds, (funds,), and whether the VaR limit is the one that binds."""
        p, funding, weights = self.params, self._funding(view), self.weights
        lookback, exposures = self.lookback_days, EXPOSURES[funding]
        return wanted_leverage(
            basket_volatility(weights, view, funding), weights @ carry_pct(view, p, funding), weights,
            changes_by_lookback(view.log_price, view.history, exposures, lookback),
            self.scale, self.hurdle_pct, self.leverage_open, self.var_slack, self.risk_open, self.leverage_limit,
            lookback, self.confidence, np.exp(-p.vix_response * max(view.public.risk_aversion_sd, 0.0)),
            p.trend_turn, p.trend_width, p.trend_cut,
        )  # fmt: skip

    # -- what a fund does --------------------------------------------------------------------------------------------

    def decide(self, view: View) -> np.ndarray:
        """Funds move towards the leverage they want and out of the yen they fear; retail leans against the price."""
        equity = self.book.equity_usd(view.log_price)[: self.n]
        blocks = [no_orders()]
        if view.on("carry_positions"):
            blocks.append(self._fund_orders(view, equity))
        if view.on("retail_fx"):
            blocks.append(self._retail_orders(view, equity))
        return join(blocks)

    def _fund_orders(self, view: View, equity: np.ndarray) -> np.ndarray:
        books = self._books(view, self.funds, equity)
        crowd = self.crowd()
        tightening = 1.0 + self.params.tightening_per_crowding * crowd
        stopped = self.stopped = stops_hit(books.equity, self.peak_usd_bn, self.stop / tightening)
        wanted, at_var = self.desired_leverage(view)
        trade = self._asset_trades(view, books, wanted, stopped)
        in_yen = self._funding(view) == JPY
        yen = self._yen_trades(view, books, trade, stopped, crowd) if in_yen else np.zeros(stopped.size)
        return self._fund_rows(books, trade, yen, reasons(trade, yen, at_var, stopped))

    def _books(self, view: View, rows: np.ndarray, equity: np.ndarray) -> _Books:
        book = self.book
        return _Books(rows, *_fund_books(rows, book.units, book.cash, book.loans, view.log_price, equity))

    def _haste(self, view: View) -> float:
        """How much faster and with how little regard for depth funds trade as an operation is feared; one in calm."""
        risen = view.public.intervention_risk - self.calm_public.intervention_risk
        return float(1.0 + self.params.urgency * max(risen, 0.0))

    def _within_depth(self, view: View, market: int, quantity: np.ndarray) -> np.ndarray:
        """Orders of choice in one market, cut so that together they move it by at most a share of a usual day."""
        share = self.params.depth_share * self._haste(view)
        most = flow_of_a_day(share, view.depth[market], view.vol[market], view.calm_vol[market])
        return quantity * depth_factor(quantity.sum(), most)

    def _asset_trades(self, view: View, books: _Books, wanted: np.ndarray, stopped: np.ndarray) -> np.ndarray:
        """Trades (funds, assets), USD bn: towards wanted leverage within the markets' depth, or the stop's share."""
        _, held, gross, equity, _ = books
        haste = self._haste(view)
        trade, anybody = trades_to_wanted_leverage(
            held, gross, equity, wanted, stopped, self.weights, self.band, self.horizon_days, haste
        )
        if anybody:
            keep_within_depth(trade, self.params.depth_share * haste, view.depth, view.vol, view.calm_vol)
            trade[:, EMBOND] = self._within_depth(view, USDMXN, trade[:, EMBOND])
        if stopped.any():
            trade[stopped] = -self.params.stop_cut * held[stopped]
        return trade

    def _yen_trades(
        self, view: View, books: _Books, trade: np.ndarray, stopped: np.ndarray, crowd: float
    ) -> np.ndarray:
        """Dollars bought for yen (funds,), USD bn; what a fund chooses to move is kept within the market's depth."""
        p, (_, _, gross, equity, yen_debt) = self.params, books
        fear = fear_of_authorities(view.public, self.calm_public, p.hike_weight)
        response = self.response * (1.0 + p.crowding_weight * crowd)
        with_assets, chosen, anybody = yen_trades(
            gross, equity, yen_debt, trade, stopped, response, self.horizon_days, fear, self._haste(view), p.yen_band
        )
        return with_assets + self._within_depth(view, USDJPY, chosen) if anybody else with_assets

    def _fund_rows(self, books: _Books, trade: np.ndarray, yen: np.ndarray, reason: np.ndarray) -> np.ndarray:
        """Order rows of the funds that trade: assets against dollars, then dollars against yen."""
        out = np.empty(trade.size + yen.size, dtype=ORDER)
        return out[: write_fund_orders(out, books.rows, books.held, trade, yen, reason)]

    # -- what a retail account does ----------------------------------------------------------------------------------

    def _retail_orders(self, view: View, equity: np.ndarray) -> np.ndarray:
        trade = retail_trades(
            self.is_fund, self.core_usd_bn, self.response_usd_bn, self.retail_band_usd_bn, self.retail_leverage,
            self.retail_lookback_days, self.book.contracts[: self.n, USDJPY], equity, view.log_price[USDJPY],
            view.history[:, USDJPY], view.unit_value_usd[USDJPY],
        )  # fmt: skip
        t = np.flatnonzero(trade)
        if not t.size:
            return no_orders()
        vol, calm = view.vol[USDJPY], view.calm_vol[USDJPY]
        most = flow_of_a_day(self.params.depth_share, view.depth[USDJPY], vol, calm)
        bought = trade[t] * depth_factor(trade.sum(), most)
        return post(USDJPY, bought, "client_flows", contract=True, members=t)

    # -- margin ------------------------------------------------------------------------------------------------------

    def maintenance_shortfall(self, view: View, initial: np.ndarray, equity: np.ndarray) -> np.ndarray:
        """Funds: the prime broker's rule of the base class. Retail accounts: the legal 4 % as initial margin."""
        assert self.margin is not None
        legal = RETAIL_FX_RATE * view.public.margin_factor.get(self.id, 1.0)
        dollars, value = self.book.contracts[: self.n, USDJPY], view.unit_value_usd[USDJPY]
        return margin_calls(self.is_fund, initial, dollars, value, legal, equity, self.margin.maintenance_share)

    def raise_cash(self, view: View, need_usd_bn: np.ndarray) -> np.ndarray:
        """A called fund sells what is most liquid until the call is met and repays yen; a retail account is closed."""
        called = need_usd_bn > 0.0
        closed = np.flatnonzero(called & ~self.is_fund)
        position = self.book.contracts[closed, USDJPY] * view.unit_value_usd[USDJPY]
        loss_cut = post(USDJPY, -position, "liquidation", contract=True, members=closed)
        return join([self._meet_calls(view, np.flatnonzero(called & self.is_fund), need_usd_bn), loss_cut])

    def _meet_calls(self, view: View, rows: np.ndarray, need: np.ndarray) -> np.ndarray:
        if not rows.size:
            return no_orders()
        rates = self.margin_rates(view)
        books = self._books(view, rows, self.book.equity_usd(view.log_price))
        share = yen_shares(books.gross, books.equity, books.yen_debt)
        sold = sell_most_liquid_first(books.held, rates[ASSETS] + share[:, None] * rates[USDJPY], need[rows])
        yen = -np.minimum(share * sold.sum(axis=1), np.maximum(books.yen_debt, 0.0))
        return self._fund_rows(books, -sold, yen, np.full(rows.size, REASON["margin_call"]))

    # -- the close ---------------------------------------------------------------------------------------------------

    def end_of_day(self, view: View) -> None:
        """Losses are counted from a best equity that is slowly forgotten; confidence lost in a stop slowly returns."""
        p = self.params
        self.peak_usd_bn, self.confidence = after_the_close(
            self.book.equity_usd(view.log_price)[self.funds], self.peak_usd_bn, self.confidence, self.stopped,
            0.5 ** (1.0 / p.peak_half_life_days), 0.5 ** (1.0 / p.return_half_life_days), 1.0 - p.stop_cut,
        )  # fmt: skip
        self.stopped = np.zeros(self.funds.size, dtype=bool)

    def gross_usd_bn(self, log_price: np.ndarray) -> float:
        """Assets of all funds, Australian dollars on deposit included, USD bn."""
        return float(np.maximum(self.assets_usd(log_price, self.funds), 0.0).sum())

    def table(self, log_price: np.ndarray) -> dict[str, np.ndarray]:
        """Kind, gross position, yen debt, leverage and confidence per member, USD bn."""
        everyone = np.arange(self.n)
        gross, confidence = np.maximum(self.assets_usd(log_price, everyone), 0.0).sum(axis=1), np.ones(self.n)
        confidence[self.funds] = self.confidence
        gross += np.abs(self.book.contracts_usd(log_price)[: self.n, USDJPY])
        equity = self.equity_usd(log_price)[: self.n]
        return {
            "fund": self.is_fund,
            "gross_usd_bn": gross,
            "yen_debt_usd_bn": np.where(self.is_fund, self.yen_debt_usd(log_price, everyone), 0.0),
            "leverage": np.divide(gross, equity, out=np.zeros(self.n), where=equity > 0.0),
            "confidence": confidence,
        }
