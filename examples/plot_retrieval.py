"""
Find similar images
===================

Image retrieval finds the images of a collection that are most similar to a new photo.
In Python, use `NearestNeighbors` of scikit-learn; on the command line, use
``embedding similar``. The score is the precision at 10: the share of the first ten
results that belong to the class of the query.
"""

# %%
# A collection and queries
# ------------------------
# The images are patches of pictures from scikit-image. The collection comes from the
# left halves, the queries from the right halves.

import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from sklearn_resnet.datasets import load_image_folder, sample_patches

KINDS = ("brick", "camera", "cat", "clock", "coins", "grass", "gravel", "moon", "text")
folder = Path(tempfile.mkdtemp())
for kind in KINDS:
    picture = getattr(skimage.data, kind)()
    halves = np.array_split(picture, 2, axis=1)
    for part, half in zip(("collection", "queries"), halves, strict=True):
        target = folder / part / kind
        target.mkdir(parents=True)
        for i, patch in enumerate(sample_patches(half, 50, 64, random_state=0)):
            Image.fromarray(patch).convert("L").save(target / f"{i}.png")
paths, y = load_image_folder(folder / "collection", return_X_y=True)
query_paths, query_y = load_image_folder(folder / "queries", return_X_y=True)

# %%
# Search
# ------

from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_resnet import ImageLoader, ResNetFeatures

loader = ImageLoader(size=64, mode="L")
flatten = FunctionTransformer(lambda images: images.reshape(len(images), -1) / 255)
embeddings = {
    "pixels": make_pipeline(loader, flatten),
    "PCA of the pixels": make_pipeline(loader, flatten, PCA(50, random_state=0)),
    "features": make_pipeline(
        loader, ResNetFeatures(layers="conv3", weights="procedural")
    ),
}
found = {}
for name, embed in embeddings.items():
    search = NearestNeighbors(n_neighbors=10, metric="cosine").fit(
        embed.fit_transform(paths)
    )
    found[name] = search.kneighbors(embed.transform(query_paths), return_distance=False)
    precision = (y[found[name]] == query_y[:, None]).mean()
    print(f"{name:17}  precision at 10: {precision:.3f}")

# %%
# Six random queries
# ------------------
# Each row shows a query and its nearest neighbours. Frames mark neighbours of another
# class.

import matplotlib.pyplot as plt

shown = np.sort(np.random.default_rng(0).choice(len(query_y), 6, replace=False))
figure, axes = plt.subplots(6, 9, figsize=(9, 6.2), layout="constrained")
for row, query in zip(axes, shown, strict=True):
    for ax, i in zip(row, [None, *found["features"][query]], strict=False):
        path = query_paths[query] if i is None else paths[i]
        ax.imshow(Image.open(path), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        is_wrong = i is not None and y[i] != query_y[query]
        ax.spines[:].set(color="#D55E00", linewidth=3, visible=is_wrong)
    row[0].set_ylabel(query_y[query])
axes[0, 0].set_title("query")
axes[0, 1].set_title("nearest")

# %%
# On the command line
# -------------------
# .. code-block:: bash
#
#    embedding collection/ collection.npz --weights procedural -q
#    embedding similar queries/grass/0.png collection.npz -k 5

import contextlib

from sklearn_resnet.cli.main import main

with contextlib.chdir(folder):
    for line in (
        "collection collection.npz --weights procedural -q",
        "similar queries/grass/0.png collection.npz -k 5",
    ):
        main(line.split(), standalone_mode=False)
