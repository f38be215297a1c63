"""The page of the findings: its tiles, and its form without a map."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faulty_folders import HOSTILE, make_image
from PIL import Image

from sklearn_resnet.checks._quality import FLAGS
from sklearn_resnet.cli.check.findings import Findings
from sklearn_resnet.cli.check.page import write_report_page

LABEL = "<script>alert(1)</script>"


@pytest.fixture
def findings(tmp_path):
    """Six images: two copies, a suspect label, a wide outlier, and an unreadable file."""
    rng, paths = np.random.default_rng(0), []
    for name in ("0.png", HOSTILE, "2.png", "3.png", "4.png", "5.png"):
        paths.append(str(tmp_path / name))
        make_image("stripes", rng).save(paths[-1])
    Image.new("RGB", (400, 100), "red").save(paths[4])
    Path(paths[5]).write_bytes(b"nonsense")
    table = pd.DataFrame({"path": paths, "split": ["train", "test"] * 3})
    table["label"] = ["a", "a", LABEL, "a", "a", "a"]
    table["duplicate_group"], table["n_copies"] = [0, 0, 1, 2, 3, 4], [1, 1, 0, 0, 0, 0]
    table["copy_distance"] = [0.04, 0.04, *[np.nan] * 4]
    table["outlier_score"] = [1, 1, 1, 1, 7.0, np.nan]
    table["label_score"], table["suggested_label"] = [1, 1, 0.02, 1, 1, np.nan], "a"
    table["suspect_label"] = pd.array([False, False, True, False, False, None], "boolean")
    for name in FLAGS:
        table[name] = pd.array([False] * 5 + [None], "boolean")
    table.loc[4, "odd_aspect"] = True
    table["unreadable"] = [False] * 5 + [True]
    table["error"] = ["", "", "", "", "", "it is <b>broken"]
    features = np.array([0, 9, 1, 2, 3, np.nan])[:, None] * np.ones(4)
    return Findings(table, features)


def write(path, findings, title="Photos <1>"):
    write_report_page(path, findings, title, 0)
    return path.read_text("utf-8")


def split(page):
    """The HTML of each section, by its name."""
    parts = re.split('<h2 id="(copies|labels|outliers|quality|unreadable)">', page)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def list_paths(html):
    return [Path(path).name for path in re.findall('<span class="path">(.*?)</span>', html)]


@pytest.mark.parametrize("is_few", [False, True])
def test_findings_are_side_by_side(is_few, findings, tmp_path):
    if is_few:  # for a map
        findings = Findings(
            findings.table, np.where(np.arange(6)[:, None] < 3, findings.features, np.nan)
        )
    page = write(tmp_path / "page.html", findings)
    assert ('id="map"' in page) != is_few
    assert ("data-point" in split(page)["copies"]) != is_few
    parts = split(page)
    name = "=1+1 &lt;b&gt;\\u202e&amp;\\n.png"
    assert list_paths(parts["copies"]) == ["0.png", name]
    assert "2 images, across splits" in parts["copies"]
    assert parts["copies"].count("distance 0.04") == 2
    assert list_paths(parts["outliers"]) == list_paths(parts["quality"]) == ["4.png"]
    assert "400 x 100" in parts["outliers"]
    assert "odd aspect (1)" in parts["quality"]
    assert "5.png</code> it is &lt;b&gt;broken" in parts["unreadable"]
    assert "<h1>Photos &lt;1&gt;</h1>" in page
    assert "<script>alert" not in page


def test_a_suspect_is_beside_the_nearest_images_of_the_suggested_class(findings, tmp_path):
    labels = split(write(tmp_path / "page.html", findings))["labels"]
    assert list_paths(labels)[:4] == ["2.png", "0.png", "3.png", "4.png"]
    assert "labelled &lt;script&gt;alert(1)&lt;/script&gt;, maybe a;" in labels
    assert "probability of this label 0.02" in labels


def test_tiles_show_whole_images(findings, tmp_path):
    outliers = split(write(tmp_path / "page.html", findings))["outliers"]
    (file,) = re.findall('base64,([^"]+)"', outliers)
    with Image.open(io.BytesIO(base64.b64decode(file))) as image:
        assert image.size == (176, 44)


def test_a_point_is_that_of_its_image(findings, tmp_path):
    findings = Findings(findings.table, findings.features.copy())
    findings.features[0] = np.nan
    page = write(tmp_path / "page.html", findings)
    assert re.findall('data-point="(\\d+)"', split(page)["outliers"]) == ["3"]
    assert 'data-point="-1"' not in page


def test_many_are_counted(findings, tmp_path):
    table = pd.concat([findings.table.iloc[[0]]] * 15, ignore_index=True)
    page = write(
        tmp_path / "page.html", Findings(table.assign(n_copies=14), np.zeros((15, 2)) * np.nan)
    )
    assert len(list_paths(split(page)["copies"])) == 12
    assert "and 3 more" in split(page)["copies"]
