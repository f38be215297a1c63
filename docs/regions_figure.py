"""Draw docs/images/regions.jpg from the examples of regions: cells, boxes and a heat map of tiles."""

import os
import runpy
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"

import matplotlib.pyplot as plt

from sklearn_resnet import draw_regions

ROOT = Path(__file__).parents[1]


def run_example(name):
    """Run an example; return its variables."""
    found = runpy.run_path(str(ROOT / "examples" / f"plot_{name}.py"))
    plt.close("all")
    return found


cells, boxes, tiles = map(run_example, ("cells_of_a_plate", "detections", "tiles"))
figure, axes = plt.subplots(1, 3, figsize=(12, 4.1), layout="constrained")
draw_regions(
    cells["paths"][1],
    cells["cells"],
    "cluster",
    labels=cells["labels"][1],
    ax=axes[0],
    legend=False,
)
draw_regions(boxes["picture"], boxes["boxes"], "digit", ax=axes[1])
draw_regions(tiles["path"], tiles["tiles"], "similarity", kind="heatmap", ax=axes[2])
titles = ("Cells, by cluster", "Boxes, by predicted class", "Tiles, by similarity to one")
for ax, title in zip(axes, titles, strict=True):
    ax.set_title(title)
figure.savefig(ROOT / "docs" / "images" / "regions.jpg", dpi=100, pil_kwargs={"quality": 85})
