"""The networks: layer tables, weights, and the engines that run them.

Imports `_io` and `_runtime`; never `_images`.
"""
