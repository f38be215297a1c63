"""Images in memory: their shapes and channels, checked."""

import math
import numbers
import os
import warnings
from collections.abc import Iterable, Set

import numpy as np
from PIL import Image
from sklearn.utils.validation import check_array, validate_data

from sklearn_resnet._images.decoding import pillow_to_array
from sklearn_resnet._images.errors import ImageReadError, shorten
from sklearn_resnet._images.items import (
    EncodedImage,
    Region,
    UnusableItem,
    as_item,
    is_dict,
    is_image_dict,
    is_image_item,
    is_missing,
    is_path,
    list_names,
)
from sklearn_resnet._images.regions import is_region_table, list_regions
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller

_N_LOOKED_AT = 32  # rows, to find how their values are laid out
_MIN_LOOKED_AT = 1000  # values, below which noise may look smooth
_FAR_SMOOTHER = 0.8

_SEPARATE = "ResNetFeatures(channels='separate') takes each channel as a grey image."


def as_sequence(X):
    """List the items of `X` if they are paths, single images or encoded files.

    Parameters
    ----------
    X : array-like
        A column of a dataframe is handled as the list of its items, and a table of regions as the
        list of its rows.

    Returns
    -------
    list of path, array-like, PIL Image, EncodedImage, UnusableItem or Region, or None
        As `as_item` and `list_regions` return them. None if `X` is one array of rows or images, or neither.

    Raises
    ------
    ValueError
        If `X` is a single path or image, a dict, such as a Bunch, or an iterator, which could be
        read only once, if it has masked values, or if an item is neither a path nor an image.
    """
    if is_region_table(X):
        return [region.source if region.is_whole else region for region in list_regions(X)]
    refuse_single(X)
    _refuse_unordered(X)
    _refuse_masked(X)
    items = _list_objects(X)
    if items is None or (len(items) and not _holds_images(items)):
        return None
    checked = []
    for i, item in enumerate(items):
        try:
            checked.append(as_item(item))
        except ValueError as exc:
            raise ValueError(f"X[{i}] must be a path or an image. {exc}") from exc
    return checked


def refuse_single(X):
    """Raise an error if `X` is one path or image, or a dict."""
    if is_path(X):
        remedy = "load_image_folder() lists its images" if os.path.isdir(X) else "pass [path]"
        raise ValueError(
            f"X must be a list of paths. Got the single path {shorten(os.fspath(X))!r} instead; "
            f"{remedy}."
        )
    if is_dict(X) and not is_image_dict(X):
        remedy = "its data, as in X.data" if "data" in X else "one of its values"
        raise ValueError(
            f"X must be images or a list of paths. Got a {type(X).__name__} with "
            f"{list_names(X)} instead; pass {remedy}."
        )
    if is_image_item(X):
        raise ValueError(
            f"X must be a list of images. Got a single {type(X).__name__} instead; pass [X]."
        )


def _refuse_unordered(X):
    """Raise an error if `X` can be read only once, or has no order."""
    if isinstance(X, Iterable) and not hasattr(X, "__getitem__") and not _is_array_like(X):
        remedy = "sorted(X)" if isinstance(X, Set) else "list(X)"
        raise ValueError(
            f"X must be a list of paths or images. Got a {type(X).__name__} instead; pass {remedy}."
        )


def _refuse_masked(X):
    """Raise an error if values of an array are masked, which NumPy would ignore."""
    if np.ma.is_masked(X):
        raise ValueError(
            f"X must not have masked pixels. Got {np.ma.count_masked(X)} masked values instead. Pass "
            "X.filled(0), or another value for these pixels."
        )


def _is_array_like(X):
    return hasattr(X, "__array__") or hasattr(X, "shape")


def _list_objects(X):
    """List the objects in `X`; None if it is an array of numbers, a table or a scalar."""
    if isinstance(X, (list, tuple)):
        return X
    if hasattr(X, "__getitem__") and not _is_array_like(X):
        return [X[i] for i in range(len(X))]  # Hugging Face's column
    if hasattr(X, "to_series") and len(X.shape) == 2 and X.shape[1] == 1:
        X = X.to_series()  # of polars, whose structs NumPy takes for rows
    array = np.asarray(X)
    if array.dtype.kind == "f" and array.ndim == 1 and np.isnan(array).all():
        return array.tolist()  # empty, or of missing paths
    if array.dtype.kind not in "OUST" or array.ndim == 0:
        return None
    if array.dtype.kind == "S":
        raise ValueError(
            f"X must not be an array of dtype {array.dtype}, which drops zeros at the end of each "
            "item. Pass a list: of str for paths, of bytes for the contents of files."
        )
    if array.ndim > len(getattr(X, "shape", array.shape)):  # structs of polars
        return X.to_list()
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _holds_images(items):
    """Whether objects are images or paths, some of them possibly missing, rather than rows or numbers."""
    first = next((item for item in items if not is_missing(item)), None)
    if first is None or is_image_item(first):
        return True
    if isinstance(first, (list, tuple)) and any(map(is_image_item, first[:3])):
        return True  # with labels or so, which is an error
    return np.ndim(first) > 1 or any(map(is_image_item, items))


def as_arrays(items):
    """Convert the items of `as_sequence` to arrays, for an estimator that decodes no files.

    Parameters
    ----------
    items : list of array-like or PIL Image

    Returns
    -------
    list of array-like

    Raises
    ------
    ValueError
        If there is none, or one is a file or a region.
    """
    check_not_empty(items)
    for item in items:
        refuse_file(item)
    for i, item in enumerate(items):
        if isinstance(item, UnusableItem):
            raise ImageReadError(item.cause, item.name, i, item.remedy)
    return [pillow_to_array(item) if isinstance(item, Image.Image) else item for item in items]


def check_not_empty(items):
    """Raise an error if `items` holds none."""
    if not len(items):
        raise ValueError("X must hold at least one image. Got an empty sequence instead.")


def refuse_file(item):
    """Raise an error that names ImageLoader if an item of `as_sequence` must be decoded first."""
    if is_path(item):
        found = f"paths instead, the first one {shorten(os.fspath(item))!r}"
    elif isinstance(item, EncodedImage):
        found = "the contents of files instead"
    elif isinstance(item, Region):
        found = "a table of regions instead"
    else:
        return
    raise ValueError(
        f"X must hold images. Got {found}. Put ImageLoader(size=...) before ResNetFeatures."
    )


def row_shape(n_features, image_shape=None, channels=(1, 3)):
    """Find the shape of the image in each row of a 2-D array.

    Parameters
    ----------
    n_features : int
        Length of a row.
    image_shape : tuple of 2 or 3 int, default=None
        See `check_image_shape`. None interprets a row of s * s values as a square grey image, one
        of c * s * s values as a square image of c channels, the last axis, and any other as a grey
        image one pixel high.
    channels : tuple of int or None, default=(1, 3)
        The numbers of channels to accept. None accepts any, but expects 1 or 3.

    Returns
    -------
    tuple of 2 or 3 int

    Raises
    ------
    ParameterError
        If `image_shape` does not fit the length of a row, or is needed.

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
    channels = channels or (1, 3)
    for n_channels in channels:
        side = math.isqrt(n_features // n_channels)
        if n_channels * side * side == n_features:
            return (side, side) if n_channels == 1 else (side, side, n_channels)
    if 1 not in channels:
        raise ParameterError(
            "image_shape",
            f"must be given, as the rows of X with {n_features} values are not square images with "
            f"{_join(channels)} channels",
            "None",
        )
    warnings.warn(
        f"X has rows of {n_features} values, neither a square grey nor a square RGB image: each "
        "is interpreted as an image one pixel high. To change this, reshape X to (n, height, width), or "
        "pass image_shape=(height, width) to ResNetFeatures.",
        stacklevel=2,
    )
    return 1, n_features


def _join(channels):
    return " or ".join(map(str, channels))


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


def check_image_shape(image_shape, channels=(1, 3)):
    """Raise ParameterError unless `image_shape` is None or the shape of an image.

    That is ``(height, width)``, or ``(height, width, c)`` or ``(c, height, width)`` for a number c of
    `channels`, or any number if that is None. See `_is_planar` for a shape that fits both of the
    last two.
    """
    if image_shape is None:
        return
    is_shape = (
        isinstance(image_shape, (tuple, list))
        and len(image_shape) in (2, 3)
        and all(isinstance(n, numbers.Integral) and n > 0 for n in image_shape)
    )
    fits = is_shape and (
        channels is None
        or (1 if len(image_shape) == 2 else image_shape[2]) in channels
        or _is_planar(image_shape, channels)
    )
    if not fits and channels is None:
        raise ParameterError(
            "image_shape",
            "must be None, (height, width), (channels, height, width) or (height, width, channels)",
            repr(image_shape),
        )
    if not fits:
        first = [f"({n}, height, width)" for n in channels if n > 1]
        flat = ["(height, width)"] if 1 in channels else []
        shapes = ", ".join(["None", *flat, *first])
        raise ParameterError(
            "image_shape",
            f"must be {shapes} or (height, width, channels) with {_join(channels)} "
            f"channel{'s' * (channels != (1,))}",
            repr(image_shape),
        )


def _is_planar(shape, channels):
    """Whether the channels of a row come one after the other: (3, height, width).

    The shape (3, 8, 3) has its channels last. If any number of channels is accepted, they come first
    if they are fewer than the pixels of both sides.
    """
    if len(shape) != 3:
        return False
    if channels is None:
        return shape[0] < min(shape[1:])
    return shape[0] in channels and shape[0] > 1 and shape[2] not in channels


def check_images(estimator, X, *, image_shape=None, channels=(1, 3), reset, allow_nan=False):
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
    channels : tuple of int or None, default=(1, 3)
        The numbers of channels to accept; None accepts any.
    reset : bool
        Whether to learn the number and names of the features, as `fit` does.
    allow_nan : bool, default=False
        Whether to accept NaN and infinity.

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
        return _check_stack(estimator, X, channels, allow_nan, reset)
    try:
        rows = validate_data(estimator, X, ensure_all_finite=not allow_nan, reset=reset)
    except (TypeError, ValueError):
        _refuse_texts(X)
        raise
    _refuse_texts(rows)
    X = rows
    if reset:
        estimator.image_shape_ = row_shape(X.shape[1], image_shape, channels)
    # an estimator that was fitted on images has not seen rows
    shape = getattr(estimator, "image_shape_", None) or row_shape(X.shape[1], image_shape, channels)
    if image_shape is None and shape[2:] == (3,):
        _warn_about_planar_rows(X, shape[0])
    images = X.reshape(len(X), *shape)
    return np.moveaxis(images, 1, -1) if _is_planar(shape, channels) else images


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


def _refuse_texts(X):
    """Raise an error if `X` is a scalar, or a table with texts."""
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.ndim == 0 and not hasattr(X, "shape"):
        is_short = X is None or isinstance(X, (bool, int, float))
        got = repr(X) if is_short else f"an object of type {type(X).__name__}"
        raise ValueError(f"X must be a list of paths, or images. Got {got} instead.")
    if array.dtype.kind in "UT" or (array.dtype == object and any(map(is_path, array.flat))):
        raise ValueError(
            f"X must hold images, or paths in one column. Got texts in a table of shape {array.shape} "
            "instead. Select the column of paths, as in X['path']."
        )


def check_image_list(estimator, X, *, channels=(1, 3), reset):
    """Validate a list of images of different sizes; see `check_images`."""
    return [
        check_images(estimator, np.asarray(image)[None], channels=channels, reset=reset)[0]
        for image in X
    ]


def list_channels(n_channels, channels=None):
    """List the numbers of channels that images for a network can have: one is repeated as three.

    Parameters
    ----------
    n_channels : int
        The number of channels of the images that enter the network.
    channels : "separate" or None, default=None
        As for `ResNetFeatures`.

    Returns
    -------
    tuple of int or None
        None for any number.

    Raises
    ------
    ParameterError
        If the network does not take grey images, and `channels` needs it to.
    """
    accepted = (1, 3) if n_channels == 3 else (n_channels,)
    if channels is None:
        return accepted
    if 1 not in accepted:
        raise ParameterError(
            "channels",
            f"must be None for weights that take images of {n_channels} channels, and no grey ones",
            repr(channels),
        )
    return None


def check_channels(n_channels, channels, shape=None):
    """Raise ValueError unless the number of channels of images is accepted.

    Parameters
    ----------
    n_channels : int
        Of the images.
    channels : tuple of int or None
        The numbers to accept; None accepts any.
    shape : tuple of int, default=None
        The shape of the array with the images.
    """
    if channels is None or n_channels in channels:
        return
    if shape is not None and len(shape) == 4 and shape[1] in channels:
        hint = "The channels seem to come first: np.moveaxis(X, 1, -1) puts them last."
    elif channels == (1, 3):
        hint = _describe_choices(n_channels)
    elif channels == (1,):
        hint = f"ImageLoader(mode='L') converts files to grey. {_SEPARATE}"
    elif 4 in channels:
        hint = (
            "ImageLoader(mode='channels') takes all channels, and ImageLoader(channels=[2, 1, 0]) "
            "three of them as R, G and B."
        )
    elif shape is not None and len(shape) == 3 and shape[2] in channels:
        hint = "If it is one image, pass X[np.newaxis]."
    else:
        hint = "The weights determine the number of channels."
    where = "" if shape is None else f" in an array of shape {shape}"
    raise ValueError(
        f"X must have {_join(channels)} channel{'s' * (channels != (1,))} in its last axis. Got "
        f"{n_channels}{where} instead. {hint}"
    )


def _describe_choices(n_channels):
    """Describe what to do with images of `n_channels` channels, neither grey nor RGB."""
    alpha = "ImageLoader() converts RGBA to RGB, and files with grey and alpha too. "
    chosen, used = ([2, 1, 0], "three as R, G and B") if n_channels > 2 else ([0], "one as grey")
    return (
        f"{alpha if n_channels in (2, 4) else ''}{_SEPARATE} X[..., {chosen}] or "
        f"ImageLoader(channels={chosen}) takes {used}."
    )


def _count_dimensions(X):
    if hasattr(X, "ndim"):
        return X.ndim
    if isinstance(X, (list, tuple)):
        return 1 + np.ndim(X[0]) if len(X) else 1
    return np.asarray(X).ndim


def _check_stack(estimator, X, channels, allow_nan, reset):
    if isinstance(X, (list, tuple)):
        shapes = list(dict.fromkeys(np.shape(image) for image in X))
        if len(shapes) > 1:
            raise ValueError(
                f"X must hold images of one size. Got {shapes[0]} and {shapes[1]} among "
                f"{len(X)} images. ImageLoader(size=...) and ResNetFeatures(image_size=...) bring "
                "them to one size."
            )
    # otherwise nothing to check, and a search would wait for it in each fold
    if type(X) is not np.ndarray or X.dtype.kind not in "biu" or not X.size:
        X = check_array(
            X,
            dtype="numeric",
            ensure_all_finite=not allow_nan,
            ensure_2d=False,
            allow_nd=True,
            estimator=estimator,
            input_name="X",
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
    if channels is not None:
        check_channels(shape[3] if X.ndim == 4 else 1, channels, shape)
    # a list of images of different sizes is checked image by image, each in a stack of one
    if X.ndim == 3 and shape[0] > 1 and shape[2] in (3, 4):
        warnings.warn(
            f"X of shape {shape} is interpreted as {shape[0]} grey images of {shape[1]} x {shape[2]} "
            "pixels. If it is one colour image, pass X[np.newaxis].",
            stacklevel=2,
        )
    if channels is None and X.ndim == 4 and _is_planar(shape[1:], channels) and reset:
        warnings.warn(
            f"X of shape {shape} is interpreted as images of {shape[1]} x {shape[2]} pixels with "
            f"{shape[3]} channels. If the channels come first, pass np.moveaxis(X, 1, -1).",
            stacklevel=2,
        )
    if reset:
        reset_n_features(estimator)
    return X


def reset_n_features(estimator):
    """Remove the attributes that an earlier fit on rows set."""
    for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
        vars(estimator).pop(name, None)
