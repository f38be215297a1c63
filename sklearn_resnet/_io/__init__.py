"""Files: paths and URLs, listing, atomic writes, downloads, and text that is safe in a spreadsheet.

Imports only `_runtime`.
"""
