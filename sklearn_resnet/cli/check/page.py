"""The page of `embedding check`: a map of the images, and below it the findings side by side."""

import base64
import html
import io

import numpy as np
from PIL import Image

from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._runtime.threads import count_threads, prefetch_map
from sklearn_resnet.cli.check.summary import (
    describe_copies,
    describe_outliers,
    describe_quality,
    describe_suspects,
    describe_unreadable,
)
from sklearn_resnet.cli.pictures import (
    MIN_MAPPED,
    compute_umap,
    drawing_files,
    find_map_neighbors,
)
from sklearn_resnet.cli.streams import printable
from sklearn_resnet.plotting._overview import read_whole
from sklearn_resnet.plotting.explorer.content import MAX_POINTS
from sklearn_resnet.plotting.explorer.page import write_page, write_plain_page

_SIDE = 176  # of a tile, in pixels
_QUALITY = 75
# how many are shown of each kind; the table has all
_MAX_GROUPS, _MAX_COPIES = 60, 12
_MAX_SUSPECTS, _MAX_OUTLIERS, _MAX_FLAGGED, _MAX_UNREADABLE = 60, 36, 24, 200


def write_report_page(path, findings, title, seed):
    """Write the page.

    With too few or too many images for a map, it holds the findings only.

    Parameters
    ----------
    path : path
    findings : Findings
    title : str
    seed : int
        Random state of the map.
    """
    is_mapped = np.isfinite(findings.features).all(1)
    has_map = MIN_MAPPED <= is_mapped.sum() <= MAX_POINTS
    points = np.where(is_mapped, np.cumsum(is_mapped) - 1, -1) if has_map else None
    section = _Section(findings, points).build()
    if not has_map:
        write_plain_page(path, title, section)
        return
    features = findings.features[is_mapped]
    neighbors = find_map_neighbors(features)
    xy = compute_umap(features, seed, neighbors)
    paths = findings.table["path"][is_mapped].tolist()
    with drawing_files():  # colours are matplotlib's
        write_page(
            path,
            xy,
            labels=_make_columns(findings, is_mapped),
            paths=paths,
            images=paths,
            features=features,
            title=title,
            section=section,
            neighbors=neighbors,
        )


def _make_columns(findings, is_mapped):
    """Make the columns by which the points of the map are coloured and filtered."""
    table = findings.table
    columns = {"finding": findings.name_findings()}
    for name in ("label", "suggested_label", "split"):
        if name in table:
            columns[name.replace("_", " ")] = table[name].to_numpy(object)
    for name in ("outlier_score", "label_score"):
        if name in table:
            columns[name.replace("_", " ")] = table[name].to_numpy(float)
    columns["copies"] = table["n_copies"].to_numpy(float)
    return {name: values[is_mapped] for name, values in columns.items()}


class _Section:
    """Writes the findings as HTML, in which all names are text.

    Parameters
    ----------
    findings : Findings
    points : ndarray of shape (n,) or None
        The point of each image on the map, or -1; None if there is no map.
    """

    def __init__(self, findings, points):
        self._findings, self._table, self._points = findings, findings.table, points
        self._examples = {
            row: findings.find_examples(row) for row in findings.suspects[:_MAX_SUSPECTS]
        }
        self._tiles = _read_tiles(self._table["path"], self._list_shown())

    def build(self):
        findings = self._findings
        parts = [
            ("copies", describe_copies(findings), self._show_groups()),
            ("labels", describe_suspects(findings), self._show_suspects()),
            ("outliers", describe_outliers(findings), self._show_outliers()),
            ("quality", describe_quality(findings), self._show_flagged()),
            ("unreadable", describe_unreadable(findings), self._show_unreadable()),
        ]
        links = [f'<a href="#{name}">{_escape(heading)}</a>' for name, heading, _ in parts]
        blocks = [
            f'<h2 id="{name}">{_escape(_capitalize(heading))}</h2>\n{body}'
            for name, heading, body in parts
        ]
        note = "The table beside this page lists all. No file was changed."
        contents = f'<ul class="contents">{"".join(f"<li>{link}</li>" for link in links)}</ul>'
        return "\n".join([contents, f'<p class="hint">{note}</p>', *blocks])

    def _list_shown(self):
        findings = self._findings
        rows = [row for group in findings.groups[:_MAX_GROUPS] for row in group[:_MAX_COPIES]]
        for row, examples in self._examples.items():
            rows += [row, *examples]
        rows += findings.outliers[:_MAX_OUTLIERS]
        rows += [row for flagged in findings.flagged.values() for row in flagged[:_MAX_FLAGGED]]
        return sorted(set(rows))

    def _show_groups(self):
        names = {}
        for column, name in (("label", "different labels"), ("split", "across splits")):
            for rows in self._findings.list_spanning(column):
                names.setdefault(rows[0], []).insert(0, name)
        groups = []
        for rows in self._findings.groups[:_MAX_GROUPS]:
            tiles = [self._show_tile(row, self._describe_copy(row)) for row in rows[:_MAX_COPIES]]
            heading = ", ".join([f"{len(rows)} images", *names.get(rows[0], [])])
            groups.append(_show_row(heading, tiles, len(rows), names.get(rows[0])))
        rest = _tell_rest(self._findings.groups, _MAX_GROUPS)
        return f'<div class="groups">{"".join(groups)}</div>{rest}'

    def _describe_copy(self, row):
        distance = self._table["copy_distance"].iloc[row]
        return "equal file" if distance == 0 else f"distance {distance:.3f}"

    def _show_suspects(self):
        blocks = []
        for row, examples in self._examples.items():
            entry = self._table.iloc[row]
            label, suggested = _escape(entry["label"]), _escape(entry["suggested_label"])
            about = f"probability of this label {entry['label_score']:.2g}"
            tiles = [
                self._show_tile(row, about, "suspect"),
                *(self._show_tile(example, "", "example") for example in examples),
            ]
            heading = f"labelled {label}, maybe {suggested}; the nearest of {suggested} beside it"
            blocks.append(_show_row(heading, tiles, len(tiles), is_html=True))
        return "\n".join([*blocks, _tell_rest(self._findings.suspects, _MAX_SUSPECTS)])

    def _show_outliers(self):
        outliers, scores = self._findings.outliers, self._table["outlier_score"]
        tiles = [
            self._show_tile(row, f"{scores.iloc[row]:.1f} times as far as usual")
            for row in outliers[:_MAX_OUTLIERS]
        ]
        return _show_row("", tiles, len(outliers)) if tiles else ""

    def _show_flagged(self):
        rows = []
        for name, flagged in self._findings.flagged.items():
            if flagged:
                tiles = [self._show_tile(row) for row in flagged[:_MAX_FLAGGED]]
                heading = f"{name.replace('_', ' ')} ({len(flagged):,})"
                rows.append(_show_row(heading, tiles, len(flagged)))
        return f'<div class="groups">{"".join(rows)}</div>'

    def _show_unreadable(self):
        unreadable = self._findings.unreadable
        items = [
            f"<li><code>{_escape(self._table['path'].iloc[row])}</code> "
            f"{_escape(self._table['error'].iloc[row])}</li>"
            for row in unreadable[:_MAX_UNREADABLE]
        ]
        shown = f"<ul>{''.join(items)}</ul>" if items else ""
        return shown + _tell_rest(unreadable, _MAX_UNREADABLE)

    def _show_tile(self, row, about="", kind=""):
        """Show an image with its split, label and path."""
        entry, (file, shape) = self._table.iloc[row], self._tiles[row]
        path = _escape(entry["path"])
        image = '<span class="blank">not shown</span>'
        if file is not None:
            is_tiny = ' class="crisp"' if max(shape) < _SIDE / 2 else ""
            image = f'<img{is_tiny} alt="" loading="lazy" src="data:image/webp;base64,{file}">'
        if self._points is not None and self._points[row] >= 0:
            image = (
                f'<button type="button" data-point="{self._points[row]}" '
                f'title="Show on the map" aria-label="{path} on the map">{image}</button>'
            )
        facts = [
            entry[name] for name in ("split", "label") if name in entry and _is_known(entry[name])
        ]
        facts = [f"<b>{_escape(fact)}</b>" for fact in facts]
        facts += [f"{shape[1]} x {shape[0]}"] if shape else []
        facts += [about] if about else []
        return (
            f'<figure class="{kind}">{image}<figcaption>{", ".join(facts)}<br>'
            f'<span class="path">{path}</span></figcaption></figure>'
        )


def _show_row(heading, tiles, n_images, is_urgent=False, is_html=False):
    """Show tiles side by side, and how many more there are."""
    more = (
        f'<p class="hint">and {n_images - len(tiles):,} more</p>' if n_images > len(tiles) else ""
    )
    heading = heading if is_html else _escape(heading)
    heading = f"<h3>{heading}</h3>" if heading else ""
    kind = "tiles urgent" if is_urgent else "tiles"
    return f'<div>{heading}<div class="{kind}">{"".join(tiles)}{more}</div></div>'


def _tell_rest(items, n_shown):
    return f'<p class="hint">and {len(items) - n_shown:,} more</p>' if len(items) > n_shown else ""


def _read_tiles(paths, rows):
    """Read images as WebP files in base64, with their sizes; None for those that cannot be shown."""
    n_threads = count_threads()
    read = prefetch_map(lambda row: _read_tile(paths.iloc[row]), rows, n_threads, 4 * n_threads)
    return dict(zip(rows, read, strict=True))


def _read_tile(path):
    try:
        pixels, shape = read_whole(path, None, _SIDE)
    except (ImageReadError, OSError, ValueError):
        return None, None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=_QUALITY, method=2)
    return base64.b64encode(file.getvalue()).decode(), tuple(map(int, shape))


def _is_known(value):
    return value is not None and value == value


def _capitalize(text):
    return text[:1].upper() + text[1:]


def _escape(text):
    return html.escape(printable(text))
