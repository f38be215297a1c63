"""Images to start with, folders of images, tables of regions, tables of features.

Imports `_images`, `_io` and `_runtime`.
"""

from sklearn_resnet.datasets._annotations import read_boxes
from sklearn_resnet.datasets._collections import fetch_cifar10, fetch_mnist, load_digits
from sklearn_resnet.datasets._folders import load_image_folder
from sklearn_resnet.datasets._patches import sample_patches
from sklearn_resnet.datasets._regions import find_regions
from sklearn_resnet.datasets._tables import load_table
from sklearn_resnet.datasets._tiles import make_tiles

__all__ = [
    "fetch_cifar10",
    "fetch_mnist",
    "find_regions",
    "load_digits",
    "load_image_folder",
    "load_table",
    "make_tiles",
    "read_boxes",
    "sample_patches",
]
