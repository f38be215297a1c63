"""
Label many images from a few
============================

Labels are expensive. Here, you label forty digits by hand and cluster all 1,797. The
labels in a cluster then name all of its images.
"""

# %%
# Features and clusters
# ---------------------
# HDBSCAN runs on a map of the features. It finds the number of clusters, and leaves out
# points between them.

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
# The majority of the labels in a cluster names it. A cluster without labels gets no
# name, and neither do the points outside all clusters. For comparison, a classifier
# learns from the same forty digits without clusters.

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

labelled = np.random.default_rng(0).choice(len(y), 40, replace=False)


def name_clusters(found):
    """The name of each point, -1 if it has none."""
    names = np.full(len(found), -1)
    for cluster in np.unique(found[found >= 0]):
        labels = y[labelled][found[labelled] == cluster]
        if len(labels):
            names[found == cluster] = np.bincount(labels).argmax()
    return names


for name, table in {"pixels": pixels, "features": features}.items():
    found = clusters[name]
    right = (name_clusters(found) == y).mean()
    print(f"{name:8}  {found.max() + 1} clusters, ", end="")
    print(f"adjusted Rand index {adjusted_rand_score(y, found):.3f}")
    print(f"          accuracy of the cluster names {right:.3f}")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(table[labelled], y[labelled])
    print(f"          accuracy of the classifier {classifier.score(table, y):.3f}")

# %%
# The clusters
# ------------
# The map on the left shows the names. Each row on the right shows twelve images of one
# cluster. If all images in a row are the same digit, a few labels are enough.

import matplotlib.pyplot as plt

from sklearn_resnet import EmbeddingDisplay

xy, found = maps["features"], clusters["features"]
names = name_clusters(found)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.5), layout="constrained")
labels = ["no name" if name < 0 else str(name) for name in names]
EmbeddingDisplay.from_embedding(
    xy, labels, ax=left, legend="on data", title="Names by majority"
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
