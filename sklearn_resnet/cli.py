"""The command `embedding`: options in, the classes of this package, files out."""

import re
from pathlib import Path

import click

from sklearn_resnet._embedding_run import EmbeddingRun
from sklearn_resnet._paths import as_path

_HELP = """Embed images, and draw the embedding.

INPUT is digits, mnist or cifar10; a .npy or .npz file (one array; or x and y, images and
labels, x_train and y_train); a folder of images, or of a folder for each class; a tar of images,
or a folder of tars; or an image.

OUTPUT ends in .npy (the features), .npz (compressed, with labels and paths), .csv or .parquet.
Beside it, a .json says how it was made.

Both can be URLs, as s3://bucket/photos or zip://::photos.zip.

Of image files, a .parquet (a folder of parts, read as one table) or .npy is made part by part:
interrupted and started again, the command goes on where it was, and later embeds only what is new.

\b
Examples:
  embedding digits out/digits.npy --model pca -d 2 -p
  embedding photos/ out/photos.npz -l conv4 --image-size 224 -p
  embedding mnist.npz out/mnist.npy -l 82 -p -s 0 --weights my.weights.h5
  embedding photo.jpg out/patches.npy --patches 32 --patch-size 64 -l 82 -p
  embedding photos/ out/photos.parquet --image-size 224 --on-error skip --workers 2
  embedding s3://bucket/shards out/all.parquet --image-size 224 --dask tcp://10.0.0.1:8786
"""
_ONLY_FOR = {
    "dimensions": "pca",
    "layers": "resnet",
    "architecture": "resnet",
    "weights": "resnet",
    "pooling": "resnet",
    "batch_size": "resnet",
    "engine": "resnet",
    "precision": "resnet",
    "cache": "resnet",
    "no_cache": "resnet",
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
@click.argument("output", metavar="OUTPUT")
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
    help="imagenet (downloaded once), procedural (part of the package; of ResNet50V2 up to conv3), "
    "the path of a Keras weights file, or random.",
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
    "--engine",
    type=click.Choice(["auto", "openvino", "keras"]),
    default="auto",
    show_default=True,
    help="What runs the ResNet: OpenVINO (on the processor) or Keras; auto is Keras where it "
    "can use a GPU, and else OpenVINO.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "float16", "int8"]),
    default="float32",
    show_default=True,
    help="What the ResNet computes in. int8 is fastest, and needs sklearn-resnet[int8].",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder in which features are kept, so that a run on the same images, or on more, computes "
    "only what is new.  [default: in the user's cache folder]",
)
@click.option("--no-cache", is_flag=True, help="Compute all, and keep nothing.")
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
@click.option(
    "--on-error",
    type=click.Choice(["raise", "nan", "skip"]),
    default="raise",
    show_default=True,
    help="What becomes of a file that cannot be read: end; give it features that are NaN; or leave "
    "it out. The last two write a table of such files, OUTPUT_errors.csv.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that share the cores (image files to .parquet or .npy).",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="The address of a Dask scheduler, whose workers do the work, and share the folders of INPUT "
    "and OUTPUT (image files to .parquet or .npy).",
)
@click.option(
    "--part-size",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Images in a part: what is lost, at most, by an interruption.",
)
@click.option("--restart", is_flag=True, help="Compute again what an earlier run has left.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="sklearn-resnet")
@click.pass_context
def main(ctx, output, compress, **options):
    """Run the command."""
    _check_options(ctx)
    output = as_path(output)
    if compress:
        if output.suffix not in (".npy", ".npz"):
            raise click.UsageError(
                f"-c/--compress writes .npz, and OUTPUT is {str(output)!r}. Leave -c out, or "
                "name an OUTPUT that ends in .npz."
            )
        output = output.with_suffix(".npz")
    try:
        EmbeddingRun(output, **options).embed()
    except KeyboardInterrupt as exc:
        again = "Interrupted. What was computed is in the cache: run the same command again."
        click.echo(str(exc) or again, err=True)
        ctx.exit(130)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as exc:
        raise click.ClickException(_for_shell(str(exc))) from exc


def _for_shell(message):
    """Name options where a message of the classes names parameters."""
    message = message.replace("weights=None", "--weights random")
    message = message.replace("The 'n' and 'size' parameters", "--patches and --patch-size")
    message = message.replace(" of X, counted from 0", ", counted from 0")
    message = re.sub(r"\bPass image_shape=[^.]*\.", "", message)
    options = "layers|architecture|weights|pooling|image_size|batch_size|engine|precision"
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
    if ctx.params["cache"] is not None and ctx.params["no_cache"]:
        raise click.UsageError("--cache and --no-cache exclude each other. Leave one out.")
