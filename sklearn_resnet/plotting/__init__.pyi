from ._comparison import compare_embeddings as compare_embeddings
from ._contact_sheet import show_images as show_images
from ._embedding_display import EmbeddingDisplay as EmbeddingDisplay
from ._embedding_plot import EmbeddingPlot as EmbeddingPlot
from ._region_display import RegionDisplay as RegionDisplay
from ._region_display import draw_regions as draw_regions
from .layer_search.display import LayerSearchDisplay as LayerSearchDisplay
