"""The warning about images that could not be read."""

import pytest

from sklearn_resnet._images.failures import Failure, warn_about_failures


def test_failures_are_named_in_the_order_of_the_images():
    failures = {i: Failure(i, f"{i}.png", "it is damaged") for i in (9, 2, 5)}
    with pytest.warns(UserWarning, match="3 of 12") as caught:
        warn_about_failures(failures, 12, "they are left out")
    assert str(caught[0].message) == (
        "3 of 12 images could not be read, and they are left out: '2.png' (image 2): it is damaged; "
        "'5.png' (image 5): it is damaged; '9.png' (image 9): it is damaged"
    )
    failures[1] = Failure(1, "", "it holds NaN")
    with pytest.warns(
        UserWarning, match=r"4 of .*: 'an image in memory' \(image 1\).*damaged; \.\.\.$"
    ):
        warn_about_failures(failures, 12, "they are left out")
