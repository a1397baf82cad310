"""The formats of files that can be read: one list that every command asks, one file of code for each format.

To add a format, write `sources/NAME_files.py` with its `Format` and put that into `FORMATS`.
"""

import os
from hashlib import file_digest, sha256
from importlib.util import find_spec

from xaae.experiment.errors import InputError
from xaae.sources.array_signals import NUMPY_SIGNALS
from xaae.sources.cifar10_files import CIFAR10_BATCHES
from xaae.sources.csv_signals import CSV_SIGNALS
from xaae.sources.dicom_files import DICOM
from xaae.sources.edf_files import EDF_FILE
from xaae.sources.file_contents import Format
from xaae.sources.nifti_files import NIFTI, NIFTI_VOLUMES, take_slices
from xaae.sources.npy_files import NPY, NPY_VOLUMES
from xaae.sources.npz_archives import NPZ, NPZ_VOLUMES
from xaae.sources.pillow_files import PILLOW
from xaae.sources.recordings import split_cut
from xaae.sources.ucr_files import UCR_SERIES
from xaae.sources.wfdb_records import WFDB_RECORD
from xaae.sources.zarr_signals import ZARR_SIGNALS

SIGNALS = (NUMPY_SIGNALS, CSV_SIGNALS, ZARR_SIGNALS, UCR_SERIES, WFDB_RECORD, EDF_FILE)
PICTURES = (PILLOW, DICOM, NIFTI, NPZ, NPY, CIFAR10_BATCHES)
VOLUMES = (NIFTI_VOLUMES, NPZ_VOLUMES, NPY_VOLUMES)
FORMATS: tuple[Format, ...] = (*PICTURES, *VOLUMES, *SIGNALS)  # of two that fit a file, the first is taken


def format_of(path, kind=None):
    """The Format of a file, or of the file of FILE#ITEM: by its ending, else by its first bytes; None for no known one.

    kind: the name of the kind of items that are wanted, None for any.
    """
    file = split_item(path)[0]
    formats = [each for each in FORMATS if kind in (None, each.kind)]
    if by_ending := [each for each in formats if _ends_like(file, each)]:
        return next((each for each in by_ending if each.fits and each.fits(file)), by_ending[0])
    return format_by_content(file, kind)


def format_by_content(file, kind=None):
    """The Format that a file's first bytes say, whatever its name; None where they say none."""
    formats = (each for each in FORMATS if each.marks and kind in (None, each.kind))
    return next((each for each in formats if os.path.isfile(file) and each.marks(file)), None)


def _ends_like(file, fmt):
    return str(file).lower().endswith(fmt.endings)


def ending_of(file):
    """The ending by which a file is of a format that is known, the longest one; "" if it has none."""
    name = str(file).lower()
    return max((each for fmt in FORMATS for each in fmt.endings if name.endswith(each)), key=len, default="")


def split_item(path):
    """(file, item) of a table's path FILE#ITEM; the item is "" where the path names a whole file."""
    file, mark, item = str(path).rpartition("#")
    if mark and not os.path.isfile(path) and (any(_ends_like(file, each) for each in FORMATS) or os.path.isfile(file)):
        return file, item
    return str(path), ""


def items_of(path, kind=None, slices="axial"):
    """The items of a file as a table names them: [FILE] or [FILE#ITEM, ...]. InputError if it cannot be opened.

    slices: along which axis volumes are cut.
    """
    found = format_of(path, kind)
    check_installed(found)
    items = take_slices(found.items(str(path)), slices)
    return [f"{path}#{item}" if item else str(path) for item in items]


def files_of(file):
    """The files that hold what is in a file as a table names it: mostly that file alone."""
    found = next((each.files for each in FORMATS if each.files and _ends_like(file, each)), None)
    return found(file) if found else [str(file)]


def content_of(file):
    """What stands in a file, and in others that hold its values, as a short text that nothing else has.

    Of several their endings count too, or their places in a store. OSError if one cannot be read.
    """
    store, digest = os.path.isdir(file), sha256()
    for each in dict.fromkeys([str(file), *files_of(file)]):
        if not os.path.isdir(each):
            with open(each, "rb") as opened:
                held = file_digest(opened, "sha256").hexdigest()
            name = os.path.relpath(each, file) if store else os.path.splitext(each)[1] if each != str(file) else ""
            digest.update(f"{name}\0{held}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def read_item(path, kind=None):
    """The Raster or Recording of a table's path FILE or FILE#ITEM. InputError, OSError or ValueError if that fails."""
    found = format_of(path, kind)
    if found is None:
        raise InputError(f"{path} has no format that is known: see the formats in docs/data.md.")
    check_installed(found)
    return found.read(*split_item(path))


def file_facts(path, kind=None):
    """What the head of the file of FILE or FILE#ITEM says: {name: number or text}; {} of no known format."""
    found = format_of(path, kind)
    if found is None:
        return {}
    check_installed(found)
    file, item = split_item(path)
    cut = split_cut(item)[1]
    return found.facts(file) | ({"samples": cut[1] - cut[0]} if cut else {})


def check_installed(found):
    """InputError if the library that reads a Format is not installed."""
    if found.package and find_spec(found.package) is None:
        raise InputError(
            f"{found.name} files are read by {found.package}, which is not installed:"
            f' pip install "xaae[{found.extra}]".'
        )
