"""The number of threads that this process may use, and prefetching in threads."""

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

_limit = None
_task_lock = threading.Lock()


def make_fork_safe_lock():
    """Make a lock that a fork waits for, so that the child finds it free."""
    lock = threading.Lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock


def set_thread_limit(n_threads):
    """Set the number of cores that this process may keep busy; None removes the limit."""
    global _limit
    _limit = n_threads


def count_threads():
    """Count the cores that this process may keep busy.

    In a worker process of joblib, this is its share of the cores, which joblib sets in the variable
    OMP_NUM_THREADS. Users set that variable for the same purpose.

    Returns
    -------
    int
        At least 1.
    """
    if _limit is not None:
        return _limit
    import joblib  # late: it imports asyncio and multiprocessing, and help needs none of them

    cores = joblib.cpu_count()
    share = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, min(cores, int(share))) if share.isdecimal() else cores


@contextmanager
def dask_task():
    """Run a Dask task alone in its process, with the threads of its worker.

    A Dask worker runs one task per thread at once, but each of our tasks would use all threads.
    Outside a cluster, where Dask's threads belong to this process, the limit is unchanged.
    """
    with _task_lock:
        limit = _limit
        try:
            from distributed import get_worker

            set_thread_limit(get_worker().state.nthreads)
        except (ImportError, ValueError):
            pass
        try:
            yield
        finally:
            set_thread_limit(limit)


def prefetch_map(function, items, n_threads, n_ahead, chunk_size=1):
    """Apply a function to items in threads, up to `n_ahead` items before their results are needed.

    Parameters
    ----------
    function : callable
    items : iterable
    n_threads, n_ahead : int
    chunk_size : int, default=1
        The number of items that a thread takes at once, and that are taken ahead at least. Handing over
        results takes time, which counts for quick functions.

    Yields
    ------
    object
        The results, in order. An error is raised in place of its result.
    """

    def call(chunk):
        results = []
        for item in chunk:
            try:
                results.append(function(item))
            except BaseException as exc:
                return results, exc
        return results, None

    def take(future):
        results, error = future.result()
        yield from results
        if error is not None:
            try:
                raise error
            finally:
                del error  # which refers to this frame

    items = iter(items)
    with ThreadPoolExecutor(n_threads) as pool:
        pending = deque()
        try:
            while chunk := list(islice(items, chunk_size)):
                pending.append(pool.submit(call, chunk))
                if len(pending) * chunk_size > n_ahead:
                    yield from take(pending.popleft())
            while pending:
                yield from take(pending.popleft())
        finally:  # after an error, or when the consumer stops early
            for future in pending:
                future.cancel()


def call_within(seconds, function, message):
    """Call a function in a thread of its own, and give up waiting after some seconds.

    The time limits of sockets do not cover the resolution of host names.

    Parameters
    ----------
    seconds : float
    function : callable
    message : str
        That of the error.

    Returns
    -------
    object
        The result of the function.

    Raises
    ------
    TimeoutError
        If the function takes longer. It goes on in a daemon thread.
    """
    outcome = []

    def run():
        try:
            outcome.append((function(), None))
        except BaseException as exc:
            outcome.append((None, exc))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(message)
    value, exc = outcome[0]
    if exc is not None:
        raise exc
    return value
