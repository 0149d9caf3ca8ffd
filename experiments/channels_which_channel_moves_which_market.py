"""Which channel moves which market? The table and heat map of `abm claims`, by themselves and on all seeds asked for.

Uses the runs of the claims in the same directory and writes channels.csv, with intervals, and figures/channels.png
there.
"""

import argparse
from pathlib import Path

from rich.console import Console

from abm.study.claims.arms import DAYS
from abm.study.claims.channels import Cell, drawn, told, worlds
from abm.study.claims.dependence import wanted
from abm.study.claims.runs import Store
from abm.study.claims.trial import OUT, require_own

SEEDS = 40


def channels(seeds: int = SEEDS, workers: int | None = None, out: Path = OUT, days: int = DAYS) -> list[Cell]:
    """Run what is missing, write table and figure. days: break off there, to look whether all works."""
    require_own(out)
    arms, store = worlds(days, 1.0), Store(out)
    store.fill(wanted(arms, seeds), workers, True)
    return told(store, arms, seeds, out)


def main() -> None:
    """Options, runs, table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=SEEDS)
    options.add_argument("--workers", type=int)
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=110)
    console.print(drawn(channels(chosen.seeds, chosen.workers, chosen.out)))
    print(f"\nFiles in {chosen.out}: channels.csv, figures/channels.png")


if __name__ == "__main__":
    main()
