"""The ten figures of a run, drawn from its directory. One function per figure."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from abm.output import attribution
from abm.output.attribution import BANK_WORDS, Contributions, short
from abm.output.measures import USDJPY_LINE
from abm.output.style import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SECTOR_LINES,
    SKY,
    VERMILLION,
    WINE,
    YELLOW,
    Paths,
    band,
    date_ticks,
    drawing,
    heading,
    least_span,
    legend_below,
    mark_events,
    new_figure,
    same_limits,
    same_span,
    save,
    zero_line,
)
from abm.output.tables import CONVERGED, NEWS, RunDirectory
from abm.world.instruments import BANK_IDS, JGB_IDS, MARKETS

FOREIGN_IDS: Final = tuple(m.id for m in MARKETS if m.kind == "bond" and m.currency != "JPY")
FOREIGN_WORDS: Final = {
    "UST2": "US Treasury 2-year",
    "UST10": "US Treasury 10-year",
    "UST30": "US Treasury 30-year",
    "BUND10": "German Bund 10-year",
    "OAT10": "French OAT 10-year",
    "EGB30": "Euro area 30-year",
    "GILT10": "UK gilt 10-year",
    "ACGB10": "Australia 10-year",
    "EMBOND": "Emerging markets 10-year",
}
STEPS: Final = {"verbal_intervention": "words", "rate_check": "rate checks", "fx_intervention": "operations"}
HALF_BAR: Final = np.timedelta64(10, "h")  # half the width of a day's bar
CALLS: Final = {"margin_calls_usd_bn": "Margin calls", "liquidations_usd_bn": "Liquidations"}
FLOW_GROUPS: Final = {
    "Japanese government bonds": JGB_IDS,
    "Foreign bonds": FOREIGN_IDS,
    "Equities": ("NIKKEI", "NASDAQ", "SPX"),
    "Bitcoin": ("BTC",),
    "Dollars against yen": ("USDJPY",),
}
FLOW_PANELS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "Japanese government bonds, all": ("Japanese government bonds", ()),
    "JGBs, without government and rest of world": ("Japanese government bonds", ("government", "rest_of_world")),
    **{group: (group, ()) for group in list(FLOW_GROUPS)[1:]},
}
FLOW_LINES: Final = 6  # sectors drawn in a panel
MOVED: Final = {
    "JGB40": "JGB 40-year yield",
    "UST30": "US Treasury 30-year yield",
    "USDJPY": "USDJPY (up: weaker yen)",
}
EQUITY_OF: Final = (
    "life_insurers", "pension_funds", "banks", "bank_of_japan", "jgb_fast_money", "carry_traders", "crypto_longs",
    "bitcoin_holders", "real_money", "dealers", "arbitrageurs", "ministry_of_finance",
)  # fmt: skip
EQUITY_IN_YEN: Final = ("life_insurers", "pension_funds", "banks", "jgb_fast_money", "bank_of_japan")
EQUITY_WORDS: Final = {
    "crypto_longs": "Crypto longs (with margin paid in)",
    "bank_of_japan": "BoJ (bonds less yen created)",
    "ministry_of_finance": "MoF (foreign reserves)",
}
POLICY_PANELS: Final = {
    (0, 1): ("hike_risk", "Chance of a BoJ rise at its next meeting", "probability seen by markets, %", 100.0),
    (1, 0): ("boj_purchases_jpy_tn", "BoJ: bonds bought beyond its plan", "JPY tn, cumulated", 1.0),
    (1, 1): ("interest_to_revenue_pct.JP", "Interest bill over tax revenue", "%", 1.0),
    (1, 2): ("inflation_pct.JP", "Inflation, Japan", "% a year", 1.0),
}
NO_EQUITY_USD_BN: Final = 1e-6  # sectors whose capital is kept outside the ledger open with nothing
type Spread = Callable[[Callable[[str], Path], Iterable[str]], Iterable[Path]]
ADDS_UP: Final = "means, whose parts add up exactly; colours as in the bars"
BAND: Final = (0.05, 0.95)
CONTRIBUTORS: Final = 8
CONTRIBUTOR_COLOURS: Final = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, WINE, YELLOW)
HATCHES: Final = ("", "////", "....")
NEWS_COLOURS: Final = {"news": "#7A7A7A", "policy_news": "#B5B5B5"}
OTHER_COLOUR: Final = "#DDDDDD"
LADDER: Final = (
    "silence", "words 1: watching", "words 2", "words 3", "words 4: decisive action", "rate check", "operation",
)  # fmt: skip
LADDER_COLOURS: Final = ("#F2F2F2", "#D6E4F0", "#A9CBE6", "#6FA8D6", "#2F78B7", ORANGE, VERMILLION)
STEP_MARKS: Final = (("o", "#2F78B7", 22), ("^", ORANGE, 55), ("D", VERMILLION, 45))  # marker, colour, size


def draw_all(path: Path | str, spread: Spread = map) -> list[Path]:
    """Draw every figure of a run directory into its folder ``figures``. spread: maps over the figures, in any order."""
    paths = Paths(RunDirectory.open(path))
    (paths.run.path / "figures").mkdir(exist_ok=True)
    return list(spread(partial(_draw, paths), FIGURES))


def _draw(paths: Paths, name: str) -> Path:
    with drawing():
        return save(FIGURES[name](paths), paths.run.path / "figures" / f"{name}.png")


def jgb_curve(paths: Paths) -> Figure:
    """Yields by maturity, the slope, the curve on day 0, at the peak and at the end, and how it changed."""
    figure, axes = new_figure(2, 4, (13.5, 6.6), "Japanese government bond yields", paths.subtitle())
    dated, (curve, change) = axes.flat[:6], axes[1, 2:]
    for ax, bond in zip(dated, JGB_IDS, strict=False):
        band(ax, paths.dates, paths.series(bond))
        heading(ax, f"{bond[3:]}-year", "yield, %", _peak_in_words(paths, paths.change_bp(bond)))
    same_span(dated[: len(JGB_IDS)])
    slope = dated[len(JGB_IDS)]
    spread = 100.0 * (paths.series("JGB40") - paths.series("JGB10"))
    band(slope, paths.dates, spread, GREEN)
    heading(slope, "Slope: 40-year less 10-year", "bp", _peak_in_words(paths, spread - spread[:, :1]))
    for ax in dated:
        mark_events(ax, paths)
        date_ticks(ax, paths.dates, ticks=5)
    _curve(curve, change, paths)
    return figure


def _peak_in_words(paths: Paths, change_bp: np.ndarray) -> str:
    """Where the median was highest above day 0, and its level at the end."""
    median = np.median(change_bp, axis=0)
    day = int(median.argmax())
    who = "median " if paths.shape[0] > 1 else ""
    return f"{who}peak {_signed(median[day])} bp on {paths.words_of(paths.dates[day])}, end {_signed(median[-1])} bp"


def _curve(level: Axes, change: Axes, paths: Paths) -> None:
    """The median curve on three days, and its change since day 0 with 5-95 % of the seeds."""
    tenors = np.array([m.tenor_yr for m in MARKETS if m.id in JGB_IDS])
    yields = np.array([paths.series(bond) for bond in JGB_IDS])
    medians = np.median(yields, axis=1)
    peak = int(medians[-1].argmax())
    for day, color, style, shift in ((0, GREY, "--", 0.0), (peak, VERMILLION, "-", -0.3), (-1, BLUE, "-", 0.3)):
        look: Any = {"color": color, "marker": "o", "markersize": 4, "label": paths.words_of(paths.dates[day])}
        level.plot(tenors, medians[:, day], style, **look)
        if day:
            moved = 100.0 * (yields[:, :, day] - yields[:, :, 0])
            low, mid, high = np.quantile(moved, (0.05, 0.5, 0.95), axis=1)
            change.vlines(tenors + shift, low, high, color=color, linewidth=1.2, alpha=0.6)
            change.plot(tenors + shift, mid, style, **look)
    zero_line(change)
    for ax in (level, change):
        ax.legend(loc="lower right" if ax is level else "upper left")
        ax.set_xticks(tenors)
        ax.set_xlabel("maturity, years")
    heading(level, "Curve: opening, peak of 40-year, end", "yield, %", paths.of_seeds("median"))
    low, high = change.get_ylim()
    change.set_ylim(low, high + 0.25 * (high - low))  # room for the legend
    heading(change, "Curve: change since day 0", "bp", paths.of_seeds("median and 5-95 %"))


def foreign_yields(paths: Paths) -> Figure:
    """Change of every foreign yield since day 0."""
    title = "Foreign bond yields, change since day 0"
    figure, axes = new_figure(3, 3, (11.5, 8.2), title, paths.subtitle(), sharey="row")
    for ax, bond in zip(axes.flat, FOREIGN_IDS, strict=True):
        zero_line(ax)
        band(ax, paths.dates, paths.change_bp(bond))
        mark_events(ax, paths)
        heading(ax, f"{FOREIGN_WORDS.get(bond, bond)}, from {paths.series(bond)[0, 0]:.2f} %", "bp")
        ax.tick_params(labelleft=True)
        date_ticks(ax, paths.dates)
    return figure


def usdjpy_ladder(paths: Paths) -> Figure:
    """USDJPY with the ministry's steps, how far its ladder was climbed, what the market expects of it."""
    heights = (2.6, 1.2, 1.0)
    title = "USDJPY and the ministry's ladder of words, rate checks and operations"
    figure, axes = new_figure(3, 1, (11, 8.4), title, paths.subtitle(), height_ratios=heights, sharex=True)
    top, ladder, risk = axes[:, 0]
    band(top, paths.dates, paths.series("USDJPY"))
    _steps(top, paths)
    title = "Exchange rate (up: weaker yen), and where a seed stood when the ministry acted"
    heading(top, title, "yen per dollar", _operations_in_words(paths))
    step = paths.column("ladder")
    shares = [100.0 * (step == level).mean(axis=0) for level in range(len(LADDER))]
    ladder.stackplot(paths.dates, shares, colors=LADDER_COLOURS, labels=LADDER, linewidth=0, step="post")
    ladder.set_ylim(0, 100)
    ladder.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True)
    heading(ladder, "Last step on the ladder", "% of seeds", "silence lowers the words step by step")
    band(risk, paths.dates, 100.0 * paths.column("intervention_risk"), VERMILLION)
    heading(risk, "Operation within ten days, as the market sees it", "probability, %")
    for ax in axes.flat:
        mark_events(ax, paths)
    date_ticks(risk, paths.dates)
    return figure


def _steps(ax: Axes, paths: Paths) -> None:
    """The ministry's acts at the rate of their seed, and the levels they are about."""
    rate, seeds = paths.series("USDJPY"), np.unique(paths.run.daily["seed"].to_numpy())
    events = paths.run.events
    for (kind, words), (marker, color, size) in zip(STEPS.items(), STEP_MARKS, strict=True):
        mine = events[(events["kind"] == kind) & (events["day"] < rate.shape[1])]
        row, day = np.searchsorted(seeds, mine["seed"].to_numpy()), mine["day"].to_numpy(dtype=int)
        where = f", in {np.unique(row).size} of {seeds.size} seeds" if len(mine) and seeds.size > 1 else ""
        ax.scatter(
            paths.dates[day], rate[row, day], size, color=color, marker=marker, edgecolors="white", linewidths=0.6,
            zorder=4.0, label=f"{words}: {len(mine)}{where}",
        )  # fmt: skip
    ax.axhline(USDJPY_LINE, color=VERMILLION, linewidth=0.9, linestyle="--", label=f"{USDJPY_LINE:.0f} yen")
    above = paths.run.manifest["scenario"].get("set", {}).get("ministry_of_finance.line_above_opening_pct")
    if above is not None:
        line = rate[0, 0] * (1.0 + above / 100.0)
        ax.axhline(line, color="#444444", linewidth=0.9, linestyle=":", label=f"ministry's line on day 0: {line:.1f}")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _operations_in_words(paths: Paths) -> str:
    """How much yen was bought over the run."""
    bought = paths.column("intervention_jpy_tn").sum(axis=1)
    acted = bought[bought != 0.0]
    if not acted.size:
        return "no operation" + (" in any seed" if bought.size > 1 else "")
    if bought.size == 1:
        return f"yen bought over the run: {_round(bought[0])} JPY tn"
    low, high = _round(acted.min()), _round(acted.max())
    size = low if low == high else f"{low} to {high}"
    if acted.size == bought.size:
        return f"yen bought over the run: {size} JPY tn in every seed"
    return f"yen bought over the run: {size} JPY tn in {acted.size} of {bought.size} seeds, nothing in the others"


def equities_bitcoin(paths: Paths) -> Figure:
    """Equities and bitcoin since day 0, with the margined longs and what they pay."""
    figure, axes = new_figure(2, 3, (11.5, 6.6), "Equities and bitcoin", paths.subtitle())
    panels = {"NIKKEI": "Nikkei 225, from JPY", "NASDAQ": "Nasdaq, from USD", "SPX": "S&P 500, from USD"}
    for ax, (name, words) in zip(axes.flat, (panels | {"BTC": "Bitcoin, from USD"}).items(), strict=False):
        zero_line(ax)
        band(ax, paths.dates, paths.change_pct(name), ORANGE if name == "BTC" else BLUE)
        heading(ax, f"{words} {paths.series(name)[0, 0]:,.0f}", "change since day 0, %")
    same_limits(axes[0])
    band(axes[1, 1], paths.dates, paths.column("open_interest_usd_bn.BTC"), ORANGE)
    heading(axes[1, 1], "Bitcoin: open interest of margined longs", "USD bn")
    zero_line(axes[1, 2])
    band(axes[1, 2], paths.dates, paths.column("funding_pct.BTC"), ORANGE)
    heading(axes[1, 2], "Bitcoin: funding paid by longs", "% a year")
    for ax in axes.flat:
        mark_events(ax, paths)
        date_ticks(ax, paths.dates)
    return figure


def margin_calls_liquidations(paths: Paths) -> Figure:
    """Margin calls and liquidations: who, when, and how much in total."""
    figure, axes = new_figure(2, 2, (11.5, 7.0), "Margin calls and liquidations", paths.subtitle())
    called = [s for s in SECTOR_LINES if _called(paths, s)]
    for (ax, below), (kind, words) in zip(axes.T, CALLS.items(), strict=True):
        by_sector = np.array([paths.column(f"{kind}.{s}") for s in called]).reshape(len(called), *paths.shape)
        _calls_by_day(ax, paths, called, by_sector.mean(axis=1))
        heading(ax, f"{words} by sector and day", words=paths.of_seeds("mean"))
        total = by_sector.sum(axis=0).cumsum(axis=1)
        scale, unit = _readable(total)
        band(below, paths.dates, scale * total, VERMILLION)
        heading(below, f"{words}, cumulated, all sectors", unit, _who_was_called(paths, called, by_sector))
    for ax in axes.flat:
        ax.set_ylim(bottom=0.0)
        mark_events(ax, paths)
        date_ticks(ax, paths.dates)
        ax.set_xlim(paths.dates[0].astype("datetime64[h]"), paths.dates[-1].astype("datetime64[h]") + HALF_BAR)
    if called:
        legend_below(figure, axes[0, 0], 6)
    return figure


def _readable(usd_bn: np.ndarray) -> tuple[float, str]:
    """Factor and unit: millions of dollars where there are no billions."""
    return (1.0, "USD bn") if np.abs(usd_bn).max(initial=0.0) >= 1.0 else (1000.0, "USD mn")


def _calls_by_day(ax: Axes, paths: Paths, called: list[str], means: np.ndarray) -> None:
    """One stacked bar a trading day; means: (sectors, days)."""
    scale, unit = _readable(means)
    ax.set_ylabel(f"{unit} a day")
    if not called:
        return
    corners = np.array([-1, -1, 1, 1]) * HALF_BAR
    edges = (paths.dates.astype("datetime64[h]")[:, None] + corners).ravel()
    bars = (scale * means[:, :, None] * np.array([0.0, 1.0, 1.0, 0.0])).reshape(len(called), -1)
    colors = [SECTOR_LINES[s][0] for s in called]
    ax.stackplot(edges, bars, colors=colors, labels=[short(s) for s in called], linewidth=0)


def _who_was_called(paths: Paths, called: list[str], by_sector: np.ndarray) -> str:
    """In how many seeds each sector was called; by_sector: (sectors, seeds, days)."""
    hit = by_sector.any(axis=2).sum(axis=1)
    several, n_seeds = paths.shape[0] > 1, paths.shape[0]
    hit_of = sorted(((int(n), short(s)) for s, n in zip(called, hit, strict=True) if n), reverse=True)
    if not hit_of:
        return "none of any sector" + (", in any seed" if several else "")
    names = ", ".join(f"{name} in {n}" if several else name for n, name in hit_of)
    equity = sum(float(paths.column(f"equity_usd_bn.{s}")[0, 0]) for s, n in zip(called, hit, strict=True) if n)
    share = 100.0 * np.median(by_sector.sum(axis=(0, 2))) / equity if equity > 0.0 else math.nan
    seeds = f" of {n_seeds} seeds" if several else ""
    total = "median total" if several else "total"
    return f"{names}{seeds}, no other sector\n{total}: {_round(share)} % of their opening equity"


def _called(paths: Paths, sector: str) -> bool:
    """Whether a sector was ever called or liquidated."""
    columns = [f"{kind}.{sector}" for kind in CALLS]
    return any(paths.has(c) and paths.column(c).any() for c in columns)


def capital_flows(paths: Paths) -> Figure:
    """Net purchases by sector since day 0, by group of markets."""
    shown = "the six largest sectors, means (all sectors add up to zero); bars: 5-95 % at the end"
    title = "Who bought and who sold: cumulated net purchases since day 0"
    figure, axes = new_figure(2, 3, (13, 7.6), title, paths.subtitle(shown))
    flows = _cumulated_flows(paths)
    seen: set[str] = set()
    for ax, (words, (group, left_out)) in zip(axes.flat, FLOW_PANELS.items(), strict=True):
        of_group = {s: by_group[group] for s, by_group in flows.items() if s not in left_out}
        seen |= _flow_lines(ax, paths, of_group)
        mark_events(ax, paths)
        heading(ax, words, "USD bn")
    for sector in (s for s in SECTOR_LINES if s in seen):
        color, line = SECTOR_LINES[sector]
        axes[0, 0].plot([], [], line, color=color, label=short(sector))
    legend_below(figure, axes[0, 0], 8)
    return figure


def _flow_lines(ax: Axes, paths: Paths, flows: dict[str, np.ndarray]) -> set[str]:
    """Lines of the sectors that moved most, ends of their seeds beside; returns those drawn. flows: (seeds, days)."""
    zero_line(ax)
    means = {s: values.mean(axis=0) for s, values in flows.items() if values.any()}
    largest = sorted(means, key=lambda s: -np.abs(means[s]).max())[:FLOW_LINES]
    drawn = [s for s in SECTOR_LINES if s in largest]
    date_ticks(ax, paths.dates)
    room = (paths.dates[-1] - paths.dates[0]).astype("timedelta64[h]") / 45
    for place, sector in enumerate(drawn, start=1):
        color, line = SECTOR_LINES[sector]
        ax.plot(paths.dates, means[sector], line, color=color)
        if paths.shape[0] > 1:
            low, high = np.quantile(flows[sector][:, -1], BAND)
            at = paths.dates[-1].astype("datetime64[h]") + place * room
            ax.vlines(at, low, high, color=color, linestyle=line, linewidth=2.0, alpha=0.8)
    if paths.shape[0] > 1:
        ax.set_xlim(right=paths.dates[-1].astype("datetime64[h]") + (len(drawn) + 1) * room)
    return set(drawn)


def _cumulated_flows(paths: Paths) -> dict[str, dict[str, np.ndarray]]:
    """Sector -> group of markets -> cumulated net purchases, (seeds, days), USD bn."""
    n_seeds, n_days = paths.shape
    sectors, groups = list(SECTOR_LINES), list(FLOW_GROUPS)
    group_of = {m: g for g, members in enumerate(FLOW_GROUPS.values()) for m in members}
    sums = np.zeros((len(sectors), len(groups), n_seeds, n_days))
    seeds = np.unique(paths.run.daily["seed"].to_numpy())
    file = pq.ParquetFile(paths.run.path / "flows.parquet")
    for k in range(file.num_row_groups):
        frame = file.read_row_group(k, ["seed", "day", "sector", "market", "usd_bn"]).to_pandas()
        frame = frame[frame["market"].isin(group_of) & frame["sector"].isin(sectors) & frame["seed"].isin(seeds)]
        where = (
            frame["sector"].astype(str).map(sectors.index).to_numpy(int),
            frame["market"].astype(str).map(group_of).to_numpy(int),
            np.searchsorted(seeds, frame["seed"].to_numpy()),
            frame["day"].to_numpy(int),
        )
        cell = np.ravel_multi_index(where, sums.shape)
        sums += np.bincount(cell, frame["usd_bn"].to_numpy(), sums.size).reshape(sums.shape)
    sums = sums.cumsum(axis=-1)
    return {s: {g: sums[i, j] for j, g in enumerate(groups)} for i, s in enumerate(sectors)}


def who_moved_the_market(paths: Paths) -> Figure:
    """The mean move split exactly into news and orders by sector and reason, over time and at its largest."""
    parts = attribution.contributions(paths.run, MOVED, paths.shape[1] - 1)
    title = "Who moved the market, and why"
    figure, axes = new_figure(3, 2, (12.5, 11.6), title, paths.subtitle(ADDS_UP), width_ratios=(1.35, 1.0))
    fills = _fills(parts.values())
    for (left, right), (market, words) in zip(axes, MOVED.items(), strict=True):
        layers = _layers(parts[market], fills)
        _stack(left, paths, parts[market], layers)
        mean = "mean " if paths.shape[0] > 1 else ""
        heading(left, f"{words}, change since day 0", parts[market].unit, f"black line: {mean}move; stacked: its parts")
        _bars(right, parts[market], layers)
        day = paths.words_of(paths.dates[parts[market].turning_day])
        heading(right, f"Parts on {day}, the largest {mean}move", "", _precision(paths, parts[market]))
    return figure


def _precision(paths: Paths, c: Contributions) -> str:
    """How sure the mean move is, and how far the seeds lie apart on that day."""
    if paths.shape[0] == 1:
        return ""
    moves = (paths.change_bp(c.market) if c.unit == "bp" else paths.change_pct(c.market))[:, c.turning_day]
    margin = 1.96 * float(moves.std(ddof=1)) / math.sqrt(moves.size)
    mean, low, high = (attribution.signed(x, c.unit) for x in (c.total[c.turning_day], *np.quantile(moves, BAND)))
    return f"{mean} \u00b1 {attribution.signed(margin, c.unit)[1:]} {c.unit} (95 %); 5-95 % of seeds: {low} to {high}"


@dataclass(frozen=True)
class Layer:
    """One contributor in the stack: its name in words, its fill, its cumulated part, (days,)."""

    label: str
    color: str
    hatch: str
    part: np.ndarray


def _largest(c: Contributions) -> list[tuple[str, str]]:
    """Sectors and reasons with the largest parts, over the run or on the day of the largest move; news not counted."""
    size = np.abs(c.parts).max(axis=1) + np.abs(c.parts[:, c.turning_day])
    order = [c.names[i] for i in np.argsort(-size, kind="stable") if c.names[i][0] != NEWS and size[i] > 0.0]
    return order[:CONTRIBUTORS]


def _fills(parts: Iterable[Contributions]) -> dict[tuple[str, str], tuple[str, str]]:
    """Colour and hatch of every contributor shown, the same in all panels."""
    names = list(dict.fromkeys(name for c in parts for name in _largest(c)))
    n = len(CONTRIBUTOR_COLOURS)
    return {name: (CONTRIBUTOR_COLOURS[i % n], HATCHES[i // n]) for i, name in enumerate(names)}


def _layers(c: Contributions, fills: dict[tuple[str, str], tuple[str, str]]) -> list[Layer]:
    """The largest contributors, then news, then all others together: they add up to the move."""
    found = dict(zip(c.names, c.parts, strict=True))
    nothing = np.zeros(c.parts.shape[1])
    layers = [Layer(attribution.label(name), *fills[name], found.pop(name)) for name in _largest(c)]
    for reason, color in NEWS_COLOURS.items():
        name = (NEWS, reason)
        layers.append(Layer(attribution.label(name), color, "", found.pop(name, nothing)))
    return [*layers, Layer("all others", OTHER_COLOUR, "", sum(found.values(), nothing))]


def _stack(ax: Axes, paths: Paths, c: Contributions, layers: list[Layer]) -> None:
    """Parts stacked over time, positive ones above zero and negative ones below, the total on top."""
    up, down = np.zeros(paths.dates.size), np.zeros(paths.dates.size)
    for layer in layers:
        for edge, values in ((up, np.maximum(layer.part, 0.0)), (down, np.minimum(layer.part, 0.0))):
            ax.fill_between(
                paths.dates,
                edge,
                edge + values,
                facecolor=layer.color,
                hatch=layer.hatch,
                edgecolor="white",
                linewidth=0,
            )
            np.add(edge, values, out=edge)
    zero_line(ax)
    ax.plot(paths.dates, c.total, color="white", linewidth=3.2)
    ax.plot(paths.dates, c.total, color="black", linewidth=1.7)
    mark_events(ax, paths)
    date_ticks(ax, paths.dates)


def _bars(ax: Axes, c: Contributions, layers: list[Layer]) -> None:
    """Parts on the day of the largest mean move, largest first; news, the rest and the move at the end."""
    named = sorted(layers[:-3], key=lambda layer: -abs(layer.part[c.turning_day]))
    rows = [*named, *layers[-3:], Layer("move", "black", "", c.total)]
    values = [layer.part[c.turning_day] for layer in rows]
    places = np.arange(len(rows))[::-1]
    for place, value, layer in zip(places, values, rows, strict=True):
        ax.barh(place, value, 0.72, color=layer.color, hatch=layer.hatch, edgecolor="white", linewidth=0)
        ax.annotate(
            attribution.signed(value, c.unit), (value, place), xytext=(math.copysign(3.0, value), 0.0),
            textcoords="offset points", va="center", ha="left" if value >= 0.0 else "right", fontsize=7.5,
            color="#444444",
        )  # fmt: skip
    ax.axvline(0.0, color="#666666", linewidth=0.8)
    ax.axhline(0.5, color="#BBBBBB", linewidth=0.8)
    ax.set_yticks(places, [layer.label for layer in rows])
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    ax.margins(x=0.2)
    ax.set_xlabel(c.unit)


def sector_equity(paths: Paths) -> Figure:
    """Equity of every sector that has a balance sheet, against day 0."""
    shown = "line: median; bands: 25-75 % and 5-95 % of seeds; Japanese institutions in yen"
    figure, axes = new_figure(3, 4, (13.5, 9.2), "Balance of each sector's equity", paths.subtitle(shown))
    for ax, sector in zip(axes.flat, EQUITY_OF, strict=True):
        _equity(ax, paths, sector)
        mark_events(ax, paths)
        date_ticks(ax, paths.dates, ticks=4)
    return figure


def _equity(ax: Axes, paths: Paths, sector: str) -> None:
    """Per cent of the opening; billions where the ledger opens with nothing; the end in money in the panel."""
    yen = sector in EQUITY_IN_YEN
    unit = "JPY tn" if yen else "USD bn"
    equity = paths.column(f"equity_usd_bn.{sector}")
    equity = equity * paths.series("USDJPY") / 1000.0 if yen else equity
    opening = equity[:, :1]
    change = equity - opening
    solid = bool((opening > NO_EQUITY_USD_BN).all())
    zero_line(ax)
    band(ax, paths.dates, 100.0 * change / opening if solid else change, SECTOR_LINES[sector][0])
    low, mid, high = map(_signed, np.quantile(change[:, -1], (0.05, 0.5, 0.95)))
    spread = f" ({low} to {high})" if paths.shape[0] > 1 else ""
    words = f"opens with {_round(opening.mean()) if solid else 0} {unit}\nby the end {mid}{spread}"
    title = EQUITY_WORDS.get(sector, short(sector).capitalize())
    heading(ax, title, "change since day 0, " + ("%" if solid else unit), words)


def policy(paths: Paths) -> Figure:
    """What the authorities did and what it costs."""
    figure, axes = new_figure(2, 3, (11.5, 6.6), "Policy and public finance", paths.subtitle())
    _bank_of_japan_rate(axes[0, 0], paths)
    _other_rates(axes[0, 2], paths)
    for place, (column, words, unit, factor) in POLICY_PANELS.items():
        values = factor * paths.column(column)
        values = values.cumsum(axis=1) if "purchases" in column else values
        band(axes[place], paths.dates, values)
        heading(axes[place], words, unit, _bought_in_words(paths) if "purchases" in column else _end_in_words(values))
    least_span(axes[1, 2], 0.5)
    if not paths.column("boj_purchases_jpy_tn").any():
        axes[1, 0].set_ylim(-0.04, 1.0)
    for ax in axes.flat:
        mark_events(ax, paths)
        date_ticks(ax, paths.dates, ticks=5)
        ax.ticklabel_format(axis="y", useOffset=False)
    return figure


def _end_in_words(values: np.ndarray) -> str:
    """Where a series ends: median and 5-95 % of the seeds."""
    low, mid, high = np.quantile(values[:, -1], (0.05, 0.5, 0.95))
    return f"end {mid:.3g}" + (f" ({low:.3g} to {high:.3g})" if values.shape[0] > 1 else "")


def _bought_in_words(paths: Paths) -> str:
    """In how many seeds the bank left its plan."""
    bought = paths.column("boj_purchases_jpy_tn").any(axis=1)
    if bought.size == 1:
        return "" if bought[0] else "none"
    return f"in {bought.sum()} of {bought.size} seeds" if bought.any() else "none in any seed"


def _bank_of_japan_rate(ax: Axes, paths: Paths) -> None:
    """Mean and 5-95 % of a rate that moves in steps."""
    rate = paths.column("policy_rate_pct.BOJ")
    if paths.shape[0] > 1:
        low, high = np.quantile(rate, BAND, axis=0)
        ax.fill_between(paths.dates, low, high, step="post", color=BLUE, alpha=0.16, linewidth=0)
    ax.plot(paths.dates, rate.mean(axis=0), color=BLUE, drawstyle="steps-post")
    least_span(ax, 0.5)
    higher = int((rate[:, -1] > rate[:, 0] + 1e-9).sum())
    words = f"mean and 5-95 %; higher at the end in {higher} of {rate.shape[0]} seeds"
    heading(ax, "BoJ: policy rate", "%", words if paths.shape[0] > 1 else _end_in_words(rate))


def _other_rates(ax: Axes, paths: Paths) -> None:
    """Change of the other policy rates, mean; levels of day 0 in the legend."""
    others = [bank for bank in BANK_IDS if bank != "BOJ"]
    for bank, color in zip(others, CYCLE, strict=False):
        rate = paths.column(f"policy_rate_pct.{bank}")
        change = 100.0 * (rate - rate[:, :1]).mean(axis=0)
        ax.plot(
            paths.dates,
            change,
            color=color,
            drawstyle="steps-post",
            label=f"{BANK_WORDS[bank]}\nfrom {rate[0, 0]:.2f} %",
        )
    least_span(ax, 20.0)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    heading(ax, "Other policy rates", "change since day 0, bp", paths.of_seeds("mean") or " ")


def liquidity_stress(paths: Paths) -> Figure:
    """Depth against day 0, the stress index, margin rounds."""
    figure, axes = new_figure(2, 2, (11, 6.6), "Liquidity and stress", paths.subtitle())
    for ax, markets, words in (
        (axes[0, 0], ("JGB10", "JGB30", "JGB40", "UST10", "UST30", "BUND10", "GILT10"), "Depth of bond markets"),
        (axes[0, 1], ("NIKKEI", "NASDAQ", "BTC", "USDJPY", "AUDUSD"), "Depth of other markets"),
    ):
        for market, color in zip(markets, CYCLE, strict=False):
            depth = paths.column(f"depth_usd_bn_per_pct.{market}")
            ratio = 100.0 * depth / np.maximum(depth[:, :1], 1e-12)
            ax.plot(paths.dates, np.median(ratio, axis=0), color=color, label=market)
        ax.axhline(100.0, color="#666666", linewidth=0.8)
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        heading(ax, words, "% of day 0", f"what a price move of 1 % takes{', median' if paths.shape[0] > 1 else ''}")
    band(axes[1, 0], paths.dates, paths.column("stress_index"), VERMILLION)
    heading(axes[1, 0], "Stress index", "index, 0 is calm")
    _rounds(axes[1, 1], paths)
    for ax in axes.flat:
        mark_events(ax, paths)
        date_ticks(ax, paths.dates)
    return figure


def _rounds(ax: Axes, paths: Paths) -> None:
    """How often the auction had to run again, and how often it found no price."""
    status = paths.run.daily["status"].astype(str).to_numpy().reshape(paths.shape)
    calls = [name for name in paths.run.daily.columns if name.startswith("margin_calls_usd_bn.")]
    called = np.any([paths.column(name) > 0.0 for name in calls], axis=0)
    ax.plot(paths.dates, 100.0 * called.mean(axis=0), color=BLUE, label="margin calls")
    ax.plot(paths.dates, 100.0 * (status != CONVERGED).mean(axis=0), color=VERMILLION, label="no clearing price")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set_ylim(-2.0, 102.0)
    heading(ax, "Days with margin calls, days without a clearing price", "% of seeds")


def _round(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10.0 else f"{value:.2g}"


def _signed(value: float) -> str:
    text = _round(value)
    return text if value <= 0.0 or not float(text.replace(",", "")) else f"+{text}"


FIGURES: Final[dict[str, Callable[[Paths], Figure]]] = {
    "01_jgb_curve": jgb_curve,
    "02_foreign_yields": foreign_yields,
    "03_usdjpy_ladder": usdjpy_ladder,
    "04_equities_bitcoin": equities_bitcoin,
    "05_margin_calls_liquidations": margin_calls_liquidations,
    "06_capital_flows": capital_flows,
    "07_who_moved_the_market": who_moved_the_market,
    "08_sector_equity": sector_equity,
    "09_policy": policy,
    "10_liquidity_stress": liquidity_stress,
}
