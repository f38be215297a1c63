"""Errors of images that cannot be read or used."""

_MAX_SHOWN, _MAX_START, _MAX_END = 300, 60, 120  # characters of a path in a message


class ImageReadError(ValueError):
    """An image that cannot be read or used.

    `ImageLoader` and `LazyImages` raise it for damaged files, for files that are not images, and
    for arrays that are not images. If the file cannot be opened, the error is also the matching
    `OSError`: a `FileNotFoundError`, an `IsADirectoryError` or a `PermissionError`.

    Parameters
    ----------
    cause : str
        The reason, without a period at the end: ``"there is no such file"``.
    path : str, default=None
        The path of the file; None for an image in memory.
    position : int, default=None
        The position of the image in the input of `ImageLoader`, counted from 0; None if the image
        was read on its own.
    remedy : str, default=""
        A sentence that advises the user.

    Attributes
    ----------
    cause : str
    path : str or None
    position : int or None
    remedy : str
    problem : str
        The message without the remedy.

    See Also
    --------
    ImageLoader : With ``on_error="nan"`` or ``"skip"``, it continues after such images.

    Examples
    --------
    >>> from sklearn_resnet import ImageLoader, ImageReadError
    >>> try:
    ...     images = ImageLoader(size=64).fit_transform(["missing.jpg"])
    ... except ImageReadError as exc:
    ...     print(exc.path, exc.position, exc.cause)
    missing.jpg 0 there is no such file
    """

    _problem = "The image file {path!r} cannot be read: {cause}."

    def __init__(
        self, cause: str, path: str | None = None, position: int | None = None, remedy: str = ""
    ) -> None:
        super().__init__(cause, path, position, remedy)
        self.cause = cause
        self.path = path or None
        self.position = position
        self.remedy = remedy
        self.is_row = False  # whether the position is a row of a table of regions

    @property
    def problem(self):
        """The message without the remedy."""
        return self._describe()

    def __str__(self):
        return self._describe(self.remedy)

    def _describe(self, remedy=""):
        if not self.path:
            name = "An image in memory" if self.position is None else f"Image {self.position} of X"
            if self.is_row:
                name = f"The image in row {self.position} of the table"
            return " ".join(filter(None, (f"{name} cannot be used: {self.cause}.", remedy)))
        sentences = [self._problem.format(path=shorten(self.path), cause=self.cause), remedy]
        if self.position is not None:
            place = f"row {self.position} of the table" if self.is_row else f"image {self.position}"
            sentences.append(f"It is {place}, counted from 0.")
        return " ".join(filter(None, sentences))


def shorten(path):
    """Leave out the middle of a path that is too long for a message."""
    path = str(path)
    return path if len(path) <= _MAX_SHOWN else f"{path[:_MAX_START]}...{path[-_MAX_END:]}"


class ImageOpenError(ImageReadError, OSError):
    """The file cannot be opened."""

    _problem = "The image file {path!r} cannot be opened: {cause}."
    # tblib, which pickles for Dask, calls the first one of the MRO; ValueError's refuses objects
    # with the memory layout of OSError
    __new__ = OSError.__new__


class ImageNotFoundError(ImageOpenError, FileNotFoundError):
    """The file does not exist."""

    _problem = "The image file {path!r} does not exist."


class ImageIsFolderError(ImageOpenError, IsADirectoryError):
    """The path is a folder."""

    _problem = "{path!r} is a folder, not an image file."


class ImagePermissionError(ImageOpenError, PermissionError):
    """The process has no permission to read the file."""
