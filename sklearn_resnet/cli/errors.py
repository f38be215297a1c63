"""Errors of the library as the command prints them: parameters become options."""

import re
from contextlib import contextmanager

import click

from sklearn_resnet._images.errors import (
    ImageIsFolderError,
    ImageNotFoundError,
    ImageReadError,
)
from sklearn_resnet._runtime.errors import DownloadError, ParameterError

_DOWNLOAD = "Put the file there by hand; the variable KERAS_HOME sets another folder."
_PARAMS = {"size": "image_size"}  # options whose names differ from the library's parameters
_IMAGE_REMEDIES = {
    ImageNotFoundError: "Check the path.",
    ImageIsFolderError: "Name an image file.",
}
_LIMIT = " that ImageLoader(max_pixels=) sets"  # of pixels, which is no option
_LARGE_REMEDY = (
    "Save it as a tiled TIFF, of which regions are read tile by tile, or in fewer pixels."
)
_IMAGE_REMEDY = "Replace the file or leave it out."
# Parameters of ImageLoader in messages of the library, which are options of the command too.
_NAMES = "mode|channels|rescale_by|rescale|resize|page|level|value_range|margin|pad"
_VALUES = r"'\w+'|\[[^\]]*\]"
_READING = re.compile(
    rf"ImageLoader\(({_NAMES})=({_VALUES})?\)|\b({_NAMES})=({_VALUES})"  # the latter in no path
)
_SEPARATE = "ResNetFeatures(channels='separate')"
_RANGES = re.compile(r"\b(?:rescale|value_range)=\(([a-z]+), ([a-z]+)\)")  # (low, high)
_OF_ARRAYS = re.compile(r"X\[\.\.\., \[[^\]]*\]\] or ")  # what comes before an option of files
_MEMORY_PARAMS = ("image_sizes", "image_size", "batch_size")  # on which the use of memory depends


@contextmanager
def exit_on_error(ctx, advice="", remedies=None):
    """Turn errors of the library into messages of the command, and end it.

    Parameters
    ----------
    ctx : click.Context
    advice : str, default=""
        Printed after Ctrl-C, unless the KeyboardInterrupt carries a message or notes.
    remedies : dict of str to str, default=None
        See `describe_error`.
    """
    try:
        yield
    except KeyboardInterrupt as exc:
        notes = _notes(exc) or ([] if str(exc) else [advice])
        click.echo(" ".join(filter(None, [str(exc) or "Interrupted.", *notes])), err=True)
        ctx.exit(130)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError) as exc:
        raise click.ClickException(describe_error(exc, ctx, remedies)) from exc


def describe_error(exc, ctx, remedies=None):
    """Describe an error of the library in terms of the command line.

    Parameters
    ----------
    exc : Exception
        A `ParameterError` is attributed to the option or argument that sets the parameter. Notes
        are appended.
    ctx : click.Context
        The context of the command that was called.
    remedies : dict of str to str, default=None
        The command's own remedies, by the name of the parameter that is wrong. They may hold the
        values of other parameters, as in ``"{architecture}"``.

    Returns
    -------
    str
    """
    message, notes = str(exc), _notes(exc)
    param = _find_param(ctx, exc.parameter) if isinstance(exc, ParameterError) else None
    if param is not None:
        remedy = (remedies or {}).get(param.name, "").format_map(ctx.params)
        message = " ".join(filter(None, [_describe_parameter(exc, param, ctx), remedy]))
    elif isinstance(exc, DownloadError):
        remedy = exc.remedy if exc.path is None else _DOWNLOAD  # without a path, it is of the hub
        message = f"{exc.problem}\n{remedy}"
    elif isinstance(exc, MemoryError) or "std::bad_alloc" in message:  # the latter of OpenVINO
        message = _describe_memory(exc, ctx)
    elif isinstance(exc, ImageReadError):
        message = exc.problem
        remedy = _LARGE_REMEDY if _LIMIT in exc.cause else _find_reading_remedy(exc, ctx)
        message = message.replace(_LIMIT, "")
        if exc.path is not None and not notes:  # those of a run say how to continue without it
            remedy = remedy or _IMAGE_REMEDIES.get(type(exc), _IMAGE_REMEDY)
        message = " ".join(filter(None, [message, remedy]))
    if _reads_channels(ctx):
        message = spell_reading(message)
    if notes and not message.endswith((".", "?")):
        message += "."
    return " ".join([message, *notes])


def _describe_parameter(exc, param, ctx):
    """Describe an invalid parameter; files of different channels are no mistake in --channels."""
    if param.name == "channels" and exc.got is None and ctx.params["channels"] is None:
        return f"All images must have the same channels and the same depth. {exc.hint}"
    return exc.describe_as(spell(param))


def _find_reading_remedy(exc, ctx):
    """Return the remedy of an image that cannot be read, if it names an option; empty if not."""
    is_option = "::" in exc.remedy or spell_reading(exc.remedy) != exc.remedy
    return exc.remedy if is_option and _reads_channels(ctx) else ""


def _reads_channels(ctx):
    """Whether a command has the options of reading scientific images."""
    return any(param.name == "separate_channels" for param in ctx.command.params)


def spell_reading(text):
    """Replace parameters of reading images by options: ``ImageLoader(page=)`` by ``--page``."""

    def spell_one(found):
        name, value = found.groups()[:2] if found[1] else found.groups()[2:]
        value = "" if value is None or "..." in value else value.strip("[]'").replace(", ", ",")
        return " ".join(filter(None, [f"--{name.replace('_', '-')}", value]))

    spelled = text.replace(_SEPARATE, "--separate-channels").replace(_LIMIT, "")
    spelled = _OF_ARRAYS.sub("", spelled)
    spelled = _RANGES.sub(
        lambda found: f"--value-range {' '.join(found.groups()).upper()}", spelled
    )
    spelled = _READING.sub(spell_one, spelled)
    return spelled if spelled == text else spelled.replace(" to ImageLoader", "")


def _describe_memory(exc, ctx):
    """Describe a lack of memory in one line, with the options of the command that save memory."""
    cause = f": {exc}" if isinstance(exc, MemoryError) and str(exc) else ""
    savers = [spell(param) for param in ctx.command.params if param.name in _MEMORY_PARAMS]
    remedy = f" Pass a smaller {' or '.join(savers)}." if savers else ""
    return f"Not enough memory{cause}.{remedy}"


def spell(param):
    """Spell an option (``"--image-size"``) or an argument (``"INPUT"``) of a command."""
    return (
        param.human_readable_name if isinstance(param, click.Argument) else max(param.opts, key=len)
    )


@contextmanager
def renamed_parameters(**names):
    """Attribute errors of parameters to options of other names."""
    try:
        yield
    except ParameterError as exc:
        exc.parameter = names.get(exc.parameter, exc.parameter)
        raise


def _find_param(ctx, name):
    params = {param.name: param for param in ctx.command.params}
    return params.get(_PARAMS.get(name, name))


def _notes(exc):
    return getattr(exc, "__notes__", [])
