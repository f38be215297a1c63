"""The content of a feature cache, and its hits and misses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CacheInfo:
    """The content of a feature cache, and its hits and misses in this process.

    `cache_info` returns it. One feature vector is the features of one image at one layer.

    Parameters
    ----------
    where : str
        ``"memory"``, or the path of the database.
    hits : int
        The number of feature vectors that this process found in the cache.
    misses : int
        The number of feature vectors that this process looked up and did not find.
    n_features : int
        The number of feature vectors in the cache.
    n_bytes : int
        The size of the cache in bytes.

    See Also
    --------
    cache_info : Returns it.

    Examples
    --------
    >>> from sklearn_resnet import cache_info, clear_cache
    >>> clear_cache()
    >>> cache_info().n_bytes
    0
    """

    where: str
    hits: int
    misses: int
    n_features: int
    n_bytes: int
