"""Images to start with: digits, MNIST, CIFAR-10, a folder, patches of a picture."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from natsort import natsorted
from sklearn.utils import Bunch

from sklearn_resnet._images.decoding import EXTENSIONS, read_image
from sklearn_resnet._images.validation import check_size, is_path
from sklearn_resnet._io.downloads import keras_home, probe_url
from sklearn_resnet._io.listing import join, list_files, list_shards
from sklearn_resnet._io.paths import is_tar
from sklearn_resnet._runtime.keras import import_keras

__all__ = ["fetch_cifar10", "fetch_mnist", "load_digits", "load_image_folder", "sample_patches"]

_CIFAR10_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def load_digits(*, return_X_y: bool = False) -> Any:
    """Load the handwritten digits that ship with scikit-learn, as images.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, ndarray of shape (1797, 8, 8), dtype uint8, 0 (background) to 255;
        ``target``, ndarray of shape (1797,), the digits; ``target_names``; ``DESCR``.
    (data, target) : tuple if `return_X_y`
        The two arrays alone.

    See Also
    --------
    sklearn.datasets.load_digits : The same as floats from 0 to 16.

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


def fetch_mnist(*, subset: str = "train", return_X_y: bool = False) -> Any:
    """Fetch MNIST, from Keras' cache or, once, from the network.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        60,000 digits, 10,000 others, or both in this order.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, ndarray of shape (n, 28, 28), dtype uint8, 0 (background) to 255;
        ``target``, ndarray of shape (n,), the digits; ``target_names``; ``DESCR``.
    (data, target) : tuple if `return_X_y`
        The two arrays alone.

    Raises
    ------
    ConnectionError
        If it is neither in the cache nor to be downloaded. The message names the file.
    ValueError
        If there is no such subset.

    See Also
    --------
    load_digits : Smaller digits, which need no network.
    fetch_cifar10 : Photos.

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
    X, y = _fetch_keras(
        "mnist",
        "mnist.npz",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        11,
        subset,
    )
    return _bunch(X, y, list("0123456789"), "MNIST: LeCun, Cortes and Burges.", return_X_y)


def fetch_cifar10(*, subset: str = "train", return_X_y: bool = False) -> Any:
    """Fetch CIFAR-10, from Keras' cache or, once, from the network.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        50,000 photos, 10,000 others, or both in this order.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, ndarray of shape (n, 32, 32, 3), dtype uint8, 0 to 255; ``target``,
        ndarray of shape (n,), 0 to 9; ``target_names``, what these stand for; ``DESCR``.
    (data, target) : tuple if `return_X_y`
        The two arrays alone.

    Raises
    ------
    ConnectionError
        If it is neither in the cache nor to be downloaded. The message names the file.
    ValueError
        If there is no such subset.

    See Also
    --------
    fetch_mnist : Digits.

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
    X, y = _fetch_keras(
        "cifar10",
        "cifar-10-batches-py-target_archive",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        170,
        subset,
    )
    return _bunch(X, y.ravel(), list(_CIFAR10_NAMES), "CIFAR-10: Krizhevsky, 2009.", return_X_y)


def load_image_folder(folder: str | os.PathLike, *, return_X_y: bool = False) -> Any:
    """List the image files below a folder; the folders in it name their classes.

    No image is read: `ImageLoader` does that.

    Parameters
    ----------
    folder : str or path-like
        It holds images, or a folder for each class (with images at any depth in it).
        Hidden files and folders, and files whose names do not end as those of images, are
        passed over. Links are followed; a folder that has several names by them is listed once,
        under that with the fewest links in it. It can be a URL of fsspec
        (``"s3://bucket/photos"``, ``"zip://::photos.zip"``), a tar, or a folder of tars: shards,
        as WebDataset writes them, whose classes are in files beside the images
        (``0001.jpg``, ``0001.cls``) or are folders in the tar.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : Bunch
        With ``data``, ndarray of str of shape (n,), the paths, in natural order ("2.png"
        before "10.png"), those of members of a tar as ``"shards/a.tar/0001.jpg"``; ``target``,
        ndarray of str of shape (n,), the names of their
        class folders, or None if the images lie in `folder` itself; ``target_names``. A folder
        that cannot be listed is among the paths: reading it says why.
    (data, target) : tuple if `return_X_y`
        The two arrays alone.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it holds no images.

    Warns
    -----
    UserWarning
        If images lie beside the class folders: then none gets a label.

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
    paths, parts, target = _list_images(folder)
    n_beside = sum(len(p) == 1 for p in parts)
    if target is None and n_beside == 0:
        target = np.array([p[0] for p in parts])
    elif target is None and n_beside < len(parts):
        warnings.warn(
            f"{n_beside} of the {len(parts)} images below {str(folder)!r} lie in no class folder, "
            "so that none gets a label. Move them into folders if the folders are classes.",
            stacklevel=2,
        )
    names = [] if target is None else natsorted(set(target.tolist()))
    return _bunch(np.array(paths), target, names, f"Images below {folder}.", return_X_y)


def _list_images(folder):
    """Paths in natural order, the parts of each below its folder or tar, and labels that tars hold."""
    if is_tar(folder) and not os.path.isdir(folder):
        return list_shards([str(folder)], EXTENSIONS)
    files = list_files(folder)
    # who reads a folder that could not be listed learns why, as of any other bad file
    unlisted = [file for file in files if not file[-1]]
    images = [file for file in files if Path(file[-1]).suffix.lower() in EXTENSIONS]
    shards = [] if images else [file for file in files if is_tar(file[-1])]
    # sorted first, as the order of "1.png" and "01.png" is natural either way
    chosen = natsorted(sorted((shards or images) + unlisted))
    paths = [join(folder, *file) for file in chosen]
    if shards:
        return list_shards(paths, EXTENSIONS)
    if paths:
        return paths, chosen, None
    endings = ", ".join(sorted(EXTENSIONS))
    raise ValueError(
        f"The folder {str(folder)!r} holds no images: no file in it, or in folders below it, "
        f"ends in {endings} (or in .tar, which holds them)."
    )


def sample_patches(
    image: Any,
    n: int,
    size: int | tuple[int, int],
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Cut patches from random places of one image.

    Parameters
    ----------
    image : path, or array of shape (height, width) or (height, width, channels)
        A file is read as by `ImageLoader`.
    n : int
        Number of patches; no more than there are places.
    size : int or tuple of 2 int
        Height and width of a patch, in pixels; an int makes it square.
    random_state : int, RandomState instance or None, default=None
        What the places are drawn from, with replacement.

    Returns
    -------
    patches : ndarray of shape (n, height, width) or (n, height, width, channels)
        Of the dtype of `image`; uint8 from a file.

    Raises
    ------
    ValueError
        If the image is too small.

    See Also
    --------
    sklearn.feature_extraction.image.extract_patches_2d : Cuts them.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_image
    >>> from sklearn_resnet.datasets import sample_patches
    >>> sample_patches(load_sample_image("flower.jpg"), 5, 64, random_state=0).shape
    (5, 64, 64, 3)
    """
    name = repr(os.fspath(image)) if is_path(image) else "the image"
    image = read_image(image) if is_path(image) else np.asarray(image)
    shape = check_size("size", size)
    places = np.subtract(image.shape[:2], shape) + 1
    if min(places) < 1 or n > places.prod() or n < 1:
        raise ValueError(
            f"The 'n' and 'size' parameters must leave at least n places for a patch. Got n={n} "
            f"and patches of {shape[0]} x {shape[1]} pixels, while {name} has {image.shape[0]} x "
            f"{image.shape[1]} pixels. Pass a smaller size, fewer patches or a larger image."
        )
    from sklearn.feature_extraction.image import extract_patches_2d  # slow to import

    return extract_patches_2d(image, shape, max_patches=n, random_state=random_state)


def _bunch(data, target, target_names, description, return_X_y):
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=target_names, DESCR=description)


def _fetch_keras(name, file_name, url, megabytes, subset):
    """Arrays of a subset of one of Keras' datasets."""
    if subset not in ("train", "test", "all"):
        raise ValueError(
            f"The 'subset' parameter must be 'train', 'test' or 'all'. Got {subset!r} instead."
        )
    path = keras_home() / "datasets" / file_name
    try:
        if not path.exists():
            probe_url(url)
        train, test = getattr(import_keras().datasets, name).load_data()
    except Exception as exc:  # Keras raises a bare Exception
        raise ConnectionError(
            f"The dataset {name!r} is not on this machine, and cannot be downloaded: {exc}.\n"
            f"Looked for: {path}\n"
            f"Download:   {url} ({megabytes} MB)\n"
            "Run this once where there is a network and copy Keras' folder (KERAS_HOME sets "
            "another one), or use load_digits(), which needs none."
        ) from exc
    if subset == "all":
        return tuple(np.concatenate(pair) for pair in zip(train, test, strict=True))
    return train if subset == "train" else test
