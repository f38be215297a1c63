"""ImageLoader: load image files, or convert arrays, to images of one size."""

import numbers
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_resnet._images.dask import load_dask, sample_dask
from sklearn_resnet._images.decoding import MAX_PIXELS, DecodingOptions
from sklearn_resnet._images.intensity import (
    infer_list_range,
    unify_scales,
    warn_about_another_range,
    warn_about_inferred,
)
from sklearn_resnet._images.items import Region, is_array
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.rescaling import (
    PERCENTILE,
    check_channel_choice,
    learn_ranges,
    resolve_rescale,
)
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._images.validation import (
    as_sequence,
    check_images,
    check_not_empty,
    check_size,
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


_MAX_SAMPLED = 100  # images, for the percentiles of a collection
_MAX_VALUES = 2**16  # of a channel of each of them


class ImageLoader(DocumentedParameters, TransformerMixin, BaseEstimator):
    """Load image files as arrays of one size.

    Images come out upright, with 8 bits per channel, in RGB, and in the order of their paths; with
    ``mode="channels"``, with all channels of the files, in their own depth. Several threads decode
    them. Arrays and images of Pillow are converted to the same form.

    Parameters
    ----------
    size : int or tuple of 2 int, default=None
        Height and width of the images, in pixels. An int is the side of a square. None keeps the
        sizes of the images, which must then all be equal.
    mode : {"RGB", "L", "channels"}, default="RGB"
        The form of the images:

        - ``"RGB"``: colour, in 8 bits.
        - ``"L"``: grey (ITU-R 601-2 luma), in 8 bits.
        - ``"channels"``: all channels, or `channels`, in the depth of the files: uint8, uint16 or
          float32. Without `rescale`, the values are those of the files. All images must have the
          same channels and the same depth.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to `size`: by cropping it around its centre,
        by padding it with black at two sides, or by stretching it. The interpolation is bilinear
        and antialiased.
    value_range : tuple of 2 float, default=None
        The black and the white level of all images, files and arrays: ``(0, 4095)`` for 12 bits,
        ``(-1024, 3071)`` for CT. Values outside are clipped. None infers the range; see Notes.
    channels : list of int and str, default=None
        The channels to read, in this order: their indices in the file, or the names that its
        metadata give (``["DAPI", "GFP"]``). Files that name their channels differently are an
        error, unless they are chosen by name. With the modes "RGB" and "L", 3 channels make a
        false-colour image, and 1 makes a grey one. None takes all; with these modes, the file must
        then be grey, RGB or RGBA, or of another colour space.
    rescale : {"percentile", "window"}, tuple, default=None
        Which values become black and white, before the depth is reduced. Values outside are clipped:

        - None: those of the depth; with ``mode="channels"``, values are not scaled.
        - ``(low, high)``: the same as `value_range`, in the units of the file.
        - ``"percentile"`` or ``("percentile", p, q)``: percentiles of each channel, 0.1 and 99.9 by
          default. `rescale_by` chooses the images.
        - ``"window"``: the window of the DICOM file. Any other image is an error.

        With percentiles and windows, pixels of no data, NaN and infinity do not count, and become
        black. With ``mode="channels"`` or `channels`, they always become black.
    rescale_by : {"collection", "image"}, default="collection"
        Whether `fit` learns the percentiles, from up to 100 of the images together, so that
        brightness can be compared; or whether each image has its own, which requires percentiles.
    page : int or {"max", "mean", "middle", "channels"}, default=None
        The page of a stack: its index, the projection of all pages, or the page in the middle.
        Projections leave out pixels of no data, NaN and infinity. The pages of a file are the
        planes of its depth, or those of a TIFF, not channels; ``"channels"`` makes them channels.
        None takes the first, with a warning at the end if there are more. A time series or several
        positions require an index. With `page`, the first axis of an array in a file counts the
        pages.
    level : int, default=None
        The level of a pyramid; 0 is the full resolution. None takes the smallest level of at least
        twice `size`; without a size, the full resolution.
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
        The largest number of pixels that a file may have, as a small file can claim a huge size. Of
        files that are read tile by tile, it is the largest number of a region. To exceed Pillow's own
        limit, which is twice this default, set ``PIL.Image.MAX_IMAGE_PIXELS`` too.
    margin : int or float, default=0
        The context added on all sides of a region: a number of pixels, or, for a float, a share of
        its height (at the top and at the bottom) and of its width. With a mask, it is black.
    pad : {"reflect", "black"}, default=None
        How to fill a region that, with its margin, reaches beyond the border: by reflecting the image,
        or with black. None makes it an error.

    Attributes
    ----------
    value_range_ : tuple of 2 float or None
        The black and the white level of arrays: `value_range`, or that of the arrays in `fit`, or
        (0, 255) after a fit on paths. None if each image or channel has its own, or values are not
        scaled.
    rescale_range_ : ndarray of shape (n_channels, 2)
        The black and the white level of each channel. Only for percentiles of a collection.
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
    The formats are JPEG, PNG, TIFF, GIF (the first frame), BMP, WebP, JPEG 2000, AVIF, PPM,
    ``.npy`` and ``.npz``; HEIC and JPEG XL with the extras ``heif`` and ``jxl``; JPEG of 12 bits and
    rare compressions of TIFF with the extra ``tiff``; DICOM and FITS with the extras ``dicom`` and
    ``fits``; HDF5 (``"file.h5::/dataset"``); and Zarr if the package zarr is installed. They are
    recognized by their content (arrays by their name). The orientation is applied. With the modes
    "RGB" and "L", transparent images are laid on white, other colour spaces and ICC profiles are
    converted to sRGB, and samples that an RGB file does not describe are left out, with a warning at
    the end.

    Black and white are inferred as in `ResNetFeatures`, for each file on its own, and for the arrays
    in memory by `fit`, for all together. A file whose values fit several ranges, such as CT with
    negative values, is scaled from its smallest to its largest value. After all files, a warning
    tells of such files, if they are nearly black, if files of one dtype have different white levels,
    or if more than 1 % of the values of a file lie outside the range.

    A table of regions is a dataframe of pandas or polars with a row for each region. Its columns are
    ``path`` (a path or an image in memory), and ``top``, ``left``, ``bottom`` and ``right``: a
    half-open box in pixels of the upright image in full resolution. Optional columns are ``page``, and
    ``mask`` with arrays of bool in the shape of the box, outside of which pixels become black. Other
    columns are ignored. Without the columns of a box, each row is a whole image.

    A region is cut out of the image that the loader makes of the whole file, and then resized to
    `size`. Black and white are those of the image or the collection, so that regions of an image can
    be compared. Each image is decoded once per call for all its regions, in any order of the rows; for
    `ResNetFeatures.transform_batches`, sort the rows by path. Of TIFF and ``.npy`` files, Zarr and HDF5
    of more than 64 MiB of pixels, and of pyramids, only the tiles that a region needs are decoded. The
    level of a pyramid is then the smallest in which the region has at least twice `size`. Other images
    are decoded as a whole, and at most the last two, or 64 MiB, stay in memory until the end of the
    call.

    Decoded images are cached in memory, up to 256 MiB, keyed by the content of their files. If all
    images fit, a search with an `ImageLoader` in its pipeline decodes each file once per process;
    if they do not, or if they are regions, which this cache does not hold, pass ``lazy=True``. The
    cache evicts the least recently used images, and `clear_cache` empties it. If the images of one
    call exceed 256 MiB, none of them is cached.

    With ``mode="channels"`` and `rescale`, black is 0, and white is 255, 65535 or 1.0, by the depth.

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

    Regions of an image, with some context around them:

    >>> import pandas as pd
    >>> boxes = [(0, 5, 12, 15), (9, 20, 30, 44)]
    >>> regions = pd.DataFrame(boxes, columns=["top", "left", "bottom", "right"])
    >>> regions["path"] = [photos[1]] * 2
    >>> ImageLoader(size=32, margin=0.25, pad="reflect").fit_transform(regions).shape
    (2, 32, 32, 3)
    """

    _parameter_constraints = {  # noqa: RUF012
        "size": [Interval(numbers.Integral, 1, None, closed="left"), tuple, list, None],
        "mode": [StrOptions({"RGB", "L", "channels"})],
        "resize": [StrOptions({"crop", "pad", "stretch"})],
        "value_range": [tuple, list, None],
        "channels": [tuple, list, None],
        "rescale": [str, tuple, list, None],  # checked by resolve_rescale
        "rescale_by": [StrOptions({"collection", "image"})],
        "page": [numbers.Integral, StrOptions({"max", "mean", "middle", "channels"}), None],
        "level": [Interval(numbers.Integral, 0, None, closed="left"), None],
        "n_jobs": [numbers.Integral, None],
        "lazy": ["boolean"],
        "on_error": [StrOptions({"raise", "nan", "skip"})],
        "max_pixels": [Interval(numbers.Integral, 1, None, closed="left")],
        "margin": [Interval(numbers.Real, 0, None, closed="left")],
        "pad": [StrOptions({"reflect", "black"}), None],
    }

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        *,
        mode: str = "RGB",
        resize: str = "crop",
        value_range: tuple[float, float] | None = None,
        channels: Sequence[int | str] | None = None,
        rescale: str | tuple | None = None,
        rescale_by: str = "collection",
        page: int | str | None = None,
        level: int | None = None,
        n_jobs: int | None = None,
        lazy: bool = False,
        on_error: str = "raise",
        max_pixels: int = MAX_PIXELS,
        margin: float = 0,
        pad: str | None = None,
    ) -> None:
        self.size = size
        self.mode = mode
        self.resize = resize
        self.value_range = value_range
        self.channels = channels
        self.rescale = rescale
        self.rescale_by = rescale_by
        self.page = page
        self.level = level
        self.n_jobs = n_jobs
        self.lazy = lazy
        self.on_error = on_error
        self.max_pixels = max_pixels
        self.margin = margin
        self.pad = pad

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: "Sequence | ArrayLike | da.Array", y: Any = None) -> Self:
        """Infer the value range of arrays, or learn percentiles.

        Files are read for percentiles of a collection only.

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
        check_channel_choice(self.channels, self.mode)
        value_range, rescale = resolve_rescale(self.rescale, self.value_range)
        self._check_rescale_by(rescale)
        is_delayed = as_source(X).is_delayed
        if is_delayed:
            reset_n_features(self)
        images = [] if is_delayed else self._check(X, reset=True)
        if not self._infers_range():
            self.value_range_ = self._seen_range = value_range
        elif arrays := _list_arrays(images):
            inferred = infer_list_range(arrays)
            warn_about_inferred(inferred, "Values outside this range are clipped.")
            self.value_range_, self._seen_range = inferred.value_range, inferred.seen
        else:
            self.value_range_ = self._seen_range = (0.0, 255.0)
        self.__dict__.pop("rescale_range_", None)
        if self._learns_range(rescale):
            images = sample_dask(X, _MAX_SAMPLED) if is_delayed else images
            samples = self._as_lazy(images, None).sample_values(_MAX_SAMPLED, _MAX_VALUES)
            self.rescale_range_ = learn_ranges(samples, rescale[1:])
            self._learned_for = self._describe_ranges(rescale)
        return self

    def _check_rescale_by(self, rescale):
        """Raise ParameterError if each image is to have its own percentiles, but none are taken."""
        if self.rescale_by == "image" and (rescale is None or rescale[0] != PERCENTILE):
            raise ParameterError(
                "rescale_by",
                "must be 'collection' unless percentiles are taken",
                "'image'",
                "Pass rescale='percentile' with it.",
            )

    def _infers_range(self):
        """Whether black and white of arrays in memory are inferred."""
        return self.mode != "channels" and self.value_range is None and self.rescale is None

    def _learns_range(self, rescale):
        """Whether `fit` learns percentiles; `rescale` is resolved."""
        return rescale is not None and (rescale[0], self.rescale_by) == (PERCENTILE, "collection")

    def transform(
        self, X: "Sequence | ArrayLike | da.Array"
    ) -> "np.ndarray | LazyImages | da.Array | pd.DataFrame | pl.DataFrame":
        """Load images.

        Parameters
        ----------
        X : sequence of path or image, or array-like of images
            A list, array, series or dataframe column, or one array: rows as in `ResNetFeatures`,
            grey images (n, height, width), or images (n, height, width, channels) with 1, 3 or,
            with alpha, 4 channels. The items of a list are paths (str or path-like), which can be
            URLs of fsspec and members of zips and tars (``"shards/a.tar/00001.jpg"``); arrays of
            any sizes; images of Pillow; the bytes of files, or files open for reading bytes; or dicts
            ``{"bytes": ..., "path": ...}`` of Hugging Face. A dataframe with the column ``path`` and
            the columns ``top``, ``left``, ``bottom`` and ``right`` is a table of regions; see
            Notes. A Dask array of paths, a bag of paths, a list of delayed lists of paths and a Dask
            dataframe of regions are accepted too.

        Returns
        -------
        images : ndarray of shape (n, height, width, 3) or, for mode "L", (n, height, width)
            In the order of `X`, of dtype uint8, from 0 to 255; `LazyImages` if `lazy`. For mode
            "channels", the shape is (n, height, width, n_channels), and the dtype is uint8, uint16 or
            float32. For a Dask collection, a Dask array that is not computed yet. After
            ``set_output`` with "pandas" or "polars", a dataframe with the images in one column, and
            the index of `X`.

        Raises
        ------
        ImageReadError
            If an image cannot be read. It is a ValueError, and for a file that cannot be opened the
            matching OSError too.
        ValueError
            If `X` holds neither paths nor images, if the images differ in size and `size` is None,
            or, for mode "channels", if they differ in their number of channels or their depth.
        """
        check_is_fitted(self)
        self._check_on_error()  # set_params may have changed it since fit
        if as_source(X).is_delayed:
            return load_dask(self, X)
        images = self._check(X, reset=False)
        arrays = _list_arrays(images)
        if arrays and self._infers_range():
            inferred = infer_list_range(arrays)
            warn_about_another_range(inferred, self.value_range_, self._seen_range)
        loaded = self._as_lazy(images, self._find_rescale())
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

    def _find_rescale(self):
        """Return how files are rescaled: `rescale` as it is resolved, or the learned ranges."""
        _, rescale = resolve_rescale(self.rescale, self.value_range)
        if not self._learns_range(rescale):
            return rescale
        wanted = self._describe_ranges(rescale)
        # a range that was set, not learned, is for any
        if not hasattr(self, "rescale_range_") or getattr(self, "_learned_for", wanted) != wanted:
            raise NotFittedError(
                "Call fit again after a change of rescale, rescale_by, mode, channels, page or level."
            )
        return tuple(map(tuple, self.rescale_range_.tolist()))

    def _describe_ranges(self, rescale):
        """Return the parameters that learned ranges depend on."""
        return (
            self.mode,
            check_channel_choice(self.channels, self.mode),
            rescale,
            self.page,
            self.level,
        )

    def _as_lazy(self, images, rescale):
        """Wrap images, to be decoded with the present parameters."""
        n_threads = count_threads() if self.n_jobs is None else joblib.effective_n_jobs(self.n_jobs)
        value_range, _ = resolve_rescale(self.rescale, self.value_range)
        is_integer = isinstance(self.margin, numbers.Integral)
        margin = int(self.margin) if is_integer else float(self.margin)
        options = DecodingOptions(
            size=check_size("size", self.size),
            resize=self.resize,
            mode=self.mode,
            value_range=value_range,
            channels=check_channel_choice(self.channels, self.mode),
            page=self.page if self.page is None or isinstance(self.page, str) else int(self.page),
            level=None if self.level is None else int(self.level),
            rescale=rescale,
        )
        return LazyImages(
            images,
            options,
            self.value_range_ if self._infers_range() else value_range,
            min(n_threads, len(images)),
            on_error=self.on_error,
            max_pixels=self.max_pixels,
            margin=margin,
            pad=self.pad,
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
            has_gaps = self._takes_gaps()
            channels = None if self.mode == "channels" or self.channels else (1, 3, 4)
            return check_images(self, X, channels=channels, allow_nan=has_gaps, reset=reset)
        check_not_empty(images)
        if reset:
            reset_n_features(self)
        if isinstance(images, list) and self._infers_range():
            images = _unify_arrays(images, reset)
        return images

    def _takes_gaps(self):
        """Whether NaN are pixels of no data."""
        if self.mode == "channels" or isinstance(self.rescale, str):
            return True
        levels = self.value_range if self.rescale is None else self.rescale
        return levels is not None and (len(levels) == 3 or self.channels is not None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = self._takes_gaps()
        is_deep = self.mode == "channels"
        tags.transformer_tags.preserves_dtype = ["uint8", "uint16", "float32"] if is_deep else []
        return tags


def _list_arrays(images):
    """List the arrays among images and paths."""
    if not isinstance(images, list):
        return [images]
    return list(map(np.asarray, _list_sources(images)))


def _list_sources(images):
    """List the arrays among images and paths, and those of regions, once each."""
    sources = (image.source if isinstance(image, Region) else image for image in images)
    return list({id(item): item for item in sources if is_array(item) and np.size(item)}.values())


def _unify_arrays(images, reset):
    """Bring the arrays among images and paths to one scale."""
    sources = _list_sources(images)
    if not sources:
        return images
    unified = unify_scales(list(map(np.asarray, sources)), reset=reset)
    found = {id(item): array for item, array in zip(sources, unified, strict=True)}
    return [
        replace(image, source=found.get(id(image.source), image.source))
        if isinstance(image, Region)
        else found.get(id(image), image)
        for image in images
    ]


def _to_frame(images, X, library):
    """Make a dataframe with the images in one column of objects."""
    if library == "pandas":
        import pandas as pd

        index = X.index if isinstance(X, (pd.Series, pd.DataFrame)) else None
        return pd.DataFrame({"image": list(images)}, index=index)
    import polars as pl

    return pl.DataFrame({"image": pl.Series(list(images), dtype=pl.Object)})
