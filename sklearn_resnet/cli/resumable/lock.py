"""The lock on OUTPUT: two runs cannot write it at once."""

from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sklearn_resnet._io.paths import is_local

_SECONDS = 0.5  # of further attempts, needed while another run removes its lock file


def lock_path(output):
    """Name the lock file beside OUTPUT, which is empty."""
    return output.with_name(f"{output.name}.lock")


@contextmanager
def lock_output(path):
    """Lock an output while this process writes it.

    The lock ends with the process, even if it is killed. A URL is not locked, nor is a path on a
    file system without locks.

    Raises
    ------
    BlockingIOError
        If another run is writing there.
    """
    lock = _acquire(path) if is_local(path) else None
    try:
        yield
    finally:
        if lock is not None:
            # The file is removed while it is locked. A process that had opened it before, and
            # locks it after the release, finds that it has no name any more and locks a new file:
            # filelock checks this. Windows cannot remove an open file; there, filelock does it.
            with suppress(OSError):
                Path(lock.lock_file).unlink()
            lock.release()


def _acquire(path):
    """Lock the file beside `path`; return None on a file system without locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # filelock's alternative to native locks would outlive a killed process
    lock = FileLock(lock_path(path), timeout=_SECONDS, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as exc:
        raise BlockingIOError(
            f"Another run is writing {str(path)!r}. Wait until it ends, or name another OUTPUT."
        ) from exc
    except PermissionError:
        raise
    except (OSError, NotImplementedError):
        return None
    return lock
