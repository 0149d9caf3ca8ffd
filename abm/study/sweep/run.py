"""Running a sweep: hand out what is missing, keep what comes back, join it at the end."""

import os
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from threading import Event
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from abm.study.ensemble import POLL_SECONDS, Build, market_model, start_method, stop_on_interrupt, warm_up
from abm.study.run import RESULTS, code_hash
from abm.study.sweep.places import Place, cluster, given, processes
from abm.study.sweep.plan import Plan, load_plan
from abm.study.sweep.results import SweepResults
from abm.study.sweep.store import Row, Store, opened, require_usable
from abm.study.sweep.worker import MAXRSS_PER_MB, Task, Work, lost, packed, run_task
from abm.world.errors import InputError

AHEAD: Final = 3  # runs in hand per worker: enough to keep all busy
LOG_SECONDS: Final = 60.0  # between lines of progress where there is no terminal
MOST_DISCONNECTIONS: Final = 5  # one after the other, without a finished run between
DEAD: Final = "its worker process died every time (killed, or out of memory?)"


class ClusterLost(RuntimeError):
    """A cluster does not answer any more. What is done is kept."""


class SweepInterrupted(KeyboardInterrupt):
    """Somebody stopped a sweep. The message says what is kept and how to go on."""


def sweep(
    plan: Plan | str | Path,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    cluster_address: str | None = None,
    executor: Executor | None = None,
    build: Build = market_model,
    progress: bool = True,
) -> SweepResults:
    """Run a sweep, or what is missing of it, and return its results.

    plan: a sweep file or a loaded one. out: directory, by default results/sweeps/NAME; a sweep that is there is taken
    up where it stopped. workers: processes, by default one per core. cluster_address: a Dask scheduler, or "local".
    executor: any executor of concurrent.futures, with so many `workers`. build: makes the model from scenario and
    seed. Raises InputError, `SweepInterrupted`, or what an executor raises; what is done is kept in each case.
    """
    plan = plan if isinstance(plan, Plan) else load_plan(plan)
    directory = Path(out) if out is not None else default_directory(plan)
    require_usable(directory)
    processes = min(workers or os.cpu_count() or 1, plan.runs)
    with _place(processes, cluster_address, executor) as place, opened(directory, plan) as store:
        try:
            with stop_on_interrupt(Event()) as stop:
                _run(store, place, build, stop, progress)
        except KeyboardInterrupt:  # the second one
            raise SweepInterrupted(_how_to_resume(store)) from None
        if store.finished < plan.runs:
            raise SweepInterrupted(_how_to_resume(store))
        store.finish()
    return SweepResults(directory)


def default_directory(plan: Plan) -> Path:
    """Where a sweep goes unless told otherwise: the same place every time, so that it can be taken up again."""
    return RESULTS / "sweeps" / plan.name


@contextmanager
def _place(workers: int, address: str | None, executor: Executor | None) -> Iterator[Place]:
    if executor is not None:
        yield given(executor, workers)
    elif address is not None:
        with cluster(address, workers) as place:
            yield place
    else:
        yield processes(workers)


# -- the loop --------------------------------------------------------------------------------------------------------


@dataclass
class _Hands:
    """Runs that are being done. suspects: those in hand when a pool broke. Each is on trial alone, so that the one
    that breaks it can be told from the others."""

    place: Place
    waiting: Iterator[Task]
    work: Work
    pool: Executor
    in_hand: dict[Future[Row], Task] = field(default_factory=dict)
    suspects: deque[Task] = field(default_factory=deque)
    on_trial: bool = False
    disconnections: int = 0

    def __post_init__(self) -> None:
        self.content = packed(self.work)

    def fill(self) -> None:
        """Hand out as much as keeps everybody busy."""
        if self.on_trial:
            return
        if self.suspects:
            if not self.in_hand:
                self.on_trial = True
                self._submit(self.suspects.popleft())
            return
        for task in islice(self.waiting, max(AHEAD * self.place.slots() - len(self.in_hand), 0)):
            self._submit(task)

    def collect(self) -> list[Row]:
        """Rows that have come back since. Raises what kept an executor from running the model at all."""
        done, _ = wait_for(self.in_hand, POLL_SECONDS, FIRST_COMPLETED)
        rows, broken, again = [], [], []
        for future in done:
            task = self.in_hand.pop(future)
            if future.cancelled():
                again.append(task)
                continue
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                broken.append(task)
            elif type(error).__name__ == "KilledWorker":  # of Dask, which has tried several workers
                rows.append(lost(task, len(self.work.measures), DEAD))
            elif error is not None:
                raise error
            else:
                rows.append(future.result())
        if broken:
            return rows + self._open_anew(broken)
        if again:
            self._connect_again(again)
        self.disconnections = 0 if rows else self.disconnections + bool(again)
        self.on_trial = self.on_trial and not done
        return rows

    def drop(self) -> None:
        """Take back what nobody has begun."""
        self.in_hand = {future: task for future, task in self.in_hand.items() if not future.cancel()}

    def _submit(self, task: Task) -> None:
        try:
            self.in_hand[self.pool.submit(run_task, self.content, task)] = task
        except BrokenExecutor:  # it broke since; what else is in hand will tell
            self.suspects.append(task)

    def _connect_again(self, tasks: list[Task]) -> None:
        """A cluster gave up runs, as it does when the connection breaks: connect and hand them out again."""
        if self.disconnections >= MOST_DISCONNECTIONS:
            raise ClusterLost("the cluster gives up all runs; what is done is kept, the same command goes on")
        tasks += self.in_hand.values()
        self.drop()
        self.in_hand.clear()
        self.place.close(self.pool)
        try:
            self.pool = self.place.open()
        except InputError as error:
            raise ClusterLost(f"the cluster is lost; what is done is kept ({error})") from None
        self.waiting = chain(sorted(tasks, key=lambda task: task.run), self.waiting)

    def _open_anew(self, broken: list[Task]) -> list[Row]:
        """The pool broke: a run that was alone in it is to blame, others are tried again one at a time."""
        broken += self.in_hand.values()
        self.in_hand.clear()
        self.place.close(self.pool)
        self.pool = self.place.open()
        blamed, self.on_trial = self.on_trial, False
        if blamed:
            return [lost(task, len(self.work.measures), DEAD) for task in broken]
        self.suspects.extend(sorted(broken, key=lambda task: task.run))
        return []


def _run(store: Store, place: Place, build: Build, stop: Event, progress: bool) -> None:
    """Do what is missing until it is done or somebody stops it. Finished runs are kept as they come."""
    plan = store.plan
    if store.finished == plan.runs:
        return
    tasks = (Task(run, plan.seed(run), plan.settings(run // plan.seeds)) for run in store.missing())
    if start_method() == "fork":
        warm_up(plan.base, plan.first_seed, build)  # compiled once, inherited by all workers
    hands = _Hands(place, tasks, Work(plan.base, plan.measures, build, code_hash()), place.open())
    with _bar(store, progress) as tell:
        try:
            while not stop.is_set():
                hands.fill()
                if not hands.in_hand:
                    return
                _keep(store, hands.collect(), tell)
            hands.drop()
            while hands.in_hand:  # what is running when somebody asks to stop is finished and kept
                _keep(store, hands.collect(), tell)
        finally:
            place.close(hands.pool)


def _keep(store: Store, rows: list[Row], tell: Callable[[], None]) -> None:
    if rows:
        store.add(rows)
    tell()


def _how_to_resume(store: Store) -> str:
    done, out = store.finished, store.directory
    return f"interrupted: {done} of {store.plan.runs} runs are kept in {out}; the same command with --out {out} goes on"


def memory_mb() -> float:
    """Most memory this process has had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MB


# -- progress --------------------------------------------------------------------------------------------------------


@contextmanager
def _bar(store: Store, shown: bool) -> Iterator[Callable[[], None]]:
    """Runs done, rate, time left, failures: a bar on a terminal, else a line a minute on standard error."""
    console = Console(stderr=True)
    if not shown:
        yield lambda: None
        return
    begun, before = time.monotonic(), store.finished
    bar = _terminal_bar(console) if console.is_terminal else None
    number = bar.add_task("runs", total=store.plan.runs, completed=before, told="") if bar is not None else None
    last = begun

    def tell() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (POLL_SECONDS if bar is not None else LOG_SECONDS):
            return
        last, done = now, store.finished
        rate = (done - before) / (now - begun)
        told = f"{rate:.2g} runs/s, {store.failed} failed, {store.unconverged} not converged"
        if bar is not None and number is not None:
            bar.update(number, completed=done, told=told)
            bar.refresh()
        else:
            left = (store.plan.runs - done) / rate if rate > 0 else float("nan")
            console.print(f"{done} of {store.plan.runs} runs, {told}, {left:.0f} s left", soft_wrap=True)

    with bar if bar is not None else nullcontext():
        yield tell


def _terminal_bar(console: Console) -> Any:
    """Drawn by hand, so that no thread runs when workers are forked."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=console, auto_refresh=False)
