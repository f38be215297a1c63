"""Paths on disk, URLs and members of archives, all opened without blocking."""

import contextlib
import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
import threading
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

from cachetools import TTLCache, cached

from sklearn_resnet._io.archives import Archive, decompress, find_decompressor, scan
from sklearn_resnet._runtime.imports import import_optional
from sklearn_resnet._runtime.threads import make_fork_safe_lock

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_SUFFIX = r"\.(?:zip|tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz)"
_ARCHIVE = re.compile(rf"{_SUFFIX}\Z", re.IGNORECASE)
_ARCHIVE_AND_MORE = re.compile(rf"{_SUFFIX}(?=[/{re.escape(os.sep)}])", re.IGNORECASE)
_WRAPPERS = re.compile(r"(?:\w+::)*")  # such as "simplecache::" before a URL
_DATASET = re.compile(  # before the name of an array
    r"(\.(?:npz|h5|hdf5|hdf|he5|nc|zarr|fits|fit|fts|fz))::", re.IGNORECASE
)
_ARCHIVE_PROTOCOLS = ("zip://", "tar://", "libarchive://")  # a URL with an archive after "::"
_MAX_COPIES = 4  # local copies of remote or compressed archives at the same time
_MAX_DIRECTORIES = 16  # directories of other archives in memory
_VERSION_TTL = 10  # seconds after which the version of a URL is queried again
_archive_lock = make_fork_safe_lock()
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
        A path on disk, a URL, or a member of an archive (``"shards/a.tar/00001.jpg"``).

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
    archive, member = split_member(path)
    if member is not None:
        yield io.BytesIO(_read_member(archive, member))
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
        hash of the metadata of its store; for a Zarr store, a hash of the versions of its files.

    Raises
    ------
    OSError
        If the file does not exist.
    """
    file, dataset = split_dataset(path)
    if is_zarr(file):
        return _store_version(file, (dataset or "").strip("/"))
    archive, member = split_member(file)
    if member is not None:
        return file_version(archive)
    if not is_url(path):
        return _version(os.stat(file))
    path = as_path(path if dataset is None else file)
    return _hash(_describe_info(path.fs.info(path.path)))  # size and a time, a checksum or an ETag


def _store_version(store, part):
    """Return a version of a part of a Zarr store, from those of all its files."""
    if is_url(store):
        folder = as_path(store) / part
        found = folder.fs.find(folder.path, detail=True)
        return _hash([(name, _describe_info(info)) for name, info in sorted(found.items())])
    folder = os.path.join(store, part)
    os.stat(folder)  # raises an error if there is none
    files = (os.path.join(path, name) for path, _, names in os.walk(folder) for name in names)
    return _hash(sorted((os.path.relpath(file, folder), _version(os.stat(file))) for file in files))


def _describe_info(info):
    items = info.items()
    return sorted((key, str(value)) for key, value in items if isinstance(value, _INFO_TYPES))


def _hash(described):
    return hashlib.blake2b(repr(described).encode(), digest_size=12).hexdigest()


def _version(status):
    return f"{status.st_size}-{status.st_mtime_ns}"


def is_archive(path):
    """Whether a path has the suffix of a zip or of a tar, compressed or not."""
    return _ARCHIVE.search(_split_chain(path)[0]) is not None


def strip_archive_suffix(name):
    """Return ``"photos"`` for ``"photos.zip"``, and other names as they are."""
    return _ARCHIVE.sub("", name)


def split_member(path):
    """Split a path into an archive and the name of its member, or `path` and None without one."""
    text, chain = _split_chain(path)
    for found in _ARCHIVE_AND_MORE.finditer(text):
        archive, member = text[: found.end()], text[found.end() + 1 :]
        if is_url(text) or os.path.isfile(archive):  # a folder may have the name of an archive
            return archive + chain, member.replace(os.sep, "/")
    return path, None


def join_member(archive, name):
    """Join the path of an archive and the name of a member; `split_member` is the inverse."""
    text, chain = _split_chain(archive)
    return f"{text}/{name}{chain}"


def split_dataset(path):
    """Split ``"a.h5::/images"`` into a file and the name of an array in it, or None without one."""
    text = str(path)
    is_chain = _WRAPPERS.match(text).end() > 0 or text.startswith(_ARCHIVE_PROTOCOLS)
    found = None if is_chain else _DATASET.search(text)
    if found is None:
        return path, None
    return text[: found.start() + len(found[1])], text[found.end() :]


def is_zarr(path):
    """Whether a path has the suffix of a Zarr store, which is a folder."""
    return str(path).lower().endswith(".zarr") and (is_url(path) or os.path.isdir(path))


def _split_chain(path):
    """Split ``"zip://a.tar::b.zip"``, a URL in a URL, before the colons."""
    text = str(path)
    if not is_url(path):
        return text, ""
    start = _WRAPPERS.match(text).end()
    end = text.find("::", start)
    return (text, "") if end < 0 else (text[:end], text[end:])


def scan_archive(path, suffix=None, max_bytes=0):
    """List the members of an archive.

    An archive that is compressed as a whole is decompressed to a temporary file, for reading its
    members, too. No other one is copied.

    Parameters
    ----------
    path : str
        A path on disk or a URL.
    suffix : str, default=None
        Suffix of the members whose contents are returned.
    max_bytes : int, default=0
        Maximum size of these contents; larger ones are left out.

    Returns
    -------
    names : iterable of str
        The normalized names of the regular files, in the order of the archive.
    contents : dict of str to bytes
    """
    with _open_whole(path) as file:
        if find_decompressor(file) is None:
            return scan(file, suffix, max_bytes)
    return _open_archive(str(path)).scan(suffix, max_bytes)


@contextlib.contextmanager
def _open_whole(path):
    """Open a file without reading it."""
    if not is_url(path):
        with open_file(path) as file:
            yield file
        return
    url = as_path(path)  # some stores close their files when nothing refers to them
    with url.open("rb") as file:
        yield file


class _TemporaryCopy:
    """An unnamed file, which is deleted with this object."""

    def __init__(self):
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
        self._lock = threading.Lock()

    def __del__(self):
        self.file.close()

    def read_at(self, offset, size):
        """Read bytes by offset and size."""
        with self._lock:
            self.file.seek(offset)
            return self.file.read(size)


# The version, here and below, is only part of the key of the cache.
@lru_cache(maxsize=_MAX_COPIES)
def _copy_archive(path, version):
    """Copy an archive, and decompress the copy."""
    copy = _TemporaryCopy()
    with _open_whole(path) as source:
        opens = find_decompressor(source)
        if opens is None:
            shutil.copyfileobj(source, copy.file, 2**20)
        else:
            decompress(source, copy.file, opens)
    return Archive(copy.file, copy.read_at)


@lru_cache(maxsize=_MAX_DIRECTORIES)
def _open_in_place(path, version):
    """Open an archive on disk; return None if it is compressed as a whole."""
    with open_file(path) as file:
        if find_decompressor(file) is None:
            return Archive(file, partial(_read_range, path))
    return None


@cached(TTLCache(maxsize=16, ttl=_VERSION_TTL))
def _recent_version(url):
    return file_version(url)


def _open_archive(path):
    with _archive_lock:  # one thread copies or lists, the others wait
        if is_url(path):
            return _copy_archive(path, _recent_version(path))
        version = file_version(path)
        return _open_in_place(path, version) or _copy_archive(path, version)


def _read_member(archive, member):
    try:
        return _open_archive(archive).read(member)
    except KeyError:
        raise FileNotFoundError(None, f"the archive {archive!r} has no such member") from None


def _read_range(path, offset, size):
    with open_file(path) as file:
        file.seek(offset)
        return file.read(size)


def _close_archives():
    _copy_archive.cache_clear()
    _open_in_place.cache_clear()


if hasattr(os, "register_at_fork"):  # parent and child would share the offset of a copy
    os.register_at_fork(after_in_child=_close_archives)
