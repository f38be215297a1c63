"""
A widget in a notebook
======================

``explore`` shows a map and its images in a notebook. What you select there, Python
reads. What Python selects, lights up there.
"""

# %%
# A map
# -----

from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from sklearn_resnet import EmbeddingDisplay, ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
resnet = ResNetFeatures(layers=85, weights="procedural", image_size=32)
features = PCA(50, random_state=0).fit_transform(resnet.fit_transform(X))
xy = TSNE(random_state=0).fit_transform(features)

# %%
# The widget
# ----------
# Download this example as a notebook, at the end of the page, to run it. Here, no
# kernel runs behind the widget. All else works: hover, select, tag, search.

display = EmbeddingDisplay(xy, y, images=X)
widget = display.explore(features=features, title="1,797 digits")
widget

# %%
# Rows from Python
# ----------------
# A classifier is wrong on some digits, and they become the selection. Any sequence of
# rows, or a boolean mask, will do.

from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

guess = cross_val_predict(KNeighborsClassifier(5), features, y)
widget.selection = guess != y
widget.pinned = widget.selection[0]
widget

# %%
# Rows back
# ---------
# ``selected`` takes the rows of the selection from anything with one row a point:
# arrays, dataframes, lists, sparse matrices or `LazyImages`. In a notebook, these may be
# the rows that you have drawn a lasso around.

import pandas as pd

table = widget.selected(pd.DataFrame({"digit": y, "predicted": guess}))
print(table.value_counts().head(5).to_string())
print(widget.selected(X).shape)

# %%
# On each change
# --------------
# ``observe`` calls a function when a value changes, here when the selection does. The
# same works with ``pinned``, ``hidden``, ``color_by``, ``tags`` and ``names``.


def describe(change):
    """Print the size of the new selection."""
    print(len(change["new"]), "digits are selected")


widget.observe(describe, "selection")
widget.selection = y == 9
