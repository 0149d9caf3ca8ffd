"""Run a sweep file, or what is missing of it, and keep its words, tables and figures in results/published/sweeps/NAME.

python -m experiments.sweeps.publish experiments/sweeps/sanaenomics.toml

With --readme the block on the example sweep in README.md is written anew.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from abm.output.tables import write_json
from abm.study.sensitivity import analyse, save
from abm.study.sweep import SweepResults, load_plan, sweep
from abm.study.sweep.run import default_directory, memory_mb
from experiments.publish import within

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published" / "sweeps"
README = ROOT / "README.md"
BEGIN, END = "<!-- sweep:begin -->", "<!-- sweep:end -->"


def publish(file: Path, out: Path | None = None, target: Path = PUBLISHED, workers: int | None = None) -> Path:
    """Sweep, sensitivity, and a copy of what people read. Returns the directory that is kept."""
    plan = load_plan(file)
    workers = workers or os.cpu_count() or 1
    out = default_directory(plan) if out is None else out
    before, begun = len(SweepResults(out).sessions()) if out.exists() else 0, time.monotonic()
    results = sweep(plan, out, workers=workers)
    wall_s = time.monotonic() - begun
    found = analyse(results)
    kept = target / plan.name
    how = about(results, before, wall_s, workers)
    if how["runs_this_time"] == 0 and (kept / "run.json").exists():  # only drawn again
        how = json.loads((kept / "run.json").read_text(encoding="utf-8"))
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(save(found), kept)
    write_json(kept / "run.json", how)
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


def findings(kept: Path) -> str:
    """The sweep in words: how it went, what drives each measure, where crises lie, and a figure."""
    run = json.loads((kept / "run.json").read_text(encoding="utf-8"))
    largest = run["peak_memory_mb"]["largest_worker"]
    went = (
        f"{run['runs']} runs in {run['wall_time_s'] / 60.0:.1f} minutes on {run['workers']} workers, "
        f"{run['runs_per_s']:.2f} a second, everything stored; at most {largest:.0f} MB a worker."
    )
    workers = kept.parent / "workers.json"
    if workers.exists():
        rows = json.loads(workers.read_text(encoding="utf-8"))
        two = next(r for r in rows if r["kind"] == "fork" and r["workers"] == 2)
        went += f" Two workers do {2.0 * two['efficiency']:.2f} times what one does."
    words = (kept / "words.txt").read_text(encoding="utf-8").splitlines()
    found = [f"- {line}" for line in words if ": of its variance" in line or line.startswith("Crises lie")]
    place = kept.relative_to(ROOT) if kept.is_relative_to(ROOT) else kept
    picture = f"![Share of crises over two parameters]({place}/figures/phase_diagram.png)"
    return "\n\n".join([went, "\n".join(found), picture])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a sweep file")
    parser.add_argument("--out", type=Path, help="directory of the sweep, by default results/sweeps/NAME")
    parser.add_argument("--workers", type=int, help="processes, by default one per core")
    parser.add_argument("--readme", action="store_true", help="write the block of README.md anew")
    chosen = parser.parse_args()
    kept = publish(chosen.file, chosen.out, workers=chosen.workers)
    if chosen.readme:
        text = README.read_text(encoding="utf-8")
        README.write_text(within(text, BEGIN, END, lambda: findings(kept)), encoding="utf-8")
    print((kept / "words.txt").read_text(), end="")
    print("kept in", kept)
