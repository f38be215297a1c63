"""Regions as shapes: corners, outlines and averages of boxes."""

import numpy as np
import pytest
from skimage.draw import disk

from sklearn_resnet.plotting._region_shapes import average_boxes, box_corners, trace_outlines


def trace(mask, top=0, left=0):
    height, width = mask.shape
    return trace_outlines([mask], np.array([[top, left, top + height, left + width]]))[0]


def is_inside(outline, y, x):
    return outline.contains_point((x, y))


def test_corners_lie_between_pixels():
    corners = box_corners(np.array([[2, 3, 5, 7], [0, 0, 1, 1]]))
    assert corners[0].tolist() == [[2.5, 1.5], [6.5, 1.5], [6.5, 4.5], [2.5, 4.5]]
    assert corners[1].min() == -0.5
    assert corners.shape == (2, 4, 2)


def test_an_outline_separates_the_pixels_of_its_mask_from_others():
    mask = np.zeros((20, 30), bool)
    mask[disk((9, 14), 8)] = True
    outline = trace(mask, top=100, left=200)
    inside = [[is_inside(outline, 100 + y, 200 + x) for x in range(30)] for y in range(20)]
    np.testing.assert_array_equal(inside, mask)


def test_an_outline_is_closed_at_the_edge_of_its_box():
    outline = trace(np.ones((3, 4), bool), top=10, left=20)
    assert outline.get_extents().extents.tolist() == [19.5, 9.5, 23.5, 12.5]


def signed_area(ring):
    (x, y), (next_x, next_y) = ring[:-1].T, ring[1:].T
    return (x * next_y - y * next_x).sum() / 2


def test_a_hole_is_not_filled():
    mask = np.ones((9, 9), bool)
    mask[3:6, 3:6] = False
    outline = trace(mask)
    polygons = outline.to_polygons()
    assert len(polygons) == 2
    outer, inner = (signed_area(ring) for ring in polygons)
    assert outer * inner < 0  # so the rule of nonzero winding leaves it empty


def test_pixels_that_touch_at_a_corner_are_one_object():
    assert len(trace(np.eye(4, dtype=bool)).to_polygons()) == 1


def test_parts_are_one_outline():
    mask = np.zeros((5, 9), bool)
    mask[1:4, 1:3] = mask[1:4, 6:8] = True
    assert len(trace(mask).to_polygons()) == 2


def test_an_empty_mask_has_an_empty_outline():
    assert len(trace(np.zeros((3, 3), bool)).vertices) == 0


def brute_average(boxes, values, shape):
    totals, counts = np.zeros((*shape, values.shape[1])), np.zeros((*shape, 1))
    for (top, left, bottom, right), value in zip(np.maximum(boxes, 0), values, strict=True):
        totals[top:bottom, left:right] += value
        counts[top:bottom, left:right] += 1
    with np.errstate(invalid="ignore"):
        return totals / counts


@pytest.mark.parametrize("n_values", [1, 3])
def test_boxes_are_averaged_where_they_overlap(n_values):
    rng = np.random.RandomState(0)
    corners = rng.randint(-5, 40, (6, 2, 2))
    boxes = np.hstack([corners.min(1), corners.max(1) + 1])
    values = rng.standard_normal((6, n_values))
    expected = brute_average(boxes, values, (35, 30))
    assert np.isnan(expected).any()
    np.testing.assert_allclose(average_boxes(boxes, values, (35, 30)), expected, atol=1e-12)


def test_no_boxes_cover_nothing():
    assert np.isnan(average_boxes(np.empty((0, 4), int), np.empty((0, 1)), (3, 4))).all()
