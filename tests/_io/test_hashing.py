"""Hashes of whole files."""

import hashlib
import os
import time

import pytest

from sklearn_resnet._io.hashing import hash_file, identify_file


def test_the_hash_goes_by_content(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"content")
    first, second = (hash_file(identify_file(tmp_path / name), "sha256") for name in ("a", "b"))
    assert first == second == hashlib.sha256(b"content").hexdigest()
    assert hash_file(identify_file(tmp_path / "a"), "md5") == hashlib.md5(b"content").hexdigest()


def test_a_file_that_changed_is_hashed_again(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"first")
    first = hash_file(identify_file(path), "sha256")
    path.write_bytes(b"other")
    os.utime(path, (1, 1))
    assert hash_file(identify_file(path), "sha256") != first


def test_a_file_that_changed_in_either_way_is_identified_anew(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"first")
    os.utime(path, ns=(0, 5))
    first = identify_file(path)
    os.utime(path, ns=(0, 6))  # one nanosecond later
    later = identify_file(path)
    path.write_bytes(b"longer content")
    os.utime(path, ns=(0, 5))
    assert len({first, later, identify_file(path)}) == 3


def test_a_relative_path_is_another_file_in_another_folder(tmp_path, monkeypatch):
    hashes = []
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        (tmp_path / name / "a").write_text(name)
        os.utime("a", ns=(0, 5))
        hashes.append(hash_file(identify_file("a"), "md5"))
    assert hashes == [hashlib.md5(name.encode()).hexdigest() for name in ("x", "y")]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of change")
def test_a_copy_that_keeps_the_time_and_size_of_the_original_is_another_file(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"first")
    other.write_bytes(b"other")
    os.utime(path, ns=(5, 5))
    os.utime(other, ns=(5, 5))
    first = identify_file(path)
    os.replace(other, path)  # as by an archiver
    moved = identify_file(path)
    time.sleep(0.05)  # the clock of file systems may tick every 10 ms
    path.write_bytes(b"third")
    os.utime(path, ns=(5, 5))
    assert len({first, moved, identify_file(path)}) == 3
