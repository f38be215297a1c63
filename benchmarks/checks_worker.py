"""Other packages on the files of `checks`; runs in their own environment.

    python checks_worker.py copies FOLDER   # hashes of imagededup, near duplicates of cleanvision
    python checks_worker.py labels FILE.npz  # cleanlab on pixels

The result goes to standard output, as JSON on the last line.
"""

import contextlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np


def hash_files(paths):
    """Return the 64 bits of each file, by the method of imagededup."""
    from imagededup.methods import AHash, DHash, PHash, WHash

    bits = {}
    for method in (AHash, DHash, PHash, WHash):
        hasher = method(verbose=False)
        codes = [int(hasher.encode_image(image_file=str(path)), 16) for path in paths]
        rows = [[code >> i & 1 for i in range(64)] for code in codes]
        bits[method.__name__] = rows
    return bits


def find_by_cleanvision(folder, paths):
    """Return the groups of exact and near duplicates that cleanvision finds with its defaults."""
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1, verbose=False)
    rows = {str(path): i for i, path in enumerate(paths)}
    sets = [*lab.info["exact_duplicates"]["sets"], *lab.info["near_duplicates"]["sets"]]
    return [[rows[path] for path in found] for found in sets]


def check_copies(folder):
    """Run imagededup and cleanvision."""
    paths = sorted(Path(folder).iterdir())
    return {
        "hashes": hash_files(paths),
        "cleanvision": find_by_cleanvision(folder, paths),
        "versions": {name: version(name) for name in ("imagededup", "cleanvision")},
    }


def check_labels(path):
    """Return cleanlab's label quality, from logistic regression on pixels."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    with np.load(path) as file:
        X, y = file["X"], file["y"]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    probabilities = cross_val_predict(
        LogisticRegression(max_iter=300), X, y, cv=folds, method="predict_proba"
    )
    return {
        "scores": get_label_quality_scores(y, probabilities).tolist(),
        "versions": {"cleanlab": version("cleanlab")},
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        result = {"copies": check_copies, "labels": check_labels}[sys.argv[1]](sys.argv[2])
    print(json.dumps(result))
