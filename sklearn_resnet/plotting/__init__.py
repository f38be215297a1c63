"""Pictures of embeddings."""

from sklearn_resnet.plotting._embedding_display import EmbeddingDisplay
from sklearn_resnet.plotting._embedding_plot import EmbeddingPlot

__all__ = ["EmbeddingDisplay", "EmbeddingPlot"]
