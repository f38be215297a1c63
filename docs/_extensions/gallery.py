"""The order of the gallery, and scrapers for the pages and widgets of examples."""

import html
import json
import re
import shutil
from pathlib import Path

import numpy as np

from sklearn_resnet.plotting.explorer.content import Content
from sklearn_resnet.plotting.explorer.page import write_content

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
        "widget",
        "tags",
        "linked_maps",
        "million_points",
        "cache",
        "larger_than_memory",
        "dask",
    ),
)
_FRAME = """.. raw:: html

    <p>{text} <a href="{path}">Open it in its own tab.</a></p>
    <iframe src="{path}" title="{title}" width="100%" height="640" loading="lazy"
            style="border: 1px solid var(--pst-color-border)"></iframe>
"""
# in the order in which the widget applies them
_RESTORE = """
const restore = (view, state) => {
  view.colorBy(state.color_by);
  view.hide(state.hidden);
  view.select(state.selection);
  view.pin(state.pinned);
};
const wait = () => (window.page ? restore(window.page, STATE) : setTimeout(wait, 50));
wait();
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
    shutil.copy(page, _make_folder(gallery_conf))
    return _embed(page.name, "The page.")


def scrape_widget(block, block_vars, gallery_conf):
    """Show ``widget``, if it is the last line of a cell, in the state that it has then."""
    if block[1].rstrip().rpartition("\n")[2] != "widget":
        return ""
    names = block_vars["example_globals"]
    names["n_widgets"] = names.get("n_widgets", 0) + 1
    name = f"{Path(block_vars['src_file']).stem}-{names['n_widgets']}.html"
    write_widget(_make_folder(gallery_conf) / name, names["widget"])
    return _embed(name, "The widget in this state, without a kernel.")


def write_widget(path, widget):
    """Write a page that shows the content of a widget in its present state."""
    state = widget.get_state()
    metadata = json.loads(state["_metadata"])
    metadata |= {"tagNames": state["tags"]["names"], "names": state["names"]}
    buffers = state["_buffers"] | {"tags": state["tags"]["codes"]}
    heading = re.search("<h1>(.*)</h1>", state["_markup"], re.DOTALL)[1]
    write_content(path, Content(metadata, buffers, widget._sheets), html.unescape(heading))
    shown = {name: state[name] for name in ("color_by", "hidden", "pinned")}
    shown["selection"] = np.frombuffer(state["selection"], "<u4").tolist()
    script = _RESTORE.replace("STATE", json.dumps(shown).replace("<", "\\u003c"))
    page = path.read_text(encoding="utf-8").replace(
        "</body>", f"<script>{script}</script>\n</body>"
    )
    path.write_text(page, encoding="utf-8")


def _make_folder(gallery_conf):
    folder = Path(gallery_conf["src_dir"], "_static", "gallery")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _embed(name, text):
    title = html.escape(Path(name).stem)
    return _FRAME.format(path=f"../_static/gallery/{name}", title=title, text=text)
