"""ImageReadError: its attributes, its message, the builtins that it also is, and its copies."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader, ImageReadError
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.errors import (
    ImageIsFolderError,
    ImageNotFoundError,
    ImageOpenError,
    ImagePermissionError,
)

BUILTINS = {
    ImageReadError: ValueError,
    ImageNotFoundError: FileNotFoundError,
    ImageIsFolderError: IsADirectoryError,
    ImageOpenError: OSError,
    ImagePermissionError: PermissionError,
}


@pytest.mark.parametrize("kind", BUILTINS)
def test_each_kind_is_its_builtin_and_a_value_error(kind):
    assert issubclass(kind, ImageReadError)
    assert issubclass(kind, BUILTINS[kind])
    assert issubclass(kind, ValueError)
    assert issubclass(kind, OSError) == (kind is not ImageReadError)


@pytest.mark.parametrize("kind", BUILTINS)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda exc: pickle.loads(pickle.dumps(exc))]
)
def test_copies_keep_everything(kind, duplicate):
    error = kind("it is {odd}", "a {b}.png", remedy="Mend it.")
    error.position = 3
    error.add_note("A note.")
    same = duplicate(error)
    assert type(same) is kind
    assert str(same) == str(error)
    assert vars(same) == vars(error)
    assert same.__notes__ == ["A note."]


def test_the_message_has_the_path_the_cause_the_remedy_and_the_position():
    error = ImageReadError("it is damaged", "a.png", 7, "Replace it.")
    assert str(error) == (
        "The image file 'a.png' cannot be read: it is damaged. Replace it. It is image 7, counted "
        "from 0."
    )
    assert error.problem == (
        "The image file 'a.png' cannot be read: it is damaged. It is image 7, counted from 0."
    )
    assert str(ImageReadError("it is damaged", "a.png")).endswith("read: it is damaged.")
    assert str(ImageReadError("it is damaged", "a.png", 0)).endswith(
        "It is image 0, counted from 0."
    )
    assert str(ImageReadError("it holds NaN", position=0)).startswith("Image 0 of X cannot")
    assert str(ImageReadError("it holds NaN")) == "An image in memory cannot be used: it holds NaN."
    assert str(ImageReadError("it holds NaN", position=2)) == (
        "Image 2 of X cannot be used: it holds NaN."
    )


@pytest.mark.parametrize("kind", BUILTINS)
def test_dask_pickles_it(kind):
    """Importing distributed registers other functions to pickle exceptions with."""
    from distributed.protocol.pickle import dumps, loads

    error = kind("it is damaged", "a.png", 3, "Replace it.")
    same = loads(dumps(error))
    assert (type(same), str(same), vars(same)) == (kind, str(error), vars(error))


def read_in_worker(path):
    return read_image(path)


def test_it_comes_back_from_a_worker(tmp_path):
    with pytest.raises(FileNotFoundError, match="The image file .* does not exist") as caught:
        joblib.Parallel(2)(
            joblib.delayed(read_in_worker)(tmp_path / name) for name in ("a.png", "b.png")
        )
    assert caught.value.cause == "there is no such file"


@pytest.mark.parametrize("lazy", [False, True])
def test_the_position_is_that_in_the_input(tmp_path, lazy):
    paths = [str(tmp_path / f"{i}.png") for i in range(5)]
    for path in paths[:-1]:
        Image.new("L", (4, 4)).save(path)
    images = ImageLoader(4, lazy=True).fit_transform(paths)
    with pytest.raises(ImageReadError) as caught:
        np.asarray(images[2:][::-1] if lazy else ImageLoader(4).fit_transform(paths))
    error = caught.value
    assert (error.path, error.position, error.cause) == (paths[4], 4, "there is no such file")


def test_an_array_has_no_path():
    with pytest.raises(ImageReadError, match="Image 1 of X cannot be used") as caught:
        ImageLoader(4).fit_transform([np.ones((4, 4)), np.zeros((0, 4))])
    assert (caught.value.path, caught.value.position) == (None, 1)


def test_images_of_different_sizes_are_an_error_of_the_size():
    with pytest.raises(ValueError, match="image 0 of X has 2 x 3 .* image 1 of X has 4") as caught:
        ImageLoader().fit_transform([np.zeros((2, 3)), np.zeros((4, 3))])
    assert caught.value.parameter == "size"
