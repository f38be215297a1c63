"""Features of PyTorch's networks at every layer, against torchvision and timm.

Random state dicts, images of uint8 at two odd sizes, normalisation included. The error of a layer is
the largest difference of a feature, relative to the largest feature of the layer.
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network.layers import layer_table

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))

from reference_inputs import make_images

_WORKER = Path(__file__).with_name("torch_worker.py")
_SIZES = ((65, 70), (96, 96))
_ARCHITECTURES = (
    *("ResNet18", "ResNet34", "ResNet50V1.5", "ResNet101V1.5", "ResNet152V1.5"),
    *("WideResNet50", "ResNeXt50", "ResNetV2-50"),
)
_PREFIXES = ("module.", "state_dict.module.base_encoder.", "model.backbone.")
_WITH_KERAS = ("ResNet18", "ResNet50V1.5", "ResNeXt50", "ResNetV2-50")


def _write_references(folder, architecture, n_channels=3, dtype="float32", sizes=_SIZES):
    """Let PyTorch write weights and features; return the versions of its packages."""
    command = [os.environ["PEERS"], _WORKER, "references", folder, architecture]
    command += [str(n_channels), dtype, json.dumps(sizes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _find_errors(folder, architecture, layers, n_channels=3, sizes=_SIZES, **options):
    """Return the error by the name of the layer, the larger of all sizes and both poolings."""
    table = layer_table(architecture, n_channels)
    if n_channels != 3:
        options["normalization"] = (0.5, 0.25)
    resnet = ResNetFeatures(
        layers,
        architecture=architecture,
        pooling=["avg", "max"],
        cache=None,
        **{"weights": folder / "weights.safetensors", "engine": "openvino"} | options,
    )
    errors = {}
    for height, width in sizes:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Layer .* does not depend on")
            features = resnet.fit_transform(make_images(3, height, width, n_channels))
        names = [(table[i].name, pooling) for i in resnet.layers_ for pooling in ("avg", "max")]
        ends = np.cumsum([table[i].width for i in resnet.layers_ for _ in range(2)])[:-1]
        with np.load(folder / f"{height}x{width}.npz") as expected:
            for (name, pooling), ours in zip(names, np.split(features, ends, axis=1), strict=True):
                theirs = expected[f"{name} {pooling}"]
                error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
                errors[name] = max(errors.get(name, 0), error)
    return errors


def _summarize(errors):
    worst = max(errors, key=errors.get)
    return {"n_layers": len(errors), "worst_layer": worst, "error": errors[worst]}


def _check_names(folder, architecture, size):
    """Raise RuntimeError unless the layer table has the library's names and order."""
    with np.load(folder / f"{size[0]}x{size[1]}.npz") as file:
        theirs = [key.removesuffix(" avg") for key in file.files if key.endswith(" avg")]
    ours = [layer.name for layer in layer_table(architecture)]
    if ours != theirs:
        raise RuntimeError(f"layers of {architecture} differ: {ours} instead of {theirs}")


def _measure_architecture(folder, architecture):
    versions = _write_references(folder, architecture)
    _check_names(folder, architecture, _SIZES[0])
    table = layer_table(architecture)
    n_layers = len(table)
    found = _summarize(_find_errors(folder, architecture, list(range(n_layers))))
    # cut at one layer, the engine fuses layers that it otherwise keeps apart
    stages = sorted({layer.stage for layer in table[1:]})
    cuts = [_find_errors(folder, architecture, stage) for stage in stages]
    found["cuts"] = _summarize({name: error for each in cuts for name, error in each.items()})
    if architecture in _WITH_KERAS:
        every = _find_errors(folder, architecture, list(range(n_layers)), engine="keras")
        found["keras"] = _summarize(every)
    return found, versions


def _measure_variants(folder, architecture):
    """Measure number formats, channels and prefixes of names with one architecture and size."""
    every, sizes, found = list(range(len(layer_table(architecture)))), _SIZES[:1], {}
    for dtype in ("float16", "bfloat16"):
        _write_references(folder, architecture, dtype=dtype, sizes=sizes)
        found[dtype] = _summarize(_find_errors(folder, architecture, every, sizes=sizes))
    for n_channels in (1, 2, 13):
        _write_references(folder, architecture, n_channels, sizes=sizes)
        errors = _find_errors(folder, architecture, every, n_channels, sizes=sizes)
        found[f"channels_{n_channels}"] = _summarize(errors)
    _write_references(folder, architecture, sizes=sizes)
    state, path = load_file(folder / "weights.safetensors"), folder / "prefixed.safetensors"
    for prefix in _PREFIXES:
        save_file({prefix + key: array for key, array in state.items()}, path)
        errors = _find_errors(folder, architecture, every, sizes=sizes, weights=path)
        found[prefix] = _summarize(errors)
    return found


def measure(data):
    """Return the errors; PEERS names the Python that has PyTorch, torchvision and timm."""
    results, versions = {"sizes": [f"{h} x {w}" for h, w in _SIZES]}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results["architectures"] = {}
        for architecture in _ARCHITECTURES:
            print(architecture, flush=True)
            found, versions = _measure_architecture(folder, architecture)
            results["architectures"][architecture] = found
        results["variants"] = _measure_variants(folder, "ResNet18")
    return {"versions": versions, **results}
