"""What looks like a group of items, such as a patient: a column, the beginning of file names, folders, files.

Items of one group in training and among those held out make the accuracy too high: a model knows the patient again.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xaae.experiment.errors import InputError
from xaae.experiment.vocabulary import SLICES
from xaae.sources.formats import split_item

PERSON = re.compile(
    r"patient|subject|\bsubj|person|participant|individual|donor|volunteer|animal|mouse|\brat\b|speaker|writer"
    r"|case|study|series|session|record|specimen|slide|group|\bpid\b|\bmrn\b|(^|[_ -])id$|[a-z]I[dD]$",
    re.IGNORECASE,
)
NAMED = re.compile(  # "patient012", "sub-01", "P7", at the beginning of a name or after a mark
    r"(?:^|[_\-. ])((?:patient|pat|pt|subject|subj|sub|person|participant|donor|volunteer|animal|mouse|case|s|p|id)"
    r"[-_ ]?\d+)(?=[_\-. ]|$)",
    re.IGNORECASE,
)
NUMBERED = re.compile(r"^(.*\d.*?)[_\-. ]+\(?[a-z]{0,6}\d+\)?$", re.IGNORECASE)  # "00013_002": a number and a number
DATE = re.compile(r"^\D*(?:19|20)\d{2}[-_.]?(?:[01]\d)(?:[-_.]?[0-3]\d)?(?:[-_.T ]?\d{2,6})*$")  # no patient, a day
FEWEST = 5  # groups; fewer beginnings of names are a series of a camera
MOST_SHARE = 0.8  # of the items: if there are more groups, hardly any has two
NOT_COLUMNS = {"path", "label", "split", "factor", "value", "obeys"}
CUT_OUT = re.compile(rf"(^|/)samples/\d|^({'|'.join(SLICES)})/")  # items that are parts of a recording or a volume
ARCHIVES = (".npz", ".npy")  # one file with all items of a data set is no group


@dataclass(frozen=True)
class GroupHint:
    """source: what `--group` takes, a column or one of DERIVED. what: words for it. groups: how many there are.
    shared: how many have items in more than one part. example: a group that has."""

    source: str
    what: str
    groups: int
    shared: int
    example: str

    def in_words(self):
        """The warning, and its cure."""
        return (
            f"{self.what} looks like a group that is not used ({self.groups} groups, {self.shared} of them in more"
            f" than one part, as {self.example}): a model can know them again, and the accuracy on held-out items is"
            f" then too high. Hold out whole groups: --group {self.source}."
        )


def _folder_groups(table):
    """The folder of each item below that of its class, None where items lie in the class's own."""
    places = table.path.astype(str).map(os.path.dirname)
    labels = table.label.astype(str)
    bare = [os.path.basename(place) == label for place, label in zip(places, labels, strict=True)]
    return None if any(bare) or places.nunique() < FEWEST else places


def _name_groups(table):
    """What the names of files begin with, as far as that looks like a patient; "" for names without."""
    return table.path.astype(str).map(_beginning)


def _beginning(path):
    """ "patient012" of "patient012_03.png", "00000013" of "00000013_005.png"; "" for a name that shows no group."""
    stem = os.path.basename(split_item(path)[0]).partition(".")[0]
    if found := NAMED.search(stem):
        return found[1].lower()
    found = NUMBERED.match(stem)
    return found[1] if found and not DATE.match(found[1]) else ""


def parts_of_files(table):
    """The file that each item is a part of (slices of a volume, beats of a recording); None if they are whole files."""
    files = table.path.map(lambda path: split_item(path)[0])
    apart = (files != table.path.astype(str)) & ~files.str.lower().str.endswith(ARCHIVES)
    return files if apart.any() and 1 < files.nunique() < len(files) else None


def one_recording(table):
    """A warning where all items are cut from one recording or volume, whichever of them are held out; else ""."""
    pairs = [split_item(path) for path in table.path]
    if len({file for file, _ in pairs}) > 1 or not all(CUT_OUT.search(item) for _, item in pairs):
        return ""
    return (
        f"All items are cut from one file, {Path(pairs[0][0]).name}: what is held out tells nothing of other patients,"
        " whom a model may not know again."
    )


DERIVED = {  # what --group takes beside the name of a column -> groups (N,) of a table, None if there are none
    "file": parts_of_files,
    "folder": _folder_groups,
    "file-name": _name_groups,
}
WORDS = {
    "file": "The file that items are parts of",
    "folder": "The folder of the items below that of their class",
    "file-name": "The beginning of the file names",
}


def derive_groups(table, source):
    """The groups (N,) of a table's items as texts. source: a column, or one of DERIVED.

    InputError if the table has none, or a blank one.
    """
    if source in table:
        groups = table[source].map(lambda value: "" if pd.isna(value) else str(value).strip())
    elif source in DERIVED:
        groups = DERIVED[source](table)
    else:
        columns = [str(name) for name in table if name not in NOT_COLUMNS]
        raise InputError(f"There is no column {source!r}: --group takes {', '.join([*columns, *DERIVED])}.")
    if groups is None or (groups == "").all():
        raise InputError(f"The items have no groups by {source}: give --group another column.")
    if (groups == "").any():
        first = table.path[(groups == "").to_numpy()].iloc[0]
        raise InputError(f"{first} has no group by {source}: a split by group needs one for every item.")
    return groups


def find_group_hints(table):
    """The GroupHints of a table with path, label and split, whose groups are in more than one part; mostly [].

    Columns come first. Of what is derived from paths the first alone is told.
    """
    columns = [name for name in table if str(name) not in NOT_COLUMNS and PERSON.search(str(name))]
    known = [(name, f"The column {name}", table[name].astype(object)) for name in columns]
    derived = ((name, WORDS[name], make(table)) for name, make in DERIVED.items())
    hints = [hint for each in known if (hint := _hint_of(table, *each))]
    return hints or [hint for each in derived if (hint := _hint_of(table, *each))][:1]


def _hint_of(table, source, what, groups):
    """The GroupHint of groups (N,) with blanks; None if they do not look like groups, or lie each in one part."""
    if groups is None:
        return None
    filled = groups[groups.notna() & (groups.astype(str).str.strip() != "")]
    n = filled.nunique()
    if len(filled) < len(table) / 2 or not FEWEST <= n <= MOST_SHARE * len(filled):
        return None
    parts = table.split[filled.index].groupby(filled.to_numpy()).nunique()
    shared = parts.index[parts > 1]
    return GroupHint(str(source), what, n, len(shared), str(shared[0])) if len(shared) else None
