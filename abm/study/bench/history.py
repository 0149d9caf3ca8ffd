"""The history of benchmarks: a JSON file that grows by one entry per run."""

from pathlib import Path
from typing import Any, Final

from abm.output.files import write_aside
from abm.output.tables import as_json, read_json
from abm.world.errors import InputError

HISTORY: Final = Path("results") / "bench" / "history.json"
WHAT: Final = "a history of benchmarks"


def read_history(path: Path) -> list[dict[str, Any]]:
    """All entries, oldest first; none where there is no file. InputError if the file is something else."""
    if not path.exists():
        return []
    entries = read_json(path, WHAT).get("entries")
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "rows" in e and "date" in e for e in entries):
        raise InputError(f"{path}: has no list of entries, each with date and rows, but {WHAT} is needed; move it away")
    return entries


def append(path: Path, entry: dict[str, Any]) -> None:
    """One entry more; the file is replaced at once, never half written."""
    entries = [*read_history(path), entry]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, lambda file: file.write(as_json({"entries": entries}, rows=True).encode()))
