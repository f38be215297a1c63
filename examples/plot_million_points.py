"""
A million points
================

A page shows up to a million images. To keep this example short, it has 20,000; set
``N_PATCHES = 125_000`` for the million.
"""

# %%
# Many small images
# -----------------
# Patches of eight pictures from scikit-image, as from slides or satellites.

import numpy as np
import skimage.data

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import sample_patches

N_PATCHES = 2_500
KINDS = ("brick", "camera", "cell", "coins", "grass", "gravel", "page", "text")
X = np.concatenate(
    [
        sample_patches(getattr(skimage.data, kind)(), N_PATCHES, 24, random_state=0)
        for kind in KINDS
    ]
)
y = np.repeat(KINDS, N_PATCHES)
resnet = ResNetFeatures(layers=16, weights="procedural", image_size=24)
features = resnet.fit_transform(X)

# %%
# A map of a sample
# -----------------
# t-SNE and UMAP take long for a million points. Make the map of a sample, and place
# each other point between its nearest neighbours in the sample.

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsRegressor

reduced = PCA(20, random_state=0).fit_transform(features)
sample = np.random.default_rng(0).choice(len(X), 2_000, replace=False)
placed = TSNE(random_state=0).fit_transform(reduced[sample])
neighbors = KNeighborsRegressor(5, weights="distance").fit(reduced[sample], placed)
xy = neighbors.predict(reduced)

# %%
# A picture
# ---------
# More than 50,000 points are drawn as their density. Here we ask for it.

from sklearn_resnet import EmbeddingDisplay

display = EmbeddingDisplay.from_embedding(
    xy, y, images=X, density=True, title=f"{len(X):,} patches"
)

# %%
# A page
# ------
# Zoom in: the page draws thumbnails as soon as there is room for them. A widget
# (``display.explore()``) gets them from the kernel when they come into view.
#
# With more points, three things change. Beyond 200,000 points, the page has no nearest
# neighbours. A page beyond 200 MB keeps its thumbnails in a folder beside it. And while
# you move a map of many points, some of them are left out.

import tempfile
from pathlib import Path

page = Path(tempfile.mkdtemp()) / "patches.html"
display.to_html(page, title=f"{len(X):,} patches")
print(f"{page.stat().st_size / 1e6:.1f} MB")
