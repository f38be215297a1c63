"""
Maps side by side
=================

Is the network worth it, and where should it be cut? `compare` draws several maps of the
same images, and scores each: how often the ten nearest points tell the class of a
point, and how far the classes lie apart.
"""

# %%
# The images
# ----------
# Grey patches of eight pictures that come with scikit-image.

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
# Principal components of the pixels are what one would try first; t-SNE of the pixels
# is the fairer comparison. Layer 4 is the first after the pooling at the start of the
# network, layer 82 lies at the end of the third stage. One pass gives the features of
# both.

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

from sklearn_resnet import compare

found = compare(maps, y)

# %%
# The scores, as a table
# ----------------------

print(found.scores.round(3).to_string())
