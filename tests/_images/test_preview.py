"""Lazy images in a notebook: a text, and thumbnails of a few."""

import base64
import io
import re
import time

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet._images import lazy
from sklearn_resnet._images.preview import describe_in_html


@pytest.fixture
def paths(tmp_path):
    """Twenty files; the colour of each is its number."""
    for i in range(20):
        Image.new("RGB", (30, 20), (i * 10, 0, 0)).save(tmp_path / f"{i:02}.png")
    return sorted(map(str, tmp_path.iterdir()))


def find_thumbnails(html):
    sources = re.findall(r'<img src="data:image/png;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


def test_eight_images_are_shown_and_only_these_are_read(paths):
    images = ImageLoader(lazy=True).fit_transform(paths)
    chosen = [0, 2, 5, 8, 10, 13, 16, 19]
    for i in set(range(20)) - set(chosen):
        paths[i] = images.items[i] = "/absent.png"
    html = images._repr_html_()
    shown = find_thumbnails(html)
    assert [image.getpixel((5, 5))[0] // 10 for image in shown] == chosen
    assert {image.size for image in shown} == {(30, 20)}
    assert "&lt;LazyImages: 20 of size of the first, not decoded yet&gt;" in html
    assert "(20, 30, 3), dtype: uint8" in html
    assert repr(images) == "<LazyImages: 20 of size of the first, not decoded yet>"


@pytest.mark.parametrize("options", [{}, {"size": 8}, {"mode": "channels"}, {"mode": "L"}])
def test_an_unreadable_image_leaves_a_place_and_no_trace(paths, options):
    images = ImageLoader(lazy=True, **options).fit_transform([*paths[:2], "/absent.png"])
    html = images._repr_html_()
    assert len(find_thumbnails(html)) == 2
    assert html.count(">no image<") == 1
    assert images.on_error == "raise"
    assert images.failures == {}


@pytest.mark.parametrize("options", [{}, {"size": 8}, {"mode": "channels"}])
def test_a_view_never_fails(options):
    loader = ImageLoader(lazy=True, **options)
    images = loader.fit_transform(["/absent.png", "/gone.png"])
    assert images._repr_html_().count(">no image<") == 2
    assert find_thumbnails(images[:0]._repr_html_()) == []


def test_images_of_other_channels_are_composites():
    pixels = np.zeros((2, 8, 8, 5), np.uint16)
    pixels[..., 0] = np.arange(64).reshape(8, 8) * 100
    images = ImageLoader(mode="channels", lazy=True).fit_transform(list(pixels))
    html = images._repr_html_()
    assert "(8, 8, 5), dtype: uint16" in html
    assert [image.getpixel((7, 7)) for image in find_thumbnails(html)] == [(0, 255, 255)] * 2


def test_names_are_text(tmp_path):
    name = '"><script>alert(1)<\\script>\udc80.png'
    html = ImageLoader(8, lazy=True).fit_transform([name])._repr_html_()
    assert "<script>" not in html
    assert "image 0: &quot;&gt;&lt;script&gt;alert(1)&lt;\\script&gt;\\udc80.png" in html
    html.encode()


def test_slow_files_do_not_hold_up_a_view(paths, monkeypatch):
    monkeypatch.setattr(
        lazy.LazyImages, "_load_or_record", lambda *args, **options: time.sleep(0.5)
    )
    images = ImageLoader(8, lazy=True).fit_transform(paths)
    start = time.perf_counter()
    html = describe_in_html(images, seconds=0.05)
    assert time.perf_counter() - start < 0.4
    assert "Reading 8 of them takes longer than 0.05 s." in html
    time.sleep(1)  # until the thread has ended


def test_a_hundred_thousand_files_are_no_more_work_than_eight(paths):
    images = ImageLoader(8, lazy=True).fit_transform(paths * 5000)
    start = time.perf_counter()
    assert len(find_thumbnails(images._repr_html_())) == 8
    assert time.perf_counter() - start < 1.5
