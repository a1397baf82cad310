"""CIFAR-10 as it lies on people's disks: torchvision's folder of batches, or a folder of pictures for each class."""

from functools import lru_cache
from pathlib import Path

import pandas as pd

from xaae.experiment.errors import InputError
from xaae.sources.file_contents import Format, Raster

FOLDER = "cifar-10-batches-py"  # torchvision's
NAMES = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck", "plane", "car"}
HELD = ("test", "valid", "val")  # what the folder of the pictures that are held out may be called


def find_cifar10(root):
    """The folder of a CIFAR-10 copy that is `root` or lies in it; None if there is none."""
    root = Path(root).absolute()
    places = [root, *(root / name for name in (FOLDER, "cifar10", "CIFAR10", "cifar-10", "CIFAR-10"))]
    places += [place / FOLDER for place in places[2:]]
    return next((p for p in places if p.is_dir() and (p.name == FOLDER or _is_sorted(p))), None)


def _is_sorted(folder):
    """Does `folder` hold `train/CLASS/`, the classes CIFAR-10's?"""
    train = folder / "train"
    names = {p.name.lower() for p in train.iterdir() if p.is_dir()} if train.is_dir() else set()
    return len(names) > 1 and names <= NAMES


def cifar10(root, **_):
    """CIFAR-10 from a copy under `root`, fetched there by torchvision if there is none; its test part is `valid`.

    Both layouts give the columns path, label and split; a folder without a test part has no split of its own.
    InputError for a copy that is broken, or that cannot be had.
    """
    folder = find_cifar10(root) or _fetch(root)
    return _of_batches(folder) if folder.name == FOLDER else _of_pictures(folder)


def _fetch(root):
    """The folder of batches that torchvision fetches, or unpacks from the archive that lies in `root`."""
    from torchvision.datasets import CIFAR10  # loads PyTorch, for which other formats need not wait

    try:
        CIFAR10(root, download=True)
    except Exception as e:  # whatever a download, a disk or an archive can raise: one cure
        raise InputError(
            f"CIFAR-10 is not under {root} and could not be fetched there ({type(e).__name__}: {e}): connect this"
            f" machine, put the folder {FOLDER} or cifar10/train/CLASS/*.png there, or use --dataset synthpets."
        ) from e
    return Path(root).absolute() / FOLDER


@lru_cache(maxsize=2)
def _read(folder, part):
    """(pixels (N, 32, 32, 3) uint8, class names (N,)) of torchvision's `folder`; part: train or test.

    torchvision compares each file with the md5 of CIFAR-10's own before it is opened. InputError if one differs.
    """
    from torchvision.datasets import CIFAR10

    try:
        found = CIFAR10(Path(folder).parent, train=part == "train")
    except (RuntimeError, OSError) as e:
        raise InputError(
            f"{folder} is no whole copy of CIFAR-10, a file is missing or changed: unpack it again."
        ) from e
    return found.data, [found.classes[t] for t in found.targets]


def cifar10_picture(folder, part, index):
    """Pixels (32, 32, 3) uint8 of one picture of a part."""
    return _read(folder, part)[0][int(index)]


def _of_batches(folder):
    """The table of torchvision's folder; the path of an item is FOLDER#PART/INDEX."""
    tables = []
    for part, split in (("train", "train"), ("test", "valid")):
        labels = _read(str(folder), part)[1]
        paths = [f"{folder}#{part}/{i}" for i in range(len(labels))]
        tables.append(pd.DataFrame({"path": paths, "label": labels, "split": split}))
    return pd.concat(tables, ignore_index=True)


def _of_pictures(folder):
    """The table of `train/CLASS/*.png` and, if there is one, `test/CLASS/*.png`."""
    held = next((name for name in HELD if (folder / name).is_dir()), None)
    parts = {"train": "train"} | ({held: "valid"} if held else {})
    rows = [(p, p.relative_to(folder).parts[1], split) for part, split in parts.items() for p in _nested(folder / part)]
    table = pd.DataFrame(rows, columns=["path", "label", "split"], dtype=object)
    return table if held else table.drop(columns="split")


def _nested(folder):
    """Pictures that lie in a folder of their class, in order."""
    from fastai.data.transforms import get_image_files  # loads PyTorch

    return [p for p in sorted(get_image_files(folder)) if p.parent != folder]


def _read_item(path, item):
    """The Raster of one picture of the batches."""
    return Raster(cifar10_picture(path, *item.split("/")))


def _items(path):
    """Every picture of the batches."""
    return [f"{part}/{i}" for part in ("train", "test") for i in range(len(_read(path, part)[1]))]


def _facts(path):
    """What is known of all pictures of CIFAR-10."""
    return {"format": "CIFAR-10", "width": 32, "height": 32, "channels": 3, "bits": 8}


CIFAR10_BATCHES = Format("CIFAR-10", "picture", (FOLDER,), _read_item, _items, _facts)
