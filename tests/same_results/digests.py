"""What is compared of a file or a value, as plain values that JSON holds.

A `Record` has two layers: `results`, which must stay equal, and `words`, which may be rewritten.
"""

import csv
import hashlib
import inspect
import json
import math
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

_TIMES = ("created", "seconds", "versions")  # keys of records whose values change with each run
# parts of the data of a page that are written for people
_WORDS_OF_PAGES = ("near_by", "missing")
_OTHERS = re.compile(r"[/\\](umap|pynndescent|numba|keras|tensorflow|nncf|openvino|dask)[/\\]")


class Record:
    """What one command or call gave.

    Attributes
    ----------
    results : dict
        Numbers, tables, pictures, exit codes, names.
    words : dict
        Messages and other prose.
    """

    def __init__(self):
        self.results = {}
        self.words = {}

    def add(self, name, value):
        """Note a value: arrays by their digests."""
        self.results[name] = describe(value)

    def say(self, name, text):
        """Note prose, without what changes with each run."""
        if text:
            self.words[name] = normalise(str(text)).splitlines()

    def add_warnings(self, caught):
        """Note warnings, but for those of other packages."""
        ours = [
            warning
            for warning in caught
            if not issubclass(warning.category, (DeprecationWarning, ImportWarning))
            and not issubclass(warning.category, (PendingDeprecationWarning, ResourceWarning))
            and not _OTHERS.search(warning.filename)
        ]
        if ours:
            self.results["warnings"] = [warning.category.__name__ for warning in ours]
            self.say("warnings", "\n".join(str(warning.message) for warning in ours))

    def add_error(self, error):
        """Note an exception: its kind among Python's own is a result, the rest is prose."""
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        self.results["error"] = kinds[0]
        notes = getattr(error, "__notes__", [])
        self.say("error", "\n".join([f"{type(error).__name__}: {error}", *notes]))

    def add_files(self, folder):
        """Note all files below a folder."""
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        for path in paths:
            name = path.relative_to(folder).as_posix()
            describe_file = _FILES.get(path.suffix, _describe_bytes)
            try:
                results, words = describe_file(path)
            except Exception as exc:  # a file that is not what its name says
                results, words = {"unreadable": type(exc).__name__}, {}
            self.results[name] = {"bytes": digest(path.read_bytes())} | results
            if path.suffix in (".json", ".html"):  # they hold times, versions and programs
                del self.results[name]["bytes"]
            if words:
                self.words[name] = words


def normalise(text):
    """Take out of a text what changes with each run."""
    here = {os.getcwd(), os.path.realpath(os.getcwd())}
    for path in sorted(here, key=len, reverse=True):
        text = text.replace(path, "TMP")
    text = re.sub(r"tcp://[\d.]+:\d+", "tcp://CLUSTER", text)
    text = re.sub(r"\d\d:\d\d(:\d\d)?", "TIME", text)
    text = re.sub(r"\d+(\.\d+)? ?s\b", "SECONDS", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", text)
    text = re.sub(r"\d+\.\d+\.\d+[\w.+-]*", "VERSION", text)
    text = re.sub(r"^\S+\.py:\d+: ", "FILE: ", text, flags=re.MULTILINE)
    return text


def digest(content):
    """A short digest of bytes."""
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def describe(value):
    """A value as JSON holds it."""
    if hasattr(value, "dask") or type(value).__name__ in ("DataFrame", "Series"):
        return _describe_table(value)
    if isinstance(value, np.ndarray):
        return _describe_array(value)
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, (np.generic, float)):
        value = value.item() if isinstance(value, np.generic) else value
        return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, (str, int, bool, type(None))):
        return normalise(value) if isinstance(value, str) else value
    if isinstance(value, os.PathLike):
        return normalise(os.fspath(value))
    return type(value).__name__


def _describe_array(array):
    described = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if array.dtype.kind == "O":
        content = repr([describe(item) for item in array.ravel()]).encode()
    else:
        content = np.ascontiguousarray(array).tobytes()
    described["digest"] = digest(content)
    if array.dtype.kind in "OU" and array.size <= 20:
        described["values"] = [describe(item) for item in array.ravel()]
    return described


def _describe_table(table):
    kind = f"{type(table).__module__.partition('.')[0]} {type(table).__name__}"
    if hasattr(table, "dask"):
        chunks = repr(table.chunks)
        return {"kind": kind, "chunks": chunks, "dtype": str(table.dtype)}
    frame = table if hasattr(table, "columns") else table.to_frame()
    columns = {}
    for name in frame.columns:
        values = list(frame[name])
        if values and isinstance(values[0], np.ndarray):
            values = np.stack(values)
        columns[str(name)] = describe(np.asarray(values))
    described = {"kind": kind, "n_rows": len(frame), "n_columns": len(columns)}
    if hasattr(frame, "index"):
        described["index"] = describe(np.asarray(frame.index))
    if len(columns) <= 20:
        return described | {"columns": columns}
    return described | {"columns": list(columns)[:3], "digest": digest(repr(columns).encode())}


def describe_figure(figure):
    """The pixels of a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return describe(np.asarray(canvas.buffer_rgba()))


def describe_signature(function):
    """Names and defaults of the parameters."""
    parameters = inspect.signature(function).parameters.values()
    return [
        p.name if p.default is p.empty else f"{p.name}={normalise(repr(p.default))}"
        for p in parameters
    ]


def _describe_bytes(path):
    return {}, {}


def _describe_npy(path):
    return describe(np.load(path, allow_pickle=False)), {}


def _describe_npz(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: describe(file[name]) for name in file.files}, {}


def _describe_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    causes = columns.pop("cause", [])
    results = {"header": digest(repr(header).encode()), "n_rows": len(rows)}
    results["columns"] = header[:4]
    results["cells"] = {name: _describe_cells(columns[name]) for name in list(columns)[:4]}
    results["all cells"] = digest(repr(columns).encode())
    return results, {"cause": causes} if causes else {}


def _describe_cells(cells):
    return cells if len(cells) <= 20 and max(map(len, cells), default=0) < 20 else digest_of(cells)


def digest_of(values):
    """A digest of plain values."""
    return digest(repr(values).encode())


def _describe_parquet(path):
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    results, words = {"n_rows": table.num_rows}, {}
    for name in table.column_names:
        column = table[name]
        results[name] = {"type": str(column.type), "digest": digest_of(column.to_pylist())}
    for key, value in (table.schema.metadata or {}).items():
        value = json.loads(value)
        failures = value.get("failures") or []
        results[f"metadata {key.decode()}"] = {
            name: item if name != "failures" else [failure[:2] for failure in failures]
            for name, item in value.items()
        }
        if failures:
            words["failures"] = [repr(failure) for failure in failures]
    return results, words


def _describe_json(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    words = {}
    for key in _TIMES:
        if key in record:
            record[key] = sorted(record[key]) if isinstance(record[key], dict) else "TIME"
    if "failures" in record:
        words = {"failures": [repr(failure) for failure in record["failures"]]}
        record["failures"] = [failure[:2] for failure in record["failures"]]
    return {"values": _flat(record), "order of keys": list(record)}, words


def _flat(value):
    """Plain values, with paths without the temporary folder."""
    if isinstance(value, dict):
        return {key: _flat(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_flat(item) for item in value]
    return normalise(value) if isinstance(value, str) else value


def _describe_picture(path):
    with Image.open(path) as image:
        pixels = np.asarray(image)
        return {"pixels": describe(pixels), "dpi": repr(image.info.get("dpi"))}, {}


def _describe_pdf(path):
    content = path.read_bytes()
    kinds = re.findall(rb"/Subtype\s*/(Type0|Type3|TrueType|Image)", content)
    sizes = sorted(
        [int(n) for n in re.findall(rb"/Width (\d+)", content)]
        + [int(n) for n in re.findall(rb"/Height (\d+)", content)]
    )
    found = sorted({kind.decode() for kind in kinds})
    return {"holds": found, "sides of images": sizes}, {}


def _describe_svg(path):
    text = path.read_text(encoding="utf-8")
    images = re.findall(r'xlink:href="(data:image[^"]*)"', text)
    return {
        "size": re.findall(r'<svg[^>]*? width="([^"]*)"', text),
        "images": digest_of(images),
    }, {}


def _describe_page(path):
    """The blocks of JSON in a page, key by key, and its arrays and sheets."""
    text = path.read_text(encoding="utf-8")
    results, words = {}, {"whole file": digest(text.encode())}
    blocks = re.findall(
        r'<script type="application/json" id="([\w-]+)">(.*?)</script>', text, re.DOTALL
    )
    for name, block in blocks:
        try:
            data = json.loads(block)
        except ValueError:
            data = {"unreadable": block}
        for key, value in data.items() if isinstance(data, dict) else [("all", data)]:
            if key in _WORDS_OF_PAGES:
                words[f"{name} {key}"] = value
                continue
            is_long = len(repr(value)) > 400
            results[f"{name} {key}"] = digest_of(value) if is_long else value
    arrays = re.findall(r'<script type="text/plain" id="([\w-]+)"[^>]*>([^<]*)<', text)
    results |= {name: digest_of(content) for name, content in arrays}
    results["blocks"] = sorted(name for name, _ in blocks)
    words["title"] = re.findall(r"<title>(.*?)</title>|<h1>(.*?)</h1>", text)
    return results, words


_FILES = {
    ".npy": _describe_npy,
    ".npz": _describe_npz,
    ".csv": _describe_csv,
    ".parquet": _describe_parquet,
    ".json": _describe_json,
    ".png": _describe_picture,
    ".jpg": _describe_picture,
    ".pdf": _describe_pdf,
    ".svg": _describe_svg,
    ".html": _describe_page,
}
