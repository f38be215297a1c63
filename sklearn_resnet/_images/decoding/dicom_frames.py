"""The stored values of a frame of a DICOM file, as its transfer syntax encodes them."""

from functools import cache

from sklearn_resnet._images.decoding.formats import FormatError, import_for_format

NO_IMAGE = "it is a DICOM file without an image"
REPLACE = "Replace the file or leave it out."
CONVERT = "Convert it to PNG or TIFF, or to a DICOM file without compression."
_PIXEL_TAGS = ["PixelData", "FloatPixelData", "DoubleFloatPixelData"]
# Of transfer syntaxes that pydicom decodes only with packages under the GPL: functions of imagecodecs
_EXTENDED = "1.2.840.10008.1.2.4.51"
_CODECS = {
    _EXTENDED: "jpeg_decode",
    "1.2.840.10008.1.2.4.57": "ljpeg_decode",
    "1.2.840.10008.1.2.4.70": "ljpeg_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
}


def make_frame_reader(pydicom, file, header, shape):
    """Make a function that reads a frame.

    Parameters
    ----------
    pydicom : module
    file : binary file object
    header : pydicom.Dataset
        With a transfer syntax.
    shape : tuple of int
        ``(height, width, n_samples)``.

    Returns
    -------
    read : callable
        Takes the index of a frame, and returns an array of shape (height, width), or (height, width, 3)
        in RGB.

    Raises
    ------
    FormatError
        If the transfer syntax is not supported, or a package is missing.
    """
    syntax = header.file_meta.TransferSyntaxUID
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except NotImplementedError:
        decoder = None

    @cache
    def read_whole():
        file.seek(0)
        content = pydicom.dcmread(file, force=True, specific_tags=[*header.keys(), *_PIXEL_TAGS])
        if not any(tag in content for tag in _PIXEL_TAGS):
            raise FormatError(NO_IMAGE, REPLACE)
        content.file_meta.TransferSyntaxUID = syntax
        return content

    is_too_deep = syntax == _EXTENDED and header.BitsStored > 8  # for Pillow
    if decoder is not None and decoder.is_available and not is_too_deep:

        def read(i):
            # more than one frame are not held in memory
            source = file if _count_frames(header) > 1 else read_whole()
            frame = pydicom.pixels.pixel_array(source, index=i, transfer_syntax_uid=syntax)
            is_palette = header.PhotometricInterpretation == "PALETTE COLOR"
            return pydicom.pixels.apply_color_lut(frame, header) if is_palette else frame

        return read
    name = repr(syntax.name) if syntax in pydicom.uid.UID_dictionary else "of a vendor"
    if syntax not in _CODECS:
        raise FormatError(f"its transfer syntax, {name}, is not supported", CONVERT)
    purpose = f"A DICOM file with the transfer syntax {name}"
    decode = getattr(import_for_format("imagecodecs", "dicom", purpose), _CODECS[syntax])

    def read_by_codec(i):
        content = read_whole().PixelData
        frame = pydicom.encaps.get_frame(content, i, number_of_frames=_count_frames(header))
        samples = decode(frame).reshape(shape[:2] if shape[2] == 1 else shape)
        if header.PhotometricInterpretation.startswith("YBR_FULL"):
            samples = pydicom.pixels.convert_color_space(samples, "YBR_FULL", "RGB")
        is_signed = header.PixelRepresentation == 1
        return _extend_sign(samples, header.BitsStored) if is_signed else samples

    return read_by_codec


def _count_frames(header):
    return int(header.get("NumberOfFrames") or 1)


def _extend_sign(samples, bits):
    """Make signed integers of those whose highest bit of `bits` is the sign."""
    signed = samples.astype(f"i{samples.itemsize}")
    n_free = 8 * samples.itemsize - bits
    return (signed << n_free) >> n_free
