"""Arrays in HDF5 files to pixels."""

import contextlib

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.named_arrays import (
    check_planes,
    choose_array,
    is_numeric,
    read_fill_value,
)
from sklearn_resnet._images.decoding.npy import decode_array


def decode_hdf5(file, selection, max_pixels, report, *, dataset=None):
    """Decode an array of an HDF5 file.

    Parameters
    ----------
    file : binary file object
    selection : Selection
    max_pixels : int or None
    report : callable
    dataset : str, default=None
        Its name; None for the only array that can be an image.

    Returns
    -------
    Pixels
    """
    with open_hdf5(file, dataset) as array:
        check_planes(array, selection, max_pixels)
        no_data = read_fill_value(array.attrs, array.dtype)
        return decode_array(array, selection, report, no_data)


@contextlib.contextmanager
def open_hdf5(file, dataset):
    """Open an array of an HDF5 file; see `decode_hdf5`."""
    import h5py

    with h5py.File(file, "r") as opened:
        arrays = {}
        opened.visititems(lambda name, item: arrays.update({f"/{name}": item}))
        shapes = {
            name: item.shape
            for name, item in arrays.items()
            if isinstance(item, h5py.Dataset) and item.shape and is_numeric(item.dtype)
        }
        dataset = None if dataset is None else f"/{dataset.strip('/')}"
        array = arrays[choose_array(shapes, dataset)]
        # these take their values from other files
        if array.external or array.is_virtual:
            raise FormatError(
                f"its array {array.name!r} is in another file",
                "Copy it into one file with h5repack.",
            )
        yield array
