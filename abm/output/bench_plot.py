"""The figure of a benchmark, from its history alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from abm.output.style import BLUE, DARK, GREEN, GREY, ORANGE, PURPLE, VERMILLION, drawing, heading, new_figure, save

Entry = Mapping[str, Any]
OVER_TIME: Final = {"day": BLUE, "large_day": ORANGE, "ensemble": GREEN, "warm": PURPLE}
SIZE: Final = (11.0, 9.0)
MOST_ENTRIES: Final = 6  # of the history that have room


def draw_bench(entries: Sequence[Entry], path: Path) -> Path:
    """Targets, phases of the day, and members of the latest entry; the main figures over all entries."""
    latest = entries[-1]
    machine = latest["machine"]
    about = (
        f"{latest['date'][:10]}, revision {(latest['commit'] or 'unknown')[:10]}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gb']:.0f} GB; load average before "
        f"{latest['load_average_before'][0]:.1f}, wall over processor time {latest['wall_over_processor_time']:.2f}"
    )
    with drawing():
        figure, axes = new_figure(2, 2, SIZE, "How fast it is", about)
        _targets(axes[0, 0], latest["rows"])
        _phases(axes[0, 1], latest["phases"])
        _members(axes[1, 0], latest["memory_bound"])
        _over_time(axes[1, 1], entries[-MOST_ENTRIES:])
        return save(figure, path)


def part_of_target(row: Entry) -> float | None:
    """Value over target, or target over value where more is better: above one misses; None if not measured."""
    if row["value"] is None or row["target"] is None or row["value"] <= 0.0:
        return None
    quotient = float(row["value"] / row["target"])
    return 1.0 / quotient if row["at_least"] else quotient


def _targets(ax: Axes, rows: Sequence[Entry]) -> None:
    """A bar per row on a logarithmic scale; to the left of one is met."""
    known = [(row, part) for row in reversed(rows) if (part := part_of_target(row)) is not None]
    parts = np.array([part for _, part in known])
    places = np.arange(len(known))
    colours = [GREY if row["met"] is None else BLUE if row["met"] else VERMILLION for row, _ in known]
    ax.barh(places, np.log10(parts), color=colours, height=0.65)
    ax.axvline(0.0, color=DARK, linewidth=0.9)
    low, high = int(np.floor(min(np.log10(parts).min(), -1.0))), int(np.ceil(max(np.log10(parts).max(), 1.0)))
    ax.set_xticks(range(low, high + 1), [f"{10.0**k:g}" for k in range(low, high + 1)])
    ax.set_yticks(places, [row["id"].replace("_", " ") for row, _ in known])
    ax.grid(axis="x")
    heading(ax, "Against the targets", words="1: as wanted; blue: met, red: missed by so many times")


def _phases(ax: Axes, phases: Sequence[Entry]) -> None:
    """Microseconds by phase in the order of the day, sectors added up."""
    summed: dict[str, float] = {}
    for part in phases:
        summed[part["phase"]] = summed.get(part["phase"], 0.0) + part["us"]
    names = list(reversed(summed))
    values = np.array([summed[name] for name in names])
    ax.barh(range(len(names)), values, color=BLUE, height=0.65)
    for place, value in enumerate(values):
        share = f"{100.0 * value / values.sum():.0f} %"
        ax.annotate(share, (value, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7.5)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("microseconds")
    ax.grid(axis="x")
    heading(ax, "Where a day of the default world goes", words="mean; sectors added up")


def _members(ax: Axes, bounds: Sequence[Entry]) -> None:
    """A day's time and its lower bound from memory, by members of the world."""
    members = np.array([bound["members"] for bound in bounds])
    for key, colour, name in (("day_ms", BLUE, "a simulated day"), ("bound_ms", GREY, "ledger copied once")):
        ax.loglog(members, [bound[key] for bound in bounds], "o-", color=colour, markersize=4, label=name)
    ax.set_xlabel("members")
    ax.legend()
    heading(ax, "More members", "ms")


def _over_time(ax: Axes, entries: Sequence[Entry]) -> None:
    """The main figures against their targets, entry by entry."""
    for id_, colour in OVER_TIME.items():
        rows = (next((row for row in entry["rows"] if row["id"] == id_), None) for entry in entries)
        parts = [np.nan if row is None else part_of_target(row) or np.nan for row in rows]
        ax.semilogy(range(len(entries)), parts, "o-", color=colour, markersize=4, label=id_.replace("_", " "))
    ax.axhline(1.0, color=DARK, linewidth=0.9)
    ax.set_xticks(range(len(entries)), [f"{entry['date'][:10]}\n{(entry['commit'] or '')[:7]}" for entry in entries])
    ax.set_xlim(-0.5, len(entries) - 0.5)
    ax.set_ylim(top=10.0 * ax.get_ylim()[1])  # room for the legend
    ax.legend(loc="upper left", ncols=len(OVER_TIME))
    heading(ax, "Latest measurements", words="1: as wanted; below: better")
