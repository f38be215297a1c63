"""The choice of planes, channels and levels, whatever the format."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from dicom_files import make_dicom
from PIL import Image

from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.selection import (
    Selection,
    Stack,
    choose_channels,
    choose_level,
    choose_pages,
    name_channels,
    select_planes,
)
from sklearn_resnet._images.errors import ImageReadError

NAMES = ("DAPI", "GFP", "RFP")


def make_stack(axes, shape, names=None, n_samples=None, dtype=np.uint16):
    """A stack with random planes, that records which are read."""
    plane = (6, 8) if n_samples is None else (6, 8, n_samples)
    values = np.random.default_rng(0).integers(0, 200, (*shape, *plane)).astype(dtype)
    indices = []

    def read(index):
        indices.append(index)
        return values[index]

    return values, indices, Stack(axes, shape, read, names, (6, 8))


def select(stack, **options):
    remarks = []
    found = select_planes(stack, Selection(**{"mode": "channels", **options}), remarks.append)
    return *found, [(remark.problem, remark.detail) for remark in remarks]


def test_channels_are_read_in_the_order_of_the_choice_and_no_others():
    values, indices, stack = make_stack("C", (3,), NAMES)
    samples, names, remarks = select(stack, channels=("RFP", 0, -2))
    np.testing.assert_array_equal(samples, np.stack([values[2], values[0], values[1]], -1))
    assert names == ("RFP", "DAPI", "GFP")
    assert remarks == []
    select(stack, channels=(1,))
    assert indices == [(2,), (0,), (1,), (1,)]


def test_channels_without_names_have_their_indices_in_the_file():
    _, _, stack = make_stack("C", (3,))
    assert select(stack, channels=(2, 0))[1] == ("2", "0")
    _, _, stack = make_stack("C", (3,), ("DAPI", "", "RFP"))
    assert select(stack)[1] == ("DAPI", "1", "RFP")


def test_several_samples_in_each_channel_are_channels():
    values, _, stack = make_stack("C", (2,), ("a", "b"), n_samples=3)
    samples, names, _ = select(stack, channels=("b",))
    np.testing.assert_array_equal(samples, values[1])
    assert names == ("b_0", "b_1", "b_2")


def test_samples_of_a_plane_are_left_to_the_format_unless_some_are_chosen():
    values, _, stack = make_stack("Z", (2,), n_samples=3)
    samples, names, _ = select(stack)
    assert names is None
    np.testing.assert_array_equal(samples, values[0])
    samples, names, _ = select(stack, channels=(2,))
    assert names == ("2",)
    np.testing.assert_array_equal(samples, values[0, ..., 2:])


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_channels_that_are_no_colours_are_listed(mode):
    _, indices, stack = make_stack("C", (3,), NAMES)
    with pytest.raises(FormatError) as raised:
        select(stack, mode=mode)
    assert raised.value.cause == (
        "it has 3 channels that are no colours: 0 ('DAPI'), 1 ('GFP'), 2 ('RFP')"
    )
    assert "mode='channels'" in raised.value.remedy
    assert "channels=[...]" in raised.value.remedy
    assert indices == []


@pytest.mark.parametrize("channels", [("Cy5",), (3,), (-4,), ("0",)])
def test_a_channel_that_does_not_exist_is_named_beside_those_that_do(channels):
    with pytest.raises(FormatError, match=r"no channel .*0 \('DAPI'\), 1 \('GFP'\), 2 \('RFP'\)"):
        choose_channels(NAMES, 3, channels)


def test_channels_without_names_are_counted_in_messages():
    for names in (None, (None, None), ("", "")):
        with pytest.raises(FormatError) as raised:
            choose_channels(names, 2, ("GFP",))
        assert raised.value.cause.endswith("its channels are 0 to 1")


def test_a_name_of_two_channels_chooses_none():
    with pytest.raises(FormatError, match="several channels 'GFP'"):
        choose_channels(("GFP", "GFP"), 2, ("GFP",))


def test_a_long_list_of_channels_is_cut():
    names = tuple("x" * 100 for _ in range(1000))
    with pytest.raises(FormatError) as raised:
        choose_channels(names, 1000, ("a",))
    assert len(raised.value.cause) < 4000
    assert name_channels(None, 2) == ("0", "1")


def test_pages_are_counted_in_the_order_of_the_file_channels_aside():
    values, _, stack = make_stack("TCZ", (2, 3, 4))
    for page, (time, depth) in {0: (0, 0), 6: (1, 2), -1: (1, 3), -8: (0, 0)}.items():
        samples, _, remarks = select(stack, page=page)
        np.testing.assert_array_equal(samples, np.moveaxis(values[time, :, depth], 0, -1))
        assert remarks == []


@pytest.mark.parametrize("page", [8, -9])
def test_a_page_that_does_not_exist_is_named(page):
    _, _, stack = make_stack("TCZ", (2, 3, 4))
    with pytest.raises(FormatError) as raised:
        select(stack, page=page)
    assert raised.value.cause == (
        f"it has no page {page}, only 0 to 7: its axes are T 2, C 3, Z 4, Y 6, X 8"
    )


@pytest.mark.parametrize("page", [None, "max", "mean", "middle"])
@pytest.mark.parametrize("axis", ["T", "P", "H"])
def test_times_and_positions_are_no_single_image(axis, page):
    _, indices, stack = make_stack(axis + "C", (2, 3))
    with pytest.raises(FormatError, match=f"its axes are {axis} 2, C 3, Y 6, X 8") as raised:
        select(stack, page=page)
    assert "2 pages" in raised.value.remedy
    assert indices == []
    assert select(make_stack(axis + "C", (1, 3))[2])[0].shape == (6, 8, 3)


@pytest.mark.parametrize("axis", ["Z", "Q"])
def test_the_first_plane_is_read_with_a_remark_that_counts(axis):
    values, indices, stack = make_stack(axis, (3,))
    samples, names, remarks = select(stack)
    np.testing.assert_array_equal(samples[..., 0], values[0])
    assert names is None
    assert remarks == [("only the first page was read", "3 pages")]
    assert indices == [(0,)]


def test_projections_go_over_all_planes_of_each_channel():
    values, indices, stack = make_stack("ZC", (4, 3))
    chosen = np.moveaxis(values[:, [2, 0]], 1, -1)
    samples, _, remarks = select(stack, page="max", channels=(2, 0))
    np.testing.assert_array_equal(samples, chosen.max(axis=0))
    samples, _, _ = select(stack, page="mean", channels=(2, 0))
    np.testing.assert_array_equal(samples, np.rint(chosen.mean(axis=0)))
    assert samples.dtype == np.uint16
    assert remarks == []
    indices.clear()
    samples, _, _ = select(stack, page="middle", channels=(2, 0))
    np.testing.assert_array_equal(samples, chosen[2])
    assert indices == [(2, 2), (2, 0)]


def test_projections_of_floats_are_not_rounded_and_leave_out_what_is_not_finite():
    values, _, stack = make_stack("Z", (4,), dtype=np.float32)
    values[0, 0, 0], values[1, 0, 0], values[2:, 1, 1] = np.inf, np.nan, -np.inf
    values[:, 2, 2] = np.nan
    known = np.ma.masked_invalid(values)
    samples, _, _ = select(stack, page="max")
    np.testing.assert_array_equal(samples[..., 0], known.max(axis=0).filled(np.nan))
    samples, _, _ = select(stack, page="mean")
    expected = known.mean(axis=0, dtype=np.float64).filled(np.nan)
    np.testing.assert_allclose(samples[..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize("no_data", [0, 255])
def test_projections_leave_out_pixels_of_no_data(no_data):
    values, _, stack = make_stack("ZC", (4, 2), dtype=np.uint8)
    values[0, 0], values[1:3, 1, :3], values[:, :, 5] = no_data, no_data, no_data
    stack = replace(stack, no_data=float(no_data))
    known = np.ma.masked_equal(np.moveaxis(values, 1, -1), no_data)
    samples, _, _ = select(stack, page="max")
    np.testing.assert_array_equal(samples, known.max(axis=0).filled(no_data))
    samples, _, _ = select(stack, page="mean")
    np.testing.assert_array_equal(samples, np.rint(known.mean(axis=0)).filled(no_data))


def test_the_maximum_is_the_brightest_where_0_is_white():
    values, _, stack = make_stack("Z", (4,))
    samples, _, _ = select(replace(stack, white_is_zero=True), page="max")
    np.testing.assert_array_equal(samples[..., 0], values.min(axis=0))


def test_the_level_is_the_smallest_of_twice_the_size():
    shapes = [(64, 96), (32, 48), (16, 24)]

    def choose(size, level=None, orientation=1):
        return choose_level(shapes, Selection(size=size, level=level), orientation)

    assert choose(None) == 0
    assert [choose((side, side)) for side in (8, 9, 16, 17, 60)] == [2, 1, 1, 0, 0]
    assert choose((8, 12)) == 2
    assert choose((12, 8)) == 1
    assert choose((12, 8), orientation=6) == 2  # lies on its side
    assert [choose((8, 8), level) for level in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(("n_levels", "known"), [(3, "0 to 2"), (1, "0")])
def test_a_level_that_does_not_exist_is_named(n_levels, known):
    with pytest.raises(FormatError, match=f"no level 3 of resolution, only {known}"):
        choose_level([(8, 8)] * n_levels, Selection(level=3))


@pytest.mark.parametrize("page", ["max", "mean"])
def test_a_claim_of_too_many_pages_costs_nothing(page):
    stack = Stack("Q", (10**12,), None)
    with pytest.raises(FormatError, match="1000000000000 pages, more than the 100000 "):
        choose_pages(stack, page, None)


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.dcm"])
def test_the_limit_of_pixels_holds_for_pages_as_channels(tmp_path, name):
    pages = np.random.default_rng(0).integers(0, 256, (9, 4, 4)).astype(np.uint8)
    if name == "a.gif":
        first, *others = map(Image.fromarray, pages)
        first.save(tmp_path / name, save_all=True, append_images=others)
    elif name == "a.dcm":
        (tmp_path / name).write_bytes(make_dicom(pages))
    else:
        tifffile.imwrite(tmp_path / name, pages, metadata=None, photometric="minisblack")
    options = {"mode": "channels", "page": "channels"}
    assert read_image(tmp_path / name, max_pixels=144, **options).shape[:2] == (4, 4)
    with pytest.raises(ImageReadError, match="more than the limit of 32 pixels"):
        read_image(tmp_path / name, max_pixels=32, **options)
