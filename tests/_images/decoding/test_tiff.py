"""TIFF files: pages, extra samples, no data, packed samples. `test_variants` has all kinds of them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.errors import ImageReadError

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
NO_DATA_TAG = 42113


def read_with_remarks(path, **options):
    reports = []
    image = read_image(path, mode="L", report=reports.append, **options)
    return image, [(r.problem, r.detail) for r in reports if hasattr(r, "problem")]


def test_a_thumbnail_before_the_image_is_passed_over(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY[::2, ::2], subfiletype=1)
        file.write(GREY[::2, ::2] > 9, subfiletype=4)
        file.write(GREY, subfiletype=0)
    image, remarks = read_with_remarks(tmp_path / "a.tif")
    np.testing.assert_array_equal(image, GREY)
    assert remarks == []


def test_a_pyramid_gives_its_full_resolution_without_a_remark(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, subifds=1)
        file.write(GREY[::2, ::2], subfiletype=1)
        file.write(GREY[::4, ::4], subfiletype=1)
    image, remarks = read_with_remarks(tmp_path / "a.tif")
    np.testing.assert_array_equal(image, GREY)
    assert remarks == []


STACK = np.stack([GREY, GREY + 1, GREY + 2])


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "ome": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack", "truncate": True},
        {"photometric": "minisblack", "compression": "lzw"},
    ],
    ids=["pages", "OME", "ImageJ", "truncated", "LZW"],
)
def test_pages_that_are_left_out_are_counted(tmp_path, options):
    if options.get("compression") == "lzw":
        pages = [Image.fromarray(page) for page in STACK]
        pages[0].save(
            tmp_path / "a.tif", compression="tiff_lzw", save_all=True, append_images=pages[1:]
        )
    else:
        tifffile.imwrite(tmp_path / "a.tif", STACK, **options)
    image, remarks = read_with_remarks(tmp_path / "a.tif")
    np.testing.assert_array_equal(image, GREY)
    assert remarks == [("only the first page was read", "3 pages")]


def test_a_chain_of_pages_that_is_a_circle_ends(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="minisblack", byteorder="<")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        first, last = file.pages[0], file.pages[2]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    next_page = last.offset + 2 + 12 * len(last.tags)
    assert content[next_page : next_page + 4] == bytes(4)
    content[next_page : next_page + 4] = first.offset.to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(content)
    image, remarks = read_with_remarks(tmp_path / "a.tif")
    np.testing.assert_array_equal(image, GREY)
    assert remarks[0][1] == "3 pages"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_infrared_is_no_alpha_and_its_absence_is_told(tmp_path, dtype, planar):
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    bands = np.tile(np.array([1, 0.4, 0, 0.2]) * white, (6, 7, 1)).astype(dtype)
    bands = bands if planar == "contig" else np.moveaxis(bands, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif",
        bands,
        photometric="rgb",
        planarconfig=planar,
        extrasamples=["unspecified"],
    )
    reports = []
    image = read_image(tmp_path / "a.tif", report=reports.append)
    assert abs(image.astype(int) - [255, 102, 0]).max() <= 1
    (detail,) = [report.detail for report in reports if hasattr(report, "problem")]
    assert detail == "4 samples per pixel, 1 unspecified"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("text", ["-9999", "nan", "-3.4028234663852886e+38", "-9999.9"])
def test_no_data_is_left_out_of_the_range_and_white(tmp_path, dtype, text):
    elevations = np.linspace(100, 900, 35).reshape(5, 7).astype(dtype)
    elevations[0, 0] = dtype(text)
    tag = (NO_DATA_TAG, "s", len(text) + 1, text, True)
    tifffile.imwrite(tmp_path / "a.tif", elevations, extratags=[tag])
    image = read_image(tmp_path / "a.tif", mode="L", value_range=(100, 900))
    assert image[0, 0] == 255
    expected = np.rint((elevations.ravel()[1:] - 100) * 255 / 800)
    assert abs(image.ravel()[1:] - expected).max() <= 1


@pytest.mark.parametrize("text", ["none", "0.5", "", "300"])
def test_no_data_that_no_sample_can_have_changes_nothing(tmp_path, text):
    tag = (NO_DATA_TAG, "s", len(text) + 1, text, True)
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[tag])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", mode="L"), GREY)


def test_a_colour_space_that_is_not_known_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["PhotometricInterpretation"].overwrite(tifffile.PHOTOMETRIC.LOGLUV)
    with pytest.raises(ImageReadError, match="PhotometricInterpretation"):
        read_image(tmp_path / "a.tif")


def test_a_volume_is_named(tmp_path):
    volume = np.zeros((4, 32, 32), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", volume, volumetric=True, tile=(4, 16, 16), photometric="minisblack"
    )
    with pytest.raises(ImageReadError, match="it holds a volume, not an image"):
        read_image(tmp_path / "a.tif")


def test_a_palette_of_8_bits_is_taken_as_it_is(tmp_path):
    """Some writers store 8 bits where the format has 16."""
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 1] = 200, 30, 60
    tifffile.imwrite(
        tmp_path / "a.tif", np.ones((2, 3), np.uint8), photometric="palette", colormap=colours
    )
    assert (read_image(tmp_path / "a.tif") == (200, 30, 60)).all()


def test_jpeg_in_tiff_has_the_colours_of_the_jpeg(tmp_path):
    pixels = np.repeat(
        np.repeat(np.array([[(200, 30, 60), (20, 120, 220)]], np.uint8), 16, 0), 16, 1
    )
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="jpeg", quality=100)
    assert abs(read_image(tmp_path / "a.tif").astype(int) - pixels).max() <= 4


def test_a_bomb_is_refused_where_nobody_sets_a_limit(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(20_000)
    with pytest.raises(
        ImageReadError, match="400000000 pixels, which could be a decompression bomb"
    ):
        read_image(tmp_path / "a.tif")


def test_an_order_of_samples_that_does_not_exist_is_refused(tmp_path):
    """tifffile leaves memory as it was for such samples."""
    colours = np.zeros((40, 30, 3), np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", colours, photometric="rgb", rowsperstrip=8, compression="zlib"
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["PlanarConfiguration"].overwrite(78)
    with pytest.raises(ImageReadError, match="of the order 78 .PlanarConfiguration. are not"):
        read_image(tmp_path / "a.tif")
