"""Writers of TIFF and PNG, made from the definitions: they use no library for images.

TIFF 6.0 (3 June 1992), the technical notes on it (BigTIFF, CIELab of 16 bits, ICCLab) and PNG
(third edition) define all that is written here.
"""

import itertools
import struct
import zlib
from dataclasses import dataclass

import numpy as np

# The visual side of row 0 and of column 0, by TIFF's Orientation, which EXIF took over.
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
PHOTOMETRICS = {
    "WhiteIsZero": (0, 1),  # the value of PhotometricInterpretation, the number of colours
    "BlackIsZero": (1, 1),
    "RGB": (2, 3),
    "palette": (3, 1),
    "CMYK": (5, 4),
    "YCbCr": (6, 3),
    "CIELab": (8, 3),
    "ICCLab": (9, 3),
}
UNSPECIFIED, ASSOCIATED, UNASSOCIATED = 0, 1, 2
EXTRA_SAMPLES = {  # the values of ExtraSamples; None: a sample more, and no such tag
    "none": (),
    "unspecified": (UNSPECIFIED,),
    "associated": (ASSOCIATED,),
    "unassociated": (UNASSOCIATED,),
    "unspecified + unassociated": (UNSPECIFIED, UNASSOCIATED),
    "no tag": (None,),
}
COMPRESSIONS = {"none": 1, "LZW": 5, "deflate": 8, "old deflate": 32946, "PackBits": 32773}
TILE = 16
ASCII, SHORT, LONG, RATIONAL, LONG8 = 2, 3, 4, 5, 16  # types of values
_SIZES = {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 4, LONG8: 8}  # a RATIONAL is a pair of LONG


@dataclass(frozen=True)
class TiffVariant:
    """All that a TIFF file may say of its pixels, and how it stores them."""

    photometric: str = "BlackIsZero"
    sample: str = "u8"  # u: unsigned, i: signed, f: float; and the bits
    extra: str = "none"
    is_planar: bool = False
    order: str = "<"
    orientation: int = 1
    compression: str = "none"
    predictor: int = 1  # 2: horizontal differences
    layout: str = "one strip"  # or "strips" of 2 rows, or "tiles"
    is_big: bool = False
    nodata: str | None = None
    tags: tuple = ()  # instead of, or beside, those that the rest gives: (tag, type, values or None)
    fill_order: int = 1  # 2: the bits of each byte in the reverse order, of uncompressed samples

    @property
    def kind(self):
        return self.sample[0]

    @property
    def bits(self):
        return int(self.sample[1:])

    @property
    def dtype(self):
        """The smallest dtype that holds a sample."""
        n_bytes = next(n for n in (1, 2, 4, 8) if 8 * n >= self.bits)
        return np.dtype(f"{self.kind}{n_bytes}")

    @property
    def white(self):
        """The full scale of a sample."""
        return 1 if self.kind == "f" else 2 ** (self.bits - (self.kind == "i")) - 1

    @property
    def n_colours(self):
        return PHOTOMETRICS[self.photometric][1]

    @property
    def n_samples(self):
        return self.n_colours + len(EXTRA_SAMPLES[self.extra])

    @property
    def alpha(self):
        """The position of the alpha among the samples, or None."""
        kinds = EXTRA_SAMPLES[self.extra]
        found = [i for i, kind in enumerate(kinds) if kind in (ASSOCIATED, UNASSOCIATED)]
        return self.n_colours + found[0] if found else None


def turn(upright, orientation):
    """The array as it is stored, of an upright one: the inverse of what a reader does."""
    row_side, column_side = ORIENTATIONS[orientation]
    if "right" in (row_side, column_side):
        upright = upright[:, ::-1]
    if "bottom" in (row_side, column_side):
        upright = upright[::-1]
    return upright.swapaxes(0, 1) if row_side in ("left", "right") else upright


def write_tiff(variant, samples, colormap=None, n_missing_rows=0):
    """The bytes of a TIFF file.

    Parameters
    ----------
    variant : TiffVariant
    samples : ndarray of shape (height, width, n_samples), dtype `variant.dtype`
        Upright.
    colormap : ndarray of shape (n_entries, 3), dtype uint16, default=None
    n_missing_rows : int, default=0
        How many of the last rows of each strip or tile are left out, as in a damaged file.
    """
    stored = np.ascontiguousarray(turn(samples, variant.orientation))
    planes = np.split(stored, variant.n_samples, axis=2) if variant.is_planar else [stored]
    cut = _cut_tiles if variant.layout == "tiles" else _cut_strips
    blocks = [
        _COMPRESSORS[variant.compression](_pack(block[: len(block) - n_missing_rows], variant))
        for plane in planes
        for block in cut(plane, variant)
    ]
    return _assemble(variant, _tiff_tags(variant, stored.shape, colormap), blocks)


def _rows_per_strip(variant, height):
    return height if variant.layout == "one strip" else 2


def _cut_strips(plane, variant):
    n_rows = _rows_per_strip(variant, len(plane))
    return [plane[i : i + n_rows] for i in range(0, len(plane), n_rows)]


def _cut_tiles(plane, variant):
    """The padding holds white, which must not be seen."""
    height, width, n = plane.shape
    shape = (-(-height // TILE) * TILE, -(-width // TILE) * TILE, n)
    padded = np.full(shape, variant.white, plane.dtype)
    padded[:height, :width] = plane
    return [
        padded[y : y + TILE, x : x + TILE]
        for y in range(0, shape[0], TILE)
        for x in range(0, shape[1], TILE)
    ]


def _pack(block, variant):
    """The bytes of each row of a strip or tile, before compression."""
    if variant.predictor == 2:
        block = block.view(f"u{block.dtype.itemsize}")
        block = np.concatenate([block[:, :1], block[:, 1:] - block[:, :-1]], axis=1)
    if variant.bits in (8, 16, 32, 64):
        packed = block.astype(block.dtype.newbyteorder(variant.order))
        rows = [row.tobytes() for row in packed]
    else:
        rows = pack_bits(block.reshape(len(block), -1), variant.bits)
    return rows if variant.fill_order == 1 else [row.translate(_REVERSED_BITS) for row in rows]


_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def pack_bits(rows, bits):
    """Samples of some bits, the first in the highest bits; each row fills its last byte."""
    places = np.arange(bits - 1, -1, -1)
    is_set = (rows[..., None] >> places.astype(rows.dtype)) & 1
    return [row.tobytes() for row in np.packbits(is_set.reshape(len(rows), -1) > 0, axis=1)]


def _pack_bits_of_macintosh(rows):
    """PackBits, row by row (TIFF 6.0, section 9)."""
    packed = bytearray()
    for row in rows:
        literal = b""
        for byte, run in itertools.groupby(row):
            n = sum(1 for _ in run)
            while n:
                length = min(n, 128)
                if length < 3:
                    literal += bytes([byte]) * length
                else:
                    packed += _literal_runs(literal) + bytes([257 - length, byte])
                    literal = b""
                n -= length
        packed += _literal_runs(literal)
    return bytes(packed)


def _literal_runs(literal):
    runs = (literal[i : i + 128] for i in range(0, len(literal), 128))
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def compress_lzw(content):
    """LZW of TIFF 6.0, section 13: from 9 to 12 bits, the highest first, one code early."""
    clear, end, limit = 256, 257, 4094
    codes, table, known = [(clear, 9)], {}, b""

    def width():
        return max(9, (257 + len(table) + 1).bit_length())

    for byte in content:
        longer = known + bytes([byte])
        if len(longer) == 1 or longer in table:
            known = longer
            continue
        codes.append((table[known] if len(known) > 1 else known[0], width()))
        table[longer] = 258 + len(table)
        known = longer[-1:]
        if table[longer] == limit:
            codes.append((clear, 12))
            table.clear()
    if known:
        codes.append((table[known] if len(known) > 1 else known[0], width()))
        table[None] = None  # the reader adds an entry too
    codes.append((end, width()))
    bits = "".join(f"{code:0{n}b}" for code, n in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


_COMPRESSORS = {
    "none": b"".join,
    "deflate": lambda rows: zlib.compress(b"".join(rows), 1),
    "old deflate": lambda rows: zlib.compress(b"".join(rows), 1),
    "LZW": lambda rows: compress_lzw(b"".join(rows)),
    "PackBits": _pack_bits_of_macintosh,
}


def _tiff_tags(variant, shape, colormap):
    """The tags but those of the offsets and counts, as (type, values)."""
    height, width, n = shape
    sample_format = {"u": 1, "i": 2, "f": 3}[variant.kind]
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [variant.bits] * n),
        259: (SHORT, [COMPRESSIONS[variant.compression]]),
        262: (SHORT, [PHOTOMETRICS[variant.photometric][0]]),
        274: (SHORT, [variant.orientation]),
        277: (SHORT, [n]),
        284: (SHORT, [2 if variant.is_planar else 1]),
    }
    if variant.layout == "tiles":
        tags |= {322: (SHORT, [TILE]), 323: (SHORT, [TILE])}
    else:
        n_rows = _rows_per_strip(variant, height)
        tags[278] = (LONG, [2**32 - 1 if n_rows == height else n_rows])  # the default: all
    if variant.fill_order != 1:
        tags[266] = (SHORT, [variant.fill_order])
    if variant.predictor != 1:
        tags[317] = (SHORT, [variant.predictor])
    if colormap is not None:  # all reds, all greens, all blues
        tags[320] = (SHORT, np.ascontiguousarray(colormap.T).ravel())
    if variant.photometric == "CMYK":
        tags[332] = (SHORT, [1])  # InkSet
    if variant.photometric == "YCbCr":
        tags[530] = (SHORT, [1, 1])  # no subsampling; the default is 2, 2
    extra = EXTRA_SAMPLES[variant.extra]
    if extra and extra != (None,):
        tags[338] = (SHORT, extra)
    if sample_format != 1:
        tags[339] = (SHORT, [sample_format] * n)
    if variant.nodata is not None:
        tags[42113] = (ASCII, list(variant.nodata.encode() + b"\0"))
    tags |= {tag: (kind, values) for tag, kind, values in variant.tags}
    return {tag: content for tag, content in tags.items() if content[1] is not None}


def _assemble(variant, tags, blocks):
    """The header, the blocks, the values that are too long for their entries, the directory."""
    order, offset_type = variant.order, LONG8 if variant.is_big else LONG
    mark = b"II" if order == "<" else b"MM"
    header_size, inline = (16, 8) if variant.is_big else (8, 4)
    content = bytearray(header_size)

    def append(data):
        content.extend(bytes(len(content) % 2))  # at even offsets
        content.extend(data)
        return len(content) - len(data)

    names = (324, 325) if variant.layout == "tiles" else (273, 279)
    tags = tags | {
        names[0]: (offset_type, [append(block) for block in blocks]),
        names[1]: (LONG, [len(block) for block in blocks]),
    }
    entries = []
    for tag, (kind, values) in sorted(tags.items()):
        data = np.asarray(values, f"{order}u{_SIZES[kind]}").tobytes()
        if len(data) > inline:
            data = struct.pack(order + ("Q" if variant.is_big else "I"), append(data))
        count = struct.pack(order + ("Q" if variant.is_big else "I"), len(values))
        entries.append(struct.pack(order + "HH", tag, kind) + count + data.ljust(inline, b"\0"))
    n_entries = struct.pack(order + ("Q" if variant.is_big else "H"), len(entries))
    start = append(n_entries + b"".join(entries) + bytes(inline))
    header = (43, 8, 0, start) if variant.is_big else (42, start)
    content[:header_size] = mark + struct.pack(
        order + ("HHHQ" if variant.is_big else "HI"), *header
    )
    return bytes(content)


GREY, TRUECOLOUR, INDEXED, GREY_ALPHA, TRUECOLOUR_ALPHA = 0, 2, 3, 4, 6
PNG_SAMPLES = {GREY: 1, TRUECOLOUR: 3, INDEXED: 1, GREY_ALPHA: 2, TRUECOLOUR_ALPHA: 4}
# Adam7: the first column and row of each pass, and the steps.
ADAM7 = [
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
]  # fmt: skip


def write_png(
    samples,
    colour_type,
    depth,
    *,
    filters=(0,),
    is_interlaced=False,
    palette=None,
    transparency=None,
    orientation=None,
    before_pixels=(),
    n_parts=1,
    exif_order=">",
):
    """The bytes of a PNG file.

    Parameters
    ----------
    samples : ndarray of shape (height, width, n_samples), integers
        Upright.
    filters : sequence of int
        The filters of the rows, in turn.
    palette : ndarray of shape (n_entries, 3)
    transparency : bytes
        The content of tRNS.
    orientation : int
        The orientation in eXIf, or None to write no eXIf.
    before_pixels : sequence of (bytes, bytes)
        Further chunks: their types and contents.
    n_parts : int
        The number of IDAT chunks.
    """
    stored = turn(samples, 1 if orientation is None else orientation)
    height, width = stored.shape[:2]
    passes = ADAM7 if is_interlaced else [(0, 0, 1, 1)]
    rows = b"".join(_filter_rows(stored[y::dy, x::dx], depth, filters) for x, y, dx, dy in passes)
    compressed = zlib.compress(rows)
    step = -(-len(compressed) // n_parts)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, is_interlaced)
    chunks = [(b"IHDR", header), *before_pixels]
    if palette is not None:
        chunks.append((b"PLTE", np.asarray(palette, np.uint8).tobytes()))
    if transparency is not None:
        chunks.append((b"tRNS", transparency))
    if orientation is not None:
        chunks.append((b"eXIf", _exif(orientation, exif_order)))
    chunks += [(b"IDAT", compressed[i : i + step]) for i in range(0, len(compressed), step)]
    chunks.append((b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def _exif(orientation, order):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 274, SHORT, 1, orientation, 0, 0)


def _filter_rows(samples, depth, filters):
    """The filtered rows of one pass, each after the number of its filter."""
    if 0 in samples.shape:
        return b""  # a pass without pixels has no rows
    if depth == 16:
        rows = [row.tobytes() for row in samples.astype(">u2")]
    else:
        rows = pack_bits(samples.astype(np.uint8).reshape(len(samples), -1), depth)
    step = max(1, samples.shape[2] * depth // 8)
    above = np.zeros(len(rows[0]) + step, int)
    filtered = b""
    for row, kind in zip(rows, itertools.cycle(filters), strict=False):
        # with a pixel of zeros before the row
        row = np.concatenate([np.zeros(step, int), np.frombuffer(row, np.uint8)])
        predicted = _PREDICTED[kind](row[:-step], above[step:], above[:-step])
        filtered += bytes([kind]) + (row[step:] - predicted).astype(np.uint8).tobytes()
        above = row
    return filtered


def _paeth(left, up, corner):
    estimate = left + up - corner
    distances = abs(estimate - left), abs(estimate - up), abs(estimate - corner)
    is_left = (distances[0] <= distances[1]) & (distances[0] <= distances[2])
    return np.where(is_left, left, np.where(distances[1] <= distances[2], up, corner))


_PREDICTED = {
    0: lambda left, up, corner: 0 * left,
    1: lambda left, up, corner: left,
    2: lambda left, up, corner: up,
    3: lambda left, up, corner: (left + up) // 2,
    4: _paeth,
}
