"""Files that people have in place of pictures: what they are, and what to make of them."""

from collections import Counter
from pathlib import Path

from xaae.sources.formats import PICTURES

SLICES = "save them as NIfTI (.nii.gz), whose slices are read"
ARRAYS = "save each array as .npy, or all in one .npz as train_images (N, H, W) and train_labels (N,)"
SIGNALS = "convert them to EDF, WFDB, CSV or .npz, which are read as signals"
MIXED = "train on them alone: a dataset has items of one kind"
CONVERT = "convert them to PNG or JPEG"
UNPACK = "unpack them"
TABLE = "save it as CSV, in UTF-8 with commas, with the columns path and label"
KINDS = {  # endings -> (what files are that end so, the cure)
    ".mgz .mgh .nrrd .mha .mhd .hdr": ("volumes of other formats", SLICES),
    ".npz": ("NumPy archives", "give one alone as the dataset, with the arrays train_images and train_labels"),
    ".mat": ("MATLAB files", ARRAYS),
    ".h5 .hdf5 .he5 .nc": ("HDF5 files", ARRAYS),
    ".pkl .pickle .pt .pth": ("pickled Python objects", ARRAYS),
    ".parquet .feather .arrow .tfrecord .tfrecords .lmdb .mdb": ("tables of records", "write each picture to a PNG"),
    ".edf .bdf .hea": ("recordings of signals", MIXED),
    ".gdf .fif .vhdr .set": ("recordings of other formats", SIGNALS),
    ".wav .mp3 .flac .ogg .m4a": ("sounds", SIGNALS),
    ".mp4 .avi .mov .mkv .webm .mpg .mpeg": ("films", "save their frames as PNG"),
    ".svs .ndpi .mrxs .scn .czi .lif .nd2 .oib .vsi": ("slides of a microscope", "save tiles as PNG or TIFF"),
    ".heic .heif .svg .pdf .eps .ai .cr2 .cr3 .nef .arw .dng .raw .xcf": ("pictures that cannot be read", CONVERT),
    ".zip .tar .tgz .tar.gz .gz .bz2 .xz .7z .rar": ("packed files", UNPACK),
    ".xlsx .xls .xlsm .ods .numbers": ("spreadsheets", TABLE),
    ".tsv .tab": ("tables with tabs", TABLE),
}  # fmt: skip
BY_ENDING = {ending: about for endings, about in KINDS.items() for ending in endings.split()}


def foreign_kind(path):
    """(what such files are, the cure) of a file that is no picture; None for a picture or what is not known."""
    name = Path(path).name.lower()
    known = {ending for each in PICTURES for ending in each.endings} - set(BY_ENDING)
    endings = (name[at:] for at, letter in enumerate(name) if letter == ".")
    ending = next((each for each in endings if each in BY_ENDING or each in known), None)
    return BY_ENDING.get(ending)


def foreign_in_words(paths):
    """A sentence for each kind of foreign file among the paths, the most frequent kind first; [] if there are none."""
    kinds = [(foreign_kind(path), str(path)) for path in paths]
    counts = Counter(kind for kind, _ in kinds if kind)
    first = {kind: path for kind, path in reversed(kinds)}
    return [f"{what} ({n}), as {first[what, cure]}: {cure}." for (what, cure), n in counts.most_common()]
