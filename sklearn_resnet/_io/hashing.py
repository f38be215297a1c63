"""Hashes of whole files."""

import hashlib
import os
from functools import lru_cache


def identify_file(path):
    """Return a cache key that changes when the file at a path changes."""
    status = os.stat(path)
    # copies that keep the time of the original change the inode or its time of change
    changes = status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
    return os.path.abspath(path), *changes


@lru_cache(maxsize=16)
def hash_file(identity, algorithm):
    """Return the hash of a file, given by `identify_file`, as hexadecimal digits."""
    with open(identity[0], "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
