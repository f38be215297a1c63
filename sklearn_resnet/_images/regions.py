"""Tables of regions: dataframes with a row for each region of an image."""

import numbers
import os

import numpy as np

from sklearn_resnet._images.hashing import hash_content
from sklearn_resnet._images.items import Region, as_item, is_missing, is_path

BOX = ("top", "left", "bottom", "right")

__all__ = ["BOX", "Region", "describe_mask", "describe_version", "is_region_table", "list_regions"]


def is_region_table(X):
    """Whether `X` is a table of regions, or of whole images.

    Parameters
    ----------
    X : object

    Returns
    -------
    bool
        True for a dataframe of pandas or polars with the column ``"path"``, or with those of a box.
    """
    libraries = {kind.__module__.partition(".")[0] for kind in type(X).__mro__}
    if libraries.isdisjoint(("pandas", "polars")) or len(getattr(X, "shape", ())) != 2:
        return False
    columns = list(X.columns)
    return "path" in columns or all(name in columns for name in BOX)


def list_regions(table):
    """List the regions of a table.

    Parameters
    ----------
    table : DataFrame of pandas or polars
        A row for each region, with the columns ``path`` (a path, or an image in memory), ``top``,
        ``left``, ``bottom`` and ``right``, and optionally ``page`` and ``mask``. Without those of a
        box, the rows are whole images.

    Returns
    -------
    list of Region

    Raises
    ------
    ValueError
        If columns are missing, or a row has no valid box, page or mask.
    """
    columns = list(table.columns)
    _check_columns(columns)
    sources = _list_sources(table["path"].to_list())
    n_rows = len(sources)
    boxes = pages = masks = [None] * n_rows
    if BOX[0] in columns:
        boxes = list(zip(*(_list_integers(table, name) for name in BOX), strict=True))
        _check_boxes(boxes)
    if "page" in columns:
        pages = _list_integers(table, "page", is_optional=True)
    if "mask" in columns:
        masks = [
            _as_mask(mask, box, row)
            for row, (mask, box) in enumerate(zip(table["mask"].to_list(), boxes, strict=True))
        ]
    return [Region(*row) for row in zip(sources, boxes, pages, masks, strict=True)]


def describe_version(region, version):
    """Return the version of a region: that of its file, its box, its page and its mask.

    Parameters
    ----------
    region : Region
    version : str or None
        Of the file.

    Returns
    -------
    str or None
    """
    if version is None or region.is_whole:
        return version
    parts = [",".join(map(str, region.box or ()))]
    if region.page is not None:
        parts.append(f"page{region.page}")
    if region.mask is not None:
        parts.append(hash_content(*describe_mask(region.mask)).hex())
    return "#".join([version, *parts])


def describe_mask(mask):
    """Return bytes that tell a mask from others."""
    return [repr(mask.shape).encode(), np.packbits(mask)]


def _check_columns(columns):
    repeated = [name for name in ("path", *BOX, "page", "mask") if columns.count(name) > 1]
    if repeated:
        raise ValueError(
            f"X must have the column {repeated[0]!r} once. Got it several times instead."
        )
    found = [name for name in BOX if name in columns]
    wanted = ["path", *BOX] if found else ["path"]
    missing = [repr(name) for name in wanted if name not in columns]
    if missing:
        raise ValueError(
            f"X must have the columns 'path', 'top', 'left', 'bottom' and 'right' for regions, or "
            f"'path' alone for whole images. Got a table without {', '.join(missing)} instead."
        )


def _list_sources(column):
    """List the images of rows; equal paths or bytes and identical objects become one item."""
    items, sources = {}, []
    for row, value in enumerate(column):
        is_comparable = is_path(value) or isinstance(value, bytes)
        key = os.fspath(value) if is_comparable else id(value)
        if key not in items:
            try:
                items[key] = as_item(value)
            except ValueError as exc:
                raise ValueError(
                    f"Row {row} of the table must have a path or an image in the column 'path'. {exc}"
                ) from exc
        sources.append(items[key])
    return sources


def _list_integers(table, name, *, is_optional=False):
    values = np.asarray(table[name])
    if values.dtype.kind in "iu":
        return values.tolist()
    return [_as_integer(value, name, row, is_optional) for row, value in enumerate(values.tolist())]


def _as_integer(value, name, row, is_optional):
    if is_optional and is_missing(value):
        return None
    if isinstance(value, numbers.Real) and not isinstance(value, bool) and value % 1 == 0:
        return int(value)
    raise ValueError(
        f"The column {name!r} must hold whole numbers. Got {value!r} in row {row} of the table instead."
    )


def _check_boxes(boxes):
    top, left, bottom, right = np.array(boxes, dtype=object).reshape(-1, 4).T
    empty = np.flatnonzero((bottom <= top) | (right <= left))
    if empty.size:
        box = ", ".join(f"{name} {value}" for name, value in zip(BOX, boxes[empty[0]], strict=True))
        raise ValueError(
            "A box must have at least one pixel: bottom must be more than top, and right more than left. "
            f"Got {box} in row {empty[0]} of the table instead."
        )


def _as_mask(mask, box, row):
    """Return a mask as an array, or None for a missing one."""
    if is_missing(mask):
        return None
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(
            "A mask must be an array of bool with 2 dimensions. Got one of "
            f"{mask.dtype} with {mask.ndim} in row {row} of the table instead."
        )
    if box is not None and mask.shape != (box[2] - box[0], box[3] - box[1]):
        raise ValueError(
            f"A mask must have the shape of its box, {(box[2] - box[0], box[3] - box[1])}. Got "
            f"{mask.shape} in row {row} of the table instead."
        )
    return mask
