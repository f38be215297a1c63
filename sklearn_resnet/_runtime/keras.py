"""Keras, imported without log lines and limited to this process's share of the machine."""

import contextlib
import os
from functools import lru_cache

import joblib

from sklearn_resnet._runtime.imports import quiet_stderr
from sklearn_resnet._runtime.threads import count_threads


@lru_cache
def import_keras():
    """Import Keras and its backend, without the log lines of tensorflow.

    By default tensorflow uses all cores in each process, and all memory of a GPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if count_threads() < joblib.cpu_count():  # worker processes would inherit the variables
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(count_threads()))
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX on a GPU
    with quiet_stderr():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # it is in use already
                    tf.config.experimental.set_memory_growth(gpu, True)
    return keras
