"""Maps: UMAP without tensorflow, whether that is installed or not."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
if {is_missing}:
    class Missing:
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] in ("tensorflow", "keras"):
                raise ModuleNotFoundError("No module named " + repr(name), name=name)
    sys.meta_path.insert(0, Missing)
import numpy as np
from sklearn_resnet.cli.pictures import compute_umap
features = np.random.RandomState(0).standard_normal((20, 5))
assert compute_umap(features, seed=0).shape == (20, 2)
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""


@pytest.mark.parametrize("is_missing", [False, True], ids=["as it is", "not installed"])
def test_umap_runs_without_tensorflow(is_missing):
    program = PROGRAM.format(is_missing=is_missing)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
