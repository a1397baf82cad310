"""`data`: a first look at data before anything is trained, from heads of files and a spread of decoded items."""

import os
import re
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from xaae import data
from xaae.experiment import run_folder
from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import save_png
from xaae.experiment.kinds import KINDS, PICTURE, SIGNAL, VOLUME
from xaae.experiment.machine import command_line
from xaae.experiment.settings import RunSettings, native_size
from xaae.experiment.tasks import CLASSES
from xaae.experiment.text_tables import write_texts
from xaae.experiment.vocabulary import AXES
from xaae.experiment.whole_file import fill_folder
from xaae.first_look.associations import GRADES, MOST_P, associate
from xaae.first_look.contact_sheet import draw_contact_sheet, sheet_rows
from xaae.first_look.fact_words import COPIED, DAY, facts_in_order
from xaae.first_look.look_sentences import (
    balance_in_words,
    copies_in_words,
    few_in_words,
    found_in_words,
    target_word,
    words_of,
)
from xaae.sources.formats import split_item
from xaae.sources.item_facts import column_facts, name_patterns, read_item_facts
from xaae.sources.item_faults import find_faults, spread_over_classes
from xaae.sources.items import guess_channels, open_items, reading_options
from xaae.sources.recordings import split_cut
from xaae.sources.signals import MOST_UNUSABLE
from xaae.sources.splits import SplitPlan
from xaae.sources.target_columns import kept_name

DECODED = 1000  # items whose values are looked at, spread over the classes; heads are read of all
NEARLY_ALL = 0.999  # of these may be unreadable; what is seen of the others is still told
VOXELS = 48  # voxels a side of volumes that are looked at
SIDE = 96  # pixels a side of pictures that are looked at
LOOKED_AT = {  # kind -> settings, paths, labels -> (size of an item, its channels), None for what most files have
    "picture": lambda settings, *files: (SIDE, guess_channels(PICTURE, *files)),
    "signal": lambda settings, *files: (settings.length, None),
    "volume": lambda settings, *files: (VOXELS, guess_channels(VOLUME, *files)),
}
SIZES = {  # kind -> facts that say how large items are
    "picture": ("width", "height"),
    "signal": ("channels", "samples", "rate"),
    "volume": ("width", "height", "depth"),
}
SHEET = "contact_sheet.png"
FILES = ("data.json", "metadata.csv", "skipped.csv", SHEET, "data.html")
OPTIONS = {"predict": "target"}  # setting -> its option, where that is called otherwise


def look(settings, out=None, write_page=None):
    """(what data.json holds, the folder) of a first look at settings.dataset.

    settings: the RunSettings of a training; what they say of splits, targets and readers is used. out: the folder, None
    for a numbered one in runs/. write_page(folder): writes the page from the other files. Writes data.json,
    metadata.csv (facts of every item), skipped.csv (what is left out, and why) and contact_sheet.png, all or none of
    them. InputError if nothing is found, or if the folder holds something else.
    """
    folder, seconds = _folder_of(out), {}
    with _timed(seconds, "finding"):
        found, refusal = _find(settings)
    with _timed(seconds, "heads"):
        facts, reasons = _facts_of(found, settings)
    with _timed(seconds, "values"):
        good, items, faults, unread = _look_at_values(found, settings)
    refusal = refusal or (faults.pop() if items is None else _why_too_many(unread, found))
    with _timed(seconds, "comparing"):
        metadata, not_compared = _compare(found, facts)
        look = _about(found, settings) | {
            "sizes": _sizes(facts, found.kind),
            "unreadable": _unreadable(found.table, reasons),
            "unusable": len(unread),
            "faults": faults,
            "metadata": metadata,
            "not_compared": not_compared,
            "refusal": refusal,
            "reading": list(items.notes) if items is not None else [],
            "balance": _balance(found.table.label) if found.target.task == CLASSES.name and not found.refusal else {},
            "rule": GRADES | {"p": MOST_P},
            "seconds": seconds,
        }
    look |= {"found": found_in_words(look), "target_word": target_word(look)}
    look["notes"] += balance_in_words(look["balance"])
    look["warnings"] += few_in_words(look)
    skipped = pd.concat([found.left_out, unread.assign(path=unread.path.astype(str))], ignore_index=True)
    keep = partial(_keep, look=look, found=found, facts=facts, shown=(good, items), skipped=skipped)
    keep = partial(keep, write_page=write_page)
    if folder:
        return look, fill_folder(folder, keep, FILES)
    numbered = run_folder.plan_folder(None, _name(settings.dataset))
    return look, fill_folder(numbered, keep, next_free=run_folder.next_free)


@contextmanager
def _timed(seconds, name):
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 2)


def _name(what):
    return f"data-{run_folder.file_stem(Path(what).absolute().name if Path(what).exists() else what)}"


def _folder_of(out):
    """Where a look is written; None for a numbered folder in runs/. InputError if it holds something other than one."""
    if not out:
        return None
    folder = Path(out)
    others = [p.name for p in folder.iterdir() if p.suffix != ".part"] if folder.is_dir() else []
    if others := set(others) - set(FILES):
        raise InputError(f"{folder} holds {sorted(others)[0]}, which is of no first look: give --out a new folder.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give --out a folder.")
    run_folder.check_writable(folder)
    return folder


# ---- what is there ----------------------------------------------------------------------------------------------


def _find(settings):
    """(the Dataset with its split, ""), or without one and why training would refuse it."""
    asked = {"columns": settings.predict, "task": settings.task, "unit": settings.unit} if settings.predict else {}
    given = (settings.dataset, settings.data_root, settings.items, native_size(settings.dataset), settings.seed)
    found = data.find_dataset(*given, asked | {"cut": settings.cut, "outside": settings.outside_files}, settings.slices)
    try:
        return data.split_dataset(found, SplitPlan(settings.split, settings.group, settings.split_file)), ""
    except InputError as e:
        return found, str(e)


def _facts_of(found, settings):
    """(facts (N rows) of the items of a Dataset, why heads could not be read (N,))."""
    predicted = settings.predict or ()  # columns of the user's
    table, predicted = found.table, (*found.target.columns, *predicted, *map(kept_name, predicted))
    facts, reasons = read_item_facts(table.path, kind=found.kind)
    if found.kind == SIGNAL.name and settings.axes != AXES[0]:
        facts = facts.rename(columns={"channels": "samples", "samples": "channels"})
    facts["file name"] = name_patterns(table.path, table.label.astype(str))
    facts = pd.concat([facts, column_facts(table, predicted)], axis=1)
    return facts[facts_in_order(facts.columns)], reasons


def _look_at_values(found, settings):
    """(table of readable items, their Items, sentences on faults, table path and reason of the others) of a spread of
    items, which are decoded.

    (None, None, [why], no others) if hardly any can be.
    """
    kind = KINDS[found.kind]
    some = found.table.iloc[spread_over_classes(found.table.label, DECODED)].reset_index(drop=True)
    try:
        form = LOOKED_AT[kind.name](settings, some.path, some.label)
        options = reading_options(kind, settings)
        good, items, unread = open_items(kind, some, *form, most_bad=NEARLY_ALL, **options)
    except InputError as e:
        return None, None, [str(e)], pd.DataFrame(columns=["path", "reason"], dtype=object)
    faults = [fault.sentence for fault in find_faults(good, items)]
    if len(unread):
        first = unread.iloc[0]
        looked = f"{len(unread)} of the {len(some)} {kind.plural} that were decoded cannot be used"
        faults.append(f"{looked}, as {first.path} ({first.reason}): see skipped.csv.")
    return good, items, faults, unread


def _why_too_many(unread, found):
    """Why training would not begin where so many of the decoded signals cannot be used; "" where it would."""
    decoded = len(spread_over_classes(found.table.label, DECODED))
    if found.kind != SIGNAL.name or len(unread) <= MOST_UNUSABLE * decoded:
        return ""
    return f"{len(unread)} of {decoded} signals cannot be used, more than {MOST_UNUSABLE:.0%}: mend or remove them."


def _about(found, settings):
    """What data.json says of items, classes, splits and groups."""
    table, kind = found.table, KINDS[found.kind]
    return {
        "what": settings.dataset,
        "kind": kind.name,
        "kind_plural": kind.plural,
        "task": found.target.task,
        "items": len(table),
        "classes": table.label[table.label != ""].astype(str).value_counts().to_dict(),
        "target": found.target.as_dict(),
        "parts": kind.name == "signal" and any(split_cut(split_item(path)[1])[1] for path in table.path),
        "decoded": len(spread_over_classes(table.label, DECODED)),
        "formats": _formats(table.path),
        "splits": _splits(table),
        "split_by": found.split_by,
        "groups": _groups(table),
        "notes": list(found.notes),
        "warnings": list(found.warnings),
        "left_out": _reasons(found.left_out),
        "missing_labels": int(found.left_out.reason.str.startswith("no label").sum()) if len(found.left_out) else 0,
        "copies": _copies(found.copies),
        "command": _command(settings, found),
    }


def _balance(labels):
    """{"majority_class", "majority_share", "smallest_class", "smallest"}: how unlike the classes are in number."""
    counts = labels.astype(str).value_counts()
    return {
        "majority_class": counts.index[0],
        "majority_share": float(counts.iloc[0] / counts.sum()),
        "smallest_class": counts.index[-1],
        "smallest": int(counts.iloc[-1]),
    }


def _formats(paths):
    """{ending: number of items} of the items' files, the most frequent first."""
    names = (split_item(path)[0].rpartition(".")[2].lower() for path in paths)
    return dict(Counter(name[:12] for name in names).most_common(8))


def _splits(table):
    """{split: {class: number}}."""
    if "split" not in table:
        return {}
    return {str(name): rows.label.astype(str).value_counts().to_dict() for name, rows in table.groupby("split")}


def _groups(table):
    """How many groups there are, and how many have items in more than one part; {} without groups."""
    if "group" not in table or (groups := table.group.astype(str)).eq("").all():
        return {}
    shared = int((table.split.groupby(groups).nunique() > 1).sum()) if "split" in table else 0
    return {"number": int(groups.nunique()), "shared": shared}


def _of_another(found):
    """Why a copy is left out, without what it is a copy of."""
    return f"{found[1]} another{', with another label' if found[2] else ''}"


def _in_general(reason, path):
    """A reason without the names of files, so that it is the same for all that are left out for it."""
    reason = re.sub(r"(the same \w+ as) .*?(, whose label is .*)?$", _of_another, reason)
    reason = re.sub(r"^part of the record .*", "part of a record", reason)
    for name in (str(path), split_item(path)[0]):
        reason = reason.replace(name, "it") if os.path.isabs(name) else reason
    return reason


def _reasons(left_out):
    """[{reason, number, example}] of what is left out, the most frequent reason first."""
    general = [_in_general(reason, path) for path, reason in zip(left_out.path, left_out.reason, strict=True)]
    return [
        {"reason": reason, "number": len(rows), "example": str(rows.path.iloc[0])}
        for reason, rows in sorted(left_out.groupby(np.array(general, object)), key=lambda each: -len(each[1]))
    ]


def _copies(copies):
    """How many items are copies of others by content, of another part, with another label."""
    if copies is None or not len(copies):
        return {"number": 0, "across_splits": 0, "two_labels": 0, "example": "", "sentence": ""}
    apart = [a != b for a, b in zip(copies.split, copies.twin_split, strict=True)]
    torn = [a != b for a, b in zip(copies.label, copies.twin_label, strict=True)]
    worst = int(np.argmax([2 * a + b for a, b in zip(apart, torn, strict=True)]))
    example = f"{copies.path.iloc[worst]} of {copies.twin.iloc[worst]}"
    found = {"number": len(copies), "across_splits": sum(apart), "two_labels": sum(torn), "example": example}
    return found | {"sentence": copies_in_words(found)}


def _unreadable(table, reasons):
    """How many heads could not be read, and an example."""
    bad = np.flatnonzero(reasons != "")
    example = f"{table.path.iloc[bad[0]]} ({reasons[bad[0]]})" if len(bad) else ""
    return {"number": len(bad), "example": example}


def _sizes(facts, kind):
    """{fact: lowest, highest, usual} of the facts that say how large items are."""
    known = {name: facts[name].dropna() for name in SIZES[kind] if name in facts}
    return {
        name: {"lowest": float(column.min()), "highest": float(column.max()), "usual": float(column.mode().iloc[0])}
        for name, column in known.items()
        if len(column) and pd.api.types.is_numeric_dtype(column)
    }


def _command(settings, found):
    """The command that trains on the data from where the user stands, with the group that a warning names."""
    usual = RunSettings()
    names = "data_root split group split_file predict task unit window cut length axes slices outside_files".split()
    given = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(usual, name)}
    if found.group_hint and not {"group", "split_file"} & set(given):  # a split is by a file or by groups
        given["group"] = found.group_hint
    words = ["--dataset", settings.dataset]
    for name, value in given.items():
        text = ",".join(value) if isinstance(value, (tuple, list)) else str(value)
        words += [f"--{OPTIONS.get(name, name).replace('_', '-')}", *([] if value is True else [text])] if text else []
    return command_line(words)


# ---- what goes with the target ----------------------------------------------------------------------------------


def _compare(found, facts):
    """(rows of `associate` with their sentences, {fact: why it was not compared}); none without classes."""
    if found.refusal:
        return [], {}
    compared, skipped = facts, {}
    dates = facts["file date"].dropna() if "file date" in facts else ()
    if len(dates) and np.ptp(dates) < DAY:
        compared, skipped["file date"] = facts.drop(columns="file date"), COPIED
    groups = found.table["group"].astype(str) if "group" in found.table else None
    rows, more = associate(compared, found.table, found.target, groups)
    task, noun = found.target.task, found.target.noun if found.target.columns else ""
    return [row | words_of(row, task, noun) for row in rows], skipped | more


# ---- what is kept -----------------------------------------------------------------------------------------------


def _keep(folder, look, found, facts, shown, skipped, write_page):
    """Write what is kept of a look. shown: (table of the decoded items, these Items or None). skipped: path, reason."""
    with _timed(look["seconds"], "writing"):
        known = [name for name in ("path", "label", "split", "group") if name in found.table]
        texts = {name: found.table[name].astype(str) for name in known}
        write_texts(facts.assign(**texts)[[*known, *facts]], folder / "metadata.csv")
        write_texts(skipped, folder / "skipped.csv")
        table, items = shown
        if items is not None:
            rows = sheet_rows(table, items.kind)
            sheet = draw_contact_sheet(items, rows, found.table.label.value_counts(), list(map(str, table.path)))
            save_png(sheet, folder / SHEET)
    run_folder.write_json(folder / "data.json", look)
    if write_page:
        write_page(folder)
