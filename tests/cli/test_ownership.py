"""Files that a command may replace: those that it wrote for the same OUTPUT."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run
from PIL import Image

from sklearn_resnet.cli.ownership import (
    check_picture,
    check_replaceable,
    claim,
    claim_picture,
)
from sklearn_resnet.cli.record import read_former_record, record_path, save_record
from sklearn_resnet.cli.resumable.lock import lock_output

PCA = ["-m", "pca", "-d", "2", "-s", "0", "-q"]
RESNET = ["--weights", "random", "-l", "4", "-s", "0", "--no-cache", "-q"]
OF_OTHERS = [
    *("mine", "", "[1]", '"text"', "3", "{}", '{"images": [], "annotations": []}', "[" * 100_000),
    '{"command": ["embedding"], "outputs": ["../out.npz"]}',
    '{"command": ["embedding"], "outputs": []}',
    '{"command": "embedding", "outputs": ["out.npz"]}',
    '{"outputs": ["out.npz"]}',
]


def contents():
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for i in range(4):
        Image.fromarray(np.full((8, 8, 3), 60 * i, np.uint8)).save(f"photos/{i}.png")


@pytest.mark.parametrize("content", OF_OTHERS)
def test_a_json_of_another_program_is_not_replaced(content):
    Path("out.json").write_text(content)
    for check in (check_replaceable, claim):
        with pytest.raises(FileExistsError, match=r"Name another OUTPUT, or move 'out.json'\.$"):
            check(Path("out.npz"), [Path("out.npz")])
    assert Path("out.json").read_text() == content


COMMANDS = {
    ("digits", "out.npz", *PCA, "-p", "--html"): (
        *("out.npz", "out.json", "out_errors.csv", "out_pca.png", "out_pca.html"),
    ),
    ("digits", "out.npy", *PCA, "-t", "--picture", "svg"): (
        *("out.npy", "out_rows.csv", "out_rows.json", "out_pca.svg"),
    ),
    ("photos", "out.npz", *RESNET, "-p"): ("out_umap.npz", "out_umap.png", "out_errors.csv"),
    ("photos", "out.npy", *RESNET, "--html"): (
        *("out.npy", "out_rows.csv", "out_rows.json", "out_umap.npy", "out_umap.html"),
        *("out.npy.partial", "out.npy.restarted/a", "out.npy.former/.env", "out.npy.lock"),
    ),
    ("photos", "out.parquet", *RESNET, "-p"): (
        *("out.parquet", "out.parquet/a", "out.parquet/.part-1/a", "out.parquet/.gitignore"),
        *("out.json", "out_errors.csv", "out_umap.csv", "out.parquet.former", "out.parquet.lock"),
    ),
    ("digits", "out.csv", "--compare", "pca"): ("out.csv", "out.json", "out_compare.png"),
}


@pytest.mark.parametrize(
    ("args", "name"),
    [(args, name) for args, names in COMMANDS.items() for name in names],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_a_file_of_another_program_ends_the_command_before_any_work(args, name):
    Path(name).parent.mkdir(exist_ok=True, parents=True)
    Path(name).write_text("mine")
    before = contents()
    output = run(*args, code=1)
    assert "Name another OUTPUT, or " in output
    assert name.split("/")[0] in output
    assert contents() == before


def test_a_command_replaces_its_own_files():
    Path("out_other.csv").write_text("mine")
    for _ in range(2):
        run("digits", "out.npz", *PCA, "-p")
        run("photos", "parts.npy", *RESNET)
    record = json.loads(Path("out.json").read_text())
    assert record["output"] == "out.npz"
    assert "writing" not in record
    del record["output"]  # as earlier versions wrote it
    Path("out.json").write_text(json.dumps(record))
    run("digits", "out.npz", *PCA, "-p")
    assert Path("out_other.csv").read_text() == "mine"


def test_a_table_of_the_same_stem_has_a_record_of_its_own():
    run("digits", "out.npz", *PCA, "-p")
    before = contents()
    for _ in range(2):
        run("digits", "out.csv", *PCA)
    assert json.loads(Path("out.csv.json").read_text())["output"] == "out.csv"
    assert before.items() <= contents().items()
    assert "move 'out_pca.png'" in run("digits", "out.csv", *PCA, "-p", code=1)
    run("digits", "out.npz", *PCA, "-p")
    Path("out.json").unlink()
    assert record_path(Path("out.csv")) == Path("out.csv.json")


def test_a_file_that_was_about_to_be_written_is_known_after_a_kill():
    output, picture = Path("out.npz"), Path("out_umap.png")
    claim(output, [output])
    claim(output, [picture])
    picture.touch()
    output.touch()
    check_replaceable(output, [output, picture])
    record = read_former_record(output)
    assert record["writing"] == ["out.npz", "out_umap.png"]
    with pytest.raises(FileExistsError, match="move 'out_umap.png'"):
        check_replaceable(Path("out.csv"), [picture])
    run("digits", "out.npz", *PCA)
    record = json.loads(Path("out.json").read_text())
    assert record["outdated"] == ["out_umap.png"]


def test_a_claim_keeps_the_record_of_the_table():
    output = Path("out.npz")
    save_record(
        Path("out.json"), {"command": ["embedding"], "outputs": ["out.npz"], "model": "pca"}
    )
    claim(output, [output])
    assert read_former_record(output)["model"] == "pca"


@pytest.mark.parametrize("name", [".DS_Store", ".part-00000000-0a.parquet", f"part-{0:08}-{'a' * 32}.parquet"])  # fmt: skip
def test_a_folder_of_parts_is_replaced(name):
    Path("out.parquet").mkdir()
    Path("out.parquet", name).touch()
    check_replaceable(Path("out.parquet"), [Path("out.parquet")])


def test_an_empty_lock_is_that_of_a_killed_run():
    Path("out.npy.lock").touch()
    check_replaceable(Path("out.npy"), [Path("out.npy.lock")])


def test_a_folder_in_the_place_of_a_file_is_an_error():
    Path("out_errors.csv").mkdir()
    with pytest.raises(FileExistsError, match="Got 'out_errors.csv', a folder"):
        check_replaceable(Path("out.npz"), [Path("out_errors.csv")])


@pytest.mark.skipif(sys.platform == "win32", reason="needs rights")
def test_a_dangling_link_is_not_replaced():
    os.symlink("nowhere", "out_umap.png")
    with pytest.raises(FileExistsError, match="move 'out_umap.png'"):
        check_replaceable(Path("out.npz"), [Path("out_umap.png")])


@pytest.mark.parametrize("picture", ["out_similar.png", "photo.jpg", "found/photo.pdf"])
def test_a_picture_of_similar_images_replaces_only_its_own(picture):
    run("photos", "out.npz", *RESNET)
    Path("found").mkdir()
    Path(picture).write_text("mine")
    args = ["similar", "photos/0.png", "out.npz", "-o", picture]
    assert "Name another picture with -o, or move that file" in run(*args, code=1)
    assert Path(picture).read_text() == "mine"
    Path(picture).unlink()
    for _ in range(2):
        run(*args)
    run("photos", "out.npz", *RESNET)
    run(*args)
    other = ["similar", "photos/0.png", "b.npz", "-o", picture]
    run("photos", "b.npz", *RESNET)
    assert "not in the record of 'b.npz'" in run(*other, code=1)


def test_a_picture_does_not_need_a_record_that_can_be_written():
    table, picture = Path("out.npz"), Path("found.png")
    Path("out.json").mkdir()  # as a folder that cannot be written to
    claim_picture(table, picture)
    picture.touch()
    with pytest.raises(FileExistsError, match="not in the record"):
        check_picture(table, picture)


KINDS = {
    "features": ["labelled", "out.csv", *PCA],
    "--compare": ["labelled", "out.csv", "--compare", "pca", "-q"],
    "search": ["search", "labelled", "out.csv", "--cv", "2", "--sizes", "8", *RESNET],
    "check": ["check", "labelled", "-o", "out.csv", "--image-size", "8", *RESNET],
}


@pytest.fixture
def labelled():
    for i in range(8):
        path = Path(f"labelled/{i % 2}/{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("first", KINDS)
def test_a_result_of_another_kind_is_not_replaced(first, labelled):
    run(*KINDS[first])
    before = contents()
    for kind, args in KINDS.items():
        if kind == first:
            continue
        message = run(*args, code=1)
        assert f"Got 'out.csv', which holds {KIND_NAMES[first]}. Name another OUTPUT" in message
        assert contents() == before
    run(*KINDS[first])
    Path("out.csv").unlink()
    run(*KINDS["features" if first != "features" else "--compare"])


KIND_NAMES = {
    "features": "features",
    "--compare": "maps that --compare drew",
    "search": "scores of `embedding search`",
    "check": "findings of `embedding check`",
}


@pytest.mark.parametrize("kind", ["search", "check"])
def test_a_result_of_another_input_is_replaced_only_by_name(kind, labelled):
    Path("other").mkdir()
    Path("labelled").rename("other/labelled")
    args = [arg for arg in KINDS[kind] if arg not in ("-o", "out.csv")]
    for name in ("other/labelled", "./other/labelled/"):
        run(*[name if arg == "labelled" else arg for arg in args])
    Path("other/labelled").rename("labelled")
    assert "the result for './other/labelled/'. Name another OUTPUT" in run(*args, code=1)
    run(*args, *(["-o"] if kind == "check" else []), f"labelled_{kind}.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_two_commands_do_not_write_one_output_at_a_time(kind, labelled):
    with lock_output(Path("out.csv")):
        assert "Another run is writing 'out.csv'. Wait until it ends" in run(*KINDS[kind], code=1)
    run(*KINDS[kind])
    assert not list(Path().glob("*.lock"))
