"""Errors of the library as the command prints them: parameters become options."""

from contextlib import contextmanager

import click

from sklearn_resnet._runtime.errors import DownloadError, ParameterError

_LAYERS = "`embedding layers {architecture}` lists them all."
_IMAGE_SIZE = "Pass a size, as in --image-size 224."
_REMEDIES = {
    "layers": _LAYERS,
    "compare": _LAYERS,
    "image_size": _IMAGE_SIZE,
    "weights": "--weights random draws random weights.",
    "table": "TABLE is the last argument.",
}
_DOWNLOAD = "Put the file there by hand; the variable KERAS_HOME sets another folder."
_PARAMS = {"size": "image_size"}  # options whose names differ from the library's parameters


@contextmanager
def exit_on_error(ctx, advice=""):
    """Turn errors of the library into messages of the command, and end it.

    Parameters
    ----------
    ctx : click.Context
    advice : str, default=""
        Printed after Ctrl-C, unless the KeyboardInterrupt carries a message or notes.
    """
    try:
        yield
    except KeyboardInterrupt as exc:
        notes = _notes(exc) or ([] if str(exc) else [advice])
        click.echo(" ".join(filter(None, [str(exc) or "Interrupted.", *notes])), err=True)
        ctx.exit(130)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as exc:
        raise click.ClickException(describe_error(exc, ctx)) from exc


def describe_error(exc, ctx):
    """Describe an error of the library in terms of the command line.

    Parameters
    ----------
    exc : Exception
        A `ParameterError` is attributed to the option or argument that sets the parameter. Notes
        are appended.
    ctx : click.Context
        Of the command that was called.

    Returns
    -------
    str
    """
    message = str(exc)
    param = _find_param(ctx, exc.parameter) if isinstance(exc, ParameterError) else None
    if param is not None:
        message = f"{spell(param)} {exc.requirement}. Got {exc.got} instead."
        remedy = _REMEDIES.get(param.name, "").format_map(ctx.params)
        message = " ".join(filter(None, [message, exc.hint, remedy]))
    elif isinstance(exc, DownloadError):
        message = f"{exc.problem}\n{_DOWNLOAD}"
    notes = _notes(exc)
    if notes and not message.endswith((".", "?")):
        message += "."
    return " ".join([message, *notes])


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
