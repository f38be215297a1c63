"""Formats of weights files, told by their content, and the tensors in them."""

import contextlib
import importlib
import zipfile
from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file, which is not read yet.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
        Its type, as NumPy or PyTorch calls it: ``"float32"``.
    """

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Format:
    """A format of weights files.

    Attributes
    ----------
    module : str
        The module of this package with ``list_tensors(path)`` and ``read_tensors(path, keys)``.
    name : str
        Its name in errors.
    remedy : str
        How to get a file that is not damaged.
    """

    module: str
    name: str
    remedy: str


_DOWNLOAD = "Download it again."
FORMATS = {
    "hdf5": Format(
        "hdf5",
        "an HDF5 file in Keras' format",
        "Keras writes such a file with model.save_weights('name.weights.h5').",
    ),
    "npz": Format(
        "npz",
        "an .npz file of arrays named '<layer>/<number>'",
        "Reinstall sklearn-resnet if the file came with it.",
    ),
    "safetensors": Format("safetensors_files", "a safetensors file", _DOWNLOAD),
    "pytorch": Format("pytorch", "a PyTorch file of tensors", _DOWNLOAD),
}
_EXTENSIONS = {
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".keras": "hdf5",
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".pth": "pytorch",
    ".pt": "pytorch",
    ".bin": "pytorch",
}

# First bytes of files that are no weights, and of formats without a specification of their own
_OTHER_CONTENTS = {
    b"version https://git-lfs": "a Git LFS pointer: the file itself was not downloaded "
    "(git lfs pull fetches it)",
    b"<!doctype html": "a web page (HTML): the download was answered by a page, not by the file",
    b"<html": "a web page (HTML): the download was answered by a page, not by the file",
    b"<?xml": "an XML document: the download was answered by a message, not by the file",
    b"{": "a JSON document, such as the index of a model in several files",
    b"\x1f\x8b": "compressed by gzip: unpack it first",
}
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PYTORCH_NUMBER = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # begins files that are no ZIP archives
_PICKLE_SIGNATURES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


def list_weights_files(folder):
    """List the files in a folder that have the extension of a format, as `Path`, sorted."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in _EXTENSIONS)
    except OSError:
        return []


def list_tensors(path):
    """List the tensors in a file, without reading them.

    Parameters
    ----------
    path : str

    Returns
    -------
    tensors : dict of str to Tensor
        By their key: ``"conv1_conv/0"`` in Keras' formats, ``"module.conv1.weight"`` in PyTorch's.
    weightless : set of str
        Layers without weights, as far as the format lists them.

    Raises
    ------
    ValueError
        If the file is damaged, or of no format that is known.
    ImportError
        If it needs PyTorch, which cannot be imported.
    """
    return _import_format(path).list_tensors(path)


def read_tensors(path, keys):
    """Yield the arrays of some tensors in a file, float32, in the order of `keys`."""
    return _import_format(path).read_tensors(path, keys)


@contextlib.contextmanager
def reading(path, format_name):
    """Turn any exception of a library that reads a file into a ValueError that names the file."""
    try:
        yield
    except Exception as exc:  # a damaged file can make a library raise anything
        raise _damaged(path, format_name, exc) from exc


def _damaged(path, format_name, cause):
    format_ = FORMATS[format_name]
    cause = str(cause).rstrip(".\n ")
    return ValueError(
        f"The weights file {path!r} is damaged, or is not {format_.name}: {cause}. {format_.remedy}"
    )


def _import_format(path):
    module = FORMATS[detect_format(path)].module
    return importlib.import_module(f"sklearn_resnet._network.weight_files.{module}")


def detect_format(path):
    """Find the format of a file by its content, whatever its extension.

    Returns
    -------
    str
        A key of `FORMATS`.

    Raises
    ------
    ValueError
        If it is of none; the message names the content.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    if not head:
        raise ValueError(f"The weights file {path!r} is empty. {_DOWNLOAD}")
    if head.startswith(_HDF5_SIGNATURE):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return _detect_archive(path)
    if head[8:9] == b"{":  # after the length of this JSON document
        return "safetensors"
    if head.startswith(_PICKLE_SIGNATURES) and _PYTORCH_NUMBER in head[:32]:
        return "pytorch"
    raise _unknown(path, _describe(head))


def _describe(head):
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, content in _OTHER_CONTENTS.items():
        if text.startswith(start):
            return f"it is {content}"
    if head.startswith(_PICKLE_SIGNATURES):
        return "it is a Python pickle that torch.save did not write, and pickles are never read"
    if head[257:262] == b"ustar":
        return "it is a tar archive: unpack it, or save its state dict by a newer PyTorch"
    return f"it begins with {head[:16]!r}"


def _unknown(path, cause):
    extension = next((e for e in _EXTENSIONS if path.lower().endswith(e)), None)
    if extension:
        return _damaged(path, _EXTENSIONS[extension], cause)
    names = [format_.name for format_ in FORMATS.values()]
    return ValueError(
        f"The weights file {path!r} must be {', '.join(names[:-1])} or {names[-1]}, but {cause}."
    )


def _detect_archive(path):
    """Tell the formats that are ZIP archives by their members."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
        raise _unknown(path, f"it is a ZIP archive that is cut off or damaged ({exc})") from exc
    if any(name.endswith("/constants.pkl") for name in names):
        raise ValueError(
            f"The weights file {path!r} is a TorchScript archive, which holds code. Save the state "
            "dict of its module instead: torch.save(torch.jit.load(path).state_dict(), 'name.pth')."
        )
    if any(name.endswith("/data.pkl") for name in names):
        return "pytorch"
    if "model.weights.h5" in names:
        return "hdf5"
    if any(name.endswith(".npy") for name in names):
        return "npz"
    shown = ", ".join(map(repr, names[:3])) or "nothing"
    raise _unknown(path, f"it is a ZIP archive that holds {shown}")
