"""The directory of a sweep. What is in it survives the end of the process at any instant.

manifest.json is written last of what describes the sweep, so a directory without it holds nothing yet. Every finished
run is one line of journal.jsonl, with a checksum, forced to disk before the next runs are waited for. A block of
runs, complete, becomes a Parquet file named after its content (shards/), written aside and renamed; when all blocks
are there they are joined, in the order of the design, to results.parquet. Whatever order runs finish in, and however
often the sweep is taken up again, each block holds the same rows, so the files are the same byte for byte.
"""

import datetime as dt
import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from abm.output.files import ASIDE, locked, sync_directory, write_aside
from abm.output.tables import changes_in_words
from abm.study.run import code_hash, git_revision, package_versions
from abm.study.sweep.plan import Plan
from abm.world.errors import InputError, shown, wrong_value

FORMAT: Final = 1
BLOCK_RUNS: Final = 256
MANIFEST, DESIGN, JOURNAL, RESULTS, LOCK = "manifest.json", "design.parquet", "journal.jsonl", "results.parquet", "lock"
SHARDS: Final = "shards"
OWN: Final = (MANIFEST, DESIGN, JOURNAL, RESULTS, LOCK, SHARDS, "sensitivity")
OK, UNCONVERGED, FAILED = "ok", "unconverged", "failed"

type Row = dict[str, Any]
"""Outcome of a run: run, status, reason, values (one per measure), seconds, worker, memory_mb."""


class Store:
    """The files of one sweep, open for writing by one process. Use `opened`."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        self.plan = plan
        self.blocks = -(-plan.runs // BLOCK_RUNS)
        self.done = bytearray(plan.runs)
        self.finished = 0
        self.failed = 0
        self.unconverged = 0
        self._shards: dict[int, str] = {}
        self._open_blocks: dict[int, dict[int, Row]] = {}
        self._journal: BinaryIO | None = None

    def begin(self) -> None:
        """Describe a new sweep, or take up the one that is there. InputError if that is another one."""
        (self.directory / SHARDS).mkdir(exist_ok=True)
        for left in (*self.directory.glob(f"*{ASIDE}"), *(self.directory / SHARDS).glob(f"*{ASIDE}")):
            left.unlink()
        if (self.directory / MANIFEST).exists():
            _require_same(read_manifest(self.directory), _manifest(self.plan), self.directory)
        else:
            write_aside(self.directory / DESIGN, lambda file: pq.write_table(_with_points(self.plan), file))
            text = json.dumps(_manifest(self.plan), indent=1, sort_keys=True)
            write_aside(self.directory / MANIFEST, lambda file: file.write(text.encode()))
        self._read_journal()

    def missing(self) -> Iterator[int]:
        """Runs that are not done, in order."""
        return (run for run in range(self.plan.runs) if not self.done[run])

    def add(self, rows: Sequence[Row]) -> None:
        """Keep finished runs: they are on disk when this returns."""
        self._append(rows)
        for row in rows:
            self._note(row)
        for number in sorted({row["run"] // BLOCK_RUNS for row in rows}):
            self._close_block(number)

    def finish(self) -> None:
        """Join all blocks to the final table."""
        for number in sorted(self._open_blocks):
            self._close_block(number)
        shards = [self.directory / SHARDS / f"{self._shards[number]}.parquet" for number in range(self.blocks)]

        def join(file: BinaryIO) -> None:
            with pq.ParquetWriter(file, result_schema(self.plan), compression="zstd") as writer:
                for shard in shards:
                    writer.write_table(pq.read_table(shard))

        write_aside(self.directory / RESULTS, join)

    def close(self) -> None:
        """Nothing more is written."""
        if self._journal is not None:
            self._journal.close()

    # -- journal -------------------------------------------------------------------------------------------------

    def _read_journal(self) -> None:
        """What is done. A line cut short by the end of the process is taken off."""
        path = self.directory / JOURNAL
        keep = 0
        if path.exists():
            for line, end in journal_lines(path):
                keep = end
                if "block" not in line:
                    self._note(line)
                elif self._intact(line["sha256"]):
                    self._shards[line["block"]] = line["sha256"]
                    self._open_blocks.pop(line["block"], None)
        self._journal = path.open("ab")
        self._journal.truncate(keep)
        sync_directory(self.directory)
        for number in sorted(self._open_blocks):
            self._close_block(number)

    def _note(self, row: Row) -> None:
        self.done[row["run"]] = 1
        self.finished += 1
        self.failed += row["status"] == FAILED
        self.unconverged += row["status"] == UNCONVERGED
        self._open_blocks.setdefault(row["run"] // BLOCK_RUNS, {})[row["run"]] = row

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        assert self._journal is not None
        self._journal.write(b"".join(map(_line, lines)))
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def _intact(self, sha256: str) -> bool:
        path = self.directory / SHARDS / f"{sha256}.parquet"
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    # -- blocks --------------------------------------------------------------------------------------------------

    def _close_block(self, number: int) -> None:
        """Write a block once all of its runs are done."""
        runs = range(number * BLOCK_RUNS, min((number + 1) * BLOCK_RUNS, self.plan.runs))
        rows = self._open_blocks.get(number, {})
        if len(rows) < len(runs):
            return
        buffer = io.BytesIO()
        pq.write_table(result_table(self.plan, [rows[run] for run in runs]), buffer, compression="zstd")
        content = buffer.getvalue()
        sha256 = hashlib.sha256(content).hexdigest()
        write_aside(self.directory / SHARDS / f"{sha256}.parquet", lambda file: file.write(content))
        self._append([{"block": number, "sha256": sha256}])
        self._shards[number] = sha256
        del self._open_blocks[number]


@contextmanager
def opened(directory: Path, plan: Plan) -> Iterator[Store]:
    """The store of a sweep in this directory, for this process alone."""
    require_usable(directory)
    directory.mkdir(parents=True, exist_ok=True)
    taken = f"{directory}: another process is running a sweep here; wait for it, or choose another --out"
    with locked(directory / LOCK, taken):
        store = Store(directory, plan)
        try:
            store.begin()
            yield store
        finally:
            store.close()


def require_usable(directory: Path) -> None:
    """InputError unless the directory is new, empty, or a sweep's."""
    if directory.exists() and not directory.is_dir():
        raise wrong_value("sweep", "--out", str(directory), "a directory, not a file")
    if directory.is_dir():
        foreign = [p.name for p in directory.iterdir() if p.name not in OWN and not p.name.endswith(ASIDE)]
        if foreign:
            others = f"and {shown(foreign[0])} is not of a sweep"
            raise wrong_value("sweep", "--out", str(directory), f"a new or empty directory or a sweep's, {others}")
    nearest = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise wrong_value("sweep", "--out", str(directory), f"in a writable directory, and {nearest} is not one")


# -- manifest --------------------------------------------------------------------------------------------------------


def read_manifest(directory: Path) -> dict[str, Any]:
    """The description of a sweep. InputError if there is none."""
    try:
        manifest: Any = json.loads((directory / MANIFEST).read_text())
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or "sweep" not in manifest:
        raise InputError(f"{directory}: is not the directory of a sweep, it has no readable {MANIFEST}")
    return manifest


def _manifest(plan: Plan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "hash": plan.hash,
        "runs": plan.runs,
        "block_runs": BLOCK_RUNS,
        "git_revision": git_revision(),
        "code_hash": code_hash(),
        "packages": package_versions(),
        "begun": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "sweep": plan.described(),
    }


def _require_same(there: dict[str, Any], here: dict[str, Any], directory: Path) -> None:
    """A directory belongs to one design, one code and one set of package versions."""
    compared = ("format", "block_runs", "code_hash", "packages", "sweep")
    differs = changes_in_words(*({key: manifest.get(key) for key in compared} for manifest in (there, here)))
    if differs:
        raise InputError(f"{directory}: holds another sweep: {differs}; go back to that one, or choose another --out")


# -- tables ----------------------------------------------------------------------------------------------------------


def _with_points(plan: Plan) -> pa.Table:
    """The design with the number of every point."""
    return plan.points.add_column(0, "point", pa.array(range(plan.points.num_rows), pa.int64()))


def result_schema(plan: Plan) -> pa.Schema:
    """Columns of the results: key, outcome, varied parameters, measures."""
    fixed = [("point", pa.int64()), ("seed", pa.int64()), ("status", pa.string()), ("reason", pa.string())]
    parameters = [(name, plan.points.schema.field(name).type) for name in plan.parameters]
    return pa.schema([*fixed, *parameters, *((name, pa.float64()) for name in plan.measures)])


def result_table(plan: Plan, rows: Sequence[Row]) -> pa.Table:
    """Outcomes as rows of the results, with the parameters of their points."""
    points = pa.array([row["run"] // plan.seeds for row in rows], pa.int64())
    columns: dict[str, Any] = {
        "point": points,
        "seed": [plan.seed(row["run"]) for row in rows],
        "status": [row["status"] for row in rows],
        "reason": [row["reason"] for row in rows],
    }
    columns |= {name: plan.points.column(name).take(points) for name in plan.parameters}
    columns |= {name: [row["values"][i] for row in rows] for i, name in enumerate(plan.measures)}
    return pa.table(columns, schema=result_schema(plan))


# -- files -----------------------------------------------------------------------------------------------------------


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def journal_lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Whole lines of a journal with the position after each; what was being written when the process ended is left out.

    InputError if a broken line has whole ones after it: that is damage, not an end.
    """
    end, broken = 0, False
    with path.open("rb") as file:
        for raw in file:
            checksum, _, text = raw[:-1].partition(b" ")
            whole = raw.endswith(b"\n") and checksum == b"%08x" % zlib.crc32(text)
            if whole and broken:
                raise InputError(f"{path}: is damaged at byte {end}; restore it, or begin anew in another directory")
            if whole:
                end += len(raw)
                yield json.loads(text), end
            broken = not whole
