"""What is told about the files of a pass, at its end."""

import warnings

import numpy as np
import pytest

from sklearn_resnet._images.file_log import (
    ChannelNames,
    FileLog,
    Remark,
    remark_on_learned_range,
)
from sklearn_resnet._images.intensity import infer_value_range


def infer(*values, dtype=float):
    return infer_value_range(np.array([values], dtype))


def warn_about_files(*files):
    log, other = FileLog(), FileLog()
    for i, inferred in enumerate(files):
        (log if i % 2 else other).add(f"{i}.tif", inferred)
    log.update(other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log.warn()
    log.clear()
    log.warn()
    return [str(w.message) for w in caught]


@pytest.mark.parametrize(
    "files",
    [
        [],
        [infer(0.2), infer(1.0), infer(0.0)],
        [infer(100, dtype=np.uint16), infer(5000, dtype=np.uint16)],
        [infer(100, dtype=np.uint16), infer(0.5), infer(5000, dtype=np.uint16)],
        [infer(0, 1, dtype=np.uint8), infer(0, dtype=np.uint8)],
        [infer(2, dtype=np.uint8)],
        [infer(0.5), infer(9, dtype=np.uint8), infer(9000, dtype=np.uint16)],
        [
            infer_value_range(np.full((2, 2), 4095, np.uint16), bits=12),
            infer(9000, dtype=np.uint16),
        ],
    ],
)
def test_files_of_sure_ranges_are_not_warned_about(files):
    assert warn_about_files(*files) == []


def test_files_are_warned_about_once():
    (told,) = warn_about_files(
        infer(100, dtype=np.uint16),
        infer(3000, dtype=np.uint16),
        infer(0.5),
        infer(200.0),
        infer(-0.1, 1),
        infer(0, 1.2),
    )
    assert "Files of uint16 hold values up to 3000 (in '1.tif'), but" in told
    assert "Files of float64 are read with different white levels: 1 for '5.tif', 255 for" in told
    assert " and 1 more: values from " in told
    assert "and those outside 0 to 1 are clipped" in told
    assert told.endswith(
        "Pass value_range=(black, white), or rescale='percentile' to ImageLoader, to change this."
    )


def test_files_of_no_usual_range_are_counted():
    (told,) = warn_about_files(*[infer(-1024, 3071, dtype=np.int16)] * 5, infer(0, 4))
    assert told.startswith(
        "'1.tif' and 5 more: values from -1024 to 3071, which fit no usual range;"
    )
    assert "white levels" not in told
    assert told.endswith("Pass value_range=(black, white) to change this.")


def test_remarks_of_a_kind_are_one_warning():
    log, other = FileLog(), FileLog()
    for i in (3, 1, 2):
        log.add(f"{i}.tif", Remark("only the first page was read", f"{i} pages", "Split it."))
    other.add("a.png", Remark("the profile was ignored", "broken"))
    log.update(other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        log.warn()
    assert [str(w.message) for w in caught] == [
        "'1.tif' (1 pages) and 2 more: only the first page was read. Split it.",
        "'a.png' (broken): the profile was ignored.",
    ]


def test_names_of_channels_are_not_logged():
    assert warn_about_files(ChannelNames(["DAPI", "GFP"]), ChannelNames(["GFP", "DAPI"])) == []


def test_nearly_black_files_have_a_remedy_of_their_own():
    (told,) = warn_about_files(infer(100, dtype=np.uint16), infer(3000, dtype=np.uint16))
    assert told.endswith(
        "the images are nearly black. Pass value_range=(black, white), or rescale='percentile' to "
        "ImageLoader, to change this."
    )


def test_an_image_that_a_learned_range_makes_nearly_black_is_remarked_on():
    assert remark_on_learned_range(np.array([[0, 17]], np.uint8)) is None
    remark = remark_on_learned_range(np.array([[0, 3]], np.uint8))
    assert remark.detail == "values up to 3"
