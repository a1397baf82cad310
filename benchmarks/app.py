"""How long a move of a slider takes in the page of `app RUN`: from the input event to the changed picture.

Of the code's first slider, and of the first factor's slider, which changes the real picture and asks every model.

python benchmarks/app.py runs/0001-synthpets-biased-s0 --moves 60
Needs gradio, playwright and a Chromium. The time is taken in the page by performance.now(), with the keyboard.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OFF = ("background-networking", "component-update", "sync", "gpu")
ARGUMENTS = ["--no-sandbox", *(f"--disable-{name}" for name in OFF)]
SERVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs of a shell
from xaae.experiment.machine import quieten
quieten()
from xaae.app.serving import serve_explorer
serve_explorer(sys.argv[1], int(sys.argv[2]), browser=False)
"""
CODE = ("#slider-0", "#stage", ".now img")  # a slider; what changes with it; the picture there
FACTOR = ("#factor-rotation", "#factors-look", ".changed img")
WATCH = """([slider, stage, picture]) => {
  const now = () => document.querySelector(`${stage} ${picture}`).src;
  const state = window.watched = {times: [], frames: [now()], began: null};
  document.querySelector(`${slider} input[type=range]`).addEventListener(
    "input", () => { state.began = performance.now() }, true);
  new MutationObserver(() => {
    if (state.began === null || now() === state.frames.at(-1)) return;
    state.times.push(performance.now() - state.began);
    state.frames.push(now());
    state.began = null;
  }).observe(document.querySelector(stage), {subtree: true, childList: true, attributes: true});
}"""


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(run, port=None):
    """(address, process) of the page of a run, in a process of its own that ends with the block."""
    port = port or free_port()
    command = [sys.executable, "-u", "-c", SERVER, str(run), str(port)]
    process = subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line.startswith("Explore:"):
            raise RuntimeError(f"The page did not start: {line}{process.communicate()[1]}")
        yield f"http://127.0.0.1:{port}/", process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(20)


@contextmanager
def browser():
    """A headless Chromium that asks nobody anything."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


def ready(page, address):
    """Open the explorer in `page` and wait until it can be used."""
    page.goto(address)
    page.wait_for_selector("#slider-0 input[type=range]", timeout=60_000)
    page.wait_for_selector("#stage .now img")
    return page


def to_and_fro(n):
    """n keys that move a slider by its smallest step, 25 to the right, 25 to the left, and so on."""
    return ["ArrowRight" if i % 50 < 25 else "ArrowLeft" for i in range(n)]


def moves(page, keys, watched=CODE):
    """Move a slider by these n keys: (milliseconds [n], addresses of the frames [n + 1]). watched: CODE or FACTOR."""
    page.evaluate(WATCH, list(watched))
    page.locator(f"{watched[0]} input[type=range]").focus()
    for i, key in enumerate(keys):
        page.keyboard.press(key)
        page.wait_for_function("i => watched.times.length > i", arg=i, timeout=20_000)
    return page.evaluate("[watched.times, watched.frames]")


def main():
    """Print median and 95th percentile of the time from the input event to the changed picture, for both sliders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--moves", type=int, default=60)
    known = parser.parse_args()
    with served(known.run.resolve()) as (address, _), browser() as chromium:
        page = ready(chromium.new_page(), address)
        for name, watched in {"code": CODE, "factor": FACTOR}.items():
            times = moves(page, to_and_fro(known.moves + 5), watched)[0][5:]
            rare = statistics.quantiles(times, n=20, method="inclusive")[-1]
            print(
                f"{name}, {len(times)} moves: median {statistics.median(times):.0f} ms, 95th percentile {rare:.0f} ms"
            )
    if hasattr(os, "getloadavg"):
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
