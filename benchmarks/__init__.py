"""What the package costs and gains, measured: ``python -m benchmarks DATA``.

Modules named like a file in ``results/`` measure; ``tables`` turns the results into RESULTS.md;
``lookup`` fills pages with them. Nothing here is part of the package.
"""
