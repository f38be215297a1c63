"""Tasks in processes: on this machine, or on the workers of a Dask cluster."""

import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from sklearn_resnet._runtime.imports import import_optional
from sklearn_resnet._runtime.progress import tqdm
from sklearn_resnet._runtime.threads import count_threads, set_thread_limit
from sklearn_resnet.cli.memory import reduce_memory

_MAX_DEATHS = 3  # of workers, in a row, without a finished task


class Pool(Protocol):
    """Processes that run tasks; a context manager, which ends them."""

    def count(self) -> int:
        """Count the workers."""

    def submit(self, function, *args) -> Future:
        """Start a task. Raise BrokenProcessPool if a worker has died."""

    def restart(self) -> None:
        """Replace all workers after one has died."""

    def __enter__(self):
        """Start."""

    def __exit__(self, *exc_info):
        """End the workers: immediately after an error, otherwise when they are done."""


def open_pool(n_workers, scheduler=None):
    """Make a pool of `n_workers` on this machine, or of the workers of a Dask scheduler."""
    return LocalPool(n_workers) if scheduler is None else DaskPool(scheduler)


def run_in_workers(function, tasks, pool, collect=None):
    """Call a function for each task, in processes; a task whose worker dies is repeated.

    Only a few more tasks than workers are submitted at once, so that waiting tasks use no memory
    of a scheduler.

    Parameters
    ----------
    function : callable
    tasks : sequence of tuple
        The arguments of each call.
    pool : Pool
        It is ended when all tasks are done.
    collect : callable, default=None
        Called with the result of each task.

    Yields
    ------
    tuple
        Tasks, as they finish.

    Raises
    ------
    RuntimeError
        If workers die again and again.
    """
    waiting, running, n_deaths = deque(tasks), {}, 0
    with pool:
        while waiting or running:
            death = None
            try:
                while waiting and len(running) < 2 * pool.count():
                    running[pool.submit(function, *waiting[0])] = waiting[0]
                    waiting.popleft()
            except BrokenProcessPool as exc:
                death = exc
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            if death or any(isinstance(f.exception(), BrokenProcessPool) for f in done):
                done, _ = wait(running)  # they all end with their pool
            for future in done:
                task = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    death = future.exception()
                    waiting.appendleft(task)
                else:
                    result = future.result()
                    if collect is not None:
                        collect(result)
                    n_deaths = 0
                    yield task
            if death:
                n_deaths += 1
                if n_deaths > _MAX_DEATHS:
                    raise _too_many_deaths(n_deaths, death) from death
                pool.restart()


def _too_many_deaths(n_deaths, last):
    return RuntimeError(
        f"Workers died {n_deaths} times in a row, the last: {last}. They may lack memory: use fewer "
        "workers, or smaller batches."
    )


class LocalPool:
    """Processes on this machine, which share its cores."""

    def __init__(self, n_workers):
        self._n_workers = n_workers
        self._executor = None

    def count(self):
        """Count the workers."""
        return self._n_workers

    def submit(self, function, *args):
        """Start a task."""
        return self._executor.submit(function, *args)

    def restart(self):
        """Replace all workers."""
        from joblib.externals.loky import ProcessPoolExecutor

        n_threads = max(1, count_threads() // self._n_workers)
        self._executor = ProcessPoolExecutor(
            self._n_workers, initializer=_start_worker, initargs=(n_threads, os.getpid())
        )

    def __enter__(self):
        self.restart()
        return self

    def __exit__(self, kind, exc, traceback):
        self._executor.shutdown(kill_workers=exc is not None)


def _start_worker(n_threads, parent):
    reduce_memory()
    set_thread_limit(n_threads)
    # tqdm's own lock would be reported as leaked by a worker that is killed
    tqdm.set_lock(threading.RLock())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its workers
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    """End this process when its parent was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


class DaskPool:
    """The workers of a Dask cluster.

    Parameters
    ----------
    address : str
        The address of the scheduler, which replaces workers that die.

    Raises
    ------
    ImportError
        If Dask is not installed.
    ConnectionError
        If no scheduler answers.
    """

    def __init__(self, address):
        distributed = import_optional("distributed", extra="dask", purpose="A Dask cluster")
        try:
            client = distributed.Client(address, timeout="10s", set_as_default=False)
        except OSError as exc:
            raise ConnectionError(
                f"No Dask scheduler answers at {address!r}: {exc}. Start one with `dask scheduler`, "
                "and workers with `dask worker ADDRESS`."
            ) from exc
        self._address = address
        self._client = client
        # the scheduler repeats tasks whose worker died; an error would only recur
        self._executor = client.get_executor(retries=0, pure=False)

    def count(self):
        """Count the workers, not their threads: a worker computes one part at a time."""
        return max(1, len(self._client.nthreads()))

    def submit(self, function, *args):
        """Start a task."""
        return self._executor.submit(function, *args)

    def restart(self):
        """Do nothing: the scheduler replaces workers."""

    def __enter__(self):
        return self

    def __exit__(self, kind, exc, traceback):
        from distributed import KilledWorker

        with self._client:
            if isinstance(exc, KilledWorker):
                raise _too_many_deaths(_MAX_DEATHS + 1, exc) from exc
            if isinstance(exc, CancelledError):
                raise ConnectionError(f"The Dask scheduler at {self._address!r} is gone.") from exc
            if exc is not None:
                self._executor.shutdown(wait=False)
