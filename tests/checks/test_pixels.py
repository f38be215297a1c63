"""Images are described by their pixels."""

import numpy as np

from sklearn_resnet.checks._pixels import describe_pixels


def test_pixels_are_described_whatever_their_brightness():
    thumbnails = np.random.default_rng(0).random((3, 32, 32))
    described = describe_pixels(np.concatenate([thumbnails, 0.2 + 0.5 * thumbnails]))
    assert described.shape == (6, 256)
    np.testing.assert_allclose(described[:3], described[3:], atol=1e-4)
    assert describe_pixels(np.ones((1, 32, 32))).tolist() == [[0] * 256]
