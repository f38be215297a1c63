"""The explorer in a browser: panes, tags, names of clusters, renderers, and screen readers."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from explorer_pages import drag, place, selected
from PIL import Image

from sklearn_resnet._io.csv_text import restore_text
from sklearn_resnet.plotting.explorer.page import read_script, write_page

N = 60
HOSTILE = "</script><img src=x onerror='window.isHacked=1'><b>&amp;"


def make_maps():
    """Two maps of the same points: a loose grid, and the grid in another order."""
    rng = np.random.RandomState(0)
    grid = np.array([divmod(i, 10) for i in range(N)]) + rng.uniform(-0.2, 0.2, (N, 2))
    return {"grid": grid, "shuffled": grid[rng.permutation(N)]}


def write(path, maps=None, **options):
    images = np.empty((N, 12, 12, 3), np.uint8)
    images[:] = np.random.RandomState(0).randint(0, 256, (N, 1, 1, 3))
    defaults = {
        "labels": np.array(["a", "b", "c"])[np.arange(N) % 3],
        "paths": [f"photos/{i}.png" for i in range(N)],
        "images": images,
        "features": None,
        "title": "Map",
    }
    write_page(path, maps or {"grid": make_maps()["grid"]}, **defaults | options)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    features = make_maps()["shuffled"]
    return write(tmp_path_factory.mktemp("two") / "page.html", make_maps(), features=features)


def download(page, button, folder):
    with page.expect_download() as found:
        page.click(button)
    found.value.save_as(folder / found.value.suggested_filename)
    return folder / found.value.suggested_filename


def test_a_lasso_in_one_map_selects_in_all(show, two):
    page = show(two)
    page.click("#tool-lasso")
    points = np.array([place(page, i, 1) for i in range(N)])
    low = points.min(0) - 10
    middle = np.median(points[:, 0])
    high = points.max(0) + 10
    corners = [low, [middle, low[1]], [middle, high[1]], [low[0], high[1]], low]
    drag(page, [list(map(float, corner)) for corner in corners])
    expected = np.flatnonzero(points[:, 0] < middle)
    assert selected(page) == expected.tolist()
    assert page.inner_text("#n-selected") == str(len(expected))
    first, second = page.inner_text("#quality").split("shuffled: ")
    assert first.startswith("grid: Of the 10 nearest neighbours by features, this map keeps ")
    assert "this map keeps 100%" in second


@pytest.mark.long
def test_each_map_has_its_own_view(show, two):
    page = show(two)
    views = page.evaluate("window.page.inspect().views")
    page.locator(".map").nth(1).focus()
    page.keyboard.press("+")
    page.click("#zoom-in")
    now = page.evaluate("window.page.inspect().views")
    assert now[0] == views[0]
    assert now[1][2] - now[1][0] == pytest.approx((views[1][2] - views[1][0]) / 1.5**2)


@pytest.mark.long
def test_points_are_pinned_in_every_map(show, two):
    page = show(two)
    page.mouse.click(*place(page, 40, 1))
    page.wait_for_selector("#pinned[data-index='40']")
    page.mouse.move(*place(page, 7, 0))
    page.wait_for_selector(".map:first-child #hover[data-index='7']")
    page.mouse.move(*place(page, 7, 1))
    page.wait_for_selector(".map:nth-child(2) #hover[data-index='7']")


def test_neighbours_are_those_by_the_features_of_each_map(show, tmp_path):
    maps = make_maps()
    page = show(write(tmp_path / "page.html", maps, features=maps))
    page.mouse.click(*place(page, 40))
    page.wait_for_selector("#pinned[data-index='40']")
    shown = page.locator("#pinned .hint").all_inner_texts()
    assert shown == [f"Nearest 8 by the features of {name}:" for name in maps]
    for k, xy in enumerate(maps.values()):
        strip = f"#neighbors{f'-{k}' if k else ''} button"
        found = page.eval_on_selector_all(strip, "all => all.map((each) => +each.dataset.index)")
        nearest = np.argsort(np.linalg.norm(xy - xy[40], axis=1))[1:9].tolist()
        assert found == nearest
        page.mouse.move(*place(page, 40, k))
        page.wait_for_selector("#hover[data-index='40']")
        names = page.locator("#hover .sheet canvas").evaluate_all(
            "all => all.map((e) => e.ariaLabel)"
        )
        assert names == [f"{j}.png" for j in nearest]
        page.mouse.move(5, 5)
        page.wait_for_selector("#hover", state="hidden")


@pytest.mark.long
def test_the_wheel_zooms_around_the_pointer(show, file):
    page = show(file)
    before = place(page, 33)
    page.mouse.move(*before)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    assert place(page, 33) == pytest.approx(before, abs=1)
    left, _, right, _ = page.evaluate("window.page.inspect().views[0]")
    page.mouse.wheel(0, 300)
    page.wait_for_timeout(100)
    left_of_whole, _, right_of_whole, _ = page.evaluate("window.page.inspect().views[0]")
    assert right_of_whole - left_of_whole > 1.5 * (right - left)


@pytest.mark.long
def test_a_drag_moves_the_map_with_the_pointer(show, file):
    page = show(file)
    before = np.array(place(page, 33))
    move = np.array([60, -30])
    drag(page, [before.tolist(), (before + move).tolist()])
    np.testing.assert_allclose(place(page, 33), before + move, atol=1)
    assert page.is_visible("text=Hover over a point")  # a drag is no click


@pytest.mark.long
def test_two_fingers_zoom(show, file):
    page = show(file, has_touch=True)
    left, _, right, _ = page.evaluate("window.page.inspect().views[0]")
    page.evaluate(
        """() => {
            const map = document.getElementById("map"), box = map.getBoundingClientRect();
            const send = (type, id, x) => map.dispatchEvent(new PointerEvent(type, {
                pointerId: id, pointerType: "touch", bubbles: true, button: type === "pointerdown" ? 0 : -1,
                clientX: box.left + x, clientY: box.top + 200,
            }));
            map.setPointerCapture = undefined;
            send("pointerdown", 11, 200);
            send("pointerdown", 12, 300);
            send("pointermove", 12, 400);
            send("pointerup", 11, 200);
            send("pointerup", 12, 400);
        }"""
    )
    left_now, _, right_now, _ = page.evaluate("window.page.inspect().views[0]")
    assert right_now - left_now == pytest.approx((right - left) / 2)
    assert page.is_visible("text=Hover over a point")


@pytest.mark.long
def test_keys_add_to_a_selection_and_remove_from_it(show, file):
    page = show(file)
    page.click("#tool-box")
    corners = np.array([[-12, -12], [12, 12]])
    around = [(corners + place(page, i)).tolist() for i in (3, 44)]
    drag(page, around[0])
    assert selected(page) == [3]
    page.keyboard.down("Shift")
    drag(page, around[1])
    page.keyboard.up("Shift")
    assert selected(page) == [3, 44]
    page.keyboard.down("Alt")
    drag(page, around[0])
    page.keyboard.up("Alt")
    assert selected(page) == [44]


def test_tags_are_a_column_that_is_undone_saved_and_loaded_again(show, file, tmp_path):
    page = show(file)
    page.evaluate("window.page.select([3, 5, 8])")
    page.fill("#tag-name", HOSTILE)
    page.click("#put-tag")
    page.evaluate("window.page.select([8, 9])")
    page.fill("#tag-name", "=good")
    page.keyboard.press("Enter")
    expected = {3: HOSTILE, 5: HOSTILE, 8: "=good", 9: "=good"}
    tags = "window.page.inspect().tags.map((name, i) => [i, name]).filter((pair) => pair[1])"
    assert dict(page.evaluate(tags)) == expected
    assert page.evaluate("document.querySelectorAll('img, b').length") == 0
    assert page.evaluate("window.isHacked") is None
    page.select_option("#color", "tag")
    assert page.inner_text("#legend-title") == "tag"
    rows = page.locator("#legend label").all_inner_texts()
    assert [row.split("\n") for row in rows] == [[HOSTILE, "2"], ["=good", "2"], ["no tag", "56"]]
    page.click("#undo-tag")
    page.focus("#map")
    page.keyboard.press("Control+z")
    assert page.evaluate(tags) == []
    page.keyboard.press("1")
    page.evaluate("window.page.select([3, 5])")
    page.keyboard.press("2")
    expected = {8: HOSTILE, 9: HOSTILE, 3: "=good", 5: "=good"}
    assert dict(page.evaluate(tags)) == expected
    table = pd.read_csv(path := download(page, "#save-tags", tmp_path))
    assert path.name == "tags.csv"
    found = {
        row: restore_text(name) for row, name in zip(table["index"], table["tag"], strict=True)
    }
    assert found == expected
    page.keyboard.press("Escape")
    page = show(file)
    page.set_input_files("#tag-file", path)
    page.wait_for_selector("#tags button")
    assert dict(page.evaluate(tags)) == expected
    page.click("#undo-tag")
    assert page.evaluate(tags) == []


@pytest.mark.long
def test_a_selection_is_saved_with_its_tags(show, file, tmp_path):
    page = show(file)
    page.mouse.click(*place(page, 20))
    page.wait_for_selector("#pinned[data-index='20']")
    page.fill("#tag-name", "odd")
    page.keyboard.press("Enter")  # without a selection, the pinned image is tagged
    page.evaluate("window.page.select([20, 21])")
    table = pd.read_csv(download(page, "#save", tmp_path))
    assert table["index"].tolist() == [20, 21]
    assert table["tag"].fillna("").tolist() == ["odd", ""]
    assert "counted from 0" in page.inner_text("#selection-tools")
    page.keyboard.press("Tab")
    page.focus("#map")
    page.keyboard.press("Delete")
    assert page.inner_text("#tag-note") == "Removed the tags of 2."


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("index,tag\n1,a\n99,b\nx,c\n", "Loaded the tags of 1. 2 rows are of other images."),
        ("index,path,tag\n1,photos/1.png,a\n2,other.png,b\n", "Loaded the tags of 1. 1 rows are"),
        ('tag,index\n"a, ""b""",1\n', "Loaded the tags of 1."),
        ("row,name\n1,a\n", 'it has no columns "index" and "tag"'),
        ("", 'it has no columns "index" and "tag"'),
        ('index,tag\n1,"a"b\n', "it is no CSV file"),
    ],
)
def test_files_of_tags_are_checked(show, file, tmp_path, text, note):
    (tmp_path / "tags.csv").write_text(text)
    page = show(file)
    page.set_input_files("#tag-file", tmp_path / "tags.csv")
    page.wait_for_function(
        "n => document.getElementById('tag-note').textContent.includes(n)", arg=note
    )
    n_tags = page.evaluate("window.page.inspect().tags.filter(Boolean).length")
    assert n_tags == ("Loaded" in note)


@pytest.mark.long
def test_given_tags_and_a_column_of_that_name(show, tmp_path):
    tags = np.array(["x", None, "y"] * 20, object)
    page = show(write(tmp_path / "page.html", labels={"tag": np.arange(N) % 2}, tags=tags))
    options = page.eval_on_selector_all("#color option", "all => all.map(e => e.value)")
    assert options == ["tag", "cluster", "tag (page)"]
    assert page.evaluate("window.page.inspect().tags") == tags.tolist()


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A page of four blobs, which fall into finer clusters."""
    rng = np.random.RandomState(0)
    centres = np.array([[0, 0], [3, 0], [30, 30], [60, 0]])
    xy = np.repeat(centres, 100, axis=0) + rng.normal(0, 0.3, (400, 2))
    labels = np.repeat([HOSTILE, "a", "b", "c"], 100)
    options = {"labels": labels, "paths": None, "images": np.zeros((400, 8, 8), np.uint8)}
    path = tmp_path_factory.mktemp("named") / "page.html"
    return write(path, {"blobs": xy}, **options, names={"b": "mine"})


def show_coarsest(page):
    for _ in range(4):
        page.click("#zoom-out")
    page.wait_for_function("() => document.querySelectorAll('#clusters li').length === 4")


@pytest.mark.long
def test_clusters_are_renamed_selected_and_saved(show, named, tmp_path):
    page = show(named)
    show_coarsest(page)
    values = page.eval_on_selector_all("#clusters input", "all => all.map(e => e.value)")
    assert sorted(values) == sorted([HOSTILE, "a", "mine", "c"])
    field = page.locator("#clusters input").nth(values.index(HOSTILE))
    field.fill("other")
    page.keyboard.press("Tab")
    page.locator("#clusters button").nth(values.index(HOSTILE)).click()
    assert selected(page) == list(range(100))
    page.evaluate("window.page.select([0, 250, 350])")
    table = pd.read_csv(download(page, "#save", tmp_path))
    assert table["cluster level 0"].tolist() == ["other", "mine", "c"]
    assert page.evaluate("window.isHacked") is None
    page.evaluate("window.page.setNames({c: 'set'})")
    values = page.eval_on_selector_all("#clusters input", "all => all.map(e => e.value)")
    assert sorted(values) == sorted([HOSTILE, "a", "b", "set"])


@pytest.fixture
def blobs(tmp_path):
    """A page of five blobs without finer clusters."""
    xy = np.repeat([[0, 0], [9, 0], [0, 9], [9, 9], [20, 20]], 12, axis=0)
    xy = xy + np.random.RandomState(0).normal(0, 0.1, xy.shape)
    labels = np.repeat([HOSTILE, *"bcde"], 12)
    return write(tmp_path / "page.html", {"blobs": xy}, labels=labels, names={"b": "mine"})


def list_legend(page):
    return sorted(page.locator("#legend label span:not(.count)").all_inner_texts())


def test_a_renamed_cluster_has_its_new_name_everywhere(show, blobs, tmp_path):
    page = show(blobs)
    page.select_option("#color", "cluster")
    page.evaluate("window.page.select([0, 1, 12]); window.page.pin(0)")
    page.fill("#search", "zebra")
    field = page.locator(f"#clusters input[aria-label={json.dumps(f'Name of {HOSTILE}')}]")
    field.fill("zebra")
    page.keyboard.press("Tab")
    assert list_legend(page) == ["c", "d", "e", "mine", "zebra"]
    assert page.locator("#counts li").all_inner_texts() == ["2 \u00d7 zebra", "1 \u00d7 mine"]
    assert page.locator("#n-matches").inner_text() == "12"
    assert page.locator("#pinned dd").all_inner_texts()[1:] == [HOSTILE, "zebra"]  # of the label
    page.mouse.move(*place(page, 12))
    assert page.locator("#hover dd").all_inner_texts()[1:] == ["b", "mine"]
    page.evaluate("window.page.setNames({c: 'set'})")
    assert "set" in list_legend(page)
    assert page.locator("#pinned dd").all_inner_texts()[1:] == [HOSTILE, HOSTILE]
    page.evaluate("window.page.select([24])")
    assert pd.read_csv(download(page, "#save", tmp_path))["cluster"].tolist() == ["set"]


def test_a_renamed_cluster_stays_hidden_under_its_former_name(show, blobs):
    page = show(blobs)
    page.select_option("#color", "cluster")
    page.evaluate("window.page.hide(['b'])")  # shown as "mine"
    page.evaluate("window.page.setNames({b: 'yours', c: 'd'})")
    assert list_legend(page)[1:] == ["d", "d", "e", "yours"]
    assert page.evaluate("window.page.inspect().hidden") == ["b"]
    box = page.locator("#legend label", has_text="yours").locator("input")
    assert not box.is_checked()
    box.click()
    page.locator("#legend label", has_text="d").last.locator("input").click()
    assert page.evaluate("window.page.inspect().hidden") == ["d"]  # although two have this name


def test_a_name_is_for_a_cluster_of_one_map(show, tmp_path):
    rng = np.random.RandomState(0)
    xy = np.repeat([[0, 0], [9, 0], [0, 9], [9, 9], [20, 20]], 12, axis=0)
    maps = {name: xy + rng.normal(0, 0.1, xy.shape) for name in ("left", "right")}
    labels = np.repeat(list("abcde"), 12)
    page = show(write(tmp_path / "page.html", maps, labels=labels, names={"left: a": "mine"}))
    page.select_option("#color", "cluster (left)")
    assert list_legend(page) == ["b", "c", "d", "e", "mine"]
    names = "all => all.map((each) => each.value)"
    assert sorted(page.eval_on_selector_all("#clusters input", names)) == [
        "b",
        "c",
        "d",
        "e",
        "mine",
    ]
    page.locator(".map").nth(1).focus()
    page.keyboard.press("0")
    field = page.locator("#clusters input[aria-label='Name of a']")
    page.wait_for_function(
        "() => document.querySelector('#clusters [aria-label=\"Name of a\"]').value === 'a'"
    )
    field.fill("yours")
    page.keyboard.press("Tab")
    page.evaluate("window.page.select([0, 12])")
    table = pd.read_csv(download(page, "#save", tmp_path))
    assert table["left: cluster level 0"].tolist() == ["mine", "b"]
    assert table["right: cluster level 0"].tolist() == ["yours", "b"]


@pytest.mark.long
def test_names_follow_the_zoom(show, named):
    page = show(named)
    show_coarsest(page)
    for _ in range(16):
        page.click("#zoom-in")
    page.wait_for_function("() => document.querySelectorAll('#clusters li').length > 4")
    page.click("#zoom-fit")
    ink = """() => { const c = document.getElementById("overlay");
        return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.filter((v, k) => k % 4 === 3 && v).length; }"""
    page.wait_for_timeout(200)
    drawn = page.evaluate(ink)
    page.click("#cluster-names")
    page.wait_for_timeout(200)
    assert page.evaluate(ink) < drawn - 500


@pytest.mark.long
def test_both_renderers_draw_the_same(browser, tmp_path):
    rng = np.random.RandomState(0)
    xy = {"map": rng.standard_normal((400, 2))}
    options = {"labels": [f"kind {i % 65}" for i in range(400)], "paths": None, "images": None}
    write_page(tmp_path / "page.html", xy, **options, features=None, title="t")
    text = (tmp_path / "page.html").read_text("utf-8")
    pictures = []
    for name in ("webgl", "software"):
        (tmp_path / "page.html").write_text(
            text.replace('{"n":', f'{{"renderer":"{name}","n":', 1), "utf-8"
        )
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        assert page.evaluate("window.page.inspect().renderer") == name
        page.evaluate("window.page.select(Array.from({length: 200}, (_, i) => i))")
        page.wait_for_timeout(300)
        shot = Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB")
        pictures.append(np.asarray(shot).astype(int))
        page.close()
    difference = np.abs(pictures[0] - pictures[1]).max(2)
    assert np.ptp(pictures[0]) > 150
    assert difference.mean() < 2
    assert (difference > 60).mean() < 0.01


@pytest.mark.long
def test_text_of_a_file_is_shown_where_downloads_are_blocked(browser, file):
    page = browser.new_page()
    page.set_content(
        "<iframe sandbox='allow-scripts' style='width: 1000px; height: 700px'></iframe>"
    )
    page.eval_on_selector(
        "iframe", "(frame, text) => { frame.srcdoc = text; }", file.read_text("utf-8")
    )
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    frame.locator("#select-view").click()
    frame.locator("#save").click()
    assert "Copy the text" in frame.locator("#copy").inner_text()
    text = frame.locator("#copied-text").input_value()
    assert pd.read_csv(io.StringIO(text))["index"].tolist() == list(range(N))
    frame.locator("#copy-close").click()
    page.close()


@pytest.mark.long
@pytest.mark.parametrize("size", [(1360, 860), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(show, named, two, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for path in (named, two):
        page = show(path, viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        page.evaluate("window.page.select([1, 2, 3])")
        page.evaluate("window.page.pin(5)")
        page.fill("#tag-name", "good")
        page.click("#put-tag")
        page.fill("#search", "1")
        page.wait_for_selector("#matches button")
        violations = axe.Axe().run(page).response["violations"]
        assert [(found["id"], found["nodes"][0]["html"]) for found in violations] == []


def test_the_page_says_what_it_needs(file):
    text = file.read_text("utf-8")
    assert "In JupyterLab, click &ldquo;Trust HTML&rdquo;" in text
    assert "unsafe-eval" not in text


def test_the_script_knows_no_document_but_its_root():
    script = read_script()
    assert script.startswith('"use strict";\nasync function explore(root, data, host) {')
    for name in ("document.getElementById", "document.querySelector", "document.body", "window."):
        assert name not in script


@pytest.mark.long
def test_a_map_without_javascript_says_so(browser, file):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(file.as_uri())
    assert page.is_visible("noscript p")
    page.context.close()
