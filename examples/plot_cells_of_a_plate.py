"""
Cells of a plate
================

The unit of study is often a cell, not an image. ``find_regions`` turns a segmentation
into a table with a row for each cell, ``ImageLoader`` cuts the cells out of their
images, and ``draw_regions`` draws the results back onto them.
"""

# %%
# The images
# ----------
# Four wells of a plate, simulated: bright nuclei, some of them with spots, on a dark
# background. In the wells of the second column, a treatment makes spots more frequent.

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SIDE, N_CELLS = 420, 60
WELLS = {"A1": 0.1, "A2": 0.7, "B1": 0.1, "B2": 0.7}  # the share of cells with spots
rng = np.random.default_rng(0)
rows, columns = np.indices((SIDE, SIDE))


def draw_nucleus(has_spots):
    """Draw a nucleus: an ellipse that is smooth, or has spots."""
    y, x = rng.uniform(25, SIDE - 25, 2)
    angle, (a, b) = rng.uniform(0, np.pi), rng.uniform(10, 14, 2)
    u = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    v = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    inside = np.hypot(u / a, v / b) < 1
    brightness = np.full(inside.shape, rng.uniform(0.4, 0.6))
    for _ in range(8 * has_spots):
        s, t = rng.uniform(-6, 6, 2)
        brightness += 0.4 * np.exp(-((u - s) ** 2 + (v - t) ** 2) / 4)
    return inside, inside * brightness


def draw_well(share):
    """Draw the image of a well; return it with the centres of its cells that have spots."""
    image, taken = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE), bool)
    spotted = np.zeros((SIDE, SIDE), bool)
    for _ in range(N_CELLS):
        has_spots = rng.random() < share
        inside, nucleus = draw_nucleus(has_spots)
        if not (inside & taken).any():
            image, taken = image + nucleus, taken | inside
            spotted |= inside & has_spots
    image = gaussian_filter(image, 0.8) + 0.08 + rng.normal(0, 0.02, image.shape)
    return (255 * image.clip(0, 1)).astype(np.uint8), spotted


folder = Path(tempfile.mkdtemp())
paths, truth = [], {}
for well, share in WELLS.items():
    image, spotted = draw_well(share)
    paths.append(str(folder / f"{well}.png"))
    Image.fromarray(image).save(paths[-1])
    truth[paths[-1]] = spotted

# %%
# A row for each cell
# -------------------
# Any program can segment the images; here, it is a threshold, and a watershed that
# separates cells which touch. ``find_regions`` takes the label images. With
# ``mask_others=True``, all that is not the cell itself is black.

from scipy.ndimage import distance_transform_edt
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

from sklearn_resnet.datasets import find_regions


def segment(path):
    """Label the nuclei in an image."""
    image = gaussian_filter(np.asarray(Image.open(path)).astype(float), 1)
    is_nucleus = remove_small_objects(image > threshold_otsu(image), max_size=100)
    depth = distance_transform_edt(is_nucleus)
    peaks = peak_local_max(depth, min_distance=8, labels=label(is_nucleus))
    seeds = np.zeros(image.shape, int)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-depth, seeds, mask=is_nucleus)


labels = [segment(path) for path in paths]
cells = find_regions(labels, paths, mask_others=True)
cells["well"] = cells["path"].map(lambda path: Path(path).stem)
cells.drop(columns=["path", "mask"]).head()

# %%
# Features of each cell
# ---------------------
# The table goes into ``ImageLoader`` like a list of paths. A margin and padding make
# room at the borders of the images, and ``resize="pad"`` keeps the shape of the cells.

from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from umap import UMAP

from sklearn_resnet import EmbeddingDisplay, ImageLoader, ResNetFeatures

loader = ImageLoader(size=48, mode="L", resize="pad", margin=2, pad="black", lazy=True)
images = loader.fit_transform(cells)
embed = make_pipeline(
    ResNetFeatures(51, weights="procedural"), PCA(20), UMAP(random_state=0, n_jobs=1)
)
xy = embed.fit_transform(images)
print(len(cells), "cells")

# %%
# Clusters of the map are found without labels:

from sklearn.cluster import KMeans

cells["cluster"] = KMeans(2, random_state=0).fit_predict(xy)
EmbeddingDisplay.from_embedding(
    xy,
    cells["cluster"].astype(str),
    images=images,
    thumbnails=True,
    title="Cells by cluster",
)

# %%
# Back onto the images
# --------------------
# Each cell has the colour of its cluster:

import matplotlib.pyplot as plt

from sklearn_resnet import draw_regions

figure, axes = plt.subplots(2, 2, figsize=(8, 8), layout="constrained")
for path, of_well, ax in zip(paths, labels, axes.flat, strict=True):
    well = Path(path).stem
    draw_regions(
        path, cells, "cluster", labels=of_well, ax=ax, title=well, legend=False
    )

# %%
# The cluster of the smaller share in untreated wells is that of the cells with spots.
# The share of it in each well is the result of the experiment:

is_untreated = cells["well"].isin(["A1", "B1"])
of_spots = cells["cluster"][is_untreated].value_counts().idxmin()
for well, group in cells.groupby("well"):
    rows_of = group[["top", "bottom", "left", "right"]].to_numpy()
    is_spotted = [
        truth[path][(top + bottom) // 2, (left + right) // 2]
        for path, (top, bottom, left, right) in zip(group["path"], rows_of, strict=True)
    ]
    found = (group["cluster"] == of_spots).mean()
    drawn = np.mean(is_spotted)
    print(f"{well}: {found:.2f} of the cells; drawn with spots: {drawn:.2f}")
