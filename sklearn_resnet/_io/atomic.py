"""Files that appear whole or not at all."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from sklearn_resnet._io.paths import as_path, builtin_type

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic_write(path):
    """Give a path beside `path` to write to, and rename it to `path` when all went well.

    Parameters
    ----------
    path : str or path-like
        Its folder is made if it is absent. What goes to a URL is written on this machine, and sent
        when it is whole.

    Yields
    ------
    pathlib.Path
        With the suffix of `path`, by which many libraries choose a format.

    Raises
    ------
    OSError
        If the folder cannot be made, or there is no room, or writing fails otherwise, naming `path`.
    """
    path = as_path(path)
    if not isinstance(path, Path):
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
    os.chmod(name, 0o666 & ~umask)  # as a file that was opened plainly; mkstemp's are private
    try:
        yield Path(name)
        with open(name, "rb+") as written:  # Windows flushes only what it may write to
            # else, after a loss of power, the name may stand for nothing
            os.fsync(written.fileno())
        os.replace(name, path)
    except OSError as exc:
        if exc.errno not in _NO_ROOM:
            raise
        raise OSError(
            f"Cannot write {str(path)!r}: {exc.strerror or exc}. Make room, or name a file "
            "elsewhere, and run again; what was there before is as it was."
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
            f"Cannot write {str(path)!r}: {exc.strerror or exc}. Name a file in a folder that "
            "can be written to."
        ) from exc


def check_writable(path):
    """Raise the OSError that writing to `path` would, before there is anything to write."""

    class _Stop(Exception):
        pass

    with contextlib.suppress(_Stop), atomic_write(path):
        raise _Stop
