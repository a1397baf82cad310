"""What the head of a picture file says beside its pixels: JPEG quality, EXIF, resolution, colour profile.

Only heads are read, nothing is decoded.
"""

import calendar
import time
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin, UnidentifiedImageError

from xaae.sources.pillow_files import PILLOW, image_facts

SAMPLINGS = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
ORIENTATIONS = {1: "upright", 2: "mirrored", 3: "180 degrees", 4: "upside down", 5: "transposed", 6: "90 degrees",
                7: "transversed", 8: "270 degrees"}  # fmt: skip
LUMINANCE = np.array(  # quantisation table of ITU-T T.81, K.1, which libjpeg scales by its quality
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
     14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
PNG_BITS, PNG_SIGNATURE = 24, b"\x89PNG"  # where the head of a PNG tells the bits of a value


def jpeg_quality(table):
    """The quality, 1 to 100, at which libjpeg writes the luminance table (64,) most like this one, in any order.

    Other writers (cameras, Photoshop) have scales of their own; for them it is the quality that is alike.
    """
    return 1 + int(np.abs(_scaled_tables() - np.sort(table)).sum(1).argmin())


@lru_cache(1)
def _scaled_tables():
    """The sorted luminance tables of qualities 1 to 100, (100, 64)."""
    quality = np.arange(1, 101)[:, None]
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.sort(np.clip((LUMINANCE * scale + 50) // 100, 1, 255), axis=1)


def picture_metadata(path):
    """{fact: number or text} of a picture file. OSError or another error of Pillow's for one that is none."""
    try:
        return _of_pillow(path)
    except UnidentifiedImageError:
        return PILLOW.facts(path)  # colours in floats, which OpenCV reads


def _of_pillow(path):
    """What Pillow makes of the head of a file."""
    with open(path, "rb") as file, Image.open(file) as image:
        facts = image_facts(image) | {"frames": getattr(image, "n_frames", 1) if image.format == "GIF" else 1}
        facts |= _of_jpeg(image) | _of_exif(image) | _of_info(image.info)
        if image.format == "PNG":
            file.seek(0)
            head = file.read(PNG_BITS + 1)
            facts |= {"bits": head[PNG_BITS]} if head.startswith(PNG_SIGNATURE) else {}
        return facts


def _of_jpeg(image):
    """How a JPEG was compressed; {} for other files."""
    if not getattr(image, "quantization", None):
        return {}
    sampling = JpegImagePlugin.get_sampling(image) if image.format == "JPEG" else -1
    return {
        "JPEG quality": jpeg_quality(next(iter(image.quantization.values()))),
        "chroma subsampling": SAMPLINGS.get(sampling, "other"),
        "progressive": "yes" if image.info.get("progressive") else "no",
    }


def _of_exif(image):
    """What a camera or a program wrote into the EXIF tags. Of a PNG those before the pixels, or it would be decoded."""
    exif = image.getexif() if image.format in ("JPEG", "MPO", "TIFF") or "exif" in image.info else {}
    tags = ExifTags.Base
    named = {name: _text(exif.get(tag)) for name, tag in (("camera maker", tags.Make), ("camera", tags.Model),
                                                         ("software", tags.Software))}  # fmt: skip
    if (turn := exif.get(tags.Orientation)) in ORIENTATIONS:
        named["EXIF orientation"] = ORIENTATIONS[turn]
    if taken := _seconds(exif.get(tags.DateTime)):
        named["date in EXIF"] = taken
    return {name: value for name, value in named.items() if value}


def _text(value):
    """A tag as a short text; "" where there is none."""
    return " ".join(str(value or "").replace("\0", " ").split())[:60]


def _seconds(text):
    """EXIF's "2021:03:04 12:34:56" as seconds since 1970; None for what is no date."""
    try:
        return float(calendar.timegm(time.strptime(str(text).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")))
    except (ValueError, OverflowError):
        return None


def _of_info(info):
    """Resolution and colour profile."""
    facts = {}
    if isinstance(dpi := info.get("dpi"), tuple):
        facts["resolution"] = float(dpi[0])
    if profile := info.get("icc_profile"):
        facts["colour profile"] = _profile_name(bytes(profile))
    return facts


@lru_cache(64)
def _profile_name(profile):
    """What a colour profile is called; few files of a data set differ in it."""
    try:
        return _text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))) or "unnamed"
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "unreadable"
