"""Draw docs/images/mnist.png: MNIST by two principal components, and by layer 82.

Usage: python docs/readme_figure.py PCA.npy UMAP.npy LABELS.npz, the first two written by

    embedding mnist.npz pca.npy -m pca -d 2 -p
    embedding mnist.npz l82.npy -m resnet -l 82 -p -s 582 --weights ...
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_resnet import EmbeddingDisplay

pca, umap = (np.load(path) for path in sys.argv[1:3])
y = np.load(sys.argv[3])["y_train"]
figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
EmbeddingDisplay.from_embedding(
    pca,
    y,
    ax=axes[0],
    title="Two principal components of the pixels",
    point_size=0.5,
    legend=False,
)
EmbeddingDisplay.from_embedding(
    umap, y, ax=axes[1], title="UMAP of the features at layer 82 of ResNet50V2", point_size=0.5
)
figure.savefig(Path(__file__).parent / "images" / "mnist.png", dpi=100)
