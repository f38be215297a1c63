"""Saved figures: their resolution, their fonts, and what is left behind."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_resnet import LayerSearchDisplay, RegionDisplay, compare_embeddings, draw_regions
from sklearn_resnet.plotting._saving import draw_png, save_figure


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def make_figure():
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.scatter(*np.random.RandomState(0).rand(2, 50), rasterized=True)
    ax.set_title("title")
    return figure


def test_a_png_has_150_dots_per_inch(tmp_path):
    save_figure(make_figure(), tmp_path / "new" / "figure.png")
    with Image.open(tmp_path / "new" / "figure.png") as image:
        assert image.size == (300, 150)


@pytest.mark.parametrize("name", ["figure.svg", "figure.SVG"])
def test_pixels_in_a_vector_format_are_fine_enough_for_print(tmp_path, name):
    save_figure(make_figure(), tmp_path / name)
    encoded = re.search(r"base64,([^\"]*)", (tmp_path / name).read_text())[1]
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        assert image.width > 300


def test_fonts_in_a_pdf_are_truetype(tmp_path):
    save_figure(make_figure(), tmp_path / "figure.pdf")
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/CIDFontType2" in content
    assert b"/Type3" not in content


def test_fonts_in_postscript_are_truetype(tmp_path):
    save_figure(make_figure(), tmp_path / "figure.eps")
    content = (tmp_path / "figure.eps").read_bytes()
    assert b"/FontType 42" in content
    assert b"/FontType 3" not in content


@pytest.mark.parametrize("name", ["figure.png", "figure.xyz"])
def test_the_figure_is_closed_whether_or_not_it_was_saved(tmp_path, name):
    figure = make_figure()
    try:
        save_figure(figure, tmp_path / name)
    except ValueError:
        assert list(tmp_path.iterdir()) == []
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "agg"])
def test_a_notebook_shows_the_picture_of_a_result_once(monkeypatch, backend):
    table = pd.DataFrame({"path": "a.png", "top": [0], "left": 0, "bottom": 9, "right": 9})
    xy = np.arange(40.0).reshape(20, 2) % 7
    results = [
        draw_regions(np.zeros((20, 20)), table),
        LayerSearchDisplay([16, 51], [[0.5, 0.6], [0.6, 0.7]]).plot(),
        compare_embeddings({"a": xy}, np.arange(20) % 2),
    ]
    assert len(plt.get_fignums()) == 3
    monkeypatch.setattr(plt, "get_backend", lambda: backend)
    for result in results:
        picture = result._repr_png_()
        assert Image.open(io.BytesIO(picture)).size[0] > 100
        assert result._repr_png_() == picture
    assert len(plt.get_fignums()) == (3 if backend == "agg" else 0)
    plt.close("all")
    assert RegionDisplay(np.zeros((20, 20)), table)._repr_png_() is None  # not drawn yet


def test_the_picture_of_a_subfigure_is_that_of_its_figure():
    figure = plt.figure()
    ax = figure.subfigures(1, 2)[1].subplots()
    table = pd.DataFrame({"path": "a.png", "top": [0], "left": 0, "bottom": 9, "right": 9})
    display = draw_regions(np.zeros((20, 20)), table, ax=ax)
    assert display._repr_png_() == draw_png(figure)
    plt.close(figure)
