"""Figures of the scores of a search: curves over depth, a heat map, and scores against cost."""

import re

import numpy as np

from sklearn_resnet._images.validation import check_size
from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet.plotting._layout import fit_axes
from sklearn_resnet.plotting._palette import PALETTE

_FIGURE_SIZE = (9, 5.5)  # in inches
_CELL_SIZE = (0.75, 0.5)  # of the heat map, in inches
_LINE, _BEST, _CHEAPEST, _NESTED = PALETTE[:4]
_SIZE_COLORS = "viridis"
_DOT = "\N{MIDDLE DOT}"


def draw(kind, ax, frame, *, n_folds, architecture, score_name, nested, title):
    """Draw the scores of a search.

    Parameters
    ----------
    kind : {"curves", "heatmap", "cost"}
    ax : matplotlib Axes or None
        None makes a figure.
    frame : DataFrame
        As `LayerSearchDisplay.to_frame` returns it.
    n_folds : int
    architecture, score_name : str
    nested : tuple of 2 float or None
        Mean and standard deviation of the nested scores.
    title : str or None

    Returns
    -------
    matplotlib Axes
    """
    import matplotlib.pyplot as plt

    if ax is None:
        size = _find_heatmap_size(frame) if kind == "heatmap" else _FIGURE_SIZE
        _, ax = plt.subplots(figsize=size, layout="constrained")
    names = _Names(frame, architecture, score_name, n_folds)
    if title is not None:
        ax.set_title(escape_text(title))
    KINDS[kind](ax, frame, names, nested)
    _fit(ax)
    return ax


def _fit(ax):
    """Lay out a figure; shrink axes until all around them is in it, if it has no layout engine."""
    ax.figure.figure.draw_without_rendering()
    right = ax.get_tightbbox().x1 - ax.figure.figure.bbox.padded(-2).x1
    fit_axes(ax, max(0, right))


class _Names:
    """The words of a figure."""

    def __init__(self, frame, architecture, score_name, n_folds):
        self.table = layer_table(architecture)
        self.depth = f"layer of {architecture}"
        self.score = score_name
        self.mean = f"mean over {n_folds} fold{'s' if n_folds > 1 else ''}"
        self.spread = self.mean.replace("mean", "mean and standard deviation")
        self.has_sizes = frame["image_size"].notna().any()
        sizes = {describe_size(size) for size in frame["image_size"] if size is not None}
        one_size = sizes.pop() if len(sizes) == 1 else None
        self.cost = "GFLOP for an image"
        if one_size or not self.has_sizes:
            self.cost += f" of {one_size or '224 x 224'}"

    def describe(self, candidate):
        """Name a candidate, and give its score."""
        size = f" at {describe_size(candidate.image_size)}" if self.has_sizes else ""
        return f"{candidate.layer} {candidate.name}{size}, {candidate.mean_score:.3f}"

    def label_marked(self, frame):
        """Label the best candidate and the cheapest one that is as good."""
        best, cheapest = _find_marked(frame)
        return (
            f"best: {self.describe(best)}",
            f"cheapest within one standard error: {self.describe(cheapest)}",
        )


def describe_size(size):
    """Describe an image size: ``"64 x 64"``."""
    if size is None:
        return "their own size"
    return "{} x {}".format(*check_size("image_size", size))


def _label_nested(nested):
    mean, spread = nested
    return f"score of the whole search (nested): {mean:.3f} ± {spread:.3f}"


def _find_marked(frame):
    """The best candidate and the cheapest one that is as good, as named tuples."""
    rows = [next(frame[frame[flag]].itertuples()) for flag in ("is_best", "is_cheapest")]
    return rows[0], rows[1]


def _split_by_size(frame):
    """Split by image size, smallest first: pairs of size and rows; then the colour of each."""
    from matplotlib import colormaps

    described = frame["image_size"].map(describe_size)
    is_first = ~described.duplicated()
    sizes = sorted(frame["image_size"][is_first], key=_count_pixels)
    shades = colormaps[_SIZE_COLORS](np.linspace(0.05, 0.85, len(sizes)))
    parts = [frame[described == describe_size(size)] for size in sizes]
    return list(zip(sizes, parts, shades if len(sizes) > 1 else [_LINE], strict=True))


def _count_pixels(size):
    return 0 if size is None else np.prod(check_size("image_size", size))


def _draw_curves(ax, frame, names, nested):
    """Scores against the depth, a curve for each image size."""
    first, last = frame["layer"].min(), frame["layer"].max()
    span = max(1, last - first)
    limits = first - 0.05 * span, last + 0.05 * span
    _mark_stages(ax, names.table, limits)
    curves = _split_by_size(frame)
    for size, part, color in curves:
        ax.errorbar(
            part["layer"],
            part["mean_score"],
            yerr=part["std_score"],
            color=color,
            marker="o",
            markersize=4,
            linewidth=1.5,
            elinewidth=1,
            capsize=3 if len(curves) == 1 else 0,
            label=names.spread if len(curves) == 1 else f"images of {describe_size(size)}",
        )
    _mark_candidates(ax, frame, names, "layer")
    _draw_nested(ax, nested)
    ax.set_xlim(limits)
    ax.margins(y=0.1)  # for the stage names
    ax.set_xlabel(names.depth)
    _finish_axes(ax, names, is_outside=len(curves) > 1)
    _label_widths(ax, frame, names, with_cost=len(curves) == 1)


def _finish_axes(ax, names, is_outside):
    ax.set_ylabel(names.score)
    ax.grid(axis="y", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    if is_outside:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, title=names.spread)
        ax.get_legend().get_title().set_fontsize(9)
        _wrap_legend(ax)
        _fit(ax)
    else:
        ax.legend(loc="best", fontsize=9, framealpha=0.9)


def _wrap_legend(ax):
    for text in ax.get_legend().get_texts():
        text.set_text(text.get_text().replace(": ", ":\n", 1))


def _mark_candidates(ax, frame, names, x):
    """Circle the best candidate, and the cheapest one that is as good."""
    styles = ((_BEST, 14), (_CHEAPEST, 9))
    labels = names.label_marked(frame)
    for candidate, label, (color, size) in zip(_find_marked(frame), labels, styles, strict=True):
        ax.plot(
            getattr(candidate, x),
            candidate.mean_score,
            linestyle="none",
            marker="o",
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=2,
            color=color,
            label=label,
        )


def _draw_nested(ax, nested):
    if nested is None:
        return
    mean, spread = nested
    ax.axhspan(mean - spread, mean + spread, color=_NESTED, alpha=0.1, linewidth=0)
    ax.axhline(mean, color=_NESTED, linestyle="--", linewidth=1, label=_label_nested(nested))


def _label_widths(ax, frame, names, with_cost):
    """Label a second axis with the number of features, and the cost of layers, where they fit."""
    above = ax.secondary_xaxis("top")
    low, high = ax.get_xlim()
    width = ax.get_position().width * ax.figure.get_figwidth() * 72  # in points
    shown, min_distance = [], (high - low) * 14 / width  # the height of a line of text
    marked = [candidate.layer for candidate in _find_marked(frame)]
    for layer in [*marked, *frame["layer"].unique()]:
        if all(abs(layer - other) >= min_distance for other in shown):
            shown.append(int(layer))
    rows = frame.drop_duplicates("layer").set_index("layer").loc[shown]
    labels = [f"{width:,}" for width in rows["width"]]
    title = "features"
    if with_cost and rows["gflop"].notna().all():
        labels = [f"{a} {_DOT} {b:.2g}" for a, b in zip(labels, rows["gflop"], strict=True)]
        title += f" {_DOT} {names.cost}"
    above.set_xticks(shown, labels, rotation=90, fontsize=8)
    above.set_xlabel(title, fontsize=9)


def _mark_stages(ax, table, limits):
    """Shade every second stage, and write their names at the top."""
    stages = {}
    for layer in table:
        if re.fullmatch(r"conv\d|layer\d|stages\.\d", layer.stage):
            stages.setdefault(layer.stage, []).append(layer.index)
    for i, (stage, indices) in enumerate(stages.items()):
        start, stop = indices[0] - 0.5, indices[-1] + 0.5
        if i % 2:
            ax.axvspan(start, stop, color="0.95", linewidth=0)
        start, stop = max(start, limits[0]), min(stop, limits[1])
        if stop - start > 0.05 * (limits[1] - limits[0]):
            ax.text(
                (start + stop) / 2,
                0.985,
                stage,
                transform=ax.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=9,
                color="0.4",
            )


def _find_heatmap_size(frame):
    """The size of the figure in inches: that of the cells, and room for labels and the legend."""
    n_sizes = frame["image_size"].map(describe_size).nunique()
    width = frame["layer"].nunique() * _CELL_SIZE[0] + 4.2
    return width, max(3.6, n_sizes * _CELL_SIZE[1] + 1.7)


def _draw_heatmap(ax, frame, names, nested):
    """Scores of each layer, in columns, at each image size, in rows."""
    layers = sorted(frame["layer"].unique())
    rows = _split_by_size(frame)
    scores = np.full((len(rows), len(layers)), np.nan)
    for i, (_, part, _) in enumerate(rows):
        scores[i, np.searchsorted(layers, part["layer"])] = part["mean_score"]
    mesh = ax.pcolormesh(scores, cmap=_SIZE_COLORS, edgecolors="white", linewidth=0.5)
    labels = [f"{layer} {names.table[layer].name}" for layer in layers]
    ax.set_xticks(np.arange(len(layers)) + 0.5, labels, rotation=45, ha="right", fontsize=8)
    ax.set_yticks(np.arange(len(rows)) + 0.5, [describe_size(size) for size, _, _ in rows])
    ax.tick_params(length=0)
    ax.set_xlabel(names.depth)
    ax.set_ylabel("image size")
    positions = {describe_size(size): i for i, (size, _, _) in enumerate(rows)}
    for candidate, color, inset in zip(
        _find_marked(frame), (_BEST, _CHEAPEST), (0.02, 0.07), strict=True
    ):
        x = np.searchsorted(layers, candidate.layer)
        y = positions[describe_size(candidate.image_size)]
        ax.add_patch(_make_outline(color, (x + inset, y + inset), 1 - 2 * inset))
    _explain_heatmap(ax, frame, names, nested)
    _fit(ax)  # before letters are as large as the cells allow
    for i, (_, part, _) in enumerate(rows):
        for candidate in part.itertuples():
            _write_cell(ax, mesh, np.searchsorted(layers, candidate.layer), i, candidate)


def _write_cell(ax, mesh, x, y, candidate):
    """Write the score and the cost into a cell, and mark the Pareto front."""
    red, green, blue, _ = mesh.cmap(mesh.norm(candidate.mean_score))
    color = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"
    box = ax.get_window_extent()
    n_columns, n_rows = mesh.get_array().shape[::-1]
    width, height = (72 / ax.figure.dpi) * np.array([box.width / n_columns, box.height / n_rows])
    score = f"{candidate.mean_score:.3f}"
    font_size = min(9, 1.25 * width / len(score), height / 1.4)
    if font_size < 4:
        return
    has_cost = height > 2.6 * font_size and np.isfinite(candidate.gflop)
    ax.text(
        x + 0.5,
        y + (0.62 if has_cost else 0.5),
        score,
        ha="center",
        va="center",
        color=color,
        fontsize=font_size,
        fontweight="bold" if candidate.difference_high >= 0 else "normal",
    )
    if has_cost:
        cost = f"{candidate.gflop:#.2g}"
        style = {"ha": "center", "va": "center", "color": color, "fontsize": 0.75 * font_size}
        ax.text(x + 0.5, y + 0.27, cost, **style)
    if candidate.is_pareto:
        ax.plot(x + 0.11, y + 0.87, marker="o", markersize=font_size / 3, color=color)


def _make_outline(color, xy, side):
    from matplotlib.patches import Rectangle

    return Rectangle(xy, side, side, fill=False, edgecolor=color, linewidth=2.5)


def _explain_heatmap(ax, frame, names, nested):
    from matplotlib.lines import Line2D

    best, cheapest = names.label_marked(frame)
    text = {"linestyle": "none", "color": "black", "markersize": 14, "markeredgewidth": 0}
    handles = [
        _make_outline(_BEST, (0, 0), 1),
        _make_outline(_CHEAPEST, (0, 0), 1),
        Line2D([], [], marker="o", markersize=3, linestyle="none", color="black"),
    ]
    labels = [best, cheapest, "Pareto front of score against cost"]
    if frame["difference_high"].notna().any():
        handles.append(Line2D([], [], marker=r"$\mathbf{0.5}$", **text))
        labels.append("bold: not distinguishable from the best (95 %)")
    if nested is not None:
        handles.append(Line2D([], [], linestyle="none"))
        labels.append(_label_nested(nested))
    ax.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        fontsize=9,
        title=f"{names.score}, {names.mean};\nbelow it, {names.cost}",
        title_fontsize=9,
        alignment="left",
    )
    _wrap_legend(ax)


def _draw_cost(ax, frame, names, nested):
    """Scores against GFLOP, with the Pareto front."""
    from matplotlib.ticker import LogLocator, NullFormatter

    known = frame[frame["gflop"].notna()]
    for size, part, color in _split_by_size(known):
        ax.plot(
            part["gflop"],
            part["mean_score"],
            linestyle="none",
            marker="o",
            markersize=5,
            color=color,
            label=f"images of {describe_size(size)}" if names.has_sizes else "layers",
        )
    front = known[known["is_pareto"]].sort_values("gflop")
    ax.plot(
        front["gflop"],
        front["mean_score"],
        drawstyle="steps-post",
        color="0.5",
        linewidth=1,
        zorder=1,
        label="Pareto front",
    )
    _mark_candidates(ax, frame, names, "gflop")
    _draw_nested(ax, nested)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda gflop, _: f"{gflop:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.08, y=0.1)
    ax.set_xlabel(names.cost)
    _finish_axes(ax, names, is_outside=True)
    ax.get_legend().set_title(None)
    _name_front(ax, front, names)


def _name_front(ax, front, names):
    """Name the candidates of the Pareto front, from the best down, where their names fit."""
    ax.figure.canvas.draw()
    left, taken = ax.get_window_extent().x0, []
    for candidate in front[::-1].itertuples():
        size = f" at {describe_size(candidate.image_size)}" if names.has_sizes else ""
        text = ax.annotate(
            f"{candidate.layer}{size}",
            (candidate.gflop, candidate.mean_score),
            xytext=(-4, 6),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
        if text.get_window_extent().x0 < left:
            text.set(ha="left", position=(4, -12))
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)


KINDS = {"curves": _draw_curves, "heatmap": _draw_heatmap, "cost": _draw_cost}
