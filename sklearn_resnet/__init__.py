"""Pretrained image features inside scikit-learn."""

from importlib.metadata import version as _version

from sklearn_resnet import datasets
from sklearn_resnet._features.cache import CacheInfo, cache_info, clear_cache
from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._network.engines.choice import show_engine
from sklearn_resnet._network.families import list_weights
from sklearn_resnet._network.layers import list_layers
from sklearn_resnet._network.weights import WeightsFallbackWarning
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet.checks import check_images
from sklearn_resnet.plotting import (
    EmbeddingDisplay,
    EmbeddingPlot,
    LayerSearchDisplay,
    RegionDisplay,
    compare_embeddings,
    draw_regions,
    show_images,
)

__version__ = _version("sklearn-resnet")

__all__ = [
    "CacheInfo",
    "EmbeddingDisplay",
    "EmbeddingPlot",
    "ImageLoader",
    "ImageReadError",
    "LayerSearchDisplay",
    "LazyImages",
    "RegionDisplay",
    "ResNetFeatures",
    "WeightsFallbackWarning",
    "cache_info",
    "check_images",
    "clear_cache",
    "compare_embeddings",
    "datasets",
    "draw_regions",
    "list_layers",
    "list_weights",
    "show_engine",
    "show_images",
]
