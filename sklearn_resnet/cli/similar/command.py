"""The command `embedding similar`: the images of a table that are most similar to a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sklearn_resnet._images.composite import is_grey_or_rgb, make_composite
from sklearn_resnet._images.failures import describe_failures
from sklearn_resnet._images.intensity import to_uint8
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.regions import BOX
from sklearn_resnet._io.atomic import check_writable
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._io.table_formats import Table
from sklearn_resnet._io.tables import read_rows, read_table
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.inputs import load_files
from sklearn_resnet.cli.ownership import check_picture, claim_picture
from sklearn_resnet.cli.pictures import drawing_files
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.record import image_shape
from sklearn_resnet.cli.region_inputs import has_boxes, list_files
from sklearn_resnet.cli.similar import PICTURES
from sklearn_resnet.cli.similar.contact_sheet import LINE_LENGTH, draw_sheet, save_sheet
from sklearn_resnet.cli.similar.neighbors import find_similar
from sklearn_resnet.cli.similar.queries import load_in_order, parse_query
from sklearn_resnet.cli.similar.record import (
    embed_queries,
    load_queries,
    read_images_again,
    read_options,
    read_resnet_record,
)
from sklearn_resnet.cli.streams import printable

_TILE_SIDE = 192  # pixels


@dataclass(frozen=True)
class SimilarOptions:
    """The arguments and options of `embedding similar`.

    Attributes
    ----------
    queries : tuple of str
        Paths of images, or regions of them; see `parse_query`.
    table : str
        The path of a table that `embedding` wrote.
    n_neighbors : int, default=10
    metric : {"cosine", "euclidean"}, default="cosine"
    output : str, default=None
        The path of the contact sheet; None puts it beside the table.
    weights : str, default=None
        The current path of the weights; None takes the path in the record.
    max_queries, max_tiles : int
        The limits of one contact sheet.
    """

    queries: tuple[str, ...]
    table: str
    n_neighbors: int = 10
    metric: str = "cosine"
    output: str | None = None
    weights: str | None = None
    max_queries: int = 50
    max_tiles: int = 200


@dataclass(frozen=True)
class Found:
    """The neighbors of each query.

    Attributes
    ----------
    queries : tuple of str
    query_images : sequence of ndarray
        The queries as they were embedded.
    table : Table
    images : ndarray, LazyImages or None
        The images of a table without paths, read again.
    record : dict
        The record of the table.
    metric : str
    distances, rows : ndarray of shape (n_queries, n_found)
        The result of `find_similar`.
    """

    queries: tuple[str, ...]
    query_images: Sequence[np.ndarray]
    table: Table
    images: np.ndarray | LazyImages | None
    record: dict
    metric: str
    distances: np.ndarray
    rows: np.ndarray


def find_and_draw(options, describe):
    """Find the images that are most similar to each query, and draw a contact sheet of them.

    Parameters
    ----------
    options : SimilarOptions
    describe : callable
        Describes an error of reading INPUT again in words of the command that made the table.

    Returns
    -------
    str
        The list to print.
    """
    path, progress = as_path(options.table), Progress()
    default = path.with_name(f"{path.stem}_similar.png")
    output = default if options.output is None else as_path(options.output)
    table = read_table(path, "table", rows=np.array([], int))
    queries = [parse_query(text) for text in options.queries]
    _check_output(output, [path, *(as_path(query.path) for query in queries)])
    record = read_resnet_record(path)
    check_picture(path, output)
    wholes = [query.path for query in queries if query.box is None]
    if wholes and has_boxes(table.columns or {}):
        progress.warn(
            f"TABLE has features of regions, and QUERY {wholes[0]!r} is a whole image. Name a region as "
            f"in {wholes[0]}[0:100,0:200], with top:bottom,left:right, unless the file holds one."
        )
    found = _find(options, path, table, record, progress, describe)
    blocks = _make_blocks(found, options, progress)
    claim_picture(path, output)
    with drawing_files():
        save_sheet(draw_sheet(blocks), output)
    return "\n".join([*_describe(found, path), "", f"wrote      {output}"])


def _check_output(output, inputs):
    if output.suffix.lower() not in PICTURES:
        suffixes = f"{', '.join(PICTURES[:-1])} or {PICTURES[-1]}"
        raise ParameterError("output", f"must end in {suffixes}", repr(str(output)))
    if str(output) in map(str, inputs):
        raise ParameterError(
            "output", "must be another file than QUERY and TABLE", repr(str(output))
        )
    check_writable(output)


def _find(options, path, table, record, progress, describe):
    query_images = load_queries(options.queries, record)
    features = embed_queries(query_images, record, path, options.weights)
    if features.shape[1] != table.features.shape[1]:
        raise ValueError(
            f"The table {str(path)!r} must hold the {features.shape[1]} features that its record "
            f"describes. Got {table.features.shape[1]} instead. Make it again."
        )
    distances, rows = find_similar(table.features, features, options.n_neighbors, options.metric)
    table = read_rows(path, table, np.unique(rows))
    data = None
    if table.paths is None:
        data = read_images_again(record, len(table.features), progress, describe)
    if data is not None and table.labels is None:
        table = table._replace(labels=data.labels)
    images = None if data is None else data.images
    return Found(
        options.queries, query_images, table, images, record, options.metric, distances, rows
    )


def _describe(found, path):
    """List the table, how it was made, and the neighbors of each query, line by line."""
    record, layers = found.record, ", ".join(map(printable, found.record["layer_names"]))
    how = f"{record['architecture']}, {layers}; weights {printable(record['weights'])}"
    if record["precision"] == "int8":
        how += "; int8; float32 for QUERY"
    yield f"table      {len(found.table.features):,} rows of {printable(path)}"
    yield f"features   {how}"
    yield f"metric     {found.metric} distance"
    for query, distances, rows in zip(found.queries, found.distances, found.rows, strict=True):
        yield ""
        yield f"query      {printable(query)}"
        yield from _list_neighbors(found.table, distances, rows)


def _list_neighbors(table, distances, rows):
    columns = [
        ["rank", *map(str, range(1, len(rows) + 1))],
        ["distance", *(f"{distance:.4f}" for distance in distances)],
    ]
    if table.labels is not None:
        columns.append(["label", *(_label_of(table, row) for row in rows)])
    if table.paths is None:
        columns.append(["row", *map(str, rows)])
    else:
        columns.append(["path", *(_name_of(table, row) for row in rows)])
    if has_boxes(table.columns or {}):
        boxes = np.stack([table.columns[name][rows] for name in BOX], axis=1)
        columns.append([",".join(BOX), *(",".join(map(str, box)) for box in boxes)])
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        numbers = (cell.rjust(width) for cell, width in zip(cells[:2], widths, strict=False))
        texts = (cell.ljust(width) for cell, width in zip(cells[2:], widths[2:], strict=True))
        yield "  ".join([*numbers, *texts]).rstrip()


def _make_blocks(found, options, progress):
    """Choose the images that fit into a contact sheet; see `draw_sheet`."""
    queries = found.queries[: options.max_queries]
    n_drawn = min(options.max_tiles // len(queries), found.rows.shape[1])
    if (len(queries), n_drawn) < found.rows.shape:
        shown = f"{len(queries)} of {len(found.rows)} queries, and {n_drawn} images for each"
        progress.warn(f"The picture has {shown}.")
    distances, rows = (a[: len(queries), :n_drawn] for a in (found.distances, found.rows))
    has_paths = found.table.paths is not None
    query_tiles = found.query_images
    if has_paths:
        load = partial(_load_files, record=found.record, progress=progress)
        query_tiles = load_in_order(queries, load)
    tiles = _show([*query_tiles, *_load_tiles(found, rows.ravel(), progress)], found.record)
    query_tiles, tiles = tiles[: len(query_tiles)], iter(tiles[len(query_tiles) :])
    blocks = []
    for query, query_tile, *neighbors in zip(queries, query_tiles, distances, rows, strict=False):
        caption = f"query\n{_shorten(printable(query))}\nby {found.metric} distance"
        captions = [
            _caption(found.table, rank, distance, row)
            for rank, (distance, row) in enumerate(zip(*neighbors, strict=True), 1)
        ]
        blocks.append((query_tile, caption, [(next(tiles), caption) for caption in captions]))
    return blocks


def _caption(table, rank, distance, row):
    lines = [f"{rank}.  {distance:.4f}", _label_of(table, row), _shorten(_name_of(table, row))]
    if has_boxes(table.columns or {}):
        top, left, bottom, right = (table.columns[name][row] for name in BOX)
        lines.append(f"[{top}:{bottom},{left}:{right}]")
    return "\n".join(line[:LINE_LENGTH] for line in lines if line)


def _load_tiles(found, rows, progress):
    if found.table.paths is not None:
        return _load_files(_list_files(found.table, rows), found.record, progress)
    if found.images is None:
        return [None] * len(rows)
    images = np.asarray(found.images[rows])
    if not is_grey_or_rgb(images.shape[1:]):
        return list(images)
    return list(to_uint8(images, found.record["value_range"]))


def _show(tiles, record):
    """Show images of other channels, or of more than 8 bits, as composites; None stays None."""
    known = [tile for tile in tiles if tile is not None]
    if all(tile.dtype == np.uint8 and is_grey_or_rgb(tile.shape) for tile in known):
        return tiles
    composites = iter(make_composite(known, record.get("channel_names")))
    return [None if tile is None else next(composites) for tile in tiles]


def _list_files(table, rows):
    """List the paths or the regions of rows of a table."""
    import pandas as pd

    columns = {name: values[rows] for name, values in (table.columns or {}).items()}
    paths = pd.Series(table.paths[rows], dtype=object)
    return list_files(pd.DataFrame({"path": paths} | columns))


def _load_files(files, record, progress):
    """Load images as for the network, but larger; None for those that cannot be read."""
    shape = image_shape(record)[:2]
    scale = _TILE_SIDE / max(shape)
    size = [max(1, round(side * scale)) for side in shape]
    images, _ = load_files(files, read_options(record), size, lazy=True, on_error="nan")
    tiles = [image for batch in images.batches(len(files)) for image in batch]
    if images.failures:
        failures = sorted(images.failures.values())
        line = describe_failures(failures, len(files), "only their names are shown")
        progress.warn(line)
    return [None if i in images.failures else tile for i, tile in enumerate(tiles)]


def _name_of(table, row):
    return f"row {row}" if table.paths is None else printable(table.paths[row])


def _label_of(table, row):
    return "" if table.labels is None else printable(table.labels[row])


def _shorten(name):
    """Cut a path to its end, so that it fits into a caption."""
    return name if len(name) <= LINE_LENGTH else f"...{name[3 - LINE_LENGTH :]}"
