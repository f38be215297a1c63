"""A folder of images, or of archives of images, to paths and labels."""

import importlib.util
import os
import warnings
from collections import Counter

import numpy as np
from natsort import natsorted
from sklearn.utils import Bunch

from sklearn_resnet._images.decoding import EXTENSIONS, OPTIONAL_EXTENSIONS, is_dicom
from sklearn_resnet._io.listing import join, list_files, list_shards, suffix_of_name
from sklearn_resnet._io.paths import is_archive, is_url, open_file
from sklearn_resnet._runtime.warnings import warn_caller

_MAX_NAMED = 3  # images in a warning
_MAX_SUFFIXES = 8  # in a message
_DICOM_SUFFIX, _DICOM_INDEX = ".dcm", "DICOMDIR"
_HEAD_BYTES = 132  # that tell whether a file is DICOM

# Files that often accompany images: tables, texts, settings, programs, metadata of photos and maps,
# files of systems. No warning counts them.
_SIDE_FILES = frozenset((
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".toml", ".parquet",
    ".feather", ".xls", ".xlsx", ".ods", ".db", ".sqlite", ".pkl", ".pickle", ".cls", ".txt", ".md",
    ".rst", ".html", ".htm", ".css", ".js", ".doc", ".docx", ".log", ".ini", ".cfg", ".py", ".ipynb",
    ".r", ".m", ".sh", ".bat", ".md5", ".sha1", ".sha256", ".xmp", ".aae", ".tfw", ".jgw", ".pgw",
    ".wld", ".prj", ".ovr", ".lnk", ".url",
))  # fmt: skip


def load_image_folder(
    folder: str | os.PathLike, *, return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray | None]:
    """List the image files in a folder, with the names of their class folders.

    No image is read; `ImageLoader` reads them.

    Parameters
    ----------
    folder : str or path-like
        A folder of images, or of one folder for each class, with images at any depth in it. Hidden
        files and folders are ignored, and so are folders that systems make, such as ``@eaDir``,
        ``$RECYCLE.BIN`` and ``__MACOSX``. Links are followed; a folder with several paths is listed
        once, under the path with the fewest links. A Zarr store, a folder that ends in .zarr, is an
        image. DICOM files on disk are found without a suffix, too.

        It can also be a URL of fsspec (``"s3://bucket/photos"``), a .zip, a .tar (also .tar.gz,
        .tar.bz2 and .tar.xz), or a folder of such archives, for example the shards that WebDataset
        writes. The classes of images in an archive are in files beside them (``0001.jpg``,
        ``0001.cls``), or are folders in the archive. If all class folders are in one folder, as in
        ``photos/cat/1.jpg``, that folder is no class. A compressed tar is decompressed to a
        temporary file.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, an ndarray of str of shape (n,), the paths in natural order ("2.png" before
        "10.png"; members of archives as ``"shards/a.tar/0001.jpg"``); ``target``, an ndarray of str of
        shape (n,), the names of the class folders, or None if the images are in `folder` itself;
        ``target_names``; and ``DESCR``. A folder that cannot be listed is among the paths, so that
        `ImageLoader` reports it.
    (data, target) : tuple if `return_X_y`
        Only these two arrays.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If it holds no images.

    Warns
    -----
    UserWarning
        If some images are beside the class folders; no image is labelled then. If only some images
        in archives have a label file; no label file is used then. If files are passed over because
        their suffix is not that of a format that `ImageLoader` reads; the warning counts them by
        suffix. Usual companions of images, such as tables, texts and metadata, are not counted.

    See Also
    --------
    sklearn_resnet.ImageLoader : Reads the images.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn_resnet.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/10.jpg", "cat/2.jpg", "dog/1.jpg"):
    ...         path = Path(folder, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         path.touch()
    ...     photos = load_image_folder(folder)
    >>> [Path(path).name for path in photos.data]
    ['2.jpg', '10.jpg', '1.jpg']
    >>> photos.target.tolist()
    ['cat', 'cat', 'dog']
    """
    paths, parts, target, others = _list_images(folder)
    _warn_about_others(folder, others)
    n_beside = sum(len(p) == 1 for p in parts)
    if target is None and n_beside == 0:
        target = np.array([p[0] for p in parts])
    elif target is None and n_beside < len(parts):
        beside = [path for path, part in zip(paths, parts, strict=True) if len(part) == 1]
        named = ", ".join(map(repr, beside[:_MAX_NAMED])) + ", ..." * (n_beside > _MAX_NAMED)
        warnings.warn(
            f"{n_beside} of the {len(parts)} images below {str(folder)!r} are not in a class folder "
            f"({named}), so that no image is labelled. If the folders are classes, move these images "
            "into them.",
            stacklevel=2,
        )
    if return_X_y:
        return np.array(paths), target
    names = [] if target is None else natsorted(set(target.tolist()))
    description = f"Images below {folder}."
    return Bunch(data=np.array(paths), target=target, target_names=names, DESCR=description)


def _list_images(folder):
    """List the images in a folder or in archives.

    Returns
    -------
    paths : list of str
        In natural order.
    parts : list of tuple of str
        The parts of each in its folder or archive.
    labels : ndarray of str or None
        Of files beside images in archives.
    others : Counter of str
        The number of other files by suffix.
    """
    extensions = find_extensions()
    if is_archive(folder) and not os.path.isdir(folder):
        return list_shards([str(folder)], extensions)
    files = list_files(folder)
    # reading a folder that could not be listed gives the cause, as for any other unreadable file
    unlisted = [file for file in files if not file[-1]]
    suffixes = {file: _find_suffix(folder, file) for file in files if file[-1]}
    images = [file for file, suffix in suffixes.items() if suffix in extensions]
    shards = [] if images else [file for file in files if is_archive(file[-1])]
    # sorted first, as either order of "1.png" and "01.png" is natural
    chosen = natsorted(sorted((shards or images) + unlisted))
    paths = [join(folder, *file) for file in chosen]
    if shards:
        return list_shards(paths, extensions)
    others = Counter(suffix for suffix in suffixes.values() if suffix not in extensions)
    if paths:
        return paths, chosen, None, others
    endings = ", ".join(sorted(extensions))
    found = f" It holds other files: {_describe_suffixes(others)}." if others else ""
    raise ValueError(
        f"The folder {str(folder)!r} holds no images: no file in it, or in folders below it, "
        f"ends in {endings} (or in .zip or .tar, which hold them).{found}"
    )


def _find_suffix(folder, file):
    """Return the suffix of a file; that of DICOM for a file without one that begins as DICOM does.

    Scanners give such files no suffix, or a number as their name.
    """
    suffix = suffix_of_name(file[-1])
    is_bare = not suffix or suffix[1:].isdigit()
    if not is_bare or is_url(folder) or file[-1].upper() == _DICOM_INDEX:
        return suffix
    try:
        with open_file(join(folder, *file)) as opened:
            return _DICOM_SUFFIX if is_dicom(opened.read(_HEAD_BYTES)) else suffix
    except OSError:
        return suffix


def find_extensions():
    """Return the suffixes of the formats that can be read with the packages that are installed."""
    optional = (
        suffix
        for suffix, (module, _) in OPTIONAL_EXTENSIONS.items()
        if importlib.util.find_spec(module) is not None
    )
    return EXTENSIONS.union(optional)


def _describe_suffixes(counts):
    """List the suffixes, the most frequent first."""
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{suffix or 'no suffix'} ({n})" for suffix, n in by_count[:_MAX_SUFFIXES]]
    n_more = len(by_count) - len(shown)
    return ", ".join(shown) + f" and {n_more} other suffixes" * (n_more > 0)


def _warn_about_others(folder, others):
    """Warn about files that may be images of formats that are not read."""
    counts = Counter({suffix: n for suffix, n in others.items() if suffix not in _SIDE_FILES})
    if counts:
        remedy = "Convert images among them to PNG or TIFF."
        missing = sorted(counts.keys() & OPTIONAL_EXTENSIONS)
        if missing:
            needed = [OPTIONAL_EXTENSIONS[suffix] for suffix in missing]
            extras = sorted({extra for _, extra in needed if extra})
            packages = [f"'sklearn-resnet[{','.join(extras)}]'"] if extras else []
            packages += sorted({module for module, extra in needed if not extra})
            remedy = f"To read {', '.join(missing)}: pip install {' '.join(packages)}"
        elif all(map(is_archive, counts)):
            remedy = "Archives are read if no images are beside them."
        warn_caller(
            f"Files in {str(folder)!r} were passed over, because their names do not end as those of "
            f"images that can be read: {_describe_suffixes(counts)}. {remedy}"
        )
