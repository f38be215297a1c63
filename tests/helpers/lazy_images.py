"""Lazy images that are watched while they read."""


def watch(images, before_read):
    """Call a function with each path before lazy images, or a selection of them, decode it."""
    reader, read_file = images._reader, images._reader.read_file

    def read(source, *options):
        before_read(source)
        return read_file(source, *options)

    reader.read_file = read
    return images
