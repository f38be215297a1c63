"""FITS: images, cubes and extensions, as astropy reads them."""

import io

import numpy as np
import pytest
from astropy.io import fits

from sklearn_resnet import ImageReadError
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.fits import decode_fits
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.selection import Selection
from sklearn_resnet._images.items import EncodedImage
from sklearn_resnet._runtime.imports import hidden_module

CUBE = np.random.default_rng(0).integers(0, 2**16, (5, 12, 16)).astype(np.uint16)
IMAGE = CUBE[0]


def write(*hdus):
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def decode(content, dataset=None, **selection):
    return decode_fits(io.BytesIO(content), Selection(**selection), 10**6, print, dataset=dataset)


def read(content, **options):
    return read_image(EncodedImage(content), **options)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_each_dtype_is_read_as_astropy_reads_it(dtype):
    image = (IMAGE // 256).astype(dtype)
    content = write(fits.PrimaryHDU(image))
    pixels = decode(content)
    np.testing.assert_array_equal(pixels.samples[..., 0], image)
    assert pixels.samples.dtype.isnative
    assert pixels.bits == {"u1": 8, "u2": 16}.get(dtype)
    channels = read(content, mode="channels")
    np.testing.assert_array_equal(channels[..., 0], image)
    assert channels.dtype == {"u1": np.uint8, "u2": np.uint16}.get(dtype, np.float32)


def test_undefined_pixels_are_no_data():
    image = IMAGE.astype(np.float32)
    image[0, 0] = np.nan
    content = write(fits.PrimaryHDU(image))
    assert read(content, mode="channels")[0, 0] == 0
    assert read(content, mode="L")[0, 0] == 255
    assert read(content, mode="L", value_range=(0, 65535))[0, 1] == np.rint(IMAGE[0, 1] / 257)
    blank = fits.PrimaryHDU(IMAGE.astype(np.int32))
    blank.header["BLANK"] = int(IMAGE[0, 1])
    samples = decode(write(blank)).samples[..., 0]
    assert np.isnan(samples[0, 1])
    np.testing.assert_array_equal(samples[1:], IMAGE[1:])


def test_a_cube_has_channels_or_pages():
    content = write(fits.PrimaryHDU(CUBE))
    channels = read(content, mode="channels")
    np.testing.assert_array_equal(channels, np.moveaxis(CUBE, 0, -1))
    same = read(content, mode="channels", page="channels")
    np.testing.assert_array_equal(same, channels)
    chosen = read(content, mode="channels", channels=(4, 1))
    np.testing.assert_array_equal(chosen, np.moveaxis(CUBE[[4, 1]], 0, -1))
    for page in (0, 3, -1):
        read_page = read(content, mode="channels", page=page)
        np.testing.assert_array_equal(read_page[..., 0], CUBE[page])
    np.testing.assert_array_equal(
        read(content, mode="channels", page="max")[..., 0], CUBE.max(axis=0)
    )
    with pytest.raises(ImageReadError, match=r"it has 5 channels .*mode='channels'"):
        read(content)


def test_axes_of_one_entry_do_not_count():
    content = write(fits.PrimaryHDU(IMAGE[np.newaxis, np.newaxis]))
    np.testing.assert_array_equal(decode(content).samples[..., 0], IMAGE)
    assert decode(content).space == "grey"
    content = write(fits.PrimaryHDU(CUBE[:, np.newaxis]))
    np.testing.assert_array_equal(read(content, mode="channels"), np.moveaxis(CUBE, 0, -1))


def test_a_time_series_is_no_image():
    hdu = fits.PrimaryHDU(CUBE)
    hdu.header["CTYPE3"] = "UTC"
    with pytest.raises(FormatError, match="its axes are T 5, Y 12, X 16"):
        decode(write(hdu), mode="channels")
    np.testing.assert_array_equal(decode(write(hdu), page=2).samples[..., 0], CUBE[2])


def test_a_series_of_cubes():
    hdu = fits.PrimaryHDU(np.stack([CUBE, CUBE // 2]))
    hdu.header["CTYPE4"] = "TIME"
    samples = decode(write(hdu), mode="channels", page=3).samples
    np.testing.assert_array_equal(samples[..., 0], CUBE[3])
    with pytest.raises(FormatError, match="its axes are T 2, C 5, Y 12, X 16"):
        decode(write(hdu), mode="channels")
    with pytest.raises(FormatError, match="too many axes"):
        decode(write(fits.PrimaryHDU(np.zeros((2, 2, 2, 4, 4)))), mode="channels", page=0)


def test_extensions_are_named():
    content = write(
        fits.PrimaryHDU(),
        fits.ImageHDU(CUBE[0], name="SCI", ver=1),
        fits.ImageHDU(CUBE[1], name="SCI", ver=2),
        fits.CompImageHDU(CUBE[2], name="PACKED"),
        fits.ImageHDU(CUBE[3]),
        fits.BinTableHDU.from_columns([fits.Column(name="a", format="E", array=[1.0])]),
    )
    names = {"sci": 0, "SCI,2": 1, "2": 1, "PACKED": 2, "4": 3}
    for name, i in names.items():
        np.testing.assert_array_equal(decode(content, name).samples[..., 0], CUBE[i])
    listed = r"'SCI,1' \(12, 16\), 'SCI,2' \(12, 16\), 'PACKED,1' \(12, 16\), '4' \(12, 16\)"
    with pytest.raises(FormatError, match=f"holds several arrays: {listed}"):
        decode(content)
    for name in ("ERR", "5", "9"):
        with pytest.raises(FormatError, match=f"has no array '{name}', but {listed}"):
            decode(content, name)


def test_the_name_follows_the_path(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(write(fits.PrimaryHDU(CUBE[0]), fits.ImageHDU(CUBE[1], name="ERR")))
    np.testing.assert_array_equal(read_image(f"{path}::err", mode="channels")[..., 0], CUBE[1])
    np.testing.assert_array_equal(read_image(f"{path}::0", mode="channels")[..., 0], CUBE[0])


def test_a_file_without_an_image_is_named():
    with pytest.raises(FormatError, match="it holds no array of numbers with 2 or more"):
        decode(write(fits.PrimaryHDU(np.zeros(9))))


@pytest.mark.parametrize("n_bytes", [100, 2880, 2999])
def test_a_file_that_ends_too_early_is_named(n_bytes):
    with pytest.raises(ImageReadError):
        read(write(fits.PrimaryHDU(IMAGE))[:n_bytes])


def test_there_is_one_level():
    content = write(fits.PrimaryHDU(IMAGE))
    assert decode(content, level=0).samples.any()
    with pytest.raises(FormatError, match="it has no level 1 of resolution, only 0"):
        decode(content, level=1)


def test_the_limit_of_pixels_holds():
    content = write(fits.PrimaryHDU(IMAGE))
    content = content.replace(b"NAXIS1  =                   16", b"NAXIS1  =             16000000")
    with pytest.raises(ImageReadError, match="12 x 16000000 pixels, more than the limit"):
        read(content, max_pixels=10**6)


def test_astropy_that_is_missing_names_the_extra():
    with hidden_module("astropy.io.fits"), pytest.raises(ImageReadError) as raised:
        read(write(fits.PrimaryHDU(IMAGE)))
    assert str(raised.value).endswith("pip install 'sklearn-resnet[fits]'.")
