"""A user's own daily closes: read and checked, then turned into an opening state and into targets.

A folder of CSV files. Each has a column `date` (year-month-day) and one column per series, named as in
`abm.study.paths.series_names`: yields in per cent for bonds, prices for everything else. A series stands in one file;
an empty cell is a day without a close. All rows up to the opening are taken as the calm period.
"""

import csv
import datetime as dt
import math
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from abm.scenarios import State, load_state, state_names
from abm.scenarios.state import nearest_correlation, state_rules
from abm.study.moments import LAGS, WEEK_DAYS, autocorrelation_of_size, excess_kurtosis, standard_deviation
from abm.study.paths import series_names, unit_of
from abm.world.errors import InputError, shown, unknown_name, wrong_value
from abm.world.instruments import IDS, INDEX

DATE: Final = "date"
MOST_BYTES: Final = 50_000_000
LEAST_CHANGES: Final = 120  # daily changes of a series, for moments to be worth a number
MOST_GAP_DAYS: Final = 5  # calendar days between two closes that still make a daily change
CARRIED_DAYS: Final = 2  # weekdays for which a close stands in for missing ones in changes over a week
OLDEST_LEVEL_DAYS: Final = 10  # calendar days by which a close may lie before the opening
MOST_WEEK_DAYS: Final = 11  # calendar days that five rows may span: a week and public holidays
LEAST_WEEKLY: Final = 60  # overlapping changes over a week that a pair must share
BLOCK_DAYS: Final = 40  # of the bootstrap, longer than the longest lag
RESAMPLES: Final = 400
YIELD_RANGE: Final = (-5.0, 60.0)
SD_TOLERANCE, STANDARD_ERRORS, SHARE_PCT = 0.20, 2, 80
CORRELATION_TOLERANCE, SIGN_ABOVE = 0.15, 0.3

# -- reading -------------------------------------------------------------------------------------------------------


def read_closes(folder: Path) -> pd.DataFrame:
    """Closes of all files, dates in order (rows) by series (columns), NaN where there is none; weekdays only.

    InputError, one sentence with file, row and column, about the first thing that is wrong.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is no directory, but --data needs one with CSV files")
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise InputError(f"{folder}: has no file that ends in .csv, but at least one is needed")
    columns: dict[str, pd.Series] = {}
    home: dict[str, Path] = {}
    for file in files:
        for name, series in _read_file(file).items():
            if name in columns:
                raise InputError(f"{file}: column {name} is also in {home[name].name}, but a series may be given once")
            columns[name], home[name] = series, file
    closes = pd.DataFrame(columns).sort_index()
    closes = closes[pd.DatetimeIndex(closes.index).day_of_week < 5]
    for name, file in home.items():
        changes = len(daily_changes(closes, name))
        if changes < LEAST_CHANGES:
            raise InputError(
                f"{file}: column {name} has {changes} daily changes, but at least {LEAST_CHANGES} are needed"
            )
    return closes


def _read_file(file: Path) -> dict[str, pd.Series]:
    rows = _rows(file)
    header = [cell.strip() for cell in rows[0]]
    if DATE not in header:
        raise InputError(
            f"{file}: row 1 has no column {DATE}, but every file needs one; got {shown(', '.join(header))}"
        )
    for number, name in enumerate(header, start=1):
        if name != DATE and name not in series_names():
            raise unknown_name(str(file), f"series in row 1, column {number}", name, series_names())
        if header.count(name) > 1:
            raise InputError(f"{file}: row 1 has the column {name} twice, but once is allowed")
    dates: dict[dt.date, int] = {}
    values: dict[str, list[float]] = {name: [] for name in header if name != DATE}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise InputError(f"{file}: row {number} has {len(row)} cells, but row 1 has {len(header)} columns")
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        date = _date(cells[DATE], file, number)
        if date in dates:
            raise InputError(
                f"{file}: row {number}, column {DATE}: {date} is also in row {dates[date]}, but may be given once"
            )
        dates[date] = number
        for name, column in values.items():
            column.append(_number(cells[name], file, number, name))
    index = pd.DatetimeIndex(list(dates), name=DATE)
    return {name: pd.Series(column, index, dtype=float) for name, column in values.items()}


def _rows(file: Path) -> list[list[str]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise InputError(f"{file}: has {file.stat().st_size} bytes, but at most {MOST_BYTES} are read")
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = list(csv.reader(opened, strict=True))
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 text (byte {error.start}), but CSV files must be") from None
    except csv.Error as error:
        raise InputError(f"{file}: is not valid CSV ({error}); cells are separated by commas") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    if len(rows) < 2:
        raise InputError(f"{file}: has {len(rows)} rows, but it needs a row of names and rows of closes")
    return rows


def _date(text: str, file: Path, row: int) -> dt.date:
    try:
        if len(text) != len("2026-01-13"):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise wrong_value(str(file), f"row {row}, column {DATE}", text, "a date (year-month-day)") from None


def _number(text: str, file: Path, row: int, name: str) -> float:
    if not text:
        return math.nan
    low, high = YIELD_RANGE if unit_of(name) == "bp" else (0.0, 1e9)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low < value < high:
        what = f"a yield in per cent, between {low:g} and {high:g}" if unit_of(name) == "bp" else "a price above 0"
        raise wrong_value(str(file), f"row {row}, column {name}", text, f"{what}, or empty")
    return value


# -- changes -------------------------------------------------------------------------------------------------------


def quoted_path(closes: pd.DataFrame, name: str) -> pd.Series:
    """A series in the unit of its changes: bp of yield, or 100 x logarithm."""
    return 100.0 * closes[name] if unit_of(name) == "bp" else 100.0 * np.log(closes[name])


def daily_changes(closes: pd.DataFrame, name: str) -> pd.Series:
    """Changes from one close to the next, bp or per cent; none across gaps of more than MOST_GAP_DAYS calendar days."""
    path = quoted_path(closes, name).dropna()
    near = path.index.to_series().diff() <= pd.Timedelta(days=MOST_GAP_DAYS)
    return path.diff()[near].dropna()


def weekly_changes(closes: pd.DataFrame) -> pd.DataFrame:
    """Overlapping changes over five rows, none across gaps that make them longer than MOST_WEEK_DAYS calendar days.

    A missing close is the one before it for up to CARRIED_DAYS rows.
    """
    paths = pd.DataFrame({name: quoted_path(closes, name) for name in closes.columns})
    near = closes.index.to_series().diff(WEEK_DAYS) <= pd.Timedelta(days=MOST_WEEK_DAYS)
    return paths.ffill(limit=CARRIED_DAYS).diff(WEEK_DAYS)[near]


def correlations(weekly: pd.DataFrame) -> pd.DataFrame:
    """Correlations of weekly changes over the rows that a pair shares; NaN for fewer than LEAST_WEEKLY of them."""
    return weekly.corr(min_periods=LEAST_WEEKLY)


def shrunk(sample: np.ndarray, prior: np.ndarray, observations: float) -> tuple[np.ndarray, float]:
    """Sample correlations drawn towards prior ones, and how far (0 to 1); a NaN of the sample is the prior's.

    lambda = sum var(r) / sum (r - prior)^2 over pairs, var(r) = (1 - r^2)^2 / (n - 1) (Schaefer and Strimmer 2005).
    observations: n, independent ones.
    """
    pairs = np.triu(np.isfinite(sample), 1)
    r, t = sample[pairs], prior[pairs]
    distance = float(((r - t) ** 2).sum())
    variance = float(((1.0 - r**2) ** 2).sum()) / max(observations - 1.0, 1.0)
    weight = min(variance / distance, 1.0) if distance > 0.0 else 1.0
    out = weight * prior + (1.0 - weight) * np.where(np.isfinite(sample), sample, prior)
    np.fill_diagonal(out, 1.0)
    return out, weight


def bootstrap_error(changes: np.ndarray, statistic: Callable[[np.ndarray], float], name: str) -> float:
    """Standard error of a statistic of (1, days) changes by the circular block bootstrap, blocks of BLOCK_DAYS."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    n = len(changes)
    blocks = -(-n // BLOCK_DAYS)
    starts = rng.integers(0, n, (RESAMPLES, blocks))
    rows = (starts[:, :, None] + np.arange(BLOCK_DAYS)).reshape(RESAMPLES, -1)[:, :n] % n
    return float(np.std([statistic(changes[row][None, :]) for row in rows], ddof=1))


# -- the opening state ---------------------------------------------------------------------------------------------


def until(closes: pd.DataFrame, date: dt.date | None) -> pd.DataFrame:
    """Rows up to the opening, by default all; InputError where that leaves too little."""
    if date is None:
        return closes
    first, last = closes.index[0].date(), closes.index[-1].date()
    if not first < date <= last:
        raise wrong_value("command line", "--date", date, f"after {first} and up to {last}, the dates of the closes")
    return closes[closes.index <= pd.Timestamp(date)]


def levels(closes: pd.DataFrame) -> dict[str, tuple[float, dt.date]]:
    """Last close of every market and its date; one that lies long before the last row is refused."""
    out = {}
    for name in closes.columns:
        given = closes[name].dropna()
        if name not in INDEX:
            continue
        age = (closes.index[-1] - given.index[-1]).days if len(given) else math.inf
        if age > OLDEST_LEVEL_DAYS:
            last = given.index[-1].date() if len(given) else "never"
            raise InputError(
                f"column {name}: last close {last}, but the opening of {closes.index[-1].date()} needs one at most "
                f"{OLDEST_LEVEL_DAYS} days old"
            )
        out[name] = (float(given.iloc[-1]), given.index[-1].date())
    return out


def nearest_state(date: dt.date) -> State:
    """The packaged opening state whose date is nearest: what the user's closes do not say is taken from it."""
    states = [load_state(name) for name in state_names()]
    return min(states, key=lambda state: (abs((state.date - date).days), state.name))


def calm_correlation(closes: pd.DataFrame, parent: State) -> tuple[np.ndarray, float]:
    """Correlations of all markets, (markets, markets), positive definite, and the weight of the parent's in them."""
    sample = correlations(weekly_changes(closes)).reindex(index=IDS, columns=IDS).to_numpy()
    mixed, weight = shrunk(sample, parent.correlation, len(closes) / WEEK_DAYS)
    return nearest_correlation(mixed), weight


def state_document(closes: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """The opening state of the last row as tables of a state file: levels, calm volatilities, correlations."""
    date = closes.index[-1].date()
    parent = nearest_state(date)
    rules: Any = state_rules()
    correlation, weight = calm_correlation(closes, parent)
    span = f"closes of {closes.index[0].date()} to {date} in {folder.name}"
    own = levels(closes)
    sds = {name: round(float(daily_changes(closes, name).std()), 4) for name in own}
    near = f"; drawn {weight:.0%} towards those of {parent.name}"
    return {
        "state": {
            "name": f"data-{date}",
            "title": f"Close of {date}, {folder.name}"[:200],
            "date": date,
            "extends": parent.name,
        },
        "levels": {
            "source": f"closes in {folder.name}",
            "conf": "calc",
            **{
                name: {"value": value, "unit": rules["levels"][name].unit, "date": day}
                for name, (value, day) in own.items()
            },
        },
        "calm_sd": {
            "source": f"daily changes, {span}",
            "conf": "calc",
            **{name: {"value": sd, "unit": rules["calm_sd"][name].unit} for name, sd in sds.items()},
        },
        "correlation": {
            "unit": "correlation",
            "source": f"5-day changes, {span}{near}",
            "conf": "calc",
            **{
                second: {first: round(float(correlation[j, i]), 4) for i, first in enumerate(IDS[:j])}
                for j, second in enumerate(IDS)
                if j
            },
        },
    }


# -- targets -------------------------------------------------------------------------------------------------------


def targets_document(closes: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Targets of calm times as tables of a targets file: moments with standard errors, correlations of pairs."""
    span = f"{closes.index[0].date()} to {closes.index[-1].date()}"
    said = {"source": f"own estimate from daily closes in {folder.name}, {span}", "date": closes.index[-1].date()}
    return {
        "moments": {
            **said,
            "level_sample": span,
            "shape_sample": span,
            "sd_tolerance": SD_TOLERANCE,
            "standard_errors": STANDARD_ERRORS,
            "share_pct": SHARE_PCT,
            "series": {name: _moments(daily_changes(closes, name).to_numpy(), name, span) for name in closes.columns},
        },
        "correlations": {
            **said,
            "tolerance": CORRELATION_TOLERANCE,
            "share_pct": SHARE_PCT,
            "sign_above": SIGN_ABOVE,
            "calm": _pairs(correlations(weekly_changes(closes))),
        },
    }


def _moments(changes: np.ndarray, name: str, span: str) -> dict[str, Any]:
    sd = round(standard_deviation(changes[None, :]), 4)
    error = round(bootstrap_error(changes, standard_deviation, f"sd {name}"), 4)
    out: dict[str, Any] = {"unit": unit_of(name), "sd": sd, "sd_se": error, "sd_sample": span}
    shapes: dict[str, Callable[[np.ndarray], float]] = {"kurtosis": excess_kurtosis}
    shapes |= {f"acf_{lag}": partial(autocorrelation_of_size, lag=lag) for lag in LAGS}
    for key, shape in shapes.items():
        out[key] = [round(shape(changes[None, :]), 4), round(bootstrap_error(changes, shape, f"{key} {name}"), 4)]
    return out


def _pairs(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Every pair once, the later series as the outer name; pairs without enough common days are left out."""
    names, values = list(table.columns), table.to_numpy(dtype=float)
    rows = {
        second: {first: round(float(values[i, j]), 3) for i, first in enumerate(names[:j]) if np.isfinite(values[i, j])}
        for j, second in enumerate(names)
    }
    return {second: row for second, row in rows.items() if row}
