"""Which images go through the network, and which features are cached."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joblib.externals.loky import get_reusable_executor
from lazy_images import watch
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ResNetFeatures, cache_info, clear_cache
from sklearn_resnet._features import forward_pass as _forward_pass
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._network.engines.store import describe_numerics
from sklearn_resnet._runtime.progress import tqdm

pytestmark = pytest.mark.cache
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 12, 12), dtype=np.uint8)


def small(layers=4, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, **parameters)


@pytest.fixture
def computed(monkeypatch):
    """Numbers of images that went through a network, with its taps, pass by pass."""
    passes = []
    compile_computation = _forward_pass.compile_computation

    def count(computation):
        passes.append([computation.taps, 0])
        run = compile_computation(computation)

        def counted(batches, batch_size):
            for part in run(batches, batch_size):
                passes[-1][1] += len(part)
                yield part

        return counted

    monkeypatch.setattr(_forward_pass, "compile_computation", count)
    return passes


@pytest.fixture(params=["memory", "folder"])
def cache(request, tmp_path):
    return "memory" if request.param == "memory" else tmp_path / "cache"


def test_cached_features_are_not_computed_again(cache, computed):
    resnet = small(cache=cache).fit(IMAGES)
    exact = small(cache=None).fit_transform(IMAGES)
    del computed[:]
    np.testing.assert_array_equal(resnet.transform(IMAGES[:20]), exact[:20])
    np.testing.assert_array_equal(resnet.transform(IMAGES[::-1]), exact[::-1])
    np.testing.assert_array_equal(clone(resnet).fit_transform(IMAGES), exact)
    assert computed == [[(4,), 20], [(4,), 10]]


@pytest.mark.parametrize(
    ("first", "second", "is_found"),
    [
        ({}, {"grid": (1, 1)}, True),
        ({"grid": [1, 1]}, {}, True),
        ({"grid": [2, 1]}, {"grid": (2, 1)}, True),
        ({"grid": (2, 1)}, {}, False),
        ({"grid": (2, 1)}, {"grid": (1, 2)}, False),
        ({"pooling": "gem"}, {"pooling": ["gem"]}, True),
        ({"pooling": "gem"}, {}, False),
        ({"pooling": ["gem", "avg"]}, {"pooling": ["avg", "gem"]}, False),
    ],
)
def test_features_are_found_by_their_pooling_and_grid(cache, computed, first, second, is_found):
    small([4, 16], cache=cache, **first).fit_transform(IMAGES)
    del computed[:]
    X = small([4, 16], cache=cache, **second).fit_transform(IMAGES)
    assert bool(computed) is not is_found
    np.testing.assert_array_equal(X, small([4, 16], cache=None, **second).fit_transform(IMAGES))


def test_another_process_finds_cached_features_without_loading_weights(
    tmp_path, computed, monkeypatch
):
    expected = small(cache=tmp_path).fit_transform(IMAGES)
    del computed[:]

    def load(*args):
        raise AssertionError("weights are loaded")

    monkeypatch.setattr("sklearn_resnet._network.engines.openvino.load_arrays", load)
    np.testing.assert_array_equal(small(cache=tmp_path).fit_transform(IMAGES), expected)
    assert computed == []


def test_identical_images_are_computed_once(cache, computed):
    X = IMAGES[[0, 1, 0, 2, 1, 0]]
    features = small(cache=cache, batch_size=2).fit_transform(X)
    assert computed == [[(4,), 3]]
    np.testing.assert_array_equal(features, small(cache=None).fit_transform(X))


def test_tap_layers_are_left_in_the_cache(cache, computed):
    resnet = small(cache=cache, tap_layers=[2, 4, "conv2_block1_out"])
    both = [clone(resnet).set_params(layers=layers) for layers in (2, 4, [4, 2])]
    exact = [clone(r).set_params(cache=None).fit_transform(IMAGES) for r in both]
    del computed[:]
    for resnet, expected in zip(both, exact, strict=True):
        np.testing.assert_array_equal(resnet.fit_transform(IMAGES), expected)
    assert resnet.tap_layers_ == [2, 4, 16]
    assert computed == [[(2, 4, 16), 30]]


@pytest.mark.parametrize(
    "parameters", [{}, {"engine": "keras"}, {"precision": "bfloat16"}, {"precision": "int8"}]
)
def test_taps_change_each_other_and_are_computed_also_without_a_cache(parameters, computed):
    """So that features are bit-equal with and without one."""
    resnet = small(cache=None, tap_layers=[9, 16], **parameters)
    exact = resnet.fit_transform(IMAGES)
    assert computed == [[(4, 9, 16), 30]]
    cached = clone(resnet).set_params(cache="memory")
    for _ in range(2):
        np.testing.assert_array_equal(cached.fit_transform(IMAGES), exact)
    assert len(computed) == 2


def test_tap_layers_are_checked():
    with pytest.raises(ValueError, match=r"'tap_layers' parameter must be an index .* Got 500"):
        small(tap_layers=[2, 500]).fit(IMAGES)
    with pytest.raises(ValueError, match="'tap_layers' parameter must name each layer once"):
        small(tap_layers=[2, 2]).fit(IMAGES)


def test_a_misspelt_cache_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"'cache' parameter must be .*Did you mean 'memory'\?"):
        small(cache="memmory").fit(IMAGES)
    assert list(tmp_path.iterdir()) == []


def test_features_computed_before_an_error_are_cached(cache, computed, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # two requests at a time, of an image each
    paths = [str(tmp_path / f"{i}.png") for i in range(9)]
    for path, image in zip(paths, IMAGES, strict=False):
        Image.fromarray(image).save(path)
    X = ImageLoader(256, lazy=True).fit_transform(paths)
    resnet = small(cache=cache, batch_size=1).fit(X)
    (tmp_path / "8.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"8\.png"):
        resnet.transform(X)
    n_kept = cache_info(cache).n_features
    assert 4 <= n_kept <= 8
    Image.fromarray(IMAGES[8]).save(paths[8])
    del computed[:]
    resnet.transform(X)
    assert computed == [[(4,), 9 - n_kept]]


def test_files_that_are_cached_are_not_decoded(cache, computed, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(5)]
    for path, image in zip(paths, IMAGES, strict=False):
        Image.fromarray(image).save(path)
    pipe = make_pipeline(ImageLoader(10, lazy=True), small(cache=cache))
    expected = pipe.fit_transform(paths)
    eager = make_pipeline(ImageLoader(10), small(cache=None)).fit_transform(paths)
    np.testing.assert_array_equal(expected, eager)

    def fail(path):
        raise AssertionError(f"{path} is decoded")

    renamed = str(tmp_path / "other name.png")
    (tmp_path / "3.png").rename(renamed)
    options = {"size": (10, 10), "resize": "crop", "mode": "RGB", "value_range": None}
    images = LazyImages([*paths[:3], renamed, paths[4]], options, (0.0, 255.0), 2)
    again = pipe[1].transform(watch(images, fail))
    np.testing.assert_array_equal(again, expected)
    del computed[:]
    pipe.set_params(imageloader__resize="pad").transform(paths[:2])
    assert computed == [[(4,), 2]]
    Image.fromarray(IMAGES[9]).save(paths[0])
    pipe.set_params(imageloader__resize="crop").transform(paths[:3])
    assert computed[1:] == [[(4,), 1]]


def test_a_missing_file_is_the_error_it_is_without_a_cache(cache, tmp_path):
    Image.fromarray(IMAGES[0]).save(tmp_path / "0.png")
    X = ImageLoader(10, lazy=True).fit_transform([tmp_path / "0.png", tmp_path / "1.png"])
    with pytest.raises(OSError, match=r"1\.png"):
        small(cache=cache).fit(X).transform(X)


def test_the_bound_is_held(computed):
    # a row of 64 floats is 256 bytes, and 250 are Python's
    resnet = small(cache_size=10 * 506 / 2**20).fit(IMAGES)
    resnet.transform(IMAGES[:25])
    assert cache_info().n_features == 10
    resnet.transform(IMAGES[15:25])
    assert computed == [[(4,), 25]]
    resnet.transform(IMAGES[:5])
    assert computed[1:] == [[(4,), 5]]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_grid_over_layers_is_one_pass(computed, precision):
    X, y = IMAGES, np.arange(30) % 2
    small_resnet = small(tap_layers=[2, 4, 9], precision=precision)
    if precision == "int8":  # the calibration differs among folds, and so do the features
        small_resnet.fit(X)
    pipe = make_pipeline(small_resnet, LogisticRegression())
    grid = {"resnetfeatures__layers": [2, 4, 9], "logisticregression__C": [0.1, 1]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    n_computed = sum(n for _, n in computed)
    exact = GridSearchCV(clone(pipe).set_params(resnetfeatures__cache=None), grid, cv=3).fit(X, y)
    for split in range(3):
        name = f"split{split}_test_score"
        np.testing.assert_array_equal(search.cv_results_[name], exact.cv_results_[name])
    if precision == "float32":
        assert n_computed == 30
    else:
        assert 30 < n_computed <= 4 * 30  # a pass for each fold, and one for refitting


def test_precompute(cache, computed):
    resnet = small(4, tap_layers=[2, 4, 9], cache=cache)
    assert resnet.precompute(IMAGES) is resnet
    assert not hasattr(resnet, "layers_")
    assert computed == [[(2, 4, 9), 30]]
    for layers in (2, 4, 9):
        clone(resnet).set_params(layers=layers).fit_transform(IMAGES[::-2])
    small([2, 9, 4], cache=cache).fit_transform(IMAGES)
    assert len(computed) == 1
    resnet.precompute(IMAGES, layers="conv2_block1_out")
    small(16, cache=cache).fit_transform(IMAGES)
    small(4, cache=cache).precompute(IMAGES)
    assert computed[1:] == [[(16,), 30], [(4,), 30]]


def test_precompute_needs_a_cache():
    with pytest.raises(ValueError, match="'cache' parameter must be 'memory' or a folder"):
        small(cache=None).precompute(IMAGES)


def test_precompute_warns_of_a_cache_that_is_too_small():
    with pytest.warns(UserWarning, match=r"the cache holds 0 MiB.*cache_size="):
        small(16, cache_size=0.01).precompute(IMAGES)


def test_workers_compute_nothing_after_precompute(tmp_path):
    resnet = small(tap_layers=[4, 16], cache=tmp_path).precompute(IMAGES)
    pipe = make_pipeline(resnet, LogisticRegression())
    y = np.arange(30) % 2
    grid = {"resnetfeatures__layers": [4, 16]}
    n_before = cache_info(tmp_path).n_features
    get_reusable_executor().shutdown()  # workers that other tests started have imported more
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(pipe, grid, cv=2, n_jobs=2, scoring=_score_and_tell, refit=False)
        search.fit(IMAGES, y)
    assert cache_info(tmp_path).n_features == n_before == 60
    for split in range(2):
        assert (search.cv_results_[f"split{split}_test_tensorflow"] == 0).all()
        assert (search.cv_results_[f"split{split}_test_misses"] == 0).all()


def _score_and_tell(estimator, X, y):
    import sys

    misses = cache_info(estimator[0].cache).misses
    score = estimator.score(X, y)
    return {"score": score, "tensorflow": "tensorflow" in sys.modules, "misses": misses}


def make_image_keys(images):
    return as_source(images).digests()


def test_different_contents_have_different_keys():
    images = [
        IMAGES[0],
        IMAGES[0].astype(np.uint16),
        IMAGES[0].reshape(24, 6),
        IMAGES[0][..., np.newaxis],
        IMAGES[1],
    ]
    assert len(set(make_image_keys(images))) == 5
    assert len(set(make_image_keys(IMAGES))) == 30
    turned = np.asfortranarray(IMAGES.astype(">f4"))
    assert make_image_keys(turned) == make_image_keys(np.ascontiguousarray(turned))
    assert make_image_keys(IMAGES[::-1, ::-1]) == make_image_keys(IMAGES[::-1, ::-1].copy())


SETTINGS = {
    "layers": [3, 4, [3, 4], [4, 3], 9],
    "pooling": ["avg", "max", ["avg", "max"], ["max", "avg"]],
    "image_size": [None, 12, 10],
    "value_range": [None, (0, 200), (10, 255)],
    "random_state": [0, 1],
    "precision": ["float32", "bfloat16"],
    "engine": ["openvino", "keras"],
    "tap_layers": [None, [2, 9]],
    "architecture": ["ResNet50V2", "ResNet50"],
}
FORMS = [
    lambda X: X,
    lambda X: X.astype(np.float32),
    lambda X: X / np.float32(255),
    lambda X: np.repeat(X[..., np.newaxis], 3, -1),
    lambda X: X.reshape(len(X), -1),
]
settings_of_two = st.fixed_dictionaries({k: st.sampled_from(v) for k, v in SETTINGS.items()})


@pytest.mark.long
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=settings_of_two, changes=settings_of_two, names=st.data(), form=st.sampled_from(FORMS))
def test_other_settings_never_give_a_stale_value(first, changes, names, form):
    """One or two settings of a pair differ."""
    changed = names.draw(st.lists(st.sampled_from(list(SETTINGS)), min_size=1, max_size=2))
    second = first | {name: changes[name] for name in changed}
    clear_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parameters, X in ((first, IMAGES[:4]), (second, IMAGES[:4]), (first, form(IMAGES[:4]))):
            resnet = ResNetFeatures(weights=None, **parameters)
            cached = resnet.fit_transform(X)
            exact = clone(resnet).set_params(cache=None).fit_transform(X)
            np.testing.assert_array_equal(cached, exact)


def test_there_are_hits_at_all():
    """Other tests would not notice if every key were new."""
    for _ in range(2):
        small().fit_transform(IMAGES)
    assert (cache_info().hits, cache_info().misses) == (30, 30)


@pytest.fixture
def set_version(tmp_path, monkeypatch):
    """Make other versions of distributions seem to be installed."""
    folder = tmp_path / "site"

    def install(name, number):
        info = folder / f"{name.replace('-', '_')}-{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        monkeypatch.syspath_prepend(folder)
        describe_numerics.cache_clear()

    yield install
    describe_numerics.cache_clear()


@pytest.mark.parametrize("name", ["sklearn-resnet", "numpy", "pillow", "openvino"])
def test_other_versions_compute_anew(name, computed, set_version):
    for _ in range(2):
        small().fit_transform(IMAGES)
    assert computed == [[(4,), 30]]
    set_version(name, "99.9")
    small().fit_transform(IMAGES)
    assert computed == [[(4,), 30]] * 2


def test_the_same_bytes_of_another_form_compute_anew(cache, computed):
    """Where images are resized, the computation does not tell their shape and dtype."""
    forms = [IMAGES, IMAGES.reshape(30, 9, 16), IMAGES.reshape(30, 24, 6), IMAGES.view(np.int8)]
    for X in forms:
        cached = small(cache=cache, image_size=8, value_range=(0, 255)).fit_transform(X)
        exact = small(cache=None, image_size=8, value_range=(0, 255)).fit_transform(X)
        np.testing.assert_array_equal(cached, exact)
    assert [n for _, n in computed] == [30] * 8


def test_other_weights_compute_anew(computed):
    for random_state in (0, 1, 0):
        small().set_params(random_state=random_state).fit_transform(IMAGES)
    assert [n for _, n in computed] == [30, 30]


def test_another_value_range_of_resized_images_computes_anew(computed):
    for value_range in [(0, 255), (0, 200), (10, 255), (0, 255)]:
        small(image_size=8, value_range=value_range).fit_transform(IMAGES)
    assert [n for _, n in computed] == [30] * 3


def test_a_grey_image_of_the_exact_size_has_the_features_of_its_colours():
    """In one batch with images of other sizes and channels, or alone."""
    ragged = [IMAGES[0], np.repeat(IMAGES[0][..., np.newaxis], 3, -1), IMAGES[1][:9]]
    mixed = small(image_size=12, cache=None).fit_transform(ragged)
    np.testing.assert_array_equal(mixed[0], mixed[1])
    alone = small(image_size=12).fit_transform(IMAGES[:1])
    np.testing.assert_array_equal(alone, mixed[:1])
    plan = small(image_size=12).fit(IMAGES)._plan(as_source(IMAGES))
    assert plan.computation.image_shape == (12, 12, 3)
    assert plan.is_resized


def test_a_file_that_changes_during_a_run_is_not_cached_under_its_former_content(
    cache, computed, tmp_path
):
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path, image in zip(paths, IMAGES, strict=False):
        Image.fromarray(image).save(path)

    def change(path):
        if path == paths[1]:
            Image.fromarray(IMAGES[9]).save(path)

    options = {"size": (12, 12), "resize": "crop", "mode": "L"}
    resnet = small(cache=cache).fit(IMAGES)
    resnet.transform(watch(LazyImages(paths, options, (0.0, 255.0), 1), change))
    assert cache_info(cache).n_features == 2
    Image.fromarray(IMAGES[1]).save(paths[1])
    del computed[:]
    found = resnet.transform(LazyImages(paths, options, (0.0, 255.0), 1))
    assert computed == [[(4,), 1]]
    np.testing.assert_array_equal(found, small(cache=None).fit_transform(IMAGES[:3]))


def test_unreadable_images_are_nan_and_never_cached(cache, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(4)]
    for path, image in zip(paths, IMAGES, strict=False):
        Image.fromarray(image).save(path)
    (tmp_path / "1.png").write_bytes(b"no image")
    loader = ImageLoader(12, mode="L", lazy=True, on_error="nan")
    X, resnet = loader.fit_transform(paths), small(cache=cache)
    exact = small(cache=None).fit_transform(IMAGES[:4])
    resnet.fit(IMAGES)
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 of 4"):
            features = resnet.transform(X)
        assert np.isnan(features).all(axis=1).tolist() == [False, True, False, False]
        np.testing.assert_array_equal(features[[0, 2, 3]], exact[[0, 2, 3]])
        assert cache_info(cache).n_features == 3
    Image.fromarray(IMAGES[1]).save(paths[1])
    resnet.transform(loader.fit_transform(paths))
    np.testing.assert_array_equal(resnet.transform(X), exact)  # hits only
    assert X.failures == {}


def test_copies_of_an_unreadable_image_fail_too(tmp_path):
    content = (b"no image", b"no image", b"other")
    for i, each in enumerate(content):
        (tmp_path / f"{i}.png").write_bytes(each)
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    X = ImageLoader(12, lazy=True, on_error="nan").fit_transform(paths)
    with pytest.warns(UserWarning, match="3 of 3"):
        assert np.isnan(small().fit(IMAGES).transform(X)).all()
    assert sorted(X.failures) == [0, 1, 2]


def test_features_of_many_images_are_in_order(computed):
    """More than are looked up at once, with hits and misses mixed."""
    X = np.arange(4200, dtype=np.uint16).reshape(-1, 1, 1) * np.ones((1, 2, 2), np.uint16)
    resnet = small([2, 1], value_range=(0, 4200), pooling="max").fit(X)
    exact = clone(resnet).set_params(cache=None).fit_transform(X)
    assert len(np.unique(exact, axis=0)) > 4000
    resnet.transform(X[::3])
    for _ in range(2):
        np.testing.assert_array_equal(resnet.transform(X), exact)
    assert [n for _, n in computed] == [4200, 1400, 2800]


def test_features_are_cached_while_a_pass_runs(tmp_path):
    """So that a run that is killed does not lose all."""
    resnet = small(16, pooling=["avg", "max"], cache=tmp_path, batch_size=64).fit(IMAGES)
    n_images = 4 * 2**20 // (2 * 256 * 4) + 256  # more than are written at once
    X = np.arange(n_images, dtype=np.uint16).view(np.uint8).reshape(-1, 1, 2)
    images, n_kept = as_source(X), []

    class Bar(tqdm):
        def update(self, n=1):
            n_kept.append(cache_info(tmp_path).n_features if len(n_kept) % 8 == 0 else 0)

    resnet._plan(images).compute(images, Bar(disable=True), cache_only=True)
    assert 0 < max(n_kept) < n_images


def test_the_calibration_leaves_unreadable_images_out(tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path, image in zip(paths, IMAGES, strict=False):
        Image.fromarray(image).save(path)
    (tmp_path / "1.png").write_bytes(b"no image")
    X = ImageLoader(12, mode="L", lazy=True, on_error="nan").fit_transform(paths)
    batch = small().fit(IMAGES)._plan(X).make_calibration_batch(X)
    np.testing.assert_array_equal(batch.reshape(2, 12, 12), IMAGES[[0, 2]])


def test_the_bar_counts_each_image_once(cache):
    X = IMAGES[[0, 1, 0, 2, 1, 0, 3]]
    resnet = small(cache=cache).fit(X)
    resnet.transform(X[5:])
    for store in (cache, None):
        images = as_source(X)
        with tqdm(file=io.StringIO()) as bar:
            resnet.set_params(cache=store)._plan(images).compute(images, bar)
        assert (bar.n, bar.total) == (7, 7)


def test_features_are_in_the_order_of_the_layers():
    exact = {layer: small(layer, cache=None).fit_transform(IMAGES) for layer in (2, 4, 9, 16)}
    for layers in ([16, 2, 9], [9, 16]):
        found = small(layers, cache=None).fit_transform(IMAGES)
        expected = np.concatenate([exact[layer] for layer in layers], axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_order_of_layers_changes_no_key(computed):
    """Neither that of `layers` nor that of `tap_layers`."""
    for layers, tap_layers in [([9, 2, 16], None), ([16, 9, 2], None), (2, [16, 9]), (9, [2, 16])]:
        small(layers, tap_layers=tap_layers).fit_transform(IMAGES)
    assert computed == [[(2, 9, 16), 30]]


def test_the_key_of_a_tap_has_all_taps_in_it():
    """With trained weights, a tap changes the last bits of other features."""
    alone, both = small(4).fit(IMAGES), small(4, tap_layers=[4, 9]).fit(IMAGES)
    key_alone, key_both = (
        resnet._plan(as_source(IMAGES)).make_key("28 x 28") for resnet in (alone, both)
    )
    assert key_alone != key_both
