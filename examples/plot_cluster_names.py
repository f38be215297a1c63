"""
Names on a map
==============

A map of unlabelled images shows groups, but not of what. With ``names="clusters"``, the
map names them at several levels of detail, and shows the most typical images of each.
"""

# %%
# A map
# -----
# The digits of scikit-learn. UMAP does not see the labels.

from umap import UMAP

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
features = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit_transform(
    X
)
xy = UMAP(min_dist=0.3, random_state=0, n_jobs=1).fit_transform(features)

# %%
# Without labels
# --------------
# The clusters have numbers: "2.1" lies in "cluster 2". The large images are those of the
# coarse clusters; the small ones show how their parts differ. Points outside of all
# coarse clusters are grey.

import matplotlib.pyplot as plt

from sklearn_resnet import EmbeddingDisplay

_, ax = plt.subplots(figsize=(9, 7), layout="constrained")
display = EmbeddingDisplay.from_embedding(
    xy, images=X, names="clusters", thumbnails=True, ax=ax
)

# %%
# With labels
# -----------
# The label of most points names a cluster. A number in brackets counts clusters of the
# same digit: people write some digits in more than one way.

_, ax = plt.subplots(figsize=(9, 7), layout="constrained")
display = EmbeddingDisplay.from_embedding(
    xy, y, images=X, names="clusters", thumbnails=True, ax=ax
)

# %%
# Names alone
# -----------
# In a small figure, fewer names find a place.

_, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, labels, title in zip(axes, (None, y), ("Numbers", "Labels"), strict=True):
    EmbeddingDisplay.from_embedding(xy, labels, names="clusters", title=title, ax=ax)
