"""The objective, the schedule, checkpoints, averaged weights, and the export."""

import copy
import csv
import json
import math
import os
import time
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from network import DEPTHS, WIDTH, Network
from pictures import make_material
from scenes import SHARES, Scenes, draw_size
from torch import nn

# number of images of a batch, by their size: about equally long steps
BATCH_SIZES = {28: 160, 32: 160, 48: 128, 64: 96, 96: 48, 128: 28, 160: 20, 224: 12}
# chances of sizes: while the rate is constant, and while it decays
SIZES = {28: 0.12, 32: 0.14, 48: 0.16, 64: 0.22, 96: 0.16, 128: 0.1, 160: 0.05, 224: 0.05}
LAST_SIZES = {28: 0.12, 32: 0.1, 48: 0.12, 64: 0.17, 96: 0.17, 128: 0.12, 160: 0.1, 224: 0.1}
WARM_UP = 200  # steps
OLD_KINDS = ("glyph", "doodle", "fractal", "texture", "leaves")


class Settings(NamedTuple):
    """The settings of a run.

    `steps` and `minutes` end a run, whichever comes first; a run that is started again goes on.
    `contrast` is the share of the steps that also match two views of each instance (NT-Xent, Chen
    et al. 2020). In the first `heads_first` steps only the heads learn. `mixed` is the share of the images that are mixed with others. `depths` weighs
    the classifiers upon layers 51 and 73. `frozen_norm` keeps the statistics of batch
    normalisation. `kinds` is "all" or "old" (glyphs, doodles, fractals, textures, dead leaves).
    `share_cores` leaves busy cores to other processes.
    """

    steps: int = 1_000_000
    minutes: float = 1e9
    rate: float = 1e-3
    heads_first: int = 0
    contrast: float = 0.0
    mixed: float = 0.15
    depths: float = 0.3
    frozen_norm: bool = False
    kinds: str = "all"
    average: float = 0.999
    save_minutes: float = 3.0
    share_cores: bool = False
    seed: int = 0


class Heads(nn.Module):
    """Classifiers and a projection on top of the features, used in training only."""

    def __init__(self, n_classes):
        super().__init__()
        self.classify = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, n_classes))
        lesser = [d for d in DEPTHS.values() if d != 85]
        self.lesser = nn.ModuleDict(
            {
                str(d): nn.Sequential(
                    nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 128), nn.Linear(128, n_classes)
                )
                for d in lesser
            }
        )
        self.project = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 128)
        )

    def loss(self, features, labels, weights, share_of_lesser):
        """Return the cross-entropy of weighted labels, (n, k), at all depths."""
        loss = _cross_entropy(self.classify(features[85]), labels, weights)
        if share_of_lesser:
            for depth, head in self.lesser.items():
                lesser = _cross_entropy(head(features[int(depth)]), labels, weights)
                loss = loss + share_of_lesser * lesser
        return loss

    def contrast(self, features):
        """Return NT-Xent of two blocks of views."""
        views = F.normalize(self.project(features))
        similarities = views @ views.T / 0.2
        similarities = similarities.fill_diagonal_(float("-inf"))
        n = len(views)
        partner = torch.arange(n, device=views.device).roll(n // 2)
        return F.cross_entropy(similarities, partner)


def _cross_entropy(logits, labels, weights, smoothing=0.1):
    chances = F.log_softmax(logits, 1)
    hit = (chances.gather(1, labels) * weights).sum(1).mean()
    return -(1 - smoothing) * hit - smoothing * chances.mean()


def load_material(folder, seed):
    """Map the raw material into memory; generate it first if it is missing."""
    if not folder.exists():
        part = folder.with_suffix(".part")
        part.mkdir(exist_ok=True)
        for name, array in make_material(seed).items():
            np.save(part / f"{name}.npy", array)
        part.rename(folder)
    return {path.stem: np.load(path, mmap_mode="c") for path in folder.glob("*.npy")}


class Run:
    """What a run trains, and its checkpoints."""

    def __init__(self, n_classes, settings, device, start):
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.longest_average = settings.average
        self.network = Network()
        if start is not None:
            with np.load(start) as arrays:
                self.network.load_keras_arrays(arrays)
        self.network.to(device, memory_format=torch.channels_last)
        self.heads = Heads(n_classes).to(device)
        self.ema_network = copy.deepcopy(self.network).eval()
        self.ema_heads = copy.deepcopy(self.heads).eval()
        self.parameters = [*self.network.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": 0.05},
                {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0},
            ]
        )
        self.generator = torch.Generator(device).manual_seed(settings.seed)
        self.step, self.n_images, self.seconds = 0, 0, 0.0

    _parts = ("network", "heads", "ema_network", "ema_heads", "optimizer")

    def save(self, path):
        """Write a checkpoint."""
        state = {name: getattr(self, name).state_dict() for name in self._parts}
        state |= {"generator": self.generator.get_state(), "step": self.step}
        state |= {"n_images": self.n_images, "seconds": self.seconds}
        torch.save(state, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def restore(self, path):
        """Load a checkpoint."""
        saved = torch.load(path, map_location=self.device, weights_only=True)
        for name in self._parts:
            getattr(self, name).load_state_dict(saved[name])
        self.generator.set_state(saved["generator"].cpu())
        self.step, self.n_images, self.seconds = (
            saved[name] for name in ("step", "n_images", "seconds")
        )

    def take_step(self, scenes, rate, sizes):
        """Train on one batch; return the loss."""
        settings, generator = self.settings, self.generator
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        size = draw_size(generator, sizes)
        n = BATCH_SIZES[size]
        is_contrast = self._chance(settings.contrast)
        if is_contrast:
            images, labels, weights = scenes.draw(n // 2, size, generator, n_views=2)
        else:
            images, labels, weights = scenes.draw_mixed(n, size, generator, settings.mixed)
        learns = self.step >= settings.heads_first
        self.network.train(learns and not settings.frozen_norm)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            with torch.set_grad_enabled(learns):
                maps = self.network.forward_depths(
                    images.contiguous(memory_format=torch.channels_last)
                )
                features = {depth: m.mean((2, 3)) for depth, m in maps.items()}
            loss = self.heads.loss(features, labels, weights, settings.depths)
        total = loss
        if is_contrast:
            total = loss + self.heads.contrast(features[85].float())
        self.optimizer.zero_grad()
        (total * math.sqrt(n / 96)).backward()  # fewer images, a noisier gradient
        nn.utils.clip_grad_norm_(self.parameters, 5)
        self.optimizer.step()
        self.step += 1
        self.n_images += n
        self._average()
        return loss.item()

    def _chance(self, share):
        drawn = torch.rand(1, generator=self.generator, device=self.device)
        return bool(drawn < share)

    @torch.no_grad()
    def _average(self):
        """Move the averages of all weights and statistics towards their present values."""
        part = 1 - min(self.longest_average, (1 + self.step) / (10 + self.step))
        pairs = ((self.ema_network, self.network), (self.ema_heads, self.heads))
        for average, present in pairs:
            old, new = average.state_dict().values(), present.state_dict().values()
            floats = [(o, p) for o, p in zip(old, new, strict=True) if o.is_floating_point()]
            torch._foreach_lerp_([o for o, _ in floats], [p for _, p in floats], part)

    @torch.no_grad()
    def probe(self, held, n_batches=6, size=64):
        """Return the accuracy of the averaged classifier on held-out instances."""
        generator = torch.Generator(self.device).manual_seed(0)
        hits = []
        for _ in range(n_batches):
            images, labels, _ = held.draw(BATCH_SIZES[size], size, generator)
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                features = self.ema_network(images.contiguous(memory_format=torch.channels_last))
            found = self.ema_heads.classify(features.float()).argmax(1, keepdim=True)
            hits.append((found == labels).any(1).float().mean().item())
        return float(np.mean(hits))


@torch.no_grad()
def recompute_normalization(network, scenes, generator, n_batches, sizes):
    """Recompute the statistics of batch normalisation with the final weights."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    network.train()
    for _ in range(n_batches):
        size = draw_size(generator, sizes)
        network(scenes.draw(BATCH_SIZES[size], size, generator)[0])
    network.eval()


def train(out, settings, start=None, finish=None):
    """Train, resuming from a checkpoint if it exists.

    The rate is constant after a warm-up, so that a run can go on at any time. To finish, the rate
    decays to zero, starting from the last checkpoint, which stays as it is; then the averaged
    weights are written.

    Parameters
    ----------
    out : Path
        Folder for the raw material, checkpoints, log and weights.
    settings : Settings
    start : Path, default=None
        Weights to begin from. None begins from random weights.
    finish : int, default=None
        Number of steps in which the rate decays. 0 writes the averaged weights as they are; None
        writes none.

    Returns
    -------
    dict
        The record of the run.
    """
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kinds = SHARES if settings.kinds == "all" else OLD_KINDS
    scenes = Scenes(load_material(out / "material", seed=0), device, kinds)
    run = Run(scenes.n_classes, settings, device, start)
    if (out / "checkpoint.pt").exists():
        run.restore(out / "checkpoint.pt")
    if finish is None:
        warm_up = partial(_constant, heads_first=settings.heads_first)
        _take_steps(run, scenes, out, "checkpoint.pt", settings.steps, SIZES, warm_up)
    else:
        first = run.step
        if (out / "finish.pt").exists():
            run.restore(out / "finish.pt")
        run.longest_average = min(settings.average, 1 - 10 / max(finish, 20))
        decay = partial(_decaying, first=first, n_steps=finish)
        _take_steps(run, scenes, out, "finish.pt", first + finish, LAST_SIZES, decay)
    record = {
        **settings._asdict(),
        "steps": run.step,
        "images": run.n_images,
        "classes": scenes.n_classes,
        "minutes": round(run.seconds / 60, 1),
        "device": device.type,
        "pytorch": torch.__version__,
    }
    if finish is not None:
        _export(run, scenes, out, record)
    return record


def _constant(step, heads_first):
    after = step - heads_first if step >= heads_first else step
    return min(1, (after + 1) / WARM_UP)


def _decaying(step, first, n_steps):
    return 0.5 * (1 + math.cos(math.pi * (step - first) / n_steps))


def _take_steps(run, scenes, out, checkpoint, n_steps, sizes, schedule):
    """Train to a step or for the minutes of the settings; save and log on the way."""
    settings, held, losses = run.settings, scenes.held_out(), []
    begun, saved = time.monotonic() - run.seconds, run.seconds
    while run.step < n_steps and run.seconds < 60 * settings.minutes:
        if settings.share_cores and run.step % 20 == 0:
            _take_idle_cores()
        losses.append(run.take_step(scenes, settings.rate * schedule(run.step), sizes))
        run.seconds = time.monotonic() - begun
        is_last = run.step == n_steps or run.seconds >= 60 * settings.minutes
        if is_last or run.seconds - saved >= 60 * settings.save_minutes:
            saved = run.seconds
            row = {
                "step": run.step,
                "images": run.n_images,
                "loss": round(float(np.mean(losses)), 4),
                "probe": round(run.probe(held), 4),
                "minutes": round(run.seconds / 60, 1),
            }
            _log(out / "log.csv", row)
            losses = []
            run.save(out / checkpoint)


def _take_idle_cores():
    """Use as many threads as there are idle cores: threads that wait for each other waste time."""
    others = os.getloadavg()[0] - torch.get_num_threads()
    torch.set_num_threads(max(1, round(os.cpu_count() - max(others, 0))))


def _export(run, scenes, out, record):
    network = run.ema_network
    if not run.settings.frozen_norm:
        recompute_normalization(network, scenes, run.generator, 150, LAST_SIZES)
    arrays = network.keras_arrays()
    flat = {f"{name}/{i}": a for name, layer in arrays.items() for i, a in enumerate(layer)}
    np.savez(out / "resnet50v2_procedural.npz", **flat)
    (out / "record.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _log(path, row):
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    print(*row.values(), flush=True)
