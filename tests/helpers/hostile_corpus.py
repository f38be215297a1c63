"""Files to attack readers with: sound ones and their mutants, and crafted ones of each format."""

import io
import struct
import zipfile
import zlib

import h5py
import numpy as np
import tifffile
from astropy.io import fits
from dicom_files import make_dicom
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 48, 3), dtype=np.uint8)
FORMATS = {
    "jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "cmyk.jpg": ("JPEG", {"mode": "CMYK"}),
    "png": ("PNG", {}),
    "palette.png": ("PNG", {"mode": "P"}),
    "alpha.png": ("PNG", {"mode": "RGBA"}),
    "deep.png": ("PNG", {"mode": "I;16"}),
    "tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate.tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "jpeg.tif": ("TIFF", {"compression": "jpeg"}),
    "gif": ("GIF", {"mode": "P"}),
    "moving.gif": ("GIF", {"mode": "P", "save_all": True}),
    "bmp": ("BMP", {}),
    "webp": ("WEBP", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "ppm": ("PPM", {}),
    "pgm": ("PPM", {"mode": "L"}),
    "jp2": ("JPEG2000", {}),
    "avif": ("AVIF", {}),
}


def make_seeds():
    """One sound file of each format, by how its name ends."""
    seeds = {}
    for ending, (name, options) in FORMATS.items():
        options = dict(options)
        mode = options.pop("mode", "RGB")
        image = Image.fromarray(PIXELS)
        if mode == "I;16":
            image = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
        elif mode != "RGB":
            image = image.convert(mode)
        if "save_all" in options:
            options["append_images"] = [image.rotate(90)] * 2
        file = io.BytesIO()
        image.save(file, name, **options)
        seeds[ending] = file.getvalue()
    for ending, array in {
        "npy": PIXELS,
        "float.npy": PIXELS.astype(float),
    }.items():
        file = io.BytesIO()
        np.save(file, array)
        seeds[ending] = file.getvalue()
    file = io.BytesIO()
    tifffile.imwrite(file, PIXELS.astype(np.float64), photometric="rgb")
    seeds["float.tif"] = file.getvalue()
    return seeds | make_scientific_seeds()


def make_scientific_seeds():
    """One sound file of each format of arrays, by how its name ends."""
    grey, hdf5, fits_file, npz = PIXELS[..., 0], io.BytesIO(), io.BytesIO(), io.BytesIO()
    with h5py.File(hdf5, "w") as file:
        file.create_dataset("a/image", data=PIXELS, chunks=(16, 16, 3), compression="gzip")
        file["vector"] = np.arange(9)
    packed = fits.CompImageHDU(grey.astype(np.int16))
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(fits_file)
    np.savez_compressed(npz, image=PIXELS, vector=grey[0])
    window = {"WindowCenter": 99, "WindowWidth": 99, "RescaleSlope": 2, "RescaleIntercept": -9}
    return {
        "dcm": make_dicom(grey.astype(np.uint16), bits=12, **window),
        "deflated.dcm": make_dicom(np.stack([grey] * 2), syntax=DeflatedExplicitVRLittleEndian),
        "h5": hdf5.getvalue(),
        "fits": fits_file.getvalue(),
        "npz": npz.getvalue(),
    }


def mutate(rng, content, others):
    """Damage a file as transfers, disks and attackers do."""
    content = bytearray(content)
    n = len(content)
    kind = rng.integers(7)
    if kind == 0:  # bits flip anywhere
        for i in rng.integers(0, n, rng.integers(1, 17)):
            content[i] ^= 1 << int(rng.integers(8))
    elif kind == 1:  # in the header, where sizes stand
        for i in rng.integers(0, min(n, 64), rng.integers(1, 9)):
            content[i] = int(rng.integers(256))
    elif kind == 2:  # truncated
        del content[int(rng.integers(n)) :]
    elif kind == 3:  # the header of another
        other = others[int(rng.integers(len(others)))]
        size = int(rng.integers(4, 64))
        content[:size] = other[:size]
    elif kind == 4:  # a block is lost
        start = int(rng.integers(n))
        del content[start : start + int(rng.integers(1, 100))]
    elif kind == 5:  # a block of zeros, or of ones
        start, size = int(rng.integers(n)), int(rng.integers(1, 100))
        content[start : start + size] = bytes([255 * int(rng.integers(2))]) * size
    else:  # extreme numbers
        start = int(rng.integers(max(1, n - 4)))
        value = int(rng.choice([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
        content[start : start + 4] = struct.pack(rng.choice([">I", "<I"]), value)
    return bytes(content)


def make_mutants(first, last):
    """Name and content of each, the same whenever it is made."""
    seeds = make_seeds()
    for i in range(first, last):
        ending = list(seeds)[i % len(seeds)]
        content = mutate(np.random.default_rng(i), seeds[ending], list(seeds.values()))
        yield f"{i}.{ending}", content


def png_of(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make_bombs():
    """Small files that claim to be huge, by suffix."""
    webp = b"VP8L" + struct.pack("<IBI", 8, 0x2F, 16_383 | 16_383 << 14) + bytes(3)
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(file, header)
    return {
        "png": png(ihdr(50_000, 50_000), (b"IDAT", zlib.compress(bytes(10**7)))),
        "tif": tiff(tags(60_000, 60_000, compression=4)),
        "gif": gif((65_535, 65_535), b",\0\0\0\0\xff\xff\xff\xff\0\x02\0"),
        "webp": b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp,
        "npy": file.getvalue(),
        "bmp": bmp(40_000, 40_000),
        "ppm": b"P6 40000 40000 255 ",
        "jpg": jpeg(height=65_500, width=65_500),
        "jp2": jpeg2000(100_000, 100_000),
        **make_scientific_bombs(file.getvalue()),
    }


def make_scientific_bombs(npy):
    hdf5, npz, fits_file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with h5py.File(hdf5, "w") as file:  # chunks that were never written
        file.create_dataset("x", (10**6, 10**6), "u1", chunks=(100, 100))
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr("x.npy", npy)
    fits.PrimaryHDU(PIXELS[..., 0]).writeto(fits_file)
    sides = [f"NAXIS{i}  = {side:20}".encode() for i, side in ((1, 48), (2, 40))]
    claims = [f"NAXIS{i}  = {10**6:20}".encode() for i in (1, 2)]
    header = fits_file.getvalue().replace(sides[0], claims[0]).replace(sides[1], claims[1])
    return {
        "dcm": make_dicom(PIXELS[..., 0], Rows=60_000, Columns=60_000),
        "fits": header,
        "h5": hdf5.getvalue(),
        "npz": npz.getvalue(),
    }


def png(*chunks, end=True):
    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    chunks = [*chunks, (b"IEND", b"")] if end else chunks
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def ihdr(width, height, depth=8, kind=0):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)


def gif(size, blocks, end=b";"):
    header = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return header + blocks + end


def gif_frame(size=(4, 4), data=b"\x02\x02D\1\0"):
    return b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + data


def tags(width=4, height=4, compression=1, bits=1, **others):
    """Number, type and value of each tag of a TIFF; type 3 is of 2 bytes, 4 of 4."""
    found = {
        256: (4, width),
        257: (4, height),
        258: (3, bits),
        259: (3, compression),
        262: (3, 1),
        273: (4, 8),
        277: (3, 1),
        278: (4, height),
        279: (4, 8),
    }
    for number, value in others.items():
        found[int(number[1:])] = value
    return found


def tiff(tags, following=0, first=None):
    """A TIFF whose data are 8 bytes from byte 8, before its directory."""
    entries = b"".join(
        struct.pack("<HHI4s", number, kind, *(rest or [1])[:1], struct.pack("<I", value))
        for number, (kind, value, *rest) in sorted(tags.items())
    )
    first = 16 if first is None else first
    return (
        struct.pack("<2sHI", b"II", 42, first)
        + b"\xff" * 8
        + struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", following)
    )


def bmp(width, height, *, bits=24, compression=0, colours=0, data=b"", header=40, offset=54):
    info = struct.pack(
        "<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, colours, 0
    )
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, offset) + info + data


def jpeg(height=8, width=8, before=b"", after=b""):
    """Without tables, so that it can be opened and not decoded."""
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8" + before + b"\xff\xc0" + frame + after + b"\xff\xd9"


def many_scans(n):
    """A progressive JPEG whose last scan comes again and again, each time over all pixels."""
    file = io.BytesIO()
    Image.new("L", (3000, 3000), 77).save(file, "JPEG", progressive=True)
    content = file.getvalue()[:-2]
    return content + content[content.rindex(b"\xff\xda") :] * n + b"\xff\xd9"


def exif(content):
    content = b"Exif\0\0" + content
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def jpeg2000(width, height, tile=(64, 64)):
    size = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, *tile, 0, 0, 1) + b"\7\1\1"
    style = b"\xff\x52" + struct.pack(">H", 12) + b"\0\0\0\1\0\0\4\4\0\1"
    quantization = b"\xff\x5c" + struct.pack(">H", 4) + b"\x40\x40"
    return (
        b"\xff\x4f\xff\x51"
        + struct.pack(">H", len(size) + 2)
        + size
        + style
        + quantization
        + b"\xff\xd9"
    )


def npy(header, version=1, length=None):
    header = header.encode()
    length = len(header) if length is None else length
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", length)
        + header
    )


def riff(*chunks, size=None):
    content = b"WEBP" + b"".join(name + struct.pack("<I", len(c)) + c for name, c in chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content


def make_crafted():
    """By name, files as fuzzers have found them: none may be slow, take much memory, or crash."""
    flat = zlib.compress(bytes(20))
    sound = ihdr(4, 4), (b"IDAT", flat)
    self_pointing = tiff({34665: (4, 16), 330: (4, 16)}, following=16)
    moving = [
        (b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        (b"fcTL", struct.pack(">IIIIIHHBB", 0, 9, 9, 2**31, 2**31, 0, 0, 9, 9)),
    ]
    kind = "{'descr': '|u1', 'fortran_order': False, 'shape': %s}\n"
    return {
        "no sides.png": png(ihdr(0, 0), (b"IDAT", flat)),
        "negative sides.png": png(ihdr(2**31, 2**32 - 1), (b"IDAT", flat)),
        "one long side.png": png(ihdr(2**31 - 1, 1), (b"IDAT", flat)),
        "impossible depth.png": png(ihdr(4, 4, depth=77, kind=99), (b"IDAT", flat)),
        "data before header.png": png((b"IDAT", flat), ihdr(4, 4)),
        "no data.png": png(ihdr(4, 4)),
        "broken zlib.png": png(ihdr(4, 4), (b"IDAT", b"x\x9c" + b"\xff" * 40)),
        "half of zlib.png": png(ihdr(64, 64), (b"IDAT", zlib.compress(bytes(4160))[:9])),
        "more data than pixels.png": png(ihdr(4, 4), (b"IDAT", zlib.compress(bytes(10**7)))),
        "endless chunks.png": png(ihdr(4, 4), *[(b"heLL", b"")] * 100_000, (b"IDAT", flat)),
        "endless data.png": png(ihdr(4, 4), *[(b"IDAT", b"")] * 100_000),
        "endless texts.png": png(ihdr(4, 4), *[(b"tEXt", b"a\0b")] * 50_000, (b"IDAT", flat)),
        "text bomb.png": png(
            ihdr(4, 4), (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))), (b"IDAT", flat)
        ),
        "profile bomb.png": png(
            ihdr(4, 4), (b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8))), (b"IDAT", flat)
        ),
        "negative length.png": png(ihdr(4, 4), end=False) + b"\xff\xff\xff\xffIDAT" + flat,
        "palette of one byte.png": png(ihdr(4, 4, kind=3), (b"PLTE", b"x"), (b"IDAT", flat)),
        "frames beyond number.png": png(sound[0], *moving, sound[1]),
        "EXIF that is its own.png": png(sound[0], (b"eXIf", self_pointing), sound[1]),
        "no sides.gif": gif((0, 0), gif_frame((0, 0))),
        "frame larger than canvas.gif": gif((1, 1), gif_frame((65_535, 65_535))),
        "broken LZW.gif": gif((64, 64), gif_frame((64, 64), b"\x02\x09" + b"\xff" * 9 + b"\0")),
        "LZW of 255 bits.gif": gif((4, 4), gif_frame(data=b"\xff\x02D\1\0")),
        "endless LZW.gif": gif((4, 4), gif_frame(data=b"\x02" + (b"\xff" + bytes(255)) * 20_000)),
        "endless extensions.gif": gif((4, 4), b"!\xf9\4\0\0\0\0\0" * 100_000 + gif_frame()),
        "endless comments.gif": gif((4, 4), b"!\xfe\1a\0" * 100_000 + gif_frame()),
        "endless frames.gif": gif((4, 4), gif_frame() * 50_000),
        "no end.gif": gif((4, 4), b"!\xff\x0b", end=b""),
        "its own next.tif": tiff(tags(), following=16),
        "its own inner.tif": tiff(tags(_330=(4, 16), _34665=(4, 16), _34853=(4, 16))),
        "directory beyond end.tif": tiff(tags(), first=2**32 - 1),
        "directory in header.tif": tiff(tags(), first=0),
        "no sides.tif": tiff(tags(0, 0)),
        "strip beyond end.tif": tiff(tags(_273=(4, 2**32 - 1), _279=(4, 2**32 - 1))),
        "strips beyond number.tif": tiff(tags(_273=(4, 8, 2**32 - 1), _279=(4, 8, 2**32 - 1))),
        "no rows in a strip.tif": tiff(tags(_278=(4, 0))),
        "tiles of nothing.tif": tiff(tags(_322=(4, 0), _323=(4, 0), _324=(4, 8), _325=(4, 8))),
        "huge tiles.tif": tiff(tags(_322=(4, 2**30), _323=(4, 2**30), _324=(4, 8), _325=(4, 8))),
        "channels beyond number.tif": tiff(tags(_277=(3, 65_535))),
        "broken LZW.tif": tiff(tags(bits=8, compression=5)),
        "broken zlib.tif": tiff(tags(bits=8, compression=8)),
        "broken fax.tif": tiff(tags(4000, 4000, compression=4)),
        "deep, no sides.tif": tiff(tags(0, 0, bits=64, _339=(3, 3))),
        "deep, its own next.tif": tiff(tags(bits=64, _339=(3, 3)), following=16),
        "deep, broken zlib.tif": tiff(tags(bits=64, compression=8, _339=(3, 3))),
        "deep, strip beyond end.tif": tiff(
            tags(bits=64, _339=(3, 3), _273=(4, 2**32 - 1), _279=(4, 2**32 - 1))
        ),
        "deep, strips beyond number.tif": tiff(
            tags(bits=64, _339=(3, 3), _273=(4, 8, 2**32 - 1), _279=(4, 8, 2**32 - 1))
        ),
        "deep, huge tiles.tif": tiff(
            tags(bits=64, _339=(3, 3), _322=(4, 2**15), _323=(4, 2**15), _324=(4, 8), _325=(4, 8))
        ),
        "deep, volume.tif": tiff(tags(bits=64, _339=(3, 3), _32997=(4, 10**6))),
        "deep, channels beyond number.tif": tiff(tags(bits=64, _339=(3, 3), _277=(3, 65_535))),
        "no height.jpg": jpeg(height=0),
        "no tables.jpg": jpeg(after=b"\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\0" * 64),
        "no scan.jpg": jpeg(),
        "endless scans.jpg": many_scans(20_000),
        "endless markers.jpg": jpeg(before=b"\xff\xe5\0\2" * 200_000),
        "endless comments.jpg": jpeg(before=b"\xff\xfe\0\3a" * 100_000),
        "marker of no length.jpg": jpeg(before=b"\xff\xe1\0\0"),
        "EXIF that is its own.jpg": jpeg(before=exif(self_pointing)),
        "EXIF beyond end.jpg": jpeg(before=exif(tiff({274: (3, 6, 2**32 - 1)}, first=2**31))),
        "upside down beyond number.bmp": bmp(4, -(2**31)),
        "negative width.bmp": bmp(-4, 4),
        "no sides.bmp": bmp(0, 0),
        "data beyond end.bmp": bmp(4, 4, offset=2**32 - 1),
        "header beyond end.bmp": bmp(4, 4, header=2**32 - 1),
        "palette beyond number.bmp": bmp(4, 4, bits=8, colours=2**32 - 1),
        "jumps out.bmp": bmp(
            4, 4, bits=8, compression=1, colours=2, data=bytes(8) + b"\0\2\xff\xff" * 1000
        ),
        "endless lines.bmp": bmp(
            4, 4, bits=8, compression=1, colours=2, data=bytes(8) + b"\0\0" * 10**6
        ),
        "huge canvas.webp": riff((b"VP8X", b"\x10\0\0\0" + b"\xff" * 6)),
        "size beyond end.webp": riff((b"VP8L", b"\x2f\3\xc0\0\0" + bytes(9)), size=2**32 - 1),
        "no data.webp": riff(),
        "endless chunks.webp": riff(
            (b"VP8X", b"\0\0\0\0\3\0\0\3\0\0"), *[(b"XXXX", b"")] * 100_000
        ),
        "no sides.ppm": b"P6 0 0 255 ",
        "negative sides.ppm": b"P6 -4 -4 255 " + bytes(48),
        "white is black.pgm": b"P5 4 4 0 " + bytes(16),
        "digits beyond number.ppm": b"P6 " + b"9" * 100_000 + b" 4 255 ",
        "endless comment.ppm": b"P6 #" + b"x" * 10**6,
        "no data.ppm": b"P3 4000 4000 255 ",
        "words.ppm": b"P3 4 4 255 " + b"a" * 10**6,
        "no sides.jp2": jpeg2000(0, 0),
        "tiles of nothing.jp2": jpeg2000(64, 64, tile=(0, 0)),
        "tiles beyond number.jp2": jpeg2000(8000, 8000, tile=(1, 1)),
        "box in itself.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0jp2h" * 1000,
        "box of no length.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\1jp2h" + bytes(8),
        "no boxes.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
        "box beyond end.avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\xff\xff\xff\xffmeta",
        "nested.npy": npy("(" * 4900 + ")" * 4900),
        "long header.npy": npy("(" * 30_000),
        "a program.npy": npy(kind % "__import__('os').mkdir('exploded')"),
        "negative sides.npy": npy(kind % "(-4, -4)") + bytes(16),
        "sides beyond number.npy": npy(kind % "(10**99, 4)"),
        "many axes.npy": npy(kind % f"({'1,' * 5000})"),
        "header beyond end.npy": npy("{", version=2, length=2**32 - 1),
        "huge elements.npy": npy(
            "{'descr': '(1000000,1000)u1', 'fortran_order': False, 'shape': (1, 1)}\n"
        ),
        "long text.npy": npy("{'descr': '<U500000000', 'fortran_order': False, 'shape': (1, 1)}\n"),
    }
