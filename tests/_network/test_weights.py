"""Weights: random, from files of both of Keras' formats, from Keras' cache, or absent."""

import functools
import hashlib
import http.server
import random
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network import weights as _weights
from sklearn_resnet._network.engines.keras import load_network
from sklearn_resnet._network.layers import layer_table, resolve_layers
from sklearn_resnet._network.weights import (
    Downloads,
    check_layers_covered,
    find_weights,
    load_arrays,
)

IMAGENET_NAME = "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"


def test_a_cut_beyond_the_file_is_an_error(files):
    weights = find_weights("ResNet50V2", files / "conv3.weights.h5", None)
    check_layers_covered(weights, resolve_layers("ResNet50V2", [16, 85]))
    with pytest.raises(ValueError, match=r"conv3\.weights\.h5'. Got 189 "):
        check_layers_covered(weights, resolve_layers("ResNet50V2", None))


@pytest.mark.parametrize("parameter", ["layers", "tap_layers"])
def test_the_parameter_of_the_cut_is_named(parameter):
    resnet = ResNetFeatures(4, weights="procedural", cache=None).set_params(**{parameter: 150})
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter must be at most 85"):
        resnet.fit(np.zeros((1, 8, 8), np.uint8))


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"'weights' .* does not exist"):
        find_weights("ResNet50V2", "nowhere.h5", None)
    with pytest.raises(FileNotFoundError, match=r"\. Pass None for random weights\.$"):
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
    home.mkdir()
    url = f"http://127.0.0.1:{server.server_port}/"
    yield served, home, Downloads(url, {"ResNet50V2": (md5, 95)})
    server.shutdown()
    server.server_close()


def test_imagenet_is_downloaded_once_into_keras_cache(files, stand_in, capsys):
    served, home, downloads = stand_in
    shutil.copy(files / "whole.weights.h5", served / IMAGENET_NAME)
    downloaded = find_weights("ResNet50V2", "imagenet", None, downloads)
    assert downloaded.path == str(home / "models" / IMAGENET_NAME)
    assert downloaded.n_layers == 190
    (served / IMAGENET_NAME).unlink()
    assert find_weights("ResNet50V2", "imagenet", None, downloads) == downloaded


def test_imagenet_absent_is_an_error_that_says_what_to_do(stand_in):
    _, home, downloads = stand_in
    with pytest.raises(ConnectionError) as error:
        find_weights("ResNet50V2", "imagenet", None, downloads)
    message = str(error.value)
    for part in (str(home / "models" / IMAGENET_NAME), "http://127.0.0.1", "95 MB", "weights=None"):
        assert part in message


def test_imagenet_damaged_in_the_cache_is_an_error_that_says_so(stand_in):
    _, home, downloads = stand_in
    (home / "models").mkdir()
    (home / "models" / IMAGENET_NAME).write_bytes(b"half a file")
    with pytest.raises(ConnectionError, match="damaged or a different one"):
        find_weights("ResNet50V2", "imagenet", None, downloads)


def test_a_host_that_never_answers_is_given_up_in_time(stand_in):
    *_, downloads = stand_in
    with http.server.socketserver.TCPServer(("127.0.0.1", 0), None, True) as silent:
        url = f"http://127.0.0.1:{silent.server_address[1]}/"
        downloads = replace(downloads, url=url)
        start = time.monotonic()
        with pytest.raises(ConnectionError, match="cannot be downloaded"):
            find_weights("ResNet50V2", "imagenet", None, downloads)
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
