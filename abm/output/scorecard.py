"""The scorecard on the terminal and on one figure page, out of scorecard.json."""

import itertools
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.output.style import BLUE, CHARACTERS_PER_IN, DARK, VERMILLION, drawing, save, zero_line

WIDTH: Final = 158
LONGEST_NOTE: Final = 110
RANGE: Final = "#DDE6EC"
SCATTER, RANGES, MULTIPLES = "scatter", "ranges", "multiple of the figure"  # how a group of lines is drawn
PATH_SERIES: Final = ("JGB10", "JGB30", "UST10", "USDJPY", "AUDJPY", "MXNJPY", "NIKKEI", "BTC")  # shown first
IN_A_ROW: Final = len(PATH_SERIES)
PAGE_IN: Final = 19.0
LINE_IN: Final = 0.155
HEAD_IN: Final = 1.25
MOVE_IN: Final = 1.75
LONGEST_LABEL: Final = 52

type Entry = Mapping[str, Any]
type Panel = tuple[str, list[Entry]]  # title, observed moves of one series
type Group = tuple[str, str, list[Entry]]  # title, how it is drawn or the unit, lines


def read(directory: Path) -> dict[str, Any]:
    """The saved document."""
    document: dict[str, Any] = json.loads((directory / "scorecard.json").read_text(encoding="utf-8"))
    return document


# -- terminal ------------------------------------------------------------------------------------------------------


def show(document: Entry, console: Console, every_move: bool = False) -> None:
    """Print lines, bars and failures. every_move: also each observed move of the episodes."""
    lines = document["lines"]
    for section, title in (("A", "A. Calm"), ("B", "B. Impact"), ("S", "S. Stylised facts"), ("C", "C. Episodes")):
        chosen = [entry for entry in lines if entry["section"] == section]
        if chosen:
            console.print(line_table(title, chosen), "")
    if every_move:
        console.print(move_table(lines), "")
    console.print(bar_table(document["bars"]))
    for failure in document["failures"]:
        text = f"{failure['experiment']}, seed {failure['seed']}, day {failure['day']}: {escape(failure['error'])}"
        console.print(f"[red]failed[/red] {text}")


def line_table(title: str, lines: Sequence[Entry]) -> Table:
    """One section: what counts, and for experiments what they consist of; a miss names the rule held responsible."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, width=WIDTH)
    table.add_column("id", style="dim", overflow="fold", max_width=31)
    table.add_column("line", ratio=5)
    table.add_column("unit", style="dim", no_wrap=True)
    table.add_column("figure", justify="right", no_wrap=True)
    table.add_column("range", justify="right", no_wrap=True)
    table.add_column("result", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("rule or figure held responsible", ratio=4, style="dim")
    for entry in lines:
        member = bool(entry["part_of"])
        if member and entry["section"] != "B":
            continue
        blame = "" if entry["passed"] else entry["responsible"]
        text = ("  " if member else "") + entry["text"] + _note(entry)
        share = entry["unit"] == "%" and entry["section"] == "B" and not member
        cells = ("", "", "", "") if share else _cells(entry)
        table.add_row(entry["id"], escape(text), *cells, verdict(entry["passed"]), escape(blame))
    return table


def _cells(entry: Entry) -> tuple[str, str, str, str]:
    """Unit, figure, range and result."""
    figure = "" if entry["observed"] is None else number(entry["observed"])
    return entry["unit"], figure, span(entry), number(entry["result"])


def _note(entry: Entry) -> str:
    note = entry["note"]
    if not note or entry["section"] == "C":
        note = note.partition(";")[0]
    return f" ({note if len(note) <= LONGEST_NOTE else note[: LONGEST_NOTE - 3] + '...'})" if note else ""


def move_table(lines: Sequence[Entry]) -> Table:
    """Every observed move beside the model's median and band."""
    table = Table(title="Observed moves", title_justify="left", box=None, pad_edge=False, width=WIDTH)
    for name in ("move", "unit", "observed", "median", "5 to 95 %", "sign", "factor two", "band", "held responsible"):
        right = name in ("observed", "median", "5 to 95 %")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "held responsible")
    moves = [entry for entry in lines if entry["section"] == "C" and entry["part_of"]]
    verdicts = {entry["id"]: entry["passed"] for entry in moves}
    for entry in moves:
        stem, _, kind = entry["id"].rpartition(".")
        if kind != "band":
            continue
        asked = [verdicts.get(f"{stem}.{k}") for k in ("sign", "factor_two")] + [entry["passed"]]
        marks = [verdict(v) if v is not None else "-" for v in asked]
        blame = entry["responsible"] if False in asked else ""
        cells = (number(entry["observed"]), number(entry["result"]), span(entry))
        table.add_row(escape(entry["text"]), entry["unit"], *cells, *marks, escape(blame))
    return table


def bar_table(bars: Sequence[Entry]) -> Table:
    """The shares that decide."""
    table = Table(title="Bars", title_justify="left", box=None, pad_edge=False)
    table.add_column("share")
    for name in ("of", "wanted", "reached"):
        table.add_column(name, justify="right")
    table.add_column("")
    for bar in bars:
        reached = f"{bar['result_pct']:.0f} %"
        wanted = f"{bar['least_pct']:.0f} %"
        table.add_row(bar["text"], str(bar["count"]), wanted, f"[bold]{reached}[/bold]", verdict(bar["passed"]))
    return table


def verdict(passed: bool) -> str:
    """Pass or miss, in colour."""
    return "[green]pass[/green]" if passed else "[red]miss[/red]"


def number(value: float | None) -> str:
    """Three significant digits."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def span(entry: Entry) -> str:
    """The range of a line in words."""
    low, high = entry["low"], entry["high"]
    ends = [None if end is None or not math.isfinite(end) else end for end in (low, high)]
    if ends[0] is None and ends[1] is None:
        return "any"
    if ends[0] is None:
        return f"up to {number(ends[1])}"
    return f"from {number(ends[0])}" if ends[1] is None else f"{number(ends[0])} to {number(ends[1])}"


# -- figure --------------------------------------------------------------------------------------------------------


def draw(directory: Path) -> Path:
    """One page, figures/scorecard.png: the model's figures and bands beside the data, a panel per group of targets."""
    document = read(directory)
    lines = document["lines"]
    rows = [row for row in _forests(lines) if row]
    moves = _move_rows(lines)
    heights = [*(_height(row) for row in rows), *([MOVE_IN * len(moves)] if moves else [])]
    with drawing():
        figure, parts = _page(document, heights)
        for part, row in zip(parts, rows, strict=False):
            for ax, (title, unit, entries) in zip(part.subplots(1, len(row), squeeze=False)[0], row, strict=True):
                (_scatter if unit == SCATTER else _forest)(ax, title, unit, entries)
        if moves:
            columns = max(len(row) for row in moves)
            for axes, panels in zip(parts[-1].subplots(len(moves), columns, squeeze=False), moves, strict=True):
                empty: list[Panel] = [("", [])] * (columns - len(panels))
                for ax, (title, entries) in zip(axes, panels + empty, strict=True):
                    _move_panel(ax, title, entries)
        return save(figure, directory / "figures" / "scorecard.png")


def _height(row: Sequence[Group]) -> float:
    """Inches that a row of panels needs for its longest list."""
    return 1.1 + LINE_IN * max(len(entries) for _, unit, entries in row if unit != SCATTER or len(row) == 1)


def _page(document: Entry, heights: Sequence[float]) -> tuple[Figure, Sequence[Any]]:
    """An empty page with a heading, and its parts from top to bottom."""
    reached = "Reached: " + "; ".join(f"{b['text']} {b['result_pct']:.0f} % of {b['count']}" for b in document["bars"])
    legend = (
        "Bars: range that passes. Dots: model, blue inside and red outside of it. Black ticks: the figure itself. "
        "Last rows: observed moves (black) over trading days from the close before, "
        "model median and 5-95 % band (blue)."
    )
    height = sum(heights) + HEAD_IN
    figure = Figure(figsize=(PAGE_IN, height), layout="constrained")
    FigureCanvasAgg(figure)
    words = [line for text in (reached, legend) for line in textwrap.wrap(text, int(CHARACTERS_PER_IN * PAGE_IN))]
    for i, (text, size) in enumerate([("Held against reality", 14.0), *((line, 9.0) for line in words)]):
        weight = "bold" if i == 0 else "normal"
        figure.text(
            0.01, 1.0 - (0.12 + 0.27 * i) / height, text, va="top", fontsize=size, fontweight=weight, color=DARK
        )
    parts: Any = figure.subfigures(len(heights) + 1, 1, height_ratios=[HEAD_IN, *heights])  # the first is the heading
    return figure, parts[1:]


def _forests(lines: Sequence[Entry]) -> list[list[Group]]:
    """Rows of groups of lines that have a panel: title, unit and lines."""

    def of(*prefixes: str) -> list[Entry]:
        return [entry for entry in lines if entry["id"].startswith(prefixes)]

    drifts = of("A.drift.")
    groups = [
        [
            ("A: daily standard deviation", MULTIPLES, of("A.sd.")),
            ("A: excess kurtosis", "", of("A.kurtosis.")),
            *((f"A: autocorrelation of size, {lag} days", "", of(f"A.acf_{lag}.")) for lag in (1, 5, 20)),
        ],
        [
            ("A: correlations of 5-day changes", SCATTER, of("A.correlation.")),
            ("A: mean drift of yields", "bp", [e for e in drifts if e["unit"] == "bp"]),
            ("A: mean drift of prices", "%", [e for e in drifts if e["unit"] != "bp"]),
            ("A: correlations under stress", "", of("A.stress.")),
        ],
        [
            ("B: impact of one flow", RANGES, [e for e in of("B.") if e["part_of"]]),
            ("S: stylised facts", RANGES, of("S.")),
        ],
    ]
    return [[group for group in row if group[2]] for row in groups]


def _forest(ax: Axes, title: str, unit: str, entries: Sequence[Entry]) -> None:
    """Ranges as bars, the model as dots; in multiples of the figure, or of the range where units differ."""
    for place, entry in enumerate(reversed(entries)):
        low, high, result, figure = _scaled(entry, unit)
        ax.barh(place, high - low, left=low, height=0.62, color=RANGE, zorder=1)
        if result is not None:
            ax.plot(result, place, "o", color=BLUE if entry["passed"] else VERMILLION, markersize=4.5, zorder=3)
        if figure is not None:
            ax.plot([figure, figure], [place - 0.31, place + 0.31], color="black", linewidth=1.1, zorder=2)
    ax.set_yticks(range(len(entries)), [_label(entry, unit) for entry in reversed(entries)], fontsize=6.5)
    ax.set_ylim(-0.7, len(entries) - 0.3)
    ax.grid(axis="y", visible=False)
    ax.set_title(title)
    ax.set_xlabel("position in the range, 0 its lower and 1 its upper end" if unit == RANGES else unit)


def _scaled(entry: Entry, unit: str) -> tuple[float, float, float | None, float | None]:
    """Low, high, result and figure as they are drawn; an open end is drawn as wide as the range is far from zero."""
    low, high, result, figure = (_finite(entry[key]) for key in ("low", "high", "result", "observed"))
    low = low if low is not None else (high or 0.0) - max(abs(high or 0.0), 0.5)
    high = high if high is not None else low + max(abs(low), 0.5)
    if unit == MULTIPLES and figure:
        return low / figure, high / figure, None if result is None else result / figure, 1.0
    if unit != RANGES:
        return low, high, result, figure
    width = high - low
    place = None if result is None else min(max((result - low) / width, -1.5), 2.5)
    return 0.0, 1.0, place, None if figure is None else (figure - low) / width


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _label(entry: Entry, unit: str) -> str:
    """The series, or what was measured with its result."""
    if unit != RANGES:
        return str(entry["id"].partition(".")[2].partition(".")[2])
    text = entry["text"] if len(entry["text"]) <= LONGEST_LABEL else entry["text"][: LONGEST_LABEL - 3] + "..."
    return f"{text}: {number(entry['result'])} {entry['unit']}".rstrip()


def _scatter(ax: Axes, title: str, _unit: str, entries: Sequence[Entry]) -> None:
    """Correlations of the model against those of the data, the range as a band."""
    ax.fill_between([-1, 1], [-1.15, 0.85], [-0.85, 1.15], color=RANGE, linewidth=0)
    for passed, color in ((True, BLUE), (False, VERMILLION)):
        chosen = [e for e in entries if e["passed"] is passed]
        ax.plot([e["observed"] for e in chosen], [e["result"] for e in chosen], "o", color=color, markersize=3)
    ax.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="data", ylabel="model", title=title)


def _moves(lines: Sequence[Entry]) -> dict[str, dict[str, list[Entry]]]:
    """Band lines by episode and event, then by series; a series' n-th first close belongs to the n-th event."""
    starts: dict[tuple[str, str], list[str]] = {}
    groups: dict[tuple[str, int], dict[str, list[Entry]]] = {}
    for entry in lines:
        parts = str(entry["id"]).split(".")
        if entry["section"] != "C" or not entry["part_of"] or parts[-1] != "band":
            continue
        seen = starts.setdefault((parts[1], parts[2]), [])
        since = parts[3].partition("-")[0]
        if since not in seen:
            seen.append(since)
        groups.setdefault((parts[1], seen.index(since)), {}).setdefault(parts[2], []).append(entry)
    return {f"{name}, from {_usual(panels)}": panels for (name, _), panels in groups.items()}


def _move_rows(lines: Sequence[Entry]) -> list[list[Panel]]:
    """Rows of panels, one for every series observed; of several episodes at most eight an event, so that they fit."""
    rows: list[list[Panel]] = []
    several = len({str(entry["id"]).split(".")[1] for entry in lines if entry["section"] == "C"}) > 1
    for title, panels in _moves(lines).items():
        names = sorted(panels, key=lambda name: PATH_SERIES.index(name) if name in PATH_SERIES else len(PATH_SERIES))
        shown = [(_own_title(name, panels), panels[name]) for name in (names[:IN_A_ROW] if several else names)]
        shown[0] = (f"{title}\n{shown[0][0]}", shown[0][1])
        rows += [list(row) for row in itertools.batched(shown, IN_A_ROW)]
    return rows


def _own_title(name: str, panels: Mapping[str, Sequence[Entry]]) -> str:
    """The series, with the first close it is observed from if that is not the others'."""
    since = _since(panels[name])
    return name if since == _usual(panels) else f"{name}, from {since}"


def _since(entries: Sequence[Entry]) -> str:
    """Date of the close from which a series is observed."""
    return str(entries[0]["text"]).partition(", ")[2].partition(" to ")[0]


def _usual(panels: Mapping[str, Sequence[Entry]]) -> str:
    """Date of the close from which most series are observed."""
    dates = [_since(entries) for entries in panels.values()]
    return max(dates, key=dates.count)


def _move_panel(ax: Axes, title: str, entries: Sequence[Entry]) -> None:
    """Observed moves of one series against the model's median and band, by trading days since the first close."""
    ax.set_title(title, fontsize=8.0)
    if not entries:
        ax.set_axis_off()
        return
    spans = [tuple(map(int, str(e["id"]).split(".")[3].split("-"))) for e in entries]
    order = sorted(range(len(entries)), key=lambda i: spans[i][1])
    days = [spans[i][1] - spans[i][0] for i in order]
    columns = ([entries[i][k] for i in order] for k in ("low", "result", "high", "observed"))
    low, median, high, seen = (np.array(column, dtype=float) for column in columns)
    zero_line(ax)
    if len(set(days)) > 1:
        ax.fill_between(days, low, high, color=BLUE, alpha=0.16, linewidth=0)
    else:  # a band of no width
        ax.vlines(days, low, high, color=BLUE, alpha=0.35, linewidth=6.0)
        ax.set_xlim(days[0] - 1, days[0] + 1)
        ax.set_xticks(days)
    ax.plot(days, median, "o-", color=BLUE, markersize=5 if len(set(days)) == 1 else 2)
    ax.plot(days, seen, "o-", color="black", markersize=3, linewidth=0.9)
    ax.set_ylabel(entries[0]["unit"], fontsize=7.5)
    ax.tick_params(labelsize=7.0)
