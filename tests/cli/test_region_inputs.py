"""Tables of images and regions as INPUT, and regions that are made of images."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import run
from PIL import Image

from sklearn_resnet._io.paths import as_path
from sklearn_resnet.cli.inputs import InputOptions, check_input, load_input
from sklearn_resnet.cli.region_inputs import (
    RegionOptions,
    is_table,
    make_regions,
    read_image_table,
)
from sklearn_resnet.datasets import load_table

BOXES = {"top": [0, 2, 4], "left": [1, 3, 5], "bottom": [8, 9, 12], "right": [9, 12, 15]}


def save_images(folder, *names, size=(20, 16)):
    random = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return [str(folder / name) for name in names]


def read_pixels(path):
    return np.asarray(Image.open(path))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with images, in which the test works."""
    save_images(tmp_path, "a.png", "b.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_keeps_its_columns_and_their_types(folder, suffix):
    columns = {
        "path": ["a.png", "b.png", "a.png"],
        **BOXES,
        "label": ["cat", "", "dog"],
        "score": [0.5, np.nan, 1.0],
        "id": ["001", "002", "003"],
    }
    frame = pd.DataFrame(columns)
    if suffix == ".parquet":
        frame = frame.assign(features=[[1.0]] * 3, file_version="1-1")
        frame.to_parquet("t.parquet")
    else:
        frame.to_csv(f"t{suffix}", sep={".csv": ",", ".tsv": "\t"}[suffix])  # with an index
    table = read_image_table(f"t{suffix}")
    assert list(table) == list(columns)
    assert table["path"].tolist() == columns["path"]
    assert table["label"].tolist() == columns["label"]
    assert table["id"].tolist() == columns["id"]
    assert table["score"].dtype == float
    assert all(table[name].dtype.kind == "i" for name in BOXES)


def test_a_table_may_be_a_folder_of_parts_and_of_excel(folder):
    (folder / "t.parquet").mkdir()
    for i, name in enumerate(["b.png", "a.png"]):
        pd.DataFrame({"path": [name], "n": [i]}).to_parquet(f"t.parquet/part-{i}.parquet")
    assert is_table("t.parquet")
    table = read_image_table("t.parquet")
    assert table["path"].tolist() == ["b.png", "a.png"]
    assert table["n"].tolist() == [0, 1]
    Path("t.csv").write_bytes("sep=;\r\npath;n\r\na.png;7\r\n".encode("utf-16"))
    assert read_image_table("t.csv")["n"].tolist() == [7]


def test_a_table_of_features_is_a_table_of_images(folder):
    pd.DataFrame({"path": ["a.png", "b.png"], "n": [3, 4]}).to_csv("t.csv")
    run("t.csv", "out.csv", "--weights", "random", "-s", 0, "-l", 2, "-q")
    run("out.csv", "again.csv", "--weights", "random", "-s", 0, "-l", 2, "-q")
    assert Path("out.csv").read_bytes() == Path("again.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,x,y,w,h\na.png,1,1,2,2\n",
            "it has x, y, w, h. Add the columns top = y, left = x, bottom = y + h and right = x + w, if",
        ),
        ("file,n\na.png,1\n", "has no column 'path', but file, n; call the column"),
        ("path,top,left\na.png,0,0\n", "all of the columns top, left, bottom, right of a box, or none; "
         "it has no bottom and no right"),
        ("path\n", "it has no rows"),
        ("", "cannot be used"),
        ("path,n\na.png,1\n,2\n", "row 1 has no path"),
        ("path,page\na.png,1\na.png,x\n", "row 1 has 'x' in the column 'page', which is no whole n"),
        ("path,page\na.png,1\na.png,12345678901234567890\n", "row 1 has '12345678901234567890' in"),
        ("path,page\na.png,\na.png,1.5\n", "row 1 has 1.5 in the column 'page', which is no whole n"),
        ("path,page\na.png,\na.png,x\n", "row 1 has 'x' in the column 'page', which is no whole num"),
        ("path,mask\na.png,m.png\n", "it has a column 'mask', which only tables in memory can have"),
        ("path,path\na.png,b.png\n", "it has several columns 'path'"),
        ("path,n\na.png,1,2\n", "Expected 2 fields in line 2, saw 3."),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_an_error_that_names_it(folder, text, message):
    Path("t.csv").write_text(text)
    with pytest.raises(ValueError, match=r"The table 't\.csv' cannot be used") as caught:
        read_image_table("t.csv")
    assert message in str(caught.value)


def test_places_may_be_text_with_spaces(folder):
    texts = {name: ["1 ", f"{7 + i}"] for i, name in enumerate(BOXES)}
    frame = pd.DataFrame({"path": ["a.png", "b.png"], **texts})
    frame.to_parquet("t.parquet")
    frame.to_csv("t.csv", index=False)
    for name in ("t.csv", "t.parquet"):
        assert read_image_table(name)[[*BOXES]].to_numpy().tolist() == [[1] * 4, [7, 8, 9, 10]]


def test_no_row_of_a_table_needs_a_page(folder):
    Path("t.csv").write_text("path,page\na.png,\nb.png,\n")
    assert read_image_table("t.csv")["page"].isna().all()
    assert len(load_input(InputOptions("t.csv")).images) == 2


def test_columns_of_a_parquet_that_cannot_be_used(folder):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    arrays = [pa.array(["a.png"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.table(arrays, names=["path", "n", "n"]), "t.parquet")
    with pytest.raises(ValueError, match="cannot be used: it has several columns 'n'"):
        read_image_table("t.parquet")
    pd.DataFrame({"path": ["a.png"], "mask": [[True, False]]}).to_parquet("t.parquet")
    with pytest.raises(ValueError, match="it has a column 'mask'"):
        read_image_table("t.parquet")


@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out.npy"])
def test_a_missing_label_does_not_change_the_others(folder, output):
    Path("t.csv").write_text("path,label\na.png,1\nb.png,\na.png,2\n")
    run("t.csv", output, "--weights", "procedural", "-l", 2, "--no-cache", "-q")
    assert load_table(output).labels.tolist() == ["1", "", "2"]


@pytest.mark.parametrize("content", [b"PAR1", b""])
def test_a_damaged_parquet_is_an_error_that_names_it(folder, content):
    Path("t.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"The table 't\.parquet' cannot be used: "):
        read_image_table("t.parquet")


def test_relative_paths_are_of_the_folder_of_the_table_or_of_the_working_folder(folder):
    save_images(folder / "tables", "c.png")
    table, beside = Path("tables/t.csv"), os.path.join("tables", "c.png")
    table.write_text("path\nc.png\n")
    assert read_image_table(str(table))["path"].tolist() == [beside]
    table.write_text("path\nb.png\n")
    assert read_image_table(str(table))["path"].tolist() == ["b.png"]
    table.write_text(f"path\n{folder / 'a.png'}\nc.png\n")
    assert read_image_table(str(table))["path"].tolist() == [str(folder / "a.png"), beside]
    save_images(folder / "tables", "a.png")
    table.write_text("path\na.png\n")  # there and here
    assert read_image_table(str(table))["path"].tolist() == [os.path.join("tables", "a.png")]
    table.write_text("path\nc.png\nb.png\nd.png\n")
    with pytest.raises(
        FileNotFoundError, match="2 of the 3 files in 'tables/t.csv' cannot"
    ) as caught:
        read_image_table(str(table))
    message = str(caught.value)
    assert "'tables' lacks 2, " in message
    assert f"{str(folder)!r} lacks 2." in message
    assert read_image_table(str(table), "skip")["path"].tolist()[0] == beside


def test_members_of_archives_and_urls_are_paths(folder):
    with pd.io.common.zipfile.ZipFile("x.zip", "w") as archive:
        archive.write("a.png")
    url = "memory://images/a.png"
    Path("t.csv").write_text(f"path\nx.zip/a.png\n{url}\n")
    assert read_image_table("t.csv")["path"].tolist() == ["x.zip/a.png", url]


def test_rows_are_regions_in_the_order_of_the_table(folder):
    paths = ["b.png", "a.png", "b.png"]
    pd.DataFrame({"path": paths, **BOXES, "label": [1, 2, 1]}).to_csv("t.csv", index=False)
    data = load_input(InputOptions("t.csv", image_size=8))
    assert data.noun == "regions"
    assert data.paths.tolist() == paths
    assert data.labels.tolist() == [1, 2, 1]
    assert list(data.columns) == list(BOXES)
    kept = data.select(np.array([True, False, True]))
    assert [kept.paths.tolist(), len(kept.images)] == [["b.png", "b.png"], 2]
    assert kept.columns["top"].tolist() == [0, 4]
    crop = read_pixels("b.png")[:8, 1:9]
    np.testing.assert_array_equal(data.images[0], crop)


def test_a_column_label_without_labels_is_none(folder):
    Path("t.csv").write_text("path,label\nb.png,\na.png,\n")
    assert load_input(InputOptions("t.csv")).labels is None
    Path("t.csv").write_text("path,label\nb.png,\na.png,2\n")
    np.testing.assert_array_equal(load_input(InputOptions("t.csv")).labels, [np.nan, 2])


def test_labels_of_a_file_are_of_the_images_of_regions(folder):
    paths = ["b.png", "a.png", "b.png"]
    pd.DataFrame({"path": paths, **BOXES}).to_csv("t.csv", index=False)
    Path("labels.csv").write_text("path,label\na.png,cat\nb.png,dog\n")
    data = load_input(InputOptions("t.csv", labels="labels.csv", image_size=8))
    assert data.labels.tolist() == ["dog", "cat", "dog"]


def test_a_table_of_paths_is_whole_images(folder):
    Path("t.csv").write_text("path,age\nb.png,3\na.png,4\n")
    data = load_input(InputOptions("t.csv"))
    assert data.noun == "images"
    np.testing.assert_array_equal(np.asarray(data.images)[1], read_pixels("a.png"))
    assert data.columns["age"].tolist() == [3, 4]
    with pytest.raises(ValueError, match="margin.* requires regions"):
        load_input(InputOptions("t.csv", regions=RegionOptions(margin=2)))


@pytest.mark.parametrize(
    ("options", "name"),
    [({"margin": 2}, "margin"), ({"pad": "black"}, "pad"), ({"mask_others": True}, "mask_others")],
)
def test_options_of_regions_without_regions_are_an_error(folder, options, name):
    with pytest.raises(ValueError, match=f"'{name}' parameter requires regions"):
        check_input(".", regions=RegionOptions(**options))


@pytest.mark.parametrize("options", [{"tiles": 4}, {"segments": "masks"}])
def test_regions_of_arrays_are_an_error(folder, options):
    with pytest.raises(ValueError, match="requires image files as INPUT. Got 'digits'"):
        check_input("digits", regions=RegionOptions(**options))


def test_tiles_have_the_columns_of_their_image(folder):
    images = pd.DataFrame({"path": ["a.png", "b.png"], "label": ["x", "y"], "n": [1, 2]})
    tiles = make_regions(images, RegionOptions(tiles=8, step=4))
    assert tiles["path"].tolist() == ["a.png"] * 12 + ["b.png"] * 12
    assert tiles["label"].tolist() == ["x"] * 12 + ["y"] * 12
    assert tiles["n"].dtype.kind == "i"
    assert tiles[["bottom", "right"]].to_numpy().tolist()[-1] == [16, 20]
    with pytest.raises(ValueError, match="'tiles' parameter requires whole images"):
        make_regions(tiles, RegionOptions(tiles=8))
    with pytest.raises(ValueError, match="'tiles' parameter must .*a.png"):
        make_regions(images, RegionOptions(tiles=17))


def test_tiles_are_of_the_page_that_is_read(folder):
    pages = [Image.new("L", (20, 16), 250) for _ in range(2)]
    pages[0].paste(40, (0, 0, 8, 8))
    pages[1].paste(40, (8, 8, 16, 16))
    pages[0].save("p.tif", save_all=True, append_images=pages[1:])
    images = pd.DataFrame({"path": ["p.tif", "p.tif", "p.tif"], "page": [1, np.nan, 0]})
    options = RegionOptions(tiles=8, min_content=0.5)
    assert make_regions(images, options)["top"].tolist() == [8, 0, 0]
    found = make_regions(images, options, page=1)
    assert found["top"].tolist() == [8, 8, 0]
    assert found["page"].tolist() == [1, 1, 0]
    save_segments(folder, "masks/p.png")
    found = make_regions(images, RegionOptions(segments="masks"))
    assert found["page"].tolist()[::2] == pytest.approx([1, np.nan, 0], nan_ok=True)


def test_an_image_that_cannot_be_cut_is_left_out_or_an_error(folder):
    Path("c.png").write_bytes(b"no image")
    images = pd.DataFrame({"path": ["a.png", "c.png"]})
    with pytest.raises(ValueError, match=r"c\.png"):
        make_regions(images, RegionOptions(tiles=16))
    with pytest.warns(UserWarning, match=r"1 of 2 images could not be cut .*c\.png"):
        tiles = make_regions(images, RegionOptions(tiles=16), "skip")
    assert tiles["path"].tolist() == ["a.png"]
    Image.new("RGB", (20, 15)).save("c.png")
    failures = []
    with pytest.warns(
        UserWarning, match=r"1 of 2 images could not be cut into regions, and they a"
    ):
        tiles = make_regions(images, RegionOptions(tiles=16), "skip", failures=failures)
    assert failures == [(1, "c.png", "it is smaller than a tile of 16 x 16 pixels")]
    assert tiles["path"].tolist() == ["a.png"]


def save_segments(folder, *names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        labels = np.zeros((16, 20), np.uint8)
        labels[2:6, 3:9], labels[8:14, 10 : 12 + i] = 3, 9
        Image.fromarray(labels).save(folder / name)


def test_segments_are_matched_by_name(folder):
    save_segments(folder, "masks/b.tif", "masks/a.png")
    images = pd.DataFrame({"path": ["a.png", "b.png"], "label": ["x", "y"]})
    found = make_regions(images, RegionOptions(segments="masks"))
    assert found["segment"].tolist() == [3, 9, 3, 9]
    assert found["label"].tolist() == ["x", "x", "y", "y"]
    assert found["right"].tolist() == [9, 13, 9, 12]
    assert "mask" not in found
    masked = make_regions(images, RegionOptions(segments="masks", mask_others=True))
    assert masked["mask"][1].shape == (6, 3)
    one = make_regions(images[:1], RegionOptions(segments="masks/a.png"))
    assert one["segment"].tolist() == [3, 9]


def test_equal_names_in_other_folders_are_told_apart(folder):
    save_images(folder / "images", "x/1.png", "y/1.png")
    save_segments(folder, "masks/x/1.png", "masks/y/1.png")
    images = pd.DataFrame({"path": ["images/y/1.png", "images/x/1.png"]})
    found = make_regions(images, RegionOptions(segments="masks"))
    assert found["right"].tolist() == [9, 13, 9, 12]


@pytest.mark.parametrize("ending", ["_cp_masks.png", "-labels.tif", ".masks.png", ".png_mask.png"])
def test_segments_may_have_an_ending(folder, ending):
    save_images(folder, "a_2.png")
    save_segments(folder, f"masks/b{ending}", f"masks/a{ending}", f"masks/a_2{ending}")
    images = pd.DataFrame({"path": ["a.png", "a_2.png", "b.png"]})
    found = make_regions(images, RegionOptions(segments="masks"))
    assert found["path"].tolist() == ["a.png"] * 2 + ["a_2.png"] * 2 + ["b.png"] * 2
    assert found["right"].tolist() == [9, 13, 9, 14, 9, 12]
    os.unlink(f"masks/a_2{ending}")
    with pytest.raises(ValueError, match=r"Got 'a_2\.png' without one"):
        make_regions(images, RegionOptions(segments="masks"))
    os.rename(f"masks/a{ending}", f"masks/a_3{ending}")
    with pytest.raises(ValueError, match=r"Got 'masks.a_3.*', 'masks.b.* Let the names"):
        make_regions(images.iloc[::2], RegionOptions(segments="masks"))
    save_segments(folder, f"masks/a{ending}")
    with pytest.raises(ValueError, match=r"Got 'masks.*', 'masks.* for 'a\.png' instead"):
        make_regions(images.iloc[::2], RegionOptions(segments="masks"))


def test_images_are_no_label_images(folder):
    images = pd.DataFrame({"path": ["a.png", "b.png"]})
    for segments in (".", str(folder)):
        with pytest.raises(ValueError, match="apart from the images of INPUT"):
            make_regions(images, RegionOptions(segments=segments))
    with pytest.raises(ValueError, match="Put the label images into a folder outside of INPUT"):
        make_regions(images[:1], RegionOptions(segments="a.png"))
    save_segments(folder, "x_masks.png")  # beside the images, of a table
    with pytest.raises(ValueError, match=r"'x_masks\.png' without an image"):
        make_regions(images, RegionOptions(segments="."))
    save_segments(folder, "a_masks.png", "b_masks.png")
    os.unlink("x_masks.png")
    assert make_regions(images, RegionOptions(segments="."))["segment"].tolist() == [3, 9] * 2


def test_segments_without_a_match_are_named(folder):
    images = pd.DataFrame({"path": ["a.png", "b.png"]})
    save_segments(folder, "masks/a.png", "masks/c.png")
    with pytest.raises(
        ValueError, match=r"Got 'b\.png' without one and 'masks.c\.png' without an im"
    ) as caught:
        make_regions(images, RegionOptions(segments="masks"))
    assert "As INPUT, pass the folder or a table of the images that have one" in str(caught.value)
    with pytest.raises(FileNotFoundError, match="'absent' do not exist"):
        make_regions(images, RegionOptions(segments="absent"))
    with pytest.raises(ValueError, match=r"must be a folder .* Got 'masks/a\.png'"):
        make_regions(images, RegionOptions(segments="masks/a.png"))
    Image.new("L", (20, 16)).save("empty.png")
    with pytest.raises(ValueError, match="must give regions. Got no segment in 1 images"):
        make_regions(images[:1], RegionOptions(segments="empty.png"))


def test_margin_and_pad_are_of_regions(folder):
    frame = pd.DataFrame({"path": ["a.png"], "top": 0, "left": 3, "bottom": 4, "right": 7})
    frame.to_csv("t.csv", index=False)
    regions = RegionOptions(margin=2, pad="black")
    data = load_input(InputOptions("t.csv", regions=regions))
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[2:] = read_pixels("a.png")[:6, 1:9]
    np.testing.assert_array_equal(data.images[0], crop)


def test_given_options_are_those_that_are_no_defaults():
    assert RegionOptions().given == {}
    options = RegionOptions(tiles=8, margin=0.1)
    assert options.given == {"tiles": 8, "margin": 0.1}
    assert options.reading == {"margin": 0.1}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_paths_of_a_table_behind_a_url_are_of_its_folder(folder, suffix):
    remote = as_path(f"memory://regions{suffix}/t{suffix}")
    (remote.parent / "images").mkdir(parents=True)
    (remote.parent / "images" / "a.png").write_bytes(Path("b.png").read_bytes())
    frame = pd.DataFrame({"path": ["images/a.png"], "top": 1, "left": 2, "bottom": 9, "right": 10})
    with remote.open("wb") as file:
        frame.to_csv(file) if suffix == ".csv" else frame.to_parquet(file)
    data = load_input(InputOptions(str(remote)))
    assert data.paths.tolist() == [f"{remote.parent}/images/a.png"]
    np.testing.assert_array_equal(data.images[0], read_pixels("b.png")[1:9, 2:10])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_need_not_be_utf_8(folder):
    name = os.fsdecode(b"all/cl\xff/\xff.png")
    save_images(folder, name, "all/b/0.png", "all/b/1.png")
    fast = ["--weights", "procedural", "-l", "4", "--no-cache", "-q"]
    run("all", "tiles.csv", "--tiles", "8", "--image-size", "8", *fast)
    run("similar", f"{name}[0:8,0:8]", "tiles.csv")
    run("check", "all", "-o", "found", "--image-size", "8", *fast)
    for table in ("tiles.csv", "found.csv"):
        assert "\\udcff.png" in Path(table).read_text()
