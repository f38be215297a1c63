"""Speed of the features relative to plain Keras and to the processor's peak.

Contenders take turns within a round, and rounds are repeated. The result is the median of the ratios
within rounds, with the smallest and the largest: a slow phase of the machine affects all contenders.
Features are compared in the same run.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.accuracy import WEIGHTS, load_mnist, score_neighbors
from benchmarks.measuring import divide, summarize_rounds, time_call
from sklearn_resnet import ImageLoader, ResNetFeatures, clear_cache
from sklearn_resnet._network.engines.keras import import_keras
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weights import find_weights
from sklearn_resnet.datasets import load_image_folder

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))

from keras_networks import load_network

_ROUNDS = 7
_PRECISIONS = ("float32", "bfloat16", "int8")
_WORKS = {  # layer and number of images
    "digits_82": (82, 4096),
    "digits_all": (189, 2048),
    "photos_82": (82, 96),
    "photos_all": (189, 96),
}
_SIDE = 1536  # of the matrices whose product measures the processor
_HERE = Path(__file__).parent
_PRODUCT = f"""
import sys, time, numpy as np
a = np.random.default_rng(0).random(({_SIDE}, {_SIDE}), np.float32)
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    print(min(times), flush=True)
"""


class Product:
    """NumPy's matrix product, in a separate process with its own environment variables."""

    def __init__(self, **settings):
        environment = os.environ | settings
        environment = {key: value for key, value in environment.items() if value is not None}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PRODUCT],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def gflops(self):
        """Return 10^9 operations a second, for the fastest of a few products."""
        self.process.stdin.write("12\n")
        self.process.stdin.flush()
        return 2e-9 * _SIDE**3 / float(self.process.stdout.readline())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def count_gflop(layer, images):
    """Count 10^9 operations of the convolutions for one image; grey images have one channel."""
    import keras

    x = keras.Input((*images.shape[1:3], 3))
    network = keras.applications.ResNet50V2(include_top=False, weights=None, input_tensor=x)
    operations = 0
    for i in layer_table("ResNet50V2")[layer].ancestors:
        if network.layers[i].__class__.__name__ == "Conv2D":
            side, _, channels, width = network.layers[i].kernel.shape
            channels = 1 if images.ndim == 3 and channels == 3 else channels
            height_and_width = network.layers[i].output.shape[1:3]
            operations += 2 * side**2 * channels * width * np.prod(height_and_width)
    return operations / 1e9


def make_plain(network, layer):
    """Make the function that users typically write with Keras."""
    import keras

    model = keras.Model(network.input, network.layers[layer].output)

    def plain(images):
        x = images if images.ndim == 4 else np.repeat(images[..., np.newaxis], 3, axis=-1)
        x = keras.applications.resnet_v2.preprocess_input(x.astype(np.float32))
        return model.predict(x, verbose=0).mean((1, 2))

    return plain


def compare_engines(layer, images, weights, network, products):
    """Measure each precision against plain `predict`, and float32 against the products.

    Returns the results, and the fitted transformers by precision.
    """
    plain = make_plain(network, layer)
    ours = {
        precision: ResNetFeatures(layer, weights=weights, precision=precision, cache=None).fit(
            images
        )
        for precision in _PRECISIONS
    }
    for contender in (plain, *(resnet.transform for resnet in ours.values())):
        contender(images[: len(images) // 4])
    gflop = count_gflop(layer, images) * len(images)
    seconds = {name: [] for name in ("plain", *ours)}
    shares, features = {name: [] for name in products}, {}
    for _ in range(_ROUNDS):
        taken, expected = time_call(plain, images)
        seconds["plain"].append(taken)
        for precision, resnet in ours.items():
            taken, features[precision] = time_call(resnet.transform, images)
            seconds[precision].append(taken)
            if precision == "float32":
                for name, product in products.items():
                    shares[name].append(gflop / taken / product.gflops())
    results = {
        "float32_share_of_product": {name: summarize_rounds(shares[name]) for name in shares},
        "largest_difference": np.abs(features["float32"] - expected).max() / np.abs(expected).max(),
    }
    for name in ours:
        results[f"{name}_times_predict"] = summarize_rounds(divide(seconds["plain"], seconds[name]))
    for name in _PRECISIONS[1:]:
        times = divide(seconds["float32"], seconds[name])
        results[f"{name}_times_float32"] = summarize_rounds(times)
        results[f"{name}_cosine"] = compare_rows(features["float32"], features[name])
    return results, ours


def compare_rows(a, b):
    """Return the mean, 1st percentile and minimum of the cosines of rows."""
    cosines = np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    low = np.quantile(cosines, 0.01)
    return {"mean": cosines.mean(), "percentile_1": low, "min": cosines.min()}


def score_precisions(ours, mnist):
    """Return the accuracy of 5 nearest neighbours with each precision."""
    X_train, y_train, X_test, y_test = mnist
    return {
        precision: score_neighbors(
            resnet.transform(X_train), y_train, resnet.transform(X_test), y_test
        )
        for precision, resnet in ours.items()
    }


def start_products():
    """Start NumPy's product, with the kernels of OPENBLAS_CORETYPE, if set, and with the native ones."""
    products = {"native": Product(OPENBLAS_CORETYPE=None)}
    kernels = os.environ.get("OPENBLAS_CORETYPE")
    return products if kernels is None else {kernels: Product(), **products}


def measure_engine(work, folder):
    """Measure digits or photos, cut at layer 82 or whole."""
    layer, n_images = _WORKS[work]
    mnist = load_mnist(folder)
    if work.startswith("digits"):
        order = np.random.default_rng(0).permutation(len(mnist[0]))
        images = mnist[0][order[:n_images]]
    else:
        paths = load_image_folder(folder / "clothing" / "train").data
        images = ImageLoader(224).fit_transform(paths)[:: len(paths) // n_images][:n_images]
    products = start_products()
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary) / "whole.weights.h5"
        network = save_whole_weights(folder, weights)
        results, ours = compare_engines(layer, images, weights, network, products)
        if work.startswith("digits"):
            results["knn"] = score_precisions(ours, mnist)
    for product in products.values():
        product.close()
    return results


def save_whole_weights(folder, path):
    """Save ImageNet's weights with a random conv5, which the file lacks; return the network."""
    import_keras().utils.set_random_seed(0)
    network = load_network(find_weights("ResNet50V2", folder / WEIGHTS, None))
    network.save_weights(path)
    return network


def compare_reading(paths, loader, resnet, n_rounds):
    """Compare the network on files, reading included, with the network alone on decoded arrays.

    Parameters
    ----------
    paths : list of str
    loader : ImageLoader
        Fitted, and lazy.
    resnet : ResNetFeatures
        Without a cache. It is fitted here.
    n_rounds : int

    Returns
    -------
    dict
        The rate, and the time of decoding alone, relative to the network alone.
    """
    decoded = np.asarray(loader.transform(paths))
    resnet.fit(decoded[:1])
    rates, decoding = [], []
    for _ in range(n_rounds):
        alone, expected = time_call(resnet.transform, decoded)
        both, features = time_call(lambda: resnet.transform(loader.transform(paths)))
        np.testing.assert_array_equal(features, expected)
        rates.append(alone / both)
        clear_cache()  # np.asarray would find the decoded images there
        decoding.append(time_call(np.asarray, loader.transform(paths))[0] / alone)
    return {
        "relative_rate": summarize_rounds(rates),
        "relative_decoding_time": summarize_rounds(decoding),
    }


def measure_folder(folder, weights):
    """Measure a folder of photos, decoding included, against the network on decoded arrays."""
    paths = load_image_folder(folder / "clothing").data
    loader = ImageLoader(224, lazy=True).fit(paths)
    resnet = ResNetFeatures(82, weights=weights, cache=None)
    return {"n_photos": len(paths), **compare_reading(paths, loader, resnet, _ROUNDS)}


def measure_memory(X, weights):
    """Measure rate and peak memory by number of images."""
    resnet = ResNetFeatures(82, weights=weights, cache=None).fit(X[:1000])
    counts = (1_000, 10_000, len(X))
    rates = {n: [] for n in counts}
    for _ in range(_ROUNDS):
        for n in counts:
            rates[n].append(n / time_call(resnet.transform, X[:n])[0])
    script = (
        "import sys, numpy as np; from sklearn_resnet import ResNetFeatures\n"
        "X = np.load(sys.argv[1], mmap_mode='r')[: int(sys.argv[2])]\n"
        "ResNetFeatures(82, weights=sys.argv[3], cache=None).fit(X).transform(X)"
    )
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "X.npy"
        np.save(path, X)
        for n in counts:
            peak = peak_memory([sys.executable, "-c", script, path, str(n), weights])
            held = (X[:n].nbytes + n * 128 * 4) / 2**20
            results[f"digits_{n}"] = {
                "relative_rate": summarize_rounds(divide(rates[n], rates[10_000])),
                "peak_mib": round(peak),
                "without_images_mib": round(peak - held),
            }
    return results


def run_process(command):
    """Run a process to its end."""
    # a second start finds the bytecode that the first one wrote
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())


def peak_memory(command):
    """Return the peak memory of a process in MiB, measured by a child process of its own."""
    code = (
        "import subprocess, sys, resource\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    return float(subprocess.check_output([sys.executable, "-c", code, *command]))


def compare_processes(source, layer, weights, size, n_rounds, folder):
    """Measure the command against the script, with all imports and with only those it needs."""
    out = {name: Path(folder) / f"{name}.npy" for name in ("command", "script", "lean_script")}
    embedding = Path(sys.executable).with_name("embedding")
    plain = [sys.executable, _HERE / "plain_script.py", source]
    options = ["-l", layer, "--weights", weights, "--quiet", "--no-cache"]
    commands = {
        "command": [embedding, source, out["command"], *options],
        "script": [*plain, out["script"], weights, layer, size or "0"],
        "lean_script": [*plain, out["lean_script"], weights, layer, size or "0", "lean"],
    }
    if size:
        commands["command"] += ["--image-size", size]
    run_process(commands["command"])  # the second start is measured
    seconds = {name: [] for name in commands}
    for _ in range(n_rounds):
        for name, command in commands.items():
            seconds[name].append(time_call(run_process, command)[0])
    ours, theirs = np.load(out["command"]), np.load(out["script"])
    return {
        "times_script": summarize_rounds(divide(seconds["script"], seconds["command"])),
        "times_lean_script": summarize_rounds(divide(seconds["lean_script"], seconds["command"])),
        "peak_mib": {name: round(peak_memory(command)) for name, command in commands.items()},
        "seconds": statistics.median(seconds["command"]),
        "largest_difference": np.abs(ours - theirs).max() / np.abs(theirs).max(),
    }


def measure_processes(folder, weights):
    """Measure whole processes: all of MNIST, and one photo."""
    photo = next((folder / "clothing" / "train").glob("*/*.jpg"))
    with tempfile.TemporaryDirectory() as temporary:
        mnist = Path(temporary) / "mnist.npy"
        with np.load(folder / "mnist.npz") as file:
            np.save(mnist, file["x_train"])
        return {
            "digits_60000": compare_processes(mnist, "82", weights, None, 3, temporary),
            "photo": compare_processes(photo, "82", weights, "224", 5, temporary),
        }


def _load_digits(folder):
    with np.load(folder / "mnist.npz") as file:
        return file["x_train"]


PARTS = {
    **{work: partial(measure_engine, work) for work in _WORKS},
    "folder": lambda folder: measure_folder(folder, folder / WEIGHTS),
    "memory": lambda folder: measure_memory(_load_digits(folder), folder / WEIGHTS),
    "processes": lambda folder: measure_processes(folder, folder / WEIGHTS),
}


def measure(folder):
    """Return the speed of the engine, of a folder, of many images and of whole processes."""
    return {name: measure_part(folder) for name, measure_part in PARTS.items()}
