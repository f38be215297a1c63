"""
An interactive page
===================

``to_html`` writes a map to one file, which opens in a browser offline. Hover over a
point to see its image and nearest neighbours. Select points to see their images side by
side. Colour the points by any label.
"""

# %%
# A map
# -----

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklearn_resnet import EmbeddingDisplay, ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
features = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit_transform(
    X
)
components = PCA(50, random_state=0).fit_transform(features)
xy = TSNE(random_state=0).fit_transform(components)
display = EmbeddingDisplay.from_embedding(
    xy, y, title="1,797 digits: t-SNE of layer 85"
)

# %%
# The page
# --------
# ``features`` are used to measure the distance between neighbours; without them, it is
# the distance on the map. The page can colour the points by each column of ``labels``.
# Here, one column contains the predictions of a classifier, so that you can find and
# view its errors.

import tempfile
from pathlib import Path

import numpy as np
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

guess = cross_val_predict(KNeighborsClassifier(5), components, y)
labels = {"digit": y, "predicted": guess, "correct": np.where(guess == y, "yes", "no")}
print((guess != y).sum(), "of", len(y), "predictions are wrong")
page = Path(tempfile.mkdtemp()) / "digits.html"
display.to_html(
    page, images=X, labels=labels, features=components, title="1,797 digits"
)
print(f"{page.stat().st_size / 1e6:.1f} MB")
