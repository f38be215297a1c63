"""The Bokeh figure of a page, whose colours, ranges and tools the page sets."""

import numpy as np

_N_WHILE_MOVING = 1_500  # points drawn while the map moves, unless a GPU draws them


def make_figure(xy, size):
    """Make a Bokeh figure of points.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    size : float
        Size of a point, in pixels.
    """
    from bokeh import models
    from bokeh.plotting import figure

    n_points, low, high = len(xy), xy.min(0), xy.max(0)
    wheel, pan = models.WheelZoomTool(), models.PanTool(name="pan")
    plot = figure(
        # the page gives both axes the same scale once it knows its size
        x_range=models.Range1d(float(low[0]), float(high[0])),
        y_range=models.Range1d(float(low[1]), float(high[1])),
        sizing_mode="stretch_both",
        output_backend="webgl",
        lod_threshold=2 * _N_WHILE_MOVING,
        lod_factor=-(-n_points // _N_WHILE_MOVING),
        tools=[pan, wheel, models.BoxSelectTool(name="box"), models.LassoSelectTool(name="lasso")],
        active_scroll=wheel,
        active_drag=pan,
        toolbar_location=None,
        min_border=2,  # Bokeh does not clear half a pixel at the edge
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        name="plot",
    )
    plot.axis.visible = plot.grid.visible = False
    points = _draw_points(plot, xy, size)
    call = "window.explorer?.{}(cb_data)"
    hover = models.CustomJS(code=call.format("hover"))
    tap = models.CustomJS(code=call.format("tap"))
    plot.add_tools(
        models.HoverTool(tooltips=None, renderers=[points], callback=hover),
        models.TapTool(behavior="inspect", renderers=[points], callback=tap),
    )
    return plot


def _draw_points(plot, xy, size):
    from bokeh import models

    n_points = len(xy)
    source = models.ColumnDataSource(
        {
            "x": xy[:, 0].astype(np.float32),
            "y": xy[:, 1].astype(np.float32),
            "color": ["gray"] * n_points,
            "marker": ["circle"] * n_points,
        },
        name="points",
    )
    shown = models.BooleanFilter([True] * n_points, name="shown")
    return plot.scatter(
        "x",
        "y",
        source=source,
        view=models.CDSView(filter=shown),
        color="color",
        marker="marker",
        size=size,
        line_color=None,
        fill_alpha=0.85 if n_points < 5_000 else 0.6,
        nonselection_fill_alpha=0.06,
        selection_fill_alpha=1,
    )
