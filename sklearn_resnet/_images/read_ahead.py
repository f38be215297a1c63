"""Opening the next image while the network computes the regions of the present one."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise

from sklearn_resnet._images.item_reader import image_key
from sklearn_resnet._images.items import is_cut


class ReadAhead(contextlib.AbstractContextManager):
    """Opens images of regions in a thread of its own, one image ahead.

    Parameters
    ----------
    reader : ItemReader
    items : iterable
        Those of a pass, in the order in which they are read.
    """

    def __init__(self, reader, items):
        self._reader = reader
        firsts = [next(regions) for _, regions in groupby(filter(is_cut, items), image_key)]
        # by image, a region of the next one
        self._following = {image_key(item): following for item, following in pairwise(firsts)}
        self._pool = ThreadPoolExecutor(1)

    def follow(self, item):
        """Note that an item is read; open the next image at the first region of its image.

        All regions of the images before have then been cut out.
        """
        following = self._following.pop(image_key(item), None) if is_cut(item) else None
        if following is not None:
            self._pool.submit(self._reader.open_ahead, following)

    def __exit__(self, *exc_info):
        self._pool.shutdown(cancel_futures=True)
