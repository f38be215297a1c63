"""`embedding similar`: the images of a table that are nearest to a query.

Only `cli.main` imports it.
"""

METRICS = ("cosine", "euclidean")
PICTURES = (".png", ".jpg", ".pdf", ".svg")
