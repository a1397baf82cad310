"""Uploads: what a user's file must be before it is decoded, and one sentence of refusal for every other file."""

import warnings
from io import BytesIO
from math import prod
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from xaae.experiment.errors import InputError
from xaae.experiment.kinds import PICTURE, SIGNAL, VOLUME
from xaae.sources import picture_files
from xaae.sources.file_contents import READING_FAULTS
from xaae.sources.formats import check_installed, format_by_content, format_of, items_of
from xaae.sources.raster_scaling import BY_FILE
from xaae.sources.signals import read_signals
from xaae.sources.volumes import decode_volume

SIGNAL_FILES = "a CSV, ARFF, TS, NumPy, Zarr or EDF file"
VOLUME_FILES = "a NIfTI (.nii, .nii.gz) or NumPy (.npy) file"
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # of pictures
LARGEST = 20 * 2**20  # bytes
MOST_PIXELS, MOST_VOXELS = 50_000_000, 200_000_000
TOO_MANY = "The picture has more than 50 megapixels: make it smaller (2,000 pixels a side are plenty) and try again."


def read_upload(path, kind, size, channels, **options):
    """The item in a file, as the run reads its own: float (channels, *places) in [0, 1].

    kind: the Kind of the run's items. size: along each axis. options: those of `items.reading_options`. The name of a
    picture's file does not count. InputError for a file that is too large, empty, of another format, too large when
    decoded or broken.
    """
    held = Path(path).stat().st_size
    if held > LARGEST:
        raise InputError(f"The file has {held / 2**20:.0f} MB, but 20 MB is the limit: save a smaller copy of it.")
    if not held:
        raise InputError("The file is empty: choose another.")
    return UPLOAD_READERS[kind.name](path, size, channels, **options)


def _read_picture(path, size, channels, window=BY_FILE):
    """The picture in a file: float (channels, size, size) in [0, 1]."""
    if found := format_by_content(path, PICTURE.name):
        return _read_other(path, found, size, channels, window)
    data = BytesIO(Path(path).read_bytes())
    _check_header(data)
    data.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return picture_files.decode_picture(data, size, channels, window).float() / 255
    except Exception:  # each format fails in its own way
        raise _broken() from None


def _read_other(path, found, size, channels, window):
    """The picture in a file of a format that its first bytes tell, such as DICOM; of several frames the middle one."""
    try:
        check_installed(found)
        facts, items = found.facts(str(path)), found.items(str(path))
        if facts.get("width", 0) * facts.get("height", 0) > MOST_PIXELS:
            raise InputError(TOO_MANY)
        raster = found.read(str(path), items[len(items) // 2])
        return picture_files.fit_picture(raster, size, channels, window).float() / 255
    except InputError as e:
        raise InputError(f"The {found.name} file cannot be read ({e}): choose another.") from e
    except READING_FAULTS:
        raise _broken() from None


def _check_header(data):
    """InputError unless `data` begins like a picture of one of FORMATS of at most MOST_PIXELS; decodes nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = Image.open(data, formats=FORMATS).size
    except UnidentifiedImageError:
        formats = "PNG, JPEG, WebP, BMP, TIFF, GIF or DICOM"
        raise InputError(f"The file is no {formats} picture, whatever its name says: choose one of these.") from None
    except Image.DecompressionBombError:
        raise InputError(TOO_MANY) from None
    except Exception:  # each format fails in its own way
        raise _broken() from None
    if width * height > MOST_PIXELS:
        raise InputError(TOO_MANY)


def _broken():
    """The InputError of a picture that begins well and ends badly."""
    return InputError("The picture is broken or cut short: open it in a picture program, save it again, and try that.")


def _read_signal(path, size, channels, scale=None):
    """The signal in a file: float (channels, size). Of several items in it the first; its ending says its format."""
    found = format_of(path, SIGNAL.name)
    if found is None:
        raise InputError(f"The file is none of signals, as its ending says: choose {SIGNAL_FILES}.")
    try:
        check_installed(found)
        item = items_of(path, SIGNAL.name)[0]
    except InputError as e:
        raise InputError(f"The {found.name} file cannot be read ({e}): choose another.") from e
    except (*READING_FAULTS, IndexError):
        raise InputError(f"The {found.name} file is broken or cut short: save it again and try that.") from None
    x, (reason,) = read_signals([item], size, channels, scale)
    if reason:
        raise InputError(f"The signal does not fit this run ({reason.replace(str(path), 'the file')}): choose another.")
    return x[0]


def _read_volume(path, size, channels, window=BY_FILE):
    """The volume in a file: float (1, size, size, size). Of several in it the first; its ending says its format."""
    found = format_of(path, VOLUME.name)
    if found is None:
        raise InputError(f"The file is none of volumes, as its ending says: choose {VOLUME_FILES}.")
    try:
        if prod(found.facts(str(path)).get(side, 1) for side in ("depth", "height", "width")) > MOST_VOXELS:
            raise InputError("it has more than 200 million voxels")
        item = items_of(path, VOLUME.name)[0]
        return decode_volume(item, size, channels, window).float() / 255
    except InputError as e:
        reason = str(e).replace(str(path), "the file")
        raise InputError(f"The {found.name} file cannot be read ({reason}): choose another.") from e
    except (*READING_FAULTS, IndexError):
        raise InputError(f"The {found.name} file is broken or cut short: save it again and try that.") from None


UPLOAD_READERS = {  # kind -> (file, size, channels) -> item
    "picture": _read_picture,
    "signal": _read_signal,
    "volume": _read_volume,
}
