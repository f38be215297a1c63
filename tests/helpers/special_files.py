"""Tars, FIFOs and sockets to read, or to refuse."""

import io
import os
import socket
import tarfile

import pytest


def make_tar(path, **members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return str(path)


def make_fifo(path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no FIFOs")
    os.mkfifo(path)


def make_socket(path):
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no sockets among its files")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.close()
