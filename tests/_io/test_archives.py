"""Members of zips and tars, compressed or not: read in any order, by threads, and within bounds."""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sklearn_resnet import ImageLoader, ImageReadError
from sklearn_resnet._io import archives
from sklearn_resnet._io.archives import normalize_name
from sklearn_resnet._io.paths import (
    as_path,
    file_version,
    is_archive,
    join_member,
    open_file,
    scan_archive,
    split_member,
)
from sklearn_resnet.datasets import load_image_folder

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
CONTENTS = {f"{kind}/{i}.npy": random.Random(f"{kind}{i}").randbytes(5000 + i)
            for kind in ("cat", "dog") for i in range(20)}  # fmt: skip


def pack(path, contents=CONTENTS, **options):
    path = str(path)
    if path.endswith(".zip"):
        with zipfile.ZipFile(path, "w", **options) as file:
            for name, content in contents.items():
                file.writestr(name, content)
        return path
    kind = next((k for k in ("gz", "bz2", "xz") if path.endswith(k)), "")
    with tarfile.open(path, f"w:{kind}", **options) as file:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def read(path):
    with open_file(path) as file:
        return file.read()


def put(url, path):
    target = as_path(url)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "rb") as file:
        target.write_bytes(file.read())
    return url


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".ZIP", ".Tar.Gz"])
def test_the_suffixes_of_archives(tmp_path, suffix):
    path = str(tmp_path / f"a{suffix}")
    open(path, "wb").close()
    assert split_member(f"{path}/cat/1.png") == (path, "cat/1.png")
    assert split_member(path) == (path, None)
    assert split_member(f"{path}.png") == (f"{path}.png", None)
    url = f"s3://bucket/a{suffix}"
    for archive in (path, url, f"simplecache::{url}", f"zip://in{suffix}::out.zip"):
        assert is_archive(archive)
        assert split_member(join_member(archive, "cat/1.png")) == (archive, "cat/1.png")


@pytest.mark.parametrize(
    "name", ["a.gz", "a.zip.png", "zip", "zip://::a.zip", "zip://a.png::a.zip"]
)
def test_what_is_no_archive(name):
    assert not is_archive(name)
    assert split_member(name) == (name, None)


@pytest.mark.parametrize("where", ["disk", "URL"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_members_are_read_in_any_order_by_several_threads(tmp_path, suffix, where):
    archive = pack(tmp_path / f"a{suffix}")
    if where == "URL":
        archive = put(f"memory://test_archives/a{suffix}", archive)
    paths, labels = load_image_folder(archive, return_X_y=True)
    assert labels.tolist() == ["cat"] * 20 + ["dog"] * 20
    assert sorted(paths) == sorted(f"{archive}/{name}" for name in CONTENTS)
    wanted = random.Random(0).choices(list(CONTENTS), k=400)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: read(f"{archive}/{name}"), wanted))
    assert found == [CONTENTS[name] for name in wanted]
    assert file_version(paths[0]) == file_version(archive)
    with pytest.raises(FileNotFoundError) as raised:
        read(f"{archive}/cat/99.npy")
    assert "no such member" in raised.value.strerror


def test_an_archive_in_a_zip_behind_a_url(tmp_path):
    pack(tmp_path / "in.tar.gz")
    outer = pack(tmp_path / "out.zip", {"shards/in.tar.gz": (tmp_path / "in.tar.gz").read_bytes()})
    for source in (f"zip://shards::{outer}", f"zip://shards/in.tar.gz::{outer}"):
        paths = load_image_folder(source).data
        assert paths[0] == f"zip://shards/in.tar.gz/cat/0.npy::{outer}"
        assert read(paths[0]) == CONTENTS["cat/0.npy"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_that_is_replaced_is_read_anew(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    for content in (b"one", b"other, longer"):
        pack(path, {"b.npy": b"before it", "a.npy": content})
        assert read(f"{path}/a.npy") == content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_content_decides_on_the_format(tmp_path, suffix):
    archive = pack(tmp_path / f"a{suffix}")
    for other in (".zip", ".tar", ".tgz"):
        shutil.copy(archive, tmp_path / f"b{other}")
        assert list(scan_archive(tmp_path / f"b{other}")[0]) == list(CONTENTS)
        assert read(tmp_path / f"b{other}" / "cat/0.npy") == CONTENTS["cat/0.npy"]


def test_a_zip_after_a_program_and_a_zip_at_the_end_of_a_tar(tmp_path):
    inner = pack(tmp_path / "inner.zip", {"2.npy": b"two"})
    with open(inner, "rb") as file:
        content = file.read()
    (tmp_path / "a.zip").write_bytes(b"#!/bin/sh" + content)
    assert read(tmp_path / "a.zip" / "2.npy") == b"two"
    archive = pack(tmp_path / "a.tar", {"1.npy": b"one", "inner.zip": content})
    with pytest.warns(UserWarning, match=r"\.zip \(1\)"):
        assert load_image_folder(archive).data.tolist() == [f"{archive}/1.npy"]


def test_an_archive_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"a folder or an archive .* Got .*no\.zip', which does"
    ):
        load_image_folder(tmp_path / "no.zip")


def test_a_compressed_tar_is_unpacked_once_and_a_zip_never(tmp_path, monkeypatch):
    make, files = tempfile.TemporaryFile, []
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: files.append(make()) or files[-1])
    for suffix, n_copies in {".zip": 0, ".tar": 0, ".tgz": 1}.items():
        files.clear()
        archive = pack(tmp_path / f"a{suffix}")
        paths = load_image_folder(archive).data
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read, paths))
        assert len(files) == n_copies


NAMES = {
    "./cat/1.npy": "cat/1.npy",
    "././cat//1.npy": "cat/1.npy",
    "/cat/1.npy": "cat/1.npy",
    "../../cat/1.npy": "cat/1.npy",
    "dog/../cat/1.npy": "cat/1.npy",
}


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize("name", NAMES)
def test_names_are_normalized(tmp_path, suffix, name):
    assert normalize_name(name) == NAMES[name]
    archive = pack(tmp_path / f"a{suffix}", {name: b"some", "dog/1.npy": b"other"})
    paths, labels = load_image_folder(archive, return_X_y=True)
    assert paths.tolist() == [f"{archive}/cat/1.npy", f"{archive}/dog/1.npy"]
    assert labels.tolist() == ["cat", "dog"]
    assert read(paths[0]) == read(f"{archive}/{name}") == b"some"


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_hidden_members_and_those_of_systems_are_passed_over(tmp_path, suffix):
    hidden = (
        "cat/._1.npy",
        ".git/1.npy",
        "__MACOSX/cat/._1.npy",
        "__MACOSX/1.npy",
        "cat/@eaDir/1.npy",
    )
    archive = pack(tmp_path / f"a{suffix}", dict.fromkeys((*hidden, "cat/1.npy"), b""))
    assert load_image_folder(archive).data.tolist() == [f"{archive}/cat/1.npy"]


def test_names_of_zips_of_windows_and_of_macos(tmp_path):
    path = tmp_path / "a.zip"
    pack(path, {"caf_e\N{COMBINING ACUTE ACCENT}\\1.npy": b"one", "dog/1.npy": b"two"})
    content = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # without the flag for UTF-8
        at = content.index(signature) + offset
        assert content[at : at + 2] == b"\x00\x08"
        content = content[:at] + b"\x00\x00" + content[at + 2 :]
    path.write_bytes(content)
    paths, labels = load_image_folder(path, return_X_y=True)
    assert labels.tolist() == ["caf_e\N{COMBINING ACUTE ACCENT}", "dog"]
    assert [read(path) for path in paths] == [b"one", b"two"]


def test_names_of_zips_in_an_old_code_page(tmp_path):
    path = tmp_path / "a.zip"
    pack(path, {"caf_/1.npy": b"one"})
    path.write_bytes(path.read_bytes().replace(b"caf_", b"caf\x82"))
    paths, labels = load_image_folder(path, return_X_y=True)
    assert labels.tolist() == ["caf\xe9"]
    assert read(paths[0]) == b"one"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("content", [b"", b"x" * 300_000, random.Random(0).randbytes(300_000)])
def test_members_of_zips_stored_or_deflated(tmp_path, method, content):
    archive = pack(tmp_path / "a.zip", {"a/1.npy": content, "a/2.npy": b"2"}, compression=method)
    assert read(f"{archive}/a/1.npy") == content
    assert read(f"{archive}/a/2.npy") == b"2"


def test_a_zip_of_the_64_bit_format(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w") as file,
        file.open("1.npy", "w", force_zip64=True) as member,
    ):
        member.write(b"some")
    assert read(tmp_path / "a.zip" / "1.npy") == b"some"


def change_headers(path, at_local, at_central, value):
    """Overwrite a field in the two headers of the only member of a zip."""
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", at_local), (b"PK\x01\x02", at_central)):
        start = content.index(signature) + offset
        content[start : start + len(value)] = value
    path.write_bytes(content)


def check_error(path, message):
    with pytest.raises(ImageReadError, match=message) as raised:
        ImageLoader().fit_transform([path])
    assert str(path) in str(raised.value)


def test_an_encrypted_member_is_named(tmp_path):
    pack(tmp_path / "a.zip", {"1.npy": b"some"})
    change_headers(tmp_path / "a.zip", 6, 8, b"\x01")
    (path,) = load_image_folder(tmp_path / "a.zip").data
    check_error(path, "it is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_compressed_by_another_method_is_named(tmp_path, method):
    archive = pack(tmp_path / "a.zip", {"1.npy": b"some"}, compression=method)
    check_error(f"{archive}/1.npy", "it is compressed by another method than deflate; unpack")


def test_a_label_in_an_encrypted_member_is_an_error_that_names_the_archive(tmp_path):
    pack(tmp_path / "a.zip", {"1.cls": b"some"})
    change_headers(tmp_path / "a.zip", 6, 8, b"\x01")
    with pytest.raises(ValueError, match=r"a\.zip' cannot be read: it is encrypted"):
        load_image_folder(tmp_path / "a.zip")


def test_a_member_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MAX_MEMBER_BYTES", 10**6)
    archive = pack(
        tmp_path / "a.zip", {"1.npy": bytes(10**6 + 1)}, compression=zipfile.ZIP_DEFLATED
    )
    check_error(f"{archive}/1.npy", "unpacks to 1000001 bytes, more than the limit of 1000000")
    pack(tmp_path / "a.zip", {"1.npy": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED)
    assert len(read(f"{archive}/1.npy")) == 10**6


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")
def test_a_member_that_is_larger_than_it_says_takes_little_memory(tmp_path):
    archive = pack(tmp_path / "a.zip", {"1.npy": bytes(2**29)}, compression=zipfile.ZIP_DEFLATED)
    change_headers(tmp_path / "a.zip", 22, 24, struct.pack("<I", 1000))
    script = (
        "import sys\n"
        "from sklearn_resnet._io.paths import open_file\n"
        "try:\n"
        "    with open_file(sys.argv[1]) as file: file.read()\n"
        "except Exception as exc: print(type(exc).__name__, exc)\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
    )
    command = [sys.executable, "-c", script, f"{archive}/1.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Bad CRC-32" in done.stdout
    assert int(done.stdout.split()[-1]) < 300_000


def test_a_member_that_is_smaller_than_it_says_is_an_error(tmp_path):
    archive = pack(tmp_path / "a.zip", {"1.npy": b"some"}, compression=zipfile.ZIP_DEFLATED)
    change_headers(tmp_path / "a.zip", 22, 24, struct.pack("<I", 1000))
    check_error(f"{archive}/1.npy", "the archive is truncated")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    content = pack(path) and path.read_bytes()
    n_read = 0
    for i, n in enumerate(range(0, len(content), len(content) // 30)):
        path.write_bytes(content[:n] + b"\xff" * 8 + content[n + 8 :] if i % 2 else content[:n])
        try:
            paths = load_image_folder(path).data
        except ValueError as exc:
            assert f"a{suffix}' " in str(exc)  # noqa: PT017
            continue
        for member in paths[:: len(paths) // 5 or 1]:
            try:
                read(member)
                n_read += 1
            except Exception as exc:
                assert not isinstance(exc, MemoryError)  # noqa: PT017
    assert n_read > 0 or suffix not in (".zip", ".tar")


def test_a_directory_of_a_zip_that_claims_to_be_huge(tmp_path):
    path = tmp_path / "a.zip"
    pack(path, {"1.npy": b"some"})
    content = path.read_bytes()
    at = content.index(b"PK\x05\x06") + 12
    path.write_bytes(content[:at] + struct.pack("<I", 2**32 - 2) + content[at + 4 :])
    with pytest.raises(ValueError, match=r"a\.zip' cannot be read"):
        load_image_folder(path)


@pytest.mark.parametrize("opens", [gzip.open, bz2.open, lzma.open])
def test_a_tar_that_decompresses_to_too_much_is_refused(tmp_path, monkeypatch, opens):
    monkeypatch.setattr(archives, "_MAX_UNPACKED_BYTES", 10**7)
    sizes = []

    class Recorded(io.BytesIO):
        def close(self):
            sizes.append(len(self.getvalue()))
            super().close()

    monkeypatch.setattr(tempfile, "TemporaryFile", Recorded)
    with opens(tmp_path / "a.tgz", "wb") as file:
        for _ in range(50):
            file.write(bytes(10**6))
    with pytest.raises(ValueError, match="it unpacks to 100 times its size, or more"):
        load_image_folder(tmp_path / "a.tgz")
    check_error(tmp_path / "a.tgz" / "1.npy", "it unpacks to 100 times its size, or more")
    assert max(sizes) <= 10**7


def test_a_tar_that_decompresses_to_much_is_read_if_it_is_large_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MAX_UNPACKED_BYTES", 10**4)
    archive = pack(tmp_path / "a.tgz")
    assert read(f"{archive}/cat/1.npy") == CONTENTS["cat/1.npy"]


def is_gnu_tar():
    tar = shutil.which("tar")
    return (
        tar and "GNU" in subprocess.run([tar, "--version"], capture_output=True, text=True).stdout
    )


@pytest.mark.skipif(not is_gnu_tar(), reason="needs GNU tar")
@pytest.mark.parametrize("form", ["gnu", "pax 0.0", "pax 0.1", "pax 1.0"])
@pytest.mark.parametrize("compression", ["", ".gz"])
def test_sparse_members_are_read_with_their_holes(tmp_path, form, compression):
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[0, 0] = pixels[100, 100] = pixels[-1, -1] = 255
    np.save(tmp_path / "full.npy", pixels)
    content = (tmp_path / "full.npy").read_bytes()
    with open(tmp_path / "1.npy", "wb") as file:
        for start in range(0, len(content), 512):
            block = content[start : start + 512]
            if any(block):
                file.seek(start)
                file.write(block)
        file.truncate(len(content))
    format_, _, version = form.partition(" ")
    command = [
        "tar",
        "-S",
        f"--format={format_}",
        "-C",
        tmp_path,
        "-caf",
        tmp_path / f"a.tar{compression}",
    ]
    command += [f"--sparse-version={version}"] if version else []
    subprocess.run([*command, "1.npy", "full.npy"], check=True)
    with tarfile.open(tmp_path / f"a.tar{compression}") as tar:
        if not tar.getmember("1.npy").issparse():
            pytest.skip("this file system has no holes")
    paths = load_image_folder(tmp_path / f"a.tar{compression}").data.tolist()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, paths * 8)) == {content}


def test_a_sparse_member_that_claims_to_be_huge_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MAX_MEMBER_BYTES", 10**6)
    with open(tmp_path / "1.npy", "wb") as file:
        file.truncate(2 * 10**6)
    if not is_gnu_tar():
        pytest.skip("needs GNU tar")
    subprocess.run(["tar", "-S", "-C", tmp_path, "-cf", tmp_path / "a.tar", "1.npy"], check=True)
    check_error(tmp_path / "a.tar" / "1.npy", "unpacks to 2000000 bytes, more than the limit")


def test_links_in_a_tar_to_files_in_it_are_those_files(tmp_path):
    links = {
        "hard.npy": (tarfile.LNKTYPE, "./cat/1.npy"),
        "dog/soft.npy": (tarfile.SYMTYPE, "../cat/1.npy"),
        "dog/of_link.npy": (tarfile.SYMTYPE, "soft.npy"),
        "later.npy": (tarfile.SYMTYPE, "last.npy"),
        "nowhere.npy": (tarfile.SYMTYPE, "none.npy"),
        "absolute.npy": (tarfile.SYMTYPE, "/cat/1.npy"),
        "loop.npy": (tarfile.SYMTYPE, "loop.npy"),
    }
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("./cat/1.npy", *links, "last.npy"):
            info = tarfile.TarInfo(name)
            if name in links:
                info.type, info.linkname = links[name]
                tar.addfile(info)
            else:
                info.size = len(name)
                tar.addfile(info, io.BytesIO(name.encode()))
    names, _ = scan_archive(tmp_path / "a.tar")
    found = {name: read(tmp_path / "a.tar" / name) for name in names}
    one = dict.fromkeys(
        ("cat/1.npy", "hard.npy", "dog/soft.npy", "dog/of_link.npy"), b"./cat/1.npy"
    )
    assert found == {**one, "last.npy": b"last.npy", "later.npy": b"last.npy"}


def test_links_in_a_zip_to_files_in_it_are_those_files(tmp_path):
    links = {
        "dog/a.npy": "../cat/1.npy",
        "b.npy": "dog/a.npy",
        "c.npy": "/cat/1.npy",
        "d.npy": "no",
    }
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            file.writestr(info, target)
        file.writestr("cat/1.npy", b"one")
    names, _ = scan_archive(tmp_path / "a.zip")
    found = {name: read(tmp_path / "a.zip" / name) for name in names}
    assert found == dict.fromkeys(("cat/1.npy", "dog/a.npy", "b.npy"), b"one")


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_of_members_of_one_name_the_last_one_counts(tmp_path, suffix):
    archive = str(tmp_path / f"a{suffix}")
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("1.npy", b"first")
            with pytest.warns(UserWarning, match="Duplicate"):
                file.writestr("1.npy", b"second")
    else:
        with tarfile.open(archive, "w") as tar:
            for content in (b"first", b"second"):
                info = tarfile.TarInfo("1.npy")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    assert load_image_folder(archive).data.tolist() == [f"{archive}/1.npy"]
    assert read(f"{archive}/1.npy") == b"second"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_shares_no_copy_with_its_parent(tmp_path):
    archive = pack(tmp_path / "a.tgz")
    script = (
        "import os, sys\n"
        "from sklearn_resnet._io import paths\n"
        "def read():\n"
        "    with paths.open_file(sys.argv[1]) as file: return file.read()\n"
        "before = read()\n"
        "child = os.fork()\n"
        "n_copies = paths._copy_archive.cache_info().currsize\n"
        "assert n_copies == (1 if child else 0), n_copies\n"
        "assert read() == before\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, f"{archive}/cat/1.npy"]
    subprocess.run(command, check=True)


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_very_many_members(tmp_path, suffix):
    n = 300_000
    archive = pack(tmp_path / f"a{suffix}", {f"{i % 7}/{i}.npy": b"%d" % i for i in range(n)})
    paths = load_image_folder(archive).data
    assert len(paths) == n
    for path in paths[::10_000]:
        assert read(path) == os.path.basename(path).removesuffix(".npy").encode()
