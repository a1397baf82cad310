"""What can be refused from the typed words alone, before PyTorch is loaded, which takes seconds.

Each is a callback of an option. The commands check again, and more, when they read what they were given.
"""

import ast
from pathlib import Path

from xaae.experiment.errors import InputError

DATA = Path(__file__).parents[1] / "data.py"  # importing it would load PyTorch
AFTER_COLON = ("folder", "medmnist")  # names of datasets that need something after them


def check_run(ctx, param, path):
    """The path of a run. InputError if it is no run folder."""
    if path is not None and not (Path(path) / "config.json").is_file():
        from xaae.experiment.run_folder import open_run  # loads pandas, which a folder that is there need not wait for

        open_run(path, needs="config.json")
    return path


def check_dataset(ctx, param, text):
    """The text of --dataset. InputError if it names no dataset and nothing on the disk."""
    names = _dataset_names()
    if text is None or text == "auto" or not names or text.partition(":")[0] in names or Path(text).exists():
        return text
    bare = [name for name in names if name not in AFTER_COLON]
    known = f"{', '.join(bare)}, auto, medmnist:NAME, or the path of a folder or CSV"
    raise InputError(f"There is no dataset {text!r}: use {known}.")


def check_window(ctx, param, text):
    """The text of --window. InputError if it is no window."""
    if text not in (None, "file", "dataset"):
        from xaae.sources.raster_scaling import parse_window  # loads OpenCV, for which the usual words need not wait

        parse_window(text)
    return text


def check_cut(ctx, param, text):
    """The text of --cut. InputError if it is no way to cut recordings."""
    if text:
        from xaae.sources.signal_tables import parse_cut  # loads SciPy, for which others need not wait

        parse_cut(text)
    return text


def _dataset_names():
    """The names that `DATASETS` of data.py holds, read off its text; [] if it is not written as a dict there."""
    for node in ast.parse(DATA.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DATASETS":
            keys = node.value.keys if isinstance(node.value, ast.Dict) else []
            return [key.value for key in keys if isinstance(key, ast.Constant)]
    return []
