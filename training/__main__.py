"""Train the bundled weights: ``python training OUT``."""

import argparse
import csv
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from network import WIDTH, Network
from pictures import make_material
from scenes import Scenes, draw_size, learning_rate
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

N_CLASSES = {"n_doodles": 1000, "n_fractals": 400, "n_textures": 200, "n_leaves": 200}
OBJECTIVES = ("classes", "contrastive", "both")
BATCH_SIZE = 128


class Heads(nn.Module):
    """A classifier and a projection on top of the features, used in training only."""

    def __init__(self, n_classes):
        super().__init__()
        self.normalize = nn.BatchNorm1d(WIDTH)
        self.classify = nn.Linear(WIDTH, n_classes)
        self.project = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 128))

    def loss(self, features, labels, objective):
        """Return cross-entropy of classes, NT-Xent (Chen et al. 2020) of views, or their sum."""
        features = self.normalize(features)
        loss = 0
        if objective != "contrastive":
            loss = F.cross_entropy(self.classify(features), labels, label_smoothing=0.1)
        if objective != "classes":
            views = F.normalize(self.project(features))
            similarities = views @ views.T / 0.2
            similarities.fill_diagonal_(float("-inf"))
            n = len(views)
            partner = torch.arange(n, device=views.device).roll(n // 2)
            loss = loss + F.cross_entropy(similarities, partner)
        return loss


def load_material(path, seed):
    """Load the raw material; generate it first if it is missing."""
    if not path.exists():
        np.savez(path.with_suffix(".part.npz"), **make_material(**N_CLASSES, seed=seed))
        os.replace(path.with_suffix(".part.npz"), path)
    with np.load(path) as file:
        return dict(file)


@torch.no_grad()
def probe(network, scenes, held, device):
    """Return the accuracy of five nearest neighbours on held-out instances of all classes."""
    network.eval()
    generator = torch.Generator(device).manual_seed(0)
    parts = []
    for source, n_batches in ((scenes, 32), (held, 8)):
        drawn = [source.draw(BATCH_SIZE, 32, generator) for _ in range(n_batches)]
        parts.append(torch.cat([network(images).cpu() for images, _ in drawn]).numpy())
        parts.append(torch.cat([labels.cpu() for _, labels in drawn]).numpy())
    network.train()
    return KNeighborsClassifier(5).fit(*parts[:2]).score(*parts[2:])


@torch.no_grad()
def recompute_normalization(network, scenes, generator, n_batches):
    """Recompute the statistics of batch normalisation with the final weights."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    network.train()
    for _ in range(n_batches):
        network(scenes.draw(BATCH_SIZE, draw_size(generator), generator)[0])
    network.eval()


def train(out, objective, n_steps, seed, rate, save_every=500):
    """Train, resuming from a checkpoint if it exists; write the weights and a record."""
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    material = load_material(out / "material.npz", seed)
    scenes, held = Scenes(material, device), Scenes(material, device, is_held=True)
    network = Network().to(device, memory_format=torch.channels_last)
    heads = Heads(scenes.n_classes).to(device)
    parameters = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0},
        ]
    )
    generator = torch.Generator(device).manual_seed(seed)
    parts = {"network": network, "heads": heads, "optimizer": optimizer}
    checkpoint = out / "checkpoint.pt"
    step, seconds = _restore(checkpoint, parts, generator)
    start, losses = time.monotonic() - seconds, []
    n_views = 1 if objective == "classes" else 2
    while step < n_steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, n_steps, rate)
        size = draw_size(generator)
        images, labels = scenes.draw(BATCH_SIZE // n_views, size, generator, n_views)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            features = network(images.contiguous(memory_format=torch.channels_last))
        loss = heads.loss(features.float(), labels, objective)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % save_every == 0 or step == n_steps:
            seconds = time.monotonic() - start
            row = {
                "step": step,
                "loss": round(float(np.mean(losses)), 4),
                "probe": round(probe(network, scenes, held, device), 4),
                "minutes": round(seconds / 60, 1),
            }
            _log(out / "log.csv", row)
            losses = []
            _save(checkpoint, parts, generator, step, seconds)
    recompute_normalization(network, scenes, generator, n_batches=min(n_steps, 200))
    arrays = network.keras_arrays()
    flat = {f"{name}/{i}": a for name, layer in arrays.items() for i, a in enumerate(layer)}
    np.savez(out / "resnet50v2_procedural.npz", **flat)
    record = {
        "objective": objective,
        "steps": n_steps,
        "batch_size": BATCH_SIZE,
        "learning_rate": rate,
        "seed": seed,
        "classes": scenes.n_classes,
        "minutes": round(seconds / 60, 1),
        "device": device.type,
        "pytorch": torch.__version__,
        "probe": round(probe(network, scenes, held, device), 4),
    }
    (out / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record))


def _restore(checkpoint, parts, generator):
    """Load a checkpoint, if it exists; return its step and the seconds of training so far."""
    if not checkpoint.exists():
        return 0, 0.0
    saved = torch.load(checkpoint, map_location=generator.device, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    generator.set_state(saved["generator"].cpu())
    return saved["step"], saved["seconds"]


def _save(checkpoint, parts, generator, step, seconds):
    state = {name: part.state_dict() for name, part in parts.items()}
    state |= {"generator": generator.get_state(), "step": step, "seconds": seconds}
    torch.save(state, checkpoint.with_suffix(".part"))
    os.replace(checkpoint.with_suffix(".part"), checkpoint)


def _log(path, row):
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    print(*row.values(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "out", type=Path, help="folder for the raw material, checkpoint, log and weights"
    )
    parser.add_argument("--objective", choices=OBJECTIVES, default="classes")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    train(args.out, args.objective, args.steps, args.seed, args.rate)
