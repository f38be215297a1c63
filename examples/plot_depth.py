"""
Find the best layer and image size
==================================

The layer at which you cut a network and the size at which images enter it decide how
good the features are. Here, a classifier predicts the picture that a patch comes from,
at several layers and sizes.
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
        patches.append(sample_patches(quarter, 12, 32, random_state=i))
        y += [name] * 12
        quarters += [i] * 12
X = np.concatenate(patches)
print(X.shape)

# %%
# The search
# ----------
# The network runs once for each size, and computes the features of all layers in the
# same pass. ``groups`` keeps the patches of a quarter in one fold. The end of a block is
# a good place for a cut.

from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures

ridge = make_pipeline(StandardScaler(), RidgeClassifier(100))
display = LayerSearchDisplay.from_estimator(
    make_pipeline(ResNetFeatures(weights="procedural"), ridge),
    X,
    y,
    layers=[16, 39, 51, 73, 85],
    image_sizes=[24, 32, 48, 64],
    groups=quarters,
    cv=GroupKFold(4),
    scoring="accuracy",
    nested=GroupKFold(3),
    title="Which picture is a patch from?",
)

# %%
# The outlined cells are the best one, and the cheapest one within one standard error of
# it. The dots mark the Pareto front: no other cell has a better score at the same or a
# lower cost. The nested score is that of the whole search, on patches that had no part
# in the choice of the layer and the size.
#
# For comparison, the same classifier on the pixels:

pixels = X.reshape(len(X), -1)
scores = cross_val_score(ridge, pixels, y, cv=GroupKFold(4), groups=quarters)
print(f"pixels {scores.mean():.3f}")

# %%
# The candidates as a table
# -------------------------
# The difference to the best candidate is measured over the same folds. A candidate
# whose interval includes 0 may be as good as the best one.

columns = [
    "layer",
    "image_size",
    "gflop",
    "mean_score",
    "difference_low",
    "difference_high",
]
candidates = display.to_frame()
print(candidates.nlargest(8, "mean_score")[columns].round(3).to_string(index=False))

# %%
# The curves
# ----------
# The same scores against the depth, a curve for each size:

display.plot(kind="curves")
