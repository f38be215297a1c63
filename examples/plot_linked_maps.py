"""
Two maps, one selection
=======================

How do the features change with depth? Show the maps of two layers side by side: what you
select on one map is selected on the other.
"""

# %%
# Two layers
# ----------
# ``tap_layers`` computes both in one pass through the network.

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
features, maps = {}, {}
for layer in (51, 85):
    resnet = ResNetFeatures(
        layers=layer, weights="procedural", image_size=32, tap_layers=[51, 85]
    )
    name = f"Layer {layer}"
    features[name] = PCA(50, random_state=0).fit_transform(resnet.fit_transform(X))
    maps[name] = TSNE(random_state=0).fit_transform(features[name])

# %%
# The maps with their scores
# --------------------------
# Each map is also scored by how well it keeps the neighbours by its own features.

from sklearn_resnet import compare_embeddings

comparison = compare_embeddings(maps, y, features=features)

# %%
# The maps linked
# ---------------
# Which digits lie among others at layer 51, and where are they at layer 85? The
# selection holds those whose neighbours on the first map are mostly other digits.

from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

is_lost = {
    name: cross_val_predict(KNeighborsClassifier(10), xy, y) != y
    for name, xy in maps.items()
}
both = is_lost["Layer 51"] & is_lost["Layer 85"]
print(is_lost["Layer 51"].sum(), "digits lie among others at layer 51,")
print(is_lost["Layer 85"].sum(), "at layer 85,", both.sum(), "at both")

widget = comparison.explore(images=X, title="Depth")
widget.selection = is_lost["Layer 51"]
widget

# %%
# On both maps
# ------------
# Those that no layer brings home are worth a look. The pinned one has its nearest
# neighbours by the features of each layer.

widget.selection = both
widget.pinned = widget.selection[0]
widget
