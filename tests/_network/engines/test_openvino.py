"""The OpenVINO engine: how images go through it, and what it leaves alone."""

import gc
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from computations import compute, make_computation
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network.engines import openvino as engine
from sklearn_resnet._network.engines import store
from sklearn_resnet._network.engines.openvino import _regroup, _run, request_size
from sklearn_resnet._network.engines.store import compile_computation

RNG = np.random.default_rng(0)
# pandas is not among them: scikit-learn imports it by itself where it is installed
# (sklearn.utils.fixes)
HEAVY = ("tensorflow", "keras", "umap", "matplotlib", "skimage", "torch", "nncf")


def small(layers=4, **parameters):
    defaults = {"weights": None, "random_state": 0, "engine": "openvino"}
    return ResNetFeatures(layers, **(defaults | parameters))


def run_program(program, *arguments, **variables):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if k not in variables} | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("image_shape", "n_images"),
    [((28, 28), 64), ((224, 224), 1), ((1, 1), 64), ((28, 28, 3), 64), ((64, 64, 1), 16),
     ((32, 32), 64), ((33, 64), 32), ((256, 256), 1), ((96, 96), 8), ((128, 128, 3), 4)],
)  # fmt: skip
def test_larger_images_go_through_fewer_at_a_time(image_shape, n_images):
    assert request_size(image_shape) == n_images


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_power_of_two_goes_through_at_a_time(height, width):
    n_images = request_size((height, width))
    assert n_images in (1, 2, 4, 8, 16, 32, 64)


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_batches_are_regrouped_across_their_borders(lengths, size):
    images = np.arange(sum(lengths) * 2).reshape(-1, 2)
    ends = np.cumsum(lengths)
    batches = [images[end - n : end] for n, end in zip(lengths, ends, strict=True)]
    pieces = list(_regroup(iter(batches), size))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces)
    np.testing.assert_array_equal(np.concatenate([images[:0], *pieces]), images)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    for i, piece in enumerate(pieces):
        is_within = len(set(owners[i * size : (i + 1) * size])) == 1
        if is_within and len(piece) == size:
            assert np.shares_memory(piece, images)


def test_pieces_come_as_soon_as_their_images_are_there():
    """So a generator that reads files is not read to its end first."""
    asked = []

    def batches():
        for i in range(9):
            asked.append(i)
            yield np.full((3, 1), i)

    pieces = _regroup(batches(), 4)
    np.testing.assert_array_equal(next(pieces).ravel(), [0, 0, 0, 1])
    assert asked == [0, 1]


def test_what_was_yielded_is_not_overwritten_by_what_follows():
    images = RNG.integers(0, 256, (640, 8, 8), dtype=np.uint8)  # ten times as many as at a time
    run = compile_computation(make_computation())
    copies = [part.copy() for part in run([images], 64)]
    np.testing.assert_array_equal(np.concatenate(list(run([images], 64))), np.concatenate(copies))
    assert len(copies) == 10


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"image_shape": (12, 9, 1)},
        {"dtype": "float32", "value_range": (0.0, 1.0)},
        {"taps": (0, 1, 2, 4, 16)},
        {"taps": (1, 16)},
        {"architecture": "ResNet50", "taps": (2, 20)},
    ],
    ids=[
        "uint8",
        "one channel",
        "float32",
        "the pixels",
        "before the first convolution",
        "version 1",
    ],
)
def test_grey_images_are_images_of_three_equal_channels(parameters):
    parameters = {"taps": (2, 16), "image_shape": (12, 9), "dtype": "uint8"} | parameters
    grey = RNG.integers(0, 256, (5, *parameters["image_shape"]))
    if parameters["dtype"] == "float32":
        grey = grey / 255
    grey = grey.astype(parameters["dtype"])
    colour = np.repeat(grey.reshape(5, 12, 9, 1), 3, axis=-1)
    ours = compute(make_computation(**parameters), grey)
    expected = compute(make_computation(**(parameters | {"image_shape": (12, 9, 3)})), colour)
    assert ours.std() > 0
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.long
def test_fifty_transforms_compile_once_and_do_not_grow():
    store._compile.cache_clear()
    resnet = small(16).set_params(cache=None).fit(np.zeros((1, 16, 16, 3), np.uint8))
    process, sizes = psutil.Process(), []
    for i, n_images in enumerate(RNG.integers(1, 150, 50)):
        images = RNG.integers(0, 256, (n_images, 16, 16, 3), dtype=np.uint8)
        assert len(resnet.transform(images)) == n_images
        if i in (4, 49):
            gc.collect()
            sizes.append(process.memory_info().rss)
    assert store._compile.cache_info().misses == 1
    assert sizes[1] - sizes[0] < 8 * 2**20


@pytest.mark.parametrize(
    ("layers", "size", "n_images"),
    [
        pytest.param(16, 16, 130, id="layer 16"),
        pytest.param(None, 40, 20, id="last", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_features_are_bit_equal_at_any_batch_size_order_and_subset(
    layers, size, n_images, dtype, precision
):
    if precision == "bfloat16" and not engine.has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    X = RNG.integers(0, 256, (n_images, size, size), dtype=np.uint8)
    X = X if dtype == "uint8" else (X / np.float32(255)).astype(np.float32)
    resnet = small(layers, precision=precision).fit(X)
    expected = resnet.transform(X)
    assert len(np.unique(expected, axis=0)) == n_images
    for batch_size in (1, 7, 64):
        again = clone(resnet).set_params(batch_size=batch_size).fit(X)
        order = np.random.default_rng(batch_size).permutation(n_images)
        np.testing.assert_array_equal(again.transform(X), expected)
        np.testing.assert_array_equal(again.transform(X[order]), expected[order])
        np.testing.assert_array_equal(again.transform(X[3:11]), expected[3:11])
        np.testing.assert_array_equal(again.transform(X[:1]), expected[:1])


def test_bfloat16_gives_nearly_the_same_in_float32():
    images = RNG.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    rough = make_computation(image_shape=(16, 16, 3), precision="bfloat16")
    exact, found = (
        compute(make_computation(image_shape=(16, 16, 3)), images),
        compute(rough, images),
    )
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 0.03 * np.abs(exact).max()
    # a processor that has no such numbers computes in more
    able = engine.get_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert np.array_equal(found, exact) == ("BF16" not in able)
    assert engine.has_bfloat16() == ("BF16" in able)


def list_precisions(computation):
    """The precisions in which the convolutions are executed."""
    nodes = compile_computation(computation).args[0].get_runtime_model().get_ops()
    infos = [node.get_rt_info() for node in nodes]
    return {
        str(i["runtimePrecision"].value) for i in infos if i["layerType"].value == "Convolution"
    }


def test_bfloat16_is_the_precision_in_which_convolutions_are_executed():
    if not engine.has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    assert list_precisions(make_computation(precision="bfloat16")) == {"bf16"}
    assert list_precisions(make_computation()) == {"f32"}


def test_zeros_are_around_the_pooled_maps_of_networks_of_keras():
    """Where all is below zero, windows that reach over the border find the zeros."""
    zeros = engine._zeros_at_border((6, 5), (3, 3), 2, 3)
    assert zeros.dtype == np.float32
    np.testing.assert_array_equal(
        zeros == 0, [[True, True, True], [True, False, True], [True, False, True]]
    )
    assert (zeros[1:, 1] == np.finfo(np.float32).min).all()


def test_the_threads_are_as_many_as_may_be_kept_busy(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    store._compile.cache_clear()
    compiled = compile_computation(make_computation()).args[0]
    store._compile.cache_clear()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


def test_openvino_reports_to_nobody_that_it_was_imported(tmp_path):
    """Its telemetry would leave the number that it gives a user in the folder ~/intel."""
    loaded = run_program(
        "import sys\n"
        "from sklearn_resnet._network.engines.openvino import get_core, import_openvino\n"
        "import_openvino(), get_core()\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])",
        HOME=str(tmp_path),
    )
    assert loaded == "[]\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_telemetry_that_was_imported_before_is_there_afterwards():
    program = (
        "import sys, types\n"
        "ours = sys.modules['openvino_telemetry'] = types.ModuleType('openvino_telemetry')\n"
        "from sklearn_resnet._network.engines.openvino import import_openvino\n"
        "import_openvino()\n"
        "print(sys.modules['openvino_telemetry'] is ours)"
    )
    assert run_program(program) == "True\n"


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    import keras

    path = tmp_path_factory.mktemp("weights") / "conv2.weights.h5"
    base = keras.applications.ResNet50V2(include_top=False, weights=None)
    keras.Model(base.input, base.get_layer("conv2_block1_out").output).save_weights(path)
    return path


@pytest.mark.parametrize(
    "use_file",
    [pytest.param(False, id="random", marks=pytest.mark.long), pytest.param(True, id="file")],
)
def test_files_to_features_import_nothing_heavy(use_file, weights_file, tmp_path):
    for i in range(3):
        pixels = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    program = (
        "import pathlib, pickle, sys\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn_resnet import ImageLoader, ResNetFeatures\n"
        "paths = sorted(map(str, pathlib.Path(sys.argv[1]).glob('*.png')))\n"
        "weights = sys.argv[2] if len(sys.argv) > 2 else None\n"
        "resnet = ResNetFeatures(16, weights=weights, random_state=0, engine='openvino')\n"
        "pipe = make_pipeline(ImageLoader(16), resnet)\n"
        "assert pipe.fit_transform(paths).shape == (3, 256)\n"
        "pickle.loads(pickle.dumps(pipe)).transform(paths)\n"
        "print(' '.join(sys.modules))"
    )
    imported = set(run_program(program, tmp_path, *[weights_file] * use_file).split())
    assert "openvino" in imported
    assert not imported & set(HEAVY)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize(
    "n_before",
    [pytest.param(1, id="compiled"), pytest.param(10, id="dropped", marks=pytest.mark.long)],
)
def test_a_forked_process_computes_as_its_parent_does(n_before):
    """OpenVINO's threads are not forked: a child would wait for them without end."""
    program = (
        "import multiprocessing, os, sys, warnings\n"
        "import numpy as np\n"
        "from sklearn_resnet import ResNetFeatures\n"
        "warnings.simplefilter('ignore')  # Python 3.12 warns of threads that others have\n"
        "X = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)\n"
        "def compute(layers=16):\n"
        "    return ResNetFeatures(layers, weights=None, random_state=0).fit_transform(X)\n"
        "expected = compute()\n"
        "for i in range(2, int(sys.argv[1]) + 1):\n"
        "    compute(i)\n"
        "def child(queue):\n"
        "    queue.put(np.array_equal(compute(), expected))\n"
        "context = multiprocessing.get_context('fork')\n"
        "queue = context.Queue()\n"
        "process = context.Process(target=child, args=(queue,))\n"
        "process.start()\n"
        "process.join(60)\n"
        "if process.is_alive():\n"
        "    process.kill()\n"
        "    sys.exit('it hangs')\n"
        "assert process.exitcode == 0\n"
        "print(queue.get(), np.array_equal(compute(), expected), flush=True)\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    sys.exit(0)  # which destroys what the child has\n"
        "print(os.waitpid(pid, 0)[1])\n"
    )
    assert run_program(program, n_before) == "True True\n0\n"


class Request:
    """A stand-in for a request of OpenVINO, which reads its images until it has been waited for."""

    def __init__(self):
        self.is_running = False

    def start_async(self, inputs, share_inputs):
        self.is_running = True

    def wait(self):
        self.is_running = False

    def get_output_tensor(self):
        return SimpleNamespace(data=np.zeros((2, 4), np.float32))


class Compiled:
    """A stand-in for a compiled model for batches of two images."""

    def __init__(self):
        self.requests = []

    def input(self, i):
        return SimpleNamespace(shape=(2, 8, 8))

    def get_property(self, name):
        return 3

    def create_infer_request(self):
        self.requests.append(Request())
        return self.requests[-1]


def test_a_consumer_that_stops_early_leaves_no_request_that_reads_its_images():
    compiled = Compiled()
    features = _run(compiled, (np.zeros((2, 8, 8), np.uint8) for _ in range(9)), 2)
    next(features)
    assert any(request.is_running for request in compiled.requests)
    features.close()
    assert not any(request.is_running for request in compiled.requests)
