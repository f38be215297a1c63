"""Files with Keras' names of layers, held against an architecture."""

import re

from sklearn_resnet._network.architectures import layer_table
from sklearn_resnet._network.weight_files.matching import MAX_CHANNELS

FIRST_LAYER = "conv1_conv"


def collect_layers(tensors, weightless):
    """Return the shapes of the arrays of each layer; an empty list for one without weights."""
    shapes = {
        name: [tensors[key].shape for key in keys] for name, keys in list_keys(tensors).items()
    }
    return {name: [] for name in weightless} | shapes


def list_keys(tensors):
    """List the keys of each layer's arrays in their order, by its name."""
    layers = {}
    for key in tensors:
        name, _, number = key.rpartition("/")
        if number.isdecimal():
            layers.setdefault(name, []).append((int(number), key))
    return {name: [key for _, key in sorted(keys)] for name, keys in layers.items()}


def count_channels(shapes):
    """Return the number of channels that the first convolution takes; 3 if that is unclear."""
    kernel = (shapes.get(FIRST_LAYER) or [()])[0]
    return kernel[2] if len(kernel) == 4 and 0 < kernel[2] <= MAX_CHANNELS else 3


def count_covered(shapes, table):
    """Count the layers, from the first, whose weights are all there."""
    missing = (layer.index for layer in table if layer.weight_shapes and not shapes.get(layer.name))
    return next(missing, len(table))


def find_mismatch(shapes, architecture):
    """Describe the first difference between a file and an architecture; "" if they agree."""
    layers = layer_table(architecture, count_channels(shapes))
    table = {layer.name: layer for layer in layers if layer.weight_shapes}
    if not shapes.get(FIRST_LAYER):
        return f"it lacks weights of {FIRST_LAYER!r}, the first layer"
    if FIRST_LAYER not in table:
        return f"its layers have Keras' names, such as {FIRST_LAYER!r}"
    for name, found in shapes.items():
        if name in table and found and found != list(table[name].weight_shapes):
            expected = list(table[name].weight_shapes)
            return f"the weights of {name!r} must have the shapes {expected}, not {found}"
        # the layers of a head, on top of the network, have other names
        if name not in table and found and re.match(r"conv\d_", name):
            return f"it holds weights of a layer {name!r}, which {architecture} lacks"
    return _find_pooling_mismatch(shapes, layers)


def _find_pooling_mismatch(shapes, table):
    """Distinguish networks whose first names and shapes are equal by their poolings."""
    if all(shapes.values()):  # layers without weights are not listed
        return ""
    weighted = [layer.index for layer in table if layer.weight_shapes]
    last = max(i for i in weighted if shapes.get(table[i].name))
    following = next((i for i in weighted if i > last), len(table))
    poolings = [layer.index for layer in table if layer.name.startswith("max_pooling2d")]
    # Keras goes on numbering the poolings from one network to the next
    known = shapes.keys() - {table[i].name for i in poolings}
    used = frozenset().union(*(layer.ancestors for layer in table if layer.name in known))
    n_min, n_max = sum(i in used for i in poolings), sum(i < following for i in poolings)
    n_found = sum(name.startswith("max_pooling2d") for name in shapes)
    if n_min <= n_found <= n_max:
        return ""
    return f"up to {table[last].name!r} it must have {n_min} poolings, not {n_found}"
