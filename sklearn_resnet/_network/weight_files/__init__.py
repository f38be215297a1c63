"""Weights files: their formats, the names of their tensors, and the layers that they cover.

A module for each format lists and reads tensors; `key_styles` and `variants` understand their names;
`matching` holds them against an architecture. Imports `_network`, `_io` and `_runtime`.
"""

from sklearn_resnet._network.weight_files.contents import FileContents, inspect_file, read_arrays
from sklearn_resnet._network.weight_files.formats import list_weights_files

__all__ = ["FileContents", "inspect_file", "list_weights_files", "read_arrays"]
