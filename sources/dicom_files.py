"""DICOM files, by pydicom: modality values, the file's own window, what is inverted, colours, several frames.

What a viewer does is done in its order (DICOM PS3.4, annex N): the modality LUT, then the VOI LUT or window, then the
inversion of MONOCHROME1. Files without an ending are known by their preamble. Text that is laid over pictures (overlay
planes) is not drawn.
"""

import os
import warnings
from functools import cache, lru_cache, partial, wraps
from hashlib import sha256

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.file_contents import Format, Raster
from xaae.sources.raster_scaling import square_pixels

MARK_AT, MARK = 128, b"DICM"  # where a DICOM file says that it is one, whatever it is called
PANIC = "PanicException"  # of decoders that are written in Rust (pylibjpeg-rle), no Exception of Python's
TAGS = (  # of the head, beside those of its pixels
    "Modality", "Manufacturer", "ManufacturerModelName", "StationName", "DeviceSerialNumber", "InstitutionName",
    "SoftwareVersions", "ProtocolName", "SeriesDescription", "BodyPartExamined", "ViewPosition", "ImageLaterality",
    "PatientID", "PatientSex", "PatientAge", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate", "AcquisitionDate",
    "KVP", "ExposureTime", "XRayTubeCurrent", "Exposure", "ConvolutionKernel", "SliceThickness", "PixelSpacing",
    "ImagerPixelSpacing", "MagneticFieldStrength", "RepetitionTime", "EchoTime", "PhotometricInterpretation",
    "BitsStored", "WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "LossyImageCompression",
)  # fmt: skip
COLOURS = 3  # samples of a pixel
FRAME = "frame/"


@cache
def _library():
    """pydicom, whose warnings of odd headers are not shown: what cannot be read is said of the file."""
    import pydicom

    warnings.filterwarnings("ignore", module="pydicom")
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    return pydicom


def says_dicom(path):
    """Is DICOM's mark in the head of a file?"""
    try:
        with open(path, "rb") as file:
            file.seek(MARK_AT)
            return file.read(len(MARK)) == MARK
    except OSError:
        return False


def _open(path):
    """The head of a file as a pydicom Dataset, without pixels. InputError if it is none."""
    try:
        found = os.stat(path)
    except OSError as e:
        raise InputError(f"a file that cannot be opened ({e.strerror})") from e
    return _head(str(path), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=16)
def _head(path, *version):
    """The head of a file; version: what changes with its content."""
    pydicom = _library()
    try:
        found = pydicom.dcmread(path, stop_before_pixels=True, force=not says_dicom(path))
    except Exception as e:  # pydicom fails in many ways
        raise InputError(f"a DICOM file that is broken or cut short ({_brief(e)})") from e
    if getattr(found, "file_meta", {}).get("MediaStorageSOPClassUID") == pydicom.uid.MediaStorageDirectoryStorage:
        raise InputError("a DICOMDIR, which lists DICOM files and holds no picture")
    if "Rows" not in found and "SOPClassUID" not in found:
        marked = "a DICOM file that is cut short: its mark is there, and no header after it"
        raise InputError(marked if says_dicom(path) else "no DICOM file, whatever its ending says")
    return found


def _brief(error):
    """An error in a few words."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:140]}"


def _says_what_is_broken(function):
    """The function of a path, which raises an InputError whatever it is about the header that it fails of."""

    @wraps(function)
    def read(path, *item):
        try:
            return function(path, *item)
        except InputError:
            raise
        except Exception as e:
            raise InputError(f"a DICOM file whose header is broken ({_brief(e)})") from e

    return read


# ---- values -----------------------------------------------------------------------------------------------------


@_says_what_is_broken
def _items(path):
    """[""] of a file of one picture, "frame/0" and so on of several."""
    head = _open(path)
    _check_pixels(head)
    frames = int(head.get("NumberOfFrames") or 1)
    return [""] if frames == 1 else [f"{FRAME}{i}" for i in range(frames)]


def _check_pixels(head):
    if "Rows" not in head or "Columns" not in head:
        what = head.get("Modality") or "no modality named"
        raise InputError(f"a DICOM file without pixels ({what}): a report, or a file that is cut short")


@_says_what_is_broken
def _read(path, item=""):
    """The Raster of a frame. InputError if it cannot be read."""
    head = _open(path)
    _check_pixels(head)
    frames, number = int(head.get("NumberOfFrames") or 1), item.removeprefix(FRAME) or "0"
    if not number.isdecimal() or int(number) >= frames:
        raise InputError(f"it has no {item}: it has frame/0 to frame/{frames - 1}")
    stored = _stored(path, head, int(number))
    grey = int(head.get("SamplesPerPixel") or 1) == 1
    if not grey or head.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _colours(head, stored)
    return _greys(head, stored, int(number))


def _stored(path, head, frame):
    """The values of a frame as they are stored (H, W) or (H, W, 3), colours as RGB. InputError if that fails."""
    _library()
    from pydicom.pixels import pixel_array

    try:
        return pixel_array(_whole(path), index=frame)
    except BaseException as e:
        if isinstance(e, Exception) or type(e).__name__ == PANIC:
            raise InputError(_why_no_pixels(head, e)) from e
        raise


def _whole(path):
    """What pydicom decodes: the path, or for a file without a preamble the Dataset with the usual transfer syntax."""
    if says_dicom(path):
        return path
    found = _library().dcmread(path, force=True)
    if "TransferSyntaxUID" not in found.file_meta:
        found.file_meta.TransferSyntaxUID = _library().uid.ImplicitVRLittleEndian
    return found


def _why_no_pixels(head, error):
    """Why the pixels of a DICOM file cannot be read, in a sentence."""
    name, said = _syntax(head), " ".join(str(error).split())
    if "no 'Pixel Data'" in said:
        return f"a DICOM file without pixels ({head.get('Modality') or 'no modality named'})"
    if "cannot reshape" in said or "number of bytes" in said or "expected" in said and "bytes" in said:
        return "a DICOM file that is cut short: fewer pixels than its header says"
    if "12-bit precision" in said:
        return (
            f"DICOM's {name} of 12 bits: pip install pylibjpeg-libjpeg (GPL) reads it, or dcmdjpeg of DCMTK unpacks it"
        )
    if "missing dependencies" in said or "Unable to decompress" in said:
        return (
            f'DICOM\'s {name} cannot be unpacked here: pip install "xaae[dicom]", or unpack it with dcmdjpeg of DCMTK'
        )
    return f"DICOM's {name} cannot be unpacked, the file is broken ({_brief(error)})"


def _syntax(head):
    """The name of the compression."""
    syntax = getattr(head, "file_meta", {}).get("TransferSyntaxUID")
    return syntax.name if syntax else "compression that is not named"


def _colours(head, stored):
    """The Raster of a coloured frame: 8 bits a channel."""
    from pydicom.pixels import apply_color_lut

    bits = int(head.BitsStored)
    if stored.ndim == 2:
        stored = apply_color_lut(stored, head)
        bits = 8 * stored.dtype.itemsize
    values = (stored >> (bits - 8) if bits > 8 else stored).astype(np.uint8)
    return Raster(square_pixels(values[..., :COLOURS], *_spacing(head)), facts=_tags_of(head))


def _greys(head, stored, frame):
    """The Raster of a grey frame in modality values, with the window that its file says."""
    rescale, look = (_group(head, frame, name) for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"))
    inverted = head.get("PhotometricInterpretation") == "MONOCHROME1"
    if stored.dtype == np.uint8 and not _has_modality(rescale) and not _has_look(look):
        most = 2 ** min(8, int(head.BitsStored)) - 1
        values = stored if most == 255 else (stored.astype(np.uint16) * 255 // most).astype(np.uint8)
        values = 255 - values if inverted else values
        return Raster(square_pixels(values, *_spacing(head)), facts=_tags_of(head))
    values = _without_padding(head, stored, _modality(rescale, stored), inverted)
    window, curve = _look_of(look)
    return Raster(
        square_pixels(values, *_spacing(head)), window, _unit(head, rescale), inverted,
        tuple(sorted(_modality(rescale, _possible(head)).tolist())), curve, _tags_of(head),
    )  # fmt: skip


def _group(head, frame, name):
    """Where the header says something of one frame: in a functional group of an enhanced file, else in the file."""
    for sequence, at in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        groups = head.get(sequence) or []
        if len(groups) > at and groups[at].get(name):
            return groups[at].get(name)[0]
    return head


def _has_modality(tags):
    line = tags.get("RescaleSlope") or 1, tags.get("RescaleIntercept") or 0
    return bool(tags.get("ModalityLUTSequence")) or line != (1, 0)


def _modality(tags, values):
    """Stored values as the modality's: through the LUT, or slope and intercept."""
    from pydicom.pixels import apply_modality_lut

    return np.asarray(apply_modality_lut(values, tags)) if _has_modality(tags) else values


def _possible(head):
    """(lowest, highest) value that can be stored, as int32 (2,)."""
    bits, signed = int(head.BitsStored), int(head.get("PixelRepresentation") or 0)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return np.array([low, high], np.int64 if bits > 31 else np.int32)


def _without_padding(head, stored, values, inverted):
    """The values, those of places that were not imaged as dark as the darkest that was."""
    padding = head.get("PixelPaddingValue")
    if padding is None:
        return values
    ends = sorted((int(padding), int(head.get("PixelPaddingRangeLimit") or padding)))
    empty = (stored >= ends[0]) & (stored <= ends[1])
    if not empty.any() or empty.all():
        return values
    return np.where(empty, values[~empty].max() if inverted else values[~empty].min(), values)


def _has_look(tags):
    width = _first(tags.get("WindowWidth"))
    return bool(tags.get("VOILUTSequence")) or (_first(tags.get("WindowCenter")) is not None and bool(width))


def _first(value):
    """The first of several numbers as a float, None for none: of several windows, viewers show the first."""
    several = _several(value)
    return float(several[0]) if several else None


def _several(value):
    """A tag's value as a list; [] of an empty one."""
    if value in (None, ""):
        return []
    return list(value) if not isinstance(value, str) and hasattr(value, "__iter__") else [value]


def _look_of(tags):
    """((low, high) or None, values -> shares in [0, 1] or None): how the file itself wants its values to be seen."""
    if tags.get("VOILUTSequence"):
        return None, partial(_by_table, tags)
    if not _has_look(tags):
        return None, None
    centre, width = _first(tags.WindowCenter), _first(tags.WindowWidth)
    function = tags.get("VOILUTFunction") or "LINEAR"
    if function == "SIGMOID":
        return None, partial(_sigmoid, centre, width)
    if function == "LINEAR_EXACT":
        return (centre - width / 2, centre + width / 2), None
    half = max(width - 1, 1e-6) / 2  # PS3.3, C.11.2.1.2.1
    return (centre - 0.5 - half, centre - 0.5 + half), None


def _by_table(tags, values):
    """Shares of a VOI LUT's whole range."""
    from pydicom.pixels import apply_voi

    bits = int(tags.VOILUTSequence[0].LUTDescriptor[2])
    return np.asarray(apply_voi(np.round(values).astype(np.int32), tags), np.float64) / (2**bits - 1)


def _sigmoid(centre, width, values):
    """Shares by DICOM's sigmoid."""
    return 1 / (1 + np.exp(-4 * (np.asarray(values, np.float64) - centre) / width))


def _unit(head, rescale):
    """The unit of the modality's values: of CT Hounsfield's."""
    said = rescale.get("RescaleType") or head.get("Units") or ("HU" if head.get("Modality") == "CT" else "")
    return "" if said in ("US", "NONE") else str(said)


def _spacing(head):
    """Height and width of a pixel, in any unit; 1 and 1 where the file does not say."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        if len(sides := _several(head.get(name))) == 2:
            return tuple(float(side) for side in sides)
    return 1.0, 1.0


# ---- facts ------------------------------------------------------------------------------------------------------


@_says_what_is_broken
def _facts(path):
    """What the head of a file says: sizes, bits, and the scanner's TAGS that it holds."""
    head = _open(path)
    if "Rows" not in head or "Columns" not in head:
        return {"format": "DICOM", "channels": 0} | _tags_of(head)
    colour = int(head.get("SamplesPerPixel") or 1) > 1 or head.get("PhotometricInterpretation") == "PALETTE COLOR"
    shape = {
        "format": "DICOM",
        "width": int(head.Columns),
        "height": int(head.Rows),
        "channels": COLOURS if colour else 1,
        "bits": int(head.get("BitsStored") or 8),
        "frames": int(head.get("NumberOfFrames") or 1),
        "compression": _syntax(head),
    }
    return shape | _tags_of(head)


def patient_of(path):
    """A pseudonym for the patient that a file, or FILE#frame/3, names, always the same one; "" where it names none."""
    return _pseudonym(_open(str(path).partition(f"#{FRAME}")[0]))


def _pseudonym(head):
    """What stands for the patient in tables and pages; "" for none."""
    known = str(head.get("PatientID") or "").strip()
    return f"patient-{sha256(known.encode()).hexdigest()[:8]}" if known else ""


def _tags_of(head):
    """{tag: number or text} of the TAGS that the head holds; a pseudonym for the patient."""
    found = {name: _plain(head.get(name)) for name in TAGS if head.get(name) not in (None, "")}
    return found | ({"PatientID": _pseudonym(head)} if "PatientID" in found else {})


def _plain(value):
    """A tag's value as a number or a text; several values as a text."""
    if isinstance(value, int | float):
        return float(value)
    return "\\".join(str(each) for each in _several(value))


ENDINGS = (".dcm", ".dicom", ".ima")
DICOM = Format(
    "DICOM", "picture", ENDINGS, _read, _items, _facts, marks=says_dicom, extra="dicom", package="pydicom"
)  # fmt: skip
