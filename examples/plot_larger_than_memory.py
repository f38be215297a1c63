"""
More images than fit into memory
================================

``ImageLoader(lazy=True)`` decodes a file only when its batch is needed.
``transform_batches`` yields the features in batches, to a model with ``partial_fit``.
Memory use does not grow with the number of images.
"""

# %%
# A folder
# --------
# The folder contains 1,200 photos of 128 x 128 pixels, cut from pictures of
# scikit-image. The code below would be the same for a million.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from PIL import Image

from sklearn_resnet.datasets import load_image_folder, sample_patches

KINDS = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel")
KINDS += ("immunohistochemistry", "moon", "retina", "rocket")
folder = Path(tempfile.mkdtemp())
for kind in KINDS:
    (folder / kind).mkdir()
    patches = sample_patches(getattr(skimage.data, kind)(), 100, 128, random_state=0)
    for i, patch in enumerate(patches):
        Image.fromarray(patch).save(folder / kind / f"{i}.jpg")
paths, y = load_image_folder(folder, return_X_y=True)
order = np.random.default_rng(0).permutation(len(paths))
paths, y = paths[order], y[order]

# %%
# Cluster in batches
# ------------------
# The first pass over the batches fits the principal components, the second fits the
# clusters, and the third assigns each image to a cluster. The network runs in the first
# pass only; the other two take the features from the cache.

from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.metrics import adjusted_rand_score

from sklearn_resnet import ImageLoader, ResNetFeatures


def cluster(make_batches):
    """Cluster batches, with one batch in memory at a time."""
    pca, kmeans = IncrementalPCA(32), MiniBatchKMeans(len(KINDS), random_state=0)
    for batch in make_batches():
        pca.partial_fit(batch)
    for batch in make_batches():
        kmeans.partial_fit(pca.transform(batch))
    found = [kmeans.predict(pca.transform(batch)) for batch in make_batches()]
    return np.concatenate(found)


def read_pixels():
    """Yield batches of flattened small images."""
    for start in range(0, len(images), 100):
        batch = np.asarray(images[start : start + 100])[:, ::4, ::4]
        yield batch.reshape(len(batch), -1)


def read_features():
    """Yield batches of features."""
    return (features for _, features in resnet.transform_batches(images))


images = ImageLoader(size=128, lazy=True).fit_transform(paths)
resnet = ResNetFeatures(layers=51, weights="procedural", batch_size=100).fit(images)
clusters = cluster(read_features)
print(f"features  adjusted Rand index {adjusted_rand_score(y, clusters):.3f}")
print(f"pixels    {adjusted_rand_score(y, cluster(read_pixels)):25.3f}")

# %%
# Memory use
# ----------
# This measures the peak allocation of Python and NumPy. It excludes the memory of the
# network, which is the same for both. A shallow cut keeps the example fast.

import tracemalloc

shallow = ResNetFeatures(layers=4, weights="procedural", cache=None).fit(images)


def measure(n, lazy):
    """The peak memory of a pass over n images, in MB."""
    tracemalloc.start()
    part = ImageLoader(128, lazy=lazy).fit_transform(paths[:n])
    for _ in shallow.transform_batches(part):
        pass
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


counts = [150, 300, 600, 1200]
print("images     ", counts)
peaks = {lazy: [measure(n, lazy) for n in counts] for lazy in (False, True)}
for lazy, values in peaks.items():
    print(f"lazy={lazy!s:6}", ", ".join(f"{peak:.0f} MB" for peak in values))

# %%
# Results
# -------
# The left plot shows the peak memory, the right one six images of each cluster.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), width_ratios=[1, 1.5], layout="constrained"
)
for lazy, values in peaks.items():
    left.plot(counts, values, "o-", label=f"lazy={lazy}")
left.set(xlabel="images", ylabel="peak (MB)", ylim=0, title="Memory")
left.legend()
rows = []
for number in range(len(KINDS)):
    members = np.resize(np.flatnonzero(clusters == number), 6)
    rows.append(np.hstack([images[i][::2, ::2] for i in members]))
gap = np.full((384, 16, 3), 255, np.uint8)
right.imshow(np.hstack([np.vstack(rows[:6]), gap, np.vstack(rows[6:])]))
right.set_axis_off()
right.set_title("Six images of each of twelve clusters")
