"""Can the depth be chosen without labels? Criteria chosen on some image sets, and reported on others.

A case is a set of images at one size with one kind of weights. Its labels give the accuracy of 5-NN and of
logistic regression on the features of each layer. A criterion sees no labels: its layer loses the
difference in accuracy to the best layer. The sets in `CHOOSING` choose the criterion with the smallest mean loss
of 5-NN; those in `REPORTING` report what it loses. Each label of a set counts as a case.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.depth_criteria import score_layers
from benchmarks.depth_data import CHOOSING, FAMILIES, REPORTING, load_set
from benchmarks.depth_views import LAYERS, N_VIEWED, SIZES, extract, make_views
from benchmarks.measuring import summarize_seeds

TRAINED = ("imagenet", "procedural")
RANDOM_SIZES = (32,)  # sizes of images at which random weights are measured, too
# The views that are the same image with another colour say that colour is not the question.
CHANGED_BY_VIEWS = ("hue",)
LEANING = 0.2  # standard deviations of a criterion that one layer more of depth is worth
N_SPLITS = 200
N_SHOWN = 10  # best criteria of the choosing sets that the results keep
SHOWN = (
    *("deepest", "fixed_depth", "raw_top1_mild", "raw_top1_strong", "raw_margin_light"),
    *("raw_neighbors10_light", "raw_neighbors10_colour", "raw_neighbors10_half_channels"),
    *("raw_neighbors10_all_layers", "raw_neighbors10_adjacent_layers", "raw_predicts_clusters"),
    *("raw_clusters_resampled", "raw_clusters_of_views", "raw_silhouette", "raw_rankme"),
    *("raw_lidar", "raw_variance_ratio", "raw_low_dimension", "raw_low_hubness"),
)
COMPARED = ("deepest", "fixed_depth", "chosen")
GOAL_MEAN, GOAL_MAX, GOAL_BETTER = 0.007, 0.03, 2 / 3


def score_features(X, y, groups):
    """Return the accuracy of 5-NN and of logistic regression."""
    folds = [LeaveOneGroupOut()] * 2
    if groups is None:
        folds = [StratifiedKFold(n, shuffle=True, random_state=0) for n in (5, 2)]
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    models = KNeighborsClassifier(5), logistic
    return [
        cross_val_score(model, X, y, cv=cv, groups=groups).mean()
        for model, cv in zip(models, folds, strict=True)
    ]


def measure_case(found, features):
    """Return the accuracies by label, and the criteria, of one size and kind of weights."""
    accuracies = {
        label: np.array(
            [score_features(views["image"], y, found.groups) for views in features.values()]
        )
        for label, y in found.labels.items()
    }
    viewed = {
        layer: {name: X[:N_VIEWED] for name, X in views.items()}
        for layer, views in features.items()
    }
    return {"accuracies": accuracies, "scores": score_layers(viewed)}


def measure_set(name, size, folder):
    """Return the cases of one set at one size."""
    found = load_set(name, folder)
    views = make_views(found.images, size)
    cases = []
    for weights in LAYERS:
        if weights in TRAINED or size in RANDOM_SIZES:
            case = measure_case(found, extract(views, weights, folder))
            cases.append({"set": name, "size": size, "weights": weights, **case})
    return cases


def standardize(scores):
    """Standardise the scores of the layers of one case."""
    return (scores - scores.mean()) / (scores.std() + 1e-12)


def add_combinations(cases):
    """Add each criterion leaning to deep layers, and the means of two views' criteria."""
    for case in cases:
        scores = case["scores"]
        depth = scores["deepest"]
        leaning = {
            f"{name}_and_depth": standardize(each) + LEANING * depth
            for name, each in scores.items()
            if name != "deepest"
        }
        both = {}
        for first, second in combinations(("mild", "colour", "light", "strong"), 2):
            for name in [name for name in scores if name.endswith(f"_{first}")]:
                other = name.removesuffix(first) + second
                if other in scores:
                    both[f"{name}_{second}"] = standardize(scores[name]) + standardize(
                        scores[other]
                    )
        scores |= leaning | both


def add_fixed_depth(cases):
    """Add a rule that looks at no image: the layer that suited the choosing sets of this size best."""
    for case in cases:
        alike = [
            accuracies[:, 0]
            for other in cases
            if other["set"] in CHOOSING
            and all(other[key] == case[key] for key in ("size", "weights"))
            for label, accuracies in other["accuracies"].items()
            if label not in CHANGED_BY_VIEWS
        ]
        case["scores"]["fixed_depth"] = np.mean(alike, axis=0)


def tabulate(cases):
    """Return a row for each case and label, and the losses of each criterion in these rows.

    The losses of a criterion are an array (rows, 4): of 5-NN, of logistic regression, whether the layer
    is another than the deepest, and the rank correlation of the criterion with the accuracy of 5-NN.
    """
    rows = [
        {
            **{key: case[key] for key in ("set", "size", "weights")},
            "label": label,
            "lost": accuracies.max(0) - accuracies,
            "scores": case["scores"],
            "accuracies": accuracies,
        }
        for case in cases
        for label, accuracies in case["accuracies"].items()
    ]
    losses = {name: np.array([lose(row, name) for row in rows]) for name in rows[0]["scores"]}
    return pd.DataFrame(rows), losses


def lose(row, criterion):
    """Return the losses of one criterion in one row."""
    scores, knn = row["scores"][criterion], row["accuracies"][:, 0]
    chosen = np.argmax(scores)
    varies = np.ptp(scores) > 0 and np.ptp(knn) > 0
    correlation = spearmanr(scores, knn)[0] if varies else 0.0
    return *row["lost"][chosen], chosen != len(scores) - 1, correlation


def summarize(losses, keep, name):
    """Summarize the losses of a criterion in the rows to keep."""
    knn, logistic, differs, correlation = losses[name][keep].T
    deepest = losses["deepest"][keep, 0][differs > 0]
    return {
        "knn_mean": knn.mean(),
        "knn_max": knn.max(),
        "logistic_mean": logistic.mean(),
        "logistic_max": logistic.max(),
        "correlation": correlation.mean(),
        "n_cases": len(knn),
        "n_different": int(differs.sum()),
        "n_better": int((knn[differs > 0] < deepest).sum()),
        "n_worse": int((knn[differs > 0] > deepest).sum()),
    }


def choose(losses, keep):
    """Return the names of all criteria by the mean loss of 5-NN, the best first."""
    means = {name: of_criterion[keep, 0].mean() for name, of_criterion in losses.items()}
    return sorted(means, key=means.get)


def reaches_goal(row):
    """Whether a criterion is good enough to be offered."""
    return bool(
        row["knn_mean"] <= GOAL_MEAN
        and row["knn_max"] <= GOAL_MAX
        and row["n_better"] >= GOAL_BETTER * row["n_different"]
    )


def lose_at_fixed_depths(rows, chosen, reported):
    """Mean loss of 5-NN at the layer that suited the chosen rows of the same size and weights best."""
    lost = []
    for _, alike in rows.groupby(["weights", "size"]):
        means = np.mean([each[:, 0] for each in alike.loc[chosen[alike.index], "lost"]], axis=0)
        lost += [each[np.argmin(means), 0] for each in alike.loc[reported[alike.index], "lost"]]
    return np.mean(lost)


def report_splits(rows, losses, keep):
    """Choose on a random half of the families of sets, and report on the other half, many times."""
    rng = np.random.default_rng(0)
    losses = {name: each for name, each in losses.items() if name not in ("fixed_depth", "chosen")}
    families = rows["set"].replace(FAMILIES)
    names = sorted(set(families))
    chosen, rounds = [], []
    for _ in range(N_SPLITS):
        half = families.isin(rng.permutation(names)[: len(names) // 2]).to_numpy()
        chosen.append(choose(losses, keep & half)[0])
        row = summarize(losses, keep & ~half, chosen[-1])
        deepest = summarize(losses, keep & ~half, "deepest")
        fixed = lose_at_fixed_depths(rows, keep & half, keep & ~half)
        rounds.append(
            (row["knn_mean"], row["knn_max"], deepest["knn_mean"], fixed, reaches_goal(row))
        )
    means, largest, deepest, fixed, reached = np.transpose(rounds)
    return {
        "n_splits": N_SPLITS,
        "n_criteria": len(set(chosen)),
        "knn_mean": summarize_seeds(means.tolist()),
        "knn_max": summarize_seeds(largest.tolist()),
        "deepest_knn_mean": summarize_seeds(deepest.tolist()),
        "fixed_depth_knn_mean": summarize_seeds(fixed.tolist()),
        "better_than_fixed_share": (means < fixed).mean(),
        "better_share": (means < deepest).mean(),
        "reached_share": reached.mean(),
    }


def list_scopes(rows):
    """Return the rows of each part of a table as a mask."""
    trained = rows["weights"].isin(TRAINED)
    kept = ~rows["label"].isin(CHANGED_BY_VIEWS)
    return {
        "main": trained & kept,
        "all_labels": trained,
        "without_counts": trained & kept & (rows["set"] != "counts"),  # added after the results
        **{weights: kept & (rows["weights"] == weights) for weights in LAYERS},
        **{
            f"imagenet_{size}": kept & (rows["weights"] == "imagenet") & (rows["size"] == size)
            for size in SIZES
        },
    }


def list_cases(rows, losses, criteria):
    """Return what each criterion loses in each row, for the page."""
    found = {}
    for i, row in enumerate(rows.to_dict("records")):
        layers = LAYERS[row["weights"]]
        best = row["accuracies"].argmax(0)
        found.setdefault(row["set"], {}).setdefault(row["label"], {}).setdefault(
            f"size_{row['size']}", {}
        )[row["weights"]] = {
            "best_layer": layers[best[0]],
            "best_knn": row["accuracies"][best[0], 0],
            "best_logistic": row["accuracies"][best[1], 1],
            **{name: losses[name][i, 0] for name in criteria},
        }
    return found


def report(cases):
    """Choose the criterion, and report it, with others for comparison, on the other sets."""
    add_combinations(cases)
    add_fixed_depth(cases)
    rows, losses = tabulate(cases)
    scopes = {name: mask.to_numpy() for name, mask in list_scopes(rows).items()}
    choosing = rows["set"].isin(CHOOSING).to_numpy()
    order = choose(losses, scopes["main"] & choosing)
    chosen = next(name for name in order if name != "fixed_depth")
    losses["chosen"] = losses[chosen]
    shown = list(dict.fromkeys(["chosen", *SHOWN, *order[:N_SHOWN]]))
    found = {
        "chosen": chosen,
        "goal": {"knn_mean": GOAL_MEAN, "knn_max": GOAL_MAX, "better_share": GOAL_BETTER},
        "n_criteria": len(order),
        "n_sets": {"choosing": len(CHOOSING), "reporting": len(REPORTING)},
        "choosing_sets": list(CHOOSING),
        "fixed_depth": list_fixed_depths(cases),
    }
    for half, mask in (("choosing", choosing), ("reporting", ~choosing)):
        found[half] = {
            scope: {
                name: summarize(losses, keep & mask, name)
                for name in (shown if scope == "main" else COMPARED)
            }
            for scope, keep in scopes.items()
        }
    return found | {
        "reaches_goal": "yes" if reaches_goal(found["reporting"]["main"]["chosen"]) else "no",
        "splits": report_splits(rows, losses, scopes["main"]),
        "cases": list_cases(rows, losses, COMPARED),
    }


def list_fixed_depths(cases):
    """Return the layer of `fixed_depth` by weights and size."""
    return {
        f"{case['weights']}_{case['size']}": LAYERS[case["weights"]][
            int(np.argmax(case["scores"]["fixed_depth"]))
        ]
        for case in cases
    }


def measure(folder):
    """Measure all cases, choose and report."""
    jobs = [(name, size) for size in SIZES[::-1] for name in CHOOSING | REPORTING]
    parts = Parallel(n_jobs=2)(delayed(measure_set)(name, size, folder) for name, size in jobs)
    cases = [case for part in parts for case in part]
    return report(sorted(cases, key=lambda case: case["size"]))
