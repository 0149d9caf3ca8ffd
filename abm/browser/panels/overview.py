"""The view at a glance: curves, the yen and its ladder, shares, margin calls, leverage, stress and the event log."""

from typing import Any, Final

import numpy as np

from abm.browser.options import (
    Option,
    a_day,
    bars,
    by_category,
    date_words,
    kept,
    level_unit,
    line,
    marks,
    numbers,
    over_time,
    summed,
)
from abm.browser.snapshot import Snapshot
from abm.browser.words import STEPS
from abm.world.instruments import INDEX, JGB_IDS

PANELS: Final = [
    {"id": "jgb", "title": "Japanese curve", "unit": ""},
    {"id": "yields", "title": "Yields", "unit": "since day 0"},
    {"id": "yen", "title": "Dollar in yen, MoF ladder", "unit": ""},
    {"id": "foreign", "title": "Foreign curves", "unit": "hollow: day 0"},
    {"id": "shares", "title": "Shares, bitcoin", "unit": "since day 0"},
    {"id": "margin", "title": "Margin calls, liquidations", "unit": ""},
    {"id": "leverage", "title": "Open interest, leverage", "unit": ""},
    {"id": "stress", "title": "Stress and depth", "unit": "0 is calm"},
    {"id": "log", "title": "What happened", "unit": "newest first", "kind": "log"},
]
JGB: Final = {name.removeprefix("JGB"): name for name in JGB_IDS}
FOREIGN: Final = (
    ("US", "blue", ("UST2", "UST10", "UST30")),
    ("Euro", "orange", (None, "BUND10", "EGB30")),
    ("UK", "purple", (None, "GILT10", None)),
    ("Australia", "green", (None, "ACGB10", None)),
)
YIELDS: Final = {
    "JGB10": ("sky", "solid"), "JGB30": ("blue", "solid"), "JGB40": ("vermillion", "solid"),
    "UST10": ("green", "dashed"), "UST30": ("olive", "dashed"), "BUND10": ("orange", "dotted"),
    "GILT10": ("purple", "dotted"), "ACGB10": ("wine", "dotted"),
}  # fmt: skip
SHARES: Final = {"Nikkei": ("NIKKEI", "vermillion"), "Nasdaq": ("NASDAQ", "blue"), "S&P 500": ("SPX", "sky"),
                 "Bitcoin": ("BTC", "purple")}  # fmt: skip
TILES: Final = ("JGB10", "JGB30", "JGB40", "UST30", "USDJPY", "NIKKEI", "BTC")
SHORT_LOG: Final = 60


def frame(s: Snapshot, number: int) -> dict[str, Any]:
    """Everything the view shows of one picture."""
    charts = {
        "jgb": _jgb(s),
        "yields": over_time([line(m, s.change(m), c, digits=1, dash=d) for m, (c, d) in YIELDS.items()], "bp", "bp"),
        "yen": _yen(s),
        "foreign": _foreign(s),
        "shares": over_time([line(n, s.change(m), c, digits=2) for n, (m, c) in SHARES.items()], "%", "pct"),
        "margin": _margin(s),
        "leverage": _leverage(s),
        "stress": _stress(s),
    }
    return {"number": number, "dates": date_words(s.dates), "charts": charts, "log": log(s)}


def headline(s: Snapshot) -> dict[str, Any]:
    """Date, day and the numbers at the top."""
    tiles = [_tile(s, market) for market in TILES]
    ladder, stress = int(s.columns["ladder"][-1]), float(s.columns["stress"][-1])
    tiles.append({"id": "ladder", "label": "MoF ladder", "value": f"{ladder} of 6", "change": STEPS[ladder],
                  "tone": "alert" if ladder >= 5 else ""})  # fmt: skip
    tiles.append({"id": "stress", "label": "Stress index", "value": f"{stress:.2f}", "change": "0 is calm",
                  "tone": "alert" if stress >= 0.5 else ""})  # fmt: skip
    when = f"{s.dates[-1]:%a} {s.dates[-1].day} {s.dates[-1]:%B %Y} · day {s.day} of {s.last_day} · seed {s.seed}"
    return {"title": s.title, "when": when, "tiles": tiles, "ended": s.ended}


def log(s: Snapshot) -> list[dict[str, str]]:
    """The newest events, newest first; what was scheduled, ordered or alarming however old; how many are left out."""
    told = [(i, e) for i, e in enumerate(s.events) if e.tone != "trivial"]
    older = [(i, e) for i, e in told[:-SHORT_LOG] if e.tone in ("act", "alert") or e.who == "Scenario"]
    shown = [
        {
            "key": str(i),
            "when": f"{e.date.day} {e.date:%b}" if e.date else "",
            "who": e.who,
            "text": e.text,
            "tone": e.tone,
        }
        for i, e in [*older, *told[-SHORT_LOG:]][::-1]
    ]
    if hidden := len(s.events) - len(shown):
        words = f"{hidden} more, older or of little weight: events.csv in Scenario and data."
        shown.append({"key": "hidden", "when": "", "who": "", "text": words, "tone": "quiet"})
    return shown


def _tile(s: Snapshot, market: str) -> dict[str, str]:
    level, change = float(s.level(market)[-1]), float(s.change(market)[-1])
    bond = market[:3] in ("JGB", "UST")
    value = f"{level:.2f} %" if bond else f"{level:.2f}" if market == "USDJPY" else f"{level:,.0f}"
    label = {"USDJPY": "USDJPY", "NIKKEI": "Nikkei", "BTC": "Bitcoin $"}.get(market, market)
    words = f"{change:+.1f} bp" if bond else f"{change:+.1f} %"
    return {"id": market, "label": label, "value": value, "change": words, "tone": ""}


def _jgb(s: Snapshot) -> Option:
    opening, now = ([s.level(m)[day] for m in JGB.values()] for day in (0, -1))
    series = [
        marks("day 0", opening, "grey", hollow=True, dash="dashed"),
        marks("now", now, "blue", hollow=False, dash="solid"),
    ]
    return by_category(series, list(JGB), "%", "level_pct", "maturity, years")


def _foreign(s: Snapshot) -> Option:
    series = []
    for name, color, markets in FOREIGN:
        for words, day, hollow in ((f"{name}, day 0", 0, True), (name, -1, False)):
            values = [None if m is None else float(s.level(m)[day]) for m in markets]
            series.append(marks(words, values, color, hollow=hollow, dash="dashed" if hollow else "solid"))
    option = by_category(series, ["2", "10", "30"], "%", "level_pct", "maturity, years")
    option["legend"]["data"] = [name for name, *_ in FOREIGN]
    return option


def _yen(s: Snapshot) -> Option:
    rate, traded = s.level("USDJPY"), summed(np.abs(s.columns["intervention_jpy_tn"]))
    at = numbers(np.where(traded > 0.0, rate[kept(len(rate))], np.nan), 2)
    ladder = line("MoF ladder", s.columns["ladder"], "grey", digits=0, axis=1, width=1.0)
    ladder |= {"step": "end", "areaStyle": {"color": "@grey", "opacity": 0.16}}
    operations = {"name": "operation", "type": "scatter", "symbol": "triangle", "symbolSize": 11, "data": at,
                  "itemStyle": {"color": "@vermillion"}, "z": 5}  # fmt: skip
    series = [ladder, line("USDJPY", rate, "blue", digits=2), operations]
    option = over_time(series, level_unit("USDJPY"), "plain", right="step")
    option["yAxis"][1] |= {"min": 0, "max": 6, "interval": 2, "scale": False}
    return option


def _margin(s: Snapshot) -> Option:
    calls, sold = (s.columns[f"{name}_usd_bn"].sum(axis=1) for name in ("margin_calls", "liquidations"))
    series = [bars("margin calls", calls, "blue"), bars("liquidations", sold, "vermillion")]
    return over_time(series, f"USD bn {a_day(s.day + 1)}", "usd_bn")


def _leverage(s: Snapshot) -> Option:
    series = [
        line("BTC longs", s.columns["open_interest_usd_bn"], "purple", digits=2),
        line("yen carry", s.columns["carry_gross_usd_bn"], "orange", digits=2),
        line("BTC leverage, right", s.of_sector("leverage", "crypto_longs"), "purple", dash="dotted", axis=1),
        line("carry leverage, right", s.of_sector("leverage", "carry_traders"), "orange", dash="dotted", axis=1),
    ]
    option = over_time(series, "USD bn", "plain", right="x equity")
    option["yAxis"][0]["scale"] = False
    return option


def _stress(s: Snapshot) -> Option:
    depth = s.columns["depth"][:, INDEX["JGB30"]]
    area = {"areaStyle": {"color": "@vermillion", "opacity": 0.14}}
    stress = line("stress index", s.columns["stress"], "vermillion") | area
    share = line("JGB30 depth, right", 100.0 * depth / depth[0], "blue", digits=1, axis=1)
    option = over_time([stress, share], "index", "plain", right="% of day 0")
    option["yAxis"][0]["scale"] = False
    return option
