"""Options that several commands share, and what the options of the cache mean together."""

from dataclasses import fields
from pathlib import Path

import click
import platformdirs

from sklearn_resnet._images.rescaling import PERCENTILE
from sklearn_resnet._network.architectures import ARCHITECTURES
from sklearn_resnet._network.engines.choice import ENGINES, PRECISIONS
from sklearn_resnet.cli.param_types import (
    Channels,
    Folder,
    Grid,
    Margin,
    Normalization,
    Page,
    Pooling,
    Rescale,
)

NAMED = {
    "digits": "load_digits",
    "mnist": "fetch_mnist",
    "cifar10": "fetch_cifar10",
}  # of `datasets`

architecture = click.option(
    "--architecture",
    default="ResNet50V2",
    show_default=True,
    help=f"One of {', '.join(ARCHITECTURES)}.",
)
weights = click.option(
    "--weights",
    default="auto",
    show_default=True,
    help="imagenet (downloaded once), procedural (bundled; for ResNet50V2 up to conv4), the path of "
    "a weights file (safetensors, Keras or PyTorch), hf://ORG/NAME of the Hugging Face Hub, or random. "
    "auto is imagenet if it is on this machine or can be downloaded, and procedural otherwise.",
)
normalization = click.option(
    "--normalization",
    type=Normalization(),
    help="How images are normalised: tf, caffe, torch, or MEAN/STD in units of the value range, as in "
    "0.5/0.25 or 0.485,0.456,0.406/0.229,0.224,0.225. /BGR after it reverses the channels.  "
    "[default: that of the weights, or else of the architecture]",
)
pooling = click.option(
    "--pooling",
    type=Pooling(),
    default="avg",
    show_default=True,
    help="How to pool the map of a layer into features: avg, max, gem (the generalised mean), or "
    "several, as in avg,max.",
)
grid = click.option(
    "--grid",
    metavar="ROWSxCOLUMNS",
    type=Grid(),
    help="Pool in each cell of a grid, as in 2x3, so that features keep their place in the image.  "
    "[default: one cell]",
)
batch_size = click.option(
    "-b",
    "--batch-size",
    metavar="N",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Number of images that go through the network at once.",
)
engine = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="auto",
    show_default=True,
    help="Library that runs the ResNet: OpenVINO (on the CPU) or Keras. auto is Keras if it can "
    "use a GPU, and OpenVINO otherwise.",
)
precision = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Precision of the computation. int8 is the fastest, and needs sklearn-resnet[int8].",
)
cache = click.option(
    "--cache",
    type=Folder(file_okay=False, path_type=Path),
    help="Folder for the cache of features, so that only images that are new are computed.  "
    "[default: in the user's cache folder]",
)
no_cache = click.option(
    "--no-cache", is_flag=True, help="Compute all features, and do not cache them."
)
labels = click.option(
    "--labels",
    metavar="FILE",
    help="A file with a label for each image: a table (.csv, .tsv or .parquet) with a column that names "
    "the images, with or without folders and suffix, and a column label; a .npy; or text with one "
    "label per line. Labels without names must be in the order of the images, which is natural "
    "(2.png before 10.png), as in the column path of a table of features.",
)
value_range = click.option(
    "--value-range",
    metavar="BLACK WHITE",
    nargs=2,
    type=float,
    help="Pixel values that are black and white: 0 4095 for 12 bits, -1024 3071 for CT.  [default: "
    "inferred from the dtype and the values]",
)
_READING = (
    click.option(
        "--mode",
        type=click.Choice(["RGB", "L", "channels"]),
        help="How image files are read: in colour, in grey, or with all their channels in their own "
        "depth.  [default: channels with --separate-channels, or else as the weights need]",
    ),
    click.option(
        "--channels",
        metavar="LIST",
        type=Channels(),
        help="Channels of image files to read, in this order: indices or names, as in 2,0,1 or "
        "DAPI,GFP.  [default: all]",
    ),
    click.option(
        "--rescale",
        metavar="METHOD",
        type=Rescale(),
        help="What becomes black and white: percentile, or percentile:P,Q, of each channel "
        "(0.1 and 99.9); window, that of DICOM files; or LOW,HIGH, the same as --value-range.  "
        "[default: as --value-range]",
    ),
    click.option(
        "--rescale-by",
        type=click.Choice(["collection", "image"]),
        default="collection",
        show_default=True,
        help="Percentiles of a sample of all images, so that their brightness can be compared, or of "
        "each image.",
    ),
    click.option(
        "--page",
        metavar="N|max|mean|middle|channels",
        type=Page(),
        help="Page of a stack to read: an index from 0, the brightest values or the mean of all pages, "
        "the page in the middle, or all pages as channels.  [default: the first]",
    ),
    click.option(
        "--level",
        metavar="N",
        type=click.IntRange(0),
        help="Level of a pyramid to read; 0 is the full resolution.  [default: as --image-size needs]",
    ),
    click.option(
        "--resize",
        type=click.Choice(["crop", "pad", "stretch"]),
        help="How images and regions of another shape become squares: cropped around the centre, padded "
        "with black at two sides, or stretched.  [default: crop]",
    ),
    click.option(
        "--separate-channels",
        is_flag=True,
        help="Compute features of each channel separately, as for a grey image.",
    ),
)
_REGIONS = (
    click.option(
        "--tiles",
        metavar="N",
        type=click.IntRange(1),
        help="Cut each image into tiles of N x N pixels.",
    ),
    click.option(
        "--step",
        metavar="N",
        type=click.IntRange(1),
        help="Distance from a tile to the next one, in pixels.  [default: no overlap]",
    ),
    click.option(
        "--min-content",
        metavar="SHARE",
        type=click.FloatRange(0, 1),
        help="Leave out tiles with a smaller share of foreground, such as tissue on glass.  [default: "
        "keep all tiles]",
    ),
    click.option(
        "--segments",
        metavar="PATH",
        help="A folder with a label image or a mask for each image, with the same name except for the "
        "suffix or an ending such as _masks. Each segment is a region.",
    ),
    click.option(
        "--mask-others", is_flag=True, help="Make the pixels outside of each segment black."
    ),
    click.option(
        "--margin",
        metavar="N|SHARE",
        type=Margin(),
        help="Widen each region on all sides: by pixels, as in 16, or by a share of its height and "
        "width, as in 0.1.  [default: 0]",
    ),
    click.option(
        "--pad",
        type=click.Choice(["reflect", "black"]),
        help="How to fill the part of a region that is beyond the border of its image.  [default: it is "
        "an error]",
    ),
)
picture = click.option(
    "--picture",
    type=click.Choice(["png", "pdf", "svg"]),
    default="png",
    show_default=True,
    help="Format of the pictures.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")


def seed(text):
    """Make the option of a random state, with its help."""
    return click.option(
        "-s",
        "--seed",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help=text,
    )


def reading(command):
    """Add the options of reading channels, depths and pages of scientific images."""
    for option in reversed(_READING):
        command = option(command)
    return command


def regions(command):
    """Add the options of making regions of images, and of reading regions."""
    for option in reversed(_REGIONS):
        command = option(command)
    return command


def check_regions(params):
    """Refuse options of regions that exclude each other, or would have no effect."""
    for name, other in (
        ("tiles", "segments"), ("tiles", "patches"), ("segments", "patches")
    ):  # fmt: skip
        if params[name] is not None and params.get(other) is not None:
            raise click.UsageError(f"--{name} and --{other} exclude each other. Leave one out.")
    for name, other in (("step", "tiles"), ("min_content", "tiles"), ("mask_others", "segments")):
        if params[name] and params[other] is None:
            raise click.UsageError(f"--{name.replace('_', '-')} requires --{other}.")


def check_reading(ctx):
    """Refuse options of reading that exclude each other, or would have no effect."""
    rescale = ctx.params["rescale"]
    if rescale is not None and ctx.params["value_range"] is not None:
        raise click.UsageError("--rescale and --value-range exclude each other. Leave one out.")
    if ctx.params["resize"] is not None and ctx.params.get("image_size", 0) is None:
        raise click.UsageError("--resize requires --image-size.")
    is_given = ctx.get_parameter_source("rescale_by") is click.core.ParameterSource.COMMANDLINE
    if is_given and PERCENTILE not in (rescale or ()):
        raise click.UsageError("--rescale-by requires --rescale percentile.")


def check_cache(params):
    """Refuse options of the cache that exclude each other."""
    if params["cache"] is None:
        return
    if params["no_cache"]:
        raise click.UsageError("--cache and --no-cache exclude each other. Leave one out.")
    if params["weights"] == "random" and params["seed"] is None:
        raise click.UsageError(
            "--cache requires -s with --weights random: each command would draw other weights."
        )


def choose_cache(params):
    """Return the folder of the cache, or None for none."""
    is_unrepeatable = params["weights"] == "random" and params["seed"] is None
    is_elsewhere = params.get("scheduler") is not None and params["cache"] is None
    if params["no_cache"] or is_unrepeatable or is_elsewhere:
        return None
    return params["cache"] or default_cache()


def default_cache():
    """Return the folder of the user's cache of features."""
    return platformdirs.user_cache_path("sklearn-resnet") / "features"


def pick(kind, params):
    """Make a dataclass of the parameters that it has fields for."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in params.items() if name in names})
