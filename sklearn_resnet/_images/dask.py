"""Dask collections: features from an array of images, images from a collection of paths."""

import numpy as np

from sklearn_resnet._images.validation import check_size
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import dask_task


def transform_dask(resnet, X):
    """Compute features of a Dask array of images, chunk by chunk, on the workers that hold them.

    Nothing is computed yet.

    Parameters
    ----------
    resnet : ResNetFeatures
        Fitted. Each task carries it. It is small: each process builds the network once.
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
        concatenate=False,  # concatenating would decode lazy images
        dtype=np.float32,
        meta=np.empty((0, width), np.float32),
    )


def load_dask(loader, X):
    """Load a Dask collection of paths as a Dask array of images.

    Nothing is read yet.

    Parameters
    ----------
    loader : ImageLoader
        A loader with a size.
    X : dask.array.Array of str of shape (n,), dask.bag.Bag, or list of dask.delayed.Delayed
        Each delayed object is a list of paths.

    Returns
    -------
    dask.array.Array of shape (n, height, width[, 3]), dtype uint8
        With a chunk for each chunk, partition or list. The chunks of a lazy loader are
        `LazyImages`, which are decoded where features are computed, so that images hardly take
        memory.

    Raises
    ------
    ParameterError
        If the loader has no size.
    """
    import dask
    import dask.array as da
    from dask.delayed import Delayed

    if loader.size is None:
        raise ParameterError(
            "size",
            "must be given for Dask collections, because the files are not read to infer it",
            "None",
        )
    size = check_size("size", loader.size)
    shape = (*size, 3) if loader.mode == "RGB" else size
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


def _transform_block(block, resnet):
    while isinstance(block, list):  # nested lists, one for each contracted axis
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
