"""The widget in JupyterLab: a real server, kernel and browser."""

import json
import os
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import numpy as np
import psutil
import pytest
from matplotlib.path import Path as Polygon

pytest.importorskip("jupyterlab")
Error = pytest.importorskip("playwright.sync_api").Error
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
# No dialog can cover the page of a slow machine: none that asks whether to wait for the page, for a
# kernel, for a build or for news, and none about a file that another save changed.
SETTINGS = {
    "@jupyterlab/apputils-extension:kernels-settings": {"kernelInfoTimeout": SECONDS * 1000},
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    "@jupyterlab/docmanager-extension:plugin": {
        "autosave": False,
        "lastModifiedCheckMargin": SECONDS * 1000,
        "renameUntitledFileOnSave": False,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
PAGE_CONFIG = {
    "buildAvailable": False,
    "buildCheck": False,
    "disabledExtensions": {
        "@jupyterlab/apputils-extension:announcements": True,
        "@jupyterlab/apputils-extension:splash": True,
    },
}
# no setting turns this one off; JupyterLab connects again by itself
DISMISS = """
new MutationObserver(() => {
  for (const dialog of document.querySelectorAll(".jp-Dialog")) {
    if (dialog.innerText.includes("Server Connection Error")) {
      dialog.querySelector(".jp-Dialog-button").click();
    }
  }
}).observe(document, { childList: true, subtree: true });
"""
IS_READY = """() => {
  const context = globalThis.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = context?.session?.kernel;
  return context?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
# what waits without a limit would show nothing on a timeout
RUN = """(i) => {
  const { content } = jupyterapp.shell.currentWidget;
  window.outputs = null;
  content.activeCellIndex = i;
  jupyterapp.commands.execute("notebook:run-cell").finally(() => {
    window.outputs = content.widgets[i].model.toJSON().outputs;
  });
}"""
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
    """The folder of notebooks, the address and the log of a server of JupyterLab."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    root = Path(__file__).parents[3]
    environment = os.environ | own | {"IPYTHONDIR": str(folder / "ipython")}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    settings = folder / "CONFIG" / "labconfig"
    settings.mkdir(parents=True)
    (settings / "default_setting_overrides.json").write_text(json.dumps(SETTINGS), "utf-8")
    (settings / "page_config.json").write_text(json.dumps(PAGE_CONFIG), "utf-8")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={notebooks}"]
    command += ["--LabApp.expose_app_in_browser=True"]
    command += [f"--MappingKernelManager.kernel_info_timeout={SECONDS}"]
    log = folder / "log"
    with log.open("wb") as file:
        process = psutil.Popen(command, env=environment, stdout=file, stderr=file, cwd=notebooks)
    try:
        yield Server(notebooks, wait_for_address(process, folder), log)
    finally:
        stop(process)


def stop(process):
    """End a server, and the kernels that it leaves."""
    kernels = process.children(recursive=True) if process.is_running() else []
    process.terminate()
    try:
        process.wait(15)
    except psutil.TimeoutExpired:  # the server can wait for a kernel without end
        process.kill()
        process.wait(SECONDS)
    for kernel in kernels:
        with suppress(psutil.NoSuchProcess):
            kernel.kill()


def wait_for_address(process, folder):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        for path in (folder / "RUNTIME").glob("jpserver-*.json"):
            with suppress(ValueError):  # it is being written
                return json.loads(path.read_text("utf-8"))["url"]
        time.sleep(0.1)
    raise RuntimeError((folder / "log").read_text("utf-8"))


class Server(NamedTuple):
    notebooks: Path
    address: str
    log: Path

    def request(self, path, method="GET"):
        headers = {"Authorization": f"token {TOKEN}"}
        request = Request(self.address + path, method=method, headers=headers)
        with urlopen(request, timeout=SECONDS) as answer:
            return answer.read()

    def end_kernels(self):
        for session in json.loads(self.request("api/sessions")):
            self.request(f"api/sessions/{session['id']}", "DELETE")


class Notebook:
    """A notebook in JupyterLab."""

    def __init__(self, page):
        self.page = page

    def run(self, i, n_views=0):
        """Run a cell; return the text that it prints."""
        self.page.evaluate(RUN, i)
        outputs = self.page.wait_for_function("() => window.outputs").json_value()
        errors = ["\n".join(each["traceback"]) for each in outputs if "traceback" in each]
        assert errors == []
        if n_views:
            self.page.wait_for_function(f"{FIND}?.explorer.inspect().views.length === {n_views}")
            self.page.locator("#explorer").scroll_into_view_if_needed()
        return "".join("".join(each.get("text", "")) for each in outputs).strip()

    def wait_for_print(self, i, expected):
        """Run a cell until it prints this: the widget's messages may come after that of the cell."""
        end = time.monotonic() + SECONDS
        while (printed := self.run(i)) != expected:
            assert time.monotonic() < end, f"Cell {i} prints {printed!r} instead of {expected!r}."

    def ask(self, expression):
        """Evaluate JavaScript on the explorer of the widget."""
        return self.page.evaluate(f"() => {FIND}.explorer.{expression}")

    def save(self):
        self.page.evaluate(
            "() => { jupyterapp.shell.currentWidget.context.save().then(() => {"
            " window.isSaved = true; }); }"
        )
        self.page.wait_for_function("() => window.isSaved")


@contextmanager
def open_notebook(server, browser, name, sources=None):
    if sources is not None:
        write_notebook(server.notebooks / name, sources)
    page = browser.new_page(viewport={"width": 1500, "height": 1100})
    page.set_default_timeout(SECONDS * 1000)
    page.add_init_script(DISMISS)
    complaints = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        workspace = uuid.uuid4().hex
        page.goto(f"{server.address}lab/workspaces/{workspace}/tree/{name}?token={TOKEN}")
        page.wait_for_function(IS_READY)
        yield Notebook(page)
    except Exception as exc:
        exc.add_note(describe_screen(page, complaints, server.log))
        raise
    finally:
        page.close()
        server.end_kernels()


def describe_screen(page, complaints, log):
    """What somebody would look at after a timeout."""
    texts = {}
    for selector in (".jp-Dialog", "body"):
        texts[selector] = "none"
        with suppress(Error):
            texts[selector] = page.locator(selector).first.inner_text(timeout=5000)
    return "\n".join(
        [
            f"Dialog: {texts['.jp-Dialog']}",
            f"Page: {texts['body'][-2000:]}",
            "Console:",
            *complaints[-20:],
            f"Server: {log.read_text('utf-8', 'replace')[-5000:]}",
        ]
    )


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
        canvas = page.locator("#hover canvas").first.element_handle()
        pixel = page.wait_for_function(
            "(canvas) => { const pixel = canvas.getContext('2d').getImageData(canvas.width / 2, "
            "canvas.height / 2, 1, 1).data; return pixel[3] && [...pixel]; }",
            arg=canvas,
        ).json_value()
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
        notebook.wait_for_print(1, f"{expected} None [None, None]")

        page.locator("#tag-name").fill("keep")
        page.locator("#tag-name").press("Enter")
        tags = ["keep" if i in expected else None for i in (0, 1)]
        notebook.wait_for_print(1, f"{expected} None {tags}")

        notebook.run(2)
        page.wait_for_function(f"{FIND}.explorer.inspect().hidden.length === 1")
        shown = notebook.ask("inspect()")
        assert shown["pinned"] == 7
        assert shown["hidden"] == ["dog"]
        notebook.wait_for_print(1, f"[] 7 {tags}")  # rows 3 and 5 are dogs


def test_columns_and_hidden_labels_are_told_to_python(server, browser):
    sources = [START, "print(widget.color_by, widget.hidden)"]
    with open_notebook(server, browser, "hidden.ipynb", sources) as notebook:
        notebook.run(0, n_views=1)
        page = notebook.page
        page.locator("#legend input").nth(1).click()
        notebook.wait_for_print(1, "label ['dog']")
        page.locator("#legend input").first.click()
        page.locator("#color").select_option("cluster")
        page.locator("#legend input").last.click()
        notebook.wait_for_print(1, "cluster ['in no cluster']")
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
        notebook.wait_for_print(1, "[9]")


def test_a_saved_notebook_shows_a_picture_without_its_kernel(server, browser):
    with open_notebook(server, browser, "saved.ipynb", [START]) as notebook:
        notebook.run(0, n_views=1)
        notebook.save()
    assert "without its widget" in (server.notebooks / "saved.ipynb").read_text("utf-8")
    with open_notebook(server, browser, "saved.ipynb") as notebook:
        picture = notebook.page.locator("img[alt*='without its widget']")
        picture.wait_for()
        assert picture.is_visible()
        assert picture.evaluate("(image) => image.naturalWidth") > 100
