"""The lock on OUTPUT: one run at a time, whatever becomes of the others."""

import errno
import multiprocessing
import subprocess
import sys

import filelock
import pytest

from sklearn_resnet._io.paths import as_path
from sklearn_resnet.cli.resumable.lock import lock_output


def test_an_output_is_locked_by_one_run(tmp_path):
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


_HOLDER = "import sys, time; from pathlib import Path; from sklearn_resnet.cli.resumable.lock import lock_output\n"
_HOLDER += "with lock_output(Path(sys.argv[1])): print(flush=True); time.sleep(60)"


def test_the_lock_of_a_killed_process_is_released(tmp_path):
    path = tmp_path / "out.npy"
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, path], stdout=subprocess.PIPE)
    process.stdout.readline()
    with pytest.raises(BlockingIOError), lock_output(path):
        pass
    process.kill()
    process.communicate()
    with lock_output(path):
        pass


def hold_again_and_again(path, n_times):
    """Lock, for `n_times`, and fail if another process has the lock, too."""
    marker = path.with_name("held")
    while n_times:
        try:
            with lock_output(path):
                marker.touch(exist_ok=False)
                marker.unlink()
                n_times -= 1
        except BlockingIOError:
            pass


def test_two_processes_never_hold_the_lock_at_once(tmp_path):
    """Also while a third removes the file that they are about to lock."""
    context = multiprocessing.get_context("spawn")
    arguments = (tmp_path / "out.npy", 300)
    processes = [context.Process(target=hold_again_and_again, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_not_locked():
    path = as_path("memory://lock/out.npy")
    with lock_output(path), lock_output(path):
        pass


def test_a_file_system_without_locks_ends_no_run(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    with lock_output(tmp_path / "out.npy"):
        pass


def test_an_error_of_a_run_ends_its_lock(tmp_path):
    with pytest.raises(ValueError, match="of the run"), lock_output(tmp_path / "out.npy"):
        raise ValueError("of the run")
    assert list(tmp_path.iterdir()) == []
