"""Maps of embeddings: computed by UMAP, drawn, and as a page."""

import os
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklearn_resnet._features.neighbors import find_neighbors
from sklearn_resnet._images.regions import BOX
from sklearn_resnet._io.paths import is_url
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.plotting import EmbeddingDisplay
from sklearn_resnet.plotting._coloring import MAX_CLASSES, is_missing
from sklearn_resnet.plotting._saving import save_figure
from sklearn_resnet.plotting.explorer import page as explorer

MIN_MAPPED = 4  # images that UMAP needs
_N_NEIGHBORS = 15  # UMAP's default
_MAX_COLORS = 20  # columns that colour the points of a page, which holds their values
_PLACES = (*BOX, "page", "segment")  # columns that number places
_AXIS_NAMES = {
    "pca": ("principal component 1", "principal component 2"),
    "umap": ("UMAP 1", "UMAP 2"),
}
_WEIGHTS = {
    "imagenet": "ImageNet's weights",
    "procedural": "bundled weights",
    "random": "random weights",
}


@dataclass(frozen=True)
class PictureOptions:
    """Which pictures to make of an embedding; ``picture`` is their format."""

    plot: bool
    thumbnails: bool
    picture: str
    html: bool

    @property
    def draws_map(self):
        """Whether to draw a map."""
        return self.plot or self.thumbnails

    @property
    def needs_map(self):
        """Whether to draw a map, or make a page of it."""
        return self.draws_map or self.html


@dataclass(frozen=True)
class Map:
    """Points in the plane.

    Attributes
    ----------
    kind : {"pca", "umap"}
    xy : ndarray of shape (n, 2)
    neighbors : tuple of ndarray or None
        The result of `find_map_neighbors`; None if they were not needed.
    """

    kind: str
    xy: np.ndarray
    neighbors: tuple | None = None

    @property
    def axis_names(self):
        """Names of the two axes."""
        return list(_AXIS_NAMES[self.kind])


def import_umap():
    """Import the class UMAP, without tensorflow."""
    # umap imports it, which takes 3 s and 500 MB, for a part that is not used here
    is_imported = "tensorflow" in sys.modules
    with nullcontext() if is_imported else hidden_module("tensorflow"):
        from umap import UMAP, layouts, umap_
    # umap does not cache these, and compiling them takes seconds in each process. The parallel layout
    # would share the cache of the other one, in whose place numba would load it
    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        with suppress(AttributeError, RuntimeError):  # another version, or no folder to write to
            getattr(module, name).enable_caching()
    return UMAP


@contextmanager
def importing_umap(is_needed=True):
    """Import umap in a thread, which takes seconds, while the block runs."""
    with ThreadPoolExecutor(1) as background:
        if is_needed:
            background.submit(import_umap)  # an error is raised again where umap is used
        yield


@contextmanager
def _exit_at_once_on_ctrl_c():
    """Let Ctrl-C end the process during long calls of compiled code, which do not check for it."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_DFL) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)


def find_map_neighbors(features):
    """Find the neighbors of each row that UMAP and the page need, once for both.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)

    Returns
    -------
    distances, rows : ndarray of shape (n, n_neighbors)
        See `find_neighbors`. A row is its own neighbor, too.
    """
    return find_neighbors(features, min(_N_NEIGHBORS, len(features)))


def compute_umap(features, seed, neighbors=None):
    """Map features to two dimensions by UMAP.

    Parameters
    ----------
    features : ndarray of shape (n, n_features)
        The features, of at least `MIN_MAPPED` images.
    seed : int or None
        An int makes the map reproducible, and slower.
    neighbors : tuple of ndarray, default=None
        The result of `find_map_neighbors`; by default, they are found. UMAP would find them on one
        thread if there is a seed, compiling for seconds and, for few images, by a function called
        from Python for each pair of rows.

    Returns
    -------
    ndarray of shape (n, 2)
    """
    n_images = len(features)
    n_neighbors = min(_N_NEIGHBORS, n_images - 1)
    if neighbors is None:
        neighbors = find_map_neighbors(np.asarray(features, np.float32))
    distances, rows = (found[:, :n_neighbors] for found in neighbors)
    umap = import_umap()(
        n_neighbors=n_neighbors,
        precomputed_knn=(rows.astype(np.int32), distances),
        # the spectral layout needs more points than it has dimensions to start from
        init="spectral" if n_images > 10 else "random",
        random_state=seed,
        n_jobs=-1 if seed is None else 1,
    )
    with _exit_at_once_on_ctrl_c(), warnings.catch_warnings():
        # the map is not used to transform other images
        warnings.filterwarnings("ignore", "precomputed_knn", UserWarning)
        return umap.fit_transform(features)


@contextmanager
def drawing_files():
    """Draw to files: no backend is needed that MPLBACKEND names, as a notebook or a desktop sets it."""
    named = os.environ.pop("MPLBACKEND", None)  # importing matplotlib fails if it is not installed
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    with mpl.rc_context({"backend": "agg"}):
        yield


def draw_map(path, embedding_map, labels, *, images=None, title=None):
    """Draw a map.

    Parameters
    ----------
    path : path
        The path of the picture.
    embedding_map : Map
    labels : ndarray of shape (n,) or None
    images : LazyImages or ndarray of shape (n, ...), default=None
        Drawn in place of the points.
    title : str, default=None
    """
    options = {} if images is None else {"images": images, "thumbnails": True}
    with drawing_files():
        display = EmbeddingDisplay.from_embedding(
            embedding_map.xy, labels, axis_names=embedding_map.axis_names, title=title, **options
        )
        save_figure(display.figure_, path)


def write_page(path, embedding_map, data, features, title):
    """Write the page of a map.

    Parameters
    ----------
    path : path
    embedding_map : Map
    data : Input
        The images of the map, with labels, paths and the columns of a table, by which the page can
        colour them, too.
    features : ndarray of shape (n, n_features)
        Features used to measure the distance to neighbors.
    title : str
    """
    with drawing_files():  # colours are matplotlib's
        explorer.write_page(
            path,
            embedding_map.xy.astype(float),
            labels=list_colors(data.labels, data.columns) or None,
            paths=data.paths,
            images=data.images,
            features=features,
            title=title,
            neighbors=embedding_map.neighbors,
        )


def list_colors(labels, columns):
    """List the columns that can colour points: labels, and columns of numbers or of a few texts.

    Parameters
    ----------
    labels : ndarray of shape (n,) or None
    columns : dict of str to ndarray of shape (n,)

    Returns
    -------
    dict of str to ndarray
    """
    found = {} if labels is None else {"label": labels}
    for name, values in columns.items():
        distinct = set(values[~is_missing(values)].tolist())
        is_few = values.dtype.kind in "iufb" or len(distinct) <= MAX_CLASSES
        if name not in _PLACES and len(distinct) > 1 and is_few and len(found) < _MAX_COLORS:
            found[name] = values
    return found


def make_title(source, embedding_map, metadata, noun):
    """Make the title of a map.

    Parameters
    ----------
    source : str
        INPUT.
    embedding_map : Map
    metadata : dict
        How the features were computed.
    noun : {"images", "patches"}

    Returns
    -------
    str
        Two or three lines.
    """
    method = "UMAP of " if embedding_map.kind == "umap" else ""
    first = f"{name_source(source)}: {method}{len(embedding_map.xy):,} {noun}"
    if metadata["model"] == "pca":
        return f"{first}\n{metadata['dimensions']} principal components of the pixels"
    named = zip(metadata["layers"], metadata["layer_names"], strict=True)
    layers = ", ".join(f"layer {i} ({layer})" for i, layer in named)
    return f"{first}\n{metadata['architecture']}, {layers}\n{name_weights(metadata['weights'])}"


def name_source(source):
    """Name INPUT in a title."""
    path = Path(source)
    return "/".join(path.parts[-2:]) if path.is_dir() else path.name


def name_weights(weights):
    """Name weights, as given on the command line, in a title."""
    name = weights if is_url(weights) else Path(weights).name
    return _WEIGHTS.get(weights, f"weights {name}")
