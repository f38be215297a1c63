"""Formats are told by the content of a file, and other contents are named."""

import zipfile

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from sklearn_resnet._network.weight_files.formats import detect_format

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def write_archive(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")


@pytest.mark.parametrize("extension", ["pth", "bin", "npz", "h5", "safetensors", "weights"])
def test_the_extension_does_not_matter(tmp_path, extension):
    path = str(tmp_path / f"file.{extension}")
    with h5py.File(path, "w"):
        pass
    assert detect_format(path) == "hdf5"
    save_file({"a": np.zeros(3)}, path)
    assert detect_format(path) == "safetensors"
    for content in (LEGACY, LEGACY.replace(b"\x80\x02", b"\x80\x04\x95\r" + bytes(7))):
        with open(path, "wb") as file:
            file.write(content + b"...")
        assert detect_format(path) == "pytorch"
    for names, expected in {
        ("name/data.pkl", "name/data/0"): "pytorch",
        ("config.json", "model.weights.h5"): "hdf5",
        ("conv1_conv/0.npy",): "npz",
    }.items():
        write_archive(path, *names)
        assert detect_format(path) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\n  <!DOCTYPE html><html>", "a web page"),
        (b"<html>", "a web page"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML document"),
        (b' {"metadata": {}}', "a JSON document"),
        (b"\x1f\x8b\x08\x00", "compressed by gzip"),
        (b"\x80\x04\x95\x0c.", "a Python pickle .* pickles are never read"),
        (b"\0" * 257 + b"ustar\0", "a tar archive"),
        (b"\x89PNG\r\n\x1a\n", r"begins with b'\\x89PNG"),
        (b"PK\x03\x04 half of it", "a ZIP archive that is cut off or damaged"),
    ],
)
@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        (".pth", "is damaged, or is not a PyTorch file of tensors: it "),
        (".weights.h5", "is damaged, or is not an HDF5 file in Keras' format: it "),
        (".safetensors", "is damaged, or is not a safetensors file: it "),
        (".npz", r"is damaged, or is not an .npz file of arrays named '<layer>/<number>': it "),
        ("", "must be an HDF5 file .*, a safetensors file or a PyTorch file of tensors, but it "),
    ],
)
def test_other_contents_are_named(tmp_path, content, message, extension, expected):
    path = tmp_path / f"weights{extension}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        detect_format(str(path))
    assert repr(str(path)) in str(error.value)
    if content:
        error.match(expected)


def test_other_archives_are_named(tmp_path):
    path = str(tmp_path / "weights.pt")
    write_archive(path, "a/data.pkl", "a/constants.pkl", "a/code/model.py")
    with pytest.raises(ValueError, match="a TorchScript archive, .* Save the state dict"):
        detect_format(path)
    write_archive(path, "a.txt", "b.txt", "c.txt", "d.txt")
    with pytest.raises(ValueError, match=r"a ZIP archive that holds 'a.txt', 'b.txt', 'c.txt'\. "):
        detect_format(path)
    write_archive(path)
    with pytest.raises(ValueError, match=r"begins with b'PK"):
        detect_format(path)
