"""check_images as a whole, on small images."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.checks import check_images
from sklearn_resnet.datasets import load_digits


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    images = [
        np.asarray(Image.fromarray(image).resize((32, 32)))
        for image in (X[:90].reshape(90, 8, 8) * (255 / X.max())).astype(np.uint8)
    ]
    return images, np.asarray(y[:90])


def pixels(images):
    """Every second pixel of each row and column."""
    return np.array([image[::2, ::2].ravel() for image in images])


@pytest.fixture(scope="module")
def files(digits, tmp_path_factory):
    """Digits, an equal file, a JPEG, a broken file and a blank one."""
    folder = tmp_path_factory.mktemp("digits")
    images, y = digits
    for i, image in enumerate(images[:40]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    (folder / "40.png").write_bytes((folder / "03.png").read_bytes())
    Image.fromarray(images[5]).save(folder / "41.jpg", quality=90)
    (folder / "42.png").write_bytes(b"no image")
    Image.new("L", (32, 32), 128).save(folder / "43.png")
    return sorted(folder.iterdir()), np.r_[y[:40], y[3], y[5], 0, 0]


def tiny():
    return make_pipeline(
        ImageLoader(32), ResNetFeatures(layers=16, weights="procedural", cache=None)
    )


@pytest.fixture(scope="module")
def found(files):
    paths, y = files
    split = ["train"] * 40 + ["test", "train", "test", "test"]
    return check_images(paths, y, split=split, estimator=tiny(), max_false_pairs=0.05)


def test_a_row_for_each_image_in_order(found, files):
    assert found.path.tolist() == list(map(str, files[0]))
    assert found.index.tolist() == list(range(44))


def test_copies_share_a_group_and_others_have_their_own(found):
    groups = found.duplicate_group
    assert groups[3] == groups[40]
    assert groups[5] == groups[41]
    assert groups.nunique() == 42
    assert np.flatnonzero(found.n_copies).tolist() == [3, 5, 40, 41]
    assert found.copy_distance[[3, 40]].tolist() == [0, 0]
    assert 0 < found.copy_distance[5] < 0.2
    assert found.copy_distance.isna().sum() == 40


def test_groups_go_into_group_k_fold(found):
    for train, test in GroupKFold(3).split(found, groups=found.duplicate_group):
        assert not set(found.duplicate_group[train]) & set(found.duplicate_group[test])


def test_a_copy_in_the_other_split_is_a_leak(found):
    assert found.index[found.leak.fillna(False)].tolist() == [3, 40]


def test_a_copy_in_another_class_is_a_leak(files):
    paths, y = files
    y = y.copy()
    y[41] = (y[41] + 1) % 10
    found = check_images(paths, y, estimator=tiny(), max_false_pairs=0.05)
    assert found.index[found.leak.fillna(False)].tolist() == [5, 41]


def test_the_values_of_an_unreadable_image_are_missing(found):
    assert found.unreadable.tolist() == [i == 42 for i in range(44)]
    row = found.loc[42].drop(["path", "duplicate_group", "n_copies", "unreadable"])
    assert row.isna().all()
    assert found.drop(index=42).outlier_score.notna().all()


def test_a_blank_image_is_flagged(found):
    assert found.index[found.blank.fillna(False)].tolist() == [43]


def test_the_threshold_is_reported_and_can_be_written_as_json(found):
    report = json.loads(json.dumps(found.attrs))["copies"]
    assert report["max_false_pairs"] == 0.05
    assert 0 < report["threshold"] < 1
    assert set(report["recall"]) == {"jpeg_50", "half_size", "crop_5", "crop_10", "brighter_20"}


def test_a_wrong_label_scores_low(digits):
    images, y = digits
    given = y.astype(str).astype(object)
    given[11] = "0" if y[11] != 0 else "1"
    found = check_images(images, given, features=pixels(images))
    assert found.label_score.nsmallest(6).index.isin([11]).any()
    assert found.suggested_label[11] == str(y[11])
    assert found.suspect_label[11]


def test_images_without_a_label_are_not_scored(digits):
    images, y = digits
    given = y.astype(float)
    given[2] = np.nan
    found = check_images(images, given, features=pixels(images))
    assert np.isnan(found.label_score[2])
    assert found.suggested_label[2] is None
    assert pd.isna(found.suspect_label[2])
    assert found.label_score.drop(2).notna().all()


def test_labels_of_one_class_are_not_scored(digits):
    found = check_images(digits[0][:5], ["a"] * 5, features=np.eye(5))
    assert found.label_score.isna().all()


def test_features_of_unreadable_images_may_be_nan(files):
    paths, _ = files
    features = np.random.default_rng(0).normal(size=(44, 8))
    features[42] = np.nan
    assert check_images(paths, features=features).outlier_score.isna().sum() == 1
    features[0] = np.nan
    with pytest.raises(ValueError, match="'features' parameter must be finite.*image 0 instead"):
        check_images(paths, features=features)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_images_are_no_error(digits, n):
    images = digits[0][:n] if n else []
    if n == 0:
        with pytest.raises(ValueError, match="image"):
            check_images(images)
        return
    found = check_images(images, features=np.eye(3)[:n])
    assert found.n_copies.tolist() == [0] * n


def test_only_unreadable_images_are_no_error(tmp_path):
    found = check_images([tmp_path / "a.png", tmp_path / "b.png"], ["x", "y"])
    assert found.unreadable.all()
    assert found.duplicate_group.tolist() == [0, 1]


@pytest.mark.long
def test_nothing_depends_on_the_run(digits):
    images, y = digits
    features = pixels(images)
    tables = [check_images(images, y, features=features) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0].attrs == tables[1].attrs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": np.eye(3), "estimator": tiny()}, "'features' parameter must be None"),
        ({"features": np.eye(2)}, "must have a row for each of the 3 images. Got 2 rows"),
        ({"y": [1, 2]}, r"'y' parameter must have a value for each of the 3 images"),
        ({"split": ["a"] * 4}, "'split' parameter must have a value for each"),
        ({"max_false_pairs": -1}, "'max_false_pairs' parameter must be a number .* Got -1 instead"),
        ({"max_false_pairs": "few"}, "'max_false_pairs' parameter"),
    ],
)
def test_errors_say_what_is_wrong(digits, options, message):
    with pytest.raises(ValueError, match=message):
        check_images(digits[0][:3], **options)
