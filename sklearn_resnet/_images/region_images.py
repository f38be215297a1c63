"""Images that regions are cut out of: decoded as a whole, or read by windows."""

from sklearn_resnet._images.decoding.windows import WINDOW_BYTES

_MAX_VALUES = 2**20  # of a channel


class WholeImage:
    """A decoded image.

    Parameters
    ----------
    array : ndarray of shape (height, width) or (height, width, n_channels)
    reports : sequence
        The reports on its file.
    shape : tuple of 2 int, default=None
        Height and width in full resolution, if the array has another level of a pyramid.
    """

    def __init__(self, array, reports=(), shape=None):
        self.array = array
        self.reports = reports
        self.shape = array.shape[:2] if shape is None else shape
        self.nbytes = array.nbytes

    def choose_level(self, box):
        """Return 0: there is one level."""
        return 0

    def find_shape(self, level):
        """Return height and width of a level."""
        return self.array.shape[:2]

    def read(self, box, level):
        """Return a copy of the pixels of a box, in those of the level."""
        top, left, bottom, right = box
        return self.array[top:bottom, left:right].copy()

    def list_blocks(self):
        """Return the whole image, in one block."""
        return [self.array]

    def close(self):
        """Do nothing."""


class WindowedImage:
    """A file of which only the tiles that are needed are decoded.

    Parameters
    ----------
    windows : Windows
    size : tuple of 2 int or None
        That regions are resized to.
    """

    nbytes = WINDOW_BYTES  # the bound of its cache of tiles, too

    def __init__(self, windows, size):
        self._windows = windows
        self._size = size
        self.shape = windows.shape

    @property
    def reports(self):
        """The reports on the file."""
        return self._windows.reports

    def choose_level(self, box):
        """Choose the level for a box in full resolution that is resized."""
        return self._windows.choose_level(box, self._size)

    def find_shape(self, level):
        """Return height and width of a level."""
        return self._windows.level_shapes[level]

    def read(self, box, level):
        """Read the pixels of a box, in those of the level."""
        return self._windows.read_at_level(box, level)

    def list_blocks(self):
        """Return a sample of the values of each channel, because the whole image may not fit into memory."""
        dtype = self._windows.read((0, 0, 1, 1)).dtype
        samples = self._windows.sample_values(_MAX_VALUES)
        return [values.astype(dtype, copy=False) for values in samples]

    def close(self):
        """Close the file."""
        self._windows.close()


class UnreadableImage:
    """The error of decoding an image, for all its regions."""

    nbytes = 0

    def __init__(self, error):
        self.error = error

    def close(self):
        """Do nothing."""
