"""The tables of ``peers``."""

from benchmarks.tables.formatting import spread, table

PEERS = {
    "sklearn_resnet": "sklearn-resnet",
    "timm": "timm",
    "timm_channels_last": "timm, channels_last",
    "timm_channels_last_best_batch": "timm, channels_last, best batch",
    "timm_compile": "timm, torch.compile",
    "timm_compile_freezing": "timm, torch.compile, freezing",
    "timm_compile_channels_last": "timm, torch.compile, channels_last",
    "embetter": "embetter",
    "onnxruntime": "ONNX Runtime",
    "onnxruntime_best_batch": "ONNX Runtime, best batch",
}
_PEER_WORKS = {
    "photos_all": "Photos, 224 x 224, all layers",
    "photos_conv3": "Photos, 224 x 224, up to the end of conv3",
    "digits_all": "Digits, 28 x 28, all layers",
}


def render(result):
    """Speed of other packages."""
    blocks = [
        f"float32 on {result['n_cores']} cores, {result['n_rounds']} rounds: the median rate, and the "
        "median (minimum to maximum) of the ratios within rounds. From uint8 images to float32 "
        "features, preprocessing included. All weights are random; the images are real.",
        "The peers run timm's resnetv2_50, which halves the image at the start of a stage. Keras' "
        "ResNet50V2 halves it at the end of the stage before and so costs less. GFLOP counts the "
        "convolutions, with a multiplication and an addition as two operations. Best batch: the power "
        "of two that was fastest in a trial. Freezing: `torch._inductor.config.freezing`. embetter "
        "takes PIL images (prepared beforehand), resizes them to 235, crops them to 224 pixels and "
        "runs them one by one, in training mode and with gradients, as its `TimmEncoder` does; only "
        "`pretrained=True` was replaced.",
    ]
    for key, title in _PEER_WORKS.items():
        work, busy = result[key], result[key]["busy_cores"]
        blocks += [
            f"### {title}: {work['n_images']:,} images",
            table(
                "; batch; GFLOP per image; images/s; GFLOP/s; sklearn-resnet is as fast, times",
                [_peer_row(title, work[name]) for name, title in PEERS.items() if name in work],
            ),
            f"Meanwhile, other processes kept {busy['median']:.2f} cores busy (at most "
            f"{busy['max']:.2f}).",
        ]
    return blocks


def _peer_row(title, result):
    if "error" in result:
        return title, "", "", f"failed: {result['error']}", "", ""
    return (
        title,
        str(result["batch_size"]),
        f"{result['gflop_per_image']:.3g}",
        f"{result['images_per_second']:.4g}",
        f"{result['gflop_per_second']:.0f}",
        spread(result["ours_times"], ".2f"),
    )
