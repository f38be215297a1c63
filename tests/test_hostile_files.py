"""Files of every kind of damage and malice: each is read, or named with its cause, soon."""

import io
import os
import signal
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from sklearn_resnet import ImageLoader, ResNetFeatures, _weights
from sklearn_resnet._image_files import read_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 48, 3), dtype=np.uint8)
FORMATS = {
    "jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "cmyk.jpg": ("JPEG", {"mode": "CMYK"}),
    "png": ("PNG", {}),
    "palette.png": ("PNG", {"mode": "P"}),
    "alpha.png": ("PNG", {"mode": "RGBA"}),
    "deep.png": ("PNG", {"mode": "I;16"}),
    "tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate.tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "jpeg.tif": ("TIFF", {"compression": "jpeg"}),
    "gif": ("GIF", {"mode": "P"}),
    "moving.gif": ("GIF", {"mode": "P", "save_all": True}),
    "bmp": ("BMP", {}),
    "webp": ("WEBP", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "ppm": ("PPM", {}),
    "pgm": ("PPM", {"mode": "L"}),
    "jp2": ("JPEG2000", {}),
    "avif": ("AVIF", {}),
}


def make_seeds():
    """One sound file of each format, by how its name ends."""
    seeds = {}
    for ending, (name, options) in FORMATS.items():
        options = dict(options)
        mode = options.pop("mode", "RGB")
        image = Image.fromarray(PIXELS)
        if mode == "I;16":
            image = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
        elif mode != "RGB":
            image = image.convert(mode)
        if "save_all" in options:
            options["append_images"] = [image.rotate(90)] * 2
        file = io.BytesIO()
        image.save(file, name, **options)
        seeds[ending] = file.getvalue()
    for ending, array in {
        "npy": PIXELS,
        "float.npy": PIXELS.astype(float),
    }.items():
        file = io.BytesIO()
        np.save(file, array)
        seeds[ending] = file.getvalue()
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS.astype(np.float64), photometric="rgb")
    seeds["float.tif"] = file.getvalue()
    return seeds


def mutate(rng, content, others):
    """Damage a file as transfers, disks and attackers do."""
    content = bytearray(content)
    n = len(content)
    kind = rng.integers(7)
    if kind == 0:  # bits flip anywhere
        for i in rng.integers(0, n, rng.integers(1, 17)):
            content[i] ^= 1 << int(rng.integers(8))
    elif kind == 1:  # in the header, where sizes stand
        for i in rng.integers(0, min(n, 64), rng.integers(1, 9)):
            content[i] = int(rng.integers(256))
    elif kind == 2:  # truncated
        del content[int(rng.integers(n)) :]
    elif kind == 3:  # the header of another
        other = others[int(rng.integers(len(others)))]
        size = int(rng.integers(4, 64))
        content[:size] = other[:size]
    elif kind == 4:  # a block is lost
        start = int(rng.integers(n))
        del content[start : start + int(rng.integers(1, 100))]
    elif kind == 5:  # a block of zeros, or of ones
        start, size = int(rng.integers(n)), int(rng.integers(1, 100))
        content[start : start + size] = bytes([255 * int(rng.integers(2))]) * size
    else:  # extreme numbers
        start = int(rng.integers(max(1, n - 4)))
        value = int(rng.choice([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
        content[start : start + 4] = struct.pack(rng.choice([">I", "<I"]), value)
    return bytes(content)


# Reads mutated files one after the other; a file that takes longer than the alarm ends it.
_READ_ALL = """
import os, signal, sys, time, warnings
import numpy as np
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from test_hostile_files import make_seeds, mutate
from sklearn_resnet._image_files import MAX_PIXELS, read_image
warnings.simplefilter("ignore")
folder, first, last = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
seeds = make_seeds()
endings, slowest, n_read = list(seeds), 0, 0
for i in range(first, last):
    rng = np.random.default_rng(i)
    ending = endings[i % len(endings)]
    path = f"{folder}/{i}.{ending}"
    with open(path, "wb") as file:
        file.write(mutate(rng, seeds[ending], list(seeds.values())))
    print(path, flush=True)
    signal.alarm(60)
    began = time.perf_counter()
    try:
        image = read_image(path, size=(32, 32), max_pixels=MAX_PIXELS)
        assert image.shape == (32, 32, 3) and image.dtype == np.uint8
        n_read += 1
    except (OSError, ValueError) as exc:
        assert path in str(exc) and exc.cause, (path, exc)
    slowest = max(slowest, time.perf_counter() - began)
    signal.alarm(0)
    os.unlink(path)
with open("/proc/self/status") as file:  # the peak of rusage has that of the parent in it
    peak = int(file.read().split("VmHWM:")[1].split()[0])
print("done", n_read, slowest, peak)
"""


def read_mutated(folder, first, last):
    """How many were read, the slowest in seconds, the peak of memory in kB."""
    command = [sys.executable, "-c", _READ_ALL, __file__, str(folder), str(first), str(last)]
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


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_mutated_files_are_read_or_named(tmp_path, part):
    n_read, _, peak = read_mutated(tmp_path, part * 2500, (part + 1) * 2500)
    assert 100 < n_read < 2400  # some are harmless, and some are not
    assert peak < 1_000_000


@pytest.mark.filterwarnings("ignore")  # what Pillow says of damaged EXIF data
def test_mutated_files_among_others_shift_no_row(tmp_path):
    seeds = make_seeds()
    paths, n_files = [], 6 * len(seeds)
    for i in range(n_files):
        ending = list(seeds)[i % len(seeds)]
        rng = np.random.default_rng(100_000 + i)
        content = mutate(rng, seeds[ending], list(seeds.values())) if i % 3 else seeds[ending]
        paths.append(tmp_path / f"{i}.{ending}")
        paths[-1].write_bytes(content)
    loader = ImageLoader(16, lazy=True, on_error="nan")
    images = loader.fit_transform(paths)
    resnet = ResNetFeatures(4, weights=None, random_state=0, cache=None, batch_size=7).fit(images)
    with pytest.warns(UserWarning, match="could not be read"):
        features = resnet.transform(images)
    for i, path in enumerate(paths):
        try:
            alone = resnet.transform(read_image(path, size=(16, 16))[None])[0]
        except (OSError, ValueError):
            assert np.isnan(features[i]).all()
            assert i in images.failures
        else:
            np.testing.assert_array_equal(features[i], alone)


def png(width, height, data=b"\0"):
    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(data)),
            chunk(b"IEND", b""),
        ]
    )


def tiff_bomb():
    file = io.BytesIO()
    Image.new("1", (60_000, 60_000)).save(file, "TIFF", compression="group4")
    return file.getvalue()


def gif_bomb():
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;"
    )


def webp_bomb():
    file = io.BytesIO()
    Image.new("RGB", (10_000, 9_000)).save(file, "WEBP", lossless=True, method=0, quality=0)
    return file.getvalue()


def npy_bomb():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    return file.getvalue()


BOMBS = {
    "png": lambda: png(50_000, 50_000, b"\0" * 10**7),
    "tif": tiff_bomb,
    "gif": gif_bomb,
    "webp": webp_bomb,
    "npy": npy_bomb,
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("ending", BOMBS)
def test_a_decompression_bomb_is_named_and_not_decoded(tmp_path, ending, monkeypatch):
    path = tmp_path / f"bomb.{ending}"
    path.write_bytes(BOMBS[ending]())
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"bomb\..*(pixels, more than max_pixels=|exceeds limit)"):
        ImageLoader(8).fit_transform([path])


def test_a_gif_of_100_000_frames_costs_its_first(tmp_path, monkeypatch):
    frame = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\x02\x02D\1\0"
    header = b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0"
    path = tmp_path / "long.gif"
    path.write_bytes(header + frame * 100_000 + b";")
    seeks = []
    from PIL import GifImagePlugin

    seek = GifImagePlugin.GifImageFile._seek
    monkeypatch.setattr(
        GifImagePlugin.GifImageFile, "_seek", lambda *args: seeks.append(1) or seek(*args)
    )
    assert read_image(path).shape == (1, 1, 3)
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

    from sklearn_resnet.cli import main

    monkeypatch.chdir(tmp_path)
    os.mkdir("photos")
    path = os.path.join("photos", NAMES[kind])
    Image.fromarray(PIXELS).save("sound.png")
    Path(path).write_bytes(Path("sound.png").read_bytes() if is_sound else b"<html>")
    Path("photos/sound.png").write_bytes(Path("sound.png").read_bytes())
    for output in ("out.csv", "out.parquet", "out.npy", "out.npz"):
        arguments = ["photos", output, "--weights", "random", "-l", "4", "-s", "0", "--no-cache"]
        result = CliRunner().invoke(
            main, [*arguments, "--image-size", "16", "--on-error", "skip"], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        assert Path("out_errors.csv").exists() is not is_sound
        assert "(2, 64)" in result.output if is_sound else "(1, 64)" in result.output


def make_socket(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.close()


SPECIAL = {
    "FIFO": (os.mkfifo, "a FIFO"),
    "socket": (make_socket, "a socket"),
    "folder": (os.mkdir, "a folder"),
    "/dev/zero": (lambda path: os.symlink("/dev/zero", path), "a device"),
    "circle of links": (lambda path: os.symlink(path, path), "symbolic links"),
    "link to nothing": (lambda path: os.symlink("none", path), "no image file"),
    "HTML": (lambda path: Path(path).write_text("<html></html>"), "no known image format"),
    "nothing": (lambda path: Path(path).touch(), "no known image format"),
}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_no_image_is_named_and_blocks_nobody(tmp_path, monkeypatch, kind, lazy):
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


@pytest.mark.parametrize("length", [255, 4_096, 100_000])
def test_a_path_that_is_too_long(length):
    with pytest.raises(OSError, match="too long|no image file"):
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

    from sklearn_resnet.cli import main

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
    "make", [make_keras_file, make_h5_with_lambda, make_h5_with_pickle, os.mkfifo]
)
def test_weights_that_are_programs_are_refused_and_not_run(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make("w.weights.h5")
    monkeypatch.setattr(_weights, "import_keras", lambda: pytest.fail("Keras would build layers"))
    with pytest.raises((ValueError, OSError), match=r"w\.weights\.h5"):
        ResNetFeatures(82, weights="w.weights.h5").fit_transform(np.zeros((2, 8, 8), np.uint8))
    assert not Path("exploded").exists()


def test_the_view_of_an_estimator_is_inert():
    html = ResNetFeatures(weights="<script>alert(1)</script>")._repr_html_()
    assert "<script>alert" not in html
