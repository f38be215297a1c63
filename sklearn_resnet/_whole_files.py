"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def write_whole(path):
    """Give a path beside `path` to write to, and rename it to `path` when all went well.

    Parameters
    ----------
    path : str or path-like
        Its folder is made if it is absent.

    Yields
    ------
    pathlib.Path
        With the suffix of `path`, by which many libraries choose a format.

    Raises
    ------
    OSError
        If the folder cannot be made or written to, naming it.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(path.suffix, f".{path.stem[:40]}-", path.parent)
    except OSError as exc:
        raise type(exc)(
            f"Cannot write {str(path)!r}: {exc.strerror or exc}. Name a file in a folder that "
            "can be written to."
        ) from exc
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)  # as a file that was opened plainly; mkstemp's are private
    try:
        yield Path(name)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def check_writable(path):
    """Raise the OSError that writing to `path` would, before there is anything to write."""

    class _Stop(Exception):
        pass

    with contextlib.suppress(_Stop), write_whole(path):
        raise _Stop
