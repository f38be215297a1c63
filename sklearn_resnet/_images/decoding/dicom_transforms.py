"""From the stored values of DICOM to those of the modality, and through a window."""

import math
from typing import NamedTuple

import numpy as np

_BAND_BYTES = 2**20
_MODALITY_GROUP, _WINDOW_GROUP = "PixelValueTransformationSequence", "FrameVOILUTSequence"


class Table(NamedTuple):
    """A lookup table.

    Attributes
    ----------
    first : int
        The value that the first entry replaces.
    entries : ndarray of shape (n_entries,)
    bits : int
        The bits of an entry.
    """

    first: int
    entries: np.ndarray
    bits: int

    def apply(self, values):
        """Look up values; those below or above the table take its first or last entry."""
        indices = np.rint(values).astype(np.int64) - self.first
        return self.entries[np.clip(indices, 0, len(self.entries) - 1)]


class Window(NamedTuple):
    """A window.

    Attributes
    ----------
    centre, width : float
    function : {"LINEAR", "LINEAR_EXACT", "SIGMOID"}
    """

    centre: float
    width: float
    function: str

    def apply(self, values):
        """Map float64 to 0 to 1, as section C.11.2.1 of part 3 of the standard defines it."""
        centre, width = self.centre, self.width
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):  # to infinity, whose inverse is 0
                return 1 / (1 + np.exp(-4 * (values - centre) / width))
        if self.function == "LINEAR":
            centre, width = centre - 0.5, width - 1
        if width == 0:
            return (values > centre).astype(np.float64)
        return np.clip((values - centre) / width + 0.5, 0, 1)


class Transform(NamedTuple):
    """From the stored values of a frame to those of the modality, and through its window.

    Attributes
    ----------
    modality : Table, tuple of 2 float, or None
        A table, or the slope and the intercept; None leaves the values as they are.
    window : Table, Window or None
    """

    modality: Table | tuple[float, float] | None
    window: Table | Window | None

    def apply(self, values):
        """Transform an array; the result has the dtype of the last step."""
        if isinstance(self.modality, Table):
            values = self.modality.apply(values)
        elif self.modality is not None:
            values = values * np.float64(self.modality[0]) + self.modality[1]
        if isinstance(self.window, Table):
            return self.window.apply(values) / (2**self.window.bits - 1)
        return values if self.window is None else self.window.apply(np.asarray(values, np.float64))

    def apply_to_plane(self, values, dtype, white=None):
        """Transform a plane to a dtype; `white` is the value of the dtype for the end of the window.

        The transform makes copies in float64, so it is applied to all values of 8 and 16 bits once, or
        to bands of rows.
        """
        n_values = 2 ** (8 * values.itemsize)
        if values.dtype.kind in "iu" and n_values <= min(values.size, 2**16):
            unsigned = np.dtype(f"u{values.itemsize}")
            every = np.arange(n_values, dtype=unsigned).view(values.dtype)
            return self._apply_and_cast(every, dtype, white)[values.view(unsigned)]
        transformed = np.empty(values.shape, dtype)
        n_rows = max(1, _BAND_BYTES // max(1, values[0].nbytes))
        for start in range(0, len(values), n_rows):
            rows = slice(start, start + n_rows)
            transformed[rows] = self._apply_and_cast(values[rows], dtype, white)
        return transformed

    def _apply_and_cast(self, values, dtype, white):
        values = self.apply(values)
        values = values if white is None else values * white
        return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def read_transform(header, i, *, is_windowed):
    """Read the transform of a frame.

    Parameters
    ----------
    header : pydicom.Dataset
    i : int
        The index of the frame.
    is_windowed : bool
        Whether to apply its window; it must have one.
    """
    item = _find_item(header, i, _MODALITY_GROUP, "RescaleSlope")
    modality = None
    if header.get("ModalityLUTSequence"):
        modality = _read_table(header.ModalityLUTSequence[0], header)
    elif item is not None and item.get("RescaleIntercept") is not None:
        modality = float(item.RescaleSlope), float(item.RescaleIntercept)
        modality = None if modality == (1, 0) else modality
    return Transform(modality, _read_window(header, i) if is_windowed else None)


def has_window(header):
    """Whether the first frame has a window."""
    return bool(header.get("VOILUTSequence")) or _find_window_item(header, 0) is not None


def _read_window(header, i):
    if header.get("VOILUTSequence"):
        return _read_table(header.VOILUTSequence[0], header)
    item = _find_window_item(header, i)
    window = Window(
        float(np.ravel(item.WindowCenter)[0]),
        float(np.ravel(item.WindowWidth)[0]),
        str(item.get("VOILUTFunction") or "LINEAR").upper(),
    )
    smallest = 1 if window.function == "LINEAR" else math.nextafter(0, 1)
    if window.function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID") or not (
        window.width >= smallest and math.isfinite(window.width + window.centre)
    ):
        raise ValueError("its window is invalid")
    return window


def _find_window_item(header, i):
    item = _find_item(header, i, _WINDOW_GROUP, "WindowWidth")
    return None if item is None or item.get("WindowCenter") is None else item


def _find_item(header, i, group, keyword):
    """Find the item with an element: of a frame, of all frames, or the header; None if none has it."""
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for functional in (*frames[i : i + 1], *shared[:1]):
        items = functional.get(group)
        if items and items[0].get(keyword) is not None:
            return items[0]
    return header if header.get(keyword) is not None else None


def _read_table(item, header):
    n_entries, first, bits = map(int, item.LUTDescriptor)
    n_entries = n_entries or 2**16
    if header.PixelRepresentation == 1 and first >= 2**15:
        first -= 2**16  # the VR of the element does not know that it is signed
    data = item.LUTData
    if isinstance(data, bytes):
        is_packed = len(data) in (n_entries, n_entries + 1) and bits <= 8
        order = "<" if header.original_encoding[1] is not False else ">"
        data = np.frombuffer(data, np.uint8 if is_packed else f"{order}u2")
    entries = np.asarray(data)[:n_entries].astype(np.uint8 if bits <= 8 else np.uint16)
    if len(entries) < n_entries:
        raise ValueError("a table is shorter than it claims")
    return Table(first, entries, bits)
