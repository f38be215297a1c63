"""How fast features come, against plain Keras and against what the processor can do.

Contenders take turns within a round, rounds are repeated, and what is reported is the median of the
ratios within rounds, with the smallest and largest in parentheses: the machine may be slow at times,
but then it is slow for all. Features are compared in the same run.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from layer_accuracy import WEIGHTS, load_mnist, score_neighbours

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet._network.engines.keras import load_network
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weights import find_weights
from sklearn_resnet._runtime.keras import import_keras
from sklearn_resnet.datasets import load_image_folder

_ROUNDS = 7
_SIDE = 1536  # of the matrices whose product is the measure of the processor
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
    """The matrix product of NumPy, in a process of its own, with or without a setting."""

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
        """10^9 operations a second, of the fastest of a few products."""
        self.process.stdin.write("12\n")
        self.process.stdin.flush()
        return 2e-9 * _SIDE**3 / float(self.process.stdout.readline())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def describe(ratios):
    """Median, smallest and largest."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def timed(function, *args):
    """Seconds, and the result."""
    start = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - start, result


def count_gflop(layer, images):
    """10^9 operations of the convolutions for one image; grey ones enter as one channel."""
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
    """Do what most people write."""
    import keras

    model = keras.Model(network.input, network.layers[layer].output)

    def plain(images):
        x = images if images.ndim == 4 else np.repeat(images[..., np.newaxis], 3, axis=-1)
        x = keras.applications.resnet_v2.preprocess_input(x.astype(np.float32))
        return model.predict(x, verbose=0).mean((1, 2))

    return plain


def engine_rows(weights, network, works, products):
    """Rows of the table of engines: each work against plain `predict` and the product."""
    for name, layer, images, probe in works:
        gflop = count_gflop(layer, images)
        plain = make_plain(network, layer)
        ours = {
            precision: ResNetFeatures(layer, weights=weights, precision=precision, cache=None).fit(
                images
            )
            for precision in ("float32", "int8")
        }
        for contender in (plain, *(resnet.transform for resnet in ours.values())):
            contender(images[: len(images) // 4])
        speedups = {precision: [] for precision in ours}
        shares = [[] for _ in products]
        for _ in range(_ROUNDS):
            slow, expected = timed(plain, images)
            for precision, resnet in ours.items():
                seconds, features = timed(resnet.transform, images)
                speedups[precision].append(slow / seconds)
                if precision == "float32":
                    rate = gflop * len(images) / seconds
                    for share, product in zip(shares, products, strict=True):
                        share.append(rate / product.gflops())
                    exact = features
        error = np.abs(exact - expected).max() / np.abs(expected).max()
        cosines = np.sum(exact * features, 1)
        cosines /= np.linalg.norm(exact, axis=1) * np.linalg.norm(features, axis=1)
        yield (
            f"| {name} | {describe(speedups['float32'])} | "
            + " | ".join(describe(share) for share in shares)
            + f" | {error:.0e} | {describe(speedups['int8'])} | {cosines.mean():.4f}, "
            f"{np.quantile(cosines, 0.01):.4f}, {cosines.min():.4f} | {probe(ours)} |"
        )


def int8_accuracy(mnist):
    """Make a function that scores 5 nearest neighbours with each precision."""
    X_train, y_train, X_test, y_test = mnist

    def probe(ours):
        scores = [
            score_neighbours(resnet.transform(X_train), y_train, resnet.transform(X_test), y_test)
            for resnet in ours.values()
        ]
        return " / ".join(f"{score:.4f}" for score in scores)

    return probe


def folder_ratios(folder, weights):
    """Rate of a folder of photos, as a part of that of the network on decoded arrays."""
    paths = load_image_folder(folder / "clothing").data
    loader = ImageLoader(224, lazy=True).fit(paths)
    decoded = np.asarray(loader.transform(paths))
    resnet = ResNetFeatures(82, weights=weights, cache=None).fit(decoded[:1])
    ratios, decoding = [], []
    for _ in range(_ROUNDS):
        alone, expected = timed(resnet.transform, decoded)
        both, features = timed(lambda: resnet.transform(loader.transform(paths)))
        np.testing.assert_array_equal(features, expected)
        ratios.append(alone / both)
        decoding.append(timed(np.asarray, loader.transform(paths))[0] / alone)
    return len(paths), ratios, decoding


def scaling_rows(weights, X):
    """Rows of rate and memory against the number of images."""
    resnet = ResNetFeatures(82, weights=weights, cache=None).fit(X[:1000])
    counts = (1_000, 10_000, len(X))
    rates = {n: [] for n in counts}
    for _ in range(_ROUNDS):
        for n in counts:
            rates[n].append(n / timed(resnet.transform, X[:n])[0])
    script = (
        "import sys, numpy as np; from sklearn_resnet import ResNetFeatures\n"
        "X = np.load(sys.argv[1], mmap_mode='r')[: int(sys.argv[2])]\n"
        "ResNetFeatures(82, weights=sys.argv[3], cache=None).fit(X).transform(X)"
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "X.npy"
        np.save(path, X)
        for n in counts:
            ratios = [rate / base for rate, base in zip(rates[n], rates[10_000], strict=True)]
            peak = peak_memory([sys.executable, "-c", script, path, str(n), weights])
            held = (X[:n].nbytes + n * 128 * 4) / 2**20
            yield f"| {n:,} | {describe(ratios)} | {peak:.0f} MB | {peak - held:.0f} MB |"


def run_process(command):
    """Seconds and peak memory in MB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, message = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(message.decode())
    return seconds


def peak_memory(command):
    """Run a process in a child of its own, so that its peak memory is not that of others."""
    code = (
        "import subprocess, sys, resource\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL,"
        " stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    return float(subprocess.check_output([sys.executable, "-c", code, *command]))


def process_rows(folder, weights):
    """Rows of whole processes: the command against a script."""
    photo = next((folder / "clothing" / "train").glob("*/*.jpg"))
    embedding = Path(sys.executable).with_name("embedding")
    script = [sys.executable, _HERE / "plain_script.py"]
    with tempfile.TemporaryDirectory() as temporary:
        mnist = Path(temporary) / "mnist.npy"
        with np.load(folder / "mnist.npz") as file:
            np.save(mnist, file["x_train"])
        works = {
            "the 60,000 digits of MNIST": (mnist, [], 3),
            "one photo at 224 x 224": (photo, ["--image-size", "224"], 5),
        }
        for name, (source, size, rounds) in works.items():
            out = [Path(temporary) / f"{who}.npy" for who in ("ours", "plain", "lean")]
            options = ["-l", "82", "--weights", weights]
            ours = [embedding, source, out[0], *options, *size, "--quiet", "--no-cache"]
            plain = [*script, source, out[1], weights, "82", *size[1:]]
            lean = [*script, source, out[2], weights, "82", *(size[1:] or ["0"]), "lean"]
            run_process(ours)  # the second start is what is measured
            ratios, lean_ratios = [], []
            for _ in range(rounds):
                seconds = run_process(ours)
                ratios.append(run_process(plain) / seconds)
                lean_ratios.append(run_process(lean) / seconds)
            features = [np.load(path) for path in out]
            error = np.abs(features[0] - features[1]).max() / np.abs(features[1]).max()
            peaks = [peak_memory(command) for command in (ours, plain, lean)]
            yield (
                f"| {name} | {describe(ratios)} | {describe(lean_ratios)} | "
                + " / ".join(f"{peak:.0f}" for peak in peaks)
                + f" MB | {seconds:.1f} s | {error:.0e} |"
            )


def save_whole_weights(folder, path):
    """Save ImageNet's weights with what the file lacks, conv5, as Keras draws it."""
    import_keras().utils.set_random_seed(0)
    network = load_network(find_weights("ResNet50V2", folder / WEIGHTS, None))
    network.save_weights(path)
    return network


def report(folder):
    """Measure, and yield the lines of the report."""
    rng = np.random.default_rng(0)
    mnist = load_mnist(folder)
    paths = load_image_folder(folder / "clothing" / "train").data
    photos = ImageLoader(224).fit_transform(paths)[:: len(paths) // 96][:96]
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary) / "whole.weights.h5"
        network = save_whole_weights(folder, weights)
        digits = mnist[0][rng.permutation(len(mnist[0]))[:4096]]
        accuracy, none = int8_accuracy(mnist), lambda ours: ""
        works = [
            ("MNIST 28 x 28, layer 82", 82, digits, accuracy),
            ("MNIST 28 x 28, all layers", 189, digits[:2048], accuracy),
            ("photos 224 x 224, layer 82", 82, photos, none),
            ("photos 224 x 224, all layers", 189, photos, none),
        ]
        products = [Product()]
        titles = ["of the product"]
        if "OPENBLAS_CORETYPE" in os.environ:
            products.append(Product(OPENBLAS_CORETYPE=None))
            titles = [
                f"of the product ({os.environ['OPENBLAS_CORETYPE']} kernels)",
                "of the product (native kernels)",
            ]
        yield from [
            "## Speed of the engine",
            "",
            "OpenVINO, against `Model(base.input, base.layers[n].output).predict(preprocess_input(x),"
            " verbose=0).mean((1, 2))`",
            "at Keras' defaults, and, as GFLOP/s, against NumPy's float32 product of two matrices of"
            f" {_SIDE} x {_SIDE}.",
            "conv5 has random weights. Cosine: mean, 1st percentile and least over images.",
            "",
            f"| work | float32, times as fast | {' | '.join(titles)} | largest difference | "
            "int8, times as fast | int8, cosine to float32 | 5-NN float32 / int8 |",
            "|---|---|---" + "|---" * len(products) + "|---|---|---|",
            *engine_rows(weights, network, works, products),
        ]
        for product in products:
            product.close()
    weights = folder / WEIGHTS
    n_photos, ratios, decoding = folder_ratios(folder, weights)
    yield from [
        "",
        f"## A folder of {n_photos} JPEGs (mostly 400 x 533) to layer 82 at 224 x 224",
        "",
        f"Rate with decoding, as a part of the network's alone: {describe(ratios)}.",
        f"Decoding alone takes {describe(decoding)} of the network's time.",
        "",
        "## Rate and memory against the number of images: MNIST, layer 82",
        "",
        "| images | images/s, against 10,000 | peak memory | without images and features |",
        "|---|---|---|---|",
        *scaling_rows(weights, np.load(folder / "mnist.npz")["x_train"]),
        "",
        "## Whole processes",
        "",
        "`embedding INPUT out.npy -l 82 --no-cache`, started for the second time, against `plain_script.py`: with"
        " the imports of a script",
        "that also draws, and with only those that it needs (lean). Peak memory: the command / the"
        " script / lean.",
        "",
        "| work | times as fast | as lean | peak memory | the command takes | largest difference |",
        "|---|---|---|---|---|---|",
        *process_rows(folder, weights),
        "",
    ]
