"""The OpenVINO engine: builds the graph of a cut network from its weights, without Keras."""

import math
from collections import deque
from functools import lru_cache, partial

import numpy as np

from sklearn_resnet._network.engines.hardware import describe_processor
from sklearn_resnet._network.pooling import GEM_EPSILON, GEM_POWER, cell_bounds
from sklearn_resnet._network.weights import load_arrays
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet._runtime.threads import count_threads

# Pixels in one inference request. With fewer, the weights of the deep layers are read too often;
# with more, the maps exceed the processor's cache (measured at 28 x 28, 96 x 96 and 224 x 224 on
# layers 82, 153 and 189).
_PIXELS_PER_REQUEST = 2**16
_MAX_IMAGES_PER_REQUEST = 64
# What int8 leaves unrounded, the sums of the residual blocks above all, takes half the memory and time
# in bfloat16, which lowers the mean cosine to float32 by at most 2e-5 (measured at layers 82 and 153).
# A processor without bfloat16 instructions computes in float32 instead.
_HINTS = {"float32": "f32", "int8": "bf16", "bfloat16": "bf16"}


@lru_cache
def import_openvino():
    """Import OpenVINO, with its telemetry disabled."""
    with hidden_module("openvino_telemetry"):
        import openvino
    return openvino


@lru_cache
def get_core():
    """Return OpenVINO's core, which lists the devices."""
    return import_openvino().Core()


def list_packages():
    """List the distribution that computes."""
    return ("openvino",)


def device_key():
    """Name the device whose kind may change the last bits of features."""
    return describe_processor()


def describe_device():
    """Describe the device that computes, for people."""
    return get_core().get_property("CPU", "FULL_DEVICE_NAME")


def has_bfloat16():
    """Whether the processor computes in bfloat16; OpenVINO computes in float32 otherwise."""
    return "BF16" in get_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def release():
    """Drop the core before a fork: the child would wait for threads that only the parent has."""
    get_core.cache_clear()


def request_size(image_shape):
    """Return the number of images in one inference request: a power of two."""
    pixels = math.prod(image_shape[:2])
    about = max(1, _PIXELS_PER_REQUEST // pixels)
    return min(_MAX_IMAGES_PER_REQUEST, 1 << (about - 1).bit_length())


def compile_network(computation):
    """Compile preprocessing, the cut network and pooling.

    Parameters
    ----------
    computation : Computation

    Returns
    -------
    run : callable
        See `sklearn_resnet._network.engines.store.compile_computation`.

    Notes
    -----
    Each request holds the same number of images, the last one padded with blank images, and runs
    the same compiled code. The features of an image are therefore equal to the last bit for any
    batch size, any order and any other images in the batch.
    """
    n_images = request_size(computation.image_shape)
    compiled = get_core().compile_model(
        build_graph(computation, n_images),
        "CPU",
        {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": _find_hint(computation),
            "INFERENCE_NUM_THREADS": count_threads(),
            # it would pin all processes of a search to the same cores
            "ENABLE_CPU_PINNING": False,
        },
    )
    return partial(_run, compiled)


def _find_hint(computation):
    if computation.precision == "int8" and not computation.ranges:  # nothing is rounded
        return _HINTS["float32"]
    return _HINTS[computation.precision]


def _run(compiled, batches, batch_size):
    size = compiled.input(0).shape[0]
    # one more than run at the same time, so that the next one has its images already
    n_requests = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1
    idle = [compiled.create_infer_request() for _ in range(n_requests)]
    running = deque()  # with their images, which must outlive the requests

    def finish_first():
        request, _, n_images = running.popleft()
        request.wait()
        features = request.get_output_tensor().data[:n_images].copy()
        idle.append(request)
        return features

    try:
        for images in _regroup(batches, size):
            if not idle:
                yield finish_first()
            n_images = len(images)
            if n_images < size:
                blank = np.zeros((size - n_images, *images.shape[1:]), images.dtype)
                images = np.concatenate([images, blank])
            request = idle.pop()
            images = np.ascontiguousarray(images)
            request.start_async({0: images}, share_inputs=True)
            running.append((request, images, n_images))
        while running:
            yield finish_first()
    finally:
        for request, _, _ in running:  # after an error, or when the consumer stops early
            request.wait()


def _regroup(batches, size):
    """Cut batches into pieces of `size` images, across batch borders; the last may be smaller."""
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
    computation : Computation
        If it has ranges, the inputs and kernels of the convolutions named there are rounded to
        8 bits.
    n_images : int

    Returns
    -------
    openvino.Model
        Its convolutions have the names of their layers.
    """
    ov = import_openvino()
    from openvino import opset13 as ops

    table = computation.weights.table
    images = ops.parameter([n_images, *computation.image_shape], np.dtype(computation.dtype))
    is_grey = _can_stay_grey(computation, table)
    pixels = _arrange_channels(ops, images, computation, is_grey)
    maps = _Builder(ops, computation, table, pixels, is_grey).build()
    features = [
        _pool(ops, maps[tap], pooling, computation.grid)
        for tap in computation.taps
        for pooling in computation.pooling
    ]
    return ov.Model([ops.result(ops.concat(features, 1))], [images], "features")


def _can_stay_grey(computation, table):
    """Whether one channel can replace three equal ones: the first convolution adds its kernels."""
    weights, normalization = computation.weights, computation.weights.normalization
    n_channels = computation.image_shape[2] if len(computation.image_shape) == 3 else 1
    is_same_in_all = len(set(normalization.mean)) == len(set(normalization.std)) == 1
    is_tapped_before = min(computation.taps) < _first_convolution(table).index
    return n_channels == 1 < weights.n_channels and is_same_in_all and not is_tapped_before


def _first_convolution(table):
    return next(layer for layer in table if layer.kind == "conv")


def _has_8_bits(computation):
    """Whether pixels need no rounding to 8 bits, and some level is about zero when normalised."""
    zero, _ = computation.weights.normalization.levels(computation.value_range)
    is_8_bits = (computation.dtype, computation.value_range) == ("uint8", (0.0, 255.0))
    return is_8_bits and zero.min() >= 0 and zero.max() <= 255


def _arrange_channels(ops, images, computation, is_grey):
    """Give images of any form the channels of the network, last.

    Returns the pixels, and the levels of each channel that become 0 and 1.
    """
    weights, normalization = computation.weights, computation.weights.normalization
    zero, step = normalization.levels(computation.value_range)
    x = images if len(images.shape) == 4 else ops.reshape(images, [*images.shape, 1], False)
    n_channels = x.shape[3]
    if is_grey:
        zero, step = zero[:1], step[:1]
    elif n_channels == 1 < weights.n_channels:
        x = ops.broadcast(x, [*x.shape[:3], weights.n_channels])
    elif normalization.order == "BGR":
        x = ops.gather(x, [2, 1, 0], 3)
    return x, zero, step


def _normalize(ops, pixels, zero, step):
    """Normalise pixels in float32: (n, channels, height, width)."""
    x = ops.divide(ops.subtract(ops.convert(pixels, "f32"), zero), step)
    # The convolutions compute with the channels last. So nothing is copied if this is the last step.
    return ops.transpose(x, [0, 3, 1, 2])


class _Builder:
    """Adds the layers of a network to a graph."""

    def __init__(self, ops, computation, table, pixels, is_grey):
        self.ops = ops
        self.table = table
        self.is_grey = is_grey
        self.first = _first_convolution(table)
        self.taps = computation.taps
        self.ranges = dict(computation.ranges or ())
        self.arrays = load_arrays(computation.weights, table[: max(computation.taps) + 1])
        self.pixels = pixels
        self.has_8_bits = _has_8_bits(computation)
        self.nodes = {0: _normalize(ops, *pixels)}  # by the index of the layer
        self.rounded = {}

    def build(self):
        """Add all layers that the taps need; return the nodes by the index of their layer."""
        needed = frozenset().union(*(self.table[tap].ancestors for tap in self.taps))
        for layer in self.table[1:]:
            if layer.index in needed:
                self.nodes[layer.index] = getattr(self, f"add_{layer.kind}")(layer)
        return self.nodes

    def add_conv(self, layer):
        source = self.table[layer.inputs[0]]
        # the zero padding is in a layer before the convolution or in the convolution itself
        pads = [layer.kernel // 2] * 2
        if source.kind == "pad":
            source = self.table[source.inputs[0]]
        strides = [layer.stride // source.stride] * 2
        kernel, *bias = self.arrays[layer.name]
        if self.is_grey and layer is self.first:
            kernel = kernel.sum(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
        kernel = kernel.transpose(3, 2, 0, 1)  # (out, in, height, width)
        if layer is self.first and self.ranges and self.has_8_bits:
            return self.add_conv_of_pixels(layer, kernel, *bias)
        x, kernel = self.round_inputs(layer, source, np.ascontiguousarray(kernel))
        convolve = self.ops.convolution
        if layer.groups > 1:
            out, *rest = kernel.shape
            shape = [layer.groups, out // layer.groups, *rest]
            kernel = self.ops.reshape(kernel, shape, False)
            convolve = self.ops.group_convolution
        node = convolve(x, kernel, strides, pads, pads, [1, 1])
        node.set_friendly_name(layer.name)
        return self.ops.add(node, _per_channel(bias[0])) if bias else node

    def round_inputs(self, layer, source, kernel):
        """Round the input and kernel of a convolution to 8 bits, if the range of its input is known."""
        x = self.nodes[source.index]
        if layer.name not in self.ranges:
            return x, self.ops.constant(kernel)
        if source.index not in self.rounded:
            low, high = map(np.float32, self.ranges[layer.name])
            self.rounded[source.index] = self.ops.fake_quantize(x, low, high, low, high, 256)
        return self.rounded[source.index], self.round_kernel(kernel)

    def round_kernel(self, kernel):
        limit = _find_limit(kernel)
        limits = -limit, limit, -limit, limit
        return self.ops.fake_quantize(self.ops.constant(kernel), *limits, 255)

    def add_conv_of_pixels(self, layer, kernel, bias=0):
        """Convolve pixels, which have 8 bits already, with a kernel that normalises them."""
        x, zero, step = self.pixels
        border = np.rint(zero).astype(np.uint8)  # is zero when normalised, within half a level
        for axis in (1, 2):
            shape = [layer.kernel // 2 if i == axis else n for i, n in enumerate(x.shape)]
            sides = np.broadcast_to(border, shape)
            x = self.ops.concat([sides, x, sides], axis)
        x = self.ops.transpose(self.ops.convert(x, "f32"), [0, 3, 1, 2])
        limits = [np.float32(0), np.float32(255)] * 2
        x = self.ops.fake_quantize(x, *limits, 256)
        kernel = np.ascontiguousarray(kernel / _per_channel(step))
        scale = _find_limit(kernel) / 127
        # of the rounded kernel: the levels that are normalised to zero then give exactly the bias
        offset = np.sum(np.rint(kernel / scale) * scale * _per_channel(zero), axis=(1, 2, 3))
        strides, no_pads = [layer.stride] * 2, [0, 0]
        node = self.ops.convolution(x, self.round_kernel(kernel), strides, no_pads, no_pads, [1, 1])
        return self.ops.add(node, _per_channel(bias - offset))

    def add_bn(self, layer):
        gamma, beta, mean, variance = (a.astype(np.float64) for a in self.arrays[layer.name])
        scale = gamma / np.sqrt(variance + layer.epsilon)
        scaled = self.ops.multiply(self.nodes[layer.inputs[0]], _per_channel(scale))
        return self.ops.add(scaled, _per_channel(beta - mean * scale))

    def add_relu(self, layer):
        return self.ops.relu(self.nodes[layer.inputs[0]])

    def add_pad(self, layer):
        pads = [0, 0, layer.kernel // 2, layer.kernel // 2]
        return self.ops.pad(self.nodes[layer.inputs[0]], pads, pads, "constant", np.float32(0))

    def add_pool(self, layer):
        source = self.table[layer.inputs[0]]
        is_padded = source.kind == "pad"  # with zeros, in Keras' networks
        x = self.nodes[source.inputs[0] if is_padded else source.index]
        stride, kernel = layer.stride // source.stride, layer.kernel
        pads = [kernel // 2] * 2
        # OpenVINO, like PyTorch, pads with minus infinity
        pooled = self.ops.max_pool(x, [stride] * 2, [1, 1], pads, pads, [kernel] * 2).output(0)
        if is_padded:  # padding the maps took two to three times as long as pooling them
            floor = _zeros_at_border(x.shape[2:], pooled.shape[2:], stride, kernel)
            pooled = self.ops.maximum(pooled, floor)
        return pooled

    def add_add(self, layer):
        return self.ops.add(*(self.nodes[i] for i in layer.inputs))


def _find_limit(kernel):
    """Find the largest weight of each output channel: rounded to 127, symmetrically."""
    return np.maximum(np.abs(kernel).max(axis=(1, 2, 3), keepdims=True), np.float32(1e-20))


def _zeros_at_border(sizes, n_windows, stride, kernel):
    """Return a map of zeros where a window of pooling reaches over the border, elsewhere the minimum."""
    starts = (np.arange(n) * stride - kernel // 2 for n in n_windows)
    over = [(at < 0) | (at + kernel > size) for at, size in zip(starts, sizes, strict=True)]
    return np.where(np.logical_or.outer(*over), 0, np.finfo(np.float32).min).astype(np.float32)


def _pool(ops, maps, pooling, grid):
    """Pool maps in the cells of a grid, which are then row by row, with the channels last."""
    if pooling == "gem":
        maps = ops.power(ops.maximum(maps, np.float32(GEM_EPSILON)), np.float32(GEM_POWER))
    reduce = ops.reduce_max if pooling == "max" else ops.reduce_mean
    if grid == (1, 1):
        pooled = reduce(maps, [2, 3], keep_dims=False)
    else:  # all rows of a cell are equally long, so that the mean is that of their means
        for axis, n_cells in zip((2, 3), grid, strict=True):
            cells = [
                reduce(ops.slice(maps, [start], [stop], [1], [axis]), [axis], keep_dims=True)
                for start, stop in cell_bounds(n_cells, maps.shape[axis])
            ]
            maps = ops.concat(cells, axis)
        pooled = ops.reshape(ops.transpose(maps, [0, 2, 3, 1]), [maps.shape[0], -1], False)
    return ops.power(pooled, np.float32(1 / GEM_POWER)) if pooling == "gem" else pooled


def _per_channel(values):
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)
