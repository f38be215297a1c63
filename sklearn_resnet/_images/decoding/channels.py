"""Pixels to channels in the depth of their file, or to 8 bits after a rescaling of each channel."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.conversion import (
    CONVERSIONS,
    find_alpha,
    find_known,
    find_known_values,
    full_scale,
    lay_on_white,
    to_8_bit_image,
    turn,
)
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.pixels import COLOUR_NAMES, PREMULTIPLIED, UNSPECIFIED
from sklearn_resnet._images.decoding.profiles import convert_lab_to_srgb, convert_to_srgb
from sklearn_resnet._images.decoding.selection import choose_channels, name_channels
from sklearn_resnet._images.intensity import infer_value_range, to_uint8

TABLE_SIZES = {np.dtype(np.uint8): 2**8, np.dtype(np.uint16): 2**16}
_BAND_VALUES = 2**20
_CONVERTED_MODES = {
    "1": "L",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    **dict.fromkeys(("P", "RGBX", "YCbCr", "HSV"), "RGB"),
}
_TURNS = {
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: array.swapaxes(0, 1)[:, ::-1],
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: array.swapaxes(0, 1)[::-1],
}


class Channels(NamedTuple):
    """The channels of an image, not upright yet.

    Attributes
    ----------
    values : ndarray of shape (height, width, n_channels)
        In the dtype of the file; larger values are brighter.
    names : tuple of str
    bits : int or None
        As in `Pixels`.
    known : ndarray of bool, or None
        Where there is data, in a shape that broadcasts with `values`; None if everywhere.
    is_inverted : bool
        Whether 0 is white in the file.
    """

    values: np.ndarray
    names: tuple[str, ...]
    bits: int | None = None
    known: np.ndarray | None = None
    is_inverted: bool = False

    def take(self, i):
        """Return the values of a channel that are data, in one dimension."""
        values = self.values[..., i]
        if self.known is None:
            return values.ravel()
        return values[np.broadcast_to(self.known, self.values.shape)[..., i]]


def to_channels(pixels, selection, *, value_range=None, rescale=None):
    """Convert a record to the chosen channels, in their depth.

    Parameters
    ----------
    pixels : Pixels
    selection : Selection
    value_range : tuple of 2 float, default=None
        The black and the white level of all channels, in the units of the file.
    rescale : tuple, default=None
        ``("window",)``, ``("percentile", p, q)`` of each channel, or ``(low, high)`` of each.

    Returns
    -------
    ndarray of shape (height, width, n_channels), dtype uint8, uint16 or float32
        Upright. With a range from 0 to the white of the dtype, else the values of the file. 0 where
        there is no data.
    """
    channels = extract_channels(pixels, selection)
    dtype = _find_depth(channels)
    ranges = _find_ranges(pixels, channels, value_range, rescale, is_deep=True)
    if ranges is not None:
        values = _scale(channels, ranges, dtype)
    elif channels.bits == 1 or channels.values.dtype == bool:
        values = channels.values.astype(np.uint8) * np.uint8(255)
    else:
        values = channels.values.astype(dtype, copy=False)
    return turn_array(_blacken(values, channels.known), pixels.orientation)


def to_rescaled_image(pixels, selection, report, *, value_range=None, rescale=None):
    """Convert a record to 8 bits, from chosen channels or with a range for each.

    Parameters
    ----------
    pixels : Pixels
    selection : Selection
        With 1 or 3 `channels`, or None.
    report : callable
        As for `to_8_bit_image`.
    value_range, rescale
        As for `to_channels`. If both are None, the range is inferred.

    Returns
    -------
    PIL.Image.Image
        Of mode L or RGB.
    """
    channels = extract_channels(pixels, selection)
    if len(channels.names) not in (1, 3):
        raise FormatError(
            f"{len(channels.names)} channels make no colour image",
            "Choose 1 or 3 with ImageLoader(channels=[...]), or pass mode='channels'.",
        )
    ranges = _find_ranges(pixels, channels, value_range, rescale)
    if ranges is None:
        known = [channels.take(i) for i in range(len(channels.names))]
        inferred = infer_value_range(np.concatenate(known), bits=channels.bits)
        report(inferred)
        ranges = [inferred.of_file] * len(known)
    values = _blacken(_scale(channels, ranges, np.dtype(np.uint8)), channels.known)
    values = values[..., 0] if values.shape[2] == 1 else values
    image = Image.fromarray(np.ascontiguousarray(values))
    if selection.channels is None:
        if pixels.profile is not None:
            image = convert_to_srgb(image, pixels.profile, report)
        alpha = _find_alpha_image(pixels)
        if alpha is not None:
            image.putalpha(alpha)
            image = lay_on_white(image)
    return turn(image, pixels.orientation)


def measure_channels(pixels, selection, max_values):
    """Take a sample of the values of each channel, without those of no data.

    Parameters
    ----------
    pixels : Pixels
    selection : Selection
    max_values : int
        The largest number of values of a channel.

    Returns
    -------
    list of ndarray of shape (n_values,)
        Evenly spread over the image. Larger values are brighter.
    """
    channels = extract_channels(pixels, selection)
    samples = map(channels.take, range(len(channels.names)))
    width = channels.values.shape[1]
    return [values[:: find_step(len(values), max_values, width)] for values in samples]


def find_step(n_values, max_values, width):
    """Find a step through rows one after the other that visits all columns."""
    step = max(1, -(-n_values // max_values))
    while math.gcd(step, width) > 1 and step < n_values:
        step += 1
    return step


def extract_channels(pixels, selection):
    """Find the chosen channels of a record.

    Parameters
    ----------
    pixels : Pixels
    selection : Selection
        If it names no channels, they are all in the mode "channels", and the colours in the others.

    Returns
    -------
    Channels
    """
    colours_only = selection.mode != "channels" and selection.channels is None
    is_pillow = isinstance(pixels.samples, Image.Image)
    channels = (_list_bands if is_pillow else _list_samples)(pixels, colours_only)
    if pixels.channel_names is not None:  # chosen
        return channels._replace(names=pixels.channel_names)
    n_channels = channels.values.shape[2]
    chosen = choose_channels(channels.names, n_channels, selection.channels)
    names = name_channels(channels.names, n_channels)
    if chosen == list(range(n_channels)):
        return channels._replace(names=names)
    known = channels.known
    if known is not None and known.shape[2] > 1:
        known = known[..., chosen]
    names = tuple(names[i] for i in chosen)
    return channels._replace(values=channels.values[..., chosen], names=names, known=known)


def _list_bands(pixels, colours_only):
    """List the bands of an image of Pillow, those of palettes, YCbCr and L*a*b* as RGB."""
    image = pixels.samples
    key = image.info.get("transparency") if image.mode in ("L", "RGB") else None
    if image.mode == "LAB":
        image = convert_lab_to_srgb(image)
    elif image.mode in _CONVERTED_MODES:
        image = image.convert(_CONVERTED_MODES[image.mode])
    if colours_only and image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "LA" else "RGB")
    bands = np.atleast_3d(np.asarray(image))
    names = (None, *image.getbands()[1:]) if image.mode in ("L", "LA") else image.getbands()
    return Channels(bands, names, None, find_known_values(bands, key))


def _list_samples(pixels, colours_only):
    """List the samples of an array, those of palettes, YCbCr and L*a*b* as RGB."""
    samples, space = pixels.samples, pixels.space
    if space in CONVERSIONS or (space == "CMYK" and colours_only):
        colours = samples[..., : pixels.n_colours]
        known = find_known(colours, pixels.no_data)
        if known is not None:
            known = known[..., np.newaxis]
            colours = np.where(known, colours, colours.dtype.type(0))
        plain = replace(
            pixels, samples=colours, extra=(), no_data=None, profile=None, orientation=1
        )
        rgb = np.asarray(to_8_bit_image(plain, None, lambda _: None))
        return Channels(rgb, COLOUR_NAMES["RGB"], None, known)
    kinds = ["A" if kind != UNSPECIFIED else None for kind in pixels.extra]
    names = (*COLOUR_NAMES.get(space, (None,)), *kinds) if space != "channels" else None
    if colours_only:
        if PREMULTIPLIED in pixels.extra:
            raise FormatError(
                "its colours are multiplied by alpha, so that they cannot be rescaled",
                "Pass ImageLoader(value_range=), or save it with straight alpha.",
            )
        samples = samples[..., : pixels.n_colours]
        names = None if names is None else names[: pixels.n_colours]
    known = find_known_values(samples, pixels.no_data)
    if pixels.white_is_zero:
        n_colours = min(pixels.n_colours, samples.shape[2])
        inverted = _invert(samples[..., :n_colours], pixels.bits)
        samples = np.concatenate([inverted, samples[..., n_colours:]], axis=2)
    return Channels(samples, names, pixels.bits, known, pixels.white_is_zero)


def _invert(values, bits):
    """Swap black and white."""
    if values.dtype.kind in "bi":
        return ~values
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return values.dtype.type(full_scale(values.dtype, bits)) - values


def _find_depth(channels):
    """Find the dtype that channels are brought to."""
    dtype = channels.values.dtype
    if dtype.kind == "b" or (dtype in TABLE_SIZES and (channels.bits or 8 * dtype.itemsize) <= 8):
        return np.dtype(np.uint8)
    return np.dtype(np.uint16 if dtype == np.uint16 else np.float32)


def _find_ranges(pixels, channels, value_range, rescale, *, is_deep=False):
    """Find the black and the white level of each channel; None if they are not rescaled.

    With `is_deep`, the channels are no colours, which a grey image could have too.
    """
    n_channels = len(channels.names)
    if rescale is None and value_range is None:
        return None
    if rescale is None or rescale[0] == "window":
        low, high = _find_window(pixels) if rescale else value_range
        if channels.is_inverted:
            values = np.array([high, low])
            if channels.values.dtype.kind in "bi":
                values = -1 - values
            else:
                values = full_scale(channels.values.dtype, channels.bits) - values
            low, high = map(float, values)
        return [(low, high)] * n_channels
    if rescale[0] == "percentile":
        return [find_percentiles(channels.take(i), *rescale[1:]) for i in range(n_channels)]
    rescale = rescale if is_deep else _adapt_ranges(rescale, n_channels)
    if len(rescale) != n_channels:
        raise FormatError(
            f"it has {n_channels} channel{'s' * (n_channels != 1)}, but fit learned the ranges of "
            f"{len(rescale)}",
            "Pass files with the channels of those in fit.",
        )
    return rescale


def _adapt_ranges(ranges, n_channels):
    """Adapt the learned ranges of colours to a grey image, and those of grey images to colours."""
    if n_channels == 1 and len(ranges) == 3:
        return [tuple(np.mean(ranges, axis=0))]  # so that it stays grey
    return ranges * 3 if n_channels == 3 and len(ranges) == 1 else ranges


def _find_window(pixels):
    if pixels.window_range is None:
        raise FormatError(
            "it has no window",
            "Only DICOM files have one; pass ImageLoader(rescale='percentile') for other images.",
        )
    return pixels.window_range


def find_percentiles(values, low, high):
    """Find two percentiles of values, which differ.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
    low, high : float
        From 0 to 100.

    Returns
    -------
    tuple of 2 float
        (0, 1) if there are no values. If both are equal, the higher one is raised by 1.
    """
    if not len(values):
        return 0.0, 1.0
    if values.dtype in TABLE_SIZES and len(values) >= TABLE_SIZES[values.dtype]:
        return find_counted_percentiles(np.bincount(values), low, high)
    values = values.astype(np.float64) if values.dtype.kind in "bf" else values
    return _make_range(*map(float, np.percentile(values, [low, high])))


def find_counted_percentiles(counts, low, high):
    """Find two percentiles as `find_percentiles` does, from the number of values of each level.

    Parameters
    ----------
    counts : ndarray of shape (n_levels,)
    low, high : float
    """
    n_until = np.cumsum(counts)
    n_values, found = int(n_until[-1]), []
    for percentile in (low, high):
        rank = percentile / 100 * (n_values - 1)
        below = int(rank)
        ranks = [below, min(below + 1, n_values - 1)]
        first, second = np.searchsorted(n_until, ranks, side="right")
        found.append(float(first + (second - first) * (rank - below)))
    return _make_range(*found)


def _make_range(black, white):
    return black, (white if white > black else black + 1)


def _scale(channels, ranges, dtype):
    """Scale each channel from its range to that of a dtype."""
    scaled = np.empty(channels.values.shape, dtype)
    for i, (low, high) in enumerate(ranges):
        values = channels.values[..., i]
        n_levels = TABLE_SIZES.get(values.dtype)
        if n_levels is not None and values.size >= n_levels:
            levels = np.arange(n_levels, dtype=values.dtype)
            scaled[..., i] = _scale_values(levels, low, high, dtype)[values]
        else:
            for rows in _cut(values):
                scaled[rows, :, i] = _scale_values(values[rows], low, high, dtype)
    return scaled


def _scale_values(values, low, high, dtype):
    white = np.iinfo(dtype).max if dtype.kind == "u" else 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (values.astype(np.float64) - low) * (white / (high - low))
    if values.dtype.kind == "f":
        scaled = np.nan_to_num(scaled, nan=0.0, copy=False)
    if dtype.kind == "u":
        scaled = np.rint(scaled, out=scaled)
    return scaled.clip(0, white, out=scaled).astype(dtype)


def _cut(values):
    """Cut an array into bands of rows, because scaling makes copies in float64."""
    n_rows = max(1, _BAND_VALUES // max(1, values.shape[1]))
    return (slice(start, start + n_rows) for start in range(0, len(values), n_rows))


def _blacken(values, known):
    """Set to 0 what is no data."""
    return values if known is None else np.where(known, values, values.dtype.type(0))


def _find_alpha_image(pixels):
    """Return the alpha of a record as an image of Pillow; None if it has none."""
    if isinstance(pixels.samples, Image.Image):
        image = pixels.samples
        if image.mode in ("L", "RGB", "1") or not image.has_transparency_data:
            return None
        image = image.convert("LA") if image.mode == "La" else image
        return image.convert("RGBA").getchannel("A")
    alpha, _ = find_alpha(pixels)
    if alpha is None:
        return None
    white = full_scale(alpha.dtype, pixels.bits)
    if pixels.alpha_has_range:
        white = infer_value_range(pixels.samples).value_range[1]
    return Image.fromarray(np.ascontiguousarray(to_uint8(alpha, (0, white))))


def turn_array(array, orientation):
    """Turn an array upright."""
    return array if orientation == 1 else np.ascontiguousarray(_TURNS[orientation](array))
