"""Processes that share work, on this machine or of a Dask cluster; and one that wants none beside it."""

import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

from sklearn_resnet._runtime.threads import count_threads, set_thread_limit

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_MAX_DEATHS = 3  # of workers, in a row, without a task that was done


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
            death = None
            try:
                while waiting and len(running) < 2 * count():
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
                    future.result()
                    n_deaths = 0
                    yield task
            if death:
                n_deaths += 1
                if n_deaths > _MAX_DEATHS:
                    raise _died(n_deaths, death) from death
                pool = make_pool()


def _died(n_deaths, last):
    return RuntimeError(
        f"Workers died {n_deaths} times in a row, the last: {last}. They may lack memory: use fewer "
        "workers, or smaller batches."
    )


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
    set_thread_limit(n_threads)
    # its own would be reported as leaked by a worker that is ended
    tqdm.set_lock(threading.RLock())
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
    from distributed import KilledWorker

    with client:
        # the scheduler repeats what a worker died of; an error would only come again
        pool = client.get_executor(retries=0, pure=False)
        try:
            # workers, not their threads: of the tasks of one, one at a time computes
            yield lambda: pool, lambda: max(1, len(client.nthreads()))
        except KilledWorker as exc:
            raise _died(_MAX_DEATHS + 1, exc) from exc
        except CancelledError as exc:
            raise ConnectionError(f"The Dask scheduler at {address!r} has gone.") from exc
        except BaseException:
            pool.shutdown(wait=False)
            raise


@contextmanager
def lock_output(path):
    """Keep other runs from writing to the same place, where files can be locked.

    A lock ends with its process, however that ends.

    Raises
    ------
    BlockingIOError
        If another run is writing there.
    """
    if fcntl is None or not isinstance(path, Path):
        yield
        return
    lock = path.with_name(f"{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BlockingIOError(
                f"Another run is writing {str(path)!r}. Wait until it ends, or name another OUTPUT."
            ) from exc
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
