"""What a parameter of a sweep may be: a distribution, as the function from the unit interval to its values."""

import math
from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from scipy import stats

from abm.world.errors import InputError

MOST_STEPS: Final = 10_000


class Factor(BaseModel):
    """One parameter that a sweep varies. name: "sector.parameter", "switches.rule" or "event.KIND.field"."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    kind: ClassVar[str]
    name: str
    distribution: str

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """Values at quantiles in [0, 1]."""
        raise NotImplementedError

    def grid(self) -> list[Any]:
        """Values of a full factorial design, in order."""
        raise NotImplementedError


class Continuous(Factor):
    """A distribution of real numbers. steps: number of values on a grid, evenly spaced in quantiles."""

    steps: int | None = Field(None, ge=2, le=MOST_STEPS, description="values on a grid")

    def grid(self) -> list[Any]:
        """Evenly spaced quantiles; an unbounded distribution keeps away from its ends."""
        if self.steps is None:
            raise InputError(f"{self.name} has no steps, but on a grid it needs them (or distribution = 'categorical')")
        ends = np.isfinite(self.values_at(np.array([0.0, 1.0]))).all()
        unit = np.linspace(0.0, 1.0, self.steps) if ends else (np.arange(self.steps) + 0.5) / self.steps
        return [float(x) for x in self.values_at(unit)]


class Uniform(Continuous):
    """Every value between low and high is as likely as another."""

    kind = "uniform"
    distribution: Literal["uniform"] = "uniform"
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        _require_order(self.low, self.high)
        return self

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """low + u (high - low)."""
        return np.asarray(self.low + unit * (self.high - self.low))


class LogUniform(Continuous):
    """The logarithm is uniform: as much between 1 and 10 as between 10 and 100."""

    kind = "loguniform"
    distribution: Literal["loguniform"] = "loguniform"
    low: float = Field(gt=0)
    high: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "LogUniform":
        _require_order(self.low, self.high)
        return self

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """low (high / low)^u, within the ends whatever the rounding."""
        return np.clip(self.low * (self.high / self.low) ** unit, self.low, self.high)


class Normal(Continuous):
    """Normal with mean and standard deviation, cut off at low and high where they are given."""

    kind = "normal"
    distribution: Literal["normal"] = "normal"
    mean: float
    sd: float = Field(gt=0)
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Normal":
        if self.low is not None and self.high is not None:
            _require_order(self.low, self.high)
        return self

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """Quantiles of the truncated normal."""
        a = -math.inf if self.low is None else (self.low - self.mean) / self.sd
        b = math.inf if self.high is None else (self.high - self.mean) / self.sd
        return np.asarray(stats.truncnorm.ppf(unit, a, b, loc=self.mean, scale=self.sd))


class Triangular(Continuous):
    """Triangular between low and high with its top at mode."""

    kind = "triangular"
    distribution: Literal["triangular"] = "triangular"
    low: float
    mode: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Triangular":
        _require_order(self.low, self.high)
        if not self.low <= self.mode <= self.high:
            raise _wrong(f"mode = {self.mode:g} must lie between low = {self.low:g} and high = {self.high:g}")
        return self

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """Quantiles of the triangular distribution."""
        width = self.high - self.low
        return np.asarray(stats.triang.ppf(unit, (self.mode - self.low) / width, loc=self.low, scale=width))


class Integer(Factor):
    """Whole numbers from low to high, each as likely."""

    kind = "integer"
    distribution: Literal["integer"] = "integer"
    low: int
    high: int
    steps: int | None = Field(None, ge=2, le=MOST_STEPS, description="values on a grid")

    @model_validator(mode="after")
    def _ordered(self) -> "Integer":
        _require_order(self.low, self.high)
        return self

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """low + floor(u n), n the number of values."""
        n = self.high - self.low + 1
        return self.low + np.minimum((unit * n).astype(np.int64), n - 1)

    def grid(self) -> list[Any]:
        """All of them, or so many evenly spaced."""
        n = self.high - self.low + 1
        if self.steps is None and n > MOST_STEPS:
            raise InputError(f"{self.name} has {n} values, but a grid takes at most {MOST_STEPS}; give steps")
        chosen = np.linspace(self.low, self.high, min(self.steps or n, n))
        return [int(x) for x in np.unique(np.rint(chosen).astype(np.int64))]


class Categorical(Factor):
    """One of the given values, each as likely: true and false of a switch, names, or chosen numbers."""

    kind = "categorical"
    distribution: Literal["categorical"] = "categorical"
    values: list[bool | int | float | str] = Field(min_length=2, max_length=MOST_STEPS)

    @model_validator(mode="after")
    def _of_one_kind(self) -> "Categorical":
        kinds = {float if type(v) is int else type(v) for v in self.values}
        if len(kinds) > 1:
            raise _wrong("values mix kinds, but they must be all true/false, all numbers or all text")
        if len(set(self.values)) < len(self.values):
            raise _wrong("a value is given twice")
        return self

    def values_at(self, unit: np.ndarray) -> np.ndarray:
        """The floor(u n)-th value."""
        n = len(self.values)
        return np.array(self.values)[np.minimum((unit * n).astype(np.int64), n - 1)]

    def grid(self) -> list[Any]:
        """All values in the order given."""
        return [x.item() for x in np.array(self.values)]


DISTRIBUTIONS: Final[dict[str, type[Factor]]] = {
    cls.kind: cls for cls in (Uniform, LogUniform, Normal, Triangular, Integer, Categorical)
}


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("distribution", "{text}", {"text": text})


def _require_order(low: float, high: float) -> None:
    if not low < high:
        raise _wrong(f"low = {low:g} must be below high = {high:g}")
