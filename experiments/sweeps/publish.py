"""Run a sweep file, or what is missing of it, and keep its words, tables and figures in results/published/sweeps/NAME.

python experiments/sweeps/publish.py experiments/sweeps/sanaenomics.toml
"""

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

from abm.output.tables import write_json
from abm.study.sensitivity import analyse, save
from abm.study.sweep import SweepResults, load_plan, sweep
from abm.study.sweep.run import memory_mb

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published" / "sweeps"


def publish(file: Path, out: Path | None = None, target: Path = PUBLISHED, workers: int | None = None) -> Path:
    """Sweep, sensitivity, and a copy of what people read. Returns the directory that is kept."""
    plan = load_plan(file)
    workers = workers or os.cpu_count() or 1
    before, begun = len(SweepResults(out).sessions()) if out is not None and out.exists() else 0, time.monotonic()
    results = sweep(plan, out, workers=workers)
    wall_s = time.monotonic() - begun
    found = analyse(results)
    kept = target / plan.name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(save(found), kept)
    write_json(kept / "run.json", about(results, before, wall_s, workers))
    return kept


def about(results: SweepResults, before: int, wall_s: float, workers: int) -> dict[str, Any]:
    """How the sweep went. before: runs that were there already; the rate is that of the others."""
    sessions, manifest = results.sessions(), results.manifest
    ran = len(sessions) - before
    return {
        "runs": len(sessions),
        "outcomes": results.counts(),
        "runs_this_time": ran,
        "wall_time_s": round(wall_s, 1),
        "runs_per_s": round(ran / wall_s, 3),
        "workers": workers,
        "busy_share_of_workers": round(float(sessions["seconds"].iloc[before:].sum()) / (workers * wall_s), 3),
        "load_average_at_end": [round(x, 1) for x in os.getloadavg()],
        "peak_memory_mb": {"parent": round(memory_mb(), 1), "largest_worker": float(sessions["memory_mb"].max())},
        "hash": manifest["hash"],
        "git_revision": manifest["git_revision"],
        "packages": manifest["packages"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a sweep file")
    parser.add_argument("--out", type=Path, help="directory of the sweep, by default results/sweeps/NAME")
    parser.add_argument("--workers", type=int, help="processes, by default one per core")
    chosen = parser.parse_args()
    kept = publish(chosen.file, chosen.out, workers=chosen.workers)
    print((kept / "words.txt").read_text(), end="")
    print("kept in", kept)
