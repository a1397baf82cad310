"""Tables of signals: what a path of recordings is as a dataset, items by path with label, split and group.

A path is a folder of classes, a pair _TRAIN and _TEST of the UCR archive, one file with all items (.npz, .npy, .zarr,
.csv, .ts, .arff), or recordings with annotations, which are cut into items whose label is what the annotation says.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.sources.array_signals import array_table, open_numpy
from xaae.sources.csv_signals import csv_table, why_no_signal
from xaae.sources.ecg_beats import beats_in_words, find_beats
from xaae.sources.formats import check_installed, format_of, items_of, read_item, split_item
from xaae.sources.recordings import name_cut, split_cut
from xaae.sources.ucr_files import pair_of, series_table
from xaae.sources.wfdb_records import BEATS, record_of, symbol_meaning
from xaae.sources.zarr_signals import open_zarr

AROUND = (0.278, 0.433)  # seconds before and after a beat: 100 and 156 samples at 360 Hz
AFTER = (0.0, 1.0)  # seconds from an annotation of another kind on
RULE = re.compile(r"(?P<before>-?\d*\.?\d+):(?P<after>\d*\.?\d+)|(?P<length>\d*\.?\d+)")
NO_MARKS = "it has no annotations that items could be cut by"
MARKERS = re.compile(  # texts of annotations that programs write and that say nothing of the signal
    r"(?:rec(?:ording)?|acquisition)\W*(?:starts?|started|begins?|ends?|ended|stops?|stopped)"
    r"|(?:start|begin|beginning|end|stop)(?: of)?(?: the)? (?:rec(?:ording)?|acquisition|file)",
    re.I,
)
FEWEST, MOST_LONE = 2, 0.5  # items of a class that can be split; share of items that are the only ones of a class


@dataclass(frozen=True)
class CutRule:
    """Where recordings are cut, in seconds: around each annotation, or, with a length, one after the other.

    before and after: an item begins `before` seconds ahead of its annotation and ends `after` seconds behind it.
    """

    before: float = 0.0
    after: float = 0.0
    length: float = 0.0


def parse_cut(text):
    """The CutRule of "BEFORE:AFTER", seconds around each annotation, or "SECONDS", windows one after the other.

    None of an empty text: what suits the format. InputError for any other text.
    """
    if not text:
        return None
    match = RULE.fullmatch(str(text).strip())
    if match and match["length"] and float(match["length"]) > 0:
        return CutRule(length=float(match["length"]))
    if match and match["before"] and float(match["before"]) + float(match["after"]) > 0:
        return CutRule(float(match["before"]), float(match["after"]))
    raise InputError(
        f"{text!r} is no window: write BEFORE:AFTER, seconds around each annotation such as 0.3:0.4, or SECONDS."
    )


def signal_format(path):
    """The Format of a file (or Zarr folder) of signals, by its ending and its content; None if it holds none."""
    found = format_of(path)
    if found is None or found.kind != "signal" or (found.fits and not found.fits(split_item(path)[0])):
        return None
    return found


def is_signal_data(path):
    """Does a path name signals as a dataset, other than a folder of classes?"""
    path = Path(path)
    if path.is_dir() and signal_format(path) is None:
        classes = any(each.is_dir() and signal_format(each) is None for each in path.iterdir())
        return not classes and bool(_recordings_in(path) or _pairs_in(path))
    if record_of(path) and path.suffix.lower() not in (".csv", ".npz", ".npy"):
        return True
    return path.exists() and signal_format(path) is not None


def _recordings_in(folder):
    """Records with annotators, and EDF files, that lie in a folder itself, not in those of classes."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".hea", ".edf", ".bdf"))
    return [file for file in files if file.is_file()]


def _others_in(folder, used):
    """[(path, reason)] of the files of a folder that are not used."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file not in used]
    return [(str(file), _why_unused(file)) for file in files]


def _why_unused(file):
    """Why a file that lies beside recordings is not used."""
    if signal_format(file):
        return "signals of their own, in no recording beside them: to use them, name this file as the dataset"
    return _part_of_record(file) or "it belongs to no recording that is used"


def _pairs_in(folder):
    """The pairs _TRAIN and _TEST that lie in a folder, by their training files."""
    files = (file for file in sorted(folder.iterdir()) if file.is_file())
    return [file for file in files if {"train", "test"} == set(pair := pair_of(file)) and pair["train"] == file]


def signal_table(path, cut=None):
    """(table, [(path, reason)] of what is left out, sentences on it) of a path that names signals as a dataset.

    table: path (FILE#ITEM), label, and split and group where they are known. cut: a CutRule that recordings are cut
    by, None for what suits their annotations. InputError for data without labels.
    """
    path = Path(path)
    if path.is_dir() and signal_format(path) is None:
        pairs = _pairs_in(path)
        if len(pairs) > 1:
            raise InputError(f"{path} holds {len(pairs)} pairs _TRAIN and _TEST: name one file, as {pairs[0]}.")
        if pairs:
            table, out = with_labels(series_table(pairs[0]))
            return table, out + _others_in(path, pair_of(pairs[0]).values()), []
        table, left_out, notes = cut_table(_recordings_in(path), cut)
        return table, left_out + _others_in(path, _recordings_in(path)), notes
    found = format_of(record_of(path) or path)
    check_installed(found)
    if found.name in TABLES and not (cut and _is_one_recording(path)):
        table, out = with_labels(TABLES[found.name](path))
        return table, out, []
    return cut_table([record_of(path) or path], cut)


def _is_one_recording(path):
    """Is a file one recording, whose rows or columns are channels, rather than many items?"""
    return items_of(path, "signal") == [str(path)]


TABLES = {  # format -> path -> table of all items in one file
    "NumPy": lambda path: array_table(path, open_numpy(path)),
    "Zarr": lambda path: array_table(path, open_zarr(path)),
    "CSV": csv_table,
    "UCR": series_table,
}


# ---- recordings that are cut ------------------------------------------------------------------------------------


def cut_table(files, cut=None):
    """The table of recordings that are cut by their annotations, as `signal_table` gives it; groups are the files.

    Classes of a single item are left out, and so are parts that reach past the ends of a recording. Where no recording
    has annotations, a CutRule cuts them all the same, into items without a label. The column start_s says where in its
    recording (s) an item begins: it can be a target, and shows classes that come at other times.
    """
    rows, left_out, notes, rates = [], [], [], {}
    for file in files:
        try:
            recording = read_item(file)
        except (InputError, OSError, ValueError) as e:
            left_out.append((str(file), str(e)))
            continue
        rates[str(file)] = recording.rate
        found, out, told = cut_by_annotations(file, recording, cut)
        rows, left_out, notes = rows + found, left_out + out, notes + told
    if not rows and cut and all(reason == NO_MARKS for _, reason in left_out):
        rows, left_out, notes = _cut_without_labels(files, cut)
    if not rows:
        first = next((f" ({path}: {reason})" for path, reason in left_out if reason != NO_MARKS), "")
        whose = f"{files[0]} has no" if len(files) == 1 else f"None of {len(files)} recordings, as {files[0]}, has"
        raise InputError(
            f"{whose} annotations that items could be cut by{first}: put recordings into folders of their"
            " classes, or list them in a CSV with the columns path and label."
        )
    table = pd.DataFrame(rows, columns=["path", "label", "group"])
    table = table.assign(start_s=[_start_of(item, rates) for item in table.path])
    table, alone = without_lone_classes(table)
    left_out += alone
    if set(table.label) <= BEATS and all(str(file).lower().endswith(".hea") for file in files):
        meanings = [f"{symbol} {meaning}" for symbol in sorted(set(table.label)) if (meaning := symbol_meaning(symbol))]
        notes += [f"Labels are PhysioNet's symbols of beats: {', '.join(meanings)}."] if meanings else []
    if (n := table.group.nunique()) > 1:
        notes.append(f"The groups are the {n} recordings.")
    else:
        table = table.drop(columns="group")
    return table, left_out, list(dict.fromkeys(notes))


def _start_of(item, rates):
    """Where in its recording (s) a part of it begins. rates: {file: its rate (Hz)}."""
    file, part = split_item(item)
    return round(split_cut(part)[1][0] / rates[file], 6)


def with_labels(table):
    """(table, [(path, reason)]) of the items that have a label, without classes of a single item."""
    blank = (table.label.str.strip() == "").to_numpy()
    if blank.all():
        return table, []  # data without classes can be looked at
    table, out = table[~blank].reset_index(drop=True), [(path, "no label") for path in table.path[blank]]
    table, alone = without_lone_classes(table)
    return table, out + alone


def without_lone_classes(table):
    """(table, [(path, reason)]) without classes of a single item, which no split can have in both parts.

    Where these are not few, the labels are no classes and the table stays as it is.
    """
    counts = table.label.value_counts()
    lone = table.label.isin(counts.index[counts < FEWEST])
    if lone.mean() > MOST_LONE:
        return table, []
    alone = zip(table.path[lone], table.label[lone], strict=True)
    reasons = [(path, f"the only item of its class {label}") for path, label in alone]
    return table[~lone].reset_index(drop=True), reasons


def cut_by_annotations(file, recording, cut=None):
    """([(path, label, group)], [(path, reason)], sentences) of one recording, cut by what its annotations say.

    cut: a CutRule around each annotation; of one with a length, items are what lies within annotations that last.
    """
    marks = list(recording.labels)
    beats = [mark for mark in marks if mark[2] in BEATS] if str(file).lower().endswith(".hea") else []
    chosen = beats or [mark for mark in marks if mark[2] and not MARKERS.fullmatch(mark[2])]
    used = set(chosen)
    others = [mark for mark in marks if mark not in used]
    out = [(_at(file, mark, recording.rate), _why_no_label(mark[2], beats)) for mark in others]
    if not chosen:
        return [], out or [(str(file), NO_MARKS)], []
    lasting = [mark for mark in chosen if mark[1] - mark[0] > 1]
    usual = AROUND if beats else AFTER
    if (cut and cut.length) or (cut is None and lasting):
        rows, more, notes = _windows_within(file, recording, chosen, cut.length if cut else 0.0)
        return rows, out + more, notes
    before, after = (cut.before, cut.after) if cut else usual
    rows, beyond = _windows_around(file, recording, chosen, (before, after))
    what = "beat" if beats else "annotation"
    note = f"Items are cut from {before:g} s before to {after:g} s after each {what}; its text is the label (--cut)."
    return rows, out + beyond, [note]


def _windows_around(file, recording, marks, around):
    """([(path, label, group)], [(path, reason)]) of windows from seconds before to seconds after each of the marks."""
    rate, rows, out = recording.rate, [], []
    ahead, size = round(around[0] * rate), round(sum(around) * rate)
    for at, _, text in marks:
        first, last = at - ahead, at - ahead + size
        if 0 <= first and last <= recording.values.shape[1]:
            rows.append((f"{file}#{name_cut(first, last)}", text, Path(file).stem))
        else:
            out.append((_at(file, (at, at, text), rate), "its window reaches past the recording"))
    return rows, out


def _at(file, mark, rate):
    """What an annotation is called among what is left out."""
    return f"{file} ({mark[2] or 'beat'} at {mark[0] / rate:.2f} s)"


def _why_no_label(text, beats):
    """Why an annotation gives no item."""
    if beats:
        meaning = symbol_meaning(text)
        return f"the annotation {text}{f' ({meaning})' if meaning else ''} marks no beat"
    return "it marks where a recording starts or ends, and is no label" if text else "an annotation without a text"


def _windows_within(file, recording, chosen, seconds):
    """Items of one length, one after the other, that lie within annotations that last; each has the text as label.

    chosen: the annotations. seconds: of an item, 0 for the median length of those that last.
    """
    lengths = [last - first for first, last, _ in chosen if last - first > 1]
    if not lengths:
        return [], [(str(file), "it has no annotations that last, which windows could take their label from")], []
    rate, samples = recording.rate, recording.values.shape[1]
    size = max(round(seconds * rate) if seconds else int(np.median(lengths)), 1)
    rows, out = [], []
    for first, last, text in chosen:
        starts = range(max(first, 0), min(last, samples) - size + 1, size)
        rows += [(f"{file}#{name_cut(at, at + size)}", text, Path(file).stem) for at in starts]
        if not starts:
            what = f"it lasts {(last - first) / rate:g} s" if last - first > 1 else "it is a moment"
            what = "it reaches past the recording" if last - first >= size else what
            reason = f"{what}: no room for a window of {size / rate:g} s (--cut)"
            out.append((_at(file, (first, last, text), rate), reason))
    note = f"Items are windows of {size / rate:g} s within annotations, whose text is the label (--cut)."
    return rows, out, [note]


def cut_items(path, cut=None):
    """([items (paths)], [(path, reason)], [(lead, beats found)]) of one recording, cut by a CutRule, None for whole.

    Its label is known, or nothing says it. With a length items follow one after the other, and what is left at the end
    is dropped; else they lie around the annotations, whatever these say, or around the beats of an ECG that has none.
    InputError for a recording without a rate or, where they are needed, annotations or beats.
    """
    if cut is None or split_item(path)[1]:
        return ([str(path)] if split_item(path)[1] else items_of(path, "signal")), [], []
    recording, beats = read_item(path, "signal"), []
    if recording.rate is None:
        raise InputError(f"{path} does not say its sampling rate, which --cut, in seconds, needs.")
    if cut.length:
        size = max(round(cut.length * recording.rate), 1)
        starts = range(0, recording.values.shape[1] - size + 1, size)
        return [f"{path}#{name_cut(at, at + size)}" for at in starts], [], []
    if recording.labels or not str(path).lower().endswith(".hea"):
        rows, out, _ = cut_by_annotations(path, recording, cut)
    else:
        marks, beats = _beats_as_marks(path, recording)
        rows, out = _windows_around(path, recording, marks, (cut.before, cut.after))
    if not rows:
        raise InputError(f"{path} has no annotations that --cut BEFORE:AFTER needs: write --cut SECONDS.")
    return [item for item, _, _ in rows], out, beats


def _beats_as_marks(path, recording):
    """(the beats of a recording as annotations without a text, [(lead, number)]). InputError where there are none."""
    try:
        places, lead = find_beats(recording)
    except InputError as e:
        raise InputError(f"it has no annotations, and {e}") from e
    return [(int(at), int(at) + 1, "") for at in places], [(lead, len(places))]


def _cut_without_labels(files, cut):
    """As `cut_table` has rows, those left out and notes, of recordings without annotations, cut by a CutRule."""
    table, left_out, notes = expand_files(pd.DataFrame({"path": [str(file) for file in files]}), cut)
    return [(path, "", Path(split_item(path)[0]).stem) for path in table.path], left_out, notes


def expand_files(table, cut=None):
    """(table, [(path, reason)], sentences) in which each file of a table of signals gives its items, cut by a CutRule.

    Other columns are kept; where files give several items, the file is their group unless the table has groups.
    """
    rows, items, files, left_out, beats = [], [], [], [], []
    for row, path in zip(table.index, table.path, strict=True):
        try:
            parts, out, found = cut_items(str(path), cut)
            beats += found
        except (InputError, OSError, ValueError) as e:
            parts, out = [], [(str(path), str(e))]
        left_out += out + ([] if parts or out else [(str(path), "it is shorter than an item (--cut)")])
        rows += [row] * len(parts)
        items += parts
        files += [str(path)] * len(parts)
    found = table.loc[rows].reset_index(drop=True).assign(path=items)
    if len(set(files)) < len(files) and "group" not in table:
        found = found.assign(group=files)
    note = f"{counted(len(found), 'items')} come from {counted(len(set(files)), 'files')}."
    return found, left_out, [*beats_in_words(beats), *([note] if len(found) > len(set(files)) else [])]


# ---- folders and lists of files ---------------------------------------------------------------------------------


def sort_signals(pictures, others):
    """(kind's name, files, [(path, reason)] of the others) of a folder's files: of the kind that it holds more of.

    pictures: paths as texts, as are those returned. others: (path, reason) of files that are no pictures.
    """
    files = [*pictures, *(path for path, _ in others)]
    signals = [path for path in files if os.path.exists(path) and signal_format(path)]
    taken = set(signals)
    pictures = [path for path in pictures if path not in taken]
    tables = sum(path.lower().endswith(".csv") for path in files)  # that cannot be read, where nothing else can be
    if len(signals) <= len(pictures) and (pictures or tables <= len(files) / 2):
        among = [(path, "a recording of signals among pictures") for path in signals]
        return "picture", pictures, [each for each in others if each[0] not in taken] + among
    rest = [(path, _part_of_record(path) or why_no_signal(path, reason)) for path, reason in others
            if path not in taken]  # fmt: skip
    signals = sorted(signals, key=lambda path: path.split(os.sep))
    return "signal", signals, rest + [(path, "a picture among signals") for path in pictures]


def _part_of_record(path):
    """A reason for a file that a WFDB header beside it uses; "" for any other."""
    header = record_of(path)
    return f"part of the record {header.name}" if header else ""


def kind_of_paths(paths, looks=20):
    """The name of the kind of more than half of these files; "picture" where none is that of so many."""
    paths = [str(path) for path in paths]
    places = np.unique(np.linspace(0, len(paths) - 1, looks).round().astype(int)) if paths else []
    kinds = [_kind_of_path(paths[at]) for at in places]
    return next((kind for kind in ("signal", "volume") if kinds.count(kind) > len(kinds) / 2), "picture")


def _kind_of_path(path):
    if not os.path.exists(split_item(path)[0]):
        return ""
    found = format_of(path)
    return found.kind if found else ""
