"""How workers are best started, and how much two of them do: the same runs on threads and on each kind of process.

    python -m experiments.sweeps.workers

The rows are kept in results/published/sweeps/workers.json.

Wall time contains starting the workers. cpu: seconds of processor time per run, all processes, which other work on the
machine does not change much. Efficiency is runs per second against those of one forked worker, per worker.
"""

import argparse
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from abm.output.tables import write_json
from abm.study.ensemble import market_model, quiet_forks, settle_worker, warm_up
from abm.study.sweep import load_plan, sweep
from abm.study.sweep.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "results" / "published" / "sweeps" / "workers.json"
PLACES = (("fork", 1), ("fork", 2), ("threads", 2), ("forkserver", 2), ("spawn", 2))


def executor(kind: str, workers: int) -> Executor:
    """Threads, or processes started in one of three ways."""
    if kind == "threads":
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(workers, multiprocessing.get_context(kind), settle_worker)


def cpu_s() -> float:
    """Processor time of this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(plan: Plan, kind: str, workers: int) -> dict[str, Any]:
    """One sweep in a directory of its own."""
    folder = Path(tempfile.mkdtemp())
    wall, cpu = time.perf_counter(), cpu_s()
    try:
        with quiet_forks(), executor(kind, workers) as pool:
            results = sweep(plan, folder / "sweep", executor=pool, workers=workers, progress=False)
            seconds = float(results.sessions()["seconds"].mean())
    finally:
        shutil.rmtree(folder)
    spent = time.perf_counter() - wall
    row = {"kind": kind, "workers": workers, "wall_s": spent, "runs_per_s": plan.runs / spent}
    return {**row, "cpu_s_per_run": (cpu_s() - cpu) / plan.runs, "wall_s_per_run_in_worker": seconds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=ROOT / "experiments" / "sweeps" / "workers.toml")
    parser.add_argument("--rounds", type=int, default=2, help="of all kinds, the best of each is told")
    chosen = parser.parse_args()
    plan = load_plan(chosen.file)
    warm_up(plan.base, plan.first_seed, market_model)
    rows = [timed(plan, kind, workers) for _ in range(chosen.rounds) for kind, workers in PLACES]
    best = [min((r for r in rows if (r["kind"], r["workers"]) == p), key=lambda r: float(r["wall_s"])) for p in PLACES]
    for row in best:
        row["efficiency"] = row["runs_per_s"] / (row["workers"] * best[0]["runs_per_s"])
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}))
    write_json(KEPT, best)
