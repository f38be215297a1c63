"""INPUT: the name of a dataset, arrays, folders, archives, an image file; and its labels."""

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sklearn_resnet import datasets
from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.decoding import read_npy_header
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._io.columns import to_array
from sklearn_resnet._io.paths import (
    as_path,
    is_archive,
    is_local,
    is_url,
    is_zarr,
    open_file,
    split_dataset,
)
from sklearn_resnet._io.table_formats import DAMAGE_ERRORS
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.cli.errors import renamed_parameters
from sklearn_resnet.cli.labels import read_labels
from sklearn_resnet.cli.options import NAMED, pick
from sklearn_resnet.cli.region_inputs import (
    RegionOptions,
    has_boxes,
    is_table,
    list_columns,
    list_files,
    make_regions,
    read_image_table,
)

if TYPE_CHECKING:
    import pandas as pd

# Names of images and labels in .npz files.
_NPZ_KEYS = (("x", "y"), ("X", "y"), ("images", "labels"), ("x_train", "y_train"))

_OTHER_ARCHIVES = (
    ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".tzst", ".lz4", ".lzma", ".z",
)  # fmt: skip
_ANNOTATIONS = (".json", ".xml")
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_NPY_STARTS = [np.lib.format.magic(major, 0) for major in (1, 2, 3)]
_NO_REGIONS = RegionOptions()
_PICKLED = "it holds pickled objects, which could run any program, and is not loaded"


@dataclass(frozen=True)
class InputOptions:
    """INPUT, and the options of reading it.

    Attributes
    ----------
    source : str
        The name of a dataset; a .npy or .npz file; a folder; an archive; a table; an image file.
    labels : str, default=None
        A file of labels; see `read_labels`.
    image_size : int, default=None
        Side of the square to which image files are cropped and resized. Arrays keep their size.
    patches : int, default=None
        Number of patches to cut from an image file.
    patch_size : int, default=64
        Their height and width.
    on_error : {"raise", "nan", "skip"}, default="raise"
        How to handle files that cannot be read; see `ImageLoader`.
    seed : int, default=None
        Seed of the places of patches.
    value_range : tuple of 2 float, default=None
        The black and the white level of image files; arrays are not scaled.
    mode : {"RGB", "L", "channels"}, default="RGB"
        The mode in which image files are read; None until `read_mode` chooses it.
    channels, rescale, rescale_by, page, level, resize
        How image files are read, as in `ImageLoader`; `resize` is None for its default.
    rescale_range : tuple of tuple of 2 float, default=None
        The percentiles of each channel that an earlier command learned; None learns them.
    regions : RegionOptions
        The regions that are made of images, and how regions are read.
    """

    source: str
    labels: str | None = None
    image_size: int | None = None
    patches: int | None = None
    patch_size: int = 64
    on_error: str = "raise"
    seed: int | None = None
    value_range: tuple | None = None
    mode: str | None = "RGB"
    channels: list | None = None
    rescale: str | tuple | None = None
    rescale_by: str = "collection"
    page: int | str | None = None
    level: int | None = None
    rescale_range: tuple | None = None
    regions: RegionOptions = _NO_REGIONS
    resize: str | None = None

    @property
    def is_many(self):
        """Whether INPUT is many images of files, some of which may be unreadable."""
        is_cut = self.regions.makes_regions and reads_files(self.source)
        return is_cut or is_table(self.source) or is_collection(self.source)

    @property
    def reading(self):
        """How image files are read, but for their value range; None for arrays."""
        names = (
            "mode",
            "channels",
            "rescale",
            "rescale_by",
            "rescale_range",
            "page",
            "level",
            "resize",
        )
        return {name: getattr(self, name) for name in names} if reads_files(self.source) else None

    @property
    def file_range(self):
        """The black and the white level of image files; None for arrays, or if it is inferred."""
        return self.value_range if reads_files(self.source) else None


def pick_input(params):
    """Make the options of INPUT of the parameters of a command."""
    return pick(InputOptions, params | {"regions": pick(RegionOptions, params)})


@dataclass(frozen=True)
class Input:
    """Images with their labels and paths, each None if absent.

    ``rescale_range`` holds the percentiles of each channel that were learned, or None. ``table`` has a
    row for each image, with its path, and maybe its box and further columns; None for other INPUT.
    ``uncut`` holds a `Failure` for each image of INPUT that could not be cut into regions.
    """

    images: np.ndarray | LazyImages
    labels: np.ndarray | None = None
    paths: np.ndarray | None = None
    rescale_range: tuple | None = None
    table: "pd.DataFrame | None" = None
    uncut: tuple = ()

    @property
    def columns(self):
        """The columns that OUTPUT carries, beside path and label."""
        return {} if self.table is None else list_columns(self.table)

    @property
    def noun(self):
        """The word for its images in texts."""
        return "images" if self.table is None or not has_boxes(self.table) else "regions"

    def files(self, rows=slice(None)):
        """Return what `load_files` reads again: the paths or regions of some images."""
        return (
            self.paths[rows].tolist() if self.table is None else list_files(self.table.iloc[rows])
        )

    def select(self, is_kept):
        """Select images by a mask."""
        if is_kept.all():  # a copy of an array takes memory
            return self
        columns = (self.images, self.labels, self.paths)
        selected = (None if column is None else column[is_kept] for column in columns)
        table = None if self.table is None else self.table[is_kept]
        return Input(*selected, self.rescale_range, table, self.uncut)


def load_input(options, quiet=True):
    """Read INPUT, and its labels from a file if one is named.

    Parameters
    ----------
    options : InputOptions
    quiet : bool, default=True
        Whether to show no progress bar while regions are made of images.

    Returns
    -------
    Input
        The images, with a label for each if there are labels.

    Raises
    ------
    OSError, ValueError
        As from `read_input` and `read_labels`, or if INPUT holds a different number of labels.
    """
    data = _read(options, quiet)
    n_images = len(data.images)
    if options.labels is not None:
        return replace(data, labels=read_for_each(options.labels, data))
    if data.labels is not None and data.labels.shape != (n_images,):
        raise ParameterError(
            "source",
            f"must have one label for each of its {n_images} images",
            f"labels of shape {data.labels.shape} in {options.source!r}",
        )
    return data


def read_for_each(path, data, kind="label"):
    """Read the labels or groups of images from a file; regions have those of their image.

    Parameters
    ----------
    path, kind
        As for `read_labels`.
    data : Input

    Returns
    -------
    ndarray of shape (n_images,)
    """
    if data.table is None:
        return read_labels(path, data.paths, len(data.images), kind)
    import pandas as pd

    rows, paths = pd.factorize(data.paths)
    return read_labels(path, paths, len(paths), kind)[rows]


def check_input(source, patches=None, regions=_NO_REGIONS):
    """Check, without reading it, that INPUT exists.

    Parameters
    ----------
    source, patches, regions
        As for `InputOptions`.

    Raises
    ------
    FileNotFoundError, ParameterError
        If it does not exist, or patches or regions cannot be cut from it.
    """
    path = as_path(source)
    if patches is not None and not _is_image_file(path):
        raise ParameterError("patches", "requires one image file as INPUT", repr(source))
    if source not in NAMED and not as_path(split_dataset(source)[0]).exists():
        near = difflib.get_close_matches(source.lower(), NAMED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FileNotFoundError(
            f"INPUT must be {', '.join(NAMED)}, a .npy or .npz file, a folder or an archive (.zip, "
            ".tar) of images, a table (.csv, .tsv, .parquet) of images, or an image file. Got "
            f"{source!r}, which does not exist.{hint}"
        )
    if path.suffix.lower() in _ANNOTATIONS and _is_image_file(path):
        raise ParameterError(
            "source",
            "must hold images, or be a table (.csv, .tsv, .parquet)",
            repr(source),
            hint="Boxes of COCO, MegaDetector or Pascal VOC become a table in Python: sklearn_resnet."
            f"datasets.read_boxes({source!r}, images='FOLDER').to_csv('boxes.csv', index=False).",
        )
    if path.suffix.lower() in _OTHER_ARCHIVES and _is_image_file(path):
        raise ParameterError(
            "source", "must be a .zip or a .tar to be read without unpacking it", repr(source)
        )
    for name in regions.given:
        if name not in regions.reading and not reads_files(source):
            raise ParameterError(name, "requires image files as INPUT", repr(source))
        if not (regions.makes_regions or is_table(source)):
            raise _without_regions(name, source)


def _without_regions(name, source):
    return ParameterError(
        name,
        "requires regions",
        f"whole images in {source!r}",
        hint="Pass --tiles or --segments, or a table with the columns top, left, bottom and right.",
    )


def check_on_error(options):
    """Raise ParameterError if unreadable images are to be passed over, and INPUT is not many images."""
    if options.on_error != "raise" and not options.is_many:
        raise ParameterError(
            "on_error",
            "requires a folder or an archive of images as INPUT, or a table",
            repr(options.source),
        )


def check_apart(source, output):
    """Raise an error if OUTPUT would replace INPUT or later be read as one of its images."""
    if is_url(source) or is_url(output):
        return
    resolved, target = Path(source).resolve(), output.resolve()
    if resolved == target:
        raise ParameterError("output", "must be another file than INPUT", repr(str(output)))
    if resolved.is_dir() and resolved in target.parents:
        raise ParameterError(
            "output",
            "must be outside INPUT, where later commands would read it as an image",
            f"{str(output)!r} in {source!r}",
        )


def _is_image_file(path):
    file, dataset = split_dataset(path)
    if dataset is not None or is_zarr(file):
        return True
    is_other = path.suffix.lower() in (".npy", ".npz") or is_archive(path) or is_table(path)
    return path.is_file() and not is_other


def reads_files(source):
    """Return whether INPUT is one image file, or a collection or a table of them."""
    return is_collection(source) or is_table(source) or _is_image_file(as_path(source))


def is_collection(source):
    """Return whether INPUT holds image files: a folder or an archive, on disk or behind a URL."""
    if source in NAMED or is_zarr(split_dataset(source)[0]) or is_table(source):
        return False
    return as_path(source).is_dir() or is_archive(source)


def read_input(source, **options):
    """Read INPUT.

    Parameters
    ----------
    source, **options
        As for `InputOptions`.

    Returns
    -------
    Input

    Raises
    ------
    OSError, ValueError
        If it does not exist, or holds no images.
    """
    return _read(InputOptions(source, **options))


def _read(options, quiet=True):
    source, size = options.source, options.image_size
    check_input(source, options.patches, options.regions)
    path = as_path(source)
    if options.patches is not None:
        return _cut_patches(path, options)
    if source in NAMED:
        return Input(*getattr(datasets, NAMED[source])(return_X_y=True))
    if is_table(source) or options.regions.makes_regions:
        return _read_table(options, quiet)
    if is_collection(source):
        paths, labels = datasets.load_image_folder(source, return_X_y=True)
        images, learned = load_files(
            paths.tolist(), options, size, lazy=True, on_error=options.on_error
        )
        return Input(images, labels, paths, learned)
    if _is_image_file(path):
        paths = np.array([str(path)])
        # lazy images have the names of their channels
        images, learned = load_files([str(path)], options, size, lazy=options.mode == "channels")
        return Input(images, paths=paths, rescale_range=learned)
    return _read_arrays(path)


def _read_table(options, quiet):
    """Read the images of a table, or make regions of the images of INPUT."""
    import pandas as pd

    source, regions = options.source, options.regions
    if is_table(source):
        table = read_image_table(source, options.on_error)
    elif is_collection(source):
        paths, labels = datasets.load_image_folder(source, return_X_y=True)
        # names may be no UTF-8, which the strings of pandas must be
        columns = {"path": paths} | ({} if labels is None else {"label": labels})
        table = pd.DataFrame(columns, dtype=object)
    else:
        table = pd.DataFrame({"path": [source]}, dtype=object)
    uncut = []
    if regions.makes_regions:
        table = make_regions(table, regions, options.on_error, quiet, options.page, uncut)
    for name in regions.reading:
        if not has_boxes(table):
            raise _without_regions(name, source)
    has_labels = "label" in table and (table["label"].notna() & (table["label"] != "")).any()
    labels = to_array(table["label"]) if has_labels else None
    images, learned = load_files(
        list_files(table), options, options.image_size, lazy=True, on_error=options.on_error
    )
    return Input(images, labels, to_array(table["path"]), learned, table, tuple(uncut))


def _cut_patches(path, options):
    """Cut patches from an image file."""
    image, size, learned = path, options.image_size, None
    if reading_parameters(options) != {"mode": "RGB"}:
        (image,), learned = load_files([str(path)], options)
    with renamed_parameters(n="patches", size="patch_size"):
        cut = datasets.sample_patches(
            image, options.patches, options.patch_size, random_state=options.seed
        )
    if size is not None:
        cut = ImageLoader(size, mode=options.mode).fit_transform(cut)
    return Input(cut, rescale_range=learned)


def load_files(files, options, size=None, **params):
    """Load image files, or regions of them.

    Parameters
    ----------
    files : list of str or DataFrame
        Paths, or a table of regions.
    options : InputOptions
    size : int or tuple of 2 int, default=None
    **params
        Further parameters of `ImageLoader`.

    Returns
    -------
    images : ndarray or LazyImages
    rescale_range : tuple of tuple of 2 float, or None
        The percentiles of each channel: those of `options`, or learned from the files.
    """
    if not isinstance(files, list):
        params |= options.regions.reading
    loader = ImageLoader(size, **reading_parameters(options), **params)
    if options.rescale_range is None:
        loader.fit(files)
    else:  # learned before
        loader.rescale_range_ = np.array(options.rescale_range)
    learned = getattr(loader, "rescale_range_", None)
    return loader.transform(files), None if learned is None else tuple(map(tuple, learned.tolist()))


def reading_parameters(options):
    """Return the parameters of `ImageLoader` that are given, by which it reads the files of INPUT."""
    names = ("mode", "value_range", "channels", "rescale", "page", "level", "resize")
    given = {name: getattr(options, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    return given | ({} if options.rescale is None else {"rescale_by": options.rescale_by})


def _read_arrays(path):
    try:
        with open_file(path) as opened:  # numpy leaves a damaged .npz open
            is_mapped = is_local(path) and path.suffix == ".npy"  # may exceed memory
            _refuse_pickles(opened)
            file = np.load(path if is_mapped else opened, "r" if is_mapped else None)
            if isinstance(file, np.ndarray):
                return Input(file)
            if len(file.files) == 1:
                return Input(_read_member(file, file.files[0]))
            for x, y in _NPZ_KEYS:
                if x in file.files:
                    labels = np.ravel(_read_member(file, y)) if y in file.files else None
                    return Input(_read_member(file, x), labels)
            names = file.files
    except DAMAGE_ERRORS as exc:
        # the further lines of NumPy's messages advise to trust the file
        cause = str(getattr(exc, "strerror", None) or exc).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"The file {str(path)!r} cannot be read: {cause}. Save plain arrays with numpy.save or "
            "numpy.savez."
        ) from None
    pairs = ", ".join("/".join(pair) for pair in _NPZ_KEYS)
    raise ValueError(
        f"The file {str(path)!r} must hold one array, or images and labels named {pairs}. "
        f"Got {', '.join(names)} instead."
    )


def _refuse_pickles(file):
    """Raise ValueError for a file that numpy would unpickle."""
    start = file.read(len(np.lib.format.MAGIC_PREFIX))
    file.seek(0)
    is_known = start.startswith((*_ZIP_STARTS, np.lib.format.MAGIC_PREFIX))
    if (start and not is_known) or _holds_objects(file):
        raise ValueError(_PICKLED)


def _read_member(file, name):
    """Read an array of a .npz."""
    with file.zip.open(name if name in file.zip.namelist() else f"{name}.npy") as member:
        if _holds_objects(member):
            raise ValueError(_PICKLED)
    return file[name]


def _holds_objects(file):
    """Check the header of an array for Python objects; False if there is none."""
    start = file.read(np.lib.format.MAGIC_LEN)
    file.seek(0)
    if start not in _NPY_STARTS:
        return False
    *_, dtype = read_npy_header(file)
    file.seek(0)
    return dtype.hasobject
