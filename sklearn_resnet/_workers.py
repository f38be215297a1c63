"""Processes that share work: on this machine, or of a Dask cluster."""

import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from tqdm.auto import tqdm

from sklearn_resnet._threads import count_threads, set_share

_MOST_DEATHS = 3  # of workers, in a row, without a task that was done


def run_in_workers(function, tasks, n_workers, scheduler=None):
    """Call a function for each task, in processes; who dies is replaced, and the task done again.

    Only a few tasks more than there are workers are under way at once, so that what waits takes no
    memory of a scheduler.

    Parameters
    ----------
    function : callable
    tasks : sequence of tuple
        Its arguments.
    n_workers : int
        On this machine, which share its cores.
    scheduler : str, default=None
        The address of a Dask scheduler, whose workers are used instead.

    Yields
    ------
    tuple
        Tasks, as they are done.

    Raises
    ------
    RuntimeError
        If workers die again and again.
    """
    waiting, running, n_deaths = deque(tasks), {}, 0
    open_pool = _open_local(n_workers) if scheduler is None else _open_dask(scheduler)
    with open_pool as (make_pool, count):
        pool = make_pool()
        while waiting or running:
            while waiting and len(running) < 2 * count():
                task = waiting.popleft()
                running[pool.submit(function, *task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            try:
                for future in done:
                    future.result()
                    n_deaths = 0
                    yield running.pop(future)
            except BrokenProcessPool as exc:
                n_deaths += 1
                if n_deaths > _MOST_DEATHS:
                    raise RuntimeError(
                        f"Workers died {n_deaths} times in a row, the last: {exc}. They may lack "
                        "memory: use fewer workers, or smaller batches."
                    ) from exc
                waiting.extendleft(reversed(running.values()))
                running.clear()
                pool = make_pool()


@contextmanager
def _open_local(n_workers):
    from joblib.externals.loky import ProcessPoolExecutor

    pools = []

    def make_pool():
        n_threads = max(1, count_threads() // n_workers)
        pools.append(
            ProcessPoolExecutor(
                n_workers, initializer=_start_worker, initargs=(n_threads, os.getpid())
            )
        )
        return pools[-1]

    try:
        yield make_pool, lambda: n_workers
    except BaseException:
        pools[-1].shutdown(kill_workers=True)
        raise
    pools[-1].shutdown()


def _start_worker(n_threads, parent):
    set_share(n_threads)
    tqdm.set_lock(
        threading.RLock()
    )  # its own would be reported as leaked by a worker that is ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its workers
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent):
    """End this process when its parent was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


@contextmanager
def _open_dask(address):
    try:
        from distributed import Client
    except ImportError as exc:
        raise ImportError(
            "A Dask cluster needs Dask, which is not installed. Install it by "
            "`pip install 'sklearn-resnet[dask]'`."
        ) from exc
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except OSError as exc:
        raise ConnectionError(
            f"There is no Dask scheduler at {address!r}: {exc}. Start one by `dask scheduler`, and "
            "workers by `dask worker ADDRESS`."
        ) from exc
    with client:
        pool = client.get_executor(retries=_MOST_DEATHS, pure=False)
        try:
            yield lambda: pool, lambda: max(1, sum(client.nthreads().values()))
        except BaseException:
            pool.shutdown(wait=False)
            raise
