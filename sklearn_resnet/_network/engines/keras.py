"""Run a cut network with Keras, on whichever backend it has."""

import contextlib
import logging
from functools import partial

import numpy as np

from sklearn_resnet._network.weights import import_keras, load_network
from sklearn_resnet._runtime.threads import prefetch_map

# What oneDNN computes for a batch of one differs in the last bit from what it computes for the
# same image in any larger batch, by 1e-6 relative at the deepest layers (measured on a CPU).
_SMALLEST_BATCH = 2


def padded_size(n_images, batch_size):
    """Number of images to pad a batch to: a power of two, or the full batch.

    So there are few shapes for a backend to compile, and one photo costs little.
    """
    return max(_SMALLEST_BATCH, min(1 << (n_images - 1).bit_length(), batch_size))


def compile_network(computation):
    """Put preprocessing, a cut network and pooling into one graph.

    Parameters
    ----------
    computation : sklearn_resnet._network.engines.Computation

    Returns
    -------
    run : callable
        See `sklearn_resnet._network.engines.get_run`.

    Notes
    -----
    On a CPU, features are bit-equal for any batch size, order and company of an image, as
    batches of one are padded to two.
    """
    keras = import_keras()
    ops = keras.ops
    # "mixed" keeps weights, and so batch normalisation's statistics, in float32
    policy = {"float32": "float32"}.get(computation.precision, f"mixed_{computation.precision}")
    network = load_network(computation.weights, policy)
    images = keras.Input(computation.image_shape, dtype=computation.dtype)
    x = _standardize(ops, images, computation.value_range)
    x = _preprocess(x, computation.weights.architecture)
    # a nested network cannot give its own input back, which is what layer 0 is
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
    # On a CPU, XLA is no faster, and not bit-equal among batch sizes; JAX runs nothing without it.
    model.jit_compile = keras.backend.backend() == "jax" or (
        has_gpu and keras.backend.backend() == "tensorflow"
    )
    # on a GPU, while one batch is computed the next is copied there
    return partial(_run, model, 2 if has_gpu else 1)


def list_gpus():
    """Names of the GPUs that Keras can use, with the backend it has."""
    keras = import_keras()
    if keras.backend.backend() == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return keras.distribution.list_devices("gpu")


def _run(model, n_threads, batches, batch_size):
    # a thread, even if only one, lets batches be made ready while another is computed
    predict = partial(_predict, model, batch_size)
    return prefetch_map(predict, batches, n_threads, n_ahead=n_threads)


def _predict(model, batch_size, batch):
    padding = padded_size(len(batch), batch_size) - len(batch)
    if padding:
        blank = np.zeros((padding, *batch.shape[1:]), batch.dtype)
        padded = np.concatenate([batch, blank])
    else:
        padded = batch
    with _without_retracing_warnings():
        return np.asarray(model.predict_on_batch(padded))[: len(batch)]


@contextlib.contextmanager
def _without_retracing_warnings():
    """Drop tensorflow's warning of frequent tracing.

    It takes the functions of all models for one, and so warns of a search over a few cuts,
    each of which is traced once or twice in all.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_not_of_retracing)
    try:
        yield
    finally:
        logger.removeFilter(_is_not_of_retracing)


def _is_not_of_retracing(record):
    return "triggered tf.function retracing" not in record.getMessage()


def _standardize(ops, images, value_range):
    """Images of any form to float32 RGB in 0 to 255."""
    x = ops.cast(images, "float32")
    if len(x.shape) == 3:
        x = ops.expand_dims(x, -1)
    low, high = value_range
    if (low, high) != (0, 255):
        x = (x - low) * (255 / (high - low))
    return ops.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x


def _preprocess(x, architecture):
    """From RGB in 0 to 255 to what the network was trained on.

    Version 2 wants -1 to 1; version 1 BGR less ImageNet's mean, as Caffe had it
    (`keras.applications.imagenet_utils.preprocess_input`, modes "tf" and "caffe").
    """
    if architecture.endswith("V2"):
        return x / 127.5 - 1
    return x[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
