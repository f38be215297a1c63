"""Damaged and malicious files: each is read, or named with its cause, in little time."""

import os
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
import pytest
from hostile_corpus import (
    PIXELS,
    gif,
    gif_frame,
    make_bombs,
    make_crafted,
    make_mutants,
    make_seeds,
    png_of,
)
from PIL import GifImagePlugin, Image
from special_files import make_fifo, make_socket

from sklearn_resnet import ImageLoader, ImageReadError, ResNetFeatures
from sklearn_resnet._images.decoding import MAX_PIXELS, read_image
from sklearn_resnet._network.engines.keras import import_keras
from sklearn_resnet._runtime.imports import hidden_module
from sklearn_resnet.datasets import load_image_folder

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and sets alarms")

# Reads files one after the other; one that takes longer than the alarm ends it.
_READ_ALL = """
import logging, os, signal, sys, time, warnings
import numpy as np
sys.path.insert(0, sys.argv[1])
from hostile_corpus import make_bombs, make_crafted, make_mutants
from sklearn_resnet._images.decoding import MAX_PIXELS, read_image
warnings.simplefilter("ignore")
logging.disable()  # of tifffile
os.chdir(sys.argv[2])
if sys.argv[3] == "crafted":
    files = list({**make_crafted(), **{"bomb." + k: v for k, v in make_bombs().items()}}.items())
else:
    files = make_mutants(int(sys.argv[3]), int(sys.argv[4]))
slowest, n_read = 0, 0
for path, content in files:
    with open(path, "wb") as file:
        file.write(content)
    print(path, flush=True)
    signal.alarm(60)
    began = time.thread_time()
    try:
        image = read_image(path, size=(32, 32), max_pixels=MAX_PIXELS)
        assert image.shape == (32, 32, 3) and image.dtype == np.uint8
        n_read += 1
    except (OSError, ValueError) as exc:
        assert path in str(exc) and exc.cause and "\\n" not in exc.cause, (path, exc)
    slowest = max(slowest, time.thread_time() - began)
    signal.alarm(0)
    os.unlink(path)
assert not os.listdir()
with open("/proc/self/status") as file:  # the peak of rusage has that of the parent in it
    peak = int(file.read().split("VmHWM:")[1].split()[0])
print("done", n_read, slowest, peak)
"""

IS_OLD_PILLOW = int(PIL.__version__.split(".")[0]) < 13
needs_pillow_13 = pytest.mark.skipif(
    IS_OLD_PILLOW, reason="older Pillow leaves pixels of damaged files undefined"
)


def read_all(folder, *which):
    """How many were read, the slowest in seconds of the processor, the peak of memory in kB."""
    tests = str(Path(__file__).parents[1] / "helpers")
    command = [sys.executable, "-c", _READ_ALL, tests, str(folder), *map(str, which)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout[-200:], done.stderr[-2000:])
    word, n_read, slowest, peak = done.stdout.split("\n")[-2].split()
    assert word == "done"
    return int(n_read), float(slowest), int(peak)


def test_seeds_are_sound(tmp_path):
    for ending, content in make_seeds().items():
        (tmp_path / f"a.{ending}").write_bytes(content)
        image = read_image(tmp_path / f"a.{ending}")
        assert image.shape == (40, 48, 3)


@on_linux
@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_mutated_files_are_read_or_named(tmp_path, part):
    n_read, slowest, peak = read_all(tmp_path, part * 2500, (part + 1) * 2500)
    assert 100 < n_read < 2400  # some are harmless, and some are not
    assert slowest < 2
    assert peak < 600_000


@pytest.mark.long
@on_linux
def test_crafted_files_are_read_or_named(tmp_path):
    n_read, slowest, peak = read_all(tmp_path, "crafted")
    assert n_read > 10
    assert slowest < 2
    assert peak < 600_000


def check_rows(folder, n_sound, n_mutants):
    """Features of a folder, good files and bad ones in turn, against those of each file alone."""
    seeds = make_seeds()
    for i in range(n_sound):
        ending = list(seeds)[i % len(seeds)]
        rng = np.random.default_rng(i)
        pixels = rng.integers(0, 256, (9, 11, 3), np.uint8)  # so that no two rows are alike
        (folder / f"{i}.sound.png").write_bytes(png_of(pixels))
        (folder / f"{i}.{ending}").write_bytes(seeds[ending])
    for name, content in make_mutants(100_000, 100_000 + n_mutants):
        (folder / name).write_bytes(content)
    for name, content in make_crafted().items():
        (folder / name).write_bytes(content)
    paths, _ = load_image_folder(folder, return_X_y=True)
    assert len(paths) == len(list(folder.iterdir()))
    images = ImageLoader(16, lazy=True, on_error="nan").fit_transform(paths)
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None, batch_size=7).fit(images)
    with pytest.warns(UserWarning, match="could not be read"):
        features = resnet.transform(images)
    n_good = 0
    for i, path in enumerate(paths):
        try:
            alone = read_image(path, size=(16, 16), max_pixels=MAX_PIXELS)
        except (OSError, ValueError):
            assert np.isnan(features[i]).all()
            assert images.failures[i].path == path
        else:
            n_good += 1
            np.testing.assert_array_equal(features[i], resnet.transform(alone[None])[0])
    return len(paths), n_good, len(images.failures)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of Pillow, about damaged EXIF data
@needs_pillow_13
def test_damaged_files_among_others_shift_no_row(tmp_path):
    n, n_good, n_bad = check_rows(tmp_path, 30, 60)
    assert n == n_good + n_bad
    assert min(n_good, n_bad) > 50


@needs_pillow_13
@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_thousands_of_damaged_files_among_others_shift_no_row(tmp_path):
    n, n_good, n_bad = check_rows(tmp_path, 1000, 10_000)
    assert n == n_good + n_bad > 12_000
    assert min(n_good, n_bad) > 2500


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("ending", make_bombs())
def test_a_decompression_bomb_is_named_and_not_decoded(tmp_path, ending, monkeypatch):
    if ending == "jpg" and IS_OLD_PILLOW:
        pytest.skip("older Pillow takes it for no image")
    path = tmp_path / f"bomb.{ending}"
    path.write_bytes(make_bombs()[ending])
    Image.init()  # loads an image of its own
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"bomb\..*(pixels, more than the limit|exceeds limit)"):
        ImageLoader(8).fit_transform([path])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_file_is_named_without_a_warning_of_pillow(tmp_path, kind):
    path = tmp_path / "large"
    Image.new("L", (11, 13)).save(path, kind)
    content, (width, height) = path.read_bytes(), (9_000, 12_000)
    if kind == "PNG":
        size = struct.pack(">II", width, height)
        header = b"IHDR" + size + content[24:29]
        content = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    else:
        content = content.replace(struct.pack(">HH", 13, 11), struct.pack(">HH", height, width))
    path.write_bytes(content)
    table = pd.DataFrame({"path": [str(path)], "top": 0, "left": 0, "bottom": 5, "right": 5})
    message = (
        "it has 12000 x 9000 pixels, .* For regions, save it as a tiled TIFF, which is read tile"
    )
    for X in ([path], table):
        with pytest.raises(ImageReadError, match=message):
            ImageLoader(8).fit_transform(X)


def test_a_gif_of_100_000_frames_costs_its_first(tmp_path, monkeypatch):
    path = tmp_path / "long.gif"
    path.write_bytes(gif((4, 4), gif_frame() * 100_000))
    seeks = []
    seek = GifImagePlugin.GifImageFile._seek
    monkeypatch.setattr(
        GifImagePlugin.GifImageFile, "_seek", lambda *args: seeks.append(1) or seek(*args)
    )
    assert read_image(path).shape == (4, 4, 3)
    assert len(seeks) <= 2


NAMES = {
    "new line": "a\nb.png",
    "quotes": "a'b\"c.png",
    "emoji": "\N{PILE OF POO}.png",
    "surrogate": "\udcff.png",
    "formula": "=cmd|' C calc'!A0.png",
    "script": "<script>alert(1)<\\script>.png",
    "spaces": "  .png",
    "dash": "--help.png",
    "percent": "%s%n.png",
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("is_sound", [True, False])
def test_odd_names(tmp_path, kind, is_sound, monkeypatch):
    from click.testing import CliRunner

    from sklearn_resnet.cli.main import main

    monkeypatch.chdir(tmp_path)
    os.mkdir("photos")
    path = os.path.join("photos", NAMES[kind])
    Image.fromarray(PIXELS).save("sound.png")
    Path(path).write_bytes(Path("sound.png").read_bytes() if is_sound else b"<html>")
    Path("photos/sound.png").write_bytes(Path("sound.png").read_bytes())
    for suffix in ("csv", "parquet", "npy", "npz"):
        output = f"{suffix}.{suffix}"
        arguments = ["photos", output, "--weights", "random", "-l", "4", "-s", "0", "--no-cache"]
        result = CliRunner().invoke(
            main, [*arguments, "--image-size", "16", "--on-error", "skip"], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        assert Path(f"{suffix}_errors.csv").exists() is not is_sound
        assert "(2, 64)" in result.output if is_sound else "(1, 64)" in result.output


SPECIAL = {
    "FIFO": (make_fifo, "a FIFO"),
    "socket": (make_socket, "a socket"),
    "folder": (os.mkdir, "a folder"),
    "/dev/zero": (lambda path: os.symlink("/dev/zero", path), "a device"),
    "circle of links": (lambda path: os.symlink(path, path), "symbolic links"),
    "link to nothing": (lambda path: os.symlink("none", path), "does not exist"),
    "HTML": (lambda path: Path(path).write_text("<html></html>"), "no known image format"),
    "nothing": (lambda path: Path(path).touch(), "it is empty"),
}


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="nothing would end it if it blocked")
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("lazy", [False, True])
def test_other_kinds_of_files_are_named_and_do_not_block(tmp_path, monkeypatch, kind, lazy):
    monkeypatch.chdir(tmp_path)
    make, message = SPECIAL[kind]
    make("x.jpg")

    def hang(*args):
        raise AssertionError("it blocks")

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(30)
    try:
        loader = ImageLoader(8, lazy=lazy)
        with pytest.raises((OSError, ValueError), match=f"x.jpg.*{message}|{message}.*x.jpg"):
            np.asarray(loader.fit_transform(["x.jpg"]))
        resnet = ResNetFeatures(4, weights=None, random_state=0, cache=str(tmp_path / "cache"))
        images = ImageLoader(8, lazy=True, on_error="nan").fit_transform(["x.jpg"])
        with pytest.warns(UserWarning, match="1 of 1 images could not be read"):
            assert np.isnan(resnet.fit(images).transform(images)).all()
    finally:
        signal.alarm(0)


def fill_with_all(folder):
    """A folder of everything; return how many images it holds, and how many that are none."""
    os.mkdir(folder)
    home = os.getcwd()
    os.chdir(folder)  # the path of a socket must be short
    try:
        for i, name in enumerate(NAMES.values()):
            Path(name).write_bytes(png_of(np.full((8, 8), i, np.uint8)))
        bad = make_crafted() | {f"bomb.{ending}": file for ending, file in make_bombs().items()}
        for name, content in bad.items():
            Path(name).write_bytes(content)
        for kind, (make, _) in SPECIAL.items():
            make(f"{kind.replace('/', '-')}.jpg")
        for name in ("one", "two", "locked", "c" * 250):
            os.mkdir(name)
        os.symlink("../two", "one/other.jpg")
        os.symlink("../one", "two/other.jpg")
        os.symlink("none", "link.txt")
        deep = "/".join(["c" * 250] * 17)  # with that of the folder, longer than paths may be
        for part in deep.split("/")[1:]:
            os.chdir("c" * 250)
            os.mkdir(part)
    finally:
        os.chdir(home)
    return len(NAMES), len(bad) + len(SPECIAL) - 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="nothing would end it if it blocked")
@pytest.mark.parametrize("on_error", ["skip", pytest.param("nan", marks=pytest.mark.long)])
def test_a_folder_of_everything_is_embedded(tmp_path, monkeypatch, on_error):
    from click.testing import CliRunner

    from sklearn_resnet.cli.main import main

    scandir = os.scandir

    def refuse(path):  # as for users other than root
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.chdir(tmp_path)
    n_names, n_others = fill_with_all("photos")
    monkeypatch.setattr(os, "scandir", refuse)
    arguments = ["photos", "out.parquet", "--on-error", on_error, "--weights", "procedural"]
    arguments += ["-l", "16", "--image-size", "32", "--no-cache"]
    signal.signal(signal.SIGALRM, lambda *args: pytest.fail("it blocks"))
    signal.alarm(120)
    try:
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    finally:
        signal.alarm(0)
    assert result.exit_code == 0, result.output
    table, failures = pd.read_parquet("out.parquet"), pd.read_csv("out_errors.csv")
    causes = dict(zip(failures["path"], failures["cause"], strict=True))
    assert causes["photos/locked"] == "Permission denied"
    assert causes["photos/FIFO.jpg"] == "it is a FIFO, not a regular file"
    assert "symbolic links" in causes["photos/circle of links.jpg"]
    assert "File name too long" in causes.values()
    features = np.stack(table["features"])
    is_good = np.isfinite(features).all(1)
    n_all = n_names + n_others + 2  # the folders that cannot be listed
    assert len(table) == (n_all if on_error == "nan" else n_all - len(failures))
    assert is_good.sum() == n_all - len(failures)
    good = dict(zip(table["path"][is_good], features[is_good], strict=True))
    resnet = ResNetFeatures(16, weights="procedural", cache=None).fit(
        np.zeros((1, 32, 32, 3), np.uint8)
    )
    for path in map(os.path.join, ["photos"] * n_names, NAMES.values()):
        image = read_image(path, size=(32, 32))[None]
        shown = path.encode("utf-8", "backslashreplace").decode()
        np.testing.assert_array_equal(good[shown], resnet.transform(image)[0])


@pytest.mark.parametrize("length", [255, 4_096, 100_000])
def test_a_path_that_is_too_long(length):
    with pytest.raises(OSError, match="too long|image file .* does not exist"):
        read_image("x" * length + ".png")


class Exploding:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def save_pickle(path):
    if path.endswith(".npz"):
        np.savez(path, x=np.array([Exploding()], object))
    else:
        np.save(path, np.array([Exploding()], object))


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "labels.npy", "cell.npy"])
def test_pickles_are_refused_and_not_run(tmp_path, monkeypatch, name):
    from click.testing import CliRunner

    from sklearn_resnet.cli.main import main

    monkeypatch.chdir(tmp_path)
    save_pickle(name)
    arguments = [name, "out.csv", "-m", "pca", "-d", "2"]
    if name == "labels.npy":
        arguments = ["digits", "out.csv", "-m", "pca", "-d", "2", "--labels", name]
    if name == "cell.npy":
        with pytest.raises(ValueError, match=r"cell\.npy"):
            ImageLoader(8).fit_transform([name])
    else:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert name in result.output
    assert not Path("exploded").exists()


def make_keras_file(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", '{"class_name": "Lambda"}')
        file.writestr("model.weights.h5", b"")


def make_h5_with_lambda(path):
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": "gASV"}}'
        group = file.create_group("layers/conv2d/vars")
        group.attrs["name"] = "conv1_conv"


def make_h5_with_pickle(path):
    import pickle

    Path(path).write_bytes(pickle.dumps(Exploding()))


@pytest.mark.parametrize(
    "make", [make_keras_file, make_h5_with_lambda, make_h5_with_pickle, make_fifo]
)
def test_weights_that_are_programs_are_refused_and_not_run(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make("w.weights.h5")
    import_keras.cache_clear()
    error = pytest.raises((ValueError, OSError), match=r"w\.weights\.h5")
    with hidden_module("keras"), error:  # Keras would build the layers that a file asks for
        ResNetFeatures(82, weights="w.weights.h5").fit_transform(np.zeros((2, 8, 8), np.uint8))
    assert not Path("exploded").exists()


def test_the_view_of_an_estimator_is_inert():
    html = ResNetFeatures(weights="<script>alert(1)</script>")._repr_html_()
    assert "<script>alert" not in html
