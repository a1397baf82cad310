"""What a file of items holds once it is read, and what a format has to offer: what all readers share."""

import struct
import sys
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import RLock

import numpy as np
from PIL import Image

from xaae.experiment.errors import InputError


class EmptyItemError(InputError):
    """An item that can be read and shows nothing, as outer slices of a scan do: it is left out, and is no fault."""


READING_FAULTS = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error,
                  Image.DecompressionBombError)  # what a reader raises for a file that cannot be read  # fmt: skip
_HEAD = RLock()  # one for all readers: Python has one counter for them


def head_alone(version=sys.version_info[:3]):
    """A context in which no other thread reads the head of a NumPy array, where a version of Python needs that.

    NumPy has Python parse it. Before 3.11.8, and in 3.12.0 and 3.12.1, the parser counts how deep it is for all threads
    together: where one is interrupted in it by another, as by what happens to be collected as garbage, it raises a
    SystemError (CPython's issue 106905).
    """
    return _HEAD if version < (3, 11, 8) or (3, 12) <= version < (3, 12, 2) else nullcontext()


@dataclass(frozen=True)
class Raster:
    """The values of one picture or volume, in the file's own units, before they are scaled to [0, 1].

    values: (H, W) grey, (H, W, 3) colour or (H, W, 4) colour with alpha, of a volume (D, H, W); uint8 is shown as it
    is, other types are scaled by a window. window: the (lowest, highest) value that are black and white, None where
    nothing says that. given: what says it: "file", "unit" (all values are from 0 to 1), "bytes" (from 0 to 255),
    "range" (it is the range of the whole file). inverted: are high values dark (DICOM's MONOCHROME1)? span: the
    (lowest, highest) value that the file can hold. curve: values -> shares in [0, 1] where the file's own look is no
    straight line. unit: such as "HU". facts: what else the file says, {name: number or text}. spacing: sides of a voxel
    in mm along the axes of a volume, None where they are not known.
    """

    values: np.ndarray
    window: tuple | None = None
    unit: str = ""
    inverted: bool = False
    span: tuple | None = None
    curve: Callable | None = None
    facts: dict = field(default_factory=dict)
    spacing: tuple | None = None
    given: str = "file"


@dataclass(frozen=True)
class Recording:
    """The values of one recording of signals.

    values: float (C, T), channels by time. rate: samples a second (Hz), None where it is not known. names and units: C
    texts each, "" where they are not known. labels: annotations, rows (first sample, last sample, text). facts: what
    else the file says, {name: number or text}. said: {"names", "units"} as the file has them, for one whose axes are
    (time, channels); see `recordings.with_axes`.
    """

    values: np.ndarray
    rate: float | None = None
    names: tuple = ()
    units: tuple = ()
    labels: tuple = ()
    facts: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)


def no_facts(path):
    """Facts of a format that says nothing of its files."""
    return {}


def one_item(path):
    """The items of a file that is one item."""
    return [""]


@dataclass(frozen=True)
class Format:
    """A format of files that hold items.

    name: such as "DICOM". kind: name of the kind of its items. endings: in small letters with the point. read: (path,
    item) -> Raster or Recording; raises InputError, OSError or ValueError for a file that cannot be read. items: path
    -> texts that name the items in a file, [""] for a file that is one item; a table has them as FILE#ITEM. facts: path
    -> {name: number or text} of what the head of a file says (width, height, channels, bits, rate, ...), without its
    values. files: path -> the files that hold its values, None where it holds them all itself. marks: path -> is a file
    of this format by its first bytes, whatever its ending? fits: of several formats with one ending, does a file of
    that ending hold what this one reads? extra: what to install for it, `pip install "xaae[EXTRA]"`, "" for nothing.
    package: what is imported for it.
    """

    name: str
    kind: str
    endings: tuple
    read: Callable
    items: Callable = one_item
    facts: Callable = no_facts
    files: Callable | None = None
    marks: Callable | None = None
    fits: Callable | None = None
    extra: str = ""
    package: str = ""
