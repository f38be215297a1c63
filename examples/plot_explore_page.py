"""
A page to explore
=================

``to_html`` writes a map as one file that opens in a browser without a network: point at
a dot to see its image and its nearest neighbours, draw around some to see them side by
side, colour by what is known.
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
# Neighbours are those by ``features``, not by the place on the map. What nearest
# neighbours say each digit is, by five folds, comes as another column to colour by: the
# errors are then easy to find, and to look at.

import tempfile
from pathlib import Path

import numpy as np
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

guess = cross_val_predict(KNeighborsClassifier(5), components, y)
labels = {"digit": y, "guess": guess, "right": np.where(guess == y, "yes", "no")}
print((guess != y).sum(), "of", len(y), "guessed wrong")
page = Path(tempfile.mkdtemp()) / "digits.html"
display.to_html(
    page, images=X, labels=labels, features=components, title="1,797 digits"
)
print(f"{page.stat().st_size / 1e6:.1f} MB")
