"""The summary at the end of a run: measures, who moved the market, what failed, where the files are."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from abm.output import attribution
from abm.output.measures import MEASURES
from abm.output.tables import RunDirectory

WIDTH = 80
DUST = 1e-9  # of any unit: rounding errors
MOVED = ("JGB40", "UST30", "USDJPY")
DECIMALS = {"bp": 1, "%": 2, "yen": 1, "days": 0, "day": 0, "ratio": 2, "% of day 0": 0, "index": 2, "number": 1}


def formatted(value: float | None, unit: str) -> str:
    """A number with the decimals its unit deserves."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "not in run"
    decimals = DECIMALS.get(unit, 1)
    if unit in ("number", "days", "day") and float(value).is_integer():
        decimals = 0
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0.0 else text


def precise(value: float | None, unit: str) -> str:
    """The same, but two significant digits of what is small: an effect can be small and sure; rounding errors are 0."""
    if value is None or not math.isfinite(value) or abs(value) >= 1.0:
        return formatted(value, unit)
    return f"{value:.2g}" if abs(value) > DUST else "0"


def summary_table(run: RunDirectory) -> Table:
    """Median and 5-95 % of the headline measures, grouped."""
    seeds = len(run.manifest["seeds_done"])
    table = Table(title=_title(run, seeds), title_justify="left", box=None, pad_edge=False, width=WIDTH)
    table.add_column("measure", ratio=1)
    table.add_column("unit", style="dim", no_wrap=True)
    table.add_column("median" if seeds > 1 else "value", justify="right", no_wrap=True)
    if seeds > 1:
        table.add_column("5 to 95 %", justify="right", no_wrap=True)
    group = ""
    for name, numbers in run.summary.items():
        measure = MEASURES.get(name)
        if measure is None or not measure.headline:
            continue
        if measure.group != group:
            group = measure.group
            table.add_row(f"[bold]{group}[/bold]")
        table.add_row(*cells(numbers, measure.unit, seeds))
    return table


def _title(run: RunDirectory, seeds: int) -> str:
    manifest = run.manifest
    counted = f"{seeds} seeds" if seeds != 1 else "one seed"
    return f"{escape(manifest['name'])}: {manifest['days']} trading days, {counted}"


def cells(numbers: Mapping[str, Any], unit: str, seeds: int) -> list[str]:
    """Text, unit, median and, for several seeds, 5-95 % of one measure of a summary."""
    missing = math.inf if numbers["seeds"] else math.nan  # null: beyond the run, or not defined for any seed
    median, low, high = (missing if numbers[k] is None else float(numbers[k]) for k in ("median", "p5", "p95"))
    row = [f"  {numbers['text']}", unit, precise(median, unit)]
    if seeds > 1:
        row.append("-" if math.isnan(low) else f"{precise(low, unit)} to {precise(high, unit)}")
    return row


def moved(run: RunDirectory) -> list[tuple[str, str]]:
    """The mean move of each headline market at its largest, and who made it, in words."""
    parts = attribution.contributions(run, MOVED, run.manifest["days"])
    return [attribution.sentence(parts[market]) for market in MOVED]


def headlines(run: RunDirectory) -> Table:
    """Who moved the market, as a table."""
    several = len(run.manifest["seeds_done"]) > 1
    title = "Who moved the market" + (" (means over seeds)" if several else "")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, width=WIDTH, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for sentence in moved(run):
        table.add_row(*sentence)
    return table


def show(path: Path, console: Console) -> None:
    """Print the summary of a run directory."""
    run = RunDirectory.open(path)
    complete = len(run.manifest["seeds_done"])
    if complete:
        console.print(summary_table(run))
        console.print()
        console.print(headlines(run), highlight=False)
    for failure in run.manifest["failures"]:
        where = f"seed {failure['seed']}, day {failure['day']}"
        console.print(f"[red]failed[/red] {where}: {escape(failure['error'])}", highlight=False)


def show_places(path: Path, console: Console) -> None:
    """Say where a run directory and its figures are."""
    console.print(f"\nFiles: {escape(str(path))}", highlight=False, soft_wrap=True)
    if (path / "figures").is_dir():
        console.print(f"Figures: {escape(str(path / 'figures'))}", highlight=False, soft_wrap=True)
