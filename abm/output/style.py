"""How figures look: colours that colour-blind readers can tell apart, bands, dates, titles."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from abm.output.tables import RunDirectory, series_column

# Okabe and Ito (2008), without black and yellow (too pale for lines on white), plus Tol's wine, olive and grey.
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
WINE, OLIVE, YELLOW, GREY, DARK = "#882255", "#999933", "#F0E442", "#999999", "#222222"
CYCLE: Final = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, WINE, OLIVE)
SECTOR_LINES: Final[dict[str, tuple[str, str]]] = {
    "life_insurers": (BLUE, "-"),
    "pension_funds": (SKY, "-"),
    "banks": (GREEN, "-"),
    "jgb_fast_money": (VERMILLION, "-"),
    "carry_traders": (ORANGE, "-"),
    "crypto_longs": (PURPLE, "-"),
    "bitcoin_holders": (PURPLE, "--"),
    "real_money": (WINE, "-"),
    "dealers": (DARK, "-"),
    "arbitrageurs": (GREY, "-"),
    "bank_of_japan": (BLUE, "--"),
    "ministry_of_finance": (VERMILLION, "--"),
    "government": (GREEN, "--"),
    "federal_reserve": (SKY, "--"),
    "european_central_bank": (OLIVE, "--"),
    "rest_of_world": (GREY, "--"),
}
RC: Final[Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": "#444444",
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.5,
    "figure.dpi": 130,
    "savefig.facecolor": "white",
}
HALO: Final = [withStroke(linewidth=2.0, foreground="white")]
SCHEDULED_LABELS: Final = 3  # dated events named in a figure; more are marked without words


@dataclass(frozen=True)
class Paths:
    """Daily series of all complete seeds of a run as matrices."""

    run: RunDirectory

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Seeds, days with day 0."""
        seeds = int(self.run.daily["seed"].nunique())
        return seeds, len(self.run.daily) // max(seeds, 1)

    @cached_property
    def dates(self) -> np.ndarray:
        """Calendar dates, day 0 first."""
        dates: np.ndarray = self.run.daily["date"].to_numpy()[: self.shape[1]].astype("datetime64[D]")
        return dates

    def has(self, column: str) -> bool:
        """Whether the run has this daily column."""
        return column in self.run.daily.columns

    def column(self, name: str) -> np.ndarray:
        """A daily column, (seeds, days)."""
        values: np.ndarray = self.run.daily[name].to_numpy(dtype=float)
        return values.reshape(self.shape)

    def series(self, name: str) -> np.ndarray:
        """Levels of an instrument, exchange rate or cross, (seeds, days)."""
        return self.column(series_column(name))

    def change_bp(self, bond: str) -> np.ndarray:
        """Yield less the opening, bp."""
        y = self.series(bond)
        return np.asarray(100.0 * (y - y[:, :1]))

    def change_pct(self, name: str) -> np.ndarray:
        """Level against the opening, per cent."""
        x = self.series(name)
        return np.asarray(100.0 * (x / x[:, :1] - 1.0))

    @cached_property
    def scheduled(self) -> dict[np.datetime64, str]:
        """Dates of the scenario's own events (meetings left out) and their kinds in words."""
        events = self.run.events
        mine = events[(events["cause"] == "scenario") & (events["kind"] != "policy_meeting")].dropna(subset="date")
        kinds = mine.groupby("date")["kind"].agg(lambda found: ", ".join(dict.fromkeys(found)).replace("_", " "))
        return dict(zip(kinds.index.to_numpy().astype("datetime64[D]"), kinds.tolist(), strict=True))

    def subtitle(self, shown: str = "median, 25-75 % and 5-95 % of seeds") -> str:
        """Which run this is, and what is shown of its seeds."""
        seeds, days = self.shape
        about = f"{self.run.manifest['name']}, {days - 1} trading days from {self.dates[0]}"
        return f"{about}, {seeds} seeds; {shown}" if seeds > 1 else f"{about}, one seed"

    def over_seeds(self, statistic: str) -> str:
        """What is shown of the seeds, for the end of a title; nothing if there is one seed."""
        return f", {statistic}" if self.shape[0] > 1 else ""


@contextmanager
def drawing() -> Iterator[None]:
    """The house style, for the figures drawn inside."""
    with mpl.rc_context(RC):
        yield


def new_figure(
    rows: int, columns: int, size: tuple[float, float], title: str, subtitle: str, **grid: Any
) -> tuple[Figure, np.ndarray]:
    """A figure with titled grid of axes, (rows, columns)."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.06, hspace=0.05, wspace=0.04)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=13, fontweight="bold", color=DARK)
    figure.text(0.01, 1.0 - 0.42 / size[1], subtitle, ha="left", va="top", fontsize=8.5, color="#666666")
    return figure, axes


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG without time stamps."""
    figure.savefig(path, metadata={"Software": None})
    return path


def date_ticks(ax: Axes, dates: np.ndarray, ticks: int = 6) -> None:
    """Real dates, few ticks."""
    if dates.size <= ticks:
        ax.set_xticks(dates, [f"{day.day} {day:%b}" for day in dates.tolist()])
    else:
        places, labels = _tick_places(dates[0].item(), dates[-1].item(), ticks)
        ax.set_xticks(np.array(places, dtype="datetime64[D]"), labels)
    ax.set_xlim(dates[0], dates[-1])


@lru_cache
def _tick_places(first: dt.date, last: dt.date, most: int) -> tuple[list[dt.date], list[str]]:
    """The finest of weeks, half months, months, quarters ... that has at most so many ticks, and their labels."""
    days = [first + dt.timedelta(n) for n in range((last - first).days + 1)]
    grids = [
        [d for d in days if d.weekday() == 0],
        [d for d in days if d.day in (1, 15)],
        *([d for d in days if d.day == 1 and (12 * d.year + d.month - 1) % months == 0] for months in (1, 2, 3, 6, 12)),
        [d for d in days if (d.day, d.month) == (1, 1) and d.year % 5 == 0],
    ]
    grid = next((i for i, g in enumerate(grids) if len(g) <= most), len(grids) - 1)
    if len(grids[grid]) < 2:
        return [first, last], [f"{d.day} {d:%b %Y}" for d in (first, last)]
    if grid < 2:
        return grids[grid], [f"{d.day} {d:%b}" for d in grids[grid]]
    return grids[grid], [f"{d:%Y}" if d.month == 1 else f"{d:%b}" for d in grids[grid]]


def band(ax: Axes, dates: np.ndarray, values: np.ndarray, color: str = BLUE, name: str | None = None) -> None:
    """Median with 25-75 % and 5-95 % of the seeds; values (seeds, days)."""
    if values.shape[0] > 1:
        p5, p25, median, p75, p95 = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
        ax.fill_between(dates, p5, p95, color=color, alpha=0.16, linewidth=0)
        ax.fill_between(dates, p25, p75, color=color, alpha=0.30, linewidth=0)
    else:
        median = values[0]
    ax.plot(dates, median, color=color, label=name)


def zero_line(ax: Axes) -> None:
    """Where nothing has changed."""
    ax.axhline(0.0, color="#666666", linewidth=0.8, zorder=1.5)


def mark_scheduled(ax: Axes, paths: Paths, words: bool = False) -> None:
    """Dotted lines at the scenario's own events."""
    few = len(paths.scheduled) <= SCHEDULED_LABELS
    at: Any
    for at, kinds in paths.scheduled.items():
        if paths.dates[0] < at <= paths.dates[-1]:
            ax.axvline(at, color="#666666", linewidth=0.8, linestyle=(0, (2, 2)), zorder=1.4)
            if words and few:
                ax.annotate(
                    kinds, (at, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -2),
                    textcoords="offset points", va="top", fontsize=7, color="#444444", rotation=90, path_effects=HALO,
                )  # fmt: skip


def legend_below(figure: Figure, ax: Axes, columns: int) -> None:
    """One legend under the panels, from one panel's lines."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
