"""The pool: order, broken workers, how processes are started."""

import signal
import threading
import weakref
from typing import Any, ClassVar

import pytest

from abm.study import ensemble
from abm.study.ensemble import Job, run_jobs
from tests.output.fake import FakeScenario, build_fake


def test_results_come_in_the_order_of_the_jobs() -> None:
    scenarios = [FakeScenario(days=1), FakeScenario(days=9)]
    jobs = [Job(seed % 2, seed) for seed in (5, 4, 9, 8, 1, 2)]
    results = list(run_jobs(scenarios, jobs, workers=2, progress=False, build=build_fake))
    assert [r.job for r in results] == jobs
    assert [r.tables["daily"].num_rows for r in results] == [10, 2, 10, 2, 10, 2]


def test_a_dead_worker_is_a_failure_that_says_so() -> None:
    scenario = FakeScenario(days=3, die_seed=2)
    results = list(run_jobs([scenario], [Job(0, s) for s in (1, 2, 3)], workers=2, progress=False, build=build_fake))
    assert [r.job.seed for r in results] == [1, 2, 3]
    assert results[1].failure is not None
    assert "worker process died" in results[1].failure.error


class Counting:
    """A model that refers to itself and says how many like it its process still holds."""

    held: ClassVar[weakref.WeakSet["Counting"]] = weakref.WeakSet()

    def __init__(self) -> None:
        self.recorder = self.itself = self
        self.held.add(self)

    def run_for(self, duration: int) -> None:
        pass

    def sum_up(self) -> int:
        return len(self.held)


def build_counting(_scenario: Any, _seed: int) -> Counting:
    return Counting()


def test_a_worker_holds_one_model_at_a_time() -> None:
    jobs = [Job(0, seed) for seed in range(1, 31)]
    results = run_jobs([FakeScenario(days=1)], jobs, workers=2, progress=False, build=build_counting)
    first = 1 + len(Counting.held)  # what the workers inherit from the process that they are forked from
    assert max(r.summary for r in results) <= first + 1


def test_processes_are_forked_only_from_a_process_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(ensemble.sys, "platform", "linux")
    assert ensemble.start_method() == "fork"
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert ensemble.start_method() in ("forkserver", "spawn")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(ensemble.sys, "platform", "darwin")
    assert ensemble.start_method() in ("forkserver", "spawn")


def test_handlers_of_signals_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    list(run_jobs([FakeScenario(days=1)], [Job(0, 1)], progress=False, build=build_fake))
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ensemble_runs_in_a_thread_too() -> None:
    found: list[int] = []

    def work() -> None:
        jobs = [Job(0, 1), Job(0, 2)]
        found.extend(r.job.seed for r in run_jobs([FakeScenario(days=1)], jobs, workers=1, build=build_fake))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [1, 2]


def test_no_jobs_no_results() -> None:
    assert list(run_jobs([FakeScenario()], [], build=build_fake)) == []


def test_pieces_of_work_are_spread_over_processes() -> None:
    with ensemble.spread_over_processes(2, 3) as spread:
        assert list(spread(abs, [-3, -2, 1])) == [3, 2, 1]
    with ensemble.spread_over_processes(1, 3) as spread:
        assert spread is map


def test_an_empty_cache_is_told_before_compiling(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, the captured stream is a terminal
    monkeypatch.setattr(ensemble, "loops_are_compiled", lambda: False)
    monkeypatch.setattr(ensemble, "market_model", build_fake)
    results = list(run_jobs([FakeScenario(days=1)], [Job(0, 1)], workers=1, build=build_fake))
    assert len(results) == 1 and "Compiling" in capsys.readouterr().err
