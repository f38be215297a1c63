"""The value ranges of images that are read in blocks: those of the whole image, for any part of it."""

import numpy as np

from sklearn_resnet._images.decoding.channels import (
    TABLE_SIZES,
    extract_channels,
    find_counted_percentiles,
    find_percentiles,
    find_step,
)
from sklearn_resnet._images.decoding.conversion import CONVERSIONS, find_colours
from sklearn_resnet._images.intensity import infer_value_range

_MAX_BYTES = 2**26  # of the values of a channel, in memory for percentiles


def has_whole_ranges(options, first, n_pixels):
    """Whether the value ranges of an image can be found in blocks.

    Parameters
    ----------
    options : ReadOptions
    first : Pixels
        The record of a part of the image.
    n_pixels : int
    """
    is_rescaled = options.rescale is not None and options.mode != "channels"
    has_inferred = first.space == "CMYK" or (first.alpha_has_range and first.extra)
    if is_rescaled and options.channels is None and has_inferred:
        return False  # a white level is inferred from all samples before colours are rescaled
    if options.rescale is None or options.rescale[0] != "percentile":
        return True
    dtype = extract_channels(first, options.select()).values.dtype
    return dtype in TABLE_SIZES or n_pixels * dtype.itemsize <= _MAX_BYTES


def find_whole_ranges(options, first, read_blocks, report):
    """Find the value ranges of an image, so that parts of it can be converted as the whole.

    Parameters
    ----------
    options : ReadOptions
    first : Pixels
        The record of a part of the image.
    read_blocks : callable
        Returns an iterator of the records of all parts.
    report : callable
        Called with the `InferredRange`, if one is inferred.

    Returns
    -------
    ReadOptions
        With these ranges as `value_range` or `rescale`.
    """
    if options.rescale is None and (options.value_range is not None or options.mode == "channels"):
        return options
    selection = options.select()
    n_channels = len(extract_channels(first, selection).names) if selection.is_deep else 0
    if options.rescale is not None:
        if options.rescale[0] != "percentile":
            return options
        percentiles = options.rescale[1:]
        ranges = [
            _find_percentiles(_take(read_blocks(), selection, i), *percentiles)
            for i in range(n_channels)
        ]
        return options._replace(rescale=tuple(ranges))
    if options.channels is not None:
        blocks = (
            values for i in range(n_channels) for values in _take(read_blocks(), selection, i)
        )
        bits = extract_channels(first, selection).bits
        inferred = _infer(blocks, bits)
        report(inferred)
        return options._replace(rescale=(inferred.of_file,) * n_channels)
    if not isinstance(first.samples, np.ndarray) or first.space in CONVERSIONS:
        return options
    inferred = _infer((find_colours(pixels)[2] for pixels in read_blocks()), first.bits)
    report(inferred)
    return options._replace(value_range=inferred.of_file)


def sample_channels(options, shape, blocks, max_values):
    """Take a sample of the values of each channel, as `measure_channels` does of whole images.

    Parameters
    ----------
    options : ReadOptions
    shape : tuple of 2 int
        ``(height, width)``.
    blocks : iterable of tuple of (tuple of 4 int, Pixels)
        The boxes that the image is cut into, and their records.
    max_values : int

    Returns
    -------
    list of ndarray of shape (n_values,)
        The same values if no pixel is without data, in another order.
    """
    selection = options.select()._replace(is_deep=True)
    step = find_step(shape[0] * shape[1], max_values, shape[1])
    found = []
    for (top, left, bottom, right), pixels in blocks:
        channels = extract_channels(pixels, selection)
        rows, columns = np.arange(top, bottom)[:, np.newaxis], np.arange(left, right)
        rows, columns = np.nonzero((rows * shape[1] + columns) % step == 0)
        known = channels.known
        if known is not None:
            known = np.broadcast_to(known, channels.values.shape)[rows, columns, np.newaxis]
        channels = channels._replace(values=channels.values[rows, columns, np.newaxis], known=known)
        found.append([channels.take(i) for i in range(len(channels.names))])
    return [np.concatenate(values) for values in zip(*found, strict=True)]


def _take(blocks, selection, i):
    """Yield the values of a channel that are data."""
    for pixels in blocks:
        yield extract_channels(pixels, selection).take(i)


def _infer(blocks, bits):
    """Infer a value range from blocks, without those that hold no data."""

    def list_filled():
        n_filled, empty = 0, None
        for values in blocks:
            if values.size:
                n_filled += 1
                yield values
            else:
                empty = values
        if not n_filled and empty is not None:
            yield empty

    return infer_value_range(list_filled(), bits=bits)


def _find_percentiles(blocks, low, high):
    """Find two percentiles of the values of a channel."""
    counts, parts = None, []
    for values in blocks:
        n_levels = TABLE_SIZES.get(values.dtype)
        if n_levels is None:
            parts.append(values)
        else:
            counted = np.bincount(values, minlength=n_levels)
            counts = counted if counts is None else counts + counted
    if counts is None:
        return find_percentiles(np.concatenate(parts), low, high)
    return find_counted_percentiles(counts, low, high)
