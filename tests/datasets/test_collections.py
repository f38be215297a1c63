"""The collections: their content, its order, and the errors of missing ones."""

import hashlib
import io
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from local_server import serve_folder
from sklearn.datasets import load_digits as load_sklearn_digits

from sklearn_resnet.datasets import _collections, fetch_cifar10, fetch_mnist, load_digits

ARCHIVES = {"mnist": "mnist.npz", "cifar10": "cifar-10-batches-py-target_archive"}
NAMES = {
    "mnist": list("0123456789"),
    # of the file batches.meta in the archive
    "cifar10": [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ],
}
FETCH = {"mnist": fetch_mnist, "cifar10": fetch_cifar10}


def test_digits_are_images_of_8_bits():
    digits, expected = load_digits(), load_sklearn_digits()
    assert digits.data.shape == (1797, 8, 8)
    assert digits.data.dtype == np.uint8
    assert (digits.data.min(), digits.data.max()) == (0, 255)
    assert np.abs(digits.data - expected.images * (255 / 16)).max() <= 0.5
    np.testing.assert_array_equal(digits.target, expected.target)
    assert digits.target_names == list("0123456789")
    assert "Optical recognition" in digits.DESCR


def test_digits_as_a_pair():
    X, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(X, load_digits().data)
    np.testing.assert_array_equal(y, load_digits().target)


def make_mnist(path):
    """Write a file like MNIST's, with 6 training and 4 test images; return the four arrays."""
    rng = np.random.default_rng(0)
    arrays = {}
    for subset, n_images in (("train", 6), ("test", 4)):
        arrays[f"x_{subset}"] = rng.integers(0, 256, (n_images, 28, 28), np.uint8)
        arrays[f"y_{subset}"] = rng.integers(0, 10, n_images, np.uint8)
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    return arrays


def make_cifar10(path):
    """Write an archive like CIFAR-10's, of five training batches and one test batch."""
    rng = np.random.default_rng(0)
    arrays = {}
    with tarfile.open(path, "w:gz") as archive:
        for subset, n_batches, n_images in (("train", 5, 2), ("test", 1, 4)):
            images = rng.integers(0, 256, (n_batches * n_images, 32, 32, 3), np.uint8)
            labels = rng.integers(0, 10, len(images))
            arrays |= {f"x_{subset}": images, f"y_{subset}": labels}
            for i in range(n_batches):
                rows = slice(i * n_images, (i + 1) * n_images)
                planes = images[rows].transpose(0, 3, 1, 2).reshape(n_images, -1)
                batch = pickle.dumps({b"data": planes, b"labels": labels[rows].tolist()})
                name = f"data_batch_{i + 1}" if subset == "train" else "test_batch"
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(batch)
                archive.addfile(member, io.BytesIO(batch))
    return arrays


MAKE = {"mnist": make_mnist, "cifar10": make_cifar10}


@pytest.fixture
def stand_in(request, tmp_path, monkeypatch):
    """A small dataset on a server, and an empty Keras cache: (name, arrays, served, cached)."""
    name = request.param
    served = tmp_path / "served"
    served.mkdir()
    arrays = MAKE[name](served / "data")
    digest = hashlib.sha256((served / "data").read_bytes()).hexdigest()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    constant = f"_{name.upper()}"
    with serve_folder(served) as url:
        file = replace(
            getattr(_collections, constant), url=f"{url}data", known_hash=f"sha256:{digest}"
        )
        monkeypatch.setattr(_collections, constant, file)
        yield name, arrays, served / "data", tmp_path / "datasets" / ARCHIVES[name]


@pytest.mark.parametrize("stand_in", FETCH, indirect=True)
@pytest.mark.parametrize(
    ("kwargs", "subsets"),
    [
        ({}, ["train"]),
        ({"subset": "train"}, ["train"]),
        ({"subset": "test"}, ["test"]),
        ({"subset": "all"}, ["train", "test"]),
    ],
)
def test_a_dataset_is_read_from_keras_cache(stand_in, kwargs, subsets):
    name, arrays, served, cached = stand_in
    cached.parent.mkdir()
    served.rename(cached)  # so that nothing can be downloaded
    X, y = (np.concatenate([arrays[f"{kind}_{subset}"] for subset in subsets]) for kind in "xy")
    bunch = FETCH[name](**kwargs)
    np.testing.assert_array_equal(bunch.data, X)
    np.testing.assert_array_equal(bunch.target, y)
    assert bunch.data.dtype == bunch.target.dtype == np.uint8
    assert bunch.target_names == NAMES[name]
    assert bunch.DESCR
    pair = FETCH[name](**kwargs, return_X_y=True)
    np.testing.assert_array_equal(pair[0], X)
    np.testing.assert_array_equal(pair[1], y)


@pytest.mark.parametrize("stand_in", FETCH, indirect=True)
def test_a_dataset_is_downloaded_once_into_keras_cache(stand_in):
    name, arrays, served, cached = stand_in
    np.testing.assert_array_equal(FETCH[name]().data, arrays["x_train"])
    assert cached.read_bytes() == served.read_bytes()
    served.unlink()
    np.testing.assert_array_equal(FETCH[name]().data, arrays["x_train"])


ABSENT = [
    ("mnist", "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz", "11 MB"),
    ("cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "170 MB"),
]


@pytest.mark.parametrize(("name", "url", "size"), ABSENT)
def test_an_absent_dataset_is_an_error_that_helps(tmp_path, monkeypatch, name, url, size):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ConnectionError) as caught:
        FETCH[name]()
    message = str(caught.value)
    assert f"The dataset {name!r} cannot be downloaded" in message
    assert f"Expected at: {tmp_path / 'datasets' / ARCHIVES[name]}\n" in message
    assert f"{url} ({size})" in message
    assert "KERAS_HOME" in message
    assert "load_digits()" in message


@pytest.mark.parametrize("fetch", FETCH.values())
@pytest.mark.parametrize("subset", ["validation", "Train", None])
def test_a_wrong_subset_is_an_error(fetch, subset):
    with pytest.raises(ValueError, match=rf"must be 'train', 'test' or 'all'. Got {subset!r}"):
        fetch(subset=subset)


@pytest.mark.parametrize(("name", "url", "size"), ABSENT)
def test_the_files_are_those_of_keras(tmp_path, monkeypatch, name, url, size):
    """Keras is asked for its file, URL and hash, with its downloader replaced."""
    keras = pytest.importorskip("keras")
    from keras.src.utils import file_utils

    asked = {}

    def urlretrieve(origin, target, *_):
        asked.update(origin=origin, target=target)
        raise Exception("not in tests")

    def get_file(*args, file_hash=None, **kwargs):
        asked["hash"] = file_hash
        return file_utils.get_file(*args, file_hash=file_hash, **kwargs)

    monkeypatch.setattr(file_utils, "urlretrieve", urlretrieve)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(f"keras.src.datasets.{name}.get_file", get_file)
    with pytest.raises(Exception, match="not in tests"):
        getattr(keras.datasets, name).load_data()
    file = getattr(_collections, f"_{name.upper()}")
    assert asked == {
        "origin": file.url,
        "target": str(file.path),
        "hash": file.known_hash.removeprefix("sha256:"),
    }
