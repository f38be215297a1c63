"""Reading the items of X: images, and regions of images that are decoded once."""

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import cache, partial

import numpy as np
from PIL import Image

from sklearn_resnet._images.cropping import crop_region
from sklearn_resnet._images.decoding import (
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
from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._images.decoding.windows import open_windows
from sklearn_resnet._images.digests import hash_channels, hash_item, hash_region
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.file_log import remark_on_learned_range
from sklearn_resnet._images.items import (
    EncodedImage,
    Region,
    UnusableItem,
    is_array,
    is_cut,
    is_path,
    name_of,
)
from sklearn_resnet._images.region_images import UnreadableImage, WholeImage, WindowedImage
from sklearn_resnet._images.regions import describe_version
from sklearn_resnet._images.shared_images import SharedImages
from sklearn_resnet._io.paths import file_version, is_url, is_zarr


class ItemReader:
    """Reads items with the same options; a pickle holds no images and no digests.

    Parameters
    ----------
    options : DecodingOptions
    value_range : tuple of 2 float or None
        The black and the white level of arrays.
    max_pixels : int
        The largest number of pixels that a file may have.
    margin, pad
        As for `ImageLoader`.
    """

    def __init__(
        self,
        options: DecodingOptions,
        value_range: tuple[float, float] | None,
        max_pixels: int,
        margin: float = 0,
        pad: str | None = None,
    ) -> None:
        self.options = options
        self._value_range = value_range
        self._max_pixels = max_pixels
        self._margin = margin
        self._pad = pad
        self._images = SharedImages()  # that regions are cut out of
        self._digests: dict = {}  # of the images of regions, by the version of their files

    def __getstate__(self):
        return vars(self) | {"_digests": {}}

    @property
    def is_learned(self):
        """Whether values are rescaled by ranges that were learned from a collection."""
        rescale = self.options["rescale"]
        return rescale is not None and not isinstance(rescale[0], str)

    def read(self, item, use_cache=False, report=None):
        """Read an item.

        Parameters
        ----------
        item : path, array-like, PIL Image, EncodedImage, UnusableItem or Region
        use_cache : bool, default=False
            As for `read_image`.
        report : list, default=None
            The reports on the file are added to it.

        Returns
        -------
        ndarray
            As from `read_image`.
        """
        if is_cut(item):
            return self._read_region(item, report)
        source, options = self._split(item)
        return self._read_image(source, options, use_cache, report)

    def list_blocks(self, item):
        """Read the whole image of an item, in one or several blocks.

        Parameters
        ----------
        item : as for `read`

        Returns
        -------
        iterable of ndarray
        """
        return self._find_image(item).list_blocks() if is_cut(item) else [self.read(item)]

    def sample_values(self, item, max_values):
        """Sample the values of each channel of the whole image; see `read_samples`."""
        source, options = self._split(item)
        windows = self._open_windows(item)
        if windows is not None:
            with closing(windows):
                return windows.sample_values(max_values)
        if is_array(source):
            return measure_array(np.asarray(source), options, max_values)
        if isinstance(source, Image.Image):
            return measure_pillow_image(source, options, max_values)
        return read_samples(source, options, max_values, max_pixels=self._max_pixels)

    def name_channels(self, item, n_channels):
        """Name the channels of an item; without names, by their indices in the file."""
        if self.options["mode"] != "channels":
            return [str(i) for i in range(n_channels)]
        source, options = self._split(item)
        windows = self._open_windows(item)
        if windows is not None:
            with closing(windows):
                return list(windows.channel_names)
        if is_path(source) or isinstance(source, EncodedImage):
            return list(read_channel_names(source, options, max_pixels=self._max_pixels))
        return [str(channel) for channel in options["channels"] or range(n_channels)]

    def digests(self, items, n_threads):
        """Hash the content of each item and how it is read; see `LazyImages`."""
        return self._hash(items, n_threads, hash_item, hash_region)

    def channel_digests(self, items, n_channels, n_threads):
        """Hash the content of each channel of each item; see `LazyImages`."""

        def hash_image(source, options, value_range):
            return hash_channels(source, options, value_range, n_channels)

        def cut(digests, *region):
            return [hash_region(digest, *region) for digest in digests]

        return self._hash(items, n_threads, hash_image, cut)

    def file_versions(self, items, *, asks_urls=False):
        """Find the version of the file of each item; see `LazyImages`."""
        # once for all regions of a file
        find = cache(partial(_find_version, is_quick=False, asks_urls=asks_urls))

        def describe(item):
            source, _ = self._split(item)
            version = find(source) if is_path(source) else None
            return describe_version(item, version) if isinstance(item, Region) else version

        return list(map(describe, items))

    def open_ahead(self, region):
        """Open the image of a region that is read soon, if it has not been open in this pass."""
        key = _make_key(region)
        if not self._images.has_had(key):
            with suppress(Exception):  # raised where it is read
                self._images.get(key, partial(self._open, region))

    def clear(self):
        """Forget the images that regions were cut out of."""
        self._images.clear()

    def release(self, item):
        """Forget these images if that of an item may change without a new version."""
        if is_cut(item) and _find_version(item.source) is None:
            self.clear()

    def _read_region(self, region, report):
        image = self._find_image(region)
        if report is not None:
            report += image.reports
        options = self.options
        cut = crop_region(image, region, self._margin, self._pad, self._max_pixels)
        return fit_array(cut, options["mode"], options["size"], options["resize"])

    def _find_image(self, region):
        """Return the image of a region; it is decoded if it is not one of the last."""
        image = self._images.get(_make_key(region), partial(self._open, region))
        if isinstance(image, UnreadableImage):
            raise copy.copy(image.error)
        return image

    def _open(self, region):
        try:
            windows = self._open_windows(region)
            if windows is not None:
                return WindowedImage(windows, self.options["size"])
            return self._decode(region)
        except ImageReadError as exc:
            return UnreadableImage(exc)

    def _open_windows(self, item):
        """Open a large file, or a pyramid, for reading regions; None for others, and for whole images."""
        if not is_cut(item):
            return None
        return open_windows(*self._split(item), max_pixels=self._max_pixels)

    def _decode(self, region):
        """Decode the image of a region."""
        source, options = self._split(region)
        reports = []
        array = self._read_image(source, options | {"size": None}, False, reports)
        if self.is_learned:
            reports.append(remark_on_learned_range(array))
        shape = None
        if options["level"] and is_path(source):
            shape = read_size(source, page=options["page"], max_pixels=self._max_pixels)
        return WholeImage(array, list(filter(None, reports)), shape)

    def _read_image(self, source, options, use_cache, report):
        if is_array(source):
            options = options | {"value_range": self._value_range}
            return convert_image(np.asarray(source), **options)
        return self.read_file(source, options, use_cache, report)

    def read_file(self, source, options, use_cache, report):
        """Read a file or an image of Pillow."""
        options = {"max_pixels": self._max_pixels, **options}
        options["report"] = None if report is None else report.append
        if isinstance(source, Image.Image):
            return convert_pillow_image(source, **options)
        return read_image(source, use_cache=use_cache, **options)

    def _split(self, item):
        """Split an item into the image that it is or that it is a region of, and its options."""
        if not isinstance(item, Region):
            return item, self.options
        options = self.options if item.page is None else self.options | {"page": item.page}
        return item.source, options

    def _hash(self, items, n_threads, hash_image, cut):
        """Hash items: each image once, whatever the number of its regions."""
        images = {_hash_key(i, item): item for i, item in enumerate(items)}
        with ThreadPoolExecutor(n_threads) as pool:
            found = pool.map(partial(self._hash_image, hash_image), images.values())
            digests = dict(zip(images, found, strict=True))
        return [
            cut(digests[_hash_key(i, item)], item, self._margin, self._pad)
            if is_cut(item)
            else digests[i]
            for i, item in enumerate(items)
        ]

    def _hash_image(self, hash_image, item):
        source, options = self._split(item)
        find = partial(hash_image, source, options, self._value_range)
        version = _find_version(source, is_quick=False) if is_cut(item) else None
        if version is None:
            return find()
        key = image_key(item), version, hash_image.__name__
        if key not in self._digests:
            self._digests[key] = find()
        return self._digests[key]


def image_key(region):
    """Return what the regions of an image have in common."""
    source = region.source
    return name_of(source) if is_path(source) else id(source), region.page


def _make_key(region):
    return image_key(region), _find_version(region.source)


def _hash_key(i, item):
    return image_key(item) if is_cut(item) else i


def _find_version(source, is_quick=True, asks_urls=False):
    """Return the version of a file; None for others, and where asking is slow or fails."""
    is_asked = is_path(source) and (asks_urls or not is_url(source))
    if not is_asked or (is_quick and is_zarr(source)):
        return None
    try:
        return file_version(source)
    except Exception:  # decoding it will name the cause
        return None


@contextmanager
def naming_errors(item, position):
    """Add the position and the name of an item to the errors of reading it."""
    try:
        with _naming_errors(item, position):
            yield
    except ImageReadError as exc:
        exc.is_row = isinstance(item, Region)
        if exc.is_row and item.page is not None:
            exc.remedy = exc.remedy.replace("ImageLoader(page=)", "the column 'page' of the table")
        raise


@contextmanager
def _naming_errors(item, position):
    source = item.source if isinstance(item, Region) else item
    try:
        if isinstance(source, UnusableItem):
            raise ImageReadError(source.cause, source.name, remedy=source.remedy)
        yield
    except ImageReadError as exc:
        exc.position = position
        raise
    except FormatError as exc:
        raise ImageReadError(exc.cause, name_of(item), position, exc.remedy) from exc
    except ValueError as exc:
        raise ImageReadError(str(exc), name_of(item), position) from exc
