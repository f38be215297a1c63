"""What counts as images in memory: shapes, channels and value ranges."""

import math
import numbers
import os
import warnings

import numpy as np
from sklearn.utils.validation import check_array, validate_data


def is_path(item):
    """Whether `item` is a path: a str, or anything with ``__fspath__``."""
    return isinstance(item, (str, os.PathLike))


def refuse_path(item):
    """Raise an error that says who reads images, if `item` is a path."""
    if is_path(item):
        raise ValueError(
            f"X must hold images. Got paths, {os.fspath(item)!r} the first, instead. "
            "Put ImageLoader(size=...) before ResNetFeatures."
        )


def as_sequence(X):
    """A list of the items of `X` if these are paths or images of their own sizes, else None.

    A column of a dataframe counts as a list of its items.
    """
    if is_path(X):
        remedy = "load_image_folder() lists its images" if os.path.isdir(X) else "pass [path]"
        raise ValueError(
            f"X must be a list of paths. Got the single path {os.fspath(X)!r} instead; {remedy}."
        )
    if isinstance(X, dict):
        raise ValueError(
            f"X must be images or a list of paths. Got a {type(X).__name__} with "
            f"{', '.join(map(repr, X))} instead; pass what it holds, as in X.data."
        )
    if isinstance(X, np.ndarray) and X.dtype.kind in "biufc":
        return None
    if not isinstance(X, (list, tuple)):
        array = np.asarray(X)
        if array.dtype.kind not in "OUST" or array.ndim == 0:
            return None
        X = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if not len(X):
        return []
    first = X[0]
    if not is_path(first) and np.ndim(first) < 2:
        return None
    # as plain str: the repr of NumPy's would stand in messages
    return [str(item) if isinstance(item, str) else item for item in X]


def row_shape(n_features, image_shape=None):
    """Find the image that a row of a 2-D array stands for.

    Parameters
    ----------
    n_features : int
        Length of a row.
    image_shape : tuple of 2 or 3 int, default=None
        ``(height, width)`` or ``(height, width, channels)``. Without it, a row of
        s * s values is a square grey image, one of 3 * s * s a square RGB image,
        and any other a grey image one pixel high.

    Returns
    -------
    tuple of 2 or 3 int

    Raises
    ------
    ValueError
        If a row cannot have the shape.

    Warns
    -----
    UserWarning
        If a row is taken for an image one pixel high.
    """
    if image_shape is not None:
        if math.prod(image_shape) != n_features:
            raise ValueError(
                f"The 'image_shape' parameter must hold as many values as a row of X, "
                f"{n_features}. Got {tuple(image_shape)!r}, {math.prod(image_shape)} values, "
                "instead."
            )
        return tuple(image_shape)
    side = math.isqrt(n_features)
    if side * side == n_features:
        return side, side
    side = math.isqrt(n_features // 3)
    if 3 * side * side == n_features:
        return side, side, 3
    warnings.warn(
        f"X has rows of {n_features} values, neither a square grey nor a square RGB image: each "
        "is taken for an image one pixel high. Reshape X to (n, height, width), or pass "
        "image_shape=(height, width) to ResNetFeatures, to say better.",
        stacklevel=2,
    )
    return 1, n_features


def check_size(name, size):
    """Bring a parameter that is a size to a tuple.

    Parameters
    ----------
    name : str
        The parameter's, for the error.
    size : None, int, or tuple of 2 int
        An int stands for a square.

    Returns
    -------
    tuple of 2 int or None
        ``(height, width)``.

    Raises
    ------
    ValueError
        If it is no size.
    """
    if size is None:
        return None
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, numbers.Integral) and n > 0 for n in pair):
        raise ValueError(
            f"The {name!r} parameter must be None, an int of at least 1 or (height, width). "
            f"Got {size!r} instead."
        )
    return int(pair[0]), int(pair[1])


def check_image_shape(image_shape):
    """Raise ValueError unless `image_shape` is a shape that a row can have, or None."""
    if image_shape is None:
        return
    is_shape = (
        isinstance(image_shape, (tuple, list))
        and len(image_shape) in (2, 3)
        and all(isinstance(n, numbers.Integral) and n > 0 for n in image_shape)
    )
    if not is_shape or (len(image_shape) == 3 and image_shape[2] not in (1, 3)):
        raise ValueError(
            "The 'image_shape' parameter must be None, (height, width) or (height, width, "
            f"channels) with 1 or 3 channels. Got {image_shape!r} instead."
        )


def check_images(estimator, X, *, image_shape=None, channels=(1, 3), reset):
    """Validate images in memory.

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_``, ``feature_names_in_`` and ``image_shape_`` are set by rows
        if `reset`, and held against them if not.
    X : array-like
        Rows (2-D), grey images (3-D) or images with channels last (4-D).
    image_shape : tuple of int, default=None
        Shape of a row; see `row_shape`.
    channels : tuple of int, default=(1, 3)
        The numbers of channels to let pass.
    reset : bool
        Whether to learn the number and names of the features, as `fit` does, or to
        compare with what was learnt.

    Returns
    -------
    ndarray of shape (n, height, width) or (n, height, width, channels)
        A view of `X` where it can be one. Its dtype is that of `X` if numeric.

    Raises
    ------
    TypeError, ValueError
        If these are not images, or hold NaN or infinity.
    """
    if _count_dimensions(X) > 2:
        return _check_stack(estimator, X, channels, reset)
    X = validate_data(estimator, X, reset=reset)
    if reset:
        estimator.image_shape_ = row_shape(X.shape[1], image_shape)
    # rows are new to an estimator that was fitted on images
    shape = getattr(estimator, "image_shape_", None) or row_shape(X.shape[1], image_shape)
    return X.reshape(len(X), *shape)


def check_image_list(estimator, X, *, reset):
    """Validate a list of images of different sizes, as `check_images` does those of one size."""
    return [check_images(estimator, np.asarray(image)[None], reset=reset)[0] for image in X]


def _count_dimensions(X):
    if hasattr(X, "ndim"):
        return X.ndim
    if isinstance(X, (list, tuple)):
        return 1 + np.ndim(X[0]) if len(X) else 1
    return np.asarray(X).ndim


def _check_stack(estimator, X, channels, reset):
    if isinstance(X, (list, tuple)):
        shapes = list(dict.fromkeys(np.shape(image) for image in X))
        if len(shapes) > 1:
            raise ValueError(
                f"X must hold images of one size. Got {shapes[0]} and {shapes[1]} among "
                f"{len(X)} images. ImageLoader(size=...) brings them to one size, and so does "
                "ResNetFeatures(image_size=...)."
            )
    X = check_array(
        X, dtype="numeric", ensure_2d=False, allow_nd=True, estimator=estimator, input_name="X"
    )
    shape = X.shape
    if X.ndim > 4:
        raise ValueError(
            "X must be rows (2-D), grey images (n, height, width) or images (n, height, width, "
            f"channels). Got an array with {X.ndim} dimensions, {shape}, instead."
        )
    if 0 in shape:
        raise ValueError(
            f"X must hold images of at least 1 x 1 pixel. Got an array of shape {shape} instead."
        )
    if X.ndim == 4 and shape[3] not in channels:
        hint = (
            "The channels seem to come first: np.moveaxis(X, 1, -1) puts them last."
            if shape[1] in channels
            else "ImageLoader() brings grey images with alpha (as files) and RGBA to RGB."
        )
        raise ValueError(
            f"X must have {' or '.join(map(str, channels))} channels, in its last axis. Got "
            f"{shape[3]} in an array of shape {shape} instead. {hint}"
        )
    if X.ndim == 3 and shape[2] in (3, 4) and reset:
        warnings.warn(
            f"X of shape {shape} is taken for {shape[0]} grey images of {shape[1]} x {shape[2]} "
            "pixels. If it is one colour image, pass X[np.newaxis].",
            stacklevel=2,
        )
    if reset:
        reset_n_features(estimator)
    return X


def reset_n_features(estimator):
    """Remove what an earlier fit on rows has left."""
    for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
        vars(estimator).pop(name, None)
