"""Images to start with: digits, MNIST, CIFAR-10, an image folder, patches; tables of features.

Imports `_images`, `_io` and `_runtime`.
"""

from sklearn_resnet.datasets._collections import fetch_cifar10, fetch_mnist, load_digits
from sklearn_resnet.datasets._folders import load_image_folder
from sklearn_resnet.datasets._patches import sample_patches
from sklearn_resnet.datasets._regions import find_regions
from sklearn_resnet.datasets._tables import load_table

__all__ = [
    "fetch_cifar10",
    "fetch_mnist",
    "find_regions",
    "load_digits",
    "load_image_folder",
    "load_table",
    "sample_patches",
]
