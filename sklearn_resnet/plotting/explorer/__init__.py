"""The explorer of an embedding: its content, made in Python, and its HTML, CSS and JavaScript.

`content` collects metadata, arrays and sheets of thumbnails. The JavaScript is one function,
``explore(root, data, host)``, which gets arrays and sheets from its host: the page (`page`) or the
widget (`widget`). Imports `_features`, `_io`, `_images`, `_runtime`, and the colours, clusters and
thumbnails of `plotting`.
"""
