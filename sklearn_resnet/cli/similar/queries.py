"""QUERY: an image file, or a region of one in the notation of the page."""

import re
from typing import NamedTuple

from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.regions import BOX
from sklearn_resnet._io.paths import as_path, is_url
from sklearn_resnet._runtime.errors import ParameterError

# slide.tif[1600:1800,1400:1600], of rows and columns; the page writes blanks, and maybe ", page 2"
_REGION = re.compile(
    r"(?P<path>.+?)(?:, page (?P<page>\d+))?\s*"
    r"\[\s*(-?\d+)\s*:\s*(-?\d+)\s*,\s*(-?\d+)\s*:\s*(-?\d+)\s*\]"
)


class Query(NamedTuple):
    """A query; ``box`` is its top, left, bottom and right, or None for a whole image."""

    path: str
    box: tuple[int, int, int, int] | None = None
    page: int | None = None


def parse_query(text):
    """Parse a path, or a region such as ``"slide.tif[1600:1800,1400:1600]"``.

    Parameters
    ----------
    text : str

    Returns
    -------
    Query

    Raises
    ------
    ParameterError
        If the region has no pixel.

    Examples
    --------
    >>> from sklearn_resnet.cli.similar.queries import parse_query
    >>> parse_query("slide.tif[1600:1800,1400:1650]")
    Query(path='slide.tif', box=(1600, 1400, 1800, 1650), page=None)
    """
    found = _REGION.fullmatch(text)
    if found is None or (not is_url(text) and as_path(text).exists()):
        return Query(text)
    top, bottom, left, right = map(int, found.groups()[2:])
    if top >= bottom or left >= right:
        raise ParameterError(
            "queries",
            "must have at least one pixel, as in slide.tif[top:bottom,left:right]",
            repr(text),
        )
    page = found["page"]
    return Query(found["path"], (top, left, bottom, right), None if page is None else int(page))


def load_in_order(queries, load):
    """Load whole images and regions, which are read apart.

    Parameters
    ----------
    queries : sequence of str
    load : callable
        Returns the images of a list of paths, or of a table of regions.

    Returns
    -------
    list of image
    """
    import pandas as pd

    parsed = [parse_query(text) for text in queries]
    loaded = [None] * len(parsed)
    wholes = [i for i, query in enumerate(parsed) if query.box is None]
    regions = [i for i, query in enumerate(parsed) if query.box is not None]
    if wholes:
        for i, image in zip(wholes, load([parsed[i].path for i in wholes]), strict=True):
            loaded[i] = image
    if regions:
        table = pd.DataFrame([parsed[i].box for i in regions], columns=list(BOX))
        table["path"] = pd.Series([parsed[i].path for i in regions], dtype=object)
        table["page"] = pd.Series([parsed[i].page for i in regions], dtype=object)
        try:
            images = load(table)
        except ImageReadError as exc:
            exc.position = None  # of a table that the user has not
            raise
        for i, image in zip(regions, images, strict=True):
            loaded[i] = image
    return loaded
