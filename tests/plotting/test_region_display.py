"""RegionDisplay: which regions are drawn, where, and in which colour."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from sklearn_resnet import ImageReadError, RegionDisplay, datasets, draw_regions
from sklearn_resnet.plotting._palette import PALETTE

BOX = ("top", "left", "bottom", "right")
BOXES = [(1, 2, 11, 22), (5, 5, 9, 8), (20, 0, 30, 10), (12, 30, 28, 40)]
GREY = to_hex("0.8")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def image():
    return np.random.RandomState(0).randint(0, 256, (30, 40, 3), np.uint8)


def make_table(boxes=BOXES, path="image.png", **columns):
    return pd.DataFrame(
        {"path": path, **dict(zip(BOX, zip(*boxes, strict=True), strict=True))} | columns
    )


def make_tiles(side=10, shape=(30, 40), step=None):
    step = step or side
    return [
        (top, left, top + side, left + side)
        for top in range(0, shape[0] - side + 1, step)
        for left in range(0, shape[1] - side + 1, step)
    ]


def drawn_boxes(display):
    """The boxes drawn and their colours, in drawing order: [(box, colour)]."""
    shapes = display.regions_
    found = []
    for path, color in zip(shapes.get_paths(), shapes.get_edgecolors(), strict=True):
        left, top, right, bottom = path.get_extents().extents + 0.5
        found.append(((int(top), int(left), int(bottom), int(right)), to_hex(color)))
    return found


def heat_of(display):
    return np.asarray(display.regions_.get_array())


def test_boxes_have_the_colours_of_their_labels(image):
    display = draw_regions(image, make_table(kind=["b", "a", None, "b"]), "kind")
    expected = dict(zip(BOXES, [PALETTE[1], PALETTE[0], GREY, PALETTE[1]], strict=True))
    assert dict(drawn_boxes(display)) == expected
    assert [text.get_text() for text in display.legend_.get_texts()] == ["a", "b"]
    assert display.colorbar_ is None


def test_small_regions_are_drawn_on_large_ones(image):
    areas = [
        (bottom - top) * (right - left)
        for (top, left, bottom, right), _ in drawn_boxes(draw_regions(image, make_table()))
    ]
    assert areas == sorted(areas, reverse=True)


def test_lines_are_as_thin_as_their_regions_are_small(image):
    shapes = draw_regions(image, make_table([(0, 0, 1, 1), (2, 2, 3, 4), (0, 0, 30, 30)])).regions_
    widths = shapes.get_linewidths()
    assert widths[0] > widths[1] > widths[2]
    assert (min(widths), max(widths)) == (pytest.approx(0.95, abs=0.3), 2)


def test_numbers_are_a_scale(image):
    display = draw_regions(image, make_table(), [0.0, 0.5, np.nan, 1.0], palette="magma")
    cmap = plt.get_cmap("magma")
    expected = [to_hex(cmap(0.0)), to_hex(cmap(0.5)), GREY, to_hex(cmap(1.0))]
    assert dict(drawn_boxes(display)) == dict(zip(BOXES, expected, strict=True))
    assert display.colorbar_ is not None
    assert display.legend_ is None


@pytest.mark.parametrize(("n", "is_scale"), [(20, False), (21, True)])
def test_as_many_whole_numbers_are_labels_as_have_their_own_colours(image, n, is_scale):
    boxes = [(i, i, i + 2 + i % 2, i + 3) for i in range(n)]
    display = draw_regions(image, make_table(boxes), np.arange(n))
    assert (display.colorbar_ is not None) == is_scale
    assert len({color for _, color in drawn_boxes(display)}) == n


def test_without_values_all_have_one_colour_and_no_legend(image):
    display = draw_regions(image, make_table())
    assert {color for _, color in drawn_boxes(display)} == {PALETTE[0]}
    assert display.legend_ is None
    assert display.colorbar_ is None


@pytest.mark.parametrize("values", [["a", "b", "a", "b"], [0.5, 1.0, 2.0, 3.0]])
def test_the_legend_can_be_left_out(image, values):
    display = draw_regions(image, make_table(), values, legend=False)
    assert (display.legend_, display.colorbar_) == (None, None)
    assert len(display.figure_.axes) == 1


def test_the_image_lies_below_at_its_pixels(image):
    display = draw_regions(image, make_table())
    np.testing.assert_array_equal(display.image_.get_array(), image)
    assert tuple(display.image_.get_extent()) == (-0.5, 39.5, 29.5, -0.5)
    assert display.image_.get_zorder() < min(
        shapes.get_zorder() for shapes in display.ax_.collections
    )


def test_outlines_of_masks(image):
    masks = [np.ones((10, 20), bool), None, np.zeros((10, 10), bool), np.eye(16, 10, dtype=bool)]
    masks[0][:, 10:] = False
    display = draw_regions(image, make_table(mask=masks), list("abcd"))
    paths = display.regions_.get_paths()
    # from large to small; without a mask, the box is outlined
    extents = [path.get_extents().extents.tolist() if len(path.vertices) else [] for path in paths]
    assert extents == [
        [1.5, 0.5, 11.5, 10.5],
        [29.5, 11.5, 39.5, 21.5],
        [],
        [4.5, 4.5, 7.5, 8.5],
    ]
    assert [to_hex(color) for color in display.regions_.get_edgecolors()] == [
        PALETTE[i] for i in (0, 3, 2, 1)
    ]


@pytest.mark.parametrize("form", ["labels", "mask", "path", "mask of bytes"])
def test_outlines_of_a_label_image(image, form, tmp_path):
    labels = np.zeros((30, 40), np.int32)
    labels[2:6, 3:9] = 1
    labels[2:6, 12:20] = 2
    table = make_table([(2, 3, 6, 9), (0, 0, 30, 40)], segment=[1, 2])
    if form != "labels":
        labels = labels > 0
    if form == "path":
        Image.fromarray(labels).save(tmp_path / "mask.png")
        labels = tmp_path / "mask.png"
    if form == "mask of bytes":
        labels = 255 * labels.astype(np.uint8)
    display = draw_regions(image, table, "segment", labels=labels)
    extents = [path.get_extents().extents.tolist() for path in display.regions_.get_paths()]
    assert extents == [[11.5, 1.5, 19.5, 5.5], [2.5, 1.5, 8.5, 5.5]]


def test_outlines_where_boxes_reach_beyond_the_border(image):
    labels = np.zeros((30, 40), int)
    labels[0:4, 0:5] = 1
    labels[25:30, 33:40] = 2
    table = make_table([(-20, -9, 8, 10), (20, 30, 35, 55)], segment=[1, 2])
    display = draw_regions(image, table, "segment", labels=labels)
    extents = [path.get_extents().extents.tolist() for path in display.regions_.get_paths()]
    assert extents == [[-0.5, -0.5, 4.5, 3.5], [32.5, 24.5, 39.5, 29.5]]


@pytest.mark.parametrize("segment", [3, "cell", np.nan])
def test_a_segment_that_is_not_in_its_box(image, segment):
    labels = np.zeros((30, 40), int)
    labels[2:6, 3:9] = 1
    table = make_table([(2, 3, 6, 9), (0, 0, 30, 40)], segment=[1, segment])
    with pytest.raises(
        ValueError,
        match="must have the segment of each region in its box. Got no segment .* of row 1",
    ):
        draw_regions(image, table, labels=labels)


def test_kinds_are_chosen_by_what_there_is(image):
    tiles, scores = make_table(make_tiles()), np.linspace(0, 1, 12)
    heat = draw_regions(image, tiles, scores).regions_
    assert heat in plt.gcf().axes[0].images
    for table, values in [
        (tiles, np.array(list("abcdefghijkl"))),
        (tiles, None),
        (make_table(), np.linspace(0, 1, 4)),
        (tiles[:1], scores[:1]),
    ]:
        assert len(draw_regions(image, table, values).ax_.images) == 1
    masks = [np.ones((10, 10), bool)] * 12
    assert len(draw_regions(image, tiles.assign(mask=masks), scores).ax_.images) == 1
    assert len(draw_regions(image, tiles, scores, kind="boxes").ax_.images) == 1


def test_a_heat_map_averages_overlapping_tiles(image):
    boxes = make_tiles(10, step=5)
    scores = np.random.RandomState(0).rand(len(boxes))
    scores[3] = np.nan
    display = draw_regions(image, make_table(boxes), scores, alpha=0.7)
    totals, counts = np.zeros((30, 40)), np.zeros((30, 40))
    for (top, left, bottom, right), score in zip(boxes, scores, strict=True):
        if np.isfinite(score):
            totals[top:bottom, left:right] += score
            counts[top:bottom, left:right] += 1
    means = totals / counts
    colors = display.colorbar_.mappable.to_rgba(means)[..., :3]
    np.testing.assert_allclose(heat_of(display)[..., :3], colors, atol=0.01)
    assert (heat_of(display)[..., 3] == 0.7).all()


def test_a_heat_map_is_transparent_where_there_are_no_tiles(image):
    display = draw_regions(image, make_table([(0, 0, 10, 10), (10, 20, 20, 30)]), [0.5, 1.5])
    heat = heat_of(display)[..., 3]
    assert heat[5, 5] == heat[15, 25] == 0.5
    assert heat.sum() == pytest.approx(0.5 * 200)
    assert display.regions_.get_extent() == display.image_.get_extent()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_the_colour_bar_has_the_colours_and_the_name_of_the_heat_map(grey):
    image = np.full((60, 60, 3), grey, np.uint8)
    table = make_table([(0, 0, 30, 60), (30, 0, 60, 60)], score=[0.5, 1.5])
    display = draw_regions(image, table, "score")
    canvas = display.figure_.canvas
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(int)
    bar, map_ = (ax.get_window_extent() for ax in (display.colorbar_.ax, display.ax_))
    for share, level in ((0.98, 0.25), (0.02, 0.75)):  # row 0 is at the top of the map
        in_bar = drawn[int(bar.y0 + (1 - share) * bar.height), int((bar.x0 + bar.x1) / 2)]
        on_map = drawn[int(map_.y0 + (1 - level) * map_.height), int((map_.x0 + map_.x1) / 2)]
        np.testing.assert_allclose(in_bar, on_map, atol=8)
    assert display.colorbar_.ax.get_ylabel() == "score"
    assert draw_regions(image, table, table["score"]).colorbar_.ax.get_ylabel() == "score"
    assert draw_regions(image, table, [0.0, 1.5]).colorbar_.ax.get_ylabel() == ""
    boxes = draw_regions(image, table, "score", kind="boxes")
    assert boxes.colorbar_.alpha is None  # boxes have lines of full colour


def test_a_heat_map_of_labels(image):
    table = make_table([(0, 0, 10, 20), (0, 10, 10, 30)])
    heat = heat_of(draw_regions(image, table, ["a", "b"], kind="heatmap", palette=["red", "blue"]))
    assert heat[5, 5].tolist() == [1, 0, 0, 0.5]
    assert heat[5, 15].tolist() == [0.5, 0, 0.5, 0.5]
    assert heat[5, 25].tolist() == [0, 0, 1, 0.5]


def test_tiles_of_a_large_image_leave_no_gaps():
    image = np.zeros((30, 5000), np.uint8)
    boxes = make_tiles(10, image.shape)
    display = draw_regions(image, make_table(boxes), np.linspace(0, 1, len(boxes)))
    assert heat_of(display).shape[1] == 1024
    assert (heat_of(display)[..., 3] == 0.5).all()


@pytest.mark.parametrize(
    ("kind", "alpha", "expected"),
    [("boxes", None, 0), ("outlines", None, 0.25), ("boxes", 0.3, 0.3), ("outlines", 1, 1)],
)
def test_opacity_is_that_of_the_inside(image, kind, alpha, expected):
    sizes = [(bottom - top, right - left) for top, left, bottom, right in BOXES]
    table = make_table(mask=[np.ones(size, bool) for size in sizes])
    shapes = draw_regions(image, table, kind=kind, alpha=alpha).regions_
    assert shapes.get_facecolors()[:, 3] == pytest.approx(expected)
    assert shapes.get_edgecolors()[:, 3] == pytest.approx(1)


def test_only_the_regions_of_the_image_are_drawn_in_the_colours_of_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30)).save(name)
    table = make_table(path=["a.png", "b.png", "a.png", "b.png"], kind=["w", "x", "y", "z"])
    for path in ("b.png", tmp_path / "b.png"):
        display = draw_regions(path, table, "kind")
        assert dict(drawn_boxes(display)) == {BOXES[1]: PALETTE[1], BOXES[3]: PALETTE[3]}
        assert len(display.legend_.get_texts()) == 4


def test_images_in_memory_are_told_by_identity(image):
    other = image.copy()
    table = make_table(path=[image, other, other, image])
    assert {box for box, _ in drawn_boxes(draw_regions(other, table))} == {BOXES[1], BOXES[2]}
    with pytest.raises(
        ValueError, match="'image' parameter must be one of the images of the table. Got ndarray"
    ):
        draw_regions(image.copy(), table)


def test_images_of_a_stack_are_told_by_their_memory():
    stack = np.zeros((3, 32, 48, 3), np.uint8)
    tiles = datasets.make_tiles(stack, 16)
    tiles["of"] = np.repeat([0.5, 1.5, 2.5], 6)
    display = draw_regions(stack[1], tiles, "of")
    assert (heat_of(display)[..., :3] == display.colorbar_.mappable.to_rgba(1.5)[:3]).all()
    for other in (stack[1].copy(), stack[1, :16], stack[1, ::-1]):
        with pytest.raises(ValueError, match="must be one of the images of the table"):
            draw_regions(other, tiles, "of")


def test_files_of_more_pixels_than_loaders_accept_are_drawn_without_a_warning(tmp_path):
    path = str(tmp_path / "large.jpg")
    Image.new("L", (9_500, 9_500), 90).save(path)
    display = draw_regions(path, make_table(path=path))
    assert max(display.image_.get_size()) == 2048
    assert len(drawn_boxes(display)) == 4


def test_an_image_that_is_not_in_the_table(tmp_path, image):
    with pytest.raises(ValueError, match="must be one of the images of the table. Got other.png"):
        draw_regions("other.png", make_table())
    with pytest.raises(ValueError, match="must be one of the images"):
        draw_regions(image, make_table(path=["a.png", "b.png"] * 2))
    with pytest.raises(ValueError, match="must hold a region of the image. Got an empty table"):
        draw_regions(image, make_table()[:0])


def test_rows_of_whole_images_have_their_border(image):
    table = pd.DataFrame({"path": ["image.png"]})
    assert drawn_boxes(draw_regions(image, table)) == [((0, 0, 30, 40), PALETTE[0])]


def test_regions_of_several_pages_are_drawn_one_page_at_a_time(tmp_path):
    pages = [Image.fromarray(np.full((30, 40, 3), value, np.uint8)) for value in (10, 200)]
    path = tmp_path / "stack.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    table = make_table(path=str(path), page=[0, 1, 0, 1])
    with pytest.raises(ValueError, match="must hold regions of one page of the image. Got 2 pages"):
        draw_regions(path, table)
    for page, value in enumerate((10, 200)):
        display = draw_regions(path, table[table["page"] == page])
        assert (display.image_.get_array() == value).all()


def test_polars_tables(image):
    table = pl.from_pandas(make_table(kind=["a", "b", "a", None]))
    expected = [PALETTE[0], PALETTE[1], PALETTE[0], GREY]
    assert dict(drawn_boxes(draw_regions(image, table, "kind"))) == dict(
        zip(BOXES, expected, strict=True)
    )


def test_a_large_image_is_drawn_in_fewer_pixels_at_its_place(tmp_path):
    image = np.zeros((100, 4096), np.uint8)
    image[:, 2048:] = 255
    path = tmp_path / "wide.png"
    Image.fromarray(image).save(path)
    for given in (image, path, Image.open(path)):
        display = draw_regions(given, make_table([(10, 2048, 50, 4096)], path=str(path)))
        assert display.image_.get_array().shape == (50, 2048, 3)
        assert tuple(display.image_.get_extent()) == (-0.5, 4095.5, 99.5, -0.5)
        assert drawn_boxes(display)[0][0] == (10, 2048, 50, 4096)


def test_a_deep_image_is_not_dark(tmp_path):
    deep = np.random.RandomState(0).randint(100, 400, (30, 40)).astype(np.uint16)
    path = tmp_path / "deep.png"
    Image.fromarray(deep).save(path)
    for given in (deep, path):
        shown = draw_regions(given, make_table(path=str(path))).image_.get_array()
        assert shown.max() > 240


def test_an_image_that_cannot_be_read(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"none")
    with pytest.raises(ImageReadError, match=r"broken\.png"):
        draw_regions(path, make_table(path=str(path)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "circles"},
            "'kind' parameter must be 'auto', 'boxes', 'outlines' or 'heatmap'. Got 'circles'",
        ),
        ({"alpha": 2}, "'alpha' parameter must be a number from 0 to 1. Got 2"),
        (
            {"values": "none"},
            "'values' parameter must be a column of the table.* Got 'none' instead. The columns are path, top",
        ),
        (
            {"values": [1, 2]},
            "'values' parameter must hold one value for each of the 4 rows of the table. Got 2",
        ),
        (
            {"labels": np.zeros((3, 3), int)},
            r"'labels' parameter must have the shape of the image, \(30, 40\). Got an array of shape \(3, 3\)",
        ),
        (
            {"labels": np.zeros((30, 40), int)},
            "'labels' parameter needs a column 'segment' of the table",
        ),
        (
            {"kind": "outlines"},
            "'kind' parameter must be 'boxes' or 'heatmap' for regions without masks",
        ),
    ],
)
def test_wrong_parameters(image, options, message):
    with pytest.raises(ValueError, match=message):
        draw_regions(image, make_table(), **options)


@pytest.mark.parametrize("table", [[(1, 2, 3, 4)], {"path": ["a"]}, np.ones((2, 4)), None])
def test_something_else_than_a_table(image, table):
    with pytest.raises(
        ValueError, match="'table' parameter must be a dataframe with the columns 'path', 'top'"
    ):
        draw_regions(image, table)


def window(artist, figure):
    figure.canvas.draw()
    return artist.get_tightbbox()


@pytest.mark.parametrize("shape", [(30, 40), (400, 30), (20, 400)])
@pytest.mark.parametrize("values", [["a", "b" * 30], [0.25, 1234567.5]])
@pytest.mark.parametrize("is_own", [True, False])
def test_everything_stays_within_the_figure(shape, values, is_own):
    ax = None if is_own else plt.subplots(figsize=(5, 4))[1]
    image = np.zeros(shape, np.uint8)
    table = make_table([(0, 0, 5, 5), (3, 3, 20, 20)])
    display = draw_regions(image, table, values, title="A title of many words " * 5, ax=ax)
    figure = display.figure_
    whole = figure.bbox.padded(1)
    for artist in (display.ax_, display.ax_.title, display.legend_ or display.colorbar_.ax):
        box = window(artist, figure)
        assert whole.contains(*box.p0), artist
        assert whole.contains(*box.p1), artist
    assert display.ax_.get_window_extent().width > 15
    beside = display.legend_ or display.colorbar_.ax
    assert beside.get_window_extent().x0 >= display.ax_.get_window_extent().x1


def test_given_axes_are_used_and_the_display_is_drawn_again(image):
    axes = plt.subplots(1, 2)[1]
    display = RegionDisplay(image, make_table(), list("abab"))
    assert display.plot(axes[0], kind="boxes") is display
    assert (display.ax_, display.figure_) == (axes[0], axes[0].figure)
    display.plot(axes[1], title="again", palette=["red", "blue"])
    assert display.ax_ is axes[1]
    assert display.ax_.get_title() == "again"
    assert {color for _, color in drawn_boxes(display)} == {"#ff0000", "#0000ff"}


@pytest.mark.long
def test_many_regions_are_few_artists(image):
    rng = np.random.RandomState(0)
    corners = rng.randint(0, 25, (10_000, 2))
    table = make_table([(y, x, y + 3, x + 4) for y, x in corners.tolist()])
    display = draw_regions(image, table, rng.choice(list("abc"), 10_000), kind="boxes")
    assert len(display.ax_.collections) == 2  # with light lines below
    assert len(display.regions_.get_paths()) == 10_000
    assert display.regions_.get_rasterized()  # vector files would be large
    masks = [np.ones((3, 4), bool)] * 10_000
    display = draw_regions(image, table.assign(mask=masks), rng.rand(10_000))
    assert len(display.regions_.get_paths()) == 10_000
    display.figure_.canvas.draw()
