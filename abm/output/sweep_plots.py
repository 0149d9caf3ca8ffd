"""Figures of a sweep: bars of Sobol indices, Morris plane, tornado, heat maps, phase diagram, parallel coordinates."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from abm.output.measures import MEASURES
from abm.output.style import BLUE, DARK, GREY, ORANGE, SKY, VERMILLION, drawing, new_figure, save

MOST_PANELS: Final = 6
CELLS: Final = 6  # of a phase diagram, each way
FEWEST_IN_CELL: Final = 3
LABEL: Final = 26  # characters of a line of a parameter's name


class Tables(Protocol):
    """What `abm.study.sensitivity.Sensitivity` has of tables."""

    @property
    def sobol(self) -> pd.DataFrame: ...
    @property
    def second(self) -> pd.DataFrame: ...
    @property
    def morris(self) -> pd.DataFrame: ...
    @property
    def regional(self) -> pd.DataFrame: ...
    @property
    def tornado(self) -> pd.DataFrame: ...


class Line(Protocol):
    """What a crisis is."""

    @property
    def measure(self) -> str: ...
    @property
    def words(self) -> str: ...

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which values are one."""


def draw_all(
    directory: Path, about: dict[str, Any], points: pd.DataFrame, tables: Tables, crisis: Line, ranking: list[str]
) -> list[Path]:
    """Every figure the design gives. about: the sweep of the manifest; points: parameters and outcomes per point."""
    seeds = "1 seed" if about["seeds"] == 1 else f"{about['seeds']} seeds"
    runs = f"{about['points']} points, {seeds} each ({about['pairing']}), {about['days']} trading days"
    title = about["title"] or about["name"]
    drawn = []
    with drawing():
        if len(tables.sobol):
            drawn.append(sobol_bars(directory / "sobol.png", title, runs, tables.sobol))
            drawn.append(total_heat_map(directory / "total_effects.png", title, runs, tables.sobol))
        if len(tables.second):
            drawn.append(pair_heat_map(directory / "interactions.png", title, runs, tables.second, crisis.measure))
        if len(tables.morris):
            drawn.append(morris_plane(directory / "morris.png", title, runs, tables.morris))
        if len(tables.regional):
            drawn.append(regional_bars(directory / "regional.png", title, runs, tables.regional))
        if len(tables.tornado):
            drawn.append(tornado(directory / "tornado.png", title, runs, tables.tornado, points))
        if len(ranking) > 1:
            drawn.append(phase_diagram(directory / "phase_diagram.png", title, runs, points, crisis, ranking))
            drawn.append(parallel(directory / "parallel_coordinates.png", title, runs, points, crisis, ranking))
    return drawn


def label(parameter: str) -> str:
    """A parameter's name for people."""
    words = parameter.removeprefix("event.").replace("_", " ").replace(".", ": ", 1)
    return "\n".join(textwrap.wrap(words, LABEL))


def name_of(measure: str) -> str:
    """A measure's text and unit."""
    return f"{MEASURES[measure].text}, {MEASURES[measure].unit}"


def _panels(
    path: Path, title: str, words: str, table: pd.DataFrame, draw: Callable[[Axes, pd.DataFrame, str], None]
) -> Path:
    """One panel per measure."""
    measures = list(dict.fromkeys(table["measure"]))[:MOST_PANELS]
    columns = min(len(measures), 2)
    rows = -(-len(measures) // columns)
    tall = 0.9 + 0.36 * table.groupby("measure").size().max()
    figure, axes = new_figure(rows, columns, (6.6 * columns, 0.7 + max(tall, 2.6) * rows), title, words)
    for ax, measure in zip(axes.flat, measures, strict=False):
        draw(ax, table[table["measure"] == measure], measure)
    for ax in axes.flat[len(measures) :]:
        ax.set_visible(False)
    return save(figure, path)


def _bars(ax: Axes, names: pd.Series) -> np.ndarray:
    """Horizontal places, the first on top, with the parameters' names."""
    places = np.arange(len(names))[::-1]
    ax.set_yticks(places, [label(name) for name in names])
    ax.grid(axis="x")
    ax.grid(visible=False, axis="y")
    return places


def sobol_bars(path: Path, title: str, words: str, table: pd.DataFrame) -> Path:
    """First-order and total indices with their 95 % intervals."""

    def draw(ax: Axes, rows: pd.DataFrame, measure: str) -> None:
        rows = rows.sort_values("total", ascending=False)
        places = _bars(ax, rows["parameter"])
        for shift, key, color in ((0.2, "first", SKY), (-0.2, "total", BLUE)):
            error = {"ecolor": DARK, "elinewidth": 0.9, "capsize": 2.0}
            ax.barh(places + shift, rows[key], 0.38, xerr=rows[f"{key}_conf"], color=color, label=key, error_kw=error)
        ax.axvline(0.0, color="#666666", linewidth=0.8)
        ax.set_title(name_of(measure))
        ax.set_xlabel("share of variance")
        ax.legend(loc="lower right")

    return _panels(path, f"{title}: Sobol indices", f"{words}; 95 % bootstrap intervals", table, draw)


def regional_bars(path: Path, title: str, words: str, table: pd.DataFrame) -> Path:
    """Distance between the points in crisis and the others."""

    def draw(ax: Axes, rows: pd.DataFrame, measure: str) -> None:
        rows = rows.sort_values("distance", ascending=False)
        places = _bars(ax, rows["parameter"])
        ax.barh(places, rows["distance"], 0.6, color=np.where(rows["p_value"] < 0.05, BLUE, "#C8C8C8"))
        ax.set_title(name_of(measure))
        ax.set_xlabel("Kolmogorov-Smirnov distance")

    told = f"{words}; points in crisis against the others; grey: could be luck (5 %)"
    return _panels(path, f"{title}: regional sensitivity", told, table, draw)


def tornado(path: Path, title: str, words: str, table: pd.DataFrame, points: pd.DataFrame) -> Path:
    """Mean outcome at the lowest and the highest fifth of every parameter, around the mean of all."""

    def draw(ax: Axes, rows: pd.DataFrame, measure: str) -> None:
        rows = rows.loc[(rows["high"] - rows["low"]).abs().sort_values(ascending=False).index]
        places, middle = _bars(ax, rows["parameter"]), float(np.nanmean(points[measure]))
        for key, color in (("low", SKY), ("high", ORANGE)):
            ax.barh(places, rows[key] - middle, 0.62, left=middle, color=color, label=f"{key}est fifth", alpha=0.9)
        ax.axvline(middle, color=DARK, linewidth=0.9)
        ax.set_title(name_of(measure))
        ax.legend(loc="lower right")

    told = f"{words}; mean of the points in the lowest and in the highest fifth of each parameter"
    return _panels(path, f"{title}: tornado", told, table, draw)


def morris_plane(path: Path, title: str, words: str, table: pd.DataFrame) -> Path:
    """Mean size of elementary effects against their spread."""

    def draw(ax: Axes, rows: pd.DataFrame, measure: str) -> None:
        ax.errorbar(rows["mu_star"], rows["sigma"], xerr=rows["mu_star_conf"], fmt="o", color=BLUE, ecolor=GREY)
        for row in rows.to_dict("records"):
            place = (row["mu_star"], row["sigma"])
            ax.annotate(label(row["parameter"]), place, xytext=(5, 4), textcoords="offset points", fontsize=7.5)
        top = 1.25 * float(max(rows["mu_star"].max(), rows["sigma"].max(), 1e-12))
        ax.plot([0.0, top], [0.0, top], color=GREY, linewidth=0.8, linestyle="--")
        ax.set_xlim(0.0, top)
        ax.set_ylim(0.0, top)
        ax.set_title(name_of(measure))
        ax.set_xlabel("mean size of effects (mu*)")
        ax.set_ylabel("spread of effects (sigma)")

    told = f"{words}; effect of a parameter's whole range; above the line it depends on the others"
    return _panels(path, f"{title}: Morris screening", told, table, draw)


def _heat_map(ax: Axes, matrix: np.ndarray, rows: list[str], columns: list[str], top: float) -> None:
    image = ax.imshow(np.ma.masked_invalid(matrix), cmap="Blues", vmin=0.0, vmax=top, aspect="auto")
    ax.grid(visible=False)
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            ax.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.6 * top else DARK
            )
    ax.figure.colorbar(image, ax=ax, shrink=0.8)


def total_heat_map(path: Path, title: str, words: str, table: pd.DataFrame) -> Path:
    """Total indices of every parameter for every measure."""
    matrix = table.pivot(index="parameter", columns="measure", values="total")
    matrix = matrix.loc[list(dict.fromkeys(table["parameter"])), list(dict.fromkeys(table["measure"]))]
    size = (4.0 + 1.1 * matrix.shape[1], 2.4 + 0.45 * matrix.shape[0])
    figure, axes = new_figure(1, 1, size, f"{title}: total effects", words)
    columns = ["\n".join(textwrap.wrap(MEASURES[name].text, 18)) for name in matrix.columns]
    _heat_map(axes[0, 0], matrix.to_numpy(), [label(name) for name in matrix.index], columns, 1.0)
    return save(figure, path)


def pair_heat_map(path: Path, title: str, words: str, table: pd.DataFrame, measure: str) -> Path:
    """Second-order indices of all pairs for one measure."""
    rows = table[table["measure"] == measure] if (table["measure"] == measure).any() else table
    names = list(dict.fromkeys([*rows["a"], *rows["b"]]))
    matrix = np.full((len(names), len(names)), np.nan)
    for row in rows[rows["measure"] == rows["measure"].iloc[0]].to_dict("records"):
        matrix[names.index(row["b"]), names.index(row["a"])] = row["second"]
    size = (4.5 + 0.75 * len(names), 2.8 + 0.5 * len(names))
    wide = f"mean half width of the 95 % intervals {rows['second_conf'].mean():.2f}"
    shown = f"{name_of(str(rows['measure'].iloc[0]))}; {wide}"
    figure, axes = new_figure(1, 1, size, f"{title}: interactions of pairs", f"{words}\n{shown}")
    labels = [label(name) for name in names]
    _heat_map(axes[0, 0], matrix, labels, labels, max(float(np.nanmax(matrix)), 0.1))
    return save(figure, path)


def coordinate(values: pd.Series) -> tuple[np.ndarray, list[str] | None]:
    """Places of values on an axis, and names of the places if they are no numbers."""
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        codes = values.astype(str).str.lower().astype("category")
        return np.asarray(codes.cat.codes, dtype=float), list(codes.cat.categories)
    return values.to_numpy(dtype=float), None


def phase_diagram(path: Path, title: str, words: str, points: pd.DataFrame, crisis: Line, ranking: list[str]) -> Path:
    """The two numbers that matter most: outcome of every point, and share of crises in cells."""
    known = points[np.isfinite(points[crisis.measure])]
    ranking = sorted(ranking, key=lambda name: coordinate(known[name])[1] is not None)  # others where there are not two
    (x, x_names), (y, y_names) = (coordinate(known[name]) for name in ranking[:2])
    z = known[crisis.measure].to_numpy(dtype=float)
    figure, axes = new_figure(1, 2, (12.5, 5.2), f"{title}: phase diagram", f"{words}; crisis: {crisis.words}")
    dots, cells = axes[0]
    scatter = dots.scatter(x, y, c=z, s=14, cmap="viridis")
    figure.colorbar(scatter, ax=dots, label=name_of(crisis.measure))
    dots.set_title("every point")
    edges = [_edges(values, names) for values, names in ((x, x_names), (y, y_names))]
    count = np.histogram2d(x, y, edges)[0]
    hits = np.histogram2d(x, y, edges, weights=crisis.holds(z).astype(float))[0]
    share = np.where(count >= FEWEST_IN_CELL, hits / np.maximum(count, 1.0), np.nan)
    mesh = cells.pcolormesh(*edges, np.ma.masked_invalid(100.0 * share.T), cmap="OrRd", vmin=0.0, vmax=100.0)
    figure.colorbar(mesh, ax=cells, label="share of crises, %")
    cells.set_title(f"share of crises (cells with {FEWEST_IN_CELL} points or more)")
    for ax in (dots, cells):
        ax.grid(visible=False)
        ax.set_xlabel(label(ranking[0]).replace("\n", " "))
        ax.set_ylabel(label(ranking[1]).replace("\n", " "))
        if x_names:
            ax.set_xticks(range(len(x_names)), x_names)
        if y_names:
            ax.set_yticks(range(len(y_names)), y_names)
    return save(figure, path)


def _edges(values: np.ndarray, names: list[str] | None) -> np.ndarray:
    if names is not None:
        return np.arange(len(names) + 1) - 0.5
    return np.linspace(values.min(), values.max() if np.ptp(values) else values.min() + 1.0, CELLS + 1)


def parallel(path: Path, title: str, words: str, points: pd.DataFrame, crisis: Line, ranking: list[str]) -> Path:
    """Every point as a line across its parameters, crises in colour."""
    known = points[np.isfinite(points[crisis.measure])]
    inside = crisis.holds(known[crisis.measure].to_numpy(dtype=float))
    wide = max(2.0 * len(ranking), 6.0)
    figure, axes = new_figure(
        1, 1, (wide, 5.0), f"{title}: parallel coordinates", f"{words}; in colour: {crisis.words}"
    )
    ax = axes[0, 0]
    scaled, ends = [], []
    for name in ranking:
        x, names = coordinate(known[name])
        low, high = float(x.min()), float(x.max())
        scaled.append((x - low) / (high - low if high > low else 1.0))
        ends.append((names[0], names[-1]) if names else (f"{low:.3g}", f"{high:.3g}"))
    lines, places = np.array(scaled), np.arange(len(ranking))
    faint, strong = (float(np.clip(k / max(n, 1), 0.03, 0.8)) for k, n in ((60, (~inside).sum()), (40, inside.sum())))
    ax.plot(places, lines[:, ~inside], color=GREY, alpha=faint, linewidth=0.7)
    ax.plot(places, lines[:, inside], color=VERMILLION, alpha=strong, linewidth=0.9)
    for place, (low_text, high_text) in zip(places, ends, strict=True):
        ax.text(place, -0.03, low_text, ha="center", va="top", fontsize=7.5)
        ax.text(place, 1.03, high_text, ha="center", va="bottom", fontsize=7.5)
    ax.set_xticks(places, [label(name).replace(" ", "\n", 1) for name in ranking])
    ax.tick_params(axis="x", pad=14)
    ax.set_yticks([])
    ax.set_ylim(-0.02, 1.02)
    ax.grid(visible=True, axis="x", color="#555555")
    ax.spines[["left", "bottom"]].set_visible(False)
    return save(figure, path)
