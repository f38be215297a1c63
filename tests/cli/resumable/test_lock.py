"""The lock on OUTPUT: one run at a time, even if others are killed."""

import errno
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


_IMPORTS = """
import sys, time
from pathlib import Path
from sklearn_resnet.cli.resumable.lock import lock_output
path = Path(sys.argv[1])
"""
_HOLD = """
with lock_output(path):
    print(flush=True)
    time.sleep(60)
"""
_HOLD_OFTEN = """
marker, n_times = path.with_name("held"), 1000
print(flush=True)
sys.stdin.readline()  # so that all begin at once
while n_times:
    try:
        with lock_output(path):
            marker.touch(exist_ok=False)  # fails if another process holds the lock
            marker.unlink()
            n_times -= 1
    except BlockingIOError:
        pass
"""


def start(program, path):
    command = [sys.executable, "-c", _IMPORTS + program, path]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_lock_of_a_killed_process_is_released(tmp_path):
    path = tmp_path / "out.npy"
    process = start(_HOLD, path)
    process.stdout.readline()
    with pytest.raises(BlockingIOError), lock_output(path):
        pass
    process.kill()
    process.communicate()
    with lock_output(path):
        pass


@pytest.mark.long
def test_two_processes_never_hold_the_lock_at_once(tmp_path):
    """Also while a third removes the file that they are about to lock."""
    processes = [start(_HOLD_OFTEN, tmp_path / "out.npy") for _ in range(3)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0, 0, 0]
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


def test_a_lock_that_is_not_permitted_is_an_error(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    with pytest.raises(PermissionError), lock_output(tmp_path / "out.npy"):
        pass


def test_an_error_of_a_run_ends_its_lock(tmp_path):
    with pytest.raises(ValueError, match="of the run"), lock_output(tmp_path / "out.npy"):
        raise ValueError("of the run")
    assert list(tmp_path.iterdir()) == []
