"""Collections that are published: digits, MNIST, CIFAR-10."""

import pickle
import tarfile

import numpy as np
from sklearn.utils import Bunch

from sklearn_resnet._io.downloads import RemoteFile, fetch_file
from sklearn_resnet._runtime.errors import ParameterError

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
