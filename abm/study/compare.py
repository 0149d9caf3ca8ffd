"""Two scenarios on the same seeds: what the difference is, and how sure.

Both runs of a pair share every random draw, so the difference of a pair is the effect of what differs between the
scenarios; its spread over seeds is the spread of the effect, not of the world.
"""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from abm.output.measures import MEASURES, median_interval, quantiles
from abm.output.tables import (
    COMPARISON,
    MOST_CHANGES,
    RunWriter,
    as_json,
    changes,
    require_replaceable,
    series_column,
    write_json,
)
from abm.study.ensemble import Build, Failure, Job, Result, Scenario, market_model, run_jobs
from abm.study.run import Interrupted, code_hash, default_directory, git_revision, package_versions, seed_list
from abm.world.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

KEY_SERIES: Final = ("JGB30", "JGB40", "UST10", "UST30", "USDJPY", "NIKKEI", "NASDAQ", "BTC")
WHAT_IS_SHOWN: Final = (
    "median A, median B: over the seeds. mean B-A: of the differences on the same seed, so not the difference of the "
    "medians; with its 95 % interval, bold where that excludes zero."
)
RESAMPLES: Final = 4000
RESAMPLING_SEED: Final = 20260113
SMALLEST_ERROR: Final = 1e-6  # of a resample, as a part of the sample's
SMALL_ERROR: Final = 0.1  # likewise: the t statistic is then ten times as large for the same distance
MOST_SMALL: Final = 0.01  # share of resamples with so small an error that an interval made of them bears


class Comparable(Scenario, Protocol):
    """What a comparison needs of a scenario. dates: of every day, day 0 first."""

    @property
    def dates(self) -> Sequence[dt.date]: ...

    def shortened(self, days: int) -> Self:
        """The same run broken off earlier."""


@dataclass(frozen=True)
class Comparison:
    """B less A on paired seeds, over the days that both have.

    title: what is less what. notes: what A and B are, and what was cut. differences: one row per seed and measure:
    seed, measure, a, b, difference. table: one row per measure: text, unit, seeds, medians of A and B, median and mean
    difference each with its 95 % interval, share of seeds in which B is higher. paths: key series of every pair, name
    -> (2, seeds, days). failures: seeds left out, with the scenario. path: where it is saved.
    """

    title: str
    notes: tuple[str, ...]
    seeds: tuple[int, ...]
    differences: pd.DataFrame
    table: pd.DataFrame
    paths: dict[str, np.ndarray]
    dates: np.ndarray
    failures: tuple[tuple[str, Failure], ...]
    path: Path | None = None


def compare(
    a: Comparable,
    b: Comparable,
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
    there is replaced. Seeds on which either failed are left out and named in `failures`; the longer scenario is cut to
    the length of the shorter. Raises InputError if they do not open in the same state on the same day, and
    `Interrupted`, keeping nothing.
    """
    wanted = seed_list(seeds)
    target = Path(out) if out is not None else default_directory(f"{a.name}-vs-{b.name}")
    require_replaceable(target, COMPARISON)
    comparison = paired(a, b, wanted, workers=workers, progress=progress, build=build)
    writer = RunWriter(target, COMPARISON)
    try:
        _save(comparison, writer.directory, *_equally_long(a, b), figures)
        writer.publish()
    except BaseException:
        writer.discard()
        raise
    return Comparison(**{**vars(comparison), "path": target})


def paired(
    a: Comparable,
    b: Comparable,
    seeds: int | Iterable[int],
    *,
    workers: int | None = None,
    progress: bool = True,
    build: Build = market_model,
) -> Comparison:
    """The comparison without files."""
    wanted = seed_list(seeds)
    _require_same_opening(a, b)
    title, notes = _title(a, b), _notes(a, b)
    a, b = _equally_long(a, b)
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
    return Comparison(title, notes, done, frame, tabulate(frame), paths, dates, tuple(failures))


def _require_same_opening(a: Comparable, b: Comparable) -> None:
    """InputError if the scenarios open in different states or on different days: levels would differ by no effect."""
    days = 1 + min(a.days, b.days)
    if a.dates[:days] == b.dates[:days] and _figures(a) == _figures(b):
        return
    raise InputError(
        f"{a.name} {_opening(a)} and {b.name} {_opening(b)}, but only scenarios with one opening can be compared; give "
        "both the same state and start"
    )


def _opening(scenario: Comparable) -> str:
    state = scenario.resolved().get("state", {}).get("name", "its own state")
    return f"opens in {state} ({scenario.dates[0]}, first day {scenario.dates[1]})"


def _figures(scenario: Comparable) -> dict[str, Any]:
    """The opening state without its name and title."""
    state = scenario.resolved().get("state", {})
    return {key: value for key, value in state.items() if key not in ("name", "title")}


def _equally_long(a: Comparable, b: Comparable) -> tuple[Comparable, Comparable]:
    """Both over the days that both have."""
    days = min(a.days, b.days)
    return (a if a.days == days else a.shortened(days)), (b if b.days == days else b.shortened(days))


def _title(a: Comparable, b: Comparable) -> str:
    return f"{b.name} less {a.name}" if a.name != b.name else f"{a.name}, B less A"


def _notes(a: Comparable, b: Comparable) -> tuple[str, ...]:
    """What A and B are, by what differs where their names do not, and what is cut."""
    short, long = sorted((a, b), key=lambda scenario: scenario.days)
    cut = f"{long.name} has {long.days} trading days and is cut to the {short.days} of {short.name}."
    first, second = _what_differs(*_equally_long(a, b)) if a.name == b.name else ("", "")
    who = f"A is {a.name}{first}, B is {b.name}{second}."
    return (who, cut) if short.days < long.days else (who,)


def _what_differs(a: Comparable, b: Comparable) -> tuple[str, str]:
    """The first few values that differ, of A and of B, in words."""
    found = list(changes(a.resolved(), b.resolved()).items())
    more = f" and {len(found) - MOST_CHANGES} more" if len(found) > MOST_CHANGES else ""
    told = [(name.removeprefix("set.").removeprefix("scenario."), values) for name, values in found[:MOST_CHANGES]]
    first, second = (", ".join(f"{name} = {as_json(v[side]).strip()}" for name, v in told) for side in (0, 1))
    return (f" with {first}{more}", f" with {second}{more}") if told else ("", "")


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
    """(2, seeds, days)."""
    return np.array(pairs).transpose(1, 0, 2) if pairs else np.empty((2, 0, 0))


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

    The t statistic of resamples takes the place of Student's, so that skewed differences get skewed intervals. It is
    Student's where more than one in a hundred resamples has nearly equal values (a standard error below a tenth of the
    sample's), as with few seeds or many ties: the statistic of those is as large as chance has it, or none.
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
    tail = 0.5 * (1.0 - level)
    if np.mean(errors < SMALL_ERROR * error) > MOST_SMALL:
        half = float(stdtrit(n - 1, 1.0 - tail)) * error
        return mean - half, mean + half
    usable = errors > SMALLEST_ERROR * error  # a resample of equal values has no t statistic, nor has one of dust
    t = (draws.mean(axis=1)[usable] - mean) / errors[usable]
    low, high = np.quantile(t, (1.0 - tail, tail))
    return mean - float(low) * error, mean - float(high) * error


# -- output --------------------------------------------------------------------------------------------------------


def _save(c: Comparison, directory: Path, a: Comparable, b: Comparable, figures: bool) -> None:
    """compare.json, differences.parquet and the figure."""
    content = {
        "a": {"name": a.name, "title": a.title, "hash": a.hash, "scenario": a.resolved()},
        "b": {"name": b.name, "title": b.title, "hash": b.hash, "scenario": b.resolved()},
        "difference": "b less a, paired by seed",
        "notes": list(c.notes),
        "days": a.days,
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
        draw_differences(directory / "figures" / "differences.png", c.title, c.notes, c.dates, c.paths)


def difference_table(c: Comparison) -> "Table":
    """Medians of both, mean difference with its 95 % interval, for the headline measures."""
    from rich.table import Table

    from abm.output.report import WIDTH, formatted

    table = Table(
        title=f"{c.title}: {len(c.seeds)} paired seeds, {len(c.dates) - 1} trading days",
        caption=" ".join((*c.notes, WHAT_IS_SHOWN)),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
        width=WIDTH,
    )
    table.add_column("measure", ratio=1)
    table.add_column("unit", style="dim")
    for name in ("median A", "median B", "mean B-A", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in c.table.to_dict(orient="records"):
        measure = MEASURES[row["measure"]]
        if not measure.headline or not row["seeds"]:
            continue
        cells = [formatted(row[k], measure.unit) for k in ("a_median", "b_median", "mean_difference")]
        low, high = (formatted(row[k], measure.unit) for k in ("mean_low", "mean_high"))
        table.add_row(measure.text, measure.unit, *cells, f"{low} to {high}", style=_weight(row))
    return table


def _weight(row: Mapping[Any, Any]) -> str:
    """Differences whose interval excludes zero stand out."""
    return "bold" if row["mean_low"] > 0.0 or row["mean_high"] < 0.0 else ""


def show(c: Comparison, console: "Console | None" = None) -> None:
    """Print a comparison."""
    from rich.console import Console

    console = console or Console()
    if c.seeds:
        console.print(difference_table(c))
    for name, failure in c.failures:
        console.print(f"[red]failed[/red] {name}, seed {failure.seed}, day {failure.day}: {failure.error}")
    if c.path is not None:
        console.print(f"\nFiles: {c.path}", highlight=False, soft_wrap=True)
