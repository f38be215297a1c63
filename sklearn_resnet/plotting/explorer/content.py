"""The content of an explorer: metadata, arrays and thumbnails, for a page or a widget."""

import json
import os
from dataclasses import dataclass

import numpy as np

from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.plotting._cluster_names import find_map_clusters
from sklearn_resnet.plotting._coloring import (
    Scale,
    as_array,
    check_column,
    color_points,
    encode_labels,
)
from sklearn_resnet.plotting._map_quality import check_features, describe_quality, score_map
from sklearn_resnet.plotting._palette import MISSING, MISSING_ON_DARK, PALETTE
from sklearn_resnet.plotting.explorer.columns import (
    as_columns,
    color_column,
    describe_column,
    list_scale_colors,
)
from sklearn_resnet.plotting.explorer.names import check_names
from sklearn_resnet.plotting.explorer.neighbors import find_others, list_others
from sklearn_resnet.plotting.explorer.overviews import as_regions, describe_regions, name_images
from sklearn_resnet.plotting.explorer.sprites import Sheets

MAX_POINTS = 1_000_000
MAX_MAPS = 3
MAX_SEARCHED = 200_000  # points, for which neighbours are computed
_N_NEIGHBORS = 8
_MIN_CLUSTERED = 10
_N_EXEMPLARS = 3  # images beside a name
_NO_BOX = np.iinfo(np.int32).min


@dataclass(frozen=True)
class Content:
    """All that an explorer shows.

    Attributes
    ----------
    metadata : dict
        What JSON can hold; the JavaScript calls it ``data``.
    buffers : dict of str to bytes
        Arrays, little-endian, and texts in UTF-8 that are joined by a null character.
    sheets : Sheets or None
        None without images.
    """

    metadata: dict
    buffers: dict
    sheets: Sheets | None


def make_content(maps, *, labels, paths, images, features, tags=None, names=None, neighbors=None):
    """Collect the content of an explorer.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (n, 2)
        One to three maps of the same points.
    images : sequence of images or None
        As `Sheets` accepts them.
    labels, paths
        See `EmbeddingDisplay.to_html`.
    features : array-like of shape (n, n_features), dict of such by the names of the maps, or None
    tags : array-like of shape (n,), default=None
        The tag of each point; None without one.
    names : dict of str to str, default=None
        The user's names of clusters, by the names that `find_map_clusters` gives them: "cluster 2",
        or "PCA: cluster 2" of the map "PCA" if there are several.
    neighbors : tuple of ndarray, default=None
        The distances and rows of the nearest neighbours of each row of `features`, which may be
        its own; None finds them.

    Returns
    -------
    Content

    Raises
    ------
    ValueError
        If there are more points than a browser can handle, a parameter does not have one value for
        each point, or `names` has a key that names no cluster.
    """
    if len(maps) > MAX_MAPS:
        raise ValueError(f"An explorer shows at most {MAX_MAPS} maps. Got {len(maps)} instead.")
    xy = next(iter(maps.values()))
    columns = as_columns(labels)
    _check_lengths(len(xy), columns, {"paths": paths, "tags": tags})
    features = check_features(features, maps)
    regions = as_regions(images)
    if paths is None and images is not None:
        paths = name_images(images, regions)
    clusters = _find_clusters(maps, columns, features)
    described_maps = _describe_maps(maps, clusters, features)
    check_names(names or {}, described_maps[0]["maps"])
    sheets = None if images is None else Sheets(images, xy, exemplars=_list_exemplars(clusters))
    parts = [
        described_maps,
        _describe_columns(len(xy), columns, clusters),
        _describe_neighbors(maps, features, neighbors),
        _describe_names(paths),
        _describe_places(regions, getattr(images, "options", {}).get("page")),
        _describe_sheets(sheets),
        _describe_tags(tags, names),
    ]
    metadata, buffers = {"n": len(xy)}, {}
    for part, arrays in parts:
        metadata |= part
        buffers |= {name: _as_bytes(array) for name, array in arrays.items()}
    metadata["tagColumn"] = _unused_name(
        "tag", [each["name"] for each in metadata["columns"]], "page"
    )
    return Content(metadata, buffers, sheets)


def check_count(n_points):
    """Raise the ValueError of `make_content` for too many points."""
    if n_points > MAX_POINTS:
        raise ValueError(
            f"A page holds at most {MAX_POINTS:,} points. Got {n_points:,} instead. Pass a sample "
            "of them."
        )


def _check_lengths(n_points, columns, others):
    """Raise a ParameterError if a column or another parameter has another number of values."""
    check_count(n_points)
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


def encode_metadata(metadata):
    """Encode metadata as JSON."""
    return json.dumps(metadata, separators=(",", ":"), allow_nan=False)


def _as_bytes(array):
    if isinstance(array, bytes):
        return array
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _find_clusters(maps, columns, features):
    """Find the clusters of each map; none if there are few points."""
    y = _find_label_column(columns)
    return {
        name: find_map_clusters(xy, y, features[name])
        for name, xy in maps.items()
        if len(xy) >= _MIN_CLUSTERED
    }


def _list_exemplars(clusters):
    """The images beside names, those of coarse levels first."""
    every = sorted(
        (cluster for found in clusters.values() for cluster in found.clusters),
        key=lambda cluster: cluster.level,
    )
    rows = [row for cluster in every for row in cluster.medoids[:_N_EXEMPLARS]]
    return list(dict.fromkeys(rows))


def _describe_maps(maps, clusters, features):
    """Describe the maps, with their clusters and their quality.

    The codes of the clusters of the first map are buffers "cluster0" to "cluster2", those of the
    second map "cluster0-1" and so on.
    """
    described, arrays = [], {}
    searches = _list_searches(features)
    for k, (name, xy) in enumerate(maps.items()):
        box = [*xy.min(0).tolist(), *xy.max(0).tolist()]
        described.append({"name": escape_text(name), "box": box, "clusters": [], "quality": ""})
        described[-1]["search"] = searches[name]
        arrays[f"xy{k}"] = xy.astype(np.float32)
        if name in clusters:
            found = clusters[name]
            prefix = _prefix_clusters(maps, name)
            described[-1]["clusters"] = [_describe_cluster(each, prefix) for each in found.clusters]
            for level, codes in enumerate(found.codes):
                arrays[name_cluster_buffer(level, k)] = codes
        if features[name] is not None:
            described[-1]["quality"] = describe_quality(score_map(features[name], xy))
    n_points = len(xy)
    # dots shrink as their number grows; those of more than a page had before overlap
    smallest, opacity = (4, 0.6) if n_points <= MAX_SEARCHED else (2, 0.35)
    return {
        "maps": described,
        "pointSize": float(np.clip(900 / np.sqrt(n_points), smallest, 12)),
        "pointAlpha": 0.85 if n_points < 5_000 else opacity,
    }, arrays


def _prefix_clusters(maps, name):
    """What the keys of the clusters of a map begin with."""
    return f"{escape_text(name)}: " if len(maps) > 1 else ""


def name_cluster_buffer(level, k):
    """The name of the buffer with the cluster of each point at a level of the map k."""
    return f"cluster{level}" + (f"-{k}" if k else "")


def _find_label_column(columns):
    """The first column of labels, or None."""
    for values in map(as_array, columns.values()):
        if not isinstance(color_points(values, len(values)), Scale):
            return values
    return None


def _describe_cluster(cluster, prefix):
    name = escape_text(cluster.name)
    return {
        "level": cluster.level,
        "name": name,
        "key": prefix + name,  # of the user's name
        "medoids": [int(row) for row in cluster.medoids[:_N_EXEMPLARS]],
        "count": int(cluster.count),
        "at": [float(value) for value in cluster.at],
        "size": float(cluster.size),
    }


def _describe_columns(n_points, columns, clusters):
    described = {
        name: describe_column(values) | color_column(values, f"no {name}")
        for name, values in columns.items()
    }
    if clusters:
        first, its_clusters = next(iter(clusters.items()))
        finest = its_clusters.name_points(-1) if its_clusters.codes else np.full(n_points, None)
        name = f"cluster ({escape_text(first)})" if len(clusters) > 1 else "cluster"
        name = _unused_name(name, described, "HDBSCAN")
        described[name] = describe_column(finest) | color_column(finest, "in no cluster")
        described[name]["clusterPrefix"] = _prefix_clusters(clusters, first)
    elif not columns:
        everything = np.full(n_points, "all")
        described["images"] = describe_column(everything) | color_column(everything)
    arrays = {}
    for k, column in enumerate(described.values()):
        arrays[f"column{k}"] = column.pop("values" if "values" in column else "codes")
    return {
        # a list, because JavaScript reorders keys that are numbers
        "columns": [{"name": name, **column} for name, column in described.items()],
        "missingColors": {"light": _as_hex(MISSING), "dark": MISSING_ON_DARK},
        "scale": list_scale_colors(),
    }, arrays


def _list_searches(features):
    """Number the searches for neighbours: one for all maps that have the same features."""
    numbers = {}
    return {name: numbers.setdefault(id(table), len(numbers)) for name, table in features.items()}


def _describe_neighbors(maps, features, neighbors):
    """Describe the neighbours, in the buffers "neighbors", "neighbors-1" and so on of each search."""
    searches = _list_searches(features)
    firsts = {k: name for name, k in reversed(searches.items())}  # the first map of each search
    described = {
        "distances": [_name_distance(firsts[k], features, len(firsts)) for k in range(len(firsts))],
        "nNeighbors": 0,
        "neighborNote": "",
    }
    if len(next(iter(maps.values()))) > MAX_SEARCHED:
        note = f"Nearest neighbours are computed for at most {MAX_SEARCHED:,} images."
        return described | {"neighborNote": note}, {}
    arrays = {}
    for k in range(len(firsts)):
        xy, table = maps[firsts[k]], features[firsts[k]]
        if neighbors is None:
            found = find_others(xy if table is None else table, _N_NEIGHBORS)
        else:
            found = list_others(neighbors[1], _N_NEIGHBORS)
        arrays[f"neighbors-{k}" if k else "neighbors"] = found.astype(np.int32)
        described["nNeighbors"] = found.shape[1]
    return described, arrays


def _name_distance(name, features, n_searches):
    if n_searches > 1:
        return f"the features of {escape_text(name)}"
    return "distance on the map" if features[name] is None else "Euclidean distance of features"


def _describe_names(paths):
    folder, names = ("", None) if paths is None else _split_folder(paths)
    described = {"folder": folder, "hasNames": names is not None}
    return described, {} if names is None else {"names": "\0".join(names).encode()}


def _describe_places(regions, page):
    described = describe_regions(regions, page)
    boxes = described.pop("boxes")
    described["hasBoxes"] = boxes is not None
    if boxes is None:
        return described, {}
    rows = [[_NO_BOX] * 4 if box is None else box for box in boxes]
    arrays = {
        "boxes": np.array(rows, np.int32),
        "overviewOf": np.array(described.pop("overviewOf"), np.int32),
    }
    for k, overview in enumerate(described["overviews"]):
        if overview is not None:
            arrays[f"overview{k}"] = overview.pop("file")
    return described, arrays


def _describe_sheets(sheets):
    if sheets is None:
        return {"side": 0, "nColumns": 1, "nSheets": 0}, {}
    described = {
        "side": sheets.side,
        "nColumns": sheets.n_columns,
        "nSheets": sheets.n_sheets,
    }
    return described, {"place": sheets.place.astype(np.uint32)}


def _describe_tags(tags, names):
    described = {
        "tagColors": list(map(_as_hex, PALETTE)),
        "tagNames": [],
        "names": {str(key): escape_text(name) for key, name in (names or {}).items()},
    }
    if tags is None:
        return described, {}
    tag_names, codes = encode_labels(check_column(tags, "tags"))
    return described | {"tagNames": tag_names}, {"tags": codes.astype(np.int32)}


def _unused_name(name, taken, origin):
    """Return a name of a column that the user's columns do not have."""
    while name in taken:
        name = f"{name} ({origin})"
    return name


def _as_hex(color):
    from matplotlib.colors import to_hex

    return to_hex(color)


def _split_folder(paths):
    """The folder that all paths begin with, and the rest of each path."""
    # the buffer of names separates them by null characters
    names = [escape_text(os.fsdecode(path)).replace("\0", "\\0") for path in paths]
    start = os.path.commonprefix(names) if len(names) > 1 else names[0]  # noqa: RUF071  also of URLs
    n_start = max(start.rfind("/"), start.rfind("\\")) + 1
    return start[:n_start], [name[n_start:] for name in names]
