"""Whole images of regions: which of them a page holds, and in how many bytes."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet._images.items import Region
from sklearn_resnet.plotting.explorer import overviews
from sklearn_resnet.plotting.explorer.overviews import as_regions, describe_regions, name_images


def save(path, image):
    Image.fromarray(image).save(path)
    return str(path)


def decode(overview):
    return np.asarray(Image.open(io.BytesIO(overview["file"])).convert("RGB"))


def test_each_image_is_held_once(tmp_path):
    paths = [save(tmp_path / f"{i}.png", np.full((20, 30, 3), i * 100, np.uint8)) for i in range(2)]
    array = np.full((10, 12), 250, np.uint8)
    boxes = [(0, 0, 5, 5), (1, 2, 3, 4), (2, 2, 9, 9), (0, 0, 4, 4), (5, 5, 8, 8)]
    sources = [paths[1], paths[0], paths[1], array, array]
    found = describe_regions(list(map(Region, sources, boxes)))
    assert found["boxes"] == list(map(list, boxes))
    assert found["overviewOf"] == [0, 1, 0, 2, 2]
    assert [(each["height"], each["width"]) for each in found["overviews"]] == [(20, 30)] * 2 + [
        (10, 12)
    ]
    for each, shade in zip(found["overviews"], (100, 0, 250), strict=True):
        assert decode(each).shape == (each["height"], each["width"], 3)
        np.testing.assert_allclose(decode(each), shade, atol=4)
    assert (found["pages"], found["overviewNote"]) == (None, "")


def test_pages_are_images_of_their_own(tmp_path):
    path = tmp_path / "stack.tif"
    pages = [Image.new("RGB", (30, 20), (value,) * 3) for value in (10, 100, 200)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    regions = [Region(str(path), (0, 0, 9, 9), page) for page in (2, None, 2)]
    found = describe_regions(regions, page=1)
    assert found["overviewOf"] == [0, 1, 0]
    assert found["pages"] == [2, None, 2]
    assert [decode(each)[0, 0, 0] for each in found["overviews"]] == pytest.approx(
        [200, 100], abs=4
    )


def test_whole_images_need_no_other(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((20, 30), np.uint8))
    found = describe_regions([Region(path), Region(path, (0, 0, 3, 3))])
    assert found["boxes"] == [None, [0, 0, 3, 3]]
    assert found["overviewOf"] == [-1, 0]


def test_an_unreadable_image_is_left_out(tmp_path):
    good = save(tmp_path / "a.png", np.zeros((20, 30), np.uint8))
    regions = [Region(str(tmp_path / "none.png"), (0, 0, 3, 3)), Region(good, (0, 0, 3, 3))]
    found = describe_regions(regions)
    assert found["overviews"][0] is None
    assert found["overviews"][1]["height"] == 20


@pytest.mark.parametrize(("n_images", "side"), [(1, 1600), (8, 1600), (9, 1200), (33, 800)])
def test_more_images_have_fewer_pixels(n_images, side):
    image = np.zeros((10, 2000), np.uint8)
    regions = [Region(image.copy(), (0, 0, 3, 3)) for _ in range(n_images)]
    found = describe_regions(regions)["overviews"]
    assert len(found) == n_images
    assert decode(found[-1]).shape[1] == side
    assert found[-1]["width"] == 2000


def test_all_together_have_a_limit(monkeypatch):
    noise = np.random.RandomState(0).randint(0, 256, (400, 300, 3), np.uint8)
    regions = [Region(noise.copy(), (0, 0, 3, 3)) for _ in range(3)]
    assert sum(len(each["file"]) for each in describe_regions(regions)["overviews"]) > 90_000
    monkeypatch.setattr(overviews, "_MAX_BYTES", 90_000)
    found = describe_regions(regions)["overviews"]
    assert 30_000 < sum(len(each["file"]) for each in found) <= 90_000
    height, width, _ = decode(found[0]).shape
    assert height / width == pytest.approx(4 / 3, rel=0.02)
    assert found[0]["height"] == 400


def test_too_many_images_are_left_out_and_the_page_says_so():
    image = np.zeros((4, 4), np.uint8)
    regions = [Region(image.copy(), (0, 0, 3, 3)) for _ in range(601)]
    found = describe_regions(regions)
    assert found["overviews"] == []
    assert set(found["overviewOf"]) == {-1}
    assert "601 images. It holds at most 600." in found["overviewNote"]
    assert len(found["boxes"]) == 601


def test_images_that_are_no_regions(tmp_path):
    images = np.zeros((2, 4, 4))
    assert as_regions(images) is None
    assert as_regions(list(images)) is None
    assert as_regions(ImageLoader(lazy=True).fit_transform(list(images))) is None
    assert describe_regions(None)["boxes"] is None


def test_names_of_images(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    box = {"top": 0, "left": 0, "bottom": 3, "right": 3}
    first, second = np.zeros((2, 9, 9), np.uint8)
    table = pd.DataFrame({"path": [first, path, second, first], **box})
    lazy = ImageLoader(size=3, lazy=True).fit_transform(table)
    names = ["image 0", path, "image 1", "image 0"]
    assert name_images(lazy, as_regions(lazy)) == names
    assert lazy.regions[1].box == (0, 0, 3, 3)
    assert name_images([path, first], None) == [path, ""]
    assert name_images([first], None) is None
    lazy = ImageLoader(lazy=True).fit_transform([path])
    assert name_images(lazy, as_regions(lazy)) == [path]
    assert name_images(lazy[:0], None) is None
