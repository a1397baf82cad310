"""The user's own items: folders whose names are classes, or a CSV file that lists paths and labels.

Every file is in the table or in the list of those that are left out, with the reason.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, SIGNAL, VOLUME
from xaae.experiment.text_tables import read_user_table, typed_column
from xaae.experiment.vocabulary import SLICES, SPLITS, WHOLE
from xaae.sources.array_signals import check_signal_arrays
from xaae.sources.dicom_files import DICOM, patient_of
from xaae.sources.file_contents import READING_FAULTS
from xaae.sources.folder_walk import walk_once
from xaae.sources.foreign_files import foreign_in_words, foreign_kind
from xaae.sources.formats import check_installed, format_of, items_of, split_item
from xaae.sources.item_copies import COPIES, leave_out_same_contents, leave_out_same_files
from xaae.sources.npz_archives import NPZ, archive_table, holds_volumes
from xaae.sources.read_ahead import in_order
from xaae.sources.signal_tables import (
    expand_files,
    is_signal_data,
    kind_of_paths,
    parse_cut,
    signal_table,
    sort_signals,
)
from xaae.sources.splits import split_name
from xaae.sources.target_columns import target_texts
from xaae.sources.zarr_signals import is_zarr

SYSTEM = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "__pycache__"}  # folders, in small letters
ARCHIVE = "a NumPy archive: give one alone as the dataset, with the arrays train_images and train_labels"
RESERVED = ("factor", "value", "obeys")  # columns that planting fills


@dataclass
class OwnData:
    """table: path, label and, where it is given, split and group. left_out: path and reason. notes: sentences on what
    was found. copies: path, label and split of items that are others by content, and twin, twin_label, twin_split of
    these. kind: the name of the kind of the items."""

    table: pd.DataFrame
    left_out: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    copies: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COPIES, dtype=object))
    kind: str = "picture"

    def leave_out(self, rows, reason):
        """Move rows (a mask (N,)) of the table to those left out; reason: a text, or one for each of the rows."""
        paths = [str(path) for path in self.table.path[rows]]
        reasons = [reason] * len(paths) if isinstance(reason, str) else list(reason)
        self.left_out += list(zip(paths, reasons, strict=True))
        self.table = self.table[~rows].reset_index(drop=True)


def own_data(path, target=(), slices=SLICES[0], cut="", outside=False):
    """The OwnData of a folder, a CSV file, an .npz in MedMNIST's keys or a file of signals. InputError for no such.

    target: columns of a CSV file that say what is predicted, () for its column label. slices: along which axis volumes
    are cut, a name in SLICES, or WHOLE: a volume is an item. cut: how recordings of signals are, see
    `signal_tables.parse_cut`. outside: may a CSV file name files that are not in its own folder? A file that holds
    several items, such as a volume, becomes a row for each.
    """
    path, rule = Path(path), parse_cut(cut)
    if whole := is_signal_data(path):
        found = OwnData(*signal_table(path, rule), kind="signal")
        if "split" in found.table:
            _read_splits(found, path)
    elif path.suffix.lower() == ".csv" and path.is_file():
        found = _of_csv(path, target, outside)
    elif path.is_dir():
        found = _of_folder(path)
    elif path.suffix.lower() == ".npz" and path.is_file():
        found = _of_archive(path)
    else:
        raise InputError(_no_dataset(path))
    odd = [os.path.exists(path) and not os.path.isfile(path) and not is_zarr(path) for path in found.table.path]
    found.leave_out(pd.Series(odd, dtype=bool), "no file (a folder, a pipe or a device)")
    classes = set(found.table.label)
    if len(found.table):
        leave_out_same_files(found)
        leave_out_same_contents(found)
        if found.kind == PICTURE.name and slices == WHOLE:
            _take_whole(found)
        if found.kind in (PICTURE.name, VOLUME.name):
            _take_apart(found, slices)
        elif not whole:
            _cut_recordings(found, rule)
    if lost := sorted(classes - set(found.table.label)):
        found.notes.append(f"Of {', '.join(lost)} no item is left: each is a copy of an item with another label.")
    return found


def _of_archive(path):
    """The OwnData of an .npz file that holds no signals. InputError if it holds no pictures or volumes either."""
    try:
        return OwnData(archive_table(path), kind=VOLUME.name if holds_volumes(path) else PICTURE.name)
    except InputError:
        check_signal_arrays(path)
        raise


def _no_dataset(path):
    """Why a path is no dataset."""
    if not path.exists():
        return f"There is no folder or CSV file {path}: give one that exists."
    if found := format_of(path, PICTURE.name):
        return f"{path} is one {found.name} file: give a folder of them for each class, or a CSV that lists them."
    what, cure = foreign_kind(path) or ("no folder, CSV file or .npz", "give one of these")
    return f"{path} cannot be used ({what}): {cure}."


def folder(root, name="", **_):
    """`folder:PATH` as a dataset: the table of `own_data`."""
    return own_data(name or root).table


def kind_of_own(path, slices=SLICES[0]):
    """The name of the kind of the items of a folder or file of the user's, by the formats of its files alone.

    slices: as of `own_data`. Nothing is opened that its name tells of. What is no dataset counts as pictures:
    `own_data` says why it is none.
    """
    kind = _kind_by_files(Path(path))
    return VOLUME.name if kind == PICTURE.name and slices == WHOLE else kind


def _kind_by_files(path):
    """The same where volumes that can be cut into slices count as pictures."""
    if is_signal_data(path):
        return SIGNAL.name
    if path.is_dir():
        return sort_signals(*_files(path))[0]
    if path.suffix.lower() == ".csv" and path.is_file():
        return kind_of_paths(path.parent / name for name in read_user_table(path)[0].get("path", ()) if name)
    return VOLUME.name if path.suffix.lower() == ".npz" and holds_volumes(path) else PICTURE.name


# ---- folders ----------------------------------------------------------------------------------------------------


def _of_folder(path):
    """The OwnData of a folder: CLASS/..., or SPLIT/CLASS/... where all folders on top are called like splits."""
    kind, files, left_out = sort_signals(*_files(path))
    places = _places(files, path)
    tops = {place[0] for place in places if place}
    splits = {split_name(top) for top in tops}
    by_split = "train" in splits and None not in splits
    at = 1 if by_split else 0
    has_class = np.array([len(place) > at for place in places], dtype=bool)
    if not has_class.any():  # no file has a class: they can be looked at
        return OwnData(pd.DataFrame({"path": files, "label": ""}, dtype=object), left_out, kind=kind)
    where = f"{'split and ' if by_split else ''}class"
    left_out += [(files[i], f"lies in no folder of a {where}") for i in np.flatnonzero(~has_class)]
    files, places = list(compress(files, has_class)), list(compress(places, has_class))
    table = pd.DataFrame({"path": files, "label": [place[at] for place in places]}, dtype=object)
    notes = [f"Left out: {line}" for line in foreign_in_words([file for file, _ in left_out])]
    if bare := sorted(_class_names(path, by_split) - set(table.label)):
        notes.append(f"No {kind} that can be read lies in the folder {', '.join(bare)}: no class is made of it.")
    if by_split:
        table["split"] = [split_name(place[0]) for place in places]
        notes.append(f"The folders {', '.join(sorted(tops))} are taken as splits, those inside them as classes.")
    elif alike := sorted({place[0] for place in set(places) if split_name(place[0]) and len(place) > 1}):
        others = sorted(top for top in tops if split_name(top) is None)
        why = f"{', '.join(others)} lies beside them" if others else "none is called train"
        notes.append(f"Called like splits, but taken as classes, since {why}: {', '.join(alike)}.")
    return OwnData(table, left_out, notes, kind=kind)


def _places(files, path):
    """For each file the names of the folders below `path` that lead to it: one tuple for all files of a folder."""
    known, start = {}, len(os.path.join(path, ""))
    below = (os.path.dirname(file)[start:] for file in files)
    return [known.setdefault(place, tuple(place.split(os.sep)) if place else ()) for place in below]


def _class_names(path, by_split):
    """Names of the folders that stand for classes, whatever they hold."""
    folders = [p.relative_to(path) for p in path.glob("*/*" if by_split else "*") if p.is_dir() and not p.is_symlink()]
    return {_as_text(p.name) for p in folders if not _is_system(p)}


def _is_system(file):
    """Is a file, relative to the folder of the data, hidden or in a folder of some system's?"""
    return any(part.lower() in SYSTEM or part.startswith(".") for part in str(file).split(os.sep))


def _files(path):
    """(paths of the pictures, [(path, reason)] of all other files) below a folder, in order; paths are texts.

    A link to a folder outside is followed; one to a folder that is read anyway, or that lies above, is not.
    """
    pictures, others, start = [], [], len(os.path.join(path, ""))
    for file in _walk(path, others):
        reason = _no_picture(file, file[start:])
        pictures.append(file) if not reason else others.append((_as_text(file), reason))
    return pictures, others


def _walk(folder, others):
    """Every file below a folder; fills others with links not followed."""
    left_out = []
    for place, folders, names in walk_once(folder, left_out):
        stores = [name for name in folders if is_zarr(Path(place, name))]  # one file to those who use it
        folders[:] = sorted(set(folders) - set(stores))
        yield from (os.path.join(place, name) for name in sorted(names + stores))
    others += [(_as_text(link), "a link to a folder that is read already") for link in left_out]


def _no_picture(file, below):
    """Why a file is no picture of theirs; "" if it is one. below: its path as from the folder of the data."""
    if _as_text(below) != below:
        return "its name is no text in UTF-8"
    if _is_system(below):
        return "a system's or hidden file"
    if not os.path.isfile(file):
        return "a link to nothing" if os.path.islink(file) else "no file (a pipe or a device)"
    if found := format_of(file, PICTURE.name):
        check_installed(found)
        return ARCHIVE if found is NPZ else ""
    if kind := foreign_kind(file):
        return f"{kind[0]}: {kind[1]}"
    return f"no picture ({os.path.splitext(file)[1] or 'no ending'})"


def _as_text(path):
    """A path as a text that every table can hold: bytes that are no UTF-8 are written out."""
    return os.fsencode(path).decode(errors="backslashreplace")


# ---- CSV files --------------------------------------------------------------------------------------------------


def _of_csv(path, target=(), outside=False):
    """The OwnData of a CSV file; relative paths count from the file's own folder, which they may leave if `outside`.

    target: columns that say what is predicted; the column label then holds what stands there, as one text.
    """
    table, said = read_user_table(path)
    if missing := ({"path"} if target else {"path", "label"}) - set(table.columns):
        cure = " (or say by --target which column is predicted)" if missing == {"label"} else ""
        raise InputError(
            f"{path} has no column {' and '.join(sorted(missing))}, but {', '.join(table.columns[:8])}: name its"
            f" columns path and label{cure}, with commas."
        )
    if target:
        texts = target_texts(table, target)
        table = (table.rename(columns={"label": "given_label"}) if target != ("label",) else table).assign(label=texts)
    notes, own = [said] if said else [], [name for name in RESERVED if name in table]
    if own:
        table = table.rename(columns={name: f"given_{name}" for name in own})
        notes.append(f"Your columns {', '.join(own)} are kept as {', '.join(f'given_{name}' for name in own)}.")
    found = OwnData(table, [], notes)
    found.leave_out(found.table.path.str.strip() == "", "no path in this row")
    found.leave_out(found.table.label.str.strip() == "", "no label in this row")
    if "split" in found.table:
        _read_splits(found, path)
    texts = ("path", "label", "split", "group")
    found.table = found.table.assign(
        path=[str(path.parent / p) for p in found.table.path],
        **{name: typed_column(found.table[name]) for name in found.table if name not in texts},
    )
    if not outside:
        _check_inside(found.table.path, path)
    found.kind = kind_of_paths(found.table.path)
    return found


def _check_inside(paths, file):
    """InputError if a CSV file names files outside its own folder: a list from elsewhere may point anywhere."""
    folder = os.path.abspath(file.parent)
    if away := [path for path in paths if not Path(os.path.abspath(path)).is_relative_to(folder)]:
        names = "a file" if len(away) == 1 else f"{len(away)} files"
        raise InputError(
            f"{file} names {names} outside its own folder, as {away[0]}: give --outside-files if that is meant."
        )


def _read_splits(found, path):
    """Give the column split our names; rows without one are left out, or none has one: then there is no such column."""
    if (found.table.split.str.strip() == "").all():
        found.table = found.table.drop(columns="split")
        return
    found.leave_out(found.table.split.str.strip() == "", "no split in this row, while others have one")
    names = found.table.split.map(split_name)
    if names.isna().any():
        odd = found.table.split[names.isna()].iloc[0]
        raise InputError(f"{path} has the split {odd!r}: use only {', '.join(SPLITS)}.")
    found.table = found.table.assign(split=names)


# ---- several items in a file ------------------------------------------------------------------------------------


def _take_whole(found):
    """Make volumes the items of files that can be cut into slices too; other files are left out."""
    others = [format_of(path, VOLUME.name) is None for path in found.table.path]
    found.leave_out(pd.Series(others, dtype=bool), f"no volume, and whole volumes are asked for (--slices {WHOLE})")
    found.kind = VOLUME.name


def _take_apart(found, slices):
    """Give each item of a file of several a row FILE#ITEM; patients that DICOM files name become groups."""
    paths, counts = [], []
    for path in found.table.path:
        items = _items_in(path, found, slices)
        paths += items
        counts.append(len(items))
    rows = np.repeat(np.arange(len(counts)), counts)
    if several := sum(count > 1 for count in counts):
        what = f" ({slices} slices of volumes)" if any(f"#{slices}/" in path for path in paths) else ""
        files = f"{counted(several, 'files')} {'holds' if several == 1 else 'hold'} several items{what}"
        found.notes.append(f"{files}, {len(paths)} items in all.")
        found.table = found.table.iloc[rows].reset_index(drop=True).assign(path=paths)
    elif len(paths) < len(found.table):
        found.table = found.table.iloc[rows].reset_index(drop=True)
    _group_by_patient(found)


def _group_by_patient(found):
    """Fill the column group with the patients of DICOM files, if all name one and each class has two or more."""
    filled = "group" in found.table and (found.table.group.astype(str).str.strip() != "").any()
    if filled or not len(found.table) or not all(format_of(p, PICTURE.name) is DICOM for p in found.table.path):
        return
    with ThreadPoolExecutor() as pool:
        patients = pd.Series(list(in_order(pool, patient_of, found.table.path)))
    files = pd.Series([split_item(path)[0] for path in found.table.path])
    if (patients != "").all() and (patients.groupby(found.table.label).nunique() > 1).all():
        if patients.nunique() < files.nunique():
            found.table = found.table.assign(group=patients)
            found.notes.append(
                f"The groups are the {patients.nunique()} patients that the DICOM files name (PatientID)."
            )


def _cut_recordings(found, rule):
    """Give each item of a recording of signals, as a CutRule cuts it, a row FILE#ITEM."""
    found.table, left_out, notes = expand_files(found.table, rule)
    found.left_out, found.notes = found.left_out + left_out, found.notes + notes


def _items_in(path, found, slices):
    """The paths of the items in a file; [] for one that cannot be opened, which is left out."""
    if split_item(path)[1] or format_of(path, found.kind) is None:
        return [str(path)]
    try:
        return items_of(path, found.kind, slices)
    except READING_FAULTS as e:
        found.left_out.append((str(path), str(e) if isinstance(e, InputError) else f"{type(e).__name__}: {e}"))
        return []
