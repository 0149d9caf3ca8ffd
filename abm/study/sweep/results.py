"""Reading a sweep, finished or not, without holding it in memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from abm.study.sweep.design import UNIT
from abm.study.sweep.store import DESIGN, JOURNAL, RESULTS, SHARDS, journal_lines, read_manifest
from abm.world.errors import InputError


@dataclass(frozen=True)
class SweepResults:
    """What a sweep has found, one row per run in the order of the design: point, seed, status, reason, parameters,
    measures. status: ok, unconverged (reason says on how many days the auction did not clear) or failed (no measures).
    """

    path: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Design, hash, seeds and pairing, versions, revision."""
        return read_manifest(self.path)

    @property
    def complete(self) -> bool:
        """Whether every run has been done."""
        return (self.path / RESULTS).is_file()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what was varied."""
        names = pq.read_schema(self.path / DESIGN).names
        return tuple(n for n in names if n != "point" and not n.startswith(UNIT))

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what was measured."""
        return tuple(self.manifest["sweep"]["measures"])

    @property
    def design(self) -> pd.DataFrame:
        """One row per point: its number and parameters, and their coordinates in the unit cube ("unit.NAME")."""
        return pd.read_parquet(self.path / DESIGN)

    @cached_property
    def dataset(self) -> ds.Dataset:
        """All rows as a lazily read Arrow dataset; before the end, those of whole blocks."""
        files = [self.path / RESULTS] if self.complete else self._shards()
        if not files:
            raise InputError(f"{self.path}: no block of runs is done yet; resume the sweep")
        return ds.dataset([str(file) for file in files], format="parquet")

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Rows as a table, only these columns if any are named."""
        return self.dataset.to_table(columns=None if columns is None else list(columns)).to_pandas()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows in pieces, in order, so that memory does not grow with their number."""
        yield from self.dataset.to_batches(columns=None if columns is None else list(columns))

    def counts(self) -> dict[str, int]:
        """Number of rows by status."""
        counts: Counter[str] = Counter()
        for batch in self.batches(["status"]):
            counts.update(batch.column(0).to_pylist())
        return dict(sorted(counts.items()))

    def sessions(self) -> pd.DataFrame:
        """One row per finished run as the journal has it: run, status, seconds, worker, memory_mb."""
        keys = ("run", "status", "seconds", "worker", "memory_mb")
        lines = (line for line, _ in journal_lines(self.path / JOURNAL) if "run" in line)
        return pd.DataFrame([{key: line[key] for key in keys} for line in lines], columns=list(keys))

    def _shards(self) -> list[Path]:
        blocks = {line["block"]: line["sha256"] for line, _ in journal_lines(self.path / JOURNAL) if "block" in line}
        return [self.path / SHARDS / f"{blocks[number]}.parquet" for number in sorted(blocks)]


def open_results(directory: str | Path) -> SweepResults:
    """The results of a sweep. InputError if the directory is not one's."""
    results = SweepResults(Path(directory))
    _ = results.manifest
    return results
