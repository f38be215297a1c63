"""The code of README.md and of some pages runs, in order, in a new folder, without a network.

A block of Python is saved if the text before it says so ("Save this script as `x.py`"), otherwise it
runs; blocks of Python that follow each other run in one process. A block without a language is
commands, one a line. A block of `none` is the output of the last command, and one of `text` is
an illustration. A block that cannot run has a comment before it: ``<!-- not run: REASON -->``.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from channel_files import make_channels, save_ome
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("start", "scientific_images", "regions")),
]
if not all(page.is_file() for page in PAGES):
    pytest.skip("README.md and docs are not beside these tests", allow_module_level=True)

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"<!-- not run: (.+) -->\n+\Z")
SAVED = re.compile(r"\bsave this (?:script )?as\s+`([\w.]+)`", re.IGNORECASE)
REASONS = {"installs packages", "needs an extra"}


@dataclass
class Block:
    """A block of a page: where it begins, its language and its code."""

    line: int
    language: str
    code: str
    reason: str | None  # why it is not run
    file: str | None  # where it is saved


def read_blocks(text):
    blocks, end = [], 0
    for found in BLOCK.finditer(text):
        before = text[end : found.start()]
        mark, saved = MARK.search(before), SAVED.findall(before)
        blocks.append(
            Block(
                line=text.count("\n", 0, found.start()) + 2,
                language=found[1],
                code=found[2],
                reason=mark[1] if mark else None,
                file=saved[-1] if saved and found[1] == "python" else None,
            )
        )
        end = found.end()
    return blocks


def make_photos(folder, n_classes=3, n_photos=20):
    """Draw photos in a folder for each class: stripes of its direction and colour, with noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((72, 96))
    for i, name in enumerate(("cat", "dog", "owl")[:n_classes]):
        (folder / name).mkdir(parents=True)
        for j in range(n_photos):
            angle = i * np.pi / n_classes + rng.normal(0, 0.1)
            waves = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) / rng.uniform(2, 4))
            pixels = (
                128 + 60 * waves[..., None] + 40 * np.eye(3)[i] + rng.normal(0, 20, (72, 96, 3))
            )
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(folder / name / f"{j + 1}.jpg")


def run(arguments, folder, home):
    """Run a program that sees an empty home and no network, and return what it prints."""
    closed = "http://127.0.0.1:9"
    kept = {
        name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")
    }
    environment = kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        **dict.fromkeys(("HOME", "USERPROFILE"), str(home)),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), closed),
        "KERAS_HOME": str(home / "keras"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "MPLBACKEND": "agg",
        "PYTHONIOENCODING": "utf-8",
    }
    program = shutil.which(arguments[0], path=environment["PATH"])
    assert program, f"{arguments[0]} is not installed"
    done = subprocess.run(
        [program, *arguments[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_python(blocks, name, folder, home):
    """Run blocks in one process. Lines keep their numbers, for the messages of errors."""
    script = ""
    for block in blocks:
        script += "\n" * (block.line - script.count("\n") - 1) + block.code
    (folder / name).write_text(script, encoding="utf-8")
    return run(["python", name], folder, home)


def run_commands(block, folder, home):
    output = ""
    for line in block.code.splitlines():
        arguments = shlex.split(line, comments=True)
        output += run(arguments, folder, home)
    return output


def is_alike(output, expected):
    """Whether texts are equal but for the last digits of scores and the numbers of files."""
    texts = [re.sub(r"\d+(?=\.png\b)", "N", text).strip() for text in (output, expected)]
    score = re.compile(r"\d+\.\d+")
    scores = [[float(each) for each in score.findall(text)] for text in texts]
    shapes = [score.sub("0.0", text) for text in texts]
    return shapes[0] == shapes[1] and np.allclose(*scores, atol=0.02, rtol=0)


def run_page(page, folder, home):
    """Run the blocks of a page in order, and compare their output where the page shows it."""
    blocks = [block for block in read_blocks(page.read_text(encoding="utf-8")) if not block.reason]
    output, pending = "", []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block.file:
            (folder / block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            pending.append(block)
            if following is None or following.language != "python" or following.file:
                output = run_python(pending, f"{page.stem}.py", folder, home)
                pending = []
        elif block.language == "":
            output = run_commands(block, folder, home)
        elif block.language == "none":
            assert is_alike(output, block.code), f"line {block.line} of {page.name}:\n{output}"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trial").mkdir()
    return tmp_path / "trial"


@pytest.mark.long
def test_the_readme_runs(folder, home):
    make_photos(folder / "photos")
    shutil.copy(folder / "photos" / "cat" / "1.jpg", folder / "photo.jpg")
    run_page(PAGES[0], folder, home)
    made = {path.name for path in folder.rglob("*") if path.is_file()}
    assert made >= {"map.png", "depths.png", "photos.npz", "photos_similar.png"}
    assert "photos_umap.html" in made


@pytest.mark.long
def test_the_start_page_runs(folder, home):
    run_page(PAGES[1], folder, home)
    assert {path.name for path in folder.iterdir()} >= {"photos", "out", "depth.png", "map.html"}


@pytest.mark.long
def test_the_page_on_scientific_images_runs(folder, home):
    for i, name in enumerate(("control", "treated")):
        (folder / "cells" / name).mkdir(parents=True)
        images = make_channels(10, (24, 24), seed=i)
        images[..., 1] *= 1 + i
        save_ome(folder / "cells" / name, images)
    run_page(PAGES[2], folder, home)


def make_regions(folder):
    """Draw wells with masks, boxes on photos, and a slide, as the page on regions names them."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((96, 96))
    (folder / "plate").mkdir()
    (folder / "masks").mkdir()
    for well in ("A1", "A2"):
        image, mask = np.full((96, 96), 20.0), np.zeros((96, 96), np.uint16)
        for i, (y, x) in enumerate(np.ndindex(4, 4), start=1):
            inside = np.hypot(rows - 24 * y - 12, columns - 24 * x - 12) < rng.uniform(6, 10)
            spots = 1 + (i % 2) * (rows + columns) % 3
            image, mask[inside] = np.where(inside, 40 * spots, image), i
        Image.fromarray(image.astype(np.uint8)).save(folder / "plate" / f"{well}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{well}.png")
    names = [f"{name}/{i}.jpg" for name in ("cat", "dog") for i in range(1, 5)]
    coco = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": [
            {"id": 2 * i + j, "image_id": i, "category_id": j, "bbox": [10 + 40 * j, 10, 32, 32]}
            for i in range(len(names))
            for j in range(2)
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(coco), encoding="utf-8")
    slide = np.full((512, 640, 3), 245, np.uint8)
    slide[64:448, 128:512] = rng.integers(60, 200, (384, 384, 3))
    Image.fromarray(slide).save(folder / "slide.tif")


@pytest.mark.long
def test_the_page_on_regions_runs(folder, home):
    make_photos(folder / "photos")
    make_regions(folder)
    run_page(PAGES[3], folder, home)
    made = {path.name for path in folder.iterdir()}
    assert made >= {"cells.png", "well.png", "slide.png"}
    assert {path.name for path in (folder / "out").iterdir()} >= {"tiles.npy", "cells.csv"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nearly_all_blocks_run(page):
    blocks = read_blocks(page.read_text(encoding="utf-8"))
    assert {block.language for block in blocks} <= {"python", "", "none", "text"}
    marked = [block for block in blocks if block.reason]
    assert {block.reason for block in marked} <= REASONS
    assert len(marked) <= 2


def test_blocks_are_read_with_their_marks_files_and_lines():
    text = (
        "Save this as `a.py`:\n\n```python\nprint(1)\n```\n\n"
        "<!-- not run: installs packages -->\n\n```\npip install .\n```\n\n```none\n1\n```\n"
    )
    assert read_blocks(text) == [
        Block(4, "python", "print(1)\n", None, "a.py"),
        Block(10, "", "pip install .\n", "installs packages", None),
        Block(14, "none", "1\n", None, None),
    ]


@pytest.mark.parametrize(
    ("output", "expected", "alike"),
    [
        ("0.988\n", "0.987\n", True),
        ("0.988\n", "0.9\n", False),
        ("(1797, 512)  float32\n", "(1797, 128)  float32\n", False),
        ("2  0.0157  dog/43.png\n", "2  0.0158  dog/4.png\n", True),
        ("2  0.0157  dog/43.png\n", "2  0.0157  cat/43.png\n", False),
        ("wrote  a.png\n0.9\n", "wrote  a.png\n", False),
    ],
)
def test_outputs_are_compared_but_for_last_digits_and_neighbours(output, expected, alike):
    assert is_alike(output, expected) == alike


def test_a_block_that_fails_is_named_by_its_line(folder, home):
    page = folder.parent / "page.md"
    page.write_text("```python\nx = 1\n```\n\nThen\n\n```python\nx / 0\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r'page.py", line 8'):
        run_page(page, folder, home)


def test_an_output_that_differs_is_an_error(folder, home):
    page = folder.parent / "page.md"
    page.write_text("```python\nprint(2)\n```\n\n```none\n1\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 6 of page.md"):
        run_page(page, folder, home)
