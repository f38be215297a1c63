"""The result of `embedding search` as text: the scores, and commands that use the best candidates."""

import os
import shlex
import subprocess
from pathlib import Path

import numpy as np

from sklearn_resnet._io.paths import as_path, is_local, strip_archive_suffix
from sklearn_resnet.cli.options import default_cache
from sklearn_resnet.cli.param_types import spell_normalization, spell_rescale

_DEFAULTS = {
    "architecture": "ResNet50V2",
    "pooling": "avg",
    "engine": "auto",
    "precision": "float32",
}
_MARKS = {  # by the column that says to which candidates it applies
    "is_best": ("*", "best"),
    "is_cheapest": ("o", "cheapest within one standard error of the best"),
    "is_pareto": ("+", "better than everything cheaper"),
}


def describe_search(display, score_name, options, output):
    """Describe the scores of a search.

    Parameters
    ----------
    display : LayerSearchDisplay
    score_name : str
    options : SearchOptions
        The weights are those that were taken.
    output : path
        The table of scores; the commands write beside it.

    Yields
    ------
    str
        Lines.
    """
    frame = display.to_frame()
    best, cheapest = _find_marked(frame)
    yield ""
    yield f"{score_name}, mean over {display.scores.shape[1]} folds, by layer and image size"
    yield from _list_grid(frame)
    yield ""
    yield "better than everything cheaper"
    yield from _list_front(frame, score_name)
    yield ""
    yield from _list_findings(frame, display.nested_scores, score_name)
    yield ""
    if cheapest.name != best.name:
        yield "To use the cheapest, run"
        yield f"  {spell_command(cheapest, options, output)}"
        yield "or, to use the best,"
    else:
        yield "To use the best, run"
    yield f"  {spell_command(best, options, output)}"


def _list_grid(frame):
    """Draw the scores as a grid of layers and image sizes."""
    sizes = sorted(frame["image_size"].unique())
    marks = [_mark(row) for row in frame.itertuples()]
    width = max(map(len, marks))  # of the marks that follow each score
    rows = [["layer", "name", *(f"{size}{'':{width}}" for size in sizes)]]
    for layer, group in frame.groupby("layer"):
        scores = {
            row.image_size: f"{row.mean_score:.3f}{_mark(row):{width}}"
            for row in group.itertuples()
        }
        rows.append([str(layer), group["name"].iloc[0], *(scores[size] for size in sizes)])
    yield from _align(rows)
    used = "".join(marks)
    yield "; ".join(f"{mark} {meaning}" for mark, meaning in _MARKS.values() if mark in used)


def _mark(row):
    """Join the marks of `_MARKS` that apply to a candidate."""
    return "".join(mark for name, (mark, _) in _MARKS.items() if getattr(row, name))


def _list_front(frame, score_name):
    """List the candidates of the Pareto front, the cheapest first."""
    rows = [["layer", "name", "size", "gflop", score_name, "std", ""]]
    for row in frame[frame["is_pareto"]].sort_values("gflop").itertuples():
        rows.append(
            [
                str(row.layer),
                row.name,
                str(row.image_size),
                f"{row.gflop:.3g}",
                f"{row.mean_score:.3f}",
                f"{row.std_score:.3f}",
                _mark(row).replace("+", ""),
            ]
        )
    yield from _align(rows)


def _align(rows):
    """Align columns to the right, names to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    name = rows[0].index("name")
    for row in rows:
        cells = [
            cell.ljust(width) if i == name else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _find_marked(frame):
    """Return the best candidate and the cheapest one that is as good."""
    best, cheapest = (frame[frame[name]].iloc[0] for name in ("is_best", "is_cheapest"))
    return best, cheapest


def _list_findings(frame, nested_scores, score_name):
    """Describe the best candidate, the cheapest as good, and how certain the choice is."""
    best, cheapest = _find_marked(frame)
    yield f"best       {_describe(best, score_name)}"
    if cheapest.name != best.name:
        share = f"{100 * cheapest.gflop / best.gflop:.0f} % of the GFLOP of the best"
        yield f"cheapest   {_describe(cheapest, score_name)}; {share}"
    others = frame.query("not is_best")
    if others.empty:
        return
    n_close = int((others["difference_high"] >= 0).sum())
    yield (
        f"certainty  {n_close} of the {len(others)} other candidates cannot be told from the best: the "
        "95 % confidence interval of their difference includes 0"
    )
    if nested_scores is None:
        yield (
            f"           the {score_name} of the best is too high on average, because the same folds "
            "chose it; --nested corrects this"
        )
    else:
        scores = np.asarray(nested_scores)
        yield (
            f"nested     {score_name} {scores.mean():.3f} (std {scores.std():.3f}) of the best, on images "
            "that did not choose it: the one to report"
        )


def _describe(row, score_name):
    return (
        f"{score_name} {row.mean_score:.3f} (std {row.std_score:.3f}): layer {row.layer} "
        f"({row['name']}) at {row.image_size} x {row.image_size}"
    )


def spell_command(candidate, options, output):
    """Spell the command that embeds INPUT at a layer and an image size.

    Parameters
    ----------
    candidate : Series
        With a ``layer`` and an ``image_size``.
    options : SearchOptions
        The weights are those that were taken.
    output : path
        The table of scores; the features are written beside it.

    Returns
    -------
    str
        Quoted for the shell.
    """
    source, features = options.input.source, options.features
    layer, size = candidate["layer"], candidate["image_size"]
    table = output.with_name(f"{name_stem(source)}_{layer}_{size}.npz")
    words = ["embedding", source, table, "-l", layer, "--image-size", size]
    words += ["--weights", features.weights]
    if features.weights == "random":
        words += ["--seed", features.seed]
    if options.input.labels is not None:
        words += ["--labels", options.input.labels]
    if options.input.value_range is not None:
        levels = (
            int(level) if level.is_integer() else level for level in options.input.value_range
        )
        words += ["--value-range", *levels]
    words += _spell_reading(options.input, features)
    for name, value in options.input.regions.given.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [value])]
    if options.input.on_error != "raise":
        words += ["--on-error", options.input.on_error]
    if features.normalization is not None:
        words += ["--normalization", spell_normalization(features.normalization)]
    for name, default in _DEFAULTS.items():
        value = getattr(features, name)
        value = value if isinstance(value, str) else ",".join(value)
        if value != default:
            words += [f"--{name}", value]
    if features.grid is not None:
        words += ["--grid", "x".join(map(str, features.grid))]
    if features.cache is None:
        words.append("--no-cache")
    elif features.cache != default_cache():
        words += ["--cache", features.cache]
    words = list(map(str, words))
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _spell_reading(images, features):
    """Spell the options of reading scientific images, as far as they are not the defaults."""
    default = "channels" if features.separate_channels else "RGB"
    words = []
    if images.reading is not None and images.mode != default:
        words += ["--mode", images.mode]
    if images.channels is not None:
        words += ["--channels", ",".join(map(str, images.channels))]
    if images.rescale is not None:
        words += ["--rescale", spell_rescale(images.rescale)]
        if images.rescale_by != "collection":
            words += ["--rescale-by", images.rescale_by]
    for name in ("page", "level", "resize"):
        if getattr(images, name) is not None:
            words += [f"--{name}", getattr(images, name)]
    return [*words, "--separate-channels"] if features.separate_channels else words


def name_stem(source):
    """Name files after INPUT: ``"photos"`` for ``photos/``, ``photos.npz`` and ``photos.tar.gz``."""
    path = as_path(source)
    name = path.resolve().name if is_local(path) else path.name
    stem = strip_archive_suffix(name)
    if stem == name and not path.is_dir():
        stem = Path(name).stem
    return stem or "images"
