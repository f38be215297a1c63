"""The process and its errors: threads and prefetching; optional and quiet imports; error types.

Imports nothing of this package.
"""
