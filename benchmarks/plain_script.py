"""The baseline script of the benchmarks: images to features with plain Keras.

plain_script.py SOURCE OUTPUT WEIGHTS LAYER [SIZE [lean]]
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
source, output, weights, layer, size, lean = (*sys.argv[1:], "0", "")[:6]

import keras  # noqa: E402
import numpy as np  # noqa: E402

if lean != "lean":  # imports of a script that also draws a map
    import seaborn  # noqa: F401
    import skimage.io  # noqa: F401
    import sklearn.decomposition  # noqa: F401
    import umap  # noqa: F401

if source.endswith(".npy"):
    images = np.load(source)
else:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(Image.open(source)).convert("RGB")
    images = np.asarray(ImageOps.fit(image, (int(size), int(size)), Image.Resampling.BILINEAR))[
        None
    ]
x = images if images.ndim == 4 else np.repeat(images[..., np.newaxis], 3, axis=-1)
base = keras.applications.ResNet50V2(include_top=False, weights=None)
last = base.get_layer("conv4_block6_out").output  # the file's weights end here
keras.Model(base.input, last).load_weights(weights)
model = keras.Model(base.input, base.layers[int(layer)].output)
x = keras.applications.resnet_v2.preprocess_input(x.astype(np.float32))
np.save(output, model.predict(x, verbose=0).mean((1, 2)))
