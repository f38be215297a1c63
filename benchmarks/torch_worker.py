"""Features of the networks of torchvision and timm at every layer, as references.

It runs in an environment with torch, torchvision, timm and safetensors, and without this package.
`benchmarks.torch_weights` calls it. By hand, it writes the golden file of the tests::

    python benchmarks/torch_worker.py golden tests/_network/torch_features.npz
"""

import json
import operator
import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))

from reference_inputs import draw_tensor, make_images

TORCHVISION = {
    "ResNet18": "resnet18",
    "ResNet34": "resnet34",
    "ResNet50V1.5": "resnet50",
    "ResNet101V1.5": "resnet101",
    "ResNet152V1.5": "resnet152",
    "WideResNet50": "wide_resnet50_2",
    "ResNeXt50": "resnext50_32x4d",
}
TIMM = {"ResNetV2-50": "resnetv2_50"}

# The golden file holds the features of two small images at these layers, some channels of each
GOLDEN_SHAPE = (2, 33, 38, 3)
GOLDEN_CHANNELS = 16
_STEM = ["x", "conv1", "bn1", "relu", "maxpool"]
_BOTTLENECK = ["conv1", "bn1", "relu", "conv2", "relu_1", "conv3", "bn3", "add", "relu_2"]
_PROJECTED = [*_BOTTLENECK, "downsample.0", "downsample.1"]
_PREACTIVATION = ["norm1", "conv1", "norm2.bn", "conv2", "norm3", "conv3", "downsample.conv", "add"]


def _list_layers(*blocks):
    return [f"{block}.{layer}" for block, layers in blocks for layer in layers]


_LONG = ["layer1.2.relu_2", "layer2.0.conv2", "layer3.1.add", "layer4.2.bn3", "layer4.2.relu_2"]
GOLDEN_LAYERS = {
    "ResNet18": [
        *_STEM,
        *_list_layers(
            ("layer1.0", ["conv1", "relu", "conv2", "add", "relu_1"]),
            ("layer2.0", ["conv1", "bn2", "downsample.0", "downsample.1", "add", "relu_1"]),
            ("layer3.1", ["conv2", "relu_1"]),
            ("layer4.0", ["conv1", "downsample.1", "relu_1"]),
            ("layer4.1", ["bn2", "add", "relu_1"]),
        ),
    ],
    "ResNet34": ["layer1.2.relu_1", "layer2.0.conv1", "layer3.5.add", "layer4.2.relu_1"],
    "ResNet50V1.5": [
        *_STEM,
        *_list_layers(
            ("layer1.0", _PROJECTED), ("layer2.0", _PROJECTED), ("layer3.5", _BOTTLENECK)
        ),
        *_list_layers(("layer4.0", _PROJECTED), ("layer4.2", _BOTTLENECK)),
    ],
    "ResNet101V1.5": ["layer3.22.relu_2", *_LONG],
    "ResNet152V1.5": ["layer2.7.relu_2", "layer3.35.relu_2", *_LONG],
    "WideResNet50": ["layer1.0.conv2", *_LONG],
    "ResNeXt50": [
        *_list_layers(("layer1.0", _PROJECTED), ("layer2.0", _PROJECTED), ("layer4.0", _PROJECTED)),
        *_LONG,
    ],
    "ResNetV2-50": [
        *("x", "stem.conv", "stem.pool", "norm.bn", "norm"),
        *_list_layers(("stages.0.blocks.0", _PREACTIVATION), ("stages.1.blocks.0", _PREACTIVATION)),
        *_list_layers(("stages.2.blocks.5", ["norm1.bn", "norm1", "add"])),
        *_list_layers(("stages.3.blocks.0", _PREACTIVATION)),
        *_list_layers(("stages.3.blocks.2", ["norm3.bn", "conv3", "add"])),
    ],
}


def make_network(architecture, n_channels=3):
    """Make a network of torchvision or timm with the numbers of `draw_tensor`."""
    if architecture in TIMM:
        name = TIMM[architecture]
        network = timm.create_model(name, pretrained=False, num_classes=0, in_chans=n_channels)
    else:
        network = torchvision.models.get_model(TORCHVISION[architecture], weights=None)
        network.fc = torch.nn.Identity()
        if n_channels != 3:
            network.conv1 = torch.nn.Conv2d(n_channels, 64, 7, 2, 3, bias=False)
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(draw_tensor(name, tuple(tensor.shape))))
    return network.eval()


def find_normalization(architecture, n_channels):
    """Return the mean and standard deviation that the library has for its weights."""
    if n_channels != 3:
        return [0.5] * n_channels, [0.25] * n_channels
    if architecture in TIMM:
        config = timm.get_pretrained_cfg(TIMM[architecture])
        return config.mean, config.std
    weights = torchvision.models.get_model_weights(TORCHVISION[architecture])
    transforms = weights["IMAGENET1K_V1"].transforms()
    return transforms.mean, transforms.std


@torch.no_grad()
def compute_maps(network, architecture, images):
    """Return the outputs of all layers by name, in float64."""
    network = network.double()
    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    x = torch.from_numpy(images).permute(0, 3, 1, 2).double() / 255
    mean, std = map(torch.tensor, find_normalization(architecture, images.shape[3]))
    x = (x - mean[:, None, None].double()) / std[:, None, None].double()
    if architecture in TIMM:
        return {"x": x, **_hook(network, x)}
    names = get_graph_node_names(network)[1]
    names = names[: names.index("avgpool")]
    extractor = create_feature_extractor(network, names)
    for node in extractor.graph.nodes:  # it would add to the output of a layer that is kept
        node.target = operator.add if node.target is operator.iadd else node.target
    extractor.recompile()
    return extractor(x)


def _hook(network, x):
    """Return the outputs of timm's modules; a module of normalisation holds its activation."""
    maps, norms, blocks = {}, timm.layers.BatchNormAct2d, timm.models.resnetv2.PreActBottleneck
    kept = (torch.nn.Conv2d, torch.nn.MaxPool2d, norms, blocks)

    def keep(name, module):
        def hook(_, inputs, output):
            if isinstance(module, norms):
                statistics = module.running_mean, module.running_var, module.weight, module.bias
                norm = torch.nn.functional.batch_norm(inputs[0], *statistics, eps=module.eps)
                maps[f"{name}.bn"] = norm
            maps[f"{name}.add" if isinstance(module, blocks) else name] = output

        return module.register_forward_hook(hook)

    with ExitStack() as stack:
        for name, module in network.named_modules():
            if isinstance(module, kept):
                stack.callback(keep(name, module).remove)
        network.forward_features(x)
    return maps


def pool(maps):
    """Return the averages and maxima of maps, by the name of the layer and the pooling."""
    pooled = {}
    for name, x in maps.items():
        pooled[f"{name} avg"] = x.mean((2, 3)).numpy()
        pooled[f"{name} max"] = x.amax((2, 3)).numpy()
    return pooled


def write_references(folder, architecture, n_channels, dtype, sizes):
    """Write a state dict in a number format, and the features of images of some sizes with it."""
    folder, n_channels = Path(folder), int(n_channels)
    network = make_network(architecture, n_channels)
    state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    state = {
        k: t.to(getattr(torch, dtype)) if t.is_floating_point() else t for k, t in state.items()
    }
    save_file(state, folder / "weights.safetensors")
    network.load_state_dict(load_file(folder / "weights.safetensors"))  # the rounded numbers
    for size in json.loads(sizes):
        images = make_images(3, *size, n_channels)
        height, width = size
        np.savez(
            folder / f"{height}x{width}.npz", **pool(compute_maps(network, architecture, images))
        )
    packages = ("torch", "torchvision", "timm")
    print(json.dumps({package: version(package) for package in packages}))


def write_golden_file(path):
    """Write features of a few layers of all networks for the tests of the package."""
    images, found = make_images(*GOLDEN_SHAPE), {}
    for architecture, layers in GOLDEN_LAYERS.items():
        pooled = pool(compute_maps(make_network(architecture), architecture, images))
        for name in layers:
            features = np.stack([pooled[f"{name} {pooling}"] for pooling in ("avg", "max")], 1)
            step = max(1, features.shape[2] // GOLDEN_CHANNELS)
            found[f"{architecture} {name}"] = features[:, :, ::step].astype(np.float32)
    np.savez_compressed(path, **found)


if __name__ == "__main__":
    {"golden": write_golden_file, "references": write_references}[sys.argv[1]](*sys.argv[2:])
