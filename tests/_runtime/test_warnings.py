"""Warnings that point to the line of the user."""

import pytest

from sklearn_resnet._runtime.warnings import warn_caller


def test_a_warning_points_to_the_caller():
    with pytest.warns(UserWarning, match="^look$") as caught:
        warn_caller("look")
    assert [w.filename for w in caught] == [__file__]


@pytest.mark.parametrize("name", ["sklearn.stand_in", "joblib.parallel", "sklearn_resnet.plotting"])
def test_frames_of_scikit_learn_joblib_and_the_package_are_passed_over(name):
    scope = {"warn_caller": warn_caller, "__name__": name}
    exec("def fit(): warn_caller('look')", scope)
    with pytest.warns(UserWarning, match="look") as caught:
        scope["fit"]()
    assert [w.filename for w in caught] == [__file__]


def test_a_category_of_its_own_is_kept():
    with pytest.warns(FutureWarning, match="soon"):
        warn_caller(FutureWarning("soon"))
