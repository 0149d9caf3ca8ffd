"""A sweep killed again and again, for test_kill.py: prints what was seen as JSON.

Children are forked from one process that has loaded everything, so that a kill costs no new start of Python.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from abm.study.ensemble import quiet_forks
from abm.study.sweep import store, sweep
from abm.study.sweep.store import JOURNAL, RESULTS, journal_lines
from tests.study.sweep.small import UNIFORM, small_plan

KILLS = 10
store.BLOCK_RUNS = 16  # several shards of a small sweep


def journaled(directory: Path) -> list[int]:
    """Runs in the journal, in order of completion."""
    path = directory / JOURNAL
    return [line["run"] for line, _ in journal_lines(path) if "run" in line] if path.exists() else []


def main(folder: Path) -> None:
    plan = small_plan(days=1, design={"kind": "random", "points": 32}, parameter=[UNIFORM])
    begun = time.monotonic()
    sweep(plan, folder / "whole", workers=2, progress=False)
    whole_seconds = time.monotonic() - begun
    target, draw = folder / "killed", random.Random(time.time_ns())
    seen: list[int] = []
    lost: list[list[int]] = []
    kills = 0
    while kills < KILLS:
        with quiet_forks():
            child = os.fork()
        if child == 0:
            sweep(plan, target, workers=2, progress=False)
            os._exit(0)
        time.sleep(draw.uniform(0.0, 0.2) * whole_seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            break
        kills += 1
        now = journaled(target)
        lost.append([run for run in seen if run not in now])
        seen = now
    sweep(plan, target, workers=2, progress=False)
    done = journaled(target)
    report = {
        "kills": kills,
        "lost": lost,
        "twice": len(done) - len(set(done)),
        "runs": len(set(done)),
        "planned": plan.runs,
        "done_when_last_killed": len(seen),
        "same": (folder / "whole" / RESULTS).read_bytes() == (target / RESULTS).read_bytes(),
        "shards": sorted(p.name for p in (folder / "whole" / "shards").iterdir())
        == sorted(p.name for p in (target / "shards").iterdir()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
