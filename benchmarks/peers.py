"""Speed of ResNetFeatures beside timm on PyTorch, embetter, and ONNX Runtime, on a processor.

Each contender has a process of its own, in which it is warmed up and then waits. They are told one
at a time, round after round, to turn the same images into features. Run it where nothing else
runs: PyTorch's threads wait for each other, and lose most of their speed where a core is not free.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np

BATCH_SIZE = 64
_ROUNDS = 5
MODEL = "resnetv2_50"
OURS = "sklearn-resnet"


@dataclass(frozen=True)
class Work:
    """Images of one size through one network; grey ones have no channels."""

    title: str
    size: int
    n_images: int
    width: int
    layers: str | None = None
    is_grey: bool = False


WORKS = {
    "whole": Work("Photos, 224 x 224, all layers", 224, 128, 2048),
    "conv3": Work("Photos, 224 x 224, up to the end of conv3", 224, 320, 512, layers="conv3"),
    "digits": Work("Digits, 28 x 28, all layers", 28, 4096, 2048, is_grey=True),
}

# Each function that makes a contender gives: the function from images to features, GFLOP for an
# image, the batch size, and the packages it stands on. It runs in a worker, whose environment has
# only these.


def make_ours(work, images):
    """sklearn-resnet as installed where the benchmark runs."""
    from sklearn_resnet import ResNetFeatures
    from sklearn_resnet._network.layers import layer_table, resolve_layers

    resnet = ResNetFeatures(work.layers, BATCH_SIZE, weights=None, random_state=0, cache=None)
    resnet.fit(images)
    table = layer_table("ResNet50V2")
    gflop = 0
    for i in resolve_layers("ResNet50V2", work.layers)[0].ancestors:
        # costs are listed for 224 x 224 pixels and three channels
        scale = (math.ceil(work.size / table[i].stride) * table[i].stride / 224) ** 2
        channels = 1 / 3 if work.is_grey and table[i].name == "conv1_conv" else 1
        gflop += table[i].flop * scale * channels / 1e9
    return resnet.transform, gflop, BATCH_SIZE, ["sklearn-resnet", "openvino"]


def make_network(work):
    """Network of timm, with random weights, and its GFLOP for an image."""
    import timm
    import torch

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    network = timm.create_model(MODEL, pretrained=False, num_classes=0).eval()
    if work.layers == "conv3":
        network.prune_intermediate_layers([2])
        network.reset_classifier(0, "avg")  # pruning takes the pooling away
    flops = []

    def count(conv, _, output):
        flops.append(2 * conv.weight.numel() * output.shape[2] * output.shape[3])

    convs = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    hooks = [conv.register_forward_hook(count) for conv in convs]
    with torch.inference_mode():
        network(torch.zeros(1, 3, work.size, work.size))
    for hook in hooks:
        hook.remove()
    return network, sum(flops) / 1e9


def make_timm(work, images, channels_last=False, compiled=False, freezing=False, best=False):
    """Network of timm on PyTorch."""
    import torch
    import torch._inductor.config

    network, gflop = make_network(work)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=memory_format)
    torch._inductor.config.freezing = freezing
    if compiled:
        network = torch.compile(network)

    @torch.inference_mode()
    def compute(batch):
        x = torch.from_numpy(batch)
        x = x.unsqueeze(1) if work.is_grey else x.permute(0, 3, 1, 2)
        x = x.to(torch.float32).div_(127.5).sub_(1)
        x = x.repeat(1, 3, 1, 1) if work.is_grey else x
        return network(x.contiguous(memory_format=memory_format)).numpy()

    return finish(compute, images, best, gflop, ["timm", "torch"])


def make_onnx(work, images, best=False):
    """Network of timm, exported and run by ONNX Runtime."""
    import onnxruntime
    import torch

    network, gflop = make_network(work)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the new exporter needs onnxscript
        path = f"{folder}/network.onnx"
        example = torch.zeros(2, 3, work.size, work.size)
        axes = {"images": {0: "n"}, "features": {0: "n"}}
        names = {"input_names": ["images"], "output_names": ["features"]}
        torch.onnx.export(network, (example,), path, dynamo=False, dynamic_axes=axes, **names)
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    def compute(batch):
        x = batch[:, np.newaxis] if work.is_grey else batch.transpose(0, 3, 1, 2)
        x = np.ascontiguousarray(x, np.float32)
        x /= 127.5
        x -= 1
        x = np.repeat(x, 3, axis=1) if work.is_grey else x
        return session.run(None, {"images": x})[0]

    return finish(compute, images, best, gflop, ["onnxruntime", "onnx"])


def make_embetter(work, images):
    """Encoder of embetter as it is, but for weights that need no download."""
    import timm
    from embetter.vision import TimmEncoder
    from PIL import Image

    _, gflop = make_network(work)
    create = partial(timm.create_model)
    random = {"pretrained": False}
    with mock.patch.object(timm, "create_model", lambda *args, **kw: create(*args, **kw | random)):
        encoder = TimmEncoder(MODEL)
    pictures = [Image.fromarray(image) for image in images]  # which it takes; not timed
    return lambda _: encoder.transform(pictures), gflop, 1, ["embetter", "timm", "torch"]


def finish(compute, images, best, gflop, packages):
    """Let a function that takes a batch take all images, by 64 or as many as is fastest."""

    def run(images, batch_size):
        starts = range(0, len(images), batch_size)
        return np.concatenate([compute(images[i : i + batch_size]) for i in starts])

    def trial(batch_size, n=BATCH_SIZE if images.ndim == 4 else 8 * BATCH_SIZE):
        run(images[:n], batch_size)
        return min(measure(lambda: run(images[:n], batch_size))[0] for _ in range(3))

    sizes = [2**i for i in (range(7) if images.ndim == 4 else range(3, 10))]
    batch_size = min(sizes, key=trial) if best else BATCH_SIZE
    return partial(run, batch_size=batch_size), gflop, batch_size, packages


PEERS = {
    "timm": make_timm,
    "timm, channels_last": partial(make_timm, channels_last=True),
    "timm, channels_last, best batch": partial(make_timm, channels_last=True, best=True),
    "timm, torch.compile": partial(make_timm, compiled=True),
    "timm, torch.compile, freezing": partial(make_timm, compiled=True, freezing=True),
    "embetter": make_embetter,
    "ONNX Runtime": make_onnx,
    "ONNX Runtime, best batch": partial(make_onnx, best=True),
}


def measure(function):
    """Seconds of a call, by the clock and as all cores together worked for it."""
    start, work = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - work


def serve(name, work, path):
    """Be a worker: make a contender, tell about it, and run a pass for each line that comes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print
    images = np.load(path)
    run, gflop, batch_size, packages = {OURS: make_ours, **PEERS}[name](work, images)
    features = run(images)
    if features.shape != (len(images), work.width) or features.dtype != np.float32:
        raise ValueError(f"{features.dtype} of shape {features.shape} are no features")
    if not np.isfinite(features).all():
        raise ValueError("features are not finite")
    print(json.dumps([gflop, batch_size, {p: version(p) for p in packages}]), file=answers)
    for _ in sys.stdin:
        print(json.dumps(measure(lambda: run(images))), file=answers)


class Worker:
    """A contender in its own process; `error` says why it could not be made."""

    def __init__(self, name, python, key, folder):
        command = [python, __file__, name, key, folder / f"{key}.npy"]
        log = folder / f"{key} {name}.txt"
        with log.open("w") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        facts = self.process.stdout.readline()
        last_words = log.read_text().strip().split("\n")[-1]
        self.error = None if facts else last_words or "it ended without a word"
        self.gflop, self.batch_size, self.versions = json.loads(facts) if facts else (0, 0, {})
        print(f"{name}: {self.error or 'ready'}", file=sys.stderr)

    def run(self):
        """Seconds of a pass, and how many cores others kept busy meanwhile."""
        busy = count_busy_seconds()
        print(file=self.process.stdin, flush=True)
        seconds, own = json.loads(self.process.stdout.readline())
        return seconds, max(0.0, count_busy_seconds() - busy - own) / seconds


def count_busy_seconds():
    """Seconds that all cores together have worked, or were taken away, since the machine began."""
    import psutil

    times = psutil.cpu_times()._asdict()
    return sum(times.get(kind, 0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))


def make_images(work, data):
    """Photos or digits from the folder of data."""
    if work.is_grey:
        with np.load(data / "mnist.npz") as file:
            return file["x_train"][: work.n_images]
    from sklearn_resnet import ImageLoader
    from sklearn_resnet.datasets import load_image_folder

    paths = load_image_folder(data / "clothing" / "train").data[: work.n_images]
    images = ImageLoader(work.size).fit_transform(paths)
    return np.resize(images, (work.n_images, work.size, work.size, 3))


def compare(key, python, folder, versions):
    """Lines about one kind of work; adds to `versions`."""
    work = WORKS[key]
    names = [name for name in PEERS if key == "whole" or name != "embetter"]
    pythons = {OURS: sys.executable, **dict.fromkeys(names, python)}
    workers = {name: Worker(name, pythons[name], key, folder) for name in pythons}
    able = [name for name in workers if not workers[name].error]
    if OURS not in able:
        raise RuntimeError(workers[OURS].error)
    seconds, others = defaultdict(list), []
    for i in range(_ROUNDS):
        for name in able[i % len(able) :] + able[: i % len(able)]:
            time.sleep(0.3)  # threads that wait for more work soon sleep
            taken, busy = workers[name].run()
            seconds[name].append(taken)
            others.append(busy)
    yield f"### {work.title}: {work.n_images:,} images"
    yield ""
    yield "| | batch | GFLOP an image | images/s | GFLOP/s | ours is as fast, times |"
    yield "|---|---|---|---|---|---|"
    for name, worker in workers.items():
        worker.process.communicate()
        versions.update(worker.versions)
        if worker.error:
            yield f"| {name} | | | failed: {worker.error} | | |"
            continue
        rate = work.n_images / median(seconds[name])
        ratios = [peer / ours for peer, ours in zip(seconds[name], seconds[OURS], strict=True)]
        yield (
            f"| {name} | {worker.batch_size} | {worker.gflop:.3g} | {rate:.4g} | "
            f"{worker.gflop * rate:.0f} | {median(ratios):.2f} ({min(ratios):.2f} to "
            f"{max(ratios):.2f}) |"
        )
    yield ""
    yield f"Other processes meanwhile kept {median(others):.2f} (at most {max(others):.2f}) cores busy."
    yield ""


def report(data):
    """Measure, and yield the lines of the report; PEERS names the Python that has the peers."""
    if "PEERS" not in os.environ:
        raise SystemExit("PEERS must name the Python of an environment: see benchmarks/README.md.")
    versions = {}
    yield from [
        "## Speed against timm, embetter and ONNX Runtime",
        "",
        f"float32 on {os.cpu_count()} cores; {_ROUNDS} rounds: median rate, and the median (least",
        "to greatest) of the ratios within rounds. From uint8 images to float32 features,",
        "preprocessing included. All weights are random; the images are real.",
        f"Peers run timm's {MODEL}, which halves the image at the start of a stage; Keras'",
        "ResNet50V2 does so at the end of the stage before, and so costs less: GFLOP count the",
        "convolutions, a multiplication and an addition as two. Best batch: the power of two that",
        "was fastest in a trial. Freezing: `torch._inductor.config.freezing`. embetter takes PIL",
        "images (made before), resizes to 235 and crops to 224 pixels, and runs them one by one, in",
        "training mode and with gradients, as `TimmEncoder` does; only `pretrained=True` was",
        "replaced.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for key, work in WORKS.items():
            np.save(Path(folder, key), make_images(work, data))
            yield from compare(key, os.environ["PEERS"], Path(folder), versions)
    yield ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) + "."


if __name__ == "__main__":
    serve(sys.argv[1], WORKS[sys.argv[2]], sys.argv[3])
