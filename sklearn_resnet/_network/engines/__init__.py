"""Engines, which run cut networks: a `Computation` in, a function from batches to features out.

An engine is a module named after it with ``compile_network`` and ``describe``. The store finds it by
that name and imports none itself.
"""
