"""What the numbers of a walk allow to be said of it, in the terminal and on the page alike. Needs no torch."""

import numpy as np

from xaae.experiment.amounts import counted

MOST_BY_CHANCE = 0.5  # names that chance alone may give to all walks together before it is said
ALL, MOST = 0.9, 0.5  # shares of the starts whose decision changes: the walk arrives, arrives for most of them
SEEN = 2 / 255  # least change of a place that is seen: two grey levels of the frames as they are kept
UNSEEN = {  # kind -> what SEEN is about, in words
    "picture": "two grey levels",
    "volume": "two grey levels",
    "signal": "1 % of the range",
}
FEWEST_STARTS = 4  # of fewer it cannot be told whether they fall into groups
GLIDE = 0.25  # largest step of a glide, as a share of the whole change: five times an even one of 21 frames (issue 14)
FADE = 0.9  # share of the frames' variance that the two ends explain, above which a walk is a cross-fade (protocol, 5)
TELLING = 1 - 2 * (1 - FADE)  # of the real change at most, or the test for cross-fades says nothing: see `gliding`
KEEPS = "keeps "  # how a meter begins to tell a change that rounds to nothing


def arrival(walk, goal):
    """A sentence where a walk does not bring the decision over to `goal` for all starts; "" where it does.

    walk: its numbers flips, probability_first, probability_last; "" where they are not known. answers_of: whose they
    are, where that is known.
    """
    decision = f"the decision of the {walk['answers_of']}" if walk.get("answers_of") else "the decision"
    share, *ends = (walk.get(key) for key in ("flips", "probability_first", "probability_last"))
    if share is None or share >= ALL:
        return ""
    if share >= MOST:
        return f"It brings {decision} over for {100 * share:.0f} % of the starts."
    how_far = "" if None in ends else f": the probability of {goal} goes from {ends[0]:.2f} to {ends[1]:.2f}"
    whom = f"for {100 * share:.0f} % of the starts only" if share else ""
    return f"It {'brings' if share else 'does not bring'} {decision} over{' ' + whom if whom else ''}{how_far}."


def is_invisible(walk):
    """Do a walk's first and last frame look the same, as far as that was measured (its number frame_change)?"""
    change = walk.get("frame_change")
    return change is not None and change < SEEN


def unseen_in_words(kind):
    """How little the ends of a walk differ that nobody sees, of items of the kind of this name."""
    return f"its ends differ by less than {UNSEEN.get(kind, UNSEEN['signal'])}"


def manner(walk):
    """How a walk's reading gets from end to end: "glides", "jumps" or "fades"; "" if it does not change, or unknown.

    walk: its numbers, see `gliding.glide_numbers`.
    """
    step, path = walk.get("largest_step_share"), (walk.get("path_step_share") or {}).get("arc")
    if step is None:
        return ""
    if path is not None and path > GLIDE:
        return "jumps"
    if is_fade(walk.get("ends_explain"), walk.get("real_ends_explain")):
        return "fades"
    return "glides" if step <= GLIDE else "jumps"


def is_fade(explained, really):
    """Do the ends explain a walk's frames (R2) as only those of a cross-fade are, and not those of the real change?"""
    return None not in (explained, really) and really <= TELLING and explained > FADE


def manner_in_words(walk, text, noun=""):
    """How a walk gets from end to end, a sentence; "" where `manner` says nothing.

    text(size): how a size is written. noun: what the factor's meter reads; its name, if "".
    """
    if manner(walk) == "glides":
        noun = noun or _meter_name(walk)
        most = f"{100 * walk['largest_step_share']:.0f} %"
        return f"It glides: between two frames its {noun} changes by at most {most} of the whole."
    why = no_glide(walk, text, noun)
    return f"It is {why}." if why else ""


def no_glide(walk, text, noun=""):
    """What a walk that changes its reading and does not glide is, a phrase; "" where it glides or nothing is known.

    text, noun: see `manner_in_words`.
    """
    way, noun = manner(walk), noun or _meter_name(walk)
    if way not in ("jumps", "fades"):
        return ""
    size = "" if walk.get("largest_step") is None else f" by {text(walk['largest_step'])}"
    jump = f"its {noun} jumps{size} within one frame, {100 * walk['largest_step_share']:.0f} % of the whole change"
    if way == "jumps":
        unfair = "" if walk.get("spacing") == "arc" else ", in frames that are not in equal steps of the decoded path"
        return f"a jump: {jump}{unfair} (a glide: at most {100 * GLIDE:.0f} %)"
    ends, real = (f"{100 * walk[key]:.0f} %" for key in ("ends_explain", "real_ends_explain"))
    jumps = f", and {jump}" if walk["largest_step_share"] > GLIDE else ""
    return f"a cross-fade: its two ends, mixed, explain {ends} of the frames between ({real} of a real change){jumps}"


def _meter_name(walk):
    """What the meter of a walk's numbers is called in a sentence."""
    return (walk.get("meter") or "reading").replace("_", " ")


def in_one_jump(row):
    """What follows the words of a row of a naming table whose reading does not glide: ", in one jump"; else ""."""
    return ", in one jump" if (row.get("largest_step_share") or 0) > GLIDE else ""


def told_names(rows, walked=1):
    """(rows of a naming table that name a change, rows that are named but that chance may have named).

    walked: how many walks were looked at together; 1 for the main one, which was chosen beforehand. A change that
    rounds to nothing names nothing. Chance alone gives `walked` times p names as good as this one.
    """
    named = [r for r in rows if r.get("named") and not (r.get("words") or "").startswith(KEEPS)]
    sure = [r for r in named if walked * (r.get("p_any") or 0) < MOST_BY_CHANCE]
    return sure, [r for r in named if r not in sure]


def start_groups(changes, least):
    """[(number of starts, their median change), ...] of two groups of starts far apart; None where there are not two.

    changes (S,): from end to end, of each start. least: a smaller gap does not count. The largest gap has to be half of
    the whole range, and each group a quarter of the starts.
    """
    values = np.sort(np.asarray(changes, float)[np.isfinite(changes)])
    fewest = len(values) / 4
    if len(values) < FEWEST_STARTS:
        return None
    gaps = np.diff(values)
    at = int(gaps.argmax()) + 1
    apart = gaps[at - 1] >= max(least, np.ptp(values) / 2) and gaps[at - 1] > 0
    if not apart or min(at, len(values) - at) < fewest:
        return None
    return [(len(group), float(np.median(group))) for group in (values[:at], values[at:])]


def groups_in_words(groups, text):
    """ "4 starts change by about +2 degrees and 4 by about +88 degrees". text(change): how a change is written."""
    (first, low), (last, high) = groups
    they_change = f"{counted(first, 'starts')} {'changes' if first == 1 else 'change'}"
    return f"{they_change} by about {text(low)} and {last} by about {text(high)}"
