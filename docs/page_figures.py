"""Draw the figures of pages: docs/images/resize.jpg and docs/images/cells.jpg.

Usage: python docs/page_figures.py
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from sklearn_resnet import ImageLoader
from sklearn_resnet._images.composite import make_composite

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))

from cells import CHANNELS, CLASSES, make_cells

IMAGES = Path(__file__).parent / "images"


def draw_sizes():
    """Draw one photo fitted to a square in three ways."""
    photo = load_sample_image("flower.jpg")
    figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.8), layout="constrained")
    for ax, resize in zip(axes, ("crop", "pad", "stretch"), strict=True):
        ax.imshow(ImageLoader(size=224, resize=resize).fit_transform([photo])[0])
        ax.set(xticks=[], yticks=[], title=f'resize="{resize}"')
    figure.savefig(IMAGES / "resize.jpg", dpi=100)


def draw_cells():
    """Draw a cell of each class: all channels together, and each by itself."""
    cells, y = make_cells(40, side=96)
    composites = make_composite(cells, list(CHANNELS))
    white = np.percentile(cells, 99.8, axis=(0, 1, 2))
    figure, grid = plt.subplots(4, 6, figsize=(9, 6.4), layout="constrained")
    for kind, row in zip(CLASSES, grid, strict=True):
        i = list(y).index(kind)
        row[0].imshow(composites[i])
        row[0].set_ylabel(kind)
        for j, ax in enumerate(row[1:]):
            ax.imshow(cells[i, ..., j], cmap="gray", vmin=150, vmax=white[j])
    for name, ax in zip(("together", *CHANNELS), grid[0], strict=True):
        ax.set_title(name)
    for ax in grid.flat:
        ax.set(xticks=[], yticks=[])
    figure.savefig(IMAGES / "cells.jpg", dpi=100)


if __name__ == "__main__":
    draw_sizes()
    draw_cells()
