"""DICOM files to pixels, without anything that identifies a patient.

Only the elements in `_TAGS` are read. In a damaged file, their values can be those of others, and
messages of pydicom quote them; none of its errors, warnings and records is passed on.
"""

import io
import logging
import math
import os
import warnings
import zlib
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple

import numpy as np

from sklearn_resnet._images.decoding.dicom_frames import (
    CONVERT,
    NO_IMAGE,
    REPLACE,
    make_frame_reader,
)
from sklearn_resnet._images.decoding.dicom_transforms import Table, has_window, read_transform
from sklearn_resnet._images.decoding.formats import FormatError, import_for_format, is_dicom
from sklearn_resnet._images.decoding.limits import MAX_PIXELS, check_array
from sklearn_resnet._images.decoding.pixels import Pixels
from sklearn_resnet._images.decoding.selection import (
    PAGES_AS_CHANNELS,
    Stack,
    choose_level,
    select_planes,
)

_HEAD_BYTES = 1024
_META_START = 132  # after the preamble
_ITEM_BITS = 64  # of the header of a compressed frame
_GROUP_LENGTH = b"\2\0\0\0UL\4\0"  # an element that says where the data set begins
_TAGS = [
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "NumberOfFrames", "FrameIncrementPointer", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "VOILUTSequence", "RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData", "ICCProfile", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "TotalPixelMatrixColumns", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
]  # fmt: skip
_LOGGERS = ("pydicom", "pydicom.pixels.decoders.base", "pydicom.pixels.utils")
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE = "PALETTE COLOR"
_OTHER_SPACES = ("HSV", "ARGB", "CMYK", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "XYB")
_IMPLICIT, _EXPLICIT, _BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_TIME_POINTERS = {0x00181063, 0x00181065}  # FrameTime, FrameTimeVector
_DEPTH_POINTERS = {0x3004000C, 0x00182005}  # GridFrameOffsetVector, SliceLocationVector
_NO_DICOM = "it is no DICOM file, or its header is damaged"
_DAMAGED = "its pixel data is damaged or incomplete"


_is_reading = ContextVar("is_reading", default=False)


class _Image(NamedTuple):
    """What a header says of its pixels.

    `axis` is that of the frames, as in `Stack`. `padding` are the smallest and the largest stored
    value of pixels without data.
    """

    shape: tuple[int, int]
    n_samples: int
    dtype: np.dtype
    bits: int | None
    space: str
    white_is_zero: bool
    padding: tuple[int, int] | None
    profile: bytes | None
    axis: str
    n_frames: int


def decode_dicom(file, selection, max_pixels, report):
    """Decode a DICOM file: the values after its modality transform, or after its window.

    Parameters
    ----------
    file : binary file object
    selection : Selection
    max_pixels : int or None
    report : callable
        Called with each `Remark` on the file.

    Returns
    -------
    Pixels

    Raises
    ------
    FormatError
        If the file holds no image, or one that cannot be decoded. No message quotes the file.
    """
    pydicom = import_for_format("pydicom", "dicom", "A DICOM file")
    # Its warnings quote the values of odd elements. catch_warnings would change the filters of other
    # threads.
    warnings.filterwarnings("ignore", module=r"pydicom\b")
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_of_others)
    token = _is_reading.set(True)
    try:
        return _decode(pydicom, file, selection, max_pixels, report)
    finally:
        _is_reading.reset(token)


def _is_of_others(record):
    """Whether a record of pydicom's logger is not of a file that is decoded here."""
    return not _is_reading.get()


def _decode(pydicom, file, selection, max_pixels, report):
    file = _shield(_inflate, file, max_pixels, cause=_DAMAGED)
    header = _shield(_read_header, pydicom, file, cause=_NO_DICOM)
    image = _shield(_describe, header, cause="its description of the pixels is damaged")
    choose_level([image.shape], selection)  # there is one
    n_at_once = image.n_frames if selection.page == PAGES_AS_CHANNELS else 1
    check_array((*image.shape, image.n_samples * n_at_once), image.dtype, max_pixels)
    _shield(_check_frames, file, header, image, cause=_DAMAGED)
    if selection.window and (image.space != "grey" or not has_window(header)):
        raise FormatError(
            "it has no window, which rescale='window' applies",
            "Pass rescale=(low, high) or rescale='percentile' to ImageLoader.",
        )
    read, values = _shield(
        _make_reader,
        pydicom,
        file,
        header,
        image,
        selection,
        cause="its value transform is damaged",
    )
    is_stack = image.n_frames > 1
    stack = Stack(
        axes=image.axis * is_stack,
        shape=(image.n_frames,) * is_stack,
        read=lambda index: _shield(read, index[0] if index else 0, cause=_DAMAGED),
        plane_shape=image.shape,
        no_data=values["no_data"],
        white_is_zero=image.white_is_zero,
    )
    samples, names = select_planes(stack, selection, report)
    return Pixels(
        samples=samples,
        space=image.space if names is None else "channels",
        white_is_zero=image.white_is_zero,
        profile=image.profile,
        channel_names=names,
        **values,
    )


def _shield(function, *args, cause):
    """Call a function; an error of pydicom becomes one that quotes nothing of the file."""
    try:
        return function(*args)
    except (FormatError, MemoryError):
        raise
    except Exception:
        error = FormatError(cause, REPLACE)
    # an error that is raised above has the other one as its context
    raise error


def _inflate(file, max_pixels):
    """Inflate a data set that is deflated as a whole, because the reader knows no bound."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if not is_dicom(head) or _DEFLATED.encode() not in head:
        return file
    if not head.startswith(_GROUP_LENGTH, _META_START):
        raise FormatError(_DAMAGED, REPLACE)
    start = _META_START + len(_GROUP_LENGTH) + 4
    file.seek(start + int.from_bytes(head[start - 4 : start], "little"))
    max_bytes = 4 * (max_pixels or MAX_PIXELS)
    content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), max_bytes + 1)
    if len(content) > max_bytes:
        raise FormatError("it unpacks to more than the limit of ImageLoader(max_pixels=)", REPLACE)
    return io.BytesIO(content)


def _read_header(pydicom, file):
    """Read what describes the pixels, up to them."""
    file.seek(0)
    header = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=_TAGS)
    if "Rows" not in header or "PhotometricInterpretation" not in header:
        file.seek(0)
        is_known = is_dicom(file.read(_HEAD_BYTES))
        raise FormatError(NO_IMAGE if is_known else _NO_DICOM, REPLACE)
    if "TransferSyntaxUID" not in header.file_meta:
        is_implicit, is_little = header.original_encoding
        syntax = _BIG if not is_little else _IMPLICIT if is_implicit else _EXPLICIT
        header.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    return header


def _describe(header):
    """Describe the pixels."""
    n_samples = int(header.get("SamplesPerPixel", 1))  # an odd element has several values, or text
    name = str(header.PhotometricInterpretation)
    if name in _OTHER_SPACES:
        raise FormatError(f"its colour space, {name}, is not supported", CONVERT)
    if name not in (*_GREY, *_COLOURS, _PALETTE) or n_samples != (3 if name in _COLOURS else 1):
        raise FormatError("its colour space is unknown, or does not fit its samples", REPLACE)
    kind = "f" if "BitsStored" not in header else "ui"[header.PixelRepresentation]
    dtype = np.dtype(f"{kind}{max(8, header.BitsAllocated) // 8}")
    bits = header.BitsStored if kind == "u" and header.BitsStored <= 16 else None
    if name == _PALETTE:
        bits = int(header.RedPaletteColorLookupTableDescriptor[2])
        dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    axis, n_frames = _find_axis(header)
    return _Image(
        shape=(int(header.Rows), int(header.Columns)),
        n_samples=3 if name == _PALETTE else n_samples,
        dtype=dtype,
        bits=bits,
        space="grey" if name in _GREY else "RGB",
        white_is_zero=name == "MONOCHROME1",
        padding=_find_padding(header, dtype) if name in _GREY and kind != "f" else None,
        profile=header.get("ICCProfile") if name not in _GREY else None,
        axis=axis,
        n_frames=n_frames,
    )


def _find_axis(header):
    """Find the axis of the frames, as in `Stack`, and their number."""
    n_frames = int(header.get("NumberOfFrames") or 1)
    if header.get("TotalPixelMatrixColumns", 0) > header.Columns:
        return "P", n_frames  # tiles of a whole slide
    pointers = {int(tag) for tag in np.ravel(header.get("FrameIncrementPointer", []))}
    return (
        "T" if pointers & _TIME_POINTERS else "Z" if pointers & _DEPTH_POINTERS else "Q",
        n_frames,
    )


def _check_frames(file, header, image):
    """Refuse values in other bits, and more frames than a file can hold, each of which may be read."""
    is_plain = header.file_meta.TransferSyntaxUID in (_IMPLICIT, _EXPLICIT, _BIG, _DEFLATED)
    # pydicom takes the lowest bits
    if is_plain and header.get("HighBit", 0) >= header.get("BitsStored", math.inf):
        raise FormatError("its values are not in the lowest bits of its pixels (HighBit)", CONVERT)
    n_bits = math.prod(image.shape) * header.BitsAllocated if is_plain else _ITEM_BITS
    n_held = 8 * file.seek(0, os.SEEK_END) // n_bits
    if image.n_frames < 1 or image.n_frames > max(1, n_held):
        raise FormatError(_DAMAGED, REPLACE)


def _find_padding(header, dtype):
    """Find the range of stored values of pixels without data."""
    first = header.get("PixelPaddingValue")
    if first is None:
        return None
    # the VR of the elements may not know whether the values are signed
    n_values = 2 ** (8 * dtype.itemsize)
    ends = [
        int(end) % n_values
        - n_values * (dtype.kind == "i" and int(end) % n_values >= n_values // 2)
        for end in (first, header.get("PixelPaddingRangeLimit", first))
    ]
    return min(ends), max(ends)


def _make_reader(pydicom, file, header, image, selection):
    """Make a function that reads a frame by its index; return it, and what its values mean."""
    read_one = partial(read_transform, header, is_windowed=selection.window)
    n_described = len(header.get("PerFrameFunctionalGroupsSequence") or [])
    transforms = [read_one(i) for i in range(min(n_described, image.n_frames))]
    if n_described < image.n_frames:  # the same for all further frames
        transforms.append(read_one(n_described))
    values = _describe_values(image, transforms, selection)
    dtype = values.pop("dtype")
    read_stored = make_frame_reader(pydicom, file, header, (*image.shape, image.n_samples))

    def read(i):
        transform = transforms[min(i, len(transforms) - 1)]
        stored = read_stored(i).astype(image.dtype, copy=False)  # in the byte order of this machine
        if transform.modality is None and transform.window is None and image.padding is None:
            return stored
        is_padding = None
        if image.padding is not None:
            is_padding = (stored >= image.padding[0]) & (stored <= image.padding[1])
        white = values["window_range"][1] if selection.window else None
        plane = transform.apply_to_plane(stored, dtype, white)
        if is_padding is not None:
            black = white if image.white_is_zero else 0
            plane[is_padding] = black if selection.window else values["no_data"]
        return plane

    return read, values


def _describe_values(image, transforms, selection):
    """Describe the transformed values by their dtype and by arguments of `Pixels`."""
    modalities = [transform.modality for transform in transforms]
    dtype, bits, no_data, window_range = image.dtype, image.bits, None, None
    if isinstance(modalities[0], Table):  # of all frames
        dtype, bits = modalities[0].entries.dtype, modalities[0].bits
    elif any(modality is not None for modality in modalities):
        dtype, bits = np.dtype(np.float32), None
    if selection.window:
        is_kept = selection.mode == "channels" and bits is not None
        dtype = dtype if is_kept else np.dtype(np.float32)
        window_range = 0.0, float(np.iinfo(dtype).max) if is_kept else 1.0
        bits = 8 * dtype.itemsize if is_kept else None
    elif image.padding is not None:
        no_data = float(
            transforms[0].apply(np.array([image.padding[0]], image.dtype)).astype(dtype)[0]
        )
    return {"dtype": dtype, "bits": bits, "no_data": no_data, "window_range": window_range}
