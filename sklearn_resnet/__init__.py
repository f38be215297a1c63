"""Pretrained image features inside scikit-learn."""

import lazy_loader

__version__ = "0.1.0.dev0"

# The names are in __init__.pyi; each is imported when it is first used
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
