"""Two ways of doing the same, measured side by side in one run: ratios, not seconds, since machines differ."""

import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from xaae.experiment.device import machine_facts


@dataclass(frozen=True)
class Comparison:
    """How much longer `ours` takes than `theirs`, over so many repeats: median, least and largest ratio of a pair.

    ours, theirs: medians, in `unit`: seconds, or MB of memory. says: what the two are, in words.
    """

    name: str
    says: str
    ratio_median: float
    ratio_min: float
    ratio_max: float
    repeats: int
    ours: float
    theirs: float
    unit: str = "s"


def seconds_of(call):
    """How many seconds one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(name, says, ours, theirs, repeats=5):
    """The Comparison of two functions without arguments. Each is called once before; which comes first alternates."""
    ours(), theirs()
    pairs = []
    for turn in range(repeats):
        took = {call: seconds_of(call) for call in ((ours, theirs) if turn % 2 else (theirs, ours))}
        pairs.append((took[ours], took[theirs]))
    return compared(name, says, pairs)


def compared(name, says, pairs, unit="s"):
    """The Comparison of pairs (ours, theirs) that were measured side by side, in `unit`."""
    ratios = [a / b for a, b in pairs]
    medians = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Comparison(name, says, statistics.median(ratios), min(ratios), max(ratios), len(pairs), *medians, unit)


def table(comparisons):
    """Comparisons as a Markdown table."""
    lines = ["| comparison | ratio, median | least to largest | repeats | the first | the second |"]
    lines.append("|---" * 6 + "|")
    for c in comparisons:
        spread = f"{c.ratio_min:.2f} to {c.ratio_max:.2f}"
        cells = [
            c.says,
            f"{c.ratio_median:.2f}",
            spread,
            c.repeats,
            *(f"{value:.3g} {c.unit}" for value in (c.ours, c.theirs)),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def write_comparisons(comparisons, path, precision):
    """JSON with the machine and each comparison: name, ratio_median, ratio_min, ratio_max, repeats and more."""
    found = {"machine": machine_facts(precision), "comparisons": [asdict(c) for c in comparisons]}
    Path(path).write_text(json.dumps(found, indent=1))
