"""Are two runs the same, to the last bit?"""

import json

import pandas as pd
from safetensors.torch import load_file


def numbers_of(folder):
    """What training says of a run, without its seconds."""
    numbers = json.loads((folder / "train.json").read_text())
    timed = ("seconds", "images_per_second")
    return [{k: v for k, v in (numbers[name] or {}).items() if k not in timed} for name in ("aae", "baseline", "items")]


def check_same_run(a, b):
    """Fails unless two runs have the same weights, numbers and histories, and nothing else in their folders."""
    assert numbers_of(a) == numbers_of(b)
    names = {path.relative_to(a).as_posix() for path in a.rglob("*") if path.is_file()}
    assert names == {path.relative_to(b).as_posix() for path in b.rglob("*") if path.is_file()}
    assert "model.safetensors" in names and not any(name.startswith("checkpoints") for name in names)
    for name in (name for name in names if name.endswith(".safetensors")):
        ours, theirs = load_file(a / name), load_file(b / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not ours[key].equal(theirs[key])] == [], name
    for name in (name for name in names if "history" in name):
        ours, theirs = (pd.read_csv(folder / name).drop(columns="time") for folder in (a, b))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
