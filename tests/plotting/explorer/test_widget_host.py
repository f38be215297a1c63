"""The widget in a browser, with a model that keeps what it is told, as the kernel would."""

import base64
import json

import numpy as np
import pytest

from sklearn_resnet import EmbeddingDisplay

pytest.importorskip("anywidget")

N = 30
_PAGE = """<!doctype html><meta charset="utf-8"><body><div id="a"></div><div id="b"></div>
<script type="module">
ESM
const decode = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const state = JSON.parse(STATE, (key, value) => (value?.bytes === undefined ? value : decode(value.bytes)));
const listeners = [];
window.model = {
  get: (name) => state[name],
  set(name, value) {
    state[name] = value;
    for (const [event, listener] of listeners) if (event === `change:${name}`) listener();
  },
  on: (...pair) => listeners.push(pair),
  off() {},
  save_changes() {},
  send() {},
};
window.ends = [];
window.show = async (id) => {
  const el = document.getElementById(id);
  el.style.cssText = "width: 1000px; height: 700px";
  ends.push(await widget.render({ model, el }));
  return el.firstChild;
};
</script>"""


def _encode(value):
    if isinstance(value, bytes | memoryview):
        return {"bytes": base64.b64encode(value).decode()}
    raise TypeError(type(value))


@pytest.fixture
def show(browser, tmp_path):
    """Open a page with the model of a widget; `show` in it renders a view."""
    opened = []

    def show(widget):
        state = json.dumps(json.dumps(widget.get_state(), default=_encode)).replace("<", "\\u003c")
        esm = widget._esm.replace("export default", "const widget =")
        file = tmp_path / "widget.html"
        file.write_text(_PAGE.replace("ESM", esm, 1).replace("STATE", state, 1), encoding="utf-8")
        page = browser.new_page()
        opened.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_function("window.show !== undefined")
        return page

    errors = []
    yield show
    for page in opened:
        page.close()
    assert errors == []


@pytest.fixture
def display():
    xy = np.random.RandomState(1).standard_normal((N, 2))
    return EmbeddingDisplay(xy, np.array(["cat", "dog", "owl"])[np.arange(N) % 3])


def inspect(page, element):
    return page.evaluate(
        f"""show("{element}").then(({{ explorer }}) => {{
          window.explorer = explorer;
          const {{ selection, hidden, column, tags, pinned }} = explorer.inspect();
          return {{ selection, hidden, column, tags, pinned }};
        }})"""
    )


def test_a_view_shows_what_python_set_before_and_leaves_it(show, display):
    widget = display.explore()
    widget.tags = ["seen"] * 3 + [None] * (N - 3)
    widget.color_by = "tag"
    widget.hidden = ["no tag"]
    widget.selection = [0, 1]
    widget.pinned = 2
    page = show(widget)
    expected = {
        "selection": [0, 1],
        "hidden": ["no tag"],
        "column": "tag",
        "tags": ["seen"] * 3 + [None] * (N - 3),
        "pinned": 2,
    }
    for element in "ab":  # a second view of the same model, too
        assert inspect(page, element) == expected
    assert page.evaluate("[model.get('color_by'), model.get('hidden')]") == ["tag", ["no tag"]]


def test_another_column_shows_all_labels_in_the_model_too(show, display):
    page = show(display.explore())
    inspect(page, "a")
    page.locator("#legend input").first.click()
    state = "[model.get('color_by'), model.get('hidden')]"
    assert page.evaluate(state) == ["label", ["cat"]]
    page.locator("#color").select_option("cluster")
    assert page.evaluate(state) == ["cluster", []]  # without waiting for the kernel
    page.evaluate("model.set('color_by', 'tag')")  # there are no tags
    assert page.evaluate(state) == ["label", []]


def test_a_tag_of_the_widget_can_be_undone_and_leaves_hidden_groups(show, display):
    widget = display.explore(tags=["b"] + [None] * (N - 1))
    widget.color_by = "tag"
    page = show(widget)
    inspect(page, "a")
    page.evaluate("explorer.hide(['b'])")
    page.evaluate("explorer.select([4])")
    page.locator("#tag-name").fill("a")
    page.locator("#put-tag").click()
    state = "(({ tags, hidden }) => [tags[4], hidden])(explorer.inspect())"
    assert page.evaluate(state) == ["a", ["b"]]
    # the kernel sends the names back in natural order
    page.evaluate(
        """{ const { codes } = model.get("tags"), own = new Int32Array(codes.buffer.slice(0));
        model.set("tags", { names: ["a", "b"], codes: new DataView(own.map((k) => (k < 0 ? k : 1 - k)).buffer) }); }"""
    )
    assert page.locator("#tags button span:nth-child(2)").all_inner_texts() == ["b", "a"]
    page.locator("#undo-tag").click()
    assert page.evaluate(state) == [None, ["b"]]


def test_clusters_may_have_the_names_of_properties_of_objects(show):
    xy = np.random.RandomState(0).standard_normal((300, 2)) * 0.3
    xy += np.repeat([[0, 0], [9, 0], [0, 9], [9, 9], [20, 20]], 60, axis=0)
    names = ["constructor", "__proto__", "toString", "a", "b"]
    display = EmbeddingDisplay(xy, np.repeat(names, 60))
    page = show(display.explore())
    inspect(page, "a")
    fields = page.locator("#clusters input")
    fields.first.wait_for(timeout=5000)
    shown = [fields.nth(k).input_value() for k in range(fields.count())]
    assert sorted(shown) == sorted(names)
    k = shown.index("__proto__")
    fields.nth(k).fill("mine")
    fields.nth(k).blur()
    assert page.evaluate("Object.entries(model.get('names'))") == [["__proto__", "mine"]]


def test_the_picture_is_hidden_until_the_last_view_ends(show, display):
    widget = display.explore()
    page = show(widget)
    page.evaluate(
        f"""document.body.append(Object.assign(new Image(), {{ alt: "{widget._id}" }}))"""
    )
    inspect(page, "a")
    inspect(page, "b")
    state = "document.querySelector('img').style.display"
    assert page.evaluate(f"(ends.pop()(), {state})") == "none"
    assert page.evaluate(f"(ends.pop()(), {state})") == ""
