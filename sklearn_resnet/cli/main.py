"""The command `embedding`: options in, the classes of this package, files out."""

import re
from contextlib import contextmanager
from pathlib import Path

import click

from sklearn_resnet._io.paths import as_path
from sklearn_resnet._network.engines.choice import ENGINES, PRECISIONS
from sklearn_resnet._network.layers import list_layers, match_architecture
from sklearn_resnet.cli.compare import ComparisonRun
from sklearn_resnet.cli.embed import EmbeddingRun
from sklearn_resnet.cli.group import CommandGroup
from sklearn_resnet.cli.inputs import NAMED
from sklearn_resnet.cli.param_types import Layers, Maps, Pooling
from sklearn_resnet.cli.similar.command import PICTURES, SimilarRun
from sklearn_resnet.cli.similar.neighbors import METRICS

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
  embedding photos/ out/photos.npz -l conv4 --image-size 224 --html
  embedding mnist.npz out/mnist.npy -l 82 -p -s 0 --weights my.weights.h5
  embedding mnist.npz out/compare.npz --compare pca,resnet,resnet:82
  embedding photo.jpg out/patches.npy --patches 32 --patch-size 64 -l 82 -p
  embedding photos/ out/photos.parquet --image-size 224 --workers 2
  embedding s3://bucket/shards out/all.parquet --dask tcp://10.0.0.1:8786
  embedding similar photo.jpg out/photos.npz -k 10
  embedding layers ResNet101V2

\b
A folder that is called like one of the commands is ./layers or ./similar.
"""
_SIMILAR_HELP = """Find the images of a TABLE that are most like a QUERY.

TABLE was made by `embedding INPUT TABLE`, and has its .json beside it; QUERY is an image file,
or several. They are listed, and drawn.

\b
Examples:
  embedding photos/ out/photos.npz -l conv4 --image-size 224
  embedding similar photo.jpg out/photos.npz
  embedding similar a.jpg b.jpg out/photos.npz -k 5 -o found.pdf
"""
_SECTIONS = {  # by the first option of each
    "model": "Features",
    "labels": "Images",
    "plot": "Pictures",
    "workers": "Many images",
    "compress": "Other options",
}
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
    "on_error": "resnet",
}
_NOT_COMPARED = (
    "model", "dimensions", "layers", "plot", "thumbnails", "html", "on_error", "workers", "dask",
    "part_size", "restart",
)  # fmt: skip


@click.group(
    cls=CommandGroup,
    help=_HELP,
    sections=_SECTIONS,
    inputs=tuple(NAMED),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
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
    metavar="N",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Number of principal components (with --model pca).",
)
@click.option(
    "-l",
    "--layers",
    type=Layers(),
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
    type=Pooling(),
    default="avg",
    show_default=True,
    help="How a layer's map becomes features: avg, max, or avg,max.",
)
@click.option(
    "--image-size",
    metavar="N",
    type=click.IntRange(1),
    help="Height and width to bring images to: files are cut to a square, arrays stretched.  "
    "[default: as they are]",
)
@click.option(
    "-b",
    "--batch-size",
    metavar="N",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Images that go through the network together.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="auto",
    show_default=True,
    help="What runs the ResNet: OpenVINO (on the processor) or Keras; auto is Keras where it "
    "can use a GPU, and else OpenVINO.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
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
@click.option(
    "--patches", metavar="N", type=click.IntRange(1), help="Cut this many patches from one image."
)
@click.option(
    "--patch-size",
    metavar="N",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Height and width of a patch, in pixels.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "nan", "skip"]),
    default="raise",
    show_default=True,
    help="What becomes of a file that cannot be read: end; give it features that are NaN; or leave "
    "it out. The last two write a table of such files, OUTPUT_errors.csv.",
)
@click.option(
    "-p",
    "--plot",
    is_flag=True,
    help="Draw a map of the embedding, by UMAP if it has more than two columns.",
)
@click.option(
    "-t",
    "--thumbnails",
    is_flag=True,
    help="The same, with images at their places.",
)
@click.option(
    "--picture",
    type=click.Choice(["png", "pdf", "svg"]),
    default="png",
    show_default=True,
    help="The format of pictures.",
)
@click.option(
    "--html",
    is_flag=True,
    help="Make a page to explore the map, with the images in it. Needs sklearn-resnet[explore].",
)
@click.option(
    "--compare",
    metavar="MAPS",
    type=Maps(),
    help="Draw several maps side by side, and score them by labels: pca, of the pixels; resnet, by "
    "UMAP of the last layer; resnet:82, of another. OUTPUT holds the maps.",
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
    metavar="N",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Images in a part: what is lost, at most, by an interruption.",
)
@click.option("--restart", is_flag=True, help="Compute again what an earlier run has left.")
@click.option(
    "-c",
    "--compress",
    is_flag=True,
    help="Write .npz in place of .npy: compressed, with labels and paths.",
)
@click.option("-s", "--seed", metavar="N", type=click.IntRange(0), help="Make the run repeatable.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.version_option(package_name="sklearn-resnet")
@click.pass_context
def main(ctx, output, compress, compare, **options):
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
    with _told_to_shell(ctx, "What was computed is in the cache: run the same command again."):
        options["architecture"] = match_architecture(options["architecture"])
        if compare is None:
            EmbeddingRun(output, **options).embed()
        else:
            ComparisonRun(output, maps=compare, **options).embed()


@main.command(
    help=_SIMILAR_HELP, short_help="Find the images of a TABLE that are most like another."
)
@click.argument("queries", metavar="QUERY...", nargs=-1, required=True)
@click.argument("table", metavar="TABLE")
@click.option(
    "-k",
    "--neighbors",
    "n_neighbors",
    metavar="N",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="How many to find for each QUERY.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default=METRICS[0],
    show_default=True,
    help="What distance between features is.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help=f"The picture, which ends in {', '.join(PICTURES)}.  [default: TABLE_similar.png]",
)
@click.option(
    "--weights",
    help="Where the weights are that TABLE was made with, if no longer where they were.",
)
@click.pass_context
def similar(ctx, queries, table, **options):
    """Run the command."""
    with _told_to_shell(ctx):
        lines = SimilarRun(queries, table, **options).search()
    click.echo(lines)


@main.command(short_help="List the layers at which a network can be cut.")
@click.argument("architecture", default="ResNet50V2")
def layers(architecture):
    """List the layers at which a network can be cut.

    ARCHITECTURE is ResNet50, ResNet101, ResNet152, or one of these with V2; ResNet50V2 if it is
    left out.

    width: how many features a layer gives. stride: pixels from one position of its map to the next.
    gflop: what an image of 224 x 224 costs up to there, in 10^9 floating-point operations.
    """
    try:
        table = list_layers(match_architecture(architecture))
    except ValueError as exc:
        message = str(exc).replace("The 'architecture' parameter", "ARCHITECTURE")
        raise click.UsageError(message) from exc
    columns = [table[name] for name in ("index", "name", "width", "stride")]
    columns.append([f"{gflop:.2f}" for gflop in table["gflop"]])
    longest = max(map(len, table["name"]))
    lines = [("index", "name", "width", "stride", "gflop"), *zip(*columns, strict=True)]
    for index, name, width, stride, gflop in lines:
        click.echo(f"{index:>5}  {name:{longest}}  {width:>5}  {stride:>6}  {gflop:>6}")


@contextmanager
def _told_to_shell(ctx, advice=""):
    """End the command where its classes raise, with the message in words of the shell."""
    try:
        yield
    except KeyboardInterrupt as exc:
        click.echo(str(exc) or f"Interrupted. {advice}".strip(), err=True)
        ctx.exit(130)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as exc:
        raise click.ClickException(_for_shell(str(exc))) from exc


def _for_shell(message):
    """Name options where a message of the classes names parameters."""
    message = message.replace("weights=None", "--weights random")
    message = message.replace("The 'n' and 'size' parameters", "--patches and --patch-size")
    message = message.replace("A table must", "TABLE, the last argument, must")
    message = message.replace(" of X, counted from 0", ", counted from 0")
    message = re.sub(r"list_layers\(\) shows", "`embedding layers` shows", message)
    message = re.sub(r"list_layers\('(\w*)'\) shows", r"`embedding layers \1` shows", message)
    message = message.replace("None (random weights)", "random")
    message = re.sub(r"\bPass image_shape=[^.]*\.", "", message)
    options = "layers|architecture|weights|pooling|image_size|batch_size|engine|precision|compare"
    message = re.sub(rf"The '({options})' parameter( of \w+)?", r"--\1", message)
    message = re.sub(rf"\b({options})=(?=[,.;])", r"--\1", message)
    message = re.sub(rf"\b({options})=", r"--\1 ", message)
    return re.sub(r"--\w+", lambda option: option[0].replace("_", "-"), message)


def _check_options(ctx):
    """Refuse options that would have no effect."""

    def is_given(name):
        return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE

    for name in _NOT_COMPARED:
        if is_given("compare") and is_given(name):
            raise click.UsageError(
                f"--{name.replace('_', '-')} does not go with --compare, which draws a map for each "
                "name that it is given, as pca,resnet,resnet:82. Leave one out."
            )
    model = ctx.params["model"]
    for name, only in _ONLY_FOR.items():
        if is_given(name) and model != only:
            raise click.UsageError(
                f"--{name.replace('_', '-')} goes with --model {only}, not with --model {model}."
            )
    if is_given("patch_size") and ctx.params["patches"] is None:
        raise click.UsageError("--patch-size goes with --patches, the number of patches to cut.")
    if ctx.params["cache"] is not None and ctx.params["no_cache"]:
        raise click.UsageError("--cache and --no-cache exclude each other. Leave one out.")
