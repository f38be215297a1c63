"""Pixels: everything that a file says of its pixels, in one record for all formats."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

N_COLOURS = {"grey": 1, "RGB": 3, "palette": 1, "CMYK": 4, "YCbCr": 3, "CIELab": 3, "ICCLab": 3}
COLOUR_NAMES = {"RGB": ("R", "G", "B"), "CMYK": ("C", "M", "Y", "K")}
STRAIGHT, PREMULTIPLIED, UNSPECIFIED = "straight alpha", "premultiplied alpha", "unspecified"


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The samples of an image, and all that gives them a meaning.

    Attributes
    ----------
    samples : PIL.Image.Image, or ndarray of shape (height, width, n_samples)
        An image of Pillow has 8 bits, and its mode describes its colours, palette and alpha. An array
        has the dtype of the file.
    space : {"grey", "RGB", "palette", "CMYK", "YCbCr", "CIELab", "ICCLab", "channels"}
        The colour space of the first samples of an array, as TIFF defines it: a* and b* are signed in
        CIELab, and have an offset in ICCLab. In "channels", all samples are channels.
    bits : int or None
        The significant bits of unsigned integers of up to 16 bits; None for all others.
    white_is_zero : bool
        Whether 0 is white.
    extra : tuple of {"straight alpha", "premultiplied alpha", "unspecified"}
        The kinds of the samples of an array that follow the colours.
    alpha_has_range : bool
        Whether alpha has the value range of the colours; otherwise its full scale is 1 for floats, and
        the maximum of `bits` or the dtype for integers.
    palette : ndarray of shape (n_colours, 3), dtype uint8, or None
    no_data : float, tuple of int, or None
        Pixels of an array whose colours all have this value, or these values, are transparent.
    orientation : int
        As defined by EXIF, from 1 to 8.
    profile : bytes or None
        The ICC profile.
    channel_names : tuple of str, or None
        The names of the samples of an array, if they are the chosen channels of the file; None if all
        samples of the file are there, and none has been chosen yet.
    window_range : tuple of 2 float, or None
        The black and the white level of samples to which the window of their file has been applied.
    """

    samples: Image.Image | np.ndarray
    space: str = "grey"
    bits: int | None = None
    white_is_zero: bool = False
    extra: tuple[str, ...] = ()
    alpha_has_range: bool = False
    palette: np.ndarray | None = None
    no_data: float | tuple[int, ...] | None = None
    orientation: int = 1
    profile: bytes | None = None
    channel_names: tuple[str, ...] | None = None
    window_range: tuple[float, float] | None = None

    @property
    def n_colours(self):
        """The number of samples of an array that are colours."""
        return self.samples.shape[2] if self.space == "channels" else N_COLOURS[self.space]
