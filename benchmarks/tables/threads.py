"""The tables of ``threads``."""

from benchmarks.tables.formatting import number, spread, table

_CONTENDERS = {
    "one_thread": "one process, one thread, pinned to a core",
    "two_threads": "one process, two threads",
    "two_processes_pinned": "two processes of one thread, each pinned to a core",
    "two_processes": "two processes of one thread",
    "two_processes_of_two_threads": "two processes of two threads",
}
_WORKS = {
    "photos_82": "photos 224 x 224, layer 82",
    "digits_82": "MNIST 28 x 28, layer 82",
}
_MODEL = {
    "memory_as_here": "memory of two cores",
    "memory_grows": "memory grows with the cores",
}


def render(result):
    """Rate by threads and processes, and the model of more cores."""
    gflops, copying = result["gflops"], result["copying"]
    blocks = [
        "Processes take turns on the same images, which two processes share; median (minimum to maximum) "
        "of the ratios within rounds. The share of the product is relative to NumPy's float32 product "
        "on as many threads as cores. Processor time is relative to that of one thread. All features are "
        "equal to the last bit.",
    ]
    for work, title in _WORKS.items():
        rows = [
            (
                name,
                spread(found["share_of_product"], ".2f"),
                spread(found["times_one_thread"], ".2f"),
                f"{found['images_per_second']['median']:,.4g}",
                spread(found["processor_time"], ".2f"),
            )
            for key, name in _CONTENDERS.items()
            for found in [result[work]["contenders"][key]]
        ]
        header = "; share of the product; times as fast as one thread; images/s; processor time"
        blocks += [f"### {title}", table(header, rows)]
    command = result["command"]
    blocks += [
        f"The whole command on {command['n_photos']} JPEGs at 224 x 224 and layer 82, its start included, "
        "relative to the command on one core: two cores "
        f"{spread(command['two_cores_times_one'], '.2f')}, two workers (`--workers 2`) "
        f"{spread(command['two_workers_times_one_core'], '.2f')}.",
        f"The product computes {gflops['threads_1']:.0f} GFLOP/s on one thread and "
        f"{gflops['threads_2']:.0f} on two. Copying reads and writes {copying['threads_1']:.1f} GB/s on "
        f"one thread and {copying['threads_2']:.1f} on two.",
        "### A model of more cores, not a measurement",
        "Each step takes the longer of its operations at the rate of the product and its memory traffic at "
        "the rate of copying; see the notes of `threads.py`. The rates are relative to the measured one "
        "thread. Two cores check the model.",
        table("cores; " + "; ".join(_list_cases()), _list_predictions(result)),
    ]
    return blocks


def _list_cases():
    return [f"{work}, {memory}" for work in _WORKS.values() for memory in _MODEL.values()]


def _list_predictions(result):
    keys = [key for key in result["photos_82"]["model"] if key.startswith("cores_")]
    return [
        (
            str(number(key)),
            *(f"{result[work]['model'][key][memory]:.2f}" for work in _WORKS for memory in _MODEL),
        )
        for key in keys
    ]
