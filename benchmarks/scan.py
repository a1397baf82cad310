"""Is the factor scan right? Its verdicts on trained arms of an audit, where the truth is known, and on shuffled labels.

python -m benchmarks.scan --arms runs/arms                    every arm that `main.py audit` has trained there
python -m benchmarks.scan --shuffled 20 --out runs/shuffled   twenty runs whose labels are permuted: any factor that
                                                              is called used is a false alarm
python -m benchmarks.scan --time RUN                          seconds of one scan of a run, 200 items
Runs that are scanned already are not scanned again.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

import numpy as np

from xaae.data import load_table
from xaae.experiment.command_settings import ScanSettings
from xaae.experiment.seeds import generator, seed_all
from xaae.experiment.settings import RunSettings
from xaae.experiment.vocabulary import MODELS
from xaae.explain.factor_response import spurious_score
from xaae.explain.response_run import score_of
from xaae.scan.scan_run import scan
from xaae.scan.verdicts import USED
from xaae.training.fitting import train_run
from xaae.training.preparation import prepare_training, resolve
from xaae.training.trained_run import open_trained_run

ARM = re.compile(r"(\w+)-(biased|irrelevant|normal)-s(\d+)-\w+")  # folder of an arm: factor, arm, seed
GATE = 0.85  # spurious score from which a biased model counts as one that uses the factor, see the audit


def scan_of(folder, **given):
    """What scan.json of a run holds, made first if it is not there."""
    if not (folder / "scan.json").is_file():
        scan(folder, ScanSettings(**given))
    return json.loads((folder / "scan.json").read_text())


def gates(folder):
    """{model: spurious score} of a run on 200 held-out items."""
    run = open_trained_run(folder)
    rows = run.starts(200, generator(run.config.seed, "explained items"))
    x, labels = run.upright(rows), run.table.label.to_numpy()[rows]
    about = x, labels, run.classes, run.bias.middles(), run.plant
    return {name: spurious_score(score_of(run.model(name)), *about) for name in run.model_names()}


def arm_rows(folder):
    """One row for each model of an arm: gate 0, verdict and swing of the factor, others used."""
    factor, arm, seed = ARM.fullmatch(folder.name).groups()
    scores = gates(folder)
    for name, model in scan_of(folder, items=200)["models"].items():
        rows = {row["factor"]: row for row in model["factors"]}
        used = [n for n, row in rows.items() if row["used"] == USED]
        own = rows[factor]
        yield {"factor": factor, "arm": arm, "seed": seed, "model": MODELS[name], "spurious": scores[name],
               "verdict": own["used"], "swing": own["swing"], "low": own["swing_low"], "high": own["swing_high"],
               "others": [n for n in used if n != factor]}  # fmt: skip


def right(row):
    """Does the scan say what is true? None where gate 0 is not passed."""
    if row["arm"] != "biased":
        return row["verdict"] != USED and not row["others"]
    return None if row["spurious"] < GATE else row["verdict"] == USED and not row["others"]


def table_of_arms(folder):
    """The table of all arms in Markdown, and a line that counts."""
    rows = [row for arm in sorted(folder.iterdir()) if ARM.fullmatch(arm.name) for row in arm_rows(arm)]
    print("| factor | arm | seed | model | spurious score | the factor is | swing | others called used | right |")
    print("|---" * 9 + "|")
    for row in rows:
        told = {True: "yes", False: "**no**", None: "gate 0 not passed"}[right(row)]
        swing = f"{row['swing']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        print(f"| {row['factor']} | {row['arm']} | {row['seed']} | {row['model']} | {row['spurious']:.2f} | "
              f"{row['verdict']} | {swing} | {', '.join(row['others']) or 'none'} | {told} |")  # fmt: skip
    judged = [right(row) for row in rows if right(row) is not None]
    print(f"\n{sum(judged)} of {len(judged)} right; gate 0 not passed: {len(rows) - len(judged)} of {len(rows)}.")


def shuffled_run(folder, seed, items=600):
    """A small run on synthpets whose labels are permuted, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    table = load_table("synthpets", items=items)
    label = np.random.default_rng(seed).permutation(table.label.to_numpy(object))
    table.assign(label=label)[["path", "label"]].to_csv(folder / "items.csv", index=False)
    asked = {
        "dataset": str(folder / "items.csv"),
        "arm": "normal",
        "pretrained": False,
        "seed": seed,
        "outside_files": True,
    }
    settings, note = resolve(RunSettings.from_options("smoke", **asked))
    seed_all(seed)
    shutil.rmtree(folder / "run", ignore_errors=True)
    (folder / "run").mkdir()
    train_run(prepare_training(settings, note), folder / "run", quiet=True)
    return folder / "run"


def count_alarms(folder, runs):
    """Print for each run on permuted labels what is called used, and how many runs raised an alarm."""
    alarms = 0
    for seed in range(runs):
        run = folder / str(seed) / "run"
        run = run if (run / "train.json").is_file() else shuffled_run(folder / str(seed), seed)
        models = scan_of(run, items=200)["models"]
        used = {
            model["title"]: [r["factor"] for r in model["factors"] if r["used"] == USED] for model in models.values()
        }
        alarms += any(used.values())
        highest = {m["title"]: max(r["swing"] for r in m["factors"]) for m in models.values()}
        print(f"seed {seed}: used {used}, largest swing {', '.join(f'{t} {s:.2f}' for t, s in highest.items())}")
    print(f"False alarms in {alarms} of {runs} runs with permuted labels.")


def main():
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", type=Path)
    parser.add_argument("--shuffled", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs/shuffled"))
    parser.add_argument("--time", type=Path)
    known = parser.parse_args()
    if known.arms:
        table_of_arms(known.arms)
    if known.shuffled:
        count_alarms(known.out, known.shuffled)
    if known.time:
        results, _ = scan(known.time, ScanSettings(items=200))
        parts = ", ".join(f"{m['title']} {m['seconds']:.1f} s" for m in results["models"].values())
        factors = len(next(iter(results["models"].values()))["factors"])
        print(f"{factors} factors, {results['items']} items: {results['seconds']:.1f} s in all ({parts})")


if __name__ == "__main__":
    main()
