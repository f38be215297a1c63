"""Thousands of small TIFF and PNG files: each has the pixels that the definitions give, or a named error.

`image_writers` writes the files, and this module computes their pixels, from the definitions of TIFF
and PNG. Neither uses a library that reads or writes images. Each file must be read right, or refused
by an error whose cause names the variant. `MUST_BE_READ` lists what may not be refused.
"""

import functools
import itertools
import math
import random
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from image_writers import (
    EXTRA_SAMPLES,
    GREY,
    GREY_ALPHA,
    INDEXED,
    PHOTOMETRICS,
    PNG_SAMPLES,
    RATIONAL,
    SHORT,
    TRUECOLOUR,
    TRUECOLOUR_ALPHA,
    TiffVariant,
    write_png,
    write_tiff,
)

from sklearn_resnet import ImageLoader
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.errors import ImageReadError

# many variants warn: of samples that are left out, of dark images and so on
pytestmark = pytest.mark.filterwarnings("ignore")

SAMPLES = [
    *("u1", "u2", "u4", "u8", "u10", "u12", "u14", "u16", "u32"),
    *("i8", "i16", "i32"),
    *("f16", "f32", "f64"),
]
SIZES = [(6, 8), (6, 3), (5, 4)]  # upright: planes of 3 or 4 columns must not pass for colours

# All combinations of these are written,
PRODUCT = {
    "photometric": list(PHOTOMETRICS),
    "sample": SAMPLES,
    "extra": list(EXTRA_SAMPLES),
    "is_planar": [False, True],
    "order": ["<", ">"],
}
# and all pairs of values of any two axes.
DRAWN = {
    "orientation": list(range(1, 9)),
    "compression": ["none", "deflate", "old deflate", "PackBits", "LZW"],
    "predictor": [1, 2],
    "layout": ["one strip", "strips", "tiles"],
    "is_big": [False, True],
    "nodata": [None, "number", "foreign", "nan"],
    "size": SIZES,
    "mode": ["RGB", "L"],
}

GREYS, ADDITIVE, LAB = {"WhiteIsZero", "BlackIsZero"}, {"BlackIsZero", "RGB"}, {"CIELab", "ICCLab"}
UNPACKED = {"none", "deflate", "old deflate", "PackBits"}
NOT_ASSOCIATED = set(EXTRA_SAMPLES) - {"associated"}
WIDE = {"u32", "i8", "i16", "i32", "f32", "f64"}
# A variant must be read without imagecodecs if a line holds all its values. Associated alpha is there
# for samples of light alone: it is not defined whether that of others multiplies ink, index or colour.
MUST_BE_READ = [
    {"sample": {"u8", "u16"}, "compression": UNPACKED, "extra": NOT_ASSOCIATED},
    {
        "photometric": ADDITIVE,
        "sample": {"u8", "u16"} | WIDE,
        "compression": UNPACKED,
        "extra": {"associated"},
    },
    {
        "photometric": GREYS | {"RGB"},
        "sample": WIDE,
        "compression": UNPACKED,
        "extra": NOT_ASSOCIATED,
    },
    {
        "photometric": GREYS | {"RGB"},
        "sample": {"u1", "u2", "u4", "u10", "u12", "u14"},
        "extra": {"none"},
        "is_planar": {False},
        "compression": {"none"},
        "layout": {"one strip", "strips"},
    },
    {
        "photometric": {*GREYS, "RGB", "palette", "CMYK"},
        "sample": {"u8"},
        "extra": {"none"},
        "is_planar": {False},
        "compression": {"LZW"},
    },
    {
        "photometric": {"RGB"},
        "sample": {"u8"},
        "extra": {"associated", "unassociated"},
        "is_planar": {False},
        "compression": {"LZW"},
    },
    {
        "photometric": {"BlackIsZero"},
        "sample": {"u16"},
        "extra": {"none"},
        "is_planar": {False},
        "compression": {"LZW"},
    },
]
# Exceptions from these lines.
MAY_BE_REFUSED = [
    {"photometric": {"palette"}, "sample": {"u16"}},  # of 65,536 colours
    {"nodata": {"nan"}},
    {"compression": {"LZW"}, "is_big": {True}, "order": {">"}},  # Pillow opens none
    # Pillow divides by alpha, so that no value can be compared
    {"compression": {"LZW"}, "extra": {"associated"}, "nodata": {"number", "foreign"}},
]

# The words by which the cause of an error may name a variant; it must have one of its file.
NAMES = {
    "photometric": {
        "WhiteIsZero": "white.?is.?zero|miniswhite",
        "palette": "palette",
        "CMYK": "CMYK|separated|ink",
        "YCbCr": "YCbCr",
        "CIELab": r"Lab|L\*a\*b\*",
        "ICCLab": r"Lab|L\*a\*b\*",
    },
    "extra": {
        "unspecified": "samples per pixel|extra ?samples",
        "associated": "alpha|extra ?samples",
        "unassociated": "alpha|extra ?samples",
        "unspecified + unassociated": "alpha|samples per pixel|extra ?samples",
        "no tag": "samples per pixel|extra ?samples",
    },
    "is_planar": {True: "planar|planes"},
    "compression": {
        "LZW": "LZW",
        "PackBits": "PackBits",
        "deflate": "deflate",
        "old deflate": "deflate",
    },
    "predictor": {2: "predictor"},
    "layout": {"tiles": "tile"},
    "nodata": {"nan": "no.?data"},
    "kind": {"i": "signed|values from -", "f": "float|values from"},
}


def names_of(variant):
    """A pattern of the words by which an error may name a variant."""
    words = [names[getattr(variant, axis)] for axis, names in NAMES.items() if _has(variant, axis)]
    kind = {"u": "uint", "i": "int", "f": "float"}[variant.kind]
    return "|".join([*words, rf"\b{variant.bits}.?bit", rf"{kind}{variant.bits}\b"])


def _has(variant, axis):
    return getattr(variant, axis) in NAMES[axis]


# ------------------------------------------------------------------ the pixels, by the definitions


def white_level(variant, values):
    """The white level of samples: their full scale, or a smaller one that holds wide integers."""
    if variant.sample not in ("u32", "i32"):
        return variant.white
    return next(white for white in (255, 65535, variant.white) if values.max() <= white)


def pixels_of(variant, samples, colormap):
    """The pixels of 0 to 255 of a file by the definitions.

    They are upright, of shape (height, width, 3). None if the definitions give no pixels.
    """
    is_transparent = np.zeros(samples.shape[:2], bool)
    if variant.nodata is not None:
        nodata = float(variant.nodata)
        is_nodata = np.isnan(samples) if np.isnan(nodata) else samples == nodata
        is_transparent = is_nodata.all(axis=2)
    # values that stand for no data would only make NumPy warn
    colours = np.where(is_transparent[..., None], 0, samples[..., : variant.n_colours])
    white, alpha = white_level(variant, colours), np.ones((*samples.shape[:2], 1))
    if variant.alpha is not None:
        alpha = samples[..., [variant.alpha]].astype(float) / variant.white
    to_light, is_light = _LIGHT[variant.photometric], variant.photometric in ADDITIVE
    if variant.extra != "associated":
        light = to_light(variant, colours, white, colormap)
        composed = None if light is None else light * alpha + 1 - alpha
    elif is_light:  # times alpha already
        composed = to_light(variant, colours, white, colormap) + 1 - alpha
    elif variant.photometric in ("WhiteIsZero", "CMYK"):  # inks times alpha
        inks = np.divide(colours, alpha, where=alpha > 0, out=np.zeros(colours.shape))
        composed = to_light(variant, inks, white, colormap) * alpha + 1 - alpha
    else:
        composed = None
    if composed is None:
        return None
    composed[is_transparent] = 1
    return 255 * composed.clip(0, 1)


def _light_of_grey(variant, colours, white, colormap):
    return np.repeat(colours / white, 3, axis=2)


def _light_of_white_is_zero(variant, colours, white, colormap):
    return np.repeat(1 - colours / white, 3, axis=2)


def _light_of_rgb(variant, colours, white, colormap):
    return colours / white


def _light_of_palette(variant, colours, white, colormap):
    if variant.kind == "f" or variant.bits > 16:
        return None  # a map of all their values would be too long for a file
    return colormap[colours[..., 0]] / 65535


def _light_of_cmyk(variant, colours, white, colormap):
    return (1 - colours[..., :3] / white) * (1 - colours[..., 3:] / white)


def _light_of_ycbcr(variant, colours, white, colormap):
    if variant.kind != "u":
        return None  # only for unsigned integers is the code of grey chroma defined
    y, cb, cr = np.moveaxis(colours.astype(float), -1, 0)
    cb, cr = cb - (white + 1) / 2, cr - (white + 1) / 2
    red, blue = y + (2 - 2 * 0.299) * cr, y + (2 - 2 * 0.114) * cb
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return (np.stack([red, green, blue], axis=2) / white).clip(0, 1)


def _light_of_lab(variant, colours, white, colormap):
    if variant.sample not in ("u8", "u16"):
        return None
    scale = 1 if variant.bits == 8 else 256
    codes = colours.astype(float)
    if variant.photometric == "ICCLab":
        lightness = codes[..., 0] / (255 * scale)
        a, b = (codes[..., i] / scale - 128 for i in (1, 2))
    else:
        lightness = codes[..., 0] / variant.white
        a, b = (_as_signed(codes[..., i], variant.bits) / scale for i in (1, 2))
    return lab_to_srgb(np.stack([100 * lightness, a, b], axis=2))


def _as_signed(codes, bits):
    return codes - 2**bits * (codes >= 2 ** (bits - 1))


_LIGHT = {
    "WhiteIsZero": _light_of_white_is_zero,
    "BlackIsZero": _light_of_grey,
    "RGB": _light_of_rgb,
    "palette": _light_of_palette,
    "CMYK": _light_of_cmyk,
    "YCbCr": _light_of_ycbcr,
    "CIELab": _light_of_lab,
    "ICCLab": _light_of_lab,
}

D50 = np.array([0.9642, 1, 0.8249])
# sRGB's primaries (IEC 61966-2-1) in XYZ, adapted from D65 to D50 by Bradford's transform.
SRGB_TO_XYZ = np.array([
    [0.4360747, 0.3850649, 0.1430804],
    [0.2225045, 0.7168786, 0.0606169],
    [0.0139322, 0.0971045, 0.7141733],
])  # fmt: skip


def lab_to_srgb(lab):
    """CIE 1976 L*a*b* of D50 to sRGB from 0 to 1, relative colorimetric."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = D50 * np.where(f > 6 / 29, f**3, (f - 4 / 29) * 3 * (6 / 29) ** 2)
    linear = (xyz @ np.linalg.inv(SRGB_TO_XYZ).T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_to_lab(srgb):
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    t = linear @ SRGB_TO_XYZ.T / D50
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / 3 / (6 / 29) ** 2 + 4 / 29)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])],
        axis=-1,
    )


def tolerance_of(variant, mode):
    """Of 255: 1 for rounding, and 1 where alpha is composed, where inks multiply, or for luma."""
    is_composed = variant.alpha is not None or variant.photometric == "CMYK"
    # Readers hold Lab in 8 bits, of which half a step is up to 5 of 255 in the colours of `_encode`.
    is_deep_lab = variant.photometric in LAB and variant.bits == 16
    return 1 + is_composed + (mode == "L") + 5 * is_deep_lab


def to_grey(pixels):
    """Luma by ITU-R BT.601."""
    return pixels @ [0.299, 0.587, 0.114]


# ------------------------------------------------------------------------------ samples to write


def make_samples(variant, size, rng):
    """Samples of which one pixel is black, one white or full ink, others random."""
    height, width = size
    if variant.kind == "f":
        samples = rng.random((height, width, variant.n_samples))
    else:
        shape = height, width, variant.n_samples
        samples = rng.integers(0, variant.white, shape, endpoint=True)
    n = variant.n_colours
    samples[0, 0, :n], samples[1, 0, :n] = 0, variant.white
    if variant.photometric == "palette":
        samples[..., 0] %= 256 if variant.kind == "u" else 128
    elif variant.kind == "u" and (variant.photometric == "YCbCr" or variant.photometric in LAB):
        samples[..., :n] = _encode(variant, rng.random((height, width, 3)))
    if variant.alpha is not None:
        samples[1, :2, variant.alpha] = variant.white, 0
    if variant.extra == "associated":
        share = samples[..., variant.alpha :] / variant.white
        premultiplied = samples[..., :n] * share
        samples[..., :n] = premultiplied if variant.kind == "f" else np.floor(premultiplied)
    if variant.nodata is not None and can_hold(variant, float(variant.nodata)):
        samples = _with_nodata(samples, float(variant.nodata), n)
    return samples.astype(variant.dtype)


def _encode(variant, srgb):
    """Codes of colours in YCbCr or Lab, which are in gamut; of YCbCr, one has the largest code."""
    n_steps = 2**variant.bits
    if variant.photometric == "YCbCr":
        y = to_grey(srgb)
        chroma = [(srgb[..., i] - y) / (2 - 2 * k) for i, k in ((2, 0.114), (0, 0.299))]
        codes = variant.white * np.stack([y, *chroma], axis=2) + np.array([0, 1, 1]) * n_steps / 2
        codes[1, 0, 0] = variant.white
        return np.rint(codes).clip(0, variant.white)
    lab = srgb_to_lab(0.3 + 0.6 * srgb)
    if variant.photometric == "ICCLab":
        return np.rint((lab * [2.55, 1, 1] + [0, 128, 128]) * n_steps / 256).clip(0, variant.white)
    return np.rint(lab * [variant.white / 100, n_steps / 256, n_steps / 256]) % n_steps


def can_hold(variant, value):
    if variant.kind == "f":
        return not value > 1e29
    return -100 <= value <= variant.white


def _with_nodata(samples, nodata, n_colours):
    """Two pixels without data; no other has all colours of that value."""
    equal = (samples[..., :n_colours] == nodata).all(axis=2)
    samples[equal, 0] += 1 if nodata <= 0 else -1
    samples[0, 1] = samples[-1, -1] = nodata
    return samples


def nodata_of(kind, sample):
    """The text of GDAL_NODATA: a value that the samples can hold, or one that they cannot."""
    if kind == "foreign":
        return "1e+30" if sample[0] == "f" else str(2 ** int(sample[1:]))  # its low bits are 0
    if kind == "number" and sample[0] in "if":
        return {"i8": "-99", "f32": "-999.0"}.get(sample, "-999")
    return {"u1": "0", "u2": "1"}.get(sample, "7") if kind == "number" else kind


def make_colormap(variant, rng):
    if variant.photometric != "palette":
        return None
    bits = min(variant.bits, 16) if variant.kind == "u" else 8
    return rng.integers(0, 65536, (2**bits, 3)).astype(np.uint16)


# --------------------------------------------------------------------------- which are written


def draw_rows(product, drawn, n_times=1):
    """Rows of the whole product, some times, each with drawn values of the other axes."""
    rng = random.Random(0)
    for _ in range(n_times):
        for values in itertools.product(*product.values()):
            row = dict(zip(product, values, strict=True))
            for axis, choices in drawn.items():
                row[axis] = rng.choice([v for v in choices if is_possible({**row, axis: v})])
            yield row


def is_possible(row):
    """Whether the definitions allow the values of a TIFF's axes together."""
    if row.get("predictor") != 2:
        return True
    is_compressed = row["compression"] in ("deflate", "old deflate", "LZW")
    return is_compressed and row["sample"] in ("u8", "u16", "u32", "i8", "i16", "i32")


@functools.cache
def tiff_rows():
    """All variants, by photometric interpretation and samples."""
    groups = {}
    for row in draw_rows(PRODUCT, DRAWN):
        groups.setdefault((row["photometric"], row["sample"]), []).append(row)
    return groups


def rows_of_line(line, *further_axes):
    """The product of a line of `MUST_BE_READ` and further axes; of a short one, several times."""
    axes = {**PRODUCT, **DRAWN}
    axes = {axis: [v for v in axes[axis] if v in line.get(axis, axes[axis])] for axis in axes}
    product = {axis: axes.pop(axis) for axis in (*PRODUCT, "compression", *further_axes)}
    n_times = -(-300 // math.prod(map(len, product.values())))
    rows = draw_rows(product, axes, n_times)
    return [row for row in rows if not _is_in(MAY_BE_REFUSED, row)]


def must_be_read(row):
    return _is_in(MUST_BE_READ, row) and not _is_in(MAY_BE_REFUSED, row)


def _is_in(table, row):
    return any(all(row[axis] in values for axis, values in line.items()) for line in table)


# --------------------------------------------------------------------------- what comes of a file


def check_tiff(path, row):
    """What is wrong with a variant, or None."""
    fields = {axis: value for axis, value in row.items() if axis not in ("size", "mode")}
    fields["nodata"] = nodata_of(row["nodata"], row["sample"])
    variant = TiffVariant(**fields)
    rng = np.random.default_rng(zlib.crc32(describe(row).encode()))
    samples, colormap = make_samples(variant, row["size"], rng), make_colormap(variant, rng)
    return check_samples(path, variant, samples, colormap, row["mode"], must_be_read(row))


def check_samples(path, variant, samples, colormap, mode, must_be_read):
    """What is wrong with a file of a variant, or None."""
    path.write_bytes(write_tiff(variant, samples, colormap))
    expected = pixels_of(variant, samples, colormap)
    names = None if must_be_read else names_of(variant)
    return find_problem(path, mode, expected, tolerance_of(variant, mode), names)


def find_problem(path, mode, expected, tolerance, names, read=read_image):
    """What is wrong with a file, or None; `names` is a pattern of right errors, None if none is."""
    try:
        pixels = read(path, mode=mode)
    except ImageReadError as exc:
        if names is None:
            return f"must be read, but: {exc.cause}"
        is_named = re.search(names, exc.cause, re.IGNORECASE)
        return None if is_named else f"an error that does not name the variant: {exc.cause}"
    except Exception as exc:
        return f"no ImageReadError: {exc!r}"
    if expected is None:
        return "read, but no pixels are defined"
    expected = to_grey(expected) if mode == "L" else expected
    if pixels.shape != expected.shape or pixels.dtype != np.uint8:
        return f"{pixels.dtype} of shape {pixels.shape}, not uint8 of {expected.shape}"
    off = np.abs(pixels - expected)
    if off.max() <= tolerance + 1e-6:
        return None
    place = tuple(map(int, np.unravel_index(off.argmax(), off.shape)[:2]))
    return (
        f"{(off > tolerance).mean():.0%} of the values are wrong, the pixel {place} is "
        f"{pixels[place].tolist()}, not {expected[place].round(1).tolist()}"
    )


def describe(row):
    return " ".join(f"{axis}={value}" for axis, value in row.items())


def assert_no_problems(problems):
    """Fail with all problems in one message."""
    lines = [f"  {name}: {problem}" for name, problem in problems.items() if problem]
    assert not lines, f"{len(lines)} of {len(problems)} files are wrong:\n" + "\n".join(lines)


# ------------------------------------------------------------------------------------------- TIFF


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("photometric", PHOTOMETRICS)
def test_tiff_has_the_defined_pixels_or_a_named_error(tmp_path, photometric, sample):
    rows = tiff_rows()[photometric, sample]
    assert_no_problems({describe(row): check_tiff(tmp_path / "a.tif", row) for row in rows})


@pytest.mark.parametrize("i", range(len(MUST_BE_READ)))
def test_common_tiff_is_read(tmp_path, i):
    rows = rows_of_line(MUST_BE_READ[i])
    assert len(rows) > 100
    assert_no_problems({describe(row): check_tiff(tmp_path / "a.tif", row) for row in rows})


def channels_of(variant, samples):
    """The channels of a file: its samples, those of WhiteIsZero inverted, and 0 without data."""
    channels = samples.astype(np.float64)
    if variant.photometric == "WhiteIsZero":
        brightest = {"u": variant.white, "i": -1, "f": 1}[variant.kind]
        channels[..., 0] = brightest - channels[..., 0]
    if variant.sample == "u1":
        channels *= 255
    if variant.nodata is not None:
        channels[samples.astype(np.float64) == float(variant.nodata)] = 0
    return np.where(np.isfinite(samples), channels, 0)


def check_channels(path, row):
    """What is wrong with the channels of a variant, or None."""
    fields = {axis: value for axis, value in row.items() if axis not in ("size", "mode")}
    variant = TiffVariant(**fields | {"nodata": nodata_of(row["nodata"], row["sample"])})
    rng = np.random.default_rng(zlib.crc32(describe(row).encode()))
    samples = make_samples(variant, row["size"], rng)
    path.write_bytes(write_tiff(variant, samples, None))
    try:
        image = read_image(path, mode="channels")
    except ImageReadError as exc:
        if not must_be_read(row) and re.search(names_of(variant), exc.cause, re.IGNORECASE):
            return None
        return exc.cause
    dtypes = {"u": {1: "uint8", 2: "uint16"}.get(-(-variant.bits // 8), "float32")}
    if image.dtype != dtypes.get(variant.kind, "float32"):
        return f"of {image.dtype}"
    expected = channels_of(variant, samples)
    if image.shape != expected.shape:
        return f"of shape {image.shape}, not {expected.shape}"
    wrong = image != expected.astype(image.dtype)
    return f"{wrong.mean():.0%} of the values are wrong" if wrong.any() else None


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("photometric", ["WhiteIsZero", "BlackIsZero", "RGB", "CMYK"])
def test_the_channels_of_a_tiff_are_its_samples(tmp_path, photometric, sample):
    rows = tiff_rows()[photometric, sample]
    assert_no_problems({describe(row): check_channels(tmp_path / "a.tif", row) for row in rows})


@pytest.mark.parametrize("photometric", PHOTOMETRICS)
def test_lzw_is_right_or_refused(tmp_path, photometric):
    # tifffile decodes it by imagecodecs alone, and Pillow not as it lies
    samples = ["u1", "u4", "u8", "u16", "u32", "i8", "i16", "i32", "f32"]
    product = {**PRODUCT, "photometric": [photometric], "sample": samples, "compression": ["LZW"]}
    drawn = {axis: values for axis, values in DRAWN.items() if axis != "compression"}
    rows = draw_rows(product, drawn)
    assert_no_problems({describe(row): check_tiff(tmp_path / "a.tif", row) for row in rows})


@pytest.mark.long
@pytest.mark.parametrize("i", range(len(MUST_BE_READ)))
def test_common_tiff_is_read_in_each_orientation(tmp_path, i):
    rows = rows_of_line(MUST_BE_READ[i], "orientation")
    assert_no_problems({describe(row): check_tiff(tmp_path / "a.tif", row) for row in rows})


def test_all_pairs_of_values_are_written():
    rows = list(itertools.chain(*tiff_rows().values()))
    found = {pair for row in rows for pair in itertools.combinations(row.items(), 2)}
    axes = {**PRODUCT, **DRAWN}
    pairs = {
        ((one, a), (other, b))
        for one, other in itertools.combinations(axes, 2)
        for a, b in itertools.product(axes[one], axes[other])
    }
    whole_bytes = {"u8", "u16", "u32", "i8", "i16", "i32"}
    assert pairs - found == {
        *((("sample", sample), ("predictor", 2)) for sample in set(SAMPLES) - whole_bytes),
        *((("compression", name), ("predictor", 2)) for name in ("none", "PackBits")),
    }


@pytest.mark.parametrize("sample", ["u8", "u16", "u32", "i16", "f32", "f64"])
@pytest.mark.parametrize("photometric", ["BlackIsZero", "RGB"])
def test_tiff_without_any_data_is_white(tmp_path, photometric, sample):
    variant = TiffVariant(photometric, sample, nodata=nodata_of("number", sample))
    samples = np.full((6, 8, variant.n_samples), float(variant.nodata)).astype(variant.dtype)
    assert (pixels_of(variant, samples, None) == 255).all()
    assert check_samples(tmp_path / "a.tif", variant, samples, None, "RGB", True) is None


@pytest.mark.parametrize("photometric", ["BlackIsZero", "WhiteIsZero", "RGB"])
@pytest.mark.parametrize("sample", ["u1", "u4", "u8", "u12", "u16"])
def test_bits_in_the_order_of_facsimiles(tmp_path, sample, photometric):
    variant = TiffVariant(photometric, sample, fill_order=2)
    samples = make_samples(variant, (6, 9), np.random.default_rng(0))
    assert check_samples(tmp_path / "a.tif", variant, samples, None, "RGB", True) is None


@pytest.mark.parametrize("photometric", ["BlackIsZero", "WhiteIsZero", "RGB"])
@pytest.mark.parametrize("sample", ["u32", "i32"])
@pytest.mark.parametrize("white", [255, 65535])
def test_wide_integers_of_smaller_values(tmp_path, photometric, sample, white):
    variant = TiffVariant(photometric, sample)
    values = np.random.default_rng(0).integers(0, white, (6, 8, variant.n_samples), endpoint=True)
    values[0, 0] = white
    samples = values.astype(variant.dtype)
    assert check_samples(tmp_path / "a.tif", variant, samples, None, "RGB", True) is None


@pytest.mark.parametrize("compression", ["none", "deflate", "LZW"])
@pytest.mark.parametrize("nodata", [None, "number"])
@pytest.mark.parametrize("photometric", ["BlackIsZero", "WhiteIsZero", "RGB"])
@pytest.mark.parametrize(
    ("sample", "low", "high"),
    [
        *(("i8", -98, 100), ("i16", -990, 1000), ("i16", -1, 32767), ("i32", -990, 10**6)),
        *(("f32", 100, 900), ("f64", 100, 900), ("f32", -990, 3000), ("f64", -900, -100)),
    ],
)
def test_values_without_a_known_white_are_spread(
    tmp_path, sample, low, high, photometric, nodata, compression
):
    variant = TiffVariant(
        photometric, sample, compression=compression, nodata=nodata_of(nodata, sample)
    )
    samples = np.linspace(low, high, 48 * variant.n_samples).reshape(6, 8, -1).astype(variant.dtype)
    share = (samples.astype(float) - low) / (high - low)
    expected = 255 * np.broadcast_to(
        1 - share if photometric == "WhiteIsZero" else share, (6, 8, 3)
    )
    if nodata:  # of a value that is not among the others
        samples[2, 2], expected = float(variant.nodata), expected.copy()
        expected[2, 2] = 255
    (tmp_path / "a.tif").write_bytes(write_tiff(variant, samples))
    reports = []
    read = functools.partial(read_image, report=reports.append)
    names = "LZW" if compression == "LZW" else None
    assert find_problem(tmp_path / "a.tif", "RGB", expected, 1, names, read=read) is None
    assert not reports or any(getattr(report, "is_guess", False) for report in reports)
    assert reports or compression == "LZW"


@pytest.mark.parametrize("photometric", ["BlackIsZero", "WhiteIsZero", "RGB"])
@pytest.mark.parametrize("sample", ["f16", "f32", "f64"])
def test_floats_to_255(tmp_path, sample, photometric):
    variant = TiffVariant(photometric, sample)
    samples = np.linspace(0, 200, 48 * variant.n_samples).reshape(6, 8, -1).astype(variant.dtype)
    light = 255 - samples if photometric == "WhiteIsZero" else samples
    (tmp_path / "a.tif").write_bytes(write_tiff(variant, samples))
    expected = np.broadcast_to(light.astype(float), (6, 8, 3))
    assert find_problem(tmp_path / "a.tif", "RGB", expected, 1, names_of(variant)) is None


@pytest.mark.parametrize("compression", ["none", "deflate", "LZW"])
@pytest.mark.parametrize("extra", ["none", "unassociated", "unspecified"])
@pytest.mark.parametrize("photometric", ["BlackIsZero", "WhiteIsZero", "RGB"])
@pytest.mark.parametrize(
    ("sample", "value_range"),
    [
        *(("u8", (50, 200)), ("u12", (0, 1000)), ("u16", (0, 4095)), ("u16", (1000, 30_000))),
        *(("u32", (0, 70_000)), ("i16", (-1000, 3000)), ("f32", (-1, 2)), ("f64", (100, 900))),
    ],
)
def test_a_value_range_is_applied(tmp_path, sample, value_range, photometric, extra, compression):
    variant = TiffVariant(photometric, sample, extra, compression=compression)
    rng, (low, high) = np.random.default_rng(0), value_range
    samples = make_samples(variant, (6, 8), rng)
    margin = 0 if variant.kind == "u" else (high - low) / 10  # of values to clip
    values = rng.uniform(low - margin, high + margin, (6, 8, variant.n_colours))
    samples[..., : variant.n_colours] = np.rint(values) if variant.kind != "f" else values
    samples[0, 1] = 7
    share = ((samples[..., : variant.n_colours].astype(float) - low) / (high - low)).clip(0, 1)
    share = 1 - share if photometric == "WhiteIsZero" else share
    alpha = 1 if variant.alpha is None else samples[..., [variant.alpha]] / variant.white
    expected = np.broadcast_to(255 * (share * alpha + 1 - alpha), (6, 8, 3)).copy()
    expected[0, 1] = 255
    variant = replace(variant, nodata="7")
    (tmp_path / "a.tif").write_bytes(write_tiff(variant, samples))
    read = functools.partial(read_image, value_range=value_range)
    names = "LZW" if compression == "LZW" else None
    problem = find_problem(tmp_path / "a.tif", "RGB", expected, 2, names, read=read)
    assert problem is None


BITS, PHOTOMETRIC, PREDICTOR, FORMAT = 258, 262, 317, 339
COEFFICIENTS, REFERENCE_BLACK_WHITE = 529, 532


@pytest.mark.parametrize("sample", ["u8", "u16"])
@pytest.mark.parametrize(
    ("coefficients", "headroom"),
    [((2990, 5870, 1140), 0), ((2125, 7154, 721), 0), ((2990, 5870, 1140), 16)],
)
def test_ycbcr_of_other_coefficients_and_reference_levels(tmp_path, sample, coefficients, headroom):
    """The levels are for black and white, and for no chroma and most chroma, as codes."""
    white, zero = 2 ** int(sample[1:]) - 1, 2 ** (int(sample[1:]) - 1)
    black = headroom * (white + 1) // 256
    levels = [black, white - black, *[zero, white - black] * 2]
    tags = (
        (COEFFICIENTS, RATIONAL, [(value, 10_000) for value in coefficients]),
        (REFERENCE_BLACK_WHITE, RATIONAL, [(level, 1) for level in levels]),
    )
    variant = TiffVariant("YCbCr", sample, tags=tags)
    codes = make_samples(variant, (6, 8), np.random.default_rng(0))
    (tmp_path / "a.tif").write_bytes(write_tiff(variant, codes))
    k_red, k_green, k_blue = (value / 10_000 for value in coefficients)
    y, cb, cr = np.moveaxis(codes.astype(float), -1, 0)
    y = (y - black) * white / (white - 2 * black)
    cb, cr = ((chroma - zero) * (zero - 1) / (white - black - zero) for chroma in (cb, cr))
    red, blue = y + (2 - 2 * k_red) * cr, y + (2 - 2 * k_blue) * cb
    green = (y - k_red * red - k_blue * blue) / k_green
    expected = 255 * (np.stack([red, green, blue], axis=2) / white).clip(0, 1)
    problem = find_problem(tmp_path / "a.tif", "RGB", expected, 1, "YCbCr|coefficients|reference")
    assert problem is None


@pytest.mark.parametrize("sample", ["u8", "u16", "f32"])
@pytest.mark.parametrize("layout", ["one strip", "tiles"])
def test_predictor_without_compression_is_ignored(tmp_path, layout, sample):
    variant = TiffVariant("RGB", sample, layout=layout, tags=((PREDICTOR, SHORT, [2]),))
    samples = make_samples(variant, (6, 8), np.random.default_rng(0))
    assert check_samples(tmp_path / "a.tif", variant, samples, None, "RGB", True) is None


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ((BITS, SHORT, [8, 8, 4]), "bits"),
        ((BITS, SHORT, [5, 6, 5]), "bits"),
        ((FORMAT, SHORT, [1, 1, 3]), "format"),
        ((PHOTOMETRIC, SHORT, None), "photometric"),
    ],
)
def test_tags_that_fit_no_record_are_refused(tmp_path, tag, names):
    variant = TiffVariant("RGB", tags=(tag,))
    samples = make_samples(variant, (6, 8), np.random.default_rng(0))
    (tmp_path / "a.tif").write_bytes(write_tiff(variant, samples))
    assert find_problem(tmp_path / "a.tif", "RGB", None, 0, names) is None


@pytest.mark.parametrize("compression", ["none", "deflate", "PackBits", "LZW"])
@pytest.mark.parametrize("layout", ["one strip", "strips", "tiles"])
@pytest.mark.parametrize("sample", ["u1", "u8", "u12", "u16", "f32"])
def test_tiff_whose_last_bytes_are_missing_is_refused(tmp_path, sample, layout, compression):
    variant = TiffVariant("RGB", sample, layout=layout, compression=compression)
    samples = make_samples(variant, (6, 8), np.random.default_rng(0))
    content = write_tiff(variant, samples, n_missing_rows=1)
    (tmp_path / "a.tif").write_bytes(content)
    assert find_problem(tmp_path / "a.tif", "RGB", None, 0, "") is None


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("is_planar", [False, True])
@pytest.mark.parametrize("sample", ["u8", "u16", "f32"])
@pytest.mark.parametrize("extra", ["unspecified", "no tag"])
@pytest.mark.parametrize("photometric", ["BlackIsZero", "RGB"])
def test_samples_that_are_left_out_warn(tmp_path, photometric, extra, sample, is_planar):
    variant = TiffVariant(photometric, sample, extra, is_planar)
    samples = make_samples(variant, (6, 8), np.random.default_rng(0))
    (tmp_path / "a.tif").write_bytes(write_tiff(variant, samples))
    with pytest.warns(UserWarning, match="samples"):
        ImageLoader().fit_transform([str(tmp_path / "a.tif")])


@st.composite
def tiff_files(draw):
    """A variant, samples of any size and values, a colour map."""
    variant = TiffVariant(
        photometric=draw(st.sampled_from(["WhiteIsZero", "BlackIsZero", "RGB", "palette"])),
        sample=draw(st.sampled_from(["u1", "u2", "u4", "u8", "u10", "u12", "u14", "u16"])),
        is_planar=draw(st.booleans()),
        order=draw(st.sampled_from("<>")),
        orientation=draw(st.integers(1, 8)),
        compression=draw(st.sampled_from(["none", "deflate"])),
        layout=draw(st.sampled_from(["one strip", "strips", "tiles"])),
    )
    shape = draw(st.integers(1, 19)), draw(st.integers(1, 19)), variant.n_samples
    values = st.integers(0, variant.white)
    samples = draw(arrays.arrays(variant.dtype, shape, elements=values))
    samples.flat[0] = variant.white  # 0 and 1 alone would be a mask
    return variant, samples, make_colormap(variant, np.random.default_rng(0))


@settings(derandomize=True, deadline=None, max_examples=150)
@given(file=tiff_files())
def test_tiff_of_any_size_and_values(tmp_path_factory, file):
    path = tmp_path_factory.getbasetemp() / "a.tif"
    variant = file[0]
    is_plain = variant.bits in (8, 16) and variant.photometric != "palette"
    assert check_samples(path, *file, "RGB", is_plain) is None


# -------------------------------------------------------------------------------------------- PNG

PNG_KINDS = [
    *((GREY, depth) for depth in (1, 2, 4, 8, 16)),
    *((TRUECOLOUR, depth) for depth in (8, 16)),
    *((INDEXED, depth) for depth in (1, 2, 4, 8)),
    *((kind, depth) for kind in (GREY_ALPHA, TRUECOLOUR_ALPHA) for depth in (8, 16)),
]
GAMMA = b"gAMA", struct.pack(">I", 100_000)  # of linear light; nothing in the file is linear
SRGB = b"sRGB", b"\0"
PNG_PRODUCT = {
    "has_transparency": [False, True],
    "is_interlaced": [False, True],
    "filters": [(0,), (1,), (2,), (3,), (4,), (4, 3, 2, 1, 0)],
    "n_parts": [1, 3],
}
PNG_DRAWN = {
    "orientation": [None, *range(1, 9)],
    "exif_order": ["<", ">"],
    "before_pixels": [(), (GAMMA,), (SRGB,), (GAMMA, SRGB)],
    "size": [(6, 8), (1, 1), (1, 5), (7, 3), (9, 10)],
    "mode": ["RGB", "L"],
}


def make_png_samples(colour_type, depth, size, rng):
    """Samples that almost equal the first pixel, by which a transparent colour must not be taken."""
    white = 2**depth - 1
    samples = rng.integers(0, white, (*size, PNG_SAMPLES[colour_type]), endpoint=True)
    samples[0, -1] = samples[0, 0]
    samples[-1, 0] = samples[0, 0]
    samples[-1, 0, 0] ^= 1  # in 16 bits, the highest 8 are equal
    samples[-1, -1] = white  # 0 and 1 alone would be a mask
    return samples


def check_png(path, colour_type, depth, samples, rng, *, has_transparency, mode, **options):
    """What is wrong with a PNG, or None."""
    palette = transparency = None
    values, alpha = samples / (2**depth - 1), None
    if colour_type == INDEXED:
        palette = rng.integers(0, 256, (2**depth, 3))
        values = palette[samples[..., 0]] / 255
    if colour_type in (GREY_ALPHA, TRUECOLOUR_ALPHA):
        values, alpha = values[..., :-1], values[..., -1:]
    elif has_transparency and colour_type == INDEXED:
        transparency = bytes(rng.choice([0, 51, 255], 2**depth - 1).tolist())  # the last is opaque
        alpha = np.array([*transparency, 255])[samples] / 255
    elif has_transparency:
        transparency = struct.pack(f">{samples.shape[2]}H", *samples[0, 0].tolist())
        alpha = (samples != samples[0, 0]).any(axis=2, keepdims=True)
    composed = values if alpha is None else values * alpha + 1 - alpha
    expected = np.broadcast_to(255 * composed, (*samples.shape[:2], 3))
    content = write_png(
        samples, colour_type, depth, palette=palette, transparency=transparency, **options
    )
    path.write_bytes(content)
    tolerance = 1 + (alpha is not None) + (mode == "L")
    return find_problem(path, mode, expected, tolerance, None)


@pytest.mark.parametrize(("colour_type", "depth"), PNG_KINDS)
def test_png_has_the_defined_pixels(tmp_path, colour_type, depth):
    problems = {}
    for i, row in enumerate(draw_rows(PNG_PRODUCT, PNG_DRAWN)):
        rng, options = np.random.default_rng([i, colour_type, depth]), dict(row)
        samples = make_png_samples(colour_type, depth, options.pop("size"), rng)
        problems[describe(row)] = check_png(
            tmp_path / "a.png", colour_type, depth, samples, rng, **options
        )
    assert_no_problems(problems)


@pytest.mark.parametrize(
    ("colour_type", "depth"), [kind for kind in PNG_KINDS if kind[0] in (GREY, TRUECOLOUR)]
)
def test_png_that_is_all_transparent_is_white(tmp_path, colour_type, depth):
    samples = np.full((6, 8, PNG_SAMPLES[colour_type]), 2**depth // 3)
    key = struct.pack(f">{samples.shape[2]}H", *samples[0, 0].tolist())
    (tmp_path / "a.png").write_bytes(write_png(samples, colour_type, depth, transparency=key))
    assert (read_image(tmp_path / "a.png") == 255).all()


@st.composite
def png_files(draw):
    colour_type, depth = draw(st.sampled_from(PNG_KINDS))
    shape = draw(st.integers(1, 19)), draw(st.integers(1, 19)), PNG_SAMPLES[colour_type]
    samples = draw(arrays.arrays(int, shape, elements=st.integers(0, 2**depth - 1)))
    samples.flat[-1] = 2**depth - 1
    return colour_type, depth, samples


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    file=png_files(),
    has_transparency=st.booleans(),
    is_interlaced=st.booleans(),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=5),
)
def test_png_of_any_size_and_values(tmp_path_factory, file, **options):
    path, rng = tmp_path_factory.getbasetemp() / "a.png", np.random.default_rng(0)
    assert check_png(path, *file, rng, mode="RGB", **options) is None


def make_damaged_pngs(colour_type, depth, is_interlaced):
    """Yield what is damaged, and the content."""
    rng = np.random.default_rng(0)
    samples = make_png_samples(colour_type, depth, (24, 20), rng)
    palette = rng.integers(0, 256, (2**depth, 3)) if colour_type == INDEXED else None
    content = write_png(
        samples, colour_type, depth, palette=palette, is_interlaced=is_interlaced, n_parts=3
    )
    ends, place = [], 8
    while place < len(content):
        (length,), kind = struct.unpack_from(">I", content, place), content[place + 4 : place + 8]
        place += length + 12
        ends.append((kind, place))
    for i, (kind, end) in enumerate(ends[:-1]):
        for offset in (1, 4, 5):  # in the checksum, and the last byte that it covers
            damaged = bytearray(content)
            damaged[end - offset] ^= 0x55
            yield f"{kind.decode()} {i}, byte {-offset}", bytes(damaged)
    start, end = ends[0][1], ends[-2][1]
    for place in range(start, end, max(1, (end - start) // 20)):
        yield f"zeros from {place}", content[:place] + bytes(len(content) - place)
    for place in range(start, end - 20, max(1, (end - start) // 20)):  # before zlib's checksum
        yield f"cut at {place}", content[:place]


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize(("colour_type", "depth"), PNG_KINDS)
def test_damaged_png_is_refused(tmp_path, colour_type, depth, is_interlaced):
    problems = {}
    for damage, content in make_damaged_pngs(colour_type, depth, is_interlaced):
        (tmp_path / "a.png").write_bytes(content)
        problems[damage] = find_problem(tmp_path / "a.png", "RGB", None, 0, "")
    assert len(problems) > 20
    assert_no_problems(problems)
