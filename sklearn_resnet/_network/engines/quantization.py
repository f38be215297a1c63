"""What a network needs to compute in 8 bits: between which values the inputs of its layers lie."""

import contextlib
import io
import logging
from importlib.metadata import version

import joblib
import numpy as np
import platformdirs

from sklearn_resnet._network.engines.openvino import build_graph, import_openvino
from sklearn_resnet._runtime.imports import hidden_module

MAX_IMAGES = 300  # the default of NNCF
_MAX_KEPT = 1_000  # calibrations on disk, of a few kB each
# Only what goes into convolutions is rounded, but not the pixels that go into the first: of all
# that NNCF would round besides, the sums of the residual blocks cost most accuracy.
_ROUNDED = "Convolution"
_NOT_ROUNDED = "conv1_conv"


def find_ranges(computation, images):
    """Find between which values the inputs of convolutions lie, for images like these.

    What was found is kept on disk, in the user's cache folder, so that the same images need
    go through the network once only.

    Parameters
    ----------
    computation : sklearn_resnet._network.engines.Computation
    images : ndarray of shape (n, *computation.image_shape), dtype computation.dtype
        `MAX_IMAGES` are enough.

    Returns
    -------
    tuple of (str, (float, float))
        As `Computation.ranges` has it.

    Raises
    ------
    ImportError
        If NNCF is not installed.
    """
    _import_nncf()
    key = (
        computation.weights.fingerprint,
        computation.weights.architecture,
        computation.taps,
        computation.image_shape,
        computation.dtype,
        computation.value_range,
        *(version(name) for name in ("sklearn-resnet", "nncf", "openvino")),
    )
    memory = _open_memory()
    try:
        calibrate = memory.cache(_calibrate, ignore=["computation"])
        calibrate.warn = lambda message: None  # joblib would log pages about a damaged file
        ranges = calibrate(key, images, computation)
        memory.reduce_size(items_limit=_MAX_KEPT)
    except OSError:  # a folder within cannot be written to
        ranges = _calibrate(key, images, computation)
    return ranges


def _open_memory():
    folder = platformdirs.user_cache_path("sklearn-resnet") / "int8"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "writable").touch()
    except OSError:  # it only saves time
        folder = None
    return joblib.Memory(folder, verbose=0)


def _calibrate(key, images, computation):
    nncf = _import_nncf()
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    graph = build_graph(computation, 1)
    others = {node.get_type_name() for node in graph.get_ops()} - {_ROUNDED}
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        rounded = nncf.quantize(
            graph,
            nncf.Dataset([image[np.newaxis] for image in images]),
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(
                names=[_NOT_ROUNDED], types=sorted(others), validate=False
            ),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                # what images seldom reach is far from noise: with NNCF's default, the mean of
                # their extremes, the error of features was three times as large
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                # changed features by less than rounding does
                disable_bias_correction=True,
            ),
        )
    ranges = {}
    for node in rounded.get_ops():
        if node.get_type_name() == _ROUNDED:
            source = node.input_value(0).get_node()
            if source.get_type_name() == "FakeQuantize":
                low, high = (source.input_value(i).get_node().data.item() for i in (1, 2))
                ranges[node.get_friendly_name()] = (low, high)
    return tuple(sorted(ranges.items()))


def _import_nncf():
    import_openvino()
    try:
        with hidden_module("openvino_telemetry"):
            import nncf
    except ImportError as exc:
        raise ImportError(
            "precision='int8' needs NNCF, which is not installed "
            f"({exc}). Run: pip install 'sklearn-resnet[int8]'"
        ) from exc
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
