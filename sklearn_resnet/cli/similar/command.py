"""What `embedding similar` does: images of a table that are like another one."""

import json

import click
import numpy as np

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.intensity import to_uint8
from sklearn_resnet._images.lazy import describe_failures
from sklearn_resnet._io.atomic import atomic_write, check_writable
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet.cli.inputs import read_input
from sklearn_resnet.cli.similar.contact_sheet import LINE_LENGTH, draw_sheet, save_sheet
from sklearn_resnet.cli.similar.neighbors import find_similar
from sklearn_resnet.cli.tables import read_table

PICTURES = (".png", ".jpg", ".pdf", ".svg")
_TILE_SIDE = 192  # pixels
_MAX_QUERIES, _MAX_TILES = 50, 200  # in one picture
# How features are made: what of a record are parameters of ResNetFeatures.
_HOW = ("layers", "architecture", "pooling", "image_size", "engine", "precision")


class SimilarRun:
    """One search; the arguments are the options of the command `embedding similar`."""

    def __init__(self, queries, table, *, n_neighbors, metric, output, weights):
        self.queries = list(queries)
        self.path = as_path(table)
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.output = (
            self.path.with_name(f"{self.path.stem}_similar.png")
            if output is None
            else as_path(output)
        )
        self.weights = weights

    def search(self):
        """Find the images, and draw them; return what to print."""
        self.table = read_table(self.path)
        self._check_output()
        self.record = self._read_record()
        self.query_images = self._load_queries()
        features = self._embed(self.query_images)
        distances, rows = find_similar(self.table.features, features, self.n_neighbors, self.metric)
        self._read_again()
        lines = [self._describe()]
        for query, its_distances, its_rows in zip(self.queries, distances, rows, strict=True):
            lines += ["", f"query      {printable(query)}", *self._list(its_distances, its_rows)]
        self._draw(distances, rows)
        return "\n".join([*lines, "", f"wrote      {self.output}"])

    def _check_output(self):
        if self.output.suffix.lower() not in PICTURES:
            raise ValueError(
                f"-o/--output must end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}. Got "
                f"{str(self.output)!r} instead."
            )
        if str(self.output) in [*map(str, map(as_path, self.queries)), str(self.path)]:
            raise ValueError(
                f"-o/--output must be another file than QUERY and TABLE. Got {str(self.output)!r}."
            )
        check_writable(self.output)

    def _read_record(self):
        """What the record beside the table says of how it was made."""
        path = self.path.with_suffix(".json")
        name = f"The record {str(path)!r}"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            model, self.image_shape = record["model"], record["shapes"]["input"][1:]
            if model == "resnet":
                for key in (*_HOW, "layer_names", "value_range", "weights", "seed", "input"):
                    record[key]
        except FileNotFoundError as exc:
            raise FileNotFoundError(
                f"{name} is missing, which says how the features in {str(self.path)!r} were made: "
                "`embedding` writes it beside its OUTPUT. Put it there, or make the table again."
            ) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise ValueError(
                f"{name} must be one that `embedding` wrote. It cannot be read: {exc!r}. Make the "
                "table again."
            ) from exc
        if model != "resnet":
            raise ValueError(
                f"{name} must be of features of a ResNet. Got those of {model!r}, which cannot be "
                "computed of another image. Make a table by --model resnet."
            )
        if record["weights"] == "random" and record["seed"] is None:
            raise ValueError(
                f"{name} says that the weights were random, without a seed to draw them again. Make "
                "the table with -s, or by --weights procedural."
            )
        return record

    def _load_queries(self):
        """The queries as the images of the table were: of their size, grey or in colour."""
        mode = "L" if len(self.image_shape) == 2 or self.image_shape[2] == 1 else "RGB"
        return ImageLoader(self.image_shape[:2], mode=mode).fit_transform(self.queries)

    def _embed(self, images):
        record = self.record
        weights = record["weights"] if self.weights is None else self.weights
        options = {name: record[name] for name in _HOW}
        if options["precision"] == "int8":
            # whose rounding was learnt of all images, and is close to what it rounds
            options["precision"] = "float32"
        resnet = ResNetFeatures(
            weights=None if weights == "random" else weights,
            random_state=record["seed"],
            value_range=(0, 255),  # of what ImageLoader gives
            cache=None,
            **options,
        ).fit(images)
        if resnet.weights_fingerprint_ != record["weights_fingerprint"]:
            raise ValueError(
                f"The weights must be those that {str(self.path)!r} was made with, of the "
                f"fingerprint {record['weights_fingerprint']}. Got {weights!r}, of the fingerprint "
                f"{resnet.weights_fingerprint_}. Name the file of the others by --weights, or make "
                "the table again."
            )
        features = resnet.transform(images)
        if features.shape[1] != self.table.features.shape[1]:
            raise ValueError(
                f"The table {str(self.path)!r} must hold the {features.shape[1]} features that its "
                f"record speaks of. Got {self.table.features.shape[1]} instead. Make it again."
            )
        return features

    def _read_again(self):
        """Find images, and labels, of a table without paths in what it was made from."""
        self.images, n_rows = None, len(self.table.features)
        record = self.record
        if self.table.paths is not None or (record.get("patches") and record["seed"] is None):
            return
        options = {"patches": record["patches"], "patch_size": record["patch_size"]}
        options = options if record.get("patches") else {}
        try:
            data = read_input(
                record["input"], seed=record["seed"], image_size=record["image_size"], **options
            )
        except (OSError, ValueError) as exc:
            click.echo(f"warning    The images cannot be shown. {exc}", err=True)
            return
        if len(data.images) != n_rows:  # it has changed
            return
        self.images = data.images
        if self.table.labels is None and data.labels is not None:
            self.table = self.table._replace(labels=data.labels)

    def _describe(self):
        record, layers = self.record, ", ".join(map(printable, self.record["layer_names"]))
        how = f"{record['architecture']}, {layers}; weights {printable(record['weights'])}"
        if record["precision"] == "int8":
            how += "; int8, and of QUERY float32"
        return (
            f"table      {len(self.table.features):,} rows of {printable(str(self.path))}\n"
            f"features   {how}\n"
            f"metric     {self.metric} distance"
        )

    def _name(self, row):
        return f"row {row}" if self.table.paths is None else printable(self.table.paths[row])

    def _label(self, row):
        return "" if self.table.labels is None else printable(self.table.labels[row])

    def _list(self, distances, rows):
        """Lines of a table of what was found for one query."""
        columns = [
            ["rank", *map(str, range(1, len(rows) + 1))],
            ["distance", *(f"{distance:.4f}" for distance in distances)],
        ]
        if self.table.labels is not None:
            columns.append(["label", *map(self._label, rows)])
        if self.table.paths is None:
            columns.append(["row", *map(str, rows)])
        else:
            columns.append(["path", *map(self._name, rows)])
        widths = [max(map(len, column)) for column in columns]
        for cells in zip(*columns, strict=True):
            numbers = (cell.rjust(width) for cell, width in zip(cells[:2], widths, strict=False))
            texts = (cell.ljust(w) for cell, w in zip(cells[2:], widths[2:], strict=True))
            yield "  ".join([*numbers, *texts]).rstrip()

    def _draw(self, distances, rows):
        names = self.queries[:_MAX_QUERIES]
        n_drawn = min(_MAX_TILES // len(names), rows.shape[1])
        if (len(names), n_drawn) < rows.shape:
            what = f"{len(names)} of {len(rows)} queries, and {n_drawn} images for each"
            click.echo(f"warning    The picture has {what}.", err=True)
        distances, rows = distances[: len(names), :n_drawn], rows[: len(names), :n_drawn]
        is_of_files = self.table.paths is not None
        queries = self._load_files(names) if is_of_files else self.query_images
        tiles = self._load_tiles(rows.ravel())
        blocks = []
        for i, query in enumerate(names):
            found = []
            for rank, (distance, row) in enumerate(zip(distances[i], rows[i], strict=True), 1):
                caption = [f"{rank}.  {distance:.4f}", self._label(row), _end(self._name(row))]
                tile = tiles[i * rows.shape[1] + rank - 1]
                found.append((tile, "\n".join(line[:LINE_LENGTH] for line in caption if line)))
            caption = f"query\n{_end(printable(query))}\nby {self.metric} distance"
            blocks.append((queries[i], caption, found))
        with atomic_write(self.output) as whole:
            save_sheet(draw_sheet(blocks), whole)

    def _load_tiles(self, rows):
        if self.table.paths is not None:
            return self._load_files(self.table.paths[rows].tolist())
        if self.images is None:
            return [None] * len(rows)
        chosen = np.asarray(self.images[rows])
        return list(to_uint8(chosen, self.record["value_range"]))

    def _load_files(self, paths):
        """Images as the network saw them, but larger; None of those that cannot be read."""
        scale = _TILE_SIDE / max(self.image_shape[:2])
        size = [max(1, round(side * scale)) for side in self.image_shape[:2]]
        images = ImageLoader(size, lazy=True, on_error="nan").fit_transform(paths)
        tiles = [image for batch in images.batches(len(paths)) for image in batch]
        if images.failures:
            failures = sorted(images.failures.values())
            line = describe_failures(failures, len(paths), "their names alone are shown")
            click.echo(f"warning    {line}", err=True)
        return [None if i in images.failures else tile for i, tile in enumerate(tiles)]


def printable(text):
    """Text in which nothing moves a cursor or begins a line: such characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def _end(name):
    """The end of a path, which fits into a caption."""
    return name if len(name) <= LINE_LENGTH else f"...{name[3 - LINE_LENGTH :]}"
