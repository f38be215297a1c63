"""Images to start with: digits, MNIST, CIFAR-10, an image folder, patches; tables of features."""

import importlib.util
import os
import pickle
import tarfile
import warnings
from collections import Counter
from functools import partial

import numpy as np
from natsort import natsorted
from numpy.typing import ArrayLike
from PIL import Image
from sklearn.utils import Bunch

from sklearn_resnet._images.decoding import (
    EXTENSIONS,
    OPTIONAL_EXTENSIONS,
    is_dicom,
    pillow_to_array,
    read_image,
)
from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._images.items import is_path
from sklearn_resnet._images.validation import check_size
from sklearn_resnet._io.downloads import RemoteFile, fetch_file
from sklearn_resnet._io.listing import join, list_files, list_shards, suffix_of_name
from sklearn_resnet._io.paths import is_archive, is_url, open_file
from sklearn_resnet._io.tables import read_table
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller

__all__ = [
    "fetch_cifar10",
    "fetch_mnist",
    "load_digits",
    "load_image_folder",
    "load_table",
    "sample_patches",
]

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

_SUBSETS = {"train": ("train",), "test": ("test",), "all": ("train", "test")}

# Of Keras: keras.datasets.mnist and cifar10
_MNIST = RemoteFile(
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    "datasets/mnist.npz",
    "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    11,
)
_CIFAR10 = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "datasets/cifar-10-batches-py-target_archive",
    "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170,
)
_CIFAR10_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load_digits(*, return_X_y: bool = False) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load the handwritten digits of scikit-learn as images.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, an ndarray of shape (1797, 8, 8) and dtype uint8, from 0 (background) to 255;
        ``target``, an ndarray of shape (1797,), the digits; ``target_names``; and ``DESCR``.
    (data, target) : tuple if `return_X_y`
        Only these two arrays.

    See Also
    --------
    sklearn.datasets.load_digits : Loads them as floats from 0 to 16.

    Examples
    --------
    >>> from sklearn_resnet.datasets import load_digits
    >>> load_digits().data.shape
    (1797, 8, 8)
    """
    from sklearn.datasets import load_digits  # slow to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return _bunch(images, digits.target, list("0123456789"), digits.DESCR, return_X_y)


def fetch_mnist(
    *, subset: str = "train", return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load MNIST from Keras' cache; download it if necessary.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 training digits, the 10,000 test digits, or both in this order.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, an ndarray of shape (n, 28, 28) and dtype uint8, from 0 (background) to 255;
        ``target``, an ndarray of shape (n,), the digits; ``target_names``; and ``DESCR``.
    (data, target) : tuple if `return_X_y`
        Only these two arrays.

    Raises
    ------
    ConnectionError
        If it is not in the cache and cannot be downloaded. The message names the file.
    ValueError
        If `subset` is invalid.

    See Also
    --------
    load_digits : Loads smaller digits, without a download.
    fetch_cifar10 : Loads photos.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning Applied to
           Document Recognition", Proc. IEEE 86, 1998.

    Examples
    --------
    >>> from sklearn_resnet.datasets import fetch_mnist
    >>> X, y = fetch_mnist(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, X.dtype  # doctest: +SKIP
    ((10000, 28, 28), dtype('uint8'))
    """
    with np.load(_fetch("mnist", _MNIST, subset)) as file:
        X, y = (
            np.concatenate([file[f"{kind}_{part}"] for part in _SUBSETS[subset]]) for kind in "xy"
        )
    return _bunch(X, y, list("0123456789"), "MNIST: LeCun, Cortes and Burges.", return_X_y)


def fetch_cifar10(
    *, subset: str = "train", return_X_y: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load CIFAR-10 from Keras' cache; download it if necessary.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 50,000 training photos, the 10,000 test photos, or both in this order.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, an ndarray of shape (n, 32, 32, 3) and dtype uint8, from 0 to 255;
        ``target``, an ndarray of shape (n,), from 0 to 9; ``target_names``, the names of these
        classes; and ``DESCR``.
    (data, target) : tuple if `return_X_y`
        Only these two arrays.

    Raises
    ------
    ConnectionError
        If it is not in the cache and cannot be downloaded. The message names the file.
    ValueError
        If `subset` is invalid.

    See Also
    --------
    fetch_mnist : Loads digits.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    >>> from sklearn_resnet.datasets import fetch_cifar10
    >>> photos = fetch_cifar10(subset="test")  # doctest: +SKIP
    >>> photos.data.shape, photos.target_names[0]  # doctest: +SKIP
    ((10000, 32, 32, 3), 'airplane')
    """
    X, y = _read_cifar10(_fetch("cifar10", _CIFAR10, subset), subset)
    return _bunch(X, y, list(_CIFAR10_NAMES), "CIFAR-10: Krizhevsky, 2009.", return_X_y)


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
    names = [] if target is None else natsorted(set(target.tolist()))
    return _bunch(np.array(paths), target, names, f"Images below {folder}.", return_X_y)


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
    extensions = _find_extensions()
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


def _find_extensions():
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


def load_table(path: str | os.PathLike) -> Bunch:
    """Load a table of features that the command ``embedding`` wrote.

    Parameters
    ----------
    path : str or path-like
        A .npy, .npz, .csv or .parquet file, or a folder of parts that ends in .parquet. It can also
        be a URL of fsspec (``"s3://bucket/photos.parquet"``).

    Returns
    -------
    table : Bunch
        With ``features``, an ndarray of shape (n, n_features) and dtype float32; ``labels``, an
        ndarray of shape (n,), or None; and ``paths``, an ndarray of str of shape (n,), or None.
        Labels in .csv and .parquet files are text. A .npy has labels and paths only if the command
        wrote a file with them beside it: ``out_rows.csv`` beside ``out.npy``.

    Raises
    ------
    FileNotFoundError
        If the table does not exist.
    ValueError
        If it cannot be read.
    ImportError
        If the table is a .parquet or a URL, and a package that reads it is not installed.

    See Also
    --------
    load_image_folder : Lists the images of a folder, from which the command computes features.

    Examples
    --------
    The command ``embedding photos/ photos.npz`` writes such a file:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_resnet.datasets import load_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "photos.npz")
    ...     np.savez(path, features=np.ones((2, 3), np.float32), labels=["cat", "dog"])
    ...     table = load_table(path)
    >>> table.features.shape
    (2, 3)
    >>> table.labels
    array(['cat', 'dog'], dtype='<U3')
    >>> table.paths is None
    True
    """
    table = read_table(path)
    features = table.features
    if isinstance(features, np.memmap):  # of a .npy, and read-only
        features = np.array(features)
    return Bunch(
        features=features.astype(np.float32, copy=False), labels=table.labels, paths=table.paths
    )


def sample_patches(
    image: "ArrayLike | os.PathLike | Image.Image",
    n: int,
    size: int | tuple[int, int],
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Cut patches from random places of an image.

    Parameters
    ----------
    image : path, PIL Image, or array of shape (height, width) or (height, width, channels)
        `ImageLoader` describes how files are read.
    n : int
        Number of patches, at most the number of different places.
    size : int or tuple of 2 int
        Height and width of a patch, in pixels. An int is the side of a square.
    random_state : int, RandomState instance or None, default=None
        Draws the places, with replacement.

    Returns
    -------
    patches : ndarray of shape (n, height, width) or (n, height, width, channels)
        They have the dtype of `image`; uint8 for a file.

    Raises
    ------
    ValueError
        If the image is too small.
    ImageReadError
        If the file cannot be read.

    See Also
    --------
    sklearn.feature_extraction.image.extract_patches_2d : Cuts the patches.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_image
    >>> from sklearn_resnet.datasets import sample_patches
    >>> sample_patches(load_sample_image("flower.jpg"), 5, 64, random_state=0).shape
    (5, 64, 64, 3)
    """
    name = repr(os.fspath(image)) if is_path(image) else "the image"
    if is_path(image):
        pixels = _read_and_warn(image)
    else:
        pixels = pillow_to_array(image) if isinstance(image, Image.Image) else np.asarray(image)
    shape = check_size("size", size)
    places = np.subtract(pixels.shape[:2], shape) + 1
    if n < 1:
        raise ParameterError("n", "must be at least 1", repr(n))
    if min(places) < 1 or n > places.prod():
        raise ParameterError(
            "size",
            f"must leave at least {n} different places for a patch",
            f"patches of {shape[0]} x {shape[1]} pixels for {name} of {pixels.shape[0]} x "
            f"{pixels.shape[1]} pixels",
            "Pass a smaller size, fewer patches or a larger image.",
        )
    from sklearn.feature_extraction.image import extract_patches_2d  # slow to import

    return extract_patches_2d(pixels, shape, max_patches=n, random_state=random_state)


def _read_and_warn(path):
    """Read an image file, and warn if its value range may be wrong."""
    file_log = FileLog()
    pixels = read_image(path, report=partial(file_log.add, path))
    file_log.warn()
    return pixels


def _bunch(data, target, target_names, description, return_X_y):
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=target_names, DESCR=description)


def _fetch(name, file, subset):
    """Return the path of a dataset in Keras' cache; check the subset first."""
    if subset not in _SUBSETS:
        raise ParameterError("subset", "must be 'train', 'test' or 'all'", repr(subset))
    return fetch_file(
        file,
        f"The dataset {name!r}",
        "Put the file there by hand (KERAS_HOME sets another folder), or use load_digits(), which "
        "needs no download.",
    )


def _read_cifar10(path, subset):
    """Read the rows of a subset, in order, from the archive."""
    names = [f"data_batch_{i}" for i in range(1, 6)] if "train" in _SUBSETS[subset] else []
    names += ["test_batch"] if "test" in _SUBSETS[subset] else []
    with tarfile.open(path) as archive:
        batches = [
            # a pickle, whose hash was verified
            pickle.load(archive.extractfile(f"cifar-10-batches-py/{name}"), encoding="bytes")
            for name in names
        ]
    planes = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[b"labels"] for batch in batches])
    return planes.transpose(0, 2, 3, 1), labels.astype(np.uint8)
