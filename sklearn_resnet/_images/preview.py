"""The view of lazy images in a notebook: a line of text, and a strip of thumbnails."""

import base64
import io
import threading
import warnings
from html import escape

import numpy as np

from sklearn_resnet._images.composite import choose_lazy_rendering, render, shrink
from sklearn_resnet._images.items import name_of
from sklearn_resnet._io.csv_text import escape_text

_MAX_SHOWN = 8
_SIDE = 96  # pixels
_SECONDS = 1.5  # to wait for thumbnails
_BOX = f"display:inline-block;width:{_SIDE}px;height:{_SIDE}px;margin:2px;vertical-align:top;"
_FIT = "object-fit:contain;"
_EMPTY = "box-sizing:border-box;border:1px solid #888;padding:4px;overflow:hidden;font-size:11px;"


def describe_in_html(images, seconds=_SECONDS):
    """Describe lazy images, and show a few of them, spread evenly.

    Parameters
    ----------
    images : LazyImages
    seconds : float
        The time after which the thumbnails are left out; large files may take longer.

    Returns
    -------
    str
        HTML. Images that cannot be read have an empty place.
    """
    text = escape(repr(images))
    n_images = len(images)
    chosen = np.unique(np.linspace(0, n_images - 1, min(n_images, _MAX_SHOWN)).astype(int))
    shown = _read_in_time(images, chosen, seconds)
    if shown is None:
        return f"<div>{text}<br>Reading {len(chosen)} of them takes longer than {seconds} s.</div>"
    thumbnails, form = shown
    names = [escape_text(name_of(images.items[i])) for i in chosen]
    names = [f"image {i}: {name}" for i, name in zip(chosen, names, strict=True)]
    strip = "".join(map(_show, thumbnails, names))
    return f"<div>{text}{form}</div><div>{strip}</div>"


def _read_in_time(images, chosen, seconds):
    """Make thumbnails of the chosen images, and describe their form; None if it takes longer."""
    found = []

    def read():
        try:
            selected = images[chosen]
            selected.on_error = "nan"
            found.append(_make_thumbnails(selected))
        except Exception:  # a view must not fail; whoever uses the images sees the error
            found.append(([None] * len(chosen), ""))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # a file may take minutes, and cannot be interrupted
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(seconds)
    return found[0] if found else None


def _make_thumbnails(images):
    rendering = choose_lazy_rendering(images)
    decoded = [image for batch in images.batches(len(images)) for image in batch]
    form = f"<br>shape of an image: {decoded[0].shape}, dtype: {decoded[0].dtype}"
    if rendering is not None:
        decoded = [render(image, rendering) for image in decoded]
    thumbnails = [
        None if i in images.failures else shrink(image, _SIDE) for i, image in enumerate(decoded)
    ]
    return thumbnails, form


def _show(image, name):
    name = escape(name)
    if image is None:
        return f'<div style="{_BOX}{_EMPTY}" title="{name}">no image</div>'
    file = io.BytesIO()
    image.save(file, "PNG")
    source = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" style="{_BOX}{_FIT}" title="{name}" alt="{name}">'
