"""Frames of DICOM that other packages than pydicom decode."""

import io

import numpy as np
import pydicom
import pytest
from dicom_files import make_dicom
from pydicom.encaps import encapsulate

from sklearn_resnet._images.decoding.dicom import decode_dicom
from sklearn_resnet._images.decoding.selection import Selection

FRAMES = np.random.default_rng(0).integers(0, 2**12, (3, 10, 14)).astype(np.uint16)


def compress(frames, encode, syntax, **elements):
    """A file of compressed frames."""
    data = pydicom.dcmread(io.BytesIO(make_dicom(frames, **elements)))
    data.PixelData = encapsulate([encode(frame) for frame in frames])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize(
    ("codec", "syntax"), [("jpegls", "1.2.840.10008.1.2.4.80"), ("ljpeg", "1.2.840.10008.1.2.4.70")]
)
def test_frames_of_12_bits(codec, syntax, is_signed):
    codecs = pytest.importorskip("imagecodecs")
    encode = getattr(codecs, f"{codec}_encode")
    options = {"bitspersample": 12} if codec == "ljpeg" else {}
    frames = FRAMES.astype(np.int16) - 2048 if is_signed else FRAMES
    file = compress(
        frames, lambda frame: encode((frame.view(np.uint16) % 2**12), **options), syntax, bits=12
    )
    for page in (0, 2, 1):
        samples = decode_dicom(file, Selection(page=page), None, print).samples
        np.testing.assert_array_equal(samples[..., 0], frames[page])
    projected = decode_dicom(file, Selection(page="max"), None, print).samples
    np.testing.assert_array_equal(projected[..., 0], frames.max(axis=0))


def test_frames_are_read_from_the_file_one_by_one():
    class Watched(io.BytesIO):
        n_bytes = 0

        def read(self, size=-1):
            content = super().read(size)
            Watched.n_bytes += len(content)
            return content

    frames = np.zeros((50, 200, 200), np.uint8)
    frames[7] = 9
    file = Watched(make_dicom(frames))
    samples = decode_dicom(file, Selection(page=7), None, print).samples
    assert (samples == 9).all()
    assert Watched.n_bytes < 5 * frames[0].nbytes
