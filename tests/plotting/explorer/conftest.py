"""A browser, which also opens pages offline."""

import os
import shutil

import pytest


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        if "CI" in os.environ:
            pytest.fail("There is no Chromium: .ci/run installs it.")
        pytest.skip("needs Chromium (Debian's package chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        arguments = [
            "--no-sandbox",
            "--disable-background-networking",
            "--enable-unsafe-swiftshader",
        ]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def show(browser):
    """Open a page offline; at the end, it must have complained of nothing and asked for nothing."""
    opened, complaints = [], []

    def hear(message):
        is_of_tests = "willReadFrequently" in message.text  # they read canvases
        if message.type in ("error", "warning") and not is_of_tests:
            complaints.append(message.text)

    def watch(url, own):
        if not url.startswith(("data:", "blob:", own)):
            complaints.append(url)

    def show(file, **options):
        options = {"viewport": {"width": 1200, "height": 800}, "offline": True} | options
        context = browser.new_context(**options)
        page = context.new_page()
        opened.append(context)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", hear)
        page.on("request", lambda request: watch(request.url, file.with_suffix("").as_uri()))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        return page

    yield show
    for context in opened:
        context.close()
    assert complaints == []
