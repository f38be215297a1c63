"""The hash of a file is that of its content."""

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
