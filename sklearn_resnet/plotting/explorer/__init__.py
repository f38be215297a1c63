"""The offline page that shows an embedding with its images: data from Python, HTML, CSS and JavaScript.

Imported by `plotting` alone.
"""
