"""The process that runs one method on one case, and nothing else."""

import sys
import time
import traceback

import numpy as np
import torch

from xaae.explain.call import explain
from xaae.explain.figures.heatmaps import preset_for
from xaae.explain.figures.sheets import side_by_side
from xaae.explain.method import Refusal, find_method
from xaae.explain.process import case as cases
from xaae.explain.process.limits import guard, keep_output, limit_memory, peak_memory


def work(case, entry, stem, pipe, threads=1, memory_limit=None, environment=None):
    """Explain `case` by `entry` into `stem`.npz, `stem`.png and, what was printed, `stem`.log.

    Tells `pipe` "began", then the outcome: (status, seconds, peak_mb, reason). memory_limit: GiB that the method may
    take beyond what the libraries hold already, where the platform can limit it.
    """
    guard(environment)
    keep_output(f"{stem}.log")
    torch.set_num_threads(threads)
    pipe.send("began")
    found = _attempt(case, entry, stem, limit_memory(memory_limit))
    sys.stdout.flush()
    sys.stderr.flush()
    pipe.send(found)


def _attempt(case, entry, stem, limit=None):
    """(status, seconds, peak_mb, reason) of one explanation, whatever it does short of ending this process."""
    began = time.perf_counter()
    try:
        with cases.plugins(case.plugins):
            items = case.read()
            subject = case.subject(items["x"])
            began = time.perf_counter()
            maps = explain(
                subject, items["x"], entry.method, items["target"], **_about(case, items), **entry.parameters
            )
            seconds = time.perf_counter() - began
            _save(stem, entry, maps, items)
        return "ok", seconds, peak_memory(), "" if maps.any() else "the map is 0 everywhere"
    except Refusal as e:
        return "refused", time.perf_counter() - began, peak_memory(), _one_line(e)
    except BaseException as e:  # the method may raise anything, SystemExit too
        limit_memory(None)
        traceback.print_exc()
        return "error", time.perf_counter() - began, peak_memory(), _told(e, limit)


def _about(case, items):
    """What `explain` is told besides the items and the method's own parameters."""
    return {"background": items.get("background"), "seed": case.seed, "precision": case.precision}


def _save(stem, entry, maps, items):
    """Write `stem`.npz: attribution float32 (B, C or 1, ...), target (B,), row (B,); `stem`.png: items and maps."""
    np.savez_compressed(f"{stem}.npz", attribution=maps, target=items["target"].numpy(), row=items["row"].numpy())
    about = {"titles": {entry.label: entry_title(entry)}, "presets": {entry.label: preset_for(entry.method)}}
    side_by_side(items["x"], {entry.label: maps}, labels=items["text"], **about).savefig(f"{stem}.png")


def entry_title(entry):
    """What an entry is called in a figure: the method's title, or the label that it was given."""
    return find_method(entry.method).title if entry.label == entry.method else entry.label


# ---- reasons ----------------------------------------------------------------------------------------------------


def _one_line(e, most=300):
    """What an exception says, in one line."""
    text = " ".join(str(e).split())
    return text if len(text) <= most else f"{text[:most]} ..."


def _told(e, limit=None):
    """Why a method failed, in one line."""
    scarce = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "Cannot allocate memory")
    if isinstance(e, MemoryError) or (isinstance(e, RuntimeError | OSError) and any(s in str(e) for s in scarce)):
        allowed = f" (the limit is {limit:.3g} GiB)" if limit else ""
        return f"out of memory{allowed}: {_one_line(e, 150) or type(e).__name__}"
    return f"{type(e).__name__}: {_one_line(e)}"
