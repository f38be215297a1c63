"""The comparison of windows with whole images."""

import numpy as np

from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.windows import open_windows
from sklearn_resnet._images.errors import ImageReadError

OPTIONS = {"size": None, "resize": "crop", "mode": "RGB", "value_range": None}
BOXES = [(3, 5, 20, 30), (28, 49, 37, 53), (17, 18, 18, 19), (0, 0, 37, 53)]


def check_boxes(path, options, boxes=BOXES, level=0):
    """Compare boxes of an image with the image that is decoded as a whole.

    Parameters
    ----------
    path : path-like
    options : dict
        Those that differ from `OPTIONS`.
    boxes : list of tuple of 4 int
        They are clipped to the image.
    level : int

    Returns
    -------
    bool
        Whether the image could be decoded as a whole; if not, nothing is compared.
    """
    options = OPTIONS | options
    try:
        whole = read_image(path, **options | {"level": level or options.get("level")})
    except ImageReadError:
        return False
    windows = open_windows(path, options, min_bytes=0)
    assert windows is not None, path
    for box in boxes:
        box = tuple(min(edge, windows.shape[i % 2]) for i, edge in enumerate(box))
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        found = windows.read(box, level)
        top, left, bottom, right = windows.scale_box(box, level)
        assert found.dtype == whole.dtype
        np.testing.assert_array_equal(
            found, whole[top:bottom, left:right], str((path, options, box))
        )
    windows.close()
    return True
