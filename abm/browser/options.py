"""ECharts options from arrays: a few kinds of chart, drawn by the browser in the colours of its theme."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from abm.world.instruments import INDEX, MARKETS

MOST_POINTS: Final = 320  # along time; of longer runs several days are drawn as one
Option = dict[str, Any]
LEGEND: Final = {"type": "plain", "top": 4, "left": 8, "right": 8, "itemWidth": 14, "itemHeight": 7, "itemGap": 8}


def together(days: int) -> int:
    """How many days are drawn as one."""
    return max(-(-(days - 1) // (MOST_POINTS - 1)), 1)


def kept(days: int) -> np.ndarray:
    """Positions of the days that are drawn: day 0, every so many from there, and the last one."""
    return np.append(np.arange(0, days - 1, together(days)), days - 1)


def summed(values: np.ndarray) -> np.ndarray:
    """What came about on the days that are drawn, together with the days since the one drawn before."""
    at = kept(len(values))
    return np.add.reduceat(values, np.append(0, at[:-1] + 1))


def a_day(days: int) -> str:
    """What bars are per."""
    return "a day" if together(days) == 1 else f"in {together(days)} days"


def date_words(dates: Sequence[dt.date]) -> list[str]:
    """Dates as the charts label them, thinned like the series."""
    return [f"{dates[i].day} {dates[i]:%b %Y}" for i in kept(len(dates))]


def numbers(values: np.ndarray, digits: int) -> list[float | None]:
    """Plain numbers for JSON; what is not finite is a gap."""
    rounded = np.round(np.asarray(values, dtype=float), digits)
    if np.isfinite(rounded).all():
        return rounded.tolist()
    return [v if np.isfinite(v) else None for v in rounded.tolist()]


def level_unit(market: str) -> str:
    """What a market's level is in."""
    m = MARKETS[INDEX[market]]
    return {"bond": "%", "equity": "index points", "fx": f"{m.currency} per {m.base}"}.get(m.kind, m.currency)


def line(
    name: str,
    values: np.ndarray,
    color: str,
    *,
    digits: int = 3,
    dash: str = "solid",
    axis: int = 0,
    width: float = 1.8,
) -> Option:
    """A line over the days; of a single day, a mark."""
    return {
        "name": name,
        "type": "line",
        "data": numbers(values[kept(len(values))], digits),
        "yAxisIndex": axis,
        "showSymbol": len(values) == 1,
        "symbol": "circle",
        "symbolSize": 5,
        "lineStyle": {"color": f"@{color}", "type": dash, "width": width},
        "itemStyle": {"color": f"@{color}"},
    }


def bars(name: str, values: np.ndarray, color: str, *, digits: int = 3, axis: int = 0, stack: str = "") -> Option:
    """Bars over the days; of several days drawn as one, their sum."""
    drawn = {"data": numbers(summed(values), digits), "itemStyle": {"color": f"@{color}"}}
    return {"name": name, "type": "bar", "barMaxWidth": 14, "yAxisIndex": axis, "stack": stack or None, **drawn}


def over_time(series: Sequence[Option], unit: str, tip: str, right: str = "", **axis: Any) -> Option:
    """A chart with the dates along the bottom. unit, right: what the axes are in; tip: how the pointer says numbers.

    The browser puts the top of the grid below the legend, which has as many rows as its width asks for.
    """
    y = [_y_axis(unit) | axis]
    if right:
        words = {"nameTextStyle": {"align": "right"}, "splitLine": {"show": False}}
        y.append(_y_axis(right) | words | {"position": "right"})
    return {
        "animation": False,
        "grid": {"left": 8, "right": 10 if right else 26, "top": 50, "bottom": 6, "containLabel": True},
        "legend": dict(LEGEND),
        "tooltip": {"trigger": "axis", "formatter": f"tip.{tip}", "confine": True, "transitionDuration": 0},
        "xAxis": {
            "type": "category",
            "data": "@dates",
            "boundaryGap": any(s["type"] == "bar" for s in series),
            "axisLabel": {"hideOverlap": True, "formatter": "axis.date"},
        },
        "yAxis": y,
        "series": list(series),
    }


def by_category(series: Sequence[Option], categories: Sequence[str], unit: str, tip: str, name: str = "") -> Option:
    """A chart with named places along the bottom."""
    option = over_time(series, unit, tip)
    axis = {"type": "category", "data": list(categories), "boundaryGap": True, "name": name, "nameLocation": "middle"}
    return option | {"xAxis": axis | {"nameGap": 22}, "grid": option["grid"] | {"bottom": 20 if name else 6}}


def marks(name: str, values: Sequence[float | None], color: str, *, hollow: bool, dash: str, digits: int = 3) -> Option:
    """A line with a mark at every place; hollow marks are of day 0."""
    data = [None if v is None else round(float(v), digits) for v in values]
    style = {"color": "@panel" if hollow else f"@{color}", "borderColor": f"@{color}", "borderWidth": 1.6}
    drawn = {"symbol": "circle", "symbolSize": 7, "showSymbol": True, "itemStyle": style}
    stroke = {"color": f"@{color}", "type": dash, "width": 1.2 if hollow else 2.0, "opacity": 0.7 if hollow else 1.0}
    return {"name": name, "type": "line", "data": data, "lineStyle": stroke, "connectNulls": True, **drawn}


def _y_axis(unit: str) -> Option:
    return {
        "type": "value",
        "scale": True,
        "name": unit,
        "nameGap": 8,
        "nameTextStyle": {"align": "left"},
        "splitNumber": 4,
        "axisLabel": {"hideOverlap": True},
    }
