"""Uploads: what a stranger's file must be before it is decoded, and one sentence for everything that it is not."""

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from xaae.experiment.errors import InputError
from xaae.sources import picture_files

KINDS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
LARGEST = 20 * 2**20  # bytes
MOST_PIXELS = 50_000_000
TOO_MANY = "The picture has more than 50 megapixels: make it smaller, 2,000 pixels a side are plenty, and try again."


def read_upload(path, size, channels):
    """The picture in a file, as the run reads its own: float (channels, size, size) in [0, 1].

    The name does not count. InputError for a file that is too large, of another kind, too many pixels, or broken.
    """
    held = Path(path).stat().st_size
    if held > LARGEST:
        raise InputError(f"The file has {held / 2**20:.0f} MB, and 20 MB is the limit: save a smaller copy of it.")
    if not held:
        raise InputError("The file is empty: choose another.")
    data = BytesIO(Path(path).read_bytes())
    _check_header(data)
    return _decode(data, size, channels)


def _check_header(data):
    """InputError unless `data` begins like a picture of one of KINDS with no more than MOST_PIXELS; decodes nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = Image.open(data, formats=KINDS).size
    except UnidentifiedImageError:
        kinds = "PNG, JPEG, WebP, BMP, TIFF or GIF"
        raise InputError(f"The file is no {kinds} picture, whatever its name says: choose one of these.") from None
    except Image.DecompressionBombError:
        raise InputError(TOO_MANY) from None
    except Exception:  # each format fails in its own way
        raise _broken() from None
    if width * height > MOST_PIXELS:
        raise InputError(TOO_MANY)


def _decode(data, size, channels):
    """`pictures.decode` of an open file, as float in [0, 1]. InputError if it is broken."""
    data.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return picture_files.decode_picture(data, size, channels).float() / 255
    except Exception:  # each format fails in its own way
        raise _broken() from None


def _broken():
    """The InputError of a picture that begins well and ends badly."""
    return InputError("The picture is broken or cut short: open it in a picture program, save it again, and try that.")
