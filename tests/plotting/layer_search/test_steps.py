"""Where an estimator holds its networks and loaders, and whether its input enters them."""

import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.plotting.layer_search.steps import (
    find_only_loader,
    find_only_resnet,
    find_steps,
    is_input,
    join,
)

RESNET, LOADER = ResNetFeatures(), ImageLoader(8)


def test_names_of_parameters_are_joined():
    assert join("a__b", "layers") == "a__b__layers"
    assert join("", "layers") == "layers"


@pytest.mark.parametrize(
    ("estimator", "path"),
    [
        (RESNET, ""),
        (make_pipeline(RESNET, RidgeClassifier()), "resnetfeatures"),
        (Pipeline([("a", make_pipeline(LOADER, RESNET)), ("b", Ridge())]), "a__resnetfeatures"),
        (FeatureUnion([("a", RESNET), ("b", StandardScaler())]), "a"),
        (
            TransformedTargetRegressor(make_pipeline(RESNET, Ridge())),
            "regressor__resnetfeatures",
        ),
        (
            ColumnTransformer([("image", make_pipeline(LOADER, RESNET), "path")]),
            "image__resnetfeatures",
        ),
    ],
)
def test_the_one_network_is_found_wherever_it_is(estimator, path):
    assert find_only_resnet(estimator) == (path, RESNET)
    if path:
        assert estimator.get_params()[path] is RESNET


def test_none_or_several_networks_are_an_error():
    with pytest.raises(ValueError, match="must contain one ResNetFeatures. Got 0 instead"):
        find_only_resnet(Ridge())
    two = FeatureUnion([("a", ResNetFeatures()), ("b", ResNetFeatures())])
    with pytest.raises(ValueError, match="Got 2 instead: a, b"):
        find_only_resnet(two)


def test_a_loader_is_found_if_it_is_the_only_one():
    assert find_only_loader(make_pipeline(LOADER, RESNET)) == ("imageloader", LOADER)
    assert find_only_loader(make_pipeline(RESNET, Ridge())) is None
    two = make_pipeline(ImageLoader(16), ImageLoader(8), RESNET)
    assert find_only_loader(two) is None
    assert list(find_steps(two, ImageLoader)) == ["imageloader-1", "imageloader-2"]


@pytest.mark.parametrize(
    "estimator",
    [
        RESNET,
        make_pipeline(RESNET, Ridge()),
        make_pipeline(LOADER, RESNET, StandardScaler(), Ridge()),
        make_pipeline("passthrough", None, LOADER, "passthrough", RESNET, Ridge()),
        make_pipeline(make_pipeline(LOADER), make_pipeline(RESNET, StandardScaler()), Ridge()),
        make_pipeline(make_pipeline(make_pipeline(LOADER, RESNET)), Ridge()),
    ],
)
def test_images_enter_the_network(estimator):
    assert is_input(estimator, RESNET)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(FunctionTransformer(), RESNET, Ridge()),
        make_pipeline(LOADER, FunctionTransformer(), RESNET, Ridge()),
        make_pipeline(FunctionTransformer(), LOADER, RESNET, Ridge()),
        make_pipeline(LOADER, ImageLoader(4), RESNET, Ridge()),
        FeatureUnion([("a", RESNET)]),
        TransformedTargetRegressor(make_pipeline(RESNET, Ridge())),
        LOADER,
        make_pipeline("passthrough"),
    ],
)
def test_other_steps_come_before_the_network(estimator):
    assert not is_input(estimator, RESNET)
