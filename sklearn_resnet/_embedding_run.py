"""What the command `embedding` does: INPUT to OUTPUT, its picture and its record."""

import json
import platform
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import platformdirs

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._inputs import check_input, read_input, read_labels
from sklearn_resnet._quiet import hidden_module
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet._tables import check_table_path, write_table
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

    def embed(self):
        self._check_places()
        check_table_path(self.output)
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
        compute = self._pca if self.model == "pca" else self._resnet
        with ThreadPoolExecutor(1) as background:
            if self.plot and self._imports_umap_early():
                background.submit(_import_umap)  # it takes seconds; an error comes back below
            features, names, facts = self._timed("embedding", compute, data.images)
        self._say("embedding", features)
        write_table(self.output, features, names, data.labels, data.paths)
        written = [self.output]
        shapes = {"input": data.images.shape, "embedding": features.shape}
        if self.plot:
            kind = "pca" if features.shape[1] == 2 else "umap"
            if kind == "umap":
                # what is computed is safe on disk before the slower step begins
                xy = self._timed("umap", self._umap, features)
                self._say("UMAP", xy)
                shapes["umap"] = xy.shape
                table = self._beside("umap", self.output.suffix)
                write_table(table, xy, ["umap_1", "umap_2"], data.labels, data.paths)
                written.append(table)
            else:
                xy = features
            thumbnails = data.images if patches and n_images <= _MOST_THUMBNAILS else None
            written.append(self._draw(kind, xy, data.labels, facts, thumbnails))
        written.append(self._write_record(facts, shapes, written))
        for path in written:
            self._print(f"wrote      {path}")

    def _check_places(self):
        """Refuse an OUTPUT that would replace INPUT, or be taken for an image by the next run."""
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
        if self.options["no_cache"] or is_drawn_anew:
            return None
        return self.options["cache"] or platformdirs.user_cache_path("sklearn-resnet") / "features"

    def _resnet(self, images):
        resnet = self._make_resnet()
        features = resnet.fit_transform(images)
        names = resnet.get_feature_names_out().tolist()
        facts = {
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
        return features, names, facts

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
