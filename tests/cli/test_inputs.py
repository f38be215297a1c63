"""What INPUT may be, and what is said where it is something else."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from ome_zarr import add_array
from PIL import Image
from special_files import save_pickle

from sklearn_resnet import datasets
from sklearn_resnet.cli.inputs import (
    InputOptions,
    check_apart,
    check_input,
    load_input,
    read_input,
)
from sklearn_resnet.datasets import load_digits, sample_patches

IMAGES = np.random.RandomState(0).randint(0, 256, (3, 4, 5, 3), np.uint8)
LABELS = np.array([7, 8, 7])


@pytest.mark.parametrize("name", ["boxes.json", "voc.XML"])
def test_annotations_are_no_images(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=rf"read_boxes\('.*{name}', images='FOLDER'\)\.to_csv"):
        check_input(str(tmp_path / name))


def save_images(folder, *names, size=(5, 4)):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[i % 3]).resize(size).save(folder / name)
    return [str(folder / name) for name in names]


def test_a_name_is_a_dataset():
    data = read_input("digits")
    X, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(data.images, X)
    np.testing.assert_array_equal(data.labels, y)
    assert data.paths is None


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_name_is_fetched(monkeypatch, name):
    monkeypatch.setattr(datasets, f"fetch_{name}", lambda return_X_y: (IMAGES, LABELS))
    data = read_input(name)
    assert data.images is IMAGES
    assert data.labels is LABELS


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("digit", "'digits'"),
        ("minst", "'mnist'"),
        ("MNIST", "'mnist'"),
        ("CIFAR-10", "'cifar10'"),
        ("photos/", None),
        ("photos/a.png", None),
        ("a.npz", None),
    ],
)
def test_what_is_not_there_is_an_error_with_a_hint(tmp_path, monkeypatch, source, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        read_input(source)
    message = str(caught.value)
    assert "INPUT must be digits, mnist, cifar10, a .npy or .npz file, a folder" in message
    assert f"Got {source!r}, which does not exist." in message
    assert message.endswith(f"Did you mean {hint}?" if hint else "does not exist.")


def test_a_npy_file_is_images(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES)
    data = read_input(str(tmp_path / "a.npy"))
    assert isinstance(data.images, np.memmap)  # it may exceed the memory
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.labels is None
    assert data.paths is None


@pytest.mark.parametrize(
    ("arrays", "labelled"),
    [
        ({"anything": IMAGES}, False),
        ({"x": IMAGES, "y": LABELS}, True),
        ({"X": IMAGES, "y": LABELS[:, np.newaxis]}, True),
        ({"images": IMAGES, "labels": LABELS}, True),
        ({"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:1], "y_test": [1]}, True),
        ({"images": IMAGES, "other": LABELS}, False),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_npz_file_is_images_and_labels(tmp_path, arrays, labelled, save):
    save(tmp_path / "a.npz", **arrays)
    data = read_input(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(data.images, IMAGES)
    assert (data.labels.tolist() if labelled else data.labels) == ([7, 8, 7] if labelled else None)


@pytest.mark.parametrize("labels", [LABELS[:2], np.zeros((3, 2))], ids=["few", "two"])
def test_a_npz_file_has_one_label_for_each_image(tmp_path, labels):
    np.savez(tmp_path / "a.npz", x=IMAGES, y=labels)
    with pytest.raises(ValueError, match=r"one label for each of its 3 images. Got .*\([26],\)"):
        load_input(InputOptions(str(tmp_path / "a.npz")))


def test_a_npz_file_without_arrays_is_an_error(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="must hold one array, or images and labels"):
        read_input(str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    "output", ["photos/out.npy", "photos/new/out.npy", "other/../photos/o.npy"]
)
def test_an_output_within_the_input_is_an_error(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "other"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="must be outside INPUT"):
        check_apart(str(tmp_path / "photos"), Path(output))
    check_apart("photos", Path("photos.npy"))


def test_a_npz_file_of_unknown_names_is_an_error(tmp_path):
    np.savez(tmp_path / "a.npz", photos=IMAGES, kinds=LABELS)
    with pytest.raises(ValueError, match="named x/y, X/y, .*Got photos, kinds instead"):
        read_input(str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("empty.npy", lambda content: b""),
        ("empty.npz", lambda content: b""),
        ("text.npy", lambda content: b"text\n"),
        ("text.npz", lambda content: b"text\n"),
        ("cut.npy", lambda content: content[:-1]),
        ("cut.npz", lambda content: content[:-1]),
        ("cut_short.npy", lambda content: content[:20]),
        ("cut_short.npz", lambda content: content[:20]),
        ("header.npy", lambda content: content.replace(b"'descr'", b"'other'")),
        ("zeros.npz", lambda content: content[:100] + bytes(40) + content[140:]),
        ("ones.npz", lambda content: content[:60] + b"\xff" * 40 + content[100:]),
    ],
)
def test_a_file_that_is_damaged_is_an_error_that_names_it(tmp_path, name, change):
    path = tmp_path / name
    (np.save if path.suffix == ".npy" else np.savez_compressed)(path, IMAGES)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"The file .*{name}' cannot be read: .+ Save plain"):
        read_input(str(path))


def test_damaged_bytes_anywhere_in_a_npz_are_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=IMAGES)
    content = path.read_bytes()
    for start in range(0, len(content) - 8, 8):
        path.write_bytes(content[:start] + b"\xff" * 8 + content[start + 8 :])
        try:
            data = read_input(str(path))
        except ValueError as exc:
            assert "a.npz' " in str(exc)  # noqa: PT017
        else:  # bytes that nothing reads
            np.testing.assert_array_equal(data.images, IMAGES)


@pytest.mark.parametrize(
    "name", ["bare.npy", "bare.npz", "array.npy", "one.npz", "images.npz", "labels.npz"]
)
def test_pickles_are_never_loaded(tmp_path, name):
    save_pickle(tmp_path / name, tmp_path / "made")
    with pytest.raises(ValueError, match=f"{name}' cannot be read: it holds pickled objects"):
        read_input(str(tmp_path / name))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_plain_arrays_are_not_taken_for_pickles(tmp_path, name):
    long = np.zeros(3, [(f"field {i}, with a long name", "u1") for i in range(500)])
    (np.save if name == "x.npy" else np.savez)(tmp_path / name, long)
    with pytest.raises(ValueError, match="cannot be read: Header info length") as caught:
        read_input(str(tmp_path / name))
    assert "pickle" not in str(caught.value)


def test_objects_that_are_not_read_do_no_harm(tmp_path):
    np.savez(tmp_path / "x.npz", x=IMAGES, names=np.array(["a", None], object))
    np.testing.assert_array_equal(read_input(str(tmp_path / "x.npz")).images, IMAGES)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_pickles_of_these_tests_would_make_a_file(tmp_path):
    save_pickle(tmp_path / "labels.npz", tmp_path / "made")
    with np.load(tmp_path / "labels.npz", allow_pickle=True) as file:
        file["y"]
    assert (tmp_path / "made").exists()


def test_a_folder_is_images_with_the_names_of_its_folders(tmp_path):
    paths = save_images(tmp_path, "cat/2.png", "cat/10.png", "dog/1.png")
    data = read_input(str(tmp_path))
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.labels.tolist() == ["cat", "cat", "dog"]
    assert data.paths.tolist() == paths


def test_a_flat_folder_has_no_labels(tmp_path):
    save_images(tmp_path, "1.png", "2.png")
    data = read_input(str(tmp_path), image_size=2)
    assert data.images.shape == (2, 2, 2, 3)
    assert data.labels is None


def test_images_of_several_sizes_need_a_size(tmp_path):
    save_images(tmp_path, "1.png")
    save_images(tmp_path, "2.png", size=(6, 6))
    with pytest.raises(ValueError, match=r"'size' parameter must .* 4 x 5 pixels .* 6 x 6 pixels"):
        np.asarray(read_input(str(tmp_path)).images)
    assert read_input(str(tmp_path), image_size=3).images.shape == (2, 3, 3, 3)


@pytest.mark.parametrize("form", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_an_archive_is_images_with_the_names_of_its_folders(tmp_path, form):
    save_images(tmp_path / "photos", "cat/2.png", "cat/10.png", "dog/1.png")
    archive = shutil.make_archive(tmp_path / "photos", form, tmp_path, "photos")
    data = read_input(archive)
    np.testing.assert_array_equal(data.images, IMAGES)
    assert data.labels.tolist() == ["cat", "cat", "dog"]
    assert data.paths.tolist() == [
        f"{archive}/photos/{name}" for name in ("cat/2.png", "cat/10.png", "dog/1.png")
    ]
    with pytest.raises(ValueError, match="patches' parameter requires one image file"):
        read_input(archive, patches=3)


@pytest.mark.parametrize("name", ["a.7z", "a.rar", "a.tar.zst", "a.GZ"])
def test_an_archive_of_another_kind_is_an_error(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(
        ValueError, match=r"must be a .zip or a .tar to be read without unpack.*Got .*a\."
    ):
        check_input(str(tmp_path / name))


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no images"):
        read_input(str(tmp_path))


def test_an_image_file_is_one_image(tmp_path):
    paths = save_images(tmp_path, "a.png")
    data = read_input(paths[0])
    np.testing.assert_array_equal(data.images, IMAGES[:1])
    assert data.labels is None
    assert data.paths.tolist() == paths
    assert read_input(paths[0], image_size=7).images.shape == (1, 7, 7, 3)


@pytest.mark.parametrize("kind", ["a.h5::/a/b", "a.npz::b", "a.zarr", "a.zarr::b"])
def test_an_array_in_a_file_is_one_image(tmp_path, kind):
    image = IMAGES[0]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/b"], file["c"] = image, image
    np.savez(tmp_path / "a.npz", b=image, c=image)
    add_array(zarr.open_group(tmp_path / "a.zarr", mode="w"), "b", image)
    source = str(tmp_path / kind)
    data = load_input(InputOptions(source))
    np.testing.assert_array_equal(np.asarray(data.images), image[np.newaxis])
    assert data.paths.tolist() == [source]
    assert data.labels is None
    check_input(source, patches=2)


def test_an_array_in_a_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.h5::/x', which does not exist"):
        check_input(str(tmp_path / "a.h5::/x"))


def test_a_file_that_is_no_image_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(ValueError, match="a.txt' cannot be read"):
        read_input(str(tmp_path / "a.txt"))


def test_patches_are_cut_from_an_image_file(tmp_path):
    (path,) = save_images(tmp_path, "a.png", size=(30, 20))
    data = read_input(path, patches=6, patch_size=8, seed=1)
    np.testing.assert_array_equal(data.images, sample_patches(path, 6, 8, random_state=1))
    assert data.labels is None
    assert data.paths is None
    resized = read_input(path, patches=6, patch_size=8, seed=1, image_size=5)
    assert resized.images.shape == (6, 5, 5, 3)


@pytest.mark.parametrize("source", ["digits", ".", "a.npy", "a.tar", "absent.png"])
def test_patches_of_anything_else_are_an_error(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", IMAGES)
    (tmp_path / "a.tar").touch()
    with pytest.raises(
        ValueError, match=f"patches' parameter requires one image file.* Got '{source}'"
    ):
        read_input(source, patches=3)
