"""Files beside OUTPUT, and the record: a .json that describes how they were made."""

import json
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from sklearn_resnet._io.atomic import atomic_write

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


def write_record(output, options, result, progress):
    """Write the record of a command, and print the paths of all files.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
    options : InputOptions
    result : Result
    progress : Progress
    """
    record = {
        "command": ["embedding", *sys.argv[1:]],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": options.source,
        "outputs": [path.name for path in result.written],
        "shapes": {name: list(shape) for name, shape in result.shapes.items()},
        **result.metadata,
        "patches": options.patches,
        "patch_size": options.patch_size if options.patches else None,
        "seed": options.seed,
        "seconds": {step: round(seconds, 3) for step, seconds in progress.seconds.items()},
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in _PACKAGES},
    }
    path = output.with_suffix(".json")
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for written in (*result.written, path):
        progress.show("wrote", written)
