"""Composites: images of any channels and depth as colour images for thumbnails."""

import colorsys
import re
from typing import NamedTuple

import numpy as np
from PIL import Image

_LOW, _HIGH = 1.0, 99.8  # percentiles that become black and full colour
_MAX_MEASURED = 64  # images
_MAX_PIXELS = 2**18  # that the percentiles are taken of
_BLACK = (np.inf, np.inf)  # the range of a constant channel
_COLORS = {
    "cyan": (0, 1, 1),
    "magenta": (1, 0, 1),
    "yellow": (1, 1, 0),
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
}
_GREY = "grey", (1, 1, 1)  # of transmitted light only
_RGB = {"r": "red", "g": "green", "b": "blue", "red": "red", "green": "green", "blue": "blue"}
_ALEXA = r"(?:alexa[ _-]*(?:fluor[ _-]*)?|af?[ _-]?)"
_DYES = {  # words in the names of channels
    "blue": r"dapi|hoechst\d*|draq5",
    "green": rf"e?gfp|fitc|{_ALEXA}488",
    "red": rf"rfp|mcherry|tritc|cy3|{_ALEXA}(?:555|568|594)",
    "magenta": rf"cy5|{_ALEXA}647",
    "grey": r"bright[ _-]?field|bf|dic|phase|tl",
}


class Rendering(NamedTuple):
    """How the channels of a collection of images become colours.

    Attributes
    ----------
    colors : ndarray of shape (n_channels, 3)
        The colour of each channel, from 0 to 1.
    ranges : ndarray of shape (n_channels, 2)
        The values of each channel that become black and its full colour.
    gain : float
        Dims the sum of all channels, so that it has no more than a trace of white spots.
    """

    colors: np.ndarray
    ranges: np.ndarray
    gain: float = 1.0


def make_composite(images, names=None):
    """Show images of any number of channels in colours that are added.

    Parameters
    ----------
    images : sequence of ndarray of shape (height, width[, n_channels])
        All of one dtype and number of channels.
    names : list of str, default=None
        The names of the channels.

    Returns
    -------
    list of ndarray of shape (height, width, 3), dtype uint8
    """
    rendering = choose_rendering(images, names)
    return [render(image, rendering) for image in images]


def choose_rendering(images, names=None, value_range=None):
    """Choose the colour and the range of each channel.

    One channel is grey. Channels named red, green and blue, and three without names, have these
    colours; those named after a dye have its colour; all others have colours of their own. Bytes of grey and RGB images are shown as they
    are; any other channel is stretched from its 1st to its 99.8th percentile, in all images together.

    Parameters
    ----------
    images : sequence of ndarray of shape (height, width[, n_channels])
        A sample of the images, all of one dtype and number of channels.
    names : list of str, default=None
        The names of the channels; numbers count as none.
    value_range : tuple of 2 float, default=None
        The range of all channels, if it is known.

    Returns
    -------
    Rendering
    """
    pixels = _sample_pixels(images)
    n_channels = pixels.shape[1]
    colors, is_natural = _choose_colors(n_channels, names)
    if value_range is None and is_natural and pixels.dtype == np.uint8:
        value_range = (0, 255)
    ranges = np.empty((n_channels, 2))
    ranges[:] = _find_ranges(pixels) if value_range is None else value_range
    rendering = Rendering(colors, ranges)
    brightest = _add(pixels, rendering).max(axis=1)
    peak = np.percentile(brightest, _HIGH) if brightest.size else 1.0
    return rendering._replace(gain=1 / max(1.0, peak))


def choose_lazy_rendering(images):
    """Choose how to show lazy images, from a sample of them.

    Parameters
    ----------
    images : LazyImages

    Returns
    -------
    Rendering or None
        None for images in RGB or grey, and if no image of the sample can be read.
    """
    options = images.options
    if options["mode"] != "channels":
        return None
    sample = images[spread_evenly(len(images))]
    read = [image for batch in sample.batches(len(sample)) for image in batch]
    read = [image for i, image in enumerate(read) if i not in sample.failures]
    if not read:
        return None
    is_rescaled = options.get("rescale") is not None or options.get("value_range") is not None
    white = 1.0 if read[0].dtype.kind == "f" else np.iinfo(read[0].dtype).max
    return choose_rendering(read, images.channel_names, (0, white) if is_rescaled else None)


def spread_evenly(n_images):
    """Choose the images that decide how channels are shown: an array of indices."""
    return np.unique(np.linspace(0, n_images - 1, _MAX_MEASURED).astype(int))


def is_grey_or_rgb(shape):
    """Whether the shape is that of an image with 1 or 3 channels."""
    return shape[2:] in ((), (1,), (3,))


def render(image, rendering):
    """Show an image of any number of channels in colours.

    Parameters
    ----------
    image : ndarray of shape (height, width[, n_channels])
        Values that are not finite become black.
    rendering : Rendering

    Returns
    -------
    ndarray of shape (height, width, 3), dtype uint8
    """
    pixels = image.reshape(-1, len(rendering.ranges))
    scaled = _add(pixels, rendering) * (255 * rendering.gain)
    return np.rint(scaled).clip(0, 255).astype(np.uint8).reshape(*image.shape[:2], 3)


def shrink(image, side):
    """Convert an array of bytes to a PIL image in RGB of at most `side` pixels."""
    image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    image.thumbnail((side, side))
    return image.convert("RGB")


def _add(pixels, rendering):
    """Add the colours of all channels: an array of shape (n_pixels, 3), from 0."""
    total = np.zeros((len(pixels), 3), np.float32)
    for values, (low, high), color in zip(
        pixels.T, rendering.ranges, rendering.colors, strict=True
    ):
        if low == np.inf:
            continue
        share = (values.astype(np.float64) - low) / (high - low)
        share = np.where(np.isfinite(share), share, 0).clip(0, 1)
        total += share[:, None].astype(np.float32) * color
    return total


def _choose_colors(n_channels, names):
    """Choose the colours, and tell whether they are those of a photo."""
    if n_channels == 1:
        return np.ones((1, 3), np.float32), True
    if names is None or all(name.isdecimal() for name in names):
        names = ("red", "green", "blue") if n_channels == 3 else ("",) * n_channels
    rgb = [_RGB.get(name.strip().lower()) for name in names]
    is_natural = n_channels == 3 and set(rgb) == {"red", "green", "blue"}
    named = [color or _find_dye(name) for color, name in zip(rgb, names, strict=True)]
    # the first of several channels takes their colour
    named = [color if color not in named[:i] else None for i, color in enumerate(named)]
    free = [color for name, color in _COLORS.items() if name not in named]
    n_free = named.count(None)
    if n_free > len(free):
        free = [colorsys.hsv_to_rgb(i / n_free, 1, 1) for i in range(n_free)]
    others, table = iter(free), dict([*_COLORS.items(), _GREY])
    colors = [next(others) if name is None else table[name] for name in named]
    return np.array(colors, np.float32), is_natural


def _find_dye(name):
    """Find the name of the colour of a dye that the name of a channel mentions."""
    for color, words in _DYES.items():
        if re.search(rf"(?<![a-z\d])(?:{words})(?![a-z\d])", name.lower()):
            return color
    return None


def _sample_pixels(images):
    """Draw pixels of all images: an array of shape (n_pixels, n_channels)."""
    rng = np.random.default_rng(0)
    drawn = []
    for image in images:
        pixels = image.reshape(*image.shape[:2], -1)
        pixels = pixels.reshape(-1, pixels.shape[2])
        n_drawn = max(1, _MAX_PIXELS // len(images))
        is_small = len(pixels) <= n_drawn
        drawn.append(pixels if is_small else pixels[rng.integers(len(pixels), size=n_drawn)])
    return np.concatenate(drawn)


def _find_ranges(pixels):
    """Find the range of each channel."""
    # where all channels of floats are 0, there are no data
    has_data = (pixels != 0).any(axis=1) | (pixels.dtype.kind != "f")
    return [_find_range(values[has_data]) or _find_range(values) or _BLACK for values in pixels.T]


def _find_range(values):
    """Find the range of some values; None if they are all the same."""
    values = values[np.isfinite(values)].astype(np.float64)
    if not values.size:
        return None
    low, high = np.percentile(values, [_LOW, _HIGH])
    if low == high:  # a few bright spots, or nothing
        low, high = values.min(), values.max()
    return (low, high) if low < high else None
