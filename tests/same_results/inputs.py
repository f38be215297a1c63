"""The inputs: small files of every kind, with the same bytes and times whenever they are made."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

_TIME = 1_700_000_000  # seconds; of every file, as tables record it
CLASSES = ("cat", "dog", "fox")
N_PER_CLASS = 6


def make_inputs():
    """Make all inputs in the working directory."""
    for make in (_arrays, _folders, _formats, _damaged, _archives, _labels, _photo):
        make()
    touch_all(Path())


def touch_all(folder):
    """Give all files the same time of change."""
    for path in Path(folder).rglob("*"):
        os.utime(path, (_TIME, _TIME))


def make_image(seed, height=20, width=16, kind=0):
    """A smooth random image, whose colour goes by its class."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    pixels[..., kind % 3] += 55
    return pixels.astype(np.uint8)


def save(pixels, path, **options):
    """Write an image file, and the folders above it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    os.utime(path, (_TIME, _TIME))


def _arrays():
    from sklearn.datasets import load_digits

    digits = load_digits()
    X = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    np.savez("digits.npz", x=X[:60], y=digits.target[:60])
    np.savez("keras.npz", x_train=X[:30], y_train=digits.target[:30], x_test=X[30:40])
    np.savez("other_names.npz", a=X[:5], b=X[:5])
    images = np.stack([make_image(i, kind=i) for i in range(14)])
    np.save("color.npy", images)
    np.save("grey16.npy", images[..., 0].astype(np.uint16) * 257)
    np.save("floats.npy", (images / 255).astype(np.float32))
    np.save("rows.npy", digits.data[:20])
    np.save("pickled.npy", np.array([{}, {}], dtype=object), allow_pickle=True)


def _folders():
    """Folders of photos, with and without a folder for each class."""
    endings = ("png", "jpg", "png", "tif", "bmp", "jpeg")
    for kind, name in enumerate(CLASSES):
        for i, ending in enumerate(endings):
            # 2 comes before 10; sizes differ
            path = Path("photos", name, f"{2 + 4 * i}.{ending}")
            save(make_image(100 * kind + i, 20 + 2 * (i % 3), 16 + 4 * kind, kind), path)
    for i in range(14):
        save(make_image(i, kind=i), f"flat/{i}.png")
        save(make_image(i, kind=i), f"growing/{'ab'[i % 2]}/{i}.png")
    save(make_image(0), "mixed/beside.png")
    save(make_image(1), "mixed/cat/1.png")
    save(make_image(2), "few/1.png")
    save(make_image(3), "few/2.png")
    save(make_image(3), "formulas/=1+1/-2.png")
    save(make_image(4), "formulas/@b/+3.png")
    Path("photos/notes.txt").write_text("no image", encoding="utf-8")
    Path("photos/.hidden.png").write_bytes(b"")
    Path("empty").mkdir()
    Path("theirs.parquet").mkdir()
    Path("theirs.parquet/notes.txt").write_text("theirs", encoding="utf-8")


def _formats():
    """An image in every format and mode, of one size."""
    pixels = make_image(7)
    image = Image.fromarray(pixels)
    folder = Path("formats")
    folder.mkdir()
    for ending in ("png", "jpg", "gif", "bmp", "webp", "ppm", "tif"):
        image.save(folder / f"rgb.{ending}")
    image.convert("L").save(folder / "grey.png")
    image.convert("1").save(folder / "bits.png")
    image.quantize(8).save(folder / "palette.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    rgba = image.copy()
    rgba.putalpha(Image.fromarray(pixels[..., 1]))
    rgba.save(folder / "alpha.png")
    rgba.convert("LA").save(folder / "grey_alpha.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "grey16.png")
    exif = Image.Exif()
    exif[0x0112] = 3
    image.save(folder / "upside_down.jpg", exif=exif)
    np.save(folder / "array.npy", pixels)
    np.save(folder / "floats.npy", pixels / 255)
    for name, dtype, scale in (
        ("uint16", np.uint16, 257),
        ("float32", np.float32, 1 / 255),
        ("float64", np.float64, 1),
        ("int32", np.int32, 257),
    ):
        array = (pixels.astype(float) * scale).astype(dtype)
        tifffile.imwrite(folder / f"{name}.tif", array, photometric="rgb", metadata=None)


def _damaged():
    """A folder of 12 images, of which two cannot be read, and one of nothing else."""
    for i in range(12):
        save(make_image(i, kind=i), f"damaged/{'ab'[i % 2]}/{i}.png")
    damage(Path("damaged/b/3.png"))
    damage(Path("damaged/b/9.png"))
    save(make_image(0), "all_damaged/0.png")
    damage(Path("all_damaged/0.png"))


def damage(path):
    """Cut a file in the middle."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    os.utime(path, (_TIME, _TIME))


def _archives():
    """Tars with classes in folders and in files, and a zip."""
    files = {}
    for path in sorted(Path("photos").rglob("*.*")):
        if path.is_file() and not path.name.startswith("."):
            files[path.relative_to("photos").as_posix()] = path.read_bytes()
    _write_tar("photos.tar", files)
    for number, name in enumerate("ab"):
        members = {}
        for i in range(5):
            file = io.BytesIO()
            Image.fromarray(make_image(40 + 5 * number + i, kind=i)).save(file, "PNG")
            members[f"{i:04}.png"] = file.getvalue()
            members[f"{i:04}.cls"] = CLASSES[i % 3].encode()
        Path("shards").mkdir(exist_ok=True)
        _write_tar(f"shards/{name}.tar", members)
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def _write_tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), _TIME
            tar.addfile(info, io.BytesIO(content))


def _labels():
    labels = [CLASSES[i % 3] for i in range(14)]
    np.save("labels.npy", np.arange(14) % 3)
    Path("labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    Path("labels_alone.csv").write_text("\n".join(["label", *labels]) + "\n", encoding="utf-8")
    rows = [f"{i}.png,{label}" for i, label in reversed(list(enumerate(labels)))]
    Path("labels.csv").write_text("\n".join(["path,label", *rows]) + "\n", encoding="utf-8")
    Path("too_few.txt").write_text("a\nb\n", encoding="utf-8")
    np.save("scale.npy", np.linspace(0, 1, 14))


def _photo():
    """A larger image, to cut patches from."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    coarse.resize((96, 72), Image.Resampling.BICUBIC).save("photo.png")
