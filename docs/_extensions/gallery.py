"""The order of the gallery, and a scraper for the HTML pages that examples write."""

import html
import shutil
from pathlib import Path

_ORDER = (
    *(
        "digits_map",
        "depth",
        "own_checkpoint",
        "photos",
        "columns",
        "cells_in_channels",
        "satellite_floats",
        "dicom_window",
        "duplicates",
        "outliers",
        "confident_errors",
        "retrieval",
        "clusters",
    ),
    *(
        "compare_maps",
        "map_quality",
        "cluster_names",
        "thumbnails",
        "explore_page",
        "cache",
        "larger_than_memory",
        "dask",
    ),
)
_FRAME = """.. raw:: html

    <p><a href="{path}">Open this page in its own tab.</a></p>
    <iframe src="{path}" title="{title}" width="100%" height="640" loading="lazy"
            style="border: 1px solid var(--pst-color-border)"></iframe>
"""


def find_place(file_name):
    """Sort key of an example; those missing from the order come last, by name."""
    name = Path(file_name).stem.removeprefix("plot_")
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def scrape_page(block, block_vars, gallery_conf):
    """Embed the .html file that a cell assigns to the variable ``page``."""
    page = block_vars["example_globals"].get("page")
    if not isinstance(page, Path) or page.suffix != ".html" or "page" not in block[1]:
        return ""
    folder = Path(gallery_conf["src_dir"], "_static", "gallery")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(page, folder)
    return _FRAME.format(path=f"../_static/gallery/{page.name}", title=html.escape(page.stem))
