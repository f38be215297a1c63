"""
Features with Dask
==================

From a Dask array of images, `ResNetFeatures` makes a lazy Dask array of features. The
workers of a cluster compute it chunk by chunk. Install the dependencies with
``pip install '.[dask]'`` in the folder of the source.
"""

# %%
# A cluster
# ---------
# This cluster consists of threads in the present process, so it starts immediately. To
# use another cluster, pass the address of its scheduler: ``Client("tcp://...")``.

import dask.array as da
from dask.distributed import Client, LocalCluster

cluster = LocalCluster(
    n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
)
client = Client(cluster)

# %%
# Images in chunks
# ----------------
# Each chunk contains 256 digits. Chunks can also come from Zarr, from HDF5, or from a
# function that reads them.

from sklearn_resnet.datasets import load_digits

images, y = load_digits(return_X_y=True)
X = da.from_array(images, chunks=(256, 8, 8))
print(X)

# %%
# Features in chunks
# ------------------
# ``transform`` is lazy. The task graph contains no weights: each worker loads them and
# builds one network.

from sklearn_resnet import ResNetFeatures

resnet = ResNetFeatures(layers=85, weights="procedural", image_size=32).fit(images)
features = resnet.transform(X)
print(features)

# %%
# A classifier on the cluster
# ---------------------------
# ``persist`` computes the features and keeps them on the workers. The workers then
# compute the mean of each digit and the distances of all images to the means. This is
# a nearest-centroid classifier. Only its predictions leave the cluster.

import numpy as np

features = features.persist()
train = np.arange(len(y)) % 2 == 0


def classify(table):
    """The digit with the nearest mean; the means are those of the even rows."""
    means = da.stack([table[train & (y == digit)].mean(axis=0) for digit in range(10)])
    distances = da.linalg.norm(table[:, None] - means[None], axis=2)
    return distances.argmin(axis=1).compute()


pixels = X.reshape(len(X), -1).astype(float)
nearest = {"pixels": classify(pixels), "features": classify(features)}
for name, digits in nearest.items():
    print(f"{name:8}  accuracy on the odd rows {(digits == y)[~train].mean():.3f}")

# %%
# The same features
# -----------------
# The features of an image depend on that image alone. So they equal those computed
# without Dask to the last bit, for any chunks.

print((features.compute() == resnet.transform(images)).all())
client.close()
cluster.close()

# %%
# Misclassified digits
# --------------------
# These are errors of the classifier on features.

import matplotlib.pyplot as plt

wrong = np.flatnonzero(~train & (nearest["features"] != y))
figure, axes = plt.subplots(2, 10, figsize=(9, 2.4), layout="constrained")
for ax, i in zip(axes.flat, wrong, strict=False):
    ax.imshow(images[i], cmap="gray_r")
    ax.set_title(f"{y[i]}, not {nearest['features'][i]}", fontsize=9)
for ax in axes.flat:
    ax.set_axis_off()
