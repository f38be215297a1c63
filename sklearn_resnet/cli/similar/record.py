"""The record beside a table, which is read to embed queries and to load the images again."""

from pathlib import PurePath

import numpy as np

from sklearn_resnet._resnet_features import ResNetFeatures
from sklearn_resnet.cli.inputs import InputOptions, load_files, read_input
from sklearn_resnet.cli.record import (
    file_parameters,
    find_record,
    image_shape,
    input_parameters,
    read_record,
    resnet_parameters,
)
from sklearn_resnet.cli.similar.queries import load_in_order


def read_resnet_record(table_path):
    """Read the record of a table whose features can be computed for other images.

    Parameters
    ----------
    table_path : path

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError, ValueError
        If the record is missing, or queries cannot be embedded as it describes.
    """
    record = read_record(table_path)
    name, output = f"The record {str(find_record(table_path))!r}", record["output"]
    if table_path.suffix != PurePath(output).suffix:  # both may be renamed
        raise ValueError(
            f"{name} must be of {str(table_path)!r}. Got that of {output!r}, which a later "
            "command wrote beside it, instead. Make the table again under another name."
        )
    if record["model"] != "resnet":
        raise ValueError(
            f"{name} must be of features of a ResNet. Got those of {record['model']!r}, which cannot "
            "be computed for another image. Make a table with --model resnet."
        )
    if record["weights"] == "random" and record["seed"] is None:
        raise ValueError(
            f"{name} says that the weights were random, without a seed to draw them again. Make "
            "the table with -s, or with --weights procedural."
        )
    return record


def load_queries(queries, record):
    """Load query images, or regions of images, in the size and mode of the images of the table.

    Raises
    ------
    ValueError
        If they have other channels than these images.
    """
    shape, options = image_shape(record), read_options(record)

    def load(files):
        images, _ = load_files(files, options, shape[:2])
        if options.mode == "channels" and list(images.shape[3:]) != shape[2:]:
            raise ValueError(
                f"QUERY must have {shape[2]} channels, as the images of TABLE have. Got an image of "
                f"{images.shape[3]} channels instead."
            )
        return images

    return np.stack(load_in_order(queries, load))


def read_options(record):
    """Return the options by which image files become images of the table."""
    return InputOptions(record["input"], **file_parameters(record))


def embed_queries(images, record, table_path, weights=None):
    """Compute the features of queries as those of the table were computed.

    Parameters
    ----------
    images : ndarray of shape (n, height, width[, 3])
    record : dict
    table_path : path
        The path of the table, for messages.
    weights : str, default=None
        The current path of the weights; None takes the path in the record.

    Returns
    -------
    ndarray of shape (n, n_features), dtype float32

    Raises
    ------
    ValueError
        If the weights are not those of the table.
    """
    weights = record["weights"] if weights is None else weights
    parameters = resnet_parameters(record)
    if parameters["precision"] == "int8":
        # its ranges were found on all images; float32 is close to the values that it rounds
        parameters["precision"] = "float32"
    resnet = ResNetFeatures(
        weights=None if weights == "random" else weights,
        random_state=record["seed"],
        # images from ImageLoader have that of bytes
        value_range=(0, 255) if images.dtype == np.uint8 else record["value_range"],
        cache=None,
        **parameters,
    ).fit(images)
    if resnet.weights_fingerprint_ != record["weights_fingerprint"]:
        raise ValueError(
            f"The weights must be those used for {str(table_path)!r}, with the "
            f"fingerprint {record['weights_fingerprint']}. Got {weights!r}, with the fingerprint "
            f"{resnet.weights_fingerprint_}. Pass the original file with --weights, or make "
            "the table again."
        )
    return resnet.transform(images)


def read_images_again(record, n_rows, progress, describe):
    """Read the INPUT that a table without paths was made from.

    Parameters
    ----------
    record : dict
    n_rows : int
        The number of rows of the table.
    progress : Progress
    describe : callable
        Describes an error for a warning.

    Returns
    -------
    Input or None
        None if its images cannot be read, or are not those of the table any more.
    """
    parameters = input_parameters(record)
    if "patches" in parameters and parameters["seed"] is None:
        return None
    try:
        data = read_input(**parameters)
    except (OSError, ValueError) as exc:
        progress.warn(f"The images cannot be shown. {describe(exc)}")
        return None
    return data if len(data.images) == n_rows else None
