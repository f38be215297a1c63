"""`Computation`, the value that an engine compiles."""

from dataclasses import dataclass

from sklearn_resnet._network.weights import Weights


@dataclass(frozen=True)
class Computation:
    """Everything that determines the features of an image.

    Attributes
    ----------
    engine : {"openvino", "keras"}
    weights : Weights
        The weights of the network, and the normalisation of images.
    taps : tuple of int
        Indices of the layers whose outputs are pooled.
    pooling : tuple of {"avg", "max", "gem"}
        The poolings of each tap, in this order.
    image_shape : tuple of 2 or 3 int
        Shape of one image.
    dtype : {"uint8", "float32"}
        Dtype of the images.
    value_range : tuple of 2 float
        Black and white level.
    precision : {"float32", "bfloat16", "float16", "int8"}
        Precision of the network; the features are float32.
    ranges : tuple of (str, (float, float)) or None
        For int8: the name of each convolution and the range of its input.
    grid : tuple of 2 int
        Rows and columns of the cells in which the output of a tap is pooled.
    """

    engine: str
    weights: Weights
    taps: tuple
    pooling: tuple
    image_shape: tuple
    dtype: str
    value_range: tuple
    precision: str = "float32"
    ranges: tuple | None = None
    grid: tuple = (1, 1)
