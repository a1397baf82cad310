"""Cells of walks: the scores of section 5 over the models of all arms."""

from collections import Counter

import numpy as np

from xaae.audit import arm_walks
from xaae.audit.cells import cell, detection_numbers, walks_of
from xaae.audit.detection import of_planes, planes
from xaae.audit.signature import signatures
from xaae.latent_nav import walks as steps


def walk_scores(case, arm, i, name, found, shift):
    """The scores of one model's walk along the direction `name`."""
    said, arrays = walks_of(case, arm, i)
    meter = case.meters[case.factor.meter]
    rows = case.flip_set("aae")
    return arm_walks.score_walk(arrays[name], said["tables"][name], meter, shift, steps.alphas(), rows, found)


def _walk_cell(case, name, found, shift):
    """The cell of the walks along one direction: medians over the biased models, false alarms over the others."""
    scored = {arm: [walk_scores(case, arm, i, name, found, shift) for i in range(case.seeds)] for arm in case.folders}
    rows = case.flip_set("aae")
    seen = {a: [of_planes(planes(walks_of(case, a, i)[1][name]["difference"][rows])) for i in range(case.seeds)]
            for a in ("biased", "irrelevant")}  # fmt: skip
    about = detection_numbers(seen["biased"], seen["irrelevant"], case.rng(name))
    alarms = [_reached(s, case) for arm in ("irrelevant", "normal") for s in scored.get(arm, [])]
    about["false_alarms"] = max(about["false_alarms"], float(np.mean(alarms)))
    together = summed(case, scored["biased"])
    together["scores"] |= {"boundary_error": _boundary(case, name, rows), "walk_alarms": float(np.mean(alarms))}
    return cell(case, f"walk:{name}", "aae", gates=["aae", "shown"], **together, **about)


def summed(case, scored):
    """scores (medians), named and naming of the walks of some models, from `walk_scores` of each."""
    numbers = {key: float(np.median([s[key] for s in scored]))
               for key in ("spearman", "span", "slope", "p_random", "non_trivial", "flips", "realism")}  # fmt: skip
    named = float(np.mean([s["name"] == case.condition.factor for s in scored])) > 0.5
    return {"scores": numbers, "named": named, "naming": what_is_named([s["name"] for s in scored])}


def what_is_named(names):
    """A sentence: which factor the meters of so many models' walks name."""
    counted = Counter(name or "nothing" for name in names).most_common()
    (first, n), *rest = counted
    return f"its meters name {first} in {n} of {len(names)} models" + "".join(f", {name} in {k}" for name, k in rest)


def _reached(scores, case):
    """Does a walk of an unbiased model show the planted factor as a biased one has to?"""
    a = case.asked
    return bool(abs(scores["spearman"]) >= a.spearman and scores["span"] >= a.span and scores["p_random"] <= a.p
                and scores["name"] == case.condition.factor)  # fmt: skip


def _boundary(case, name, rows):
    """By how much the walk's reading, where the decision turns, misses that of pictures at the planted boundary: the
    median over starts and biased models, in the meter's unit; None if no walk crosses."""
    meter, missed = case.meters[case.factor.meter], []
    between = np.mean(list(case.bias.middles().values()))
    at = case.bias.plant(case.probe.x_0, np.full(len(case.probe.x_0), between, np.float32))
    frames = np.stack([case.probe.x.numpy(), at.numpy()], 1)
    wanted = meter.measure(frames)
    wanted = meter.between(wanted[:, 0], wanted[:, 1])
    for i in range(case.seeds):
        crossing = walks_of(case, "biased", i)[1][name]["crossing"]
        missed.append(meter.between(crossing, wanted)[rows])
    missed = np.concatenate(missed)
    return float(np.nanmedian(np.abs(missed))) if np.isfinite(missed).any() else None


def all_walks(case):
    """The cells of all directions."""
    found = signatures(case.probe.x_0, case.meters, case.fill)
    said, arrays = walks_of(case, "biased", 0)
    return [_walk_cell(case, name, found, said["shift"]) for name in arrays]
