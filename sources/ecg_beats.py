"""The beats of an ECG that has no annotations: found by wfdb's XQRS detector in its first lead."""

import contextlib
import io
import warnings

import numpy as np

from xaae.experiment.amounts import counted
from xaae.experiment.errors import InputError
from xaae.experiment.traces import is_lead
from xaae.sources.recordings import resample, unit_ratio

LEADS_IN_WORDS = "i, ii, v1, MLII or ECG"
RATE = 250.0  # Hz at which beats are looked for: the detector misses those of faster recordings


def find_beats(recording):
    """(samples (N,) of the beats of a Recording, name of the lead that they were found in).

    InputError where no channel is called like a lead of an ECG, or where no beat is found.
    """
    channel = next((i for i, name in enumerate(recording.names) if is_lead(name)), None)
    if channel is None:
        raise InputError(
            f"no channel is called like a lead of an ECG ({LEADS_IN_WORDS}), in which beats are looked for"
        )
    in_mv = unit_ratio(recording.units[channel], "mV") or 1.0
    values = resample(in_mv * np.asarray(recording.values[channel : channel + 1, :])[0], recording.rate, RATE)
    places = np.round(_detect(np.nan_to_num(values).astype(float)) * (recording.rate / RATE)).astype(int)
    if not len(places):
        raise InputError(f"no beats were found in lead {recording.names[channel]} (XQRS of wfdb)")
    return places, recording.names[channel]


def _detect(values):
    """Samples of the beats in one lead (T,) in mV at RATE, by XQRS; none where it cannot work on it."""
    from wfdb.processing import XQRS  # slow to import

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            detector = XQRS(sig=values, fs=RATE)
            detector.detect(verbose=False)
        except (ValueError, IndexError, ZeroDivisionError):  # a flat, short or slow one
            return np.array([], int)
    return np.asarray(detector.qrs_inds, int)


def beats_in_words(found):
    """A sentence on beats that were found, in a list; [] of none. found: (lead, number of beats) of each recording."""
    if not found:
        return []
    leads = list(dict.fromkeys(lead for lead, _ in found))
    of = f" of {len(found)} recordings" if len(found) > 1 else ""
    where = f"lead{'s' * (len(leads) > 1)} {', '.join(leads)}"
    number = counted(sum(n for _, n in found), "beats")
    return [f"There are no annotations: {number}{of} were found in {where} (XQRS of wfdb)."]
