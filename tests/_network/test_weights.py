"""Weights: random, from files of both of Keras' formats, from Keras' cache, or absent."""

import hashlib
import http.server
import os
import pickle
import random
import shutil
import time
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from local_server import serve_folder
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ResNetFeatures, WeightsFallbackWarning
from sklearn_resnet._io import downloads
from sklearn_resnet._io.downloads import RemoteFile
from sklearn_resnet._network import weights as _weights
from sklearn_resnet._network.engines.keras import load_layers
from sklearn_resnet._network.layers import layer_table, resolve_layers
from sklearn_resnet._network.normalization import NORMALIZATIONS
from sklearn_resnet._network.weights import (
    Weights,
    check_layers_covered,
    choose_weights,
    find_weights,
    load_arrays,
)

IMAGENET_NAME = "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5"


def test_a_cut_beyond_the_file_is_an_error(files):
    weights = find_weights("ResNet50V2", files / "conv3.weights.h5", None)
    check_layers_covered(weights, resolve_layers("ResNet50V2", [16, 85]))
    with pytest.raises(ValueError, match=r"conv3\.weights\.h5'. Got 189 "):
        check_layers_covered(weights, resolve_layers("ResNet50V2", None))


def test_the_last_layer_of_a_file_is_the_deepest_cut():
    normalization = NORMALIZATIONS["tf"]
    weights = Weights("ResNet50V2", "sha256:0", 84, normalization, path="block.weights.h5")
    table = layer_table("ResNet50V2")
    check_layers_covered(weights, [table[83]])
    with pytest.raises(ValueError, match=r"must be at most 83 .* Got 84 "):
        check_layers_covered(weights, [table[84]])


@pytest.mark.parametrize("parameter", ["layers", "tap_layers"])
def test_the_parameter_of_the_cut_is_named(parameter):
    resnet = ResNetFeatures(4, weights="procedural", cache=None).set_params(**{parameter: 160})
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter must be at most 153"):
        resnet.fit(np.zeros((1, 8, 8), np.uint8))


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError, match=r"'weights' .* does not exist"):
        find_weights("ResNet50V2", "nowhere.h5", None)
    with pytest.raises(FileNotFoundError, match=r"\. Pass None for random weights\.$"):
        find_weights("ResNet50V2", "nowhere.h5", None)
    with pytest.raises(FileNotFoundError, match="Did you mean 'imagenet'"):
        find_weights("ResNet50V2", "imagnet", None)


def test_a_folder_is_no_weights_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'weights' .* which is a folder, instead"):
        find_weights("ResNet50V2", tmp_path, None)


def save_first_layer(path, value=0):
    kernel, bias = np.full((7, 7, 3, 64), value, np.float32), np.zeros(64, np.float32)
    np.savez(path, **{"conv1_conv/0": kernel, "conv1_conv/1": bias})


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save_first_layer(tmp_path / "weights.npz")
    weights = find_weights("ResNet50V2", "~/weights.npz", None)
    assert weights.path == str(tmp_path / "weights.npz")


def test_a_file_rewritten_at_its_size_has_another_fingerprint(tmp_path):
    path = tmp_path / "weights.npz"
    fingerprints = []
    for value in (1, 2):
        save_first_layer(path, value)
        os.utime(path, ns=(value, value))
        fingerprints.append(find_weights("ResNet50V2", path, None).fingerprint)
    assert fingerprints[0] != fingerprints[1]


def test_random_weights_differ_by_seed_and_architecture():
    pairs = [("ResNet50V2", 0), ("ResNet50V2", 1), ("ResNet101V2", 0)]
    found = {find_weights(architecture, None, seed).fingerprint for architecture, seed in pairs}
    assert len(found) == 3


def test_random_weights_are_those_of_keras_and_numpy():
    """The stream of RandomState never changes, so a seed gives the same features in all versions."""
    table = layer_table("ResNet50")[:5]
    arrays = load_arrays(find_weights("ResNet50", None, 7), table)
    rng = np.random.RandomState(7)
    limit = np.sqrt(6 / (7 * 7 * (3 + 64)))
    kernel, bias = arrays["conv1_conv"]
    np.testing.assert_array_equal(
        kernel, rng.uniform(-limit, limit, (7, 7, 3, 64)).astype("float32")
    )
    assert not bias.any()
    # batch normalisation, as Keras begins it: gamma, beta, mean and variance
    assert [(a.min(), a.max()) for a in arrays["conv1_bn"]] == [(1, 1), (0, 0), (0, 0), (1, 1)]


def test_the_fingerprint_goes_by_content(files, tmp_path):
    copy = tmp_path / "copy.weights.h5"
    shutil.copy(files / "conv3.weights.h5", copy)
    first = find_weights("ResNet50V2", files / "conv3.weights.h5", None).fingerprint
    assert find_weights("ResNet50V2", copy, None).fingerprint == first
    with h5py.File(copy, "a") as file:  # other bytes, the same weights
        file.attrs["note"] = "a copy"
    assert find_weights("ResNet50V2", copy, None).fingerprint == first
    assert find_weights("ResNet50V2", files / "whole.weights.h5", None).fingerprint != first


def test_random_weights_go_by_their_seed_and_touch_no_global_state():
    state = random.getstate(), np.random.get_state()[1].copy()
    first = load_layers(find_weights("ResNet50V2", None, 3))[2].get_weights()
    load_layers.cache_clear()
    again = load_layers(find_weights("ResNet50V2", None, 3))[2].get_weights()
    other = load_layers(find_weights("ResNet50V2", None, 4))[2].get_weights()
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
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setenv("no_proxy", "*")
    downloads._find_failure.cache_clear()
    md5 = hashlib.md5((files / "whole.weights.h5").read_bytes()).hexdigest()
    with serve_folder(served) as url:
        file = RemoteFile(url + IMAGENET_NAME, f"models/{IMAGENET_NAME}", f"md5:{md5}", 95)
        yield served, home, {"ResNet50V2": file}
    downloads._find_failure.cache_clear()


def test_imagenet_is_downloaded_once_into_keras_cache(files, stand_in, capsys):
    served, home, imagenet = stand_in
    shutil.copy(files / "whole.weights.h5", served / IMAGENET_NAME)
    downloaded = find_weights("ResNet50V2", "imagenet", None, imagenet)
    assert downloaded.path == str(home / "models" / IMAGENET_NAME)
    assert downloaded.n_layers == 190
    (served / IMAGENET_NAME).unlink()
    assert find_weights("ResNet50V2", "imagenet", None, imagenet) == downloaded


def test_imagenet_absent_is_an_error_that_says_what_to_do(stand_in):
    _, home, imagenet = stand_in
    with pytest.raises(ConnectionError) as error:
        find_weights("ResNet50V2", "imagenet", None, imagenet)
    message = str(error.value)
    for part in (str(home / "models" / IMAGENET_NAME), "http://127.0.0.1", "95 MB", "weights=None"):
        assert part in message


def test_imagenet_damaged_in_the_cache_is_an_error_that_says_so(stand_in):
    _, home, imagenet = stand_in
    (home / "models").mkdir(parents=True)
    (home / "models" / IMAGENET_NAME).write_bytes(b"half a file")
    with pytest.raises(ConnectionError, match="damaged or a different one"):
        find_weights("ResNet50V2", "imagenet", None, imagenet)


@pytest.mark.long  # it waits
def test_a_host_that_never_answers_is_given_up_in_time(stand_in):
    *_, imagenet = stand_in
    with http.server.socketserver.TCPServer(("127.0.0.1", 0), None, True) as silent:
        url = f"http://127.0.0.1:{silent.server_address[1]}/"
        silenced = {"ResNet50V2": replace(imagenet["ResNet50V2"], url=url)}
        start = time.monotonic()
        with pytest.raises(ConnectionError, match="cannot be downloaded"):
            find_weights("ResNet50V2", "imagenet", None, silenced)
        assert time.monotonic() - start < 6  # the promise itself, not a benchmark


@pytest.fixture
def first_time(monkeypatch):
    """As in a process in which weights="auto" was not used yet."""
    monkeypatch.setattr(_weights, "_failed_downloads", {})
    monkeypatch.setattr(_weights, "_announced", set())


def cut(*layers):
    return resolve_layers("ResNet50V2", list(layers))


def test_auto_takes_imagenet_where_it_can_be_downloaded_or_is_cached(files, stand_in, first_time):
    served, _, imagenet = stand_in
    shutil.copy(files / "whole.weights.h5", served / IMAGENET_NAME)
    assert choose_weights("ResNet50V2", "auto", cut(82), imagenet) == "imagenet"
    (served / IMAGENET_NAME).unlink()
    assert choose_weights("ResNet50V2", "auto", cut(153), imagenet) == "imagenet"


def test_auto_falls_back_with_a_warning_once_for_each_cut(stand_in, first_time):
    _, home, imagenet = stand_in
    with pytest.warns(WeightsFallbackWarning) as caught:
        assert choose_weights("ResNet50V2", "auto", cut(82), imagenet) == "procedural"
    message = str(caught[0].message)
    for part in ("layer 82", "File not found", "on photos", "weights='procedural'", str(home)):
        assert part in message
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_weights("ResNet50V2", "auto", cut(82), imagenet) == "procedural"
    with pytest.warns(WeightsFallbackWarning, match="layers 16, 82 will"):
        choose_weights("ResNet50V2", "auto", cut(16, 82), imagenet)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose_weights("ResNet50V2", "auto", cut(82, 16), imagenet)
    with pytest.warns(WeightsFallbackWarning, match="layer 153 will"):
        choose_weights("ResNet50V2", "auto", (), imagenet)


def test_auto_does_not_mix_the_two_where_a_download_becomes_possible(files, stand_in, first_time):
    served, _, imagenet = stand_in
    with pytest.warns(WeightsFallbackWarning):
        choose_weights("ResNet50V2", "auto", cut(82), imagenet)
    shutil.copy(files / "whole.weights.h5", served / IMAGENET_NAME)
    downloads._find_failure.cache_clear()
    assert choose_weights("ResNet50V2", "auto", cut(82), imagenet) == "procedural"
    find_weights("ResNet50V2", "imagenet", None, imagenet)  # now it is in the cache
    assert choose_weights("ResNet50V2", "auto", cut(82), imagenet) == "procedural"
    with pytest.raises(ConnectionError, match=r"0 to 153, and layer 160 .* is deeper"):
        choose_weights("ResNet50V2", "auto", cut(82, 160), imagenet)


def test_auto_is_an_error_where_the_bundled_weights_do_not_cover_the_cut(stand_in, first_time):
    *_, imagenet = stand_in
    for layers in ((82, 154), (154, 82)):
        with pytest.raises(
            ConnectionError, match=r"layer 154 \('conv5_[\s\S]*Choose layers up to 153"
        ):
            choose_weights("ResNet50V2", "auto", cut(*layers), imagenet)
    other = {"ResNet101V2": replace(imagenet["ResNet50V2"], megabytes=171)}
    with pytest.raises(ConnectionError, match="ImageNet's weights of ResNet101V2"):
        choose_weights("ResNet101V2", "auto", resolve_layers("ResNet101V2", 16), other)


@pytest.mark.parametrize("weights", ["imagenet", "procedural", None, Path("a.h5")])
def test_other_weights_are_taken_as_they_are(weights):
    assert choose_weights("ResNet50V2", weights) is weights


def test_fit_decodes_no_file_for_the_warning_of_large_images(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    images = ImageLoader(lazy=True).fit_transform([tmp_path / "broken.png"])
    assert ResNetFeatures(4, weights=None, random_state=0).fit(images).layers_ == [4]


@pytest.mark.usefixtures("first_time")
def test_the_warning_as_an_error_is_raised_each_time():
    X = np.zeros((1, 200, 200), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(WeightsFallbackWarning):
                ResNetFeatures(4).fit(X)
            with pytest.raises(UserWarning, match="200 x 200 pixels"):
                ResNetFeatures(4, weights="procedural").fit(X)


def test_a_fit_says_which_weights_it_took_and_transform_keeps_to_them(first_time, tmp_path):
    X = np.zeros((2, 8, 8), np.uint8)
    with pytest.warns(WeightsFallbackWarning) as caught:
        resnet = ResNetFeatures(layers=4).fit(X)
    assert [w.filename for w in caught] == [__file__]
    assert resnet.weights_ == "procedural"
    expected = ResNetFeatures(layers=4, weights="procedural").fit_transform(X)
    np.testing.assert_array_equal(resnet.transform(X), expected)
    moved = pickle.loads(pickle.dumps(resnet))
    np.testing.assert_array_equal(moved.transform(X), expected)
    assert ResNetFeatures(4, weights=None, random_state=0).fit(X).weights_ is None


def test_auto_chooses_by_the_layers_to_cache_too(first_time):
    with pytest.raises(ConnectionError, match=r"layer 160 .* is deeper"):
        ResNetFeatures(4, tap_layers=[4, 160]).fit(np.zeros((2, 8, 8), np.uint8))


@pytest.mark.usefixtures("first_time")
def test_other_weights_than_those_of_fit_are_refused():
    X = np.zeros((2, 8, 8), np.uint8)
    with pytest.warns(WeightsFallbackWarning):
        resnet = ResNetFeatures(layers=4).fit(X)
    resnet.set_params(weights=None).random_seed_ = 3
    with pytest.raises(ValueError, match=r"fitted with.*sha256.*Got.*random:ResNet50V2:3"):
        resnet.transform(X)


@pytest.mark.usefixtures("first_time")
def test_an_estimator_fitted_with_imagenet_does_not_fall_back():
    X = np.zeros((2, 8, 8), np.uint8)
    resnet = ResNetFeatures(layers=4, weights="procedural").fit(X).set_params(weights="auto")
    resnet.weights_ = "imagenet"
    with pytest.raises(ConnectionError, match="ImageNet's weights"):
        resnet.transform(X)


def test_a_search_that_needs_a_download_fails_with_a_short_message(first_time):
    resnet = ResNetFeatures(tap_layers=[4, 160], cache=None)
    search = GridSearchCV(
        make_pipeline(resnet, KNeighborsClassifier(1)), {"resnetfeatures__layers": [4, 160]}, cv=2
    )
    with pytest.raises(ValueError, match="All the 4 fits failed") as error:
        search.fit(np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1])
    assert str(error.value).count("layer 160 ('conv5_block1_2_conv') is deeper") == 1
    assert "urllib" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "options", "warns"),
    [
        ((129, 129), {}, True),
        ((128, 200), {}, False),
        ((200, 128), {}, False),
        ((129, 129), {"image_size": 129}, False),
        ((129, 129), {"weights": None, "random_state": 0}, False),
    ],
)
def test_large_images_are_warned_of_once_with_the_bundled_weights(first_time, size, options, warns):
    X = np.zeros((1, *size), np.uint8)
    resnet = ResNetFeatures(4, **{"weights": "procedural", **options})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resnet.fit(X).fit(X)
    found = [str(w.message) for w in caught]
    assert len(found) == warns
    assert all("set image_size to 64" in message for message in found)


def test_the_weights_that_ship_are_the_ones_that_were_measured():
    assert find_weights("ResNet50V2", "procedural", None).n_layers == 154
    file = _weights._PROCEDURAL_FILE
    card = file.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert hashlib.sha256(file.read_bytes()).hexdigest() in card


def test_the_weights_that_ship_are_small_and_finite():
    assert _weights._PROCEDURAL_FILE.stat().st_size <= 10e6
    arrays = load_arrays(find_weights("ResNet50V2", "procedural", None), layer_table("ResNet50V2"))
    for layer in layer_table("ResNet50V2")[:154]:
        shapes = [array.shape for array in arrays.get(layer.name, [])]
        assert shapes == list(layer.weight_shapes)
        for array in arrays.get(layer.name, []):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()


def test_no_layers_means_the_deepest_of_the_weights_that_ship():
    X = np.zeros((1, 8, 8), np.uint8)
    resnet = ResNetFeatures(weights="procedural").fit(X)
    assert resnet.layers_ == [153]
    assert resnet.transform(X).shape == (1, 1024)
    assert ResNetFeatures(82, weights="procedural").fit(X).layers_ == [82]


def test_a_cut_beyond_the_weights_that_ship_is_an_error():
    with pytest.raises(ValueError, match=r"must be at most 153 .* in the bundled weights") as error:
        ResNetFeatures("conv5", weights="procedural").fit(np.zeros((1, 8, 8), np.uint8))
    assert "Got 187 ('conv5_block3_out')" in str(error.value)


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
