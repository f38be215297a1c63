"""Displays of embeddings; `layer_search` shows searches, `explorer` makes the interactive page.

Imports everything except `cli`.
"""

from sklearn_resnet.plotting._comparison import compare_embeddings
from sklearn_resnet.plotting._contact_sheet import show_images
from sklearn_resnet.plotting._embedding_display import EmbeddingDisplay
from sklearn_resnet.plotting._embedding_plot import EmbeddingPlot
from sklearn_resnet.plotting._region_display import RegionDisplay, draw_regions
from sklearn_resnet.plotting.layer_search.display import LayerSearchDisplay

__all__ = [
    "EmbeddingDisplay",
    "EmbeddingPlot",
    "LayerSearchDisplay",
    "RegionDisplay",
    "compare_embeddings",
    "draw_regions",
    "show_images",
]
