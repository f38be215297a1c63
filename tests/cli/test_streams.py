"""Closed and broken streams of a command."""

import errno
import io
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sklearn_resnet.cli.streams import _LossyFile, print_result, safe_streams

EMBEDDING = shlex.quote(str(Path(sys.executable).with_name("embedding")))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shell is of POSIX")


def bash(line, cwd):
    command = ["bash", "-c", f"{EMBEDDING} {line}"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param("2>&-", marks=pytest.mark.long),
        "<&- >&- 2>&-",
        pytest.param("> >(true) 2> >(true)", marks=pytest.mark.long),
        pytest.param(">/dev/full 2>/dev/full", marks=pytest.mark.long),
    ],
)
def test_streams_that_cannot_be_written_harm_no_file(tmp_path, streams):
    (tmp_path / "labels.txt").write_text("a\n" * 1797)
    done = bash(f"digits out.npz -m pca -d 2 -p --labels labels.txt {streams}", tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()} - {"labels.txt"}
    assert names == {"out.json", "out.npz", "out_pca.png"}
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stream", ["2>&-", pytest.param("2> >(true)", marks=pytest.mark.long)])
def test_the_exit_code_of_a_usage_error_is_kept(tmp_path, stream):
    assert bash(f"layers --bogus {stream}", tmp_path).returncode == 2


def test_a_result_that_is_lost_is_an_error(tmp_path):
    done = bash("layers >/dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "Error: The result cannot be printed: No space left on device.\n"
    done = bash("layers | head -n 1", tmp_path)
    assert (done.stdout[:5], done.stderr) == ("index", "")


def test_no_file_gets_the_descriptor_of_a_closed_stream(tmp_path):
    program = """
import os, sys
os.close(0), os.close(2)
from sklearn_resnet.cli.streams import safe_streams
with safe_streams():
    assert os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT) > 2
    os.write(2, b"text")
print("done")
"""
    command = [sys.executable, "-c", program, tmp_path / "file"]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout == "done\n"


class Raw:
    """A file that takes two bytes at once, or raises an error."""

    def __init__(self, error=None):
        self.error = error
        self.written = b""

    def write(self, data):
        if self.error is not None:
            raise self.error
        self.written += bytes(data[:2])
        return len(data[:2])


def test_a_lossy_file_writes_all_that_it_can():
    raw = Raw()
    with io.BufferedWriter(_LossyFile(raw)) as file:
        file.write(b"a long line")
    assert raw.written == b"a long line"
    lossy = _LossyFile(Raw(OSError(errno.ENOSPC, "full")))
    assert lossy.write(b"abc") == 3
    assert lossy.error.errno == errno.ENOSPC


def test_absent_streams_are_replaced_for_a_while(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with safe_streams():
        print("text")
        print("text", file=sys.stderr)
        print_result("text")
    assert sys.stdout is sys.stderr is None


def test_text_that_an_encoding_lacks_is_escaped(monkeypatch):
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    with safe_streams():
        print("caf\udce9 \u732b")
    assert buffer.getvalue() == b"caf\\udce9 \\u732b\n"
