"""
A map of digits
===============

This is the shortest way from images to a map: compute the features of a ResNet, reduce
them to two dimensions by UMAP, and draw the points. The score of a map is the accuracy
of a classifier by the ten nearest points.
"""

# %%
# The images
# ----------
# scikit-learn includes 1,797 digits of 8 x 8 pixels.

from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
print(X.shape, X.dtype)

# %%
# Features
# --------
# ``image_size=32`` enlarges the digits, so that their strokes are as thick as those in
# the training images of the weights. Layer 85 suits digits: deeper layers cost more and
# are no better. It has 512 features.

from sklearn_resnet import ResNetFeatures

features = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit_transform(
    X
)
print(features.shape, features.dtype)

# %%
# The map
# -------
# The map was computed without the labels; they only colour the points.

from umap import UMAP

from sklearn_resnet import EmbeddingDisplay

umap = UMAP(min_dist=0.5, random_state=0, n_jobs=1)
xy = umap.fit_transform(features)
EmbeddingDisplay.from_embedding(
    xy, y, title="1,797 digits: UMAP of the features at layer 85", legend="on data"
)

# %%
# Scores
# ------
# For comparison, the scores of two maps of the pixels. These digits are clean and
# centred, so UMAP of the pixels is nearly as good as UMAP of the features. Two
# principal components are worse.

from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

pixels = X.reshape(len(X), -1)
maps = {
    "PCA of the pixels": PCA(2, random_state=0).fit_transform(pixels),
    "UMAP of the pixels": umap.fit_transform(pixels),
    "UMAP of layer 85": xy,
}
folds = StratifiedKFold(5, shuffle=True, random_state=0)
for name, points in maps.items():
    accuracy = cross_val_score(KNeighborsClassifier(10), points, y, cv=folds).mean()
    print(f"{name:18}  {accuracy:.3f}")
