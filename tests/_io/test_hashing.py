"""Hashes of whole files."""

import hashlib
import os

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
