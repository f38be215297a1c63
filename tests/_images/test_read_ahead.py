"""The next image is opened while the regions of the present one are used."""

import threading

from sklearn_resnet._images.items import Region
from sklearn_resnet._images.read_ahead import ReadAhead

BOX = 0, 0, 1, 1
A, B, C = (Region(name, BOX) for name in "abc")


class Reader:
    """Notes which images are opened."""

    def __init__(self):
        self.opened = []
        self.is_open = threading.Event()

    def open_ahead(self, region):
        self.opened.append(region.source)
        self.is_open.set()


def test_it_opens_one_image_ahead():
    reader = Reader()
    with ReadAhead(reader, [A, A, "whole", B, B, C]) as ahead:
        ahead.follow(A)
        assert reader.is_open.wait(60)
        ahead.follow(A)
        ahead.follow("whole")
        assert reader.opened == ["b"]
        ahead.follow(B)
    assert reader.opened in (["b"], ["b", "c"])  # unless the pass is over before it begins


def test_after_the_last_image_and_for_whole_images_it_does_nothing():
    reader = Reader()
    with ReadAhead(reader, [A, "whole"]) as ahead:
        ahead.follow("whole")
        ahead.follow(A)
    assert reader.opened == []
