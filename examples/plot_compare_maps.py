"""
Compare maps side by side
=========================

Does the network help, and at which layer should you cut it? `compare_embeddings` draws
several maps of the same images and scores each. The accuracy is that of a classifier by
the ten nearest points. The silhouette measures how well the classes are separated.
"""

# %%
# The images
# ----------
# Grey patches of eight pictures from scikit-image.

import numpy as np
import skimage.data

from sklearn_resnet.datasets import sample_patches

KINDS = ("brick", "camera", "cell", "coins", "grass", "gravel", "page", "text")
patches = [
    sample_patches(getattr(skimage.data, kind)(), 60, 48, random_state=0)
    for kind in KINDS
]
X, y = np.concatenate(patches), np.repeat(KINDS, 60)

# %%
# The maps
# --------
# The baselines are two principal components of the pixels, and t-SNE of the pixels.
# Layer 4 follows the first pooling of the network. Layer 82 is near the end of the
# third stage. One pass computes the features of both layers.

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklearn_resnet import ResNetFeatures

pixels = X.reshape(len(X), -1) / 255
maps = {
    "PCA of the pixels": PCA(2, random_state=0).fit_transform(pixels),
    "t-SNE of the pixels": TSNE(random_state=0).fit_transform(pixels),
}
for layer in (4, 82):
    resnet = ResNetFeatures(layers=layer, weights="procedural", tap_layers=[4, 82])
    maps[f"t-SNE of layer {layer}"] = TSNE(random_state=0).fit_transform(
        resnet.fit_transform(X)
    )

# %%
# Side by side
# ------------

from sklearn_resnet import compare_embeddings

found = compare_embeddings(maps, y)

# %%
# The scores as a table
# ---------------------

print(found.scores.round(3).to_string())
