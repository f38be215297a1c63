"""Keras' folder, and URLs that answer, refuse or keep silent; all on this machine."""

import contextlib
import http.server
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from sklearn_resnet._io.downloads import keras_home, probe_url


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
    def do_HEAD(self):
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
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


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
