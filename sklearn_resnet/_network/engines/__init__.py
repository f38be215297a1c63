"""Engines compile a `Computation`, a cut network, to a function from batches to features.

Each engine is a module of the same name; `store.load_engine` lists its functions. The store imports
an engine by its name when it is first needed.
"""
