"""Clocks: a piece of work in this process, a command as a whole process, and methods of one object from outside."""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Took:
    """Wall and processor time of a piece of work, seconds. On a busy machine the second is the steadier one."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Process(Took):
    """A finished command. first_s: until the first byte of its output. peak_bytes: most memory it had."""

    first_s: float
    peak_bytes: int
    output: str


def timed[T](work: Callable[[], T]) -> tuple[T, Took]:
    """The result of some work, and how long it took this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Took(time.perf_counter() - wall, time.process_time() - cpu)


def timed_command(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
    """Run a command in an empty directory and wait for its end. RuntimeError with its last line if it fails."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        begun = time.perf_counter()
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, cwd=folder, env=variables)
        assert child.stdout is not None
        with child.stdout as output:
            first = output.read(1)
            first_s = time.perf_counter() - begun
            said = first + output.read()
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise RuntimeError(f"{' '.join(words)} ended with status {child.returncode}: {last}")
    peak = used.ru_maxrss * MAXRSS_BYTES
    return Process(wall_s, used.ru_utime + used.ru_stime, first_s, peak, said.decode(errors="replace"))


def program() -> list[str]:
    """The command `abm` of this environment."""
    script = Path(sys.executable).with_name("abm")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "abm"]


class Stopwatch:
    """Times methods of objects by standing in for them; nothing in the objects' code knows of it.

    seconds: per name, time in the methods of that name without what was spent in other watched methods. A method
    watched as a whole keeps the time of the watched methods it calls. As a context it takes the stand-ins away again.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._inner: list[float] = []  # per method running, time spent in watched methods it called
        self._whole = False
        self._undo = ExitStack()

    def __enter__(self) -> "Stopwatch":
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def watch(self, name: str, owner: Any, method: str, whole: bool = False) -> None:
        """Count the time of ``owner.method`` under a name. owner: an object or a module."""
        had, original = method in vars(owner), getattr(owner, method)
        setattr(owner, method, self._timing(name, original, whole))
        self._undo.callback(setattr, owner, method, original) if had else self._undo.callback(delattr, owner, method)

    def _timing(self, name: str, original: Callable[..., Any], whole: bool) -> Callable[..., Any]:
        def method(*arguments: Any, **options: Any) -> Any:
            if self._whole:
                return original(*arguments, **options)
            self._whole = whole
            self._inner.append(0.0)
            begun = self._clock()
            try:
                return original(*arguments, **options)
            finally:
                took = self._clock() - begun
                self._whole = False
                self.seconds[name] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return method
