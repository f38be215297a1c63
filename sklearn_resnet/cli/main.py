"""The command `embedding`: its arguments, options and help."""

from contextlib import contextmanager
from functools import partial

import click

from sklearn_resnet._io.paths import as_path
from sklearn_resnet._network.layers import list_layers, match_architecture
from sklearn_resnet._runtime.imports import import_scikit_learn
from sklearn_resnet.cli import options
from sklearn_resnet.cli.errors import describe_error, exit_on_error, spell
from sklearn_resnet.cli.group import CommandGroup
from sklearn_resnet.cli.param_types import Layers, Maps, Sizes
from sklearn_resnet.cli.progress import warnings_in_one_line
from sklearn_resnet.cli.resumable import PART_SIZE
from sklearn_resnet.cli.similar import METRICS, PICTURES
from sklearn_resnet.cli.streams import print_result
from sklearn_resnet.cli.weights import describe_weights

_HELP = """Embed images, and draw the embedding.

INPUT is digits, mnist or cifar10; a .npy or .npz file (one array, or images and labels as x and y
or x_train and y_train); a folder of images, or with one subfolder per class; an archive of images
(.zip, .tar, .tar.gz), or a folder of archives; an image; or a table (.csv, .tsv, .parquet) with a
column path, and maybe label, page, others, and top, left, bottom and right of regions, in pixels.

OUTPUT ends in .npy (features only), .npz (compressed, with labels and paths), .csv or .parquet
(whose column features holds one array per row). All but .npy carry the columns of a table.
sklearn_resnet.datasets.load_table reads each of them in Python. A .json beside it records how it was
made.

Both can be URLs, such as s3://bucket/photos or zip://::photos.zip.

From image files, a .parquet (a folder of parts that is read as one table) or .npy is written in
parts: run the same command again to resume it after an interruption, or to embed only images that
are new.

\b
Examples:
  embedding digits out/digits.npy --model pca -d 2 -p
  embedding photos/ out/photos.npz -l conv3 --image-size 64 -p
  embedding photos/ out/photos.npz -l conv3 --image-size 64 --html
  embedding mnist.npz out/mnist.npy -l 82 -p -s 0 --weights my.weights.h5
  embedding mnist.npz out/compare.npz --compare pca,resnet,resnet:82
  embedding photo.jpg out/patches.npy --patches 32 --patch-size 64 -l 82 -p
  embedding photos/ out/photos.parquet --image-size 64 --workers 2
  embedding cells/ out/cells.npz --rescale percentile --separate-channels
  embedding slide.svs out/tiles.parquet --tiles 256 --min-content 0.2 --html
  embedding cells/ out/cells.npz --segments masks/ --image-size 64
  embedding boxes.csv out/boxes.csv --image-size 64
  embedding s3://bucket/shards out/all.parquet --dask tcp://10.0.0.1:8786
  embedding similar photo.jpg out/photos.npz -k 10
  embedding search photos/ --sizes 48,64,96
  embedding check photos/train photos/test -o out/report
  embedding photos/ out/my.npz --weights w.safetensors --architecture ResNet18
  embedding layers ResNet101V2
  embedding weights

\b
Write ./search for a folder with the same name as a command, such as search.
"""
_SIMILAR_HELP = """Find the images in TABLE that are most similar to each QUERY.

TABLE is an OUTPUT of `embedding INPUT OUTPUT`, with its .json beside it. Each QUERY is an image
file, or a region of one, as in slide.tif[1600:1800,1400:1600], which is top:bottom,left:right. The
images found are listed, and drawn in one picture. The architecture, layers and other settings are
read from the .json.

\b
Examples:
  embedding photos/ out/photos.npz -l conv3 --image-size 64
  embedding similar photo.jpg out/photos.npz
  embedding similar a.jpg b.jpg out/photos.npz -k 5 -o found.pdf
  embedding similar "slide.tif[1600:1800,1400:1600]" out/tiles.parquet
"""
_SEARCH_HELP = """Find the layer and the image size that suit the labelled images in INPUT.

INPUT is as for `embedding`, with labels: one subfolder per class, or --labels. Each layer is scored
at each image size: by the accuracy of a logistic regression on the standardised features, or by the
R2 of a ridge regression if the labels are numbers on a scale. The scores are printed, with the
commands that use the best.

OUTPUT, a .csv, is the table of scores. A picture and a .json are written beside it.
[default: INPUT_search.csv in the current folder]

\b
Examples:
  embedding search photos/
  embedding search photos/ out/s.csv -l 51,73,85 --sizes 48,64,96 --nested
  embedding search slides/ --labels slides.csv --groups patients.csv
"""
_CHECK_HELP = """Find copies, leaks, wrong labels, outliers and poor images in folders of images.

Each FOLDER holds images, or one subfolder per class, whose labels are checked; it can also be an
archive, as for `embedding`. Several are splits, such as train and test, and copies across them are
leaks. The findings are printed. Files are only read: none is changed, moved or deleted.

OUTPUT, a .csv, has a row for each image. A page to look at the findings (.html) and a record (.json)
are written beside it. sklearn_resnet.check_images makes the same table in Python.

\b
Examples:
  embedding check photos/
  embedding check photos/train photos/test -o out/report
  embedding check scans/ -o out/scans --labels scans.csv -l conv4 --image-size 128
"""
_SECTIONS = {  # by the first option of each
    "model": "Features",
    "labels": "Images",
    "tiles": "Regions of images",
    "plot": "Pictures",
    "n_workers": "Many images",
    "compress": "Other options",
}
_LAYERS_REMEDY = "`embedding layers {architecture}` lists all layers."
_CACHE_ADVICE = "The computed features are in the cache: run the same command again."
_REMEDIES = {  # by the parameter that is wrong; see describe_error
    "layers": _LAYERS_REMEDY,
    "compare": _LAYERS_REMEDY,
    "image_size": "Pass a size, as in --image-size 64.",
    "channels": "Pass --channels with channels that each file has, or --mode RGB for files of different "
    "depths.",
    "weights": "`embedding weights` lists published ones; --weights random draws random ones.",
    "normalization": "`embedding weights` lists that of known weights.",
}
_SIMILAR_REMEDIES = {
    "weights": "Name the present path of the weights by --weights.",
    "table": "TABLE is the last argument.",
}
_PCA_ONLY = ("dimensions",)
_RESNET_ONLY = (
    "layers", "architecture", "weights", "normalization", "pooling", "grid", "batch_size",
    "engine", "precision", "cache", "no_cache", "on_error", "separate_channels",
)  # fmt: skip
_NOT_COMPARED = (
    "model", "dimensions", "layers", "plot", "thumbnails", "html", "on_error", "n_workers",
    "scheduler", "part_size", "restart",
)  # fmt: skip


@click.group(
    cls=CommandGroup,
    help=_HELP,
    sections=_SECTIONS,
    inputs=tuple(options.NAMED),
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
    help="Layers where the ResNet is cut: an index (82), a name, a stage (conv3), or several "
    "(51,82), whose features are concatenated.  [default: the last layer]",
)
@options.architecture
@options.weights
@options.normalization
@options.pooling
@options.grid
@click.option(
    "--image-size",
    metavar="N",
    type=click.IntRange(1),
    help="Resize images to N x N; 64 is a good size for photos. Files are cropped to a square first "
    "(see --resize), arrays are stretched.  "
    "[default: keep their size]",
)
@options.batch_size
@options.engine
@options.precision
@options.cache
@options.no_cache
@options.labels
@click.option(
    "--patches", metavar="N", type=click.IntRange(1), help="Cut N random patches from one image."
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
    help="How to handle a file that cannot be read: stop; set its features to NaN; or leave it out. "
    "nan and skip list such files in OUTPUT_errors.csv.",
)
@options.value_range
@options.reading
@options.regions
@click.option(
    "-p",
    "--plot",
    is_flag=True,
    help="Draw a map of the embedding. UMAP computes it unless the embedding has two columns.",
)
@click.option(
    "-t",
    "--thumbnails",
    is_flag=True,
    help="Draw the map with images as points.",
)
@options.picture
@click.option(
    "--html",
    is_flag=True,
    help="Write a page to explore the map, with the images in it.",
)
@click.option(
    "--compare",
    metavar="MAPS",
    type=Maps(),
    help="Draw several maps side by side, and score them by the labels: pca, of the pixels; resnet, "
    "UMAP of the last layer; resnet:82, UMAP of layer 82. OUTPUT holds the maps.",
)
@click.option(
    "--workers",
    "n_workers",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of processes, which share the cores (image files to .parquet or .npy).",
)
@click.option(
    "--dask",
    "scheduler",
    metavar="ADDRESS",
    help="Address of a Dask scheduler. Its workers compute, and must see the folders of INPUT and "
    "OUTPUT (image files to .parquet or .npy).",
)
@click.option(
    "--part-size",
    metavar="N",
    type=click.IntRange(1),
    help=f"Images per part. An interruption loses at most one part.  [default: {PART_SIZE}]",
)
@click.option(
    "--restart",
    is_flag=True,
    help="Compute all parts again, including those that earlier commands wrote.",
)
@click.option(
    "-c",
    "--compress",
    is_flag=True,
    help="Write .npz instead of .npy: compressed, with labels and paths.",
)
@click.option(
    "-s",
    "--seed",
    metavar="N",
    type=click.IntRange(0),
    help="Random state of patches, of maps and of random weights, so that another run gives the same "
    "result.  [default: another in each run]",
)
@options.quiet
@click.version_option(package_name="sklearn-resnet")
@click.pass_context
def main(ctx, **params):
    """Check the options, and embed INPUT."""
    _check_combinations(ctx)
    params["cache"] = options.choose_cache(params)
    advice = "" if params["cache"] is None else _CACHE_ADVICE
    with _computing(ctx, advice, _REMEDIES):
        params["output"] = _name_output(params)
        params["architecture"] = match_architecture(params["architecture"])
        if params["compare"] is None:
            from sklearn_resnet.cli.embed import embed, make_embed_options

            embed(make_embed_options(params))
        else:
            from sklearn_resnet.cli.compare import compare, make_compare_options

            compare(make_compare_options(params))


@contextmanager
def _computing(ctx, advice="", remedies=None):
    """Import scikit-learn, print warnings in one line, and turn errors into messages.

    Within it, a command imports its module: help and completion need none of them.
    """
    _refuse_empty(ctx)
    with exit_on_error(ctx, advice, remedies), warnings_in_one_line():
        import_scikit_learn()
        yield


def _refuse_empty(ctx):
    """Refuse empty text, as of a variable that is not set: as a path, it is the current folder."""
    for param in ctx.command.params:
        value = ctx.params.get(param.name)
        if value == "" or (isinstance(value, tuple) and "" in value):
            raise click.UsageError(f"{spell(param)} must not be empty. Got '' instead.")


def _name_output(params):
    """Return the path of OUTPUT; -c makes it a .npz."""
    output = as_path(params["output"])
    if not params["compress"]:
        return output
    if output.suffix not in (".npy", ".npz"):
        raise click.UsageError(
            f"-c/--compress writes .npz, and OUTPUT is {str(output)!r}. Leave -c out, or name an "
            "OUTPUT that ends in .npz."
        )
    return output.with_suffix(".npz")


@main.command(
    help=_SIMILAR_HELP, short_help="Find the images in a TABLE that are most similar to an image."
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
    help="Number of images to find for each QUERY.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default=METRICS[0],
    show_default=True,
    help="Distance between features.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help=f"The picture: {', '.join(PICTURES)}.  [default: TABLE_similar.png]",
)
@click.option(
    "--weights",
    help="The weights that TABLE was made with, if their file was moved.  [default: as in the .json]",
)
@click.pass_context
def similar(ctx, queries, table, **chosen):
    """Find similar images, and draw them."""
    describe = partial(describe_error, ctx=click.Context(main))  # INPUT was an argument of main
    with _computing(ctx, remedies=_SIMILAR_REMEDIES):
        from sklearn_resnet.cli.similar.command import SimilarOptions, find_and_draw

        print_result(find_and_draw(SimilarOptions(queries, table, **chosen), describe))


@main.command(
    "search",
    help=_SEARCH_HELP,
    short_help="Find the layer and the image size that suit labelled images.",
)
@click.argument("source", metavar="INPUT")
@click.argument("output", required=False)
@click.option(
    "-l",
    "--layers",
    type=Layers(),
    help="Layers to compare: indices, names or stages, separated by commas (51,82,conv4).  "
    "[default: the last layer of each block that the weights cover]",
)
@click.option(
    "--sizes",
    "image_sizes",
    type=Sizes(),
    help="Image sizes to compare, in pixels, separated by commas (48,64,96). Files are cropped to a "
    "square, arrays are stretched.  [default: 32,48,64,96,128,224, up to twice the size of the "
    "images, and the size of small arrays]",
)
@options.labels
@click.option(
    "--groups",
    metavar="FILE",
    help="A file with a group for each image, such as its patient; the images of a group are in one "
    "fold. It is read as that of --labels is, with a column group.  [default: the column group of a "
    "table as INPUT; regions of one image are a group]",
)
@click.option(
    "--cv",
    "n_folds",
    metavar="N",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="Number of folds of the cross-validation.",
)
@click.option(
    "--nested",
    is_flag=True,
    help="Also score the choice of the best, on images that took no part in it.",
)
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="How to handle a file that cannot be read: stop, or leave it out.",
)
@options.architecture
@options.weights
@options.normalization
@options.pooling
@options.grid
@options.batch_size
@options.engine
@options.precision
@options.cache
@options.no_cache
@options.value_range
@options.reading
@options.regions
@options.picture
@options.seed("Random state of the folds, and of random weights.")
@options.quiet
@click.pass_context
def search_cuts(ctx, **params):
    """Search the layer and the image size."""
    options.check_reading(ctx)
    options.check_regions(ctx.params)
    options.check_cache(params)
    params["cache"] = options.choose_cache(params)
    with _computing(ctx, _CACHE_ADVICE, _REMEDIES):
        from sklearn_resnet.cli.search import make_search_options, search

        params["architecture"] = match_architecture(params["architecture"])
        text = search(make_search_options(params))
        if not params["quiet"]:
            print_result(text)


@main.command(
    "check",
    help=_CHECK_HELP,
    short_help="Find copies, leaks, wrong labels, outliers and poor images in folders.",
)
@click.argument("sources", metavar="FOLDER...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="OUTPUT",
    help="The table, with or without .csv.  [default: FOLDER_check.csv in the current folder]",
)
@click.option(
    "--max-false-pairs",
    metavar="N",
    type=click.FloatRange(0),
    default=0.002,
    show_default=True,
    help="The largest acceptable number of false pairs of copies per image. It limits the distance "
    "below which images count as copies.",
)
@click.option("--mirrored", is_flag=True, help="Find mirrored copies, too.")
@click.option(
    "-l",
    "--layers",
    type=Layers(),
    help="Layers of the features, by which images are compared.  [default: the last layer]",
)
@click.option(
    "--image-size",
    metavar="N",
    type=click.IntRange(1),
    help="Crop images to a square, and resize them to N x N, for the features.  [default: 32 or 64, "
    "whichever is nearer to the images]",
)
@options.labels
@options.architecture
@options.weights
@options.normalization
@options.batch_size
@options.engine
@options.cache
@options.no_cache
@options.seed("Random state of the folds, the altered copies, the map and random weights.")
@options.quiet
@click.pass_context
def check_folders(ctx, **params):
    """Check folders of images."""
    options.check_cache(params)
    params["cache"] = options.choose_cache(params)
    with _computing(ctx, _CACHE_ADVICE, _REMEDIES):
        from sklearn_resnet.cli.check.command import check, make_check_options

        params["architecture"] = match_architecture(params["architecture"])
        text = check(make_check_options(params))
        if not params["quiet"]:
            print_result(text)


@main.command(short_help="List the layers at which a network can be cut.")
@click.argument("architecture", default="ResNet50V2")
@click.pass_context
def layers(ctx, architecture):
    """List the layers at which a network can be cut.

    ARCHITECTURE is one of those of the option --architecture.  [default: ResNet50V2]

    width: number of features of a layer. stride: pixels between neighboring positions of its map.
    gflop: cost of an image of 224 x 224 up to the layer, in 10^9 floating-point operations.
    """
    try:
        table = list_layers(match_architecture(architecture))
    except ValueError as exc:
        raise click.UsageError(describe_error(exc, ctx)) from exc
    columns = [table[name] for name in ("index", "name", "width", "stride")]
    columns.append([f"{gflop:.2f}" for gflop in table["gflop"]])
    longest = max(map(len, table["name"]))
    rows = [("index", "name", "width", "stride", "gflop"), *zip(*columns, strict=True)]
    lines = [
        f"{index:>5}  {name:{longest}}  {width:>5}  {stride:>6}  {gflop:>6}"
        for index, name, width, stride, gflop in rows
    ]
    with exit_on_error(ctx):
        print_result("\n".join(lines))


@main.command(short_help="List published weights, with the options that take them.")
@click.pass_context
def weights(ctx):
    """List published weights, with their licences and the options that take them.

    They are downloaded when they are used. This list needs no network.
    """
    with exit_on_error(ctx):
        print_result("\n".join(describe_weights()))


def _check_combinations(ctx):
    """Refuse options that would have no effect."""
    params = {param.name: param for param in ctx.command.params}

    def is_given(name):
        return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE

    for name in _NOT_COMPARED:
        if is_given("compare") and is_given(name):
            raise click.UsageError(
                f"{spell(params[name])} cannot be used with --compare, which draws a map for each of "
                "its names, as in pca,resnet,resnet:82. Leave one out."
            )
    model = ctx.params["model"]
    for name in _RESNET_ONLY if model == "pca" else _PCA_ONLY:
        if is_given(name):
            other = "resnet" if model == "pca" else "pca"
            raise click.UsageError(
                f"{spell(params[name])} requires --model {other}, not --model {model}."
            )
    if is_given("patch_size") and ctx.params["patches"] is None:
        raise click.UsageError("--patch-size requires --patches, the number of patches to cut.")
    draws_picture = any(ctx.params[name] for name in ("plot", "thumbnails", "compare"))
    if is_given("picture") and not draws_picture:
        raise click.UsageError("--picture requires a picture: -p, -t or --compare.")
    options.check_reading(ctx)
    options.check_regions(ctx.params)
    options.check_cache(ctx.params)
