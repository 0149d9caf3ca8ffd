"""What matters in a finished sweep: indices of its design, regional sensitivity, and where crises lie, in words.

Outcomes are means over the seeds of a point. A point with a run that failed, or whose measure is not a finite number,
has none. Sobol indices then lose the whole block of runs that belongs to the point's base sample, and Morris effects
the whole trajectory, because both are differences within these; everything else loses the point. Runs in which the
auction did not clear on some day are kept. How many were left out is part of the answer.
"""

import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from abm.output.measures import MEASURES
from abm.output.tables import SENSITIVITY, publish, require_replaceable, write_json
from abm.study.discovery import Region, find_region
from abm.study.sweep.design import UNIT
from abm.study.sweep.results import SweepResults
from abm.world.errors import InputError, unknown_name, wrong_value

RESAMPLES: Final = 1000
SEED: Final = 20260113  # of bootstrap resamples
LEVEL: Final = 0.95
CRISIS_SHARE: Final = 0.1  # of points, where no line is given
FEWEST: Final = 8  # points or blocks from which anything is said
ENDS: Final = 0.2  # share of points at each end of a parameter that a tornado compares
CRISIS: Final = re.compile(r"\s*(?P<measure>[\w.]+)\s*(?P<sign>[<>])\s*(?P<line>[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*")
DIRECTORY: Final = "sensitivity"


@dataclass(frozen=True)
class Crisis:
    """What counts as a crisis: a measure above (or below) a line."""

    measure: str
    above: bool
    line: float

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Whether each value is one."""
        return values > self.line if self.above else values < self.line

    @property
    def words(self) -> str:
        """In words, with its unit."""
        measure = MEASURES[self.measure]
        return f"{measure.text} {'above' if self.above else 'below'} {self.line:.4g} {measure.unit}"


@dataclass(frozen=True)
class Sensitivity:
    """Tables of a sweep's sensitivities; those that its design does not give are empty.

    sobol: measure, parameter, first, first_conf, total, total_conf (half widths of 95 % intervals). second: measure,
    a, b, second, second_conf. morris: measure, parameter, mu, mu_star, mu_star_conf, sigma, in units of the measure
    per range of the parameter. regional: measure, parameter, distance (Kolmogorov-Smirnov between the points in
    crisis and the others, crisis being each measure's highest tenth or the given line), p_value. tornado: measure,
    parameter, low, high: means at the parameter's lowest and highest fifth, with the values there. left_out: per
    measure what was left out and why.
    """

    results: SweepResults
    crisis: Crisis
    region: Region | None
    points: pd.DataFrame
    sobol: pd.DataFrame = field(default_factory=pd.DataFrame)
    second: pd.DataFrame = field(default_factory=pd.DataFrame)
    morris: pd.DataFrame = field(default_factory=pd.DataFrame)
    regional: pd.DataFrame = field(default_factory=pd.DataFrame)
    tornado: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: dict[str, str] = field(default_factory=dict)

    @cached_property
    def ranking(self) -> list[str]:
        """Parameters of the crisis measure, the most important first."""
        for table, column in ((self.sobol, "total"), (self.morris, "mu_star"), (self.regional, "distance")):
            mine = table[table["measure"] == self.crisis.measure] if len(table) else table
            if len(mine):
                return [str(name) for name in mine.sort_values(column, ascending=False, kind="stable")["parameter"]]
        return list(self.results.parameters)

    def sentences(self) -> list[str]:
        """What was found, in words."""
        said = [f"{name}: {text}" for name, text in self.left_out.items()]
        for measure in self.tornado["measure"].unique() if len(self.tornado) else ():
            said += _most_important(self, str(measure))
        in_crisis = int(self.crisis.holds(self.points[self.crisis.measure].to_numpy()).sum())
        share = f"{in_crisis} of {int(self.points[self.crisis.measure].notna().sum())} points"
        said.append(f"Crisis is {self.crisis.words}: {share}.")
        said.append(self.region.words if self.region is not None else "No region of the parameters stands out.")
        return said


def analyse(results: SweepResults, measures: Iterable[str] = (), crisis: str | None = None) -> Sensitivity:
    """Sensitivities of a complete sweep.

    measures: which; all that the sweep kept if none is named. crisis: "MEASURE>VALUE" or "MEASURE<VALUE"; the highest
    tenth of the first measure if not given. Raises InputError.
    """
    if not results.complete:
        raise InputError(f"{results.path}: the sweep is not complete; abm sweep FILE --out {results.path} goes on")
    chosen = list(dict.fromkeys(measures)) or list(results.measures)
    wanted = parse_crisis(crisis, results) if crisis is not None else None
    for name in chosen:
        if name not in results.measures:
            raise unknown_name(str(results.path), "measure", name, results.measures)
    if wanted is not None and wanted.measure not in chosen:
        chosen.append(wanted.measure)
    left_out: dict[str, str] = {}
    outcomes = pd.DataFrame({name: _outcome(results, name, left_out) for name in chosen}, results.design.index)
    points = pd.concat([results.design, outcomes], axis=1)
    line = wanted or Crisis(chosen[0], True, _upper(points[chosen[0]]))
    tables = _tables(results, points, chosen, line, left_out)
    region = find_region(points[list(results.parameters)], points[line.measure].to_numpy(), line.holds)
    return Sensitivity(results, line, region, points, **tables, left_out=left_out)


def parse_crisis(text: str, results: SweepResults) -> Crisis:
    """ "MEASURE>VALUE" or "MEASURE<VALUE"."""
    match = CRISIS.fullmatch(text)
    if match is None:
        raise wrong_value("command line", "--crisis", text, "of the form MEASURE>VALUE or MEASURE<VALUE")
    if match["measure"] not in results.measures:
        raise unknown_name("--crisis", "measure", match["measure"], results.measures)
    return Crisis(match["measure"], match["sign"] == ">", float(match["line"]))


def _upper(values: pd.Series) -> float:
    found = values.dropna()
    if len(found) < FEWEST:
        raise InputError(f"{values.name}: only {len(found)} points have a value, at least {FEWEST} are needed")
    return float(found.quantile(1.0 - CRISIS_SHARE))


def _outcome(results: SweepResults, measure: str, left_out: dict[str, str]) -> np.ndarray:
    """Mean over seeds at every point, NaN where a run failed or has no finite value."""
    rows = results.frame(["point", "status", measure])
    failed = rows["status"] == "failed"
    bad = ~np.isfinite(rows[measure])
    value = rows[measure].where(~bad)
    mean = value.groupby(rows["point"]).mean().where(~bad.groupby(rows["point"]).any())
    if bad.any():
        undefined = int((bad & ~failed).sum())
        left_out[measure] = (
            f"{int(mean.isna().sum())} of {len(mean)} points left out, because of {int(failed.sum())} failed runs and "
            f"{undefined} runs without a finite value."
        )
    return mean.to_numpy()


# -- indices ---------------------------------------------------------------------------------------------------------


def _tables(
    results: SweepResults, points: pd.DataFrame, measures: list[str], crisis: Crisis, left_out: dict[str, str]
) -> dict[str, pd.DataFrame]:
    """All tables, every one over the measures that vary."""
    design = results.manifest["sweep"]["design"]
    names = list(results.parameters)
    found: dict[str, list[pd.DataFrame]] = {key: [] for key in ("sobol", "second", "morris", "regional", "tornado")}
    for measure in measures:
        y = points[measure].to_numpy(dtype=float)
        defined = y[np.isfinite(y)]
        if defined.size < FEWEST or np.ptp(defined) == 0.0:
            left_out[measure] = (left_out.get(measure, "") + " It does not vary, or too few points are left.").strip()
            continue
        line = crisis if crisis.measure == measure else Crisis(measure, True, _upper(points[measure]))
        found["regional"].append(_regional(points, names, y, line).assign(measure=measure))
        found["tornado"].append(_tornado(points, names, y).assign(measure=measure))
        note = _Note(left_out, measure)
        if design["kind"] == "sobol":
            first, second = sobol_indices(names, y, design["second_order"], note)
            found["sobol"].append(first.assign(measure=measure))
            found["second"].append(second.assign(measure=measure))
        if design["kind"] == "morris":
            unit = points[[UNIT + name for name in names]].to_numpy()
            found["morris"].append(morris_effects(names, unit, y, design["levels"], note).assign(measure=measure))
    return {key: _joined(tables) for key, tables in found.items()}


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame()
    joined = pd.concat(tables, ignore_index=True)
    return joined[["measure", *(name for name in joined.columns if name != "measure")]]


@dataclass(frozen=True)
class _Note:
    """Adds to what is told about a measure."""

    left_out: dict[str, str]
    measure: str

    def __call__(self, text: str) -> None:
        self.left_out[self.measure] = f"{self.left_out.get(self.measure, '')} {text}".strip()


def whole_blocks(y: np.ndarray, size: int, what: str, note: Callable[[str], None]) -> np.ndarray:
    """Which points belong to a block of which nothing is missing, (points,). note: told what was left out."""
    blocks = np.isfinite(y.reshape(-1, size)).all(axis=1)
    if not blocks.all():
        note(f"{int((~blocks).sum())} of {blocks.size} {what} left out of the indices, with all {size} points of each.")
    return np.repeat(blocks, size)


def sobol_indices(
    names: list[str], y: np.ndarray, second_order: bool, note: Callable[[str], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """First-order, total and second-order Sobol indices with half widths of their 95 % bootstrap intervals.

    y: outcome of every point of Saltelli's design, NaN where there is none (Saltelli and others 2010).
    """
    from SALib.analyze import sobol

    k = len(names)
    keep = whole_blocks(y, 2 * k + 2 if second_order else k + 2, "base samples are", note)
    if keep.sum() < FEWEST or np.ptp(y[keep]) == 0.0:
        note("Too few base samples are left for indices.")
        return pd.DataFrame(), pd.DataFrame()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of resamples without variance
        found = sobol.analyze(
            {"num_vars": k, "names": names, "bounds": [[0.0, 1.0]] * k},
            y[keep], calc_second_order=second_order, num_resamples=RESAMPLES, conf_level=LEVEL, seed=SEED,
        )  # fmt: skip
    columns = {"first": "S1", "first_conf": "S1_conf", "total": "ST", "total_conf": "ST_conf"}
    first = pd.DataFrame({"parameter": names, **{name: found[key] for name, key in columns.items()}})
    if not second_order:
        return first, pd.DataFrame()
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    rows = [(names[i], names[j], found["S2"][i, j], found["S2_conf"][i, j]) for i, j in pairs]
    return first, pd.DataFrame(rows, columns=["a", "b", "second", "second_conf"])


def morris_effects(
    names: list[str], unit: np.ndarray, y: np.ndarray, levels: int, note: Callable[[str], None]
) -> pd.DataFrame:
    """Morris's elementary effects over the range of each parameter: mean, mean size with interval, spread."""
    from SALib.analyze import morris

    k = len(names)
    keep = whole_blocks(y, k + 1, "trajectories are", note)
    if keep.sum() < 2 * (k + 1):
        note("Too few trajectories are left for effects.")
        return pd.DataFrame()
    found = morris.analyze(
        {"num_vars": k, "names": names, "bounds": [[0.0, 1.0]] * k},
        unit[keep], y[keep], num_resamples=RESAMPLES, conf_level=LEVEL, num_levels=levels, seed=SEED,
    )  # fmt: skip
    columns = ("mu", "mu_star", "mu_star_conf", "sigma")
    return pd.DataFrame({"parameter": names, **{name: np.asarray(found[name], dtype=float) for name in columns}})


def _regional(points: pd.DataFrame, names: list[str], y: np.ndarray, crisis: Crisis) -> pd.DataFrame:
    """Regional sensitivity (Hornberger and Spear 1981): do the points in crisis lie elsewhere than the others?"""
    known = np.isfinite(y)
    inside = crisis.holds(y) & known
    rows = []
    for name in names:
        x = ranked(points[name])
        if inside.sum() and (known & ~inside).sum():
            test = stats.ks_2samp(x[inside], x[known & ~inside], method="asymp")
            rows.append((name, float(test.statistic), float(test.pvalue)))
    return pd.DataFrame(rows, columns=["parameter", "distance", "p_value"])


def _tornado(points: pd.DataFrame, names: list[str], y: np.ndarray) -> pd.DataFrame:
    """Mean outcome where a parameter is in its lowest and in its highest fifth."""
    known = np.isfinite(y)
    rows = []
    for name in names:
        x = ranked(points[name])
        low, high = (x <= np.quantile(x, ENDS)) & known, (x >= np.quantile(x, 1.0 - ENDS)) & known
        if low.any() and high.any():
            words = [_span(points[name][part]) for part in (low, high)]
            rows.append((name, float(y[low].mean()), float(y[high].mean()), *words))
    return pd.DataFrame(rows, columns=["parameter", "low", "high", "low_values", "high_values"])


def ranked(values: pd.Series) -> np.ndarray:
    """Numbers as they are; true as 1; text by its place in the alphabet."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return values.to_numpy(dtype=float)
    return np.asarray(values.astype("category").cat.codes, dtype=float)


def _span(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return " or ".join(sorted({str(value).lower() for value in values}))
    low, high = float(values.min()), float(values.max())
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


def _most_important(s: Sensitivity, measure: str) -> list[str]:
    """The parameters that matter most for a measure, with the evidence the design gives."""
    text = MEASURES[measure].text
    if len(s.sobol) and (s.sobol["measure"] == measure).any():
        rows = s.sobol[s.sobol["measure"] == measure].sort_values("total", ascending=False).head(3).to_dict("records")
        told = [f"{r['parameter']} {r['total']:.2f} (±{r['total_conf']:.2f})" for r in rows]
        return [f"{text}: of its variance, with all interactions, is due to " + ", ".join(told) + "."]
    if len(s.morris) and (s.morris["measure"] == measure).any():
        rows = (
            s.morris[s.morris["measure"] == measure].sort_values("mu_star", ascending=False).head(3).to_dict("records")
        )
        told = [f"{r['parameter']} {r['mu_star']:.3g} (±{r['mu_star_conf']:.2g})" for r in rows]
        return [f"{text}: mean size of the effect of a parameter's range, {MEASURES[measure].unit}: {', '.join(told)}."]
    mine = s.tornado[s.tornado["measure"] == measure]
    order = (mine["high"] - mine["low"]).abs().sort_values(ascending=False).index[:3]
    told = [f"{r['parameter']} {r['high'] - r['low']:+.3g}" for r in mine.loc[order].to_dict("records")]
    return [
        f"{text}: from the lowest to the highest fifth of a parameter, {MEASURES[measure].unit}: {', '.join(told)}."
    ]


# -- files -----------------------------------------------------------------------------------------------------------


def save(s: Sensitivity, figures: bool = True) -> Path:
    """Write tables, words and figures to DIR/sensitivity in place of earlier ones; InputError if more is there."""
    target = s.results.path / DIRECTORY
    require_replaceable(target, SENSITIVITY)
    aside = Path(tempfile.mkdtemp(prefix=DIRECTORY, suffix=".part", dir=s.results.path))
    try:
        for name in ("sobol", "second", "morris", "regional", "tornado"):
            table: pd.DataFrame = getattr(s, name)
            if len(table):
                table.to_csv(aside / f"{name}.csv", index=False, float_format="%.6g")
        (aside / "words.txt").write_text("\n".join(s.sentences()) + "\n")
        write_json(aside / "discovery.json", {"crisis": s.crisis.words, "region": _region_json(s.region)})
        if figures:
            from abm.output.sweep_plots import draw_all  # matplotlib takes a second to load

            (aside / "figures").mkdir()
            draw_all(aside / "figures", s.results.manifest["sweep"], s.points, s, s.crisis, s.ranking)
        aside.chmod(0o755)
        publish(aside, target, SENSITIVITY)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _region_json(region: Region | None) -> dict[str, Any] | None:
    return None if region is None else {**vars(region), "words": region.words}
