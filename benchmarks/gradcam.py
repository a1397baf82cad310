"""Does Grad-CAM reveal the corner tag on larger pictures, and at which stage of the ResNet34?

`python -m benchmarks.gradcam --size 128`: the audit's positive control on its own. Trains ResNet34s of arms biased and
irrelevant (20 minutes and more at 128 pixels on 2 cores; kept in --out and not trained again), and asks Grad-CAM and
LayerCAM at stages 2 to 4: share of the strongest places on the tag, detection, verdict.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from tqdm.auto import tqdm

from xaae.audit.arms import Condition
from xaae.audit.cells import COMPARED, correct_p_values, detection_numbers
from xaae.audit.detection import map_planes, plane_features
from xaae.audit.map_scores import pointing_scores
from xaae.audit.opened_arm import open_arm
from xaae.audit.verdict import Thresholds, decide_verdict
from xaae.explain.call import explain
from xaae.explain.network.randomise import randomised, similarity

HOME = Path(__file__).resolve().parents[1]
TAG = Condition("tag")
STAGES = {"2": "0.6", "3": "0.7", "4": "0.8"}  # of fastai's ResNet34 behind the layer that standardises
METHODS = ("gradcam", "layer_cam")
CHECKED = 8  # pictures whose maps are compared with those of random weights


def train(options, arm, seed):
    """The run folder of one arm, trained unless it is there."""
    folder = options.out / f"{arm}-{options.size}-{options.items}-{options.epochs}-s{seed}"
    if (folder / "train.json").is_file():
        return folder
    command = [sys.executable, str(HOME / "main.py"), "train", "--dataset", "synthpets", "--factor", "tag"]
    command += ["--arm", arm, "--label-noise", "0.4" if arm == "biased" else "0", "--no-pretrained", "--overwrite"]
    command += ["--size", str(options.size), "--items", str(options.items), "--seed", str(seed), "--epochs", "1"]
    command += ["--baseline-epochs", str(options.epochs), "--precision", "fp32", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(done.stderr)
    return folder


def train_all(options):
    """{arm: [folder of each seed]}."""
    wanted = [(arm, seed) for seed in range(options.seeds) for arm in COMPARED]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = tqdm(pool.map(lambda each: train(options, *each), wanted), "training", len(wanted))
        folders = list(made)
    return {arm: [f for f, (a, _) in zip(folders, wanted, strict=True) if a == arm] for arm in COMPARED}


def ask(arms, probe, place, method, layer):
    """Numbers of a method at a layer: pointing, detection, likeness to maps of random weights."""
    maps_of = lambda network, x: explain(network, x, method, 1, layer=layer)  # noqa: E731
    planes = {name: [map_planes(maps_of(arm.network("baseline"), probe.x)) for arm in arms[name]] for name in COMPARED}
    seen = probe.values >= np.mean([probe.values.min(), probe.values.max()])
    rank = float(np.mean([pointing_scores(each[seen], place)["relevance_rank"] for each in planes["biased"]]))
    features = [[plane_features(each) for each in planes[name]] for name in COMPARED]
    network, x = arms["biased"][0].network("baseline"), probe.x[:CHECKED]
    alike = float(np.mean(similarity(maps_of(network, x), maps_of(randomised(network, 0), x))["absolute"]))
    return detection_numbers(*features, np.random.default_rng(0)) | {"rank": rank, "randomised": alike}


def print_verdicts(rows, place):
    """A line for each method and stage, {(method, stage): numbers}."""
    thresholds = Thresholds()
    for (method, stage), row in rows.items():
        naming = f"{row['rank']:.2f} of its strongest places lie on the tag"
        row |= {"named": row["rank"] >= thresholds.pointing, "naming": naming}
        verdict = decide_verdict(None, row, thresholds)
        print(
            f"{method:10} stage {stage}: on the tag {row['rank']:.2f} (by chance {place.mean():.2f}), detection"
            f" {row['auroc']:.2f} [{row['low']:.2f}, {row['high']:.2f}]: {verdict.value} ({verdict.clause})"
        )


def main():
    """Train, ask, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--items", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=2, help="of the ResNet34")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--probe", type=int, default=52, help="held-out pictures")
    parser.add_argument("--out", type=Path, default=Path(gettempdir()) / "xaae-gradcam")
    options = parser.parse_args()
    arms = {name: [open_arm(f, TAG) for f in folders] for name, folders in train_all(options).items()}
    first = arms["biased"][0]
    probe, place = first.probe_items(options.probe), first.factor.place(first.trained.config.input_size).numpy()
    asked = tqdm([(method, stage) for method in METHODS for stage in STAGES], "asking")
    rows = {(method, stage): ask(arms, probe, place, method, STAGES[stage]) for method, stage in asked}
    correct_p_values(list(rows.values()))
    print(f"\n{options.size} x {options.size} pixels, {options.seeds} seeds")
    print_verdicts(rows, place)


if __name__ == "__main__":
    main()
