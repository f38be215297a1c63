"""The list of published weights, and the normalisation that weights were trained with."""

import json
import re
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sklearn_resnet._network.checkpoints import CHECKPOINTS
from sklearn_resnet._network.hub import CONFIG_NAMES, find_beside, is_hub, parse_hub
from sklearn_resnet._network.normalization import Normalization, parse_normalization
from sklearn_resnet._runtime.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


def list_weights() -> "pd.DataFrame":
    """List published weights that are known to work, with their licences.

    Other weights of the same families work too. The list needs no network.

    Returns
    -------
    pandas.DataFrame
        One row for each file of weights, with the columns

        - ``family`` and ``name``;
        - ``weights``: what to pass to `ResNetFeatures`; without ``"hf://"``, the name of a file to
          download from ``url``;
        - ``architecture``: what to pass with it;
        - ``n_channels``: the number of channels of the images;
        - ``normalization`` and ``value_range``: what to pass with it, or None for the default.
          Weights on the hub need no ``normalization``: it comes from their config.json or this list;
        - ``trained_on``;
        - ``license``: its SPDX identifier or a description; None if the authors do not state one;
        - ``is_commercial_use_allowed``: by this licence; missing if there is none. The training
          images may have terms of their own;
        - ``needs_pytorch``: whether the file can only be read if PyTorch is installed;
        - ``url``: the source.

    See Also
    --------
    ResNetFeatures : Takes such weights.

    Examples
    --------
    >>> from sklearn_resnet import list_weights
    >>> weights = list_weights().set_index("name")
    >>> weights.loc["resnet50.a1_in1k", ["weights", "architecture", "license"]].tolist()
    ['hf://timm/resnet50.a1_in1k', 'ResNet50V1.5', 'Apache-2.0']
    >>> sorted(set(weights.query("n_channels != 3").family))
    ['TorchGeo', 'TorchXRayVision']
    """
    import pandas as pd

    table = pd.DataFrame([asdict(checkpoint) for checkpoint in CHECKPOINTS])
    table = table.astype({"is_commercial_use_allowed": "boolean"})
    first = ["family", "name", "weights", "architecture", "n_channels", "normalization"]
    first += ["value_range", "trained_on", "license", "is_commercial_use_allowed"]
    return table[[*first, "needs_pytorch", "url"]]


def find_normalization(weights, path):
    """Find the normalisation that weights were trained with.

    Parameters
    ----------
    weights : str or path
        As for `ResNetFeatures`.
    path : str
        The file: the same, or the one that `fetch_hub` returned.

    Returns
    -------
    Normalization or None
        That of the list of known weights, by the repository or the name of the file; else that of a
        config file of timm or transformers beside the file. None if neither says, so that the architecture decides.

    Raises
    ------
    ParameterError
        If the weights are RadImageNet's, which look like ImageNet's and need another one.
    ValueError
        If a config file is damaged.
    DownloadError
        If there may be a config file on the hub, which cannot be reached.
    """
    _check_radimagenet(weights, path)
    known = {checkpoint.normalization for checkpoint in _find_checkpoints(weights)} - {None}
    if len(known) == 1:
        return parse_normalization(known.pop())
    find = find_beside if is_hub(weights) else _find_config
    for name, read in zip(CONFIG_NAMES, (_read_timm, _read_transformers), strict=True):
        config = find(path, name)
        found = None if config is None else _read_config(config, read)
        if found is not None:
            return found
    return None


def find_value_range(weights):
    """Return the value range on which weights on the list were trained; None for others."""
    known = {checkpoint.value_range for checkpoint in _find_checkpoints(weights)}
    return known.pop() if len(known) == 1 else None


@lru_cache(maxsize=64)  # each transform asks
def _find_checkpoints(weights):
    """Find the weights on the list that were meant: by the repository, or the name of a file."""
    if is_hub(weights):
        source = parse_hub(weights)
        hub = [c for c in CHECKPOINTS if is_hub(c.weights)]
        known = [c for c in hub if parse_hub(c.weights).repo == source.repo]
        return [c for c in known if parse_hub(c.weights).file == source.file] or known
    stem = _strip_extension(Path(weights).name)
    return [c for c in CHECKPOINTS if stem == _strip_extension(c.weights.rpartition("/")[2])]


def _strip_extension(name):
    return re.sub(r"\.(safetensors|h5|pth|pt|bin)$", "", name)


def _check_radimagenet(weights, path):
    names = [weights] if is_hub(weights) else Path(path).parts[-2:]
    if any(re.search(r"rad[-_ ]?image[-_ ]?net", name, re.IGNORECASE) for name in names):
        mean = "(123.68 / 255, 116.779 / 255, 103.939 / 255)"
        raise ParameterError(
            "normalization",
            "must be given for the weights of RadImageNet, which were not trained with that of "
            "ImageNet's weights",
            None,
            f"For the file in Keras' format, pass normalization=({mean}, 1, 'BGR'); for the one in "
            "PyTorch's format, also if converted, normalization=(0.5, 0.5, 'BGR').",
        )


def _find_config(path, name):
    """Return the path of a config file in the folder of a file with a standard name, or None."""
    if Path(path).name not in ("model.safetensors", "pytorch_model.bin"):
        return None  # in a folder of several files, it may belong to another one
    config = Path(path).with_name(name)
    return str(config) if config.is_file() else None


def _read_config(path, read):
    """Read a normalisation from a config file, by one of the functions below."""
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise TypeError("it is not a JSON object")
        return read(config)
    except ParameterError as exc:
        problem = f"its mean and std are {exc.got}"
    except (OSError, TypeError, ValueError, RecursionError) as exc:
        problem = str(exc)
    raise ValueError(
        f"The file {path!r}, which says the normalization of the weights beside it, is damaged or has "
        f"an unknown form: {problem}. Correct it, or pass normalization=."
    )


def _read_timm(config):
    """Read timm's config.json, in its present or former form."""
    settings = config.get("pretrained_cfg") or config
    if not isinstance(settings, dict):
        raise TypeError("its 'pretrained_cfg' is not an object")
    return _make(settings.get("mean"), settings.get("std"))


def _read_transformers(config):
    """Read the preprocessor_config.json of transformers, whose defaults are those of its images."""
    for key in ("do_flip_channel_order", "rescale_offset", "do_center"):
        if config.get(key):
            raise ValueError(f"{key!r} is not supported")
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    if not isinstance(factor, int | float) or not 0 < factor < np.inf:
        raise TypeError(f"its 'rescale_factor' is {factor!r}")
    is_normalized = config.get("do_normalize", True)
    mean, std = (config.get("image_mean"), config.get("image_std")) if is_normalized else (0.0, 1.0)
    found = _make(mean, std)
    white = factor * 255  # after rescaling
    if found is None or np.isclose(white, 1, rtol=1e-6):
        return found
    mean, std = (tuple(value / white for value in values) for values in (found.mean, found.std))
    return Normalization(mean, std)


def _make(mean, std):
    return None if mean is None and std is None else parse_normalization((mean, std))
