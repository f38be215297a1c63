"""The palette: colours distinct in all kinds of colour vision, and the styles of labels."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from sklearn_resnet.plotting._palette import MARKERS, MISSING, PALETTE, assign_styles

# Machado, Oliveira and Fernandes (2009), at full severity, of linear RGB
VISIONS = {
    "normal": np.eye(3),
    "protanopic": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopic": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopic": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def see(colors, vision):
    """Colours in CIELAB, as someone sees them."""
    rgb = np.array([to_rgb(color) for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    rgb = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return rgb2lab(rgb)


def least_difference(colors, vision):
    lab = see(colors, vision)
    return min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab, 2))


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_distinct_in_all_kinds_of_vision(vision):
    assert least_difference(PALETTE, vision) > 11  # of seaborn's "colorblind", down to 5.5
    missing = see([MISSING, "white"], vision)
    for color in see(PALETTE, vision):
        assert min(deltaE_ciede2000(color, other) for other in missing) > 10


@pytest.mark.parametrize("n_names", [0, 1, 10, 11, 60])
def test_colours_repeat_with_another_marker(n_names):
    colors, markers = assign_styles([str(i) for i in range(n_names)])
    assert colors.shape == (n_names, 3)
    assert [to_hex(color) for color in colors[:10]] == list(PALETTE[:n_names])
    styles = set(zip(map(to_hex, colors), markers, strict=True))
    assert len(styles) == n_names
    assert set(markers) == set(MARKERS[: -(-n_names // 10)])


@pytest.mark.parametrize(
    "palette", [{"b": "lime", "a": "red"}, ["red", "lime"], {"a": (1, 0, 0), "b": "#00ff00"}]
)
def test_a_given_palette_is_used(palette):
    colors, _ = assign_styles(["a", "b"], palette)
    assert [to_hex(color) for color in colors] == ["#ff0000", "#00ff00"]


def test_a_palette_can_be_a_name_of_seaborn():
    colors, _ = assign_styles(["a", "b"], "colorblind")
    assert [to_hex(color) for color in colors] == ["#0173b2", "#de8f05"]


def test_a_label_without_a_colour_is_an_error():
    with pytest.raises(
        ValueError, match="'palette' parameter .* Got a dict without 'b' instead. Add it"
    ):
        assign_styles(["a", "b"], {"a": "red"})
