"""Laws of what is refused before PyTorch is loaded: at once, in one sentence, and nothing that is not wrong."""

import contextlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers.pictures import save_pictures
from helpers.places import HOME

from xaae import data
from xaae.cli import early_checks
from xaae.cli.early_checks import AFTER_COLON, _dataset_names, _picture_sets, check_dataset
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE
from xaae.experiment.run_folder import CHECKPOINT
from xaae.experiment.settings import RunSettings
from xaae.sources import class_folders
from xaae.sources.class_folders import OwnData

NO_RUN = [f"{name} nowhere" for name in ("navigate", "evaluate", "rate", "report", "app", "explain")]
NO_RUN += ["predict nowhere a.png", "audit --unknown nowhere", "explain a.png --run nowhere"]
REFUSED_AT_ONCE = {  # what the typed words, or a look at the disk, show to be wrong: a part of the sentence
    **dict.fromkeys(NO_RUN, "not a run folder"),
    **{f"{name} --dataset dragons": "no dataset" for name in ("", "run", "train", "audit", "tutorial")},
    "--size 3": "An input size of 3 pixels makes no sense",
    "train --preset smoke --dataset cifar10 --size 513": "An input size of 513 pixels makes no sense",
    "run --out main.py": "main.py is a file: give --out a folder",
    "train --out tests --overwrite": "tests holds something other than a run",
    "--out main.py/below": "main.py/below cannot be written",
    "train --dataset docs --range cat=0:90": "with --range give --arm biased too",
    "--target age --range cat=0:90": "with --range give --arm biased too",
    "--preset thesis --size 64": "32, 128 or 512 pixels, not 64",
    "train --preset thesis --first-step 2": "leave out --first-step",
    "--preset thesis --code factored": "has the plain code",
    "train --code plain --coordinates rotation": "--coordinates are part of a factored code",
    "--task severity": "--task and --unit belong to --target",
    "train --unit cm": "--task and --unit belong to --target",
    "--dataset callbacks": "No pictures were found for callbacks",
    "data callbacks": "No pictures were found for callbacks",
    "train --dataset {pictures}/left": "Nothing says the class",
    "--dataset folder:{pictures} --size 3": "An input size of 3 pixels makes no sense",
    "--dataset {pictures}/none.csv": "no column label",
    "--dataset {pictures}/one.csv": "has the one class 'a'",
    "audit --factors rotation,hat": "no factor 'hat'",
    "scan {runs}/trained --factors colour": "no factor 'colour'",
    "scan {pictures}": "is not a run folder: say by --network",
    "predict {runs}/trained nowhere.png": "There is no file or folder nowhere.png",
    "predict {runs}/trained nowhere.nii#axial/3": "There is no file or folder nowhere.nii#axial/3",
    **{
        f"{name} {{runs}}/stopped": "is not finished: if it was stopped, go on by `python main.py train --resume"
        for name in ("navigate", "scan", "explain", "evaluate", "report", "audit --unknown")
    },
}


def test_what_typed_words_show_to_be_wrong_is_refused_before_torch_is_loaded(tmp_path):
    pictures, lines = save_pictures(tmp_path / "pictures", n=2), ["import runpy, sys"]
    (pictures / "none.csv").write_text("path\nleft/000.png\n")
    (pictures / "one.csv").write_text("path,label\nleft/000.png,a\nright/000.png,a\n")
    for name, last in (("trained", "train.json"), ("stopped", CHECKPOINT)):
        (tmp_path / name / last).parent.mkdir(parents=True)
        for file in ("config.json", last):
            (tmp_path / name / file).write_text("{}")
    for words in REFUSED_AT_ONCE:
        words = words.format(pictures=pictures, runs=tmp_path)
        lines += [f"sys.argv = ['main.py', *{words.split()}]", "try: runpy.run_path('main.py', run_name='__main__')"]
        lines += ["except SystemExit as e: assert e.code == 2, sys.argv"]
    lines += ["print('loaded:', sorted({'torch', 'fastai'} & set(sys.modules)))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=HOME)
    assert done.stdout.strip().splitlines()[-1:] == ["loaded: []"], done.stdout[-500:] + done.stderr
    said = done.stderr.strip().splitlines()
    assert [part for part, s in zip(REFUSED_AT_ONCE.values(), said, strict=True) if part not in s] == []


def test_only_small_data_are_looked_at_before(tmp_path, monkeypatch):
    """Links are followed, and files of a list are counted; what they are named is not."""
    seen, folder = [], save_pictures(tmp_path / "pictures", n=3)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "left").symlink_to(folder)
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(f"pictures/left/{i:03d}.png,a\n" for i in range(3)))
    monkeypatch.setattr(class_folders, "own_data", lambda path, *_: seen.append(path) or OwnData(pd.DataFrame()))
    paths = [folder, tmp_path / "linked", tmp_path / "list.csv"]
    for most in ({"FEW": 3}, {"HEAVY": 3000}, {}):
        with monkeypatch.context() as patch:
            for name, number in most.items():
                patch.setattr(early_checks, name, number)
            for path in paths:
                with pytest.raises(InputError) if not most else contextlib.nullcontext():
                    early_checks.check_own(RunSettings.from_options(dataset=str(path)))
    assert seen == paths


def test_a_look_before_refuses_nothing_that_is_meant_otherwise(tmp_path, monkeypatch):
    """The size of signals is asked for by --length, and a bare "folder" is the data root."""
    signals = tmp_path / "signals"
    signals.mkdir()
    for i in range(4):
        np.save(signals / f"{i}.npy", np.sin(np.arange(64) / (i + 1))[None])
    (signals / "list.csv").write_text("path,label\n" + "".join(f"{i}.npy,{'ab'[i % 2]}\n" for i in range(4)))
    early_checks.check_own(RunSettings.from_options(dataset=str(signals / "list.csv"), size=8))
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    early_checks.check_own(RunSettings.from_options(dataset="folder"))


def test_the_names_of_datasets_are_read_as_data_has_them():
    assert _dataset_names() == list(data.DATASETS)
    named = [name for name in data.DATASETS if name not in AFTER_COLON]
    assert _picture_sets() == [name for name in named if data.kind_of_dataset(name) is PICTURE]
    assert all(check_dataset(None, None, name) == name for name in ("auto", "medmnist:x", str(HOME), None))
