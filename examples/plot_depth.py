"""
Find the best layer for your images
===================================

The layer at which you cut a network is a parameter that `GridSearchCV` can search.
Here, a classifier predicts the picture that a patch comes from. The whole search costs
one pass of the images through the network.
"""

# %%
# The images
# ----------
# The images are grey patches of sixteen pictures from scikit-image. Neighbouring
# patches overlap. To avoid leakage, all patches from one quarter of a picture are in
# the same fold.

import numpy as np
import skimage.data
from skimage.color import rgb2gray

from sklearn_resnet.datasets import sample_patches

PICTURES = ["astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass"]
PICTURES += ["gravel", "hubble_deep_field", "immunohistochemistry", "moon", "page"]
PICTURES += ["retina", "rocket", "text"]
patches, y, quarters = [], [], []
for name in PICTURES:
    picture = getattr(skimage.data, name)()
    if picture.ndim == 3:
        picture = (rgb2gray(picture) * 255).astype(np.uint8)
    for i, quarter in enumerate(np.array_split(picture, 4, axis=1)):
        patches.append(sample_patches(quarter, 30, 32, random_state=i))
        y += [name] * 30
        quarters += [i] * 30
X = np.concatenate(patches)
print(X.shape)

# %%
# The search
# ----------
# ``tap_layers`` lists the layers of the grid. The first pass caches the features of all
# of them. The end of a block is a good place for a cut.

from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures, list_layers

layers = list_layers()
blocks = layers[layers["name"].str.endswith("_out") & (layers["index"] <= 85)]
depths = [4, *blocks["index"].tolist(), 82]
pipe = make_pipeline(
    ResNetFeatures(weights="procedural", tap_layers=depths),
    StandardScaler(),
    RidgeClassifier(),
)
grid = {"resnetfeatures__layers": depths, "ridgeclassifier__alpha": [1, 10, 100]}
search = GridSearchCV(pipe, grid, cv=GroupKFold(4)).fit(X, y, groups=quarters)
print(search.best_params_, f"{search.best_score_:.3f}")

# %%
# For comparison, the same classifier on the pixels:

ridge = make_pipeline(StandardScaler(), RidgeClassifier(1000))
pixels = X.reshape(len(X), -1)
scores = cross_val_score(ridge, pixels, y, cv=GroupKFold(4), groups=quarters)
print(f"pixels {scores.mean():.3f}")

# %%
# The curve
# ---------
# The display marks the best layer, and the cheapest layer within one standard error of
# it. The labels give their widths and costs.

display = LayerSearchDisplay.from_search(search, title="Which picture is a patch from?")
print(display.best_layer_, display.cheapest_layer_)
