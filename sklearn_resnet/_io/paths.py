"""Paths on disk, URLs and members of tars, all opened without blocking."""

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
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

from cachetools import TTLCache, cached

from sklearn_resnet._runtime.imports import import_optional

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_TAR = ".tar"
_TAR_AND_MORE = re.compile(rf"\.tar(?=[/{re.escape(os.sep)}])", re.IGNORECASE)
_MAX_COPIES = 4  # local copies of remote tars at the same time
_VERSION_TTL = 10  # seconds after which the version of a URL is queried again
_copy_lock = threading.Lock()
_INFO_TYPES = (str, bytes, int, float, tuple, datetime)


def is_url(path):
    """Whether `path` is a URL of fsspec, such as ``"s3://bucket/photos"``."""
    return not is_local(path) and "://" in str(path)


def is_local(path):
    """Whether `path`, an object of `as_path`, is a path on disk."""
    return isinstance(path, Path)


def suffix_of(path):
    """Return the suffix of a file in lower case: ``".jpg"`` for ``"zip://a.JPG::b.zip"``."""
    return os.path.splitext(str(path).partition("::")[0])[1].lower()


def as_path(path):
    """Convert a path or URL to an object with the interface of `pathlib.Path`.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    pathlib.Path or upath.UPath

    Raises
    ------
    ImportError
        If `path` is a URL and a package that reads it is not installed.
    """
    if not is_url(path):
        return Path(path)
    purpose = f"The URL {str(path)!r}"
    upath = import_optional("upath", extra="remote", purpose=purpose)
    url = upath.UPath(path)
    if url.protocol in ("http", "https"):
        import_optional("aiohttp", extra="remote", purpose=purpose)
    try:
        url.fs  # noqa: B018  imports the package of the protocol
    except ImportError as exc:  # fsspec names the package of the protocol
        exc.add_note(f"The URL {str(path)!r} needs that package.")
        raise
    return url


@contextlib.contextmanager
def open_file(path):
    """Open a file for reading bytes.

    Parameters
    ----------
    path : str or path-like
        A path on disk, a URL, or a member of a tar (``"shards/a.tar/00001.jpg"``).

    Yields
    ------
    file object
        Binary and seekable.

    Raises
    ------
    OSError
        If the file does not exist, cannot be opened, is not a regular file (reading a FIFO would
        block) or changed while it was open. Its `strerror` is the cause.
    """
    tar, member = split_member(path)
    if member is not None:
        yield io.BytesIO(_read_member(tar, member))
    elif is_url(path):
        yield io.BytesIO(as_path(path).read_bytes())
    else:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            os.scandir(path).close()  # the error of an unreadable folder says more
        _refuse_special(status)
        # another file may have taken its place meanwhile, so opening must not block either
        with open(path, "rb", opener=_open_nonblocking) as file:
            before = os.fstat(file.fileno())
            _refuse_special(before)
            yield file
            if _version(os.fstat(file.fileno())) != _version(before):
                raise OSError(None, "it changed while it was read")


def _open_nonblocking(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_special(status):
    """Raise OSError for anything but a regular file."""
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            kind = IsADirectoryError if is_kind is stat.S_ISDIR else OSError
            raise kind(None, f"it is {name}, not a regular file")


def builtin_type(exc):
    """Return the builtin base type of an OSError; its own type may not accept a message."""
    return next(kind for kind in type(exc).__mro__ if kind.__module__ == "builtins")


def file_version(path):
    """Return a version of a file, which changes when another file takes its path.

    Parameters
    ----------
    path : str or path-like
        As for `open_file`.

    Returns
    -------
    str
        For a file on disk, its size in bytes and the time of its last change in ns; for a URL, a
        hash of the metadata of its store.

    Raises
    ------
    OSError
        If the file does not exist.
    """
    tar, member = split_member(path)
    if member is not None:
        return file_version(tar)
    if not is_url(path):
        return _version(os.stat(path))
    path = as_path(path)
    info = path.fs.info(path.path)  # size and a time, a checksum or an ETag
    items = info.items()
    known = sorted((key, str(value)) for key, value in items if isinstance(value, _INFO_TYPES))
    return hashlib.blake2b(repr(known).encode(), digest_size=12).hexdigest()


def _version(status):
    return f"{status.st_size}-{status.st_mtime_ns}"


def is_tar(path):
    """Whether a path has the suffix of a tar."""
    return str(path).lower().endswith(_TAR)


def split_member(path):
    """Split a path into a tar and the name of its member, or `path` and None without a tar."""
    text = str(path)
    for found in _TAR_AND_MORE.finditer(text):
        tar, member = text[: found.end()], text[found.end() + 1 :]
        if is_url(text) or os.path.isfile(tar):  # a folder may have the name of a tar
            return tar, member.replace(os.sep, "/")
    return path, None


def list_tar(path):
    """Locate the members of a tar.

    Parameters
    ----------
    path : str
        A path on disk or a URL.

    Returns
    -------
    dict of str to tuple of 2 int
        Offset and size in bytes of the content of each regular file, by its name, in the order
        of the tar.

    Raises
    ------
    OSError, tarfile.TarError
        If it cannot be read.
    """
    return _list_tar(str(path), file_version(path))


# The version, here and below, is only part of the key of the cache.
@lru_cache(maxsize=16)
def _list_tar(path, version):
    return scan_tar(path)[0]


def scan_tar(path, suffix=None, max_bytes=0):
    """Read a tar once from start to end, without keeping a copy.

    Parameters
    ----------
    path : str
    suffix : str, default=None
        Suffix of the members whose contents are returned.
    max_bytes : int, default=0
        Maximum size of these contents; larger ones are left out.

    Returns
    -------
    members : dict of str to tuple of 2 int
        As returned by `list_tar`.
    contents : dict of str to bytes
    """
    with as_path(path).open("rb") if is_url(path) else open_file(path) as file:
        return _scan(file, suffix, max_bytes)


def _scan(file, suffix=None, max_bytes=0):
    members, contents = {}, {}
    # threads cannot share a TarFile, so members are read by their offsets
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            members[member.name] = member.offset_data, member.size
            if suffix and member.name.endswith(suffix) and member.size <= max_bytes:
                contents[member.name] = tar.extractfile(member).read()
    return members, contents


class _Copy:
    """A local copy of a remote tar in an unnamed file, which its last user deletes."""

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


@cached(TTLCache(maxsize=16, ttl=_VERSION_TTL))
def _recent_version(url):
    return file_version(url)


def _read_member(tar, member):
    if is_url(tar):
        with _copy_lock:  # one thread copies, the others wait
            copy = _copy_tar(tar, _recent_version(tar))
        members, read = copy.members, copy.read
    else:
        members, read = list_tar(tar), partial(_read_range, tar)
    if member not in members:
        raise FileNotFoundError(None, f"the tar {tar!r} has no such member")
    offset, size = members[member]
    content = read(offset, size)
    if len(content) < size:
        raise OSError(None, f"the tar {tar!r} is truncated")
    return content


def _read_range(path, offset, size):
    with open_file(path) as file:
        file.seek(offset)
        return file.read(size)
