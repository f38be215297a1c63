"""
From folders of photos to a classifier
======================================

The photos are in one folder per class. A pipeline reads the files, computes features
and classifies them. A confusion matrix shows the errors.
"""

# %%
# The folders
# -----------
# This cell makes folders such as ``photos/train/brick/0.jpg``, from patches of pictures
# of scikit-image. Training patches come from the left half of a picture, test patches
# from the right half, so that they do not overlap. Skip this cell if you have photos of
# your own.

import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from sklearn_resnet.datasets import sample_patches

KINDS = ("brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "moon", "text")
photos = Path(tempfile.mkdtemp())
for kind in KINDS:
    picture = getattr(skimage.data, kind)()
    halves = np.array_split(picture, 2, axis=1)
    for part, half in zip(("train", "test"), halves, strict=True):
        folder = photos / part / kind
        folder.mkdir(parents=True)
        for i, patch in enumerate(sample_patches(half, 40, 64, random_state=0)):
            Image.fromarray(patch).convert("L").save(folder / f"{i}.jpg")

# %%
# The pipeline
# ------------
# The pipeline predicts class names from paths. ``mode="L"`` reads the photos in grey,
# because colour alone would separate the classes.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.datasets import load_image_folder

paths, y = load_image_folder(photos / "train", return_X_y=True)
test_paths, test_y = load_image_folder(photos / "test", return_X_y=True)
pipe = make_pipeline(
    ImageLoader(size=64, mode="L"),
    ResNetFeatures(layers="conv3", weights="procedural"),
    StandardScaler(),
    LogisticRegression(C=0.01, max_iter=1000),
)
pipe.fit(paths, y)
print(f"features {pipe.score(test_paths, test_y):.3f}")

# %%
# For comparison, the same classifier on the pixels, without the network:

pixels = make_pipeline(
    ImageLoader(size=16, mode="L"),
    FunctionTransformer(lambda images: images.reshape(len(images), -1)),
    StandardScaler(),
    LogisticRegression(C=0.01, max_iter=1000),
)
print(f"pixels   {pixels.fit(paths, y).score(test_paths, test_y):.3f}")

# %%
# Confusion matrix
# ----------------

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay

figure, ax = plt.subplots(figsize=(6.5, 6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    test_y,
    pipe.predict(test_paths),
    ax=ax,
    cmap="Blues",
    colorbar=False,
    xticks_rotation=45,
)
ax.set_title("40 test photos per class")

# %%
# One file
# --------
# The fitted pipeline accepts any path.

print(pipe.predict([test_paths[0]]), test_paths[0][-len("brick/0.jpg") :])
