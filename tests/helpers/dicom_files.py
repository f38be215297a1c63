"""DICOM files in memory, whose every other element than those of the pixels names a patient."""

import io

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

SECRET = "Quixote"  # in all elements that are about the patient


def make_dicom(pixels, *, syntax=ExplicitVRLittleEndian, bits=None, private=True, **elements):
    """The bytes of a DICOM file.

    Parameters
    ----------
    pixels : ndarray of shape (height, width), (n_frames, height, width) or (height, width, 3)
        Integers of 8, 16 or 32 bits; bool for 1 bit.
    syntax : str
        One without compression, or deflated.
    bits : int
        BitsStored; None for those of the dtype.
    private : bool
        Whether to add elements of the patient.
    **elements
        More elements, by keyword; None leaves out one of those that are written else.
    """
    data = Dataset()
    is_colour = pixels.ndim == 3 and pixels.shape[2] == 3
    allocated = 8 * pixels.dtype.itemsize
    n_frames = len(pixels) if pixels.ndim == 3 and not is_colour else None
    shape = pixels.shape[:2] if n_frames is None else pixels.shape[1:]
    described = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "1.2.3.4",
        "Rows": shape[0],
        "Columns": shape[1],
        "SamplesPerPixel": 3 if is_colour else 1,
        "PhotometricInterpretation": "RGB" if is_colour else "MONOCHROME2",
        "PlanarConfiguration": 0 if is_colour else None,
        "NumberOfFrames": n_frames,
        "BitsAllocated": allocated,
        "BitsStored": allocated if bits is None else bits,
        "HighBit": (allocated if bits is None else bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    for keyword, value in {**described, **(make_private() if private else {}), **elements}.items():
        if value is not None:
            setattr(data, keyword, value)
    is_little = syntax != "1.2.840.10008.1.2.2"
    order = "<" if is_little else ">"
    data.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    data["PixelData"].VR = "OB" if allocated == 8 else "OW"
    if private:
        data.add_new(0x00130010, "LO", f"{SECRET} Private")
        data.add_new(0x00131001, "LO", f"{SECRET} of la Mancha")
    return write(data, syntax)


def make_private():
    """Elements that are about the patient."""
    return {
        "PatientName": f"{SECRET}^Alonso",
        "PatientID": f"{SECRET}-1605",
        "PatientBirthDate": "15470929",
        "InstitutionName": f"Hospital {SECRET}",
        "StudyDescription": f"{SECRET}, head",
        "ImageComments": f"{SECRET} was here",
    }


def make_item(**elements):
    """An item of a sequence."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def make_table(entries, *, first=0, bits=16, is_signed=False):
    """An item of a sequence of lookup tables."""
    item = Dataset()
    descriptor = [len(entries) % 2**16, first, bits]
    item.add_new("LUTDescriptor", "SS" if is_signed else "US", descriptor)
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return item


def write(data, syntax):
    """The bytes of a file of a data set."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, "1.2.3.4"
    file = io.BytesIO()
    dataset = FileDataset("", data, preamble=bytes(128), file_meta=meta)
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
