"""Figures of a calibration: what the targets say about each parameter, and what the fit changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from abm.output.style import BLUE, DARK, GREY, ORANGE, VERMILLION, drawing, heading, new_figure, save

MOST_ROWS: Final = 48
COLOUR_LIMIT: Final = 5.0  # standard errors per range, from which the colours of the heat map no longer change
COLUMNS: Final = 4


@dataclass(frozen=True)
class Profile:
    """What is drawn of one parameter.

    name, unit; low, high, log: bounds and scale. packaged, value: before and after. interval: 95 %. trials: value and
    loss of every trial, (2, trials). grid: value and least loss with the others free, linear targets, (2, points).
    moved: value and simulated loss a step to either side, (2, 2).
    """

    name: str
    unit: str
    low: float
    high: float
    log: bool
    packaged: float
    value: float
    interval: tuple[float, float]
    trials: np.ndarray
    grid: np.ndarray
    moved: np.ndarray


def draw_sensitivity(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, path: Path) -> Path:
    """Heat map of standardised slopes, (rows, columns); of many rows those that move most."""
    size = np.abs(values).max(axis=1)
    kept = np.sort(np.argsort(-size, kind="stable")[:MOST_ROWS])
    with drawing():
        figure, axes = new_figure(
            1,
            1,
            (max(0.34 * len(columns) + 4.0, 7.0), 0.19 * len(kept) + 3.6),
            "Which targets identify which parameter",
            "Change of a target, in its standard errors (data and simulation), when a parameter crosses its whole "
            "range. Calm moments and correlations: root mean square over series, with the sign of the mean.",
        )
        ax: Axes = axes[0, 0]
        image = ax.imshow(values[kept], cmap="RdBu_r", vmin=-COLOUR_LIMIT, vmax=COLOUR_LIMIT, aspect="auto")
        ax.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(kept)), [rows[i] for i in kept])
        ax.tick_params(labelsize=7.0, length=0)
        ax.grid(False)
        figure.colorbar(image, ax=ax, shrink=0.5, extend="both", label="standard errors per range")
        return save(figure, path)


def draw_profiles(profiles: Sequence[Profile], path: Path) -> Path:
    """One panel per parameter: trials, least loss with the others free, fitted value and interval."""
    rows = -(-len(profiles) // COLUMNS)
    with drawing():
        figure, axes = new_figure(
            rows,
            COLUMNS,
            (11.0, 2.05 * rows + 1.2),
            "Loss around the fit",
            "Points: trials of the search. Line: least loss when the others are free, targets taken as linear. "
            "Crosses: simulated, this parameter alone moved. Shaded: 95 % interval. Vertical: packaged value (dashed), "
            "fitted value.",
        )
        for ax, profile in zip(axes.flat, profiles, strict=False):
            _profile(ax, profile)
        for ax in axes.flat[len(profiles) :]:
            ax.set_axis_off()
        return save(figure, path)


def _profile(ax: Axes, p: Profile) -> None:
    if p.log:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(_ticks(p))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
    ax.axvspan(*p.interval, color=BLUE, alpha=0.12, lw=0)
    ax.plot(*p.trials, ".", color=GREY, ms=3.0)
    ax.plot(*p.grid, color=BLUE)
    ax.plot(*p.moved, "x", color=VERMILLION, ms=5.0)
    ax.axvline(p.packaged, color=ORANGE, ls="--", lw=1.0)
    ax.axvline(p.value, color=DARK, lw=1.0)
    ax.set_xlim(p.low, p.high)
    least = min(p.grid[1].min(), p.trials[1].min(), p.moved[1].min())
    ax.set_ylim(0.9 * least, max(np.quantile(p.trials[1], 0.8), p.moved[1].max(), 1.1 * least) * 1.05)
    sector, _, parameter = p.name.partition(".")
    heading(ax, sector, words=f"{parameter}\n{p.unit}")


def _ticks(p: Profile) -> FixedLocator:
    return FixedLocator([float(f"{v:.2g}") for v in np.geomspace(p.low, p.high, 4)])


def draw_losses(before: Mapping[str, float], after: Mapping[str, float], path: Path) -> Path:
    """Parts of the loss by family of targets, at the packaged and at the fitted values."""
    names = sorted(before, key=lambda name: before[name])
    at = np.arange(len(names))
    with drawing():
        figure, axes = new_figure(
            1,
            1,
            (7.5, 0.3 * len(names) + 1.8),
            "Where the loss is",
            "Mean squared miss by family of targets, in half widths of their ranges, 0 inside; linear beyond three.",
        )
        ax: Axes = axes[0, 0]
        ax.barh(at + 0.2, [before[name] for name in names], 0.38, color=ORANGE, label="packaged values")
        ax.barh(at - 0.2, [after[name] for name in names], 0.38, color=BLUE, label="fitted values")
        ax.set_yticks(at, names)
        ax.grid(True, axis="x")
        ax.grid(False, axis="y")
        ax.legend(loc="lower right")
        return save(figure, path)
