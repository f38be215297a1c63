"""Files and arrays to images: decoding, intensity, validation, sources, batches, Dask, errors.

Imports `_io` and `_runtime`; never `_network`.
"""
