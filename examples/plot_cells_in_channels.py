"""
Cells in five channels
======================

A microscope takes an image for each fluorescent dye. ``mode="channels"`` reads all of
them in their own bit depth, and ``channels="separate"`` gives each one features of its
own. Features that are named by channel tell which dye shows the effect of a treatment.
"""

# %%
# The images
# ----------
# The cells are simulated. Each file is an OME-TIFF with five named channels of 12 bits
# in 16. A treatment changes the shape of the mitochondria, and nothing else: they form
# spots, a network or a ring around the nucleus, or spread evenly. Brightness varies
# from cell to cell.

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

CHANNELS = ["DAPI", "actin", "tubulin", "mitochondria", "golgi"]
TREATMENTS = ["spots", "network", "ring", "even"]
SIDE = 64
rng = np.random.default_rng(0)


def make_noise(scale):
    """Smooth noise of variance 1."""
    noise = gaussian_filter(rng.standard_normal((SIDE, SIDE)), scale, mode="wrap")
    return noise / noise.std()


def draw_mitochondria(treatment, from_nucleus):
    """Draw the channel that depends on the treatment."""
    if treatment == "ring":
        return np.exp(-(((from_nucleus - 1.2) / 0.25) ** 2))
    texture = make_noise(1.4)
    shapes = {"spots": texture > 1.3, "network": abs(texture) < 0.25}
    return shapes.get(treatment, np.ones_like(texture))


def draw_cell(treatment):
    """Draw a cell: an array of shape (5, height, width)."""
    y, x = np.indices((SIDE, SIDE)) / SIDE - 0.5 + rng.uniform(-0.06, 0.06, (2, 1, 1))
    angle = rng.uniform(0, 2 * np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    lobes = 1 + 0.12 * np.sin(3 * np.arctan2(v, u) + rng.uniform(0, 6))
    from_center = np.hypot(u / 0.40, v / rng.uniform(0.28, 0.36)) / lobes
    from_nucleus = np.hypot(u / 0.15, v / rng.uniform(0.10, 0.14))
    plasm = (from_center < 1) & (from_nucleus > 1)
    waves = np.sin(9 * np.arctan2(y, x) + 6 * make_noise(6))
    channels = [
        (from_nucleus < 1) * (1 + 0.3 * make_noise(2)),
        np.exp(-(((from_center - 0.95) / 0.06) ** 2)) + 0.2 * plasm,
        plasm * (1.5 * waves).clip(0.1, 1),
        plasm * draw_mitochondria(treatment, from_nucleus),
        plasm * np.exp(-(((u - 0.2) / 0.06) ** 2 + (v / 0.05) ** 2)),
    ]
    cell = np.stack([gaussian_filter(1.0 * channel, 0.6) for channel in channels])
    cell *= rng.uniform(2e5, 4e5, (5, 1, 1)) / cell.sum(axis=(1, 2), keepdims=True)
    return rng.poisson((200 + cell).clip(0, 4095)).clip(0, 4095).astype(np.uint16)


folder = Path(tempfile.mkdtemp())
metadata = {"axes": "CYX", "Channel": {"Name": CHANNELS}}
y = np.repeat(TREATMENTS, 50)
paths = [folder / f"{treatment}-{i}.ome.tif" for i, treatment in enumerate(y)]
for path, treatment in zip(paths, y, strict=True):
    tifffile.imwrite(path, draw_cell(treatment), metadata=metadata)

# %%
# Reading
# -------
# The brightest of these values is a sixteenth of what 16 bits can hold.
# ``rescale="percentile"`` learns the range of each channel from a sample of the files,
# so that the brightness of cells remains comparable.

from sklearn_resnet import ImageLoader

loader = ImageLoader(mode="channels", rescale="percentile", lazy=True)
images = loader.fit_transform(paths)
print(images.shape, images.dtype, images.channel_names)
for name, (low, high) in zip(images.channel_names, loader.rescale_range_, strict=True):
    print(f"{name:12}  {low:4.0f} to {high:4.0f}")

# %%
# A row for each treatment, and a column for each channel:

import matplotlib.pyplot as plt

figure, grid = plt.subplots(4, 5, figsize=(7.5, 6.2), layout="constrained")
for treatment, row in zip(TREATMENTS, grid, strict=True):
    cell = images[list(y).index(treatment)]
    row[0].set_ylabel(treatment)
    for channel, ax in zip(np.moveaxis(cell, -1, 0), row, strict=True):
        ax.imshow(channel, cmap="gray", vmin=0, vmax=65535)
        ax.set(xticks=[], yticks=[])
for name, ax in zip(images.channel_names, grid[0], strict=True):
    ax.set_title(name)

# %%
# Features of each channel
# ------------------------
# The network sees each channel as a grey image. A classifier by the five nearest
# neighbours finds the treatment by the features of the mitochondria alone; the features
# of each of the other channels are as good as guessing.

from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_resnet import ResNetFeatures

resnet = ResNetFeatures(layers=51, channels="separate", weights="procedural")
features = resnet.fit_transform(images)
names = resnet.get_feature_names_out()
print(features.shape, names[0], "...", names[-1])


def score(features):
    """The accuracy of the five nearest neighbours."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_score(KNeighborsClassifier(5), features, y, cv=folds).mean()


for channel in resnet.channel_names_:
    is_of_channel = [name.startswith(f"{channel}_") for name in names]
    print(f"{channel:12}  {score(features[:, is_of_channel]):.3f}")
print(f"{'all':12}  {score(features):.3f}")

# %%
# Any other choice of channels takes the features from the cache, without another pass
# through the network: ``ImageLoader(mode="channels", channels=["DAPI", "golgi"])``.
#
# The map
# -------
# Thumbnails show the channels in colours that are added: DAPI in cyan, actin in
# magenta, tubulin in yellow, mitochondria in red and golgi in green.

from sklearn.decomposition import PCA

from sklearn_resnet import EmbeddingDisplay

xy = PCA(2, random_state=0).fit_transform(features)
EmbeddingDisplay.from_embedding(
    xy, y, images=images, thumbnails=True, title=f"200 cells: score {score(xy):.3f}"
)
