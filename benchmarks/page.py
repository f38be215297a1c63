"""Size of the page of an embedding, and how fast it shows and moves."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import summarize_rounds
from sklearn_resnet import EmbeddingDisplay, ImageLoader, ResNetFeatures
from sklearn_resnet.datasets import load_image_folder

_ROUNDS = 5
_DRAG_SECONDS = 4
_WINDOW = {"width": 1360, "height": 860}
_N_PHOTOS = 1_000
_N_SMALL_PHOTOS = 10_000
_N_POINTS = 1_000_000
_N_PLACED = 5_000
# Drags the map in circles, one movement per frame that the browser can draw; returns the times of the
# frames in which the map had moved.
_DRAG = """(seconds) => new Promise((done) => {
    const element = document.getElementById("map");
    const box = element.getBoundingClientRect();
    const getLeft = () => window.page.inspect().views[0][0];
    const began = performance.now(), times = [];
    let last = getLeft();
    const step = (time) => {
        if (getLeft() !== last) times.push(time);
        last = getLeft();
        const angle = (performance.now() - began) / 300;
        if (angle > (seconds * 1000) / 300) return done(times);
        element.dispatchEvent(new PointerEvent("pointermove", {
            pointerId: 1, pointerType: "mouse", isPrimary: true, buttons: 1, bubbles: true, composed: true,
            clientX: box.left + box.width / 2 + 150 * Math.sin(angle),
            clientY: box.top + box.height / 2 + 80 * Math.cos(angle),
        }));
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""


def write_digits(path, data):
    """Write the page of MNIST's 60,000 digits: UMAP of layer 82.

    UMAP places some of the digits, and the others are near the most similar of these. That takes
    seconds; UMAP of all takes minutes.
    """
    from sklearn.neighbors import KNeighborsRegressor
    from umap import UMAP

    with np.load(data / "mnist.npz") as file:
        images, labels = file["x_train"], file["y_train"]
    features = ResNetFeatures(82, weights="procedural", cache=None).fit_transform(images)
    placed = features[:_N_PLACED]
    xy = UMAP(random_state=0, n_jobs=1).fit_transform(placed)
    xy = KNeighborsRegressor(3).fit(placed, xy).predict(features)
    xy += np.random.default_rng(0).normal(0, 0.05, xy.shape)
    _write(path, xy, labels, images, features)


def write_photos(path, data):
    """Write the page of 1,000 photos of clothing, some of them mirrored."""
    paths, labels = [], []
    for part in ("train", "validation"):
        found, kinds = load_image_folder(data / "clothing" / part, return_X_y=True)
        paths, labels = [*paths, *found], [*labels, *kinds]
    images = np.asarray(ImageLoader(224).fit_transform(paths))
    images = np.concatenate([images, images[:, :, ::-1]])[:_N_PHOTOS]
    labels = np.array(labels * 2)[:_N_PHOTOS]
    resnet = ResNetFeatures("conv3", weights="procedural", image_size=64, cache=None)
    features = resnet.fit_transform(images)
    xy = np.random.default_rng(0).standard_normal((_N_PHOTOS, 2))  # any positions will do
    _write(path, xy, labels, images, features)


def write_small_photos(path, data):
    """Write the page of 10,000 photos of clothing, mirrored and turned, without features."""
    paths, _ = load_image_folder(data / "clothing" / "train", return_X_y=True)
    images = np.asarray(ImageLoader(64).fit_transform(paths))
    images = np.concatenate([images, images[:, :, ::-1]])
    images = np.concatenate([np.rot90(images, k, (1, 2)) for k in range(4)])
    images = np.resize(images, (_N_SMALL_PHOTOS, *images.shape[1:]))
    xy = np.random.default_rng(0).standard_normal((_N_SMALL_PHOTOS, 2))
    labels = np.arange(_N_SMALL_PHOTOS) % 10
    _write(path, xy, labels, images, None)


def write_points(path, data):
    """Write the page of 1,000,000 points in 40 groups, without images."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, _N_POINTS)
    centres, spreads = rng.uniform(-10, 10, (40, 2)), rng.uniform(0.2, 1, (40, 1))
    xy = centres[groups] + spreads[groups] * rng.standard_normal((_N_POINTS, 2))
    _write(path, xy, groups, None, None)


def _write(path, xy, labels, images, features):
    EmbeddingDisplay(xy, labels, images=images).to_html(path, features=features)


def open_page(browser, path):
    """Open a page; return it, and the seconds until its first frame."""
    page = browser.new_context(viewport=_WINDOW, offline=True).new_page()
    began = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    page.evaluate("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")
    return page, time.perf_counter() - began


def drag(page):
    """Drag the map in circles; return the frames a second."""
    page.wait_for_timeout(1500)
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 5, y)
    times = page.evaluate(_DRAG, _DRAG_SECONDS)
    page.mouse.up()
    return 1000 * (len(times) - 1) / (times[-1] - times[0])


def measure_page(browser, path):
    """Open and drag a page in several rounds."""
    seconds, rates = [], []
    for _ in range(_ROUNDS):
        page, taken = open_page(browser, path)
        seconds.append(taken)
        rates.append(drag(page))
        page.context.close()
    return {
        "mb": path.stat().st_size / 1e6,
        "seconds_to_first_view": summarize_rounds(seconds),
        "frames_per_second": summarize_rounds(rates),
    }


def write_pages(folder, data):
    """Write the pages that the folder lacks; return their paths by name."""
    writers = {
        "digits_60000": write_digits,
        "photos_1000": write_photos,
        "photos_10000": write_small_photos,
        "points_1000000": write_points,
    }
    paths = {name: folder / f"{name}.html" for name in writers}
    for name, write in writers.items():
        if not paths[name].exists():
            write(paths[name], data)
    return paths


def measure(data):
    """Return the results of all pages; PAGES names a folder that may hold pages written before."""
    from playwright.sync_api import sync_playwright

    results = {"window": list(_WINDOW.values()), "n_rounds": _ROUNDS}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = write_pages(Path(os.environ.get("PAGES") or folder), data)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, path in pages.items():
            results[name] = measure_page(browser, path)
        browser.close()
    return results
