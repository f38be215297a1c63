"""Images along axes in TIFF files, by the metadata of OME, ImageJ, LSM, slide scanners and tifffile."""

import contextlib
import math
import os
import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.selection import Stack
from sklearn_resnet._images.file_log import Remark

MAX_PAGES = 100_000
REDUCED, MASK = 1, 4  # bits of NewSubfileType
_OF_ONE_PAGE = ("ome", "imagej", "lsm", "stk", "shaped")  # those that may have several planes in it
_KINDS = (
    *_OF_ONE_PAGE, "fluoview", "svs", "scn", "qpi", "ndpi", "bif", "philips", "scanimage",
)  # fmt: skip
# Of these, pages that are no image of the specimen have names.
_OTHER_IMAGES = re.compile(r"(label|macro|thumbnail|overview|map|probability)( image)?", re.I)
_GDAL_METADATA = 42112
_IMAGEJ_POSITION = re.compile(r"[cztCZT]:\d+/\d+")  # a label that names no channel


class Series(NamedTuple):
    """An image of a TIFF file, of one level of resolution.

    Attributes
    ----------
    series : tifffile.TiffPageSeries
    axes : str
        Without Y, X and S.
    shape : tuple of int
        Of `axes`.
    page_axes : str
        The axes of the array that a page holds, or of the array of the series, if its pages do not
        hold rows and columns.
    is_whole : bool
        Whether the series must be read as a whole.
    """

    series: object
    axes: str
    shape: tuple[int, ...]
    page_axes: str
    is_whole: bool

    @property
    def plane_shape(self):
        """The height and the width."""
        return self._sizes["Y"], self._sizes["X"]

    @property
    def n_samples(self):
        """The number of samples of a plane."""
        return self._sizes.get("S", 1)

    @property
    def n_in_page(self):
        """The number of planes in a page."""
        return math.prod(self._sizes[axis] for axis in self.page_axes if axis not in "YXS")

    @property
    def _sizes(self):
        return dict(zip(self.series.axes, self.series.shape, strict=True))


def find_series(tiff, n_pages, report):
    """Find the images in a TIFF file whose metadata name axes.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    n_pages : int
        The length of its chain of pages.
    report : callable
        Called with a `Remark` if planes are in other files.

    Returns
    -------
    list of TiffPageSeries
        Empty if its pages are plain pages.
    """
    known = _OF_ONE_PAGE if n_pages == 1 else _KINDS
    kinds = {kind for kind in known if getattr(tiff, f"is_{kind}", False)}
    if "ome" in kinds and not _check_ome(tiff.ome_metadata, report):
        return []
    if "scn" in kinds and re.search(r'\b[czr]="\d{5,}"', tiff.scn_metadata or ""):
        raise ValueError("its metadata name too many planes")
    if not kinds:
        return []
    if n_pages == 1 and not _has_more_planes(tiff, kinds):
        _check_promised(tiff, kinds, n_pages)
        return []
    try:
        found = tiff.series
    except Exception as exc:
        raise ValueError(f"its metadata ({', '.join(sorted(kinds))}) are malformed: {exc}") from exc
    main = [series for series in found if not series.keyframe.subfiletype & (REDUCED | MASK)]
    main = [series for series in main if not _OTHER_IMAGES.fullmatch(series.name or "")] or main
    is_named = {"CTZ"} & {axis for series in main for axis in series.axes}
    if kinds == {"shaped"} and len(main) > 1 and not is_named:
        return []  # written one after the other
    if main and main[0].kind in ("uniform", "generic"):
        _check_promised(tiff, kinds, n_pages)
        return []
    return main


def _check_promised(tiff, kinds, n_pages):
    """Refuse plain pages that are fewer than the metadata of ImageJ or tifffile say."""
    n_promised = 1
    with contextlib.suppress(Exception):  # tifffile's, of malformed metadata
        if "imagej" in kinds:
            n_promised = int(tiff.imagej_metadata.get("images", 1))
        elif "shaped" in kinds:
            shape, page = tiff.shaped_metadata[0]["shape"], tiff.pages[0].shape
            if tuple(shape[-len(page) :]) == page:
                n_promised = math.prod(shape[: -len(page)])
    if n_promised > n_pages:
        raise _missing_error(n_pages, n_promised)


def _missing_error(n_found, n_planes):
    return ValueError(
        f"it is damaged, or planes are in other files: it has {n_found} of {n_planes} planes"
    )


def _has_more_planes(tiff, kinds):
    """Whether the only page of a file may hold several planes, or names of channels."""
    if kinds & {"ome", "lsm", "stk"}:
        return True
    with contextlib.suppress(Exception):  # tifffile's, of malformed metadata
        if "imagej" in kinds and int((tiff.imagej_metadata or {}).get("images", 1)) > 1:
            return True
        shaped = tiff.shaped_metadata[0] if "shaped" in kinds and tiff.shaped_metadata else {}
        return bool(shaped.get("truncated") or shaped.get("axes"))
    return False


def _check_ome(text, report):
    """Refuse metadata of OME that claim too much; return whether tifffile can apply them.

    It makes lists of all planes.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return False
    try:
        files = _list_ome_files(root)
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"its OME metadata are malformed: {exc}") from exc
    if len(files) > 1:
        report(
            Remark(
                "its planes in other files were left out",
                f"OME metadata of {len(files)} files",
                "Save all its planes in one file.",
            )
        )
    return len(files) <= 1


def _list_ome_files(root):
    """List the files that metadata of OME name; raise ValueError if they claim too much."""
    files = set()
    for element in root.iter():
        kind, attributes = _kind(element), element.attrib
        if kind == "Pixels":
            sizes = [int(attributes.get(f"Size{axis}", 1)) for axis in "TZC"]
            _check_count(np.prod([float(size) for size in sizes]))
        elif kind == "TiffData":
            _check_count(max(int(v) for v in ("0", *attributes.values()) if v.isdecimal()))
        elif kind == "UUID" and element.text:
            files.add(element.text)
        elif kind.startswith("Along") and "Start" in attributes:
            start, end, step = (float(attributes.get(k, 1)) for k in ("Start", "End", "Step"))
            _check_count((end - start) / step if step else np.inf)
    return files


def _check_count(count):
    if not count <= MAX_PAGES:
        raise ValueError(f"they name {count:.0f} planes, more than {MAX_PAGES}")


def choose_series(found, selection):
    """Choose one of several images by the page.

    Parameters
    ----------
    found : list of TiffPageSeries
    selection : Selection

    Returns
    -------
    i : int
        The index of the image in `found`.
    selection : Selection
        With the page in that image.
    """
    if len(found) == 1:
        return 0, selection
    described = [describe_series(series) for series in found]
    if not isinstance(selection.page, int):
        sizes = {(one.axes, one.shape, one.plane_shape) for one in described}
        first = Stack(
            "P" + described[0].axes,
            (len(found), *described[0].shape),
            None,
            None,
            described[0].plane_shape if len(sizes) == 1 else (),
        )
        stack = str(first) if len(sizes) == 1 else f"P {len(found)}, of several sizes"
        raise FormatError(
            f"its axes are {stack}, so that it is no single image",
            "Choose one of its pages with ImageLoader(page=), counted from 0 in the order of the file.",
        )
    counts = [count_pages(one) for one in described]
    if not -sum(counts) <= selection.page < sum(counts):
        raise FormatError(
            f"it has no page {selection.page}, only 0 to {sum(counts) - 1}",
            "Choose another one with ImageLoader(page=).",
        )
    page = selection.page % sum(counts)
    ends = np.cumsum(counts)
    i = int(np.searchsorted(ends, page, side="right"))
    return i, selection._replace(page=int(page - ends[i] + counts[i]))


def count_pages(series):
    """Count the planes of a `Series` that are not channels of one image."""
    sizes = zip(series.axes, series.shape, strict=True)
    return int(np.prod([size for axis, size in sizes if axis != "C"], dtype=np.int64))


def describe_series(series):
    """Make the `Series` of a series of tifffile."""
    key, axes, shape = series.keyframe, series.axes, tuple(series.shape)
    if "Y" not in axes or "X" not in axes:
        raise ValueError(f"its axes {axes} have no rows and columns")
    planes = [(axis, size) for axis, size in zip(axes, shape, strict=True) if axis not in "YXS"]
    n_dims = len(key.shape)
    page_axes = axes[-n_dims:]
    is_whole = not {"Y", "X"} <= set(page_axes) or tuple(shape[-n_dims:]) != tuple(key.shape)
    if is_whole and {"Y", "X"} <= set(key.axes) and np.prod(shape) % np.prod(key.shape) == 0:
        sizes = dict(zip(axes, shape, strict=True))
        if (sizes["Y"], sizes["X"]) == (key.imagelength, key.imagewidth):
            page_axes, is_whole = key.axes, False
    if series.transform is not None:
        is_whole = True
    return Series(
        series,
        "".join(axis for axis, _ in planes),
        tuple(size for _, size in planes),
        axes if is_whole else page_axes,
        is_whole,
    )


def make_reader(file, described, decode_page):
    """Make the function that reads a plane of a series by its index along the axes.

    Parameters
    ----------
    file : binary file object
    described : Series
    decode_page : callable
        Takes a page, and returns its array.

    Returns
    -------
    callable
    """
    series, key = described.series, described.series.keyframe
    kept = {}  # the last page

    def read(index):
        i = int(np.ravel_multi_index(index, described.shape)) if index else 0
        page, i_in_page = (0, i) if described.is_whole else divmod(i, described.n_in_page)
        if page not in kept:
            kept.clear()
            array = series.asarray() if described.is_whole else read_page(page)
            kept[page] = _put_planes_first(array, described.page_axes)
        return kept[page][i_in_page]

    def read_page(i):
        page = _find_page(series, i)
        if page is not None:
            return decode_page(page)
        n_pages = math.prod(described.shape) // described.n_in_page
        if i < len(series) or series.dataoffset is None:
            n_found = sum(_find_page(series, j) is not None for j in range(n_pages))
            raise _missing_error(n_found * described.n_in_page, math.prod(described.shape))
        dtype = np.dtype(series.parent.byteorder + key.dtype.char)
        n_bytes = int(np.prod(key.shape)) * dtype.itemsize
        file.seek(series.dataoffset + i * n_bytes)
        content = file.read(n_bytes)
        if len(content) < n_bytes:
            n_found = (file.seek(0, os.SEEK_END) - series.dataoffset) // n_bytes
            raise _missing_error(n_found * described.n_in_page, math.prod(described.shape))
        return np.frombuffer(content, dtype).reshape(key.shape).astype(key.dtype)

    return read


def _find_page(series, i):
    """Find a page of a series; None if it is missing."""
    try:
        return series[i] if i < len(series) else None
    except IndexError:
        return None


def _put_planes_first(array, axes):
    """Bring an array to the shape (n_planes, height, width, n_samples)."""
    others = [i for i, axis in enumerate(axes) if axis not in "YXS"]
    last = [axes.index(axis) for axis in "YXS" if axis in axes]
    array = array.transpose([*others, *last])
    shape = [array.shape[i] for i in range(len(others), array.ndim)]
    return array.reshape(-1, *shape[:2], shape[2] if len(shape) == 3 else 1)


def find_channel_names(tiff, series):
    """Find the names of the channels of a series.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    series : TiffPageSeries

    Returns
    -------
    tuple of str, or None
    """
    find = {"ome": _find_ome_names, "imagej": _find_imagej_names, "lsm": _find_lsm_names,
            "qpi": _find_qpi_names}.get(series.kind)  # fmt: skip
    try:
        names = None if find is None else find(tiff, series)
    except (ValueError, KeyError, TypeError, AttributeError, ElementTree.ParseError):
        return None
    return tuple(map(str, names)) if names and any(names) else None


def _find_ome_names(tiff, series):
    root = ElementTree.fromstring(tiff.ome_metadata)
    images = [part for part in root if _kind(part) == "Image"]
    if len(images) == len(tiff.series):
        image = images[next(i for i, other in enumerate(tiff.series) if other is series)]
    else:  # some have no planes in this file
        (image,) = (image for image in images if image.attrib.get("Name") == series.name)
    return [part.attrib.get("Name", "") for part in image.iter() if _kind(part) == "Channel"]


def _kind(element):
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def _find_imagej_names(tiff, series):
    sizes = dict(zip(series.axes, series.shape, strict=True))
    labels = tiff.imagej_metadata.get("Labels", [])
    if {axis for axis, size in sizes.items() if size > 1} - {"Y", "X", "S"} != {"C"}:
        return None
    if len(labels) != sizes["C"] or any(_IMAGEJ_POSITION.search(label or "") for label in labels):
        return None
    return labels


def _find_lsm_names(tiff, series):
    return tiff.lsm_metadata["ChannelColors"]["ColorNames"]


def _find_qpi_names(tiff, series):
    names = []
    for page in series:
        root = ElementTree.fromstring(page.description)
        names.append(root.findtext("Biomarker") or root.findtext("Name") or "")
    return names


def find_band_names(page):
    """Find the descriptions that GDAL gives of the samples of a page; None if there are none."""
    tag = page.tags.get(_GDAL_METADATA)
    if tag is None:
        return None
    try:
        items = list(ElementTree.fromstring(str(tag.value).strip("\0")).iter("Item"))
    except ElementTree.ParseError:
        return None
    names = {
        item.attrib.get("sample"): item.text
        for item in items
        if item.attrib.get("role") == "description" and item.text
    }
    return tuple(names.get(str(i), "") for i in range(page.samplesperpixel)) if names else None
