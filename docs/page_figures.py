"""Draw docs/images/resize.jpg: one photo fitted to a square in three ways.

Usage: python docs/page_figures.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_sample_image

from sklearn_resnet import ImageLoader

photo = load_sample_image("flower.jpg")
figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.8), layout="constrained")
for ax, resize in zip(axes, ("crop", "pad", "stretch"), strict=True):
    ax.imshow(ImageLoader(size=224, resize=resize).fit_transform([photo])[0])
    ax.set(xticks=[], yticks=[], title=f'resize="{resize}"')
figure.savefig(Path(__file__).parent / "images" / "resize.jpg", dpi=100)
