"""Where runs happen: processes of this machine, or a Dask cluster. Both are executors of concurrent.futures."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from abm.study.ensemble import quiet_forks, settle_worker, worker_context
from abm.world.errors import InputError

CONNECT_SECONDS: Final = 15
LOCAL: Final = "local"


@dataclass
class Place:
    """An executor that can be opened anew after it broke. slots: how many runs go on at once now."""

    open: Callable[[], Executor]
    slots: Callable[[], int]
    close: Callable[[Executor], None]


def processes(workers: int) -> Place:
    """Worker processes of this machine.

    Threads share one interpreter lock; processes are forked wherever that is safe (`ensemble.start_method`), as they
    then need not import anything. experiments/sweeps/workers.py times the alternatives on a machine at rest.
    """

    def start() -> Executor:
        return _Quiet(workers, worker_context(), settle_worker)

    return Place(start, lambda: workers, lambda pool: pool.shutdown(wait=True, cancel_futures=True))


class _Quiet(ProcessPoolExecutor):
    """A pool that does not warn when it forks."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        with quiet_forks():
            return super().submit(fn, *args, **kwargs)


def given(executor: Executor, slots: int) -> Place:
    """Somebody's own executor; it is left open, and not opened anew."""
    return Place(lambda: executor, lambda: slots, lambda _: None)


@contextmanager
def cluster(address: str, workers: int | None) -> Iterator[Place]:
    """A Dask cluster by the address of its scheduler ("tcp://host:8786"); "local" starts one on this machine."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError("--cluster: needs the package distributed; pip install 'abm-japan[cluster]'") from None
    own = None
    if address == LOCAL:
        own = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    clients: list[Any] = []

    def connect() -> Executor:
        try:
            if not clients:
                clients.append(Client(own or address, timeout=CONNECT_SECONDS))
        except (OSError, ValueError) as error:
            said = " ".join(str(error).split())
            raise InputError(f"--cluster = {address!r}: no Dask scheduler answers there ({said})") from None
        executor: Executor = clients[-1].get_executor(pure=False)
        return executor

    def disconnect(_: Executor | None = None) -> None:
        while clients:
            clients.pop().close()

    def slots() -> int:
        return max(sum(clients[-1].nthreads().values()), 1)

    try:
        connect()  # says what is wrong with the address before anything is written
        yield Place(connect, slots, disconnect)
    finally:
        disconnect()
        if own is not None:
            own.close()
