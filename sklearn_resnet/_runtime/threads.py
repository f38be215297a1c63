"""How many threads this process may use, and work that they do ahead."""

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import joblib

_share = None


def set_share(n_threads):
    """Tell `count_threads` how many cores this process may keep busy; None lets it find out."""
    global _share
    _share = n_threads


def count_threads():
    """Count the cores that this process may keep busy.

    In a worker that joblib started beside others, it is its share: joblib tells it in the
    variable OMP_NUM_THREADS, which people set for the same end.

    Returns
    -------
    int
        At least 1.
    """
    if _share is not None:
        return _share
    cores = joblib.cpu_count()
    share = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, min(cores, int(share))) if share.isdecimal() else cores


def prefetch_map(function, items, n_threads, n_ahead):
    """Apply a function to items in threads, to so many of them before they are asked for.

    Yields
    ------
    object
        The results, in order.
    """
    with ThreadPoolExecutor(n_threads) as pool:
        ahead = deque()
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > n_ahead:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:  # after an error, or if no more are wanted
            for future in ahead:
                future.cancel()


_turn = threading.Lock()


@contextmanager
def taking_turns():
    """Have the threads of this process to oneself, of a worker of Dask those that it was given.

    Dask runs as many tasks at once as there are threads, and each of these would take them all.
    """
    with _turn:
        try:
            from distributed import get_worker

            set_share(get_worker().state.nthreads)
        except (ImportError, ValueError):  # no cluster, or Dask's threads in this process
            pass
        yield
