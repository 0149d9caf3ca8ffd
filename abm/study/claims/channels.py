"""Which channel moves which market? The main scenario with and without one channel at a time, on the same seeds.

What a channel adds to a market is its move since the opening with the channel less the one without it.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from rich.table import Table

from abm.output.claims_report import CHANNELS_FIGURE, CHANNELS_TABLE
from abm.output.report import precise
from abm.output.style import DARK, drawing, new_figure, save
from abm.study.claims.arms import DAYS, Arm, arm
from abm.study.claims.estimates import Estimate, mean
from abm.study.claims.runs import Runs, Store, difference
from abm.study.moments import calm_sd
from abm.study.paths import unit_of

SHARE: Final = 0.2  # of the seeds of a trial
SCENARIO = "sanaenomics"
WITH, CALM, WHOLE = "as it is", "no shock", "the shock as a whole"
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "re-pricing of fiscal promises": ("fiscal_concern",),
    "repatriation": ("repatriation",),
    "currency hedging of insurers": ("hedging",),
    "buyers' strike": ("buyers_strike",),
    "fast money's momentum": ("fast_money_momentum",),
    "dealers' wealth effect": ("dealer_wealth_effect",),
    "margin calls": ("margin_calls",),
    "yen funding of carry": ("yen_carry_funding",),
    "leverage in bitcoin": ("crypto_leverage",),
    "exceptional purchases": ("exceptional_purchases",),
    "signalling about the yen": ("signalling",),
    "Treasuries sold for operations": ("treasury_funding",),
}
MARKETS = (
    "JGB10",
    "JGB30",
    "JGB40",
    "UST10",
    "UST30",
    "BUND10",
    "GILT10",
    "ACGB10",
    "USDJPY",
    "NIKKEI",
    "NASDAQ",
    "BTC",
)
SOON = 14  # trading days: ten after the announcement
BRIGHT = 1.0  # calm daily standard deviations at which a colour is fullest
SMALLEST = 0.005  # bp or per cent; less is shown as zero


@dataclass(frozen=True)
class Cell:
    """What a channel adds to a market by a day; calm_sd: the same over the calm standard deviation of a day."""

    channel: str
    market: str
    day: int
    effect: Estimate
    calm_sd: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.effect.above() or self.effect.below()


def worlds(days: int = DAYS, share: float = SHARE) -> dict[str, Arm]:
    """The main scenario as it is, without the shock, and without each channel, on part of the seeds."""
    without = {name: arm(SCENARIO, days=days, without=rules, share=share) for name, rules in CHANNELS.items()}
    calm = arm("baseline", days=days, share=share)
    return {WITH: arm(SCENARIO, days=days, share=share), CALM: calm, **without}


def told(store: Store, arms: Mapping[str, Arm], seeds: int, out: Path) -> list[Cell]:
    """Table and heat map from finished runs, written to a directory."""
    cells = table(Runs(store, arms, seeds))
    (out / CHANNELS_FIGURE).parent.mkdir(parents=True, exist_ok=True)
    write(cells, out / CHANNELS_TABLE)
    draw(cells, out / CHANNELS_FIGURE)
    return cells


def table(runs: Runs) -> list[Cell]:
    """Every channel, and the shock as a whole, by market, two weeks after the announcement and at the end."""
    days = runs[WITH].days
    pairs = {WHOLE: CALM, **{name: name for name in CHANNELS}}
    return [
        cell(runs, channel, without, market, day)
        for channel, without in pairs.items()
        for market in MARKETS
        for day in sorted({min(SOON, days), days})
    ]


def cell(runs: Runs, channel: str, without: str, market: str, day: int) -> Cell:
    """With less without, bp or per cent."""
    added = difference(runs[WITH], runs[without], lambda r: r.series(market)[:, day])
    effect = mean(f"{market}: {channel}", unit_of(market), added)
    return Cell(channel, market, day, effect, effect.value / calm_sd(runs[WITH].arm.scenario, market))


def write(cells: Sequence[Cell], path: Path) -> None:
    """One row per channel, market and day."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["channel", "market", "trading_day", "unit", "adds", "low", "high", "calm_daily_sd", "seeds"])
        for c in cells:
            e = c.effect
            numbers = [f"{x:.6g}" for x in (e.value, e.low, e.high, c.calm_sd)]
            rows.writerow([c.channel, c.market, c.day, e.unit, *numbers, e.seeds])


def shown(effect: Estimate) -> str:
    """Number of a cell."""
    return f"{effect.value:+.2f}" if abs(effect.value) >= SMALLEST else "0"


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Channels by markets at the end: colours in calm daily standard deviations, numbers in bp or per cent."""
    last = max(c.day for c in cells)
    chosen = [c for c in cells if c.day == last]
    seeds = chosen[0].effect.seeds
    subtitle = (
        f"What each channel adds to the move since 13 January 2026 by trading day {last}: the main scenario with the "
        f"channel less without it, mean of {seeds} paired seeds. Bonds: bp of yield; else per cent. Bold: the 95 % "
        "interval excludes zero. Colour: the same in standard deviations of a calm day."
    )
    with drawing():
        figure, ((ax,),) = new_figure(1, 1, (12.5, 6.4), "Which channel moves which market?", subtitle)
        image = _heat_map(ax, chosen)
        bar = figure.colorbar(image, ax=ax, shrink=0.7, pad=0.01, extend="both")
        bar.set_label("standard deviations of a calm day")
        save(figure, path)


def _heat_map(ax: Axes, cells: Sequence[Cell]) -> AxesImage:
    channels = list(dict.fromkeys(c.channel for c in cells))
    matrix = np.array([c.calm_sd for c in cells]).reshape(len(channels), len(MARKETS))
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-BRIGHT, vmax=BRIGHT, aspect="auto")
    for c in cells:
        words, at = shown(c.effect), (MARKETS.index(c.market), channels.index(c.channel))
        bold = c.clear and words != "0"
        color = "white" if abs(c.calm_sd) > 0.7 * BRIGHT else DARK if bold else "#555555"
        weight = "bold" if bold else "normal"
        ax.text(*at, words, ha="center", va="center", fontsize=8, color=color, fontweight=weight)
    ax.set_xticks(range(len(MARKETS)), [f"{m}\n{unit_of(m)}" for m in MARKETS])
    ax.set_yticks(range(len(channels)), channels)
    ax.axhline(0.5, color="white", linewidth=4)
    ax.grid(False)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    return image


def drawn(cells: Sequence[Cell]) -> Table:
    """For the terminal: what is clear at the end."""
    last = max(c.day for c in cells)
    title = f"{SCENARIO}: what a channel adds by trading day {last}, where the 95 % interval excludes zero"
    found = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("channel", "market", "unit", "adds", "95 %"):
        found.add_column(column, justify="right" if column in ("adds", "95 %") else "left")
    for c in cells:
        if c.day == last and c.clear:
            value, low, high = (precise(x, c.effect.unit) for x in (c.effect.value, c.effect.low, c.effect.high))
            found.add_row(c.channel, c.market, c.effect.unit, value, f"{low} to {high}")
    return found
