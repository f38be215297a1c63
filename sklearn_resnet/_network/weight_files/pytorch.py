"""Files that torch.save wrote. They are pickles, which PyTorch alone reads, and tensors only."""

import os
import pickle
import re
import zipfile

from sklearn_resnet._network.weight_files.formats import Tensor, reading

_MAX_ITEMS = 100_000  # in all dicts of a checkpoint
_MAX_DEPTH = 20  # of dicts in dicts


def list_tensors(path):
    """List the tensors in a state dict, or in nested dicts; see `formats.list_tensors`."""
    state = _load(path)
    with reading(path, "pytorch"):
        tensors = {
            key: Tensor(tuple(value.shape), str(value.dtype).removeprefix("torch."))
            for key, value in _flatten(state).items()
        }
    return tensors, set()


def read_tensors(path, keys):
    """Yield arrays; see `formats.read_tensors`."""
    state = _load(path)
    with reading(path, "pytorch"):
        tensors = _flatten(state)
        for key in keys:
            yield key, tensors[key].detach().float().numpy().copy()  # not of a mapped file


def _load(path):
    """Load a checkpoint by PyTorch, which refuses everything but tensors and plain containers."""
    try:
        import torch
    except ImportError as exc:
        raise ImportError(_explain_conversion(path, exc)) from exc
    # files of a PyTorch before 1.6 cannot be mapped
    options = {"mmap": True} if zipfile.is_zipfile(path) else {}
    try:
        with reading(path, "pytorch"):
            return torch.load(path, weights_only=True, map_location="cpu", **options)
    except ValueError as exc:
        if not isinstance(exc.__cause__, pickle.UnpicklingError):
            raise
        found = re.search(r"GLOBAL (\w+(\.\w+)*) was not", str(exc.__cause__))
        raise ValueError(
            f"The weights file {path!r} cannot be used: it is damaged, or holds "
            f"{found[1] if found else 'other objects'} besides tensors, which PyTorch refuses to load "
            "with weights_only=True, because that could run code. If you trust its source, save its "
            "state dict alone with torch.save, and pass that file."
        ) from exc


def _explain_conversion(path, cause):
    target = os.path.splitext(path)[0] + ".safetensors"
    if target == path:
        target = path.replace(".safetensors", "-converted.safetensors")
    return (
        f"The weights file {path!r} is a pickle by PyTorch, which alone can read it, and PyTorch "
        f"cannot be imported: {cause}. Convert the file where PyTorch is installed, and pass the new "
        "one:\n\n"
        "import torch, safetensors.torch\n"
        f"state = torch.load({path!r}, weights_only=True, map_location='cpu')\n"
        "state = state.get('state_dict', state)  # or the entry that holds the tensors by name\n"
        "tensors = {k: v.clone().contiguous() for k, v in state.items() if torch.is_tensor(v)}\n"
        f"safetensors.torch.save_file(tensors, {target!r})\n"
    )


def _flatten(state):
    """Return all tensors in nested dicts, with dotted keys."""
    import torch

    found, items, n_items = {}, [("", state, 0)], 0
    while items:
        name, value, depth = items.pop()
        if isinstance(value, torch.Tensor) and name:
            found[name] = value
        elif isinstance(value, dict):
            n_items += len(value)
            # a dict may hold itself, and its keys grow with the depth
            if n_items > _MAX_ITEMS or depth > _MAX_DEPTH:
                raise ValueError(
                    f"it holds more than {_MAX_ITEMS} items, or dicts nested {_MAX_DEPTH} deep"
                )
            items += [
                (f"{name}.{k}" if name else str(k), v, depth + 1)
                for k, v in reversed(value.items())
            ]
    return found
