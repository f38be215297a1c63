"""ImageLoader: load image files, or convert arrays, to images of one size."""

import numbers
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._images.dask import load_dask
from sklearn_resnet._images.decoding import MAX_PIXELS, DecodingOptions
from sklearn_resnet._images.intensity import (
    find_value_range,
    warn_about_another_range,
    warn_about_values_outside,
)
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._images.validation import (
    as_sequence,
    check_images,
    check_size,
    is_path,
    reset_n_features,
)
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import count_threads
from sklearn_resnet._sklearn_private import (
    DocumentedParameters,
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
    get_output_config,
)

if TYPE_CHECKING:
    import dask.array as da
    import pandas as pd
    import polars as pl


class ImageLoader(DocumentedParameters, TransformerMixin, BaseEstimator):
    """Load image files as arrays of one size.

    Images come out upright, with 8 bits per channel, in RGB, and in the order of their paths.
    Several threads decode them. Images in memory are converted to the same form.

    Parameters
    ----------
    size : int or tuple of 2 int, default=None
        Height and width of the images, in pixels. An int is the side of a square. None keeps the
        sizes of the images, which must then all be equal.
    mode : {"RGB", "L"}, default="RGB"
        Colour, or grey (ITU-R 601-2 luma).
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to `size`: by cropping it around its centre,
        by padding it with black at two sides, or by stretching it. The interpolation is bilinear
        and antialiased.
    n_jobs : int, default=None
        Number of threads that decode. None uses all cores that this process may use, because
        decoding in threads copies nothing and changes no result. -1 uses all cores.
    lazy : bool, default=False
        Whether `transform` returns `LazyImages`, which are decoded when they are needed.
        `ResNetFeatures` accepts them: a few batches of images are then in memory instead of all,
        and images are decoded while the network computes.
    on_error : {"raise", "nan", "skip"}, default="raise"
        How to handle an image that cannot be read:

        - ``"raise"``: raise an `ImageReadError` with its path, position and cause.
        - ``"nan"``: its features are NaN, and a warning names the first of such images.
        - ``"skip"``: `ResNetFeatures.transform_batches` leaves it out.

        The last two need ``lazy=True``, because an array of bytes cannot mark an image as missing.
        For the same reason, `set_output` must not select dataframes.
    max_pixels : int, default=89_478_485
        The largest number of pixels that a file may have, as a small file can claim a huge size.
        To exceed Pillow's own limit, which is twice this default, set ``PIL.Image.MAX_IMAGE_PIXELS``
        too.

    Attributes
    ----------
    value_range_ : tuple of 2 float
        The black and the white level of arrays in `fit`; (0, 255) for paths.
    image_shape_ : tuple of int
        The shape of the image in each row. Only if `fit` saw rows.
    n_features_in_ : int
        The length of a row. Only if `fit` saw rows.
    feature_names_in_ : ndarray of str
        The names of the columns. Only if `fit` saw a dataframe of rows with names.

    See Also
    --------
    ResNetFeatures : Turns the images into features.
    sklearn_resnet.datasets.load_image_folder : Lists the image files in a folder.

    Notes
    -----
    The formats are JPEG, PNG, TIFF, GIF (the first frame), BMP, WebP, JPEG 2000, AVIF, PPM and
    ``.npy``. They are recognized by their content (``.npy`` by its name). The EXIF orientation is
    applied, transparent images are laid on white, and CMYK is converted to RGB.

    Bit depths above 8 are scaled, not clipped. The white level of 16 bits is 65535; that of 32 bits
    is the first of 255, 65535 and the maximum of the dtype that no value exceeds. Floats from 0 to
    1, or from 0 to 255, are scaled from that range, and others from their minimum to their maximum.
    For arrays in memory, `fit` infers one range for all, as `ResNetFeatures` does; values outside
    it are clipped.

    Decoded images are cached in memory, up to 256 MiB, keyed by the content of their files. If all
    images fit, a search with an `ImageLoader` in its pipeline decodes each file once per process;
    if they do not, pass ``lazy=True``. The cache evicts the least recently used images, and
    `clear_cache` empties it. If the images of one call exceed 256 MiB, none of them is cached.

    Do not put an `ImageLoader` that takes paths into a pipeline with ``memory=``: scikit-learn's cache
    compares the paths, not the files, and returns old pixels of a file that has changed. Give
    ``memory=`` to an inner pipeline of the steps that follow it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_resnet import ImageLoader
    >>> photos = [np.zeros((40, 30)), np.ones((30, 60, 3))]
    >>> ImageLoader(size=32).fit_transform(photos).shape
    (2, 32, 32, 3)
    """

    _parameter_constraints = {  # noqa: RUF012
        "size": [Interval(numbers.Integral, 1, None, closed="left"), tuple, list, None],
        "mode": [StrOptions({"RGB", "L"})],
        "resize": [StrOptions({"crop", "pad", "stretch"})],
        "n_jobs": [numbers.Integral, None],
        "lazy": ["boolean"],
        "on_error": [StrOptions({"raise", "nan", "skip"})],
        "max_pixels": [Interval(numbers.Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        *,
        mode: str = "RGB",
        resize: str = "crop",
        n_jobs: int | None = None,
        lazy: bool = False,
        on_error: str = "raise",
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.size = size
        self.mode = mode
        self.resize = resize
        self.n_jobs = n_jobs
        self.lazy = lazy
        self.on_error = on_error
        self.max_pixels = max_pixels

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: "Sequence[str | os.PathLike] | ArrayLike | da.Array", y: Any = None) -> Self:
        """Infer the value range of arrays; for paths, learn and read nothing.

        Parameters
        ----------
        X : sequence of path, or array-like of images
            As for `transform`.
        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : ImageLoader
            Fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a parameter is invalid, or `X` holds neither paths nor images.
        """
        check_size("size", self.size)
        self._check_on_error()
        if as_source(X).is_delayed:
            reset_n_features(self)
            arrays = []
        else:
            arrays = _list_arrays(self._check(X, reset=True))
        self.value_range_ = find_value_range(arrays) if arrays else (0.0, 255.0)
        if arrays:
            warn_about_values_outside(
                arrays, self.value_range_, "Values outside this range are clipped."
            )
        return self

    def transform(
        self, X: "Sequence[str | os.PathLike] | ArrayLike | da.Array"
    ) -> "np.ndarray | LazyImages | da.Array | pd.DataFrame | pl.DataFrame":
        """Load images.

        Parameters
        ----------
        X : sequence of path, or array-like of images
            A list, array, series or dataframe column of paths (str or path-like); a list of arrays
            of any sizes; or one array: rows as in `ResNetFeatures`, grey images
            (n, height, width), or images (n, height, width, channels) with 1, 3 or, with alpha, 4
            channels. Paths can be URLs of fsspec, and members of tars
            (``"shards/a.tar/00001.jpg"``). A Dask array of paths, a bag of paths and a list of
            delayed lists of paths are accepted too.

        Returns
        -------
        images : ndarray of shape (n, height, width, 3) or, for mode "L", (n, height, width)
            In the order of `X`, of dtype uint8, from 0 to 255; `LazyImages` if `lazy`. For a Dask
            collection, a Dask array that is not computed yet. After ``set_output`` with "pandas" or
            "polars", a dataframe with the images in one column, and the index of `X`.

        Raises
        ------
        ImageReadError
            If an image cannot be read. It is a ValueError, and for a file that cannot be opened the
            matching OSError too.
        ValueError
            If `X` holds neither paths nor images, or if the images differ in size and `size` is
            None.
        """
        check_is_fitted(self)
        self._check_on_error()  # set_params may have changed it since fit
        if as_source(X).is_delayed:
            return load_dask(self, X)
        images = self._check(X, reset=False)
        arrays = _list_arrays(images)
        if arrays:
            warn_about_another_range(find_value_range(arrays), self.value_range_)
        loaded = self._load(images)
        library = get_output_config("transform", self)["dense"]
        if library != "default":
            return _to_frame(np.asarray(loaded), X, library)
        return loaded if self.lazy else np.asarray(loaded)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Name the one column of images in a dataframe.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Must match the names of the columns in `fit`, and is ignored otherwise.

        Returns
        -------
        names : ndarray of str objects
            ``["image"]``.
        """
        check_is_fitted(self)
        if input_features is not None:
            check_feature_names_in(self, input_features)
        return np.array(["image"], dtype=object)

    def _load(self, images):
        n_threads = count_threads() if self.n_jobs is None else joblib.effective_n_jobs(self.n_jobs)
        options = DecodingOptions(
            size=check_size("size", self.size), resize=self.resize, mode=self.mode
        )
        return LazyImages(
            images,
            options,
            self.value_range_,
            min(n_threads, len(images)),
            on_error=self.on_error,
            max_pixels=self.max_pixels,
        )

    def _check_on_error(self):
        """Raise ParameterError if `transform` returns decoded images, and may not raise an error."""
        if self.on_error == "raise":
            return
        if not self.lazy:
            raise ParameterError(
                "on_error",
                "must be 'raise' unless lazy=True, because an array of bytes cannot mark an image as "
                "missing",
                repr(self.on_error),
                remedy="Pass lazy=True with it.",
            )
        if get_output_config("transform", self)["dense"] != "default":
            raise ParameterError(
                "on_error",
                "must be 'raise' if the output is a dataframe, because its images are decoded and "
                "cannot be marked as missing",
                repr(self.on_error),
                remedy="Call set_output(transform='default').",
            )

    def _check(self, X, reset):
        """Validate `X`; return a list of paths and arrays, or one array of images."""
        images = as_sequence(X)
        if images is None:
            images = check_images(self, X, channels=(1, 3, 4), reset=reset)
        elif not images:
            raise ValueError("X must hold at least one image. Got an empty sequence instead.")
        elif reset:
            reset_n_features(self)
        return images

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _list_arrays(images):
    """List the arrays among images and paths."""
    if not isinstance(images, list):
        return [images]
    return [np.asarray(image) for image in images if not is_path(image) and np.size(image)]


def _to_frame(images, X, library):
    """Make a dataframe with the images in one column of objects."""
    if library == "pandas":
        import pandas as pd

        index = X.index if isinstance(X, (pd.Series, pd.DataFrame)) else None
        return pd.DataFrame({"image": list(images)}, index=index)
    import polars as pl

    return pl.DataFrame({"image": pl.Series(list(images), dtype=pl.Object)})
