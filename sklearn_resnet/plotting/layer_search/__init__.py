"""Scores over the depth of the cut and the image size: `display` has the class.

`running` and `reading` find the scores, `scores` compares them, and `drawing` draws them. Imports
`_images`, `_network`, `_io`, the root, and the palette and layout of `plotting`.
"""
