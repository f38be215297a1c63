"""Engines, which run cut networks: a `Computation` in, a function from batches to features out.

An engine is a module with the functions that `store.load_engine` lists. The store loads it by its
name, and imports no engine itself.
"""
