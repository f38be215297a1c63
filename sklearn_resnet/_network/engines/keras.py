"""The Keras engine: runs a cut network on any backend of Keras."""

import contextlib
import logging
import os
import random
from functools import lru_cache, partial

import joblib
import numpy as np

from sklearn_resnet._network.engines.computation import MEAN_BGR
from sklearn_resnet._network.engines.hardware import describe_processor, find_gpus
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weights import load_arrays
from sklearn_resnet._runtime.imports import import_optional, quiet_stderr
from sklearn_resnet._runtime.threads import count_threads, prefetch_map

# oneDNN's results for a batch of one differ in the last bit from those for the same image in a
# larger batch, by 1e-6 relative at the deepest layers (measured on a CPU).
_MIN_BATCH = 2


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
    network = load_network(computation.weights, computation.precision)
    images = keras.Input(computation.image_shape, dtype=computation.dtype)
    x = _standardize(ops, images, computation.value_range)
    x = _preprocess(x, computation.weights.architecture)
    # a nested network cannot return its own input, layer 0
    deep = [i for i in computation.taps if i > 0]
    outputs = [network.layers[i].output for i in deep]
    maps = dict(zip(deep, keras.Model(network.input, outputs)(x) if deep else [], strict=True))
    maps[0] = x
    pools = {"avg": ops.mean, "max": ops.max}
    features = ops.concatenate(
        [
            pools[pooling](ops.cast(maps[tap], "float32"), axis=(1, 2))
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
def load_network(weights, precision="float32"):
    """Build a network and load its weights.

    Parameters
    ----------
    weights : Weights
    precision : {"float32", "bfloat16", "float16"}, default="float32"

    Returns
    -------
    keras.Model
        Without its top, for images of any size. Layers that the weights do not cover
        keep the initial values of Keras.
    """
    keras = import_keras()
    # Keras takes the policy from a global, and draws initial weights from the global generator
    global_policy, state = keras.config.dtype_policy(), random.getstate()
    # "mixed" keeps weights, including the statistics of batch normalisation, in float32
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        network = getattr(keras.applications, weights.architecture)(include_top=False, weights=None)
    finally:
        keras.config.set_dtype_policy(global_policy)
        random.setstate(state)
    table = layer_table(weights.architecture)[: weights.n_layers]
    arrays = load_arrays(weights, table)
    for layer in table:
        if layer.name in arrays:
            network.layers[layer.index].set_weights(arrays[layer.name])
    return network


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


def _standardize(ops, images, value_range):
    """Convert images of any form to float32 RGB from 0 to 255."""
    x = ops.cast(images, "float32")
    if len(x.shape) == 3:
        x = ops.expand_dims(x, -1)
    low, high = value_range
    if (low, high) != (0, 255):
        x = (x - low) * (255 / (high - low))
    return ops.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x


def _preprocess(x, architecture):
    """Preprocess RGB images from 0 to 255 as in training.

    Version 2 expects values from -1 to 1; version 1 expects BGR minus ImageNet's mean, as in Caffe
    (`keras.applications.imagenet_utils.preprocess_input`, modes "tf" and "caffe").
    """
    if architecture.endswith("V2"):
        return x / 127.5 - 1
    return x[..., ::-1] - np.array(MEAN_BGR, np.float32)
