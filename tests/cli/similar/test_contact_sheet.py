"""The contact sheet: places of queries and neighbors, and captions."""

import warnings

import numpy as np
import pytest

from sklearn_resnet.cli.similar.contact_sheet import draw_sheet, save_sheet

GREY, COLOUR = np.full((8, 8), 9, np.uint8), np.full((6, 9, 3), 9, np.uint8)


@pytest.mark.parametrize(("n_found", "columns", "rows"), [(1, 1, 1), (6, 6, 1), (7, 4, 2), (10, 5, 2), (13, 5, 3)])  # fmt: skip
def test_rows_are_about_equally_long(n_found, columns, rows):
    figure = draw_sheet([(GREY, "query", [(GREY, str(i)) for i in range(n_found)])] * 2)
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (2 * rows, columns + 1)
    assert [ax.get_xlabel() for ax in figure.axes[: n_found + 1]] == ["query", *map(str, range(n_found))]  # fmt: skip
    columns_of_found = {ax.get_subplotspec().colspan.start for ax in figure.axes[1 : n_found + 1]}
    assert columns_of_found == set(range(1, columns + 1))
    assert figure.axes[n_found + 1].get_subplotspec().rowspan.start == rows  # the second query


def test_tiles_keep_their_distance_whatever_is_missing():
    found = [(None, "gone\ncat\na.jpg"), (COLOUR, "short")]
    figure = draw_sheet([(GREY, "q", found), (GREY, "q", found)])
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert not any(box.overlaps(other) for other in boxes[:i])
    assert [text.get_text() for text in figure.axes[1].texts] == ["no image"]
    assert figure.axes[0].images[0].get_clim() == (0, 255)  # dark images stay dark


def test_captions_are_plain_text_in_any_script(tmp_path):
    figure = draw_sheet([(GREY, "$\\frac", [(COLOUR, "$x$ 猫")])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_sheet(figure, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000
