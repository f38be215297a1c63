"""What the command `embedding` does: INPUT to OUTPUT, its picture and its record."""

import json
import platform
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import platformdirs
from tqdm.auto import tqdm

from sklearn_resnet import _long_run
from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._inputs import check_input, is_collection, read_input, read_labels
from sklearn_resnet._lazy_images import describe_failures
from sklearn_resnet._paths import is_url
from sklearn_resnet._quiet import hidden_module
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet._tables import check_table_path, write_csv, write_table
from sklearn_resnet._whole_files import write_whole
from sklearn_resnet.engines.choice import choose_engine
from sklearn_resnet.plotting import EmbeddingDisplay

_MOST_THUMBNAILS = 200


def _import_umap():
    if "tensorflow" in sys.modules:
        from umap import UMAP

        return UMAP
    with hidden_module("tensorflow"):  # 3 s and 500 MB, for a part of umap that is not used here
        from umap import UMAP
    return UMAP


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


class EmbeddingRun:
    """One run; the arguments are the options of `sklearn_resnet.cli.main`."""

    def __init__(self, output, *, source, labels, plot, quiet, model, seed, **options):
        self.output = output
        self.source = source
        self.labels = labels
        self.plot = plot
        self.quiet = quiet
        self.model = model
        self.seed = seed
        self.options = options
        self.seconds = {}
        self.long_run = None

    def embed(self):
        self._check_places()
        self._check_output()
        patches, image_size = self.options["patches"], self.options["image_size"]
        check_input(self.source, patches)
        if self.model == "resnet":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # fitting on the images will warn
                # finds what is wrong with an option, or missing, before images are read
                self._make_resnet().fit(np.zeros((1, 8, 8), np.uint8))
        data = self._timed(
            "input",
            read_input,
            self.source,
            image_size=image_size,
            patches=patches,
            patch_size=self.options["patch_size"],
            seed=self.seed,
            on_error=self.options["on_error"],
        )
        n_images = len(data.images)
        if self.labels is not None:
            data.labels = read_labels(self.labels, data.paths, n_images)
        elif data.labels is not None and data.labels.shape != (n_images,):
            raise ValueError(
                f"INPUT must have one label for each of its {n_images} images. Got labels of "
                f"shape {data.labels.shape} in {self.source!r} instead."
            )
        self._say("input", data.images)
        with ThreadPoolExecutor(1) as background:
            if self.plot and self._imports_umap_early():
                background.submit(_import_umap)  # it takes seconds; an error comes back below
            embed = self._embed_in_parts if self._is_long() else self._embed_at_once
            features, facts, written = self._timed("embedding", embed, data)
        self._say("embedding", features)
        shapes = {"input": data.images.shape, "embedding": features.shape}
        if self.plot:
            features = self.long_run.read() if self._is_long() else features
            written += self._plot(features, data, facts, shapes)
        written.append(self._write_record(facts, shapes, written))
        if self._is_long():
            self.long_run.clean()
        for path in written:
            self._print(f"wrote      {path}")

    def _is_long(self):
        """Whether the table is written part by part, and an interrupted run taken up."""
        is_resnet = self.model == "resnet" and self.output.suffix in _long_run.SUFFIXES
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
                        f"ends in {' or '.join(_long_run.SUFFIXES)}: the table is then made part by "
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
        """Drop labels and paths of images that are skipped; return which images are kept."""
        is_kept = np.ones(len(data.images), bool)
        if self.options["on_error"] == "skip":
            is_kept[[failure.position for failure in failures]] = False
        data.labels = None if data.labels is None else data.labels[is_kept]
        data.paths = None if data.paths is None else data.paths[is_kept]
        return is_kept

    def _embed_in_parts(self, data):
        """The same for image files, part by part."""
        resnet = self._make_resnet().fit(data.images)
        self.long_run = run = _long_run.LongRun(
            self.output,
            data.images,
            data.labels,
            resnet,
            part_size=self.options["part_size"],
            n_workers=self.options["workers"],
            scheduler=self.options["dask"],
            is_restarted=self.options["restart"],
            quiet=self.quiet,
        )
        run.run()
        facts = self._describe(resnet) | run.facts()
        written = [self.output] if self.output.suffix == ".parquet" else [self.output, run.table]
        written += self._report(run.failures, len(data.images))
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
        with write_whole(path) as whole:
            write_csv(whole, {name: columns[name] for name in ("path", "position", "cause")})
        becomes = {"nan": "their features are NaN", "skip": "they are left out"}
        line = describe_failures(failures, n_images, becomes[self.options["on_error"]])
        click.echo(f"warning    {line}. All are in {path}", err=True)
        return [path]

    def _plot(self, features, data, facts, shapes):
        """Draw the map; return the paths of what was written."""
        is_drawn = np.isfinite(features).all(1)
        features = features[is_drawn]
        labels, paths = (
            None if column is None else column[is_drawn] for column in (data.labels, data.paths)
        )
        written, kind = [], "pca" if features.shape[1] == 2 else "umap"
        xy = features
        if kind == "umap":
            # what is computed is safe on disk before the slower step begins
            with _ending_at_once():
                xy = self._timed("umap", self._umap, features)
            self._say("UMAP", xy)
            shapes["umap"] = xy.shape
            suffix = ".csv" if self.output.suffix == ".parquet" else self.output.suffix
            table = self._beside("umap", suffix)
            write_table(table, xy, ["umap_1", "umap_2"], labels, paths)
            written.append(table)
        is_shown = self.options["patches"] and len(features) <= _MOST_THUMBNAILS
        thumbnails = data.images if is_shown else None
        return [*written, self._draw(kind, xy, labels, facts, thumbnails)]

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
        names = resnet.get_feature_names_out()
        return {
            "model": "resnet",
            "architecture": resnet.architecture,
            "layers": resnet.layers_,
            "layer_names": list(dict.fromkeys(n.rsplit("_", 1)[0] for n in names)),
            "pooling": resnet.pooling,
            "image_size": resnet.image_size,
            "value_range": resnet.value_range_,
            "engine": choose_engine(resnet.engine, resnet.precision).engine,
            "precision": resnet.precision,
            "weights": self.options["weights"],
            "weights_fingerprint": resnet.weights_fingerprint_,
        }

    def _umap(self, features):
        n_images = len(features)
        if n_images < 4:
            raise ValueError(
                f"-p/--plot needs at least 4 images for a map by UMAP. Got {n_images}. The "
                f"embedding is in {str(self.output)!r}; leave -p out."
            )
        umap = _import_umap()(
            n_neighbors=min(15, n_images - 1),
            # the spectral layout needs more points than it has dimensions to start from
            init="spectral" if n_images > 10 else "random",
            random_state=self.seed,
            n_jobs=-1 if self.seed is None else 1,
        )
        return umap.fit_transform(features)

    def _imports_umap_early(self):
        """Whether umap will be needed, and can be imported beside what computes the features."""
        if self.model == "pca":
            return self.options["dimensions"] != 2
        engine = choose_engine(self.options["engine"], self.options["precision"]).engine
        return engine == "openvino"  # Keras imports tensorflow, which is hidden from umap

    def _draw(self, kind, xy, labels, facts, thumbnails):
        import matplotlib as mpl

        names = ("principal component", "PC") if kind == "pca" else ("UMAP", "UMAP")
        with mpl.rc_context({"backend": "agg"}):
            display = EmbeddingDisplay.from_embedding(
                xy,
                labels,
                images=thumbnails,
                axis_names=[f"{names[0]} 1", f"{names[0]} 2"],
                title=self._title(kind, len(xy), facts),
            )
            path = self._beside(kind, ".png")
            with write_whole(path) as whole:
                display.figure_.savefig(whole, dpi=150)
        return path

    def _title(self, kind, n_images, facts):
        what = f"{n_images:,} {'patches' if self.options['patches'] else 'images'}"
        path = Path(self.source)
        name = "/".join(path.parts[-2:]) if path.is_dir() else path.name
        first = f"{name}: {'UMAP of ' if kind == 'umap' else ''}{what}"
        if facts["model"] == "pca":
            how = f"{facts['dimensions']} principal components of the pixels"
        else:
            cut = ", ".join(
                f"layer {i} ({name})"
                for i, name in zip(facts["layers"], facts["layer_names"], strict=False)
            )
            names = {
                "imagenet": "ImageNet's weights",
                "procedural": "weights trained on images made by programs",
                "random": "random weights",
            }
            weights = names.get(facts["weights"], f"weights {Path(facts['weights']).name}")
            how = f"{facts['architecture']}, {cut}\n{weights}"
        return f"{first}\n{how}"

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
            "seed": self.seed,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in packages},
        }
        path = self.output.with_suffix(".json")
        with write_whole(path) as whole:
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
