"""`embedding similar`: the images of a table that are nearest to a query.

Imported by `cli.main` alone.
"""
