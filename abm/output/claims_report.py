"""The report on claims: one page that opens from disk, and a few lines for the terminal, from what a trial wrote."""

import base64
import csv
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from abm.output.report import precise

DOCUMENT: Final = "claims.json"
FIGURES: Final = "figures"
REPORT: Final = "report.html"
CHANNELS_TABLE: Final = "channels.csv"
CHANNELS_FIGURE: Final = f"{FIGURES}/channels.png"
STYLE: Final = """
body { font: 16px/1.5 Georgia, serif; color: #222; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, table, .verdict { font-family: "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin: 3rem 0 0.3rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 0.2rem; }
table { border-collapse: collapse; font-size: 0.82rem; width: 100%; margin: 0.5rem 0; }
th, td { text-align: left; padding: 0.25rem 0.5rem 0.25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
img { width: 100%; } .verdict { font-weight: bold; } .small { color: #555; font-size: 0.85rem; }
@media print { body { max-width: none; margin: 0; font-size: 10.5pt; } section { break-before: page; }
  img, table { break-inside: avoid; } a { color: inherit; } }
"""


def page(document: Mapping[str, Any], folder: Path) -> str:
    """The report as HTML, figures and the table of channels of `folder` inside."""
    claims = list(document["claims"].values())
    body = [
        "<h1>Claims on trial</h1>",
        "<p>Each claim of two market commentaries of January and February 2026, asked of the simulation. Worlds that "
        "are compared share their random numbers, seed by seed. How a verdict follows from the numbers was written "
        "down before they were computed, and no parameter was set to obtain one. Intervals are 95 % over seeds: they "
        "are about random news, not about the model being wrong.</p>",
        "<p>A claim is looked at after a fifth and half of the seeds it may take. It stops there if its verdict is "
        "plain: the same wherever its effects lie within three standard errors. So strict a bound leaves the level of "
        "the last look nearly untouched (Haybittle 1971; Peto et al. 1976): 5.3 instead of 5 %.</p>",
        overview(claims),
        channels(folder),
        *(section(entry, folder) for entry in claims),
    ]
    head = f'<meta charset="utf-8"><title>Claims on trial</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def overview(claims: Sequence[Mapping[str, Any]]) -> str:
    """One line per claim."""
    rows = [
        (
            f'<a href="#{e["id"]}">{e["id"]}</a>',
            text(e["claim"]),
            f"<b>{text(e['verdict'])}</b>",
            numbers(e["effect"]),
            text(stopped(e)),
        )
        for e in claims
    ]
    return table(("", "claim", "verdict", "effect (95 %)", "seeds"), rows)


def channels(folder: Path) -> str:
    """What each channel adds to each market at the end of the main scenario; empty if it has not been run."""
    if not (folder / CHANNELS_TABLE).is_file():
        return ""
    with (folder / CHANNELS_TABLE).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    last = max(rows, key=lambda row: int(row["trading_day"]))["trading_day"]
    cells: dict[str, dict[str, str]] = {}
    units = {}
    for row in rows:
        if row["trading_day"] == last:
            added, low, high = (float(row[key]) for key in ("adds", "low", "high"))
            words = precise(added, row["unit"])
            cells.setdefault(row["channel"], {})[row["market"]] = (
                f"<b>{words}</b>" if low > 0.0 or high < 0.0 else words
            )
            units[row["market"]] = row["unit"]
    columns = ("channel", *(f"{market}<br>{text(unit)}" for market, unit in units.items()))
    words = (
        f"The main scenario with a channel less without it, change from the opening to trading day {last}, mean of "
        f"{rows[0]['seeds']} paired seeds; bold: the 95 % interval excludes zero. With intervals: {CHANNELS_TABLE}."
    )
    title = "Which channel moves which market"
    return (
        f'<section id="channels"><h2>{title}</h2><p>{words}</p>{picture(folder / CHANNELS_FIGURE, title)}'
        f"{table(columns, [(text(name), *row.values()) for name, row in cells.items()])}</section>"
    )


def section(entry: Mapping[str, Any], folder: Path) -> str:
    """One claim: question, answer, picture, how sure, what would change it, what happened."""
    parts = [
        f'<section id="{entry["id"]}"><h2>{entry["id"]}. {text(entry["question"])}</h2>',
        f'<p class="small">Claim: {text(entry["claim"])}</p>',
        f'<p><span class="verdict">{text(entry["verdict"].capitalize())}.</span> {text(entry["because"])}</p>',
        picture(folder / entry["figure"], entry["question"]),
        f"<h3>Design</h3><p>{text(entry['design'])}</p>",
        f"<h3>How the verdict follows</h3><p>{text(entry['rule'])}</p>",
        "<h3>How sure</h3>" + estimates([*entry["effects"].values(), *entry["more"].values()]),
        "<h3>What would change it</h3>" + dependence(entry) + robustness(entry["robustness"]),
    ]
    if entry["record"] or entry["reality"]:
        parts.append(f"<h3>What happened until 13 February 2026</h3><p>{text(entry['reality'])}</p>")
        parts.append(record(entry["record"]))
    parts.append(f'<p class="small">{about(entry)}</p></section>')
    return "\n".join(parts)


def estimates(rows: Iterable[Mapping[str, Any]]) -> str:
    """Numbers with unit, interval and seeds."""
    cells = []
    for e in rows:
        value = (number(e[key], e["unit"]) for key in ("value", "low", "high"))
        cells.append((text(e["text"]), text(e["unit"]), *value, str(e["seeds"])))
    return table(("", "unit", "estimate", "from", "to", "seeds"), cells, 2)


def dependence(entry: Mapping[str, Any]) -> str:
    """The three parameters that move the headline effect most."""
    unit = entry["effect"]["unit"]
    rows = [
        (
            text(row["parameter"]),
            f"{row['low']:g} to {row['high']:g} (is {row['default']:g}) {text(row['unit'])}",
            *(number(row[k], unit) for k in ("effect_at_low", "effect_at_default", "effect_at_high")),
            "-" if row["elasticity"] is None else f"{row['elasticity']:+.2f}",
        )
        for row in entry["depends_on"]
    ]
    if not rows:
        return "<p>Parameters and choices of the modeller were not tried with so few seeds.</p>"
    seeds, tried = entry["depends_on"][0]["seeds"], entry["parameters_tried"]
    words = (
        f"The {len(rows)} of {len(tried)} parameters that move the headline effect most, alone, on {seeds} seeds; all "
        f"were tried on {min(row['seeds'] for row in tried)}:"
    )
    return f"<p>{words}</p>" + table(("parameter", "range", "at low", "as is", "at high", "elasticity"), rows, 2)


def robustness(rows: Sequence[Mapping[str, Any]]) -> str:
    """Choices of the modeller."""
    cells = [
        (
            text(row["choice"]),
            numbers(row["effect"]),
            text(row["verdict"]),
            "<b>yes</b>" if row["moves"] else "no",
        )
        for row in rows
    ]
    return table(("choice", "effect (95 %)", "verdict", "moves"), cells) if cells else ""


def record(rows: Sequence[Mapping[str, Any]]) -> str:
    """Observed figures beside the model's."""
    cells = []
    for row in rows:
        observed, median, low, high = (number(row[key], row["unit"]) for key in ("observed", "median", "p5", "p95"))
        model = (median, "-" if low == "-" else f"{low} to {high}")
        cells.append((text(row["text"]), text(row["unit"]), observed, *model, text(row["source"])))
    return table(("", "unit", "observed", "model, median", "5 to 95 %", "source"), cells, 2) if cells else ""


def about(entry: Mapping[str, Any]) -> str:
    """Where the numbers are from."""
    arms = ", ".join(f"{text(name)} ({arm['seeds']} seeds, {arm['days']} days)" for name, arm in entry["arms"].items())
    failed = f" {len(entry['failures'])} runs failed and are left out." if entry["failures"] else ""
    runs = f"Stopped: {text(stopped(entry))}. Arms: {arms}. {entry['runs']} runs in all.{failed}"
    return f"{runs} Revision {text(str(entry['commit']))}, {entry['time']}."


# -- pieces ----------------------------------------------------------------------------------------------------------


def numbers(estimate: Mapping[str, Any]) -> str:
    """Value with unit, and interval."""
    unit = estimate["unit"]
    value, low, high = (number(estimate[k], unit) for k in ("value", "low", "high"))
    return f"{value} {text(unit)} ({low} to {high})"


def number(value: float | None, unit: str) -> str:
    """A number as its unit wants it."""
    return "-" if value is None else precise(value, unit)


def text(words: str) -> str:
    """Plain words as HTML."""
    return html.escape(str(words))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 99) -> str:
    """A table whose columns from `left` on are numbers."""

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = (" class=n" if left <= i < left + 3 else "" for i in range(len(row)))
        return "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    lines = [f"<tr>{cells('th', columns)}</tr>", *(f"<tr>{cells('td', row)}</tr>" for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def picture(file: Path, words: str) -> str:
    """A figure inside the page."""
    if not file.is_file():
        return ""
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img alt="{text(words)}" src="data:image/png;base64,{data}">'


def show(document: Mapping[str, Any], console: Console | None = None) -> None:
    """Verdicts in the terminal."""
    console = console or Console()
    for entry in document["claims"].values():
        console.print(f"[bold]{entry['id']}[/bold] {escape(entry['question'])}", highlight=False, soft_wrap=True)
        effect = f"{entry['effect']['text']}: {numbers_plain(entry['effect'])}; {stopped(entry)}"
        said = f"   [bold]{entry['verdict']}[/bold]. {escape(entry['because'])}\n   {escape(effect)}"
        console.print(said, highlight=False, soft_wrap=True)


def stopped(entry: Mapping[str, Any]) -> str:
    """With how many seeds a claim stopped, and why; entries of earlier versions do not say why."""
    return str(entry.get("stopped", f"{entry['seeds']} seeds"))


def numbers_plain(estimate: Mapping[str, Any]) -> str:
    """Value, unit and interval for the terminal and for markdown."""
    return html.unescape(numbers(estimate))
