"""The page of an embedding with its images: a file that needs no network."""

import base64
import hashlib
import html
import json
import zlib
from importlib.resources import files
from urllib.parse import quote

from sklearn_resnet._io.atomic import atomic_write, check_writable
from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet._io.paths import as_path
from sklearn_resnet.plotting.explorer.content import (
    encode_metadata,
    make_content,
)

MAX_BYTES = 200_000_000  # of a page; sheets beyond are files beside it
_FOLDER_SUFFIX = "_files"
_LIST = "sheets.json"  # of the files that a page wrote
# in this order, because each uses variables of the earlier ones
_SCRIPTS = (
    *("dom", "data", "styles", "software", "webgl", "thumbnails", "panes", "overlay", "legend"),
    *("regions", "cards", "search", "selection", "csv", "tags", "names", "pointer", "theme"),
    *("controls", "start"),
)


def write_page(path, xy, *, labels, paths, images, features, title, section="", **options):
    """Write the page.

    Parameters
    ----------
    path : path
        If the page would have more than `MAX_BYTES`, the sheets of thumbnails are in a folder
        beside it, which has its name with the ending "_files".
    xy : ndarray of shape (n, 2), or dict of str to such
        A map, or up to three maps of the same points by name.
    images : sequence of images or None
        As `Sheets` accepts them.
    labels, paths, title
        See `EmbeddingDisplay.to_html`.
    features
        See `make_content`.
    section : str, default=""
        HTML below the map. Elements with the attribute ``data-point`` show that point on it.
    **options
        Further parameters of `make_content`.

    Raises
    ------
    ValueError
        If there are more points than a browser can handle, or a parameter does not have one value
        for each point.
    OSError
        If the file cannot be written.
    """
    maps = xy if isinstance(xy, dict) else {"Embedding": xy}
    check_writable(path)
    content = make_content(
        maps, labels=labels, paths=paths, images=images, features=features, **options
    )
    write_content(path, content, title, section)


def write_content(path, content, title, section=""):
    """Write the page of `Content`. Parameters and errors are those of `write_page`."""
    metadata = content.metadata | {"sheetFiles": None}
    buffers = [_embed_buffer(*item) for item in content.buffers.items()]
    sheets = [] if content.sheets is None else list(content.sheets.make_all())
    if sum(map(len, buffers)) + 4 * sum(map(len, sheets)) // 3 > MAX_BYTES:
        metadata["sheetFiles"] = _write_sheets(path, sheets)
    else:
        buffers += [_embed(f"sheet-{k}", "webp", sheet) for k, sheet in enumerate(sheets)]
    page = _assemble(title, metadata, "\n".join(buffers), section)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def write_plain_page(path, title, section):
    """Write a page without a map, with HTML as `write_page` shows it below the map."""
    parts = _describe_title(title)
    parts["css"] = read_css() + read_file("page.css") + read_section_css()
    parts["section"] = section
    page = _fill(read_file("plain.html"), parts)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _embed_buffer(name, array):
    # images are compressed already
    if name.startswith("overview") and name != "overviewOf":
        return _embed(f"buffer-{name}", "none", array)
    return _embed(f"buffer-{name}", "zlib", zlib.compress(array))


def _embed(name, encoding, data):
    text = base64.b64encode(data).decode()
    return f'<script type="text/plain" id="{name}" data-encoding="{encoding}">{text}</script>'


def _write_sheets(path, sheets):
    """Write sheets into the folder beside a page, and return their addresses.

    Names hold the hash of the content, so that no file is replaced by another one. Those that a
    former page of this name wrote are removed.
    """
    path = as_path(path)
    folder = path.parent / f"{path.stem}{_FOLDER_SUFFIX}"
    names = [
        f"{k:04d}-{hashlib.sha256(sheet).hexdigest()[:12]}.webp" for k, sheet in enumerate(sheets)
    ]
    former = _read_list(folder / _LIST)
    for name, sheet in zip(names, sheets, strict=True):
        if not (folder / name).exists():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(sheet)
    with atomic_write(folder / _LIST) as temporary:
        temporary.write_text(json.dumps(names), encoding="utf-8")
    for name in former - set(names):
        (folder / name).unlink(missing_ok=True)
    return [f"{quote(folder.name)}/{name}" for name in names]


def _read_list(path):
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {
        name
        for name in names
        if isinstance(name, str) and name.endswith(".webp") and "/" not in name
    }


def _assemble(title, metadata, buffers, section):
    """Fill the template of the page."""
    section = _describe_section(section)
    parts = {
        **_describe_title(title),
        "image-source": " file: 'self'" if metadata["sheetFiles"] else "",
        "css": read_css() + read_file("page.css"),
        "section-css": section["section-css"],
        "markup": read_markup(title, section["link"]),
        "section": section["section"],
        "data": _as_script(metadata),
        "buffers": buffers,
        "js": read_script() + read_file("js/page_host.js"),
    }
    del parts["heading"]
    return _fill(read_file("page.html"), parts)


def _fill(page, parts):
    for name, text in parts.items():
        before, after = page.split(f"<!--{name}-->")
        page = before + text + after
    return page


def _describe_title(title):
    title = escape_text(title)
    return {"title": html.escape(" ".join(title.split())), "heading": html.escape(title)}


def _describe_section(section):
    """Return the parts of the template that show HTML below the map; empty if there is none."""
    if not section:
        return dict.fromkeys(("section-css", "link", "section"), "")
    return {
        "section-css": f"<style>{read_section_css()}</style>",
        "link": '<a href="#section">Findings</a>\n  ',
        "section": f'\n<section id="section">\n{section}\n</section>',
    }


def read_markup(title, link=""):
    """The elements of an explorer, which belong into an element with the id "explorer"."""
    return _fill(
        read_file("explorer.html"), {"heading": html.escape(escape_text(title)), "link": link}
    )


def read_css():
    """The style of an explorer."""
    return read_file("explorer.css")


def read_section_css():
    """The style of HTML below the map."""
    return read_file("section.css")


def read_script():
    """The function ``explore(root, data, host)``, made of JavaScript files that share variables."""
    scripts = [f"// {name}.js\n{read_file(f'js/{name}.js')}" for name in _SCRIPTS]
    return (
        '"use strict";\nasync function explore(root, data, host) {\n' + "\n".join(scripts) + "}\n"
    )


def read_file(name):
    """Read a file of the explorer, such as "js/dom.js"."""
    path = files("sklearn_resnet.plotting") / "explorer"
    for part in name.split("/"):
        path = path / part
    return path.read_text("utf-8")


def _as_script(metadata):
    """Encode metadata as JSON for a script element, which no text in it can close."""
    return encode_metadata(metadata).replace("<", "\\u003c")
