"""Uploads: what a user's file must be before it is decoded, and one sentence of refusal for every other file."""

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from xaae.experiment.errors import InputError
from xaae.sources import picture_files

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # of pictures
LARGEST = 20 * 2**20  # bytes
MOST_PIXELS = 50_000_000
TOO_MANY = "The picture has more than 50 megapixels: make it smaller (2,000 pixels a side are plenty) and try again."


def read_upload(path, kind, size, channels):
    """The item in a file, as the run reads its own: float (channels, *places) in [0, 1].

    kind: the Kind of the run's items. size: along each axis. The file's name does not count. InputError for a file
    that is too large, empty, of another format, too large once decoded, or broken.
    """
    held = Path(path).stat().st_size
    if held > LARGEST:
        raise InputError(f"The file has {held / 2**20:.0f} MB, but 20 MB is the limit: save a smaller copy of it.")
    if not held:
        raise InputError("The file is empty: choose another.")
    return UPLOAD_READERS[kind.name](BytesIO(Path(path).read_bytes()), size, channels)


def _read_picture(data, size, channels):
    """The picture in an open file: float (channels, size, size) in [0, 1]."""
    _check_header(data)
    data.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return picture_files.decode_picture(data, size, channels).float() / 255
    except Exception:  # each format fails in its own way
        raise _broken() from None


def _check_header(data):
    """InputError unless `data` begins like a picture of one of FORMATS of at most MOST_PIXELS; decodes nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = Image.open(data, formats=FORMATS).size
    except UnidentifiedImageError:
        formats = "PNG, JPEG, WebP, BMP, TIFF or GIF"
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


UPLOAD_READERS = {"picture": _read_picture}  # kind -> (open file, size, channels) -> item
