"""`embedding check`: its files, its options and its errors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run
from faulty_folders import HOSTILE, make_folders

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet._images.failures import Failure
from sklearn_resnet._io.csv_text import restore_text
from sklearn_resnet.checks import check_images
from sklearn_resnet.cli.check.command import CheckOptions, check_listed
from sklearn_resnet.cli.features import FeatureOptions

OPTIONS = CheckOptions(
    ("photos",), None, None, 0.002, False, FeatureOptions(*[None] * 11, seed=0), True
)
FAST = ["--weights", "procedural", "-l", "16", "--image-size", "32", "--no-cache"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folders(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    """Run the command on two splits; return its folder, what it printed, and its table."""
    out = tmp_path_factory.mktemp("out")
    before = snapshot(folder)
    printed = run("check", folder / "train", folder / "test", "-o", out / "report", *FAST)
    assert snapshot(folder) == before  # nothing is changed, moved or deleted
    return out, printed, pd.read_csv(out / "report.csv", keep_default_na=False)


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_table_is_that_of_check_images(folder, report):
    _, _, table = report
    paths = [restore_text(path) for path in table["path"]]
    assert paths[0].endswith("train/=spots/0.png")
    loader = ImageLoader(32, lazy=True, on_error="nan")
    resnet = ResNetFeatures(16, weights="procedural", cache=None)
    with pytest.warns(UserWarning, match=r"broken\.png"):
        features = resnet.fit_transform(loader.fit_transform(paths))
    y = [restore_text(label) for label in table["label"]]
    expected = check_images(paths, y, split=table["split"].tolist(), features=features)
    assert table["duplicate_group"].tolist() == expected["duplicate_group"].tolist()
    for name in ("leak", "suspect_label", "blank", "unreadable"):
        values = ["" if value is pd.NA else str(value) for value in expected[name]]
        assert table[name].astype(str).tolist() == values
    scores = pd.to_numeric(table["outlier_score"])
    np.testing.assert_allclose(scores, expected["outlier_score"], atol=1e-6)


def test_the_planted_faults_are_found(report):
    _, printed, table = report
    rows = table.set_index(table["path"].map(lambda path: Path(restore_text(path)).name))
    leaks = rows[rows["leak"].astype(str) == "True"]
    assert sorted(leaks.index) == ["0.png", "copy.jpg"]
    assert leaks["split"].tolist() == ["train", "test"]
    assert rows.loc[HOSTILE, "copy_distance"] == "0.0"
    assert rows.loc["wrong.png", ["suspect_label", "suggested_label"]].astype(str).tolist() == [
        "True",
        "stripes",
    ]
    assert str(rows.loc["blank.png", "blank"]) == "True"
    assert rows.loc["broken.png", "error"] == "its content is of no known image format"
    assert rows.loc["broken.png", "outlier_score"] == rows.loc["broken.png", "leak"] == ""
    assert "2 groups of copies, 1 across train and test\n" in printed
    assert "1 image that cannot be read\n" in printed


def test_no_cell_is_a_formula(report):
    out, _, table = report
    text = table.astype(str).to_numpy().ravel()
    assert not any(cell.startswith(("=", "+", "@")) for cell in text)
    assert "'=spots" in table["label"].to_numpy()
    page = (out / "report.html").read_text("utf-8")
    assert "1 &lt;b&gt;\\u202e&amp;\\n.png" in page
    assert "1 <b>" not in page


def test_the_record_counts_the_findings(report):
    out, _, table = report
    record = json.loads((out / "report.json").read_text())
    assert record["outputs"] == ["report.csv", "report.html"]
    assert [Path(name).name for name in record["folders"]] == ["train", "test"]
    assert record["layers"] == [16]
    assert record["image_size"] == 32
    findings = record["findings"]
    assert (findings["groups"], findings["groups_across_splits"]) == (2, 1)
    assert findings["unreadable"] == 1
    assert findings["suspect_labels"] == (table["suspect_label"].astype(str) == "True").sum()
    assert 0 < record["copies"]["threshold"] < 1


@pytest.fixture
def few(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_folders("photos", 4)
    return Path("photos")


def test_without_output_files_are_named_after_the_folder_and_replaced(few):
    for _ in range(2):
        printed = run("check", few / "train", *FAST)
        for suffix in (".csv", ".html", ".json"):
            assert f"wrote      train_check{suffix}\n" in printed
    table = pd.read_csv("train_check.csv")
    assert "split" not in table
    assert "across" not in printed
    Path("other.html").write_text("mine")
    message = run("check", few / "train", "-o", "other", *FAST, code=1)
    assert "which would replace files that are not in its record" in message
    assert "features" not in message  # it stops before any work
    assert Path("other.html").read_text() == "mine"


def test_quiet_prints_nothing(few):
    assert run("check", few / "train", "-q", *FAST) == ""


def test_labels_of_a_file_are_used(few):
    paths = sorted(few.rglob("*.*"))
    labels = ["odd" if path.name == "1.png" else "even" for path in paths]
    pd.DataFrame({"path": paths, "label": labels}).to_csv("labels.csv", index=False)
    run("check", few, "-o", "r", "--labels", "labels.csv", "-q", *FAST)
    table = pd.read_csv("r.csv")
    assert set(table["label"]) == {"odd", "even"}
    # the copy of 1.png has another label
    assert table["leak"].astype(str).tolist().count("True") == 2


def test_folders_without_labels(few):
    flat = Path("flat")
    flat.mkdir()
    for path in few.rglob("[0-9].png"):
        path.rename(flat / f"{path.parent.name}{path.parent.parent.name}{path.name}")
    printed = run("check", flat, *FAST)
    assert "no labels to check" in printed
    assert "label_score" not in pd.read_csv("flat_check.csv")


def test_classes_that_seem_to_be_splits_are_warned_about(few):
    printed = run("check", few, "-o", "r", *FAST)
    assert "The folders test, train in 'photos' are taken for classes." in printed


def test_splits_of_one_name_are_told_apart(few):
    run("check", few / "train" / "stripes", few / "test" / "stripes", "-o", "r", "-q", *FAST)
    splits = set(pd.read_csv("r.csv")["split"])
    assert splits == {str(few / split / "stripes") for split in ("train", "test")}


def test_by_default_the_size_is_that_of_the_images(few):
    printed = run("check", few / "train", *FAST[:4], "--no-cache")
    assert "at 32 x 32 pixels" in printed


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing"], "FOLDER 'nothing' does not exist."),
        (["photos/train/=spots/0.png"], "FOLDER... must be folders or archives of images."),
        (["photos", "photos/train"], "FOLDER... must not contain one another."),
        (["photos", "photos"], "FOLDER... must not contain one another."),
        (["photos", "-o", "photos/r"], "--output must be outside INPUT"),
        (["photos", "-o", "r.npz"], "--output must end in .csv, or have no suffix."),
        (["photos", "-l", "9999"], "--layers must be"),
    ],
)
def test_errors(few, args, message):
    assert message in run("check", *args, "--no-cache", "--weights", "procedural", code=1)
    assert not list(Path().glob("r.*"))


def test_nothing_can_be_read(few):
    folder = Path("broken")
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(b"nonsense")
    printed = run("check", folder, *FAST)
    assert "3 images that cannot be read\n" in printed
    assert pd.read_csv("broken_check.csv")["unreadable"].all()


def test_one_image(few):
    folder = Path("one")
    folder.mkdir()
    (few / "train" / "stripes" / "0.png").rename(folder / "0.png")
    assert "no groups of copies" in run("check", folder, *FAST)
    assert "No groups of copies" in Path("one_check.html").read_text()


def test_a_file_without_features_is_unreadable(few):
    paths = [str(path) for path in sorted((few / "train" / "stripes").glob("*.png"))]
    images, features = pd.DataFrame({"path": paths}), np.eye(len(paths))
    features[1] = np.nan
    table = check_listed(images, features, {1: Failure(1, paths[1], "it was away")}, OPTIONS)
    assert table["unreadable"].tolist() == [False, True, False, False]
    assert table["error"].tolist() == ["", "it was away", "", ""]
    assert table["path"].tolist() == paths


def test_a_file_that_is_not_read_for_the_thumbnail_has_an_error(few):
    paths = [str(path) for path in sorted((few / "train" / "stripes").glob("*.png"))]
    Path(paths[2]).write_bytes(b"nonsense")  # after its features were computed
    table = check_listed(pd.DataFrame({"path": paths}), np.eye(len(paths)), {}, OPTIONS)
    assert table["error"].tolist() == ["", "", "it cannot be read as a grey image", ""]
