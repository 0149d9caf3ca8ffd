"""Two scenarios on the same seeds: what the difference is, and how sure.

Both runs of a pair share every random draw, so the difference of a pair is the effect of what differs between the
scenarios; its spread over seeds is the spread of the effect, not of the world.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from abm.output.measures import MEASURES, median_interval, quantiles
from abm.output.report import WIDTH, formatted
from abm.output.tables import COMPARISON, RunWriter, require_replaceable, series_column, write_json
from abm.study.ensemble import Build, Failure, Job, Result, Scenario, market_model, run_jobs
from abm.study.run import Interrupted, code_hash, default_directory, git_revision, package_versions, seed_list

KEY_SERIES: Final = ("JGB30", "JGB40", "UST10", "UST30", "USDJPY", "NIKKEI", "NASDAQ", "BTC")
RESAMPLES: Final = 4000
RESAMPLING_SEED: Final = 20260113
SMALLEST_ERROR: Final = 1e-6  # of a resample, as a part of the sample's


@dataclass(frozen=True)
class Comparison:
    """B less A on paired seeds.

    differences: one row per seed and measure: seed, measure, a, b, difference. table: one row per measure: text, unit,
    seeds, medians of A and B, median and mean difference each with its 95 % interval, share of seeds in which B is
    higher. paths: key series of every pair, name -> (2, seeds, days). failures: seeds left out, with the scenario.
    path: where it is saved.
    """

    a: str
    b: str
    seeds: tuple[int, ...]
    differences: pd.DataFrame
    table: pd.DataFrame
    paths: dict[str, np.ndarray]
    dates: np.ndarray
    failures: tuple[tuple[str, Failure], ...]
    path: Path | None = None


def compare(
    a: Scenario,
    b: Scenario,
    seeds: int | Iterable[int] = 20,
    *,
    workers: int | None = None,
    out: Path | str | None = None,
    progress: bool = True,
    figures: bool = True,
    build: Build = market_model,
) -> Comparison:
    """Run both scenarios on the same seeds and save the paired differences.

    seeds: how many (1 ... n) or which. out: directory, by default a new one under ``results``; an earlier comparison
    there is replaced. Seeds on which either failed are left out and named in `failures`. Raises `Interrupted`, keeping
    nothing.
    """
    wanted = seed_list(seeds)
    target = Path(out) if out is not None else default_directory(f"{a.name}-vs-{b.name}")
    require_replaceable(target, COMPARISON)
    comparison = paired(a, b, wanted, workers=workers, progress=progress, build=build)
    writer = RunWriter(target, COMPARISON)
    try:
        _save(comparison, writer.directory, a, b, figures)
        writer.publish()
    except BaseException:
        writer.discard()
        raise
    return Comparison(**{**vars(comparison), "path": target})


def paired(
    a: Scenario,
    b: Scenario,
    seeds: int | Iterable[int],
    *,
    workers: int | None = None,
    progress: bool = True,
    build: Build = market_model,
) -> Comparison:
    """The comparison without files."""
    wanted = seed_list(seeds)
    jobs = [Job(side, seed) for seed in wanted for side in (0, 1)]
    rows: list[dict[str, Any]] = []
    series: dict[str, list[list[np.ndarray]]] = {name: [] for name in KEY_SERIES}
    failures: list[tuple[str, Failure]] = []
    dates = np.empty(0, "datetime64[D]")
    try:
        for first, second in _pairs(run_jobs([a, b], jobs, workers=workers, progress=progress, build=build)):
            failed = [(s.name, r.failure) for s, r in ((a, first), (b, second)) if r.failure is not None]
            failures += failed
            if failed:
                continue
            rows += _differences(first, second)
            for name in KEY_SERIES:
                series[name].append([_path(first, name), _path(second, name)])
            dates = first.tables["daily"].column("date").to_numpy().astype("datetime64[D]")
    except KeyboardInterrupt:
        raise Interrupted("interrupted: nothing of the comparison is kept; run it again", None) from None
    frame = pd.DataFrame(rows, columns=["seed", "measure", "a", "b", "difference"])
    done = tuple(dict.fromkeys(frame["seed"].tolist()))
    paths = {name: _stacked(pairs) for name, pairs in series.items()}
    length = min((p.shape[2] for p in paths.values()), default=0)
    return Comparison(a.name, b.name, done, frame, tabulate(frame), paths, dates[:length], tuple(failures))


def _pairs(results: Iterator[Result]) -> Iterator[tuple[Result, Result]]:
    """Results come as A, B, A, B ..."""
    for first in results:
        second = next(results, None)
        if second is not None:
            yield first, second


def _differences(first: Result, second: Result) -> list[dict[str, Any]]:
    """One row per measure of one seed."""
    return [
        {"seed": first.job.seed, "measure": m, "a": x, "b": second.measures[m], "difference": second.measures[m] - x}
        for m, x in first.measures.items()
    ]


def _path(result: Result, series: str) -> np.ndarray:
    return np.asarray(result.tables["daily"].column(series_column(series)).to_numpy(), dtype=float)


def _stacked(pairs: list[list[np.ndarray]]) -> np.ndarray:
    """(2, seeds, days), cut to the shorter of the two scenarios."""
    if not pairs:
        return np.empty((2, 0, 0))
    days = min(min(x.size, y.size) for x, y in pairs)
    return np.array([[x[:days], y[:days]] for x, y in pairs]).transpose(1, 0, 2)


# -- statistics ----------------------------------------------------------------------------------------------------


def tabulate(differences: pd.DataFrame) -> pd.DataFrame:
    """Paired differences per measure; pairs in which either side is not finite are left out and so not counted."""
    rows = []
    for name, group in differences.groupby("measure", sort=False, observed=True):
        pairs = group[["a", "b", "difference"]].to_numpy(dtype=float)
        pairs = pairs[np.isfinite(pairs).all(axis=1)]
        measure = MEASURES[str(name)]
        rows.append({"measure": measure.name, "text": measure.text, "unit": measure.unit, **_row(pairs)})
    return pd.DataFrame(rows)


def _row(pairs: np.ndarray) -> dict[str, float]:
    """Statistics of the columns a, b, difference over seeds."""
    a, b, d = pairs.T
    median_low, median_high = median_interval(d)
    mean_low, mean_high = bootstrap_interval(d)
    return {
        "seeds": len(pairs),
        "a_median": quantiles(a, (0.5,))[0],
        "b_median": quantiles(b, (0.5,))[0],
        "median_difference": quantiles(d, (0.5,))[0],
        "median_low": median_low,
        "median_high": median_high,
        "mean_difference": float(d.mean()) if d.size else math.nan,
        "mean_low": mean_low,
        "mean_high": mean_high,
        "share_b_higher": float((d > 0.0).mean()) if d.size else math.nan,
    }


def bootstrap_interval(x: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Studentised bootstrap interval of the mean (Efron and Tibshirani 1993, section 12.5); NaN below four values.

    The t statistic of resamples takes the place of Student's, so that skewed differences get skewed intervals.
    """
    n = x.size
    if n < 4:
        return math.nan, math.nan
    error = float(x.std(ddof=1)) / math.sqrt(n)
    mean = float(x.mean())
    if error <= 1e-12 * max(abs(mean), 1e-300):
        return mean, mean
    draws = x[np.random.default_rng(RESAMPLING_SEED).integers(0, n, (RESAMPLES, n))]
    errors = draws.std(axis=1, ddof=1) / math.sqrt(n)
    usable = errors > SMALLEST_ERROR * error  # a resample of equal values has no t statistic, nor has one of dust
    t = (draws.mean(axis=1)[usable] - mean) / errors[usable]
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(t, (1.0 - tail, tail))
    return mean - float(low) * error, mean - float(high) * error


# -- output --------------------------------------------------------------------------------------------------------


def _save(c: Comparison, directory: Path, a: Scenario, b: Scenario, figures: bool) -> None:
    """compare.json, differences.parquet and the figure."""
    content = {
        "a": {"name": a.name, "title": a.title, "hash": a.hash, "scenario": a.resolved()},
        "b": {"name": b.name, "title": b.title, "hash": b.hash, "scenario": b.resolved()},
        "difference": "b less a, paired by seed",
        "seeds": list(c.seeds),
        "failures": [{"scenario": name, **asdict(failure)} for name, failure in c.failures],
        "git_revision": git_revision(),
        "code_hash": code_hash(),
        "packages": package_versions(),
        "measures": c.table.set_index("measure").to_dict(orient="index") if len(c.table) else {},
    }
    write_json(directory / "compare.json", content)
    c.differences.to_parquet(directory / "differences.parquet", index=False)
    if figures and c.seeds:
        from abm.output.paired import draw_differences  # matplotlib takes a second to load

        (directory / "figures").mkdir()
        draw_differences(directory / "figures" / "differences.png", f"{c.b} less {c.a}", c.dates, c.paths)


def difference_table(c: Comparison, everything: bool = False) -> Table:
    """Medians of both, mean difference with its 95 % interval, for the headline measures (or all)."""
    title = f"{c.b} less {c.a}: {len(c.seeds)} paired seeds, mean difference with 95 % interval"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, width=WIDTH)
    table.add_column("measure", ratio=1)
    table.add_column("unit", style="dim")
    for name in ("A", "B", "difference", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in c.table.to_dict(orient="records"):
        measure = MEASURES[row["measure"]]
        if not (everything or measure.headline) or not row["seeds"]:
            continue
        cells = [formatted(row[k], measure.unit) for k in ("a_median", "b_median", "mean_difference")]
        low, high = (formatted(row[k], measure.unit) for k in ("mean_low", "mean_high"))
        table.add_row(measure.text, measure.unit, *cells, f"{low} to {high}", style=_weight(row))
    return table


def _weight(row: Mapping[Any, Any]) -> str:
    """Differences whose interval excludes zero stand out."""
    return "bold" if row["mean_low"] > 0.0 or row["mean_high"] < 0.0 else ""


def show(c: Comparison, console: Console | None = None) -> None:
    """Print a comparison."""
    console = console or Console()
    if c.seeds:
        console.print(difference_table(c))
    for name, failure in c.failures:
        console.print(f"[red]failed[/red] {name}, seed {failure.seed}, day {failure.day}: {failure.error}")
    if c.path is not None:
        console.print(f"\nFiles: {c.path}", highlight=False, soft_wrap=True)
