"""Options whose values are lists: spaces, negative indices and names."""

import click
import pytest

from sklearn_resnet.cli.param_types import (
    Channels,
    Grid,
    Layers,
    Maps,
    Margin,
    Normalization,
    Page,
    Pooling,
    Rescale,
    Sizes,
    spell_normalization,
    spell_rescale,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("82", 82),
        ("-1", -1),
        ("conv3", "conv3"),
        ("51,82", [51, 82]),
        (" 51 , -1, conv3 ", [51, -1, "conv3"]),
    ],
)
def test_layers_are_indices_and_names(text, expected):
    assert Layers().convert(text, None, None) == expected


@pytest.mark.parametrize(("text", "expected"), [("max", "max"), ("avg, max", ["avg", "max"])])
def test_poolings_are_names(text, expected):
    assert Pooling().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["2x3", "2,3", " 2 x 3 "])
def test_a_grid_is_rows_and_columns(text):
    assert Grid().convert(text, None, None) == (2, 3)
    assert Grid().convert((4, 1), None, None) == (4, 1)


@pytest.mark.parametrize("text", ["", "2", "2x", "2x0", "2x3x4", "-2x3", "2.5,3", "²x2"])
def test_another_grid_is_an_error(text):
    with pytest.raises(click.BadParameter, match="rows and columns of at least 1, as in 2x3"):
        Grid().convert(text, None, None)


@pytest.mark.parametrize(("text", "expected"), [("64", [64]), ("224, 64,96", [64, 96, 224])])
def test_sizes_are_sorted(text, expected):
    assert Sizes().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "64,", "0", "-64", "6.4", "64x64", "²"])
def test_sizes_are_positive_integers(text):
    with pytest.raises(click.BadParameter, match="Each must be the side of a square"):
        Sizes().convert(text, None, None)
    with pytest.raises(click.BadParameter, match="Each must be named once. Got '64' twice"):
        Sizes().convert("64,32,64", None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("caffe", "caffe"),
        ("0.5/0.25", ((0.5,), (0.25,))),
        ("0.4, 0.5,0.6/1", ((0.4, 0.5, 0.6), (1.0,))),
        ("0.5/0.5/BGR", ((0.5,), (0.5,), "BGR")),
    ],
)
def test_a_normalization_is_a_name_or_mean_and_std(text, expected):
    assert Normalization().convert(text, None, None) == expected
    spelled = spell_normalization(expected)
    assert Normalization().convert(spelled, None, None) == expected


@pytest.mark.parametrize(
    "text",
    ["", "0.5", "imagenet", "0.5/", "0.5/0", "0,0/1,1,1", "0.5/0.5/RGBA", "nan/1", "1/1/BGR/"],
)
def test_another_normalization_is_an_error_that_shows_the_form(text):
    with pytest.raises(click.BadParameter, match="tf, caffe, torch, or MEAN/STD") as caught:
        Normalization().convert(text, None, None)
    assert f"Got {text!r} instead" in caught.value.message


def test_maps_are_layers_by_name():
    maps = Maps().convert("pca, resnet:-1, resnet:conv3,resnet", None, None)
    assert maps == {"pca": None, "resnet:-1": -1, "resnet:conv3": "conv3", "resnet": None}
    assert list(maps) == ["pca", "resnet:-1", "resnet:conv3", "resnet"]
    with pytest.raises(click.BadParameter, match="Each must be named once. Got 'pca' twice"):
        Maps().convert("pca,resnet,pca", None, None)


def test_values_that_are_no_text_are_kept():
    for kind in (Layers(), Pooling(), Grid(), Maps(), Sizes(), Normalization()):
        assert kind.convert(None, None, None) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("2", [2]), ("2,0, -1", [2, 0, -1]), ("DAPI, GFP,1", ["DAPI", "GFP", 1])]
)
def test_channels_are_indices_and_names(text, expected):
    assert Channels().convert(text, None, None) == expected


@pytest.mark.parametrize("text", ["", "1,", ",DAPI"])
def test_a_channel_has_a_name(text):
    with pytest.raises(click.BadParameter, match="Each must be an index or a name"):
        Channels().convert(text, None, None)


@pytest.mark.parametrize(("text", "expected"), [("3", 3), ("-1", -1), ("max", "max")])
def test_a_page_is_an_index_or_a_projection(text, expected):
    assert Page().convert(text, None, None) == expected
    with pytest.raises(
        click.BadParameter, match="It must be an index, max, mean, middle or channels"
    ):
        Page().convert(f"{text}x", None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("percentile", "percentile"),
        ("window", "window"),
        ("percentile:1,99.5", ("percentile", 1.0, 99.5)),
        ("100,3000", (100.0, 3000.0)),
        ("-1024,3071.5", (-1024.0, 3071.5)),
    ],
)
def test_a_rescaling_is_a_name_with_percentiles(text, expected):
    assert Rescale().convert(text, None, None) == expected
    assert spell_rescale(expected) == text


@pytest.mark.parametrize(
    "text",
    ["percentiles", "percentile:1", "percentile:99,1", "window:1,99", "4095,0", "9", "minmax:0,9"],
)
def test_an_invalid_rescaling_is_an_error(text):
    with pytest.raises(click.BadParameter, match="It must be percentile, percentile:P,Q"):
        Rescale().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "margin"), [("16", 16), ("0", 0), ("0.1", 0.1), ("1e1", 10.0), (3, 3)]
)
def test_a_margin_is_pixels_or_a_share(text, margin):
    converted = Margin()(text)
    assert converted == margin
    assert type(converted) is type(margin)


@pytest.mark.parametrize("text", ["-1", "x", "nan", "inf", ""])
def test_another_margin_is_an_error(text):
    with pytest.raises(click.BadParameter, match=f"pixels, as in 16.*Got '{text}' instead"):
        Margin()(text)
