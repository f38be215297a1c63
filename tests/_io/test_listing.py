"""Files below folders, behind URLs and in tars: all, once, and in a finite time."""

import errno
import importlib.machinery
import io
import os
import shutil
import sys
import tarfile
import tempfile
import types
from itertools import chain
from pathlib import Path

import fsspec
import numpy as np
import pytest
from special_files import make_fifo, make_tar

from sklearn_resnet import ImageLoader
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._io.listing import join, list_files, list_shards
from sklearn_resnet._io.paths import as_path, file_version, open_file
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.datasets import load_image_folder


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    touch(tmp_path, "a/1", "a/.2", ".b/3", "4")
    assert sorted(list_files(tmp_path)) == [("4",), ("a", "1")]


SYSTEM_FOLDERS = (
    "@eaDir", "#recycle", "$RECYCLE.BIN", "$Recycle.Bin", "lost+found", "__MACOSX", "#snapshot",
    "System Volume Information", "@Recycle",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "URL", ".zip", ".tar"])
def test_folders_that_systems_make_are_passed_over(tmp_path, kind):
    names = [f"{folder}{name}.npy" for name in SYSTEM_FOLDERS for folder in ("", "cat/")]
    hidden = [
        f"{folder}{name}/1.npy" for name in SYSTEM_FOLDERS for folder in ("", "cat/", "cat/x/")
    ]
    touch(tmp_path / "photos", *names, *hidden, "@recycled/1.npy")
    source = str(tmp_path / "photos")
    if kind == "URL":
        source = f"memory://{tmp_path.name}"
        for name in (*names, *hidden, "@recycled/1.npy"):
            as_path(f"{source}/{name}").parent.mkdir(parents=True, exist_ok=True)
            as_path(f"{source}/{name}").write_bytes(b"")
    elif kind != "folder":
        source = shutil.make_archive(source, kind[1:], source)
    with pytest.warns(UserWarning, match="are not in a class folder"):
        paths = load_image_folder(source).data
    assert sorted(path[len(source) + 1 :] for path in paths) == sorted([*names, "@recycled/1.npy"])


def test_a_folder_of_a_system_can_be_named(tmp_path):
    touch(tmp_path, "lost+found/1.npy")
    assert load_image_folder(tmp_path / "lost+found").data.size == 1


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["photos/cat/1.npy", "photos/dog/1.npy"], ["cat", "dog"]),
        (["photos/cat/a/1.npy", "photos/dog/b/c/1.npy"], ["cat", "dog"]),
        (["photos/cat/1.npy", "photos/cat/2.npy"], ["photos", "photos"]),
        (["cat/1.npy", "cat/2.npy"], ["cat", "cat"]),
        (["photos/1.npy", "photos/cat/1.npy", "photos/dog/2.npy"], ["photos"] * 3),
        (["photos/cat/1.npy", "photos/dog/1.npy", "more/dog/1.npy"], ["more", "photos", "photos"]),
    ],
)
def test_one_folder_that_holds_all_class_folders_of_an_archive_is_no_class(
    tmp_path, suffix, names, labels
):
    touch(tmp_path / "all", *names)
    form = {".zip": "zip", ".tar.gz": "gztar"}[suffix]
    archive = shutil.make_archive(tmp_path / "a", form, tmp_path / "all")
    paths, found = load_image_folder(archive, return_X_y=True)
    assert sorted(paths) == sorted(f"{archive}/{name}" for name in names)
    assert found.tolist() == labels
    with open_file(paths[0]) as file:
        assert file.read().decode() in names


def test_zips_and_tars_in_one_folder(tmp_path):
    touch(tmp_path / "all", "cat/1.npy", "dog/1.npy")
    for form in ("zip", "tar", "gztar"):
        shutil.make_archive(tmp_path / "shards" / form, form, tmp_path / "all")
    paths, labels = load_image_folder(tmp_path / "shards", return_X_y=True)
    archives = ("gztar.tar.gz", "tar.tar", "zip.zip")
    names = [f"{archive}/{name}/1.npy" for archive in archives for name in ("cat", "dog")]
    assert [os.path.relpath(path, tmp_path / "shards") for path in paths] == names
    assert labels.tolist() == ["cat", "dog"] * 3


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_what_is_passed_over_is_counted_by_its_suffix(tmp_path, kind):
    others = ("1.MOV", "cat/2.mov", "cat/3.PSD", "4", "cat/labels.csv", "cat/1.txt", ".hidden.psd")
    touch(tmp_path / "photos", "cat/1.jpg", *others)
    source = tmp_path / "photos"
    if kind != "folder":
        source = shutil.make_archive(source, kind, source)
    counts = r"can be read: \.mov \(2\), no suffix \(1\), \.psd \(1\)\. Convert"
    with pytest.warns(UserWarning, match=counts) as caught:
        load_image_folder(source)
    assert [warning.filename for warning in caught] == [__file__]


def test_tables_and_texts_beside_images_are_no_reason_for_a_warning(tmp_path):
    touch(
        tmp_path, "1.jpg", "labels.csv", "a.json", "README.md", "1.xmp", "Thumbs.db", "desktop.ini"
    )
    assert load_image_folder(tmp_path).data.size == 1


def test_only_the_most_frequent_suffixes_are_named(tmp_path):
    touch(tmp_path, "1.jpg", *(f"{i}.x{j}" for j in range(10) for i in range(20 - j)))
    with pytest.warns(
        UserWarning, match=r"can be read: \.x0 \(20\), .*\.x7 \(13\) and 2 other suffixes\. Conv"
    ):
        load_image_folder(tmp_path)


PACKAGES = {"pillow_heif": ["1.heic", "2.HEIF", "3.hif"], "pillow_jxl": ["4.jxl"]}


def test_formats_of_other_packages_are_listed_if_these_are_installed(tmp_path, monkeypatch):
    for package, names in PACKAGES.items():
        module = types.ModuleType(package)
        module.__spec__ = importlib.machinery.ModuleSpec(package, None)
        monkeypatch.setitem(sys.modules, package, module)
        touch(tmp_path, *names)
    paths = load_image_folder(tmp_path).data
    assert [os.path.basename(path) for path in paths] == list(chain(*PACKAGES.values()))


def test_formats_of_other_packages_are_warned_of_if_these_are_not_installed(tmp_path):
    touch(tmp_path, "1.jpg", *chain(*PACKAGES.values()))
    with (
        hidden_module("pillow_heif"),
        hidden_module("pillow_jxl"),
        pytest.warns(UserWarning, match=r"\.jxl: pip install 'sklearn-resnet\[heif,jxl\]'"),
    ):
        paths = load_image_folder(tmp_path).data
    assert [os.path.basename(path) for path in paths] == ["1.jpg"]


@pytest.mark.parametrize("kind", ["folder", "URL"])
def test_a_zarr_store_is_one_file(tmp_path, kind):
    stores = [
        f"cat/{name}/{part}" for name in ("1.zarr", "2.ZARR") for part in (".zattrs", "0/c/0")
    ]
    names = [*stores, "dog/3.npy", "dog/zarr/4.npy"]
    touch(tmp_path / "photos", *names)
    (tmp_path / "photos" / "dog" / "5.zarr").symlink_to(tmp_path / "photos" / "cat" / "1.zarr")
    source = str(tmp_path / "photos")
    linked = [("dog", "5.zarr")]
    if kind == "URL":
        source, linked = f"memory://{tmp_path.name}", []
        for name in names:
            as_path(f"{source}/{name}").parent.mkdir(parents=True, exist_ok=True)
            as_path(f"{source}/{name}").write_bytes(b"")
    expected = [("cat", "1.zarr"), ("cat", "2.ZARR"), ("dog", "3.npy"), ("dog", "zarr", "4.npy")]
    assert sorted(list_files(source)) == sorted([*expected, *linked])


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    touch(tmp_path, "photos/cat/1", "elsewhere/2")
    os.symlink(tmp_path / "elsewhere", tmp_path / "photos" / "dog")
    os.symlink(tmp_path / "photos", tmp_path / "photos" / "cat" / "up")
    os.symlink(".", tmp_path / "photos" / "self")
    os.symlink(tmp_path / "photos" / "cat", tmp_path / "elsewhere" / "cats")
    assert sorted(list_files(tmp_path / "photos")) == [("cat", "1"), ("dog", "2")]


def test_a_folder_of_several_names_is_listed_under_that_with_the_fewest_links(tmp_path):
    touch(tmp_path, "elsewhere/1", "photos/z/2")
    for name, target in {
        "b": "../elsewhere",
        "a/c": "../b",
        "a/y": "../z",
        "c": "../elsewhere",
    }.items():
        (tmp_path / "photos" / name).parent.mkdir(exist_ok=True)
        os.symlink(target, tmp_path / "photos" / name)
    assert sorted(list_files(tmp_path / "photos")) == [("a", "c", "1"), ("z", "2")]


def test_folders_that_all_link_to_each_other_are_listed_once(tmp_path):
    for i in range(30):
        touch(tmp_path, f"{i}/a")
        for j in range(30):
            if i != j:
                os.symlink(f"../{j}", tmp_path / f"{i}" / f"{j}")
    assert sorted(list_files(tmp_path)) == sorted((f"{i}", "a") for i in range(30))


def test_a_link_to_itself_is_a_file(tmp_path):
    touch(tmp_path, "cat/1.jpg")
    os.symlink("loop.jpg", tmp_path / "cat" / "loop.jpg")
    os.symlink("loop", tmp_path / "loop")
    with pytest.warns(UserWarning, match=r"no suffix \(1\)"):
        paths, labels = load_image_folder(tmp_path, return_X_y=True)
    assert [os.path.basename(path) for path in paths] == ["1.jpg", "loop.jpg"]
    assert labels.tolist() == ["cat", "cat"]


def test_folders_may_be_nested_deeply(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):
        os.mkdir("d")
        os.chdir("d")
    touch(Path(), "1")
    try:
        assert list_files(tmp_path) == [("d",) * 1200 + ("1",)]
    finally:  # pytest removes folders by a function that calls itself
        for _ in range(1200):
            for name in os.listdir():
                os.unlink(name) if name == "1" else os.rmdir(name)
            os.chdir("..")


@pytest.fixture
def locked(monkeypatch):
    """Lets folders whose name is "locked" be listed by nobody, which root would do."""
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


@pytest.mark.usefixtures("locked")
def test_a_folder_that_cannot_be_listed_is_an_image_that_cannot_be_read(tmp_path):
    touch(tmp_path, "cat/1.jpg", "cat/locked/2.jpg", "locked/3.jpg")
    paths, labels = load_image_folder(tmp_path, return_X_y=True)
    assert [os.path.relpath(path, tmp_path) for path in paths] == [
        "cat/1.jpg",
        "cat/locked",
        "locked",
    ]
    assert labels.tolist() == ["cat", "cat", "locked"]
    with pytest.raises(PermissionError, match="locked' cannot be opened: Permission denied"):
        read_image(paths[1])


@pytest.mark.usefixtures("locked")
def test_a_folder_that_cannot_be_listed_among_tars_is_an_error(tmp_path):
    touch(tmp_path, "locked/1.tar")
    make_tar(tmp_path / "a.tar", **{"1.jpg": b""})
    with pytest.raises(ValueError, match="locked' cannot be read: Permission denied"):
        load_image_folder(tmp_path)


@pytest.mark.usefixtures("locked")
def test_the_folder_itself_that_cannot_be_listed_is_an_error(tmp_path):
    (tmp_path / "locked").mkdir()
    with pytest.raises(PermissionError, match="locked' cannot be listed: Permission denied. .+"):
        load_image_folder(tmp_path / "locked")


def test_a_path_that_is_too_long_is_an_image_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    paths, _ = load_image_folder(tmp_path, return_X_y=True)
    assert len(paths) == 1
    with pytest.raises(OSError, match="File name too long"):
        read_image(paths[0])


@pytest.mark.parametrize("form", ["zip", "memory"])
def test_a_folder_behind_a_url(tmp_path, form):
    from zipfile import ZipFile

    names = ["cat/2.npy", "cat/10.npy", "dog/1.npy", ".git/1.npy"]
    arrays = {name: np.full((4, 4, 3), i, np.uint8) for i, name in enumerate(names)}
    if form == "zip":
        url = f"zip://::{tmp_path}/all.zip"
        with ZipFile(tmp_path / "all.zip", "w") as file:
            for name, array in arrays.items():
                np.save(tmp_path / "one.npy", array)
                file.write(tmp_path / "one.npy", name)
    else:
        url = "memory://test_listing/photos"
        for name, array in arrays.items():
            path = as_path(f"{url}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.save(file, array)
    paths, labels = load_image_folder(url, return_X_y=True)
    assert paths.tolist() == [join(url, *name.split("/")) for name in names[:3]]
    assert labels.tolist() == ["cat", "cat", "dog"]
    images = ImageLoader().fit_transform(paths)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_an_absent_url_is_named():
    with pytest.raises(FileNotFoundError, match="memory://nowhere"):
        load_image_folder("memory://nowhere")


def test_shards_with_their_classes_beside_the_images(tmp_path):
    make_tar(tmp_path / "10.tar", **{"1.jpg": b"", "1.cls": b"7\n"})
    make_tar(tmp_path / "9.tar", **{"2.jpg": b"", "10.png": b"", "2.cls": b"3", "10.cls": b"4"})
    paths, labels = load_image_folder(tmp_path, return_X_y=True)
    names = [os.path.relpath(path, tmp_path) for path in paths]
    assert names == ["9.tar/2.jpg", "9.tar/10.png", "10.tar/1.jpg"]
    assert labels.tolist() == ["3", "4", "7"]


def test_tars_behind_a_url_are_listed_without_copies(tmp_path, monkeypatch):
    url = "memory://test_shards"
    as_path(url).mkdir(parents=True, exist_ok=True)
    for i in range(3):
        make_tar(tmp_path / "a.tar", **{"1.jpg": b"x" * 5000, "1.cls": b"%d" % i})
        as_path(f"{url}/{i}.tar").write_bytes((tmp_path / "a.tar").read_bytes())
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *args: pytest.fail("copied"))
    monkeypatch.setattr(fsspec, "open_local", lambda *args: pytest.fail("copied"))
    paths, labels = load_image_folder(url, return_X_y=True)
    assert paths.tolist() == [f"{url}/{i}.tar/1.jpg" for i in range(3)]
    assert labels.tolist() == ["0", "1", "2"]
    assert len({file_version(path) for path in paths}) == 3


def test_what_is_too_long_for_a_label_is_none(tmp_path):
    tar = make_tar(tmp_path / "a.tar", **{"1.jpg": b"", "1.cls": b"x" * 2000})
    assert list_shards([tar], {".jpg"})[2] is None


def test_a_tar_in_a_folder_that_is_named_as_a_tar(tmp_path):
    (tmp_path / "all.tar").mkdir()
    tar = make_tar(tmp_path / "all.tar" / "in.tar", **{"1.npy": b"", "1.cls": b"7"})
    paths, labels = load_image_folder(tmp_path / "all.tar", return_X_y=True)
    assert paths.tolist() == [f"{tar}/1.npy"]
    assert labels.tolist() == ["7"]


def test_a_fifo_that_is_named_as_a_tar_keeps_nobody_waiting(tmp_path):
    make_fifo(tmp_path / "a.tar")
    for source in (tmp_path, tmp_path / "a.tar"):
        with pytest.raises(
            ValueError, match=r"a\.tar' cannot be read: it is a FIFO, not a regular"
        ):
            load_image_folder(source)


def test_folders_in_a_tar_are_classes(tmp_path):
    tar = make_tar(tmp_path / "a.tar", **{"cat__1.jpg": b"", "dog__1.jpg": b"", "dog__x.txt": b""})
    paths, labels = load_image_folder(tar, return_X_y=True)
    assert paths.tolist() == [f"{tar}/cat/1.jpg", f"{tar}/dog/1.jpg"]
    assert labels.tolist() == ["cat", "dog"]


def test_a_class_file_that_is_missing_leaves_no_labels(tmp_path):
    tar = make_tar(tmp_path / "a.tar", **{"1.jpg": b"", "2.jpg": b"", "2.cls": b"3"})
    with pytest.warns(UserWarning, match="1 of the 2 images in archives have no label file"):
        assert list_shards([tar], {".jpg"})[2] is None


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b" + b"x" * 600])
def test_a_damaged_tar_is_named(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.tar"):
        load_image_folder(tmp_path / "a.tar")


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.{}", "a.T{}"])
def test_a_compressed_tar_is_listed_whatever_it_is_called(tmp_path, compression, name):
    with tarfile.open(tmp_path / name.format(compression), f"w:{compression}") as tar:
        for member, content in {"cat/1.npy": b"one", "cat/1.cls": b"7"}.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for source in (tmp_path, tar.name):
        paths, labels = load_image_folder(source, return_X_y=True)
        assert paths.tolist() == [f"{tar.name}/cat/1.npy"]
        assert labels.tolist() == ["7"]
        with open_file(paths[0]) as file:
            assert file.read() == b"one"


def test_suffixes_are_matched_without_regard_to_case(tmp_path):
    tar = make_tar(tmp_path / "A.TAR", **{"1.JPG": b"", "2.Npy": b"", "x.TXT": b""})
    for source in (tmp_path, tar):
        paths, labels = load_image_folder(source, return_X_y=True)
        assert paths.tolist() == [f"{tar}/1.JPG", f"{tar}/2.Npy"]
        assert labels is None


def test_members_of_a_tar_are_in_natural_order(tmp_path):
    names = ["1.jpg", "2.jpg", "10.jpg", "b/1.jpg"]
    tar = make_tar(tmp_path / "a.tar", **dict.fromkeys(reversed(names), b""))
    assert list_shards([tar], {".jpg"})[0] == [f"{tar}/{name}" for name in names]


def test_labels_that_are_no_utf_8_are_read_without_white_space(tmp_path):
    tar = make_tar(tmp_path / "a.tar", **{"1.jpg": b"", "1.cls": b" caf\xe9 \r\n"})
    assert list_shards([tar], {".jpg"})[2].tolist() == ["caf\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize(
    ("n_tars", "others"), [(1, ""), (3, ", nor does any of the 2 archives beside it")]
)
def test_tars_without_images_are_counted(tmp_path, n_tars, others):
    tars = [make_tar(tmp_path / f"{i}.tar", **{"1.txt": b""}) for i in range(n_tars)]
    with pytest.raises(ValueError, match=rf"0\.tar' holds no images{others}\.$"):
        list_shards(tars, {".jpg"})


def test_images_win_over_tars_beside_them(tmp_path):
    touch(tmp_path, "1.jpg")
    make_tar(tmp_path / "a.tar", **{"2.jpg": b""})
    with pytest.warns(UserWarning, match=r"passed over.*: \.tar \(1\)\. Archives are read if no"):
        assert load_image_folder(tmp_path).data.tolist() == [str(tmp_path / "1.jpg")]


def test_links_and_devices_in_a_tar_are_no_images(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"{kind!r}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    with pytest.raises(ValueError, match="holds no images"):
        load_image_folder(tmp_path / "a.tar")
