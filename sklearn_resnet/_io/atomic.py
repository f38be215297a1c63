"""Atomic writes: a file appears complete or not at all."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from sklearn_resnet._io.paths import as_path, builtin_type, is_local

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic_write(path):
    """Yield a temporary path beside `path`, and rename it to `path` on success.

    Parameters
    ----------
    path : str or path-like
        Its folder is created if it is absent. A file for a URL is written on this machine and
        uploaded when it is complete.

    Yields
    ------
    pathlib.Path
        It has the suffix of `path`, by which many libraries choose a format.

    Raises
    ------
    OSError
        If the folder cannot be created, the disk is full or writing fails otherwise. The message
        names `path`.
    """
    path = as_path(path)
    if not is_local(path):
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / path.name
            yield local
            with _naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.fs.put_file(str(local), path.path)
        return
    with _naming(path):
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(path.suffix, f".{path.stem[:40]}-", path.parent)
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)  # the usual permissions; those of mkstemp are private
    try:
        yield Path(name)
        with open(name, "rb+") as written:  # Windows flushes only files open for writing
            os.fsync(written.fileno())  # a renamed file could be empty after a loss of power
        os.replace(name, path)
    except OSError as exc:
        if exc.errno not in _NO_SPACE:
            raise
        raise OSError(
            f"Cannot write {str(path)!r}: {exc.strerror or exc}. Free some space, or write to "
            "another place. A former file at this path is unchanged."
        ) from exc
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


@contextlib.contextmanager
def _naming(path):
    try:
        yield
    except OSError as exc:
        raise builtin_type(exc)(
            f"Cannot write {str(path)!r}: {exc.strerror or exc}. Choose a file in a writable "
            "folder."
        ) from exc


def check_writable(path):
    """Raise the OSError of a write to `path` early, without writing anything."""

    class _Stop(Exception):
        pass

    with contextlib.suppress(_Stop), atomic_write(path):
        raise _Stop
