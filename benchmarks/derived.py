"""Figures derived from measured ones, so that pages need no arithmetic."""

from itertools import product

from sklearn_resnet import LayerSearchDisplay, list_layers

_WORKS = ("digits_82", "digits_all", "photos_82", "photos_all")
_DATA_SETS = ("digits", "photos", "textures")  # of the surface
_WEIGHTS = ("imagenet", "procedural")
_N_DIGITS = 60_000
_MIB = 2**20


def derive_results(results):
    """Compute the figures that pages quote from results of benchmarks.

    Parameters
    ----------
    results : dict
        Results by the name of the benchmark, as `lookup.load_results` reads them.

    Returns
    -------
    dict
        Groups of figures: speeds over all workloads, costs of layers, sizes of caches, and the estimate
        for a collection of a hundred million photos.
    """
    return {
        **compare_precisions(results["speed"]),
        "amx": compare_precisions(results["speed_amx"]),
        "gflop_percent": share_gflop(),
        "cache_mib": size_caches(results["other"]["cache_row_bytes"]["value"]),
        "surface": summarize_surfaces(results["surface"]),
        "several_layers": compare_layers(results["several_layers"]),
        "hundred_million": estimate_collection(results),
        "torch_error": find_torch_error(results["torch_weights"]),
    }


def compare_precisions(speed):
    """Return the ranges of speeds over workloads, and the minimum cosines to float32."""
    works = [speed[work] for work in _WORKS]
    ranges = {}
    for key in ("float32_times_predict", "bfloat16_times_float32", "int8_times_float32"):
        medians = [work[key]["median"] for work in works]
        ranges[key] = {"min": min(medians), "max": max(medians)}
    shares = [work["float32_share_of_product"]["native"]["median"] for work in works]
    ranges["share_of_product"] = {"min": min(shares), "max": max(shares)}
    for precision in ("bfloat16", "int8"):
        cosines = [work[f"{precision}_cosine"] for work in works]
        ranges[f"{precision}_cosine"] = {
            "min_mean": min(cosine["mean"] for cosine in cosines),
            "min": min(cosine["min"] for cosine in cosines),
        }
    return ranges


def find_torch_error(torch_weights):
    """Return the largest difference from the features of torchvision and timm, at any layer."""
    runs = [*torch_weights["variants"].values()]
    for architecture in torch_weights["architectures"].values():
        runs += [architecture, *(run for run in architecture.values() if isinstance(run, dict))]
    return max(run["error"] for run in runs)


def share_gflop():
    """Return the cost of the cut at layer 82, in percent of the whole ResNet50V2."""
    gflop = list_layers()["gflop"]
    return {"layer_82": 100 * gflop[82] / gflop.iloc[-1]}


def size_caches(row_bytes):
    """Return the MiB of 60,000 digits in the in-memory cache: features and overhead per row."""
    widths = list_layers()["width"]
    return {f"layer_{i}": _N_DIGITS * (4 * widths[i] + row_bytes) / _MIB for i in (82, 85)}


def make_display(surface):
    """Return the scores of a surface, by size and layer, as a `LayerSearchDisplay`."""
    cells = [
        (int(layer.removeprefix("layer_")), int(size.removeprefix("size_")), cell["folds"])
        for size, row in surface.items()
        for layer, cell in row.items()
    ]
    layers, sizes, scores = zip(*cells, strict=True)
    return LayerSearchDisplay(layers, scores, image_sizes=sizes, score_name="accuracy")


def summarize_surfaces(surfaces):
    """Summarize each surface, by data set, weights and classifier."""
    return {
        data_set: {
            weights: {
                classifier: summarize_surface(surface)
                for classifier, surface in surfaces[data_set][weights].items()
            }
            for weights in _WEIGHTS
        }
        for data_set in _DATA_SETS
    }


def summarize_surface(surface):
    """Compare the best cell with the cheapest, and with the usual one, the deepest layer at 224.

    ``n_as_good`` counts the cells that cannot be told from the best, and ``best_layer`` names the best
    layer at each size.
    """
    frame = make_display(surface).to_frame()
    usual = (frame["layer"] == frame["layer"].max()) & (frame["image_size"] == 224)
    cheapest_gflop = frame.loc[frame["is_cheapest"], "gflop"].iloc[0]
    best_rows = frame.loc[frame.groupby("image_size")["mean_score"].idxmax()]
    found = {
        "n_cells": len(frame),
        "n_as_good": int((frame["difference_high"] >= 0).sum()),
        "best_layer": {
            f"size_{size}": int(layer)
            for size, layer in zip(best_rows["image_size"], best_rows["layer"], strict=True)
        },
    }
    for name, is_it in (
        ("best", frame["is_best"]),
        ("cheapest", frame["is_cheapest"]),
        ("usual", usual),
    ):
        cell = frame[is_it].iloc[0]
        found[name] = {
            "layer": int(cell["layer"]),
            "image_size": int(cell["image_size"]),
            "gflop": float(cell["gflop"]),
            "accuracy": float(cell["mean_score"]),
            "difference": float(cell["difference"]),
            "low": float(cell["difference_low"]),
            "high": float(cell["difference_high"]),
            "times_cheapest": float(cell["gflop"] / cheapest_gflop),
        }
    return found


def compare_layers(result):
    """Return the range of differences of several layers to the best one, over images and weights.

    ``n_better`` and ``n_worse`` count those whose interval excludes 0.
    """
    found = {}
    for classifier, ways in result["photos"]["imagenet"].items():
        found[classifier] = {}
        for way in ways.keys() - {"single", "chosen"}:
            differences = [
                result[data_set][weights][classifier][way]["difference"]
                for data_set, weights in product(_DATA_SETS, _WEIGHTS)
            ]
            means = [each["mean"] for each in differences]
            found[classifier][way] = {
                **{"min": min(means), "max": max(means)},
                "n_better": sum(each["low"] > 0 for each in differences),
                "n_worse": sum(each["high"] < 0 for each in differences),
            }
    return found


def estimate_collection(results):
    """Estimate the cost of a hundred million photos from measured costs per file and per task."""
    costs, worker = results["scale"]["costs"], results["scale"]["worker"]
    assumed = results["other"]["hundred_million"]
    n_photos, n_machines = assumed["n_photos"], assumed["n_machines"]
    rate = results["peers"]["photos_conv3"]["sklearn_resnet"]["images_per_second"]
    rate *= results["speed"]["folder"]["relative_rate"]["median"]  # reduced by decoding
    n_tasks = n_photos / assumed["part_size"]
    seconds_per_file = (costs["listing_us_per_file"] + costs["planning_us_per_file"]) / 1e6
    read_gb = n_photos * assumed["photo_kb"] / 1e6
    days = n_photos / rate / 86_400
    return {
        "table_gb": n_photos * assumed["row_kb"] / 1e6,
        "n_parts": round(n_tasks),
        "read_tb": read_gb / 1e3,
        "read_gb_per_machine": read_gb / n_machines,
        "sent_gb": n_photos * costs["sent_bytes_per_file"] / 1e9,
        "sent_mb_per_worker": 2 * assumed["part_size"] * costs["sent_bytes_per_file"] / 1e6,
        "scheduler_seconds": n_tasks * costs["task_ms"] / 1e3,
        "scheduler_mb": 2 * n_machines * costs["task_kb"] / 1e3,
        "us_per_file": seconds_per_file * 1e6,
        "listing_minutes": n_photos * seconds_per_file / 60,
        "coordinator_gb": n_photos * costs["coordinator_bytes_per_file"] / 1e9,
        "coordinator_gb_per_million": costs["coordinator_bytes_per_file"] / 1e3,
        "worker_mib": worker["network_mib"] + worker["streaming_mib"],
        "images_per_second": rate,
        "ms_per_image": 1e3 / rate,
        "days_on_one_machine": days,
        "hours_on_all_machines": 24 * days / n_machines,
    }
