"""Stores of OME-Zarr, by its specification."""

import zarr

AXES = [
    {"name": "t", "type": "time"},
    {"name": "c", "type": "channel"},
    *({"name": name, "type": "space"} for name in "zyx"),
]


def write_image(path, data, *, axes="tczyx", n_levels=1, names=None, version="0.5", old=False):
    """Write an image with levels, each of which takes every second pixel.

    Parameters
    ----------
    path : path-like, or a group of Zarr
    data : ndarray
    axes : str
        The letters of its axes.
    n_levels : int
    names : list of str
        Of the channels.
    version : {"0.4", "0.5"}
    old : bool
        Whether to write the axes as letters alone, as version 0.3 does.
    """
    form = 2 if version == "0.4" else 3
    group = (
        path if isinstance(path, zarr.Group) else zarr.open_group(path, mode="w", zarr_format=form)
    )
    for level in range(n_levels):
        step = 2**level
        key = tuple(slice(None, None, step if axis in "yx" else None) for axis in axes)
        add_array(group, str(level), data[key])
    described = [next(axis for axis in AXES if axis["name"] == letter) for letter in axes]
    metadata = {
        "multiscales": [
            {
                "version": version,
                "axes": list(axes) if old else described,
                "datasets": [{"path": str(level)} for level in range(n_levels)],
            }
        ]
    }
    if names is not None:
        metadata["omero"] = {"channels": [{"label": name} for name in names]}
    group.attrs.update(metadata if version == "0.4" else {"ome": metadata})
    return group


def add_array(group, name, data):
    """Add an array of one chunk to a group."""
    array = group.create_array(name, shape=data.shape, chunks=data.shape, dtype=data.dtype)
    array[...] = data
