"""The widget of an embedding with its images, for notebooks; see `import_explorer`."""

import base64
import uuid
from collections.abc import Set
from typing import TYPE_CHECKING

import numpy as np
import traitlets
from anywidget import AnyWidget

from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._sklearn_private import safe_indexing
from sklearn_resnet.plotting._coloring import as_array, as_label, check_column, encode_labels
from sklearn_resnet.plotting.explorer.content import encode_metadata, name_cluster_buffer
from sklearn_resnet.plotting.explorer.names import check_known, check_names
from sklearn_resnet.plotting.explorer.page import read_css, read_file, read_markup, read_script

if TYPE_CHECKING:
    from pandas import DataFrame

_NO_TAG = "no tag"  # as tags.js calls the points without one


def _as_rows(values, n_points):
    """Return row numbers in ascending order, given rows or a mask of all rows."""
    values = np.asarray(list(values) if isinstance(values, Set) else values)
    if values.dtype == object:  # nullable columns of pandas; a missing value stays an object
        values = np.asarray(values.tolist())
    if values.dtype == bool:
        if values.shape != (n_points,):
            raise ParameterError(
                "selection",
                f"must hold one value for each of the {n_points} points, if it is a mask",
                str(values.shape),
            )
        return np.flatnonzero(values)
    if values.shape == (0,):
        return np.empty(0, np.int64)
    is_rows = values.ndim == 1 and values.dtype.kind in "iu"
    if not is_rows or values.min() < 0 or values.max() >= n_points:
        raise ParameterError(
            "selection",
            f"must hold row numbers from 0 to {n_points - 1}, or a mask of all rows",
            repr(values.ravel().tolist()[:5] if values.ndim else values.item()),
        )
    is_selected = np.zeros(n_points, bool)  # faster than sorting a million rows
    is_selected[values] = True
    return np.flatnonzero(is_selected)


class _Array(traitlets.TraitType):
    """A trait that holds a read-only array, which the model sends as bytes."""

    def __init__(self, check, to_json, from_json):
        super().__init__()
        self._check = check
        self.tag(
            sync=True,
            to_json=lambda value, widget: to_json(value),
            from_json=lambda value, widget: from_json(value),
        )

    def validate(self, obj, value):
        value = self._check(value, obj.n_points)
        value.flags.writeable = False  # changes in place would not reach the widget
        return value

    def set(self, obj, value):
        value = self._validate(obj, value)
        # traitlets cannot compare arrays: two widgets that follow each other would never end
        if not np.array_equal(value, obj._trait_values.get(self.name)):
            super().set(obj, value)


class _LabelList(traitlets.List):
    """A trait that holds labels as text, given a sequence of them."""

    def validate(self, obj, value):
        if hasattr(value, "tolist"):  # arrays and columns
            value = value.tolist()
        elif hasattr(value, "to_list"):
            value = value.to_list()
        if isinstance(value, list | tuple):
            value = list(map(as_label, value))
        return super().validate(obj, value)


def _check_tags(values, n_points):
    values = check_column(values, "tags") if np.ndim(values) else as_array(values)
    if values.shape != (n_points,):
        raise ParameterError(
            "tags", f"must hold one value for each of the {n_points} points", str(values.shape)
        )
    names, codes = encode_labels(values)
    return _decode(names, codes)


def _decode(names, codes):
    # the last one is that of the code -1
    return np.array([*names, None], object)[codes]


def _send_tags(tags):
    names, codes = encode_labels(tags)
    return {"names": names, "codes": codes.astype("<i4").tobytes()}


def _receive_tags(sent):
    return _decode(sent["names"], np.frombuffer(sent["codes"], "<i4"))


class EmbeddingExplorer(AnyWidget):
    """Widget that shows an embedding and its images in a notebook.

    `EmbeddingDisplay.explore` and the result of `compare_embeddings` create it. It does all that the
    page of `EmbeddingDisplay.to_html` does. All traits below can be read, set and observed
    (`widget.observe`); an unknown row, label, column or cluster is a `ValueError`. The kernel sends
    thumbnails when they are needed.

    Parameters
    ----------
    content : Content
        What it shows.
    title : str
        Heading above the map.
    picture : callable, default=None
        Makes a PNG file, which a saved notebook shows where there is no kernel.

    Attributes
    ----------
    selection : ndarray of shape (n_selected,), dtype int
        The selected rows, in ascending order. Set it with any sequence of rows or a boolean mask.
    pinned : int or None
        The row of the pinned image.
    hidden : list of str
        The hidden labels of the column that colours the points. The legend names the points without
        a label, for example "no tag". Clusters that the user renamed go by the names that they had.
        Another column shows all labels again.
    color_by : str
        The name of the column that colours the points.
    tags : ndarray of shape (n,), dtype object
        The tag of each row, or None. Assign a whole array to change it.
    clusters : DataFrame of shape (n, n_levels)
        The name of each row's cluster at each level of detail, or None; read-only.
    names : dict of str to str
        The names that the user gave to clusters, by the names that they had: "cluster 2". If there
        are several maps, the key begins with that of the map: "PCA: cluster 2". Assign a whole dict
        to change it.

    See Also
    --------
    EmbeddingDisplay.explore : Creates it.
    EmbeddingDisplay.to_html : Writes the same view as a file.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_resnet import EmbeddingDisplay
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> xy = PCA(2).fit_transform(X.reshape(len(X), -1))
    >>> widget = EmbeddingDisplay(xy, y, images=X).explore()
    >>> widget.selection = y == 7
    >>> widget.selected(X).shape
    (179, 8, 8)
    """

    _esm = read_script() + read_file("js/widget_host.js")
    _style = traitlets.Unicode(read_css() + read_file("widget.css")).tag(sync=True)
    _markup = traitlets.Unicode().tag(sync=True)
    _metadata = traitlets.Unicode().tag(sync=True)
    _buffers = traitlets.Dict().tag(sync=True)
    _first_sheet = traitlets.Bytes().tag(sync=True)
    _id = traitlets.Unicode().tag(sync=True)

    selection = _Array(
        _as_rows, lambda rows: rows.astype("<u4").tobytes(), lambda sent: np.frombuffer(sent, "<u4")
    )
    pinned = traitlets.Int(None, allow_none=True).tag(sync=True)
    hidden = _LabelList(traitlets.Unicode()).tag(sync=True)
    color_by = traitlets.Unicode().tag(sync=True)
    tags = _Array(_check_tags, _send_tags, _receive_tags)
    names = traitlets.Dict().tag(sync=True)

    def __init__(self, content, title, picture=None):
        self.n_points = content.metadata["n"]
        columns = content.metadata["columns"]
        self._labels = {  # empty for numbers on a scale
            each["name"]: [group["name"] for group in each.get("groups", [])] for each in columns
        }
        self._tag_column = content.metadata["tagColumn"]
        self._sent_tags = []  # the browser also lists tags that no point has any more
        self._hidden_column = None  # whose labels `hidden` holds
        self._maps = content.metadata["maps"]
        self._sheets = content.sheets
        self._picture = picture
        super().__init__(
            _markup=read_markup(title),
            _metadata=encode_metadata(content.metadata),
            _buffers=content.buffers,
            _first_sheet=self._make_first_sheet(),
            _id=uuid.uuid4().hex,
            selection=[],
            color_by=columns[0]["name"],
            tags=_receive_tags(
                {
                    "names": content.metadata["tagNames"],
                    "codes": content.buffers.get("tags", np.full(self.n_points, -1, "<i4")),
                }
            ),
            names=content.metadata["names"],
        )
        self.on_msg(self._answer)

    def selected(self, X):
        """Select the rows of the selection from data with one row for each point.

        Parameters
        ----------
        X : array-like, sparse matrix, dataframe, list or LazyImages of length n
            Anything that has one row for each point, in the order of the points.

        Returns
        -------
        rows : same type as `X`
            The selected rows.

        Raises
        ------
        ValueError
            If `X` has another number of rows.
        """
        is_lazy = isinstance(X, LazyImages)  # their shape may decode an image
        n_rows = len(X) if is_lazy or not hasattr(X, "shape") else X.shape[0]
        if n_rows != self.n_points:
            raise ParameterError(
                "X", f"must have one row for each of the {self.n_points} points", f"{n_rows} rows"
            )
        if is_lazy:
            return X[self.selection]
        if getattr(X, "format", None) in ("coo", "dia", "bsr"):  # SciPy takes no rows of these
            X = X.tocsr()
        return safe_indexing(X, self.selection)

    @property
    def clusters(self) -> "DataFrame":
        """The name of each row's cluster at each level of detail, as in the CSV file of a selection.

        Columns are "cluster level 0" for the coarsest clusters, "cluster level 1" and so on; those of
        several maps begin with the name of the map: "PCA: cluster level 0". Clusters have the names
        that the user gave them. Rows outside of all clusters of a level have None. A table without
        columns means that there are no clusters.
        """
        import pandas as pd

        columns = {}
        for k, each in enumerate(self._maps):
            prefix = f"{each['name']}: " if len(self._maps) > 1 else ""
            found = each["clusters"]
            names = [self.names.get(cluster["key"], cluster["name"]) for cluster in found]
            for level in sorted({cluster["level"] for cluster in found}):
                codes = np.frombuffer(self._buffers[name_cluster_buffer(level, k)], "<i4")
                columns[f"{prefix}cluster level {level}"] = _decode(names, codes)
        return pd.DataFrame(columns, index=range(self.n_points), dtype=object)

    def set_state(self, sync_data):
        """Take over values that the browser sends, which may cross with those that Python sets."""
        if "tags" in sync_data:
            self._sent_tags = sync_data["tags"]["names"]
        if "hidden" in sync_data:
            known = self._list_labels(sync_data.get("color_by", self.color_by))
            hidden = [label for label in sync_data["hidden"] if label in known]
            sync_data = sync_data | {"hidden": hidden}
        super().set_state(sync_data)

    @traitlets.observe("color_by")
    def _show_all(self, change):
        if self._hidden_column != self.color_by:
            self.hidden = []

    @traitlets.observe("tags")
    def _show_former_tags(self, change):
        if self.hidden and self.color_by == self._tag_column:
            known = self._list_labels(self.color_by)
            self.hidden = [label for label in self.hidden if label in known]

    @traitlets.validate("hidden")
    def _check_hidden(self, proposal):
        known = self._list_labels(self.color_by)
        check_known("hidden", proposal["value"], known, f"labels in the column {self.color_by!r}")
        self._hidden_column = self.color_by
        return proposal["value"]

    def _list_labels(self, column):
        """List the labels in the legend of a column."""
        if column != self._tag_column:
            return self._labels.get(column, [])
        return [*encode_labels(self.tags)[0], *self._sent_tags, _NO_TAG]

    @traitlets.validate("names")
    def _check_names(self, proposal):
        check_names(proposal["value"], self._maps)
        return proposal["value"]

    @traitlets.validate("color_by")
    def _check_column(self, proposal):
        columns = [*self._labels, self._tag_column]
        if proposal["value"] not in columns:
            known = ", ".join(map(repr, columns))
            raise ParameterError("color_by", f"must be one of {known}", repr(proposal["value"]))
        return proposal["value"]

    @traitlets.validate("pinned")
    def _check_pinned(self, proposal):
        row = proposal["value"]
        if row is not None and not 0 <= row < self.n_points:
            raise ParameterError(
                "pinned", f"must be a row from 0 to {self.n_points - 1}, or None", str(row)
            )
        return row

    def _make_first_sheet(self):
        """Make the only sheet, or return nothing: a saved notebook then has all thumbnails."""
        if self._sheets is None or self._sheets.n_sheets > 1:
            return b""
        return self._sheets.make(0)

    def _answer(self, widget, content, buffers):
        """Send the sheet that a view asks for."""
        if content.get("kind") != "sheet":
            return
        answer = {"kind": "sheet", "k": content["k"]}
        try:
            sheet = self._sheets.make(content["k"])
        except Exception as exc:
            self.send(answer | {"error": str(exc)})
            raise
        self.send(answer, buffers=[sheet])

    def _ipython_display_(self):
        """Show the widget, and a picture that it hides."""
        from IPython.display import display

        if self._repr_mimebundle_ is not None:  # unless it is closed
            display(self._repr_mimebundle_()[0], raw=True)
        if self._picture is not None:
            png = base64.b64encode(self._picture()).decode()
            alt = f"The embedding, without its widget {self._id}"
            display({"text/html": f'<img alt="{alt}" src="data:image/png;base64,{png}">'}, raw=True)
