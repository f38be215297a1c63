"""precision="int8": networks rounded to 8 bits, by what the images of `fit` went through."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import platformdirs
import pytest
from computations import compute, make_computation
from sklearn.base import clone
from sklearn.datasets import load_sample_images

from sklearn_resnet import ResNetFeatures, list_layers
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._network.engines import openvino, quantization
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weights import find_weights
from sklearn_resnet.datasets import sample_patches


def small(layers=16, **parameters):
    defaults = {"weights": None, "random_state": 0, "precision": "int8"}
    return ResNetFeatures(layers, **(defaults | parameters))


@pytest.fixture(scope="module")
def patches():
    photos = load_sample_images().images
    return np.concatenate([sample_patches(photo, 12, 32, random_state=0) for photo in photos])


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The folder of calibrations, which is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = platformdirs.user_cache_path("sklearn-resnet") / "int8"
    assert not folder.exists()
    return folder


@pytest.fixture
def calibrated(monkeypatch):
    """Numbers of images of the calibrations that were made."""
    nncf, made = quantization._import_nncf(), []
    real = nncf.quantize

    def quantize(*arguments, subset_size, **options):
        made.append(subset_size)
        return real(*arguments, subset_size=subset_size, **options)

    monkeypatch.setattr(nncf, "quantize", quantize)
    return made


def run_program(program, *arguments, **variables):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def cosines(a, b):
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def test_pooling_in_cells_rounds_nothing_else(patches, calibrated):
    """The cells of maps of 8 x 8 are equally large: their mean and maximum are those of the map."""
    parameters = {"pooling": ["avg", "max", "gem"], "cache": None}
    whole = small(**parameters).fit_transform(patches).reshape(-1, 3, 256)
    cells = small(**parameters, grid=(2, 4)).fit_transform(patches).reshape(-1, 3, 8, 256)
    assert len(calibrated) == 1
    np.testing.assert_allclose(cells[:, 0].mean(1), whole[:, 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(cells[:, 1].max(1), whole[:, 1])
    gem = np.cbrt((cells[:, 2].astype(float) ** 3).mean(1))
    np.testing.assert_allclose(gem, whole[:, 2], rtol=1e-5, atol=1e-5)
    exact = small(**parameters, grid=(2, 4), precision="float32").fit_transform(patches)
    cosine = cosines(cells.reshape(len(patches), -1), exact)
    assert (cosine > 0.99).all()
    assert (cosine < 1 - 1e-7).all()


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [("ResNet50V2", 16), ("ResNet50V2", [16, 51]), ("ResNet50", [20, 51])],
)
def test_features_are_close_to_those_of_full_precision(architecture, layers, patches):
    rounded, exact = (
        small(layers, architecture=architecture, precision=precision).fit_transform(patches)
        for precision in ("int8", "float32")
    )
    assert rounded.dtype == np.float32
    assert cosines(rounded, exact).min() > 0.995
    # less what all images share, which hides how they differ
    assert cosines(rounded - rounded.mean(axis=0), exact - exact.mean(axis=0)).mean() > 0.995
    assert np.abs(rounded - exact).max() > 1e-3 * np.abs(exact).max()


def test_kernels_have_a_scale_for_each_channel_and_inputs_have_256_levels(tmp_path, monkeypatch):
    """As rounded by NumPy, in a network of one position and channels that differ a thousandfold.

    All else is in float32: the images, and so the first convolution, and sums.
    """
    monkeypatch.setitem(openvino._HINTS, "int8", "f32")
    name = "conv2_block1_1_conv"
    table = {layer.name: layer for layer in layer_table("ResNet50V2")}
    rng = np.random.default_rng(0)
    arrays = {
        f"{layer.name}/{i}": rng.uniform(0.1, 1, shape).astype(np.float32)
        for layer in list(table.values())[: table[name].index + 1]
        for i, shape in enumerate(layer.weight_shapes)
    }
    arrays["conv1_conv/0"] -= 0.55  # of both signs
    kernel = rng.normal(size=(1, 1, 64, 64)) * np.geomspace(1e-3, 1, 64)
    arrays[f"{name}/0"] = kernel = kernel.astype(np.float32)
    np.savez(tmp_path / "weights.npz", **arrays)
    weights = find_weights("ResNet50V2", tmp_path / "weights.npz", None)

    def run(tap, ranges=None):
        taps = (table[tap].index,)
        computation = make_computation(
            taps=taps, image_shape=(1, 1, 3), precision="int8", dtype="float32"
        )
        images = rng.integers(0, 256, (40, 1, 1, 3)).astype(np.float32)
        return compute(replace(computation, weights=weights, ranges=ranges), images)

    rng = np.random.default_rng(1)
    inputs = run("conv2_block1_preact_relu")
    high = float(inputs.max())
    rng = np.random.default_rng(1)
    found = run(name, ((name, (0.0, high)),))
    steps = np.abs(kernel[0, 0]).max(axis=0) / 127
    levels = np.round(inputs.astype(float) / high * 255)
    expected = levels / 255 * high @ (np.round(kernel[0, 0] / steps) * steps)
    error = np.abs(found - expected) / np.abs(expected).max(axis=0)
    assert error.max() < 1e-3
    assert (inputs > 0).mean() > 0.3


@pytest.mark.parametrize(
    ("architecture", "image_shape"),
    [
        ("ResNet50V2", (12, 9, 3)),
        ("ResNet50V2", (12, 9)),  # the channels are equal, and one is left
        ("ResNet50", (12, 9, 3)),  # BGR, and another mean in each channel
        ("ResNet50", (12, 9)),
        ("ResNet50V1.5", (12, 9, 3)),
    ],
)
def test_the_first_convolution_takes_pixels_of_8_bits_as_they_are(architecture, image_shape):
    """Zeros of the normalised image are around them: in an image this small, most windows see some."""
    images = np.random.default_rng(0).integers(0, 256, (20, *image_shape), dtype=np.uint8)
    table = layer_table(architecture)
    first, second = [layer for layer in table if layer.kind == "conv"][:2]
    computation = make_computation(
        architecture=architecture,
        taps=(first.index, second.index),
        image_shape=image_shape,
        precision="int8",
        ranges=((second.name, (0.0, 10.0)),),
    )
    rounded = compute(computation, images)[:, : first.width]
    exact = compute(replace(computation, precision="float32", ranges=None), images)
    exact = exact[:, : first.width]
    error = np.abs(rounded - exact).max() / np.abs(exact).max()
    assert 1e-4 < error < 0.02
    as_floats = compute(replace(computation, dtype="float32"), images.astype(np.float32))
    assert np.abs(rounded - as_floats[:, : first.width]).max() > 0


def test_two_fits_give_equal_bits(patches, monkeypatch, tmp_path):
    first = small(51).fit(patches)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    second = small(51).fit(patches)
    assert (tmp_path / "another").exists()
    assert first.activation_ranges_ == second.activation_ranges_
    np.testing.assert_array_equal(first.transform(patches), second.transform(patches))


def test_features_of_an_image_are_equal_at_any_batch_size_and_order(patches):
    resnet = small(51).fit(patches)
    expected = resnet.transform(patches)
    order = np.random.default_rng(0).permutation(len(patches))
    for batch_size in (1, 5, 64):
        again = clone(resnet).set_params(batch_size=batch_size).fit(patches)
        np.testing.assert_array_equal(again.transform(patches), expected)
        np.testing.assert_array_equal(again.transform(patches[order]), expected[order])
        np.testing.assert_array_equal(again.transform(patches[3:4]), expected[3:4])


def test_ranges_are_those_of_all_convolutions_but_the_first(patches):
    resnet = small([16, 51]).fit(patches)
    table = list_layers()[:52]
    convolutions = set(table.name[table.kind == "conv"])
    assert set(resnet.activation_ranges_) == convolutions - {"conv1_conv"}
    for low, high in resnet.activation_ranges_.values():
        assert type(low) is type(high) is float
        assert low == 0 < high < 100  # each comes after an activation


def test_ranges_reach_to_the_largest_value_seen(patches):
    ranges = small("conv2_block1_out").fit(patches).activation_ranges_
    sources = {"1_conv": "preact_relu", "2_conv": "1_relu", "3_conv": "2_relu"}
    for convolution, source in sources.items():
        exact = small(f"conv2_block1_{source}", pooling="max", precision="float32")
        largest = exact.fit_transform(patches).max()
        assert ranges[f"conv2_block1_{convolution}"][1] == pytest.approx(largest, rel=1e-4)


def test_ranges_go_by_the_images(patches):
    bright = small().fit(patches).activation_ranges_
    dark = small(value_range=(0, 255)).fit(patches // 8).activation_ranges_
    assert bright.keys() == dark.keys()
    assert all(bright[name] != dark[name] for name in bright)


@pytest.mark.parametrize("layers", [0, 4])
def test_a_cut_before_the_first_rounded_layer_is_as_in_full_precision(layers, patches):
    exact = small(layers, precision="float32").fit_transform(patches)
    np.testing.assert_array_equal(small(layers).fit_transform(patches), exact)


def test_another_precision_than_that_of_fit_is_not_mistaken_for_it(patches):
    exact = small(precision="float32").fit(patches)
    expected = exact.transform(patches)
    rounded = small().fit(patches)
    assert np.abs(rounded.transform(patches) - expected).max() > 0
    rounded.set_params(precision="float32")
    np.testing.assert_array_equal(rounded.transform(patches), expected)
    with pytest.raises(
        ValueError, match=r"precision='int8' needs a calibration by fit.* Fit it again"
    ):
        exact.set_params(precision="int8").transform(patches)


def test_another_fit_on_the_same_images_does_not_calibrate_again(calibrated, patches):
    first = small().fit(patches)
    second = clone(first).set_params(batch_size=3).fit(patches.copy())
    assert second.activation_ranges_ == first.activation_ranges_
    assert calibrated == [24]


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": 20},
        {"random_state": 1},
        {"value_range": (0, 200)},
        {"image_size": 20},
        {"architecture": "ResNet101V2"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_computation_is_calibrated_anew(changes, calibrated, patches):
    small().fit(patches)
    small(**changes).fit(patches)
    assert calibrated == [24, 24]


def test_other_images_are_calibrated_anew(calibrated, patches):
    small().fit(patches)
    other = patches.copy()
    other[0, 0, 0, 0] ^= 1
    small().fit(other)
    small().fit(patches[:9])
    small().fit(patches / 255)
    assert calibrated == [24, 24, 9, 24]


def test_other_versions_of_libraries_calibrate_anew(calibrated, monkeypatch, patches):
    small().fit(patches)
    for library in ("nncf", "openvino", "sklearn-resnet"):
        versions = {library: "another"}
        monkeypatch.setattr(quantization, "version", lambda name, v=versions: v.get(name, "0"))
        small().fit(patches)
    assert calibrated == [24] * 4


def test_some_images_of_many_are_enough(calibrated):
    images = np.random.default_rng(0).integers(0, 256, (310, 8, 8), dtype=np.uint8)
    small().fit(images)
    assert calibrated == [quantization.MAX_IMAGES] == [300]


def test_the_images_are_taken_from_first_to_last():
    """Not the first 300, which in a sorted folder are of one class."""
    images = np.repeat(np.arange(250, dtype=np.uint8), 4)[:, None, None] * np.ones((8, 8), np.uint8)
    source = as_source(images)
    forward = small().set_params(precision="float32").fit(images)._plan(source)
    sample = forward.make_calibration_batch(source)
    assert sample.dtype == np.uint8
    assert set(sample[:, 0, 0].tolist()) == set(range(250))


@pytest.mark.parametrize("content", [b"", b"half", None], ids=["empty", "other", "cut"])
def test_a_damaged_file_in_the_cache_is_made_anew_in_silence(
    content, cache, calibrated, patches, caplog
):
    expected = small().fit(patches).activation_ranges_
    (file,) = cache.rglob("output.pkl")
    file.write_bytes(file.read_bytes()[:-20] if content is None else content)
    for _ in range(2):
        assert small().fit(patches).activation_ranges_ == expected
    assert calibrated == [24, 24]
    assert caplog.text == ""


@pytest.mark.parametrize("place", [".", "sklearn-resnet", "sklearn-resnet/int8/sklearn_resnet"])
def test_a_cache_folder_that_cannot_be_written_to_is_no_error(place, calibrated, patches, tmp_path):
    """As root may write everywhere, a file stands where a folder would be."""
    blocked = tmp_path / "cache" / place
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_bytes(b"")
    features = [small().fit_transform(patches) for _ in range(2)]
    np.testing.assert_array_equal(*features)
    assert calibrated == [24, 24]
    assert blocked.read_bytes() == b""


def test_the_cache_does_not_grow_without_end(cache, patches):
    computation = make_computation(image_shape=patches.shape[1:], precision="int8")
    for n_images in (2, 3, 4, 5):
        quantization.calibrate_ranges(computation, patches[:n_images], max_calibrations=2)
    assert len(list(cache.rglob("output.pkl"))) == 2
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) < 20_000


def test_a_clone_forgets_the_ranges_and_a_pickle_is_small(patches):
    resnet = small(51).fit(patches)
    assert not hasattr(clone(resnet), "activation_ranges_")
    assert len(pickle.dumps(resnet)) < 20_000


@pytest.mark.long
def test_a_pickle_gives_equal_bits_where_nothing_is_cached(patches, tmp_path):
    resnet = small(51).fit(patches)
    np.save(tmp_path / "X.npy", patches)
    (tmp_path / "resnet.pkl").write_bytes(pickle.dumps(resnet))
    program = (
        "import pickle, sys, numpy as np\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    resnet = pickle.load(file)\n"
        "np.save(sys.argv[3], resnet.transform(np.load(sys.argv[2])))\n"
        "assert 'nncf' not in sys.modules"
    )
    files = [tmp_path / name for name in ("resnet.pkl", "X.npy", "features.npy")]
    run_program(program, *files, XDG_CACHE_HOME=str(tmp_path / "empty"))
    np.testing.assert_array_equal(np.load(files[2]), resnet.transform(patches))
    assert not (tmp_path / "empty").exists()


def test_without_nncf_an_error_says_how_to_install_it(monkeypatch, patches):
    def file_version(name):
        if name == "nncf":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setitem(sys.modules, "nncf", None)
    monkeypatch.setattr(quantization, "version", file_version)
    message = r"precision='int8' needs nncf.* pip install 'sklearn-resnet\[int8\]'"
    with pytest.raises(ImportError, match=message):
        small().fit(patches)
    small(precision="float32").fit_transform(patches)


def test_nothing_is_printed_and_nobody_is_told(patches, tmp_path):
    """In a process of its own, in which NNCF is imported first, and a folder of its own."""
    home = tmp_path / "home"
    home.mkdir()
    np.save(tmp_path / "X.npy", patches)
    program = (
        "import random, sys, numpy as np\n"
        "from sklearn_resnet import ResNetFeatures\n"
        "X = np.load(sys.argv[1])\n"
        # scikit-learn itself draws from random at the first fit, by importing rich
        "ResNetFeatures(16, weights=None, random_state=0).fit(X)\n"
        "states = random.getstate(), np.random.get_state()[1].copy()\n"
        "ResNetFeatures(16, weights=None, random_state=0, precision='int8').fit_transform(X)\n"
        "assert random.getstate() == states[0]\n"
        "assert (np.random.get_state()[1] == states[1]).all()\n"
        "assert 'nncf' in sys.modules\n"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    assert run_program(program, tmp_path / "X.npy", HOME=str(home)) == ("", "")
    assert list(home.iterdir()) == []


def test_nothing_is_printed_where_others_log(patches, capfd):
    small().fit_transform(patches)
    assert capfd.readouterr() == ("", "")


def test_rows_are_images(patches):
    expected = small().fit_transform(patches)
    rows = patches.reshape(len(patches), -1)
    np.testing.assert_array_equal(small().fit_transform(rows), expected)
    grey = patches[..., 0].reshape(len(patches), -1)
    np.testing.assert_array_equal(
        small().fit_transform(grey), small().fit_transform(patches[..., 0])
    )


def test_images_of_different_sizes_are_resized_first(patches):
    ragged = [patches[0], patches[1][:20], patches[2][:, :25, :1], patches[3][..., 0]]
    resnet = small(image_size=(24, 20), batch_size=3)
    features = resnet.fit(ragged).transform(ragged)
    exact = clone(resnet).set_params(precision="float32").fit_transform(ragged)
    assert 0 < np.abs(features - exact).max() < 0.1 * np.abs(exact).max()
    np.testing.assert_array_equal(resnet.transform(ragged[1:3]), features[1:3])


def test_a_fit_in_another_precision_forgets_the_ranges(patches):
    resnet = small().fit(patches)
    assert resnet.activation_ranges_
    resnet.set_params(precision="float32").fit(patches)
    assert not hasattr(resnet, "activation_ranges_")
    expected = small(precision="float32").fit_transform(patches)
    np.testing.assert_array_equal(resnet.transform(patches), expected)
