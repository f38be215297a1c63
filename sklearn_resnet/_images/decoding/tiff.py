"""TIFF files to pixels: the images in a file, their planes and levels of resolution."""

import contextlib
import logging
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.formats import RAW_TAGS, FormatError, check_no_raw
from sklearn_resnet._images.decoding.limits import check_array, check_unpacked
from sklearn_resnet._images.decoding.pixels import Pixels
from sklearn_resnet._images.decoding.selection import (
    PAGES_AS_CHANNELS,
    ChannelQuery,
    Selection,
    Stack,
    choose_channels,
    choose_level,
    choose_pages,
    is_by_channel,
    name_channels,
    project,
    select_planes,
)
from sklearn_resnet._images.decoding.tiff_samples import (
    decode_by_pillow,
    has_imagecodecs,
    is_decodable,
    is_packed,
    put_samples_last,
    unpack,
)
from sklearn_resnet._images.decoding.tiff_series import (
    MASK,
    MAX_PAGES,
    REDUCED,
    choose_series,
    describe_series,
    find_band_names,
    find_channel_names,
    find_series,
    make_reader,
)
from sklearn_resnet._images.decoding.tiff_tags import (
    JPEG,
    check_samples,
    is_planar,
    read_orientation,
    read_tags,
)

# tifffile logs what it finds odd in a file; errors say enough
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DESCRIPTION = 270
_BYTE_ORDERS = {"<": "little", ">": "big"}
_MAX_SEARCHED_PAGES = 100  # for the first of full resolution; each takes time to read


class OpenedTiff(NamedTuple):
    """A TIFF file that is open, and what it holds.

    Attributes
    ----------
    file : binary file object
    tiff : tifffile.TiffFile
    n_pages : int
    is_cut : bool
        Whether it ends before its next page.
    found : list of TiffPageSeries
        The images along axes; empty if its pages are plain.
    whole : list of int
        The plain pages of full resolution, by their position in the chain.
    """

    file: object
    tiff: object
    n_pages: int
    is_cut: bool
    found: list
    whole: list


def decode_tiff(file, selection, max_pixels, report):
    """Decode an image along the axes that the metadata name, or a page of full resolution.

    Parameters
    ----------
    file : binary file object
    selection : Selection
    max_pixels : int or None
    report : callable
        Called with each `Remark` on the file.

    Returns
    -------
    Pixels
    """
    with open_tiff(file, report) as opened:
        return decode_opened(opened, selection, max_pixels, report)


@contextlib.contextmanager
def open_tiff(file, report):
    """Open a TIFF file; yield an `OpenedTiff`.

    Parameters
    ----------
    file : binary file object
    report : callable
        Called with a `Remark` if planes are in other files.
    """
    with _open(file) as tiff:
        try:
            first = tiff.pages[0]
        except IndexError as exc:
            raise ValueError("it is damaged: it has no pages") from exc
        check_no_raw(
            file, {code: first.tags[code].value for code in RAW_TAGS if code in first.tags}
        )
        _check_description(tiff)
        n_pages, is_circular, is_cut = _count_pages(tiff)
        found = [] if is_circular else find_series(tiff, n_pages, report)
        whole = [] if found else _list_whole_pages(tiff, n_pages)
        yield OpenedTiff(file, tiff, n_pages, is_cut, found, whole)


def decode_opened(opened, selection, max_pixels, report, crop=None):
    """Decode an image of an open file, or a box of it.

    Parameters
    ----------
    opened : OpenedTiff
    selection, max_pixels, report
        As for `decode_tiff`.
    crop : TiffCrop, default=None
        The box; None for the whole image.

    Returns
    -------
    Pixels
    """
    if opened.found:
        return _decode_series(opened, selection, max_pixels, report, crop)
    if opened.is_cut and (is_by_channel(selection) or selection.page is not None):
        raise ValueError(
            f"it is damaged: it has {opened.n_pages} of its pages, and ends before the next"
        )
    return _decode_pages(opened, selection, max_pixels, report, crop)


def list_series_levels(found, selection):
    """List the levels of resolution of the chosen series.

    Returns
    -------
    levels : list of Series
    selection : Selection
        With the page in that series.
    """
    i, selection = choose_series(found, selection)
    full = describe_series(found[i])
    levels = [describe_series(level) for level in found[i].levels]
    levels = [level for level in levels if (level.axes, level.shape) == (full.axes, full.shape)]
    return levels, selection


def _decode_series(opened, selection, max_pixels, report, crop):
    """Decode an image along axes."""
    file = opened.file
    levels, selection = list_series_levels(opened.found, selection)
    full = levels[0]
    orientation = read_orientation(full.series.keyframe)
    shapes = [level.plane_shape for level in levels]
    level = levels[choose_level(shapes, selection, orientation)]
    key, n_samples = level.series.keyframe, level.n_samples
    check_samples(key)
    dtype = np.dtype(key.dtype or np.uint8)
    n_at_once = n_samples * (math.prod(level.shape) if level.is_whole else level.n_in_page)
    shape = level.plane_shape if crop is None else crop.shape
    check_array((*shape, n_at_once), dtype, max_pixels)
    shape = (key.imagelength, key.imagewidth) if crop is None else crop.shape
    check_array((*shape, key.samplesperpixel), dtype, max_pixels)
    has_channels = "C" in full.axes and full.shape[full.axes.index("C")] > 1
    tags = read_tags(key, selection, (lambda _: None) if has_channels else report)
    tags["orientation"] = orientation
    if key.compression in JPEG and tags["space"] == "YCbCr":
        tags["space"] = "RGB"  # decoders convert it

    def decode(page):
        if page.shape != key.shape or page.dtype != key.dtype:
            raise ValueError("its planes differ in size or dtype")
        if crop is None:
            check_unpacked(file, page, key.compression, max_pixels)
        return _decode_plane(file, page, level, tags, selection.is_deep, crop)

    names = find_channel_names(opened.tiff, full.series)
    read = make_reader(file, level, decode)
    stack = Stack(
        level.axes,
        level.shape,
        read,
        names,
        level.plane_shape,
        tags["no_data"],
        tags["white_is_zero"],
    )
    is_plain = n_samples == 1 and tags["space"] == "grey"
    if selection.page == PAGES_AS_CHANNELS:
        _check_projection(tags["space"], selection)
    if has_channels or is_plain or selection.page == PAGES_AS_CHANNELS:
        samples, names = select_planes(stack, selection, report)
        tags |= {"space": "channels", "channel_names": names, "extra": (), "palette": None}
        return Pixels(samples=samples, **tags)
    _check_projection(tags["space"], selection)
    # the samples are chosen where they have a meaning
    samples, _ = select_planes(stack, Selection("channels", page=selection.page), report)
    return Pixels(samples=samples, **tags)


def _check_projection(space, selection):
    if selection.page == PAGES_AS_CHANNELS and space not in ("grey", "RGB"):
        raise FormatError(
            f"its pages are of the colour space {space}, so that they are no channels",
            "Choose one with ImageLoader(page=), an int.",
        )
    if selection.page in ("max", "mean") and space == "palette":
        raise FormatError(
            "its pages hold indices of a palette, of which there is no maximum or mean",
            "Choose one with ImageLoader(page=), an int or 'middle'.",
        )


def _decode_pages(opened, selection, max_pixels, report, crop):
    """Decode a page of full resolution, or make one of all."""
    tiff, whole = opened.tiff, opened.whole
    is_stack = selection.page == PAGES_AS_CHANNELS and len(whole) > 1
    wanted = selection
    if is_stack:
        first = tiff.pages[whole[0]]
        shape = (first.imagelength, first.imagewidth) if crop is None else crop.shape
        n_samples = first.samplesperpixel * len(whole)
        check_array((*shape, n_samples), np.dtype(first.dtype or np.uint8), max_pixels)
        selection = selection._replace(mode="channels", channels=None, page=None)
    elif selection.page is None and selection.channels is not None and len(whole) > 1:
        _check_channels_of_pages(tiff.pages[whole[0]], selection, len(whole))

    def decode(index):
        levels = list_page_levels(opened, whole[index[0]], selection)
        return _decode_page(opened.file, levels, selection, max_pixels, report, crop)

    stack = Stack("Q", (len(whole),), lambda index: _as_array(decode(index)))
    if is_stack:
        return _stack_pages(stack, decode((0,)), wanted, report)
    page = None if selection.page == PAGES_AS_CHANNELS else selection.page
    pages = choose_pages(stack, page, report)
    pixels = decode(pages[0])
    if len(pages) == 1:
        return pixels
    _check_projection(pixels.space, selection)
    stack = replace(stack, no_data=pixels.no_data, white_is_zero=pixels.white_is_zero)
    samples = project(stack, pages, 0, selection.page)
    if isinstance(pixels.samples, Image.Image):
        return Pixels(samples=samples, space="RGB" if samples.shape[2] == 3 else "grey")
    return replace(pixels, samples=samples)


def _stack_pages(stack, first, selection, report):
    """Decode pages as the channels of an image; `first` is the record of the first one."""
    _check_projection(first.space, selection)
    samples, names = select_planes(stack, selection, report)
    if samples.dtype != _as_array(first).dtype:
        raise ValueError("its pages differ in dtype")
    return replace(
        first, samples=samples, space="channels", channel_names=names, extra=(), profile=None
    )


def _check_channels_of_pages(page, selection, n_pages):
    """Refuse channels that plain pages of one sample do not have."""
    if page.samplesperpixel == 1 and not isinstance(selection.channels, ChannelQuery):
        choose_channels(find_band_names(page), 1, selection.channels, n_pages)


def _as_array(pixels):
    """Return the samples of a record."""
    samples = pixels.samples
    if isinstance(samples, Image.Image) and samples.mode not in ("L", "RGB"):
        samples = samples.convert("L" if samples.mode == "1" else "RGB")
    return np.atleast_3d(np.asarray(samples))


def _decode_page(file, levels, selection, max_pixels, report, crop):
    """Decode a page, at one of its levels of resolution."""
    _, first = levels[0]
    shapes = [(page.imagelength, page.imagewidth) for _, page in levels]
    i, page = levels[choose_level(shapes, selection, read_orientation(first))]
    check_samples(page)
    shape = (page.imagelength, page.imagewidth) if crop is None else crop.shape
    check_array((*shape, page.samplesperpixel), np.dtype(page.dtype or np.uint8), max_pixels)
    if crop is None:
        check_unpacked(file, page, page.compression, max_pixels)
    tags = read_tags(first, selection, report)
    if not (is_packed(page) or is_decodable(page)):
        if crop is not None:
            return crop.decode_by_pillow(file, page, page, tags, selection)
        return decode_by_pillow(file, i, page, tags, selection)
    if crop is not None:
        samples = crop.decode(file, page, page)
    elif is_packed(page):
        samples = unpack(file, page, page)
    else:
        samples = put_samples_last(page.asarray(), page)
    names = find_band_names(first)
    is_plain = not (tags["white_is_zero"] and tags["extra"])
    if (
        names is not None
        and is_plain
        and is_by_channel(selection)
        and tags["space"] in ("grey", "RGB", "CMYK")
    ):
        chosen = choose_channels(names, samples.shape[2], selection.channels)
        names = name_channels(names, samples.shape[2])
        tags |= {"space": "channels", "channel_names": tuple(names[i] for i in chosen)}
        return Pixels(samples=samples[..., chosen], **tags | {"extra": ()})
    return Pixels(samples=samples, **tags)


def _decode_plane(file, page, level, tags, is_deep, crop):
    """Decode the array of a page of a series."""
    key = level.series.keyframe
    if is_packed(key) and crop is None:
        return _put_axes(unpack(file, page, key), key)
    if is_packed(key) or is_decodable(key) or has_imagecodecs():
        return page.asarray() if crop is None else _put_axes(crop.decode(file, page, key), key)
    wanted = Selection(is_deep=is_deep and key.bitspersample > 8)
    if crop is None:
        pixels = decode_by_pillow(file, page.index, key, tags, wanted)
        tags["orientation"] = 1  # Pillow has turned it
    else:
        pixels = crop.decode_by_pillow(file, page, key, tags, wanted)
    samples = _as_array(pixels)
    if isinstance(pixels.samples, Image.Image) and key.photometric == 0:
        samples = 255 - samples  # as stored
    return _put_axes(samples, key)


def _put_axes(samples, page):
    """Bring samples, which are last, to the axes that tifffile gives to a page."""
    sizes = dict(zip("YXS", samples.shape, strict=True))
    planes = np.moveaxis(samples, -1, 0) if is_planar(page) else samples
    return planes.reshape([sizes.get(axis, 1) for axis in page.axes])


def _open(file):
    import tifffile

    file.seek(0)
    try:
        # planes in other files, which these would open, are left out
        return tifffile.TiffFile(file, _multifile=False, is_mmstack=False, is_ndtiff=False)
    except TypeError as exc:
        raise ValueError("its samples differ in their SampleFormat, or a tag is malformed") from exc


def _list_whole_pages(tiff, n_pages):
    """List the pages that are no reduced copies and no masks, by their position in the chain."""
    first = range(min(n_pages, _MAX_SEARCHED_PAGES))
    whole = [i for i in first if not tiff.pages[i].subfiletype & (REDUCED | MASK)]
    return [*(whole or first[:1]), *range(len(first), n_pages)]


def list_page_levels(opened, i, selection):
    """List a page and its copies of lower resolution, each with its position in the chain or None."""
    tiff, n_pages = opened.tiff, opened.n_pages if len(opened.whole) == 1 else 0
    page = tiff.pages[i]
    levels = [(i, page)]
    if selection.level is None and selection.size is None:
        return levels
    if page.subifds:
        with contextlib.suppress(Exception):  # tifffile's, of malformed ones
            levels += [(None, part) for part in page.pages]
    others = (j for j in range(min(n_pages, _MAX_SEARCHED_PAGES)) if j != i)
    levels += [(j, tiff.pages[j]) for j in others]
    copies = [level for level in levels[1:] if _is_copy(*level, page)]
    return [levels[0], *sorted(copies, key=lambda level: -level[1].imagewidth)]


def _is_copy(i, part, page):
    """Whether a page is a copy of lower resolution of another one, and can be decoded."""
    names = ("samplesperpixel", "bitspersample", "sampleformat", "photometric")
    if not part.subfiletype & REDUCED or part.subfiletype & MASK or not part.imagewidth:
        return False
    scale = page.imagewidth / part.imagewidth
    is_alike = all(getattr(part, name) == getattr(page, name) for name in names)
    has_aspect = abs(part.imagelength * scale - page.imagelength) <= scale
    can_decode = i is not None or is_packed(part) or is_decodable(part)
    return scale > 1 and is_alike and has_aspect and can_decode


def _count_pages(tiff):
    """Count the pages; find whether they run in a circle, or on after the end of the file."""
    form, file = tiff.tiff, tiff.filehandle
    offsets = set()
    file.seek(8 if form.is_bigtiff else 4)
    offset = 0
    while len(offsets) < MAX_PAGES:
        offset = int.from_bytes(file.read(form.offsetsize), _BYTE_ORDERS[form.byteorder])
        if not 0 < offset < file.size or offset in offsets:
            break
        offsets.add(offset)
        file.seek(offset)
        n_tags = int.from_bytes(file.read(form.tagnosize), _BYTE_ORDERS[form.byteorder])
        file.seek(offset + form.tagnosize + n_tags * form.tagsize)
    return max(1, len(offsets)), offset in offsets, offset >= file.size


def _check_description(tiff):
    """Refuse a file that ends before the description of its first page, which some writers put last."""
    form, file = tiff.tiff, tiff.filehandle
    order = _BYTE_ORDERS[form.byteorder]
    file.seek(tiff.pages.first.offset)
    n_tags = int.from_bytes(file.read(form.tagnosize), order)
    entries = file.read(n_tags * form.tagsize)
    for start in range(0, len(entries), form.tagsize):
        entry = entries[start : start + form.tagsize]
        code = int.from_bytes(entry[:2], order)
        n_bytes, offset = (
            int.from_bytes(entry[end - form.offsetsize : end], order)
            for end in (4 + form.offsetsize, 4 + 2 * form.offsetsize)
        )
        if code == _DESCRIPTION and n_bytes > form.offsetsize and offset + n_bytes > file.size:
            raise ValueError(
                "it is damaged: it ends before its description, which names its planes"
            )
