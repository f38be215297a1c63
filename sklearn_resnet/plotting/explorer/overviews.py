"""Whole images of regions, embedded in the page within a bounded size."""

import io
import os

from PIL import Image

from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.items import is_path, name_of
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.regions import Region
from sklearn_resnet.plotting._overview import read_whole

_MAX_BYTES = 9_000_000  # of all overviews together
# maximum number of images, and the longer side of an overview: shorter for more
_SIDES = ((8, 1600), (32, 1200), (128, 800), (600, 480))
_MAX_IMAGES = _SIDES[-1][0]
_QUALITY = 80
_MIN_SIDE = 64  # pixels


def as_regions(images):
    """Return images as a list of regions, or None if they are all whole images."""
    if isinstance(images, LazyImages):
        regions = images.regions
    elif isinstance(images, list):
        regions = [item if isinstance(item, Region) else Region(item) for item in images]
    else:
        return None
    return None if all(region.is_whole for region in regions) else regions


def name_images(images, regions):
    """Return the paths of images, or None if they have none.

    Parameters
    ----------
    images : sequence of images
        As `Sheets` accepts them.
    regions : list of Region or None
        As `as_regions` returns them. Those of images in memory are numbered.
    """
    if regions is None and isinstance(images, LazyImages):
        return images.paths if any(images.paths) else None
    if regions is None:
        has_paths = isinstance(images, list) and any(map(is_path, images))
        return list(map(name_of, images)) if has_paths else None
    numbers = {}
    return [
        name_of(region) or f"image {numbers.setdefault(id(region.source), len(numbers))}"
        for region in regions
    ]


def describe_regions(regions, page=None):
    """Describe regions and their whole images.

    Parameters
    ----------
    regions : list of Region or None
        None if all images are whole.
    page : int or str, default=None
        The page of images whose regions name none, as for `ImageLoader`.

    Returns
    -------
    dict
        ``boxes``, for each region its top, left, bottom and right, or None for a whole image;
        ``pages``, for each region its page, or None; ``pages`` is None if all are;
        ``overviewOf``, the index of its overview, or -1; ``overviews``, dicts with the ``height``
        and ``width`` of an image in full resolution and ``file``, the bytes of a WebP file, or None
        for an image that cannot be read; and ``overviewNote``, which says why there are none.
    """
    if regions is None:
        return {"boxes": None, "pages": None}
    boxes = [None if region.box is None else list(map(int, region.box)) for region in regions]
    wholes = {}
    overview_of = [
        -1 if region.box is None else wholes.setdefault(_key_of(region), (len(wholes), region))[0]
        for region in regions
    ]
    overviews, note = [], ""
    if len(wholes) > _MAX_IMAGES:
        overview_of = [-1] * len(regions)
        note = (
            f"Whole images are not shown, because this page has regions of {len(wholes):,} images. "
            f"It holds at most {_MAX_IMAGES}."
        )
    else:
        overviews = [_make_overview(region, page, len(wholes)) for _, region in wholes.values()]
    pages = [region.page for region in regions]
    return {
        "boxes": boxes,
        "pages": None if pages.count(None) == len(pages) else pages,
        "overviewOf": overview_of,
        "overviews": overviews,
        "overviewNote": note,
    }


def _key_of(region):
    """Identify the image of a region."""
    source = os.fspath(region.source) if is_path(region.source) else id(region.source)
    return source, region.page


def _make_overview(region, page, n_images):
    side = next(side for max_images, side in _SIDES if n_images <= max_images)
    try:
        page = page if region.page is None else region.page
        pixels, (height, width) = read_whole(region.source, page, side)
    except (ImageReadError, OSError):
        return None  # a warning has named it, as its regions cannot be read either
    file = _encode(Image.fromarray(pixels), _MAX_BYTES // n_images)
    return {"height": height, "width": width, "file": file}


def _encode(image, max_length):
    """Encode an image as WebP, in fewer pixels if it is longer than allowed."""
    while True:
        file = io.BytesIO()
        image.save(file, "WEBP", quality=_QUALITY, method=4)
        if file.tell() <= max_length or max(image.size) <= _MIN_SIDE:
            return file.getvalue()
        image = image.resize([max(1, side * 4 // 5) for side in image.size])
