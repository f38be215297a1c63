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
    content_hash = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        content_hash.update(part)
    return content_hash.digest()
