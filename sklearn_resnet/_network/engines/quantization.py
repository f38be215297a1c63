"""Calibration for int8: the ranges of the inputs of convolutions."""

import contextlib
import io
import logging
from importlib.metadata import version

import joblib
import numpy as np
import platformdirs

from sklearn_resnet._network.engines.openvino import build_graph, import_openvino
from sklearn_resnet._runtime.imports import hidden_module, import_optional

MAX_IMAGES = 300  # the default of NNCF
_MAX_CALIBRATIONS = 1_000  # on disk, of a few kB each
# Only the inputs of convolutions have ranges, except the pixels, the input of the first one. NNCF
# would round more; rounding the sums of the residual blocks costs the most accuracy.
_ROUNDED = ("Convolution", "GroupConvolution")


def calibrate_ranges(computation, images, max_calibrations=_MAX_CALIBRATIONS):
    """Find the ranges of the inputs of convolutions on a sample of images.

    The ranges are cached on disk, in the user's cache folder, so that the same images pass
    through the network only once.

    Parameters
    ----------
    computation : Computation
    images : ndarray of shape (n, *computation.image_shape), dtype computation.dtype
        At most `MAX_IMAGES` are needed.
    max_calibrations : int
        Limit of the cache on disk.

    Returns
    -------
    tuple of (str, (float, float))
        Values for `Computation.ranges`.

    Raises
    ------
    ImportError
        If NNCF is not installed.
    """
    _import_nncf()
    key = (
        computation.weights.fingerprint,
        computation.weights.architecture,
        computation.weights.normalization,
        computation.taps,
        computation.image_shape,
        computation.dtype,
        computation.value_range,
        *(version(name) for name in ("sklearn-resnet", "nncf", "openvino")),
    )
    memory = _open_memory()
    try:
        calibrate = memory.cache(_calibrate, ignore=["computation"])
        calibrate.warn = lambda message: None  # joblib would log many lines about a damaged file
        ranges = calibrate(key, images, computation)
        memory.reduce_size(items_limit=max_calibrations)
    except OSError:  # a folder inside it is not writable
        ranges = _calibrate(key, images, computation)
    return ranges


def _open_memory():
    folder = platformdirs.user_cache_path("sklearn-resnet") / "int8"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "writable").touch()
    except OSError:  # the cache only saves time
        folder = None
    return joblib.Memory(folder, verbose=0)


def _calibrate(key, images, computation):
    nncf = _import_nncf()
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    graph = build_graph(computation, 1)
    others = {node.get_type_name() for node in graph.get_ops()} - set(_ROUNDED)
    first = next(layer.name for layer in computation.weights.table if layer.kind == "conv")
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        rounded = nncf.quantize(
            graph,
            nncf.Dataset([image[np.newaxis] for image in images]),
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=[first], types=sorted(others), validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # rare extremes matter: with NNCF's default, the mean of the extremes of the images,
                # the error of the features was three times as large
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                # it changes features by less than the rounding does
                disable_bias_correction=True,
            ),
        )
    ranges = {}
    for node in rounded.get_ops():
        if node.get_type_name() in _ROUNDED:
            source = node.input_value(0).get_node()
            if source.get_type_name() == "FakeQuantize":
                low, high = (source.input_value(i).get_node().data.item() for i in (1, 2))
                ranges[node.get_friendly_name()] = (low, high)
    return tuple(sorted(ranges.items()))


def _import_nncf():
    import_openvino()
    with hidden_module("openvino_telemetry"):
        nncf = import_optional("nncf", extra="int8", purpose="precision='int8'")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
