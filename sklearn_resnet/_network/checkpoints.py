"""Published weights that are known to work: where they are, their terms, and how to scale images.

To add some, append a `Checkpoint` to `CHECKPOINTS`, with the sources of its facts in a comment.
"""

from dataclasses import dataclass
from typing import Any

from sklearn_resnet._network.normalization import NORMALIZATIONS


@dataclass(frozen=True)
class Checkpoint:
    """Published weights; the attributes are the columns of `list_weights`."""

    family: str
    name: str
    weights: str
    architecture: str
    trained_on: str
    license: str | None
    is_commercial_use_allowed: bool | None
    url: str
    n_channels: int = 3
    normalization: str | tuple | None = None
    value_range: tuple[float, float] | None = None
    needs_pytorch: bool = False


_HUB = "https://huggingface.co"
_META = "https://dl.fbaipublicfiles.com"
_NON_COMMERCIAL = "non-commercial research"

_FREE = {"license": "Apache-2.0", "is_commercial_use_allowed": True}
_BSD = {"license": "BSD-3-Clause", "is_commercial_use_allowed": True}
_MIT = {"license": "MIT", "is_commercial_use_allowed": True}
_BY = {"license": "CC-BY-4.0", "is_commercial_use_allowed": True}
_BY_NC = {"license": "CC-BY-NC-4.0", "is_commercial_use_allowed": False}
_UNKNOWN: dict[str, Any] = {"license": None, "is_commercial_use_allowed": None}

_TIMM_ARCHITECTURES = {
    "resnet18": "ResNet18",
    "resnet34": "ResNet34",
    "resnet50": "ResNet50V1.5",
    "resnet101": "ResNet101V1.5",
    "resnet152": "ResNet152V1.5",
    "wide_resnet50_2": "WideResNet50",
    "resnext50_32x4d": "ResNeXt50",
    "resnetv2_50": "ResNetV2-50",
}


def _timm(names, trained_on, terms):
    """Make rows for timm's repositories on the hub, whose config.json has the normalisation."""
    return tuple(
        Checkpoint(
            family="timm",
            name=name,
            weights=f"hf://timm/{name}",
            architecture=_TIMM_ARCHITECTURES[name.partition(".")[0]],
            trained_on=trained_on,
            url=f"{_HUB}/timm/{name}",
            **terms,
        )
        for name in names.split()
    )


def _hub(family, repo, architecture, trained_on, terms, **options):
    """Make a row for a repository on the hub, or a file in one."""
    owner, name, *_ = repo.split("/")
    return Checkpoint(
        family=family,
        name=options.pop("name", name),
        weights=f"hf://{repo}",
        architecture=architecture,
        trained_on=trained_on,
        url=f"{_HUB}/{owner}/{name}",
        **terms,
        **options,
    )


def _file(family, name, architecture, trained_on, terms, url, **options):
    """Make a row for a file to download."""
    return Checkpoint(
        family=family,
        name=name,
        weights=options.pop("file", url.rpartition("/")[2]),
        architecture=architecture,
        trained_on=trained_on,
        url=url,
        needs_pytorch=not url.endswith(".h5") and options.pop("needs_pytorch", True),
        **terms,
        **options,
    )


# https://github.com/huggingface/pytorch-image-models: timm/models/resnet.py and resnetv2.py, version
# 1.0.31 (repository, licence, mean and std); the model cards at https://huggingface.co/timm
TIMM = (
    *_timm(
        "resnet18.a1_in1k resnet34.a1_in1k resnet50.a1_in1k resnet101.a1_in1k resnet152.a1_in1k "
        "resnet50.a1h_in1k resnet101.a1h_in1k resnet152.a1h_in1k resnet34.ra4_e3600_r224_in1k "
        "resnet50.ram_in1k resnet50.c2_in1k resnet50.b1k_in1k wide_resnet50_2.racm_in1k "
        "resnext50_32x4d.a1_in1k resnext50_32x4d.a1h_in1k resnetv2_50.a1h_in1k",
        "ImageNet-1k",
        _FREE,
    ),
    *_timm(
        "resnet18.tv_in1k resnet34.tv_in1k resnet50.tv_in1k resnet50.tv2_in1k resnet101.tv_in1k "
        "resnet101.tv2_in1k resnet152.tv_in1k resnet152.tv2_in1k wide_resnet50_2.tv_in1k "
        "wide_resnet50_2.tv2_in1k resnext50_32x4d.tv_in1k resnext50_32x4d.tv2_in1k",
        "ImageNet-1k (torchvision's weights)",
        _BSD,
    ),
    *_timm(
        "resnet18.fb_swsl_ig1b_ft_in1k resnet50.fb_swsl_ig1b_ft_in1k "
        "resnext50_32x4d.fb_swsl_ig1b_ft_in1k",
        "a billion Instagram photos by their tags, then ImageNet-1k",
        _BY_NC,
    ),
    *_timm(
        "resnet18.fb_ssl_yfcc100m_ft_in1k resnet50.fb_ssl_yfcc100m_ft_in1k "
        "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k",
        "YFCC100M photos without labels, then ImageNet-1k",
        _BY_NC,
    ),
)

# The files at https://huggingface.co/microsoft/resnet-50/tree/main and its neighbours; converted from
# timm's weights: src/transformers/models/resnet/convert_resnet_to_pytorch.py in
# https://github.com/huggingface/transformers. resnet-101 has no .safetensors file.
TRANSFORMERS = tuple(
    _hub(
        "transformers",
        f"microsoft/resnet-{depth}",
        architecture,
        "ImageNet-1k",
        _FREE,
        needs_pytorch=depth == 101,
    )
    for depth, architecture in (
        (18, "ResNet18"),
        (34, "ResNet34"),
        (50, "ResNet50V1.5"),
        (101, "ResNet101V1.5"),
        (152, "ResNet152V1.5"),
    )
)

# Licence and URL: README.md and hubconf.py of https://github.com/facebookresearch/dino, .../moco-v3
# (CONFIG.md), .../barlowtwins and .../vicreg. They load torchvision's resnet50, with its normalisation.
SELF_SUPERVISED = (
    _file(
        "DINO",
        "dino_resnet50",
        "ResNet50V1.5",
        "ImageNet-1k without labels",
        _FREE,
        f"{_META}/dino/dino_resnet50_pretrain/dino_resnet50_pretrain.pth",
        normalization="torch",
    ),
    _file(
        "MoCo v3",
        "r-50-1000ep",
        "ResNet50V1.5",
        "ImageNet-1k without labels",
        _BY_NC,
        f"{_META}/moco-v3/r-50-1000ep/r-50-1000ep.pth.tar",
        normalization="torch",
    ),
    _file(
        "Barlow Twins",
        "barlowtwins_resnet50",
        "ResNet50V1.5",
        "ImageNet-1k without labels",
        _MIT,
        f"{_META}/barlowtwins/ep1000_bs2048_lrw0.2_lrb0.0048_lambd0.0051/resnet50.pth",
        normalization="torch",
    ),
    _file(
        "VICReg",
        "vicreg_resnet50",
        "ResNet50V1.5",
        "ImageNet-1k without labels",
        _MIT,
        f"{_META}/vicreg/resnet50.pth",
        normalization="torch",
    ),
)

# Licence: README.md of https://github.com/lunit-io/benchmark-ssl-pathology and the model cards at
# https://huggingface.co/1aurent. Their config.json has ImageNet's mean and std; the authors point to
# other ones (issue 3 of the former), which TIAToolbox and others use.
_LUNIT_NORMALIZATION = (
    (0.70322989, 0.53606487, 0.66096631),
    (0.21716536, 0.26081574, 0.20723464),
)
LUNIT = tuple(
    _hub(
        "Lunit",
        f"1aurent/resnet50.{name}",
        "ResNet50V1.5",
        "pathology: 19 million H&E patches of TCGA without labels",
        {"license": f"Lunit's own: {_NON_COMMERCIAL}", "is_commercial_use_allowed": False},
        normalization=_LUNIT_NORMALIZATION,
    )
    for name in ("lunit_bt", "lunit_mocov2", "lunit_swav")
)

# acl/acl_train.py (Keras: preprocess_input, then 1 / 255) and acl/acl_pytorch_train.ipynb (PyTorch) in
# https://github.com/BMEII-AI/RadImageNet. That repository is MIT; it does not say whether the weights are.
_CAFFE = NORMALIZATIONS["caffe"]
_RADIMAGENET_KERAS = (_CAFFE.mean, 1.0, "BGR")
_RADIMAGENET_TORCH = (0.5, 0.5, "BGR")
RADIMAGENET = tuple(
    Checkpoint(
        family="RadImageNet",
        name=name,
        weights=file,
        architecture=architecture,
        trained_on="radiology: 1.35 million CT, MR and ultrasound images",
        url="https://github.com/BMEII-AI/RadImageNet",
        normalization=normalization,
        needs_pytorch=file.endswith(".pt"),
        **_UNKNOWN,
    )
    for name, file, architecture, normalization in (
        ("Keras", "RadImageNet-ResNet50-notop.h5", "ResNet50", _RADIMAGENET_KERAS),
        ("PyTorch", "ResNet50.pt", "ResNet50V1.5", _RADIMAGENET_TORCH),
    )
)

# torchxrayvision/models.py (class ResNet), datasets.py (function normalize) and setup.py in
# https://github.com/mlmed/torchxrayvision
XRAY = (
    _file(
        "TorchXRayVision",
        "resnet50-res512-all",
        "ResNet50V1.5",
        "radiology: chest X-rays of five data sets, at 512 x 512",
        _FREE,
        "https://github.com/mlmed/torchxrayvision/releases/download/v1/"
        "pc-nih-rsna-siim-vin-resnet50-test512-e400-state.pt",
        n_channels=1,
        normalization=(0.5, 1 / 2048),  # -1024 to 1024
    ),
)

# torchgeo/models/resnet.py in https://github.com/torchgeo/torchgeo (files, bands, scaling); licences:
# the model cards at https://huggingface.co/torchgeo
_SENTINEL_2 = {"normalization": (0.0, 1.0), "value_range": (0, 10_000), "needs_pytorch": True}
_LANDSAT = {"normalization": (0.0, 1.0), "value_range": (0, 255), "needs_pytorch": True}
_CC0 = {"license": "CC0-1.0", "is_commercial_use_allowed": True}
_SATELLITE = "satellites: {} without labels"
TORCHGEO = (
    *(
        _hub(
            "TorchGeo",
            f"torchgeo/{name}/{name}-{hashed}.pth",
            architecture,
            _SATELLITE.format(f"Sentinel-2, {n_channels} bands (SSL4EO-S12)"),
            _BY,
            n_channels=n_channels,
            **_SENTINEL_2,
        )
        for name, hashed, architecture, n_channels in (
            ("resnet18_sentinel2_all_moco", "59bfdff9", "ResNet18", 13),
            ("resnet18_sentinel2_rgb_moco", "e3a335e3", "ResNet18", 3),
            ("resnet50_sentinel2_all_moco", "df8b932e", "ResNet50V1.5", 13),
            ("resnet50_sentinel2_all_dino", "d6c330e9", "ResNet50V1.5", 13),
            ("resnet50_sentinel2_rgb_moco", "2b57ba8b", "ResNet50V1.5", 3),
        )
    ),
    _hub(
        "TorchGeo",
        "torchgeo/resnet50_sentinel1_all_moco/resnet50_sentinel1_all_moco-906e4356.pth",
        "ResNet50V1.5",
        _SATELLITE.format("Sentinel-1, VV and VH in decibels (SSL4EO-S12)"),
        _BY,
        n_channels=2,
        normalization=((-12.59, -20.26), (5.26, 5.91)),
        value_range=(0, 1),
        needs_pytorch=True,
    ),
    *(
        _hub(
            "TorchGeo",
            f"torchgeo/ssl4eo_landsat/{name}-{hashed}.pth",
            architecture,
            _SATELLITE.format(f"Landsat, {n_channels} bands (SSL4EO-L)"),
            _CC0,
            name=name,
            n_channels=n_channels,
            **_LANDSAT,
        )
        for name, hashed, architecture, n_channels in (
            ("resnet18_landsat_tm_toa_moco", "1c691b4f", "ResNet18", 7),
            ("resnet18_landsat_etm_toa_moco", "bb88689c", "ResNet18", 9),
            ("resnet18_landsat_etm_sr_moco", "4f078acd", "ResNet18", 6),
            ("resnet18_landsat_oli_tirs_toa_moco", "a3002f51", "ResNet18", 11),
            ("resnet18_landsat_oli_sr_moco", "660e82ed", "ResNet18", 7),
            ("resnet50_landsat_tm_toa_moco", "ba1ce753", "ResNet50V1.5", 7),
            ("resnet50_landsat_etm_toa_moco", "e9a84d5a", "ResNet50V1.5", 9),
            ("resnet50_landsat_etm_sr_moco", "1266cde3", "ResNet50V1.5", 6),
            ("resnet50_landsat_oli_tirs_toa_moco", "de7f5e0f", "ResNet50V1.5", 11),
            ("resnet50_landsat_oli_sr_moco", "ff580dad", "ResNet50V1.5", 7),
        )
    ),
)

# encoder.py at https://huggingface.co/jstuckner/microscopy-resnet50-micronet (file, mean and std); the
# licence: the cards of that author's repositories; README.md of
# https://github.com/nasa/pretrained-microscopy-models
MICRONET = (
    _hub(
        "MicroNet",
        "jstuckner/microscopy-resnet50-micronet/resnet50_micronet_weights.pth",
        "ResNet50V1.5",
        "materials: 100,000 microscope images of 54 classes",
        _MIT,
        normalization="torch",
        needs_pytorch=True,
    ),
)

CHECKPOINTS = (
    *TIMM,
    *TRANSFORMERS,
    *SELF_SUPERVISED,
    *LUNIT,
    *RADIMAGENET,
    *XRAY,
    *TORCHGEO,
    *MICRONET,
)
