"""Take docs/images/page-digits.jpg, page-photos.jpg and start_page.jpg, screenshots of pages.

Usage: python docs/page_pictures.py DIGITS.html PHOTOS.html START.html. docs/start.md makes the last, and
this command PHOTOS.html. DIGITS.html shows UMAP of layer 82 of MNIST's 10,000 test images.

    embedding clothing/train photos.npz -l conv4 --image-size 224 --weights ... --html -s 0
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

_IMAGES = Path(__file__).parent / "images"
_PLACE = "(i) => window.page.locate(i)"


def take(browser, page_path, name, scheme, act):
    """Open a page, call `act` on it, and save a screenshot."""
    page = browser.new_page(
        viewport={"width": 1200, "height": 720}, color_scheme=scheme, device_scale_factor=1.5
    )
    page.goto(Path(page_path).resolve().as_uri())
    page.wait_for_selector("html[data-ready]")
    act(page)
    page.wait_for_timeout(1500)
    page.screenshot(path=_IMAGES / f"{name}.jpg", quality=80, type="jpeg")
    page.close()


def pin_digit(page):
    """Pin a digit, and point at it."""
    page.mouse.click(*page.evaluate(_PLACE, 7))
    page.wait_for_selector("#unpin")
    page.mouse.move(*page.evaluate(_PLACE, 7))


def select_photos(page):
    """Show images on the map, and pin one."""
    page.click("#images")
    page.mouse.click(*page.evaluate(_PLACE, 40))
    page.wait_for_selector("#unpin")
    page.mouse.move(5, 5)


def pin_patch(page):
    """Show images on the map, and pin a patch of the temple."""
    page.click("#images")
    page.mouse.click(*page.evaluate(_PLACE, 181))
    page.wait_for_selector("#unpin")
    page.mouse.move(5, 5)


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox"]
    )
    take(browser, sys.argv[1], "page-digits", "light", pin_digit)
    take(browser, sys.argv[2], "page-photos", "dark", select_photos)
    take(browser, sys.argv[3], "start_page", "light", pin_patch)
    browser.close()
