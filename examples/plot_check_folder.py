"""
Clean a folder of photos
========================

Collected photos contain copies, broken files, wrong labels and poor images.
`check_images` names them in one table. Here the faults are planted, so that you can see
how many are found, and what each step of cleaning removes.
"""

# %%
# A folder with faults
# --------------------
# The photos are patches of four materials in class folders. Some are saved again as
# altered copies, some are in the folder of another class, and a few are dark, blurred or
# broken.

import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageEnhance, ImageFilter

from sklearn_resnet.datasets import load_image_folder

SIDE = 85
folder, photos = Path(tempfile.mkdtemp()), {}
for name in ("brick", "coffee", "grass", "gravel"):
    (folder / name).mkdir()
    picture = getattr(skimage.data, name)()
    for i, j in np.ndindex(4, 6):
        patch = picture[SIDE * i :, SIDE * j :][:SIDE, :SIDE]
        photos[f"{name}/{i}{j}"] = Image.fromarray(patch).convert("RGB")

wrong = {"brick/11": "grass", "coffee/30": "gravel", "gravel/02": "brick"}
for key, photo in photos.items():
    label, number = key.split("/")
    photo.save(folder / wrong.get(key, label) / f"{label}-{number}.png")

photos["brick/00"].save(folder / "brick" / "copy-jpeg.jpg", quality=50)
photos["coffee/10"].resize((42, 42)).save(folder / "coffee" / "copy-small.png")
photos["grass/22"].crop((2, 3, 82, 83)).save(folder / "grass" / "copy-crop.png")
photos["gravel/31"].save(folder / "grass" / "copy-other-class.png")
dark = ImageEnhance.Brightness(photos["grass/05"]).enhance(0.2)
dark.save(folder / "grass" / "dark.png")
blurred = photos["gravel/13"].filter(ImageFilter.GaussianBlur(4))
blurred.save(folder / "gravel" / "blurred.png")
(folder / "brick" / "broken.jpg").write_bytes(b"not a photo")

paths, y = load_image_folder(folder, return_X_y=True)
print(len(paths), "files in", len(set(y)), "classes")

# %%
# One table
# ---------
# Pass the pipeline that you use anyway, so that its features come from the cache. The
# command line writes the same table, and a page to look at: `embedding check photos/`.

from sklearn.pipeline import make_pipeline

from sklearn_resnet import ImageLoader, ResNetFeatures, check_images

pipe = make_pipeline(
    ImageLoader(size=64), ResNetFeatures(layers="conv3", weights="procedural")
)
table = check_images(paths, y, estimator=pipe)
table["name"] = [str(Path(path).relative_to(folder)) for path in paths]
copies = table.attrs["copies"]
print(f"copies are at most {copies['threshold']:.3f} apart; the threshold finds")
for alteration, recall in copies["recall"].items():
    print(f"  {100 * recall:3.0f} % of those altered by {alteration}")

# %%
# Broken and poor files
# ---------------------
# Sharpness is compared with that of the other images. So the smooth coffee is flagged
# beside the photo that is blurred: look before you remove a file.

flags = ["dark", "bright", "low_contrast", "blurry", "odd_size", "odd_aspect", "blank"]
for row in table[table["unreadable"]].itertuples():
    print(f"{row.name}: unreadable")
poor = table[flags].fillna(False).astype(bool)
for i in np.flatnonzero(poor.any(axis=1)):
    print(f"{table['name'][i]}: {', '.join(poor.columns[poor.loc[i]])}")
is_bad = table["unreadable"] | poor["dark"] | (table["name"] == "gravel/blurred.png")
steps = {"all files": len(table), "good files": (~is_bad).sum()}

# %%
# Copies
# ------
# `duplicate_group` is equal for copies. A leak is a copy in another split, or in another
# class, where at least one label is wrong.

import matplotlib.pyplot as plt

groups = table[table["n_copies"] > 0].groupby("duplicate_group")
figure, axes = plt.subplots(
    2, groups.ngroups, figsize=(1.9 * groups.ngroups, 4.4), layout="constrained"
)
for column, (_, members) in zip(axes.T, groups, strict=True):
    for ax, row in zip(column, members.itertuples(), strict=False):
        ax.imshow(Image.open(row.path))
        ax.set(xticks=[], yticks=[])
        ax.set_title(row.name, fontsize=8, color="#D55E00" if row.leak else "black")
figure.suptitle("Groups of copies; leaks in orange", fontsize=11)

clean = table[~is_bad].drop_duplicates("duplicate_group")
steps["one of each group"] = len(clean)

# %%
# Labels
# ------
# Each label is compared with the predictions of a model that was not trained on it. The
# least probable labels come first.

suspects = clean[clean["suspect_label"].fillna(False).astype(bool)]
suspects = suspects.sort_values("label_score")
figure, axes = plt.subplots(
    1, len(suspects), figsize=(10, 2.9), layout="constrained", squeeze=False
)
for ax, row in zip(axes.flat, suspects.itertuples(), strict=True):
    ax.imshow(Image.open(row.path))
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"{row.name}\nmaybe {row.suggested_label}", fontsize=8)
figure.suptitle("Labels to look at first", fontsize=11)

# %%
# The clean folder
# ----------------
# Accept the suggestions that you agree with. Here, all suggestions are taken, and the
# names of the files tell how many labels are right.

labels = y[clean.index].astype(object)
truth = np.array([Path(path).name.partition("-")[0] for path in clean["path"]])
known = np.isin(truth, list(set(y)))
print("right labels before:", (labels == truth)[known].sum(), "of", known.sum())
is_suspect = clean["suspect_label"].fillna(False).to_numpy(bool)
labels[is_suspect] = clean["suggested_label"].to_numpy()[is_suspect]
print("right labels after: ", (labels == truth)[known].sum(), "of", known.sum())
for step, n_files in steps.items():
    print(f"{step:20} {n_files}")
