"""HDF5 files that Keras wrote: .weights.h5, .keras (a ZIP archive with one), and the older .h5."""

import contextlib
import io
import zipfile
from itertools import chain

import numpy as np

from sklearn_resnet._network.weight_files.formats import Tensor, reading


def list_tensors(path):
    """List the weights of all layers; see `formats.list_tensors`."""
    with reading(path, "hdf5"), _open(path) as file:
        layers = {name: [group[key] for key in keys] for name, group, keys in _list_layers(file)}
        for dataset in chain.from_iterable(layers.values()):
            if dataset.external or dataset.file.filename != file.filename:
                raise ValueError(f"it takes the numbers of {dataset.name!r} from another file")
        tensors = {
            f"{name}/{i}": Tensor(dataset.shape, dataset.dtype.name)
            for name, datasets in layers.items()
            for i, dataset in enumerate(datasets)
        }
    return tensors, {name for name, datasets in layers.items() if not datasets}


def read_tensors(path, keys):
    """Yield arrays; see `formats.read_tensors`."""
    with reading(path, "hdf5"), _open(path) as file:
        layers = {name: (group, names) for name, group, names in _list_layers(file)}
        for key in keys:
            name, _, number = key.rpartition("/")
            group, names = layers[name]
            yield key, np.asarray(group[names[int(number)]][()], np.float32)


@contextlib.contextmanager
def _open(path):
    import h5py

    source = path
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo("model.weights.h5")
            if member.compress_type != zipfile.ZIP_STORED:  # Keras stores it; it may be a ZIP bomb
                raise ValueError(
                    "its 'model.weights.h5' is compressed: unpack it, and pass that file"
                )
            source = io.BytesIO(archive.read(member))
    with h5py.File(source, "r") as file:
        yield file


def _list_layers(file):
    """Yield the name of each layer, a group, and the keys of its datasets there, in Keras' order."""
    file = file.get("model_weights", file)  # in the older format, if it holds a whole model
    if "layer_names" in file.attrs:
        for name in file.attrs["layer_names"]:
            name = name.decode() if isinstance(name, bytes) else name
            yield name, file[name], file[name].attrs["weight_names"]
        return
    paths: list[str] = []
    file.visit(paths.append)
    for path in paths:
        # version 3 keeps a layer's arrays in a group "vars", with the layer's name as attribute
        if path.endswith("/vars"):
            group = file[path]
            name = group.attrs.get("name")
            if name is not None:
                yield name, group, sorted(group, key=int)
