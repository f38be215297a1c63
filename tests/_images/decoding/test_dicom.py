"""DICOM: what a file says of its pixels, pydicom's own files, and the privacy of patients."""

import io
import logging
import pickle
import traceback
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import SECRET, make_dicom, make_item, make_table
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from sklearn_resnet import ImageReadError
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.dicom import decode_dicom
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.selection import Selection
from sklearn_resnet._images.items import EncodedImage
from sklearn_resnet._runtime.imports import hidden_module

DATA = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    path
    for path in DATA.rglob("*")
    if path.is_file() and (path.suffix in (".dcm", ".gz") or b"DICM" in path.read_bytes()[:132])
)
# RT plans, structure sets, reports, waveforms, palettes, directories and parts of data sets
NO_IMAGE = {
    *("ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "UN_sequence.dcm", "test-SR.dcm"),
    *("empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "no_meta.dcm"),
    *("no_meta_group_length.dcm", "priv_SQ.dcm", "reportsi.dcm", "rtplan.dcm", "rtstruct.dcm"),
    *("reportsi_with_empty_number_tags.dcm", "rtplan_truncated.dcm", "waveform_ecg.dcm"),
    *("chrJapMulti.dcm", "chrJapMultiExplicitIR6.dcm", "chrKoreanMulti.dcm", "zipMR.gz"),
    *("chrSQEncoding.dcm", "chrSQEncoding1.dcm", "fall.dcm", "hotiron.dcm", "hotmetalblue.dcm"),
    *("DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-empty.dcm", "DICOMDIR-implicit"),
    *("DICOMDIR-nooffset", "DICOMDIR-nopatient", "DICOMDIR-reordered"),
    *("pet.dcm", "pet20step.dcm", "spring.dcm", "summer.dcm", "winter.dcm"),
}
DAMAGED = {"JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm", "badVR.dcm"}
# Those that pydicom decodes only with packages under the GPL, and imagecodecs with none
OF_IMAGECODECS = {
    *("JPEG-lossy.dcm", "JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm"),
    *("JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jls_lossy_line.dcm"),
    *("SC_rgb_jls_lossy_sample.dcm", "SC_rgb_jpeg_gdcm.dcm"),
}
GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)


def decode(content, **selection):
    """The record of a file."""
    return decode_dicom(io.BytesIO(content), Selection(**selection), 10**7, print)


def read(content, **options):
    return read_image(EncodedImage(content), **options)


def read_by_pydicom(path):
    """The frames of a file after pydicom's modality transform, and after its window or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(path)
        frames, windowed = data.pixel_array, None
        if data.PhotometricInterpretation == "PALETTE COLOR":
            frames = apply_color_lut(frames, data)
        elif data.PhotometricInterpretation.startswith("MONO"):
            frames = apply_modality_lut(frames, data)
            if "WindowWidth" in data:
                windowed = apply_voi_lut(frames, data)
                low, high = value_limits(data)
                windowed = (windowed - low) / (high - low)
    n_frames = int(data.get("NumberOfFrames") or 1)
    return (frames if n_frames > 1 else frames[np.newaxis]), windowed, data


def value_limits(data):
    """The range to which pydicom applies a window: that of the stored values."""
    low, high = 0, 2**data.BitsStored - 1
    if data.PixelRepresentation == 1:
        low, high = -(2 ** (data.BitsStored - 1)), 2 ** (data.BitsStored - 1) - 1
    slope, intercept = data.get("RescaleSlope", 1), data.get("RescaleIntercept", 0)
    return low * float(slope) + float(intercept), high * float(slope) + float(intercept)


def test_there_are_as_many_files_of_pydicom_as_were_sorted():
    names = {path.name for path in FILES}
    assert names >= NO_IMAGE | DAMAGED | OF_IMAGECODECS
    assert len(names - NO_IMAGE - DAMAGED - OF_IMAGECODECS) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pydicoms_files_are_read_as_pydicom_reads_them_or_named(path):
    content = path.read_bytes()
    if path.name in OF_IMAGECODECS:
        pytest.importorskip("imagecodecs")
    is_image = path.name not in NO_IMAGE and "TINY_ALPHA" not in path.parts
    if not is_image or path.name in DAMAGED:
        cause = "damaged" if is_image else "no DICOM file|a DICOM file without an image"
        with pytest.raises(FormatError, match=cause):
            decode(content, page=0)
        return
    if path.name in OF_IMAGECODECS:
        assert decode(content).samples.std() > 1  # the next test compares some of them
        return
    frames, windowed, data = read_by_pydicom(path)
    for i, expected in enumerate(frames):
        pixels = decode(content, page=i)
        expected = expected.astype(np.float32) if expected.dtype == np.float64 else expected
        np.testing.assert_array_equal(np.squeeze(pixels.samples), np.squeeze(expected))
    assert pixels.white_is_zero == (data.PhotometricInterpretation == "MONOCHROME1")
    if windowed is not None:
        pixels = decode(content, window=True)
        assert pixels.window_range == (0, 1)
        np.testing.assert_allclose(pixels.samples[..., 0], windowed, atol=1e-6)
        shown = read(content, mode="L", rescale=("window",))
        windowed = 1 - windowed if pixels.white_is_zero else windowed
        np.testing.assert_array_less(np.abs(shown - windowed * 255), 0.51)


def read_file(name):
    return (DATA / "test_files" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"),
    ],
)
def test_a_codec_without_loss_gives_the_values_of_the_file_without_it(name, same):
    pytest.importorskip("imagecodecs")
    decoded, expected = decode(read_file(name)), decode(read_file(same))
    np.testing.assert_array_equal(decoded.samples, expected.samples)
    assert decoded.samples.dtype == expected.samples.dtype
    assert decoded.bits == expected.bits


@pytest.mark.parametrize("name", ["SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm"])
def test_a_codec_of_little_loss_is_near(name):
    pytest.importorskip("imagecodecs")
    expected = decode(read_file("SC_rgb_rle.dcm")).samples.astype(int)
    assert np.abs(decode(read_file(name)).samples - expected).max() <= 10


@pytest.mark.parametrize("name", sorted(OF_IMAGECODECS))
def test_a_codec_that_is_missing_names_the_extra(name):
    with hidden_module("imagecodecs"), pytest.raises(FormatError) as raised:
        decode(read_file(name))
    assert "transfer syntax 'JPEG" in raised.value.cause
    assert "needs imagecodecs" in raised.value.cause
    assert raised.value.remedy == "Install it with: pip install 'sklearn-resnet[dicom]'."


def test_pydicom_that_is_missing_names_the_extra():
    with hidden_module("pydicom"), pytest.raises(ImageReadError) as raised:
        read(make_dicom(GREY))
    assert str(raised.value).endswith("pip install 'sklearn-resnet[dicom]'.")


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_syntaxes_without_compression(syntax):
    np.testing.assert_array_equal(decode(make_dicom(DEEP, syntax=syntax)).samples[..., 0], DEEP)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.3.4.5"])
def test_an_unknown_transfer_syntax_is_named_if_it_is_of_the_standard(syntax):
    old, new = (
        f"{uid}\0"[: len(uid) + len(uid) % 2].encode() for uid in ("1.2.840.10008.1.2.1", syntax)
    )
    content = make_dicom(GREY).replace(
        b"\x10\0UI" + len(old).to_bytes(2, "little") + old,
        b"\x10\0UI" + len(new).to_bytes(2, "little") + new,
    )
    with pytest.raises(FormatError) as raised:
        decode(content)
    assert "transfer syntax" in raised.value.cause
    assert ("MPEG2" in raised.value.cause) == (syntax != "1.2.3.4.5")
    assert "1.2.3" not in raised.value.cause


def test_the_significant_bits_are_the_depth():
    pixels = decode(make_dicom(DEEP, bits=12))
    assert (pixels.bits, pixels.space, pixels.samples.dtype) == (12, "grey", np.uint16)
    np.testing.assert_array_equal(
        read(make_dicom(DEEP, bits=12), mode="L"), np.rint(DEEP / 4095 * 255)
    )


def test_0_is_white_in_monochrome1():
    content = make_dicom(GREY, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read(content, mode="L"), 255 - GREY)
    window = {"WindowCenter": 128, "WindowWidth": 256}
    content = make_dicom(GREY, PhotometricInterpretation="MONOCHROME1", **window)
    windowed = read(content, mode="L", rescale=("window",))
    np.testing.assert_allclose(windowed, 255 - GREY.astype(float), atol=1)


def test_slope_and_intercept_give_the_units_of_the_modality():
    content = make_dicom(DEEP, bits=12, RescaleSlope=0.5, RescaleIntercept=-1024)
    pixels = decode(content)
    np.testing.assert_array_equal(pixels.samples[..., 0], DEEP * 0.5 - 1024)
    assert pixels.samples.dtype == np.float32
    assert pixels.bits is None
    shown = read(content, mode="L", value_range=(-1024, -1024 + 0.5 * 4095))
    np.testing.assert_array_equal(shown, np.rint(DEEP / 4095 * 255))


def test_a_slope_of_1_keeps_the_stored_values():
    pixels = decode(make_dicom(DEEP, bits=12, RescaleSlope=1, RescaleIntercept=0))
    assert (pixels.samples.dtype, pixels.bits) == (np.uint16, 12)


def test_the_first_of_several_windows_is_applied():
    content = make_dicom(DEEP, bits=12, WindowCenter=[1000, 9], WindowWidth=[501, 9])
    pixels = decode(content, window=True)
    expected = np.clip((DEEP - 999.5) / 500 + 0.5, 0, 1)
    np.testing.assert_allclose(pixels.samples[..., 0], expected, atol=1e-6)
    assert decode(content).window_range is None
    with pytest.raises(ImageReadError, match="has no window, which rescale='window' applies"):
        read(make_dicom(DEEP), rescale=("window",))
    with pytest.raises(ImageReadError, match="has no window"):
        read(make_dicom(np.dstack([GREY] * 3), WindowCenter=9, WindowWidth=9), rescale=("window",))


def test_a_window_keeps_the_depth_of_channels():
    window = {"WindowCenter": 1000, "WindowWidth": 501}
    channels = read(make_dicom(DEEP, bits=12, **window), mode="channels", rescale=("window",))
    expected = np.clip((DEEP - 999.5) / 500 + 0.5, 0, 1)
    assert channels.dtype == np.uint16
    np.testing.assert_array_equal(channels[..., 0], np.rint(expected * 65535))
    content = make_dicom(DEEP, RescaleSlope=2, RescaleIntercept=0, **window)
    channels = read(content, mode="channels", rescale=("window",))
    assert channels.dtype == np.float32
    np.testing.assert_allclose(
        channels[..., 0], np.clip((2.0 * DEEP - 999.5) / 500 + 0.5, 0, 1), atol=1e-6
    )


def test_pixels_of_padding_are_no_data():
    content = make_dicom(
        DEEP.astype(np.int16) - 2000, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1980,
        RescaleSlope=2, RescaleIntercept=10, WindowCenter=0, WindowWidth=2000,
    )  # fmt: skip
    pixels = decode(content)
    assert pixels.no_data == -3990
    assert (pixels.samples == pixels.no_data).sum() == 2
    assert read(content, mode="channels")[0, 0] == 0
    assert read(content, mode="L", rescale=("window",))[0, 0] == 0
    inverted = pydicom.dcmread(io.BytesIO(content))
    inverted.PhotometricInterpretation = "MONOCHROME1"
    file = io.BytesIO()
    inverted.save_as(file)
    assert read(file.getvalue(), mode="L", rescale=("window",))[0, 0] == 0  # black all the same
    assert read(file.getvalue(), mode="L", rescale=("window",))[0, 2] == 255


def test_padding_whose_type_does_not_know_the_sign():
    content = make_dicom(np.array([[-2000, 5]], np.int16))
    data = pydicom.dcmread(io.BytesIO(content))
    data.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    file = io.BytesIO()
    data.save_as(file)
    assert decode(file.getvalue()).no_data == -2000


@pytest.mark.parametrize(
    ("elements", "axes"),
    [
        ({}, "Q"),
        ({"FrameIncrementPointer": 0x00181063, "FrameTime": 40}, "T"),
        ({"FrameIncrementPointer": 0x3004000C, "GridFrameOffsetVector": [0, 1, 2]}, "Z"),
        ({"TotalPixelMatrixColumns": 999}, "P"),
    ],
)
def test_frames_are_pages_times_depths_or_tiles(elements, axes):
    frames = np.stack([GREY // 3, GREY, GREY // 2])
    content = make_dicom(frames, **elements)
    for page in (0, 1, -1):
        np.testing.assert_array_equal(decode(content, page=page).samples[..., 0], frames[page])
    if axes in "TP":
        with pytest.raises(FormatError, match=f"its axes are {axes} 3, Y 16, X 16"):
            decode(content)
    else:
        reports = []
        decode_dicom(io.BytesIO(content), Selection(), None, reports.append)
        assert [report.detail for report in reports] == ["3 pages"]
        np.testing.assert_array_equal(decode(content, page="max").samples[..., 0], GREY)
        channels = decode(content, page="channels", channels=(2, 1)).samples
        np.testing.assert_array_equal(channels, np.moveaxis(frames[[2, 1]], 0, -1))


def test_each_frame_has_its_own_transform_and_window():
    frames = np.stack([GREY, GREY])
    groups = [
        make_item(
            PixelValueTransformationSequence=[make_item(RescaleSlope=slope, RescaleIntercept=1)],
            FrameVOILUTSequence=[make_item(WindowCenter=slope * 100, WindowWidth=101)],
        )
        for slope in (1, 2)
    ]
    content = make_dicom(frames, PerFrameFunctionalGroupsSequence=groups, PixelPaddingValue=0)
    for page, slope in enumerate((1, 2)):
        pixels = decode(content, page=page)
        np.testing.assert_array_equal(pixels.samples[1:, :, 0], slope * GREY[1:].astype(float) + 1)
        windowed = decode(content, page=page, window=True).samples[1:, :, 0]
        expected = np.clip((slope * (GREY[1:] - 100.0) + 1.5) / 100 + 0.5, 0, 1)
        np.testing.assert_allclose(windowed, expected, atol=1e-6)


def test_frames_without_a_transform_of_their_own_share_that_of_the_file():
    group = make_item(
        PixelValueTransformationSequence=[make_item(RescaleSlope=2, RescaleIntercept=0)]
    )
    content = make_dicom(
        np.stack([GREY] * 3), PerFrameFunctionalGroupsSequence=[group], RescaleSlope=3,
        RescaleIntercept=1,
    )  # fmt: skip
    for page, expected in enumerate((GREY * 2.0, GREY * 3.0 + 1, GREY * 3.0 + 1)):
        np.testing.assert_array_equal(decode(content, page=page).samples[..., 0], expected)


def test_a_transform_of_all_frames():
    shared = make_item(
        PixelValueTransformationSequence=[make_item(RescaleSlope=3, RescaleIntercept=0)]
    )
    content = make_dicom(np.stack([GREY] * 2), SharedFunctionalGroupsSequence=[shared])
    np.testing.assert_array_equal(decode(content, page=1).samples[..., 0], GREY * 3.0)


def test_a_table_of_the_modality():
    table = make_table(np.arange(256) * 10, bits=12)
    pixels = decode(make_dicom(GREY, ModalityLUTSequence=[table]))
    np.testing.assert_array_equal(pixels.samples[..., 0], GREY * np.uint16(10))
    assert (pixels.bits, pixels.samples.dtype) == (12, np.uint16)


def test_a_table_is_the_window():
    table = make_table(np.minimum(np.arange(4096) // 8, 255), bits=8)
    content = make_dicom(DEEP, bits=12, VOILUTSequence=[table])
    windowed = read(content, mode="L", rescale=("window",))
    np.testing.assert_array_equal(windowed, np.minimum(DEEP // 8, 255))


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 1, "WindowWidth": 0},
        {"WindowCenter": 1, "WindowWidth": -5, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 1, "WindowWidth": 5, "VOILUTFunction": "CUBIC"},
        {"VOILUTSequence": [make_table(range(10))], "BitsStored": 12, "HighBit": 11},
    ],
)
def test_an_invalid_window_is_an_error(elements):
    content = make_dicom(DEEP, **elements)
    if "VOILUTSequence" in elements:
        content = content.replace(bytes([10, 0, 0, 0, 16, 0]), bytes([99, 0, 0, 0, 16, 0]))
    with pytest.raises(FormatError, match="its value transform is damaged"):
        decode(content, window=True)
    decode(content)  # without the window


@pytest.mark.parametrize("high_bit", [12, 15])
def test_values_in_high_bits_are_refused(high_bit):
    with pytest.raises(FormatError, match=r"not in the lowest bits of its pixels \(HighBit\)"):
        decode(make_dicom(DEEP, bits=12, HighBit=high_bit))
    decode(make_dicom(DEEP, bits=12))


@pytest.mark.parametrize("space", ["HSV", "YBR_PARTIAL_420", "SECRET"])
def test_other_colour_spaces_are_refused(space):
    content = make_dicom(np.dstack([GREY] * 3), PhotometricInterpretation=space)
    with pytest.raises(FormatError, match="its colour space") as raised:
        decode(content)
    assert (space in raised.value.cause) == (space != "SECRET")


def test_colours_and_their_profile():
    colours = np.dstack([GREY, 255 - GREY, GREY // 2])
    pixels = decode(make_dicom(colours, ICCProfile=b"profile."))
    np.testing.assert_array_equal(pixels.samples, colours)
    assert (pixels.space, pixels.bits, pixels.profile) == ("RGB", 8, b"profile.")
    pixels = decode(make_dicom(colours), mode="channels", channels=(2, 0))
    np.testing.assert_array_equal(pixels.samples, colours[..., [2, 0]])
    assert pixels.space == "channels"


def test_there_is_one_level():
    content = make_dicom(GREY)
    assert decode(content, level=0).samples.any()
    with pytest.raises(FormatError, match="it has no level 1 of resolution, only 0"):
        decode(content, level=1)


def test_the_limit_of_pixels_holds():
    content = make_dicom(GREY, Rows=60_000, Columns=60_000)
    with pytest.raises(ImageReadError, match="it has 60000 x 60000 pixels, more than the limit"):
        read(content, max_pixels=10**6)
    frames = make_dicom(GREY, NumberOfFrames=10**9)
    with pytest.raises(ImageReadError, match="damaged or incomplete"):
        read(frames, page="max", max_pixels=10**6)


def test_a_bomb_is_not_inflated():
    content = make_dicom(
        np.zeros((3000, 3000), np.uint8), syntax=DeflatedExplicitVRLittleEndian, private=False
    )
    assert len(content) < 30_000
    with pytest.raises(ImageReadError, match="unpacks to more than the limit"):
        read(content, max_pixels=10**6)
    assert read(content, max_pixels=10**7, mode="L").shape == (3000, 3000)


def test_the_suffix_tells_of_files_without_a_preamble(tmp_path):
    path = tmp_path / "1.dcm"
    path.write_bytes(make_dicom(GREY, syntax=ImplicitVRLittleEndian)[132:])
    data = pydicom.dcmread(io.BytesIO(make_dicom(GREY, syntax=ImplicitVRLittleEndian)))
    data.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
    content = path.read_bytes()
    start = content.index(b"\x08\x00\x16\x00")  # SOPClassUID, the first element of the data set
    path.write_bytes(content[start:])
    np.testing.assert_array_equal(read_image(path, mode="L"), GREY)
    path.write_bytes(b"a text that ends as a DICOM file does")
    with pytest.raises(ImageReadError, match="it is no DICOM file, or its header"):
        read_image(path)


def all_text_of(exc):
    """All that an error says, and those that led to it, with what a debugger would show."""
    texts = ["".join(traceback.format_exception(exc)), repr(exc), str(pickle.dumps(exc))]
    while exc is not None:
        texts += [str(exc), repr(vars(exc))]
        exc = exc.__cause__ or exc.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("options", [{}, {"mode": "channels"}, {"rescale": ("window",)}])
def test_no_error_warning_or_log_tells_of_a_patient(options, caplog, recwarn, tmp_path):
    caplog.set_level(logging.DEBUG)
    seed = make_dicom(
        DEEP, bits=12, WindowCenter=99, WindowWidth=99, RescaleSlope=2, RescaleIntercept=1
    )
    assert seed.count(SECRET.encode()) == 7
    rng = np.random.default_rng(0)
    path = tmp_path / "1.dcm"
    texts = []
    for i in range(400):
        content = bytearray(seed)
        if i % 4 == 0:
            content = content[: rng.integers(len(content))]
        for position in rng.integers(132, len(seed), i % 4 * 3):
            if position < len(content):
                content[position] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_image(path, max_pixels=10**5, **options)
        except ImageReadError as exc:
            texts.append(all_text_of(exc))
    assert len(texts) > 100
    assert not any(SECRET in text for text in texts)
    assert SECRET not in caplog.text
    assert not any(SECRET in str(warning.message) for warning in recwarn)


def test_only_elements_of_the_pixels_are_read(monkeypatch):
    headers = []
    read_file = pydicom.dcmread

    def watch(*args, **kwargs):
        headers.append(read_file(*args, **kwargs))
        return headers[-1]

    monkeypatch.setattr(pydicom, "dcmread", watch)
    read(make_dicom(GREY))
    assert headers
    for header in headers:
        assert SECRET not in str(header)
        assert "Rows" in header
