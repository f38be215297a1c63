"""The check of OUTPUT."""

from sklearn_resnet._io.atomic import check_writable
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._io.table_formats import FORMATS, describe_suffixes
from sklearn_resnet._runtime.errors import ParameterError


def check_table_path(path):
    """Check whether `write_table` can write to `path`, before the table is computed.

    Raises
    ------
    ValueError
        If no format has its suffix.
    ImportError
        If a library that the format needs is not installed.
    OSError
        If its folder cannot be written to.
    """
    suffix = as_path(path).suffix
    if suffix not in FORMATS:
        raise ParameterError("output", f"must end in {describe_suffixes()}", repr(str(path)))
    try:
        FORMATS[suffix].check(path)
    except ImportError as exc:
        exc.add_note("Or name an OUTPUT that ends in .npz or .csv.")
        raise
    check_writable(path)
