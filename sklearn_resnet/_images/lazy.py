"""LazyImages: images that are decoded when they are needed."""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from sklearn_resnet._images.cropping import crop_region
from sklearn_resnet._images.decoding import (
    MAX_PIXELS,
    DecodingOptions,
    convert_image,
    convert_pillow_image,
    fit_array,
    measure_array,
    measure_pillow_image,
    read_channel_names,
    read_image,
    read_samples,
)
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.digests import hash_channels, hash_item, hash_region
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.file_log import ChannelNames, FileLog, remark_on_learned_range
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._images.intensity import Extent, InferredRange, infer_value_range
from sklearn_resnet._images.items import (
    EncodedImage,
    Region,
    UnusableItem,
    is_array,
    is_path,
    name_of,
)
from sklearn_resnet._images.regions import describe_version
from sklearn_resnet._images.shared_results import SharedResults
from sklearn_resnet._images.sources import ImageSource
from sklearn_resnet._io.paths import file_version, is_url, is_zarr
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import prefetch_map

_DEFAULTS = {"value_range": None, "channels": None, "page": None, "level": None, "rescale": None}
_MAX_NAMED = 3  # failures in one warning
_MAX_CHANNELS = 20  # in a message
_MAX_MEASURED = 64  # images, to infer a value range
_N_DECODED = 2  # images for their regions, and more up to
_MAX_DECODED = 64 * 2**20  # bytes
_WHITE = {"uint16": 65535.0, "float32": 1.0}  # of rescaled images


class _Form(NamedTuple):
    """The shape and the dtype of each image."""

    shape: tuple[int, ...]
    dtype: np.dtype


class _WholeImage(NamedTuple):
    """The decoded image of regions, with the reports on its file; or the error of decoding it."""

    array: np.ndarray | None = None
    reports: list = []  # noqa: RUF012
    error: ImageReadError | None = None

    @property
    def nbytes(self):
        """The size of the array."""
        return 0 if self.array is None else self.array.nbytes


class Failure(NamedTuple):
    """An image that could not be read.

    Attributes
    ----------
    position : int
        The position of the image in the input of `ImageLoader`.
    path : str
        Empty for an image in memory.
    cause : str
    """

    position: int
    path: str
    cause: str


class _LazySource(ImageSource):
    """Images that are decoded when they are needed."""

    is_lazy = True
    lookup_size = 256  # all files of a lookup are read at once


class LazyImages(_LazySource):
    """A sequence of images that are decoded when they are needed.

    ``ImageLoader(lazy=True)`` makes it. It has the length, shape and dtype of an array, and it is
    indexed and sliced like an array along its first axis, without decoding anything.
    ``np.asarray`` decodes all images, unless they are in the cache that `ImageLoader` describes.

    Parameters
    ----------
    items : list of path, array-like, PIL Image, EncodedImage, UnusableItem or Region
        The images, as `as_sequence` lists them.
    options : dict
        The size, resize mode, colour mode, value range, channels, page, level and rescaling, as
        `read_image` takes them.
    value_range : tuple of 2 float or None
        The black and the white level of arrays.
    n_threads : int
        The number of threads that decode.
    positions : array-like of int, default=None
        The positions that errors name; None counts the items from 0.
    on_error : {"raise", "nan", "skip"}, default="raise"
        As for `ImageLoader`. With ``"nan"`` and ``"skip"``, `batches` gives a black image in place
        of one that cannot be read, and records it in `failures`. An array cannot mark an image as
        missing, so ``np.asarray`` always raises the error.
    max_pixels : int, default=89_478_485
        The largest number of pixels that a file may have.
    margin : int or float, default=0
        As for `ImageLoader`.
    pad : {"reflect", "black"}, default=None
        As for `ImageLoader`.

    Attributes
    ----------
    boxes : ndarray of int of shape (n, 4), or None
        The top, left, bottom and right of regions; None if not all images are regions.
    failures : dict of int to Failure
        The images that the last pass of `ResNetFeatures` could not read, by index. Each has a
        position, a path and a cause.
    file_log : FileLog
        The reports on the files of the last pass.
    positions : ndarray of int
        The position of each image in the input of `ImageLoader`.

    See Also
    --------
    ImageLoader : Makes it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_resnet import ImageLoader
    >>> photos = [np.zeros((40, 30)), np.ones((30, 60, 3))]
    >>> images = ImageLoader(size=32, lazy=True).fit_transform(photos)
    >>> images
    <LazyImages: 2 of 32x32x3, not decoded yet>
    >>> images[:1].shape
    (1, 32, 32, 3)
    """

    def __init__(
        self,
        items: Sequence,
        options: DecodingOptions,
        value_range: tuple[float, float] | None,
        n_threads: int,
        positions: ArrayLike | None = None,
        *,
        on_error: str = "raise",
        max_pixels: int = MAX_PIXELS,
        margin: float = 0,
        pad: str | None = None,
    ) -> None:
        self._items = items
        self.options = _DEFAULTS | options
        self._value_range = value_range
        self._n_threads = n_threads
        self.positions = np.arange(len(items)) if positions is None else np.asarray(positions)
        self.on_error = on_error
        self._max_pixels = max_pixels
        self.margin = margin
        self.pad = pad
        # the last decoded images of regions; all selections share it
        self._decoded = SharedResults(_N_DECODED, _MAX_DECODED)
        self.failures: dict[int, Failure] = {}
        self.file_log = FileLog()
        size, mode = options["size"], options["mode"]
        # every image of a selection is compared with the same first image
        self._first: tuple | None = None
        self._parent: LazyImages | None = None
        self._inferred: InferredRange | None = None
        self._channel_names: list[str] | None = None
        # the first image that names its channels, and their names; all selections share it
        self._named: dict[str, tuple[str, ...]] = {}
        self._form: _Form | None = None
        if mode != "channels" and size is not None:
            self._form = _Form((*size, 3) if mode == "RGB" else size, np.dtype(np.uint8))

    def __repr__(self):
        size = "x".join(map(str, self.options["size"] or ("size of the first",)))
        if self._form is not None:
            size = "x".join(map(str, self._form.shape))
        elif self.options["size"] is not None:
            size += " and the channels of the first"
        return f"<LazyImages: {len(self)} of {size}, not decoded yet>"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array of these images.

        Without a size, and with the mode "channels", it is that of the first readable image, which is
        decoded.
        """
        return (len(self._items), *self._find_form().shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of decoded images: uint8; for the mode "channels" that of the first readable one."""
        if self.options["mode"] != "channels":
            return np.dtype(np.uint8)
        return self._find_form().dtype

    def _find_form(self, use_cache=False):
        """Return shape and dtype of each image."""
        if self._form is not None:
            return self._form
        for i in range(len(self)):
            try:
                image = self._load(i, use_cache, reports := [])
                self._check_names(i, reports)
            except (ImageReadError, ParameterError):
                if self.on_error == "raise" or i == len(self) - 1:
                    raise
            else:
                self._first = self._items[i], self.positions[i]
                self._form = _Form(image.shape, image.dtype)
                return self._form

    @property
    def channel_names(self) -> list[str]:
        """The names of the channels of the first readable image.

        A channel without a name is called by its index in the file.
        """
        if self._channel_names is None:
            self._channel_names = self._find_channel_names()
        return self._channel_names

    def _find_channel_names(self):
        _, _, n_channels = (*self._find_form().shape, 1)[:3]
        if self.options["mode"] != "channels":
            return [str(i) for i in range(n_channels)]
        chosen = self.options["channels"] or range(n_channels)
        item, options = self._split(self._first[0])
        if is_path(item) or isinstance(item, EncodedImage):
            return list(read_channel_names(item, options, max_pixels=self._max_pixels))
        return [str(channel) for channel in chosen]

    @property
    def paths(self) -> list[str]:
        """The path of each image; empty for an image in memory without a name."""
        return [name_of(item) for item in self._items]

    @property
    def boxes(self) -> np.ndarray | None:
        """The top, left, bottom and right of regions; None if not all images are regions."""
        boxes = [item.box if isinstance(item, Region) else None for item in self._items]
        return None if None in boxes else np.array(boxes, dtype=np.int64).reshape(-1, 4)

    @property
    def ndim(self) -> int:
        """The number of dimensions: 3 for grey images, 4 for others."""
        return 3 if self.options["mode"] == "L" else 4

    def __len__(self):
        return len(self._items)

    def __getitem__(self, key):
        """One image for an int, LazyImages for anything else that selects rows."""
        # scikit-learn selects rows of arrays by [rows, ...], Dask by [rows, :, :, :]
        if isinstance(key, tuple):
            if not all(
                k is Ellipsis or (isinstance(k, slice) and k == slice(None)) for k in key[1:]
            ):
                raise IndexError(
                    f"LazyImages can be indexed along their first axis only. Got {key!r}; "
                    "np.asarray decodes them all."
                )
            key = key[0]
        chosen = np.arange(len(self))[key]
        if np.ndim(chosen) == 0:
            image = self._load_of_one_form(int(chosen), report=(reports := []))
            self._check_names(int(chosen), reports)
            return image
        selected = copy.copy(self)
        selected._items = [self._items[i] for i in chosen]
        selected.positions = self.positions[chosen]
        selected._parent = selected._inferred = None
        selected.failures = {}
        selected.file_log = FileLog()
        return selected

    def __iter__(self):
        return self._decode_all(self._load_of_one_form)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("LazyImages cannot become an array without decoding them: copy=False.")
        self._find_form(use_cache=True)
        images = np.empty(self.shape, self.dtype)
        # of more images, each pass would evict all before the next one finds them
        load = partial(self._load_of_one_form, use_cache=images.nbytes <= image_cache.max_bytes)
        for i, image in enumerate(self._decode_all(load)):
            images[i] = image
        return images if dtype is None else images.astype(dtype, copy=False)

    def blocks(self, batch_size: int) -> "Iterator[LazyImages]":
        """Cut the images into blocks, without decoding them.

        Parameters
        ----------
        batch_size : int
            The number of images in a block.

        Yields
        ------
        block : LazyImages
            They have the shape, the dtype and the value range of all.
        """
        self._find_form()
        for start in range(0, len(self), batch_size):
            block = self[start : start + batch_size]
            block._parent = self
            yield block

    def infer_value_range(self) -> InferredRange:
        """Infer the black and the white level.

        Returns
        -------
        InferredRange
            By the dtype if it is uint8, or if the images are rescaled; otherwise from up to 64
            images, spread evenly, which are decoded.
        """
        if self.dtype == np.uint8:
            return InferredRange((0.0, 255.0), Extent(self.dtype, 0.0, 255.0))
        if self.options["rescale"] is not None or self.options["value_range"] is not None:
            white = _WHITE[self.dtype.name]
            return InferredRange((0.0, white), Extent(self.dtype, 0.0, white))
        if self._parent is not None:
            return self._parent.infer_value_range()
        if self._inferred is None:
            images = self._map_spread(self._load_of_one_form, _MAX_MEASURED)
            self._inferred = infer_value_range(images)
        return self._inferred

    def sample_values(self, n_images: int, max_values: int) -> list[list[np.ndarray]]:
        """Read values of images that are spread evenly.

        Parameters
        ----------
        n_images : int
            The greatest number of images.
        max_values : int
            The greatest number of values of a channel of an image.

        Returns
        -------
        values : list of list of ndarray
            For each image, those of each channel that are not no data, before they are rescaled. An
            image that cannot be read is left out, unless that is an error.
        """
        read = partial(self._read_values, max_values=max_values)
        samples = list(self._map_spread(read, n_images))
        if self.options["mode"] == "channels" and self.on_error == "raise":
            self._check_counts(samples)
        elif self.options["mode"] == "channels":  # these fail in transform
            samples = [found for found in samples if len(found[1]) == len(samples[0][1])]
        return [values for _, values in samples]

    def batches(
        self, batch_size: int, positions: Iterable[int] | None = None
    ) -> Iterator[np.ndarray]:
        """Decode images in batches, ahead of their use.

        At most about two further batches are held in memory.

        Parameters
        ----------
        batch_size : int
            The number of images in a batch.
        positions : iterable of int, default=None
            Indices of the images, in order; None takes all.

        Yields
        ------
        batch : ndarray of shape (batch_size, height, width[, n_channels])
            The last one may be shorter.
        """
        n_ahead = batch_size + 2 * self._n_threads
        positions = range(len(self)) if positions is None else positions
        load = self._load_of_one_form if self.on_error == "raise" else self._load_or_record
        images = self._decode(load, positions, n_ahead)
        batch = np.empty((batch_size, *self.shape[1:]), self.dtype)
        n_filled = 0
        for image in images:
            batch[n_filled] = image
            n_filled += 1
            if n_filled == batch_size:
                yield batch
                batch, n_filled = np.empty_like(batch), 0
        if n_filled:
            yield batch[:n_filled]

    def digests(self) -> list[bytes]:
        """Hash the content of each image, without decoding it.

        Returns
        -------
        digests : list of bytes
            Equal for images that are decoded from the same bytes in the same way. An unreadable
            file has a random digest.
        """

        def find(item):
            source, options = self._split(item)
            digest = hash_item(source, options, self._value_range)
            return (
                hash_region(digest, item, self.margin, self.pad)
                if isinstance(item, Region)
                else digest
            )

        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(find, self._items))

    def channel_digests(self) -> list[list[bytes]]:
        """Hash the content of each channel of each image, without decoding it.

        Returns
        -------
        digests : list of list of bytes
            Of each image, those of its channels. The digest of a channel does not depend on which
            other channels are read.
        """
        _, _, n_channels = (*self._find_form().shape, 1)[:3]

        def find(item):
            source, options = self._split(item)
            digests = hash_channels(source, options, self._value_range, n_channels)
            if not isinstance(item, Region):
                return digests
            return [hash_region(digest, item, self.margin, self.pad) for digest in digests]

        with ThreadPoolExecutor(self._n_threads) as pool:
            return list(pool.map(find, self._items))

    def file_versions(self, *, asks_urls: bool = False) -> list[str | None]:
        """Find the version of each file, which changes with its content.

        Parameters
        ----------
        asks_urls : bool, default=False
            Whether to ask for the versions of URLs, which is slow.

        Returns
        -------
        versions : list of str or None
            That of a region names its box, too. None for arrays, for URLs unless asked, and for
            unreadable files.
        """

        @cache  # for all regions of a file
        def find(path):
            try:
                return file_version(path)
            except Exception:  # decoding it will name the cause
                return None

        def describe(item):
            source, _ = self._split(item)
            is_asked = is_path(source) and (asks_urls or not is_url(source))
            version = find(source) if is_asked else None
            return describe_version(item, version) if isinstance(item, Region) else version

        return list(map(describe, self._items))

    def with_paths(self, change: Callable) -> Self:
        """Replace the paths.

        Parameters
        ----------
        change : callable
            Makes a new path of each path.

        Returns
        -------
        images : LazyImages
            The same images at the new paths.
        """
        images = copy.copy(self)
        images._items = [_with_path(item, change) for item in self._items]
        if self._first is not None:
            images._first = _with_path(self._first[0], change), self._first[1]
        return images

    def with_form_of(self, other: Self) -> Self:
        """Expect images to have the shape and the dtype of others, without decoding any.

        Parameters
        ----------
        other : LazyImages
            Images of the same parameters.

        Returns
        -------
        images : LazyImages
            The same images, which must have this shape and dtype when they are decoded.
        """
        images = copy.copy(self)
        images._form, images._first = other._find_form(), other._first
        images._named = other._named
        return images

    def add_failure(self, i: int, cause: str) -> None:
        """Record that an image could not be read.

        Parameters
        ----------
        i : int
            Its index.
        cause : str
            The reason.
        """
        self.failures[i] = Failure(int(self.positions[i]), name_of(self._items[i]), cause)

    def record_failures(self, failures: dict[int, Failure]) -> None:
        """Replace the failures by those of a pass that read these images in blocks.

        Parameters
        ----------
        failures : dict of int to Failure
            By index.
        """
        self.failures = failures

    def _decode_all(self, load):
        """Yield all images, and warn at the end if their value ranges may be wrong."""
        self.file_log.clear()
        yield from self._decode(load, range(len(self)), 2 * self._n_threads)
        self.file_log.warn()

    def _decode(self, load, positions, n_ahead):
        """Yield images in order, and decode up to `n_ahead` of them ahead of their use."""
        rescale = self.options["rescale"]
        is_learned = rescale is not None and not isinstance(rescale[0], str)

        def load_and_report(i):
            reports = []
            image = load(i, report=reports)
            if is_learned and i not in self.failures:
                reports.append(remark_on_learned_range(image))
            return i, image, list(filter(None, reports))

        self._find_form()  # before the threads need it
        for i, image, reports in prefetch_map(load_and_report, positions, self._n_threads, n_ahead):
            difference = self._compare_names(i, reports)
            if difference:
                if self.on_error == "raise":
                    raise _names_error(difference)
                self.add_failure(int(i), f"files name their channels differently: {difference}")
                image = np.zeros_like(image)
            for report in reports:
                self.file_log.add(name_of(self._items[i]) or f"image {self.positions[i]}", report)
            yield image

    def _map_spread(self, function, n_images):
        """Yield the results of a function of some indices, spread evenly; unreadable images are left out.

        If that is an error, or if none can be read, the first error is raised.
        """

        def call(i):
            try:
                return function(i), None
            except (ImageReadError, ParameterError) as exc:  # or one of another form
                if self.on_error == "raise":
                    raise
                return None, exc

        n_images = min(n_images, len(self))
        positions = np.linspace(0, len(self) - 1, n_images).astype(int)
        first_error, n_read = None, 0
        for result, error in prefetch_map(call, positions, self._n_threads, 2 * self._n_threads):
            if error is None:
                n_read += 1
                yield result
            first_error = first_error or error
        if first_error is not None and n_read == 0:
            raise first_error

    def _read_values(self, i, max_values):
        """Sample the values of each channel of an image; return its index too."""
        item, options = self._split(self._items[i])
        with self._naming(i):
            if is_array(item):
                return i, measure_array(np.asarray(item), options, max_values)
            if isinstance(item, Image.Image):
                return i, measure_pillow_image(item, options, max_values)
            return i, read_samples(item, options, max_values, max_pixels=self._max_pixels)

    @contextmanager
    def _naming(self, i):
        """Add to an error the position and the name of an image."""
        item, _ = self._split(self._items[i])
        position = int(self.positions[i])
        try:
            if isinstance(item, UnusableItem):
                raise ImageReadError(item.cause, item.name, remedy=item.remedy)
            yield
        except ImageReadError as exc:
            exc.position = position
            raise
        except FormatError as exc:
            raise ImageReadError(exc.cause, name_of(item), position, exc.remedy) from exc
        except ValueError as exc:
            raise ImageReadError(str(exc), name_of(item), position) from exc

    def _load(self, i, use_cache=False, report=None):
        item, options = self._split(self._items[i])
        with self._naming(i):
            region = self._items[i]
            if isinstance(region, Region) and region.is_cut:
                return self._load_region(region, use_cache, report)
            return self._load_whole(item, options, use_cache, report)

    def _load_whole(self, item, options, use_cache, report):
        if is_array(item):
            options = options | {"value_range": self._value_range}
            return convert_image(np.asarray(item), **options)
        return self._read(item, use_cache, report, options)

    def _load_region(self, region, use_cache, report):
        """Cut a region out of its image, which is decoded once for all regions in turn."""
        item, options = self._split(region)
        decode = partial(self._decode_whole, item, options | {"size": None}, use_cache)
        decoded = self._decoded.get((_identify(item), options["page"]), decode)
        if decoded.error is not None:
            raise copy.copy(decoded.error)
        if report is not None:
            report += decoded.reports
        image = crop_region(decoded.array, region, self.margin, self.pad)
        return fit_array(image, options["mode"], options["size"], options["resize"])

    def _decode_whole(self, item, options, use_cache):
        """Decode the image of regions; also return its reports."""
        reports = []
        try:
            return _WholeImage(self._load_whole(item, options, use_cache, reports), reports)
        except ImageReadError as exc:
            return _WholeImage(error=exc)

    def _split(self, item):
        """Split an item into the image that it is or that it is a region of, and its options."""
        if not isinstance(item, Region):
            return item, self.options
        options = self.options if item.page is None else self.options | {"page": item.page}
        return item.source, options

    def _read(self, item, use_cache, report, options):
        options = {"max_pixels": self._max_pixels, **options}
        options["report"] = None if report is None else report.append
        if isinstance(item, Image.Image):
            return convert_pillow_image(item, **options)
        return read_image(item, use_cache=use_cache, **options)

    def _load_of_one_form(self, i, use_cache=False, report=None):
        image, form = self._load(i, use_cache, report), self._find_form()
        if image.shape[:2] != form.shape[:2]:
            raise ParameterError(
                "size",
                "must be given for images of different sizes",
                got=None,
                hint=f"{self._describe_difference(i, image)}.",
                remedy="Pass size= to ImageLoader, as in ImageLoader(size=64).",
            )
        if _Form(image.shape, image.dtype) != form:
            raise _channels_error(self._describe_difference(i, image))
        return image

    def _load_or_record(self, i, report):
        """Load an image, or record why it failed and return a black one."""
        form = self._find_form()
        try:
            image = self._load(i, report=report)
        except ImageReadError as exc:
            self.add_failure(int(i), exc.cause)
            return np.zeros(*form)
        if _Form(image.shape, image.dtype) != form:
            rule = "without a size, all images must be of one size"
            if image.shape[:2] == form.shape[:2]:
                rule = "all images must have the same channels and the same depth"
            self.add_failure(int(i), f"{rule}: {self._describe_difference(i, image)}")
            return np.zeros(*form)
        self.failures.pop(int(i), None)
        return image

    def _check_names(self, i, reports):
        """Raise ParameterError if channels that are taken by position have other names than before."""
        difference = self._compare_names(i, reports)
        if difference:
            raise _names_error(difference)

    def _compare_names(self, i, reports):
        """Describe how the names of channels differ from those before; empty if they do not."""
        for names in reports:
            if isinstance(names, ChannelNames):
                name = _name(self._items[i], self.positions[i])
                first, names_of_first = next(iter(self._named.items()), (name, names))
                if names_of_first != names and len(names_of_first) == len(names):
                    return f"{first} has {_join(names_of_first)}, and {name} has {_join(names)}"
                self._named.setdefault(first, names_of_first)
        return ""

    def _describe_difference(self, i, image):
        form = self._find_form()
        is_size = image.shape[:2] != form.shape[:2]
        first = _describe(*self._first, form, is_size)
        return f"{first} and {_describe(self._items[i], self.positions[i], image, is_size)}"

    def _check_counts(self, samples):
        """Raise ParameterError if images differ in their number of channels; see `_read_values`."""
        first, values_of_first = samples[0]
        for i, values in samples[1:]:
            if len(values) != len(values_of_first):
                counts = (
                    f"{_name(self._items[j], self.positions[j])} has {_count(len(found))}"
                    for j, found in ((first, values_of_first), (i, values))
                )
                raise _channels_error(" and ".join(counts))


def _identify(item):
    """Tell an image from others: a path with the version of its file, or an object in memory."""
    if not is_path(item):
        return id(item)
    if is_url(item) or is_zarr(item):  # asking is slow
        return name_of(item)
    try:
        return name_of(item), file_version(item)
    except Exception:  # decoding it will name the cause
        return name_of(item)


def _with_path(item, change):
    """Replace the path of an item or of the image of a region."""
    if isinstance(item, Region):
        return replace(item, source=_with_path(item.source, change))
    return change(item) if is_path(item) else item


def warn_about_failures(failures, n_images, consequence):
    """Warn about images that could not be read; see `describe_failures`."""
    if failures:
        failures = sorted(failures.values())
        warnings.warn(describe_failures(failures, n_images, consequence), stacklevel=3)


def describe_failures(failures, n_images, consequence):
    """Describe the number of images that could not be read, and name the first ones.

    Parameters
    ----------
    failures : list of Failure
    n_images : int
        The total number of images.
    consequence : str
        How these images are handled: ``"their features are NaN"``.

    Returns
    -------
    str
    """
    named = "; ".join(
        f"{failure.path or 'an image in memory'!r} (image {failure.position}): {failure.cause}"
        for failure in failures[:_MAX_NAMED]
    )
    more = "; ..." if len(failures) > _MAX_NAMED else ""
    n_failures = len(failures)
    return f"{n_failures} of {n_images} images could not be read, and {consequence}: {named}{more}"


def _channels_error(difference):
    return ParameterError(
        "channels",
        "must name channels that all images have, in one depth",
        got=None,
        hint=f"{difference}.",
        remedy="Pass channels=[...] to ImageLoader for images of different channels, or mode='RGB' for "
        "images of different depths.",
    )


def _names_error(difference):
    return ParameterError(
        "channels",
        "must name the channels of files that name them differently",
        got=None,
        hint=f"{difference}. Choose channels by name to take them by name in each file.",
        remedy="Pass channels=[...] with names to ImageLoader.",
    )


def _describe(item, position, image, is_size):
    name = _name(item, position)
    if is_size:
        return f"{name} has {image.shape[0]} x {image.shape[1]} pixels"
    return f"{name} has {_count(image.shape[2])} of {image.dtype}"


def _name(item, position):
    return repr(name_of(item)) if name_of(item) else f"image {position} of X"


def _join(names):
    return ", ".join([*map(repr, names[:_MAX_CHANNELS]), *["..."] * (len(names) > _MAX_CHANNELS)])


def _count(n_channels):
    return f"{n_channels} channel{'s' * (n_channels != 1)}"
