"""compare_embeddings: scores of embeddings, and plots side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from sklearn_resnet import compare_embeddings
from sklearn_resnet.plotting._comparison import score_labels
from sklearn_resnet.plotting._map_quality import score_map

LABELS = np.array(list("abc"))[np.arange(120) % 3]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make_map(spread, n=120, n_columns=2):
    middles = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0]])[np.arange(n) % 3, :n_columns]
    return middles + spread * np.random.RandomState(0).standard_normal((n, n_columns))


def test_scores_of_labels():
    maps = {"sharp": make_map(1), "blurred": make_map(6)}
    scores = compare_embeddings(maps, LABELS).scores
    assert list(scores.index) == ["sharp", "blurred"]
    for name, xy in maps.items():
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        accuracy = cross_val_score(KNeighborsClassifier(10), xy, LABELS, cv=folds).mean()
        assert scores.loc[name, "accuracy"] == pytest.approx(accuracy)
        assert scores.loc[name, "silhouette"] == pytest.approx(silhouette_score(xy, LABELS))
    assert scores["n_neighbors"].tolist() == [10, 10]
    assert scores["n_folds"].tolist() == [5, 5]
    assert scores.loc["sharp", "accuracy"] > scores.loc["blurred", "accuracy"] > 0.4


def test_scores_of_numbers():
    xy = make_map(1)
    scores = compare_embeddings({"map": xy}, xy[:, 0]).scores
    folds = KFold(5, shuffle=True, random_state=0)
    r2 = cross_val_score(KNeighborsRegressor(10), xy, xy[:, 0], cv=folds).mean()
    assert list(scores.columns) == ["r2", "n_neighbors", "n_folds"]
    assert scores.loc["map", "r2"] == pytest.approx(r2)


def test_missing_and_single_labels_are_left_out_of_scores():
    xy, y = make_map(1), LABELS.astype(object)
    expected = score_labels(xy[10:], y[10:])
    y[:9] = None
    y[9] = "single"
    assert score_labels(xy, y) == expected


@pytest.mark.parametrize(
    ("counts", "n_folds", "n_neighbors"),
    [
        ([40, 40, 40], 5, 10),
        ([40, 40, 3], 3, 10),
        ([4, 4], 4, 6),
        ([2, 2], 2, 2),
        ([3, 40, 1], 3, 10),
    ],
)
def test_small_labels_take_fewer_folds_and_neighbours(counts, n_folds, n_neighbors):
    y = np.repeat(np.arange(len(counts)), counts)
    scores = score_labels(np.random.RandomState(0).rand(len(y), 2), y)
    assert (scores["n_folds"], scores["n_neighbors"]) == (n_folds, n_neighbors)
    assert 0 <= scores["accuracy"] <= 1


@pytest.mark.parametrize(
    "y", [["a"] * 4, ["a", "b", "c", "d"], [None] * 4, ["a", "a", "b", None], [0.5, None, 1.5, 2.5]]
)
def test_what_cannot_be_scored_is_nan(y):
    found = compare_embeddings({"map": np.random.RandomState(0).rand(4, 2)}, y)
    assert np.isnan(found.scores.iloc[0, 0])
    assert found.axes[0].get_title() == "map\ntoo few points to score"


@pytest.mark.long
def test_large_maps_are_scored_by_a_sample_of_their_silhouette():
    xy = make_map(1, 12_000)
    y = np.arange(12_000) % 3
    scores = score_labels(xy, y)
    assert scores["silhouette"] != silhouette_score(xy, y)
    assert scores["silhouette"] == pytest.approx(silhouette_score(xy, y), abs=0.01)
    assert scores == score_labels(xy, y)


def test_titles_name_the_maps_and_their_scores():
    found = compare_embeddings({"sharp": make_map(0.1), 7: make_map(5)}, LABELS)
    first, second = [ax.get_title() for ax in found.axes]
    assert first.startswith("sharp\n10-NN accuracy 1.000, silhouette 0.9")
    assert second.startswith("7\n10-NN accuracy 0.")
    found = compare_embeddings({"few": make_map(0.1, 9)}, LABELS[:9], n_neighbors=3)
    assert found.axes[0].get_title().startswith("few\n3-NN in 3 folds accuracy 1.000")
    found = compare_embeddings({"map": make_map(1)}, make_map(1)[:, 0])
    assert found.axes[0].get_title() == "map\n10-NN R² 0.99"


@pytest.mark.parametrize(
    ("n_maps", "rows"), [(1, 1), (4, 1), (5, 2), (8, 2), pytest.param(9, 3, marks=pytest.mark.long)]
)
def test_maps_stand_in_rows_of_at_most_four(n_maps, rows):
    found = compare_embeddings(
        {str(i): make_map(1 + i) for i in range(n_maps)}, LABELS, legend=False
    )
    assert len(found.axes) == len(found.figure.axes) == n_maps
    assert {ax.get_subplotspec().get_gridspec().nrows for ax in found.axes} == {rows}
    assert found.figure.get_figwidth() == pytest.approx(3.4 * -(-n_maps // rows))
    found.figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in found.axes]
    for i, box in enumerate(boxes):
        assert np.all((box.min >= 0) & (box.max <= found.figure.bbox.max))
        assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize(
    ("spreads", "legend", "on_data"),
    [
        ([1, 1], "auto", True),
        ([1, 9], "auto", False),
        ([1, 9], "on data", True),
        ([1, 1], True, False),
        ([1, 1], False, None),
    ],
)
def test_labels_are_in_one_legend_or_on_all_maps(spreads, legend, on_data):
    maps = {f"map {i}": make_map(spread) for i, spread in enumerate(spreads)}
    found = compare_embeddings(maps, LABELS, legend=legend)
    for ax in found.axes:
        assert ax.get_legend() is None
        assert sorted(text.get_text() for text in ax.texts) == list("abc" if on_data else "")
    assert len(found.figure.legends) == (on_data is False)
    for shared in found.figure.legends:
        found.figure.canvas.draw()
        box = shared.get_window_extent()
        assert [text.get_text() for text in shared.get_texts()] == list("abc")
        assert np.all((box.min >= 0) & (box.max <= found.figure.bbox.max))
        assert not any(box.overlaps(ax.get_tightbbox()) for ax in found.axes)


def test_a_scale_has_one_colour_bar():
    found = compare_embeddings({"a": make_map(1), "b": make_map(2)}, make_map(1)[:, 0])
    assert len(found.figure.axes) == 3


def test_the_colour_bar_of_a_scale_is_as_high_as_all_rows():
    maps = {str(i): make_map(1, 12) for i in range(5)}
    found = compare_embeddings(maps, make_map(1, 12)[:, 0])
    found.figure.canvas.draw()
    bar, first, last = [
        ax.get_window_extent() for ax in (found.figure.axes[-1], found.axes[0], found.axes[-1])
    ]
    assert bar.y1 == pytest.approx(first.y1, abs=2)
    assert bar.y0 == pytest.approx(last.y0, abs=2)


def test_maps_are_drawn_as_by_the_display():
    frame = pd.DataFrame(make_map(1, n_columns=3), columns=["x", "y", "z"])
    line = make_map(1, n_columns=1)
    maps = {"frame": frame, "line": line}
    with pytest.warns(UserWarning, match=r"the shape \(120, 3\), and only its first two columns"):
        found = compare_embeddings(maps, LABELS, point_size=7, alpha=0.5)
    for ax, xy in zip(
        found.axes, (frame.to_numpy(), np.column_stack([line, 0 * line])), strict=True
    ):
        (dots,) = ax.collections
        assert set(map(tuple, dots.get_offsets().tolist())) == set(map(tuple, xy[:, :2].tolist()))
        assert dots.get_sizes().tolist() == [7]
        assert dots.get_alpha() == 0.5
    assert found.scores.loc["frame", "silhouette"] == pytest.approx(
        silhouette_score(frame[["x", "y"]], LABELS)
    )
    found = compare_embeddings({"a": make_map(1)}, LABELS, density=True)
    assert len(found.axes[0].images) == 1


@pytest.mark.parametrize(
    ("maps", "y", "message"),
    [
        ({}, LABELS, "'embeddings' parameter must be a dict .* Got nothing instead"),
        ([make_map(1)], LABELS, "'embeddings' parameter must be a dict .* Got list instead"),
        ({"a": make_map(1)}, LABELS[1:], "inconsistent numbers of samples"),
        ({"a": make_map(1)}, None, "y must hold a value for each point"),
        ({"a": make_map(np.nan)}, LABELS, "embedding contains NaN"),
    ],
)
def test_what_cannot_be_compared_is_an_error(maps, y, message):
    with pytest.raises(ValueError, match=message):
        compare_embeddings(maps, y)
    assert plt.get_fignums() == []


def test_whole_numbers_are_one_label_whatever_holds_them():
    xy = make_map(1)
    y = np.arange(120) % 3
    mixed = np.array([float(label) if i % 2 else int(label) for i, label in enumerate(y)], object)
    assert score_labels(xy, mixed) == score_labels(xy, y)


def test_a_silhouette_that_the_sample_does_not_define_is_left_out():
    sample = np.random.RandomState(0).permutation(10_100)[:10_000]
    rare = np.setdiff1d(np.arange(10_100), sample)[:2]
    y = np.zeros(10_100, int)
    y[rare] = 1
    xy = np.random.RandomState(0).rand(10_100, 2)
    found = compare_embeddings({"map": xy}, y, legend=False)
    assert np.isnan(found.scores.loc["map", "silhouette"])
    assert "silhouette" not in found.axes[0].get_title()
    assert found.axes[0].get_title().startswith("map\n10-NN in 2 folds accuracy")


@pytest.mark.parametrize("y", [LABELS, make_map(1)[:, 0]], ids=["legend", "scale"])
def test_a_legend_or_colour_bar_takes_no_space_of_the_maps(y):
    found = compare_embeddings({"a": make_map(1), "b": make_map(2)}, y, legend=True)
    found.figure.canvas.draw()
    first, second = [ax.get_window_extent().size / found.figure.dpi for ax in found.axes]
    assert first == pytest.approx(second, abs=0.01)
    assert first[0] > 3
    assert found.figure.get_figwidth() > 2 * 3.4


def test_a_palette_gives_all_maps_their_colours():
    palette = {"a": "red", "b": "lime", "c": "blue"}
    found = compare_embeddings({"a": make_map(1), "b": make_map(2)}, LABELS, palette=palette)
    for ax in found.axes:
        colors = set(map(tuple, ax.collections[0].get_facecolors()[:, :3].tolist()))
        assert colors == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}


def test_a_small_scale_takes_fewer_folds_and_neighbours():
    scores = score_labels(make_map(1, 6), make_map(1, 6)[:, 0])
    assert (scores["n_folds"], scores["n_neighbors"]) == (3, 4)


def test_features_add_the_quality_of_each_map():
    X = np.random.RandomState(1).standard_normal((120, 6))
    maps = {"two": X[:, :2], "line": X[:, :1], "random": make_map(1)}
    found = compare_embeddings(maps, LABELS, features=X, n_neighbors=7)
    assert list(found.scores.columns)[-2:] == ["trustworthiness", "neighborhood_preservation"]
    for name, xy in maps.items():
        flat = np.column_stack([xy, 0 * xy[:, 0]])[:, :2]
        quality = score_map(X, flat, 7)
        assert found.scores.loc[name, "trustworthiness"] == quality.trustworthiness
        shares = found.scores["neighborhood_preservation"]
        assert shares[name] == quality.neighborhood_preservation
    line = found.axes[0].get_title().replace("\n", " ")
    assert f"keeps {shares['two']:.0%} of neighbours, trustworthiness 0." in line
    without = compare_embeddings(maps, LABELS)
    assert "trustworthiness" not in without.scores
    assert "keeps" not in without.axes[0].get_title()


def test_each_map_is_scored_against_its_own_features():
    features = {str(k): np.random.RandomState(k).standard_normal((120, 6)) for k in range(2)}
    maps = {k: features[str(k)][:, :2] for k in (1, 0)}
    found = compare_embeddings(maps, LABELS, features=features)
    for k, xy in maps.items():
        quality = score_map(features[str(k)], xy)
        assert found.scores.loc[str(k), "trustworthiness"] == quality.trustworthiness
    assert found.features.keys() == {"0", "1"}
    same = compare_embeddings(maps, LABELS, features=features["0"])
    assert same.scores.loc["1", "trustworthiness"] < 0.6
    assert same.features.shape == (120, 6)


def test_two_points_have_no_quality():
    found = compare_embeddings({"a": make_map(1, 2)}, ["a", "b"], features=make_map(1, 2))
    assert np.isnan(found.scores.loc["a", "trustworthiness"])
    assert "keeps" not in found.axes[0].get_title()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (make_map(1)[1:], "'features' parameter must hold one value for each of the 120 points"),
        (make_map(np.nan), "features contains NaN"),
        (make_map(1)[:, 0], "Expected 2D array"),
        ({"a": make_map(1)[1:]}, r"features\['a'\].* for each of the 120 points. Got 119 instead"),
        ({"a": make_map(np.nan)}, r"features\['a'\] contains NaN"),
        ({"b": make_map(1)}, "must have the names of the maps .*: 'a'. Got 'b' instead"),
        ({"a": make_map(1), "b": make_map(1)}, "names of the maps .*: 'a'. Got 'a', 'b' instead"),
        ({}, "Got an empty dict instead"),
    ],
)
def test_features_that_do_not_fit_are_an_error(features, message):
    with pytest.raises(ValueError, match=message):
        compare_embeddings({"a": make_map(1)}, LABELS, features=features)
    assert plt.get_fignums() == []
