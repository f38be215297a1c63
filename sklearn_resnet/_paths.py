"""Where files lie: on disk, behind a URL, in a tar; opened without waiting for what never comes."""

import contextlib
import hashlib
import io
import os
import stat
import tarfile
from datetime import datetime
from functools import lru_cache
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_TAR = ".tar"
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
        _refuse_special(os.stat(path))
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


def find_version(path):
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
    if member is not None:
        return f"{find_version(tar)}-{list_tar(tar)[member][0]}"
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
    end = text.lower().find(f"{_TAR}/")
    if end < 0:
        return path, None
    end += len(_TAR)
    if not is_url(text) and not os.path.isfile(text[:end]):
        return path, None  # a folder that is named like a tar
    return text[:end], text[end + 1 :]


def list_tar(path):
    """Where the members of a tar lie in it.

    Parameters
    ----------
    path : str
        On disk, or a URL, whose file is then copied to this machine.

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
    local = _local_copy(path) if is_url(path) else path
    return _list_tar(local, _version(os.stat(local)))


@lru_cache(maxsize=16)
def _list_tar(path, version):
    # what tarfile gives to read a member by cannot be shared by threads: so offsets, once
    with tarfile.open(path, "r:") as tar:
        return {member.name: (member.offset_data, member.size) for member in tar if member.isfile()}


@lru_cache(maxsize=64)
def _local_copy(url):
    import fsspec

    as_path(url)
    return fsspec.open_local(f"simplecache::{url}")


def _read_member(tar, member):
    members = list_tar(tar)
    if member not in members:
        raise FileNotFoundError(None, f"the tar {tar!r} has no such member")
    offset, size = members[member]
    with open_file(_local_copy(tar) if is_url(tar) else tar) as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise OSError(None, f"the tar {tar!r} ends in the middle of it")
    return content
