"""Images to features: the feature cache, the forward pass, and nearest neighbors.

Imports `_images`, `_network`, `_io` and `_runtime`.
"""
