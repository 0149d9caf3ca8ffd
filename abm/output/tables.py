"""The run directory: which tables there are, what their columns are called, how they are written and read.

A directory appears whole: it is written next to its place under a temporary name and renamed at the end.
"""

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from abm.world.errors import InputError, shown
from abm.world.instruments import BANK_IDS, FX, IDS, IS_BOND

CONVERGED: Final = "converged"
NEWS: Final = "news"
TABLES: Final = ("daily", "flows", "attribution", "events")
MOST_JSON_BYTES: Final = 20_000_000
MOST_CHANGES: Final = 4  # that a message tells
ROWS_PER_GROUP: Final = 131_072
CROSSES: Final[dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]]] = {
    "EURJPY": lambda fx: fx["EURUSD"] * fx["USDJPY"],
    "AUDJPY": lambda fx: fx["AUDUSD"] * fx["USDJPY"],
    "GBPJPY": lambda fx: fx["GBPUSD"] * fx["USDJPY"],
    "MXNJPY": lambda fx: fx["USDJPY"] / fx["USDMXN"],
}


class Kind(NamedTuple):
    """A kind of results directory. marker: its JSON file and keys it has. files: patterns of the others."""

    what: str
    marker: str
    keys: frozenset[str]
    files: tuple[str, ...]


RUN: Final = Kind(
    "run",
    "manifest.json",
    frozenset(("name", "status", "seeds", "seeds_done", "failures", "scenario_hash", "code_hash", "scenario")),
    ("summary.json", *(f"{table}.parquet" for table in (*TABLES, "measures")), "figures/[01][0-9]_*.png"),
)
COMPARISON: Final = Kind(
    "comparison",
    "compare.json",
    frozenset(("a", "b", "difference", "seeds", "code_hash", "measures")),
    ("differences.parquet", "figures/differences.png"),
)
SCORECARD: Final = Kind(
    "scorecard",
    "scorecard.json",
    frozenset(("format", "bars", "seeds", "code_hash", "lines")),
    ("figures/scorecard.png",),
)
SENSITIVITY: Final = Kind(
    "sensitivity analysis",
    "discovery.json",
    frozenset(("crisis", "region")),
    ("*.csv", "words.txt", "figures/*.png"),
)
CODE: Final = pa.dictionary(pa.int8(), pa.string())
TIME: Final = pa.timestamp("ms")
KEYS: Final = [pa.field("seed", pa.int64()), pa.field("day", pa.int16())]
EVENTS_SCHEMA: Final = pa.schema(
    [
        *KEYS,
        pa.field("date", TIME),
        pa.field("kind", pa.string()),
        pa.field("cause", pa.string()),
        pa.field("text", pa.string()),
        pa.field("details", pa.string()),
    ]
)


def series_column(series: str) -> str:
    """Column of daily.parquet that holds a series: an instrument id, an exchange rate or a cross."""
    if series in CROSSES:
        return f"fx.{series}"
    if series not in IDS:
        raise KeyError(f"no series {series!r}; known are {', '.join((*IDS, *CROSSES))}")
    i = IDS.index(series)
    return f"yield_pct.{series}" if IS_BOND[i] else f"fx.{series}" if i in FX else f"price.{series}"


def daily_schema(sectors: Iterable[str]) -> pa.Schema:
    """Columns of the daily table for these sectors."""
    sectors = tuple(sectors)
    bonds = [name for i, name in enumerate(IDS) if IS_BOND[i]]
    assets = [name for i, name in enumerate(IDS) if i not in FX]
    rates = [*(IDS[i] for i in FX), *CROSSES]
    numbers = [
        *(f"yield_pct.{name}" for name in bonds),
        *(f"price.{name}" for name in assets),
        *(f"fx.{name}" for name in rates),
        *(f"policy_rate_pct.{bank}" for bank in BANK_IDS),
        *(f"depth_usd_bn_per_pct.{name}" for name in IDS),
        *(
            f"{kind}.{sector}"
            for kind in ("margin_calls_usd_bn", "liquidations_usd_bn", "equity_usd_bn", "leverage")
            for sector in sectors
        ),
        "intervention_jpy_tn",
        "boj_purchases_jpy_tn",
        "exceptional_purchases_jpy_tn",
        "inflation_pct.JP",
        "interest_to_revenue_pct.JP",
        "debt_to_gdp_pct.JP",
        "unfunded_pct_gdp.JP",
        "intervention_risk",
        "hike_risk",
        "stress_index",
        "open_interest_usd_bn.BTC",
        "funding_pct.BTC",
        "carry_gross_usd_bn",
    ]
    return pa.schema(
        [
            *KEYS,
            pa.field("date", TIME),
            *(pa.field(name, pa.float64()) for name in numbers),
            pa.field("ladder", pa.int8()),
            pa.field("margin_rounds", pa.int16()),
            pa.field("status", CODE),
        ]
    )


def flows_schema() -> pa.Schema:
    """Net purchases, USD bn, by sector, market and reason."""
    names = [pa.field(name, CODE) for name in ("sector", "market", "reason")]
    return pa.schema([*KEYS, *names, pa.field("usd_bn", pa.float64())])


def attribution_schema() -> pa.Schema:
    """Parts of each move: `bp` is filled for bonds, `pct` for everything else."""
    names = [pa.field(name, CODE) for name in ("market", "sector", "reason")]
    return pa.schema([*KEYS, *names, pa.field("bp", pa.float64()), pa.field("pct", pa.float64())])


class TableWriter:
    """One Parquet file, written in row groups of similar size in the order rows are added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Append the rows of one seed."""
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= ROWS_PER_GROUP or self._rows * table.num_columns >= 8 * ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).unify_dictionaries()
        if self._writer is None:
            split = [f.name for f in table.schema if pa.types.is_floating(f.type)]
            coded = [f.name for f in table.schema if f.name not in split]
            self._writer = pq.ParquetWriter(
                self.path, table.schema, compression="zstd", use_dictionary=coded, use_byte_stream_split=split
            )
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._waiting, self._rows = [], 0

    def close(self) -> None:
        """Write what waits and finish the file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class RunWriter:
    """Writes the tables of a run into a temporary directory beside its place; `publish` moves it there."""

    def __init__(self, target: Path, kind: Kind = RUN) -> None:
        self.target, self.kind = Path(target), kind
        require_replaceable(self.target, kind)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(prefix=_prefix(self.target), dir=_beside(self.target)))
        os.chmod(self.directory, 0o755)
        self._writers: dict[str, TableWriter] = {}

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Append the tables of one seed; seeds must come in the order wanted in the files."""
        for name, table in tables.items():
            if name not in self._writers:
                self._writers[name] = TableWriter(self.directory / f"{name}.parquet")
            self._writers[name].add(table)

    def close(self) -> None:
        """Finish all files."""
        for writer in self._writers.values():
            writer.close()

    def discard(self) -> None:
        """Leave nothing behind."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def publish(self) -> Path:
        """Move the finished directory to its place, replacing earlier results of the same kind."""
        self.close()
        return publish(self.directory, self.target, self.kind)


def require_replaceable(target: Path, kind: Kind) -> None:
    """InputError if the path holds anything but earlier results of the same kind, no other file among them."""
    why = "is a file" if target.exists() and not target.is_dir() else _not_of(target, kind)
    if why:
        allowed = f"a new or empty directory or that of an earlier {kind.what} is needed"
        raise InputError(f"{target}: {why}, but {allowed}; choose another path")


def _not_of(directory: Path, kind: Kind) -> str:
    """Why a directory is not one of this kind, or would lose something else if it were deleted; empty if neither."""
    if not directory.is_dir() or not any(directory.iterdir()):
        return ""
    if not kind.keys <= _keys(directory / kind.marker):
        return f"is not the directory of a {kind.what}"
    known = {directory / kind.marker, directory / "figures", *(f for p in kind.files for f in directory.glob(p))}
    other = sorted(path for path in directory.rglob("*") if path not in known)
    return f"also holds {other[0].relative_to(directory)}, which is not of the {kind.what}" if other else ""


def _keys(file: Path) -> set[str]:
    try:
        return set(read_json(file, "a JSON object"))
    except InputError:
        return set()


def _beside(target: Path) -> Path:
    """Where a directory is prepared: beside its target, in it if that is a volume of its own."""
    return target if target.is_mount() else target.resolve().parent


def _prefix(target: Path) -> str:
    return f".{target.resolve().name}-"


def prepared(target: Path) -> Iterator[Path]:
    """Directories in which results for this place are being prepared, or were when their process was killed."""
    return _beside(target).glob(_prefix(target) + "*")


def publish(directory: Path, target: Path, kind: Kind) -> Path:
    """Move a finished directory to its target; earlier results there are replaced.

    A directory that is there stays the same one: it may be a link, a volume, or where somebody works. What was put
    there since `require_replaceable` is not deleted: what was found then stays beside the new results.
    """
    if not target.exists():
        os.rename(directory, target)
        return target
    old = directory.with_name(directory.name + "-replaced")
    old.mkdir()
    for path in target.iterdir():
        if path.name not in (directory.name, old.name):
            os.rename(path, old / path.name)
    for path in sorted(directory.iterdir(), key=lambda path: path.name == kind.marker):
        os.rename(path, target / path.name)
    directory.rmdir()
    if not _not_of(old, kind):
        shutil.rmtree(old, ignore_errors=True)
    return target


def write_json(path: Path, content: Any, rows: bool = False) -> None:
    """A file of `as_json`."""
    path.write_text(as_json(content, rows), encoding="utf-8")


def as_json(content: Any, rows: bool = False) -> str:
    """Readable JSON, lists of numbers on one line; numbers that are not finite become null.

    rows: objects without inner ones take one line each, as rows of a table.
    """
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, default=str)
    text = re.sub(r"\[\n\s+([^\[\]{}\"]*?)\n\s*\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    if rows:
        text = re.sub(r"\{\n\s+([^\[\]{}]*?)\n\s*\}", lambda m: f"{{{re.sub(r'\n +', ' ', m[1])}}}", text)
    return text + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object of a file. InputError, one sentence, if it cannot be read or is none. what: what is needed."""
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= MOST_JSON_BYTES else b"null"
        content = json.loads(text.decode())  # of bytes, json would let halves of a character pass
        if b"\\u" in text:
            json.dumps(content, ensure_ascii=False).encode()  # escapes may be halves of a character
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {what} is needed") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not JSON, but {what} is needed") from None
    if size > MOST_JSON_BYTES:
        raise InputError(f"{path}: has {size} bytes, but at most {MOST_JSON_BYTES} are read")
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no JSON object, but {what} is needed")
    return content


def content_hash(content: Any) -> str:
    """SHA-256 of the content as sorted JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def changes(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """Where two JSON contents differ: dotted name to the old and the new value, None where there is none."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: (before.get(name), after.get(name)) for name in names}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{name}[{number}]")
    else:
        yield name, value


def changes_in_words(old: Any, new: Any) -> str:
    """The first few of `changes`, and how many more there are; empty if there is none."""
    found = changes(old, new)
    told = [f"{name} is {shown(b)} and was {shown(a)}" for name, (a, b) in list(found.items())[:MOST_CHANGES]]
    more = f", and {len(found) - len(told)} more" if len(found) > len(told) else ""
    return "; ".join(told) + more


@dataclass(frozen=True)
class RunDirectory:
    """A saved run, read when asked."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "RunDirectory":
        """InputError if the path is not a run directory."""
        path = Path(path)
        if not (path / "manifest.json").is_file():
            raise InputError(f"{path} is not a run directory: it has no manifest.json")
        return cls(path)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What was run, with what, and how it ended."""
        content: dict[str, Any] = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        return content

    @cached_property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Per measure: unit, text, median, 5-95 %, interval of the median."""
        content: dict[str, Any] = json.loads((self.path / "summary.json").read_text(encoding="utf-8"))
        measures: dict[str, dict[str, Any]] = content["measures"]
        return measures

    @cached_property
    def failed_seeds(self) -> tuple[int, ...]:
        """Seeds that broke off; their rows end early and are left out of figures and measures."""
        return tuple(f["seed"] for f in self.manifest["failures"])

    def table(self, name: str, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
        """One of the tables, or some of its columns and rows; empty if nothing was written."""
        file = self.path / f"{name}.parquet"
        if not file.is_file():
            raise FileNotFoundError(f"{self.path} has no {name}.parquet: no seed was finished")
        return pq.read_table(file, columns=columns, filters=filters)

    def frame(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Rows of complete seeds as a data frame."""
        if columns is not None and "seed" not in columns:
            columns = ["seed", *columns]
        frame: pd.DataFrame = self.table(name, columns).to_pandas()
        return frame[~frame["seed"].isin(self.failed_seeds)] if self.failed_seeds else frame

    @cached_property
    def daily(self) -> pd.DataFrame:
        """All columns, all complete seeds."""
        return self.frame("daily")

    @cached_property
    def events(self) -> pd.DataFrame:
        """All events of complete seeds, `details` as dictionaries."""
        events = self.frame("events")
        return events.assign(details=events["details"].map(json.loads))

    def seed_tables(self, seed: int) -> dict[str, pa.Table]:
        """The tables of one seed."""
        return {name: self.table(name, filters=[("seed", "=", seed)]) for name in TABLES}
