"""Runs that die: every line "DAYS DAY HOW DIRECTORY" of the input starts a process that begins or resumes a run.

It is killed right after the day, while the state of that day is being written, or at an instant of that day that is
random (of the last day, and of the saving of results after it). The answer is how the process ended. The processes are
forks of one that has loaded everything.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from abm import MarketModel, load_scenario
from abm.study import checkpoint

SMALL = {"carry_traders.members": 60, "crypto_longs.members": 80, "bitcoin_holders.members": 40}
AFTER, WRITING, INSTANT = "after", "writing", "instant"
A_DAY_SECONDS, AN_END_SECONDS = 0.05, 0.5  # about as long as a day takes, and what follows the last one


def main() -> None:
    scenario = load_scenario("sanaenomics", SMALL, 1)
    MarketModel(scenario).run_for(1)  # loads the compiled loops
    for line in sys.stdin:
        days, day, how, directory = line.rstrip("\n").split(" ", 3)
        begun, tell = os.pipe()
        child = os.fork()
        if child == 0:
            lives(Path(directory), int(days), int(day), how, tell)
            os._exit(0)
        os.close(tell)
        if os.read(begun, 1):
            time.sleep(random.uniform(0.0, AN_END_SECONDS if day == days else A_DAY_SECONDS))
            os.kill(child, signal.SIGKILL)
        os.close(begun)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def lives(directory: Path, days: int, day: int, how: str, tell: int) -> None:
    """Run on, with a state every day."""
    step, write = checkpoint.KeptModel.run_for, checkpoint.write_aside

    def run_for(model: Any, duration: int) -> None:
        model._next = 0.0
        today = model.day + 1 == day
        checkpoint.write_aside = torn if today and how == WRITING else write
        if today and how == INSTANT:
            os.write(tell, b".")
        step(model, duration)
        if today and how == AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.KeptModel.run_for = run_for
    if directory.exists():
        kept = checkpoint.read(directory)
    else:
        kept = checkpoint.begin(directory, load_scenario("sanaenomics", SMALL, days), [3], figures=False)
    checkpoint.carry_out(kept, None, 1, progress=False)


def torn(path: Path, fill: Any) -> None:
    """Begin to write a file, and die."""
    with path.with_name(path.name + ".part").open("wb") as file:
        fill(file)
        file.truncate(1000)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
