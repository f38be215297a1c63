"""Benchmarks of speed, memory and accuracy: ``python -m benchmarks DATA``.

Modules named after a file in ``results/`` measure; ``tables`` turns the results into RESULTS.md;
``lookup`` fills pages with them. Nothing here is part of the package.
"""
