"""The command: every kind of INPUT, OUTPUT and option, and what it says when something is wrong."""

import base64
import json
import re
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
import pytest
from channel_files import make_channels, save_arrays, save_ome
from commands import run
from dicom_files import make_dicom
from PIL import Image
from safetensors.numpy import load_file, save_file
from torch_weights import write_safetensors

from sklearn_resnet import EmbeddingDisplay, ImageLoader, ResNetFeatures, cache_info
from sklearn_resnet._features import forward_pass as _forward_pass
from sklearn_resnet._network.engines import choice as _choice
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.cli import features as _features
from sklearn_resnet.cli import pictures as _pictures
from sklearn_resnet.datasets import load_image_folder, load_table
from sklearn_resnet.plotting.explorer import page as explorer_page

RESNET = ["--weights", "random", "-l", "4", "-s", "0"]


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))  # where features are cached


@pytest.fixture
def digits(tmp_path):
    from sklearn_resnet.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    np.savez(tmp_path / "digits.npz", x=X[:40], y=y[:40])
    return tmp_path / "digits.npz"


@pytest.fixture
def unreadable(tmp_path):
    """An INPUT that exists, and whose error is the message of a command that reads it."""
    (tmp_path / "unreadable.npy").touch()
    return tmp_path / "unreadable.npy"


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat/2.png", "cat/10.jpg", "dog/1.png", "dog/3.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = (20, 16) if name != "dog/3.png" else (12, 30)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def test_pca_of_two_columns_is_drawn_as_it_is(digits, tmp_path):
    output = run(digits, "out/pca.npy", "-m", "pca", "-d", 2, "-p")
    assert "(40, 8, 8)" in output
    assert "(40, 2)" in output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "pca.json",
        "pca.npy",
        "pca_pca.png",
    ]
    X = np.load("out/pca.npy")
    assert X.shape == (40, 2)
    assert X.dtype == np.float32
    with Image.open("out/pca_pca.png") as image:
        assert image.size == (1200, 900)


def test_resnet_is_drawn_by_umap_and_a_seed_repeats_its_bytes(digits, tmp_path):
    output = run(digits, "a/out.npy", *RESNET, "-p")
    assert "UMAP" in output
    run(digits, "b/out.npy", *RESNET, "-p", "-q")
    names = ["out.json", "out.npy", "out_umap.npy", "out_umap.png"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in ("out.npy", "out_umap.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert np.load("a/out.npy").shape == (40, 64)
    assert np.load("a/out_umap.npy").shape == (40, 2)


def test_quiet_prints_nothing(digits):
    assert run(digits, "out.npy", "-m", "pca", "-d", 2, "-q") == ""


def test_compressed_output_has_labels_and_paths(photos):
    run(photos, "out.npy", *RESNET, "--image-size", 16, "-c")
    with np.load("out.npz", allow_pickle=False) as file:
        assert sorted(file) == ["features", "labels", "paths"]
        assert file["features"].shape == (4, 64)
        assert file["labels"].tolist() == ["cat", "cat", "dog", "dog"]
        names = [str(path).replace("\\", "/").split("photos/")[1] for path in file["paths"]]
    assert names == ["cat/2.png", "cat/10.jpg", "dog/1.png", "dog/3.png"]


def test_tables_name_their_columns(photos):
    run(photos, "out.csv", *RESNET, "--image-size", 16, "--pooling", "avg,max")
    frame = pd.read_csv("out.csv")
    assert frame.shape == (4, 2 + 128)
    assert frame.columns[:3].tolist() == ["path", "label", "pool1_pool_avg_0"]
    assert frame.columns[-1] == "pool1_pool_max_63"


def test_tables_name_the_cells_of_a_grid(photos):
    options = [*RESNET, "--image-size", 16]
    run(photos, "out.csv", *options, "--pooling", "gem", "--grid", "1x2")
    frame = pd.read_csv("out.csv")
    assert frame.shape == (4, 2 + 128)
    assert frame.columns[[2, -1]].tolist() == ["pool1_pool_cell0x0_0", "pool1_pool_cell0x1_63"]
    record = json.loads(Path("out.json").read_text())
    assert record["grid"] == [1, 2]
    run(photos, "whole.csv", *options)
    assert json.loads(Path("whole.json").read_text())["grid"] is None
    assert "--grid" in run(photos, "pca.csv", "-m", "pca", "--grid", "1x2", code=2)


@pytest.fixture
def dark_photos(tmp_path):
    """Of 12 bits in 16; and the same in all 16."""
    rng = np.random.default_rng(0)
    for i in range(4):
        values = rng.integers(0, 4096, (16, 16), dtype=np.uint16)
        for name, image in (("dark", values), ("bright", np.rint(values * (65_535 / 4095)))):
            path = tmp_path / name / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.astype(np.uint16)).save(path)
    return tmp_path / "dark"


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("model", [RESNET, ["-m", "pca", "-d", "2"]], ids=["resnet", "pca"])
def test_a_value_range_is_that_of_image_files(dark_photos, model):
    options = [*model, "--image-size", 8, "-q"]
    told = run(dark_photos, "dark.npz", *options)
    assert told.count("warning") == told.count("--value-range BLACK WHITE changes this.") == 1
    assert "Files of uint16 hold values up to 4" in told
    assert run(dark_photos, "mended.npz", *options, "--value-range", 0, 4095) == ""
    assert run("bright", "bright.npz", *options) == ""
    found = {name: np.load(f"{name}.npz")["features"] for name in ("dark", "mended", "bright")}
    np.testing.assert_allclose(found["mended"], found["bright"], atol=0.05)
    assert abs(found["dark"] - found["bright"]).max() > 0.5
    record = json.loads(Path("mended.json").read_text(encoding="utf-8"))
    assert record["file_range"] == [0, 4095]
    if model == RESNET:
        assert record["value_range"] == [0, 255]
        (first,) = [
            line.split()
            for line in run("similar", "dark/a/0.png", "mended.npz").splitlines()
            if line.strip().startswith("1 ")
        ]
        assert first[1] == "0.0000"


@pytest.mark.filterwarnings("always")
def test_a_value_range_is_that_of_arrays(tmp_path):
    X = np.random.default_rng(0).integers(-1024, 3072, (5, 8, 8)).astype(np.int16)
    np.save(tmp_path / "ct.npy", X)
    told = run("ct.npy", "doubtful.npy", *RESNET, "-q")
    assert "warning    X holds values from -1" in told
    assert told.endswith("--value-range BLACK WHITE changes this.\n")
    assert run("ct.npy", "sure.npy", *RESNET, "-q", "--value-range", -1024, 3071) == ""
    record = json.loads(Path("sure.json").read_text(encoding="utf-8"))
    assert (record["value_range"], record["file_range"]) == ([-1024, 3071], None)


@pytest.mark.filterwarnings("always")
def test_a_value_range_is_that_of_the_image_of_patches(dark_photos):
    options = [*RESNET, "--patches", 3, "--patch-size", 8, "-q"]
    assert "--value-range BLACK WHITE" in run("dark/a/0.png", "dark.npy", *options)
    assert run("dark/a/0.png", "mended.npy", *options, "--value-range", 0, 4095) == ""
    assert run("bright/a/0.png", "bright.npy", *options) == ""
    np.testing.assert_allclose(np.load("mended.npy"), np.load("bright.npy"), atol=0.05)


@pytest.mark.parametrize("source", ["digits", "photos"])
def test_an_invalid_value_range_is_an_error_of_the_option(source, photos):
    told = run(source, "out.npy", *RESNET, "--value-range", 5, 1, code=1)
    assert "--value-range must be None or (black, white), with black less than white" in told


def test_the_record_says_how_it_was_made(digits):
    run(digits, "out.npz", *RESNET[:2], "-l", "4,conv2_block1_out", "-s", 7, "-b", 16)
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert record["layers"] == [4, 16]
    assert record["layer_names"] == ["pool1_pool", "conv2_block1_out"]
    assert record["shapes"] == {"input": [40, 8, 8], "embedding": [40, 64 + 256]}
    assert record["weights_fingerprint"].startswith("random:ResNet50V2:")
    assert record["seed"] == 7
    assert record["outputs"] == ["out.npz"]
    assert {"sklearn-resnet", "numpy", "keras", "python"} <= set(record["versions"])
    assert record["seconds"]["embedding"] > 0


def test_features_equal_those_of_the_class(digits):
    from sklearn_resnet import ResNetFeatures

    run(digits, "out.npy", *RESNET, "--image-size", 12, "--pooling", "max")
    X = np.load(digits)["x"]
    expected = ResNetFeatures(4, weights=None, random_state=0, image_size=12, pooling="max")
    np.testing.assert_array_equal(np.load("out.npy"), expected.fit_transform(X))


def test_digits_need_no_file(tmp_path):
    assert "(1797, 8, 8)" in run("digits", "out.npy", "-m", "pca", "-d", 3)


def test_patches_of_one_image(photos):
    run(photos / "cat/2.png", "out.npy", *RESNET, "--patches", 12, "--patch-size", 8, "-p")
    assert np.load("out.npy").shape == (12, 64)
    assert np.load("out_umap.npy").shape == (12, 2)
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert record["shapes"]["umap"] == [12, 2]


@pytest.fixture
def drawn(monkeypatch):
    """The displays that are drawn, with their titles."""
    displays, from_embedding = [], EmbeddingDisplay.from_embedding

    def draw(*args, title, **kwargs):
        displays.append((from_embedding(*args, title=title, **kwargs), title))
        return displays[-1][0]

    monkeypatch.setattr(EmbeddingDisplay, "from_embedding", draw)
    return displays


@pytest.mark.parametrize(("n_patches", "is_shown"), [(9, True), (201, False)])
def test_patches_are_drawn_in_place_of_points_if_they_are_few(photos, n_patches, is_shown, drawn):
    options = ["-m", "pca", "-d", 2, "--patches", n_patches, "--patch-size", 4, "-p"]
    run(photos / "cat/2.png", "out.npy", *options)
    ((display, title),) = drawn
    assert (len(display.thumbnails_) > 0) is is_shown
    assert f"{n_patches} patches" in title


def test_one_image_gives_one_row(photos):
    run(photos / "cat/2.png", "out.npy", *RESNET)
    assert np.load("out.npy").shape == (1, 64)


def test_arrays_are_resized_for_pca_too(digits):
    assert "(40, 8, 8)" in run(digits, "out.npy", "-m", "pca", "-d", 5, "--image-size", 4)


def test_labels_from_a_file(digits):
    with open("labels.txt", "w", encoding="utf-8") as file:
        file.write("\n".join("even" if i % 2 == 0 else "odd" for i in range(40)))
    run(digits, "out.npz", "-m", "pca", "-d", 2, "-p", "--labels", "labels.txt")
    assert set(np.load("out.npz")["labels"]) == {"even", "odd"}
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    run(digits, "out.npz", "-m", "pca", "-d", 2)  # with labels of its own
    other = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert record["table"] != other["table"]
    run(digits, "picture.npy", "-m", "pca", "-d", 2, "-p", "--labels", "labels.txt")
    assert Path("picture_pca.png").is_file()


def test_the_title_says_where_the_weights_come_from(digits):
    run(digits, "out.npy", *RESNET, "--html")
    title = Path("out_umap.html").read_text(encoding="utf-8").partition("</title>")[0]
    assert "layer 4 (pool1_pool)" in title
    assert "random weights" in title
    assert "40 images" in title


def save_first_layer(path):
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv2d/vars")
        group.attrs["name"] = "conv1_conv"
        group["0"] = np.zeros((7, 7, 3, 64), np.float32)
        group["1"] = np.zeros(64, np.float32)


def test_options_are_checked_before_images_are_read(unreadable):
    assert "Got 999" in run(unreadable, "out.npy", "-l", "999", "--weights", "random", code=1)
    message = run(unreadable, "out.npy", "--weights", "no.h5", code=1)
    assert "which does not exist" in message
    assert "None" not in message
    assert "cannot be read" in run(unreadable, "out.npy", *RESNET, code=1)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nowhere", "out.npy"], 1, "INPUT must be digits, mnist, cifar10"),
        (["digit", "out.npy"], 1, "Did you mean 'digits'"),
        (["digits", "out.txt"], 1, "OUTPUT must end in .npy"),
        (["digits", "out.csv", "-c"], 2, "-c/--compress writes .npz"),
        (["digits", "out.npy", "-m", "pca", "-l", "82"], 2, "--layers requires --model resnet"),
        (["digits", "out.npy", "-d", "2"], 2, "--dimensions requires --model pca"),
        (["digits", "out.npy", "-m", "pca", "-d", "999"], 1, "at most"),
        (["digits", "out.npy", "-l", "999", "--weights", "random"], 1, "Got 999"),
        (["digits", "out.npy", "-l", "conv9", "--weights", "random"], 1, "Did you mean"),
        (["digits", "out.npy", "--weights", "none.h5"], 1, "--weights must be"),
        (
            ["digits", "out.npy", "-l", "86", "--weights", "conv1.weights.h5"],
            1,
            "--layers must be at most 4",
        ),
        (["digits", "out.npy", "--patch-size", "8"], 2, "--patch-size requires --patches"),
        (["photos", "photos/out.npy", *RESNET], 1, "OUTPUT must be outside INPUT"),
        (["pickle.npz", "pickle.npz", *RESNET], 1, "OUTPUT must be another file than INPUT"),
        (["digits", "out.npy", "--architecture", "VGG"], 1, "--architecture"),
        (["digits", "out.npy", "--patches", "3"], 1, "--patches requires one image"),
        (["digits", "out.npz", "-m", "pca", "--labels", "no.txt"], 1, "no.txt' does not exist"),
        (["text.jpg", "out.npy", *RESNET], 1, "file 'text.jpg' cannot be read"),
        (["empty", "out.npy", *RESNET], 1, "empty' holds no images"),
        (["pickle.npz", "out.npy", *RESNET], 1, "pickled objects"),
        (["photos", "out.npy", *RESNET], 1, "--image-size 64"),
        (["digits", "out.npy", *RESNET, "--picture", "pdf"], 2, "--picture requires a picture"),
        (["digits", "o.npy", "--html", "--picture", "pdf"], 2, "--picture requires a picture"),
        (["digits", "out.npz", *RESNET, "--on-error", "nan"], 1, "--on-error requires a folder"),
        (["digits", "out.npy", *RESNET, "--labels", "x.txt"], 1, "--labels requires an OUTPUT"),
        (["photos/cat/2.png", "out.npy", *RESNET, "-p"], 1, "at least 4 images"),
    ],
)
def test_what_is_wrong_is_said(args, code, message, photos, tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty").mkdir()
    np.savez("pickle.npz", x=np.array([{}], dtype=object))
    save_first_layer("conv1.weights.h5")
    assert message in run(*args, code=code)


def test_an_unwritable_output_is_found_before_computing(unreadable, tmp_path):
    (tmp_path / "file").write_text("")
    assert "Cannot write 'file/out.npy'" in run(unreadable, "file/out.npy", *RESNET, code=1)
    (tmp_path / "folder.npy").mkdir()
    assert "it is a folder" in run(unreadable, "folder.npy", *RESNET, code=1)
    with hidden_module("pyarrow"):
        message = run(unreadable, "out.parquet", *RESNET, code=1)
    assert "pip install 'sklearn-resnet[parquet]'. Or name an OUTPUT" in message


def test_help_and_layers_import_nothing_heavy():
    program = (
        "import sys\nfrom sklearn_resnet.cli.main import main\n"
        "for argument in ('--help', 'layers'):\n"
        "    try:\n        main([argument])\n    except SystemExit:\n        pass\n"
        "heavy = {'tensorflow', 'keras', 'openvino', 'umap', 'matplotlib', 'skimage', 'nncf'}\n"
        "heavy |= {'sklearn', 'scipy', 'joblib', 'h5py', 'pooch', 'filelock'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "embedding digits" in done.stdout
    assert "conv3_block4_out" in done.stdout


def test_one_photo_imports_no_tables_no_statistics_and_no_pictures(photos):
    program = (
        "import sys\nfrom sklearn_resnet.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "heavy = {'pandas', 'pyarrow', 'scipy.stats', 'scipy.optimize', 'scipy.ndimage', 'umap',\n"
        "    'scipy.spatial', 'matplotlib', 'skimage', 'sklearn.pipeline', 'sklearn.metrics'}\n"
        "assert 'openvino' in sys.modules\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    arguments = [photos / "cat" / "2.png", "out.npy", *RESNET, "--no-cache", "-q"]
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.load("out.npy").shape == (1, 64)


@pytest.mark.long
def test_features_and_their_map_need_no_tensorflow(digits):
    program = (
        "import sys\nfrom sklearn_resnet.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "assert {'openvino', 'umap', 'matplotlib'} <= set(sys.modules)\n"
        "assert not {'tensorflow', 'keras', 'nncf'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", program, digits, "out.npy", *RESNET, "-p", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    assert Path("out_umap.png").is_file()


def test_umap_is_imported_while_features_are_computed(digits, monkeypatch):
    events, importing = [], threading.Event()

    def import_umap():
        events.append(threading.current_thread() is threading.main_thread())
        importing.set()
        return real()

    def compute_resnet(*args):
        assert importing.wait(timeout=60)
        return compute(*args)

    real, compute = _pictures.import_umap, _features.compute_resnet
    monkeypatch.setattr(_pictures, "import_umap", import_umap)
    monkeypatch.setattr(_features, "compute_resnet", compute_resnet)
    run(digits, "out.npy", *RESNET, "-p")
    assert events == [False, True]
    events.clear()
    run(digits, "out.npy", "-m", "pca", "-d", "2", "-p")
    assert events == []


@pytest.mark.parametrize("options", [["--engine", "keras"], ["--precision", "bfloat16"]])
def test_engine_and_precision_are_recorded(digits, options):
    run(digits, "out.npy", *RESNET)
    run(digits, "other.npy", *RESNET, *options)
    record = json.loads(Path("other.json").read_text())
    assert record[options[0].strip("-")] == options[1]
    np.testing.assert_allclose(np.load("out.npy"), np.load("other.npy"), atol=0.05)
    assert "openvino" in record["versions"]


def test_a_precision_that_the_engine_lacks_is_an_error_before_anything_is_read(unreadable):
    message = run(unreadable, "o.npy", *RESNET, "--engine", "keras", "--precision", "int8", code=1)
    assert "--precision must be one of" in message
    assert "with engine 'keras'" in message


def count_cached(folder):
    return cache_info(folder).n_features if folder.exists() else 0


def test_a_second_run_computes_only_what_is_new(photos, tmp_path, monkeypatch):
    folder = platformdirs.user_cache_path("sklearn-resnet") / "features"
    arguments = [photos, "--image-size", 16, *RESNET]
    run(*arguments, "first.npy")
    assert count_cached(folder) == 4
    run(*arguments, "exact.npy", "--no-cache")
    (photos / "cat" / "new.png").write_bytes((photos / "dog" / "3.png").read_bytes())
    Image.new("RGB", (9, 9), "red").save(photos / "dog" / "4.png")
    counted = []
    compile_computation = _forward_pass.compile_computation

    def count(computation):
        run = compile_computation(computation)

        def counted_run(batches, batch_size):
            for part in run(batches, batch_size):
                counted.append(len(part))
                yield part

        return counted_run

    monkeypatch.setattr(_forward_pass, "compile_computation", count)
    run(*arguments, "second.npy")
    assert sum(counted) == 1
    first, exact, second = (np.load(f"{name}.npy") for name in ("first", "exact", "second"))
    np.testing.assert_array_equal(first, exact)
    np.testing.assert_array_equal(second[[0, 1, 3, 4]], first)  # cat/new.png comes third
    np.testing.assert_array_equal(second[2], first[3])


def test_the_folder_of_the_cache_can_be_chosen(digits, tmp_path):
    run(digits, "a.npy", *RESNET, "--cache", "here")
    assert count_cached(tmp_path / "here") == 40
    run(digits, "b.npy", *RESNET, "--no-cache")
    run(digits, "c.npy", "--weights", "random", "-l", 4)  # whose weights no other run will have
    assert not (tmp_path / "user").exists()


def test_options_of_the_cache_that_make_no_sense(digits):
    output = run(digits, "a.npy", *RESNET, "--cache", "here", "--no-cache", code=2)
    assert "--cache and --no-cache exclude each other" in output
    assert "--cache requires --model resnet" in run(
        digits, "a.npy", "-m", "pca", "--cache", "x", code=2
    )
    assert "--no-cache requires" in run(digits, "a.npy", "-m", "pca", "--no-cache", code=2)
    output = run(digits, "a.npy", *RESNET[:2], "--cache", "here", code=2)
    assert "--cache requires -s with --weights random" in output


def test_help_fits_a_terminal_of_80_columns():
    for command in ([], ["similar"], ["search"], ["layers"], ["weights"]):
        text = run(*command, "-h")
        assert max(map(len, text.splitlines())) <= 80
        assert "  Examples:\n    embedding" in text or command in (["layers"], ["weights"])
    text = run("-h")
    titles = ["Commands:", "Features:", "Images:", "Pictures:", "Many images:", "Other options:"]
    places = [text.index(f"\n{title}\n") for title in titles]
    assert places == sorted(places)
    assert text == run(code=2)


def test_layers_are_listed():
    header, *lines = run("layers").splitlines()
    assert header.split() == ["index", "name", "width", "stride", "gflop"]
    assert len(lines) == 190
    assert lines[82].split() == ["82", "conv3_block4_2_relu", "128", "16", "2.95"]
    assert len(set(map(len, lines))) == 1
    assert run("layers", "RESNET50v2").splitlines() == [header, *lines]
    assert "Did you mean 'ResNet101V2'?" in run("layers", "resnet101v3", code=2)


def test_an_architecture_is_matched_without_regard_to_case(digits):
    run(digits, "out.npy", *RESNET, "--architecture", "RESNET101v2")
    assert json.loads(Path("out.json").read_text())["architecture"] == "ResNet101V2"
    message = run(digits, "out.npy", *RESNET, "--architecture", "resnet101v3", code=1)
    assert "Got 'resnet101v3' instead. Did you mean 'ResNet101V2'?" in message


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["layer"], "Did you mean the command 'main layers'?"),
        (["simlar", "a.jpg", "out.npz", "-k", "3"], "Did you mean the command 'main similar'?"),
        (["digits", "out.npy", "--weigths", "x"], "Did you mean --weights?"),
    ],
)
def test_what_is_misspelt_gets_a_suggestion(args, message):
    output = run(*args, code=2).replace("'--weights'", "--weights")  # of newer click
    assert message in output


def test_a_folder_with_the_name_of_a_command(photos):
    photos.rename("layers")
    assert "(4, 64)" in run("./layers", "out.npz", *RESNET, "--image-size", 16)


def test_a_misspelt_layer_gets_a_suggestion_in_words_of_the_shell(digits):
    message = run(digits, "out.npy", "-l", "Conv3_blok4_out", "--weights", "random", code=1)
    assert "Did you mean 'conv3_block4_out'" in message
    assert "`embedding layers ResNet50V2` lists all layers." in message


@pytest.fixture
def pages(monkeypatch):
    """What pages are made of, in place of making them."""
    made = []

    def write_page(path, xy, **kwargs):
        made.append((xy, kwargs))
        Path(path).write_text("page")

    monkeypatch.setattr(explorer_page, "write_page", write_page)
    return made


def test_a_page_has_images_paths_and_features_of_the_same_rows(photos, pages):
    for i in range(3):
        Image.new("RGB", (16, 16), (i, 9, 9)).save(photos / "cat" / f"{i + 20}.png")
    (photos / "cat" / "3.png").write_text("<html>")
    for policy in ("nan", "skip"):
        run(photos, f"{policy}.npz", *RESNET, "--image-size", 8, "--on-error", policy, "--html")
    assert len(pages) == 2
    for xy, kwargs in pages:
        n_points = len(xy)
        assert n_points == 7
        assert len(kwargs["images"]) == len(kwargs["paths"]) == n_points
        assert len(kwargs["labels"]["label"]) == n_points
        assert kwargs["features"].shape == (n_points, 64)
        assert [*kwargs["images"].paths] == [*kwargs["paths"]]
        assert "photos: UMAP of 7 images, ResNet50V2, layer 4" in kwargs["title"]
    outputs = json.loads(Path("nan.json").read_text())["outputs"]
    assert outputs == ["nan.npz", "nan_errors.csv", "nan_umap.npz", "nan_umap.html"]
    assert not Path("nan_umap.png").exists()


def test_a_table_has_its_record_before_a_page_is_made(digits, monkeypatch):
    """Ctrl-C may end the process while a map is computed."""
    found = []

    def write_page(path, xy, **kwargs):
        found.append(json.loads(Path("out.json").read_text(encoding="utf-8"))["outputs"])
        Path(path).write_text("page")

    monkeypatch.setattr(explorer_page, "write_page", write_page)
    run(digits, "out.npy", "-m", "pca", "-d", 2, "--html")
    assert found == [["out.npy"]]


def test_a_broken_file_can_be_skipped_if_there_are_others(photos):
    (photos / "cat/2.png").write_text("<html>")
    options = [*RESNET, "--image-size", 16]
    assert "--on-error skip, or nan, continues" in run(photos, "out.npz", *options, code=1)
    pca = ["-m", "pca", "-d", 2, "--image-size", 16]
    np.save("nan.npy", np.full((4, 8, 8), np.nan))
    for args in ([photos / "cat/2.png", *options], [photos, *pca], ["nan.npy", *RESNET]):
        assert "--on-error" not in run(args[0], "out.npz", *args[1:], code=1)


def test_a_page_of_two_components_needs_no_map(digits, pages):
    run(digits, "out.npy", "-m", "pca", "-d", 2, "--html", "-p")
    assert Path("out_pca.html").is_file()
    assert Path("out_pca.png").is_file()
    xy, options = pages[0]
    np.testing.assert_array_equal(xy.astype(np.float32), np.load("out.npy"))
    assert options["paths"] is None
    assert np.shape(options["images"]) == (40, 8, 8)


@pytest.mark.parametrize("pooling", ["mean", "avg,avg"])
def test_a_wrong_pooling_is_named_as_an_option(digits, pooling):
    output = run(digits, "out.npy", *RESNET, "--pooling", pooling, code=1)
    assert output.startswith("Error: --pooling must be 'avg', 'max', 'gem' or a list of these")


def test_a_folder_is_not_a_weights_file(digits, tmp_path):
    output = run(digits, "out.npy", "--weights", tmp_path, code=1)
    assert f"Got '{tmp_path}', which is a folder, instead." in output


@pytest.mark.parametrize("option", [[], ["-t"], ["-p"], ["-p", "-t"]], ids=str)
def test_images_stand_at_their_places_where_that_is_wanted(photos, option, drawn):
    run(photos, "out.npz", *RESNET, "--image-size", 16, *option)
    assert Path("out_umap.png").exists() is bool(option)
    assert [len(display.thumbnails_) > 0 for display, _ in drawn] == ["-t" in option] * bool(option)


def test_the_record_names_each_layer_once_whatever_the_pooling(digits):
    options = ["--weights", "random", "-s", "0", "-l", "4,16", "--pooling", "avg,max"]
    run(digits, "out.npy", *options)
    record = json.loads(Path("out.json").read_text())
    assert record["layers"] == [4, 16]
    assert record["layer_names"] == ["pool1_pool", "conv2_block1_out"]


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_pictures_are_of_the_format_that_is_asked_for(digits, suffix):
    options = ["--model", "pca", "-d", "2", "-p", "--picture", suffix]
    output = run(digits, "out.npy", *options)
    assert f"out_pca.{suffix}" in output
    start = Path(f"out_pca.{suffix}").read_bytes()[:5]
    assert start == {"pdf": b"%PDF-", "svg": b"<?xml"}[suffix]
    assert not Path("out_pca.png").exists()


def test_components_of_pixels_need_all_images(digits):
    options = ["--model", "pca", "-d", "2", "--on-error", "skip"]
    message = run(digits, "out.npy", *options, code=2)
    assert "--on-error requires --model resnet, not --model pca" in message


def test_a_map_of_other_features_is_not_left_in_silence(digits, tmp_path):
    run(digits, "out.npz", *RESNET, "-p")
    assert "earlier command" not in run(digits, "out.npz", *RESNET)
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert record["outputs"] == ["out.npz", "out_umap.npz", "out_umap.png"]
    output = run(digits, "out.npz", *RESNET, "-l", 16)
    assert "do not match out.npz: out_umap.npz, out_umap.png. Make them again" in output
    assert output.count("warning") == 1
    assert Path("out_umap.png").is_file()
    assert "earlier command" not in run(digits, "out.npz", *RESNET, "-p")


def test_a_table_has_a_record_even_if_its_map_fails(photos, tmp_path):
    photo = photos / "cat" / "2.png"
    run(photos, "out.npz", *RESNET, "--image-size", 16, "-p")
    output = run(photo, "out.npz", *RESNET, "-p", code=1)
    assert "at least 4 images" in output
    assert "do not match out.npz: out_umap.npz, out_umap.png." in output
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert record["outputs"] == ["out.npz"]
    assert "cat/2.png" in run("similar", photo, "out.npz")


def test_another_choice_of_auto_than_that_of_the_table_is_announced(digits):
    run(digits, "out.npz", "-l", 4, "--weights", "procedural")
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert "keeps the former ones" not in run(digits, "out.npz", "-l", 4)
    Path("out.json").write_text(json.dumps(record | {"weights": "imagenet"}), encoding="utf-8")
    output = run(digits, "out.npz", "-l", 4)
    assert "made with --weights imagenet, and --weights auto now takes procedural" in output
    assert "keeps the former ones" not in run(digits, "out.npz", "-l", 4, "--weights", "procedural")


@pytest.mark.filterwarnings("default:Keras cannot use the GPU")
def test_a_gpu_that_cannot_be_used_is_announced(digits, monkeypatch):
    _choice._choose_by_device.cache_clear()
    monkeypatch.setattr(_choice, "find_gpus", lambda: ("NVIDIA T4",))
    monkeypatch.setattr(_choice, "_list_gpus_of_keras", list)
    output = run(digits, "out.npz", *RESNET)
    _choice._choose_by_device.cache_clear()
    assert output.count("Keras cannot use the GPU of this machine (NVIDIA T4)") == 1


def test_a_cut_beyond_the_bundled_weights_without_a_network_names_it(digits):
    output = run(digits, "out.npz", "-l", "conv5", code=1)
    assert "layers 0 to 153, and layer 187 ('conv5_block3_out') is deeper" in output


@pytest.fixture
def resnet18(tmp_path):
    """The options of a safetensors file that holds a ResNet-18 up to its first stage."""
    path = write_safetensors(tmp_path / "w.safetensors", last="layer1")
    return ["--architecture", "resnet18", "--weights", path.name, "-l", "layer1", "-q"]


def test_weights_by_pytorch_and_their_normalization_are_used_and_recorded(photos, resnet18):
    given = [*resnet18, "--image-size", 16, "--normalization", "0.5/0.25,0.5,0.75/BGR"]
    run(photos, "out.npz", *given)
    resnet = ResNetFeatures(
        "layer1",
        architecture="ResNet18",
        weights="w.safetensors",
        normalization=(0.5, (0.25, 0.5, 0.75), "BGR"),
    )
    paths, _ = load_image_folder(photos, return_X_y=True)
    images = ImageLoader(16).fit_transform(paths)
    with np.load("out.npz") as file:
        np.testing.assert_array_equal(file["features"], resnet.fit_transform(images))
    record = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert record["architecture"] == "ResNet18"
    assert record["weights"] == "w.safetensors"
    assert record["weights_fingerprint"] == resnet.weights_fingerprint_
    assert record["normalization"] == [[0.5] * 3, [0.25, 0.5, 0.75], "BGR"]


def test_queries_are_normalized_as_the_table(photos, resnet18):
    for name, normalization in (("a.npz", []), ("b.npz", ["--normalization", "0.1/2/BGR"])):
        run(photos, name, *resnet18, "--image-size", 16, *normalization)
        output = run("similar", photos / "cat/10.jpg", name, "-k", 1)
        assert f"1    0.0000  cat    {photos / 'cat/10.jpg'}" in output
    Path("w.safetensors").rename("moved.safetensors")
    assert "--weights must be" in run("similar", photos / "cat/10.jpg", "b.npz", code=1)
    output = run("similar", photos / "cat/10.jpg", "b.npz", "--weights", "moved.safetensors")
    assert f"1    0.0000  cat    {photos / 'cat/10.jpg'}" in output


@pytest.mark.cache
def test_a_table_with_another_normalization_is_computed_again(photos, resnet18):
    args = [photos, "out.parquet", *resnet18, "--image-size", 16]
    tables = []
    for normalization in ("torch", "tf", "torch"):
        run(*args, "--normalization", normalization)
        tables.append(load_table("out.parquet").features)
    assert abs(tables[0] - tables[1]).max() > 0.01
    np.testing.assert_array_equal(tables[0], tables[2])
    run(*args)  # of the architecture, which is the same
    np.testing.assert_array_equal(load_table("out.parquet").features, tables[0])


def test_grey_weights_read_grey_files(photos, tmp_path):
    path = write_safetensors(tmp_path / "grey.safetensors", last="layer1", n_channels=1)
    grey = ["--architecture", "ResNet18", "--weights", path, "--normalization", "tf"]
    run(photos, "out.npz", *grey, "-l", "layer1", "--image-size", 16, "-q", "-t")
    assert json.loads(Path("out.json").read_text(encoding="utf-8"))["shapes"]["input"] == [
        4,
        16,
        16,
    ]
    output = run("similar", photos / "cat/10.jpg", "out.npz", "-k", 1)
    assert f"1    0.0000  cat    {photos / 'cat/10.jpg'}" in output
    output = run(
        photos / "cat/2.png", "p.npz", *grey, "-l", 4, "--patches", 5, "--patch-size", 8, "-s", 0
    )
    assert "(5, 8, 8)" in output
    search = ["-l", "4,layer1", "--sizes", 16, "--cv", 2, "--no-cache"]
    output = run("search", photos, "s.csv", *grey, *search)
    assert "--normalization tf --architecture ResNet18 --no-cache" in output


def test_weights_of_many_channels_take_arrays_of_as_many(photos, tmp_path):
    path = write_safetensors(tmp_path / "bands.safetensors", last="layer1", n_channels=13)
    bands = ["--architecture", "ResNet18", "--weights", path, "-l", "layer1", "-s", 0]
    np.save("x.npy", np.random.default_rng(0).integers(0, 10_000, (5, 16, 16, 13), np.uint16))
    message = run("x.npy", "out.npz", *bands, code=1)
    assert "--normalization must be (mean, std) with 13 values, or one, in each" in message
    assert "`embedding weights` lists" in message
    bands += ["--normalization", "0/1", "--value-range", 0, 10_000]
    assert "(5, 64)" in run("x.npy", "out.npz", *bands, "--image-size", 8)
    run("x.npy", "out.npz", *bands, "--thumbnails", "--html", "-q")
    assert Path("out_umap.png").exists()
    assert Path("out_umap.html").exists()
    message = run(photos, "p.npz", *bands, "--image-size", 8, code=1)
    assert "X must have 13 channels in its last axis. Got 3 instead" in message
    message = run("similar", photos / "cat/10.jpg", "out.npz", code=1)
    assert "QUERY must have 13 channels, as the images of TABLE have. Got an image of 3" in message
    np.save("query.npy", np.load("x.npy")[3])
    assert "1    0.0000  3" in run("similar", "query.npy", "out.npz", "-k", 1)


@pytest.mark.filterwarnings("always")
def test_tensors_that_are_ignored_are_named_once(digits, resnet18):
    tensors = load_file("w.safetensors") | {"scale_of_mine": np.ones(3, np.float32)}
    save_file(tensors, "w.safetensors")
    output = run(digits, "out.npz", *resnet18)
    assert output.count("which are ignored: 'scale_of_mine'") == output.count("warning") == 1


def test_weights_of_another_architecture_name_its_option(digits, resnet18):
    message = run(digits, "out.npz", "--weights", "w.safetensors", "-l", 4, code=1)
    assert "--architecture must be that of the weights file '" in message
    assert "They fit ResNet18 or ResNet34." in message
    assert "architecture=" not in message


CELLS = make_channels(6, (16, 16))
OF_CELLS = ("--channels", "GFP,lamin", "--rescale", "percentile", "--separate-channels")


@pytest.fixture
def cells(tmp_path):
    for i, kind in enumerate("ab"):
        (tmp_path / "cells" / kind).mkdir(parents=True)
        save_ome(tmp_path / "cells" / kind, CELLS[3 * i : 3 * i + 3])
    return tmp_path / "cells"


def embed_cells(rescale_range=None, channels=("GFP", "lamin"), paths=None):
    """The features that Python computes for the files of `cells`."""
    loader = ImageLoader(mode="channels", channels=channels, rescale="percentile", lazy=True)
    paths = sorted(Path("cells").rglob("*.tif")) if paths is None else paths
    loader.fit(paths)
    if rescale_range is not None:
        loader.rescale_range_ = np.array(rescale_range)
    resnet = ResNetFeatures(4, channels="separate", weights=None, random_state=0, cache=None)
    return resnet.fit_transform(loader.transform(paths))


def read_record(name):
    return json.loads(Path(name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["out.npz", "out.csv", "out.parquet"])
def test_channels_are_embedded_separately(cells, name):
    output = run("cells", name, *RESNET, *OF_CELLS)
    assert "(6, 16, 16, 2)  uint16" in output
    table = load_table(name)
    np.testing.assert_allclose(table.features, embed_cells(), rtol=1e-6)
    record = read_record("out.json")
    assert record["channels"] == "separate"
    assert record["channel_names"] == ["GFP", "lamin"]
    assert record["value_range"] == [0, 65535]
    assert record["reading"]["channels"] == ["GFP", "lamin"]
    assert record["reading"]["mode"] == "channels"
    assert np.shape(record["reading"]["rescale_range"]) == (2, 2)
    if name == "out.csv":
        channels = [name.partition("_")[0] for name in pd.read_csv(name).columns]
        assert (channels.count("GFP"), channels.count("lamin")) == (64, 64)


def test_separate_channels_are_computed_again(photos):
    for options, n_features in (([], 64), (["--separate-channels", "--mode", "RGB"], 192)):
        run(photos, "out.npy", *RESNET, "--image-size", 8, *options, "-q")
        assert np.load("out.npy").shape == (4, n_features)


def test_a_range_is_kept_when_files_are_added(cells, tmp_path):
    command = ["cells", "out.npy", *RESNET, *OF_CELLS]
    run(*command, "-q")
    learned = read_record("out.json")["reading"]["rescale_range"]
    before = np.load("out.npy")
    (tmp_path / "cells" / "c").mkdir()
    save_ome(tmp_path / "cells" / "c", CELLS[:1] * 3)
    output = run(*command)
    assert "with the range of the former table; --restart learns another" in output
    assert "6 known, 1 to embed" in output
    assert read_record("out.json")["reading"]["rescale_range"] == learned
    np.testing.assert_array_equal(np.load("out.npy")[:6], before)
    np.testing.assert_array_equal(np.load("out.npy"), embed_cells(learned))
    assert "former table" not in run(*command, "--restart")
    assert read_record("out.json")["reading"]["rescale_range"] != learned
    np.testing.assert_array_equal(np.load("out.npy"), embed_cells())
    assert "former table" not in run(*command[:-2], "percentile:1,99", command[-1])


@pytest.mark.long
def test_workers_use_the_range_of_all_files(cells):
    run("cells", "out.npy", *RESNET, *OF_CELLS, "--workers", 2, "--part-size", 2, "-q")
    np.testing.assert_array_equal(np.load("out.npy"), embed_cells())


def test_queries_are_read_as_the_table_was(cells):
    run("cells", "out.npz", *RESNET, *OF_CELLS, "--image-size", 8, "-q")
    query = cells / "b/1.ome.tif"
    output = run("similar", query, "out.npz", "-k", 2)
    assert "1    0.0000  b      cells/b/1.ome.tif" in output
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save("photo.png")
    assert "it has no channel 'GFP'" in run("similar", "photo.png", "out.npz", code=1)
    all_channels = ["--separate-channels", "--value-range", 0, 4095, "--image-size", 8]
    run("cells", "all.npz", *RESNET, *all_channels, "-q")
    message = run("similar", "photo.png", "all.npz", code=1)
    assert "QUERY must have 5 channels, as the images of TABLE have. Got an image of 3" in message


def test_a_search_of_channels_names_the_command_that_uses_the_best(cells):
    options = ["-l", "4", "--sizes", 16, "--cv", 2, "--weights", "random", "--no-cache"]
    output = run("search", "cells", "s.csv", *options, *OF_CELLS)
    line = output.splitlines()[-1]
    assert line.endswith("--channels GFP,lamin --rescale percentile --separate-channels --no-cache")
    run(*line.split()[1:], "-q")
    assert load_table("cells_4_16.npz").features.shape == (6, 128)


def test_maps_of_channels_are_compared(cells):
    output = run("cells", "out.npz", *RESNET[:2], "-s", 0, *OF_CELLS, "--compare", "pca,resnet:4")
    assert "resnet:4" in output
    assert load_table("out.npz").features.shape == (6, 4)
    assert read_record("out.json")["reading"]["rescale_range"] is not None


def test_patches_of_an_image_with_channels(cells):
    options = ["--patches", 3, "--patch-size", 8, "-s", 0, "-l", 4, "--weights", "random"]
    output = run(cells / "a/0.ome.tif", "out.npz", *options, *OF_CELLS)
    assert "(3, 8, 8, 2)  uint16" in output


def test_a_page_and_a_depth_are_chosen(tmp_path):
    (tmp_path / "stacks").mkdir()
    save_arrays(tmp_path / "stacks", np.moveaxis(CELLS, -1, 1))
    options = ["-l", 4, "--weights", "random", "-s", 0, "-q", "--page", "max"]
    run("stacks", "out.npy", *options, "--rescale", "percentile:0,100", "--rescale-by", "image")
    maxima = CELLS.max(axis=-1).astype(float)
    low, high = (f(axis=(1, 2), keepdims=True) for f in (maxima.min, maxima.max))
    grey = np.rint((maxima - low) / (high - low) * 255).astype(np.uint8)
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None, value_range=(0, 255))
    np.testing.assert_allclose(np.load("out.npy"), resnet.fit_transform(grey), rtol=1e-6)


def test_options_of_scientific_images_are_checked(cells, digits):
    message = run(digits, "out.npy", *RESNET, "--rescale", "percentile", code=1)
    assert "--rescale requires image files as INPUT" in message
    message = run("cells", "out.npy", *RESNET, "--rescale-by", "image", code=2)
    assert "--rescale-by requires --rescale percentile" in message
    message = run("cells", "out.npy", "-m", "pca", "--separate-channels", code=2)
    assert "--separate-channels requires --model resnet" in message
    message = run("cells", "out.npy", *RESNET, code=1)
    assert "0 ('DAPI'), 1 ('GFP')" in message
    assert "Pass --mode channels to read them all, or --channels, indices or names, to" in message
    message = run("cells", "out.npy", *RESNET, "--mode", "channels", code=1)
    assert "must have 1 or 3 channels" in message
    assert "--separate-channels takes each channel as a grey image." in message
    assert "ImageLoader(channels" not in message
    message = run("cells", "out.npy", *RESNET, "--channels", "x", code=1)
    assert "Choose among these with --channels, by index or name." in message


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "sklearn_resnet", "layers"]
    done = subprocess.run([*command, "ResNet18"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, run("layers", "ResNet18"))
    done = subprocess.run([*command[:-1], "--help"], capture_output=True, text=True)
    assert done.stdout.startswith("Usage: embedding ")


def test_a_range_is_an_option_of_either_name(cells):
    for name, option in (("a", ["--rescale", "100,3000"]), ("b", ["--value-range", 100, 3000])):
        run("cells", f"{name}.npy", *RESNET, *option, "--separate-channels", "-q")
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))
    both = ["--rescale", "100,3000", "--value-range", 100, 3000]
    message = run("cells", "c.npy", *RESNET, *both, "--separate-channels", code=2)
    assert "--rescale and --value-range exclude each other" in message
    message = run("search", "cells", "--rescale", "0,9", "--rescale-by", "image", code=2)
    assert "--rescale-by requires --rescale percentile" in message


def test_files_of_other_channels_are_told_in_the_words_of_the_command(cells, tmp_path):
    (tmp_path / "cells" / "c").mkdir()
    save_arrays(tmp_path / "cells" / "c", CELLS[:1, ..., :2])
    command = ["cells", "out.npz", *RESNET, "--separate-channels"]
    message = run(*command, code=1)
    assert "All images must have the same channels and the same depth. 'cells" in message
    assert "--channels must" not in message
    assert "Pass --channels with channels that each file has, or --mode RGB for" in message
    np.save(tmp_path / "cells" / "c" / "0.npy", CELLS[0].astype(np.float32))
    message = run(*command, "--channels", "0,1", code=1)
    assert "--channels must name channels that all images have, in one depth. 'cells" in message
    assert message.rstrip().endswith("or --mode RGB for files of different depths.")


def test_a_file_without_a_window_is_told_in_the_words_of_the_command(tmp_path):
    (tmp_path / "ct").mkdir()
    for name, window in (("a", {"WindowCenter": 40, "WindowWidth": 80}), ("b", {})):
        pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
        (tmp_path / "ct" / f"{name}.dcm").write_bytes(make_dicom(pixels, **window))
    command = ["ct", "out.npz", *RESNET, "--rescale", "window", "--mode", "L", "--image-size", 8]
    message = run(*command, code=1)
    assert "it has no window, which --rescale window applies" in message
    assert "Pass --value-range LOW HIGH or --rescale percentile. " in message
    output = run(*command, "--on-error", "skip")
    assert "it has no window, which --rescale window applies. All are in" in output
    causes = pd.read_csv("out_errors.csv")["cause"].tolist()
    assert causes == ["it has no window, which --rescale window applies"]


@pytest.fixture
def regions(photos):
    """A table of regions of photos, with labels and a further column."""
    paths = sorted(str(path) for path in photos.rglob("*.*"))
    frame = pd.DataFrame({"path": [paths[i % 4] for i in range(12)], "top": range(12)})
    frame = frame.assign(left=1, bottom=frame["top"] + 8, right=9, label=[*"abc"] * 4, n=range(12))
    frame.loc[frame["path"] == paths[3], ["top", "bottom"]] = 0, 8
    frame.to_csv("regions.csv", index=False)
    return frame


@pytest.mark.parametrize("output", ["r.npz", "r.csv", "r.parquet", "r.npy"])
def test_regions_have_the_features_of_their_crops_and_all_columns(regions, output):
    assert "(12, 8, 8, 3)" in run("regions.csv", output, *RESNET)
    table = load_table(output)
    crops = [
        np.asarray(Image.open(row.path))[row.top : row.bottom, row.left : row.right]
        for row in regions.itertuples()
    ]
    resnet = ResNetFeatures(4, weights=None, random_state=0)
    np.testing.assert_array_equal(table.features, resnet.fit_transform(np.stack(crops)))
    assert table.labels.tolist() == regions["label"].tolist()
    assert table.paths.tolist() == regions["path"].tolist()
    for name in ("top", "left", "bottom", "right", "n"):
        assert table.columns[name].tolist() == regions[name].tolist()
    assert json.loads(Path("r.json").read_text())["regions"] == {}


def test_the_map_and_the_page_show_regions(regions, monkeypatch):
    shown = []
    draw, write = _pictures.draw_map, _pictures.write_page
    monkeypatch.setattr(
        "sklearn_resnet.cli.embed.draw_map",
        lambda *args, **options: shown.append(options) or draw(*args, **options),
    )
    monkeypatch.setattr(
        "sklearn_resnet.cli.embed.write_page",
        lambda path, xy, data, *args: shown.append(data) or write(path, xy, data, *args),
    )
    run("regions.csv", "r.npz", *RESNET, "-t", "--html", "--margin", "1", "--pad", "black")
    drawn, page = shown
    assert "UMAP of 12 regions" in drawn["title"]
    for images in (drawn["images"], page.images):
        assert images.shape == (12, 10, 10, 3)
        assert images.boxes.tolist() == regions[["top", "left", "bottom", "right"]].values.tolist()
    html = Path("r_umap.html").read_text(encoding="utf-8")
    content = re.search('id="buffer-boxes" data-encoding="zlib">([^<]*)', html)[1]
    boxes = np.frombuffer(zlib.decompress(base64.b64decode(content)), "<i4").reshape(-1, 4)
    assert boxes.tolist() == regions[["top", "left", "bottom", "right"]].values.tolist()
    assert html.index('{"name":"label","names"') < html.index('{"name":"n","')
    assert json.loads(Path("r.json").read_text())["regions"] == {"margin": 1, "pad": "black"}
    table = load_table("r_umap.npz")
    assert table.columns["n"].tolist() == list(range(12))


def test_tiles_of_a_folder_have_the_labels_of_its_folders(photos):
    run(photos, "tiles.csv", *RESNET, "--tiles", 6, "--step", 3, "--on-error", "skip")
    table = load_table("tiles.csv")
    assert set(table.labels) == {"cat", "dog"}
    assert {"tile_row", "tile_column"} < set(table.columns)
    sizes = (
        table.columns[["bottom", "right"]] - table.columns[["top", "left"]].to_numpy()
    ).to_numpy()
    np.testing.assert_array_equal(sizes, 6)
    record = json.loads(Path("tiles.json").read_text())
    assert record["regions"] == {"tiles": 6, "step": 3}
    one = run(photos / "cat" / "2.png", "one.parquet", *RESNET, "--tiles", 8, "--min-content", 0.01)
    assert "in 1 part of" in one
    assert "content" in load_table("one.parquet").columns


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("output", ["t.csv", "t.parquet"])
def test_images_smaller_than_a_tile_are_left_out_and_listed(photos, output):
    Image.new("RGB", (7, 5)).save(photos / "cat" / "small.png")
    (photos / "cat" / "text.png").write_text("no image")
    options = [*RESNET, "--tiles", 6]
    assert "--on-error skip, which leaves such images out" in run(photos, output, *options, code=1)
    text = run(photos, output, *options, "--on-error", "skip")
    assert "2 of 6 images could not be cut into regions, and they are left out: " in text
    errors = pd.read_csv("t_errors.csv")
    assert [Path(path).name for path in errors["path"]] == ["small.png", "text.png"]
    assert errors["cause"][0] == "it is smaller than a tile of 6 x 6 pixels"
    assert "t_errors.csv" in json.loads(Path("t.json").read_text())["outputs"]
    if output == "t.parquet":
        assert " regions in 1 part of" in text
        text = run(photos, output, *options, "--on-error", "skip")
        assert " regions, and nothing is new" in text


def test_segments_are_regions_and_others_are_masked(photos):
    for path in photos.rglob("*.*"):
        with Image.open(path) as image:
            labels = np.zeros(image.size[::-1], np.uint8)
        labels[1:7, 2:9] = 5
        labels[1, 2] = 0
        target = Path("masks", path.relative_to(photos)).with_suffix(".tif")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(target)
    plain = ["--segments", "masks", "--image-size", 8]
    run(photos, "plain.npz", *RESNET, *plain)
    run(photos, "masked.npz", *RESNET, *plain, "--mask-others")
    tables = [load_table(f"{name}.npz") for name in ("plain", "masked")]
    assert (tables[0].features != tables[1].features).any(axis=1).all()
    for table in tables:
        assert table.columns["segment"].tolist() == [5] * 4
        assert table.columns["area"].tolist() == [41] * 4
        assert table.labels.tolist() == ["cat", "cat", "dog", "dog"]
        assert "mask" not in table.columns


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tiles", "8", "--segments", "x"], "--tiles and --segments exclude each other"),
        (["--tiles", "8", "--patches", "3"], "--tiles and --patches exclude each other"),
        (["--step", "8"], "--step requires --tiles"),
        (["--min-content", "0.5"], "--min-content requires --tiles"),
        (["--mask-others"], "--mask-others requires --segments"),
        (["--resize", "pad"], "--resize requires --image-size"),
        (["--margin", "-1"], "must be pixels, as in 16, or a share, as in 0.1. Got '-1'"),
        (["--pad", "white"], "'white' is not one of 'reflect', 'black'"),
    ],
)
def test_options_of_regions_that_make_no_sense(photos, options, message):
    output = run(photos, "a.npz", *RESNET, *options, code=2)
    assert message in " ".join(output.split())


@pytest.mark.parametrize("output", ["r.npz", "r.parquet"])
def test_long_regions_are_padded_or_stretched(regions, output):
    options = ["--image-size", 8, "--margin", "0"]
    regions = regions.assign(right=regions["left"] + 4)
    regions.to_csv("regions.csv", index=False)
    for resize in ("pad", "stretch"):
        run("regions.csv", output, *RESNET, *options, "--resize", resize)
        images = ImageLoader(8, resize=resize).fit_transform(regions)
        expected = ResNetFeatures(4, weights=None, random_state=0).fit_transform(images)
        np.testing.assert_array_equal(load_table(output).features, expected)
        assert json.loads(Path("r.json").read_text())["reading"]["resize"] == resize


def test_a_region_beyond_the_border_says_how_to_pad_it(regions):
    output = run("regions.csv", "a.npz", *RESNET, "--margin", "0.5", code=1)
    assert "Pass --pad reflect or --pad black, or clip the box." in output


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (["", "out.npz"], "INPUT"),
        (["digits", ""], "OUTPUT"),
        (["digits", "out.npz", "--cache", ""], "--cache"),
        (["digits", "out.npz", "--labels", ""], "--labels"),
        (["photos", "out.npy", "--dask", ""], "--dask"),
        (["check", "photos", ""], "FOLDER..."),
        (["check", "photos", "-o", ""], "--output"),
        (["search", ""], "INPUT"),
        (["similar", "", "out.npz"], "QUERY..."),
        (["similar", "a.png", ""], "TABLE"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(args, name):
    output = run(*args, code=2)
    assert name in output
    assert "Got '' instead" in output
