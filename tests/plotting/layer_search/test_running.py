"""from_estimator: the scores of a search, from features that are computed once."""

import numpy as np
import pandas as pd
import pytest
from layer_searches import X, Y, make, make_resnet, search_layers
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch_weights import write_safetensors

from sklearn_resnet import (
    ImageLoader,
    LayerSearchDisplay,
    ResNetFeatures,
    cache_info,
    clear_cache,
)
from sklearn_resnet._images import item_reader
from sklearn_resnet._images.items import name_of
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet.plotting.layer_search import running


@pytest.mark.cache
def test_from_estimator_is_one_pass_with_the_scores_of_a_search():
    layers = [2, 4, "conv2_block1_out"]
    pipe = make()
    search = search_layers(layers, make(cache=None), scoring="accuracy")
    clear_cache()
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y, layers=layers, cv=3, scoring="accuracy", title="Digits"
    )
    np.testing.assert_array_equal(
        display.scores.mean(axis=1), search.cv_results_["mean_test_score"]
    )
    assert cache_info().n_features == cache_info().misses == len(X) * 3
    assert display.ax_.get_title() == "Digits"
    assert display.ax_.get_ylabel() == "accuracy"
    assert pipe[0].tap_layers is None


class FailsAtLayer16(RidgeClassifier):
    def fit(self, X, y):
        if X.shape[1] == 256:
            raise RuntimeError("256 features are too many")
        return super().fit(X, y)


def test_an_error_of_one_fit_is_raised_as_it_is():
    pipe = make_pipeline(ResNetFeatures(weights=None, random_state=0), FailsAtLayer16())
    with pytest.raises(RuntimeError, match="256 features are too many"):
        LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[4, 16], cv=2)


def test_an_estimator_may_be_the_network_alone():
    def score(estimator, X, y=None):
        return estimator.transform(X).mean()

    resnet = ResNetFeatures(weights=None, random_state=0)
    display = LayerSearchDisplay.from_estimator(resnet, X[:6], layers=[2, 4], cv=2, scoring=score)
    assert display.layers.tolist() == [2, 4]
    assert display.ax_.get_ylabel() == "score"


LAYERS = [16, 2, 4]  # not in order


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The digits as files of 24 x 24 pixels."""
    folder = tmp_path_factory.mktemp("digits")
    paths = [str(folder / f"{i:02d}.png") for i in range(len(X))]
    for path, image in zip(paths, X.reshape(-1, 8, 8), strict=True):
        pixels = np.kron(image.astype(np.uint8), np.ones((3, 3), np.uint8))
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture
def decoded(monkeypatch):
    """The names of files in the order in which they are decoded."""
    names, read_image = [], item_reader.read_image

    def record(item, **options):
        names.append(name_of(item))
        return read_image(item, **options)

    monkeypatch.setattr(item_reader, "read_image", record)
    return names


class Watched(RidgeClassifier):
    """A classifier that records the samples that it sees: the columns of the digits, summed."""

    seen = []  # noqa: RUF012

    def fit(self, X, y):
        self.seen.append(("fit", np.asarray(X)))
        return super().fit(X, y)

    def score(self, X, y):
        self.seen.append(("score", np.asarray(X)))
        return super().score(X, y)


@pytest.fixture
def seen():
    Watched.seen.clear()
    yield Watched.seen
    Watched.seen.clear()


def search_plainly(estimator, X, y, layers, image_sizes, **parameters):
    """Scores of a search without any table, by layer and image size."""
    (path,) = [name for name in estimator.get_params() if name.endswith("resnetfeatures")]
    grid = {f"{path}__layers": layers, f"{path}__image_size": image_sizes}
    estimator = clone(estimator).set_params(**{f"{path}__tap_layers": layers})
    search = GridSearchCV(estimator, grid, **parameters).fit(X, y)
    clear_cache()  # what is compared with it is computed anew
    return {
        (parameters[f"{path}__layers"], parameters[f"{path}__image_size"]): [
            search.cv_results_[f"split{i}_test_score"][k] for i in range(search.n_splits_)
        ]
        for k, parameters in enumerate(search.cv_results_["params"])
    }


def by_candidate(display):
    cuts = zip(display.layers.tolist(), display.image_sizes, strict=True)
    return dict(zip(cuts, display.scores.tolist(), strict=True))


def score_by_bits(estimator, X, y):
    """Score what changes with any bit of the features."""
    return estimator.decision_function(X).sum()


NAMES = np.array(["zero", "one", "two"], dtype=object)


@pytest.mark.cache
@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (make(), Y),
        (make(), NAMES[Y % 3].tolist()),
        (make(), pd.Series(NAMES[Y % 3], index=range(100, 160))),
        (make(pooling=["avg", "max"]), Y),
        (make(pooling="max", cache=None), Y),
        (make(pooling=["gem", "max"], grid=(2, 1)), Y),
        (make_pipeline(make_resnet(), StandardScaler(), PCA(2), RidgeClassifier()), Y),
        (make_pipeline("passthrough", make_resnet(), None, RidgeClassifier()), Y),
        (make_pipeline(make_pipeline(make_resnet(), PCA(2)), RidgeClassifier()), Y),
        (make().set_output(transform="pandas"), Y),
        # generic: other steps come first
        (make_pipeline(FunctionTransformer(np.fliplr), make_resnet(), RidgeClassifier()), Y),
        (OneVsRestClassifier(make()), Y % 3),
    ],
)
def test_scores_are_those_of_a_plain_search_to_the_last_bit(estimator, y):
    sizes = [12, 8]
    expected = search_plainly(estimator, X, y, LAYERS, sizes, cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        estimator, X, y, layers=LAYERS, image_sizes=sizes, cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected
    assert display.layers.tolist() == [2, 2, 4, 4, 16, 16]
    assert display.image_sizes == [8, 12] * 3


def load_and_compute(files, size, image_size, loader=None, **parameters):
    """The features of all layers: of files decoded to a size, then brought to another one."""
    images = (loader or ImageLoader()).set_params(size=size).fit_transform(files)
    resnet = make_resnet(LAYERS, tap_layers=LAYERS, image_size=image_size, **parameters)
    return resnet.fit(images).transform(images)


def split_columns(features, layers, n_poolings=1):
    widths = [n_poolings * layer_table("ResNet50V2")[layer].width for layer in layers]
    return dict(zip(layers, np.split(features, np.cumsum(widths)[:-1], axis=1), strict=True))


@pytest.mark.parametrize("pooling", ["avg", ["avg", "max"]])
@pytest.mark.parametrize(
    "loader", [ImageLoader(10), ImageLoader(lazy=True), ImageLoader(lazy=True, mode="L")]
)
def test_each_file_is_decoded_once_and_its_features_are_those_of_the_largest_size(
    files, decoded, seen, loader, pooling
):
    sizes, table = [8, 24, 12], {}
    pipe = make_pipeline(loader, make_resnet(pooling=pooling), Watched())
    is_first = np.arange(len(X)) < 30
    cv = [(np.flatnonzero(is_first), np.flatnonzero(~is_first))]
    LayerSearchDisplay.from_estimator(pipe, files, Y, layers=LAYERS, image_sizes=sizes, cv=cv)
    assert sorted(decoded) == sorted(files)
    for size in sizes:
        features = load_and_compute(files, 24, size, clone(loader), pooling=pooling)
        parts = split_columns(features, LAYERS, 2 if pooling != "avg" else 1)
        table |= {(layer, size): part for layer, part in parts.items()}
    order = [(layer, size) for size in sizes for layer in LAYERS]
    for cut, (fitted, scored) in zip(order, pairwise_apart(seen), strict=True):
        np.testing.assert_array_equal(np.concatenate([fitted, scored]), table[cut])


def pairwise_apart(seen):
    """The samples of each fit, and those of the score after it."""
    assert [what for what, _ in seen] == ["fit", "score"] * (len(seen) // 2)
    return [(seen[i][1], seen[i + 1][1]) for i in range(0, len(seen), 2)]


def test_images_of_more_than_one_block_are_decoded_once(files, decoded, seen, monkeypatch):
    monkeypatch.setattr(running, "_BLOCK_BYTES", 7 * 12 * 12 * 3 + 5)  # 7 images
    pipe = make_pipeline(ImageLoader(lazy=True), make_resnet(), Watched())
    cv = [(np.arange(31), np.arange(31, 60))]
    LayerSearchDisplay.from_estimator(pipe, files, Y, layers=[4], image_sizes=[12, 8], cv=cv)
    assert sorted(decoded) == sorted(files)
    for size, (fitted, scored) in zip([12, 8], pairwise_apart(seen), strict=True):
        expected = split_columns(load_and_compute(files, 12, size), LAYERS)[4]
        np.testing.assert_array_equal(np.concatenate([fitted, scored]), expected)


def test_an_image_of_more_than_a_block_is_a_block(files, seen, monkeypatch):
    monkeypatch.setattr(running, "_BLOCK_BYTES", 10)
    pipe = make_pipeline(ImageLoader(lazy=True), make_resnet(), Watched())
    cv = [(np.arange(2), np.arange(2, 4))]
    LayerSearchDisplay.from_estimator(
        pipe, files[:4], Y[:4], layers=[4], image_sizes=[8, 12], cv=cv
    )
    expected = split_columns(load_and_compute(files[:4], 12, 8), LAYERS)[4]
    np.testing.assert_array_equal(np.concatenate([seen[0][1], seen[1][1]]), expected)


def test_features_of_unreadable_files_are_nan(files, seen, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_BLOCK_BYTES", 7 * 12 * 12 * 3)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    paths = files.copy()
    paths[17] = str(broken)
    steps = (
        ImageLoader(lazy=True, on_error="nan"),
        make_resnet(),
        SimpleImputer(strategy="constant"),
    )
    cv = [(np.arange(30), np.arange(30, 60))]
    with pytest.warns(
        UserWarning, match=r"1 of 60 images .* NaN: .*broken.png.* \(image 17\)"
    ) as w:
        LayerSearchDisplay.from_estimator(
            make_pipeline(*steps, Watched()), paths, Y, layers=[4], image_sizes=[8, 12], cv=cv
        )
    assert len(w) == 1
    expected = split_columns(load_and_compute(files, 12, 8), LAYERS)[4].copy()
    expected[17] = 0  # the constant
    np.testing.assert_array_equal(np.concatenate([seen[0][1], seen[1][1]]), expected)


def test_images_cannot_be_skipped(files):
    pipe = make_pipeline(ImageLoader(lazy=True, on_error="skip"), make_resnet(), RidgeClassifier())
    with pytest.raises(ValueError, match="on_error='skip' leaves some out"):
        LayerSearchDisplay.from_estimator(pipe, files, Y, layers=[4], image_sizes=[8, 12], cv=2)


@pytest.mark.cache
@pytest.mark.parametrize(
    "change", [list, pd.Series, lambda paths: pd.DataFrame({"path": paths})["path"], np.array]
)
def test_files_may_be_named_in_any_sequence(files, change):
    pipe = make_pipeline(ImageLoader(), make_resnet(), RidgeClassifier())
    expected = search_plainly(
        clone(pipe).set_params(imageloader__size=12), files, Y, LAYERS, [8, 12], cv=2,
        scoring=score_by_bits,
    )  # fmt: skip
    display = LayerSearchDisplay.from_estimator(
        pipe, change(files), Y, layers=LAYERS, image_sizes=[8, 12], cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected


@pytest.mark.cache
def test_lazy_images_need_no_loader(files):
    images = ImageLoader(12, lazy=True).fit_transform(files)
    expected = search_plainly(make(), np.asarray(images), Y, LAYERS, [8, 12], cv=2,
                              scoring=score_by_bits)  # fmt: skip
    display = LayerSearchDisplay.from_estimator(
        make(), images, Y, layers=LAYERS, image_sizes=[8, 12], cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected


@pytest.mark.cache
def test_other_steps_behind_the_loader_see_images_of_the_largest_size(files):
    shapes = []

    def look(images):
        shapes.append(images.shape[1:])
        return images

    pipe = make_pipeline(ImageLoader(), FunctionTransformer(look), make_resnet(), RidgeClassifier())
    expected = search_plainly(
        clone(pipe).set_params(imageloader__size=12), files, Y, LAYERS, [8, 12], cv=2
    )
    shapes.clear()
    clear_cache()
    display = LayerSearchDisplay.from_estimator(
        pipe, files, Y, layers=LAYERS, image_sizes=[8, 12], cv=2
    )
    assert by_candidate(display) == expected
    assert set(shapes) == {(12, 12, 3)}
    # one pass for each image and size: other folds and layers are found in the cache
    assert cache_info().misses == len(X) * 2
    assert cache_info().n_features == len(X) * 2 * len(LAYERS)


@pytest.mark.cache
def test_a_cache_of_the_pipeline_changes_no_score_and_holds_no_table(tmp_path):
    whole = make_pipeline(make_resnet(), PCA(3), RidgeClassifier(), memory=str(tmp_path))
    plain = make_pipeline(make_resnet(), PCA(3), RidgeClassifier())
    inner = make_pipeline(make_resnet(), PCA(3), memory=str(tmp_path))
    cases = (X, whole), (X[::-1], whole), (X, make_pipeline(inner, RidgeClassifier()))
    for images, pipe in cases:
        expected = search_plainly(plain, images, Y, LAYERS, [8, 12], cv=2, scoring=score_by_bits)
        display = LayerSearchDisplay.from_estimator(
            pipe, images, Y, layers=LAYERS, image_sizes=[8, 12], cv=2, scoring=score_by_bits
        )
        assert by_candidate(display) == expected
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.long
def test_several_processes_change_no_score():
    expected = search_plainly(make(), X, Y, LAYERS, [8, 12], cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        make(), X, Y, layers=LAYERS, image_sizes=[8, 12], cv=2, scoring=score_by_bits, n_jobs=2,
        nested=True,
    )  # fmt: skip
    assert by_candidate(display) == expected
    assert len(display.nested_scores) == 2


def test_the_estimator_is_not_changed(files):
    pipe = make_pipeline(ImageLoader(10), make_resnet(image_size=9, layers=9), RidgeClassifier())
    before = repr(pipe.get_params())
    LayerSearchDisplay.from_estimator(pipe, files, Y, layers=[4], image_sizes=[8, 12], cv=2)
    assert repr(pipe.get_params()) == before
    assert not hasattr(pipe[-1], "coef_")
    assert not hasattr(pipe[1], "weights_")
    assert not hasattr(pipe[0], "value_range_")


def test_names_of_features_are_those_of_the_network():
    names = []

    def look(features):
        names.append(list(features.columns))
        return features

    resnet = make_resnet(pooling=["avg", "max"])
    pipe = make_pipeline(resnet, FunctionTransformer(look), RidgeClassifier())
    pipe.set_output(transform="pandas")
    LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[16, 4], image_sizes=[8, 12], cv=2)
    fitted = {layer: clone(resnet).set_params(layers=layer).fit(X) for layer in (16, 4)}
    expected = [list(fitted[layer].get_feature_names_out()) for layer in (16, 4) for _ in range(4)]
    assert names == 2 * expected


GROUPS = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 5))


class Positions:
    """Features of digits, by which their positions are known again."""

    def __init__(self):
        features = make_resnet(LAYERS, tap_layers=LAYERS).fit(X).transform(X)
        parts = split_columns(features, LAYERS)
        self.known = {
            part.shape[1]: {row.tobytes(): i for i, row in enumerate(part)}
            for part in parts.values()
        }
        assert all(len(known) == len(X) for known in self.known.values())

    def of(self, samples):
        known = self.known[samples.shape[1]]
        return {known[row.tobytes()] for row in np.ascontiguousarray(samples)}


@pytest.mark.parametrize(
    "groups", [GROUPS, GROUPS.tolist(), pd.Series(GROUPS, index=range(60, 120))]
)
def test_no_group_is_in_both_parts_not_even_within_training_parts(seen, groups):
    pipe = make_pipeline(make_resnet(), Watched())
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y % 2, layers=[4, 16], groups=groups, cv=GroupKFold(3), nested=True
    )
    positions, parts = Positions(), pairwise_apart(seen)
    assert len(parts) == 3 * 2 + 3 * (3 * 2 + 1)
    for fitted, scored in parts:
        fitted, scored = positions.of(fitted), positions.of(scored)
        assert not fitted & scored
        assert not set(GROUPS[list(fitted)]) & set(GROUPS[list(scored)])
    expected = search_plainly(
        make(), X, Y % 2, [4, 16], [None], cv=list(GroupKFold(3).split(X, Y, GROUPS))
    )
    assert by_candidate(display) == expected


def test_nested_scores_are_of_samples_that_the_choice_has_not_seen(seen):
    pipe, cv = make_pipeline(make_resnet(), Watched()), KFold(3, shuffle=True, random_state=0)
    LayerSearchDisplay.from_estimator(pipe, X, Y % 2, layers=[4, 16], cv=cv, nested=True)
    positions, events = Positions(), seen[2 * 2 * 3 :]  # after the search itself
    splits = list(cv.split(X))
    assert len(events) == 3 * (2 * 2 * 3 + 2)
    for i, (train, test) in enumerate(splits):
        of_split = events[14 * i : 14 * (i + 1)]
        *inner, (refit, fitted), (score, scored) = of_split
        assert (refit, score) == ("fit", "score")
        for _, samples in inner:
            assert positions.of(samples) < set(train)
        assert positions.of(fitted) == set(train)
        assert positions.of(scored) == set(test)


@pytest.mark.cache
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
@pytest.mark.parametrize("cv", [3, ShuffleSplit(2, test_size=0.3, random_state=0)])
def test_nested_scores_are_those_of_a_search_within_a_cross_validation(cv, scoring):
    pipe = make_pipeline(make_resnet(tap_layers=LAYERS), StandardScaler(), GaussianNB())
    grid = {"resnetfeatures__image_size": [8, 12], "resnetfeatures__layers": LAYERS}
    search = GridSearchCV(pipe, grid, cv=cv, scoring=scoring)
    expected = cross_validate(
        search, X, Y % 3, cv=cv, scoring=scoring, return_estimator=True, error_score="raise"
    )
    clear_cache()
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y % 3, layers=LAYERS, image_sizes=[8, 12], cv=cv, scoring=scoring, nested=True
    )
    np.testing.assert_array_equal(display.nested_scores, expected["test_score"])
    assert display.nested_candidates == [
        tuple(fitted.best_params_[f"resnetfeatures__{name}"] for name in ("layers", "image_size"))
        for fitted in expected["estimator"]
    ]


@pytest.mark.cache
def test_nested_scores_through_the_cache_are_the_same():
    first = FunctionTransformer()
    direct, generic = make(), make_pipeline(first, make_resnet(), RidgeClassifier())
    displays = [
        LayerSearchDisplay.from_estimator(
            pipe, X, Y % 3, layers=[4, 16], image_sizes=[8, 12], cv=2, nested=True
        )
        for pipe in (direct, generic)
    ]
    assert displays[0].nested_scores == displays[1].nested_scores
    assert displays[0].nested_candidates == displays[1].nested_candidates


def test_nested_scores_need_no_target():
    def score(estimator, X, y=None):
        assert y is None
        return estimator.transform(X).mean()

    display = LayerSearchDisplay.from_estimator(
        make_resnet(), X, layers=[2, 4], cv=2, scoring=score, nested=True
    )
    features = make_resnet([2, 4], tap_layers=[2, 4]).fit(X).transform(X)
    for layer, part in split_columns(features, [2, 4]).items():
        expected = [part[:30].mean(), part[30:].mean()]
        assert by_candidate(display)[layer, None] == pytest.approx(expected)


def test_splits_may_come_one_by_one():
    splits = KFold(3).split(X)
    display = LayerSearchDisplay.from_estimator(make(), X, Y % 2, layers=[2, 4], cv=splits)
    assert display.scores.shape == (2, 3)
    assert display.test_size == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("cv", "test_size"),
    [
        (4, 1 / 4),
        (RepeatedKFold(n_splits=5, n_repeats=2, random_state=0), 1 / 5),
        (ShuffleSplit(3, test_size=6, random_state=0), 6 / 60),
        # half of all samples that a fold uses
        (ShuffleSplit(3, test_size=0.1, train_size=0.1, random_state=0), 1 / 2),
        ([(np.arange(45), np.arange(45, 60))], 1 / 4),
    ],
)
def test_the_test_size_is_that_of_the_folds(cv, test_size):
    display = LayerSearchDisplay.from_estimator(make(), X, Y % 2, layers=[2, 4], cv=cv)
    assert display.test_size == pytest.approx(test_size)


def test_classes_are_spread_over_folds_as_in_a_search():
    y = np.repeat([0, 1], 30)  # KFold(2) would train on one class
    display = LayerSearchDisplay.from_estimator(make(), X, y, layers=[2], cv=2)
    assert by_candidate(display) == search_plainly(make(), X, y, [2], [None], cv=2)


@pytest.mark.parametrize("cv", [[(np.arange(30), np.arange(30, 60))], iter(KFold(2).split(X))])
def test_a_list_of_splits_cannot_be_nested(cv):
    with pytest.raises(ValueError, match="must be an int or another .* if cv is a list of splits"):
        LayerSearchDisplay.from_estimator(make(), X, Y, layers=[2], cv=cv, nested=True)


def test_a_list_of_splits_may_be_nested_with_another_splitter(seen):
    train, test = np.arange(20, 60), np.arange(20)
    pipe = make_pipeline(make_resnet(), Watched())
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y % 2, layers=[4, 16], cv=[(train, test)], nested=KFold(4)
    )
    assert len(display.nested_scores) == len(display.nested_candidates) == 1
    positions, parts = Positions(), pairwise_apart(seen)[2:]
    inner = {tuple(train[part]) for _, part in KFold(4).split(train)}
    assert {tuple(sorted(positions.of(scored))) for _, scored in parts[:-1]} == inner
    assert positions.of(parts[-1][0]) == set(train)
    assert positions.of(parts[-1][1]) == set(test)


def test_too_few_groups_for_nested_folds_are_noticed_before_the_network_runs(files, decoded):
    pipe = make_pipeline(ImageLoader(12), make_resnet(), RidgeClassifier())
    with pytest.raises(
        ValueError, match="n_splits=3 greater than the number of groups: 2"
    ) as raised:
        LayerSearchDisplay.from_estimator(
            pipe,
            files,
            Y % 2,
            layers=[2],
            groups=np.arange(60) // 20,
            cv=GroupKFold(3),
            nested=True,
        )
    assert "nested=GroupKFold(3)" in raised.value.__notes__[0]
    assert not decoded


@pytest.mark.parametrize("sizes", [[(8, 8), (8, 12)], [(8, 12), (12, 16)], [(12, 8), (8, 12)]])
def test_a_loader_has_one_aspect_ratio(files, decoded, sizes):
    pipe = make_pipeline(ImageLoader(), make_resnet(), RidgeClassifier())
    with pytest.raises(ValueError, match="must have one aspect ratio .* ImageLoader"):
        LayerSearchDisplay.from_estimator(pipe, files, Y, layers=[2], image_sizes=sizes, cv=2)
    assert not decoded


@pytest.mark.cache
def test_sizes_of_one_aspect_ratio_are_decoded_to_the_largest(files):
    pipe = make_pipeline(ImageLoader(resize="pad"), make_resnet(), RidgeClassifier())
    sizes = [(8, 12), (16, 24), (4, 6)]
    plain = clone(pipe).set_params(imageloader__size=(16, 24))
    expected = search_plainly(plain, files, Y, [4], sizes, cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        pipe, files, Y, layers=[4], image_sizes=sizes, cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected
    assert display.image_sizes == sorted(sizes)


@pytest.mark.cache
def test_arrays_may_have_any_aspect_ratio():
    sizes = [(8, 8), (8, 16), (12, 4)]
    expected = search_plainly(make(), X, Y, [4], [8, *sizes[1:]], cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        make(), X, Y, layers=[4], image_sizes=sizes, cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected


@pytest.mark.cache
def test_images_of_many_sizes_are_brought_to_each_size():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (8 + i % 3, 9, 3), dtype=np.uint8) for i in range(20)]
    y = np.arange(20) % 2
    expected = search_plainly(make(), images, y, [4, 2], [8, 12], cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        make(), images, y, layers=[4, 2], image_sizes=[8, 12], cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected


@pytest.mark.cache
def test_int8_is_calibrated_on_the_training_part_of_each_fold():
    pytest.importorskip("nncf")
    pipe = make(precision="int8")
    expected = search_plainly(pipe, X, Y % 2, [2, 4], [8], cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y % 2, layers=[2, 4], image_sizes=[8], cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected


def test_the_network_at_its_own_size_is_searched_without_sizes():
    pipe = make(image_size=12)
    expected = search_plainly(pipe, X, Y, [4, 2], [12], cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y, layers=[4, 2], cv=2, scoring=score_by_bits
    )
    assert by_candidate(display) == expected


@pytest.mark.cache
@pytest.mark.parametrize("lazily", [False, True])
def test_the_size_of_the_loader_is_that_of_the_candidates(files, lazily):
    pipe = make_pipeline(ImageLoader(12, lazy=lazily), make_resnet(), RidgeClassifier())
    expected = search_plainly(pipe, files, Y, [4, 2], [None], cv=2, scoring=score_by_bits)
    display = LayerSearchDisplay.from_estimator(
        pipe, files, Y, layers=[4, 2], cv=2, scoring=score_by_bits, nested=True
    )
    assert by_candidate(display) == {(layer, 12): expected[layer, None] for layer in (4, 2)}
    assert {size for _, size in display.nested_candidates} == {12}


def test_a_target_of_another_length_is_noticed_before_the_network_runs(files, decoded):
    pipe = make_pipeline(ImageLoader(12), make_resnet(), RidgeClassifier())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LayerSearchDisplay.from_estimator(pipe, files, Y[:50], layers=[2], cv=2)
    assert not decoded


def test_fixed_folds_cannot_be_nested():
    folds = PredefinedSplit(np.arange(60) % 3)
    with pytest.raises(ValueError, match="must be an int or another .* or a PredefinedSplit"):
        LayerSearchDisplay.from_estimator(make(), X, Y, layers=[2], cv=folds, nested=True)
    display = LayerSearchDisplay.from_estimator(make(), X, Y % 2, layers=[2, 4], cv=folds, nested=2)
    assert len(display.nested_scores) == 3


def test_a_block_of_nearly_black_images_has_the_range_of_the_others(
    files, seen, tmp_path, monkeypatch
):
    monkeypatch.setattr(running, "_BLOCK_BYTES", 4 * 12 * 12 * 3)
    paths = files[:16]
    for i in range(4, 12):  # two blocks
        paths[i] = str(tmp_path / f"{i}.png")
        Image.fromarray(np.full((24, 24), i % 2, np.uint8)).save(paths[i])
    pipe = make_pipeline(ImageLoader(lazy=True), make_resnet(), Watched())
    cv = [(np.arange(8), np.arange(8, 16))]
    LayerSearchDisplay.from_estimator(pipe, paths, Y[:16], layers=[4], image_sizes=[12], cv=cv)
    expected = split_columns(load_and_compute(paths, 12, 12), LAYERS)[4]
    np.testing.assert_array_equal(np.concatenate([seen[0][1], seen[1][1]]), expected)


def test_several_scores_are_refused_before_the_search():
    with pytest.raises(ValueError, match=r"'scoring' parameter must be a str.*Got \['accuracy'\]"):
        LayerSearchDisplay.from_estimator(make(), X, Y, layers=[2], scoring=["accuracy"])


@pytest.mark.parametrize("cv", [None, 3])
def test_a_number_of_folds_keeps_groups_together(cv):
    seen = []
    groups = np.arange(len(X)) // 4
    LayerSearchDisplay.from_estimator(
        make(), X, Y % 2, layers=[2], cv=cv, groups=groups, nested=3, scoring=record_into(seen)
    )
    assert len(seen) == (cv or 5) + (cv or 5) * 4


def record_into(seen):
    """Score by whether whole groups of four are tested."""

    def score(estimator, positions, y):
        counts = np.bincount(np.ravel(positions) // 4)
        assert set(counts) <= {0, 4}
        seen.append(positions)
        return 0.0

    return score


def test_numbers_are_split_by_groups_too():
    pipe = make_pipeline(make_resnet(), Ridge())
    groups = np.arange(len(X)) // 4
    seen = []
    LayerSearchDisplay.from_estimator(
        pipe, X, Y / 7, layers=[2], cv=3, groups=groups, scoring=record_into(seen)
    )
    assert sorted(np.ravel(seen)) == list(range(len(X)))


@pytest.mark.filterwarnings("ignore:The groups parameter is ignored:UserWarning")
def test_a_splitter_that_divides_a_group_is_an_error():
    groups = np.arange(len(X)) // 4
    with pytest.raises(ValueError, match=r"'cv' parameter must keep each group.*group \d+ in both"):
        LayerSearchDisplay.from_estimator(
            make(), X, Y, layers=[2], cv=KFold(3, shuffle=True), groups=groups
        )


def test_the_input_layer_has_as_many_features_as_the_images_have_channels(tmp_path):
    weights = write_safetensors(tmp_path / "w.safetensors", last="layer1.0.conv1", n_channels=5)
    images = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 5), dtype=np.uint8)
    resnet = ResNetFeatures(
        ["x", "conv1"], architecture="ResNet18", weights=weights, normalization="tf", cache=None
    )
    table = running._compute_table(resnet, images, [0, 1], [None])
    expected = resnet.fit_transform(images)
    np.testing.assert_array_equal(table.features[0, None], expected[:, :5])
    np.testing.assert_array_equal(table.features[1, None], expected[:, 5:])
