"""
Find near-duplicates
====================

A picture that was cropped, rotated a little, brightened or recompressed has another
checksum and other pixels, but similar features. You choose a similarity threshold on
one half of the pictures, and test it on the other half.
"""

# %%
# Pictures and their copies
# -------------------------
# The pictures are non-overlapping patches of photos, with four altered copies of each.
# Patches with little contrast, such as bare sky, are left out, because they are
# near-duplicates of each other.

import io

import numpy as np
import skimage.data
from PIL import Image, ImageEnhance

SIDE = 96
originals = []
for name in ("astronaut", "camera", "cat", "coffee", "coins", "retina", "rocket"):
    picture = getattr(skimage.data, name)()
    corners = np.ndindex(picture.shape[0] // SIDE, picture.shape[1] // SIDE)
    for i, j in list(corners)[:15]:
        patch = picture[SIDE * i :, SIDE * j :][:SIDE, :SIDE]
        if patch.std() > 30:
            originals.append(Image.fromarray(patch).convert("RGB"))


def recompress(image):
    """Save as a small JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=15)
    return Image.open(file)


ALTER = {
    "unchanged": lambda image: image,
    "cropped": lambda image: image.crop((8, 8, 90, 90)),
    "rotated": lambda image: image.rotate(6, Image.BILINEAR).crop((9, 9, 87, 87)),
    "recompressed": recompress,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
}
images = [np.asarray(alter(image)) for image in originals for alter in ALTER.values()]
which = np.repeat(np.arange(len(originals)), len(ALTER))
print(len(originals), "pictures,", len(images), "files")

# %%
# Similarities
# ------------
# `ImageLoader` accepts images of different sizes, and resizes them to one. Whitening
# gives rare variations the same weight as common ones, which helps the pixels even more
# than the features.

from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.metrics.pairwise import cosine_similarity

from sklearn_resnet import ImageLoader, ResNetFeatures

loaded = ImageLoader(size=64).fit_transform(images)
pixels = loaded[:, ::4, ::4].reshape(len(loaded), -1) / 255
resnet = ResNetFeatures(layers=62, weights="procedural", pooling=["avg", "max"])
features = resnet.fit_transform(loaded)
whiten = PCA(60, whiten=True, random_state=0)
similarities = {
    "pixels": cosine_similarity(pixels - pixels.mean(0)),
    "PCA of the pixels": cosine_similarity(whiten.fit_transform(pixels)),
    "PCA of features": cosine_similarity(whiten.fit_transform(features)),
}

# %%
# A threshold
# -----------
# The threshold maximises F1 on the pairs of the first half. The scores are those of the
# pairs of the other half.

rows, columns = np.triu_indices(len(images), k=1)
is_copy = which[rows] == which[columns]
half = np.random.default_rng(0).permutation(len(originals)) % 2
learn = (half[which[rows]] == 0) & (half[which[columns]] == 0)
test = (half[which[rows]] == 1) & (half[which[columns]] == 1)
curves = {}
for name, similarity in similarities.items():
    pairs = similarity[rows, columns]
    precision, recall, thresholds = precision_recall_curve(is_copy[learn], pairs[learn])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    threshold = thresholds[f1[:-1].argmax()]
    found = pairs[test] >= threshold
    right = (found & is_copy[test]).sum()
    point = right / is_copy[test].sum(), right / found.sum()
    curves[name] = precision_recall_curve(is_copy[test], pairs[test]), point
    print(f"{name:17}  similarity >= {threshold:.2f}: ", end="")
    print(f"recall {point[0]:.2f}, precision {point[1]:.2f}; ", end="")
    print(
        f"average precision {average_precision_score(is_copy[test], pairs[test]):.3f}"
    )

# %%
# Precision and recall
# --------------------
# The dots mark the chosen thresholds. The pairs on the right are copies with the lowest
# similarity.

import matplotlib.pyplot as plt

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for name, ((precision, recall, _), point) in curves.items():
    (line,) = left.plot(recall, precision, label=name)
    left.plot(*point, "o", color=line.get_color())
left.set(xlabel="recall", ylabel="precision", title="Pairs of files of the test half")
left.legend(loc="lower left")
pairs = np.where(is_copy & test, similarities["PCA of features"][rows, columns], np.inf)
hardest = np.argsort(pairs)[:5]
pictures = [np.hstack(list(loaded[files[hardest]])) for files in (rows, columns)]
right.imshow(np.vstack(pictures))
right.set_axis_off()
right.set_title("The least similar copies")
