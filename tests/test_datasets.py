"""The datasets: their content, its order, and the errors of missing ones."""

import contextlib
import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from local_server import serve_folder
from PIL import Image
from sklearn.datasets import load_digits as load_sklearn_digits

from sklearn_resnet import datasets
from sklearn_resnet._io.tables import write_table
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.datasets import (
    fetch_cifar10,
    fetch_mnist,
    load_digits,
    load_image_folder,
    load_table,
    sample_patches,
)

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


def make_images(folder, *names):
    """Files of these names; `load_image_folder` reads none."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def list_names(folder, **kwargs):
    """What `load_image_folder` lists, relative to the folder, and the labels."""
    paths, target = load_image_folder(folder, return_X_y=True, **kwargs)
    names = [os.path.relpath(path, folder) for path in paths]
    return names, target if target is None else target.tolist()


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


@pytest.mark.parametrize("as_path", [str, lambda path: path], ids=["str", "Path"])
def test_class_folders_are_labels(tmp_path, as_path):
    make_images(
        tmp_path, "dog/1.png", "cat/deep/er/2.JPG", "cat/1.tif", "cat10/1.gif", "cat9/1.npy"
    )
    bunch = load_image_folder(as_path(tmp_path))
    names = ["cat/1.tif", "cat/deep/er/2.JPG", "cat9/1.npy", "cat10/1.gif", "dog/1.png"]
    assert bunch.data.tolist() == [str(tmp_path / name) for name in names]
    assert bunch.target.tolist() == ["cat", "cat", "cat9", "cat10", "dog"]
    assert bunch.target_names == ["cat", "cat9", "cat10", "dog"]
    assert str(tmp_path) in bunch.DESCR


def test_images_of_a_flat_folder_have_no_labels(tmp_path):
    make_images(tmp_path, "1.png", "2.png")
    bunch = load_image_folder(tmp_path)
    assert len(bunch.data) == 2
    assert bunch.target is None
    assert bunch.target_names == []


def test_images_beside_class_folders_are_warned_of(tmp_path):
    make_images(tmp_path, "1.png", "cat/1.png", "cat/2.png")
    with pytest.warns(
        UserWarning, match=r"1 of the 3 images .* are not in a class folder \('.*1\.png'\), so"
    ) as caught:
        names, target = list_names(tmp_path)
    assert names == ["1.png", "cat/1.png", "cat/2.png"]
    assert target is None
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("n_beside", "end"), [(3, r"'.*3\.png'\), so"), (4, r"3\.png', \.\.\.\), so")]
)
def test_the_first_three_images_beside_class_folders_are_named(tmp_path, n_beside, end):
    make_images(tmp_path, *(f"{i}.png" for i in range(1, n_beside + 1)), "cat/1.png")
    with pytest.warns(UserWarning, match=rf"{n_beside} of the {n_beside + 1} images .*{end}"):
        assert load_image_folder(tmp_path).target is None


SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".tiff", ".gif", ".bmp"),
    *(".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf"),
    *(".jpx", ".avif", ".avifs", ".npy"),
)
ARRAYS = (
    ".lsm",
    ".svs",
    ".ndpi",
    ".npz",
    ".h5",
    ".hdf5",
    ".he5",
    ".dcm",
    ".dicom",
    ".ima",
    ".fits",
    ".fit",
    ".fts",
    ".fz",
)


def test_files_of_every_format_are_listed(tmp_path):
    suffixes = SUFFIXES + ARRAYS
    names = [f"a{suffix}" for suffix in suffixes] + [f"b{suffix.upper()}" for suffix in suffixes]
    make_images(tmp_path, *names, "a.svg", "a.pdf", "a.eps", "a.psd", "b.psd", "jpg")
    with pytest.warns(
        UserWarning,
        match=r"passed over.*: \.psd \(2\), no suffix \(1\), \.eps \(1\), \.pdf \(1\), \.svg",
    ):
        assert sorted(list_names(tmp_path)[0]) == sorted(names)


def test_the_suffixes_are_those_that_pillow_registers_for_the_formats_that_are_read():
    registered = Image.registered_extensions()
    read = {registered[suffix] for suffix in set(SUFFIXES) - {".npy"}}
    assert "EPS" not in read
    assert {suffix for suffix, format in registered.items() if format in read} == {
        *SUFFIXES[:-1],
    }


def test_dicom_is_found_without_a_suffix(tmp_path):
    names = ["ct/IM0001", "ct/1.2.840.113619.2.55", "mr/3.dcm"]
    make_images(tmp_path, *names, "ct/IM0002", "ct/1.2.9", "DICOMDIR", "ct/notes.md")
    for name in (*names[:2], "DICOMDIR"):
        (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    (tmp_path / "ct" / "IM0003.txt").write_bytes(bytes(128) + b"DICM")  # a name tells
    with pytest.warns(UserWarning, match=r"passed over.*: no suffix \(2\), \.9 \(1\)\."):
        found, target = list_names(tmp_path)
    assert sorted(found) == sorted(names)
    assert sorted(target) == ["ct", "ct", "mr"]


def test_a_file_that_cannot_be_opened_is_not_taken_for_dicom(tmp_path):
    make_images(tmp_path, "1.png")
    (tmp_path / "2").symlink_to(tmp_path / "missing")
    with pytest.warns(UserWarning, match=r"passed over.*: no suffix \(1\)\."):
        assert list_names(tmp_path)[0] == ["1.png"]


def test_suffixes_that_need_packages_are_named(tmp_path):
    make_images(tmp_path, "1.png", "2.dcm", "3.fits", "4.zarr/zarr.json")
    (tmp_path / "5").write_bytes(bytes(128) + b"DICM")
    missing = {"pydicom", "astropy", "zarr"}
    with contextlib.ExitStack() as hidden:
        for module in missing:
            hidden.enter_context(hidden_module(module))
        with pytest.warns(UserWarning, match="passed over") as caught:
            assert list_names(tmp_path)[0] == ["1.png"]
    message = str(caught[0].message)
    assert ".dcm (2), .fits (1), .zarr (1)" in message
    assert message.endswith(
        "To read .dcm, .fits, .zarr: pip install 'sklearn-resnet[dicom,fits]' zarr"
    )


@pytest.mark.parametrize("parent", ["", "class2/", "class10/part10/"])
def test_the_order_is_natural(tmp_path, parent):
    names = [f"{parent}{name}.png" for name in ("1", "2", "10", "a1", "a2", "a10")]
    make_images(tmp_path, *reversed(names))
    assert list_names(tmp_path)[0] == names


def test_class_folders_are_in_natural_order(tmp_path):
    names = ["2/3.png", "2/20.png", "10/1.png", "10/b/1.png"]
    make_images(tmp_path, *reversed(names))
    assert list_names(tmp_path) == (names, ["2", "2", "10", "10"])


@pytest.mark.parametrize("turn", [1, -1])
def test_the_order_is_not_that_of_the_disk(tmp_path, monkeypatch, turn):
    def scan(folder):
        entries = sorted(scandir(folder), key=lambda entry: entry.name)
        return contextlib.nullcontext(entries[::turn])

    scandir = os.scandir
    make_images(tmp_path, "1.png", "01.png", "001.png", "2.png")
    monkeypatch.setattr(os, "scandir", scan)
    assert list_names(tmp_path)[0] == ["001.png", "01.png", "1.png", "2.png"]


def test_hidden_files_and_those_that_are_no_images_are_passed_over(tmp_path):
    make_images(
        tmp_path,
        "cat/1.png",
        "cat/._1.png",
        "cat/.hidden.png",
        "cat/.checkpoints/1-checkpoint.png",
        ".trash/1.png",
        "cat/notes.txt",
        "cat/png",
        "Thumbs.db",
    )
    with pytest.warns(UserWarning, match=r"passed over.*: no suffix \(1\)\."):  # cat/png
        assert list_names(tmp_path) == (["cat/1.png"], ["cat"])


def test_a_hidden_folder_can_be_named(tmp_path):
    make_images(tmp_path / ".images", "1.png")
    assert list_names(tmp_path / ".images") == (["1.png"], None)


def test_a_loop_of_links_ends(tmp_path):
    make_images(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert list_names(tmp_path) == (["cat/1.png"], ["cat"])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "missing",
            FileNotFoundError,
            "must be a folder or an archive of images. Got .*missing', .*not exist",
        ),
        ("file.png", FileNotFoundError, "file.png', which is a file"),
        ("empty", ValueError, r"empty' holds no images: .* ends in \.apng, \.avif, .*\.png"),
        ("texts", ValueError, r"texts' holds no images.* other files: \.txt \(1\)\."),
    ],
)
def test_a_folder_without_images_is_an_error(tmp_path, name, error, message):
    make_images(tmp_path, "file.png", "texts/1.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        load_image_folder(tmp_path / name)


@pytest.mark.parametrize(
    ("shape", "size", "patch_shape"),
    [((9, 12), 3, (3, 3)), ((9, 12, 3), (4, 5), (4, 5, 3)), ((5, 5, 3), 2, (2, 2, 3))],
)
def test_patches_are_parts_of_the_image(shape, size, patch_shape):
    image = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    patches = sample_patches(image, 8, size, random_state=0)
    assert patches.shape == (8, *patch_shape)
    assert patches.dtype == np.int16
    width = shape[1]
    n_channels = int(np.prod(shape[2:]))
    for patch in patches:
        row, column = divmod(int(patch.flat[0]) // n_channels, width)
        part = image[row : row + patch_shape[0], column : column + patch_shape[1]]
        np.testing.assert_array_equal(patch, part)
    assert len({patch.tobytes() for patch in patches}) > 1


def test_patches_of_a_file_are_those_of_its_pixels(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (9, 12, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    expected = sample_patches(pixels, 5, 4, random_state=3)
    for path in (tmp_path / "image.png", str(tmp_path / "image.png")):
        patches = sample_patches(path, 5, 4, random_state=3)
        assert patches.dtype == np.uint8
        np.testing.assert_array_equal(patches, expected)


def test_patches_of_an_image_of_pillow_are_those_of_its_colours():
    image = Image.new("RGB", (12, 9), "red").quantize(4)
    patches = sample_patches(image, 2, 4, random_state=0)
    np.testing.assert_array_equal(patches, np.tile(np.uint8([255, 0, 0]), (2, 4, 4, 1)))


def test_patches_are_repeated_by_their_random_state():
    image = np.random.RandomState(0).random_sample((30, 30))
    first, same, other = (sample_patches(image, 9, 4, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("n", "size", "message"),
    [
        (1, 10, "Got patches of 10 x 10 pixels for the image of 9 x 12 pixels instead"),
        (1, (3, 13), "patches of 3 x 13"),
        (81, (1, 4), None),
        (82, (1, 4), "The 'size' parameter must leave at least 82 different places"),
        (0, 3, "The 'n' parameter must be at least 1. Got 0"),
        (1, 0, "The 'size' parameter must be .* Got 0"),
        (1, (3, 3, 3), r"The 'size' parameter must be .* Got \(3, 3, 3\)"),
    ],
)
def test_an_image_too_small_for_the_patches_is_an_error(n, size, message):
    image = np.zeros((9, 12))
    if message is None:
        assert len(sample_patches(image, n, size)) == n
        return
    with pytest.raises(ValueError, match=message):
        sample_patches(image, n, size)


def test_a_file_too_small_for_the_patches_is_named(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="small.png' of 3 x 4 pixels"):
        sample_patches(tmp_path / "small.png", 1, 5)


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
        file = replace(getattr(datasets, constant), url=f"{url}data", known_hash=f"sha256:{digest}")
        monkeypatch.setattr(datasets, constant, file)
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
    file = getattr(datasets, f"_{name.upper()}")
    assert asked == {
        "origin": file.url,
        "target": str(file.path),
        "hash": file.known_hash.removeprefix("sha256:"),
    }


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("root", ["", "memory://load_table"])
def test_a_table_of_the_command_is_loaded(tmp_path, suffix, root):
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    path = f"{root or tmp_path}/out{suffix}"
    write_table(path, features, ["a", "b"], np.array([3, 1, 2]), np.array(["x", "y", "z"]))
    table = load_table(path)
    assert sorted(table) == ["features", "labels", "paths"]
    assert type(table.features) is np.ndarray
    assert table.features.dtype == np.float32
    table.features *= 1  # no read-only map of the file
    np.testing.assert_array_equal(table.features, features)
    if suffix == ".npy":
        assert table.labels is table.paths is None
    else:
        assert table.labels.astype(str).tolist() == ["3", "1", "2"]
        assert table.labels.dtype.kind == ("i" if suffix == ".npz" else "U")
        assert table.paths.tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_the_features_of_a_table_are_float32(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.arange(6, dtype=dtype).reshape(3, 2))
    features = load_table(tmp_path / "a.npy").features
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features.ravel(), np.arange(6))


def test_a_folder_of_parts_is_loaded_as_one_table(tmp_path):
    for i in range(2):
        path = tmp_path / "out.parquet" / f"part-{i}.parquet"
        write_table(path, np.full((2, 3), i), list("abc"), paths=np.array([f"{i}0", f"{i}1"]))
    table = load_table(tmp_path / "out.parquet")
    assert table.features.tolist() == [[0] * 3] * 2 + [[1] * 3] * 2
    assert table.paths.tolist() == ["00", "01", "10", "11"]


def test_the_errors_of_a_table_name_the_parameter(tmp_path):
    with pytest.raises(ValueError, match="The 'path' parameter must end in .npy"):
        load_table(tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_table(tmp_path / "no.npz")
