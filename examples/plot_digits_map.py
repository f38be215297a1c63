"""
A map of digits
===============

The shortest way from images to a picture: features of a ResNet, two dimensions by UMAP,
and a display. What is drawn is scored, too: how often do the ten nearest points on the
map tell which digit a point is?
"""

# %%
# The images
# ----------
# 1,797 digits of 8 x 8 pixels come with scikit-learn.

from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
print(X.shape, X.dtype)

# %%
# Features
# --------
# ``image_size=32`` enlarges the digits: strokes are then as thick as those that the
# weights were trained on. Layer 85 is as deep as these weights go, and gives 512
# features.

from sklearn_resnet import ResNetFeatures

features = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit_transform(
    X
)
print(features.shape, features.dtype)

# %%
# The map
# -------
# UMAP sees no label: the colours are added afterwards.

from umap import UMAP

from sklearn_resnet import EmbeddingDisplay

umap = UMAP(min_dist=0.5, random_state=0, n_jobs=1)
xy = umap.fit_transform(features)
EmbeddingDisplay.from_embedding(
    xy, y, title="1,797 digits: UMAP of the features at layer 85", legend="islands"
)

# %%
# How good is it?
# ---------------
# Beside it, the same of the pixels. On digits that are as clean and as centred as
# these, UMAP does nearly as well without a network; two principal components do not.

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
