"""Kill an audit at random moments, again and again, and see whether it ends with the table of one left in peace.

`python -m benchmarks.resume --kills 10`: a small audit on drawn pictures; minutes.
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

HOME = Path(__file__).resolve().parents[1]
SMALL = ["--preset", "smoke", "--items", "130", "--epochs", "2", "--baseline-epochs", "1", "--seeds", "2", "--probe"]
SMALL += ["13", "--random-directions", "19", "--methods", "saliency,gradcam", "--factors", "tag"]


def start(folder, data, extra=()):
    """An audit in a process group of its own, everything it keeps under `folder`."""
    command = [sys.executable, str(HOME / "main.py"), "audit", *SMALL, "--data-root", str(data), *extra]
    command += ["--arms", str(folder / "arms"), "--out", str(folder / "out")]
    log = open(folder / "log.txt", "a")  # noqa: SIM115  (the process keeps it)
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def verdicts(folder):
    """What an audit's table says, without times."""
    result = json.loads((folder / "out" / "audit.json").read_text())
    return [{k: v for k, v in c.items() if k != "figure"} for c in result["cells"]]


def killed(folder, data, kills, longest, rng, extra=()):
    """Kill an audit at `kills` random moments, starting it again each time, then let it end; the moments in seconds."""
    moments = []
    for _ in range(kills):
        running, moment = start(folder, data, extra), rng.uniform(1, longest)
        deadline = time.perf_counter() + moment
        while running.poll() is None and time.perf_counter() < deadline:
            time.sleep(0.1)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            moments.append(round(moment, 1))
        running.wait()
    if start(folder, data, extra).wait():
        raise SystemExit(f"the audit did not end well: see {folder / 'log.txt'}")
    return moments


def main():
    """Run both, compare, exit with 1 if the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--longest", type=float, default=40.0, help="seconds after which an audit is killed, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    home = Path(mkdtemp())
    peace, trouble = home / "peace", home / "trouble"
    for folder in (peace, trouble):
        folder.mkdir()
    if start(peace, home / "data").wait():
        raise SystemExit(f"the audit did not end well: see {peace / 'log.txt'}")
    moments = killed(trouble, home / "data", options.kills, options.longest, random.Random(options.seed))
    same = verdicts(peace) == verdicts(trouble)
    print(f"killed {len(moments)} times, after {moments} s: the table is {'the same' if same else 'ANOTHER'} ({home})")
    sys.exit(not same)


if __name__ == "__main__":
    main()
