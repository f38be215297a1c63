"""Dask collections: features from an array of images, images from a collection of paths."""

import numpy as np

from sklearn_resnet._images.regions import is_region_table
from sklearn_resnet._images.validation import as_sequence
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import dask_task

_MAX_TRIED = 16  # images, for the first that can be read


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
    """Load a Dask collection of paths or regions as a Dask array of images.

    Nothing is read yet, except for the mode "channels": the first image tells the number of channels
    and the dtype of all.

    Parameters
    ----------
    loader : ImageLoader
        A loader with a size.
    X : dask.array.Array of str of shape (n,), dask.bag.Bag, dask.dataframe.DataFrame, or list of \
dask.delayed.Delayed
        Each delayed object is a list of paths, or a table of regions. A dataframe is such a table.

    Returns
    -------
    dask.array.Array of shape (n, height, width[, n_channels])
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

    if loader.size is None:
        raise ParameterError(
            "size",
            "must be given for Dask collections, because the files are not read to infer it",
            "None",
        )
    items = sample_dask(X, _MAX_TRIED) if loader.mode == "channels" else []
    like = loader._as_lazy(items, loader._find_rescale())
    shape, dtype = like.shape[1:], like.dtype
    if isinstance(X, da.Array):
        return X.map_blocks(
            _load_block,
            loader=loader,
            like=like,
            dtype=dtype,
            chunks=(X.chunks[0], *((n,) for n in shape)),
            new_axis=list(range(1, 1 + len(shape))),
            meta=np.empty((0,) * (1 + len(shape)), dtype),
        )
    load = dask.delayed(_load_block)
    return da.concatenate(
        [
            da.from_delayed(load(paths, loader, like), (np.nan, *shape), dtype)
            for paths in _list_parts(X)
        ]
    )


def sample_dask(X, n_items):
    """Compute some items of a Dask collection, spread evenly over its parts.

    Parameters
    ----------
    X : as for `load_dask`
    n_items : int
        The greatest number of items. At most as many parts are computed.

    Returns
    -------
    list
    """
    import dask

    parts = _list_parts(X)
    chosen = [parts[i] for i in _spread(n_items, len(parts))]
    found = [_list_items(part) for part in dask.compute(*chosen)]
    n_each = -(-n_items // len(chosen))
    items = [part[i] for part in found for i in _spread(n_each, len(part))]
    items = as_sequence([items[i] for i in _spread(n_items, len(items))])
    if not items:
        raise ValueError("X must hold at least one path. Got an empty Dask collection instead.")
    return items


def _spread(n_chosen, n_items):
    """Choose indices that are spread evenly."""
    return np.unique(np.linspace(0, n_items - 1, min(n_chosen, n_items)).astype(int))


def _list_parts(X):
    """List the chunks, partitions or lists of a collection of paths."""
    from dask.delayed import Delayed

    if isinstance(X, Delayed):
        return [X]
    parts = X if isinstance(X, (list, tuple)) else X.to_delayed()
    return list(np.ravel(parts)) if isinstance(parts, np.ndarray) else list(parts)


def _list_items(part):
    """List the paths of a chunk, or the regions of a part of a table."""
    return as_sequence(part) if is_region_table(part) else list(part)


def _transform_block(block, resnet):
    while isinstance(block, list):  # nested lists, one for each contracted axis
        (block,) = block
    if len(block) == 0:
        return np.empty((0, resnet.get_feature_names_out().size), np.float32)
    with dask_task():
        return resnet.transform(block)


def _load_block(block, loader, like):
    items = _list_items(block)
    if not items:
        return np.empty((0, *like.shape[1:]), like.dtype)
    with dask_task():
        if loader.mode != "channels":
            return loader.transform(items)
        images = loader._as_lazy(as_sequence(items), loader._find_rescale()).with_form_of(like)
        return images if loader.lazy else np.asarray(images)
