"""The Keras engine: runs a cut network on any backend of Keras."""

import contextlib
import logging
import os
from functools import lru_cache, partial

import joblib
import numpy as np

from sklearn_resnet._network.engines.hardware import describe_processor, find_gpus
from sklearn_resnet._network.pooling import GEM_EPSILON, GEM_POWER, cell_bounds
from sklearn_resnet._network.weights import load_arrays
from sklearn_resnet._runtime.imports import import_optional, quiet_stderr
from sklearn_resnet._runtime.threads import count_threads, prefetch_map

# oneDNN's results for a batch of one differ in the last bit from those for the same image in a
# larger batch, by 1e-6 relative at the deepest layers (measured on a CPU).
_MIN_BATCH = 2
_LAST = "channels_last"  # the default is a setting of the user


def padded_size(n_images, batch_size):
    """Return the number of images to pad a batch to: a power of two, or the full batch.

    The backend then compiles few shapes, and a single photo stays cheap.
    """
    return max(_MIN_BATCH, min(1 << (n_images - 1).bit_length(), batch_size))


def compile_network(computation):
    """Build one graph of preprocessing, the cut network and pooling.

    Parameters
    ----------
    computation : Computation

    Returns
    -------
    run : callable
        See `sklearn_resnet._network.engines.store.compile_computation`.

    Notes
    -----
    On a CPU, the features of an image are equal to the last bit for any batch size, any order and
    any other images in the batch, because batches of one are padded to two.
    """
    keras = import_keras()
    ops = keras.ops
    layers = load_layers(computation.weights, computation.precision)
    images = keras.Input(computation.image_shape, dtype=computation.dtype)
    x = _normalize(ops, images, computation)
    maps = _call_layers(computation, layers, x)
    features = ops.concatenate(
        [
            _pool(ops, ops.cast(maps[tap], "float32"), pooling, computation.grid)
            for tap in computation.taps
            for pooling in computation.pooling
        ],
        axis=-1,
    )
    model = keras.Model(images, features)
    has_gpu = bool(list_gpus())
    # On a CPU, XLA is no faster and its results depend on the batch size; JAX always needs it.
    model.jit_compile = keras.backend.backend() == "jax" or (
        has_gpu and keras.backend.backend() == "tensorflow"
    )
    # on a GPU, the next batch is copied while one is computed
    return partial(_run, model, 2 if has_gpu else 1)


@lru_cache
def import_keras():
    """Import Keras and its backend, without the log lines of tensorflow.

    By default tensorflow uses all cores in each process, and all memory of a GPU.

    Raises
    ------
    ImportError
        If Keras, or the package of its backend, is not installed. The message names the extra.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if count_threads() < joblib.cpu_count():  # worker processes would inherit the variables
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count_threads()))
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX on a GPU
    with quiet_stderr():
        keras = import_optional("keras", extra="keras", purpose="The Keras engine")
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # it is in use already
                    tf.config.experimental.set_memory_growth(gpu, True)
    return keras


@lru_cache(maxsize=2)
def load_layers(weights, precision="float32"):
    """Create the layers of a network with their weights.

    Parameters
    ----------
    weights : Weights
    precision : {"float32", "bfloat16", "float16"}, default="float32"

    Returns
    -------
    dict of int to callable
        By the index of a layer, a Keras layer or operation. Layers that the weights do not cover
        are left out.
    """
    keras = import_keras()
    # "mixed" keeps weights, including the statistics of batch normalisation, in float32
    policy = precision if precision == "float32" else f"mixed_{precision}"
    table = weights.table[: weights.n_layers]
    arrays = load_arrays(weights, table)
    layers = {}
    for layer in table[1:]:
        layers[layer.index] = _create_layer(keras, layer, table, policy)
        if layer.name in arrays:
            # any size of image
            layers[layer.index].build((None, None, None, table[layer.inputs[0]].width))
            layers[layer.index].set_weights(arrays[layer.name])
    return layers


def _create_layer(keras, layer, table, policy):
    """Create a Keras layer, or an operation if it has neither weights nor a window."""
    source = table[layer.inputs[0]]
    strides, margin = layer.stride // source.stride, layer.kernel // 2
    # PyTorch pads in the convolution or pooling, Keras in a layer before
    margin = 0 if source.kind == "pad" and layer.kind != "pad" else margin
    if layer.kind == "conv":
        convolution = keras.layers.Conv2D(
            layer.width,
            layer.kernel,
            strides,
            data_format=_LAST,
            groups=layer.groups,
            use_bias=len(layer.weight_shapes) > 1,
            kernel_initializer="zeros",  # others draw from the global generator
            dtype=policy,
        )
        return _Padded(keras.ops, convolution, margin, 0) if margin else convolution
    if layer.kind == "bn":
        return keras.layers.BatchNormalization(epsilon=layer.epsilon, dtype=policy)
    if layer.kind == "pool":
        pooling = keras.layers.MaxPooling2D(layer.kernel, strides, data_format=_LAST, dtype=policy)
        return _Padded(keras.ops, pooling, margin, -np.inf) if margin else pooling
    if layer.kind == "pad":
        return _Padded(keras.ops, lambda x: x, margin, 0)
    return {"relu": keras.ops.relu, "add": keras.ops.add}[layer.kind]


class _Padded:
    """A layer behind padding of its input."""

    def __init__(self, ops, layer, margin, value):
        self.ops = ops
        self.layer = layer
        self.margin = margin
        self.value = value

    def __call__(self, x):
        around = (self.margin, self.margin)
        padding = ((0, 0), around, around, (0, 0))
        return self.layer(self.ops.pad(x, padding, constant_values=self.value))

    def build(self, shape):
        self.layer.build(shape)

    def set_weights(self, arrays):
        self.layer.set_weights(arrays)


def _call_layers(computation, layers, x):
    """Apply the layers that the taps need; return the maps by the index of their layer."""
    table, maps = computation.weights.table, {0: x}
    needed = frozenset().union(*(table[tap].ancestors for tap in computation.taps))
    for layer in table[1:]:
        if layer.index in needed:
            maps[layer.index] = layers[layer.index](*(maps[i] for i in layer.inputs))
    return maps


def _pool(ops, maps, pooling, grid):
    """Pool maps in the cells of a grid, which are then row by row, with the channels last."""
    if pooling == "gem":
        maps = ops.maximum(maps, GEM_EPSILON) ** GEM_POWER
    reduce = ops.max if pooling == "max" else ops.mean
    if grid == (1, 1):
        pooled = reduce(maps, axis=(1, 2))
    else:  # all rows of a cell are equally long, so that the mean is that of their means
        rows = [maps[:, start:stop] for start, stop in cell_bounds(grid[0], maps.shape[1])]
        maps = ops.stack([reduce(cells, axis=1) for cells in rows], axis=1)
        columns = [maps[:, :, start:stop] for start, stop in cell_bounds(grid[1], maps.shape[2])]
        pooled = ops.stack([reduce(cells, axis=2) for cells in columns], axis=2)
        pooled = ops.reshape(pooled, (-1, pooled.shape[1] * pooled.shape[2] * pooled.shape[3]))
    return pooled ** (1 / GEM_POWER) if pooling == "gem" else pooled


def list_packages():
    """List the distributions that compute."""
    return "keras", import_keras().backend.backend()


def device_key():
    """Name the devices whose kind may change the last bits of features."""
    return *find_gpus(), describe_processor()


def describe_device():
    """Describe the device that computes, for people."""
    return ", ".join(list_gpus()) or "the processor"


def release():
    """Do nothing: a fork breaks no state of this engine."""


def list_gpus():
    """Name the GPUs that Keras can use with its present backend."""
    keras = import_keras()
    if keras.backend.backend() == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return keras.distribution.list_devices("gpu")


def _run(model, n_threads, batches, batch_size):
    # even a single thread lets the next batch be prepared while one is computed
    predict = partial(_predict, model, batch_size)
    return prefetch_map(predict, batches, n_threads, n_ahead=n_threads)


def _predict(model, batch_size, batch):
    padding = padded_size(len(batch), batch_size) - len(batch)
    if padding:
        blank = np.zeros((padding, *batch.shape[1:]), batch.dtype)
        padded = np.concatenate([batch, blank])
    else:
        padded = batch
    with _suppress_retracing_warnings():
        return np.asarray(model.predict_on_batch(padded))[: len(batch)]


@contextlib.contextmanager
def _suppress_retracing_warnings():
    """Suppress tensorflow's warning about frequent retracing.

    It counts the functions of all models as one, so a search over a few cuts triggers it, although
    each is traced once or twice.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_not_about_retracing)
    try:
        yield
    finally:
        logger.removeFilter(_is_not_about_retracing)


def _is_not_about_retracing(record):
    return "triggered tf.function retracing" not in record.getMessage()


def _normalize(ops, images, computation):
    """Convert images of any form to float32, normalised."""
    weights, normalization = computation.weights, computation.weights.normalization
    x = ops.cast(images, "float32")
    if len(x.shape) == 3:
        x = ops.expand_dims(x, -1)
    if x.shape[-1] == 1 < weights.n_channels:
        x = ops.repeat(x, weights.n_channels, axis=-1)
    elif normalization.order == "BGR":
        x = x[..., ::-1]
    zero, step = normalization.levels(computation.value_range)
    return (x - zero) / step
