"""The interactive page of an embedding: its data, made in Python, and its HTML, CSS and JavaScript.

Imports `_features`, `_io`, `_images`, `_runtime`, and the colours and thumbnails of `plotting`.
"""
