"""Folders of images with planted faults."""

from pathlib import Path

import numpy as np
from PIL import Image

HOSTILE = "=1+1 <b>\u202e&\n.png"  # a formula, markup, a reversal and a new line
CLASSES = ("=spots", "stripes")


def make_image(label, rng):
    """Spots, or stripes of any direction."""
    x, y = np.mgrid[:40, :40] / 40
    image = np.zeros((40, 40))
    if label == "=spots":
        for _ in range(12):
            i, j, radius = rng.uniform(0, 1, 3)
            image += np.exp(-((x - i) ** 2 + (y - j) ** 2) / (0.002 + 0.01 * radius))
    else:
        angle, shift, bend, where = rng.uniform(0, np.pi, 4)
        along = x * np.cos(angle) + y * np.sin(angle) + 0.1 * np.sin(bend * 4 * x + 2 * where * y)
        image = np.sin(rng.uniform(10, 40) * along + shift) ** 2
    colors = rng.uniform(0.4, 1, 3)
    noise = rng.uniform(-0.05, 0.05, (40, 40, 1))
    values = np.clip(image, 0, 1)[..., None] * colors * 0.8 + 0.1 + noise
    return Image.fromarray((255 * np.clip(values, 0, 1)).astype(np.uint8))


def make_folders(root, n_images=24):
    """Make ``train`` and ``test`` with two classes each, and these faults.

    ``copy.jpg`` is a leak of the first image of spots, `HOSTILE` a copy of the second one in the same
    split; ``wrong.png`` shows stripes among spots; ``blank.png``, and ``broken.png``, which is no image.
    """
    rng, root = np.random.default_rng(0), Path(root)
    for label in CLASSES:
        for split, n_here in (("train", n_images), ("test", n_images // 2)):
            folder = root / split / label
            folder.mkdir(parents=True)
            for i in range(n_here):
                make_image(label, rng).save(folder / f"{i}.png")
    train, test = (root / split / "=spots" for split in ("train", "test"))
    Image.open(train / "0.png").crop((1, 1, 39, 39)).save(test / "copy.jpg", quality=60)
    (train / HOSTILE).write_bytes((train / "1.png").read_bytes())
    make_image("stripes", rng).save(train / "wrong.png")
    Image.new("RGB", (40, 40), "gray").save(train / "blank.png")
    (train / "broken.png").write_bytes(b"\x89PNG nonsense")
    return root
