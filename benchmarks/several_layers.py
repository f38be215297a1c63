"""Accuracy of one layer against several side by side, on the images of `surface`.

Each seed draws a training and a test half. All choices are made by cross-validation on the training half:
the layer, the share of features and the penalty. Features are standardised. `single` is the best layer,
`up_to` that layer and all before it, `stages` the last layer of each stage, and `selected` the features
of all layers whose weights in a linear model have the largest norm over the classes (Head2Toe, Evci et
al. 2022).
"""

import numpy as np
from scipy.stats import t
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.accuracy import embed
from benchmarks.measuring import summarize_seeds
from benchmarks.surface import LAYERS, list_weights, load_images

SIZES = {"digits": 48, "photos": 64, "textures": 64}
STAGE_ENDS = {"imagenet": (39, 85, 153), "procedural": (39, 85, 153)}
N_SEEDS = 10
N_INNER_FOLDS = 3
ALPHAS = (10, 100, 1_000, 10_000)
SHARES = (0.05, 0.2, 0.5)  # of all features


def split_halves(y, groups, seed):
    """Return the training and test rows, and the folds of the training rows."""
    if groups is None:
        halves = StratifiedShuffleSplit(1, train_size=0.5, random_state=seed)
        folds = StratifiedKFold(N_INNER_FOLDS, shuffle=True, random_state=seed)
    else:
        # a fold for each strip
        halves = GroupShuffleSplit(1, train_size=N_INNER_FOLDS, random_state=seed)
        folds = GroupKFold(N_INNER_FOLDS)
    train, test = next(halves.split(y, y, groups))
    kept = None if groups is None else groups[train]
    return train, test, list(folds.split(y[train], y[train], kept))


def make_models(n_features):
    """Return each classifier of standardised features, and its grid."""
    relevance = SelectFromModel(RidgeClassifier(1000), threshold=-np.inf, norm_order=2)
    alphas = {"ridgeclassifier__alpha": ALPHAS}
    shares = {
        "selectfrommodel__max_features": [max(1, round(share * n_features)) for share in SHARES]
    }
    return {
        "ridge": (make_pipeline(StandardScaler(), RidgeClassifier()), alphas),
        "selected": (
            make_pipeline(StandardScaler(), relevance, RidgeClassifier()),
            alphas | shares,
        ),
        "knn": (make_pipeline(StandardScaler(), KNeighborsClassifier(5)), {}),
    }


def score_model(model, grid, features, y, train, test, folds):
    """Choose parameters on the training rows; return the validation and test accuracy."""
    search = GridSearchCV(model, grid, cv=folds).fit(features[train], y[train])
    return search.best_score_, search.score(features[test], y[test])


def score_seed(embedded, stage_ends, y, groups, seed):
    """Score each choice of layers, by classifier; `chosen` is the layer that `single` took."""
    split = split_halves(y, groups, seed)
    layers = list(embedded)
    models = make_models(sum(features.shape[1] for features in embedded.values()))
    scores = {}
    for classifier, model in models.items():

        def score(chosen, model=model):
            return score_model(*model, np.hstack([embedded[i] for i in chosen]), y, *split)

        _, every = score(layers)
        if classifier == "selected":
            scores["ridge"]["selected"] = every
            continue
        single = {layer: score([layer]) for layer in layers}
        best = max(layers, key=lambda layer, single=single: single[layer][0])
        scores[classifier] = {
            "chosen": best,
            "single": single[best][1],
            "deepest": single[layers[-1]][1],
            "up_to": score(layers[: layers.index(best) + 1])[1],
            "stages": score(stage_ends)[1],
            "all": every,
        }
    return scores


def compare(scores, baseline):
    """Summarize scores and their differences to a baseline over seeds.

    The interval is that of the corrected resampled t-test (Nadeau and Bengio 2003), as the halves overlap.
    """
    differences = np.subtract(scores, baseline)
    n = len(differences)
    error = np.sqrt(
        (1 / n + 1) * differences.var(ddof=1)
    )  # at most as many test as training images
    half = t.ppf(0.975, n - 1) * error
    return {
        "accuracy": summarize_seeds(scores),
        "difference": summarize_seeds(differences.tolist())
        | {"low": differences.mean() - half, "high": differences.mean() + half},
    }


def summarize(rounds):
    """Summarize the scores of rounds, by classifier and way to choose."""
    found = {}
    for classifier, first in rounds[0].items():
        every = {way: [scores[classifier][way] for scores in rounds] for way in first}
        chosen = every.pop("chosen")
        found[classifier] = {
            way: compare(scores, every["single"]) for way, scores in every.items()
        } | {"chosen": {f"layer_{layer}": chosen.count(layer) for layer in sorted(set(chosen))}}
    return found


def measure(folder):
    """Return the accuracy of one and several layers, by data set, weights and classifier."""
    found = {"n_seeds": N_SEEDS}
    for data_set, (X, y, groups) in load_images(folder).items():
        found[data_set] = {"image_size": SIZES[data_set]}
        for name, weights in list_weights(folder).items():
            features = embed(weights, LAYERS[name], X, image_size=SIZES[data_set])
            embedded = dict(zip(LAYERS[name], (each for (each,) in features), strict=True))
            with threadpool_limits(1, "blas"):
                rounds = [
                    score_seed(embedded, STAGE_ENDS[name], y, groups, seed)
                    for seed in range(N_SEEDS)
                ]
            found[data_set][name] = summarize(rounds)
    return found
