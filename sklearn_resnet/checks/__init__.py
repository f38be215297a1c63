"""Checks of a collection of images: copies, leaks, outliers, wrong labels, poor quality.

Imports `_features`, `_images`, `_runtime`, `ImageLoader` and `ResNetFeatures`.
"""

from sklearn_resnet.checks._check_images import check_images, choose_size

__all__ = ["check_images", "choose_size"]
