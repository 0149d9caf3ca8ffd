"""The packaged figures that validation compares with, and calm figures of a user's own in their place."""

import math
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from abm.scenarios.checks import is_finite_number
from abm.scenarios.files import read
from abm.study.paths import series_names, unit_of
from abm.world.errors import InputError, unknown_name, wrong_value

VALIDATION: Final = Path(__file__).resolve().parents[1] / "validation"
TARGETS: Final = VALIDATION / "targets.toml"
EPISODES: Final = VALIDATION / "episodes"


@lru_cache(maxsize=1)
def targets() -> dict[str, Any]:
    """The tables of `abm/validation/targets.toml`. Shared: read, never changed."""
    return tomllib.loads(TARGETS.read_text(encoding="utf-8"))


SHAPES: Final = ("kurtosis", "acf_1", "acf_5", "acf_20")
MOMENT_NUMBERS: Final = ("sd_tolerance", "standard_errors", "share_pct")
CORRELATION_NUMBERS: Final = ("tolerance", "share_pct", "sign_above")


def read_calm_targets(path: Path | str) -> dict[str, Any]:
    """The tables [moments] and [correlations] of a user's file, as `targets()` has them, checked.

    `abm calibrate --data` writes such a file. InputError, one sentence, about the first thing that is wrong.
    """
    document = read(Path(path))
    where, found = document.where, document.table
    for key in found:
        if key not in ("moments", "correlations"):
            raise unknown_name(where, "top-level key", key, ("moments", "correlations"))
    moments, correlations = (_table(found.get(key), key, where) for key in ("moments", "correlations"))
    for table, name, numbers in (
        (moments, "moments", MOMENT_NUMBERS),
        (correlations, "correlations", CORRELATION_NUMBERS),
    ):
        for key in numbers:
            _number(table.get(key), f"{name}.{key}", where, 0.0, math.inf)
    for series, row in _table(moments.get("series"), "moments.series", where).items():
        _check_moments(row, series, where)
    for second, pairs in _table(correlations.get("calm"), "correlations.calm", where).items():
        for first, value in _table(pairs, f"correlations.calm.{second}", where).items():
            _check_series((first, second), where)
            _number(value, f"correlations.calm.{second}.{first}", where, -1.0, 1.0)
    return {"moments": moments, "correlations": correlations}


def _check_moments(row: Any, series: str, where: str) -> None:
    _check_series((series,), where)
    key = f"moments.series.{series}"
    table = _table(row, key, where)
    _number(table.get("sd"), f"{key}.sd", where, 1e-9, math.inf)
    if table.get("unit") != unit_of(series):
        raise wrong_value(where, f"{key}.unit", table.get("unit"), unit_of(series))
    if not isinstance(table.get("sd_sample"), str):
        raise wrong_value(where, f"{key}.sd_sample", table.get("sd_sample"), "text that says which days")
    for shape in SHAPES:
        pair = table.get(shape)
        if not isinstance(pair, list) or len(pair) != 2:
            raise wrong_value(where, f"{key}.{shape}", pair, "a list of the value and its standard error")
        _number(pair[0], f"{key}.{shape}", where, -math.inf, math.inf)
        _number(pair[1], f"{key}.{shape}", where, 0.0, math.inf)


def _check_series(names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in series_names():
            raise unknown_name(where, "series", name, series_names())


def _table(value: Any, key: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{where}: has no table [{key}], but targets of calm times need one")
    return value


def _number(value: Any, key: str, where: str, low: float, high: float) -> None:
    if not is_finite_number(value) or not low <= value <= high:
        raise wrong_value(where, key, value, f"a finite number from {low:g} to {high:g}")


def responsible(what: str, series: str) -> str:
    """Parameter, switch or figure held responsible for a miss of this kind in this series."""
    table = targets()["responsible"].get(what, {})
    if isinstance(table, str):
        return table
    return str(table.get(series, table.get(_group(series), table.get("default", ""))))


def _group(series: str) -> str:
    """A word for series that share their causes."""
    bond = series.removesuffix("_fut")
    for prefix, group in (("JGB", "japanese_bonds"), ("NIKKEI", "shares"), ("NASDAQ", "shares"), ("SPX", "shares")):
        if bond.startswith(prefix):
            return group
    if bond == "BTC":
        return "bitcoin"
    if bond.endswith("JPY") and len(bond) == 6:
        return "yen"
    return "foreign_bonds" if bond[-1].isdigit() or bond == "EMBOND" else "currencies"
