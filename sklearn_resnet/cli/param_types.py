"""Types of options, in addition to those of click."""

import difflib

import click
import numpy as np

from sklearn_resnet._images.rescaling import PERCENTILE, WINDOW, resolve_rescale
from sklearn_resnet._network.normalization import NORMALIZATIONS, parse_normalization


def _parse_index(text):
    return int(text) if text.lstrip("-").isdecimal() else text


class Folder(click.Path):
    """A path, which must not be empty: that would be the current folder."""

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if value == "":
            self.fail("It must be the path of a folder. Got '' instead.")
        return super().convert(value, param, ctx)


class Layers(click.ParamType):
    """``82``, ``conv3`` or ``51,82``, as the parameter `layers` of ResNetFeatures takes them."""

    name = "layers"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        layers = [_parse_index(part.strip()) for part in value.split(",")]
        return layers if len(layers) > 1 else layers[0]


class Sizes(click.ParamType):
    """``48,64,96`` as a list of image sizes in ascending order."""

    name = "sizes"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        sizes = []
        for text in map(str.strip, value.split(",")):
            if not (text.isascii() and text.isdecimal() and int(text) > 0):
                self.fail(
                    f"Each must be the side of a square, in pixels, as in 48,64,96. Got {text!r} instead."
                )
            if int(text) in sizes:
                self.fail(f"Each must be named once. Got {text!r} twice.")
            sizes.append(int(text))
        return sorted(sizes)


class Pooling(click.ParamType):
    """``gem`` or ``avg,max``, as the parameter `pooling` of ResNetFeatures takes them."""

    name = "pooling"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str) or "," not in value:
            return value
        return [part.strip() for part in value.split(",")]


class Grid(click.ParamType):
    """``2x3`` or ``2,3``, as the parameter `grid` of ResNetFeatures takes them."""

    name = "grid"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        cells = [text.strip() for text in value.replace("x", ",").split(",")]
        if len(cells) != 2 or not all(
            text.isascii() and text.isdecimal() and int(text) for text in cells
        ):
            self.fail(
                f"It must be rows and columns of at least 1, as in 2x3. Got {value!r} instead."
            )
        return int(cells[0]), int(cells[1])


class Channels(click.ParamType):
    """``2,0,1`` or ``DAPI,GFP``, as the parameter `channels` of ImageLoader takes them."""

    name = "channels"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        channels = [_parse_index(part.strip()) for part in value.split(",")]
        if "" in channels:
            self.fail(
                f"Each must be an index or a name, as in 2,0,1 or DAPI,GFP. Got {value!r} instead."
            )
        return channels


class Page(click.ParamType):
    """``3``, ``max``, ``mean``, ``middle`` or ``channels``, for the parameter `page` of ImageLoader."""

    name = "page"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        page = _parse_index(value)
        if isinstance(page, str) and page not in ("max", "mean", "middle", "channels"):
            self.fail(f"It must be an index, max, mean, middle or channels. Got {value!r} instead.")
        return page


class Margin(click.ParamType):
    """``16`` pixels, or ``0.1`` of the height and width, for the parameter `margin` of ImageLoader."""

    name = "margin"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        try:
            margin = int(value) if value.isdecimal() else float(value)
        except ValueError:
            margin = -1
        if not 0 <= margin < float("inf"):
            self.fail(f"It must be pixels, as in 16, or a share, as in 0.1. Got {value!r} instead.")
        return margin


class Rescale(click.ParamType):
    """``percentile``, ``percentile:1,99``, ``window`` or ``0,4095``, for the parameter `rescale`."""

    name = "rescale"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str) or value in (PERCENTILE, WINDOW):
            return value
        *kind, numbers = value.split(":", 1)
        try:
            low, high = map(float, numbers.split(","))
            rescale = *kind, low, high
            resolve_rescale(rescale, None)
        except ValueError:
            self.fail(
                "It must be percentile, percentile:P,Q with percentiles from 0 to 100, as in "
                "percentile:1,99, window, or LOW,HIGH as in 0,4095, with low less than high. "
                f"Got {value!r} instead."
            )
        return rescale


def spell_rescale(rescale):
    """Spell a value of `Rescale` as on the command line."""
    if isinstance(rescale, str):
        return rescale
    *kind, low, high = rescale
    return ":".join([*kind, f"{low:.9g},{high:.9g}"])


class Normalization(click.ParamType):
    """``tf``, ``0.5/0.25`` or ``0.4,0.5,0.6/1/BGR``, for the parameter `normalization`."""

    name = "normalization"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str) or value in NORMALIZATIONS:
            return value
        try:
            mean, std, *order = value.split("/")
            values = *(tuple(map(float, part.split(","))) for part in (mean, std)), *order
            parse_normalization(values)
        except ValueError:
            self.fail(
                f"It must be {', '.join(NORMALIZATIONS)}, or MEAN/STD with a number for each channel, "
                "or one for all, as in 0.485,0.456,0.406/0.229,0.224,0.225 or 0.5/0.5. /BGR after "
                f"it reverses the channels. Got {value!r} instead."
            )
        return values


def spell_normalization(normalization):
    """Spell a value of `Normalization` as on the command line."""
    if isinstance(normalization, str):
        return normalization
    mean, std, *order = normalization
    numbers = [",".join(f"{x:.9g}" for x in np.atleast_1d(part)) for part in (mean, std)]
    return "/".join([*numbers, *order])


class Maps(click.ParamType):
    """``pca,resnet,resnet:82`` as a dict of names to layers; None for pca and the last layer."""

    name = "maps"

    def convert(self, value, param, ctx):
        """Convert the text of the option."""
        if not isinstance(value, str):
            return value
        maps = {}
        for name in map(str.strip, value.split(",")):
            kind, colon, layer = name.partition(":")
            if kind not in ("pca", "resnet") or (colon and (kind == "pca" or not layer)):
                near = difflib.get_close_matches(kind, ["pca", "resnet"], n=1)
                hint = f" Did you mean {near[0]}?" if near and near[0] != kind else ""
                self.fail(f"Each must be pca, resnet or resnet:LAYER. Got {name!r} instead.{hint}")
            if name in maps:
                self.fail(f"Each must be named once. Got {name!r} twice.")
            maps[name] = _parse_index(layer) if colon else None
        return maps
