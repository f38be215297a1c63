"""Features with the options of the command: components as scikit-learn computes them, and weights."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from torch_weights import write_safetensors

from sklearn_resnet._runtime.errors import DownloadError, ParameterError
from sklearn_resnet.cli.features import (
    FeatureOptions,
    check_features,
    compute_pca,
    make_resnet,
    read_mode,
)
from sklearn_resnet.cli.inputs import InputOptions
from sklearn_resnet.cli.progress import Progress

OPTIONS = FeatureOptions(
    model="pca",
    dimensions=3,
    layers=4,
    architecture="ResNet50V2",
    weights="random",
    pooling="avg",
    image_size=None,
    batch_size=64,
    engine="auto",
    precision="float32",
    cache=None,
    seed=7,
)
QUIET = Progress(quiet=True)
rng = np.random.default_rng(0)


def test_components_are_those_of_scikit_learn_and_a_seed_repeats_them():
    images = rng.integers(0, 256, (30, 24, 24), dtype=np.uint8)  # so large that a PCA is randomized
    features = compute_pca(images, OPTIONS)
    pca = PCA(3, svd_solver="randomized", random_state=7)
    expected = pca.fit_transform(images.reshape(30, -1).astype(np.float32))
    np.testing.assert_array_equal(features.values, expected)
    assert features.names == ["pca_1", "pca_2", "pca_3"]
    explained = features.metadata["explained_variance"]
    assert explained == pytest.approx(pca.explained_variance_ratio_.sum())


def test_components_of_colours_are_those_of_all_channels():
    colours = rng.integers(0, 256, (6, 1, 1, 3), dtype=np.uint8)
    images = np.broadcast_to(colours, (6, 8, 8, 3))
    values = compute_pca(images, replace(OPTIONS, image_size=4)).values
    rows = np.broadcast_to(colours, (6, 4, 4, 3)).reshape(6, -1).astype(np.float32)
    np.testing.assert_allclose(values, PCA(3).fit_transform(rows), atol=1e-3)


def test_arrays_are_stretched_to_a_size_not_cropped():
    images = np.zeros((6, 8, 16), np.uint8)
    images[:, :, :4] = rng.integers(0, 256, (6, 1, 1))  # outside of the square in the middle
    values = compute_pca(images, replace(OPTIONS, image_size=8, dimensions=1)).values
    assert np.ptp(values) > 100


@pytest.mark.parametrize("shape", [(2, 8, 8), (8, 1, 2)])
def test_there_are_at_most_as_many_components_as_images_and_values(shape):
    with pytest.raises(ParameterError, match="and of their values, 2 here. Got 3 instead"):
        compute_pca(np.zeros(shape, np.uint8), OPTIONS)


def test_random_weights_are_none_of_a_file():
    assert make_resnet(OPTIONS).weights is None
    assert make_resnet(replace(OPTIONS, weights="my.h5")).weights == "my.h5"


def test_the_weights_of_auto_are_resolved_once_for_all_processes():
    options = replace(OPTIONS, model="resnet", weights="auto")
    assert check_features(options, QUIET) == replace(options, weights="procedural")
    options = replace(options, weights="random")
    assert check_features(options, QUIET) == options


def test_weights_that_cannot_be_downloaded_name_others():
    options = replace(OPTIONS, model="resnet", weights="imagenet")
    with pytest.raises(DownloadError) as caught:
        check_features(options, QUIET)
    assert "Other weights need no download: --weights procedural" in caught.value.__notes__[0]
    with pytest.raises(DownloadError) as caught:  # auto has tried the bundled weights
        check_features(replace(options, weights="auto", layers="conv5"), QUIET)
    assert not getattr(caught.value, "__notes__", [])


@pytest.mark.parametrize(
    ("n_channels", "source", "mode"),
    [(1, "photos", "L"), (3, "photos", "RGB"), (13, "x.npy", "channels")],
)
def test_image_files_are_read_with_the_channels_that_the_weights_take(
    n_channels, source, mode, tmp_path
):
    (tmp_path / "photos").mkdir()
    (tmp_path / "x.npy").touch()
    path = write_safetensors(tmp_path / "w.safetensors", last="layer1", n_channels=n_channels)
    given = replace(
        OPTIONS,
        model="resnet",
        layers="layer1",
        architecture="ResNet18",
        weights=str(path),
        normalization="tf",
    )
    options = check_features(given, QUIET)
    assert options == given
    assert read_mode(InputOptions(str(tmp_path / source), mode=None), options) == mode
    photos = InputOptions(str(tmp_path / "photos"), mode=None)
    if n_channels == 13:
        assert read_mode(photos, options) == "channels"
    assert read_mode(replace(photos, mode="channels"), options) == "channels"
    separate = replace(options, separate_channels=True)
    assert read_mode(photos, separate) == "channels"
    assert read_mode(replace(photos, mode="RGB"), separate) == "RGB"
    for given in {"RGB", "L"} - ({"RGB", "L"} if n_channels == 3 else {mode}):
        with pytest.raises(ParameterError, match=f"must be .* for images of {n_channels} channel"):
            read_mode(replace(photos, mode=given), options)


def test_the_mode_is_that_of_colours_without_a_network(tmp_path):
    assert read_mode(InputOptions(str(tmp_path), mode=None), OPTIONS) == "RGB"
    assert read_mode(InputOptions(str(tmp_path), mode="L"), OPTIONS) == "L"


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "L"},
        {"channels": [0]},
        {"rescale": "window"},
        {"page": 0},
        {"level": 0},
        {"resize": "pad"},
    ],
)
def test_options_of_reading_files_are_refused_for_arrays(given):
    with pytest.raises(
        ParameterError, match="requires image files as INPUT. Got 'digits'"
    ) as caught:
        read_mode(InputOptions("digits", **({"mode": None} | given)), OPTIONS)
    assert [caught.value.parameter] == list(given)
