"""Designs: which points of the parameters are run. SALib draws them in the unit cube, distributions shape them."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from abm.study.sweep.distributions import Factor
from abm.world.errors import InputError, wrong_value

UNIT: Final = "unit."  # before a parameter's name: the column with its coordinate in the unit cube
MOST_POINTS: Final = 10_000_000


class Design(BaseModel):
    """How points are chosen. seed: of the design itself, apart from those of the runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str

    def size(self, factors: Sequence[Factor]) -> int:
        """Number of points."""
        raise NotImplementedError

    def unit(self, factors: Sequence[Factor]) -> np.ndarray:
        """Points in the unit cube, (points, parameters)."""
        raise NotImplementedError

    def table(self, factors: Sequence[Factor]) -> pa.Table:
        """One row per point: a column per parameter, and per parameter its coordinate in the unit cube."""
        unit = np.asarray(self.unit(factors))
        columns: dict[str, Any] = {f.name: f.values_at(unit[:, i]) for i, f in enumerate(factors)}
        columns |= {UNIT + f.name: unit[:, i] for i, f in enumerate(factors)}
        return pa.table(columns)


class Grid(Design):
    """Every combination of the parameters' values, the last parameter changing fastest."""

    kind: Literal["grid"]

    def size(self, factors: Sequence[Factor]) -> int:
        """Product of the numbers of values."""
        return int(np.prod([float(len(f.grid())) for f in factors]))

    def table(self, factors: Sequence[Factor]) -> pa.Table:
        """The full factorial."""
        points = list(itertools.product(*(f.grid() for f in factors)))
        return pa.table({f.name: [point[i] for point in points] for i, f in enumerate(factors)})


class Random(Design):
    """Independent draws."""

    kind: Literal["random"]
    points: int = Field(ge=1, le=MOST_POINTS, description="number of points")
    seed: int = Field(1, ge=0, description="seed of the design")

    def size(self, factors: Sequence[Factor]) -> int:
        """As asked."""
        return self.points

    def unit(self, factors: Sequence[Factor]) -> np.ndarray:
        """Uniform draws."""
        return np.random.default_rng(self.seed).random((self.points, len(factors)))


class LatinHypercube(Random):
    """Every parameter is spread evenly over its own range (McKay and others 1979)."""

    kind: Literal["latin_hypercube"]  # type: ignore[assignment]

    def unit(self, factors: Sequence[Factor]) -> np.ndarray:
        """One point in each of n slices of every parameter."""
        from SALib.sample import latin

        points: np.ndarray = latin.sample(_problem(factors), self.points, seed=np.random.default_rng(self.seed))
        return points


class Sobol(Design):
    """Saltelli's design for Sobol indices: base_points (k + 2), or (2 k + 2) with second order (Saltelli 2002)."""

    kind: Literal["sobol"]
    base_points: int = Field(ge=2, le=MOST_POINTS, description="base points, a power of two")
    second_order: bool = Field(True, description="also interactions of pairs")
    seed: int = Field(1, ge=0, description="seed of the design")

    def block(self, k: int) -> int:
        """Points that belong to one base point of k parameters."""
        return 2 * k + 2 if self.second_order else k + 2

    def size(self, factors: Sequence[Factor]) -> int:
        """Base points times block."""
        return self.base_points * self.block(len(factors))

    def unit(self, factors: Sequence[Factor]) -> np.ndarray:
        """Scrambled Sobol sequence, cross-sampled."""
        from SALib.sample import sobol

        if self.base_points & (self.base_points - 1):
            below = 1 << (self.base_points.bit_length() - 1)
            near = f"a power of two, for instance {below} or {2 * below}"
            raise wrong_value("sweep", "design.base_points", self.base_points, near)
        points: np.ndarray = sobol.sample(
            _problem(factors), self.base_points, calc_second_order=self.second_order, seed=_generator(self.seed)
        )
        return points


class Morris(Design):
    """Morris's screening: trajectories that change one parameter at a time, (k + 1) points each (Morris 1991)."""

    kind: Literal["morris"]
    trajectories: int = Field(ge=2, le=MOST_POINTS, description="number of trajectories")
    levels: int = Field(4, ge=2, le=1000, description="grid levels of every parameter, even")
    seed: int = Field(1, ge=0, description="seed of the design")

    def block(self, k: int) -> int:
        """Points of one trajectory of k parameters."""
        return k + 1

    def size(self, factors: Sequence[Factor]) -> int:
        """Trajectories times points of each."""
        return self.trajectories * self.block(len(factors))

    def unit(self, factors: Sequence[Factor]) -> np.ndarray:
        """Random trajectories."""
        from SALib.sample import morris

        if self.levels % 2:
            raise wrong_value("sweep", "design.levels", self.levels, "an even number")
        points: np.ndarray = morris.sample(
            _problem(factors), self.trajectories, num_levels=self.levels, seed=_generator(self.seed)
        )
        return points


class Table(Design):
    """Points written by the user: a CSV or Parquet file, one column per parameter, one row per point."""

    kind: Literal["table"]
    file: str = Field(description="CSV or Parquet file, relative to the sweep file")


DESIGNS: Final[dict[str, type[Design]]] = {
    "grid": Grid,
    "random": Random,
    "latin_hypercube": LatinHypercube,
    "sobol": Sobol,
    "morris": Morris,
    "table": Table,
}


def read_points(path: Path) -> pa.Table:
    """The points of a CSV or Parquet file. InputError if it cannot be read or has holes."""
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as a table of points: {' '.join(str(error).split())}") from None
    if frame.empty or frame.columns.empty:
        raise InputError(f"{path}: has no points, but at least one row and one column are needed")
    holes = frame.columns[frame.isna().any()]
    if len(holes):
        row = int(np.flatnonzero(frame[holes[0]].isna())[0]) + 1
        raise InputError(f"{path}: column {holes[0]} has no value in row {row}, but every point needs all parameters")
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def _generator(seed: int) -> np.random.Generator:
    """A generator, because SALib takes a bare seed 0 for none."""
    return np.random.default_rng(seed)


def _problem(factors: Sequence[Factor]) -> dict[str, Any]:
    """The unit cube in SALib's terms."""
    return {"num_vars": len(factors), "names": [f.name for f in factors], "bounds": [[0.0, 1.0]] * len(factors)}
