"""Sweeps: the same table whoever runs it, failures as rows, directories that are not mixed up."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from abm import MarketModel, load_scenario
from abm.output.measures import measure
from abm.scenarios.vary import varied
from abm.study.ensemble import Model, market_model
from abm.study.sweep import open_results, store, sweep
from abm.study.sweep.run import SweepInterrupted
from abm.study.sweep.store import DESIGN, JOURNAL, LOCK, MANIFEST, RESULTS, SHARDS, journal_lines, opened
from abm.world.errors import InputError
from tests.study.sweep.small import UNIFORM, small_plan

QUICK: dict[str, Any] = {"days": 1, "parameter": [UNIFORM]}


def quick(out: Path, workers: int = 1, build: Any = market_model, **changes: Any) -> pd.DataFrame:
    plan = small_plan(**{**QUICK, **changes})
    return sweep(plan, out, workers=workers, build=build, progress=False).frame()


def build_weak(scenario: Any, seed: int) -> Model:
    """Seed 2 fails on opening where dealers are small."""
    if seed == 2 and scenario.params["dealers"].capacity_scale < 1.0:
        raise ValueError("a weak dealer")
    return market_model(scenario, seed)


def build_deadly(scenario: Any, seed: int) -> Model:
    """Seed 2 takes its process with it where dealers are small."""
    if seed == 2 and scenario.params["dealers"].capacity_scale < 0.8:
        os.kill(os.getpid(), signal.SIGKILL)
    return market_model(scenario, seed)


def test_rows_are_those_of_single_runs_in_order_of_the_design(tmp_path: Path) -> None:
    plan = small_plan(design={"kind": "random", "points": 2})
    frame = sweep(plan, tmp_path / "a", workers=1, progress=False).frame()
    assert frame[["point", "seed"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert set(frame["status"]) == {"ok"}
    model = MarketModel(varied(plan.base, plan.settings(1)), rng=2)
    model.run_for(plan.base.days)
    alone = measure(model.recorder.tables(2))
    for name in plan.measures:
        assert frame[name].iloc[3] == alone[name]
    for name, value in plan.values(1).items():
        assert frame[name].iloc[3] == value


def test_workers_threads_and_foreign_executors_write_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BLOCK_RUNS", 5)
    plan = small_plan(**QUICK)
    sweep(plan, tmp_path / "one", workers=1, progress=False)
    sweep(plan, tmp_path / "two", workers=2, progress=False)
    with ThreadPoolExecutor(2) as threads:
        sweep(plan, tmp_path / "threads", workers=2, executor=threads, progress=False)
    with ProcessPoolExecutor(1, get_context("spawn")) as spawned:
        sweep(plan, tmp_path / "spawned", workers=1, executor=spawned, progress=False)
    content = {(tmp_path / name / RESULTS).read_bytes() for name in ("one", "two", "threads", "spawned")}
    assert len(content) == 1
    names = [sorted(p.name for p in (tmp_path / n / SHARDS).iterdir()) for n in ("one", "two")]
    assert names[0] == names[1]
    assert len(names[0]) == 3


def test_a_failed_run_is_a_row_with_its_reason(tmp_path: Path) -> None:
    frame = quick(tmp_path / "a", build=build_weak)
    failed = frame[frame["status"] == "failed"]
    assert len(failed) > 0
    assert (failed["seed"] == 2).all()
    assert (failed[UNIFORM["name"]] < 1.0).all()
    assert set(failed["reason"]) == {"day 0: ValueError: a weak dealer"}
    assert failed["end_change_bp.JGB40"].isna().all()
    assert frame[frame["status"] == "ok"]["end_change_bp.JGB40"].notna().all()
    assert open_results(tmp_path / "a").counts() == {"failed": len(failed), "ok": len(frame) - len(failed)}


def test_a_run_that_kills_its_worker_is_a_row_and_costs_no_other(tmp_path: Path) -> None:
    frame = quick(tmp_path / "a", workers=2, build=build_deadly)
    deadly = (frame["seed"] == 2) & (frame[UNIFORM["name"]] < 0.8)
    assert deadly.any()
    assert (frame["status"] == np.where(deadly, "failed", "ok")).all()
    assert frame["reason"][deadly].str.contains("worker process died").all()


def test_days_without_clearing_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abm.study.sweep.worker.CONVERGED", "another word")
    plan = small_plan(**{**QUICK, "design": {"kind": "random", "points": 1}})
    with ThreadPoolExecutor(1) as here:
        frame = sweep(plan, tmp_path / "a", executor=here, workers=1, progress=False).frame()
    assert set(frame["status"]) == {"unconverged"}
    assert frame["reason"].str.contains("did not clear on .* days, first on day").all()
    assert frame["end_change_bp.JGB40"].notna().all()


# -- the directory ---------------------------------------------------------------------------------------------------


def test_a_changed_design_is_refused_with_the_difference(tmp_path: Path) -> None:
    out = tmp_path / "a"
    quick(out)
    before = {p: p.read_bytes() for p in out.iterdir() if p.is_file()}
    with pytest.raises(InputError, match=r"sweep\.seeds is 3 and was 2"):
        quick(out, seeds=3)
    with pytest.raises(InputError, match=r"parameters\.dealers\.capacity_scale\.high is 1\.5 and was 2\.0"):
        quick(out, parameter=[{**UNIFORM, "high": 1.5}])
    assert {p: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(tmp_path / "a")
    monkeypatch.setattr(store, "code_hash", lambda: "other")
    with pytest.raises(InputError, match="code_hash is 'other' and was"):
        quick(tmp_path / "a")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    quick(tmp_path / "a", design={"kind": "random", "points": 1})
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True)"
    hold += "; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "a" / LOCK)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        with pytest.raises(InputError, match="another process is running a sweep here"):
            quick(tmp_path / "a", design={"kind": "random", "points": 1})
        other.stdin.close()


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        quick(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_line_cut_short_is_run_again_and_no_other(tmp_path: Path) -> None:
    out = tmp_path / "a"
    quick(out)
    whole = (out / RESULTS).read_bytes()
    journal = (out / JOURNAL).read_bytes()
    lines = journal.splitlines(keepends=True)
    (out / RESULTS).unlink()
    for shard in (out / SHARDS).iterdir():
        shard.unlink()
    (out / JOURNAL).write_bytes(b"".join(lines[:4]) + lines[4][:-7])
    quick(out)
    assert (out / RESULTS).read_bytes() == whole
    runs = [line["run"] for line, _ in journal_lines(out / JOURNAL) if "run" in line]
    assert sorted(runs) == list(range(12))
    assert (out / JOURNAL).read_bytes().startswith(b"".join(lines[:4]))


def test_a_lost_or_spoilt_shard_comes_back_from_the_journal(tmp_path: Path) -> None:
    out = tmp_path / "a"
    quick(out)
    whole = (out / RESULTS).read_bytes()
    (shard,) = (out / SHARDS).iterdir()
    content = shard.read_bytes()
    shard.write_bytes(content[:-10])
    quick(out, build=build_never)
    assert shard.read_bytes() == content
    assert (out / RESULTS).read_bytes() == whole


def build_never(scenario: Any, seed: int) -> Model:
    raise AssertionError("nothing is to be run")


def test_a_damaged_journal_is_not_believed(tmp_path: Path) -> None:
    out = tmp_path / "a"
    quick(out)
    lines = (out / JOURNAL).read_bytes().splitlines(keepends=True)
    (out / JOURNAL).write_bytes(b"".join([lines[0], lines[1][:-5] + b"0}}}\n", *lines[2:]]))
    with pytest.raises(InputError, match="is damaged at byte"):
        quick(out)


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "a"

    def interrupt() -> None:
        while not (out / JOURNAL).exists() or not (out / JOURNAL).stat().st_size:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Thread(target=interrupt)
    timer.start()
    with ThreadPoolExecutor(1) as here, pytest.raises(SweepInterrupted, match=r"are kept in .* goes on"):
        sweep(small_plan(**QUICK), out, executor=here, workers=1, progress=False)
    timer.join()
    kept = [line["run"] for line, _ in journal_lines(out / JOURNAL) if "run" in line]
    assert 0 < len(kept) < 12
    assert not (out / RESULTS).exists()
    frame = quick(out)
    assert len(frame) == 12
    assert [line["run"] for line, _ in journal_lines(out / JOURNAL) if "run" in line][: len(kept)] == kept


# -- reading ---------------------------------------------------------------------------------------------------------


def test_results_are_read_lazily_before_and_after_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BLOCK_RUNS", 4)
    plan = small_plan(**QUICK)
    whole = sweep(plan, tmp_path / "a", workers=1, progress=False)
    (tmp_path / "a" / RESULTS).unlink()
    assert not whole.complete
    assert len(open_results(tmp_path / "a").frame()) == 12
    frame = whole.frame(["point", "end_change_bp.JGB40"])
    assert list(frame) == ["point", "end_change_bp.JGB40"]
    assert sum(batch.num_rows for batch in whole.batches(["seed"])) == 12
    assert whole.parameters == (UNIFORM["name"],)
    assert whole.design["point"].tolist() == list(range(6))


def test_the_manifest_says_what_was_run(tmp_path: Path) -> None:
    quick(tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / MANIFEST).read_text())
    assert manifest["runs"] == 12
    assert manifest["hash"] == small_plan(**QUICK).hash
    assert manifest["sweep"]["pairing"] == "common"
    assert manifest["packages"]["numpy"]
    assert "git_revision" in manifest and "code_hash" in manifest
    assert (tmp_path / "a" / DESIGN).is_file()


def test_open_results_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the directory of a sweep"):
        open_results(tmp_path)


def test_open_blocks_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store holds is bounded by what is in hand, not by the number of runs."""
    monkeypatch.setattr(store, "BLOCK_RUNS", 4)
    plan = small_plan(**{**QUICK, "design": {"kind": "random", "points": 200}})
    row = {"status": "ok", "reason": "", "values": [0.0] * 3, "seconds": 0.0, "worker": 0, "memory_mb": 0.0}
    held = 0
    with opened(tmp_path / "a", plan) as files:
        for run in range(plan.runs):
            files.add([{"run": run ^ 1, **row}])
            held = max(held, sum(len(block) for block in files._open_blocks.values()))
        files.finish()
    assert held <= 4
    assert len(open_results(tmp_path / "a").frame()) == plan.runs


def test_mesas_own_way_is_open() -> None:
    """A model class for anybody's runner: scenarios and seeds are data, the model is made where it runs."""
    base = small_plan(**QUICK).base
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(_yen, base, capacity, 7) for capacity in (0.5, 2.0)]
        found = [job.result() for job in jobs]
    assert found == [_yen(base, capacity, 7) for capacity in (0.5, 2.0)]
    assert found[0] != found[1]
    assert load_scenario("sanaenomics").days == 60


def _yen(base: Any, capacity: float, seed: int) -> float:
    model = MarketModel(varied(base, {"dealers.capacity_scale": capacity}), rng=seed)
    model.run_for(1)
    return float(model.daily["fx.USDJPY"].iloc[-1])
