"""Windows: boxes of large images, of which only the tiles that are needed are decoded."""

WINDOW_BYTES = 64 * 2**20  # larger images are read by windows


def open_windows(item, options, *, max_pixels=None, min_bytes=WINDOW_BYTES):
    """Open an image file for reading boxes of it.

    Parameters
    ----------
    item : path, EncodedImage or other
        As for `read_image`; anything else has no windows.
    options : DecodingOptions
        With the page of the region, if it has one. `size` and `resize` are ignored.
    max_pixels : int, default=None
        The largest number of pixels of a box, as for `read_image`.
    min_bytes : int, default=64 MiB
        Files with one level of resolution that need fewer bytes when they are decoded have no windows.

    Returns
    -------
    Windows or None
        None if the file has to be decoded as a whole, by `read_image`: if it is small, of a format
        without tiles, or cannot be read (`read_image` names the cause).

    Examples
    --------
    >>> with contextlib.closing(open_windows("slide.svs", options)) as windows:  # doctest: +SKIP
    ...     height, width = windows.shape
    ...     level = windows.choose_level((0, 0, 512, 512), size=(64, 64))
    ...     image = windows.read((0, 0, 512, 512), level)
    """
    return None


class Windows:
    """Boxes of one image file. Several threads may read them at the same time.

    Nothing of it can be pickled. `close` releases the files and the tiles.

    Attributes
    ----------
    shape : tuple of 2 int
        The height and the width of the upright image in full resolution.
    level_shapes : list of tuple of 2 int
        Those of each level of resolution, upright; the first one is `shape`.
    reports : tuple
        The reports on the file, as `read_image` gives them to `report`.
    """

    def choose_level(self, box, size):
        """Choose the level for a box that is resized.

        Parameters
        ----------
        box : tuple of 4 int
            ``(top, left, bottom, right)`` of the upright image in full resolution.
        size : tuple of 2 int or None
            ``(height, width)``; None for the full resolution.

        Returns
        -------
        int
            ``options["level"]`` if it is given; else the smallest level in which the box is at least
            twice as high and wide as `size`.
        """

    def scale_box(self, box, level):
        """Scale a box, which may lie beyond the border, from the full resolution to a level."""

    def read(self, box, level=0):
        """Read a box.

        Parameters
        ----------
        box : tuple of 4 int
            ``(top, left, bottom, right)`` of the upright image in full resolution, inside of it.
        level : int, default=0

        Returns
        -------
        ndarray
            The crop of what `read_image` returns with ``size=None`` for the whole file, of the shape
            of ``scale_box(box, level)``.

        Raises
        ------
        ImageReadError
            As `read_image` does; if the file has changed since it was opened; or if the box has more
            than `max_pixels`.
        """

    def close(self):
        """Close the files, and forget the tiles."""
