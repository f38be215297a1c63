"""Errors whose parts each front end words: their messages, and their copies."""

import copy
import pickle

import pytest

from sklearn_resnet._runtime.errors import DownloadError, MissingFileError, ParameterError

ERRORS = [
    ParameterError("layers", "must be at most 85", "90", "list_layers() shows all.", "Mean 82?"),
    MissingFileError("weights", "must be a file", "'a.h5'"),
    DownloadError("The dataset 'a'", "no answer", "/a", "https://a", 11, "Copy it."),
]


def dumps_and_loads_of_dask(error):
    """Importing distributed registers other functions to pickle exceptions with."""
    from distributed.protocol.pickle import dumps, loads

    return loads(dumps(error))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, lambda error: pickle.loads(pickle.dumps(error)), dumps_and_loads_of_dask],
    ids=["copy", "pickle", "dask"],
)
def test_copies_keep_everything(error, duplicate):
    same = duplicate(error)
    assert (type(same), str(same), vars(same)) == (type(error), str(error), vars(error))


def test_the_message_of_a_parameter():
    assert str(ERRORS[0]) == (
        "The 'layers' parameter must be at most 85. Got 90 instead. Mean 82? list_layers() shows "
        "all."
    )
    assert str(ERRORS[1]) == "The 'weights' parameter must be a file. Got 'a.h5' instead."


def test_a_value_that_goes_without_saying_is_not_shown():
    error = ParameterError("size", "must be given", None, hint="One is 8 x 8.")
    assert str(error) == "The 'size' parameter must be given. One is 8 x 8."
    assert error.describe_as("--size") == "--size must be given. One is 8 x 8."


def test_the_problem_of_a_download_names_the_file_the_address_and_the_size():
    assert ERRORS[2].problem == (
        "The dataset 'a' cannot be downloaded, and this machine has no copy: no answer.\n"
        "Expected at: /a\n"
        "Download:    https://a (11 MB)"
    )


def test_what_is_unknown_of_a_download_is_left_out():
    error = DownloadError("The file", "no answer", None, None, None, "Log in.")
    assert str(error) == (
        "The file cannot be downloaded, and this machine has no copy: no answer.\nLog in."
    )


def test_the_problem_of_a_download_has_no_remedy():
    assert "Copy it." not in ERRORS[2].problem
    assert str(ERRORS[2]) == f"{ERRORS[2].problem}\nCopy it."


def test_a_missing_file_is_the_builtin_too():
    with pytest.raises(FileNotFoundError, match="must be a file"):
        raise ERRORS[1]
