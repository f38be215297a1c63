"""show_images: places, captions, and what is shown of images of all kinds."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from sklearn_resnet import ImageLoader, show_images
from sklearn_resnet._runtime.errors import ParameterError

GREY = np.arange(5, dtype=np.uint8)[:, None, None] * 50 + np.zeros((8, 8), np.uint8)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def paths(tmp_path):
    for i, color in enumerate(["red", "lime", "blue"]):
        Image.new("RGB", (60, 40), color).save(tmp_path / f"{i}.png")
    return sorted(map(str, tmp_path.iterdir()))


def list_pixels(figure):
    """The pixel in the middle of each image; None for an empty place."""
    found = []
    for ax in figure.axes:
        image = np.asarray(ax.images[0].get_array()) if ax.images else None
        found.append(
            None if image is None else tuple(image[len(image) // 2, image.shape[1] // 2].tolist())
        )
    return found


def list_captions(figure):
    return [ax.get_xlabel() for ax in figure.axes]


def test_images_and_captions_are_in_order():
    plt.close("all")  # of other modules
    figure = show_images(GREY, np.arange(5) ** 2)
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == [figure.number]  # so that plt.show shows it
    assert [pixel[0] for pixel in list_pixels(figure)] == [0, 50, 100, 150, 200]
    assert list_captions(figure) == ["0", "1", "4", "9", "16"]
    assert list_captions(show_images(GREY)) == [""] * 5
    assert list_captions(show_images(GREY[:2], pd.Series(["a", None], [7, 8], dtype=object))) == ["a", ""]  # fmt: skip


@pytest.mark.parametrize(
    ("n_images", "n_columns", "columns", "rows"),
    [(1, None, 1, 1), (6, None, 6, 1), (7, None, 4, 2), (10, None, 5, 2), (36, None, 6, 6), (37, None, 10, 4), (5, 2, 2, 3), (5, 9, 5, 1)],
)  # fmt: skip
def test_columns(n_images, n_columns, columns, rows):
    figure = show_images(np.tile(GREY, (8, 1, 1))[:n_images], n_columns=n_columns)
    grid = figure.axes[0].get_gridspec()
    assert (grid.ncols, grid.nrows) == (columns, rows)
    assert figure.get_figwidth() <= 10.1
    assert len(figure.axes) == n_images


@pytest.mark.parametrize(
    "title", [None, "Title", "A title that is much longer than the sheet is wide " * 3]
)
@pytest.mark.parametrize("n_columns", [1, 3])
def test_nothing_overlaps_and_all_is_within_the_figure(title, n_columns):
    captions = ["W" * 50, "x\n" * 20, "word " * 40, "i", "A_name_that_is_very_long" * 100]
    figure = show_images(GREY, captions, n_columns=n_columns, title=title)
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    if title:
        boxes.append(figure.texts[0].get_window_extent())
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])
    assert max(caption.count("\n") for caption in list_captions(figure)) == 5
    assert list_captions(figure)[1].endswith("\n…")
    assert [len(figure.texts)] == [0 if title is None else 1]


def test_texts_are_text():
    captions = ["$\\frac{$", "$x$", "猫", "\udc80", "<b>"]
    figure = show_images(GREY, captions, title="$\\frac{$ \udc80")
    assert list_captions(figure) == ["$\\frac{$", "$x$", "猫", "\\udc80", "<b>"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.canvas.draw()
    assert figure.texts[0].get_text() == "$\\frac{$ \\udc80"


def test_small_images_keep_their_pixels():
    figure = show_images([GREY[1], np.full((80, 64, 3), 9, np.uint8)])
    styles = [ax.images[0].get_interpolation() for ax in figure.axes]
    assert styles == ["nearest", "antialiased"]
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(0, 255)}


def test_files_and_lazy_images(paths):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert list_pixels(show_images(paths)) == colors
    images = ImageLoader(lazy=True).fit_transform(paths)
    figure = show_images(images[::-1])
    assert list_pixels(figure) == colors[::-1]
    assert figure.axes[0].images[0].get_size() == (40, 60)


def test_regions(paths):
    box = {"top": [0, 5], "left": 0, "bottom": [10, 15], "right": 10}
    table = pd.DataFrame({"path": paths[:2], **box})
    assert list_pixels(show_images(table)) == [(255, 0, 0), (0, 255, 0)]


def test_other_channels_are_a_composite():
    pixels = np.zeros((2, 8, 8, 5), np.uint16)
    pixels[1, ..., 0] = 900
    assert list_pixels(show_images(pixels)) == [(0, 0, 0), (0, 255, 255)]


@pytest.mark.parametrize("is_lazy", [False, True])
def test_unreadable_images_leave_a_place_and_one_warning(paths, is_lazy):
    files = [paths[0], "/absent.png", paths[2], "/gone.png"]
    images = ImageLoader(lazy=True).fit_transform(files) if is_lazy else files
    with pytest.warns(UserWarning, match="2 of 4 images could not be read, and their places are") as found:  # fmt: skip
        figure = show_images(images, list("abcd"))
    assert len(found) == 1
    assert found[0].filename == __file__
    assert list_pixels(figure) == [(255, 0, 0), None, (0, 0, 255), None]
    assert [len(ax.texts) for ax in figure.axes] == [0, 1, 0, 1]
    assert figure.axes[1].texts[0].get_text() == "no image"
    assert list_captions(figure) == list("abcd")
    if is_lazy:
        assert (images.on_error, images.failures) == ("raise", {})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "Got NoneType instead"),
        (np.zeros((0, 8, 8)), "Got nothing instead"),
        (np.zeros((10, 64)), "Got ndarray instead. Reshape rows of pixels"),
        (np.zeros((40, 60, 3)), "one image, of shape (40, 60, 3), instead. Pass [image]."),
        (np.zeros((401, 8, 8)), "at most 400 images. Got 401 instead. Pass some"),
    ],
)
def test_other_input_is_an_error(images, message):
    with pytest.raises(ParameterError) as error:
        show_images(images)
    assert message in str(error.value)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"captions": "abcde"}, "'captions' parameter must hold a text for each image"),
        ({"captions": ["a"]}, "one text for each of the 5 images. Got 1 instead"),
        ({"n_columns": 0}, "'n_columns' parameter must be an integer of at least 1. Got 0"),
        ({"n_columns": 2.0}, "Got 2.0 instead"),
        ({"n_columns": True}, "Got True instead"),
    ],
)
def test_other_parameters_are_errors(params, message):
    with pytest.raises(ParameterError, match=message):
        show_images(GREY, **params)


@pytest.mark.parametrize(("backend", "n_left"), [("inline", 0), ("agg", 1)])
def test_a_notebook_shows_the_figure_once(monkeypatch, backend, n_left):
    figure = show_images(GREY)
    monkeypatch.setattr(plt, "get_backend", lambda: backend)
    with pytest.raises(NotImplementedError):  # IPython shows it as any figure
        figure._ipython_display_()
    assert len(plt.get_fignums()) == n_left


def test_missing_captions_of_a_column_are_omitted():
    captions = pd.Series(["a", None, np.nan, pd.NA, ("b", "c")], index=range(7, 12))
    figure = show_images(np.zeros((5, 8, 8), np.uint8), captions)
    assert [ax.get_xlabel() for ax in figure.axes] == ["a", "", "", "", "('b', 'c')"]
