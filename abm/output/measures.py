"""One number per seed: what a run is summed up by.

A measure is a function of one seed's tables. Changes are from day 0, the opening. NaN means not defined for this
seed, infinity means not within the run.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from abm.output.tables import CONVERGED, series_column
from abm.world.events import Margined
from abm.world.instruments import EQUITIES, IDS, IS_BOND, JPY, MARKETS, QUOTE_CCY

SMALLEST_SPIKE_BP: Final = 5.0  # below this, neither a half-life nor a pass-through is worth a number
JAPANESE_HOLDERS: Final = ("life_insurers", "pension_funds", "banks")
FOREIGN_BONDS: Final = tuple(m.id for i, m in enumerate(MARKETS) if IS_BOND[i] and QUOTE_CCY[i] != JPY)
FOREIGN_MARKETS: Final = (*FOREIGN_BONDS, *(IDS[i] for i in EQUITIES if QUOTE_CCY[i] != JPY))
USDJPY_LINE: Final = 160.0
RATE_STEP_PCT: Final = 1e-6  # smaller changes of a policy rate are rounding


@dataclass(frozen=True)
class SeedRun:
    """Tables of one seed, with the few queries the measures ask."""

    tables: dict[str, pa.Table]

    def column(self, name: str) -> np.ndarray:
        """A column of the daily table, day 0 first."""
        return np.asarray(self.tables["daily"].column(name).to_numpy(), dtype=float)

    def columns(self, prefix: str) -> np.ndarray:
        """All daily columns ``prefix.*`` side by side, (days, columns)."""
        names = [n for n in self.tables["daily"].column_names if n.startswith(f"{prefix}.")]
        return np.column_stack([self.column(n) for n in names])

    def series(self, name: str) -> np.ndarray:
        """Levels of an instrument, exchange rate or cross."""
        return self.column(series_column(name))

    @property
    def status(self) -> list[str]:
        """How each day's clearing ended."""
        status: list[str] = self.tables["daily"].column("status").to_pylist()
        return status

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Events with their details."""
        rows: list[dict[str, Any]] = self.tables["events"].to_pylist()
        return [{**row, **json.loads(row["details"])} for row in rows]

    @cached_property
    def _flow_codes(self) -> tuple[dict[str, np.ndarray], dict[str, list[str]], np.ndarray]:
        table = self.tables["flows"].unify_dictionaries().combine_chunks()
        codes: dict[str, np.ndarray] = {}
        names: dict[str, list[str]] = {}
        for key in ("sector", "market", "reason"):
            column = table.column(key)
            if column.num_chunks == 0:
                codes[key], names[key] = np.empty(0, int), []
                continue
            array = column.chunk(0)
            codes[key], names[key] = array.indices.to_numpy(), array.dictionary.to_pylist()
        return codes, names, table.column("usd_bn").to_numpy()

    def net_flow(self, sectors: Iterable[str], markets: Iterable[str], reasons: Iterable[str] = ()) -> float:
        """Net purchases over the run, USD bn; all reasons if none is named."""
        codes, names, value = self._flow_codes
        keep = np.ones(value.size, dtype=bool)
        for key, wanted in (("sector", tuple(sectors)), ("market", tuple(markets)), ("reason", tuple(reasons))):
            if wanted:
                keep &= np.isin(codes[key], [i for i, name in enumerate(names[key]) if name in wanted])
        return float(value[keep].sum())


@dataclass(frozen=True)
class Measure:
    """A named number per seed. headline: shown in the summary table."""

    name: str
    unit: str
    text: str
    group: str
    function: Callable[[SeedRun], float]
    headline: bool = True


MEASURES: Final[dict[str, Measure]] = {}


def _add(
    name: str, unit: str, group: str, text: str, function: Callable[[SeedRun], float], headline: bool = True
) -> None:
    if name in MEASURES:
        raise ValueError(f"measure {name!r} is registered twice")
    MEASURES[name] = Measure(name, unit, text, group, function, headline)


# -- rules ---------------------------------------------------------------------------------------------------------


def highest(run: SeedRun, series: str) -> float:
    """Highest level of the run."""
    return float(run.series(series).max())


def lowest(run: SeedRun, series: str) -> float:
    """Lowest level of the run."""
    return float(run.series(series).min())


def day_of_highest(run: SeedRun, series: str) -> float:
    """Day on which the highest level was reached."""
    return float(run.series(series).argmax())


def days_above(run: SeedRun, series: str, level: float) -> float:
    """Number of days with a close above a level."""
    return float((run.series(series) > level).sum())


def largest_rise_bp(run: SeedRun, bond: str) -> float:
    """Highest yield of the run less the opening, bp."""
    y = run.series(bond)
    return float(100.0 * (y.max() - y[0]))


def end_change(run: SeedRun, series: str) -> float:
    """Last level against the opening: bp for bonds, per cent (log) for the rest."""
    x = run.series(series)
    return float(100.0 * (x[-1] - x[0])) if _is_bond(series) else float(100.0 * math.log(x[-1] / x[0]))


def drawdown_pct(run: SeedRun, series: str) -> float:
    """Deepest fall from an earlier high, per cent, negative."""
    x = run.series(series)
    return float(100.0 * (x / np.maximum.accumulate(x) - 1.0).min())


def half_life_days(run: SeedRun, bond: str) -> float:
    """Days from the highest yield until half of the rise since day 0 is given back."""
    y = run.series(bond)
    peak = int(y.argmax())
    if 100.0 * (y[peak] - y[0]) < SMALLEST_SPIKE_BP:
        return math.nan
    back = np.flatnonzero(y[peak:] <= 0.5 * (y[peak] + y[0]))
    return float(back[0]) if back.size else math.inf


def pass_through(run: SeedRun, bond: str) -> float:
    """Change of a foreign yield over that of JGB30, day 0 to the day JGB30 peaks."""
    y, x = run.series(bond), run.series("JGB30")
    peak = int(x.argmax())
    if 100.0 * (x[peak] - x[0]) < SMALLEST_SPIKE_BP:
        return math.nan
    return float((y[peak] - y[0]) / (x[peak] - x[0]))


def volatility(run: SeedRun, series: str) -> float:
    """Standard deviation of daily changes: bp for bonds, per cent (log) for the rest."""
    x = run.series(series)
    change = 100.0 * np.diff(x if _is_bond(series) else np.log(x))
    return float(change.std(ddof=1)) if change.size > 1 else math.nan


def least_depth_pct(run: SeedRun, market: str) -> float:
    """Thinnest depth of the run, per cent of day 0."""
    depth = run.column(f"depth_usd_bn_per_pct.{market}")
    return float(100.0 * depth.min() / depth[0]) if depth[0] > 0 else math.nan


def total(run: SeedRun, column: str) -> float:
    """Sum of a daily column over the run."""
    return float(run.column(column).sum())


def total_of_sectors(run: SeedRun, kind: str) -> float:
    """Sum of a daily column over the run and all sectors."""
    return float(run.columns(kind).sum())


def last(run: SeedRun, column: str) -> float:
    """A daily column at the end of the run."""
    return float(run.column(column)[-1])


def largest(run: SeedRun, column: str) -> float:
    """A daily column at its largest."""
    return float(run.column(column).max())


def risen(run: SeedRun, column: str) -> float:
    """How much a running total rose over the run."""
    x = run.column(column)
    return float(x[-1] - x[0])


def active_days(run: SeedRun, column: str) -> float:
    """Number of days on which a daily column is not zero."""
    return float(np.count_nonzero(run.column(column)))


def rises(run: SeedRun, column: str) -> float:
    """Number of days on which a level was raised."""
    return float((np.diff(run.column(column)) > RATE_STEP_PCT).sum())


def closed(run: SeedRun, column: str) -> float:
    """What was closed of an open position: the opening less the lowest level after it, USD bn."""
    x = run.column(column)
    return float(x[0] - x.min())


def closed_pct(run: SeedRun, column: str) -> float:
    """The same, per cent of the opening."""
    x = run.column(column)
    return float(100.0 * (1.0 - x.min() / x[0])) if x[0] > 0 else math.nan


def sold_abroad(run: SeedRun, sectors: tuple[str, ...], reasons: tuple[str, ...] = ()) -> float:
    """Net sales of foreign bonds and equities by Japanese holders, USD bn."""
    return -run.net_flow(sectors, FOREIGN_MARKETS, reasons)


def events_of(run: SeedRun, kind: str) -> float:
    """Number of events of one kind."""
    return float(sum(event["kind"] == kind for event in run.events))


def unconverged_days(run: SeedRun) -> float:
    """Days on which the auction found no prices at which everything clears."""
    return float(sum(status != CONVERGED for status in run.status))


def _is_bond(series: str) -> bool:
    return series in IDS and bool(IS_BOND[IDS.index(series)])


# -- registry ------------------------------------------------------------------------------------------------------


def _register_jgbs() -> None:
    group = "Japanese government bonds"
    for b in ("JGB10", "JGB30", "JGB40"):
        _add(f"peak_pct.{b}", "%", group, f"{b}: highest yield", partial(highest, series=b))
        _add(f"peak_change_bp.{b}", "bp", group, f"{b}: largest rise", partial(largest_rise_bp, bond=b))
        shown = b == "JGB40"
        _add(f"peak_day.{b}", "day", group, f"{b}: day of the peak", partial(day_of_highest, series=b), shown)
        _add(f"end_change_bp.{b}", "bp", group, f"{b}: change at the end", partial(end_change, series=b))
        _add(f"volatility_bp.{b}", "bp a day", group, f"{b}: volatility", partial(volatility, series=b), False)
    text = "JGB40: half of the rise lasts"
    _add("half_life_days.JGB40", "days", group, text, partial(half_life_days, bond="JGB40"))


def _register_foreign_bonds() -> None:
    group = "Foreign bonds"
    rising, treasuries = ("UST10", "UST30", "BUND10", "GILT10", "ACGB10"), ("UST10", "UST30")
    for b in FOREIGN_BONDS:
        shown = b in treasuries
        _add(f"peak_pct.{b}", "%", group, f"{b}: highest yield", partial(highest, series=b), shown)
        text = f"{b}: largest rise"
        _add(f"peak_change_bp.{b}", "bp", group, text, partial(largest_rise_bp, bond=b), b in rising)
        _add(f"end_change_bp.{b}", "bp", group, f"{b}: change at the end", partial(end_change, series=b), shown)
        text = f"{b}: move per move of JGB30"
        _add(f"pass_through.{b}", "ratio", group, text, partial(pass_through, bond=b), b == "UST30")


def _register_currencies() -> None:
    group = "Exchange rates"
    _add("max.USDJPY", "yen", group, "USDJPY: highest", partial(highest, series="USDJPY"))
    _add("min.USDJPY", "yen", group, "USDJPY: lowest", partial(lowest, series="USDJPY"))
    above = partial(days_above, series="USDJPY", level=USDJPY_LINE)
    _add("days_above_160.USDJPY", "days", group, "USDJPY: days above 160", above)
    for p in ("USDJPY", "EURJPY", "AUDJPY", "MXNJPY", "EURUSD"):
        text, shown = f"{p}: change at the end", p == "USDJPY"
        _add(f"end_change_pct.{p}", "%", group, text, partial(end_change, series=p), shown)
        text, shown = f"{p}: deepest fall", p in ("USDJPY", "AUDJPY")
        _add(f"drawdown_pct.{p}", "%", group, text, partial(drawdown_pct, series=p), shown)
    _add("volatility_pct.USDJPY", "% a day", group, "USDJPY: volatility", partial(volatility, series="USDJPY"), False)


def _register_risk_assets() -> None:
    group = "Equities and bitcoin"
    for m in ("NIKKEI", "NASDAQ", "SPX", "BTC"):
        _add(f"drawdown_pct.{m}", "%", group, f"{m}: deepest fall", partial(drawdown_pct, series=m))
        _add(f"end_change_pct.{m}", "%", group, f"{m}: change at the end", partial(end_change, series=m), False)
    longs = partial(closed_pct, column="open_interest_usd_bn.BTC")
    _add("open_interest_closed_pct.BTC", "%", group, "BTC: most longs closed", longs)


def _register_flows() -> None:
    group, unit = "Forced sales and flows", "USD bn"
    for kind, words in (("margin_calls_usd_bn", "margin calls"), ("liquidations_usd_bn", "liquidations")):
        _add(kind, unit, group, words, partial(total_of_sectors, kind=kind))
        for s in get_args(Margined):
            text = f"{words}, {s.replace('_', ' ')}"
            _add(f"{kind}.{s}", unit, group, text, partial(total, column=f"{kind}.{s}"), False)
    home = partial(sold_abroad, sectors=JAPANESE_HOLDERS, reasons=("repatriation",))
    _add("repatriation_usd_bn", unit, group, "repatriation", home)
    sold = partial(sold_abroad, sectors=JAPANESE_HOLDERS)
    _add("foreign_sales_usd_bn", unit, group, "foreign assets sold, net", sold)
    for s in JAPANESE_HOLDERS:
        text = f"foreign assets sold, {s.replace('_', ' ')}"
        _add(f"foreign_sales_usd_bn.{s}", unit, group, text, partial(sold_abroad, sectors=(s,)), False)
    carry, text = "carry_gross_usd_bn", "carry funds' assets, most below the start"
    _add("carry_closed_usd_bn", unit, group, text, partial(closed, column=carry))
    _add("carry_closed_pct", "%", group, text, partial(closed_pct, column=carry), False)


def _register_authorities() -> None:
    group, yen, rate = "Authorities", "intervention_jpy_tn", "policy_rate_pct.BOJ"
    _add("interventions_jpy_tn", "JPY tn", group, "yen bought by MoF", partial(total, column=yen))
    _add("intervention_days", "days", group, "days with MoF operations", partial(active_days, column=yen))
    _add("rate_checks", "number", group, "rate checks", partial(events_of, kind="rate_check"))
    _add("hikes", "number", group, "BoJ rate rises", partial(rises, column=rate))
    _add("policy_rate_end_pct.BOJ", "%", group, "BoJ policy rate at the end", partial(last, column=rate), False)
    exceptional = partial(risen, column="exceptional_purchases_jpy_tn")
    _add("exceptional_purchases_jpy_tn", "JPY tn", group, "exceptional purchases", exceptional)
    bought = partial(total, column="boj_purchases_jpy_tn")
    _add("purchases_jpy_tn", "JPY tn", group, "BoJ bond purchases", bought, False)
    inflation = partial(last, column="inflation_pct.JP")
    _add("inflation_end_pct", "%", group, "inflation at the end, Japan", inflation, False)
    interest = partial(last, column="interest_to_revenue_pct.JP")
    _add("interest_to_revenue_end_pct", "%", group, "interest bill of revenue", interest)


def _register_stress() -> None:
    group = "Liquidity and stress"
    for m in ("JGB30", "UST10", "USDJPY", "NIKKEI", "BTC"):
        text, shown = f"{m}: thinnest depth", m in ("JGB30", "UST10")
        _add(f"least_depth_pct.{m}", "% of day 0", group, text, partial(least_depth_pct, market=m), shown)
    _add("max_stress", "index", group, "highest stress index", partial(largest, column="stress_index"))
    _add("defaults", "number", group, "defaults", partial(events_of, kind="default"))
    _add("unconverged_days", "days", group, "days without clearing", unconverged_days)


for _register in (
    _register_jgbs,
    _register_foreign_bonds,
    _register_currencies,
    _register_risk_assets,
    _register_flows,
    _register_authorities,
    _register_stress,
):
    _register()


# -- over seeds ----------------------------------------------------------------------------------------------------


def measure(tables: dict[str, pa.Table]) -> dict[str, float]:
    """All measures of one seed."""
    run = SeedRun(tables)
    return {name: m.function(run) for name, m in MEASURES.items()}


def summarise(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Median, 5-95 % and the 95 % interval of the median of every measure over the seeds."""
    return {name: _summary(m, frame[name].to_numpy(dtype=float)) for name, m in MEASURES.items() if name in frame}


def _summary(m: Measure, values: np.ndarray) -> dict[str, Any]:
    x = values[~np.isnan(values)]
    p5, median, p95 = quantiles(x, (0.05, 0.5, 0.95))
    low, high = median_interval(x)
    return {
        "text": m.text,
        "unit": m.unit,
        "median": median,
        "p5": p5,
        "p95": p95,
        "median_interval_95": [low, high],
        "seeds": int(x.size),
        "share_not_within_run": float(np.isinf(x).mean()) if x.size else math.nan,
    }


def quantiles(x: np.ndarray, levels: tuple[float, ...]) -> list[float]:
    """Quantiles of values without NaN; interpolated unless some are infinite."""
    if x.size == 0:
        return [math.nan] * len(levels)
    method: Any = "linear" if np.isfinite(x).all() else "inverted_cdf"
    return [float(q) for q in np.quantile(x, levels, method=method)]


def median_interval(x: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval of the median from order statistics: no distribution assumed, NaN below six values.

    The k-th smallest and k-th largest of n values enclose the median with probability
    1 - 2 P(Binomial(n, 1/2) < k); k is the largest that keeps this at the level (Conover 1999, section 3.2).
    """
    n = x.size
    tail = 0.5 * (1.0 - level)
    below, k = 0.0, 0
    for i in range(n // 2 + 1):
        below += math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2.0))
        if below > tail:
            break
        k = i + 1
    if k == 0:
        return math.nan, math.nan
    ordered = np.sort(x)
    return float(ordered[k - 1]), float(ordered[n - k])
