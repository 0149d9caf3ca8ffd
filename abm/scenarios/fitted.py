"""Estimates of `abm calibrate` that are packaged: they stand between a parameter's default and what files set."""

from pathlib import Path
from typing import Any

from abm.scenarios.files import read
from abm.world.errors import InputError, unknown_name, wrong_value

FITTED = Path(__file__).resolve().parents[1] / "calibration" / "fitted.toml"
ORIGIN = "fitted, see abm/calibration/fitted.toml"
KEYS = ("parameter", "value", "low", "high")


def fitted_values(path: Path | None = None) -> dict[str, float]:
    """Estimates by "sector.parameter", from the packaged file or another of the same form.

    Raises InputError, one sentence, for a file of another form. Whether a parameter exists and its value is allowed is
    checked where scenarios are resolved.
    """
    document = read(path or FITTED)
    entries: Any = document.table.get("value", [])
    if not isinstance(entries, list):
        raise wrong_value(document.where, "value", entries, "tables, each headed [[value]]")
    values: dict[str, float] = {}
    for number, entry in enumerate(entries, start=1):
        key, value = _entry(entry, f"value {number}", document.where)
        if key in values:
            raise InputError(f"{document.where}: {key} is fitted twice, but once is allowed")
        values[key] = value
    return values


def _entry(entry: Any, label: str, where: str) -> tuple[str, float]:
    if not isinstance(entry, dict):
        raise wrong_value(where, label, entry, "a table with " + ", ".join(KEYS))
    for key in entry:
        if key not in KEYS:
            raise unknown_name(where, f"key in {label}", key, KEYS)
    for key in KEYS:
        if key not in entry:
            raise InputError(f"{where}: {label} has no {key}, but it needs {', '.join(KEYS)}")
    low, value, high = (entry[key] for key in ("low", "value", "high"))
    if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in (low, value, high)):
        raise wrong_value(where, label, [low, value, high], "numbers for low, value and high")
    if not low <= value <= high:
        raise wrong_value(where, f"{label}.value", value, f"within its interval, {low:g} to {high:g}")
    return str(entry["parameter"]), value
