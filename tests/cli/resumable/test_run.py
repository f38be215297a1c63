"""Resumable runs: complete, resumed, repeated or shared, they write the same bytes."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from sklearn_resnet import ImageLoader, ResNetFeatures
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._runtime.progress import tqdm
from sklearn_resnet._runtime.threads import dask_task
from sklearn_resnet.cli.main import main
from sklearn_resnet.cli.progress import Progress
from sklearn_resnet.cli.resumable import compute as _compute
from sklearn_resnet.cli.resumable import publish as _publish
from sklearn_resnet.cli.resumable import run as _run
from sklearn_resnet.cli.resumable.compute import compute_missing, embed_part
from sklearn_resnet.cli.resumable.parts import is_part_name, read_features
from sklearn_resnet.cli.resumable.plan import RunOptions, plan_table, read_finished_manifests
from sklearn_resnet.cli.resumable.publish import clean_up, publish
from sklearn_resnet.datasets import load_image_folder, load_table

OPTIONS = ["--weights", "random", "-l", "4", "-s", "0", "--image-size", "16", "--no-cache"]
PARTS = ["--part-size", "4"]
FOUR = RunOptions(part_size=4)
OUTPUTS = ["out.parquet", "out.npy"]


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(arg) for arg in (*args, *OPTIONS)])
    assert result.exit_code == code, result.output
    return result.output


def embed(output, *args, code=0):
    return run("photos", output, *PARTS, *args, code=code)


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    rng = np.random.default_rng(0)
    for i in range(10):
        path = Path("photos", "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return Path("photos")


def darken(photos):
    """Make them 16-bit PNGs whose values are nearly black, the darkest last."""
    for path in photos.rglob("*.png"):
        Image.fromarray(np.full((16, 16), 4000 - 9 * int(path.stem), np.uint16)).save(path)


class Watch:
    """The photos whose features are computed, in order, and what is done just before that."""

    def __init__(self):
        self.paths = []
        self.actions = {}
        self.timed = []


@pytest.fixture
def watch(monkeypatch):
    watched, compute = Watch(), ResNetFeatures._compute

    def watch_and_compute(resnet, images, bar=None):
        if bar is not None:  # otherwise a few images are timed, or a worker computes them
            for path in images.paths:
                watched.paths.append(path)
                watched.actions.get(path, lambda: None)()
        else:
            watched.timed += images.paths
        return compute(resnet, images, bar)

    monkeypatch.setattr(ResNetFeatures, "_compute", watch_and_compute)
    return watched


@pytest.fixture
def computed(watch):
    return watch.paths


@pytest.fixture
def actions(watch):
    return watch.actions


def raising(error):
    def action():
        raise error

    return action


@contextmanager
def broken(path):
    """Replace a photo by a file that is no image; put it back as it was."""
    path, content, status = Path(path), Path(path).read_bytes(), os.stat(path)
    path.write_text("<html>")
    yield
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def interrupt(output, *args):
    """Let a run end at the first photo of the third part; return what it printed."""
    with broken(list_photos()[8]):
        return embed(output, *args, code=1)


def list_photos():
    return sorted(str(path) for path in Path("photos").rglob("*.*"))


def contents(output):
    """All files of a run by name, except for records, which hold the time."""
    output = Path(output)
    paths = output.parent.glob(f"{output.stem}*")
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return {
        str(file.relative_to(output.parent)): file.read_bytes()
        for file in files
        if file.is_file() and file.suffix != ".json"
    }


def read_table(output):
    if Path(output).suffix == ".parquet":
        frame = pd.read_parquet(output)
        return frame, np.stack(frame["features"])
    return pd.read_csv(Path(output).with_name("out_rows.csv")), np.load(output, mmap_mode="r")


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_table_has_the_rows_of_one_pass(output):
    text = embed(output)
    assert "10 images in 3 parts of up to 4" in text
    frame, features = read_table(output)
    expected = ResNetFeatures(4, weights=None, random_state=0)
    images = ImageLoader(16).fit_transform(frame["path"])
    np.testing.assert_array_equal(features, expected.fit_transform(images))
    assert frame["path"].tolist() == list_photos()
    assert frame["label"].tolist() == ["a"] * 5 + ["b"] * 5
    assert features.dtype == np.float32
    assert not Path(f"{output}.partial").exists()
    record = json.loads(Path("out.json").read_text())
    assert record["shapes"]["embedding"] == [10, 64]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_second_run_computes_nothing(output, computed):
    embed(output)
    before = contents(output)
    computed.clear()
    assert "nothing is new" in embed(output)
    assert computed == []
    assert contents(output) == before
    embed(output, "--restart")
    assert sorted(computed) == list_photos()
    assert contents(output) == before


def change(name):
    Image.new("RGB", (16, 16), "red").save(Path("photos", name))


CHANGES = {
    "a new file": lambda: change("a/00.png"),
    "a changed file": lambda: change("b/3.png"),
    "a file that is gone": lambda: Path("photos/a/0.png").unlink(),
    "a file that is replaced by another of its time": lambda: (
        change("b/3.png"),
        os.utime("photos/b/3.png", ns=(0, 0)),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_later_run_computes_only_new_images(output, computed, change):
    embed(output)
    computed.clear()
    before = set(list_photos())
    CHANGES[change]()
    embed(output)
    new = {"a changed file": "b/3.png"}.get(change, "b/3.png")
    expected = sorted(set(list_photos()) - before) or [f"photos/{new}"]
    assert computed == ([] if "gone" in change else expected)
    embed(f"fresh/{output}")
    assert contents(output) == contents(f"fresh/{output}")


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(
    "option", [["-l", "16"], ["--pooling", "max"], ["--image-size", "12"], ["-s", "1"]], ids=str
)
def test_another_computation_takes_nothing_from_the_first(output, computed, option):
    embed(output)
    computed.clear()
    arguments = ["photos", output, *PARTS, *OPTIONS, *option]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert sorted(computed) == list_photos()


@pytest.mark.parametrize("output", OUTPUTS)
def test_other_labels_are_written_without_computing(output, computed):
    embed(output)
    computed.clear()
    Path("labels.txt").write_text("\n".join("abcdefghij"))
    embed(output, "--labels", "labels.txt")
    assert computed == []
    assert read_table(output)[0]["label"].tolist() == list("abcdefghij")


@pytest.mark.parametrize("first", OUTPUTS)
def test_two_tables_of_one_stem_are_not_mixed_up(first):
    second = OUTPUTS[1 - OUTPUTS.index(first)]
    embed(first, "--pooling", "avg")
    embed(second, "--pooling", "max")
    embed(first, "--pooling", "max")
    np.testing.assert_array_equal(read_table(first)[1], read_table(second)[1])
    Path("photos/a/0.png").unlink()
    embed(second, "--pooling", "max")
    embed(first, "--pooling", "max")
    assert read_table(first)[0]["path"].tolist() == list_photos()
    np.testing.assert_array_equal(read_table(first)[1], read_table(second)[1])


@pytest.mark.parametrize("file", ["out.npy", "out_rows.csv", "out_rows.json"])
@pytest.mark.parametrize("is_swapped", [False, True])
def test_an_npy_with_another_file_beside_it_is_made_anew(file, is_swapped, computed):
    embed("out.npy")
    before = contents("out.npy")
    if is_swapped:
        change("a/00.png")
        embed("other/out.npy")
        shutil.copy(f"other/{file}", file)
        Path("photos/a/00.png").unlink()
    else:
        Path(file).unlink()
    computed.clear()
    embed("out.npy")
    assert computed == list_photos()
    assert contents("out.npy") == before


@pytest.mark.parametrize("output", OUTPUTS)
def test_ctrl_c_says_how_to_continue_and_the_same_command_continues(output, actions, computed):
    embed(f"whole/{output}")
    actions[list_photos()[9]] = raising(KeyboardInterrupt())
    text = embed(output, code=130)
    assert f"2 of 3 parts are done, and kept in '{output}.partial'" in text
    assert "run the same command again" in text
    assert not Path(output).exists()
    actions.clear()
    computed.clear()
    embed(output)
    assert computed == list_photos()[8:]
    assert contents(output) == contents(f"whole/{output}")


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("first", CHANGES)
def test_parts_of_an_interrupted_run_serve_other_photos(output, first, computed):
    interrupt(output)
    done, before = list_photos()[:8], {path: os.stat(path) for path in list_photos()}
    CHANGES[first]()
    computed.clear()
    embed(output)
    expected = [
        path
        for path in list_photos()
        if path not in done or before[path].st_mtime_ns != os.stat(path).st_mtime_ns
    ]
    assert computed == expected
    embed(f"fresh/{output}")
    assert contents(output) == contents(f"fresh/{output}")


@pytest.mark.parametrize("output", OUTPUTS)
def test_restart_takes_nothing_from_an_interrupted_run(output, computed):
    interrupt(output)
    computed.clear()
    embed(output, "--restart")
    assert sorted(computed) == list_photos()


def test_incomplete_files_of_killed_runs_do_not_fill_the_disk():
    interrupt("out.parquet")
    incomplete = Path("out.parquet.partial/.part-00000002-x.parquet")
    incomplete.write_text("half")
    interrupt("out.parquet")
    assert not incomplete.exists()


def test_interruptions_do_not_fill_the_disk(computed):
    for i in range(5):
        change(f"a/00{i}.png")
        interrupt("out.parquet")
        assert len(list(Path("out.parquet.partial").iterdir())) <= 3 + i
    computed.clear()
    embed("out.parquet")
    assert set(computed) <= set(list_photos()[8:])


def test_parts_whose_rows_are_in_finished_parts_are_removed():
    interrupt("out.parquet")
    first = min(Path("out.parquet.partial").iterdir())
    change("a/00.png")
    for exists in (True, False):
        interrupt("out.parquet")
        assert first.exists() is exists


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_parts_of_another_computation_are_left_until_the_end(output, computed):
    for options in ([], ["--pooling", "max"]):
        interrupt(output, *options)
    computed.clear()
    embed(output)
    assert computed == list_photos()[8:]
    assert not Path(f"{output}.partial").exists()


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_interrupted_restart_continues(output, computed):
    embed(output)
    computed.clear()
    text = interrupt(output, "--restart")
    assert computed == list_photos()
    assert f"2 of 3 parts are done, and kept in '{output}.restarted'" in text
    computed.clear()
    embed(output, "--restart")
    assert computed == list_photos()[8:]
    assert not Path(f"{output}.restarted").exists()
    computed.clear()
    embed(output, "--restart")
    assert computed == list_photos()


def test_parts_left_by_restart_serve_the_plain_command(computed):
    interrupt("out.parquet", "--restart")
    computed.clear()
    embed("out.parquet")
    assert computed == list_photos()[8:]
    assert not Path("out.parquet.restarted").exists()


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_folder_that_was_left_changes_nothing(output):
    embed(output)
    Path(f"{output}.partial").mkdir()
    assert "(10, 64)" in embed(output)
    assert json.loads(Path("out.json").read_text())["shapes"]["embedding"] == [10, 64]
    assert not Path(f"{output}.partial").exists()


def plan_run(output, pooling, on_error="raise"):
    paths, labels = load_image_folder("photos", return_X_y=True)
    images = ImageLoader(16, lazy=True, on_error=on_error).fit_transform(paths)
    resnet = ResNetFeatures(4, weights=None, random_state=0, pooling=pooling, cache=None)
    return plan_table(Path(output), images, labels, resnet.fit(images), FOUR)


@pytest.mark.parametrize("output", OUTPUTS)
def test_parts_that_a_worker_of_an_earlier_run_writes_late_are_left_out(output):
    embed(f"fresh/{output}", "--pooling", "max")
    earlier, plan = plan_run(output, "avg"), plan_run(output, "max")
    failures = compute_missing(plan, {}, FOUR, Progress(quiet=True), [])
    for part in earlier.parts:
        embed_part(part, [], earlier.resnet)
    publish(plan, failures)
    clean_up(plan)
    assert contents(output) == contents(f"fresh/{output}")
    with pytest.raises(FileNotFoundError, match="was removed"):
        embed_part(earlier.parts[0], [], earlier.resnet)


def test_no_reader_finds_parts_of_another_run_in_the_table(monkeypatch):
    """Neither in the moment when it appears, nor after a worker has written there late."""
    earlier, plan, found = plan_run("out.parquet", "avg"), plan_run("out.parquet", "max"), []
    failures = compute_missing(plan, {}, FOUR, Progress(quiet=True), [])
    embed_part(earlier.parts[0], [], earlier.resnet)
    move = _publish.move

    def move_and_list(path, target):
        move(path, target)
        found.append({path.name for path in target.iterdir()})
        (target / earlier.parts[0].path.name).touch()

    monkeypatch.setattr(_publish, "move", move_and_list)
    publish(plan, failures)
    expected = {part.path.name for part in plan.parts}
    assert found == [expected]
    assert {path.name for path in Path("out.parquet").iterdir()} == expected


class WithBar(Progress):
    """Shows a bar, though this is no terminal."""

    def __init__(self):
        super().__init__(quiet=True)
        self.bars = []

    def count_images(self, **options):
        self.bars.append(tqdm(disable=False, file=io.StringIO(), **options))
        return self.bars[-1]


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("is_interrupted", [True, False])
def test_the_bar_counts_all_images_once(n_workers, is_interrupted, monkeypatch):
    monkeypatch.setattr(_compute, "open_pool", lambda *args: PoolElsewhere("."))
    (interrupt if is_interrupted else embed)("out.parquet")
    if not is_interrupted:
        change("a/0.png")
    plan, progress = plan_run("out.parquet", "avg"), WithBar()
    finished, options = read_finished_manifests(plan.output), replace(FOUR, n_workers=n_workers)
    compute_missing(plan, finished, options, progress, [])
    (bar,) = progress.bars
    assert (bar.initial, bar.n, bar.total) == (8 if is_interrupted else 0, 10, 10)


def test_parts_of_workers_count_as_done(monkeypatch):
    monkeypatch.setattr(_compute, "open_pool", lambda *args: PoolElsewhere("."))
    text = interrupt("out.parquet", "--workers", "2")
    assert "2 of 3 parts are done, and kept in 'out.parquet.partial'" in text


@pytest.mark.parametrize("name", ["read_features", "write_part"])
def test_files_are_read_and_written_outside_of_the_turn(name, monkeypatch):
    plan, steps = plan_run("out.parquet", "avg"), []
    plan.folder.mkdir()
    original = getattr(_compute, name)

    @contextmanager
    def turn():
        steps.append("enter")
        yield
        steps.append("exit")

    def watch(*args):
        steps.append(name)
        return original(*args)

    monkeypatch.setattr(_compute, name, watch)
    part, other = plan.parts[:2]
    embed_part(other, [], plan.resnet)
    steps.clear()
    embed_part(part, [(0, other.path, 0)], plan.resnet, turn=turn)
    expected = {"read_features": [name, "enter", "exit"], "write_part": ["enter", "exit", name]}
    assert steps == expected[name]


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(
    "options",
    [[], pytest.param(["--workers", "2"], marks=pytest.mark.long)],
    ids=["here", "workers"],
)
def test_dark_files_of_all_parts_are_told_of_once(photos, options):
    darken(photos)
    told = embed("out.npy", "-q", *options)
    assert told.count("uint16 hold values up to 4000 (in 'photos") == told.count("warning") == 1
    assert embed("out.npy", "-q", *options) == ""
    Image.fromarray(np.full((16, 16), 9000, np.uint16)).save("photos/b/9.png")
    assert embed("again.npy", "-q", *options) == ""


def test_another_value_range_computes_all_parts_again(photos):
    darken(photos)
    for value_range in ((0, 4095), (0, 4095), (0, 5000)):
        embed("out.npy", "-q", "--value-range", *value_range)
        expected = ImageLoader(16, value_range=value_range).fit_transform(
            load_image_folder(photos).data
        )
        resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None)
        np.testing.assert_array_equal(np.load("out.npy"), resnet.fit_transform(expected))


def test_only_the_workers_of_dask_take_turns(monkeypatch):
    turns, original = [], _compute.embed_part

    def watch(*args, turn):
        turns.append(turn)
        return original(*args, turn=turn)

    monkeypatch.setattr(_compute, "embed_part", watch)
    monkeypatch.setattr(_compute, "open_pool", lambda *args: PoolElsewhere("."))
    embed("local.parquet", "--workers", "2")
    embed("dask.parquet", "--dask", "tcp://127.0.0.1:1")
    assert turns == [nullcontext] * 3 + [dask_task] * 3


def test_two_runs_to_one_output_do_not_meet(actions):
    texts = []

    def embed_meanwhile():
        actions.clear()
        texts.append(embed("out.parquet", code=1))
        embed("other.parquet")

    actions["photos/a/0.png"] = embed_meanwhile
    embed("out.parquet")
    assert "Another run is writing 'out.parquet'. Wait until it ends" in texts[0]
    assert len(pd.read_parquet("out.parquet")) == 10
    assert not list(Path().glob("*.lock"))


def test_a_folder_of_another_program_is_not_replaced():
    precious = Path("data.parquet/year=2024/part-00000-1-c000.parquet")
    precious.parent.mkdir(parents=True)
    precious.touch()
    text = run("photos", "data.parquet", code=1)
    assert "Got 'data.parquet', a folder with 'year=2024' in it. Name another OUTPUT" in text
    assert precious.exists()
    shutil.rmtree("data.parquet/year=2024")
    Path("data.parquet/.git").mkdir()
    assert "a folder with '.git' in it" in run("photos", "data.parquet", code=1)
    embed("out.parquet")
    Path("out.parquet/.DS_Store").touch()
    change("a/00.png")
    embed("out.parquet")


def damage(path):
    content = bytearray(path.read_bytes())
    content[60:700] = bytes(640)
    path.write_bytes(content)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_damaged_table_is_made_anew(output, computed):
    embed(output)
    damage(sorted(Path("out.parquet").iterdir())[1] if "parquet" in output else Path(output))
    change("a/00.png")
    computed.clear()
    embed(output)
    lost = list_photos()[5:9] if "parquet" in output else list_photos()
    assert sorted(computed) == sorted({"photos/a/00.png", *lost})
    embed(f"fresh/{output}")
    assert contents(output) == contents(f"fresh/{output}")


def test_damaged_features_beside_intact_rows_are_computed_again(computed):
    embed("out.parquet")
    part = sorted(Path("out.parquet").iterdir())[1]
    content, features = bytearray(part.read_bytes()), read_features(part)
    content[content.index(features[0, :3].tobytes()) + 4] ^= 1
    part.write_bytes(content)
    change("a/00.png")
    computed.clear()
    embed("out.parquet")
    assert sorted(computed) == ["photos/a/00.png", *list_photos()[5:9]]
    embed("fresh/out.parquet")
    assert contents("out.parquet") == contents("fresh/out.parquet")


def test_a_damaged_part_of_an_npy_is_named(actions):
    actions["photos/b/9.png"] = lambda: damage(sorted(Path("out.npy.partial").iterdir())[1])
    text = embed("out.npy", code=1)
    assert "is damaged" in text
    assert "Remove it: the next run computes it again. All parts are done: run the same" in text


def test_an_error_without_a_message_of_its_own_keeps_its_text(actions):
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    actions["photos/b/9.png"] = raising(error)
    text = embed("out.parquet", code=1)
    assert "invalid start byte" in text
    assert "2 of 3 parts are done" in text


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (ValueError("It broke."), 1)]
)
def test_advice_needs_no_folder(error, code, actions, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("it is gone")

    def leave():
        for name in ("ls", "info", "exists", "isdir"):
            monkeypatch.setattr(MemoryFileSystem, name, refuse)
        raise error

    actions[list_photos()[9]] = leave
    text = embed("memory://gone/out.parquet", code=code)
    assert "2 of 3 parts are done, and kept in 'memory://gone/out.parquet.partial'" in text
    assert "it is gone" not in text


def test_a_damaged_part_does_not_count_as_done(actions):
    interrupt("out.parquet")
    for path in Path("out.parquet.partial").iterdir():
        path.write_bytes(b"PAR1")
    actions[list_photos()[0]] = raising(KeyboardInterrupt())
    assert "0 of 3 parts are done" in embed("out.parquet", code=130)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("has_cache", [True, False])
def test_ctrl_c_in_the_first_part_promises_only_what_is_kept(output, has_cache, actions):
    options = [option for option in OPTIONS if option != "--no-cache" or not has_cache]
    args = ["photos", output, *options]
    actions["photos/a/0.png"] = raising(KeyboardInterrupt())
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 130
    assert "kept in" not in result.output
    expected = {
        True: "0 of 1 parts are done. The computed features are in the cache: run the same",
        False: "0 of 1 parts are done, and nothing is kept without a cache. Parts of a smaller",
    }
    assert expected[has_cache] in result.output


@pytest.mark.parametrize("output", OUTPUTS)
def test_ctrl_c_while_the_table_is_put_in_its_place(output, monkeypatch):
    monkeypatch.setattr(_publish, "move", lambda *args: raising(KeyboardInterrupt())())
    assert "All parts are done: run the same command again" in embed(output, code=130)


class PoolElsewhere:
    """Runs tasks in this process, in another folder."""

    def __init__(self, folder):
        self.folder = folder

    def count(self):
        return 1

    def submit(self, function, *args):
        here, future = os.getcwd(), Future()
        os.chdir(self.folder)
        try:
            future.set_result(function(*args))
        finally:
            os.chdir(here)
        return future

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass


@pytest.mark.parametrize("output", OUTPUTS)
def test_workers_of_a_cluster_may_run_in_other_folders(output, tmp_path, monkeypatch):
    Path("photos/a/4.png").write_text("<html>")
    options = ["--on-error", "nan"]
    embed(f"here/{output}", *options)
    Path("elsewhere").mkdir()
    monkeypatch.setattr(_compute, "open_pool", lambda *args: PoolElsewhere("elsewhere"))
    text = embed(output, *options, "--dask", "tcp://127.0.0.1:1")
    assert contents(output) == contents(f"here/{output}")
    assert "to write\n" in text.replace(", and as much again until the parts are joined", "")


def test_a_cluster_has_no_folder_for_a_cache_unless_one_is_named(monkeypatch):
    monkeypatch.setattr(_compute, "open_pool", lambda *args: PoolElsewhere("."))
    options = [option for option in OPTIONS if option != "--no-cache"]
    args = ["photos", "out.parquet", *options, "--dask", "tcp://127.0.0.1:1"]
    assert CliRunner().invoke(main, args).exit_code == 0
    assert not Path("user").exists()
    assert CliRunner().invoke(main, [*args, "--restart", "--cache", "here"]).exit_code == 0
    assert Path("here").is_dir()


def test_the_plan_is_printed_before_the_run():
    assert "3.56kB to write; about 00:0" in embed("out.parquet")
    text = embed("out.npy")
    assert "3.56kB to write, and as much again until the parts are joined; about" in text


@pytest.mark.parametrize("has_cache", [True, False])
def test_ctrl_c_of_other_runs_mentions_the_cache_if_there_is_one(actions, has_cache):
    actions["photos/a/0.png"] = raising(KeyboardInterrupt())
    options = [option for option in OPTIONS if option != "--no-cache" or not has_cache]
    result = CliRunner().invoke(main, ["photos", "out.npz", *options])
    assert result.exit_code == 130
    assert ("run the same command again" in result.output) is has_cache


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("policy", ["nan", "skip"])
def test_broken_files_are_listed_and_no_row_shifts(output, policy, computed):
    embed(f"whole/{output}")
    whole = np.array(read_table(f"whole/{output}")[1])
    Path("photos/a/4.png").write_text("<html>")
    text = embed(output, code=1)
    assert "a/4.png' cannot be read" in text
    assert "It is image 2, counted from 0. --on-error skip, or nan, continues" in text
    text = embed(output, "--on-error", policy)
    assert "1 of 10 images could not be read" in text
    errors = pd.read_csv("out_errors.csv")
    assert errors.to_dict("records") == [
        {
            "path": "photos/a/4.png",
            "position": 2,
            "cause": "its content is of no known image format: it is an HTML page, such as the error "
            "page of a server",
        }
    ]
    frame, features = read_table(output)
    rows = [i for i in range(10) if i != 2]
    if policy == "nan":
        assert frame["path"].tolist() == list_photos()
        assert np.isnan(features[2]).all()
        features = features[rows]
    else:
        assert frame["path"].tolist() == np.array(list_photos())[rows].tolist()
    np.testing.assert_array_equal(features, whole[rows])
    computed.clear()
    embed(output, "--on-error", policy)
    assert computed == ["photos/a/4.png"]  # tried again, and nothing else
    change("a/4.png")
    assert "could not be read" not in embed(output, "--on-error", policy)
    assert not Path("out_errors.csv").exists()
    assert len(read_table(output)[0]) == 10


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("policy", ["nan", "skip"])
def test_known_features_stay_with_their_images_beside_broken_files(output, policy):
    Path("photos/a/4.png").write_text("<html>")
    embed(output, "--on-error", policy)
    Path("photos/b/5.png").write_text("<html>")
    change("a/00.png")
    text = embed(output, "--on-error", policy)
    assert f"({11 if policy == 'nan' else 9}, 64)" in text
    broken = ["photos/a/4.png", "photos/b/5.png"]
    assert pd.read_csv("out_errors.csv")["path"].tolist() == broken
    embed(f"fresh/{output}", "--on-error", policy)
    assert contents(output) == contents(f"fresh/{output}")


def test_broken_files_of_parts_done_before_an_interruption_are_listed():
    Path("photos/a/4.png").write_text("<html>")
    plan = plan_run("out.parquet", "avg", on_error="nan")
    plan.folder.mkdir()
    for part in plan.parts[:2]:
        embed_part(part, [], plan.resnet)
    embed("out.parquet", "--on-error", "nan")
    assert pd.read_csv("out_errors.csv")["path"].tolist() == ["photos/a/4.png"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_parts_done_under_another_policy_have_no_rows_too_many(output):
    Path("photos/a/4.png").write_text("<html>")
    plan = plan_run(output, "avg", on_error="nan")
    plan.folder.mkdir()
    for part in plan.parts[:2]:
        embed_part(part, [], plan.resnet)
    embed(output, "--on-error", "skip")
    frame, features = read_table(output)
    assert frame["path"].tolist() == [path for path in list_photos() if "a/4" not in path]
    assert np.isfinite(features).all()


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_file_that_is_absent_is_reported_by_each_run(output):
    absent = Path("photos/a/4.png")
    absent.unlink()
    absent.symlink_to("nowhere")
    for name in ("00.png", "01.png"):
        change(f"a/{name}")
        embed(output, "--on-error", "nan")
        assert pd.read_csv("out_errors.csv")["path"].tolist() == [str(absent)]


def test_the_record_tells_tables_of_other_photos_apart():
    def embed_and_read():
        embed("out.parquet")
        return json.loads(Path("out.json").read_text())["table"]

    before = embed_and_read()
    assert embed_and_read() == before
    change("a/00.png")
    assert embed_and_read() != before


def test_only_images_that_will_be_computed_are_timed(watch):
    embed("out.parquet")
    change("b/7.png")
    watch.timed.clear()
    embed("out.parquet")
    assert set(watch.timed) == {"photos/b/7.png"}


def test_parts_done_before_an_error_serve_another_policy(computed):
    Path("photos/b/9.png").write_text("<html>")
    assert "2 of 3 parts are done" in embed("out.parquet", code=1)
    computed.clear()
    embed("out.parquet", "--on-error", "skip")
    assert computed == list_photos()[8:]


@pytest.mark.parametrize("output", ["out.npz", "out.csv"])
def test_other_outputs_know_the_policies_too(output):
    Path("photos/a/4.png").write_text("<html>")
    run("photos", output, "--on-error", "skip")
    if output == "out.csv":
        assert len(pd.read_csv(output)) == 9
        run("photos", output, "--on-error", "nan", "-p")
        assert pd.read_csv(output)["pool1_pool_0"].isna().tolist() == [i == 2 for i in range(10)]
        assert len(pd.read_csv("out_umap.csv")) == 9
    else:
        with np.load(output) as file:
            assert file["paths"].tolist() == list_photos()[:2] + list_photos()[3:]
            assert len(file["features"]) == len(file["labels"]) == 9
            assert np.isfinite(file["features"]).all()
    assert len(pd.read_csv("out_errors.csv")) == 1


def test_a_part_of_which_all_is_skipped():
    for path in list_photos()[:4]:
        Path(path).write_text("<html>")
    text = embed("out.parquet", "--on-error", "skip", "-p")
    assert "(6, 64)" in text
    frame, features = read_table("out.parquet")
    assert frame["path"].tolist() == list_photos()[4:]
    assert features.shape == (6, 64)


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_map_is_drawn_without_unreadable_images(output):
    Path("photos/a/4.png").write_text("<html>")
    embed(output, "--on-error", "nan", "-p")
    assert Path("out_umap.png").is_file()
    suffix = "csv" if output == "out.parquet" else "npy"
    n_rows = len(pd.read_csv("out_umap.csv")) if suffix == "csv" else len(np.load("out_umap.npy"))
    assert n_rows == 9


def test_a_size_is_found_once_for_all_parts():
    Image.new("RGB", (9, 9)).save("photos/b/9.png")
    result = CliRunner().invoke(
        main, ["photos", "out.npy", *PARTS, "--weights", "random", "-l", "4", "-s", "0"]
    )
    assert result.exit_code == 1
    assert "a/0.png' has 16 x 16 pixels and 'photos/b/9.png' has 9 x 9" in result.output


@pytest.mark.parametrize("output", ["out.parquet", pytest.param("out.npy", marks=pytest.mark.long)])
def test_workers_write_the_same_bytes(output):
    Path("photos/a/4.png").write_text("<html>")
    for folder, workers in (("one", 1), ("two", 2)):
        embed(f"{folder}/{output}", "--on-error", "nan", "--workers", workers)
    assert contents(f"one/{output}") == contents(f"two/{output}")


@pytest.mark.parametrize(("n_workers", "expected"), [(2, [2]), (8, [3])])
def test_there_are_no_more_workers_than_parts(n_workers, expected, monkeypatch):
    opened = []

    def open_pool(n, scheduler):
        opened.append(n)
        return PoolElsewhere(".")

    monkeypatch.setattr(_compute, "open_pool", open_pool)
    embed("out.parquet", "--workers", n_workers)
    assert opened == expected
    run("photos", "whole.parquet", "--workers", n_workers)  # one part
    assert opened == expected


@pytest.fixture
def regions(photos):
    """A table of 10 regions of 5 images, those of the fifth in the third part of 4."""
    paths = [list_photos()[i] for i in (0, 1, 0, 2, 1, 3, 3, 0, 4, 4)]
    rows = np.arange(10)
    frame = pd.DataFrame({"path": paths, "top": rows % 4, "left": rows % 3})
    frame = frame.assign(bottom=frame["top"] + 9, right=frame["left"] + 11)
    frame = frame.assign(label=[*"abcdefghij"], score=rows / 4, id=[f"{i:03}" for i in rows])
    frame.to_csv("regions.csv", index=False)
    return frame


def embed_regions(output, *args, code=0):
    return run("regions.csv", output, *PARTS, *args, code=code)


@pytest.mark.parametrize("output", OUTPUTS)
def test_regions_are_rows_with_all_their_columns(output, regions):
    embed_regions(output)
    table = load_table(output)
    images = ImageLoader(16).fit_transform(regions)
    expected = ResNetFeatures(4, weights=None, random_state=0).fit_transform(images)
    np.testing.assert_array_equal(table.features, expected)
    pd.testing.assert_frame_equal(table.columns[[*regions]], regions, check_dtype=False)
    assert table.columns["score"].dtype == float


@pytest.mark.parametrize("n_workers", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("output", OUTPUTS)
def test_an_interrupted_table_of_regions_ends_with_the_same_bytes(
    output, n_workers, regions, computed
):
    with broken(list_photos()[4]):
        text = embed_regions(output, "--workers", n_workers, code=1)
    assert f"{list_photos()[4]}' cannot be read" in text
    computed.clear()
    embed_regions(output)
    assert computed == [list_photos()[4]] * 2 or n_workers == 2
    embed_regions(f"fresh/{output}")
    assert contents(output) == contents(f"fresh/{output}")
    computed.clear()
    assert "nothing is new" in embed_regions(output)
    assert computed == []


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_version_of_a_row_is_its_file_and_its_box(output, regions, computed):
    embed_regions(output)
    computed.clear()
    regions.loc[[2, 8], "top"] += 1
    regions["score"] += 1
    regions[::-1].to_csv("regions.csv", index=False)
    embed_regions(output)
    assert computed == [list_photos()[4], list_photos()[0]]
    computed.clear()
    Image.new("RGB", (16, 16), "red").save(list_photos()[3])
    embed_regions(output)
    assert computed == [list_photos()[3]] * 2
    embed_regions(f"fresh/{output}")
    assert contents(output) == contents(f"fresh/{output}")
    computed.clear()
    embed_regions(output, "--margin", "1", "--pad", "black")
    assert len(computed) == 10


@pytest.mark.parametrize("output", OUTPUTS)
def test_workers_elsewhere_write_the_same_bytes_of_regions(output, regions, monkeypatch):
    embed_regions(f"here/{output}")
    Path("elsewhere").mkdir()
    monkeypatch.setattr(_compute, "open_pool", lambda *args: PoolElsewhere("elsewhere"))
    embed_regions(output, "--dask", "tcp://127.0.0.1:1")
    assert contents(output) == contents(f"here/{output}")


@pytest.mark.parametrize("policy", ["nan", "skip"])
def test_regions_of_broken_files_are_listed_and_no_row_shifts(policy, regions):
    embed_regions("whole.npy")
    Path(list_photos()[1]).write_text("<html>")
    text = embed_regions("out.parquet", "--on-error", policy)
    assert "2 of 10 images could not be read" in text
    assert pd.read_csv("out_errors.csv")["position"].tolist() == [1, 4]
    table, kept = load_table("out.parquet"), np.setdiff1d(range(10), [1, 4])
    if policy == "nan":
        assert np.isnan(table.features[[1, 4]]).all()
    features = table.features[kept] if policy == "nan" else table.features
    np.testing.assert_array_equal(features, np.load("whole.npy")[kept])
    ids = regions["id"] if policy == "nan" else regions["id"][kept]
    assert table.columns["id"].tolist() == ids.tolist()


def test_options_of_resumable_runs_are_refused_for_other_tables():
    for option in (
        ["--workers", "2"],
        ["--dask", "tcp://127.0.0.1:1"],
        ["--restart"],
        ["--part-size", "10000"],
    ):
        assert "requires image files as INPUT" in run("photos", "out.csv", *option, code=1)
        assert "requires image files as INPUT" in run("digits", "out.npy", *option, code=1)


def test_a_killed_run_of_other_photos_leaves_nothing():
    interrupt("out.parquet")
    Path("out.parquet.partial/.part-00002-x.parquet").write_text("half")
    for name in ("a/2.png", "a/4.png", "a/6.png", "a/8.png", "b/1.png", "b/3.png", "b/5.png"):
        Path("photos", name).unlink()
    embed("out.parquet")
    (part,) = Path("out.parquet").iterdir()
    assert is_part_name(part.name)
    assert len(pd.read_parquet("out.parquet")) == 3


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_folder_that_is_removed_meanwhile(output, actions):
    actions["photos/b/5.png"] = lambda: shutil.rmtree(f"{output}.partial")
    assert "partial' was removed while features were computed" in embed(output, code=1)
    assert not Path(output).exists()
    actions.clear()
    embed(output)
    assert len(read_table(output)[0]) == 10


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_part_that_is_removed_meanwhile(output, actions):
    actions["photos/b/9.png"] = lambda: sorted(Path(f"{output}.partial").iterdir())[1].unlink()
    assert "was written but is missing" in embed(output, code=1)
    assert not Path(output).exists()
    actions.clear()
    embed(output)
    assert len(read_table(output)[0]) == 10


class Killed(BaseException):
    """No program catches it."""


def kill_at(monkeypatch, step):
    """Raise Killed instead of moving or removing files, from this step on; return the steps."""
    steps = []

    def wrap(name):
        original = getattr(os, name)

        def move(*args, **kwargs):
            steps.append((name, *args))
            if len(steps) > step:
                raise Killed
            return original(*args, **kwargs)

        monkeypatch.setattr(os, name, move)

    for name in ("replace", "rename", "unlink", "rmdir"):
        wrap(name)
    return steps


@pytest.mark.parametrize("is_changed_again", [False, True])
@pytest.mark.parametrize("output", [OUTPUTS[0], pytest.param(OUTPUTS[1], marks=pytest.mark.long)])
def test_killed_at_any_step_it_ends_with_the_same_bytes(
    output, is_changed_again, computed, monkeypatch
):
    """There are about 20 steps at which files move; a kill at each, and the run after it."""
    for folder in ("new", "again"):
        Path(folder).mkdir()
    embed(f"old/{output}")
    change("a/0.png")
    change("a/00.png")
    embed(f"new/{output}")
    Path("photos/a/00.png").rename("00.png")
    embed(f"again/{output}")
    tables = {folder: contents(f"{folder}/{output}") for folder in ("old", "new", "again")}
    n_steps = 0
    while True:
        Path("00.png").rename("photos/a/00.png")
        shutil.rmtree("work", ignore_errors=True)
        shutil.copytree("old", "work")
        computed.clear()
        with monkeypatch.context() as patch:
            kill_at(patch, n_steps)
            try:
                embed(f"work/{output}")
            except Killed:
                n_steps += 1
            else:
                break
        found = contents(f"work/{output}")
        check_that_no_rows_are_mixed_up(output, found, tables)
        assert not [path for path in Path("work").glob(".out*[yv]") if path.stat().st_size]
        if is_changed_again:
            Path("photos/a/00.png").rename("00.png")
        embed(f"work/{output}")
        assert contents(f"work/{output}") == tables["again" if is_changed_again else "new"]
        left = {path.name for path in Path("work").iterdir() if path.suffix != ".json"}
        assert {name for name in left if not name.startswith(".")} <= {output, "out_rows.csv"}
        if not is_changed_again:
            Path("photos/a/00.png").rename("00.png")
    assert n_steps > 10


def check_that_no_rows_are_mixed_up(output, found, tables):
    """A reader finds one of the tables, or none, or an .npy without rows."""
    old, new = tables["old"], tables["new"]
    if output == "out.npy":
        table = {name: found[name] for name in ("out.npy", "out_rows.csv") if name in found}
        assert table.items() <= old.items() or table.items() <= new.items()
    else:
        table = {name: file for name, file in found.items() if name.startswith(f"{output}/part")}
        assert table in ({}, old, new)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_clock_that_is_set_back_changes_nothing(output, monkeypatch):
    embed(f"whole/{output}")
    now = iter(range(2_000_000_000, 0, -1000))
    monkeypatch.setattr("time.time", lambda: next(now))
    embed(output)
    assert contents(output) == contents(f"whole/{output}")


@contextmanager
def limited_files(size):
    """Let no file become larger, as on a full disk."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(("output", "limit"), [("out.parquet", 1000), ("out.npy", 1000), ("out.npy", 2000), ("out.csv", 3000), ("out.npz", 1000)])  # fmt: skip
def test_a_full_disk_leaves_no_half_file(output, limit):
    options = PARTS if output in OUTPUTS else []
    with limited_files(limit):
        text = run("photos", output, *options, "-q", code=1)
    assert "Cannot write" in text
    assert "File too large. Free some space" in text
    left = [path.name for path in Path().iterdir()]
    assert output not in left
    assert not [path for path in Path().rglob(".*") if path.is_file()]
    run("photos", output, *options)
    assert Path(output).exists()


def test_urls_for_both(photos):
    import zipfile

    with zipfile.ZipFile("all.zip", "w") as file:
        for path in list_photos():
            file.write(path, os.path.relpath(path, "photos"))
    for name in OUTPUTS:
        url = f"memory://long_run/{name}"
        run(f"zip://::{Path('all.zip').resolve()}", url, *PARTS)
        embed(f"here/{name}")
        expected = read_table(f"here/{name}")[1]
        if name == "out.npy":
            with as_path(url).open("rb") as file:
                np.testing.assert_array_equal(np.load(file), expected)
        else:
            parts = sorted(as_path(url).iterdir())
            assert [part.name[:14] for part in parts] == [f"part-{i:08}-" for i in range(3)]
            frames = [pd.read_parquet(part.open("rb")) for part in parts]
            np.testing.assert_array_equal(np.stack(pd.concat(frames)["features"]), expected)
        assert "nothing is new" in run(f"zip://::{Path('all.zip').resolve()}", url, *PARTS)


@pytest.mark.parametrize("output", OUTPUTS)
def test_stores_that_know_no_folders(output, monkeypatch):
    """As S3: a folder is there while there is a file in it."""
    for name in ("mkdir", "makedirs"):
        monkeypatch.setattr(MemoryFileSystem, name, lambda *args, **kwargs: None)
    url, fs = f"memory://flat/{output[4:]}/{output}", MemoryFileSystem()
    assert "nothing is new" not in embed(url)
    assert "nothing is new" in embed(url)
    embed(output)
    expected = {name for name in contents(output) if name.startswith(output)}
    found = {path.removeprefix(f"/flat/{output[4:]}/") for path in fs.find("/flat")}
    assert {path for path in found if path.startswith(output)} == expected
    change("a/0.png")
    assert "9 known, 1 to embed" in embed(url)


@pytest.mark.parametrize("form", ["zip", "tar", "gztar"])
def test_archives_are_embedded_like_folders(form):
    archive = shutil.make_archive("shards", form, "photos")
    embed("folder.parquet")
    assert "nothing is new" not in run(archive, "shards.parquet", *PARTS)
    assert "nothing is new" in run(archive, "shards.parquet", *PARTS)
    folder, shards = pd.read_parquet("folder.parquet"), pd.read_parquet("shards.parquet")
    np.testing.assert_array_equal(np.stack(folder["features"]), np.stack(shards["features"]))
    assert folder["label"].tolist() == shards["label"].tolist()


def make_many(n_photos):
    rng = np.random.default_rng(1)
    for i in range(n_photos):
        path = Path("many", f"{i % 10}", f"{i}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


def heed_interrupts():
    # the process that runs the tests may ignore them
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(output, *args):
    embedding = Path(sys.executable).with_name("embedding")
    command = [embedding, "many", output, *OPTIONS, *args]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command, **pipes, text=True, start_new_session=True, preexec_fn=heed_interrupts
    )


def finish(process):
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("output", "n_workers"), [(OUTPUTS[0], 1), (OUTPUTS[0], 2), (OUTPUTS[1], 1)]
)
def test_killed_at_any_moment_it_ends_with_the_same_bytes(output, n_workers):
    make_many(5000)
    options = ["--part-size", "50", "--workers", str(n_workers), "-l", "51"]
    finish(start(f"whole/{output}", *options))
    rng, partial, done = random.Random(n_workers), Path(f"{output}.partial"), {}

    def find_parts(folder):
        return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.*")}

    for _ in range(20 // n_workers):
        n_wanted, deadline = len(done) + rng.randrange(3), time.monotonic() + 60
        process = start(output, *options)
        while not partial.exists() or len(find_parts(partial)) < n_wanted:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)  # with its workers
        process.communicate()
        before, done = done, find_parts(partial)
        assert before.items() <= done.items()  # nothing that was done is done again
        assert not Path(output).exists()
    assert 0 < len(done) < 100
    finish(start(output, *options))
    if output == "out.parquet":
        assert before.items() <= find_parts(Path(output)).items()
    assert contents(output) == contents(f"whole/{output}")


@pytest.mark.long
@pytest.mark.parametrize("output", OUTPUTS)
def test_killed_at_any_moment_while_the_table_is_put_in_its_place(output, monkeypatch):
    make_many(1000)
    options = ["--part-size", "10"]
    run("many", f"old/{output}", *options)
    Image.new("RGB", (16, 16), "red").save("many/0/00.jpg")
    run("many", f"new/{output}", *options)
    tables = {folder: contents(f"{folder}/{output}") for folder in ("old", "new")}

    with monkeypatch.context() as patch:
        patch.setattr(_run, "publish", lambda *args: raising(KeyboardInterrupt())())
        run("many", f"old/{output}", *options, code=130)

    def start_publishing():
        """Start a run that has the lock; a machine busy with other things may miss its time."""
        for _ in range(5):
            shutil.rmtree("work", ignore_errors=True)
            shutil.copytree("old", "work")
            process = start(f"work/{output}", *options)
            while process.poll() is None:
                if Path(f"work/{output}.lock").exists():
                    return process
                time.sleep(0.002)
            finish(process)
        pytest.fail("the lock was never seen")

    rng = random.Random(0)
    for _ in range(12):
        process = start_publishing()
        time.sleep(rng.uniform(0, 0.6))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        check_that_no_rows_are_mixed_up(output, contents(f"work/{output}"), tables)
        run("many", f"work/{output}", *options)
        assert contents(f"work/{output}") == tables["new"]


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["one", "two"])
def test_ctrl_c_ends_soon_and_leaves_no_half_file(options):
    make_many(2000)
    process = start("out.parquet", "--part-size", "100", "-l", "82", *options)
    partial, deadline = Path("out.parquet.partial"), time.monotonic() + 120
    while len(list(partial.glob("part-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    n_before = len(list(partial.glob("part-*")))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to workers too
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "parts are done, and kept in 'out.parquet.partial': run the same command" in stderr
    assert not Path("out.parquet").exists()
    names = [path.name for path in partial.iterdir()]
    assert all(is_part_name(name) for name in names) or options
    # those under way, of 20 parts
    assert sum(map(is_part_name, names)) <= n_before + 4


@pytest.mark.long
def test_a_cluster_writes_the_same_bytes_though_a_worker_is_killed():
    from distributed import Client, LocalCluster

    make_many(2000)
    options = ["--part-size", "100", "-l", "82"]
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        process = start("out.parquet", *options, "--dask", cluster.scheduler_address)
        partial, deadline = Path("out.parquet.partial"), time.monotonic() + 120
        while len(list(partial.glob("part-*"))) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        finish(process)
    finish(start("whole/out.parquet", *options))
    assert contents("out.parquet") == contents("whole/out.parquet")


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_parts():
    """The peak of a run of 4 parts is that of a run of 40.

    Its images, all together, would take 88 MiB more than those of 4 parts.
    """
    make_many(2000)
    program = (
        "import sys\nfrom sklearn_resnet.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    peaks = []
    for folder in ("many/0", "many"):
        arguments = [folder, f"{len(peaks)}.parquet", "--part-size", "50", "-q", *OPTIONS]
        command = [sys.executable, "-c", program, *arguments, "--image-size", "128"]
        done = subprocess.run(command, capture_output=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 44


_WITHOUT_DASK = """
import sys
from sklearn_resnet._runtime.threads import count_threads
from sklearn_resnet.cli.main import main
n_threads = count_threads()
main(sys.argv[1:], standalone_mode=False)
assert "distributed" not in sys.modules
assert count_threads() == n_threads
"""


def test_a_run_on_this_machine_does_not_import_dask():
    command = [sys.executable, "-c", _WITHOUT_DASK, "photos", "out.parquet", "-q", *PARTS, *OPTIONS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
