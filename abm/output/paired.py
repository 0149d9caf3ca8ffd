"""The figure of a comparison: paired differences of key series over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from abm.output.style import BLUE, band, date_ticks, drawing, new_figure, save, zero_line
from abm.world.instruments import IDS, IS_BOND


def draw_differences(
    path: Path, title: str, notes: Sequence[str], dates: np.ndarray, paths: dict[str, np.ndarray]
) -> Path:
    """Band of B less A per series, under what A and B are; paths: name -> (2, seeds, days)."""
    seeds = next(iter(paths.values())).shape[1]
    bands = "line: median, dark band: 25-75 %, light band: 5-95 % of the differences B less A on the same seed"
    shown = "\n".join((*notes, f"{seeds} paired seeds; {bands}" if seeds > 1 else "one pair; line: B less A"))
    with drawing():
        figure, axes = new_figure(2, 4, (13, 6.0), title, shown)
        for ax, (name, pair) in zip(axes.flat, paths.items(), strict=True):
            bond = IS_BOND[IDS.index(name)]
            difference = 100.0 * (pair[1] - pair[0]) if bond else 100.0 * np.log(pair[1] / pair[0])
            zero_line(ax)
            band(ax, dates, difference, BLUE)
            ax.set_title(name)
            ax.set_ylabel("bp" if bond else "%")
            date_ticks(ax, dates, ticks=4)
        return save(figure, path)
