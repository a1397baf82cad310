"""Synthbeats: single heartbeats drawn by a seeded generator, every factor of every beat known.

Each beat is one channel in mV at 250 Hz: a P wave, a QRS complex and a T wave, with beats before and after that reach
into the window where the heart is fast. The classes differ in the shape of the QRS complex alone: smooth, or notched
as in a bundle branch block, with the same energy. Widths, rates, amplitudes, places and noise are drawn from the same
distributions for both; the group is the heart that a beat is of, which has an electrical axis of its own.
"""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from xaae.experiment.errors import InputError
from xaae.experiment.manifest import locked

VERSION = 1
RATE, SAMPLES, UNIT, CHANNEL = 250.0, 192, "mV", "II"  # 0.77 s around the complex
CENTRE = 0.42  # of the window: where the R peak is, but for its own shift
CLASSES = {"smooth": (0.0, 0.0), "notched": (0.45, 0.75)}  # depth of the notch, of the height of the R wave
HEARTS = 24  # that beats are drawn of, half of them of each class
CONTENTS = {"beats.npz", "table.csv", "settings.json"}
RANGES = {  # lowest and highest value of every uniform factor: amplitudes in mV, times in ms, rates in beats a minute
    "qrs_ms": (90.0, 140.0),
    "r_mv": (0.75, 1.15),
    "q_mv": (0.04, 0.14),
    "s_mv": (0.08, 0.28),
    "p_mv": (0.06, 0.16),
    "t_mv": (0.14, 0.34),
    "notch_place": (-0.5, 0.5),
    "pr_ms": (120.0, 175.0),
    "qt_ms": (340.0, 420.0),
    "heart_rate": (60.0, 105.0),
    "shift_ms": (-20.0, 20.0),
    "baseline_mv": (-0.05, 0.05),
    "noise_mv": (0.008, 0.02),
}
AXIS = (0.9, 1.1)  # of a heart: what all waves of it are multiplied by
WAVE_MS = {"p": 20.0, "t": 38.0}  # standard deviations


def draw_beat_factors(n, seed=0):
    """The table alone: `n` rows with label, group, notch and every factor of RANGES. Row i depends on (seed, i) only.

    ValueError for n < 2.
    """
    if n < 2:
        raise ValueError(f"n={n} beats cannot be both smooth and notched: ask for 2 or more.")
    low, high = np.array(list(RANGES.values())).T
    share = np.stack([np.random.default_rng([seed, i]).random(len(RANGES) + 1) for i in range(n)])
    table = pd.DataFrame(low + (high - low) * share[:, 1:], columns=list(RANGES))
    label = np.array(list(CLASSES))[np.arange(n) % 2]
    bounds = np.array([CLASSES[name] for name in label])
    notch = bounds[:, 0] + np.ptp(bounds, axis=1) * share[:, 0]
    heart = np.arange(n) % HEARTS
    names = {"label": label, "group": [f"heart {i + 1:02d}" for i in heart], "notch": notch}
    axis = np.random.default_rng([seed, VERSION, HEARTS]).uniform(*AXIS, HEARTS)[heart]
    return pd.concat([pd.DataFrame(names), table], axis=1).assign(axis=axis, seed=seed, item=np.arange(n))


def draw_beat(row):
    """One row (a mapping) of the table as a signal: float32 (1, SAMPLES) in mV."""
    at = (np.arange(SAMPLES) / SAMPLES - CENTRE) * SAMPLES / RATE * 1000 - row["shift_ms"]  # ms from the R peak
    cycle = 60_000 / row["heart_rate"]
    beats = sum(_beat(at - cycle * k, row) for k in (-1, 0, 1))
    noise = np.random.default_rng([row["seed"], row["item"], SAMPLES]).standard_normal(SAMPLES)
    return (row["axis"] * beats + row["baseline_mv"] + row["noise_mv"] * noise)[None].astype(np.float32)


def _beat(at, row):
    """One beat at times `at` (ms from its R peak), in mV."""
    wave = lambda height, middle, width: height * np.exp(-(((at - middle) / width) ** 2) / 2)  # noqa: E731
    width = row["qrs_ms"] / 6  # of the R wave; the whole complex is six of them long, with Q and S
    plain = wave(row["r_mv"], 0, width)
    notched = plain - wave(row["notch"] * row["r_mv"], row["notch_place"] * width, 0.45 * width)
    energy = [np.square(each).sum() for each in (plain, notched)]
    complex_ = notched * np.sqrt(energy[0] / energy[1]) if energy[1] > 0 else notched
    complex_ -= wave(row["q_mv"], -2.2 * width, 0.8 * width) + wave(row["s_mv"], 2.8 * width, width)
    others = wave(row["p_mv"], -row["pr_ms"], WAVE_MS["p"]) + wave(row["t_mv"], row["qt_ms"] - 110, WAVE_MS["t"])
    return complex_ + others


def draw_beats(n, seed=0):
    """Draw `n` beats: float32 (n, 1, SAMPLES) in mV, and their table of factors. ValueError for n < 2."""
    table = draw_beat_factors(n, seed)
    return np.stack([draw_beat(row) for row in table.to_dict("records")]), table


def synthbeats(root, items=None, seed=0, **_):
    """The drawn default of signals as a dataset's table, its beats drawn once and kept under `root`.

    InputError where they cannot be kept there.
    """
    n = items or 2000
    folder = Path(root) / f"synthbeats-{n}-{seed}"
    try:
        table = build_synthbeats(folder, n, seed)
    except (OSError, ValueError) as e:
        raise InputError(f"The drawn beats cannot be kept in {folder} ({e}): choose another --data-root.") from e
    return table.assign(path=[f"{folder / 'beats.npz'}#X/{i}" for i in range(len(table))])


def build_synthbeats(folder, n=2000, seed=0):
    """Write `beats.npz`, `table.csv` and `settings.json` to `folder`; return the table.

    A folder that holds these settings already is read, not drawn again; synthbeats of other settings are replaced.
    ValueError if `folder` holds anything else, and for n < 2.
    """
    folder = Path(folder).resolve()
    settings = {"dataset": "synthbeats", "version": VERSION, "n": n, "seed": seed}
    if not _holds(folder, settings):
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not _holds(folder, settings):  # drawn meanwhile by another process
                _draw_beside(folder, settings)
    return pd.read_csv(folder / "table.csv")


def _holds(folder, settings):
    """Whether `folder` holds the beats of `settings`; ValueError if writing there would replace anything else."""
    names = {name for name in os.listdir(folder) if name[0] != "."} if folder.exists() else set()
    saved = json.loads((folder / "settings.json").read_text()) if CONTENTS <= names else {}
    if saved != settings and names and (names != CONTENTS or saved.get("dataset") != settings["dataset"]):
        raise ValueError(f"{folder} holds something other than synthbeats: name a new or empty folder.")
    return saved == settings


def _draw_beside(folder, settings):
    """Draw everything beside `folder`, then give it the folder's name."""
    with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as stage:
        new = Path(stage) / "new"
        new.mkdir()
        values, table = draw_beats(settings["n"], settings["seed"])
        about = {"fs": RATE, "names": np.array([CHANNEL]), "units": np.array([UNIT])}
        np.savez(new / "beats.npz", X=values, y=table.label.to_numpy(str), **about)
        table.to_csv(new / "table.csv", index=False)
        (new / "settings.json").write_text(json.dumps(settings, indent=2))
        if folder.exists():
            os.replace(folder, Path(stage) / "old")
        os.replace(new, folder)
