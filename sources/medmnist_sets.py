"""MedMNIST's image sets (Yang et al. 2023): .npz files with arrays of pictures and labels for each split."""

from pathlib import Path

import numpy as np
import pandas as pd

from xaae.experiment.errors import InputError


def medmnist_file(name, root):
    """The `.npz` of a MedMNIST dataset under `root`, fetched by the medmnist package if it is not there."""
    import medmnist

    for path in (Path(root) / f"{name}.npz", Path(root) / name / f"{name}.npz"):
        if path.is_file():
            return path
    if name not in medmnist.INFO:
        raise InputError(f"MedMNIST has no dataset {name!r}: choose one of {', '.join(medmnist.INFO)}.")
    try:
        getattr(medmnist, medmnist.INFO[name]["python_class"])(split="train", download=True, root=str(root))
    except Exception as e:  # the package raises RuntimeError for everything, including no network
        raise InputError(
            f"{name}.npz is not under {root} and could not be fetched: connect this machine or put the file there."
        ) from e
    return Path(root) / f"{name}.npz"


def medmnist_labels(name, values):
    """Class names of MedMNIST label numbers (N, 1); numbers where the package does not know the dataset."""
    import medmnist

    if values.ndim == 2 and values.shape[1] > 1:
        raise InputError(
            f"{name} has several labels per picture, one class is needed: choose another MedMNIST dataset."
        )
    names = medmnist.INFO.get(name, {}).get("label", {})
    return [names.get(str(int(v)), str(int(v))) for v in values.ravel()]


def medmnist(root, name="pneumoniamnist", **_):
    """`medmnist:NAME`: an .npz in MedMNIST's keys, with its own three splits; path is FILE#SPLIT/INDEX."""
    path = medmnist_file(name, root)
    tables = []
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key, split in (("train", "train"), ("val", "valid"), ("test", "test")):
                label = medmnist_labels(name, arrays[f"{key}_labels"])
                paths = [f"{path}#{key}_images/{i}" for i in range(len(label))]
                tables.append(pd.DataFrame({"path": paths, "label": label, "split": split}))
    except (KeyError, ValueError, OSError) as e:
        if isinstance(e, InputError):
            raise
        raise InputError(f"{path} is no file in MedMNIST's format ({e}): fetch it again.") from e
    return pd.concat(tables, ignore_index=True)
