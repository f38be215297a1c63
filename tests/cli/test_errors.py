"""Errors of the library as the command prints them, and its exit codes."""

import click
import pytest
from click.testing import CliRunner

from sklearn_resnet._images.errors import (
    ImageIsFolderError,
    ImageNotFoundError,
    ImagePermissionError,
    ImageReadError,
)
from sklearn_resnet._runtime.errors import DownloadError, MissingFileError, ParameterError
from sklearn_resnet.cli.errors import (
    describe_error,
    exit_on_error,
    renamed_parameters,
    spell_reading,
)
from sklearn_resnet.cli.main import main


def fail(error, advice="", args=("a.png",), code=1, remedies=None):
    """What a command prints that raises an error."""

    @click.command()
    @click.argument("source", metavar="INPUT")
    @click.option("-s", "--image-size", default=8)
    @click.option("-b", "--batch-size", default=64)
    @click.option("-w", "--workers", "n_workers", default=1)
    @click.option("--layers", default="1")
    @click.option("--architecture", default="ResNet50")
    @click.pass_context
    def command(ctx, **params):
        with exit_on_error(ctx, advice, remedies):
            raise error

    result = CliRunner().invoke(command, args)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("image_size", "--image-size"),
        ("size", "--image-size"),  # of ImageLoader
        ("n_workers", "--workers"),
        ("source", "INPUT"),
        ("tap_layers", "The 'tap_layers' parameter"),  # no option
    ],
)
def test_a_parameter_is_printed_as_its_option(parameter, name):
    output = fail(ParameterError(parameter, "must be at least 1", "0"))
    assert output.startswith(f"Error: {name} must be at least 1. Got 0 instead.")


def test_a_missing_value_is_not_quoted():
    error = ParameterError("size", "must be given", None, hint="a.png is larger than b.png.")
    assert fail(error) == "Error: --image-size must be given. a.png is larger than b.png.\n"


def test_the_command_has_remedies_of_its_own():
    error = ParameterError("layers", "must be one", "'x'", "list_layers() lists them.", "Did you mean 'y'?")  # fmt: skip
    expected = "--layers must be one. Got 'x' instead. Did you mean 'y'? Call ResNet50."  # fmt: skip
    remedies = {"layers": "Call {architecture}.", "image_size": "Wait."}
    assert fail(error, remedies=remedies) == f"Error: {expected}\n"
    args = ["x", "--architecture", "ResNet101"]
    assert "Call ResNet101." in fail(error, args=args, remedies=remedies)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (ImageNotFoundError, "Check the path."),
        (ImageIsFolderError, "Name an image file."),
        (ImageReadError, "Replace the file or leave it out."),
        (ImagePermissionError, "Replace the file or leave it out."),
    ],
)
def test_an_image_is_described_without_python(kind, remedy):
    error = kind("it is broken", "a.png", 3, "load_image_folder() lists its images.")
    assert fail(error) == f"Error: {error.problem} {remedy}\n"
    assert error.problem.endswith("It is image 3, counted from 0.")
    assert "load_image_folder" not in error.problem


def test_a_note_takes_the_place_of_the_remedy_of_an_image():
    error = ImageReadError("it is broken", "a.png", remedy="Use Python.")
    error.add_note("Go on.")
    assert fail(error) == "Error: The image file 'a.png' cannot be read: it is broken. Go on.\n"


def test_an_image_of_an_array_has_no_remedy():
    error = ImageReadError("it holds NaN", position=2, remedy="Use Python.")
    assert fail(error) == "Error: Image 2 of X cannot be used: it holds NaN.\n"


def test_notes_follow_the_message():
    for error in (ValueError("It broke"), ParameterError("source", "must be big", "0")):
        error.add_note("Half is done.")
        error.add_note("Go on.")
        assert fail(error).endswith(". Half is done. Go on.\n")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        TypeError("x"),
        OSError("x"),
        ImportError("x"),
        RuntimeError("x"),
        MissingFileError("weights", "must be a file", "'x'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_library_end_the_command(error):
    assert fail(error) == f"Error: {error}\n"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError("Unable to allocate 10.9 TiB"), ": Unable to allocate 10.9 TiB"),
        (MemoryError(), ""),
        (RuntimeError("Exception from a.cpp:1:\nstd::bad_alloc\n\n"), ""),  # of OpenVINO
    ],
    ids=["numpy", "Python", "OpenVINO"],
)
def test_a_lack_of_memory_names_the_options_that_save_it(error, cause):
    expected = f"Error: Not enough memory{cause}. Pass a smaller --image-size or --batch-size.\n"
    assert fail(error) == expected


def test_a_lack_of_memory_of_a_command_without_such_options():
    @click.command()
    @click.pass_context
    def command(ctx):
        with exit_on_error(ctx):
            raise MemoryError

    assert CliRunner().invoke(command).output == "Error: Not enough memory.\n"


def test_usage_errors_keep_their_exit_code():
    assert "Usage:" in fail(click.UsageError("x"), code=2)


def test_a_bug_is_not_hidden():
    assert fail(KeyError("x"), code=1) == ""  # click's runner holds the exception


def test_a_failed_download_is_described_without_python():
    error = DownloadError("The weights", "no network", "/a/b", "https://c/d", 9, "Pass weights=None.")  # fmt: skip
    output = fail(error)
    assert "Error: The weights cannot be downloaded" in output
    assert "https://c/d (9 MB)\nPut the file there by hand" in output
    assert "weights=" not in output


def test_a_failed_download_without_a_place_on_this_machine_has_its_own_remedy():
    output = fail(DownloadError("The weights", "no network", None, "https://c/d", None, "Log in."))
    assert output == (
        "Error: The weights cannot be downloaded, and this machine has no copy: no network.\n"
        "Download:    https://c/d\nLog in.\n"
    )


@pytest.mark.parametrize(
    ("message", "notes", "expected"),
    [
        ([], [], "Interrupted. Try again.\n"),
        ([], ["2 of 3 parts are done."], "Interrupted. 2 of 3 parts are done.\n"),
        (["Stopped."], [], "Stopped.\n"),
    ],
)
def test_ctrl_c_gives_advice(message, notes, expected):
    error = KeyboardInterrupt(*message)
    for note in notes:
        error.add_note(note)
    assert fail(error, "Try again.", code=130) == expected


def test_parameters_are_attributed_to_options_of_other_names():
    expected = pytest.raises(ParameterError, match="The 'patch_size' parameter must be small")
    with expected, renamed_parameters(n="patches", size="patch_size"):
        raise ParameterError("size", "must be small", "9")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Choose one with ImageLoader(page=), an int.", "Choose one with --page, an int."),
        (
            "Pass ImageLoader(mode='channels') or channels=[...].",
            "Pass --mode channels or --channels.",
        ),
        ("ImageLoader(rescale='percentile') for", "--rescale percentile for"),
        ("ImageLoader(rescale_by='image') or", "--rescale-by image or"),
        (
            "Pass rescale=(low, high) or rescale='percentile' to ImageLoader.",
            "Pass --value-range LOW HIGH or --rescale percentile.",
        ),
        ("Give it to ImageLoader.", None),
        ("Pass ImageLoader(value_range=), or", "Pass --value-range, or"),
        ("the limit of 9 that ImageLoader(max_pixels=) sets.", "the limit of 9."),
        (
            "ResNetFeatures(channels='separate') takes each. X[..., [2, 1, 0]] or "
            "ImageLoader(channels=[2, 1, 0]) takes three.",
            "--separate-channels takes each. --channels 2,1,0 takes three.",
        ),
        ("'a/mode=RGB/b.tif' is damaged", None),
    ],
)
def test_parameters_of_reading_are_spelled_as_options(text, expected):
    assert spell_reading(text) == (text if expected is None else expected)


def test_an_image_whose_remedy_is_an_option_names_it():
    exc = ImageReadError("it has 2 times", "a.tif", remedy="Choose one with ImageLoader(page=).")
    assert describe_error(exc, click.Context(main)).endswith(
        "it has 2 times. Choose one with --page."
    )
    message = describe_error(exc, click.Context(main.commands["similar"]))
    assert message.endswith("Replace the file or leave it out.")


def test_an_image_that_is_too_large_has_a_remedy_of_the_shell():
    exc = ImageReadError(
        "it has more than the limit of 9 that ImageLoader(max_pixels=) sets", "a.png"
    )
    assert describe_error(exc, click.Context(main)).endswith(
        "it has more than the limit of 9. Save it as a tiled TIFF, of which regions are read tile by "
        "tile, or in fewer pixels."
    )
