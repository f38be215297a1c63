"""
The most confident errors
=========================

After the accuracy of a classifier, look at its errors. The confusion matrix counts them.
`show_images` shows the ones that the classifier was surest of: hard images, and often
wrong labels.
"""

# %%
# Predictions
# -----------
# Cross-validation predicts each digit by a classifier that has not seen it. The features
# need no training, so they are computed once.

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ResNetFeatures, show_images
from sklearn_resnet.datasets import load_digits

X, y = load_digits(return_X_y=True)
resnet = ResNetFeatures(layers=85, weights="procedural", image_size=32)
features = resnet.fit_transform(X)
classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
probabilities = cross_val_predict(classifier, features, y, method="predict_proba")
predicted = probabilities.argmax(axis=1)  # the classes are 0 to 9
errors = np.flatnonzero(predicted != y)
print(f"{len(errors)} of {len(y)} digits are misclassified")

# %%
# The confusion matrix
# --------------------
# A row is the digit on the label, a column the digit that was predicted.

from sklearn.metrics import ConfusionMatrixDisplay

ConfusionMatrixDisplay.from_predictions(y, predicted, colorbar=False)

# %%
# The ten most confident errors
# -----------------------------
# Many of these digits are hard to read for a person, too.

confidence = probabilities[errors].max(axis=1)
worst = errors[np.argsort(-confidence)[:10]]
captions = [
    f"{y[i]}, predicted {predicted[i]}\nprobability {probabilities[i].max():.2f}"
    for i in worst
]
show_images(X[worst], captions, title="The most confident errors")

# %%
# Pairs of digits
# ---------------
# The confusion matrix shows which digits are confused most often. These are all images
# of the most frequent pair, with their rows. The rows are near each other: the digits are
# in the order of their writers, so one person may have written all of these.

from sklearn.metrics import confusion_matrix

counts = confusion_matrix(y, predicted)
np.fill_diagonal(counts, 0)
label, wrong = np.unravel_index(counts.argmax(), counts.shape)
rows = np.flatnonzero((y == label) & (predicted == wrong))
show_images(X[rows], rows, title=f"Labelled {label}, predicted {wrong}")
