"""
Find local defects
==================

A model of normal surfaces, learned without any defect, finds scratches and stains and
tells where they are. Features of two layers, pooled in the cells of a grid, describe
each place of an image; a defect is a place that is far from all places of the normal
images. The model learns batch by batch, so its memory does not grow with the number of
images.
"""

# %%
# Surfaces and defects
# --------------------
# The surfaces are textures of scikit-image. The left half of each gives the normal
# images, and the right half those to test: without a defect, with a scratch or with a
# stain. A defect is lighter or darker than what it covers.

import numpy as np
import skimage.data
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean

SIDE = 128
TEXTURES = ("brick", "grass", "gravel")
Y, X = np.mgrid[:SIDE, :SIDE]


def cut_windows(texture, n, rng):
    """Cut windows at random places."""
    rows = rng.integers(0, len(texture) - SIDE + 1, n)
    return np.stack([texture[row : row + SIDE] for row in rows])


def draw_scratch(rng):
    """Draw the mask of an arc."""
    angle, length, bend = rng.uniform([0, 60, -12], [2 * np.pi, 100, 12])
    t = np.linspace(-0.5, 0.5, 120)
    along, across = length * t, bend * (1 - 4 * t**2)
    y, x = rng.uniform(0.25 * SIDE, 0.75 * SIDE, 2)
    y = y + np.sin(angle) * along + np.cos(angle) * across
    x = x + np.cos(angle) * along - np.sin(angle) * across
    return np.hypot(Y[..., None] - y, X[..., None] - x).min(axis=-1) < 3


def draw_stain(rng):
    """Draw the mask of an irregular disc."""
    y, x = rng.uniform(0.15 * SIDE, 0.85 * SIDE, 2)
    angle = np.arctan2(Y - y, X - x)
    waves = np.sin(2 * angle + rng.uniform(0, 6)) + np.sin(
        3 * angle + rng.uniform(0, 6)
    )
    return np.hypot(Y - y, X - x) < rng.uniform(10, 18) * (1 + 0.15 * waves)


def paint(image, mask, shade):
    """Paint over an image in one shade of grey, with soft edges."""
    share = 0.9 * gaussian_filter(mask.astype(float), 0.7)
    painted = image * (1 - share) + (image[mask].mean() + shade) * share
    return np.clip(painted, 0, 255)


def make_surfaces(name, rng, n_normal=48, n_tested=36):
    """Make normal images, and images to test with the masks of their defects."""
    texture = downscale_local_mean(getattr(skimage.data, name)(), (2, 2))
    left, right = np.hsplit(texture, 2)
    normal, tested = cut_windows(left, n_normal, rng), cut_windows(right, n_tested, rng)
    masks = np.zeros(tested.shape, bool)
    for i in range(n_tested):
        if i % 3:
            masks[i] = draw_scratch(rng) if i % 3 == 1 else draw_stain(rng)
            tested[i] = paint(tested[i], masks[i], rng.choice([-75, 75]))
    return normal.round().astype(np.uint8), tested.round().astype(np.uint8), masks


rng = np.random.default_rng(0)
surfaces = {name: make_surfaces(name, rng) for name in TEXTURES}

# %%
# A model of the normal places
# ----------------------------
# ``grid`` keeps the place of the features: each cell of the grid has a vector, of the
# channels of all layers. They are standardised and whitened, so that a rare direction
# counts as much as a common one, and then summarised by the centres of clusters. Each
# of the three steps learns in a pass of its own over `transform_batches`. From the
# second pass on, the features come from the cache, whose size is bounded, too.

from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ResNetFeatures


def iterate_cells(resnet, images):
    """Yield the vectors of all cells, image by image, batch by batch."""
    n_layers, (rows, columns) = len(resnet.layers_), resnet.grid
    for _, features in resnet.transform_batches(images):
        cells = features.reshape(len(features), n_layers, rows * columns, -1)
        cells = np.moveaxis(cells, 1, 2)
        yield cells.reshape(len(features) * rows * columns, -1)


def transform_all(steps, cells):
    """Apply the steps before the last one."""
    for step in steps:
        cells = step.transform(cells)
    return cells


def learn_normal(resnet, images):
    """Learn each step batch by batch."""
    scaler, pca = StandardScaler(), IncrementalPCA(200, whiten=True)
    clusters = MiniBatchKMeans(20, n_init=1, random_state=0)
    steps = []
    for step in (scaler, pca, clusters):
        for cells in iterate_cells(resnet, images):
            step.partial_fit(transform_all(steps, cells))
        steps.append(step)
    return steps


# %%
# Maps of distances
# -----------------
# The distance of each cell to the nearest centre is a coarse map of anomalies. It is
# enlarged to the size of the image and smoothed; its maximum is the score of the image.

from skimage.transform import resize


def map_distances(resnet, steps, images):
    """Map the distances of images to the nearest centre."""
    maps = []
    for cells in iterate_cells(resnet, images):
        distances = transform_all(steps, cells).min(axis=1)
        for distance in distances.reshape(-1, *resnet.grid):
            maps.append(gaussian_filter(resize(distance, (SIDE, SIDE), order=1), 4))
    return np.array(maps)


# %%
# Two layers against the last one
# -------------------------------
# For these images, layers 51 and 85 have maps of 16 x 16 and 8 x 8 positions. Layer 153,
# the deepest of the bundled weights, has one of 4 x 4. The scores are areas under the ROC
# curve: 1 if all defects rank before everything normal, 0.5 for chance.

from sklearn.metrics import roc_auc_score

CUTS = {
    "layers 51 and 85": {"layers": [51, 85], "grid": (8, 8)},
    "the last layer alone": {"layers": 153, "grid": (4, 4)},
}
maps = {}
for cut, parameters in CUTS.items():
    for name, (normal, tested, masks) in surfaces.items():
        resnet = ResNetFeatures(weights="procedural", batch_size=16, **parameters)
        steps = learn_normal(resnet.fit(normal), normal)
        found = maps[cut, name] = map_distances(resnet, steps, tested)
        of_images = roc_auc_score(masks.any(axis=(1, 2)), found.max(axis=(1, 2)))
        of_pixels = roc_auc_score(masks.ravel(), found.ravel())
        print(f"{cut:20}  {name:6}  images {of_images:.3f}, pixels {of_pixels:.3f}")

# %%
# Back onto the images
# --------------------
# Each row has a texture: a normal image, a scratch and a stain, with the maps of both
# cuts. The outline is that of the defect. The last layer finds that an image has a
# defect, but not exactly where: its cells are larger, and each sees most of the image.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(3, 6, figsize=(10.5, 5.6), layout="constrained")
for row, name in zip(axes, TEXTURES, strict=True):
    _, tested, masks = surfaces[name]
    for i, cut in enumerate(CUTS):
        low, high = np.percentile(maps[cut, name], [80, 99.9])
        for j, ax in enumerate(row[3 * i : 3 * i + 3]):
            ax.imshow(tested[j], "gray", vmin=0, vmax=255)
            heat = np.clip((maps[cut, name][j] - low) / (high - low), 0, 1)
            ax.imshow(heat, "autumn", alpha=0.8 * heat, vmin=0, vmax=1)
            if masks[j].any():
                ax.contour(masks[j], [0.5], colors="white", linewidths=0.8)
            ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
for i, cut in enumerate(CUTS):
    axes[0, 3 * i + 1].set_title(cut)
