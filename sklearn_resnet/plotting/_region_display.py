"""RegionDisplay: regions of an image, drawn on it."""

import os
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_resnet._images.items import as_item, is_path, name_of
from sklearn_resnet._images.regions import is_region_table, list_regions
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.datasets._regions import label_parts, read_label_image
from sklearn_resnet.plotting._coloring import Scale, check_column, color_points
from sklearn_resnet.plotting._layout import fit_axes, fit_title
from sklearn_resnet.plotting._legend import draw_legend_beside
from sklearn_resnet.plotting._overview import read_whole
from sklearn_resnet.plotting._region_shapes import (
    colors_of,
    draw_heatmap,
    draw_shapes,
    trace_outlines,
)
from sklearn_resnet.plotting._saving import ShownAsPicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_IMAGE_SIZE = (7, 6)  # at most, in inches
_MARGIN = 0.3  # inches around the image
_MIN_SIZE = (3, 2)  # of the figure, in inches
_BAR_WIDTH = 0.18  # inches
_MAX_SIDE = 2048  # pixels of the image as drawn
_MAX_CLASSES = 20  # whole numbers: so many labels have distinct colours
_KINDS = ("auto", "boxes", "outlines", "heatmap")
_OPACITY = {"boxes": 0.0, "outlines": 0.25, "heatmap": 0.5}


class RegionDisplay(ShownAsPicture):
    """Regions of an image, drawn on it in the colours of clusters, labels or scores.

    It is recommended to use `draw_regions` to create a `RegionDisplay`. All parameters are stored
    as attributes; call `plot` to draw it again with other settings.

    Parameters
    ----------
    image : path, ndarray or PIL image
        The image. Large images are drawn in a lower resolution.
    table : dataframe
        A table of regions, as `ImageLoader` accepts it. The regions whose ``path`` is `image` are
        drawn; if no path is compared, because `image` is in memory, all of them.
    values : str or array-like of shape (n_regions,), default=None
        A column of `table`, or a value for each of its rows: labels, or numbers on a scale, as in
        `EmbeddingDisplay.from_embedding`. All rows of the table determine the colours, so figures
        of several images agree. Regions without a value (None, NaN or "") are grey.
    labels : ndarray of shape (height, width), PIL image or path, default=None
        The label image or mask from which `find_regions` made the table, for outlines. A column
        ``segment`` of `table` holds the value of each region.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the image. Pixels have their centres at whole numbers.
    figure_ : matplotlib Figure
        Figure containing the image.
    image_ : matplotlib AxesImage
        The image.
    regions_ : matplotlib PolyCollection, PathCollection or AxesImage
        The boxes, the outlines, or the heat map.
    legend_ : matplotlib Legend or None
        Legend with the labels, beside the axes.
    colorbar_ : matplotlib Colorbar or None
        Colour bar of the scale, with the name of the column. That of a heat map has its opacity, over
        the mean colour of the image.

    See Also
    --------
    sklearn_resnet.datasets.find_regions : Makes a table of the objects of a segmentation.
    sklearn_resnet.datasets.make_tiles : Makes a table of tiles.
    EmbeddingDisplay : Shows regions as thumbnails on a map.

    Examples
    --------
    >>> import pandas as pd
    >>> from skimage.data import coins
    >>> from sklearn_resnet import RegionDisplay
    >>> boxes = {"top": [15, 20], "left": [25, 90], "bottom": [65, 65], "right": [75, 135]}
    >>> table = pd.DataFrame({"path": "coins.png", **boxes, "kind": ["large", "small"]})
    >>> display = RegionDisplay(coins(), table, "kind").plot(title="Two coins")
    >>> display.figure_.savefig("regions.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        image: Any,
        table: "DataFrame",
        values: str | ArrayLike | None = None,
        *,
        labels: Any = None,
    ) -> None:
        self.image = image
        self.table = table
        self.values = values
        self.labels = labels

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: str = "auto",
        palette: str | list | dict | None = None,
        alpha: float | None = None,
        legend: bool = True,
        title: str | None = None,
    ) -> Self:
        """Draw the image and its regions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes object to plot on. If `None`, a new figure is created.
        kind : {"auto", "boxes", "outlines", "heatmap"}, default="auto"
            How to draw the regions:

            - ``"boxes"``: as rectangles;
            - ``"outlines"``: by the masks of the table, or by `labels`;
            - ``"heatmap"``: by a transparent layer in the colours of the regions. Where regions
              overlap, their values are averaged;
            - ``"auto"``: outlines if there are masks or `labels`; a heat map for numbers on a scale
              if all regions have the same size; otherwise boxes.
        palette : str, list or dict, default=None
            Colours of the labels, or colour map of a scale. See `EmbeddingDisplay.plot`.
        alpha : float, default=None
            Opacity of the heat map or of the inside of boxes and outlines, from 0 to 1. By default
            0.5 for a heat map, 0.25 for outlines, and 0 for boxes.
        legend : bool, default=True
            Whether to draw the legend of labels, or the colour bar of a scale, beside the axes.
        title : str, default=None
            Title of the plot. Long lines are wrapped.

        Returns
        -------
        display : RegionDisplay
            The display, with `ax_`, `figure_`, and the other attributes set.

        Raises
        ------
        ImageReadError
            If the image cannot be read.
        ValueError
            If the table or a parameter is invalid, or holds no region of the image.
        """
        _check_options(kind, alpha)
        rows, regions = self._find_regions()
        values = self._check_values()
        coloring = color_points(values, len(self.table), palette, _MAX_CLASSES).without_markers()
        pixels, shape = read_whole(as_item(self.image), regions[0].page, _MAX_SIDE)
        boxes = np.array([region.box or (0, 0, *shape) for region in regions])
        masks = self._find_masks(rows, regions, boxes, shape)
        if kind == "auto":
            kind = _choose_kind(masks, boxes, coloring)
        if kind == "outlines" and masks is None:
            raise ParameterError(
                "kind",
                "must be 'boxes' or 'heatmap' for regions without masks",
                "'outlines'",
                "Pass labels=..., or a table with a column 'mask'.",
            )
        if alpha is None:
            alpha = _OPACITY[kind]
        self._set_up_axes(ax, pixels, shape)
        fit_title(self.ax_, title)
        if legend:
            opacity = alpha if kind == "heatmap" else None
            self._draw_legend(coloring, title, opacity, is_own_figure=ax is None)
        if kind == "heatmap":
            self.regions_ = draw_heatmap(self.ax_, boxes, coloring, rows, shape, alpha)
            return self
        outlines = trace_outlines(masks, boxes) if kind == "outlines" else None
        self.regions_ = draw_shapes(self.ax_, boxes, outlines, colors_of(coloring, rows), alpha)
        return self

    def _find_regions(self):
        """Return the rows of the image's regions, and these regions."""
        if not is_region_table(self.table):
            raise ParameterError(
                "table",
                "must be a dataframe with the columns 'path', 'top', 'left', 'bottom' and 'right'",
                type(self.table).__name__,
                "find_regions, make_tiles and read_boxes make such tables.",
            )
        regions = list_regions(self.table)
        rows = _find_rows(as_item(self.image), [region.source for region in regions])
        chosen = [regions[i] for i in rows]
        pages = {region.page for region in chosen}
        if len(pages) > 1:
            raise ParameterError(
                "table",
                "must hold regions of one page of the image",
                f"{len(pages)} pages",
                "Select the rows of one page.",
            )
        return rows, chosen

    def _check_values(self):
        """Return the values of all rows, as `color_points` takes them."""
        values = self.values
        if isinstance(values, str):
            names = list(self.table.columns)
            if values not in names:
                raise ParameterError(
                    "values",
                    "must be a column of the table, or hold a value for each of its rows",
                    repr(values),
                    f"The columns are {', '.join(map(str, names))}.",
                )
            values = self.table[values]
        if values is None:
            return None
        values = check_column(values, "values")
        if len(values) != len(self.table):
            raise ParameterError(
                "values",
                f"must hold one value for each of the {len(self.table)} rows of the table",
                str(len(values)),
            )
        return values

    def _find_masks(self, rows, regions, boxes, shape):
        """Return the mask of each region, or None if there are no masks."""
        if self.labels is not None:
            return list(_cut_labels(self.labels, self.table, rows, boxes, shape))
        if all(region.mask is None for region in regions):
            return None
        sizes = boxes[:, 2:] - boxes[:, :2]
        return [
            np.ones(size, bool) if region.mask is None else region.mask
            for region, size in zip(regions, sizes, strict=True)
        ]

    def _set_up_axes(self, ax, pixels, shape):
        """Draw the image, in the coordinates of its full resolution."""
        import matplotlib.pyplot as plt

        height, width = shape
        if ax is None:
            inches = min(_IMAGE_SIZE[0] / width, _IMAGE_SIZE[1] / height)
            size = width * inches + _MARGIN, height * inches + _MARGIN
            _, ax = plt.subplots(figsize=np.maximum(size, _MIN_SIZE), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.legend_ = self.colorbar_ = None
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        self.image_ = ax.imshow(pixels, extent=extent, interpolation="antialiased", zorder=0)
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="")

    def _draw_legend(self, coloring, title, opacity, *, is_own_figure):
        """Draw the labels or the colour bar beside the image, and lay out the figure again.

        The colour bar has the opacity of a heat map, over the mean colour of the image.
        """
        if isinstance(coloring, Scale):
            share = _BAR_WIDTH * self.figure_.dpi / self.ax_.get_window_extent().width
            beside = self.ax_.inset_axes((1 + share / 2, 0, share, 1))
            self.colorbar_ = self.figure_.colorbar(coloring.mappable, cax=beside, alpha=opacity)
            beside.set_facecolor(self.image_.get_array().mean(axis=(0, 1)) / 255)
            name = (
                self.values if isinstance(self.values, str) else getattr(self.values, "name", None)
            )
            self.colorbar_.set_label("" if name is None else str(name))
            width = beside.get_tightbbox().x1 - self.ax_.get_window_extent().x1
        elif coloring.names:
            self.legend_ = draw_legend_beside(self.ax_, coloring, is_own_figure=is_own_figure)
            width = self.legend_.get_window_extent().width
        else:
            return
        if is_own_figure:
            dpi = self.figure_.dpi
            self.figure_.set_figwidth(self.figure_.get_figwidth() + width / dpi + _MARGIN)
        fit_axes(self.ax_, right=1.05 * width)
        fit_title(self.ax_, title)


def draw_regions(
    image: Any,
    table: "DataFrame",
    values: str | ArrayLike | None = None,
    *,
    labels: Any = None,
    kind: str = "auto",
    palette: str | list | dict | None = None,
    alpha: float | None = None,
    legend: bool = True,
    title: str | None = None,
    ax: "Axes | None" = None,
) -> RegionDisplay:
    """Draw regions on their image, in the colours of clusters, labels or scores.

    Parameters
    ----------
    image : path, ndarray or PIL image
        The image. Large images are drawn in a lower resolution.
    table : dataframe
        A table of regions, as `ImageLoader` accepts it. The regions of `image` are drawn. See
        `RegionDisplay`.
    values : str or array-like of shape (n_regions,), default=None
        A column of `table`, or a value for each of its rows: labels, or numbers on a scale, as in
        `EmbeddingDisplay.from_embedding`. Regions without a value (None, NaN or "") are grey.
    labels : ndarray of shape (height, width), PIL image or path, default=None
        The label image or mask from which `find_regions` made the table, for outlines.
    kind : {"auto", "boxes", "outlines", "heatmap"}, default="auto"
        How to draw the regions. With `"auto"`: outlines if there are masks or `labels`; a heat map
        for numbers on a scale if all regions have the same size; otherwise boxes. See
        `RegionDisplay.plot`.
    palette : str, list or dict, default=None
        Colours of the labels, or colour map of a scale. See `EmbeddingDisplay.plot`.
    alpha : float, default=None
        Opacity of the heat map or of the inside of boxes and outlines, from 0 to 1. By default 0.5
        for a heat map, 0.25 for outlines, and 0 for boxes.
    legend : bool, default=True
        Whether to draw the legend of labels, or the colour bar of a scale, beside the axes.
    title : str, default=None
        Title of the plot. Long lines are wrapped.
    ax : matplotlib Axes, default=None
        Axes object to plot on. If `None`, a new figure is created.

    Returns
    -------
    display : RegionDisplay
        The display, drawn.

    Raises
    ------
    ImageReadError
        If the image cannot be read.
    ValueError
        If the table or a parameter is invalid, or the table holds no region of the image.

    See Also
    --------
    RegionDisplay : The display, which can be drawn again.

    Examples
    --------
    >>> from skimage.data import coins
    >>> from sklearn_resnet import draw_regions
    >>> from sklearn_resnet.datasets import find_regions
    >>> image = coins()
    >>> table = find_regions([image > 150], [image], min_area=50)
    >>> display = draw_regions(image, table, "area", labels=image > 150)
    """
    return RegionDisplay(image, table, values, labels=labels).plot(
        ax, kind=kind, palette=palette, alpha=alpha, legend=legend, title=title
    )


def _check_options(kind, alpha):
    if kind not in _KINDS:
        raise ParameterError(
            "kind", f"must be {', '.join(map(repr, _KINDS[:-1]))} or {_KINDS[-1]!r}", repr(kind)
        )
    if alpha is not None and not (isinstance(alpha, Real) and 0 <= alpha <= 1):
        raise ParameterError("alpha", "must be a number from 0 to 1", repr(alpha))


def _find_rows(image, sources):
    """Return the rows whose source is the image; all rows if neither can be compared."""
    if is_path(image):
        path = os.path.abspath(image)
        found = [is_path(source) and os.path.abspath(source) == path for source in sources]
    else:
        found = [_is_same(source, image) for source in sources]
    rows = np.flatnonzero(found)
    if len(rows):
        return rows
    if not sources:
        raise ParameterError("table", "must hold a region of the image", "an empty table")
    if not is_path(image) and _count_distinct(sources) == 1:
        return np.arange(len(sources))
    raise ParameterError(
        "image",
        "must be one of the images of the table",
        name_of(image) or type(image).__name__,
        "Pass a path of its column 'path', or the rows of one image.",
    )


def _is_same(source, image):
    """Whether two images in memory are the same object, or views of the same array."""
    if isinstance(source, np.ndarray) and isinstance(image, np.ndarray):
        return _place(source) == _place(image)
    return source is image


def _place(array):
    address, _ = array.__array_interface__["data"]
    return address, array.shape, array.strides, array.dtype


def _count_distinct(sources):
    return len({os.fspath(source) if is_path(source) else id(source) for source in sources})


def _cut_labels(labels, table, rows, boxes, shape):
    """Yield the mask of each region of a label image."""
    labels = read_label_image(labels, "labels")
    if labels.shape != shape:
        raise ParameterError(
            "labels",
            f"must have the shape of the image, {shape}",
            f"an array of shape {labels.shape}",
        )
    labels = label_parts(labels)
    if "segment" not in table.columns:
        raise ParameterError(
            "labels",
            "needs a column 'segment' of the table, with the value of each region",
            "a table without it",
            "find_regions makes such a table.",
        )
    values = np.asarray(table["segment"])
    for row, (top, left, bottom, right) in zip(rows, boxes, strict=True):
        mask = np.zeros((bottom - top, right - left), bool)  # its box may reach beyond the border
        y, x = max(top, 0), max(left, 0)
        inside = labels[y : max(bottom, 0), x : max(right, 0)] == values[row]
        mask[y - top :, x - left :][: inside.shape[0], : inside.shape[1]] = inside
        if not np.any(mask):
            raise ParameterError(
                "labels",
                "must have the segment of each region in its box",
                f"no segment {values[row]!r} of row {row} of the table",
            )
        yield mask


def _choose_kind(masks, boxes, coloring):
    if masks is not None:
        return "outlines"
    sides = boxes[:, 2:] - boxes[:, :2]
    is_tiled = len(boxes) > 1 and (sides == sides[0]).all()
    return "heatmap" if is_tiled and isinstance(coloring, Scale) else "boxes"
