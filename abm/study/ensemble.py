"""Many seeds on many cores: results come back in the order asked for, whoever finishes first.

A seed that fails is a result like any other. An interrupt lets the running days finish, keeps what is done and
then ends the iteration; nothing is ever half written.
"""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import pyarrow as pa

from abm.output.measures import measure

AHEAD: Final = 4  # jobs in hand per worker: enough to keep all busy, few enough to bound memory
POLL_SECONDS: Final = 0.1


class Model(Protocol):
    """What an ensemble needs of a model."""

    recorder: Any

    def run_for(self, duration: int) -> None:
        """Run so many days."""


@runtime_checkable
class SummingUp(Protocol):
    """A model that hands back a summary of its own instead of tables and measures."""

    def sum_up(self) -> Any:
        """What is wanted of the finished run; it must survive pickling."""


class Scenario(Protocol):
    """What an ensemble needs of a scenario. hash: the same for the same run; days: trading days after day 0."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def days(self) -> int: ...
    @property
    def hash(self) -> str: ...

    def resolved(self) -> dict[str, Any]:
        """Everything that defines the run except the seed, as JSON values."""


type Build = Callable[[Any, int], Model]


@dataclass(frozen=True)
class Job:
    """One scenario of the ensemble, by its position, on one seed."""

    scenario: int
    seed: int


@dataclass(frozen=True)
class Failure:
    """A seed that broke off: the day it happened on (0 while opening) and what was said."""

    seed: int
    day: int
    error: str


@dataclass(frozen=True)
class Result:
    """What came of a job. tables: up to the last day that was finished. measures: empty if it failed.

    summary: of a model that sums itself up, in place of both.
    """

    job: Job
    tables: dict[str, pa.Table]
    measures: dict[str, float]
    failure: Failure | None = None
    summary: Any = None


def market_model(scenario: Any, seed: int) -> Model:
    """The model of this package."""
    from abm.model import MarketModel  # workers import it, and only when they need it

    return MarketModel(scenario, rng=seed)


def loops_are_compiled() -> bool:
    """Whether Numba's cache has the loops of the code as it is; judged by those of the auction."""
    from abm.world import auction

    cache, source = Path(auction._newton.stats.cache_path), Path(auction.__file__)
    return any(file.stat().st_mtime >= source.stat().st_mtime for file in cache.glob("auction._newton-*.nbi"))


def run_jobs(
    scenarios: Sequence[Scenario],
    jobs: Sequence[Job],
    *,
    workers: int | None = None,
    build: Build = market_model,
    progress: bool = True,
    stop: threading.Event | None = None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """Results of all jobs, in their order. KeyboardInterrupt at the end if it was interrupted.

    An error while the first job opens its books is the scenario's and is raised; later errors are failures. stop: set
    by another thread to interrupt. advance: told how many more days are done, instead of a bar on the terminal.
    """
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers < 1:
        return
    bar: AbstractContextManager[Callable[[int], None]] = nullcontext(lambda days: None)
    if progress:
        from abm.study.progress import days_bar

        todo = sum(scenarios[job.scenario].days for job in jobs)
        bar = days_bar(todo, compiling=build is market_model and not loops_are_compiled())
    with stop_on_interrupt(stop or threading.Event()) as asked, bar as drawn:
        run = _run_here if workers == 1 else _run_in_pool
        yield from run(scenarios, jobs, workers, build, asked, advance or drawn)
        if asked.is_set():
            raise KeyboardInterrupt


# -- one job -------------------------------------------------------------------------------------------------------


def simulate(
    scenario: Scenario, job: Job, build: Build, day_done: Callable[[], bool], model: Model | None = None
) -> Result | None:
    """Run one job day by day. day_done: called after every day, true to stop; a stopped job has no result.

    model: one that has just opened its books, if there is one already.
    """
    try:
        model = model or build(scenario, job.seed)
        for _ in range(scenario.days):
            model.run_for(1)
            if day_done():
                return None
        if isinstance(model, SummingUp):
            return Result(job, {}, {}, summary=model.sum_up())
        tables = model.recorder.tables(job.seed)
        return Result(job, tables, measure(tables))
    except Exception as error:
        return _failed(job, model, error)


def _failed(job: Job, model: Model | None, error: Exception) -> Result:
    """A failure is a result: the finished days, and a row among the events."""
    text = f"{type(error).__name__}: {error}"
    if model is None:
        return Result(job, {}, {}, Failure(job.seed, 0, text))
    day = model.recorder.last_day + 1
    model.recorder.note(day, None, "failure", "model", text)
    return Result(job, model.recorder.tables(job.seed), {}, Failure(job.seed, day, text))


def _run_here(
    scenarios: Sequence[Scenario],
    jobs: Sequence[Job],
    _workers: int,
    build: Build,
    stop: threading.Event,
    advance: Callable[[int], None],
) -> Iterator[Result]:
    """All jobs in this process, one after the other."""

    def day_done() -> bool:
        advance(1)
        return stop.is_set()

    first: Model | None = build(scenarios[jobs[0].scenario], jobs[0].seed)
    for job in jobs:
        result = simulate(scenarios[job.scenario], job, build, day_done, first)
        first = None
        if result is None:
            return
        yield result


# -- the pool ------------------------------------------------------------------------------------------------------


@dataclass
class _Worker:
    """What a worker process knows."""

    scenarios: Sequence[Scenario]
    build: Build
    days: Any
    stopped: Any

    def day_done(self) -> bool:
        """Count the day; true when everybody should stop."""
        with self.days.get_lock():
            self.days.value += 1
        return bool(self.stopped.value)


_worker: _Worker | None = None


def settle_worker() -> None:
    """Interrupts are for the parent; a broken pool ends its workers by SIGTERM, and so does the end of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)


def _start_worker(scenarios: Sequence[Scenario], build: Build, days: Any, stopped: Any) -> None:
    """The parent tells its workers to stop through `stopped`."""
    global _worker  # noqa: PLW0603  (one per process, set once)
    settle_worker()
    _worker = _Worker(scenarios, build, days, stopped)


def _end_with_parent() -> None:
    """A killed parent leaves no workers behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Job) -> Result | None:
    assert _worker is not None
    if _worker.stopped.value:
        return None
    result = simulate(_worker.scenarios[job.scenario], job, _worker.build, _worker.day_done)
    forget_runs()
    return result


def forget_runs() -> None:
    """Free finished models, which refer to themselves, instead of whenever the collector comes to it.

    What is left is what the process has loaded and keeps; later calls do not look at it again and take 4 ms, not 200.
    """
    gc.collect()
    gc.freeze()


def start_method() -> str:
    """fork where it is safe and cheap: Linux, no other thread in this process; else forkserver, else spawn.

    Measured for two workers: fork 0.2 s until the first results, forkserver 2.6-4.3 s because it imports afresh.
    """
    if sys.platform == "linux" and threading.active_count() == 1:
        return "fork"
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def worker_context() -> BaseContext:
    """How worker processes are started."""
    context = multiprocessing.get_context(start_method())
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["abm.study.ensemble", "abm.model"])
    return context


@contextmanager
def quiet_forks() -> Iterator[None]:
    """Python counts the idle threads of BLAS and Arrow when it forks; both re-open their pools in the child."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        yield


@contextmanager
def spread_over_processes(workers: int | None, pieces: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` over worker processes for a few independent pieces of work; the plain one where forking is not safe."""
    workers = min(workers or os.cpu_count() or 1, pieces)
    if workers < 2 or start_method() != "fork":
        yield map
        return
    leave_interrupts = (signal.SIGINT, signal.SIG_IGN)  # to the parent
    with quiet_forks(), ProcessPoolExecutor(workers, worker_context(), signal.signal, leave_interrupts) as pool:
        yield pool.map


def warm_up(scenario: Scenario, seed: int, build: Build) -> None:
    """Compile and load everything once before workers are forked. A bad scenario shows here."""
    model = build(scenario, seed)
    with suppress(Exception):  # what fails on day 1 is reported with its seed by the worker
        model.run_for(1)


def _run_in_pool(
    scenarios: Sequence[Scenario],
    jobs: Sequence[Job],
    workers: int,
    build: Build,
    stop: threading.Event,
    advance: Callable[[int], None],
) -> Iterator[Result]:
    """Jobs on worker processes, results in order, a bounded number of them in hand."""
    warm_up(scenarios[jobs[0].scenario], jobs[0].seed, build)
    context = worker_context()
    days, stopped = context.Value("q", 0), context.Value("b", 0)
    pool = ProcessPoolExecutor(workers, context, _start_worker, (scenarios, build, days, stopped))
    waiting, running, counted = deque(jobs), deque[tuple[Job, Future[Result | None]]](), 0
    try:
        while waiting or running:
            with quiet_forks():
                while waiting and len(running) < AHEAD * workers:
                    running.append((waiting[0], pool.submit(_work, waiting[0])))
                    waiting.popleft()
            wait_for([running[0][1]], POLL_SECONDS)
            advance(days.value - counted)
            counted = days.value
            if stop.is_set():
                stopped.value = 1
                waiting.clear()
            while running and running[0][1].done():
                result = running[0][1].result()
                running.popleft()
                if result is not None:
                    yield result
    except BrokenProcessPool:
        if stop.is_set():
            return
        yield from (_salvaged(job, future) for job, future in running)
        yield from (_lost(job) for job in waiting)
    finally:
        stopped.value = 1
        pool.shutdown(wait=True, cancel_futures=True)


def _salvaged(job: Job, future: Future[Result | None]) -> Result:
    """The result of a job that was done before the pool broke, a failure otherwise."""
    done = future.result() if future.done() and future.exception() is None else None
    return done or _lost(job)


def _lost(job: Job) -> Result:
    text = "a worker process died (killed, or out of memory?); try fewer workers"
    return Result(job, {}, {}, Failure(job.seed, 0, text))


# -- interrupt and progress ----------------------------------------------------------------------------------------


@contextmanager
def stop_on_interrupt(stop: threading.Event) -> Iterator[threading.Event]:
    """The first Ctrl-C (or SIGTERM) asks to stop after the running day; the second one raises at once."""
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
