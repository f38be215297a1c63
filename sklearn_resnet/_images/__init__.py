"""Files and arrays to images: decoding, intensity, validation, lazy images, batches, Dask.

Imports `_io` and `_runtime`; never `_network`.
"""
