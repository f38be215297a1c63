"""What the package takes from scikit-learn's private functions."""

import numpy as np

from sklearn_resnet import EmbeddingPlot


def test_the_html_view_describes_parameters_and_attributes_and_links_to_nothing():
    plot = EmbeddingPlot(legend=False).fit(np.eye(2))
    html = plot._repr_html_()
    assert "Title of the plot." in html
    assert "Number of features seen during" in html
    assert "<a " in html
    assert "href=" not in html
