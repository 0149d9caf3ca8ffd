"""Section A: what a year without shocks looks like, and how correlations move under one."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from abm.scenarios import Scenario
from abm.study.lines import Line, all_of, line, share_line
from abm.study.paths import Experiment, Paths, experiment, quoted
from abm.study.targets import responsible, targets
from abm.world.economy import DAYS_PER_YEAR
from abm.world.instruments import BASE_CCY, FX, IDS, INCOME_PCT, IS_BOND, QUOTE_CCY

CALM: Final = "calm"
LAGS: Final = (1, 5, 20)
WEEK_DAYS: Final = 5

# -- measures ------------------------------------------------------------------------------------------------------
# Changes are (seeds, days). Seeds are pooled about one mean, as days of one long record would be.


def daily_changes(path: np.ndarray) -> np.ndarray:
    """Changes from close to close, (seeds, days), of a path (seeds, days + 1)."""
    return np.diff(path, axis=1)


def standard_deviation(changes: np.ndarray) -> float:
    """Standard deviation of all days of all seeds."""
    return float(changes.std())


def excess_kurtosis(changes: np.ndarray) -> float:
    """Fourth standardised moment less 3, of all days of all seeds; 0 for a normal variable."""
    x = changes - changes.mean()
    variance = float((x**2).mean())
    return float((x**4).mean()) / variance**2 - 3.0 if variance > 0.0 else float("nan")


def skewness(changes: np.ndarray) -> float:
    """Third standardised moment of all changes of all seeds."""
    x = changes - changes.mean()
    variance = float((x**2).mean())
    return float((x**3).mean()) / variance**1.5 if variance > 0.0 else float("nan")


def autocorrelation_of_size(changes: np.ndarray, lag: int) -> float:
    """Autocorrelation of absolute changes at a lag, days; NaN if no seed is longer than the lag."""
    size = np.abs(changes)
    x = size - size.mean()
    variance = float((x**2).mean())
    if changes.shape[1] <= lag or variance <= 0.0:
        return float("nan")
    return float((x[:, :-lag] * x[:, lag:]).mean()) / variance


def overlapping_changes(path: np.ndarray, days: int) -> np.ndarray:
    """Changes over so many days from every close on, (seeds, days + 1 - so many)."""
    return path[:, days:] - path[:, :-days]


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of two arrays of the same shape, pooled about their means; NaN where one does not vary."""
    if x.size < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return float("nan")
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def carry_pct(scenario: Scenario, market: str) -> tuple[float, float]:
    """Range of the yearly price drift that goes with the carry a holder should earn, per cent.

    Shares and bitcoin: what makes them earn the policy rate, rate less dividends. Exchange rates: from the drift
    that takes the rate differential away (parity) to none (the differential is earned, as carry trades have).
    """
    rate, i = scenario.state.policy_rate_pct, IDS.index(market)
    if i in FX:
        parity = float(rate[QUOTE_CCY[i]] - rate[BASE_CCY[i]])
        return min(parity, 0.0), max(parity, 0.0)
    fair = float(rate[QUOTE_CCY[i]] - INCOME_PCT[i])
    return fair, fair


# -- lines ---------------------------------------------------------------------------------------------------------


def calm_experiments(scenario: Scenario, seeds: Any) -> dict[str, Experiment]:
    """What `calm_lines_of` needs, to be run with others. seeds: how many or which."""
    return {CALM: experiment(scenario, seeds)}


def calm_lines_of(paths: Paths, own: Mapping[str, Any] | None = None) -> list[Line]:
    """Section A of runs that are there already, members of share lines included.

    own: tables "moments" and "correlations" to compare with instead of the packaged ones.
    """
    table = {**targets(), **(own or {})}
    moments, correlations = _moment_lines(paths, table["moments"]), _correlation_lines(paths, table["correlations"])
    return [*moments, *correlations, *_drift_lines(paths), _cascade_line(paths)]


def _moment_lines(paths: Paths, table: Mapping[str, Any]) -> list[Line]:
    levels: list[Line] = []
    shapes: dict[str, list[Line]] = {name: [] for name in ("kurtosis", *(f"acf_{lag}" for lag in LAGS))}
    for series, target in table["series"].items():
        changes = daily_changes(paths.series(series))
        levels.append(_level_line(series, target, changes, table["sd_tolerance"]))
        found = {"kurtosis": excess_kurtosis(changes)}
        found |= {f"acf_{lag}": autocorrelation_of_size(changes, lag) for lag in LAGS}
        for name, value in found.items():
            shapes[name].append(_shape_line(name, series, target[name], value, table["standard_errors"]))
    out = list(levels)
    for name, members in shapes.items():
        text = f"{SHAPE_TEXT[name]}: share of series within two standard errors"
        out += [share_line(f"A.{name}", text, members, table["share_pct"]), *members]
    return out


SHAPE_TEXT: Final = {
    "kurtosis": "excess kurtosis of daily changes",
    "acf_1": "autocorrelation of absolute changes, 1 day",
    "acf_5": "autocorrelation of absolute changes, 5 days",
    "acf_20": "autocorrelation of absolute changes, 20 days",
}


def _level_line(series: str, target: Mapping[str, Any], changes: np.ndarray, tolerance: float) -> Line:
    sd = float(target["sd"])
    limits = (sd * (1.0 - tolerance), sd * (1.0 + tolerance))
    text = f"{series}: daily standard deviation ({target['sd_sample']})"
    blame = responsible("sd", series)
    return line(f"A.sd.{series}", text, f"{target['unit']} a day", limits, standard_deviation(changes), blame, sd)


def _shape_line(name: str, series: str, target: list[float], value: float, errors: float) -> Line:
    centre, error = target
    limits = (centre - errors * error, centre + errors * error)
    text = f"{series}: {SHAPE_TEXT[name]}"
    return line(f"A.{name}.{series}", text, "", limits, value, responsible(name, series), centre, f"A.{name}")


def _correlation_lines(paths: Paths, table: Mapping[str, Any]) -> list[Line]:
    weekly = {name: overlapping_changes(paths.series(name), WEEK_DAYS) for name in _correlated(table["calm"])}
    near, signs = [], []
    for second, row in table["calm"].items():
        for first, target in row.items():
            value = correlation(weekly[first], weekly[second])
            pair, blame = f"{first}-{second}", responsible("correlation", second)
            text = f"{first} with {second}: correlation of 5-day changes"
            limits = (target - table["tolerance"], target + table["tolerance"])
            near.append(line(f"A.correlation.{pair}", text, "", limits, value, blame, target, "A.correlation"))
            if abs(target) > table["sign_above"]:
                wanted = (0.0, np.inf) if target > 0.0 else (-np.inf, 0.0)
                signs.append(line(f"A.sign.{pair}", text, "", wanted, value, blame, target, "A.sign"))
    text = "correlations of 5-day changes: share of pairs within 0.15"
    return [
        share_line("A.correlation", text, near, table["share_pct"]),
        all_of("A.sign", "correlations above 0.3: share with the right sign", signs),
        *near,
        *signs,
    ]


def _correlated(calm: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys([*(first for row in calm.values() for first in row), *calm]))


def _drift_lines(paths: Paths) -> list[Line]:
    """Mean change of a year (or of the run, in proportion) of every market."""
    years = (paths.log_price.shape[1] - 1) / DAYS_PER_YEAR
    out = []
    for i, market in enumerate(IDS):
        change = paths.change(market, to=-1)
        mean, blame = float(change.mean()), responsible("drift", market)
        if IS_BOND[i]:
            most = targets()["calm"]["yield_drift_bp"]
            out.append(line(f"A.drift.{market}", f"{market}: mean drift", "bp", (-most, most), mean, blame, 0.0))
            continue
        error = float(change.std(ddof=1)) / np.sqrt(len(change)) if len(change) > 1 else float("nan")
        low, high = (years * limit for limit in carry_pct(paths.scenario, market))
        text = f"{market}: mean drift against the carry it should earn"
        out.append(line(f"A.drift.{market}", text, "%", (low - error, high + error), mean, blame, (low + high) / 2))
    return out


def _cascade_line(paths: Paths) -> Line:
    table = targets()["calm"]
    quiet = 100.0 * float((paths.called_pct.max(axis=1) <= table["called_pct"]).mean())
    text = "seeds in which no day's margin calls exceed 1 % of carry and crypto positions"
    return line("A.cascades", text, "%", (table["quiet_seeds_pct"], 100.0), quiet, responsible("cascades", ""))


def stress_lines_of(runs: Mapping[str, Paths]) -> list[Line]:
    """Correlations of 5-day changes in the windows of stress, out of the runs of the episodes they belong to."""
    out = []
    for name, target in targets()["stress"].items():
        paths = runs[target["episode"]]
        first, last = target["days"]
        window = paths.log_price[:, first - 1 : last + 1]
        x, y = (overlapping_changes(quoted(window, series), WEEK_DAYS) for series in target["pair"])
        text = f"{target['pair'][0]} with {target['pair'][1]}, {target['text']}"
        blame = target["responsible"]
        limits = (target["low"], target["high"])
        out.append(line(f"A.stress.{name}", text, "", limits, correlation(x, y), blame, target.get("observed")))
    return out


def calm_sd(scenario: Scenario, series: str) -> float:
    """Calm daily standard deviation of a series according to the opening state: bp for bonds, per cent otherwise."""
    covariance = scenario.state.calm_covariance_log()
    weights = quoted(np.eye(len(IDS)), series)
    return float(np.sqrt(weights @ covariance @ weights))
