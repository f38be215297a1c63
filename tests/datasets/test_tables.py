"""Tables of features that the command wrote, loaded."""

import numpy as np
import pytest

from sklearn_resnet._io.tables import write_table
from sklearn_resnet.datasets import load_table


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("root", ["", "memory://load_table"])
def test_a_table_of_the_command_is_loaded(tmp_path, suffix, root):
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    path = f"{root or tmp_path}/out{suffix}"
    write_table(path, features, ["a", "b"], np.array([3, 1, 2]), np.array(["x", "y", "z"]))
    table = load_table(path)
    assert sorted(table) == ["columns", "features", "labels", "paths"]
    assert type(table.features) is np.ndarray
    assert table.features.dtype == np.float32
    table.features *= 1  # no read-only map of the file
    np.testing.assert_array_equal(table.features, features)
    if suffix == ".npy":
        assert table.labels is table.paths is None
    else:
        assert table.labels.astype(str).tolist() == ["3", "1", "2"]
        assert table.labels.dtype.kind == ("i" if suffix == ".npz" else "U")
        assert table.paths.tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_all_columns_are_a_dataframe(tmp_path, suffix):
    columns = {"top": np.array([0, 4]), "score": np.array([0.5, 1]), "kind": np.array(["a", "b"])}
    write_table(tmp_path / f"out{suffix}", np.eye(2), ["x", "y"], paths=["1", "2"], columns=columns)
    frame = load_table(tmp_path / f"out{suffix}").columns
    assert list(frame) == ["path", "top", "score", "kind"]
    assert frame["top"].tolist() == [0, 4]
    assert frame["kind"].tolist() == ["a", "b"]
    write_table(tmp_path / "out.npy", np.eye(2), ["x", "y"])
    assert load_table(tmp_path / "out.npy").columns.shape == (2, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_the_features_of_a_table_are_float32(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.arange(6, dtype=dtype).reshape(3, 2))
    features = load_table(tmp_path / "a.npy").features
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features.ravel(), np.arange(6))


def test_a_folder_of_parts_is_loaded_as_one_table(tmp_path):
    for i in range(2):
        path = tmp_path / "out.parquet" / f"part-{i}.parquet"
        write_table(path, np.full((2, 3), i), list("abc"), paths=np.array([f"{i}0", f"{i}1"]))
    table = load_table(tmp_path / "out.parquet")
    assert table.features.tolist() == [[0] * 3] * 2 + [[1] * 3] * 2
    assert table.paths.tolist() == ["00", "01", "10", "11"]


def test_the_errors_of_a_table_name_the_parameter(tmp_path):
    with pytest.raises(ValueError, match="The 'path' parameter must end in .npy"):
        load_table(tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_table(tmp_path / "no.npz")
