"""The hash of the contents of images."""

import hashlib

HASH_BYTES = 16


def hash_content(*parts):
    """Hash bytes-like objects, one after the other.

    The hash is cryptographic, so that no two images share a key in the feature cache. Hashing takes
    a percent of the time of the network.

    Parameters
    ----------
    *parts : bytes-like

    Returns
    -------
    bytes of length `HASH_BYTES`
    """
    return _hash(parts).digest()


def hash_stream(file, *parts):
    """Hash parts and the content of a file, in little memory, as `hash_content` hashes them all.

    Parameters
    ----------
    file : binary file object
        At its start.
    *parts : bytes-like

    Returns
    -------
    bytes of length `HASH_BYTES`
    """
    return hashlib.file_digest(file, lambda: _hash(parts)).digest()


def _hash(parts):
    content_hash = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        content_hash.update(part)
    return content_hash
