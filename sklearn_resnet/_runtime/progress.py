"""Progress bars."""

import warnings

__all__ = ["tqdm"]

with warnings.catch_warnings():
    # in a notebook without ipywidgets, where tqdm takes another bar
    warnings.filterwarnings("ignore", "IProgress not found")
    from tqdm.auto import tqdm
