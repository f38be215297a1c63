"""The page of an embedding with its images: a single file that needs no network."""

import html
import json
import os
from importlib.resources import files

import numpy as np
from sklearn.utils import check_array

from sklearn_resnet._io.atomic import atomic_write, check_writable
from sklearn_resnet._io.csv_text import as_text, escape_text
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.imports import check_optional
from sklearn_resnet.plotting._palette import MISSING, MISSING_ON_DARK
from sklearn_resnet.plotting.explorer.columns import (
    as_columns,
    color_column,
    describe_column,
    list_scale_colors,
)
from sklearn_resnet.plotting.explorer.figure import make_figure
from sklearn_resnet.plotting.explorer.neighbors import find_clusters, find_others, list_others
from sklearn_resnet.plotting.explorer.overviews import as_regions, describe_regions, name_images
from sklearn_resnet.plotting.explorer.sprites import make_sheets, thumbnail_side

MAX_POINTS = 200_000
_N_NEIGHBORS = 8
_MIN_CLUSTERED = 10
# in this order, because each uses variables of the earlier ones
_SCRIPTS = (
    *("dom", "data", "map", "thumbnails", "overlay", "legend", "regions", "cards"),
    *("search", "selection", "theme", "controls"),
)


def check_bokeh():
    """Raise the ImportError of `write_page` if Bokeh is not installed."""
    check_optional("bokeh", extra="explore", purpose="The interactive page")


def write_page(path, xy, *, labels, paths, images, features, title, section="", neighbors=None):
    """Write the page.

    Parameters
    ----------
    path : path
    xy : ndarray of shape (n, 2)
    images : sequence of images or None
        As `make_sheets` accepts them.
    labels, paths, features, title
        See `EmbeddingDisplay.to_html`.
    section : str, default=""
        HTML below the map. Elements with the attribute ``data-point`` show that point on it.
    neighbors : tuple of ndarray, default=None
        The distances and rows of the nearest neighbours of each row of `features`, which may be
        its own; None finds them.

    Raises
    ------
    ImportError
        If Bokeh is not installed.
    ValueError
        If there are more points than a browser can handle, or a parameter does not have one value
        for each point.
    OSError
        If the file cannot be written.
    """
    check_bokeh()
    if len(xy) > MAX_POINTS:
        raise ValueError(
            f"A page holds at most {MAX_POINTS:,} points. Got {len(xy):,} instead. Pass a sample "
            "of them."
        )
    columns = as_columns(labels)
    if features is not None:
        features = check_array(features, input_name="features")
    _check_lengths(len(xy), columns, {"paths": paths, "features": features})
    check_writable(path)
    regions = as_regions(images)
    if paths is None and images is not None:
        paths = name_images(images, regions)
    others = (
        find_others(xy if features is None else features, _N_NEIGHBORS)
        if neighbors is None
        else list_others(neighbors[1], _N_NEIGHBORS)
    )
    data = _collect_data(xy, columns, paths, images, others)
    data["distance"] = (
        "distance on the map" if features is None else "Euclidean distance of features"
    )
    data |= describe_regions(regions, getattr(images, "options", {}).get("page"))
    page = _assemble(title, data, make_figure(xy, data["pointSize"]), section)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_plain_page(path, title, section):
    """Write a page without a map, with HTML as `write_page` shows it below the map."""
    sources = files("sklearn_resnet.plotting") / "explorer"
    parts = _describe_title(title)
    parts["css"] = (sources / "page.css").read_text("utf-8") + read_section_css()
    parts["section"] = section
    page = _fill((sources / "plain.html").read_text("utf-8"), parts)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _check_lengths(n_points, columns, others):
    for name, values in columns.items():
        if len(values) != n_points:
            raise ParameterError(
                "labels",
                f"must hold one value for each of the {n_points} points in each column",
                f"{len(values)} in the column {name!r}",
            )
    for name, values in others.items():
        if values is not None and len(values) != n_points:
            raise ParameterError(
                name,
                f"must hold one value for each of the {n_points} points",
                str(len(values)),
            )


def _collect_data(xy, columns, paths, images, neighbors):
    """Compute the data that the page's scripts read."""
    described = {
        name: describe_column(values) | color_column(values, f"no {name}")
        for name, values in columns.items()
    }
    if len(xy) >= _MIN_CLUSTERED:
        clusters = find_clusters(xy)
        name = _unused_name("cluster", described)
        described[name] = describe_column(clusters) | color_column(clusters, "in no cluster")
    elif not columns:
        everything = np.full(len(xy), "all")
        described["images"] = describe_column(everything) | color_column(everything)
    side, sheets, n_columns = 0, [], 1
    if images is not None:
        side = thumbnail_side(images)
        sheets, n_columns = make_sheets(images, side)
    folder, names = ("", None) if paths is None else _split_folder(paths)
    return {
        "n": len(xy),
        "folder": folder,
        "names": names,
        # a list, because JavaScript reorders keys that are numbers
        "columns": [{"name": name, **column} for name, column in described.items()],
        "missingColors": {"light": _as_hex(MISSING), "dark": MISSING_ON_DARK},
        "scale": list_scale_colors(),
        "neighbors": neighbors.ravel().tolist(),
        "nNeighbors": neighbors.shape[1],
        "box": [*xy.min(0).tolist(), *xy.max(0).tolist()],
        "pointSize": float(np.clip(900 / np.sqrt(len(xy)), 4, 12)),
        "side": side,
        "nColumns": n_columns,
        "sheets": sheets,
    }


def _unused_name(name, taken):
    """Return a name of a column that the user's columns do not have."""
    while name in taken:
        name = f"{name} (HDBSCAN)"
    return name


def _as_hex(color):
    from matplotlib.colors import to_hex

    return to_hex(color)


def _assemble(title, data, figure, section):
    """Fill the template of the page."""
    from bokeh.embed import json_item
    from bokeh.resources import Resources

    sources = files("sklearn_resnet.plotting") / "explorer"
    parts = {
        **_describe_title(title),
        "css": (sources / "page.css").read_text("utf-8"),
        **_describe_section(section),
        "data": _as_script(data),
        "item": _as_script(json_item(figure, "map")),
        "bokeh": "\n".join(Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw),
        "js": read_script(),
    }
    return _fill((sources / "page.html").read_text("utf-8"), parts)


def _fill(page, parts):
    for name, text in parts.items():
        before, after = page.split(f"<!--{name}-->")
        page = before + text + after
    return page


def _describe_title(title):
    title = escape_text(title)
    return {"title": html.escape(" ".join(title.split())), "heading": html.escape(title)}


def _describe_section(section):
    """Return the parts of the template that show HTML below the map; empty if there is none."""
    if not section:
        return dict.fromkeys(("section-css", "link", "section"), "")
    return {
        "section-css": f"<style>{read_section_css()}</style>",
        "link": '<a href="#section">Findings</a>\n  ',
        "section": f'\n<section id="section">\n{section}\n</section>',
    }


def read_section_css():
    """The style of HTML below the map."""
    return (files("sklearn_resnet.plotting") / "explorer" / "section.css").read_text("utf-8")


def read_script():
    """The JavaScript of the page: its files in one function, whose variables they share."""
    folder = files("sklearn_resnet.plotting") / "explorer" / "js"
    scripts = [f"// {name}.js\n{(folder / f'{name}.js').read_text('utf-8')}" for name in _SCRIPTS]
    return '"use strict";\n(async () => {\n' + "\n".join(scripts) + "})();\n"


def _split_folder(paths):
    """The folder that all paths begin with, and the rest of each path."""
    names = list(as_text([os.fspath(path) for path in paths]))
    start = os.path.commonprefix(names) if len(names) > 1 else names[0]  # noqa: RUF071  also of URLs
    n_start = max(start.rfind("/"), start.rfind("\\")) + 1
    return start[:n_start], [name[n_start:] for name in names]


def _as_script(data):
    """Encode data as JSON for a script element, which no text in it can close."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
