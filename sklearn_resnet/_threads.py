"""How many threads this process may use."""

import os

import joblib


def count_threads():
    """Count the cores that this process may keep busy.

    In a worker that joblib started beside others, it is its share: joblib tells it in the
    variable OMP_NUM_THREADS, which people set for the same end.

    Returns
    -------
    int
        At least 1.
    """
    cores = joblib.cpu_count()
    share = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, min(cores, int(share))) if share.isdecimal() else cores
