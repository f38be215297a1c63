"""ResNetFeatures: against Keras' own networks, and with images of all kinds."""

import io
import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import zarr
from keras_networks import load_network
from PIL import Image
from safetensors.numpy import save_file
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from state_dicts import make_state_dict

from sklearn_resnet import ImageLoader, ResNetFeatures, datasets
from sklearn_resnet._network.architectures import ARCHITECTURES, get_architecture
from sklearn_resnet._network.weights import find_weights

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 21, 17, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (5, 12, 12), dtype=np.uint8)


def overshooting(images):
    images[0, 0, 0], images[-1, 0, 0] = 1.2, -0.03
    return images


def as_zarr(images):
    return zarr.array(images, chunks=(2, *images.shape[1:]))


def as_dask(images):
    import dask.array as da

    return da.from_array(images, chunks=(2, *images.shape[1:]))


def features(X, layers=16, **parameters):
    parameters = {"weights": None, "random_state": 0} | parameters
    return ResNetFeatures(layers, **parameters).fit_transform(X)


def network(architecture="ResNet50V2", seed=None):
    seed = np.random.RandomState(0).randint(2**31 - 1) if seed is None else seed
    return load_network(find_weights(architecture, None, seed))


def assert_close(actual, expected, rtol=1e-5):
    """Compare relative to the largest feature: those near zero are differences of large ones."""
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Layer .* does not depend on:UserWarning")
def test_every_layer_equals_keras():
    import keras

    base = network()
    x = keras.applications.resnet_v2.preprocess_input(COLOUR.astype("float32"))
    maps = keras.Model(base.input, [layer.output for layer in base.layers])(x, training=False)
    ours = ResNetFeatures(list(range(190)), weights=None, random_state=0).fit(COLOUR)
    X = ours.transform(COLOUR)
    start = 0
    for index, expected in enumerate(maps):
        width = expected.shape[-1]
        assert_close(X[:, start : start + width], np.asarray(expected).mean((1, 2)))
        start += width
        assert ours.layers_[index] == index
    assert start == X.shape[1]


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(name, marks=[] if "50" in name else pytest.mark.long)
        for name in ARCHITECTURES
        if get_architecture(name).style == "keras"
    ],
)
def test_every_architecture_equals_keras_with_its_own_preprocessing(architecture):
    import keras

    module = keras.applications.resnet_v2 if "V2" in architecture else keras.applications.resnet
    base = network(architecture)
    x = module.preprocess_input(COLOUR.astype("float32"))
    cut = keras.Model(base.input, base.get_layer("conv3_block1_out").output)
    expected = cut.predict(x, verbose=0).mean((1, 2))
    assert_close(features(COLOUR, "conv3_block1_out", architecture=architecture), expected)


def test_none_is_everything_but_the_top():
    X = features(GREY, None)
    assert X.shape == (5, 2048)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X, features(GREY, -1))


def test_poolings_and_layers_stand_side_by_side():
    both = ResNetFeatures([16, "conv3"], weights=None, random_state=0, pooling=["avg", "max"])
    X = both.fit_transform(COLOUR)
    names = both.get_feature_names_out()
    assert X.shape == (5, len(names)) == (5, 2 * (256 + 512))
    for layers, pooling, start in [(16, "avg", 0), (16, "max", 256), (85, "avg", 512)]:
        alone = features(COLOUR, layers, pooling=pooling)
        np.testing.assert_array_equal(X[:, start : start + alone.shape[1]], alone)
    assert names[0] == "conv2_block1_out_avg_0"
    assert names[256 + 17] == "conv2_block1_out_max_17"
    assert names[-1] == "conv3_block4_out_max_511"


def test_max_pooling_equals_keras():
    import keras

    base = network()
    x = keras.applications.resnet_v2.preprocess_input(COLOUR.astype("float32"))
    expected = keras.Model(base.input, base.layers[16].output).predict(x, verbose=0).max((1, 2))
    assert_close(features(COLOUR, 16, pooling="max"), expected)


def pool(maps, pooling, grid=(1, 1)):
    """Pool maps as PyTorch's adaptive pooling does: an array of shape (n, rows, columns, channels)."""
    maps, (height, width) = np.asarray(maps, np.float64), maps.shape[1:3]
    pools = {
        "avg": lambda x: x.mean((1, 2)),
        "max": lambda x: x.max((1, 2)),
        "gem": lambda x: np.cbrt((np.maximum(x, 1e-6) ** 3).mean((1, 2))),
    }
    cells = [
        maps[:, i * height // grid[0] : -(-(i + 1) * height // grid[0])][
            :, :, j * width // grid[1] : -(-(j + 1) * width // grid[1])
        ]
        for i, j in np.ndindex(*grid)
    ]
    pooled = np.stack([pools[pooling](cell) for cell in cells], axis=1)
    return pooled.reshape(len(maps), *grid, -1)


@pytest.fixture(scope="module")
def maps_of_keras():
    """The outputs of layers of Keras' own network for COLOUR, by the index of the layer."""
    import keras

    base, layers = network(), (16, 51, 85)
    x = keras.applications.resnet_v2.preprocess_input(COLOUR.astype("float32"))
    outputs = [base.layers[layer].output for layer in layers]
    maps = keras.Model(base.input, outputs).predict(x, verbose=0)
    return dict(zip(layers, maps, strict=True))


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize(
    "grid",
    [None, (1, 2), *(pytest.param(g, marks=pytest.mark.long) for g in [(2, 2), (3, 4), (7, 1)])],
)
def test_poolings_in_cells_equal_keras_and_numpy(engine, grid, maps_of_keras):
    """Maps of 5 x 4, 3 x 3 and 2 x 2: cells overlap, and there are more of them than pixels."""
    layers, poolings = list(maps_of_keras), ["gem", "avg", "max"]
    X = features(COLOUR, layers, pooling=poolings, grid=grid, engine=engine)
    start = 0
    for layer in layers:
        for pooling in poolings:
            expected = pool(maps_of_keras[layer], pooling, grid or (1, 1)).reshape(len(X), -1)
            part = X[:, start : start + expected.shape[1]]
            assert_close(part, expected)
            start += part.shape[1]
    assert start == X.shape[1]


def test_the_maps_have_negative_values(maps_of_keras):
    """Otherwise the generalised mean of the oracle would not show that they are clipped."""
    assert {layer: (maps < 0).any() for layer, maps in maps_of_keras.items()}[16]


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize("pooling", ["avg", "max", "gem", ["gem", "avg"]])
def test_one_cell_is_no_grid_to_the_last_bit(engine, pooling):
    plain = ResNetFeatures(16, weights=None, random_state=0, engine=engine, pooling=pooling)
    one = clone(plain).set_params(grid=(1, 1), cache=None)
    np.testing.assert_array_equal(one.fit_transform(COLOUR), plain.fit_transform(COLOUR))
    names = plain.get_feature_names_out()
    np.testing.assert_array_equal(one.get_feature_names_out(), names)
    assert not any("cell" in name for name in names)


def test_cells_are_named_by_row_and_column():
    resnet = ResNetFeatures(82, weights=None, random_state=0, grid=(2, 3)).fit(GREY)
    X, names = resnet.transform(GREY), resnet.get_feature_names_out().tolist()
    assert X.shape == (5, 6 * 128) == (5, len(names))
    assert names[17] == "conv3_block4_2_relu_cell0x0_17"
    assert names[128 + 17] == "conv3_block4_2_relu_cell0x1_17"
    assert names[-1] == "conv3_block4_2_relu_cell1x2_127"
    resnet.set_params(pooling=["avg", "max"])
    assert resnet.get_feature_names_out()[7 * 128 + 17] == "conv3_block4_2_relu_max_cell0x1_17"


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_what_is_on_the_left_is_in_the_cells_on_the_left(engine):
    images = np.full((3, 64, 64), 255, np.uint8)
    images[0, :, :16] = RNG.integers(0, 256, (64, 16))
    images[1, 48:] = RNG.integers(0, 256, (16, 64))
    X = features(images, 4, grid=(2, 2), engine=engine, pooling="max").reshape(3, 2, 2, 64)
    is_blank = (X[:2] == X[2]).all(axis=-1)
    assert is_blank.tolist() == [[[False, True], [False, True]], [[True, True], [False, False]]]


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_features_of_cells_depend_on_the_image_alone(engine):
    resnet = ResNetFeatures(
        [16, 51], weights=None, random_state=0, grid=(3, 2), pooling=["gem", "max"], engine=engine
    )
    X = resnet.set_params(cache=None).fit_transform(COLOUR)
    for order in ([3], [4, 0], [2, 2, 1, 0, 4, 3, 1]):
        np.testing.assert_array_equal(resnet.transform(COLOUR[order]), X[order])
    batches = resnet.set_params(batch_size=2).transform_batches(COLOUR)
    np.testing.assert_array_equal(np.concatenate([part for _, part in batches]), X)


def test_feature_names():
    resnet = ResNetFeatures(82, weights=None, random_state=0).fit(GREY)
    names = resnet.get_feature_names_out()
    assert names[17] == "conv3_block4_2_relu_17"
    assert len(names) == 128
    frame = resnet.set_output(transform="pandas").transform(GREY)
    assert frame.columns.tolist() == names.tolist()


@pytest.mark.parametrize("layers", [16, 82, None])
@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_features_depend_on_the_image_alone(layers, images):
    resnet = ResNetFeatures(layers, weights=None, random_state=0).fit(images)
    X = resnet.transform(images)
    order = [3, 0, 4, 2, 1]
    np.testing.assert_array_equal(resnet.transform(images[order]), X[order])
    np.testing.assert_array_equal(resnet.transform(images[3:4]), X[3:4])
    for batch_size in (1, 2, 3, 5):
        again = clone(resnet).set_params(batch_size=batch_size).fit_transform(images)
        np.testing.assert_array_equal(again, X)


EQUAL_RANGES = {
    "uint8": GREY,
    "int64 holding 0 to 255": GREY.astype(np.int64),
    "float64 from 0 to 255": GREY.astype(np.float64),
    "float32 from 0 to 1": GREY.astype(np.float32) / 255,
    "float64 from 0 to 1": GREY / 255,
    "uint16": GREY.astype(np.uint16) * 257,
    "int32 up to 65535": GREY.astype(np.int32) * 257,
    "RGB": np.repeat(GREY[..., None], 3, axis=-1),
    "one channel": GREY[..., None],
    "rows": GREY.reshape(5, -1),
    "rows in a list": GREY.reshape(5, -1).tolist(),
    "images in a list": list(GREY),
    "rows in a dataframe": pd.DataFrame(GREY.reshape(5, -1)).add_prefix("pixel"),
    "Fortran order": np.asfortranarray(GREY),
    "negative strides": GREY[:, ::-1][:, ::-1],
    "big-endian": GREY.astype(">f8"),
    "an array of objects": np.array(list(GREY), dtype=object),
    "a series of images": pd.Series(list(GREY)),
    "images of Pillow": list(map(Image.fromarray, GREY)),
    "images of Pillow with a palette": [Image.fromarray(image).quantize(256) for image in GREY],
    "images of Pillow of 16 bits": [
        Image.fromarray(image.astype(np.uint16) * 257) for image in GREY
    ],
}


@pytest.mark.parametrize("kind", EQUAL_RANGES)
def test_the_same_images_in_any_form_have_the_same_features(kind):
    X = EQUAL_RANGES[kind]
    before = pickle.dumps(X)
    assert_close(features(X), features(GREY))
    assert pickle.dumps(X) == before  # never written to


def test_images_of_pillow_of_different_sizes_are_resized():
    images = [Image.fromarray(COLOUR[0]), Image.fromarray(COLOUR[1, :9])]
    expected = features([np.asarray(image) for image in images], image_size=8)
    np.testing.assert_array_equal(features(images, image_size=8), expected)


def test_a_value_range_holds_for_deep_images_of_pillow():
    images = [Image.fromarray(image.astype(np.uint16) * 16) for image in GREY]
    assert_close(features(images, value_range=(0, 255 * 16)), features(GREY))


def test_columns_that_are_no_lists_are_read_in_batches():
    class Column:
        def __len__(self):
            return len(COLOUR)

        def __getitem__(self, i):
            return Image.fromarray(COLOUR[i])  # of an int alone

    resnet = ResNetFeatures(16, batch_size=2, weights=None, random_state=0, cache=None)
    expected = resnet.fit_transform(COLOUR)
    np.testing.assert_array_equal(resnet.fit_transform(Column()), expected)
    batches = list(resnet.transform_batches(Column()))
    assert [len(rows) for rows, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([batch for _, batch in batches]), expected)


def test_booleans_are_black_and_white():
    assert_close(features(GREY > 127), features(((GREY > 127) * 255).astype(np.uint8)))


def test_read_only_memory_maps_are_read(tmp_path):
    np.save(tmp_path / "X.npy", GREY)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(features(X), features(GREY))


def test_the_value_range_is_learnt_by_fit():
    resnet = ResNetFeatures(16, weights=None, random_state=0).fit(GREY / 255)
    assert resnet.value_range_ == (0, 1)
    dark = resnet.transform(GREY / 2550)
    assert_close(dark, features(GREY / 10, value_range=(0, 255)))
    assert ResNetFeatures(16, weights=None).fit(GREY / 2.0).value_range_ == (0, 255)
    given = features(GREY.astype(np.int16) - 100, value_range=(-100, 155))
    assert_close(given, features(GREY))


@pytest.mark.parametrize("container", [np.asarray, list, as_zarr, as_dask])
@pytest.mark.parametrize(
    ("images", "white"),
    [
        (GREY // 128, 1),
        ((GREY // 128).astype(np.uint32), 1),
        ((GREY // 128).astype(">i2"), 1),
        (overshooting(GREY / 255), 1),
        (overshooting(GREY / 255).astype(np.float16), 1),
        (GREY * 1.002, 255),
        (GREY.astype(np.int16), 255),
    ],
)
def test_the_value_range_of_each_container(images, white, container):
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None)
    if container in (as_zarr, as_dask) and images.dtype == np.uint8:
        assert resnet.fit(container(images)).value_range_ == (0, 255)  # nothing is read
        with pytest.warns(UserWarning, match="from 0 to 1, but fit saw values from 0 to 255"):
            np.asarray(resnet.transform(container(images)))
    else:
        found = np.asarray(resnet.fit_transform(container(images)))
        assert resnet.value_range_ == (0, white)
        assert_close(found, features(images, layers=4, value_range=(0, white)))


@pytest.mark.parametrize("container", [np.asarray, list, as_zarr, as_dask])
@pytest.mark.parametrize(
    ("images", "seen"),
    [
        (GREY.astype(np.int16) * 16 - 1024, "from -1024 to 30"),
        (GREY / 64, "from 0 to 3.9"),
        (GREY / 255 * 2 - 1, "from -1 to 1"),
        (GREY.astype(np.uint16) * 16, "from 0 to 40"),
        (GREY.astype(np.int32) * 12, "from 0 to 30"),
    ],
)
def test_a_doubtful_value_range_is_warned_of_once(images, seen, container):
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None)
    with pytest.warns(UserWarning, match=f"{seen}.*, but the value range is 0 to") as told:
        np.asarray(resnet.fit_transform(container(images)))
    assert len(told) == 1


@pytest.mark.parametrize("image_size", [None, 8])
def test_each_image_of_a_list_has_the_white_level_of_its_dtype(image_size):
    images = [GREY[0], GREY[1] / 255, GREY[2].astype(np.uint16) * 257, GREY[3] > 127]
    if image_size:
        images[0] = images[0][:9]
    same = [*images[:1], GREY[1], GREY[2], (GREY[3] > 127) * np.uint8(255)]
    for fitted in (images, same):
        resnet = ResNetFeatures(4, weights=None, random_state=0, image_size=image_size).fit(fitted)
        assert_close(resnet.transform(images), resnet.transform(same))


def test_a_value_range_that_is_given_is_the_range_of_each_image_of_a_list():
    images = [GREY[0].astype(np.float32), GREY[0, 1:].astype(np.int16)]
    found = features(images, image_size=8, value_range=(0, 255))
    assert_close(found, features([image.astype(np.uint8) for image in images], image_size=8))


@pytest.mark.parametrize("black", [1e9, -1e9])
def test_a_value_range_that_single_precision_does_not_resolve_is_warned_of(black):
    X = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(float)
    resnet = ResNetFeatures(4, weights=None, random_state=0)
    with pytest.warns(
        UserWarning, match=r"less than 256 levels.*Subtract .* value_range=\(0, 255\)"
    ):
        resnet.set_params(value_range=(black, black + 255)).fit(X + black)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resnet.set_params(value_range=(40_000, 40_255)).fit(X + 40_000)


def test_transform_warns_of_a_single_colour_image():
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    resnet = ResNetFeatures(4, weights=None, random_state=0).fit(images)
    with pytest.warns(UserWarning, match="8 grey images of 8 x 3 .* pass X\\[np.newaxis\\]"):
        assert resnet.transform(images[0]).shape == (8, 64)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a.png", "the single path 'a.png'"),
        ({"data": np.zeros((2, 8, 8))}, r"as in X\.data"),
        (b"a", "a single bytes"),
    ],
)
def test_batches_of_a_single_path_or_a_dict_are_an_error(X, message):
    resnet = ResNetFeatures(4, weights=None, random_state=0).fit(np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=message):
        next(resnet.transform_batches(X))


def test_another_range_than_that_of_fit_is_warned_of():
    resnet = ResNetFeatures(16, weights=None, random_state=0).fit(GREY / 255)
    with pytest.warns(UserWarning, match="from 0 to 255, but fit saw values .* to 1"):
        resnet.transform(GREY)


def test_floats_beyond_the_range_that_fit_finds_are_warned_of():
    with pytest.warns(
        UserWarning, match=r"from -1 to 1, but the value range is .* Pass value_range="
    ):
        features(GREY / 127.5 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signed = features(GREY / 127.5 - 1, value_range=(-1, 1))
    assert_close(signed, features(GREY))


def test_images_are_resized_as_keras_does_with_antialiasing():
    import keras

    expected = keras.ops.image.resize(COLOUR.astype("float32"), (10, 12), antialias=True)
    assert_close(features(COLOUR, image_size=(10, 12)), features(np.asarray(expected)))
    assert_close(features(GREY, image_size=(12, 12)), features(GREY))
    assert features(GREY, image_size=32).shape == (5, 256)


def test_rows_take_the_shape_that_is_given():
    rows = COLOUR.reshape(5, -1)
    np.testing.assert_array_equal(features(rows, image_shape=(21, 17, 3)), features(COLOUR))
    planar = np.moveaxis(COLOUR, -1, 1).reshape(5, -1)
    for options in ({}, {"image_size": 9}, {"cache": None}):
        found = features(planar, image_shape=(3, 21, 17), **options)
        np.testing.assert_array_equal(found, features(COLOUR, **options))
    with pytest.warns(UserWarning, match="one pixel high"):
        features(GREY.reshape(5, -1)[:, :10])


def test_images_of_another_size_than_those_of_fit_are_fine():
    resnet = ResNetFeatures(16, weights=None, random_state=0).fit(GREY)
    np.testing.assert_array_equal(resnet.transform(COLOUR), features(COLOUR))


def test_a_cut_that_is_no_prefix_is_warned_of():
    with pytest.warns(UserWarning, match=r"Layer 83 .* 9 of the layers before it: conv3_block4_"):
        features(GREY, 83)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features(GREY, 82)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((2, 3, 4, 5, 3)), ValueError, r"5 dimensions"),
        (np.zeros((2, 8, 8, 2)), ValueError, r"1 or 3 channels.*Got 2"),
        (np.zeros((2, 3, 8, 8)), ValueError, r"np\.moveaxis"),
        (np.zeros((2, 0, 8)), ValueError, r"at least 1 x 1 pixel"),
        (np.zeros((0, 8, 8)), ValueError, r"0 sample"),
        (np.full((2, 8, 8), np.nan), ValueError, r"NaN"),
        (np.full((2, 8, 8), np.inf), ValueError, r"infinity"),
        (["a.jpg", "b.jpg"], ValueError, r"Got paths.*'a.jpg'.*ImageLoader"),
        ([np.zeros((8, 8)), np.zeros((9, 8))], ValueError, r"\(8, 8\) and \(9, 8\)"),
        (np.zeros(8), ValueError, r"2D array"),
        ([], ValueError, r"X must hold at least one image. Got an empty sequence instead"),
        (pd.Series([], dtype=object), ValueError, r"X must hold at least one image"),
        ([GREY[0], "a.jpg"], ValueError, r"Got paths.*'a.jpg'.*ImageLoader"),
        ([b"\x89PNG"], ValueError, r"Got the contents of files instead.*ImageLoader"),
        ([GREY[0], None], ValueError, r"Image 1 of X .* it is missing"),
        (iter([GREY[0]]), ValueError, r"pass list\(X\)"),
    ],
)
def test_input_without_images_is_an_error(X, error, message):
    with pytest.raises(error, match=message):
        features(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"layers": 500}, "'layers' .*Got 500"),
        ({"layers": "conv3_blok4_out"}, "Did you mean 'conv3_block4_out'"),
        ({"layers": 1.5}, "'layers'"),
        ({"batch_size": 0}, "'batch_size'"),
        ({"architecture": "ResNet51"}, "'architecture'"),
        ({"weights": 3}, "'weights'"),
        ({"pooling": "mean"}, "'pooling'"),
        ({"pooling": []}, "'pooling'"),
        ({"pooling": ["avg", "avg"]}, "'pooling'"),
        ({"grid": 2}, "'grid'"),
        ({"grid": (2,)}, "'grid'"),
        ({"grid": (2, 0)}, "'grid'"),
        ({"image_size": 0}, "'image_size'"),
        ({"image_size": (8, 8, 3)}, "'image_size'"),
        ({"image_shape": (12, 11)}, "'image_shape'.*144"),
        ({"image_shape": (6, 12, 2)}, "'image_shape'"),
        ({"value_range": (1, 0)}, "'value_range'"),
        ({"value_range": (0, 1, 2)}, "'value_range'"),
        ({"random_state": "x"}, "'random_state'"),
    ],
)
def test_bad_parameters_are_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        features(GREY.reshape(5, -1), **parameters)


def test_a_file_that_is_too_short_for_the_cut_is_an_error(tmp_path):
    import keras

    base = network()
    path = tmp_path / "conv2.weights.h5"
    keras.Model(base.input, base.get_layer("conv2_block3_out").output).save_weights(path)
    np.testing.assert_array_equal(features(GREY, "conv2", weights=path), features(GREY, "conv2"))
    with pytest.raises(ValueError, match=r"'layers' .* at most 39 .*weights file.* Got 85 "):
        features(GREY, "conv3", weights=path)


def test_transform_says_if_the_weights_are_others(tmp_path):
    import keras

    def save(seed):
        base = network(seed=seed)
        keras.Model(base.input, base.get_layer("conv2_block1_out").output).save_weights(path)

    path = tmp_path / "some.weights.h5"
    save(1)
    resnet = ResNetFeatures(16, weights=str(path)).fit(GREY)
    save(2)
    with pytest.raises(ValueError, match=r"must be the weights .* fitted with.*sha256.*Got"):
        resnet.transform(GREY)


def test_random_weights_are_those_of_the_fit():
    resnet = ResNetFeatures(16, weights=None).fit(GREY)
    np.testing.assert_array_equal(resnet.transform(GREY), resnet.transform(GREY))
    assert np.abs(resnet.transform(GREY) - resnet.fit(GREY).transform(GREY)).max() > 0


def test_transform_before_fit_is_an_error():
    with pytest.raises(NotFittedError):
        ResNetFeatures().transform(GREY)


def test_a_pickle_is_small_and_works_where_tensorflow_was_not_imported(tmp_path):
    resnet = ResNetFeatures(16, weights=None, random_state=0).fit(GREY)
    dump = pickle.dumps(resnet)
    assert len(dump) < 10_000
    (tmp_path / "resnet.pkl").write_bytes(dump)
    np.save(tmp_path / "X.npy", GREY)
    program = (
        "import pickle, sys, numpy as np\n"
        f"resnet = pickle.load(open({str(tmp_path / 'resnet.pkl')!r}, 'rb'))\n"
        # pandas is not among them: scikit-learn imports it by itself where it is installed
        "heavy = {'tensorflow', 'keras', 'umap', 'matplotlib', 'openvino', 'sklearn.metrics'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"X = resnet.transform(np.load({str(tmp_path / 'X.npy')!r}))\n"
        f"np.save({str(tmp_path / 'out.npy')!r}, X)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), resnet.transform(GREY))


def test_no_network_is_built_before_it_is_needed():
    program = (
        "import sys, numpy as np\n"
        "from sklearn.base import clone\n"
        "from sklearn_resnet import ResNetFeatures\n"
        "resnet = clone(ResNetFeatures([16, 82], weights=None, random_state=11))\n"
        "resnet.fit(np.zeros((2, 8, 8), np.uint8))\n"
        "assert len(resnet.get_feature_names_out()) == 384\n"
        "heavy = {'tensorflow', 'keras', 'openvino'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_search_over_layers_and_a_pipeline():
    X, y = datasets.load_digits(return_X_y=True)
    X, y = X[:60], y[:60] % 2
    pipe = make_pipeline(
        ResNetFeatures(weights=None, random_state=0), PCA(4), LogisticRegression(max_iter=1000)
    )
    grid = {"resnetfeatures__layers": [4, "conv2_block1_out", [4, 9]]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.predict(X).shape == (60,)
    assert (search.cv_results_["mean_test_score"] > 0).all()


def test_progress_is_shown_to_people_alone(capfd):
    features(GREY, verbose=1)
    assert "images" not in capfd.readouterr().err  # no terminal, no bar


def test_progress_is_shown_in_a_terminal_if_it_is_asked_for(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for verbose, is_shown in [(0, False), (1, True)]:
        monkeypatch.setattr(sys, "stderr", Terminal())
        features(GREY, verbose=verbose)
        assert ("5/5" in sys.stderr.getvalue()) == is_shown


def test_rows_are_forgotten_by_a_fit_on_images(tmp_path):
    Image.fromarray(GREY[0]).save(tmp_path / "0.png")
    lazy = ImageLoader(12, lazy=True).fit_transform([tmp_path / "0.png"])
    frame = pd.DataFrame(GREY.reshape(5, -1)).add_prefix("pixel")
    for images in (GREY, lazy, [GREY[0], COLOUR[0]], ChunkedLike(GREY)):
        resnet = ResNetFeatures(16, weights=None, random_state=0, image_size=12).fit(frame)
        assert resnet.n_features_in_ == 144
        assert resnet.image_shape_ == (12, 12)
        resnet.fit(images)
        for name in ("n_features_in_", "feature_names_in_", "image_shape_"):
            assert not hasattr(resnet, name)


class ChunkedLike:
    """As an array of Zarr or h5py."""

    def __init__(self, array):
        self.array, self.chunks = array, (2, *array.shape[1:])
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        return self.array[index]

    def __len__(self):
        return len(self.array)


@pytest.mark.parametrize("on_error", ["nan", "skip"])
def test_batches_number_images_and_failures_by_position(on_error, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, image in zip(paths, GREY, strict=True):
        Image.fromarray(image).save(path)
    paths[3].write_bytes(b"no image")
    X = ImageLoader(12, mode="L", lazy=True, on_error=on_error).fit_transform(paths)
    resnet = ResNetFeatures(4, batch_size=2, weights=None, random_state=0).fit(GREY)
    with pytest.warns(UserWarning, match="1 of 5"):
        batches = list(resnet.transform_batches(X))
    rows, found = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    kept = [0, 1, 2, 4] if on_error == "skip" else [0, 1, 2, 3, 4]
    assert rows.tolist() == kept
    assert list(X.failures) == [3]
    is_read = rows != 3
    np.testing.assert_array_equal(found[is_read], resnet.transform(GREY)[rows[is_read]])


def test_names_are_in_the_order_of_layers_poolings_and_channels():
    resnet = ResNetFeatures([16, 2], weights=None, random_state=0, pooling=["max", "avg"])
    names = resnet.fit(GREY).get_feature_names_out().tolist()
    assert names == [
        f"{layer}_{pooling}_{i}"
        for layer, width in (("conv2_block1_out", 256), ("conv1_conv", 64))
        for pooling in ("max", "avg")
        for i in range(width)
    ]


@pytest.fixture(scope="module")
def channel_files(tmp_path_factory):
    """Weights of ResNet18 up to layer1 for images with some numbers of channels."""
    folder = tmp_path_factory.mktemp("channels")
    for n_channels in (1, 2, 13):
        state = make_state_dict("ResNet18", "layer1", n_channels)
        save_file(state, folder / f"{n_channels}.safetensors")
    return folder


def cut_channels(folder, n_channels, **parameters):
    parameters = {"normalization": (0.5, 0.5), "cache": None} | parameters
    weights = folder / f"{n_channels}.safetensors"
    return ResNetFeatures("layer1", architecture="ResNet18", weights=weights, **parameters)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize("n_channels", [1, 2, 13])
def test_images_have_as_many_channels_as_the_first_convolution(channel_files, n_channels, engine):
    X = np.random.default_rng(0).integers(0, 256, (4, 24, 20, n_channels), np.uint8)
    resnet = cut_channels(channel_files, n_channels, engine=engine).fit(X)
    assert resnet.n_channels_ == n_channels
    features = resnet.transform(X)
    assert features.shape == (4, 64)
    # the first convolution sees each channel: its kernels are positive
    changed = X.copy()
    changed[..., -1] = 255 - changed[..., -1] // 2
    assert np.all(np.abs(resnet.transform(changed) - features).max(axis=1) > 0)
    # rows, lists of images of different sizes and resized images, too
    rows = resnet.set_params(image_shape=X.shape[1:]).fit_transform(X.reshape(4, -1))
    np.testing.assert_array_equal(rows, features)
    resized = resnet.set_params(image_shape=None, image_size=16).fit_transform(X)
    parts = resnet.fit(list(X)).transform([X[0], X[1, :, :18]])
    np.testing.assert_array_equal(parts[0], resized[0])
    assert resnet.set_params(layers=0).fit(X).get_feature_names_out().size == n_channels


def test_planar_rows_have_as_many_channels_too(channel_files):
    X = np.random.default_rng(0).integers(0, 256, (3, 13, 8, 10), np.uint8)
    resnet = cut_channels(channel_files, 13)
    expected = resnet.fit_transform(np.moveaxis(X, 1, -1))
    rows = resnet.set_params(image_shape=(13, 8, 10)).fit_transform(X.reshape(3, -1))
    np.testing.assert_array_equal(rows, expected)
    square = X[..., :8]
    expected = resnet.set_params(image_shape=None).fit_transform(np.moveaxis(square, 1, -1))
    rows = resnet.fit_transform(np.moveaxis(square, 1, -1).reshape(3, -1))
    np.testing.assert_array_equal(rows, expected)


def test_a_network_of_one_channel_takes_grey_images_as_they_are(channel_files):
    X = np.random.default_rng(0).integers(0, 256, (4, 24, 20), np.uint8)
    resnet = cut_channels(channel_files, 1)
    np.testing.assert_array_equal(resnet.fit_transform(X), resnet.fit_transform(X[..., None]))
    features = resnet.set_params(image_size=16).fit_transform(X)
    np.testing.assert_array_equal(features, resnet.fit_transform(X[..., None]))


@pytest.mark.parametrize(
    ("n_channels", "shape", "message"),
    [
        (1, (3, 8, 8, 3), r"must have 1 channel in .* Got 3 .* ImageLoader\(mode='L'\)"),
        (2, (3, 8, 8, 3), "must have 2 channels in .* Got 3 "),
        (13, (3, 8, 8), "must have 13 channels in .* Got 1 "),
        (13, (3, 13, 8, 8), r"must have 13 channels .* np.moveaxis\(X, 1, -1\)"),
        (13, (3, 100), "'image_shape' parameter must be given, as the rows of X with 100 values"),
    ],
)
def test_other_numbers_of_channels_are_an_error(channel_files, n_channels, shape, message):
    with pytest.raises(ValueError, match=message):
        cut_channels(channel_files, n_channels).fit(np.zeros(shape, np.uint8))


def test_lazy_images_of_another_number_of_channels_are_an_error(channel_files, tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    images = ImageLoader(lazy=True).fit_transform([path])
    with pytest.raises(ValueError, match=r"must have 1 channel .* Got 3 "):
        cut_channels(channel_files, 1).fit(images)
    grey = ImageLoader(lazy=True, mode="L").fit_transform([path])
    assert cut_channels(channel_files, 1).fit_transform(grey).shape == (1, 64)


def test_the_normalisation_of_rgb_is_not_guessed_for_other_channels(channel_files):
    message = r"must be \(mean, std\) with 13 values, or one, .* 13 channels.* for RGB images"
    with pytest.raises(ValueError, match=message):
        cut_channels(channel_files, 13, normalization=None).fit(np.zeros((1, 8, 8, 13)))


@pytest.mark.parametrize("weights", ["auto", "imagenet", "procedural"])
def test_an_architecture_without_such_weights_is_an_error_that_says_where_they_are(weights):
    resnet = ResNetFeatures(architecture="ResNet18", weights=weights)
    message = "ResNet18.* Got 'auto'.*list_weights" if weights == "auto" else "ResNet18"
    with pytest.raises(ValueError, match=message):
        resnet.fit(np.zeros((1, 8, 8)))


def test_images_of_many_channels_that_fill_no_dtype_give_a_warning(channel_files):
    X = np.random.default_rng(0).integers(0, 10_001, (2, 8, 8, 13), np.uint16)
    with pytest.warns(UserWarning, match=r"\(0, 65535\)\. Images of 13 channels seldom fill"):
        cut_channels(channel_files, 13).fit(X)
    cut_channels(channel_files, 13, value_range=(0, 10_000)).fit(X)
    cut_channels(channel_files, 13).fit(np.uint8(X // 40))


def test_known_weights_tell_their_value_range_and_normalisation(tmp_path):
    path = tmp_path / "resnet18_sentinel2_all_moco-59bfdff9.safetensors"  # converted
    save_file(make_state_dict("ResNet18", "layer1", 13), path)
    X = np.random.default_rng(0).integers(0, 10_001, (2, 8, 8, 13), np.uint16)
    resnet = ResNetFeatures("layer1", architecture="ResNet18", weights=path)
    with pytest.warns(UserWarning, match=r"on values from 0 to 10000, but .*Pass value_range="):
        resnet.fit(X)
    assert resnet.normalization_ == ((0.0,), (1.0,), "RGB")
    resnet.set_params(value_range=(0, 10_000)).fit(X)


def test_features_that_overflow_give_a_warning(tmp_path):
    state = make_state_dict("ResNet18", "layer1")
    state["conv1.weight"] *= np.float32(1e38)
    save_file(state, tmp_path / "large.safetensors")
    resnet = ResNetFeatures(
        "layer1", architecture="ResNet18", weights=tmp_path / "large.safetensors"
    )
    X = np.stack([np.full((8, 8, 3), 255, np.uint8)] * 2)
    with pytest.warns(
        UserWarning, match=r"features of 2 of 2 images are not finite: .*normalization"
    ):
        resnet.fit_transform(X)


def test_a_layer_of_the_architecture_of_the_file_names_that_architecture(channel_files):
    save_file(make_state_dict("ResNet18"), channel_files / "3.safetensors")
    resnet = ResNetFeatures("layer1", weights=channel_files / "3.safetensors")
    with pytest.raises(ValueError, match="Pass architecture='ResNet18' or"):
        resnet.fit(COLOUR)


def test_weights_that_moved_after_fit_are_an_error_that_says_how_to_name_them(tmp_path):
    path, moved = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(make_state_dict("ResNet18"), path)
    resnet = ResNetFeatures("layer1", architecture="ResNet18", weights=path, cache=None)
    expected = resnet.fit_transform(COLOUR)
    path.rename(moved)
    message = rf"fingerprint {resnet.weights_fingerprint_}.*set_params\(weights="
    with pytest.raises(FileNotFoundError, match=message):
        resnet.transform(COLOUR)
    np.testing.assert_array_equal(resnet.set_params(weights=moved).transform(COLOUR), expected)


def test_an_architecture_in_another_case_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'ResNet18'"):
        ResNetFeatures(architecture="resnet18", weights=None).fit(COLOUR)


@pytest.mark.parametrize(
    ("given", "suggestion"),
    [
        ("cells_resnet81.safetensors", "cells_resnet18.safetensors"),
        ("", "cells_resnet18.safetensors"),  # the folder
        ("imagnet", "imagenet"),
        ("timm/resnet18.a1_in1k", "hf://timm/resnet18.a1_in1k"),
    ],
)
def test_weights_that_do_not_exist_are_suggested(tmp_path, monkeypatch, given, suggestion):
    (tmp_path / "cells_resnet18.safetensors").touch()
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    weights = os.path.join(tmp_path, given) if given != "imagnet" and "/" not in given else given
    with pytest.raises(FileNotFoundError, match=f"Did you mean '.*{suggestion}'"):
        ResNetFeatures(architecture="ResNet18", weights=weights).fit(COLOUR)
