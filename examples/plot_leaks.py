"""
What a leak does to a score
===========================

If a photo and its copy are in the training set and in the test set, a model only has to
remember it. Here the labels are drawn by lot, so no model can be better than chance.
Cross-validation says otherwise, until it knows the copies.
"""

# %%
# Photos with labels drawn by lot
# -------------------------------
# Each photo is a patch of a picture. Half of them have an altered copy, as in a
# collection that several people gathered: recompressed, smaller, cropped or brighter.

import io

import numpy as np
import skimage.data
from PIL import Image, ImageEnhance

SIDE, rng = 96, np.random.default_rng(0)
originals = []
for name in ("astronaut", "brick", "camera", "coffee", "grass", "gravel", "rocket"):
    picture = np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
    corners = np.ndindex(picture.shape[0] // SIDE, picture.shape[1] // SIDE)
    patches = [picture[SIDE * i :, SIDE * j :][:SIDE, :SIDE] for i, j in corners]
    originals += [Image.fromarray(patch) for patch in patches if patch.std() > 25]


def recompress(image):
    """Save as a small JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


ALTER = [
    recompress,
    lambda image: image.resize((48, 48)),
    lambda image: image.crop((2, 3, 92, 93)),
    lambda image: ImageEnhance.Brightness(image).enhance(1.2),
]
copied = rng.permutation(len(originals))[: len(originals) // 2]
copies = [ALTER[i % len(ALTER)](originals[i]) for i in copied]
images = [np.asarray(image) for image in originals + copies]
which = np.append(np.arange(len(originals)), copied)
# twenty draws; a copy has the label of its original
draws = [rng.integers(0, 2, len(originals))[which] for _ in range(20)]
print(len(originals), "photos and", len(copies), "copies")

# %%
# The leak
# --------
# `check_images` finds the copies in a random split, without a threshold to choose.

from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ResNetFeatures, check_images

pipe = make_pipeline(
    ImageLoader(size=64), ResNetFeatures(layers="conv3", weights="procedural")
)
features = pipe.fit_transform(images)
split = np.where(rng.permutation(len(images)) % 5 == 0, "test", "train")
table = check_images(images, split=split, features=features)
groups = table["duplicate_group"].to_numpy()
found = groups[len(originals) :] == groups[copied]
print(f"{found.sum()} of {len(copies)} copies are found")
print(f"{table['leak'][split == 'test'].sum()} of {(split == 'test').sum()}", end=" ")
print("test images have a copy in the training set")

# %%
# Cross-validation
# ----------------
# `KFold` puts copies into different folds. `GroupKFold` keeps the images of a group in
# one fold, and takes the column `duplicate_group` as it is.

from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

model = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
schemes = {
    "KFold": KFold(5, shuffle=True, random_state=0),
    "GroupKFold": GroupKFold(5, shuffle=True, random_state=0),
}
shares, scores = np.linspace(0, 0.5, 6), {name: [] for name in schemes}
for share in shares:
    n_copies = round(share * len(originals))
    used = np.arange(len(originals) + n_copies)
    for name, scheme in schemes.items():
        chosen = {"groups": groups[used]} if name == "GroupKFold" else {}
        runs = [
            cross_val_score(model, features[used], y[used], cv=scheme, **chosen).mean()
            for y in draws
        ]
        scores[name].append(np.mean(runs))
for name, row in scores.items():
    print(f"{name:10}", " ".join(f"{score:.2f}" for score in row))

# %%
# The score by the share of copies
# --------------------------------
# The more photos have a copy, the more `KFold` overstates the accuracy.

import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 3.8), layout="constrained", width_ratios=[3, 2]
)
for name, color in zip(schemes, ("#D55E00", "#0072B2"), strict=True):
    left.plot(100 * shares, scores[name], "o-", color=color, label=name)
left.axhline(0.5, color="0.5", linestyle="--", label="chance, the true accuracy")
left.set(xlabel="photos with a copy (%)", ylabel="accuracy", ylim=(0.3, 1))
left.set_title("Labels drawn by lot", fontsize=11)
left.legend()
pairs = [(copied[i], len(originals) + i) for i in range(4)]
rows = [np.hstack([Image.fromarray(images[i]).resize((SIDE, SIDE)) for i in row])
        for row in zip(*pairs, strict=True)]  # fmt: skip
right.imshow(np.vstack(rows))
right.set_axis_off()
right.set_title("Photos, and their copies below", fontsize=11)
