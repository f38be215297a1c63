"""
Images and tabular columns
==========================

To predict the weight of a tile, you need its material, which a photo shows, and its
size, which is in a table. `ColumnTransformer` combines the image features with the
other columns.
"""

# %%
# The table
# ---------
# The data are simulated: 400 tiles of five materials. Their photos are patches of
# pictures from scikit-image. The weight of a tile is its volume times the density of
# its material, with a random error of about a tenth. The photos of the hundred test
# tiles come from other parts of the pictures.

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import skimage.data
from PIL import Image

from sklearn_resnet.datasets import sample_patches

# in g/cm3
DENSITIES = {"brick": 1.8, "cell": 0.4, "coins": 7.5, "grass": 0.9, "gravel": 2.6}
rng = np.random.default_rng(0)
folder = Path(tempfile.mkdtemp())
rows = []
for material, density in DENSITIES.items():
    picture = getattr(skimage.data, material)()
    left, right = np.array_split(picture, [3 * picture.shape[1] // 4], axis=1)
    patches = [*sample_patches(left, 60, 64, 0), *sample_patches(right, 20, 64, 0)]
    for i, patch in enumerate(patches):
        path = folder / f"{material}-{i}.png"
        Image.fromarray(patch).save(path)
        width, height, thickness = rng.uniform((5, 5, 0.5), (40, 40, 4)).round(1)  # cm
        weight = width * height * thickness * density * rng.normal(1, 0.1)
        rows.append((str(path), width, height, thickness, weight, i >= 60))
columns = ["photo", "width", "height", "thickness", "weight", "is_test"]
tiles = pd.DataFrame(rows, columns=columns)
shown = tiles.drop(columns="photo").sample(5, random_state=0).round(1)
print(shown.to_string(index=False))

# %%
# A model of both
# ---------------
# The weight is a product of its factors, so the model uses logarithms.

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures

resnet = ResNetFeatures(layers="conv3", weights="procedural")
photo = make_pipeline(ImageLoader(size=64), resnet, StandardScaler())
thumbnail = make_pipeline(
    ImageLoader(size=16, mode="L"),
    FunctionTransformer(lambda images: images.reshape(len(images), -1)),
    StandardScaler(),
)
measures = make_pipeline(FunctionTransformer(np.log), StandardScaler())
table = ("table", measures, ["width", "height", "thickness"])
models = {
    "table": [table],
    "features of the photo": [("photo", photo, "photo")],
    "table and pixels": [("photo", thumbnail, "photo"), table],
    "table and features": [("photo", photo, "photo"), table],
}
train, test = tiles[~tiles["is_test"]], tiles[tiles["is_test"]]
predicted = {}
for name, parts in models.items():
    ridge = make_pipeline(ColumnTransformer(parts), RidgeCV(np.logspace(-2, 4, 13)))
    model = TransformedTargetRegressor(ridge, func=np.log, inverse_func=np.exp)
    predicted[name] = model.fit(train, train["weight"]).predict(test)
    error = np.median(np.abs(predicted[name] / test["weight"] - 1))
    print(f"{name:22}  median error {error:.0%}")

# %%
# Predictions
# -----------
# The photos improve the predictions.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained", sharey=True)
material = [Path(path).stem.split("-")[0] for path in test["photo"]]
for ax, name in zip(axes, ["table", "table and features"], strict=True):
    for kind in DENSITIES:
        rows = np.equal(material, kind)
        ax.scatter(test["weight"][rows], predicted[name][rows], s=14, label=kind)
    ax.axline((100, 100), (1000, 1000), color="0.6", zorder=0)
    ax.set(xscale="log", yscale="log", title=name, xlabel="weight (g)", aspect="equal")
axes[0].set_ylabel("predicted weight (g)")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
