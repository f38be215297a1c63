"""Criteria for a depth that need no labels: from the features of images and of altered views of them.

Each criterion is a number for each layer; the layer with the largest is chosen. Views are named as in
`depth_views`; "image" is the image as it is.
"""

from itertools import combinations

import numpy as np
from scipy.stats import skew
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

METRICS = ("raw", "cosine")
PAIRS = {
    "mild": ("mild", "mild_again"),
    "light": ("image", "light"),
    "colour": ("image", "colour"),
    "strong": ("image", "strong"),
    "mild_strong": ("mild", "strong"),
}
NEIGHBORS = (5, 10, 20)
N_CLUSTERS = 10


def transform(views, metric):
    """Centre the features of all views, or scale them to length one."""
    if metric == "cosine":
        return {name: X / np.linalg.norm(X, axis=1, keepdims=True) for name, X in views.items()}
    mean = views["image"].mean(0)
    return {name: X - mean for name, X in views.items()}


def measure_distances(A, B):
    """Return Euclidean distances between rows."""
    squares = (A * A).sum(1)[:, None] + (B * B).sum(1) - 2 * A @ B.T
    return np.sqrt(np.maximum(squares, 0))


def rank_neighbors(X):
    """Return the 20 nearest neighbours of each row, without itself, in order."""
    distances = measure_distances(X, X)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, NEIGHBORS[-1], axis=1)[:, : NEIGHBORS[-1]]
    order = np.take_along_axis(distances, nearest, axis=1).argsort(1)
    return np.take_along_axis(nearest, order, axis=1)


def overlap(neighbors_a, neighbors_b, k):
    """Share of the k nearest neighbours in one space that are also k nearest in the other."""
    n = len(neighbors_a)
    graph = np.zeros((n, n), bool)
    np.put_along_axis(graph, neighbors_a[:, :k], True, axis=1)
    return np.take_along_axis(graph, neighbors_b[:, :k], axis=1).mean()


def match_views(A, B):
    """How well two views of an image find each other among all."""
    distances = measure_distances(A, B)
    own = distances.diagonal().copy()
    rank = (distances < own[:, None]).sum(1)
    mean = distances.mean()
    np.fill_diagonal(distances, np.inf)
    nearest = np.partition(distances, 5, axis=1)[:, [0, 5]]
    largest = np.maximum(nearest, own[:, None]) + 1e-9
    margin, margin5 = ((nearest - own[:, None]) / largest).mean(0)
    return {
        "top1": (rank == 0).mean(),
        "mrr": (1 / (rank + 1)).mean(),
        "percentile": 1 - rank.mean() / len(A),
        "margin": margin,
        "margin5": margin5,
        "contrast": 1 - own.mean() / mean,
    }


def effective_rank(values):
    """Return the exponential of the entropy of the shares of singular values."""
    shares = values / values.sum() + 1e-12
    return np.exp(-(shares * np.log(shares)).sum())


def measure_spectrum(X):
    """Effective rank (RankMe), participation ratio, decay of the spectrum (alpha-ReQ)."""
    X = X - X.mean(0)
    squares = np.maximum(np.linalg.eigvalsh(X @ X.T)[::-1], 0)
    first = np.arange(3, 100)
    slope = np.polyfit(np.log(first + 1), np.log(squares[first] + 1e-12), 1)[0]
    return {
        "rankme": effective_rank(np.sqrt(squares)),
        "participation": squares.sum() ** 2 / (squares**2).sum(),
        "alpha_req": -abs(-slope - 1),
    }


def measure_variance(views):
    """Variance between images against that between views of an image; rank of the LDA (LiDAR)."""
    stack = np.stack(list(views.values()))
    centre = stack.mean(0)
    within = (stack - centre).reshape(-1, stack.shape[2])
    between = centre - centre.mean(0)
    ratio = (between**2).mean() / (within**2).mean()
    _, vectors = np.linalg.eigh(between @ between.T)
    basis = np.linalg.qr((vectors[:, -100:].T @ between).T)[0]
    within, between = within @ basis, between @ basis
    covariance = within.T @ within / len(within)
    covariance += 1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    whitened = between @ vectors / np.sqrt(values)
    shares = np.maximum(np.linalg.eigvalsh(whitened.T @ whitened), 0)
    return {
        "variance_ratio": ratio,
        "lidar": effective_rank(shares),
        "signal_to_noise": np.log1p(shares / len(whitened)).mean(),
    }


def measure_neighborhood(X):
    """Intrinsic dimension (TwoNN) and hubness; small is better."""
    distances = measure_distances(X, X)
    np.fill_diagonal(distances, np.inf)
    first, second = np.partition(distances, 1, axis=1)[:, :2].T
    keep = first > 0
    dimension = keep.sum() / np.log(second[keep] / first[keep]).sum()
    counts = np.bincount(rank_neighbors(X)[:, :10].ravel(), minlength=len(X))
    return {"low_dimension": -dimension, "low_hubness": -skew(counts)}


def cluster(X, seed=0):
    """Fit k-means."""
    return KMeans(N_CLUSTERS, n_init=1, random_state=seed).fit(X)


def measure_clusters(views):
    """Stability of clusters under resampling and between views, and silhouette."""
    X, rng = views["image"], np.random.default_rng(0)
    stable = []
    for seed in range(2):
        halves = [rng.permutation(len(X))[: len(X) // 2] for _ in range(2)]
        stable.append(adjusted_rand_score(*(cluster(X[half], seed).predict(X) for half in halves)))
    whole = cluster(X)
    moved = [
        adjusted_rand_score(whole.labels_, whole.predict(views[name]))
        for name in ("mild", "colour", "light", "strong")
    ]
    return {
        "clusters_resampled": np.mean(stable),
        "clusters_of_views": np.mean(moved),
        "clusters_of_strong": adjusted_rand_score(whole.labels_, cluster(views["strong"]).labels_),
        "silhouette": silhouette_score(X, whole.labels_),
    }, whole.labels_


def compare_halves(X, n_rounds=3):
    """Neighbours that agree between two random halves of the channels."""
    rng = np.random.default_rng(0)
    orders = [rng.permutation(X.shape[1]) for _ in range(n_rounds)]
    found = [
        overlap(*(rank_neighbors(X[:, half]) for half in np.array_split(order, 2)), 10)
        for order in orders
    ]
    return {"neighbors10_half_channels": np.mean(found)}


def score_layer(views):
    """Return the criteria of one layer, and its neighbours and clusters."""
    found = {}
    for pair, (a, b) in PAIRS.items():
        matched = match_views(views[a], views[b])
        found |= {f"{name}_{pair}": value for name, value in matched.items()}
    neighbors = {name: rank_neighbors(view) for name, view in views.items()}
    for k in NEIGHBORS:
        for pair, (a, b) in PAIRS.items():
            found[f"neighbors{k}_{pair}"] = overlap(neighbors[a], neighbors[b], k)
    clusters, labels = measure_clusters(views)
    X = views["image"]
    found |= measure_variance(views) | measure_neighborhood(X) | measure_spectrum(X)
    return found | compare_halves(X) | clusters, neighbors, labels


def predict_clusters(neighbors, labels):
    """Share of images whose five nearest neighbours vote for their cluster."""
    votes = (labels[neighbors[:, :5]][:, :, None] == np.arange(N_CLUSTERS)).sum(1)
    return (votes.argmax(1) == labels).mean()


def compare_layers(neighbors, labels):
    """Return the criteria that compare layers, an array each."""
    n = len(neighbors)
    others = ~np.eye(n, dtype=bool)
    adjacent = np.abs(np.subtract.outer(range(n), range(n))) == 1
    found = {}
    for k in NEIGHBORS:
        shared = np.eye(n)
        for a, b in combinations(range(n), 2):
            shared[a, b] = shared[b, a] = overlap(neighbors[a]["image"], neighbors[b]["image"], k)
        found[f"neighbors{k}_all_layers"] = shared.mean(1, where=others)
        found[f"neighbors{k}_adjacent_layers"] = shared.mean(1, where=adjacent)
        crossed = np.array(
            [[overlap(a["image"], b["strong"], k) for b in neighbors] for a in neighbors]
        )
        found[f"neighbors{k}_views_all_layers"] = crossed.mean(1)
        found[f"neighbors{k}_found_from_all_layers"] = crossed.mean(0)
    predicted = np.array(
        [[predict_clusters(each["image"], y) for y in labels] for each in neighbors]
    )
    found["predicts_clusters"] = predicted.mean(1, where=others)
    found["clusters_predicted"] = predicted.mean(0, where=others)
    agreed = np.array([[adjusted_rand_score(a, b) for b in labels] for a in labels])
    found["clusters_all_layers"] = agreed.mean(1, where=others)
    return found


def score_layers(features):
    """Return all criteria, an array with a number for each layer each.

    Parameters
    ----------
    features : dict
        For each layer, a dict of the features of each view, with the same number of rows.
    """
    found = {"deepest": np.arange(len(features), dtype=float)}
    for metric in METRICS:
        each, neighbors, labels = zip(
            *(score_layer(transform(views, metric)) for views in features.values()), strict=True
        )
        scores = {name: np.array([one[name] for one in each]) for name in each[0]}
        scores |= compare_layers(neighbors, labels)
        found |= {f"{metric}_{name}": values for name, values in scores.items()}
    return found
