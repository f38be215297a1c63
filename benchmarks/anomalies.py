"""Local anomalies, as the example ``plot_anomalies.py`` finds them, and the cost of pooling in cells.

The accuracy is the area under the ROC curve, of images and of pixels, for surfaces that each seed draws
again. The memory is that of Python and NumPy while the normal places are learned from a stream of
images, without a cache. The cost is the CPU time relative to that with ``pooling="avg"`` and no grid, in
the same round.
"""

import contextlib
import io
import runpy
import time
import tracemalloc
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.measuring import divide, summarize_rounds, summarize_seeds
from sklearn_resnet import ResNetFeatures

_EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_anomalies.py"
_SEEDS = range(5)
_NAMES = {"layers 51 and 85": "layers_51_85", "the last layer alone": "last_layer"}
_N_STREAMED = (64, 640)
_ROUNDS = 9
_WORKS = {"photos_85": (85, 224, 8), "small_85": (85, 64, 64)}
_POOLINGS = {
    "avg": {},
    "max": {"pooling": "max"},
    "gem": {"pooling": "gem"},
    "avg_4x4": {"grid": (4, 4)},
    "gem_4x4": {"pooling": "gem", "grid": (4, 4)},
    "avg_14x14": {"grid": (14, 14)},
}


def load_example():
    """Run the example, and return its functions."""
    import matplotlib

    matplotlib.use("agg")
    with contextlib.redirect_stdout(io.StringIO()):
        return runpy.run_path(str(_EXAMPLE))


def measure_accuracy(example):
    """Score both cuts on the surfaces of each seed."""
    scores = {}
    for seed in _SEEDS:
        rng = np.random.default_rng(seed)
        for texture in example["TEXTURES"]:
            normal, tested, masks = example["make_surfaces"](texture, rng)
            for cut, parameters in example["CUTS"].items():
                resnet = ResNetFeatures(weights="procedural", batch_size=16, **parameters)
                steps = example["learn_normal"](resnet.fit(normal), normal)
                maps = example["map_distances"](resnet, steps, tested)
                of_cut = scores.setdefault(_NAMES[cut], {}).setdefault(texture, [])
                of_images = roc_auc_score(masks.any(axis=(1, 2)), maps.max(axis=(1, 2)))
                of_cut.append((of_images, roc_auc_score(masks.ravel(), maps.ravel())))
    for of_cut in scores.values():
        of_cut["all"] = np.mean(list(of_cut.values()), axis=0)
    return {
        cut: {
            texture: {
                "images": summarize_seeds([float(images) for images, _ in pairs]),
                "pixels": summarize_seeds([float(pixels) for _, pixels in pairs]),
            }
            for texture, pairs in of_cut.items()
        }
        for cut, of_cut in scores.items()
    }


def measure_memory(example):
    """Trace the memory of learning from streams of images."""
    parameters = example["CUTS"]["layers 51 and 85"]
    normal, _, _ = example["make_surfaces"]("gravel", np.random.default_rng(0), n_normal=64)
    resnet = ResNetFeatures(weights="procedural", batch_size=16, cache=None, **parameters)
    resnet.fit(normal)
    found = {}
    for n_images in _N_STREAMED:
        images = [normal[i % len(normal)] for i in range(n_images)]  # views: they take no memory
        example["learn_normal"](resnet, images[:64])  # compiles, and imports
        tracemalloc.start()
        example["learn_normal"](resnet, images)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        n_bytes = n_images * resnet.get_feature_names_out().size * 4
        found[str(n_images)] = {"peak_mib": peak / 2**20, "features_mib": n_bytes / 2**20}
    return found


def measure_cost():
    """Time each pooling, relative to the mean over the whole map."""
    found = {}
    for name, (layer, side, n_images) in _WORKS.items():
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (n_images, side, side, 3), dtype=np.uint8)
        networks = {
            pooling: ResNetFeatures(
                layer,
                weights="procedural",
                cache=None,
                value_range=(0, 255),
                image_size=side,
                **options,
            ).fit(images)
            for pooling, options in _POOLINGS.items()
        }
        times = {pooling: [] for pooling in networks}
        for i in range(_ROUNDS + 1):
            for pooling, network in networks.items():
                start = time.process_time()
                network.transform(images)
                if i:  # the first compiles
                    times[pooling].append(time.process_time() - start)
        found[name] = {
            pooling: summarize_rounds(divide(seconds, times["avg"]))
            for pooling, seconds in times.items()
        }
    return found


def measure(data):
    """Measure; `data` is not used."""
    example = load_example()
    return {
        "accuracy": measure_accuracy(example),
        "memory": measure_memory(example),
        "cost": measure_cost(),
    }
