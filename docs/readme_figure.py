"""Draw docs/images/mnist.png: MNIST by two principal components, and by UMAP of layer 82.

Usage: python docs/readme_figure.py COMPARE.npz, which this command writes, and with it the picture
docs/images/compare.png:

    embedding mnist.npz COMPARE.npz --compare pca,resnet:153,resnet:82 --seed 0 --weights FILE
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_resnet import EmbeddingDisplay

table = np.load(sys.argv[1])
maps, labels = table["features"], table["labels"]  # two columns per map
titles = ("Two principal components of the pixels", "UMAP of the features at layer 82")
figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
for ax, title, xy in zip(axes, titles, (maps[:, :2], maps[:, 4:]), strict=True):
    EmbeddingDisplay.from_embedding(xy, labels, ax=ax, title=title, legend=ax is axes[1])
figure.savefig(Path(__file__).parent / "images" / "mnist.png", dpi=100)
