"""Folders of images: what is listed, in which order, and the errors of those without images."""

import contextlib
import os

import pytest
from PIL import Image

from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.datasets import load_image_folder


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
