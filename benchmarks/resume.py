"""Kill an audit again and again, and see whether it ends with the table of one left in peace.

`python -m benchmarks.resume --kills 10`: a small audit on drawn pictures; minutes. It is killed when random numbers of
results are kept, so that the moments fit a fast machine and a slow one. With `--train` it is `python main.py` that is
killed, in each of its stages: see `train_kills`. With `--lose-worker` it is one of the two workers of a Dask scheduler,
half way through an audit.
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

from xaae.benchmarks.dask_cluster import end_group, started_cluster
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


def lose_worker(folder, data, count, options=SMALL):
    """Run an audit on a Dask scheduler with two workers, and kill one when so many results are kept and both are busy.

    How many jobs that one was given when it was killed. SystemExit if the audit fails, or ends before.
    """
    from distributed import Client

    (folder / "dask").mkdir()
    with started_cluster(folder / "dask", 2) as (_, workers, address), Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout="2 minutes")
        running, jobs = start_audit(folder, data, [*options, "--scheduler", address]), [()]
        while running.poll() is None and not (kept_results(folder) >= count and all(jobs)):
            time.sleep(0.02)
            jobs = [given for name in workers for given in client.processing([name]).values()]
        too_early = running.poll() is not None
        end_group(workers["worker0"])
        if too_early or running.wait():
            raise SystemExit(f"the audit did not end well, or before the kill: see {folder / 'log.txt'}")
        return len(jobs[0])


def main():
    """Run both, compare, exit with 1 if the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", action="store_true", help="kill a run in place of an audit")
    parser.add_argument("--lose-worker", action="store_true", help="kill one of a scheduler's two workers, once")
    options = parser.parse_args()
    home = Path(mkdtemp())
    sys.exit(not (runs_go_on(home, options) if options.train else audit_goes_on(home, options)))


def runs_go_on(home, options):
    """Kill runs of `python main.py`: did all end as the undisturbed one?"""
    killed, same = kill_runs(home, options.kills, options.seed)
    where = ", ".join(f"{number} in the {stage}" for stage, number in killed.items())
    told = "all as" if all(same) else "NOT all as"
    print(f"{killed.total()} kills ({where}), {len(same)} runs, {told} the undisturbed one ({home})")
    return all(same)


def audit_goes_on(home, options):
    """Kill an audit, or a worker of it: did it end with the table of the undisturbed one?"""
    if options.lose_worker:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # as a scheduler's workers have: sums come out alike
    peace, trouble = home / "peace", home / "trouble"
    for folder in (peace, trouble):
        folder.mkdir()
    end_audit(peace, home / "data")
    results = kept_results(peace)
    if options.lose_worker:
        jobs = lose_worker(trouble, home / "data", results // 2)
        what = f"a worker was killed at {results // 2} of {results} results, with {jobs} jobs"
    else:
        counts = sorted(random.Random(options.seed).sample(range(1, results), options.kills))
        what = f"killed {kill_audit(trouble, home / 'data', counts)} times, at {counts} results"
        end_audit(trouble, home / "data")
    same = read_table(peace) == read_table(trouble)
    print(f"{what}: the table is {'the same' if same else 'ANOTHER'} ({home})")
    return same


if __name__ == "__main__":
    main()
