"""Train the bundled weights: ``python training OUT``."""

import argparse
import json
from pathlib import Path

from train import Settings, train

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "out", type=Path, help="folder for the raw material, checkpoints, log and weights"
    )
    parser.add_argument("--start", type=Path, help="weights to begin from, a .npz file")
    parser.add_argument(
        "--finish",
        type=int,
        metavar="N",
        help="let the rate decay in N steps, and write the weights; 0 writes them at once",
    )
    parser.add_argument(
        "--deepest", type=int, choices=(85, 153), default=153, help="last layer to write"
    )
    parser.add_argument(
        "--blend",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="share of the run in the weights that are written; the rest is --start",
    )
    for name, default in Settings._field_defaults.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(option, type=type(default), default=default)
    args = vars(parser.parse_args())
    names = ("out", "start", "finish", "deepest", "blend")
    out, start, finish, deepest, share = (args.pop(name) for name in names)
    print(json.dumps(train(out, Settings(**args), start, finish, deepest, share)))
