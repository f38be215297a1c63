"""Files are opened wherever they lie, and nothing that is no file keeps its reader waiting."""

import os
import sys
import tarfile
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from special_files import make_fifo, make_socket, make_tar

from sklearn_resnet._io import paths as _paths
from sklearn_resnet._io.paths import (
    as_path,
    file_version,
    is_local,
    is_url,
    is_zarr,
    open_file,
    scan_archive,
    split_dataset,
    split_member,
    suffix_of,
)


def read(path):
    with open_file(path) as file:
        return file.read()


@pytest.mark.parametrize(
    "form", [str, lambda path: path, os.fsencode], ids=["str", "Path", "bytes"]
)
def test_a_file_on_disk(tmp_path, form):
    (tmp_path / "a").write_bytes(b"some")
    assert read(os.fsdecode(form(tmp_path / "a"))) == b"some"


NO_FILES = {
    "a FIFO": make_fifo,
    "a socket": make_socket,
    "a folder": os.mkdir,
    "a device": lambda path: os.symlink("/dev/zero", path),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    NO_FILES[kind]("x.jpg")
    with pytest.raises(OSError) as raised:
        read("x.jpg")
    assert raised.value.strerror == f"it is {kind}, not a regular file"


class ChangingPath(os.PathLike):
    """A path that is asked for once, and then names another file."""

    def __init__(self, first, then):
        self._names = [str(first)]
        self._then = str(then)

    def __str__(self):
        return self._then

    def __fspath__(self):
        return self._names.pop() if self._names else self._then


def test_a_file_that_becomes_a_fifo_meanwhile_does_not_block(tmp_path):
    def try_to_read():
        with pytest.raises(OSError) as raised:
            read(ChangingPath(tmp_path / "file", fifo))
        causes.append(raised.value.strerror)

    fifo, causes = tmp_path / "fifo", []
    make_fifo(fifo)
    (tmp_path / "file").touch()
    thread = threading.Thread(target=try_to_read)
    thread.start()
    thread.join(10)
    if thread.is_alive():  # let it end: its reader waits for a writer
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        thread.join()
        pytest.fail("opening the FIFO blocked")
    assert causes == ["it is a FIFO, not a regular file"]


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        ("a.jpg", ".jpg"),
        ("folder.x/a.NPY", ".npy"),
        (Path("a.tar") / "b.JPG", ".jpg"),
        ("zip://a.JPG::b.zip", ".jpg"),
        ("zip://a::b.zip", ""),
        ("s3://bucket/a.Tif", ".tif"),
        ("folder.x/a", ""),
        (".npy", ""),
    ],
)
def test_the_suffix_of_a_file_is_in_lower_case(path, suffix):
    assert suffix_of(path) == suffix


@pytest.mark.parametrize(
    ("path", "file", "dataset"),
    [
        ("a.h5::/images/1", "a.h5", "/images/1"),
        ("b/a.HDF5::x", "b/a.HDF5", "x"),
        ("a.npz::x::y", "a.npz", "x::y"),
        ("a.zarr::0/1", "a.zarr", "0/1"),
        ("a.fits::SCI,2", "a.fits", "SCI,2"),
        ("a.tar/b.npz::x", "a.tar/b.npz", "x"),
        ("s3://a/b.zarr::0", "s3://a/b.zarr", "0"),
        ("a.h5", "a.h5", None),
        ("a::b.h5", "a::b.h5", None),
        ("a.png::b", "a.png::b", None),
        ("simplecache::s3://a/b.npz", "simplecache::s3://a/b.npz", None),
        ("zip://a.npz::b.zip", "zip://a.npz::b.zip", None),
    ],
)
def test_the_name_of_an_array_is_split_off(path, file, dataset):
    assert split_dataset(path) == (file, dataset)


def test_only_folders_and_urls_can_be_zarr_stores(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "b.zarr").write_bytes(b"")
    (tmp_path / "c").mkdir()
    assert [is_zarr(tmp_path / name) for name in ("a.zarr", "b.zarr", "c")] == [True, False, False]
    assert is_zarr("s3://bucket/a.ZARR")
    assert not is_zarr("s3://bucket/a.npy")


@pytest.mark.parametrize("is_remote", [False, True])
def test_the_version_of_a_zarr_store_is_that_of_its_files(tmp_path, is_remote):
    folder = as_path(f"memory://{tmp_path.name}" if is_remote else tmp_path)
    for name in (".zattrs", "0/c/0", "0/c/1", "1/c/0"):
        (folder / "a.zarr" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "a.zarr" / name).write_bytes(b"0")
    store = str(folder / "a.zarr")
    paths = [store, f"{store}::0", f"{store}::/1"]
    before = [file_version(path) for path in paths]
    assert before == [file_version(path) for path in paths]
    assert len(set(before)) == 3
    (folder / "a.zarr/0/c/1").write_bytes(b"10")
    after = [file_version(path) for path in paths]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True]
    (folder / "a.zarr/1/c/9").write_bytes(b"")  # a chunk more
    assert file_version(paths[2]) != after[2]


def test_the_version_of_an_array_is_that_of_its_file(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"1")
    path = str(tmp_path / "a.npz")
    assert file_version(f"{path}::x") == file_version(path)
    with pytest.raises(FileNotFoundError):
        file_version(f"{tmp_path / 'b.npz'}::x")


def test_an_absent_part_of_a_zarr_store_has_no_version(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(FileNotFoundError):
        file_version(f"{tmp_path / 'a.zarr'}::0")


def test_a_circle_of_links_is_an_error(tmp_path):
    os.symlink(tmp_path / "b.jpg", tmp_path / "a.jpg")
    os.symlink(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path / "a.jpg")


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"some")
    opened = open_file(path)
    opened.__enter__()
    path.write_bytes(b"other, longer")
    with pytest.raises(OSError) as raised:
        opened.__exit__(None, None, None)
    assert raised.value.strerror == "it changed while it was read"


def test_a_file_that_vanishes_while_it_is_read_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"some")
    with open_file(path) as file:
        path.unlink()
        assert file.read() == b"some"


def test_versions_tell_contents_apart(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"some")
    os.utime(path, ns=(0, 5))
    before = file_version(path)
    assert before == file_version(str(path)) == "4-5"
    os.utime(path, ns=(0, 6))
    assert file_version(path) == "4-6"
    os.utime(path, ns=(0, -(10**9)))  # by a clock that was set back
    assert file_version(path) == "4--1000000000"
    path.write_bytes(b"longer")
    os.utime(path, ns=(0, 5))
    assert file_version(path) == "6-5"


def test_members_of_a_tar(tmp_path):
    tar = make_tar(tmp_path / "a.tar", cat__1=b"one", dog__2=b"second")
    assert list(scan_archive(tar)[0]) == ["cat/1", "dog/2"]
    assert read(f"{tar}/cat/1") == b"one"
    assert read(f"{tar}/dog/2") == b"second"
    assert split_member(f"{tar}/dog/2") == (tar, "dog/2")
    assert file_version(f"{tar}/cat/1") == file_version(tar)
    with pytest.raises(FileNotFoundError) as raised:
        read(f"{tar}/no")
    assert "no such member" in raised.value.strerror


def test_a_tar_that_is_replaced_is_listed_anew(tmp_path):
    tar = make_tar(tmp_path / "a.tar", a=b"one")
    assert read(f"{tar}/a") == b"one"
    make_tar(tmp_path / "a.tar", b=b"before it", a=b"two")
    assert read(f"{tar}/a") == b"two"


def test_a_tar_that_ends_too_early(tmp_path):
    tar = make_tar(tmp_path / "a.tar", a=b"x" * 5000)
    assert len(read(f"{tar}/a")) == 5000
    content = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(content[:2000])
    with pytest.raises((OSError, tarfile.TarError)):
        read(f"{tar}/a")


def test_a_folder_may_be_named_as_a_tar(tmp_path):
    (tmp_path / "a.tar").mkdir()
    (tmp_path / "a.tar" / "1").write_bytes(b"one")
    assert read(f"{tmp_path}/a.tar/1") == b"one"


def test_names_that_change_their_length_in_small_letters(tmp_path):
    tar = make_tar(tmp_path / "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}.TAR", a=b"one")
    assert len(tar.lower()) > len(tar)
    assert split_member(f"{tar}/a") == (tar, "a")
    assert read(f"{tar}/a") == b"one"


def test_a_tar_in_a_folder_that_is_named_as_a_tar(tmp_path):
    (tmp_path / "all.tar").mkdir()
    tar = make_tar(tmp_path / "all.tar" / "in.tar", **{"b.tar__1": b"one"})
    assert split_member(f"{tar}/b.tar/1") == (tar, "b.tar/1")
    assert read(f"{tar}/b.tar/1") == b"one"


def test_urls(tmp_path):
    memory = as_path("memory://test_urls/a.bin")
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_bytes(b"some")
    assert is_url("memory://test_urls/a.bin")
    assert not is_url(tmp_path)
    assert read("memory://test_urls/a.bin") == b"some"
    before = file_version("memory://test_urls/a.bin")
    memory.write_bytes(b"others")
    assert file_version("memory://test_urls/a.bin") != before
    versions = []
    for content in (b"same", b"size"):
        memory.write_bytes(content)
        versions.append(file_version("memory://test_urls/a.bin"))
    assert versions[0] != versions[1]  # by the time of the store
    assert versions[1] == file_version("memory://test_urls/a.bin")
    with pytest.raises(FileNotFoundError):
        read("memory://test_urls/none")


def test_versions_of_members_of_an_archive_are_stable(tmp_path):
    import zipfile

    url = f"zip://a.bin::{tmp_path}/all.zip"
    versions = []
    for content in (b"some", b"some", b"else"):
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
            file.writestr(zipfile.ZipInfo("a.bin"), content)
        versions.append(file_version(url))
    assert versions[0] == versions[1] != versions[2]


def test_a_tar_behind_a_url(tmp_path):
    make_tar(tmp_path / "a.tar", cat__1=b"one")
    target = as_path("memory://test_tar/a.tar")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((tmp_path / "a.tar").read_bytes())
    assert read("memory://test_tar/a.tar/cat/1") == b"one"


def test_copies_of_tars_behind_urls_are_few_and_made_once(tmp_path, monkeypatch):
    make_tar(tmp_path / "a.tar", **{f"{i}": b"%d" % i for i in range(8)})
    tars = [f"memory://test_copies/{i}.tar" for i in range(6)]
    as_path(tars[0]).parent.mkdir(parents=True, exist_ok=True)
    make, files = tempfile.TemporaryFile, []

    def make_counted():
        files.append(make())
        return files[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", make_counted)
    for tar in tars:
        as_path(tar).write_bytes((tmp_path / "a.tar").read_bytes())
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(read, [f"{tar}/{i}" for i in range(8)])) == [
                b"%d" % i for i in range(8)
            ]
    assert len(files) == len(tars)
    assert sum(not file.closed for file in files) <= _paths._MAX_COPIES


def test_a_tar_behind_a_url_that_is_replaced_is_copied_anew(tmp_path):
    url = as_path("memory://test_replaced/a.tar")
    url.parent.mkdir(parents=True, exist_ok=True)
    for content in (b"one", b"other"):
        make_tar(tmp_path / "a.tar", a=content)
        url.write_bytes((tmp_path / "a.tar").read_bytes())
        assert read("memory://test_replaced/a.tar/a") == content
        _paths._recent_version.cache.clear()  # as after its time to live


@pytest.mark.parametrize(
    ("url", "missing", "message"),
    [
        ("memory://a", "upath", r"^The URL 'memory://a' needs upath.*sklearn-resnet\[remote\]"),
        ("s3://a/b", "s3fs", "Install s3fs.*\n.*'s3://a/b' needs that package"),
    ],
)
def test_a_url_whose_package_is_missing_names_it(monkeypatch, url, missing, message):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=message):
        as_path(url)


def test_a_path_on_disk_is_local(tmp_path):
    assert is_local(as_path(str(tmp_path)))
    assert not is_local(as_path("memory://folder/a.png"))
