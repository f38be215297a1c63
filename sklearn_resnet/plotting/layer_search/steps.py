"""Where an estimator holds its networks and loaders: by the names of their parameters."""

from sklearn.pipeline import Pipeline

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._resnet_features import ResNetFeatures


def join(path, name):
    """Join the parts of the name of a nested parameter; `path` is empty for the estimator itself."""
    return f"{path}__{name}" if path else name


def find_steps(estimator, kind):
    """Find the estimators of a class within an estimator, itself included.

    Returns
    -------
    dict of str to estimator
        By the name of their parameter; empty for the estimator itself.
    """
    found = estimator.get_params(deep=True)
    steps = {name: value for name, value in found.items() if isinstance(value, kind)}
    return steps | ({"": estimator} if isinstance(estimator, kind) else {})


def find_only_resnet(estimator):
    """Find the one `ResNetFeatures` within an estimator: the name of its parameter, and itself.

    Raises
    ------
    ValueError
        If there are none or several.
    """
    found = find_steps(estimator, ResNetFeatures)
    if len(found) != 1:
        raise ValueError(
            f"The estimator must contain one ResNetFeatures. Got {len(found)} instead"
            f"{': ' + ', '.join(found) if found else ''}. LayerSearchDisplay.from_search accepts "
            "any search over layers."
        )
    return next(iter(found.items()))


def find_only_loader(estimator):
    """Find the one `ImageLoader` within an estimator: the name of its parameter, and itself.

    Returns
    -------
    tuple of (str, ImageLoader) or None
        None if there are none or several.
    """
    found = find_steps(estimator, ImageLoader)
    return next(iter(found.items())) if len(found) == 1 else None


def is_input(estimator, resnet):
    """Whether `X` enters the network directly, or through an `ImageLoader` alone."""
    steps = list(_flatten(estimator))
    if steps and isinstance(steps[0], ImageLoader):
        steps = steps[1:]
    return bool(steps) and steps[0] is resnet


def _flatten(estimator):
    """List the steps of pipelines within pipelines."""
    if not isinstance(estimator, Pipeline):
        yield estimator
        return
    for _, step in estimator.steps:
        if step is not None and step != "passthrough":
            yield from _flatten(step)
