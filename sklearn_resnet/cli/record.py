"""Files beside OUTPUT, and the record: a .json that describes how they were made.

The entries of the record are written and read here.
"""

import json
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath

import numpy as np

from sklearn_resnet._images.hashing import hash_content
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._network.engines.choice import choose_engine
from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet.cli.region_inputs import RegionOptions

_PACKAGES = (
    "sklearn-resnet",
    "scikit-learn",
    "numpy",
    "keras",
    "openvino",
    "tensorflow",
    "umap-learn",
    "pillow",
)
# entries that are parameters of ResNetFeatures
_PARAMETERS = ("layers", "architecture", "pooling", "image_size", "engine", "precision")
# other entries that a record of a ResNet must have
_REQUIRED = ("layer_names", "value_range", "weights", "weights_fingerprint", "seed", "input")


@dataclass(frozen=True)
class Result:
    """The result of a command.

    Attributes
    ----------
    written : tuple of path
        The files that it wrote.
    shapes : dict of str to tuple of int
        Shapes of the images and of the arrays computed from them.
    metadata : dict
        How these were computed.
    """

    written: tuple
    shapes: dict
    metadata: dict


def beside(output, kind, suffix):
    """Return the path of a file beside OUTPUT: ``out_umap.png`` beside ``out.npz``."""
    return output.with_name(f"{output.stem}_{kind}{suffix}")


def record_path(output):
    """Return the path of the record beside OUTPUT.

    It is ``out.json`` beside ``out.npz``, and ``out.npz.json`` if ``out.json`` is the record of
    another table, such as ``out.csv``.
    """
    shared, own = output.with_suffix(".json"), output.with_name(f"{output.name}.json")
    if read_own_record(own).get("output") == output.name:
        return own
    return own if read_own_record(shared).get("output", output.name) != output.name else shared


def find_record(table_path):
    """Return the path of the record of a table; both may have been renamed together."""
    path = record_path(table_path)
    return path if path.exists() else table_path.with_suffix(".json")


def write_record(output, options, result, progress):
    """Write the record of a command.

    The other files of the former record are added to it, as outputs if the table is the same, and
    as outdated if it is not.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
    options : InputOptions
    result : Result
    progress : Progress

    Returns
    -------
    list of str
        The names of the files that are outdated.
    """
    record = {
        "command": ["embedding", *sys.argv[1:]],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": options.source,
        "output": output.name,
        "outputs": [path.name for path in result.written],
        "shapes": {name: list(shape) for name, shape in result.shapes.items()},
        **result.metadata,
        "patches": options.patches,
        "patch_size": options.patch_size if options.patches else None,
        "regions": options.regions.given,
        "file_range": options.file_range,
        "reading": options.reading,
        "seed": options.seed,
        "seconds": {step: round(seconds, 3) for step, seconds in progress.seconds.items()},
        "versions": {"python": platform.python_version()} | _list_versions(),
    }
    record = json.loads(json.dumps(record))  # as it will be read
    former = read_former_record(output)
    outputs, outdated = _list_other_files(former, record, output) if former else ([], [])
    record["outputs"] += outputs
    if outdated:
        record["outdated"] = outdated
    if "similar" in former:
        record["similar"] = former["similar"]
    save_record(record_path(output), record)
    return outdated


def save_record(path, record):
    """Write a record to its file."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def finish(output, options, result, progress):
    """Write the record of a finished command, list its files, and warn about those out of date.

    Parameters
    ----------
    output, options, result, progress
        As for `write_record`.
    """
    outdated = write_record(output, options, result, progress)
    for written in (*result.written, record_path(output)):
        progress.show("wrote", written)
    if outdated:
        progress.warn(
            "Files of an earlier command, with other settings or images, or interrupted, do not match "
            f"{output.name}: "
            f"{', '.join(outdated)}. Make them again, or remove them."
        )


def read_former_record(output):
    """Read the record that an earlier command with this OUTPUT wrote; an empty dict without one."""
    record = read_own_record(record_path(output))
    return record if record.get("output") == output.name else {}


def read_own_record(path):
    """Read a record; return an empty dict if there is none, or a file of another program."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["command"][0] != "embedding":
            return {}
        _add_output(record)
        if all(PurePath(name).name == name for name in [record["output"], *list_own(record)]):
            return record
    return {}


def _add_output(record):
    """Add the name of OUTPUT to a record of an earlier version, which lists it first."""
    if "output" not in record:
        record["output"] = record["outputs"][0]


def list_own(record):
    """List the files that commands wrote for the OUTPUT of a record, or were about to write."""
    return [name for key in ("outputs", "outdated", "writing") for name in record.get(key, [])]


def _list_other_files(former, record, output):
    """List files of earlier commands that are not replaced by this one: those that match, and others."""

    def list_remaining(names):
        return [
            name
            for name in names
            if name not in record["outputs"] and output.with_name(name).exists()
        ]

    outputs = list_remaining(former["outputs"])
    interrupted = [name for name in former.get("writing", []) if name not in former["outputs"]]
    outdated = list_remaining(dict.fromkeys([*former.get("outdated", []), *interrupted]))
    if former.get("table") == record["table"]:
        return outputs, outdated
    return [], outdated + outputs


def hash_table(features, labels=None, paths=None, columns=None):
    """Hash a table for the record, to tell whether the files beside it match.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
    labels, paths : ndarray of shape (n,), default=None
    columns : dict of str to ndarray of shape (n,), default=None

    Returns
    -------
    str
        Hexadecimal digits.
    """
    described = [
        None if column is None else np.asarray(column).tolist() for column in (labels, paths)
    ]
    described += [(name, values.tolist()) for name, values in (columns or {}).items()]
    return hash_content(
        repr(described).encode("utf-8", "replace"), np.ascontiguousarray(features)
    ).hex()


def _list_versions():
    """Return the versions of the packages that compute, if they are installed."""
    versions = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):  # Keras is optional
            versions[package] = version(package)
    return versions


def describe_pca(n_components, explained_variance):
    """Describe principal components for the record."""
    return {
        "model": "pca",
        "dimensions": n_components,
        "explained_variance": explained_variance,
    }


def describe_resnet(resnet, weights):
    """Describe a fitted ResNetFeatures for the record.

    Parameters
    ----------
    resnet : ResNetFeatures
    weights : str
        The weights as named on the command line.

    Returns
    -------
    dict
    """
    layers = resolve_layers(resnet.architecture, resnet.layers_)
    return {
        "model": "resnet",
        "architecture": resnet.architecture,
        "layers": resnet.layers_,
        "layer_names": [layer.name for layer in layers],
        "pooling": resnet.pooling,
        "grid": resnet.grid,
        "image_size": resnet.image_size,
        "value_range": resnet.value_range_,
        "engine": choose_engine(resnet.engine, resnet.precision).engine,
        "precision": resnet.precision,
        "weights": weights,
        "normalization": resnet.normalization_,
        "channels": resnet.channels,
        "channel_names": getattr(resnet, "channel_names_", None),
        "weights_fingerprint": resnet.weights_fingerprint_,
    }


def read_record(table_path):
    """Read the record that `embedding` wrote beside a table.

    Parameters
    ----------
    table_path : path

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no record, or it is not complete.
    """
    path = find_record(table_path)
    name = f"The record {str(path)!r}"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        model, _ = record["model"], image_shape(record)
        if model == "resnet":
            for key in (*_PARAMETERS, *_REQUIRED):
                record[key]
        _add_output(record)
    except FileNotFoundError as exc:
        raise FileNotFoundError(
            f"{name} is missing. It says how the features in {str(table_path)!r} were computed, "
            "and `embedding` writes it beside its OUTPUT. Put it there, or make the table again."
        ) from exc
    except (ValueError, LookupError, TypeError) as exc:
        raise ValueError(
            f"{name} must be one that `embedding` wrote. It cannot be read: {exc!r}. Make the "
            "table again."
        ) from exc
    return record


def image_shape(record):
    """Height and width, and channels if there are any, of the images of a table."""
    return record["shapes"]["input"][1:]


def resnet_parameters(record):
    """Return the parameters of the ResNetFeatures that computed a table."""
    parameters = {name: record[name] for name in _PARAMETERS}
    return parameters | {name: record.get(name) for name in ("normalization", "channels", "grid")}


def input_parameters(record):
    """Return the parameters of the `InputOptions` by which the images of a table were read."""
    names = {"source": "input", "seed": "seed", "image_size": "image_size"}
    if record.get("patches"):
        names |= {"patches": "patches", "patch_size": "patch_size"}
    return {name: record[key] for name, key in names.items()} | file_parameters(record)


def file_parameters(record):
    """Return the parameters of the `InputOptions` that say how image files become those of a table."""
    found = {"mode": image_mode(record), "value_range": record.get("file_range")}
    found |= record.get("reading") or {}
    if record.get("regions"):
        found["regions"] = RegionOptions(**record["regions"])
    for name in ("value_range", "rescale", "rescale_range"):
        if isinstance(found.get(name), list):
            found[name] = tuple(tuple(x) if isinstance(x, list) else x for x in found[name])
    return found


def image_mode(record):
    """The mode in which image files are read to have the channels of the images of a table."""
    _, _, *channels = image_shape(record)
    if channels in ([], [1]):
        return "L"
    return "RGB" if channels == [3] else "channels"
