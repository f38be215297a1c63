"""
From folders of photos to a classifier
======================================

Photos lie in folders, and the folders say what they show. One pipeline reads the files,
computes features and classifies; a confusion matrix says what it mixes up.
"""

# %%
# The folders
# -----------
# ``photos/train/brick/0.jpg`` and so on. If you have some, skip this: it cuts pictures
# that come with scikit-image into patches, those to learn from out of the left half of
# a picture and those to test out of the right, so that none overlap.

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
# It takes paths and gives names. ``mode="L"`` reads in grey, lest colour alone tell the
# pictures apart.

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
# The same without the network: the pixels, by the same classifier.

pixels = make_pipeline(
    ImageLoader(size=16, mode="L"),
    FunctionTransformer(lambda images: images.reshape(len(images), -1)),
    StandardScaler(),
    LogisticRegression(C=0.01, max_iter=1000),
)
print(f"pixels   {pixels.fit(paths, y).score(test_paths, test_y):.3f}")

# %%
# What is mixed up?
# -----------------

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
ax.set_title("40 photos of each kind, of parts not seen before")

# %%
# One file
# --------
# The fitted pipeline takes any path.

print(pipe.predict([test_paths[0]]), test_paths[0][-len("brick/0.jpg") :])
