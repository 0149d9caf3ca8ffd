"""Whether a machine has room for a run, told before anything is computed."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from abm.scenarios import Scenario
from abm.world.errors import InputError

PROCESS_BYTES: Final = 320_000_000  # a process with the compiled model, measured
MEMBER_BYTES: Final = (
    9_000  # an institution with much in its books, measured; carry and crypto accounts take a few hundred
)
DAY_BYTES: Final = 20_000  # a recorded day
WRITTEN_DAY_BYTES: Final = 10_000  # of a seed, in all tables of a run
MEMORY: Final = Path("/proc/meminfo")
GIGA: Final = 1e9


def require_room(scenarios: Sequence[Scenario], runs: int, processes: int, target: Path | None = None) -> None:
    """InputError with the estimate if memory, or the disk that results go to, is too small.

    scenarios: what is run; runs: seeds of each; processes: that run side by side. target: where tables are written,
    None where none are.
    """
    needed, free = max(memory_bytes(scenario) for scenario in scenarios) * processes, free_memory_bytes()
    if free is not None and needed > free:
        members = max(sum(params.members for params in scenario.params.values()) for scenario in scenarios)
        raise InputError(
            f"{members:,} institutions in {processes} processes need about {needed / GIGA:.1f} GB of memory, but "
            f"{free / GIGA:.1f} GB are free; lower members or --workers"
        )
    if target is None:
        return
    days = max(scenario.days for scenario in scenarios)
    written = sum(scenario.days for scenario in scenarios) * runs * WRITTEN_DAY_BYTES
    disk = shutil.disk_usage(next(path for path in (target, *target.absolute().parents) if path.exists())).free
    if written > disk:
        raise InputError(
            f"{runs:,} seeds of {days} days write about {written / GIGA:.1f} GB, "
            f"but {disk / GIGA:.1f} GB are free where {target} is; lower --seeds or --days, or choose another --out"
        )


def memory_bytes(scenario: Scenario) -> float:
    """What one process needs."""
    members = sum(params.members for params in scenario.params.values())
    return float(PROCESS_BYTES + members * MEMBER_BYTES + scenario.days * DAY_BYTES)


def free_memory_bytes() -> float | None:
    """What can be had without swapping; None where the system does not say."""
    try:
        lines = MEMORY.read_text().splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
