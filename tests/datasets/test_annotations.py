"""The choice of the format of annotations, and the errors of other files."""

import pytest
from PIL import Image

from sklearn_resnet.datasets import read_boxes


def test_both_formats_in_a_folder_are_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "a.xml").write_text("<annotation/>")
    with pytest.raises(
        ValueError, match="must be a folder of .xml or .txt. Got .* with both instead"
    ):
        read_boxes(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    assert len(read_boxes(tmp_path / "a.txt")) == 1


def test_a_folder_without_annotations_is_an_error(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "classes.txt").write_text("cat")
    with pytest.raises(
        ValueError, match="with neither instead. Of COCO and MegaDetector, pass the .json"
    ):
        read_boxes(tmp_path)


@pytest.mark.parametrize("name", ["no.json", "no.txt", "no.xml", "no", "no.csv"])
def test_a_missing_file_is_an_error(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="no"):
        read_boxes(tmp_path / name)


def test_other_files_are_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("x,y")
    with pytest.raises(ValueError, match="must be a .json, a .xml or a .txt.* Got '.*a.csv'"):
        read_boxes(tmp_path / "a.csv")


def test_results_are_of_coco_alone(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation/>")
    with pytest.raises(ValueError, match="The 'results' parameter must be None unless"):
        read_boxes(tmp_path / "a.xml", results="r.json")
