"""What the command line takes as INPUT and as labels: names of datasets, arrays, folders, a file."""

import difflib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklearn_resnet import datasets
from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._io.paths import as_path, is_tar, open_file

NAMED = {
    "digits": datasets.load_digits,
    "mnist": datasets.fetch_mnist,
    "cifar10": datasets.fetch_cifar10,
}
# The pairs of names under which images and labels are known in .npz files.
_NPZ_KEYS = (("x", "y"), ("X", "y"), ("images", "labels"), ("x_train", "y_train"))


@dataclass
class Input:
    """Images, with what is known of them; None is what is not."""

    images: np.ndarray | LazyImages
    labels: np.ndarray | None = None
    paths: np.ndarray | None = None


def check_input(source, patches=None):
    """Find out, without reading anything, whether there is what a person named.

    Parameters
    ----------
    source, patches
        As for `read_input`.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such thing, or patches cannot be cut from it.
    """
    path = as_path(source)
    if patches is not None and not _is_image_file(path):
        raise ValueError(f"--patches goes with one image file as INPUT. Got {source!r} instead.")
    if source not in NAMED and not path.exists():
        near = difflib.get_close_matches(source.lower(), NAMED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FileNotFoundError(
            f"INPUT must be {', '.join(NAMED)}, a .npy or .npz file, a folder of images or an "
            f"image file. Got {source!r}, and there is no such file or folder.{hint}"
        )


def _is_image_file(path):
    return path.is_file() and path.suffix.lower() not in (".npy", ".npz", ".tar")


def is_collection(source):
    """Whether a source holds image files: a folder, or a tar, here or behind a URL."""
    return source not in NAMED and (as_path(source).is_dir() or is_tar(source))


def read_input(
    source, *, image_size=None, patches=None, patch_size=64, seed=None, on_error="raise"
):
    """Read what a person named.

    Parameters
    ----------
    source : str
        The name of a dataset; a .npy or .npz file; a folder; an image file.
    image_size : int, default=None
        What the images of files are cut and resized to. Arrays are left as they are.
    patches : int, default=None
        How many patches to cut from an image file.
    patch_size : int, default=64
        Their height and width.
    seed : int, default=None
        What their places are drawn from.
    on_error : {"raise", "nan", "skip"}, default="raise"
        What becomes of files that cannot be read; see `ImageLoader`.

    Returns
    -------
    Input

    Raises
    ------
    OSError, ValueError
        If there is no such thing, or there are no images in it.
    """
    check_input(source, patches)
    path = as_path(source)
    if patches is not None:
        cut = datasets.sample_patches(path, patches, patch_size, random_state=seed)
        return Input(cut if image_size is None else ImageLoader(image_size).fit_transform(cut))
    if source in NAMED:
        return Input(*NAMED[source](return_X_y=True))
    if is_collection(source):
        paths, labels = datasets.load_image_folder(source, return_X_y=True)
        loader = ImageLoader(image_size, lazy=True, on_error=on_error)
        return Input(loader.fit_transform(paths), labels, paths)
    if _is_image_file(path):
        paths = np.array([str(path)])
        return Input(ImageLoader(image_size).fit_transform(paths), paths=paths)
    return _read_arrays(path)


def _read_arrays(path):
    try:
        with open_file(path) as opened:  # numpy leaves a damaged .npz open
            is_mapped = isinstance(path, Path) and path.suffix == ".npy"  # maybe beyond memory
            file = np.load(path if is_mapped else opened, "r" if is_mapped else None)
            if isinstance(file, np.ndarray):
                return Input(file)
            if len(file.files) == 1:
                return Input(file[file.files[0]])
            for x, y in _NPZ_KEYS:
                if x in file.files:
                    return Input(file[x], np.ravel(file[y]) if y in file.files else None)
            names = file.files
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as exc:
        if "allow_pickle" in str(exc) or "Python objects" in str(exc):
            exc = "it holds pickled objects, which could run any program, and is not loaded"
        raise ValueError(
            f"The file {str(path)!r} cannot be read: {getattr(exc, 'strerror', None) or exc}. Save "
            "plain arrays by numpy.save or numpy.savez."
        ) from None
    pairs = ", ".join("/".join(pair) for pair in _NPZ_KEYS)
    raise ValueError(
        f"The file {str(path)!r} must hold one array, or images and labels named {pairs}. "
        f"Got {', '.join(names)} instead."
    )


def read_labels(path, image_paths, n_images):
    """Read labels from a file.

    Parameters
    ----------
    path : str or path-like
        A .npy file; a .csv with a column ``label`` and, if its rows are in another order
        than the images, one ``path`` with file names; or text, one label a line.
    image_paths : ndarray of str or None
        Of the images, to match names with.
    n_images : int

    Returns
    -------
    ndarray of shape (n_images,)

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it does not give each image a label.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of labels {str(path)!r}.")
    try:
        if path.suffix == ".npy":
            labels = np.load(path, allow_pickle=False)
        elif path.suffix == ".csv":
            # only an empty cell is a missing label: "NA" and "None" may be names
            table = pd.read_csv(path, keep_default_na=False, na_values=[""])
            if "label" not in table:
                raise ValueError(f"it has no column 'label', but {', '.join(table.columns)}")
            labels = table["label"]
            if "path" in table and image_paths is not None:
                labels = labels.iloc[_match(image_paths, table["path"].astype(str))]
            if labels.isna().any():
                raise ValueError(f"{int(labels.isna().sum())} of its rows have no label")
            labels = np.asarray(labels)
            labels = labels.astype(str) if labels.dtype.kind == "O" else labels
        else:
            labels = np.array(path.read_text(encoding="utf-8-sig").splitlines())
    except (ValueError, EOFError) as exc:
        raise ValueError(f"The labels in {str(path)!r} cannot be used: {exc}.") from exc
    if labels.shape != (n_images,):
        raise ValueError(
            f"The labels in {str(path)!r} must be one for each of the {n_images} images. Got an "
            f"array of shape {labels.shape} instead."
        )
    return labels


def _match(image_paths, names):
    """Find, for each image, the row that names it by its path or by the end of its path."""
    row_of = {}
    for row, name in enumerate(names):
        if row_of.setdefault(Path(name).parts, row) != row:
            raise ValueError(f"the path {name!r} comes twice; name the folders too")
    image_of = {}
    for path in image_paths:
        parts = Path(path).parts
        ends = (parts[start:] for start in range(len(parts)))
        row = next((row_of[end] for end in ends if end in row_of), None)
        if row is None:
            raise ValueError(f"no row has the path of {str(path)!r}")
        if row in image_of:
            raise ValueError(
                f"the path {names[row]!r} stands for both {str(image_of[row])!r} and "
                f"{str(path)!r}; name their folders too"
            )
        image_of[row] = path
    return list(image_of)
