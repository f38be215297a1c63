"""Rate by threads and processes on this machine, and a model of more cores.

Processes of `threads_worker.py` take turns within a round, in the same way as in `speed`, and their
features are compared. The model is a roofline: each layer takes the longer of its operations at the
rate of the matrix product and its memory traffic at the rate of copying, both measured here. It is
scaled to the measured rate on one thread, and its prediction for two threads stands beside the
measurement.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.accuracy import load_mnist
from benchmarks.measuring import divide, summarize_rounds, time_call
from benchmarks.speed import Product, run_process
from sklearn_resnet import ImageLoader
from sklearn_resnet._network.engines.openvino import request_size
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet.datasets import load_image_folder

_LAYER = 82
_ROUNDS = 7
_COMMAND_ROUNDS = 3
_WORKER = Path(__file__).with_name("threads_worker.py")
# The cores of each process; None leaves them to the system. The threads of each process.
_CONTENDERS = {
    "one_thread": ([0], 1),
    "two_threads": ([None], 2),
    "two_processes_pinned": ([0, 1], 1),
    "two_processes": ([None, None], 1),
    "two_processes_of_two_threads": ([None, None], 2),
}
_CORES = (1, 2, 4, 8)
_COPIED = 2**27  # bytes, far more than the caches hold


class Workers:
    """Processes with some threads each, which share the images."""

    def __init__(self, path, n_images, cores, n_threads):
        bounds = np.linspace(0, n_images, len(cores) + 1).astype(int)
        environment = os.environ | {"OMP_NUM_THREADS": str(n_threads)}
        self.n_images = n_images
        self.processes = [
            subprocess.Popen(
                [sys.executable, _WORKER, path, str(start), str(stop), str(_LAYER), str(core)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for core, start, stop in zip(cores, bounds, bounds[1:], strict=False)
        ]
        for process in self.processes:
            process.stdout.readline()  # it is ready

    def run(self):
        """Compute all features; return the seconds, processor seconds and the features' hashes."""
        start = time.perf_counter()
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in self.processes]
        return {
            "seconds": time.perf_counter() - start,
            "busy": sum(answer["busy"] for answer in answers),
            "serial": sum(answer["serial"] for answer in answers),
            "rows": [row for answer in answers for row in answer["rows"]],
        }

    def close(self):
        """End the processes."""
        for process in self.processes:
            process.stdin.close()
            process.wait()


def compare_workers(path, images, products):
    """Measure all contenders on the same images, and their shares of the matrix product."""
    gflop = sum(flop for flop, _ in list_costs(images.shape[1:])) * len(images) / 1e9
    rounds, shares = {name: [] for name in _CONTENDERS}, {name: [] for name in _CONTENDERS}
    with ExitStack() as stack:
        contenders = {}
        for name, (cores, n_threads) in _CONTENDERS.items():
            contenders[name] = Workers(path, len(images), cores, n_threads)
            stack.callback(contenders[name].close)
        for _ in range(_ROUNDS):
            for name, workers in contenders.items():
                rounds[name].append(workers.run())
                n_cores = 1 if name == "one_thread" else 2
                rate = gflop / rounds[name][-1]["seconds"]
                shares[name].append(rate / products[n_cores].gflops())
    assert len({tuple(each["rows"]) for runs in rounds.values() for each in runs}) == 1
    seconds = {name: [each["seconds"] for each in runs] for name, runs in rounds.items()}
    found = {
        name: {
            "share_of_product": summarize_rounds(shares[name]),
            "images_per_second": summarize_rounds([len(images) / each for each in seconds[name]]),
            "times_one_thread": summarize_rounds(divide(seconds["one_thread"], seconds[name])),
            "processor_time": summarize_rounds(
                divide(
                    [each["busy"] for each in rounds[name]],
                    [each["busy"] for each in rounds["one_thread"]],
                )
            ),
        }
        for name in _CONTENDERS
    }
    serial = [each["serial"] / len(images) for each in rounds["one_thread"]]
    return {"n_images": len(images), "contenders": found, "serial_us": 1e6 * min(serial)}


def measure_copying(n_threads):
    """Return the 10^9 bytes a second that threads read and write when they copy, at best."""
    sources = np.ones((n_threads, _COPIED // 8))
    targets = np.zeros_like(sources)
    with ThreadPoolExecutor(n_threads) as pool:
        seconds = [
            time_call(lambda: list(pool.map(np.copyto, targets, sources)))[0] for _ in range(10)
        ]
    return 2 * sources.nbytes / min(seconds) / 1e9


def list_costs(shape):
    """List the operations and the bytes of memory traffic of each step, for one image.

    Parameters
    ----------
    shape : tuple of int
        That of an image: height and width, and 3 channels if it has colour.

    Returns
    -------
    list of (int, float)
        A convolution reads its input and its kernel, which the images of a request share, and
        writes its output. The addition at the end of a block reads one more. The other layers are
        part of these steps.
    """
    table, costs = layer_table("ResNet50V2"), []
    n_images = request_size(shape)
    is_grey = len(shape) == 2

    def count_values(layer):
        height, width = (math.ceil(length / layer.stride) for length in shape[:2])
        return height * width * layer.width

    for i in sorted(table[_LAYER].ancestors):
        layer = table[i]
        inputs = [table[j] for j in layer.inputs]
        values = count_values(layer) + (count_values(inputs[0]) if inputs else 0)
        if layer.kind == "conv":
            kernel = math.prod(layer.weight_shapes[0])
            flop = 2 * kernel * count_values(layer) // layer.width
            if is_grey and inputs[0].width == 3:
                flop //= 3
            costs.append((flop, 4 * (values + kernel / n_images)))
        elif layer.kind == "pool":
            costs.append((0, 4 * values))
        elif layer.kind == "add":
            costs.append((0, 4 * count_values(layer)))
    return costs


def predict_seconds(shape, n_cores, gflops, copying):
    """Predict the seconds of the network for one image, by the rates of all cores together."""
    return sum(
        max(flop / (gflops * n_cores * 1e9), traffic / (copying * 1e9))
        for flop, traffic in list_costs(shape)
    )


def model_cores(shape, measured, rates):
    """Predict rates on more cores: if memory is as fast as here, or if it grows with the cores.

    The rate on one thread is that measured; Python, regrouping and copying stay in one thread, and
    the requests of other images run meanwhile.
    """
    one = measured["contenders"]["one_thread"]["images_per_second"]["median"]
    scale = 1 / one / predict_seconds(shape, 1, rates["gflops"][1], rates["copying"][1])
    serial = measured["serial_us"] / 1e6
    found = {}
    for n_cores in _CORES:
        limited = rates["copying"][min(n_cores, 2)]
        scaled = rates["copying"][1] * n_cores
        times = {
            name: 1
            / max(serial, scale * predict_seconds(shape, n_cores, rates["gflops"][1], rate))
            / one
            for name, rate in (("memory_as_here", limited), ("memory_grows", scaled))
        }
        found[f"cores_{n_cores}"] = times
    costs = list_costs(shape)
    return {
        "gflop": sum(flop for flop, _ in costs) / 1e9,
        "mb": sum(traffic for _, traffic in costs) / 1e6,
        "scale": scale,
        **found,
    }


def measure_command(folder):
    """Measure the whole command on photos: on one core, on two, and with two workers."""
    options = ["-l", str(_LAYER), "--image-size", "224", "--weights", "procedural", "--quiet"]
    embedding = Path(sys.executable).with_name("embedding")
    with tempfile.TemporaryDirectory() as temporary:
        outputs = [Path(temporary) / f"{i}.npy" for i in range(3)]
        commands = [
            [embedding, folder, out, *options, "--no-cache", *more]
            for out, more in zip(
                outputs, ([], [], ["--workers", "2", "--part-size", "50"]), strict=True
            )
        ]
        commands[0] = ["taskset", "-c", "0", *commands[0]]
        seconds = [[] for _ in commands]
        for _ in range(_COMMAND_ROUNDS):
            for command, out, taken in zip(commands, outputs, seconds, strict=True):
                out.unlink(missing_ok=True)
                taken.append(time_call(run_process, command)[0])
        features = [np.load(out) for out in outputs]
        for other in features[1:]:
            np.testing.assert_array_equal(other, features[0])
    return {
        "n_photos": len(features[0]),
        "seconds_one_core": statistics.median(seconds[0]),
        "two_cores_times_one": summarize_rounds(divide(seconds[0], seconds[1])),
        "two_workers_times_one_core": summarize_rounds(divide(seconds[0], seconds[2])),
    }


def measure(folder):
    """Return rates by threads and processes, those of the product and of copying, and the model."""
    paths = load_image_folder(folder / "clothing" / "train").data
    works = {
        "photos_82": ImageLoader(224).fit_transform(paths[::6][:48]),
        "digits_82": load_mnist(folder)[0][:3072],
    }
    products = {n: Product(OPENBLAS_NUM_THREADS=str(n), OPENBLAS_CORETYPE=None) for n in (1, 2)}
    rates = {
        "gflops": {n: product.gflops() for n, product in products.items()},
        "copying": {n: measure_copying(n) for n in (1, 2)},
    }
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name, images in works.items():
            path = Path(temporary) / f"{name}.npy"
            np.save(path, images)
            found = compare_workers(path, images, products)
            results[name] = found | {"model": model_cores(images.shape[1:], found, rates)}
    for product in products.values():
        product.close()
    named = {
        kind: {f"threads_{n}": value for n, value in each.items()} for kind, each in rates.items()
    }
    return {**results, **named, "command": measure_command(folder / "clothing")}
