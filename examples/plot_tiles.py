"""
A large image in tiles
======================

A slide or a scene is too large for a network. ``make_tiles`` cuts it into a table of
tiles and leaves out those without content, ``ImageLoader`` reads only the tiles that it
needs, and ``draw_regions`` shows a value of each tile as a heat map.
"""

# %%
# The image
# ---------
# A landscape of three textures in a tiled TIFF, with a white border without content.

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from skimage.data import brick, grass, gravel

SIDE, BORDER = 2048, 300
rng = np.random.default_rng(1)
textures = [np.tile(texture(), (4, 4)) for texture in (brick, grass, gravel)]
rows, columns = np.indices((SIDE, SIDE))
# each pixel has the texture of the nearest one of 12 places
places = rng.uniform(0, SIDE, (12, 2, 1, 1))
kind = np.argmin([np.hypot(rows - y, columns - x) for y, x in places], axis=0) % 3
scene = np.choose(kind, textures).astype(np.uint8)
scene[:BORDER] = scene[-BORDER:] = scene[:, :BORDER] = scene[:, -BORDER:] = 250

path = str(Path(tempfile.mkdtemp(), "scene.tif"))
tifffile.imwrite(path, scene, tile=(256, 256), compression="zlib")

# %%
# The tiles
# ---------
# ``min_content`` is the least share of a tile that differs from the background, by
# Otsu's threshold. The tiles overlap by half.

from sklearn_resnet.datasets import make_tiles

tiles = make_tiles([path], size=128, step=64, min_content=0.95)
print(f"{len(tiles)} tiles")
tiles.drop(columns="path").head()

# %%
# A map of the tiles
# ------------------

from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from sklearn_resnet import EmbeddingDisplay, ImageLoader, ResNetFeatures

images = ImageLoader(size=128, mode="L", lazy=True).fit_transform(tiles)
features = ResNetFeatures(51, weights="procedural").fit_transform(images)
xy = PCA(2, random_state=0).fit_transform(features)
tiles["cluster"] = KMeans(3, n_init=5, random_state=0).fit_predict(features)
EmbeddingDisplay.from_embedding(
    xy,
    tiles["cluster"].astype(str),
    images=images,
    thumbnails=True,
    title="Tiles by cluster",
)

# %%
# A heat map
# ----------
# How similar is each tile to one that we point at? Where tiles overlap, the heat map
# shows their mean, so it is finer than a tile.

import matplotlib.pyplot as plt
from sklearn.metrics.pairwise import cosine_similarity

from sklearn_resnet import draw_regions

centers = tiles[["top", "left"]].to_numpy() + 64
grass_tiles = np.flatnonzero(kind[tuple(centers.T)] == 1)
query = int(grass_tiles[len(grass_tiles) // 2])
tiles["similarity"] = cosine_similarity(features, features[[query]])[:, 0]

figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
apart = tiles[(tiles["tile_row"] % 2 == 0) & (tiles["tile_column"] % 2 == 0)]
draw_regions(path, apart, "cluster", ax=axes[0], kind="boxes", title="Cluster")
draw_regions(
    path, tiles, "similarity", ax=axes[1], kind="heatmap", title="Similarity to a tile"
)
axes[1].plot(*centers[query][::-1], "w+", markersize=12, markeredgewidth=2)
