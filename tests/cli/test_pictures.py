"""Maps: the coordinates of UMAP itself, without tensorflow."""

import subprocess
import sys

import numpy as np
import pytest

from sklearn_resnet.cli.pictures import compute_umap, import_umap

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


@pytest.mark.parametrize("n_images", [4, 12, 150])
def test_a_map_is_that_of_umap(n_images):
    features = np.random.default_rng(0).normal(size=(n_images, 24)).astype(np.float32)
    features[1] = features[0]  # equal images
    umap = import_umap()(
        n_neighbors=min(15, n_images - 1),
        init="spectral" if n_images > 10 else "random",
        random_state=3,
        n_jobs=1,
    )
    np.testing.assert_array_equal(compute_umap(features, 3), umap.fit_transform(features))


def test_compiled_functions_of_umap_are_cached():
    import_umap()
    from umap import umap_

    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths):
        assert function.stats.cache_path is not None
