"""The hashes of the contents of images."""

import hashlib
from functools import lru_cache

import numpy as np
from blake3 import blake3

HASH_BYTES = 16
SECRET_BYTES = 32
MAX_SMALL = 4096  # bytes of an image below which calls of Python take longer than BLAKE3
_N_SUMS = 4
_BLOCK_BYTES = 2**18  # that stay in the processor's cache


def hash_content(*parts):
    """Hash bytes-like objects, one after the other, by BLAKE3.

    The hash is cryptographic, so that no two images share a key in the feature cache.

    Parameters
    ----------
    *parts : bytes-like or contiguous ndarray

    Returns
    -------
    bytes of length `HASH_BYTES`
    """
    return _hash(parts).digest(HASH_BYTES)


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
    return hashlib.file_digest(file, lambda: _hash(parts)).digest(HASH_BYTES)


def hash_rows(pixels, secret):
    """Hash each row of an array.

    Short rows are hashed all at once, by multilinear hashing. Its keys are drawn from `secret`: two
    rows that were chosen without knowing it have the same hash with a probability of 2**-128. See
    D. Lemire and O. Kaser, Strongly universal string hashing is fast, The Computer Journal 57
    (2014). Other rows are hashed by `hash_content`.

    Parameters
    ----------
    pixels : ndarray of shape (n, n_bytes), dtype uint8
        Contiguous.
    secret : bytes of length `SECRET_BYTES`

    Returns
    -------
    list of bytes of length `HASH_BYTES`
        Comparable for rows of the same length only.
    """
    n_rows, n_bytes = pixels.shape
    if n_bytes > MAX_SMALL:
        return [hash_content(row) for row in pixels]
    if n_bytes % 4:
        pixels = np.pad(pixels, ((0, 0), (0, -n_bytes % 4)))
    words = pixels.view(np.uint32)
    factors, offsets = _draw_keys(secret, words.shape[1])
    hashes = np.empty((n_rows, _N_SUMS), np.uint32)
    step = max(1, _BLOCK_BYTES // (words.itemsize * words.shape[1]))
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        block = words[rows].astype(np.uint64)
        for i in range(_N_SUMS):  # modulo 2**64, of which the upper half is strongly universal
            hashes[rows, i] = (np.einsum("ij,j->i", block, factors[i]) + offsets[i]) >> 32
    return hashes.view(f"V{HASH_BYTES}")[:, 0].tolist()


@lru_cache(maxsize=8)
def _draw_keys(secret, n_words):
    stream = blake3(b"multilinear", key=secret).digest(8 * _N_SUMS * (n_words + 1))
    keys = np.frombuffer(stream, "<u8").astype(np.uint64).reshape(_N_SUMS, n_words + 1)
    return keys[:, 1:].copy(), keys[:, 0].copy()


def _hash(parts):
    content_hash = blake3()
    for part in parts:
        if isinstance(part, np.ndarray):  # BLAKE3 takes bytes only
            part = part.reshape(-1).view(np.uint8)
        content_hash.update(part)
    return content_hash
