"""The tables of ``scale``."""

from benchmarks.tables.formatting import number, spread, table


def render(result):
    """Cost of coordinating a run, gain of a second worker, and memory of streaming."""
    costs = result["costs"]
    cost_rows = [
        (
            f"listing a folder of {costs['n_files']:,} files, per file",
            f"{costs['listing_us_per_file']:.0f} us",
        ),
        ("planning (stat, key), per file", f"{costs['planning_us_per_file']:.0f} us"),
        ("memory of the coordinator, per file", f"{costs['coordinator_bytes_per_file']:.0f} bytes"),
        ("data sent to a worker, per file", f"{costs['sent_bytes_per_file']:.0f} bytes"),
        ("a Dask task: time of client and scheduler", f"{costs['task_ms']:.2f} ms"),
        ("a Dask task: memory of client and scheduler", f"{costs['task_kb']:.1f} kB"),
    ]
    of_command = result["memory_of_command"]
    memory = [
        (
            f"{number(key):,}",
            f"{each['network_mib']:.0f}",
            f"{each['paths_mib']:.1f}",
            f"{each['streaming_mib']:.1f}",
            f"{of_command[key]['streaming_mib']:.1f}",
        )
        for key, each in result["memory"].items()
    ]
    return [
        "### Cost of coordination",
        table("; measured", cost_rows),
        "### Two workers of one thread, a core each, against one",
        "Dask's `LocalCluster`, 1,000 photos, layer 82, 5 interleaved rounds: "
        f"{spread(result['two_workers']['times_one'], '.2f')} times as fast. Features are equal to "
        "the last bit, also to those of one process without Dask.",
        "### Memory: photos of 224 x 224 streamed in batches of 64, in MiB",
        "Of these photos, 2,000 are different. They are streamed to layer 5, which is computed quickly. "
        "Streaming: the peak, less the process with its network and the paths.",
        table(
            "photos; process with its network; paths; streaming, in Python; streaming, in the command",
            memory,
        ),
        "The process that streams 1,000 of them to layer 82 takes "
        f"{result['worker']['network_mib']:.0f} MiB with its network, and "
        f"{result['worker']['streaming_mib']:.1f} MiB for streaming.",
    ]
