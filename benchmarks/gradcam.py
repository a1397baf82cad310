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

from xaae.audit import map_scores, plan, questions
from xaae.audit.detection import detect, of_planes, planes
from xaae.experiment.statistics import holm
from xaae.audit.verdict import Thresholds, verdict
from xaae.explain.call import explain
from xaae.explain.network.randomise import randomised, similarity
from xaae.factors.picture_plants import corner

HOME = Path(__file__).resolve().parents[1]
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
    told = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if told.returncode:
        raise SystemExit(told.stderr)
    return folder


def train_all(options):
    """{arm: [folder of each seed]}."""
    wanted = [(arm, seed) for seed in range(options.seeds) for arm in ("biased", "irrelevant")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = tqdm(pool.map(lambda each: train(options, *each), wanted), "training", len(wanted))
        folders = list(made)
    return {arm: [f for f, (a, _) in zip(folders, wanted, strict=True) if a == arm] for arm in ("biased", "irrelevant")}


def asked_of(folders, probe, method, layer):
    """What is found of a method at a layer: pointing, detection, likeness to maps of random weights."""
    nets = {arm: [questions.arm_network(str(f), "baseline") for f in some] for arm, some in folders.items()}
    found = {arm: [planes(explain(net, probe.x, method, 1, layer=layer)) for net in some] for arm, some in nets.items()}
    seen, place = probe.values >= np.mean([probe.values.min(), probe.values.max()]), corner(probe.x.shape[-1]).numpy()
    rank = float(np.mean([map_scores.pointing(f[seen], place)["relevance_rank"] for f in found["biased"]]))
    d = detect(*([of_planes(f) for f in found[arm]] for arm in ("biased", "irrelevant")), np.random.default_rng(0))
    x, net = probe.x[:CHECKED], nets["biased"][0]
    before, after = (explain(n, x, method, 1, layer=layer) for n in (net, randomised(net, 0)))
    about = {"auroc": d.auroc, "low": d.low, "high": d.high, "p": d.p, "false_alarms": d.false_alarms}
    return about | {"rank": rank, "randomised": float(np.mean(similarity(before, after)["absolute"]))}


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
    folders, asked = train_all(options), Thresholds()
    trained = questions.opened(str(folders["biased"][0]))
    probe = questions.probe_of(trained, plan.Condition("tag"), options.probe)
    rows = {}
    for method, stage in tqdm([(m, s) for m in METHODS for s in STAGES], "asking"):
        rows[method, stage] = asked_of(folders, probe, method, STAGES[stage])
    for row, p in zip(rows.values(), holm([r["p"] for r in rows.values()]), strict=True):
        row["p_holm"] = float(p)
    print(f"\n{options.size} x {options.size} pixels, {options.seeds} seeds; by chance {1 / 16:.2f} lie on the tag")
    for (method, stage), r in rows.items():
        r |= {"named": r["rank"] >= asked.pointing, "naming": f"{r['rank']:.2f} of its strongest places lie on the tag"}
        told = verdict(None, r, asked)
        print(f"{method:10} stage {stage}: on the tag {r['rank']:.2f}, detection {r['auroc']:.2f} "
              f"[{r['low']:.2f}, {r['high']:.2f}]: {told.value} ({told.clause})")  # fmt: skip


if __name__ == "__main__":
    main()
