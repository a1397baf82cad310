"""The user's own items: one folder for each class, or a CSV file that lists paths and labels."""

from pathlib import Path

import pandas as pd
from fastai.data.transforms import get_image_files

from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import SPLITS


def folder(root, name="", **_):
    """`folder:PATH`: one folder per class, or a CSV with the columns path, label and, if you like, split and group."""
    path = Path(name or root)
    if path.suffix == ".csv" and path.is_file():
        return _table_of_csv(path)
    if not path.is_dir():
        raise InputError(f"There is no folder or CSV file {path}: give one that exists.")
    images = sorted(get_image_files(path))
    nested = [p for p in images if p.parent != path]
    return pd.DataFrame({"path": nested, "label": [p.relative_to(path).parts[0] for p in nested]}, dtype=object)


def _table_of_csv(path):
    """A table of a CSV file; relative paths count from the file's own folder."""
    try:
        table = pd.read_csv(path, dtype={"path": str, "label": str, "split": str, "group": str})
    except (ValueError, UnicodeDecodeError) as e:
        raise InputError(f"{path} cannot be read as a CSV file ({e}): save it as UTF-8 text with commas.") from e
    if missing := {"path", "label"} - set(table.columns):
        raise InputError(f"{path} has no column {' and '.join(sorted(missing))}: name its columns path and label.")
    if "split" in table and (odd := set(table.split.dropna()) - set(SPLITS)):
        raise InputError(f"{path} has the split {sorted(odd)[0]!r}: use only {', '.join(SPLITS)}.")
    return table.dropna(subset=["path", "label"]).assign(path=lambda t: [path.parent / p for p in t.path])
