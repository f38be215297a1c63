"""What `embedding --compare` does: several maps of the same images, side by side."""

import json

import numpy as np

from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet._network.weights import default_layers
from sklearn_resnet.cli.embed import EmbeddingRun
from sklearn_resnet.cli.pictures import compute_umap, importing_umap, save_figure
from sklearn_resnet.cli.tables import check_table_path, write_table
from sklearn_resnet.plotting import compare


class ComparisonRun(EmbeddingRun):
    """One run; the arguments are those of `EmbeddingRun`, and the maps.

    Parameters
    ----------
    maps : dict of str to None, int or str
        The name of each map to the layer whose features are mapped by UMAP, None being the last;
        ``"pca"`` is that of two principal components of the pixels.
    """

    def __init__(self, output, *, maps, model, plot, thumbnails, html, **options):
        super().__init__(
            output,
            model="resnet" if maps.keys() - {"pca"} else "pca",
            plot=False,
            thumbnails=False,
            html=False,
            **options,
        )
        self.maps = maps
        self.cuts = {}
        self.options["dimensions"] = 2

    def embed(self):
        """Compute the maps, draw them side by side, and score them."""
        self._check()
        data = self._read()
        if data.labels is None:
            raise ValueError(
                f"--compare scores maps by labels, and {self.source!r} has none. Name a file of "
                "them by --labels, or sort the images into a folder for each class."
            )
        if len(data.images) < 4:
            raise ValueError(f"--compare needs at least 4 images. Got {len(data.images)}.")
        maps, facts = self._compute_maps(data.images)
        names = [f"{name}_{axis}" for name in maps for axis in (1, 2)]
        write_table(self.output, np.hstack(list(maps.values())), names, data.labels, data.paths)
        picture, facts["scores"] = self._draw_side_by_side(maps, data.labels)
        shapes = {"input": data.images.shape, "embedding": (len(data.images), len(names))}
        facts |= {"model": "compare", "maps": {name: self.cuts.get(name) for name in maps}}
        self._finish(facts, shapes, [self.output, picture])

    def _is_long(self):
        return False

    def _check_output(self):
        check_table_path(self.output)
        architecture = self.options["architecture"]
        for name, cut in self.maps.items():
            if name != "pca":
                cut = default_layers(self.options["weights"]) if cut is None else cut
                (layer,) = resolve_layers(architecture, cut, "compare")
                self.cuts[name] = layer.index
        # two names may stand for one layer
        self.options["layers"] = list(dict.fromkeys(self.cuts.values())) or None

    def _compute_maps(self, images):
        """Maps by their names, in order; and what the record says of the features."""
        maps, facts, features = {}, {}, {}
        if self.cuts:
            with importing_umap(self._imports_umap_early()):
                side_by_side, _, facts = self._timed("embedding", self._resnet, images)
            self._say("embedding", side_by_side)
            layers = resolve_layers(self.options["architecture"], facts["layers"])
            widths = np.array([layer.width for layer in layers])
            widths *= side_by_side.shape[1] // widths.sum()  # of several poolings
            parts = np.split(side_by_side, np.cumsum(widths)[:-1], axis=1)
            features = dict(zip(facts["layers"], parts, strict=True))
        for name in self.maps:
            if name == "pca":
                maps[name], *_ = self._timed(name, self._pca, images)
            else:
                at_cut = features[self.cuts[name]]
                maps[name] = self._timed(name, compute_umap, at_cut, self.seed)
            self._say(name, maps[name])
        return maps, facts

    def _draw_side_by_side(self, maps, labels):
        """Draw the maps; return the path of the picture, and the scores."""
        import matplotlib as mpl

        path = self._beside("compare", f".{self.options['picture']}")
        with mpl.rc_context({"backend": "agg"}):
            compared = self._timed("compare", compare, maps, labels)
            save_figure(compared.figure, path)
        # by pandas, which writes NaN as null
        scores = json.loads(compared.scores.to_json(orient="index", double_precision=6))
        for name, row in scores.items():
            known = {key: row.get(key) for key in ("accuracy", "r2", "silhouette")}
            shown = (f"{key} {score:.3f}" for key, score in known.items() if score is not None)
            self._print(f"{name:10} {', '.join(shown)}")
        return path, scores
