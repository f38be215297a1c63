"""Batches of labelled scenes, composed of the raw material."""

import copy

import torch
from effects import Random, contrast_maps, mix, paste, photograph, plain_grounds
from objects import draw_maps, draw_pictures, draw_shapes, draw_solids, shrink_twice

# how frequent each kind is as the main object, and in images that are as small as digits
SHARES = {
    "glyph": 0.16,
    "doodle": 0.12,
    "fractal": 0.06,
    "texture": 0.06,
    "leaves": 0.08,
    "shader": 0.14,
    "fabric": 0.08,
    "silhouette": 0.16,
    "wireframe": 0.03,
    "solid": 0.11,
}
SMALL_SHARES = {
    "glyph": 0.34,
    "doodle": 0.27,
    "fractal": 0.09,
    "texture": 0.04,
    "leaves": 0.05,
    "shader": 0.05,
    "fabric": 0.03,
    "silhouette": 0.08,
    "wireframe": 0.01,
    "solid": 0.04,
}
_SMALL = 32  # pixels
_BANKS = ("maps", "shapes", "solids", "pictures")
# how often there is a picture on the surface of an object
_SURFACE_SHARES = {"maps": 0.15, "shapes": 0.6, "solids": 0.5}
_GROUND_SHARE = 0.45  # how often there is a picture behind an object
_LABEL_WEIGHTS = (0.65, 0.2, 0.15)  # of the object, of its surface and of the ground


class Scenes:
    """Draws batches of labelled images from raw material.

    Items are the images of all banks of the material, one bank after another.

    Parameters
    ----------
    material : dict of str to ndarray
        As `make_material` returns it.
    device : torch.device
    kinds : collection of str, default=SHARES
        The kinds that are drawn.
    clutter : float, default=0.35
        Share of the images with further objects. Small images have a third of it.
    """

    def __init__(self, material, device, kinds=SHARES, clutter=0.35):
        self.device, self._clutter = device, clutter
        tensors = {name: torch.from_numpy(material[name]).to(device) for name in _BANKS}
        self._maps, self._shapes, self._solids, pictures = (tensors[name] for name in _BANKS)
        self._pictures = shrink_twice(pictures)
        sizes = torch.tensor([len(tensors[name]) for name in _BANKS], device=device)
        self._ends = sizes.cumsum(0)
        self._starts = (self._ends - sizes).tolist()
        self._labels = self._join(material, "labels")
        self._held = self._join(material, "held")
        self._map_kinds = torch.from_numpy(material["maps_kinds"]).to(device)
        class_kinds = material["class_kinds"].tolist()
        self.n_classes = len(class_kinds)
        is_wire = torch.tensor([kind == "wireframe" for kind in class_kinds], device=device)
        self._is_wire = is_wire[self._labels[self._starts[1] : self._starts[2]]]
        self._shares = [
            torch.tensor(
                [(kind in kinds) * each[kind] / class_kinds.count(kind) for kind in class_kinds],
                dtype=torch.double,
                device=device,
            )
            for each in (SHARES, SMALL_SHARES)
        ]
        self._set_chances(~self._held)

    def _join(self, material, name):
        parts = [torch.from_numpy(material[f"{bank}_{name}"]) for bank in _BANKS]
        return torch.cat(parts).to(self.device)

    def _set_chances(self, usable):
        """Make all classes of a kind equally frequent, and all usable items of a class."""
        per_class = torch.bincount(self._labels[usable], minlength=self.n_classes).clamp(min=1)
        self._chances, self._small_chances = (
            (shares / per_class)[self._labels] * usable for shares in self._shares
        )
        is_object = torch.arange(len(usable), device=self.device) < self._starts[3]
        self._object_chances = self._chances * is_object
        self._picture_chances = self._chances * ~is_object

    def held_out(self):
        """Return scenes of the held-out items instead of the others."""
        scenes = copy.copy(self)
        scenes._set_chances(self._held)
        return scenes

    def draw(self, n, size, generator, n_views=1):
        """Draw a batch.

        Parameters
        ----------
        n : int
            Number of instances.
        size : int
            Height and width in pixels.
        generator : torch.Generator
        n_views : int, default=1
            Number of images of each instance. The images are in blocks of n, one block per view.

        Returns
        -------
        images : Tensor of shape (n_views * n, 3, size, size)
            With values from -1 to 1.
        labels : Tensor of shape (n_views * n, 3)
            Of the main object, of its surface, and of the ground or picture.
        weights : Tensor of shape (n_views * n, 3)
            The share of each label. They sum to 1.
        """
        chances = self._small_chances if size <= _SMALL else self._chances
        items = self._pick(chances, n, generator).repeat(n_views)
        is_object = items < self._starts[3]
        images, ground = self._draw_grounds(items, is_object, size, generator)
        self._add_clutter(images, is_object, size, generator)
        surface = torch.full_like(items, -1)
        main = is_object.nonzero()[:, 0]
        if len(main):
            colour, alpha, surface[main] = self._draw_objects(items[main], size, generator)
            is_map = items[main] < self._starts[1]
            colour, behind, is_simple = contrast_maps(colour, images[main], is_map, generator)
            images[main] = paste(behind, colour, alpha, generator, ~is_simple)
            surface[main[is_simple]] = ground[main[is_simple]] = -1
        labels = torch.stack([torch.where(is_object, self._labels[items], -1), surface, ground], 1)
        weights = (labels >= 0) * torch.tensor(_LABEL_WEIGHTS, device=self.device)
        weights = weights / weights.sum(1, keepdim=True)
        return photograph(images, generator), labels.clamp(min=0), weights

    def draw_mixed(self, n, size, generator, share):
        """Draw a batch of which a share is mixed: half by masks of objects, half all over."""
        images, labels, weights = self.draw(n, size, generator)
        masked = self._pick(self._object_chances, round(n * share / 2), generator)
        if not len(masked):
            return images, labels, weights
        masks = self._draw_objects(masked, size, generator)[1]
        return mix(images, labels, weights, masks, generator)

    def _pick(self, chances, n, generator):
        if not n:
            return torch.empty(0, dtype=torch.long, device=self.device)
        return torch.multinomial(chances, n, replacement=True, generator=generator)

    def _draw_grounds(self, items, is_object, size, generator):
        """Draw what is behind objects, or the pictures themselves; return also their labels."""
        n = len(items)
        images = plain_grounds(n, size, generator)
        labels = torch.full_like(items, -1)
        draw = Random(n, generator)
        textured = (~is_object | (draw.column(0, 1) < _GROUND_SHARE)).nonzero()[:, 0]
        if len(textured):
            any_picture = self._pick(self._picture_chances, n, generator)
            pictures = torch.where(is_object, any_picture, items)[textured]
            labels[textured] = self._labels[pictures]
            indices = pictures - self._starts[3]
            sampled = draw_pictures(self._pictures, indices, size, generator)
            fade = torch.where(is_object[:, None, None, None], draw.uniform(0.4, 1), 1.0)
            images[textured] = (
                sampled * fade[textured] + (draw.uniform(0, 1) * (1 - fade))[textured]
            )
        return images, labels

    def _add_clutter(self, images, is_object, size, generator):
        """Paste other objects, one or two, behind some of the main objects."""
        clutter = self._clutter / 3 if size <= _SMALL else self._clutter
        chosen = Random(len(images), generator).column(0, 1) < clutter
        cluttered = (is_object & chosen).nonzero()[:, 0]
        for some in (cluttered, cluttered[: int(0.4 * len(cluttered))]):
            if len(some):
                others = self._pick(self._object_chances, len(some), generator)
                colour, alpha, _ = self._draw_objects(others, size, generator)
                images[some] = paste(images[some], colour, alpha, generator)

    def _draw_objects(self, items, size, generator):
        """Draw objects of the three banks.

        Returns
        -------
        colour : Tensor of shape (n, 3, size, size)
        alpha : Tensor of shape (n, 1, size, size)
        surface : Tensor of shape (n,)
            The label of the picture on the surface; -1 if there is none.
        """
        colour = torch.empty(len(items), 3, size, size, device=self.device)
        alpha = torch.empty(len(items), 1, size, size, device=self.device)
        surface = torch.full_like(items, -1)
        banks = torch.bucketize(items, self._ends, right=True)
        for bank, name in enumerate(_BANKS[:3]):
            some = (banks == bank).nonzero()[:, 0]
            if not len(some):
                continue
            indices = items[some] - self._starts[bank]
            opacity, base, bend, shade = self._draw_bank(name, indices, size, generator)
            ink = base.expand(-1, -1, size, size).clone()
            rough = Random(len(some), generator).some(_SURFACE_SHARES[name])
            if len(rough):
                pictures = self._pick(self._picture_chances, len(rough), generator)
                surface[some[rough]] = self._labels[pictures]
                bend = bend if bend is None else bend[rough]
                indices = pictures - self._starts[3]
                ink[rough] = draw_pictures(self._pictures, indices, size, generator, bend)
            colour[some], alpha[some] = shade(ink), opacity
        return colour, alpha, surface

    def _draw_bank(self, name, indices, size, generator):
        if name == "maps":
            return draw_maps(self._maps[indices], self._map_kinds[indices], size, generator)
        if name == "shapes":
            return draw_shapes(self._shapes[indices], self._is_wire[indices], size, generator)
        return draw_solids(self._solids[indices], size, generator)


def draw_size(generator, chances):
    """Draw an image size by its chances, a dict of size to number."""
    numbers = torch.tensor(list(chances.values()), dtype=torch.float, device=generator.device)
    return list(chances)[int(torch.multinomial(numbers, 1, generator=generator))]
