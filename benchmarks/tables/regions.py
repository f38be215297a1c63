"""The tables of ``regions``."""

from benchmarks.tables.formatting import spread, table


def render(result):
    """Regions: rate and memory of regions of photos, and of the tiles of a large TIFF."""
    photos, slide = result["photos"], result["slide"]
    height, width = photos["size"]
    rows = [
        ("in the order of the photos", spread(photos["relative_rate"], ".2f", "-")),
        ("shuffled", spread(photos["relative_rate_shuffled"], ".2f", "-")),
    ]
    side, tile = slide["side"], slide["tile"]
    return [
        "### Regions of photos",
        f"{photos['n_regions']:,} regions of {photos['n_photos']} JPEGs of {width:,} x {height:,} pixels, "
        f"resized to {photos['target']} x {photos['target']}, to layer 82 with the bundled weights: rate "
        "relative to that of the same crops in memory, in the same round, with equal features; 5 rounds: "
        "median (minimum-maximum).",
        table("rows; relative rate", rows),
        f"Streaming them by `transform_batches` takes {photos['streaming_mib']:.0f} MiB over the network's "
        f"memory, and {photos['streaming_small_mib']:.0f} MiB if the photos are small. The difference is "
        f"{photos['photos_in_memory']:.1f} decoded photos.",
        "### Tiles of a large TIFF",
        f"A tiled TIFF of {side:,} x {side:,} pixels in colour (deflate), {slide['share_of_tissue']:.0%} of "
        f"them tissue. `make_tiles(size={tile}, min_content=0.5)` keeps {slide['n_tiles']:,} tiles, "
        f"{slide['share_of_tiles']:.0%} of the grid, and takes {slide['making_mib']:.0f} MiB. Streaming the "
        f"tiles takes {slide['streaming_mib']:.0f} MiB over the network's memory.",
    ]
