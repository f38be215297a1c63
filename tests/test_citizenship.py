"""The estimators in the tools of scikit-learn that its users combine them with."""

import copy
import os
import pickle
import re
import threading
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
from computations import make_computation
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_digits as load_rows
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_resnet import EmbeddingPlot, ImageLoader, ResNetFeatures, clear_cache
from sklearn_resnet._network.engines import store
from sklearn_resnet._network.engines.store import compile_computation
from sklearn_resnet.datasets import sample_patches

N = 24


def small(layers=4, **parameters):
    return ResNetFeatures(layers, weights=None, random_state=0, **parameters)


def classify():
    return LogisticRegression(max_iter=1000)


@pytest.fixture(scope="module")
def patches():
    """Patches of two real photos, and which of the two each comes from."""
    photos = load_sample_images().images
    X = np.concatenate([sample_patches(photo, N // 2, 40, random_state=0) for photo in photos])
    return X, np.repeat(["china", "flower"], N // 2)


@pytest.fixture(scope="module")
def paths(patches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i, image in enumerate(patches[0]):
        Image.fromarray(image).save(folder / f"{i}.png")
    return [str(folder / f"{i}.png") for i in range(N)]


@pytest.fixture
def pipe():
    return make_pipeline(ImageLoader(size=32), small())


@pytest.mark.parametrize("layers", [16, 82, pytest.param(None, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["photos", "digits"])
def test_features_are_bit_equal_at_any_batch_size_order_and_subset(layers, kind, patches):
    X = patches[0] if kind == "photos" else load_rows().images[:70]
    value_range = None if kind == "photos" else (0, 16)
    resnet = small(layers).set_params(value_range=value_range).fit(X)
    expected = resnet.transform(X)
    for batch_size in (1, 7, 64):
        again = clone(resnet).set_params(batch_size=batch_size).fit(X)
        np.testing.assert_array_equal(again.transform(X), expected)
        order = np.random.default_rng(batch_size).permutation(len(X))
        np.testing.assert_array_equal(again.transform(X[order]), expected[order])
        np.testing.assert_array_equal(again.transform(X[5:14]), expected[5:14])


@pytest.mark.parametrize("layer", [16, 82, -1])
def test_features_are_bit_equal_with_one_thread_and_with_two(layer, patches, monkeypatch):
    features = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        clear_cache()
        store._compile.cache_clear()
        features.append(small(layer).fit_transform(patches[0]))
        run = compile_computation(make_computation(taps=(1,)))
        n_threads = run.args[0].get_property("INFERENCE_NUM_THREADS")
        assert n_threads == min(int(threads), joblib.cpu_count())
    store._compile.cache_clear()
    np.testing.assert_array_equal(*features)


def dump_skops(estimator):
    return skops.io.dumps(estimator)


def load_skops(dump):
    unknown = skops.io.get_untrusted_types(data=dump)
    assert all(name.startswith("sklearn_resnet.") for name in unknown), unknown
    return skops.io.loads(dump, trusted=unknown)


@pytest.mark.parametrize(
    ("dump", "load"),
    [
        (clone, lambda duplicate: duplicate.fit(np.zeros((2, 8, 8), np.uint8))),
        (copy.deepcopy, lambda duplicate: duplicate),
        (pickle.dumps, pickle.loads),
        (dump_skops, load_skops),
    ],
    ids=["clone", "deepcopy", "pickle", "skops"],
)
def test_copies_give_the_same_numbers(dump, load, patches):
    X = patches[0]
    for estimator in (ImageLoader(size=8), small([4, "conv1"], pooling=("avg", "max"))):
        estimator.fit(X)
        np.testing.assert_array_equal(load(dump(estimator)).transform(X), estimator.transform(X))


def test_a_pipeline_goes_through_joblib_and_skops_small(pipe, paths, tmp_path):
    expected = pipe.fit_transform(paths)
    joblib.dump(pipe, tmp_path / "pipe.joblib")
    assert (tmp_path / "pipe.joblib").stat().st_size < 10_000
    np.testing.assert_array_equal(joblib.load(tmp_path / "pipe.joblib").transform(paths), expected)
    np.testing.assert_array_equal(load_skops(dump_skops(pipe)).transform(paths), expected)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_names_columns_and_keeps_the_index_of_paths(library, pipe, paths):
    series = pd.Series(paths, index=[f"photo {i}" for i in range(N)])
    expected = clone(pipe).fit_transform(series)
    frame = pipe.set_output(transform=library).fit_transform(series)
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == [f"pool1_pool_{i}" for i in range(64)]
    np.testing.assert_array_equal(np.asarray(frame), expected)
    if library == "pandas":
        assert frame.index.tolist() == series.index.tolist()
    assert pipe.get_feature_names_out().tolist() == list(frame.columns)


def test_global_output_configuration(pipe, paths):
    with sklearn.config_context(transform_output="pandas"):
        frame = pipe.fit_transform(pd.Series(paths, index=range(100, 100 + N)))
    assert frame.index[0] == 100


def make_table(library, paths):
    data = {"photo": paths, "weight": np.linspace(0, 1, N), "title": ["a photo", "one more"] * 12}
    return pd.DataFrame(data, index=range(7, 7 + N)) if library == "pandas" else pl.DataFrame(data)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("selector", ["photo", ["photo"]], ids=["series", "frame"])
def test_a_column_of_paths_beside_numbers_and_text(library, selector, pipe, paths):
    table = make_table(library, paths)
    columns = make_column_transformer(
        (pipe, selector), (StandardScaler(), ["weight"]), (CountVectorizer(), "title")
    )
    X = columns.fit_transform(table)
    assert X.shape == (N, 64 + 1 + 3)  # three words of more than one letter
    np.testing.assert_allclose(np.asarray(X)[:, :64], clone(pipe).fit_transform(paths))
    names = columns.get_feature_names_out()
    assert names[0] == "pipeline__pool1_pool_0"


def test_a_column_transformer_to_pandas(pipe, paths):
    columns = ColumnTransformer([("photo", pipe, "photo"), ("rest", "passthrough", ["weight"])])
    frame = columns.set_output(transform="pandas").fit_transform(make_table("pandas", paths))
    assert frame.shape == (N, 65)
    assert frame.index[0] == 7
    assert frame.columns[-1] == "rest__weight"


def test_a_union_of_two_cuts(patches):
    X, _ = patches
    union = make_union(small(4), small("conv2_block1_out"))
    np.testing.assert_array_equal(union.fit_transform(X), small([4, 16]).fit_transform(X))


@pytest.mark.parametrize("use_paths", [True, False], ids=["paths", "arrays"])
def test_cross_validation_calibration_and_searches(use_paths, pipe, paths, patches):
    X, y = patches
    X = np.array(paths) if use_paths else X
    model = make_pipeline(*(clone(step) for _, step in pipe.steps), classify())
    assert np.mean(cross_val_predict(model, X, y, cv=3) == y) > 0.7
    assert CalibratedClassifierCV(model, cv=2).fit(X, y).predict_proba(X).shape == (N, 2)
    grid = {"resnetfeatures__layers": [2, 4]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the experiment's own sizes
        halving = HalvingGridSearchCV(model, grid, cv=2, min_resources=12, error_score="raise")
        assert halving.fit(X, y).score(X, y) > 0.7
    targets = np.column_stack([y == "china", np.arange(N) % 2])
    assert MultiOutputClassifier(model).fit(X, targets).predict(X).shape == (N, 2)


def test_permutation_importance_of_a_column_of_paths(pipe, paths, patches):
    table = make_table("pandas", paths)
    columns = ColumnTransformer([("photo", pipe, "photo"), ("weight", "passthrough", ["weight"])])
    model = make_pipeline(columns, classify()).fit(table, patches[1])
    table["weight"] = 0.5
    importance = permutation_importance(model, table, patches[1], n_repeats=3, random_state=0)
    assert importance.importances_mean[0] > 0.1
    assert importance.importances_mean[1] == 0


def test_a_pipeline_with_memory(pipe, paths, patches, tmp_path):
    model = make_pipeline(*(step for _, step in pipe.steps), classify(), memory=str(tmp_path))
    first = model.fit(paths, patches[1]).predict_proba(paths)
    np.testing.assert_array_equal(model.fit(paths, patches[1]).predict_proba(paths), first)


def test_metadata_routing(pipe, paths, patches):
    with sklearn.config_context(enable_metadata_routing=True):
        forest = RandomForestClassifier(5, random_state=0).set_fit_request(sample_weight=True)
        model = make_pipeline(*(step for _, step in pipe.steps), forest)
        model.fit(paths, patches[1], sample_weight=np.ones(N))
        assert model.score(paths, patches[1]) > 0.8


def test_fitting_again_resets_the_estimator(patches):
    X, _ = patches
    resnet = small().fit(X.reshape(N, -1))
    assert resnet.n_features_in_ == 40 * 40 * 3
    resnet.set_params(layers=16).fit(X / 255)
    assert not hasattr(resnet, "n_features_in_")
    assert not hasattr(resnet, "image_shape_")
    assert resnet.value_range_ == (0, 1)
    assert resnet.transform(X / 255).shape == (N, 256)


def test_a_failed_fit_leaves_the_estimator_as_it_was(patches):
    rows = patches[0].reshape(N, -1) / 255
    resnet = small().fit(rows)
    expected = resnet.transform(rows)
    for X in (np.where(rows > 0, np.nan, rows), [], patches[0][..., :2]):
        with pytest.raises(ValueError, match="NaN|array|channels|at least one image"):
            resnet.fit(X)
        assert resnet.n_features_in_ == 40 * 40 * 3
        assert resnet.image_shape_ == (40, 40, 3)
    with pytest.raises(ValueError, match="X has 49 features, but"):
        resnet.transform(np.zeros((2, 49)))
    np.testing.assert_array_equal(resnet.transform(rows), expected)


def test_transform_changes_nothing_in_the_estimator(patches):
    X, _ = patches
    resnet = small(16).fit(X)
    expected = resnet.transform(X)
    state = pickle.dumps(vars(resnet))
    resnet.transform(X[:3])
    assert pickle.dumps(vars(resnet)) == state
    np.testing.assert_array_equal(resnet.transform(X), expected)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
              "float16", "float32", "float64"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*the images are nearly black")  # of uint16
def test_every_dtype_gives_finite_float32(dtype):
    X = (load_rows().images[:3] * 7).astype(dtype)
    assert small().fit_transform(X).dtype == np.float32
    assert np.isfinite(small().fit_transform(X)).all()
    assert ImageLoader(size=5).fit_transform(X).shape == (3, 5, 5, 3)


class Labelled:
    """An array of another library, as xarray's: it has ``__array__`` and no more."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)

    def __len__(self):
        return len(self.array)


def test_objects_with_an_array_are_arrays(patches):
    X, _ = patches
    expected = small().fit_transform(X)
    np.testing.assert_array_equal(small().fit_transform(Labelled(X)), expected)
    loaded = ImageLoader().fit_transform(Labelled(X))
    np.testing.assert_array_equal(loaded, X)


def test_images_of_different_sizes_are_resized_as_those_of_one_size(patches):
    X, _ = patches
    resnet = small(16, image_size=(24, 20), batch_size=5)
    ragged = [X[0], X[1][:30], X[2][:, :25], X[3][:7, :39, :1], X[4][..., 0]]
    alone = np.vstack([clone(resnet).fit(X).transform(image[None]) for image in ragged])
    np.testing.assert_array_equal(resnet.fit_transform(ragged), alone)
    np.testing.assert_array_equal(resnet.transform(ragged[:1] + ragged[3:]), alone[[0, 3, 4]])
    scaled = resnet.fit_transform([image / 255 for image in ragged])
    np.testing.assert_allclose(scaled, alone, rtol=1e-4, atol=1e-5)


def test_the_html_view_shows_parameters_and_repr_stays_short():
    resnet = ResNetFeatures(layers=82)
    assert repr(resnet) == "ResNetFeatures(layers=82)"
    html = resnet._repr_html_()
    assert "batch_size" in html
    assert "Number of images that go through the network together" in html
    assert "Height and width of the images" in ImageLoader()._repr_html_()
    assert "File to save the plot to" in EmbeddingPlot()._repr_html_()


def test_the_html_view_links_to_no_page_of_this_package(patches):
    resnet = small().fit(patches[0])
    for estimator in (resnet, make_pipeline(resnet, PCA(2)), ImageLoader()):
        html = estimator_html_repr(estimator)
        links = re.findall(r'href="([^"]*)"', html)
        assert all(link.startswith("https://scikit-learn.org/") for link in links), links
        assert "Documentation for ResNetFeatures" not in html
        assert "Documentation for ImageLoader" not in html
    html = estimator_html_repr(resnet)
    assert "Number of images that go through the network together" in html
    if hasattr(PCA, "_get_fitted_attr_html"):  # since scikit-learn 1.9
        assert "Indices of the layers" in html  # of an attribute


def count_busy_threads(process):
    """Count threads that run or wait for a core, but for the one that asks."""
    import psutil

    busy = -1
    for member in [process, *process.children(recursive=True)]:
        try:
            for thread in os.listdir(f"/proc/{member.pid}/task"):
                with open(f"/proc/{member.pid}/task/{thread}/stat") as file:
                    busy += file.read().rsplit(")", 1)[1].split()[0] == "R"
        except (OSError, psutil.Error):
            continue
    return busy


def transform_and_tell_threads(X):
    small(engine="keras").fit_transform(X)
    return os.environ.get("TF_NUM_INTRAOP_THREADS"), os.environ.get("TF_NUM_INTEROP_THREADS")


@pytest.mark.long
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
def test_a_search_in_two_processes_gives_the_same_scores_and_keeps_to_the_cores(paths, patches):
    import psutil

    # workers would find features in their caches, and compute too little to be watched
    model = make_pipeline(ImageLoader(size=160), small(cache=None), PCA(4), classify())
    grid = {"resnetfeatures__layers": [16, 82]}
    X, y = np.array(paths), patches[1]
    alone = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    counts, stop = [], threading.Event()
    # starts the workers, as which processes are started by processes that end at once
    joblib.Parallel(2)(joblib.delayed(transform_and_tell_threads)(X[:2]) for X in [patches[0]] * 2)

    def watch():
        while not stop.is_set():
            counts.append(count_busy_threads(psutil.Process()))
            time.sleep(0.01)

    both = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise")
    both.fit(X, y)  # the workers import what they need, on one core each
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        both.fit(X, y)
    finally:
        stop.set()
        watcher.join()
    name = "mean_test_score"
    np.testing.assert_array_equal(both.cv_results_[name], alone.cv_results_[name])
    # their mean, as single counts vary; without shares it is nearly twice the number of cores
    assert np.mean(counts) <= joblib.cpu_count() + 1
    threads = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise")
    with joblib.parallel_config("threading"):
        threads.fit(X, y)
    np.testing.assert_array_equal(threads.cv_results_[name], alone.cv_results_[name])


@pytest.mark.long
@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs cores to share")
def test_each_of_two_workers_computes_with_its_share_of_the_cores(patches):
    told = joblib.Parallel(2)(
        joblib.delayed(transform_and_tell_threads)(patches[0]) for _ in range(2)
    )
    share = max(1, joblib.cpu_count() // 2)
    assert told == [(str(share), "1")] * 2


def test_one_estimator_serves_eight_threads(patches):
    X, _ = patches
    resnet = small(16, batch_size=5).fit(X)
    expected = resnet.transform(X)
    results = joblib.Parallel(8, backend="threading")(
        joblib.delayed(resnet.transform)(X) for _ in range(16)
    )
    for result in results:
        np.testing.assert_array_equal(result, expected)
