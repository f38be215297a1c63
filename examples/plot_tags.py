"""
Label images with tags
======================

Unlabelled images need labels before a classifier can learn. Tag whole clusters first,
then the images that the classifier is least sure of.
"""

# %%
# A map without labels
# --------------------
# The digits of scikit-learn. Only the person who looks at them knows what they show;
# here, ``y`` takes that person's place.

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklearn_resnet import EmbeddingDisplay, ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
resnet = ResNetFeatures(layers=85, weights="procedural", image_size=32)
features = PCA(50, random_state=0).fit_transform(resnet.fit_transform(X))
xy = TSNE(random_state=0).fit_transform(features)
widget = EmbeddingDisplay(xy, images=X).explore(features=features, title="Digits")

# %%
# Tag the clusters
# ----------------
# In the widget, select a cluster with the lasso, type a tag and press Enter. From
# Python, assign an array: the tag of each row, or None. Here, the person looks at one
# image of each cluster, the one nearest to its middle, and tags all the others like it.

import numpy as np
from sklearn.cluster import HDBSCAN

clusters = HDBSCAN(min_cluster_size=20, copy=True).fit_predict(xy)
tags = widget.tags.copy()
for k in range(clusters.max() + 1):
    rows = np.flatnonzero(clusters == k)
    distances = np.linalg.norm(xy[rows] - np.median(xy[rows], axis=0), axis=1)
    tags[rows] = str(y[rows[distances.argmin()]])
widget.tags = tags
widget.color_by = "tag"
print(clusters.max() + 1, "images seen,", np.sum(tags != None), "tagged")  # noqa: E711
widget

# %%
# Learn from the tags
# -------------------
# The tags are the labels of a classifier. Of the others it is judged by ``y``.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def learn(tags):
    """Fit a classifier to the tagged rows, and print its accuracy on all rows."""
    known = np.array([tag is not None for tag in tags])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(features[known], tags[known].astype(str))
    accuracy = np.mean(model.predict(features) == y.astype(str))
    print(f"{known.sum()} tags: {accuracy:.3f} of all digits are right")
    return model


model = learn(widget.tags)

# %%
# Ask for the doubtful ones
# -------------------------
# Some clusters hold more than one digit. The classifier selects the images that it is
# least sure of, and the person looks at each of them.

widget.selection = np.argsort(model.predict_proba(features).max(1))[:50]
tags = widget.tags.copy()
tags[widget.selection] = widget.selected(y).astype(str)
widget.tags = tags
model = learn(widget.tags)
widget

# %%
# Keep the tags
# -------------
# "Save tags" in the widget writes a CSV file with the columns ``index``, ``path`` and
# ``tag``, and "Load tags" reads it. The same in Python, for the next session:

import tempfile
from pathlib import Path

import pandas as pd

path = Path(tempfile.mkdtemp()) / "tags.csv"
table = pd.DataFrame({"index": range(len(y)), "tag": widget.tags}).dropna()
table.to_csv(path, index=False)

table = pd.read_csv(path, dtype={"tag": str})
tags = np.full(len(y), None)
tags[table["index"]] = table["tag"]
again = EmbeddingDisplay(xy, images=X).explore(features=features, tags=tags)
print(np.array_equal(again.tags, widget.tags))
