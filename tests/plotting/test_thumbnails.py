"""Thumbnails: which are drawn, where, and how little is read for it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_resnet import EmbeddingDisplay, ImageLoader
from sklearn_resnet.plotting._thumbnails import as_images, choose_points, read_chosen, show_lazy

WINDOW = np.array([[0.0, 0.0], [100.0, 100.0]])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def draw(n, images, y=None, **kwargs):
    xy = np.random.RandomState(0).rand(n, 2)
    display = EmbeddingDisplay.from_embedding(xy, y, images=images, thumbnails=True, **kwargs)
    display.figure_.canvas.draw()
    return display


def pictures(display):
    return [np.asarray(box.offsetbox.get_data()) for box in display.thumbnails_]


@pytest.mark.parametrize("n", [1, 20, 3_000])
def test_squares_do_not_overlap_and_leave_no_room(n):
    points = 10 + 80 * np.random.RandomState(0).rand(n, 2)
    chosen = choose_points(points, np.arange(n) % 3, 12.0, WINDOW)
    assert len(set(chosen)) == len(chosen) >= min(n, 10)
    apart = np.abs(points[:, None] - points[chosen]).max(-1)
    apart[chosen, np.arange(len(chosen))] = np.inf
    assert apart[chosen].min() >= 12 or n == 1
    left = np.setdiff1d(np.arange(n), chosen)
    assert np.all(apart[left].min(1) < 12)
    assert chosen == choose_points(points, np.arange(n) % 3, 12.0, WINDOW)


def test_squares_stay_in_the_window():
    points = 100 * np.random.RandomState(0).rand(500, 2)
    chosen = points[choose_points(points, np.zeros(500, int), 10.0, WINDOW)]
    assert chosen.min() >= 5
    assert chosen.max() <= 95


def test_rare_labels_have_their_turn():
    """Of one place, the label that comes once is drawn as often as the one that fills it."""
    points = 10 + 80 * np.random.RandomState(0).rand(1_000, 2)
    codes = np.zeros(1_000, int)
    codes[[3, 400, 777]] = [1, 2, 3]
    assert {0, 1, 2, 3} <= set(codes[choose_points(points, codes, 10.0, WINDOW)])


@pytest.mark.parametrize("kind", ["labels", "scale", "none"])
def test_images_stand_at_their_points_in_frames_of_their_colour(kind):
    n = 30
    y = {"labels": np.array(["a", "b", None] * 10, object), "scale": np.linspace(0, 1, n)}.get(kind)
    images = np.full((n, 4, 4), 0, np.uint8) + np.arange(n, dtype=np.uint8)[:, None, None]
    display = draw(n, images, y)
    assert 5 < len(display.thumbnails_) <= n
    for box in display.thumbnails_:
        i = int(np.asarray(box.offsetbox.get_data())[0, 0, 0])
        np.testing.assert_array_equal(box.xy, display.embedding[i])
        missing = kind == "labels" and i % 3 == 2
        color = (0.8, 0.8, 0.8) if missing else display._coloring.colors_of([i])[0]
        assert to_hex(box.patch.get_edgecolor()) == to_hex(color)
    assert sum(len(dots.get_offsets()) for dots in display.ax_.collections) == n


@pytest.mark.parametrize("figsize", [(3.5, 3), (8, 6), (14, 10)])
@pytest.mark.parametrize("n", [2, 40, 2_000])
def test_drawn_images_do_not_overlap_and_lie_in_the_axes(figsize, n):
    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    display = draw(n, np.zeros((n, 6, 9)), np.arange(n) % 4, ax=ax, title="title")
    boxes = [box.get_window_extent() for box in display.thumbnails_]
    window = ax.get_window_extent()
    for i, box in enumerate(boxes):
        assert np.all((box.min >= window.min) & (box.max <= window.max))
        assert not any(box.overlaps(other) for other in boxes[:i])
    assert len(boxes) >= min(n, 8)


@pytest.mark.parametrize(
    "images",
    [
        np.linspace(0, 1, 8).reshape(2, 2, 2),
        np.linspace(0, 255, 8).reshape(2, 2, 2, 1),
        (np.linspace(0, 65535, 8).reshape(2, 2, 2)).astype(np.uint16),
        list(np.linspace(0, 1, 8).reshape(2, 2, 2)),
        [np.zeros((2, 2)), np.linspace(0, 255, 8).astype(np.uint8).reshape(2, 4)],
        np.linspace(0, 16, 8).reshape(2, 2, 2),
        np.arange(0, 16, 2).reshape(2, 2, 2),
        np.linspace(-3, 3, 8).reshape(2, 2, 2),
        np.linspace(0, 1000, 8).reshape(2, 2, 2),
        np.arange(8).reshape(2, 2, 2) > 3,
    ],
    ids=[
        *("float", "one channel", "uint16", "list", "other dtypes and sizes", "to 16"),
        *("integers to 14", "negative", "to 1000", "bool"),
    ],
)
def test_values_of_any_range_become_bytes(images):
    first, second = read_chosen(images, [0, 1], 100)
    assert first.mode == second.mode == "RGB"
    assert np.asarray(first).min() == 0
    assert np.asarray(second).max() == 255


def test_dark_bytes_stay_dark():
    (image,) = read_chosen(np.full((1, 4, 4), 9, np.uint8), [0], 20)
    assert image.getextrema() == ((9, 9),) * 3


def test_large_images_are_shrunk_and_keep_their_shape():
    (image,) = read_chosen(np.zeros((1, 50, 100)), [0], 20)
    assert image.size == (20, 10)


class Counted:
    """Images that record which of them are read."""

    def __init__(self, n):
        self.n, self.shape, self.asked = n, (n, 5, 5), []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.asked.append(i)
        return np.full((5, 5), i % 200, np.uint8)


def test_none_but_the_drawn_images_are_read():
    images = Counted(2_000)
    display = draw(2_000, images)
    assert len(images.asked) == len(set(images.asked)) == len(display.thumbnails_) < 1_000


@pytest.fixture
def paths(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(60)]
    for i, path in enumerate(paths):
        Image.new("RGB", (40, 60 if i % 2 else 30), (i, 0, 0)).save(path)
    return paths


@pytest.mark.parametrize("make", [list, lambda paths: list(map(str, paths)), pd.Series])
def test_paths_are_read_only_if_drawn(paths, make):
    points = np.repeat(np.random.RandomState(0).rand(6, 2), 10, axis=0)  # ten at each place
    images = make(paths)
    display = EmbeddingDisplay.from_embedding(points, images=images)
    for path in paths:
        path.touch()
    display.plot(thumbnails=True)
    assert len(display.thumbnails_) == 6
    for box, picture in zip(display.thumbnails_, pictures(display), strict=True):
        assert picture.shape[0] == picture.shape[1]
        np.testing.assert_array_equal(points[picture[0, 0, 0]], box.xy)


@pytest.mark.parametrize(
    "form", [lambda path: Image.open(path).quantize(4), lambda path: path.read_bytes()]
)
def test_images_of_pillow_and_contents_of_files_are_drawn_in_their_colours(paths, form):
    Image.new("RGB", (40, 60), (200, 100, 50)).save(paths[0])
    (picture,) = pictures(draw(1, [form(paths[0])]))
    assert picture.shape[0] == picture.shape[1]
    np.testing.assert_allclose(picture[0, 0], (200, 100, 50), atol=2)


def test_a_file_that_cannot_be_read_stays_a_dot(paths):
    for path in paths[1:]:
        path.write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"could not be read, and are not drawn: '.*\.png'"):
        display = EmbeddingDisplay.from_embedding(
            [[0, 0], [1, 1]], images=paths[:2], thumbnails=True
        )
    assert [tuple(box.xy) for box in display.thumbnails_] == [(0, 0)]


@pytest.mark.parametrize("on_error", ["nan", "raise"])
def test_lazy_images_are_drawn(paths, on_error):
    images = ImageLoader(size=8, lazy=True, on_error=on_error).fit_transform(paths[:2])
    display = EmbeddingDisplay.from_embedding([[0, 0], [1, 1]], images=images, thumbnails=True)
    # the second holds ones, as a mask does
    assert sorted(picture[0, 0, 0] for picture in pictures(display)) == [0, 255]
    paths[1].unlink()
    if on_error == "raise":
        with pytest.raises(FileNotFoundError, match="The image file .* does not exist"):
            display.plot(thumbnails=True)
    else:
        with pytest.warns(UserWarning, match="1 of 2 images could not be read"):
            display.plot(thumbnails=True)


def test_arrays_that_are_no_images_are_an_error():
    with pytest.raises(ValueError, match=r"'images' parameter .* shape \(3, 4, 2, 2\) among them"):
        draw(2, list(np.zeros((2, 3, 4, 2, 2))))


@pytest.mark.parametrize("n_channels", [1, 3])
def test_channels_that_come_first_are_an_error(n_channels):
    with pytest.raises(ValueError, match=r"np.moveaxis\(images, 1, -1\) puts channels last"):
        draw(2, np.zeros((2, n_channels, 32, 32)))


@pytest.mark.parametrize(
    ("images", "are"),
    [
        (np.zeros((2, 3, 3)), True),
        (np.zeros((2, 3, 3, 3)), True),
        ([np.zeros((3, 3)), np.zeros((4, 4))], True),
        (["a.png", "b.png"], True),
        (("a.png", "b.png"), True),
        ((np.zeros((3, 3)), np.zeros((4, 4))), True),
        (np.array(["a.png", "b.png"]), True),
        (pd.DataFrame({"path": ["a.png", "b.png"]}), True),
        ([b"a", b"b"], True),
        ([Image.new("P", (3, 3))] * 2, True),
        (pd.Series([Image.new("P", (3, 3))] * 2), True),
        (np.zeros((2, 9)), False),
        ([[1.0, 2.0]], False),
        ([], False),
        (None, False),
    ],
)
def test_what_counts_as_images(images, are):
    found = as_images(images)
    assert (found is not None) == are
    assert not are or len(found) == 2


def test_values_of_a_known_range_keep_their_brightness():
    image = read_chosen(np.array([[[0.2, 0.6], [0.4, 0.8]]]), [0], 2)[0]
    assert image.getextrema()[0] == (51, 204)


def test_images_of_other_numbers_of_channels_are_composites_with_one_range():
    images = np.full((3, 6, 6, 5), 100, np.uint16)
    images[0, 1, :2, 0] = 4000
    images[1, 1, :2, 0] = 2050
    images[2, 4, 4:, 1] = 4000
    found = [np.asarray(image) for image in read_chosen(images, [0, 1, 2], 6)]
    np.testing.assert_allclose(found[0][1, 1], (0, 255, 255), atol=2)  # cyan
    np.testing.assert_allclose(found[1][1, 1], (0, 128, 128), atol=3)
    np.testing.assert_allclose(found[2][4, 4], (255, 0, 255), atol=2)  # magenta
    assert not found[2][0].any()


def save_channels(folder):
    """Save images of four channels: the second is brighter than the first."""
    images = np.full((2, 8, 8, 4), 100, np.uint16)
    images[0, :4, :, 0] = 2050
    images[1, :4, :, 0] = 4000
    images[1, 4:, :, 1] = 4000
    paths = [str(folder / f"{i}.npy") for i in range(2)]
    for path, image in zip(paths, images, strict=True):
        np.save(path, image)
    return paths


def test_lazy_channels_are_drawn_as_composites_with_one_range(tmp_path):
    paths = save_channels(tmp_path)
    images = ImageLoader(mode="channels", lazy=True).fit_transform(paths)
    first, second = (np.asarray(image) for image in read_chosen(images, [0, 1], 8))
    np.testing.assert_allclose(first[0], [[0, 128, 128]] * 8, atol=2)  # cyan
    np.testing.assert_allclose(second[[0, 7], 0], [(0, 255, 255), (255, 0, 255)], atol=2)
    assert not first[4:].any()


def test_a_rescaled_image_is_shown_in_its_range(tmp_path):
    paths = save_channels(tmp_path)
    images = ImageLoader(mode="channels", rescale=(0, 8000), lazy=True).fit_transform(paths)
    first, second = (np.asarray(image) for image in read_chosen(images, [0, 1], 8))
    background = 255 * 100 / 8000
    assert second[0, 0, 1] == pytest.approx(127.5 + background, abs=1)  # cyan and yellow
    assert first[7, 7].max() < 4 * background + 1


def test_a_file_of_channels_that_cannot_be_read_stays_a_dot(tmp_path):
    paths = save_channels(tmp_path)
    images = ImageLoader(mode="channels", lazy=True, on_error="nan").fit_transform(paths)
    (tmp_path / "1.npy").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 of 2 images could not be read, and are not drawn"):
        first, second = read_chosen(images, [0, 1], 8)
    assert np.asarray(first)[0, 0].tolist() == [0, 255, 255]
    assert second is None


def test_paths_of_deep_grey_files_and_of_channels_are_drawn_bright(tmp_path):
    rng = np.random.default_rng(0)
    for n_channels in (1, 5):
        paths = [str(tmp_path / f"{n_channels}-{i}.npy") for i in range(8)]
        for path in paths:
            np.save(path, rng.integers(100, 4096, (9, 9, n_channels), dtype=np.uint16))
        for image in read_chosen(paths, [0, 1, 7], 9):
            assert np.asarray(image).max() > 200


def test_paths_of_photos_are_drawn_as_photos_whatever_their_alpha(tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for path in paths:
        Image.new("RGBA", (8, 8), (200, 100, 50, 255)).save(path)
    for image in read_chosen(paths, [0, 1, 2], 8):
        assert np.asarray(image)[0, 0].tolist() == [200, 100, 50]


def test_a_list_may_mix_photos_and_channels():
    images = [np.full((4, 4), 90, np.uint8), np.eye(4)[..., None] * [0, 1], np.ones((4, 4, 3))]
    grey, composite, white = (np.asarray(image) for image in read_chosen(images, [0, 1, 2], 4))
    assert (grey == 90).all()
    assert (composite[0, 0] == (255, 0, 255)).all()
    assert not composite[0, 1].any()
    assert (white == 255).all()


def test_the_range_is_that_of_all_drawn_images():
    first, second = read_chosen(np.array([[[1.0, 1]], [[-3, 3]]]), [0, 1], 2)
    assert [np.asarray(image)[0, :, 0].tolist() for image in (first, second)] == [
        [170, 170],
        [0, 255],
    ]
    first, second = read_chosen(np.array([[[0.0, 1000]], [[0, 10]]]), [0, 1], 2)
    assert first.getextrema()[0] == (0, 255)
    assert second.getextrema()[0][1] < 5


def test_images_are_fine_enough_for_print():
    (picture,) = pictures(draw(1, np.zeros((1, 400, 400))))
    assert picture.shape[:2] == (200, 200)  # 48 points at 300 dots per inch


def test_images_without_pixels_are_an_error():
    with pytest.raises(ValueError, match=r"'images' parameter .* shape \(0, 4\) among them"):
        draw(2, np.zeros((2, 0, 4)))


def test_frames_do_not_touch():
    display = draw(400, np.zeros((400, 4, 4)))
    corners = [box.get_window_extent().get_points() for box in display.thumbnails_]
    line_width = display.thumbnails_[0].patch.get_linewidth() * display.figure_.dpi / 72
    gap = 1.5 * line_width  # half of a line belongs to each frame
    for i, (low, high) in enumerate(corners):
        for other_low, other_high in corners[:i]:
            assert np.any((low > other_high + gap) | (other_low > high + gap))


def test_delayed_arrays_are_no_images():
    assert as_images(pytest.importorskip("dask.array").zeros((2, 3, 3))) is None


def test_lazy_images_are_not_read_to_see_that_they_are_images(paths):
    images = ImageLoader(lazy=True).fit_transform(paths)
    for path in paths:
        path.unlink()
    assert as_images(images) is images


def save_quarters(path, colors, size=40):
    """Save an image with a square of a colour in each quarter."""
    image = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    for i, color in enumerate(colors):
        y, x = half * (i // 2), half * (i % 2)
        image[y : y + half, x : x + half] = color
    Image.fromarray(image).save(path)
    return str(path)


QUARTERS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
QUARTER_XY = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "arrays"])
def test_regions_are_drawn(tmp_path, kind):
    path = save_quarters(tmp_path / "a.png", QUARTERS)
    boxes = {
        "top": [0, 0, 20, 20],
        "left": [0, 20, 0, 20],
        "bottom": [20, 20, 40, 40],
        "right": [20, 40, 20, 40],
    }
    image = np.asarray(Image.open(path))
    table = pd.DataFrame({"path": [path] * 4 if kind != "arrays" else [image] * 4, **boxes})
    if kind == "polars":
        table = pl.from_pandas(table)
    if kind == "lazy":
        table = ImageLoader(size=16, lazy=True).fit_transform(table)
    shown = read_chosen(as_images(table), [3, 0, 2], 16)
    for picture, i in zip(shown, (3, 0, 2), strict=True):
        np.testing.assert_allclose(np.asarray(picture), np.full((16, 16, 3), QUARTERS[i]), atol=2)
    display = EmbeddingDisplay.from_embedding(QUARTER_XY, images=table, thumbnails=True)
    assert len(display.thumbnails_) >= 2


def test_a_masked_region_is_drawn_whole_and_black_outside(tmp_path):
    path = save_quarters(tmp_path / "a.png", [(250, 250, 250)] * 4)
    mask = np.zeros((10, 40), bool)
    mask[:, 20:] = True
    table = pd.DataFrame({"path": [path], "top": 5, "left": 0, "bottom": 15, "right": 40})
    table["mask"] = [mask]
    picture = np.asarray(read_chosen(as_images(table), [0], 40)[0])[..., 0]
    assert picture.shape == (40, 40)
    assert (picture[16:24, 22:] > 200).all()
    assert (picture[:, :18] < 50).all()
    assert (picture[:14] < 50).all()  # not cropped to a square


def test_a_pipeline_of_regions_has_thumbnails_of_them(tmp_path):
    path = save_quarters(tmp_path / "a.png", QUARTERS)
    table = pd.DataFrame(
        {"path": [path] * 12, "top": range(12), "left": 0, "bottom": range(20, 32), "right": 20}
    )
    flat = FunctionTransformer(lambda images: images.reshape(len(images), -1).astype(float))
    pipe = make_pipeline(ImageLoader(size=4), flat, PCA(2, random_state=0))
    display = EmbeddingDisplay.from_estimator(pipe, table, thumbnails=True)
    assert display.images[3].box == (3, 0, 23, 20)
    assert display.thumbnails_


@pytest.mark.parametrize("names", ["abab", "aabb"])
def test_regions_are_shown_in_the_order_of_their_rows(tmp_path, names):
    paths = {
        "a": save_quarters(tmp_path / "a.png", QUARTERS),
        "b": save_quarters(tmp_path / "b.png", QUARTERS[::-1]),
    }
    table = pd.DataFrame(
        {"path": [paths[name] for name in names], "top": 0, "left": [20, 0, 0, 20]}
    )
    table = table.assign(bottom=20, right=table["left"] + 20)
    shown = read_chosen(as_images(table), [0, 1, 2, 3], 8)
    colors = [np.asarray(picture)[4, 4] for picture in shown]
    quarters = {"a": QUARTERS, "b": QUARTERS[::-1]}
    expected = [quarters[name][left // 20] for name, left in zip(names, table["left"], strict=True)]
    np.testing.assert_allclose(colors, expected, atol=4)


def test_lazy_images_are_read_in_their_own_order():
    class Images:
        options, failures = {"mode": "RGB"}, {1: "broken"}
        read = []

        def __len__(self):
            return 3

        def reading_order(self):
            return np.array([2, 0, 1])

        def batches(self, size, positions):
            for i in positions:
                self.read.append(i)
                yield np.full((1, 4, 4, 3), 100 * i, np.uint8)

    images = Images()
    first, broken, last = show_lazy(images, 4)
    assert images.read == [2, 0, 1]
    assert (np.asarray(first).max(), broken, np.asarray(last).min()) == (0, None, 200)


def test_a_table_of_features_is_no_table_of_regions():
    numbers = np.random.RandomState(0).rand(9, 4)
    table = pd.DataFrame(numbers, columns=["top", "left", "bottom", "right"])
    assert as_images(table) is None
    display = EmbeddingDisplay.from_estimator(PCA(2), table)
    assert display.images is None


def test_a_list_of_grey_and_of_colour_files_is_drawn_in_colours(tmp_path):
    paths = [save_quarters(tmp_path / "a.png", QUARTERS), str(tmp_path / "b.png")]
    Image.new("L", (40, 40), 120).save(paths[1])
    for order in ([0, 1], [1, 0]):
        shown = read_chosen([paths[i] for i in order], [0, 1], 16)
        colors = [np.asarray(picture)[2, 2] for picture in shown]
        np.testing.assert_allclose(colors[order.index(0)], QUARTERS[0], atol=4)
        np.testing.assert_allclose(colors[order.index(1)], 120, atol=4)
