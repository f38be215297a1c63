"""Run a cut network with OpenVINO: built from its weights, without Keras or tensorflow."""

import math
from collections import deque
from functools import lru_cache, partial

import numpy as np

from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weights import load_arrays
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet._runtime.threads import count_threads

_BN_EPSILON = 1.001e-5  # of all batch normalisation in Keras' ResNets
# Images go through the network about this many pixels at a time. Fewer would have the weights of
# the deep layers read too often, more would not fit into the processor's cache (measured at
# 28 x 28, 96 x 96 and 224 x 224 on layers 82, 153 and 189).
_PIXELS_AT_A_TIME = 2**16
_MAX_AT_A_TIME = 64
_HINTS = {"float32": "f32", "int8": "f32", "bfloat16": "bf16"}


@lru_cache
def import_openvino():
    """Import OpenVINO, which would otherwise report over the network that it was."""
    with hidden_module("openvino_telemetry"):
        import openvino
    return openvino


@lru_cache
def get_core():
    """OpenVINO's core, which finds the devices."""
    return import_openvino().Core()


def count_at_a_time(image_shape):
    """Number of images that go through the network together: a power of two."""
    pixels = math.prod(image_shape[:2])
    about = max(1, _PIXELS_AT_A_TIME // pixels)
    return min(_MAX_AT_A_TIME, 1 << (about - 1).bit_length())


def compile_network(computation):
    """Compile preprocessing, a cut network and pooling.

    Parameters
    ----------
    computation : sklearn_resnet._network.engines.Computation

    Returns
    -------
    run : callable
        See `sklearn_resnet._network.engines.get_run`.

    Notes
    -----
    Whatever the batches, the same number of images goes through the same compiled code each
    time, the last ones beside blank ones: so features are bit-equal for any batch size,
    order and company of an image.
    """
    n_images = count_at_a_time(computation.image_shape)
    compiled = get_core().compile_model(
        build_graph(computation, n_images),
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": _HINTS[computation.precision],
            "INFERENCE_NUM_THREADS": count_threads(),
            # the processes of a search would all be pinned to the same cores
            "ENABLE_CPU_PINNING": False,
        },
    )
    return partial(_run, compiled)


def _run(compiled, batches, batch_size):
    n_at_a_time = compiled.input(0).shape[0]
    # one more than run at once, so that none waits for its images
    n_requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
    idle = [compiled.create_infer_request() for _ in range(n_requests)]
    running = deque()  # with their images, which must outlive them

    def finish_first():
        request, _, n_images = running.popleft()
        request.wait()
        features = request.get_output_tensor().data[:n_images].copy()
        idle.append(request)
        return features

    try:
        for images in _regroup(batches, n_at_a_time):
            if not idle:
                yield finish_first()
            n_images = len(images)
            if n_images < n_at_a_time:
                blank = np.zeros((n_at_a_time - n_images, *images.shape[1:]), images.dtype)
                images = np.concatenate([images, blank])
            request = idle.pop()
            images = np.ascontiguousarray(images)
            request.start_async({0: images}, share_inputs=True)
            running.append((request, images, n_images))
        while running:
            yield finish_first()
    finally:
        for request, _, _ in running:  # left over by an error, or by one who wants no more
            request.wait()


def _regroup(batches, size):
    """Cut batches into pieces of `size` images, across borders; the last may be smaller."""
    rest, n_rest = [], 0
    for batch in batches:
        start = min(len(batch), (size - n_rest) % size)
        if start:
            rest.append(batch[:start])
            n_rest += start
        if n_rest == size:
            yield np.concatenate(rest)
            rest, n_rest = [], 0
        stop = len(batch) - (len(batch) - start) % size
        for i in range(start, stop, size):
            yield batch[i : i + size]
        if stop < len(batch):
            rest, n_rest = [batch[stop:]], len(batch) - stop
    if rest:
        yield np.concatenate(rest)


def build_graph(computation, n_images):
    """Build the graph of a computation for a fixed number of images.

    Parameters
    ----------
    computation : sklearn_resnet._network.engines.Computation
        With ranges, the inputs of the convolutions that have one, and their kernels, are
        rounded to 8 bits.
    n_images : int

    Returns
    -------
    openvino.Model
        Its convolutions are named as Keras names them.
    """
    ov = import_openvino()
    from openvino import opset13 as ops

    table = layer_table(computation.weights.architecture)
    images = ops.parameter([n_images, *computation.image_shape], np.dtype(computation.dtype))
    x = _standardize(ops, images, computation.value_range)
    x, is_grey = _preprocess(ops, x, computation)
    builder = _Builder(ops, computation, is_grey)
    maps = builder.build(table, x)
    pools = {"avg": ops.reduce_mean, "max": ops.reduce_max}
    features = [
        pools[pooling](maps[tap], [2, 3], keep_dims=False)
        for tap in computation.taps
        for pooling in computation.pooling
    ]
    return ov.Model([ops.result(ops.concat(features, 1))], [images], "features")


def _standardize(ops, images, value_range):
    """Images of any form to float32, (n, channels, height, width), in 0 to 255."""
    x = ops.convert(images, "f32")
    shape = list(x.shape)
    if len(shape) == 3:
        x = ops.reshape(x, [shape[0], 1, *shape[1:]], False)
    else:
        x = ops.transpose(x, [0, 3, 1, 2])
    low, high = value_range
    if (low, high) != (0, 255):
        x = ops.multiply(ops.subtract(x, np.float32(low)), np.float32(255 / (high - low)))
    return x


def _preprocess(ops, x, computation):
    """From 0 to 255 to what the network was trained on; see the Keras engine's.

    Returns
    -------
    x : openvino.Node
    is_grey : bool
        Whether `x` stands for three equal channels.
    """
    n_images, channels, height, width = x.shape
    is_v2 = computation.weights.architecture.endswith("V2")
    if is_v2:
        x = ops.subtract(ops.divide(x, np.float32(127.5)), np.float32(1))
    # before the first convolution, maps have three channels, which are features if asked for
    is_grey = channels == 1 and is_v2 and min(computation.taps) > 1
    if channels == 1 and not is_grey:
        x = ops.broadcast(x, [n_images, 3, height, width])
    elif channels == 3 and not is_v2:
        x = ops.gather(x, [2, 1, 0], 1)
    if not is_v2:
        x = ops.subtract(x, _per_channel([103.939, 116.779, 123.68]))
    return x, is_grey


class _Builder:
    """Turns layers into nodes of a graph."""

    def __init__(self, ops, computation, is_grey):
        self.ops = ops
        self.computation = computation
        self.is_grey = is_grey
        self.nodes = {}
        self.rounded = {}

    def build(self, table, x):
        """Add all layers that the taps need; return the nodes by the index of their layer."""
        taps = self.computation.taps
        needed = frozenset().union(*(table[tap].ancestors for tap in taps))
        self.arrays = load_arrays(self.computation.weights, table[: max(taps) + 1])
        self.table = table
        self.nodes[0] = x
        for layer in table[1:]:
            if layer.index in needed:
                self.nodes[layer.index] = getattr(self, f"add_{layer.kind}")(layer)
        return self.nodes

    def add_conv(self, layer):
        source = self.table[layer.inputs[0]]
        # a network pads with zeros, in a layer before the convolution or in itself
        pads = [layer.kernel // 2] * 2
        if source.kind == "pad":
            source = self.table[source.inputs[0]]
        strides = [layer.stride // source.stride] * 2
        kernel, *bias = self.arrays[layer.name]
        if self.is_grey and layer.name == "conv1_conv":
            kernel = kernel.sum(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))  # (out, in, height, width)
        x, kernel = self.round_inputs(layer, source, kernel)
        node = self.ops.convolution(x, kernel, strides, pads, pads, [1, 1])
        node.set_friendly_name(layer.name)
        return self.ops.add(node, _per_channel(bias[0])) if bias else node

    def round_inputs(self, layer, source, kernel):
        """Let a convolution compute in 8 bits, if a range is known for its input."""
        x, ranges = self.nodes[source.index], dict(self.computation.ranges or ())
        if layer.name not in ranges:
            return x, self.ops.constant(kernel)
        if source.index not in self.rounded:
            low, high = map(np.float32, ranges[layer.name])
            self.rounded[source.index] = self.ops.fake_quantize(x, low, high, low, high, 256)
        # symmetric, each output channel by itself, in -127 to 127
        most = np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), np.float32(1e-20))
        rounded = self.ops.fake_quantize(self.ops.constant(kernel), -most, most, -most, most, 255)
        return self.rounded[source.index], rounded

    def add_bn(self, layer):
        gamma, beta, mean, variance = (a.astype(np.float64) for a in self.arrays[layer.name])
        scale = gamma / np.sqrt(variance + _BN_EPSILON)
        scaled = self.ops.multiply(self.nodes[layer.inputs[0]], _per_channel(scale))
        return self.ops.add(scaled, _per_channel(beta - mean * scale))

    def add_relu(self, layer):
        return self.ops.relu(self.nodes[layer.inputs[0]])

    def add_pad(self, layer):
        pads = [0, 0, layer.kernel // 2, layer.kernel // 2]
        return self.ops.pad(self.nodes[layer.inputs[0]], pads, pads, "constant", np.float32(0))

    def add_pool(self, layer):
        stride = layer.stride // self.table[layer.inputs[0]].stride
        x, kernel = self.nodes[layer.inputs[0]], [layer.kernel] * 2
        return self.ops.max_pool(x, [stride] * 2, [1, 1], [0, 0], [0, 0], kernel).output(0)

    def add_add(self, layer):
        return self.ops.add(*(self.nodes[i] for i in layer.inputs))


def _per_channel(values):
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)
