"""Pictures in the formats that Pillow opens: PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, FITS and many more.

Of several frames or pages it is the first. Turned upright by the EXIF tag.
"""

import numpy as np
from PIL import Image, ImageOps

from xaae.sources.file_contents import Format, Raster

ENDINGS = tuple(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .tif .tiff .webp .avif .avifs .bmp .dib .gif .jp2 .j2k .jpc .jpf .jpx .j2c"
    " .pbm .pgm .ppm .pnm .pfm .fit .fits .tga .icb .vda .vst .pcx .dcx .dds .psd .qoi .ras .sgi .bw .rgb .rgba .im"
    " .ico .icns .cur .xbm .xpm .msp .pcd .pxr .blp .ftc .ftu .gbr .fli .flc".split()
)
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}  # modes without colour
DEEP = ("I", "F")  # beginnings of the modes with more than 8 bits a value
ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}
BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16, "I": 32, "F": 32}  # of a value, by mode; else 8


def open_image(path):
    """The PIL image in a file, or in an open file, decoded and upright."""
    with Image.open(path) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)  # most are upright already: a copy would double the memory
        return image


def _read(path, item=""):
    """The Raster of a file, or of an open file."""
    image = open_image(path)
    if image.mode.startswith(DEEP):
        return Raster(np.asarray(image))
    if image.mode in ALPHA or "transparency" in image.info:
        return Raster(np.asarray(image.convert("RGBA")))
    return Raster(np.asarray(image.convert("L" if image.mode in GREY else "RGB")))


def _facts(path):
    """What the head of a file, or of an open file, says of its picture."""
    with Image.open(path) as image:
        return image_facts(image)


def image_facts(image):
    """What a PIL image says of itself before it is decoded, {fact: number or text}."""
    width, height = image.size
    return {
        "format": image.format,
        "width": width,
        "height": height,
        "mode": image.mode,
        "channels": 1 if image.mode in GREY else 3,
        "bits": BITS.get(image.mode, 8),
    }


PILLOW = Format("picture", "picture", ENDINGS, _read, facts=_facts)
