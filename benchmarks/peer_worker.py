"""One contender of `peers`, in a process of its own: peer_worker.py NAME WORK IMAGES.

It runs in an environment with the contender's packages, and without the other files of this folder.
"""

import json
import math
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np

BATCH_SIZE = 64


@dataclass(frozen=True)
class Work:
    """Images of one size for one network; grey ones have no channel axis.

    `model` is timm's name of the network, `mean` and `std` are those of its images, in units of the
    value range. Weights are random unless `weights` is a file.
    """

    size: int
    n_images: int
    width: int
    layers: str | None = None
    is_grey: bool = False
    model: str = "resnetv2_50"
    architecture: str = "ResNet50V2"
    mean: tuple = (0.5, 0.5, 0.5)
    std: tuple = (0.5, 0.5, 0.5)
    weights: str | None = None


WORKS = {
    "photos_all": Work(224, 128, 2048),
    "photos_conv3": Work(224, 320, 512, layers="conv3"),
    "digits_all": Work(28, 4096, 2048, is_grey=True),
}
# For `torch_speed`
TORCH_WORKS = {
    "resnet50_all": Work(
        *(224, 128, 2048),
        model="resnet50",
        architecture="ResNet50V1.5",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
}

# Each function below makes a contender: it returns the function from images to features, GFLOP per
# image, the batch size and the names of the packages.


def make_ours(work, images):
    """Make sklearn-resnet, as installed where the benchmark runs."""
    from sklearn_resnet import ResNetFeatures
    from sklearn_resnet._network.layers import layer_table, resolve_layers

    options = {"architecture": work.architecture, "weights": work.weights, "cache": None}
    resnet = ResNetFeatures(work.layers, BATCH_SIZE, random_state=0, **options).fit(images)
    table = layer_table(work.architecture)
    gflop = 0
    for i in resolve_layers(work.architecture, work.layers)[0].ancestors:
        n_positions = math.ceil(work.size / table[i].stride) ** 2
        channels = 1 / 3 if work.is_grey and table[i].name == "conv1_conv" else 1
        gflop += table[i].position_flop * n_positions * channels / 1e9
    return resnet.transform, gflop, BATCH_SIZE, ["sklearn-resnet", "openvino"]


def make_network(work):
    """Make timm's network with random weights; return it, and its GFLOP per image."""
    import timm
    import torch

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    network = timm.create_model(work.model, pretrained=False, num_classes=0).eval()
    if work.weights:
        from safetensors.torch import load_file

        state = load_file(work.weights)  # without counters of batches
        network.load_state_dict(state, strict=False)
    if work.layers == "conv3":
        network.prune_intermediate_layers([2])
        network.reset_classifier(0, "avg")  # pruning removes the pooling
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
    """Make timm's network on PyTorch."""
    import torch
    import torch._inductor.config

    network, gflop = make_network(work)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=memory_format)
    torch._inductor.config.freezing = freezing
    if compiled:
        network = torch.compile(network)

    zero, step = (255 * torch.tensor(values)[:, None, None] for values in (work.mean, work.std))

    @torch.inference_mode()
    def compute(batch):
        x = torch.from_numpy(batch)
        x = x.unsqueeze(1) if work.is_grey else x.permute(0, 3, 1, 2)
        x = x.to(torch.float32).sub_(zero[: x.shape[1]]).div_(step[: x.shape[1]])
        x = x.repeat(1, 3, 1, 1) if work.is_grey else x
        return network(x.contiguous(memory_format=memory_format)).numpy()

    return finish(compute, images, best, gflop, ["timm", "torch"])


def make_onnx(work, images, best=False):
    """Make timm's network, exported and run by ONNX Runtime."""
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

    zero, step = (
        255 * np.array(values, np.float32)[:, None, None] for values in (work.mean, work.std)
    )

    def compute(batch):
        x = batch[:, np.newaxis] if work.is_grey else batch.transpose(0, 3, 1, 2)
        x = np.ascontiguousarray(x, np.float32)
        x -= zero[: x.shape[1]]
        x /= step[: x.shape[1]]
        x = np.repeat(x, 3, axis=1) if work.is_grey else x
        return session.run(None, {"images": x})[0]

    return finish(compute, images, best, gflop, ["onnxruntime", "onnx"])


def make_embetter(work, images):
    """Make embetter's unmodified encoder, except for weights that need no download."""
    import timm
    from embetter.vision import TimmEncoder
    from PIL import Image

    _, gflop = make_network(work)
    create = partial(timm.create_model)
    random = {"pretrained": False}
    with mock.patch.object(timm, "create_model", lambda *args, **kw: create(*args, **kw | random)):
        encoder = TimmEncoder(work.model)
    pictures = [Image.fromarray(image) for image in images]  # its input; not timed
    return lambda _: encoder.transform(pictures), gflop, 1, ["embetter", "timm", "torch"]


def finish(compute, images, best, gflop, packages):
    """Turn a function of a batch into one of all images, in batches of 64 or of the fastest size."""

    def run(images, batch_size):
        starts = range(0, len(images), batch_size)
        return np.concatenate([compute(images[i : i + batch_size]) for i in starts])

    def trial(batch_size, n=BATCH_SIZE if images.ndim == 4 else 8 * BATCH_SIZE):
        run(images[:n], batch_size)
        return min(measure(lambda: run(images[:n], batch_size))[0] for _ in range(3))

    sizes = [2**i for i in (range(7) if images.ndim == 4 else range(3, 10))]
    batch_size = min(sizes, key=trial) if best else BATCH_SIZE
    return partial(run, batch_size=batch_size), gflop, batch_size, packages


CONTENDERS = {
    "sklearn_resnet": make_ours,
    "timm": make_timm,
    "timm_channels_last": partial(make_timm, channels_last=True),
    "timm_channels_last_best_batch": partial(make_timm, channels_last=True, best=True),
    "timm_compile": partial(make_timm, compiled=True),
    "timm_compile_freezing": partial(make_timm, compiled=True, freezing=True),
    "timm_compile_channels_last": partial(make_timm, channels_last=True, compiled=True),
    "embetter": make_embetter,
    "onnxruntime": make_onnx,
    "onnxruntime_best_batch": partial(make_onnx, best=True),
}


def measure(function):
    """Return the wall time of a call, and the CPU time of all threads."""
    start, work = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - work


def serve(name, work, path):
    """Make a contender, describe it, and run a pass for each line on stdin."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the output of libraries
    images, weights = np.load(path), Path(path).with_name("weights.safetensors")
    if weights.exists():
        work = replace(work, weights=str(weights))
    run, gflop, batch_size, packages = CONTENDERS[name](work, images)
    features = run(images)
    if features.shape != (len(images), work.width) or features.dtype != np.float32:
        raise ValueError(f"features are {features.dtype} of shape {features.shape}")
    if not np.isfinite(features).all():
        raise ValueError("features are not finite")
    np.save(Path(path).with_name(f"{name}.npy"), features)
    print(json.dumps([gflop, batch_size, {p: version(p) for p in packages}]), file=answers)
    for _ in sys.stdin:
        print(json.dumps(measure(lambda: run(images))), file=answers)


if __name__ == "__main__":
    serve(sys.argv[1], (WORKS | TORCH_WORKS)[sys.argv[2]], sys.argv[3])
