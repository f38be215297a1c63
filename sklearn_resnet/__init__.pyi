from . import datasets as datasets
from ._features.cache import cache_info as cache_info
from ._features.cache import clear_cache as clear_cache
from ._features.cache_info import CacheInfo as CacheInfo
from ._image_loader import ImageLoader as ImageLoader
from ._images.errors import ImageReadError as ImageReadError
from ._images.lazy import LazyImages as LazyImages
from ._network.engines.choice import show_engine as show_engine
from ._network.families import list_weights as list_weights
from ._network.layers import list_layers as list_layers
from ._network.weights import WeightsFallbackWarning as WeightsFallbackWarning
from ._resnet_features import ResNetFeatures as ResNetFeatures
from .checks import check_images as check_images
from .plotting import EmbeddingDisplay as EmbeddingDisplay
from .plotting import EmbeddingPlot as EmbeddingPlot
from .plotting import LayerSearchDisplay as LayerSearchDisplay
from .plotting import RegionDisplay as RegionDisplay
from .plotting import compare_embeddings as compare_embeddings
from .plotting import draw_regions as draw_regions
from .plotting import show_images as show_images

__version__: str
