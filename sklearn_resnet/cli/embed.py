"""What the command `embedding` does: INPUT to OUTPUT, its picture and its record."""

import json
import platform
import sys
import time
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import platformdirs
from tqdm.auto import tqdm

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.lazy import describe_failures
from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.csv_text import write_csv
from sklearn_resnet._io.paths import is_url
from sklearn_resnet._network.engines.choice import choose_engine
from sklearn_resnet._network.layers import resolve_layers
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet.cli.inputs import check_input, is_collection, read_input, read_labels
from sklearn_resnet.cli.pictures import (
    axis_names,
    compute_umap,
    describe,
    draw_map,
    importing_umap,
)
from sklearn_resnet.cli.resumable.run import SUFFIXES, RunOptions, embed_in_parts, read_finished
from sklearn_resnet.cli.tables import check_table_path, write_table
from sklearn_resnet.plotting import EmbeddingDisplay
from sklearn_resnet.plotting.explorer.page import check_bokeh

_MAX_THUMBNAILS = 200


def _select(data, is_kept):
    """Keep some of the images, with what is known of them."""
    if not is_kept.all():  # a copy of an array takes memory
        data.images = data.images[is_kept]
        data.labels = None if data.labels is None else data.labels[is_kept]
        data.paths = None if data.paths is None else data.paths[is_kept]


class EmbeddingRun:
    """One run; the arguments are the options of `sklearn_resnet.cli.main`."""

    def __init__(
        self, output, *, source, labels, plot, thumbnails, html, quiet, model, seed, **options
    ):
        self.output = output
        self.source = source
        self.labels = labels
        self.plot = plot or thumbnails
        self.thumbnails = thumbnails
        self.html = html
        self.quiet = quiet
        self.model = model
        self.seed = seed
        self.options = options
        self.seconds = {}

    def embed(self):
        """Embed INPUT."""
        self._check()
        data = self._read()
        shapes = {"input": data.images.shape}
        has_map = self.plot or self.html
        with importing_umap(has_map and self._imports_umap_early()):
            embed = self._embed_in_parts if self._is_long() else self._embed_at_once
            features, facts, written = self._timed("embedding", embed, data)
        self._say("embedding", features)
        shapes["embedding"] = features.shape
        if has_map:
            features = read_finished(self.output) if self._is_long() else features
            written += self._plot(features, data, facts, shapes)
        self._finish(facts, shapes, written)

    def _finish(self, facts, shapes, written):
        """Write the record, and say what was written."""
        written.append(self._write_record(facts, shapes, written))
        for path in written:
            self._print(f"wrote      {path}")

    def _check(self):
        """Find what is wrong with an option, or missing, before images are read."""
        if self.html:
            check_bokeh()
        self._check_places()
        self._check_output()
        check_input(self.source, self.options["patches"])
        if self.model == "resnet":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # fitting on the images will warn
                self._make_resnet().fit(np.zeros((1, 8, 8), np.uint8))

    def _read(self):
        """Images, with their labels."""
        names = ("image_size", "patches", "patch_size", "on_error")
        options = {name: self.options[name] for name in names}
        data = self._timed("input", read_input, self.source, seed=self.seed, **options)
        n_images = len(data.images)
        if self.labels is not None:
            data.labels = read_labels(self.labels, data.paths, n_images)
        elif data.labels is not None and data.labels.shape != (n_images,):
            raise ValueError(
                f"INPUT must have one label for each of its {n_images} images. Got labels of "
                f"shape {data.labels.shape} in {self.source!r} instead."
            )
        self._say("input", data.images)
        return data

    def _is_long(self):
        """Whether the table is written part by part, and an interrupted run taken up."""
        is_resnet = self.model == "resnet" and self.output.suffix in SUFFIXES
        return is_resnet and is_collection(self.source)

    def _check_output(self):
        if not self._is_long():
            check_table_path(self.output)
            given = {
                "workers": self.options["workers"] > 1,
                "dask": self.options["dask"] is not None,
                "restart": self.options["restart"],
            }
            for name, is_given in given.items():
                if is_given:
                    raise ValueError(
                        f"--{name} goes with image files as INPUT, --model resnet and an OUTPUT that "
                        f"ends in {' or '.join(SUFFIXES)}: the table is then made part by "
                        f"part. Got {self.source!r} and {str(self.output)!r}."
                    )
        elif self.output.suffix == ".parquet" and self.output.is_dir():
            check_table_path(self.output / "part-00000.parquet")
        else:
            check_table_path(self.output)

    def _embed_at_once(self, data):
        """Features of all images, with what is left of their labels, to one file."""
        compute = self._pca if self.model == "pca" else self._resnet
        features, names, facts = compute(data.images)
        failures = list(getattr(data.images, "failures", {}).values())
        features = features[self._leave_out(failures, data)]
        write_table(self.output, features, names, data.labels, data.paths)
        return features, facts, [self.output, *self._report(failures, len(data.images))]

    def _leave_out(self, failures, data):
        """Drop images that are skipped; return which are kept."""
        is_kept = np.ones(len(data.images), bool)
        if self.options["on_error"] == "skip":
            is_kept[[failure.position for failure in failures]] = False
        _select(data, is_kept)
        return is_kept

    def _embed_in_parts(self, data):
        """The same for image files, part by part."""
        resnet = self._make_resnet().fit(data.images)
        options = RunOptions(
            part_size=self.options["part_size"],
            n_workers=self.options["workers"],
            scheduler=self.options["dask"],
            restart=self.options["restart"],
            quiet=self.quiet,
        )
        run = embed_in_parts(self.output, data.images, data.labels, resnet, options)
        facts = self._describe(resnet) | run.metadata
        written = [*run.written, *self._report(run.failures, len(data.images))]
        self._leave_out(run.failures, data)
        return run, facts, written

    def _report(self, failures, n_images):
        """Write the table of images that could not be read; return its path in a list."""
        path = self.output.with_name(f"{self.output.stem}_errors.csv")
        failures = sorted(failures)
        if not failures:
            path.unlink(missing_ok=True)  # of an earlier run
            return []
        columns = dict(zip(("position", "path", "cause"), zip(*failures, strict=True), strict=True))
        with atomic_write(path) as whole:
            write_csv(whole, {name: columns[name] for name in ("path", "position", "cause")})
        becomes = {"nan": "their features are NaN", "skip": "they are left out"}
        line = describe_failures(failures, n_images, becomes[self.options["on_error"]])
        click.echo(f"warning    {line}. All are in {path}", err=True)
        return [path]

    def _plot(self, features, data, facts, shapes):
        """Make the map, its picture and its page; return the paths of what was written."""
        is_drawn = np.isfinite(features).all(1)
        features = features[is_drawn]
        _select(data, is_drawn)
        written, kind, xy = [], "pca" if features.shape[1] == 2 else "umap", features
        if kind == "umap":
            if len(features) < 4:
                raise ValueError(
                    f"A map by UMAP needs at least 4 images. Got {len(features)}. The embedding is "
                    f"in {str(self.output)!r}; leave -p, -t and --html out."
                )
            # what is computed is safe on disk before the slower step begins
            xy = self._timed("umap", compute_umap, features, self.seed)
            self._say("UMAP", xy)
            shapes["umap"] = xy.shape
            suffix = ".csv" if self.output.suffix == ".parquet" else self.output.suffix
            table = self._beside("umap", suffix)
            write_table(table, xy, ["umap_1", "umap_2"], data.labels, data.paths)
            written.append(table)
        noun = "patches" if self.options["patches"] else "images"
        title = describe(self.source, len(xy), facts, kind=kind, noun=noun)
        if self.plot:
            is_small = self.options["patches"] and len(xy) <= _MAX_THUMBNAILS
            images = data.images if self.thumbnails or is_small else None
            path = self._beside(kind, f".{self.options['picture']}")
            draw_map(path, xy, data.labels, images=images, axis_names=axis_names(kind), title=title)
            written.append(path)
        if self.html:
            path = self._beside(kind, ".html")
            display = EmbeddingDisplay(
                xy, data.labels, axis_names=axis_names(kind), images=data.images
            )
            title = title.replace("\n", ", ")
            self._timed(
                "html", display.to_html, path, paths=data.paths, features=features, title=title
            )
            written.append(path)
        return written

    def _check_places(self):
        """Refuse an OUTPUT that would replace INPUT, or be taken for an image by the next run."""
        if is_url(self.source) or is_url(self.output):
            return
        source, output = Path(self.source).resolve(), self.output.resolve()
        if source == output:
            raise ValueError(
                f"OUTPUT must be another file than INPUT. Got {str(self.output)!r} for both."
            )
        if source.is_dir() and source in output.parents:
            raise ValueError(
                f"OUTPUT must lie outside of INPUT, whose files are all taken for images by the "
                f"next run. Got {str(self.output)!r} in {self.source!r}."
            )

    def _pca(self, images):
        size, n_components = self.options["image_size"], self.options["dimensions"]
        if size is not None and images.shape[1:3] != (size, size):
            mode = "L" if images.ndim < 4 else "RGB"
            images = ImageLoader(size, mode=mode, resize="stretch").fit_transform(images)
        rows = np.asarray(images).reshape(len(images), -1).astype(np.float32, copy=False)
        if n_components > min(rows.shape):
            raise ValueError(
                f"--dimensions must be at most the number of images and of their values, "
                f"{min(rows.shape)} here. Got {n_components} instead."
            )
        from sklearn.decomposition import PCA

        pca = PCA(n_components, random_state=self.seed)
        features = pca.fit_transform(rows)
        explained = float(pca.explained_variance_ratio_.sum())
        facts = {"model": "pca", "dimensions": n_components, "explained_variance": explained}
        return features, [f"pca_{i + 1}" for i in range(n_components)], facts

    def _make_resnet(self):
        is_random = self.options["weights"] == "random"
        return ResNetFeatures(
            layers=self.options["layers"],
            batch_size=self.options["batch_size"],
            architecture=self.options["architecture"],
            weights=None if is_random else self.options["weights"],
            pooling=self.options["pooling"],
            image_size=self.options["image_size"],
            engine=self.options["engine"],
            precision=self.options["precision"],
            cache=self._cache(),
            random_state=self.seed,
            verbose=0 if self.quiet else 1,
        )

    def _cache(self):
        is_drawn_anew = self.options["weights"] == "random" and self.seed is None
        is_elsewhere = self.options["dask"] is not None and self.options["cache"] is None
        if self.options["no_cache"] or is_drawn_anew or is_elsewhere:
            return None
        return self.options["cache"] or platformdirs.user_cache_path("sklearn-resnet") / "features"

    def _resnet(self, images):
        resnet = self._make_resnet().fit(images)
        with tqdm(unit=" images", disable=True if self.quiet else None) as bar:
            features = resnet.compute(images, bar)
        return features, resnet.get_feature_names_out().tolist(), self._describe(resnet)

    def _describe(self, resnet):
        layers = resolve_layers(resnet.architecture, resnet.layers_)
        return {
            "model": "resnet",
            "architecture": resnet.architecture,
            "layers": resnet.layers_,
            "layer_names": [layer.name for layer in layers],
            "pooling": resnet.pooling,
            "image_size": resnet.image_size,
            "value_range": resnet.value_range_,
            "engine": choose_engine(resnet.engine, resnet.precision).engine,
            "precision": resnet.precision,
            "weights": self.options["weights"],
            "weights_fingerprint": resnet.weights_fingerprint_,
        }

    def _imports_umap_early(self):
        """Whether umap will be needed, and can be imported beside what computes the features."""
        if self.model == "pca":
            return self.options["dimensions"] != 2
        engine = choose_engine(self.options["engine"], self.options["precision"]).engine
        return engine == "openvino"  # Keras imports tensorflow, which is hidden from umap

    def _write_record(self, facts, shapes, written):
        packages = [
            "sklearn-resnet",
            "scikit-learn",
            "numpy",
            "keras",
            "openvino",
            "tensorflow",
            "umap-learn",
            "pillow",
        ]
        record = {
            "command": ["embedding", *sys.argv[1:]],
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "input": self.source,
            "outputs": [path.name for path in written],
            "shapes": {name: list(shape) for name, shape in shapes.items()},
            **facts,
            "patches": self.options["patches"],
            "patch_size": self.options["patch_size"] if self.options["patches"] else None,
            "seed": self.seed,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in packages},
        }
        path = self.output.with_suffix(".json")
        with atomic_write(path) as whole:
            whole.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return path

    def _beside(self, kind, suffix):
        return self.output.with_name(f"{self.output.stem}_{kind}{suffix}")

    def _timed(self, name, function, *args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        self.seconds[name] = time.perf_counter() - start
        return result

    def _say(self, name, array):
        self._print(f"{name:10} {array.shape}  {array.dtype}")

    def _print(self, line):
        if not self.quiet:
            click.echo(line)
