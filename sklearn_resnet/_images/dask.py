"""Dask in, Dask out: arrays of images or of paths, and bags and delayed lists of paths."""

import numpy as np

from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.validation import check_size
from sklearn_resnet._runtime.threads import dask_task


def is_dask(X):
    """Whether `X` is a Dask array, bag or delayed object, or a list of delayed ones."""
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    return type(first).__module__.partition(".")[0] == "dask"


def transform_dask(resnet, X):
    """Features of a Dask array of images, to be computed chunk by chunk where the chunks are.

    Parameters
    ----------
    resnet : ResNetFeatures
        Fitted. It travels with each task, and is small: its network is made once in each process.
    X : dask.array.Array of shape (n, n_pixels), (n, height, width) or (n, height, width, {1, 3})

    Returns
    -------
    dask.array.Array of shape (n, n_features), dtype float32
        With the chunks of `X` along its first axis.
    """
    import dask.array as da

    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    width = resnet.get_feature_names_out().size
    return da.blockwise(
        _transform_block,
        "af",
        X,
        "ahwc"[: X.ndim],
        resnet=resnet,
        new_axes={"f": width},
        concatenate=False,  # which would make arrays of lazy images
        dtype=np.float32,
        meta=np.empty((0, width), np.float32),
    )


def load_dask(loader, X):
    """Images of a Dask collection of paths, to be read where they are needed.

    Parameters
    ----------
    loader : ImageLoader
        With a size.
    X : dask.array.Array of str of shape (n,), dask.bag.Bag, or list of dask.delayed.Delayed
        Each of the last gives a list of paths.

    Returns
    -------
    dask.array.Array of shape (n, height, width[, 3]), dtype uint8
        A chunk for each chunk, partition or list. Of a lazy loader, chunks are `LazyImages`, which
        are decoded where features are computed, and hardly any memory holds images.

    Raises
    ------
    ValueError
        If the loader has no size.
    """
    import dask
    import dask.array as da
    from dask.delayed import Delayed

    if loader.size is None:
        raise ValueError(
            "The 'size' parameter must be given for Dask: the shape of images that nobody has read "
            "yet is known by it alone. Got None instead."
        )
    shape = check_size("size", loader.size) + (3,) * (loader.mode == "RGB")
    if isinstance(X, da.Array):
        return X.map_blocks(
            _load_block,
            loader=loader,
            shape=shape,
            dtype=np.uint8,
            chunks=(X.chunks[0], *((n,) for n in shape)),
            new_axis=list(range(1, 1 + len(shape))),
            meta=np.empty((0,) * (1 + len(shape)), np.uint8),
        )
    if isinstance(X, Delayed):
        X = [X]
    lists = X if isinstance(X, (list, tuple)) else X.to_delayed()
    load = dask.delayed(_load_block)
    return da.concatenate(
        [da.from_delayed(load(paths, loader, shape), (np.nan, *shape), np.uint8) for paths in lists]
    )


def compute_blocks(X, batch_size):
    """Compute a Dask array of images in blocks of about `batch_size`, which end where chunks do.

    Yields
    ------
    ndarray or LazyImages
        In order; none is empty.
    """
    import dask

    largest = max(X.chunks[0])  # NaN of chunks that nobody has counted
    n_chunks = 1 if np.isnan(largest) else max(1, round(batch_size / max(1, largest)))
    chunks = X.rechunk(dict.fromkeys(range(1, X.ndim), -1)).to_delayed().ravel()
    for start in range(0, len(chunks), n_chunks):
        blocks = dask.compute(*chunks[start : start + n_chunks])
        blocks = [block for block in blocks if len(block)]
        if any(isinstance(block, LazyImages) for block in blocks):
            yield from blocks
        elif blocks:
            yield np.concatenate(blocks)


def _transform_block(block, resnet):
    while isinstance(block, list):  # nested, for each axis that goes
        (block,) = block
    if len(block) == 0:
        return np.empty((0, resnet.get_feature_names_out().size), np.float32)
    with dask_task():
        return resnet.transform(block)


def _load_block(block, loader, shape):
    paths = list(block)
    if not paths:
        return np.empty((0, *shape), np.uint8)
    with dask_task():
        return loader.transform(paths)
