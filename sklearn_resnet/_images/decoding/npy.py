"""Arrays, in memory or in files of numpy.save, to pixels."""

import numpy as np

from sklearn_resnet._images.decoding.limits import check_array
from sklearn_resnet._images.decoding.pixels import STRAIGHT, Pixels


def decode_npy(file, max_pixels):
    """Decode an array that numpy.save wrote."""
    shape, dtype = read_npy_header(file)
    if not dtype.hasobject:  # a sparse file can claim any size
        _check_shape(shape)
        check_array(shape, dtype, max_pixels)
    file.seek(0)
    # numpy.load opens .npz, and its errors name the way to unpickle
    return wrap_array(np.lib.format.read_array(file, allow_pickle=False))


def wrap_array(array):
    """Make the record of an array: grey, RGB, or RGB with alpha."""
    _check_shape(array.shape)
    samples = array if array.ndim == 3 else array[..., np.newaxis]
    n_samples = samples.shape[2]
    return Pixels(
        samples=samples,
        space="grey" if n_samples == 1 else "RGB",
        extra=(STRAIGHT,) if n_samples == 4 else (),
        alpha_has_range=True,
    )


def read_npy_header(file):
    """Read the shape and the dtype of an array that numpy.save wrote."""
    npy = np.lib.format
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    return shape, dtype


def _check_shape(shape):
    if 0 in shape:
        raise ValueError(f"it has no pixels, its shape is {shape}")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(
            "it must have the shape (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, not {shape}"
        )
