"""Two ways of doing the same, timed side by side in one run: ratios, not seconds, since machines differ."""

import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from xaae.experiment.device import machine_facts


@dataclass(frozen=True)
class Comparison:
    """How much longer `ours` takes than `theirs`, over so many repeats: median, least and largest ratio of a pair.

    our_seconds, their_seconds: medians. says: what the two are, in words.
    """

    name: str
    says: str
    ratio_median: float
    ratio_min: float
    ratio_max: float
    repeats: int
    our_seconds: float
    their_seconds: float


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
    ratios = [a / b for a, b in pairs]
    medians = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Comparison(name, says, statistics.median(ratios), min(ratios), max(ratios), repeats, *medians)


def table(comparisons):
    """Comparisons as a Markdown table."""
    lines = ["| comparison | ratio of seconds, median | least to largest | repeats | ours, s | theirs, s |"]
    lines.append("|---" * 6 + "|")
    for c in comparisons:
        spread = f"{c.ratio_min:.2f} to {c.ratio_max:.2f}"
        cells = [c.says, f"{c.ratio_median:.2f}", spread, c.repeats, f"{c.our_seconds:.3g}", f"{c.their_seconds:.3g}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def write_comparisons(comparisons, path, precision):
    """JSON with the machine and each comparison: name, ratio_median, ratio_min, ratio_max, repeats and more."""
    found = {"machine": machine_facts(precision), "comparisons": [asdict(c) for c in comparisons]}
    Path(path).write_text(json.dumps(found, indent=1))
