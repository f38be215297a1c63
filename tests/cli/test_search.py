"""`embedding search`: the scores of layers and image sizes, their files, and what they are of."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet.datasets import load_image_folder

RESNET = ["--weights", "procedural", "--no-cache"]
FAST = [*RESNET, "-l", "4,16", "--sizes", "8,16"]


@pytest.fixture(autouse=True)
def digits(tmp_path, monkeypatch):
    from sklearn_resnet.datasets import load_digits

    monkeypatch.chdir(tmp_path)
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 3][:60], y[y < 3][:60]
    np.savez("digits.npz", x=X, y=y)
    return X, y


@pytest.fixture
def photos(digits):
    for i, (image, label) in enumerate(zip(*digits, strict=True)):
        path = Path("my photos", "abc"[label], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((40, 24)).save(path)
    return Path("my photos")


def test_scores_are_those_of_cross_validation(digits):
    output = run("search", "digits.npz", "out/s.csv", *FAST, "--cv", "3", "-s", "7")
    frame = pd.read_csv("out/s.csv")
    assert frame[["layer", "image_size"]].to_numpy().tolist() == [
        [4, 8],
        [4, 16],
        [16, 8],
        [16, 16],
    ]
    X, y = digits
    folds = StratifiedKFold(3, shuffle=True, random_state=7)
    for row in frame.itertuples():
        pipe = make_pipeline(
            ResNetFeatures(row.layer, weights="procedural", image_size=row.image_size, cache=None),
            StandardScaler(),
            LogisticRegression(C=0.01, max_iter=1000),
        )
        scores = cross_val_score(pipe, X, y, cv=folds)
        assert row.mean_score == pytest.approx(scores.mean(), abs=0.02)
        assert f"{row.mean_score:.3f}" in output
    assert "input      60 images, 3 labels of 19 to 21 images, 3 folds" in output
    assert "sizes      8, 16 pixels\n" in output

    record = json.loads(Path("out/s.json").read_text())
    assert record["model"] == "search"
    assert record["outputs"] == ["s.csv", "s.png"]
    assert (record["layers"], record["image_sizes"]) == ([4, 16], [8, 16])
    assert (record["n_folds"], record["score"], record["seed"]) == (3, "accuracy", 7)
    best = frame[frame["is_best"]].iloc[0]
    assert record["best"] == {"layer": best["layer"], "image_size": best["image_size"]}
    with Image.open("out/s.png") as image:
        assert image.width > 300


@pytest.mark.parametrize("value_range", [None, (0, 100)])
def test_files_are_read_at_the_largest_size(value_range, photos):
    run("search", photos, "s.csv", *FAST, "-q", *(["--value-range", 0, 100] if value_range else []))
    paths, y = load_image_folder(photos, return_X_y=True)
    images = ImageLoader(16, value_range=value_range).fit_transform(paths)
    np.savez("arrays.npz", x=images, y=y)
    run("search", "arrays.npz", "t.csv", *FAST, "-q")
    pd.testing.assert_frame_equal(pd.read_csv("s.csv"), pd.read_csv("t.csv"))
    assert json.loads(Path("s.json").read_text())["shapes"] == {"input": [60, 16, 16, 3]}


def test_without_output_files_are_named_after_input(photos):
    output = run("search", photos, *RESNET, "-l", "4", "--sizes", "8", "--picture", "svg")
    for suffix in (".csv", ".svg", ".json"):
        assert Path(f"my photos_search{suffix}").exists()
        assert f"wrote      my photos_search{suffix}\n" in output


def test_the_command_that_is_printed_uses_the_best(photos):
    output = run(
        "search", photos, "out/s.csv", *FAST, "--pooling", "max,avg", "--architecture", "resnet50v2"
    )
    best = json.loads(Path("out/s.json").read_text())["best"]
    name, *args = shlex.split(output.splitlines()[-1])
    assert name == "embedding"
    assert "--architecture" not in args
    run(*args, "-q")
    record = json.loads(
        Path(f"out/my photos_{best['layer']}_{best['image_size']}.json").read_text()
    )
    assert record["layers"] == [best["layer"]]
    assert record["image_size"] == best["image_size"]
    assert record["weights"] == "procedural"
    assert record["pooling"] == ["max", "avg"]


def test_a_repeated_search_replaces_its_files_and_no_others(digits):
    run("search", "digits.npz", *FAST, "-q")
    before = pd.read_csv("digits_search.csv")
    run("search", "digits.npz", *FAST, "-q")
    pd.testing.assert_frame_equal(pd.read_csv("digits_search.csv"), before)
    for name in ("s.csv", "s.png"):
        Path(name).write_text("mine")
        message = run("search", "digits.npz", "s.csv", *FAST, code=1)
        assert f"Name another OUTPUT, or move '{name}'" in message
        assert Path(name).read_text() == "mine"
        Path(name).unlink()


def test_the_scores_are_kept_if_the_picture_cannot_be_written(digits, monkeypatch):
    def fail(*args):
        raise OSError("no space")

    monkeypatch.setattr("sklearn_resnet.cli.search.save_figure", fail)
    assert "no space" in run("search", "digits.npz", "s.csv", *FAST, code=1)
    assert "mean_score" in pd.read_csv("s.csv")


@pytest.mark.parametrize("seed", [[], ["-s", "1"]])
def test_random_weights_are_drawn_again_by_the_command(seed):
    output = run("search", "digits.npz", *FAST[2:], "--weights", "random", *seed)
    *_, command = output.splitlines()
    assert f"--weights random --seed {seed[-1] if seed else 0}" in command
    run(*shlex.split(command)[1:], "-q")


@pytest.mark.parametrize(
    ("side", "sizes"),
    [
        (8, "8, 32"),
        (16, "16, 32"),
        (24, "24, 32, 48"),
        (32, "32, 48, 64"),
    ],
)
def test_default_sizes_suit_arrays(side, sizes, digits):
    images = np.stack([Image.fromarray(image).resize((side, side)) for image in digits[0][:12]])
    np.savez("digits.npz", x=images, y=digits[1][:12])
    output = run("search", "digits.npz", *RESNET, "-l", "4", "--cv", "2")
    assert f"sizes      {sizes} pixels; --sizes compares others\n" in output


def test_default_sizes_suit_rows_and_files(photos, digits):
    np.savez("rows.npz", x=digits[0].reshape(60, -1), y=digits[1])
    output = run("search", "rows.npz", *RESNET, "-l", "4", "--cv", "2")
    assert "sizes      8, 32 pixels;" in output
    output = run("search", photos, *RESNET, "-l", "4", "--cv", "2")
    assert "sizes      32, 48 pixels;" in output


def test_all_blocks_are_searched_by_default():
    run("search", "digits.npz", *RESNET, "--sizes", "8", "--cv", "2", "-q")
    assert pd.read_csv("digits_search.csv")["layer"].tolist() == [
        *(16, 27, 39, 51, 62, 73, 85),
        *(97, 108, 119, 130, 141, 153),
    ]


def test_numbers_on_a_scale_are_predicted_by_regression(digits):
    X, _ = digits
    np.savez("digits.npz", x=X, y=X.mean((1, 2)))
    output = run("search", "digits.npz", *FAST)
    assert "r2, mean over 5 folds" in output
    assert f"60 images, labels from {X.mean((1, 2)).min():g} to" in output
    assert pd.read_csv("digits_search.csv")["mean_score"].max() > 0.5
    assert json.loads(Path("digits_search.json").read_text())["score"] == "r2"


def test_labels_from_a_file_are_in_the_command(digits):
    Path("my labels.txt").write_text("\n".join(map(str, digits[1])))
    np.save("digits.npy", digits[0])
    output = run(
        "search", "digits.npy", *FAST, "--labels", "my labels.txt", "--value-range", "0", "254.5"
    )
    assert "--labels 'my labels.txt' --value-range 0 254.5" in output.splitlines()[-1]
    args = shlex.split(output.splitlines()[-1])[1:]
    run(*args, "-q")
    assert np.load(args[1])["labels"].tolist() == digits[1].tolist()


def test_groups_stay_in_one_fold(digits):
    X, y = digits
    # each image twice; without groups, its copy gives the label away
    rng = np.random.RandomState(1)
    X, y = X[:30], rng.permutation(y[:30])
    np.savez("digits.npz", x=np.concatenate([X, X]), y=np.concatenate([y, y]))
    np.save("groups.npy", np.tile(np.arange(30), 2))
    args = ["search", "digits.npz", *RESNET, "-l", "16", "--sizes", "8"]
    run(*args, "free.csv", "-q")
    output = run(*args, "grouped.csv", "--groups", "groups.npy")
    assert "30 groups, 5 folds" in output
    free, grouped = (pd.read_csv(f"{name}.csv")["mean_score"][0] for name in ("free", "grouped"))
    assert free - grouped > 0.2
    assert json.loads(Path("grouped.json").read_text())["groups_file"] == "groups.npy"


def test_groups_of_numbers_on_a_scale(digits):
    X, _ = digits
    np.savez("digits.npz", x=X, y=X.mean((1, 2)))
    np.save("groups.npy", np.arange(60) // 20)
    output = run("search", "digits.npz", *FAST, "--groups", "groups.npy")
    assert "warning    3 groups are too few for 5 folds: --cv is 3." in output
    np.save("groups.npy", np.arange(60) // 12)
    output = run("search", "digits.npz", *FAST, "--groups", "groups.npy", "--nested")
    assert (
        "warning    5 groups are too few for 5 folds with --nested, which splits the training part of "
        "each fold into as many again: --cv is 3." in output
    )


def test_the_nested_score_is_reported(digits):
    output = run("search", "digits.npz", *FAST, "--nested", "--cv", "3")
    record = json.loads(Path("digits_search.json").read_text())
    assert len(record["nested_scores"]) == 3
    assert f"nested     accuracy {np.mean(record['nested_scores']):.3f}" in output
    assert "--nested" not in output
    assert "--nested corrects this" in run("search", "digits.npz", *FAST)


def test_rare_labels(digits):
    X, y = digits
    y = np.where(np.arange(60) < 2, 9, y)
    np.savez("digits.npz", x=X, y=y)
    output = run("search", "digits.npz", *FAST)
    assert "warning    Label '9' has fewer images (2) than there are folds (5)" in output
    assert "Add images of it, or lower --cv.\n" in output
    assert "least populated" not in output
    np.savez("digits.npz", x=X[:6], y=[0, 1, 2, 0, 1, 2])
    output = run("search", "digits.npz", *FAST)
    assert "warning    2 images of one label are too few for 5 folds: --cv is 2." in output
    assert "fewer images" not in output
    message = run("search", "digits.npz", *FAST, "--nested", code=1)
    assert "INPUT must have at least 4 images of one label with --nested. Got 2 instead." in message
    assert "Add images, or leave --nested out." in message
    np.savez("digits.npz", x=X[:5], y=[0, 1, 2, 0, 1])
    output = run("search", "digits.npz", *FAST, "--cv", "2")
    assert "Label '2' has fewer images (1) than there are folds (2)" in output
    assert "Add images of it, or leave the label out.\n" in output


@pytest.mark.parametrize(
    "n_images", [5, 8, *(pytest.param(n, marks=pytest.mark.long) for n in (4, 6, 7, 9, 12))]
)
def test_nested_folds_are_possible(n_images, digits):
    X, y = digits
    rows = np.flatnonzero(y == 0)[:n_images].tolist() + np.flatnonzero(y == 1)[:n_images].tolist()
    np.savez("digits.npz", x=X[rows], y=y[rows])
    args = ["search", "digits.npz", *RESNET, "-l", "4", "--sizes", "8", "--nested", "--cv", "5"]
    run(*args)
    np.savez("digits.npz", x=X, y=X.mean((1, 2)))
    np.save("groups.npy", np.arange(60) % n_images)
    run(*args, "--groups", "groups.npy")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {},
            "INPUT must have labels, which the features have to predict. Got 'bad.npz' without labels",
        ),
        (
            {"y": np.zeros(6, int)},
            "INPUT must have at least two labels. Got only '0' instead. Add images of another label,",
        ),
        (
            {"y": np.array([0, 0, 0, 0, 0, 1])},
            "two labels in the training part of each fold. Got only those of '0' in one instead.",
        ),
        (
            {"y": np.arange(6)},
            "INPUT must have at least 2 images of one label. Got 1 instead. Add images.",
        ),
        (
            {"y": np.array([0, 1, np.nan] * 2)},
            "INPUT must have a label for each image. Got 2 without",
        ),
    ],
)
def test_unusable_labels(arrays, message, digits):
    np.savez("bad.npz", x=digits[0][:6], **arrays)
    assert message in run("search", "bad.npz", *FAST, code=1)


def test_groups_that_equal_the_labels():
    np.save("groups.npy", np.load("digits.npz")["y"])
    message = run("search", "digits.npz", *FAST, "--groups", "groups.npy", code=1)
    assert (
        "Error: --groups must have at least two groups for a label. Got one group for each label "
        "instead. A group is never split between training and test images" in message
    )
    np.save("groups.npy", np.zeros(60, int))
    message = run("search", "digits.npz", *FAST, "--groups", "groups.npy", code=1)
    assert "Error: --groups must have at least 2 groups. Got 1 instead." in message
    np.save("groups.npy", np.arange(60) % 2)
    message = run("search", "digits.npz", *FAST, "--groups", "groups.npy", "--nested", code=1)
    assert "with --nested. Got 2 instead. Add images of other groups, or leave --nested" in message


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["out.npy"], 1, "OUTPUT must end in .csv. Got 'out.npy' instead."),
        (["bad.npy"], 1, "OUTPUT must be another file than INPUT"),
        (["-l", "4,999"], 1, "--layers must be an index from -190 to 189"),
        (["-l", "4,160"], 1, "--layers must be at most 153"),
        (["--sizes", "8x8"], 2, "Invalid value for '--sizes': Each must be the side of a square"),
        (["--cv", "1"], 2, "Invalid value for '--cv'"),
        (["--image-size", "8"], 2, "No such option"),
        (["--cache", "c"], 2, "--cache and --no-cache exclude each other"),
    ],
)
def test_what_is_wrong_is_said_before_images_are_read(args, code, message):
    Path("bad.npy").touch()
    assert message in run("search", "bad.npy", *FAST, *args, code=code)
    assert not list(Path().glob("*.csv"))


def test_files_of_others_are_kept_before_images_are_read():
    Path("bad.npy").touch()
    for name in ("bad_search.csv", "bad_search.png", "bad_search.json"):
        Path(name).write_text("mine")
        assert f"move '{name}'" in run("search", "bad.npy", *FAST, code=1)
        Path(name).unlink()


def test_sizes_that_exceed_the_memory(photos):
    args = [*RESNET, "-l", "4", "--sizes", "40000000"]  # of more bytes than addresses
    message = run("search", photos, *args, code=1)
    assert "Error: Not enough memory: Unable to allocate" in message
    assert message.endswith("Pass a smaller --sizes or --batch-size.\n")


def test_quiet_prints_nothing():
    assert run("search", "digits.npz", *FAST, "-q") == ""


@pytest.mark.parametrize("mode", ["L", "channels"])
def test_unreadable_files_are_left_out(mode, photos):
    paths = [path.as_posix() for path in sorted(photos.rglob("*.png"))]
    groups = pd.DataFrame({"path": paths, "group": np.arange(60) % 6})
    groups.to_csv("groups.csv", index=False)
    options = [*FAST, "--cv", 2, "--mode", mode, "--groups", "groups.csv"]
    options += [] if mode == "L" else ["--separate-channels"]
    for path in paths[:7]:
        Path(path).write_bytes(b"no image")
    assert "cannot be read" in run("search", photos, "s.csv", *options, code=1)
    output = run("search", photos, "s.csv", *options, "--on-error", "skip")
    assert "7 of 60 images could not be read, and they are left out: " in output
    assert "53 images, 3 labels" in output
    line = output.splitlines()[-1]
    assert " --on-error skip" in line
    run(*shlex.split(line)[1:], "-q")
    scores = pd.read_csv("s.csv")["mean_score"]
    for path in paths[:7]:
        Path(path).unlink()
    groups[7:].to_csv("groups.csv", index=False)
    run("search", photos, "fewer.csv", *options, "-q")
    np.testing.assert_array_equal(scores, pd.read_csv("fewer.csv")["mean_score"])


def test_only_files_of_a_folder_are_left_out():
    message = run("search", "digits.npz", *FAST, "--on-error", "skip", code=1)
    assert "--on-error requires a folder or an archive of images as INPUT" in message


@pytest.fixture
def regions(digits):
    """A table of digits on a sheet, with labels and groups."""
    X, y = digits
    Image.fromarray(np.hstack(list(X))).save("sheet.png")
    left = 8 * np.arange(len(X))
    frame = pd.DataFrame({"path": "sheet.png", "top": 0, "left": left, "bottom": 8})
    frame = frame.assign(right=left + 8, label=y, group=left % 5)
    frame.to_csv("t.csv", index=False)
    return frame


def test_regions_are_searched_like_arrays(regions):
    options = [*RESNET, "-l", "4", "--sizes", "8", "--cv", "3"]
    regions.drop(columns="group").to_csv("t.csv", index=False)
    output = run("search", "t.csv", "t_out.csv", *options, "--margin", "0")
    run("search", "digits.npz", "d_out.csv", *options)
    scores = [pd.read_csv(f"{name}_out.csv")["mean_score"][0] for name in "td"]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    assert "embedding t.csv t_4_8.npz -l 4" in output
    assert "--margin 0" in output
    assert "sizes      32" in run("search", "t.csv", *RESNET, "-l", "4")


def test_the_groups_of_a_table_are_kept_together(regions):
    output = run("search", "t.csv", *FAST, "--cv", "3")
    assert "60 regions, 3 labels of 19 to 21 regions, 5 groups, 3 folds" in output
    run("search", "t.csv", "a.csv", *FAST, "--cv", "3")
    regions.drop(columns="group").to_csv("t.csv", index=False)
    run("search", "t.csv", "b.csv", *FAST, "--cv", "3")
    assert not pd.read_csv("a.csv").equals(pd.read_csv("b.csv"))


def test_regions_of_one_image_are_one_group(regions):
    for i in range(4):
        shutil.copy("sheet.png", f"{i}.png")
    paths = [f"{i % 4}.png" for i in range(60)]
    own = regions.assign(path=paths).drop(columns="group")
    own.to_csv("t.csv", index=False)
    output = run("search", "t.csv", "a.csv", *FAST, "--cv", 3)
    assert "groups     regions of one image are in one fold; --groups, or a column group" in output
    assert "4 groups, 3 folds" in output
    assert json.loads(Path("a.json").read_text())["grouped_by"] == "image"
    own.assign(group=paths).to_csv("t.csv", index=False)
    assert "regions of one image" not in run("search", "t.csv", "b.csv", *FAST, "--cv", 3)
    assert pd.read_csv("a.csv").equals(pd.read_csv("b.csv"))
    assert json.loads(Path("b.json").read_text())["grouped_by"] == "column"
    np.save("groups.npy", np.arange(4))  # of the images
    output = run("search", "t.csv", "c.csv", *FAST, "--cv", 3, "--groups", "groups.npy")
    assert json.loads(Path("c.json").read_text())["grouped_by"] == "file"


@pytest.mark.parametrize(
    ("paths", "reason"),
    [("sheet", "there is one image"), (("0", "1", "2"), "each label is in one image")],
)
def test_regions_that_images_cannot_group_are_split_with_a_warning(regions, paths, reason):
    for name in "012":
        shutil.copy("sheet.png", f"{name}.png")
    names = paths if isinstance(paths, str) else [paths[label] for label in regions["label"]]
    frame = regions.assign(path=names).drop(columns="group")
    frame.assign(path=frame["path"] + ".png").to_csv("t.csv", index=False)
    output = run("search", "t.csv", "a.csv", *FAST, "--cv", 3)
    assert f"training and test folds alike, because {reason}. The scores are too high" in output
    assert json.loads(Path("a.json").read_text())["grouped_by"] is None


@pytest.mark.parametrize(("column", "value"), [("label", ""), ("group", ""), ("group", np.nan)])
def test_each_region_must_have_a_label_and_a_group(regions, column, value):
    texts = regions[column].astype(object) if value else "c" + regions[column].astype(str)
    texts[7] = value
    regions.assign(**{column: texts}).to_csv("t.csv", index=False)
    message = run("search", "t.csv", *FAST, "--cv", "3", code=1)
    assert f"INPUT must have a {column} for each image. Got 1 without" in message
