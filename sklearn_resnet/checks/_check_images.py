"""check_images: find copies, leaks, outliers, wrong labels and images of poor quality."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.checks._duplicates import (
    Pairs,
    compare_candidates,
    find_exact,
    find_nearest,
    group_copies,
)
from sklearn_resnet.checks._labels import predict_out_of_fold, score_labels
from sklearn_resnet.checks._outliers import score_outliers
from sklearn_resnet.checks._quality import FLAGS, flag_quality
from sklearn_resnet.checks._thresholds import learn_threshold, measure_copies
from sklearn_resnet.checks._thumbnails import survey_images

_SIZES = (32, 64)  # of the default estimator; outliers stand out less in larger photos


def check_images(
    images: "Sequence | ArrayLike | LazyImages",
    y: ArrayLike | None = None,
    *,
    split: ArrayLike | None = None,
    features: ArrayLike | None = None,
    estimator: BaseEstimator | None = None,
    max_false_pairs: float = 0.002,
    mirrored: bool = False,
    random_state: int | np.random.RandomState | None = 0,
) -> pd.DataFrame:
    """Find copies, leaks, outliers, wrong labels and images of poor quality.

    Files are only read. The result has a row for each image.

    Parameters
    ----------
    images : sequence of path or image, array-like of images, or LazyImages
        As for `ImageLoader`. `load_image_folder` lists the files of a folder.
    y : array-like of shape (n,), default=None
        The class of each image; None or NaN where it is unknown. With it, labels are scored.
    split : array-like of shape (n,), default=None
        The part of the collection that each image belongs to, such as ``"train"`` and ``"test"``.
    features : array-like of shape (n, n_features), default=None
        The features of the images, if they are computed already. Rows of unreadable images may be
        NaN.
    estimator : transformer, default=None
        Turns images into features: ``make_pipeline(ImageLoader(64), ResNetFeatures())``. A clone of
        it is fitted to the readable images. None is such a pipeline, which resizes to 32 or 64
        pixels, whichever is nearer to the median of the shorter sides. Only one of `features` and
        `estimator` may be given.
    max_false_pairs : float, default=0.002
        The acceptable number of false pairs of copies per image: 0.002 allows about 2 among 1,000
        images.
    mirrored : bool, default=False
        Whether mirrored images count as copies.
    random_state : int, RandomState instance or None, default=0
        Draws the images of which altered copies are made, and the folds.

    Returns
    -------
    DataFrame
        With the columns:

        - ``path``: empty for images in memory.
        - ``duplicate_group`` (int): equal for copies; other images have a group of their own. It can
          be passed as `groups` to `sklearn.model_selection.GroupKFold`.
        - ``n_copies`` (int): the number of other images in the group.
        - ``copy_distance``: the distance to the nearest copy; 0 for equal files, NaN without a copy.
        - ``leak``: whether the group spans several splits or classes.
        - ``outlier_score``: the mean distance to the 30 nearest images, divided by the median of all
          images: about 1 for typical images, larger for outliers.
        - ``label_score``, ``suggested_label``, ``suspect_label``: the probability of the given label,
          the most probable class, and whether the label looks wrong, predicted by a model trained
          on other images. Only with `y`.
        - ``dark``, ``bright``, ``low_contrast``, ``blurry``, ``odd_size``, ``odd_aspect``, ``blank``.
        - ``unreadable`` (bool): the other values of such an image are missing.

        ``attrs["copies"]`` holds the learned ``"threshold"`` of the distance, the expected number of
        ``"false_pairs"``, ``"max_false_pairs"``, and the expected ``"recall"`` for each alteration.

    Raises
    ------
    ValueError
        If a parameter is invalid.

    See Also
    --------
    sklearn_resnet.datasets.load_image_folder : Lists the image files in a folder.

    Notes
    -----
    Equal files are copies. To find near copies, each image is compared with the 5 nearest images by
    features and the 5 nearest by pixels. Each pair is aligned, because one image may be a crop of the
    other. The distance is 1 minus the correlation of the grey pixels, plus the difference of the
    colours, divided by the distance that is typical of both images and their neighbours.

    Altered copies of up to 100 images (saved as JPEG of quality 50, resized by half, cropped by 5 and
    10 %, 20 % brighter, and mirrored if `mirrored` is True) show how far copies lie. The threshold
    finds 99 % of them, or fewer if there would be more false pairs than `max_false_pairs` allows. The
    number of false pairs is extrapolated from the distances of images that are clearly no copies,
    by a power law.

    Labels are scored by linear discriminant analysis in 5 folds, with copies in the same fold.

    Examples
    --------
    >>> from sklearn_resnet import check_images
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = X[:40].reshape(-1, 8, 8), y[:40]
    >>> X[7] = X[3]
    >>> found = check_images(X, features=X.reshape(40, -1))
    >>> found.index[found.n_copies > 0].tolist()
    [3, 7]
    """
    _check_parameters(features, estimator, max_false_pairs)
    survey = survey_images(images)
    n_images, readable = len(survey.digests), np.flatnonzero(survey.is_readable)
    codes, classes = _encode("y", y, n_images)
    parts, _ = _encode("split", split, n_images)
    features = _find_features(survey, features, estimator)
    # a path may be no UTF-8, which the strings of pandas must be
    table = pd.DataFrame({"path": pd.Series(survey.images.paths, dtype=object)})
    copies, learned = _find_copies(survey, features, max_false_pairs, mirrored, random_state)
    groups = group_copies(copies.first, copies.second, n_images)
    table["duplicate_group"] = groups
    table["n_copies"] = table.groupby("duplicate_group")["path"].transform("size") - 1
    table["copy_distance"] = find_nearest(copies, n_images)
    leak = _spans_several(groups, parts) | _spans_several(groups, codes)
    table["leak"] = _with_missing(leak, survey.is_readable)
    scores = np.full(n_images, np.nan)
    scores[readable] = score_outliers(features, groups[readable])
    table["outlier_score"] = scores
    if y is not None:
        table = table.join(
            _judge_labels(features, codes, classes, groups, survey.is_readable, random_state)
        )
    flags = flag_quality(survey.quantiles, survey.sharpness, survey.sizes, codes)
    for name in FLAGS:
        table[name] = _with_missing(flags[name], survey.is_readable)
    table["unreadable"] = ~survey.is_readable
    table.attrs["copies"] = {"max_false_pairs": float(max_false_pairs), **learned}
    return table


def _check_parameters(features, estimator, max_false_pairs):
    if features is not None and estimator is not None:
        raise ParameterError(
            "features",
            "must be None if an estimator is to compute them",
            "both",
            "Pass one of them.",
        )
    if not (isinstance(max_false_pairs, numbers.Real) and 0 <= max_false_pairs < np.inf):
        raise ParameterError(
            "max_false_pairs",
            "must be a number of pairs for each image, 0 or more",
            repr(max_false_pairs),
        )


def _encode(name, values, n_images):
    """Number the distinct values of a column; -1 where one is missing, or everywhere."""
    if values is None:
        return np.full(n_images, -1), np.array([], object)
    values = np.asarray(values, object)
    if values.shape != (n_images,):
        raise ParameterError(
            name, f"must have a value for each of the {n_images} images", f"shape {values.shape}"
        )
    codes, classes = pd.factorize(values)
    return codes, np.asarray(classes, object)


def _find_features(survey, features, estimator):
    """Return the features of the readable images."""
    readable = np.flatnonzero(survey.is_readable)
    if features is not None:
        features = check_array(features, ensure_all_finite=False, dtype=np.float32)
        if len(features) != len(survey.digests):
            raise ParameterError(
                "features",
                f"must have a row for each of the {len(survey.digests)} images",
                f"{len(features)} rows",
            )
        features = features[readable]
    elif len(readable) == 0:
        return np.zeros((0, 1), np.float32)
    else:
        estimator = _make_estimator(survey.sizes) if estimator is None else clone(estimator)
        features = np.asarray(estimator.fit_transform(survey.take(readable)), np.float32)
    is_finite = np.isfinite(features).all(1)
    if not is_finite.all():
        raise ParameterError(
            "features",
            "must be finite for images that can be read",
            f"NaN or infinity for image {readable[~is_finite][0]}",
        )
    return features


def _make_estimator(sizes):
    """Make the default estimator for images of these sizes."""
    from sklearn.pipeline import make_pipeline  # slow to import

    size = choose_size(sizes.min(1))
    return make_pipeline(ImageLoader(size, lazy=True, on_error="nan"), ResNetFeatures())


def choose_size(sides):
    """Choose the size of images from their shorter sides; NaN for those that cannot be read."""
    known = sides[np.isfinite(sides)]
    side = np.median(known) if len(known) else _SIZES[-1]
    return min(_SIZES, key=lambda size: abs(np.log(size / side)))


def _find_copies(survey, features, max_false_pairs, mirrored, random_state):
    """Find the pairs of copies.

    Returns
    -------
    copies : Pairs
        Those of equal files have no distance.
    learned : dict
        As `learn_threshold` returns it.
    """
    first, second = find_exact(survey.digests, survey.is_readable)
    copies = Pairs(first, second, np.zeros(len(first)))
    readable = np.flatnonzero(survey.is_readable)
    is_blank = survey.sharpness[readable] == 0
    rows = readable[~is_blank]  # pixels of one value cannot be compared
    if len(rows) <= 2:
        return copies, {"threshold": None, "false_pairs": 0.0, "recall": {}}
    pairs, scales = compare_candidates(
        survey.thumbnails[rows],
        survey.sizes[rows],
        survey.colors[rows],
        features[~is_blank],
        mirrored=mirrored,
    )
    scales_of_all = np.ones(len(survey.digests))
    scales_of_all[rows] = scales
    altered = measure_copies(survey, scales_of_all, mirrored=mirrored, random_state=random_state)
    learned = learn_threshold(pairs.distances, altered, len(rows), max_false_pairs)
    is_copy = pairs.distances <= learned["threshold"]
    near = rows[pairs.first[is_copy]], rows[pairs.second[is_copy]], pairs.distances[is_copy]
    return Pairs(*map(np.append, copies, near)), learned


def _spans_several(groups, codes):
    """Whether the group of each image has several values; missing ones do not count."""
    known = codes >= 0
    values = np.unique(np.stack([groups[known], codes[known]], axis=1), axis=0)
    counts = np.bincount(values[:, 0], minlength=groups.max() + 1 if len(groups) else 0)
    return counts[groups] > 1


def _judge_labels(features, codes, classes, groups, is_readable, random_state):
    """Make the columns on labels; missing where there is no label, or all are of one class."""
    scores = np.full(len(codes), np.nan)
    suggested = np.full(len(codes), None, object)
    suspect = np.zeros(len(codes), bool)
    is_used = is_readable & (codes >= 0)
    used = np.flatnonzero(is_used)
    if len(np.unique(codes[used])) > 1:
        probabilities = predict_out_of_fold(
            features[is_used[is_readable]], codes[used], groups[used], random_state
        )
        scores[used], best, suspect[used] = score_labels(probabilities, codes[used])
        suggested[used] = classes[best]
    return pd.DataFrame(
        {
            "label_score": scores,
            "suggested_label": pd.Series(suggested, dtype=object),
            "suspect_label": _with_missing(suspect, ~np.isnan(scores)),
        }
    )


def _with_missing(values, is_known) -> Any:
    """Make a column of bool that is missing where a value is not known."""
    return pd.array(np.where(is_known, values, None), dtype="boolean")
