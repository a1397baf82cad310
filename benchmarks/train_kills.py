"""Kill `python main.py` at random moments, let it go on, and see whether it ends as one left in peace.

`python -m benchmarks.resume --train --kills 20`: drawn pictures, both models, everything up to the report. Each process
is killed after a random share of the time that the undisturbed one took, be it loading, decoding into the cache,
training or walking. A run that ends before its kill is compared, and another begins.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors.numpy import load_file

from xaae.experiment.vocabulary import MODELS, WEIGHTS

HOME = Path(__file__).resolve().parents[1]
SMALL = ["--preset", "smoke", "--dataset", "synthpets", "--items", "120", "--epochs", "3", "--baseline-epochs", "2"]
SMALL += ["--starts", "4", "--random-directions", "9", "--no-pretrained"]
TWO = "--beside"  # with a second process, which is killed too
MAIN = (  # the door, with a cache for tables of any size
    "import sys; from xaae.sources import item_cache; item_cache.MANY = 0;"
    " from xaae.main import main; main(args=sys.argv[1:], prog_name='main.py')"
)
OF_A_RUN = ("seconds", "images_per_second", "command", "run", "repeat")  # differ from run to run: times, its folder


def start_run(folder, data, options=SMALL):
    """The process that begins or goes on with the run in `folder`, in a group of its own; it writes `folder`.log."""
    begin = [*options, "--data-root", str(data), "--out", str(folder), "--overwrite"]
    arguments = ["run", TWO, *(["--resume", str(folder)] if (folder / "items.csv").is_file() else begin)]
    with open(f"{folder}.log", "w") as log:
        command = [sys.executable, "-c", MAIN, *arguments]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def end_run(folder, data):
    """Let the run in `folder` end: seconds that this took. SystemExit if it fails."""
    began = time.perf_counter()
    _check_ended(folder, start_run(folder, data).wait())
    return time.perf_counter() - began


def _check_ended(folder, status):
    """SystemExit unless a run ended well, or was finished when it was killed: it then refuses to go on."""
    if status and f"{folder} is finished" not in Path(f"{folder}.log").read_text():
        raise SystemExit(f"the run did not end well: see {folder}.log")


def moment_of(folder):
    """What a run was doing when it was killed: the last line that it printed."""
    lines = Path(f"{folder}.log").read_text().split("\n")
    return next((line.rpartition("\r")[2].strip() for line in reversed(lines) if line.strip()), "starting")


def result_of(folder):
    """What a run says and has learned: its numbers without what differs from run to run, and the bytes of each weight.

    Not those of the files: the order in which a file names its tensors is another each time.
    """
    numbers = _without_its_own(json.loads((folder / "summary.json").read_text()))
    files = [load_file(folder / WEIGHTS[name]) for name in MODELS]
    return json.dumps(numbers, sort_keys=True), [{k: v.tobytes() for k, v in file.items()} for file in files]


def _without_its_own(value):
    """A nested value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: _without_its_own(each) for key, each in value.items() if key not in OF_A_RUN}
    return [_without_its_own(each) for each in value] if isinstance(value, list) else value


def kill_runs(home, kills, seed):
    """[(what was killed, words)] of so many kills, and whether every run ended as the undisturbed one."""
    data, rng, moments, same, number = home / "data", random.Random(seed), [], [], 0
    longest = end_run(home / "peace", data)
    shutil.rmtree(data / "xaae-items")
    wanted = result_of(home / "peace")
    while len(moments) < kills:
        folder = home / f"run{number}"
        running, pause = start_run(folder, data), rng.uniform(0, longest)
        try:
            _check_ended(folder, running.wait(pause))
            same.append(result_of(folder) == wanted)
            number += 1
            shutil.rmtree(data / "xaae-items")
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            moments.append((folder.name, moment_of(folder)))
            print(f"killed {folder.name}: {moments[-1][1]}", flush=True)
    end_run(home / f"run{number}", data)
    return moments, [*same, result_of(home / f"run{number}") == wanted]
