"""LazyImages: images that are decoded when they are needed."""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import Self, cast

import numpy as np
from numpy.typing import ArrayLike

from sklearn_resnet._images.decoding import MAX_PIXELS, DecodingOptions
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.failures import Failure
from sklearn_resnet._images.file_log import ChannelNames, FileLog, remark_on_learned_range
from sklearn_resnet._images.forms import (
    Form,
    channels_error,
    count_channels,
    describe_difference,
    describe_name,
    list_channels,
    names_error,
    size_error,
)
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._images.intensity import Extent, InferredRange, infer_value_range
from sklearn_resnet._images.item_reader import ItemReader, image_key, naming_errors
from sklearn_resnet._images.items import Region, is_cut, is_path, name_of
from sklearn_resnet._images.preview import describe_in_html
from sklearn_resnet._images.read_ahead import ReadAhead
from sklearn_resnet._images.sources import ImageSource
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.threads import prefetch_map

_DEFAULTS = {"value_range": None, "channels": None, "page": None, "level": None, "rescale": None}
_MAX_MEASURED = 64  # images, to infer a value range
_MAX_CHUNK = 8  # images that a thread decodes at once
_CHUNKS_PER_THREAD = 4  # of a batch, so that all threads are busy until its end
_WHITE = {"uint16": 65535.0, "float32": 1.0}  # of rescaled images


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
        self.options = cast(DecodingOptions, _DEFAULTS | options)
        self.margin = margin
        self.pad = pad
        self._reader = ItemReader(self.options, value_range, max_pixels, margin, pad)
        self._n_threads = n_threads
        self.positions = np.arange(len(items)) if positions is None else np.asarray(positions)
        self.on_error = on_error
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
        self._form: Form | None = None
        if mode != "channels" and size is not None:
            self._form = Form((*size, 3) if mode == "RGB" else size, np.dtype(np.uint8))

    def __repr__(self):
        size = "x".join(map(str, self.options["size"] or ("size of the first",)))
        if self._form is not None:
            size = "x".join(map(str, self._form.shape))
        elif self.options["size"] is not None:
            size += " and the channels of the first"
        return f"<LazyImages: {len(self)} of {size}, not decoded yet>"

    def _repr_html_(self) -> str:
        return describe_in_html(self)

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
                self._reader.release(self._items[i])
                self._first = self._items[i], self.positions[i]
                self._form = Form.of(image)
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
        first = None if self._first is None else self._first[0]
        return self._reader.name_channels(first, n_channels)

    @property
    def items(self) -> Sequence:
        """The images before decoding: paths, arrays or regions."""
        return self._items

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
    def regions(self) -> list[Region]:
        """Each image as a region; a whole image has no box."""
        return [item if isinstance(item, Region) else Region(item) for item in self._items]

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
        if isinstance(key, slice):  # of a block: no array of all indices
            chosen = np.arange(*key.indices(len(self)))
        else:
            chosen = np.arange(len(self))[key]
        if np.ndim(chosen) == 0:
            image = self._load_of_one_form(int(chosen), report=(reports := []))
            self._check_names(int(chosen), reports)
            self._reader.release(self._items[chosen])
            return image
        selected = copy.copy(self)
        selected._items = [self._items[i] for i in chosen]
        selected.positions = self.positions[chosen]
        selected._parent = selected._inferred = None
        selected.failures = {}
        selected.file_log = FileLog()
        return selected

    def __iter__(self):
        form = self._find_form()
        rows = ((i, np.empty(*form)) for i in range(len(self)))
        return self._decode_all(self._load_of_one_form, rows)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("LazyImages cannot become an array without decoding them: copy=False.")
        self._find_form(use_cache=True)
        images = np.empty(self.shape, self.dtype)
        # of more images, each pass would evict all before the next one finds them
        load = partial(self._load_of_one_form, use_cache=images.nbytes <= image_cache.max_bytes)
        order = self.reading_order()
        order = range(len(self)) if order is None else order
        for _ in self._decode_all(load, ((i, images[i]) for i in order)):
            pass
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

    def end_pass(self) -> None:
        """Forget the images that regions were cut out of, after a pass over blocks."""
        self._reader.clear()

    def reading_order(self) -> np.ndarray | None:
        """Find an order in which each image is decoded once for all its regions.

        Returns
        -------
        order : ndarray of int of shape (n,), or None
            The regions of each image follow each other, from top to bottom. None if this is the order
            of the images.
        """
        first, keys = {}, []  # by image, the index of its first region
        for i, item in enumerate(self._items):
            is_region = is_cut(item)
            top, left = item.box[:2] if is_region and item.box else (0, 0)
            keys.append((first.setdefault(image_key(item), i) if is_region else i, top, left))
        order = np.lexsort(np.array(keys, dtype=np.int64).reshape(-1, 3).T[::-1])
        return None if np.array_equal(order, np.arange(len(order))) else order

    def infer_value_range(self) -> InferredRange:
        """Infer the black and the white level.

        Returns
        -------
        InferredRange
            By the dtype if it is uint8, or if the images are rescaled; otherwise from up to 64
            images, spread evenly, which are decoded; of regions, from their images.
        """
        if self.dtype == np.uint8:
            return InferredRange((0.0, 255.0), Extent(self.dtype, 0.0, 255.0))
        if self.options["rescale"] is not None or self.options["value_range"] is not None:
            white = _WHITE[self.dtype.name]
            return InferredRange((0.0, white), Extent(self.dtype, 0.0, white))
        if self._parent is not None:
            return self._parent.infer_value_range()
        if self._inferred is None:
            blocks = chain.from_iterable(self._map_spread(self._list_blocks, _MAX_MEASURED))
            self._inferred = infer_value_range(blocks)
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
            For each image, those of each channel that are not no data, before they are rescaled;
            for regions, those of their images. An image that cannot be read is left out, unless that
            is an error.
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
        positions = range(len(self)) if positions is None else positions
        load = self._load_of_one_form if self.on_error == "raise" else self._load_or_record
        shape, dtype, begun = (batch_size, *self.shape[1:]), self.dtype, deque()

        def allocate():
            for n, i in enumerate(positions):
                if n % batch_size == 0:
                    begun.append(np.empty(shape, dtype))
                yield i, begun[-1][n % batch_size]

        n_images = min(batch_size, len(self))
        chunk_size = max(1, min(_MAX_CHUNK, n_images // (_CHUNKS_PER_THREAD * self._n_threads)))
        images = self._decode(load, allocate(), batch_size, chunk_size)
        while n_filled := sum(1 for _ in islice(images, batch_size)):
            yield begun.popleft()[:n_filled]

    def digests(self) -> list[bytes]:
        """Hash the content of each image, without decoding it.

        Returns
        -------
        digests : list of bytes
            Equal for images that are decoded from the same bytes in the same way. An unreadable
            file has a random digest.
        """
        return self._reader.digests(self._items, self._n_threads)

    def channel_digests(self) -> list[list[bytes]]:
        """Hash the content of each channel of each image, without decoding it.

        Returns
        -------
        digests : list of list of bytes
            Of each image, those of its channels. The digest of a channel does not depend on which
            other channels are read.
        """
        _, _, n_channels = (*self._find_form().shape, 1)[:3]
        return self._reader.channel_digests(self._items, n_channels, self._n_threads)

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
        return self._reader.file_versions(self._items, asks_urls=asks_urls)

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

    def _decode_all(self, load, rows):
        """Yield all images, and warn at the end if their value ranges may be wrong."""
        self.file_log.clear()
        yield from self._decode(load, rows, 2 * self._n_threads)
        self.file_log.warn()

    def _decode(self, load, rows, n_ahead, chunk_size=1):
        """Decode images into arrays, up to `n_ahead` of them ahead of their use.

        Parameters
        ----------
        load : callable
            Takes an index and ``report``; returns an image.
        rows : iterable of tuple of (int, ndarray)
            The index of each image, in order, and the array for it. It is consumed along with the
            images, so that no more memory is needed than for `n_ahead` of them.
        n_ahead : int
        chunk_size : int, default=1
            As for `prefetch_map`. Threads share the image of regions, which they take one by one.

        Yields
        ------
        row : ndarray
            As in `rows`, filled.
        """

        def load_and_report(row):
            i, array = row
            reports = []
            image = load(i, report=reports)
            # a region may well be black
            if self._reader.is_learned and not is_cut(self._items[i]) and i not in self.failures:
                reports.append(remark_on_learned_range(image))
            array[...] = image
            return i, array, list(filter(None, reports))

        self._find_form()  # before the threads need it
        if any(map(is_cut, self._items)):
            chunk_size = 1
        results = prefetch_map(load_and_report, rows, self._n_threads, n_ahead, chunk_size)
        try:
            for i, array, reports in self._read_ahead(results):
                difference = self._compare_names(i, reports)
                if difference:
                    if self.on_error == "raise":
                        raise names_error(difference)
                    self.add_failure(int(i), f"files name their channels differently: {difference}")
                    array[...] = 0
                for report in reports:
                    self.file_log.add(self._describe_file(i), report)
                yield array
        finally:
            results.close()
            if self._parent is None:
                self._reader.clear()

    def _read_ahead(self, results):
        """Yield results, and open the next image meanwhile."""
        order = self.reading_order()
        items = self._items if order is None else (self._items[i] for i in order)
        with ReadAhead(self._reader, items) as ahead:
            for result in results:
                ahead.follow(self._items[result[0]])
                yield result

    def _describe_file(self, i):
        """Name the file of an item for the log."""
        return name_of(self._items[i]) or f"image {self.positions[i]}"

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

        images = self._list_images()
        n_images = min(n_images, len(images))
        positions = images[np.linspace(0, len(images) - 1, n_images).astype(int)]
        first_error, n_read = None, 0
        for result, error in prefetch_map(call, positions, self._n_threads, 2 * self._n_threads):
            if error is None:
                n_read += 1
                yield result
            first_error = first_error or error
        if first_error is not None and n_read == 0:
            raise first_error

    def _list_images(self):
        """List the indices of one region of each image, and of all other items."""
        keys = (image_key(item) if is_cut(item) else i for i, item in enumerate(self._items))
        first = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        return np.fromiter(first.values(), dtype=int)

    def _list_blocks(self, i):
        """Read a whole image in blocks."""
        item = self._items[i]
        if not is_cut(item):
            return [self._load_of_one_form(i)]
        with self._naming(i):
            blocks = self._reader.list_blocks(item)
            self._reader.release(item)
            return blocks

    def _read_values(self, i, max_values):
        """Sample the values of each channel of an image; return its index too."""
        with self._naming(i):
            return i, self._reader.sample_values(self._items[i], max_values)

    def _naming(self, i):
        """Add to an error the position and the name of an image."""
        return naming_errors(self._items[i], int(self.positions[i]))

    def _load(self, i, use_cache=False, report=None):
        with self._naming(i):
            return self._reader.read(self._items[i], use_cache, report)

    def _load_of_one_form(self, i, use_cache=False, report=None):
        image, form = self._load(i, use_cache, report), self._find_form()
        if image.shape[:2] != form.shape[:2]:
            raise size_error(self._describe_difference(i, image))
        if Form.of(image) != form:
            raise channels_error(self._describe_difference(i, image))
        return image

    def _load_or_record(self, i, report):
        """Load an image, or record why it failed and return a black one."""
        form = self._find_form()
        try:
            image = self._load(i, report=report)
        except ImageReadError as exc:
            self.add_failure(int(i), exc.cause)
            return np.zeros(*form)
        if Form.of(image) != form:
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
            raise names_error(difference)

    def _compare_names(self, i, reports):
        """Describe how the names of channels differ from those before; empty if they do not."""
        for names in reports:
            if isinstance(names, ChannelNames):
                name = describe_name(self._items[i], self.positions[i])
                first, names_of_first = next(iter(self._named.items()), (name, names))
                if names_of_first != names and len(names_of_first) == len(names):
                    listed = list_channels(names_of_first), list_channels(names)
                    return f"{first} has {listed[0]}, and {name} has {listed[1]}"
                self._named.setdefault(first, names_of_first)
        return ""

    def _describe_difference(self, i, image):
        first = describe_name(*self._first)
        other = describe_name(self._items[i], self.positions[i])
        return describe_difference(first, self._find_form(), other, Form.of(image))

    def _check_counts(self, samples):
        """Raise ParameterError if images differ in their number of channels; see `_read_values`."""
        first, values_of_first = samples[0]
        for i, values in samples[1:]:
            if len(values) != len(values_of_first):
                counts = (
                    f"{describe_name(self._items[j], self.positions[j])} has "
                    f"{count_channels(len(found))}"
                    for j, found in ((first, values_of_first), (i, values))
                )
                raise channels_error(" and ".join(counts))


def _with_path(item, change):
    """Replace the path of an item or of the image of a region."""
    if isinstance(item, Region):
        return replace(item, source=_with_path(item.source, change))
    return change(item) if is_path(item) else item
