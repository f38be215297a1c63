"""Saved figures: their resolution, their fonts, and what is left behind."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from sklearn_resnet.plotting._saving import save_figure


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
