"""
A grid search for the cost of one pass
======================================

A grid search over layers and other parameters needs the features of each image many
times. `ResNetFeatures` caches them. `cache_info` counts the hits and misses.
"""

# %%
# The search
# ----------
# Four layers, five values of alpha, five folds and a final refit on 300 digits make 101
# fits.

from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]
depths = [39, 62, 82, 85]
grid = {"resnet__layers": depths, "ridge__alpha": [0.1, 1, 10, 100, 1000]}


def make_search(**options):
    """An unfitted search."""
    resnet = ResNetFeatures(weights="procedural", image_size=32, **options)
    return GridSearchCV(
        Pipeline([("resnet", resnet), ("ridge", RidgeClassifier())]), grid, cv=5
    )


# %%
# Four settings
# -------------
# Without a cache, each image goes through the network for each candidate and fold. With
# the default cache, it goes through once per layer. With ``tap_layers``, it goes
# through once: the first pass caches the features of all four layers. A second search
# computes nothing.

import time

from sklearn_resnet import cache_info, clear_cache

n_requests = len(X) * (len(depths) * 5 * 5 + 1)  # candidates, folds and the refit
settings = {
    "cache=None": {"cache": None},
    "the default": {},
    "tap_layers": {"tap_layers": depths},
    "tap_layers, again": {"tap_layers": depths},
}
passes, seconds = {}, {}
for name, options in settings.items():
    if name != "tap_layers, again":
        clear_cache()
    before, start = cache_info(), time.perf_counter()
    search = make_search(**options).fit(X, y)
    seconds[name] = time.perf_counter() - start
    after = cache_info()
    hits, misses = after.hits - before.hits, after.misses - before.misses
    passes[name] = n_requests if name == "cache=None" else misses
    print(
        f"{name:17} {passes[name]:6,} images through the network, {hits:6,} hits; ",
        end="",
    )
    print(f"best {search.best_params_['resnet__layers']}, {search.best_score_:.3f}")

# %%
# Savings
# -------
# All four searches give the same result. The last one spends its time on hashing the
# images and fitting the classifiers.

import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3), layout="constrained", sharey=True
)
for ax, values, title in (
    (left, passes, "images through the network"),
    (right, seconds, "seconds"),
):
    bars = ax.barh(list(values), list(values.values()), color=["0.6", *["#0072B2"] * 3])
    ax.bar_label(
        bars, [f"{value:,.{ax is right:d}f}" for value in values.values()], padding=3
    )
    ax.set(title=title, xticks=[])
    ax.margins(x=0.2)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
left.invert_yaxis()
