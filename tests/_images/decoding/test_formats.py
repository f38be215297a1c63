"""Formats by their first bytes, and the packages that read some of them."""

import base64
import io
import sys
import types

import numpy as np
import pytest
import tifffile
from PIL import Image

from sklearn_resnet import ImageLoader, ImageReadError
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.formats import (
    FormatError,
    check_no_raw,
    describe,
    open_other,
    refuse_tiff,
)
from sklearn_resnet._runtime.imports import hidden_module

UNKNOWN = "its content is of no known image format"
# A telephone's photo of 64 x 64 pixels
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABegABAAAAAAAAAH8AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xy"
    "bmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAAIdt"
    "ZGF0AAAAeygBrwa4Y7Dc/9VyP///AWj6H+9g6n/wI42+QJ5ff6ThH//1GGhcGPCBAeXA+6hxlAU4CpT96Dpa+upCeZptwpf80bdp"
    "PjU2FfVNnAnmBK9+GGmyTZxf6bnHuhJzuSnuJ37Ti1DJ5ZmXi+75IQhKimsvt5tuHoz1gtdO/A=="
)
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 17, 3), dtype=np.uint8)
# The start of a JPEG of 5 x 3 pixels of 12 bits, after a segment that holds the mark of a frame
JPEG_12 = (
    b"\xff\xd8\xff\xe0\0\x08JF\xff\xc0\0\0\xff\xc1\0\x0b\x0c\0\x03\0\x05\x01\x01\x11\0\xff\xd9"
)


def accept(shape):
    """No shape is too large."""


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "RAW (CR3)"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "QuickTime"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", "MP4"),
        (b"\x1aE\xdf\xa3\1", "WebM"),
        (b"RIFF\1\2\3\4AVI LIST", "AVI"),
        (b"PK\3\4\x14", "zip"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"a/1.jpg".ljust(257, b"\0") + b"ustar\0", "tar archive"),
        (b"\x93NUMPY\1\0", "NumPy"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><SVG/>", "SVG"),
        (b"\n<!DOCTYPE html><html><svg/></html>", "HTML"),
        (b"<HTML><head>", "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "XML or JSON"),
        (b'{"error": "not found"}', "XML or JSON"),
        (b"404 Not Found\r\n", "a text"),
    ],
)
def test_a_format_is_known_by_its_first_bytes(head, name):
    cause, remedy = describe(head)
    assert name in cause
    assert cause.startswith("it is ") or cause.startswith(f"{UNKNOWN}: it is ")
    assert remedy.endswith(".")
    with pytest.raises(FormatError) as raised:
        open_other(io.BytesIO(head), accept)
    assert (raised.value.cause, raised.value.remedy) == (cause, remedy)


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (b"", "it is empty"),
        (bytes(100), "it begins with zeros, as a copy that was interrupted does"),
        (b"\x07\x99" * 20, UNKNOWN),
        (b"\x01text", UNKNOWN),
        (b"GIF89a\x01", UNKNOWN),
    ],
)
def test_other_first_bytes(head, cause):
    assert describe(head)[0] == cause


def test_no_table_of_bytes_takes_an_image_that_is_read():
    for kind in ("PNG", "GIF", "BMP", "WEBP", "PPM", "TIFF", "AVIF", "JPEG2000"):
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, kind)
        assert describe(file.getvalue())[0] in (
            UNKNOWN,
            "it is an AVIF image that Pillow cannot read",
        )


def test_a_heic_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(HEIC)
    known = set(Image.OPEN)
    image = read_image(path)
    assert image.shape == (64, 64, 3)
    np.testing.assert_allclose(image[0, 0], [254, 0, 0], atol=3)
    assert set(Image.OPEN) == known  # nothing else of this process reads it now


def test_a_heic_of_another_first_brand_is_read(tmp_path):
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC.replace(b"ftypheic", b"ftypmiaf", 1))
    assert read_image(path).shape == (64, 64, 3)


def test_the_thumbnail_of_a_heic_is_not_taken_for_it(tmp_path, monkeypatch):
    import pillow_heif

    class Watched(pillow_heif.HeifImageFile):
        def draft(self, mode, size):
            raise AssertionError("a draft may be the thumbnail")

    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    monkeypatch.setattr(pillow_heif, "HeifImageFile", Watched)
    assert read_image(path, size=(8, 8)).shape == (8, 8, 3)


@pytest.mark.parametrize("options", [{}, {"use_container": True}])
def test_a_jpeg_xl_is_read(tmp_path, options):
    import pillow_jxl  # noqa: F401  registers itself

    path = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).save(path, "JXL", lossless=True, **options)
    np.testing.assert_array_equal(read_image(path), PIXELS)


@pytest.mark.parametrize(
    "shape", [(24, 17), (8, 8), (64, 256), (90, 160), (75, 100), (640, 960), (1, 5000), (600, 300)]
)
@pytest.mark.parametrize("use_container", [False, True])
def test_the_shape_of_a_jpeg_xl_is_checked_before_it_is_decoded(tmp_path, shape, use_container):
    import pillow_jxl

    path = tmp_path / "a.jxl"
    exif = Image.Exif()
    exif[271] = "maker"
    image = Image.new("L", shape[::-1])
    image.save(path, "JXL", lossless=True, use_container=use_container, exif=exif.tobytes())
    cut = tmp_path / "cut.jxl"
    cut.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ImageReadError, match=f"{shape[0]} x {shape[1]} pixels, more than"):
        read_image(cut, max_pixels=shape[0] * shape[1] - 1)
    with pytest.raises(ImageReadError, match="it is a damaged JPEG XL image"):
        read_image(cut)
    assert read_image(path, max_pixels=shape[0] * shape[1]).shape == (*shape, 3)
    assert pillow_jxl.__name__ in sys.modules


def test_bombs_of_plugins_are_refused(tmp_path):
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    with pytest.raises(ImageReadError, match="64 x 64 pixels, more than the limit of 4095"):
        read_image(path, max_pixels=4095)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (HEIC[:200], "."),
        (b"\xff\x0a\0", "it is a damaged JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "it is a damaged JPEG XL image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x08jxlc\xff\x0a", "it is a damaged JPEG XL image"),
        (b"\xff\xd8\xff\xe0\0\x08JF", "."),
    ],
)
def test_damaged_files_of_plugins_are_named(tmp_path, content, cause):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=rf"a\.jpg' cannot be read: {cause}"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "name", "module", "extra"),
    [
        (HEIC, "A HEIC image", "pillow_heif", "heif"),
        (b"\xff\x0a\0\0", "A JPEG XL image", "pillow_jxl", "jxl"),
        (JPEG_12, "A JPEG of 12 bits", "imagecodecs", "tiff"),
    ],
)
def test_without_its_package_the_error_names_the_extra(tmp_path, content, name, module, extra):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with hidden_module(module), pytest.raises(ImageReadError) as raised:
        ImageLoader(8).fit_transform([path])
    assert f"{name} needs {module}, which cannot be imported" in raised.value.cause
    assert raised.value.remedy == f"Install it with: pip install 'sklearn-resnet[{extra}]'."
    with hidden_module(module):
        images = ImageLoader(8, lazy=True, on_error="nan").fit_transform([path, PIXELS])
        assert next(iter(images.batches(2))).shape == (2, 8, 8, 3)
    assert list(images.failures) == [0]


class _Codecs(types.ModuleType):
    """imagecodecs, as far as it is used."""

    n_decoded = 0

    def jpeg8_decode(self, content):
        assert content == JPEG_12
        self.n_decoded += 1
        return np.array([[0, 2047, 4095, 16, 4080]] * 3, np.uint16)


def test_a_jpeg_of_12_bits_is_scaled_from_12_bits(tmp_path, monkeypatch):
    codecs = _Codecs("imagecodecs")
    monkeypatch.setitem(sys.modules, "imagecodecs", codecs)
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG_12)
    image = read_image(path, mode="L", max_pixels=15)
    np.testing.assert_array_equal(image, [[0, 127, 255, 1, 254]] * 3)
    with pytest.raises(ImageReadError, match="3 x 5 pixels, more than the limit of 14"):
        read_image(path, max_pixels=14)
    assert codecs.n_decoded == 1
    image = read_image(path, mode="L", value_range=(0, 16))
    np.testing.assert_array_equal(image[0], [0, 255, 255, 255, 255])


def tiff(**options):
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS, photometric="rgb", **options)
    file.seek(0)
    return tifffile.TiffFile(file).pages[0]


class _Page:
    """A page of a TIFF, as far as it is used."""

    def __init__(self, compression, predictor=1):
        self.compression = compression
        self.predictor = predictor


def test_a_tiff_that_only_imagecodecs_decodes_names_the_extra():
    with hidden_module("imagecodecs"), pytest.raises(FormatError) as raised:
        refuse_tiff("the compression LERC")
    assert "LERC" in raised.value.cause
    assert "sklearn-resnet[tiff]" in raised.value.remedy


@pytest.mark.parametrize(
    ("start", "tags"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", {}),
        (b"II*\0\x08\0\0\0", {50706: (1, 4, 0, 0)}),
        (b"II*\0\x08\0\0\0", {254: 1, 271: "NIKON CORPORATION", 330: (99, 100)}),
        (b"II*\0\x08\0\0\0", {262: 32803}),
    ],
)
def test_a_camera_raw_is_refused(start, tags):
    with pytest.raises(FormatError, match="a camera RAW"):
        check_no_raw(io.BytesIO(start), tags)


@pytest.mark.parametrize("tags", [{}, {254: 1}, {254: 0, 271: "NIKON", 330: (9,)}, {262: 2}])
def test_other_tiffs_are_no_camera_raw(tags):
    check_no_raw(io.BytesIO(b"II*\0\x08\0\0\0"), tags)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.float64]
)  # Pillow reads the first, tifffile the other
def test_a_dng_is_not_read_as_its_preview(tmp_path, dtype):
    path = tmp_path / "a.dng"
    version = [(50706, "B", 4, (1, 4, 0, 0), True)]
    tifffile.imwrite(path, PIXELS[..., 0].astype(dtype), extratags=version)
    with pytest.raises(ImageReadError, match="it is a camera RAW"):
        read_image(path)
