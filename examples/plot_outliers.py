"""
Find outliers
=============

A folder contains 200 photos of gravel and ten photos of other things.
`LocalOutlierFactor` finds images that differ from their neighbours, without labels. The
features define how similar two images are.
"""

# %%
# The folder
# ----------

import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from sklearn_resnet.datasets import load_image_folder, sample_patches

folder = Path(tempfile.mkdtemp())
for i, patch in enumerate(
    sample_patches(skimage.data.gravel(), 200, 64, random_state=0)
):
    Image.fromarray(patch).save(folder / f"gravel-{i:03}.png")
for i, name in enumerate(["brick", "camera", "cell", "coins", "grass"]):
    patches = sample_patches(getattr(skimage.data, name)(), 2, 64, random_state=i)
    for j, patch in enumerate(patches):
        Image.fromarray(patch).save(folder / f"{name}-{j}.png")
paths = load_image_folder(folder).data
is_other = np.array(["gravel" not in path for path in paths])
print(len(paths), "photos,", is_other.sum(), "of other things")

# %%
# Outlier scores
# --------------
# The average precision is 1 if all ten outliers rank before any gravel.

from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score
from sklearn.neighbors import LocalOutlierFactor

from sklearn_resnet import ImageLoader, ResNetFeatures

images = ImageLoader(size=64, mode="L").fit_transform(paths)
features = ResNetFeatures(layers="conv3", weights="procedural").fit_transform(images)
pixels = images.reshape(len(images), -1) / 255
tables = {
    "pixels": pixels,
    "PCA of the pixels": PCA(20, random_state=0).fit_transform(pixels),
    "features": features,
}
for name, table in tables.items():
    factors = -LocalOutlierFactor(n_neighbors=20).fit(table).negative_outlier_factor_
    forest = -IsolationForest(random_state=0).fit(table).score_samples(table)
    scores = [average_precision_score(is_other, score) for score in (factors, forest)]
    print(f"{name:18}  LocalOutlierFactor {scores[0]:.2f}, ", end="")
    print(f"IsolationForest {scores[1]:.2f}")

# %%
# The top outliers
# ----------------
# The twenty photos with the largest outlier factors of the features. Frames mark the
# photos of other things.

import matplotlib.pyplot as plt

factors = -LocalOutlierFactor(n_neighbors=20).fit(features).negative_outlier_factor_
figure, axes = plt.subplots(2, 10, figsize=(10, 2.6), layout="constrained")
for ax, i in zip(axes.flat, np.argsort(-factors), strict=False):
    ax.imshow(images[i], cmap="gray", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{factors[i]:.2f}", fontsize=9)
    ax.spines[:].set(color="#D55E00", linewidth=3, visible=is_other[i])
figure.suptitle("Photos by decreasing local outlier factor", fontsize=11)
