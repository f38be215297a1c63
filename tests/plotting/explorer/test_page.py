"""The page of an embedding: its data, and its behaviour in a browser without a network."""

import io
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from explorer_pages import change_buffer, drag, hover, place, read_data, read_elements, selected
from matplotlib.colors import to_hex
from matplotlib.path import Path as Polygon
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from sklearn_resnet import EmbeddingDisplay, ImageLoader
from sklearn_resnet._io.csv_text import restore_text
from sklearn_resnet.plotting.explorer.page import read_script, write_page, write_plain_page

N = 60
HOSTILE = "</script><img src=x onerror='window.isHacked=1'><b>&amp;"
NAMES = [
    HOSTILE,
    '=cmd("x")',
    'a "quoted", name.png',
    "new\nline.png",
    "umlaut-ü-\udcff.png",
    *[f"{i}.png" for i in range(5, N)],
]
PATHS = [f"photos/{name}" for name in NAMES]


def make_data():
    """Points in a loose grid, an image of one colour for each, and features unlike the map."""
    rng = np.random.RandomState(0)
    xy = np.array([divmod(i, 10) for i in range(N)]) + rng.uniform(-0.2, 0.2, (N, 2))
    images = np.empty((N, 12, 12, 3), np.uint8)
    images[:] = rng.randint(0, 256, (N, 1, 1, 3))
    labels = np.array([HOSTILE, "cat", "dog"])[np.arange(N) % 3]
    return xy, images, labels, rng.standard_normal((N, 5))


def write(path, **options):
    xy, images, labels, features = make_data()
    options = {"paths": PATHS, "features": features} | options
    display = EmbeddingDisplay(xy, labels, images=images)
    display.to_html(path, **options)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("page") / "page.html", title=f"Map of {HOSTILE}")


def drawn_color(page, selector):
    """The mean colour of a canvas."""
    return page.evaluate(
        """selector => {
            const canvas = document.querySelector(selector);
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const sums = [0, 0, 0];
            data.forEach((value, k) => { if (k % 4 < 3) sums[k % 4] += value; });
            return sums.map((sum) => sum / (canvas.width * canvas.height));
        }""",
        selector,
    )


@pytest.mark.parametrize("i", [17, *(pytest.param(i, marks=pytest.mark.long) for i in (0, N - 1))])
def test_hover_shows_the_image_its_name_and_its_label(show, file, i):
    page = show(file)
    _, images, labels, _ = make_data()
    hover(page, i)
    page.wait_for_timeout(100)  # its sheet is decoded
    color = drawn_color(page, "#hover canvas.large")
    np.testing.assert_allclose(color, images[i].mean((0, 1)), atol=12)
    text = page.inner_text("#hover")
    assert labels[i] in text
    assert (NAMES[i].encode("utf-8", "backslashreplace").decode()) in page.text_content("#hover")


@pytest.mark.long
def test_hover_ends_beside_the_points(show, file):
    page = show(file)
    hover(page, 3)
    page.mouse.move(5, 5)
    page.wait_for_selector("#hover", state="hidden")


def test_a_click_pins_the_image_with_its_neighbours(show, file):
    page = show(file)
    features = make_data()[3]
    page.mouse.click(*place(page, 20))
    page.wait_for_selector("#pinned[data-index='20']")
    found = page.eval_on_selector_all("#neighbors button", "all => all.map(e => +e.dataset.index)")
    nearest = NearestNeighbors(n_neighbors=9).fit(features).kneighbors(features[[20]])[1][0]
    assert found == nearest[1:].tolist()
    page.click(f"#neighbors button[data-index='{found[2]}']")
    page.wait_for_selector(f"#pinned[data-index='{found[2]}']")
    page.keyboard.press("Escape")
    assert "Nothing is pinned" in page.inner_text("#pinned")


@pytest.mark.long
def test_neighbours_light_up(show, file):
    page = show(file)
    ink = "(() => { const c = document.getElementById('overlay'); return c.getContext('2d')"
    ink += (
        ".getImageData(0, 0, c.width, c.height).data.filter((v, k) => k % 4 == 3 && v).length })()"
    )
    page.click("#tool-box")  # without images on the map nothing else lies over it
    before = page.evaluate(ink)
    page.mouse.click(*place(page, 20))
    page.wait_for_selector("#pinned[data-index='20']")
    page.mouse.move(5, 5)
    page.wait_for_timeout(100)
    assert page.evaluate(ink) > before + 500


def test_a_lasso_catches_what_it_encircles(show, file):
    page = show(file)
    page.click("#tool-lasso")
    points = np.array([place(page, i) for i in range(N)])
    corners = points[[0, 8, 38, 20]] + [[-15, 15], [-15, -15], [15, -15], [15, 20]]
    drag(page, [*corners.tolist(), corners[0].tolist()])
    expected = np.flatnonzero(Polygon(corners).contains_points(points))
    assert 5 < len(expected) < N - 5
    assert sorted(selected(page)) == expected.tolist()
    assert page.inner_text("#n-selected") == str(len(expected))
    listed = page.eval_on_selector_all("#sheet button", "all => all.map(e => +e.dataset.index)")
    assert sorted(listed) == expected.tolist()
    page.click("#clear")
    assert selected(page) == []


@pytest.mark.long
def test_a_box_is_saved_with_its_names(show, file, tmp_path):
    page = show(file)
    page.click("#tool-box")
    points = np.array([place(page, i) for i in range(N)])
    low, high = points[:5].min(0) - 15, points[:5].max(0) + 15
    drag(page, [low.tolist(), high.tolist()])
    inside = ((points > low) & (points < high)).all(1)
    assert sorted(selected(page)) == np.flatnonzero(inside).tolist()
    assert set(range(5)) <= set(selected(page))
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "selection.csv"
    download.value.save_as(tmp_path / "selection.csv")
    table = pd.read_csv(tmp_path / "selection.csv").set_index("index")
    names = [PATHS[i].encode("utf-8", "backslashreplace").decode() for i in table.index]
    assert table["path"].tolist() == names
    assert table["label"].tolist() == make_data()[2][table.index].tolist()


@pytest.mark.long
def test_cells_of_the_csv_compute_nothing(show, tmp_path):
    names = ["=1+1", "+x", "-1", "@x", "\t=1", "a;=1", "'=1", "plain"] + ["z"] * (N - 8)
    page = show(write(tmp_path / "page.html", paths=names))
    page.click("#select-view")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "selection.csv")
    table = pd.read_csv(tmp_path / "selection.csv")
    expected = ["'=1+1", "'+x", "-1", "'@x", "'\t=1", "a;'=1", "''=1", "plain"]
    assert table["path"].tolist()[:8] == expected
    assert [restore_text(text) for text in expected] == names[:8]  # as of the tables of the command


def test_hostile_text_stays_text(show, file):
    page = show(file)
    hover(page, 0)
    page.mouse.click(*place(page, 0))
    page.fill("#search", "script")
    page.wait_for_selector("#matches button")
    page.click("#select-matches")
    assert page.evaluate("window.isHacked") is None
    assert page.evaluate("document.querySelectorAll('img, b').length") == 0
    assert page.title() == f"Map of {HOSTILE}"
    assert page.inner_text("h1") == f"Map of {HOSTILE}"
    assert HOSTILE in page.inner_text("#legend")


@pytest.mark.long
def test_the_legend_hides_and_shows_classes(show, file):
    page = show(file)
    labels = make_data()[2]
    rows = page.locator("#legend label")
    assert [rows.nth(k).inner_text().split("\n")[0] for k in range(3)] == [HOSTILE, "cat", "dog"]
    page.locator("#legend label", has_text="cat").locator("input").uncheck()
    page.click("#select-view")
    assert sorted(selected(page)) == np.flatnonzero(labels != "cat").tolist()
    page.mouse.move(*place(page, 1))  # a cat
    page.wait_for_timeout(150)
    assert page.is_hidden("#hover")
    page.click("#show-none")
    assert selected(page) == []
    page.click("#show-all")
    page.click("#select-view")
    assert len(selected(page)) == N


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog", [i for i in range(N) if i % 3 == 2]),
        ("DOG", [i for i in range(N) if i % 3 == 2]),
        ("17.png", [17]),
        ("nothing", []),
    ],
)
def test_search_finds_labels_and_names(show, file, text, expected):
    page = show(file)
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.wait_for_selector("#matches-section:not([hidden])")
    page.wait_for_function(
        "n => document.getElementById('n-matches').textContent == n", arg=str(len(expected))
    )
    if expected:
        page.click("#select-matches")
        assert sorted(selected(page)) == expected


@pytest.mark.long
def test_points_are_coloured_by_any_column(show, tmp_path):
    _, _, labels, _ = make_data()
    weight = np.linspace(0, 1, N)
    weight[5] = np.nan
    columns = pd.DataFrame({"kind": labels, "weight": weight, "few": np.arange(N) % 2})
    page = show(write(tmp_path / "page.html", labels=columns))
    options = page.eval_on_selector_all("#color option", "all => all.map(e => e.value)")
    assert options == ["kind", "weight", "few", "cluster"]
    page.select_option("#color", "weight")
    colors = page.evaluate("window.page.inspect().colors")
    assert (colors[0], colors[-1]) == ("#440154", "#fde725")  # viridis
    assert colors[5] == "#cccccc"
    assert page.inner_text("#legend").split() == ["0", "1"]
    page.select_option("#color", "few")
    colors = page.evaluate("window.page.inspect().colors")
    assert len(set(colors[::2])) == 1
    assert set(colors[::2]) != set(colors[1::2])


@pytest.mark.long
@pytest.mark.parametrize("kind", ["labels", "many labels", "numbers"])
def test_points_have_the_colours_of_a_figure(show, tmp_path, kind):
    xy = np.random.RandomState(0).standard_normal((200, 2))
    y = {
        "labels": np.array(["a", "b", None] * 66 + ["c"] * 2, object),
        "many labels": np.array([f"kind {i % 90}" for i in range(200)]),
        "numbers": np.where(np.arange(200) % 9, xy[:, 0], np.nan),
    }[kind]
    display = EmbeddingDisplay.from_embedding(xy, y)
    drawn = {}
    for dots in display.ax_.collections:
        colors = [to_hex(color) for color in dots.get_facecolors()]
        for i, point in enumerate(dots.get_offsets().tolist()):
            drawn[tuple(point)] = colors[i % len(colors)]
    plt.close(display.figure_)
    display.to_html(tmp_path / "page.html")
    page = show(tmp_path / "page.html", color_scheme="light")
    colors = page.evaluate("window.page.inspect().colors")
    assert colors == [drawn[tuple(point)] for point in xy.tolist()]


@pytest.mark.long
def test_columns_named_by_numbers_keep_their_order(show, tmp_path):
    columns = {"kind": make_data()[2], "2": np.arange(N) % 3, "1": np.arange(N) % 2}
    page = show(write(tmp_path / "page.html", labels=columns))
    options = page.eval_on_selector_all("#color option", "all => all.map(e => e.value)")
    assert options == ["kind", "2", "1", "cluster"]
    assert page.inner_text("#legend-title") == "kind"


@pytest.mark.long
def test_too_many_labels_share_the_last_place(show, tmp_path):
    xy = np.random.RandomState(0).standard_normal((200, 2))
    labels = [f"kind {i % 90}" for i in range(200)]
    EmbeddingDisplay(xy, labels).to_html(tmp_path / "page.html")
    page = show(tmp_path / "page.html")
    rows = page.locator("#legend label")
    assert rows.count() == 60
    assert "31 others" in rows.last.inner_text()
    styles = page.evaluate(
        "(({ colors, markers }) => colors.map((c, i) => c + markers[i]))(window.page.inspect())"
    )
    assert len(set(styles)) == 60


def test_everything_is_reached_by_keys(show, file):
    page = show(file)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    wanted = {"search", "theme", "color", "map", "tool-lasso", "zoom-in", "select-view", "show-all"}
    assert wanted <= reached
    page.focus("#map")
    x_start = "window.page.inspect().views[0][0]"
    before = page.evaluate(x_start)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(x_start) > before
    page.keyboard.press("+")
    page.keyboard.press("0")
    page.wait_for_function(f"() => Math.abs({x_start} - {before}) < 1e-6")
    page.keyboard.press("Enter")
    page.wait_for_selector("#unpin")


@pytest.mark.long
@pytest.mark.parametrize("size", [(1440, 900), (820, 1180), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_windows_and_themes(show, file, size, scheme):
    viewport = {"width": size[0], "height": size[1]}
    page = show(file, viewport=viewport, color_scheme=scheme, has_touch=size[0] < 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    box = page.locator("#map").bounding_box()
    assert box["width"] > 0.6 * size[0]
    assert box["height"] > 0.5 * size[1]
    assert box["y"] + box["height"] <= 1.05 * size[1]
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (shade == "rgb(255, 255, 255)") == (scheme == "light")
    points = np.array([place(page, i) for i in range(N)])
    assert (points > [box["x"], box["y"]]).all()
    assert (points < [box["x"] + box["width"], box["y"] + box["height"]]).all()
    x, y = np.ptp(points, axis=0) / np.ptp(make_data()[0], axis=0)
    assert x == pytest.approx(y, rel=0.02)  # a unit is as long along both axes
    page.click("#theme")
    other = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert other != shade


@pytest.mark.long
def test_a_tap_pins(show, file):
    page = show(file, viewport={"width": 390, "height": 844}, has_touch=True)
    page.touchscreen.tap(*place(page, 33))
    page.wait_for_selector("#pinned[data-index='33']")


@pytest.mark.long
def test_images_lie_on_the_map(show, file):
    page = show(file)
    color = make_data()[1][25].mean((0, 1))
    page.wait_for_timeout(200)
    box = page.locator("#map").bounding_box()
    x, y = place(page, 25)
    drawn = page.evaluate(
        """([x, y]) => [...document.getElementById("overlay").getContext("2d")
            .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data]""",
        [round(x - box["x"]), round(y - box["y"])],
    )
    np.testing.assert_allclose(drawn[:3], color, atol=12)


@pytest.mark.long
def test_images_that_are_not_selected_fade(show, file):
    page = show(file)
    page.wait_for_timeout(200)
    box = page.locator("#map").bounding_box()
    x, y = place(page, 25)
    read = """([x, y]) => document.getElementById("overlay").getContext("2d")
        .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data[3]"""
    at = [round(x - box["x"]), round(y - box["y"])]
    assert page.evaluate(read, at) == 255
    page.fill("#search", "17.png")
    page.wait_for_selector("#matches button")
    page.click("#select-matches")
    page.wait_for_timeout(100)
    assert page.evaluate(read, at) < 100
    page.click("#clear")
    page.wait_for_timeout(100)
    assert page.evaluate(read, at) == 255


@pytest.mark.long
@pytest.mark.parametrize("n", [1, 2, 9, 12])
def test_few_points_and_nothing_else(show, tmp_path, n):
    EmbeddingDisplay(np.arange(2.0 * n).reshape(n, 2)).to_html(tmp_path / "page.html")
    page = show(tmp_path / "page.html")
    hover(page, n - 1)
    assert f"image {n - 1}" in page.inner_text("#hover")
    assert page.is_hidden("#color-field")


@pytest.mark.long
def test_missing_labels_and_a_single_column(show, tmp_path):
    labels = np.array(["a", None, "b", None] * 5, object)
    display = EmbeddingDisplay(np.arange(20.0)[:, None], labels)
    assert display.to_html(tmp_path / "page.html") is display
    page = show(tmp_path / "page.html")
    assert "no label" in page.inner_text("#legend")


def sheet_pixels(path):
    data = read_elements(path.read_text("utf-8"), "sheet")["0"]
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_paths_are_read_as_images(tmp_path):
    xy, images, labels, _ = make_data()
    paths = []
    for i, image in enumerate(images[:4]):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(image).save(paths[-1])
    EmbeddingDisplay(xy[:4], labels[:4], images=paths).to_html(tmp_path / "page.html")
    names = read_data(tmp_path / "page.html")["names"]
    assert names == ["0.png", "1.png", "2.png", "3.png"]  # paths are names, too
    pixels = sheet_pixels(tmp_path / "page.html")
    np.testing.assert_allclose(pixels[10, 10], images[0, 0, 0], atol=12)


def test_names_in_the_scripts_are_in_camel_case():
    script = read_script()
    declared = re.findall(r"\b(?:const|let|function) (\w+)", script)
    declared += re.findall(r"\b(\w+) => ", script)
    assert len(declared) > 100
    assert [name for name in declared if re.search("[a-z]_", name)] == []


def test_nothing_in_it_points_to_the_network(file):
    text = file.read_text("utf-8")
    assert "<script src" not in text
    assert "<link" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"paths": ["a"]},
            "'paths' parameter must hold one value for each of the 60 points. Got 1",
        ),
        (
            {"labels": ["a"]},
            "'labels' parameter must hold one value for each of the 60 points in each column. Got 1 in the column 'label'",
        ),
        (
            {"labels": {"few": np.arange(N), "many": np.arange(N + 1)}},
            "'labels' parameter must hold one value .* Got 61 in the column 'many'",
        ),
        ({"features": np.ones((2, 2))}, "'features' parameter must hold one value for each"),
        ({"images": np.ones((2, 4, 4))}, "'images' parameter must hold one image for each"),
    ],
)
def test_lengths_must_agree(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "page.html", **options)


def test_a_page_has_its_limit(tmp_path):
    with pytest.raises(ValueError, match="at most 1,000,000 points. Got 1,000,001 instead"):
        EmbeddingDisplay(np.zeros((1_000_001, 2))).to_html(tmp_path / "page.html")


class UnreadImages:
    """Images that must not be read."""

    ndim = 3
    shape = (N, 4, 4)

    def __len__(self):
        return N

    def __getitem__(self, i):
        raise AssertionError("An image was read.")


def test_a_path_that_cannot_be_written_is_found_before_anything_is_computed(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Cannot write .*page.html"):
        write(tmp_path / "file" / "page.html", images=UnreadImages())
    with pytest.raises(AssertionError, match="An image was read"):
        write(tmp_path / "page.html", images=UnreadImages())


def test_images_of_a_narrow_range_are_not_dark(tmp_path):
    images = np.zeros((600, 4, 4))
    images[1:] = 16  # the first block is as bright as the others
    EmbeddingDisplay(np.random.RandomState(0).rand(600, 2), images=images).to_html(
        tmp_path / "page.html"
    )
    pixels = sheet_pixels(tmp_path / "page.html")
    assert pixels[2, 2].max() < 15
    assert pixels[2, 6].min() > 240


@pytest.mark.long
def test_infinite_numbers_count_as_missing(show, tmp_path):
    xy = np.random.RandomState(0).rand(12, 2)
    numbers = np.array([0.5, np.inf, -np.inf, *np.linspace(0, 1, 9)])
    EmbeddingDisplay(xy, numbers).to_html(tmp_path / "page.html")
    page = show(tmp_path / "page.html")
    assert page.inner_text("#legend").split() == ["0", "1"]


def test_broken_files_leave_their_squares_empty_and_are_named_once(tmp_path):
    paths = []
    for i in range(300):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).save(paths[-1])
    for i in (3, 280):
        Path(paths[i]).write_bytes(b"none")
    display = EmbeddingDisplay(np.random.RandomState(0).rand(300, 2), images=paths)
    with pytest.warns(UserWarning, match=r"2 of 300 images .*280\.png' \(image 280\)") as caught:
        display.to_html(tmp_path / "page.html")
    assert len(caught) == 1


@pytest.mark.long
def test_neighbours_that_were_not_found_are_not_drawn(show, file, tmp_path):
    text = change_buffer(file, "neighbors", np.array([1, -1] * N, np.int32))
    text, n_replaced = re.subn('"nNeighbors":8', '"nNeighbors":2', text)
    assert n_replaced == 1
    (tmp_path / "page.html").write_text(text, "utf-8")
    page = show(tmp_path / "page.html")
    page.mouse.click(*place(page, 5))
    page.wait_for_selector("#pinned[data-index='5']")
    assert page.locator("#neighbors button").count() == 1


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (["kind"], "cluster"),
        (["cluster"], "cluster (HDBSCAN)"),
        (["cluster (HDBSCAN)", "cluster"], "cluster (HDBSCAN) (HDBSCAN)"),
    ],
)
def test_a_column_named_cluster_stays_beside_that_of_the_page(tmp_path, given, added):
    path = tmp_path / "page.html"
    mine = [f"mine {i}" for i in range(6)]  # none prevails in a cluster
    write(path, labels={name: np.array(mine)[np.arange(N) % 6] for name in given})
    columns = {column["name"]: column["names"] for column in read_data(path)["columns"]}
    assert list(columns) == [*given, added]
    for name in given:
        assert columns[name] == mine
    assert all(name.startswith("cluster ") for name in columns[added])


@pytest.mark.parametrize(("n", "columns"), [(9, ["label"]), (10, ["label", "cluster"])])
def test_ten_points_have_clusters(tmp_path, n, columns):
    xy, _, labels, _ = make_data()
    EmbeddingDisplay(xy[:n], labels[:n]).to_html(tmp_path / "page.html")
    data = read_data(tmp_path / "page.html")
    assert [column["name"] for column in data["columns"]] == columns
    assert data["distances"] == ["distance on the map"]
    if n == 10:
        groups = {group["name"] for group in data["columns"][1]["groups"]}
        assert groups <= {"cluster 1", "cluster 2", "in no cluster"}


def test_data_of_the_page(file):
    data = read_data(file)
    assert data["distances"] == ["Euclidean distance of features"]
    assert data["side"] == 12
    assert data["folder"] == "photos/"


def test_the_title_in_the_tab_is_one_line(tmp_path):
    write(tmp_path / "page.html", title="one\ntwo")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "<title>one two</title>" in text
    assert "<h1>one\ntwo</h1>" in text


@pytest.mark.parametrize(
    ("paths", "folder", "names"),
    [
        (["a/img1.png", "a/img2.png"], "a/", ["img1.png", "img2.png"]),
        (["c:\\a\\img1.png", "c:\\a\\img2.png"], "c:\\a\\", ["img1.png", "img2.png"]),
        (["img1.png", "img2.png"], "", ["img1.png", "img2.png"]),
        ([Path("a/b/1.png"), Path("a/c/1.png")], "a/", ["b/1.png", "c/1.png"]),
    ],
)
def test_names_are_whole_beyond_the_folder_of_all(tmp_path, paths, folder, names):
    EmbeddingDisplay(np.eye(2)).to_html(tmp_path / "page.html", paths=paths)
    data = read_data(tmp_path / "page.html")
    assert (data["folder"], data["names"]) == (folder, names)


def get_ranges(page):
    """The left, right, lower and upper end of the view."""
    left, bottom, right, top = page.evaluate("window.page.inspect().views[0]")
    return np.array([left, right, bottom, top])


@pytest.mark.long
def test_the_view_is_zoomed_and_moved(show, file):
    page = show(file)
    whole = get_ranges(page)
    page.click("#zoom-in")
    zoomed = get_ranges(page)
    assert zoomed[1] - zoomed[0] == pytest.approx((whole[1] - whole[0]) / 1.5)
    assert zoomed[2:].sum() == pytest.approx(whole[2:].sum())
    page.focus("#map")
    page.keyboard.press("ArrowUp")
    assert get_ranges(page)[2] > zoomed[2]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("-")
    np.testing.assert_allclose(get_ranges(page), whole)
    for _ in range(4):
        page.click("#zoom-in")
    left, right, bottom, top = get_ranges(page)
    xy = make_data()[0].astype(np.float32)
    page.click("#select-view")
    inside = (xy >= [left, bottom]).all(1) & (xy <= [right, top]).all(1)
    assert 0 < inside.sum() < N
    assert sorted(selected(page)) == np.flatnonzero(inside).tolist()
    page.keyboard.press("Escape")
    assert selected(page) == []


@pytest.mark.long
def test_a_pinned_image_comes_into_view_and_stays_there(show, file):
    page = show(file)
    for _ in range(5):
        page.click("#zoom-in")
    page.fill("#search", NAMES[50])
    page.click("#matches button[data-index='50']")
    box = page.locator("#map").bounding_box()
    x, y = place(page, 50)
    assert x == pytest.approx(box["x"] + box["width"] / 2, abs=3)
    assert y == pytest.approx(box["y"] + box["height"] / 2, abs=3)
    left, right, bottom, top = get_ranges(page)
    page.set_viewport_size({"width": 900, "height": 700})
    page.wait_for_timeout(300)
    resized = get_ranges(page)
    assert resized[:2].sum() == pytest.approx(left + right, rel=1e-3)
    assert resized[2:].sum() == pytest.approx(bottom + top, rel=1e-3)
    scale = (resized[1] - resized[0]) / page.locator("#map").bounding_box()["width"]
    assert scale == pytest.approx((right - left) / box["width"], rel=0.02)
    page.keyboard.press("Escape")
    page.focus("#map")
    page.keyboard.press("Enter")
    page.wait_for_selector("#pinned[data-index='50']")


@pytest.mark.long
def test_the_card_stays_on_the_map(show, file):
    page = show(file)
    box = page.locator("#map").bounding_box()
    page.focus("#map")
    for _ in range(9):
        if place(page, 54)[0] < box["x"] + box["width"] - 150:
            page.keyboard.press("ArrowLeft")
    hover(page, 54)
    card = page.locator("#hover").bounding_box()
    assert card["width"] < place(page, 54)[0] - box["x"]
    assert box["x"] <= card["x"]
    assert card["x"] + card["width"] <= box["x"] + box["width"]


@pytest.mark.long
def test_more_images_than_are_listed(show, tmp_path):
    """Images of the size that a list has, on two sheets, with seven labels of unlike counts."""
    counts = [70, 30, 20, 12, 9, 6, 3]
    labels = np.repeat([f"label {i}" for i in range(7)], counts)
    images = [np.full((8, 8, 3), i + 50, np.uint8) for i in range(150)]
    xy = np.array([divmod(i, 15) for i in range(150)], float)
    EmbeddingDisplay(xy, labels, images=images).to_html(tmp_path / "page.html")
    page = show(tmp_path / "page.html")
    page.click("#select-view")
    lines = page.inner_text("#counts").split("\n")
    expected = [f"{count} \N{MULTIPLICATION SIGN} label {i}" for i, count in enumerate(counts[:5])]
    assert [line for line in lines if line] == [*expected, "and 2 more"]
    listed = []
    for n in (60, 120, 150):
        listed = page.eval_on_selector_all("#sheet button", "all => all.map(e => +e.dataset.index)")
        assert len(set(listed)) == len(listed) == n
        assert page.is_hidden("#more") == (n == 150)
        if n < 150:
            page.click("#more")
    page.click("#sheet button[data-index='149']")
    page.wait_for_selector("#pinned[data-index='149']")
    page.wait_for_timeout(100)
    # a small image lies in the middle of its square
    color = page.evaluate(
        """() => {
            const canvas = document.querySelector("#pinned canvas.large");
            const middle = [canvas.width / 2, canvas.height / 2, 1, 1];
            return [...canvas.getContext("2d").getImageData(...middle).data];
        }"""
    )
    np.testing.assert_allclose(color[:3], 199, atol=12)


@pytest.mark.long
def test_points_without_a_value_are_grey_in_either_theme_and_have_no_row(show, tmp_path):
    labels = {"kind": np.array(["a", None] * 30, object), "weight": np.linspace(0.5, 1, N)}
    labels["weight"][7] = np.nan
    page = show(write(tmp_path / "page.html", labels=labels), color_scheme="light")
    colors = "window.page.inspect().colors"
    assert page.evaluate(colors)[1] == "#cccccc"
    page.click("#theme")
    assert page.evaluate(colors)[1] == "#4b535c"
    hover(page, 7)
    rows = page.eval_on_selector_all("#hover dt", "all => all.map(e => e.textContent)")
    assert rows == ["file", "cluster"] or rows == ["file"]
    hover(page, 8)
    rows = page.eval_on_selector_all("#hover dt", "all => all.map(e => e.textContent)")
    assert rows[:3] == ["file", "kind", "weight"]


@pytest.mark.long
def test_hidden_labels_have_no_images_on_the_map(show, file):
    page = show(file)
    page.wait_for_timeout(200)
    box = page.locator("#map").bounding_box()
    x, y = place(page, 25)  # a cat
    read = """([x, y]) => document.getElementById("overlay").getContext("2d")
        .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data[3]"""
    at = [round(x - box["x"]), round(y - box["y"])]
    assert page.evaluate(read, at) == 255
    page.locator("#legend label", has_text="cat").locator("input").uncheck()
    page.wait_for_timeout(100)
    assert page.evaluate(read, at) == 0


BOXES = [(1, 2, 9, 12), (20, 10, 36, 40), (0, 0, 40, 60), (30, 50, 31, 51)]


def write_regions(folder, **options):
    """A page of four regions of each of two images, in blue and green, and a whole image."""
    rows = []
    for name, color in (("blue.png", (0, 0, 250)), ("green.png", (0, 200, 0))):
        Image.new("RGB", (60, 40), color).save(folder / name)
        rows += [(str(folder / name), *box) for box in BOXES]
    table = pd.DataFrame(rows, columns=["path", "top", "left", "bottom", "right"])
    kinds = np.array(list("abababab"))
    display = EmbeddingDisplay(np.array([divmod(i, 4) for i in range(8)], float), kinds)
    display.to_html(folder / "page.html", **{"images": table} | options)
    return folder / "page.html"


@pytest.fixture(scope="module")
def region_file(tmp_path_factory):
    return write_regions(tmp_path_factory.mktemp("regions"))


def test_data_of_regions(region_file):
    data = read_data(region_file)
    assert data["boxes"] == [list(box) for box in BOXES] * 2
    assert data["overviewOf"] == [0] * 4 + [1] * 4
    assert [(each["height"], each["width"]) for each in data["overviews"]] == [(40, 60)] * 2
    assert data["names"] == ["blue.png"] * 4 + ["green.png"] * 4
    assert data["side"] == 60  # no thumbnail is larger than its region
    assert (data["pages"], data["overviewNote"]) == (None, "")


def pixel(page, selector, x, y):
    """The colour of a canvas at a place in its CSS pixels."""
    return page.evaluate(
        """([selector, x, y]) => {
            const context = document.querySelector(selector).getContext("2d");
            return [...context.getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data.slice(0, 3)];
        }""",
        [selector, round(x), round(y)],
    )


def box_on_canvas(page, selector, box):
    """Left, top, right and bottom of a box on a canvas that shows the whole image."""
    width = page.evaluate("s => document.querySelector(s).clientWidth", selector)
    top, left, bottom, right = np.array(box) * width / 60
    return left, top, right, bottom


def ring_color(page):
    """The colour of the pinned region's box."""
    text = page.evaluate("getComputedStyle(document.body).getPropertyValue('--ring').trim()")
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_click_shows_the_whole_image_with_the_region(show, region_file, scheme):
    page = show(region_file, color_scheme=scheme)
    for i, color in ((1, (0, 0, 250)), (5, (0, 200, 0))):
        page.mouse.click(*place(page, i))
        page.wait_for_selector(f"#pinned[data-index='{i}']")
        page.wait_for_timeout(500)  # the image is decoded, and the next click is no second one
        left, top, right, bottom = box_on_canvas(page, "#enlarge canvas", BOXES[1])
        middle = (top + bottom) / 2
        for x in (left, right):
            np.testing.assert_allclose(
                pixel(page, "#enlarge canvas", x, middle), ring_color(page), atol=40
            )
        assert pixel(page, "#enlarge canvas", (left + right) / 2, middle) == pytest.approx(
            color, abs=12
        )
        assert "[20:36, 10:40]" in page.inner_text("#pinned")


@pytest.mark.long
@pytest.mark.parametrize("size", [(1440, 900), (820, 1180), (390, 844)])
def test_the_whole_image_is_enlarged_with_its_other_regions(show, region_file, size):
    page = show(region_file, viewport={"width": size[0], "height": size[1]}, color_scheme="light")
    page.mouse.click(*place(page, 1))
    page.click("#enlarge")
    page.wait_for_timeout(150)
    canvas = page.locator("#whole-canvas").bounding_box()
    stage = page.locator("#whole-stage").bounding_box()
    assert canvas["width"] / canvas["height"] == pytest.approx(1.5, rel=0.01)
    assert max(canvas["width"] / stage["width"], canvas["height"] / stage["height"]) > 0.98
    assert canvas["x"] >= 0
    assert canvas["x"] + canvas["width"] <= size[0]
    assert page.inner_text("#whole-name").split() == ["blue.png", "[20:36,", "10:40]", "b"]
    assert page.inner_text("#whole-count") == "Region 2 of 4"
    left, top, right, bottom = box_on_canvas(page, "#whole-canvas", BOXES[1])
    edge = pixel(page, "#whole-canvas", left, (top + bottom) / 2)
    np.testing.assert_allclose(edge, ring_color(page), atol=40)
    left, top, right, bottom = box_on_canvas(page, "#whole-canvas", BOXES[0])
    edge = pixel(page, "#whole-canvas", right, (top + bottom) / 2)
    assert edge != pytest.approx((0, 0, 250), abs=40)  # the colour of its label
    page.mouse.click(canvas["x"] + (left + right) / 2, canvas["y"] + (top + bottom) / 2)
    page.wait_for_selector("#pinned[data-index='0']", state="attached")
    assert "[1:9, 2:12]" in page.inner_text("#whole-name")
    page.click("#whole-close")
    assert page.is_hidden("#whole")
    assert "[1:9, 2:12]" in page.inner_text("#pinned")


@pytest.mark.long
def test_a_tiny_region_is_marked_by_a_larger_box(show, region_file):
    page = show(region_file)
    page.mouse.click(*place(page, 3))
    page.wait_for_selector("#enlarge")
    page.wait_for_timeout(150)
    left, top, right, bottom = box_on_canvas(page, "#enlarge canvas", BOXES[3])
    x, y = (left + right) / 2, (top + bottom) / 2
    edge = pixel(page, "#enlarge canvas", x - 4.5, y)
    np.testing.assert_allclose(edge, ring_color(page), atol=90)


@pytest.mark.long
def test_the_whole_image_is_reached_and_left_by_keys(show, region_file):
    page = show(region_file)
    page.focus("#map")
    page.keyboard.press("Enter")
    page.wait_for_selector("#enlarge")
    first = int(page.get_attribute("#pinned", "data-index"))
    page.focus("#enlarge")
    page.keyboard.press("Enter")
    page.wait_for_selector("#whole[open]")
    assert page.evaluate("document.querySelector('#whole').contains(document.activeElement)")
    page.keyboard.press("ArrowRight")
    beside = [i for i in range(8) if i // 4 == first // 4]
    following = beside[(beside.index(first) + 1) % 4]
    page.wait_for_selector(f"#pinned[data-index='{following}']", state="attached")
    page.keyboard.press("ArrowLeft")
    page.click("#whole-previous")
    before = beside[beside.index(first) - 1]
    page.wait_for_selector(f"#pinned[data-index='{before}']", state="attached")
    page.keyboard.press("Escape")
    page.wait_for_selector("#whole", state="hidden")
    assert page.evaluate("document.activeElement.id") == "enlarge"
    assert page.is_visible("#unpin")  # Escape closed the dialog alone


@pytest.mark.long
def test_hidden_regions_are_not_beside_the_pinned_one(show, region_file):
    page = show(region_file)
    page.locator("#legend label", has_text="a").locator("input").uncheck()
    page.wait_for_timeout(300)
    page.mouse.click(*place(page, 1))
    page.click("#enlarge")
    assert page.inner_text("#whole-count") == "Region 1 of 2"


@pytest.mark.long
def test_the_selection_is_saved_as_a_table_of_regions(show, tmp_path):
    page = show(
        write_regions(
            tmp_path, labels={"kind": list("abababab"), "top": np.arange(8) / 2, "path": ["x"] * 8}
        )
    )
    page.click("#select-view")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "selection.csv")
    table = pd.read_csv(tmp_path / "selection.csv").sort_values("index")
    assert list(table.columns) == ["index", "path", "top", "left", "bottom", "right", "kind"]
    assert table["path"].tolist() == [
        str(tmp_path / f"{name}.png") for name in ["blue"] * 4 + ["green"] * 4
    ]
    found = table[["top", "left", "bottom", "right"]].to_numpy().tolist()
    assert found == [list(box) for box in BOXES] * 2


@pytest.mark.long
def test_pages_and_whole_images_among_regions(show, tmp_path):
    pages = [Image.new("RGB", (60, 40), (value, 0, 0)) for value in (100, 250)]
    path = tmp_path / "stack.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    table = pd.DataFrame({"path": [str(path)] * 2, "page": [0, 1]})
    table = table.assign(top=20, left=10, bottom=36, right=40)
    EmbeddingDisplay(np.eye(2)).to_html(tmp_path / "page.html", images=table)
    page = show(tmp_path / "page.html")
    page.mouse.click(*place(page, 1))
    page.wait_for_selector("#enlarge")
    page.wait_for_timeout(150)
    color = pixel(page, "#enlarge canvas", 120, 130)
    np.testing.assert_allclose(color, (250, 0, 0), atol=12)
    assert "stack.tif, page 1 [20:36, 10:40]" in page.inner_text("#pinned")
    page.click("#select-view")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "selection.csv")
    saved = pd.read_csv(tmp_path / "selection.csv").sort_values("index")
    assert saved["page"].tolist() == [0, 1]
    assert saved["right"].tolist() == [40, 40]


@pytest.mark.long
def test_a_page_without_whole_images_says_why(show, region_file, tmp_path):
    text = region_file.read_text("utf-8")
    text, n_replaced = re.subn('"overviewNote":""', '"overviewNote":"There are too many."', text)
    assert n_replaced == 1
    (tmp_path / "page.html").write_text(text, "utf-8")
    page = show(tmp_path / "page.html")
    page.mouse.click(*place(page, 1))
    assert "There are too many." in page.inner_text("#pinned")
    assert page.locator("#enlarge").count() == 0


def test_thumbnails_of_resized_regions_fill_their_frame(tmp_path):
    images = [np.full((90, 120, 3), 200, np.uint8)]
    table = pd.DataFrame(
        {"path": images * 2, "top": 0, "left": [0, 10], "bottom": 90, "right": 100}
    )
    for size in (24, 60, 300):
        lazy = ImageLoader(size, lazy=True).fit_transform(table)
        EmbeddingDisplay(np.eye(2), images=lazy).to_html(tmp_path / "page.html")
        side = min(size, 160)
        assert read_data(tmp_path / "page.html")["side"] == side
        pixels = sheet_pixels(tmp_path / "page.html")
        assert (pixels[:side, : 2 * side, 0] > 128).all()


def test_thumbnails_show_whole_regions_up_to_the_border_and_beyond(tmp_path):
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 10:50] = (250, 0, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    table = pd.DataFrame({"path": str(tmp_path / "a.png"), "top": [10, -5], "left": [10, 50]})
    table = table.assign(bottom=table["top"] + 10, right=table["left"] + 40)
    EmbeddingDisplay(np.eye(2), images=table).to_html(tmp_path / "page.html")
    data = read_data(tmp_path / "page.html")
    assert data["side"] == 40
    pixels = sheet_pixels(tmp_path / "page.html")
    red = pixels[:40, :40, 0] > 128
    assert red.mean() == pytest.approx(0.25, abs=0.02)  # 40 x 10 in a square of 40, not cropped
    assert red[20, 1]
    assert red[20, 38]


@pytest.mark.long
def test_an_element_of_the_section_shows_its_point(show, tmp_path):
    xy, images, labels, features = make_data()
    section = '<p>text</p><button type="button" data-point="7">seven</button>'
    options = {"labels": labels, "paths": PATHS, "images": images, "features": features}
    write_page(tmp_path / "page.html", xy, **options, title="t", section=section)
    page = show(tmp_path / "page.html")
    page.click("text=Findings")
    page.click("text=seven")
    assert PATHS[7].partition("/")[2] in page.inner_text("#pinned")
    assert page.evaluate("document.getElementById('stage').getBoundingClientRect().top") < 100
    height = page.evaluate("document.getElementById('map').clientHeight")
    assert 400 < height < 800


def test_a_page_without_a_section_has_no_link_to_it(tmp_path):
    page = write(tmp_path / "page.html").read_text("utf-8")
    assert "#section" not in page.partition("<script")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_plain_page_follows_the_theme(browser, scheme, tmp_path):
    write_plain_page(tmp_path / "page.html", HOSTILE, "<p>text</p>")
    page = browser.new_page(color_scheme=scheme)
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate("document.body.dataset.theme") == scheme
    assert page.inner_text("h1") == page.title() == HOSTILE
    assert page.inner_text("#section") == "text"
    assert not page.evaluate("window.isHacked")
    page.close()


@pytest.mark.long
def test_sheets_of_a_large_page_are_beside_it(show, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_resnet.plotting.explorer.page.MAX_BYTES", 1000)
    path, folder = tmp_path / "a page.html", tmp_path / "a page_files"
    folder.mkdir()
    (folder / "0000-mine.webp").write_text("mine")
    write(path)
    (sheet,) = read_data(path)["sheetFiles"]
    assert sheet.startswith("a%20page_files/0000-")
    assert read_elements(path.read_text("utf-8"), "sheet") == {}
    page = show(path)
    _, images, _, _ = make_data()
    hover(page, 17)
    page.wait_for_timeout(200)
    page.wait_for_selector("#hover canvas.large")
    shot = Image.open(io.BytesIO(page.locator("#hover canvas.large").screenshot())).convert("RGB")
    np.testing.assert_allclose(np.asarray(shot).mean((0, 1)), images[17].mean((0, 1)), atol=12)
    former = {found.name for found in folder.iterdir()}
    write(path, images=255 - images)
    now = {found.name for found in folder.iterdir()}
    assert len(now) == len(former) == 3  # a sheet, the list of sheets, and the file of another
    assert len(now & former) == 2
    assert (folder / "0000-mine.webp").read_text() == "mine"


def test_files_of_a_large_page_are_kept_or_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_resnet.plotting.explorer.page.MAX_BYTES", 1000)
    path, folder = tmp_path / "page.html", tmp_path / "page_files"
    write(path)
    first = sorted(found.name for found in folder.iterdir())
    others = [folder / "mine.txt", tmp_path / "mine.webp"]
    for other in others:
        other.write_text("mine")
    names = [*first[:1], "mine.txt", "../mine.webp"]  # a list that another program wrote
    (folder / "sheets.json").write_text(json.dumps(names))
    write(path)
    assert sorted(found.name for found in folder.iterdir()) == sorted([*first, "mine.txt"])
    assert all(other.exists() for other in others)
    write(path, images=255 - make_data()[1])
    now = {found.name for found in folder.iterdir()}
    assert (len(now), len(now & {*first})) == (3, 1)  # only the list of sheets has the same name


@pytest.mark.long
def test_many_points_have_small_dots_and_no_neighbours(show, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_resnet.plotting.explorer.content.MAX_SEARCHED", 50)
    page = show(write(tmp_path / "page.html", features=None))
    data = read_data(tmp_path / "page.html")
    assert [column["name"] for column in data["columns"]] == ["label", "cluster"]
    assert data["nNeighbors"] == 0
    page.mouse.click(*place(page, 20))
    page.wait_for_selector("#pinned[data-index='20']")
    assert page.locator("#neighbors").count() == 0
    assert "computed for at most 50 images" in page.inner_text("#pinned")
    assert data["pointSize"] == 12
