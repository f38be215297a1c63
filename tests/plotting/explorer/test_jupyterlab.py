"""The widget in JupyterLab: a real server, kernel and browser."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Polygon

pytest.importorskip("jupyterlab")
pytest.importorskip("anywidget")
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TOKEN = "of-the-tests"
SECONDS = 120  # to wait for a server, a page or a cell
N = 40
START = f"""
import numpy as np
from sklearn_resnet import EmbeddingDisplay, compare_embeddings
rng = np.random.RandomState(0)
xy = np.array([divmod(i, 8) for i in range({N})]) + rng.uniform(-0.2, 0.2, ({N}, 2))
images = np.empty(({N}, 12, 12, 3), np.uint8)
images[:] = rng.randint(0, 256, ({N}, 1, 1, 3))
labels = np.array(["cat", "dog"])[np.arange({N}) % 2]
widget = EmbeddingDisplay(xy, labels, images=images).explore()
widget
"""
FIND = "[...document.querySelectorAll('.jp-OutputArea-output div')].find((e) => e.explorer)"


def make_colors():
    """The colour of each image in the notebook."""
    rng = np.random.RandomState(0)
    rng.uniform(size=(N, 2))
    return rng.randint(0, 256, (N, 1, 1, 3)).reshape(N, 3)


def write_notebook(path, sources):
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "source": source.strip(),
            "outputs": [],
            "metadata": {},
            "execution_count": None,
        }
        for i, source in enumerate(sources)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook), encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The folder and the address of a server of JupyterLab."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    root = Path(__file__).parents[3]
    environment = os.environ | own | {"IPYTHONDIR": str(folder / "ipython")}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={notebooks}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=notebooks)
    try:
        yield notebooks, wait_for_address(process, folder)
    finally:
        stop(process)


def stop(process):
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:  # the server can wait for a kernel without end
        process.kill()
        process.wait(SECONDS)


def wait_for_address(process, folder):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        for path in (folder / "RUNTIME").glob("jpserver-*.json"):
            with_address = path.read_text("utf-8")
            if with_address:
                return json.loads(with_address)["url"]
        time.sleep(0.1)
    raise RuntimeError((folder / "log").read_text("utf-8"))


class Notebook:
    """A notebook in JupyterLab."""

    def __init__(self, page):
        self.page = page

    def run(self, i, n_views=0):
        """Run a cell; return the text that it prints."""
        page, cell = self.page, self.page.locator(".jp-Cell").nth(i)
        prompt = cell.locator(".jp-InputPrompt")
        former = prompt.inner_text()
        for _ in range(10):  # JupyterLab drops what it is told before it hears from the kernel
            cell.locator(".jp-InputArea-editor").click()
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(1000)
            element = prompt.element_handle()
            page.wait_for_function("(prompt) => !prompt.innerText.includes('*')", arg=element)
            if re.search(r"\d", prompt.inner_text()) and prompt.inner_text() != former:
                break
        else:
            raise AssertionError(f"cell {i} did not run")
        if n_views:
            page.wait_for_function(f"{FIND}?.explorer.inspect().views.length === {n_views}")
        return cell.locator(".jp-OutputArea").inner_text().strip()

    def ask(self, expression):
        """Evaluate JavaScript on the explorer of the widget."""
        return self.page.evaluate(f"() => {FIND}.explorer.{expression}")

    def save(self):
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+s")


@contextmanager
def open_notebook(server, browser, name, sources=None):
    notebooks, address = server
    if sources is not None:
        write_notebook(notebooks / name, sources)
    page = browser.new_page(viewport={"width": 1500, "height": 1100})
    page.set_default_timeout(SECONDS * 1000)
    page.goto(f"{address}lab/workspaces/{name.partition('.')[0]}/tree/{name}?token={TOKEN}&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_selector(
        "[data-status='idle'], .jp-Notebook-ExecutionIndicator[data-status='idle']"
    )
    try:
        yield Notebook(page)
    finally:
        page.close()


def test_hover_lasso_and_selection_from_both_sides(server, browser):
    sources = [
        START,
        "print(widget.selection.tolist(), widget.pinned, widget.tags[:2].tolist())",
        "widget.selection = [3, 5]; widget.pinned = 7; widget.hidden = ['dog']; print('set')",
    ]
    with open_notebook(server, browser, "widget.ipynb", sources) as notebook:
        page = notebook.page
        notebook.run(0, n_views=1)
        assert page.locator("img[alt*='without its widget']").count() == 1
        assert not page.locator("img[alt*='without its widget']").is_visible()
        places = [notebook.ask(f"locate({i})") for i in range(N)]

        page.mouse.move(*places[11])
        pixel = page.locator("#hover canvas").first.evaluate(
            "(canvas) => [...canvas.getContext('2d').getImageData(canvas.width / 2, "
            "canvas.height / 2, 1, 1).data]"
        )
        np.testing.assert_allclose(pixel[:3], make_colors()[11], atol=12)  # WebP

        page.locator("#tool-lasso").click()
        (left, top), (right, bottom) = np.min(places, 0), np.max(places, 0)
        middle = (left + right) / 2
        outline = [
            (left - 9, top - 9),
            (middle, top - 9),
            (middle, bottom + 9),
            (left - 9, bottom + 9),
        ]
        page.mouse.move(*outline[0])
        page.mouse.down()
        for place in outline[1:]:
            page.mouse.move(*place, steps=5)
        page.mouse.up()
        expected = np.flatnonzero(Polygon(outline).contains_points(places)).tolist()
        assert 0 < len(expected) < N
        assert notebook.run(1) == f"{expected} None [None, None]"

        page.locator("#tag-name").fill("keep")
        page.locator("#tag-name").press("Enter")
        tags = ["keep" if i in expected else None for i in (0, 1)]
        assert notebook.run(1) == f"{expected} None {tags}"

        notebook.run(2)
        page.wait_for_function(f"{FIND}.explorer.inspect().hidden.length === 1")
        shown = notebook.ask("inspect()")
        assert shown["pinned"] == 7
        assert shown["hidden"] == ["dog"]
        assert notebook.run(1).startswith("[] 7")  # rows 3 and 5 are dogs


def test_columns_and_hidden_labels_are_told_to_python(server, browser):
    sources = [START, "print(widget.color_by, widget.hidden)"]
    with open_notebook(server, browser, "hidden.ipynb", sources) as notebook:
        notebook.run(0, n_views=1)
        page = notebook.page
        page.locator("#legend input").nth(1).click()
        assert notebook.run(1) == "label ['dog']"
        page.locator("#legend input").first.click()
        page.locator("#color").select_option("cluster")
        page.locator("#legend input").last.click()
        assert notebook.run(1) == "cluster ['in no cluster']"
        assert notebook.ask("inspect().hidden") == ["in no cluster"]


def test_keys_of_the_map_do_not_reach_jupyterlab(server, browser):
    with open_notebook(server, browser, "keys.ipynb", [START, "1"]) as notebook:
        notebook.run(0, n_views=1)
        notebook.page.locator("#map").click()
        for key in ("1", "d", "d", "Enter", "a"):
            notebook.page.keyboard.press(key)
        assert notebook.page.locator(".jp-Cell").count() == 2
        assert notebook.page.locator(".jp-CodeCell").count() == 2


def test_two_panes_have_one_selection(server, browser):
    source = START.replace(
        "widget = EmbeddingDisplay(xy, labels, images=images).explore()",
        'widget = compare_embeddings({"a": xy, "b": xy[:, ::-1]}, labels).explore(images=images)',
    )
    sources = [source, "print(widget.selection.tolist())"]
    with open_notebook(server, browser, "panes.ipynb", sources) as notebook:
        notebook.run(0, n_views=2)
        page = notebook.page
        page.locator("#tool-box").click()
        x, y = notebook.ask("locate(9, 1)")
        page.mouse.move(x - 5, y - 5)
        page.mouse.down()
        page.mouse.move(x + 5, y + 5, steps=5)
        page.mouse.up()
        assert notebook.ask("inspect().selection") == [9]
        assert notebook.run(1) == "[9]"


def test_a_saved_notebook_shows_a_picture_without_its_kernel(server, browser):
    with open_notebook(server, browser, "saved.ipynb", [START]) as notebook:
        notebook.run(0, n_views=1)
        notebook.save()
        path = server[0] / "saved.ipynb"
        end = time.monotonic() + SECONDS
        while "without its widget" not in path.read_text("utf-8"):
            assert time.monotonic() < end
            time.sleep(0.2)
        notebook.page.evaluate(
            "async () => { for (const { id } of await (await fetch('/api/sessions')).json()) "
            "await fetch(`/api/sessions/${id}`, { method: 'DELETE', headers: "
            "{ 'X-XSRFToken': document.cookie.match(/_xsrf=([^;]*)/)?.[1] } }) }"
        )
    with open_notebook(server, browser, "saved.ipynb") as notebook:
        picture = notebook.page.locator("img[alt*='without its widget']")
        picture.wait_for()
        assert picture.is_visible()
        assert picture.evaluate("(image) => image.naturalWidth") > 100
