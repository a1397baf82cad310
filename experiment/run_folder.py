"""The run folder, the only corridor between commands: made, filled, read."""

import json
import math
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from xaae.experiment import manifest
from xaae.experiment.errors import InputError
from xaae.experiment.machine import command_line
from xaae.experiment.planes import lay_flat
from xaae.experiment.tasks import UNKNOWN
from xaae.experiment.text_tables import read_texts, typed_column
from xaae.experiment.vocabulary import COLUMNS, SPLITS
from xaae.experiment.whole_file import whole_file

TEXTS = ("path", "label", "split", "group", "factor")  # columns of items.csv that are texts whatever they look like
MOST_LETTERS = 40  # of a text in a file's name: a letter takes up to 4 of 255 bytes
CHECKPOINT = "checkpoints/training.safetensors"  # what a training that was stopped goes on from
SIDE_CHECKPOINT = "checkpoints/side.safetensors"  # the same of the parts that a second process trains
LAST = ("train.json", "tutorial.json")  # written when training, or the tutorial, is done


def next_name(parent, name):
    """`NNNN-name` with the next free number under `parent`."""
    found = [int(m[1]) for p in Path(parent).glob("*") if (m := re.match(r"(\d{4})-", p.name))]
    return f"{max(found, default=0) + 1:04d}-{name}"


def next_free(folder):
    """The folder that is called like a numbered one, `NNNN-name`, but with the next free number."""
    return folder.parent / next_name(folder.parent, folder.name.partition("-")[2])


def file_stem(text):
    """Any text as part of a file name: without characters that a file name cannot have, short enough for every disk."""
    return re.sub(r"[^\w-]+", "-", str(text))[:MOST_LETTERS]


def is_run(folder):
    """Does `folder` hold a run of this project, finished or not?"""
    try:
        config = folder / "config.json"
        return config.is_file() and {"dataset", "arm", "seed", "class_ranges"} <= set(json.loads(config.read_text()))
    except (OSError, ValueError, TypeError):
        return False


def plan_folder(out, name, overwrite=False):
    """The folder a run will write to; nothing is made yet. InputError if it holds something that must not be lost."""
    folder = Path(out) if out else Path("runs") / next_name("runs", name)
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"{folder} is a file: give --out a folder.")
    _check_free(folder, overwrite)
    check_writable(folder)
    return folder


def _check_free(folder, overwrite):
    """InputError if a folder holds something that must not be lost."""
    if folder.is_dir() and set(os.listdir(folder)) - {manifest.FILE}:
        if not is_run(folder):
            raise InputError(f"{folder} holds something other than a run: give --out a new or empty folder.")
        if not overwrite:
            state = "a run" if any((folder / last).exists() for last in LAST) else "an unfinished run"
            raise InputError(f"{folder} holds {state} already: choose another --out, or add --overwrite.")


def check_writable(folder, option="--out"):
    """InputError unless `folder`, or the nearest folder above it that exists, can be written."""
    nearest = next(p for p in [folder, *folder.absolute().parents] if p.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise InputError(f"{folder} cannot be written ({nearest} does not allow it): choose another {option}.")


def claim_folder(planned):
    """Make a numbered folder that nobody else has: the planned one, or the next that is free.

    InputError if the disk refuses.
    """
    try:
        planned.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                planned.mkdir()
                return planned
            except FileExistsError:
                planned = next_free(planned)
    except OSError as e:
        raise InputError(f"{planned} cannot be written ({e.strerror}): choose another --out.") from e


@contextmanager
def new_run(folder, overwrite=False, said=print):
    """Have a run folder for oneself alone, cleared of an earlier run's files and of nothing else.

    said(line): is told what stays there that is not this project's. InputError if the folder holds something that must
    not be lost, if another command writes there, or if the disk refuses; then nothing is left of what was begun, unless
    the training can go on from a checkpoint.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror}): choose another --out.") from e
    try:
        with manifest.replacing(folder, lambda: _check_free(folder, overwrite), CHECKPOINT):
            if others := manifest.other_files(folder):
                said(f"Files in {folder} that xAAE did not write stay: {', '.join(others)}.")
            yield folder
    finally:
        if not set(os.listdir(folder)) - {manifest.FILE}:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def resumed_run(folder):
    """Have the folder of a training that was stopped for oneself alone, to go on with it.

    InputError if it is no such folder, if the training ended, or if another command writes there.
    """
    folder = Path(folder)
    with manifest.continuing(folder):
        open_run(folder, needs="config.json")
        if (folder / "train.json").is_file():
            raise InputError(f"{folder} is trained already: go on with `python main.py navigate {folder}`.")
        if not (folder / "items.csv").is_file():
            raise InputError(
                f"The training of {folder} was stopped before anything was learned: start it again with --out {folder}"
                " --overwrite."
            )
        yield folder


def open_run(folder, needs="model.safetensors"):
    """(folder, its config) of a run that was trained. InputError if it is none."""
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} is not a run folder: it holds no config.json; make one with `python main.py train`."
        )
    config = read_json(folder / "config.json")
    if experiment := config.get("experiment"):
        raise InputError(
            f"{folder} holds the experiment `{experiment}`, not a run: make one with `python main.py train`."
        )
    if not (folder / needs).is_file():
        kept = (folder / CHECKPOINT).is_file()
        again = command_line(["train", "--resume", folder]) if kept else "python main.py train"
        on = f"go on by `{again}`" if kept else f"run `{again}` again"
        raise InputError(f"{folder} holds no {needs}: its training did not finish; {on}.")
    return folder, config


def _check_file(path):
    """The path, if a file is there. OSError for none and for a pipe, at which reading would wait for ever."""
    if Path(path).exists() and not Path(path).is_file():
        raise OSError("it is no file")
    return Path(path)


def read_json(path):
    """The object in a JSON file. InputError if it is broken."""
    try:
        return json.loads(_check_file(path).read_text())
    except (OSError, ValueError) as e:
        raise InputError(f"{path} cannot be read ({e}): run the command that made it again.") from e


def plain_values(value):
    """`value` as JSON knows it: NumPy numbers as numbers, arrays as lists, paths as text, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(k): plain_values(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain_values(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def write_json(path, value):
    """Write `value` whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(plain_values(value), indent=2) + "\n")


def write_arrays(path, **arrays):
    """Write arrays to a compressed .npz, whole or not at all."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part, open(part, "wb") as f:
        np.savez_compressed(f, **arrays)


def read_arrays(path):
    """The arrays of an .npz file by name. InputError if it is broken or missing."""
    try:
        with np.load(_check_file(path), allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as e:
        raise InputError(f"{path} cannot be read ({e}): run the command that made it again.") from e


def read_items(folder):
    """The table of a run's items, texts kept as texts. InputError if it is not the one that training wrote."""
    path = Path(folder) / "items.csv"
    table = read_texts(path)
    table = table.assign(**{name: typed_column(table[name]) for name in table if name not in TEXTS})
    if fault := _fault_of_items(table, _counted_items(folder), _known_classes(folder)):
        raise InputError(f"{path} is not what training wrote, for {fault}: put that file back, or train again.")
    return table


def _fault_of_items(table, counted, classes):
    """What is wrong with the items of a run, in a phrase; "" if nothing is.

    counted: how many training counted, None if unknown. classes: those of the run, () if unknown.
    """
    missing = [name for name in COLUMNS if name not in table]
    if missing or table.empty:
        return f"it has no column {' and '.join(missing)}" if missing else "it holds no items"
    if counted not in (None, len(table)):
        return f"it holds {len(table)} items, and training used {counted}"
    if len(blank := table.index[table[["path", "label", "split"]].isin(["", None]).any(axis=1)]):
        return f"its row {blank[0]} lacks a path, a label or a split"
    if odd := sorted(set(table.split) - set(SPLITS)):
        return f"it has the split {odd[0]!r}"
    if classes and (odd := sorted(set(table.label) - set(classes) - {UNKNOWN})):
        return f"it has the class {odd[0]!r}, which the run does not know"
    if not (pd.api.types.is_numeric_dtype(table.value) and table.value.notna().all()):
        return "its column value holds something other than numbers"
    return ""


def _counted_items(folder):
    """How many items training used, as train.json says; None if it does not."""
    path = Path(folder) / "train.json"
    items = read_json(path).get("items") if path.is_file() else None
    counts = [items.get(name) for name in SPLITS] if isinstance(items, dict) else []
    return sum(counts) if counts and all(isinstance(n, int) for n in counts) else None


def _known_classes(folder):
    """The classes of a run, as config.json says; () if it does not."""
    path = Path(folder) / "config.json"
    classes = read_json(path).get("classes") if path.is_file() else None
    return tuple(map(str, classes)) if isinstance(classes, list) else ()


def _as_floats(x):
    """Items (..., C, *places) as they are, in single precision."""
    return np.asarray(x, np.float32)


def as_pictures(x):
    """Frames (..., C, H, W) in [0, 1] -> uint8 (..., H, W, C) with 1 or 3 channels, as pictures are kept in a run."""
    x = np.moveaxis(np.asarray(x), -3, -1)
    x = x[..., :3] if x.shape[-1] >= 3 else x[..., :1]
    return np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)


def as_planes(x):
    """Volumes (..., C, D, H, W) in [0, 1] as pictures (..., H, 3 W, 1) of their middle slices, by `planes.lay_flat`."""
    return as_pictures(lay_flat(np.asarray(x)[..., :1, :, :, :]))


STORED = {  # kind -> how items are kept in a run
    "signal": _as_floats,
    "picture": as_pictures,
    "volume": as_planes,
}


def as_stored(x, kind):
    """Items or frames x (..., C, *places) in [0, 1] of a Kind as they are kept in a run folder."""
    return STORED[kind.name](x)
