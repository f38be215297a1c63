"""
The window of a DICOM file
==========================

A CT scan holds thousands of densities, and the tissues that matter differ by a few of
them. A window chooses which become black and white. ``rescale="window"`` takes the
window of the file, and ``rescale=(low, high)`` one of your own, in Hounsfield units.
"""

# %%
# One file, three windows
# -----------------------
# The file is one of pydicom's test files: a slice of a head. `ImageLoader` applies its
# rescale slope and intercept, so that all numbers are Hounsfield units.

import matplotlib.pyplot as plt
from pydicom.data import get_testdata_file

from sklearn_resnet import ImageLoader

path = get_testdata_file("J2K_pixelrep_mismatch.dcm", download=False)
windows = {
    "-1,000 to 1,900 (air to bone)": (-1000, 1900),
    "window of the file (brain)": "window",
    "300 to 1,800 (bone)": (300, 1800),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for (title, rescale), ax in zip(windows.items(), axes, strict=True):
    (image,) = ImageLoader(mode="L", rescale=rescale).fit_transform([path])
    ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set_title(title)
    ax.set_axis_off()

# %%
# Values in their units
# ---------------------
# ``mode="channels"`` without ``rescale`` returns the values themselves. The file holds
# -2,000 where the scanner did not look.

(slice_,) = ImageLoader(mode="channels").fit_transform([path])
print(slice_.shape, slice_.dtype, f"{slice_.min():.0f} to {slice_.max():.0f} HU")

# %%
# A faint lesion
# --------------
# To show what a window does for features, lesions are simulated: every second patch of
# the brain gets a round spot that is 15 to 30 HU brighter. From air to bone, this is a
# hundredth of the range; of the window of the file, a fifth.

import numpy as np

from sklearn_resnet.datasets import sample_patches

brain = slice_[130:400, 110:400, 0]
patches = sample_patches(brain, 2000, 32, random_state=0)
is_brain = ((patches > 0) & (patches < 80)).mean(axis=(1, 2)) > 0.97
patches = patches[is_brain][:400]
y = np.arange(len(patches)) % 2
rng = np.random.default_rng(0)
rows, columns = np.indices((32, 32))
for i in np.flatnonzero(y):
    (row, column), width = rng.uniform(8, 24, 2), rng.uniform(2, 4)
    distance = ((rows - row) ** 2 + (columns - column) ** 2) / width**2
    patches[i] += rng.uniform(15, 30) * np.exp(-distance / 2)

# %%
# ``rescale`` applies to arrays in memory as to files, here before the values lose any of
# their depth. The accuracy of a linear model in five folds, by the window:

from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ResNetFeatures

folds = StratifiedKFold(5, shuffle=True, random_state=0)
shown = {}
for low, high in ((-1000, 1900), (-60, 140), (-10, 90)):
    pipe = make_pipeline(
        ImageLoader(mode="L", rescale=(low, high)),
        ResNetFeatures(layers=51, weights="procedural"),
        StandardScaler(),
        RidgeClassifierCV(np.logspace(1, 6, 11)),
    )
    score = cross_val_score(pipe, patches, y, cv=folds).mean()
    shown[f"{low} to {high} HU: accuracy {score:.3f}"] = pipe[0].fit_transform(patches)

# %%
# Sixteen patches as each pipeline sees them; every second one has a lesion. The last
# window is that of the file.

figure, axes = plt.subplots(3, 1, figsize=(10, 3.2), layout="constrained")
for (title, images), ax in zip(shown.items(), axes, strict=True):
    framed = np.pad(images[:16], ((0, 0), (0, 0), (0, 2)), constant_values=255)
    ax.imshow(np.hstack(framed), cmap="gray", vmin=0, vmax=255)
    ax.set_title(title, fontsize="medium")
    ax.set_axis_off()
