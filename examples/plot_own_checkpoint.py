"""
Search a checkpoint of your own
===============================

The first stage of a ResNet-18 is trained on small pictures, without PyTorch, and saved
as a safetensors file with torchvision's names. `ResNetFeatures` reads the file, and a
grid search finds the layer at which to cut the network.
"""

# %%
# The images
# ----------
# The images are grey patches of sixteen pictures from scikit-image. Each picture is cut
# into eight strips: four are for training the network, and the other four for the
# search. No pixel is in both.

import numpy as np
import skimage.data
from skimage.color import rgb2gray

from sklearn_resnet.datasets import sample_patches

PICTURES = ["astronaut", "brick", "camera", "cat", "clock", "coffee", "coins", "grass"]
PICTURES += ["gravel", "hubble_deep_field", "immunohistochemistry", "moon", "page"]
PICTURES += ["retina", "rocket", "text"]
patches, y, strips = [], [], []
for label, name in enumerate(PICTURES):
    picture = getattr(skimage.data, name)()
    if picture.ndim == 3:
        picture = (rgb2gray(picture) * 255).astype(np.uint8)
    for i, strip in enumerate(np.array_split(picture, 8, axis=1)):
        patches.append(sample_patches(strip, 12, 32, random_state=i))
        y += [label] * 12
        strips += [i] * 12
X, y, strips = np.concatenate(patches), np.array(y), np.array(strips)
is_training = strips % 2 == 0
print(X[is_training].shape, X[~is_training].shape)

# %%
# The training
# ------------
# Training all layers together takes a deep learning library. Here, they are trained one
# after the other, as in [1]_: the windows that a convolution sees are the inputs of
# scikit-learn's `MLPClassifier`, which predicts the picture that they come from. Its
# hidden layer, with as many units as the convolution has channels, is the convolution.
#
# The keys of the tensors are those of torchvision's ``resnet18``. The network ends after
# its first stage. Its first convolution has one channel, for grey images.

import tempfile
import warnings
from pathlib import Path

from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import save_file
from sklearn.neural_network import MLPClassifier

N_CHANNELS = 64
tensors = {}


def cut_windows(maps, side, stride):
    """View the windows of a convolution or pooling, with zeros around the maps."""
    padding = [(0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)]
    windows = sliding_window_view(np.pad(maps, padding), (side, side), (1, 2))
    return windows[:, ::stride, ::stride]


def train_convolution(name, norm, maps, labels, side=3, stride=1):
    """Train a convolution and the batch normalization after it; return their output."""
    windows = cut_windows(maps, side, stride)
    shape = windows.shape[:3]
    rng = np.random.default_rng(0)
    chosen = np.unravel_index(rng.choice(np.prod(shape), 8000, replace=False), shape)
    rows = windows[chosen].reshape(8000, -1)
    center, scale = rows.mean(axis=0), rows.std()
    mlp = MLPClassifier(N_CHANNELS, batch_size=256, max_iter=8, random_state=0)
    with warnings.catch_warnings():  # eight epochs are not meant to converge
        warnings.simplefilter("ignore")
        mlp.fit((rows - center) / scale, labels[chosen[0]])
    kernel = (mlp.coefs_[0] / scale).astype(np.float32)
    output = windows.reshape(*shape, -1) @ kernel
    mean, variance = output.mean(axis=(0, 1, 2)), output.var(axis=(0, 1, 2))
    bias = (mean + mlp.intercepts_[0] - center @ kernel) / np.sqrt(variance + 1e-5)
    weight = kernel.T.reshape(N_CHANNELS, -1, side, side)
    tensors[f"{name}.weight"] = np.ascontiguousarray(weight)
    norms = {"running_mean": mean, "running_var": variance, "bias": bias}
    for kind, values in (norms | {"weight": np.ones(N_CHANNELS)}).items():
        tensors[f"{norm}.{kind}"] = values.astype(np.float32)
    return (output - mean) / np.sqrt(variance + 1e-5) + bias.astype(np.float32)


def relu(maps):
    """Rectify the output of a layer."""
    return np.maximum(maps, 0)


images, labels = X[is_training, :, :, np.newaxis], y[is_training]
x = (images / np.float32(255) - 0.5) / 0.5
x = relu(train_convolution("conv1", "bn1", x, labels, side=7, stride=2))
x = cut_windows(x, 3, 2).max(axis=(-2, -1))
for block in ("layer1.0", "layer1.1"):
    inner = relu(train_convolution(f"{block}.conv1", f"{block}.bn1", x, labels))
    x = relu(train_convolution(f"{block}.conv2", f"{block}.bn2", inner, labels) + x)

path = Path(tempfile.mkdtemp()) / "resnet18.safetensors"
save_file(tensors, path)
print(f"{len(tensors)} tensors, {path.stat().st_size / 1e6:.1f} MB")

# %%
# The search
# ----------
# ``normalization="tf"`` scales the images to the range from -1 to 1, as the training
# did. The strips are the folds.

from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures, list_layers

table = list_layers("ResNet18").query("stage in ['relu', 'maxpool', 'layer1']")
depths = table.loc[table["kind"].isin(["relu", "pool"]), "index"].tolist()
ridge = make_pipeline(StandardScaler(), RidgeClassifier(100))


def search(weights):
    """Search the depth with the given weights."""
    resnet = ResNetFeatures(
        architecture="ResNet18",
        weights=weights,
        normalization="tf",
        tap_layers=depths,
        random_state=0,
    )
    grid = {"resnetfeatures__layers": depths}
    pipe = make_pipeline(resnet, ridge)
    found = GridSearchCV(pipe, grid, scoring="accuracy", cv=GroupKFold(4))
    return found.fit(X[~is_training], y[~is_training], groups=strips[~is_training])


trained, random = search(path), search(None)
title = "Which picture is a patch from? A ResNet-18 trained on other strips"
ax = LayerSearchDisplay.from_search(trained, title=title).ax_
means = random.cv_results_["mean_test_score"]
ax.plot(depths, means, "o--", color="0.5", label="random weights", zorder=1)
ax.autoscale_view()
ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=9)

# %%
# The trained network is better than random weights at each depth, most of all at the
# deeper ones. (Random kernels whose batch normalization is fitted to the training images
# are between the two.) It was trained on these sixteen pictures, and suits them. For
# your images, take a checkpoint that was trained on similar ones. The guide
# :doc:`../choosing_weights` says where to find one, and how to convert your own.

pixels = X[~is_training].reshape(-1, 32 * 32)
folds = {"cv": GroupKFold(4), "groups": strips[~is_training]}
on_pixels = cross_val_score(ridge, pixels, y[~is_training], **folds).mean()
print(f"pixels {on_pixels:.3f}, random {means.max():.3f}, ", end="")
print(f"trained {trained.best_score_:.3f}")

# %%
# .. rubric:: References
#
# .. [1] E. Belilovsky, M. Eickenberg and E. Oyallon, "Greedy Layerwise Learning Can Scale
#        to ImageNet", ICML 2019.
