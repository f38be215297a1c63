"""The config.json beside a weights file, which tells networks apart whose tensors are alike."""

import json
import os
import re

_FILE_NAMES = (
    "model.safetensors",
    "pytorch_model.bin",
)  # as hubs call the weights of a config.json
_MAX_SIZE = 1_000_000  # bytes
# Options of timm that change a network without a trace in its tensors
_OPTIONS = {
    "aa_layer",
    "act_layer",
    "block_args",
    "norm_layer",
    "output_stride",
    "replace_stem_pool",
}


def name_config_variant(path):
    """Name the variant of a ResNet by the config.json of timm or transformers beside its weights.

    Returns
    -------
    str
        As `variants.name_variant`.
    """
    config = _read_config(path)
    name = str(config.get("architecture", ""))
    if re.search("blur|aa", name):
        return f"with antialiased strides (timm's {name!r})"
    if config.get("downsample_in_bottleneck"):
        return "with the stride of a bottleneck in its first convolution (downsample_in_bottleneck)"
    if config.get("downsample_in_first_stage"):
        return "with a stride in its first stage (downsample_in_first_stage)"
    if config.get("hidden_act", "relu") != "relu":
        return f"with the activation {config['hidden_act']!r}"
    options = config.get("model_args")
    changed = sorted(_OPTIONS.intersection(options if isinstance(options, dict) else ()))
    return f"with other options in its config.json ({', '.join(changed)})" if changed else ""


def _read_config(path):
    """Read the config.json beside a file; an empty dict if there is none."""
    folder, name = os.path.split(path)
    config = os.path.join(folder, "config.json")
    if name not in _FILE_NAMES or not os.path.isfile(config) or os.path.getsize(config) > _MAX_SIZE:
        return {}
    try:
        with open(config, encoding="utf-8") as file:
            content = json.load(file)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
