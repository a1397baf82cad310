"""`data`: a first look at data before anything is trained, from heads of files and a spread of decoded items."""

import shlex
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from xaae import data
from xaae.experiment import run_folder
from xaae.experiment.command_settings import LookSettings
from xaae.experiment.errors import InputError
from xaae.experiment.figure_style import save_png
from xaae.experiment.kinds import KINDS, PICTURE
from xaae.experiment.text_tables import write_texts
from xaae.first_look.associations import associate
from xaae.first_look.contact_sheet import draw_contact_sheet, sheet_rows
from xaae.first_look.fact_words import COPIED, DATES, DAY, in_order
from xaae.first_look.look_sentences import copies_in_words, found_in_words, target_word, words_of
from xaae.sources.formats import format_of
from xaae.sources.item_facts import column_facts, name_patterns, read_item_facts
from xaae.sources.item_faults import find_faults, spread_over_classes
from xaae.sources.items import guess_channels, open_items
from xaae.sources.splits import SplitPlan

DEFAULTS = LookSettings()
DECODED = 1000  # items whose values are looked at, spread over the classes; heads are read of all
SIZE, SHEET_SIZE = 64, 96  # places a side of items whose values are looked at, and of those on the sheet
SIZES = {  # kind -> facts that say how large items are
    "picture": ("width", "height"),
    "signal": ("channels", "samples", "rate"),
    "volume": ("width", "height", "depth"),
}
FILES = ("data.json", "metadata.csv", "skipped.csv", "contact_sheet.png", "data.html")


def look(what, settings=DEFAULTS):
    """(what data.json holds, the folder) of a first look at `what`, as --dataset of `train` takes it.

    Writes data.json, metadata.csv (facts of every item), skipped.csv (what is left out, and why) and contact_sheet.png.
    InputError if nothing is found, or if the folder holds something else.
    """
    folder, seconds = _folder_of(settings.out, what), {}
    with _timed(seconds, "finding"):
        found = data.find_dataset(what, settings.data_root, asked=settings.asked)
        found, refusal = _split(found, settings)
    with _timed(seconds, "heads"):
        facts, reasons = _facts_of(found)
    with _timed(seconds, "values"):
        kind, items, faults = _look_at_values(found.table)
    with _timed(seconds, "comparing"):
        metadata, skipped = _compare(found, facts)
    look = _about(what, found, kind, settings) | {
        "sizes": _sizes(facts, kind),
        "unreadable": _unreadable(found.table, reasons),
        "faults": faults,
        "metadata": metadata,
        "not_compared": skipped,
        "refusal": refusal,
        "seconds": seconds,
    }
    look |= {"found": found_in_words(look), "target_word": target_word(look)}
    if folder is None:
        folder = run_folder.claim_folder(run_folder.plan_folder(None, _name(what)))
    _keep(folder, look, found, facts, items)
    return look, folder


@contextmanager
def _timed(seconds, name):
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 2)


def _name(what):
    return f"data-{run_folder.file_stem(Path(what).absolute().name if Path(what).exists() else what)}"


def _folder_of(out, what):
    """Where a look is written; None for a numbered folder in runs/. InputError if it holds something other than one."""
    if not out:
        return None
    folder = Path(out)
    if folder.is_dir() and (others := {p.name for p in folder.iterdir()} - set(FILES)):
        raise InputError(f"{folder} holds {sorted(others)[0]}, which is of no first look: give --out a new folder.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give --out a folder.")
    run_folder.check_writable(folder)
    return folder


# ---- what is there ----------------------------------------------------------------------------------------------


def _split(found, settings):
    """(the Dataset with its split, ""), or without one and why training would refuse it."""
    try:
        return data.split_dataset(found, SplitPlan(settings.split, settings.group, settings.split_file)), ""
    except InputError as e:
        return found, str(e)


def _kind_of(paths):
    """The Kind of the items at these paths, by the first one."""
    known = format_of(paths.iloc[0])
    return KINDS[known.kind] if known else PICTURE


def _facts_of(found):
    """(facts (N rows) of the items of a Dataset, why heads could not be read (N,))."""
    table = found.table
    facts, reasons = read_item_facts(table.path)
    facts["file name"] = name_patterns(table.path, table.label.astype(str))
    facts = pd.concat([facts, column_facts(table, found.target.columns)], axis=1)
    return facts[in_order(facts.columns)], reasons


def _look_at_values(table):
    """(Kind, (table of readable items, Items), sentences on faults) of a spread of items, which are decoded."""
    kind = _kind_of(table.path)
    some = table.iloc[spread_over_classes(table.label, DECODED)].reset_index(drop=True)
    channels = guess_channels(kind, some.path, some.label)
    try:
        good, items, unread = open_items(kind, some, SIZE, channels, most_bad=0.999, quiet=True)
    except InputError as e:
        return kind, None, [str(e)]
    faults = [fault.sentence for fault in find_faults(good, items)]
    if len(unread):
        first = unread.iloc[0]
        faults.append(f"{len(unread)} of {len(some)} {kind.plural} that were decoded cannot be read, as {first.path}"
                      f" ({first.reason}).")  # fmt: skip
    return kind, (good, channels), faults


def _about(what, found, kind, settings):
    """What data.json says of items, classes, splits and groups."""
    table = found.table
    return {
        "what": str(what),
        "kind": kind.name,
        "kind_plural": kind.plural,
        "task": found.target.task,
        "items": len(table),
        "classes": table.label.astype(str).value_counts().to_dict(),
        "target": found.target.as_dict(),
        "decoded": min(DECODED, len(table)),
        "formats": _formats(table.path),
        "splits": _splits(table),
        "split_by": found.split_by,
        "groups": _groups(table),
        "notes": list(found.notes),
        "warnings": list(found.warnings),
        "left_out": _reasons(found.left_out),
        "missing_labels": int(found.left_out.reason.str.startswith("no label").sum()) if len(found.left_out) else 0,
        "copies": _copies(found.copies),
        "command": _command(what, settings, found),
    }


def _formats(paths):
    """{ending: number of items} of the items' files, the most frequent first."""
    names = (str(path).partition("#")[0].rpartition(".")[2].lower() for path in paths)
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


def _reasons(left_out):
    """[{reason, number, example}] of what is left out, the most frequent reason first; what a copy is of, is cut."""
    general = left_out.reason.str.replace(r"(the same \w+ as).*", r"\1 another", regex=True)
    return [
        {"reason": reason, "number": len(rows), "example": str(rows.path.iloc[0])}
        for reason, rows in sorted(left_out.groupby(general.to_numpy()), key=lambda each: -len(each[1]))
    ]


def _copies(copies):
    """How many items are copies of others by content, of another part, with another label."""
    if not len(copies):
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
    known = {name: facts[name].dropna() for name in SIZES[kind.name] if name in facts}
    return {
        name: {"lowest": float(column.min()), "highest": float(column.max()), "usual": float(column.mode().iloc[0])}
        for name, column in known.items()
        if len(column) and pd.api.types.is_numeric_dtype(column)
    }


def _command(what, settings, found):
    """The command that trains on the data, with the group that a warning names."""
    words = ["python", "main.py", "--dataset", str(what)]
    group = settings.group or (found.hints[0].source if found.hints else None)
    given = {"data-root": settings.data_root, "target": ",".join(settings.predict), "task": settings.task,
             "unit": settings.unit, "split-file": settings.split_file, "group": group}  # fmt: skip
    given |= {"split": settings.split if settings.split != "auto" and not group else None}
    words += [word for name, value in given.items() if value for word in (f"--{name}", str(value))]
    return " ".join(shlex.quote(word) for word in words)


# ---- what goes with the target ----------------------------------------------------------------------------------


def _compare(found, facts):
    """(rows of `associate` with their sentences, {fact: why it was not compared})."""
    compared, skipped = facts, {}
    for name in DATES:
        if name in facts and np.ptp(facts[name].dropna().to_numpy() if facts[name].notna().any() else [0.0]) < DAY:
            compared, skipped[name] = compared.drop(columns=name), COPIED
    groups = found.table["group"].astype(str) if "group" in found.table else None
    rows, more = associate(compared, found.table, found.target, groups)
    task, noun = found.target.task, found.target.noun if found.target.columns else ""
    return [row | words_of(row, task, noun) for row in rows], skipped | more


# ---- what is kept -----------------------------------------------------------------------------------------------


def _keep(folder, look, found, facts, items):
    """Write the files of a look. InputError if the disk refuses the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise InputError(f"{folder} cannot be written ({e.strerror}): choose another --out.") from e
    began = time.perf_counter()
    known = [name for name in ("path", "label", "split", "group") if name in found.table]
    facts = facts[[name for name in facts if not name.startswith("column ") or name[7:] not in known]]
    write_texts(pd.concat([found.table[known].astype(str), facts.astype(object)], axis=1), folder / "metadata.csv")
    write_texts(found.left_out, folder / "skipped.csv")
    if items:
        good, channels = items
        rows = sheet_rows(good)
        save_png(draw_contact_sheet(KINDS[look["kind"]], rows, look["classes"], SHEET_SIZE, channels),
                 folder / "contact_sheet.png", dpi=110)  # fmt: skip
    look["seconds"]["writing"] = round(time.perf_counter() - began, 2)
    run_folder.write_json(folder / "data.json", look)
