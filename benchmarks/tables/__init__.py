"""Results as Markdown: the sections of RESULTS.md, made only from the files in ``results/``."""

from benchmarks.tables import (
    accuracy,
    anomalies,
    checks,
    depth_without_labels,
    neighbors,
    page,
    peers,
    procedural,
    regions,
    scale,
    scientific,
    search,
    several_layers,
    speed,
    surface,
    surface_cost,
    threads,
    torch_speed,
    torch_weights,
)
from benchmarks.tables.formatting import wrap

SECTIONS = {
    "accuracy": ("Accuracy by depth", accuracy.render),
    "procedural": ("The bundled weights", procedural.render),
    "surface": ("Depth and size", surface.render),
    "several_layers": ("Several layers side by side", several_layers.render),
    "depth_without_labels": ("Depth without labels", depth_without_labels.render),
    "speed": ("Speed and memory", speed.render),
    "speed_amx": ("Speed and memory with AMX", speed.render),
    "threads": ("Threads and processes", threads.render),
    "peers": ("Speed of timm, embetter and ONNX Runtime", peers.render),
    "torch_weights": ("PyTorch's networks", torch_weights.render),
    "torch_speed": ("Speed of torchvision's ResNet-50", torch_speed.render),
    "search": ("A search over layers", search.render),
    "surface_cost": ("A search over layers and sizes", surface_cost.render),
    "neighbors": ("Nearest neighbours", neighbors.render),
    "scale": ("Scale", scale.render),
    "page": ("The page of an embedding", page.render),
    "scientific": ("Scientific images", scientific.render),
    "anomalies": ("Local anomalies, and pooling in cells", anomalies.render),
    "regions": ("Regions", regions.render),
    "checks": ("Planted faults", checks.render),
}


def render_results(results):
    """Return the text of RESULTS.md."""
    blocks = ["# Results", "Written by `python -m benchmarks` from the files in `results/`."]
    for name, (title, _) in SECTIONS.items():
        blocks += [f"## {title}"]
        if "machine" in results[name]:
            blocks += [_describe(results[name])]
        blocks += [render_section(results, name)]
    return "\n\n".join(blocks) + "\n"


def render_section(results, name):
    """Return the section of RESULTS.md on one benchmark, below its title and machine."""
    _, render = SECTIONS[name]
    return "\n\n".join(
        block if block.startswith(("#", "|")) else wrap(block) for block in render(results[name])
    )


def _describe(result):
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return wrap(f"{result['machine']}; {versions}.")
