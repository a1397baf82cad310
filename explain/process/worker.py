"""What a worker process does: it runs one method on one case."""

import sys
import time
import traceback

import numpy as np
import torch

from xaae.experiment.figure_style import save_png
from xaae.explain.call import explain_with_sums
from xaae.explain.completeness import Sums
from xaae.explain.figures.heatmaps import preset_for
from xaae.explain.figures.sheets import side_by_side
from xaae.explain.method import Refusal, find_method
from xaae.explain.process import case as cases
from xaae.explain.process.limits import end_with_parent, keep_output, limit_memory, peak_memory


def work(case, entry, stem, pipe, threads=1, memory_limit=None, environment=None):
    """Explain a Case by an Entry: the map in `stem`.npz, a figure in `stem`.png, what is printed in `stem`.log.

    Sends "began" to `pipe`, and at the end the outcome: (status, seconds, peak_mb, reason) and perhaps how the shares
    add up (shares, difference, gap). threads: of torch.
    memory_limit: GiB that the method may take beyond what the libraries hold already, where the system can limit it.
    environment: environment variables of the command.
    """
    end_with_parent(environment)
    keep_output(f"{stem}.log")
    torch.set_num_threads(threads)
    pipe.send("began")
    outcome = _attempt(case, entry, stem, limit_memory(memory_limit))
    sys.stdout.flush()
    sys.stderr.flush()
    pipe.send(outcome)


def _attempt(case, entry, stem, limit=None):
    """The outcome of one explanation, see `work`. Whatever it raises becomes a status."""
    began = time.perf_counter()
    try:
        with cases.plugins(case.plugins):
            items = case.read()
            subject = case.subject(items["x"])
            began = time.perf_counter()
            options = {"background": items.get("background"), "seed": case.seed, "precision": case.precision}
            asked = subject, items["x"], entry.method, items["target"]
            maps, sums = explain_with_sums(*asked, **options, **entry.parameters)
            seconds = time.perf_counter() - began
            _save(stem, entry, maps, items)
        remarks = ["" if maps.any() else "the map is 0 everywhere", sums.remark, subject.remark]
        numbers = sums.shares, sums.difference, sums.gap
        return "ok", seconds, peak_memory(), "; ".join(filter(None, remarks)), *numbers
    except Refusal as e:
        sums = getattr(e, "sums", Sums())  # of a map that does not add up
        numbers = sums.shares, sums.difference, sums.gap
        return "refused", time.perf_counter() - began, peak_memory(), _one_line(e), *numbers
    except BaseException as e:  # a method may raise anything, SystemExit too
        limit_memory(None)
        traceback.print_exc()
        return "error", time.perf_counter() - began, peak_memory(), _failure_in_words(e, limit)


def _save(stem, entry, maps, items):
    """Write `stem`.npz with attribution (B, C or 1, *places), target (B,), row (B,), and a figure in `stem`.png."""
    np.savez_compressed(f"{stem}.npz", attribution=maps, target=items["target"].numpy(), row=items["row"].numpy())
    options = {"titles": {entry.label: entry_title(entry)}, "presets": {entry.label: preset_for(entry.method)}}
    save_png(side_by_side(items["x"], {entry.label: maps}, labels=items["text"], **options), f"{stem}.png")


def entry_title(entry):
    """The title of an Entry in figures: the method's title, or the entry's own label if it has one."""
    return find_method(entry.method).title if entry.label == entry.method else entry.label


# ---- reasons ----------------------------------------------------------------------------------------------------


def _one_line(e, most=300):
    """The message of an exception in one line."""
    text = " ".join(str(e).split())
    return text if len(text) <= most else f"{text[:most]} ..."


def _failure_in_words(e, limit=None):
    """Why a method failed, in one line."""
    of_memory = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc", "Cannot allocate memory")
    if isinstance(e, MemoryError) or (isinstance(e, RuntimeError | OSError) and any(s in str(e) for s in of_memory)):
        allowed = f" (the limit is {limit:.3g} GiB)" if limit else ""
        return f"out of memory{allowed}: {_one_line(e, 150) or type(e).__name__}"
    return f"{type(e).__name__}: {_one_line(e)}"
