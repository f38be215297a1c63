"""Tars, FIFOs, sockets and pickles to read, or to refuse."""

import io
import os
import pickle
import socket
import tarfile

import numpy as np
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


class _MakesFile:
    """Unpickled, it makes a file: what a malicious pickle could do worse."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def save_pickle(path, made):
    """Save a pickle in one of the ways that numpy can, or bare."""
    bomb = np.array([_MakesFile(made)], object)
    kind = path.stem
    if kind == "bare":
        path.write_bytes(pickle.dumps(_MakesFile(made)))
    elif kind == "array":
        np.save(path, bomb)
    elif kind == "one":
        np.savez(path, bomb)
    elif kind == "images":
        np.savez(path, x=bomb, y=np.zeros(3))
    elif kind == "labels":
        np.savez(path, x=np.zeros((3, 4, 5, 3), np.uint8), y=bomb)
