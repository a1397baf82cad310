"""A dataset: its table, its split, its planted bias, and the fastai DataLoaders of all that.

A dataset is a table with the columns `path, label, split, group, factor, value` and any further column of numbers that
is known of its items. To add one, put a function like this one here and name it in `DATASETS`, as `"mine": mine`; then
`python main.py --dataset mine` trains on it, and `python main.py data mine` looks at it first:

    def mine(root, **_):
        rows = pd.read_csv(Path(root) / "mine" / "patients.csv", dtype=str, keep_default_na=False)
        return pd.DataFrame({
            "path": [Path(root) / "mine" / name for name in rows["file"]],  # pictures of any format of docs/data.md
            "label": rows["diagnosis"],  # the class, any text
            "group": rows["patient"],  # if there are groups: `--split group` holds out whole ones
            "age": rows["age"].astype(float),  # any more columns: `navigate --directions target:age`
        })

`root` is what `--data-root` says. Columns path and label are enough; a column split keeps your own split. Names of
datasets whose items are signals or volumes stand in SIGNAL_SETS or VOLUME_SETS too.
"""

import os
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.data.block import CategoryBlock, DataBlock, MultiCategoryBlock, RegressionBlock, TransformBlock
from fastai.data.core import TfmdDL, fa_collate
from fastai.data.transforms import IndexSplitter
from fastai.torch_core import TensorBase, TensorImage
from fasttransform import Transform

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL, VOLUME
from xaae.experiment.seeds import generator
from xaae.experiment.tasks import Target
from xaae.experiment.vocabulary import COLUMNS, SLICES
from xaae.sources.augmentations import augment
from xaae.sources.cifar10_files import cifar10
from xaae.sources.class_folders import folder, kind_of_own, own_data
from xaae.sources.data_root import PETS_FOLDER, default_root
from xaae.sources.medmnist_sets import is_of_volumes, medmnist
from xaae.sources.oxford_pets import pets
from xaae.sources.refusals import nothing_found, why_no_classes
from xaae.sources.splits import SplitPlan, split_by_plan
from xaae.sources.synthbeats import synthbeats
from xaae.sources.synthpets import synthpets
from xaae.sources.table_rows import table_rows
from xaae.sources.target_columns import set_target, standardised

DATASETS = {
    "pets": pets,
    "synthpets": synthpets,
    "synthbeats": synthbeats,
    "medmnist": medmnist,
    "cifar10": cifar10,
    "folder": folder,
}
SIGNAL_SETS = ("synthbeats",)  # those whose items are signals; of the others they are pictures, but of "folder" any
VOLUME_SETS = ()  # those whose items are volumes; of "medmnist" the name of the set says it
DRAWN = ("synthpets", "synthbeats")  # those that are made here


def kept_root(data_root=None):
    """Where things are kept for later commands: the data root that a run was given, or fastai's where it is no folder
    that can be written."""
    given = Path(data_root) if data_root else None
    usable = given and given.is_absolute() and given.is_dir() and os.access(given, os.W_OK)
    return given if usable else Path(default_root())


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
        bare = [name for name in DATASETS if name not in ("folder", "medmnist")]  # these need something after them
        known = f"{', '.join(bare)}, auto, medmnist:NAME, or the path of a folder or CSV"
        raise InputError(f"There is no dataset {dataset!r}: use {known}.")
    return name, argument, f"{name}, drawn here." if name in DRAWN else f"{name}, from {argument or root}."


def kind_of_dataset(dataset, root=None, slices=SLICES[0]):
    """The Kind of the items that `--dataset` names; of a folder or file of the user's own the formats tell.

    slices: as of `find_dataset`.
    """
    root = Path(root or default_root()).absolute()
    name, argument, _ = choose(dataset, root)
    if name == "folder":
        return KINDS[kind_of_own(Path(argument or root).absolute(), slices)]
    return _kind_of_set(name, argument)


def _kind_of_set(name, argument=""):
    """The Kind of the items of one of DATASETS but the user's own. argument: what stands after its name."""
    if name in VOLUME_SETS or (name == "medmnist" and is_of_volumes(argument)):
        return VOLUME
    return SIGNAL if name in SIGNAL_SETS else PICTURE


@dataclass(frozen=True)
class Dataset:
    """A dataset as it was found: its table with splits, what is left out (path, reason), and sentences on that.

    target: what is predicted; of classes it does not say which, since some may have no item that can be read. own: is
    it a folder or file of the user's? kind: the name of the kind of the items. copies: which items are others by
    content, see `class_folders.OwnData`. split_by: what the splits come from. warnings: sentences on groups that are in
    several parts. group_hint: what --group should be asked for, "" for nothing. refusal: why no classifier can learn
    from it, "" if one can.
    """

    table: pd.DataFrame
    left_out: pd.DataFrame
    notes: tuple = ()
    target: Target = Target()
    own: bool = False
    kind: str = PICTURE.name
    copies: pd.DataFrame | None = None
    split_by: str = ""
    warnings: tuple = ()
    group_hint: str = ""
    refusal: str = ""


def load_table(dataset="auto", root=None, split="random", items=None, size=64, seed=0):
    """The table of `load_dataset`."""
    return load_dataset(dataset, root, split, items, size, seed).table


def load_dataset(dataset="auto", root=None, split="auto", items=None, size=64, seed=0, asked=None):
    """The Dataset of that name. InputError if there is none or one class only.

    asked: what is to be predicted, a dict of columns, task and unit (see `target_columns.set_target`); None for the
    classes in the column label. split: a SplitPlan, or the name of one of SPLIT_WAYS. items: at most so many of them,
    every class by its share.
    """
    plan = split if isinstance(split, SplitPlan) else SplitPlan(split)
    return split_dataset(find_dataset(dataset, root, items, size, seed, asked), plan)


def split_dataset(found, plan):
    """A Dataset with the columns split and group by a SplitPlan.

    InputError for a plan that it does not allow, and for one without two classes.
    """
    if found.refusal:
        raise InputError(found.refusal)
    done = split_by_plan(found.table, plan, found.own)
    more = pd.DataFrame(done.left_out, columns=["path", "reason"], dtype=object)
    left_out = pd.concat([found.left_out, more], ignore_index=True)
    about = {"notes": (*found.notes, *done.notes), "split_by": done.split_by, "warnings": tuple(done.warnings)}
    about |= {"group_hint": done.group_hint, "target": standardised(found.target, done.table)}
    return replace(found, table=done.table, left_out=left_out, **about)


def find_dataset(dataset="auto", root=None, items=None, size=64, seed=0, asked=None, slices=SLICES[0]):
    """The Dataset of that name before it is split. InputError if there is none; it may lack classes, see `refusal`.

    asked: as of `load_dataset`, or with `cut` and `outside`, see `class_folders.own_data`. slices: along which
    axis volumes are cut, or that they are not, see `class_folders.own_data`.
    """
    root = Path(root or default_root()).absolute()  # items are found again from any folder
    name, argument, _ = choose(dataset, root)
    options = {"name": argument} if argument else {}
    asked = dict(asked or {})
    cut, outside = asked.pop("cut", ""), asked.pop("outside", False)
    columns = tuple(asked["columns"]) if asked else ()
    own = own_data(Path(argument or root).absolute(), columns, slices, cut, outside) if name == "folder" else None
    table = own.table if own else DATASETS[name](root, items=items, size=size, seed=seed, **options)
    table = table.reset_index(drop=True)
    if table.empty:
        raise InputError(nothing_found(dataset, own))
    target, left = Target(), []
    if asked:
        kept = {} if own or columns == ("label",) or "label" not in table else {"given_label": table.label}
        table, target, told, left = set_target(table.assign(**kept), **asked)
    refusal = why_no_classes(dataset, table, own)
    notes, chosen = [*(own.notes if own else []), *(told if asked else [])], fewer(table, items)
    left_out = [*(own.left_out if own else []), *left]
    if own and len(chosen) < len(table):
        left_out = left_out + [(str(p), f"more than --items {items}") for p in table.path.drop(chosen.index)]
    left_out = pd.DataFrame(left_out, columns=["path", "reason"], dtype=object)
    copies, kind = (own.copies, own.kind) if own else (None, _kind_of_set(name, argument).name)
    about = {"own": own is not None, "kind": kind, "copies": copies, "refusal": refusal}
    return Dataset(chosen.reset_index(drop=True), left_out, tuple(notes), target, **about)


def fewer(table, items):
    """At most `items` rows, every class by its share and two of it at least, the same ones each time."""
    if not items or items >= len(table):
        return table
    share = items / len(table)
    if (table.label.value_counts() * share).round().min() >= 2:
        return table.groupby("label").sample(frac=share, random_state=42).sort_index()
    counts = table.label.value_counts()
    parts = [rows.sample(min(counts[name], max(2, round(share * counts[name]))), random_state=42)
             for name, rows in table.groupby("label")]  # fmt: skip
    return pd.concat(parts).sort_index()


def plant(table, bias, seed=0):
    """The table with its columns factor and value filled, drawn once from `seed`: (same rows, columns in order).

    Where only a share of the items obeys the bias, the column obeys says which, and training keeps to it.
    """
    rng = generator(seed, "planting")
    obeys = bias.draw_obeying(len(table), rng)
    values = bias.draw(table.label, rng, obeys)
    table = table.assign(factor=bias.factor, value=np.round(values, 3))
    table = table if obeys is None else table.assign(obeys=obeys)
    return table[[*COLUMNS] + [c for c in table.columns if c not in COLUMNS]]


# ---- the factory ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planted:
    """An item on its way to the model: its row in the table and the value of the factor to plant.

    moved (P,): the values of the coordinates' factors in its second version, in training of a factored code. redrawn:
    is it met in training, with a fresh value?
    """

    row: int
    label: str
    value: float
    obeys: bool = True
    moved: np.ndarray | None = None
    redrawn: bool = False


class Redraw(Transform):
    """Training only: a fresh value inside the class's range each time the item is met, and one for its second version.

    moves: the Moves of a factored code, None where items come once.
    """

    split_idx = 0

    def __init__(self, bias, seed=0, moves=None):
        super().__init__()
        self.bias, self.rng, self.moves = bias, generator(seed, "redraw"), moves

    def encodes(self, item: Planted):
        return self.fresh(item)

    def fresh(self, item):
        """What `encodes` gives, without fastai's look for the type of the item."""
        value = self.bias.draw_one(item.label, self.rng, item.obeys)
        moved = None if self.moves is None else self.moves.draw(value)
        return replace(item, value=value, moved=moved, redrawn=True)


class OnceRead(TfmdDL):
    """A DataLoader that reads each row of the table once: that takes longer than to render the row's item.

    What was read is kept as plain numbers: a tensor for each row would take ten times their memory, and lie between
    those of the batches, which leave gaps. share: (number of this process, of all processes that train together): of
    each epoch's order, the same in all of them, a process takes its own items.
    """

    read, kinds, share = cached_property(lambda self: {}), (), (0, 1)

    def take_share(self, rank, count, seed):
        """Take a part of each epoch from now on. seed: of the order, the same in all processes."""
        self.share, self.orders, self.n = (rank, count), generator(seed, "shares"), len(self.dataset) // count

    def get_idxs(self):
        """The numbers of an epoch's items, in their order."""
        rank, count = self.share
        if count == 1:
            return super().get_idxs()
        return self.orders.permutation(len(self.dataset))[rank::count][: self.n].tolist()

    def create_item(self, s):
        """Item number `s` of the split as it was read when it was first met: (Planted, target in NumPy)."""
        if s not in self.read:
            planted, *targets = super().create_item(s)
            self.kinds = [type(target) for target in targets]
            self.read[s] = planted, *(np.array(np.asarray(target))[()] for target in targets)
        return self.read[s]

    def do_item(self, s):
        """The same with a fresh value in training. fastai would look for the types of each item's parts each time."""
        planted, *targets = self.create_item(s)
        for step in self.after_item.fs:
            if isinstance(step, Redraw) and step.split_idx == self.after_item.split_idx:
                planted = step.fresh(planted)
        return planted, *targets

    def do_batch(self, b):
        """The batch of chosen items, rendered as a whole on the device that trains."""
        return self.retain(self.create_batch(self.before_batch(b), device=self.device), b)

    def retain(self, res, b):
        """A batch whose targets are of the types, such as TensorCategory, that they were read as."""
        x, *answers = res
        typed = [y.as_subclass(kind) for y, kind in zip(answers, self.kinds, strict=False)]
        return x, *typed, *answers[len(typed) :]


BATCH_TYPES = {"signal": TensorBase, "picture": TensorImage, "volume": TensorBase}  # kind -> fastai's type


def collate(items, bias, moves, augmentations, chosen, device=None):
    """Chosen (planted, target) -> their batch: x (B, C, *places) in [0, 1], rendered together, and targets.

    Where the items come in two versions, x is (2 B, ...), all first versions before all second ones, and the moves
    (B, P) in between follow the targets. moves: a Moves, or None. augmentations: names, of training items alone.
    device: where items are augmented and planted, None for where they are.
    """
    planted, *targets = zip(*chosen, strict=True)
    values, batch_type = np.array([p.value for p in planted]), BATCH_TYPES[items.kind.name]
    plain = items[[p.row for p in planted]].to(device)
    plain = augment(plain, augmentations) if planted[0].redrawn else plain
    x = bias.plant(plain, torch.from_numpy(values.astype(np.float32)))
    moved = [p.moved for p in planted]
    if moved[0] is None:
        return batch_type(x), *map(fa_collate, targets)
    x = torch.cat([x, moves.apply(plain, values, moved, bias)])
    return batch_type(x), *map(fa_collate, targets), moves.differences(values, moved)


def render_items(items, rows, values, bias, device=None):
    """Items of the table's `rows`, the factor's `values` planted by `bias` on `device`: (B, C, *places) in [0, 1]."""
    return bias.plant(items[rows].to(device), torch.from_numpy(np.array(values, dtype=np.float32)))


def _class_target(classes, target):
    """The target of the task "classes": (fastai block, row of the table -> target)."""
    if target.one_hot:
        block = MultiCategoryBlock(encoded=True, vocab=classes)
        return block, lambda row: [float(row.label == name) for name in classes]
    return CategoryBlock(vocab=classes, sort=False), lambda row: row.label


def _severity_target(classes, target):
    """The target of the task "severity": one number, in standard deviations from the mean of training."""
    column = target.columns[0]
    return RegressionBlock(n_out=1), lambda row: (row[column] - target.mean) / target.std


def _label_target(classes, target):
    """The target of the task "labels": 0 or 1 for each label, NaN where it is not known."""
    columns = list(target.columns)
    block = MultiCategoryBlock(encoded=True, vocab=columns)
    return block, lambda row: [float(row[column]) for column in columns]


TARGETS = {"classes": _class_target, "severity": _severity_target, "labels": _label_target}  # task -> what makes it


def datablock(items, bias, classes, seed=0, target=None, moves=None, augmentations=()):
    """The DataBlock of a planted table: one input, one target; validation keeps the table's own values.

    seed: of the fresh values in training; None to keep the table's own there too. target: what is predicted, None for
    the classes. moves: the Moves of a factored code, whose training items come in two versions. augmentations: names in
    AUGMENTATIONS, of what is done to training items before anything is planted; none without a seed.
    """
    batch = {"dl_type": OnceRead, "dls_kwargs": {"create_batch": partial(collate, items, bias, moves, augmentations)}}
    target = target or Target()
    answer, get_y = TARGETS[target.task](classes, target)
    return DataBlock(
        blocks=(TransformBlock(item_tfms=[] if seed is None else [Redraw(bias, seed, moves)], **batch), answer),
        get_x=lambda row: Planted(row.name, row.label, float(row.value), bool(row.get("obeys", True))),
        get_items=table_rows,
        get_y=get_y,
        splitter=lambda rows: IndexSplitter([i for i, row in enumerate(rows) if row.split == "valid"])(rows),
    )


def dataloaders(table, items, bias, classes, bs=64, device=None, **options):
    """fastai DataLoaders of a planted table's train and valid rows; batches (x (B, C, *places), targets).

    options: those of `datablock`.
    """
    seen = table[table.split != "test"]
    block = datablock(items, bias, classes, **options)
    block.get_items = lambda _: table_rows(seen)  # not given to fastai, which would write the whole table as text
    return block.dataloaders(None, bs=min(bs, int((seen.split == "train").sum())), num_workers=0, device=device)
