"""Speed of torchvision's ResNet-50 beside timm on PyTorch, ONNX Runtime and the matrix product.

All contenders have the same weights and images, and take turns within a round, as in `peers`. Their
features are compared.
"""

import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from safetensors.numpy import save_file

from benchmarks.measuring import divide, summarize_rounds
from benchmarks.peer_worker import TORCH_WORKS
from benchmarks.peers import _ROUNDS, OURS, Worker, run_rounds
from benchmarks.speed import Product

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))

from reference_inputs import draw_state_dict, make_images

_PEERS = (
    "timm_channels_last_best_batch",
    "timm_compile_freezing",
    "timm_compile_channels_last",
    "onnxruntime",
    "onnxruntime_best_batch",
)


def _compare_features(folder, names):
    """Return the largest difference from ours, relative to our largest feature, by contender."""
    ours = np.load(folder / f"{OURS}.npy")
    return {
        name: float(np.abs(np.load(folder / f"{name}.npy") - ours).max() / np.abs(ours).max())
        for name in names
    }


def measure(data):
    """Return the speed of all contenders; PEERS names the Python that has their packages."""
    [(key, work)] = TORCH_WORKS.items()
    product, versions = Product(OPENBLAS_CORETYPE=None), {}  # with the processor's own kernels
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / key, make_images(work.n_images, work.size, work.size, 3))
        save_file(draw_state_dict(work.architecture), folder / "weights.safetensors")
        workers = {OURS: Worker(OURS, sys.executable, key, folder)}
        workers |= {name: Worker(name, os.environ["PEERS"], key, folder) for name in _PEERS}
        errors = {name: worker.error for name, worker in workers.items() if worker.error}
        able = {name: worker for name, worker in workers.items() if not worker.error}
        gflop = able[OURS].gflop * work.n_images
        shares = []

        def measure_product(name, taken):
            if name == OURS:
                shares.append(gflop / taken / product.gflops())

        seconds, others = run_rounds(able, measure_product)
        product.close()
        for worker in workers.values():
            worker.close()
            versions |= worker.versions
        differences = _compare_features(folder, able)
    contenders = {name: {"error": error} for name, error in errors.items()}
    for name, worker in able.items():
        contenders[name] = {
            "batch_size": worker.batch_size,
            "images_per_second": work.n_images / median(seconds[name]),
            "ours_times": summarize_rounds(divide(seconds[name], seconds[OURS])),
            "largest_difference": differences[name],
        }
    return {
        "versions": dict(sorted(versions.items())),
        "n_cores": os.cpu_count(),
        "n_rounds": _ROUNDS,
        "n_images": work.n_images,
        "gflop_per_image": able[OURS].gflop,
        "busy_cores": {"median": median(others), "max": max(others)},
        "share_of_product": summarize_rounds(shares),
        "contenders": contenders,
    }
