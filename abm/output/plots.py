"""The ten figures of a run, drawn from its directory. One function per figure."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from abm.output import attribution
from abm.output.attribution import SHORT, Contributions
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
    legend_below,
    mark_scheduled,
    new_figure,
    save,
    zero_line,
)
from abm.output.tables import CONVERGED, NEWS, POLICY_BANKS, RunDirectory
from abm.world.instruments import MARKETS

JGB_IDS: Final = tuple(m.id for m in MARKETS if m.kind == "bond" and m.currency == "JPY")
FOREIGN_IDS: Final = tuple(m.id for m in MARKETS if m.kind == "bond" and m.currency != "JPY")
FLOW_GROUPS: Final = {
    "Japanese government bonds": JGB_IDS,
    "Foreign bonds": FOREIGN_IDS,
    "Equities": ("NIKKEI", "NASDAQ", "SPX"),
    "Dollars against yen": ("USDJPY",),
}
MOVED: Final = ("JGB40", "UST30", "USDJPY")
NO_EQUITY_USD_BN: Final = 1e-6  # sectors whose capital is kept outside the ledger open with nothing
ADDS_UP: Final = "line: mean move over the seeds; the parts add up to it"
CONTRIBUTORS: Final = 8
CONTRIBUTOR_COLOURS: Final = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, WINE, YELLOW)
HATCHES: Final = ("", "////", "....")
NEWS_COLOURS: Final = {"news": "#7A7A7A", "policy_news": "#B5B5B5"}
OTHER_COLOUR: Final = "#DDDDDD"
PRIVATE: Final = (
    "life_insurers", "pension_funds", "banks", "jgb_fast_money", "carry_traders", "crypto_longs", "bitcoin_holders",
    "real_money", "dealers", "arbitrageurs",
)  # fmt: skip
LADDER: Final = ("silence", "words 1", "words 2", "words 3", "words 4", "rate check", "operation")
LADDER_COLOURS: Final = ("#F2F2F2", "#D6E4F0", "#A9CBE6", "#6FA8D6", "#2F78B7", ORANGE, VERMILLION)


def draw_all(path: Path | str) -> list[Path]:
    """Draw every figure of a run directory into its folder ``figures``."""
    paths = Paths(RunDirectory.open(path))
    folder = paths.run.path / "figures"
    folder.mkdir(exist_ok=True)
    with drawing():
        return [save(draw(paths), folder / f"{name}.png") for name, draw in FIGURES.items()]


def jgb_curve(paths: Paths) -> Figure:
    """Yields by maturity, and the curve on day 0, at the peak and at the end."""
    figure, axes = new_figure(2, 3, (11, 6.2), "Japanese government bond yields", paths.subtitle())
    for ax, bond in zip(axes.flat, JGB_IDS, strict=False):
        band(ax, paths.dates, paths.series(bond))
        mark_scheduled(ax, paths, words=bond == JGB_IDS[0])
        _title(ax, f"{bond[3:]}-year", "yield, %")
        date_ticks(ax, paths.dates)
    _curve(axes.flat[-1], paths)
    return figure


def _curve(ax: Axes, paths: Paths) -> None:
    tenors = [m.tenor_yr for m in MARKETS if m.id in JGB_IDS]
    medians = np.array([np.median(paths.series(bond), axis=0) for bond in JGB_IDS])
    peak = int(medians[-1].argmax())
    for day, color, style in ((0, GREY, "--"), (peak, VERMILLION, "-"), (medians.shape[1] - 1, BLUE, "-")):
        ax.plot(tenors, medians[:, day], style, color=color, marker="o", markersize=4, label=f"{paths.dates[day]}")
    ax.legend(loc="lower right", title="median curve on" if paths.shape[0] > 1 else "curve on")
    ax.set_xticks(tenors)
    ax.set_xlabel("maturity, years")
    _title(ax, "Curve: opening, peak of the 40-year, end", "yield, %")


def foreign_yields(paths: Paths) -> Figure:
    """Change of every foreign yield since day 0."""
    title = "Foreign bond yields, change since day 0"
    figure, axes = new_figure(3, 3, (11, 7.6), title, paths.subtitle(), sharey="row")
    for ax, bond in zip(axes.flat, FOREIGN_IDS, strict=True):
        zero_line(ax)
        band(ax, paths.dates, paths.change_bp(bond))
        mark_scheduled(ax, paths)
        start = paths.series(bond)[0, 0]
        _title(ax, f"{bond}  (from {start:.2f} %)", "bp" if ax in axes[:, 0] else "")
        date_ticks(ax, paths.dates)
    return figure


def usdjpy_ladder(paths: Paths) -> Figure:
    """USDJPY, and how far the ministry's ladder was climbed."""
    heights = (2.6, 1.2, 1.2)
    title = "USDJPY and the ministry's ladder"
    figure, axes = new_figure(3, 1, (10, 8.0), title, paths.subtitle(), height_ratios=heights, sharex=True)
    top, ladder, acts = axes[:, 0]
    band(top, paths.dates, paths.series("USDJPY"))
    top.axhline(160.0, color=VERMILLION, linewidth=0.9, linestyle="--")
    mark_scheduled(top, paths, words=True)
    _title(top, "Exchange rate (dashed: 160)", "yen per dollar")
    step = paths.column("ladder")
    shares = [100.0 * (step == level).mean(axis=0) for level in range(len(LADDER))]
    ladder.stackplot(paths.dates, shares, colors=LADDER_COLOURS, labels=LADDER, linewidth=0, step="post")
    ladder.set_ylim(0, 100)
    ladder.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True)
    _title(ladder, "Last step taken", "% of seeds")
    _acts(acts, paths)
    date_ticks(acts, paths.dates)
    return figure


def _acts(ax: Axes, paths: Paths) -> None:
    """Share of seeds with a check or an operation on each day."""
    seeds = paths.shape[0]
    checks = paths.run.events.query("kind == 'rate_check'")["date"].to_numpy().astype("datetime64[D]")
    checked = np.array([(checks == day).sum() for day in paths.dates])
    yen = paths.column("intervention_jpy_tn")
    operated = (np.abs(yen) > 0.0).sum(axis=0)
    day = np.timedelta64(9, "h")
    dates = paths.dates.astype("datetime64[h]")
    ax.bar(dates - day // 2, 100.0 * checked / seeds, width=0.36, color=ORANGE, label="rate check")
    ax.bar(dates + day // 2, 100.0 * operated / seeds, width=0.36, color=VERMILLION, label="operation")
    if not (checked.any() or operated.any()):
        ax.set_ylim(0.0, 1.0)
        ax.text(0.5, 0.5, "none in any seed", transform=ax.transAxes, ha="center", va="center", color="#666666")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    mean = yen.sum(axis=1).mean()
    _title(ax, f"Checks and operations by day; yen bought over the run, mean {mean:.1f} JPY tn", "% of seeds")


def equities_bitcoin(paths: Paths) -> Figure:
    """Equities and bitcoin since day 0, with the margined longs and what they pay."""
    figure, axes = new_figure(2, 3, (11, 6.2), "Equities and bitcoin", paths.subtitle())
    panels = {"NIKKEI": "Nikkei 225", "NASDAQ": "Nasdaq", "SPX": "S&P 500", "BTC": "Bitcoin"}
    for ax, (name, words) in zip(axes.flat, panels.items(), strict=False):
        zero_line(ax)
        band(ax, paths.dates, paths.change_pct(name), ORANGE if name == "BTC" else BLUE)
        _title(ax, f"{words}  (from {paths.series(name)[0, 0]:,.0f})", "change since day 0, %")
    band(axes[1, 1], paths.dates, paths.column("open_interest_usd_bn.BTC"), ORANGE)
    _title(axes[1, 1], "Bitcoin: open interest of margined longs", "USD bn")
    band(axes[1, 2], paths.dates, paths.column("funding_pct.BTC"), ORANGE)
    _title(axes[1, 2], "Bitcoin: funding paid by longs", "% a year")
    for ax in axes.flat:
        mark_scheduled(ax, paths, words=ax is axes[0, 0])
        date_ticks(ax, paths.dates)
    return figure


def margin_calls_liquidations(paths: Paths) -> Figure:
    """Margin calls and liquidations: who, when, and how much in total."""
    figure, axes = new_figure(2, 2, (11, 6.4), "Margin calls and liquidations", paths.subtitle())
    called = [s for s in SECTOR_LINES if _called(paths, s)]
    kinds = {"margin_calls_usd_bn": "Margin calls", "liquidations_usd_bn": "Liquidations"}
    for (ax, below), (kind, words) in zip(axes.T, kinds.items(), strict=True):
        by_sector = np.array([paths.column(f"{kind}.{s}") for s in called]).reshape(len(called), *paths.shape)
        if called:
            colors = [SECTOR_LINES[s][0] for s in called]
            names = [SHORT[s] for s in called]
            ax.stackplot(paths.dates, by_sector.mean(axis=1), colors=colors, labels=names, step="mid", linewidth=0)
        _title(ax, f"{words} by sector{paths.over_seeds('mean')}", "USD bn a day")
        band(below, paths.dates, by_sector.sum(axis=0).cumsum(axis=1), VERMILLION)
        _title(below, f"{words}, cumulated", "USD bn")
    for ax in axes.flat:
        ax.set_ylim(bottom=0.0)
        mark_scheduled(ax, paths)
        date_ticks(ax, paths.dates)
    if called:
        legend_below(figure, axes[0, 0], 6)
    return figure


def _called(paths: Paths, sector: str) -> bool:
    """Whether a sector was ever called or liquidated."""
    columns = [f"{kind}.{sector}" for kind in ("margin_calls_usd_bn", "liquidations_usd_bn")]
    return any(paths.has(c) and paths.column(c).any() for c in columns)


def capital_flows(paths: Paths) -> Figure:
    """Net purchases by sector since day 0, by group of markets."""
    figure, axes = new_figure(
        2, 2, (11, 7.0), "Who bought and who sold: cumulated net purchases", paths.subtitle("median of seeds")
    )
    flows = _cumulated_flows(paths)
    shown: set[str] = set()
    for ax, group in zip(axes.flat, FLOW_GROUPS, strict=True):
        zero_line(ax)
        medians = {s: np.median(by_group[group], axis=0) for s, by_group in flows.items()}
        largest = sorted(medians, key=lambda s: -np.abs(medians[s]).max())[:7]
        for sector in (s for s in SECTOR_LINES if s in largest and medians[s].any()):
            color, line = SECTOR_LINES[sector]
            ax.plot(paths.dates, medians[sector], line, color=color)
            shown.add(sector)
        mark_scheduled(ax, paths)
        _title(ax, group, "USD bn")
        date_ticks(ax, paths.dates)
    for sector in (s for s in SECTOR_LINES if s in shown):
        color, line = SECTOR_LINES[sector]
        axes[0, 0].plot([], [], line, color=color, label=SHORT[sector])
    legend_below(figure, axes[0, 0], 6)
    return figure


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
    heights = (1.0, 1.15)
    title = "Who moved the market, and why"
    figure, axes = new_figure(2, 3, (14, 8.4), title, paths.subtitle(ADDS_UP), height_ratios=heights)
    fills = _fills(parts.values())
    for (above, below), market in zip(axes.T, MOVED, strict=True):
        layers = _layers(parts[market], fills)
        _stack(above, paths, parts[market], layers)
        _bars(below, paths, parts[market], layers)
    return figure


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
    mark_scheduled(ax, paths)
    date_ticks(ax, paths.dates)
    _title(ax, f"{c.market} since day 0", c.unit)


def _bars(ax: Axes, paths: Paths, c: Contributions, layers: list[Layer]) -> None:
    """Parts on the day of the largest mean move."""
    rows = [*layers, Layer("move", "black", "", c.total)]
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
    _title(ax, f"{c.market}: parts on {paths.dates[c.turning_day]} (day {c.turning_day})", "")


def sector_equity(paths: Paths) -> Figure:
    """Equity of every private sector against day 0."""
    figure, axes = new_figure(2, 5, (13, 5.6), "Equity of the sectors, change since day 0", paths.subtitle())
    for ax, sector in zip(axes.flat, PRIVATE, strict=True):
        equity = paths.column(f"equity_usd_bn.{sector}")
        opening = equity[:, :1]
        solid = bool((opening > NO_EQUITY_USD_BN).all())
        zero_line(ax)
        band(ax, paths.dates, 100.0 * (equity / opening - 1.0) if solid else equity - opening, SECTOR_LINES[sector][0])
        held = f"  ({_round(opening.mean())} USD bn)" if solid else ""
        _title(ax, f"{SHORT[sector].capitalize()}{held}", "%" if solid else "USD bn")
        mark_scheduled(ax, paths)
        date_ticks(ax, paths.dates, ticks=4)
    return figure


def policy(paths: Paths) -> Figure:
    """What the authorities did and what it costs."""
    figure, axes = new_figure(2, 3, (11, 6.2), "Policy and public finance", paths.subtitle())
    _bank_of_japan_rate(axes[0, 0], paths)
    _other_rates(axes[0, 2], paths)
    panels = {
        (0, 1): ("hike_risk", "Chance of a BoJ rise next time", "probability seen by markets"),
        (1, 0): ("boj_purchases_jpy_tn", "BoJ: bonds bought, cumulated", "JPY tn"),
        (1, 1): ("interest_to_revenue_pct.JP", "Interest bill over tax revenue", "%"),
        (1, 2): ("inflation_pct.JP", "Inflation, Japan", "% a year"),
    }
    for place, (column, words, unit) in panels.items():
        values = paths.column(column)
        band(axes[place], paths.dates, values.cumsum(axis=1) if "purchases" in column else values)
        _title(axes[place], words, unit)
    for ax in axes.flat:
        mark_scheduled(ax, paths)
        date_ticks(ax, paths.dates)
        ax.ticklabel_format(axis="y", useOffset=False)
    return figure


def _bank_of_japan_rate(ax: Axes, paths: Paths) -> None:
    """Mean and 5-95 % of a rate that moves in steps."""
    rate = paths.column("policy_rate_pct.BOJ")
    if paths.shape[0] > 1:
        low, high = np.quantile(rate, (0.05, 0.95), axis=0)
        ax.fill_between(paths.dates, low, high, step="post", color=BLUE, alpha=0.16, linewidth=0)
    ax.plot(paths.dates, rate.mean(axis=0), color=BLUE, drawstyle="steps-post")
    ax.margins(y=0.15)
    _title(ax, f"BoJ: policy rate{paths.over_seeds('mean and 5-95 %')}", "%")


def _other_rates(ax: Axes, paths: Paths) -> None:
    """Change of the other policy rates, median."""
    others = [bank for bank in POLICY_BANKS if bank != "BOJ"]
    for bank, color in zip(others, CYCLE, strict=False):
        rate = np.median(paths.column(f"policy_rate_pct.{bank}"), axis=0)
        ax.plot(paths.dates, rate, color=color, drawstyle="steps-post", label=bank)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _title(ax, f"Other policy rates{paths.over_seeds('median')}", "%")


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
        _title(ax, f"{words}{paths.over_seeds('median')}", "% of day 0")
    band(axes[1, 0], paths.dates, paths.column("stress_index"), VERMILLION)
    _title(axes[1, 0], "Stress index", "index, 0 is calm")
    _rounds(axes[1, 1], paths)
    for ax in axes.flat:
        mark_scheduled(ax, paths)
        date_ticks(ax, paths.dates)
    return figure


def _rounds(ax: Axes, paths: Paths) -> None:
    """How often the auction had to run again, and how often it found no price."""
    status = paths.run.daily["status"].astype(str).to_numpy().reshape(paths.shape)
    called = np.sum([paths.column(f"margin_calls_usd_bn.{s}") for s in PRIVATE], axis=0) > 0.0
    ax.plot(paths.dates, 100.0 * called.mean(axis=0), color=BLUE, label="margin calls")
    ax.plot(paths.dates, 100.0 * (status != CONVERGED).mean(axis=0), color=VERMILLION, label="no clearing price")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set_ylim(-2.0, 102.0)
    ax.yaxis.set_major_formatter(PercentFormatter(100.0))
    _title(ax, "Days with margin calls, days without a clearing price", "share of seeds")


def _title(ax: Axes, title: str, unit: str) -> None:
    ax.set_title(title)
    if unit:
        ax.set_ylabel(unit)


def _round(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10.0 else f"{value:.2g}"


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
