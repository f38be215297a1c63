"""Files that Pillow decodes: EXIF, checksums, transparent colours, masks."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from sklearn_resnet._images.decoding import (
    convert_pillow_image,
    describe_pillow_image,
    read_image,
)
from sklearn_resnet._images.decoding.pillow import pillow_to_pixels
from sklearn_resnet._images.errors import ImageReadError

RED = (255, 0, 0)


def make_chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def make_png(width, height, depth, colour_type, rows, *chunks):
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [(b"IHDR", header), *chunks, (b"IDAT", content), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(make_chunk(*chunk) for chunk in chunks)


def save_turned_jpeg(path, *entries):
    """Save a photo of three stripes that lies, with EXIF entries beside its orientation."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:, :16, 0] = upright[:, 16:32, 1] = upright[:, 32:, 2] = 255
    entries = sorted([(0x0112, 3, 1, struct.pack("<HH", 6, 0)), *entries])
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries))
    exif += b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    stored.save(path, quality=100, subsampling=0, exif=exif + bytes(4))
    return upright


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow
@pytest.mark.parametrize(
    "entry",
    [
        (259, 4, 1, struct.pack("<I", 100_000)),  # a compression of 32 bits
        (282, 2, 3, b"72\0\0"),  # a resolution as text
        (296, 1, 1, b"\2\0\0\0"),  # the unit of resolution as a byte
        (700, 2, 4, b"<x/>"),  # XMP as text
        (34665, 4, 1, struct.pack("<I", 2**31)),  # an EXIF folder beyond the end
        (40961, 9, 2**31, bytes(4)),
    ],
)
def test_a_malformed_tag_beside_the_orientation_harms_nothing(tmp_path, entry):
    upright = save_turned_jpeg(tmp_path / "a.jpg", entry)
    assert abs(read_image(tmp_path / "a.jpg").astype(int) - upright).max() <= 8


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow
def test_exif_that_is_garbage_or_no_orientation_leaves_the_image(tmp_path):
    image = Image.new("RGB", (6, 4), RED)
    for i, exif in enumerate([b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"]):
        image.save(tmp_path / f"{i}.jpg", exif=exif)
        assert read_image(tmp_path / f"{i}.jpg").shape == (4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 77
    image.save(tmp_path / "77.png", exif=exif)
    assert read_image(tmp_path / "77.png").shape == (4, 6, 3)


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)


def save_png(path):
    Image.fromarray(PIXELS).save(path)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("start", [0.3, 0.5, 0.95])
def test_a_png_of_which_the_tail_is_zero_is_damaged(tmp_path, start):
    path = tmp_path / "a.png"
    content = save_png(path)
    start = int(start * len(content))
    content[start:] = bytes(len(content) - start)
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"it is damaged: the checksum of its b'IDAT' chunk"):
        read_image(path)


def test_a_png_with_a_wrong_checksum_is_damaged_unless_pillow_may_take_it(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    content = save_png(path)
    content[content.index(b"IEND") - 5] ^= 1  # of the last IDAT
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match="checksum"):
        read_image(path)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    np.testing.assert_array_equal(read_image(path), PIXELS)


def test_a_png_without_its_end_or_with_more_behind_it_is_read(tmp_path):
    path = tmp_path / "a.png"
    content = save_png(path)
    for changed in (content[:-12], content + b"\0\0\0\x01junkjunkjunk"):
        path.write_bytes(changed)
        np.testing.assert_array_equal(read_image(path), PIXELS)


@pytest.mark.parametrize(
    ("depth", "row", "key", "expected"),
    [
        (1, b"\x50", 1, [0, 255, 0, 255]),
        (1, b"\x50", 0, [255, 255, 255, 255]),
        (2, b"\x1b", 1, [0, 255, 170, 255]),
        (4, b"\x05\xaf", 5, [0, 255, 170, 255]),
        (8, b"\x00\x55\xaa\xff", 0x55, [0, 255, 170, 255]),
        (16, bytes.fromhex("0000555555560000"), 0x5555, [0, 255, 85, 0]),
    ],
)
def test_the_transparent_grey_of_a_png_has_the_depth_of_its_pixels(
    tmp_path, depth, row, key, expected
):
    key = struct.pack(">H", key)
    (tmp_path / "a.png").write_bytes(make_png(4, 1, depth, 0, [row], (b"tRNS", key)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="L"), [expected])


def test_a_transparent_colour_of_16_bits_differs_from_its_neighbour(tmp_path):
    row = struct.pack(">9H", 65535, 0, 0, 0x1234, 0x1234, 0x1234, 0x1234, 0x1234, 0x1235)
    key = struct.pack(">3H", 0x1234, 0x1234, 0x1234)
    (tmp_path / "a.png").write_bytes(make_png(3, 1, 16, 2, [row], (b"tRNS", key)))
    expected = [[RED, (255, 255, 255), (18, 18, 18)]]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(convert_pillow_image(image), expected)


@pytest.mark.parametrize("extension", ["png", "bmp", "pgm"])
@pytest.mark.parametrize("highest", [1, 2])
def test_a_mask_of_0_and_1_is_black_and_white(tmp_path, extension, highest):
    mask = np.array([[0, 1, 0, highest]], np.uint8).repeat(4, axis=0)
    Image.fromarray(mask).save(tmp_path / f"a.{extension}")
    found = read_image(tmp_path / f"a.{extension}", mode="L")
    np.testing.assert_array_equal(found, mask * 255 if highest == 1 else mask)


def test_a_dark_jpeg_is_no_mask(tmp_path):
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "a.jpg", quality=100)
    assert read_image(tmp_path / "a.jpg", mode="L").max() <= 2


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("RGB", (2, 2), RED).convert("CMYK"), RED),
        (Image.new("RGB", (2, 2), RED).quantize(4), RED),
        (Image.new("RGB", (2, 2), RED).convert("YCbCr"), (254, 0, 0)),
        (Image.new("RGBA", (2, 2), (*RED, 0)), (255, 255, 255)),
        (Image.new("LA", (2, 2), (10, 255)), (10, 10, 10)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.fromarray(np.full((2, 2), 257 * 9, np.uint16)), (9, 9, 9)),
        (Image.fromarray(np.full((2, 2), 0.2, np.float32)), (51, 51, 51)),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_an_image_in_memory_has_the_colours_of_its_mode(image, expected):
    assert (convert_pillow_image(image) == expected).all()


def test_an_image_in_memory_is_turned_and_not_changed():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (16, 8), RED)
    image.info["exif"] = exif.tobytes()
    assert convert_pillow_image(image).shape == (16, 8, 3)
    assert image.size == (16, 8)


def test_a_value_range_applies_to_8_bits_too(tmp_path):
    Image.fromarray(np.array([[0, 10, 20, 30]], np.uint8)).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png", mode="L", value_range=(10, 20))
    np.testing.assert_array_equal(found, [[0, 0, 255, 255]])


@pytest.mark.parametrize(
    ("depth", "colour_type", "row", "key", "expected"),
    [
        (4, 0, b"\x35", b"\0\3", [255, 85]),
        (16, 2, bytes(range(12)), bytes(range(6)), [255, 6]),
    ],
)
def test_an_image_in_memory_gives_the_same_pixels_again(depth, colour_type, row, key, expected):
    content = make_png(2, 1, depth, colour_type, [row], (b"tRNS", key))
    image = Image.open(io.BytesIO(content))
    described = list(map(bytes, describe_pillow_image(image)))
    for _ in range(3):
        assert convert_pillow_image(image)[0, :, 0].tolist() == expected
        assert list(map(bytes, describe_pillow_image(image))) == described


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_16_bits_of_a_png_are_channels_of_16_bits(tmp_path, colour_type):
    n_samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    values = np.random.default_rng(0).integers(0, 2**16, (5, 7, n_samples)).astype(np.uint16)
    rows = [row.astype(">u2").tobytes() for row in values]
    (tmp_path / "a.png").write_bytes(make_png(7, 5, 16, colour_type, rows))
    image = read_image(tmp_path / "a.png", mode="channels")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, values)
    if n_samples == 3:
        last = read_image(tmp_path / "a.png", mode="L", channels=(2,), rescale=((1000, 2000),))
        expected = np.clip((values[..., 2] - 1000.0) / 1000, 0, 1) * 255
        assert abs(last - expected).max() <= 0.5 + 1e-6


def write_deep_png(path, values, *chunks):
    rows = [row.astype(">u2").tobytes() for row in values]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    path.write_bytes(make_png(*values.shape[1::-1], 16, colour_type, rows, *chunks))


@pytest.mark.parametrize("n_samples", [1, 2, 3, 4])
def test_a_value_range_applies_to_16_bits_of_a_png(tmp_path, n_samples):
    values = np.array([[0, 1000, 4095, 65535]], np.uint16)[..., np.newaxis].repeat(
        n_samples, axis=2
    )
    if n_samples in (2, 4):
        values[..., -1] = 65535  # opaque
    write_deep_png(tmp_path / "a.png", values)
    found = read_image(tmp_path / "a.png", mode="L", value_range=(0, 4095))
    np.testing.assert_array_equal(found, [[0, 62, 255, 255]])


@pytest.mark.parametrize("value", [1, 4095])
def test_dark_colours_of_16_bits_of_a_png_are_as_those_of_an_array(tmp_path, value):
    values = np.zeros((2, 2, 3), np.uint16)
    values[0] = value
    write_deep_png(tmp_path / "a.png", values)
    np.save(tmp_path / "a.npy", values)
    png, npy = [], []
    found = read_image(tmp_path / "a.png", report=png.append)
    expected = read_image(tmp_path / "a.npy", report=npy.append)
    np.testing.assert_array_equal(found, expected)
    assert [report.is_dark for report in png] == [report.is_dark for report in npy] == [value > 1]


@pytest.mark.parametrize("maximum", [1000, 4095, 65535])
@pytest.mark.parametrize("magic", ["P2", "P5", "P6"])
def test_the_depth_of_a_pnm_is_its_own(tmp_path, magic, maximum):
    values = np.array([0, 1, 300, 1000, 999, 256], np.uint16).reshape(
        2, -1, 3 if magic == "P6" else 1
    )
    content = values.astype(">u2").tobytes()
    if magic == "P2":
        content = " ".join(map(str, values.ravel())).encode()
    header = f"{magic} {values.shape[1]} 2 {maximum}\n".encode()
    (tmp_path / "a.ppm").write_bytes(header + content)
    found = read_image(tmp_path / "a.ppm", mode="channels")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, values)
    found = read_image(tmp_path / "a.ppm", value_range=(0, 1000))
    expected = np.rint(values * (255 / 1000)).repeat(3 // values.shape[2], axis=2)
    np.testing.assert_array_equal(found, expected)


def test_the_depth_of_a_ppm_in_text_is_an_error_where_it_matters(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P3 1 1 1000 0 500 1000 ")
    assert read_image(tmp_path / "a.ppm").tolist() == [[[0, 128, 255]]]
    with pytest.raises(ImageReadError, match="a PPM in text of more than 8 bits. Convert it to"):
        read_image(tmp_path / "a.ppm", mode="channels")


@pytest.mark.parametrize("n_bytes", [1, 11])
def test_a_deep_ppm_that_ends_early_is_damaged(tmp_path, n_bytes):
    (tmp_path / "a.ppm").write_bytes(b"P6 2 1 4095\n" + bytes(n_bytes))
    with pytest.raises(ImageReadError):
        read_image(tmp_path / "a.ppm", mode="channels")


FRAMES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.uint8)


def save_frames(path, **options):
    first, *others = map(Image.fromarray, FRAMES)
    first.save(path, save_all=True, append_images=others, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {}), ("a.mpo", {"quality": 100})],
)
def test_the_first_frame_is_read_in_silence_and_others_by_page(tmp_path, name, options):
    save_frames(tmp_path / name, **options)
    limit = 90 if name == "a.mpo" else 0  # chroma of noise is subsampled

    def is_frame(image, expected):
        return abs(image.astype(int) - expected).mean() <= limit / 2

    reports = []
    assert is_frame(read_image(tmp_path / name, report=reports.append), FRAMES[0])
    assert not any(hasattr(report, "problem") for report in reports)
    for page in (0, 2, -2):
        assert is_frame(read_image(tmp_path / name, page=page), FRAMES[page])
    with pytest.raises(ImageReadError, match="it has no page 4, only 0 to 3"):
        read_image(tmp_path / name, page=4)


@pytest.mark.parametrize("name", ["a.gif", "a.png"])
def test_frames_are_projected(tmp_path, name):
    save_frames(tmp_path / name)
    image = read_image(tmp_path / name, page="max")
    np.testing.assert_array_equal(image, FRAMES.max(axis=0))
    image = read_image(tmp_path / name, mode="channels", page="mean")
    np.testing.assert_array_equal(image, np.rint(FRAMES.mean(axis=0)))
    np.testing.assert_array_equal(read_image(tmp_path / name, page="middle"), FRAMES[2])
    image = read_image(tmp_path / name, mode="channels", page="channels")
    np.testing.assert_array_equal(image, np.concatenate(FRAMES, axis=-1))


def test_frames_of_16_bits_are_projected_in_their_depth(tmp_path):
    frames = [Image.fromarray(np.full((2, 2), value, np.uint16)) for value in (300, 700)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    for page, expected in (("max", [700]), ("mean", [500]), ("channels", [300, 700])):
        image = read_image(tmp_path / "a.png", mode="channels", page=page)
        assert image.dtype == np.uint16
        assert (image == expected).all()


@pytest.mark.parametrize("page", ["max", "mean", "channels"])
def test_transparent_frames_are_laid_on_white_before_they_are_projected(tmp_path, page):
    colours = [(200, 0, 0, 0), (0, 200, 0, 255)]
    frames = [Image.new("RGBA", (2, 2), colour) for colour in colours]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    whole = {"max": (255, 255, 255), "mean": (128, 228, 128)}
    expected = whole.get(page, (255, 255, 255, 0, 200, 0))
    assert (read_image(tmp_path / "a.png", mode="channels", page=page) == expected).all()


def make_deep_frames(*frames):
    """Make an animated PNG of 16 bits a colour."""
    height, width, _ = frames[0].shape
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    chunks.append((b"acTL", struct.pack(">II", len(frames), 0)))
    for i, frame in enumerate(frames):
        number = struct.pack(">I", max(0, 2 * i - 1))
        control = struct.pack(">IIIIHHBB", width, height, 0, 0, 1, 1, 0, 0)
        chunks.append((b"fcTL", number + control))
        content = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in frame))
        chunks.append((b"fdAT", struct.pack(">I", 2 * i) + content) if i else (b"IDAT", content))
    chunks.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(make_chunk(*chunk) for chunk in chunks)


def test_a_later_frame_of_16_bits_a_colour_is_no_other_frame(tmp_path):
    frames = np.array([20_000, 50_000], np.uint16)[:, None, None, None].repeat(3, axis=3)
    (tmp_path / "a.png").write_bytes(make_deep_frames(*frames))
    for page, value in enumerate([20_000, 50_000]):
        assert (read_image(tmp_path / "a.png", page=page) == value >> 8).all()
    assert (read_image(tmp_path / "a.png", mode="channels", page=0) == 20_000).all()
    with pytest.raises(
        ImageReadError, match=r"its frame 1 has 16 bits.* Save the frame as an image"
    ):
        read_image(tmp_path / "a.png", mode="channels", page=1)


def test_a_photo_has_one_page_and_one_level(tmp_path):
    Image.fromarray(FRAMES[0]).save(tmp_path / "a.jpg")
    expected = read_image(tmp_path / "a.jpg", size=(4, 4))
    for options in ({"page": 0}, {"page": -1}, {"page": "max"}, {"level": 0}):
        image = read_image(tmp_path / "a.jpg", size=(4, 4), **options)
        assert abs(image.astype(int) - expected).max() <= 12  # not decoded smaller
    with pytest.raises(ImageReadError, match="no page 1, only 0"):
        read_image(tmp_path / "a.jpg", page=1)
    with pytest.raises(ImageReadError, match="no level 1 of resolution, only 0"):
        read_image(tmp_path / "a.jpg", level=1)


def test_a_jpeg_is_decoded_smaller_for_channels_too(tmp_path):
    smooth = np.linspace(0, 255, 256).astype(np.uint8)[:, np.newaxis] + np.zeros((1, 256), np.uint8)
    Image.fromarray(smooth).convert("RGB").save(tmp_path / "a.jpg")
    options = {"size": (16, 16)}
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.jpg", mode="channels", **options),
        read_image(tmp_path / "a.jpg", **options),
    )


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_large_images_become_arrays_in_strips(mode):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1001, 3), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode)
    array = pillow_to_pixels(image)
    np.testing.assert_array_equal(array, np.asarray(image))
    assert array.dtype == np.uint8
