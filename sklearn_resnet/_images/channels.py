"""Each channel of images as a grey image of its own, for features side by side."""

import re
from collections import Counter, deque
from collections.abc import Mapping
from itertools import chain, count, groupby, islice

import numpy as np

from sklearn_resnet._images.sources import ImageSource, split_channels

_MAX_NAMED = 8  # channels in a message


class SeparateChannels(ImageSource):
    """The channels of images as grey images: all of the first image, then all of the second.

    Parameters
    ----------
    source : ImageSource
        Grey images, or images with channels last; not one that is read in blocks.
    positions : range or ndarray of int, default=None
        The channels, counted over all images; None takes all.
    """

    def __init__(self, source, positions=None):
        self.source = source
        self.n_parts = count_channels(source)
        self._positions = range(len(source) * self.n_parts) if positions is None else positions

    def __len__(self):
        return len(self._positions)

    def __getitem__(self, rows):
        is_range = isinstance(self._positions, range) and isinstance(rows, slice)
        positions = self._positions if is_range else np.asarray(self._positions)
        return SeparateChannels(self.source, positions[rows])

    @property
    def shape(self):
        """The shape of an array of these grey images; ``(n,)`` if they differ in size."""
        return (len(self), *self.source.shape[1:3])

    @property
    def dtype(self):
        """The dtype of the images."""
        return self.source.dtype

    @property
    def image_format(self):
        """The dtype and shape of each grey image, if `digests` do not include them."""
        if self.source.image_format is None:
            return None
        return f"{self.dtype.str}{self.shape[1:]}"

    @property
    def lookup_size(self):
        """The number of channels of the images that `source` looks up at once."""
        return self.source.lookup_size * self.n_parts

    @property
    def failures(self):
        """The failures of `source`, by channel."""
        return _ChannelFailures(self.source.failures, self._positions, self.n_parts)

    @property
    def file_log(self):
        """The reports on the files of lazy images."""
        return self.source.file_log

    def add_failure(self, i, cause):
        """Record that the image of a channel could not be read."""
        self.source.add_failure(self._positions[i] // self.n_parts, cause)

    def record_failures(self, failures):
        """Replace the failures of `source`."""
        self.source.record_failures(failures)

    def batches(self, batch_size, positions=None):
        """Select channels in batches; consecutive channels of an image are decoded together."""
        positions = range(len(self)) if positions is None else positions
        wanted = deque()  # the channels of each image that `source` has been asked for

        def list_images():
            places = (divmod(self._positions[i], self.n_parts) for i in positions)
            for image, group in groupby(places, lambda place: place[0]):
                wanted.append([channel for _, channel in group])
                yield image

        n_images = -(-batch_size // self.n_parts)
        images = chain.from_iterable(self.source.batches(n_images, list_images()))
        channels = (
            channels[i] for channels in map(split_channels, images) for i in wanted.popleft()
        )
        while chosen := list(islice(channels, batch_size)):
            yield chosen if len(self.shape) == 1 else np.stack(chosen)

    def digests(self):
        """Hash the content of each channel."""
        return self._of_channels(chain.from_iterable(self._images.channel_digests()))

    def keyed_digests(self, secret):
        """Hash the content of each channel."""
        return self._of_channels(chain.from_iterable(self._images.keyed_channel_digests(secret)))

    def file_versions(self):
        """Find the version of the file of each channel; None without a file."""
        return self._of_channels(
            version for version in self._images.file_versions() for _ in range(self.n_parts)
        )

    def reading_order(self):
        """Find an order in which the channels are best read; see `ImageSource`."""
        order = self.source.reading_order()
        if order is None:
            return None
        return (order[:, np.newaxis] * self.n_parts + np.arange(self.n_parts)).ravel()

    @property
    def _images(self):
        """The images to which the channels belong."""
        indices = np.unique(np.asarray(self._positions) // self.n_parts)
        is_range = isinstance(self._positions, range)
        return self.source[slice(indices[0], indices[-1] + 1) if is_range else indices]

    def _of_channels(self, values):
        """Select the values of these channels from those of all channels of their images."""
        values, positions = list(values), np.asarray(self._positions)
        images, channels = np.divmod(positions, self.n_parts)
        places = np.searchsorted(np.unique(images), images) * self.n_parts + channels
        return [values[place] for place in places]


class _ChannelFailures(Mapping):
    """The failures of images, by the indices of their channels."""

    def __init__(self, of_images, positions, n_channels):
        self._of_images = of_images
        self._positions = positions
        self._n_channels = n_channels

    def __getitem__(self, i):
        return self._of_images[self._positions[i] // self._n_channels]

    def __iter__(self):
        return (
            i
            for i, position in enumerate(self._positions)
            if position // self._n_channels in self._of_images
        )

    def __len__(self):
        return sum(1 for _ in self) if self._of_images else 0


def count_channels(source):
    """Count the channels of the images of a source.

    Parameters
    ----------
    source : ImageSource

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If images of a list differ in it.
    """
    if source.is_lazy and source.options["mode"] != "channels":  # without decoding one
        return 3 if source.options["mode"] == "RGB" else 1
    if len(source.shape) > 1:
        return source.shape[3] if len(source.shape) == 4 else 1
    first = {}  # by the number of channels
    for i, image in enumerate(source.arrays):
        first.setdefault(image.shape[2] if image.ndim == 3 else 1, i)
    if len(first) > 1:
        (n, i), (other, j), *_ = first.items()
        raise ValueError(
            "With channels='separate', all images of X must have the same number of channels. Got "
            f"{n} in X[{i}] and {other} in X[{j}] instead."
        )
    return next(iter(first))


def check_same_channels(source, names):
    """Raise ValueError unless the images of a source have the channels that `fit` saw.

    Parameters
    ----------
    source : ImageSource
    names : list of str
        What `name_channels` returned in `fit`. Names are compared with names and indices with
        indices, but not those that arrays and files without names have: only their number is.
    """
    found = name_channels(source)
    is_named = _are_comparable(names, found)
    if (found == names) if is_named else (len(found) == len(names)):
        return
    seen, got = (
        _list_names(names) if is_named else f"{len(names)} channel{'s' * (len(names) != 1)}"
        for names in (names, found)
    )
    raise ValueError(
        f"X must have the channels that fit saw with channels='separate', {seen}. Got {got} "
        "instead. ImageLoader(channels=[...]) chooses and orders those of files, and "
        "X[..., [2, 0, 1]] those of arrays."
    )


def _are_comparable(names, others):
    are_indices = {_is_number(name) for name in (*names, *others)}
    return len(are_indices) == 1 and not any(
        channels == list(map(str, range(len(channels)))) for channels in (names, others)
    )


def name_channels(source):
    """Name the channels of a source; the names are unique.

    Parameters
    ----------
    source : ImageSource

    Returns
    -------
    list of str
        Without names of its own, ``"0"``, ``"1"`` and so on. A name that occurs several times gets
        ``"_1"``, ``"_2"`` and so on.
    """
    names = source.channel_names
    names = list(map(str, range(count_channels(source)) if names is None else names))
    counts = Counter(map(as_prefix, names))
    taken = {prefix for prefix, n in counts.items() if n == 1}
    for i, name in enumerate(names):
        if counts[as_prefix(name)] > 1:
            numbered = (f"{name}_{k}" for k in count(1))
            names[i] = next(new for new in numbered if as_prefix(new) not in taken)
            taken.add(as_prefix(names[i]))
    return names


def as_prefix(name):
    """Return the beginning of the names of the features of a channel: ``"channel0"`` for "0"."""
    return f"channel{name}" if _is_number(name) else name


def _is_number(name):
    """Whether a channel has an index instead of a name, possibly one that occurs several times."""
    return re.fullmatch("[0-9]+(_[0-9]+)?", name) is not None


def _list_names(names):
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(map(repr, names[:_MAX_NAMED])) + more
