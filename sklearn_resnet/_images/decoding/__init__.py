"""Image files and images in memory to upright arrays of a size and mode.

A module for each way in (`pillow`, `tiff`, `npy` and others) makes a `Pixels` record of all that a file
says of its pixels; `selection` chooses which of them it reads. `conversion` applies the record, in one
order, whoever decoded the file, and `channels` does for images that keep their channels and depth.

`windows` reads boxes of large images by their tiles (`tiff_windows`, `array_windows`), with the value
range of the whole image (`whole_ranges`). `overviews` reduces whole images in bounded memory.
"""

from sklearn_resnet._images.decoding.formats import is_dicom
from sklearn_resnet._images.decoding.limits import MAX_PIXELS
from sklearn_resnet._images.decoding.npy import read_npy_header
from sklearn_resnet._images.decoding.pillow import describe_pillow_image
from sklearn_resnet._images.decoding.reading import (
    EXTENSIONS,
    OPTIONAL_EXTENSIONS,
    DecodingOptions,
    convert_image,
    convert_pillow_image,
    find_channels,
    hash_opened,
    measure_array,
    measure_pillow_image,
    name_part,
    open_image,
    pillow_to_array,
    read_channel_names,
    read_image,
    read_samples,
    read_stored,
)
from sklearn_resnet._images.decoding.resizing import fit_array

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "OPTIONAL_EXTENSIONS",
    "DecodingOptions",
    "convert_image",
    "convert_pillow_image",
    "describe_pillow_image",
    "find_channels",
    "fit_array",
    "hash_opened",
    "is_dicom",
    "measure_array",
    "measure_pillow_image",
    "name_part",
    "open_image",
    "pillow_to_array",
    "read_channel_names",
    "read_image",
    "read_npy_header",
    "read_samples",
    "read_stored",
]
