"""Files appear whole or not at all."""

import contextlib
import errno
import os
import stat
import tempfile

import pytest

from sklearn_resnet._io.atomic import atomic_write, check_writable
from sklearn_resnet._io.paths import as_path


def list_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_half(path, error):
    with atomic_write(path) as whole:
        whole.write_text("half")
        raise error


@pytest.mark.parametrize("as_path", [str, lambda path: path], ids=["str", "Path"])
def test_the_file_appears_at_the_end(tmp_path, as_path):
    path = tmp_path / "out.csv"
    with atomic_write(as_path(path)) as whole:
        assert whole.parent == tmp_path
        assert whole.suffix == ".csv"
        assert whole.name.startswith(".")
        whole.write_text("some")
        assert not path.exists()
    assert path.read_text() == "some"
    assert list_files(tmp_path) == ["out.csv"]


def test_an_old_file_stays_until_the_end(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    os.link(path, tmp_path / "link")
    with atomic_write(path) as whole:
        whole.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert (tmp_path / "link").read_text() == "old"  # replaced, not written over


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, "old"])
def test_after_an_error_all_is_as_before(tmp_path, error, old):
    path = tmp_path / "out.csv"
    if old is not None:
        path.write_text(old)
    before = list_files(tmp_path)

    with pytest.raises(error):
        write_half(path, error)
    assert list_files(tmp_path) == before
    if old is not None:
        assert path.read_text() == old


def test_a_file_that_the_writer_itself_removed_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.csv") as whole:
        whole.unlink()
    assert list_files(tmp_path) == []


def test_folders_are_made(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "out.csv") as whole:
        whole.write_text("some")
    assert list_files(tmp_path) == ["a", "a/b", "a/b/out.csv"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_an_error_that_names_the_file_and_helps(tmp_path, code):
    path = tmp_path / "out.csv"
    path.write_text("old")
    message = rf"Cannot write '{path}': {os.strerror(code)}\. Free some space, .* is unchanged"
    with pytest.raises(OSError, match=message):
        write_half(path, OSError(code, os.strerror(code)))
    assert path.read_text() == "old"
    assert list_files(tmp_path) == ["out.csv"]


def test_another_error_of_the_system_is_passed_on(tmp_path):
    error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output") as caught:
        write_half(tmp_path / "out.csv", error)
    assert caught.value is error


@pytest.mark.parametrize("root", ["memory://test_atomic", "local://"])
def test_a_file_behind_a_url_appears_at_the_end(tmp_path, root):
    path = as_path(f"{root}{tmp_path}/folder/deep/out.csv")
    with atomic_write(path) as whole:
        assert whole.name == "out.csv"
        whole.write_text("some")
        assert not path.exists()
    assert path.read_text() == "some"
    with pytest.raises(RuntimeError):
        write_half(str(path), RuntimeError)
    assert path.read_text() == "some"
    with atomic_write(str(path)) as whole:
        whole.write_text("new")
    assert path.read_text() == "new"


def test_a_file_that_cannot_be_uploaded_is_named(tmp_path):
    (tmp_path / "file").touch()
    message = r"Cannot write 'local.*/file/out\.csv': .+ Choose a file"
    with (
        pytest.raises(OSError, match=message),
        atomic_write(f"local://{tmp_path}/file/out.csv") as whole,
    ):
        whole.write_text("some")


def test_a_bare_name_goes_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write("out") as whole:
        whole.write_text("some")
    assert list_files(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["x" * 250 + ".csv", "é" * 120 + ".csv", "a.b.c", ".csv"])
def test_odd_names_can_be_written(tmp_path, name):
    with atomic_write(tmp_path / name) as whole:
        whole.write_text("some")
    assert list_files(tmp_path) == [name]


@pytest.mark.parametrize("function", [check_writable, lambda path: atomic_write(path).__enter__()])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("file/out.csv", FileExistsError),
        ("file/deep/out.csv", NotADirectoryError),
        ("folder", IsADirectoryError),
        ("x" * 300 + ".csv", OSError),
        ("y" * 300 + "/out.csv", OSError),
    ],
)
def test_a_path_that_cannot_be_written_is_an_error_that_names_it(tmp_path, function, name, error):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        error, match=rf"Cannot write '.*{name}': .+\. Choose a file in a writable folder"
    ):
        function(tmp_path / name)
    assert list_files(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_an_error_that_is_not_made_of_a_message_is_told_as_what_it_is(tmp_path, monkeypatch):
    class OddError(PermissionError):
        def __init__(self, code, reason, headers):
            super().__init__(code, reason)

    def refuse(*args, **kwargs):
        raise OddError(13, "no such right", {})

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(PermissionError, match=r"Cannot write '.*out.csv': no such right\."):
        check_writable(tmp_path / "out.csv")


def test_what_is_flushed_is_open_for_writing(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    modes = []
    monkeypatch.setattr(os, "fsync", lambda file: modes.append(fcntl.fcntl(file, fcntl.F_GETFL)))
    with atomic_write(tmp_path / "out.csv"):
        pass
    assert [mode & os.O_ACCMODE for mode in modes] == [os.O_RDWR]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_mode_is_that_of_an_ordinary_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        (tmp_path / "plain").touch()
        with atomic_write(tmp_path / "whole") as whole:
            whole.write_text("some")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")]
    assert modes == [0o666 & ~umask] * 2


def test_no_file_is_left_open(tmp_path):
    def is_open(descriptor):
        with contextlib.suppress(OSError):
            return bool(os.fstat(descriptor))

    before = list(filter(is_open, range(1000)))
    with atomic_write(tmp_path / "whole"):
        pass
    assert list(filter(is_open, range(1000))) == before


@pytest.mark.parametrize("old", [None, "old"])
def test_checking_writes_nothing(tmp_path, old):
    path = tmp_path / "out.csv"
    if old is not None:
        path.write_text(old)
    before = list_files(tmp_path)
    check_writable(path)
    assert list_files(tmp_path) == before
    if old is not None:
        assert path.read_text() == old
