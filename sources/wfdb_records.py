"""WFDB records (wfdb): the header NAME.hea names the files of samples beside it, annotators (NAME.atr) mark beats."""

import os
import warnings
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from xaae.experiment.errors import InputError
from xaae.sources.array_signals import recording_facts
from xaae.sources.file_contents import Format
from xaae.sources.recordings import SamplesOnDisk, make_recording, of_one_recording, stack_channels

ANNOTATORS = ("atr", "ecg", "qrs", "man", "pwave", "st", "apn")  # endings, the first that is there is taken
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")  # annotation symbols that mark a beat, by PhysioNet's list
IN_MEMORY = 2**26  # bytes of a record that is read as a whole, which is quicker than part by part


def record_stem(path):
    """The path of a record without its ending."""
    return str(Path(path).with_suffix(""))


def record_of(path):
    """The header NAME.hea that a file beside it belongs to; None for a file of no record."""
    header = Path(path).with_suffix(".hea")
    return header if header.is_file() else None


def files_of_record(path):
    """The header of a record, the files and segments that it names, and its annotations: those that are there."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    named = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")][1:]  # first the record
    segments = [path.with_name(f"{Path(name).name}.hea") for name in named]
    found = [path, *(path.with_name(Path(name).name) for name in named)]
    found += [path.with_suffix(f".{ending}") for ending in ANNOTATORS]
    headers = [each for each in dict.fromkeys(segments) if each != path and each.is_file()]
    more = [file for each in headers for file in files_of_record(each)]
    return list(dict.fromkeys([*(str(file) for file in found if file.is_file()), *more]))


def open_record(path):
    """The Recording of a WFDB header, its samples on the disk where all channels have one rate.

    InputError for a record that is cut short, lacks a file or cannot be read.
    """
    header = Path(path).with_suffix(".hea")
    states = [os.stat(file) for file in files_of_record(header)]
    return _open_record(str(header), tuple((state.st_mtime_ns, state.st_size) for state in states))


@lru_cache(maxsize=8)
def _open_record(path, stamps):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb's own use of pandas
        import wfdb

        return _read_record(wfdb, path)


def _read_record(wfdb, path):
    """The Recording of a header. InputError if it cannot be read."""
    stem = record_stem(path)
    try:
        head = wfdb.rdheader(stem)
        if not head.n_sig or not head.sig_len:
            raise InputError("its header names no signals: give a record with samples.")
        simple = getattr(head, "samps_per_frame", None) and set(head.samps_per_frame) == {1}
        values, rate, notes = _on_disk(wfdb, stem, head) if simple else _in_memory(wfdb, stem)
    except InputError:
        raise
    except Exception as e:  # wfdb fails in many ways
        raise InputError(_broken(e)) from e
    about = {"names": head.sig_name or (), "units": head.units or ()} if simple else notes.pop("channels")
    start = {"start": f"{head.base_datetime:%Y-%m-%dT%H:%M:%S}"} if getattr(head, "base_datetime", None) else {}
    return make_recording(values, rate, **about, labels=_annotations(wfdb, stem, rate, head.fs), **start, **notes)


def _broken(error):
    words = " ".join(str(error).split())[:120]
    return (
        f"its record is cut short, lacks a file or is no WFDB record ({type(error).__name__}: {words}): fetch it again."
    )


def _on_disk(wfdb, stem, head):
    """(values, rate, {}) of a record whose channels have one rate; its last sample is read to see that it is there."""

    def read(first, last):
        with np.errstate(invalid="ignore"):
            part = wfdb.rdrecord(stem, sampfrom=first, sampto=last, return_res=32)
        return np.asarray(part.p_signal, np.float32).T

    if head.n_sig * head.sig_len * 4 <= IN_MEMORY:
        return read(0, head.sig_len), float(head.fs), {}
    values = SamplesOnDisk((head.n_sig, head.sig_len), read)
    try:
        read(head.sig_len - 1, head.sig_len)
    except Exception as e:
        raise InputError(_broken(e)) from e
    return values, float(head.fs), {}


def _in_memory(wfdb, stem):
    """(values, rate, {"note": ...}) of a record whose channels have different rates, or of several segments."""
    record = wfdb.rdrecord(stem, smooth_frames=False)
    if record.e_p_signal is None:
        record = wfdb.rdrecord(stem)
        channels, rates = list(record.p_signal.T), [record.fs] * record.n_sig
    else:
        channels, rates = record.e_p_signal, [record.fs * n for n in record.samps_per_frame]
    values, rate, note = stack_channels(channels, rates)
    about = {"channels": {"names": record.sig_name, "units": record.units}}
    return values, rate, about | ({"note": note} if note else {})


def _annotations(wfdb, stem, rate, usual):
    """(first sample, the sample after it, symbol) of the annotations of a record; () if it has none.

    rate: of the recording. usual: what annotations count in, steps a second, where their file does not say.
    """
    ending = next((each for each in ANNOTATORS if Path(f"{stem}.{each}").is_file()), None)
    if ending is None:
        return ()
    try:
        found = wfdb.rdann(stem, ending)
    except Exception as e:
        raise InputError(f"its annotations {Path(stem).name}.{ending} cannot be read ({type(e).__name__}: {e}).") from e
    places = np.round(np.asarray(found.sample) * (rate / (found.fs or usual))).astype(int).tolist()
    return tuple((at, at + 1, symbol) for at, symbol in zip(places, found.symbol, strict=True))


@cache
def symbol_meaning(symbol):
    """What an annotation's symbol stands for, such as "normal beat" of "N"; "" where that is not known."""
    with warnings.catch_warnings(), suppress(Exception):  # without the words where another wfdb has no such table
        warnings.simplefilter("ignore")
        from wfdb.io.annotation import ann_label_table

        found = ann_label_table.description[ann_label_table.symbol == symbol]
        return found.iloc[0][:1].lower() + found.iloc[0][1:]
    return ""


WFDB_RECORD = Format(
    name="WFDB",
    kind="signal",
    endings=(".hea",),
    read=of_one_recording(open_record),
    facts=lambda path: recording_facts(open_record(path)),
    files=files_of_record,
    extra="wfdb",
    package="wfdb",
)
