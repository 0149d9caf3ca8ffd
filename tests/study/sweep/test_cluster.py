"""The same sweep on a real Dask scheduler and two worker processes over TCP, one of them killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tomli_w

from abm.study.sweep import load_plan, sweep
from abm.study.sweep.store import JOURNAL, RESULTS, SHARDS, journal_lines
from tests.study.sweep.small import UNIFORM, small_tables

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 120


@contextmanager
def process(folder: Path, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own, ended afterwards; what it says goes to a file."""
    with (folder / f"{name}.log").open("wb") as log:
        started = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=log, stderr=log)
        try:
            yield started
        finally:
            started.kill()
            started.wait()


def wait_until(path: Path, condition: str, holds: object) -> None:
    """Until something is so; fails after a long while."""
    assert callable(holds)
    for _ in range(PATIENCE_SECONDS * 20):
        if holds():
            return
        time.sleep(0.05)
    logs = {log.name: log.read_text()[-1500:] for log in path.glob("*.log")}
    pytest.fail(f"waited in vain until {condition}: {logs}")


def worker_of_runs(journal: Path) -> list[int]:
    """Process that did each run, in order of completion."""
    return [line["worker"] for line, _ in journal_lines(journal) if "run" in line] if journal.exists() else []


def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    tables = small_tables(days=1, design={"kind": "random", "points": 40}, parameter=[UNIFORM])
    file.write_text(tomli_w.dumps(tables))
    sweep(load_plan(file), tmp_path / "local", workers=1, progress=False)
    about, out = tmp_path / "scheduler.json", tmp_path / "cluster"
    serve = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    work = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path))
    with process(tmp_path, "scheduler", *serve, "--scheduler-file", str(about)):
        wait_until(tmp_path, "the scheduler runs", about.exists)
        address = json.loads(about.read_text())["address"]
        assert address.startswith("tcp://")
        start = ("distributed.cli.dask_worker", address, *work)
        with (
            process(tmp_path, "first", *start) as first,
            process(tmp_path, "second", *start) as second,
            process(tmp_path, "sweep", "abm", "sweep", str(file), "--out", str(out), "--cluster", address) as run,
        ):
            both = {first.pid, second.pid}
            wait_until(
                tmp_path, "both work", lambda: set(worker_of_runs(out / JOURNAL)) == both or run.poll() is not None
            )
            done_before = len(worker_of_runs(out / JOURNAL))
            os.kill(first.pid, signal.SIGKILL)
            wait_until(tmp_path, "the sweep ends", lambda: run.poll() is not None)
            assert run.returncode == 0, (tmp_path / "sweep.log").read_text()
    workers = worker_of_runs(out / JOURNAL)
    assert done_before < len(workers) == 80, "it was over before the worker was killed"
    assert workers[-1] == second.pid
    assert (out / RESULTS).read_bytes() == (tmp_path / "local" / RESULTS).read_bytes()
    shards = [sorted(p.name for p in (tmp_path / name / SHARDS).iterdir()) for name in ("local", "cluster")]
    assert shards[0] == shards[1]


@pytest.mark.slow
def test_a_cluster_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    tables = small_tables(days=1, design={"kind": "random", "points": 4}, parameter=[UNIFORM])
    file.write_text(tomli_w.dumps(tables))
    sweep(load_plan(file), tmp_path / "here", workers=1, progress=False)
    command = ["sweep", str(file), "--out", str(tmp_path / "own"), "--cluster", "local", "--workers", "2"]
    subprocess.run([sys.executable, "-m", "abm", *command], check=True, cwd=ROOT, timeout=PATIENCE_SECONDS)
    assert (tmp_path / "own" / RESULTS).read_bytes() == (tmp_path / "here" / RESULTS).read_bytes()
