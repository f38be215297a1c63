"""The formats of tables of features: how each is checked, written, read and joined.

A new format is one class and one entry in `FORMATS`.
"""

import hashlib
import json
import zipfile
import zlib
from functools import partial
from typing import NamedTuple

import numpy as np

from sklearn_resnet._io.atomic import atomic_write
from sklearn_resnet._io.columns import label_texts, parse_texts, to_array
from sklearn_resnet._io.csv_rows import RowColumn, cut_rows
from sklearn_resnet._io.csv_text import as_text, restore_text, write_csv
from sklearn_resnet._io.folders import list_folder
from sklearn_resnet._io.paths import is_local
from sklearn_resnet._runtime.imports import check_optional
from sklearn_resnet._runtime.warnings import warn_caller

COLUMNS = ("path", "label", "file_version")  # text, in this order; other columns keep their type
# NumPy, pandas and pyarrow raise these for damaged files; zipfile raises RuntimeError for flags
DAMAGE_ERRORS = (
    ValueError,
    KeyError,
    OSError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
_PARQUET_KEY = "sklearn_resnet"  # of the metadata in a schema
_NPZ_KEY = "facts"  # of the metadata among the arrays
_NPZ_FOLDER = "columns/"  # of further columns among the arrays


class Table(NamedTuple):
    """Features, with a label, a path and further columns for each row; None if the table lacks them."""

    features: np.ndarray
    labels: np.ndarray | None = None
    paths: np.ndarray | None = None
    columns: dict[str, np.ndarray] | None = None


class TableFormat:
    """A format of tables.

    All formats have ``check``, ``files``, ``write`` and ``read``. A format with a `part_suffix` can also hold
    the table of a resumable run, and describes it by ``read_metadata``, ``read_columns`` and
    ``read_features``. A format of parts has ``write_part``; a format that is one file
    has ``join``.

    Attributes
    ----------
    suffix : str
        The suffix of its files, which chooses the format.
    part_suffix : str or None
        The suffix of the parts of a resumable run; None if runs in this format are not resumable.
    is_folder : bool
        Whether the table of a resumable run is the folder of its parts.
    """

    suffix = ""
    part_suffix: str | None = None
    is_folder = False

    def check(self, path):
        """Raise ImportError if a library that this format needs is not installed."""

    def files(self, path):
        """List the files of a table."""
        return [path]

    def write(self, path, table, names):
        """Write a table; `names` are those of the features."""
        raise NotImplementedError

    def read(self, path):
        """Read a table that `write` or a resumable run wrote."""
        raise NotImplementedError


class Npy(TableFormat):
    """The features alone, in a file that can be mapped into memory.

    A resumable run writes two files beside it: a .csv with the path, label, file version and further
    columns of each row, and a .json with the manifest.
    """

    suffix = ".npy"
    part_suffix = ".npz"

    def write(self, path, table, names):
        """Write the features."""
        with atomic_write(path) as temporary:
            np.save(temporary, table.features)

    def read(self, path, rows=None):
        """Map the features into memory; read labels and paths from the .csv beside it, if any.

        With `rows`, these are `RowColumn`s of these rows, if each row is a line.
        """
        if is_local(path):
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with path.open("rb") as file:
                features = np.load(file, allow_pickle=False)
        csv = rows_path(path)
        if not csv.is_file():
            return Table(features)
        if manifest_path(path).is_file():
            try:
                self._check_manifest(path)
            except (ValueError, LookupError, TypeError):
                warn_caller(
                    f"{str(csv)!r} does not belong to {str(path)!r}, which was written again: the "
                    "table is read without labels and paths."
                )
                return Table(features)
        cut, n_rows = (None, 0) if rows is None or not is_local(path) else cut_rows(csv, rows)
        if cut is None:
            with csv.open("rb") as file:
                return Table(features, *_read_csv(file, n_features=0)[1:])
        _, labels, paths, columns = _read_csv(cut, n_features=0)
        labels, paths = (
            None if values is None else RowColumn(rows, values, (n_rows,))
            for values in (labels, paths)
        )
        columns = {
            name: RowColumn(rows, values, (n_rows,)) for name, values in (columns or {}).items()
        }
        return Table(features, labels, paths, columns or None)

    def files(self, path):
        """List the array, and the files that a resumable run writes beside it."""
        return [path, rows_path(path), manifest_path(path)]

    def join(self, parts, path, metadata):
        """Join parts to one array, with the .csv of its rows and the manifest beside it.

        Parameters
        ----------
        parts : list of path
            They must be of the format of `part_suffix`.
        path : path
            The .npy.
        metadata : dict
            The manifest, without digests.

        Raises
        ------
        ValueError
            If a part is damaged.
        """
        part_format = FORMATS[self.part_suffix]
        shapes = [_read_intact(part, part_format.read_features).shape for part in parts]
        shape = (sum(n_rows for n_rows, _ in shapes), shapes[0][1])
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with atomic_write(rows_path(path)) as rows, atomic_write(path) as array:
            with open(array, "wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for part in parts:  # a full disk would crash a memory map
                    features = _read_intact(part, part_format.read_features)
                    file.write(np.ascontiguousarray(features, "<f4").data)
            for i, part in enumerate(parts):
                write_csv(rows, _read_intact(part, part_format.read_columns), is_first=i == 0)
            digests = [_hash_file(array), _hash_file(rows)]
        files = {}
        if is_local(path):
            files["stats"] = [_read_stat(path), _read_stat(rows_path(path))]
        files["digests"] = digests
        with atomic_write(manifest_path(path)) as manifest:
            manifest.write_text(json.dumps(metadata | files), encoding="utf-8")

    def _check_manifest(self, path):
        """Raise ValueError if the manifest describes other files; hash them only if they changed."""
        metadata = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        stats = metadata.get("stats")
        if stats is None or stats != [_read_stat(path), _read_stat(rows_path(path))]:
            self.read_metadata(path)

    def read_metadata(self, path):
        """Read the manifest; raise ValueError if it describes other files."""
        metadata = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        if metadata["digests"] != [_hash_file(path), _hash_file(rows_path(path))]:
            raise ValueError("the manifest describes other files")
        return metadata

    def read_columns(self, path, names=COLUMNS):
        """Read the columns `names` beside the features, as far as the table has them."""
        import pandas as pd

        with rows_path(path).open("rb") as file:
            frame = pd.read_csv(file, usecols=names.__contains__, dtype=str, keep_default_na=False)
        return {name: [*map(restore_text, frame[name])] for name in names if name in frame}

    def read_features(self, path, rows=None):
        """Read the features of `rows`; None reads all."""
        if rows is not None and is_local(path):
            return np.load(path, mmap_mode="r", allow_pickle=False)[rows]
        with path.open("rb") as file:
            return _take(np.load(file, allow_pickle=False), rows)


class Npz(TableFormat):
    """Arrays by name: compressed ``features``, ``labels`` and ``paths`` in a table.

    A part has the arrays ``features`` and `COLUMNS`, and its metadata as JSON. A further column is an
    array ``columns/NAME`` in both.
    """

    suffix = ".npz"

    def write(self, path, table, names):
        """Write the arrays of a table."""
        optional = {"labels": table.labels, "paths": table.paths}
        arrays = {
            name: np.asarray(values) for name, values in optional.items() if values is not None
        }
        arrays |= {f"{_NPZ_FOLDER}{name}": values for name, values in _further_columns(table)}
        for name, values in arrays.items():
            if values.dtype.kind == "O":  # numpy would pickle objects, and refuse to read them
                arrays[name] = values.astype(str)
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, features=table.features, **arrays)

    def read(self, path):
        """Read the arrays of a table."""
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = [file["features"], file.get("labels"), file.get("paths")]
            further = {
                name.removeprefix(_NPZ_FOLDER): np.asarray(file[name])
                for name in file.files
                if name.startswith(_NPZ_FOLDER)
            }
        # NumPy returns the bytes of a member that has lost its header
        arrays = [None if array is None else np.asarray(array) for array in arrays]
        return Table(*arrays, further or None)

    def write_part(self, path, columns, features, metadata):
        """Write a part to `path`, a local file."""
        arrays = {
            **{name: np.array(columns[name], str) for name in COLUMNS if name in columns},
            **{f"{_NPZ_FOLDER}{name}": columns[name] for name in columns if name not in COLUMNS},
        }
        arrays = {"features": features, _NPZ_KEY: np.array(json.dumps(metadata))} | arrays
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    def read_metadata(self, path):
        """Read the metadata of a part."""
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return json.loads(str(file[_NPZ_KEY]))

    def read_columns(self, path, names=None):
        """Read the columns `names` of a part, as far as it has them; None reads all."""
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            columns = {name: file[name].tolist() for name in names or COLUMNS if name in file}
            for name in file.files:
                if names is None and name.startswith(_NPZ_FOLDER):
                    columns[name.removeprefix(_NPZ_FOLDER)] = file[name]
            return columns

    def read_features(self, path, rows=None):
        """Read the features of `rows` of a part; None reads all."""
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return _take(file["features"], rows)


class Csv(TableFormat):
    """Further columns, then ``path`` and ``label``, then one column for each feature."""

    suffix = ".csv"

    def write(self, path, table, names):
        """Write the columns of a table."""
        features = dict(zip(names, np.asarray(table.features).T, strict=True))
        # features that INPUT carries, of another table, give way to those of the same name
        further = {name: values for name, values in _further_columns(table) if name not in features}
        with atomic_write(path) as temporary:
            write_csv(temporary, further | _text_columns(table) | features)

    def read(self, path):
        """Read a table."""
        with path.open("rb") as file:
            return _read_csv(file)


class Parquet(TableFormat):
    """Columns ``path``, ``label``, further ones, and ``features``, with one list of a fixed size a row.

    pandas reads ``features`` as a column of arrays: `sklearn_resnet.datasets.load_table`, or
    `numpy.stack`, makes a matrix of them. The table of a resumable run is a folder of parts, which
    readers read as one table.
    """

    suffix = ".parquet"
    part_suffix = ".parquet"
    is_folder = True

    def check(self, path):
        """Raise ImportError if pyarrow is not installed."""
        check_optional("pyarrow", extra="parquet", purpose=f"Writing {str(path)!r}")

    def write(self, path, table, names):
        """Write the columns of a table."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = _text_columns(table) | dict(_further_columns(table))
        arrays = {name: pa.array(as_text(values)) for name, values in columns.items()}
        arrays["features"] = _to_lists(table.features)
        # Arrow opens no path that is no UTF-8
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            pq.write_table(pa.table(arrays), file)

    def read(self, path):
        """Read a file, or a folder of parts, batch by batch: features are in memory once."""
        check_optional("pyarrow", extra="parquet", purpose=f"Reading {str(path)!r}")
        import pyarrow as pa

        files = list_parquet(path)
        if not files:
            raise ValueError("it holds no parts")
        n_rows, schemas = zip(*map(_describe_parquet, files), strict=True)
        lists = schemas[0].field("features").type
        if not pa.types.is_fixed_size_list(lists):
            raise ValueError("its features are not fixed-size lists")
        features = np.empty((sum(n_rows), lists.list_size), np.float32)
        fields = filter(_is_column, schemas[0])
        columns = {field.name: ([], field.type) for field in fields}
        start = 0
        for batch in _iterate_parquet(files, ["features", *columns]):
            rows = batch["features"].flatten().to_numpy().reshape(-1, lists.list_size)
            features[start : start + len(rows)] = rows
            start += len(rows)
            for name, (chunks, _) in columns.items():
                chunks.append(batch[name])
        columns = {name: pa.chunked_array(*column).to_pandas() for name, column in columns.items()}
        labels, paths = (
            np.array(columns.pop(name).tolist(), str) if name in columns else None
            for name in ("label", "path")
        )
        columns = {name: to_array(values) for name, values in columns.items()}
        return Table(features, labels, paths, columns or None)

    def write_part(self, path, columns, features, metadata):
        """Write a part to `path`, a local file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        # the type of columns without rows is text, too
        arrays = {
            name: pa.array(list(as_text(columns[name])), pa.string())
            for name in COLUMNS
            if name in columns
        }
        arrays |= {name: pa.array(columns[name]) for name in columns if name not in COLUMNS}
        table = pa.table(arrays | {"features": _to_lists(features)})
        table = table.replace_schema_metadata({_PARQUET_KEY: json.dumps(metadata)})
        with open(path, "wb") as file:
            pq.write_table(table, file, write_page_checksum=True)

    def read_metadata(self, path):
        """Read the metadata of a part."""
        import pyarrow.parquet as pq

        with path.open("rb") as file:
            return json.loads(pq.read_schema(file).metadata[_PARQUET_KEY.encode()])

    def read_columns(self, path, names=COLUMNS):
        """Read the columns `names` of a part, as far as it has them."""
        import pyarrow.parquet as pq

        with path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            names = [name for name in names if name in parquet.schema_arrow.names]
            table = parquet.read(columns=names)
        return {name: table[name].to_pylist() for name in names}

    def read_features(self, path, rows=None):
        """Read the features of `rows` of a part; None reads all."""
        import pyarrow.parquet as pq

        with path.open("rb") as file:
            table = pq.read_table(file, columns=["features"], page_checksum_verification=True)
        column = table["features"]
        width = column.type.list_size  # known even for a part without rows
        return _take(column.combine_chunks().flatten().to_numpy().reshape(-1, width), rows)


FORMATS = {table_format.suffix: table_format for table_format in (Npy(), Npz(), Csv(), Parquet())}
# of tables that a resumable run writes
RESUMABLE_SUFFIXES = tuple(
    suffix for suffix, table_format in FORMATS.items() if table_format.part_suffix
)


def find_format(path):
    """Find the format of a path by its suffix."""
    return FORMATS[path.suffix]


def describe_suffixes():
    """List the suffixes of all formats for a message: ``".npy, .npz, .csv or .parquet"``."""
    *first, last = FORMATS
    return f"{', '.join(first)} or {last}"


def rows_path(path):
    """Name the .csv beside a .npy that has a line for each of its rows."""
    return path.with_name(f"{path.stem}_rows.csv")


def manifest_path(path):
    """Name the .json beside a .npy that has the manifest of a resumable run."""
    return path.with_name(f"{path.stem}_rows.json")


def list_parquet(path):
    """List the file, or the files of a folder of parts, in order."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in list_folder(path) if not file.name.startswith((".", "_")))


def _text_columns(table):
    labels = table.labels
    if labels is not None and np.asarray(labels).dtype.kind == "f" and np.isnan(labels).any():
        labels = np.array(label_texts(labels))  # some are missing
    columns = {"path": table.paths, "label": labels}
    return {name: values for name, values in columns.items() if values is not None}


def _further_columns(table):
    """List the names and the arrays of the columns beside features, labels and paths."""
    return [(name, to_array(values)) for name, values in (table.columns or {}).items()]


def _read_csv(file, n_features=None):
    """Read a .csv of columns and features.

    Features are to the right of the path and the label, if there are any; with `n_features` of 0, all
    columns are further ones.
    """
    import pandas as pd

    names = pd.read_csv(file, nrows=0).columns
    file.seek(0)
    n_further = len(names)
    if n_features is None:
        n_further = min((i for i, name in enumerate(names) if name in COLUMNS), default=0)
    text = [*COLUMNS, *names[:n_further]]
    frame = pd.read_csv(
        file,
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,  # "None" and "NA" are labels, too
        na_values={name: ["", "nan"] for name in names.difference(text)},
    )
    labels, paths = (
        np.array([*map(restore_text, frame[name])], str) if name in frame else None
        for name in ("label", "path")
    )
    features = frame.drop(columns=text, errors="ignore").to_numpy(np.float32)
    further = {
        restore_text(name): parse_texts([*map(restore_text, frame[name])])
        for name in names[:n_further]
        if name not in COLUMNS
    }
    return Table(features, labels, paths, further or None)


def _to_lists(features):
    """Convert features to an Arrow array of lists of a fixed size."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(features, np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, features.shape[1])


def _is_column(field):
    """Whether a column of a .parquet holds one value a row, beside the features of the table."""
    import pyarrow as pa

    return field.name != "file_version" and not pa.types.is_nested(field.type)


def _describe_parquet(path):
    """Return the number of rows and the schema of a file."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        parquet = pq.ParquetFile(file)
        return parquet.metadata.num_rows, parquet.schema_arrow


def _iterate_parquet(files, columns):
    """Yield the rows of files, batch by batch."""
    import pyarrow.parquet as pq

    for path in files:
        with path.open("rb") as file:
            yield from pq.ParquetFile(file).iter_batches(columns=columns)


def _take(features, rows):
    return features if rows is None else features[rows]


def _hash_file(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


def _read_stat(path):
    """Describe a local file by what changes when it is written again."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _read_intact(part, read):
    """Read a part; errors name it."""
    try:
        return read(part)
    except Exception as exc:  # of numpy, zipfile, zlib and the disk
        raise ValueError(
            f"The part {str(part)!r} is damaged: {str(exc).rstrip('.')}. Remove it: the next run "
            "computes it again."
        ) from exc
