"""Reading scenario and state files: where they may lie, how they are called, what they inherit."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abm.world.errors import InputError, unknown_name, wrong_value

PACKAGED_SCENARIOS = Path(__file__).parent
PACKAGED_STATES = PACKAGED_SCENARIOS / "states"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
NAME_RULE = "up to 80 letters, digits, '-' and '_'"
MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class Document:
    """A parsed TOML file. where: how messages call it. path: the file."""

    where: str
    path: Path
    table: dict[str, Any]


def packaged_names(folder: Path) -> tuple[str, ...]:
    """Names of the files a packaged folder holds, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def locate(reference: str, folder: Path, what: str, referrer: Document | None = None, key: str = "") -> Path:
    """The file meant by a packaged name or by a path that ends in .toml.

    A path typed by a person may lie anywhere; one written in a file (`referrer`) is relative to that file and stays
    within its directory.
    """
    where = referrer.where if referrer else ""
    if reference.endswith(".toml"):
        return _beside(reference, referrer, key) if referrer else Path(reference)
    if not NAME.fullmatch(reference):
        raise wrong_value(
            where or what, key or "name", reference, f"a name of {NAME_RULE}, or a path that ends in .toml"
        )
    if reference not in packaged_names(folder):
        raise unknown_name(where, f"{key} {what}".strip(), reference, packaged_names(folder))
    return folder / f"{reference}.toml"


def _beside(reference: str, referrer: Document, key: str) -> Path:
    home = referrer.path.parent.resolve()
    path = (home / reference).resolve()
    if not path.is_relative_to(home):
        raise wrong_value(referrer.where, key, reference, "a file in the same directory or below it")
    if not path.exists():
        raise wrong_value(referrer.where, key, reference, f"a file that exists, and there is no {path}")
    return path


def read(path: Path) -> Document:
    """A TOML file as tables, or the one sentence that says why it cannot be read."""
    where = str(path) if len(str(path)) < 200 else "..." + str(path)[-190:]
    return Document(where, path, _parse(_text(path, where), where))


def _text(path: Path, where: str) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{where}: is a directory, but a TOML file is needed")
        if not path.is_file():
            raise InputError(f"{where}: there is no such file; give a TOML file or a packaged name")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{where}: has {path.stat().st_size} bytes, but at most {MOST_BYTES} are read")
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: is not UTF-8 text (byte {error.start}), but TOML files must be") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{where}: is not valid TOML: {' '.join(str(error).split())}") from None
    if not table:
        raise InputError(f"{where}: is empty, but it needs at least a header table such as [scenario] or [state]")
    return table


def with_ancestors(first: Document, parent_of: Callable[[Document], Path | None]) -> list[Document]:
    """The document and what it extends, oldest first; a circle is refused."""
    chain, seen = [first], [first.path.resolve()]
    while (parent := parent_of(chain[-1])) is not None:
        if parent.resolve() in seen:
            circle = " -> ".join(p.stem for p in [*seen, parent])
            raise InputError(f"{chain[-1].where}: extends goes in a circle: {circle}")
        chain.append(read(parent))
        seen.append(parent.resolve())
    return chain[::-1]
