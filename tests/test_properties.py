"""Properties that hold for any image and any layer, on generated examples."""

import os
import warnings

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sklearn_resnet import ImageLoader, ResNetFeatures, list_layers

# Each example compiles a network: few on a desk, more where CI is set.
settings.register_profile("desk", max_examples=8)
settings.register_profile("long", max_examples=50)
settings.load_profile("long" if os.environ.get("CI") else "desk")
every_example = settings(
    deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)

LAYERS = list_layers()
DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "uint64",
          "float16", "float32", "float64", ">i2", ">f4"]  # fmt: skip


@st.composite
def images(draw, largest=300):
    """Two or three images of one size and dtype."""
    side = st.integers(1, largest)
    channels = draw(st.sampled_from([(), (1,), (3,)]))
    shape = (draw(st.integers(2, 3)), draw(side), draw(side), *channels)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    seed = draw(st.integers(0, 99))
    whites = {"b": 1, "f": draw(st.sampled_from([1, 255])), "i": 127, "u": 255}
    X = np.random.default_rng(seed).uniform(0, whites[dtype.kind], shape)
    return X.round().astype(dtype) if dtype.kind in "biu" else X.astype(dtype)


@st.composite
def layer_spellings(draw):
    """A way to write one layer, and the layer."""
    row = LAYERS.iloc[draw(st.integers(0, len(LAYERS) - 1))]
    last = LAYERS[LAYERS.stage == row.stage].iloc[-1]
    return draw(
        st.sampled_from(
            [
                (int(row["index"]), row),
                (int(row["index"]) - len(LAYERS), row),
                (row["name"], row),
                ([row["name"]], row),
                (row.stage, last),
            ]
        )
    )


@every_example
@given(
    images(),
    layer_spellings(),
    st.sampled_from(["avg", "max", "gem", ["avg", "max"]]),
    st.sampled_from([None, (1, 1), (3, 2)]),
)
def test_rows_names_and_dtype_agree_and_the_input_is_not_changed(X, spelling, pooling, grid):
    layers, row = spelling
    before = X.copy()
    X.flags.writeable = False
    resnet = ResNetFeatures(
        layers, weights=None, random_state=0, pooling=pooling, grid=grid, batch_size=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cuts that are no prefix, images three pixels wide
        features = resnet.fit_transform(X)
    names = resnet.get_feature_names_out()
    assert features.dtype == np.float32
    assert features.shape == (len(X), len(names))
    n_cells = 6 if grid == (3, 2) else 1
    assert len(names) == row.width * n_cells * (1 if isinstance(pooling, str) else 2)
    assert all(name.startswith(row["name"]) for name in names)
    assert len(set(names)) == len(names)
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(X, before)
    order = np.arange(len(X))[::-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(resnet.transform(X[order]), features[order])


@every_example
@given(
    images(largest=40),
    st.integers(1, 50),
    st.sampled_from(["crop", "pad", "stretch"]),
    st.sampled_from(["RGB", "L"]),
)
def test_loaded_images_have_one_size_and_dtype(X, size, resize, mode):
    before = X.copy()
    X.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader = ImageLoader(size, resize=resize, mode=mode).fit(X)
        loaded = loader.transform(X)
        np.testing.assert_array_equal(loader.transform(X[::-1]), loaded[::-1])
    assert loaded.shape == (len(X), size, size) + ((3,) if mode == "RGB" else ())
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(X, before)


@every_example
@given(npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_rows_of_any_length_are_images(X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resnet = ResNetFeatures("conv1", weights=None, random_state=0).fit(X)
        assert resnet.transform(X).shape == (len(X), 64)
    assert np.prod(resnet.image_shape_) == resnet.n_features_in_ == X.shape[1]
