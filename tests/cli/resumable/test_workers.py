"""Tasks in processes: all are done, even if workers die."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from sklearn_resnet._runtime.threads import count_threads, dask_task, set_thread_limit
from sklearn_resnet.cli.resumable.workers import DaskPool, LocalPool, run_in_workers


def touch(folder, i):
    (Path(folder) / str(i)).touch()


def interrupt_and_touch(folder, i):
    os.kill(os.getpid(), signal.SIGINT)
    touch(folder, i)


def die_once(folder, i):
    marker = Path(folder) / f"died {i}"
    if i == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    touch(folder, i)


def die(folder, i):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(folder, i):
    raise ValueError(f"task {i} fails")


def write_threads(folder, i):
    (Path(folder) / f"{count_threads()}").touch()


def run(function, folder, n_tasks=8, n_workers=2):
    tasks = [(str(folder), i) for i in range(n_tasks)]
    return [task[1] for task in run_in_workers(function, tasks, LocalPool(n_workers))]


def test_each_task_is_done_once_though_ctrl_c_reaches_the_workers(tmp_path):
    assert sorted(run(interrupt_and_touch, tmp_path)) == list(range(8))
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(i) for i in range(8)]


@pytest.mark.long
def test_a_worker_that_dies_is_replaced(tmp_path):
    assert sorted(run(die_once, tmp_path)) == list(range(8))
    assert len(list(tmp_path.glob("[0-9]"))) == 8


@pytest.mark.long
def test_workers_that_die_again_and_again_are_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Workers died 4 times in a row.*memory"):
        run(die, tmp_path)


class BreakingPool:
    """Runs some tasks, breaks with one more under way, and accepts no others until its restart.

    Parameters
    ----------
    n_tasks : list of int
        How many tasks it runs after each start.
    """

    def __init__(self, n_tasks):
        self.n_tasks = n_tasks

    def count(self):
        return 1

    def restart(self):
        self.n_tasks.pop(0)

    def submit(self, function, *task):
        self.n_tasks[0] -= 1
        if self.n_tasks[0] < -1:
            raise BrokenProcessPool("while nobody looked")
        future = Future()
        if self.n_tasks[0] < 0:
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(function(*task))
        return future

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass


@pytest.mark.parametrize("n_tasks", [0, 1, 2, 3])
def test_whenever_a_pool_breaks_finished_tasks_are_not_repeated(n_tasks):
    done = []
    pool = BreakingPool([n_tasks, n_tasks, 9])
    found = list(run_in_workers(done.append, [(i,) for i in range(6)], pool))
    assert sorted(found) == [(i,) for i in range(6)]
    assert sorted(done) == list(range(6))


def test_deaths_between_tasks_that_succeed_are_no_error():
    tasks = [(i,) for i in range(6)]
    assert list(run_in_workers(abs, tasks, BreakingPool([1] * 6))) == tasks


class PoolThatBreaksBitByBit(BreakingPool):
    """Its tasks fail one after the other, as those of processes do, until `n_tasks` restarts."""

    def restart(self):
        self.n_tasks -= 1

    def submit(self, function, *task):
        future = Future()
        if self.n_tasks > 0:
            error = BrokenProcessPool("killed")
            threading.Timer(0.1 * task[0], future.set_exception, [error]).start()
        else:
            future.set_result(function(*task))
        return future


def test_a_pool_that_breaks_with_several_tasks_under_way_is_replaced_once():
    tasks, pool = [(0,), (1,)], PoolThatBreaksBitByBit(1)
    assert sorted(run_in_workers(abs, tasks, pool)) == tasks
    assert pool.n_tasks == 0


def test_few_tasks_are_submitted_ahead_of_their_turn():
    submitted = []
    next(run_in_workers(submitted.append, [(i,) for i in range(9)], BreakingPool([9])))
    assert submitted == [0, 1]


@pytest.mark.long
def test_an_error_of_a_task_is_raised(tmp_path):
    with pytest.raises(ValueError, match="task . fails"):
        run(fail, tmp_path)


def test_workers_share_the_cores(tmp_path):
    set_thread_limit(8)  # more than this machine may have
    try:
        run(write_threads, tmp_path, n_tasks=2)
    finally:
        set_thread_limit(None)
    assert [path.name for path in tmp_path.iterdir()] == ["4"]


@pytest.mark.long
def test_a_scheduler_that_is_not_there_is_an_error_that_helps():
    with pytest.raises(
        ConnectionError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"
    ):
        DaskPool("tcp://127.0.0.1:9")


def test_dask_that_is_not_installed_is_an_error_that_helps(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"sklearn-resnet\[dask\]"):
        DaskPool("tcp://127.0.0.1:9")


_SLEEPERS = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
from sklearn_resnet.cli.resumable.workers import LocalPool, run_in_workers

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

list(run_in_workers(sleep, [(sys.argv[1],)] * 2, LocalPool(2)))
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_workers_end_with_their_parent(tmp_path, sent):
    parent = subprocess.Popen(
        [sys.executable, "-c", _SLEEPERS, tmp_path],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        parent.send_signal(sent)
        assert parent.wait(timeout=30) != 0
        while any(is_alive(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        parent.kill()


@pytest.fixture(scope="module")
def scheduler():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address


def count_calls_and_fail(folder):
    (Path(folder) / f"{time.time_ns()}").touch()
    raise ValueError("it fails")


@pytest.mark.long
def test_a_task_of_dask_that_fails_is_not_repeated(scheduler, tmp_path):
    with pytest.raises(ValueError, match="it fails"):
        list(run_in_workers(count_calls_and_fail, [(tmp_path,)], DaskPool(scheduler)))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.long
def test_a_task_that_kills_workers_of_dask_is_an_error_that_helps(scheduler, tmp_path):
    with pytest.raises(RuntimeError, match="Workers died 4 times in a row.*memory"):
        list(run_in_workers(die, [(tmp_path, 0)], DaskPool(scheduler)))


def overlap(folder, i):
    """Fail if another task is in its turn in this process."""
    with dask_task():
        marker = Path(folder) / f"{os.getpid()}"
        marker.touch(exist_ok=False)
        time.sleep(0.05)
        marker.unlink()
        (Path(folder) / f"{i}-{count_threads()}").touch()


@pytest.mark.long
def test_a_worker_of_dask_does_one_task_at_a_time_in_all_of_its_threads(scheduler, tmp_path):
    tasks = [(str(tmp_path), i) for i in range(8)]
    list(run_in_workers(overlap, tasks, DaskPool(scheduler)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{i}-2" for i in range(8)]
