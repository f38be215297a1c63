"""Pages of embeddings: what their files hold, and how they are used in a browser."""

import base64
import json
import re
import zlib

import numpy as np

ARRAYS = {
    "neighbors": np.int32,
    "place": np.uint32,
    "boxes": np.int32,
    "overviewOf": np.int32,
    "xy0": np.float32,
}


def read_elements(text, kind):
    """What the script elements of a kind hold: buffers, or sheets."""
    found = {}
    pattern = rf'<script type="text/plain" id="{kind}-([^"]*)" data-encoding="(\w*)">([^<]*)<'
    for name, encoding, content in re.findall(pattern, text):
        found[name] = base64.b64decode(content)
        if encoding == "zlib":
            found[name] = zlib.decompress(found[name])
    return found


def read_data(path):
    """The data in a page, with its arrays as lists."""
    text = path.read_text("utf-8")
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    buffers = read_elements(text, "buffer")
    for name, dtype in ARRAYS.items():
        if name in buffers:
            data[name] = np.frombuffer(buffers[name], dtype).tolist()
    if "boxes" in data:
        data["boxes"] = np.reshape(data["boxes"], (-1, 4)).tolist()
    if "names" in buffers:
        data["names"] = buffers["names"].decode().split("\0")
    return data


def change_buffer(path, name, array):
    """Replace an array of a page."""
    element = f'<script type="text/plain" id="buffer-{name}" data-encoding="zlib">'
    content = base64.b64encode(zlib.compress(array.tobytes())).decode()
    text, n_replaced = re.subn(f"{element}[^<]*", element + content, path.read_text("utf-8"))
    assert n_replaced == 1
    return text


def place(page, i, pane=0):
    """Where a point lies in the window."""
    return page.evaluate("([i, k]) => window.page.locate(i, k)", [i, pane])


def hover(page, i):
    page.mouse.move(*place(page, i))
    page.wait_for_selector(f"#hover[data-index='{i}']")


def selected(page):
    return page.evaluate("window.page.inspect().selection")


def drag(page, points):
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()
