"""Figures compared with those in tests/plotting/baseline.

After an intended change, generate them anew, look at them, and commit them:

    python -m pytest tests/plotting/test_pictures.py --mpl-generate-path=tests/plotting/baseline
"""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_resnet import (
    EmbeddingDisplay,
    LayerSearchDisplay,
    compare_embeddings,
    draw_regions,
    show_images,
)

pytestmark = pytest.mark.skipif(
    tuple(map(int, matplotlib.__version__.split(".")[:2])) < (3, 11),
    reason="matplotlib draws letters and images in another way before 3.11",
)


def compared(function):
    """Mark a test whose figure is compared.

    Most axes keep their place whatever letters measure: tests of extents look after what is
    laid out around them.
    """
    return pytest.mark.mpl_image_compare(
        style="default", tolerance=3, savefig_kwargs={"dpi": 50, "metadata": {"Software": None}}
    )(function)


def make_ax(size=(5, 4)):
    return plt.subplots(figsize=size)[1]


def make_clusters(n_points, n_labels):
    codes = np.arange(n_points) % n_labels
    rng = np.random.RandomState(0)
    middles = 10 * np.column_stack([codes % 4, codes // 4])
    xy = middles + rng.standard_normal((n_points, 2)) * [2, 1.5]
    return xy, np.char.add("kind ", codes.astype(str))


def draw_digits(**params):
    X, y = load_digits(return_X_y=True)
    xy = PCA(2, svd_solver="full").fit_transform(X)
    display = EmbeddingDisplay(xy, y, images=X.reshape(-1, 8, 8))
    return display.plot(make_ax(), legend=False, **params).figure_


@compared
def test_dots():
    return draw_digits()


@compared
def test_thumbnails():
    return draw_digits(thumbnails=True)


@compared
def test_density_with_labels_on_data():
    xy, y = make_clusters(60_000, 12)
    ax = make_ax((4.2, 3.4))
    return EmbeddingDisplay.from_embedding(xy, y, ax=ax, legend="on data").figure_


def make_nested_clusters():
    """Clusters at three levels: six groups of five, of three blobs each."""
    rng = np.random.RandomState(0)
    blob = np.repeat(np.arange(90), 40)
    middles = np.zeros((len(blob), 2))
    for distance, part, n_parts in ((24, blob // 15, 6), (6, blob // 3 % 5, 5), (2, blob % 3, 3)):
        angles = 2 * np.pi * part / n_parts + 0.4
        middles += distance * np.column_stack([np.cos(angles), np.sin(angles)])
    return middles + 0.4 * rng.standard_normal((len(blob), 2)), blob


@compared
def test_names_of_clusters_at_three_levels():
    xy, _ = make_nested_clusters()
    return EmbeddingDisplay.from_embedding(xy, ax=make_ax((8, 6)), names="clusters").figure_


@compared
def test_names_by_label_at_three_levels():
    xy, blob = make_nested_clusters()
    kinds = np.array(["shoes", "bags", "coats", "hats", "socks", "ties"], object)[blob // 15]
    kinds[blob // 3 % 5 == 1] = "shirts"
    kinds[blob % 15 == 7] = "jeans"
    ax = make_ax((6, 5))
    return EmbeddingDisplay.from_embedding(xy, kinds, ax=ax, names="clusters", legend=False).figure_


@compared
def test_names_with_exemplars():
    xy, blob = make_nested_clusters()
    y, x = np.mgrid[:16, :16]
    angle = blob[:, None, None]
    images = np.uint8(127 + 120 * np.sin(x * np.cos(angle) + y * np.sin(angle)))
    display = EmbeddingDisplay(xy, images=images)
    return display.plot(make_ax((8, 6)), thumbnails=True, names="clusters").figure_


@compared
def test_names_on_density():
    xy, y = make_clusters(60_000, 12)
    ax = make_ax((4.2, 3.4))
    xy += 14 * np.column_stack([np.arange(60_000) % 4, np.arange(60_000) % 12 // 4])
    return EmbeddingDisplay.from_embedding(xy, y, ax=ax, names="clusters").figure_


@compared
def test_scale_with_missing_values():
    xy, _ = make_clusters(600, 12)
    y = np.where(np.arange(600) % 5, xy[:, 0], np.nan)
    return EmbeddingDisplay.from_embedding(xy, y, ax=make_ax()).figure_


@compared
def test_markers_of_many_labels():
    xy, y = make_clusters(300, 25)
    ax = make_ax((3.5, 3))
    return EmbeddingDisplay.from_embedding(xy, y, ax=ax, legend=False).figure_


@compared
def test_comparison():
    xy, y = make_clusters(480, 16)
    return compare_embeddings(
        {"apart": xy, "drawn together": xy * [0.2, 1]}, y, legend=False
    ).figure


@compared
def test_contact_sheet(tmp_path):
    X, y = load_digits(return_X_y=True)
    images = [*X[:7].reshape(-1, 8, 8), np.tile(np.arange(40.0), (20, 1))]
    captions = [f"digit {label}" for label in y[:5]] + ["a long caption\nof three lines, wrapped"]
    return show_images(images, [*captions, "$x^2$", None], n_columns=5, title="Digits, $5 each")


@compared
def test_heat_map_of_layers_and_sizes():
    layers, sizes = np.repeat([16, 51, 85], 3), [32, 64, 224] * 3
    scores = np.array([5, 7, 8, 6, 8.9, 8.8, 4, 9, 8.7])[:, None] / 10 + [0.02, -0.02]
    ax = plt.figure(figsize=(7, 4)).add_axes((0.13, 0.32, 0.35, 0.6))
    display = LayerSearchDisplay(layers, scores, image_sizes=sizes, nested_scores=[0.8, 0.9])
    return display.plot(ax).figure_


@compared
def test_regions_on_their_image():
    y, x = np.mgrid[:60, :80]
    image = np.uint8(255 * (0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 7)))
    distance = np.hypot((x % 20) - 10, (y % 20) - 10)
    labels = np.where((distance < 8) & (distance > 2), y // 20 * 4 + x // 20 + 1, 0)
    top, left = (axis.ravel() for axis in np.mgrid[:60:20, :80:20])
    table = pd.DataFrame({"path": "a.png", "top": top, "left": left, "segment": np.arange(1, 13)})
    table = table.assign(bottom=table["top"] + 20, right=table["left"] + 20)
    table["kind"] = np.array(["a", "b", "c", None] * 3, object)
    axes = plt.subplots(1, 3, figsize=(7, 2))[1]
    draw_regions(image, table, "kind", kind="boxes", legend=False, ax=axes[0])
    draw_regions(image, table, "kind", labels=labels, legend=False, ax=axes[1])
    overlapping = table.assign(right=table["right"] + 10)
    draw_regions(image, overlapping, np.sin(table["segment"]), legend=False, ax=axes[2])
    return axes[0].figure
