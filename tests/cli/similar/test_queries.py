"""Queries: paths, and regions in the notation of the page."""

import pytest

from sklearn_resnet.cli.similar.queries import Query, load_in_order, parse_query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a.png", Query("a.png")),
        ("s.tif[1:30,2:40]", Query("s.tif", (1, 2, 30, 40))),
        ("a b/s.tif [-1:30, 2:40]", Query("a b/s.tif", (-1, 2, 30, 40))),
        ("s.tif, page 3 [1:30, 2:40]", Query("s.tif", (1, 2, 30, 40), 3)),
        ("s.h5::/x[0:1,0:1]", Query("s.h5::/x", (0, 0, 1, 1))),
        ("s[0:1].png", Query("s[0:1].png")),
    ],
)
def test_a_query_is_a_path_or_a_region(text, query):
    assert parse_query(text) == query


def test_a_file_of_such_a_name_is_a_whole_image(tmp_path):
    file = tmp_path / "s[1:2,3:4]"
    assert parse_query(str(file)).box == (1, 3, 2, 4)
    file.touch()
    assert parse_query(str(file)) == Query(str(file))


@pytest.mark.parametrize("text", ["s.tif[3:3,0:1]", "s.tif[0:1,9:2]"])
def test_a_region_without_pixels_is_an_error(text):
    with pytest.raises(ValueError, match="must have at least one pixel"):
        parse_query(text)


def test_whole_images_and_regions_keep_their_order():
    def load(files):
        if isinstance(files, list):
            return files
        return files[["path", "top", "left", "bottom", "right", "page"]].to_numpy().tolist()

    queries = ["s.tif[1:3,2:4]", "b.png", "c.tif, page 1 [5:6,7:8]", "a.png"]
    loaded = load_in_order(queries, load)
    assert loaded == [["s.tif", 1, 2, 3, 4, None], "b.png", ["c.tif", 5, 7, 6, 8, 1], "a.png"]
