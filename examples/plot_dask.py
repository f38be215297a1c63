"""
Features with Dask
==================

`ResNetFeatures` takes a Dask array and gives one: lazily, chunk by chunk, on whatever
workers a cluster has. ``pip install 'sklearn-resnet[dask]'`` brings what is needed.
"""

# %%
# A cluster
# ---------
# Here, of threads in this process, so that it starts at once. With the address of a
# scheduler in place of it, ``Client("tcp://...")``, the rest stays the same.

import dask.array as da
from dask.distributed import Client, LocalCluster

cluster = LocalCluster(
    n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
)
client = Client(cluster)

# %%
# Images in chunks
# ----------------
# Digits, 256 to a chunk. Chunks may come from Zarr, from HDF5, or from a function that
# reads them.

from sklearn_resnet.datasets import load_digits

images, y = load_digits(return_X_y=True)
X = da.from_array(images, chunks=(256, 8, 8))
print(X)

# %%
# Features in chunks
# ------------------
# Nothing is computed yet. The weights are in no graph: each worker finds them by
# itself, and holds one network.

from sklearn_resnet import ResNetFeatures

resnet = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit(images)
features = resnet.transform(X)
print(features)

# %%
# On with them
# ------------
# ``persist`` computes them, and leaves them where they are: on the workers. What
# follows is computed there: the mean of each digit, and the distances of all images to
# these, which makes a nearest-centroid classifier. Only its result leaves the cluster.

import numpy as np

features = features.persist()
train = np.arange(len(y)) % 2 == 0


def classify(table):
    """The nearest mean of a digit, of the odd rows, by the means of the even ones."""
    means = da.stack([table[train & (y == digit)].mean(axis=0) for digit in range(10)])
    distances = da.linalg.norm(table[:, None] - means[None], axis=2)
    return distances.argmin(axis=1).compute()


pixels = X.reshape(len(X), -1).astype(float)
nearest = {"pixels": classify(pixels), "features": classify(features)}
for name, digits in nearest.items():
    print(f"{name:8}  {(digits == y)[~train].mean():.3f} of the other half right")

# %%
# They are the same
# -----------------
# To the last bit, whatever the chunks: an image's features depend on that image alone.

print((features.compute() == resnet.transform(images)).all())
client.close()
cluster.close()

# %%
# What the means of the features get wrong
# ----------------------------------------

import matplotlib.pyplot as plt

wrong = np.flatnonzero(~train & (nearest["features"] != y))
figure, axes = plt.subplots(2, 10, figsize=(9, 2.4), layout="constrained")
for ax, i in zip(axes.flat, wrong, strict=False):
    ax.imshow(images[i], cmap="gray_r")
    ax.set_title(f"{y[i]}, not {nearest['features'][i]}", fontsize=9)
for ax in axes.flat:
    ax.set_axis_off()
