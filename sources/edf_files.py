"""EDF, EDF+ and BDF files (edfio): channels of different rates, units, annotations, starts between seconds."""

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.array_signals import recording_facts
from xaae.sources.file_contents import Format
from xaae.sources.recordings import SamplesOnDisk, make_recording, of_one_recording, stack_channels

ENCODINGS = ("ascii", "utf-8", "latin-1")  # of a header: the standard's own, then what programs write
UNREADABLE = "\ufffd"  # what stands for a byte that an encoding does not have


def open_edf(path):
    """The Recording of an EDF or BDF file; where all channels of an EDF have one rate, its samples stay on the disk.

    Channels of different rates are resampled to the highest. InputError for a file that is cut short, has gaps (EDF+D)
    or cannot be read.
    """
    stamp = Path(path).stat()
    return _open_edf(str(path), (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=8)
def _open_edf(path, stamp):
    found = _parse(path)
    signals = [each for each in found.signals if each.sampling_frequency > 0]
    if not signals:
        raise InputError("it holds annotations and no signals: give a file with signals.")
    if found.reserved.startswith(("EDF+D", "BDF+D")):
        raise InputError("it has gaps in its time (EDF+D): save its continuous parts as EDF+C.")
    rates = [float(each.sampling_frequency) for each in signals]
    if len(set(rates)) == 1 and not path.lower().endswith(".bdf"):
        values, rate, note = _on_disk(found, signals, rates[0]), rates[0], ""
    else:
        values, rate, note = stack_channels([each.data for each in signals], rates)
    about = {"names": [each.label for each in signals], "units": [each.physical_dimension for each in signals]}
    facts = _start(found) | ({"note": note} if note else {})
    return make_recording(values, rate, **about, labels=_annotations(found, rate), **facts)


def _parse(path):
    """What edfio makes of a file, with the encoding of its header that fits."""
    import edfio

    read = edfio.read_bdf if path.lower().endswith(".bdf") else edfio.read_edf
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for encoding in ENCODINGS:
            try:
                found = read(path, header_encoding=encoding)
                texts = [text for each in found.signals for text in (each.label, each.physical_dimension)]
                if UNREADABLE not in "".join(texts):
                    break
            except UnicodeDecodeError:
                continue
            except Exception as e:  # edfio fails in many ways
                words = " ".join(str(e).split())[:120]
                raise InputError(
                    f"it is no whole EDF or BDF file ({type(e).__name__}: {words}): fetch it again."
                ) from e
    short = [str(each.message) for each in told if "file contains" in str(each.message)]
    if short and "-1 data" not in short[0]:
        raise InputError(f"it is cut short ({short[0].removesuffix(' Updating header.')}): fetch it again.")
    return found


def _on_disk(found, signals, rate):
    length = found.num_data_records * min(each.samples_per_data_record for each in signals)

    def read(first, last):
        return np.stack([each.get_data_slice(first / rate, last / rate) for each in signals]).astype(np.float32)

    return SamplesOnDisk((len(signals), length), read)


def _annotations(found, rate):
    """(first sample, last sample, text) of each annotation; of one without a length both are the same but one."""
    spans = [(each.onset, each.duration or 0, each.text.strip()) for each in found.annotations]
    return tuple((round(a * rate), max(round((a + d) * rate), round(a * rate) + 1), text) for a, d, text in spans)


def _start(found):
    """{"start": date and time, to the microsecond} where the file gives them."""
    try:
        day, time = found.startdate, found.starttime
    except ValueError:  # a date that is hidden
        return {"start": found.starttime.isoformat()}
    return {"start": f"{day.isoformat()}T{time.isoformat()}"}


EDF_FILE = Format(
    name="EDF",
    kind="signal",
    endings=(".edf", ".bdf", ".rec"),
    read=of_one_recording(open_edf),
    facts=lambda path: recording_facts(open_edf(path)),
    extra="edf",
    package="edfio",
)
