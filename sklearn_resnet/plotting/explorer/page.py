"""The page that shows an embedding with its images, in one file that needs no network."""

import html
import importlib.util
import json
import os
from importlib.resources import files

import numpy as np
from sklearn.utils import check_array

from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import as_text
from sklearn_resnet.plotting._coloring import as_array, as_label, is_missing, is_scale
from sklearn_resnet.plotting._palette import PALETTE
from sklearn_resnet.plotting.explorer.sprites import make_sheets, thumbnail_side

_MAX_POINTS = 200_000
_MAX_EXACT = 10_000  # points whose neighbours are found by comparing all
_N_NEIGHBORS = 8
_MIN_CLUSTERED = 10
_N_MOVING = 1_500  # points drawn while the map moves, if no graphics processor draws them


def check_bokeh():
    """Raise the ImportError that `write_page` would."""
    if importlib.util.find_spec("bokeh") is None:
        raise ImportError(
            "The page is made by Bokeh, which is not installed. Install it by "
            "`pip install 'sklearn-resnet[explore]'`."
        )


def write_page(path, xy, *, labels, paths, images, features, title):
    """Write the page.

    Parameters
    ----------
    path : path
    xy : ndarray of shape (n, 2)
    images : sequence of images or None
        As `make_sheets` takes them.
    labels, paths, features, title
        As for `EmbeddingDisplay.to_html`.

    Raises
    ------
    ImportError
        If Bokeh is not installed.
    ValueError
        If there are more points than a browser can handle, or not one value for each.
    """
    check_bokeh()
    from bokeh.embed import json_item
    from bokeh.palettes import Viridis256
    from bokeh.resources import Resources

    if len(xy) > _MAX_POINTS:
        raise ValueError(
            f"A page holds at most {_MAX_POINTS:,} points. Got {len(xy):,} instead. Pass a sample "
            "of them."
        )
    columns = as_columns(labels)
    if features is not None:
        features = check_array(features, input_name="features")
    _check_lengths(len(xy), columns, {"paths": paths, "features": features})
    columns = {name: describe_column(values) for name, values in columns.items()}
    if len(xy) >= _MIN_CLUSTERED:
        columns["cluster"] = describe_column(find_clusters(xy))
    elif not columns:
        columns["images"] = describe_column(np.full(len(xy), "all"))
    side, sheets, n_columns = 0, [], 1
    if images is not None:
        side = thumbnail_side(images)
        sheets, n_columns = make_sheets(images, side)
    neighbors = find_neighbors(xy if features is None else features, _N_NEIGHBORS)
    size = float(np.clip(900 / np.sqrt(len(xy)), 4, 12))
    folder, names = ("", None) if paths is None else _split_folder(paths)
    data = {
        "n": len(xy),
        "folder": folder,
        "names": names,
        "columns": columns,
        "missing": {"cluster": "in no cluster"},
        "colors": PALETTE,
        "scale": Viridis256,
        "neighbors": neighbors.ravel().tolist(),
        "n_neighbors": neighbors.shape[1],
        "near_by": "their places on the map"
        if features is None
        else "features (Euclidean distance)",
        "box": [*xy.min(0).tolist(), *xy.max(0).tolist()],
        "size": size,
        "side": side,
        "n_columns": n_columns,
        "sheets": sheets,
    }
    sources = files("sklearn_resnet.plotting") / "explorer"
    parts = {
        "title": html.escape(" ".join(title.split())),
        "heading": html.escape(title),
        "css": (sources / "page.css").read_text("utf-8"),
        "data": _as_script(data),
        "item": _as_script(json_item(make_figure(xy, size), "map")),
        "bokeh": "\n".join(Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw),
        "js": (sources / "page.js").read_text("utf-8"),
    }
    page = (sources / "page.html").read_text("utf-8")
    for name, text in parts.items():
        before, after = page.split(f"<!--{name}-->")
        page = before + text + after
    with atomic_write(path) as whole:
        whole.write_text(page, encoding="utf-8")


def _check_lengths(n_points, columns, others):
    checked = {f"{name!r}": values for name, values in others.items()}
    checked |= {f"column {name!r} of the 'labels'": values for name, values in columns.items()}
    for what, values in checked.items():
        if values is not None and len(values) != n_points:
            raise ValueError(
                f"The {what} parameter must hold one value for each of the {n_points} points. Got "
                f"{len(values)} instead."
            )


def as_columns(labels):
    """What points can be coloured by: the columns of a dataframe or dict, or one of labels."""
    if labels is None:
        return {}
    if not hasattr(labels, "columns") and not isinstance(labels, dict):
        labels = {"label": labels}
    return {str(name): as_array(labels[name]) for name in labels}


def make_figure(xy, size):
    """A Bokeh figure of points, whose colours, ranges and tools the page sets.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    size : float
        Of a point, in pixels.
    """
    from bokeh import models
    from bokeh.plotting import figure

    n_points, low, high = len(xy), xy.min(0), xy.max(0)
    source = models.ColumnDataSource(
        {
            "x": xy[:, 0].astype(np.float32),
            "y": xy[:, 1].astype(np.float32),
            "color": ["gray"] * n_points,
            "marker": ["circle"] * n_points,
        },
        name="points",
    )
    wheel = models.WheelZoomTool()
    pan = models.PanTool(name="pan")
    plot = figure(
        # the page makes one unit of both axes equally long, when it knows how large it is
        x_range=models.Range1d(float(low[0]), float(high[0])),
        y_range=models.Range1d(float(low[1]), float(high[1])),
        sizing_mode="stretch_both",
        output_backend="webgl",
        lod_threshold=2 * _N_MOVING,
        lod_factor=-(-n_points // _N_MOVING),
        tools=[
            pan,
            wheel,
            models.BoxSelectTool(name="box"),
            models.LassoSelectTool(name="lasso"),
        ],
        active_scroll=wheel,
        active_drag=pan,
        toolbar_location=None,
        min_border=2,  # Bokeh does not clear half a pixel at the edge
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        name="plot",
    )
    plot.axis.visible = plot.grid.visible = False
    points = plot.scatter(
        "x",
        "y",
        source=source,
        view=models.CDSView(filter=models.BooleanFilter([True] * n_points, name="shown")),
        color="color",
        marker="marker",
        size=size,
        line_color=None,
        fill_alpha=0.85 if n_points < 5_000 else 0.6,
        nonselection_fill_alpha=0.06,
        selection_fill_alpha=1,
    )
    call = "window.explorer?.{}(cb_data)"
    plot.add_tools(
        models.HoverTool(
            tooltips=None,
            renderers=[points],
            callback=models.CustomJS(code=call.format("hover")),
        ),
        models.TapTool(
            behavior="inspect",
            renderers=[points],
            callback=models.CustomJS(code=call.format("tap")),
        ),
    )
    return plot


def find_neighbors(features, n_neighbors):
    """The nearest other points of each, by Euclidean distance.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Beyond 10,000 rows, pynndescent finds almost all of the nearest.
    n_neighbors : int

    Returns
    -------
    ndarray of shape (n, at most n_neighbors), dtype int
        The nearest first; -1 where none was found.
    """
    n_found = min(n_neighbors + 1, len(features))
    if len(features) <= _MAX_EXACT:
        from sklearn.neighbors import NearestNeighbors

        found = NearestNeighbors(n_neighbors=n_found).fit(features).kneighbors(features)[1]
    else:
        from pynndescent import NNDescent

        found = NNDescent(features, n_neighbors=n_found, random_state=0).neighbor_graph[0]
    # a point is the nearest to itself, unless others lie at the same place
    is_self = found == np.arange(len(found))[:, None]
    is_self[~is_self.any(1), -1] = True
    return found[~is_self].reshape(len(found), n_found - 1)


def find_clusters(xy):
    """Clusters by HDBSCAN; None where a point is in none."""
    from sklearn.cluster import HDBSCAN

    size = max(5, len(xy) // 100)
    clusters = HDBSCAN(min_cluster_size=size, copy=True).fit_predict(xy)
    return np.array([None if cluster < 0 else f"cluster {cluster + 1}" for cluster in clusters])


def describe_column(values):
    """Labels as their names and a code for each point, numbers on a scale as they are.

    Parameters
    ----------
    values : ndarray of shape (n,)

    Returns
    -------
    dict
        ``names`` and ``codes`` (-1 where there is none), or ``values`` (None where there is none).
    """
    from natsort import natsorted

    values = as_array(values)
    is_gone = is_missing(values)
    pairs = list(zip(is_gone, values.tolist(), strict=True))
    if not is_gone.all() and is_scale(values[~is_gone]):
        return {"values": [None if gone else float(value) for gone, value in pairs]}
    labels = as_text([as_label(value) for _, value in pairs])
    names = natsorted({label for label, gone in zip(labels, is_gone, strict=True) if not gone})
    place = {name: code for code, name in enumerate(names)}
    codes = [-1 if gone else place[label] for label, gone in zip(labels, is_gone, strict=True)]
    return {"names": names, "codes": codes}


def _split_folder(paths):
    """The folder that all paths begin with, and what comes after it."""
    names = list(as_text([os.fspath(path) for path in paths]))
    start = os.path.commonprefix(names) if len(names) > 1 else names[0]  # noqa: RUF071  of URLs, too
    n_start = max(start.rfind("/"), start.rfind("\\")) + 1
    return start[:n_start], [name[n_start:] for name in names]


def _as_script(data):
    """JSON that can stand in a script: no text in it can end that."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
