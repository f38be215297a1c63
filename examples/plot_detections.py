"""
From a detector's boxes to a classifier
=======================================

A detector finds where something is; a classifier on pretrained features says which kind
it is, with few labels. ``read_boxes`` reads the boxes that detectors and annotation
tools write: COCO, YOLO, Pascal VOC and MegaDetector.
"""

# %%
# Images and boxes
# ----------------
# The pictures hold handwritten digits on a texture. The boxes are in a file of COCO's
# format, without classes, as a detector of "objects" writes it.

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import gravel

from sklearn_resnet.datasets import load_digits, read_boxes

SIDE, N_IMAGES, N_DIGITS = 400, 24, 20
digits, y = load_digits(return_X_y=True)
texture = gravel()[:SIDE, :SIDE] // 3
rng = np.random.default_rng(0)

folder = Path(tempfile.mkdtemp())
coco = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "object"}]}
truth = []
for i in range(N_IMAGES):
    picture = texture.copy()
    cells = rng.permutation(36)[:N_DIGITS]
    for cell, k in zip(cells, rng.integers(len(digits), size=N_DIGITS), strict=True):
        side = int(rng.integers(28, 49))
        digit = np.asarray(Image.fromarray(digits[k]).resize((side, side)))
        top, left = np.array([cell // 6, cell % 6]) * 66 + rng.integers(0, 66 - side, 2)
        place = picture[top : top + side, left : left + side]
        np.maximum(place, digit, out=place)
        box = [int(left), int(top), side, side]  # COCO: x, y, width, height
        coco["annotations"].append(
            {"id": len(truth), "image_id": i, "category_id": 1, "bbox": box}
        )
        truth.append(y[k])
    Image.fromarray(picture).save(folder / f"{i:02}.png")
    coco["images"].append(
        {"id": i, "file_name": f"{i:02}.png", "height": SIDE, "width": SIDE}
    )
(folder / "boxes.json").write_text(json.dumps(coco))

boxes = read_boxes(folder / "boxes.json", images=folder)
boxes.drop(columns="path").head()

# %%
# A classifier of regions
# -----------------------
# The table is the ``X`` of a pipeline. Someone has labelled the digits of the first 12
# pictures. Whole pictures are held out, so that no picture is on both sides.

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures

truth = np.array(truth)
is_training = boxes["path"].isin(boxes["path"].unique()[:12]).to_numpy()
classify = make_pipeline(
    ImageLoader(size=32, mode="L", lazy=True),
    ResNetFeatures(85, weights="procedural"),
    StandardScaler(),
    LogisticRegression(C=0.01, max_iter=1000),
)
classify.fit(boxes[is_training], truth[is_training])
score = classify.score(boxes[~is_training], truth[~is_training])
print(f"{is_training.sum()} labelled digits; accuracy on the others: {score:.3f}")

# %%
# Back onto a picture
# -------------------
# A picture that the classifier has not seen, with the class of each box:

from sklearn_resnet import draw_regions

boxes["digit"] = classify.predict(boxes).astype(str)
picture = boxes["path"].unique()[12]
draw_regions(picture, boxes, "digit", title=f"Accuracy {score:.3f}")
