"""Engines compile a `Computation`, a cut network, to a function from batches to features.

Each engine is a module with the functions that `store.load_engine` lists. The store imports it by
name when it is first needed.
"""
