"""The hash of a file is that of its content."""

import hashlib
import io

import pytest

from sklearn_resnet._images.hashing import hash_content, hash_stream


@pytest.mark.parametrize("n_bytes", [0, 10, 3_000_000])
def test_a_file_is_hashed_as_its_content(tmp_path, n_bytes):
    content = bytes(range(250)) * (n_bytes // 250)
    (tmp_path / "a").write_bytes(content)
    expected = hash_content(b"one", b"two", content)
    with open(tmp_path / "a", "rb") as file:
        assert hash_stream(file, b"one", b"two") == expected
    assert hash_stream(io.BytesIO(content), b"one", b"two") == expected
    assert hash_stream(io.BytesIO(content), b"one") != expected


def test_it_is_blake2b_of_all_parts():
    """Keys of the feature cache stay valid: folders of features outlive versions."""
    expected = hashlib.blake2b(b"onetwo", digest_size=16)
    assert hash_content(b"one", b"two") == expected.digest()
    assert hash_content(b"onetwo").hex() == "c9f4d818f26a906691e3a222ecb5afc3"
