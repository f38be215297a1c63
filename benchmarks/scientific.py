"""Scientific images: channels, bit depths, and large files of 16 bits.

Cells are simulated, in five channels of which the fourth tells the class. Patches are those of
`procedural`, as 8 bits, and the same with 12 bits in files of 16. The rate of a folder is that of the
network on decoded images, in the same round.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import zoom
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.accuracy import score_logistic, score_neighbors
from benchmarks.procedural import SEEDS, cut_patches, summarize
from benchmarks.speed import compare_reading
from sklearn_resnet import ImageLoader, ResNetFeatures

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))

from cells import CHANNELS, make_cells

_N_CELLS, _N_FILES = 400, 1_000
_SIDE, _TARGET = 512, 224
_ROUNDS = 5
_LAYERS = (51, 82, 85)
_CHOICES = {
    "without_class": CHANNELS[:3],
    "class_alone": CHANNELS[3:4],
    "to_class": CHANNELS[:4],
    "all": CHANNELS,
}
_STREAM = Path(__file__).with_name("stream_slides.py")
_COMPRESSIONS = {"none": None, "deflate": "zlib"}
_N_COMPRESSED = 250


def measure_cells():
    """Score 5-NN on cells in OME-TIFFs, by the choice of channels."""
    rounds = []
    for seed in SEEDS:
        images, y = make_cells(_N_CELLS, random_state=seed)
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        scores = {}
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"{folder}/{i}.ome.tif" for i in range(len(images))]
            metadata = {"axes": "CYX", "Channel": {"Name": list(CHANNELS)}}
            for path, image in zip(paths, images, strict=True):
                tifffile.imwrite(path, np.moveaxis(image, -1, 0), metadata=metadata)
            for name, channels in _CHOICES.items():
                loader = ImageLoader(
                    mode="channels", channels=list(channels), rescale="percentile", lazy=True
                )
                loaded = loader.fit_transform(paths)
                scores[name] = {}
                for layer in _LAYERS:
                    resnet = ResNetFeatures(layer, channels="separate", weights="procedural")
                    scores[name][f"layer_{layer}"] = cross_val_score(
                        KNeighborsClassifier(5), resnet.fit_transform(loaded), y, cv=folds
                    ).mean()
        rounds.append(scores)
    return {"n_images": _N_CELLS, **summarize(rounds)}


def measure_depth():
    """Score patches of 8 bits, and of 12 bits in 16 by depth and by percentiles."""
    rounds = []
    for seed in SEEDS:
        train, test, y = cut_patches(seed)
        rng = np.random.default_rng(seed)
        deep = [
            16 * part.astype(np.uint16) + rng.integers(16, size=part.shape, dtype=np.uint16)
            for part in (train, test)
        ]
        scores = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, parts, rescale in (
                ("8_bits", (train, test), (0, 255)),
                ("12_bits_by_depth", deep, None),
                ("12_bits_by_percentile", deep, "percentile"),
            ):
                paths = [_write(folder, f"{name}-{i}", part) for i, part in enumerate(parts)]
                loader = ImageLoader(mode="L", rescale=rescale).fit(paths[0])
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", ".*nearly black")
                    images = [loader.transform(each) for each in paths]
                scores[name] = {}
                for layer in _LAYERS:
                    resnet = ResNetFeatures(layer, weights="procedural", cache=None)
                    resnet.fit(images[0])
                    features = [resnet.transform(part) for part in images]
                    scores[name][f"layer_{layer}"] = {
                        "knn": score_neighbors(features[0], y, features[1], y),
                        "logistic": score_logistic(features[0], y, features[1], y),
                    }
        rounds.append(scores)
    return summarize(rounds)


def _write(folder, name, images):
    paths = [f"{folder}/{name}-{i}.tif" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        tifffile.imwrite(path, image)
    return paths


def make_slide(seed):
    """Make a grey image of 12 bits in 16: blobs and grain, different for each seed."""
    rng = np.random.default_rng(seed)
    soft = zoom(rng.integers(300, 3000, (16, 16)).astype(np.float32), _SIDE / 16, order=1)
    return (soft + rng.normal(0, 40, soft.shape)).clip(0, 4095).astype(np.uint16)


def measure_folder():
    """Measure a folder of TIFFs of 16 bits, reading included, against the network alone."""
    results = {"side": _SIDE, "target": _TARGET}
    with tempfile.TemporaryDirectory() as folder:
        for name, compression in _COMPRESSIONS.items():
            n_files = _N_FILES if compression is None else _N_COMPRESSED
            paths = [f"{folder}/{i:04}.tif" for i in range(n_files)]
            for i, path in enumerate(paths):
                tifffile.imwrite(path, make_slide(i), compression=compression)
            results[name] = _compare_rates(paths)
            if compression is None:
                results["memory"] = measure_memory(folder)
    return results


def _compare_rates(paths):
    loader = ImageLoader(_TARGET, mode="channels", rescale="percentile", lazy=True).fit(paths)
    resnet = ResNetFeatures(82, channels="separate", weights="procedural", cache=None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* 224 x 224 pixels")
        return {"n_files": len(paths), **compare_reading(paths, loader, resnet, _ROUNDS)}


def measure_memory(folder):
    """Measure the memory of streaming a quarter of the files, and all of them."""
    found = {}
    for n_files in (_N_FILES // 4, _N_FILES):
        command = [sys.executable, _STREAM, folder, str(n_files), str(_TARGET)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[f"files_{n_files}"] = {
            "streaming_mib": round(json.loads(done.stdout)["streaming"], 1)
        }
    return found


def measure(folder):
    """Return the accuracies, the rates and the memory; no file of `folder` is used."""
    return {
        "versions": {package: version(package) for package in ("tifffile", "imagecodecs")},
        "cells": measure_cells(),
        "depth": measure_depth(),
        "folder": measure_folder(),
    }
