"""How much is measured: everything, or just enough to see that it works."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Effort:
    """Sizes and counted runs.

    days: of a run of the default world; years: how often it is run. commands: counted runs of a command, after
    uncounted ones; cold: of the one without compiled code. shortened: options of the main scenario's run. seeds,
    ensembles: of a stored ensemble, and how often. members: worlds, 0 for the default one, the last is the large one;
    member_days: days of each. day_counts, seed_counts: for the exponents; seed_days: days of each seed. plain_days:
    days of the plain version. copied_mb: per array of the bandwidth measurement. judged: whether the targets are for
    these sizes.
    """

    days: int = 250
    years: int = 5
    commands: int = 5
    uncounted: int = 1
    shortened: tuple[str, ...] = ()
    cold: int = 2
    seeds: int = 50
    ensembles: int = 3
    members: tuple[int, ...] = (0, 50_000, 150_000, 400_000, 1_000_000)
    member_days: int = 20
    day_counts: tuple[int, ...] = (30, 60, 125, 250, 500)
    seed_counts: tuple[int, ...] = (1, 2, 4, 8, 16)
    seed_days: int = 20
    plain_days: int = 15
    copied_mb: int = 256
    judged: bool = True


FULL: Final = Effort()
QUICK: Final = Effort(
    days=10,
    years=2,
    commands=1,
    uncounted=0,
    shortened=("--days", "3", "--no-figures"),
    cold=0,
    seeds=2,
    ensembles=1,
    members=(0, 30_000),
    member_days=3,
    day_counts=(2, 4, 8),
    seed_counts=(1, 2, 3),
    seed_days=2,
    plain_days=1,
    copied_mb=16,
    judged=False,
)
HUGE: Final = 10_000_000
