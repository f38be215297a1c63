"""The store of compiled computations, and what holds for every engine."""

import threading

import numpy as np
import pytest
from computations import compute, make_computation

from sklearn_resnet._network.architectures import ARCHITECTURES, layer_table
from sklearn_resnet._network.engines import store
from sklearn_resnet._network.engines.hardware import describe_processor
from sklearn_resnet._network.engines.store import compile_computation, describe_numerics

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 16, 16), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (9, 20, 17, 3), dtype=np.uint8)
LONG = RNG.uniform(0, 1, (9, 40, 8, 1)).astype(np.float32)
SHORT = (  # for `make test`
    ("ResNet50V2", "grey"),
    ("ResNet18", "float"),
    ("ResNeXt50", "colour"),
)


def test_equal_computations_are_compiled_once():
    store._compile.cache_clear()
    runs = [compile_computation(make_computation()) for _ in range(3)]
    assert runs[0] is runs[1] is runs[2]
    threads = [
        threading.Thread(target=compile_computation, args=(make_computation(taps=(12,)),))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store._compile.cache_info().misses == 2


def test_the_stores_are_bounded():
    from sklearn_resnet._network.engines.keras import load_layers

    assert store._compile.cache_info().maxsize == 8
    assert load_layers.cache_info().maxsize == 2


@pytest.mark.parametrize(
    ("architecture", "images"),
    [
        pytest.param(
            name,
            images,
            id=f"{name}-{kind}",
            marks=[] if (name, kind) in SHORT else pytest.mark.long,
        )
        for name in ARCHITECTURES
        for kind, images in (("grey", GREY), ("colour", COLOUR), ("float", LONG))
    ],
)
def test_engines_agree_at_some_depths_of_each_architecture(architecture, images):
    last = len(layer_table(architecture)) - 1
    parameters = {
        "architecture": architecture,
        "taps": (0, 1, 2, 5, 20, last),
        "pooling": ("max", "avg"),
        "image_shape": images.shape[1:],
        "dtype": images.dtype.name,
        "value_range": (0.0, 255.0) if images.dtype == np.uint8 else (0.0, 1.0),
    }
    ours, theirs = (
        compute(make_computation(e, **parameters), images) for e in ("openvino", "keras")
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_a_value_range_is_standardized_from_black_to_white(engine):
    """To 0 to 255 for the network; layer 0 is the preprocessed image, from -1 to 1 in version 2."""
    levels = np.array([-20.0, 30.0, 180.0, 255.0])
    images = levels[:, None, None] * np.ones((8, 8), np.float32)
    for low, high in ((-20.0, 180.0), (30.0, 255.0), (0.0, 255.0), (0.0, 1.0)):
        computation = make_computation(engine, taps=(0,), dtype="float32", value_range=(low, high))
        found = compute(computation, images.astype("float32"))
        expected = (levels - low) / (high - low) * 2 - 1
        np.testing.assert_allclose(found, expected[:, None].repeat(3, 1), rtol=1e-5, atol=1e-5)


def test_numerics_name_the_device_and_all_libraries_that_compute():
    from importlib.metadata import version

    for engine, libraries in (("openvino", ["openvino"]), ("keras", ["keras", "tensorflow"])):
        device, *versions = describe_numerics(engine)
        libraries = ["sklearn-resnet", "numpy", "pillow", *libraries]
        assert versions == [f"{name} {version(name)}" for name in libraries]
        assert describe_processor() in device


@pytest.mark.long
def test_engines_agree_at_every_depth():
    every = tuple(range(190))
    ours, theirs = (
        compute(make_computation(e, taps=every, image_shape=(16, 16)), GREY)
        for e in ("openvino", "keras")
    )
    from sklearn_resnet import list_layers

    ends = np.cumsum(list_layers()["width"])[:-1]
    for a, b in zip(np.split(ours, ends, 1), np.split(theirs, ends, 1), strict=True):
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


@pytest.mark.parametrize("engine", ["openvino", pytest.param("keras", marks=pytest.mark.long)])
def test_what_shares_a_batch_changes_nothing(engine):
    computation = make_computation(engine, taps=(189,), image_shape=(16, 16))
    images = RNG.integers(0, 256, (64, 16, 16), dtype=np.uint8)
    full = compute(computation, images)
    for n_images in (1, 2, 3, 40):
        np.testing.assert_array_equal(compute(computation, images[:n_images]), full[:n_images])
    others = images.copy()
    others[3:] = 255 - others[3:]
    np.testing.assert_array_equal(compute(computation, others)[:3], full[:3])
    parts = np.array_split(images, [1, 8, 9, 47])
    np.testing.assert_array_equal(compute(computation, *parts), full)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_batches_are_asked_for_ahead_and_one_who_stops_early_leaves_nothing_running(engine):
    asked = []

    def batches():
        for i in range(30):
            asked.append(i)
            yield GREY

    features = compile_computation(make_computation(engine, image_shape=(16, 16)))(batches(), 9)
    next(features)
    assert 1 < len(asked) < 30
    before = threading.active_count()
    features.close()
    assert threading.active_count() <= before


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_an_error_among_the_batches_is_raised_as_it_is(engine):
    def batches():
        yield GREY
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(compile_computation(make_computation(engine, image_shape=(16, 16)))(batches(), 9))


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_images_are_not_written_to(engine):
    images = GREY.copy()
    images.setflags(write=False)
    compute(make_computation(engine, image_shape=(16, 16)), images)
    np.testing.assert_array_equal(images, GREY)
