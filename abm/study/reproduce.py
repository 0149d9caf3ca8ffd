"""A published run once more: `abm reproduce` runs what a manifest says and compares bit by bit."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from abm.output.tables import TABLES, read_json
from abm.scenarios import Scenario, scenario_from_resolved
from abm.study.run import code_hash, git_revision, package_versions, run, sha256_of
from abm.world.errors import InputError, shown

FILES: Final = (*TABLES, "measures")
NEEDED: Final = {"scenario": dict, "scenario_hash": str, "seeds": list, "packages": dict, "code_hash": str}


@dataclass(frozen=True)
class Published:
    """A run as its manifest describes it."""

    path: Path
    manifest: dict[str, Any]
    scenario: Scenario
    seeds: tuple[int, ...]

    @property
    def directory(self) -> Path:
        """Where its tables are, if they are kept."""
        return self.path.parent


def read(path: Path) -> Published:
    """The run of a manifest, or of the directory that has one. InputError, one sentence, if it is none."""
    path = path / "manifest.json" if path.is_dir() else path
    told = read_json(path, "the manifest.json of a run")
    for name, kind in NEEDED.items():
        if not isinstance(told.get(name), kind):
            raise InputError(f"{path}: has no {name}, so it is not the manifest of a run")
    if not told["seeds"] or not all(type(seed) is int for seed in told["seeds"]):
        raise InputError(f"{path}: seeds = {shown(told['seeds'])}, but they must be whole numbers, at least one")
    scenario = scenario_from_resolved(told["scenario"])
    if scenario.hash != told["scenario_hash"]:
        raise InputError(
            f"{path}: its scenario has the hash {scenario.hash[:12]}, but it says {told['scenario_hash'][:12]!r}; the "
            "scenario was changed, or this version of the program adds parameters to it"
        )
    return Published(path, told, scenario, tuple(told["seeds"]))


def other_program(published: Published) -> list[str]:
    """In what this program differs from the one that published, in words; nothing if it is the same."""
    theirs, ours = published.manifest["packages"], package_versions()
    said = [
        f"{name} {theirs.get(name, 'unknown')} then, {ours.get(name, 'unknown')} now"
        for name in sorted({*theirs, *ours})
        if theirs.get(name) != ours.get(name)
    ]
    if published.manifest["code_hash"] != code_hash():
        then = published.manifest.get("git_revision") or "unknown"
        said.append(f"other code: revision {then} then, {git_revision() or 'unknown'} now")
    return said


def differences(published: Published, workers: int | None = None, progress: bool = True) -> Iterator[str]:
    """Run it again and say, file by file, what is first different; nothing if every bit is the same.

    Files that are not kept beside the manifest are compared by the checksum in it, or left out if it has none; the
    summary always has to be there.
    """
    with tempfile.TemporaryDirectory(prefix="abm-reproduce-") as folder:
        again = run(
            published.scenario,
            published.seeds,
            workers=workers,
            out=Path(folder) / "again",
            figures=False,
            progress=progress,
        )
        for name in FILES:
            file = f"{name}.parquet"
            theirs, ours = published.directory / file, again.path / file
            checksum = _checksum(published, file)
            if theirs.is_file():
                yield from _first_difference(theirs, ours)
            elif checksum is not None and (not ours.is_file() or checksum != sha256_of(ours)):
                yield f"{file} has another checksum than the manifest says; it is not kept, so no column can be named"
        yield from _of_summaries(published.directory / "summary.json", again.path / "summary.json")


def compared(published: Published) -> list[str]:
    """What can be compared: files that are kept, or whose checksum is."""
    names = [f"{name}.parquet" for name in FILES]
    found = [n for n in names if (published.directory / n).is_file() or _checksum(published, n) is not None]
    return [*found, "summary.json"] if (published.directory / "summary.json").is_file() else found


def _checksum(published: Published, file: str) -> str | None:
    checksums = published.manifest.get("sha256")
    return checksums.get(file) if isinstance(checksums, dict) else None


def _first_difference(theirs: Path, ours: Path) -> Iterator[str]:
    """The first column that differs, in words, with the first row in which it does."""
    if not ours.is_file():
        yield f"{theirs.name} is not written any more"
        return
    try:
        old, new = pq.read_table(theirs), pq.read_table(ours)
    except (OSError, pa.ArrowInvalid) as error:
        yield f"{theirs.name} cannot be read ({str(error).splitlines()[0]})"
        return
    if old.column_names != new.column_names:
        other = sorted(set(old.column_names) ^ set(new.column_names)) or ["the order of columns"]
        yield f"{theirs.name} has other columns, first {other[0]}"
    elif old.num_rows != new.num_rows:
        yield f"{theirs.name} has {old.num_rows} rows and now {new.num_rows}"
    else:
        yield from (f"{theirs.name}, {said}" for said in _of_columns(old, new))


def _of_columns(old: pa.Table, new: pa.Table) -> Iterator[str]:
    for name in old.column_names:
        a, b = (_plain(table.column(name)) for table in (old, new))
        if a.type != b.type:
            yield f"column {name}: type {a.type} and now {b.type}"
            return
        row = _first_row(a, b)
        if row is None:
            continue
        keys = ", ".join(f"{key} {old.column(key)[row]}" for key in ("seed", "day") if key in old.column_names)
        yield f"column {name}, {keys}: {a[row]} and now {b[row]}"
        return


def _plain(column: pa.ChunkedArray) -> pa.Array:
    column = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    return column.combine_chunks()


def _first_row(a: pa.Array, b: pa.Array) -> int | None:
    """First position at which two columns are not the same, None if there is none; NaN is the same as NaN."""
    if a.equals(b):
        return None
    same = pc.fill_null(pc.equal(a, b), False)
    same = pc.or_(same, pc.and_(pc.is_null(a, nan_is_null=True), pc.is_null(b, nan_is_null=True)))
    row: int = pc.index(same, False).as_py()
    return None if row < 0 else row


def _of_summaries(theirs: Path, ours: Path) -> Iterator[str]:
    if not theirs.is_file():
        return
    try:
        old, new = (json.loads(file.read_bytes())["measures"] for file in (theirs, ours))
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                yield f"summary.json, {name}: {shown(_numbers(old, name))} and now {shown(_numbers(new, name))}"
                return
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield "summary.json cannot be read"


def _numbers(summary: dict[str, Any], name: str) -> Any:
    return summary.get(name, {}).get("median", "no such measure")
