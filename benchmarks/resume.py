"""Kill an audit again and again, and see whether it ends with the table of one left in peace.

`python -m benchmarks.resume --kills 10`: a small audit on drawn pictures; minutes. It is killed when random numbers of
results are kept, so that the moments fit a fast machine and a slow one. With `--train` it is `python main.py`, from its
cache to its report, that is killed, at any moment: see `train_kills`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from xaae.benchmarks.train_kills import kill_runs

HOME = Path(__file__).resolve().parents[1]
SMALL = ["--preset", "smoke", "--items", "130", "--epochs", "2", "--baseline-epochs", "1", "--seeds", "2", "--probe"]
SMALL += ["13", "--random-directions", "19", "--methods", "saliency,gradcam", "--factors", "tag"]
KEPT = ("*/train.json", "*/audit/*/*.npz", "*/audit/*/*.json")  # under `arms`: trained arms and their answers


def audit_arguments(folder, data, options=SMALL):
    """Arguments of main.py for an audit that keeps everything under `folder`."""
    out = ["--arms", str(folder / "arms"), "--out", str(folder / "out")]
    return ["audit", *options, "--data-root", str(data), *out]


def start_audit(folder, data, options=SMALL):
    """The audit in a process group of its own; its output goes to `folder`/log.txt."""
    command = [sys.executable, str(HOME / "main.py"), *audit_arguments(folder, data, options)]
    with open(folder / "log.txt", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def end_audit(folder, data, options=SMALL):
    """Run the audit to its end. SystemExit if it fails."""
    if start_audit(folder, data, options).wait():
        raise SystemExit(f"the audit did not end well: see {folder / 'log.txt'}")


def kept_results(folder):
    """How many arms are trained and answers are kept in the folder of an audit."""
    found = [path for pattern in KEPT for path in (folder / "arms").glob(pattern)]
    return sum(".part" not in path.relative_to(folder / "arms").parts[0] for path in found)


def read_table(folder):
    """The cells of an audit, without their figures."""
    result = json.loads((folder / "out" / "audit.json").read_text())
    return [{key: value for key, value in cell.items() if key != "figure"} for cell in result["cells"]]


def kill_audit(folder, data, counts, options=SMALL):
    """Start an audit and kill it as soon as so many results are kept, for each of `counts`.

    How often it was killed: less often than asked if it ended before a count was reached.
    """
    kills = 0
    for count in counts:
        running = start_audit(folder, data, options)
        while running.poll() is None and kept_results(folder) < count:
            time.sleep(0.02)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            kills += 1
        running.wait()
    return kills


def main():
    """Run both, compare, exit with 1 if the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", action="store_true", help="kill a run in place of an audit")
    options = parser.parse_args()
    home = Path(mkdtemp())
    if options.train:
        moments, same = kill_runs(home, options.kills, options.seed)
        told = "all as" if all(same) else "NOT all as"
        print(f"{len(moments)} kills, {len(same)} runs, {told} the undisturbed one ({home})")
        sys.exit(not all(same))
    peace, trouble = home / "peace", home / "trouble"
    for folder in (peace, trouble):
        folder.mkdir()
    end_audit(peace, home / "data")
    counts = sorted(random.Random(options.seed).sample(range(1, kept_results(peace)), options.kills))
    kills = kill_audit(trouble, home / "data", counts)
    end_audit(trouble, home / "data")
    same = read_table(peace) == read_table(trouble)
    print(f"killed {kills} times, at {counts} results: the table is {'the same' if same else 'ANOTHER'} ({home})")
    sys.exit(not same)


if __name__ == "__main__":
    main()
