"""Weights: random, from files of both of Keras' formats, from Keras' cache, or absent."""

import functools
import hashlib
import http.server
import random
import shutil
import threading
import time

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network import weights as _weights
from sklearn_resnet._network.engines.keras import load_network
from sklearn_resnet._network.layers import layer_table, resolve_layers
from sklearn_resnet._network.weights import check_layers_covered, find_weights, load_arrays

IMAGENET_NAME = "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"


def build(architecture="ResNet50V2", last=None, seed=0):
    """Make a Keras network whose every weight is drawn, batch normalisation's too."""
    import keras

    network = getattr(keras.applications, architecture)(include_top=False, weights=None)
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.1, 1, w.shape) for w in layer.get_weights()])
    return network if last is None else keras.Model(network.input, network.get_layer(last).output)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights files: whole, up to a stage, up to the middle of a block, and in the old format."""
    folder = tmp_path_factory.mktemp("weights")
    build().save_weights(folder / "whole.weights.h5")
    build(last="conv3_block4_out").save_weights(folder / "conv3.weights.h5")
    build(last="conv3_block4_2_relu").save_weights(folder / "block.weights.h5")
    build("ResNet101V2", last="conv4_block7_out").save_weights(folder / "101.weights.h5")
    build("ResNet50", last="conv2_block3_out").save_weights(folder / "v1.weights.h5")
    network = build(last="conv2_block3_out")
    # the format of Keras 1 and 2, in which ImageNet's weights are kept
    with h5py.File(folder / "old.h5", "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0".encode() for w in layer.weights]
            group.attrs["weight_names"] = names
            for name, array in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name.decode(), data=array)
    return folder


@pytest.mark.parametrize(
    ("name", "architecture", "n_layers"),
    [
        ("whole.weights.h5", "ResNet50V2", 190),
        ("conv3.weights.h5", "ResNet50V2", 86),
        ("block.weights.h5", "ResNet50V2", 84),  # the pooling after layer 82 has no weights
        ("old.h5", "ResNet50V2", 40),
        ("101.weights.h5", "ResNet101V2", 164),
        ("v1.weights.h5", "ResNet50", 39),
    ],
)
def test_a_file_serves_every_cut_that_it_covers(files, name, architecture, n_layers):
    weights = find_weights(architecture, files / name, None)
    assert weights.n_layers == n_layers
    network = load_network(weights)
    expected = build(architecture)
    for index in range(weights.n_layers):
        ours, theirs = network.layers[index].get_weights(), expected.layers[index].get_weights()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_cut_beyond_the_file_is_an_error(files):
    weights = find_weights("ResNet50V2", files / "conv3.weights.h5", None)
    check_layers_covered(weights, resolve_layers("ResNet50V2", [16, 85]))
    with pytest.raises(ValueError, match=r"conv3\.weights\.h5'. Got 189 "):
        check_layers_covered(weights, resolve_layers("ResNet50V2", None))


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("101.weights.h5", "ResNet50V2", r"'conv4_block7.* belong to ResNet101V2\."),
        ("v1.weights.h5", "ResNet50V2", r"They belong to ResNet50\."),
        ("whole.weights.h5", "ResNet50", r"They belong to ResNet50V2\."),
    ],
)
def test_a_file_of_another_architecture_is_an_error(files, name, architecture, message):
    with pytest.raises(ValueError, match=message):
        find_weights(architecture, files / name, None)


def test_a_file_of_a_network_that_begins_alike_is_an_error(tmp_path):
    """ResNet101V2 has all layers of ResNet50V2's conv4, but halves the image 17 blocks later."""
    path = tmp_path / "conv4.weights.h5"
    build(last="conv4_block6_out").save_weights(path)
    assert find_weights("ResNet50V2", path, None).n_layers == 154
    message = r"'conv4_block6_3_conv' it must have 2 poolings, not 3\. They belong to ResNet50V2\."
    with pytest.raises(ValueError, match=message):
        find_weights("ResNet101V2", path, None)


def test_a_file_of_another_network_is_an_error(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = tmp_path / "dense.weights.h5"
    model.save_weights(path)
    with pytest.raises(ValueError, match="lacks weights of 'conv1_conv'"):
        find_weights("ResNet50V2", path, None)


def test_a_file_that_is_no_weights_file_is_an_error(files, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(ValueError, match=r"text\.h5' is damaged, or is not an HDF5 file"):
        find_weights("ResNet50V2", text, None)
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes((files / "conv3.weights.h5").read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"cut\.weights\.h5' is damaged, or is not an HDF5 file"):
        find_weights("ResNet50V2", cut, None)


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"'weights' .* does not exist"):
        find_weights("ResNet50V2", "nowhere.h5", None)
    with pytest.raises(FileNotFoundError, match="Did you mean 'imagenet'"):
        find_weights("ResNet50V2", "imagnet", None)


def test_the_fingerprint_goes_by_content(files, tmp_path):
    copy = tmp_path / "copy.weights.h5"
    shutil.copy(files / "conv3.weights.h5", copy)
    first = find_weights("ResNet50V2", files / "conv3.weights.h5", None).fingerprint
    assert find_weights("ResNet50V2", copy, None).fingerprint == first
    assert first == "sha256:" + hashlib.sha256(copy.read_bytes()).hexdigest()
    assert find_weights("ResNet50V2", files / "whole.weights.h5", None).fingerprint != first


def test_random_weights_go_by_their_seed_and_touch_no_global_state():
    state = random.getstate(), np.random.get_state()[1].copy()
    first = load_network(find_weights("ResNet50V2", None, 3)).layers[2].get_weights()
    load_network.cache_clear()
    again = load_network(find_weights("ResNet50V2", None, 3)).layers[2].get_weights()
    other = load_network(find_weights("ResNet50V2", None, 4)).layers[2].get_weights()
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0.01
    # Glorot's limit for a 7 x 7 kernel from 3 to 64 channels
    assert np.abs(first[0]).max() == pytest.approx(np.sqrt(6 / (49 * 67)), rel=1e-3)
    assert random.getstate() == state[0]
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])


@pytest.fixture
def stand_in(files, tmp_path, monkeypatch):
    """A server and a Keras cache, both empty of anything but what a test puts there."""
    served, home = tmp_path / "served", tmp_path / "keras"
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Handler, directory=served)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    md5 = hashlib.md5((files / "whole.weights.h5").read_bytes()).hexdigest()
    monkeypatch.setenv("KERAS_HOME", str(home))
    # Keras reads the variable when it is imported, which other tests have done by now
    get_file = _weights.import_keras().utils.get_file
    monkeypatch.setattr("keras.utils.get_file", functools.partial(get_file, cache_dir=home))
    monkeypatch.setattr(_weights, "_IMAGENET_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setitem(_weights._IMAGENET_FILES, "ResNet50V2", (md5, 95))
    home.mkdir()
    yield served, home
    server.shutdown()
    server.server_close()


def test_imagenet_is_downloaded_once_into_keras_cache(files, stand_in, capsys):
    served, home = stand_in
    shutil.copy(files / "whole.weights.h5", served / IMAGENET_NAME)
    downloaded = find_weights("ResNet50V2", "imagenet", None)
    assert downloaded.path == str(home / "models" / IMAGENET_NAME)
    assert downloaded.n_layers == 190
    (served / IMAGENET_NAME).unlink()
    assert find_weights("ResNet50V2", "imagenet", None) == downloaded


def test_imagenet_absent_is_an_error_that_says_what_to_do(stand_in):
    _, home = stand_in
    with pytest.raises(ConnectionError) as error:
        find_weights("ResNet50V2", "imagenet", None)
    message = str(error.value)
    for part in (str(home / "models" / IMAGENET_NAME), "http://127.0.0.1", "95 MB", "weights=None"):
        assert part in message


def test_imagenet_damaged_in_the_cache_is_an_error_that_says_so(stand_in):
    _, home = stand_in
    (home / "models").mkdir()
    (home / "models" / IMAGENET_NAME).write_bytes(b"half a file")
    with pytest.raises(ConnectionError, match="damaged or another one"):
        find_weights("ResNet50V2", "imagenet", None)


def test_a_host_that_never_answers_is_given_up_in_time(stand_in, monkeypatch):
    with http.server.socketserver.TCPServer(("127.0.0.1", 0), None, True) as silent:
        url = f"http://127.0.0.1:{silent.server_address[1]}/"
        monkeypatch.setattr(_weights, "_IMAGENET_URL", url)
        start = time.monotonic()
        with pytest.raises(ConnectionError, match="cannot be downloaded"):
            find_weights("ResNet50V2", "imagenet", None)
        assert time.monotonic() - start < 10  # the promise itself, not a benchmark


PROCEDURAL_FINGERPRINT = "sha256:8c3da19f80f2d96ccf375b01e756e4e5870cf8114ad9ddf1ba4ca28a238cdfa6"


def test_the_weights_that_ship_are_the_ones_that_were_measured():
    weights = find_weights("ResNet50V2", "procedural", None)
    assert weights.fingerprint == PROCEDURAL_FINGERPRINT
    assert weights.n_layers == 86
    card = _weights._PROCEDURAL_FILE.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert PROCEDURAL_FINGERPRINT.removeprefix("sha256:") in card


def test_the_weights_that_ship_are_small_and_finite():
    assert _weights._PROCEDURAL_FILE.stat().st_size <= 4e6
    arrays = load_arrays(find_weights("ResNet50V2", "procedural", None), layer_table("ResNet50V2"))
    for layer in layer_table("ResNet50V2")[:86]:
        shapes = [array.shape for array in arrays.get(layer.name, [])]
        assert shapes == list(layer.weight_shapes)
        for array in arrays.get(layer.name, []):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()


def test_no_layers_means_the_deepest_of_the_weights_that_ship():
    X = np.zeros((1, 8, 8), np.uint8)
    resnet = ResNetFeatures(weights="procedural").fit(X)
    assert resnet.layers_ == [85]
    assert resnet.transform(X).shape == (1, 512)
    assert ResNetFeatures(82, weights="procedural").fit(X).layers_ == [82]


def test_a_cut_beyond_the_weights_that_ship_is_an_error():
    with pytest.raises(ValueError, match=r"must be at most 85 .* in the bundled weights") as error:
        ResNetFeatures("conv4", weights="procedural").fit(np.zeros((1, 8, 8), np.uint8))
    assert "Got 153 ('conv4_block6_out')" in str(error.value)


@pytest.mark.parametrize("architecture", ["ResNet50", "ResNet101V2"])
def test_the_weights_that_ship_are_of_one_architecture(architecture):
    with pytest.raises(ValueError, match="'architecture' parameter must be 'ResNet50V2'"):
        ResNetFeatures(architecture=architecture, weights="procedural").fit(np.zeros((1, 8, 8)))


def test_the_weights_that_ship_tell_digits_apart():
    X, y = load_digits(return_X_y=True)
    resnet = ResNetFeatures(weights="procedural", image_size=28, value_range=(0, 16))
    features = resnet.fit_transform(X.reshape(-1, 8, 8))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(KNeighborsClassifier(5), features, y, cv=folds).mean() > 0.98


def test_keras_and_openvino_agree_on_the_weights_that_ship():
    X = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), np.uint8)
    keras, openvino = (
        ResNetFeatures(weights="procedural", engine=engine).fit_transform(X)
        for engine in ("keras", "openvino")
    )
    np.testing.assert_allclose(keras, openvino, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("damage", ["text", "cut", "pickle", "npy"])
def test_a_damaged_npz_file_is_an_error(tmp_path, damage):
    path = tmp_path / "weights.npz"
    if damage == "text":
        path.write_text("no archive")
    elif damage == "cut":
        path.write_bytes(_weights._PROCEDURAL_FILE.read_bytes()[:100_000])
    elif damage == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        np.savez(path, **{"conv1_conv/0": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"is not an \.npz file of arrays named"):
        find_weights("ResNet50V2", str(path), None)
