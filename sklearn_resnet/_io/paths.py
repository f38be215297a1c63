"""Where files lie: on disk, behind a URL, in a tar; opened without waiting for what never comes."""

import contextlib
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
import threading
import time
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_TAR = ".tar"
_TAR_AND_MORE = re.compile(r"\.tar(?=/)", re.IGNORECASE)
_MAX_COPIES = 4  # of tars behind URLs, on this machine at once
_SECONDS_TRUSTED = 10  # after which it is asked again whether what a URL stands for has changed
_copying = threading.Lock()
_FACTS = (str, bytes, int, float, tuple, datetime)


def is_url(path):
    """Whether `path` is a URL of fsspec, as ``"s3://bucket/photos"``."""
    return not isinstance(path, Path) and "://" in str(path)


def suffix_of(path):
    """How the name of a file ends, in small letters: of ``zip://a.JPG::b.zip``, ``".jpg"``."""
    return os.path.splitext(str(path).partition("::")[0])[1].lower()


def as_path(path):
    """A path on disk as pathlib has it, and that of a URL as a path that works alike.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    pathlib.Path or upath.UPath

    Raises
    ------
    ImportError
        If `path` is a URL, and what reads it is not installed.
    """
    if not is_url(path):
        return Path(path)
    try:
        from upath import UPath

        path = UPath(path)
        path.fs  # noqa: B018  imports what the protocol needs
    except ImportError as exc:
        raise ImportError(
            f"{str(path)!r} is a URL, which fsspec reads, and something is missing for it: {exc}. "
            "Install it by `pip install 'sklearn-resnet[remote]'`, and s3fs for s3://, gcsfs for "
            "gs://."
        ) from exc
    return path


@contextlib.contextmanager
def open_file(path):
    """Open a file to read its bytes.

    Parameters
    ----------
    path : str or path-like
        On disk, a URL, or ``"shards/a.tar/00001.jpg"``, a member of a tar.

    Yields
    ------
    file object
        Binary, that can be wound back.

    Raises
    ------
    OSError
        If there is no such file, it cannot be opened, is no regular file (a FIFO would keep its
        reader waiting), or changed while it was open. Its `strerror` says what is wrong.
    """
    tar, member = split_member(path)
    if member is not None:
        yield io.BytesIO(_read_member(tar, member))
    elif is_url(path):
        yield io.BytesIO(as_path(path).read_bytes())
    else:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()  # of one that cannot be listed, the reason is the news
        _refuse_special(status)
        # between the two the file may have been replaced: neither may wait
        with open(path, "rb", opener=_open_at_once) as file:
            before = os.fstat(file.fileno())
            _refuse_special(before)
            yield file
            if _version(os.fstat(file.fileno())) != _version(before):
                raise OSError(None, "it changed while it was read")


def _open_at_once(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_special(status):
    """Raise OSError for what is there and is no regular file."""
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            kind = IsADirectoryError if is_kind is stat.S_ISDIR else OSError
            raise kind(None, f"it is {name}, and no regular file")


def builtin_type(exc):
    """Of an OSError, the kind of Python's own that it is: others may not be made of a message."""
    return next(kind for kind in type(exc).__mro__ if kind.__module__ == "builtins")


def file_version(path):
    """What tells a file from another that had, or will have, its path.

    Parameters
    ----------
    path : str or path-like
        As for `open_file`.

    Returns
    -------
    str
        Of a file on disk its size, in bytes, and the time of its last change, in ns; of a URL what
        its store says of it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    tar, member = split_member(path)
    if member is not None:  # whose name tells it from others
        return file_version(tar)
    if not is_url(path):
        return _version(os.stat(path))
    path = as_path(path)
    info = path.fs.info(path.path)  # its size, and a time, a checksum or an ETag
    facts = sorted((key, str(value)) for key, value in info.items() if isinstance(value, _FACTS))
    return hashlib.blake2b(repr(facts).encode(), digest_size=12).hexdigest()


def _version(status):
    return f"{status.st_size}-{status.st_mtime_ns}"


def is_tar(path):
    """Whether a path ends as that of a tar."""
    return str(path).lower().endswith(_TAR)


def split_member(path):
    """The path of a tar and the name of its member, or `path` and None."""
    text = str(path)
    for found in _TAR_AND_MORE.finditer(text):
        tar, member = text[: found.end()], text[found.end() + 1 :]
        if is_url(text) or os.path.isfile(tar):  # else a folder that is named like a tar
            return tar, member
    return path, None


def list_tar(path):
    """Where the members of a tar lie in it.

    Parameters
    ----------
    path : str
        On disk, or a URL.

    Returns
    -------
    dict of str to tuple of 2 int
        By name, the offset and the size of the content of each regular file, in bytes, in the
        order of the tar.

    Raises
    ------
    OSError, tarfile.TarError
        If it cannot be read.
    """
    return _list_tar(str(path), file_version(path))


# Of what is kept here and below, the last argument is there for the key alone.
@lru_cache(maxsize=16)
def _list_tar(path, version):
    return scan_tar(path)[0]


def scan_tar(path, suffix=None, max_bytes=0):
    """Go through a tar once, without keeping a copy of it.

    Parameters
    ----------
    path : str
    suffix : str, default=None
        Of the members whose contents are wanted.
    max_bytes : int, default=0
        How long such contents may be; longer ones are left out.

    Returns
    -------
    members : dict of str to tuple of 2 int
        As of `list_tar`.
    contents : dict of str to bytes
    """
    with as_path(path).open("rb") if is_url(path) else open_file(path) as file:
        return _scan(file, suffix, max_bytes)


def _scan(file, suffix=None, max_bytes=0):
    members, contents = {}, {}
    # what tarfile gives to read a member by cannot be shared by threads: so offsets, once
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            members[member.name] = member.offset_data, member.size
            if suffix and member.name.endswith(suffix) and member.size <= max_bytes:
                contents[member.name] = tar.extractfile(member).read()
    return members, contents


class _Copy:
    """What a URL stands for, in a file without a name, which goes with the last who uses it."""

    def __init__(self, url):
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
        self._lock = threading.Lock()
        with as_path(url).open("rb") as source:
            shutil.copyfileobj(source, self._file, 2**20)
        self._file.seek(0)
        self.members = _scan(self._file)[0]

    def __del__(self):
        self._file.close()

    def read(self, offset, size):
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)


@lru_cache(maxsize=_MAX_COPIES)
def _copy_tar(url, version):
    return _Copy(url)


@lru_cache(maxsize=16)
def _find_version_lately(url, moment):
    return file_version(url)


def _read_member(tar, member):
    if is_url(tar):
        with _copying:  # by one thread, for all
            version = _find_version_lately(tar, time.monotonic() // _SECONDS_TRUSTED)
            copy = _copy_tar(tar, version)
        members, read = copy.members, copy.read
    else:
        members, read = list_tar(tar), partial(_read_range, tar)
    if member not in members:
        raise FileNotFoundError(None, f"the tar {tar!r} has no such member")
    offset, size = members[member]
    content = read(offset, size)
    if len(content) < size:
        raise OSError(None, f"the tar {tar!r} ends in the middle of it")
    return content


def _read_range(path, offset, size):
    with open_file(path) as file:
        file.seek(offset)
        return file.read(size)
