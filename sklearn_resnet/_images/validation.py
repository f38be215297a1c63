"""Images in memory: their shapes and channels, checked."""

import math
import numbers
import os
import warnings
from typing import TypeGuard

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller

_N_LOOKED_AT = 32  # rows, to find how their values are laid out
_MIN_LOOKED_AT = 1000  # values, below which noise may look smooth
_FAR_SMOOTHER = 0.8


def is_path(item) -> TypeGuard[str | os.PathLike]:
    """Whether `item` is a path: a str, or anything with ``__fspath__``."""
    return isinstance(item, (str, os.PathLike))


def refuse_path(item):
    """Raise an error that names ImageLoader if `item` is a path."""
    if is_path(item):
        raise ValueError(
            f"X must hold images. Got paths instead, the first one {os.fspath(item)!r}. "
            "Put ImageLoader(size=...) before ResNetFeatures."
        )


def as_sequence(X):
    """List the items of `X` if they are paths or single images.

    Parameters
    ----------
    X : array-like
        A column of a dataframe is handled as the list of its items.

    Returns
    -------
    list of path or array-like, or None
        None if `X` is one array of rows or images, or neither.

    Raises
    ------
    ValueError
        If `X` is a single path, or a dict, such as a Bunch.
    """
    if is_path(X):
        remedy = "load_image_folder() lists its images" if os.path.isdir(X) else "pass [path]"
        raise ValueError(
            f"X must be a list of paths. Got the single path {os.fspath(X)!r} instead; {remedy}."
        )
    if isinstance(X, dict):
        raise ValueError(
            f"X must be images or a list of paths. Got a {type(X).__name__} with "
            f"{', '.join(map(repr, X))} instead; pass its data, as in X.data."
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
    # plain str, as messages would show the repr of NumPy's
    return [str(item) if isinstance(item, str) else item for item in X]


def row_shape(n_features, image_shape=None):
    """Find the shape of the image in each row of a 2-D array.

    Parameters
    ----------
    n_features : int
        Length of a row.
    image_shape : tuple of 2 or 3 int, default=None
        See `check_image_shape`. None interprets a row of s * s values as a square grey image, one
        of 3 * s * s values as a square RGB image with channels last, and any other as a grey image
        one pixel high.

    Returns
    -------
    tuple of 2 or 3 int

    Raises
    ------
    ParameterError
        If `image_shape` does not fit the length of a row.

    Warns
    -----
    UserWarning
        If rows are interpreted as images one pixel high.
    """
    if image_shape is not None:
        if math.prod(image_shape) != n_features:
            raise ParameterError(
                "image_shape",
                f"must hold as many values as a row of X, {n_features}",
                f"{tuple(image_shape)!r} with {math.prod(image_shape)} values",
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
        "is interpreted as an image one pixel high. To change this, reshape X to (n, height, width), or "
        "pass image_shape=(height, width) to ResNetFeatures.",
        stacklevel=2,
    )
    return 1, n_features


def check_size(name, size):
    """Check a parameter that is a size.

    Parameters
    ----------
    name : str
        The name of the parameter.
    size : None, int, or tuple of 2 int
        An int is the side of a square.

    Returns
    -------
    tuple of 2 int or None
        ``(height, width)``.

    Raises
    ------
    ParameterError
        If it is not a size.
    """
    if size is None:
        return None
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, numbers.Integral) and n > 0 for n in pair):
        raise ParameterError(
            name, "must be None, an int of at least 1 or (height, width)", repr(size)
        )
    return int(pair[0]), int(pair[1])


def check_image_shape(image_shape):
    """Raise ParameterError unless `image_shape` is None or the shape of an image.

    That is ``(height, width)``, ``(height, width, channels)`` with 1 or 3 channels, or ``(3, height,
    width)``. A shape that fits both of the last two, such as (3, 8, 3), has its channels last.
    """
    if image_shape is None:
        return
    is_shape = (
        isinstance(image_shape, (tuple, list))
        and len(image_shape) in (2, 3)
        and all(isinstance(n, numbers.Integral) and n > 0 for n in image_shape)
    )
    if not is_shape or (
        len(image_shape) == 3 and not (image_shape[2] in (1, 3) or _is_planar(image_shape))
    ):
        raise ParameterError(
            "image_shape",
            "must be None, (height, width), (3, height, width) or (height, width, channels) with 1 "
            "or 3 channels",
            repr(image_shape),
        )


def _is_planar(shape):
    """Whether the channels of a row come one after the other: (3, height, width)."""
    return len(shape) == 3 and shape[0] == 3 and shape[2] not in (1, 3)


def check_images(estimator, X, *, image_shape=None, channels=(1, 3), reset):
    """Validate images in memory.

    Parameters
    ----------
    estimator : estimator
        Rows set its ``n_features_in_``, ``feature_names_in_`` and ``image_shape_`` if `reset`, and
        must match them otherwise.
    X : array-like
        Rows (2-D), grey images (3-D) or images with channels last (4-D).
    image_shape : tuple of int, default=None
        The shape of the image in each row; see `row_shape`.
    channels : tuple of int, default=(1, 3)
        The numbers of channels to accept.
    reset : bool
        Whether to learn the number and names of the features, as `fit` does.

    Returns
    -------
    ndarray of shape (n, height, width) or (n, height, width, channels)
        A view of `X` if possible. A numeric dtype is kept.

    Raises
    ------
    TypeError, ValueError
        If `X` does not hold images, or holds NaN or infinity.
    """
    if _count_dimensions(X) > 2:
        return _check_stack(estimator, X, channels, reset)
    X = validate_data(estimator, X, reset=reset)
    if reset:
        estimator.image_shape_ = row_shape(X.shape[1], image_shape)
    # an estimator that was fitted on images has not seen rows
    shape = getattr(estimator, "image_shape_", None) or row_shape(X.shape[1], image_shape)
    if image_shape is None and len(shape) == 3:
        _warn_about_planar_rows(X, shape[0])
    images = X.reshape(len(X), *shape)
    return np.moveaxis(images, 1, -1) if _is_planar(shape) else images


def _warn_about_planar_rows(X, side):
    """Warn if rows look as if their channels came one after the other.

    The pixel below another is `side` values later in such a row, and ``3 * side`` values later in one
    with channels last. (The pixel to the right tells less: the next value of a grey pixel is its
    own.) In 15 photos, cut or resized to 8 to 64 pixels, the first kind of rows had a ratio of 0.05 to
    0.85, the second one of 1.3 to 82.
    """
    rows = X[:: max(1, len(X) // _N_LOOKED_AT)][:_N_LOOKED_AT].astype(np.float64)
    if rows.size < _MIN_LOOKED_AT:
        return
    step, interleaved_step = (
        np.abs(np.diff(rows.reshape(shape), axis=axis)).mean()
        for shape, axis in (((-1, 3, side, side), 2), ((-1, side, side, 3), 1))
    )
    if step < _FAR_SMOOTHER * interleaved_step:
        warn_caller(
            f"X has rows of {X.shape[1]} values, which are interpreted as RGB images with channels "
            "last, but their values seem to come channel by channel, as in CIFAR-10. If so, pass "
            f"image_shape=(3, {side}, {side}) to ResNetFeatures, or "
            f"np.moveaxis(X.reshape(-1, 3, {side}, {side}), 1, -1) as X."
        )


def check_image_list(estimator, X, *, reset):
    """Validate a list of images of different sizes; see `check_images`."""
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
                f"{len(X)} images. ImageLoader(size=...) and ResNetFeatures(image_size=...) bring "
                "them to one size."
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
            else "ImageLoader() converts RGBA to RGB, and files with grey and alpha too."
        )
        raise ValueError(
            f"X must have {' or '.join(map(str, channels))} channels in its last axis. Got "
            f"{shape[3]} in an array of shape {shape} instead. {hint}"
        )
    # a list of images of different sizes is checked image by image, each in a stack of one
    if X.ndim == 3 and shape[0] > 1 and shape[2] in (3, 4) and reset:
        warnings.warn(
            f"X of shape {shape} is interpreted as {shape[0]} grey images of {shape[1]} x {shape[2]} "
            "pixels. If it is one colour image, pass X[np.newaxis].",
            stacklevel=2,
        )
    if reset:
        reset_n_features(estimator)
    return X


def reset_n_features(estimator):
    """Remove the attributes that an earlier fit on rows set."""
    for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
        vars(estimator).pop(name, None)
