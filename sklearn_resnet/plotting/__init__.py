"""Displays of embeddings; `layer_search` shows searches, `explorer` makes the interactive page.

Imports everything except `cli`.
"""

import lazy_loader

# The names are in __init__.pyi; each is imported when it is first used
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
