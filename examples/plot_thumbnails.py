"""
A map of thumbnails
===================

A map of dots shows clusters, but not the images in them. ``thumbnails=True`` draws as
many images as fit without overlap. The colour of a frame shows the label.
"""

# %%
# The photos
# ----------
# The images are patches of the two photos in scikit-learn, a temple and a flower. Each
# photo has a folder.

import tempfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

from sklearn_resnet.datasets import load_image_folder, sample_patches

photos = Path(tempfile.mkdtemp())
for name, photo in zip(["temple", "flower"], load_sample_images().images, strict=True):
    (photos / name).mkdir()
    for i, patch in enumerate(sample_patches(photo, 250, 80, random_state=0)):
        Image.fromarray(patch).save(photos / name / f"{i}.png")
paths, y = load_image_folder(photos, return_X_y=True)

# %%
# The map
# -------
# The pipeline turns paths into two columns. `EmbeddingDisplay.from_estimator` takes the
# images from the paths.

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline

from sklearn_resnet import EmbeddingDisplay, ImageLoader, ResNetFeatures

pipe = make_pipeline(
    ImageLoader(size=80),
    ResNetFeatures(layers="conv3", weights="procedural"),
    PCA(50, random_state=0),
    TSNE(random_state=0),
)
display = EmbeddingDisplay.from_estimator(
    pipe, paths, y, thumbnails=True, title="500 patches of two photos"
)
print(len(display.thumbnails_), "of", len(paths), "images drawn")

# %%
# The sky, the roofs and the trees of the temple form separate clusters. The score of the
# map is the accuracy of a classifier by the ten nearest points.

from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores = cross_val_score(KNeighborsClassifier(10), display.embedding, y, cv=folds)
print(f"features {scores.mean():.3f}")
pixels = ImageLoader(size=20).fit_transform(paths).reshape(len(paths), -1) / 255
xy = TSNE(random_state=0).fit_transform(PCA(50, random_state=0).fit_transform(pixels))
print(
    f"pixels   {cross_val_score(KNeighborsClassifier(10), xy, y, cv=folds).mean():.3f}"
)
