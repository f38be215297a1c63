"""The columns that colour the points of a page: their values, colours and markers."""

from collections.abc import Mapping

import numpy as np

from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet.plotting._coloring import (
    Scale,
    as_array,
    check_column,
    color_points,
    encode_labels,
)
from sklearn_resnet.plotting._density import MAX_POINTS_AS_DOTS
from sklearn_resnet.plotting._palette import MARKERS

# as the page names them
_MARKER_NAMES = dict(
    zip(
        MARKERS,
        ("circle", "triangle", "square", "star", "diamond", "plus", "inverted_triangle"),
        strict=True,
    )
)


def as_columns(labels):
    """Return the columns of a dataframe or dict, or a single column of labels, as a dict."""
    if labels is None:
        return {}
    if hasattr(labels, "columns"):
        if not getattr(labels.columns, "is_unique", True):
            raise ValueError("labels must have columns of different names.")
        # a table of regions may hold images and masks
        names = [name for name in labels.columns if not _holds_arrays(labels[name])]
    elif isinstance(labels, Mapping):
        names = labels
    else:
        return {"label": check_column(labels, "labels")}
    return {
        escape_text(name): check_column(labels[name], f"The column {name!r} of labels")
        for name in names
    }


def _holds_arrays(column):
    is_object = str(column.dtype).lower() == "object"  # of pandas or polars
    return is_object and any(map(np.ndim, column))


def describe_column(values):
    """Describe the values of a column: labels by names and codes, numbers on a scale as they are.

    Parameters
    ----------
    values : array-like of shape (n,)

    Returns
    -------
    dict
        ``names`` and ``codes``, an array of int32 (-1 for missing values), or ``values``, an array
        of float64 (NaN for missing values).
    """
    values = as_array(values)
    coloring = color_points(values, len(values))
    if isinstance(coloring, Scale):
        return {"values": coloring.numbers}
    names, codes = encode_labels(values)
    return {"names": names, "codes": codes.astype(np.int32)}


def color_column(values, missing_name="no label"):
    """Describe the colours and markers of a column, which are those of `EmbeddingDisplay.plot`.

    Parameters
    ----------
    values : array-like of shape (n,)
    missing_name : str, default="no label"
        The name of the group of points without a label.

    Returns
    -------
    dict
        For labels, ``groups``, a list of dicts with the ``name``, ``count``, ``color`` and
        ``marker`` of each, and ``groupOf``, the index of the group of each of the column's names.
        The last group holds the points without a label, if there are any; its colour depends on the
        theme and is None. For numbers, ``low`` and ``high``, the ends of the scale.
    """
    values = as_array(values)
    coloring = color_points(values, len(values))
    if isinstance(coloring, Scale):
        low, high = coloring.mappable.get_clim()
        return {"low": float(low), "high": float(high)}
    if len(values) > MAX_POINTS_AS_DOTS:
        coloring = coloring.without_markers()
    names, codes = encode_labels(values)
    is_known = codes >= 0
    group_of = np.zeros(len(names), int)
    group_of[codes[is_known]] = coloring.codes[is_known]
    return {"groups": _describe_groups(coloring, missing_name), "groupOf": group_of.tolist()}


def _describe_groups(coloring, missing_name):
    from matplotlib.colors import to_hex

    n_names = len(coloring.names)  # none if all labels are missing
    counts = np.bincount(coloring.codes[~coloring.is_missing], minlength=n_names).tolist()
    colors = [to_hex(color) for color in coloring.colors[:n_names]]
    markers = [_MARKER_NAMES[marker] for marker in coloring.markers[:n_names]]
    groups = [
        {"name": name, "count": count, "color": color, "marker": marker}
        for name, count, color, marker in zip(coloring.names, counts, colors, markers, strict=True)
    ]
    n_missing = int(coloring.is_missing.sum())
    if n_missing:
        groups.append({"name": missing_name, "count": n_missing, "color": None, "marker": "circle"})
    return groups


def list_scale_colors():
    """The 256 colours of a scale, from low to high."""
    from matplotlib.colors import to_hex

    coloring = color_points(np.array([0.0, 0.5, 1.0]), 3)
    return [to_hex(color) for color in coloring.mappable.get_cmap()(np.arange(256))]
