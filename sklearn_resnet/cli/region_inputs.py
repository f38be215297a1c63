"""Tables of images and of regions as INPUT, and regions that are made of the images of INPUT."""

import csv
import os
from dataclasses import asdict, dataclass, fields
from itertools import count

import numpy as np

from sklearn_resnet import datasets
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.failures import Failure, describe_failures
from sklearn_resnet._images.items import is_missing
from sklearn_resnet._images.regions import BOX, find_box_columns
from sklearn_resnet._io.columns import parse_texts, to_array
from sklearn_resnet._io.csv_text import restore_text
from sklearn_resnet._io.listing import join
from sklearn_resnet._io.paths import as_path, is_url, open_file, split_dataset, split_member
from sklearn_resnet._io.table_formats import list_parquet
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.imports import check_optional
from sklearn_resnet._runtime.progress import count_images
from sklearn_resnet._runtime.warnings import warn_caller
from sklearn_resnet.cli.delimited import decode_text, parse_cells
from sklearn_resnet.cli.errors import renamed_parameters

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_READ = ("path", *BOX, "page", "mask")  # columns that ImageLoader reads
_OF_OUTPUT = (
    "features",
    "file_version",
)  # columns of a table of features that say nothing of images
_INDEX = "__index_level_"  # of pandas, begins the name of a column in a .parquet
_SEPARATORS = "_-. "  # between the name of an image and an ending, as in A1_cp_masks.png
_MAX_NAMED = 3  # images in a message


@dataclass(frozen=True)
class RegionOptions:
    """Which regions are made of the images of INPUT, and how regions are read.

    Attributes
    ----------
    tiles, step : int, default=None
        Side of tiles, and the distance between them.
    min_content : float, default=None
        The smallest share of foreground in a tile.
    segments : str, default=None
        A folder of label images, matched with the images by name, or the label image of one image.
    mask_others : bool, default=False
        Whether pixels outside of a segment are black.
    margin, pad : default=None
        As for `ImageLoader`; None takes its default.
    """

    tiles: int | None = None
    step: int | None = None
    min_content: float | None = None
    segments: str | None = None
    mask_others: bool = False
    margin: int | float | None = None
    pad: str | None = None

    @property
    def makes_regions(self):
        """Whether tiles or segments are made of the images of INPUT."""
        return self.tiles is not None or self.segments is not None

    @property
    def given(self):
        """The options that are not the defaults, by name."""
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    @property
    def reading(self):
        """The parameters of `ImageLoader` by which regions are read."""
        return {name: value for name, value in self.given.items() if name in ("margin", "pad")}


def is_table(source):
    """Return whether INPUT is a table; a .parquet may be a folder of parts."""
    path = as_path(split_dataset(source)[0])
    suffix = path.suffix.lower()
    return suffix in TABLE_SUFFIXES and (suffix == ".parquet" or not path.is_dir())


def has_boxes(table):
    """Return whether the rows of a table are regions, not whole images."""
    return BOX[0] in table


def list_files(table):
    """Return what `ImageLoader` reads: the regions of a table, or its paths."""
    names = [name for name in _READ if name in table]
    return table["path"].tolist() if names == ["path"] else table[names]


def list_columns(table):
    """Return the columns of a table that OUTPUT carries beside path and label."""
    names = [name for name in table if name not in ("path", "label", "mask")]
    return {name: to_array(table[name]) for name in names}


def read_image_table(source, on_error="raise"):
    """Read a table of images or regions.

    Parameters
    ----------
    source : str
        A .csv, .tsv or .parquet with a column ``path``, and for regions ``top``, ``left``, ``bottom``
        and ``right``. All relative paths are of the folder of the table, or all are of the working
        folder.
    on_error : {"raise", "nan", "skip"}, default="raise"
        Whether a file that does not exist is an error here.

    Returns
    -------
    DataFrame
        Its paths can be opened.

    Raises
    ------
    ValueError
        If the table cannot be read, or lacks a column.
    FileNotFoundError
        If a file does not exist.
    """
    try:
        table = _parse_places(_read_frame(as_path(source)))
        _check_columns(table)
    except (ValueError, OSError, csv.Error) as exc:
        problem = str(exc).strip().rstrip(".")
        raise ValueError(f"The table {source!r} cannot be used: {problem}.") from exc
    paths = table["path"].astype(str).tolist()
    return table.assign(path=_resolve_paths(paths, source, on_error))


def _read_frame(path):
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        check_optional("pyarrow", extra="parquet", purpose=f"Reading {str(path)!r}")
        return pd.concat(map(_read_parquet, list_parquet(path)), ignore_index=True)
    with open_file(path) as file:
        cells = parse_cells(decode_text(file.read())).fillna("")
    names = [restore_text(str(name).strip()) for name in cells.iloc[0]]
    _check_names(names)
    columns = {}
    for name, values in zip(names, cells.iloc[1:].to_numpy().T, strict=True):
        if name and name not in _OF_OUTPUT:  # pandas' index has no name
            texts = [*map(restore_text, values)]
            columns[name] = texts if name == "path" else parse_texts(texts)
    return pd.DataFrame(columns)


def _read_parquet(path):
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        schema = pq.read_schema(file)
        _check_names(schema.names)
        fields = [field for field in schema if not pa.types.is_nested(field.type)]
        names = [field.name for field in fields if not field.name.startswith(_INDEX)]
        names = [name for name in names if name and name not in _OF_OUTPUT]
        file.seek(0)
        frame = pq.read_table(file, columns=names).to_pandas(ignore_metadata=True)
    return pd.DataFrame({name: to_array(frame[name]) for name in names})


def _check_names(names):
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated:
        raise ValueError(f"it has several columns {repeated[0]!r}")
    if "mask" in names:
        raise ValueError(
            "it has a column 'mask', which only tables in memory can have; rename or remove it, and "
            "pass label images with --segments and --mask-others"
        )


def _parse_places(table):
    """Parse numbers of boxes and pages that are text, as in a .parquet, or have spaces around them."""
    for name in (*BOX, "page"):
        if name in table and table[name].dtype.kind not in "iufb":
            texts = [text.strip() for text in table[name]]
            table[name] = parse_texts(texts) if any(texts) else np.nan
    return table


def _check_columns(table):
    names = ", ".join(table)
    if "path" not in table:
        raise ValueError(
            f"it has no column 'path', but {names}; call the column of the paths of the images 'path'"
        )
    missing = [name for name in BOX if name not in table]
    if missing and len(missing) < len(BOX):
        raise ValueError(
            f"it must have all of the columns {', '.join(BOX)} of a box, or none; it has no "
            f"{' and no '.join(missing)}"
        )
    others, remedy = find_box_columns(list(table)) if missing else ([], "")
    if others:
        raise ValueError(
            f"the columns of a box are {', '.join(BOX)}, and it has {', '.join(map(str, others))}. {remedy} "
            "For whole images, drop these columns"
        )
    if table.empty:
        raise ValueError("it has no rows")
    for name in (*BOX, "page"):
        is_given = name in table and table[name].dtype.kind not in "iu"
        cells = table[name].tolist() if is_given else []
        row = next((i for i, cell in enumerate(cells) if not _is_whole(cell)), None)
        if row is not None:
            raise ValueError(
                f"row {row} has {cells[row]!r} in the column {name!r}, which is no whole number"
            )
    is_empty = table["path"] == ""
    if is_empty.any():
        raise ValueError(f"row {is_empty.to_numpy().argmax()} has no path")


def _is_whole(cell):
    """Whether a cell is a whole number, or missing."""
    if isinstance(cell, str):  # a column is text if one of its cells is
        values = parse_texts([cell])
        return not cell or (values.dtype.kind in "if" and _is_whole(values.item()))
    return is_missing(cell) or (not isinstance(cell, bool) and cell % 1 == 0)


def _resolve_paths(paths, source, on_error):
    """Join relative paths to the folder where the files are."""
    unique = dict.fromkeys(paths)
    relative = [path for path in unique if not (is_url(path) or os.path.isabs(path))]
    folder = str(as_path(source).parent)
    joined = {path: join(folder, path) for path in relative}
    if is_url(source):  # the working folder is on another machine
        return [joined.get(path, path) for path in paths]
    missing_here = [path for path in joined.values() if not _exists(path)]
    missing_there = [path for path in relative if not _exists(path)]
    if len(missing_there) < len(missing_here):
        joined = {}
    missing = [path for path in unique if path not in relative and not _exists(path)]
    missing += missing_there if relative and not joined else missing_here
    if missing and on_error == "raise":
        message = f"{len(missing)} of the {len(unique)} files in {source!r} cannot be found: {_show(missing)}."
        if relative:
            message += (
                " All relative paths are of the folder of the table, or all are of the working folder: "
                f"{folder!r} lacks {len(missing_here)}, {os.getcwd()!r} lacks {len(missing_there)}."
            )
        raise FileNotFoundError(f"{message} --on-error skip continues without them.")
    return [joined.get(path, path) for path in paths]


def _exists(path):
    """Whether a path can be that of an image: members of archives are looked for when they are read."""
    if is_url(path):
        return True
    archive, _ = split_member(split_dataset(path)[0])
    return os.path.exists(archive)


def make_regions(images, options, on_error="raise", quiet=True, page=None, failures=None):
    """Make tiles or segments of images.

    Parameters
    ----------
    images : DataFrame
        A row for each whole image; its regions get the columns of its row.
    options : RegionOptions
    on_error : {"raise", "nan", "skip"}, default="raise"
        Whether an image that cannot be read or is smaller than a tile is an error, or is left out with
        a warning.
    quiet : bool, default=True
        Whether to show no progress bar.
    page : int or str, default=None
        The page of images whose row has none.
    failures : list, default=None
        The images that are left out are appended, each as a `Failure`.

    Returns
    -------
    DataFrame
        A row for each region.

    Raises
    ------
    ValueError
        If `images` are regions already, none is found, or label images do not match the images.
    """
    import pandas as pd

    name = "tiles" if options.tiles is not None else "segments"
    if has_boxes(images):
        raise ParameterError(name, "requires whole images as INPUT", "a table of regions")
    paths, found = images["path"].tolist(), []
    failures = [] if failures is None else failures
    segments = [None] * len(paths)
    if options.segments is not None:
        segments = _match_segments(paths, options.segments)
    others = images.drop(columns="path").to_dict("records")
    rows = list(zip(paths, segments, others, strict=True))
    for position, (path, labels, columns) in enumerate(count_images(not quiet, iterable=rows)):
        try:
            own = columns.get("page")
            own = page if is_missing(own) else int(own)
            own = None if own == "channels" else own  # the first one has colours
            regions = _make_regions_of(path, labels, options, own)
        except (ImageReadError, ParameterError) as exc:
            cause = _describe_cause(exc, options)
            if on_error == "raise" or cause is None:
                raise
            failures.append(Failure(position, path, cause))
            continue
        further = {name: value for name, value in columns.items() if name not in regions}
        for name, value in further.items():  # text may be no UTF-8, which pandas' strings must be
            dtype = object if isinstance(value, str) else None
            regions[name] = pd.Series(value, regions.index, dtype)
        found.append(regions)
    if failures:
        line = describe_failures(failures, len(paths), "they are left out")
        warn_caller(line.replace("read", "cut into regions", 1))
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    if table.empty:
        where = "tile with enough content" if name == "tiles" else "segment"
        raise ParameterError(name, "must give regions", f"no {where} in {len(paths)} images")
    return table


def _describe_cause(exc, options):
    """Return why an image cannot be cut into regions; None if an option is wrong for all images."""
    if isinstance(exc, ImageReadError):
        return exc.cause
    if exc.parameter != "tiles":
        return None
    exc.add_note("Pass smaller --tiles, or --on-error skip, which leaves such images out.")
    return f"it is smaller than a tile of {options.tiles} x {options.tiles} pixels"


def _make_regions_of(path, labels, options, page):
    """Make the regions of one image."""
    if labels is None:
        with renamed_parameters(size="tiles"):
            return datasets.make_tiles(
                [path],
                options.tiles,
                options.step,
                min_content=options.min_content or 0.0,
                page=page,
            )
    with renamed_parameters(labels="segments"):
        return datasets.find_regions([labels], [path], mask_others=options.mask_others)


def _match_segments(paths, segments):
    """Find the label image of each image: its name begins with that of the image."""
    if not as_path(segments).exists():
        raise FileNotFoundError(f"The label images {segments!r} do not exist.")
    unique = list(dict.fromkeys(paths))  # a table may have several pages of a file
    if as_path(segments).is_dir():
        found, _ = datasets.load_image_folder(segments, return_X_y=True)
        found = found.tolist()
    else:
        found = [segments]
    of_input = {_resolve(path) for path in unique}
    own = [path for path in found if _resolve(path) not in of_input]
    if not own:
        raise ParameterError(
            "segments",
            "must hold label images, apart from the images of INPUT",
            f"{segments!r}, whose files are all images of INPUT",
            hint="Put the label images into a folder outside of INPUT.",
        )
    if not as_path(segments).is_dir():
        if len(unique) > 1:
            raise ParameterError(
                "segments", "must be a folder with a label image for each image", repr(segments)
            )
        return own * len(paths)
    names, names_found = _name_apart(unique, own)
    by_name = _match_names(
        dict(zip(names, unique, strict=True)), dict(zip(names_found, own, strict=True))
    )
    names = dict(zip(unique, names, strict=True))
    return [by_name[names[path]] for path in paths]


def _resolve(path):
    return path if is_url(path) else os.path.realpath(path)


def _match_names(images, found):
    """Match label images with images by their names, as `_name_apart` makes them.

    Parameters
    ----------
    images, found : dict of tuple of str to str
        The path of each name.

    Returns
    -------
    dict of tuple of str to str
        The path of the label image of each name of an image.
    """
    owners = {name: _find_owner(name, images) for name in found}
    matched = {}
    for name, owner in owners.items():
        matched.setdefault(owner, []).append(name)
    extra = [found[name] for name in matched.pop(None, [])]
    missing = [path for name, path in images.items() if name not in matched]
    problems = [f"{_show(missing)} without one"] * bool(missing)
    problems += [f"{_show(sorted(extra))} without an image"] * bool(extra)
    remedies = ["As INPUT, pass the folder or a table of the images that have one."] * bool(missing)
    remedies += ["Pass a folder that holds the label images of INPUT alone."] * bool(extra)
    several = next((owner for owner, names in matched.items() if len(names) > 1), None)
    endings = {names[0][-1][len(owner[-1]) :]: names[0] for owner, names in matched.items()}
    if several is not None and not problems:
        problems = [f"{_show([found[name] for name in matched[several]])} for {images[several]!r}"]
        remedies = ["Pass a folder that holds one label image for each image."]
    elif len(endings) > 1 and not problems:  # one may be of another image, whose own is missing
        problems = [f"{_show([found[name] for name in endings.values()])}"]
        remedies = ["Let the names of all label images end alike."]
    if problems:
        raise ParameterError(
            "segments",
            "must hold a label image for each image, with the same name but for the suffix or for an "
            "ending such as _masks",
            " and ".join(problems),
            hint=" ".join(remedies),
        )
    return {owner: found[name] for owner, (name,) in matched.items()}


def _find_owner(name, images):
    """Find the image with the longest name that the name of a label image begins with."""
    *folders, last = name
    ends = [i for i, character in enumerate(last) if character in _SEPARATORS]
    for end in (len(last), *reversed(ends)):
        owner = (*folders, last[:end])
        if owner in images:
            return owner
    return None


def _name_apart(*lists):
    """Name paths by their last parts without suffix, by as few as tell those of each list apart."""
    parts = [[_split(path) for path in paths] for paths in lists]
    longest = max(len(each) for paths in parts for each in paths)
    for n_parts in count(1):
        names = [[each[-n_parts:] for each in paths] for paths in parts]
        if n_parts >= longest or all(len(set(each)) == len(each) for each in names):
            return names


def _split(path):
    return tuple(os.path.splitext(path)[0].replace(os.sep, "/").split("/"))


def _show(paths):
    n_more = len(paths) - _MAX_NAMED
    return ", ".join(map(repr, paths[:_MAX_NAMED])) + f" and {n_more} more" * (n_more > 0)
