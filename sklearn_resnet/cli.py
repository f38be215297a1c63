"""The command `embedding`: options in, the classes of this package, files out."""

import json
import platform
import re
import sys
import time
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np

_HELP = """Embed images, and draw the embedding.

INPUT is digits, mnist or cifar10; a .npy or .npz file (one array; or x and y, images and
labels, x_train and y_train); a folder of images, or of a folder for each class; or an image.

OUTPUT ends in .npy (the features), .npz (compressed, with labels and paths), .csv or .parquet.
Beside it, a .json says how it was made.

\b
Examples:
  embedding digits out/digits.npy --model pca -d 2 -p
  embedding photos/ out/photos.npz -l conv4 --image-size 224 -p
  embedding mnist.npz out/mnist.npy -l 82 -p -s 0 --weights my.weights.h5
  embedding photo.jpg out/patches.npy --patches 32 --patch-size 64 -l 82 -p
"""
_MOST_THUMBNAILS = 200
_ONLY_FOR = {
    "dimensions": "pca",
    "layers": "resnet",
    "architecture": "resnet",
    "weights": "resnet",
    "pooling": "resnet",
    "batch_size": "resnet",
}


class _Layers(click.ParamType):
    """``82``, ``conv3`` or ``51,82`` to what ResNetFeatures takes."""

    name = "layers"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        layers = [int(part) if part.lstrip("-").isdecimal() else part for part in parts]
        return layers if len(layers) > 1 else layers[0]


class _Pooling(click.ParamType):
    """``avg``, ``max`` or ``avg,max``."""

    name = "pooling"

    def convert(self, value, param, ctx):
        if not isinstance(value, str) or "," not in value:
            return value
        return [part.strip() for part in value.split(",")]


@click.command(help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT")
@click.argument("output", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option(
    "-m",
    "--model",
    type=click.Choice(["pca", "resnet"]),
    default="resnet",
    show_default=True,
    help="Principal components of the pixels, or features of a ResNet.",
)
@click.option(
    "-d",
    "--dimensions",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Number of principal components (with --model pca).",
)
@click.option(
    "-l",
    "--layers",
    type=_Layers(),
    help="Where the ResNet is cut: an index (82), the name of a layer, a stage (conv3), or "
    "several (51,82), whose features are put side by side.  [default: the last layer]",
)
@click.option(
    "--architecture",
    default="ResNet50V2",
    show_default=True,
    help="ResNet50, ResNet101, ResNet152, or one of these with V2.",
)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="imagenet (downloaded once), the path of a Keras weights file, or random.",
)
@click.option(
    "--pooling",
    type=_Pooling(),
    default="avg",
    show_default=True,
    help="How a layer's map becomes features: avg, max, or avg,max.",
)
@click.option(
    "--image-size",
    type=click.IntRange(1),
    help="Height and width to bring images to: files are cut to a square, arrays stretched.  "
    "[default: as they are]",
)
@click.option(
    "-b",
    "--batch-size",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Images that go through the network together.",
)
@click.option(
    "--labels",
    metavar="FILE",
    help="A label for each image: a .csv with the columns path and label, or only label; a .npy; or "
    "text, a label a line. Without paths, they go in the order of the images: 2.png before 10.png, "
    "as the column path of a .csv OUTPUT shows.",
)
@click.option("--patches", type=click.IntRange(1), help="Cut this many patches from one image.")
@click.option(
    "--patch-size",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Height and width of a patch, in pixels.",
)
@click.option(
    "-c",
    "--compress",
    is_flag=True,
    help="Write .npz in place of .npy: compressed, with labels and paths.",
)
@click.option(
    "-p",
    "--plot",
    is_flag=True,
    help="Draw a map of the embedding, by UMAP if it has more than two columns.",
)
@click.option("-s", "--seed", type=click.IntRange(0), help="Make the run repeatable.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="sklearn-resnet")
@click.pass_context
def main(ctx, output, compress, **options):
    """Run the command."""
    _check_options(ctx)
    if compress:
        if output.suffix not in (".npy", ".npz"):
            raise click.UsageError(
                f"-c/--compress writes .npz, and OUTPUT is {str(output)!r}. Leave -c out, or "
                "name an OUTPUT that ends in .npz."
            )
        output = output.with_suffix(".npz")
    try:
        _Run(output, **options).embed()
    except (ValueError, TypeError, OSError, ImportError) as exc:
        raise click.ClickException(_for_shell(str(exc))) from exc


def _for_shell(message):
    """Name options where a message of the classes names parameters."""
    message = message.replace("weights=None", "--weights random")
    message = message.replace("The 'n' and 'size' parameters", "--patches and --patch-size")
    message = re.sub(r"\bPass image_shape=[^.]*\.", "", message)
    options = "layers|architecture|weights|pooling|image_size|batch_size"
    message = re.sub(rf"The '({options})' parameter( of \w+)?", r"--\1", message)
    message = re.sub(rf"\b({options})=(?=[,.])", r"--\1", message)
    message = re.sub(rf"\b({options})=", r"--\1 ", message)
    return re.sub(r"--\w+", lambda option: option[0].replace("_", "-"), message)


def _check_options(ctx):
    """Refuse options that would have no effect."""
    model = ctx.params["model"]
    for name, only in _ONLY_FOR.items():
        given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and model != only:
            raise click.UsageError(
                f"--{name.replace('_', '-')} goes with --model {only}, not with --model {model}."
            )
    is_sized = ctx.get_parameter_source("patch_size") is click.core.ParameterSource.COMMANDLINE
    if is_sized and ctx.params["patches"] is None:
        raise click.UsageError("--patch-size goes with --patches, the number of patches to cut.")


class _Run:
    """One run of the command; the arguments are the options of `main`."""

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
        from sklearn_resnet._inputs import check_input, read_input, read_labels
        from sklearn_resnet._tables import check_table_path, write_table

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
        from sklearn.decomposition import PCA

        from sklearn_resnet import ImageLoader

        size, n_components = self.options["image_size"], self.options["dimensions"]
        if size is not None and images.shape[1:3] != (size, size):
            mode = "L" if images.ndim < 4 else "RGB"
            images = ImageLoader(size, mode=mode, resize="stretch").fit_transform(images)
        rows = images.reshape(len(images), -1).astype(np.float32, copy=False)
        if n_components > min(rows.shape):
            raise ValueError(
                f"--dimensions must be at most the number of images and of their values, "
                f"{min(rows.shape)} here. Got {n_components} instead."
            )
        pca = PCA(n_components, random_state=self.seed)
        features = pca.fit_transform(rows)
        explained = float(pca.explained_variance_ratio_.sum())
        facts = {"model": "pca", "dimensions": n_components, "explained_variance": explained}
        return features, [f"pca_{i + 1}" for i in range(n_components)], facts

    def _make_resnet(self):
        from sklearn_resnet import ResNetFeatures

        is_random = self.options["weights"] == "random"
        return ResNetFeatures(
            layers=self.options["layers"],
            batch_size=self.options["batch_size"],
            architecture=self.options["architecture"],
            weights=None if is_random else self.options["weights"],
            pooling=self.options["pooling"],
            image_size=self.options["image_size"],
            random_state=self.seed,
            verbose=0 if self.quiet else 1,
        )

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
            "weights": self.options["weights"],
            "weights_fingerprint": resnet.weights_fingerprint_,
        }
        return features, names, facts

    def _umap(self, features):
        from sklearn_resnet._quiet import quiet_stderr

        n_images = len(features)
        if n_images < 4:
            raise ValueError(
                f"-p/--plot needs at least 4 images for a map by UMAP. Got {n_images}. The "
                f"embedding is in {str(self.output)!r}; leave -p out."
            )
        with quiet_stderr():  # it imports tensorflow
            from umap import UMAP
        umap = UMAP(
            n_neighbors=min(15, n_images - 1),
            # the spectral layout needs more points than it has dimensions to start from
            init="spectral" if n_images > 10 else "random",
            random_state=self.seed,
            n_jobs=-1 if self.seed is None else 1,
        )
        return umap.fit_transform(features)

    def _draw(self, kind, xy, labels, facts, thumbnails):
        import matplotlib as mpl

        from sklearn_resnet import EmbeddingDisplay
        from sklearn_resnet._whole_files import write_whole

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
            weights = {"imagenet": "ImageNet's weights", "random": "random weights"}.get(
                facts["weights"], f"weights {Path(facts['weights']).name}"
            )
            how = f"{facts['architecture']}, {cut}\n{weights}"
        return f"{first}\n{how}"

    def _write_record(self, facts, shapes, written):
        from sklearn_resnet._whole_files import write_whole

        packages = [
            "sklearn-resnet",
            "scikit-learn",
            "numpy",
            "keras",
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
