"""The README's table: the whole job over seeds and arms, one line each, from the runs' own summary.json.

python benchmarks/seeds.py --out runs/table                       the embedded default, seeds 0 to 2, all arms
python benchmarks/seeds.py --out runs/tint --arms biased --factor tint --baseline-epochs 0
python benchmarks/seeds.py --out runs/table --led                 of the same runs, the walks that each classifier leads
python benchmarks/seeds.py --out runs/xray --seeds 0 --dataset medmnist:pneumoniamnist --data-root ../shared/data
python benchmarks/seeds.py --out runs/tag --led --briefly --factor tag    no more than training, these walks, the page
python benchmarks/seeds.py --out runs/table --workers 4           four runs at a time; --scheduler: see docs/clusters.md
Unasked there are as many at a time as an audit has. Runs that are already there are not made again. Options
that it does not know go to `main.py`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import xaae
from xaae.audit.jobs import Jobs, choose_workers
from xaae.audit.workers import check_scheduler, default_workers
from xaae.experiment.errors import InputError

COLUMNS = {
    "AAE accuracy": ("aae", "valid_accuracy", "{:.3f}"),
    "AAE MSE": ("aae", "recon_mse", "{:.4f}"),
    "ResNet34 accuracy": ("baseline", "valid_accuracy", "{:.3f}"),
    "spurious AAE": ("spurious_score", "aae", "{:.2f}"),
    "spurious ResNet34": ("spurious_score", "baseline", "{:.2f}"),
    "walk": ("walk", "change_words", "{}"),
    "Spearman": ("walk", "spearman", "{:.2f}"),
    "100 random": ("walk", "random_change", "{:.2g}"),
    "p": ("walk", "p_value", "{:.3f}"),
    "within class": ("impact", "within_class_spearman", "{:.2f}"),
    "pictures flipped": ("counterfactual", "flipped_when_seen", "{:.3f}"),
    "codes accepted": ("counterfactual", "accepted", "{:.2f}"),
    "distance": ("counterfactual", "distance", "{:.2f}"),
    "nearest other": ("counterfactual", "nearest_other", "{:.2f}"),
}


# a script: it runs another one, and ends as soon as nobody holds the other end of its standard input
ENDING_WITH_PARENT = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
BRIEF_WALKS = "led,led:baseline"
LED = {  # of the walk that a classifier leads
    "walk": ("change_words", "{}"),
    "Spearman": ("spearman", "{:.2f}"),
    "largest step": ("largest_step_share", "{:.2f}"),
    "match": ("match", "{:.2f}"),
    "factor undone": ("undone_match", "{:.2f}"),
    "answer, first frame": ("probability_first", "{:.2f}"),
    "last frame": ("probability_last", "{:.2f}"),
    "brought over": ("brought_over", "{:.2f}"),
    "100 random": ("random_change", "{:.2g}"),
}


def make_run(folder, arm, seed, briefly, rest):
    """Make a run, by the code that is installed where this is called. What it says is in a file beside its folder.

    briefly: train, let both models lead a walk, and write the page, no more.
    """
    main = [sys.executable, "-c", ENDING_WITH_PARENT, str(Path(xaae.__path__[0]).resolve() / "main.py")]
    told = str(folder)
    begin = ["train" if briefly else "run", "--arm", arm, "--seed", str(seed), "--out", told, *rest, "--overwrite"]
    more = [
        ["navigate", told, "--directions", BRIEF_WALKS, "--maps", "pca", "--counterfactuals", "4"],
        ["report", told],
    ]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".log"), "w") as log:
        for command in [begin, *(more if briefly else [])]:
            with subprocess.Popen([*main, *command], stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
                status = process.wait()
            if status:
                raise InputError(f"arm {arm}, seed {seed} was not made: see {folder.with_suffix('.log')}")


def make_runs(known, rest):
    """Make the runs that have no summary: {(arm, seed): summary} of all, in the table's order."""
    folders = {(arm, seed): known.out / f"{arm}-s{seed}" for arm in known.arms for seed in known.seeds}
    missing = {key: folder for key, folder in folders.items() if not (folder / "summary.json").exists()}
    if known.scheduler:
        check_scheduler(known.scheduler)
    workers = choose_workers(known.workers or default_workers(), known.scheduler, known.out, tell)
    jobs = Jobs(workers, tell, float(len(missing)), "runs")
    for (arm, seed), folder in missing.items():
        jobs.add(1.0, f"made arm {arm}, seed {seed}", make_run, folder, arm, seed, known.briefly, rest)
    try:
        jobs.run()
    except BaseException:
        jobs.close(at_once=True)
        raise
    jobs.close()
    return {key: json.loads((folder / "summary.json").read_text()) for key, folder in folders.items()}


def tell(line):
    """Say a line beside the table."""
    print(line, file=sys.stderr, flush=True)


def cell(summary, section, key, form):
    """One figure as text, a dash where the run has none."""
    value = (summary.get(section) or {}).get(key)
    return "–" if value is None else form.format(value)


def names(summary):
    """The meters that the walk is said to change, strongest first."""
    return ", ".join(summary["naming"][summary["walk"]["direction"]]["named"]) or "nothing"


def main_rows(found):
    """One row of the table of a run: its models, its main walk."""
    return [[*(cell(found, *column) for column in COLUMNS.values()), names(found)]]


def used_by(found, model):
    """The factors that the scan finds a model to use."""
    factors = ((found.get("scan") or {}).get(model) or {}).get("factors") or {}
    return ", ".join(name for name, row in factors.items() if row["used"] == "used") or "nothing"


def differing(found):
    """The meters that tell the classes of the training items apart, with the AUROC of each."""
    rows = [row for row in found.get("questions") or [] if (row["data"] or {}).get("differs")]
    return ", ".join(f"{row['meter']} {row['data']['auroc']:.2f}" for row in rows) or "nothing"


def led_rows(found):
    """A row for each classifier that leads a walk, with the share of reconstructions in which content is recognised."""
    about = [cell(found, "aae", "recon_mse", "{:.4f}"), cell(found, "aae", "recon_agreement", "{:.2f}")]
    return [
        [*about, led["title"], *(cell(found["led"], name, *column) for column in LED.values())]
        + [used_by(found, name), differing(found), ", ".join(led["named"]) or "nothing"]
        for name, led in found["led"].items()
    ]


def main():
    """Make the runs and print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/table"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=["biased", "irrelevant", "normal"])
    parser.add_argument("--led", action="store_true")
    parser.add_argument("--briefly", action="store_true")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--scheduler", help="address of a Dask scheduler, whose workers make the runs")
    known, rest = parser.parse_known_args()
    of_led = ["MSE", "recognised", "led by", *LED, "the scan: used", "the classes differ in"]
    titles, rows_of = (of_led, led_rows) if known.led else (list(COLUMNS), main_rows)
    try:
        found = make_runs(known, rest)
    except InputError as e:
        sys.exit(f"Error: {e}")
    print("| arm | seed | " + " | ".join([*titles, "named"]) + " |\n" + "|---" * (len(titles) + 3) + "|")
    for (arm, seed), summary in found.items():
        for row in rows_of(summary):
            print("| " + " | ".join([arm, str(seed), *row]) + " |")


if __name__ == "__main__":
    main()
