"""Tables computed in parts, so that an interrupted run can be resumed.

Knows the tables and inputs of `cli`; `cli.embed` calls it.
"""

PART_SIZE = 10_000  # images in a part, by default
