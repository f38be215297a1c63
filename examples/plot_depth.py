"""
Which depth suits my images?
============================

How deep a network is cut is a parameter like any other: `GridSearchCV` finds it. Here
the images are patches of pictures, and the question is which picture a patch comes
from. All depths, all settings and all folds cost one pass of the images through the
network.
"""

# %%
# The images
# ----------
# Patches of sixteen of scikit-image's pictures, in grey. Those of one quarter of a
# picture are never in two folds: neighbours overlap, and would give the answer away.

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
# ``tap_layers`` says which depths are wanted: the first pass leaves the features of
# them all in the cache. The end of each block is a good place for a cut.

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
# The simple way, for comparison: the same classifier on the pixels.

ridge = make_pipeline(StandardScaler(), RidgeClassifier(1000))
pixels = X.reshape(len(X), -1)
scores = cross_val_score(ridge, pixels, y, cv=GroupKFold(4), groups=quarters)
print(f"pixels {scores.mean():.3f}")

# %%
# The curve
# ---------
# The best depth, and the cheapest that is as good within one standard error, with its
# width and cost above.

display = LayerSearchDisplay.from_search(search, title="Which picture is a patch from?")
print(display.best_layer_, display.cheapest_layer_)
