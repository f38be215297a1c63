"""`embedding similar`: tables of every kind, the features of queries, and errors."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import run
from PIL import Image

import sklearn_resnet
from sklearn_resnet.cli.similar import command as _similar_run
from sklearn_resnet.cli.streams import printable

RESNET = ["--weights", "random", "-l", "4", "-s", "0", "--no-cache", "-q"]


def found(output):
    """The rows of the tables that were printed, split at blanks."""
    lines = [line.split() for line in output.splitlines()]
    return [line for line in lines if line and line[0].isdecimal()]


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i in range(6):
        path = Path("photos", "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)).save(path)
    shutil.copy("photos/b/3.png", "query.png")


@pytest.fixture
def sheets(monkeypatch):
    """The blocks that `draw_sheet` draws."""
    drawn, draw_sheet = [], _similar_run.draw_sheet
    monkeypatch.setattr(_similar_run, "draw_sheet", lambda b: drawn.append(b) or draw_sheet(b))
    return drawn


@pytest.mark.parametrize("size", [[], ["--image-size", "12"]], ids=["as it is", "cut"])
@pytest.mark.parametrize("table", ["t.npz", "t.csv", "t.npy", "t.parquet"])
def test_a_copy_is_found_first(table, size, sheets):
    run("photos", table, *RESNET, *size)
    output = run("similar", "query.png", table, "-k", "4")
    rows = found(output)
    assert rows[0] == ["1", "0.0000", "b", "photos/b/3.png"]
    assert [row[0] for row in rows] == list("1234")
    distances = [float(row[1]) for row in rows]
    assert distances == sorted(distances)
    assert "wrote      t_similar.png" in output
    with Image.open("t_similar.png") as image:
        assert image.width > 600
    ((query, caption, tiles),) = sheets[0]
    assert caption == "query\nquery.png\nby cosine distance"
    assert tiles[0][1] == "1.  0.0000\nb\nphotos/b/3.png"
    np.testing.assert_array_equal(tiles[0][0], query)
    assert max(query.shape) == 192


def test_random_weights_are_drawn_again_with_the_seed():
    run("photos", "t.npz", *RESNET, "-s", "3")
    assert found(run("similar", "query.png", "t.npz"))[0][1:] == ["0.0000", "b", "photos/b/3.png"]


def test_queries_of_an_int8_table_are_computed_in_float32():
    run("photos", "t.npz", *RESNET)
    change_record(precision="int8")
    output = run("similar", "query.png", "t.npz", "-k", "1")
    assert "weights random; int8; float32 for QUERY" in output
    assert found(output) == [["1", "0.0000", "b", "photos/b/3.png"]]


def test_a_long_name_is_cut_to_its_end(sheets):
    os.rename("photos/b", "photos/a long name of a folder")
    run("photos", "t.npz", *RESNET)
    run("similar", "query.png", "t.npz", "-k", "1")
    assert sheets[0][0][2][0][1].splitlines()[-1] == "...name of a folder/3.png"


def test_images_of_an_input_that_has_other_images_now_are_not_shown(sheets):
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8), dtype=np.uint8)
    np.savez("input.npz", x=images, y=np.arange(9))
    run("input.npz", "t.npy", *RESNET)
    np.savez("input.npz", x=images[1:], y=np.arange(8))
    Image.fromarray(images[5]).save("query.png")
    assert found(run("similar", "query.png", "t.npy", "-k", "1")) == [["1", "0.0000", "5"]]
    assert sheets[0][0][2] == [(None, "1.  0.0000\nrow 5")]


def test_a_record_that_another_table_replaced_is_not_taken():
    run("photos", "t.npz", *RESNET)
    run("photos", "t.csv", *RESNET, "-l", "9")
    assert "photos/b/3.png" in run("similar", "query.png", "t.npz")
    assert "photos/b/3.png" in run("similar", "query.png", "t.csv", "-o", "csv.png")
    Path("t.csv.json").rename("t.json")  # as versions without "output" wrote it
    record = json.loads(Path("t.json").read_text())
    assert record.pop("output") == "t.csv"
    Path("t.json").write_text(json.dumps(record))
    message = run("similar", "query.png", "t.npz", code=1)
    assert "'t.json' must be of 't.npz'. Got that of 't.csv'" in message
    assert "photos/b/3.png" in run("similar", "query.png", "t.csv", "-o", "csv.png")
    for suffix in ("csv", "json"):
        Path(f"t.{suffix}").rename(f"renamed.{suffix}")
    assert "photos/b/3.png" in run("similar", "query.png", "renamed.csv")


def test_distances_are_between_features():
    from sklearn_resnet import ImageLoader, ResNetFeatures

    run("photos", "t.npz", *RESNET, "--pooling", "gem", "--grid", "2x1", "-l", "4,16")
    output = run("similar", "query.png", "t.npz", "-k", "6", "--metric", "euclidean")
    assert "euclidean distance" in output
    resnet = ResNetFeatures(
        [4, 16], weights=None, random_state=0, pooling="gem", grid=(2, 1), cache=None
    )
    query = resnet.fit_transform(ImageLoader().fit_transform(["query.png"]))
    expected = np.sort(np.linalg.norm(np.load("t.npz")["features"] - query, axis=1))
    np.testing.assert_allclose([float(row[1]) for row in found(output)], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["grey", "floats", "colour", "one channel"])
def test_images_of_arrays_are_read_again_with_their_labels(kind, sheets):
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8), dtype=np.uint8)
    Image.fromarray(images[5]).save("query.png")
    images = {
        "grey": images,
        "floats": images / 255,
        "colour": np.repeat(images[..., None], 3, -1),
        "one channel": images[..., None],
    }[kind]
    np.savez("input.npz", x=images, y=np.arange(9) * 10)
    run("input.npz", "t.npy", *RESNET)
    rows = found(run("similar", "query.png", "t.npy", "-k", "20"))
    assert rows[0] == ["1", "0.0000", "50", "5"]
    assert len(rows) == 9
    image, caption = sheets[0][0][2][0]
    assert caption == "1.  0.0000\n50\nrow 5"
    assert image.dtype == np.uint8
    expected = images[5] * (255 if kind == "floats" else 1)
    np.testing.assert_allclose(image, expected, atol=0.6)
    os.remove("input.npz")
    output = run("similar", "query.png", "t.npy", "-k", "1")
    assert "The images cannot be shown" in output
    assert found(output) == [["1", "0.0000", "5"]]
    assert sheets[1][0][2][0] == (None, "1.  0.0000\nrow 5")


def test_patches_are_cut_again_with_the_seed(sheets):
    options = ["--patches", "5", "--patch-size", "8", "--image-size", "6"]
    run("photos/b/3.png", "t.npz", *RESNET, *options)
    assert len(found(run("similar", "query.png", "t.npz"))) == 5
    assert sheets[0][0][2][0][0].shape == (6, 6, 3)
    options += ["--weights", "procedural", "-l", "4", "--no-cache", "-q"]
    run("photos/b/3.png", "t.npz", *options)  # cut at random
    run("similar", "query.png", "t.npz")
    assert {tile for tile, _ in sheets[1][0][2]} == {None}


def test_several_queries():
    run("photos", "t.npz", *RESNET)
    output = run("similar", "query.png", "photos/a/0.png", "t.npz", "-k", "1", "-o", "new/two.PDF")
    assert [row[3] for row in found(output)] == ["photos/b/3.png", "photos/a/0.png"]
    assert Path("new/two.PDF").read_bytes().startswith(b"%PDF")


def test_the_picture_has_bounds(sheets, capsys):
    run("photos", "t.npz", *RESNET)
    options = _similar_run.SimilarOptions(
        ("query.png",) * 3, "t.npz", n_neighbors=5, max_queries=2, max_tiles=6
    )
    output = _similar_run.find_and_draw(options, describe=str)
    assert "The picture has 2 of 3 queries, and 3 images for each" in capsys.readouterr().err
    assert [len(tiles) for _, _, tiles in sheets[0]] == [3, 3]
    assert len(found(output)) == 15


def test_images_that_are_gone_leave_their_names(sheets):
    run("photos", "t.npz", *RESNET)
    os.remove("photos/b/3.png")
    output = run("similar", "query.png", "t.npz", "-k", "2")
    assert "1 of 2 images could not be read, and only their names are shown" in output
    assert found(output)[0][3] == "photos/b/3.png"
    tiles = sheets[0][0][2]
    assert tiles[0][0] is None
    assert tiles[1][0] is not None


def test_images_that_could_not_be_read_are_not_found():
    Path("photos/a/broken.png").write_text("<html>")
    run("photos", "t.npz", *RESNET, "--image-size", "12", "--on-error", "nan")
    output = run("similar", "query.png", "t.npz", "-k", "20")
    assert len(found(output)) == 6
    assert "broken" not in output


def test_names_move_no_cursor(tmp_path):
    os.rename("photos/b", "photos/\x1b[31mred\nline")
    run("photos", "t.npz", *RESNET)
    output = run("similar", "query.png", "t.npz", "-k", "1")
    assert found(output) == [["1", "0.0000", "\\x1b[31mred\\nline", "photos/\\x1b[31mred\\nline/3.png"]]  # fmt: skip
    assert printable("\udcff\u202e猫 ok") == "\\udcff\\u202e猫 ok"


def change_record(**changes):
    record = json.loads(Path("t.json").read_text())
    Path("t.json").write_text(json.dumps(record | changes))


CHANGES = {
    "another fingerprint": (
        lambda: change_record(weights_fingerprint="sha256:1"),
        "weights must be those used for 't.npz', with the fingerprint sha256:1. Got",
    ),
    "no record": (lambda: os.remove("t.json"), "The record 't.json' is missing"),
    "no JSON": (lambda: Path("t.json").write_text("<html>"), "must be one that `embedding` wrote"),
    "another JSON": (lambda: Path("t.json").write_text("[1]"), "must be one that `embedding` wrote"),
    "half a record": (
        lambda: Path("t.json").write_text('{"model": "resnet", "shapes": {"input": [1, 2, 2]}}'),
        "It cannot be read: KeyError('layers')",
    ),
    "pca": (lambda: change_record(model="pca"), "Got those of 'pca'"),
    "no seed": (lambda: change_record(seed=None), "random, without a seed"),
    "weights that are gone": (lambda: change_record(weights="my.h5"), "Got 'my.h5', which does not exist"),
    "another width": (lambda: change_record(layers=[16]), "must hold the 256 features"),
    "no table": (lambda: os.remove("t.npz"), "The table 't.npz' does not exist"),
    "no query": (lambda: os.remove("query.png"), "The image file 'query.png' does not exist"),
}  # fmt: skip


def test_weights_that_are_gone_can_be_named():
    run("photos", "t.npz", *RESNET)
    change_record(weights="my.h5")
    expected = (
        "Error: --weights must be 'auto', 'imagenet', 'procedural', the path of a weights file, or "
        "'hf://org/name' for the Hugging Face Hub. Got 'my.h5', which does not exist, instead. Name the "
        "present path of the weights by --weights.\n"
    )
    assert run("similar", "query.png", "t.npz", code=1) == expected


def test_a_query_that_is_a_folder():
    run("photos", "t.npz", *RESNET)
    output = run("similar", "photos", "t.npz", code=1)
    expected = "Error: 'photos' is a folder, not an image file. It is image 0, counted from 0. "
    assert output == f"{expected}Name an image file.\n"


def test_errors_of_the_input_are_about_its_options():
    options = ["--patches", "5", "--patch-size", "8", "--image-size", "6"]
    run("photos/b/3.png", "t.npz", *RESNET, *options)
    Image.new("RGB", (4, 4)).save("photos/b/3.png")
    output = run("similar", "query.png", "t.npz")
    assert "The images cannot be shown. --patch-size must leave" in output


@pytest.mark.parametrize("change", CHANGES)
def test_errors_say_what_is_wrong(change):
    run("photos", "t.npz", *RESNET)
    make, message = CHANGES[change]
    make()
    assert message in run("similar", "query.png", "t.npz", code=1)
    assert not Path("t_similar.png").exists()


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["query.png"], 2, "Missing argument 'QUERY..."),
        (["t.npz", "query.png"], 1, "TABLE must end in .npy, .npz, .csv or .parquet. Got 'query.png' instead. TABLE is the last argument."),
        (["query.png", "t.npz", "-o", "x.npz"], 1, "must end in .png, .jpg, .pdf or .svg. Got 'x.npz'"),
        (["query.png", "t.npz", "-o", "query.png"], 1, "another file than QUERY and TABLE"),
        (["query.png", "t.npz", "-k", "0"], 2, "0 is not in the range"),
        (["query.png", "t.npz", "--metric", "l3"], 2, "'l3' is not one of"),
        (["query.png", "t.npz", "--metrik", "l3"], 2, "Did you mean"),
    ],
)  # fmt: skip
def test_wrong_arguments(args, code, message):
    run("photos", "t.npz", *RESNET)
    assert message in run("similar", *args, code=code)
    with Image.open("query.png") as image:
        image.load()


def test_the_weights_may_have_moved():
    shutil.copy(Path(sklearn_resnet.__file__).parent / "weights/resnet50v2_procedural.npz", "w.npz")
    run("photos", "t.npz", "--weights", "w.npz", "-l", "4", "--no-cache", "-q")
    os.rename("w.npz", "moved.npz")
    rows = found(run("similar", "query.png", "t.npz", "--weights", "moved.npz", "-k", "1"))
    assert rows == [["1", "0.0000", "b", "photos/b/3.png"]]


def test_ctrl_c_ends_it_without_a_traceback(monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(_similar_run, "read_table", interrupt)
    assert run("similar", "query.png", "t.npz", code=130) == "Interrupted.\n"


@pytest.mark.parametrize("table", ["t.npz", "t.csv", "t.npy", "t.parquet"])
def test_regions_are_found_and_shown(table, sheets):
    rows = ["path,top,left,bottom,right"]
    rows += [f"photos/{'ab'[i % 2]}/{i}.png,{2 + i},3,{12 + i},13" for i in range(6)]
    Path("regions.csv").write_text("\n".join(rows))
    run("regions.csv", table, *RESNET, "--margin", "1")
    with Image.open("photos/b/3.png") as image:
        image.crop((2, 4, 14, 16)).save("query.png")
    output = run("similar", "query.png", table, "-k", "2")
    assert found(output)[0] == ["1", "0.0000", "photos/b/3.png", "5,3,15,13"]
    assert "path            top,left,bottom,right" in output
    assert (
        "QUERY 'query.png' is a whole image. Name a region as in query.png[0:100,0:200]" in output
    )
    ((query, _, tiles),) = sheets[0]
    np.testing.assert_array_equal(tiles[0][0], query)
    assert tiles[0][1] == "1.  0.0000\nphotos/b/3.png\n[5:15,3:13]"
    output = run("similar", "query.png", "photos/b/3.png[5:15,3:13]", table, "-k", "2")
    assert [row[:4] for row in found(output)[::2]] == [found(output)[0]] * 2
    same, (region, caption, _) = sheets[1]
    assert caption == "query\nphotos/b/3.png[5:15,3:13]\nby cosine distance"
    np.testing.assert_array_equal(region, same[0])
