"""Batches of labelled scenes, composed of the raw material."""

import copy

import numpy as np
import torch
from effects import Random, contrast_maps, crop, mix, paste, photograph, plain_grounds
from objects import draw_maps, draw_pictures, draw_shapes, draw_solids, shrink_twice

# how frequent each kind is as the main object, and in images that are as small as digits
SHARES = {
    "glyph": 0.13,
    "doodle": 0.09,
    "fractal": 0.06,
    "texture": 0.06,
    "leaves": 0.08,
    "shader": 0.14,
    "fabric": 0.08,
    "land": 0.06,
    "silhouette": 0.16,
    "wireframe": 0.03,
    "solid": 0.11,
}
SMALL_SHARES = {
    "glyph": 0.33,
    "doodle": 0.26,
    "fractal": 0.09,
    "texture": 0.04,
    "leaves": 0.05,
    "shader": 0.05,
    "fabric": 0.03,
    "land": 0.02,
    "silhouette": 0.08,
    "wireframe": 0.01,
    "solid": 0.04,
}
SMALL = 32  # pixels
_BANKS = ("maps", "shapes", "solids", "pictures")
# how often there is a picture on the surface of an object
_SURFACE_SHARES = {"maps": 0.15, "shapes": 0.6, "solids": 0.5}
_GROUND_SHARE = 0.45  # how often there is a picture behind an object
_LABEL_WEIGHTS = np.array(
    [0.65, 0.2, 0.15], np.float32
)  # of the object, of its surface and of the ground


class Scenes:
    """Draws batches of labelled images from raw material.

    Items are the images of all banks of the material, one bank after another. Items and images are
    chosen on the CPU, so that a GPU is never waited for.

    Parameters
    ----------
    material : dict of str to ndarray
        As `load_material` returns it.
    device : torch.device
    kinds : collection of str, default=SHARES
        The kinds that are drawn.
    clutter : float, default=0.35
        Share of the images with further objects. Small images have a third of it.
    """

    def __init__(self, material, device, kinds=SHARES, clutter=0.35):
        self._clutter = clutter
        self._banks = {name: torch.from_numpy(material[name]).to(device) for name in _BANKS}
        self._banks["pictures"] = shrink_twice(self._banks["pictures"])
        self._ends = np.cumsum([len(material[name]) for name in _BANKS])
        self._starts = [0, *self._ends.tolist()][:-1]
        self._labels, self._held = (
            np.concatenate([material[f"{bank}_{name}"] for bank in _BANKS])
            for name in ("labels", "held")
        )
        self._map_kinds = np.array(material["maps_kinds"])
        class_kinds = material["class_kinds"].tolist()
        self.n_classes = len(class_kinds)
        is_wire = np.array([kind == "wireframe" for kind in class_kinds])
        self._is_wire = is_wire[material["shapes_labels"]]
        self._shares = [
            np.array(
                [(kind in kinds) * each[kind] / class_kinds.count(kind) for kind in class_kinds]
            )
            for each in (SHARES, SMALL_SHARES)
        ]
        self._set_chances(~self._held)

    def _set_chances(self, usable):
        """Make all classes of a kind equally frequent, and all usable items of a class."""
        per_class = np.bincount(self._labels[usable], minlength=self.n_classes).clip(min=1)
        chances, small = ((shares / per_class)[self._labels] * usable for shares in self._shares)
        is_object = np.arange(len(usable)) < self._starts[3]
        # cumulative sums
        self._all, self._all_small = chances.cumsum(), small.cumsum()
        self._objects, self._pictures = (
            (chances * some).cumsum() for some in (is_object, ~is_object)
        )

    def held_out(self):
        """Return scenes of the held-out items instead of the others."""
        scenes = copy.copy(self)
        scenes._set_chances(self._held)
        return scenes

    def draw(self, n, size, source):
        """Draw a batch.

        Parameters
        ----------
        n : int
            Number of images.
        size : int
            Height and width in pixels.
        source : Source

        Returns
        -------
        images : Tensor of shape (n, 3, size, size)
            With values from -1 to 1.
        labels : Tensor of shape (n, 3)
            Of the main object, of its surface, and of the ground or picture.
        weights : Tensor of shape (n, 3)
            The share of each label. They sum to 1.
        """
        images, labels, weights = self._compose(n, size, size <= SMALL, source)
        return photograph(images, source), labels, weights

    def draw_views(self, n, size, source):
        """Draw two photographs, of different crops, of each of n scenes.

        Returns
        -------
        images : Tensor of shape (2 * n, 3, size, size)
            The first views, then the second.
        labels, weights : Tensor of shape (2 * n, 3)
        """
        scenes, labels, weights = self._compose(n, round(1.5 * size), size <= SMALL, source)
        views = [photograph(crop(scenes, size, source), source) for _ in range(2)]
        return torch.cat(views), labels.repeat(2, 1), weights.repeat(2, 1)

    def draw_mixed(self, n, size, source, share):
        """Draw a batch of which a share is mixed: half by masks of objects, half all over."""
        images, labels, weights = self.draw(n, size, source)
        masked = self._pick(self._objects, round(n * share / 2), source)
        if not len(masked):
            return images, labels, weights
        masks = self._draw_objects(masked, size, source)[1]
        return mix(images, labels, weights, masks, source)

    def _compose(self, n, size, is_small, source):
        items = self._pick(self._all_small if is_small else self._all, n, source)
        is_object = items < self._starts[3]
        images, ground = self._draw_grounds(items, is_object, size, source)
        self._add_clutter(
            images, is_object, self._clutter / 3 if is_small else self._clutter, source
        )
        surface = np.full(n, -1)
        main = np.flatnonzero(is_object)
        if len(main):
            colour, alpha, surface[main] = self._draw_objects(items[main], size, source)
            is_map = items[main] < self._ends[0]
            at = source.to_device(main)
            colour, behind, is_simple = contrast_maps(colour, images[at], is_map, source)
            images[at] = paste(behind, colour, alpha, source, ~is_simple)
            surface[main[is_simple]] = ground[main[is_simple]] = -1
        labels = np.stack([np.where(is_object, self._labels[items], -1), surface, ground], 1)
        weights = (labels >= 0) * _LABEL_WEIGHTS
        weights = weights / weights.sum(1, keepdims=True)
        return images, source.to_device(labels.clip(min=0)), source.to_device(weights)

    def _pick(self, sums, n, source):
        """Pick n items by the cumulative sums of their chances."""
        return np.searchsorted(sums, source.choices.random(n) * sums[-1], side="right")

    def _draw_grounds(self, items, is_object, size, source):
        """Draw what is behind objects, or the pictures themselves; return also their labels."""
        n = len(items)
        images, labels = plain_grounds(n, size, source), np.full(n, -1)
        draw = Random(n, source)
        textured = np.flatnonzero(~is_object | (source.choices.random(n) < _GROUND_SHARE))
        if len(textured):
            any_picture = self._pick(self._pictures, n, source)
            pictures = np.where(is_object, any_picture, items)[textured]
            labels[textured] = self._labels[pictures]
            sampled = self._draw_pictures(pictures, size, source)
            fades = source.to_device(is_object)[:, None, None, None]
            fade, at = torch.where(fades, draw.uniform(0.4, 1), 1.0), source.to_device(textured)
            images[at] = sampled * fade[at] + (draw.uniform(0, 1) * (1 - fade))[at]
        return images, labels

    def _add_clutter(self, images, is_object, share, source):
        """Paste other objects, one or two, behind some of the main objects."""
        cluttered = np.flatnonzero(is_object & (source.choices.random(len(images)) < share))
        for some in (cluttered, cluttered[: int(0.4 * len(cluttered))]):
            if len(some):
                others = self._pick(self._objects, len(some), source)
                colour, alpha, _ = self._draw_objects(others, images.shape[-1], source)
                at = source.to_device(some)
                images[at] = paste(images[at], colour, alpha, source)

    def _draw_objects(self, items, size, source):
        """Draw objects of the three banks.

        Returns
        -------
        colour : Tensor of shape (n, 3, size, size)
        alpha : Tensor of shape (n, 1, size, size)
        surface : ndarray of shape (n,)
            The label of the picture on the surface; -1 if there is none.
        """
        colour = torch.empty(len(items), 3, size, size, device=source.device)
        alpha = torch.empty(len(items), 1, size, size, device=source.device)
        surface = np.full(len(items), -1)
        banks = np.searchsorted(self._ends, items, side="right")
        for bank, name in enumerate(_BANKS[:3]):
            some = np.flatnonzero(banks == bank)
            if not len(some):
                continue
            indices = items[some] - self._starts[bank]
            opacity, base, bend, shade = self._draw_bank(name, indices, size, source)
            ink = base.expand(-1, -1, size, size).clone()
            rough = Random(len(some), source).some(_SURFACE_SHARES[name])
            if len(rough):
                pictures = self._pick(self._pictures, len(rough), source)
                surface[some[rough]] = self._labels[pictures]
                at = source.to_device(rough)
                bend = bend if bend is None else bend[at]
                ink[at] = self._draw_pictures(pictures, size, source, bend)
            at = source.to_device(some)
            colour[at], alpha[at] = shade(ink), opacity
        return colour, alpha, surface

    def _draw_pictures(self, items, size, source, bend=None):
        indices = source.to_device(items - self._starts[3])
        return draw_pictures(self._banks["pictures"], indices, size, source, bend)

    def _draw_bank(self, name, indices, size, source):
        at = source.to_device(indices)
        images = self._banks[name][at]
        if name == "maps":
            kinds = source.to_device(self._map_kinds[indices])
            return draw_maps(images, kinds, size, source)
        if name == "shapes":
            is_wire = source.to_device(self._is_wire[indices])
            return draw_shapes(images, is_wire, size, source)
        return draw_solids(images, size, source)
