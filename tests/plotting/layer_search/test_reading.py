"""from_search: the layers, image sizes and scores of a fitted search."""

import numpy as np
import pandas as pd
import pytest
from layer_searches import X, Y, make, make_resnet, search_layers
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeavePOut,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from sklearn_resnet import ImageLoader, LayerSearchDisplay, ResNetFeatures
from sklearn_resnet._network.layers import layer_table


def test_no_layers_are_those_of_the_weights_that_the_search_took(monkeypatch):
    grid = {"resnetfeatures__layers": [4, None]}
    estimator = make().set_params(resnetfeatures__weights="procedural")
    search = GridSearchCV(estimator, grid, cv=3).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 153]
    search.best_estimator_[0].weights_ = "imagenet"  # as if "auto" had found them
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 189]


def test_from_search_takes_the_best_of_other_parameters_at_each_depth():
    grid = {
        "resnetfeatures__layers": [4, "conv2_block1_out", 9],
        "ridgeclassifier__alpha": [1, 1e9],
    }
    search = GridSearchCV(make(), grid, cv=3).fit(X, Y)
    display = LayerSearchDisplay.from_search(search)
    assert display.layers.tolist() == [4, 9, 16]
    means = search.cv_results_["mean_test_score"].reshape(2, 3, order="F")
    parameters = search.cv_results_["params"]
    for layer, name in zip(display.layers, [4, 9, "conv2_block1_out"], strict=True):
        of_layer = [p["resnetfeatures__layers"] == name for p in parameters]
        best = search.cv_results_["mean_test_score"][of_layer].max()
        assert display.scores[list(display.layers).index(layer)].mean() == pytest.approx(best)
    assert means.size == len(parameters)


@pytest.mark.parametrize("scores", [[0.5, 0.9], [0.9, 0.5]])
def test_the_best_candidate_of_a_depth_is_taken_wherever_it_stands(scores):
    grid = {"resnetfeatures__layers": [4], "ridgeclassifier__alpha": [1, 2]}
    search = GridSearchCV(make(), grid, cv=2).fit(X, Y)
    search.cv_results_["mean_test_score"] = np.array(scores)
    for i in range(2):
        search.cv_results_[f"split{i}_test_score"] = np.array(scores)
    assert LayerSearchDisplay.from_search(search).scores.tolist() == [[0.9, 0.9]]


def test_from_a_randomized_search():
    grid = {"resnetfeatures__layers": [2, 4, 9]}
    search = RandomizedSearchCV(make(), grid, n_iter=2, cv=2, random_state=0).fit(X, Y)
    assert len(LayerSearchDisplay.from_search(search).layers) == 2


def test_a_part_of_a_grid_need_not_name_the_layers():
    grid = [{"resnetfeatures__layers": [2, 9]}, {"ridgeclassifier__alpha": [1, 10]}]
    search = GridSearchCV(make(4), grid, cv=2).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [2, 4, 9]


def test_a_search_over_architectures_is_an_error():
    grid = {
        "resnetfeatures__layers": ["conv2_block1_out"],
        "resnetfeatures__architecture": ["ResNet50", "ResNet50V2"],
    }
    search = GridSearchCV(make(), grid, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match="the layers of one architecture"):
        LayerSearchDisplay.from_search(search)


def test_from_a_search_over_a_nested_pipeline():
    outer = Pipeline([("inner", make())])
    search = GridSearchCV(outer, {"inner__resnetfeatures__layers": [2, 4]}, cv=2).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [2, 4]


def test_from_a_search_with_several_scores():
    scoring = ["accuracy", "balanced_accuracy"]
    search = search_layers([2, 4], scoring=scoring, refit="balanced_accuracy")
    display = LayerSearchDisplay.from_search(search)
    np.testing.assert_array_equal(
        display.scores[:, 1], search.cv_results_["split1_test_balanced_accuracy"]
    )
    assert display.ax_.get_ylabel() == "balanced_accuracy"
    search = search_layers([2, 4], scoring=scoring, refit=False)
    with pytest.raises(ValueError, match=r"must name one of them in 'refit'\. Got refit=False"):
        LayerSearchDisplay.from_search(search)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_depths_that_failed_are_left_out():
    search = search_layers([2, 500])
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [2]


def test_what_is_no_search_over_layers():
    with pytest.raises(NotFittedError):
        LayerSearchDisplay.from_search(GridSearchCV(make(), {"resnetfeatures__layers": [2]}))
    search = GridSearchCV(make(), {"ridgeclassifier__alpha": [1, 2]}, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"over the parameter 'layers' .*resnetfeatures__layers"):
        LayerSearchDisplay.from_search(search)
    with pytest.raises(ValueError, match=r"single layers. Got the several layers \[2, 4\]"):
        LayerSearchDisplay.from_search(search_layers([2, [2, 4]]))


def test_none_is_the_last_layer_that_weights_reach():
    resnet = ResNetFeatures(weights="procedural", tap_layers=[4, 153])
    search = search_layers([4, None], make_pipeline(resnet, RidgeClassifier()))
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 153]


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_search_whose_fits_all_failed_is_an_error():
    def fail(estimator, X, y):
        raise RuntimeError("no score")

    search = search_layers([2, 4], scoring=fail, refit=False)
    with pytest.raises(ValueError, match="All of its fits failed"):
        LayerSearchDisplay.from_search(search)


def test_no_layers_without_a_refit_are_those_of_the_given_weights():
    resnet = ResNetFeatures(weights="procedural", tap_layers=[4, 153])
    pipe = make_pipeline(resnet, RidgeClassifier())
    search = search_layers([4, None], pipe, refit=False)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 153]


def test_a_search_over_the_layers_of_two_networks_is_an_error():
    networks = [(name, ResNetFeatures(weights=None, random_state=0)) for name in "ab"]
    pipe = make_pipeline(FeatureUnion(networks), RidgeClassifier())
    grid = {"featureunion__a__layers": [2, 4], "featureunion__b__layers": [2]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match="Got a search over 2 of them instead"):
        LayerSearchDisplay.from_search(search)


def test_layers_are_those_of_the_searched_architecture():
    resnet = ResNetFeatures(architecture="ResNet50", weights=None, random_state=0)
    search = search_layers(["conv2_block1_out"], make_pipeline(resnet, RidgeClassifier()))
    display = LayerSearchDisplay.from_search(search)
    assert display.ax_.get_xlabel() == "layer of ResNet50"
    assert display.layers.tolist() == [
        layer.index for layer in layer_table("ResNet50") if layer.name == "conv2_block1_out"
    ]


def read_test_size(cv, n=60, **fit_params):
    search = GridSearchCV(make(), {"resnetfeatures__layers": [2, 4]}, cv=cv)
    return LayerSearchDisplay.from_search(search.fit(X[:n], Y[:n] % 2, **fit_params)).test_size


@pytest.mark.cache
@pytest.mark.parametrize(
    ("cv", "test_size"),
    [
        (None, 1 / 5),
        (4, 1 / 4),
        (RepeatedKFold(n_splits=5, n_repeats=2, random_state=0), 1 / 5),
        (RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0), 1 / 3),
        (ShuffleSplit(3, test_size=0.2, random_state=0), 1 / 5),
        # half of the samples that a fold uses
        (ShuffleSplit(3, test_size=0.1, train_size=0.1, random_state=0), 1 / 2),
        ([(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))], 1 / 3),
        ([(np.arange(50), np.arange(50, 60))] * 2, 1 / 6),
    ],
)
def test_the_test_size_is_that_of_the_folds(cv, test_size):
    assert read_test_size(cv) == pytest.approx(test_size)


@pytest.mark.cache
def test_the_test_size_of_groups():
    groups = np.arange(60) // 10
    assert read_test_size(GroupKFold(3), groups=groups) == pytest.approx(1 / 3)
    assert read_test_size(LeaveOneGroupOut(), groups=groups) == pytest.approx(1 / 6)


@pytest.mark.cache
@pytest.mark.parametrize(
    "cv",
    [
        ShuffleSplit(3, random_state=0),
        ShuffleSplit(3, test_size=20, random_state=0),
        ShuffleSplit(3, test_size=0.2, train_size=20, random_state=0),
        TimeSeriesSplit(3),
        LeavePOut(2),
        PredefinedSplit(np.where(np.arange(8) < 4, -1, np.arange(8) % 2)),
    ],
)
def test_a_test_size_that_the_splitter_does_not_tell_is_nan(cv):
    n = 60 if hasattr(cv, "test_size") else 8
    assert np.isnan(read_test_size(cv, n))


def load(size=None):
    return make_pipeline(ImageLoader(size), make_resnet(), RidgeClassifier())


IMAGES = X.reshape(-1, 8, 8)


@pytest.mark.cache
@pytest.mark.parametrize(
    ("estimator", "grid", "expected"),
    [
        (make(), {}, [None]),
        (make(image_size=12), {}, [12]),
        (make(image_size=(8, 12)), {}, [(8, 12)]),
        (
            make(image_size=12),
            {"resnetfeatures__image_size": [8, (16, 16), (8, 4)]},
            [(8, 4), 8, 16],
        ),
        (make(), {"resnetfeatures__image_size": [None, 8]}, [None, 8]),
        (load(), {}, [None]),
        (load(8), {}, [8]),
        (load((8, 12)), {}, [(8, 12)]),
        (load(8), {"imageloader__size": [12, 16]}, [12, 16]),
        (load(), {"imageloader__size": [12, None]}, [None, 12]),
        (load(8).set_params(resnetfeatures__image_size=12), {}, [12]),
        (load(8), {"resnetfeatures__image_size": [None, 12]}, [8, 12]),
        (load(4), {"imageloader": [ImageLoader(8), "passthrough", ImageLoader(12)]}, [None, 8, 12]),
        # the size of the loader changes pixels, but not the size in the network
        (
            load(),
            {"imageloader__size": [8, 16], "resnetfeatures__image_size": [4, 12]},
            [4, 12],
        ),
        (
            load(),
            {"imageloader__size": [8, 16], "resnetfeatures__image_size": [4, None]},
            [4, 8, 16],
        ),
    ],
)
def test_the_image_size_is_that_of_the_network_or_else_of_the_loader(estimator, grid, expected):
    grid = {"resnetfeatures__layers": [2]} | grid
    search = GridSearchCV(estimator, grid, cv=2).fit(IMAGES[:20], Y[:20] % 2)
    assert LayerSearchDisplay.from_search(search).image_sizes == expected


def test_a_list_of_grids_may_name_sizes_here_and_there():
    grid = [
        {"resnetfeatures__layers": [2, 4], "resnetfeatures__image_size": [8]},
        {"resnetfeatures__layers": [2], "imageloader__size": [16]},
        {"resnetfeatures__image_size": [6]},
    ]
    search = GridSearchCV(load(12), grid, cv=2).fit(IMAGES[:20], Y[:20] % 2)
    display = LayerSearchDisplay.from_search(search)
    cuts = list(zip(display.layers.tolist(), display.image_sizes, strict=True))
    assert cuts == [(2, 8), (2, 16), (4, 6), (4, 8)]


@pytest.mark.cache
def test_the_best_of_other_parameters_is_shown_at_each_layer_and_size():
    grid = {
        "resnetfeatures__layers": [16, 4],
        "resnetfeatures__image_size": [12, (8, 8)],
        "ridgeclassifier__alpha": [1e9, 1, 10],
    }
    search = GridSearchCV(make(), grid, cv=2, scoring="accuracy").fit(X, Y % 3)
    display = LayerSearchDisplay.from_search(search)
    results = pd.DataFrame(search.cv_results_)
    results["size"] = results["param_resnetfeatures__image_size"].map({12: 12, (8, 8): 8})
    best = results.groupby(["param_resnetfeatures__layers", "size"])["mean_test_score"].max()
    frame = display.to_frame()
    assert list(best.index) == list(zip(frame["layer"], frame["image_size"], strict=True))
    np.testing.assert_allclose(frame["mean_score"], best)
    rows = results[["split0_test_score", "split1_test_score"]].to_numpy().tolist()
    assert all(row in rows for row in display.scores.tolist())
    assert display.score_name == "accuracy"


def test_sizes_from_a_randomized_search():
    grid = {"resnetfeatures__layers": [2, 4, 9], "resnetfeatures__image_size": [8, 12]}
    search = RandomizedSearchCV(make(), grid, n_iter=4, cv=2, random_state=0).fit(X, Y)
    display = LayerSearchDisplay.from_search(search)
    cuts = {(p["resnetfeatures__layers"], p["resnetfeatures__image_size"])
            for p in search.cv_results_["params"]}  # fmt: skip
    assert set(zip(display.layers.tolist(), display.image_sizes, strict=True)) == cuts
    assert len(display.layers) == 4


def test_sizes_of_a_network_without_a_pipeline():
    def score(estimator, X, y=None):
        return estimator.transform(X).mean()

    search = GridSearchCV(
        make_resnet(), {"layers": [2, 4], "image_size": [8, 12]}, cv=2, scoring=score
    )
    display = LayerSearchDisplay.from_search(search.fit(X[:10]))
    assert display.image_sizes == [8, 12, 8, 12]
    assert display.score_name == "score"


@pytest.mark.cache
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_candidates_with_a_score_that_is_nan_are_left_out():
    def score(estimator, X, y):
        is_nan = estimator[-1].n_features_in_ == 256 and y[0] == Y[0]  # in one fold
        return np.nan if is_nan else 1.0

    search = search_layers([16, 4], scoring=score, cv=KFold(3))
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4]


def test_two_loaders_tell_no_size():
    two = make_pipeline(ImageLoader(8), ImageLoader(12), make_resnet(), RidgeClassifier())
    search = GridSearchCV(two, {"resnetfeatures__layers": [2]}, cv=2).fit(IMAGES[:10], Y[:10] % 2)
    assert LayerSearchDisplay.from_search(search).image_sizes == [None]


def test_of_a_halving_the_last_iteration_is_shown():
    """Earlier iterations scored fewer samples, which cannot be compared."""
    search = search_layers([2, 4, 9])
    search.cv_results_["iter"] = np.array([0, 1, 1])
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 9]
