"""Kill `python main.py` in each of its stages, let it go on, and see whether it ends as one left in peace.

`python -m benchmarks.resume --train --kills 20`: drawn pictures, both models, everything up to the report. A third of
the kills is aimed at each of STAGES, in random order; each comes a random share of the time after its stage began that
the stage took undisturbed. A run that passes the stage before its kill is compared, and the next one is aimed at.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
from safetensors.numpy import load_file

from xaae.cli.run import WALKING
from xaae.experiment.vocabulary import MODELS, WEIGHTS
from xaae.sources.item_cache import FOLDER, MANY
from xaae.sources.synthpets import build_synthpets

HOME = Path(__file__).resolve().parents[1]
ITEMS = MANY + 40  # as many as are kept in the cache
SIDE = 512  # pixels of a drawn picture, which is then enlarged
ENLARGED = 3  # times: decoding all of them takes some seconds
SMALL = ["--preset", "smoke", "--epochs", "30", "--baseline-epochs", "2", "--starts", "4", "--random-directions", "9"]
SMALL += ["--no-pretrained", "--arm", "biased"]
TWO = "--beside"  # with a second process, which is killed too
STAGES = ("building of the cache", "training", "navigation")
LOOK = 0.01  # seconds between two looks at what a run is doing
OF_A_RUN = ("seconds", "images_per_second", "command", "run", "repeat")  # differ from run to run: times, its folder


def large_pictures(home):
    """A folder of drawn cats and dogs under `home` that are large, so that a kill can hit the building of the cache."""
    drawn, folder = home / "drawn", home / "pictures"
    for path, label in build_synthpets(drawn, ITEMS, SIDE)[["path", "label"]].itertuples(index=False):
        (folder / label).mkdir(parents=True, exist_ok=True)
        picture = cv2.resize(cv2.imread(str(drawn / path)), None, fx=ENLARGED, fy=ENLARGED)
        cv2.imwrite(str(folder / label / Path(path).name), picture)
    return folder


def start_run(folder, options=()):
    """The process that begins or goes on with the run in `folder`, in a group of its own; it writes `folder`.log.

    options: of a run that begins.
    """
    begin = [*SMALL, *options, "--out", str(folder), "--overwrite"]
    arguments = ["run", TWO, *(["--resume", str(folder)] if (folder / "items.csv").is_file() else begin)]
    with open(f"{folder}.log", "w") as log:
        command = [sys.executable, str(HOME / "main.py"), *arguments]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _check_ended(folder, status):
    """SystemExit unless a run ended well, or was finished when it was killed: it then refuses to go on."""
    if status and f"{folder} is finished" not in Path(f"{folder}.log").read_text():
        raise SystemExit(f"the run did not end well: see {folder}.log")


def stage_of(folder, data, process):
    """Which of STAGES the run in `folder` is in, by what is on the disk and what it printed; None between them.

    data: where the cache is. process: the number of the process, whose name its unfinished files have.
    """
    printed = Path(f"{folder}.log").read_text()
    stages = {
        "building of the cache": any((data / FOLDER).glob(f"*.items.{process}.part")),
        "training": "\nTraining " in printed and not (folder / "train.json").is_file(),
        "navigation": WALKING in printed and not (folder / "navigate.json").is_file(),
    }
    return next((stage for stage, now in stages.items() if now), None)


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


def stage_seconds(folder, options, data):
    """Seconds that each stage of a run takes that is left in peace: {stage: seconds}. SystemExit if one is not seen."""
    running, seconds, before = start_run(folder, options), Counter(), time.perf_counter()
    while running.poll() is None:
        stage = stage_of(folder, data, running.pid)
        time.sleep(LOOK)
        seconds[stage] += time.perf_counter() - before
        before = time.perf_counter()
    _check_ended(folder, running.wait())
    if missing := set(STAGES) - set(seconds):
        raise SystemExit(f"not seen in {folder}: {', '.join(missing)}")
    return {stage: seconds[stage] for stage in STAGES}


def was_killed(running, folder, data, stage, pause):
    """Kill a run so many seconds after it began a stage; False if it ended first, or the stage did."""
    is_there = lambda: stage_of(folder, data, running.pid) == stage  # noqa: E731
    while running.poll() is None and not is_there():
        time.sleep(LOOK)
    moment = time.perf_counter() + pause
    while running.poll() is None and is_there():
        if time.perf_counter() >= moment:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            return True
        time.sleep(LOOK)
    _check_ended(folder, running.wait())
    return False


def _empty(folder):
    """An empty folder in the place of one, such as that of the caches: the next run decodes and measures again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _ends_alike(folder, wanted, data):
    """Did a run that has ended come out as `wanted`? What it kept in `data` is removed for the next one."""
    alike = result_of(folder) == wanted
    print(f"{folder.name} ended {'as' if alike else 'NOT as'} the undisturbed one", flush=True)
    _empty(data)
    return alike


def kill_runs(home, kills, seed):
    """{stage: number of kills}, and whether every run ended as the undisturbed one, in a list."""
    data, rng, same = _empty(home / "data"), random.Random(seed), []
    options = ["--dataset", str(large_pictures(home)), "--data-root", str(data)]
    longest = stage_seconds(home / "peace", options, data)
    print("in peace:", ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in longest.items()), flush=True)
    wanted, folder = result_of(home / "peace"), home / "run0"
    _empty(data)
    aims = [STAGES[i % len(STAGES)] for i in range(kills)]
    rng.shuffle(aims)
    for stage in aims:
        while not was_killed(start_run(folder, options), folder, data, stage, rng.uniform(0, longest[stage])):
            same.append(_ends_alike(folder, wanted, data))
            folder = home / f"run{len(same)}"
        print(f"killed {folder.name} in the {stage}: {moment_of(folder)}", flush=True)
    _check_ended(folder, start_run(folder, options).wait())
    return Counter(aims), [*same, _ends_alike(folder, wanted, data)]
