"""Variants of ResNets that share most names with those of the layer tables, and compute otherwise."""

import re

# By a pattern for the names of tensors inside the backbone; the first that is found is named
_BY_NAME = {
    r"\.(lora_|base_layer\.|hada_)": "with LoRA adapters, which must be merged first",
    r"packed_params|zero_point|\.scale$|weight_scale|qweight|fake_quant|observer": "with quantised "
    "weights",
    r"\.weight_[gv]$|\.weight_orig$|\.parametrizations\.": "with reparametrised weights (weight or "
    "spectral normalisation), which must be merged first",
    r"\.conv\d\.paths\.": "with selective kernels (SKNet)",
    r"\.conv2\.(radix|fc1|bn0)\.": "with split attention (ResNeSt)",
    r"\.(convs|bns)\.\d": "with several scales in a block (Res2Net)",
    r"\.(eca\w*\.|se\.conv\.)": "with efficient channel attention (ECA)",
    r"\.se(_module|_layer|_block)?\.": "with squeeze-excitation (SE)",
    r"\.(attn|cbam|gc|ca|sa|\w*attention)\.": "with attention in its blocks",
    r"\.(IN|instance_norm)\.": "with instance normalisation (IBN)",
    r"\.filt$|\.aa\.|blur": "with antialiased strides (blur pooling)",
    r"^conv1\.\d+\.|^(conv|bn)[23]\.|^stem\.(\d|(conv|norm|bn)\d)": "with a deep stem of several "
    "convolutions",
    r"\.downsample\.[23]\.": "with average pooling in its shortcuts (ResNet-D)",
}
_NORMS = r"(.*\.)?(bn\d|norm\d?|downsample\.1)\.weight"


def name_variant(tensors, others):
    """Name the variant of a network, by the tensors of its backbone and the others in the file.

    Parameters
    ----------
    tensors : dict of str to Tensor
        By name, translated.
    others : dict of str to Tensor
        Tensors outside the backbone, by key.

    Returns
    -------
    str
        A phrase that continues "a ResNet"; empty for a network of the layer tables.
    """
    if any(re.search(r"(^|\.)attnpool\.", key) for key in others):
        return "with attention pooling (CLIP's ModifiedResNet)"
    if any(_is_segmentation(key, tensor) for key, tensor in others.items()):
        return "with dilated convolutions, of a segmentation model (DeepLab, FCN or PAN)"
    for pattern, variant in _BY_NAME.items():
        if any(re.search(pattern, name) for name in tensors):
            return variant
    return _name_by_shape(tensors) or _name_by_norm(tensors)


def _is_segmentation(key, tensor):
    """Return whether a tensor is of a head whose backbone torchvision dilates."""
    if re.search(r"(^|\.)(aux_classifier|aspp\w*|fpa|(classifier|decoder)\.0\.convs)\.", key):
        return True
    return len(tensor.shape) == 4 and max(tensor.shape[2:]) > 1 and "classifier." in key


def _name_by_shape(tensors):
    stem = tensors.get("conv1.weight") or tensors.get("stem.conv.weight")
    if stem and stem.shape[2:] == (3, 3):
        return "with a stem of 3 x 3 for small images (CIFAR)"
    if any(len(tensor.shape) == 4 for name, tensor in tensors.items() if "downsample.1." in name):
        return "with average pooling in its shortcuts (ResNet-D)"
    return ""


def _name_by_norm(tensors):
    """Name variants without batch normalisation, or whose convolutions have a bias."""
    norms = [name for name in tensors if re.fullmatch(_NORMS, name)]
    has_statistics = any(name.endswith(".running_mean") for name in tensors)
    bias = next(
        (n for n in tensors if re.fullmatch(r"(.*\.)?(conv\d?|downsample\.0)\.bias", n)), ""
    )
    if bias and not norms:
        return f"whose batch normalisation is fused into its convolutions ({bias!r})"
    if bias:
        return f"whose convolutions have a bias ({bias!r})"
    if norms and not has_statistics and "stem.conv.weight" in tensors:
        return (
            "with group normalisation and weight standardisation (BiT), or a normalisation without "
            "running statistics"
        )
    if norms and not has_statistics:
        return "with group normalisation, or a normalisation without running statistics"
    if not norms and has_statistics:
        return "whose batch normalisation has no scale and offset (affine=False)"
    return ""
