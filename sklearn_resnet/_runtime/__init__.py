"""The process: threads and prefetching; optional imports and their one error message.

Imports nothing of this package.
"""
