"""Transforms of DICOM: windows as pydicom applies them, tables as the standard defines them."""

import numpy as np
import pytest
from dicom_files import make_item, make_table
from pydicom.pixels import apply_windowing

from sklearn_resnet._images.decoding.dicom_transforms import (
    Table,
    Transform,
    Window,
    read_transform,
)

VALUES = np.linspace(-2000, 3000, 5001)


def pydicom_window(values, centre, width, function):
    header = make_item(
        PhotometricInterpretation="MONOCHROME2", BitsStored=8, PixelRepresentation=0,
        WindowCenter=centre, WindowWidth=width, VOILUTFunction=function,
    )  # fmt: skip
    with np.errstate(over="ignore"):
        return apply_windowing(values, header) / 255


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600, 1500), (0.5, 2), (100.25, 1.5)])
def test_a_window_is_that_of_pydicom(function, centre, width):
    values = Window(centre, width, function).apply(VALUES)
    np.testing.assert_allclose(values, pydicom_window(VALUES, centre, width, function), atol=1e-12)
    assert (values.min(), values.max()) == (0, 1) or function == "SIGMOID"


def test_the_narrowest_window_is_a_threshold():
    values = Window(40.5, 1, "LINEAR").apply(np.array([39.0, 40.0, 40.5, 41.0]))
    np.testing.assert_array_equal(values, [0, 0, 1, 1])


def test_a_table_is_constant_outside():
    table = Table(10, np.array([5, 6, 9], np.uint16), 4)
    values = np.array([-99, 9, 10, 11.4, 12, 13, 9999])
    np.testing.assert_array_equal(table.apply(values), [5, 5, 5, 6, 9, 9, 9])


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4", "f4"])
def test_a_plane_is_transformed_as_its_values_are(dtype):
    values = np.arange(2**20).astype(np.uint32).astype(dtype).reshape(4, -1)  # long rows
    transform = Transform((0.5, -3.0), Window(100, 1000, "LINEAR"))
    for target, white in ((np.dtype(np.float32), 1), (np.dtype(np.uint8), 255)):
        for columns in (slice(None), slice(None, None, 2), slice(10)):
            plane = values[:, columns]
            expected = transform.apply(plane) * white
            expected = np.rint(expected) if target == np.uint8 else expected
            transformed = transform.apply_to_plane(plane, target, white)
            np.testing.assert_array_equal(transformed, expected.astype(target))
            assert transformed.dtype == target


def header(**elements):
    item = make_item(PixelRepresentation=0, **elements)
    item.set_original_encoding(False, True)
    return item


def test_the_function_is_linear_unless_it_is_named():
    transform = read_transform(header(WindowCenter=9, WindowWidth=5), 0, is_windowed=True)
    assert transform == (None, (9.0, 5.0, "LINEAR"))
    transform = read_transform(header(WindowCenter=9, WindowWidth=5), 0, is_windowed=False)
    assert transform == (None, None)
    named = header(WindowCenter=[9, 1], WindowWidth=[5, 1], VOILUTFunction="SIGMOID")
    assert read_transform(named, 0, is_windowed=True).window == (9.0, 5.0, "SIGMOID")


def test_a_table_comes_before_a_window():
    both = header(WindowCenter=9, WindowWidth=5, VOILUTSequence=[make_table([1, 2], bits=10)])
    window = read_transform(both, 0, is_windowed=True).window
    assert (window.entries.tolist(), window.first, window.bits) == ([1, 2], 0, 10)


@pytest.mark.parametrize("first", [-5, 2**16 - 5])
def test_the_first_value_of_a_table_may_be_negative(first):
    table = make_table([1, 2], first=first, is_signed=first < 0)
    item = header(ModalityLUTSequence=[table])
    item.PixelRepresentation = 1
    assert read_transform(item, 0, is_windowed=False).modality.first == -5


def test_a_table_of_all_16_bits():
    item = header(ModalityLUTSequence=[make_table(np.arange(2**16))])
    assert len(read_transform(item, 0, is_windowed=False).modality.entries) == 2**16


def test_a_table_of_packed_bytes():
    table = make_table([0], bits=8)
    table.LUTDescriptor = [4, 0, 8]
    table["LUTData"].value = bytes([1, 2, 3, 4])
    item = header(ModalityLUTSequence=[table])
    modality = read_transform(item, 0, is_windowed=False).modality
    assert modality.entries.tolist() == [1, 2, 3, 4]
    assert modality.entries.dtype == np.uint8


def test_frames_come_before_what_all_share():
    frames = [
        make_item(PixelValueTransformationSequence=[make_item(RescaleSlope=2, RescaleIntercept=1)]),
        make_item(),
    ]
    shared = make_item(
        PixelValueTransformationSequence=[make_item(RescaleSlope=3, RescaleIntercept=1)]
    )
    item = header(
        PerFrameFunctionalGroupsSequence=frames, SharedFunctionalGroupsSequence=[shared],
        RescaleSlope=4, RescaleIntercept=1,
    )  # fmt: skip
    slopes = [read_transform(item, i, is_windowed=False).modality[0] for i in range(3)]
    assert slopes == [2, 3, 3]
    del item.SharedFunctionalGroupsSequence
    assert read_transform(item, 1, is_windowed=False).modality == (4, 1)


def test_a_slope_without_an_intercept_is_none():
    assert read_transform(header(RescaleSlope=4), 0, is_windowed=False).modality is None
