"""Files: paths and URLs, listing, atomic writes, downloads, text for spreadsheets, tables of features.

Imports only `_runtime`.
"""
