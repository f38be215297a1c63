"""TIFF files with channels, planes, positions and levels, named by their metadata."""

import io
from pathlib import Path

import numpy as np
import pytest
import skimage
import tifffile

from sklearn_resnet._images.decoding import read_channel_names, read_image, tiff, tiff_samples
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.items import EncodedImage

RNG = np.random.default_rng(0)
NAMES = ["DAPI", "GFP", "RFP", "Cy5", "BF"]
CHANNELS = RNG.integers(0, 4096, (5, 64, 96)).astype(np.uint16)
PHOTO = RNG.integers(0, 256, (64, 96, 3)).astype(np.uint8)
LAST = np.moveaxis(CHANNELS, 0, -1)
OME = {"ome": True, "metadata": {"axes": "CYX", "Channel": {"Name": NAMES}}}
SHAPED = {"metadata": {"axes": "CYX"}}
GREY = {"photometric": "minisblack"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tif"


def read(path, **options):
    return read_image(path, **{"mode": "channels", **options})


def remarks_of(path, **options):
    reports = []
    read(path, report=reports.append, **options)
    return [(report.problem, report.detail) for report in reports if hasattr(report, "problem")]


LAYOUTS = {
    "OME": (CHANNELS, OME),
    "OME, planar": (CHANNELS, OME | {"planarconfig": "separate"}),
    "OME, planar tiles": (CHANNELS, OME | {"planarconfig": "separate", "tile": (16, 32)}),
    "OME, tiles": (CHANNELS, OME | {"tile": (16, 32), "compression": "zlib"}),
    "OME, deflate with predictor": (CHANNELS, OME | {"compression": "zlib", "predictor": True}),
    "OME, interleaved": (
        LAST,
        {"ome": True, "planarconfig": "contig", "metadata": {"axes": "YXS"}},
    ),
    "OME, big endian": (CHANNELS, OME | {"byteorder": ">", "bigtiff": True}),
    "ImageJ": (CHANNELS, {"imagej": True, "metadata": {"axes": "CYX"}}),
    "shaped": (CHANNELS, SHAPED),
    "shaped, planar": (CHANNELS, SHAPED | {"planarconfig": "separate"}),
    "shaped, truncated": (CHANNELS, SHAPED | {"truncate": True}),
    "shaped, interleaved": (LAST, {"planarconfig": "contig", "metadata": {"axes": "YXC"}}),
    "shaped, channels last in pages of rows": (LAST, {"metadata": {"axes": "YXC"}}),
    "interleaved": (LAST, {"planarconfig": "contig", "metadata": None}),
    "planar": (CHANNELS, {"planarconfig": "separate", "metadata": None}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_channels_are_those_of_tifffile_in_every_layout(path, layout):
    values, options = LAYOUTS[layout]
    tifffile.imwrite(path, values, **GREY, **options)
    stored = tifffile.imread(path)
    assert stored.shape in (CHANNELS.shape, LAST.shape)
    expected = stored if stored.shape == LAST.shape else np.moveaxis(stored, 0, -1)
    image = read(path)
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(read(path, channels=(3, 0)), expected[..., [3, 0]])
    assert remarks_of(path) == []
    with pytest.raises(ImageReadError, match="it has 5 channels that are no colours: 0"):
        read(path, mode="RGB")


@pytest.mark.parametrize("compression", ["lzw", "jpeg"])
def test_planes_are_decoded_by_pillow_where_imagecodecs_is_missing(path, monkeypatch, compression):
    pytest.importorskip("imagecodecs")  # writes the file
    values = CHANNELS if compression == "lzw" else (CHANNELS >> 4).astype(np.uint8)
    tifffile.imwrite(path, values, compression=compression, **GREY, **OME)
    expected = read(path, channels=(4, 1))
    for module in (tiff, tiff_samples):
        monkeypatch.setattr(module, "has_imagecodecs", lambda: False)
    image = read(path, channels=(4, 1))
    assert abs(image.astype(int) - expected).max() <= (0 if compression == "lzw" else 2)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int16", "bool"])
def test_40_channels_of_any_depth(path, dtype):
    values = (RNG.normal(0, 60, (40, 9, 11)) * 2).astype(dtype)
    tifffile.imwrite(path, values, **GREY, **SHAPED)
    expected = np.moveaxis(values, 0, -1) * (255 if dtype == "bool" else 1)
    np.testing.assert_array_equal(read(path), expected)


def test_the_names_of_ome_choose_channels(path):
    tifffile.imwrite(path, CHANNELS, **GREY, **OME)
    assert read_channel_names(path, {"mode": "channels"}) == tuple(NAMES)
    chosen = {"mode": "channels", "channels": ("Cy5", 0)}
    assert read_channel_names(path, chosen) == ("Cy5", "DAPI")
    np.testing.assert_array_equal(read(path, channels=("Cy5", 0)), LAST[..., [3, 0]])
    with pytest.raises(ImageReadError, match=r"no channel 'TRITC': its channels are 0 \('DAPI'\)"):
        read(path, channels=("TRITC",))


def test_the_only_channel_of_ome_is_grey_and_has_its_name(path):
    metadata = {"axes": "YX", "Channel": {"Name": ["DAPI"]}}
    tifffile.imwrite(path, CHANNELS[0], ome=True, metadata=metadata, **GREY)
    assert read(path, mode="L").shape == (64, 96)
    assert read_channel_names(path, {"mode": "channels"}) == ("DAPI",)
    np.testing.assert_array_equal(read(path, channels=("DAPI",)), CHANNELS[0, ..., np.newaxis])


def test_the_labels_of_imagej_name_channels_unless_they_number_planes(path):
    for labels, names in (
        (NAMES, tuple(NAMES)),
        ([f"c:{i + 1}/5 - a" for i in range(5)], ("0", "1", "2", "3", "4")),
    ):
        metadata = {"axes": "CYX", "Labels": labels}
        tifffile.imwrite(path, CHANNELS, imagej=True, metadata=metadata)
        assert read_channel_names(path, {"mode": "channels"}) == names


def test_the_descriptions_of_gdal_name_bands(path):
    text = "".join(
        f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
        for i, name in ((0, "blue"), (3, "NIR"))
    )
    tags = [(42112, "s", 0, f"<GDALMetadata>{text}</GDALMetadata>", True)]
    options = {"planarconfig": "contig", "metadata": None, "extratags": tags}
    tifffile.imwrite(path, LAST, **GREY, **options)
    names = read_channel_names(path, {"mode": "channels"})
    assert names == ("blue", "1", "2", "NIR", "4")
    np.testing.assert_array_equal(read(path, channels=("NIR", 1)), LAST[..., [3, 1]])
    with pytest.raises(ImageReadError, match=r"3 \('NIR'\)"):
        read(path, mode="L")


def test_infrared_beside_colours_is_a_channel(path):
    values = np.dstack([PHOTO, PHOTO[..., 1]])
    tifffile.imwrite(path, values, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read(path), values)
    assert read_channel_names(path, {"mode": "channels"}) == ("R", "G", "B", "3")
    false = read(path, mode="RGB", channels=(3, 0, 1))
    np.testing.assert_array_equal(false, values[..., [3, 0, 1]])
    assert remarks_of(path, mode="RGB", channels=(3, 0, 1)) == []


# ---- planes

STACK = RNG.integers(0, 4096, (3, 4, 5, 12, 16)).astype(np.uint16)  # times, depths, channels


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"imagej": True}, "TZC"),
        ({"ome": True, **GREY}, "TZC"),
        ({"ome": True, **GREY}, "TCZ"),
        ({"ome": True, **GREY}, "CTZ"),
        ({**GREY}, "ZTC"),
    ],
    ids=["ImageJ", "OME TZC", "OME TCZ", "OME CTZ", "shaped ZTC"],
)
def test_a_page_is_a_plane_of_all_channels(path, options, order):
    values = STACK.transpose(*("TZC".index(axis) for axis in order), 3, 4)
    tifffile.imwrite(path, values, metadata={"axes": f"{order}YX"}, **options)
    with tifffile.TiffFile(path) as file:
        order = file.series[0].axes[:3]  # OME has orders of its own
    pages = [axis for axis in order if axis != "C"]
    planes = STACK.transpose(*("TZC".index(axis) for axis in pages), 3, 4, 2).reshape(12, 12, 16, 5)
    for page in (0, 5, -1):
        np.testing.assert_array_equal(read(path, page=page), planes[page])
    np.testing.assert_array_equal(read(path, page=7, channels=(4,)), planes[7][..., 4:])
    for page in (None, "max"):
        with pytest.raises(ImageReadError, match="its axes are .*T 3") as raised:
            read(path, page=page)
        assert "Z 4" in str(raised.value)
        assert "page=" in str(raised.value)
    with pytest.raises(ImageReadError, match="it has no page 12, only 0 to 11"):
        read(path, page=12)


@pytest.mark.parametrize(
    "options", [{"imagej": True}, {"ome": True, **GREY}], ids=["ImageJ", "OME"]
)
def test_depth_is_projected(path, options):
    tifffile.imwrite(path, STACK[0], metadata={"axes": "ZCYX"}, **options)
    planes = np.moveaxis(STACK[0], 1, -1)
    np.testing.assert_array_equal(read(path), planes[0])
    assert remarks_of(path) == [("only the first page was read", "4 pages")]
    np.testing.assert_array_equal(read(path, page="max"), planes.max(axis=0))
    np.testing.assert_array_equal(read(path, page="mean"), np.rint(planes.mean(axis=0)))
    np.testing.assert_array_equal(read(path, page="middle"), planes[2])


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [None, {}])
def test_plain_pages_are_chosen_and_projected(path, compression, metadata):
    pages = np.stack([PHOTO, PHOTO[::-1], PHOTO[:, ::-1]])
    tifffile.imwrite(path, pages, photometric="rgb", compression=compression, metadata=metadata)
    for page in (0, 1, -1):
        np.testing.assert_array_equal(read(path, mode="RGB", page=page), pages[page])
    np.testing.assert_array_equal(read(path, mode="RGB", page="max"), pages.max(axis=0))
    np.testing.assert_array_equal(
        read(path, page="mean", channels=(2,)), np.rint(pages.mean(axis=0))[..., 2:]
    )
    with pytest.raises(ImageReadError, match="it has no page 3, only 0 to 2"):
        read(path, page=3)


@pytest.mark.parametrize(
    "options", [{"metadata": None}, {"ome": True, "metadata": {"axes": "ZYX"}}]
)
def test_projections_are_of_brightness_and_of_pixels_with_data(path, options):
    pages = np.stack([CHANNELS[0], CHANNELS[1], CHANNELS[0][::-1]])
    tifffile.imwrite(path, pages, photometric="miniswhite", **options)
    np.testing.assert_array_equal(read(path, page="max")[..., 0], (~pages).max(axis=0))
    pages[0, :5] = 65535
    no_data = [(42113, "s", 0, "65535", True)]
    tifffile.imwrite(path, pages, photometric="minisblack", extratags=no_data, **options)
    known = np.ma.masked_equal(pages, 65535)
    np.testing.assert_array_equal(read(path, page="max")[..., 0], known.max(axis=0))
    expected = np.rint(known.mean(axis=0))
    np.testing.assert_array_equal(read(path, page="mean")[..., 0], expected)


def test_thumbnails_and_masks_are_no_pages(path):
    with tifffile.TiffWriter(path) as file:
        file.write(CHANNELS[0, ::2, ::2], subfiletype=1)
        file.write(CHANNELS[0])
        file.write(CHANNELS[0] > 9, subfiletype=4)
        file.write(CHANNELS[1])
    np.testing.assert_array_equal(read(path, page=1)[..., 0], CHANNELS[1])
    with pytest.raises(ImageReadError, match="only 0 to 1"):
        read(path, page=2)


def test_a_plane_of_colours_has_the_colours_of_its_file(path):
    pages = np.stack([PHOTO, PHOTO[::-1], PHOTO[:, ::-1]])
    tifffile.imwrite(path, pages, ome=True, photometric="rgb", metadata={"axes": "ZYXS"})
    np.testing.assert_array_equal(read(path, mode="RGB", page=1), pages[1])
    np.testing.assert_array_equal(read(path, page="max", channels=("G",)), pages.max(0)[..., 1:2])


def test_indices_of_a_palette_have_no_maximum(path):
    palette = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    pages = PHOTO[:3, :, :]
    options = {"photometric": "palette", "colormap": palette}
    tifffile.imwrite(path, pages, ome=True, metadata={"axes": "ZYX"}, **options)
    expected = np.rint(palette.T / 257)[pages[1]]
    np.testing.assert_array_equal(read(path, mode="RGB", page=1), expected)
    with pytest.raises(ImageReadError, match="palette"):
        read(path, page="max")


def test_positions_are_counted_in_the_order_of_the_file(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        for position in STACK:
            file.write(position, metadata={"axes": "ZCYX"}, **GREY)
    with pytest.raises(ImageReadError, match="its axes are P 3, Z 4, C 5, Y 12, X 16"):
        read(path)
    planes = np.moveaxis(STACK, 2, -1).reshape(12, 12, 16, 5)
    for page in (0, 5, -1):
        np.testing.assert_array_equal(read(path, page=page), planes[page])
    with pytest.raises(ImageReadError, match="it has no page 12, only 0 to 11"):
        read(path, page=12)


def test_positions_of_several_sizes_are_told_apart(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(CHANNELS, metadata={"axes": "CYX", "Channel": {"Name": NAMES}}, **GREY)
        file.write(STACK[0, 0, :3], metadata={"axes": "CYX"}, **GREY)
    with pytest.raises(ImageReadError, match="its axes are P 2, of several sizes"):
        read(path)
    np.testing.assert_array_equal(read(path, page=0, channels=("GFP",)), LAST[..., 1:2])
    np.testing.assert_array_equal(read(path, page=1), np.moveaxis(STACK[0, 0, :3], 0, -1))


def test_a_label_beside_the_image_is_no_position(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(CHANNELS, metadata={"axes": "CYX", "Name": "scan"}, **GREY)
        for name in ("label image", "Macro", "thumbnail"):
            file.write(PHOTO, photometric="rgb", metadata={"axes": "YXS", "Name": name})
    np.testing.assert_array_equal(read(path), LAST)


# ---- levels


def write_pyramid(path, options):
    with tifffile.TiffWriter(path, ome=options is OME) as file:
        file.write(CHANNELS, subifds=2, tile=(16, 16), **GREY, metadata=options["metadata"])
        for step in (2, 4):
            part = CHANNELS[:, ::step, ::step]
            file.write(part, subfiletype=1, tile=(16, 16), **GREY, metadata={"axes": "CYX"})


@pytest.mark.parametrize("options", [OME, SHAPED], ids=["OME", "shaped"])
def test_a_pyramid_gives_the_level_that_is_chosen(path, options):
    write_pyramid(path, options)
    for level in range(3):
        step = 2**level
        np.testing.assert_array_equal(read(path, level=level), LAST[::step, ::step])
    with pytest.raises(ImageReadError, match="it has no level 3 of resolution, only 0 to 2"):
        read(path, level=3)
    np.testing.assert_array_equal(read(path), LAST)


def test_a_small_image_is_made_of_the_smallest_level_of_twice_its_size(path):
    write_pyramid(path, OME)
    for size, level in {(8, 8): 2, (16, 16): 1, (17, 17): 0}.items():
        options = {"size": size, "channels": ("GFP",)}
        image = read(path, **options)
        assert image.shape == (*size, 1)
        np.testing.assert_array_equal(image, read(path, level=level, **options))
        assert (image != read(path, level=(level + 1) % 3, **options)).any()


@pytest.mark.parametrize("is_sub", [False, True])
def test_copies_of_a_page_are_levels(path, is_sub):
    grey = CHANNELS[0]
    with tifffile.TiffWriter(path) as file:
        file.write(grey, subifds=2 * is_sub, metadata=None)
        for step in (2, 4):
            file.write(grey[::step, ::step], subfiletype=1, metadata=None)
        if not is_sub:
            file.write(grey[:4, ::2], subfiletype=1, metadata=None)  # of another aspect
            file.write(grey > 9, subfiletype=4, metadata=None)
    for level in range(3):
        step = 2**level
        np.testing.assert_array_equal(read(path, level=level)[..., 0], grey[::step, ::step])
    with pytest.raises(ImageReadError, match="only 0 to 2"):
        read(path, level=3)
    np.testing.assert_array_equal(read(path, size=(8, 8)), read(path, size=(8, 8), level=2))


def write_slide(path, photo, **options):
    options |= {"photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(photo, tile=(16, 16), description="Aperio Image", **options)
        file.write(photo[::8, ::8], description="Aperio thumbnail", **options)
        for step in (2, 4):
            part = photo[::step, ::step]
            file.write(part, tile=(16, 16), description="Aperio level", **options)
        file.write(255 - photo[:20, :30], description="Aperio label", subfiletype=1, **options)
        file.write(255 - photo[:20, :40], description="Aperio macro", subfiletype=9, **options)


def test_a_slide_gives_its_levels_without_label_macro_and_thumbnail(path):
    write_slide(path, PHOTO)
    for level in range(3):
        step = 2**level
        np.testing.assert_array_equal(read(path, mode="RGB", level=level), PHOTO[::step, ::step])
    with pytest.raises(ImageReadError, match="only 0 to 2"):
        read(path, level=3)
    assert remarks_of(path) == []
    options = {"mode": "RGB", "size": (8, 8)}
    np.testing.assert_array_equal(read(path, **options), read(path, level=2, **options))


def test_a_slide_of_hamamatsu_gives_its_levels_without_macro_and_map(path):
    with tifffile.TiffWriter(path) as file:
        for photo, magnification in (
            (PHOTO, 20),
            (PHOTO[::2, ::2], 10),
            (PHOTO[::4, ::4], 5),
            (255 - PHOTO[:20, :50], -1),
            (255 - PHOTO[:10, :20], -2),
        ):
            tags = [(65420, "I", 1, 1, True), (271, "s", 0, "Hamamatsu", True)]
            tags += [(65421, "f", 1, magnification, True)]
            file.write(photo, photometric="rgb", metadata=None, extratags=tags)
    for level in range(3):
        step = 2**level
        np.testing.assert_array_equal(read(path, mode="RGB", level=level), PHOTO[::step, ::step])
    assert remarks_of(path) == []
    with pytest.raises(ImageReadError, match="only 0 to 2"):
        read(path, level=3)


@pytest.mark.parametrize("has_imagecodecs", [True, False])
def test_a_slide_of_jpeg_has_its_colours_with_and_without_imagecodecs(
    path, monkeypatch, has_imagecodecs
):
    pytest.importorskip("imagecodecs")
    for module in (tiff, tiff_samples):
        monkeypatch.setattr(module, "has_imagecodecs", lambda: has_imagecodecs)
    photo = np.zeros((64, 128, 3), np.uint8) + np.array([200, 30, 90], np.uint8)
    write_slide(path, photo, compression="jpeg", subsampling=(2, 2))
    for level in range(3):
        image = read(path, mode="RGB", level=level)
        assert image.shape == (64 >> level, 128 >> level, 3)
        assert abs(image.astype(int) - photo[0, 0]).max() <= 3


def test_only_the_level_that_is_read_counts_for_the_limit(path):
    write_slide(path, PHOTO)
    with pytest.raises(ImageReadError, match="it has 64 x 96 pixels, more than the limit of 2000"):
        read(path, max_pixels=2000)
    assert read(path, max_pixels=2000, size=(8, 8)).shape == (8, 8, 3)


# ---- other formats and samples


def write_lsm(path, values):
    """A file of Zeiss: each plane of channels is followed by a thumbnail."""
    fields = tifffile.TIFF.CZ_LSMINFO
    dtype = [(name or f"_{i}", f"<{kind}") for i, (name, kind) in enumerate(fields)]
    info = np.zeros(1, dtype)
    info["MagicNumber"], info["StructureSize"] = 67127628, info.dtype.itemsize
    for name, size in zip(("Z", "Channels", "Y", "X"), values.shape, strict=True):
        info[f"Dimension{name}"] = size
    info["DimensionTime"] = 1
    content = info.tobytes()
    options = {"planarconfig": "separate", "metadata": None, **GREY}
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for i, plane in enumerate(values):
            tags = [(34412, "B", len(content), content, True)] if i == 0 else []
            file.write(plane, extratags=tags, **options)
            thumbnail = (plane[:, ::2, ::2] >> 4).astype(np.uint8)
            file.write(thumbnail, subfiletype=1, **options)


def test_a_file_of_zeiss_gives_its_channels_and_planes(path):
    write_lsm(path, STACK[0])
    planes = np.moveaxis(STACK[0], 1, -1)
    np.testing.assert_array_equal(read(path), planes[0])
    assert remarks_of(path) == [("only the first page was read", "4 pages")]
    np.testing.assert_array_equal(read(path, page=2, channels=(3,)), planes[2][..., 3:4])
    np.testing.assert_array_equal(read(path, page="max"), planes.max(axis=0))


@pytest.mark.parametrize("name", ["multipage.tif", "multipage_rgb.tif"])
def test_the_sample_files_of_scikit_image(name):
    path = Path(skimage.__file__).parent / "data" / name
    stored = tifffile.imread(path)
    pages = np.moveaxis(stored, 1, -1) if stored.ndim == 4 else stored[..., np.newaxis]
    for page in range(len(pages)):
        np.testing.assert_array_equal(read(path, page=page), pages[page].astype(np.float32))


# ---- damaged and hostile files


def write_ome(path, sizes, parts="<TiffData/>"):
    pixels = f'DimensionOrder="XYCZT" Type="uint16" SizeX="96" SizeY="64" {sizes}'
    text = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" {pixels}>{parts}</Pixels></Image></OME>'
    with tifffile.TiffWriter(path) as file:
        for i, plane in enumerate(CHANNELS[:3]):
            file.write(plane, metadata=None, description=None if i else text, **GREY)


THREE = 'SizeC="3" SizeZ="1" SizeT="1"'


@pytest.mark.parametrize(
    ("sizes", "parts", "cause"),
    [
        ('SizeC="300000" SizeZ="1" SizeT="1"', "<TiffData/>", "300000 planes, more than 100000"),
        ('SizeC="3000" SizeZ="3000" SizeT="3000"', "<TiffData/>", "27000000000 planes, more"),
        (THREE, '<TiffData PlaneCount="1000000000"/>', "1000000000 planes, more"),
        ('SizeC="x" SizeZ="1" SizeT="1"', "<TiffData/>", "its OME metadata are malformed"),
        ('SizeC="3"', "<TiffData/>", r"its metadata \(ome\) are malformed"),
        (
            'SizeC="5" SizeZ="1" SizeT="1"',
            "<TiffData/>",
            "planes are in other files: it has 3 of 5 planes",
        ),
    ],
)
def test_metadata_that_claim_too_much_are_named(path, sizes, parts, cause):
    write_ome(path, sizes, parts)
    with pytest.raises(ImageReadError, match=cause):
        read(path)


@pytest.mark.parametrize(
    ("options", "size", "cause"),
    [
        (OME, 20_000, "ends before its description"),
        (OME | {"compression": "zlib"}, 40_000, "ends before its description"),
        ({"imagej": True, "metadata": {"axes": "CYX"}}, 20_000, "it has 1 of 5 planes"),
        (SHAPED | {"truncate": True}, 40_000, "3 of 5 planes"),
        (SHAPED, 20_000, "it has 1 of 5 planes"),
        (GREY, 20_000, "it has 1 of 5 planes"),
        (GREY | {"metadata": None}, 20_000, "it has 1 of its pages"),
    ],
)
def test_a_file_that_is_cut_off_is_not_read_as_fewer_channels(path, options, size, cause):
    tifffile.imwrite(path, CHANNELS, **options)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ImageReadError, match=f"it is damaged.*{cause}"):
        read(path)


def test_planes_that_exist_are_read_beside_missing_ones(path):
    write_ome(path, 'SizeC="5" SizeZ="1" SizeT="1"')
    np.testing.assert_array_equal(read(path, channels=(2, 0)), LAST[..., [2, 0]])


def test_a_file_that_is_named_is_not_opened(path):
    write_ome(path, THREE, '<TiffData><UUID FileName="b.tif">urn:uuid:2</UUID></TiffData>')
    other = RNG.integers(0, 99, (3, 64, 96)).astype(np.uint16)
    tifffile.imwrite(path.parent / "b.tif", other, **GREY)
    np.testing.assert_array_equal(read(path, page=1)[..., 0], CHANNELS[1])


def test_planes_in_other_files_are_not_opened(path):
    others = "".join(
        f'<TiffData FirstC="{i}" PlaneCount="1"><UUID FileName="{i}.tif">{i}</UUID></TiffData>'
        for i in range(3)
    )
    write_ome(path, THREE, others)
    for i in range(3):
        (path.parent / f"{i}.tif").write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read(path)[..., 0], CHANNELS[0])
    assert remarks_of(path) == [
        ("its planes in other files were left out", "OME metadata of 3 files"),
        ("only the first page was read", "3 pages"),
    ]


@pytest.mark.parametrize("text", ['{"shape": "x"}', '{"shape": [0, 0]}', "ImageJ=1\nimages=x\n"])
def test_a_page_with_malformed_metadata_is_read(path, text):
    tifffile.imwrite(path, CHANNELS[0], metadata=None, description=text, **GREY)
    np.testing.assert_array_equal(read(path)[..., 0], CHANNELS[0])


@pytest.mark.parametrize("text", ["<OME", "<OME></OME>", "<OME>&a;</OME>"])
def test_broken_ome_leaves_plain_pages(path, text):
    with tifffile.TiffWriter(path) as file:
        file.write(CHANNELS[0], metadata=None, description=text, **GREY)
        file.write(CHANNELS[1], metadata=None, **GREY)
    np.testing.assert_array_equal(read(path, page=1)[..., 0], CHANNELS[1])


def test_damaged_files_raise_the_error_of_a_file(path):
    """Bytes at random, mostly where the tags are."""
    rng = np.random.default_rng(1)
    contents = []
    for options in (OME, {"imagej": True, "metadata": {"axes": "CYX"}}, SHAPED | GREY):
        content = io.BytesIO()
        tifffile.imwrite(content, CHANNELS[:, :8, :8], **GREY | options)
        contents.append(content.getvalue())
    content = io.BytesIO()
    write_pyramid(content, OME)
    contents.append(content.getvalue())
    kinds = {"page": "max"}, {"page": 0, "size": (2, 2)}, {"channels": (1,), "level": 0}
    causes = []
    for _ in range(600):
        damaged = np.frombuffer(contents[rng.integers(4)], np.uint8).copy()
        n_changed = rng.integers(1, 6)
        ends = rng.integers(0, min(1500, len(damaged)), n_changed)
        damaged[np.where(rng.random(n_changed) < 0.5, ends, -1 - ends)] = rng.integers(0, 256)
        item = EncodedImage(damaged.tobytes())
        try:
            image = read(item, max_pixels=10**5, **kinds[rng.integers(3)])
        except ImageReadError as exc:
            causes.append(type(exc.__cause__))
        else:
            assert image.ndim == 3
    assert 50 < len(causes) < 550
    assert not {MemoryError, AssertionError, RecursionError} & set(causes)


def test_a_file_without_pages_is_named_as_damaged(path):
    path.write_bytes(b"II*\0garbage")
    with pytest.raises(ImageReadError, match="it is damaged: it has no pages"):
        read(path)


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": None},
        {"metadata": None, "compression": "zlib"},
        {"metadata": {"axes": "ZYX"}},
        {"metadata": {"axes": "ZYX"}, "ome": True},
        {"metadata": {"axes": "ZYX"}, "imagej": True},
        {"metadata": None, "photometric": "miniswhite"},
    ],
)
def test_pages_can_be_channels(path, options):
    for plane in CHANNELS if options["metadata"] is None else [CHANNELS]:
        tifffile.imwrite(path, plane, append=path.exists(), **GREY | options)
    expected = LAST if "photometric" not in options else 65535 - LAST
    assert read_channel_names(path, {"mode": "channels", "page": "channels"}) == tuple("01234")
    np.testing.assert_array_equal(read(path, page="channels"), expected)
    chosen = {"channels": (3, -1, 0), "page": "channels"}
    np.testing.assert_array_equal(read(path, **chosen), expected[..., [3, 4, 0]])
    assert read_channel_names(path, {"mode": "channels", **chosen}) == ("3", "4", "0")
    bands = read(path, mode="RGB", value_range=(0, 65535), **chosen)
    np.testing.assert_array_equal(bands, np.rint(expected[..., [3, 4, 0]] / 257))
    assert remarks_of(path, page="channels") == []
    with pytest.raises(
        ImageReadError, match=r"no channel 5: .* is 0, on each of 5 pages.*page='ch"
    ):
        read(path, channels=(5,))
    with pytest.raises(ImageReadError, match="it has no channel 5: its channels are 0 to 4"):
        read(path, channels=(5,), page="channels")


def test_pages_of_one_bit_can_be_channels(path):
    for plane in CHANNELS > 2000:
        tifffile.imwrite(path, plane, append=path.exists(), metadata=None, **GREY)
    np.testing.assert_array_equal(read(path, page="channels"), 255 * (LAST > 2000))


@pytest.mark.parametrize(
    ("axes", "shape", "cause"),
    [
        ("TYX", (5, 64, 96), "its axes are T 5, Y 64, X 96, but page='channels' makes"),
        ("ZCYX", (2, 2, 64, 96), "its axes are Z 2, C 2, Y 64, X 96, but page='channels' makes"),
    ],
)
def test_only_pages_and_depth_can_be_channels(path, axes, shape, cause):
    tifffile.imwrite(path, np.zeros(shape, np.uint8), ome=True, metadata={"axes": axes}, **GREY)
    with pytest.raises(ImageReadError, match=cause):
        read(path, page="channels")


def test_times_are_not_projected(path):
    tifffile.imwrite(path, CHANNELS, ome=True, metadata={"axes": "TYX"}, **GREY)
    cause = r"its axes are T 5, .*and page='max' takes pages or planes of depth.*one of its 5 pages"
    with pytest.raises(ImageReadError, match=cause):
        read(path, page="max")
