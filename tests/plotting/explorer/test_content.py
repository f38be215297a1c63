"""The content of an explorer: metadata that JSON can hold, and arrays in bytes."""

import json
from pathlib import Path

import numpy as np
import pytest

from sklearn_resnet.plotting.explorer.content import encode_metadata, make_content

N = 40
XY = np.random.default_rng(0).random((N, 2))


def make(maps=None, **options):
    defaults = {"labels": None, "paths": None, "images": None, "features": None}
    return make_content(maps or {"map": XY}, **defaults | options)


def test_arrays_are_in_bytes():
    weights = np.where(np.arange(N) % 4, np.linspace(0, 1, N), np.nan)
    content = make(labels={"kind": ["a", "b"] * (N // 2), "weight": weights})
    names = [column["name"] for column in content.metadata["columns"]]
    assert names[:2] == ["kind", "weight"]
    read = {
        name: np.frombuffer(array, kind)
        for name, array, kind in (
            ("xy0", content.buffers["xy0"], "<f4"),
            ("column0", content.buffers["column0"], "<i4"),
            ("column1", content.buffers["column1"], "<f8"),
            ("neighbors", content.buffers["neighbors"], "<i4"),
        )
    }
    np.testing.assert_array_equal(read["xy0"].reshape(-1, 2), XY.astype(np.float32))
    assert read["column0"].tolist() == [0, 1] * (N // 2)
    np.testing.assert_array_equal(read["column1"], weights)
    assert read["neighbors"].shape == (N * content.metadata["nNeighbors"],)


def test_metadata_is_json():
    images = np.zeros((N, 4, 4), np.uint8)
    two = {"map": np.concatenate([XY[: N // 2], XY[N // 2 :] + 10])}
    names = {"cluster 1": "b\udcff"}
    content = make(two, labels=np.arange(N) / 3, images=images, features=XY, names=names)
    assert json.loads(encode_metadata(content.metadata)) == content.metadata
    assert content.metadata["names"] == {"cluster 1": "b\\udcff"}
    assert (content.metadata["side"], content.metadata["nSheets"]) == (4, 1)


def test_each_map_has_its_clusters_and_its_quality():
    two = np.concatenate([XY[: N // 2], XY[N // 2 :] + 10])
    content = make({"first": two, "second": two[::-1]}, features=two, labels=["a", "b"] * (N // 2))
    first, second = content.metadata["maps"]
    assert "keeps 100% among the 10 nearest points" in first["quality"]
    assert "keeps 100%" not in second["quality"]
    for each, suffix in ((first, ""), (second, "-1")):
        assert each["box"][2] > each["box"][0]
        codes = np.frombuffer(content.buffers[f"cluster0{suffix}"], "<i4")
        assert [cluster["level"] for cluster in each["clusters"]].count(0) == 2
        for k, cluster in enumerate(each["clusters"]):
            if cluster["level"] == 0:
                assert cluster["count"] == np.sum(codes == k)


def test_maps_have_their_own_features():
    xy, group = make_groups()
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((len(xy), 3)), rng.standard_normal((len(xy), 4))
    maps, names = {"first": xy, "second": xy}, ("first", "second")
    both = make(maps, labels=group, features={"second": second, "first": first})
    assert both.metadata["distances"] == ["the features of first", "the features of second"]
    for k, (name, table) in enumerate(zip(names, (first, second), strict=True)):
        alone = make({name: xy}, labels=group, features=table)
        described = both.metadata["maps"][k]
        for cluster in described["clusters"]:
            cluster["key"] = cluster["key"].removeprefix(f"{name}: ")
        assert described == alone.metadata["maps"][0] | {"search": k}
        assert both.buffers["neighbors-1" if k else "neighbors"] == alone.buffers["neighbors"]
    same = make(maps, labels=group, features=dict.fromkeys(names, first))
    assert same.metadata["distances"] == ["Euclidean distance of features"]
    assert [each["search"] for each in same.metadata["maps"]] == [0, 0]
    assert "neighbors-1" not in same.buffers


def test_tags_are_names_and_codes():
    tags = np.array(["x", None, "y", ""] * (N // 4), object)
    content = make(tags=tags)
    assert content.metadata["tagNames"] == ["x", "y"]
    assert np.frombuffer(content.buffers["tags"], "<i4").tolist() == [0, -1, 1, -1] * (N // 4)
    with pytest.raises(ValueError, match="'tags' parameter must hold one value for each"):
        make(tags=["x"])


def test_paths_of_any_characters_stay_apart():
    content = make_content(
        {"map": np.eye(3, 2)},
        labels=None,
        paths=["x/a\0b", b"x/\xff", Path("x/c")],
        images=None,
        features=None,
    )
    assert content.metadata["folder"] == "x/"
    assert content.buffers["names"].decode().split("\0") == ["a\\0b", "\\udcff", "c"]


def make_groups():
    """Five groups, far apart, of six small blobs each; and the group of each point."""
    rng = np.random.default_rng(0)
    group, blob = np.divmod(np.repeat(np.arange(30), 20), 6)
    xy = np.column_stack([20 * group + blob % 3, blob // 3]).astype(float)
    return xy + 0.05 * rng.standard_normal(xy.shape), group


def test_the_column_of_clusters_is_that_of_the_finest_level():
    xy, group = make_groups()
    content = make({"map": xy}, labels=np.array(list("abcde"))[group])
    (clusters,) = [each["clusters"] for each in content.metadata["maps"]]
    assert [each["level"] for each in clusters] == [0] * 5 + [1] * 30
    column = content.metadata["columns"][-1]
    assert column["name"] == "cluster"
    assert set(column["names"]) == {each["name"] for each in clusters[5:]}


def test_the_column_of_clusters_says_of_which_map_it_is():
    xy, _ = make_groups()
    content = make({"PCA": xy, "UMAP": xy[::-1]}, labels={"cluster (PCA)": np.arange(len(xy))})
    names = [each["name"] for each in content.metadata["columns"]]
    assert names == ["cluster (PCA)", "cluster (PCA) (HDBSCAN)"]
    content = make({"PCA": xy, "UMAP": xy[::-1]})
    assert [each["name"] for each in content.metadata["columns"]] == ["cluster (PCA)"]


def test_exemplars_of_coarse_clusters_are_first_in_the_sheets(monkeypatch):
    monkeypatch.setattr("sklearn_resnet.plotting.explorer.sprites._SHEET_SIDE", 40)
    xy, _ = make_groups()
    images = np.zeros((len(xy), 4, 4), np.uint8)  # 100 in a sheet
    content = make({"map": xy, "turned": xy[:, ::-1]}, images=images)
    place = np.frombuffer(content.buffers["place"], "<u4")
    clusters = [each for one in content.metadata["maps"] for each in one["clusters"]]
    coarse = {row for each in clusters if each["level"] == 0 for row in each["medoids"]}
    assert sorted(place[list(coarse)]) == list(range(len(coarse)))
    assert len(coarse) >= 15
