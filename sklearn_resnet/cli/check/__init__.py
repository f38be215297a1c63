"""`embedding check`: copies, leaks, wrong labels, outliers and poor quality in folders of images.

Only `cli.main` imports it.
"""
