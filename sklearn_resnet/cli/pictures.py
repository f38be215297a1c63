"""The map of an embedding that the command `embedding` makes: computed, drawn, and as a page."""

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.plotting import EmbeddingDisplay

_WEIGHTS = {
    "imagenet": "ImageNet's weights",
    "procedural": "weights trained on images made by programs",
    "random": "random weights",
}


def import_umap():
    """Import the class UMAP, without what it imports and does not need here."""
    # 3 s and 500 MB, for a part of umap that is not used here
    is_imported = "tensorflow" in sys.modules
    with nullcontext() if is_imported else hidden_module("tensorflow"):
        from umap import UMAP
    return UMAP


@contextmanager
def importing_umap(is_wanted=True):
    """Import umap, which takes seconds, beside what is done meanwhile."""
    with ThreadPoolExecutor(1) as background:
        if is_wanted:
            background.submit(import_umap)  # an error comes back where it is used
        yield


@contextmanager
def _ending_at_once():
    """Let Ctrl-C end the process while compiled code, which would not see it, runs for long."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_DFL) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)


def compute_umap(features, seed):
    """Map features to two dimensions by UMAP.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        Of at least 4 rows.
    seed : int or None
        With one, the map is repeatable, and slower.

    Returns
    -------
    ndarray of shape (n, 2)
    """
    n_images = len(features)
    umap = import_umap()(
        n_neighbors=min(15, n_images - 1),
        # the spectral layout needs more points than it has dimensions to start from
        init="spectral" if n_images > 10 else "random",
        random_state=seed,
        n_jobs=-1 if seed is None else 1,
    )
    with _ending_at_once():
        return umap.fit_transform(features)


def axis_names(kind):
    """What stands at the axes of a map, of the kind "pca" or "umap"."""
    name = {"pca": "principal component", "umap": "UMAP"}[kind]
    return [f"{name} 1", f"{name} 2"]


def draw_map(path, xy, labels, *, images=None, **options):
    """Draw a map.

    Parameters
    ----------
    path : path
        Of the picture.
    xy : ndarray of shape (n, 2)
    labels : ndarray of shape (n,) or None
    images : LazyImages or ndarray of shape (n, ...), default=None
        Drawn at their places.
    **options : dict
        Of `EmbeddingDisplay.from_embedding`.
    """
    import matplotlib as mpl

    if images is not None:
        options |= {"images": images, "thumbnails": True}
    with mpl.rc_context({"backend": "agg"}):
        display = EmbeddingDisplay.from_embedding(xy, labels, **options)
        save_figure(display.figure_, path)


def save_figure(figure, path):
    """Write a figure, whole, and forget it."""
    import matplotlib.pyplot as plt

    # images in vector formats are for printing; and many journals refuse fonts of type 3
    dpi = 150 if path.suffix == ".png" else 300
    try:
        with atomic_write(path) as whole, plt.rc_context({"pdf.fonttype": 42}):
            figure.savefig(whole, dpi=dpi)
    finally:
        plt.close(figure)


def describe(source, n_images, facts, *, kind, noun):
    """What stands above a map.

    Parameters
    ----------
    source : str
        INPUT.
    n_images : int
    facts : dict
        What the record says of the features.
    kind : {"pca", "umap"}
    noun : str
        What the images are called.

    Returns
    -------
    str
        Of two lines or three.
    """
    path = Path(source)
    name = "/".join(path.parts[-2:]) if path.is_dir() else path.name
    first = f"{name}: {'UMAP of ' if kind == 'umap' else ''}{n_images:,} {noun}"
    if facts["model"] == "pca":
        return f"{first}\n{facts['dimensions']} principal components of the pixels"
    cut = ", ".join(
        f"layer {i} ({name})" for i, name in zip(facts["layers"], facts["layer_names"], strict=True)
    )
    weights = _WEIGHTS.get(facts["weights"], f"weights {Path(facts['weights']).name}")
    return f"{first}\n{facts['architecture']}, {cut}\n{weights}"
