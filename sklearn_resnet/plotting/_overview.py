"""Whole images, reduced to be shown."""

import numpy as np
from PIL import Image

from sklearn_resnet._images.items import is_array
from sklearn_resnet.plotting._thumbnails import open_files, read_list


def read_whole(item, page, max_side):
    image = np.asarray(read_list([item], 10**6)[0])
    shape = image.shape[:2]
    small = Image.fromarray(image)
    small.thumbnail((max_side, max_side))
    return np.asarray(small), shape
