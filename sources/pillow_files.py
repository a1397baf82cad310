"""Pictures in the formats that Pillow opens: PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, FITS and many more.

Of several frames or pages it is the first. Turned upright by the EXIF tag. Colours of 16 bits each, and of floats,
of which Pillow keeps 8 bits or nothing, are read by OpenCV.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from xaae.sources.file_contents import Format, Raster

ENDINGS = tuple(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .tif .tiff .webp .avif .avifs .bmp .dib .gif .jp2 .j2k .jpc .jpf .jpx .j2c"
    " .pbm .pgm .ppm .pnm .pfm .fit .fits .tga .icb .vda .vst .pcx .dcx .dds .psd .qoi .ras .sgi .bw .rgb .rgba .im"
    " .ico .icns .cur .xbm .xpm .msp .pcd .pxr .blp .ftc .ftu .gbr .fli .flc".split()
)
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}  # modes without colour
DEEP = ("I", "F")  # beginnings of the modes with more than 8 bits a value
COLOURS, DEPTH = {"RGB", "RGBA", "RGBX"}, ";16"  # modes of colour, and what Pillow calls 16 bits of each in a file
ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}
BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}  # of a value, by mode; else 8


def open_image(path):
    """The PIL image in a file, or in an open file, decoded and upright."""
    with Image.open(path) as image:
        return _upright(image)


def _upright(image):
    """A PIL image that was just opened, decoded and turned by its EXIF tag; the same one, not a copy."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)  # most are upright already: a copy would double the memory
    return image


def _read(path, item=""):
    """The Raster of a file, or of an open file."""
    try:
        with Image.open(path) as image:
            if not _has_deep_colours(image):
                return _values(_upright(image))
    except UnidentifiedImageError:  # such as a TIFF of colours in floats
        if (values := _deep_colours(path)) is None:
            raise
        return Raster(values)
    values = _deep_colours(path)
    return _values(open_image(path)) if values is None else Raster(values)


def _values(image):
    """The Raster of a decoded PIL image."""
    if image.mode.startswith(DEEP):
        return Raster(np.asarray(image))
    if image.mode in ALPHA or "transparency" in image.info:
        return Raster(np.asarray(image.convert("RGBA")))
    return Raster(np.asarray(image.convert("L" if image.mode in GREY else "RGB")))


def _has_deep_colours(image):
    """Does the file of a PIL image hold colours of 16 bits each, of which Pillow would keep 8?"""
    return image.mode in COLOURS and any(DEPTH in str(tile[3]) for tile in image.tile)


def _deep_colours(path):
    """Colours (H, W, 3) of more than 8 bits by OpenCV, on black where they are transparent; None if there are none."""
    content = path.getvalue() if hasattr(path, "getvalue") else Path(path).read_bytes()
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    if values is None or values.dtype == np.uint8:
        return None
    if values.ndim == 2:
        return values
    colours = np.ascontiguousarray(values[..., 2::-1])
    if values.shape[2] < 4:
        return colours
    most = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1
    return (colours * (values[..., 3:] / most)).astype(values.dtype)


def _facts(path):
    """What the head of a file, or of an open file, says of its picture."""
    try:
        with Image.open(path) as image:
            return image_facts(image)
    except UnidentifiedImageError:
        if (values := _deep_colours(path)) is None:
            raise
        about = {"format": "TIFF", "width": values.shape[1], "height": values.shape[0], "type": str(values.dtype)}
        return about | {"channels": 1 if values.ndim == 2 else 3, "bits": 8 * values.dtype.itemsize}


def image_facts(image):
    """What a PIL image says of itself before it is decoded, {fact: number or text}."""
    width, height = image.size
    return {
        "format": image.format,
        "width": width,
        "height": height,
        "mode": image.mode,
        "channels": 1 if image.mode in GREY else 3,
        "bits": 16 if _has_deep_colours(image) else BITS.get(image.mode, 8),
    }


PILLOW = Format("picture", "picture", ENDINGS, _read, facts=_facts)
