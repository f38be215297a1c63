"""Names of clusters on the map: sizes by level, no overlaps, exemplars beside them."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.transforms import Bbox

from sklearn_resnet import EmbeddingDisplay
from sklearn_resnet.plotting._cluster_names import Cluster, find_map_clusters
from sklearn_resnet.plotting._names_on_map import list_written, place_box


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make_map(n=40, spread=0.1, seed=0):
    """Five groups, far apart, of six small blobs each."""
    rng = np.random.RandomState(seed)
    group, blob = np.divmod(np.repeat(np.arange(30), n), 6)
    middles = 12 * np.column_stack([group % 2, group // 2])
    middles = middles + 2 * np.column_stack([blob % 3, blob // 3])
    return middles + spread * rng.standard_normal((len(group), 2)), group


def make_images(n):
    return np.random.RandomState(0).randint(0, 256, (n, 8, 8), dtype=np.uint8)


def boxes_of(display):
    display.figure_.canvas.draw()
    renderer = display.figure_.canvas.get_renderer()
    return [
        *(text.get_window_extent(renderer) for text in display.names_),
        *(thumbnail.get_window_extent(renderer) for thumbnail in display.thumbnails_),
    ]


def test_names_are_on_their_clusters_and_the_coarser_are_larger():
    xy, _ = make_map()
    display = EmbeddingDisplay.from_embedding(xy, names="clusters")
    found = {cluster.name: cluster for cluster in find_map_clusters(xy).clusters}
    texts = {text.get_text(): text for text in display.names_}
    assert {f"cluster {i}" for i in range(1, 6)} < set(texts)
    fine = [name for name in texts if not name.startswith("cluster")]
    assert len(fine) >= 15
    assert {texts[name].get_fontsize() for name in fine} != {texts["cluster 1"].get_fontsize()}
    assert max(texts[name].get_fontsize() for name in fine) < texts["cluster 1"].get_fontsize()
    for name, text in texts.items():
        cluster = found.get(name) or found[f"cluster {name}"]
        assert np.linalg.norm(np.subtract(text.get_position(), cluster.at)) < 3
    # coloured by the coarse clusters
    colors = display.ax_.collections[0].get_facecolors()
    assert len(np.unique(colors, axis=0)) == 5
    assert display.legend_ is None


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("size", [(8, 6), (3, 2.5)])
def test_names_and_exemplars_do_not_overlap_and_lie_in_the_axes(size, with_labels):
    xy, group = make_map(spread=0.4)
    y = np.array(["hat", "coat", "shirt", "shirt", "shoe"])[group] if with_labels else None
    display = EmbeddingDisplay.from_embedding(
        xy,
        y,
        images=make_images(len(xy)),
        ax=plt.subplots(figsize=size)[1],
        thumbnails=True,
        names="clusters",
        legend=False,
    )
    assert len(display.names_) >= 5
    assert len(display.thumbnails_) >= 5
    boxes = boxes_of(display)
    window = display.ax_.get_window_extent().padded(1)
    for i, box in enumerate(boxes):
        assert np.all(box.p0 >= window.p0)
        assert np.all(box.p1 <= window.p1)
        images = boxes[len(display.names_) :]
        for other in boxes[:i]:
            # frames of images side by side touch
            tolerance = 2 if box in images and other in images else 0
            assert not box.padded(-tolerance).overlaps(other.padded(-tolerance))


@pytest.mark.parametrize("size", [(8, 6), (3, 2.5)])
def test_exemplars_lie_near_a_name_or_are_left_out(size):
    xy, _ = make_map(spread=0.4)
    ax = plt.subplots(figsize=size)[1]
    params = {"images": make_images(len(xy)), "thumbnails": True, "names": "clusters"}
    display = EmbeddingDisplay.from_embedding(xy, ax=ax, **params)
    boxes = boxes_of(display)
    names, images = boxes[: len(display.names_)], boxes[len(display.names_) :]
    rows = images[:1]
    for image in images[1:]:
        is_beside = abs(image.y0 - rows[-1].y0) < 1 and abs(image.x0 - rows[-1].x1) < 4
        if is_beside:
            rows[-1] = Bbox.union([rows[-1], image])
        else:
            rows.append(image)
    assert len(rows) > 5
    for row in rows:
        assert any(row.padded(row.height / 2 + 2).overlaps(name) for name in names)


def test_exemplars_are_those_of_their_clusters():
    xy, group = make_map()
    images = np.broadcast_to(np.uint8(50 * group)[:, None, None], (len(xy), 8, 8)).copy()
    images[:, 0, 0] = 255
    display = EmbeddingDisplay.from_embedding(
        xy, group.astype(str), images=images, thumbnails=True, names="clusters", legend=False
    )
    framed = {
        (
            int(np.asarray(thumbnail.offsetbox.get_data())[-1, -1, 0]),
            thumbnail.patch.get_edgecolor(),
        )
        for thumbnail in display.thumbnails_
    }
    colors = np.append(display._coloring.colors, np.ones((5, 1)), axis=1)
    assert framed == {(50 * i, tuple(color)) for i, color in enumerate(colors.tolist())}
    assert len(display.thumbnails_) > 15
    # they are beside their clusters
    middles = np.array([xy[group == i].mean(0) for i in range(5)])
    for thumbnail in display.thumbnails_:
        shade = np.asarray(thumbnail.offsetbox.get_data())[-1, -1, 0]
        assert np.linalg.norm(middles[shade // 50] - thumbnail.xy) < 12


def test_parts_with_the_same_label_are_not_named_again():
    xy, group = make_map()
    y = np.array(["hat", "coat", "shirt", "shirt", "shoe"])[group]
    display = EmbeddingDisplay.from_embedding(xy, y, names="clusters")
    assert sorted(text.get_text() for text in display.names_) == [
        *("coat", "hat", "shirt", "shirt 2", "shoe")
    ]
    assert display.legend_ is None


def test_a_legend_is_drawn_if_a_label_names_no_cluster():
    xy, group = make_map()
    y = np.array(["hat", "coat", "shirt", "shirt", "shoe"], object)[group]
    y[::50] = "rare"
    display = EmbeddingDisplay.from_embedding(xy, y, names="clusters")
    assert [text.get_text() for text in display.legend_.get_texts()] == [
        *("coat", "hat", "rare", "shirt", "shoe")
    ]
    assert EmbeddingDisplay(xy, y).plot(names="clusters", legend=False).legend_ is None


def test_numbers_on_a_scale_name_no_cluster():
    xy, _ = make_map()
    display = EmbeddingDisplay.from_embedding(xy, xy[:, 0], names="clusters")
    assert "cluster 1" in {text.get_text() for text in display.names_}
    assert display.colorbar_ is not None


@pytest.mark.parametrize("n", [1, 4, 9])
def test_a_map_without_clusters_is_drawn_as_ever(n):
    xy = np.random.RandomState(0).rand(n, 2)
    display = EmbeddingDisplay.from_embedding(
        xy, images=make_images(n), thumbnails=True, names="clusters"
    )
    assert display.names_ == []
    assert len(display.thumbnails_) >= 1


def test_names_are_written_as_they_are():
    xy, group = make_map()
    y = np.array(["$\\bad$", "_private", "<b>", "a\nb", "x" * 300])[group]
    display = EmbeddingDisplay.from_embedding(xy, y, names="clusters")
    display.figure_.canvas.draw()
    assert {"$\\bad$", "_private", "<b>"} <= {text.get_text() for text in display.names_}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"names": "labels"}, "'names' parameter must be 'clusters' or None. Got 'labels'"),
        ({"names": "clusters", "legend": "on data"}, "'legend' parameter must not be 'on data'"),
        ({"names": "clusters", "thumbnails": True}, "must hold an image for each point"),
    ],
)
def test_invalid_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay(make_map()[0]).plot(**params)
    assert plt.get_fignums() == []


def test_a_box_is_placed_where_it_costs_least():
    size, window = np.array([10.0, 10.0]), np.array([100.0, 100.0])
    shifts = np.array([[0.0, 0], [0, 2], [2, 0], [0, -2]])
    anchor = np.array([50.0, 50.0])

    def place(taken, anchor=anchor, costs=lambda centers: np.arange(len(centers))):
        return place_box(anchor, size, window, taken, shifts, costs)

    assert place([]).tolist() == [50, 50]
    assert place([], costs=lambda centers: -centers[:, 0]).tolist() == [60, 50]
    taken = [(anchor, size)]
    assert place(taken).tolist() == [50, 60]
    assert place([*taken, (np.array([60.0, 57]), np.array([20.0, 10]))]).tolist() == [50, 40]
    assert place([(anchor, np.array([40.0, 40]))]) is None
    assert place([], anchor=np.array([50.0, 97])).tolist() == [50, 87]


def test_a_cluster_that_stays_whole_is_written_once():
    whole = Cluster(0, "a", None, None, 0.0, (0,), 9, (0.0, 0.0), 1.0)
    same = replace(whole, level=1, parent=0)
    part = replace(same, level=2, parent=1, name="b", count=4)
    other = replace(whole, level=2, name="c")
    assert list_written((whole, same, part, other)) == [whole, part, other]
