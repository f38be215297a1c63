"""Tables of regions: dataframes with a row for each region of an image."""

import math
import numbers
import os

import numpy as np

from sklearn_resnet._images.hashing import hash_content
from sklearn_resnet._images.items import Region, as_item, is_missing, is_path

BOX = ("top", "left", "bottom", "right")

# other names of the columns of a box, in small letters: those of BOX in its order
_OTHER_BOXES = (
    BOX,
    ("ymin", "xmin", "ymax", "xmax"),
    ("y_min", "x_min", "y_max", "x_max"),
    ("y1", "x1", "y2", "x2"),
    ("y0", "x0", "y1", "x1"),
    ("minr", "minc", "maxr", "maxc"),
    ("min_row", "min_col", "max_row", "max_col"),
    ("bbox-0", "bbox-1", "bbox-2", "bbox-3"),
)
# left, top, width and height
_SIZED_BOXES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("left", "top", "w", "h"),
)
_MAX_NAMED = 3  # rows in a message
_NO_INTEGER = object()

__all__ = [
    "BOX",
    "Region",
    "describe_mask",
    "describe_version",
    "find_box_columns",
    "is_region_table",
    "list_regions",
]


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


def find_box_columns(columns):
    """Find columns that look like boxes under other names.

    Parameters
    ----------
    columns : list of str

    Returns
    -------
    names : list of str
        Empty if there are none.
    remedy : str
        How to make the columns of boxes of them.
    """
    by_name = {str(name).lower().replace(" ", "_"): name for name in reversed(columns)}
    for names in _OTHER_BOXES:
        if all(name in by_name for name in names):
            found = [by_name[name] for name in names]
            pairs = [f"{old!r} to {new!r}" for old, new in zip(found, BOX, strict=True)]
            return found, f"Rename {', '.join(pairs)}."
    for x, y, width, height in _SIZED_BOXES:
        if all(name in by_name for name in (x, y, width, height)):
            x, y, width, height = found = [by_name[name] for name in (x, y, width, height)]
            sums = f"top = {y}, left = {x}, bottom = {y} + {height} and right = {x} + {width}"
            return found, f"Add the columns {sums}, if {x} and {y} are the corner at the top left."
    if "bbox" in by_name:
        found = by_name["bbox"]
        return [found], f"Split the column {found!r} into the four columns of a box."
    return [], ""


def _check_columns(columns):
    repeated = [name for name in ("path", *BOX, "page", "mask") if columns.count(name) > 1]
    if repeated:
        raise ValueError(
            f"X must have the column {repeated[0]!r} once. Got it several times instead."
        )
    found = [name for name in BOX if name in columns]
    wanted = ["path", *BOX] if found else ["path"]
    missing = [name for name in wanted if name not in columns]
    others, remedy = find_box_columns(columns) if set(BOX) - set(columns) else ([], "")
    if missing or others:
        got = f"a table without {', '.join(map(repr, missing))}"
        if others and "path" in columns:
            got = f"a table with {', '.join(map(repr, others))}"
            remedy += "" if found else " For whole images, drop these columns."
        raise ValueError(
            f"X must have the columns 'path', 'top', 'left', 'bottom' and 'right' for regions, or "
            f"'path' alone for whole images. Got {got} instead. {remedy}".rstrip()
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
    values = values.tolist()
    integers = [_as_integer(value, is_optional) for value in values]
    wrong = [row for row, integer in enumerate(integers) if integer is _NO_INTEGER]
    if wrong:
        got = _name_rows(wrong, [repr(values[row]) for row in wrong])
        raise ValueError(
            f"The column {name!r} must hold whole numbers. Got {got} instead. "
            f"{_find_remedy([values[row] for row in wrong])}"
        )
    return integers


def _as_integer(value, is_optional):
    if is_optional and is_missing(value):
        return None
    if _is_number(value) and value % 1 == 0:
        return int(value)
    return _NO_INTEGER


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _find_remedy(values):
    """Return the remedy for values that are no whole numbers."""
    if any(_is_number(value) and math.isfinite(value) for value in values):
        return "Round them; boxes are in pixels."
    if any(isinstance(value, str) for value in values):
        return "Convert the column to whole numbers."
    return "Leave these rows out."


def _name_rows(rows, descriptions):
    """Name the first of some rows of the table, and the number of the others."""
    named = [f"{what} in row {row}" for what, row in zip(descriptions, rows, strict=True)]
    more = len(rows) - _MAX_NAMED
    others = f" and in {more} more row{'s' * (more > 1)}" if more > 0 else ""
    return f"{', '.join(named[:_MAX_NAMED])}{others} of the table, counted from 0,"


def _check_boxes(boxes):
    top, left, bottom, right = np.array(boxes, dtype=object).reshape(-1, 4).T
    empty = np.flatnonzero((bottom <= top) | (right <= left))
    if empty.size:
        found = [
            "("
            + ", ".join(f"{name} {value}" for name, value in zip(BOX, boxes[row], strict=True))
            + ")"
            for row in empty
        ]
        raise ValueError(
            "A box must have at least one pixel: bottom must be more than top, and right more than left. "
            f"Got {_name_rows(empty, found)} instead. Leave these rows out."
        )


def _as_mask(mask, box, row):
    """Return a mask as an array, or None for a missing one."""
    if is_missing(mask):
        return None
    if isinstance(mask, str):
        raise ValueError(
            f"A mask must be an array of bool with 2 dimensions. Got text in row {row} of the table, "
            "counted from 0, instead, as from a file of text. Drop the column 'mask', or make the table "
            "again with find_regions."
        )
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(
            "A mask must be an array of bool with 2 dimensions. Got one of "
            f"{mask.dtype} with {mask.ndim} in row {row} of the table, counted from 0, instead."
        )
    if box is not None and mask.shape != (box[2] - box[0], box[3] - box[1]):
        raise ValueError(
            f"A mask must have the shape of its box, {(box[2] - box[0], box[3] - box[1])}. Got "
            f"{mask.shape} in row {row} of the table, counted from 0, instead."
        )
    return mask
