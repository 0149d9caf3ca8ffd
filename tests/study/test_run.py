"""A run and its directory: same bytes for any number of workers, nothing lost on failure or interruption."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.output.measures import MEASURES
from abm.output.style import RC
from abm.output.tables import TABLES, RunDirectory
from abm.study import run as run_module
from abm.study.run import Interrupted, RunResult, run, seed_list
from abm.world.errors import InputError
from tests.output.fake import FakeScenario, build_fake

DAYS = 6


def quick(scenario: FakeScenario, seeds: int | list[int], out: Path, workers: int = 1) -> RunResult:
    return run(scenario, seeds, workers=workers, out=out, figures=False, progress=False, build=build_fake)


def digests(path: Path) -> dict[str, str]:
    names = [*TABLES, "measures"]
    return {name: hashlib.sha256((path / f"{name}.parquet").read_bytes()).hexdigest() for name in names}


def test_one_and_two_workers_write_the_same_bytes(tmp_path: Path) -> None:
    scenario = FakeScenario(days=DAYS, fail_seed=2, fail_day=4)
    one = quick(scenario, 5, tmp_path / "one")
    two = quick(scenario, 5, tmp_path / "two", workers=2)
    assert digests(one.path) == digests(two.path)
    assert one.failures == two.failures


def test_seeds_are_written_in_the_order_asked_for(tmp_path: Path) -> None:
    result = quick(FakeScenario(days=DAYS), [7, 2, 5], tmp_path / "run")
    assert result.daily["seed"].tolist() == [s for s in (7, 2, 5) for _ in range(DAYS + 1)]
    alone = quick(FakeScenario(days=DAYS), [2], tmp_path / "alone")
    pd.testing.assert_frame_equal(
        result.daily.query("seed == 2").reset_index(drop=True), alone.daily, check_categorical=False
    )


def test_a_failed_seed_is_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    result = quick(FakeScenario(days=DAYS, fail_seed=2, fail_day=4), 3, tmp_path / "run")
    assert result.status == "failed"
    (failure,) = result.failures
    assert (failure.seed, failure.day) == (2, 4)
    manifest = result.directory.manifest
    assert manifest["failures"] == [{"seed": 2, "day": 4, "error": failure.error}]
    assert manifest["seeds_done"] == [1, 3]
    assert result.measures["seed"].tolist() == [1, 3]
    assert set(result.events["seed"]) <= {1, 3}


def test_what_came_of_a_run_is_told_before_its_figures_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    monkeypatch.setattr(run_module, "_draw", lambda *_: happened.append("drawn"))

    def tell(directory: Path) -> None:
        happened.append(f"told of {RunDirectory.open(directory).manifest['status']}")

    run(FakeScenario(days=DAYS), 1, out=tmp_path / "run", progress=False, build=build_fake, tell=tell)
    stopped = FakeScenario(days=DAYS, interrupt_seed=2, interrupt_pid=os.getpid())
    with pytest.raises(Interrupted):
        run(stopped, 2, workers=1, out=tmp_path / "stopped", progress=False, build=build_fake, tell=tell)
    assert happened == ["told of complete", "drawn", "drawn"]


def test_the_manifest_says_what_was_run(tmp_path: Path) -> None:
    scenario = FakeScenario(days=DAYS, shock=0.7)
    manifest = quick(scenario, 2, tmp_path / "run").directory.manifest
    assert manifest["status"] == "complete"
    assert manifest["scenario"] == scenario.resolved()
    assert manifest["scenario_hash"] == scenario.hash
    assert manifest["seeds"] == manifest["seeds_done"] == [1, 2]
    assert manifest["packages"]["numpy"] == np.__version__
    assert manifest["wall_time_s"] > 0.0


def test_the_summary_is_made_of_the_measures(tmp_path: Path) -> None:
    result = quick(FakeScenario(days=DAYS), 7, tmp_path / "run")
    summary = json.loads((result.path / "summary.json").read_text())["measures"]
    assert set(summary) == set(MEASURES)
    values = result.measures["peak_change_bp.JGB40"].to_numpy()
    found = summary["peak_change_bp.JGB40"]
    assert found["median"] == pytest.approx(np.median(values), rel=1e-12)
    assert [found["p5"], found["p95"]] == pytest.approx(np.quantile(values, [0.05, 0.95]), rel=1e-12)
    assert found["median_interval_95"] == pytest.approx([values.min(), values.max()], rel=1e-12)
    assert (found["unit"], found["seeds"]) == ("bp", 7)


def test_an_interrupted_run_keeps_what_is_done_and_can_be_taken_up(tmp_path: Path) -> None:
    scenario = FakeScenario(days=DAYS, interrupt_seed=3, interrupt_pid=os.getpid())
    with pytest.raises(Interrupted, match=r"2 of 5 seeds are kept.*--out") as stopped:
        quick(scenario, 5, tmp_path / "run")
    kept = stopped.value.result
    assert kept is not None
    assert kept.status == kept.directory.manifest["status"] == "interrupted"
    assert set(kept.daily["seed"]) == {1, 2}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]
    with pytest.raises(Interrupted):  # seed 3 interrupts again: what was kept is still there
        quick(scenario, 5, tmp_path / "run")
    assert set(kept.daily["seed"]) == {1, 2}


def test_taking_up_gives_the_bytes_of_a_run_without_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeScenario, "hash", "the same for all of this test")
    with pytest.raises(Interrupted):
        quick(FakeScenario(days=DAYS, interrupt_seed=3, interrupt_pid=os.getpid()), 5, tmp_path / "run")
    built: list[int] = []

    def build(scenario: FakeScenario, seed: int) -> object:
        built.append(seed)
        return build_fake(scenario, seed)

    plain = FakeScenario(days=DAYS)
    resumed = run(plain, 5, workers=1, out=tmp_path / "run", figures=False, progress=False, build=build)  # type: ignore[arg-type]
    assert built == [3, 4, 5]
    assert resumed.status == "complete"
    assert digests(resumed.path) == digests(quick(plain, 5, tmp_path / "straight").path)


def test_a_pool_stops_within_a_day_and_keeps_what_is_done(tmp_path: Path) -> None:
    scenario = FakeScenario(days=DAYS, interrupt_seed=4, interrupt_pid=os.getpid())
    with pytest.raises(Interrupted) as stopped:
        quick(scenario, 400, tmp_path / "run", workers=2)
    result = stopped.value.result
    assert result is not None
    done = result.directory.manifest["seeds_done"]
    assert done[:2] == [1, 2]
    assert len(done) < 400
    assert set(result.daily.groupby("seed").size()) == {DAYS + 1}


def test_nothing_is_left_when_nothing_was_done(tmp_path: Path) -> None:
    scenario = FakeScenario(days=DAYS, interrupt_seed=1, interrupt_pid=os.getpid())
    with pytest.raises(Interrupted, match="nothing is kept") as stopped:
        quick(scenario, 3, tmp_path / "run")
    assert stopped.value.result is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scenario_that_cannot_open_its_books_writes_nothing(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match="leverage_median"):
        quick(FakeScenario(build_error=True), 3, tmp_path / "run", workers)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_a_run_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not the directory of a run"):
        run(FakeScenario(), 1, out=tmp_path, build=lambda scenario, seed: pytest.fail("must not run"))
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_run_writes_may_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RC, "figure.dpi", 30)
    for seeds in (1, 2):
        run(FakeScenario(days=DAYS), seeds, workers=1, out=tmp_path / "run", progress=False, build=build_fake)
    assert RunDirectory.open(tmp_path / "run").manifest["seeds_done"] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("seeds", "shock", "code", "told"),
    [
        (5, 3.0, "as it was", "shock is 3.0 and was 1.0"),
        (5, 1.0, "another", "its code was revision"),
        (1, 1.0, "as it was", "seed 2 is done there and not asked for"),
    ],
)
def test_seeds_kept_by_another_interrupted_run_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: int, shock: float, code: str, told: str
) -> None:
    monkeypatch.setattr(run_module, "code_hash", lambda: "as it was")
    stopped = FakeScenario(days=DAYS, interrupt_seed=3, interrupt_pid=os.getpid())
    with pytest.raises(Interrupted):
        quick(stopped, 5, tmp_path / "run")
    monkeypatch.setattr(run_module, "code_hash", lambda: code)
    with pytest.raises(InputError, match=f"holds 2 seeds of another interrupted run: .*{told}"):
        quick(replace(stopped, shock=shock), seeds, tmp_path / "run")
    assert RunDirectory.open(tmp_path / "run").manifest["seeds_done"] == [1, 2]


@pytest.mark.parametrize(
    ("seeds", "message"), [(0, "at least one"), ([], "at least one"), ([3, 3], "twice"), ([-1], "from 0")]
)
def test_seeds_must_make_sense(seeds: int | list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        seed_list(seeds)


def test_seed_zero_is_a_seed(tmp_path: Path) -> None:
    assert quick(FakeScenario(days=2), [0], tmp_path / "run").directory.manifest["seeds_done"] == [0]


def test_runs_get_directories_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "RESULTS", tmp_path / "results")
    paths = {run(FakeScenario(days=1), 1, figures=False, progress=False, build=build_fake).path for _ in range(2)}
    assert len(paths) == 2
    assert {p.parent for p in paths} == {tmp_path / "results"}
    assert all(p.name.startswith("fake-") for p in paths)


@pytest.mark.parametrize("end", [KeyboardInterrupt, ValueError])
def test_seeds_are_kept_if_figures_cannot_be_drawn(
    end: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> None:
        raise end

    monkeypatch.setattr(run_module, "_draw", break_off)
    with pytest.raises(end):
        run(FakeScenario(days=2), 2, workers=1, out=tmp_path / "run", progress=False, build=build_fake)
    assert RunDirectory(tmp_path / "run").manifest["seeds_done"] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
