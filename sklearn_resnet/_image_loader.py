"""ImageLoader: image files, or arrays, to images of one size."""

import numbers
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._images.dask import is_dask, load_dask
from sklearn_resnet._images.decoding import MAX_PIXELS
from sklearn_resnet._images.intensity import (
    find_value_range,
    warn_of_another_range,
    warn_of_values_beyond,
)
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.validation import (
    as_sequence,
    check_images,
    check_size,
    is_path,
    reset_n_features,
)
from sklearn_resnet._runtime.threads import count_threads
from sklearn_resnet._sklearn_private import (
    DocumentedParameters,
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
    get_output_config,
)


class ImageLoader(DocumentedParameters, TransformerMixin, BaseEstimator):
    """Read image files as arrays of one size.

    Images come out upright, in 8 bits, in colour, in the order of their paths, decoded by
    several threads. Images already in memory are brought to the same form.

    Parameters
    ----------
    size : int or tuple of 2 int, default=None
        Height and width of the images, in pixels; an int makes them square. None leaves
        them as they are, and they must then all be of one size.
    mode : {"RGB", "L"}, default="RGB"
        Colour, or grey (ITU-R 601-2 luma).
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to `size`: by cutting off what
        extends beyond the middle, by adding black at two sides, or by stretching it.
        Pixels are interpolated bilinearly, over as many as one target pixel covers.
    n_jobs : int, default=None
        Number of threads that decode. None takes one for each core that this process may
        use: decoding in threads copies nothing and changes no result. -1 takes all cores.
    lazy : bool, default=False
        Whether `transform` gives `LazyImages`, which decode an image when it is needed and
        not before: `ResNetFeatures` takes them, and then memory holds a few batches
        of images rather than all, and decoding hides behind computing.
    on_error : {"raise", "nan", "skip"}, default="raise"
        What becomes of an image that cannot be read. ``"raise"``: an error, which names the
        file, its position and the cause. ``"nan"``: its features are NaN, and a warning names
        the first of such files. ``"skip"``: it is left out of what
        `ResNetFeatures.transform_batches` gives. The last two go with ``lazy=True``, as no
        array of bytes can say that an image is missing.
    max_pixels : int, default=89_478_485
        How many pixels a file may hold: a small one can lock_output to be huge. Beyond Pillow's own
        limit, which is twice this default, set ``PIL.Image.MAX_IMAGE_PIXELS`` too.

    Attributes
    ----------
    value_range_ : tuple of 2 float
        The values that stand for black and white in arrays, as `fit` found them; (0, 255)
        if it saw paths.
    image_shape_ : tuple of int
        Shape of the image that a row stands for. Only if `fit` saw rows.
    n_features_in_ : int
        Length of a row. Only if `fit` saw rows.
    feature_names_in_ : ndarray of str
        Names of the columns. Only if `fit` saw a dataframe of rows, with names.

    See Also
    --------
    ResNetFeatures : Turns the images into features.
    sklearn_resnet.datasets.load_image_folder : Lists the image files below a folder.

    Notes
    -----
    Read are JPEG, PNG, TIFF, GIF (the first frame), BMP, WebP, JPEG 2000, AVIF, PPM and
    ``.npy`` files, told apart by their content (``.npy`` by its name). The orientation in
    their EXIF data is applied, transparent images are laid on white, CMYK is converted.
    More than 8 bits are scaled, not clipped: 16 bits from 0 to 65535, 32 bits from 0 to
    255, 65535 or the dtype's maximum, whichever first holds their largest value, floats
    from 0 to 1 or 0 to 255, whichever holds them, and else from their least to their
    largest value. Of arrays in memory, `fit` finds one range for all, as that of
    `ResNetFeatures` does; values beyond it are clipped.

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
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the value range of arrays; of paths, nothing is learnt and nothing is read.

        Parameters
        ----------
        X : sequence of path, or array-like of images
            As for `transform`.
        y : Ignored
            Present by convention.

        Returns
        -------
        self : ImageLoader
            Fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or `X` is not what it must be.
        """
        check_size("size", self.size)
        if self.on_error != "raise" and not self.lazy:
            raise ValueError(
                "The 'on_error' parameter must be 'raise' where lazy=False: an array of bytes cannot "
                f"say that an image is missing. Got {self.on_error!r}; pass lazy=True with it."
            )
        if is_dask(X):
            reset_n_features(self)
            self.value_range_ = 0.0, 255.0
            return self
        images = self._check(X, reset=True)
        arrays = _arrays(images)
        self.value_range_ = find_value_range(arrays) if arrays else (0.0, 255.0)
        if arrays:
            warn_of_values_beyond(arrays, self.value_range_, "What lies beyond is clipped.")
        return self

    def transform(self, X: Any) -> Any:
        """Read images.

        Parameters
        ----------
        X : sequence of path, or array-like of images
            A list, array, series or dataframe column of paths (str or path-like); a list
            of arrays of any sizes; or one array: rows as `ResNetFeatures` reads them, grey
            images (n, height, width), or images (n, height, width, channels) with 1, 3 or,
            with alpha, 4 channels. Paths may be URLs of fsspec, and members of tars
            (``"shards/a.tar/00001.jpg"``). A Dask array of paths, a bag of paths, or a list of
            delayed lists of paths will do too.

        Returns
        -------
        images : ndarray of shape (n, height, width, 3) or, for mode "L", (n, height, width)
            In the order of `X`, dtype uint8, 0 to 255; `LazyImages` if `lazy`; of a Dask
            collection, a Dask array, not computed yet. After ``set_output("pandas")`` or
            "polars", a dataframe with the images in one column, and the index of `X`.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be opened.
        ValueError
            If a file is no image or is damaged, or if the images are of different sizes
            and `size` is None. The message names the files.
        """
        check_is_fitted(self)
        if is_dask(X):
            return load_dask(self, X)
        images = self._check(X, reset=False)
        arrays = _arrays(images)
        if arrays:
            warn_of_another_range(arrays, self.value_range_)
        loaded = self._load(images)
        library = get_output_config("transform", self)["dense"]
        if library != "default":
            return _to_frame(loaded, X, library)
        return loaded if self.lazy else np.asarray(loaded)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Name the one column that images make in a dataframe.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Held against the names of the columns that `fit` saw, and otherwise ignored.

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
        options = {
            "size": check_size("size", self.size),
            "resize": self.resize,
            "mode": self.mode,
        }
        # one array of images is as good as a list of them
        return LazyImages(
            images,
            options,
            self.value_range_,
            min(n_threads, len(images)),
            on_error=self.on_error,
            max_pixels=self.max_pixels,
        )

    def _check(self, X, reset):
        """A list of paths and arrays, or one array of images."""
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


def _arrays(images):
    """What of `images` is not paths, as a list."""
    if not isinstance(images, list):
        return [images]
    return [np.asarray(image) for image in images if not is_path(image) and np.size(image)]


def _to_frame(images, X, library):
    """Make a dataframe with images as the objects of one column."""
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame({"image": list(images)}, index=getattr(X, "index", None))
    import polars as pl

    return pl.DataFrame({"image": pl.Series(list(images), dtype=pl.Object)})
