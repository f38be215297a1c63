"""The number of threads, the share of a worker, prefetching, and locks over a fork."""

import os
import threading
import time

import joblib
import pytest

from sklearn_resnet._runtime.threads import (
    call_within,
    count_threads,
    dask_task,
    make_fork_safe_lock,
    prefetch_map,
    set_thread_limit,
)

CORES = joblib.cpu_count()


@pytest.fixture(autouse=True)
def _no_limit():
    set_thread_limit(None)
    yield
    set_thread_limit(None)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (None, CORES),
        ("", CORES),
        ("many", CORES),
        ("-1", CORES),
        ("1", 1),
        ("1,9", 1),
        ("0", 1),
        (str(CORES + 5), CORES),
    ],
)
def test_the_share_of_a_worker_is_in_its_environment(monkeypatch, share, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if share is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", share)
    assert count_threads() == expected


def test_a_limit_counts_before_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    set_thread_limit(CORES + 3)
    assert count_threads() == CORES + 3
    set_thread_limit(None)
    assert count_threads() == 1


def count_in_task():
    with dask_task():
        return count_threads()


def test_a_task_of_dask_takes_the_threads_of_its_worker():
    """A number of threads that neither the cores nor the environment suggest."""
    from distributed import Client

    n_threads = CORES + 2
    with Client(
        processes=False, n_workers=1, threads_per_worker=n_threads, dashboard_address=None
    ) as client:
        assert client.submit(count_in_task).result(timeout=60) == n_threads


def test_the_limit_is_unchanged_after_a_task_and_in_one_outside_a_cluster():
    set_thread_limit(CORES + 3)
    assert count_in_task() == CORES + 3

    def fail():
        with dask_task():
            set_thread_limit(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert count_threads() == CORES + 3
    assert count_in_task() == CORES + 3  # the lock is free again


def test_results_come_in_order_and_are_computed_in_threads():
    def work(i):
        time.sleep(0.002 * (7 - i % 8))
        threads.add(threading.get_ident())
        return i * i

    threads = set()
    assert list(prefetch_map(work, range(16), 4, 3)) == [i * i for i in range(16)]
    assert len(threads) == 4
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("n_ahead", [0, 1, 4])
def test_no_more_items_are_taken_than_are_needed_ahead(n_ahead):
    def take():
        for i in range(20):
            taken.append(i)
            yield i

    taken = []
    for n_given, _ in enumerate(prefetch_map(str, take(), 2, n_ahead), start=1):
        assert len(taken) == min(20, n_given + n_ahead)


def test_an_error_comes_after_the_results_before_it_in_its_chunk():
    def work(i):
        chunks.setdefault(threading.get_ident(), []).append(i)
        return 6 // (5 - i)

    chunks = {}
    results = prefetch_map(work, range(8), 1, 8, chunk_size=4)
    assert [next(results) for _ in range(5)] == [1, 1, 2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(chunks.values()) == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("fails", [False, True])
def test_after_an_early_end_nothing_more_is_computed(fails):
    def work(i):
        started.append(i)
        time.sleep(0.02)
        if fails and i == 1:
            raise ValueError("damaged")
        return i

    started = []
    before = threading.active_count()
    results = prefetch_map(work, range(100), 1, 50)
    assert next(results) == 0
    if fails:
        with pytest.raises(ValueError, match="damaged"):
            next(results)
    results.close()
    assert len(started) < 20
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_finds_a_lock_free_that_a_thread_held_at_the_fork():
    def hold():
        with lock:
            held.set()
            time.sleep(0.2)
            released.append(True)

    lock, held, released = make_fork_safe_lock(), threading.Event(), []
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        is_free = lock.acquire(timeout=5)
        os._exit(0 if is_free and released else 1)
    _, status = os.waitpid(child, 0)
    thread.join()
    assert status == 0
    assert lock.acquire(timeout=5)
    lock.release()  # every later fork of this process waits for it


def test_a_call_ends_with_its_result_its_error_or_in_time():
    assert call_within(5, lambda: 3, "late") == 3
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 / 0, "late")
    done = threading.Event()
    with pytest.raises(TimeoutError, match="late"):
        call_within(0.05, lambda: done.wait(20), "late")
    done.set()
