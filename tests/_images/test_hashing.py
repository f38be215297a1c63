"""Hashes of contents: of files, of several parts, and of all rows of an array at once."""

import io

import numpy as np
import pytest
from blake3 import blake3

from sklearn_resnet._images.hashing import hash_content, hash_rows, hash_stream

SECRET = bytes(range(32))
ROWS = np.random.default_rng(0).integers(0, 256, (300, 784), dtype=np.uint8)


@pytest.mark.parametrize("n_bytes", [0, 10, 3_000_000])
def test_a_file_is_hashed_as_its_content(tmp_path, n_bytes):
    content = bytes(range(250)) * (n_bytes // 250)
    (tmp_path / "a").write_bytes(content)
    expected = hash_content(b"one", b"two", content)
    with open(tmp_path / "a", "rb") as file:
        assert hash_stream(file, b"one", b"two") == expected
    assert hash_stream(io.BytesIO(content), b"one", b"two") == expected
    assert hash_stream(io.BytesIO(content), b"one") != expected


def test_it_is_blake3_of_all_parts():
    """Keys of the feature cache stay valid: folders of features outlive versions."""
    assert hash_content(b"one", b"two") == blake3(b"onetwo").digest(16)
    assert hash_content(b"onetwo").hex() == "e40f1b7ca51a482112d1c87474ae9695"


@pytest.mark.parametrize("n_bytes", [1, 3, 4, 81, 784, 4096, 4097])
def test_each_bit_of_a_row_changes_all_parts_of_its_hash(n_bytes):
    row = np.random.default_rng(0).integers(0, 256, n_bytes, dtype=np.uint8)
    bits = np.unique(np.linspace(0, 8 * n_bytes - 1, 300).astype(int))
    rows = np.repeat(row[np.newaxis], 1 + len(bits), axis=0)
    rows[1 + np.arange(len(bits)), bits // 8] ^= (1 << bits % 8).astype(np.uint8)
    hashes = hash_rows(rows, SECRET)
    assert {len(each) for each in hashes} == {16}
    parts = np.frombuffer(b"".join(hashes), np.uint32).reshape(-1, 4)
    assert len(set(hashes)) == len(rows)
    for part in parts.T:  # 32 bits each
        assert len(np.unique(part)) == len(rows)


def test_the_upper_bit_of_words_does_not_collide():
    """Modulo 2**64, as 2**63 would, if the words had 64 bits."""
    rows = np.zeros((129, 64), np.uint8)
    rows[np.arange(1, 65), np.arange(64)] = 128
    rows[np.arange(65, 129), np.arange(64)] = 128
    rows[65:, 0] ^= 64
    parts = np.frombuffer(b"".join(hash_rows(rows, SECRET)), np.uint32).reshape(-1, 4)
    assert all(len(np.unique(part)) == 129 for part in parts.T)


def test_parts_of_hashes_are_uniform_for_related_rows():
    """Rows that differ in one word, which would cancel without keys."""
    rows = np.zeros((4096, 8), np.uint8)
    rows[:, :2] = np.arange(4096, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    rows[:, 4:6] = (4096 - np.arange(4096, dtype=np.uint16)).view(np.uint8).reshape(-1, 2)
    parts = np.frombuffer(b"".join(hash_rows(rows, SECRET)), np.uint32).reshape(-1, 4)
    for part in parts.T:
        assert len(np.unique(part)) > 4090
        assert abs(np.count_nonzero(part >> 31) - 2048) < 320


def test_hashes_are_the_sums_modulo_2_to_the_64():
    """The reference, in Python's integers: Lemire and Kaser's multilinear hashing."""
    stream = blake3(b"multilinear", key=SECRET).digest(8 * 4 * 197)
    keys = np.frombuffer(stream, "<u8").reshape(4, 197).tolist()
    for row, found in zip(ROWS[:5], hash_rows(ROWS, SECRET), strict=False):
        words = row.view(np.uint32).tolist()
        sums = [
            (offset + sum(k * w for k, w in zip(factors, words, strict=True))) % 2**64 >> 32
            for offset, *factors in keys
        ]
        assert np.frombuffer(found, np.uint32).tolist() == sums


def test_rows_of_another_secret_have_other_hashes():
    assert not set(hash_rows(ROWS, SECRET)) & set(hash_rows(ROWS, bytes(32)))


def test_the_hash_of_a_row_does_not_depend_on_its_company():
    hashes = hash_rows(ROWS, SECRET)
    assert hash_rows(np.ascontiguousarray(ROWS[::-7]), SECRET) == hashes[::-7]
    many = np.tile(ROWS, (4, 1))  # more than a block
    assert hash_rows(many, SECRET) == hashes * 4


def test_long_rows_are_hashed_as_contents():
    rows = np.random.default_rng(0).integers(0, 256, (3, 5000), dtype=np.uint8)
    assert hash_rows(rows, SECRET) == [hash_content(row) for row in rows]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "bool", "<u2", "f8"])
def test_an_array_of_any_dtype_is_hashed_as_its_bytes(dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    assert hash_content(b"one", array) == hash_content(b"one", array.tobytes())
