"""Archives: zips, and tars compressed or not, whose members are read in any order by several threads."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import posixpath
import stat
import tarfile
import zipfile

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_DECOMPRESSORS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_BLOCK_BYTES = 2**20
# A whole archive may grow this much; one of images grows little.
_MAX_RATIO = 100
_MAX_UNPACKED_BYTES = 2**30
# A member that is compressed or sparse; the pixels that `ImageLoader` accepts by default take less.
_MAX_MEMBER_BYTES = 2**29
_MAX_LINKS, _MAX_LINK_BYTES = 40, 4096  # as Linux follows
_IS_UTF8, _IS_ENCRYPTED = 0x800, 0x1  # bits of the flags of a member of a zip
# zipfile decompresses other methods without a bound
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def normalize_name(name):
    """Return the name of a member without ``./``, ``..`` and a leading slash."""
    return posixpath.normpath(f"/{name}").lstrip("/")


def find_decompressor(file):
    """Return the function that opens a compressed file, or None if `file` is not compressed."""
    start = _peek(file)
    return next((opens for magic, opens in _DECOMPRESSORS.items() if start.startswith(magic)), None)


def decompress(source, target, opens):
    """Decompress a file.

    Parameters
    ----------
    source, target : file object
    opens : callable
        As returned by `find_decompressor`.

    Raises
    ------
    OSError
        If `source` decompresses to so much that it cannot be an archive of images.
    """
    n_bytes = 0
    with opens(source) as packed:
        while block := packed.read(_BLOCK_BYTES):
            n_bytes += len(block)
            if n_bytes > max(_MAX_UNPACKED_BYTES, _MAX_RATIO * source.tell()):
                raise OSError(None, f"it unpacks to {_MAX_RATIO} times its size, or more")
            target.write(block)


def scan(file, suffix=None, max_bytes=0):
    """Read the directory of an archive that is not compressed as a whole.

    Parameters
    ----------
    file : file object
        Binary and seekable.
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
    if _is_zip(file):
        with zipfile.ZipFile(file) as archive:
            members = _list_zip(archive)
            wanted = {
                name: member
                for name, member in members.items()
                if suffix and name.endswith(suffix) and member.file_size <= max_bytes
            }
            return members, {name: _read_zip(archive, info) for name, info in wanted.items()}
    return _scan_tar(file, suffix, max_bytes)


class Archive:
    """The members of an archive that is not compressed as a whole.

    It holds no open file, and several threads may read at the same time.

    Parameters
    ----------
    file : file object
        The archive. It is only used to list the members.
    read_at : callable
        Returns bytes of the archive, given an offset and a number.
    """

    def __init__(self, file, read_at):
        self._read_at = read_at
        self._n_bytes = file.seek(0, os.SEEK_END)
        if _is_zip(file):
            self._zip = zipfile.ZipFile(self._open())
            self._members = _list_zip(self._zip)
        else:
            self._zip = None
            self._members = _scan_tar(file)[0]

    def _open(self):
        return _RangeFile(self._read_at, self._n_bytes)

    def scan(self, suffix=None, max_bytes=0):
        """Read the directory, as the function `scan`."""
        return scan(self._open(), suffix, max_bytes)

    def read(self, name):
        """Read a member.

        Parameters
        ----------
        name : str

        Returns
        -------
        bytes

        Raises
        ------
        KeyError
            If there is no such member.
        OSError
            If it cannot be read. Other errors of `zipfile` and `tarfile` are possible, too.
        """
        member = self._members[normalize_name(name)]
        if isinstance(member, zipfile.ZipInfo):
            return _read_zip(self._zip, member)
        if isinstance(member, tarfile.TarInfo):  # sparse
            _refuse_large(member.size)
            with tarfile.open(fileobj=self._open(), mode="r:") as tar:
                content, size = tar.extractfile(member).read(), member.size
        else:
            offset, size = member
            content = self._read_at(offset, size)
        if len(content) < size:
            raise OSError(None, "the archive is truncated")
        return content


class _RangeFile(io.RawIOBase):
    """A file over a function that reads by offset and size."""

    def __init__(self, read_at, n_bytes):
        super().__init__()
        self._read_at = read_at
        self._n_bytes = n_bytes
        self._offset = 0

    def readable(self):
        """Whether it can be read."""
        return True

    def seekable(self):
        """Whether it can be read in any order."""
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        """Move to another offset."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._n_bytes}[whence]
        self._offset = max(start + offset, 0)
        return self._offset

    def tell(self):
        """Return the offset."""
        return self._offset

    def read(self, size=-1):
        """Read some bytes, or the rest."""
        if size is None or size < 0:
            size = max(self._n_bytes - self._offset, 0)
        content = self._read_at(self._offset, size)
        self._offset += len(content)
        return content


def _peek(file):
    file.seek(0)
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    return start


def _is_zip(file):
    start = _peek(file)
    # a program may come before a zip, and a tar may end with one
    return start.startswith(_ZIP_STARTS) or (
        not start.startswith(b"ustar", 257) and zipfile.is_zipfile(file)
    )


def _refuse_large(size):
    if size > _MAX_MEMBER_BYTES:
        raise OSError(
            None, f"it unpacks to {size} bytes, more than the limit of {_MAX_MEMBER_BYTES}"
        )


def _list_zip(archive):
    members, links = {}, {}
    for info in archive.infolist():
        name = _zip_name(info)
        if stat.S_ISLNK(info.external_attr >> 16) and info.file_size <= _MAX_LINK_BYTES:
            links[name] = _find_target(name, os.fsdecode(_read_zip(archive, info)))
        elif not info.is_dir():
            members[name] = info
    return _with_links(members, links)


def _zip_name(info):
    name = info.filename
    if not name.isascii() and not info.flag_bits & _IS_UTF8:
        # macOS writes UTF-8 and does not set the flag; zipfile reads it as code page 437
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return normalize_name(name.replace("\\", "/"))  # old programs for Windows write backslashes


def _read_zip(archive, info):
    if info.flag_bits & _IS_ENCRYPTED:
        raise OSError(None, "it is encrypted; unpack the archive")
    if info.compress_type not in _METHODS:
        raise OSError(None, "it is compressed by another method than deflate; unpack the archive")
    _refuse_large(info.file_size)
    with archive.open(info) as member:
        content = member.read(info.file_size)  # no further; there, zipfile compares the checksum
    if len(content) < info.file_size:
        raise OSError(None, "the archive is truncated")
    return content


def _scan_tar(file, suffix=None, max_bytes=0):
    members, contents, links = {}, {}, {}
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            name = normalize_name(member.name)
            if member.isfile():
                # threads cannot share a TarFile, so members are read by their offsets
                is_plain = member.sparse is None
                members[name] = (member.offset_data, member.size) if is_plain else member
                if suffix and name.endswith(suffix) and member.size <= max_bytes:
                    contents[name] = tar.extractfile(member).read()
            elif member.islnk():
                links[name] = normalize_name(member.linkname)
            elif member.issym():
                links[name] = _find_target(name, member.linkname)
            tar.members.clear()  # each would stay in memory
    return _with_links(members, links), contents


def _find_target(name, link):
    """Return the name to which a symbolic link leads; "" if it leads out of the archive."""
    if link.startswith("/"):
        return ""
    return normalize_name(posixpath.join(posixpath.dirname(name), link))


def _with_links(members, links):
    """Add links to members as members; leave out those that lead nowhere."""
    for name in links.keys() - members.keys():
        target = name
        for _ in range(_MAX_LINKS):
            target = links.get(target, target)
        if target in members:
            members[name] = members[target]
    return members
