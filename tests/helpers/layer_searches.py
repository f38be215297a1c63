"""Small searches over layers: 60 digits, a network of random weights, and a linear classifier."""

from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_resnet import ResNetFeatures
from sklearn_resnet.datasets import load_digits

X, Y = (array[:60] for array in load_digits(return_X_y=True))


def make_resnet(layers=4, **parameters):
    return ResNetFeatures(layers, **{"weights": None, "random_state": 0} | parameters)


def make(layers=4, **parameters):
    return make_pipeline(make_resnet(layers, **parameters), RidgeClassifier())


def search_layers(layers, estimator=None, **parameters):
    search = GridSearchCV(estimator or make(), {"resnetfeatures__layers": layers}, cv=3)
    return search.set_params(**parameters).fit(X, Y)
