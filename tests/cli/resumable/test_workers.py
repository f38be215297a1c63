"""Work that processes share: all of it is done, whoever dies."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import pytest

from sklearn_resnet._runtime.threads import count_threads
from sklearn_resnet.cli.resumable import workers as _workers
from sklearn_resnet.cli.resumable.workers import lock_output, run_in_workers


def touch(folder, i):
    (Path(folder) / str(i)).touch()


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
    return [task[1] for task in run_in_workers(function, tasks, n_workers)]


def test_all_is_done_once(tmp_path):
    assert sorted(run(touch, tmp_path)) == list(range(8))
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(i) for i in range(8)]


def test_who_dies_is_replaced(tmp_path):
    assert sorted(run(die_once, tmp_path)) == list(range(8))
    assert len(list(tmp_path.glob("[0-9]"))) == 8


def test_who_dies_again_and_again_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Workers died 4 times in a row.*memory"):
        run(die, tmp_path)


class BreakingPool:
    """Runs so many tasks, breaks with one under way, and takes no more."""

    def __init__(self, n_tasks):
        self.n_tasks = n_tasks

    def submit(self, function, *task):
        self.n_tasks -= 1
        if self.n_tasks < -1:
            raise BrokenProcessPool("while nobody looked")
        future = Future()
        if self.n_tasks < 0:
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(function(*task))
        return future


@pytest.mark.parametrize("n_tasks", [0, 1, 2, 3])
def test_whenever_a_pool_breaks_what_is_done_is_not_done_again(monkeypatch, n_tasks):
    pools, done = iter([BreakingPool(n_tasks), BreakingPool(n_tasks), BreakingPool(9)]), []

    @contextmanager
    def open_pool(n_workers):
        yield lambda: next(pools), lambda: 1

    monkeypatch.setattr(_workers, "_open_local", open_pool)
    found = list(run_in_workers(done.append, [(i,) for i in range(6)], 1))
    assert sorted(found) == [(i,) for i in range(6)]
    assert sorted(done) == list(range(6))


def test_an_error_arrives(tmp_path):
    with pytest.raises(ValueError, match="task . fails"):
        run(fail, tmp_path)


def test_workers_share_the_cores(tmp_path):
    run(write_threads, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [str(max(1, count_threads() // 2))]


def test_a_scheduler_that_is_not_there_is_an_error_that_helps():
    with pytest.raises(ConnectionError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'"):
        list(run_in_workers(touch, [("", 1)], 1, "tcp://127.0.0.1:9"))


def test_dask_that_is_not_installed_is_an_error_that_helps(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"sklearn-resnet\[dask\]"):
        list(run_in_workers(touch, [("", 1)], 1, "tcp://127.0.0.1:9"))


_SLEEPERS = """
import os, sys, time
from pathlib import Path
from sklearn_resnet.cli.resumable.workers import run_in_workers

def sleep(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

list(run_in_workers(sleep, [(sys.argv[1],)] * 2, 2))
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_workers_end_with_their_parent(tmp_path, sent):
    parent = subprocess.Popen(
        [sys.executable, "-c", _SLEEPERS, tmp_path],
        stderr=subprocess.DEVNULL,
        # whoever runs the tests may ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
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


def test_a_place_is_claimed_by_one_run(tmp_path):
    path = tmp_path / "out.npy"
    for _ in range(2):
        with lock_output(path):
            with (
                pytest.raises(BlockingIOError, match="Another run is writing '.*out.npy'. Wait"),
                lock_output(path),
            ):
                pass
            with lock_output(tmp_path / "other.npy"):
                pass
    assert list(tmp_path.iterdir()) == []


_CLAIM = "import sys, time; from pathlib import Path; from sklearn_resnet.cli.resumable.workers import lock_output\n"
_CLAIM += "with lock_output(Path(sys.argv[1])): print(flush=True); time.sleep(60)"


def test_who_is_killed_claims_nothing(tmp_path):
    path = tmp_path / "out.npy"
    process = subprocess.Popen([sys.executable, "-c", _CLAIM, path], stdout=subprocess.PIPE)
    process.stdout.readline()
    with pytest.raises(BlockingIOError), lock_output(path):
        pass
    process.kill()
    process.communicate()
    with lock_output(path):
        pass
