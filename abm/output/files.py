"""Files that are there wholly or not at all, and directories for one process at a time."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from abm.world.errors import InputError

ASIDE: Final = ".part"  # ending of a file that is being written


def write_aside(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file so that it is there wholly or not at all."""
    aside = path.with_name(path.name + ASIDE)
    with aside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names in a directory last."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_half_line(path: Path) -> None:
    """Take off the last line of a file if a process that was killed left it half written."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


@contextmanager
def locked(file: Path, taken: str) -> Iterator[None]:
    """For this process alone; InputError with the words `taken` if another one holds the file.

    Locks of lockf belong to the process: a worker that outlives a killed one does not hold them.
    """
    with file.open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(taken) from None
        yield
