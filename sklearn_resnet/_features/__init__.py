"""Images to features: the feature cache and the forward pass.

Imports `_images`, `_network`, `_io` and `_runtime`.
"""
