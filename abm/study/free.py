"""The parameters that calibration may move: which, between which bounds, and what each should act on."""

import fnmatch
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from abm.scenarios import Scenario
from abm.scenarios.checks import allowed_values, is_finite_number, unit_and_source
from abm.scenarios.files import read
from abm.scenarios.sectors import NEWS, parameter_models
from abm.world.errors import InputError, unknown_name, wrong_value

FREE: Final = Path(__file__).resolve().parents[1] / "calibration" / "free.toml"
KEYS: Final = ("parameter", "also", "low", "high", "scale", "why", "moves")
NEEDED: Final = ("parameter", "low", "high", "why")
SCALES: Final = ("linear", "log")


@dataclass(frozen=True)
class Free:
    """A free parameter.

    name: sector.parameter. also: others that move with it. low, high: bounds. log: distances count in the logarithm.
    moves: patterns of target ids that it should act on.
    """

    name: str
    low: float
    high: float
    why: str
    log: bool = False
    also: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Unit of its values."""
        return unit_and_source(field_of(self.name, ""))[0]

    def value(self, u: float) -> float:
        """The value at a point of the unit interval between the bounds."""
        if self.log:
            return float(self.low * (self.high / self.low) ** u)
        return float(self.low + (self.high - self.low) * u)

    def unit_value(self, value: float) -> float:
        """Where between the bounds a value lies, 0 to 1; values outside count as the nearer bound."""
        at = min(max(value, self.low), self.high)
        if self.log:
            return math.log(at / self.low) / math.log(self.high / self.low)
        return (at - self.low) / (self.high - self.low)


def overrides(free: Sequence[Free], u: np.ndarray) -> dict[str, float]:
    """Settings of a point in unit coordinates (parameters,), those that move along included."""
    return {name: one.value(float(x)) for one, x in zip(free, u, strict=True) for name in (one.name, *one.also)}


def present(free: Sequence[Free], scenario: Scenario) -> np.ndarray:
    """Unit coordinates of a scenario's own values, (parameters,)."""
    models = {**scenario.params, NEWS: scenario.news}
    return np.array([one.unit_value(getattr(models[s], p)) for one in free for s, p in [one.name.split(".", 1)]])


# -- reading -------------------------------------------------------------------------------------------------------


def free_parameters(chosen: Iterable[str] = ()) -> tuple[Free, ...]:
    """The packaged list, or what is chosen: files that end in .toml, and patterns of names such as "dealers.*".

    Patterns pick from the packaged list. InputError, one sentence, for a fault of a file, a pattern that picks nothing,
    or a parameter that is free twice.
    """
    found: list[Free] = []
    packaged = _read(FREE)
    for choice in chosen:
        if choice.endswith(".toml"):
            found += _read(Path(choice))
            continue
        picked = [one for one in packaged if fnmatch.fnmatchcase(one.name, choice)]
        if not picked:
            raise unknown_name("--params", "free parameter or pattern", choice, [one.name for one in packaged])
        found += [one for one in picked if one not in found]
    free = tuple(found) if found else packaged
    names = [name for one in free for name in (one.name, *one.also)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--params: {name} is free twice, but once is allowed")
    return free


def _read(path: Path) -> tuple[Free, ...]:
    document = read(path)
    rows: Any = document.table.get("free")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{document.where}: has no tables headed [[free]], but at least one is needed")
    return tuple(_free(row, f"free {i}", document.where) for i, row in enumerate(rows, start=1))


def _free(row: Any, label: str, where: str) -> Free:
    if not isinstance(row, Mapping):
        raise wrong_value(where, label, row, "a table headed [[free]]")
    for key in row:
        if key not in KEYS:
            raise unknown_name(where, f"key in {label}", key, KEYS)
    for key in NEEDED:
        if key not in row:
            raise InputError(f"{where}: {label} has no {key}, but it needs {', '.join(NEEDED)}")
    scale = row.get("scale", "linear")
    if not isinstance(scale, str) or scale not in SCALES:
        raise wrong_value(where, f"{label}.scale", scale, " or ".join(SCALES))
    low, high = (_bound(row[key], f"{label}.{key}", where) for key in ("low", "high"))
    if not low < high or (scale == "log" and low <= 0.0):
        raise wrong_value(where, f"{label}.low", low, f"below high = {high:g}, and above 0 if scale is log")
    lists = [_texts(row.get(key, []), f"{label}.{key}", where) for key in ("also", "moves")]
    for name in (row["parameter"], *lists[0]):
        _check_range(name, low, high, where, label)
    return Free(str(row["parameter"]), low, high, str(row["why"]), scale == "log", *lists)


def _bound(value: Any, key: str, where: str) -> float:
    if not is_finite_number(value):
        raise wrong_value(where, key, value, "a finite number")
    return float(value)


def _texts(value: Any, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong_value(where, key, value, "a list of texts")
    return tuple(value)


def field_of(name: Any, where: str) -> FieldInfo:
    """The definition of sector.parameter; InputError for a name that does not exist."""
    sector, _, parameter = str(name).partition(".")
    models = parameter_models()
    if sector not in models:
        raise unknown_name(where, "sector of a free parameter", sector, models, str(name))
    if parameter not in models[sector].model_fields:
        raise unknown_name(where, f"parameter of {sector}", parameter, models[sector].model_fields)
    return models[sector].model_fields[parameter]


def _check_range(name: Any, low: float, high: float, where: str, label: str) -> None:
    field = field_of(name, where)
    if field.annotation is not float:
        raise InputError(f"{where}: {label}: {name} is no real number, but only real numbers can be fitted")
    least: list[Any] = [limit.ge for limit in field.metadata if isinstance(limit, Ge)]
    most: list[Any] = [limit.le for limit in field.metadata if isinstance(limit, Le)]
    if any(low < limit for limit in least) or any(high > limit for limit in most):
        raise wrong_value(where, f"{label}.low and high", [low, high], f"within {name}, {allowed_values(field)}")
