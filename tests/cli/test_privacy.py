"""What the command writes and prints tells nothing of patients but the paths of their files."""

import numpy as np
from commands import run
from dicom_files import SECRET, make_dicom

RESNET = ["--model", "resnet", "--layers", 4, "--weights", "random", "--seed", 0]


def test_no_output_tells_of_a_patient(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 4096, (16, 16)).astype(np.uint16)
        folder = tmp_path / "ct" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        content = make_dicom(pixels, bits=12)
        (folder / f"1.2.{i}").write_bytes(content if i > 1 else content[: 900 + i])
    options = [*RESNET, "--image-size", 16, "--on-error", "skip", "--cache", "cache"]
    printed = run("ct", "out.npz", *options, "--html", "--thumbnails")
    printed += run("ct", "parts.parquet", *options, "--part-size", 3)
    printed += run("similar", "ct/a/1.2.4", "parts.parquet", "-o", "found.jpg")
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "ct" not in path.parts]
    assert {path.suffix for path in written} >= {
        ".npz",
        ".parquet",
        ".csv",
        ".html",
        ".png",
        ".jpg",
    }
    assert SECRET not in printed
    for path in written:
        content = path.read_bytes()
        assert SECRET.encode() not in content
        assert SECRET.encode("utf-16-le") not in content
    assert b"1.2.0" in (tmp_path / "out_errors.csv").read_bytes()
