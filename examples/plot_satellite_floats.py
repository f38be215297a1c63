"""
A satellite scene of floats
===========================

The bands of a satellite have physical units: reflectances far below 1, and kelvins
around 300. Parts of a scene have no data. ``rescale="percentile"`` learns the range of
each band from the pixels that have data, and shows the rest as black.
"""

# %%
# The scene
# ---------
# The scene is simulated: five kinds of land with reflectances in five bands and a
# temperature, under haze, and a strip without data. The plants have nearly one colour. It is cut into tiles of 32 x 32
# pixels. Each is a TIFF of floats, with the names of its bands and the value of no data
# as GDAL writes them.

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

BANDS = ["blue", "green", "red", "nir", "swir", "thermal"]
LANDS = {
    "water": (0.06, 0.05, 0.03, 0.02, 0.01, 288),
    "forest": (0.04, 0.06, 0.05, 0.30, 0.12, 290),
    "crops": (0.04, 0.07, 0.05, 0.40, 0.20, 292),
    "dry crops": (0.05, 0.07, 0.06, 0.38, 0.30, 298),
    "soil": (0.10, 0.13, 0.16, 0.24, 0.32, 302),
}
N_TILES, SIDE, NO_DATA = 24, 32, -9999
rng = np.random.default_rng(0)


def make_noise(scale):
    """Smooth noise of variance 1 over the scene."""
    noise = rng.standard_normal((N_TILES * SIDE, N_TILES * SIDE), dtype=np.float32)
    noise = gaussian_filter(noise, scale, mode="wrap")
    return noise / noise.std()


land = np.argmax([make_noise(40) for _ in LANDS], axis=0)
texture = np.where(land == 0, 0.05, 0.25) * make_noise(1.5)
scene = np.array(list(LANDS.values()), np.float32)[land]
scene[..., :5] *= (
    1 + texture[..., None] + 0.05 * rng.standard_normal(scene[..., :5].shape)
)
scene[..., :3] += 0.02 * np.exp(make_noise(60))[..., None]  # haze
scene[..., 5] += 2 * texture + make_noise(50)
rows, columns = np.indices(land.shape)
scene[columns + rows // 3 < 150] = NO_DATA

gdal = "".join(
    f'<Item name="DESCRIPTION" sample="{i}" role="description">{band}</Item>'
    for i, band in enumerate(BANDS)
)
tags = [(42112, "s", 0, f"<GDALMetadata>{gdal}</GDALMetadata>", True)]
tags += [(42113, "s", 0, str(NO_DATA), True)]
folder = Path(tempfile.mkdtemp())
paths, places = [], []
for row, column in np.ndindex(N_TILES, N_TILES):
    area = np.s_[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
    tile = np.moveaxis(scene[area], -1, 0)
    if (tile == NO_DATA).mean() < 0.5:
        places.append((row, column))
        paths.append(folder / f"{row}-{column}.tif")
        tifffile.imwrite(
            paths[-1],
            tile,
            photometric="minisblack",
            planarconfig="separate",
            extratags=tags,
            metadata=None,
        )
print(len(paths), "tiles, of them with gaps:", end=" ")
print(sum((tifffile.imread(path) == NO_DATA).any() for path in paths))

# %%
# Two ways to read it
# -------------------
# With three ``channels``, ``mode="RGB"`` makes false-colour images. Infrared shown as
# red is how one looks at vegetation.

from sklearn_resnet import ImageLoader

infrared = ImageLoader(
    mode="RGB", channels=["nir", "red", "green"], rescale="percentile"
)
false_color = infrared.fit_transform(paths)
print(false_color.shape, false_color.dtype)

# %%
# ``mode="channels"`` reads all bands as floats. The learned ranges are in the units of
# the file, and do not contain the value of no data.

loader = ImageLoader(mode="channels", rescale="percentile", lazy=True)
images = loader.fit_transform(paths)
print(images.shape, images.dtype)
for name, (low, high) in zip(images.channel_names, loader.rescale_range_, strict=True):
    print(f"{name:8} {low:8.3f} to {high:8.3f}")

# %%
# The kind of land
# ----------------
# A linear model predicts the kind of land of most pixels of a tile. Strips of the scene
# are the folds, so that the neighbours of a tile do not give its kind away. A haze that
# varies makes the visible bands alone ambiguous.

from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ResNetFeatures

places = np.array(places)
kinds = land.reshape(N_TILES, SIDE, N_TILES, SIDE).swapaxes(1, 2)
y = np.array(
    [np.bincount(kinds[row, column].ravel()).argmax() for row, column in places]
)
folds = {"cv": GroupKFold(6), "groups": places[:, 1] // 4}
ridge = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(1, 6, 11)))


def predict(images, channels=None):
    """Predict the kind of each tile by a model of the tiles in other strips."""
    resnet = ResNetFeatures(layers=51, channels=channels, weights="procedural")
    return cross_val_predict(ridge, resnet.fit_transform(images), y, **folds)


visible = ImageLoader(channels=["red", "green", "blue"], rescale="percentile")
print(f"red, green, blue     {(predict(visible.fit_transform(paths)) == y).mean():.3f}")
found = predict(images, "separate")
print(f"six separate bands   {(found == y).mean():.3f}")

# %%
# The scene in false colours, its kinds of land and the predictions:

import matplotlib.pyplot as plt


def put_together(tiles, fill):
    """Lay out one value or image for each tile, as in the scene."""
    grid = np.full((N_TILES, N_TILES, *tiles.shape[1:]), fill, tiles.dtype)
    grid[tuple(places.T)] = tiles
    return grid


figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(10, 3.6), layout="constrained"
)
picture = put_together(false_color, 0).swapaxes(1, 2).reshape(*land.shape, 3)
left.imshow(picture)
left.set_title("infrared, red, green")
for ax, values, title in ((middle, y, "kind of land"), (right, found, "prediction")):
    values = put_together(values.astype(float), np.nan)
    ax.imshow(values, cmap="Set2", interpolation="nearest")
    ax.set_title(title)
for ax in (left, middle, right):
    ax.set_axis_off()
