"""Draw docs/images/surface-digits.png, surface-photos.png and surface-textures.png from results.

Usage: python docs/surface_figure.py
"""

import sys
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

_DOCS = Path(__file__).parent
sys.path.append(str(_DOCS.parent))

from benchmarks.derived import make_display  # noqa: E402
from benchmarks.lookup import load_results  # noqa: E402

titles = {"imagenet": "ImageNet's weights", "procedural": "The bundled weights"}
surfaces = load_results()["surface"]
for data_set in ("digits", "photos", "textures"):
    figure, axes = plt.subplots(2, 1, figsize=(7.2, 8.6), layout="constrained")
    figure.draw_without_rendering()  # the size of the text follows that of the axes
    for ax, (weights, title) in zip(axes, titles.items(), strict=True):
        display = make_display(surfaces[data_set][weights]["logistic"])
        display.plot(ax=ax, kind="heatmap", title=title)
        ax.get_legend().remove()  # the page explains the marks
    drawn = BytesIO()
    figure.savefig(drawn, dpi=150)
    plt.close(figure)
    picture = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    picture.save(_DOCS / "images" / f"surface-{data_set}.png", optimize=True)
