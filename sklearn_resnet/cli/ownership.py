"""Files that a command may replace or remove: those that it wrote itself, for the same OUTPUT."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sklearn_resnet._io.folders import list_folder
from sklearn_resnet._io.paths import is_local
from sklearn_resnet._io.table_formats import find_format
from sklearn_resnet.cli.record import (
    find_record,
    list_own,
    read_former_record,
    read_own_record,
    record_path,
    save_record,
)
from sklearn_resnet.cli.resumable.lock import lock_path
from sklearn_resnet.cli.resumable.parts import is_part_name

_RULE = "OUTPUT must be a new name, or a table that this command wrote and may replace."
_KINDS = {  # by the model in the record of a command that writes no features
    "compare": "maps that --compare drew",
    "search": "scores of `embedding search`",
    "check": "findings of `embedding check`",
}
_OF_FILE_MANAGERS = (".DS_Store", ".directory")


def check_kind(output, kind=None, default_of=None):
    """Check that OUTPUT is absent, or holds an earlier result of the same kind.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
    kind : {"compare", "search", "check"}, default=None
        The kind of the new result; None for features.
    default_of : str, default=None
        INPUT, if OUTPUT was not given but named after it. The earlier result must be of the same
        INPUT then.

    Raises
    ------
    FileExistsError
        If OUTPUT holds a result of another kind, or of another INPUT.
    """
    record = read_former_record(output)
    if "model" not in record or not _exists(output):
        return
    former = record["model"] if record["model"] in _KINDS else None
    held = _KINDS.get(former, "features")
    if former == kind and default_of is not None and not _is_same(record["input"], default_of):
        former, held = None, f"the result for {record['input']!r}"
    if former != kind:
        raise FileExistsError(
            f"{_RULE} Got {str(output)!r}, which holds {held}. Name another OUTPUT, or remove it."
        )


def _is_same(source, other):
    return source == other or Path(source).absolute() == Path(other).absolute()


def check_replaceable(output, paths):
    """Check that no file of another program, or of another OUTPUT, would be replaced or removed.

    Parameters
    ----------
    output : pathlib.Path or upath.UPath
    paths : iterable of path
        The files and folders that the command writes or removes, besides the record and the lock.

    Raises
    ------
    FileExistsError
        If a file exists that the record of OUTPUT does not list, or a folder that holds other files
        than parts of a table.
    """
    record = read_former_record(output)
    names = {*list_own(record), *([record_path(output).name] if record else [])}
    files = (record_path(output), lock_path(output), *paths)
    foreign = [path for path in files if not _is_own(path, output, names)]
    if not foreign:
        return
    if foreign[0].is_dir():
        entry = _find_foreign_entry(foreign[0], output)
        content = "" if entry is None else f" with {entry.name!r} in it"
        raise FileExistsError(
            f"{_RULE} Got {str(foreign[0])!r}, a folder{content}. Name another OUTPUT, or remove it."
        )
    raise FileExistsError(
        f"{_RULE} Got {str(output)!r}, which would replace files that are not in its record. Name "
        f"another OUTPUT, or move {' and '.join(repr(str(path)) for path in foreign)}."
    )


def claim(output, paths):
    """Check files again, and list them in the record, before they are written.

    A command that is killed leaves only files that a later one knows as its own.

    Parameters
    ----------
    output, paths
        As for `check_replaceable`.

    Raises
    ------
    FileExistsError
        As from `check_replaceable`.
    """
    check_replaceable(output, paths)
    record = read_former_record(output) or {
        "command": ["embedding", *sys.argv[1:]],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "output": output.name,
        "outputs": [],
    }
    names = dict.fromkeys([*record.get("writing", []), *(path.name for path in paths)])
    save_record(record_path(output), record | {"writing": list(names)})


def check_picture(table_path, picture):
    """Check that a picture of `embedding similar` is new, or was made of the same table.

    Raises
    ------
    FileExistsError
        If it exists, and the record of the table does not list it.
    """
    record = read_own_record(find_record(table_path))
    if _exists(picture) and _name_beside(table_path, picture) not in record.get("similar", []):
        raise FileExistsError(
            "FILE must be a new name, or a picture that this command made of the same TABLE. Got "
            f"{str(picture)!r}, which is not in the record of {str(table_path)!r}. Name another "
            "picture with -o, or move that file."
        )


def claim_picture(table_path, picture):
    """Check a picture again, and list it in the record of the table, before it is written.

    A record that cannot be written is left as it is.

    Raises
    ------
    FileExistsError
        As from `check_picture`.
    """
    check_picture(table_path, picture)
    path = find_record(table_path)
    record = read_own_record(path)
    names = dict.fromkeys([*record.get("similar", []), _name_beside(table_path, picture)])
    with suppress(OSError):  # a table may be in a folder of somebody else
        save_record(path, record | {"similar": list(names)})


def _is_own(path, output, names):
    """Whether a file or folder is absent, or was written by a command with the same OUTPUT."""
    if not _exists(path):
        return True
    if path.is_dir():
        return path.name.startswith(output.name) and _find_foreign_entry(path, output) is None
    if path.suffix == ".lock":
        return path.is_file() and path.stat().st_size == 0
    return path.name in names


def _exists(path):
    return path.exists() or (is_local(path) and path.is_symlink())


def _find_foreign_entry(folder, output):
    """Find a file that is neither a part of the table of OUTPUT nor left from writing one."""
    joined = [] if folder == output else find_format(output).files(output)
    names = {path.name for path in joined}
    temporary = (".part-", f".{output.stem[:40]}", ".nfs")  # of NFS, while a process has it open
    for path in list_folder(folder):
        is_known = path.name in (*names, *_OF_FILE_MANAGERS) or path.name.startswith(temporary)
        if path.is_dir() or not (is_known or is_part_name(path.name)):
            return path
    return None


def _name_beside(table_path, path):
    """Name a file relative to the folder of a table, so that both can be moved together."""
    if path.parent == table_path.parent:
        return path.name
    if is_local(path) and is_local(table_path):
        try:
            return os.path.relpath(path, table_path.parent)
        except ValueError:  # on another drive of Windows
            return str(path.absolute())
    return str(path)
