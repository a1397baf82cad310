"""Naming the factor: which meters a walk changes, in units of their own spread, beside random directions.

The spread of a meter is how far its reading differs between two real items of the run, taken along the straight line
between their codes, so that meters which only compare frames (rotation, scale, place) have one like all others.
"""

from dataclasses import dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from xaae.experiment.amounts import in_agreement
from xaae.experiment.kinds import PICTURE
from xaae.experiment.walk_words import in_one_jump, told_names, unseen_in_words
from xaae.factors.measuring import measure_accounts, measure_all
from xaae.latent_nav.interpolate import linear
from xaae.latent_nav.walks import decode_codes, median_interval, move, p_value, rank_correlation


@dataclass(frozen=True)
class Rule:
    """What a meter has to reach before a walk is said to change it.

    spreads: the change from end to end, at least. p_any: at most; all meters are looked at, so that chance is the best
    of all. spearman: |rank correlation| of alpha and reading, at least. And the interval of the change excludes 0.
    accounts: of a size or place the share of the difference between the ends that it accounts for, at least: the best
    match of two contents lies somewhere too (see `checked_names`).
    """

    spreads: float = 0.75
    p_any: float = 0.05
    spearman: float = 0.8
    accounts: float = 0.5


RULE = Rule()
TOGETHER = 5  # directions decoded and measured at a time


def meter_changes(readings, meters):
    """Signed change from the first to the last frame of readings {meter: (S, T)}: {meter: (S,)}."""
    return {name: meters[name].along(reading) for name, reading in readings.items()}


def spreads(model, z, meters, rng, pairs=48, frames=5):
    """Root mean square change of each meter between random pairs of codes z (N, D), over the root of 2: {meter: float}.

    For a meter with an absolute reading this estimates its standard deviation over the decoded items.
    """
    a, b = (torch.from_numpy(z[rng.integers(0, len(z), pairs)]) for _ in range(2))
    readings = measure_all(decode_codes(model, linear(a, b, frames)), meters)
    return {name: float(np.sqrt(np.mean(change**2) / 2)) for name, change in meter_changes(readings, meters).items()}


def null(model, z, directions, alpha, meters):
    """Median change of every meter along each random direction from starts z (S, D): {meter: (R,)}."""
    groups = [directions[i : i + TOGETHER] for i in range(0, len(directions), TOGETHER)]
    found = []
    for group in tqdm(groups, "random directions", leave=False, disable=None):
        codes = torch.cat([move(z, d, alpha) for d in group])
        found.append(meter_changes(measure_all(decode_codes(model, codes), meters), meters))
    whole = {name: np.concatenate([each[name] for each in found]) for name in meters}
    return {name: np.median(change.reshape(len(directions), len(z)), 1) for name, change in whole.items()}


def ratio(change, scale):
    """|change| in units of a scale; beyond all measure where the scale is 0 and the change is not."""
    return np.abs(change) / max(scale, 1e-9)


def _rms(values):
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def _row(meter, change, reading, alpha, spread, chance, best, rng):
    """What one meter says of a walk: a dict; `table` says what its keys mean."""
    middle = float(np.median(change))
    found = {"meter": meter.name, "unit": meter.unit, "change": middle, "change_ci": median_interval(change, rng)}
    found |= {
        "spread": spread,
        "spreads": float(ratio(middle, spread)),
        "times_chance": float(ratio(middle, _rms(chance))),
    }
    found |= {"spearman": rank_correlation(alpha, reading), "p": p_value(abs(middle), np.abs(chance))}
    return found | {"p_any": p_value(found["times_chance"], best), "words": in_agreement(meter.say(middle))}


def naming_table(readings, alpha, spread, chance, meters, rng, rule=RULE):
    """One row for each meter of a walk's readings {meter: (S, T)}: named ones first, then by how far beyond chance.

    spread {meter: float} and chance {meter: (R,)} as `spreads` and `null` give them. change is the median over starts
    with its bootstrap interval, spreads its size in spreads, times_chance in root mean squares of what random
    directions do; p counts random directions that change this meter as far, p_any those that change any meter as many
    times (the single-step maximum of Westfall and Young 1993). A meter that only confirms another is never named.
    """
    own = [name for name, meter in meters.items() if not meter.confirms]
    best = np.max([ratio(chance[name], _rms(chance[name])) for name in own], axis=0)
    rows = [
        _row(meters[n], change, readings[n], alpha, spread[n], chance[n], best, rng)
        for n, change in meter_changes({n: readings[n] for n in meters}, meters).items()
    ]
    return _in_order([r | {"named": r["meter"] in own and is_named(r, rule)} for r in rows])


def checked_names(rows, frames, meters, rule=RULE):
    """The rows of a naming table, a name taken back where its change does not account for what the frames show.

    frames (S, T, C, *places) of the walk. Only named meters with `accounts` are asked; their rows get the median over
    starts under that key. Of a cat that becomes a dog the best match lies 2 to 4 % lower, and moving it back takes away
    little of the difference: of two drawn pets 0.3 to 0.4, of one that really moves or grows more than 0.9
    (tests/test_naming.py).
    """
    asked = {r["meter"]: meters[r["meter"]] for r in rows if r["named"] and meters[r["meter"]].accounts}
    share = {n: float(np.median(s)) for n, s in measure_accounts(frames, asked).items()}
    rows = [
        r | {"accounts": share[r["meter"]], "named": share[r["meter"]] >= rule.accounts} if r["meter"] in share else r
        for r in rows
    ]
    return _in_order(rows)


def _in_order(rows):
    """Named rows first, then by how far beyond chance."""
    return sorted(rows, key=lambda r: (not r["named"], -r["times_chance"]))


def is_named(found, rule=RULE):
    """Does a row of the table reach every clause of the rule?"""
    far, beyond = found["spreads"] >= rule.spreads, found["p_any"] <= rule.p_any
    low, high = found["change_ci"]
    return bool(far and beyond and low * high > 0 and abs(found["spearman"]) >= rule.spearman)


def naming_sentence(rows, meters, walked=1, invisible=False, kind=PICTURE.name):
    """What a walk changes, in words: "turns left by 88 degrees [81, 95], p = 0.01; no other factor beyond chance".

    walked: how many walks were looked at together, 1 for the main one. invisible: do its ends look the same? kind: the
    name of the items'. What chance alone may have named is told as such, see `walk_words.told_names`.
    """
    if invisible:
        return f"changes nothing that can be seen: {unseen_in_words(kind)}"
    sure, doubtful = told_names(rows, walked)
    if not sure and not doubtful:
        return "changes no factor that the meters know beyond chance"
    last = ["no other factor beyond chance" if sure else "changes no factor beyond chance"]
    if doubtful:
        changes = ", ".join(_change_in_words(r, meters) for r in doubtful)
        last = [f"{last[0]} (it {changes}; among {walked} walks chance alone makes such a p likely)"]
    return "; ".join([_change_in_words(r, meters) for r in sure] + last)


def _change_in_words(row, meters):
    """One named row: "turns left by 88 degrees [81, 95], p = 0.01", with "in one jump" where it does not glide."""
    return f"{row['words']} {meters[row['meter']].interval(row['change_ci'])}{in_one_jump(row)}, p = {row['p_any']:.2f}"
