"""What grows with the number of items, their size and the code: seconds and peak memory, each in a process of its own.

python benchmarks/run.py growth --repeats 5           all of it
python -m benchmarks.growth items 2000                one measurement, as JSON: seconds, megabytes

items      `main.py train` on so many drawn PNG files of 32 pixels, until the AAE alone has seen 20,000
size       training steps of the AAE on pictures of so many pixels a side
dims       the same at 64 pixels with so many dimensions of the code
samples    training steps of the AAE on signals of so many samples in one channel

Memory is what a process holds of its own (RssAnon of Linux; the peak of everything elsewhere): pages of the item cache,
which the system takes back whenever it needs them, are not counted.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from xaae.benchmarks.pairs import compared
from xaae.explain.process.limits import memory_held, peak_memory

STEPS = {
    "items": (200, 2_000, 20_000),
    "size": (64, 128, 256),
    "dims": (16, 64, 256),
    "samples": (1_000, 10_000, 100_000, 1_000_000),
}
SAYS = {"items": "items to train on", "size": "pixels a side", "dims": "dimensions of the code", "samples": "samples"}
SIDE, PAUSE = 32, 0.02  # pixels of the files; seconds between two looks at the memory
PICTURES, SIGNALS, TIMES = 32, 2, 5  # items in a batch; training steps that are timed, after one that is not
TRAIN = "--preset smoke --baseline-epochs 0 --arm biased --overwrite --size".split()
SEEN = STEPS["items"][-1]  # items that a training sees, however many there are, as `train` counts its epochs by itself


@contextlib.contextmanager
def watched_memory():
    """Inside, the most megabytes that this process held are looked for: {"megabytes": number}."""
    held, ended = {"megabytes": 0.0}, threading.Event()

    def look():
        held["megabytes"] = max(held["megabytes"], memory_held(os.getpid(), "RssAnon") / 1e6)

    def watch():
        while not ended.wait(PAUSE):
            look()

    look()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield held
    finally:
        ended.set()
        watching.join()
        held["megabytes"] = held["megabytes"] or peak_memory()


def draw_files(folder, number):
    """So many PNG files of two classes, smooth noise of which no two are alike."""
    import cv2

    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
    for i in range(number):
        coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
        picture = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / ("cat", "dog")[i % 2] / f"{i:06}.png"), picture)


def train_on(number):
    """Seconds that `main.py train` takes for so many items, all that it does before and after included."""
    from xaae.main import main

    with tempfile.TemporaryDirectory(prefix="growth-") as place:
        place = Path(place)
        draw_files(place / "items", number)
        asked = ["--dataset", str(place / "items"), "--items", str(number)]  # a preset may use fewer
        asked += ["--epochs", str(max(1, SEEN // number)), "--data-root", str(place)]  # its cache goes with the items
        began = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            main(
                args=["train", *asked, *TRAIN, str(SIDE), "--out", str(place / "run")],
                prog_name="main.py",
                standalone_mode=False,
            )
        return time.perf_counter() - began


def step_on(what, number):
    """Seconds of one training step of the AAE, the mean of a few, where `what` is so large."""
    import torch
    from fastai.torch_core import default_device

    from xaae import model as models
    from xaae.benchmarks.training_speed import BareSteps, plain_aae
    from xaae.experiment.device import fast_precision, fastest_layout

    if what == "samples":
        aae, x = models.AAE(number, 1, kind="signal"), torch.rand(SIGNALS, 1, number)
    else:
        size, dims = (number, 16) if what == "size" else (64, number)
        aae, x = plain_aae(size, dims), torch.rand(PICTURES, 3, size, size)
    device = default_device()
    x = x.to(device, memory_format=fastest_layout(x))
    bare = BareSteps(aae, x, torch.arange(len(x), device=device) % 2, fast_precision(device))
    bare()
    began = time.perf_counter()
    bare(TIMES)
    return (time.perf_counter() - began) / TIMES


def measure(what, number):
    """{"seconds", "megabytes"} of one measurement, in this process."""
    with watched_memory() as held:
        seconds = train_on(number) if what == "items" else step_on(what, number)
    return {"seconds": seconds, **held}


def measure_apart(what, number):
    """The same in a new process. RuntimeError with its last words if it fails."""
    command = [sys.executable, "-m", "xaae.benchmarks.growth", what, str(number)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} {number} could not be measured: {''.join(done.stderr.strip().splitlines()[-1:])}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def growth(size, precision, repeats, steps=None):
    """Comparisons of each larger step with the smallest one: of seconds, and of megabytes."""
    del size, precision  # sizes are its own; a process chooses what is fast here
    found = []
    for what, numbers in (steps or STEPS).items():
        measured = {number: [] for number in numbers}
        for _ in range(repeats):  # side by side: each round has all of them
            for number in numbers:
                measured[number].append(measure_apart(what, number))
        least, *larger = numbers
        for number in larger:
            says = f"{number:,} {SAYS[what]} / {least:,}"
            for of, unit in (("seconds", "s"), ("megabytes", "MB")):
                pairs = [(a[of], b[of]) for a, b in zip(measured[number], measured[least], strict=True)]
                found.append(compared(f"growth-{what}-{number}-{of}", f"{of}: {says}", pairs, unit))
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
