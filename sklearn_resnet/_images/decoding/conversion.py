"""Pixels to an upright 8-bit image of mode L or RGB, in one order for all formats.

No data, white level, inversion, premultiplied alpha, depth, colour space, profile, alpha on white,
orientation. Images of 8 bits begin at the colour space, because Pillow has done the rest.
"""

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.pixels import PREMULTIPLIED, UNSPECIFIED
from sklearn_resnet._images.decoding.profiles import convert_lab_to_srgb, convert_to_srgb
from sklearn_resnet._images.intensity import infer_value_range, to_uint8

_BAND_BYTES = 2**20
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def to_8_bit_image(pixels, value_range, report):
    """Apply all that a record says.

    Parameters
    ----------
    pixels : Pixels
    value_range : tuple of 2 float or None
        The black and the white level; None infers them from the values.
    report : callable
        Called with each `Remark` on the image, and with the `InferredRange` of its values.

    Returns
    -------
    PIL.Image.Image
        Of mode L or RGB.
    """
    image, alpha = pixels.samples, None
    if isinstance(image, np.ndarray):
        image, alpha = _to_8_bits(pixels, value_range, report)
        value_range = value_range if pixels.space in CONVERSIONS else None  # applied
    if pixels.profile is not None:
        if alpha is None:
            image, alpha = _split_alpha(image)
        image = convert_to_srgb(image, pixels.profile, report)
    if image.mode == "LAB":
        image = convert_lab_to_srgb(image)
    if alpha is not None:
        image = image if image.mode == "L" else image.convert("RGB")
        image.putalpha(alpha)
    image = lay_on_white(image)
    if value_range is not None and tuple(value_range) != (0, 255):
        image = Image.fromarray(to_uint8(np.asarray(image), value_range))
    return turn(image, pixels.orientation)


def turn(image, orientation):
    """Turn an image of Pillow upright."""
    return image.transpose(_TURNS[orientation]) if orientation > 1 else image


def _to_8_bits(pixels, value_range, report):
    """Scale an array; return an image, and its alpha or None."""
    colours, known, values = find_colours(pixels)
    alpha, is_premultiplied = find_alpha(pixels)
    if known is not None:
        colours = np.where(known[..., np.newaxis], colours, values.dtype.type(0))
    if pixels.space in CONVERSIONS:
        image = CONVERSIONS[pixels.space](colours, pixels)
    else:
        if value_range is None:
            inferred = infer_value_range(values, bits=pixels.bits)
            report(inferred)
            value_range = inferred.of_file
        scaled = _scale(colours, value_range, alpha if is_premultiplied else None, pixels.bits)
        scaled = 255 - scaled if pixels.white_is_zero else scaled
        image = _to_pil(scaled, "CMYK" if pixels.space == "CMYK" else None)
    if alpha is not None:
        white = full_scale(alpha.dtype, pixels.bits)
        alpha = to_uint8(alpha, value_range if pixels.alpha_has_range else (0, white))
    if known is not None:
        opaque = known * np.uint8(255)
        alpha = opaque if alpha is None else np.minimum(alpha, opaque)
    return image, None if alpha is None else _to_pil(alpha)


def find_colours(pixels):
    """Find the colours of an array, where they are data (None: everywhere), and their values there."""
    colours = pixels.samples[..., : pixels.n_colours]
    known = find_known(colours, pixels.no_data)
    values = colours if known is None else colours[known]
    _check_finite(values)
    return colours, known, values


def find_alpha(pixels):
    """Return the first sample that is alpha, or None, and whether the colours are multiplied by it."""
    for i, kind in enumerate(pixels.extra, start=pixels.n_colours):
        if kind != UNSPECIFIED:
            return pixels.samples[..., i], kind == PREMULTIPLIED
    return None, False


def find_known(colours, no_data):
    """Find the pixels with data; None if all have."""
    if no_data is None:
        return None
    value = np.asarray(no_data)
    if colours.dtype.kind == "f":
        value = value.astype(colours.dtype)  # written as text, with the digits of another depth
    is_missing = np.isnan(colours) if np.isnan(value).any() else colours == value
    is_missing = is_missing.all(axis=-1)
    return ~is_missing if is_missing.any() else None


def find_known_values(values, no_data):
    """Find the values of channels that are data; None if all are."""
    known = None
    if values.dtype.kind == "f":
        known = np.isfinite(values)
    if isinstance(no_data, tuple):  # one value of each colour
        n_colours = len(no_data)
        is_key = (values[..., :n_colours] == np.asarray(no_data)).all(axis=2, keepdims=True)
        known = ~is_key
    elif no_data is not None and not np.isnan(no_data):
        # written as text, with the digits of another depth
        value = values.dtype.type(no_data) if values.dtype.kind == "f" else no_data
        known = values != value if known is None else known & (values != value)
    return None if known is None or known.all() else known


def _check_finite(values):
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise FormatError(
            "it holds NaN or infinity",
            "Pass mode='channels' or rescale='percentile' to ImageLoader, which make them black.",
        )


def full_scale(dtype, bits):
    """Return the largest value of a dtype: 1 for bool and floats."""
    if bits is not None:
        return 2**bits - 1
    return np.iinfo(dtype).max if dtype.kind in "iu" else 1


def _scale(colours, value_range, alpha, bits):
    """Apply `to_uint8` in bands of rows, because it makes copies in float64."""
    n_rows = max(1, _BAND_BYTES // max(1, colours[0].nbytes))
    if alpha is None and (colours.dtype == np.uint8 or n_rows >= len(colours)):
        return to_uint8(colours, value_range)
    scaled = np.empty(colours.shape, np.uint8)
    for start in range(0, len(colours), n_rows):
        rows = slice(start, start + n_rows)
        band = colours[rows]
        if alpha is not None:
            share = alpha[rows, :, np.newaxis] / full_scale(alpha.dtype, bits)
            # where it is 0, the colour cannot be seen
            band = np.divide(band, share, out=np.zeros(band.shape), where=share > 0)
        scaled[rows] = to_uint8(band, value_range)
    return scaled


def _look_up(indices, pixels):
    """Replace the indices of a palette by its colours."""
    n_colours, max_index = len(pixels.palette), int(indices.max())
    if max_index >= n_colours:
        raise ValueError(f"its palette has {n_colours} colours, and an index is {max_index}")
    return _to_pil(pixels.palette[indices[..., 0].astype(np.intp)])


def _ycbcr_to_rgb(ycbcr, pixels):
    """Convert YCbCr of the full range to RGB, by the coefficients of BT.601."""
    white, zero = 2**pixels.bits - 1, 2 ** (pixels.bits - 1)
    y, cb, cr = np.moveaxis(ycbcr.astype(np.float32), -1, 0)
    cb, cr = cb - zero, cr - zero
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return _to_pil(to_uint8(rgb, (0, white)))


def _encode_lab(lab, pixels):
    """Bring L*, a* and b* to Pillow's 8 bits: a* and b* plus 128."""
    if pixels.bits not in (8, 16):
        raise ValueError(f"L*a*b* must have 8 or 16 bits, not {pixels.bits}")
    lightness, a_and_b = lab[..., :1].astype(np.float32), lab[..., 1:]
    if pixels.space == "CIELab":
        a_and_b = a_and_b.astype(f"i{pixels.bits // 8}")
    a_and_b = a_and_b.astype(np.float32)
    if pixels.bits == 16:
        lightness, a_and_b = lightness / (257 if pixels.space == "CIELab" else 256), a_and_b / 256
    a_and_b = a_and_b + 128 if pixels.space == "CIELab" else a_and_b
    bands = np.concatenate([lightness, a_and_b], axis=-1)
    # from one array, Pillow would take a* and b* as signed
    return Image.merge("LAB", [_to_pil(to_uint8(bands[..., i], (0, 255))) for i in range(3)])


CONVERSIONS = {
    "palette": _look_up,
    "YCbCr": _ycbcr_to_rgb,
    "CIELab": _encode_lab,
    "ICCLab": _encode_lab,
}


def _to_pil(array, mode=None):
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return Image.fromarray(np.ascontiguousarray(array), mode)


def _split_alpha(image):
    """Split the transparency off an image of Pillow; it has a mode that a profile can have."""
    if not image.has_transparency_data:
        return (image.convert("RGB") if image.mode == "P" else image), None
    is_grey = image.mode in ("1", "L", "LA", "La")
    image = image.convert("LA") if is_grey else image.convert("RGBA")
    return image.convert("L" if is_grey else "RGB"), image.getchannel("A")


def lay_on_white(image):
    """Convert an image to mode L or RGB, on white where it is transparent."""
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
