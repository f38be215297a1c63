"""Label images and masks to tables: as many rows as objects, with the values of scikit-image."""

import numpy as np
import pandas as pd
import pytest
import skimage
import tifffile
from PIL import Image
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation

from sklearn_resnet import ImageLoader, ImageReadError
from sklearn_resnet.datasets import find_regions

BOX = ["top", "left", "bottom", "right"]


def segment_coins(image):
    """Markers from the two extremes of the histogram, a watershed of the edges, holes filled."""
    markers = np.zeros(image.shape, int)
    markers[image < 30], markers[image > 150] = 1, 2
    coins = segmentation.watershed(filters.sobel(image), markers) == 2
    return measure.label(
        morphology.remove_small_objects(ndimage.binary_fill_holes(coins), max_size=20)
    )


def segment_by_otsu(image):
    """Otsu's threshold, closed, without what touches the border."""
    above = morphology.closing(image > filters.threshold_otsu(image), np.ones((3, 3)))
    return measure.label(segmentation.clear_border(above))


def segment_nuclei(_):
    """Touching nuclei, parted by a watershed of the distance to the background."""
    rows, columns = np.indices((80, 80))
    mask = (columns - 28) ** 2 + (rows - 28) ** 2 < 16**2
    mask |= (columns - 44) ** 2 + (rows - 52) ** 2 < 20**2
    distance = ndimage.distance_transform_edt(mask)
    peaks = skimage.feature.peak_local_max(distance, footprint=np.ones((3, 3)), labels=mask)
    markers = np.zeros(mask.shape, bool)
    markers[tuple(peaks.T)] = True
    return segmentation.watershed(-distance, measure.label(markers), mask=mask)


PICTURES = {
    "coins": (skimage.data.coins, segment_coins, 24),
    "coins by Otsu": (skimage.data.coins, segment_by_otsu, None),
    "cell": (skimage.data.cell, segment_by_otsu, None),
    "galaxies": (lambda: skimage.data.hubble_deep_field()[..., 0], segment_by_otsu, None),
    "nuclei": (lambda: np.zeros((80, 80), np.uint8), segment_nuclei, 2),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_as_many_rows_as_objects(name):
    make, segment, n_objects = PICTURES[name]
    image = make()
    labels = segment(image)
    regions = find_regions([labels], [image])
    assert len(regions) == (n_objects or labels.max())
    expected = measure.regionprops(labels)
    assert regions[BOX].to_numpy().tolist() == [list(one.bbox) for one in expected]
    assert regions["segment"].tolist() == [one.label for one in expected]
    assert regions["area"].tolist() == [one.area for one in expected]
    assert regions[["centroid-0", "centroid-1"]].to_numpy().tolist() == [
        list(one.centroid) for one in expected
    ]
    assert all(path is image for path in regions["path"])
    crops = ImageLoader(8).fit_transform(regions)
    assert len(crops) == len(regions)


LABELS = np.array([[0, 7, 7, 0, 0], [0, 7, 0, 0, 2], [0, 0, 0, 0, 2], [7, 0, 0, 2, 2]])
BOXES = {2: [1, 3, 4, 5], 7: [0, 0, 4, 3]}  # 7 is in two parts
IMAGE = np.arange(20, dtype=np.uint8).reshape(4, 5)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "uint16", ">u2", "int32", "uint32", "int64", "uint64"]
)
def test_labels_of_every_integer(dtype):
    regions = find_regions([LABELS.astype(dtype)], [IMAGE])
    assert list(regions) == ["path", *BOX, "segment", "area", "centroid-0", "centroid-1"]
    assert regions["segment"].tolist() == [2, 7]
    assert regions[BOX].to_numpy().tolist() == list(BOXES.values())
    assert regions["area"].tolist() == [4, 4]


@pytest.mark.parametrize("has_background", [True, False])
@pytest.mark.parametrize("large", [2**40, 2**63 - 1, 2**24 + 1])
def test_large_labels_need_no_more_memory(large, has_background):
    labels = np.full((3, 4), 0 if has_background else 5, np.int64)
    labels[1, 1:3] = large
    regions = find_regions([labels], [np.zeros((3, 4))])
    assert regions["segment"].tolist() == ([] if has_background else [5]) + [large]
    assert regions[BOX].to_numpy()[-1].tolist() == [1, 1, 2, 3]


def test_connected_parts_of_a_mask_are_regions():
    mask = LABELS > 0
    expected = [[0, 1, 2, 3], [1, 3, 4, 5], [3, 0, 4, 1]]
    for labels in (mask, mask.astype(np.uint8) * 255, Image.fromarray(mask)):
        regions = find_regions([labels], [IMAGE])
        assert regions[BOX].to_numpy().tolist() == expected
        assert regions["segment"].tolist() == [1, 2, 3]


def test_one_and_zero_are_a_label_and_the_background():
    labels = (LABELS > 0).astype(np.uint8)
    assert find_regions([labels], [IMAGE])[BOX].to_numpy().tolist() == [[0, 0, 4, 5]]


def test_255_is_a_label_among_others():
    labels = np.where(LABELS == 7, 255, LABELS).astype(np.uint8)
    assert find_regions([labels], [IMAGE])["segment"].tolist() == [2, 255]


def save_png(path, labels):
    Image.fromarray(labels.astype(np.uint8)).save(path)


def save_palette(path, labels):
    image = Image.fromarray(labels.astype(np.uint8), "L")
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    image.save(path)


def save_deep_png(path, labels):
    Image.fromarray(labels.astype(np.uint16)).save(path)


FILES = {
    "8 bits.png": save_png,
    "palette.png": save_palette,
    "16 bits.png": save_deep_png,
    "16 bits.tif": lambda path, labels: tifffile.imwrite(path, labels.astype(np.uint16)),
    "32 bits.tif": lambda path, labels: tifffile.imwrite(path, labels.astype(np.int32)),
    "pages.tif": lambda path, labels: tifffile.imwrite(path, np.stack([labels, labels * 0])),
    "integers.npy": lambda path, labels: np.save(path, labels),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("factor", [1, 20])
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
def test_labels_of_files(tmp_path, name, factor):
    FILES[name](tmp_path / name, LABELS * factor)
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    for path in (tmp_path / name, str(tmp_path / name)):
        regions = find_regions([path], [tmp_path / "image.png"])
        assert regions["segment"].tolist() == [2 * factor, 7 * factor]
        assert regions[BOX].to_numpy().tolist() == list(BOXES.values())
        assert regions["path"].tolist() == [str(tmp_path / "image.png")] * 2


def test_labels_of_a_file_keep_all_digits(tmp_path):
    labels = LABELS.astype(np.int32) + 2**25 * (LABELS > 0)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    assert find_regions([tmp_path / "labels.tif"], [IMAGE])["segment"].tolist() == [
        2**25 + 2,
        2**25 + 7,
    ]


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_masks_of_files(tmp_path, photometric):
    mask = LABELS > 0
    stored = ~mask if photometric == "miniswhite" else mask
    tifffile.imwrite(tmp_path / "mask.tif", stored, photometric=photometric)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for name in ("mask.tif", "mask.png"):
        assert len(find_regions([tmp_path / name], [IMAGE])) == 3


def test_labels_are_turned_like_their_image(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # stored after a quarter turn to the left
    for name, array in (("labels.png", LABELS.astype(np.uint8)), ("image.png", IMAGE)):
        Image.fromarray(np.rot90(array)).save(tmp_path / name, exif=exif)
    regions = find_regions([tmp_path / "labels.png"], [tmp_path / "image.png"])
    assert regions[BOX].to_numpy().tolist() == list(BOXES.values())


def test_regions_of_several_images_are_in_their_order():
    empty = np.zeros((2, 3), int)
    images = [np.zeros((4, 5)), np.zeros((2, 3)), np.zeros((4, 5, 3))]
    regions = find_regions([LABELS, empty, LABELS], images)
    assert regions["segment"].tolist() == [2, 7, 2, 7]
    assert [path is images[2] for path in regions["path"]] == [False, False, True, True]
    assert regions.index.tolist() == [0, 1, 2, 3]


def test_a_stack_of_label_images():
    stack = np.stack([LABELS, LABELS * 2])
    regions = find_regions(stack, np.zeros((2, 4, 5, 3)))
    assert regions["segment"].tolist() == [2, 7, 4, 14]


def test_empty_label_images_have_no_regions():
    regions = find_regions([LABELS * 0], [IMAGE])
    assert len(regions) == 0
    assert list(regions) == list(find_regions([LABELS], [IMAGE]))
    assert (regions.dtypes[BOX] == np.int64).all()


def test_properties_are_those_of_scikit_image():
    names = [
        "eccentricity",
        "moments_hu",
        "perimeter",
        "area_convex",
        "label",
        "bbox",
        "num_pixels",
    ]
    labels = measure.label(skimage.data.coins() > 120)[:80, :80]
    image = np.zeros((80, 80))
    regions = find_regions([labels], [image], properties=names)
    expected = pd.DataFrame(measure.regionprops_table(labels, properties=names))
    names = [
        "eccentricity",
        *(f"moments_hu-{i}" for i in range(7)),
        "perimeter",
        "area_convex",
        "label",
    ]
    pd.testing.assert_frame_equal(regions[names], expected[names])
    assert "centroid-0" not in regions


def test_properties_of_intensity_are_those_of_the_file(tmp_path):
    values = np.arange(20, dtype=np.uint16).reshape(4, 5) * 1000
    tifffile.imwrite(tmp_path / "image.tif", values)
    for image in (tmp_path / "image.tif", values, Image.fromarray(values)):
        regions = find_regions([LABELS], [image], properties=["intensity_mean"])
        assert regions["intensity_mean"].tolist() == [values[i == LABELS].mean() for i in (2, 7)]
    colours = np.stack([values, values * 2], axis=2)
    regions = find_regions([LABELS], [colours], properties=["intensity_max"])
    assert regions["intensity_max-1"].tolist() == [38000, 30000]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_properties_may_have_their_former_names():
    regions = find_regions([LABELS], [IMAGE], properties=["mean_intensity", "convex_area"])
    expected = find_regions([LABELS], [IMAGE], properties=["intensity_mean", "area_convex"])
    assert [name.partition("-")[0] for name in regions][-1] == "convex_area"
    np.testing.assert_array_equal(regions.iloc[:, 1:], expected.iloc[:, 1:])


def test_images_are_not_decoded_for_other_properties(tmp_path):
    np.save(tmp_path / "image.npy", np.full((4, 5), np.nan))  # which mode "RGB" refuses
    assert len(find_regions([LABELS], [tmp_path / "image.npy"])) == 2


def test_small_regions_are_left_out():
    labels = np.array([[1, 1, 2, 0, 3, 3, 3]])
    image = np.zeros((1, 7))
    for min_area, expected in ((0, [1, 2, 3]), (2, [1, 3]), (3, [3]), (4, [])):
        assert find_regions([labels], [image], min_area=min_area)["segment"].tolist() == expected


def test_neighbours_are_masked():
    regions = find_regions([LABELS], [IMAGE + 1], mask_others=True, properties=["area"])
    assert list(regions) == ["path", *BOX, "segment", "area", "mask"]
    for row in regions.itertuples():
        box = slice(row.top, row.bottom), slice(row.left, row.right)
        np.testing.assert_array_equal(row.mask, LABELS[box] == row.segment)
    images = ImageLoader(value_range=(0, 255), mode="L", lazy=True).fit_transform(regions[1:])
    expected = np.where(LABELS == 7, IMAGE + 1, 0)[:, :3]
    np.testing.assert_array_equal(np.asarray(images)[0], expected)


def test_images_of_regions_can_be_asked_for():
    regions = find_regions([LABELS], [IMAGE], properties=["image", "coords"])
    assert regions["image"][1].shape == (4, 3)
    assert "mask" not in regions


RGB = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS, r"must be a list of label images. Got a single image instead. Pass \[labels\]"),
        ("a.png", r"must be a list of label images. Got a single path"),
        ([LABELS, LABELS], "must have one label image for each image. Got 2 for 1 images"),
        ([], "Got 0 for 1 images"),
        ([LABELS.T], r"must have the height and width .* Got 5 x 4 pixels in labels\[0\] for 4 x 5 of images\[0\]"),
        ([LABELS.T], r"skimage.transform.resize\(labels, \(4, 5\), order=0"),
        ([LABELS - 1], r"must be at least 0, the background. Got -1 in labels\[0\]"),
        ([LABELS / 2], r"must hold integers or bool. Got float64 in labels\[0\].*astype\(int\)"),
        ([RGB], r"must hold label images of shape \(height, width\). Got the shape \(4, 5, 3\)"),
        ([[1, 2]], r"Got the shape \(2,\)"),
        ([None], r"labels\[0\] must be a label image, but it is missing"),
        ([{"a": LABELS}], r"labels\[0\] must be a label image. Got a dict with 'a'"),
    ],
)  # fmt: skip
def test_wrong_labels_are_errors(labels, message):
    with pytest.raises(ValueError, match=message):
        find_regions(labels, [IMAGE])


@pytest.mark.parametrize(
    ("labels", "images", "message"),
    [
        (
            "a b",
            "b c",
            r"labels\[1\] \('.*b.png'\), which is for '.*c.tif' and is named like '.*b.tif'",
        ),
        (
            "b_mask a_mask",
            "a b",
            r"for '.*a.tif' and is named like '.*b.tif', .* names of the files",
        ),
        ("mask-b mask-a", "a b", "and is named like '.*b.tif'"),
        ("a1_cp_masks a2_cp_masks", "a1 a3", r"labels\[1\] .* for '.*a3.tif', instead"),
        ("a1_cp_masks a10_cp_masks", "a1 a10", None),
        ("a.ome b", "a b.ome", None),
        ("a a_2_mask", "a a_2", None),
        ("x y", "a b", None),
        ("1-mask 2-mask", "x/1 y/2", None),
    ],
)
def test_label_images_are_those_of_their_images(tmp_path, labels, images, message):
    paths = []
    for names, suffix, array in (
        (labels, ".png", LABELS.astype(np.uint8)),
        (images, ".tif", IMAGE),
    ):
        paths.append([tmp_path / f"{name}{suffix}" for name in names.split()])
        for path in paths[-1]:
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(array).save(path)
    if message is None:
        assert len(find_regions(*paths)) == 4
        return
    with pytest.raises(ValueError, match=message):
        find_regions(*paths)
    assert len(find_regions([np.asarray(Image.open(path)) for path in paths[0]], paths[1])) == 4


def test_jpeg_keeps_no_labels():
    with pytest.raises(ValueError, match=r"Got the JPEG labels\[0\] \('a.JPG'\).* > 127"):
        find_regions(["a.JPG"], [IMAGE])


def test_properties_of_intensity_need_the_same_channels():
    images = [IMAGE, IMAGE, np.stack([IMAGE] * 3, axis=2)]
    with pytest.raises(
        ValueError, match=r"same channels .* Got images\[0\] and images\[2\].*'intensity_mean'"
    ):
        find_regions([LABELS] * 3, images, properties=["intensity_mean"])


def test_errors_name_the_files(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    Image.fromarray(IMAGE).save(tmp_path / "grey.png")
    np.save(tmp_path / "floats.npy", LABELS.astype(np.float32))
    with pytest.raises(
        ValueError, match=r"\(4, 5, 3\) in labels\[0\] \('.*rgb.png'\).*one channel"
    ):
        find_regions([tmp_path / "rgb.png"], [IMAGE])
    with pytest.raises(ValueError, match=r"float32 in labels\[0\] \('.*floats.npy'\)"):
        find_regions([tmp_path / "floats.npy"], [IMAGE])
    with pytest.raises(ValueError, match=r"labels\[0\] \('.*grey.png'\) for 3 x 3 of images\[0\]"):
        find_regions([tmp_path / "grey.png"], [np.zeros((3, 3))])
    with pytest.raises(ValueError, match=r"labels\[0\] for 4 x 5 of '.*grey.png'"):
        find_regions([np.zeros((3, 3), int)], [tmp_path / "grey.png"])
    for labels, images in (("no.png", IMAGE), (LABELS, "no.png")):
        with pytest.raises(ImageReadError, match="'no.png' does not exist"):
            find_regions([labels], [images])


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (["aera"], "'aera' instead. Did you mean 'area'"),
        (["zzz"], "Got 'zzz' instead.$"),
        ("area", r"must be a list of names. Got 'area' instead. Pass \['area'\]"),
        ([3], "Got 3 instead"),
    ],
)
def test_unknown_properties_are_errors(properties, message):
    with pytest.raises(ValueError, match=message):
        find_regions([LABELS], [IMAGE], properties=properties)
