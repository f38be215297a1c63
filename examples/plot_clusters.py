"""
Clusters, and names for them
============================

Few images have labels, most have none. Cluster all, look at each cluster, and name it
by the few labels in it: forty labels name 1,797 digits.
"""

# %%
# Features, and clusters of them
# ------------------------------
# HDBSCAN finds how many clusters there are, on a map of the features; what lies between
# them it leaves out.

import numpy as np
from sklearn.cluster import HDBSCAN
from umap import UMAP

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
pixels = X.reshape(len(X), -1) / 255
features = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit_transform(
    X
)
maps = {
    name: UMAP(min_dist=0.3, random_state=0, n_jobs=1).fit_transform(table)
    for name, table in {"pixels": pixels, "features": features}.items()
}
clusters = {
    name: HDBSCAN(min_cluster_size=30, copy=True).fit_predict(xy)
    for name, xy in maps.items()
}

# %%
# Names
# -----
# Forty digits are looked at. The majority in a cluster names it; a cluster in which
# none was looked at stays without a name, and so do the points in no cluster. A
# classifier that learns of the same forty digits does without clusters.

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

looked_at = np.random.default_rng(0).choice(len(y), 40, replace=False)


def name_clusters(found):
    """The digit that each point is named after; -1 if none."""
    names = np.full(len(found), -1)
    for cluster in np.unique(found[found >= 0]):
        labels = y[looked_at][found[looked_at] == cluster]
        if len(labels):
            names[found == cluster] = np.bincount(labels).argmax()
    return names


for name, table in {"pixels": pixels, "features": features}.items():
    found = clusters[name]
    right = (name_clusters(found) == y).mean()
    print(f"{name:8}  {found.max() + 1} clusters, ", end="")
    print(f"adjusted Rand index {adjusted_rand_score(y, found):.3f}")
    print(f"          right by the names of clusters {right:.3f}")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(table[looked_at], y[looked_at])
    print(
        f"          right by a classifier of the forty {classifier.score(table, y):.3f}"
    )

# %%
# Look at them
# ------------
# Left, the map with the names. Right, a row of images of each cluster: those that were
# looked at need not be many, if each row is of one kind.

import matplotlib.pyplot as plt

from sklearn_resnet import EmbeddingDisplay

xy, found = maps["features"], clusters["features"]
names = name_clusters(found)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
labels = ["no name" if name < 0 else str(name) for name in names]
EmbeddingDisplay.from_embedding(
    xy, labels, ax=left, legend="islands", title="Names by majority"
)
rng = np.random.default_rng(0)
n_clusters = found.max() + 1
members = [
    rng.choice(np.flatnonzero(found == cluster), 12) for cluster in range(n_clusters)
]
strips = [np.pad(np.hstack(list(X[rows])), ((1, 1), (0, 0))) for rows in members]
right.imshow(np.vstack(strips), cmap="gray_r")
right.set_yticks(
    10 * np.arange(n_clusters) + 4.5, [labels[rows[0]] for rows in members]
)
right.set(xticks=[], title="Twelve images of each cluster")
right.tick_params(left=False)
right.spines[:].set_visible(False)
