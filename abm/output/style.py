"""How figures look: colours that colour-blind readers can tell apart, bands, dates, titles."""

import datetime as dt
import string
import textwrap
from collections.abc import Iterable, Iterator, Mapping
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

from abm.output.attribution import BANK_WORDS
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
EVENT_WORDS: Final = {
    "fiscal_announcement": "stimulus of JPY {amount_jpy_tn:.3g} tn announced",
    "tax_cut": "tax cut of JPY {amount_jpy_tn_per_year:.3g} tn a year",
    "policy_rate": "{bank} rate {change_bp:+.0f} bp",
    "purchase_taper": "BoJ purchases {change_jpy_tn_per_month:+.2g} JPY tn a month",
    "fx_intervention": "yen operation, JPY {amount_jpy_tn:.2g} tn",
    "treasury_sale": "{market} sale, USD {amount_usd_bn:.3g} bn",
    "verbal_intervention": "words on the yen",
    "data_surprise": "{country} data surprise",
}
ROOM: Final = 0.015  # of a panel's width, right of the last day
CLOSE: Final = 0.05  # share of a panel's width: marks nearer to each other share a label
MOST_LETTERS: Final = 8  # dates of the scenario named in a figure's head; more are marked without words
MOST_MEETINGS: Final = 4  # meetings dated in a figure's head; of more only the number is told
CHARACTERS_PER_IN: Final = 15.5  # of the lines under a figure's title
TITLE_IN, LINE_IN, GAP_IN = 0.38, 0.165, 0.06  # heights in a figure's head, inches


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
        """Dates of the scenario's own events within the run (meetings left out), and the events in words."""
        events = self.run.events
        mine = events[(events["cause"] == "scenario") & (events["kind"] != "policy_meeting")].dropna(subset="date")
        words: dict[np.datetime64, dict[str, None]] = {}
        for date, kind, details in zip(_days(mine["date"]), mine["kind"], mine["details"], strict=True):
            words.setdefault(date, {})[event_words(kind, details)] = None
        return {d: ", ".join(w) for d, w in sorted(words.items()) if self.dates[0] < d <= self.dates[-1]}

    @cached_property
    def letters(self) -> dict[np.datetime64, str]:
        """What the scenario's dates are called in the panels; nothing if they are too many."""
        named = len(self.scheduled) <= MOST_LETTERS
        return dict(zip(self.scheduled, string.ascii_uppercase if named else [""] * len(self.scheduled), strict=False))

    @cached_property
    def labels(self) -> dict[np.datetime64, str]:
        """Letters to write beside the dates; dates close to each other get theirs together, beside the last."""
        close = CLOSE * (self.dates[-1] - self.dates[0]).astype(float)
        found: dict[np.datetime64, str] = {}
        for day, letter in self.letters.items():
            last = next(reversed(found), None)
            near = last is not None and (day - last).astype(float) < close
            found[day] = f"{found.pop(last)} {letter}" if near and last is not None else letter
        return found

    @cached_property
    def meetings(self) -> list[np.datetime64]:
        """Dates on which the Bank of Japan decided its rate, in any seed."""
        events = self.run.events
        kinds = events["kind"].isin(("policy_rate", "policy_guidance"))
        dates = _days(events[(events["cause"] == "bank_of_japan") & kinds]["date"])
        return [day for day in np.unique(dates) if self.dates[0] < day <= self.dates[-1]]

    def words_of(self, day: np.datetime64) -> str:
        """A date without its year if the run stays within one."""
        date = day.item()
        one_year = self.dates[0].item().year == self.dates[-1].item().year
        return f"{date.day} {date:%b}" if one_year else f"{date.day} {date:%b} {date:%Y}"

    @cached_property
    def key(self) -> str:
        """What the marks in the panels mean."""
        if any(self.letters.values()):
            parts = [f"{letter}  {self.words_of(d)}: {self.scheduled[d]}" for d, letter in self.letters.items()]
        else:
            parts = ["dotted lines: dates of the scenario's own events"] if self.scheduled else []
        if self.meetings:
            few = len(self.meetings) <= MOST_MEETINGS
            when = ", ".join(map(self.words_of, self.meetings)) if few else f"{len(self.meetings)} of them"
            parts.append(f"\u25b2  BoJ meetings: {when}")
        return "      ".join(part.replace(" ", "\u00a0") for part in parts)  # lines break between parts only

    def subtitle(self, shown: str = "line: median; dark band: 25-75 %, light band: 5-95 % of seeds") -> str:
        """Which run this is, what is shown of its seeds, and what the marks mean."""
        seeds, days = self.shape
        last = self.dates[-1].item()
        about = f"{self.run.manifest['name']}: {self.run.manifest['title']}; {days - 1} trading days"
        about += f" to {last.day} {last:%B %Y}, {f'{seeds} seeds' if seeds > 1 else 'one seed'}"
        lines = [f"{about}; {shown}" if seeds > 1 else about, self.key]
        return "\n".join(filter(None, lines))

    def of_seeds(self, statistic: str) -> str:
        """What a panel shows of the seeds; nothing if there is one seed."""
        return f"{statistic} of seeds" if self.shape[0] > 1 else ""


def _days(dates: Any) -> np.ndarray:
    """A column of time stamps as calendar days."""
    return np.asarray(dates.to_numpy().astype("datetime64[D]"))


def event_words(kind: str, details: Mapping[str, Any]) -> str:
    """An event of the scenario in a few words, with its size where the record has it."""
    plain = kind.replace("_", " ")
    known = {**details, "bank": BANK_WORDS.get(details.get("bank", ""), details.get("bank"))}
    try:
        return EVENT_WORDS.get(kind, plain).format(**known)
    except (KeyError, ValueError, TypeError):
        return plain


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
    lines = [
        wrapped for line in subtitle.split("\n") for wrapped in textwrap.wrap(line, int(CHARACTERS_PER_IN * size[0]))
    ]
    head = TITLE_IN + LINE_IN * len(lines) + GAP_IN
    room = (0.0, 0.0, 1.0, 1.0 - head / size[1])
    figure.get_layout_engine().set(h_pad=0.06, w_pad=0.06, hspace=0.05, wspace=0.04, rect=room)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    top = 1.0 - 0.1 / size[1]
    figure.text(0.01, top, title, ha="left", va="top", fontsize=13, fontweight="bold", color=DARK)
    for i, line in enumerate(lines):
        below = 1.0 - (TITLE_IN + LINE_IN * i) / size[1]
        figure.text(0.01, below, line, ha="left", va="top", fontsize=8.5, color="#555555")
    return figure, axes


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG without time stamps."""
    figure.savefig(path, metadata={"Software": None})
    return path


def date_ticks(ax: Axes, dates: np.ndarray, ticks: int = 6) -> None:
    """Real dates, few ticks, and room for whole marks on the last day."""
    if dates.size <= ticks:
        ax.set_xticks(dates, [f"{day.day} {day:%b}" for day in dates.tolist()])
    else:
        places, labels = _tick_places(dates[0].item(), dates[-1].item(), ticks)
        ax.set_xticks(np.array(places, dtype="datetime64[D]"), labels)
    hours = (dates[-1] - dates[0]).astype("timedelta64[h]").astype(int)
    ax.set_xlim(dates[0], dates[-1].astype("datetime64[h]") + np.timedelta64(int(np.ceil(ROOM * hours)), "h"))


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


def stacked_parts(
    ax: Axes, labels: Iterable[str], parts: Iterable[Mapping[str, float]], colors: Mapping[str, str], width: float
) -> None:
    """One column per label: its parts upon each other, positive up and negative down, with their sum and a legend.

    parts: name to value for every column, all with the names of ``colors``.
    """
    labels, parts = list(labels), list(parts)
    place, up, down = np.arange(len(labels)), np.zeros(len(labels)), np.zeros(len(labels))
    for name, color in colors.items():
        values = np.array([column[name] for column in parts])
        ax.bar(place, values, width, bottom=np.where(values >= 0.0, up, down), color=color, label=name)
        up, down = up + np.maximum(values, 0.0), down + np.minimum(values, 0.0)
    ax.plot(place, up + down, "D", color="#222222", markersize=4, label="together")
    ax.set_xticks(place, labels)
    zero_line(ax)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.5 * (high - low))
    ax.legend(loc="upper left", ncols=2)


def mark_events(ax: Axes, paths: Paths) -> None:
    """Dotted lines with letters at the scenario's own events, triangles on the axis at meetings of the BoJ."""
    at: Any
    for at in paths.letters:
        ax.axvline(at, color="#555555", linewidth=0.9, linestyle=(0, (2, 2)), zorder=1.4)
    for at, label in paths.labels.items():
        ax.annotate(
            label, (at, 1.0), xycoords=("data", "axes fraction"), xytext=(2.5, -1), textcoords="offset points",
            va="top", fontsize=7.5, fontweight="bold", color="#333333", path_effects=HALO,
        )  # fmt: skip
    if paths.meetings:
        places: Any = paths.meetings
        ax.plot(
            places, np.zeros(len(places)), "^", transform=ax.get_xaxis_transform(), clip_on=False, markersize=6.5,
            color="#333333", markeredgecolor="white", markeredgewidth=0.5, zorder=5.0,
        )  # fmt: skip


def same_span(axes: Iterable[Axes]) -> None:
    """The same distance from bottom to top, so that heights can be compared between panels."""
    axes = tuple(axes)
    limits = [ax.get_ylim() for ax in axes]
    half = max(high - low for low, high in limits) / 2.0
    for ax, (low, high) in zip(axes, limits, strict=True):
        ax.set_ylim((low + high) / 2.0 - half, (low + high) / 2.0 + half)


def same_limits(axes: Iterable[Axes]) -> None:
    """The same bottom and top."""
    axes = tuple(axes)
    lows, highs = zip(*(ax.get_ylim() for ax in axes), strict=True)
    for ax in axes:
        ax.set_ylim(min(lows), max(highs))


def least_span(ax: Axes, span: float) -> None:
    """Not less than this from bottom to top, so that a trifle does not look like a move."""
    low, high = ax.get_ylim()
    if high - low < span:
        ax.set_ylim((low + high - span) / 2.0, (low + high + span) / 2.0)


def heading(ax: Axes, title: str, unit: str = "", words: str = "") -> None:
    """Title of a panel, unit of its vertical axis, and words between title and panel."""
    lines = words.count("\n") + 1 if words else 0
    ax.set_title(title, pad=6.0 + 11.0 * lines)
    if unit:
        ax.set_ylabel(unit)
    if words:
        note = ax.annotate(
            words, (0.0, 1.0), xycoords="axes fraction", xytext=(0, 4), textcoords="offset points", va="bottom",
            fontsize=8.0, color="#555555", linespacing=1.25,
        )  # fmt: skip
        note.set_in_layout(False)  # the title leaves room for it


def legend_below(figure: Figure, ax: Axes, columns: int) -> None:
    """One legend under the panels, from one panel's lines."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
