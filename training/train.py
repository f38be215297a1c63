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
from effects import Source
from export import blend, read_arrays, write_arrays
from network import WIDTHS, Network
from pictures import make_material
from scenes import SHARES, SMALL, Scenes
from torch import nn

# number of images of a batch, by their size: about equally long steps
BATCH_SIZES = {28: 160, 32: 160, 48: 128, 64: 96, 96: 48, 128: 28, 160: 20, 224: 12}
# chances of sizes: while the rate is constant, and while it decays
SIZES = {28: 0.12, 32: 0.14, 48: 0.16, 64: 0.22, 96: 0.16, 128: 0.1, 160: 0.05, 224: 0.05}
LAST_SIZES = {28: 0.12, 32: 0.1, 48: 0.12, 64: 0.17, 96: 0.17, 128: 0.12, 160: 0.1, 224: 0.1}
WARM_UP = 200  # steps
OLD_KINDS = ("glyph", "doodle", "fractal", "texture", "leaves")
MAIN_DEPTHS = {153: 1.0, 85: 0.7}  # weights of the classifiers on layers whose features are used
CONTRAST_WEIGHT = 0.5


class Settings(NamedTuple):
    """The settings of a run.

    `steps` and `minutes` end a run, whichever comes first; a run that is started again goes on.
    Without steps, only the raw material is made. `batch` multiplies the number of images of a step.
    `contrast` is the share of the steps that also match two views of each scene (NT-Xent, Chen et
    al. 2020). In the first `heads_first` steps only the heads learn, and blocks that were not
    loaded. `mixed` is the share of the images that are mixed with others. `depths` weighs each of
    the classifiers upon layers 51, 73 and 119. `kinds` is "all" or "old" (glyphs, doodles,
    fractals, textures, dead leaves). `share_cores` leaves busy cores to other processes.
    """

    steps: int = 1_000_000
    minutes: float = 1e9
    rate: float = 1e-3
    batch: int = 1
    heads_first: int = 0
    contrast: float = 0.5
    mixed: float = 0.15
    depths: float = 0.1
    kinds: str = "all"
    average: float = 0.999
    save_minutes: float = 3.0
    share_cores: bool = False
    seed: int = 0


class Heads(nn.Module):
    """Classifiers and projections on top of the features, used in training only."""

    def __init__(self, n_classes):
        super().__init__()
        self.classify, self.project = nn.ModuleDict(), nn.ModuleDict()
        for depth, width in WIDTHS.items():
            if depth in MAIN_DEPTHS:
                layers = [nn.Linear(width, n_classes)]
                self.project[str(depth)] = nn.Sequential(
                    nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 128)
                )
            else:
                layers = [nn.Linear(width, 128), nn.Linear(128, n_classes)]
            self.classify[str(depth)] = nn.Sequential(nn.LayerNorm(width), *layers)

    def loss(self, features, labels, weights, share_of_lesser):
        """Return the cross-entropy of weighted labels, (n, k), at all depths."""
        return sum(
            MAIN_DEPTHS.get(int(depth), share_of_lesser)
            * _cross_entropy(head(features[int(depth)]), labels, weights)
            for depth, head in self.classify.items()
        )

    def contrast(self, features):
        """Return NT-Xent of two blocks of views, at the main depths."""
        loss = 0
        for depth, project in self.project.items():
            views = F.normalize(project(features[int(depth)]))
            similarities = (views @ views.T / 0.2).fill_diagonal_(float("-inf"))
            n = len(views)
            partner = torch.arange(n, device=views.device).roll(n // 2)
            loss = loss + F.cross_entropy(similarities, partner)
        return CONTRAST_WEIGHT * loss


def _cross_entropy(logits, labels, weights, smoothing=0.1):
    chances = F.log_softmax(logits, 1)
    hit = (chances.gather(1, labels) * weights).sum(1).mean()
    return -(1 - smoothing) * hit - smoothing * chances.mean()


def load_material(folder, seed):
    """Map the raw material into memory; generate it first if it is missing."""
    if not folder.exists():
        part = folder.with_suffix(".part")
        make_material(part, seed)
        part.rename(folder)
    return {path.stem: np.load(path, mmap_mode="c") for path in folder.glob("*.npy")}


class Run:
    """What a run trains, and its checkpoints."""

    def __init__(self, n_classes, settings, device, start=None):
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.n_classes = settings, device, n_classes
        self.longest_average = settings.average
        self.network, self.loaded = Network(), []
        if start is not None:
            self.loaded = self.network.load_keras_arrays(read_arrays(start))
        self.network.to(device, memory_format=torch.channels_last)
        self.heads = Heads(n_classes).to(device)
        self.ema_network = copy.deepcopy(self.network).eval()
        self.ema_heads = copy.deepcopy(self.heads).eval()
        old, new = (
            [t for m in modules for t in m.state_dict().values() if t.is_floating_point()]
            for modules in ((self.ema_network, self.ema_heads), (self.network, self.heads))
        )
        self._averages, self._present = old, new
        self.parameters = [*self.network.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": 0.05},
                {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0},
            ],
            fused=device.type == "cuda",
        )
        self.source = Source(settings.seed, device)
        self.step, self.n_images, self.seconds = 0, 0, 0.0

    _parts = ("network", "heads", "ema_network", "ema_heads", "optimizer")
    _counts = ("loaded", "step", "n_images", "seconds")

    def save(self, path):
        """Write a checkpoint."""
        state = {name: getattr(self, name).state_dict() for name in self._parts}
        state |= {name: getattr(self, name) for name in self._counts}
        state |= {"source": self.source.state(), "record": self.record()}
        torch.save(state, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def restore(self, path):
        """Load a checkpoint."""
        saved = torch.load(path, map_location=self.device, weights_only=True)
        for name in self._parts:
            getattr(self, name).load_state_dict(saved[name])
        self.source.restore(saved["source"])
        self.loaded, self.step, self.n_images, self.seconds = (saved[name] for name in self._counts)

    def record(self):
        """Describe the run."""
        return {
            **self.settings._asdict(),
            "steps": self.step,
            "images": self.n_images,
            "classes": self.n_classes,
            "minutes": round(self.seconds / 60, 1),
            "device": self.device.type,
            "pytorch": str(torch.__version__),
        }

    def take_step(self, scenes, rate, sizes):
        """Train on one batch; return the loss of the classifiers, a tensor."""
        settings, source = self.settings, self.source
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        size = int(source.choices.choice(list(sizes), p=list(sizes.values())))
        n = BATCH_SIZES[size] * settings.batch
        is_contrast = size > SMALL and source.choices.random() < settings.contrast
        if is_contrast:
            images, labels, weights = scenes.draw_views(n // 2, size, source)
        else:
            mixed = settings.mixed if size > SMALL else 0
            images, labels, weights = scenes.draw_mixed(n, size, source, mixed)
        self._choose_what_learns()
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            maps = self.network.forward_depths(images.contiguous(memory_format=torch.channels_last))
            features = {depth: m.mean((2, 3), dtype=torch.float32) for depth, m in maps.items()}
            loss = self.heads.loss(features, labels, weights, settings.depths)
        total = loss + self.heads.contrast(features) if is_contrast else loss
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, 5)
        self.optimizer.step()
        self.step += 1
        self.n_images += n
        self._average()
        return loss.detach()

    def _choose_what_learns(self):
        """Hold the loaded blocks fast in the first steps: there is no gradient to compute."""
        for name, block in self.network.named_children():
            learns = self.step >= self.settings.heads_first or name not in self.loaded
            block.train(learns).requires_grad_(learns)

    @torch.no_grad()
    def _average(self):
        """Move the averages of all weights and statistics towards their present values."""
        part = 1 - min(self.longest_average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self._averages, self._present, part)

    @torch.no_grad()
    def probe(self, held, n_batches=6, size=64):
        """Return the accuracy of the averaged classifiers on held-out instances, by depth."""
        source = Source(0, self.device)
        hits = {depth: [] for depth in MAIN_DEPTHS}
        for _ in range(n_batches):
            images, labels, weights = held.draw(BATCH_SIZES[size], size, source)
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                maps = self.ema_network.forward_depths(images)
            for depth in MAIN_DEPTHS:
                features = maps[depth].mean((2, 3), dtype=torch.float32)
                found = self.ema_heads.classify[str(depth)](features).argmax(1, keepdim=True)
                hits[depth].append(((found == labels) & (weights > 0)).any(1).float())
        return {depth: torch.cat(each).mean().item() for depth, each in hits.items()}


def train(out, settings, start=None, finish=None, deepest=153, share=1.0):
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
    deepest : int, default=153
        Number of the last layer to write: 85 or 153.
    share : float, default=1.0
        Share of the run in the weights that are written; the rest is `start`.

    Returns
    -------
    dict
        The record of the run.
    """
    if share < 1 and start is None:
        raise ValueError("A share below 1 needs the weights that the run began from: start.")
    if finish == 0:
        return _export(out, deepest, start, share)
    out.mkdir(parents=True, exist_ok=True)
    material = load_material(out / "material", seed=0)
    if not settings.steps:
        return {"classes": len(material["class_kinds"])}
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scenes = Scenes(material, device, SHARES if settings.kinds == "all" else OLD_KINDS)
    run = Run(scenes.n_classes, settings, device, start)
    if run.loaded:
        print("loaded", *run.loaded, flush=True)
    if (out / "checkpoint.pt").exists():
        run.restore(out / "checkpoint.pt")
    if finish is None:
        warm_up = partial(_constant, heads_first=settings.heads_first)
        _take_steps(run, scenes, out, "checkpoint.pt", settings.steps, SIZES, warm_up)
        return run.record()
    first = run.step
    if (out / "finish.pt").exists():
        run.restore(out / "finish.pt")
    run.longest_average = min(settings.average, 1 - 10 / max(finish, 20))
    decay = partial(_decaying, first=first, n_steps=finish)
    _take_steps(run, scenes, out, "finish.pt", first + finish, LAST_SIZES, decay)
    return _export(out, deepest, start, share)


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
            probes = run.probe(held)
            row = {
                "step": run.step,
                "images": run.n_images,
                "loss": round(torch.stack(losses).mean().item(), 4),
                **{f"probe_{depth}": round(value, 4) for depth, value in probes.items()},
                "minutes": round(run.seconds / 60, 1),
            }
            _log(out / "log.csv", row)
            losses = []
            run.save(out / checkpoint)


def _take_idle_cores():
    """Use as many threads as there are idle cores: threads that wait for each other waste time."""
    others = os.getloadavg()[0] - torch.get_num_threads()
    torch.set_num_threads(max(1, round(os.cpu_count() - max(others, 0))))


def _export(out, deepest, start, share):
    """Write the averaged weights of the last checkpoint, in part those that the run began from."""
    finished, checkpoint = out / "finish.pt", out / "checkpoint.pt"
    path = finished if finished.exists() else checkpoint
    saved = torch.load(path, map_location="cpu", weights_only=True)
    network = Network()
    network.load_state_dict(saved["ema_network"])
    arrays = network.keras_arrays(deepest)
    if share < 1:
        arrays = blend(arrays, read_arrays(start), share)
    write_arrays(out / "resnet50v2_procedural.npz", arrays)
    record = saved["record"] | {"deepest": deepest, "blend": share}
    (out / "record.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def _log(path, row):
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    print(*row.values(), flush=True)
