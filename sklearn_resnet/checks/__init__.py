"""Checks of a collection of images: copies, leaks, outliers, wrong labels, poor quality.

Imports `_features`, `_images`, `_runtime`, `ImageLoader` and `ResNetFeatures`.
"""

import lazy_loader

# The names are in __init__.pyi; each is imported when it is first used
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
