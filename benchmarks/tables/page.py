"""The tables of ``page``."""

from benchmarks.tables.formatting import spread, table


def render(result):
    """Size of the page of an embedding, and how fast it shows and moves."""
    width, height = result["window"]
    rows = [
        (
            title,
            f"{result[key]['mb']:.1f}",
            spread(result[key]["seconds_to_first_view"], ".2f", "-"),
            spread(result[key]["frames_per_second"], ".1f", "-"),
        )
        for key, title in (
            ("photos_1000", "1,000 photos"),
            ("photos_10000", "10,000 photos"),
            ("digits_60000", "60,000 digits"),
            ("points_1000000", "1,000,000 points, without images"),
        )
    ]
    return [
        f"Headless Chromium with software rendering, a window of {width} x {height}, "
        f"{result['n_rounds']} rounds: median (minimum to maximum).",
        table(
            "page; MB; seconds to the first view; frames a second while the map is dragged", rows
        ),
    ]
