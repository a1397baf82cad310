"""Where items come from: a table, a planted bias, a DataBlock; every named dataset.

A dataset is a table with the columns `path, label, split, group, factor, value` and any further column of known
factors. To add one of your own, write a function that returns such a table (see `folder`) and name it in `DATASETS`.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock, TransformBlock
from fastai.data.core import TfmdDL, fa_collate
from fastai.data.external import URLs, fastai_cfg, untar_data
from fastai.data.transforms import IndexSplitter, RandomSplitter, get_image_files
from fastai.torch_core import TensorImage
from fasttransform import Transform
from PIL import Image, ImageOps

from xaae.experiment.errors import InputError
from xaae.sources import synthpets as drawn
from xaae.sources.cifar10_files import cifar10

COLUMNS = ["path", "label", "split", "group", "factor", "value"]
SPLITS = ("train", "valid", "test")
PETS_FOLDER = "oxford-iiit-pet"


# ---- named datasets: each a table -------------------------------------------------------------------------------


def default_root():
    """Where fastai keeps data on this machine."""
    return fastai_cfg().path("data")


def pets(root, **_):
    """Oxford-IIIT Pets through fastai's own archive; an upper-case file name is a cat, the breed is the group."""
    try:
        images = get_image_files(untar_data(URLs.PETS, archive=root, data=root) / "images")
    except Exception as e:  # whatever a download, a disk or an archive can raise: one cure
        raise InputError(
            f"Oxford-IIIT Pets is not under {root} and could not be fetched there ({type(e).__name__}: {e}): connect"
            f" this machine, put the folder {PETS_FOLDER} there, or use --dataset synthpets."
        ) from e
    images = sorted(images)
    label = ["cat" if p.name[0].isupper() else "dog" for p in images]
    return pd.DataFrame({"path": images, "label": label, "group": [p.stem.rsplit("_", 1)[0] for p in images]})


def synthpets(root, items=None, size=64, seed=0, **_):
    """The embedded default: cats and dogs drawn by this project's generator, cached under `root`."""
    n, size = items or 3000, max(size, 32)
    folder = Path(root) / f"synthpets-{n}-{size}-{seed}"
    try:
        table = drawn.build_synthpets(folder, n, size, seed)
    except (OSError, ValueError) as e:
        raise InputError(f"The drawn pictures cannot be kept in {folder} ({e}): choose another --data-root.") from e
    return table.assign(path=[folder / p for p in table.path])


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


def folder(root, name="", **_):
    """`folder:PATH`: one folder per class, or a CSV with the columns path, label and, if you like, split and group."""
    path = Path(name or root)
    if path.suffix == ".csv" and path.is_file():
        return from_csv(path)
    if not path.is_dir():
        raise InputError(f"There is no folder or CSV file {path}: give one that exists.")
    images = sorted(get_image_files(path))
    nested = [p for p in images if p.parent != path]
    return pd.DataFrame({"path": nested, "label": [p.relative_to(path).parts[0] for p in nested]}, dtype=object)


def from_csv(path):
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


DATASETS = {"pets": pets, "synthpets": synthpets, "medmnist": medmnist, "cifar10": cifar10, "folder": folder}


def choose(dataset, root):
    """(name of the dataset's function, its argument, one line that says which data it is) for what the user typed."""
    root = Path(root)
    if dataset == "auto" and (root / PETS_FOLDER).is_dir():
        return "pets", "", f"Oxford-IIIT Pets, found in {root / PETS_FOLDER} (for drawn ones: --dataset synthpets)."
    if dataset == "auto":
        note = f"synthpets, drawn here (no Oxford-IIIT Pets under {root}; fetch them, 800 MB, with --dataset pets)."
        return "synthpets", "", note
    name, _, argument = dataset.partition(":")
    if name not in DATASETS and Path(dataset).exists():
        name, argument = "folder", dataset
    if name not in DATASETS:
        known = f"{', '.join(DATASETS)}, auto, medmnist:NAME, or the path of a folder or CSV"
        raise InputError(f"There is no dataset {dataset!r}: use {known}.")
    return name, argument, f"{name}, from {argument or root}." if name != "synthpets" else "synthpets, drawn here."


def load_table(dataset="auto", root=None, split="random", items=None, size=64, seed=0):
    """The table of a dataset. InputError if there is none or one class only.

    split: "random" (a fifth held out, seed 42) or "group" (whole groups held out, such as breeds); a split of the
    dataset's own stays, unless "group" is asked for. items: at most so many of them, evenly over classes.
    """
    root = Path(root or default_root())
    name, argument, _ = choose(dataset, root)
    options = {"name": argument} if argument else {}
    table = DATASETS[name](root, items=items, size=size, seed=seed, **options).reset_index(drop=True)
    if table.empty:
        raise InputError(f"No pictures were found for {dataset}: give one folder of pictures per class, or a CSV.")
    if table.label.nunique() < 2:
        raise InputError(f"{dataset} has the one class {table.label[0]!r}: a classifier needs at least two.")
    return split_table(fewer(table, items).reset_index(drop=True), split)


def fewer(table, items):
    """At most `items` rows, every class by its share, the same ones each time."""
    if not items or items >= len(table):
        return table
    return table.groupby("label").sample(frac=items / len(table), random_state=42).sort_index()


def split_table(table, split="random", valid_pct=0.2, seed=42):
    """Fill the columns split and group. InputError if a split would be left without one of the classes."""
    table = table.assign(group=table["group"] if "group" in table else "", path=table["path"].astype(str))
    if split == "group":
        held = held_groups(table, valid_pct, seed)
        table["split"] = np.where(table.group.isin(held), "valid", "train")
    elif "split" not in table:
        held = RandomSplitter(valid_pct, seed=seed)(table)[1]
        table["split"] = np.where(table.index.isin(list(held)), "valid", "train")
    for part in ("train", "valid"):
        if missing := set(table.label) - set(table.label[table.split == part]):
            counts = ", ".join(f"{c} {n}" for c, n in table.label.value_counts().items())
            raise InputError(
                f"No item of class {sorted(missing)[0]!r} is in the {part} split (items: {counts}): give more items."
            )
    return table


def held_groups(table, valid_pct, seed):
    """Groups to hold out: of each class, at least one and about `valid_pct` of them."""
    if table.group.replace("", np.nan).isna().any():
        raise InputError("A split by group needs a group for every item: use --split random or add the column.")
    rng, held = np.random.default_rng(seed), []
    for _, groups in table.groupby("label").group:
        names = sorted(groups.unique())
        held += list(rng.choice(names, max(1, round(valid_pct * len(names))), replace=False))
    return held


def plant(table, bias, seed=0):
    """The table with its columns factor and value filled, drawn once from `seed`: (same rows, columns in order)."""
    values = bias.draw(table.label, np.random.default_rng([seed, 1]))
    table = table.assign(factor=bias.factor, value=np.round(values, 3))
    return table[COLUMNS + [c for c in table.columns if c not in COLUMNS]]


# ---- the factory ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """An item on its way to the model: its row in the table and the value of the factor to plant."""

    row: int
    label: str
    value: float


class Redraw(Transform):
    """Training only: a fresh value inside the class's range each time the item is met."""

    split_idx = 0

    def __init__(self, bias, seed=0):
        super().__init__()
        self.bias, self.rng = bias, np.random.default_rng([seed, 2])

    def encodes(self, item: Planted):
        return Planted(item.row, item.label, float(self.bias.draw([item.label], self.rng)[0]))


class OnceRead(TfmdDL):
    """A DataLoader that reads each row of the table once: that takes longer than to render the row's picture."""

    read = cached_property(lambda self: {})

    def create_item(self, s):
        """Item number `s` of the split, as it was read when it was first met."""
        if s not in self.read:
            self.read[s] = super().create_item(s)
        return self.read[s]


def collate(pictures, bias, items):
    """Items (planted, target) -> their batch: pictures (B, C, H, W) in [0, 1], rendered together, and targets."""
    planted, *targets = zip(*items, strict=True)
    x = render_items(pictures, [p.row for p in planted], [p.value for p in planted], bias)
    return TensorImage(x), *map(fa_collate, targets)


def render_items(pictures, rows, values, bias):
    """Pictures of the table's `rows` given the factor's `values` as `bias` plants them: (B, C, H, W) in [0, 1]."""
    return bias.plant(pictures[rows], torch.from_numpy(np.array(values, dtype=np.float32)))


def masks(paths, size, values=None, bias=None, outline=True):
    """Where the animal is: (masks (N, 1, size, size) bool, has (N,) bool), from the trimaps of Oxford-IIIT Pets.

    paths: of the pictures; one without a trimap has an empty mask. values (N,) of the factor: the mask moves with the
    picture as `bias` plants it. outline: does the band around the animal, a few pixels wide, belong to it?
    """
    found = torch.zeros(len(paths), 1, size, size)
    for row, path in enumerate(map(Path, paths)):
        trimap = path.parent.parent / "annotations" / "trimaps" / f"{path.stem}.png"
        if trimap.is_file():
            with Image.open(trimap) as kinds:
                animal = Image.fromarray(np.uint8(255) * np.isin(kinds, (1, 3) if outline else (1,)))
            fit = ImageOps.fit(animal, (size, size), Image.Resampling.BILINEAR)  # as pictures.decode does it
            found[row, 0] = torch.from_numpy(np.array(fit)) / 255
    if bias is not None and bias.factor == "rotation":  # nothing else moves what is in a picture
        found = bias.plant(found, values)
    return found >= 0.5, (found >= 0.5).flatten(1).any(1).numpy()


def datablock(pictures, bias, classes, seed=0, one_hot=False, redraw=True):
    """The DataBlock of a planted table: one input, one target; validation keeps the table's own values."""
    batch = {"dl_type": OnceRead, "dls_kwargs": {"create_batch": partial(collate, pictures, bias)}}
    target = MultiCategoryBlock(encoded=True, vocab=classes) if one_hot else CategoryBlock(vocab=classes, sort=False)
    return DataBlock(
        blocks=(TransformBlock(item_tfms=[Redraw(bias, seed)] * redraw, **batch), target),
        get_x=lambda row: Planted(row.name, row.label, row.value),
        get_y=(lambda row: [float(row.label == c) for c in classes]) if one_hot else (lambda row: row.label),
        splitter=lambda table: IndexSplitter(np.flatnonzero(table.split == "valid"))(table),
    )


def dataloaders(table, pictures, bias, classes, bs=64, seed=0, one_hot=False, redraw=True, device=None):
    """fastai DataLoaders of a planted table's train and valid rows; batches ((B, C, H, W), targets)."""
    seen = table[table.split != "test"]
    block = datablock(pictures, bias, classes, seed, one_hot, redraw)
    return block.dataloaders(seen, bs=min(bs, int((seen.split == "train").sum())), num_workers=0, device=device)
