"""Keras' folder, and URLs that answer, refuse or keep silent; all on this machine."""

import contextlib
import hashlib
import http.server
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from local_server import serve, serve_folder

from sklearn_resnet._io import downloads
from sklearn_resnet._io.downloads import (
    RemoteFile,
    _find_failure,
    fetch_file,
    find_file,
    keras_home,
    probe_url,
)
from sklearn_resnet._runtime.errors import DownloadError


@pytest.mark.parametrize(
    ("value", "expected"), [("/data/keras", "/data/keras"), ("~/keras", "/home/someone/keras")]
)
def test_the_variable_sets_kerass_folder(monkeypatch, value, expected):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("KERAS_HOME", value)
    assert keras_home() == Path(expected)


@pytest.mark.parametrize("writable", [True, False])
def test_without_the_variable_keras_uses_the_home_folder(tmp_path, monkeypatch, writable):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: writable)  # root may write anywhere
    assert keras_home() == (tmp_path if writable else Path("/tmp")) / ".keras"


class _Handler(http.server.BaseHTTPRequestHandler):
    calls: list = []  # noqa: RUF012

    def do_HEAD(self):
        self.calls.append(self.path)
        if self.path == "/nonsense":
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/ok")
        else:
            self.send_response(200 if self.path == "/ok" else 404)
        self.end_headers()

    do_GET = do_HEAD  # urllib follows by GET before Python 3.13

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with serve(_Handler) as url:
        yield url


@pytest.fixture(autouse=True)
def _first_time(monkeypatch):
    """As in a process that has probed nothing, without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    _find_failure.cache_clear()


@contextlib.contextmanager
def listening(backlog=5):
    """A socket that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as silent:
        yield silent.getsockname()[1]


@pytest.mark.parametrize("path", ["/ok", "/moved"])
def test_a_url_that_answers_is_let_pass(server, path):
    assert probe_url(server + path) is None


@pytest.mark.parametrize(
    ("path", "message"), [("/absent", "^Not Found$"), ("/nonsense", "^nonsense")]
)
def test_an_answer_that_is_none_is_an_error_at_once(server, path, message):
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=message):
        probe_url(server + path)
    assert time.monotonic() - start < 4


def test_a_refused_port_is_an_error_with_its_cause():
    with listening() as port:
        pass  # closed again: nothing listens there now
    with pytest.raises(ConnectionError, match="refused"):
        probe_url(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("url", ["nowhere", "ftp-like://host/x", "http://"])
def test_what_is_no_url_is_an_error_with_its_cause(url):
    with pytest.raises(ConnectionError, match="unknown url type|no host given"):
        probe_url(url)


@pytest.mark.parametrize("timeout", [0.2, 1])
def test_a_silent_server_is_given_up_in_time(timeout):
    with listening() as port:
        start = time.monotonic()
        with pytest.raises(ConnectionError, match=f"no answer within {timeout} sec|timed out"):
            probe_url(f"http://127.0.0.1:{port}/", timeout=timeout)
        taken = time.monotonic() - start
    assert timeout <= taken + 0.01
    assert taken < timeout + 2


def test_a_server_whose_certificate_is_not_trusted_is_reachable(server):
    """Downloads may trust it: they take the certificates of requests."""
    assert probe_url(server.replace("http:", "https:") + "/ok") is None


def test_a_name_that_is_looked_up_for_ever_is_given_up_in_time(monkeypatch):
    """Sockets' own time limits do not cover the look-up."""
    done = threading.Event()

    def getaddrinfo(*args, **kwargs):
        done.wait(20)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="no answer within 0.3 seconds"):
        probe_url("http://somewhere.invalid/", timeout=0.3)
    assert time.monotonic() - start < 5
    done.set()


def test_a_probe_is_remembered_for_a_minute(server):
    url = f"{server}/late"
    with pytest.raises(ConnectionError):
        probe_url(url)
    _Handler.calls = []
    with pytest.raises(ConnectionError):
        probe_url(url)
    assert _Handler.calls == []
    _find_failure.cache.expire(time.monotonic() + 50)
    assert len(_find_failure.cache) == 1
    _find_failure.cache.expire(time.monotonic() + 61)
    with pytest.raises(ConnectionError):
        probe_url(url)
    assert _Handler.calls == ["/late"]


CONTENT = b"content " * 1000


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A file on a server, which is not on this machine."""
    served = tmp_path / "served"
    served.mkdir()
    (served / "a.bin").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    known_hash = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    with serve_folder(served) as url:
        yield RemoteFile(f"{url}a.bin", "some/place.bin", known_hash, 1), served / "a.bin"


def fetch(file):
    return fetch_file(file, "The file", "Put it there.")


@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_is_downloaded_once_and_verified(remote, damaged):
    file, served = remote
    if damaged:
        file.path.parent.mkdir(parents=True)
        file.path.write_bytes(b"half")
    assert find_file(file) is None
    assert fetch(file) == str(file.path)
    assert file.path.read_bytes() == CONTENT
    served.unlink()
    assert fetch(file) == find_file(file) == str(file.path)
    assert os.listdir(file.path.parent) == ["place.bin"]


def test_a_download_of_another_content_leaves_nothing(remote):
    file, served = remote
    served.write_bytes(b"another content")
    with pytest.raises(DownloadError, match=r"hash .* does not match") as error:
        fetch(file)
    assert str(file.path) in str(error.value)
    assert os.listdir(file.path.parent) == []


def test_a_damaged_file_is_named_and_kept_where_it_cannot_be_downloaded(remote):
    file, served = remote
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(b"half")
    served.unlink()
    with pytest.raises(DownloadError, match="damaged or a different one.*[Nn]ot found"):
        fetch(file)
    assert file.path.read_bytes() == b"half"


def test_an_absent_file_is_not_called_damaged_and_the_error_has_no_chain(remote):
    file, served = remote
    served.unlink()
    with pytest.raises(DownloadError, match="[Nn]ot found") as error:
        fetch(file)
    assert "damaged" not in str(error.value)
    assert error.value.__suppress_context__
    assert error.value.__cause__ is None
    assert (error.value.path, error.value.url) == (file.path, file.url)


def test_a_silent_server_is_given_up_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "_download", lambda file: pytest.fail("asked"))
    with listening() as port:
        pass
    with pytest.raises(DownloadError, match="refused"):
        fetch(RemoteFile(f"http://127.0.0.1:{port}/a", "a", "md5:0", 1))


def test_a_download_that_stops_is_given_up(monkeypatch):
    """The limits of a download are seconds, of a connection and of a pause."""
    import pooch

    given = []
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **options: given.append(options))
    monkeypatch.setattr(pooch, "create", lambda **options: pytest.fail("enough"))
    with pytest.raises(pytest.fail.Exception):
        downloads._download(RemoteFile("http://a", "a", "md5:0", 1))
    assert given[0]["timeout"] == (3, 30)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_the_algorithm_is_that_of_the_known_hash(tmp_path, monkeypatch, algorithm):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "a").write_bytes(CONTENT)
    known_hash = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    file = RemoteFile("http://127.0.0.1:9/a", "a", known_hash, 1)
    assert find_file(file) == fetch(file) == str(tmp_path / "a")


def test_a_file_that_another_process_finishes_in_the_meantime_is_taken(remote, monkeypatch):
    file, served = remote
    file.path.parent.mkdir(parents=True)

    def fail(file):
        served.rename(file.path)
        raise PermissionError("in use")

    monkeypatch.setattr(downloads, "_download", fail)
    assert fetch(file) == str(file.path)


def test_a_file_that_cannot_be_opened_counts_as_absent(remote):
    file, served = remote
    served.unlink()
    file.path.mkdir(parents=True)  # root may open any file, but no folder
    assert find_file(file) is None
    with pytest.raises(DownloadError, match="[Nn]ot found"):
        fetch(file)


def test_a_download_shows_no_bar_where_nobody_looks(remote, capfd, monkeypatch):
    import pooch

    # its handler writes to the stderr of the test that imported pooch first
    monkeypatch.setattr(pooch.get_logger(), "handlers", [])
    fetch(remote[0])
    assert "%" not in capfd.readouterr().err


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(remote, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="Not a directory|exists"):
        fetch(remote[0])
