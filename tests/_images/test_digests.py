"""Digests: equal where the pixels are, and different where anything changes them."""

import importlib.metadata

import numpy as np
import pytest
import tifffile
from channel_files import make_channels, save_ome
from PIL import Image, ImageFile

from sklearn_resnet._images.decoding import DecodingOptions, find_channels
from sklearn_resnet._images.digests import hash_channels, hash_item, list_versions
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.items import EncodedImage, UnusableItem

OPTIONS = DecodingOptions(
    size=None,
    resize="crop",
    mode="channels",
    value_range=None,
    channels=None,
    page=None,
    level=None,
    rescale=None,
)
OTHERS = (
    {"size": (4, 4)},
    {"mode": "RGB"},
    {"value_range": (0.0, 9.0)},
    {"page": 0},
    {"level": 0},
    {"rescale": ("percentile", 1.0, 99.0)},
    {"rescale": ("percentile", 0.0, 99.0)},
    {"rescale": ("window",)},
)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """The same image in all forms that have channels of their own."""
    (image,) = make_channels(1)
    (path,) = save_ome(tmp_path_factory.mktemp("images"), [image])
    with open(path, "rb") as file:
        return [path, EncodedImage(file.read(), "a.tif"), image]


@pytest.fixture(params=["file", "content", "array"])
def item(request, items):
    return items[["file", "content", "array"].index(request.param)]


def of_channels(item, n_channels=5, **options):
    return hash_channels(item, OPTIONS | options, None, n_channels)


@pytest.mark.parametrize("changed", [*OTHERS, {"channels": (0, 1)}, {"rescale": ((0.0, 1.0),) * 5}])
def test_the_digest_of_an_image_covers_all_options(item, changed):
    assert hash_item(item, OPTIONS | changed, None) != hash_item(item, OPTIONS, None)


def test_the_digest_of_an_image_covers_how_damaged_files_are_read(item, monkeypatch):
    before = hash_item(item, OPTIONS, None)
    assert hash_item(item, OPTIONS, None) == before
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert hash_item(item, OPTIONS, None) != before


@pytest.mark.parametrize("package", ["pillow", "tifffile", "imagecodecs", "pydicom"])
def test_the_digest_of_an_image_covers_the_versions_of_decoders(package, item, monkeypatch):
    before = hash_item(item, OPTIONS, None)
    find = importlib.metadata.version
    with monkeypatch.context() as patched:
        patched.setattr(
            importlib.metadata, "version", lambda name: "99" if name == package else find(name)
        )
        list_versions.cache_clear()
        assert hash_item(item, OPTIONS, None) != before
    list_versions.cache_clear()
    assert hash_item(item, OPTIONS, None) == before


def test_each_channel_has_a_digest_of_its_own(item):
    digests = of_channels(item)
    assert len(set(digests)) == 5
    assert digests == of_channels(item)


@pytest.mark.parametrize("changed", OTHERS)
def test_the_digest_of_a_channel_covers_all_options_but_the_choice_of_channels(item, changed):
    assert not set(of_channels(item, **changed)) & set(of_channels(item))


def test_another_choice_of_channels_has_the_same_digests(item):
    everything = of_channels(item)
    assert of_channels(item, 2, channels=(3, 1)) == [everything[3], everything[1]]
    assert of_channels(item, 2, channels=(-1, 1)) == [everything[4], everything[1]]
    if not isinstance(item, np.ndarray):
        by_name = of_channels(item, 2, channels=("lamin", "GFP"))
        assert by_name == [everything[4], everything[1]]


def test_channels_are_found_by_name_without_reading_them(items, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("values were read")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", refuse)
    assert find_channels(items[0], OPTIONS | {"channels": ("lamin", "GFP", 0)}) == [4, 1, 0]
    with pytest.raises(ImageReadError, match="no channel 'x'"):
        find_channels(items[0], OPTIONS | {"channels": ("x",)})


def test_a_channel_that_is_not_there_has_a_random_digest(item):
    assert of_channels(item, 1, channels=("x",)) != of_channels(item, 1, channels=("x",))


def test_the_learned_range_of_a_channel_is_part_of_its_digest_alone(item):
    ranges = tuple((0.0, 10.0 + i) for i in range(5))
    everything = of_channels(item, rescale=ranges)
    chosen = of_channels(item, 2, channels=(3, 1), rescale=(ranges[3], ranges[1]))
    assert chosen == [everything[3], everything[1]]
    assert of_channels(item, 2, channels=(3, 1), rescale=(ranges[3], ranges[2]))[0] == chosen[0]
    assert of_channels(item, 2, channels=(3, 1), rescale=(ranges[3], ranges[2]))[1] != chosen[1]


def test_one_range_is_that_of_all_channels(item):
    assert of_channels(item, rescale=((0.0, 9.0),)) == of_channels(item, rescale=((0.0, 9.0),) * 5)


def test_a_false_colour_image_is_another_one_for_each_choice(item):
    first = of_channels(item, 3, mode="RGB", channels=(0, 1, 2))
    assert not set(first) & set(of_channels(item, 3, mode="RGB", channels=(0, 2, 1)))


def test_an_array_is_hashed_with_its_value_range_and_form():
    image = np.zeros((4, 4, 2), np.uint16)
    others = [
        hash_channels(image, OPTIONS, (0.0, 9.0), 2),
        hash_channels(image.view(np.int16), OPTIONS, None, 2),
        hash_channels(image.reshape(2, 8, 2), OPTIONS, None, 2),
    ]
    digests = {digest for each in [of_channels(image, 2), *others] for digest in each}
    assert len(digests) == 8


def test_an_image_of_pillow_has_channels_too():
    image = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    assert len(set(of_channels(image, 3))) == 3


@pytest.mark.parametrize("item", ["none.tif", UnusableItem("it is missing")])
def test_an_image_that_cannot_be_read_has_random_digests(item):
    assert len({*of_channels(item), *of_channels(item)}) == 10
    assert hash_item(item, OPTIONS, None) != hash_item(item, OPTIONS, None)
