"""
How far to believe a map
========================

A map in two dimensions loses most of what the features say. `compare_embeddings`
measures how much, if you pass the ``features``.
"""

# %%
# Three maps of the same features
# -------------------------------
# The last one is of nothing: its points are shuffled.

import numpy as np
from sklearn.decomposition import PCA
from umap import UMAP

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
features = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit_transform(
    X
)
umap = UMAP(min_dist=0.3, random_state=0, n_jobs=1).fit_transform(features)
maps = {
    "PCA": PCA(2, random_state=0).fit_transform(features),
    "UMAP": umap,
    "shuffled": np.random.default_rng(0).permutation(umap),
}

# %%
# The scores
# ----------
# The title of each map states how many of the 10 nearest neighbours of a digit, by
# features, are among its 10 nearest points on the map. The trustworthiness asks the
# reverse: are the neighbours on the map also neighbours by features? A random map has
# 0.5.

from sklearn_resnet import compare_embeddings

found = compare_embeddings(maps, y, features=features)
print(found.scores[["neighborhood_preservation", "trustworthiness"]].round(3))

# %%
# What they mean
# --------------
# UMAP separates the digits, and points that are close on its map are similar. Yet it
# loses more than half of the neighbours: to find similar images, use the features. The
# longer the list of neighbours, the more of it a map keeps.

import matplotlib.pyplot as plt

counts = [3, 10, 30, 100]
kept = []
for n in counts:
    compared = compare_embeddings(maps, y, features=features, n_neighbors=n)
    plt.close(compared.figure)
    kept.append(compared.scores["neighborhood_preservation"])

_, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
for name in maps:
    ax.plot(counts, [shares[name] for shares in kept], marker="o", label=name)
ax.set(xscale="log", ylim=(0, 1), xlabel="Nearest neighbours", ylabel="Share kept")
ax.set_xticks(counts, map(str, counts), minor=False)
ax.legend()
