"""Settings that come before the first import of what they set."""

import os

os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # without it scikit-learn skips checks
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
