"""Read all images once: thumbnails, digests, sizes, and values that tell their quality."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._images.items import UnusableItem
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._runtime.progress import count_images
from sklearn_resnet._runtime.threads import count_threads, prefetch_map
from sklearn_resnet.checks._quality import QUANTILES

SIDE = 32  # of a thumbnail
_COLOR_SIDE = 8  # of a thumbnail of the colours
_MIN_CONTRAST = 0.02  # that colours are divided by
_DECODED = 128  # the side at which images are read
_BATCH = 64
_MAX_ORIGINAL = 512  # pixels, of the longer side of images to alter
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_UNKNOWN = (np.nan, np.nan)


class Survey(NamedTuple):
    """All that is known of images without a network.

    Attributes
    ----------
    images : LazyImages
        The images as they were read.
    is_given_lazy : bool
        Whether the user passed `LazyImages`, which are these.
    thumbnails : ndarray of shape (n, 32, 32), dtype float16
        Grey, stretched to a square, from 0 to 1.
    colors : ndarray of shape (n, 3, 8, 8), dtype float16
        As `describe_colors` returns them.
    digests : list of bytes
        Equal for equal files.
    sizes : ndarray of shape (n, 2)
        Height and width; NaN if unknown.
    quantiles : ndarray of shape (n, 3)
        Those of the grey values.
    sharpness : ndarray of shape (n,)
        The share of the standard deviation that a blur removes.
    is_readable : ndarray of shape (n,), dtype bool
    """

    images: LazyImages
    is_given_lazy: bool
    thumbnails: np.ndarray
    colors: np.ndarray
    digests: list
    sizes: np.ndarray
    quantiles: np.ndarray
    sharpness: np.ndarray
    is_readable: np.ndarray

    def take(self, rows):
        """Return some images in the form in which they were passed."""
        if self.is_given_lazy:
            return self.images[rows]
        return [self.images.items[i] for i in rows]


def load_lazily(images):
    """Make `LazyImages` of images that are none yet; a broken file does not end the pass."""
    if as_source(images).is_lazy:
        return images
    loader = ImageLoader(_DECODED, resize="stretch", lazy=True, on_error="nan")
    return loader.fit(images).transform(images)


def survey_images(images):
    """Read images in one pass.

    Parameters
    ----------
    images : array-like, list or LazyImages
        As for `ImageLoader`.

    Returns
    -------
    Survey
    """
    lazy = load_lazily(images)
    n_images = len(lazy)
    thumbnails = np.zeros((n_images, SIDE, SIDE), np.float16)
    colors = np.zeros((n_images, 3, _COLOR_SIDE, _COLOR_SIDE), np.float16)
    quantiles, sharpness = np.zeros((n_images, len(QUANTILES))), np.zeros(n_images)
    sizes = _measure_sizes(lazy)
    start = 0
    with count_images(total=n_images) as bar:
        for batch in lazy.batches(_BATCH):
            rows = slice(start, start + len(batch))
            square = to_square(batch)
            grey = to_grey(square)
            thumbnails[rows], colors[rows] = shrink(grey), describe_colors(square, grey)
            quantiles[rows] = np.quantile(grey[:, ::2, ::2], QUANTILES, axis=(1, 2)).T
            sharpness[rows] = _measure_sharpness(grey, sizes[rows])
            start += len(batch)
            bar.update(len(batch))
    is_readable = ~np.isin(np.arange(n_images), list(lazy.failures))
    quantiles[~is_readable] = sharpness[~is_readable] = sizes[~is_readable] = np.nan
    return Survey(
        images=lazy,
        is_given_lazy=lazy is images,
        thumbnails=thumbnails,
        colors=colors,
        digests=lazy.digests(),
        sizes=sizes,
        quantiles=quantiles,
        sharpness=sharpness,
        is_readable=is_readable,
    )


def load_originals(survey, rows):
    """Load a few images in colour, and in their own sizes unless these are large.

    Parameters
    ----------
    survey : Survey
    rows : array-like of int

    Yields
    ------
    ndarray of shape (height, width) or (height, width, n_channels)
    """
    if survey.is_given_lazy:
        yield from (survey.images[i] for i in rows)
        return
    loader = ImageLoader(resize="stretch").fit(survey.images.items)
    for i in rows:
        shrunk = survey.sizes[i] * min(1, _MAX_ORIGINAL / survey.sizes[i].max())
        size = tuple(int(max(1, round(side))) for side in np.nan_to_num(shrunk, nan=_MAX_ORIGINAL))
        yield loader.set_params(size=size).transform(survey.take([i]))[0]


def make_thumbnails(images):
    """Make the thumbnails of a few images and their colours, as `survey_images` does."""
    lazy = load_lazily(images)
    thumbnails, colors = [], []
    for batch in lazy.batches(_BATCH):
        square = to_square(batch)
        grey = to_grey(square)
        thumbnails.append(shrink(grey))
        colors.append(describe_colors(square, grey))
    return np.concatenate(thumbnails), np.concatenate(colors)


def to_square(batch):
    """Convert a batch of any size and depth to values from 0 to 1, in a square of 128.

    Returns
    -------
    ndarray of shape (n, 128, 128, n_channels), dtype float32
    """
    from skimage.transform import resize

    if np.issubdtype(batch.dtype, np.integer):
        batch = batch / np.float32(np.iinfo(batch.dtype).max)
    square = batch.astype(np.float32, copy=False).reshape(*batch.shape[:3], -1)
    if square.shape[1:3] == (_DECODED, _DECODED):
        return square
    return np.stack([resize(image, (_DECODED, _DECODED), anti_aliasing=True) for image in square])


def to_grey(square):
    """Convert squares of any channels to grey values."""
    return square @ _LUMA if square.shape[3] == 3 else square.mean(3)


def describe_colors(square, grey):
    """Return small images of the channels less grey, in units of its standard deviation.

    Brightness does not change them. They are 0 for images that do not have 3 channels.
    """
    if square.shape[3] != 3:
        return np.zeros((len(square), 3, _COLOR_SIDE, _COLOR_SIDE), np.float16)
    factor = _DECODED // _COLOR_SIDE
    blocks = square.reshape(len(square), _COLOR_SIDE, factor, _COLOR_SIDE, factor, 3)
    channels = blocks.mean((2, 4)).transpose(0, 3, 1, 2)
    contrast = np.maximum(grey.std((1, 2)), _MIN_CONTRAST)[:, None, None, None]
    return ((channels - channels.mean(1, keepdims=True)) / contrast).astype(np.float16)


def shrink(grey):
    """Average blocks of pixels, to thumbnails."""
    factor = grey.shape[1] // SIDE
    return grey.reshape(len(grey), SIDE, factor, SIDE, factor).mean((2, 4)).astype(np.float16)


def halve(thumbnails):
    """Average blocks of 2 x 2 pixels."""
    side = thumbnails.shape[1] // 2
    return thumbnails.reshape(len(thumbnails), side, 2, side, 2).mean((2, 4), dtype=np.float32)


def _measure_sharpness(grey, sizes):
    """Return the share of the standard deviation that a blur removes.

    An image that was enlarged is compared with a blur as much wider, so it does not seem blurred.
    """
    zoom = np.maximum(1, _DECODED / np.nan_to_num(sizes.min(1), nan=_DECODED))
    removed = [
        image - gaussian_filter(image, factor) for image, factor in zip(grey, zoom, strict=True)
    ]
    return np.std(removed, axis=(1, 2)) / (grey.std((1, 2)) + 1e-6)


def _measure_sizes(lazy):
    """Find the heights and widths of images, from the headers of their files where possible."""
    n_threads = count_threads()
    found = prefetch_map(_measure_size, lazy.items, n_threads, 64 * n_threads)
    return np.array(list(found), float).reshape(-1, 2)


def _measure_size(item):
    if isinstance(item, UnusableItem):
        return _UNKNOWN
    try:
        return read_size(item)
    except Exception:  # of a broken file, which the pass over all images names
        return _UNKNOWN
