"""The tables of ``neighbors``."""

from benchmarks.tables.formatting import slashed, spread, table


def render(result):
    """Maps by UMAP, and searches of a large table."""
    maps, similar = result["maps"], result["similar"]
    map_rows = [
        (
            title,
            spread(maps[key]["times_umap"], ".2f"),
            spread(maps[key]["neighbors_share"], ".0%"),
            slashed((each["median"] for each in maps[key]["trustworthiness"].values()), ".4f"),
        )
        for key, title in (("seed", "`--seed 0`"), ("no_seed", "no seed"))
    ]
    seconds, many = similar["seconds"], similar["many"]
    rows = [
        ("cosine distance", spread(seconds["cosine"], ".2f")),
        ("Euclidean distance", spread(seconds["euclidean"], ".2f")),
        ("cosine distance, file not in memory", spread(similar["cold_seconds"], ".2f")),
        ("the same file, only read", spread(similar["cold_read_seconds"], ".2f")),
        (f"cosine distance, {many['n_queries']:,} queries at once", f"{many['seconds']:.1f}"),
    ]
    n_images, n_features = maps["shape"]
    n_rows, n_columns = similar["shape"]
    return [
        f"Maps of {n_images:,} digits of MNIST, {n_features} features: the command's, with exact "
        "neighbors found once on all cores, against UMAP with its own search, each in a process of "
        "its own. The trustworthiness is that of a sample.",
        table(
            "map; times as fast as UMAP; share of the neighbors; trustworthiness, UMAP / command",
            map_rows,
        ),
        f"The 10 nearest of {n_rows:,} rows of {n_columns} features, in a file mapped into memory, each "
        "search in a process of its own:",
        table("search; seconds", rows),
        f"The search takes {spread(similar['mib'], '.1f')} MiB of memory, and with "
        f"{many['n_queries']:,} queries {many['mib']:.0f} MiB. It is "
        f"{spread(similar['times_sklearn'], '.1f')} times as fast as scikit-learn's search of one "
        "block after another in double precision.",
    ]
